"""All scores wanted, from the answers to the items: skips, missing answers, arithmetic, validity. Arrays in and out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from alliance_stats.scales.completion import FormWatch, with_form_mean, with_skips
from alliance_stats.scales.instrument_parts import Instrument, MissingRule, Score, Storage
from alliance_stats.scales.keying import FloatArray, Tallies, score_values, tally


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """Scores and what happened on the way.

    Parameters
    ----------
    scores : mapping of str to ndarray, shape (n_rows,)
        Scores by name, NaN where there is none.
    tallies : mapping of Part to Tally
        The totals they rest on.
    n_skipped : int
        Answers that were skipped and count by the rule of the form.
    n_invalid : int
        Forms that a rule calls invalid.
    n_prorated : mapping of str to int
        Scores that rest on fewer answers than items, by name.
    """

    scores: Mapping[str, FloatArray]
    tallies: Tallies
    n_skipped: int = 0
    n_invalid: int = 0
    n_prorated: Mapping[str, int]


def items_needed(instrument: Instrument, scores: Mapping[str, Score], rules: Mapping[str, MissingRule]) -> list[int]:
    """Return the items that the scores need, in printed order.

    Parameters
    ----------
    instrument : Instrument
        The scoring key.
    scores : mapping of str to Score
        The scores wanted.
    rules : mapping of str to MissingRule
        The rule for missing answers that applies to each.

    Returns
    -------
    list of int
        All items where a rule looks at the whole form.
    """
    own = {item for score in scores.values() for item in score.all_items}
    if _uses_form_mean(rules) or instrument.validity is not None:
        own |= {item for score in instrument.scores.values() for item in score.all_items}
    for skip in instrument.skips:
        if own & set(skip.skipped):
            own |= set(skip.when_items)
    return sorted(own)


def evaluate(
    answers_of: Callable[[int], FloatArray],
    scores: Mapping[str, Score],
    *,
    instrument: Instrument,
    storage: Storage,
    rules: Mapping[str, MissingRule],
) -> Evaluated:
    """Compute scores row by row.

    Parameters
    ----------
    answers_of : callable
        Gives the answers to an item as stored, shape (n_rows,), NaN where missing. Called once per item.
    scores : mapping of str to Score
        The scores wanted, by name.
    instrument : Instrument
        The scoring key.
    storage : Storage
        How the answers are stored.
    rules : mapping of str to MissingRule
        The rule for missing answers of each score.

    Returns
    -------
    Evaluated
    """
    items = items_needed(instrument, scores, rules)
    watch = FormWatch(instrument.validity) if instrument.validity is not None else None

    def watched(item: int) -> FloatArray:
        answers = answers_of(item)
        if watch is not None:
            watch.look(answers)
        return answers

    source: Callable[[int], FloatArray] = watched
    n_skipped = n_invalid = 0
    if instrument.skips or _uses_form_mean(rules):
        answers = {item: watched(item) for item in items}
        answers, n_skipped = with_skips(answers, instrument.skips, shift=storage.shift)
        if _uses_form_mean(rules):
            scales = [score for score in instrument.scores.values() if len(score.items) < (instrument.n_items or 0)]
            answers, n_invalid = with_form_mean(answers, scales, instrument=instrument, storage=storage)
        source = answers.__getitem__
    elif watch is not None:
        for item in set(items) - {item for score in scores.values() for item in score.all_items}:
            watched(item)
    tallies = tally(source, list(scores.values()), instrument=instrument, storage=storage)
    values = {name: score_values(score, tallies, missing=rules[name]) for name, score in scores.items()}
    if watch is not None:
        invalid = watch.invalid()
        n_invalid += int(np.count_nonzero(invalid))
        values = {name: np.where(invalid, np.nan, found) for name, found in values.items()}
    prorated = {
        name: int(np.count_nonzero(~np.isnan(values[name]) & (tallies[score.parts[0]].answered < len(score.items))))
        for name, score in scores.items()
    }
    return Evaluated(scores=values, tallies=tallies, n_skipped=n_skipped, n_invalid=n_invalid, n_prorated=prorated)


def _uses_form_mean(rules: Mapping[str, MissingRule]) -> bool:
    """Tell whether a rule looks at the whole form."""
    return any(rule.rule == "form_mean" for rule in rules.values())
