"""Structural models of two ratings against lavaan."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from alliance_stats.process.panel_models import PanelModels, fit_panel_models
from alliance_stats.process.panel_table import panel_table

GOLDEN = Path(__file__).parents[1] / "golden"
REFERENCE: dict[str, Any] = json.loads((GOLDEN / "reciprocal.json").read_text())
CASES = [
    f"{waves}_{gaps}_{kind}" for waves in (4, 5) for gaps in ("complete", "gaps") for kind in ("constant", "by_session")
]
DIRECTIONS = {"ya": ("ri_clpm", True), "ay": ("ri_clpm", False), "panel_symptom": ("dynamic_panel", True)}
DIRECTIONS |= {"panel_alliance": ("dynamic_panel", False)}
ROWS = {"ri_clpm": 0, "panel_symptom": 1, "panel_alliance": 2}

# lavaan's optimiser stops when the likelihood no longer changes: estimates agree to half the digits of the likelihood.
ESTIMATE, ERROR, LIKELIHOOD, INDEX = 1e-5, 1e-5, 1e-7, 1e-6


@cache
def fitted(case: str) -> PanelModels:
    """Return our fits of a golden case."""
    waves, gaps, kind = case.split("_", 2)
    prefix = "gap_" if gaps == "gaps" else ""
    frame = pd.read_csv(GOLDEN / "data" / "reciprocal.csv")
    panel = panel_table(frame, f"{prefix}alliance", f"{prefix}symptom", int(waves))
    return fit_panel_models(panel, constant=kind == "constant")


def expected(case: str, direction: str) -> list[tuple[float, float, float, float]]:
    """Return autoregression and cross effect with their errors, one tuple per session."""
    model, first_on_second = DIRECTIONS[direction]
    own, other = ("y", "a") if first_on_second else ("a", "y")
    reference = REFERENCE[case]["ri_clpm" if model == "ri_clpm" else direction]
    if model == "dynamic_panel":
        own, other = "y", "x"
    values, errors = reference["estimate"], reference["std_error"]
    suffixes = [""] if case.endswith("constant") else [str(session) for session in range(2, int(case[0]) + 1)]
    return [
        (values[f"{own}{own}{s}"], values[f"{own}{other}{s}"], errors[f"{own}{own}{s}"], errors[f"{own}{other}{s}"])
        for s in suffixes
    ]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("direction", list(DIRECTIONS))
def test_effects_and_errors_are_those_of_lavaan(case: str, direction: str) -> None:
    model, first_on_second = DIRECTIONS[direction]
    ours = [e for e in fitted(case).lagged if e.model == model and e.first_on_second == first_on_second]
    references = expected(case, direction)
    assert len(ours) == len(references)
    for effects, (own, cross, own_error, cross_error) in zip(ours, references, strict=True):
        np.testing.assert_allclose(effects.estimate, [own, cross], atol=ESTIMATE * max(own_error, cross_error))
        np.testing.assert_allclose(np.sqrt(np.diag(effects.covariance)), [own_error, cross_error], rtol=ERROR)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("model", list(ROWS))
def test_likelihood_and_fit_indices_are_those_of_lavaan(case: str, model: str) -> None:
    reference = REFERENCE[case][model]["fit"]
    row = fitted(case).fits.iloc[ROWS[model]]
    assert row["log_likelihood"] == pytest.approx(reference["logl"], abs=LIKELIHOOD)
    assert row["chi2"] == pytest.approx(reference["chisq"], abs=LIKELIHOOD)
    assert (row["df"], row["n_free"], row["n"]) == (reference["df"], reference["npar"], REFERENCE[case][model]["n"])
    pairs = {"cfi": "cfi", "tli": "tli", "rmsea": "rmsea", "srmr": "srmr", "p_value": "pvalue"}
    for ours, theirs in {**pairs, "rmsea_low": "rmsea.ci.lower", "rmsea_high": "rmsea.ci.upper"}.items():
        # lavaan gives no CFI where it was started at a solution: its independence model does not take those values.
        if reference[theirs] is None:
            continue
        assert row[ours] == pytest.approx(reference[theirs], abs=INDEX)


@pytest.mark.parametrize("model", list(ROWS))
@pytest.mark.parametrize("case", ["5_complete", "4_gaps"])
def test_equal_effects_are_tested_by_the_difference_of_lavaans_likelihoods(case: str, model: str) -> None:
    equal, free = (REFERENCE[f"{case}_{kind}"][model]["fit"] for kind in ("constant", "by_session"))
    for kind in ("constant", "by_session"):
        row = fitted(f"{case}_{kind}").fits.iloc[ROWS[model]]
        assert row["equal_chi2"] == pytest.approx(2 * (free["logl"] - equal["logl"]), abs=1e-6)
        assert row["equal_df"] == equal["df"] - free["df"]
