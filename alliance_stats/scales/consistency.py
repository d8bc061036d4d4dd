"""Cronbach's alpha and item statistics from complete answers. Arrays in, numbers out."""

from __future__ import annotations

import numpy as np
import pandas as pd

from alliance_stats.scales.keying import FloatArray


def cronbach_alpha(covariance: FloatArray) -> float:
    """Return Cronbach's alpha of the sum of items.

    Parameters
    ----------
    covariance : ndarray, shape (k, k)
        Covariances of the items; correlations give standardized alpha.

    Returns
    -------
    float
        NaN if fewer than two items, or if the sum does not vary.
    """
    k = len(covariance)
    total = float(covariance.sum())
    if k < 2 or not total > 0:
        return float("nan")
    return k / (k - 1) * (1 - float(np.trace(covariance)) / total)


def feldt_interval(alpha: float, *, k: int, df: int, level: float) -> tuple[float, float]:
    """Return the interval of Cronbach's alpha after Feldt.

    Parameters
    ----------
    alpha : float
        The estimate.
    k : int
        Number of items, at least 2.
    df : int
        Number of independent rows minus 1.
    level : float in (0, 1)
        Coverage.

    Returns
    -------
    tuple of float
        Lower and upper end.
    """
    from scipy.stats import f

    tail = (1 - level) / 2
    # Feldt, Woodruff & Salih (1987), p. 95, formulas 6 and 7.
    low, high = (1 - (1 - alpha) * float(f.ppf(share, df, df * (k - 1))) for share in (1 - tail, tail))
    return low, high


def correlations(covariance: FloatArray) -> FloatArray:
    """Return the correlations that belong to covariances.

    Parameters
    ----------
    covariance : ndarray, shape (k, k)
        Covariances of the items.

    Returns
    -------
    ndarray, shape (k, k)
        NaN in the rows and columns of items that do not vary.
    """
    sd = np.sqrt(np.diag(covariance))
    sd = np.where(sd > 0, sd, np.nan)
    result: FloatArray = covariance / np.outer(sd, sd)
    return result


def item_table(columns: list[str], rows: FloatArray, limits: FloatArray) -> pd.DataFrame:
    """Describe what each item contributes to the sum.

    Parameters
    ----------
    columns : list of str
        Names of the items.
    rows : ndarray, shape (n_rows, k)
        Keyed answers without missing ones, in points.
    limits : ndarray, shape (2, k)
        Lowest and highest answer of each item.

    Returns
    -------
    DataFrame
        One row per item: item, mean, sd, item_rest_correlation, alpha_if_dropped, floor, ceiling, n.
    """
    covariance = np.cov(rows, rowvar=False)
    variance = np.diag(covariance)
    with_rest = covariance.sum(axis=1) - variance
    rest = np.maximum(covariance.sum() - 2 * with_rest - variance, 0)
    scale = np.sqrt(variance * rest)
    dropped = [
        cronbach_alpha(np.delete(np.delete(covariance, item, axis=0), item, axis=1)) for item in range(len(columns))
    ]
    return pd.DataFrame(
        {
            "item": columns,
            "mean": rows.mean(axis=0),
            "sd": np.sqrt(variance),
            "item_rest_correlation": np.divide(with_rest, scale, out=np.full(len(columns), np.nan), where=scale > 0),
            "alpha_if_dropped": dropped,
            "floor": (rows == limits[0]).mean(axis=0),
            "ceiling": (rows == limits[1]).mean(axis=0),
            "n": len(rows),
        }
    )
