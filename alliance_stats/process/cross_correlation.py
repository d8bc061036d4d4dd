"""Correlations of two series within windows, at several lags, and the windows of one series against those of the other."""

from __future__ import annotations

import numpy as np

from alliance_stats.process.session_series import FloatArray, IntArray

LEAST_POINTS = 3
"""Pairs of values below which a correlation says nothing."""

# a correlation of 1 has no finite Fisher z; 7.25 is that of 0.999999
LARGEST = 0.999999


def cut_windows(series: FloatArray, window: int) -> FloatArray:
    """Return the series cut into windows that do not overlap, the rest left out, shape (n_windows, window)."""
    count = series.size // window
    return series[: count * window].reshape(count, window)


def window_correlations(first: FloatArray, second: FloatArray, lag_max: int) -> FloatArray:
    """Correlate every window of one series with every window of the other.

    Parameters
    ----------
    first, second : ndarray, shape (n_windows, window)
        NaN where missing.
    lag_max : int

    Returns
    -------
    ndarray, shape (2 * lag_max + 1, n_windows, n_windows)
        Fisher's z of the correlation at lags -lag_max to lag_max; a positive lag pairs ``first`` with later values of
        ``second``. NaN with fewer than three pairs of values, or without variation. True windows stand on the diagonal.
    """
    window = first.shape[1]
    lags = range(-lag_max, lag_max + 1)
    tables = []
    for lag in lags:
        early, late = (first[:, : window - lag], second[:, lag:]) if lag >= 0 else (first[:, -lag:], second[:, :lag])
        tables.append(_fisher_z(_correlations(early, late)))
    stacked: FloatArray = np.stack(tables)
    return stacked


def _correlations(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return Pearson correlations of all rows of one table with all rows of the other, pairs with a missing value left out."""
    one, two = ~np.isnan(first), ~np.isnan(second)
    # centring first keeps the sums of squares exact when the level is far from zero
    x = np.where(one, first - _level(first), 0.0)
    y = np.where(two, second - _level(second), 0.0)
    known_x, known_y = one.astype(float), two.astype(float)
    count = known_x @ known_y.T
    sum_x, sum_y = x @ known_y.T, known_x @ y.T
    with np.errstate(invalid="ignore", divide="ignore"):
        products = x @ y.T - sum_x * sum_y / count
        square_x = (x**2) @ known_y.T - sum_x**2 / count
        square_y = known_x @ (y**2).T - sum_y**2 / count
        varies = (square_x > 1e-12 * ((x**2) @ known_y.T)) & (square_y > 1e-12 * (known_x @ (y**2).T))
        result: FloatArray = np.where((count >= LEAST_POINTS) & varies, products / np.sqrt(square_x * square_y), np.nan)
    return result


def _level(values: FloatArray) -> FloatArray:
    """Return the mean of each row, 0 where nothing is known, shape (n, 1)."""
    known = ~np.isnan(values)
    total = np.where(known, values, 0.0).sum(axis=1, keepdims=True)
    level: FloatArray = total / np.maximum(known.sum(axis=1, keepdims=True), 1)
    return level


def _fisher_z(correlations: FloatArray) -> FloatArray:
    """Return Fisher's z, correlations of 1 cut just below it."""
    z: FloatArray = np.arctanh(np.clip(correlations, -LARGEST, LARGEST))
    return z


def mean_over_windows(tables: FloatArray, order: IntArray) -> FloatArray:
    """Return the mean over windows when the second series' windows are put in an order, shape (n_orders, n_lags).

    Parameters
    ----------
    tables : ndarray, shape (n_lags, n_windows, n_windows)
        Values of pairs of windows, NaN where there is none.
    order : ndarray of int, shape (n_orders, n_windows)
        Window of the second series that stands beside each window of the first.
    """
    picked = tables[:, np.arange(order.shape[1])[None, :], order]
    known = ~np.isnan(picked)
    with np.errstate(invalid="ignore", divide="ignore"):
        means: FloatArray = np.where(known, picked, 0.0).sum(axis=2) / known.sum(axis=2)
    return means.T
