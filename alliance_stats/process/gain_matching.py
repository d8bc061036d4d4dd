"""Another rating, such as the alliance, before and after sudden gains, beside that of matched patients without a gain."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any, get_args

import numpy as np
import pandas as pd

from alliance_stats.errors import DataError, counted
from alliance_stats.process.arguments import choice, column_name, number
from alliance_stats.process.gain_detection import REACH, windows
from alliance_stats.process.parts import CONF_LEVEL, ordered_columns
from alliance_stats.process.session_frame import session_frame
from alliance_stats.process.session_series import BoolArray, FloatArray, IntArray, SessionSeries, read_series
from alliance_stats.process.shares import at_level, mean_row
from alliance_stats.process.sudden_gains import PLACES, SuddenGains, Which, sign_of_fall
from alliance_stats.result import Result
from alliance_stats.scales.change_tables import require_level

FAR = 1e9
"""Distance, in standard deviations, of pairs that may not be matched."""

TIED = (
    "Other controls are equally near: of the sets of pairs with the smallest sum of distances one is taken by a fixed "
    "scramble of the ratings, whatever the ids and the order of rows; other sets may give other differences."
)


@dataclass(frozen=True, kw_only=True, eq=False)
class GainContrast(Result):
    """A rating around gains and around the same sessions of matched patients.

    Parameters
    ----------
    column : str
        The rating, in scale points.
    estimates : DataFrame
        What ``tidy()`` returns.
    pairs : DataFrame
        One row per pair, without ids: session, distance (standard deviations of the outcome before the gain), and the means
        before and after of gain and control.
    n_gains, n_unmatched : int
        Patients with a gain, and those for whom no control was left.
    """

    column: str
    estimates: pd.DataFrame = field(repr=False)
    pairs: pd.DataFrame = field(repr=False)
    n_gains: int
    n_unmatched: int

    def tidy(self, *, level: float = CONF_LEVEL) -> pd.DataFrame:
        """Return means and differences.

        Parameters
        ----------
        level : float in (0, 1)
            Of the intervals.

        Returns
        -------
        DataFrame
            One row per quantity: outcome, term ("before", "after", "change", and "score" by session), category (n-2 to n+3),
            group ("gain", "control", "difference"), estimate (points), std_error, df, statistic, p_value, conf_low,
            conf_high, conf_level, n (pairs), sd. The difference in change is the contrast of interest.

        Raises
        ------
        DataError
            If ``level`` is not between 0 and 1.
        """
        require_level(level)
        return ordered_columns(at_level(self.estimates, level))

    def glance(self) -> pd.DataFrame:
        """Return one row: rating, pairs, gains without control, mean distance of the pairs."""
        return pd.DataFrame(
            [
                {"outcome": self.column, "n_pairs": len(self.pairs), "n_gains": self.n_gains}
                | {"n_unmatched": self.n_unmatched, "mean_distance": float(self.pairs["distance"].mean())}
            ]
        )


def around_gains(
    gains: SuddenGains,
    frame: pd.DataFrame,
    *,
    column: str,
    which: Which = "first",
    caliper: float | None = None,
) -> GainContrast:
    """Compare a rating before and after sudden gains with the same sessions of matched patients without a gain.

    Use it to ask whether the alliance rose before a gain, and whether it rises after it, beyond what happens in those
    sessions anyway. Each patient with a gain (one gain each) is paired with one patient without gains by the same
    criterion, whose outcome is rated in both sessions of the interval and whose outcome in the session before it is
    nearest. Matching on one score does not make the groups alike in all else, so that the contrast is no causal effect.

    Parameters
    ----------
    gains : SuddenGains
    frame : DataFrame
        The session table that ``gains`` was made from, rows in any order; patients are found by their ids, and where all
        of these are new ones, by the place of their rows.
    column : str
        The other rating, in scale points.
    which : {"first", "last", "largest", "smallest"}
        Which gain stands for a patient with several.
    caliper : float, optional
        Largest distance of a pair in the outcome before the gain, in standard deviations of all patients' outcome ratings.

    Returns
    -------
    GainContrast

    Raises
    ------
    ColumnError
        If the rating is missing, not numeric, or no rating.
    DataError
        If the frame is another one, a rating is infinite, an option is unknown or of the wrong type, or fewer than two
        pairs can be formed.

    Notes
    -----
    Pairs are chosen together, without replacement, so that the sum of distances is smallest (optimal assignment); a
    pair needs the rating at least once before (sessions n-2 to n) and once after (n+1 to n+3) on both sides. ``before``
    and ``after`` are means over the ratings of those sessions, also where the outcome is missing. Tests and intervals are
    those of paired differences (t).

    References
    ----------
    Tang, T. Z., & DeRubeis, R. J. (1999). Journal of Consulting and Clinical Psychology, 67, 894-904.
    doi:10.1037/0022-006X.67.6.894

    Examples
    --------
    >>> import alliance_stats as al
    >>> data = al.score(al.load_sample("therapist_statements"), "ors", items="ors_{}")
    >>> data = al.score(data, "wai_sr", items="wai_{}")
    >>> gains = al.sudden_gains(data, "ors_sum", cutoff=5, criterion="gaynor", direction="higher_is_better")
    >>> contrast = al.around_gains(gains, data, column="wai_sr_mean")
    >>> contrast.tidy().query("term == 'change'")["group"].tolist()
    ['gain', 'control', 'difference']
    """
    if not isinstance(gains, SuddenGains):
        raise DataError.build(
            f"gains is what sudden_gains() returns; an object of type {type(gains).__name__} was given.",
            hint="call gains = al.sudden_gains(...) first.",
        )
    choice(which, "which", get_args(Which), kind="choice of gain")
    limit = math.inf if caliper is None else number(caliper, "caliper")
    if not limit > 0:
        raise DataError.build(f"caliper = {caliper} is no distance.", hint="pass a positive number, such as 0.5.")
    ratings, rows_used = _other_ratings(gains, session_frame(frame), column_name(column, "column"))
    cases, places, controls = _candidates(gains, ratings, which)
    distance = _distances(gains, windows(gains.table), ratings, (cases, places, controls))
    chosen, unique = _assign(distance, limit)
    if chosen.shape[0] < 2:
        raise DataError.build(
            f"{counted(chosen.shape[0], 'pair')} of a patient with a gain and one without can be formed "
            f"({counted(cases.size, 'patient')} with a gain, {controls.size} without).",
            hint="a wider caliper, another criterion or more patients are needed.",
        )
    rows, columns = chosen[:, 0], chosen[:, 1]
    treated = ratings[cases[rows], places[rows]]
    untreated = ratings[controls[columns], places[rows]]
    pairs = pd.DataFrame(
        {"session": gains.sessions[places[rows]], "distance": distance[rows, columns]}
        | {f"{when}_gain": _part(treated, when) for when in ("before", "after")}
        | {f"{when}_control": _part(untreated, when) for when in ("before", "after")}
    )
    return GainContrast(
        column=column,
        estimates=_estimates(treated, untreated).assign(outcome=column),
        pairs=pairs,
        n_gains=cases.size,
        n_unmatched=cases.size - len(pairs),
        notes=(
            *_notes(gains, which, caliper, pairs, cases.size),
            *([] if unique else [TIED]),
            *gains.series.notes,
            rows_used,
        ),
    )


def _other_ratings(gains: SuddenGains, frame: pd.DataFrame, column: str) -> tuple[FloatArray, str]:
    """Return the other rating in the six sessions around intervals, shape (n_patients, n_intervals, 6), and its rows."""
    other = read_series(frame, column)
    again = _in_same_order(read_series(frame, gains.outcome), gains.series)
    same = ("codes", "sessions", "ratings")
    if not all(np.array_equal(getattr(again, name), getattr(gains.series, name)) for name in same):
        raise DataError.build(
            f"The frame does not hold the ratings of '{gains.outcome}' that the gains were found in.",
            hint="pass the frame that sudden_gains() was called with.",
        )
    other = _in_same_order(other, gains.series)
    # the rating counts in each of the six sessions, whether or not the outcome was rated there
    n_sessions, edge = gains.sessions.size, REACH - 1
    places = other.sessions - int(gains.sessions[0]) + edge
    inside = (places >= 0) & (places < n_sessions + 2 * edge)
    table = np.full((gains.series.n_units, n_sessions + 2 * edge), np.nan)
    table[other.codes[inside], places[inside]] = other.ratings[inside]
    around: FloatArray = np.stack([table[:, k : k + n_sessions - 1] for k in range(2 * REACH)], axis=2)
    return around, other.notes[0]


def _in_same_order(again: SessionSeries, first: SessionSeries) -> SessionSeries:
    """Return a series with its units in the order of another one, by their ids; unchanged where these are others."""
    known, given = (pd.Index(_labels(series.units.iloc[:, 0])) for series in (first, again))
    if not known.is_unique or not given.is_unique or set(known) != set(given):
        return again
    codes = known.get_indexer(given)[again.codes]
    order = np.lexsort((again.sessions, codes))
    return replace(
        again,
        units=first.units,
        codes=codes[order],
        sessions=again.sessions[order],
        ratings=again.ratings[order],
        rows=again.rows[order],
    )


def _labels(ids: pd.Series[Any]) -> list[str]:
    """Return ids as texts, whole numbers without a decimal point, so that 1, 1.0 and "1" are one patient."""
    return [str(int(value)) if isinstance(value, float) and value.is_integer() else str(value) for value in ids]


def _rounded(ratings: FloatArray) -> FloatArray:
    """Return ratings to five digits of the largest, so that it does not matter in how many bytes they were stored."""
    largest = float(np.nanmax(np.abs(ratings))) if np.isfinite(ratings).any() else 1.0
    # adding zero takes the sign off a negative zero, which has other bytes
    digits: FloatArray = np.round(ratings / (largest or 1.0), 5) + 0.0
    return digits


def _candidates(gains: SuddenGains, ratings: FloatArray, which: Which) -> tuple[IntArray, IntArray, IntArray]:
    """Return rows of patients with a gain, the column before it, and rows of patients without one, scrambled."""
    found = gains.found["gain"].found
    size = np.where(found, gains.found["gain"].size, np.nan)
    keys = {"first": -np.arange(found.shape[1]), "last": np.arange(found.shape[1]), "largest": size, "smallest": -size}
    content = np.hstack([_rounded(gains.table), _rounded(ratings.reshape(len(ratings), -1))])
    # a scramble of the numbers themselves: neither rows, ids nor high or low ratings come first among equally near controls
    scrambled = [blake2b(row.tobytes()).digest() for row in content]
    order = np.array(sorted(range(len(content)), key=lambda place: scrambled[place]), dtype=np.int64)
    has = found[order].any(axis=1)
    cases, controls = order[has], order[~has]
    if cases.size == 0:
        return cases, cases, controls
    values = np.where(found, np.broadcast_to(keys[which], found.shape), -np.inf)[cases]
    return cases, np.argmax(values, axis=1), controls


def _distances(
    gains: SuddenGains, scores: FloatArray, ratings: FloatArray, who: tuple[IntArray, IntArray, IntArray]
) -> FloatArray:
    """Return distances in the outcome before the gain, in standard deviations; inf where a pair is not allowed."""
    cases, places, controls = who
    spread = float(np.nanstd(gains.table, ddof=1))
    own = scores[cases, places]
    others = scores[controls][:, places].transpose(1, 0, 2)
    distance = np.abs(own[:, None, REACH - 1] - others[:, :, REACH - 1]) / spread
    rated = _rated(ratings[cases, places])[:, None] & _rated(ratings[controls][:, places].transpose(1, 0, 2))
    allowed = rated & ~np.isnan(others[:, :, REACH]) & ~np.isnan(distance)
    return np.where(allowed, distance, np.inf)


def _rated(ratings: FloatArray) -> BoolArray:
    """Tell where there is a rating on both sides; the last axis holds n-2 to n+3."""
    known = ~np.isnan(ratings)
    both: BoolArray = np.asarray(known[..., :REACH].any(axis=-1) & known[..., REACH:].any(axis=-1))
    return both


def _assign(distance: FloatArray, limit: float) -> tuple[IntArray, bool]:
    """Return rows and columns of the pairs with the smallest sum of distances, shape (n_pairs, 2), and if no others tie."""
    from scipy.optimize import linear_sum_assignment

    allowed = np.isfinite(distance) & (distance <= limit)
    costs = np.where(allowed, distance, FAR)
    rows, columns = linear_sum_assignment(costs)
    kept = allowed[rows, columns]
    # of several optima the search from the other end finds another one
    turned = costs.shape[1] - 1 - linear_sum_assignment(costs[:, ::-1])[1]
    unique = set(columns[kept]) == set(turned[allowed[rows, turned]]) if rows.size else True
    return np.column_stack([rows[kept], columns[kept]]).astype(np.int64), unique


def _part(ratings: FloatArray, when: str) -> FloatArray:
    """Return means before or after, shape (n_pairs,)."""
    means: FloatArray = np.nanmean(ratings[:, :REACH] if when == "before" else ratings[:, REACH:], axis=1)
    return means


def _estimates(treated: FloatArray, untreated: FloatArray) -> pd.DataFrame:
    """Return means of both groups and of their paired differences."""
    rows: list[dict[str, object]] = []
    for term in ("before", "after", "change"):
        sides = [
            _part(side, "after") - _part(side, "before") if term == "change" else _part(side, term)
            for side in (treated, untreated)
        ]
        rows += _three(sides[0], sides[1], {"term": term, "category": ""})
    for index, place in enumerate(PLACES):
        both = ~np.isnan(treated[:, index]) & ~np.isnan(untreated[:, index])
        rows += _three(treated[both, index], untreated[both, index], {"term": "score", "category": place})
    return pd.DataFrame(rows)


def _three(treated: FloatArray, untreated: FloatArray, about: dict[str, object]) -> list[dict[str, object]]:
    """Return the rows of gains, controls and their difference."""
    rows: list[dict[str, object]] = []
    for group, values in (("gain", treated), ("control", untreated), ("difference", treated - untreated)):
        row = {**about, "group": group, "conf_level": CONF_LEVEL, **mean_row(values)}
        if group == "difference" or about["term"] == "change":
            row |= _t_test(values)
        rows.append(row)
    return rows


def _t_test(values: FloatArray) -> dict[str, float]:
    """Return t and two-sided p of a mean against zero; NaN without spread."""
    from scipy.stats import t

    if values.size < 2 or not np.ptp(values) > 0:
        return {"statistic": math.nan, "p_value": math.nan}
    statistic = float(values.mean() / (np.std(values, ddof=1) / math.sqrt(values.size)))
    return {"statistic": statistic, "p_value": 2 * float(t.sf(abs(statistic), values.size - 1))}


def _notes(gains: SuddenGains, which: str, caliper: float | None, pairs: pd.DataFrame, n_gains: int) -> list[str]:
    """Return who was compared with whom."""
    towards = "falls" if sign_of_fall(gains.direction, "gain") == 1 else "rises"
    limit = "no caliper" if caliper is None else f"a caliper of {caliper:g} standard deviations"
    return [
        f"Estimand: difference between patients with a gain (the {which} of each; {gains.outcome} {towards}) and matched "
        "patients without a gain, in the rating around the same session numbers.",
        f"{counted(len(pairs), 'pair')} out of {counted(n_gains, 'patient')} with a gain; {n_gains - len(pairs)} found no "
        f"partner. Matched on "
        f"'{gains.outcome}' in the session before the gain, optimally and without replacement, {limit}; mean distance "
        f"{pairs['distance'].mean():.2f} standard deviations.",
        "Level: pairs of patients; before is the mean of the ratings in sessions n-2 to n, after that of n+1 to n+3, also "
        "where the outcome is missing. Tests and intervals "
        "of differences are those of paired differences: t with pairs - 1 degrees of freedom; intervals of a group's means "
        "have as many.",
        "Controls have no gain by the same criterion; patients whose intervals could not be judged may be among them.",
        "Matching on one score does not balance other differences between the groups.",
    ]
