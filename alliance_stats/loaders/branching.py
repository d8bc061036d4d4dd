"""REDCap's branching logic: in which rows a field was shown.

Understood: comparisons (=, <>, !=, <, <=, >, >=) of [field], [checkbox(code)], numbers and quoted text, joined by and, or,
not and parentheses. Other functions and fields of other events are not; a rule that uses them tells nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from alliance_stats.loaders.redcap_dictionary import checkbox_column

_TOKEN = re.compile(
    r"\s*(?:(?P<field>\[[a-z0-9_]+(?:\([^)\]]*\))?\](?!\s*\[))|(?P<text>'[^']*'|\"[^\"]*\")|(?P<number>-?\d+(?:\.\d+)?)"
    r"|(?P<sign><=|>=|<>|!=|=|<|>)|(?P<word>and|or|not)\b|(?P<bracket>[()]))",
    re.IGNORECASE,
)

Rows = NDArray[np.bool_]


class _UnknownRuleError(Exception):
    """The rule uses something that is not understood."""


def shown(rule: str, frame: pd.DataFrame) -> Rows | None:
    """Tell in which rows a field was shown.

    Parameters
    ----------
    rule : str
        Branching logic.
    frame : DataFrame
        Columns of the export, all as text, empty where there is no answer.

    Returns
    -------
    ndarray of bool, shape (n_rows,), or None
        None if the rule uses something that is not understood here.
    """
    try:
        tokens = _tokens(rule)
        value, rest = _either(tokens, frame)
        return None if rest else value
    # Parentheses nested a thousand deep are no rule that REDCap shows anyone.
    except (_UnknownRuleError, RecursionError):
        return None


def _tokens(rule: str) -> list[tuple[str, str]]:
    """Return the parts of a rule with their kinds."""
    found, position = [], 0
    while position < len(rule.rstrip()):
        match = _TOKEN.match(rule, position)
        if match is None or match.lastgroup is None:
            raise _UnknownRuleError
        found.append((match.lastgroup, match[match.lastgroup]))
        position = match.end()
    return found


def _either(tokens: Sequence[tuple[str, str]], frame: pd.DataFrame) -> tuple[Rows, Sequence[tuple[str, str]]]:
    """Return "a or b or ...", and what follows."""
    value, rest = _both(tokens, frame)
    while rest and rest[0][0] == "word" and rest[0][1].lower() == "or":
        other, rest = _both(rest[1:], frame)
        value = value | other
    return value, rest


def _both(tokens: Sequence[tuple[str, str]], frame: pd.DataFrame) -> tuple[Rows, Sequence[tuple[str, str]]]:
    """Return "a and b and ...", and what follows."""
    value, rest = _single(tokens, frame)
    while rest and rest[0][0] == "word" and rest[0][1].lower() == "and":
        other, rest = _single(rest[1:], frame)
        value = value & other
    return value, rest


def _single(tokens: Sequence[tuple[str, str]], frame: pd.DataFrame) -> tuple[Rows, Sequence[tuple[str, str]]]:
    """Return a comparison, a negation or a part in parentheses, and what follows."""
    if not tokens:
        raise _UnknownRuleError
    kind, text = tokens[0]
    if kind == "word" and text.lower() == "not":
        value, rest = _single(tokens[1:], frame)
        return ~value, rest
    if (kind, text) == ("bracket", "("):
        value, rest = _either(tokens[1:], frame)
        if not rest or rest[0] != ("bracket", ")"):
            raise _UnknownRuleError
        return value, rest[1:]
    if len(tokens) < 3 or tokens[1][0] != "sign":
        raise _UnknownRuleError
    return _compared(_values(tokens[0], frame), tokens[1][1], _values(tokens[2], frame)), tokens[3:]


def _values(token: tuple[str, str], frame: pd.DataFrame) -> pd.Series:
    """Return one side of a comparison as text, one value per row."""
    kind, text = token
    if kind in ("text", "number"):
        return pd.Series(text.strip("'\""), index=frame.index, dtype="str")
    name = text.strip("[]")
    if kind == "field" and "(" in name:
        field, code = name.rstrip(")").split("(", 1)
        name = checkbox_column(field, code)
    if kind != "field" or name not in frame.columns:
        raise _UnknownRuleError
    return frame[name].fillna("")


_NUMBERS: dict[str, Callable[[pd.Series, pd.Series], pd.Series]] = {
    "<": pd.Series.lt,
    "<=": pd.Series.le,
    ">": pd.Series.gt,
    ">=": pd.Series.ge,
}


def _compared(left: pd.Series, sign: str, right: pd.Series) -> Rows:
    """Return a comparison: as numbers where both sides are numbers, else as text."""
    numbers = [pd.to_numeric(side, errors="coerce") for side in (left, right)]
    if sign in _NUMBERS:
        return np.asarray(_NUMBERS[sign](numbers[0], numbers[1]), dtype=bool)
    both = numbers[0].notna() & numbers[1].notna()
    same = np.where(both, numbers[0] == numbers[1], left.str.strip() == right.str.strip())
    return np.asarray(same if sign == "=" else ~same, dtype=bool)
