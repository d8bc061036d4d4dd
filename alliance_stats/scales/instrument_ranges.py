"""The range a score can reach, and what becomes of an instrument when items are left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf, sqrt

from alliance_stats.errors import InstrumentError, unknown_name
from alliance_stats.scales.instrument_parts import Instrument, Score
from alliance_stats.scales.instrument_score import BOUNDED_WEIGHT


def reach(score: Score, minimum: Sequence[float], maximum: Sequence[float]) -> tuple[float, float]:
    """Return the lowest and highest value that a score can take.

    Parameters
    ----------
    score : Score
        Items, rule, factor and offset.
    minimum, maximum : sequence of float
        Lowest and highest answer per item, in printed order.

    Returns
    -------
    tuple of float
        In points of the score.
    """
    low = [minimum[item - 1] for item in score.items]
    high = [maximum[item - 1] for item in score.items]
    ends = _reach(score, low, high, over=[(minimum[item - 1], maximum[item - 1]) for item in score.over])
    first, last = sorted(end * score.factor + score.offset for end in ends)
    return first, last


def _reach(
    score: Score, low: Sequence[float], high: Sequence[float], *, over: Sequence[tuple[float, float]]
) -> tuple[float, float]:
    """Return the ends before factor and offset."""
    n_items = len(score.items)
    if score.rule == "mean":
        return sum(low) / n_items, sum(high) / n_items
    if score.rule == "weighted_sum":
        pairs = [sorted((w * a, w * b)) for w, a, b in zip(score.weights, low, high, strict=True)]
        return sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)
    if score.rule == "percent":
        return 0.0, 100.0
    if score.rule == "lookup":
        return min(score.table.values()), max(score.table.values())
    if score.rule == "maximum":
        return max(low), max(high)
    if score.rule == "count_above":
        return 0.0, float(sum(end > score.above for end in high))
    if score.rule == "mean_above":
        return score.above + 1, max(high)
    if score.rule == "ratio":
        return _ratio_reach(score, sum(low), sum(high), over=over)
    if score.rule == "goal_attainment":
        # The T score of Kiresuk & Sherman (1968) is farthest from 50 when all of many goals end at the same extreme.
        farthest = 10 * BOUNDED_WEIGHT / sqrt(score.rho) if score.rho else inf
        return 50 - farthest, 50 + farthest
    return sum(low), sum(high)


def _ratio_reach(score: Score, low: float, high: float, *, over: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the ends of a ratio of sums that cannot be negative."""
    if set(score.items) <= set(score.over):
        return 0.0, 1.0
    below, above = sum(end[0] for end in over), sum(end[1] for end in over)
    return (low / above if above != inf else 0.0), (high / below if below > 0 else inf)


def as_form(instrument: Instrument, name: str | None) -> Instrument:
    """Return the instrument as it is when some items are not asked.

    Parameters
    ----------
    instrument : Instrument
        The complete one.
    name : str or None
        One of its forms; None for the complete one.

    Returns
    -------
    Instrument
        Scores without the items left out, with the range that follows. Its benchmarks and examples belong to the
        complete form and are dropped.

    Raises
    ------
    InstrumentError
        If the instrument has no such form; those it has are listed.
    """
    if name is None:
        return instrument
    if name not in instrument.forms:
        if not instrument.forms:
            problem = f"{instrument.abbreviation} is known in one form only."
            raise InstrumentError.build(problem, hint="leave form= out.")
        raise unknown_name(InstrumentError, f"{instrument.abbreviation} form", name, list(instrument.forms))
    form = instrument.forms[name]
    scores = {score.name: _without(score, form.left_out, instrument) for score in instrument.scores.values()}
    kept: Mapping[str, Score] = {key: score for key, score in scores.items() if score is not None}
    gone = {key: f"the form '{name}' leaves its items out" for key, score in scores.items() if score is None}
    return replace(
        instrument,
        form=name,
        forms={},
        scores=kept,
        unavailable={**instrument.unavailable, **gone},
        benchmarks=(),
        examples=(),
    )


def _without(score: Score, left_out: frozenset[int], instrument: Instrument) -> Score | None:
    """Return the score without some items, or None if it cannot be computed then."""
    if not left_out & set(score.all_items):
        return score
    items = tuple(item for item in score.items if item not in left_out)
    over = tuple(item for item in score.over if item not in left_out)
    if not items or score.rule == "lookup" or (score.rule == "ratio" and not over):
        return None
    weights = tuple(w for item, w in zip(score.items, score.weights, strict=False) if item not in left_out)
    shorter = replace(score, items=items, over=over, weights=weights)
    low, high = reach(shorter, instrument.minimum, instrument.maximum)
    sums = (sum(instrument.minimum[i - 1] for i in items), sum(instrument.maximum[i - 1] for i in items))
    return replace(shorter, low=low, high=high, sum_low=sums[0], sum_high=sums[1])
