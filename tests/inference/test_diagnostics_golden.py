"""Residuals, leverage and influence against lme4 and dense matrices in R; see tests/golden/diagnostics.R."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from alliance_stats import diagnose, lmm
from alliance_stats.inference.diagnostics import Diagnostics
from alliance_stats.mixed.fit import LmmFit

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
CASES: dict[str, dict[str, Any]] = json.loads((GOLDEN / "diagnostics_cases.json").read_text())
GROUPS = [(case, group) for case, made in CASES.items() for group in made["groups"]]
TOLERANCE = 1e-6
"""Of estimates, in standard errors, and of standard errors: theta is known to 1e-7 or so on both sides."""

COOK_RTOL = 1e-5
"""A square of differences of estimates."""


@cache
def golden(case: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((GOLDEN / f"diagnostics_{case}.json").read_text())
    return found


@cache
def fit_of(case: str) -> LmmFit:
    data = pd.read_csv(GOLDEN / "data" / f"{CASES[case]['data']}.csv")
    return lmm(CASES[case]["formula"], data, weights=CASES[case].get("weights"))


@cache
def checks_of(case: str) -> Diagnostics:
    return diagnose(fit_of(case))


@cache
def refits_of(case: str) -> Diagnostics:
    return diagnose(fit_of(case), refit=True, progress=False)


def compare(checks: Diagnostics, case: str, group: str, kind: str) -> None:
    """Compare estimates, standard errors and Cook's distance without each level."""
    by_label = checks.influence(group).assign(label=lambda t: t["label"].astype(str)).set_index("label")
    table = checks.tidy("coefficients").query("group == @group").set_index(["level", "term"])
    whole = np.sqrt(np.diagonal(fit_of(case).fixed_covariance))
    expected = golden(case)["levels"][group]
    assert len(expected) == len(by_label)
    for row in expected:
        own = by_label.loc[row["level"]]
        found = table.loc[own["level"]].loc[golden(case)["terms"]]
        assert own["n"] == row["n"]
        np.testing.assert_allclose(found["estimate"] / whole, np.array(row[kind]) / whole, atol=TOLERANCE, rtol=0)
        np.testing.assert_allclose(found["std_error"], row[f"{kind}_se"], rtol=TOLERANCE)
        change = np.array(row[kind]) - fit_of(case).fixed_effects.to_numpy()
        np.testing.assert_allclose(found["dfbetas"], change / np.array(row[f"{kind}_se"]), atol=2 * TOLERANCE, rtol=0)
        assert own["cooks_distance"] == pytest.approx(row[f"{kind}_cook"], rel=COOK_RTOL)


@pytest.mark.parametrize(("case", "group"), GROUPS)
def test_estimates_without_each_level_are_those_of_dense_least_squares(case: str, group: str) -> None:
    compare(checks_of(case), case, group, "fixed")


@pytest.mark.parametrize(("case", "group"), GROUPS)
def test_refits_without_each_level_are_those_of_lme4(case: str, group: str) -> None:
    compare(refits_of(case), case, group, "refit")


@pytest.mark.parametrize("case", CASES)
def test_leverages_and_scaled_residuals_are_those_of_lme4_and_of_dense_matrices(case: str) -> None:
    table = checks_of(case).tidy("residuals")
    np.testing.assert_allclose(table["hat"], golden(case)["hat"], atol=1e-7)
    np.testing.assert_allclose(table["leverage"], golden(case)["leverage"], atol=1e-8)
    np.testing.assert_allclose(table["scaled"], golden(case)["scaled"], atol=1e-6, rtol=0)
    np.testing.assert_allclose(table["scaled_marginal"], golden(case)["marginal"], atol=1e-6, rtol=0)


@pytest.mark.parametrize("case", CASES)
def test_tests_of_the_residual_variance_are_those_of_lmtest_and_car(case: str) -> None:
    tests = checks_of(case).tidy("tests")
    against = tests[(tests["kind"] == "breusch_pagan") & (tests["predictor"] == "fitted")].iloc[0]
    assert against["statistic"] == pytest.approx(golden(case)["breusch_pagan"]["statistic"], rel=1e-4)
    assert against["p_value"] == pytest.approx(golden(case)["breusch_pagan"]["p"], rel=1e-3)
    assert against["df"] == 1
    for group, expected in golden(case)["levene"].items():
        own = tests[(tests["kind"] == "brown_forsythe") & (tests["group"] == group)].iloc[0]
        assert own["statistic"] == pytest.approx(expected["f"], rel=1e-4)
        assert own["p_value"] == pytest.approx(expected["p"], rel=1e-3)
        assert (own["df"], own["df_denominator"]) == (expected["df1"], expected["df2"])


def test_refits_give_the_influence_that_lme4_reports_itself() -> None:
    # lme4's influence() runs its default optimiser: three digits
    expected = golden("sleepstudy")["lme4"]
    checks, fit = refits_of("sleepstudy"), fit_of("sleepstudy")
    by_label = checks.influence("Subject").set_index("label")["level"]
    table = checks.tidy("coefficients").set_index("level")
    n, p = 18, 2
    for label, cook, dfbetas in zip(expected["level"], expected["cook"], expected["dfbetas"], strict=True):
        own = table.loc[by_label[label]]
        np.testing.assert_allclose(own["dfbetas"], dfbetas, atol=2e-3)
        change = own["change"].to_numpy()
        distance = (n - p) / (n * p) * change @ np.linalg.solve(fit.fixed_covariance.to_numpy(), change)
        assert distance == pytest.approx(cook, rel=1e-2, abs=1e-4)
