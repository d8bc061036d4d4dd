"""One rating per unit and session, in order: what analyses of single courses start from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from alliance_stats.columns import CANONICAL, numeric_values, require_columns, session_order
from alliance_stats.errors import ColumnError, DataError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

LONGEST = 20_000
"""Session numbers further apart than this are dates or codes, not an order."""


@dataclass(frozen=True, eq=False)
class SessionSeries:
    """Ratings of all units, sorted by unit and session.

    Parameters
    ----------
    units : DataFrame, one row per unit
        The columns that name a unit, as in the user's frame.
    codes : ndarray of int, shape (n_rated,)
        Row of ``units`` of each rating.
    sessions : ndarray of int, shape (n_rated,)
    ratings : ndarray, shape (n_rated,)
        None missing.
    rows : ndarray of int, shape (n_rated,)
        Positions in the user's frame.
    notes : tuple of str
        Rows left out and sorted.
    """

    units: pd.DataFrame
    codes: IntArray
    sessions: IntArray
    ratings: FloatArray
    rows: IntArray
    notes: tuple[str, ...]

    @property
    def n_units(self) -> int:
        """Units with or without ratings."""
        return len(self.units)

    @property
    def counts(self) -> IntArray:
        """Ratings of each unit, shape (n_units,)."""
        return np.bincount(self.codes, minlength=self.n_units).astype(np.int64)

    def grid(self) -> tuple[FloatArray, IntArray]:
        """Return ratings by unit and session, NaN where there is none, shape (n_units, n_sessions), and the sessions."""
        first, last = int(self.sessions.min()), int(self.sessions.max())
        table = np.full((self.n_units, last - first + 1), np.nan)
        table[self.codes, self.sessions - first] = self.ratings
        return table, np.arange(first, last + 1)

    def on_grid(self, values: FloatArray) -> FloatArray:
        """Return another column of the user's frame, shape (n_rows,), on the grid of these ratings."""
        first, last = int(self.sessions.min()), int(self.sessions.max())
        table = np.full((self.n_units, last - first + 1), np.nan)
        table[self.codes, self.sessions - first] = values[self.rows]
        return table

    def courses(self) -> list[tuple[IntArray, FloatArray]]:
        """Return sessions and ratings of each unit."""
        ends = np.cumsum(self.counts)
        starts = ends - self.counts
        return [(self.sessions[a:b], self.ratings[a:b]) for a, b in zip(starts, ends, strict=True)]


def read_series(
    frame: pd.DataFrame, column: str, *, unit: str | Sequence[str] = "patient", order: str = "session"
) -> SessionSeries:
    """Return the ratings of a column, checked and sorted.

    Parameters
    ----------
    frame : DataFrame
        One row per unit and session; rows in any order.
    column : str
        Numeric ratings.
    unit : str or sequence of str
        Columns that together name a unit.
    order : str
        Whole numbers, the order within the unit.

    Raises
    ------
    ColumnError
        If a column is missing, not numeric, or not a rating.
    DataError
        If raters are mixed, a unit has two rows of one session, numbers are no order, or nothing is rated.
    """
    names = [unit] if isinstance(unit, str) else list(unit)
    if column in CANONICAL:
        raise ColumnError.build(
            f"Column '{column}' holds {CANONICAL[column]}, not a rating.", hint="name the column of a score."
        )
    require_columns(frame, [*names, order, column], hint="rename your columns with read_sessions().")
    values = numeric_values(frame, column)
    if np.isinf(values).any():
        raise DataError.build(
            f"Column '{column}' has {int(np.isinf(values).sum())} infinite values.", hint="mark them as missing first."
        )
    named = frame[names].notna().all(axis=1).to_numpy()
    if not (named & ~np.isnan(values)).any():
        raise DataError.build(
            f"No row has both {', '.join(names)} and a value of '{column}'.", hint="check the file and the column."
        )
    times = np.zeros(len(frame), dtype=np.int64)
    times[named] = session_order(frame.loc[named], order)
    _check_raters(frame.loc[named & ~np.isnan(values)], column)
    codes = np.full(len(frame), -1)
    codes[named] = frame.loc[named, names].groupby(names, sort=False, observed=True, dropna=True).ngroup().to_numpy()
    _check_once(codes[named], times[named], np.flatnonzero(named), [*names, order])
    units = frame.loc[named, names].drop_duplicates().reset_index(drop=True)
    return _sorted(units, codes, times, values, order)


def _sorted(units: pd.DataFrame, codes: IntArray, times: IntArray, values: FloatArray, order: str) -> SessionSeries:
    """Return the rated rows in order, with notes on what was left out and moved."""
    rated = np.flatnonzero((codes >= 0) & ~np.isnan(values))
    span = int(times[rated].max() - times[rated].min())
    if span > LONGEST:
        raise DataError.build(
            f"The numbers in '{order}' run over {span} steps.",
            hint="number sessions 1, 2, 3, ..., for example frame.groupby('patient')['date'].rank('dense').",
        )
    turned = int((np.diff(times[rated])[np.diff(codes[rated]) == 0] < 0).sum())
    kept = rated[np.lexsort((times[rated], codes[rated]))]
    notes = []
    if (codes < 0).any():
        notes.append(f"{int((codes < 0).sum())} rows that name no unit were left out.")
    missing = int(np.isnan(values[codes >= 0]).sum())
    if missing:
        notes.append(f"{missing} of {int((codes >= 0).sum())} rows have no rating; their sessions count as missing.")
    if turned:
        notes.append(f"{turned} rows stood after a later {order} of the same unit; rows were sorted by '{order}'.")
    return SessionSeries(units, codes[kept], times[kept], values[kept], kept, tuple(notes))


def _check_raters(rated: pd.DataFrame, column: str) -> None:
    """Raise when the ratings are those of several raters."""
    if "rater" in rated and rated["rater"].nunique() > 1:
        raise DataError.build(
            f"'{column}' mixes the ratings of {rated['rater'].nunique()} raters (column 'rater'); a change from one row to "
            "the next would be a change of rater.",
            hint='keep one of them, for example frame[frame["rater"] == "patient"].',
        )


def _check_once(codes: IntArray, times: IntArray, rows: IntArray, keys: Sequence[str]) -> None:
    """Raise when a unit has two rows of one session."""
    again = np.flatnonzero(pd.DataFrame({"unit": codes, "time": times}).duplicated().to_numpy())
    if again.size:
        count = "row repeats" if again.size == 1 else "rows repeat"
        raise DataError.build(
            f"{again.size} {count} the {', '.join(keys)} of an earlier row (the first in data row {rows[again[0]] + 1}).",
            hint="remove the copies, or keep one rater, role or dyad.",
        )


def content_order(blocks: Sequence[FloatArray]) -> list[int]:
    """Return an order of blocks that depends on nothing but the numbers in them, so that labels and rows cannot matter."""
    return sorted(range(len(blocks)), key=lambda place: (blocks[place].size, blocks[place].tobytes()))
