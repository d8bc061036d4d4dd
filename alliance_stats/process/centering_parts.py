"""The numbers of a split: deviations from means, observed or predicted, at each level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alliance_stats.process.centering_groups import RatedGroups, group_means
from alliance_stats.process.predicted_means import predict_means
from alliance_stats.process.trends import trend


@dataclass(frozen=True)
class Split:
    """Parts by column name, shape (n_rows,) each, and what is to be said of their means."""

    parts: dict[str, np.ndarray]
    notes: tuple[str, ...] = ()


def split_parts(
    column: str, groups: RatedGroups, times: np.ndarray | None, *, detrend: str | None, weights: str
) -> Split:
    """Return the parts of a rating; with ``detrend`` the session part lies around the unit's own curve over ``times``."""
    if weights == "reliability":
        predicted = predict_means(column, groups)
        means, notes = predicted.means, predicted.notes
    else:
        means, notes = _observed_means(groups, weights), ()
    codes = groups.levels[groups.first]
    deviation = np.full(len(codes), np.nan)
    deviation[groups.used] = groups.ratings[groups.used] - means[0][codes[groups.used]]
    parts = {f"{column}_session": deviation}
    if detrend is not None and times is not None:
        curve = trend(deviation, times, groups, detrend)
        parts = {f"{column}_session": deviation - curve, f"{column}_trend": curve}
    row_means = _by_row(groups, means)
    for position, level in enumerate(groups.levels):
        parts[f"{column}_{level}"] = row_means[position] - row_means[position + 1]
    return Split(parts, notes)


def _by_row(groups: RatedGroups, means: list[np.ndarray]) -> list[np.ndarray]:
    """Return the means of each level, then the grand mean, shape (n_rows,) each; NaN where a level is missing."""
    spread = [np.append(mean, np.nan) for mean in means[:-1]]
    known = np.logical_and.reduce([code >= 0 for code in groups.levels.values()])
    rows = [mean[np.where(known, code, -1)] for mean, code in zip(spread, groups.levels.values(), strict=True)]
    return [*rows, np.full(len(known), means[-1][0])]


def _observed_means(groups: RatedGroups, weights: str) -> list[np.ndarray]:
    """Return the means of every level from the inside out, then the grand mean as shape (1,)."""
    inner, size = groups.levels[groups.first][groups.used], groups.sizes[groups.first]
    unit_means = group_means(groups.ratings[groups.used], np.ones(len(inner)), inner, size)
    counts = np.bincount(inner, minlength=size)
    unit_weights = counts.astype(float) if weights == "sessions" else (counts > 0).astype(float)
    rated = np.flatnonzero(unit_weights > 0)
    means = [unit_means]
    for level in list(groups.levels)[1:]:
        parent = np.full(size, -1)
        parent[inner] = groups.levels[level][groups.used]
        means.append(group_means(unit_means[rated], unit_weights[rated], parent[rated], groups.sizes[level]))
    means.append(group_means(unit_means[rated], unit_weights[rated], np.zeros(len(rated), dtype=np.int64), 1))
    return means
