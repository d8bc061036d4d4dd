"""Two ratings of the same patients as a table of patients by sessions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from alliance_stats.columns import (
    group_codes,
    numeric_values,
    one_column,
    require_columns,
    require_unique_sessions,
    session_order,
)
from alliance_stats.errors import ColumnError, DataError, ModelError

FloatArray = npt.NDArray[np.float64]

MIN_WAVES = 3
"""With two sessions a stable difference between patients and an autoregression cannot be told apart."""

REACHED = 0.5
"""Share of the patients that must have a rating of a session for it to be used by default."""


@dataclass(frozen=True)
class PanelTable:
    """Two ratings by patient and session.

    Parameters
    ----------
    first, second : ndarray, shape (n_patients, n_waves)
        NaN where a rating is missing; at least one rating per patient.
    sessions : tuple of int
        Session numbers of the waves, without gaps.
    n_left_out : int
        Patients without a rating in these sessions.
    """

    first: FloatArray
    second: FloatArray
    sessions: tuple[int, ...]
    n_left_out: int

    @property
    def n_patients(self) -> int:
        """Number of patients."""
        return len(self.first)

    @property
    def n_waves(self) -> int:
        """Number of sessions used."""
        return len(self.sessions)

    @property
    def n_missing(self) -> int:
        """Number of ratings that are missing, of both kinds."""
        return int(np.isnan(self.first).sum() + np.isnan(self.second).sum())

    def long(self) -> pd.DataFrame:
        """Return one row per patient and session with ``first``, ``second``, ``patient`` and ``session``."""
        return pd.DataFrame(
            {
                "patient": np.repeat(np.arange(self.n_patients), self.n_waves),
                "session": np.tile(np.array(self.sessions), self.n_patients),
                "first": self.first.ravel(),
                "second": self.second.ravel(),
            }
        )


def panel_table(frame: pd.DataFrame, first: str, second: str, waves: int | None) -> PanelTable:
    """Arrange two rating columns of a session table by patient and session.

    Parameters
    ----------
    frame : DataFrame
        Session table, one row per patient and session.
    first, second : str
        Rating columns.
    waves : int or None
        Number of sessions, from the lowest session number on; None for the sessions that half of the patients reached.

    Raises
    ------
    ColumnError
        If a column is missing or not numeric, or both ratings are the same column.
    DataError
        If raters are mixed, sessions repeat, there are fewer than three sessions, or a rating does not vary.
    ModelError
        If ``waves`` is no whole number of three or more.
    """
    require_columns(frame, ["patient", "session", first, second], hint="rename your columns with read_sessions().")
    if first == second:
        raise ColumnError.build(f"'{first}' is named twice.", hint="pass two different rating columns.")
    _check_waves(waves)
    one_rater_each(frame)
    codes, n_patients = group_codes(frame, "patient")
    numbers = session_order(frame)
    values = np.column_stack([_ratings(frame, name) for name in (first, second)])
    rated = (codes >= 0) & ~np.isnan(values).all(axis=1)
    if not rated.any():
        raise DataError.build(
            f"No row has a patient and a rating of '{first}' or '{second}'.",
            hint="check how missing values are marked.",
        )
    start, count = _window(codes[rated], numbers[rated], waves)
    kept = rated & (numbers < start + count)
    table = np.full((2, n_patients, count), np.nan)
    table[:, codes[kept], numbers[kept] - start] = values[kept].T
    present = ~np.isnan(table).all(axis=(0, 2))
    n_rated = len(np.unique(codes[codes >= 0]))
    sessions = tuple(int(start + wave) for wave in range(count))
    panel = PanelTable(table[0, present], table[1, present], sessions, n_rated - int(present.sum()))
    for name, ratings in ((first, panel.first), (second, panel.second)):
        _check_ratings(name, ratings, sessions)
    return panel


def one_rater_each(frame: pd.DataFrame) -> None:
    """Raise a DataError if several raters stand in one column, or a patient has two rows of one session."""
    if "rater" in frame.columns:
        raters = one_column(frame, "rater").nunique()
        if raters > 1:
            raise DataError.build(
                f"Column 'rater' has {raters} raters: their ratings stand mixed in one column.",
                hint="keep one of them, for example frame[frame['rater'] == 'patient'], or spread raters over columns with "
                "to_wide().",
            )
    require_unique_sessions(frame, ["patient", "session"])


def _check_waves(waves: int | None) -> None:
    """Raise a ModelError for a number of sessions that cannot be used."""
    if waves is None:
        return
    if isinstance(waves, bool) or not isinstance(waves, int | np.integer) or waves < MIN_WAVES:
        raise ModelError.build(
            f"waves={waves!r}: the models need {MIN_WAVES} or more sessions. With two, stable differences between patients "
            "and an autoregression cannot be told apart.",
            hint="pass for example waves=5 for the first five sessions.",
        )


def _ratings(frame: pd.DataFrame, name: str) -> FloatArray:
    """Return a rating column, shape (n_rows,)."""
    values = numeric_values(frame, name)
    if np.isinf(values).any():
        raise DataError.build(
            f"Column '{name}' has {int(np.isinf(values).sum())} infinite values.", hint="mark them as missing first."
        )
    return values


def _window(codes: npt.NDArray[np.int64], numbers: npt.NDArray[np.int64], waves: int | None) -> tuple[int, int]:
    """Return the first session number and the number of sessions used."""
    start, last = int(numbers.min()), int(numbers.max())
    span = last - start + 1
    per_patient = np.bincount(codes)
    if int((per_patient > 1).sum()) == 0:
        raise DataError.build(
            f"All {int((per_patient > 0).sum())} patients have one rated session: nothing changes over sessions.",
            hint="effects from session to session need three or more sessions of many patients.",
        )
    if waves is None:
        reached = np.bincount(numbers - start) >= REACHED * int((per_patient > 0).sum())
        waves = int(np.argmin(np.append(reached, False)))
        rule = f"half of the patients reached {waves} sessions in a row"
    else:
        rule = f"session numbers run from {start} to {last}, {span} in all"
    if span < max(waves, MIN_WAVES) or waves < MIN_WAVES:
        raise DataError.build(
            f"Too few sessions: {rule}; {max(waves, MIN_WAVES)} are needed.",
            hint="use fewer sessions (waves=), three at least; with fewer than three describe change with lmm() instead.",
        )
    return start, int(waves)


def _check_ratings(name: str, ratings: FloatArray, sessions: tuple[int, ...]) -> None:
    """Raise a DataError if a rating is missing in a whole session, or does not vary as the models need."""
    empty = [session for session, column in zip(sessions, ratings.T, strict=True) if np.isnan(column).all()]
    if empty:
        raise DataError.build(
            f"Nobody has a rating of '{name}' in session {empty[0]} ({len(empty)} such sessions).",
            hint="use fewer sessions (waves=), or number the rated sessions 1, 2, 3, ...",
        )
    steady = [
        session for session, column in zip(sessions, ratings.T, strict=True) if np.nanmax(column) == np.nanmin(column)
    ]
    if steady:
        raise DataError.build(
            f"'{name}' is the same for all patients in {len(steady)} of {len(sessions)} sessions (the first: session "
            f"{steady[0]}).",
            hint="a rating that does not vary has no effects; check the column, or use other sessions.",
        )
    several = np.sum(~np.isnan(ratings), axis=1) > 1
    if not several.any() or np.all(np.nanmax(ratings[several], axis=1) == np.nanmin(ratings[several], axis=1)):
        raise DataError.build(
            f"'{name}' does not vary within patients ({int(several.sum())} patients have two or more ratings).",
            hint="effects from session to session need ratings that change; compare patients with lmm() instead.",
        )
