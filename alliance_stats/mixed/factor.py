"""The profiled likelihood at one theta: criterion, gradient, curvature and fixed effects.

With P = H^-1 - H^-1 X (X'H^-1 X)^-1 X'H^-1 and nu = n - p (REML) or n (ML), the criterion (-2 log likelihood, beta and
sigma profiled out) is ``log|H| + [log|X'H^-1X|] + nu (1 + log(2 pi y'Py / nu))``: Bates, Maechler, Bolker and Walker (2015),
Journal of Statistical Software 67(1), eq. 30 to 42, doi 10.18637/jss.v067.i01. With a known residual variance s it is
``log|H| + [log|X'H^-1X|] + nu log(2 pi s) + y'Py / s``; its gradient is the same with s for y'Py / nu. Second derivatives are
the average of observed and expected information: Gilmour, Thompson and Cullis (1995), Biometrics 51, 1440-1450,
doi 10.2307/2533274.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular

from alliance_stats.mixed import chain as nested
from alliance_stats.mixed import crossedfactor
from alliance_stats.mixed.chain import Derivatives
from alliance_stats.mixed.crossproducts import CrossProducts
from alliance_stats.mixed.levelsums import Floats
from alliance_stats.mixed.parameters import Pattern, unpack

LOG_2PI = float(np.log(2.0 * np.pi))


@dataclass(frozen=True)
class FixedPart:
    """The fixed effects with everything else profiled out.

    Parameters
    ----------
    criterion : float
        -2 log likelihood, or the REML criterion.
    beta : ndarray, shape (p,)
    sigma2 : float
    root : ndarray, shape (p, p)
        Lower Cholesky factor of X'H^-1X.
    log_determinant : float
        log|H|.
    """

    criterion: float
    beta: Floats
    sigma2: float
    root: Floats
    log_determinant: float


@dataclass(frozen=True)
class Evaluation:
    """The criterion at one theta with its derivatives.

    Parameters
    ----------
    theta : ndarray, shape (n_theta,)
    criterion : float
    gradient : ndarray, shape (n_theta,)
    hessian : ndarray, shape (n_theta, n_theta)
        Average-information approximation plus the curvature of Lambda Lambda'.
    slopes : tuple of ndarray, each of shape (q, q)
        Derivative of the criterion by each factor's Lambda Lambda'.
    """

    theta: Floats
    criterion: float
    gradient: Floats
    hessian: Floats
    slopes: tuple[Floats, ...]


def criterion_at(cp: CrossProducts, theta: Floats, *, reml: bool) -> float:
    """Return the criterion alone; infinite where it cannot be computed."""
    try:
        return fixed_part(cp, theta, reml=reml).criterion
    except np.linalg.LinAlgError:
        return np.inf


def fixed_part(cp: CrossProducts, theta: Floats, *, reml: bool) -> FixedPart:
    """Return criterion, fixed effects and residual variance at theta.

    Raises
    ------
    LinAlgError
        If X'H^-1X is not positive definite in floating point.
    """
    return _reduce(cp, *_eliminate(cp, unpack(theta, cp.patterns)), reml=reml)


def evaluate(cp: CrossProducts, theta: Floats, *, reml: bool) -> Evaluation:
    """Return criterion, gradient and Hessian at theta, from one factorisation.

    Raises
    ------
    LinAlgError
        If X'H^-1X is not positive definite in floating point.
    """
    lambdas = unpack(theta, cp.patterns)
    eliminations, outer = _eliminate(cp, lambdas)
    fixed = _reduce(cp, eliminations, outer, reml=reml)
    basis, residual = _bases(fixed, reml=reml)
    if outer is None:
        found = nested.derivatives(eliminations, lambdas, cp.patterns, basis, residual)
    else:
        found = crossedfactor.derivatives(cp, eliminations[0], outer, lambdas, basis, residual)
    gradient = 2.0 * np.array([s[p] for s, pattern in zip(found.scaled, cp.patterns, strict=True) for p in pattern])
    hessian = _average_information(cp, fixed, found, reml=reml) + _curvature(found.slopes, cp.patterns)
    return Evaluation(theta, fixed.criterion, gradient, hessian, tuple(found.slopes))


def _eliminate(
    cp: CrossProducts, lambdas: Sequence[Floats]
) -> tuple[list[nested.Elimination], crossedfactor.OuterFactor | None]:
    """Eliminate all random effects."""
    depth = len(cp.chunks[0])
    eliminations = [nested.eliminate(chain, lambdas[:depth]) for chain in cp.chunks]
    if cp.crossed is None:
        return eliminations, None
    return eliminations, crossedfactor.eliminate_outer(cp.crossed, eliminations[0], lambdas[1:])


def _reduce(
    cp: CrossProducts,
    eliminations: Sequence[nested.Elimination],
    outer: crossedfactor.OuterFactor | None,
    *,
    reml: bool,
) -> FixedPart:
    """Profile out beta, and sigma unless it is known."""
    p, n = cp.n_fixed, cp.n_rows
    log_determinant = sum(e.log_determinant for e in eliminations)
    left = cp.xx - sum(e.removed for e in eliminations)
    if outer is not None:
        log_determinant += outer.log_determinant
        left = left - outer.removed
    root = np.asarray(np.linalg.cholesky(left[:p, :p]), dtype=float)
    z = solve_triangular(root, left[:p, p], check_finite=False, lower=True) if p else np.zeros(0)
    beta = solve_triangular(root, z, check_finite=False, lower=True, trans=1) if p else np.zeros(0)
    residual_sum = float(left[p, p] - z @ z)
    nu = n - p if reml else n
    if cp.sigma2 is not None:
        sigma2, misfit = cp.sigma2, residual_sum / cp.sigma2
    elif residual_sum > 0:
        sigma2, misfit = residual_sum / nu, float(nu)
    else:
        raise np.linalg.LinAlgError("the residual sum of squares is not positive")
    criterion = log_determinant + nu * (LOG_2PI + np.log(sigma2)) + misfit
    if reml:
        criterion += 2.0 * float(np.log(np.diagonal(root)).sum())
    return FixedPart(float(criterion), beta, sigma2, root, float(log_determinant))


def _bases(fixed: FixedPart, *, reml: bool) -> tuple[Floats, Floats]:
    """Return the columns that turn H^-1 into the gradient's matrix, and the residual's coefficients.

    The first has shape (p + 1, p + 1) for REML, (p + 1, 1) for ML; the second (p + 1,).
    """
    p = fixed.beta.size
    residual = np.append(-fixed.beta, 1.0)
    last = residual[:, None] / np.sqrt(fixed.sigma2)
    if not reml or not p:
        return last, residual
    basis = np.zeros((p + 1, p + 1))
    basis[:p, :p] = solve_triangular(fixed.root, np.eye(p), check_finite=False, lower=True).T
    basis[:, p:] = last
    return basis, residual


def _average_information(cp: CrossProducts, fixed: FixedPart, found: Derivatives, *, reml: bool) -> Floats:
    """Return q'Pq / sigma2, corrected for sigma if it is profiled, shape (n_theta, n_theta)."""
    p = cp.n_fixed
    nu = cp.n_rows - p if reml else cp.n_rows
    explained = solve_triangular(fixed.root, found.xq[:p], check_finite=False, lower=True) if p else found.xq[:p]
    information = (found.qq - explained.T @ explained) / fixed.sigma2
    if cp.sigma2 is not None:
        return np.asarray(information)
    return np.asarray(information - np.outer(found.moments, found.moments) / (nu * fixed.sigma2**2))


def _curvature(slopes: Sequence[Floats], patterns: Sequence[Pattern]) -> Floats:
    """Return the part of the Hessian that comes from the curvature of Lambda Lambda', shape (n_theta, n_theta)."""
    n_theta = sum(len(pattern) for pattern in patterns)
    out, start = np.zeros((n_theta, n_theta)), 0
    for slope, pattern in zip(slopes, patterns, strict=True):
        for a, (i, j) in enumerate(pattern):
            for b, (k, m) in enumerate(pattern):
                if j == m:
                    out[start + a, start + b] = 2.0 * slope[i, k]
        start += len(pattern)
    return out
