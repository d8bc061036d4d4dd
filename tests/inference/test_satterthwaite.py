"""Satterthwaite's degrees of freedom against likelihoods written out densely."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from golden_fixed import prepared

import alliance_stats as al
from alliance_stats.inference.covariance_parameters import covariance_parameters
from alliance_stats.inference.information import _twice_inverse, observed_information
from alliance_stats.mixed.residuals import ar1, variance_by


def reference_df(
    x: np.ndarray, y: np.ndarray, covariance: Callable[[np.ndarray], np.ndarray], at: np.ndarray
) -> np.ndarray:
    """Return the df of each fixed effect from numerical derivatives of the dense REML criterion."""

    def fixed(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        v = covariance(parameters)
        v_inverse = np.linalg.inv(v)
        information = x.T @ v_inverse @ x
        beta = np.linalg.solve(information, x.T @ v_inverse @ y)
        residual = y - x @ beta
        criterion = np.linalg.slogdet(v)[1] + np.linalg.slogdet(information)[1] + residual @ v_inverse @ residual
        return float(criterion), np.diagonal(np.linalg.inv(information))

    m, h = at.size, 1e-2
    step = np.eye(m) * h

    def second(i: int, j: int, size: float) -> float:
        a, b = size * step[i], size * step[j]
        corners = [fixed(at + s * a + t * b)[0] * s * t for s in (1, -1) for t in (1, -1)]
        return sum(corners) / (4 * (size * h) ** 2)

    hessian = np.array([[(4 * second(i, j, 0.5) - second(i, j, 1.0)) / 3 for j in range(m)] for i in range(m)])

    def slope(i: int, size: float) -> np.ndarray:
        return (fixed(at + size * step[i])[1] - fixed(at - size * step[i])[1]) / (2 * size * h)

    gradient = np.array([(4 * slope(i, 0.5) - slope(i, 1.0)) / 3 for i in range(m)])
    spread = np.einsum("ia,ij,ja->a", gradient, 2 * np.linalg.inv(hessian), gradient)
    return 2 * fixed(at)[1] ** 2 / spread


def test_serial_correlation_counts_as_uncertain() -> None:
    frame = prepared("sleepstudy")
    fit = al.lmm("Reaction ~ Days + (1 | Subject)", frame, residual=ar1("Days", by="Subject"))
    subject = pd.factorize(frame["Subject"])[0]
    same = np.equal.outer(subject, subject)
    days = frame["Days"].to_numpy(dtype=float)
    lag = np.abs(np.subtract.outer(days, days))
    rho, between = float(fit.residual.estimates[0]), fit.sigma**2 * float(fit.term_factors[0][0, 0]) ** 2

    def covariance(p: np.ndarray) -> np.ndarray:
        # The same model in other parameters: df do not depend on them.
        return np.exp(p[0]) * same + np.exp(p[2]) * same * np.tanh(p[1]) ** lag

    at = np.array([np.log(between), np.arctanh(rho), np.log(fit.sigma**2)])
    x = np.column_stack([np.ones(days.size), days])
    expected = reference_df(x, frame["Reaction"].to_numpy(dtype=float), covariance, at)
    found = al.coefficient_tests(fit).tidy()
    assert np.allclose(found["df"], expected, rtol=1e-4)
    # Were the correlation taken as known, the df would be others.
    information = observed_information(covariance_parameters(fit))
    assert information.uncertainty.shape == (3, 3)


def test_residual_variances_by_group_count_as_uncertain() -> None:
    frame = prepared("orthodont")
    fit = al.lmm("distance ~ agec * Sex + (1 | Subject)", frame, residual=variance_by("Sex"))
    subject, male = pd.factorize(frame["Subject"])[0], (frame["Sex"] == "Male").to_numpy()
    same = np.equal.outer(subject, subject)
    ratio, between = float(fit.residual.estimates[0]), fit.sigma**2 * float(fit.term_factors[0][0, 0]) ** 2
    other = male if "Male" in fit.residual.names[0] else ~male

    def covariance(p: np.ndarray) -> np.ndarray:
        return np.exp(p[0]) * same + np.diag(np.exp(p[2]) * np.where(other, np.exp(2 * p[1]), 1.0))

    at = np.array([np.log(between), np.log(ratio), np.log(fit.sigma**2)])
    age = frame["agec"].to_numpy(dtype=float)
    x = np.column_stack([np.ones(age.size), age, male, age * male])
    expected = reference_df(x, frame["distance"].to_numpy(dtype=float), covariance, at)
    found = al.coefficient_tests(fit).tidy().set_index("term")
    order = ["Intercept", "agec", "Sex[T.Male]", "agec:Sex[T.Male]"]
    assert np.allclose(found.loc[order, "df"], expected, rtol=1e-4)


def test_a_known_residual_variance_is_not_uncertain() -> None:
    # With variance v between ten effects known to one, Var(mean) = v / 10 and the criterion is 9 (log v + 1): 9 df.
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"effect": rng.normal(0.0, 1.5, 10), "study": range(10)})
    table = al.coefficient_tests(al.lmm("effect ~ 1 + (1 | study)", frame, sigma=1.0)).tidy()
    assert table["df"][0] == pytest.approx(9.0, rel=1e-5)


def test_factors_with_the_same_levels_leave_one_flat_direction_and_the_df_of_one_factor() -> None:
    frame = prepared("clinics").assign(again=lambda d: d["clinic"])
    one = al.coefficient_tests(al.lmm("outcome ~ alliance + (1 | clinic)", frame))
    two = al.coefficient_tests(al.lmm("outcome ~ alliance + (1 | clinic) + (1 | again)", frame))
    assert np.allclose(two.tidy()["df"], one.tidy()["df"], rtol=1e-4)
    assert any("1 direction of the variance parameters without positive curvature" in note for note in two.notes)
    assert not any("curvature" in note for note in one.notes)


def test_directions_without_positive_curvature_are_left_out() -> None:
    inverse, n_flat = _twice_inverse(np.diag([4.0, 0.0, -3.0]))
    assert n_flat == 2
    assert np.allclose(inverse, np.diag([0.5, 0.0, 0.0]))


def test_the_information_is_that_of_least_squares_when_the_variance_between_is_zero() -> None:
    # Dyestuff2: the variance between batches is zero and counts as known, so that the df are those of 30 independent rows.
    frame = prepared("dyestuff2")
    table = al.coefficient_tests(al.lmm("Yield ~ 1 + (1 | Batch)", frame)).tidy()
    assert table["df"][0] == pytest.approx(len(frame) - 1, rel=1e-6)
