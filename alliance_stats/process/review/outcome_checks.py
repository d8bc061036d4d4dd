"""Checks of alliance and outcome: what the slopes are adjusted for, trends, bias of a dynamic panel, sets of specifications."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from alliance_stats.process.centering import Detrend
from alliance_stats.process.level_effects import LevelEffects
from alliance_stats.process.level_estimates import plain_terms
from alliance_stats.process.multiverse import Multiverse
from alliance_stats.process.outcome_result import AllianceOutcome
from alliance_stats.process.review.code import settings
from alliance_stats.process.review.finding import Finding, graded
from alliance_stats.process.review.model_checks import WITH_THERAPISTS

SMALL_BIAS = 0.05
"""Bias of an autoregression that changes little."""

UNSOUND = 0.5
"""Share of specifications without an estimate, or singular, above which a set says little; a convention of this library."""

TRENDS: dict[Detrend | None, str] = {
    None: "as rated",
    "linear": "line taken out",
    "quadratic": "parabola taken out",
}


def slopes_apart(result: AllianceOutcome | LevelEffects) -> Finding:
    """Tell that each level has a slope of its own."""
    return Finding("pooled_slope", "fine", f"Slopes stand apart for: {', '.join(['session', *result.levels])}.")


def contextual_difference(result: AllianceOutcome) -> Finding:
    """Tell how slopes between differ from slopes within."""
    table = result.by_level()
    rows = table[table["difference"].notna()]
    shown = "; ".join(
        f"{level}: {difference:+.2f}, p = {p:.3f}"
        for level, difference, p in zip(rows["level"], rows["difference"], rows["difference_p_value"], strict=True)
    )
    return Finding("between_as_within", "fine", f"Slope minus that of the level below, tested ({shown}).")


def prior_outcome(result: AllianceOutcome) -> Finding:
    """Tell whether the outcome before is adjusted for."""
    said = result.adjustments
    # The two adjustments for earlier change together are mostly one; intake is what slopes between lack.
    mended = replace(said, previous_outcome=True, intake=True)
    words = {"later": max(result.lag, 1), "adjusted": settings(mended)}
    if not result.lag:
        text = (
            f"Alliance and outcome of {len(result.frame)} same sessions, without the outcome before: either may lead."
        )
        return Finding("prior_outcome", "caution", text, words)
    if not said.previous_outcome and said.prior_change is None:
        text = f"Adjusted for {said}; the outcome before is not among them."
        return Finding("prior_outcome", "mistake", text, words)
    if said.intake or said.prior_change is not None:
        return Finding("prior_outcome", "fine", f"Adjusted for {said}.")
    text = (
        f"Adjusted for {said}: that holds for the session slope; slopes between are not adjusted for intake severity."
    )
    return Finding("prior_outcome", "caution", text, words)


def no_prior_outcome(result: LevelEffects) -> Finding:
    """Tell that the outcome before is no covariate of plain slopes by level."""
    when = f"lag {result.lag}" if result.lag else "the same session"
    return Finding("prior_outcome", "caution", f"Predictors of {when}; the outcome before is not a covariate.")


def lagged_outcome(result: AllianceOutcome) -> Finding:
    """Tell how large the bias of a dynamic panel is about to be."""
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


def detrending(trends: Collection[Detrend | None]) -> Finding:
    """Tell whether results with and without trends are shown."""
    shown = ", ".join(TRENDS[trend] for trend in TRENDS if trend in trends)
    both = None in trends and len(trends) > 1
    return Finding("detrending", "fine" if both else "caution", f"Reviewed together: {shown}.")


def trends_of_specifications(result: Multiverse) -> Finding:
    """Tell whether specifications with and without trends are in the set."""
    if "detrend" in result.dimensions:
        shown = ", ".join(dict.fromkeys(result.estimates["detrend"].astype(str)))
        return Finding("detrending", "fine", f"Among the {result.n_specifications} specifications: {shown}.")
    text = f"All {result.n_specifications} specifications handle trends in one way."
    return Finding("detrending", "caution", text)


def specification_questions(result: Multiverse) -> Finding:
    """Tell whether the set mixes questions."""
    asking = [name for name in ("lag", "alliance", "outcome", "covariates") if name in result.dimensions]
    session = result.summary().iloc[0]
    text = (
        f"{result.n_specifications} specifications differ in {', '.join(result.dimensions) or 'nothing'}; "
        f"{session['share_same_sign']:.0%} of their session slopes have the sign of the median"
    )
    if asking:
        return Finding(
            "multiverse_questions", "caution", f"{text}. Other questions, not only other ways: {', '.join(asking)}."
        )
    return Finding("multiverse_questions", "fine", f"{text}.")


def specification_failures(result: Multiverse) -> Finding:
    """Tell how many specifications have no estimate, or one at the boundary of its variances."""
    size, failed = result.n_specifications, len(result.failures)
    singular = int(result.estimates.drop_duplicates("model")["singular"].sum())
    text = f"Of {size} specifications {failed} could not be estimated and {singular} are singular."
    level = graded(failed / size, caution=0.0, mistake=UNSOUND)
    if level == "fine" and singular > UNSOUND * size:
        level = "caution"
    return Finding("multiverse_failures", level, text)


def specification_therapists(result: Multiverse) -> Finding:
    """Tell whether therapists are a level of the specifications."""
    if "therapist" in result.levels:
        count = int(result.estimates["n_therapists"].max())
        return Finding("therapists", "fine", f"{count} therapists are a level of the specifications.")
    text = "No specification has therapists as a level, so they cannot be told from patients."
    return Finding("therapists", "caution", text, {"frame": WITH_THERAPISTS})
