"""The engine against the model written out with full matrices."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from mixed_dense import Problem, dense
from mixed_designs import STRUCTURES, random_problem

from alliance_stats import lmm
from alliance_stats.errors import ConvergenceError
from alliance_stats.mixed.fit import LmmFit

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


@some
@given(seed=seeds, structure=structures, method=methods)
def test_criterion_at_any_theta(seed: int, structure: str, method: Literal["REML", "ML"]) -> None:
    problem = random_problem(seed, structure=structure)
    fit = fitted(problem, method)
    rng = np.random.default_rng(seed)
    for size in (0.0, 0.1, 1.0, 10.0):
        theta = rng.normal(size=problem.n_theta) * size
        theta = np.where(np.isfinite(problem.bounds()), np.abs(theta), theta)
        expected = dense(problem, theta, reml=method == "REML", full=False).criterion
        assert fit.deviance_at(problem.in_lme4_order(theta)) == pytest.approx(expected, abs=1e-8, rel=1e-10)


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
        modes = np.column_stack([there.modes[k].reshape(n_levels, -1) for k in own])
        sds = np.column_stack([there.sds[k].reshape(n_levels, -1) for k in own])
        table = fit.random_effects(name)
        np.testing.assert_allclose(table["estimate"], modes.ravel(), rtol=1e-6, atol=1e-7 * (1 + np.abs(modes).max()))
        # The SD is the root of a difference; where that difference vanishes only its square has digits.
        np.testing.assert_allclose(table["std_error"] ** 2, sds.ravel() ** 2, rtol=1e-6, atol=1e-8 * fit.sigma**2)


@some
@given(seed=seeds, structure=structures, method=methods)
def test_likelihood_equations_hold_at_the_solution(seed: int, structure: str, method: Literal["REML", "ML"]) -> None:
    problem = random_problem(seed, structure=structure)
    fit = fitted(problem, method)
    theta = problem.from_lme4_order(fit.theta)
    gradient = dense(problem, theta, reml=method == "REML", full=False).gradient
    scale = np.concatenate(
        [
            np.repeat(np.abs(lam).max() + 1e-12, t.n_theta)
            for lam, t in zip(problem.lambdas(theta), problem.terms, strict=True)
        ]
    )
    assert np.abs(gradient * scale).max() < 1e-4


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
