"""The levels of grouping factors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from alliance_stats.mixed.levelsums import Codes


@dataclass(frozen=True)
class Grouping:
    """The levels of one grouping factor.

    Parameters
    ----------
    group : tuple of str
        Columns that together name a level.
    codes : ndarray of int, shape (n_rows,)
    labels : Index
        Label of each level, sorted; tuples for combinations.
    """

    group: tuple[str, ...]
    codes: Codes = field(repr=False)
    labels: pd.Index[Any] = field(repr=False)

    @property
    def name(self) -> str:
        """Name of the factor, such as ``"clinic:therapist"``."""
        return ":".join(self.group)


def make_grouping(rows: pd.DataFrame, group: tuple[str, ...]) -> Grouping:
    """Return codes and sorted labels of a grouping factor."""
    if len(group) == 1:
        codes, labels = _codes(rows[group[0]])
        return Grouping(group, codes, labels)
    parts = [_codes(rows[name]) for name in group]
    combined = parts[0][0]
    for codes, labels in parts[1:]:
        combined = combined * len(labels) + codes
    codes, keys = _integer_codes(combined)
    decoded = []
    for _, labels in reversed(parts):
        decoded.append(labels[keys % len(labels)])
        keys = keys // len(labels)
    return Grouping(group, codes, pd.MultiIndex.from_arrays(decoded[::-1], names=list(group)))


def _codes(column: pd.Series[Any]) -> tuple[Codes, pd.Index[Any]]:
    """Return the level of each row, numbered in sorted order of the labels, and the labels."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes, present = _integer_codes(column.cat.codes.to_numpy().astype(np.int64))
        return codes, column.cat.categories[present]
    if isinstance(column.dtype, np.dtype) and (
        column.dtype.kind == "i" or column.dtype in ("uint8", "uint16", "uint32")
    ):
        codes, labels = _integer_codes(column.to_numpy().astype(np.int64))
        return codes, pd.Index(labels)
    found, uniques = pd.factorize(column)
    labels = pd.Index(uniques)
    try:
        order = np.asarray(labels.argsort())
    except TypeError:
        order = np.argsort(labels.astype(str).to_numpy(), kind="stable")
    rank = np.empty(order.size, dtype=np.int64)
    rank[order] = np.arange(order.size)
    return rank[found], labels[order]


def _integer_codes(values: Codes) -> tuple[Codes, Codes]:
    """Return codes in ascending order and the values they stand for; one pass where the range is small."""
    low, high = int(values.min()), int(values.max())
    if high - low > 4 * values.size + 1000:
        labels, codes = np.unique(values, return_inverse=True)
        return codes.astype(np.int64), labels
    shifted = values - low
    present = np.zeros(high - low + 1, dtype=bool)
    present[shifted] = True
    labels = np.flatnonzero(present)
    if labels.size == present.size:
        return shifted, labels + low
    rank = np.cumsum(present) - 1
    return rank[shifted], labels + low
