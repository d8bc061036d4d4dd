"""The forms of a wide table: which columns belong to which session and rater."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from alliance_stats.columns import CANONICAL
from alliance_stats.errors import ColumnError, listing
from alliance_stats.scales.answers import Items, item_columns

ITEM = "item"
_PLACEHOLDER = re.compile(r"\{([a-z]*)\}")


@dataclass(frozen=True, kw_only=True)
class Occasion:
    """The columns of one filled-in form per row.

    Parameters
    ----------
    columns : mapping of int to str
        Item number to column.
    suffix : str
        Ends the names of the score columns, such as ``_session2_patient``; empty when a row holds one form.
    """

    columns: Mapping[int, str]
    suffix: str = ""


def find_occasions(
    frame: pd.DataFrame, items: Items, *, wanted: Sequence[int], n_items: int, names: Sequence[str] = ()
) -> list[Occasion]:
    """Find the columns of every form that a row holds.

    Parameters
    ----------
    frame : DataFrame
        Holds the answers.
    items : str, sequence of str, or mapping
        As for `score`. A pattern with ``{item}`` and other placeholders, such as ``"wai{item}_t{session}"``, stands for
        several forms per row.
    wanted : sequence of int
        The items needed.
    n_items : int
        Number of items of the instrument.
    names : sequence of str
        Names of the items, for ratings that have no printed numbers.

    Returns
    -------
    list of Occasion
        One if the pattern has no other placeholder; else in the order of sessions and other placeholders.

    Raises
    ------
    ColumnError
        If a placeholder is unknown, if no column fits, or if a form lacks an item.
    """
    if not isinstance(items, str) or _PLACEHOLDER.findall(items) in ([""], []):
        return [Occasion(columns=item_columns(frame, items, wanted=wanted, n_items=n_items, names=names))]
    fields = _fields(items)
    if fields == [ITEM]:
        plain = items.replace("{item}", "{}")
        return [Occasion(columns=item_columns(frame, plain, wanted=wanted, n_items=n_items, names=names))]
    found = _matches(frame, items, fields)
    if not found:
        raise ColumnError.build(
            f"No column fits the pattern '{items}'. The frame has: {listing(frame.columns, 12)}.",
            hint="write for example items='wai{item}_t{session}' for the columns wai1_t1, wai2_t1, wai1_t2.",
        )
    others = [name for name in fields if name != ITEM]
    occasions = []
    for key in sorted(found, key=_order):
        columns = {item: found[key].get(item, _filled(items, others, key, item)) for item in wanted}
        checked = item_columns(frame, columns, wanted=wanted, n_items=n_items, names=names)
        suffix = "".join(f"_{_part(name, value)}" for name, value in zip(others, key, strict=True))
        occasions.append(Occasion(columns=checked, suffix=suffix))
    return occasions


def _fields(pattern: str) -> list[str]:
    """Return the placeholders of a pattern in order, or raise a ColumnError."""
    fields = [name or ITEM for name in _PLACEHOLDER.findall(pattern)]
    known = [ITEM, *CANONICAL]
    unknown = [name for name in fields if name not in known]
    if unknown:
        raise ColumnError.build(
            f"The pattern '{pattern}' has the unknown placeholder '{{{unknown[0]}}}'.",
            hint=f"use {{item}} and any of: {listing(['{' + name + '}' for name in CANONICAL], 12)}.",
        )
    if fields.count(ITEM) != 1 or len(set(fields)) < len(fields):
        raise ColumnError.build(
            f"The pattern '{pattern}' must hold {{item}} once, and no other placeholder twice.",
            hint="write for example items='wai{item}_t{session}'.",
        )
    return fields


def _matches(frame: pd.DataFrame, pattern: str, fields: Sequence[str]) -> dict[tuple[str, ...], dict[int, str]]:
    """Return item number to column, by the values of the other placeholders."""
    expression = ""
    place = 0
    for match, name in zip(_PLACEHOLDER.finditer(pattern), fields, strict=True):
        number = name in (ITEM, "session")
        expression += re.escape(pattern[place : match.start()])
        expression += f"(?P<{name}>{'[0-9]+' if number else '[A-Za-z]+[A-Za-z0-9]*|[0-9]+'})"
        place = match.end()
    expression += re.escape(pattern[place:])
    found: dict[tuple[str, ...], dict[int, str]] = {}
    for column in dict.fromkeys(name for name in frame.columns if isinstance(name, str)):
        match_ = re.fullmatch(expression, column)
        if match_ is None:
            continue
        key = tuple(_plain(match_[name]) for name in fields if name != ITEM)
        item = int(match_[ITEM])
        columns = found.setdefault(key, {})
        if item in columns:
            raise ColumnError.build(
                f"The pattern '{pattern}' is ambiguous: item {item} of one form could be {columns[item]} or {column}.",
                hint="drop one of the columns, or score the forms one at a time with items=[...].",
            )
        columns[item] = column
    return found


def _plain(value: str) -> str:
    """Return a number without leading zeros, and any other text as it is."""
    return str(int(value)) if value.isdigit() else value


def _order(key: tuple[str, ...]) -> list[tuple[int, int, str]]:
    """Return what to sort forms by: numbers by size, then texts."""
    return [(0, int(value), "") if value.isdigit() else (1, 0, value) for value in key]


def _part(name: str, value: str) -> str:
    """Return how the value of a placeholder ends the name of a score column."""
    return f"{name}{value}" if value.isdigit() else value


def _filled(pattern: str, others: Sequence[str], key: Sequence[str], item: int) -> str:
    """Return the column that a pattern names for an item of a form."""
    values = dict(zip(others, key, strict=True))
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], str(item)), pattern)
