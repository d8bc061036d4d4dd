"""The errors of predicted random effects, for rows of the fit or new ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy.linalg import cho_factor, cho_solve

from alliance_stats.columns import require_columns
from alliance_stats.inference.rowblocks import RowBlock, fixed_columns, row_blocks, stacked
from alliance_stats.mixed.encoder import required_columns
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.mixed.grouping import Grouping
from alliance_stats.mixed.intake import plain_columns, to_pandas
from alliance_stats.mixed.levelsums import Codes, Floats


@dataclass(frozen=True)
class PredictedRows:
    """Rows to predict, encoded.

    Parameters
    ----------
    index : Index
        Of all rows given.
    complete : ndarray of bool, shape (n_given,)
        Rows that have all predictors; the arrays below are theirs.
    x : ndarray, shape (n_rows, p)
    z : tuple of ndarray, each of shape (n_rows, q)
        Columns of each random term.
    codes : dict
        Of each grouping factor's name: levels, -1 for new ones, shape (n_rows,); empty if they are not asked for.
    """

    index: pd.Index[Any] = field(repr=False)
    complete: np.ndarray = field(repr=False)
    x: Floats = field(repr=False)
    z: tuple[Floats, ...] = field(repr=False)
    codes: dict[str, Codes] = field(repr=False)


@dataclass(frozen=True)
class LevelPredictions:
    """How surely the random part of each row is known.

    Parameters
    ----------
    rest : ndarray, shape (n_rows, p)
        c = x - X'V^-1 k: how errors of the fixed effects enter.
    variance : ndarray, shape (n_rows,)
        Of the random part given the outcomes and the fixed effects.
    """

    rest: Floats
    variance: Floats


def predicted_rows(fit: LmmFit, new: Any, *, groups: bool) -> PredictedRows:
    """Encode rows.

    Parameters
    ----------
    fit : LmmFit
    new : DataFrame or None
        The rows of the fit if None.
    groups : bool
        Whether levels are asked for.
    """
    design = fit.design
    if new is None:
        z = tuple(stacked(term.columns, fit.n_obs) for term in design.terms)
        own = {g.name: g.codes for g in design.groupings}
        return PredictedRows(design.index, np.ones(fit.n_obs, dtype=bool), fixed_columns(fit), z, own)
    formula = design.formula
    plain = required_columns([formula.fixed, *(term.effects for term in formula.random)])
    ids = list(dict.fromkeys(name for term in formula.random for name in term.group)) if groups else []
    needed = list(dict.fromkeys([*plain, *ids]))
    frame = to_pandas(new, needed)
    require_columns(frame, needed, hint="new data need the columns of the model.")
    complete = ~frame[plain].isna().any(axis=1).to_numpy() if plain else np.ones(len(frame), dtype=bool)
    rows = frame.iloc[np.flatnonzero(complete)]
    columns = plain_columns(rows, plain)
    x = stacked(design.x_encoder(columns).columns, len(rows))[:, list(fit.scaling.x_kept)]
    z = tuple(stacked(term.encoder(columns).columns, len(rows)) for term in design.terms)
    codes = {g.name: _known_levels(rows, g) for g in design.groupings} if groups else {}
    return PredictedRows(frame.index, complete, x, z, codes)


def _known_levels(rows: pd.DataFrame, grouping: Grouping) -> Codes:
    """Return the level of each row, -1 for one the fit has not seen, shape (n_rows,)."""
    if len(grouping.group) == 1:
        return np.asarray(grouping.labels.get_indexer(pd.Index(rows[grouping.group[0]])))
    return np.asarray(grouping.labels.get_indexer(pd.MultiIndex.from_frame(rows[list(grouping.group)])))


def random_variance(fit: LmmFit, rows: PredictedRows) -> Floats:
    """Return z'Sz, the variance of the random part of a row of new levels, shape (n_rows,)."""
    total = np.zeros(len(rows.x))
    for z, factor in zip(rows.z, fit.term_factors, strict=True):
        total += fit.sigma**2 * ((z @ factor) ** 2).sum(axis=1)
    return total


def level_predictions(fit: LmmFit, rows: PredictedRows) -> LevelPredictions:
    """Return how surely the random part of each row is known, from the rows of the fit that share its levels."""
    rest, variance = rows.x.copy(), random_variance(fit, rows)
    own = [
        stacked(term.columns, fit.n_obs) @ factor
        for term, factor in zip(fit.design.terms, fit.term_factors, strict=True)
    ]
    theirs = [z @ factor for z, factor in zip(rows.z, fit.term_factors, strict=True)]
    for block in row_blocks(fit):
        touched = _touched(fit, rows, block)
        if not touched.size:
            continue
        k = np.zeros((touched.size, block.rows.size))
        for term, inside, outside in zip(fit.design.terms, own, theirs, strict=True):
            same = rows.codes[term.grouping.name][touched, None] == term.grouping.codes[block.rows]
            k += fit.sigma**2 * np.where(same, outside[touched] @ inside[block.rows].T, 0.0)
        solved = cho_solve(cho_factor(block.covariance, lower=True), k.T)
        rest[touched] -= solved.T @ block.x
        variance[touched] -= np.einsum("rn,nr->r", k, solved)
    return LevelPredictions(rest, np.maximum(variance, 0.0))


def _touched(fit: LmmFit, rows: PredictedRows, block: RowBlock) -> Codes:
    """Return the rows that share a level with a block."""
    shared = np.zeros(len(rows.x), dtype=bool)
    for grouping in fit.design.groupings:
        here = np.zeros(len(grouping.labels) + 1, dtype=bool)
        here[grouping.codes[block.rows]] = True
        shared |= here[rows.codes[grouping.name]]
    return np.flatnonzero(shared)
