"""Intervals for a product of two paths plus a remainder: exactly, by simulation, and by resampling patients."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from alliance_stats.inference.case_resampling import LevelTree, refit_selection, resample
from alliance_stats.inference.replicates import Replicate
from alliance_stats.process.mediation_paths import read_paths
from alliance_stats.process.mediation_rows import Design
from alliance_stats.process.panel_rows import FloatArray

NODES = 2001
REACH = 8.0
"""Standard normal quadrature: trapezoids between -8 and 8, exact to rounding for a smooth integrand."""


@dataclass(frozen=True)
class Product:
    """The distribution of a b + r, with a, b and r jointly normal.

    Parameters
    ----------
    mean : ndarray, shape (3,)
    covariance : ndarray, shape (3, 3)
    """

    mean: FloatArray
    covariance: FloatArray = field(repr=False)

    @property
    def value(self) -> float:
        """The product of the means plus that of the remainder."""
        return float(self.mean[0] * self.mean[1] + self.mean[2])

    @property
    def std_error(self) -> float:
        """The standard deviation of the distribution."""
        a, b, _ = self.mean
        gradient = np.array([b, a, 1.0])
        cov = self.covariance
        # Bauer, Preacher & Gil (2006): beside the first order, var(a) var(b) + cov(a, b)^2.
        return float(np.sqrt(gradient @ cov @ gradient + cov[0, 0] * cov[1, 1] + cov[0, 1] ** 2))

    def below(self, limit: float) -> float:
        """Return the probability of a value below a limit."""
        from scipy.stats import norm

        a, b, r = self.mean
        cov = self.covariance
        z = np.linspace(-REACH, REACH, NODES)
        slope = cov[1:, 0] / np.sqrt(cov[0, 0])
        rest = cov[1:, 1:] - np.outer(slope, slope)
        path = a + np.sqrt(cov[0, 0]) * z
        centre = path * (b + slope[0] * z) + r + slope[1] * z
        variance = path**2 * rest[0, 0] + 2.0 * path * rest[0, 1] + rest[1, 1]
        spread = np.sqrt(np.maximum(variance, 1e-300))
        heights = norm.pdf(z) * norm.cdf((limit - centre) / spread)
        return float(np.trapezoid(heights, z))

    def quantile(self, share: float) -> float:
        """Return the value that has this share of the distribution below it."""
        from scipy.optimize import brentq

        middle = self.value + float(self.covariance[0, 1])
        reach = 6.0 * self.std_error
        while self.below(middle - reach) > share or self.below(middle + reach) < share:
            reach *= 2.0
        return float(
            brentq(
                lambda value: self.below(value) - share, middle - reach, middle + reach, xtol=1e-12 * reach, rtol=1e-13
            )
        )

    def draws(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Return draws from the distribution, shape (n,)."""
        values, vectors = np.linalg.eigh(self.covariance)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        sample = self.mean + rng.standard_normal((n, 3)) @ root.T
        return np.asarray(sample[:, 0] * sample[:, 1] + sample[:, 2])


def ends(draws: FloatArray, level: float) -> tuple[float, float]:
    """Return the quantiles that leave out equal shares on both sides."""
    tail = (1.0 - level) / 2.0
    low, high = np.nanquantile(draws, [tail, 1.0 - tail])
    return float(low), float(high)


@dataclass(frozen=True)
class PathTask:
    """One sample of patients, refitted; the ratio of the residual SDs stays as estimated.

    Parameters
    ----------
    tree : LevelTree
    design : {"1-1-1", "2-1-1"}
    """

    tree: LevelTree
    design: Design

    def __call__(self, rng: np.random.Generator) -> Replicate:
        """Return the paths of one replicate."""
        try:
            fit: Any = refit_selection(self.tree, resample(self.tree, frozenset({0}), rng))
        except np.linalg.LinAlgError:
            return Replicate(None, singular=False)
        values = read_paths(fit, self.design) if fit.converged else None
        return Replicate(values, singular=fit.converged and fit.singular)
