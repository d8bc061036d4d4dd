"""The residuals of a fit: made independent, their covariance, and draws of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import pandas as pd

from alliance_stats.errors import ModelError, unknown_name
from alliance_stats.mixed.levelsums import Codes, Floats

if TYPE_CHECKING:
    from alliance_stats.mixed.fit import LmmFit

ResidualKind: TypeAlias = Literal["raw", "normalised"]


def residuals(fit: LmmFit, kind: ResidualKind) -> pd.Series[float]:
    """Return residuals of the rows used; see LmmFit.residuals."""
    values = fit.design.y - fit.fitted().to_numpy()
    if kind == "normalised":
        values = _normalised(fit, values)
    elif kind != "raw":
        raise unknown_name(ModelError, "kind of residuals", kind, ["raw", "normalised"])
    return pd.Series(values, index=fit.design.index, name="residual")


def _normalised(fit: LmmFit, residual: Floats) -> Floats:
    """Return residuals divided by their SD and made independent of each other, shape (n_rows,)."""
    weights = fit.design.weights
    scaled = residual / fit.sigma if weights is None else residual * np.sqrt(weights) / fit.sigma
    return scaled if fit.structured is None else fit.structured.whitener.whiten(scaled)


def residual_covariance(fit: LmmFit, rows: Codes) -> Floats:
    """Return the covariance of the residuals of some rows, in squared units of the outcome, shape (n, n)."""
    found = np.eye(rows.size) if fit.structured is None else fit.structured.whitener.matrix(rows)
    if fit.design.weights is not None:
        spread = 1.0 / np.sqrt(fit.design.weights[rows])
        found = found * np.multiply.outer(spread, spread)
    return np.asarray(fit.sigma**2 * found)


def draw_residuals(fit: LmmFit, rng: np.random.Generator) -> Floats:
    """Return residuals drawn from the fitted model, shape (n_rows,)."""
    noise = fit.sigma * rng.standard_normal(fit.n_obs)
    if fit.structured is not None:
        noise = fit.structured.whitener.colour(noise)
    return noise if fit.design.weights is None else noise / np.sqrt(fit.design.weights)
