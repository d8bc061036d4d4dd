"""The engine against the model written out with full matrices."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from mixed_dense import Problem, Term, dense
from mixed_designs import STRUCTURES, random_problem
from scipy.optimize import minimize

from alliance_stats import lmm
from alliance_stats.errors import ConvergenceError
from alliance_stats.mixed.crossproducts import cross_products
from alliance_stats.mixed.design import build_design
from alliance_stats.mixed.factor import criterion_at, evaluate
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.mixed.formula import parse_formula
from alliance_stats.mixed.optimise import Optimum
from alliance_stats.mixed.parameters import identity_theta
from alliance_stats.mixed.scaling import standardise

METHODS: tuple[Literal["REML", "ML"], ...] = ("REML", "ML")
some = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    # A seed has no simpler neighbour: shrinking would only cost time.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
seeds = st.integers(0, 10**6)
structures = st.sampled_from(STRUCTURES)
methods = st.sampled_from(METHODS)


def fitted(problem: Problem, method: Literal["REML", "ML"]) -> LmmFit:
    """Return the engine's fit."""
    return lmm(problem.formula, problem.frame, method=method, weights=problem.weights)


def prepared(problem: Problem, method: Literal["REML", "ML"]) -> LmmFit:
    """Return a fit that no optimiser has touched, to evaluate its criterion."""
    design = build_design(parse_formula(problem.formula), problem.frame, problem.weights)
    standardised = standardise(design)
    cp = cross_products(standardised.factors, standardised.fixed, design.n_rows)
    theta = identity_theta(cp.patterns)
    start = Optimum(theta, 0.0, theta, 0.0, 0, "none", converged=False, singular=False, restarts=0)
    return LmmFit.from_optimum(design, standardised, cp, start, method=method)


def thetas(problem: Problem, seed: int) -> list[np.ndarray]:
    """Return points inside and on the boundary: no variance, and effects that are perfectly correlated."""
    rng = np.random.default_rng(seed)
    diagonal = np.isfinite(problem.bounds())
    inside = [rng.normal(size=diagonal.size) * size for size in (0.1, 1.0, 10.0)]
    some_zero = [np.where(diagonal & (rng.random(diagonal.size) < 0.5), 0.0, theta) for theta in inside[:2]]
    flat = np.where(diagonal, 0.0, inside[1])
    return [np.where(diagonal, np.abs(theta), theta) for theta in [np.zeros(diagonal.size), *inside, *some_zero, flat]]


@some
@given(seed=seeds, structure=structures, method=methods)
def test_criterion_at_any_theta(seed: int, structure: str, method: Literal["REML", "ML"]) -> None:
    problem = random_problem(seed, structure=structure)
    fit = prepared(problem, method)
    for theta in thetas(problem, seed):
        expected = dense(problem, theta, reml=method == "REML", full=False).criterion
        assert fit.deviance_at(problem.in_lme4_order(theta)) == pytest.approx(expected, abs=1e-8, rel=1e-10)


@some
@given(seed=seeds, structure=structures, method=methods)
def test_analytic_gradient_is_the_slope_of_the_criterion(
    seed: int, structure: str, method: Literal["REML", "ML"]
) -> None:
    problem = random_problem(seed, structure=structure)
    fit, reml = prepared(problem, method), method == "REML"
    cp = fit.cross_products
    theta = np.random.default_rng(seed).uniform(0.3, 1.5, cp.n_theta)
    steps = 1e-5 * np.eye(cp.n_theta)
    slopes = [
        (criterion_at(cp, theta + step, reml=reml) - criterion_at(cp, theta - step, reml=reml)) / 2e-5 for step in steps
    ]
    # Central differences of a criterion known to 1e-13 of its size, over a step of 1e-5.
    np.testing.assert_allclose(evaluate(cp, theta, reml=reml).gradient, slopes, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ x + (1 | g) + (1 | h) + (0 + x | h) + (0 + z | h)",  # three effects of a crossed factor, none correlated
        "y ~ x + (1 | g) + (1 + x | h)",
        "y ~ x + (1 + x | g) + (1 + x | h)",
        "y ~ x + (1 + x + z | g) + (1 | h)",
    ],
)
def test_gradient_of_crossed_factors_with_several_effects(formula: str) -> None:
    rng = np.random.default_rng(2)
    n = 150
    g, h = rng.integers(0, 20, n), rng.integers(0, 6, n)
    frame = pd.DataFrame({"g": g, "h": h, "x": rng.normal(size=n), "z": rng.normal(size=n), "y": rng.normal(size=n)})
    design = build_design(parse_formula(formula), frame)
    standardised = standardise(design)
    cp = cross_products(standardised.factors, standardised.fixed, n)
    theta = rng.uniform(0.3, 1.5, cp.n_theta)
    steps = 1e-5 * np.eye(cp.n_theta)
    slopes = [
        (criterion_at(cp, theta + step, reml=True) - criterion_at(cp, theta - step, reml=True)) / 2e-5 for step in steps
    ]
    np.testing.assert_allclose(evaluate(cp, theta, reml=True).gradient, slopes, rtol=1e-6, atol=1e-5)


def test_criterion_of_a_crossed_factor_whose_effects_are_perfectly_correlated() -> None:
    """Lambda = [[0, 0], [a, 0]] has no more entries than a diagonal one, and is none."""
    n = 60
    rng = np.random.default_rng(1)
    x, g, h = rng.normal(size=n), np.arange(n) % 12, rng.integers(0, 5, n)
    y = rng.normal(size=n) + x
    frame = pd.DataFrame({"g": g, "h": h, "x": x, "z": rng.normal(size=n), "y": y})
    ones = np.ones(n)
    terms = (Term(g, (ones,), "(1 | g)", "g", ("1",)), Term(h, (ones, x), "(1 + x | h)", "h", ("1", "x")))
    problem = Problem(y, np.column_stack([ones, x]), terms, frame, "x")
    fit = prepared(problem, "REML")
    for theta in ([0.7, 0.0, 0.8, 0.0], [0.7, 0.0, 0.8, 0.5], [0.7, 0.9, 0.6, 0.0], [0.7, 0.0, 0.0, 0.5]):
        expected = dense(problem, np.array(theta), reml=True, full=False).criterion
        assert fit.deviance_at(np.array(theta)) == pytest.approx(expected, abs=1e-8)


@some
@given(seed=seeds, structure=structures, method=methods)
def test_everything_reported_is_that_of_the_dense_model_at_theta(
    seed: int, structure: str, method: Literal["REML", "ML"]
) -> None:
    problem = random_problem(seed, structure=structure)
    fit = fitted(problem, method)
    there = dense(problem, problem.from_lme4_order(fit.theta), reml=method == "REML")
    assert fit.criterion == pytest.approx(there.criterion, abs=1e-8, rel=1e-10)
    assert fit.sigma == pytest.approx(there.sigma, rel=1e-7)
    np.testing.assert_allclose(fit.fixed_effects, there.beta, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(fit.fixed_covariance, there.covariance, rtol=1e-6, atol=1e-10)


@some
@given(seed=seeds, structure=structures, method=methods)
def test_predicted_effects_and_their_conditional_sds(seed: int, structure: str, method: Literal["REML", "ML"]) -> None:
    problem = random_problem(seed, structure=structure)
    fit = fitted(problem, method)
    there = dense(problem, problem.from_lme4_order(fit.theta), reml=method == "REML")
    for name in dict.fromkeys(term.group for term in problem.terms):
        own = [k for k, term in enumerate(problem.terms) if term.group == name]
        n_levels = problem.terms[own[0]].n_levels
        # The engine sorts the levels by their labels; those of h:g are pairs.
        codes = problem.terms[own[0]].codes
        order = problem.frame[name.split(":")].groupby(codes).first().sort_values(name.split(":")).index
        modes = np.column_stack([there.modes[k].reshape(n_levels, -1) for k in own])[order]
        sds = np.column_stack([there.sds[k].reshape(n_levels, -1) for k in own])[order]
        table = fit.random_effects(name)
        np.testing.assert_allclose(table["estimate"], modes.ravel(), rtol=1e-6, atol=1e-7 * (1 + np.abs(modes).max()))
        # The SD is the root of a difference; where that difference vanishes only its square has digits.
        np.testing.assert_allclose(table["std_error"] ** 2, sds.ravel() ** 2, rtol=1e-6, atol=1e-8 * fit.sigma**2)


@some
@given(seed=seeds, structure=structures, method=methods)
def test_no_descent_from_the_solution(seed: int, structure: str, method: Literal["REML", "ML"]) -> None:
    problem = random_problem(seed, structure=structure)
    fit = fitted(problem, method)

    def value_and_gradient(theta: np.ndarray) -> tuple[float, np.ndarray]:
        found = dense(problem, theta, reml=method == "REML", full=False)
        return found.criterion, found.gradient

    start = problem.from_lme4_order(fit.theta)
    further = minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", options={"ftol": 1e-15, "gtol": 1e-10})
    assert further.fun > fit.criterion - 1e-6


def test_fixed_part_and_random_part_add_up_to_the_dense_prediction() -> None:
    problem = random_problem(5, structure="nested_crossed")
    fit = fitted(problem, "REML")
    there = dense(problem, problem.from_lme4_order(fit.theta), reml=True)
    expected = problem.x @ there.beta + sum(problem.z(k) @ modes for k, modes in enumerate(there.modes))
    np.testing.assert_allclose(fit.fitted(), expected, rtol=1e-7, atol=1e-7)


def test_a_random_part_that_explains_everything_is_an_error_not_a_result() -> None:
    problem = random_problem(11, structure="one")
    frame = problem.frame.assign(y=2 * problem.frame["x"] + problem.frame["g"])
    with pytest.raises(ConvergenceError, match="No optimum was found"):
        lmm("y ~ x + (1 | g)", frame)
