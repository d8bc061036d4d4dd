"""Which checks a result gets, by its class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import singledispatch
from typing import Any, Protocol, runtime_checkable

import pandas as pd

from alliance_stats.errors import ModelError
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.process.contextual import ContextualTest
from alliance_stats.process.criteria_overlap import CriteriaOverlap
from alliance_stats.process.early_response import EarlyResponse
from alliance_stats.process.gain_matching import GainContrast
from alliance_stats.process.growth import Growth
from alliance_stats.process.instability import Instability
from alliance_stats.process.level_effects import LevelEffects
from alliance_stats.process.mediation import Mediation
from alliance_stats.process.multiverse import Multiverse
from alliance_stats.process.outcome_result import AllianceOutcome, AllianceOutcomes
from alliance_stats.process.reciprocal import Reciprocal
from alliance_stats.process.review import event_checks as events
from alliance_stats.process.review import growth_checks as courses
from alliance_stats.process.review import model_checks as models
from alliance_stats.process.review import movement_checks as movement
from alliance_stats.process.review import outcome_checks as outcomes
from alliance_stats.process.review import panel_checks as panels
from alliance_stats.process.review import rating_checks as ratings
from alliance_stats.process.review import therapist_checks as therapists
from alliance_stats.process.review.analysis import Analysis, of_fit, of_levels
from alliance_stats.process.review.code import settings
from alliance_stats.process.review.finding import Finding
from alliance_stats.process.review.panel import Panel, Together
from alliance_stats.process.ruptures import Ruptures
from alliance_stats.process.sudden_gains import SuddenGains
from alliance_stats.process.synchrony import Synchrony
from alliance_stats.process.therapist_effects import TherapistEffects
from alliance_stats.result import Result

NOT_REVIEWED: Mapping[type[Result], str] = {
    ContextualTest: "it is a test of a model; review the result of alliance_outcome(), level_effects() or lmm() it was made from",
}
"""Results of process/ without checks, and why; the review itself is no analysis."""


@runtime_checkable
class Conversations(Protocol):
    """Associations over single conversations, one row per person; made beside this part of the package, known by its fields."""

    outcome: str
    initial: str | None
    estimates: pd.DataFrame
    n: int
    share_unchanged: float


def panels_of(result: Any) -> list[Panel]:
    """Return the findings on each result, several for one that holds several.

    Raises
    ------
    ModelError
        If there is no review for a type.
    """
    flat = _by_name(result, "result")
    if not flat:
        raise ModelError.build("There is no analysis to review.", hint="pass a result, or a list of results.")
    together = Together(tuple(flat.values()))
    return [replace(panel_of(one, together), name=name) for name, one in flat.items()]


def _by_name(result: Any, name: str) -> dict[str, Any]:
    """Return single results by what they are called in code."""
    if isinstance(result, AllianceOutcomes):
        return _by_name(list(result.results), f"{name}.results")
    if not isinstance(result, list | tuple):
        return {name: result}
    return {own: one for place, held in enumerate(result) for own, one in _by_name(held, f"{name}[{place}]").items()}


@singledispatch
def panel_of(result: Any, together: Together) -> Panel:
    """Return the findings on a result; a class that is not registered has no review."""
    if isinstance(result, Conversations):
        return _conversations(result)
    known = "alliance_outcome(), level_effects(), lmm(), growth(), therapist_effects() or any other analysis of this package's "
    why = NOT_REVIEWED.get(type(result), f"pass the result of {known}process functions, or of share_associations()")
    raise ModelError.build(f"There is no review for a {type(result).__name__}.", hint=f"{why}.")


@panel_of.register
def _alliance_outcome(result: AllianceOutcome, together: Together) -> Panel:
    """Return the findings on alliance and outcome."""
    seen, model = of_levels(result), result.model
    findings = [
        outcomes.slopes_apart(result),
        outcomes.contextual_difference(result),
        outcomes.prior_outcome(result),
        outcomes.lagged_outcome(result),
        outcomes.detrending(together.trends(result)),
        models.few_therapists(seen, model.df),
        ratings.few_sessions(seen, corrected=model.weights == "reliability"),
        *_of_levels(seen),
    ]
    words = {"alliance": result.alliance, "detrend": result.detrend, "covariates": settings(result.adjustments)}
    words |= {"random": settings(model), "reliable": settings(model, weights="reliability")}
    return Panel(_model(result), "alliance_outcome", _found(findings), _level_words(seen) | words)


@panel_of.register
def _level_effects(result: LevelEffects, together: Together) -> Panel:
    """Return the findings on slopes by level."""
    seen = of_levels(result)
    findings = [
        outcomes.slopes_apart(result),
        outcomes.no_prior_outcome(result),
        models.few_therapists(seen, "satterthwaite"),
        ratings.few_sessions(seen),
        *_of_levels(seen),
    ]
    return Panel(_model(result), "level_effects", _found(findings), _level_words(seen))


@panel_of.register
def _lmm(result: LmmFit, together: Together) -> Panel:
    """Return the findings on a plain mixed model, whose table tests with the normal distribution."""
    seen = of_fit(result)
    findings = [
        models.pooled_slope(seen),
        models.between_as_within(seen),
        models.therapists(seen),
        models.few_therapists(seen, "normal"),
        ratings.single_session(seen),
        ratings.ceiling(seen),
        ratings.difference_score(seen),
        ratings.mixed_raters(seen),
    ]
    return Panel(seen.outcome, "lmm", _found(findings), _level_words(seen) | {"formula": result.formula})


@panel_of.register
def _multiverse(result: Multiverse, together: Together) -> Panel:
    """Return the findings on a set of specifications."""
    findings = [
        outcomes.specification_questions(result),
        outcomes.specification_failures(result),
        outcomes.trends_of_specifications(result),
        outcomes.specification_therapists(result),
    ]
    first = result.estimates.iloc[0]
    words = {"alliance": str(first["predictor"]), "outcome": str(first["outcome"])}
    return Panel(words["outcome"], "alliance_multiverse", _found(findings), words)


@panel_of.register
def _reciprocal(result: Reciprocal, together: Together) -> Panel:
    """Return the findings on lagged effects in both directions."""
    findings = [
        panels.bias_by_models(result),
        panels.equal_effects(result),
        panels.panel_fit(result),
        panels.models_disagree(result),
        panels.no_therapists(result),
    ]
    words = {"alliance": result.alliance, "symptom": result.symptom}
    return Panel(result.symptom, "reciprocal", _found(findings), words)


@panel_of.register
def _mediation(result: Mediation, together: Together) -> Panel:
    """Return the findings on a mediation model."""
    findings = [
        panels.order_in_time(result),
        panels.held_before(result),
        panels.observed_means(result),
        panels.indirect_interval(result),
        panels.no_therapists(result),
    ]
    words = {"predictor": result.predictor, "mediator": result.mediator, "outcome": result.outcome}
    words |= {"design": result.design}
    return Panel(
        result.outcome, "mediation", _found(findings), {**words, "lags": result.lags, "last_lag": result.lags[-1]}
    )


@panel_of.register
def _growth(result: Growth, together: Together) -> Panel:
    """Return the findings on a course over time."""
    seen = courses.growth_analysis(result)
    findings = [
        courses.few_ratings(result),
        courses.held_break(result),
        courses.lengths_and_slopes(result),
        courses.no_comparison(result),
        courses.session_clock(result),
        models.therapists(seen),
        models.few_therapists(seen, "satterthwaite"),
        ratings.ceiling(seen),
        ratings.mixed_raters(seen),
    ]
    given = result.model.given[0] if result.model.given else None
    estimated = "estimate" if result.form == "piecewise" and result.model.profile is not None else None
    words = {"outcome": result.outcome, "form": result.form, "time": result.time, "by": result.by}
    return Panel(result.outcome, "growth", _found(findings), {**words, "break_at": estimated or given})


@panel_of.register
def _early_response(result: EarlyResponse, together: Together) -> Panel:
    """Return the findings on early change as a predictor."""
    seen = of_fit(result.fit)
    findings = [
        courses.early_limit(result, together.limits(result)),
        courses.early_error(result),
        models.therapists(seen),
        models.few_therapists(seen, "satterthwaite"),
        ratings.ceiling(Analysis(frame=seen.frame, outcome=seen.outcome)),
    ]
    label = f"{result.outcome}, early up to {result.until:g}"
    words = {"outcome": result.outcome, "until": result.until, "time": result.time, "covariates": result.covariates}
    return Panel(label, "early_response", _found(findings), words)


@panel_of.register
def _therapist_effects(result: TherapistEffects, together: Together) -> Panel:
    """Return the findings on differences between therapists."""
    seen = therapists.therapist_analysis(result)
    findings = [
        therapists.therapist_variance(result),
        therapists.therapist_caseload(result),
        therapists.therapist_ranks(result),
        ratings.ceiling(seen),
        ratings.mixed_raters(seen),
    ]
    return Panel(result.outcome, "therapist_effects", _found(findings), {"outcome": result.outcome})


@panel_of.register
def _ruptures(result: Ruptures, together: Together) -> Panel:
    """Return the findings on ruptures."""
    findings = [
        events.one_criterion(result, together.criteria(result)),
        events.events_missed(result),
        ratings.ceiling(events.series_analysis(result.series, result.alliance)),
    ]
    words = {"column": result.alliance, "repair": result.repair, "cutoff": events.cutoff_of(result)}
    return Panel(f"{result.alliance}, {result.criterion.key}", "ruptures", _found(findings), words)


@panel_of.register
def _sudden_gains(result: SuddenGains, together: Together) -> Panel:
    """Return the findings on sudden gains."""
    findings = [
        events.one_criterion(result, together.criteria(result)),
        events.events_missed(result),
        events.gains_by_chance(result),
        ratings.ceiling(events.series_analysis(result.series, result.outcome)),
    ]
    words = {"column": result.outcome, "cutoff": result.cutoff, "direction": result.direction}
    return Panel(f"{result.outcome}, {result.criterion.key}", "sudden_gains", _found(findings), words)


@panel_of.register
def _gain_contrast(result: GainContrast, together: Together) -> Panel:
    """Return the findings on a rating around gains."""
    return Panel(result.column, "around_gains", (events.partners(result),), {"column": result.column})


@panel_of.register
def _criteria_overlap(result: CriteriaOverlap, together: Together) -> Panel:
    """Return the findings on criteria side by side."""
    made_by = "compare_gain_criteria" if result.event == "gain" else "compare_rupture_criteria"
    return Panel(result.outcome, made_by, tuple(events.compared_criteria(result)), {"column": result.outcome})


@panel_of.register
def _instability(result: Instability, together: Together) -> Panel:
    """Return the findings on instability."""
    findings = [
        movement.few_differences(result),
        movement.steady_change(result),
        movement.spread_alone(result),
        movement.instability_gaps(result),
        ratings.ceiling(events.series_analysis(result.series, result.outcome)),
    ]
    words = {"column": result.outcome, "by": str(result.series.units.columns[0]), "time": result.time}
    return Panel(result.outcome, "instability", _found(findings), words)


@panel_of.register
def _synchrony(result: Synchrony, together: Together) -> Panel:
    """Return the findings on synchrony."""
    findings = [
        movement.few_windows(result),
        movement.few_shuffles(result),
        movement.shared_trend(result),
        movement.smooth_series(result),
    ]
    units = [str(name) for name in result.units.columns]
    words: dict[str, object] = {"columns": result.columns, "column_list": list(result.columns), "units": units}
    words |= {"window": result.window, "lag_max": result.lag_max, "time": result.time}
    return Panel(" and ".join(result.columns), "synchrony", _found(findings), words)


def _conversations(result: Conversations) -> Panel:
    """Return the findings on associations over single conversations."""
    held = (
        f"The value before ('{result.initial}') is adjusted for."
        if result.initial
        else "No value before is adjusted for."
    )
    between = f"Estimates compare {result.n} conversations of different persons; none is within a person."
    findings = (
        Finding("single_session", "caution", f"{result.n} conversations, one of each person."),
        Finding("between_as_within", "caution", between),
        Finding("prior_outcome", "fine" if result.initial else "mistake", held),
    )
    words = {"outcome": result.outcome, "predictor": str(result.estimates["predictor"].iloc[0])}
    return Panel(result.outcome, "share_associations", findings, words)


def _of_levels(seen: Analysis) -> list[Finding | None]:
    """Return what is checked wherever slopes stand apart for each level."""
    return [
        ratings.single_session(seen),
        models.therapists(seen),
        ratings.patients_per_therapist(seen),
        ratings.ceiling(seen),
        ratings.difference_score(seen),
        ratings.mixed_raters(seen),
        ratings.spacing(seen),
    ]


def _level_words(seen: Analysis) -> dict[str, object]:
    """Return what calls may name of an analysis of columns."""
    words: dict[str, object] = {"outcome": seen.outcome, "predictors": list(seen.predictors), "lag": seen.lag}
    return words | {"predictor": seen.predictors[0] if seen.predictors else ""}


def _found(findings: Iterable[Finding | None]) -> tuple[Finding, ...]:
    """Return the findings of checks that applied."""
    return tuple(finding for finding in findings if finding is not None)


def _model(result: AllianceOutcome | LevelEffects) -> str:
    """Return the name of a model in its own table."""
    return str(result.estimates["model"].iloc[0])
