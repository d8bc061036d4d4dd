"""The rows of a session table that models of several sessions start from, checked, with those left out counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from alliance_stats.columns import (
    ID_COLUMNS,
    group_codes,
    numeric_values,
    one_column,
    require_columns,
    session_order,
)
from alliance_stats.errors import ColumnError, DataError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PanelRows:
    """Rows that name a patient.

    Parameters
    ----------
    patient, session : ndarray of int, shape (n,)
        Patients are numbered from 0.
    cells : ndarray, shape (n, k)
        Ratings, then covariates, NaN where missing.
    n_given : int
        Rows of the session table, with or without a patient.
    """

    patient: IntArray
    session: IntArray
    cells: FloatArray
    n_given: int

    @property
    def n_nameless(self) -> int:
        """Rows that name no patient."""
        return self.n_given - len(self.patient)

    @property
    def n_patients(self) -> int:
        """Patients, with or without ratings."""
        return int(self.patient.max()) + 1 if self.patient.size else 0


def panel_rows(frame: pd.DataFrame, ratings: Sequence[str], covariates: Sequence[str] = ()) -> PanelRows:
    """Return the rows that name a patient.

    Parameters
    ----------
    frame : DataFrame
        Session table, one row per patient and session.
    ratings : sequence of str
        Rating columns.
    covariates : sequence of str
        Further numeric columns.

    Raises
    ------
    ColumnError
        If a column is missing, not numeric, or a rating column names people or sessions.
    DataError
        If raters are mixed, a patient has two rows of one session, a session number is missing or no whole number, or a
        value is infinite.
    """
    require_columns(
        frame, ["patient", "session", *ratings, *covariates], hint="rename your columns with read_sessions()."
    )
    _check_are_ratings(ratings)
    codes, _ = group_codes(frame, "patient")
    named = codes >= 0
    if not named.any():
        raise DataError.build(
            f"None of {len(frame)} rows names a patient.", hint="check column 'patient' and how missing ids are marked."
        )
    values = np.column_stack([_finite(frame, name) for name in [*ratings, *covariates]])
    rated = named & ~np.isnan(values[:, : len(ratings)]).all(axis=1)
    _check_raters(frame, rated)
    numbers = numeric_values(frame, "session")
    # Rows that will not be used need no session number; the others keep their row numbers in messages.
    sessions = session_order(pd.DataFrame({"session": np.where(named, numbers, 0.0)}))
    _check_once(codes, sessions, named)
    return PanelRows(codes[named].astype(np.int64), sessions[named], values[named], len(frame))


def rows_note(rows: PanelRows, used: str, others: Sequence[tuple[int, str]]) -> str:
    """Return the sentence on rows given, used, and left out with the reason.

    Parameters
    ----------
    rows : PanelRows
    used : str
        How many rows are used, with what they are called.
    others : sequence of (int, str)
        Count and reason of rows with a patient that are left out.
    """
    reasons = [f"{count} {why}" for count, why in [(rows.n_nameless, "without a patient id"), *others] if count]
    return f"Rows: {rows.n_given} given, {used}; left out: {', '.join(reasons) or 'none'}."


def patients_with(count: int) -> str:
    """Return "1 patient has" or "12 patients have"."""
    return "1 patient has" if count == 1 else f"{count} patients have"


def _check_are_ratings(names: Sequence[str]) -> None:
    """Raise a ColumnError if a column that names people, places or sessions stands for a rating."""
    wrong = [name for name in names if name in (*ID_COLUMNS, "session")]
    if wrong:
        what = "numbers sessions" if wrong[0] == "session" else "names people or places"
        raise ColumnError.build(f"Column '{wrong[0]}' {what}; it is no rating.", hint="name the column of a score.")


def _finite(frame: pd.DataFrame, name: str) -> FloatArray:
    """Return a numeric column, shape (n_rows,)."""
    values = numeric_values(frame, name)
    count = int(np.isinf(values).sum())
    if count:
        raise DataError.build(
            f"Column '{name}' has {count} infinite {'value' if count == 1 else 'values'}.",
            hint="mark them as missing first.",
        )
    return values


def _check_raters(frame: pd.DataFrame, rated: npt.NDArray[np.bool_]) -> None:
    """Raise a DataError if the ratings are those of several raters."""
    if "rater" not in frame.columns:
        return
    raters = one_column(frame, "rater")[rated].nunique()
    if raters > 1:
        raise DataError.build(
            f"Column 'rater' has {raters} raters: their ratings stand mixed in one column.",
            hint="keep the rows of one rater, for example with frame[frame['rater'] == <one rater>].",
        )


def _check_once(codes: IntArray, sessions: IntArray, named: npt.NDArray[np.bool_]) -> None:
    """Raise a DataError if a patient has two rows of one session."""
    keys = pd.DataFrame({"patient": codes, "session": sessions})
    again = np.flatnonzero(named & keys.duplicated().to_numpy())
    if again.size:
        raise DataError.build(
            f"{again.size} {'row repeats' if again.size == 1 else 'rows repeat'} the patient and session of an earlier row "
            f"(the first in data row {again[0] + 1}).",
            hint="remove the copies; where a column such as rater or role tells the rows apart, keep the rows of one of its "
            "values.",
        )
