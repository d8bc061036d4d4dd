"""Split a rating into what differs between sessions, between patients and between therapists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from alliance_stats.columns import CANONICAL, require_columns, session_order
from alliance_stats.errors import ColumnError, DataError
from alliance_stats.process.arguments import choice, column_name, column_names, require_known
from alliance_stats.process.centering_groups import rated_groups
from alliance_stats.process.centering_notes import split_notes
from alliance_stats.process.centering_parts import split_parts
from alliance_stats.process.lags import lagged_values
from alliance_stats.process.session_checks import require_one_rater
from alliance_stats.process.session_frame import session_frame

Detrend = Literal["linear", "quadratic"]
Weights = Literal["sessions", "patients", "reliability"]
Levels = Sequence[str] | Mapping[str, str]

RESERVED = ("session", "trend")
"""Suffixes that `within_between` gives to other columns, so that no level may be called so."""


MOST_LEVELS = 3
"""Grouping levels above the session: patients, therapists, sites."""


def within_between(
    frame: Any,
    column: str,
    *,
    levels: Levels = ("patient", "therapist"),
    lag: int = 0,
    detrend: Detrend | None = None,
    session: str = "session",
    weights: Weights = "sessions",
) -> pd.DataFrame:
    r"""Split a rating into session, patient and therapist parts.

    Use it before a mixed model whose predictor changes from session to session: a slope on the undivided rating mixes
    what happens within a patient with the differences between patients and between therapists. The parts add up to the
    rating minus its grand mean.

    Parameters
    ----------
    frame : DataFrame
        Session table of pandas, polars or pyarrow, one row per patient and session. It is not changed.
    column : str
        Numeric column to split, in scale points.
    levels : sequence of str, or mapping of str to str
        One to three grouping columns from the inside out, each nested in the next: ``("patient", "therapist")``,
        ``("patient",)``, ``("dyad",)``, ``("patient", "therapist", "site")``. A mapping names columns called otherwise:
        ``{"patient": "pid", "therapist": "th_id"}``; its keys become the suffixes of the new columns. With several raters
        in one column ``rater``, the first level must be units of one rater each: a column that numbers each patient with
        each rater, ``("pair",)``.
    lag : int
        In sessions, 0 or more. With ``lag=k`` the value of session ``session - k`` of the same patient is added.
        It is missing when that session number is not there: gaps are respected, never bridged.
    detrend : {"linear", "quadratic"} or None
        ``"linear"`` takes the patient's own least-squares line over session numbers out of the session part,
        ``"quadratic"`` the patient's own parabola. Detrending changes which question is asked, so report the results with
        and without it.
    session : str
        Column of session numbers; needed for ``lag`` and ``detrend`` only.
    weights : {"sessions", "patients", "reliability"}
        How the means above the first level count: every rating once, or every patient (unit of the first level) once, or
        each mean as far as it is reliable; then all means are drawn towards the mean above them (see Notes).

    Returns
    -------
    DataFrame
        Copy of ``frame`` as a pandas frame, same rows in the same order, with new columns in scale points:

        - ``<column>_session``: rating minus the patient's mean (with ``detrend``: minus the patient's line or parabola);
        - ``<column>_trend``: the patient's line or parabola minus the patient's mean; with ``detrend`` only;
        - ``<column>_patient``: the patient's mean minus the therapist's mean;
        - ``<column>_therapist``: the therapist's mean minus the grand mean;
        - ``<column>_lag<k>`` and ``<column>_session_lag<k>``: rating and session part ``k`` sessions earlier.

        With ``levels=("patient",)`` the patient part is the patient's mean minus the grand mean. What was done is
        appended to ``.attrs["notes"]``, a tuple of sentences with counts.

    Raises
    ------
    ColumnError
        If a column is missing or the rating is not numeric.
    DataError
        If a unit belongs to several units of the next level (patients who met several therapists), if no row holds a
        rating, if ratings of several raters are mixed, if an option is unknown, if session numbers are missing, fractional
        or repeated where they are needed, if no patient has two sessions ``lag`` apart, or if ``weights="reliability"``
        meets ratings that cannot tell how reliable their means are.

    See Also
    --------
    level_effects : The parts of several predictors on one outcome.
    alliance_outcome : The parts of the alliance on the outcome of a later session.
    contextual_test : Do the slopes of two levels differ, with observed or with latent means?

    Notes
    -----
    With rating :math:`x_{tij}` in session t of patient i of therapist j, the parts are
    :math:`x_{tij} - \bar x_{ij}`, :math:`\bar x_{ij} - \bar x_j` and :math:`\bar x_j - \bar x`.

    The literature differs on :math:`\bar x_j`. With ``weights="sessions"`` it is the mean of all the therapist's
    ratings, which makes the three parts uncorrelated over the rows; patients with many sessions count more. With
    ``weights="patients"`` it is the mean of the patients' means, as in studies with one alliance score per patient.
    Session parts are the same either way, and with equal numbers of sessions so is everything else.

    ``weights="reliability"`` is for the slope on a patient's true mean, of which the observed one is a sample: a mean of few
    sessions errs, and its slope is drawn towards the session slope. The model
    :math:`x_{tij} = \mu + T_j + P_{ij} + e_{tij}` is fitted by REML and the parts are its predictions
    :math:`\hat e, \hat P, \hat T`; with patients alone :math:`\hat P_i = \lambda_i (\bar x_i - \mu)` with the reliability
    :math:`\lambda_i = \tau^2 / (\tau^2 + \sigma^2 / n_i)` of Lüdtke et al. (2008). The parts still add up, so that a session part
    no longer sums to zero within a patient: it keeps the error of the mean. Used as predictors, they give the slopes on true
    parts (regression calibration), with standard errors that take the variances for known; `contextual_test` with
    ``means="latent"`` does not.

    Missing ratings are left out of the means; the other parts are still given in their rows, because a lagged
    analysis needs them there. A patient with a single rating has a session part of zero, unless means are drawn in. With
    ``detrend`` the session part of patients with fewer than three ratings (four for a parabola) is missing: a line through two
    points leaves no deviation to see.
    Observed means stand for true ones, so a part between units is measured with error when units have few ratings.

    References
    ----------
    Curran, P. J., & Bauer, D. J. (2011). The disaggregation of within-person and between-person effects in
    longitudinal models of change. Annual Review of Psychology, 62, 583-619. doi:10.1146/annurev.psych.093008.100356

    Lüdtke, O., Marsh, H. W., Robitzsch, A., Trautwein, U., Asparouhov, T., & Muthén, B. (2008). The multilevel latent
    covariate model. Psychological Methods, 13, 203-229. doi:10.1037/a0012869

    Wang, L., & Maxwell, S. E. (2015). On disaggregating between-person and within-person effects with longitudinal
    data using multilevel models. Psychological Methods, 20, 63-83. doi:10.1037/met0000030

    Examples
    --------
    >>> import pandas as pd
    >>> ratings = pd.DataFrame({"patient": [1, 1, 2, 2], "session": [1, 2, 1, 2], "wai": [50.0, 54.0, 60.0, 60.0]})
    >>> within_between(ratings, "wai", levels=("patient",))[["wai_session", "wai_patient"]]
       wai_session  wai_patient
    0         -2.0         -4.0
    1          2.0         -4.0
    2          0.0          4.0
    3          0.0          4.0
    """
    column_name(column, "column")
    column_name(session, "session")
    names = level_columns(levels)
    if column in CANONICAL:
        raise ColumnError.build(
            f"Column '{column}' holds {CANONICAL[column]}, not a rating.", hint="name the column of a score."
        )
    _check_options(lag, detrend, weights)
    table = session_frame(frame)
    require_columns(table, [column, *names.values()], hint=_levels_hint(table, names))
    groups = rated_groups(table, column, names)
    require_one_rater(table, column, names)
    times = None
    if lag or detrend:
        require_columns(table, [session], hint='lag and detrend need session numbers: pass session="their column".')
        times = session_order(table, session)
    split = split_parts(column, groups, times, detrend=detrend, weights=weights)
    parts = split.parts
    if lag and times is not None:
        parts = parts | lagged_values(column, parts[f"{column}_session"], groups, times, lag)
    notes = [
        *split_notes(column, groups, parts, lag, (detrend, weights)),
        *split.notes,
        *_rater_note(table, column, groups.used),
    ]
    replaced = [name for name in parts if name in table.columns]
    if replaced:
        notes.append(f"Columns that were there before and were computed anew: {', '.join(replaced)}.")
    out = (frame if isinstance(frame, pd.DataFrame) else table).assign(**parts)
    out.attrs = {**table.attrs, "notes": tuple(dict.fromkeys([*table.attrs.get("notes", ()), *notes]))}
    return out


def level_columns(levels: Levels) -> dict[str, str]:
    """Return level name to column, from the inside out; raise a DataError if the levels cannot be used."""
    given = [levels] if isinstance(levels, str) or not isinstance(levels, Iterable) else list(levels)
    column_names([*given, *(levels.values() if isinstance(levels, Mapping) else ())], "levels")
    names = dict(levels) if isinstance(levels, Mapping) else {name: name for name in given}
    hint = 'name grouping columns from the inside out, for example levels=("patient", "therapist").'
    if not names:
        raise DataError.build("No level was named.", hint=hint)
    if len(names) < len(given) or len(set(names.values())) < len(names):
        raise DataError.build("A level is named twice.", hint=hint)
    if len(names) > MOST_LEVELS:
        raise DataError.build(
            f"{len(names)} levels above the session are too many; {MOST_LEVELS} can be told apart.", hint=hint
        )
    reserved = [name for name in names if name in RESERVED]
    if reserved:
        raise DataError.build(f"'{reserved[0]}' is not a grouping level; the session part is always given.", hint=hint)
    return names


def _check_options(lag: int, detrend: str | None, weights: str) -> None:
    """Raise a DataError for an option that is not known."""
    if isinstance(lag, bool) or not isinstance(lag, int | np.integer) or lag < 0:
        raise DataError.build(
            f"lag={lag!r} is not a number of sessions.", hint="pass 0 for the same session or 1 for the session before."
        )
    require_detrend(detrend)
    choice(weights, "weights", get_args(Weights), kind="weights option")


def require_detrend(detrend: object) -> None:
    """Raise a DataError if a trend is neither known nor None."""
    require_known(detrend, "detrend", get_args(Detrend), kind="detrend option")


def _levels_hint(frame: pd.DataFrame, names: Mapping[str, str]) -> str:
    """Return the way out when a grouping column is missing, or an empty string."""
    missing = [level for level, column in names.items() if column not in frame.columns]
    if not missing:
        return ""
    present = tuple(level for level in names if level not in missing)
    leave = f", or leave the level out with levels={present}" if present else ""
    return f'say which column it is with levels={{"{missing[0]}": "its column", ...}}{leave}.'


def _rater_note(frame: pd.DataFrame, column: str, used: np.ndarray) -> list[str]:
    """Return a sentence when the ratings are those of several raters."""
    n_raters = int(frame.loc[used, "rater"].nunique()) if "rater" in frame.columns else 1
    if n_raters < 2:
        return []
    return [
        f"Ratings of {column} mix {n_raters} raters (column 'rater'); a difference between rows may be one between raters."
    ]
