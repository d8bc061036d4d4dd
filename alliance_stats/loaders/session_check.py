"""A first look at a session table: what is broken, what is doubtful, what is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from alliance_stats.columns import CANONICAL, ID_COLUMNS, as_names, require_columns
from alliance_stats.errors import DataError, listing
from alliance_stats.loaders.answer_rules import (
    missing_by_session,
    missing_findings,
    rating_findings,
    straight_findings,
)
from alliance_stats.loaders.pseudonyms import suspicious_columns
from alliance_stats.loaders.session_rules import (
    Finding,
    attrition,
    date_findings,
    key_findings,
    session_findings,
    spelling_findings,
    therapist_findings,
)
from alliance_stats.result import Result, plain_records

MOST_CELLS = 4_000_000
"""Cells of the availability map that are kept; more patients are left out of the picture, not of the counts."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SessionCheck(Result):
    """What was found in a session table; made by `check_sessions`.

    Parameters
    ----------
    findings : tuple of Finding
    attrition : DataFrame
        One row per session number: session, n_seen, n_remaining, share_remaining, share_missing (of the answers in its rows).
    availability : ndarray of int, shape (n_patients, n_sessions)
        0: no row, 1: a row without a rating, 2: a row with a rating; patients with the longest course first, without ids.
    first_session : int
        Number of the first column of ``availability``.
    n_rows : int
    """

    findings: tuple[Finding, ...] = field(repr=False)
    attrition: pd.DataFrame = field(repr=False)
    availability: np.ndarray = field(repr=False)
    first_session: int = 1
    n_rows: int

    @property
    def n_errors(self) -> int:
        """Number of rules of level "error" that found something."""
        return sum(found.level == "error" and found.n > 0 for found in self.findings)

    @property
    def n_doubts(self) -> int:
        """Number of rules of level "doubt" that found something."""
        return sum(found.level == "doubt" and found.n > 0 for found in self.findings)

    def tidy(self, *, everything: bool = False) -> pd.DataFrame:
        """Return one row per finding: level, rule, column, n, n_of, share, unit, finding; errors first.

        Parameters
        ----------
        everything : bool
            Also the rules that found nothing.
        """
        order = {"error": 0, "doubt": 1, "fact": 2}
        kept = [found for found in self.findings if everything or found.n > 0]
        rows = [
            {**asdict(found), "share": found.n / found.n_of if found.n_of else np.nan}
            for found in sorted(kept, key=lambda found: order[found.level])
        ]
        return pd.DataFrame(rows, columns=["level", "rule", "column", "n", "n_of", "share", "unit", "finding"])

    def glance(self) -> pd.DataFrame:
        """Return one row: rows, patients, sessions, and how many rules found errors and doubts."""
        row = {"n": self.n_rows, "n_patients": len(self.availability), "n_sessions": self.availability.shape[1]}
        return pd.DataFrame([{**row, "n_errors": self.n_errors, "n_doubts": self.n_doubts}])

    def to_dict(self) -> dict[str, Any]:
        """Return findings, attrition and notes as plain Python values, ready for JSON."""
        return {
            "glance": plain_records(self.glance())[0],
            "findings": plain_records(self.tidy(everything=True)),
            "attrition": plain_records(self.attrition),
            "notes": list(self.notes),
        }


def check_sessions(
    frame: pd.DataFrame,
    *,
    ratings: Sequence[str] = (),
    ranges: Mapping[str, tuple[float, float]] | None = None,
    date: str | None = None,
) -> SessionCheck:
    """Check a session table before anything is computed from it.

    Use it right after reading: repeated rows, gaps and reversed order, single sessions, patients with several therapists,
    ids spelled in two ways, answers out of range, constant or at the ceiling, dates out of order, missing answers, and how
    many patients are left at each session. Nothing is changed, and no id, date or answer is shown.

    Parameters
    ----------
    frame : DataFrame
        One row per patient and session (or rating), with columns 'patient' and 'session'.
    ratings : sequence of str
        Columns with answers; all columns of numbers that are not part of the design if left out.
    ranges : mapping of str to (float, float), optional
        Lowest and highest possible answer of a column.
    date : str, optional
        Column with the date of the session.

    Returns
    -------
    SessionCheck
        ``tidy()`` has the findings, ``attrition`` the patients left at each session; ``plot()`` draws the map of sessions by
        patients and the attrition curve.

    Raises
    ------
    ColumnError
        If a column is missing.
    DataError
        If the table has no rows, no session is a whole number, or a range is empty.

    Notes
    -----
    Levels: an *error* breaks later steps, a *doubt* may be a mistake or the design, a *fact* is good to know. Ceiling: more
    than 15 % of answers at the highest value (after Terwee et al. 2007, doi 10.1016/j.jclinepi.2006.03.012, who count
    respondents with the highest possible score). Constant: three or more sessions; straight-lining: five or more items;
    long interval: more than 365 days; these three are conventions.

    Examples
    --------
    >>> import alliance_stats as al
    >>> frame = al.load_sample("therapist_statements")
    >>> found = al.check_sessions(frame, ratings=["wai_1", "wai_2"], ranges={"wai_1": (1, 5)})
    >>> found.n_errors
    0
    """
    ranges = dict(ranges or {})
    ratings = as_names(ratings)
    require_columns(frame, ["patient", "session", *ratings, *ranges, *([date] if date else [])])
    _require_ranges(ranges)
    keys = [name for name in ("patient", "session", "rater", "dyad", "role") if name in frame.columns]
    chosen = list(dict.fromkeys([*(ratings or _ratings(frame, date)), *ranges]))
    courses = _courses(frame)
    found = key_findings(frame, keys) + session_findings(courses)
    if "therapist" in frame.columns:
        found += therapist_findings(frame)
    found += [spelling_findings(frame, name) for name in ("patient", "therapist") if name in frame.columns]
    found += rating_findings(frame, chosen, ranges) + straight_findings(frame, chosen) + missing_findings(frame, chosen)
    found += date_findings(frame, date) if date else []
    found += _identifying(frame, date)
    left = attrition(courses)
    left = left.assign(share_missing=missing_by_session(frame, chosen, left["session"].to_numpy()))
    availability = _availability(frame, chosen, left["session"].to_numpy())
    return SessionCheck(
        findings=tuple(found),
        attrition=left,
        availability=availability,
        first_session=int(left["session"].iloc[0]),
        n_rows=len(frame),
        notes=_notes(chosen, bool(ratings), ranges, len(courses), len(frame)),
    )


def _require_ranges(ranges: Mapping[str, tuple[float, float]]) -> None:
    """Raise a DataError if a range has no room."""
    shapes = [name for name, given in ranges.items() if isinstance(given, str) or np.shape(given) != (2,)]
    if shapes:
        raise DataError.build(
            f"The range of {listing([f'{name!r}' for name in shapes])} is no pair.",
            hint="give (lowest, highest), such as (1, 7).",
        )
    empty = [name for name, (low, high) in ranges.items() if not low < high]
    if empty:
        raise DataError.build(
            f"The range of {listing([f'{name!r}' for name in empty])} is empty.",
            hint="give (lowest, highest), such as (1, 7).",
        )


def _ratings(frame: pd.DataFrame, date: str | None) -> list[str]:
    """Return the columns of numbers that are not part of the design."""
    design = {*CANONICAL, date}
    return [
        str(name)
        for name in frame.columns
        if name not in design
        and pd.api.types.is_numeric_dtype(frame[name])
        and not pd.api.types.is_bool_dtype(frame[name])
    ]


def _courses(frame: pd.DataFrame) -> pd.DataFrame:
    """Return patient and session of the rows that have both, sessions as whole numbers."""
    numbers = pd.Series(pd.to_numeric(frame["session"], errors="coerce").to_numpy(dtype=float), index=frame.index)
    good = numbers.notna() & (numbers == numbers.round()) & (numbers.abs() < 1e9) & frame["patient"].notna()
    if not bool(good.any()):
        raise DataError.build(
            f"None of the {len(frame)} rows has a patient and a whole number as session.",
            hint="name the right columns; turn dates into an order first, with frame.groupby('patient')['date'].rank('dense').",
        )
    rows = frame.loc[good, ["patient"]].assign(session=numbers[good].astype("int64"))
    return rows.drop_duplicates()


def _identifying(frame: pd.DataFrame, date: str | None) -> list[Finding]:
    """Return columns that may identify persons."""
    reasons = {name: why for name, why in suspicious_columns(frame).items() if name not in {date, *ID_COLUMNS}}
    words = {"name": "its name says so", "date": "it holds dates", "free text": "it holds free text"}
    return [
        Finding(
            "doubt",
            "identifying",
            name,
            1,
            1,
            "columns",
            f"Column '{name}' may identify persons: {words[why]}; see pseudonymise().",
        )
        for name, why in reasons.items()
    ]


def _availability(frame: pd.DataFrame, ratings: Sequence[str], sessions: np.ndarray) -> np.ndarray:
    """Return what each patient has at each session, longest courses first, shape (n_patients, n_sessions)."""
    numbers = pd.to_numeric(frame["session"], errors="coerce").to_numpy(dtype=float)
    patients, levels = pd.factorize(frame["patient"])
    good = (patients >= 0) & np.isin(numbers, sessions)
    answered = np.zeros(len(frame), dtype=bool)
    for name in ratings:
        answered |= frame[name].notna().to_numpy()
    width = min(len(sessions), max(1, MOST_CELLS // max(1, len(levels))))
    cells = np.zeros((len(levels), width), dtype=np.int8)
    columns = (numbers[good] - sessions[0]).astype(np.int64)
    inside = columns < width
    values = 1 + answered[good][inside].astype(np.int8)
    np.maximum.at(cells, (patients[good][inside], columns[inside]), values)
    last = np.where(cells.any(axis=1), width - np.argmax(cells[:, ::-1] > 0, axis=1), 0)
    filled = (cells > 0).sum(axis=1)
    return cells[np.lexsort((-filled, -last))]


def _notes(
    ratings: Sequence[str], given: bool, ranges: Mapping[str, tuple[float, float]], n_courses: int, n_rows: int
) -> tuple[str, ...]:
    """Return how the check was done."""
    chosen = "named" if given else "all columns of numbers outside the design"
    notes = [f"Ratings checked ({chosen}): {listing(list(ratings), 12) if ratings else 'none'}."]
    notes.append(f"{n_rows} rows; {n_courses} different pairs of patient and session.")
    without = [name for name in ratings if name not in ranges]
    if without:
        notes.append(
            f"No range was given for {len(without)} ratings: their highest answer found counts as the ceiling."
        )
    return tuple(notes)
