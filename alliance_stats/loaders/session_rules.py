"""Rules for session tables, each a count of rows or persons; no rule returns an id, a date or an answer."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd

Severity: TypeAlias = Literal["error", "doubt", "fact"]

LONGEST_INTERVAL = 365
"""Days between two sessions of a course after which a new course is more likely than a pause; a convention."""


@dataclass(frozen=True)
class Finding:
    """What one rule found.

    Parameters
    ----------
    level : {"error", "doubt", "fact"}
        Breaks later steps; may be wrong; good to know.
    rule : str
        Short name of the rule.
    column : str
        The column looked at, empty for the whole table.
    n, n_of : int
        How many, and of how many.
    unit : str
        What is counted: rows, patients, therapists.
    finding : str
        One sentence.
    """

    level: Severity
    rule: str
    column: str
    n: int
    n_of: int
    unit: str
    finding: str


def key_findings(frame: pd.DataFrame, keys: Sequence[str]) -> list[Finding]:
    """Return what is wrong with the columns that name a row."""
    n = len(frame)
    found = []
    for name in (key for key in ("patient", "session") if key in frame.columns):
        absent = int(frame[name].isna().sum())
        found.append(Finding("error", f"{name} missing", name, absent, n, "rows", f"Rows without a {name}."))
    again = int(frame.duplicated(list(keys)).sum())
    found.append(
        Finding("error", "repeated rows", "", again, n, "rows", f"Rows with the {', '.join(keys)} of an earlier row.")
    )
    if "session" in frame.columns:
        numbers = pd.to_numeric(frame["session"], errors="coerce").to_numpy(dtype=float)
        broken = int((~np.isfinite(numbers) | (numbers != np.round(numbers))).sum()) - int(
            frame["session"].isna().sum()
        )
        found.append(
            Finding("error", "no whole number", "session", broken, n, "rows", "Sessions that are no whole number.")
        )
    return found


def session_findings(courses: pd.DataFrame) -> list[Finding]:
    """Return what is unusual in the sessions of patients.

    Parameters
    ----------
    courses : DataFrame
        patient and session (whole numbers), one row per patient and session, in the order of the file.
    """
    by_patient = courses.groupby("patient", sort=False)["session"]
    first, last, count = by_patient.min(), by_patient.max(), by_patient.nunique()
    n = len(count)
    steps = by_patient.diff()
    backwards = courses["patient"][steps < 0].nunique()
    gaps = int((last - first + 1 > count).sum())
    missing = int((last - first + 1 - count).sum())
    start = int(first.mode().iloc[0])
    return [
        Finding("fact", "patients", "patient", n, n, "patients", f"Patients, with {_middle(count)} sessions each."),
        Finding(
            "doubt",
            "gaps",
            "session",
            gaps,
            n,
            "patients",
            f"Patients with session numbers left out ({missing} in all).",
        ),
        Finding(
            "doubt",
            "late start",
            "session",
            int((first != start).sum()),
            n,
            "patients",
            f"Patients whose first session is not {start}.",
        ),
        Finding(
            "doubt",
            "reversed order",
            "session",
            backwards,
            n,
            "patients",
            "Patients whose rows are not in the order of sessions.",
        ),
        Finding(
            "doubt",
            "single session",
            "session",
            int((count == 1).sum()),
            n,
            "patients",
            "Patients with one session: they carry no change.",
        ),
    ]


def therapist_findings(frame: pd.DataFrame) -> list[Finding]:
    """Return how patients and therapists belong together."""
    known = frame.dropna(subset=["therapist"])
    pairs = known.drop_duplicates(["patient", "therapist"])
    per_patient = pairs.groupby("patient").size()
    several = per_patient.index[per_patient > 1]
    caseload = pairs.groupby("therapist").size()
    back = _alternating(known[known["patient"].isin(several)])
    n_patients, n_therapists = frame["patient"].nunique(), len(caseload)
    without = int(frame["therapist"].isna().sum())
    return [
        Finding(
            "fact",
            "therapists",
            "therapist",
            n_therapists,
            n_therapists,
            "therapists",
            f"Therapists, with {_middle(caseload)} patients each.",
        ),
        Finding("doubt", "therapist missing", "therapist", without, len(frame), "rows", "Rows without a therapist."),
        Finding(
            "doubt",
            "switched therapist",
            "therapist",
            len(several) - back,
            n_patients,
            "patients",
            "Patients who change therapist once or more, never back.",
        ),
        Finding(
            "doubt",
            "crossed therapists",
            "therapist",
            back,
            n_patients,
            "patients",
            "Patients who see therapists in turns.",
        ),
        Finding(
            "doubt",
            "one patient",
            "therapist",
            int((caseload == 1).sum()),
            n_therapists,
            "therapists",
            "Therapists with one patient: their share cannot be told from the patient's.",
        ),
    ]


def _alternating(known: pd.DataFrame) -> int:
    """Return how many patients come back to a therapist they had left."""
    order = known.iloc[np.argsort(pd.to_numeric(known["session"], errors="coerce"), kind="stable")]
    n_back = 0
    for _, therapists in order.groupby("patient", sort=False)["therapist"]:
        codes = pd.factorize(therapists)[0]
        runs = 1 + int((np.diff(codes) != 0).sum())
        n_back += runs > len(np.unique(codes))
    return n_back


def spelling_findings(frame: pd.DataFrame, column: str) -> Finding:
    """Return how many ids differ from another by case, spaces, punctuation, accents or leading zeros only."""
    levels = frame[column].dropna().astype("str").unique()
    plain = pd.Series([_plain(level) for level in levels])
    again = int(plain.duplicated(keep=False).sum())
    return Finding(
        "doubt",
        "similar ids",
        column,
        again,
        len(levels),
        "ids",
        f"Ids of '{column}' that differ from another by case, spaces, punctuation, accents or leading zeros only.",
    )


def _plain(text: str) -> str:
    """Return an id without what typing errors change: its words and numbers, without leading zeros."""
    letters = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().casefold()
    parts = re.findall(r"[a-z]+|\d+", letters)
    return " ".join(str(int(part)) if part.isdigit() else part for part in parts) or text


def date_findings(frame: pd.DataFrame, column: str) -> list[Finding]:
    """Return dates that contradict the order of sessions, or lie too far apart."""
    dates = pd.to_datetime(frame[column], errors="coerce", utc=True).dt.tz_localize(None)
    known = pd.DataFrame({"patient": frame["patient"], "session": frame["session"], "date": dates}).dropna()
    known = known.drop_duplicates(["patient", "session"]).sort_values(["patient", "session"])
    days = known.groupby("patient")["date"].diff().dt.days
    n = int(days.notna().sum())
    future = int((dates > pd.Timestamp.now() + pd.Timedelta(days=1)).sum())
    unread = int((dates.isna() & frame[column].notna()).sum())
    return [
        Finding("error", "no date", column, unread, len(frame), "rows", f"Cells of '{column}' that are no date."),
        Finding(
            "error",
            "dates out of order",
            column,
            int((days < 0).sum()),
            n,
            "intervals",
            f"Sessions dated before the session that precedes them ('{column}').",
        ),
        Finding(
            "doubt",
            "same day",
            column,
            int((days == 0).sum()),
            n,
            "intervals",
            f"Sessions on the day of the session that precedes them ('{column}').",
        ),
        Finding(
            "doubt",
            "long interval",
            column,
            int((days > LONGEST_INTERVAL).sum()),
            n,
            "intervals",
            f"Intervals of more than {LONGEST_INTERVAL} days between sessions ('{column}').",
        ),
        Finding(
            "error", "in the future", column, future, len(frame), "rows", f"Dates of '{column}' that have not come yet."
        ),
    ]


def attrition(courses: pd.DataFrame) -> pd.DataFrame:
    """Return how many patients are still there at each session.

    Parameters
    ----------
    courses : DataFrame
        patient and session (whole numbers).

    Returns
    -------
    DataFrame
        One row per session number: session, n_seen (patients with a row for it), n_remaining (patients whose last session is not
        before it) and share_remaining.
    """
    pairs = courses.drop_duplicates()
    span = pairs.groupby("patient")["session"].agg(["min", "max"])
    sessions = np.arange(int(span["min"].min()), int(span["max"].max()) + 1)
    last = np.sort(span["max"].to_numpy())
    remaining = len(last) - np.searchsorted(last, sessions, side="left")
    seen = pairs.groupby("session").size().reindex(sessions, fill_value=0)
    return pd.DataFrame(
        {
            "session": sessions,
            "n_seen": seen.to_numpy(),
            "n_remaining": remaining,
            "share_remaining": remaining / len(last),
        }
    )


def _middle(counts: pd.Series) -> str:
    """Return median and range of counts: "8 (1 to 20)"."""
    return f"{counts.median():g} ({counts.min()} to {counts.max()})"
