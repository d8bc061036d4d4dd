"""Which intervals between two sessions are sudden gains: arrays in, arrays out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from alliance_stats.process.gain_criteria import GainCriterion
from alliance_stats.process.session_series import ROUNDING, BoolArray, FloatArray, IntArray

Missing = Literal["adjusted", "complete"]

# three scores before and three after the interval: Tang & DeRubeis (1999), as in R package suddengains
REACH = 3
# at least two on each side: Lutz et al. (2013), as in R package suddengains
LEAST = 2


@dataclass(frozen=True, eq=False)
class Intervals:
    """The intervals between neighbouring sessions, shape (n_units, n_sessions - 1) each.

    Parameters
    ----------
    both : ndarray of bool
        Both ends are rated.
    judged : ndarray of bool
        There are enough scores to apply the criterion.
    found : ndarray of bool
        The criterion is met.
    size : ndarray
        Improvement, in points; negative for worsening.
    """

    both: BoolArray
    judged: BoolArray
    found: BoolArray
    size: FloatArray


def windows(table: FloatArray) -> FloatArray:
    """Return the six scores around each interval, n-2 to n+3, NaN beyond the ends, shape (n_units, n_intervals, 6)."""
    n_units, n_sessions = table.shape
    padded = np.full((n_units, n_sessions + 2 * REACH - 2), np.nan)
    padded[:, REACH - 1 : REACH - 1 + n_sessions] = table
    stacked: FloatArray = np.stack([padded[:, k : k + n_sessions - 1] for k in range(2 * REACH)], axis=2)
    return stacked


def find_gains(
    table: FloatArray,
    criterion: GainCriterion,
    *,
    cutoff: float,
    sign: int,
    missing: Missing = "adjusted",
    slack: float | None = None,
) -> Intervals:
    """Apply a criterion to every interval.

    Parameters
    ----------
    table : ndarray, shape (n_units, n_sessions)
        Ratings, NaN where missing; neighbouring columns are neighbouring sessions.
    criterion : GainCriterion
    cutoff : float
        Least change, in points.
    sign : int
        1 to find falls, -1 to find rises.
    missing : {"adjusted", "complete"}
        What of the scores the criterion looks at must be rated; see `sudden_gains`.
    slack : float, optional
        Points by which rounding may move a difference, as when 3.3 - 2.3 falls short of 1; that of eight-byte numbers if
        left out.

    Returns
    -------
    Intervals
        ``size`` is positive in the direction looked for.
    """
    around = windows(table)
    before, after = around[:, :, :REACH], around[:, :, REACH:]
    pre, post = before[:, :, -1], after[:, :, 0]
    size = sign * (pre - post)
    both = ~np.isnan(size)
    slack = ROUNDING * float(np.nanmax(np.abs(table))) if slack is None else slack
    rule = _Rule(criterion, sign, missing, slack)
    enough, stable = _stability(table, around, rule, size=size)
    judged = both & enough
    with np.errstate(invalid="ignore"):
        large = (size >= cutoff - slack) & (size > slack) & (size >= criterion.share * np.abs(pre) - slack)
    return Intervals(both=both, judged=judged, found=judged & large & stable, size=size)


@dataclass(frozen=True)
class _Rule:
    """A criterion with all that its third rule needs; see `find_gains`."""

    criterion: GainCriterion
    sign: int
    missing: Missing
    slack: float


def _stability(table: FloatArray, around: FloatArray, rule: _Rule, *, size: FloatArray) -> tuple[BoolArray, BoolArray]:
    """Return where the third rule can be applied, and where it is met."""
    criterion, shape = rule.criterion, size.shape
    if criterion.stability == "none":
        return np.ones(shape, dtype=bool), np.ones(shape, dtype=bool)
    if criterion.stability == "series_sd":
        counts = np.isfinite(table).sum(axis=1)
        enough_rated = (counts >= REACH) & ((counts == _length(table)) | (rule.missing == "adjusted"))
        spread = _spread(table)
        with np.errstate(invalid="ignore"):
            met = size >= criterion.constant * spread[:, None] - rule.slack
        return np.broadcast_to(enough_rated[:, None], shape), met
    later = around[:, :, REACH + 1 :]
    if criterion.stability == "part_kept":
        needed = later.shape[2] if rule.missing == "complete" else 1
        pre = around[:, :, REACH - 1]
        with np.errstate(invalid="ignore"):
            lost = rule.sign * (pre[:, :, None] - later) < criterion.constant * size[:, :, None] - rule.slack
        kept: BoolArray = np.asarray(~lost.any(axis=2))
        return np.isfinite(later).sum(axis=2) >= needed, kept
    return _means_apart(around, rule)


def _means_apart(around: FloatArray, rule: _Rule) -> tuple[BoolArray, BoolArray]:
    """Compare means before and after; the formula stands in `GainCriterion`."""
    from scipy.stats import t

    criterion = rule.criterion
    before, after = around[:, :, :REACH], around[:, :, REACH:]
    n_before, n_after = np.isfinite(before).sum(axis=2), np.isfinite(after).sum(axis=2)
    least = REACH if rule.missing == "complete" else LEAST
    enough = (n_before >= least) & (n_after >= least)
    df = np.where(enough, n_before + n_after - 2, 2)
    critical = t.ppf(1 - criterion.alpha / 2, df) if criterion.critical is None else criterion.critical
    squares = _squares(before) + _squares(after)
    pooled = np.sqrt(squares / df)
    if criterion.stability == "two_sample_t":
        pooled = pooled * np.sqrt(1 / np.maximum(n_before, 1) + 1 / np.maximum(n_after, 1))
    apart = rule.sign * (_mean(before) - _mean(after))
    with np.errstate(invalid="ignore"):
        beyond: BoolArray = np.asarray(apart > critical * pooled + rule.slack)
    return enough, beyond


def _mean(scores: FloatArray) -> FloatArray:
    """Return means over the last axis, NaN where nothing is rated."""
    count = np.isfinite(scores).sum(axis=-1)
    total = np.nansum(scores, axis=-1)
    means: FloatArray = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return means


def _squares(scores: FloatArray) -> FloatArray:
    """Return sums of squared deviations over the last axis, 0 where nothing is rated."""
    squares: FloatArray = np.nansum((scores - _mean(scores)[..., None]) ** 2, axis=-1)
    return squares


def _length(table: FloatArray) -> IntArray:
    """Return the sessions from the first to the last rating of each row, shape (n_units,)."""
    known = np.isfinite(table)
    first, last = known.argmax(axis=1), table.shape[1] - 1 - known[:, ::-1].argmax(axis=1)
    return np.where(known.any(axis=1), last - first + 1, 0).astype(np.int64)


def _spread(table: FloatArray) -> FloatArray:
    """Return the standard deviation of each row, NaN with fewer than two ratings, shape (n_units,)."""
    count = np.isfinite(table).sum(axis=1)
    variances: FloatArray = np.where(count > 1, _squares(table) / np.maximum(count - 1, 1), np.nan)
    return np.sqrt(variances)


def reversed_later(
    table: FloatArray, units: IntArray, places: IntArray, *, sign: int, part: float = 0.5, slack: float = 0.0
) -> BoolArray:
    """Tell for each gain whether a later score gave back more than a part of it.

    Parameters
    ----------
    table : ndarray, shape (n_units, n_sessions)
    units, places : ndarray of int, shape (n_gains,)
        Row, and column of the score before the gain.
    sign : int
        1 for falls, -1 for rises.
    part : float
        Share of the gain; the sessions after the one that follows the gain are looked at.
    slack : float
        Points by which rounding may move a difference.
    """
    found = np.zeros(units.size, dtype=bool)
    for index, (unit, place) in enumerate(zip(units, places, strict=True)):
        pre, post = table[unit, place], table[unit, place + 1]
        later = table[unit, place + 2 :]
        limit = post + part * (pre - post)
        found[index] = bool((sign * (later - limit) > slack).any())
    return found
