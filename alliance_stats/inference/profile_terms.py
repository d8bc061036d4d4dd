"""The random terms of a fit as the profiles see them: one term taken out and turned round, the rest of theta beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alliance_stats.mixed.crossproducts import CrossProducts
from alliance_stats.mixed.levelsums import Floats
from alliance_stats.mixed.parameters import components, lower_root

if TYPE_CHECKING:
    from alliance_stats.mixed.fit import LmmFit


@dataclass(frozen=True, eq=False)
class Optimum:
    """The maximum likelihood solution that all coordinates start from.

    Parameters
    ----------
    cp : CrossProducts
    lambdas : tuple of ndarray, each of shape (q, q)
        Relative covariance factors, standardised.
    beta : ndarray, shape (p,)
        Standardised fixed effects.
    log_sigma : float
        Of the standardised outcome.
    deviance : float
    singular : bool
    """

    cp: CrossProducts
    lambdas: tuple[Floats, ...]
    beta: Floats
    log_sigma: float
    deviance: float
    singular: bool

    @property
    def many_minima(self) -> bool:
        """Whether the deviance with a parameter held may have several minima: a singular fit, or terms of three effects."""
        widest = max(len(group) for pattern in self.cp.patterns for group in components(pattern))
        return self.singular or widest > 2


@dataclass(frozen=True, eq=False)
class TermPlace:
    """Where a random term stands in the engine's factors.

    Parameters
    ----------
    factor : int
        Position in ``cp.patterns``.
    rows : slice
        Of the factor's Lambda.
    transform : ndarray, shape (w, w)
        Standardised columns are the user's columns times this.
    """

    factor: int
    rows: slice
    transform: Floats

    @property
    def units(self) -> Floats:
        """Standard deviation of each effect, in the user's columns, when Lambda is the identity, shape (w,)."""
        return np.asarray(np.sqrt((self.transform**2).sum(axis=1)))


def term_places(fit: LmmFit) -> list[TermPlace]:
    """Return the place of each random term, in the order of the formula."""
    groupings = [g.name for g in fit.design.groupings]
    offsets = dict.fromkeys(groupings, 0)
    places = []
    for term in fit.design.terms:
        g = groupings.index(term.grouping.name)
        start = offsets[term.grouping.name]
        rows = slice(start, start + len(term.names))
        offsets[term.grouping.name] = rows.stop
        places.append(TermPlace(fit.cross_products.order.index(g), rows, fit.scaling.z_transforms[g][rows, rows]))
    return places


@dataclass(frozen=True, eq=False)
class Rest:
    """The entries of theta outside one term, or all of them."""

    optimum: Optimum
    entries: tuple[tuple[int, int, int], ...]

    @classmethod
    def outside(cls, optimum: Optimum, place: TermPlace | None) -> Rest:
        """Return the free entries (factor, row, column) of Lambda that do not belong to a term."""
        entries = [(c, i, j) for c, pattern in enumerate(optimum.cp.patterns) for i, j in pattern]
        if place is not None:
            own = range(place.rows.start, place.rows.stop)
            entries = [(c, i, j) for c, i, j in entries if c != place.factor or i not in own]
        return cls(optimum, tuple(entries))

    @property
    def start(self) -> Floats:
        """The entries at the optimum, shape (n_entries,)."""
        return np.array([self.optimum.lambdas[c][i, j] for c, i, j in self.entries])

    @property
    def diagonal(self) -> np.ndarray:
        """Which entries are on the diagonal, shape (n_entries,)."""
        return np.array([i == j for _, i, j in self.entries], dtype=bool)

    def fill(self, free: Floats) -> list[Floats]:
        """Return all Lambdas with these entries; the term left out is as at the optimum."""
        lambdas = [lam.copy() for lam in self.optimum.lambdas]
        for (c, i, j), value in zip(self.entries, free, strict=True):
            lambdas[c][i, j] = value
        return lambdas

    def derivative(self, slopes: Sequence[Floats], lambdas: Sequence[Floats]) -> Floats:
        """Return the derivative by the entries from that by Lambda Lambda', shape (n_entries,)."""
        scaled = [2.0 * slope @ lam for slope, lam in zip(slopes, lambdas, strict=True)]
        return np.array([scaled[c][i, j] for c, i, j in self.entries])


@dataclass(frozen=True, eq=False)
class TurnedTerm:
    """A random term with some effects put first: its relative covariance is B M M' B', with M lower triangular."""

    place: TermPlace
    basis: Floats

    @classmethod
    def putting_first(cls, place: TermPlace, effects: Sequence[int]) -> TurnedTerm:
        """Return the term with these effects first, each in its natural unit."""
        width = place.transform.shape[0]
        order = [*effects, *(i for i in range(width) if i not in effects)]
        inverse = np.linalg.inv(place.transform)
        return cls(place, np.asarray((inverse * place.units)[:, order]))

    def factor(self, optimum: Optimum) -> Floats:
        """Return M at the optimum, shape (w, w)."""
        own = optimum.lambdas[self.place.factor][self.place.rows, self.place.rows]
        return lower_root(np.asarray(np.linalg.solve(self.basis, own), dtype=float))

    def put(self, lambdas: list[Floats], m: Floats) -> None:
        """Write the term with factor M into the Lambdas."""
        lambdas[self.place.factor][self.place.rows, self.place.rows] = lower_root(self.basis @ m)

    def derivative(self, slopes: Sequence[Floats], m: Floats) -> Floats:
        """Return the derivative by M from that by Lambda Lambda', shape (w, w)."""
        slope = slopes[self.place.factor][self.place.rows, self.place.rows]
        return np.asarray(2.0 * self.basis.T @ slope @ self.basis @ m)
