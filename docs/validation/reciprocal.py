"""Bias and coverage of `reciprocal` and `mediation` on data with known effects.

Prints a table: ``python docs/validation/reciprocal.py`` (``--studies`` makes it shorter). One alliance rating in ten is missing.
"""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from tqdm import tqdm

import alliance_stats as al
from alliance_stats.process.lagged_model import lagged_model
from alliance_stats.process.panel_models import fit_panel_models
from alliance_stats.process.panel_table import panel_table

LEVEL_Z = 1.959963984540054
DESIGNS = ((200, 4), (200, 8), (1600, 4))
"""Patients and sessions: the third shows which bias is one of small samples."""


def load_studies() -> ModuleType:
    """Return the simulators that the tests use as well."""
    path = Path(__file__).parents[2] / "tests" / "process" / "panel_studies.py"
    spec = importlib.util.spec_from_file_location("panel_studies", path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def lagged_rows(
    studies: ModuleType, seed: np.random.SeedSequence, n_patients: int, n_waves: int
) -> list[tuple[str, float, float, float]]:
    """Return quantity, estimate, error and truth of every lagged effect of one study."""
    rng = np.random.default_rng(seed)
    frame = studies.reciprocal_study(rng, n_patients, n_waves)
    frame.loc[rng.random(len(frame)) < 0.1, "alliance"] = np.nan
    panel = panel_table(frame, "alliance", "symptom", n_waves)
    found = [lagged_model(panel, first_on_second=side) for side in (True, False)]
    found += fit_panel_models(panel, constant=True).lagged
    truth = studies.EFFECTS
    true = {
        True: (truth["own_symptom"], truth["alliance_on_symptom"] * 3),
        False: (truth["own_alliance"], truth["symptom_on_alliance"] / 3),
    }
    rows = []
    for effects in found:
        errors = np.sqrt(np.diag(effects.covariance))
        on = "symptom" if effects.first_on_second else "alliance"
        for place, kind in enumerate(("autoregression", "cross")):
            name = f"{n_patients} patients, {n_waves} sessions, {effects.model}, {kind} on {on}"
            rows.append(
                (name, float(effects.estimate[place]), float(errors[place]), true[effects.first_on_second][place])
            )
    return rows


def mediation_rows(studies: ModuleType, seed: np.random.SeedSequence) -> list[tuple[str, float, float, float, float]]:
    """Return quantity, estimate, ends of the interval and truth of one mediation study."""
    frame = studies.mediation_study(np.random.default_rng(seed), 80, 8)
    result = al.mediation(frame, "statements", "alliance", "outcome", design="1-1-1", lags=(1, 1), slopes=("a", "b"))
    truth = studies.MEDIATED
    truth = {**truth, "indirect": truth["a"] * truth["b"] + truth["cov_ab"]}
    table = result.tidy().set_index("term")
    return [
        (f"mediation, {term}", *(float(table.loc[term, name]) for name in ("estimate", "conf_low", "conf_high")), value)
        for term, value in truth.items()
    ]


def summarise(rows: list[tuple[str, float, float, float, float]]) -> pd.DataFrame:
    """Return bias with its Monte Carlo error, and coverage, one row per quantity."""
    table = pd.DataFrame(rows, columns=["quantity", "estimate", "conf_low", "conf_high", "truth"])
    table["covered"] = (table["conf_low"] <= table["truth"]) & (table["truth"] <= table["conf_high"])
    groups = table.groupby("quantity", sort=False)
    found = groups.agg(
        n=("truth", "size"), truth=("truth", "first"), mean=("estimate", "mean"), coverage=("covered", "mean")
    )
    return found.assign(bias=found["mean"] - found["truth"], bias_error=groups["estimate"].std() / np.sqrt(found["n"]))


def one_study(seed: np.random.SeedSequence) -> list[tuple[str, float, float, float, float]]:
    """Return all rows of one replicate."""
    studies = load_studies()
    seeds = seed.spawn(len(DESIGNS) + 1)
    rows: list[tuple[str, float, float, float, float]] = []
    for own, design in zip(seeds, DESIGNS, strict=False):
        for name, value, error, truth in lagged_rows(studies, own, *design):
            rows.append((name, value, value - LEVEL_Z * error, value + LEVEL_Z * error, truth))
    return rows + mediation_rows(studies, seeds[-1])


def main() -> None:
    """Run the studies and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=500)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    seeds = np.random.SeedSequence(20171).spawn(given.studies)
    run = Parallel(n_jobs=given.jobs, return_as="generator")(delayed(one_study)(seed) for seed in seeds)
    rows = [row for found in tqdm(run, total=given.studies) for row in found]
    print(summarise(rows).round(3).to_string())


if __name__ == "__main__":
    main()
