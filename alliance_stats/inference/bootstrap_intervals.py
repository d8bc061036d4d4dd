"""Intervals from bootstrap draws."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri

from alliance_stats.mixed.levelsums import Floats


def percentile_limits(draws: Floats, level: float) -> tuple[Floats, Floats]:
    """Return the quantiles that leave out half of the rest on each side, each of shape (k,).

    Parameters
    ----------
    draws : ndarray, shape (n, k)
        Missing values are left out.
    level : float in (0, 1)
    """
    tail = (1.0 - level) / 2.0
    sides = np.repeat([[tail], [1.0 - tail]], draws.shape[1], axis=1)
    return _quantiles(draws, sides[0]), _quantiles(draws, sides[1])


def bca_limits(draws: Floats, estimate: Floats, left_out: Floats, level: float) -> tuple[Floats, Floats]:
    """Return bias-corrected and accelerated limits, each of shape (k,).

    Parameters
    ----------
    draws : ndarray, shape (n, k)
    estimate : ndarray, shape (k,)
    left_out : ndarray, shape (n_levels, k)
        The estimates with one independent unit left out at a time.
    level : float in (0, 1)

    Returns
    -------
    tuple of ndarray
        NaN where all draws lie on one side of the estimate, or the estimate itself is undefined.

    Notes
    -----
    With z0 the normal quantile of the share of draws below the estimate (draws equal to it count half) and a the
    acceleration, the limits are the draws' quantiles at Phi(z0 + (z0 + z) / (1 - a (z0 + z))), z the normal quantile of
    the tail; a = sum d^3 / (6 (sum d^2)^1.5) with d the mean of ``left_out`` minus each of its values (Efron, 1987).

    References
    ----------
    Efron, B. (1987). Better bootstrap confidence intervals. Journal of the American Statistical Association, 82,
    171-185. doi 10.2307/2289144.
    """
    known = ~np.isnan(draws)
    n = known.sum(axis=0)
    below = (draws < estimate).sum(axis=0) + 0.5 * (draws == estimate).sum(axis=0)
    share = np.divide(below, n, out=np.full(n.size, np.nan), where=n > 0)
    z0 = ndtri(np.where((share > 0) & (share < 1) & ~np.isnan(estimate), share, np.nan))
    a = acceleration(left_out)
    tail = (1.0 - level) / 2.0
    sides = [ndtr(z0 + (z0 + z) / (1.0 - a * (z0 + z))) for z in (ndtri(tail), ndtri(1.0 - tail))]
    return _quantiles(draws, sides[0]), _quantiles(draws, sides[1])


def acceleration(left_out: Floats) -> Floats:
    """Return the acceleration of each parameter from leave-one-out estimates, zero where they are all equal, shape (k,).

    Parameters
    ----------
    left_out : ndarray, shape (n_levels, k)
    """
    known = ~np.isnan(left_out)
    counts = np.maximum(known.sum(axis=0), 1)
    centre = np.where(known, left_out, 0.0).sum(axis=0) / counts
    deviation = np.where(known, centre - left_out, 0.0)
    squares = (deviation**2).sum(axis=0)
    flat = squares <= (1e-12 * np.abs(centre)) ** 2
    spread = np.where(flat, 1.0, squares) ** 1.5
    return np.asarray(np.where(flat, 0.0, (deviation**3).sum(axis=0) / (6.0 * spread)))


def _quantiles(draws: Floats, at: Floats) -> Floats:
    """Return a quantile of each column, interpolated linearly between draws, shape (k,)."""
    out = np.full(at.size, np.nan)
    for j in range(at.size):
        own = draws[~np.isnan(draws[:, j]), j]
        if own.size and np.isfinite(at[j]):
            out[j] = np.quantile(own, at[j])
    return out
