"""Each patient's own line or parabola over sessions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from alliance_stats.process.centering_groups import RatedGroups, group_means

CURVES: Mapping[str, str] = {"linear": "line", "quadratic": "parabola"}
"""What is taken out, by the name of the option."""

RATINGS_NEEDED: Mapping[str, int] = {"linear": 3, "quadratic": 4}
"""Fewest ratings around whose curve something is left to see."""

SAME = 1e-12
"""A time is explained by the others if less than this share of it is left."""


def trend(deviation: np.ndarray, times: np.ndarray, groups: RatedGroups, detrend: str) -> np.ndarray:
    """Return each unit's least-squares curve around its mean, shape (n_rows,); NaN where ratings are too few."""
    codes, size = groups.levels[groups.first][groups.used], groups.sizes[groups.first]
    enough = np.bincount(codes, minlength=size) >= RATINGS_NEEDED[detrend]
    values = deviation[groups.used]
    fitted = np.zeros(len(values))
    for power in _powers(times[groups.used].astype(float), codes, size, CURVES[detrend]):
        spread = np.bincount(codes, power**2, minlength=size)
        enough &= spread > 0
        slope = np.full(size, np.nan)
        np.divide(np.bincount(codes, power * values, minlength=size), spread, out=slope, where=enough)
        fitted += slope[codes] * power
    out = np.full(len(deviation), np.nan)
    out[groups.used] = np.where(enough[codes], fitted, np.nan)
    return out


def _powers(time: np.ndarray, codes: np.ndarray, size: int, curve: str) -> list[np.ndarray]:
    """Return time, and for a parabola its square, each centred by unit and orthogonal to the one before."""
    centred = _centred(time, codes, size)
    if curve == "line":
        return [centred]
    square = _centred(centred**2, codes, size)
    spread = np.bincount(codes, centred**2, minlength=size)
    slope = np.zeros(size)
    np.divide(np.bincount(codes, centred * square, minlength=size), spread, out=slope, where=spread > 0)
    rest = square - slope[codes] * centred
    left, whole = (np.bincount(codes, values**2, minlength=size) for values in (rest, square))
    return [centred, np.where((left > SAME * whole)[codes], rest, 0.0)]


def _centred(values: np.ndarray, codes: np.ndarray, size: int) -> np.ndarray:
    """Return values minus their unit's mean, shape (n,)."""
    centred: np.ndarray = values - group_means(values, np.ones(len(values)), codes, size)[codes]
    return centred
