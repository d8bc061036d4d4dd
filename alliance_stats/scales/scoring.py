"""Turn the columns of an instrument's items into its scores."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from alliance_stats.errors import AllianceStatsWarning, ColumnError, DataError, InstrumentError, listing
from alliance_stats.scales.answers import AnswerCheck, Items, item_columns, raw_answers, warn_about_more_items
from alliance_stats.scales.instrument import Instrument, load_instrument
from alliance_stats.scales.instrument_parts import MissingRule, Score, Storage
from alliance_stats.scales.keying import FloatArray, Tally, score_values, tally

MissingChoice = Literal["complete"] | Mapping[str, int]
"""A user's rule for missing answers: ``"complete"``, or ``{"max_missing": 2}`` for the person mean."""

AGAINST = -0.3
"""Correlation between reversed and other items below which the reversal is doubtful."""

_CALLER = 3
"""Stack level of the caller of `score` as seen from a helper of `score`."""


def score(
    frame: pd.DataFrame,
    instrument: str | Path | Instrument,
    *,
    items: Items,
    scores: Sequence[str] | None = None,
    missing: MissingChoice | None = None,
    storage: str | None = None,
) -> pd.DataFrame:
    """Score an instrument, row by row.

    Reversed items are turned, answers are checked against the range of the form, and every rule applied is written into
    ``frame.attrs["notes"]``. Each row is scored on its own, so long tables with several raters or sessions need no
    preparation.

    Parameters
    ----------
    frame : DataFrame
        One row per filled-in form.
    instrument : str, Path or Instrument
        A key of `list_instruments`, the path of an instrument file of your own, or a loaded instrument.
    items : str, sequence of str, or mapping of int to str
        Where the answers are: a pattern with ``{}`` for the printed item number (``"wai{}"`` finds wai1 and wai01), the
        columns of all items in printed order, or a mapping from item number to column. Answers as printed on the form,
        nothing reversed beforehand.
    scores : sequence of str, optional
        Names of the scores wanted, such as ``["task", "bond"]``; all if left out. Only the items of these need exist.
    missing : "complete" or mapping, optional
        What to do about missing answers. Left out: the rule of the instrument, which is "complete" where none was
        found in a source. ``"complete"``: one missing answer makes a score missing. ``{"max_missing": k}``: up to k
        missing answers per score count as the mean of the row's other answers to the items of that score.
    storage : str, optional
        How the answers were stored, for the few instruments where that decides what is reversed, such as
        ``"printed_values"`` or ``"list_positions"``.

    Returns
    -------
    DataFrame
        A copy of ``frame``, one row per row of ``frame``, with a column ``<key>_<score>`` per score, in points, NaN
        where too many answers are missing. ``attrs["notes"]`` is a tuple of sentences; earlier ones are kept.

    Raises
    ------
    InstrumentError
        If the instrument or a score is unknown or not supported by a source, if the storage has to be chosen, or if an
        answer lies outside the range of the form or is not whole where the form has whole numbers.
    ColumnError
        If an item column is missing, ambiguous or not numeric, or if the frame has a score column already.
    DataError
        If the frame has no rows or is not a pandas DataFrame.

    Warns
    -----
    AllianceStatsWarning
        If the answers look as if they came from another version or coding of the form, or if reversed items run
        against the others after reversal, as they do when they had been reversed before.

    See Also
    --------
    list_instruments : what can be scored.
    reliability : internal consistency of the items.

    Notes
    -----
    A reversed answer is minimum + maximum - x. With the person mean, a mean score is the mean of the answered items and
    a sum is that mean times the number of items. The person mean treats the missing answers as if they resembled the
    others; it does not reflect the uncertainty about them. Nothing is imputed from other rows.

    Examples
    --------
    >>> import alliance_stats as al
    >>> import pandas as pd
    >>> answers = pd.DataFrame([[7.4, 8.1, 6.9, 9.0], [3.0, 2.5, None, 4.1]], columns=["srs1", "srs2", "srs3", "srs4"])
    >>> al.score(answers, "srs_v3", items="srs{}")["srs_v3_sum"].round(1).tolist()
    [31.4, nan]
    """
    if not isinstance(frame, pd.DataFrame):
        raise DataError.build("score() needs a pandas DataFrame.", hint="convert it first, for example .to_pandas().")
    key = instrument if isinstance(instrument, Instrument) else load_instrument(instrument)
    wanted = _wanted(key, scores)
    way = key.storage_named(storage)
    rules = {name: _rule(entry, missing) for name, entry in wanted.items()}
    columns = item_columns(frame, items, wanted=_items_of(wanted), n_items=key.n_items or 0)
    names = {name: f"{key.key}_{name}" for name in wanted}
    _refuse_existing(frame, list(names.values()))
    check, tallies = _collect(frame, key, wanted, columns, way)
    check.raise_if_broken()
    warn_about_more_items(frame, items, instrument=key, stacklevel=_CALLER)
    check.warn_about_version(_CALLER)
    _warn_if_against(key, wanted, tallies, _CALLER)
    values = {
        names[name]: score_values(entry, tallies[entry.items], missing=rules[name]) for name, entry in wanted.items()
    }
    scored = pd.concat([frame, pd.DataFrame(values, index=frame.index)], axis=1)
    notes = [_opening(key, way, check, columns)]
    notes += [_sentence(key, wanted[name], rules[name], values[names[name]], missing) for name in wanted]
    scored.attrs = {**frame.attrs, "notes": (*frame.attrs.get("notes", ()), *notes)}
    return scored


def _wanted(instrument: Instrument, names: Sequence[str] | None) -> dict[str, Score]:
    """Return the scores wanted, by name."""
    if names is None:
        return dict(instrument.scores)
    chosen = [names] if isinstance(names, str) else list(names)
    if not chosen:
        raise InstrumentError.build("scores= is empty.", hint="leave it out to get all scores.")
    return {name: instrument.score_named(name) for name in chosen}


def _items_of(scores: Mapping[str, Score]) -> list[int]:
    """Return the items of all scores in printed order."""
    return sorted({item for entry in scores.values() for item in entry.items})


def _rule(entry: Score, choice: MissingChoice | None) -> MissingRule:
    """Return the rule for missing answers that applies to a score."""
    if choice is None:
        return entry.missing
    if choice == "complete":
        return MissingRule(note="chosen by the user")
    most = choice.get("max_missing") if isinstance(choice, Mapping) and set(choice) == {"max_missing"} else None
    if not isinstance(most, int) or isinstance(most, bool) or most < 0:
        raise InstrumentError.build(
            f"missing={choice!r} is not a rule.", hint="use None, 'complete' or {'max_missing': 1} with a whole number."
        )
    if most == 0:
        return MissingRule(note="chosen by the user")
    if most >= len(entry.items):
        raise InstrumentError.build(
            f"max_missing = {most}, but score '{entry.name}' has {len(entry.items)} items.",
            hint="at least one item must be answered; choose a smaller number, or name the scores with scores=[...].",
        )
    return MissingRule(rule="person_mean", max_missing=most, note="chosen by the user")


def _refuse_existing(frame: pd.DataFrame, names: Sequence[str]) -> None:
    """Raise if a score column is there already."""
    taken = [f"'{name}'" for name in names if name in frame.columns]
    if taken:
        raise ColumnError.build(
            f"The frame has {listing(taken)} already.", hint="drop or rename it before scoring, so that none is lost."
        )


def _collect(
    frame: pd.DataFrame, instrument: Instrument, wanted: Mapping[str, Score], columns: Mapping[int, str], way: Storage
) -> tuple[AnswerCheck, dict[tuple[int, ...], Tally]]:
    """Return the checked answers' summary and the totals per set of items."""
    check = AnswerCheck(instrument)

    def answers_of(item: int) -> FloatArray:
        answers = raw_answers(frame, columns[item])
        check.look(answers, item, columns[item])
        return answers

    return check, tally(answers_of, list(wanted.values()), instrument=instrument, storage=way)


def _warn_if_against(
    instrument: Instrument, wanted: Mapping[str, Score], tallies: Mapping[tuple[int, ...], Tally], stacklevel: int
) -> None:
    """Warn once if reversed items run against the others after reversal."""
    for entry in wanted.values():
        counted = tallies[entry.items]
        known = counted.answered == len(entry.items)
        plain, turned = counted.plain[known], counted.turned[known]
        if plain.size < 10 or np.ptp(plain) == 0 or np.ptp(turned) == 0:
            continue
        correlation = float(np.corrcoef(plain, turned)[0, 1])
        if correlation < AGAINST:
            warnings.warn(
                f"{instrument.abbreviation}, score '{entry.name}': after reversal the reversed items run against the "
                f"others (r = {correlation:.2f} in {plain.size} rows). They may have been reversed before: pass the "
                "answers as printed.",
                AllianceStatsWarning,
                stacklevel=stacklevel,
            )
            return


def _opening(instrument: Instrument, way: Storage, check: AnswerCheck, columns: Mapping[int, str]) -> str:
    """Return the sentence about instrument, reversal and missing answers."""
    turned = sorted(item for item in way.reversed_items if item in columns)
    reversal = f"items {', '.join(map(str, turned))} reversed" if turned else "no item reversed"
    stored = "" if way.name == "as_printed" else f" (stored as {way.name})"
    total = check.n_answers + check.n_missing
    finer = f"; {check.n_between_steps} answers finer than {instrument.step:g}" if check.n_between_steps else ""
    return (
        f"{instrument.abbreviation}: {len(columns)} items, {reversal}{stored}; "
        f"{check.n_missing} of {total} answers missing{finer}. Key: {instrument.cite()}"
    )


def _sentence(
    instrument: Instrument, entry: Score, rule: MissingRule, values: FloatArray, choice: MissingChoice | None
) -> str:
    """Return the sentence about one score: rule, source and how many are missing."""
    refs = {source.id: source.ref for source in instrument.sources}
    source = listing([refs[name] for name in entry.sources])
    n_missing = int(np.isnan(values).sum())
    missing_source = listing([refs[name] for name in rule.sources]) or rule.note
    lost = f"; {n_missing} of {values.size} scores missing because too many answers were" if n_missing else ""
    own = f" (the instrument's own rule: {entry.missing.describe()})" if choice is not None else ""
    return (
        f"{instrument.key}_{entry.name}: {entry.describe()}, {entry.direction.replace('_', ' ')} [{source}]; "
        f"missing answers: {rule.describe()}, {missing_source}{own}{lost}."
    )
