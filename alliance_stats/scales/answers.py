"""Find the columns that hold an instrument's answers, and refuse answers the instrument cannot have."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from alliance_stats.columns import CANONICAL, numeric_values, require_columns
from alliance_stats.errors import AllianceStatsWarning, ColumnError, listing
from alliance_stats.scales.answer_check import AnswerCheck, others_in_words
from alliance_stats.scales.instrument_parts import Instrument
from alliance_stats.scales.keying import FloatArray

__all__ = [
    "AnswerCheck",
    "Items",
    "item_columns",
    "numbered_columns",
    "raw_answers",
    "refuse_wrong_columns",
    "warn_about_more_items",
]

Items = str | Sequence[str] | Mapping[int, str] | Mapping[str, str]
"""How item columns are named: a pattern such as ``"wai{}"``, all columns in item order, or item number to column.

Ratings without printed numbers are mapped by their names; goals by ``{"level": "goal{}", "weight": "weight{}"}``.
"""


def item_columns(
    frame: pd.DataFrame, items: Items, *, wanted: Iterable[int], n_items: int, names: Sequence[str] = ()
) -> dict[int, str]:
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
    names : sequence of str
        Names of the items, for ratings that have no printed numbers; a mapping may use them.

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
        columns = _by_mapping(items, list(wanted), n_items, names)
    elif isinstance(items, Iterable):
        columns = _by_order(list(items), list(wanted), n_items)
    else:
        raise ColumnError.build(
            f"items= is {type(items).__name__}.",
            hint="say where the answers are: items='wai{}', a list of columns, or {1: 'column', ...}.",
        )
    refuse_wrong_columns(frame, list(columns.values()))
    return columns


def refuse_wrong_columns(frame: pd.DataFrame, columns: Sequence[str]) -> None:
    """Raise a ColumnError if a column of answers is missing, named twice, or holds ids."""
    require_columns(frame, columns, hint="check items=; a pattern has {} where the item number stands.")
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise ColumnError.build(f"{listing(twice)}: one column for two items.", hint="name one column per item.")
    reserved = [name for name in columns if name in CANONICAL]
    if reserved:
        raise ColumnError.build(
            f"Column '{reserved[0]}' holds {CANONICAL[reserved[0]]}, not answers.", hint="correct items=."
        )


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


def _by_mapping(
    items: Mapping[int, str] | Mapping[str, str], wanted: Sequence[int], n_items: int, names: Sequence[str]
) -> dict[int, str]:
    """Return item number to column for a mapping."""
    by_name = {name: number for number, name in enumerate(names, start=1)}
    columns = {by_name.get(item, item) if isinstance(item, str) else item: column for item, column in items.items()}
    unknown = [item for item in columns if item not in range(1, n_items + 1)]
    if unknown:
        called = f", or called {listing(names, 20)}" if names else ""
        raise ColumnError.build(
            f"items= names items that do not exist: {listing(unknown)}.",
            hint=f"items are numbered 1 to {n_items}{called}.",
        )
    numbered = {int(item): column for item, column in columns.items()}
    lacking = [names[item - 1] if names else item for item in wanted if item not in numbered]
    if lacking:
        raise ColumnError.build(f"items= names no column for item {listing(lacking)}.", hint="add {number: 'column'}.")
    return {item: numbered[item] for item in wanted}


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
    # The text around the item number; whatever stands for a session or rater may be any word.
    before, after = (
        "[A-Za-z0-9]+".join(re.escape(text) for text in re.split(r"\{[a-z]+\}", part))
        for part in items.replace("{item}", "{}").split("{}")
    )
    matches = [re.fullmatch(f"{before}([0-9]+){after}", name) for name in frame.columns if isinstance(name, str)]
    more = {int(match[1]) for match in matches if match and int(match[1]) > instrument.n_items}
    if len(more) < 2:
        return
    warnings.warn(
        f"{instrument.abbreviation} has {instrument.n_items} items, but columns '{items}' go up to {max(more)}: "
        f"the data may come from a longer form with another key. {others_in_words(instrument)}",
        AllianceStatsWarning,
        stacklevel=stacklevel,
    )


def raw_answers(frame: pd.DataFrame, column: str) -> FloatArray:
    """Return an item column as floats, NaN where missing, shape (n_rows,)."""
    values = frame[column]
    if isinstance(values, pd.Series) and isinstance(values.dtype, np.dtype) and values.dtype.kind in "iuf":
        return np.ascontiguousarray(values.to_numpy(), dtype=np.float64)
    return numeric_values(frame, column)
