"""Sudden gains and losses: large, stable changes between two sessions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
import pandas as pd

from alliance_stats.errors import DataError, counted
from alliance_stats.process.arguments import choice, column_name
from alliance_stats.process.gain_criteria import GainCriterion, as_gain_criterion, cutoff_points
from alliance_stats.process.gain_detection import LEAST, REACH, Intervals, Missing, find_gains, reversed_later, windows
from alliance_stats.process.parts import CONF_LEVEL, ordered_columns
from alliance_stats.process.session_frame import session_frame
from alliance_stats.process.session_series import FloatArray, IntArray, SessionSeries, read_series
from alliance_stats.process.shares import mean_row, share_row
from alliance_stats.result import Result
from alliance_stats.scales.change_index import MeasurementError
from alliance_stats.scales.change_tables import require_level
from alliance_stats.scales.cutoffs import sign_of
from alliance_stats.scales.instrument_parts import Direction

Which = Literal["first", "last", "largest", "smallest"]
Kind = Literal["gain", "loss"]

PLACES = ("n-2", "n-1", "n", "n+1", "n+2", "n+3")
"""Sessions around a change; n is the one before it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SuddenGains(Result):
    """Sudden gains and losses of one outcome by one criterion.

    Parameters
    ----------
    outcome : str
        Column, in scale points.
    criterion : GainCriterion
    cutoff : float
        Least change, in points.
    direction : {"higher_is_better", "higher_is_worse"}
    missing : {"adjusted", "complete"}
    series : SessionSeries
        The ratings.
    table : ndarray, shape (n_patients, n_sessions)
        Ratings on a grid of sessions, NaN where missing.
    sessions : ndarray of int, shape (n_sessions,)
    found : mapping of str to Intervals
        The intervals, for "gain" and "loss".
    """

    outcome: str
    criterion: GainCriterion
    cutoff: float
    direction: Direction
    missing: Missing
    series: SessionSeries = field(repr=False)
    table: FloatArray = field(repr=False)
    sessions: IntArray = field(repr=False)
    found: dict[str, Intervals] = field(repr=False)

    def __repr__(self) -> str:
        parts = [
            counted(int(self.found["gain"].found.sum()), "gain"),
            counted(int(self.found["loss"].found.sum()), "loss", "losses"),
            counted(self.series.n_units, "patient"),
        ]
        return f"SuddenGains({', '.join([self.outcome, self.criterion.key, *parts])})"

    def tidy(self, *, level: float = CONF_LEVEL) -> pd.DataFrame:
        """Return shares and means; no row is about one patient.

        Parameters
        ----------
        level : float in (0, 1)
            Of the intervals.

        Returns
        -------
        DataFrame
            One row per quantity: outcome, term, category (n-2 to n+3 for the mean scores around a change), kind ("gain"
            or "loss"), estimate, std_error, conf_low, conf_high, conf_level, n (what the estimate is taken over), sd.
            Terms: patients_with_change and patients_with_several (shares of the patients with an interval judged,
            Wilson intervals), intervals_with_change and reversed (shares without interval: one patient may have
            several), magnitude (points), score (points).

        Raises
        ------
        DataError
            If ``level`` is not between 0 and 1.
        """
        require_level(level)
        rows = [row for kind in get_args(Kind) for row in _rows(self, kind, level)]
        return ordered_columns(pd.DataFrame(rows).assign(outcome=self.outcome))

    def glance(self) -> pd.DataFrame:
        """Return one row: outcome, criterion, cut-off, missing rule, and counts of patients, intervals, gains and losses."""
        gains, losses = self.found["gain"], self.found["loss"]
        times = gains.found.sum(axis=1)
        changes = self.changes("gain")
        return pd.DataFrame(
            [
                {"outcome": self.outcome, "criterion": self.criterion.key, "cutoff": self.cutoff}
                | {"direction": self.direction, "missing": self.missing, "n_patients": self.series.n_units}
                | {"n_patients_judged": int(gains.judged.any(axis=1).sum()), "n_intervals": int(gains.both.sum())}
                | {"n_intervals_judged": int(gains.judged.sum()), "n_gains": int(gains.found.sum())}
                | {"n_patients_with_gain": int((times > 0).sum()), "n_patients_with_several": int((times > 1).sum())}
                | {"n_reversed": int(changes["reversed"].sum()), "n_losses": int(losses.found.sum())}
            ]
        )

    def changes(self, kind: Kind = "gain") -> pd.DataFrame:
        """Return one row per gain or loss, with the ids of the user's frame: for your own analyses, not for a report.

        Parameters
        ----------
        kind : {"gain", "loss"}

        Returns
        -------
        DataFrame
            patient, session (the one before the change), order (1 for the patient's first), the six scores
            ``<outcome>_n-2`` to ``<outcome>_n+3``, magnitude (improvement in points, negative for losses),
            reversal_value (score beyond which half of the change is undone), reversed.
        """
        choice(kind, "kind", get_args(Kind), kind="kind of change")
        units, places = np.nonzero(self.found[kind].found)
        sign = sign_of_fall(self.direction, kind)
        around = windows(self.table)[units, places]
        frame = self.series.units.iloc[units].reset_index(drop=True)
        frame["session"] = self.sessions[places]
        frame["order"] = frame.groupby(units).cumcount() + 1
        for index, place in enumerate(PLACES):
            frame[f"{self.outcome}_{place}"] = around[:, index]
        pre, post = around[:, REACH - 1], around[:, REACH]
        frame["magnitude"] = np.abs(pre - post) * (1 if kind == "gain" else -1)
        frame["reversal_value"] = post + 0.5 * (pre - post)
        frame["reversed"] = reversed_later(self.table, units, places, sign=sign, slack=self.series.slack)
        return frame

    def by_patient(self, which: Which = "first", *, kind: Kind = "gain") -> pd.DataFrame:
        """Return one row per patient, with the ids of the user's frame: for your own analyses, not for a report.

        Parameters
        ----------
        which : {"first", "last", "largest", "smallest"}
            Which change stands for a patient with several; of equal ones the first.
        kind : {"gain", "loss"}

        Returns
        -------
        DataFrame
            patient, judged (whether any interval could be judged), n_changes, and the columns of `changes`, missing where
            there is no change.
        """
        choice(which, "which", get_args(Which), kind="choice of change")
        rows = self.changes(kind)
        keys = {"first": rows["order"], "last": -rows["order"], "largest": -rows["magnitude"].abs()}
        ranked = rows.assign(_key=keys.get(which, rows["magnitude"].abs()))
        name = self.series.units.columns[0]
        chosen = ranked.sort_values("_key", kind="stable").drop_duplicates(name).drop(columns="_key")
        people = self.series.units.assign(
            judged=np.asarray(self.found[kind].judged.any(axis=1)), n_changes=self.found[kind].found.sum(axis=1)
        )
        return people.merge(chosen, on=name, how="left")


def sudden_gains(
    frame: pd.DataFrame,
    column: str,
    *,
    cutoff: float | MeasurementError,
    criterion: str | GainCriterion,
    direction: Direction,
    missing: Missing = "adjusted",
) -> SuddenGains:
    """Find sudden gains and losses, their size, their reversals and the scores around them.

    Use it when an outcome is rated in every session. A gain is a description of one course, not evidence of a cause:
    noise and gradual change give gains as well (Vittengl et al., 2015), the more so the more sessions there are, so
    compare criteria with `compare_gain_criteria` before building on one.

    Parameters
    ----------
    frame : DataFrame
        Session table with ``patient`` and ``session``, one row per patient and session, of pandas, polars or pyarrow.
        Sessions are neighbours when their numbers follow one another. Rows without patient or rating are left out and
        counted in the notes.
    column : str
        Outcome, in scale points.
    cutoff : float or MeasurementError
        Least change between two sessions, in points (7 for the BDI in Tang & DeRubeis), or the numbers a reliable change
        is computed from. It belongs to the instrument, so that there is no default.
    criterion : str or GainCriterion
        Key of `list_gain_criteria`, or your own. ``"tang_derubeis"`` is what R package suddengains does;
        ``"tang_derubeis_t_test"`` is the milder two-sample t test.
    direction : {"higher_is_better", "higher_is_worse"}
        What a higher score means.
    missing : {"adjusted", "complete"}
        The scores next to the interval must always be rated. Criteria that compare means: with ``"adjusted"`` two of the
        three scores on each side are enough, and the critical value follows their number; with ``"complete"`` all six are
        needed. ``"gaynor"``: one of the next two scores is enough, or both are needed. ``"kelly"``: three ratings of the
        patient are enough, or every session from the first rating to the last must be rated.

    Returns
    -------
    SuddenGains

    Raises
    ------
    ColumnError
        If a column is missing, not numeric, or no rating.
    DataError
        If raters are mixed, a session occurs twice, a rating is infinite, an option is unknown or of the wrong type, or no
        interval can be judged.

    See Also
    --------
    list_gain_criteria : The rules and their sources. compare_gain_criteria : How far they agree.
    around_gains : The alliance before and after gains, with matched controls. ruptures

    Notes
    -----
    With the scores x(n-2) to x(n+3) around the interval from session n to n+1, a gain needs (1) x(n) - x(n+1) at least the
    cut-off, (2) at least a share of x(n), (3) stability: for ``tang_derubeis``
    mean(before) - mean(after) > t * s, s the pooled standard deviation, t the 0.975 quantile of Student's t with
    n1 + n2 - 2 degrees of freedom (2.776, 3.182 or 4.303); for ``tang_derubeis_t_test`` > t * s * sqrt(1/n1 + 1/n2).
    Rules are turned round for scales on which higher is better, and for losses, where the share is of the score before the
    loss as well. (R package suddengains 0.7.2 asks of a loss only that the score rises, whatever its share.)
    The share depends on where the scale's zero lies.

    The share counts from a score of 0: it has no meaning on a scale with negative scores; a criterion with ``share=0``
    leaves the rule out.

    A gain is reversed when a score after session n+1 gives back more than half of it (R package suddengains). A gain
    without any later score counts as not reversed; the notes count them.

    References
    ----------
    Tang, T. Z., & DeRubeis, R. J. (1999). Journal of Consulting and Clinical Psychology, 67, 894-904.
    doi:10.1037/0022-006X.67.6.894

    Wiedemann, M., Thew, G. R., Stott, R., & Ehlers, A. (2020). PLOS ONE, 15, e0230276. doi:10.1371/journal.pone.0230276

    Vittengl, J. R., Clark, L. A., Thase, M. E., & Jarrett, R. B. (2015). Current Psychiatry Reviews, 11, 19-31.
    doi:10.2174/1573400510666140929195441

    Examples
    --------
    >>> import alliance_stats as al
    >>> sessions = al.score(al.load_sample("therapist_statements"), "ors", items="ors_{}")
    >>> gains = al.sudden_gains(
    ...     sessions, "ors_sum", cutoff=5, criterion="tang_derubeis", direction="higher_is_better"
    ... )
    >>> gains.glance()[["n_patients_judged", "n_gains", "n_losses"]].values.tolist()
    [[476, 77, 18]]
    """
    rule = as_gain_criterion(criterion)
    choice(direction, "direction", get_args(Direction), kind="meaning of a higher score")
    choice(missing, "missing", get_args(Missing), kind="rule for missing sessions")
    series = read_series(session_frame(frame), column_name(column, "column"))
    table, sessions = series.grid()
    points, origin = cutoff_points(cutoff, _first_scores(series))

    def search(kind: str, gaps: Missing) -> Intervals:
        sign = sign_of_fall(direction, kind)
        return find_gains(table, rule, cutoff=points, sign=sign, missing=gaps, slack=series.slack)

    found = {kind: search(kind, missing) for kind in get_args(Kind)}
    if not found["gain"].judged.any():
        raise _unjudged(found["gain"], series, rule, other=search("gain", "adjusted"))
    return SuddenGains(
        outcome=column,
        criterion=rule,
        cutoff=points,
        direction=direction,
        missing=missing,
        series=series,
        table=table,
        sessions=sessions,
        found=found,
        notes=(*_notes(rule, origin, series, found), *series.notes),
    )


def sign_of_fall(direction: Direction, kind: str) -> int:
    """Return 1 when a change of that kind is a fall of the score, -1 when it is a rise."""
    better_falls = -sign_of(direction)
    return int(better_falls if kind == "gain" else -better_falls)


def _first_scores(series: SessionSeries) -> FloatArray:
    """Return the first rating of each unit that has one."""
    return np.array([values[0] for _, values in series.courses() if values.size])


def _unjudged(found: Intervals, series: SessionSeries, rule: GainCriterion, *, other: Intervals) -> DataError:
    """Return the error for a criterion that can be applied nowhere; ``other``: with the rule that asks for less."""
    single, pairs = int((series.counts < 2).sum()), int(found.both.sum())
    needs = {"part_kept": "a rated session after the interval", "series_sd": f"{REACH} ratings of the patient"}.get(
        rule.stability, f"at least {LEAST} rated sessions on each side"
    )
    problem = (
        f"No interval can be judged by '{rule.key}': {single} of {counted(series.n_units, 'patient')} "
        f"{'has' if single == 1 else 'have'} fewer than two ratings (the most of one patient: {int(series.counts.max())}), "
        f"{counted(pairs, 'pair')} of neighbouring sessions {'is' if pairs == 1 else 'are'} rated."
    )
    if other.judged.any():
        return DataError.build(problem, hint='not every score around an interval is rated: use missing="adjusted".')
    if not pairs and single < series.n_units:
        return DataError.build(
            problem,
            hint="no two rated sessions have numbers that follow one another: if 'session' counts days or weeks, number the "
            "sessions 1, 2, 3, ..., for example with frame.groupby('patient')['session'].rank('dense').",
        )
    return DataError.build(
        problem, hint=f"sudden gains need several ratings in a row ({needs}): take patients with more rated sessions."
    )


def _rows(result: SuddenGains, kind: Kind, level: float) -> Sequence[dict[str, object]]:
    """Return the rows of the tidy table for gains or for losses."""
    found, changes = result.found[kind], result.changes(kind)
    judged = found.judged.any(axis=1)
    times = found.found.sum(axis=1)[judged]
    people, events, intervals = int(judged.sum()), len(changes), int(found.judged.sum())
    rows: list[dict[str, object]] = [
        {"term": "patients_with_change", **share_row(int((times > 0).sum()), people, level=level)},
        {"term": "patients_with_several", **share_row(int((times > 1).sum()), people, level=level)},
        {"term": "intervals_with_change", "estimate": events / intervals, "n": intervals},
        {
            "term": "reversed",
            "estimate": float(changes["reversed"].mean()) if events else math.nan,
            "n": events,
        },
        {"term": "magnitude", **mean_row(changes["magnitude"].to_numpy(float), level=level)},
    ]
    for place in PLACES:
        scores = changes[f"{result.outcome}_{place}"].to_numpy(float)
        rows.append({"term": "score", "category": place, **mean_row(scores[~np.isnan(scores)], level=level)})
    return [{"kind": kind, "category": "", "conf_level": level, **row} for row in rows]


def _notes(rule: GainCriterion, origin: str, series: SessionSeries, found: dict[str, Intervals]) -> list[str]:
    """Return what was looked for, where it could be, and what the table does not say."""
    gains = found["gain"]
    unjudged = series.n_units - int(gains.judged.any(axis=1).sum())
    several = int((gains.found.sum(axis=1) > 1).sum())
    notes = [
        f"Criterion: {rule.title}; change of at least {rule.share:.0%} of the score before. {rule.note}".strip(),
        origin,
        f"{int(gains.judged.sum())} of {int(gains.both.sum())} intervals with ratings on both sides could be judged; the "
        f"others lack scores around them (up to {REACH} on each side, at least {LEAST} where means are compared). Intervals "
        "across a missing session are not judged.",
        f"{counted(int(gains.found.sum()), 'gain')} in {counted(int(gains.found.any(axis=1).sum()), 'patient')}, {several} of "
        f"them with several; {counted(int(found['loss'].found.sum()), 'loss', 'losses')}.",
        "Level: one session to the next within a patient. Shares of patients have Wilson intervals, means t intervals with "
        "n - 1 degrees of freedom; means of magnitude and of scores treat the gains of one patient as independent: use "
        "by_patient() for one each.",
        "Gains also arise from noise and from gradual change; a longer course has more chances.",
    ]
    table, below = series.grid()[0], int((series.ratings < 0).sum())
    final = sum(bool(np.isnan(table[unit, place + 2 :]).all()) for unit, place in np.argwhere(gains.found))
    if final:
        have = "has no later score and counts" if final == 1 else "have no later score and count"
        notes.append(f"{counted(final, 'gain')} {have} as not reversed.")
    if below and rule.share:
        notes.append(
            f"{counted(below, 'rating')} {'is' if below == 1 else 'are'} below 0: a share of the score before has no meaning "
            "there; a criterion with share=0 leaves that rule out."
        )
    if unjudged:
        notes.append(
            f"{unjudged} of {counted(series.n_units, 'patient')} {'has' if unjudged == 1 else 'have'} no interval that could be "
            f"judged and {'is' if unjudged == 1 else 'are'} in no share."
        )
    return notes
