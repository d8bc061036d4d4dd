"""Cross-products of crossed factors: the largest keeps its levels, the others become one matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import scipy.sparse as sp

from alliance_stats.mixed.levelsums import Codes, Column, Floats

Outer: TypeAlias = tuple[Codes, int, tuple[Column, ...]]
"""Codes, number of levels and columns of a factor."""

MAX_PAIRS = 40_000_000
"""Pairs of outer effects that share an inner level; above this the matrix products are formed anew each time."""


@dataclass(frozen=True)
class PairMap:
    """Which entries of the outer matrix the inner levels touch.

    Parameters
    ----------
    row, column : ndarray of int, shape (n_entries,)
        Entries of the lower triangle (row >= column) that are ever nonzero.
    base : ndarray, shape (n_entries,)
        Outer cross-products at these entries.
    weights : dict
        For (a, b) with a <= b: sparse array, shape (n_inner, n_entries), products of each inner level's sums.
    weights_t : dict
        Their transposes.
    whole : sparse array, shape (n_outer, n_outer)
        The symmetric matrix's pattern; its data are the numbers of the entries.
    """

    row: Codes
    column: Codes
    base: Floats
    weights: dict[tuple[int, int], sp.csr_array]
    weights_t: dict[tuple[int, int], sp.csc_array]
    whole: sp.csr_array

    def symmetric(self, values: Floats) -> sp.csr_array:
        """Return the symmetric matrix with these entries, shape (n_outer, n_outer)."""
        whole = self.whole
        return sp.csr_array((values[whole.data], whole.indices, whole.indptr), shape=whole.shape)


@dataclass(frozen=True)
class Crossed:
    """The factors other than the largest, as one matrix with ``n_outer`` columns.

    Parameters
    ----------
    zu : tuple of sparse arrays, each of shape (n_inner, n_outer)
        For each column of the inner factor: its sums with the outer columns per inner level.
    uu : sparse array, shape (n_outer, n_outer)
        Outer cross-products.
    ux : ndarray, shape (n_outer, p + 1)
        Outer columns with [X, y].
    spans : tuple of (start, n_levels, q)
        Where each outer factor's columns lie, its levels and effects per level; effects of a level are adjacent.
    pairs : PairMap or None
        None when there would be too many.
    """

    zu: tuple[sp.csr_array, ...]
    zu_t: tuple[sp.csr_array, ...]
    uu: sp.csr_array
    ux: Floats
    spans: tuple[tuple[int, int, int], ...]
    pairs: PairMap | None

    @property
    def n_outer(self) -> int:
        """Number of outer random effects."""
        return int(self.ux.shape[0])

    @property
    def single(self) -> bool:
        """Whether every outer factor has one effect per level."""
        return all(width == 1 for _, _, width in self.spans)


def build_crossed(
    codes: Codes, n_levels: int, columns: Sequence[Column], outer: Sequence[Outer], fixed: Sequence[Column]
) -> Crossed:
    """Form the cross-products of the outer factors with themselves, the inner factor and [X, y].

    Parameters
    ----------
    codes : ndarray of int, shape (n_rows,)
        Levels of the inner (largest) factor.
    n_levels : int
    columns : sequence of columns
        The inner factor's columns.
    outer : sequence of (codes, n_levels, columns)
    fixed : sequence of columns
        [X, y].
    """
    spans, start = [], 0
    for _, n_outer, outer_columns in outer:
        spans.append((start, n_outer, len(outer_columns)))
        start += n_outer * len(outer_columns)
    design = _design(outer, spans, codes.size, start)
    rows = np.arange(codes.size)
    zu = []
    for column in columns:
        values = np.ones(codes.size) if column is None else column
        summed = sp.csr_array(sp.csr_array((values, (codes, rows)), shape=(n_levels, codes.size)) @ design)
        summed.sort_indices()
        zu.append(summed)
    uu = sp.csr_array(design.T @ design)
    ux = np.column_stack([_times(design, column) for column in fixed])
    return Crossed(
        zu=tuple(zu),
        zu_t=tuple(sp.csr_array(z.T) for z in zu),
        uu=uu,
        ux=ux,
        spans=tuple(spans),
        pairs=_pair_map(zu, uu),
    )


def _design(outer: Sequence[Outer], spans: Sequence[tuple[int, int, int]], n_rows: int, n_outer: int) -> sp.csr_array:
    """Return the outer factors' columns, shape (n_rows, n_outer)."""
    index, values = [], []
    for (codes, _, columns), (start, _, q) in zip(outer, spans, strict=True):
        for i, column in enumerate(columns):
            index.append(start + codes * q + i)
            values.append(np.ones(n_rows) if column is None else column)
    per_row = len(index)
    return sp.csr_array(
        (np.stack(values, axis=1).ravel(), np.stack(index, axis=1).ravel(), np.arange(n_rows + 1) * per_row),
        shape=(n_rows, n_outer),
    )


def _times(design: sp.csr_array, column: Column) -> Floats:
    """Return the design's cross-product with a column, shape (n_outer,)."""
    return np.asarray(design.T @ (np.ones(design.shape[0]) if column is None else column))


def _pair_map(zu: Sequence[sp.csr_array], uu: sp.csr_array) -> PairMap | None:
    """Return the pairs of outer columns that meet in each inner level, or None if there are too many."""
    pattern = sp.csr_array(sum(abs(z) for z in zu))
    pattern.sort_indices()
    met = np.diff(pattern.indptr).astype(np.int64)
    n_pairs = met * (met + 1) // 2
    total, n_inner, n_outer = int(n_pairs.sum()), pattern.shape[0], pattern.shape[1]
    if total > MAX_PAIRS:
        return None
    level = np.repeat(np.arange(n_inner), n_pairs)
    within = np.arange(total) - np.repeat(np.cumsum(n_pairs) - n_pairs, n_pairs)
    row = ((np.sqrt(8.0 * within + 1.0) - 1.0) / 2.0).astype(np.int64)
    row -= row * (row + 1) // 2 > within
    column = within - row * (row + 1) // 2
    first = pattern.indptr[:-1].astype(np.int64)[level]
    high, low = first + row, first + column
    flat = pattern.indices[high].astype(np.int64) * n_outer + pattern.indices[low]
    coo = uu.tocoo()
    kept = coo.row >= coo.col
    flat_uu = coo.row[kept].astype(np.int64) * n_outer + coo.col[kept]
    touched = np.zeros(n_outer * n_outer, dtype=bool)
    touched[flat] = True
    touched[flat_uu] = True
    position = np.flatnonzero(touched)
    entry_at = np.empty(n_outer * n_outer, dtype=np.int32)
    entry_at[position] = np.arange(position.size, dtype=np.int32)
    entry = entry_at[flat]
    base = np.zeros(position.size)
    base[entry_at[flat_uu]] = coo.data[kept]
    values = _values_on(pattern, zu)
    edges = np.concatenate(([0], np.cumsum(n_pairs)))
    weights = {}
    for a in range(len(zu)):
        for b in range(a, len(zu)):
            product = values[a][high] * values[b][low]
            if a != b:
                product = product + values[b][high] * values[a][low]
            weights[a, b] = sp.csr_array((product, entry, edges), shape=(n_inner, position.size))
    entry_row, entry_column = position // n_outer, position % n_outer
    whole = _whole_pattern(entry_row, entry_column, n_outer)
    return PairMap(entry_row, entry_column, base, weights, {key: w.T for key, w in weights.items()}, whole)


def _whole_pattern(row: Codes, column: Codes, n_outer: int) -> sp.csr_array:
    """Return the symmetric pattern of lower triangular entries, its data the numbers of the entries."""
    below = np.flatnonzero(row != column)
    number = np.concatenate([np.arange(row.size), below])
    rows, columns = np.concatenate([row, column[below]]), np.concatenate([column, row[below]])
    order = np.lexsort((columns, rows))
    starts = np.searchsorted(rows[order], np.arange(n_outer + 1))
    return sp.csr_array((number[order], columns[order], starts), shape=(n_outer, n_outer))


def _values_on(pattern: sp.csr_array, zu: Sequence[sp.csr_array]) -> list[Floats]:
    """Return each array's values at the pattern's entries, zeros where it has none, each of shape (n_entries,)."""
    if len(zu) == 1:
        return [zu[0].data]
    rows = np.repeat(np.arange(pattern.shape[0]), np.diff(pattern.indptr))
    keys = rows * pattern.shape[1] + pattern.indices
    out = []
    for z in zu:
        own = np.repeat(np.arange(z.shape[0]), np.diff(z.indptr)) * z.shape[1] + z.indices
        present = z.data != 0
        values = np.zeros(keys.size)
        values[np.searchsorted(keys, own[present])] = z.data[present]
        out.append(values)
    return out
