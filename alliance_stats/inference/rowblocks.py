"""The rows of a fit in independent blocks, each with its covariance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from alliance_stats.columns import nested_within
from alliance_stats.errors import ModelError, listing
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.mixed.levelsums import Codes, Column, Floats
from alliance_stats.mixed.variances import fixed_part_of

MAX_BLOCK_ROWS = 12_000
"""Rows that one block may have: its covariance is kept in full, some 1.2 GB at this size."""


@dataclass(frozen=True, eq=False)
class RowBlock:
    """Rows that share no random effect with any other row.

    Parameters
    ----------
    rows : ndarray of int, shape (n_c,)
        Positions in the fit's design.
    x : ndarray, shape (n_c, p)
        Fixed effects that were estimated, in the user's units.
    residual : ndarray, shape (n_c,)
        Outcome minus fixed part.
    covariance : ndarray, shape (n_c, n_c)
        Of the outcome given the fixed part, in squared units of the outcome.
    """

    rows: Codes
    x: Floats
    residual: Floats
    covariance: Floats


def row_blocks(fit: LmmFit, clusters: Codes | None = None) -> list[RowBlock]:
    """Return the rows of a fit in blocks that are independent under the model.

    Parameters
    ----------
    fit : LmmFit
    clusters : ndarray of int, shape (n_rows,), optional
        Block of each row used; the smallest possible blocks (connected components of the grouping factors) if left out.

    Returns
    -------
    list of RowBlock
        In the order of the codes.

    Raises
    ------
    ModelError
        If a level of a grouping factor has rows in two blocks, or a block is too large for a full covariance matrix.
    """
    codes = connected_rows(fit) if clusters is None else np.unique(clusters, return_inverse=True)[1]
    require_nested(fit, codes, "the blocks")
    require_manageable(codes)
    x, residual = fixed_columns(fit), fit.design.y - fixed_part_of(fit)
    factors = zip(fit.design.terms, fit.term_factors, strict=True)
    scaled = [stacked(term.columns, fit.n_obs) @ factor for term, factor in factors]
    found: dict[int, RowBlock] = {}
    for blocks, rows in rows_by_size(codes):
        covariance = _covariances(fit, scaled, rows)
        for block, own, matrix in zip(blocks.tolist(), rows, covariance, strict=True):
            found[block] = RowBlock(own, x[own], residual[own], matrix)
    return [found[block] for block in range(len(found))]


def connected_rows(fit: LmmFit) -> Codes:
    """Return the connected component of the grouping factors that each row belongs to, shape (n_rows,)."""
    codes = [g.codes for g in fit.design.groupings]
    n_levels = [len(g.labels) for g in fit.design.groupings]
    if len(codes) == 1:
        return codes[0]
    starts = np.concatenate(([0], np.cumsum(n_levels)))
    first = np.concatenate([codes[0]] * (len(codes) - 1))
    others = np.concatenate([own + start for own, start in zip(codes[1:], starts[1:-1], strict=True)])
    edges = coo_array((np.ones(first.size), (first, others)), shape=(int(starts[-1]), int(starts[-1])))
    _, component = connected_components(edges, directed=False)
    return np.unique(component[codes[0]], return_inverse=True)[1].astype(np.int64)


def require_nested(fit: LmmFit, clusters: Codes, name: str) -> None:
    """Raise a ModelError if a level of a grouping factor has rows in two clusters."""
    split = [g for g in fit.design.groupings if not nested_within(g.codes, clusters)]
    if not split:
        return
    counts = listing([f"{_n_split(g.codes, clusters)} of {len(g.labels)} levels of '{g.name}'" for g in split])
    raise ModelError.build(
        f"Rows of different clusters are not independent: {counts} have rows in two or more of {name}.",
        hint=_coarser(fit),
    )


def nesting_factors(fit: LmmFit) -> list[str]:
    """Return the grouping factors whose levels hold whole levels of all others, the coarsest first."""
    groupings = sorted(fit.design.groupings, key=lambda g: len(g.labels))
    return [g.name for g in groupings if all(nested_within(other.codes, g.codes) for other in groupings)]


def fixed_columns(fit: LmmFit) -> Floats:
    """Return the columns of the fixed effects that were estimated, in the user's units, shape (n_rows, p)."""
    return stacked([fit.design.x.columns[j] for j in fit.scaling.x_kept], fit.n_obs)


def stacked(columns: Sequence[Column], n_rows: int) -> Floats:
    """Return columns side by side, ones where a column is None, shape (n_rows, n_columns)."""
    matrix = np.ones((n_rows, len(columns)))
    for place, column in enumerate(columns):
        if column is not None:
            matrix[:, place] = column
    return matrix


def _coarser(fit: LmmFit) -> str:
    """Return what to do when clusters cut through random effects."""
    nesting = nesting_factors(fit)
    if nesting:
        return f"use the factor that holds whole levels of all others: cluster='{nesting[0]}'."
    n_parts = int(connected_rows(fit).max()) + 1
    names = listing([f"'{g.name}'" for g in fit.design.groupings])
    if n_parts < 2:
        return f"the grouping factors {names} cross, and all rows hang together: there are no independent clusters."
    return (
        f"the grouping factors {names} cross, so none can be the cluster; the rows fall into {n_parts} unconnected parts: "
        "give the unit that holds them, such as the site, as cluster=frame['site']."
    )


def _n_split(inner: Codes, outer: Codes) -> int:
    """Return how many levels of the inner factor meet two or more levels of the outer."""
    pairs = np.unique(np.stack([inner, outer]), axis=1)
    return int(np.sum(np.bincount(pairs[0]) > 1))


def rows_by_size(codes: Codes) -> Iterator[tuple[Codes, Codes]]:
    """Yield, for each number of rows, the levels with so many and their rows, shape (n_levels, n_c)."""
    counts = np.bincount(codes)
    order = np.argsort(codes, kind="stable")
    starts = np.cumsum(counts) - counts
    for size in np.unique(counts):
        levels = np.flatnonzero(counts == size)
        yield levels, order[starts[levels][:, None] + np.arange(size)]


def require_manageable(codes: Codes) -> None:
    """Raise a ModelError if a matrix of the rows of one code would be too large."""
    largest = int(np.bincount(codes).max())
    if largest > MAX_BLOCK_ROWS:
        raise ModelError.build(
            f"One block of dependent rows has {largest} of {codes.size} rows; up to {MAX_BLOCK_ROWS} are possible.",
            hint="use a factor with smaller levels, or analyse parts of the data.",
        )


def _covariances(fit: LmmFit, scaled: list[Floats], rows: Codes) -> Floats:
    """Return the covariance of each block of equal size, shape (n_blocks, n_c, n_c)."""
    n_blocks, size = rows.shape
    covariance = np.zeros((n_blocks, size, size))
    for term, columns in zip(fit.design.terms, scaled, strict=True):
        own, level = columns[rows], term.grouping.codes[rows]
        covariance += np.where(level[:, :, None] == level[:, None, :], own @ own.transpose(0, 2, 1), 0.0)
    covariance *= fit.sigma**2
    if fit.structured is not None:
        return covariance + np.stack([fit.residual_covariance(own) for own in rows])
    diagonal = np.arange(size)
    covariance[:, diagonal, diagonal] += fit.sigma**2 / (
        1.0 if fit.design.weights is None else fit.design.weights[rows]
    )
    return covariance
