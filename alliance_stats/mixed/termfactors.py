"""Lambda of a fit in the user's units: by grouping factor, by random term, and as theta in lme4's order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from alliance_stats.mixed.crossproducts import CrossProducts
from alliance_stats.mixed.design import Design
from alliance_stats.mixed.levelsums import Floats
from alliance_stats.mixed.scaling import Scaling, theta_to_user


def grouping_factors(cp: CrossProducts, scaling: Scaling, theta: Floats) -> list[Floats]:
    """Return Lambda of each grouping factor for the user's columns, in the order of the design's groupings."""
    roots = theta_to_user(theta, cp.patterns, [scaling.z_transforms[k] for k in cp.order])
    given: list[Floats] = [np.zeros(0)] * len(roots)
    for k, root in zip(cp.order, roots, strict=True):
        given[k] = root
    return given


def term_factors(design: Design, by_grouping: Sequence[Floats]) -> tuple[Floats, ...]:
    """Return Lambda of each random term, in the order of the formula."""
    names = [g.name for g in design.groupings]
    offsets = dict.fromkeys(names, 0)
    factors = []
    for term in design.terms:
        start, width = offsets[term.grouping.name], len(term.names)
        whole = by_grouping[names.index(term.grouping.name)]
        factors.append(whole[start : start + width, start : start + width])
        offsets[term.grouping.name] = start + width
    return tuple(factors)


def theta_in_order(design: Design, factors: Sequence[Floats]) -> Floats:
    """Return theta in lme4's order: terms by decreasing number of levels, lower triangles column by column."""
    sizes = [len(term.grouping.labels) for term in design.terms]
    order = sorted(range(len(sizes)), key=lambda k: -sizes[k])
    return np.concatenate([factors[k].T[np.triu_indices(factors[k].shape[0])] for k in order])
