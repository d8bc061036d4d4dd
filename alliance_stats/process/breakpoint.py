"""Where a line bends: the profile of the likelihood over the break."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq, minimize_scalar
from scipy.special import ndtri

Floats: TypeAlias = npt.NDArray[np.float64]

MOST_TIMES = 24
"""Different times at which, and between which, the likelihood is first computed; of more, as many are chosen."""

NEAR = 20.0
"""Deviance above the lowest of the grid up to which a second valley is searched too."""

PRECISION = 1e-5
"""Of break and limits, relative to the range searched."""


@dataclass(frozen=True)
class BreakLimits:
    """Limits of a break; ``*_reached`` tells whether the likelihood, not the end of the range, set them."""

    low: float
    high: float
    low_reached: bool
    high_reached: bool
    connected: bool


@dataclass(frozen=True, eq=False)
class BreakProfile:
    """The deviance by the place of the break.

    Parameters
    ----------
    deviance : callable
        From a break to -2 log likelihood, everything else maximised.
    tried, height : ndarray, each of shape (n_points,)
        Breaks tried, ascending, and their deviance minus the lowest.
    estimate : float
    lowest : float
        Deviance at the estimate.
    """

    deviance: Callable[[float], float] = field(repr=False)
    tried: Floats = field(repr=False)
    height: Floats = field(repr=False)
    estimate: float
    lowest: float

    def limits(self, level: float) -> BreakLimits:
        """Return the breaks whose deviance exceeds the lowest by less than the chi-squared quantile with one df.

        The outermost such points are the limits; ``connected`` is False if points between them do not belong.
        """
        cutoff = float(ndtri(0.5 + level / 2.0)) ** 2
        inside = np.flatnonzero(self.height <= cutoff)
        first, last = int(inside[0]), int(inside[-1])
        low = self._crossing(first - 1, first, cutoff) if first > 0 else float(self.tried[0])
        high = self._crossing(last, last + 1, cutoff) if last < self.tried.size - 1 else float(self.tried[-1])
        connected = bool((self.height[first : last + 1] <= cutoff).all())
        return BreakLimits(low, high, first > 0, last < self.tried.size - 1, connected)

    def _crossing(self, left: int, right: int, cutoff: float) -> float:
        """Return where the deviance crosses the cutoff between two neighbours."""
        ends = float(self.tried[left]), float(self.tried[right])
        xtol = PRECISION * float(np.ptp(self.tried))
        return float(brentq(lambda value: self.deviance(value) - self.lowest - cutoff, *ends, xtol=xtol))


def profile_break(deviance: Callable[[float], float], times: Floats) -> BreakProfile:
    """Search a break among the times, and between them.

    Parameters
    ----------
    deviance : callable
        From a break to -2 log likelihood.
    times : ndarray, shape (n,)
        Where the break may lie: from the lowest to the highest. The likelihood is smooth between neighbouring times and
        may have corners at them, and several minima.

    Returns
    -------
    BreakProfile
    """
    grid = _grid(np.unique(times))
    found = {float(value): deviance(float(value)) for value in grid}
    heights = np.array([found[float(value)] for value in grid])
    for left, right in _promising(heights):
        best = minimize_scalar(
            deviance,
            bounds=(grid[left], grid[right]),
            method="bounded",
            options={"xatol": PRECISION * float(np.ptp(grid))},
        )
        found[float(best.x)] = float(best.fun)
    at = np.array(sorted(found))
    values = np.array([found[float(value)] for value in at])
    k = int(np.argmin(values))
    return BreakProfile(deviance, at, values - values[k], float(at[k]), float(values[k]))


def _grid(times: Floats) -> Floats:
    """Return the times, or some of them, and the middles between them."""
    if times.size > MOST_TIMES:
        times = times[np.unique(np.linspace(0, times.size - 1, MOST_TIMES).round().astype(np.int64))]
    return np.sort(np.concatenate([times, (times[1:] + times[:-1]) / 2.0]))


def _promising(heights: Floats) -> list[tuple[int, int]]:
    """Return the intervals beside the lowest valley of the grid, and beside a second one that may be as low."""
    padded = np.concatenate([[np.inf], heights, [np.inf]])
    valleys = np.flatnonzero((heights <= padded[:-2]) & (heights <= padded[2:]))
    lowest = valleys[np.argsort(heights[valleys], kind="stable")][:2]
    lowest = lowest[heights[lowest] < heights.min() + NEAR]
    pairs = {(k - 1, k) for k in lowest.tolist() if k > 0} | {
        (k, k + 1) for k in lowest.tolist() if k < heights.size - 1
    }
    return sorted(pairs)
