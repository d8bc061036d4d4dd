"""Goal attainment: one T score from goals whose number and weights differ by person."""

from __future__ import annotations

import numpy as np

from alliance_stats.scales.keying import FloatArray


def goal_attainment_t(levels: FloatArray, weights: FloatArray, *, rho: float) -> FloatArray:
    """Return the goal attainment T score of each person.

    Parameters
    ----------
    levels : ndarray, shape (n_rows, n_goals)
        Levels reached, 0 as expected, NaN where there is no such goal or no rating.
    weights : ndarray, shape (n_rows, n_goals)
        Weights of the goals, NaN or 0 where a goal does not count.
    rho : float
        Expected correlation among the goals of a person.

    Returns
    -------
    ndarray, shape (n_rows,)
        50 when all goals end as expected; NaN without a rated goal.

    Notes
    -----
    T = 50 + 10 sum(w x) / sqrt((1 - rho) sum(w^2) + rho (sum w)^2), Kiresuk and Sherman (1968).

    References
    ----------
    Kiresuk, T. J., & Sherman, R. E. (1968). Goal attainment scaling: A general method for evaluating comprehensive
    community mental health programs. Community Mental Health Journal, 4(6), 443-453.
    https://doi.org/10.1007/BF01530764
    """
    counts = ~np.isnan(levels) & ~np.isnan(weights)
    weight = np.where(counts, weights, 0.0)
    level = np.where(counts, levels, 0.0)
    # Kiresuk & Sherman (1968), formula for T with weights and a common correlation.
    spread = np.sqrt((1 - rho) * (weight**2).sum(axis=1) + rho * weight.sum(axis=1) ** 2)
    above = 10 * (weight * level).sum(axis=1)
    found: FloatArray = 50 + np.divide(above, spread, out=np.full(len(levels), np.nan), where=spread > 0)
    return found
