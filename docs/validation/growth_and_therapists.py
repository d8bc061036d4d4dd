"""How well therapist effects and growth find what is known to be there.

Makes growth_and_therapists.csv beside this file: ``python docs/validation/growth_and_therapists.py`` (about half an hour on two
cores; ``--studies`` makes it shorter).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from tqdm import tqdm

import alliance_stats as al

HERE = Path(__file__).parent
TIMES = np.array([0.0, 1, 2, 3, 4, 6, 8, 10, 12, 15, 18])
BEND = 9.0
SLOPES = {"brief": (-1.5, 0.4), "waiting": (-0.9, 0.1)}
THERAPIST, PATIENT, RESIDUAL = 2.0, 4.0, 2.25

Row = tuple[str, float, float, float, float]


def therapists(seed: np.random.SeedSequence, n_therapists: int) -> list[Row]:
    """Return truth, estimate and limits of the shares of one study of therapists with 3 to 14 patients of 4 sessions."""
    rng = np.random.default_rng(seed)
    therapist = np.repeat(np.arange(n_therapists), rng.integers(3, 15, n_therapists))
    severity = rng.standard_normal(therapist.size) + 0.5 * rng.standard_normal(n_therapists)[therapist]
    level = np.sqrt(THERAPIST) * rng.standard_normal(n_therapists)[therapist] + severity
    level += np.sqrt(PATIENT) * rng.standard_normal(therapist.size)
    patient = np.repeat(np.arange(therapist.size), 4)
    noise = np.sqrt(RESIDUAL) * rng.standard_normal(patient.size)
    frame = pd.DataFrame({"patient": patient, "therapist": therapist[patient], "severity": severity[patient]})
    frame["distress"] = 20 + level[patient] + noise
    table = al.therapist_effects(frame, "distress", caseload=["severity"]).tidy()
    own = table[(table["kind"] == "profile") & (table["model"] == "with caseload")]
    rests = (PATIENT + RESIDUAL, PATIENT + RESIDUAL / 4, PATIENT)
    return [
        (
            f"{row.term}, {n_therapists} therapists",
            THERAPIST / (THERAPIST + rest),
            row.estimate,
            row.conf_low,
            row.conf_high,
        )
        for row, rest in zip(own.itertuples(), rests, strict=True)
    ]


def courses(rng: np.random.Generator) -> pd.DataFrame:
    """Return two arms of 40 patients whose mean course bends at week 9; patients differ in level and both slopes."""
    frames = []
    for arm, (before, after) in SLOPES.items():
        patient = np.repeat(np.arange(40), TIMES.size)
        week = np.tile(TIMES, 40)
        own = rng.standard_normal((3, 40)) * np.array([[3.0], [0.3], [0.15]])
        mean = 30 + own[0][patient] + (before + own[1][patient]) * np.minimum(week, BEND)
        mean += (after + own[2][patient]) * np.maximum(week - BEND, 0)
        values = mean + 2.0 * rng.standard_normal(week.size)
        frames.append(
            pd.DataFrame({"patient": [f"{arm}{i}" for i in patient], "week": week, "arm": arm, "distress": values})
        )
    frame = pd.concat(frames, ignore_index=True)
    return frame[rng.uniform(size=len(frame)) > 0.1]


def growth(seed: np.random.SeedSequence, break_at: float | str) -> list[Row]:
    """Return truth, estimate and limits of the break and of changes of one study."""
    frame = courses(np.random.default_rng(seed))
    result = al.growth(frame, "distress", form="piecewise", time="week", by="arm", break_at=break_at)
    name = "break estimated" if break_at == "estimate" else "break given"
    rows: list[Row] = []
    if break_at == "estimate":
        found = result.tidy("break").iloc[0]
        rows.append(("break", BEND, found["estimate"], found["conf_low"], found["conf_high"]))
    gain = {arm: 9 * before for arm, (before, _) in SLOPES.items()}
    kept = {arm: 9 * after for arm, (_, after) in SLOPES.items()}
    # To and from the estimated break itself: the mean at a fixed time beside a bend is biased towards its inside.
    table = result.tidy()
    for label, truth, phase in (("gain", gain, "before the break"), ("maintenance", kept, "after the break")):
        own = table[table["phase"] == phase].set_index("group")
        values = {"brief": truth["brief"], "waiting - brief": truth["waiting"] - truth["brief"]}
        for group, value in values.items():
            row = own.loc[group]
            what = f"{label}, {row['kind']}, {name}"
            rows.append((what, value, row["estimate"], row["conf_low"], row["conf_high"]))
    return rows


def one_study(seed: np.random.SeedSequence) -> list[Row]:
    """Return all rows of one replicate."""
    parts = seed.spawn(4)
    rows = therapists(parts[0], 12) + therapists(parts[1], 60)
    return rows + growth(parts[2], BEND) + growth(parts[3], "estimate")


def summarise(rows: list[Row]) -> pd.DataFrame:
    """Return bias in Monte Carlo standard errors and coverage with its error, one row per quantity."""
    table = pd.DataFrame(rows, columns=["quantity", "truth", "estimate", "conf_low", "conf_high"])
    table["covered"] = (table["conf_low"] <= table["truth"]) & (table["truth"] <= table["conf_high"])
    own = table.groupby("quantity", sort=False)
    found = own.agg(truth=("truth", "first"), mean=("estimate", "mean"), sd=("estimate", "std"), n=("covered", "size"))
    found["bias_in_errors"] = (found["mean"] - found["truth"]) / (found["sd"] / np.sqrt(found["n"]))
    found["coverage"] = own["covered"].mean()
    found["coverage_error"] = np.sqrt(found["coverage"] * (1 - found["coverage"]) / found["n"])
    return found.reset_index()


def main(run: Callable[[np.random.SeedSequence], list[Row]] = one_study) -> None:
    """Run the studies and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=500)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    seeds = np.random.SeedSequence(20240607).spawn(options.studies)
    jobs = Parallel(n_jobs=options.jobs, return_as="generator")(delayed(run)(seed) for seed in seeds)
    rows = [row for rows in tqdm(jobs, total=len(seeds)) for row in rows]
    found = summarise(rows)
    found.to_csv(HERE / "growth_and_therapists.csv", index=False, float_format="%.4g")
    print(found.round(3).to_string(index=False))


if __name__ == "__main__":
    main()
