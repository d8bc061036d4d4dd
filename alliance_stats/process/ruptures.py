"""Ruptures of the alliance and their repair, found in session ratings."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import get_args

import numpy as np
import pandas as pd

from alliance_stats.errors import DataError, counted
from alliance_stats.process.arguments import choice, column_name, number, whole_number
from alliance_stats.process.parts import CONF_LEVEL, ordered_columns
from alliance_stats.process.rupture_criteria import RuptureCriterion, as_rupture_criterion
from alliance_stats.process.rupture_episodes import EpisodeRule, Missing, Outcome, episodes
from alliance_stats.process.rupture_tables import count_notes, rule_notes, rupture_rows
from alliance_stats.process.rupture_thresholds import comparable_rows, rupture_thresholds
from alliance_stats.process.session_frame import session_frame
from alliance_stats.process.session_series import BoolArray, FloatArray, SessionSeries, read_series
from alliance_stats.result import Result
from alliance_stats.scales.change_index import MeasurementError
from alliance_stats.scales.change_tables import require_level
from alliance_stats.scales.cutoffs import sign_of
from alliance_stats.scales.instrument_parts import Direction

EPISODE_COLUMNS = (
    *("order", "before", "onset", "low", "repair", "fall", "outcome"),
    *("decline_length", "repair_length", "dated_by_gap"),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Ruptures(Result):
    """Ruptures and repairs by one criterion.

    Parameters
    ----------
    alliance : str
        Column, in scale points.
    criterion : RuptureCriterion
    repair : float
        Share of the fall that counts as a repair.
    within : int or None
        Sessions in which a repair must come.
    missing : {"break", "bridge"}
    direction : {"higher_is_better", "higher_is_worse"}
    series : SessionSeries
        The ratings.
    thresholds : ndarray, shape (n_patients,)
        Least fall of each patient, in points; NaN where the patient could not be judged.
    table : DataFrame
        One row per rupture; ``unit`` is the row of ``series.units``.
    """

    alliance: str
    criterion: RuptureCriterion
    repair: float
    within: int | None
    missing: Missing
    direction: Direction
    series: SessionSeries = field(repr=False)
    thresholds: FloatArray = field(repr=False)
    table: pd.DataFrame = field(repr=False)

    def __repr__(self) -> str:
        outcomes = self.table["outcome"].value_counts()
        ends = ", ".join(f"{int(outcomes.get(name, 0))} {name}" for name in get_args(Outcome))
        parts = [counted(len(self.table), "rupture"), ends, counted(self.series.n_units, "patient")]
        return f"Ruptures({', '.join([self.alliance, self.criterion.key, *parts])})"

    @property
    def judged(self) -> BoolArray:
        """Which patients could be judged, shape (n_patients,): a threshold and at least one rating to compare."""
        return ~np.isnan(self.thresholds)

    @property
    def comparable(self) -> BoolArray:
        """Which ratings a rupture could begin at, shape (n_rated,): there is a rating to compare them with."""
        rows = comparable_rows(self.series, self.criterion, self.missing)
        where: BoolArray = rows & self.judged[self.series.codes]
        return where

    def tidy(self, *, level: float = CONF_LEVEL) -> pd.DataFrame:
        """Return shares, means and counts per session; no row is about one patient.

        Parameters
        ----------
        level : float in (0, 1)
            Of the intervals.

        Returns
        -------
        DataFrame
            One row per quantity: outcome, term, estimate, std_error, df, conf_low, conf_high, conf_level, n, sd, session.
            Terms: patients_with_rupture, patients_with_repair, patients_with_unrepaired (shares of the patients judged,
            Wilson); repaired (share of ruptures, those at the end of the course left out; no interval, since one patient
            may have several); fall (points), decline_length and repair_length (sessions); onset (share of ratings with
            one to compare with at which a rupture began, one row per session; ratings within a rupture count as ratings at
            which none began).

        Raises
        ------
        DataError
            If ``level`` is not between 0 and 1.
        """
        require_level(level)
        rows = rupture_rows(self.table, self.judged, self.series.sessions[self.comparable], level)
        return ordered_columns(pd.DataFrame(rows).assign(outcome=self.alliance, conf_level=level))

    def glance(self) -> pd.DataFrame:
        """Return one row: alliance, criterion, rules, and counts of patients, sessions, ruptures and repairs."""
        outcomes = self.table["outcome"].value_counts()
        counts = {f"n_{name}": int(outcomes.get(name, 0)) for name in get_args(Outcome)}
        return pd.DataFrame(
            [
                {"outcome": self.alliance, "criterion": self.criterion.key, "repair": self.repair}
                | {"within": math.nan if self.within is None else self.within, "missing": self.missing}
                | {"direction": self.direction}
                | {"n_patients": self.series.n_units, "n_patients_judged": int(self.judged.sum())}
                | {"n_sessions": int(self.series.ratings.size), "n_ruptures": len(self.table)}
                | {"n_patients_with_rupture": int(self.table["unit"].nunique())}
                | counts
            ]
        )

    def episodes(self) -> pd.DataFrame:
        """Return one row per rupture, with the ids of the user's frame: for your own analyses, not for a report.

        Returns
        -------
        DataFrame
            patient, order (1 for the patient's first), before (session the fall is measured from; missing when it is
            measured from the patient's mean), onset, low, repair (sessions; repair is missing unless repaired), fall
            (points, down to the worst rating, ``low``), outcome (repaired; unrepaired; open: the course ends too early to tell),
            decline_length (sessions from before to low), repair_length (sessions from onset to repair), dated_by_gap
            (sessions were missing just before the repair, which may have come earlier).
        """
        ids = self.series.units.iloc[self.table["unit"].to_numpy()].reset_index(drop=True)
        return pd.concat([ids, self.table[list(EPISODE_COLUMNS)]], axis=1)

    def by_patient(self) -> pd.DataFrame:
        """Return one row per patient, with the ids of the user's frame: for your own analyses, not for a report.

        Returns
        -------
        DataFrame
            patient, judged, n_ruptures, n_repaired, n_unrepaired, n_open.
        """
        frame = self.series.units.assign(judged=self.judged)
        for name in ("ruptures", *get_args(Outcome)):
            rows = self.table if name == "ruptures" else self.table[self.table["outcome"] == name]
            frame[f"n_{name}"] = np.bincount(rows["unit"].to_numpy(int), minlength=len(frame))
        return frame

    def flags(self) -> FloatArray:
        """Return for each rating 1 if a rupture began there, 0 if not, NaN without a rating to compare, shape (n_rated,).

        Ratings within a rupture are 0 as well, though a further fall belongs to it and begins no other.
        """
        flagged = np.where(self.comparable, 0.0, np.nan)
        onsets = set(zip(self.table["unit"], self.table["onset"], strict=True))
        pairs = zip(self.series.codes, self.series.sessions, strict=True)
        flagged[[pair in onsets for pair in pairs]] = 1.0
        return flagged


def ruptures(
    frame: pd.DataFrame,
    *,
    alliance: str,
    criterion: str | RuptureCriterion,
    repair: float,
    within: int | None = None,
    missing: Missing = "break",
    cutoff: float | MeasurementError | None = None,
    direction: Direction = "higher_is_better",
) -> Ruptures:
    """Find ruptures of the alliance and their repair in session ratings.

    Use it when the alliance is rated in every session, and decide on the criterion before looking: counts differ widely by
    criterion (Gumz et al., 2012), so compare several with `compare_rupture_criteria`. A fall of a rating is an indirect
    sign; observers may see no rupture there, and ratings that stay high may hide one.

    Parameters
    ----------
    frame : DataFrame
        Session table with ``patient`` and ``session``, one row per patient and session, of pandas, polars or pyarrow. Rows
        without patient or rating are left out and counted in the notes.
    alliance : str
        Column, in scale points.
    criterion : str or RuptureCriterion
        Key of `list_rupture_criteria`, or your own.
    repair : float in (0, 1]
        Share of the fall that must be regained: 1 for a return to the level before it. There is no default, because the
        sources that could be read do not agree on one.
    within : int, optional
        Sessions after the onset in which the repair must come; any time if left out.
    missing : {"break", "bridge"}
        What a missing session does to a fall. ``"break"``: a fall is seen between neighbouring sessions only. ``"bridge"``:
        the next rated session counts as the next one. Falls below a level compare each rating with the patient's mean; for
        them it says only which ratings the moving range of a control chart is taken from.
    cutoff : float or MeasurementError, optional
        Least fall for the criterion ``"points"``, in points, or the numbers a reliable change is computed from.
    direction : {"higher_is_better", "higher_is_worse"}
        What a higher rating means. With ``"higher_is_worse"``, as on a scale of tension or distance, a rupture is a rise;
        falls, lows and repairs are turned round.

    Returns
    -------
    Ruptures

    Raises
    ------
    ColumnError
        If a column is missing, not numeric, or no rating.
    DataError
        If raters are mixed, a session occurs twice, a rating is infinite, an option is unknown, missing or of the wrong
        type, a published criterion is left out, or no patient can be judged.

    See Also
    --------
    list_rupture_criteria : The rules, their sources, and those left out. compare_rupture_criteria, sudden_gains

    Notes
    -----
    A rupture begins in the first session in which the fall, from the reference level, reaches the threshold (for
    ``level``: in which the rating lies below the limit; it is not repaired before ratings have left that side). The reference
    is the last rating before the alliance began to fall (``decline``), the session before (``step``) or the patient's mean
    (``level``). The episode goes on until the ratings regain ``repair`` of the way from the lowest rating to the reference,
    or until ``within`` sessions have passed, or until the course ends; further falls meanwhile belong to it. A rupture in
    the last rated session, or one whose course ends before ``within`` sessions have passed, is open: neither repaired nor
    unrepaired. Thresholds that count standard deviations use the whole course, also its later sessions, and need three
    ratings. A patient is judged when there is a threshold and at least one rating that a fall could end at; shares are of
    the patients judged.

    References
    ----------
    Gumz, A., Brähler, E., Geyer, M., & Erices, R. (2012). Crisis-repair sequences. BMC Medical Research Methodology, 12, 10.
    doi:10.1186/1471-2288-12-10

    Examples
    --------
    >>> import alliance_stats as al
    >>> sessions = al.score(al.load_sample("therapist_statements"), "wai_sr", items="wai_{}")
    >>> result = al.ruptures(sessions, alliance="wai_sr_mean", criterion="gumz_1sd", repair=1.0)
    >>> result.tidy()["term"].tolist()[:4]
    ['patients_with_rupture', 'patients_with_repair', 'patients_with_unrepaired', 'repaired']
    """
    rule = as_rupture_criterion(criterion)
    choice(missing, "missing", get_args(Missing), kind="rule for missing sessions")
    choice(direction, "direction", get_args(Direction), kind="meaning of a higher score")
    if not 0 < number(repair, "repair") <= 1:
        raise DataError.build(
            f"repair = {repair} is no share.", hint="pass 1 for a full return, 0.5 for half of the fall."
        )
    within = None if within is None else whole_number(within, "within", least=1)
    _check_cutoff(rule, cutoff)
    series = read_series(session_frame(frame), column_name(alliance, "alliance"))
    thresholds, origin = rupture_thresholds(series, rule, missing, cutoff)
    search = EpisodeRule(rule.fall, math.nan, repair, within, missing, series.slack)
    table = _all_episodes(series, thresholds, search, sign=sign_of(direction))
    return Ruptures(
        alliance=alliance,
        criterion=rule,
        repair=repair,
        within=within,
        missing=missing,
        direction=direction,
        series=series,
        thresholds=thresholds,
        table=table,
        notes=(
            *count_notes(rule, origin, series, thresholds, table),
            *rule_notes(rule.fall, repair=repair, within=within, missing=missing, direction=direction),
            *series.notes,
        ),
    )


def _check_cutoff(rule: RuptureCriterion, cutoff: float | MeasurementError | None) -> None:
    """Raise when a cut-off is missing, or would be ignored."""
    if rule.threshold is None and cutoff is None:
        raise DataError.build(
            f"Criterion '{rule.key}' needs a cut-off.",
            hint="pass cutoff=, in points of the scale, or a MeasurementError.",
        )
    if rule.threshold is not None and cutoff is not None:
        raise DataError.build(
            f"Criterion '{rule.key}' has a threshold of its own ({rule.threshold:g}), so that cutoff= would be ignored.",
            hint="leave cutoff= out, or change the threshold with dataclasses.replace().",
        )


def _all_episodes(series: SessionSeries, thresholds: FloatArray, rule: EpisodeRule, *, sign: int) -> pd.DataFrame:
    """Return one row per rupture of the patients judged; ``sign`` is -1 where a higher rating is worse."""
    rows = []
    level = rule.fall == "level"
    for unit, (sessions, ratings) in enumerate(series.courses()):
        if math.isnan(thresholds[unit]):
            continue
        values = sign * ratings
        own = replace(rule, threshold=float(thresholds[unit]))
        for order, found in enumerate(episodes(sessions, values, own), start=1):
            repaired = found.outcome == "repaired"
            rows.append(
                {"unit": unit, "order": order, "before": math.nan if level else float(sessions[found.start])}
                | {"onset": int(sessions[found.onset]), "low": int(sessions[found.low])}
                | {"repair": float(sessions[found.end]) if repaired else math.nan}
                | {"fall": found.reference - float(values[found.low]), "outcome": found.outcome}
                | {"decline_length": math.nan if level else float(sessions[found.low] - sessions[found.start])}
                | {"repair_length": float(sessions[found.end] - sessions[found.onset]) if repaired else math.nan}
                | {"dated_by_gap": bool(repaired and sessions[found.end] - sessions[found.end - 1] > 1)}
            )
    types = {"unit": int, "order": int, "onset": int, "low": int, "dated_by_gap": bool}
    return pd.DataFrame(rows, columns=["unit", *EPISODE_COLUMNS]).astype(types)
