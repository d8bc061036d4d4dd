"""Turn the columns of an instrument's items into its scores."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from alliance_stats.errors import AllianceStatsWarning, ColumnError, InstrumentError, listing
from alliance_stats.scales.answer_check import ENOUGH_ANSWERS, AnswerCheck, OutOfRange
from alliance_stats.scales.answers import Items, raw_answers, warn_about_more_items
from alliance_stats.scales.arguments import require_frame
from alliance_stats.scales.evaluation import Evaluated, evaluate, items_needed
from alliance_stats.scales.goal_columns import goal_scores
from alliance_stats.scales.instrument import Instrument, bundled_keys, load_instrument, read_bundled
from alliance_stats.scales.instrument_parts import MissingRule, Score
from alliance_stats.scales.instrument_score import PRORATED
from alliance_stats.scales.keying import FloatArray
from alliance_stats.scales.occasions import Occasion, find_occasions
from alliance_stats.scales.score_notes import Scoring, opening, rules_of_the_form, sentence

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
    out_of_range: OutOfRange = "error",
) -> pd.DataFrame:
    """Score an instrument, row by row.

    Use it to get from the answers of a questionnaire to its scores by a key whose every fact has a source. Reversed
    items are turned, answers are checked against the range of the form, and every rule applied is written into
    ``attrs["notes"]`` of the result. Each row is scored on its own, so long tables with several raters or sessions
    need no preparation.

    Parameters
    ----------
    frame : DataFrame
        One row per filled-in form, or per patient with the forms of several sessions or raters side by side.
    instrument : str, Path or Instrument
        A key of `list_instruments`, the path of an instrument file of your own, or a loaded instrument.
    items : str, sequence of str, or mapping of int to str
        Where the answers are: a pattern with ``{}`` for the printed item number (``"wai{}"`` finds wai1 and wai01), the
        columns of all items in printed order, or a mapping from item number to column. A pattern with ``{item}`` and
        ``{session}``, ``{rater}`` or another canonical name, such as ``"wai{item}_t{session}"``, stands for several
        forms per row. Ratings without printed numbers are mapped by their names; goals are given by a pattern for the
        levels, or by ``{"level": "goal{}", "weight": "weight{}"}``. Answers as printed on the form, nothing reversed
        beforehand.
    scores : sequence of str, optional
        Names of the scores wanted, such as ``["task", "bond"]``; all if left out. Only the items of these need exist.
    missing : "complete" or mapping, optional
        What to do about missing answers. Left out: the rule of the instrument, which is "complete" where none was
        found in a source. ``"complete"``: one missing answer makes a score missing. ``{"max_missing": k}``: up to k
        missing answers per score count as the mean of the row's other answers to the items of that score.
    storage : str, optional
        How the answers were stored, where that decides what is reversed or shifted, such as ``"printed_values"`` or
        ``"list_positions"``.
    out_of_range : {"error", "missing"}
        What to do about answers that the form cannot have: refuse the data, or count them as missing and say how many.

    Returns
    -------
    DataFrame
        A copy of ``frame``, one row per row of ``frame``, with a column ``<key>_<score>`` per score, in points, NaN
        where too many answers are missing; with several forms per row ``<key>_<score>_session<n>`` or the like.
        ``attrs["notes"]`` is a tuple of sentences; earlier ones are kept.

    Raises
    ------
    InstrumentError
        If the instrument or a score is unknown or not supported by a source, if the storage has to be chosen, or if an
        answer lies outside the range of the form or is not whole where the form has whole numbers, unless
        ``out_of_range="missing"``.
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
    load_instrument : one instrument, in one of its forms.
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
    require_frame(frame, "score")
    key = instrument if isinstance(instrument, Instrument) else load_instrument(instrument)
    wanted = _wanted(key, scores)
    if out_of_range not in ("error", "missing"):
        raise InstrumentError.build(f"out_of_range={out_of_range!r} is no policy.", hint="use 'error' or 'missing'.")
    if key.has_goals:
        values, notes = goal_scores(frame, items, instrument=key, scores=wanted, out_of_range=out_of_range)
        return _joined(frame, values, notes)
    rules = {name: _rule(entry, missing) for name, entry in wanted.items()}
    scoring = Scoring(
        instrument=key,
        storage=key.storage_named(storage),
        scores=wanted,
        rules=rules,
        own_choice=missing is not None,
    )
    needed = items_needed(key, wanted, rules)
    occasions = find_occasions(frame, items, wanted=needed, n_items=key.n_items or 0, names=key.item_names)
    _refuse_existing(frame, [_column(scoring, name, one) for one in occasions for name in wanted])
    check = AnswerCheck(key, shift=scoring.storage.shift, out_of_range=out_of_range)
    found = [_evaluated(frame, scoring, one, check=check) for one in occasions]
    check.raise_if_broken()
    warn_about_more_items(frame, items, instrument=key, stacklevel=_CALLER)
    check.warn_about_version(_CALLER)
    _warn_about_shorter_range(key, check, _CALLER)
    _warn_if_against(scoring, found, _CALLER)
    values = {
        _column(scoring, name, one): result.scores[name]
        for one, result in zip(occasions, found, strict=True)
        for name in wanted
    }
    return _joined(frame, values, _notes(scoring, occasions, found, check=check))


def _joined(frame: pd.DataFrame, values: Mapping[str, FloatArray], notes: Sequence[str]) -> pd.DataFrame:
    """Return the frame with the scores and the notes added."""
    _refuse_existing(frame, list(values))
    scored = pd.concat([frame, pd.DataFrame(dict(values), index=frame.index)], axis=1)
    scored.attrs = {**frame.attrs, "notes": (*frame.attrs.get("notes", ()), *notes)}
    return scored


def _column(scoring: Scoring, name: str, occasion: Occasion) -> str:
    """Return the column of a score."""
    return f"{scoring.instrument.key}_{name}{occasion.suffix}"


def _evaluated(frame: pd.DataFrame, scoring: Scoring, occasion: Occasion, *, check: AnswerCheck) -> Evaluated:
    """Return the scores of one form per row, with what was seen in its answers added to the check."""

    def answers_of(item: int) -> FloatArray:
        column = occasion.columns[item]
        return check.look(raw_answers(frame, column), item, column)

    return evaluate(
        answers_of,
        scoring.scores,
        instrument=scoring.instrument,
        storage=scoring.storage,
        rules=scoring.rules,
    )


def _notes(
    scoring: Scoring, occasions: Sequence[Occasion], found: Sequence[Evaluated], *, check: AnswerCheck
) -> list[str]:
    """Return the sentences about the whole and about each score."""
    notes = [opening(scoring, check, list(occasions[0].columns), n_forms=len(occasions))]
    for name in scoring.scores:
        columns = {
            _column(scoring, name, one): result.scores[name] for one, result in zip(occasions, found, strict=True)
        }
        notes.append(sentence(scoring, name, columns, sum(result.n_prorated[name] for result in found)))
    return notes + rules_of_the_form(scoring, found)


def _wanted(instrument: Instrument, names: Sequence[str] | None) -> dict[str, Score]:
    """Return the scores wanted, by name."""
    if names is None:
        return dict(instrument.scores)
    chosen = [names] if isinstance(names, str) else list(names)
    if not chosen:
        raise InstrumentError.build("scores= is empty.", hint="leave it out to get all scores.")
    return {name: instrument.score_named(name) for name in chosen}


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
    if entry.rule not in PRORATED:
        raise InstrumentError.build(
            f"Score '{entry.name}' ({entry.rule.replace('_', ' ')}) cannot be prorated.",
            hint="use missing='complete', or name the other scores with scores=[...].",
        )
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


def _warn_about_shorter_range(instrument: Instrument, check: AnswerCheck, stacklevel: int) -> None:
    """Warn if many answers stay within the shorter range of a form that this one is confused with."""
    if check.shift or check.n_answers < 5 * ENOUGH_ANSWERS or not instrument.maximum:
        return
    for name in instrument.confused_with:
        if name not in bundled_keys():
            continue
        other = read_bundled(name)
        same_start = other.minimum and min(other.minimum) == min(instrument.minimum)
        if same_start and check.highest <= max(other.maximum) < max(instrument.maximum):
            warnings.warn(
                f"{instrument.abbreviation} is answered up to {max(instrument.maximum):g}, but none of "
                f"{check.n_answers} answers is above {max(other.maximum):g}, the highest of '{name}' "
                f"({instrument.confused_with[name]}): compare with the form that was used.",
                AllianceStatsWarning,
                stacklevel=stacklevel,
            )
            return


def _warn_if_against(scoring: Scoring, found: Sequence[Evaluated], stacklevel: int) -> None:
    """Warn once if reversed items run against the others after reversal."""
    for entry in scoring.scores.values():
        part = entry.parts[0]
        if part.kind != "sum":
            continue
        counted = [result.tallies[part] for result in found]
        known = [one.answered == len(part.items) for one in counted]
        plain = np.concatenate([one.plain[rows] for one, rows in zip(counted, known, strict=True)])
        turned = np.concatenate([one.turned[rows] for one, rows in zip(counted, known, strict=True)])
        if plain.size < 10 or np.ptp(plain) == 0 or np.ptp(turned) == 0:
            continue
        correlation = float(np.corrcoef(plain, turned)[0, 1])
        if correlation < AGAINST:
            warnings.warn(
                f"{scoring.instrument.abbreviation}, score '{entry.name}': after reversal the reversed items run "
                f"against the others (r = {correlation:.2f} in {plain.size} rows). They may have been reversed before: "
                "pass the answers as printed.",
                AllianceStatsWarning,
                stacklevel=stacklevel,
            )
            return
