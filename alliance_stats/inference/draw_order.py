"""An order of rows and levels that follows from what they hold, so that draws do not depend on row order or ids."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alliance_stats.mixed.design import Design
from alliance_stats.mixed.grouping import Grouping
from alliance_stats.mixed.levelsums import Codes, Floats


@dataclass(frozen=True)
class DrawOrder:
    """The order in which random numbers are dealt out.

    Parameters
    ----------
    rows : ndarray of int, shape (n_rows,)
        Rows in order.
    levels : dict
        Of each grouping factor's name: its levels in order, shape (n_levels,).
    """

    rows: Codes
    levels: dict[str, Codes]


def draw_order(design: Design) -> DrawOrder:
    """Order rows and levels by their values.

    Parameters
    ----------
    design : Design

    Notes
    -----
    Levels are told apart by their numbers of rows and their sums of y, y squared, X and X y, and by the levels of factors
    with fewer levels that they belong to. Levels equal in all of these are exchangeable for the model, or nearly so.
    """
    columns = [design.y, *(column for column in design.x.columns if column is not None)]
    columns += [column for term in design.terms for column in term.columns if column is not None]
    if design.weights is not None:
        columns.append(design.weights)
    rows = np.lexsort(columns[::-1])
    y = design.y[rows]
    told = [np.ones(y.size), y, y * y]
    for column in columns[1:]:
        told += [column[rows], column[rows] * y]
    levels: dict[str, Codes] = {}
    ranks: list[Codes] = []
    for grouping in sorted(design.groupings, key=lambda g: len(g.labels)):
        order = _ordered_levels(grouping, rows, [*told, *(rank[rows].astype(float) for rank in ranks)])
        levels[grouping.name] = order
        ranks.append(rank_of(order)[grouping.codes])
    return DrawOrder(np.lexsort([*columns[::-1], *ranks[::-1]]), levels)


def _ordered_levels(grouping: Grouping, rows: Codes, told: list[Floats]) -> Codes:
    """Return the levels sorted by their sums; the sums run over the rows in one order, so that they are the same bits."""
    codes, n_levels = grouping.codes[rows], len(grouping.labels)
    return np.lexsort([np.bincount(codes, values, n_levels) for values in told[::-1]])


def rank_of(order: Codes) -> Codes:
    """Return the place of each level in an order, shape (n_levels,)."""
    rank = np.empty(order.size, dtype=np.int64)
    rank[order] = np.arange(order.size)
    return rank
