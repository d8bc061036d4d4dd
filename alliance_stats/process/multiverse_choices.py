"""The choices of a multiverse, and every combination of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, TypeAlias, get_args

import numpy as np
import pandas as pd

from alliance_stats.columns import numeric_values, require_columns
from alliance_stats.errors import DataError, ModelError, unknown_name
from alliance_stats.process.arguments import choice, column_name, column_names, whole_number
from alliance_stats.process.centering import Weights, require_detrend
from alliance_stats.process.outcome_model import Adjustments, OutcomeModel, OutcomeQuestion
from alliance_stats.process.session_checks import require_finite, require_one_rater

Choices: TypeAlias = Mapping[str, "Sequence[Any] | Mapping[str, Any]"]
"""Name of a choice to its options: a list, or a mapping from what an option is called to the option."""

DIMENSIONS = ("alliance", "outcome", "lag", "detrend", "covariates", "centring", "outliers", "slopes")
"""What can be chosen, in the order of tables and pictures."""

MOST = 2_000
"""More combinations than this are a slip."""

OUTLIERS: Mapping[str, str] = {
    "none": "no rating is left out",
    "3sd": "ratings of alliance and outcome more than 3 standard deviations from the mean of all ratings are left out",
    "3sd_within": "ratings of alliance and outcome more than 3 pooled standard deviations within patients from the patient's "
    "mean are left out",
}
"""Rules for outliers and what they do."""


def defensible_choices() -> dict[str, Any]:
    """Return the choices on which published analyses of alliance and outcome differ.

    Returns
    -------
    dict
        detrend: none or each patient's line (Falkenström et al., 2017, find that it changes estimates); covariates: outcome
        before and time, these with intake, or time alone (Flückiger et al., 2020, doi 10.1037/cou0000424); centring: sessions or
        patients weigh alike; outliers: none or beyond 3 SD (Goldberg et al., 2023, doi 10.1037/cou0000638); slopes: by patient
        or none. With one alliance, outcome and lag these are 48 models.

    Examples
    --------
    >>> sorted(defensible_choices())
    ['centring', 'covariates', 'detrend', 'outliers', 'slopes']
    """
    return {
        "detrend": [None, "linear"],
        "covariates": {
            "before + time": Adjustments(),
            "before + time + intake": Adjustments(intake=True),
            "time": Adjustments(previous_outcome=False),
        },
        "centring": ["sessions", "patients"],
        "outliers": ["none", "3sd"],
        "slopes": {"by patient": ("patient",), "none": ()},
    }


@dataclass(frozen=True)
class Specification:
    """One combination of choices: what each is called, the question, and the rule for outliers."""

    labels: Mapping[str, str]
    question: OutcomeQuestion = field(repr=False)
    outliers: str


def specifications(base: OutcomeQuestion, choices: Choices) -> list[Specification]:
    """Return all combinations in the order of the choices.

    Raises
    ------
    DataError
        If a choice or an option is unknown or named twice, or the combinations are too many.
    """
    if not isinstance(choices, Mapping) or not choices:
        what = "names no choice" if isinstance(choices, Mapping | Sequence) and not choices else "is no mapping"
        raise DataError.build(
            f"choices {what}, so that there is nothing to vary.",
            hint='leave choices= out for those of defensible_choices(), or pass for example {"detrend": [None, "linear"]}.',
        )
    unknown = [name for name in choices if name not in DIMENSIONS]
    if unknown:
        raise unknown_name(DataError, "choice", str(unknown[0]), DIMENSIONS)
    named = {name: _options(name, choices[name]) for name in DIMENSIONS if name in choices}
    count = int(np.prod([len(options) for options in named.values()], dtype=float))
    if count > MOST:
        raise DataError.build(f"The choices make {count} models; {MOST} are the limit.", hint="leave out options.")
    found = []
    for combination in product(*(options.items() for options in named.values())):
        picked = dict(zip(named, combination, strict=True))
        question, outliers = base, "none"
        for name, (_, option) in picked.items():
            if name == "outliers":
                outliers = option
            else:
                question = _SETTERS[name](question, option)
        found.append(Specification({name: label for name, (label, _) in picked.items()}, question, outliers))
    return found


def check_columns(frame: pd.DataFrame, planned: Sequence[Specification], levels: Mapping[str, str]) -> None:
    """Raise an error when a specification names a column or a level that cannot be used: a slip, not a result."""
    ratings: dict[str, None] = {}
    others: list[str] = []
    for own in planned:
        question = own.question
        ratings |= {question.alliance: None, question.outcome: None}
        others += [*question.adjustments.columns, *(bar for bar in question.model.random or () if "|" not in bar)]
    require_columns(frame, [*ratings, *others])
    for name in ratings:
        require_finite(numeric_values(frame, name), name)
        require_one_rater(frame, name, levels)
    for slopes in {own.question.model.slopes: own.question.model for own in planned}.values():
        slopes.bars("session part", levels)


def without_outliers(frame: pd.DataFrame, question: OutcomeQuestion, rule: str, unit: str) -> tuple[pd.DataFrame, int]:
    """Return the frame with the ratings that a rule calls outliers set to missing, and how many these are.

    Parameters
    ----------
    frame : DataFrame
    question : OutcomeQuestion
    rule : str
        A key of `OUTLIERS`.
    unit : str
        Column of patients.
    """
    if rule == "none":
        return frame, 0
    changed, count = {}, 0
    for name in (question.alliance, question.outcome):
        values = numeric_values(frame, name)
        if np.isfinite(values).sum() < 2:
            continue
        deviation, spread = values - np.nanmean(values), np.nanstd(values, ddof=1)
        if rule == "3sd_within":
            codes = pd.factorize(frame[unit])[0]
            means = pd.Series(values).where(codes >= 0).groupby(codes).transform("mean").to_numpy()
            deviation = values - means
            known = ~np.isnan(deviation)
            spread = np.sqrt(np.sum(deviation[known] ** 2) / max(int(known.sum()) - len(np.unique(codes[known])), 1))
        far = np.abs(deviation) > 3.0 * spread
        changed[name] = np.where(far, np.nan, values)
        count += int(far.sum())
    return frame.assign(**changed), count


def _options(name: str, given: Sequence[Any] | Mapping[str, Any]) -> dict[str, Any]:
    """Return what each option is called, and the option."""
    if isinstance(given, str) or not isinstance(given, Mapping | Sequence):
        raise DataError.build(
            f"The choice '{name}' is not a list of options.", hint=f'for example {{"{name}": [...]}}.'
        )
    options = dict(given) if isinstance(given, Mapping) else {_called(option): option for option in given}
    if not options or len(options) < len(given):
        raise DataError.build(f"The choice '{name}' has no option, or one twice.", hint="name each option once.")
    for option in options.values():
        _check_option(name, option)
    return options


def _called(option: Any) -> str:
    """Return what an option without a name is called."""
    if isinstance(option, list | tuple):
        return " + ".join(str(part) for part in option) or "none"
    return "none" if option is None else str(option)


def _check_option(name: str, option: Any) -> None:
    """Raise for an option that is not known; columns and lags are checked with the data."""
    if name in ("alliance", "outcome"):
        column_name(option, name)
    elif name == "lag":
        whole_number(option, "lag", least=0)
    elif name == "detrend":
        require_detrend(option)
    elif name in ("centring", "outliers"):
        kind = "way of centring" if name == "centring" else "rule for outliers"
        choice(option, name, get_args(Weights) if name == "centring" else tuple(OUTLIERS), kind=kind)
    elif name == "slopes":
        OutcomeModel(slopes=option)
    elif isinstance(option, list | tuple):
        column_names(option, "covariates", required=True)
    elif not isinstance(option, Adjustments):
        raise DataError.build(
            f"An option of covariates is of type {type(option).__name__}.",
            hint="pass Adjustments(...) or a list of columns.",
        )


def _set_slopes(question: OutcomeQuestion, option: Any) -> OutcomeQuestion:
    """Return the question with random slopes at the levels named."""
    if question.model.random is not None:
        raise ModelError.build(
            "Random terms are given as bars, so slopes cannot be a choice.",
            hint="leave random= out, or the choice 'slopes'.",
        )
    return replace(question, model=replace(question.model, slopes=option))


def _set_covariates(question: OutcomeQuestion, option: Any) -> OutcomeQuestion:
    """Return the question with other adjustments."""
    chosen = option if isinstance(option, Adjustments) else replace(question.adjustments, columns=tuple(option))
    return replace(question, adjustments=chosen)


_SETTERS: Mapping[str, Callable[[OutcomeQuestion, Any], OutcomeQuestion]] = {
    "alliance": lambda question, option: replace(question, alliance=option),
    "outcome": lambda question, option: replace(question, outcome=option),
    "lag": lambda question, option: replace(question, lag=option),
    "detrend": lambda question, option: replace(question, detrend=option),
    "covariates": _set_covariates,
    "centring": lambda question, option: replace(question, model=replace(question.model, weights=option)),
    "slopes": _set_slopes,
}
