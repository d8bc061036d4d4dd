"""From a question about alliance and outcome to its fitted model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from alliance_stats.columns import group_codes, nested_within, require_columns, session_order
from alliance_stats.errors import DataError, agreeing, counted
from alliance_stats.process.adjustment_columns import add_adjustments
from alliance_stats.process.centering import Levels
from alliance_stats.process.level_estimates import tested_sums
from alliance_stats.process.level_model import LevelModel, LevelTerms, fit_levels
from alliance_stats.process.level_notes import estimand_notes
from alliance_stats.process.outcome_model import OutcomeQuestion
from alliance_stats.process.outcome_result import AllianceOutcome
from alliance_stats.process.parts import Part, check_roles, choose_levels, parts_of, split_columns
from alliance_stats.process.session_checks import require_one_rater, require_sessions_once

DYNAMIC_PANEL = (
    "The outcome before stands beside person means (a dynamic panel): its slope is biased downwards, about in "
    "inverse proportion to the number of sessions, and the bias spreads to the alliance (Nickell, 1981). "
    "Compare with a structural equation model when patients have few sessions."
)


def fit_question(
    frame: pd.DataFrame, question: OutcomeQuestion, *, given: pd.DataFrame | None = None
) -> AllianceOutcome:
    """Return the slopes of one alliance on one outcome.

    Parameters
    ----------
    frame : DataFrame
        What `session_frame` returns.
    question : OutcomeQuestion
    given : DataFrame or None
        The same rows with the ratings that were taken out of ``frame``.

    Raises
    ------
    ColumnError, DataError, ModelError, ConvergenceError
        As `alliance_outcome` says.
    """
    alliance, outcome, lag = question.alliance, question.outcome, question.lag
    model, adjustments = question.model, question.adjustments
    levels, level_notes = _checked_levels(frame, question)
    with_before = bool(lag) and adjustments.previous_outcome
    table, centring = split_columns(
        frame, (alliance,), levels, lag=lag, detrend=question.detrend, weights=model.weights
    )
    if with_before:
        table, own_centring = _split_before(table, question, levels)
        centring += own_centring
    first = next(iter(levels.values()))
    before_removal = frame if given is None else given
    adjusted = add_adjustments(table, outcome, first, lag=lag, adjustments=adjustments, given=before_removal)
    parts = parts_of(alliance, levels, lag)
    before = [Part(f"{outcome}_session_lag{lag}", outcome, "session")] if with_before else []
    terms = LevelTerms(
        outcome,
        [*parts, *before],
        covariates=tuple(dict.fromkeys([*adjusted.columns, *adjustments.columns])),
        random=model.bars(parts[0].column, levels),
        residual=model.residual,
        df=model.df,
        level=question.level,
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
        level=question.level,
        fit=fitted.fit,
        frame=fitted.rows,
        estimates=_with_contextual(fitted, parts, question).assign(model=question.label, outcome=outcome),
        notes=(*notes, *_order_notes(frame, first), *adjusted.notes, *fitted.notes),
    )


def _split_before(
    table: pd.DataFrame, question: OutcomeQuestion, levels: Mapping[str, str]
) -> tuple[pd.DataFrame, list[str]]:
    """Return the table with the deviations of the outcome before from the patient's observed mean, and notes.

    A line through the outcomes would hold the outcome to be explained, and a mean drawn in would leave differences between
    patients in the deviation; both would spread to the slopes of the alliance.
    """
    weights = "sessions" if question.model.weights == "reliability" else question.model.weights
    return split_columns(table, (question.outcome,), levels, lag=question.lag, weights=weights)


def _checked_levels(frame: pd.DataFrame, question: OutcomeQuestion) -> tuple[dict[str, str], list[str]]:
    """Return level name to column and notes, for a frame that can answer the question; raise if it cannot."""
    alliance, outcome, columns = question.alliance, question.outcome, question.adjustments.columns
    check_roles(outcome, (alliance,), columns)
    levels, notes = session_levels(frame, question.model.levels)
    require_columns(frame, [alliance, outcome, *columns])
    require_one_rater(frame, alliance, levels)
    require_one_rater(frame, outcome, levels)
    require_sessions_once(frame, levels)
    _check_one_therapist_each(frame, levels)
    return levels, notes


def session_levels(frame: pd.DataFrame, levels: Levels | None) -> tuple[dict[str, str], list[str]]:
    """Return level name to column and notes, for a frame whose sessions have whole numbers; raise if they have none."""
    needed = ["patient", "session"] if levels is None else ["session"]
    require_columns(frame, needed, hint="rename your columns with read_sessions().")
    session_order(frame)
    return choose_levels(frame, levels)


def _check_one_therapist_each(frame: pd.DataFrame, levels: Mapping[str, str]) -> None:
    """Raise a DataError, with the way out, when patients belong to several therapists."""
    if "therapist" not in levels or "patient" not in levels:
        return
    patient, therapist = levels["patient"], levels["therapist"]
    if not nested_within(group_codes(frame, patient)[0], group_codes(frame, therapist)[0]):
        pairs = frame[[patient, therapist]].dropna().drop_duplicates()
        several = int((pairs[patient].value_counts() > 1).sum())
        raise DataError.build(
            f"{counted(several, 'patient')} {agreeing(several, 'belongs', 'belong')} to more than one therapist, so that a "
            "patient part and a therapist part cannot be told apart.",
            hint='for the patient part alone pass frame.drop(columns="therapist"), or units = ["patient"] in a column map; '
            'for pairs use level_effects(..., levels=("dyad",)).',
        )


def _thin_notes(frame: pd.DataFrame, fitted: LevelModel, question: OutcomeQuestion) -> list[str]:
    """Return a first sentence when less than half of the rated sessions carry the estimates."""
    rated, used = int(frame[question.outcome].notna().sum()), len(fitted.rows)
    if 2 * used >= rated:
        return []
    return [
        f"Few rows carry these estimates: {used} of {counted(rated, 'session')} with an outcome "
        f"{agreeing(used, 'has', 'have')} what is needed {counted(question.lag, 'session')} before. They may differ from the "
        "others."
    ]


def _order_notes(frame: pd.DataFrame, unit: str) -> list[str]:
    """Return a sentence when rows are not in the order of sessions, which does not matter here but may elsewhere."""
    codes, times = group_codes(frame, unit)[0], session_order(frame)
    order = np.argsort(codes, kind="stable")
    turned = (np.diff(codes[order]) == 0) & (np.diff(times[order]) < 0)
    if not turned.any():
        return []
    count = int(turned.sum())
    return [
        f"{counted(count, 'row')} {agreeing(count, 'stands', 'stand')} after a later session of their patient; rows are matched "
        "by session number."
    ]


def _with_contextual(fitted: LevelModel, parts: Sequence[Part], question: OutcomeQuestion) -> pd.DataFrame:
    """Return the estimates with the difference of each level's slope from the level below, after the parts."""
    pairs = list(pairwise(parts))
    tested, _ = tested_sums(
        fitted.fit,
        [{outer.column: 1.0, inner.column: -1.0} for inner, outer in pairs],
        df=question.model.df,
        level=question.level,
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
            f"observed mean{_before_only(question)}{session}.",
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
    taken = f"Session parts of the alliance are deviations from each patient's own {curve} over sessions"
    kept = "Session parts of the alliance hold each patient's own trend over sessions"
    notes.append(f"{taken if question.detrend else kept}; detrending changes the estimates, so report both.")
    notes.append("Patient means are taken over all sessions, also those after the outcome.")
    return notes


def _before_only(question: OutcomeQuestion) -> str:
    """Return that what is asked for the alliance is not done to the outcome before, or an empty string."""
    options = ["detrend"] if question.detrend else []
    options += ["weights='reliability'"] if question.model.weights == "reliability" else []
    return (
        f" ({' and '.join(options)} {agreeing(len(options), 'applies', 'apply')} to the alliance only)"
        if options
        else ""
    )
