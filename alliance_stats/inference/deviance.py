"""The deviance at any point: theta, sigma and a linear combination of the fixed effects may be held, the rest is profiled out.

With G_k the relative covariance of factor k and H = I + sum Z_k G_k Z_k', the deviance is
``log|H| + n log(2 pi sigma^2) + (y - X beta)' H^-1 (y - X beta) / sigma^2``: Bates, Maechler, Bolker and Walker (2015),
Journal of Statistical Software 67(1), eq. 30 to 35, doi 10.18637/jss.v067.i01.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular

from alliance_stats.mixed import chain, crossedfactor
from alliance_stats.mixed.crossproducts import CrossProducts
from alliance_stats.mixed.factor import LOG_2PI
from alliance_stats.mixed.levelsums import Floats
from alliance_stats.mixed.smallblocks import outer


@dataclass(frozen=True, eq=False)
class Held:
    """A linear combination of the fixed effects held at a value.

    Parameters
    ----------
    combination : ndarray, shape (p,)
        Over the standardised columns.
    value : float
    """

    combination: Floats
    value: float


@dataclass(frozen=True, eq=False)
class Point:
    """The deviance at a point with its derivatives.

    Parameters
    ----------
    deviance : float
        -2 log likelihood, the fixed effects profiled out but for what is held.
    slopes : tuple of ndarray, each of shape (q, q)
        Derivative by each factor's relative covariance Lambda Lambda', symmetric.
    by_log_sigma : float
        Derivative by the logarithm of sigma at the same relative covariances; zero if sigma is profiled out.
    by_held : float
        Derivative by the held value; zero if nothing is held.
    """

    deviance: float
    slopes: tuple[Floats, ...]
    by_log_sigma: float
    by_held: float


@dataclass(frozen=True, eq=False)
class _Solved:
    """The fixed effects at their best, given what is held."""

    beta: Floats
    residual_sum: float
    pull: float
    """Half the derivative of the residual sum of squares by the held value."""


def deviance_at(
    cp: CrossProducts, lambdas: Sequence[Floats], *, log_sigma: float | None = None, held: Held | None = None
) -> Point:
    """Return the deviance and its derivatives from one factorisation.

    Parameters
    ----------
    cp : CrossProducts
    lambdas : sequence of ndarray, each of shape (q, q)
        Lower triangular relative covariance factor of each factor, in the order of ``cp.patterns``.
    log_sigma : float, optional
        Logarithm of the residual standard deviation; if left out, the known one of ``cp``, or it is profiled out.
    held : Held, optional

    Raises
    ------
    LinAlgError
        If X'H^-1X is not positive definite in floating point.
    """
    depth = len(cp.chunks[0])
    parts = [chain.eliminate(part, lambdas[:depth]) for part in cp.chunks]
    crossing = crossedfactor.eliminate_outer(cp.crossed, parts[0], lambdas[1:]) if cp.crossed is not None else None
    log_determinant = sum(part.log_determinant for part in parts)
    left = cp.xx - sum(part.removed for part in parts)
    if crossing is not None:
        log_determinant += crossing.log_determinant
        left = left - crossing.removed
    solved = _solve(left, held)
    if log_sigma is not None:
        sigma2 = float(np.exp(2.0 * log_sigma))
    else:
        sigma2 = solved.residual_sum / cp.n_rows if cp.sigma2 is None else cp.sigma2
    ratio = solved.residual_sum / sigma2
    residual = np.append(-solved.beta, 1.0)
    basis = residual[:, None] / np.sqrt(sigma2)
    if crossing is None:
        slopes = _chain_slopes(parts, lambdas, basis)
    else:
        slopes = crossedfactor.derivatives(cp, parts[0], crossing, lambdas, basis, residual).slopes
    return Point(
        deviance=float(log_determinant + cp.n_rows * (LOG_2PI + np.log(sigma2)) + ratio),
        slopes=tuple((slope + slope.T) / 2.0 for slope in slopes),
        by_log_sigma=0.0 if log_sigma is None else 2.0 * (cp.n_rows - ratio),
        by_held=2.0 * solved.pull / sigma2,
    )


def _solve(left: Floats, held: Held | None) -> _Solved:
    """Return the fixed effects that minimise the residual sum of squares, given what is held."""
    p = left.shape[0] - 1
    root = np.linalg.cholesky(left[:p, :p])
    z = solve_triangular(root, left[:p, p], check_finite=False, lower=True) if p else np.zeros(0)
    beta = solve_triangular(root, z, check_finite=False, lower=True, trans=1) if p else np.zeros(0)
    residual_sum, pull = float(left[p, p] - z @ z), 0.0
    if held is not None:
        half = solve_triangular(root, held.combination, check_finite=False, lower=True)
        spread = float(half @ half)
        pull = (held.value - float(held.combination @ beta)) / spread
        beta = beta + pull * solve_triangular(root, half, check_finite=False, lower=True, trans=1)
        residual_sum += pull**2 * spread
    if not residual_sum > 0:
        raise np.linalg.LinAlgError("the residual sum of squares is not positive")
    return _Solved(np.asarray(beta), residual_sum, pull)


def _chain_slopes(parts: Sequence[chain.Elimination], lambdas: Sequence[Floats], basis: Floats) -> list[Floats]:
    """Return the derivative by each relative covariance, each of shape (q, q)."""
    slopes = [np.zeros_like(lam) for lam in lambdas]
    for part in parts:
        projected = chain.project(part)
        for total, zz, zx in zip(slopes, projected.zz, projected.zx, strict=True):
            explained = np.matmul(basis.T, zx)
            total += zz.sum(axis=2) - outer(explained, explained)
    return slopes
