"""From answers to scores: reversal, sums, means and missing answers. Arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alliance_stats.scales.instrument_parts import Instrument, MissingRule, Score, Storage

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

EXAMPLE_TOLERANCE = 5.1e-5
"""Largest difference between a worked example and its score, in points: examples carry four decimals."""


@dataclass
class Tally:
    """Running totals over the items of a score.

    Parameters
    ----------
    plain, turned : ndarray, shape (n_rows,)
        Sums of the answers to items that are not reversed, and of the reversed answers, in points.
    answered : ndarray of int, shape (n_rows,)
        Number of items answered.
    """

    plain: FloatArray
    turned: FloatArray
    answered: IntArray

    @property
    def total(self) -> FloatArray:
        """Sum of the keyed answers, shape (n_rows,), in points."""
        return self.plain + self.turned


def keyed_answers(answers: FloatArray, item: int, *, instrument: Instrument, storage: Storage) -> FloatArray:
    """Turn the answers to one item so that all items point the same way.

    A reversed item's answer x becomes minimum + maximum - x; doing so twice gives x again.

    Parameters
    ----------
    answers : ndarray, shape (n_rows,)
        Raw answers, NaN where missing.
    item : int
        Printed item number.
    instrument : Instrument
        Gives the lowest and highest answer.
    storage : Storage
        Says which items are reversed.

    Returns
    -------
    ndarray, shape (n_rows,)
    """
    if item not in storage.reversed_items:
        return answers
    turned: FloatArray = instrument.minimum[item - 1] + instrument.maximum[item - 1] - answers
    return turned


def tally(
    answers_of: Callable[[int], FloatArray], scores: Sequence[Score], *, instrument: Instrument, storage: Storage
) -> dict[tuple[int, ...], Tally]:
    """Go once through the items and add each to the totals of the scores it belongs to.

    Parameters
    ----------
    answers_of : callable
        Gives the raw answers to an item, shape (n_rows,), NaN where missing. Called once per item.
    scores : sequence of Score
        The scores wanted. Scores of the same items share one tally.
    instrument : Instrument
        The scoring key.
    storage : Storage
        How the answers are stored.

    Returns
    -------
    dict of tuple of int to Tally
        By the items of the score.
    """
    tallies: dict[tuple[int, ...], Tally] = {}
    item_sets = list(dict.fromkeys(score.items for score in scores))
    for item in sorted({item for items in item_sets for item in items}):
        keyed = keyed_answers(answers_of(item), item, instrument=instrument, storage=storage)
        known = ~np.isnan(keyed)
        points = keyed if known.all() else np.where(known, keyed, 0.0)
        for items in item_sets:
            if item not in items:
                continue
            if items not in tallies:
                tallies[items] = Tally(
                    np.zeros_like(points), np.zeros_like(points), np.zeros(points.size, dtype=np.int64)
                )
            part = tallies[items].turned if item in storage.reversed_items else tallies[items].plain
            part += points
            tallies[items].answered += known
    return tallies


def score_values(score: Score, counted: Tally, *, missing: MissingRule) -> FloatArray:
    """Return one score per row.

    Parameters
    ----------
    score : Score
        Items, rule and factor.
    counted : Tally
        Totals over the items of the score.
    missing : MissingRule
        How many items may be missing. With ``person_mean`` a missing answer counts as the mean of the row's other
        keyed answers to the score's items, so that a mean is the mean of the answered items.

    Returns
    -------
    ndarray, shape (n_rows,)
        In points of the score; NaN where too many answers are missing.
    """
    n_items = len(score.items)
    complete = counted.answered == n_items
    divisor = np.where(complete, n_items, np.maximum(counted.answered, 1))
    means = counted.total / divisor
    values = means if score.rule == "mean" else np.where(complete, counted.total, means * n_items)
    allowed = counted.answered >= max(1, n_items - missing.max_missing)
    result: FloatArray = np.where(allowed, values * score.factor, np.nan)
    return result


def failing_examples(instrument: Instrument) -> list[tuple[str, str, float, float]]:
    """Score the worked examples of an instrument and return those that do not come out.

    Parameters
    ----------
    instrument : Instrument
        With examples.

    Returns
    -------
    list of tuple
        Label of the example, name of the score, the score given and the score computed.
    """
    failures = []
    for storage in dict.fromkeys(example.storage for example in instrument.examples):
        examples = [example for example in instrument.examples if example.storage == storage]
        answers = np.array([example.answers for example in examples], dtype=np.float64)
        computed = _all_scores(instrument, answers, instrument.storage_named(storage))
        for row, example in enumerate(examples):
            for name, expected in example.scores.items():
                value = float(computed[name][row])
                if not np.isclose(value, expected, rtol=0, atol=EXAMPLE_TOLERANCE, equal_nan=True):
                    failures.append((example.label, name, expected, value))
    return failures


def _all_scores(instrument: Instrument, answers: FloatArray, storage: Storage) -> Mapping[str, FloatArray]:
    """Return all scores of answers of shape (n_rows, n_items), each of shape (n_rows,)."""
    scores = list(instrument.scores.values())
    tallies = tally(lambda item: answers[:, item - 1], scores, instrument=instrument, storage=storage)
    return {score.name: score_values(score, tallies[score.items], missing=score.missing) for score in scores}
