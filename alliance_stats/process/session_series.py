"""One rating per unit and session, in order: what analyses of single courses start from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from alliance_stats.columns import CANONICAL, numeric_values, one_column, require_columns
from alliance_stats.errors import ColumnError, DataError, counted

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

LONGEST = 20_000
"""Session numbers further apart than this are dates or codes, not an order."""

ROUNDING = 1e-9
"""Share of the largest rating by which sums and differences of decimal numbers may be off."""

COUNTABLE = 2.0**53
"""Beyond it not every whole number is a float."""

# day, month and year as numbers, in any order, with or without a time of day
DATE = r"\s*\d{1,4}[-./]\s?\d{1,2}[-./]\s?\d{1,4}([ T].*)?"


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
    slack : float
        Points by which a difference of ratings may miss its true value through rounding.
    notes : tuple of str
        Rows used, left out and sorted.
    """

    units: pd.DataFrame
    codes: IntArray
    sessions: IntArray
    ratings: FloatArray
    rows: IntArray
    slack: float
    notes: tuple[str, ...]

    @property
    def n_units(self) -> int:
        """Units with or without ratings."""
        return len(self.units)

    @property
    def noun(self) -> str:
        """What a unit is called: the columns that name it."""
        return unit_noun([str(name) for name in self.units.columns])

    @property
    def counts(self) -> IntArray:
        """Ratings of each unit, shape (n_units,)."""
        return np.bincount(self.codes, minlength=self.n_units).astype(np.int64)

    @property
    def neighbours(self) -> IntArray:
        """Pairs of ratings of neighbouring sessions of each unit, shape (n_units,)."""
        pairs = (np.diff(self.codes) == 0) & (np.diff(self.sessions) == 1)
        return np.bincount(self.codes[1:][pairs], minlength=self.n_units).astype(np.int64)

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


def unit_noun(names: Sequence[str]) -> str:
    """Return what a unit is called: "patient", or "dyad-session" for a session of a dyad."""
    return "-".join(names)


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
    require_rating(column)
    names = [unit] if isinstance(unit, str) else list(unit)
    require_columns(frame, [*names, order, column], hint="rename your columns with read_sessions().")
    return arrange_series(
        frame, read_ratings(frame, column), label=f"'{column}'", unit=names, order=order, slack=slack_of(frame, column)
    )


def require_rating(column: str) -> None:
    """Raise when a column holds who, when or where, and no rating."""
    if column in CANONICAL:
        raise ColumnError.build(
            f"Column '{column}' holds {CANONICAL[column]}, not a rating.", hint="name the column of a score."
        )


def read_ratings(frame: pd.DataFrame, column: str) -> FloatArray:
    """Return a rating column as floats, NaN where missing, shape (n_rows,).

    Raises
    ------
    ColumnError
        If the column is missing or not numeric.
    DataError
        If values are infinite.

    Notes
    -----
    A number of four bytes, as Stata stores them, stands for the shortest decimal number that it is nearest to: 0.1 and not
    0.10000000149, so that a difference that just reaches a threshold reaches it however the rating is stored.
    """
    values = numeric_values(frame, column)
    endless = int(np.isinf(values).sum())
    if endless:
        raise DataError.build(
            f"Column '{column}' has {counted(endless, 'infinite value')}.", hint="mark them as missing first."
        )
    kind = _float_kind(frame, column)
    return values if kind is None else values.astype(kind).astype(str).astype(np.float64)


def slack_of(frame: pd.DataFrame, column: str) -> float:
    """Return by how many points rounding may move a difference of ratings."""
    values = np.abs(read_ratings(frame, column))
    kind = _float_kind(frame, column)
    share = ROUNDING if kind is None else max(ROUNDING, 4.0 * float(np.finfo(kind).eps))
    return share * float(np.nanmax(values)) if np.isfinite(values).any() else 0.0


def _float_kind(frame: pd.DataFrame, column: str) -> type[np.floating] | None:
    """Return the type of numbers stored in fewer than eight bytes, or None."""
    dtype = one_column(frame, column).dtype
    stored = getattr(dtype, "numpy_dtype", dtype)
    if isinstance(stored, np.dtype) and stored.kind == "f" and stored.itemsize < 8:
        return np.float32 if stored.itemsize == 4 else np.float16
    return None


def arrange_series(
    frame: pd.DataFrame, values: FloatArray, *, label: str, unit: Sequence[str], order: str, slack: float
) -> SessionSeries:
    """Return values of the rows of a frame, shape (n_rows,), by unit and in order; ``label`` says what they are.

    Raises
    ------
    ColumnError, DataError
        As `read_series`.
    """
    names = list(unit)
    for name in names:
        one_column(frame, name)
    named = frame[names].notna().all(axis=1).to_numpy()
    rated = ~np.isnan(values)
    if not (named & rated).any():
        raise DataError.build(
            f"No row has both {', '.join(names)} and a value of {label}.", hint="check the file and the column."
        )
    times = _whole_order(frame, order, named)
    if "rater" not in names:
        _check_raters(frame.loc[named & rated], label)
    codes = np.full(len(frame), -1)
    codes[named] = frame.loc[named, names].groupby(names, sort=False, observed=True, dropna=True).ngroup().to_numpy()
    _check_once(codes[named], times[named], np.flatnonzero(named), [*names, order])
    units = frame.loc[named, names].drop_duplicates().reset_index(drop=True)
    kept, moved = _in_order(codes, times, rated, order)
    notes = (_row_note(codes, rated, unit_noun(names), label), *moved)
    return SessionSeries(units, codes[kept], times[kept], values[kept], kept, slack, notes)


def order_values(frame: pd.DataFrame, column: str) -> FloatArray:
    """Return a column of times or session numbers as floats, NaN where missing.

    Raises
    ------
    ColumnError
        If it is missing, holds dates, or is not numeric.
    """
    texts = one_column(frame, column).dropna()
    if len(texts) and texts.dtype.kind not in "fiubmM" and texts.astype(str).str.fullmatch(DATE).all():
        raise ColumnError.build(
            f"Column '{column}' holds dates as text, not numbers.",
            hint=f"read them first: day = pd.to_datetime(frame['{column}']); then day.groupby(frame['patient'])"
            ".rank('dense') is an order, (day - day.min()).dt.days are days.",
        )
    return numeric_values(frame, column)


def _whole_order(frame: pd.DataFrame, order: str, named: BoolArray) -> IntArray:
    """Return session numbers, 0 in rows that name no unit."""
    numbers = order_values(frame, order)
    broken = named & (~(np.abs(numbers) <= COUNTABLE) | (numbers != np.round(numbers)))
    if broken.any():
        raise DataError.build(
            f"Column '{order}' must hold whole numbers, the order of sessions; {int(broken.sum())} of {int(named.sum())} "
            f"are missing or fractional (the first in data row {int(np.flatnonzero(broken)[0]) + 1}).",
            hint="leave those rows out, or number sessions 1, 2, 3, ...; dates become an order with "
            "frame.groupby('patient')['date'].rank('dense').",
        )
    return np.where(named, numbers, 0).astype(np.int64)


def _in_order(codes: IntArray, times: IntArray, rated: BoolArray, order: str) -> tuple[IntArray, list[str]]:
    """Return positions of the rated rows by unit and time, and a note when rows stood in another order."""
    rows = np.flatnonzero((codes >= 0) & rated)
    span = int(times[rows].max() - times[rows].min())
    if span > LONGEST:
        raise DataError.build(
            f"The numbers in '{order}' run over {span} steps.",
            hint="number sessions 1, 2, 3, ..., for example frame.groupby('patient')['date'].rank('dense').",
        )
    latest = pd.Series(times[rows]).groupby(codes[rows]).cummax().to_numpy()
    turned = int((times[rows] < latest).sum())
    note = f"{counted(turned, 'row')} stood after a later {order} of the same unit; rows were sorted by '{order}'."
    return rows[np.lexsort((times[rows], codes[rows]))], [note] if turned else []


def _row_note(codes: IntArray, rated: BoolArray, noun: str, label: str) -> str:
    """Return how many rows were used, and why the others were not."""
    used = (codes >= 0) & rated
    people = int(np.unique(codes[used]).size)
    silent = int(codes.max()) + 1 - people
    reasons = [(int((codes < 0).sum()), f"without {noun}"), (int(((codes >= 0) & ~rated).sum()), f"without {label}")]
    lost = ", ".join(f"{n} {why}" for n, why in reasons if n)
    text = f"Rows: {codes.size}; used: {int(used.sum())}, of {counted(people, noun)}; "
    text += f"left out: {lost} (each row counted once)" if lost else "none left out"
    text += "; sessions without a rating count as missing" if reasons[1][0] else ""
    return text + (f"; {counted(silent, noun)} {'has' if silent == 1 else 'have'} no rating at all." if silent else ".")


def _check_raters(rated: pd.DataFrame, label: str) -> None:
    """Raise when the ratings are those of several raters."""
    if "rater" in rated and rated["rater"].nunique() > 1:
        raise DataError.build(
            f"{label} mixes the ratings of {rated['rater'].nunique()} raters (column 'rater'); a change from one row to "
            "the next would be a change of rater.",
            hint="keep the rows of one rater, for example with frame[frame['rater'] == <one rater>].",
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
