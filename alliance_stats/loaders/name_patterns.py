"""Patterns of column names such as wai{item}_t{session}: which columns they match, and what each column becomes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alliance_stats.errors import ColumnError, DataError, listing

PLACEHOLDERS: tuple[str, ...] = ("session", "rater", "item")
_ALLOWED = {"session": r"\d+", "rater": r"[A-Za-z]+", "item": r"\d+[a-z]?"}


@dataclass(frozen=True)
class NamePattern:
    """A pattern of column names.

    Parameters
    ----------
    text : str
        As given, such as "wai{item}_t{session}".
    regex : Pattern
        Matches whole names.
    stem : str
        Name in the long table, with {item} where the pattern has it.
    """

    text: str
    regex: re.Pattern[str]
    stem: str


@dataclass(frozen=True)
class Place:
    """Where the cells of a wide column go.

    Parameters
    ----------
    column, pattern : str
        The column and the pattern that matches it.
    becomes : str
        Column of the long table.
    session : int or None
    rater : str or None
    item : str
        Empty if the pattern has none.
    """

    column: str
    pattern: str
    becomes: str
    session: int | None
    rater: str | None
    item: str


def read_pattern(
    text: str, sessions: Mapping[str, int] | None = None, raters: Mapping[str, str] | None = None
) -> NamePattern:
    """Read a pattern.

    Parameters
    ----------
    text : str
        A column name with {session}, {rater} or {item} in it, each at most once.
    sessions : mapping of str to int, optional
        What stands in names for each session, where it is no number: {"pre": 0, "post": 1}.
    raters : mapping of str to str, optional
        What stands in names for each rater: {"p": "patient", "t": "therapist"}.

    Raises
    ------
    DataError
        If the pattern has no {session} or {rater}, an unknown placeholder, or one twice.
    """
    if not isinstance(text, str):
        raise DataError.build(f"A pattern is a text; this is a {type(text).__name__}.", hint=_example())
    found = re.findall(r"\{([^}]*)\}", text)
    unknown = [name for name in found if name not in PLACEHOLDERS]
    if unknown or len(set(found)) < len(found):
        wrong = f"an unknown placeholder '{{{unknown[0]}}}'" if unknown else "a placeholder twice"
        raise DataError.build(f"The pattern '{text}' has {wrong}.", hint=_example())
    if not {"session", "rater"} & set(found):
        raise DataError.build(f"The pattern '{text}' has neither {{session}} nor {{rater}}.", hint=_example())
    allowed = dict(_ALLOWED)
    allowed |= {"session": _alternatives(sessions)} if sessions else {}
    allowed |= {"rater": _alternatives(raters)} if raters else {}
    parts = re.split(r"\{([^}]*)\}", text)
    regex = "".join(f"(?P<{part}>{allowed[part]})" if k % 2 else re.escape(part) for k, part in enumerate(parts))
    stem = "".join("{item}" if part == "item" else "" if k % 2 else part for k, part in enumerate(parts))
    return NamePattern(text, re.compile(regex), _trimmed(stem, text))


def _example() -> str:
    """Return what a pattern looks like."""
    return 'write it like "wai{item}_t{session}" or "wai_{rater}_{item}_{session}".'


def _alternatives(given: Mapping[str, object]) -> str:
    """Return a regular expression for the keys, longest first."""
    return "|".join(re.escape(key) for key in sorted(given, key=len, reverse=True))


def _trimmed(stem: str, text: str) -> str:
    """Return the stem without what only led to the session or rater: "wai{item}_t" becomes "wai{item}"."""
    cut = re.sub(r"[_.\-]+(t|s|session|time|w|week)?[_.\-]*$", "", stem, flags=re.IGNORECASE)
    cut = re.sub(r"[_.\-]{2,}", "_", cut).strip("_.-")
    if not cut.replace("{item}", ""):
        raise DataError.build(
            f"The pattern '{text}' leaves no name for the long table.", hint="give it a fixed part such as wai."
        )
    return cut


def places(
    columns: Sequence[str],
    patterns: Sequence[NamePattern],
    sessions: Mapping[str, int] | None = None,
    raters: Mapping[str, str] | None = None,
) -> list[Place]:
    """Return where each matched column goes, in the order of the columns.

    Raises
    ------
    ColumnError
        If a pattern matches nothing, two patterns match one column, or two columns go to one place.
    """
    found: list[Place] = []
    for column in columns:
        hits = [(pattern, match) for pattern in patterns if (match := pattern.regex.fullmatch(column))]
        if len(hits) > 1:
            raise ColumnError.build(
                f"Column '{column}' matches {len(hits)} patterns: {listing([f'{p.text!r}' for p, _ in hits])}.",
                hint="make the patterns more definite, so that each column matches one.",
            )
        found += [_place(column, pattern, match.groupdict(), sessions, raters) for pattern, match in hits]
    for pattern in patterns:
        if not any(place.pattern == pattern.text for place in found):
            raise ColumnError.build(
                f"No column matches the pattern '{pattern.text}'. The frame has: {listing(list(columns), 12)}.",
                hint="compare the pattern with a column name; {session} and {item} stand for numbers, {rater} for letters.",
            )
    _require_distinct(found)
    return found


def _place(
    column: str,
    pattern: NamePattern,
    parts: Mapping[str, str],
    sessions: Mapping[str, int] | None,
    raters: Mapping[str, str] | None,
) -> Place:
    """Return where one column goes."""
    session = None
    if "session" in parts:
        session = int(sessions[parts["session"]] if sessions else parts["session"])
    rater = parts.get("rater")
    if rater is not None and raters:
        rater = raters[rater]
    item = parts.get("item", "")
    return Place(column, pattern.text, pattern.stem.replace("{item}", item), session, rater, item)


def _require_distinct(found: Sequence[Place]) -> None:
    """Raise a ColumnError if two columns hold the same measure, session and rater."""
    seen: dict[tuple[str, int | None, str | None], str] = {}
    for place in found:
        key = (place.becomes, place.session, place.rater)
        if key in seen:
            raise ColumnError.build(
                f"Columns '{seen[key]}' and '{place.column}' both become '{place.becomes}' of the same session and rater.",
                hint="names such as t1 and t01 mean the same session: rename or remove one of the columns.",
            )
        seen[key] = place.column
