"""Alliance and outcome under every defensible combination of choices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from alliance_stats.errors import AllianceStatsError, DataError, ModelError, counted
from alliance_stats.inference.linear import require_level
from alliance_stats.process.arguments import column_name, truth, whole_number
from alliance_stats.process.centering import require_detrend
from alliance_stats.process.multiverse_choices import (
    DIMENSIONS,
    Choices,
    Specification,
    check_columns,
    defensible_choices,
    specifications,
    without_outliers,
)
from alliance_stats.process.multiverse_notes import Estimated, Ground, multiverse_notes
from alliance_stats.process.outcome_fit import fit_question, session_levels
from alliance_stats.process.outcome_model import OutcomeModel, OutcomeQuestion, as_adjustments, as_model
from alliance_stats.process.parts import CONF_LEVEL, ordered_columns
from alliance_stats.process.session_checks import require_sessions_once
from alliance_stats.process.session_frame import session_frame
from alliance_stats.result import Result

SIGNIFICANT = 0.05
"""The conventional level, for the share of specifications below it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Multiverse(Result):
    """The slopes of all specifications.

    Parameters
    ----------
    dimensions : tuple of str
        The choices that differ between specifications.
    levels : tuple of str
        From the session outwards.
    standardised : bool
        Whether alliance or outcome differ, so that only standardised slopes compare.
    estimates : DataFrame
        What ``tidy()`` returns.
    failures : DataFrame
        One row per specification without estimate: specification, the choices, reason.
    n_specifications : int
        All that were run.
    """

    dimensions: tuple[str, ...]
    levels: tuple[str, ...]
    standardised: bool
    estimates: pd.DataFrame = field(repr=False)
    failures: pd.DataFrame = field(repr=False)
    n_specifications: int

    def tidy(self) -> pd.DataFrame:
        """Return the estimates.

        Returns
        -------
        DataFrame
            One row per specification and level: model (number of the specification), outcome, predictor, level, estimate,
            std_error, df, p_value, conf_low, conf_high, conf_level, std_estimate, std_conf_low, std_conf_high (standard
            deviations at the level), n_sessions, n_patients, n_therapists, n_outliers (ratings left out), singular, and one
            column per choice.
        """
        return self.estimates.copy()

    def summary(self) -> pd.DataFrame:
        """Return one row per level.

        Returns
        -------
        DataFrame
            level, n_specifications, median, lowest, highest (of the estimate, or of the standardised one where alliance or
            outcome differ), share_same_sign (as the median), share_below_05 (p < .05, in the direction of the median).
        """
        column = "std_estimate" if self.standardised else "estimate"
        rows = []
        for level in self.levels:
            own = self.estimates[self.estimates["level"] == level]
            values = own[column].to_numpy(dtype=float)
            middle = float(np.median(values))
            same = np.sign(values) == np.sign(middle)
            below = same & (own["p_value"].to_numpy(dtype=float) < SIGNIFICANT)
            rows.append(
                {"level": level, "n_specifications": len(values), "median": middle, "lowest": float(values.min())}
                | {"highest": float(values.max()), "share_same_sign": float(same.mean())}
                | {"share_below_05": float(below.mean())}
            )
        return pd.DataFrame(rows)

    def glance(self) -> pd.DataFrame:
        """Return one row: specifications run, estimated, singular; median session slope and its range."""
        session = self.summary().iloc[0]
        singular = self.estimates.drop_duplicates("model")["singular"]
        return pd.DataFrame(
            [
                {
                    "n_specifications": self.n_specifications,
                    "n_estimated": len(singular),
                    "n_singular": int(singular.sum()),
                }
                | {"level": session["level"], "median": session["median"]}
                | {"lowest": session["lowest"], "highest": session["highest"]}
            ]
        )


def alliance_multiverse(
    frame: Any,
    *,
    question: Mapping[str, object],
    choices: Choices | None = None,
    random: Sequence[str] | OutcomeModel | None = None,
    level: float = CONF_LEVEL,
    n_jobs: int = 1,
    progress: bool = True,
) -> Multiverse:
    """Fit alliance and outcome under every combination of defensible choices.

    Use it after `alliance_outcome`, to see how far the answer hangs on choices that theory leaves open. The estimands are
    those of `alliance_outcome`, one per level; specifications with other covariates or lags answer slightly different
    questions, so the spread is no error of one number.

    Parameters
    ----------
    frame : DataFrame
        As for `alliance_outcome`.
    question : mapping
        Arguments of `alliance_outcome` that hold where no choice says otherwise: alliance, outcome, lag, and if wanted
        detrend and covariates.
    choices : mapping, optional
        Name of a choice to its options, a list or a mapping from what an option is called to the option. Names: alliance,
        outcome (columns), lag, detrend, covariates (`Adjustments` or lists of columns), centring ("sessions", "patients",
        "reliability"), outliers ("none", "3sd", "3sd_within"; intake stays the first rating as given), slopes (levels with
        random slopes). `defensible_choices()` if left out.
    random : sequence of str, OutcomeModel, or None
        As for `alliance_outcome`.
    level : float in (0, 1)
        Of the intervals.
    n_jobs : int
        Worker processes, -1 for as many as there are cores; results do not depend on it.
    progress : bool
        Show a bar.

    Returns
    -------
    Multiverse
        ``tidy()`` has one row per specification and level; ``plot()`` draws the specification curve.

    Raises
    ------
    ColumnError
        If the frame lacks a column that a specification names.
    DataError
        If the question lacks something, a choice or option is unknown or of the wrong type, ``choices`` is empty, combinations
        are too many, or a patient and session occurs twice.
    ModelError
        If a level for slopes is unknown, ``level`` is not between 0 and 1, or no specification can be estimated.

    See Also
    --------
    alliance_outcome, defensible_choices, plot_multiverse

    Notes
    -----
    The set is run as given, before any result is seen; nothing is picked from it, and shares of specifications are not
    probabilities. Specifications share their data: they are no replications. One that cannot be estimated is kept in
    ``failures`` with its reason; what is a slip, such as the name of a column that is not there, is an error before the run.

    References
    ----------
    Steegen, S., Tuerlinckx, F., Gelman, A., & Vanpaemel, W. (2016). Increasing transparency through a multiverse analysis.
    Perspectives on Psychological Science, 11, 702-712. doi:10.1177/1745691616658637

    Simonsohn, U., Simmons, J. P., & Nelson, L. D. (2020). Specification curve analysis. Nature Human Behaviour, 4,
    1208-1214. doi:10.1038/s41562-020-0912-z

    Examples
    --------
    >>> import alliance_stats as al
    >>> sessions = al.score(al.load_sample("therapist_statements").query("patient <= 150"), "wai_sr", items="wai_{}")
    >>> sessions = al.score(sessions, "ors", items="ors_{}")
    >>> asked = {"alliance": "wai_sr_mean", "outcome": "ors_sum", "lag": 1}
    >>> curve = alliance_multiverse(sessions, question=asked, choices={"detrend": [None, "linear"]}, progress=False)
    >>> curve.summary()[["level", "n_specifications", "share_same_sign"]].values.tolist()[0]
    ['session', 2, 1.0]
    """
    _check_options(n_jobs, progress, level)
    base = _base(question, as_model(random), level)
    planned = specifications(base, defensible_choices() if choices is None else choices)
    table = session_frame(frame)
    ground = _ground(table, planned)
    found: list[Estimated] = []
    failures = []
    for number, outcome in enumerate(_run(table, planned, n_jobs, progress), 1):
        labels = {name: planned[number - 1].labels[name] for name in planned[0].labels}
        if isinstance(outcome, str):
            failures.append({"model": number, **labels, "reason": outcome})
        else:
            found.append(replace(outcome, table=outcome.table.assign(model=number, **labels)))
    if not found:
        raise ModelError.build(
            f"None of {counted(len(planned), 'specification')} can be estimated; the first says: {failures[0]['reason']}",
            hint="run alliance_outcome() on one of them and follow its advice.",
        )
    return _gathered(planned, found, failures, ground)


def _check_options(n_jobs: int, progress: bool, level: float) -> None:
    """Raise an error for an option of the run that is of the wrong type or out of range."""
    truth(progress, "progress")
    require_level(level)
    if whole_number(n_jobs, "n_jobs", least=-1) == 0:
        raise DataError.build("n_jobs is 0.", hint="use n_jobs=1 for one process, -1 for as many as there are cores.")


def _ground(table: pd.DataFrame, planned: Sequence[Specification]) -> Ground:
    """Return what all specifications start from; raise where none can be right."""
    levels, _ = session_levels(table, planned[0].question.model.levels)
    check_columns(table, planned, levels)
    require_sessions_once(table, levels)
    unplaced = table[list(levels.values())].isna().any(axis=1)
    return Ground(len(table), int(unplaced.sum()), levels)


def _base(question: Mapping[str, object], model: OutcomeModel, level: float) -> OutcomeQuestion:
    """Return the question that holds where no choice says otherwise."""
    hint = 'for example question={"alliance": "wai", "outcome": "ors", "lag": 1}; detrend and covariates may follow.'
    if not isinstance(question, Mapping):
        raise DataError.build("question is a mapping of names to values; something else was given.", hint=hint)
    known = ("alliance", "outcome", "lag", "detrend", "covariates")
    unknown = [name for name in question if name not in known]
    missing = [name for name in known[:3] if name not in question]
    if unknown or missing:
        problem = (
            f"The question has no part '{unknown[0]}'." if unknown else f"The question does not say '{missing[0]}'."
        )
        raise DataError.build(problem, hint=hint)
    given: dict[str, Any] = {"detrend": None, "covariates": (), **question}
    require_detrend(given["detrend"])
    return OutcomeQuestion(
        alliance=column_name(given["alliance"], "alliance"),
        outcome=column_name(given["outcome"], "outcome"),
        lag=whole_number(given["lag"], "lag", least=0),
        detrend=given["detrend"],
        adjustments=as_adjustments(given["covariates"]),
        model=model,
        level=level,
    )


def _run(
    frame: pd.DataFrame, planned: Sequence[Specification], n_jobs: int, progress: bool
) -> Iterator[Estimated | str]:
    """Yield estimates, or why there are none, in the order of the specifications."""
    from tqdm import tqdm

    if n_jobs == 1:
        done: Iterator[Estimated | str] = (_one(frame, specification) for specification in planned)
    else:
        from joblib import Parallel, delayed

        done = Parallel(n_jobs=n_jobs, return_as="generator")(delayed(_one)(frame, own) for own in planned)
    yield from tqdm(done, total=len(planned), desc="specifications", disable=not progress)


def _one(frame: pd.DataFrame, specification: Specification) -> Estimated | str:
    """Return the levels of one specification, or why it cannot be estimated."""
    question = specification.question
    try:
        unit = next(iter(session_levels(frame, question.model.levels)[0].values()))
        cleaned, n_outliers = without_outliers(frame, question, specification.outliers, unit)
        result = fit_question(cleaned, question, given=frame)
    except AllianceStatsError as error:
        return str(error).split("\n", maxsplit=1)[0]
    table = result.by_level().drop(columns=["difference", "difference_p_value"])
    ratio = table["std_estimate"] / table["estimate"]
    levels = table.assign(
        outcome=question.outcome,
        std_conf_low=table["conf_low"] * ratio,
        std_conf_high=table["conf_high"] * ratio,
        n_outliers=n_outliers,
        singular=result.fit.singular,
    )
    return Estimated(levels, len(result.frame), result.notes)


def _gathered(
    planned: Sequence[Specification],
    found: Sequence[Estimated],
    failures: Sequence[dict[str, object]],
    ground: Ground,
) -> Multiverse:
    """Return the result of all specifications."""
    named = [name for name in DIMENSIONS if name in planned[0].labels]
    differ = tuple(name for name in named if len({own.labels[name] for own in planned}) > 1)
    table = ordered_columns(pd.concat([one.table for one in found], ignore_index=True))
    counts = [name for name in table if str(name).startswith("n_")]
    last = [*counts, "singular", *(name for name in named if name != "outcome")]
    return Multiverse(
        dimensions=differ,
        levels=tuple(dict.fromkeys(table["level"])),
        standardised=bool({"alliance", "outcome"} & set(differ)),
        estimates=table[[*(name for name in table if name not in last), *last]],
        failures=pd.DataFrame(failures, columns=["model", *named, "reason"]),
        n_specifications=len(planned),
        notes=multiverse_notes(planned, found, differ, ground),
    )
