"""Alliance and later outcome, apart for sessions, patients and therapists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

from alliance_stats.errors import DataError, counted
from alliance_stats.inference.linear import require_level
from alliance_stats.process.arguments import column_name
from alliance_stats.process.centering import Detrend, require_detrend
from alliance_stats.process.outcome_fit import fit_question
from alliance_stats.process.outcome_model import Adjustments, OutcomeModel, OutcomeQuestion, as_adjustments, as_model
from alliance_stats.process.outcome_result import AllianceOutcome as AllianceOutcome
from alliance_stats.process.outcome_result import AllianceOutcomes as AllianceOutcomes
from alliance_stats.process.parts import CONF_LEVEL, one_or_more
from alliance_stats.process.session_frame import session_frame


@overload
def alliance_outcome(
    frame: Any,
    *,
    alliance: str,
    outcome: str,
    lag: int,
    detrend: Detrend | None,
    covariates: Sequence[str] | Adjustments = ...,
    random: Sequence[str] | OutcomeModel | None = ...,
    level: float = ...,
) -> AllianceOutcome: ...


@overload
def alliance_outcome(
    frame: Any,
    *,
    alliance: list[str] | tuple[str, ...],
    outcome: str,
    lag: int,
    detrend: Detrend | list[Detrend | None] | tuple[Detrend | None, ...] | None,
    covariates: Sequence[str] | Adjustments = ...,
    random: Sequence[str] | OutcomeModel | None = ...,
    level: float = ...,
) -> AllianceOutcomes: ...


@overload
def alliance_outcome(
    frame: Any,
    *,
    alliance: str,
    outcome: str,
    lag: int,
    detrend: list[Detrend | None] | tuple[Detrend | None, ...],
    covariates: Sequence[str] | Adjustments = ...,
    random: Sequence[str] | OutcomeModel | None = ...,
    level: float = ...,
) -> AllianceOutcomes: ...


def alliance_outcome(
    frame: Any,
    *,
    alliance: str | list[str] | tuple[str, ...],
    outcome: str,
    lag: int,
    detrend: Detrend | list[Detrend | None] | tuple[Detrend | None, ...] | None,
    covariates: Sequence[str] | Adjustments = (),
    random: Sequence[str] | OutcomeModel | None = None,
    level: float = CONF_LEVEL,
) -> AllianceOutcome | AllianceOutcomes:
    """Estimate the slope of the outcome on the alliance before, at the session, patient and therapist level.

    Use it when alliance and outcome are rated in every session. The session estimate answers "is the outcome better
    after a session in which this patient's alliance was above the patient's own mean?"; the patient and therapist
    estimates answer "do patients (therapists) with a better mean alliance have a better mean outcome?". ``lag`` and
    ``detrend`` have no default, because published analyses differ in both and the estimates differ with them.

    Parameters
    ----------
    frame : DataFrame
        Session table of pandas, polars or pyarrow with ``patient`` and ``session``, one row per patient and session. With a
        ``therapist`` column of two or more therapists there is a therapist part, and a random intercept for the therapist.
    alliance : str, or list of str
        Numeric column, in scale points. A list, for example of the task, goal and bond subscales, gives one model for each.
    outcome : str
        Numeric column, in scale points.
    lag : int
        In sessions: the alliance of session ``t - lag`` for the outcome of session t. 1 is the usual question. With 0
        both are of the same session and the direction is open.
    detrend : {"linear", "quadratic"} or None, or list of these
        ``"linear"`` takes each patient's own line over sessions out of the alliance's session part, ``"quadratic"`` the
        patient's own parabola; the outcome before keeps its trend. Report both: a list, ``[None, "linear"]``, gives one model
        for each.
    covariates : sequence of str, or Adjustments
        Further columns that enter as they are. `Adjustments` also says whether the outcome before, time, the first rated
        outcome and earlier change are covariates.
    random : sequence of str, OutcomeModel, or None
        Grouping columns, each with a random intercept, or bars as in a formula. None: a random intercept and a random
        slope of the alliance's session part for each patient, and a random intercept for each therapist.
        ``("patient", "therapist")`` leaves the random slope out. `OutcomeModel` also says at which levels slopes vary, how
        residuals correlate, the df method, how means count, and the levels.
    level : float in (0, 1)
        Of the intervals.

    Returns
    -------
    AllianceOutcome
        Or AllianceOutcomes, when ``alliance`` or ``detrend`` is a list.

    Raises
    ------
    ColumnError
        If a column is missing or not numeric.
    DataError
        If patients belong to several therapists, no patient has two sessions ``lag`` apart, a part does not vary, a
        level has too few units, a column has two roles, alliance or outcome are rated by several raters in one column, a
        patient and session occurs twice, an option is unknown or of the wrong type, or no row is complete.
    ModelError, ConvergenceError
        If ``level`` is not between 0 and 1, the data cannot identify the model, or no optimum was found.

    See Also
    --------
    within_between : The decomposition.
    level_effects : Several predictors, without the outcome before.
    alliance_multiverse : The same question under all defensible choices.
    contextual_test : Do the slopes of two levels differ, with observed or latent means?
    review : What a methods reviewer would ask about the result.

    Notes
    -----
    For session t of patient i of therapist j, alliance A and outcome Y, with the lag k:

    ``Y_t ~ A_session_{t-k} + A_patient + A_therapist + Y_session_{t-k} + session
    + (1 + A_session_{t-k} | patient) + (1 | therapist)``

    The outcome before enters as deviation from the patient's mean, not raw: a raw one would also carry differences
    between patients and change what the patient part means. The mean is the observed one, whatever ``detrend`` and
    ``weights`` are: a line through the outcomes holds the outcome to be explained and adds to the dynamic-panel bias, and a
    mean drawn in would leave differences between patients. It is of the same session as the alliance. With ``lag=0`` it is
    left out. ``session`` is a linear change over session numbers. Means are taken over all ratings in
    ``frame``, including sessions later than the outcome.

    A contextual difference is the slope between units minus the slope within them. If it is not zero, one slope for
    both is wrong.

    One slope for all levels is refused: ``result.slope()`` raises an error that says what it would mix.

    Not done: correction of the dynamic-panel bias; correction for the error of observed means, unless
    ``OutcomeModel(weights="reliability")`` or `contextual_test` with ``means="latent"`` is asked for. If the model with the
    random slope is singular the notes say so; nothing is simplified.

    References
    ----------
    Curran, P. J., & Bauer, D. J. (2011). The disaggregation of within-person and between-person effects in
    longitudinal models of change. Annual Review of Psychology, 62, 583-619. doi:10.1146/annurev.psych.093008.100356

    Nickell, S. (1981). Biases in dynamic models with fixed effects. Econometrica, 49, 1417-1426. doi:10.2307/1911408

    Examples
    --------
    >>> import alliance_stats as al
    >>> sessions = al.score(al.load_sample("therapist_statements"), "wai_sr", items="wai_{}")
    >>> sessions = al.score(sessions, "ors", items="ors_{}")
    >>> result = alliance_outcome(sessions, alliance="wai_sr_mean", outcome="ors_sum", lag=1, detrend=None)
    >>> print(result.tidy()[["level", "estimate", "conf_low", "conf_high"]].head(3).round(1).to_string(index=False))
        level  estimate  conf_low  conf_high
      session       1.2       0.9        1.5
      patient       1.9       1.1        2.6
    therapist       1.4      -0.6        3.4
    """
    adjustments, model = as_adjustments(covariates), as_model(random)
    scales, trends = one_or_more(alliance, "alliance"), _trends(detrend)
    _check_lists(scales, trends)
    column_name(outcome, "outcome")
    require_level(level)
    table = session_frame(frame)
    results = [
        fit_question(
            table,
            OutcomeQuestion(
                alliance=scale,
                outcome=outcome,
                lag=lag,
                detrend=trend,
                adjustments=adjustments,
                model=model,
                level=level,
            ),
        )
        for scale in scales
        for trend in trends
    ]
    if isinstance(alliance, str) and not isinstance(detrend, list | tuple):
        return results[0]
    return AllianceOutcomes(results=tuple(results), notes=_shared_notes(results, scales))


def _trends(detrend: object) -> list[Detrend | None]:
    """Return the trends asked for; raise a DataError for one that is not known."""
    trends: list[Any] = list(detrend) if isinstance(detrend, list | tuple) else [detrend]
    for trend in trends:
        require_detrend(trend)
    return trends


def _check_lists(scales: Sequence[str], trends: Sequence[str | None]) -> None:
    """Raise a DataError when a list is empty or names something twice."""
    for name, values in (("alliance", scales), ("detrend", trends)):
        if not values:
            raise DataError.build(f"{name}= is an empty list.", hint="name at least one, or pass a single value.")
        if len(set(values)) < len(values):
            raise DataError.build(f"{name}= names the same twice.", hint="name each once.")


def _shared_notes(results: Sequence[AllianceOutcome], scales: Sequence[str]) -> tuple[str, ...]:
    """Return what comparing the models means, and the notes that all of them share."""
    notes = [
        f"{counted(len(results), 'model')}, one for each alliance and trend; differences between models are not tested."
    ]
    if len(scales) > 1:
        notes.append(
            "Each subscale stands alone in its model and carries what it shares with the others; a subscale's own part needs "
            "all of them in one model: level_effects() with a list of predictors."
        )
    common = [note for note in results[0].notes if all(note in result.notes for result in results)]
    return (*notes, *common)
