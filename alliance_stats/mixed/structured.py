"""Fitting with a residual structure: its parameters are searched outside, theta inside.

At given residual parameters phi the rows are whitened and the model is the ordinary one; its criterion plus log|S R S| is
minimised over phi. The derivative of the minimum by phi is the partial derivative at the theta found, taken by central
differences. Several starts are tried, since serial correlation and random effects can stand in for each other.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from alliance_stats.errors import ConvergenceError, ModelError
from alliance_stats.mixed.correlations import SerialCorrelation
from alliance_stats.mixed.crossproducts import CrossProducts, cross_products
from alliance_stats.mixed.factor import FixedPart, fixed_part
from alliance_stats.mixed.levelsums import Floats
from alliance_stats.mixed.optimise import ACCEPTED_PROMISE, Optimum, minimise
from alliance_stats.mixed.residualestimate import ResidualEstimate, describe, make_estimate
from alliance_stats.mixed.residualsearch import Point, Profile, descend_outside, polish
from alliance_stats.mixed.scaling import Standardised
from alliance_stats.mixed.whitening import ResidualModel, Whitener, whiten

MAX_ROUNDS = 4
ZERO_GAIN = 1e-6
"""A correlation in continuous time is set to zero if that raises the criterion by no more."""

WIDEST = 5.0
"""A parameter whose standard error is larger (correlations, logarithms of ratios) is not known at all."""


@dataclass(frozen=True)
class Structured:
    """What a fit with a residual structure keeps beside an ordinary fit.

    Parameters
    ----------
    base : Standardised
        Before whitening.
    model : ResidualModel
    estimate : ResidualEstimate
    whitener : Whitener
        At the estimates.
    n_searches : int
        Minimisations over theta.
    """

    base: Standardised = field(repr=False)
    model: ResidualModel = field(repr=False)
    estimate: ResidualEstimate
    whitener: Whitener = field(repr=False)
    n_searches: int

    @property
    def free(self) -> np.ndarray:
        """Which residual parameters are not at a limit, shape (k,)."""
        return np.isfinite(self.estimate.parameters)

    def cross_products_at(self, phi: Floats, like: CrossProducts) -> tuple[CrossProducts, float]:
        """Return whitened cross-products at the free residual parameters, and log|S R S| relative to the estimates."""
        whole = self.estimate.parameters.copy()
        whole[self.free] = phi
        whitener = self.model.whitener(whole)
        whitened = whiten(self.base, whitener, like.n_rows)
        cp = cross_products(whitened.factors, whitened.fixed, like.n_rows, sigma2=like.sigma2)
        return cp, whitener.log_determinant - self.whitener.log_determinant


def minimise_structured(
    base: Standardised, model: ResidualModel, *, n_rows: int, sigma2: float | None, reml: bool
) -> tuple[Structured, Standardised, CrossProducts, Optimum]:
    """Minimise the criterion over theta and the residual parameters.

    Parameters
    ----------
    base : Standardised
        Before whitening.
    model : ResidualModel
    n_rows : int
    sigma2 : float or None
        Residual variance of standardised columns if it is known.
    reml : bool

    Returns
    -------
    structured : Structured
    whitened : Standardised
        At the estimates.
    cp : CrossProducts
    optimum : Optimum

    Raises
    ------
    ConvergenceError
        If a residual parameter runs to its limit.
    ModelError
        If the criterion does not depend on a residual parameter.
    """
    profile = Profile(base, model, n_rows=n_rows, sigma2=sigma2, reml=reml)
    best = _search(profile)
    free = np.isfinite(best.phi)
    point, curvature = polish(profile, best, free)
    optimum = Optimum(
        point.theta, np.inf, point.theta, np.inf, 0, "newton", converged=False, singular=False, restarts=0
    )
    for _ in range(MAX_ROUNDS):
        cp, shift = profile.prepare(point.phi)
        optimum = minimise(cp, reml=reml)
        if optimum.criterion + shift > point.criterion - 1e-8:
            break
        point = descend_outside(profile, Point(point.phi, optimum.theta, optimum.criterion + shift), free)
        point, curvature = polish(profile, point, free)
    else:
        cp, _ = profile.prepare(point.phi)
        optimum = minimise(cp, reml=reml)
    _require_inside(profile, point, free)
    _require_known(profile, point, free, curvature)
    whitener = model.whitener(point.phi)
    whitened = whiten(base, whitener, n_rows)
    covariance = np.zeros((free.size, free.size))
    covariance[np.ix_(free, free)] = 2.0 * np.linalg.inv(curvature)
    estimate = make_estimate(model, point.phi, covariance)
    return Structured(base, model, estimate, whitener, profile.n_searches), whitened, cp, optimum


def structured_at(base: Standardised, model: ResidualModel, estimate: ResidualEstimate) -> Structured:
    """Return the record of residual parameters that are known to be the optimum, without a search."""
    return Structured(base, model, estimate, model.whitener(estimate.parameters), 0)


def fixed_part_at(structured: Structured | None, cp: CrossProducts, parameters: Floats, *, reml: bool) -> FixedPart:
    """Return criterion and fixed effects at theta and the free residual parameters; see LmmFit.fixed_part_at."""
    theta, phi = np.split(np.asarray(parameters, dtype=float), [cp.n_theta])
    if structured is None:
        return fixed_part(cp, theta, reml=reml)
    there, shift = structured.cross_products_at(phi, cp)
    found = fixed_part(there, theta, reml=reml)
    return replace(found, criterion=found.criterion + shift, log_determinant=found.log_determinant + shift)


def _search(profile: Profile) -> Point:
    """Return the best of the searches from all starts."""
    free = np.ones(profile.model.n_parameters, dtype=bool)
    found = [descend_outside(profile, profile.solve(start, None), free) for start in profile.model.starts]
    best = min(found, key=lambda point: point.criterion)
    correlation = profile.model.correlation
    if isinstance(correlation, SerialCorrelation) and correlation.continuous:
        without = best.phi.copy()
        without[-1] = -np.inf
        free[-1] = False
        none = descend_outside(profile, profile.solve(without, None), free)
        if none.criterion <= best.criterion + ZERO_GAIN:
            return none
    if isinstance(correlation, SerialCorrelation) and correlation.sign_unknown:
        return replace(best, phi=np.append(best.phi[:-1], abs(best.phi[-1])))
    return best


def _require_inside(profile: Profile, point: Point, free: np.ndarray) -> None:
    """Raise a ConvergenceError if a residual parameter ran to its limit."""
    low, high = profile.model.bounds.T
    span = 1e-3 * np.minimum(high - low, 10.0)
    at = free & ((point.phi < low + span) | (point.phi > high - span))
    if at.any():
        _, names, _ = describe(profile.model)
        j = int(np.flatnonzero(at)[0])
        value = float(profile.model.natural(point.phi)[j])
        raise ConvergenceError.build(
            f"The residual parameter {names[j].split('[')[0]} of {profile.model.rows.structure} ran to its limit "
            f"({value:.6g}): residuals of this form are not what the data show.",
            hint="where outcomes drift, add a trend or a random slope of the session; else simplify the residual structure.",
        )


def _require_known(profile: Profile, point: Point, free: np.ndarray, curvature: Floats) -> None:
    """Raise a ModelError if the criterion hardly depends on a residual parameter, a ConvergenceError if it still falls."""
    if not free.any():
        return
    slopes = profile.model.slopes(point.phi)[free]
    values, vectors = np.linalg.eigh(curvature / np.outer(slopes, slopes))
    if values[0] < 2.0 / WIDEST**2:
        j = int(np.flatnonzero(free)[int(np.argmax(np.abs(vectors[:, 0])))])
        _, names, _ = describe(profile.model)
        raise ModelError.build(
            f"These data do not tell the residual parameter {names[j].split('[')[0]} of {profile.model.rows.structure} from the "
            "random part: the likelihood is the same for a wide range of values.",
            hint="leave out the random intercept of the same blocks, or the residual structure; serial correlation needs three "
            "or more sessions in many blocks.",
        )
    slope, _ = profile.slope(point, free)
    promise = float(slope @ np.linalg.solve(curvature, slope)) / 2.0
    if not promise < ACCEPTED_PROMISE:
        raise ConvergenceError.build(
            f"No optimum was found for {profile.model.rows.structure}: after {profile.n_searches} searches over the random part "
            f"another step still promises to lower the criterion by {promise:.3g}.",
            hint="simplify the random part or the residual structure.",
        )
