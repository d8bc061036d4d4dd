"""How far the alliance of each patient must fall, and who can be judged."""

from __future__ import annotations

import math

import numpy as np

from alliance_stats.errors import DataError, counted
from alliance_stats.process.gain_criteria import cutoff_points
from alliance_stats.process.rupture_criteria import RuptureCriterion
from alliance_stats.process.rupture_episodes import Missing, moving_range_sigma
from alliance_stats.process.session_series import BoolArray, FloatArray, SessionSeries
from alliance_stats.scales.change_index import MeasurementError

LEAST_RATINGS = 3
"""Ratings below which a standard deviation or a moving range of one course says nothing."""


def least_ratings(rule: RuptureCriterion) -> int:
    """Return the ratings that a patient needs: two for a fall in points."""
    return 2 if rule.unit == "points" else LEAST_RATINGS


def comparable_rows(series: SessionSeries, rule: RuptureCriterion, missing: Missing) -> BoolArray:
    """Tell at which ratings a rupture could begin, if the patient's threshold is known, shape (n_rated,).

    A fall below a level compares each rating with the patient's mean; other falls need the rating of the session before, or
    with ``missing="bridge"`` any earlier one.
    """
    if rule.fall == "level":
        return np.ones(series.codes.size, dtype=bool)
    follows = np.concatenate([[False], np.diff(series.codes) == 0])
    neighbour = np.concatenate([[False], np.diff(series.sessions) == 1]) | (missing == "bridge")
    rows: BoolArray = follows & neighbour
    return rows


def rupture_thresholds(
    series: SessionSeries, rule: RuptureCriterion, missing: Missing, cutoff: float | MeasurementError | None
) -> tuple[FloatArray, str]:
    """Return the least fall of each patient in points, NaN where not judged, and a sentence on it.

    Raises
    ------
    DataError
        If no patient can be judged.
    """
    spread, origin = _spread(series, rule, missing, cutoff)
    rows = comparable_rows(series, rule, missing)
    some = np.bincount(series.codes[rows], minlength=series.n_units) > 0
    enough = series.counts >= least_ratings(rule)
    found = np.where(enough & some, spread, np.nan)
    if np.isnan(found).all():
        raise _unjudged(series, rule, missing)
    return found, origin


def unjudged_note(series: SessionSeries, rule: RuptureCriterion, judged: BoolArray) -> str:
    """Return how many patients could not be judged and why; empty if all could be."""
    if judged.all():
        return ""
    lost = int((~judged).sum())
    return (
        f"{lost} of {counted(series.n_units, 'patient')} cannot be judged and {'is' if lost == 1 else 'are'} in no share: "
        f"{_reasons(series, rule, judged)}."
    )


def _spread(
    series: SessionSeries, rule: RuptureCriterion, missing: Missing, cutoff: float | MeasurementError | None
) -> tuple[FloatArray, str]:
    """Return the least fall of each patient, whether judged or not, and a sentence on it."""
    courses = series.courses()
    if rule.unit == "points":
        first = np.array([values[0] for _, values in courses if values.size])
        value = rule.threshold if cutoff is None else cutoff
        points, text = cutoff_points(math.nan if value is None else value, first)
        return np.full(len(courses), points), text
    times = 1.0 if rule.threshold is None else rule.threshold
    if rule.unit == "moving_range":
        spread = np.array([moving_range_sigma(*course, missing) for course in courses])
        between = "neighbouring sessions" if missing == "break" else "ratings that follow one another"
        text = f"the mean moving range of {between} over 1.128"
    else:
        spread = np.array([np.std(values, ddof=1) if values.size > 1 else math.nan for _, values in courses])
        text = "the patient's own standard deviation"
        if rule.unit == "stricter_sd":
            everyone = float(np.std(series.ratings, ddof=1)) if series.ratings.size > 1 else math.nan
            spread = np.fmax(spread, everyone)
            text = f"the larger of the patient's own standard deviation and that of all ratings ({everyone:.4g} points)"
    return times * spread, f"Least fall: {times:g} times {text}."


def _reasons(series: SessionSeries, rule: RuptureCriterion, judged: BoolArray) -> str:
    """Return how many of those not judged have too few ratings, none of neighbouring sessions, or none that differ."""
    least = least_ratings(rule)
    few = int((~judged & (series.counts < least)).sum())
    apart = int((~judged & (series.counts >= least) & (series.neighbours == 0)).sum())
    still = int((~judged).sum()) - few - apart
    parts = [
        (few, f"{'has' if few == 1 else 'have'} fewer than {least} ratings"),
        (apart, f"{'has' if apart == 1 else 'have'} no ratings of two neighbouring sessions"),
        (still, f"{'has' if still == 1 else 'have'} no change between neighbouring sessions to form a limit from"),
    ]
    return ", ".join(f"{n} {text}" for n, text in parts if n)


def _unjudged(series: SessionSeries, rule: RuptureCriterion, missing: Missing) -> DataError:
    """Return the error for data in which nobody can be judged."""
    nobody = np.zeros(series.n_units, dtype=bool)
    least = least_ratings(rule)
    hint = f"ruptures need several ratings in a row: take patients with {least} or more rated sessions."
    if (series.counts >= least).any():
        hint = (
            "if 'session' counts days or weeks, number the sessions 1, 2, 3, ..., for example with "
            "frame.groupby('patient')['session'].rank('dense')"
        )
        hint += (
            '; or pass missing="bridge" to compare each rating with the one before it.' if missing == "break" else "."
        )
    return DataError.build(
        f"No patient can be judged by '{rule.key}': of {counted(series.n_units, 'patient')} "
        f"{_reasons(series, rule, nobody)}.",
        hint=hint,
    )
