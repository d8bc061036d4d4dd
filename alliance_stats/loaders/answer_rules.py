"""Rules for the answers of a session table, each a count of rows or patients; no rule returns an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from alliance_stats.loaders.session_rules import Finding

CEILING_SHARE = 0.15
"""More than 15 % of answers at the highest value, after Terwee et al. (2007), J Clin Epidemiol 60, 34-42, p. 37,
doi 10.1016/j.jclinepi.2006.03.012, who count respondents with the highest possible score."""

FEWEST_VALUES = 3
"""Columns with fewer different values hold yes or no, not ratings."""

FEWEST_ITEMS, FEWEST_SESSIONS = 5, 3
"""Answers that must be the same before a row or a patient counts as answering all alike; a convention."""


def rating_findings(
    frame: pd.DataFrame, ratings: Sequence[str], ranges: Mapping[str, tuple[float, float]]
) -> list[Finding]:
    """Return answers out of range, at the ceiling or always the same."""
    found = []
    for name in ratings:
        answers = pd.to_numeric(frame[name], errors="coerce")
        n = int(answers.notna().sum())
        n_text = int(frame[name].notna().sum()) - n
        found.append(
            Finding(
                "error",
                "no number",
                name,
                n_text,
                n_text + n,
                "rows",
                f"Answers of '{name}' that are text, no numbers.",
            )
        )
        low, high = ranges.get(name, (-np.inf, float(answers.max())))
        if name in ranges:
            outside = int(((answers < low) | (answers > high)).sum())
            found.append(
                Finding(
                    "error",
                    "out of range",
                    name,
                    outside,
                    n,
                    "rows",
                    f"Answers of '{name}' outside {low:g} to {high:g}.",
                )
            )
        at_top = int((answers == high).sum())
        if n and at_top / n > CEILING_SHARE:
            found.append(
                Finding(
                    "doubt",
                    "ceiling",
                    name,
                    at_top,
                    n,
                    "rows",
                    f"Answers of '{name}' at the highest value, more than {CEILING_SHARE:.0%}.",
                )
            )
        spread = answers.groupby(frame["patient"]).agg(["nunique", "count", "max"])
        repeated = spread["count"] >= FEWEST_SESSIONS
        # Zero is what scales and counts give when there is nothing to report: no sign of careless answers.
        same = int((repeated & (spread["nunique"] == 1) & (spread["max"] != 0)).sum())
        if answers.nunique() < FEWEST_VALUES:
            continue
        found.append(
            Finding(
                "doubt",
                "constant",
                name,
                same,
                int(repeated.sum()),
                "patients",
                f"Patients with one answer other than 0 to '{name}' in all of {FEWEST_SESSIONS} or more sessions.",
            )
        )
    return found


def straight_findings(frame: pd.DataFrame, ratings: Sequence[str]) -> list[Finding]:
    """Return rows in which all of several items have the same answer."""
    if len(ratings) < FEWEST_ITEMS:
        return []
    answers = frame[list(ratings)].apply(pd.to_numeric, errors="coerce")
    full = answers.notna().all(axis=1)
    same = int((full & (answers.nunique(axis=1) == 1)).sum())
    return [
        Finding(
            "doubt",
            "straight-lining",
            "",
            same,
            int(full.sum()),
            "rows",
            f"Complete rows with one answer to all {len(ratings)} items; with reversed items, a sign of not reading.",
        )
    ]


def missing_findings(frame: pd.DataFrame, ratings: Sequence[str]) -> list[Finding]:
    """Return how many answers are missing, and whether by sessions or raters."""
    found = []
    for name in ratings:
        absent = frame[name].isna()
        found.append(
            Finding("fact", "missing", name, int(absent.sum()), len(frame), "rows", f"Missing answers to '{name}'.")
        )
        if "rater" in frame.columns and absent.any():
            shares = absent.groupby(frame["rater"].astype("str")).mean()
            if float(shares.max() - shares.min()) > 0.1:
                worst = int(absent.groupby(frame["rater"].astype("str")).sum().max())
                found.append(
                    Finding(
                        "doubt",
                        "missing by rater",
                        name,
                        worst,
                        int(absent.sum()),
                        "rows",
                        f"Missing answers to '{name}' of the rater who has most: raters differ by more than 10 points.",
                    )
                )
    return found


def missing_by_session(frame: pd.DataFrame, ratings: Sequence[str], sessions: np.ndarray) -> np.ndarray:
    """Return the share of answers that are missing in the rows of each session, NaN where it has no row, shape (n_sessions,)."""
    if not ratings:
        return np.full(len(sessions), np.nan)
    numbers = pd.to_numeric(frame["session"], errors="coerce")
    shares = frame[list(ratings)].isna().mean(axis=1).groupby(numbers).mean()
    return np.asarray(shares.reindex(sessions), dtype=float)
