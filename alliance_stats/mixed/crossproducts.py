"""Cross-products of a mixed model: formed once, so that no later step depends on the number of rows.

The model is ``y = X beta + sum_k Z_k b_k + e``. Random effects that share a grouping factor form one `Block`. When every
factor is nested in the next (sessions in patients in therapists), the blocks form a chain and all sums are kept per level,
the levels last, so that each step is a few operations on long contiguous arrays. Otherwise the largest factor keeps its
levels and the others are gathered in a `Crossed` part.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from alliance_stats.mixed.crossed import Crossed, build_crossed
from alliance_stats.mixed.levelsums import Codes, Column, Floats, LevelSums, column_products
from alliance_stats.mixed.parameters import Pattern, size_of

CHUNK_LEVELS = 6144
"""Levels handled at a time: the working arrays of a chunk stay in the processor's second-level cache."""


@dataclass(frozen=True)
class Factor:
    """One grouping factor with the columns whose effects vary over its levels.

    Parameters
    ----------
    codes : ndarray of int, shape (n_rows,)
        Level of each row, 0 to n_levels - 1; every level occurs.
    n_levels : int
    columns : tuple of columns, each of shape (n_rows,) or None for ones
        Equal columns should be the same object, which saves work.
    pattern : tuple of (row, column)
        The free entries of Lambda.
    """

    codes: Codes
    n_levels: int
    columns: tuple[Column, ...]
    pattern: Pattern


@dataclass(frozen=True)
class Block:
    """Sums over the rows of each level of one factor.

    Parameters
    ----------
    zz : ndarray, shape (q, q, n_levels)
        Z'Z of each level.
    zx : ndarray, shape (q, p + 1, n_levels)
        Z'[X, y] of each level.
    zu : tuple of ndarray, each of shape (q, q_outer, n_levels)
        Z'Z_outer for each factor further out in the chain.
    parent : tuple of ndarray of int, each of shape (n_levels,)
        Level of each outer factor; ascending.
    starts : tuple of ndarray of int, each of shape (n_outer,)
        Where the run of levels of each outer level begins.
    """

    zz: Floats
    zx: Floats
    zu: tuple[Floats, ...] = ()
    parent: tuple[Codes, ...] = ()
    starts: tuple[Codes, ...] = ()

    @property
    def n_levels(self) -> int:
        """Number of levels."""
        return int(self.zz.shape[2])


Chain: TypeAlias = tuple[Block, ...]


@dataclass(frozen=True)
class CrossProducts:
    """Everything the likelihood needs.

    Parameters
    ----------
    chunks : tuple of chains
        Independent parts of the chain of blocks, largest factor first; one block per chain if factors cross.
    crossed : Crossed or None
        The other factors when they do not form a chain.
    xx : ndarray, shape (p + 1, p + 1)
        [X, y]'[X, y].
    n_rows, n_fixed : int
    patterns : tuple of patterns
        Free entries of each factor's Lambda, largest factor first.
    order : tuple of int
        Positions, among the factors as given, of the factors as used here.
    level_order : tuple of ndarray of int
        For each factor as used here: the given number of each level.
    sigma2 : float or None
        Residual variance if it is known; else it is profiled out.
    """

    chunks: tuple[Chain, ...]
    crossed: Crossed | None
    xx: Floats
    n_rows: int
    n_fixed: int
    patterns: tuple[Pattern, ...]
    order: tuple[int, ...]
    level_order: tuple[Codes, ...]
    sigma2: float | None = None

    @property
    def n_theta(self) -> int:
        """Number of variance parameters."""
        return sum(len(pattern) for pattern in self.patterns)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of random effects per level, for each factor."""
        return tuple(size_of(pattern) for pattern in self.patterns)


def cross_products(
    factors: Sequence[Factor], fixed: Sequence[Column], n_rows: int, *, sigma2: float | None = None
) -> CrossProducts:
    """Form all cross-products in one pass over the rows.

    Parameters
    ----------
    factors : sequence of Factor
        At least one.
    fixed : sequence of columns, each of shape (n_rows,) or None for ones
        The columns of X and, last, y.
    n_rows : int
    sigma2 : float, optional
        Residual variance if it is known.

    Returns
    -------
    CrossProducts
    """
    order = sorted(range(len(factors)), key=lambda k: (-factors[k].n_levels, k))
    ordered = [factors[k] for k in order]
    parents = _chain_parents(ordered)
    crossed = None
    if parents is None:
        level_order = tuple(np.arange(f.n_levels) for f in ordered)
        inner = ordered[0]
        sums = LevelSums(inner.codes, inner.n_levels)
        sums.prepare((a, b) for a in inner.columns for b in (*inner.columns, *fixed))
        zz, zx = _stack(sums, inner.columns, inner.columns), _stack(sums, inner.columns, fixed)
        chunks: tuple[Chain, ...] = ((Block(zz, zx),),)
        rest = [(f.codes, f.n_levels, f.columns) for f in ordered[1:]]
        crossed = build_crossed(inner.codes, inner.n_levels, inner.columns, rest, fixed)
    else:
        level_order = _nested_order(ordered, parents)
        chunks = _split(_chain(ordered, parents, level_order, fixed))
    return CrossProducts(
        chunks=chunks,
        crossed=crossed,
        xx=column_products(fixed, n_rows),
        n_rows=n_rows,
        n_fixed=len(fixed) - 1,
        patterns=tuple(f.pattern for f in ordered),
        order=tuple(order),
        level_order=level_order,
        sigma2=sigma2,
    )


def _chain_parents(factors: Sequence[Factor]) -> list[Codes] | None:
    """Return each factor's parent level in the next factor, or None if a factor is not nested in the next."""
    parents = []
    for inner, outer in itertools.pairwise(factors):
        parent = np.zeros(inner.n_levels, dtype=np.int64)
        parent[inner.codes] = outer.codes
        if not np.array_equal(parent[inner.codes], outer.codes):
            return None
        parents.append(parent)
    return parents


def _nested_order(factors: Sequence[Factor], parents: Sequence[Codes]) -> tuple[Codes, ...]:
    """Return for each factor its levels sorted by the levels further out, each of shape (n_levels,)."""
    orders: list[Codes] = [np.arange(factors[-1].n_levels)]
    for parent in reversed(parents):
        rank = np.empty(orders[0].size, dtype=np.int64)
        rank[orders[0]] = np.arange(orders[0].size)
        orders.insert(0, np.argsort(rank[parent], kind="stable"))
    return tuple(orders)


def _stack(sums: LevelSums, rows: Sequence[Column], columns: Sequence[Column]) -> Floats:
    """Return the sums of all products, shape (n_row_columns, n_columns, n_levels)."""
    return np.stack([np.stack([sums(a, b) for b in columns]) for a in rows])


def _chain(
    factors: Sequence[Factor], parents: Sequence[Codes], orders: Sequence[Codes], fixed: Sequence[Column]
) -> Chain:
    """Return the blocks of nested factors, their levels sorted by the levels further out."""
    inner = factors[0]
    sums = LevelSums(inner.codes, inner.n_levels)
    z_columns = [f.columns for f in factors]
    # Every sum over an outer level is a sum of sums over the inner levels, so the rows are read once.
    sums.prepare(
        (a, b)
        for k, columns in enumerate(z_columns)
        for a in columns
        for others in (*z_columns[k:], fixed)
        for b in others
    )
    links = _sorted_parents(parents, orders)
    blocks = []
    for k, columns in enumerate(z_columns):
        products = [np.take(_stack(sums, columns, other), orders[0], axis=2) for other in (*z_columns[k:], fixed)]
        if k:
            runs = _starts(_compose(links[:k]), factors[k].n_levels)
            products = [np.add.reduceat(product, runs, axis=2) for product in products]
        outer = [_compose(links[k : k + d]) for d in range(1, len(factors) - k)]
        starts = [_starts(parent, factors[k + d].n_levels) for d, parent in enumerate(outer, start=1)]
        blocks.append(Block(products[0], products[-1], tuple(products[1:-1]), tuple(outer), tuple(starts)))
    return tuple(blocks)


def _sorted_parents(parents: Sequence[Codes], orders: Sequence[Codes]) -> list[Codes]:
    """Return each factor's parent in the sorted numbering; ascending, each of shape (n_levels,)."""
    links = []
    for k, parent in enumerate(parents):
        rank = np.empty(orders[k + 1].size, dtype=np.int64)
        rank[orders[k + 1]] = np.arange(orders[k + 1].size)
        links.append(rank[parent[orders[k]]])
    return links


def _compose(links: Sequence[Codes]) -> Codes:
    """Return the ancestor reached by following the links, shape (n_levels of the first factor,)."""
    ancestor = links[0]
    for link in links[1:]:
        ancestor = link[ancestor]
    return ancestor


def _starts(parent: Codes, n_outer: int) -> Codes:
    """Return where each outer level's run begins in an ascending list of parents, shape (n_outer,)."""
    return np.searchsorted(parent, np.arange(n_outer))


def _split(chain: Chain) -> tuple[Chain, ...]:
    """Cut a chain into independent parts of about CHUNK_LEVELS levels of the largest factor."""
    first, depth = chain[0], len(chain)
    edges = np.arange(first.n_levels + 1) if depth == 1 else np.append(first.starts[-1], first.n_levels)
    steps = np.searchsorted(edges, np.arange(0, first.n_levels, CHUNK_LEVELS))
    cuts = np.unique(np.append(edges[steps], first.n_levels))
    if cuts.size <= 2:
        return (chain,)
    return tuple(_slice(chain, int(low), int(high)) for low, high in itertools.pairwise(cuts))


def _slice(chain: Chain, low: int, high: int) -> Chain:
    """Return the part of a chain below levels low to high of its largest factor; arrays are contiguous copies."""
    first = chain[0]
    spans = [(low, high), *((int(parent[low]), int(parent[high - 1]) + 1) for parent in first.parent)]
    blocks = []
    for k, (block, (start, stop)) in enumerate(zip(chain, spans, strict=True)):
        outer = spans[k + 1 :]
        blocks.append(
            Block(
                zz=np.ascontiguousarray(block.zz[:, :, start:stop]),
                zx=np.ascontiguousarray(block.zx[:, :, start:stop]),
                zu=tuple(np.ascontiguousarray(z[:, :, start:stop]) for z in block.zu),
                parent=tuple(p[start:stop] - lo for p, (lo, _) in zip(block.parent, outer, strict=True)),
                starts=tuple(s[lo:hi] - start for s, (lo, hi) in zip(block.starts, outer, strict=True)),
            )
        )
    return tuple(blocks)
