"""ICC(1) and ICC(2) of rows in clusters of unequal size. Arrays in, values out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alliance_stats.scales.item_sample import IntArray
from alliance_stats.scales.keying import FloatArray


@dataclass(frozen=True, kw_only=True)
class ClusterIcc:
    """One-way analysis of variance: mean squares, their degrees of freedom, and the size n0 that stands for all clusters."""

    between: float
    within: float
    df_between: int
    df_within: int
    size: float

    @property
    def n_clusters(self) -> int:
        """Number of clusters."""
        return self.df_between + 1

    def _of(self, ratio: float) -> tuple[float, float]:
        """Return ICC(1) and ICC(2) for a ratio of mean squares."""
        return (ratio - 1.0) / (ratio + self.size - 1.0), 1.0 - 1.0 / ratio

    def rows(self, level: float) -> list[tuple[str, float, tuple[float, float], str]]:
        """Return name, value, interval and meaning of both; Shrout & Fleiss (1979), doi 10.1037/0033-2909.86.2.420."""
        from scipy.stats import f

        ratio = self.between / self.within if self.within > 0 else float("inf")
        if not np.isfinite(ratio):
            return [("icc1", 1.0, (np.nan, np.nan), "share"), ("icc2", 1.0, (np.nan, np.nan), "mean")]
        tail = (1.0 - level) / 2.0
        low = ratio / float(f.ppf(1.0 - tail, self.df_between, self.df_within))
        high = ratio * float(f.ppf(1.0 - tail, self.df_within, self.df_between))
        values, lows, highs = self._of(ratio), self._of(low), self._of(high)
        meanings = ("share of variance between patients, one session", "patients' means")
        names = ("icc1", "icc2")
        return [(names[i], values[i], (lows[i], highs[i]), meanings[i]) for i in range(2)]


def cluster_icc(values: FloatArray, codes: IntArray) -> ClusterIcc:
    """Return the analysis of variance of values in clusters.

    Parameters
    ----------
    values : ndarray, shape (n,)
    codes : ndarray of int, shape (n,)
        Cluster of each value.

    Notes
    -----
    n0 = (n - sum of squared sizes / n) / (clusters - 1): Snedecor & Cochran (1989), Statistical methods, 8th ed.
    """
    _, position = np.unique(codes, return_inverse=True)
    sizes = np.bincount(position)
    means = np.bincount(position, weights=values) / sizes
    df_between, df_within = len(sizes) - 1, len(values) - len(sizes)
    return ClusterIcc(
        between=float(sizes @ (means - values.mean()) ** 2) / df_between,
        within=float(np.sum((values - means[position]) ** 2)) / df_within,
        df_between=df_between,
        df_within=df_within,
        size=float((len(values) - (sizes @ sizes) / len(values)) / df_between),
    )
