"""Totals of forms with missing answers, by the rules that are in use."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from alliance_stats.scales.audit_errors import Candidate, IntArray, Target, contributions
from alliance_stats.scales.keying import FloatArray

RULES: Mapping[str, str] = {
    "person mean": "the mean of the row's other keyed answers",
    "sum of the answered items": "nothing, after reversal",
    "counted as raw zero": "an answer of 0, before reversal",
    "counted as the lowest answer": "the lowest answer, before reversal",
    "counted as the middle answer": "the middle of the range",
    "person mean before reversal": "the mean of the row's other raw answers",
    "item mean": "the mean of the item over all rows",
}
"""Name of each rule, as it stands in a slip, and what a missing answer counts as."""


def totals(answers: FloatArray, candidate: Candidate, target: Target, *, item_means: FloatArray) -> FloatArray:
    """Compute the totals that a way of scoring gives.

    Parameters
    ----------
    answers : ndarray, shape (n_rows, p)
        Raw answers, NaN where missing.
    candidate : Candidate
        The way.
    target : Target
        Its rule for missing answers applies where the candidate names none.
    item_means : ndarray, shape (p,)
        Means of the raw answers over all rows.

    Returns
    -------
    ndarray, shape (n_rows,)
        In points of the published totals; NaN where the rule gives none.
    """
    weights = np.array(candidate.weights, dtype=np.int64)
    used = weights != 0
    raw, w, turn = answers[:, used], weights[used], target.turn[used]
    gaps = np.isnan(raw)
    n_answered = (~gaps).sum(axis=1)
    if candidate.missing in ("", "person mean"):
        most = target.max_missing if candidate.missing == "" else int(used.sum()) - 1
        parts = np.where(gaps, 0.0, contributions(np.where(gaps, 0.0, raw), w, turn))
        prorated = candidate.missing == "person mean" or target.prorated
        sums = parts.sum(axis=1) * (int(used.sum()) / np.maximum(n_answered, 1) if prorated else 1.0)
        sums = np.where(gaps.sum(axis=1) <= most, sums, np.nan)
    elif candidate.missing == "sum of the answered items":
        moved = _shift_per_item(candidate.shift, w)
        parts = contributions(np.where(gaps, 0.0, raw), w, turn) + moved
        # What is not in the items is added below.
        sums = np.where(gaps, 0.0, parts).sum(axis=1) - float(moved.sum())
    else:
        filled = np.where(gaps, _fillings(candidate.missing, raw, turn, target.minimum[used], item_means[used]), raw)
        sums = contributions(filled, w, turn).sum(axis=1)
    constant = target.base(candidate.scale) + candidate.shift
    result: FloatArray = candidate.scale * (np.where(n_answered > 0, sums, np.nan) + constant)
    return result


def _shift_per_item(shift: float, weights: IntArray) -> FloatArray:
    """Return how a constant comes about item by item, shape (p,); zero if it does not.

    A coding one off moves each item counted, a constant of reversal each reversed one: answers left out are not moved.
    """
    signs = np.sign(weights).astype(float)
    if abs(shift) == np.abs(weights).sum():
        return np.full(weights.size, float(np.sign(shift)))
    if abs(shift) == abs(int(weights.sum())):
        spread: FloatArray = signs * float(np.sign(shift) * np.sign(weights.sum()))
        return spread
    n_turned = int((weights < 0).sum())
    if n_turned and shift % n_turned == 0:
        return np.where(weights < 0, shift / n_turned, 0.0)
    return np.zeros(weights.size)


def _fillings(
    rule: str, raw: FloatArray, turn: FloatArray, minimum: FloatArray, item_means: FloatArray
) -> FloatArray | float:
    """Return what missing answers are replaced with, broadcast to shape (n_rows, p)."""
    if rule == "counted as raw zero":
        return 0.0
    if rule == "counted as the lowest answer":
        return minimum
    if rule == "counted as the middle answer":
        return turn / 2
    if rule == "item mean":
        return item_means
    known = ~np.isnan(raw)
    means: FloatArray = np.where(known, raw, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return means[:, None]
