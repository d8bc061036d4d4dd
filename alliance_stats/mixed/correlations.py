"""Residual correlations in blocks: their roots, without any matrix of the size of the data.

Autoregressions are a recursion from one time to the next (Jones and Boadi-Boateng 1991, Biometrics 47, 161-175,
doi 10.2307/2532504); exchangeable residuals have a symmetric root that treats a block's mean and the differences from it apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from scipy.special import expit, logit

from alliance_stats.mixed.levelsums import Codes, Floats

CORRELATION_BOUND = 7.0
"""Largest inverse hyperbolic tangent of an autocorrelation that is searched: within 2e-6 of 1."""

LOGIT_BOUND = 14.0
"""Largest logit of a share of the possible correlations that is searched: within 1e-6 of the limit."""

NEGLIGIBLE = 1e-6
"""A correlation at the smallest gap below this is none."""


class Correlation(Protocol):
    """Residual correlation in blocks, with one parameter rho, and phi, the same without bounds."""

    @property
    def starts(self) -> tuple[float, ...]:
        """Values of phi to start from."""
        ...

    @property
    def bounds(self) -> tuple[float, float]:
        """Values of phi beyond which rho is at its limit."""
        ...

    def natural(self, phi: float) -> float:
        """Return rho."""
        ...

    def unbounded(self, rho: float) -> float:
        """Return phi."""
        ...

    def slope(self, phi: float) -> float:
        """Return the derivative by phi of the correlation of neighbours."""
        ...

    def log_determinant(self, rho: float) -> float:
        """Return log|R|."""
        ...

    def whiten(self, column: Floats, rho: float) -> Floats:
        """Return R^(-1/2) times a column, shape (n_rows,)."""
        ...

    def colour(self, noise: Floats, rho: float) -> Floats:
        """Return R^(1/2) times a column, shape (n_rows,)."""
        ...

    def matrix(self, rho: float, rows: Codes) -> Floats:
        """Return R of some rows, shape (n, n)."""
        ...


@dataclass(frozen=True)
class SerialCorrelation:
    """Correlation rho^d of residuals d units of time apart within a block.

    Parameters
    ----------
    blocks : ndarray of int, shape (n_rows,)
    times : ndarray, shape (n_rows,)
    continuous : bool
        rho between 0 and 1 for real times; else between -1 and 1 for whole numbers.
    """

    blocks: Codes
    times: Floats
    continuous: bool

    @cached_property
    def _order(self) -> Codes:
        return np.lexsort((self.times, self.blocks))

    @cached_property
    def _first(self) -> np.ndarray:
        """Whether a row, in sorted order, is the first of its block."""
        return np.append(True, np.diff(self.blocks[self._order]) != 0)

    @cached_property
    def previous(self) -> Codes:
        """The row before each row in its block, itself for the first, shape (n_rows,)."""
        before = np.empty(self.blocks.size, dtype=np.int64)
        before[self._order] = np.where(self._first, self._order, np.roll(self._order, 1))
        return before

    @cached_property
    def _gaps(self) -> tuple[Floats, Codes]:
        """Distinct distances to the row before, infinite for a block's first row, and which one each row has."""
        gap = self.times - self.times[self.previous]
        gap[self._order[self._first]] = np.inf
        distinct, codes = np.unique(gap, return_inverse=True)
        return distinct, codes

    @cached_property
    def _odd(self) -> np.ndarray:
        """Whether each distinct distance is an odd number."""
        distinct, _ = self._gaps
        return np.asarray(np.where(np.isfinite(distinct), distinct, 0.0) % 2 == 1)

    @cached_property
    def _finite_gaps(self) -> Floats:
        distinct, codes = self._gaps
        gaps = distinct[codes]
        return gaps[np.isfinite(gaps)]

    @cached_property
    def unit(self) -> float:
        """The usual distance of neighbours, in units of time."""
        return float(np.median(self._finite_gaps)) if self.continuous else 1.0

    @cached_property
    def sign_unknown(self) -> bool:
        """Whether all distances are even, so that the sign of rho makes no difference."""
        return not self.continuous and not bool(self._odd.any())

    @property
    def starts(self) -> tuple[float, ...]:
        """Values of phi to start from."""
        if self.continuous:
            return (float(logit(0.1)), float(logit(0.5)), float(logit(0.9)))
        return (0.0, 0.55) if self.sign_unknown else (0.0, -0.55, 0.55, 1.5)

    @property
    def bounds(self) -> tuple[float, float]:
        """Values of phi beyond which rho is at its limit."""
        if self.continuous:
            return float(np.log(NEGLIGIBLE)) * self.unit / float(self._finite_gaps.min()), LOGIT_BOUND
        return -CORRELATION_BOUND, CORRELATION_BOUND

    def natural(self, phi: float) -> float:
        """Return rho per unit of time; phi is the logit of the correlation at the usual distance, or artanh(rho)."""
        return float(expit(phi) ** (1.0 / self.unit)) if self.continuous else float(np.tanh(phi))

    def unbounded(self, rho: float) -> float:
        """Return phi; minus infinity for rho = 0 in continuous time."""
        with np.errstate(divide="ignore"):
            return float(logit(rho**self.unit) if self.continuous else np.arctanh(rho))

    def slope(self, phi: float) -> float:
        """Return the derivative by phi of the correlation at the usual distance."""
        return float(expit(phi) * expit(-phi)) if self.continuous else 1.0 - float(np.tanh(phi)) ** 2

    def _recursion(self, rho: float) -> tuple[Floats, Floats]:
        """Return correlation with the row before and innovation variance for each distinct distance."""
        gaps, _ = self._gaps
        if rho == 0.0:
            return np.zeros(gaps.size), np.ones(gaps.size)
        exponent = gaps * np.log(abs(rho))
        sign = np.where(self._odd, -1.0, 1.0) if rho < 0 else 1.0
        return sign * np.exp(exponent), -np.expm1(2.0 * exponent)

    def log_determinant(self, rho: float) -> float:
        """Return log|R|."""
        _, variance = self._recursion(rho)
        return float(np.bincount(self._gaps[1]) @ np.log(variance))

    def whiten(self, column: Floats, rho: float) -> Floats:
        """Return R^(-1/2) times a column, shape (n_rows,)."""
        weight, variance = self._recursion(rho)
        codes = self._gaps[1]
        return np.asarray((column - weight[codes] * column[self.previous]) / np.sqrt(variance)[codes])

    def colour(self, noise: Floats, rho: float) -> Floats:
        """Return R^(1/2) times a column, shape (n_rows,)."""
        weight, variance = self._recursion(rho)
        codes = self._gaps[1]
        made = noise * np.sqrt(variance)[codes]
        starts = np.flatnonzero(self._first)
        place = np.arange(noise.size) - np.repeat(starts, np.diff(starts, append=noise.size))
        for step in range(1, int(place.max()) + 1):
            rows = self._order[place == step]
            made[rows] += weight[codes[rows]] * made[self.previous[rows]]
        return np.asarray(made)

    def matrix(self, rho: float, rows: Codes) -> Floats:
        """Return R of some rows, shape (n, n)."""
        distance = np.abs(np.subtract.outer(self.times[rows], self.times[rows]))
        same = np.equal.outer(self.blocks[rows], self.blocks[rows])
        return np.where(same, np.power(rho, np.where(same, distance, 0.0)), 0.0)


@dataclass(frozen=True)
class ExchangeableCorrelation:
    """The same correlation rho of all residuals of a block.

    Parameters
    ----------
    blocks : ndarray of int, shape (n_rows,)
    """

    blocks: Codes

    @cached_property
    def _sizes(self) -> Floats:
        return np.bincount(self.blocks).astype(float)

    @cached_property
    def _low(self) -> float:
        return -1.0 / (float(self._sizes.max()) - 1.0)

    @property
    def starts(self) -> tuple[float, ...]:
        """Values of phi to start from: no correlation, half the least, and 0.5."""
        return (self.unbounded(0.0), self.unbounded(self._low / 2.0), self.unbounded(0.5))

    @property
    def bounds(self) -> tuple[float, float]:
        """Values of phi beyond which rho is at its limit."""
        return -LOGIT_BOUND, LOGIT_BOUND

    def natural(self, phi: float) -> float:
        """Return rho, between -1 / (m - 1) and 1."""
        return float(self._low + (1.0 - self._low) * expit(phi))

    def unbounded(self, rho: float) -> float:
        """Return phi."""
        return float(logit((rho - self._low) / (1.0 - self._low)))

    def slope(self, phi: float) -> float:
        """Return the derivative of rho by phi."""
        return float((1.0 - self._low) * expit(phi) * expit(-phi))

    def _eigenvalues(self, rho: float) -> tuple[float, Floats]:
        """Return the eigenvalue of differences, and that of each block's mean."""
        return 1.0 - rho, 1.0 + (self._sizes - 1.0) * rho

    def log_determinant(self, rho: float) -> float:
        """Return log|R|."""
        within, between = self._eigenvalues(rho)
        return float((self._sizes - 1.0).sum() * np.log(within) + np.log(between).sum())

    def _stretch(self, column: Floats, within: float, between: Floats) -> Floats:
        """Return a column with differences and means of blocks multiplied, shape (n_rows,)."""
        mean = np.bincount(self.blocks, column, self._sizes.size) / self._sizes
        return np.asarray(within * column + (mean * (between - within))[self.blocks])

    def whiten(self, column: Floats, rho: float) -> Floats:
        """Return R^(-1/2) times a column, shape (n_rows,)."""
        within, between = self._eigenvalues(rho)
        return self._stretch(column, within**-0.5, between**-0.5)

    def colour(self, noise: Floats, rho: float) -> Floats:
        """Return R^(1/2) times a column, shape (n_rows,)."""
        within, between = self._eigenvalues(rho)
        return self._stretch(noise, within**0.5, between**0.5)

    def matrix(self, rho: float, rows: Codes) -> Floats:
        """Return R of some rows, shape (n, n)."""
        found = rho * np.equal.outer(self.blocks[rows], self.blocks[rows])
        np.fill_diagonal(found, 1.0)
        return np.asarray(found)
