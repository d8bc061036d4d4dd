"""Checks of the model: levels, what is adjusted for, tests, order in time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from alliance_stats.process.level_effects import LevelEffects
from alliance_stats.process.level_estimates import plain_terms
from alliance_stats.process.outcome_result import AllianceOutcome
from alliance_stats.process.review.analysis import Analysis
from alliance_stats.process.review.finding import Finding

ENOUGH_GROUPS = 50
"""Groups above which standard errors of the second level are unbiased: Maas & Hox (2005, doi 10.1027/1614-2241.1.3.86)."""

MIXED = 0.05
"""A predictor belongs to one level if less than this share of its variance is at the other."""

SMALL_BIAS = 0.05
"""Bias of an autoregression that changes little."""


def pooled_slope(analysis: Analysis) -> Finding | None:
    """Tell whether a predictor has one slope for what varies within and between units."""
    if isinstance(analysis.result, AllianceOutcome | LevelEffects):
        names = ", ".join(["session", *analysis.levels])
        return Finding("pooled_slope", "fine", f"Slopes stand apart for: {names}.")
    if analysis.kind != "LmmFit" or analysis.frame is None or analysis.unit is None or not analysis.predictors:
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
    """Tell whether nothing within persons is estimated, or what is differs from what is between."""
    if analysis.kind == "ShareAssociations":
        n = getattr(analysis.result, "n", 0)
        text = f"Estimates compare {n} conversations of different persons; none is within a person."
        return Finding("between_as_within", "caution", text)
    if isinstance(analysis.result, AllianceOutcome):
        table = analysis.result.by_level()
        rows = table[table["difference"].notna()]
        shown = "; ".join(
            f"{level}: {difference:+.2f}, p = {p:.3f}"
            for level, difference, p in zip(rows["level"], rows["difference"], rows["difference_p_value"], strict=True)
        )
        return Finding("between_as_within", "fine", f"Slope minus that of the level below, tested ({shown}).")
    if analysis.kind != "LmmFit" or analysis.frame is None or analysis.unit is None or not analysis.predictors:
        return None
    shares = [_within_share(analysis.frame[name], analysis.frame[analysis.unit]) for name in analysis.predictors]
    if max(shares) < MIXED:
        text = f"None of {len(shares)} predictors varies within {analysis.unit_name}s: all slopes are between them."
        return Finding("between_as_within", "caution", text)
    return None


def prior_outcome(analysis: Analysis) -> Finding | None:
    """Tell whether the outcome before is adjusted for."""
    result = analysis.result
    if analysis.kind == "ShareAssociations":
        initial = getattr(result, "initial", None)
        text = f"The value before ('{initial}') is adjusted for." if initial else "No value before is adjusted for."
        return Finding("prior_outcome", "fine" if initial else "mistake", text)
    if isinstance(result, AllianceOutcome):
        said = result.adjustments
        if not result.lag:
            text = f"Alliance and outcome of {len(result.frame)} same sessions, without the outcome before: either may lead."
            return Finding("prior_outcome", "caution", text)
        if not said.previous_outcome and said.prior_change is None:
            return Finding("prior_outcome", "mistake", f"Adjusted for {said}; the outcome before is not among them.")
        if said.intake or said.prior_change is not None:
            return Finding("prior_outcome", "fine", f"Adjusted for {said}.")
        text = f"Adjusted for {said}: that holds for the session slope; slopes between are not adjusted for intake severity."
        return Finding("prior_outcome", "caution", text)
    if isinstance(result, LevelEffects):
        when = f"lag {result.lag}" if result.lag else "the same session"
        return Finding("prior_outcome", "caution", f"Predictors of {when}; the outcome before is not a covariate.")
    return None


def therapists(analysis: Analysis) -> Finding | None:
    """Tell whether therapists are known and in the model."""
    frame, fit = analysis.frame, analysis.fit
    if frame is None or fit is None:
        return None
    n_groups = fit.n_levels.get("therapist", fit.n_levels.get("treating_person"))
    if n_groups is not None:
        return Finding("therapists", "fine", f"{n_groups} therapists have random effects.")
    column = next((name for name in ("therapist", "treating_person") if name in frame), None)
    if column is None:
        return Finding(
            "therapists", "caution", "The rows have no column of therapists, so they cannot be told from patients."
        )
    count = int(frame[column].nunique())
    if count < 2:
        return Finding("therapists", "caution", f"{count} therapist: nothing can be said about therapists.")
    return Finding("therapists", "mistake", f"{count} therapists are in the rows and not in the model.")


def few_therapists(analysis: Analysis) -> Finding | None:
    """Tell whether the df method fits the number of the outermost groups."""
    if analysis.fit is None or not analysis.fit.n_levels:
        return None
    name, count = min(analysis.fit.n_levels.items(), key=lambda item: item[1])
    method = getattr(getattr(analysis.result, "model", None), "df", None)
    method = method or ("satterthwaite" if isinstance(analysis.result, LevelEffects) else "normal")
    text = f"{count} {name}s; degrees of freedom: {method}"
    if count > ENOUGH_GROUPS:
        return Finding("few_therapists", "fine", f"{text}.")
    if method == "normal":
        return Finding("few_therapists", "mistake", f"{text}, which takes the variances for known.")
    if name in analysis.levels and count < ENOUGH_GROUPS // 5:
        return Finding("few_therapists", "caution", f"{text}; with so few, any method is a rough guide.")
    return Finding("few_therapists", "fine", f"{text}, which allows for their number.")


def lagged_outcome(analysis: Analysis) -> Finding | None:
    """Tell how large the bias of a dynamic panel is about to be."""
    if analysis.kind == "Reciprocal":
        return Finding("lagged_outcome", "fine", "The multilevel model stands beside two structural equation models.")
    result = analysis.result
    if not isinstance(result, AllianceOutcome):
        return None
    term = f"{result.outcome}_session_lag{result.lag}"
    if term not in result.frame or not result.adjustments.previous_outcome or not result.lag:
        return Finding("lagged_outcome", "fine", "The outcome before is not a predictor.")
    rows = float(np.median(result.frame[next(iter(result.levels.values()))].value_counts()))
    estimate = float(result.fit.fixed_effects.to_numpy()[plain_terms(result.fit).index(term)])
    # Nickell (1981): about -(1 + rho) / (T - 1) for T rated sessions; T is the rows analysed and the session before.
    bias = -(1.0 + estimate) / max(rows, 1.0)
    text = (
        f"Median of {rows:g} analysed sessions; slope of the outcome before {estimate:.2f}, its bias about {bias:.2f}."
    )
    return Finding("lagged_outcome", "fine" if abs(bias) < SMALL_BIAS else "caution", text)


def detrending(analysis: Analysis) -> Finding | None:
    """Tell whether results with and without trends are shown."""
    if not isinstance(analysis.result, AllianceOutcome):
        return None
    words = {None: "as rated", "linear": "line taken out", "quadratic": "parabola taken out"}
    shown = ", ".join(words[trend] for trend in (None, "linear", "quadratic") if trend in analysis.trends)
    both = None in analysis.trends and len(analysis.trends) > 1
    return Finding("detrending", "fine" if both else "caution", f"Reviewed together: {shown}.")


def post_hoc_events(analysis: Analysis) -> Finding | None:
    """Tell whether events were found by one criterion."""
    if analysis.kind == "CriteriaOverlap":
        titles = getattr(analysis.result, "titles", {})
        return Finding("post_hoc_events", "fine", f"{len(titles)} criteria are compared.")
    if analysis.kind not in ("Ruptures", "SuddenGains"):
        return None
    row = analysis.result.glance().iloc[0]
    counts = {str(name): int(row[name]) for name in row.index if str(name).startswith("n_") and pd.notna(row[name])}
    shown = ", ".join(f"{name.removeprefix('n_').replace('_', ' ')} {count}" for name, count in counts.items())
    text = f"One criterion ({getattr(getattr(analysis.result, 'criterion', None), 'title', 'unnamed')}); {shown}."
    return Finding("post_hoc_events", "caution", text)


def mediation_order(analysis: Analysis) -> Finding | None:
    """Tell whether predictor, mediator and outcome are rated one after the other."""
    if analysis.kind != "Mediation":
        return None
    lags = tuple(getattr(analysis.result, "lags", ()))
    if lags and min(lags) > 0:
        return Finding("mediation_order", "fine", f"The ratings lie {' and '.join(map(str, lags))} session(s) apart.")
    return Finding("mediation_order", "mistake", "Ratings of the same session stand in for an order in time.")


def _within_share(values: pd.Series[Any], unit: pd.Series[Any]) -> float:
    """Return the share of a column's sum of squares that lies within units."""
    numbers = values.astype(float)
    total = float(((numbers - numbers.mean()) ** 2).sum())
    inside = float(((numbers - numbers.groupby(unit.to_numpy()).transform("mean")) ** 2).sum())
    return inside / total if total > 0 else 0.0
