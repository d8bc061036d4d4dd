"""Three hundred random designs, each against several optimisers that know nothing of the engine."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from mixed_dense import Array, Problem, dense
from mixed_designs import random_problem
from scipy.optimize import minimize

from alliance_stats import lmm

FIRST = 60
N_DESIGNS = 300


def independent_minimum(problem: Problem, *, reml: bool, n_starts: int = 3) -> float:
    """Return the lowest criterion that L-BFGS-B, Nelder and Mead, and Powell reach on the dense model."""
    bounds = [(0.0 if np.isfinite(low) else None, None) for low in problem.bounds()]
    diagonal = np.isfinite(problem.bounds())
    rng = np.random.default_rng(0)

    def value_and_gradient(theta: Array) -> tuple[float, Array]:
        try:
            found = dense(problem, theta, reml=reml, full=False)
        except np.linalg.LinAlgError:
            return 1e10, np.zeros_like(theta)
        return found.criterion, found.gradient

    def value(theta: Array) -> float:
        return value_and_gradient(np.where(diagonal, np.abs(theta), theta))[0]

    best, where = np.inf, np.zeros(0)
    for k in range(n_starts):
        size = 10.0 ** rng.uniform(-1.5, 2.5) if k else 1.0
        start = np.where(diagonal, size, 0.3 * size * rng.normal(size=diagonal.size) if k else 0.0)
        options = {"maxiter": 150, "ftol": 1e-14, "gtol": 1e-9}
        found = minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
        if found.fun < best:
            best, where = float(found.fun), found.x
    if where.size <= 2 and problem.y.size % 3 == 0:
        options = {"xatol": 1e-8, "fatol": 1e-10, "maxfev": 400}
        best = min(best, float(minimize(value, where, method="Nelder-Mead", options=options).fun))
        best = min(best, float(minimize(value, np.where(diagonal, 1.0, 0.0), method="Powell").fun))
    return best


def designs() -> list[object]:
    """Return the seeds, those after the first ones marked slow."""
    return [s if s < FIRST else pytest.param(s, marks=pytest.mark.slow) for s in range(N_DESIGNS)]


@pytest.mark.parametrize("seed", designs())
def test_no_independent_optimiser_finds_a_lower_criterion(seed: int) -> None:
    problem = random_problem(seed, scales=True)
    reml = bool(seed % 2)
    fit = lmm(problem.formula, problem.frame, method="REML" if reml else "ML", weights=problem.weights)
    criterion = fit.criterion - problem.shift(reml=reml)
    there = dense(problem, problem.from_fit(fit.theta), reml=reml, full=False).criterion
    # Cross-products keep a residual that is the 1e-6th part of the outcome's variance to ten digits only.
    exact = 1e-6 if np.abs(problem.from_fit(fit.theta)).max() < 100 else 2e-4
    assert criterion == pytest.approx(there, abs=exact), "the criterion reported is not that of the theta reported"
    assert criterion < independent_minimum(problem, reml=reml, n_starts=3 if seed < 60 else 2) + 1e-6, (
        problem.formula,
        problem.traits,
    )
    assert fit.converged
    assert ("again" in fit.dropped) == ("collinear" in problem.traits)


@pytest.mark.parametrize("seed", range(0, N_DESIGNS, 6))
def test_singular_fits_and_no_others_say_so(seed: int) -> None:
    problem = random_problem(seed, scales=True)
    fit = lmm(problem.formula, problem.frame, weights=problem.weights)
    theta = problem.from_fit(fit.theta)
    flat = False
    for lam in problem.lambdas(theta):
        values = np.linalg.eigvalsh(lam @ lam.T)
        flat |= bool(values[0] <= 1e-9 * max(values[-1], 1e-9))
    assert fit.singular == flat
    assert any("Singular" in note for note in fit.notes) == flat


@pytest.mark.parametrize("ratio", [0.0, 1e-4, 1e-2, 1.0, 1e2, 1e4, 1e6])
def test_variance_ratios_from_none_to_huge_are_recovered(ratio: float) -> None:
    rng = np.random.default_rng(7)
    codes = np.repeat(np.arange(40), 5)
    effects = rng.normal(size=40)
    y = np.sqrt(ratio) * effects[codes] + rng.normal(size=codes.size)
    fit = lmm("y ~ 1 + (1 | g)", pd.DataFrame({"g": codes, "y": y}))
    within = y - np.bincount(codes, y)[codes] / 5
    mean_square_within = float(within @ within) / 160
    mean_square_between = 5 * float(np.var(np.bincount(codes, y) / 5, ddof=1))
    # Balanced one-way layout: REML is the analysis of variance, cut at zero (Searle, Casella and McCulloch 1992, ch. 3).
    expected = max((mean_square_between - mean_square_within) / 5, 0.0)
    found = fit.variance_components()["estimate"].iloc[0]
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-6)
    if expected > 0:
        assert fit.sigma**2 == pytest.approx(mean_square_within, rel=1e-6)


@pytest.mark.parametrize("seed", range(40))
def test_a_small_variance_beside_a_huge_one_is_not_lost(seed: int) -> None:
    rng = np.random.default_rng(seed)
    g, h = np.arange(60) % 12, rng.integers(0, 4, 60)
    y = 300 * rng.normal(size=12)[g] + rng.normal(size=4)[h] + rng.normal(size=60)
    fit = lmm("y ~ 1 + (1 | g) + (1 | h)", pd.DataFrame({"y": y, "g": g, "h": h}))
    elsewhere = min(fit.deviance_at(np.array([fit.theta[0], theta])) for theta in (0.1, 0.3, 1.0, 2.0))
    assert fit.criterion <= elsewhere + 1e-6
