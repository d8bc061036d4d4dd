"""Degrees of freedom counted at the level where a predictor varies.

Grouping factors are nested, from the outermost with m_1 levels to the innermost with m_Q; the rows count as level Q + 1, and
m_0 is 1 with an intercept, else 0. A predictor belongs to the outermost level within whose groups it is constant (to the
rows if it varies within all). With p_j predictors at level j, its df are ``m_j - m_(j-1) - p_j``. With one grouping factor these
are the between-subject and within-subject df of Schluchter and Elashoff (1990), Journal of Statistical Computation and
Simulation 37, 69-87, doi 10.1080/00949659008811295; with several the rule is that of Pinheiro and Bates (2000), Mixed-Effects
Models in S and S-PLUS, p. 91, doi 10.1007/b98882, but for the intercept, which is tested at the outermost level here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from alliance_stats.errors import ModelError
from alliance_stats.inference.combinations import Combinations, wald_sum
from alliance_stats.mixed.encoder import INTERCEPT
from alliance_stats.mixed.grouping import Grouping
from alliance_stats.mixed.levelsums import Column, Floats

if TYPE_CHECKING:
    from alliance_stats.mixed.fit import LmmFit

SAME = 1e-10
"""Values of a predictor are the same if they differ by less than this, relative to its range."""


@dataclass(frozen=True)
class BetweenWithin:
    """Tests of fixed effects with between-within degrees of freedom.

    Parameters
    ----------
    covariance : ndarray, shape (p, p)
        Of the standardised fixed effects.
    each : ndarray, shape (p,)
        Degrees of freedom of each fixed effect.
    remark : str
        The df of each level.
    """

    covariance: Floats = field(repr=False)
    each: Floats
    remark: str

    def degrees_of_freedom(self, combined: Combinations) -> Floats:
        """Return the df of each combination, shape (k,): the smallest of the effects in it."""
        used = np.where(combined.weights != 0.0, self.each, np.inf)
        return self._checked(used.min(axis=1))

    def joint(self, combined: Combinations) -> tuple[float, int, float]:
        """Return F, its numerator df and its denominator df: the smallest of the effects in it."""
        total, rank = wald_sum(combined.estimate, combined.spread(self.covariance))
        return total / rank, rank, float(np.min(self.degrees_of_freedom(combined)))

    def _checked(self, degrees: Floats) -> Floats:
        """Return the df, or raise a ModelError if a level has none left."""
        if np.any(degrees < 1):
            raise ModelError.build(
                f"No degrees of freedom are left between-within: {self.remark}.",
                hint='leave out predictors of the level that has too few groups, or use df="satterthwaite".',
            )
        return degrees


def between_within(fit: LmmFit, covariance: Floats) -> BetweenWithin:
    """Return between-within tests for a fit with nested grouping factors.

    Parameters
    ----------
    fit : LmmFit
    covariance : ndarray, shape (p, p)
        Of the standardised fixed effects.

    Raises
    ------
    ModelError
        If grouping factors cross: rows then have no levels to count.
    """
    if fit.cross_products.crossed is not None:
        raise ModelError.build(
            f"Between-within degrees of freedom need nested grouping factors; these cross: {', '.join(fit.n_levels)}.",
            hint='use df="satterthwaite" or df="kenward_roger".',
        )
    groupings = _distinct(fit)
    has_intercept = INTERCEPT in fit.term_names
    level = np.array([_level(fit.design.x.columns[j], groupings) for j in fit.scaling.x_kept])
    counted = np.array([name != INTERCEPT for name in fit.term_names])
    sizes = np.array([int(has_intercept), *(len(g.labels) for g in groupings), fit.n_obs])
    used = np.array([np.sum(counted & (level == j)) for j in range(sizes.size - 1)])
    degrees = np.diff(sizes) - used
    names = [*(g.name for g in groupings), "rows"]
    remark = ", ".join(f"{count} at the level of {name}" for name, count in zip(names, degrees, strict=True))
    return BetweenWithin(covariance, degrees[level].astype(float), remark)


def _distinct(fit: LmmFit) -> list[Grouping]:
    """Return the grouping factors from the outermost inwards, one of those with the same levels."""
    given = fit.design.groupings
    outwards = [given[k] for k in fit.cross_products.order]
    kept = [inner for inner, outer in pairwise(outwards) if len(inner.labels) > len(outer.labels)]
    return [*kept, outwards[-1]][::-1]


def _level(column: Column, groupings: list[Grouping]) -> int:
    """Return the position of the outermost factor within whose levels the column is constant; their number if none."""
    if column is None:
        return 0
    tolerance = SAME * float(np.ptp(column))
    for position, grouping in enumerate(groupings):
        first = np.empty(len(grouping.labels))
        first[grouping.codes] = column
        if np.all(np.abs(column - first[grouping.codes]) <= tolerance):
            return position
    return len(groupings)
