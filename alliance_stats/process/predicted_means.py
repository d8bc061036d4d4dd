"""Means of units as a model of the levels predicts them: observed means, drawn in as far as they are unreliable."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from alliance_stats.errors import DataError, agreeing, counted
from alliance_stats.mixed.lmm import lmm
from alliance_stats.process.centering_groups import RatedGroups
from alliance_stats.process.session_checks import units_that_vary


@dataclass(frozen=True)
class PredictedMeans:
    """Means of every level from the inside out, NaN for a unit without ratings, then the grand mean as shape (1,)."""

    means: list[np.ndarray]
    notes: tuple[str, ...]


def predict_means(column: str, groups: RatedGroups) -> PredictedMeans:
    """Return the predicted means of the model ``rating ~ 1 + (1 | level) + ...`` by REML."""
    _check_replication(column, groups)
    rated = {level: code[groups.used] for level, code in groups.levels.items()}
    names = {level: f"level_{place}" for place, level in enumerate(rated) if len(np.unique(rated[level])) > 1}
    table = pd.DataFrame({name: rated[level] for level, name in names.items()})
    fit = lmm(
        "rating ~ 1 + " + " + ".join(f"(1 | {name})" for name in names.values()),
        table.assign(rating=groups.ratings[groups.used]),
    )
    effects = {level: np.zeros(groups.sizes[level]) for level in rated}
    for place, grouping in enumerate(fit.design.groupings):
        level = next(key for key, name in names.items() if name == grouping.name)
        labels = np.asarray([int(label) for label in grouping.labels])
        effects[level][labels] = fit.level_effects(place)[0][0]
    variances = fit.variance_components().set_index("group")["estimate"]
    means = _stacked(groups, rated, effects, float(fit.fixed_effects.iloc[0]))
    tau2 = float(variances.get(names.get(groups.first, ""), 0.0))
    return PredictedMeans(means, _notes(column, groups, tau2, float(variances["Residual"])))


def _check_replication(column: str, groups: RatedGroups) -> None:
    """Raise a DataError when the ratings cannot tell how reliable a mean is."""
    hint = 'use weights="sessions" or weights="patients" and say that means are observed ones.'
    ratings, codes = groups.ratings[groups.used], groups.levels[groups.first][groups.used]
    counts = np.bincount(codes)
    if counts.max() < 2:
        raise DataError.build(
            f"No {groups.first} has two ratings of '{column}' ({counted(int((counts > 0).sum()), groups.first)} with one), so "
            "that the reliability of a mean is unknown.",
            hint=hint,
        )
    if np.ptp(ratings) == 0 or (counts > 0).sum() < 2:
        raise DataError.build(f"'{column}' does not vary between {groups.first}s.", hint=hint)
    varying, several = units_that_vary(ratings, codes)
    if not varying:
        raise DataError.build(
            f"'{column}' does not vary within {groups.first}s ({several} of {several} with two or more ratings "
            f"{agreeing(several, 'has', 'have')} one value), "
            "so that every mean is known without error and nothing is to be drawn in.",
            hint=hint,
        )


def _stacked(
    groups: RatedGroups, rated: dict[str, np.ndarray], effects: dict[str, np.ndarray], grand: float
) -> list[np.ndarray]:
    """Return each level's means: the grand mean plus the effects of the level and of all above it."""
    means = [np.array([grand])]
    above = grand * np.ones(int(groups.used.sum()))
    for level in reversed(list(rated)):
        above = above + effects[level][rated[level]]
        mean = np.full(groups.sizes[level], np.nan)
        mean[rated[level]] = above
        means.insert(0, mean)
    return means


def _notes(column: str, groups: RatedGroups, tau2: float, sigma2: float) -> tuple[str, ...]:
    """Return how reliable the observed means of the first level are."""
    counts = np.bincount(groups.levels[groups.first][groups.used], minlength=groups.sizes[groups.first])
    counts = counts[counts > 0]
    if tau2 <= 0:
        return (f"{column}: the variance between {groups.first}s is estimated at zero; their parts are all zero.",)
    # Lüdtke et al. (2008), the reliability of a group mean of n ratings
    reliability = tau2 / (tau2 + sigma2 / counts)
    return (
        f"Reliability of a {groups.first}'s mean of {column}: median {np.median(reliability):.2f}, from "
        f"{reliability.min():.2f} ({counted(int(counts.min()), 'rating')}) to {reliability.max():.2f} "
        f"({counted(int(counts.max()), 'rating')}); means are drawn in by it, and the session part keeps the rest.",
        "Standard errors of slopes take these means as known, so that intervals between patients and therapists are somewhat too "
        "short; contextual_test(result, means='latent') counts their uncertainty.",
    )
