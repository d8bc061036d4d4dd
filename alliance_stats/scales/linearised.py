"""Coefficients that are functions of means over units, with standard errors by linearisation."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alliance_stats.scales.keying import FloatArray

ComplexArray = npt.NDArray[np.complex128]

STEP = 1e-20
"""Step of the complex derivative; nothing is subtracted, so that it can be as small as one likes."""


@dataclass(frozen=True, kw_only=True)
class Linearised:
    """A coefficient as a function of the means of what each unit contributes.

    Parameters
    ----------
    units : ndarray, shape (n_units, m)
        Contributions of each unit.
    coefficient : callable
        Function of their means, shape (m,), real or complex.
    observed, expected : float
        Agreement observed, and expected by chance.
    unbiased : bool
        Whether the variance divides by n (n - 1) or, as a large-sample formula, by n^2.
    """

    units: FloatArray
    coefficient: Callable[[ComplexArray], complex]
    observed: float
    expected: float
    unbiased: bool = True

    @property
    def value(self) -> float:
        """The coefficient; NaN if it is not defined."""
        if not self.expected < 1:
            return math.nan
        return float(self.coefficient(self.units.mean(axis=0).astype(complex)).real)

    @property
    def std_error(self) -> float:
        """Standard error over units: the spread of the linearised contributions (infinitesimal jackknife)."""
        n = len(self.units)
        if n < 2 or not self.expected < 1:
            return math.nan
        means = self.units.mean(axis=0).astype(complex)
        slopes = np.empty(means.size)
        for place in range(means.size):
            moved = means.copy()
            moved[place] += 1j * STEP
            slopes[place] = self.coefficient(moved).imag / STEP
        parts = (self.units - means.real) @ slopes
        return float(np.sqrt(parts @ parts / (n * (n - 1 if self.unbiased else n))))


def chance_corrected(observed: complex, expected: complex) -> complex:
    """Return (observed - expected) / (1 - expected)."""
    return (observed - expected) / (1 - expected)
