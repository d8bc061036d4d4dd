"""Residual structures against nlme: lme with corAR1, corCAR1, corCompSymm and varIdent on six data sets."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, Literal

import numpy as np
import pytest
from mixed_golden import FOLDER, golden_data, plain_term

from alliance_stats import LmmFit, ResidualStructure, ar1, car1, compound_symmetry, lmm, variance_by

STRUCTURES: dict[str, ResidualStructure] = {
    "sessions_ar1": ar1("session", by="patient"),
    "sessions_slope_ar1": ar1("session", by="patient"),
    "sessions_phase": variance_by("phase"),
    "sessions_arm_phase": variance_by("arm:phase"),
    "sessions_weighted_ar1": ar1("session", by="patient"),
    "sleepstudy_ar1": ar1("Days", by="Subject"),
    "sleepstudy_slope_ar1": ar1("Days", by="Subject"),
    "orthodont_sex": variance_by("Sex"),
    "orthodont_car1": car1("age", by="Subject"),
    "orthodont_symmetry": variance_by("Sex") + compound_symmetry(by="Subject"),
    "raters_occasion": variance_by("occasion"),
    "raters_symmetry": compound_symmetry(by="patient:rater"),
    "dates_car1": car1("day", by="patient"),
    "dates_ar1": ar1("session", by="patient"),
    "couples_symmetry": variance_by("role") + compound_symmetry(by=["dyad", "session"]),
    "couples_ar1": variance_by("role") + ar1("session", by="dyad:role"),
}
CASES: dict[str, dict[str, str]] = json.loads((FOLDER / "residual_structures_cases.json").read_text())
STORED: dict[str, Any] = json.loads((FOLDER / "residual_structures.json").read_text())
GOLDEN: dict[str, dict[str, Any]] = STORED["cases"]

TOLERANCE: dict[str, float] = STORED["tolerance"]
"""In standard errors for beta, relative for SE, sigma and ratios, absolute for rho, in residual variances for covariances.

nlme stops when its own steps get small, which leaves some 1e-6 of what is flat (sigma and rho where a random intercept competes
with them).
"""

STOPPED_EARLY = {"sleepstudy_slope_ar1": 50.0}
"""Where nlme's likelihood is 2e-5 lower (singular: a correlation of random effects of 1), tolerances are so much wider."""

pairs = pytest.mark.parametrize(("case", "method"), [(case, method) for case in CASES for method in ("REML", "ML")])


@cache
def fitted(case: str, method: Literal["REML", "ML"]) -> LmmFit:
    own = CASES[case]
    return lmm(
        f"{own['fixed']} + {own['random']}",
        golden_data(own["data"]),
        method=method,
        weights=own.get("weights"),
        residual=STRUCTURES[case],
    )


def allowed(case: str, quantity: str) -> float:
    return TOLERANCE[quantity] * STOPPED_EARLY.get(case, 1.0)


def ratios(fit: LmmFit) -> dict[str, float]:
    """Return ratios of SDs by level, the reference's included."""
    assert fit.residual is not None
    known = {fit.residual.reference: 1.0} | dict(zip(fit.residual.names, fit.residual.estimates.tolist(), strict=True))
    return {name.split("[")[1][:-1]: value for name, value in known.items() if "[" in name}


def test_every_case_has_a_structure_and_a_golden_fit() -> None:
    assert set(CASES) == set(STRUCTURES) == set(GOLDEN)
    assert len({case["data"] for case in CASES.values()}) == 6


@pairs
def test_likelihood_is_that_of_nlme_or_higher(case: str, method: Literal["REML", "ML"]) -> None:
    difference = fitted(case, method).log_likelihood - GOLDEN[case][method]["log_likelihood"]
    assert -1e-9 < difference < (5e-5 if case in STOPPED_EARLY else 1e-6)


@pairs
def test_fixed_effects_and_standard_errors(case: str, method: Literal["REML", "ML"]) -> None:
    fit, gold = fitted(case, method), GOLDEN[case][method]
    found = {plain_term(name): k for k, name in enumerate(fit.term_names)}
    order = [found[plain_term(name)] for name in gold["terms"]]
    std_error = np.sqrt(np.diagonal(fit.fixed_covariance))[order]
    beta = fit.fixed_effects.to_numpy()[order]
    assert np.abs((beta - gold["beta"]) / gold["std_error"]).max() < allowed(case, "beta")
    np.testing.assert_allclose(std_error, gold["std_error"], rtol=allowed(case, "std_error"))


@pairs
def test_residual_parameters(case: str, method: Literal["REML", "ML"]) -> None:
    fit, gold = fitted(case, method), GOLDEN[case][method]
    assert fit.residual is not None
    # nlme measures against the group that comes first in the data, this library against the first in order.
    reference, theirs = 1.0, gold["ratios"] if isinstance(gold["ratios"], dict) else {}
    if theirs:
        mine = ratios(fit)
        first = fit.residual.reference.split("[")[1][:-1]
        reference = theirs[first]
        for level, ratio in theirs.items():
            assert mine[level] == pytest.approx(ratio / reference, rel=allowed(case, "ratio"))
    if STRUCTURES[case].correlation is not None:
        assert fit.residual.estimates[-1] == pytest.approx(gold["rho"], abs=allowed(case, "rho"))
    assert fit.sigma == pytest.approx(gold["sigma"] * reference, rel=allowed(case, "sigma"))


@pairs
def test_covariances_of_random_effects(case: str, method: Literal["REML", "ML"]) -> None:
    fit, gold = fitted(case, method), GOLDEN[case][method]
    # A variance competes with rho; it is compared on the scale of the residual variance.
    for term, factor in zip(fit.design.terms, fit.term_factors, strict=True):
        theirs = np.atleast_2d(np.array(gold["covariances"][term.grouping.name], dtype=float))
        difference = np.abs(fit.sigma**2 * factor @ factor.T - theirs).max()
        assert difference / fit.sigma**2 < allowed(case, "covariance") * (2.0 if case in STOPPED_EARLY else 1.0)
