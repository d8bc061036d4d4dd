"""Missing answers that a rule of the form fills in, and forms that a rule calls invalid. Arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from alliance_stats.scales.instrument_parts import Instrument, Score, Skip, Storage, Validity
from alliance_stats.scales.keying import FloatArray, keyed_answers

Answers = Mapping[int, FloatArray]
"""Answers by item, each as stored and of shape (n_rows,)."""


def with_skips(answers: Answers, skips: Sequence[Skip], *, shift: float) -> tuple[dict[int, FloatArray], int]:
    """Fill in the answers that the form lets people skip.

    Parameters
    ----------
    answers : mapping of int to ndarray
        Answers by item as stored, NaN where missing.
    skips : sequence of Skip
        Applied in their order.
    shift : float
        What has to be added to a stored answer to get the printed one.

    Returns
    -------
    tuple
        The answers, and how many were filled in.
    """
    filled = dict(answers)
    n_filled = 0
    for skip in skips:
        if not set(skip.when_items) <= set(filled):
            continue
        before = np.sum([filled[item] + shift for item in skip.when_items], axis=0)
        for item in set(skip.skipped) & set(filled):
            skipped = (before == skip.when_sum) & np.isnan(filled[item])
            n_filled += int(np.count_nonzero(skipped))
            filled[item] = np.where(skipped, skip.counts_as - shift, filled[item])
    return filled, n_filled


def with_form_mean(
    answers: Answers, scales: Sequence[Score], *, instrument: Instrument, storage: Storage
) -> tuple[dict[int, FloatArray], int]:
    """Fill in missing answers by the rounded mean of the form, and blank the forms that miss too many.

    Parameters
    ----------
    answers : mapping of int to ndarray
        Answers to all items as stored, NaN where missing.
    scales : sequence of Score
        The scales of the form, each with the number of items that may be missing.
    instrument : Instrument
        The scoring key.
    storage : Storage
        How the answers are stored.

    Returns
    -------
    tuple
        The answers, and how many forms are invalid. Halves are rounded up.
    """
    keyed = {
        item: keyed_answers(values, item, instrument=instrument, storage=storage) for item, values in answers.items()
    }
    stacked = np.stack(list(keyed.values()))
    known = ~np.isnan(stacked)
    n_known = known.sum(axis=0)
    mean = np.where(known, stacked, 0.0).sum(axis=0) / np.maximum(n_known, 1)
    fill = np.floor(mean + 0.5)
    invalid = n_known == 0
    for scale in scales:
        n_missing = np.sum([np.isnan(keyed[item]) for item in scale.items], axis=0)
        invalid |= n_missing > scale.missing.max_missing
    filled = {}
    for item, values in answers.items():
        turned = item in storage.reversed_items
        ends = instrument.minimum[item - 1] + instrument.maximum[item - 1]
        stored = (ends - fill if turned else fill) - storage.shift
        filled[item] = np.where(invalid, np.nan, np.where(np.isnan(values), stored, values))
    return filled, int(np.count_nonzero(invalid))


class FormWatch:
    """Looks at the answers of each form, item by item, and says which forms are invalid.

    Parameters
    ----------
    validity : Validity
        The rule.
    """

    def __init__(self, validity: Validity) -> None:
        self._validity = validity
        self._n_missing: npt.NDArray[np.int64] | None = None
        self._lowest: FloatArray | None = None
        self._highest: FloatArray | None = None

    def look(self, answers: FloatArray) -> None:
        """Add the answers to one item, shape (n_rows,)."""
        missing = np.isnan(answers).astype(np.int64)
        if self._n_missing is None or self._lowest is None or self._highest is None:
            self._n_missing, self._lowest, self._highest = missing, answers, answers
            return
        self._n_missing = self._n_missing + missing
        self._lowest = np.fmin(self._lowest, answers)
        self._highest = np.fmax(self._highest, answers)

    def invalid(self) -> npt.NDArray[np.bool_]:
        """Return which forms are invalid, shape (n_rows,)."""
        if self._n_missing is None or self._lowest is None or self._highest is None:
            return np.zeros(0, dtype=np.bool_)
        found = np.zeros(self._n_missing.size, dtype=np.bool_)
        if self._validity.max_missing is not None:
            found |= self._n_missing > self._validity.max_missing
        if self._validity.same_answers:
            found |= (self._n_missing == 0) & (self._lowest == self._highest)
        return found
