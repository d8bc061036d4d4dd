"""Linear combinations of the fixed effects of a fit, ready for tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from alliance_stats.errors import ModelError
from alliance_stats.mixed.levelsums import Floats

if TYPE_CHECKING:
    from alliance_stats.mixed.fit import LmmFit

DEPENDENT = 1e-9
"""A combination is one of the others if the eigenvalue of their correlations, relative to the largest, is below this."""


@dataclass(frozen=True)
class Combinations:
    """Linear combinations of fixed effects.

    Parameters
    ----------
    weights : ndarray, shape (k, p)
        Of the fixed effects in the user's units.
    standard : ndarray, shape (k, p)
        Of the fixed effects of standardised columns; the same combinations but for a constant.
    estimate : ndarray, shape (k,)
    """

    weights: Floats = field(repr=False)
    standard: Floats = field(repr=False)
    estimate: Floats

    def spread(self, covariance: Floats) -> Floats:
        """Return the covariance of the combinations, shape (k, k), for one of standardised fixed effects, shape (p, p)."""
        return np.asarray(self.standard @ covariance @ self.standard.T)


def make_combinations(fit: LmmFit, weights: Floats) -> Combinations:
    """Return combinations of a fit's fixed effects.

    Parameters
    ----------
    fit : LmmFit
    weights : ndarray, shape (k, p)
        Over ``fit.term_names``.

    Raises
    ------
    ModelError
        If the shape is another one, a weight is not finite, or a row is zero throughout.
    """
    rows = np.asarray(weights, dtype=float)
    p = len(fit.term_names)
    if rows.ndim != 2 or rows.shape[1] != p or rows.shape[0] == 0:
        raise ModelError.build(
            f"Combinations have shape {rows.shape}; the fit has {p} fixed effects.",
            hint=f"pass one row per combination with {p} columns, in the order of fit.term_names.",
        )
    if not np.isfinite(rows).all() or not np.any(rows, axis=1).all():
        raise ModelError.build(
            "A combination of fixed effects has weights that are missing, infinite, or all zero.",
            hint="give every combination finite weights, at least one of them not zero.",
        )
    scaling = fit.scaling
    estimate = rows @ fit.fixed_effects.to_numpy(dtype=float)
    return Combinations(rows, scaling.y_scale * rows @ scaling.x_transform, np.asarray(estimate, dtype=float))


def whitening(covariance: Floats) -> Floats:
    """Return T with T covariance T' = I, shape (rank, k); dependent combinations count once, whatever their units."""
    scale = np.sqrt(np.diagonal(covariance))
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    kept = values > DEPENDENT * values[-1]
    return np.asarray((vectors[:, kept] / np.sqrt(values[kept])).T / scale)


def wald_sum(estimate: Floats, covariance: Floats) -> tuple[float, int]:
    """Return estimate' covariance^-1 estimate and its rank."""
    z = whitening(covariance) @ estimate
    return float(z @ z), z.size
