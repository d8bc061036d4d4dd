"""Coordinates of the deviance in which one parameter stands by itself, so that holding it is no constraint on the others.

A standard deviation is the first entry of the Cholesky factor once its effect comes first in the term; a correlation is the
sine of an angle in the second row. Everything is in standardised units; ``to_user`` leads back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from alliance_stats.inference.deviance import Held, deviance_at
from alliance_stats.inference.profile_terms import Rest, TurnedTerm
from alliance_stats.mixed.levelsums import Floats

LARGEST_LOG = 40.0
"""Logarithms of standardised SDs beyond this are out of range."""


class Height(NamedTuple):
    """The deviance at a point, its derivative by the parameter and by the free coordinates, shape (n_free,)."""

    deviance: float
    by_value: float
    by_free: Floats


class Coordinates(Protocol):
    """One parameter, and free coordinates for everything else but what the deviance profiles out.

    Attributes
    ----------
    estimate : float
        The parameter at the optimum.
    start : ndarray, shape (n_free,)
        The free coordinates there.
    diagonal : ndarray of bool, shape (n_free,)
        Coordinates at whose zero the deviance has a saddle or a minimum.
    low, high : float
        The parameter's range.
    """

    @property
    def estimate(self) -> float: ...  # noqa: D102
    @property
    def start(self) -> Floats: ...  # noqa: D102
    @property
    def diagonal(self) -> np.ndarray: ...  # noqa: D102
    @property
    def low(self) -> float: ...  # noqa: D102
    @property
    def high(self) -> float: ...  # noqa: D102

    def at(self, value: float, free: Floats) -> Height:
        """Return the deviance and its derivatives."""
        ...

    def to_user(self, value: float) -> float:
        """Return the parameter in the user's units."""
        ...


@dataclass(frozen=True, eq=False)
class FixedEffect:
    """A linear combination of the fixed effects; free: theta."""

    rest: Rest
    combination: Floats
    scale: float
    shift: float
    low: float = -np.inf
    high: float = np.inf

    @property
    def estimate(self) -> float:
        """The combination at the optimum."""
        return float(self.combination @ self.rest.optimum.beta)

    @property
    def start(self) -> Floats:
        """Theta at the optimum."""
        return self.rest.start

    @property
    def diagonal(self) -> np.ndarray:
        """Diagonal entries of Lambda."""
        return self.rest.diagonal

    def at(self, value: float, free: Floats) -> Height:
        """Return the deviance and its derivatives."""
        lambdas = self.rest.fill(free)
        point = deviance_at(self.rest.optimum.cp, lambdas, held=Held(self.combination, value))
        return Height(point.deviance, point.by_held, self.rest.derivative(point.slopes, lambdas))

    def to_user(self, value: float) -> float:
        """Return the fixed effect in the user's units."""
        return self.scale * value + self.shift


@dataclass(frozen=True, eq=False)
class ResidualSd:
    """The logarithm of the residual standard deviation; free: theta."""

    rest: Rest
    scale: float
    low: float = -np.inf
    high: float = np.inf

    @property
    def estimate(self) -> float:
        """Log sigma at the optimum."""
        return self.rest.optimum.log_sigma

    @property
    def start(self) -> Floats:
        """Theta at the optimum."""
        return self.rest.start

    @property
    def diagonal(self) -> np.ndarray:
        """Diagonal entries of Lambda."""
        return self.rest.diagonal

    def at(self, value: float, free: Floats) -> Height:
        """Return the deviance and its derivatives."""
        lambdas = self.rest.fill(free)
        point = deviance_at(self.rest.optimum.cp, lambdas, log_sigma=value)
        return Height(point.deviance, point.by_log_sigma, self.rest.derivative(point.slopes, lambdas))

    def to_user(self, value: float) -> float:
        """Return the standard deviation in units of the outcome."""
        return self.scale * float(np.exp(value))


@dataclass(frozen=True, eq=False)
class RandomSd:
    """A random effect's standard deviation; free: the rest of its term's covariance factor, other theta, log sigma.

    A known sigma is not free.
    """

    rest: Rest
    turned: TurnedTerm
    scale: float
    low: float = 0.0
    high: float = np.inf

    @property
    def _own(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns of the free entries of M."""
        rows, columns = np.tril_indices(self.turned.basis.shape[0])
        return rows[1:], columns[1:]

    @property
    def _n_sigma(self) -> int:
        """One if sigma is free, else zero."""
        return int(self.rest.optimum.cp.sigma2 is None)

    def _optimum(self) -> Floats:
        """Return M times sigma at the optimum."""
        return self.turned.factor(self.rest.optimum) * float(np.exp(self.rest.optimum.log_sigma))

    @property
    def estimate(self) -> float:
        """The standard deviation at the optimum."""
        return float(self._optimum()[0, 0])

    @property
    def start(self) -> Floats:
        """Entries of M, other theta, log sigma."""
        log_sigma = [self.rest.optimum.log_sigma] * self._n_sigma
        return np.concatenate([self._optimum()[self._own], self.rest.start, log_sigma])

    @property
    def diagonal(self) -> np.ndarray:
        """Diagonal entries of M and Lambda."""
        rows, columns = self._own
        return np.concatenate([rows == columns, self.rest.diagonal, np.zeros(self._n_sigma, dtype=bool)])

    def at(self, value: float, free: Floats) -> Height:
        """Return the deviance and its derivatives."""
        own = self._own
        n_own, n_rest = own[0].size, len(self.rest.entries)
        log_sigma = float(free[-1]) if self._n_sigma else self.rest.optimum.log_sigma
        sigma = float(_exp(log_sigma))
        m = np.zeros_like(self.turned.basis)
        m[0, 0], m[own] = value, free[:n_own]
        lambdas = self.rest.fill(free[n_own : n_own + n_rest])
        self.turned.put(lambdas, m / sigma)
        point = deviance_at(self.rest.optimum.cp, lambdas, log_sigma=log_sigma)
        by_m = self.turned.derivative(point.slopes, m / sigma) / sigma
        by_log_sigma = [point.by_log_sigma - float(np.sum(by_m * m))] * self._n_sigma
        by_rest = self.rest.derivative(point.slopes, lambdas)
        return Height(point.deviance, float(by_m[0, 0]), np.concatenate([by_m[own], by_rest, by_log_sigma]))

    def to_user(self, value: float) -> float:
        """Return the standard deviation in units of the outcome per unit of the effect's column."""
        return self.scale * value


@dataclass(frozen=True, eq=False)
class Correlation:
    """The arc sine of a correlation; free: logarithms of both SDs, the rest of the term's covariance factor, other theta.

    Logarithms, because a standard deviation that changes its sign would turn the correlation round.
    """

    rest: Rest
    turned: TurnedTerm
    low: float = -np.pi / 2.0
    high: float = np.pi / 2.0

    @property
    def _own(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns of the free entries of M after its second row."""
        rows, columns = np.tril_indices(self.turned.basis.shape[0])
        return rows[3:], columns[3:]

    @property
    def estimate(self) -> float:
        """The angle at the optimum."""
        m = self.turned.factor(self.rest.optimum)
        return float(np.arctan2(m[1, 0], m[1, 1]))

    @property
    def start(self) -> Floats:
        """Logarithms of the SDs, entries of M, other theta."""
        m = self.turned.factor(self.rest.optimum)
        sizes = np.log([m[0, 0], np.hypot(m[1, 0], m[1, 1])])
        return np.concatenate([sizes, m[self._own], self.rest.start])

    @property
    def diagonal(self) -> np.ndarray:
        """Diagonal entries of M and Lambda."""
        rows, columns = self._own
        return np.concatenate([[False, False], rows == columns, self.rest.diagonal])

    def at(self, value: float, free: Floats) -> Height:
        """Return the deviance and its derivatives."""
        own = self._own
        n_own = 2 + own[0].size
        first, second = _exp(free[:2])
        sine, cosine = float(np.sin(value)), float(np.cos(value))
        m = np.zeros_like(self.turned.basis)
        m[0, 0], m[1, 0], m[1, 1], m[own] = first, second * sine, second * cosine, free[2:n_own]
        lambdas = self.rest.fill(free[n_own:])
        self.turned.put(lambdas, m)
        point = deviance_at(self.rest.optimum.cp, lambdas)
        by_m = self.turned.derivative(point.slopes, m)
        by_value = second * (by_m[1, 0] * cosine - by_m[1, 1] * sine)
        by_sizes = np.array([first * by_m[0, 0], second * (by_m[1, 0] * sine + by_m[1, 1] * cosine)])
        by_rest = self.rest.derivative(point.slopes, lambdas)
        return Height(point.deviance, float(by_value), np.concatenate([by_sizes, by_m[own], by_rest]))

    def to_user(self, value: float) -> float:
        """Return the correlation."""
        return float(np.sin(value))


def _exp(values: Floats | float) -> Floats:
    """Return the exponential of logarithms; a search that strays beyond any deviance that can be computed is told so."""
    if np.any(np.abs(values) > LARGEST_LOG):
        raise np.linalg.LinAlgError("a standard deviation is out of range")
    return np.asarray(np.exp(values))
