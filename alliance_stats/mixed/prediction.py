"""Predictions for old and new rows, and draws from the fitted model."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from alliance_stats.columns import require_columns
from alliance_stats.errors import AllianceStatsWarning
from alliance_stats.mixed.encoder import required_columns
from alliance_stats.mixed.grouping import Grouping
from alliance_stats.mixed.intake import plain_columns, to_pandas
from alliance_stats.mixed.levelsums import Codes, Column, Floats
from alliance_stats.mixed.noise import draw_residuals
from alliance_stats.mixed.variances import fixed_part_of

if TYPE_CHECKING:
    from alliance_stats.mixed.fit import LmmFit


def predict(fit: LmmFit, new: Any, *, random: bool) -> pd.Series[float]:
    """Return predictions, one per row; see LmmFit.predict."""
    if new is None:
        values = fixed_part_of(fit)
        if random:
            values = values + _random_part(
                fit, [t.columns for t in fit.design.terms], [g.codes for g in fit.design.groupings]
            )
        return pd.Series(values, index=fit.design.index, name="prediction")
    formula = fit.design.formula
    groups = list(dict.fromkeys(name for term in formula.random for name in term.group)) if random else []
    effects = [term.effects for term in formula.random] if random else []
    needed = list(dict.fromkeys([*required_columns([formula.fixed, *effects]), *groups]))
    frame = to_pandas(new, needed)
    require_columns(frame, needed, hint="new data need the columns of the model.")
    plain = [name for name in needed if name not in groups]
    complete = np.ones(len(frame), dtype=bool)
    for name in plain:
        complete &= ~frame[name].isna().to_numpy()
    rows = frame.iloc[np.flatnonzero(complete)]
    values = np.full(len(frame), np.nan)
    if len(rows):
        plainly = plain_columns(rows, [name for name in plain if name in rows])
        encoded = fit.design.x_encoder(plainly)
        values[complete] = _combine(
            [encoded.columns[j] for j in fit.scaling.x_kept], np.asarray(fit.fixed_effects, dtype=float), len(rows)
        )
        if random:
            columns = [term.encoder(plainly).columns for term in fit.design.terms]
            codes = [_known_codes(rows, grouping) for grouping in fit.design.groupings]
            _warn_of_strangers(fit, rows, codes)
            values[complete] += _random_part(fit, columns, codes)
    return pd.Series(values, index=frame.index, name="prediction")


def _warn_of_strangers(fit: LmmFit, rows: pd.DataFrame, codes: list[Codes]) -> None:
    """Warn if no row belongs to a level that the fit has seen and the ids are of another type."""
    for grouping, own in zip(fit.design.groupings, codes, strict=True):
        name = grouping.group[-1]
        labels = grouping.labels.get_level_values(len(grouping.group) - 1)
        if np.all(own < 0) and pd.api.types.infer_dtype(rows[name]) != pd.api.types.infer_dtype(labels):
            warnings.warn(
                f"None of the {own.size} new rows belongs to a level of '{grouping.name}' that the fit has seen; their random "
                "effects count zero. Ids are of another type than in the fit; give them the same type.",
                AllianceStatsWarning,
                stacklevel=4,
            )


def _combine(columns: list[Column], weights: Floats, n_rows: int) -> Floats:
    """Return the weighted sum of columns, shape (n_rows,)."""
    total = np.zeros(n_rows)
    for column, weight in zip(columns, weights, strict=True):
        total += weight if column is None else weight * column
    return total


def _known_codes(rows: pd.DataFrame, grouping: Grouping) -> Codes:
    """Return the level of each row, -1 for a level the fit has not seen, shape (n_rows,)."""
    if len(grouping.group) == 1:
        return np.asarray(grouping.labels.get_indexer(pd.Index(rows[grouping.group[0]])))
    keys = pd.MultiIndex.from_frame(rows[list(grouping.group)])
    return np.asarray(grouping.labels.get_indexer(keys))


def _random_part(fit: LmmFit, columns: list[tuple[Column, ...]], codes: list[Codes]) -> Floats:
    """Return Z b, levels not seen counting zero, shape (n_rows,)."""
    total = np.zeros(codes[0].size)
    for k, grouping in enumerate(fit.design.groupings):
        effects, _ = fit.level_effects(k)
        padded = np.concatenate([effects, np.zeros((effects.shape[0], 1))], axis=1)
        row = 0
        for term, term_columns in zip(fit.design.terms, columns, strict=True):
            if term.grouping is not grouping:
                continue
            for column in term_columns:
                own = padded[row, codes[k]]
                total += own if column is None else own * column
                row += 1
    return total


def augmented(fit: LmmFit) -> pd.DataFrame:
    """Return outcome, fitted value, fixed part and residual of the rows used."""
    fitted = fit.fitted()
    return pd.DataFrame(
        {
            fit.response: fit.design.y,
            "fitted": fitted,
            "fixed": fit.predict(random=False),
            "residual": fit.design.y - fitted,
        },
        index=fit.design.index,
    )


def simulate(fit: LmmFit, rng: np.random.Generator) -> Floats:
    """Return one draw of the outcome from the fitted model, shape (n_rows,)."""
    values = fixed_part_of(fit)
    for term, factor in zip(fit.design.terms, fit.term_factors, strict=True):
        effects = fit.sigma * factor @ rng.standard_normal((factor.shape[0], len(term.grouping.labels)))
        for effect, column in zip(effects, term.columns, strict=True):
            own = effect[term.grouping.codes]
            values = values + (own if column is None else own * column)
    return np.asarray(values + draw_residuals(fit, rng))
