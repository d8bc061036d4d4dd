"""How far criteria of sudden gains, or of ruptures, point at the same sessions and patients."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TypeVar

import numpy as np
import pandas as pd

from alliance_stats.errors import DataError, counted
from alliance_stats.process.gain_criteria import GainCriterion
from alliance_stats.process.gain_detection import Missing as GainMissing
from alliance_stats.process.parts import CONF_LEVEL, ordered_columns
from alliance_stats.process.rupture_criteria import RuptureCriterion, as_rupture_criterion
from alliance_stats.process.rupture_episodes import Missing as RuptureMissing
from alliance_stats.process.ruptures import ruptures
from alliance_stats.process.session_frame import session_frame
from alliance_stats.process.session_series import FloatArray
from alliance_stats.process.shares import at_level
from alliance_stats.process.sudden_gains import sudden_gains
from alliance_stats.result import Result
from alliance_stats.scales.agreement import agreement
from alliance_stats.scales.change_index import MeasurementError
from alliance_stats.scales.change_tables import require_level
from alliance_stats.scales.instrument_parts import Direction

C = TypeVar("C")

GAIN_CRITERIA = ("tang_derubeis", "tang_derubeis_fixed", "tang_derubeis_t_test", "gaynor", "kelly")
RUPTURE_CRITERIA = ("gumz_1sd", "gumz_2sd", "own_sd_step", "control_chart")


@dataclass(frozen=True, kw_only=True, eq=False)
class CriteriaOverlap(Result):
    """Agreement of criteria, session by session and patient by patient.

    Parameters
    ----------
    outcome : str
        Column, in scale points.
    event : str
        What was looked for: "gain" or "rupture".
    titles : mapping of str to str
        Criteria by key.
    estimates : DataFrame
        What ``tidy()`` returns.
    """

    outcome: str
    event: str
    titles: Mapping[str, str]
    estimates: pd.DataFrame = field(repr=False)

    def __repr__(self) -> str:
        return f"CriteriaOverlap({self.outcome}, {self.event}s by {', '.join(self.titles)})"

    def tidy(self, *, level: float = CONF_LEVEL) -> pd.DataFrame:
        """Return how often each criterion is met, and how far each pair agrees.

        Parameters
        ----------
        level : float in (0, 1)
            Of the intervals.

        Returns
        -------
        DataFrame
            One row per criterion (kind "share") and pair (kind "kappa"), for sessions and for patients: outcome, term,
            term2, level ("session" or "patient"), kind, estimate (share, or Cohen's kappa), std_error, conf_low,
            conf_high, conf_level, n (judged by the criterion, or by both), n_found, n_both and n_either.

        Raises
        ------
        DataError
            If ``level`` is not between 0 and 1.
        """
        require_level(level)
        table = at_level(self.estimates, level)
        # no kappa is larger than 1
        return ordered_columns(table.assign(conf_high=table["conf_high"].clip(upper=1.0)))

    def glance(self) -> pd.DataFrame:
        """Return one row: outcome, event, number of criteria, fewest and most events, range of kappas between sessions."""
        rows = self.estimates[self.estimates["level"] == "session"]
        shares, kappas = (rows[rows["kind"] == kind] for kind in ("share", "kappa"))
        return pd.DataFrame(
            [
                {"outcome": self.outcome, "event": self.event, "n_criteria": len(self.titles)}
                | {"fewest": int(shares["n_found"].min()), "most": int(shares["n_found"].max())}
                | {"lowest_kappa": kappas["estimate"].min(), "highest_kappa": kappas["estimate"].max()}
            ]
        )


def compare_gain_criteria(
    frame: pd.DataFrame,
    column: str,
    *,
    cutoff: float | MeasurementError,
    direction: Direction,
    criteria: Sequence[str | GainCriterion] = GAIN_CRITERIA,
    missing: GainMissing = "adjusted",
) -> CriteriaOverlap:
    """Find sudden gains by several criteria and compare them.

    Use it before building on one criterion: a result that holds for one of several defensible rules only is a result about
    the rule.

    Parameters
    ----------
    frame, column, cutoff, direction, missing
        As for `sudden_gains`.
    criteria : sequence of str or GainCriterion
        Two or more; all bundled ones if left out.

    Returns
    -------
    CriteriaOverlap

    Raises
    ------
    ColumnError, DataError
        As `sudden_gains`; also with fewer than two criteria.

    Notes
    -----
    Cohen's kappa of "met" and "not met", over the intervals that both criteria can judge, and over the patients that both
    can judge (met at least once). It is missing where one of the criteria is never or always met. Intervals of one patient
    are not independent, so that intervals of kappa between sessions are too narrow.

    References
    ----------
    Cohen, J. (1960). Educational and Psychological Measurement, 20, 37-46. doi:10.1177/001316446002000104

    Examples
    --------
    >>> import alliance_stats as al
    >>> data = al.score(al.load_sample("therapist_statements"), "ors", items="ors_{}")
    >>> overlap = al.compare_gain_criteria(
    ...     data, "ors_sum", cutoff=5, direction="higher_is_better", criteria=["tang_derubeis", "gaynor"]
    ... )
    >>> overlap.tidy()["kind"].tolist()
    ['share', 'share', 'kappa', 'share', 'share', 'kappa']
    """
    several, table = _several(criteria), session_frame(frame)
    titles: dict[str, str] = {}
    flags, people = {}, {}
    for criterion in several:
        result = sudden_gains(table, column, cutoff=cutoff, criterion=criterion, direction=direction, missing=missing)
        found = result.found["gain"]
        key = _new_key(result.criterion.key, titles)
        titles[key] = result.criterion.title
        flags[key] = np.where(found.judged, found.found.astype(float), np.nan).ravel()
        people[key] = np.where(found.judged.any(axis=1), found.found.any(axis=1).astype(float), np.nan)
    return _overlap(result.series.notes, column, "gain", titles, {"session": flags, "patient": people})


def compare_rupture_criteria(
    frame: pd.DataFrame,
    *,
    alliance: str,
    repair: float,
    criteria: Sequence[str | RuptureCriterion] = RUPTURE_CRITERIA,
    within: int | None = None,
    missing: RuptureMissing = "break",
    cutoff: float | MeasurementError | None = None,
    direction: Direction = "higher_is_better",
) -> CriteriaOverlap:
    """Find ruptures by several criteria and compare them.

    Use it before building on one criterion: published counts of ruptures differ because the criteria do.

    Parameters
    ----------
    frame, alliance, repair, within, missing, direction
        As for `ruptures`. ``repair`` and ``within`` matter because a new rupture can begin only when the one before is
        over.
    criteria : sequence of str or RuptureCriterion
        Two or more; all bundled ones that need no cut-off if left out.
    cutoff : float or MeasurementError, optional
        For the criterion ``"points"``.

    Returns
    -------
    CriteriaOverlap

    Raises
    ------
    ColumnError, DataError
        As `ruptures`; also with fewer than two criteria.

    Notes
    -----
    As for `compare_gain_criteria`; a session counts when a rupture begins in it.

    References
    ----------
    Gumz, A., Brähler, E., Geyer, M., & Erices, R. (2012). BMC Medical Research Methodology, 12, 10.
    doi:10.1186/1471-2288-12-10

    Examples
    --------
    >>> import alliance_stats as al
    >>> data = al.score(al.load_sample("therapist_statements"), "wai_sr", items="wai_{}")
    >>> overlap = al.compare_rupture_criteria(data, alliance="wai_sr_mean", repair=1.0)
    >>> overlap.glance()[["fewest", "most"]].values.tolist()
    [[17, 657]]
    """
    several, table = _several(criteria), session_frame(frame)
    titles: dict[str, str] = {}
    flags, people = {}, {}
    for criterion in several:
        own = as_rupture_criterion(criterion).threshold is not None
        result = ruptures(
            table,
            alliance=alliance,
            criterion=criterion,
            repair=repair,
            within=within,
            missing=missing,
            direction=direction,
            cutoff=None if own else cutoff,
        )
        key = _new_key(result.criterion.key, titles)
        titles[key] = result.criterion.title
        flags[key] = result.flags()
        counts = np.bincount(result.table["unit"].to_numpy(int), minlength=result.series.n_units)
        people[key] = np.where(result.judged, (counts > 0).astype(float), np.nan)
    return _overlap(result.series.notes, alliance, "rupture", titles, {"session": flags, "patient": people})


def _several(criteria: Iterable[C]) -> tuple[C, ...]:
    """Return the criteria, raising when there is nothing to compare."""
    listed = tuple(criteria) if isinstance(criteria, Iterable) and not isinstance(criteria, str) else ()
    if len(listed) < 2:
        raise DataError.build(
            "criteria holds fewer than two criteria to compare.",
            hint="pass a list of two or more, or leave criteria out.",
        )
    return listed


def _new_key(key: str, known: Mapping[str, str]) -> str:
    """Return the key, raising when another criterion has it."""
    if key in known:
        raise DataError.build(f"Two criteria are called '{key}'.", hint="give the changed one a key= of its own.")
    return key


def _overlap(
    rows_used: Sequence[str],
    outcome: str,
    event: str,
    titles: Mapping[str, str],
    flags: Mapping[str, Mapping[str, FloatArray]],
) -> CriteriaOverlap:
    """Return shares and kappas of 0, 1 and NaN flags, by level and criterion."""
    rows: list[dict[str, object]] = []
    for level, columns in flags.items():
        table = pd.DataFrame(dict(columns))
        for key in titles:
            known = table[key].dropna()
            rows.append(
                {"term": key, "term2": "", "level": level, "kind": "share", "estimate": float(known.mean())}
                | {"n": len(known), "n_found": int(known.sum())}
            )
        rows += [_pair(table, first, second, level) for first, second in combinations(titles, 2)]
    ends = dict.fromkeys(("std_error", "conf_low", "conf_high"), np.nan)
    frame = pd.DataFrame([ends | row for row in rows]).assign(outcome=outcome, conf_level=CONF_LEVEL)
    undefined = int(frame.loc[frame["kind"] == "kappa", "estimate"].isna().sum())
    notes = [
        f"{len(titles)} criteria, the same ratings: {', '.join(titles)}.",
        "Kappa compares met and not met over what both criteria can judge, with normal intervals; sessions of one patient "
        "are not independent, so that its intervals between sessions are too narrow.",
        *_counts(frame),
    ]
    if undefined:
        are = "kappa is" if undefined == 1 else "kappas are"
        notes.append(f"{undefined} {are} not defined, because a criterion is never or always met.")
    return CriteriaOverlap(
        outcome=outcome, event=event, titles=dict(titles), estimates=frame, notes=(*notes, *rows_used)
    )


def _counts(estimates: pd.DataFrame) -> list[str]:
    """Return how many sessions and patients each criterion can judge."""
    shares = estimates[estimates["kind"] == "share"].set_index(["term", "level"])["n"]
    return [
        f"'{key}' judges {counted(int(shares[key, 'session']), 'session')} of "
        f"{counted(int(shares[key, 'patient']), 'patient')}."
        for key in dict.fromkeys(estimates["term"])
        if (key, "session") in shares.index
    ]


def _pair(table: pd.DataFrame, first: str, second: str, level: str) -> dict[str, object]:
    """Return kappa of two columns of flags, with counts."""
    both = table[[first, second]].dropna()
    row: dict[str, object] = {"term": first, "term2": second, "level": level, "kind": "kappa", "n": len(both)}
    row |= {"n_both": int(both.all(axis=1).sum()), "n_either": int(both.any(axis=1).sum()), "estimate": math.nan}
    if len(both) == 0 or (both.nunique() < 2).any():
        return row
    kappa = agreement(both.astype(int), [first, second], method="cohen_kappa").tidy()
    found = kappa[(kappa["term"] == "cohen_kappa") & (kappa["category"] == "")].iloc[0]
    return row | {name: float(found[name]) for name in ("estimate", "std_error", "conf_low", "conf_high")}
