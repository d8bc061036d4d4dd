"""A fit in one row: sizes, criteria, and how much of the variance each part carries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from alliance_stats.mixed.variances import fixed_variance, random_variances

if TYPE_CHECKING:
    from alliance_stats.mixed.fit import LmmFit


def glance_row(fit: LmmFit) -> pd.DataFrame:
    """Return one row: sizes, criterion, information criteria, shares of variance, convergence; see LmmFit.glance."""
    fixed, random = fixed_variance(fit), random_variances(fit)
    residual = fit.sigma**2 * mean_residual_factor(fit)
    total = fixed + sum(random.values()) + residual
    row: dict[str, Any] = {"outcome": fit.response, "method": fit.method, "n": fit.n_obs}
    row |= {f"n_{name}": count for name, count in fit.n_levels.items()}
    row |= {
        "sigma": fit.sigma,
        "criterion": fit.criterion,
        "log_likelihood": fit.log_likelihood,
        "aic": fit.criterion + 2 * fit.n_parameters,
        "bic": fit.criterion + np.log(fit.n_obs) * fit.n_parameters,
    }
    row |= {f"icc_{name}": value / (total - fixed) for name, value in random.items()}
    row |= {"r2_marginal": fixed / total, "r2_conditional": (total - residual) / total}
    row |= {"converged": fit.converged, "singular": fit.singular}
    return pd.DataFrame([row])


def mean_residual_factor(fit: LmmFit) -> float:
    """Return the mean over the rows of the residual variance relative to sigma squared."""
    factor = np.ones(1) if fit.design.weights is None else 1.0 / fit.design.weights
    if fit.structured is not None and fit.structured.whitener.scale is not None:
        factor = factor * fit.structured.whitener.scale**2
    return float(np.mean(factor))
