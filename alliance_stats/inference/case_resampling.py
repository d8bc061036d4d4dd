"""Resampled data as re-indexed cross-products: a level's sums are the same wherever it is put."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from alliance_stats.errors import ModelError, listing, unknown_name
from alliance_stats.inference.draw_order import draw_order, rank_of
from alliance_stats.mixed.crossproducts import Block, CrossProducts
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.mixed.levelsums import Codes, Column, Floats, LevelSums
from alliance_stats.mixed.optimise import minimise
from alliance_stats.mixed.scaling import DROP_TOLERANCE, standardise


@dataclass(frozen=True)
class LevelTree:
    """Nested factors with the sums of their finest levels.

    Parameters
    ----------
    fit : LmmFit
    names : tuple of str
        The factors from the finest to the coarsest.
    levels : ndarray of int, shape (n_finest,)
        The fit's number of each finest level, in the order of the tree: children of a level stand together.
    first, count : tuple of ndarray of int
        Of each factor but the finest: where the children of a level begin, and how many they are.
    n_rows : ndarray of int, shape (n_finest,)
        Rows of each finest level.
    zz : dict
        For factors (k, m) with k <= m: Z_k'Z_m of each finest level, shape (q_k, q_m, n_finest).
    zx : tuple of ndarray, each of shape (q, p + 1, n_finest)
        Z'[X, y] of each finest level.
    xx : ndarray, shape (p + 1, p + 1, n_finest)
        [X, y]'[X, y] of each finest level.
    """

    fit: LmmFit
    names: tuple[str, ...]
    levels: Codes
    first: tuple[Codes, ...]
    count: tuple[Codes, ...]
    n_rows: Codes
    zz: dict[tuple[int, int], Floats]
    zx: tuple[Floats, ...]
    xx: Floats

    @property
    def n_coarsest(self) -> int:
        """Number of levels of the coarsest factor."""
        return int(self.first[-1].size) if self.first else int(self.levels.size)


@dataclass(frozen=True)
class Selection:
    """Levels put together to a new data set.

    Parameters
    ----------
    source : ndarray of int, shape (n_new,)
        Place in the tree of each new finest level.
    links : tuple of ndarray of int
        Of each factor but the coarsest: the new parent of each new level, ascending.
    """

    source: Codes
    links: tuple[Codes, ...]


def require_nested(fit: LmmFit) -> tuple[str, ...]:
    """Return the grouping factors from the finest to the coarsest.

    Raises
    ------
    ModelError
        If they cross: then no level can be taken out with its rows without cutting levels of another factor; or if the fit
        has a residual structure, whose parameters sums per level cannot carry.
    """
    names = [grouping.name for grouping in fit.design.groupings]
    if fit.structured is not None:
        raise ModelError.build(
            "Levels of a fit with a residual structure are not resampled or left out.",
            hint="use parametric_bootstrap(fit, seed=...) with percentile intervals.",
        )
    if fit.cross_products.crossed is not None:
        raise ModelError.build(
            f"The grouping factors {listing(names)} cross: resampling or leaving out levels of one would tear those of another.",
            hint="use parametric_bootstrap(fit, seed=...) with percentile intervals, which draws new effects for all of them.",
        )
    return tuple(names[k] for k in fit.cross_products.order)


def level_tree(fit: LmmFit) -> LevelTree:
    """Form the sums of every finest level, in an order that depends on the data's values only.

    Raises
    ------
    ModelError
        If the grouping factors cross.
    """
    names = require_nested(fit)
    standardised = standardise(fit.design)
    factors = [standardised.factors[k] for k in fit.cross_products.order]
    order = draw_order(fit.design)
    ranks = [rank_of(order.levels[name]) for name in names]
    finest = factors[0].codes
    ancestors = [np.zeros(factors[0].n_levels, dtype=np.int64) for _ in factors]
    for ancestor, factor, rank in zip(ancestors, factors, ranks, strict=True):
        ancestor[finest] = rank[factor.codes]
    levels = np.lexsort(ancestors)
    paths = [_numbered(ancestor[levels]) for ancestor in ancestors]
    edges = [np.append(np.unique(path, return_index=True)[1], levels.size) for path in paths]
    children = [np.searchsorted(inner[:-1], outer) for inner, outer in pairwise(edges)]
    sums = LevelSums(finest, factors[0].n_levels)
    columns, fixed = [factor.columns for factor in factors], standardised.fixed
    return LevelTree(
        fit=fit,
        names=names,
        levels=levels,
        first=tuple(child[:-1] for child in children),
        count=tuple(np.diff(child) for child in children),
        n_rows=np.bincount(finest, minlength=levels.size)[levels],
        zz={
            (k, m): _products(sums, columns[k], columns[m])[:, :, levels]
            for k in range(len(factors))
            for m in range(k, len(factors))
        },
        zx=tuple(_products(sums, own, fixed)[:, :, levels] for own in columns),
        xx=_products(sums, fixed, fixed)[:, :, levels],
    )


def _numbered(sorted_ranks: Codes) -> Codes:
    """Return 0, 0, 1, 2, 2, ... for runs of equal values, shape (n_finest,)."""
    return np.concatenate(([0], np.cumsum(np.diff(sorted_ranks) != 0)))


def _products(sums: LevelSums, rows: Sequence[Column], columns: Sequence[Column]) -> Floats:
    """Return the sums of all products, shape (n_row_columns, n_columns, n_levels)."""
    return np.stack([np.stack([sums(a, b) for b in columns]) for a in rows])


def resampled_factors(names: Sequence[str], by: Sequence[str] | None) -> frozenset[int]:
    """Return the positions of the factors to resample.

    Parameters
    ----------
    names : sequence of str
        The grouping factors from the finest to the coarsest.
    by : sequence of str, optional
        All if left out.

    Raises
    ------
    ModelError
        If ``by`` names something else or nothing.
    """
    if by is None:
        return frozenset(range(len(names)))
    if isinstance(by, str) or not by:
        raise ModelError.build(
            "by= is a sequence of grouping factors, from the coarsest to the finest.",
            hint=f"use by={tuple(names[::-1])}.",
        )
    for name in by:
        if name not in names:
            raise unknown_name(ModelError, "grouping factor", name, list(names))
    return frozenset(names.index(name) for name in by)


def resample(tree: LevelTree, resampled: frozenset[int], rng: np.random.Generator) -> Selection:
    """Draw levels with replacement, from the coarsest factor down; a level drawn twice becomes two levels.

    Parameters
    ----------
    tree : LevelTree
    resampled : set of int
        Positions of the factors whose levels are drawn, within the level above; of the others all levels are taken.
    rng : Generator
    """
    n, coarsest = tree.n_coarsest, len(tree.names) - 1
    source = rng.integers(0, n, n) if coarsest in resampled else np.arange(n)
    return _descend(tree, source, resampled, rng)


def without_level(tree: LevelTree, j: int) -> Selection:
    """Return everything but the j-th level of the coarsest factor."""
    source = np.delete(np.arange(tree.n_coarsest), j)
    return _descend(tree, source, frozenset(), np.random.default_rng(0))


def _descend(tree: LevelTree, source: Codes, resampled: frozenset[int], rng: np.random.Generator) -> Selection:
    """Follow chosen levels of the coarsest factor down to the finest."""
    links: list[Codes] = []
    for k in reversed(range(len(tree.first))):
        first, count = tree.first[k][source], tree.count[k][source]
        parent = np.repeat(np.arange(source.size), count)
        if k in resampled:
            within = (rng.random(parent.size) * count[parent]).astype(np.int64)
        else:
            within = np.arange(parent.size) - np.repeat(np.cumsum(count) - count, count)
        source = first[parent] + within
        links.insert(0, parent)
    return Selection(source, tuple(links))


def refit_selection(tree: LevelTree, selection: Selection) -> LmmFit:
    """Return the fit to the selected levels.

    Returns
    -------
    LmmFit
        Its parameters are those of the new data; its design still is that of the fit.

    Raises
    ------
    LinAlgError
        If the selected levels do not identify all fixed effects.
    """
    cp = _selected(tree, selection)
    _require_full_rank(cp)
    optimum = minimise(cp, reml=tree.fit.method == "REML", confirm=False)
    return replace(tree.fit, cross_products=cp, optimum=optimum)


def _selected(tree: LevelTree, selection: Selection) -> CrossProducts:
    """Return the cross-products of the selected levels."""
    source, depth = selection.source, len(tree.names)
    ancestors = [np.arange(source.size)]
    for link in selection.links:
        ancestors.append(link[ancestors[-1]])
    sizes = [int(ancestor[-1]) + 1 for ancestor in ancestors]
    starts = [np.searchsorted(ancestor, np.arange(size)) for ancestor, size in zip(ancestors, sizes, strict=True)]

    def summed(values: Floats, k: int) -> Floats:
        taken = np.take(values, source, axis=2)
        return np.ascontiguousarray(np.add.reduceat(taken, starts[k], axis=2)) if k else taken

    blocks = []
    for k in range(depth):
        parents = [ancestors[m][starts[k]] for m in range(k + 1, depth)]
        blocks.append(
            Block(
                zz=summed(tree.zz[k, k], k),
                zx=summed(tree.zx[k], k),
                zu=tuple(summed(tree.zz[k, m], k) for m in range(k + 1, depth)),
                parent=tuple(parents),
                starts=tuple(np.searchsorted(p, np.arange(s)) for p, s in zip(parents, sizes[k + 1 :], strict=True)),
            )
        )
    times = np.bincount(source, minlength=tree.levels.size)
    return replace(
        tree.fit.cross_products,
        chunks=(tuple(blocks),),
        xx=tree.xx @ times.astype(float),
        n_rows=int(times @ tree.n_rows),
        level_order=tuple(np.arange(size) for size in sizes),
    )


def _require_full_rank(cp: CrossProducts) -> None:
    """Raise a LinAlgError if a fixed effect is a combination of others in the selected levels."""
    p = cp.n_fixed
    lengths = np.sqrt(np.diagonal(cp.xx)[:p])
    if cp.n_rows <= p or not np.all(lengths > 0):
        raise np.linalg.LinAlgError("a fixed effect has no variation in the selected levels")
    root = np.linalg.cholesky(cp.xx[:p, :p] / np.outer(lengths, lengths))
    # Cross-products know distances to half their digits only, hence the root of the tolerance for columns.
    if np.any(np.diagonal(root) ** 2 < DROP_TOLERANCE):
        raise np.linalg.LinAlgError("the selected levels do not identify all fixed effects")
