"""The canonical columns of a session table, and how functions find and check the ones they need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from alliance_stats.errors import ColumnError, DataError

CANONICAL: Mapping[str, str] = {
    "patient": "who is treated",
    "session": "order of the session within the patient, whole numbers",
    "therapist": "who treats",
    "site": "where",
    "rater": "who rates: patient, therapist, observer or partner",
    "dyad": "the pair or couple",
    "role": "the part a person plays in the dyad",
    "study": "which study the row comes from",
}
"""Canonical column names and what they hold."""

ID_COLUMNS: tuple[str, ...] = ("patient", "therapist", "site", "dyad")
"""Columns whose values identify people or places and are never shown."""


def require_columns(frame: pd.DataFrame, names: Iterable[str], *, hint: str = "") -> None:
    """Raise a ColumnError that names every missing column.

    Parameters
    ----------
    frame : DataFrame
        Any frame.
    names : iterable of str
        Columns that must exist.
    hint : str, optional
        What to do, when the general advice does not fit.
    """
    missing = [name for name in dict.fromkeys(names) if name not in frame.columns]
    if missing:
        raise ColumnError.missing(missing, frame.columns, hint=hint)
    if len(frame) == 0:
        raise DataError.build("The frame has no rows.", hint="check the file and any filter applied before this call.")


def as_names(names: str | Iterable[str]) -> list[str]:
    """Return names as a list: one text is one name, not its letters."""
    return [names] if isinstance(names, str) else list(names)


def one_column(frame: pd.DataFrame, column: str) -> pd.Series:
    """Return a column by its name.

    Raises
    ------
    ColumnError
        If the column is missing, or two columns have this name.
    """
    require_columns(frame, [column])
    if list(frame.columns).count(column) > 1:
        raise ColumnError.build(f"Two or more columns are called '{column}'.", hint="rename them so that names differ.")
    return frame[column]


def numeric_values(frame: pd.DataFrame, column: str) -> np.ndarray:
    """Return a rating column as floats, NaN where missing.

    Parameters
    ----------
    frame : DataFrame
        Holds the column.
    column : str
        Numeric, boolean or nullable numeric column; text that reads as a number is accepted.

    Returns
    -------
    ndarray, shape (n_rows,)

    Raises
    ------
    ColumnError
        If the column is missing or holds text that is not a number.
    """
    values = one_column(frame, column)
    if isinstance(values.dtype, np.dtype) and values.dtype.kind in "fiub":
        return values.to_numpy(dtype=float)
    if values.dtype.kind in "mM":
        raise ColumnError.build(
            f"Column '{column}' holds dates or times, not numbers.",
            hint=f"turn them into numbers: frame.groupby('patient')['{column}'].rank('dense') for an order, "
            f"(frame['{column}'] - start).dt.days for days.",
        )
    if values.dtype.kind == "c":
        raise ColumnError.build(f"Column '{column}' holds complex numbers.", hint="pass their real part.")
    numbers = pd.to_numeric(values.astype(object), errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    bad = np.isnan(numbers) & ~values.isna().to_numpy()
    if bad.any():
        raise ColumnError.not_numeric(column, int(bad.sum()), len(values), int(np.flatnonzero(bad)[0]) + 1)
    return numbers


def group_codes(frame: pd.DataFrame, column: str) -> tuple[np.ndarray, int]:
    """Number the levels of a grouping column in order of their values' appearance.

    Returns
    -------
    codes : ndarray of int, shape (n_rows,)
        -1 where the level is missing.
    n_levels : int
    """
    values = one_column(frame, column)
    if isinstance(values.dtype, np.dtype) and values.dtype.kind == "i" and len(values):
        # Sorted ids need no hash table, which takes most of the time of a large file.
        steps = values.to_numpy()[1:] != values.to_numpy()[:-1]
        if values.is_monotonic_increasing:
            codes = np.concatenate(([0], np.cumsum(steps)))
            return codes, int(codes[-1]) + 1
    codes, levels = pd.factorize(values)
    return codes, len(levels)


def nested_within(inner: np.ndarray, outer: np.ndarray) -> bool:
    """Tell whether every level of ``inner`` meets one level of ``outer`` only.

    Parameters
    ----------
    inner, outer : ndarray of int, shape (n_rows,)
        Level codes; rows with a negative code are left out.
    """
    known = (inner >= 0) & (outer >= 0)
    inner, outer = inner[known], outer[known]
    if inner.size == 0:
        return True
    parent = np.full(int(inner.max()) + 1, -1)
    parent[inner] = outer
    return bool(np.array_equal(parent[inner], outer))


def session_order(frame: pd.DataFrame, column: str = "session") -> np.ndarray:
    """Return session numbers as integers.

    Raises
    ------
    DataError
        If a session number is missing or not a whole number.
    """
    numbers = numeric_values(frame, column)
    broken = ~np.isfinite(numbers) | (numbers != np.round(numbers))
    if broken.any():
        raise DataError.build(
            f"Column '{column}' must hold whole numbers, the order of sessions; {int(broken.sum())} of {len(numbers)} "
            f"are missing or fractional (the first in data row {int(np.flatnonzero(broken)[0]) + 1}).",
            hint="turn dates into an order first, for example frame.groupby('patient')['date'].rank('dense').",
        )
    return numbers.astype(np.int64)


def duplicated_rows(frame: pd.DataFrame, keys: Sequence[str]) -> np.ndarray:
    """Return the positions of rows that repeat an earlier row's keys, shape (n_duplicates,)."""
    require_columns(frame, keys)
    if _ascends(frame, keys):
        return np.zeros(0, dtype=np.int64)
    return np.flatnonzero(frame.duplicated(subset=list(keys)).to_numpy())


def _ascends(frame: pd.DataFrame, keys: Sequence[str]) -> bool:
    """Tell whether whole-number keys stand in strictly ascending order, a quick proof that none occurs twice."""
    columns = [frame[key] for key in keys]
    if not all(isinstance(column.dtype, np.dtype) and column.dtype.kind == "i" for column in columns):
        return False
    ascending = np.zeros(max(len(frame) - 1, 0), dtype=bool)
    tied = ~ascending
    for column in columns:
        values = column.to_numpy()
        ascending |= tied & (values[1:] > values[:-1])
        tied &= values[1:] == values[:-1]
    return bool(ascending.all())


def require_unique_sessions(frame: pd.DataFrame, keys: Sequence[str]) -> None:
    """Raise a DataError if two rows describe the same patient, session and rater."""
    again = duplicated_rows(frame, keys)
    if again.size:
        raise DataError.build(
            f"{again.size} {'row repeats' if again.size == 1 else 'rows repeat'} the {', '.join(keys)} of an earlier row "
            f"(the first in data row {again[0] + 1}).",
            hint="remove the copies, or name the column that tells the rows apart (rater=, role= or dyad=).",
        )
