"""What a scored table says about how it was scored: each rule with its source, and what it was applied to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from alliance_stats.scales.answer_check import AnswerCheck
from alliance_stats.scales.evaluation import Evaluated
from alliance_stats.scales.instrument_parts import Instrument, MissingRule, Score, Storage


@dataclass(frozen=True, kw_only=True)
class Scoring:
    """What was decided before scoring.

    Parameters
    ----------
    instrument : Instrument
        The key.
    storage : Storage
        How the answers were stored.
    scores : mapping of str to Score
        The scores computed.
    rules : mapping of str to MissingRule
        What was done about missing answers, by score.
    own_choice : bool
        Whether the user chose the rule for missing answers.
    """

    instrument: Instrument
    storage: Storage
    scores: Mapping[str, Score]
    rules: Mapping[str, MissingRule]
    own_choice: bool


def opening(scoring: Scoring, check: AnswerCheck, items: Sequence[int], *, n_forms: int) -> str:
    """Return the sentence about instrument, form, reversal and missing answers.

    Parameters
    ----------
    scoring : Scoring
        What was decided.
    check : AnswerCheck
        What was seen in the answers.
    items : sequence of int
        The items used.
    n_forms : int
        Forms per row.

    Returns
    -------
    str
    """
    instrument, way = scoring.instrument, scoring.storage
    turned = sorted(item for item in way.reversed_items if item in items)
    reversal = f"items {', '.join(map(str, turned))} reversed" if turned else "no item reversed"
    source = f" [{instrument.refs(instrument.key_sources)}]" if instrument.key_sources else ""
    stored = "" if way.name == "as_printed" else f" (stored as {way.name}: {way.description}"
    stored += f"; {way.shift:+g} to each answer)" if stored and way.shift else ")" if stored else ""
    total = check.n_answers + check.n_missing
    finer = f"; {check.n_between_steps} answers finer than {instrument.step:g}" if check.n_between_steps else ""
    made = f"; {check.n_made_missing} impossible answers count as missing, as asked" if check.n_made_missing else ""
    forms = f"; {n_forms} forms per row" if n_forms > 1 else ""
    return (
        f"{instrument.abbreviation}{_form(instrument)}: {len(items)} items, {reversal}{stored}{source}{forms}; "
        f"{check.n_missing} of {total} answers missing{finer}{made}. Key: {instrument.cite()}"
    )


def _form(instrument: Instrument) -> str:
    """Return which form was scored, if there are several."""
    if instrument.form:
        return f", form '{instrument.form}'"
    return f", complete form (others: {', '.join(instrument.forms)})" if instrument.forms else ""


def sentence(scoring: Scoring, name: str, columns: Mapping[str, np.ndarray], n_prorated: int) -> str:
    """Return the sentence about one score: rule, source, and how many are missing or prorated.

    Parameters
    ----------
    scoring : Scoring
        What was decided.
    name : str
        The score.
    columns : mapping of str to ndarray
        The score columns that hold it, one per form, each of shape (n_rows,).
    n_prorated : int
        Scores that rest on fewer answers than items.

    Returns
    -------
    str
    """
    instrument, score, rule = scoring.instrument, scoring.scores[name], scoring.rules[name]
    values = np.concatenate(list(columns.values()))
    n_missing = int(np.isnan(values).sum())
    missing_source = instrument.refs(rule.sources) or rule.note
    lost = f"; {n_missing} of {values.size} scores missing{_by_form(columns)}" if n_missing else ""
    because = " because too many answers were" if n_missing else ""
    part = f"; {n_prorated} of {values.size} scores rest on fewer answers" if n_prorated else ""
    own = f" (the instrument's own rule: {score.missing.describe()})" if scoring.own_choice else ""
    return (
        f"{instrument.key}_{name}: {score.describe()}, {score.direction.replace('_', ' ')} "
        f"[{instrument.refs(score.sources)}]; missing answers: {rule.describe()}, {missing_source}{own}"
        f"{part}{lost}{because}."
    )


def _by_form(columns: Mapping[str, np.ndarray]) -> str:
    """Return how many scores are missing in each form, when there are several."""
    if len(columns) < 2:
        return ""
    counts = ", ".join(f"{name} {int(np.isnan(values).sum())}" for name, values in columns.items())
    return f" ({counts})"


def rules_of_the_form(scoring: Scoring, evaluated: Sequence[Evaluated]) -> list[str]:
    """Return the sentences about skipped items and invalid forms.

    Parameters
    ----------
    scoring : Scoring
        What was decided.
    evaluated : sequence of Evaluated
        What came out, one per form.

    Returns
    -------
    list of str
    """
    instrument = scoring.instrument
    notes = []
    if instrument.skips:
        n_skipped = sum(one.n_skipped for one in evaluated)
        rules = "; ".join(f"{skip.describe()} [{instrument.refs(skip.sources)}]" for skip in instrument.skips)
        notes.append(f"{instrument.abbreviation}: {rules}; {n_skipped} answers filled in so.")
    n_invalid = sum(one.n_invalid for one in evaluated)
    if instrument.validity is not None:
        source = instrument.refs(instrument.validity.sources)
        notes.append(f"{instrument.abbreviation}: {instrument.validity.describe()} [{source}]; {n_invalid} are.")
    elif n_invalid:
        notes.append(
            f"{instrument.abbreviation}: {n_invalid} forms are invalid because a scale misses too many answers."
        )
    return notes
