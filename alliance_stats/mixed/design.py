"""From a formula and a frame to arrays: the only file of the engine that sees the user's data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from alliance_stats.columns import numeric_values, require_columns
from alliance_stats.errors import ColumnError, DataError, ModelError, listing
from alliance_stats.mixed.encoder import Encoded, Encoder, make_encoder, require_finite, required_columns
from alliance_stats.mixed.formula import MixedFormula
from alliance_stats.mixed.levelsums import Codes, Column, Floats

Weights: TypeAlias = "str | Sequence[float] | np.ndarray | pd.Series[Any] | None"


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


@dataclass(frozen=True)
class DesignTerm:
    """One bar of the formula, encoded.

    Parameters
    ----------
    grouping : Grouping
    names : tuple of str
        Names of the effects.
    columns : tuple of columns, each of shape (n_rows,) or None for ones
    encoder : Encoder
    """

    grouping: Grouping
    names: tuple[str, ...]
    columns: tuple[Column, ...] = field(repr=False)
    encoder: Encoder = field(repr=False)


@dataclass(frozen=True)
class Design:
    """A model's arrays.

    Parameters
    ----------
    formula : MixedFormula
    y : ndarray, shape (n_rows,)
    x : Encoded
        Fixed effects' columns and names.
    terms : tuple of DesignTerm
    weights : ndarray, shape (n_rows,), or None
    kept : ndarray of int, shape (n_rows,)
        Positions in the user's frame of the rows used.
    n_given : int
        Rows in the user's frame.
    missing : dict
        Number of missing cells in each column that has some.
    x_encoder : Encoder
    index : Index
        The user's row labels of the rows used.
    """

    formula: MixedFormula
    y: Floats = field(repr=False)
    x: Encoded = field(repr=False)
    terms: tuple[DesignTerm, ...]
    weights: Floats | None = field(repr=False)
    kept: Codes = field(repr=False)
    n_given: int
    missing: dict[str, int]
    x_encoder: Encoder = field(repr=False)
    index: pd.Index[Any] = field(repr=False)

    @property
    def n_rows(self) -> int:
        """Number of rows used."""
        return self.y.size

    @property
    def groupings(self) -> tuple[Grouping, ...]:
        """The grouping factors, each once, in the order of the formula."""
        return tuple({term.grouping.name: term.grouping for term in self.terms}.values())


def build_design(formula: MixedFormula, frame: Any, weights: Weights = None) -> Design:
    """Encode a formula's parts from the complete rows of a frame.

    Parameters
    ----------
    formula : MixedFormula
    frame : DataFrame
        pandas, polars, pyarrow or any other eager frame that narwhals reads.
    weights : str or array-like, shape (n_given,), optional
        Column, or one positive number per row: the residual variance is sigma squared divided by it.

    Raises
    ------
    ColumnError, DataError, ModelError
    """
    groups = list(dict.fromkeys(name for term in formula.random for name in term.group))
    parts = ["0 + " + formula.response, formula.fixed, *(term.effects for term in formula.random)]
    used = list(dict.fromkeys([*required_columns(parts), *groups, *([weights] if isinstance(weights, str) else [])]))
    data = to_pandas(frame, used)
    require_columns(data, used, hint="the formula names columns as they are called in the data.")
    weight_values = _weights(weights, data)
    complete, missing = _complete_rows(data, used, weight_values)
    kept = np.flatnonzero(complete)
    rows = data if kept.size == len(data) else data.iloc[kept]
    _require_rows(rows, len(data), missing)
    y = _outcome(formula, rows)
    x_encoder, x = make_encoder(formula.fixed, rows)
    require_finite(x)
    known: dict[tuple[str, ...], Grouping] = {}
    encoded: dict[str, tuple[Encoder, Encoded]] = {}
    terms = []
    for term in formula.random:
        if term.group not in known:
            known[term.group] = _grouping(rows, term.group)
        if term.effects not in encoded:
            encoded[term.effects] = _share(make_encoder(term.effects, rows), x)
            require_finite(encoded[term.effects][1])
        encoder, effects = encoded[term.effects]
        terms.append(DesignTerm(known[term.group], effects.names, effects.columns, encoder))
    kept_weights = None if weight_values is None else weight_values[kept]
    index = rows.index
    return Design(formula, y, x, tuple(terms), kept_weights, kept, len(data), missing, x_encoder, index)


def to_pandas(frame: Any, columns: Sequence[str]) -> pd.DataFrame:
    """Return the needed columns of any eager frame as a pandas frame; columns that are absent are left out.

    Raises
    ------
    DataError
        If ``frame`` is not a frame, or a lazy one.
    """
    if isinstance(frame, pd.DataFrame):
        for name in columns:
            if name in frame.columns and isinstance(frame[name], pd.DataFrame):
                raise ColumnError.build(f"Two or more columns are called '{name}'.", hint="rename one of them.")
        return frame
    import narwhals as nw

    try:
        eager = nw.from_native(frame, eager_only=True)
    except TypeError:
        raise DataError.build(
            f"A model needs a data frame; this is a {type(frame).__name__}.",
            hint="pass a pandas, polars or pyarrow frame; collect a lazy one first.",
        ) from None
    present = [name for name in dict.fromkeys(columns) if name in eager.columns]
    if not present:
        return pd.DataFrame({name: [] for name in eager.columns})
    return pd.DataFrame({name: _to_numpy(eager[name]) for name in present})


def _to_numpy(series: Any) -> Any:
    """Return a narwhals column as an array that pandas understands; numbers stay numbers."""
    if series.dtype.is_numeric():
        values = series.to_numpy()
        return values.astype(float) if values.dtype == object else values
    return pd.Series(series.to_list(), dtype=object).infer_objects()


def _weights(weights: Weights, data: pd.DataFrame) -> Floats | None:
    """Return one weight per row, shape (n_given,)."""
    if weights is None:
        return None
    if isinstance(weights, str):
        values = numeric_values(data, weights)
    else:
        values = np.asarray(weights, dtype=float)
        if values.shape != (len(data),):
            raise DataError.build(
                f"{values.size} weights were given for {len(data)} rows.",
                hint="pass one weight per row or a column name.",
            )
    bad = ~(values > 0) & ~np.isnan(values) | np.isinf(values)
    if bad.any():
        raise DataError.build(
            f"{int(bad.sum())} of {values.size} weights are zero, negative or infinite "
            f"(the first in data row {int(np.flatnonzero(bad)[0]) + 1}).",
            hint="a weight is a positive number; leave out rows that should not count.",
        )
    return values


def _complete_rows(
    data: pd.DataFrame, used: Sequence[str], weights: Floats | None
) -> tuple[np.ndarray, dict[str, int]]:
    """Return which rows are complete, shape (n_given,), and the missing cells per column."""
    complete = np.ones(len(data), dtype=bool)
    missing = {}
    for name in used:
        values = data[name]
        plain = values.to_numpy() if values.dtype.kind in "fiub" else None
        absent = (
            np.isnan(plain)
            if plain is not None and plain.dtype.kind == "f"
            else (np.zeros(0, dtype=bool) if plain is not None else values.isna().to_numpy())
        )
        if absent.any():
            missing[name] = int(absent.sum())
            complete &= ~absent
    if weights is not None and np.isnan(weights).any():
        missing["weights"] = int(np.isnan(weights).sum())
        complete &= ~np.isnan(weights)
    return complete, missing


def _require_rows(rows: pd.DataFrame, n_given: int, missing: dict[str, int]) -> None:
    """Raise a DataError if no complete row is left."""
    if len(rows) == 0:
        counts = listing([f"{name} {count}" for name, count in missing.items()])
        raise DataError.build(
            f"None of the {n_given} rows is complete; missing cells per column: {counts}.",
            hint="leave out the column that is always missing, or check how missing answers were coded.",
        )


def _outcome(formula: MixedFormula, rows: pd.DataFrame) -> Floats:
    """Return the outcome, shape (n_rows,)."""
    name = formula.response.strip("`")
    if name in rows.columns:
        column: Column = np.ascontiguousarray(numeric_values(rows, name))
        encoded = Encoded((name,), (column,))
    else:
        _, encoded = make_encoder("0 + " + formula.response, rows)
    if len(encoded.columns) != 1 or encoded.columns[0] is None:
        raise ColumnError.build(
            f"The outcome '{formula.response}' is not one column of numbers.", hint="code it as one numeric column."
        )
    require_finite(encoded)
    y = encoded.columns[0]
    if y.size > 1 and np.ptp(y) == 0:
        raise DataError.build(
            f"The outcome '{formula.response}' is the same in all {y.size} rows.",
            hint="a constant cannot be modelled; check filters and scoring.",
        )
    return y


def _share(made: tuple[Encoder, Encoded], x: Encoded) -> tuple[Encoder, Encoded]:
    """Return the encoding with columns that also are fixed effects replaced by these very objects."""
    encoder, encoded = made
    by_name = dict(zip(x.names, x.columns, strict=True))
    columns: list[Column] = []
    for name, column in zip(encoded.names, encoded.columns, strict=True):
        twin = by_name.get(name)
        same = column is not None and twin is not None and np.array_equal(twin, column)
        columns.append(twin if same else column)
    return encoder, Encoded(encoded.names, tuple(columns))


def _grouping(rows: pd.DataFrame, group: tuple[str, ...]) -> Grouping:
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
    if column.dtype.kind in "iu":
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


def require_identified(design: Design) -> None:
    """Raise a ModelError if the grouping factors cannot be estimated from so few rows or levels."""
    if not design.terms:
        raise ModelError.build(
            f"The formula '{design.formula.text}' has no random term.",
            hint="add one such as (1 | patient), or fit least squares with statsmodels.",
        )
    n = design.n_rows
    sizes = {g.name: sum(len(t.names) for t in design.terms if t.grouping is g) for g in design.groupings}
    for grouping in design.groupings:
        levels = len(grouping.labels)
        if levels < 2:
            raise ModelError.build(
                f"The grouping factor '{grouping.name}' has one level in the {n} rows used.",
                hint="leave out its random term; a variance between levels needs at least two, better ten.",
            )
        if levels * sizes[grouping.name] >= n:
            raise ModelError.build(
                f"'{grouping.name}' has {levels} levels with {sizes[grouping.name]} random effects each, "
                f"{levels * sizes[grouping.name]} in all, for {n} rows: they cannot be told from the residual.",
                hint="leave out a random slope or the term; a level needs more rows than random effects.",
            )
