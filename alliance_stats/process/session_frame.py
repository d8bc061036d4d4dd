"""The door of every analysis: a session table of any frame library, with session numbers that are numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from alliance_stats.columns import CANONICAL
from alliance_stats.errors import DataError
from alliance_stats.mixed.intake import to_pandas

ORDERS = ("session",)
"""Columns that count: as text or categories they would become a set of groups in a model."""


def session_frame(frame: Any) -> pd.DataFrame:
    """Return a table as analyses of sessions need it.

    Parameters
    ----------
    frame : DataFrame
        Of pandas, polars, pyarrow or any other eager frame that narwhals reads.

    Returns
    -------
    DataFrame
        The same rows in the same order, numbered from 0; session numbers stored as text, objects or categories are
        numbers; patient, session or therapist that stand in the index are columns. ``attrs`` are kept; the frame passed in
        is not changed.

    Raises
    ------
    DataError
        If ``frame`` is not a frame, or a lazy one.
    """
    given = frame if isinstance(frame, pd.DataFrame) else _to_pandas(frame)
    named = [name for name in given.index.names if name in CANONICAL and name not in given.columns]
    table = (given.reset_index(level=named) if named else given).reset_index(drop=True)
    for name in ORDERS:
        if list(table.columns).count(name) == 1 and not pd.api.types.is_numeric_dtype(table[name]):
            numbers = _numbers(table[name])
            table = table if numbers is None else table.assign(**{name: numbers})
    if isinstance(frame, pd.DataFrame):
        table.attrs = frame.attrs
    return table


def _to_pandas(frame: Any) -> pd.DataFrame:
    """Return all columns of an eager frame."""
    import narwhals as nw

    try:
        names = nw.from_native(frame, eager_only=True).columns
    except TypeError:
        raise DataError.build(
            f"An analysis needs a table of sessions, not an object of type {type(frame).__name__}.",
            hint="pass a pandas, polars or pyarrow frame, one row per patient and session; collect a lazy one first.",
        ) from None
    return to_pandas(frame, names)


def _numbers(column: pd.Series[Any]) -> np.ndarray | None:
    """Return text or categories as numbers, or None where some are none: later checks say so."""
    if column.dtype.kind in "mM":
        return None
    texts = column.astype(object)
    numbers = pd.to_numeric(texts, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    if (np.isnan(numbers) & ~column.isna().to_numpy()).any():
        return None
    whole = np.isfinite(numbers).all() and bool((numbers == np.round(numbers)).all())
    return numbers.astype(np.int64) if whole else numbers
