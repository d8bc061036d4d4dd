"""Episodes of rupture and repair in one course of ratings."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from alliance_stats.process.rupture_criteria import Fall
from alliance_stats.process.session_series import FloatArray, IntArray

Missing = Literal["break", "bridge"]
Outcome = Literal["repaired", "unrepaired", "open"]


@dataclass(frozen=True)
class Episode:
    """One rupture, as positions in a course of ratings.

    Parameters
    ----------
    onset : int
        First rating at which the criterion was met.
    low : int
        Lowest rating from then until the end of the episode.
    end : int
        Rating of the repair, or the last one looked at.
    reference : float
        Level before the fall, in points.
    outcome : {"repaired", "unrepaired", "open"}
    start : int
        Rating the fall is measured from; the onset itself for a fall below a level.
    """

    onset: int
    low: int
    end: int
    reference: float
    outcome: Outcome
    start: int


@dataclass(frozen=True)
class EpisodeRule:
    """What counts as a fall and as its repair.

    Parameters
    ----------
    fall : {"decline", "step", "level"}
    threshold : float
        Points.
    repair : float in (0, 1]
        Share of the fall that must be regained.
    within : int or None
        Sessions after the onset in which the repair must come; None: any time.
    missing : {"break", "bridge"}
        Whether a missing session ends a fall.
    slack : float
        Points by which rounding may fall short.
    """

    fall: Fall
    threshold: float
    repair: float
    within: int | None
    missing: Missing
    slack: float


def episodes(sessions: IntArray, values: FloatArray, rule: EpisodeRule) -> Iterator[Episode]:
    """Yield the ruptures of one course in order; they do not overlap.

    Parameters
    ----------
    sessions : ndarray of int, shape (n,)
        Ascending.
    values : ndarray, shape (n,)
        Alliance, higher is better (turned round where it is worse), none missing.
    rule : EpisodeRule
    """
    centre = float(values.mean()) if values.size else math.nan
    first = 0
    while first < values.size:
        hit = _next_fall(sessions, values, rule, first=first, centre=centre)
        if hit is None:
            return
        onset, start, reference = hit
        episode = _follow(sessions, values, rule, onset=onset, start=start, reference=reference)
        yield episode
        # The next fall may begin at the onset itself, where the window ends with it; a level is crossed once only.
        first = max(episode.end, onset + int(rule.fall == "level"))


def _next_fall(
    sessions: IntArray, values: FloatArray, rule: EpisodeRule, *, first: int, centre: float
) -> tuple[int, int, float] | None:
    """Return onset, start and reference level of the first fall from a position on."""
    if rule.fall == "level":
        low = values < centre - rule.threshold - rule.slack
        crossed = low & ~np.concatenate([[False], low[:-1]])
        places = np.flatnonzero(crossed[first:]) + first
        return (int(places[0]), int(places[0]), centre) if places.size else None
    start = first
    for place in range(first + 1, values.size):
        if rule.missing == "break" and sessions[place] - sessions[place - 1] > 1:
            start = place
            continue
        step = values[place] - values[place - 1]
        level_before = start == place - 1 and abs(step) <= rule.slack
        if rule.fall == "step":
            start = place - 1
        elif step > rule.slack or level_before:
            start = place
        falls = step < -rule.slack
        if falls and values[start] - values[place] >= rule.threshold - rule.slack:
            return place, start, float(values[start])
    return None


def _follow(
    sessions: IntArray, values: FloatArray, rule: EpisodeRule, *, onset: int, start: int, reference: float
) -> Episode:
    """Return the episode that begins at the onset: its low and how it ended."""
    low = onset
    floor = reference - rule.threshold - rule.slack if rule.fall == "level" else -math.inf
    for place in range(onset + 1, values.size):
        if rule.within is not None and sessions[place] - sessions[onset] > rule.within:
            return Episode(onset, low, place - 1, reference, "unrepaired", start)
        if values[place] < values[low] - rule.slack:
            low = place
            continue
        regained = values[low] + rule.repair * (reference - values[low]) - rule.slack
        if values[place] >= max(regained, floor):
            return Episode(onset, low, place, reference, "repaired", start)
    last = values.size - 1
    followed = int(sessions[last] - sessions[onset])
    enough = followed >= rule.within if rule.within is not None else followed > 0
    return Episode(onset, low, last, reference, "unrepaired" if enough else "open", start)


def moving_range_sigma(sessions: IntArray, values: FloatArray, missing: Missing = "break") -> float:
    """Return the standard deviation that the mean moving range implies; NaN if it is 0 though the ratings vary, or without.

    Neighbours are ratings of neighbouring sessions; with ``missing="bridge"`` ratings that follow one another.

    Notes
    -----
    mean |x(t) - x(t-1)| / d2(2); the expected range of two standard normal values is d2(2) = 2 / sqrt(pi) = 1.128.
    """
    neighbours = (np.diff(sessions) == 1) | (missing == "bridge")
    if not neighbours.any():
        return math.nan
    sigma = float(np.abs(np.diff(values))[neighbours].mean() * math.sqrt(math.pi) / 2)
    return sigma if sigma > 0 or not np.ptp(values) > 0 else math.nan
