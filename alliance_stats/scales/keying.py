"""From answers to scores: reversal, sums, means and missing answers. Arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alliance_stats.scales.instrument_parts import Instrument, MissingRule, Part, Score, Storage
from alliance_stats.scales.instrument_score import PRORATED

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass
class Tally:
    """Running totals over the items of a part of a score.

    Parameters
    ----------
    plain, turned : ndarray, shape (n_rows,)
        What the items that are not reversed add, and what the reversed ones add, in points. For the highest answer,
        ``plain`` holds it and ``turned`` stays zero.
    answered : ndarray of int, shape (n_rows,)
        Number of items answered.
    """

    plain: FloatArray
    turned: FloatArray
    answered: IntArray

    @property
    def total(self) -> FloatArray:
        """Sum of what all items add, shape (n_rows,), in points."""
        return self.plain + self.turned


Tallies = Mapping[Part, Tally]


def keyed_answers(answers: FloatArray, item: int, *, instrument: Instrument, storage: Storage) -> FloatArray:
    """Turn the answers to one item so that all items point the same way.

    A stored answer x is first shifted to the printed one; a reversed item's answer becomes minimum + maximum - x, and
    doing so twice gives x again.

    Parameters
    ----------
    answers : ndarray, shape (n_rows,)
        Answers as stored, NaN where missing.
    item : int
        Printed item number.
    instrument : Instrument
        Gives the lowest and highest answer.
    storage : Storage
        Says how stored answers differ from printed ones and which items are reversed.

    Returns
    -------
    ndarray, shape (n_rows,)
    """
    printed = answers + storage.shift if storage.shift else answers
    if item not in storage.reversed_items:
        return printed
    turned: FloatArray = instrument.minimum[item - 1] + instrument.maximum[item - 1] - printed
    return turned


def tally(
    answers_of: Callable[[int], FloatArray], scores: Sequence[Score], *, instrument: Instrument, storage: Storage
) -> dict[Part, Tally]:
    """Go once through the items and add each to the totals of the scores it belongs to.

    Parameters
    ----------
    answers_of : callable
        Gives the answers to an item as stored, shape (n_rows,), NaN where missing. Called once per item.
    scores : sequence of Score
        The scores wanted. Scores that share a part share its totals.
    instrument : Instrument
        The scoring key.
    storage : Storage
        How the answers are stored.

    Returns
    -------
    dict of Part to Tally
    """
    tallies: dict[Part, Tally] = {}
    parts = list(dict.fromkeys(part for score in scores for part in score.parts))
    for item in sorted({item for part in parts for item in part.items}):
        keyed = keyed_answers(answers_of(item), item, instrument=instrument, storage=storage)
        known = ~np.isnan(keyed)
        points = keyed if known.all() else np.where(known, keyed, 0.0)
        for part in parts:
            if item in part.items:
                if part not in tallies:
                    start = np.full_like(points, -np.inf if part.kind == "maximum" else 0.0)
                    tallies[part] = Tally(start, np.zeros_like(points), np.zeros(points.size, dtype=np.int64))
                _add(tallies[part], points, known, part=part, item=item, turned=item in storage.reversed_items)
    return tallies


def _add(
    running: Tally, points: FloatArray, known: npt.NDArray[np.bool_], *, part: Part, item: int, turned: bool
) -> None:
    """Add the keyed answers to one item, shape (n_rows,), to the totals of a part."""
    running.answered += known
    if part.kind == "maximum":
        np.maximum(running.plain, points, out=running.plain, where=known)
        return
    target = running.turned if turned else running.plain
    if part.kind == "weighted_sum":
        target += part.weights[part.items.index(item)] * points
    elif part.kind == "count_above":
        target += known & (points > part.above)
    elif part.kind == "sum_above":
        target += np.where(known & (points > part.above), points, 0.0)
    else:
        target += points


def score_values(score: Score, tallies: Tallies, *, missing: MissingRule) -> FloatArray:
    """Return one score per row.

    Parameters
    ----------
    score : Score
        Items, rule, factor and offset.
    tallies : mapping of Part to Tally
        Totals of the parts of the score.
    missing : MissingRule
        How many items may be missing. With ``person_mean`` a missing answer counts as the mean of the row's other
        keyed answers to the score's items, so that a mean is the mean of the answered items.

    Returns
    -------
    ndarray, shape (n_rows,)
        In points of the score; NaN where too many answers are missing, or where a ratio or a mean has nothing to
        divide by.
    """
    counted = tallies[score.parts[0]]
    n_items = len(score.items)
    allowed = counted.answered >= max(1, n_items - missing.max_missing)
    for part in score.parts[1:]:
        allowed &= tallies[part].answered >= max(1, len(part.items) - missing.max_missing)
    values = _values(score, tallies, prorated=missing.rule == "person_mean")
    result: FloatArray = np.where(allowed, values * score.factor + score.offset, np.nan)
    return result


def _values(score: Score, tallies: Tallies, *, prorated: bool) -> FloatArray:
    """Return the score before factor, offset and the rule on how many answers may be missing."""
    counted = tallies[score.parts[0]]
    total, n_items = counted.total, len(score.items)
    if score.rule in PRORATED:
        complete = counted.answered == n_items
        means = total / np.where(complete, n_items, np.maximum(counted.answered, 1))
        if score.rule == "mean":
            return means
        sums = np.where(complete, total, means * n_items) if prorated else total
        if score.rule == "sum":
            return sums
        percent: FloatArray = 100 * (sums - score.sum_low) / (score.sum_high - score.sum_low)
        return percent
    if score.rule in ("ratio", "mean_above"):
        below = tallies[score.parts[1]].total
        shares: FloatArray = np.divide(total, below, out=np.full_like(total, np.nan), where=below > 0)
        return shares
    if score.rule == "lookup":
        return _looked_up(score.table, total)
    return counted.plain if score.rule == "maximum" else total


def _looked_up(table: Mapping[float, float], sums: FloatArray) -> FloatArray:
    """Return what a table gives for each sum, NaN where it has no entry, shape (n_rows,)."""
    keys = np.array(sorted(table))
    values = np.array([table[key] for key in sorted(table)])
    place = np.clip(np.searchsorted(keys, sums), 0, len(keys) - 1)
    found: FloatArray = np.where(keys[place] == sums, values[place], np.nan)
    return found
