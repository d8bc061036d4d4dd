"""Every combination of up to three changes of a key that meets published totals, found by matching random projections."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from alliance_stats.scales.audit_errors import IntArray, Target, contributions
from alliance_stats.scales.keying import FloatArray

Change = tuple[tuple[int, int], ...]
"""Places of items and their new weights."""

PROJECTED_ROWS = 7
"""Rows per projection: enough to rule out most chance matches, few enough to miss the rows with typing errors."""

DRAWS = 24
"""Projections tried; with a tenth of the rows wrong, half of them meet no wrong row."""

TRIPLE_CHANGES = 900
"""Changes up to which combinations of three are looked for; their pairs are held in memory."""

MOST_HITS = 400
"""Matches followed up per projection."""


@dataclass(frozen=True, kw_only=True)
class Changes:
    """Single changes of a key and what each does to the sums.

    Parameters
    ----------
    changes : list of Change
        Of length k.
    effects : ndarray of int, shape (k, n_rows)
        Change of the sum, in steps between answers.
    """

    changes: list[Change]
    effects: IntArray


def single_changes(target: Target) -> list[Change]:
    """Return all changes that count as one error at items: reversals, membership, and exchanges of two items."""
    w = target.weights
    inside = [place for place in range(w.size) if w[place] != 0]
    outside = [place for place in range(w.size) if w[place] == 0]
    singles: list[Change] = [((place, -int(w[place])),) for place in inside]
    singles += [((place, 0),) for place in inside]
    singles += [((place, 2 * int(w[place])),) for place in inside]
    singles += [((place, sign),) for place in outside for sign in (1, -1)]
    singles += [((a, 1), (b, -1)) for a in inside if w[a] == -1 for b in inside if w[b] == 1]
    singles += [((a, 0), (b, sign)) for a in inside for b in outside for sign in (1, -1)]
    return singles


def effects_of(changes: Sequence[Change], answers: FloatArray, target: Target) -> IntArray:
    """Return what each change does to the sum, in steps; shape (k, n_rows). Answers have shape (n_rows, p)."""
    old = contributions(answers, target.weights, target.turn)
    by_weight = {
        weight: np.rint((contributions(answers, np.full_like(target.weights, weight), target.turn) - old) / target.step)
        for weight in {new for change in changes for _, new in change}
    }
    rows = [np.sum([by_weight[new][:, place] for place, new in change], axis=0) for change in changes]
    return np.array(rows).astype(np.int64).reshape(len(rows), len(answers))


def combinations(pool: Changes, residual: IntArray, *, most: int, free_constant: bool) -> set[tuple[int, ...]]:
    """Return sets of changes whose effects add up to the residual in most rows.

    Parameters
    ----------
    pool : Changes
        The single changes.
    residual : ndarray of int, shape (n_rows,)
        Published sum minus sum by the key, in steps.
    most : int
        Largest number of changes combined, at most 3.
    free_constant : bool
        Whether effects need to match up to a constant only.

    Returns
    -------
    set of tuple of int
        Positions in ``pool.changes``; to be checked on all rows.

    Notes
    -----
    Seven rows are drawn and each change is reduced to one number, a weighted sum of its effects in these rows with
    random weights (weights that sum to zero where a constant is free). Effects add, so the numbers do: combinations
    are found by looking the residual's number minus one change's number up among those of all pairs.
    """
    rng = np.random.default_rng(20010)
    n_rows = residual.size
    found: set[tuple[int, ...]] = set()
    for _ in range(DRAWS):
        rows = rng.choice(n_rows, size=min(PROJECTED_ROWS + free_constant, n_rows), replace=False)
        factors = rng.integers(-(2**40), 2**40, size=rows.size)
        if free_constant:
            factors[-1] = -factors[:-1].sum()
        numbers = pool.effects[:, rows] @ factors
        wanted = int(residual[rows] @ factors)
        for size in range(1, min(most, 3) + 1):
            found.update(_matches(numbers, wanted, size))
    return found


def _matches(numbers: IntArray, wanted: int, size: int) -> Iterator[tuple[int, ...]]:
    """Yield sets of that many positions whose numbers add up to the one wanted."""
    if size == 1:
        yield from ((int(place),) for place in np.flatnonzero(numbers == wanted)[:MOST_HITS])
        return
    if size == 2:
        order = np.argsort(numbers, kind="stable")
        yield from _lookup(numbers[order], [(int(place),) for place in order], numbers, wanted)
        return
    if numbers.size > TRIPLE_CHANGES:
        return
    first, second = np.triu_indices(numbers.size, k=1)
    sums = numbers[first] + numbers[second]
    order = np.argsort(sums)
    hits = 0
    ordered = sums[order]
    low = np.searchsorted(ordered, wanted - numbers, side="left")
    high = np.searchsorted(ordered, wanted - numbers, side="right")
    for third in np.flatnonzero(high > low):
        for place in order[low[third] : high[third]]:
            yield tuple(sorted((int(first[place]), int(second[place]), int(third))))
            hits += 1
            if hits >= MOST_HITS:
                return


def _lookup(
    ordered: IntArray, names: Sequence[tuple[int, ...]], numbers: IntArray, wanted: int
) -> Iterator[tuple[int, ...]]:
    """Yield pairs of an ordered number and one of ``numbers`` that add up to the one wanted."""
    low = np.searchsorted(ordered, wanted - numbers, side="left")
    high = np.searchsorted(ordered, wanted - numbers, side="right")
    hits = 0
    for other in np.flatnonzero(high > low):
        for place in range(low[other], high[other]):
            yield tuple(sorted((*names[place], int(other))))
            hits += 1
            if hits >= MOST_HITS:
                return


def changed_weights(target: Target, changes: Sequence[Change]) -> IntArray | None:
    """Return the weights after all changes, or None if two of them touch one item."""
    places = [place for change in changes for place, _ in change]
    if len(set(places)) < len(places):
        return None
    weights = target.weights.copy()
    for change in changes:
        for place, new in change:
            weights[place] = new
    return weights
