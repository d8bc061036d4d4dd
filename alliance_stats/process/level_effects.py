"""Several predictors on one outcome, each at the session, patient and therapist level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from alliance_stats.columns import require_columns
from alliance_stats.errors import agreeing, counted
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.process.arguments import column_name, column_names
from alliance_stats.process.centering import Levels
from alliance_stats.process.level_model import LevelTerms, fit_levels
from alliance_stats.process.level_notes import estimand_notes
from alliance_stats.process.level_words import sizes_text, slopes_text
from alliance_stats.process.parts import (
    check_roles,
    choose_levels,
    one_or_more,
    ordered_columns,
    parts_of,
    split_columns,
)
from alliance_stats.process.session_checks import repeated_rows, require_one_rater, require_sessions_once
from alliance_stats.process.session_frame import session_frame
from alliance_stats.result import Result


@dataclass(frozen=True, kw_only=True, eq=False)
class LevelEffects(Result):
    """Slopes of one or more predictors on an outcome, apart for each level.

    Parameters
    ----------
    outcome : str
        Column that was modelled, in its own scale points.
    predictors : tuple of str
        Columns that were split.
    levels : mapping of str to str
        Level name to grouping column, from the inside out.
    lag : int
        In sessions.
    fit : LmmFit
        The mixed model; ``fit.formula`` can be fitted again with `lmm` on ``frame``.
    estimates : DataFrame
        What ``tidy()`` returns.
    frame : DataFrame
        The rows analysed, with the parts as columns; one row per patient and session, the index its position in the frame
        given.
    notes : tuple of str
        Estimand, centring, lag, model, rows left out and why, N per level.
    """

    outcome: str
    predictors: tuple[str, ...]
    levels: Mapping[str, str]
    lag: int
    fit: LmmFit = field(repr=False)
    frame: pd.DataFrame = field(repr=False)
    estimates: pd.DataFrame = field(repr=False)

    def __repr__(self) -> str:
        lag = f", lag {self.lag}" if self.lag else ""
        slopes = self.estimates[self.estimates["predictor"].isin(self.predictors)]
        return "\n".join(
            [
                f"LevelEffects: {self.outcome} on {', '.join(self.predictors)}{lag}",
                sizes_text(self.frame, self.levels),
                *slopes_text(slopes, named=len(self.predictors) > 1),
            ]
        )

    def tidy(self) -> pd.DataFrame:
        """Return the estimates.

        Returns
        -------
        DataFrame
            One row per fixed effect, parts of the predictors first: model, outcome, predictor, term, level
            ("session", a name in ``levels``, or "covariate"), estimate (outcome points per predictor point),
            std_error, df (Satterthwaite), statistic (t), p_value, conf_low, conf_high, conf_level, n (rows or units that
            carry the estimate; all rows for a covariate), std_estimate: the estimate times the SD of the part over that of
            the outcome, both over the rows analysed and at the estimate's own level: within units of deviations from the mean
            there, between of observed means, each unit counted once.
        """
        return ordered_columns(self.estimates)

    def glance(self) -> pd.DataFrame:
        """Return one row: outcome, lag, N per level, residual SD, REML criterion, state of the fit, formula."""
        counts = {f"n_{level}s": self.frame[column].nunique() for level, column in self.levels.items()}
        return pd.DataFrame(
            [
                {"outcome": self.outcome, "lag": self.lag, "n_sessions": len(self.frame)}
                | counts
                | {"sigma": self.fit.sigma, "criterion": self.fit.criterion, "converged": self.fit.converged}
                | {"singular": self.fit.singular, "formula": self.fit.formula}
            ]
        )


def level_effects(
    frame: Any,
    outcome: str,
    predictors: Sequence[str] | str,
    *,
    levels: Levels | None = None,
    covariates: Sequence[str] = (),
    random: Sequence[str] | None = None,
    lag: int = 0,
) -> LevelEffects:
    """Estimate slopes of predictors on an outcome at the session, patient and therapist level.

    Use it when predictor and outcome are rated session by session, for example shares of therapist statements and the
    alliance. Each predictor is split with `within_between`; the parts enter one linear mixed model together. A slope
    that pools the levels is not offered.

    Parameters
    ----------
    frame : DataFrame
        Session table of pandas, polars or pyarrow, one row per patient and session.
    outcome : str
        Numeric column, in scale points.
    predictors : str or sequence of str
        Numeric columns, each in its own unit.
    levels : sequence of str, mapping of str to str, or None
        Grouping columns from the inside out, as in `within_between`. None: ``patient``, and ``therapist`` when the
        frame has that column with two or more therapists. ``("dyad",)`` for patients crossed with therapists.
    covariates : sequence of str
        Columns that enter the model as they are, for example ``("session",)`` for a linear change over sessions; texts and
        categories, but not session numbers, as differences from their first value.
    random : sequence of str or None
        Grouping columns, each with a random intercept, or bars as in a formula:
        ``("(1 + share_support_session | patient)", "therapist")``. None: a random intercept for each level and for
        the columns ``patient``, ``therapist`` and ``dyad`` where the frame has them with two or more units.
    lag : int
        In sessions: the session part of the predictors is taken from that many sessions before the outcome.

    Returns
    -------
    LevelEffects
        ``tidy()`` has one row per predictor and level, then the covariates.

    Raises
    ------
    ColumnError
        If a column is missing or not numeric.
    DataError
        If a predictor does not vary at a level, a level has too few units, a column has two roles, patients belong to
        several therapists, a patient and session occurs twice (a unit of another name may have a session number twice, as a dyad
        that met for several series does, if ``lag`` is 0), raters are mixed in one column, an option is of the wrong
        type, or no row is complete.
    ModelError, ConvergenceError
        If the data cannot identify the model, or no optimum was found.

    See Also
    --------
    within_between : The decomposition.
    alliance_outcome : Alliance on a later outcome, with the outcome before as covariate.

    Notes
    -----
    The model is ``outcome ~ x_session + x_patient + x_therapist + ... + covariates + (1 | patient) + (1 | therapist)``,
    fitted by REML. Means are taken over all ratings of a predictor in ``frame``, also in rows the model cannot use.
    Between parts are centred; centring on the raw mean of the patient or dyad instead changes the intercept only.
    Not done: detrending (split with ``within_between(detrend="linear")`` and fit with `lmm`), correction for the error
    of observed means (see `contextual_test`). Tests have Satterthwaite's degrees of freedom; for others pass ``result.fit``
    to `coefficient_tests`.

    References
    ----------
    Curran, P. J., & Bauer, D. J. (2011). The disaggregation of within-person and between-person effects in
    longitudinal models of change. Annual Review of Psychology, 62, 583-619. doi:10.1146/annurev.psych.093008.100356

    Examples
    --------
    >>> import alliance_stats as al
    >>> sessions = al.statement_shares(al.load_sample("therapist_statements"), "helping_skills", counts="n_{}")
    >>> sessions = al.score(sessions, "wai_sr", items="wai_{}")
    >>> result = level_effects(sessions, "wai_sr_mean", "share_controlling", covariates=("session",))
    >>> print(result.tidy()[["level", "estimate", "conf_low", "conf_high"]].head(3).round(1).to_string(index=False))
        level  estimate  conf_low  conf_high
      session      -1.7      -1.9       -1.4
      patient      -2.2      -3.2       -1.2
    therapist      -2.4      -4.1       -0.6
    """
    names, added = tuple(one_or_more(predictors, "predictors")), column_names(covariates, "covariates")
    check_roles(column_name(outcome, "outcome"), names, added)
    if random is not None:
        random = column_names(random, "random")
    sessions = session_frame(frame)
    require_columns(sessions, [outcome, *names, *added])
    chosen, chosen_notes = choose_levels(sessions, levels)
    for name in (outcome, *names):
        require_one_rater(sessions, name, chosen)
    chosen_notes = [*chosen_notes, *_repeated_notes(sessions, chosen, lag)]
    table, centring = split_columns(sessions, names, chosen, lag=lag)
    parts = [part for name in names for part in parts_of(name, chosen, lag)]
    model = fit_levels(table, LevelTerms(outcome, parts, covariates=added, random=random), chosen)
    return LevelEffects(
        outcome=outcome,
        predictors=names,
        levels=chosen,
        lag=lag,
        fit=model.fit,
        frame=model.rows,
        estimates=model.estimates.assign(model=f"{outcome}, lag {lag}" if lag else outcome, outcome=outcome),
        notes=(*estimand_notes(outcome, chosen, lag), *chosen_notes, *centring, *model.notes),
    )


def _repeated_notes(sessions: pd.DataFrame, levels: Mapping[str, str], lag: int) -> list[str]:
    """Return a sentence when units have a session number twice; raise a DataError where that cannot be.

    A patient's session is one row. A dyad or another unit of the caller's own may hold several series of sessions, which is
    only in the way of a lag.
    """
    if "session" not in sessions.columns:
        return []
    first, unit = next(iter(levels.items()))
    if first == "patient" or lag:
        require_sessions_once(sessions, levels)
    count = repeated_rows(sessions, unit).size
    if not count:
        return []
    return [
        f"{counted(count, 'row')} {agreeing(count, 'repeats', 'repeat')} a {first} and session number of another row; each row "
        "counts as a session of its own."
    ]
