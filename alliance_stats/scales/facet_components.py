"""Variance components of answers that several facets cross or nest. Arrays in, values out.

An effect is a set of facets, closed under nesting: one that holds a nested facet holds the facet it is nested in. The effect of
all facets together is the residual.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias

import numpy as np
import pandas as pd

from alliance_stats.mixed.fit import LmmFit
from alliance_stats.mixed.lmm import lmm
from alliance_stats.scales.item_sample import IntArray
from alliance_stats.scales.keying import FloatArray

Effect: TypeAlias = frozenset[str]
ITEM = "item"

MAX_CONTRAST_EFFECTS = 1_500
MAX_JOINT_EFFECTS = 500
"""Random effects of crossed facets up to which all contrasts, or all answers, are fitted at once, within a second."""


def with_parents(names: Iterable[str], parents: Mapping[str, str]) -> Effect:
    """Return facets together with all they are nested in."""
    found = set(names)
    while True:
        more = {parents[name] for name in found if name in parents} - found
        if not more:
            return frozenset(found)
        found |= more


def closed_effects(names: tuple[str, ...], parents: Mapping[str, str]) -> list[Effect]:
    """Return all effects of these facets, small ones first, the effect of all last."""
    sets = [frozenset(chosen) for size in range(1, len(names) + 1) for chosen in combinations(names, size)]
    return [chosen for chosen in sets if with_parents(chosen, parents) == chosen]


def effect_codes(effect: Effect, codes: Mapping[str, IntArray]) -> IntArray:
    """Number the combinations of an effect's levels, shape (n_rows,)."""
    columns = np.column_stack([codes[name] for name in sorted(effect)])
    found: IntArray = np.unique(columns, axis=0, return_inverse=True)[1].ravel()
    return found


@dataclass(frozen=True, kw_only=True)
class Components:
    """Variances by effect, in squared points.

    Parameters
    ----------
    variances : mapping of frozenset to float
    joint : bool
        Whether the variances maximise the restricted likelihood of all answers.
    n_truncated : int
        Components set to zero because their estimate was negative.
    """

    variances: Mapping[Effect, float]
    joint: bool
    n_truncated: int


def estimate_components(
    answers: FloatArray,
    codes: Mapping[str, IntArray],
    parents: Mapping[str, str],
    *,
    without: Collection[Effect] = (),
    joint: bool = True,
) -> Components:
    """Estimate variance components by restricted maximum likelihood.

    Parameters
    ----------
    answers : ndarray, shape (n_rows, k)
        Complete; with k > 1 items are a facet that crosses all others.
    codes : mapping of str to ndarray of int, shape (n_rows,)
        Levels of the other facets; no two rows share all of them.
    parents : mapping of str to str
        Facet to the facet it is nested in.
    without : collection of frozenset
        Effects taken as absent, with and without items.
    joint : bool
        Whether to fit all answers at once when a component comes out negative, if there are few enough random effects.

    Notes
    -----
    With every item answered in every row, an orthogonal transformation turns the k answers of a row into their mean and
    k - 1 contrasts. They are independent; the mean has variances V_S = sigma2_S + sigma2_{S, item} / k, each contrast
    sigma2_{S, item}. So two models without an item facet have the restricted likelihood of the whole, as long as no
    sigma2_S comes out negative. If one does, all answers are fitted at once when there are few enough random effects, and
    the component is set to zero otherwise. With too many random effects contrasts are fitted one by one and averaged.
    """
    effects = [effect for effect in closed_effects(tuple(codes), parents) if effect not in without]
    k = answers.shape[1]
    mean = _piece(answers.mean(axis=1), {effect: effect_codes(effect, codes) for effect in effects[:-1]}, effects[-1])
    if k == 1:
        return Components(variances=mean, joint=True, n_truncated=0)
    contrasts, item, together = _contrast_piece(answers, codes, effects)
    variances: dict[Effect, float] = {effect: mean[effect] - contrasts[effect] / k for effect in effects}
    variances[frozenset({ITEM})] = item
    variances.update({effect | {ITEM}: contrasts[effect] for effect in effects})
    negative = [effect for effect, value in variances.items() if value < 0]
    if not negative:
        return Components(variances=variances, joint=together, n_truncated=0)
    if joint and _n_outer(codes, effects, k) <= MAX_JOINT_EFFECTS:
        return Components(variances=_joint(answers, codes, effects), joint=True, n_truncated=0)
    clipped = {effect: max(value, 0.0) for effect, value in variances.items()}
    return Components(variances=clipped, joint=False, n_truncated=len(negative))


def _variances_of(fit: LmmFit) -> FloatArray:
    """Return variances in the order of the formula, the residual's last."""
    relative = [float((factor @ factor.T)[0, 0]) for factor in fit.term_factors]
    return np.array([*relative, 1.0]) * fit.sigma**2


def _fit(values: FloatArray, groupings: list[IntArray], *, intercept: bool) -> tuple[FloatArray, LmmFit]:
    """Return the variances of groupings and residual, and the fit."""
    frame = pd.DataFrame({"y": values, **{f"g{number}": codes for number, codes in enumerate(groupings)}})
    terms = " + ".join(f"(1 | g{number})" for number in range(len(groupings)))
    fit = lmm(f"y ~ {int(intercept)} + {terms}", frame)
    return _variances_of(fit), fit


def _piece(values: FloatArray, terms: Mapping[Effect, IntArray], residual: Effect) -> dict[Effect, float]:
    """Return the variances of one value per row."""
    if not terms:
        return {residual: float(np.var(values, ddof=1))}
    found, _ = _fit(values, list(terms.values()), intercept=True)
    return dict(zip([*terms, residual], found.tolist(), strict=True))


def _contrast_piece(
    answers: FloatArray, codes: Mapping[str, IntArray], effects: list[Effect]
) -> tuple[dict[Effect, float], float, bool]:
    """Return the variances of effects with items, that of items, and whether contrasts were fitted together."""
    n, k = answers.shape
    contrasts = answers @ orthonormal_contrasts(k)
    terms = [effect_codes(effect, codes) for effect in effects[:-1]]
    sizes = [int(levels.max()) + 1 for levels in terms]
    n_outer = (k - 1) * (1 + sum(sizes) - max(sizes, default=0))
    if k == 2 or n_outer > MAX_CONTRAST_EFFECTS:
        variances, item = _each_contrast(contrasts, terms, effects)
        return variances, item, k == 2
    number = np.repeat(np.arange(k - 1), n)
    groupings = [number]
    for levels, size in zip(terms, sizes, strict=True):
        groupings.append(number * size + np.tile(levels, k - 1))
    found, _ = _fit(contrasts.T.ravel(), groupings, intercept=False)
    return dict(zip(effects, found[1:].tolist(), strict=True)), float(found[0]), True


def _each_contrast(
    contrasts: FloatArray, terms: list[IntArray], effects: list[Effect]
) -> tuple[dict[Effect, float], float]:
    """Return the same from each contrast by itself: mean variances, and items' variance from the contrasts' means.

    For one contrast (two items) this is the restricted likelihood; for more it agrees with it in balanced data.
    """
    found, squares = [], []
    fit: LmmFit | None = None
    for values in contrasts.T:
        if not terms:
            variance = float(np.var(values, ddof=1))
            found.append(np.array([variance]))
            squares.append(float(values.mean()) ** 2 - variance / len(values))
            continue
        fit = _fit(values, terms, intercept=True)[1] if fit is None else fit.refit(values)
        found.append(_variances_of(fit))
        squares.append(float(fit.fixed_effects.iloc[0]) ** 2 - float(fit.fixed_covariance.to_numpy()[0, 0]))
    mean = np.mean(found, axis=0)
    return dict(zip(effects, mean.tolist(), strict=True)), max(float(np.mean(squares)), 0.0)


def orthonormal_contrasts(k: int) -> FloatArray:
    """Return k - 1 orthonormal columns that sum to zero, shape (k, k - 1)."""
    start = np.column_stack([np.ones(k), np.eye(k)[:, 1:]])
    return np.asarray(np.linalg.qr(start)[0][:, 1:])


def _n_outer(codes: Mapping[str, IntArray], effects: list[Effect], k: int) -> int:
    """Return the number of random effects besides those of the largest factor, all answers taken at once."""
    sizes = [int(effect_codes(effect, codes).max()) + 1 for effect in effects]
    every = [*sizes, k, *(size * k for size in sizes[:-1])]
    return sum(every) - max(every)


def _joint(answers: FloatArray, codes: Mapping[str, IntArray], effects: list[Effect]) -> dict[Effect, float]:
    """Return the variances from one model of all answers."""
    n, k = answers.shape
    item = np.repeat(np.arange(k), n)
    levels = {effect: np.tile(effect_codes(effect, codes), k) for effect in effects}
    terms: dict[Effect, IntArray] = {**levels, frozenset({ITEM}): item}
    for effect in effects[:-1]:
        terms[effect | {ITEM}] = levels[effect] * k + item
    return _piece(answers.T.ravel(), terms, effects[-1] | {ITEM})


def nested_components(answers: FloatArray, codes: Mapping[str, IntArray], parents: Mapping[str, str]) -> Components:
    """Return the variances of a chain of nested facets, with items as repeated measures in the residual.

    Parameters
    ----------
    answers, codes, parents
        As in `estimate_components`; every facet but one has a parent.
    """
    k = answers.shape[1]
    effects = closed_effects(tuple(codes), parents)
    terms = {effect: np.tile(effect_codes(effect, codes), k) for effect in effects}
    found = _piece(answers.T.ravel(), terms, effects[-1] | {ITEM})
    return Components(variances=found, joint=True, n_truncated=0)


def draw_answers(
    components: Mapping[Effect, float], codes: Mapping[str, IntArray], k: int, rng: np.random.Generator
) -> FloatArray:
    """Return answers with known variance components and mean zero, shape (n_rows, k)."""
    n = len(next(iter(codes.values())))
    total = np.zeros((n, k))
    for effect in sorted(components, key=lambda chosen: (len(chosen), sorted(chosen))):
        rows = effect - {ITEM}
        levels = effect_codes(rows, codes) if rows else np.zeros(n, dtype=np.int64)
        width = k if ITEM in effect else 1
        total += np.sqrt(components[effect]) * rng.normal(size=(int(levels.max()) + 1, width))[levels]
    return total
