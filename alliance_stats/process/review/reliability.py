"""How reliable a unit's mean is, from a one-way analysis of variance."""

from __future__ import annotations

import numpy as np
import pandas as pd


def mean_reliability(values: np.ndarray, units: np.ndarray) -> float | None:
    """Return the median reliability of units' means; None if there is no spread or nothing is repeated.

    Parameters
    ----------
    values : ndarray, shape (n,)
    units : ndarray, shape (n,)
        Unit of each value.
    """
    groups = pd.Series(values).groupby(units)
    counts, means = groups.size().to_numpy(dtype=float), groups.mean().to_numpy()
    n, k = counts.sum(), len(counts)
    if n <= k or k < 2:
        return None
    within = float(((values - groups.transform("mean").to_numpy()) ** 2).sum() / (n - k))
    between = float((counts * (means - values.mean()) ** 2).sum() / (k - 1))
    size = (n - (counts**2).sum() / n) / (k - 1)
    tau2 = max((between - within) / size, 0.0)
    return float(np.median(tau2 / (tau2 + within / counts))) if tau2 + within > 0 else None
