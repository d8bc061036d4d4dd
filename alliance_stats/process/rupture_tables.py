"""Shares, means and sentences about ruptures."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from alliance_stats.process.rupture_criteria import RuptureCriterion
from alliance_stats.process.session_series import BoolArray, FloatArray, IntArray, SessionSeries
from alliance_stats.process.shares import mean_row, share_row


def rupture_rows(table: pd.DataFrame, judged: BoolArray, onset_sessions: IntArray) -> list[dict[str, object]]:
    """Return the rows of the tidy table.

    Parameters
    ----------
    table : DataFrame
        One row per rupture.
    judged : ndarray of bool, shape (n_patients,)
    onset_sessions : ndarray of int, shape (n_comparable,)
        Session of each rating a rupture could begin at.
    """
    people = int(judged.sum())
    outcomes = {"rupture": table, **{name: table[table["outcome"] == name] for name in ("repaired", "unrepaired")}}
    rows: list[dict[str, object]] = [
        {"term": f"patients_with_{term}", **share_row(int(outcomes[name]["unit"].nunique()), people)}
        for term, name in (("rupture", "rupture"), ("repair", "repaired"), ("unrepaired", "unrepaired"))
    ]
    closed = len(outcomes["repaired"]) + len(outcomes["unrepaired"])
    rows.append(
        {"term": "repaired", "estimate": len(outcomes["repaired"]) / closed if closed else math.nan, "n": closed}
    )
    for term in ("fall", "decline_length", "repair_length"):
        values = table[term].dropna().to_numpy(float)
        rows.append({"term": term, **mean_row(values)})
    present = pd.Series(onset_sessions).value_counts().sort_index()
    onsets = table["onset"].value_counts()
    for session, n in present.items():
        rows.append({"term": "onset", **share_row(int(onsets.get(session, 0)), int(n)), "session": session})
    return rows


def count_notes(
    rule: RuptureCriterion, origin: str, series: SessionSeries, thresholds: FloatArray, table: pd.DataFrame
) -> list[str]:
    """Return what was looked for and how many could be judged."""
    judged = int((~np.isnan(thresholds)).sum())
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
        f"{len(table)} ruptures in {table['unit'].nunique()} of {judged} patients: {counts} (the course ends too early to tell).",
        "Counts depend on the criterion; report several (compare_rupture_criteria).",
    ]
    if judged < series.n_units:
        notes.append(f"{series.n_units - judged} of {series.n_units} patients have too few ratings to be judged.")
    if not np.ptp(series.ratings) > 0:
        notes.append("The ratings do not vary at all: there is nothing to find.")
    late = int(table["dated_by_gap"].sum())
    if late:
        notes.append(f"{late} repairs were first seen after missing sessions and may have come earlier.")
    return notes


def rule_notes(repair: float, within: int | None, missing: str) -> list[str]:
    """Return the rules on repair and on missing sessions."""
    when = "at any later session" if within is None else f"within {within} sessions of the onset"
    gap = (
        "A missing session ends a fall: only neighbouring sessions are compared."
        if missing == "break"
        else "Missing sessions are bridged: the next rated session counts as the next one."
    )
    return [f"Repaired: {repair:.0%} of the fall is regained {when}.", gap]
