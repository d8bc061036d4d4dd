"""Checks of a mixed model: levels, therapists, tests."""

from __future__ import annotations

from typing import Any

import pandas as pd

from alliance_stats.inference.linear import DfMethod
from alliance_stats.process.review.analysis import Analysis
from alliance_stats.process.review.code import Code
from alliance_stats.process.review.finding import Finding

ENOUGH_GROUPS = 50
"""Groups above which standard errors of the second level are unbiased: Maas & Hox (2005, doi 10.1027/1614-2241.1.3.86)."""

MIXED = 0.05
"""A predictor belongs to one level if less than this share of its variance is at the other."""

THERAPISTS = ("therapist", "treating_person")
"""Columns that may name who treats."""

SESSIONS = Code("sessions")
WITH_THERAPISTS = Code('sessions.drop(columns="therapist", errors="ignore").merge(therapists, on="patient")')
"""The session table as it is, and with a table of patients and their therapists beside it."""


def pooled_slope(analysis: Analysis) -> Finding | None:
    """Tell whether a predictor has one slope for what varies within and between units."""
    if analysis.unit is None or not analysis.predictors:
        return None
    mixed = []
    for name in analysis.predictors:
        share = _within_share(analysis.frame[name], analysis.frame[analysis.unit])
        if MIXED < share < 1 - MIXED:
            mixed.append(f"'{name}' varies within {analysis.unit_name}s ({share:.0%} of its variance) and between them")
    if mixed:
        return Finding("pooled_slope", "mistake", f"{'; '.join(mixed)}, and has one slope.")
    return Finding("pooled_slope", "fine", f"Each of {len(analysis.predictors)} predictors varies at one level.")


def between_as_within(analysis: Analysis) -> Finding | None:
    """Tell whether nothing within persons is estimated."""
    if analysis.unit is None or not analysis.predictors:
        return None
    shares = [_within_share(analysis.frame[name], analysis.frame[analysis.unit]) for name in analysis.predictors]
    if max(shares) >= MIXED:
        return None
    text = f"None of {len(shares)} predictors varies within {analysis.unit_name}s: all slopes are between them."
    return Finding("between_as_within", "caution", text)


def therapists(analysis: Analysis) -> Finding | None:
    """Tell whether therapists are known and in the model."""
    frame, fit = analysis.frame, analysis.fit
    if fit is None:
        return None
    n_groups = next((fit.n_levels[name] for name in THERAPISTS if name in fit.n_levels), None)
    if n_groups is not None:
        return Finding("therapists", "fine", f"{n_groups} therapists have random effects.")
    column = next((name for name in THERAPISTS if name in frame), None)
    if column is None:
        text = f"The {len(frame)} rows analysed have no column of therapists, so they cannot be told from patients."
        return Finding("therapists", "caution", text, {"frame": WITH_THERAPISTS})
    count = int(frame[column].nunique())
    if count < 2:
        text = f"{count} therapist: nothing can be said about therapists."
        return Finding("therapists", "caution", text, {"frame": SESSIONS})
    text = f"{count} therapists are in the rows and not in the model."
    return Finding("therapists", "mistake", text, {"frame": SESSIONS})


def few_therapists(analysis: Analysis, method: DfMethod) -> Finding | None:
    """Tell whether the df method fits the number of the outermost groups."""
    if analysis.fit is None or not analysis.fit.n_levels:
        return None
    name, count = min(analysis.fit.n_levels.items(), key=lambda item: item[1])
    text = f"{count} {name}s; degrees of freedom: {method}"
    if count > ENOUGH_GROUPS:
        return Finding("few_therapists", "fine", f"{text}.")
    if method == "normal":
        return Finding("few_therapists", "mistake", f"{text}, which takes the variances for known.")
    if name in analysis.levels and count < ENOUGH_GROUPS // 5:
        return Finding("few_therapists", "caution", f"{text}; with so few, any method is a rough guide.")
    return Finding("few_therapists", "fine", f"{text}, which allows for their number.")


def _within_share(values: pd.Series[Any], unit: pd.Series[Any]) -> float:
    """Return the share of a column's sum of squares that lies within units."""
    numbers = values.astype(float)
    total = float(((numbers - numbers.mean()) ** 2).sum())
    inside = float(((numbers - numbers.groupby(unit.to_numpy()).transform("mean")) ** 2).sum())
    return inside / total if total > 0 else 0.0
