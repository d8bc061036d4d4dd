"""Another rating, such as the alliance, before and after sudden gains, beside that of matched patients without a gain."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from alliance_stats.columns import numeric_values
from alliance_stats.errors import DataError, unknown_name
from alliance_stats.process.gain_detection import REACH, windows
from alliance_stats.process.parts import CONF_LEVEL, ordered_columns
from alliance_stats.process.session_series import BoolArray, FloatArray, IntArray, content_order, read_series
from alliance_stats.process.shares import mean_row
from alliance_stats.process.sudden_gains import PLACES, SuddenGains, Which, sign_of_fall
from alliance_stats.result import Result

FAR = 1e9
"""Distance, in standard deviations, of pairs that may not be matched."""


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

    def tidy(self) -> pd.DataFrame:
        """Return means and differences.

        Returns
        -------
        DataFrame
            One row per quantity: outcome, term ("before", "after", "change", and "score" by session), category (n-2 to n+3),
            group ("gain", "control", "difference"), estimate (points), std_error, df, statistic, p_value, conf_low,
            conf_high, conf_level, n (pairs), sd. The difference in change is the contrast of interest.
        """
        return ordered_columns(self.estimates)

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
        The session table that ``gains`` was made from.
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
        If the rating is missing or not numeric.
    DataError
        If the frame is another one, or fewer than two pairs can be formed.

    Notes
    -----
    Pairs are chosen together, without replacement, so that the sum of distances is smallest (optimal assignment); a
    pair needs the rating at least once before (sessions n-2 to n) and once after (n+1 to n+3) on both sides. ``before``
    and ``after`` are means over those sessions. Tests and intervals are those of paired differences (t).

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
    other = _other_rating(gains, frame, column)
    cases, places, controls = _candidates(gains, which)
    scores = windows(gains.table)
    ratings = windows(other)
    distance = _distances(gains, scores, ratings, (cases, places, controls))
    chosen = _assign(distance, caliper)
    if chosen.shape[0] < 2:
        raise DataError.build(
            f"{chosen.shape[0]} pairs of a patient with a gain and one without can be formed ({cases.size} patients have a "
            f"gain, {controls.size} have none).",
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
        notes=tuple(_notes(gains, which, caliper, pairs, cases.size)),
    )


def _other_rating(gains: SuddenGains, frame: pd.DataFrame, column: str) -> FloatArray:
    """Return the other rating on the grid of the outcome, shape (n_patients, n_sessions)."""
    again = read_series(frame, gains.outcome)
    if not (
        np.array_equal(again.ratings, gains.series.ratings) and np.array_equal(again.sessions, gains.series.sessions)
    ):
        raise DataError.build(
            f"The frame does not hold the ratings of '{gains.outcome}' that the gains were found in.",
            hint="pass the frame that sudden_gains() was called with.",
        )
    return again.on_grid(numeric_values(frame, column))


def _candidates(gains: SuddenGains, which: Which) -> tuple[IntArray, IntArray, IntArray]:
    """Return rows of patients with a gain, the column before it, and rows of patients without one, by content."""
    found = gains.found["gain"].found
    size = np.where(found, gains.found["gain"].size, np.nan)
    keys = {"first": -np.arange(found.shape[1]), "last": np.arange(found.shape[1]), "largest": size, "smallest": -size}
    if which not in keys:
        raise unknown_name(DataError, "choice of gain", str(which), list(keys))
    order = np.array(content_order(list(gains.table)), dtype=np.int64)
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


def _assign(distance: FloatArray, caliper: float | None) -> IntArray:
    """Return rows and columns of the pairs with the smallest sum of distances, shape (n_pairs, 2)."""
    from scipy.optimize import linear_sum_assignment

    limit = math.inf if caliper is None else caliper
    if not limit > 0:
        raise DataError.build(f"caliper = {caliper} is no distance.", hint="pass a positive number, such as 0.5.")
    allowed = np.isfinite(distance) & (distance <= limit)
    rows, columns = linear_sum_assignment(np.where(allowed, distance, FAR))
    kept = allowed[rows, columns]
    return np.column_stack([rows[kept], columns[kept]]).astype(np.int64)


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
        f"{len(pairs)} pairs out of {n_gains} patients with a gain; {n_gains - len(pairs)} found no partner. Matched on "
        f"'{gains.outcome}' in the session before the gain, optimally and without replacement, {limit}; mean distance "
        f"{pairs['distance'].mean():.2f} standard deviations.",
        "Controls have no gain by the same criterion; patients whose intervals could not be judged may be among them.",
        "Matching on one score does not balance other differences between the groups.",
    ]
