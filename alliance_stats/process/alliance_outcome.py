"""Alliance and later outcome, apart for sessions, patients and therapists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pandas as pd

from alliance_stats.columns import group_codes, nested_within, require_columns
from alliance_stats.errors import DataError
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.process.centering import Detrend
from alliance_stats.process.parts import (
    CONF_LEVEL,
    LevelModel,
    Part,
    check_roles,
    choose_levels,
    estimand_notes,
    fit_levels,
    ordered_columns,
    parts_of,
    quoted,
    split_columns,
    wald,
)
from alliance_stats.result import Result

DYNAMIC_PANEL = (
    "The outcome before stands beside person means (a dynamic panel): its slope is biased downwards, about in "
    "inverse proportion to the number of sessions, and the bias spreads to the alliance (Nickell, 1981). "
    "Compare with a structural equation model when patients have few sessions."
)


@dataclass(frozen=True, kw_only=True, eq=False)
class AllianceOutcome(Result):
    """Slopes of the alliance on a later outcome at the session, patient and therapist level.

    Parameters
    ----------
    alliance, outcome : str
        Columns, in scale points.
    levels : mapping of str to str
        Level name to grouping column, from the inside out.
    lag : int
        In sessions, from alliance to outcome.
    detrend : {"linear"} or None
        Whether the patient's own line was taken out of the session parts.
    fit : LmmFit
        The mixed model.
    estimates : DataFrame
        What ``tidy()`` returns.
    frame : DataFrame
        The rows analysed, with the parts as columns; one row per patient and session.
    notes : tuple of str
        Estimand, centring, lag, model, bias, rows left out and why, N per level.
    """

    alliance: str
    outcome: str
    levels: Mapping[str, str]
    lag: int
    detrend: Detrend | None
    fit: LmmFit = field(repr=False)
    frame: pd.DataFrame = field(repr=False)
    estimates: pd.DataFrame = field(repr=False)

    @property
    def predictors(self) -> tuple[str, ...]:
        """The column that was split: the alliance."""
        return (self.alliance,)

    def tidy(self) -> pd.DataFrame:
        """Return the estimates.

        Returns
        -------
        DataFrame
            One row per fixed effect, the parts of the alliance first, and one row per contextual difference (slope at a
            level minus slope at the level below): model, outcome, predictor, term, level ("session", "patient",
            "therapist", "contextual" or "covariate"), estimate (outcome points per alliance point), std_error,
            statistic (z), p_value, conf_low, conf_high, conf_level, n (rows or units that carry the estimate),
            std_estimate (standard deviations, both at the estimate's own level).
        """
        return ordered_columns(self.estimates)

    def glance(self) -> pd.DataFrame:
        """Return one row: alliance, outcome, lag, trend, N per level, residual SD, criterion, state of the fit."""
        counts = {f"n_{level}s": self.frame[column].nunique() for level, column in self.levels.items()}
        return pd.DataFrame(
            [
                {"alliance": self.alliance, "outcome": self.outcome, "lag": self.lag, "detrend": self.detrend or "none"}
                | {"n_sessions": len(self.frame)}
                | counts
                | {"sigma": self.fit.sigma, "criterion": self.fit.criterion, "converged": self.fit.converged}
                | {"singular": self.fit.singular, "formula": self.fit.formula}
            ]
        )


def alliance_outcome(
    frame: pd.DataFrame,
    *,
    alliance: str,
    outcome: str,
    lag: int,
    detrend: Detrend | None,
    covariates: Sequence[str] = (),
    random: Sequence[str] | None = None,
) -> AllianceOutcome:
    """Estimate the slope of the outcome on the alliance before, at the session, patient and therapist level.

    Use it when alliance and outcome are rated in every session. The session estimate answers "is the outcome better
    after a session in which this patient's alliance was above the patient's own mean?"; the patient and therapist
    estimates answer "do patients (therapists) with a better mean alliance have a better mean outcome?". ``lag`` and
    ``detrend`` have no default, because published analyses differ in both and the estimates differ with them.

    Parameters
    ----------
    frame : DataFrame
        Session table with ``patient`` and ``session``, one row per patient and session. With a ``therapist`` column of
        two or more therapists there is a therapist part, and a random intercept for the therapist.
    alliance, outcome : str
        Numeric columns, in scale points.
    lag : int
        In sessions: the alliance of session ``t - lag`` for the outcome of session t. 1 is the usual question. With 0
        both are of the same session and the direction is open.
    detrend : {"linear"} or None
        ``"linear"`` takes each patient's own line over sessions out of the session parts. Report both.
    covariates : sequence of str
        Further columns that enter as they are, for example the outcome at intake.
    random : sequence of str or None
        Grouping columns, each with a random intercept, or bars as in a formula. None: a random intercept and a random
        slope of the alliance's session part for each patient, and a random intercept for each therapist.
        ``("patient", "therapist")`` leaves the random slope out.

    Returns
    -------
    AllianceOutcome

    Raises
    ------
    ColumnError
        If a column is missing or not numeric.
    DataError
        If patients belong to several therapists, no patient has two sessions ``lag`` apart, a part does not vary, a
        level has too few units, a column has two roles, or no row is complete.
    ModelError, ConvergenceError
        If the data cannot identify the model, or no optimum was found.

    See Also
    --------
    within_between : The decomposition.
    level_effects : Several predictors, without the outcome before.

    Notes
    -----
    For session t of patient i of therapist j, alliance A and outcome Y, with the lag k:

    ``Y_t ~ A_session_{t-k} + A_patient + A_therapist + Y_session_{t-k} + session
    + (1 + A_session_{t-k} | patient) + (1 | therapist)``

    The outcome before enters as deviation from the patient's mean, not raw: a raw one would also carry differences
    between patients and change what the patient part means. It is of the same session as the alliance. With
    ``lag=0`` it is left out. ``session`` is a linear change over session numbers. Means are taken over all ratings in
    ``frame``, including sessions later than the outcome.

    A contextual difference is the slope between units minus the slope within them. If it is not zero, one slope for
    both is wrong.

    Not done: correction of the dynamic-panel bias, correction for the error of observed means, degrees of freedom for
    small samples. If the model with the random slope is singular the notes say so; nothing is simplified.

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
    added = (covariates,) if isinstance(covariates, str) else tuple(covariates)
    check_roles(outcome, (alliance,), added)
    require_columns(frame, ["patient", "session"], hint="rename your columns with read_sessions().")
    require_columns(frame, [alliance, outcome, *added])
    levels, level_notes = choose_levels(frame, None)
    _check_one_therapist_each(frame, levels)
    split = (alliance, outcome) if lag else (alliance,)
    table, centring = split_columns(frame, split, levels, lag=lag, detrend=detrend)
    parts = parts_of(alliance, levels, lag)
    before = [Part(f"{outcome}_session_lag{lag}", outcome, "session")] if lag else []
    bars = _bars(parts[0], levels) if random is None else random
    model = fit_levels(
        table,
        outcome,
        [*parts, *before],
        levels=levels,
        covariates=tuple(dict.fromkeys(["session", *added])),
        random=bars,
    )
    label = f"{outcome}, {alliance} lag {lag}, {'detrended' if detrend else 'not detrended'}"
    return AllianceOutcome(
        alliance=alliance,
        outcome=outcome,
        levels=levels,
        lag=lag,
        detrend=detrend,
        fit=model.fit,
        frame=model.rows,
        estimates=_with_contextual(model, parts).assign(model=label, outcome=outcome),
        notes=(
            *_thin_notes(frame, outcome, model, lag),
            *_question_notes(outcome, levels, lag, detrend),
            *level_notes,
            *centring,
            *model.notes,
        ),
    )


def _thin_notes(frame: pd.DataFrame, outcome: str, model: LevelModel, lag: int) -> list[str]:
    """Return a first sentence when less than half of the rated sessions carry the estimates."""
    rated, used = int(frame[outcome].notna().sum()), len(model.rows)
    if 2 * used >= rated:
        return []
    return [
        f"Few rows carry these estimates: {used} of {rated} sessions with an outcome have what is needed {lag} session(s) "
        "before. They may differ from the others."
    ]


def _check_one_therapist_each(frame: pd.DataFrame, levels: Mapping[str, str]) -> None:
    """Raise a DataError, with the way out, when patients belong to several therapists."""
    if "therapist" not in levels:
        return
    patient, therapist = group_codes(frame, "patient")[0], group_codes(frame, "therapist")[0]
    if not nested_within(patient, therapist):
        pairs = frame[["patient", "therapist"]].dropna().drop_duplicates()
        several = int((pairs["patient"].value_counts() > 1).sum())
        raise DataError.build(
            f"{several} patients belong to more than one therapist, so that a patient part and a therapist part cannot "
            "be told apart.",
            hint='for the patient part alone pass frame.drop(columns="therapist"), or units = ["patient"] in a column map; '
            'for pairs use level_effects(..., levels=("dyad",)).',
        )


def _bars(session_part: Part, levels: Mapping[str, str]) -> list[str]:
    """Return the default random terms."""
    above = [f"(1 | {quoted(column)})" for level, column in levels.items() if level != "patient"]
    return [f"(1 + {quoted(session_part.column)} | patient)", *above]


def _with_contextual(model: LevelModel, parts: Sequence[Part]) -> pd.DataFrame:
    """Return the estimates with the difference of each level's slope from the level below, after the parts."""
    records = []
    for inner, outer in pairwise(parts):
        n = model.estimates.loc[model.estimates["term"] == outer.column, "n"].iloc[0]
        records.append(
            {"predictor": outer.predictor, "term": f"{outer.column} - {inner.column}", "level": "contextual"}
            | wald(model.fit, {outer.column: 1.0, inner.column: -1.0})
            | {"conf_level": CONF_LEVEL, "n": n}
        )
    own, others = model.estimates.iloc[: len(parts)], model.estimates.iloc[len(parts) :]
    return pd.concat([own, pd.DataFrame(records), others], ignore_index=True)


def _question_notes(outcome: str, levels: Mapping[str, str], lag: int, detrend: str | None) -> list[str]:
    """Return the sentences on estimand, lag, trend and bias."""
    notes = estimand_notes(outcome, levels, lag)
    if lag:
        notes += [
            "The outcome of the session the alliance is taken from is a covariate, as deviation from the patient's "
            "mean; session number is a linear covariate.",
            DYNAMIC_PANEL,
        ]
    else:
        notes.append(
            "Lag 0: alliance and outcome are of the same session, without the outcome before; either may lead."
        )
    taken = "Session parts are deviations from each patient's own line over sessions"
    kept = "Session parts hold each patient's own trend over sessions"
    notes.append(f"{taken if detrend else kept}; detrending changes the estimates, so report both.")
    notes.append("Patient means are taken over all sessions, also those after the outcome.")
    return notes
