"""Ways in which published totals may have been computed, gathered for one score and counted against the rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from alliance_stats.scales.audit_errors import (
    EPSILON,
    Candidate,
    IntArray,
    Slip,
    Target,
    contributions,
    explanations_of,
)
from alliance_stats.scales.audit_fit import fitted_weights, rows_for_fit
from alliance_stats.scales.audit_missing import RULES, totals
from alliance_stats.scales.audit_search import Changes, changed_weights, combinations, effects_of, single_changes
from alliance_stats.scales.keying import FloatArray

BoolArray = npt.NDArray[np.bool_]

NEIGHBOURS = 3
"""How far the number a mean is divided by may be from the number of items."""

GAIN = 2
"""Rows that an explanation with one error more must explain beyond a smaller one: one row may be a typing error."""

KEPT = 12
"""Ways kept per number of errors before rules for missing answers are tried."""

MAX_ERRORS = 3
"""Errors combined systematically; the weights read off the totals may show more."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Answers and totals of the rows compared.

    Parameters
    ----------
    answers : ndarray, shape (n_rows, p)
        Raw answers, NaN where missing.
    totals : ndarray, shape (n_rows,)
        Published totals, none missing.
    complete : ndarray of bool, shape (n_rows,)
        Whether all items at hand are answered.
    tolerance : float
        Largest difference that rounding of the published totals explains, in their points.
    item_means : ndarray, shape (p,)
        Means of the raw answers.
    """

    answers: FloatArray
    totals: FloatArray
    complete: BoolArray
    tolerance: float
    item_means: FloatArray

    def only_complete(self) -> Rows:
        """Return the complete rows alone."""
        keep = self.complete
        return replace(self, answers=self.answers[keep], totals=self.totals[keep], complete=keep[keep])

    def hits(self, candidate: Candidate, target: Target) -> BoolArray:
        """Return which rows the way explains, shape (n_rows,)."""
        computed = totals(self.answers, candidate, target, item_means=self.item_means)
        met: BoolArray = np.abs(computed - self.totals) <= self.tolerance
        return met


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """A list of errors and the rows it explains.

    Parameters
    ----------
    slips : tuple of Slip
        The errors; none if the key is right.
    candidate : Candidate
        The way of computing totals that they amount to.
    n_explained : int
        Rows explained.
    """

    slips: tuple[Slip, ...]
    candidate: Candidate
    n_explained: int

    @property
    def n_errors(self) -> int:
        """Number of errors."""
        return len(self.slips)


def tolerance_of(published: FloatArray) -> float:
    """Return half a unit of the last decimal that nine tenths of the totals carry, at most six decimals."""
    for decimals in range(6):
        shifted = published * 10**decimals
        if np.mean(np.abs(shifted - np.rint(shifted)) < 1e-6 * np.maximum(1, np.abs(shifted))) >= 0.9:
            return float(0.5 * 10**-decimals * (1 + 1e-6))
    return 1e-6


def explain(rows: Rows, target: Target) -> list[Explanation]:
    """Return explanations of published totals, the chosen ones first.

    Parameters
    ----------
    rows : Rows
        The rows compared.
    target : Target
        The key.

    Returns
    -------
    list of Explanation
        By number of errors and rows explained. Those that are chosen come first: the fewest errors such that each
        further error would explain less than `GAIN` further rows.
    """
    found = [
        Explanation(slips=slips, candidate=way, n_explained=int(rows.hits(way, target).sum()))
        for way in _with_missing_rules(_kept(_candidates(rows.only_complete(), target), rows, target), rows)
        for slips in explanations_of(way, target)
    ]
    found.sort(key=lambda entry: (entry.n_errors, -entry.n_explained, entry.slips))
    chosen = found[0]
    for entry in found:
        if entry.n_explained >= chosen.n_explained + GAIN * max(1, entry.n_errors - chosen.n_errors):
            chosen = entry
    best = [e for e in found if (e.n_errors, e.n_explained) == (chosen.n_errors, chosen.n_explained)]
    return best + [entry for entry in found if entry not in best]


def _kept(ways: list[Candidate], rows: Rows, target: Target) -> list[Candidate]:
    """Return the ways that explain most of the complete rows, some per number of errors, the key always."""
    by_errors: dict[int, list[tuple[int, Candidate]]] = {}
    for way in dict.fromkeys(ways):
        n_errors = min(len(slips) for slips in explanations_of(way, target))
        by_errors.setdefault(n_errors, []).append((int(rows.hits(way, target)[rows.complete].sum()), way))
    kept = []
    for group in by_errors.values():
        group.sort(key=lambda pair: (-pair[0], pair[1].weights, pair[1].scale, pair[1].shift))
        # Equally good ways are all kept, up to a bound, so that ambiguity is seen.
        floor = group[min(KEPT, len(group)) - 1][0]
        kept += [way for n, way in group[: 5 * KEPT] if n >= floor]
    return kept


def _with_missing_rules(ways: list[Candidate], rows: Rows) -> Iterator[Candidate]:
    """Yield each way by the key's rule for missing answers, and by each other rule if answers are missing."""
    for way in ways:
        yield way
        if not rows.complete.all():
            yield from (way.with_missing(rule) for rule in RULES)


def _candidates(rows: Rows, target: Target) -> list[Candidate]:
    """Return ways of computing the totals of complete rows: the key, small changes of it, weights read off them."""
    ways = [Candidate(weights=tuple(target.weights.tolist()), scale=target.scale)]
    singles = single_changes(target)
    chosen = rows_for_fit(rows.answers, rows.totals)
    fitting = replace(rows, answers=rows.answers[chosen], totals=rows.totals[chosen], complete=rows.complete[chosen])
    pool = Changes(changes=singles, effects=effects_of(singles, fitting.answers, target))
    keyed = contributions(fitting.answers, target.weights, target.turn).sum(axis=1)
    scales = _scales(fitting, keyed, target)
    most = 0
    for size in (2, MAX_ERRORS):
        for scale in scales:
            ways += _combined(fitting, keyed, target, pool, scale=scale, most=size)
        most = max(int(fitting.hits(way, target).sum()) for way in dict.fromkeys(ways))
        if len(fitting.totals) - most < GAIN:
            return ways
    for scale in scales:
        ways += _fitted(fitting, target, scale)
    return ways


def _scales(rows: Rows, keyed: FloatArray, target: Target) -> list[float]:
    """Return what the sum may have been multiplied with, judged by the spread of the totals."""
    n = target.n_items
    factors = {1.0, target.factor}
    tried = {target.scale, *factors} | {
        f / m for f in factors for m in range(max(1, n - NEIGHBOURS), n + NEIGHBOURS + 1)
    }
    # Middle half of the totals, so that typing errors do not count.
    spread = np.ptp(np.quantile(rows.totals, [0.1, 0.9])) / max(np.ptp(np.quantile(keyed, [0.1, 0.9])), target.step)
    near = [scale for scale in tried if scale / 4 <= spread <= scale * 4]
    return sorted(near or [target.scale], key=lambda scale: (scale != target.scale, scale))


def _combined(
    rows: Rows, keyed: FloatArray, target: Target, pool: Changes, *, scale: float, most: int
) -> list[Candidate]:
    """Return combinations of changes that meet the totals on a scale."""
    room = rows.tolerance / scale / target.step
    steps = (rows.totals / scale - target.base(scale)) / target.step
    if room >= 0.5:
        return _approximate(rows, keyed, target, pool, scale)
    on_grid = np.abs(steps - np.rint(steps)) <= max(room, EPSILON * 10)
    if on_grid.mean() < 0.5:
        return []
    # A residual no change can bring about keeps rows off the grid from matching.
    residual = np.where(on_grid, np.rint(steps) - np.rint(keyed / target.step), 10**9).astype(np.int64)
    ways = []
    for free in (False, True):
        sets = {(), *combinations(pool, residual, most=most - free, free_constant=free)}
        for positions in sorted(sets):
            weights = changed_weights(target, [pool.changes[place] for place in positions])
            if weights is None:
                continue
            left = residual - pool.effects[list(positions)].sum(axis=0)
            shift = _commonest(left) * target.step if free else 0.0
            ways.append(_way(weights, shift, scale, target))
    return _best_ways(ways, rows, target)


def _approximate(rows: Rows, keyed: FloatArray, target: Target, pool: Changes, scale: float) -> list[Candidate]:
    """Return the best single changes and pairs when totals are rounded too coarsely to be matched exactly."""
    left = (rows.totals / scale - target.base(scale) - keyed) / target.step
    room = rows.tolerance / scale / target.step
    sample = slice(0, None, max(1, left.size // 80))
    effects, left = pool.effects[:, sample], left[sample]
    scored: list[tuple[tuple[int, ...], int]] = [((), int((np.abs(left) <= room).sum()))]
    for place in range(len(effects)):
        alone = left - effects[place]
        scored.append(((place,), int((np.abs(alone) <= room).sum())))
        counts = (np.abs(alone - effects[place + 1 :]) <= room).sum(axis=1)
        scored += [((place, place + 1 + int(j)), int(counts[j])) for j in np.argsort(-counts)[:3]]
    scored.sort(key=lambda pair: (-pair[1], pair[0]))
    ways = []
    for positions, _ in scored[: 5 * KEPT]:
        weights = changed_weights(target, [pool.changes[place] for place in positions])
        if weights is not None:
            ways.append(_way(weights, 0.0, scale, target))
    return _best_ways(ways, rows, target)


def _fitted(rows: Rows, target: Target, scale: float) -> list[Candidate]:
    """Return the way read off the totals on a scale, freed of changes that explain no row."""
    weights = fitted_weights(rows.answers, rows.totals / scale, target.weights)
    if weights is None:
        return []
    way = _with_constant(weights, scale, rows, target)
    n_met = int(rows.hits(way, target).sum())
    for place in np.flatnonzero(weights != target.weights):
        simpler = weights.copy()
        simpler[place] = target.weights[place]
        trial = _with_constant(simpler, scale, rows, target)
        n_trial = int(rows.hits(trial, target).sum())
        if n_trial >= n_met:
            weights, way, n_met = simpler, trial, n_trial
    return [way]


def _with_constant(weights: IntArray, scale: float, rows: Rows, target: Target) -> Candidate:
    """Return the way with the constant that meets most rows."""
    left = rows.totals / scale - target.base(scale) - contributions(rows.answers, weights, target.turn).sum(axis=1)
    if rows.tolerance / scale / target.step >= 0.5:
        shift = float(np.rint(np.median(left) / target.step))
    else:
        shift = _commonest(np.rint(left / target.step).astype(np.int64))
    return _way(weights, shift * target.step, scale, target)


def _commonest(values: IntArray) -> float:
    """Return the commonest of whole numbers, the smallest in size if several are."""
    distinct, counts = np.unique(values, return_counts=True)
    most = distinct[counts == counts.max()]
    return float(most[np.argmin(np.abs(most))])


def _best_ways(ways: list[Candidate], rows: Rows, target: Target) -> list[Candidate]:
    """Return the ways that meet most rows, a bounded number of them."""
    scored = sorted(
        ((int(rows.hits(way, target).sum()), way) for way in dict.fromkeys(ways)),
        key=lambda pair: (-pair[0], pair[1].weights, pair[1].shift),
    )
    return [way for _, way in scored[: 20 * KEPT]]


def _way(weights: IntArray, shift: float, scale: float, target: Target) -> Candidate:
    """Return a way, with what its scale has wrong."""
    n = int(np.count_nonzero(weights))
    return Candidate(
        weights=tuple(weights.tolist()),
        shift=float(shift),
        scale=scale,
        scale_slips=tuple(_scale_slips(scale, max(n, 1), target)),
    )


def _scale_slips(scale: float, n: int, target: Target) -> list[Slip]:
    """Return what is wrong with a scale, given the number of items counted."""
    if np.isclose(scale, target.scale, rtol=1e-9, atol=0) and target.rule == "percent":
        return []
    is_mean = target.rule == "mean"
    no_factor = [] if target.factor == 1 else [Slip(kind="factor", text=f"not multiplied by {target.factor:g}")]
    rule = target.rule
    swapped = Slip(kind="sum_or_mean", text=f"sum in place of {rule}" if rule != "sum" else "mean in place of sum")
    right, other = (target.factor / n, target.factor) if is_mean else (target.factor, target.factor / n)
    if rule == "percent":
        also = Slip(kind="sum_or_mean", text="mean in place of percent")
        return (
            [swapped] if np.isclose(scale, 1.0) else [also] if np.isclose(scale, 1 / n) else [also, _divisor(scale, n)]
        )
    plain = target.factor
    readings: list[tuple[float, list[Slip]]] = [
        (right, []),
        (other, [swapped]),
        (right / plain, no_factor),
        (other / plain, [swapped, *no_factor]),
    ]
    for value, slips in readings:
        if np.isclose(scale, value, rtol=1e-9, atol=0):
            return slips
    wrong = _divisor(scale / target.factor if target.factor / scale > 1 else scale, n)
    return [wrong] if is_mean else [swapped, wrong]


def _divisor(scale: float, n: int) -> Slip:
    """Return the slip of a mean divided by another number than that of its items."""
    return Slip(kind="divisor", text=f"divided by {1 / scale:g} in place of {n}")
