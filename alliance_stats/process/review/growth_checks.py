"""Checks of courses over time: their form, their break, who stays, what they are compared with, early change."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from alliance_stats.process.early_response import SLOPE, START, EarlyResponse
from alliance_stats.process.growth import Growth
from alliance_stats.process.review.analysis import Analysis
from alliance_stats.process.review.finding import Finding, Verdict, graded
from alliance_stats.process.review.rating_checks import date_columns, days_between, uneven

MOST_SHORT, SOME_SHORT = 0.5, 0.2
"""Shares of patients with too few ratings for the form; conventions of this library."""

TIMES_BESIDE = 2
"""Times on either side that a line needs of its own."""

SAME_LENGTH = 0.1
"""Share of patients that may end before the others without being compared; a convention of this library."""

FEWEST_SLOPES = 10
"""Patients whose slopes are compared with the length of their courses."""

SURE = 3.0
"""Standard errors from zero beyond which length and slope are said to go together; a convention of this library."""

SHARED_ERROR = -0.5
"""Correlation of early start and early slope below which error in common is likely; a convention of this library."""


def growth_analysis(result: Growth) -> Analysis:
    """Return the rows of a growth model as the checks of ratings and models see them."""
    levels = {name: name for name in ("patient", *result.model.data.above)}
    return Analysis(frame=result.model.data.rows, outcome=result.outcome, levels=levels, fit=result.fit)


def few_ratings(result: Growth) -> Finding:
    """Tell how many patients have no more ratings than the form has parameters."""
    counts = result.model.data.rows["patient"].value_counts().to_numpy()
    needed = len(result.model.terms.names) + 1
    short = int((counts <= needed).sum())
    text = (
        f"{short} of {counts.size} patients have {needed} or fewer ratings, as many as a {result.form.replace('_', ' ')} "
        f"course has parameters (median {np.median(counts):g} ratings)."
    )
    return Finding("growth_few_ratings", graded(short / counts.size, caution=SOME_SHORT, mistake=MOST_SHORT), text)


def held_break(result: Growth) -> Finding | None:
    """Tell how well the data hold an estimated break."""
    model = result.model
    if model.profile is None:
        return None
    limits, times = model.profile.limits(0.95), np.unique(model.data.times)
    before, after = int((times < model.profile.estimate).sum()), int((times > model.profile.estimate).sum())
    text = (
        f"Break at {model.profile.estimate:.3g}, 95 % interval {limits.low:.3g} to {limits.high:.3g}; {before} times of "
        f"measurement before it, {after} after it"
    )
    open_ends = (not limits.low_reached) + (not limits.high_reached)
    if open_ends:
        where = "both ends" if open_ends == 2 else "one end"
        return Finding("growth_break", "mistake", f"{text}; the interval ends where the search ended, at {where}.")
    weak = not limits.connected or min(before, after) < TIMES_BESIDE
    return Finding("growth_break", "caution" if weak else "fine", f"{text}.")


def lengths_and_slopes(result: Growth) -> Finding | None:
    """Tell whether patients whose courses end early change at another rate."""
    lines = _own_lines(result.model.data.rows, result.time, result.outcome)
    last = lines["last"].to_numpy(dtype=float)
    early = int((last < last.max()).sum())
    text = f"{early} of {len(lines)} patients with two or more times end before the last one"
    if early <= SAME_LENGTH * len(lines) or len(lines) < FEWEST_SLOPES:
        return Finding("growth_ends", "fine", f"{text}.")
    slope, error = _weighted_slope(lines)
    shown = f"{text}; per unit of '{result.time}' that a course is longer, its own slope differs by {slope:.3g}"
    sure = error > 0 and abs(slope) > SURE * error
    lengths = np.unique(last)
    words = {"middle": max(float(np.median(last)), float(lengths[1]))}
    return Finding("growth_ends", "caution" if sure else "fine", f"{shown} (standard error {error:.2g}).", words)


def no_comparison(result: Growth) -> Finding:
    """Tell whether there is a group to compare with."""
    if result.by:
        return Finding("growth_no_comparison", "fine", f"{len(result.groups)} groups of '{result.by}' are compared.")
    n_patients = result.model.data.patients([0])
    return Finding(
        "growth_no_comparison", "caution", f"{n_patients} patients are one group; its change is within the group."
    )


def session_clock(result: Growth) -> Finding | None:
    """Tell whether session numbers stand for time although there are dates."""
    rows = result.model.data.rows
    dates = date_columns(rows)
    if result.time != "session" or not dates:
        return None
    low, high = days_between(rows, "patient", dates[0])
    text = (
        f"Session numbers are the time; from one session to the next lie {low:.0f} to {high:.0f} days (middle 80 %, column "
        f"'{dates[0]}')."
    )
    return Finding("spacing", "caution" if uneven(low, high) else "fine", text, {"clock": dates[0]})


def early_limit(result: EarlyResponse, limits: Sequence[float]) -> Finding:
    """Tell whether other limits of the early part are shown as well."""
    shown = ", ".join(f"{limit:g}" for limit in sorted(set(limits)))
    level: Verdict = "fine" if len(set(limits)) > 1 else "caution"
    return Finding("early_limit", level, f"Reviewed together: early up to {shown}.", {"further": result.until + 1.0})


def early_error(result: EarlyResponse) -> Finding:
    """Tell whether early slopes and starts hold error in common."""
    known = result.patients[[SLOPE, START]].to_numpy(dtype=float)
    together = float(np.corrcoef(known.T)[0, 1]) if np.ptp(known, axis=0).min() > 0 else math.nan
    text = f"Early slope and early start of {len(known)} patients correlate {together:.2f}; both come from the same ratings."
    level: Verdict = "caution" if together < SHARED_ERROR else "fine"
    return Finding("early_error", level, text, {"further": result.until + 1.0})


def _own_lines(rows: pd.DataFrame, time: str, outcome: str) -> pd.DataFrame:
    """Return slope, spread of times and last time of each patient with two or more times."""
    table = pd.DataFrame({"patient": rows["patient"].to_numpy(), "t": rows[time].to_numpy(float)})
    table["y"] = rows[outcome].to_numpy(float)
    own = table.groupby("patient", observed=True)
    t, y = table["t"] - own["t"].transform("mean"), table["y"] - own["y"].transform("mean")
    sums = pd.DataFrame({"patient": table["patient"], "spread": t * t, "product": t * y, "square": y * y})
    lines = sums.groupby("patient", observed=True).sum().assign(last=own["t"].max(), n=own.size())
    lines = lines[lines["spread"] > 0]
    return lines.assign(slope=lines["product"] / lines["spread"])


def _weighted_slope(lines: pd.DataFrame) -> tuple[float, float]:
    """Return the regression of patients' slopes on the length of their courses, with its standard error."""
    spread, slope, last = (lines[name].to_numpy(dtype=float) for name in ("spread", "slope", "last"))
    freedom = float((lines["n"] - 2).clip(lower=0).sum())
    rest = float((lines["square"] - lines["product"] ** 2 / lines["spread"]).clip(lower=0).sum())
    noise = rest / freedom / spread if freedom else np.zeros(spread.size)
    # Moment estimate of the variance of true slopes; slopes of short courses are known badly and count less.
    true = max(float(np.var(slope, ddof=1) - noise.mean()), 0.05 * float(np.var(slope, ddof=1)))
    weight = 1.0 / (true + noise) if true + noise.max() > 0 else np.ones(spread.size)
    centred = last - np.average(last, weights=weight)
    estimate = float((weight * centred * slope).sum() / (weight * centred**2).sum())
    residual = slope - np.average(slope, weights=weight) - estimate * centred
    # The robust form, so that the standard error does not hang on the moment estimate.
    error = math.sqrt(float((weight**2 * centred**2 * residual**2).sum())) / float((weight * centred**2).sum())
    return estimate, error
