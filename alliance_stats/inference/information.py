"""How surely the covariance parameters are known, and how the fixed effects' covariance moves with them.

With beta profiled out the criterion is ``log|H| + [log|X'H^-1X|] + nu log(2 pi s^2) + r(phi) / s^2``. Its second derivatives by
(phi, s) at the optimum, where ``r = nu s^2``, are ``D + r' r'^T / (nu s^4)`` for phi, D the Hessian of the criterion with s
profiled out as well, ``-2 r' / s^3`` and ``4 nu / s^2``. If s is known, D alone is left.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from alliance_stats.inference.covariance_parameters import CovarianceParameters
from alliance_stats.mixed.factor import FixedPart
from alliance_stats.mixed.levelsums import Floats

STEP = 1e-3
"""Step of central differences, in standard errors: the relative error is of the order of its square."""

WIDE_STEP = 0.05
"""The same for second differences of the criterion, whose rounding errors are larger; of the order of its fourth power."""

FLAT = 1e-8
"""Directions in which the criterion, scaled to unit curvature along each parameter, curves less than this are left out."""


@dataclass(frozen=True)
class Information:
    """Covariance parameters (phi, and sigma unless it is known) as random variables.

    Parameters
    ----------
    covariance : ndarray, shape (p, p)
        Of the standardised fixed effects.
    slopes : ndarray, shape (m, p, p)
        Its derivatives by the parameters.
    uncertainty : ndarray, shape (m, m)
        Covariance of the parameters: twice the inverse of the observed Hessian of the criterion.
    n_flat : int
        Directions without positive curvature, which count as known.
    """

    covariance: Floats = field(repr=False)
    slopes: Floats = field(repr=False)
    uncertainty: Floats
    n_flat: int


def observed_information(parameters: CovarianceParameters) -> Information:
    """Return the observed information of the covariance parameters, from central differences."""
    m, nu = parameters.values.size, parameters.nu
    centre = parameters.fixed_part(parameters.values)
    sigma2, covariance = centre.sigma2, _unscaled(centre)
    slopes, moved = np.empty((m, *covariance.shape)), np.empty(m)
    for a in range(m):
        step = STEP * parameters.errors[a]
        above, below = (parameters.fixed_part(_moved(parameters, {a: step * sign})) for sign in (1.0, -1.0))
        moved[a] = nu * (above.sigma2 - below.sigma2) / (2.0 * step)
        slopes[a] = sigma2 * (_unscaled(above) - _unscaled(below)) / (2.0 * step)
    hessian = _profiled_hessian(parameters)
    if not parameters.sigma_known:
        sigma = float(np.sqrt(sigma2))
        slopes = np.concatenate([slopes, 2.0 * sigma * covariance[None]])
        hessian = np.pad(hessian + np.outer(moved, moved) / (nu * sigma2**2), (0, 1))
        hessian[m, :m] = hessian[:m, m] = -2.0 * moved / sigma**3
        hessian[m, m] = 4.0 * nu / sigma2
    uncertainty, n_flat = _twice_inverse(hessian)
    return Information(sigma2 * covariance, slopes, uncertainty, n_flat)


def _moved(parameters: CovarianceParameters, changes: dict[int, float]) -> Floats:
    """Return the parameters with some of them changed, shape (m,)."""
    values = parameters.values.copy()
    for a, change in changes.items():
        values[a] += change
    return values


def _profiled_hessian(parameters: CovarianceParameters) -> Floats:
    """Return the Hessian of the criterion: differences of gradients for theta, of the criterion for the others."""
    m, n_theta = parameters.values.size, parameters.n_theta
    hessian = np.zeros((m, m))
    for a in range(m):
        step = STEP * parameters.errors[a]
        above, below = (parameters.gradient(_moved(parameters, {a: step * sign})) for sign in (1.0, -1.0))
        hessian[a, :n_theta] = (above - below) / (2.0 * step)
    hessian[:n_theta, :n_theta] = (hessian[:n_theta, :n_theta] + hessian[:n_theta, :n_theta].T) / 2.0
    hessian[:n_theta, n_theta:] = hessian[n_theta:, :n_theta].T
    for a in range(n_theta, m):
        for b in range(n_theta, a + 1):
            fine, coarse = (_second_difference(parameters, a, b, WIDE_STEP * size) for size in (1.0, 2.0))
            hessian[a, b] = hessian[b, a] = (4.0 * fine - coarse) / 3.0
    return hessian


def _second_difference(parameters: CovarianceParameters, a: int, b: int, size: float) -> float:
    """Return the second derivative of the criterion by two parameters, to the second order of the step."""
    step_a, step_b = size * parameters.errors[a], size * parameters.errors[b]

    def at(i: float, j: float) -> float:
        changes = {a: (i + j) * step_a} if a == b else {a: i * step_a, b: j * step_b}
        return float(parameters.fixed_part(_moved(parameters, changes)).criterion)

    # The four corners of a square; for a == b they fall on a line, at distances of two steps.
    return float((at(1, 1) - at(1, -1) - at(-1, 1) + at(-1, -1)) / (4.0 * step_a * step_b))


def _unscaled(fixed: FixedPart) -> Floats:
    """Return the inverse of X'H^-1X, shape (p, p)."""
    half = np.linalg.solve(fixed.root, np.eye(fixed.root.shape[0]))
    return np.asarray(half.T @ half)


def _twice_inverse(hessian: Floats) -> tuple[Floats, int]:
    """Return twice the inverse over the directions of positive curvature, shape (m, m), and how many are left out."""
    scale = np.sqrt(np.where(np.diagonal(hessian) > 0, np.diagonal(hessian), 1.0))
    values, vectors = np.linalg.eigh(hessian / np.outer(scale, scale))
    kept = values > FLAT
    half = vectors[:, kept] / np.sqrt(values[kept]) / scale[:, None]
    return np.asarray(2.0 * half @ half.T), int(np.sum(~kept))
