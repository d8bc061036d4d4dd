"""Why answers are missing: the codes that a file declares missing, kept apart from the cells."""

from __future__ import annotations

import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from alliance_stats.columns import one_column
from alliance_stats.errors import DataError
from alliance_stats.loaders.labels import Code, ColumnLabels, labels_of, plain_code

ROW_KEYS: tuple[str, ...] = ("patient", "session", "rater", "dyad", "role")
"""Columns that name a row of a session table, as far as they exist."""

_KEY = "missing_reasons"
_PLAIN = 1e15
"""Whole numbers from here on have another text as decimals than as integers."""


def missing_reasons(frame: pd.DataFrame, column: str) -> pd.Series:
    """Return why the answers of a column are missing, as the file coded it.

    SPSS files declare some codes missing (-99 "refused"), Stata files have the letters .a to .z. `read_sessions` makes
    these cells missing and keeps the codes; this function gives them back for the rows that the frame still has.

    Parameters
    ----------
    frame : DataFrame
        A session table as read by `read_sessions`, filtered and sorted as you like.
    column : str
        A column of it.

    Returns
    -------
    Series of str, shape (n_rows,)
        The label of the code, or the code where it has none; missing where there is an answer, or no reason is known.

    Raises
    ------
    ColumnError
        If there is no such column.

    Examples
    --------
    >>> import alliance_stats as al
    >>> frame = al.load_sample("therapist_statements")
    >>> int(al.missing_reasons(frame, "wai_1").notna().sum())
    0
    """
    one_column(frame, column)
    names = dict(labels_of(frame).get(column, ColumnLabels()).value_labels)
    codes = reason_codes(frame, column)
    texts = [None if code is None else names.get(code, plain_code(code)) for code in codes]
    return pd.Series(texts, index=frame.index, name=column, dtype="str")


def reason_codes(frame: pd.DataFrame, column: str) -> list[Code | None]:
    """Return the code that stood in each cell that is missing now, None where there is none."""
    found: list[Code | None] = [None] * len(frame)
    stored = _stored(frame).get(column)
    absent = np.flatnonzero(frame[column].isna().to_numpy())
    if stored and absent.size:
        known = {row: code for code, rows in stored for row in rows.tolist()}
        for position, row in zip(absent, row_names(frame.iloc[absent]).tolist(), strict=True):
            found[position] = known.get(row)
    return found


def with_reasons(
    frame: pd.DataFrame, reasons: Mapping[str, Mapping[Code, np.ndarray]], names: Mapping[str, str]
) -> pd.DataFrame:
    """Return a frame that remembers why cells are missing.

    Parameters
    ----------
    frame : DataFrame
        As read.
    reasons : mapping
        Column to code to positions of the rows where it stood.
    names : mapping of str to str
        Canonical name to column, for the columns that name a row and will be renamed.
    """
    canonical = {column: name for name, column in names.items()}
    kept = frame.copy(deep=False)
    kept.attrs = dict(frame.attrs)
    every = [rows for by_code in reasons.values() for rows in by_code.values()]
    coded = np.unique(np.concatenate(every)) if every else np.zeros(0, dtype=np.int64)
    keys = [name for name in frame.columns if canonical.get(name, name) in ROW_KEYS]
    named = row_names(frame[keys].iloc[coded].rename(columns=canonical))
    plain = {
        canonical.get(column, column): [
            [code, _packed(named[np.searchsorted(coded, rows)])] for code, rows in by_code.items() if len(rows)
        ]
        for column, by_code in reasons.items()
    }
    if any(plain.values()):
        kept.attrs[_KEY] = json.dumps(plain)
    return kept


def row_codes(frame: pd.DataFrame, columns: Sequence[str]) -> dict[str, dict[Code, np.ndarray]]:
    """Return, for each column, the codes with the positions of their rows in the frame."""
    found: dict[str, dict[Code, np.ndarray]] = {}
    for column in columns:
        codes = pd.Series(reason_codes(frame, column), dtype=object)
        known = codes.dropna()
        found[column] = {code: known.index[known == code].to_numpy() for code in known.unique()}
    return found


def reasons_text(frame: pd.DataFrame) -> str:
    """Return the reasons as they stand in ``attrs``, for a file that goes with the table; empty if there are none."""
    return str(frame.attrs.get(_KEY, ""))


def with_reasons_text(frame: pd.DataFrame, text: str) -> pd.DataFrame:
    """Return the frame with reasons that `reasons_text` gave."""
    kept = frame.copy(deep=False)
    kept.attrs = {**frame.attrs, **({_KEY: text} if text else {})}
    return kept


def require_reasons(text: str, n_rows: int) -> None:
    """Raise a DataError unless the text holds reasons as `reasons_text` gives them, for at most so many rows.

    Parameters
    ----------
    text : str
        From a file.
    n_rows : int
        Rows of its table.
    """
    try:
        for by_code in json.loads(text or "{}").values():
            for code, rows in by_code:
                unpacking = zlib.decompressobj()
                # Packed text may unpack to a thousand times its length.
                found = unpacking.decompress(b64decode(rows, validate=True), 8 * n_rows + 1)
                if (
                    not isinstance(code, int | float | str)
                    or len(found) % 8
                    or len(found) > 8 * n_rows
                    or not unpacking.eof
                ):
                    raise ValueError("rows")
    except (ValueError, TypeError, AttributeError, RecursionError, zlib.error):
        raise DataError.build(
            "The reasons of missing answers that go with these data are not in the form that write_sessions() gives them.",
            hint="write the file again, or remove the labels beside it.",
        ) from None


def reason_counts(frame: pd.DataFrame) -> dict[str, dict[Code, int]]:
    """Return, for each column, how many cells of each code are missing in the rows the frame still has."""
    counts: dict[str, dict[Code, int]] = {}
    for column in _stored(frame):
        if column in frame.columns:
            codes = [code for code in reason_codes(frame, column) if code is not None]
            counts[column] = {code: codes.count(code) for code in dict.fromkeys(codes)}
    return counts


def kept_reasons(frame: pd.DataFrame) -> int:
    """Return how many cells of the columns that the frame still has had a code when it was read."""
    stored = {column: by_code for column, by_code in _stored(frame).items() if column in frame.columns}
    return sum(len(rows) for by_code in stored.values() for _, rows in by_code)


def row_names(frame: pd.DataFrame) -> np.ndarray:
    """Return a number for each row that does not change when rows are filtered or sorted, shape (n_rows,).

    It is a hash of the columns that name a row of a session table; of the row labels if there are none.
    """
    keys = [key for key in ROW_KEYS if key in frame.columns]
    if not keys:
        return np.asarray(pd.util.hash_pandas_object(pd.Series(frame.index), index=False))
    plain = pd.DataFrame({key: as_text(frame[key]) for key in keys})
    return np.asarray(pd.util.hash_pandas_object(plain, index=False))


def as_text(column: pd.Series) -> pd.Series:
    """Return ids or session numbers as text, the same for 1, 1.0 and "1"."""
    if pd.api.types.is_float_dtype(column):
        if bool((column.abs() < _PLAIN).all()) and bool((column == column.round()).all()):
            return column.astype("int64").astype("str")
        return column.map(plain_code, na_action="ignore").astype("str")
    return column.astype("str")


def _stored(frame: pd.DataFrame) -> dict[str, list[tuple[Code, np.ndarray]]]:
    """Return, for each column, the codes with the names of their rows."""
    text = frame.attrs.get(_KEY, "{}")
    return {
        str(column): [(code, _unpacked(rows)) for code, rows in by_code] for column, by_code in json.loads(text).items()
    }


def _packed(rows: np.ndarray) -> str:
    """Return row names as a short text."""
    return b64encode(zlib.compress(np.asarray(rows, dtype="<u8").tobytes(), 1)).decode("ascii")


def _unpacked(text: str) -> np.ndarray:
    """Return the row names that `_packed` wrote."""
    return np.frombuffer(zlib.decompress(b64decode(text)), dtype="<u8")


def declared_missing(column: pd.Series, ranges: Sequence[tuple[Code, Code]]) -> np.ndarray:
    """Tell which cells lie in the ranges declared missing, shape (n_rows,)."""
    marked = np.zeros(len(column), dtype=bool)
    numeric = pd.api.types.is_numeric_dtype(column)
    for low, high in ranges:
        if isinstance(low, str) or isinstance(high, str):
            marked |= (
                np.zeros(len(column), dtype=bool) if numeric else (column == low).to_numpy(dtype=bool, na_value=False)
            )
        elif numeric:
            values = column.to_numpy(dtype=float, na_value=np.nan)
            marked |= (values >= low) & (values <= high)
    return marked
