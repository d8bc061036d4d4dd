"""Slopes of the alliance by level: bias and coverage with known truth.

Prints a table: ``python docs/validation/alliance_outcome.py`` (``--studies`` makes it shorter). Sessions of patients of
therapists are drawn with slopes of -0.5, 0.8 and -1.2 on the true session, patient and therapist parts of the alliance. Patients
have two to eight sessions, so observed means err: "observed" shows the slopes that `alliance_outcome` gives by default,
"reliability" those on means drawn in by their reliability, "latent" those of the latent covariate model. "after the outcome
before" is the lagged model with the outcome before, whose bias the dynamic panel makes; the truth of its slope is -0.5 too.
"detrended after the outcome before" takes each patient's line out of the alliance, not out of the outcome before.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from tqdm import tqdm

import alliance_stats as al

TRUTH = {"session": -0.5, "patient": 0.8, "therapist": -1.2}
N_THERAPISTS = 40
SEED = 7


def simulate(seed: np.random.SeedSequence, n_therapists: int = N_THERAPISTS) -> pd.DataFrame:
    """Return sessions of patients of therapists; ``later`` is the outcome of the session after."""
    rng = np.random.default_rng(seed)
    n_patients = rng.integers(3, 9, n_therapists)
    therapist_of = np.repeat(np.arange(n_therapists), n_patients)
    n_sessions = rng.integers(2, 9, therapist_of.size)
    patient = np.repeat(np.arange(therapist_of.size), n_sessions)
    therapist = therapist_of[patient]
    session = np.concatenate([np.arange(1, n + 1) for n in n_sessions])
    parts = {
        "session": rng.standard_normal(patient.size),
        "patient": rng.standard_normal(therapist_of.size)[patient],
        "therapist": rng.standard_normal(n_therapists)[therapist],
    }
    lasting = rng.normal(0, 0.5, therapist_of.size)[patient] + rng.normal(0, 0.3, n_therapists)[therapist]
    expected = sum(TRUTH[level] * part for level, part in parts.items()) + lasting
    before = pd.Series(parts["session"]).groupby(patient).shift(1).fillna(0.0).to_numpy()
    between = TRUTH["patient"] * parts["patient"] + TRUTH["therapist"] * parts["therapist"] + lasting
    deviation = TRUTH["session"] * before + rng.normal(0, 0.7, patient.size)
    for place in range(1, patient.size):
        if patient[place] == patient[place - 1]:
            deviation[place] += 0.3 * deviation[place - 1]
    return pd.DataFrame(
        {
            "patient": patient,
            "therapist": therapist,
            "session": session,
            "alliance": sum(parts.values()),
            "outcome": expected + rng.normal(0, 0.7, patient.size),
            "later": between + deviation,
        }
    )


def intervals(frame: pd.DataFrame) -> list[tuple[str, str, float, float, float]]:
    """Return method, level, estimate and limits of every slope of one study."""
    same = {
        "alliance": "alliance",
        "outcome": "outcome",
        "lag": 0,
        "detrend": None,
        "covariates": al.Adjustments(time="none"),
    }
    rows = []
    for weights in ("sessions", "reliability"):
        result = al.alliance_outcome(frame, **same, random=al.OutcomeModel(slopes=(), weights=weights))
        name = "observed" if weights == "sessions" else weights
        rows += [(name, row.level, row.estimate, row.conf_low, row.conf_high) for row in result.by_level().itertuples()]
        if weights == "sessions":
            latent = al.contextual_test(result, means="latent").tidy()
            rows += [("latent", row.level, row.estimate, row.conf_low, row.conf_high) for row in latent.itertuples()]
    lagged = al.alliance_outcome(
        frame, alliance="alliance", outcome="later", lag=1, detrend=[None, "linear"], random=al.OutcomeModel(slopes=())
    )
    names = ("after the outcome before", "detrended after the outcome before")
    found = [one.slope("session") for one in lagged.results]
    rows += [
        (name, "session", row["estimate"], row["conf_low"], row["conf_high"])
        for name, row in zip(names, found, strict=True)
    ]
    return rows


def truth_of(level: str) -> float:
    """Return the true slope of a level, or the difference of two."""
    outer, _, inner = level.partition(" - ")
    return TRUTH[outer] - (TRUTH[inner] if inner else 0.0)


def summarise(studies: list[list[tuple[str, str, float, float, float]]]) -> pd.DataFrame:
    """Return bias with its Monte Carlo error, and coverage, by method and level."""
    table = pd.DataFrame(
        [row for study in studies for row in study], columns=["method", "level", "estimate", "low", "high"]
    )
    table["truth"] = table["level"].map(truth_of)
    table["held"] = (table["low"] < table["truth"]) & (table["truth"] < table["high"])
    grouped = table.groupby(["method", "level"], sort=False)
    found = grouped.agg(truth=("truth", "first"), mean=("estimate", "mean"), coverage=("held", "mean"))
    found["bias"] = found["mean"] - found["truth"]
    found["mc_error"] = grouped["estimate"].std() / np.sqrt(grouped.size())
    return found.reset_index()[["method", "level", "truth", "mean", "bias", "mc_error", "coverage"]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2)
    chosen = parser.parse_args()
    seeds = np.random.SeedSequence(SEED).spawn(chosen.studies)
    run = Parallel(n_jobs=chosen.jobs, return_as="generator")(delayed(one_study)(seed) for seed in seeds)
    print(summarise(list(tqdm(run, total=chosen.studies))).round(3).to_string(index=False))


def one_study(seed: np.random.SeedSequence) -> list[tuple[str, str, float, float, float]]:
    """Return the slopes of one simulated study."""
    return intervals(simulate(seed))


if __name__ == "__main__":
    main()
