"""Taking the columns of a model from any eager frame, and finding the complete rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from alliance_stats.columns import numeric_values
from alliance_stats.errors import ColumnError, DataError
from alliance_stats.mixed.levelsums import Floats

Weights: TypeAlias = "str | Sequence[float] | np.ndarray | pd.Series[Any] | None"


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
    """Return a narwhals column as something pandas understands; numbers stay numbers, categories keep their order."""
    import narwhals as nw

    if series.dtype.is_numeric():
        values = series.to_numpy()
        return values.astype(float) if values.dtype == object else values
    if series.dtype == nw.Enum:
        return pd.Categorical(series.to_list(), categories=list(series.dtype.categories))
    if series.dtype == nw.Categorical and series.implementation.is_pyarrow():
        categories = series.to_native().unify_dictionaries().chunk(0).dictionary.to_pylist()
        return pd.Categorical(series.to_list(), categories=categories)
    return pd.Series(series.to_list(), dtype=object).infer_objects()


def plain_columns(rows: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Return columns in the few types that formulas know, categories that do not occur taken out.

    Parameters
    ----------
    rows : DataFrame
        Complete rows.
    names : sequence of str
        Columns of the formula's fixed part and left-hand sides.

    Raises
    ------
    ColumnError
        If a column holds dates or times, which have no unit in a formula.
    """
    for name in names:
        if rows[name].dtype.kind in "mM":
            numeric_values(rows, name)
    return pd.DataFrame({name: _plain(rows[name]) for name in names}, index=rows.index)


def _plain(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column of numbers, truth values, texts or categories that all occur."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.remove_unused_categories()
    if isinstance(column.dtype, np.dtype):
        return column
    if pd.api.types.is_bool_dtype(column.dtype):
        return column.astype(bool)
    if pd.api.types.is_numeric_dtype(column.dtype):
        return pd.Series(column.to_numpy(dtype=float, na_value=np.nan), index=column.index)
    return column.astype(object)


def weight_values(weights: Weights, data: pd.DataFrame) -> Floats | None:
    """Return one weight per row, shape (n_given,)."""
    if weights is None:
        return None
    if isinstance(weights, str):
        values = numeric_values(data, weights)
    else:
        try:
            values = np.asarray(weights, dtype=float)
        except (TypeError, ValueError):
            raise DataError.build(
                "The weights are not numbers.", hint="pass one positive weight per row or a column name."
            ) from None
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


def complete_rows(data: pd.DataFrame, used: Sequence[str], weights: Floats | None) -> tuple[np.ndarray, dict[str, int]]:
    """Return which rows are complete, shape (n_given,), and the missing cells per column."""
    complete = np.ones(len(data), dtype=bool)
    missing = {}
    for name in used:
        values = data[name]
        numpy_kind = values.dtype.kind if isinstance(values.dtype, np.dtype) else "O"
        plain = values.to_numpy() if numpy_kind in "fiub" else None
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
