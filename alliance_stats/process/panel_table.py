"""Two ratings of the same patients as a table of patients by sessions."""

from __future__ import annotations

from dataclasses import dataclass, field
from numbers import Integral

import numpy as np
import numpy.typing as npt
import pandas as pd

from alliance_stats.errors import ColumnError, DataError, ModelError
from alliance_stats.process.arguments import whole_number
from alliance_stats.process.panel_rows import FloatArray, PanelRows, panel_rows, patients_with, rows_note
from alliance_stats.process.session_series import LONGEST

MIN_WAVES = 3
"""With two sessions a stable difference between patients and an autoregression cannot be told apart."""

REACHED = 0.5
"""Share of the patients that must have a rating of a session for it to be used by default."""

COLLINEAR = 1e-10
"""Largest share of one rating's variance within patients that is not the other's, of ratings that are one rating."""


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
    rows : str
        The sentence on rows given, used and left out.
    """

    first: FloatArray
    second: FloatArray
    sessions: tuple[int, ...]
    n_left_out: int
    rows: str = field(default="", repr=False)

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
    if first == second:
        raise ColumnError.build(f"'{first}' is named twice.", hint="pass two different rating columns.")
    _check_waves(waves)
    rows = panel_rows(frame, [first, second])
    rated = np.asarray(~np.isnan(rows.cells).all(axis=1))
    if not rated.any():
        raise DataError.build(
            f"No row has a patient and a rating of '{first}' or '{second}'.",
            hint="check how missing values are marked.",
        )
    start, count = _window(rows, rated, waves)
    kept = rated & (rows.session < start + count)
    table = np.full((2, rows.n_patients, count), np.nan)
    table[:, rows.patient[kept], rows.session[kept] - start] = rows.cells[kept].T
    present = ~np.isnan(table).all(axis=(0, 2))
    sessions = tuple(int(start + wave) for wave in range(count))
    counts = [
        (int((~rated).sum()), f"with neither {first} nor {second}"),
        (int((rated & ~kept).sum()), f"of later sessions than {sessions[-1]}"),
    ]
    panel = PanelTable(
        first=table[0, present],
        second=table[1, present],
        sessions=sessions,
        n_left_out=rows.n_patients - int(present.sum()),
        rows=rows_note(rows, f"{int(kept.sum())} used", counts),
    )
    for name, ratings in ((first, panel.first), (second, panel.second)):
        _check_ratings(name, ratings, sessions)
    _check_two_ratings(panel, (first, second))
    return panel


def _check_waves(waves: object) -> None:
    """Raise an error for a number of sessions that cannot be used."""
    if waves is None:
        return
    if not isinstance(waves, bool) and isinstance(waves, Integral) and int(waves) < MIN_WAVES:
        raise ModelError.build(
            f"waves={waves}: the models need {MIN_WAVES} or more sessions. With two, stable differences between patients "
            "and an autoregression cannot be told apart.",
            hint="pass for example waves=5 for the first five sessions.",
        )
    whole_number(waves, "waves", least=MIN_WAVES)


def _window(rows: PanelRows, rated: npt.NDArray[np.bool_], waves: int | None) -> tuple[int, int]:
    """Return the first session number and the number of sessions used."""
    numbers = rows.session[rated]
    start, last = int(numbers.min()), int(numbers.max())
    span = last - start + 1
    if span > LONGEST:
        raise DataError.build(
            f"Session numbers run over {span} steps.",
            hint="number sessions 1, 2, 3, ..., for example frame.groupby('patient')['date'].rank('dense').",
        )
    per_patient = np.bincount(rows.patient[rated])
    if int((per_patient > 1).sum()) == 0:
        n_patients = int((per_patient > 0).sum())
        raise DataError.build(
            f"{'All ' if n_patients > 1 else ''}{n_patients} {'patients have' if n_patients > 1 else 'patient has'} one rated "
            "session: nothing changes over sessions.",
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
            f"Nobody has a rating of '{name}' in session {empty[0]} ({len(empty)} of {len(sessions)} sessions).",
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
            f"'{name}' does not vary within patients ({patients_with(int(several.sum()))} two or more ratings).",
            hint="effects from session to session need ratings that change; compare patients with lmm() instead.",
        )


def _check_two_ratings(panel: PanelTable, names: tuple[str, str]) -> None:
    """Raise a ModelError if one rating is the other in other units, apart from differences between patients."""
    both = ~np.isnan(panel.first) & ~np.isnan(panel.second)
    both &= both.sum(axis=1, keepdims=True) > 1
    rows = both.any(axis=1)
    if int(both.sum()) - int(rows.sum()) < MIN_WAVES:
        return
    parts = []
    for ratings in (panel.first, panel.second):
        known = np.where(both, ratings, np.nan)[rows]
        parts.append((known - np.nanmean(known, axis=1, keepdims=True))[both[rows]])
    squares = np.array([[np.dot(one, other) for other in parts] for one in parts])
    left = squares[1, 1] - squares[0, 1] ** 2 / squares[0, 0] if squares[0, 0] > 0 else np.nan
    if left <= COLLINEAR * squares[1, 1]:
        raise ModelError.build(
            f"'{names[0]}' and '{names[1]}' are perfectly collinear within patients in all {int(both.sum())} sessions that have "
            "both: one is the other in other units, so no effect of one with the other held fixed exists.",
            hint="pass two ratings that differ, such as an alliance score and a symptom score of other items.",
        )
