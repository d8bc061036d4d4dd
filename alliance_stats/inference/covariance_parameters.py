"""The parameters of a fit's covariance, and the fixed effects as a function of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from alliance_stats.mixed.factor import FixedPart, evaluate
from alliance_stats.mixed.levelsums import Floats

if TYPE_CHECKING:
    from alliance_stats.mixed.fit import LmmFit


@dataclass(frozen=True)
class CovarianceParameters:
    """What the covariance of the outcome depends on, but for the residual variance.

    Parameters
    ----------
    values : ndarray, shape (m,)
        At the optimum: relative covariance factors of standardised columns, then residual parameters without bounds.
    errors : ndarray, shape (m,)
        Roughly their standard errors, the measure of small changes.
    n_theta : int
        How many of them are relative covariance factors.
    nu : float
        Divisor of the residual sum of squares: rows, less fixed effects for REML.
    sigma_known : bool
        Whether the residual variance was given; else it is profiled out.
    fixed_part : callable
        Criterion, fixed effects and residual variance for given values.
    gradient : callable
        Derivative of the criterion by the relative covariance factors for given values, shape (n_theta,).
    """

    values: Floats
    errors: Floats
    n_theta: int
    nu: float
    sigma_known: bool
    fixed_part: Callable[[Floats], FixedPart] = field(repr=False)
    gradient: Callable[[Floats], Floats] = field(repr=False)


def covariance_parameters(fit: LmmFit) -> CovarianceParameters:
    """Return the covariance parameters of a fit, those of a residual structure included."""
    cp, reml, structured = fit.cross_products, fit.method == "REML", fit.structured

    def gradient(values: Floats) -> Floats:
        there = cp
        if structured is not None:
            there, _ = structured.cross_products_at(values[cp.n_theta :], cp)
        return evaluate(there, values[: cp.n_theta], reml=reml).gradient

    theta = fit.optimum.theta
    curvature = np.abs(np.diagonal(evaluate(cp, theta, reml=reml).hessian))
    # Where the criterion is flat no step is small; a change as large as theta itself is the limit.
    errors = np.minimum(np.sqrt(2.0 / np.maximum(curvature, 1e-12)), np.maximum(np.abs(theta), 1.0))
    if structured is not None:
        errors = np.append(errors, np.sqrt(np.diagonal(structured.estimate.covariance))[structured.free])
    return CovarianceParameters(
        values=fit.criterion_parameters,
        errors=errors,
        n_theta=cp.n_theta,
        nu=float(cp.n_rows - cp.n_fixed if reml else cp.n_rows),
        sigma_known=cp.sigma2 is not None,
        fixed_part=fit.fixed_part_at,
        gradient=gradient,
    )
