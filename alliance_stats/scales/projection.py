"""Reliability in a planned design, from variance components. Values in, values out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from alliance_stats.scales.facet_components import Effect


@dataclass(frozen=True, kw_only=True)
class Projection:
    """Variance of universe scores, and of the errors of comparisons (relative) and of levels (absolute), in squared points."""

    universe: float
    relative_error: float
    absolute_error: float

    @property
    def relative(self) -> float:
        """Generalizability coefficient, for comparing objects in the same conditions; NaN without any variance."""
        return _share(self.universe, self.relative_error)

    @property
    def absolute(self) -> float:
        """Index of dependability, for scores taken at their face value; NaN without any variance."""
        return _share(self.universe, self.absolute_error)


def _share(universe: float, error: float) -> float:
    """Return universe variance over universe and error variance."""
    return universe / (universe + error) if universe + error > 0 else float("nan")


def project(
    components: Mapping[Effect, float], objects: Effect, *, counts: Mapping[str, float], fixed: Collection[str] = ()
) -> Projection:
    """Return universe and error variances of means over conditions.

    Parameters
    ----------
    components : mapping of frozenset to float
        Variance of each effect.
    objects : frozenset of str
        What is measured, with all it is nested in.
    counts : mapping of str to float
        Conditions of every other facet in a mean; of a nested facet, per condition of the one it is nested in.
    fixed : collection of str
        Facets whose conditions are the ones of interest, no sample.

    Notes
    -----
    An effect is divided by the product of the counts of its facets other than the objects. Effects of objects alone, and of
    objects with fixed facets, are universe variance; other effects of objects are relative error; effects without objects,
    unless of fixed facets only, add to absolute error: Brennan (2001), Generalizability theory; Shavelson & Webb
    (1991), Generalizability theory.
    """
    universe = relative = absolute = 0.0
    for effect, variance in components.items():
        conditions = effect - objects
        share = variance / float(np.prod([counts[name] for name in conditions]))
        of_objects = bool(effect & objects)
        if conditions <= set(fixed):
            universe += share if of_objects else 0.0
            continue
        absolute += share
        relative += share if of_objects else 0.0
    return Projection(universe=universe, relative_error=relative, absolute_error=absolute)


def needed_count(
    components: Mapping[Effect, float],
    objects: Effect,
    facet: str,
    *,
    counts: Mapping[str, float],
    fixed: Collection[str],
    wished: float,
    absolute: bool,
) -> float:
    """Return the smallest number of conditions of a facet that reaches a reliability, infinite if none does.

    Error variance is a + b / n in the facet's number of conditions n, and so is universe variance when the facet is fixed
    (with other a and b).
    """

    def error_and_universe(n: float) -> tuple[float, float]:
        """Return both variances for a number of conditions."""
        found = project(components, objects, counts={**counts, facet: n}, fixed=fixed)
        return (found.absolute_error if absolute else found.relative_error), found.universe

    error_one, universe_one = error_and_universe(1.0)
    error_many, universe_many = error_and_universe(np.inf)
    # Reached where (1 - wished) universe(n) >= wished error(n); both are linear in 1 / n.
    at_many = (1.0 - wished) * universe_many - wished * error_many
    at_one = (1.0 - wished) * universe_one - wished * error_one
    if at_one >= 0:
        return 1.0
    if at_many <= 0:
        return float("inf")
    exact = (at_many - at_one) / at_many
    return float(np.ceil(exact * (1.0 - 1e-12)))
