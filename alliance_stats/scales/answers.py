"""Find the columns that hold an instrument's answers, and refuse answers the instrument cannot have."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from alliance_stats.columns import CANONICAL, numeric_values, require_columns
from alliance_stats.errors import AllianceStatsWarning, ColumnError, InstrumentError, listing
from alliance_stats.scales.instrument_parts import Instrument
from alliance_stats.scales.keying import FloatArray

Items = str | Sequence[str] | Mapping[int, str]
"""How item columns are named: a pattern such as ``"wai{}"``, all columns in item order, or item number to column."""

ENOUGH_ANSWERS = 40
"""Answers needed before their pattern is taken as a sign of another version; below that it may be chance."""

_SHOWN_LIMIT = 1000
"""Values at or beyond it are no ratings and no usual codes for a missing answer, and are never shown."""


def item_columns(frame: pd.DataFrame, items: Items, *, wanted: Iterable[int], n_items: int) -> dict[int, str]:
    """Find the column of every item wanted.

    Parameters
    ----------
    frame : DataFrame
        Holds the answers.
    items : str, sequence of str, or mapping of int to str
        A pattern with one ``{}`` for the item number (``"wai{}"`` finds wai1 as well as wai01), the columns of all
        items in printed order, or a mapping from item number to column.
    wanted : iterable of int
        The items needed.
    n_items : int
        Number of items of the instrument.

    Returns
    -------
    dict of int to str
        Item number to column.

    Raises
    ------
    ColumnError
        If a column is missing, stands for two items, is found twice, or holds ids.
    """
    if isinstance(items, str):
        columns = _by_pattern(frame, items, list(wanted))
    elif isinstance(items, Mapping):
        columns = _by_mapping(items, list(wanted), n_items)
    else:
        columns = _by_order(list(items), list(wanted), n_items)
    require_columns(frame, columns.values(), hint="check items=; a pattern has {} where the item number stands.")
    names = list(columns.values())
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ColumnError.build(f"{listing(twice)}: one column for two items.", hint="name one column per item.")
    reserved = [name for name in names if name in CANONICAL]
    if reserved:
        raise ColumnError.build(
            f"Column '{reserved[0]}' holds {CANONICAL[reserved[0]]}, not answers.", hint="correct items=."
        )
    return columns


def _by_pattern(frame: pd.DataFrame, pattern: str, wanted: Sequence[int]) -> dict[int, str]:
    """Return item number to column for a pattern."""
    found = numbered_columns(frame, pattern)
    double = {item: names for item, names in found.items() if len(names) > 1 and item in wanted}
    if double:
        item, names = next(iter(double.items()))
        raise ColumnError.build(
            f"The pattern '{pattern}' is ambiguous: item {item} could be {' or '.join(names)}.",
            hint="drop one of the columns, or list the item columns: items=[...].",
        )
    return {item: found[item][0] if item in found else pattern.replace("{}", str(item)) for item in wanted}


def numbered_columns(frame: pd.DataFrame, pattern: str) -> dict[int, list[str]]:
    """Return the columns that fit a pattern, by number."""
    if pattern.count("{}") != 1:
        raise ColumnError.build(
            f"The pattern '{pattern}' must hold {{}} once, where the item number stands.",
            hint="write for example items='wai{}' for the columns wai1, wai2, wai3.",
        )
    before, after = (re.escape(part) for part in pattern.split("{}"))
    found: dict[int, list[str]] = {}
    for column in dict.fromkeys(name for name in frame.columns if isinstance(name, str)):
        match = re.fullmatch(f"{before}([0-9]+){after}", column)
        if match:
            found.setdefault(int(match[1]), []).append(column)
    return found


def _by_mapping(items: Mapping[int, str], wanted: Sequence[int], n_items: int) -> dict[int, str]:
    """Return item number to column for a mapping."""
    unknown = [item for item in items if item not in range(1, n_items + 1)]
    if unknown:
        raise ColumnError.build(
            f"items= names items that do not exist: {listing(unknown)}.", hint=f"items are numbered 1 to {n_items}."
        )
    lacking = [item for item in wanted if item not in items]
    if lacking:
        raise ColumnError.build(f"items= names no column for item {listing(lacking)}.", hint="add {number: 'column'}.")
    return {item: items[item] for item in wanted}


def _by_order(items: Sequence[str], wanted: Sequence[int], n_items: int) -> dict[int, str]:
    """Return item number to column for a list."""
    if len(items) != n_items:
        raise ColumnError.build(
            f"items= lists {len(items)} columns; the instrument has {n_items} items.",
            hint="list the columns of all items in printed order, or pass a mapping from item number to column.",
        )
    return {item: items[item - 1] for item in wanted}


def warn_about_more_items(frame: pd.DataFrame, items: Items, *, instrument: Instrument, stacklevel: int) -> None:
    """Warn if the frame has at least two more numbered columns than the instrument has items.

    One more is common, such as the impairment question that follows the PHQ-9.
    """
    if not isinstance(items, str) or instrument.n_items is None:
        return
    more = [item for item in numbered_columns(frame, items) if item > instrument.n_items]
    if len(more) < 2:
        return
    warnings.warn(
        f"{instrument.abbreviation} has {instrument.n_items} items, but columns '{items}' go up to {max(more)}: "
        f"the data may come from a longer form with another key. {_others(instrument)}",
        AllianceStatsWarning,
        stacklevel=stacklevel,
    )


def _others(instrument: Instrument) -> str:
    """Return what the instrument is confused with, as a remedy."""
    if not instrument.confused_with:
        return "Compare the item numbers with the printed form."
    return "Compare with " + "; ".join(f"'{key}': {how}" for key, how in instrument.confused_with.items()) + "."


def raw_answers(frame: pd.DataFrame, column: str) -> FloatArray:
    """Return an item column as floats, NaN where missing, shape (n_rows,)."""
    values = frame[column]
    if isinstance(values, pd.Series) and isinstance(values.dtype, np.dtype) and values.dtype.kind in "iuf":
        return np.ascontiguousarray(values.to_numpy(), dtype=np.float64)
    return numeric_values(frame, column)


@dataclass
class AnswerCheck:
    """Look at each item's answers once and remember what does not fit.

    Parameters
    ----------
    instrument : Instrument
        Gives range and step of the answers.
    """

    instrument: Instrument
    problems: list[str] = field(default_factory=list)
    lowest: float = np.inf
    highest: float = -np.inf
    n_answers: int = 0
    n_missing: int = 0
    n_between_steps: int = 0
    all_whole: bool = True

    def look(self, answers: FloatArray, item: int, column: str) -> None:
        """Add the answers to one item, shape (n_rows,)."""
        low, high = self.instrument.minimum[item - 1], self.instrument.maximum[item - 1]
        n_missing = int(np.count_nonzero(np.isnan(answers)))
        self.n_missing += n_missing
        self.n_answers += answers.size - n_missing
        if n_missing == answers.size:
            return
        lowest, highest = float(np.fmin.reduce(answers)), float(np.fmax.reduce(answers))
        self.lowest, self.highest = min(self.lowest, lowest), max(self.highest, highest)
        if lowest < low or highest > high:
            outside = (answers < low) | (answers > high)
            self.problems.append(_problem(column, item, f"outside {low:g}-{high:g}", answers[outside]))
            answers = answers[~outside]
        self._look_between_steps(answers, item, column)

    def _look_between_steps(self, answers: FloatArray, item: int, column: str) -> None:
        """Add what is known about answers between the steps of the scale, shape (n_rows,)."""
        # NaN compares as different from itself, so every missing answer is counted here as well.
        n_missing = int(np.count_nonzero(np.isnan(answers)))
        if np.count_nonzero(answers != np.rint(answers)) == n_missing:
            return
        self.all_whole = False
        broken = answers[(answers != np.rint(answers)) & ~np.isnan(answers)]
        if self.instrument.step == 1:
            self.problems.append(_problem(column, item, "not whole", broken))
            return
        steps = (broken - self.instrument.minimum[item - 1]) / self.instrument.step
        self.n_between_steps += int(np.count_nonzero(np.abs(steps - np.rint(steps)) > 1e-6))

    def raise_if_broken(self) -> None:
        """Raise an InstrumentError that names every column with answers the instrument cannot have."""
        if not self.problems:
            return
        raise InstrumentError.build(
            f"{self.instrument.abbreviation} is answered {self._span()}. Not so: {listing(self.problems)}.",
            hint=self._remedy(),
        )

    def warn_about_version(self, stacklevel: int) -> None:
        """Warn if answers that fit look as if they came from another coding or version."""
        instrument = self.instrument
        if self.n_answers < ENOUGH_ANSWERS or min(instrument.minimum) != 0 or self.lowest < 1:
            return
        if instrument.step == 1:
            if self.lowest > 1:
                return
            top = max(instrument.maximum)
            text = (
                f"{instrument.abbreviation} is answered {self._span()}, but not one of {self.n_answers} answers is 0: "
                f"they may be coded 1-{top + 1:g}. Compare one answer with the form, and subtract 1 from all if so."
            )
        elif self.all_whole:
            text = (
                f"{instrument.abbreviation} is marked on lines from 0 to {max(instrument.maximum):g}, but all "
                f"{self.n_answers} answers are whole numbers from 1 upwards: they may be ratings of 1-10, which give "
                "other totals. Compare with the form that was used, and do not apply published cut-offs if so."
            )
        else:
            return
        warnings.warn(text, AllianceStatsWarning, stacklevel=stacklevel)

    def _span(self) -> str:
        """Return range and kind of the answers in words."""
        low, high = min(self.instrument.minimum), max(self.instrument.maximum)
        kind = "in whole numbers" if self.instrument.step == 1 else "with decimals"
        return f"{low:g}-{high:g} {kind}"

    def _remedy(self) -> str:
        """Return what to do about answers that do not fit."""
        low, high = min(self.instrument.minimum), max(self.instrument.maximum)
        shift = self.lowest - low
        if abs(shift) == 1 and self.highest - high == shift:
            todo = "subtract 1 from all answers" if shift > 0 else "add 1 to all answers"
            first = f"all answers lie in {self.lowest:g}-{self.highest:g}: if the form says so too, {todo}."
        else:
            first = "name codes for 'no answer' when reading, read_sessions(..., missing=[99]), and correct the rest."
        return f"{first} {_others(self.instrument)}"


def _problem(column: str, item: int, what: str, values: FloatArray) -> str:
    """Return one column's trouble in words: how many answers, and which ratings."""
    distinct = np.unique(values)
    shown = [f"{value:g}" for value in distinct if abs(value) < _SHOWN_LIMIT]
    hidden = distinct.size - len(shown)
    if hidden:
        shown.append(f"{hidden} of {_SHOWN_LIMIT} and more, or below -{_SHOWN_LIMIT}")
    answers = "answer" if values.size == 1 else "answers"
    return f"column '{column}' (item {item}): {values.size} {answers} {what} ({listing(shown)})"
