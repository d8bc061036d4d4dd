"""Sums of products of columns over the rows of each level of a grouping factor."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Codes: TypeAlias = NDArray[np.int64]
Column: TypeAlias = Floats | None
"""A column of a model matrix, shape (n_rows,); None is the column of ones."""

BLOCK_ROWS = 32_768
"""Rows multiplied at a time: the product stays in the processor's second-level cache."""


class LevelSums:
    """Sums over levels, formed once per pair of columns.

    Parameters
    ----------
    codes : ndarray of int, shape (n_rows,)
        Level of each row.
    n_levels : int
    """

    def __init__(self, codes: Codes, n_levels: int) -> None:
        self._codes = codes
        self._n_levels = n_levels
        self._starts = _run_starts(codes, n_levels)
        self._sums: dict[tuple[int, int], Floats] = {}
        self._kept: list[Column] = []  # keeps the columns alive, so that their ids stay theirs

    def prepare(self, pairs: Iterable[tuple[Column, Column]]) -> None:
        """Form the sums of all pairs that are not known yet, in one pass over the rows."""
        todo: dict[tuple[int, int], tuple[Column, Column]] = {}
        for a, b in pairs:
            key = _key(a, b)
            if key not in self._sums and key not in todo:
                todo[key] = (a, b)
                self._kept += [a, b]
        for key, sums in zip(todo, self._form(list(todo.values())), strict=True):
            self._sums[key] = sums

    def __call__(self, a: Column, b: Column) -> Floats:
        """Return the sums of a * b, shape (n_levels,)."""
        key = _key(a, b)
        if key not in self._sums:
            self.prepare([(a, b)])
        return self._sums[key]

    def _form(self, pairs: Sequence[tuple[Column, Column]]) -> list[Floats]:
        """Return the sums of each pair, each of shape (n_levels,)."""
        if self._starts is None:
            return [self._scattered(a, b) for a, b in pairs]
        sums = [np.empty(self._n_levels) for _ in pairs]
        counts = np.diff(self._starts, append=self._codes.size)
        buffer = np.empty(min(self._codes.size, int(counts.max()) + BLOCK_ROWS))
        cuts = np.searchsorted(self._starts, np.arange(0, self._codes.size, BLOCK_ROWS))
        edges = np.unique(np.append(cuts, self._n_levels))
        for first, last in itertools.pairwise(edges):
            low = int(self._starts[first])
            high = int(self._starts[last]) if last < self._n_levels else self._codes.size
            runs = self._starts[first:last] - low
            for total, (a, b) in zip(sums, pairs, strict=True):
                if a is None and b is None:
                    total[first:last] = counts[first:last]
                else:
                    np.add.reduceat(_product(a, b, low, high, buffer), runs, out=total[first:last])
        return sums

    def _scattered(self, a: Column, b: Column) -> Floats:
        """Return the sums for rows in any order, shape (n_levels,)."""
        if a is None and b is None:
            return np.bincount(self._codes, minlength=self._n_levels).astype(float)
        product = b if a is None else a if b is None else a * b
        return np.asarray(np.bincount(self._codes, product, self._n_levels), dtype=float)


def _key(a: Column, b: Column) -> tuple[int, int]:
    """Return a key that does not depend on the order of the two columns."""
    first, second = (0 if a is None else id(a)), (0 if b is None else id(b))
    return (first, second) if first <= second else (second, first)


def _product(a: Column, b: Column, low: int, high: int, buffer: Floats) -> Floats:
    """Return a * b in rows low to high, in the buffer where a product is formed."""
    if a is not None and b is not None:
        return np.multiply(a[low:high], b[low:high], out=buffer[: high - low])
    column = b if a is None else a
    return np.ones(high - low) if column is None else column[low:high]


def _run_starts(codes: Codes, n_levels: int) -> Codes | None:
    """Return where each level's rows begin if they stand together in level order, shape (n_levels,); else None."""
    steps = np.diff(codes)
    if codes[0] != 0 or codes[-1] != n_levels - 1 or (steps.size and (steps.min() < 0 or steps.max() > 1)):
        return None
    return np.concatenate(([0], np.flatnonzero(steps) + 1))


def column_products(columns: Sequence[Column], n_rows: int) -> Floats:
    """Return the cross-products of columns.

    Parameters
    ----------
    columns : sequence of columns, each of shape (n_rows,) or None
    n_rows : int

    Returns
    -------
    ndarray, shape (n_columns, n_columns)
    """
    m = len(columns)
    products = np.empty((m, m))
    for i, a in enumerate(columns):
        for j, b in enumerate(columns[: i + 1]):
            products[i, j] = products[j, i] = _dot(a, b, n_rows)
    return products


def _dot(a: Column, b: Column, n_rows: int) -> float:
    """Return the sum of a * b over the rows."""
    if a is None or b is None:
        column = b if a is None else a
        return float(n_rows) if column is None else float(column.sum())
    return float(a @ b)
