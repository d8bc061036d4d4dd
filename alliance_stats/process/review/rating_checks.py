"""Checks of the ratings: how many, how spread, by whom, how far apart."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd

from alliance_stats.process.review.analysis import Analysis
from alliance_stats.process.review.finding import Finding, graded
from alliance_stats.process.review.reliability import mean_reliability

ENOUGH_SESSIONS = 4
"""Ratings for a dependability above .90: Crits-Christoph et al. (2011, doi 10.1037/a0023668), abstract."""

ENOUGH_PATIENTS = 60
"""Patients for a dependable mean of a therapist: Crits-Christoph et al. (2011, doi 10.1037/a0023668), abstract."""

AT_THE_END = 0.15
"""Share of ratings at an end of the scale: Terwee et al. (2007, doi 10.1016/j.jclinepi.2006.03.012)."""

SKIPPED = 0.1
"""Share of steps between sessions that may skip one; a convention of this library."""

MOST_COLUMNS = 40
"""More numeric columns are not searched for differences."""


def single_session(analysis: Analysis) -> Finding | None:
    """Tell whether patients have one rating each."""
    counts = _ratings_each(analysis)
    if counts is None:
        return None
    text = f"{int(counts.sum())} ratings of {len(counts)} {analysis.unit_name}s, median {np.median(counts):g} each"
    single = int((counts == 1).sum())
    if single == len(counts):
        return Finding("single_session", "mistake", f"{text}: every {analysis.unit_name} has one.")
    return Finding("single_session", "fine", f"{text}; {single} have a single one.")


def few_sessions(analysis: Analysis, *, corrected: bool = False) -> Finding | None:
    """Tell how many patients have too few ratings for a mean; ``corrected`` if means are drawn in by their reliability."""
    counts = _ratings_each(analysis)
    if counts is None or (counts == 1).all():
        return None
    few = int((counts < ENOUGH_SESSIONS).sum())
    text = (
        f"{few} of {len(counts)} {analysis.unit_name}s have fewer than {ENOUGH_SESSIONS} ratings in the rows analysed"
    )
    values = analysis.raw(analysis.predictors[0]) if analysis.predictors else None
    found = None if values is None else mean_reliability(values, analysis.frame[analysis.unit].to_numpy())
    if found is not None:
        text += f"; the reliability of their mean of {analysis.predictors[0]} is {found:.2f} in the median"
    if corrected:
        return Finding("few_sessions", "fine", f"{text}; means are drawn in by it (weights='reliability').")
    return Finding("few_sessions", graded(few / len(counts), caution=0.0, mistake=0.5), f"{text}.")


def patients_per_therapist(analysis: Analysis) -> Finding | None:
    """Tell how many patients a therapist's mean is of."""
    if "therapist" not in analysis.levels or "patient" not in analysis.levels:
        return None
    pairs = analysis.frame[[analysis.levels["patient"], analysis.levels["therapist"]]].drop_duplicates()
    counts = pairs[analysis.levels["therapist"]].value_counts().to_numpy()
    few = int((counts < ENOUGH_PATIENTS).sum())
    text = (
        f"{few} of {len(counts)} therapists have fewer than {ENOUGH_PATIENTS} patients (median {np.median(counts):g})."
    )
    return Finding("patients_per_therapist", "caution" if few else "fine", text)


def ceiling(analysis: Analysis) -> Finding | None:
    """Tell what share of ratings lies at the highest or lowest value that occurs."""
    shares = []
    for name in dict.fromkeys([*analysis.predictors, analysis.outcome]):
        values = analysis.raw(name) if name else None
        if values is None or len(values) < 2 or np.ptp(values) == 0:
            continue
        for end, place in ((values.max(), "highest"), (values.min(), "lowest")):
            shares.append((float(np.mean(values == end)), name, place))
    if not shares:
        return None
    worst = max(shares)
    at_end = [f"{share:.0%} of {name} at the {place} value" for share, name, place in shares if share > AT_THE_END]
    if at_end:
        return Finding("ceiling", "caution", f"{'; '.join(at_end)}.", {"column": worst[1]})
    return Finding("ceiling", "fine", f"At most {worst[0]:.0%} of ratings lie at an end ({worst[1]}, {worst[2]}).")


def mixed_raters(analysis: Analysis) -> Finding | None:
    """Tell whether rows are of several raters, within the units that are followed or between them."""
    if "rater" not in analysis.frame:
        return None
    n_raters = int(analysis.frame["rater"].nunique())
    text = f"The column 'rater' has {n_raters} value{'s' if n_raters != 1 else ''} in {len(analysis.frame)} rows"
    if n_raters < 2:
        return Finding("mixed_raters", "fine", f"{text}.")
    unit = analysis.unit
    if unit not in (None, "rater") and analysis.frame.groupby(unit, observed=True)["rater"].nunique().max() == 1:
        own = f"each {analysis.unit_name} has one, so that differences between {analysis.unit_name}s hold those between raters"
        return Finding("mixed_raters", "caution", f"{text}; {own}.")
    return Finding("mixed_raters", "mistake", f"{text}.")


def difference_score(analysis: Analysis) -> Finding | None:
    """Tell whether a predictor or the outcome is the difference of two other columns."""
    frame = analysis.frame
    own = [name for name in (*analysis.predictors, analysis.outcome) if name in frame]
    others = _own_columns(analysis, own)
    if not 2 < len(others) <= MOST_COLUMNS:
        return None
    values = {name: frame[name].to_numpy(dtype=float) for name in others}
    # Where one part is in the analysis as well, the other part may be a difference that is merely kept in the table.
    candidates = [other for other in others if other not in own and np.nanstd(values[other]) > 0]
    for name in own:
        for first, second in combinations(candidates, 2):
            gap = values[first] - values[second]
            if np.allclose(np.abs(values[name]), np.abs(gap), equal_nan=True) and np.nanstd(gap) > 0:
                text = f"'{name}' is the difference of '{first}' and '{second}' in all {len(frame)} rows."
                kept, apart = (analysis.outcome, [first, second]) if name != analysis.outcome else (first, [second])
                return Finding("difference_score", "mistake", text, {"kept": kept, "apart": apart})
    return Finding("difference_score", "fine", f"No column of the analysis is the difference of two of {len(others)}.")


def spacing(analysis: Analysis) -> Finding | None:
    """Tell how far apart sessions are."""
    frame, unit = analysis.frame, analysis.unit
    if unit is None or "session" not in frame:
        return None
    ordered = frame.sort_values([unit, "session"], kind="stable")
    same = ordered[unit].eq(ordered[unit].shift())
    steps = ordered["session"].diff()[same].to_numpy(dtype=float)
    if not steps.size:
        return None
    gaps = int((steps != 1).sum())
    text = f"{gaps} of {steps.size} steps between a {analysis.unit_name}'s analysed sessions skip a session number"
    dates = date_columns(frame)
    if dates:
        low, high = days_between(frame, unit, dates[0])
        text += f"; from one to the next lie {low:.0f} to {high:.0f} days (middle 80 %, column '{dates[0]}')"
        bad = uneven(low, high) or gaps > SKIPPED * steps.size
        return Finding("spacing", "caution" if bad else "fine", f"{text}.", {"clock": dates[0], "unit": unit})
    words = {"clock": "session", "unit": unit}
    level = graded(gaps / steps.size, caution=SKIPPED)
    return Finding("spacing", level, f"{text}; dates are not in the table.", words)


def date_columns(frame: pd.DataFrame) -> list[str]:
    """Return the names of columns that hold dates."""
    return [str(name) for name in frame.columns if pd.api.types.is_datetime64_any_dtype(frame[name])]


def days_between(frame: pd.DataFrame, unit: str, date: str) -> tuple[float, float]:
    """Return the days that the middle 80 % of steps from one session to the next take; NaN without a step."""
    ordered = frame.sort_values([unit, "session"], kind="stable")
    same = ordered[unit].eq(ordered[unit].shift())
    days = ordered[date].diff()[same].dt.total_seconds().to_numpy(dtype=float) / 86_400.0
    days = days[~np.isnan(days)]
    return (float(np.quantile(days, 0.1)), float(np.quantile(days, 0.9))) if days.size else (np.nan, np.nan)


def uneven(low: float, high: float) -> bool:
    """Tell whether steps differ by more than double."""
    return high > 2.0 * max(low, 0.5)


def _own_columns(analysis: Analysis, own: list[str]) -> list[str]:
    """Return the numeric columns that were not made by splitting or lagging."""
    made = {f"{name}_{part}" for name in own for part in ("session", "trend", *analysis.levels)}
    return [
        str(name)
        for name in analysis.frame.columns
        if name not in made
        and pd.api.types.is_numeric_dtype(analysis.frame[name])
        and not str(name).rstrip("0123456789").endswith("_lag")
    ]


def _ratings_each(analysis: Analysis) -> np.ndarray | None:
    """Return the number of rows of each unit of the innermost level."""
    if analysis.unit is None:
        return None
    return analysis.frame[analysis.unit].value_counts().to_numpy()
