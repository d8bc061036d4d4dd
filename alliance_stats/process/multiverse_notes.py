"""What a reader must know of a multiverse: the set, and what its specifications share or differ in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from alliance_stats.errors import agreeing, counted
from alliance_stats.process.multiverse_choices import Specification
from alliance_stats.process.outcome_model import Adjustments, OutcomeModel


@dataclass(frozen=True)
class Estimated:
    """The levels of one specification, the rows it analysed, and its notes."""

    table: pd.DataFrame = field(repr=False)
    n_rows: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Ground:
    """What all specifications start from: rows of the frame, those that belong to nobody, and the levels."""

    n_rows: int
    n_unplaced: int
    levels: Mapping[str, str]


def multiverse_notes(
    planned: Sequence[Specification], found: Sequence[Estimated], differ: Sequence[str], ground: Ground
) -> tuple[str, ...]:
    """Return the notes of a set: how it was chosen, then estimand, centring, random part, tests, rows, and what is shared."""
    shared = [note for note in found[0].notes if all(note in other.notes for other in found)]
    # The outcome before is centred in one way whatever the choices are; the question is about the alliance.
    centring = f"Centring of {planned[0].question.alliance}:"
    own = {
        "Estimand:": _estimand(planned, ground),
        centring: "Centring: patients' own means, and means above them, as the choices of a specification say.",
        "Model:": _random_part(planned, differ, ground),
        "Intervals": f"Intervals ({100 * planned[0].question.level:g}%) and p values are Wald's; df method: "
        f"{planned[0].question.model.df}.",
        "Rows:": _rows(found, ground),
    }
    # Each set must have a note that begins so, shared by all specifications or said for them.
    stated = [text for topic, text in own.items() if not any(note.startswith(topic) for note in shared)]
    return (*_set_notes(planned, differ, len(planned) - len(found)), *stated, *shared)


def _set_notes(planned: Sequence[Specification], differ: Sequence[str], n_failed: int) -> list[str]:
    """Return how the set was chosen and what it is not."""
    options = "; ".join(f"{name}: {', '.join(dict.fromkeys(own.labels[name] for own in planned))}" for name in differ)
    notes = [
        f"{counted(len(planned), 'specification')}: all combinations of {options or 'one option each'}.",
        "The set was given before any result was seen and all of it is reported; no specification was picked by its p value.",
        "Specifications share their data: they are no replications, and shares of them are not probabilities.",
        "Options with other covariates or lags answer slightly different questions.",
    ]
    if {"alliance", "outcome"} & set(differ):
        notes.append("Alliance or outcome differ, so medians and ranges are of standardised slopes.")
    if any(own.outliers != "none" and _from_intake(own.question.adjustments) for own in planned):
        notes.append("Intake is the first outcome as rated, also where a rule for outliers takes that rating out.")
    if n_failed:
        notes.append(f"{counted(n_failed, 'specification')} could not be estimated; ``failures`` says why.")
    return notes


def _from_intake(adjustments: Adjustments) -> bool:
    """Tell whether a model needs the first rated outcome."""
    return adjustments.intake or adjustments.prior_change == "since_intake"


def _estimand(planned: Sequence[Specification], ground: Ground) -> str:
    """Return the estimand where outcome or lag differ."""
    outcomes = ", ".join(dict.fromkeys(own.question.outcome for own in planned))
    lags = ", ".join(dict.fromkeys(str(own.question.lag) for own in planned))
    return (
        f"Estimand: expected difference in the outcome ({outcomes}) per point of the alliance, apart for "
        f"{', '.join(['session', *ground.levels])}; session part rated that many sessions before: {lags}."
    )


def _random_part(planned: Sequence[Specification], differ: Sequence[str], ground: Ground) -> str:
    """Return the random part and the estimator."""
    model: OutcomeModel = planned[0].question.model
    if model.random is not None:
        said = f"as given ({', '.join(model.random)})"
    else:
        slopes = ", ".join(model.slopes) or "nobody"
        varied = "as the choice 'slopes' says" if "slopes" in differ else f"by {slopes}"
        said = f"intercepts for {', '.join(ground.levels)}; slopes of the alliance's session part {varied}"
    return f"Random part: {said}; REML. Nothing is simplified where a fit is singular (column singular)."


def _rows(found: Sequence[Estimated], ground: Ground) -> str:
    """Return rows given, analysed and left out."""
    low, high = min(one.n_rows for one in found), max(one.n_rows for one in found)
    analysed = f"{low}" if low == high else f"{low} to {high}"
    unplaced = ""
    if ground.n_unplaced:
        without = " or ".join(ground.levels)
        unplaced = (
            f"; {counted(ground.n_unplaced, 'row')} without {without} {agreeing(ground.n_unplaced, 'is', 'are')} left out of "
            "all of them"
        )
    return (
        f"Rows: {ground.n_rows}; analysed, by specification: {analysed}; left out: those without outcome, alliance or a "
        f"covariate at the lag{unplaced}."
    )
