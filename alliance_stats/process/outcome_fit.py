"""From a question about alliance and outcome to its fitted model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from alliance_stats.columns import group_codes, nested_within, require_columns, session_order
from alliance_stats.errors import DataError
from alliance_stats.process.adjustment_columns import add_adjustments
from alliance_stats.process.level_estimates import tested_sums
from alliance_stats.process.level_model import LevelModel, LevelTerms, fit_levels
from alliance_stats.process.level_notes import estimand_notes
from alliance_stats.process.outcome_model import OutcomeQuestion
from alliance_stats.process.outcome_result import AllianceOutcome
from alliance_stats.process.parts import Part, check_roles, choose_levels, parts_of, split_columns

DYNAMIC_PANEL = (
    "The outcome before stands beside person means (a dynamic panel): its slope is biased downwards, about in "
    "inverse proportion to the number of sessions, and the bias spreads to the alliance (Nickell, 1981). "
    "Compare with a structural equation model when patients have few sessions."
)


def fit_question(frame: pd.DataFrame, question: OutcomeQuestion) -> AllianceOutcome:
    """Return the slopes of one alliance on one outcome.

    Raises
    ------
    ColumnError, DataError, ModelError, ConvergenceError
        As `alliance_outcome` says.
    """
    alliance, outcome, lag = question.alliance, question.outcome, question.lag
    model, adjustments = question.model, question.adjustments
    check_roles(outcome, (alliance,), adjustments.columns)
    require_columns(frame, ["patient", "session"], hint="rename your columns with read_sessions().")
    require_columns(frame, [alliance, outcome, *adjustments.columns])
    _check_raters(frame, alliance)
    levels, level_notes = choose_levels(frame, model.levels)
    _check_one_therapist_each(frame, levels)
    with_before = bool(lag) and adjustments.previous_outcome
    split = (alliance, outcome) if with_before else (alliance,)
    table, centring = split_columns(frame, split, levels, lag=lag, detrend=question.detrend, weights=model.weights)
    first = next(iter(levels.values()))
    adjusted = add_adjustments(table, outcome, first, lag=lag, adjustments=adjustments)
    parts = parts_of(alliance, levels, lag)
    before = [Part(f"{outcome}_session_lag{lag}", outcome, "session")] if with_before else []
    terms = LevelTerms(
        outcome,
        [*parts, *before],
        covariates=tuple(dict.fromkeys([*adjusted.columns, *adjustments.columns])),
        random=model.bars(parts[0].column, levels),
        residual=model.residual,
        df=model.df,
    )
    fitted = fit_levels(adjusted.table, terms, levels)
    notes = [*_thin_notes(frame, fitted, question), *_question_notes(question, levels), *level_notes, *centring]
    return AllianceOutcome(
        alliance=alliance,
        outcome=outcome,
        levels=levels,
        lag=lag,
        detrend=question.detrend,
        adjustments=adjustments,
        model=model,
        fit=fitted.fit,
        frame=fitted.rows,
        estimates=_with_contextual(fitted, parts, question).assign(model=question.label, outcome=outcome),
        notes=(*notes, *_order_notes(frame, first), *adjusted.notes, *fitted.notes),
    )


def _check_raters(frame: pd.DataFrame, alliance: str) -> None:
    """Raise a DataError when the alliance is rated by several raters in one column."""
    if "rater" not in frame.columns:
        return
    rated = frame.loc[frame[alliance].notna(), "rater"]
    if rated.nunique() > 1:
        counts = ", ".join(str(count) for count in sorted(rated.value_counts(), reverse=True)[:5])
        raise DataError.build(
            f"'{alliance}' mixes the ratings of {rated.nunique()} raters (column 'rater', {counts} rows): a difference between "
            "sessions would be one between raters.",
            hint='keep one rater, for example frame[frame["rater"] == "patient"], or give each rater a column with to_wide().',
        )


def _check_one_therapist_each(frame: pd.DataFrame, levels: Mapping[str, str]) -> None:
    """Raise a DataError, with the way out, when patients belong to several therapists."""
    if "therapist" not in levels or "patient" not in levels:
        return
    patient, therapist = levels["patient"], levels["therapist"]
    if not nested_within(group_codes(frame, patient)[0], group_codes(frame, therapist)[0]):
        pairs = frame[[patient, therapist]].dropna().drop_duplicates()
        several = int((pairs[patient].value_counts() > 1).sum())
        raise DataError.build(
            f"{several} patients belong to more than one therapist, so that a patient part and a therapist part cannot "
            "be told apart.",
            hint='for the patient part alone pass frame.drop(columns="therapist"), or units = ["patient"] in a column map; '
            'for pairs use level_effects(..., levels=("dyad",)).',
        )


def _thin_notes(frame: pd.DataFrame, fitted: LevelModel, question: OutcomeQuestion) -> list[str]:
    """Return a first sentence when less than half of the rated sessions carry the estimates."""
    rated, used = int(frame[question.outcome].notna().sum()), len(fitted.rows)
    if 2 * used >= rated:
        return []
    return [
        f"Few rows carry these estimates: {used} of {rated} sessions with an outcome have what is needed {question.lag} "
        "session(s) before. They may differ from the others."
    ]


def _order_notes(frame: pd.DataFrame, unit: str) -> list[str]:
    """Return a sentence when rows are not in the order of sessions, which does not matter here but may elsewhere."""
    codes, times = group_codes(frame, unit)[0], session_order(frame)
    order = np.argsort(codes, kind="stable")
    turned = (np.diff(codes[order]) == 0) & (np.diff(times[order]) < 0)
    if not turned.any():
        return []
    return [
        f"{int(turned.sum())} rows stand after a later session of their patient; rows are matched by session number."
    ]


def _with_contextual(fitted: LevelModel, parts: Sequence[Part], question: OutcomeQuestion) -> pd.DataFrame:
    """Return the estimates with the difference of each level's slope from the level below, after the parts."""
    pairs = list(pairwise(parts))
    tested, _ = tested_sums(
        fitted.fit, [{outer.column: 1.0, inner.column: -1.0} for inner, outer in pairs], df=question.model.df
    )
    records = [
        {"predictor": outer.predictor, "term": f"{outer.column} - {inner.column}", "level": "contextual"}
        | test
        | {"n": fitted.estimates.loc[fitted.estimates["term"] == outer.column, "n"].iloc[0]}
        for (inner, outer), test in zip(pairs, tested, strict=True)
    ]
    own, others = fitted.estimates.iloc[: len(parts)], fitted.estimates.iloc[len(parts) :]
    return pd.concat([own, pd.DataFrame(records), others], ignore_index=True)


def _question_notes(question: OutcomeQuestion, levels: Mapping[str, str]) -> list[str]:
    """Return the sentences on estimand, lag, trend and bias."""
    notes = estimand_notes(question.outcome, levels, question.lag)
    session = "; session number is a linear covariate" if question.adjustments.time == "linear" else ""
    if question.lag and question.adjustments.previous_outcome:
        notes += [
            "The outcome of the session the alliance is taken from is a covariate, as deviation from the patient's "
            f"mean{session}.",
            DYNAMIC_PANEL,
        ]
    elif question.lag:
        notes.append(
            f"The outcome before is not a covariate{session}: earlier change may explain alliance and outcome alike."
        )
    else:
        notes.append(
            "Lag 0: alliance and outcome are of the same session, without the outcome before; either may lead."
        )
    curve = {"linear": "line", "quadratic": "parabola", None: ""}[question.detrend]
    taken = f"Session parts are deviations from each patient's own {curve} over sessions"
    kept = "Session parts hold each patient's own trend over sessions"
    notes.append(f"{taken if question.detrend else kept}; detrending changes the estimates, so report both.")
    notes.append("Patient means are taken over all sessions, also those after the outcome.")
    return notes
