"""Shares, means and sentences about ruptures."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from alliance_stats.errors import counted
from alliance_stats.process.rupture_criteria import Fall, RuptureCriterion
from alliance_stats.process.rupture_thresholds import unjudged_note
from alliance_stats.process.session_series import BoolArray, FloatArray, IntArray, SessionSeries
from alliance_stats.process.shares import mean_row, share_row
from alliance_stats.scales.instrument_parts import Direction


def rupture_rows(
    table: pd.DataFrame, judged: BoolArray, onset_sessions: IntArray, level: float
) -> list[dict[str, object]]:
    """Return the rows of the tidy table.

    Parameters
    ----------
    table : DataFrame
        One row per rupture.
    judged : ndarray of bool, shape (n_patients,)
    onset_sessions : ndarray of int, shape (n_comparable,)
        Session of each rating a rupture could begin at.
    level : float in (0, 1)
        Of the intervals.
    """
    people = int(judged.sum())
    outcomes = {"rupture": table, **{name: table[table["outcome"] == name] for name in ("repaired", "unrepaired")}}
    rows: list[dict[str, object]] = [
        {"term": f"patients_with_{term}", **share_row(int(outcomes[name]["unit"].nunique()), people, level=level)}
        for term, name in (("rupture", "rupture"), ("repair", "repaired"), ("unrepaired", "unrepaired"))
    ]
    closed = len(outcomes["repaired"]) + len(outcomes["unrepaired"])
    rows.append(
        {"term": "repaired", "estimate": len(outcomes["repaired"]) / closed if closed else math.nan, "n": closed}
    )
    for term in ("fall", "decline_length", "repair_length"):
        values = table[term].dropna().to_numpy(float)
        rows.append({"term": term, **mean_row(values, level=level)})
    present = pd.Series(onset_sessions).value_counts().sort_index()
    onsets = table["onset"].value_counts()
    for session, n in present.items():
        rows.append(
            {"term": "onset", **share_row(int(onsets.get(session, 0)), int(n), level=level), "session": session}
        )
    return rows


def count_notes(
    rule: RuptureCriterion, origin: str, series: SessionSeries, thresholds: FloatArray, table: pd.DataFrame
) -> list[str]:
    """Return what was looked for and how many could be judged."""
    judged = ~np.isnan(thresholds)
    kind = (
        "a reading of a published proposal"
        if rule.confidence == "reading"
        else "a convention, not a published criterion"
    )
    outcomes = table["outcome"].value_counts()
    counts = ", ".join(f"{int(outcomes.get(name, 0))} {name}" for name in ("repaired", "unrepaired", "open"))
    notes = [
        f"Criterion: {rule.title} ({kind}). {rule.note}".strip(),
        origin,
        f"{counted(len(table), 'rupture')} in {table['unit'].nunique()} of {counted(int(judged.sum()), 'patient')} judged: "
        f"{counts} (the course ends too early to tell).",
        "Counts depend on the criterion; report several (compare_rupture_criteria).",
        "Level: session to session within a patient. Shares of patients have Wilson intervals; means of falls and lengths have "
        "t intervals with n - 1 degrees of freedom, as if the ruptures of one patient were independent.",
    ]
    unjudged = unjudged_note(series, rule, judged)
    if unjudged:
        notes.append(unjudged)
    if not np.ptp(series.ratings) > 0:
        notes.append("The ratings do not vary at all: there is nothing to find.")
    late = int(table["dated_by_gap"].sum())
    if late:
        was = "was" if late == 1 else "were"
        notes.append(f"{counted(late, 'repair')} {was} first seen after missing sessions and may have come earlier.")
    return notes


def rule_notes(fall: Fall, *, repair: float, within: int | None, missing: str, direction: Direction) -> list[str]:
    """Return the rules on repair, on missing sessions and on the direction of the scale."""
    when = "at any later session" if within is None else f"within {counted(within, 'session')} of the onset"
    gap = (
        "A missing session ends a fall: only neighbouring sessions are compared."
        if missing == "break"
        else "Missing sessions are bridged: the next rated session counts as the next one."
    )
    if fall == "level":
        gap = (
            "Each rating is compared with the patient's mean, so that a missing session ends nothing: a rating beyond the "
            "limit after a gap begins a rupture unless the rating before the gap was beyond it as well."
        )
    turned = ["A higher rating is worse: a rupture is a rise, and falls and lows are turned round."]
    return [
        f"Repaired: {repair:.0%} of the fall is regained {when}.",
        gap,
        *(turned if direction == "higher_is_worse" else []),
    ]
