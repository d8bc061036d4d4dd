"""Scoring keys as sums of weighted answers, and the slips that lead from one key to another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Literal

import numpy as np
import numpy.typing as npt

from alliance_stats.errors import InstrumentError
from alliance_stats.scales.instrument_parts import Instrument, Score, Storage
from alliance_stats.scales.keying import FloatArray

IntArray = npt.NDArray[np.int64]

SlipKind = Literal[
    "reversal_moved",
    "reversal_left_out",
    "reversal_added",
    "item_replaced",
    "item_left_out",
    "item_added",
    "item_weight",
    "shifted_coding",
    "reversal_constant",
    "constant",
    "sum_or_mean",
    "divisor",
    "factor",
    "missing_answers",
]

EPSILON = 1e-7
"""Totals that differ by less than this share of a step between answers count as equal: rounding in the computer."""


@dataclass(frozen=True, kw_only=True, order=True)
class Slip:
    """One error in a key: its kind, the printed numbers of the items it touches, and the same in words."""

    kind: SlipKind
    items: tuple[int, ...] = ()
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class Target:
    """The key of a score, laid out over all items whose answers are at hand.

    Parameters
    ----------
    items : tuple of int
        Printed numbers of the items at hand, shape (p,).
    weights : ndarray of int, shape (p,)
        1 for an item of the score, -1 for a reversed one, 0 for an item that does not belong to it.
    turn : ndarray, shape (p,)
        Lowest plus highest answer, from which reversed answers are subtracted.
    rule : {"sum", "mean", "percent"}
        How the score combines its items; percent of the way from the lowest to the highest possible sum.
    factor : float
        Multiplies the sum, mean or percentage.
    sum_low, sum_high : float
        Lowest and highest possible sum, for percent.
    offset : float
        Added after the factor.
    minimum : ndarray, shape (p,)
        Lowest answer.
    step : float
        Distance between neighbouring answers.
    max_missing : int
        How many answers may be missing by the key.
    prorated : bool
        Whether missing answers then count as the mean of the others, or as nothing.
    """

    items: tuple[int, ...]
    weights: IntArray
    turn: FloatArray
    minimum: FloatArray
    rule: Literal["sum", "mean", "percent"]
    factor: float
    sum_low: float
    sum_high: float
    offset: float
    step: float
    max_missing: int
    prorated: bool

    @property
    def n_items(self) -> int:
        """Number of items of the score."""
        return int(np.count_nonzero(self.weights))

    @property
    def scale(self) -> float:
        """What the key multiplies the sum of keyed answers with."""
        if self.rule == "percent":
            return 100 * self.factor / (self.sum_high - self.sum_low)
        return self.factor / self.n_items if self.rule == "mean" else self.factor

    def base(self, scale: float) -> float:
        """Return what the key adds to the sum before it is multiplied, in points of the plain sum.

        Nothing on another scale than that of the key.
        """
        if not math.isclose(scale, self.scale, rel_tol=1e-9):
            return 0.0
        return self.offset / scale - (self.sum_low if self.rule == "percent" else 0.0)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A way in which totals may have been computed: scale x (base + shift + sum of weighted answers, reversals turned).

    Parameters
    ----------
    weights : tuple of int, shape (p,)
        Per item at hand.
    shift : float
        Constant beyond that of the key and of turning reversed answers, in points of the plain sum.
    scale : float
        Multiplies the sum.
    scale_slips : tuple of Slip
        What is wrong with the scale, in words.
    missing : str
        Rule for missing answers; empty for that of the key.
    """

    weights: tuple[int, ...]
    shift: float = 0.0
    scale: float = 1.0
    scale_slips: tuple[Slip, ...] = ()
    missing: str = ""

    def with_missing(self, rule: str) -> Candidate:
        """Return the same way with another rule for missing answers."""
        return replace(self, missing=rule)


def auditable_rule(instrument: Instrument, score: Score) -> Literal["sum", "mean", "percent"]:
    """Return the rule of a score, which has to be a sum, mean or percentage of its items."""
    if score.rule not in ("sum", "mean", "percent"):
        raise InstrumentError.build(
            f"Score '{score.name}' of {instrument.abbreviation} is a {score.rule.replace('_', ' ')}; only sums, means and "
            "percentages of items can be audited.",
            hint="name other scores: published={'score': 'column'}; compare_totals() works for every score.",
        )
    return score.rule


def target_of(instrument: Instrument, score: Score, storage: Storage, items: Sequence[int]) -> Target:
    """Return the key of a score over the items at hand.

    Parameters
    ----------
    instrument : Instrument
        The scoring key.
    score : Score
        The score that the totals should be.
    storage : Storage
        How the answers are stored.
    items : sequence of int
        Printed numbers of the items at hand; all items of the score are among them.

    Returns
    -------
    Target

    Raises
    ------
    InstrumentError
        If the score is not a sum, mean or percentage.
    """
    signs = [0 if item not in score.items else -1 if item in storage.reversed_items else 1 for item in items]
    low = np.array([instrument.minimum[item - 1] for item in items], dtype=float)
    high = np.array([instrument.maximum[item - 1] for item in items], dtype=float)
    return Target(
        items=tuple(items),
        weights=np.array(signs, dtype=np.int64),
        turn=low + high,
        minimum=low,
        rule=auditable_rule(instrument, score),
        factor=score.factor,
        sum_low=score.sum_low,
        sum_high=score.sum_high,
        offset=score.offset,
        step=instrument.step,
        # A rule that looks at the whole form is not followed here: such rows then count as unexplained.
        max_missing=0 if score.missing.rule == "form_mean" else score.missing.max_missing,
        prorated=score.rule == "mean" or score.missing.rule == "person_mean",
    )


def contributions(answers: FloatArray, weights: IntArray, turn: FloatArray) -> FloatArray:
    """Return what each answer adds to the sum, reversed ones turned; shape (n_rows, p)."""
    parts: FloatArray = answers * weights + np.where(weights < 0, -weights * turn, 0.0)
    return parts


def explanations_of(candidate: Candidate, target: Target) -> list[tuple[Slip, ...]]:
    """Describe a way of computing totals as slips from the key, each list of slips an equally good reading.

    One slip may touch two items: a reversal that stands at the wrong number, an item in place of another.

    Parameters
    ----------
    candidate : Candidate
        The way.
    target : Target
        The key.

    Returns
    -------
    list of tuple of Slip
        More than one where a constant can be read in several ways. An empty tuple means that the key explains it.
    """
    weights = np.array(candidate.weights, dtype=np.int64)
    fixed = [*_item_slips(weights, target), *candidate.scale_slips]
    if candidate.missing:
        fixed.append(Slip(kind="missing_answers", text=f"missing answers: {candidate.missing}"))
    if abs(candidate.shift) <= EPSILON * target.step:
        return [tuple(fixed)]
    return [(*fixed, reading) for reading in _shift_readings(candidate.shift, weights, target)]


def _item_slips(weights: IntArray, target: Target) -> list[Slip]:
    """Return the slips at items, those that undo each other in number paired."""
    places = {item: place for place, item in enumerate(target.items)}
    lost, gained, out, added, other = [], [], [], [], []
    for item, place in places.items():
        old, new = int(target.weights[place]), int(weights[place])
        if old == new:
            continue
        if old == -1 and new == 1:
            lost.append(item)
        elif old == 1 and new == -1:
            gained.append(item)
        elif new == 0:
            out.append(item)
        elif old == 0 and abs(new) == 1:
            added.append(item)
        else:
            other.append(item)
    slips = [_reversal_slip(old, new) for old, new in zip_longest(lost, gained)]
    slips += [_membership_slip(old, new, weights, places) for old, new in zip_longest(out, added)]
    slips += [
        Slip(kind="item_weight", items=(item,), text=f"item {item} counted {int(weights[places[item]]):+d} times")
        for item in other
    ]
    return slips


def _reversal_slip(lost: int | None, gained: int | None) -> Slip:
    """Return the slip of one item not reversed, one reversed in error, or both."""
    if lost is not None and gained is not None:
        text = f"item {gained} reversed in place of item {lost}"
        return Slip(kind="reversal_moved", items=(lost, gained), text=text)
    if lost is not None:
        return Slip(kind="reversal_left_out", items=(lost,), text=f"item {lost} not reversed")
    item = gained or 0
    return Slip(kind="reversal_added", items=(item,), text=f"item {item} reversed in error")


def _membership_slip(out: int | None, added: int | None, weights: IntArray, places: dict[int, int]) -> Slip:
    """Return the slip of one item left out, one added, or both."""
    turned = "" if added is None or weights[places[added]] > 0 else " (reversed)"
    if out is not None and added is not None:
        text = f"item {added}{turned} counted in place of item {out}"
        return Slip(kind="item_replaced", items=(out, added), text=text)
    if out is not None:
        return Slip(kind="item_left_out", items=(out,), text=f"item {out} left out")
    return Slip(kind="item_added", items=(added or 0,), text=f"item {added}{turned} added")


def _shift_readings(shift: float, weights: IntArray, target: Target) -> list[Slip]:
    """Return every usual slip that gives the constant, or a plain constant if none does."""
    n_plain, n_turned = int(weights[weights > 0].sum()), int(-weights[weights < 0].sum())
    readings = []
    for move in (-1.0, 1.0):
        way = "one lower" if move < 0 else "one higher"
        if _same(shift, move * (n_plain + n_turned), target):
            readings.append(Slip(kind="shifted_coding", text=f"answers coded {way} than here"))
        if n_turned and _same(shift, move * (n_plain - n_turned), target):
            text = f"answers coded {way} than here, but reversed with the constant of the coding here"
            readings.append(Slip(kind="shifted_coding", text=text))
    if n_turned:
        turn = target.turn[weights < 0]
        used = turn + shift / n_turned
        if _usual_constant(shift / n_turned, turn, target):
            shown = f"{used[0]:g}" if np.ptp(turn) == 0 else f"{shift / n_turned:+g} relative to the key"
            readings.append(Slip(kind="reversal_constant", text=f"reversed answers subtracted from {shown}"))
    # The constant is in points of the plain sum, before a mean or factor is formed.
    return readings or [Slip(kind="constant", text=f"a constant of {shift:+g} points added to the sum")]


def _usual_constant(off: float, turn: FloatArray, target: Target) -> bool:
    """Tell whether the constant of reversal is one or two off, or the lowest or highest answer, or nothing at all."""
    low = float(target.minimum.min())
    return any(_same(off, value, target) for value in (-2, -1, 1, 2, -low, low - float(turn[0]), -float(turn[0])))


def _same(first: float, second: float, target: Target) -> bool:
    """Tell whether two constants are equal and not zero."""
    return abs(second) > 0 and abs(first - second) <= 1e-6 * target.step * max(1, target.n_items)
