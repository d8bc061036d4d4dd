"""Covariance and degrees of freedom after Kenward and Roger.

V = sum_i phi_i V_i is linear in the entries of the random effects' covariances and the residual variance. With
``Phi = (X'V^-1X)^-1``, ``P_i`` and ``2 Q_ij`` (made symmetric) the first and second derivatives of X'V^-1X, and W the inverse of
the expected information of phi, the covariance is ``Phi + 2 Phi (sum W_ij (Q_ij - P_i Phi P_j)) Phi``, and F and its df match the
mean and variance of the Wald statistic: Kenward and Roger (1997), Biometrics 53, 983-997, doi 10.2307/2533558, eq. 1 to 8;
Halekoh and Hojsgaard (2014), Journal of Statistical Software 59(9), doi 10.18637/jss.v059.i09.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from alliance_stats.errors import ModelError
from alliance_stats.inference.combinations import Combinations, whitening
from alliance_stats.inference.curvature import Curvature, likelihood_curvature
from alliance_stats.mixed.factor import fixed_part
from alliance_stats.mixed.levelsums import Floats

if TYPE_CHECKING:
    from alliance_stats.mixed.fit import LmmFit

FLAT = 1e-10
"""Directions of the information, scaled to a unit diagonal, below this count as known: a generalised inverse."""

NEAR_TWO = 1e-2
"""F is not scaled if its df are this close to 2, where the scale is undefined; the same distance as in pbkrtest 0.5."""


@dataclass(frozen=True)
class KenwardRoger:
    """Tests of fixed effects after Kenward and Roger.

    Parameters
    ----------
    unadjusted, covariance : ndarray, each of shape (p, p)
        Of the standardised fixed effects, before and after the adjustment.
    slopes : ndarray, shape (m, p, p)
        Phi P_i Phi: minus the derivatives of the unadjusted covariance.
    uncertainty : ndarray, shape (m, m)
        W, of the entries of the covariances and the residual variance (unless it is known).
    n_flat : int
        Directions of the covariance parameters that the data do not inform.
    """

    unadjusted: Floats = field(repr=False)
    covariance: Floats = field(repr=False)
    slopes: Floats = field(repr=False)
    uncertainty: Floats
    n_flat: int = 0

    @property
    def remark(self) -> str:
        """What a reader must know of this fit's degrees of freedom; empty as a rule."""
        if not self.n_flat:
            return ""
        return f"{self.n_flat} direction{'s' * (self.n_flat > 1)} of the variance parameters cannot be told apart"

    def degrees_of_freedom(self, combined: Combinations) -> Floats:
        """Return the df of each combination, shape (k,): 2 / A2 of a single row."""
        rows = combined.standard
        variance = np.einsum("kp,pq,kq->k", rows, self.unadjusted, rows)
        moved = np.einsum("kp,mpq,kq->km", rows, self.slopes, rows) / variance[:, None]
        with np.errstate(divide="ignore"):
            return np.asarray(2.0 / np.einsum("km,mn,kn->k", moved, self.uncertainty, moved))

    def joint(self, combined: Combinations) -> tuple[float, int, float]:
        """Return the scaled F, its numerator df and its denominator df."""
        turn = whitening(combined.spread(self.unadjusted))
        rows, estimate = turn @ combined.standard, turn @ combined.estimate
        q = estimate.size
        total = float(estimate @ np.linalg.solve(rows @ self.covariance @ rows.T, estimate)) / q
        moved = np.einsum("kp,mpq,lq->mkl", rows, self.slopes, rows, optimize=True)
        traces = np.trace(moved, axis1=1, axis2=2)
        products = np.einsum("mkl,nlk->mn", moved, moved, optimize=True)
        a1 = float(traces @ self.uncertainty @ traces)
        a2 = float(np.sum(self.uncertainty * products))
        scale, denominator = _matched_f(a1, a2, q)
        return scale * total, q, denominator


def _matched_f(a1: float, a2: float, q: int) -> tuple[float, float]:
    """Return the factor of F and its denominator df, from A1 and A2 of the papers."""
    if q == 1:
        return 1.0, 2.0 / a2 if a2 > 0 else np.inf
    if a2 <= 0:
        return 1.0, np.inf
    b = (a1 + 6.0 * a2) / (2.0 * q)
    g = ((q + 1.0) * a1 - (q + 4.0) * a2) / ((q + 2.0) * a2)
    below = 3.0 * q + 2.0 * (1.0 - g)
    v0, v1, v2 = 1.0 + g / below * b, 1.0 - (q - g) / below * b, 1.0 - (q + 2.0 - g) / below * b
    mean = 1.0 - a2 / q
    # df = 4 + (q + 2) / (q rho - 1) with rho = V* / (2 E*^2), multiplied through by v2, which may vanish.
    ratio = mean / v1 if max(abs(mean), abs(v1)) > 1e-10 else 1.0
    denominator = 4.0 + (q + 2.0) * v2 / (ratio**2 * v0 - v2)
    if abs(denominator - 2.0) < NEAR_TWO:
        return 1.0, denominator
    return denominator * mean / (denominator - 2.0), denominator


def kenward_roger(fit: LmmFit) -> KenwardRoger:
    """Return Kenward-Roger tests for a REML fit.

    Raises
    ------
    ModelError
        If the fit is by ML or has a residual structure.
    """
    if fit.method != "REML":
        raise ModelError.build(
            f"Kenward-Roger tests need a fit by REML; this one is by {fit.method}.",
            hint='refit with lmm(..., method="REML"), or use df="satterthwaite".',
        )
    if fit.residual is not None:
        raise ModelError.build(
            "Kenward-Roger tests are not available for a fit with a residual structure.",
            hint='use df="satterthwaite".',
        )
    theta, cp = fit.optimum.theta, fit.cross_products
    sigma2 = fixed_part(cp, theta, reml=True).sigma2
    return _adjusted(likelihood_curvature(cp, theta), fit.n_obs, sigma2, sigma_known=cp.sigma2 is not None)


def _adjusted(curvature: Curvature, n_rows: int, sigma2: float, *, sigma_known: bool) -> KenwardRoger:
    """Return the adjusted covariance; everything in units of the residual variance, then scaled."""
    information, first, second = _with_residual(curvature, n_rows)
    if sigma_known:
        information, first, second = information[:-1, :-1], first[:-1], second[:-1, :-1]
    phi = np.linalg.inv(curvature.x)
    phi = (phi + phi.T) / 2.0
    phi_first = np.einsum("pq,mqr->mpr", phi, first)
    expected = information - np.einsum("pq,mnqp->mn", phi, second)
    expected = (expected + np.einsum("mpq,nqp->mn", phi_first, phi_first)) / 2.0
    w, n_flat = _inverse(expected)
    inner = np.einsum("mn,mnpq->pq", w, second) / 2.0
    inner -= np.einsum("mn,mpq,nqr->pr", w, first, phi_first, optimize=True)
    covariance = phi + 2.0 * phi @ inner @ phi
    slopes = phi_first @ phi
    return KenwardRoger(sigma2 * phi, sigma2 * (covariance + covariance.T) / 2.0, sigma2 * slopes, w, n_flat)


def _with_residual(curvature: Curvature, n_rows: int) -> tuple[Floats, Floats, Floats]:
    """Return tr(V^-1V_iV^-1V_j) and the derivatives of X'V^-1X, the residual variance (at 1) as the last parameter.

    log|V| and X'V^-1X are homogeneous in the parameters, so that Euler's relation gives the derivatives by the last one.
    """
    s, m, p = curvature.entries, curvature.entries.size, curvature.x.shape[0]
    first = np.empty((m + 1, p, p))
    first[:m] = curvature.x_first
    first[m] = -curvature.x - np.tensordot(s, curvature.x_first, 1)
    second = np.empty((m + 1, m + 1, p, p))
    second[:m, :m] = curvature.x_second
    second[m, :m] = second[:m, m] = -2.0 * curvature.x_first - np.tensordot(s, curvature.x_second, 1)
    second[m, m] = -2.0 * first[m] - np.tensordot(s, second[m, :m], 1)
    traces = np.empty((m + 1, m + 1))
    traces[:m, :m] = -curvature.log_determinant
    traces[m, :m] = traces[:m, m] = curvature.slope + s @ curvature.log_determinant
    traces[m, m] = n_rows - s @ curvature.slope - s @ traces[m, :m]
    return traces, first, second


def _inverse(information: Floats) -> tuple[Floats, int]:
    """Return the inverse of the information, generalised where it is singular, and the number of flat directions."""
    scale = np.sqrt(np.maximum(np.diagonal(information), np.finfo(float).tiny))
    values, vectors = np.linalg.eigh(information / np.outer(scale, scale))
    kept = values > FLAT * values[-1]
    half = vectors[:, kept] / np.sqrt(values[kept]) / scale[:, None]
    return np.asarray(half @ half.T), int(np.sum(~kept))
