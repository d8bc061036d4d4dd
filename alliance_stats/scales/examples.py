"""The worked examples of an instrument: whether they come out, and whether they would if the key were wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from alliance_stats.scales.evaluation import evaluate
from alliance_stats.scales.goals import goal_attainment_t
from alliance_stats.scales.instrument_parts import Example, Instrument, Score, Storage
from alliance_stats.scales.instrument_ranges import as_form
from alliance_stats.scales.keying import FloatArray, keyed_answers

EXAMPLE_TOLERANCE = 5.1e-5
"""Largest difference between a worked example and its score, in points: examples carry four decimals."""

Failure = tuple[str, str, float, float]
"""Label of the example, name of the score, the score given and the score computed."""


def failing_examples(instrument: Instrument) -> list[Failure]:
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
    failures: list[Failure] = []
    for form, storage in dict.fromkeys((example.form, example.storage) for example in instrument.examples):
        examples = [entry for entry in instrument.examples if (entry.form, entry.storage) == (form, storage)]
        version = as_form(instrument, form)
        computed = _scores_of(version, examples, storage)
        for row, example in enumerate(examples):
            for name, expected in example.scores.items():
                value = float(computed[name][row])
                if not np.isclose(value, expected, rtol=0, atol=EXAMPLE_TOLERANCE, equal_nan=True):
                    failures.append((example.label, name, expected, value))
    return failures


def _scores_of(instrument: Instrument, examples: list[Example], storage: str | None) -> Mapping[str, FloatArray]:
    """Return all scores of some examples, each of shape (n_examples,)."""
    if instrument.has_goals:
        width = max(len(example.answers) for example in examples)
        levels, weights = (np.full((len(examples), width), np.nan) for _ in range(2))
        for row, example in enumerate(examples):
            levels[row, : len(example.answers)] = example.answers
            weights[row, : len(example.weights)] = example.weights
        return {name: goal_attainment_t(levels, weights, rho=one.rho) for name, one in instrument.scores.items()}
    answers = np.array([example.answers for example in examples], dtype=np.float64)
    return evaluate(
        lambda item: answers[:, item - 1],
        instrument.scores,
        instrument=instrument,
        storage=instrument.storage_named(storage),
        rules={name: score.missing for name, score in instrument.scores.items()},
    ).scores


def unnoticed_errors(instrument: Instrument) -> list[str]:
    """List the errors of the key that the worked examples would not notice.

    Every reversal is flipped, every item left out of every score it belongs to, and every item of a score exchanged
    with every other item of the instrument.

    Parameters
    ----------
    instrument : Instrument
        Whose examples come out.

    Returns
    -------
    list of str
        One sentence each; empty when the examples notice everything.
    """
    return [*_unnoticed_reversals(instrument), *_unnoticed_memberships(instrument), *_unnoticed_exchanges(instrument)]


def _unnoticed_reversals(instrument: Instrument) -> Iterator[str]:
    """Yield the reversals whose flipping no example notices."""
    used = {item for score in instrument.scores.values() for item in score.all_items}
    # An item without a highest answer cannot be reversed.
    used -= {item for item in used if instrument.maximum[item - 1] == np.inf}
    for name, way in instrument.storages.items():
        for item in sorted(used):
            changed = replace(way, reversed_items=way.reversed_items ^ {item})
            if not failing_examples(replace(instrument, storages={**instrument.storages, name: changed})):
                yield f"item {item} reversed or not ({name})"


def shortened(score: Score, item: int) -> Score:
    """Return a score without one of its items, keeping the weights of the others."""
    places = [place for place, other in enumerate(score.items) if other != item]
    weights = tuple(score.weights[place] for place in places) if score.weights else ()
    return replace(
        score,
        items=tuple(score.items[place] for place in places),
        weights=weights,
        over=tuple(other for other in score.over if other != item),
    )


def _unnoticed_memberships(instrument: Instrument) -> Iterator[str]:
    """Yield the items that can be left out of a score without an example noticing."""
    for name, score in instrument.scores.items():
        for item in score.all_items:
            shorter = shortened(score, item)
            if not shorter.items or (score.over and not shorter.over):
                continue
            if not failing_examples(replace(instrument, scores={**instrument.scores, name: shorter})):
                yield f"item {item} in score '{name}' or not"


def _unnoticed_exchanges(instrument: Instrument) -> Iterator[str]:
    """Yield pairs of an item of a score and one outside with the same keyed answers in all examples."""
    for name, score in instrument.scores.items():
        keyed = _keyed_by_item(instrument, name)
        inside = {item: keyed[item] for item in score.items if item in keyed}
        outside = {item: values for item, values in keyed.items() if item not in score.all_items}
        for first, own in inside.items():
            for second, other in outside.items():
                if np.array_equal(own, other, equal_nan=True):
                    yield f"item {first} or {second} in score '{name}'"


def _keyed_by_item(instrument: Instrument, score: str) -> Mapping[int, FloatArray]:
    """Return the keyed answers of the examples that give a score, by item, each of shape (n_examples,)."""
    if instrument.has_goals or instrument.n_items is None:
        return {}
    examples = [example for example in instrument.examples if score in example.scores]
    found = {}
    for item in range(1, instrument.n_items + 1):
        values = [_keyed(instrument, item, example) for example in examples]
        found[item] = np.concatenate(values) if values else np.zeros(0)
    return found


def _keyed(instrument: Instrument, item: int, example: Example) -> FloatArray:
    """Return the keyed answer of an example to an item, shape (1,)."""
    way: Storage = instrument.storage_named(example.storage)
    answer = np.array([example.answers[item - 1]], dtype=np.float64)
    return keyed_answers(answer, item, instrument=instrument, storage=way)
