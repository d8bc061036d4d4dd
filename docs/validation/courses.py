"""How sudden gains, ruptures, instability, synchrony and early response find what is there, in courses with known truth.

Prints a table: ``python docs/validation/courses.py`` (about three minutes; ``--studies`` makes it shorter).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
import pandas as pd
from tqdm import tqdm

import alliance_stats as al
from alliance_stats.result import markdown_table

N_PATIENTS, N_SESSIONS = 60, 14


def long(table: np.ndarray) -> pd.DataFrame:
    """Return a table of patients by sessions as a session table."""
    patient, session = np.indices(table.shape)
    return pd.DataFrame({"patient": patient.ravel(), "session": session.ravel() + 1, "score": table.ravel()})


def instability_rows(rng: np.random.Generator) -> list[tuple[str, float, float, float]]:
    """Return estimate, error and truth of the measures of AR(1) courses with random means."""
    phi = 0.4
    table = np.zeros((N_PATIENTS, 200))
    table[:, 0] = rng.normal(size=N_PATIENTS) / np.sqrt(1 - phi**2)
    for step in range(1, table.shape[1]):
        table[:, step] = phi * table[:, step - 1] + rng.normal(size=N_PATIENTS)
    rows = al.instability(long(table + 3 * rng.normal(size=(N_PATIENTS, 1))), "score").tidy().set_index("term")
    return [("instability: mssd", rows.loc["mssd", "estimate"], rows.loc["mssd", "std_error"], 2 / (1 + phi))]


def gain_rows(rng: np.random.Generator) -> list[tuple[str, float, float, float]]:
    """Return the alliance's change after a gain beyond that of controls; the truth is 3 points."""
    has = np.arange(N_PATIENTS) < N_PATIENTS // 3
    at = rng.integers(3, N_SESSIONS - 4, size=N_PATIENTS)
    after = (np.arange(N_SESSIONS) > at[:, None]) & has[:, None]
    score = 30 + rng.normal(scale=3, size=(N_PATIENTS, 1)) + rng.normal(size=(N_PATIENTS, N_SESSIONS)) - 14 * after
    frame = long(score).assign(wai=(50 + 2 * rng.normal(size=score.shape) + 3 * after).ravel())
    gains = al.sudden_gains(frame, "score", cutoff=7, criterion="tang_derubeis", direction="higher_is_worse")
    contrast = al.around_gains(gains, frame, column="wai").tidy()
    row = contrast.query("term == 'change' and group == 'difference'").iloc[0]
    hit = gains.by_patient()["n_changes"].to_numpy() > 0
    return [
        ("gains: change of alliance", row["estimate"], row["std_error"], 3.0),
        ("gains: found of those there", hit[has].mean(), np.nan, np.nan),
        ("gains: found where none is", hit[~has].mean(), np.nan, np.nan),
    ]


def rupture_rows(rng: np.random.Generator) -> list[tuple[str, float, float, float]]:
    """Return how many V shapes of four standard deviations are found, by criterion."""
    has = np.arange(N_PATIENTS) < N_PATIENTS // 3
    at = rng.integers(3, N_SESSIONS - 3, size=N_PATIENTS)
    table = rng.normal(size=(N_PATIENTS, N_SESSIONS)) - 4 * ((np.arange(N_SESSIONS) == at[:, None]) & has[:, None])
    rows = []
    for key in ("gumz_2sd", "gumz_1sd", "own_sd_step", "control_chart"):
        result = al.ruptures(long(table), alliance="score", criterion=key, repair=0.8)
        onsets = result.episodes().groupby("patient")["onset"].agg(set)
        hits = [at[i] + 1 in onsets.get(i, set()) for i in np.flatnonzero(has)]
        rows.append((f"ruptures, {key}: found of those there", float(np.mean(hits)), np.nan, np.nan))
        without = result.by_patient()["n_ruptures"].to_numpy()[~has]
        rows.append((f"ruptures, {key}: per course without one", float(without.mean()), np.nan, np.nan))
    return rows


def synchrony_rows(rng: np.random.Generator) -> list[tuple[str, float, float, float]]:
    """Return whether the surrogate test rejects without synchrony (truth 0.05) and the z at the true lag."""
    out = []
    for weight, name in ((0.0, "level"), (0.5, "recovery")):
        frames = []
        for dyad in range(8):
            lead = rng.normal(size=330)
            own = weight * lead[13:313] + rng.normal(size=300)
            frames.append(pd.DataFrame({"dyad": dyad, "session": range(300), "one": lead[15:315], "two": own}))
        plan = al.Surrogates(n=199, seed=int(rng.integers(1 << 30)))
        rows = al.synchrony(pd.concat(frames), ("one", "two"), window=30, lag_max=4, surrogates=plan).tidy()
        if name == "level":
            p_value = rows.set_index("term").loc["mean_z", "p_value"]
            out.append(("synchrony: rejected at 5 % without any", float(p_value <= 0.05), np.nan, 0.05))
        else:
            row = rows.query("term == 'z_at_lag' and lag == 2").iloc[0]
            r = weight / np.sqrt(1 + weight**2)
            out.append(
                ("synchrony: z at the true lag", row["estimate"], row["std_error"], np.arctanh(r) + r / (2 * 27))
            )
    return out


def early_rows(rng: np.random.Generator) -> list[tuple[str, float, float, float]]:
    """Return the coefficients of early slope and start of later ratings that were made from them; a tenth is missing."""
    score = 30 + rng.normal(scale=3, size=(N_PATIENTS, 1)) + rng.normal(scale=2, size=(N_PATIENTS, N_SESSIONS))
    score[:, :4] += rng.normal(size=(N_PATIENTS, 1)) * np.arange(4)
    slope, start = np.polynomial.polynomial.polyfit(np.arange(4), score[:, :4].T, 1)[::-1]
    expected = 5 + 1.2 * slope + 0.8 * start + rng.normal(scale=2, size=N_PATIENTS)
    score[:, 4:] = expected[:, None] + 0.3 * np.arange(N_SESSIONS - 4) + rng.normal(size=(N_PATIENTS, N_SESSIONS - 4))
    frame = long(score)
    frame = frame[(frame["session"] <= 4) | (rng.random(len(frame)) > 0.1)]
    rows = al.early_response(frame, "score", until=4).tidy().set_index("term")
    return [
        (f"early response: {term}", rows.loc[term, "estimate"], rows.loc[term, "std_error"], truth)
        for term, truth in (("early_slope", 1.2), ("early_start", 0.8))
    ]


PARTS: tuple[Callable[[np.random.Generator], list[tuple[str, float, float, float]]], ...] = (
    instability_rows,
    gain_rows,
    rupture_rows,
    synchrony_rows,
    early_rows,
)


def main() -> None:
    """Print mean, Monte Carlo error, truth and coverage of each quantity."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=500)
    studies = parser.parse_args().studies
    rows = []
    for seed in tqdm(np.random.SeedSequence(20).spawn(studies)):
        rng = np.random.default_rng(seed)
        rows += [row for part in PARTS for row in part(rng)]
    table = pd.DataFrame(rows, columns=["quantity", "estimate", "std_error", "truth"])
    # about the t quantile of the degrees of freedom at hand (7 dyads, 19 pairs, 57 to 59 patients)
    reach = table["quantity"].map(lambda name: 2.365 if "synchrony" in name else 2.093 if "gains" in name else 2.001)
    covered = (table["estimate"] - table["truth"]).abs() <= reach * table["std_error"]
    table["covered"] = covered.where(table["std_error"].notna()).astype(float)
    summary = table.groupby("quantity", sort=False).agg(
        mean=("estimate", "mean"), spread=("estimate", "std"), truth=("truth", "mean"), coverage=("covered", "mean")
    )
    summary.insert(1, "mc_error", summary.pop("spread") / np.sqrt(studies))
    print(markdown_table(summary.reset_index()))


if __name__ == "__main__":
    main()
