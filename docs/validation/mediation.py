"""How often intervals of indirect effects and of slopes' covariances miss the truth, at regular and at singular fits.

Prints a table: ``python docs/validation/mediation.py`` (about a quarter of an hour; ``--studies`` makes it shorter). 60 patients
with 8 sessions; variances of the slopes a and b, and their covariance, as in `SLOPES`.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from tqdm import tqdm

import alliance_stats as al

N_PATIENTS, N_SESSIONS = 60, 8
MEAN_A, MEAN_B, DIRECT = 0.4, 0.5, 0.2
SLOPES = (
    (0.0, 0.0, 0.0),
    (0.1, 0.0, 0.0),
    (0.03, 0.03, 0.0),
    (0.1, 0.1, 0.0),
    (0.01, 0.01, 0.009),
    (0.03, 0.03, 0.025),
    (0.1, 0.1, 0.06),
)
"""Variance of a, variance of b, covariance."""


def simulate(rng: np.random.Generator, of_a: float, of_b: float, covariance: float) -> pd.DataFrame:
    """Return ratings x, m one session later, and y one session after that."""
    values, vectors = np.linalg.eigh([[of_a, covariance], [covariance, of_b]])
    own = rng.standard_normal((N_PATIENTS, 2)) @ (vectors * np.sqrt(np.maximum(values, 0.0))).T
    x = rng.standard_normal((N_PATIENTS, N_SESSIONS)) + rng.standard_normal((N_PATIENTS, 1))
    level = rng.standard_normal((N_PATIENTS, 2))
    m = level[:, :1] + rng.standard_normal(x.shape)
    m[:, 1:] += (MEAN_A + own[:, :1]) * x[:, :-1]
    y = level[:, 1:] + rng.standard_normal(x.shape)
    y[:, 2:] += (MEAN_B + own[:, 1:]) * m[:, 1:-1] + DIRECT * x[:, :-2]
    patient, session = np.indices(x.shape)
    return pd.DataFrame(
        {"patient": patient.ravel(), "session": session.ravel() + 1, "x": x.ravel(), "m": m.ravel(), "y": y.ravel()}
    )


def one_study(seed: np.random.SeedSequence) -> list[dict[str, object]]:
    """Return one row per condition and quantity."""
    rows: list[dict[str, object]] = []
    for own, (of_a, of_b, covariance) in zip(seed.spawn(len(SLOPES)), SLOPES, strict=True):
        frame = simulate(np.random.default_rng(own), of_a, of_b, covariance)
        result = al.mediation(frame, "x", "m", "y", design="1-1-1", lags=(1, 1), slopes=("a", "b"))
        singular = "singular" if bool(result.glance()["singular"].iloc[0]) else "regular"
        table = result.tidy().set_index("term")
        for term, truth in (("indirect", MEAN_A * MEAN_B + covariance), ("cov_ab", covariance)):
            low, high = table.loc[term, "conf_low"], table.loc[term, "conf_high"]
            kind = "slopes covary" if covariance else "slopes do not covary"
            rows.append({"fit": singular, "truth": kind, "term": term, "below": high < truth, "above": low > truth})
    return rows


def main() -> None:
    """Print how often intervals miss the truth."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    seeds = np.random.SeedSequence(1111).spawn(given.studies)
    run = Parallel(n_jobs=given.jobs, return_as="generator")(delayed(one_study)(seed) for seed in seeds)
    table = pd.DataFrame([row for rows in tqdm(run, total=given.studies) for row in rows])
    groups = table.groupby(["term", "fit", "truth"])
    found = groups.agg(n=("below", "size"), ends_too_low=("below", "mean"), begins_too_high=("above", "mean"))
    print(found.round(3).reset_index().to_string(index=False))
    both = table.groupby(["term", "fit"]).agg(n=("below", "size"), below=("below", "mean"), above=("above", "mean"))
    print(both.assign(misses=both["below"] + both["above"]).round(3).reset_index().to_string(index=False))


if __name__ == "__main__":
    main()
