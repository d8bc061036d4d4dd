"""Read a TOML table strictly: every entry has a type, and an entry nobody asked for is an error."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from alliance_stats.errors import AllianceStatsError, FileError, InstrumentError, listing

_REQUIRED: Any = object()

Place = tuple[str | int, ...]
"""Where an entry stands: table names, positions in lists of tables from 1, and the entry's own name."""

Lines = Mapping[Place, int]
"""Line numbers, from 1, of the entries and table headers of a file."""

_HEADER = re.compile(r"\s*(\[\[?)\s*([A-Za-z0-9_.\-\"' ]+?)\s*\]\]?\s*(?:#.*)?")
_ENTRY = re.compile(r"\s*[\"']?([A-Za-z0-9_\-]+)[\"']?\s*=(.*)")


def read_toml(path: Path) -> tuple[dict[str, Any], dict[Place, int]]:
    """Read a TOML file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    tuple
        The entries, and the line of each.

    Raises
    ------
    FileError
        If the file does not exist, is not UTF-8 text, or is not valid TOML.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        return tomllib.loads(text), line_numbers(text)
    except OSError as problem:
        raise FileError.build(
            f"The instrument file '{path.name}' cannot be read.",
            hint="check the path; see list_instruments() for keys.",
        ) from problem
    except UnicodeDecodeError as problem:
        raise FileError.build(f"'{path.name}' is not UTF-8 text.", hint="save it as UTF-8.") from problem
    except tomllib.TOMLDecodeError as problem:
        raise FileError.build(
            f"'{path.name}' is not a valid TOML file: {problem}.", hint="compare with a bundled instrument file."
        ) from problem


def line_numbers(text: str) -> dict[Place, int]:
    """Return where the entries and table headers of a TOML file stand.

    Parameters
    ----------
    text : str
        The file.

    Returns
    -------
    dict of tuple to int
        Line numbers from 1. Entries of tables written in one line are not listed; the line of the table is.
    """
    lines: dict[Place, int] = {}
    counts: dict[Place, int] = {}
    table: Place = ()
    depth = 0
    for number, line in enumerate(text.splitlines(), start=1):
        if depth > 0:
            depth += _opened(line)
            continue
        header, entry = _HEADER.fullmatch(line), _ENTRY.match(line)
        if header:
            table = tuple(part.strip(" \"'") for part in header[2].split("."))
            if header[1] == "[[":
                counts[table] = counts.get(table, 0) + 1
                table = (*table, counts[table])
            lines.setdefault(table, number)
        elif entry:
            lines.setdefault((*table, entry[1]), number)
            depth = max(0, _opened(entry[2]))
    return lines


def _opened(text: str) -> int:
    """Return how many brackets a piece of TOML opens and does not close, texts left out."""
    bare = re.sub(r"\"[^\"]*\"|'[^']*'|#.*", "", text)
    return bare.count("[") - bare.count("]")


class TableReader:
    """Takes entries out of one TOML table, checks each, and complains about what is left.

    Parameters
    ----------
    table : mapping of str to object
        The table.
    file_name : str
        The file, for messages.
    lines : mapping of tuple to int
        Line numbers, for messages; may be empty.
    place : tuple
        Where the table stands in the file.
    """

    def __init__(
        self, table: Mapping[str, Any], file_name: str, *, lines: Lines | None = None, place: Place = ()
    ) -> None:
        self._table = table
        self._asked: set[str] = set()
        self._file_name = file_name
        self._lines = lines or {}
        self._place = place

    @property
    def where(self) -> str:
        """The headers of the table, such as `` [scores] [total]``; empty for the top of the file."""
        parts: list[str] = []
        for name in self._place:
            if isinstance(name, int):
                parts[-1] = f" [{parts[-1].strip()}] number {name}"
            else:
                parts.append(f" [{name}]")
        return "".join(parts)

    def error(self, problem: str, hint: str, *, entry: str = "") -> AllianceStatsError:
        """Return an error that names file, line and table."""
        place: Place = (*self._place, entry) if entry else self._place
        while place and place not in self._lines:
            place = place[:-1]
        line = f", line {self._lines[place]}" if place in self._lines else ""
        return InstrumentError.build(f"{self._file_name}{line}{self.where}: {problem}", hint=hint)

    def has(self, name: str) -> bool:
        """Tell whether the entry is there."""
        return name in self._table

    def names(self) -> tuple[str, ...]:
        """Return the names of all entries and count them as asked for."""
        self._asked.update(self._table)
        return tuple(self._table)

    def text(self, name: str, default: str = _REQUIRED) -> str:
        """Return a text that is not empty, unless the default is."""
        value = self._take(name, default)
        if not isinstance(value, str) or (not value.strip() and value is not default):
            raise self.error(f"'{name}' must be a text that is not empty.", f'write {name} = "...".', entry=name)
        return value

    def is_text(self, name: str) -> bool:
        """Tell whether the entry is there and a text."""
        return isinstance(self._table.get(name), str)

    def choice(self, name: str, allowed: tuple[str, ...], default: str | None = None) -> str:
        """Return a text that is one of those allowed."""
        value = self.text(name, _REQUIRED if default is None else default)
        if value not in allowed and value is not default:
            raise self.error(f"'{name}' is '{value}'.", f"use one of: {', '.join(allowed)}.", entry=name)
        return value

    def truth(self, name: str, default: bool) -> bool:
        """Return true or false."""
        value = self._take(name, default)
        if not isinstance(value, bool):
            raise self.error(f"'{name}' must be true or false.", f"write {name} = true or {name} = false.", entry=name)
        return value

    def number(self, name: str, default: Any = _REQUIRED) -> float:
        """Return a number."""
        value = self._take(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error(f"'{name}' must be a number.", f"write {name} = 1, without quotes.", entry=name)
        return float(value)

    def whole(self, name: str, default: Any = _REQUIRED) -> int:
        """Return a whole number."""
        value = self._take(name, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.error(f"'{name}' must be a whole number.", f"write {name} = 12, without quotes.", entry=name)
        return value

    def texts(self, name: str, default: Any = _REQUIRED) -> tuple[str, ...]:
        """Return a list of texts."""
        value = self._take(name, default)
        if not isinstance(value, list | tuple) or not all(isinstance(entry, str) and entry for entry in value):
            raise self.error(f"'{name}' must be a list of texts.", f'write {name} = ["...", "..."].', entry=name)
        return tuple(value)

    def numbers(self, name: str, default: Any = _REQUIRED) -> tuple[float, ...]:
        """Return a list of numbers; ``nan`` stands for a missing one."""
        value = self._take(name, default)
        if not isinstance(value, list | tuple) or any(
            isinstance(v, bool) or not isinstance(v, int | float) for v in value
        ):
            raise self.error(f"'{name}' must be a list of numbers.", f"write {name} = [1, 2, nan].", entry=name)
        return tuple(float(entry) for entry in value)

    def items(self, name: str, n_items: int, default: Any = _REQUIRED) -> tuple[int, ...]:
        """Return a list of item numbers, each between 1 and ``n_items`` and each once; "all" stands for all items."""
        value = self._take(name, default)
        if value == "all":
            return tuple(range(1, n_items + 1))
        if not isinstance(value, list | tuple) or any(isinstance(v, bool) or not isinstance(v, int) for v in value):
            raise self.error(
                f"'{name}' must be a list of item numbers.", f'write {name} = [1, 2, 3] or "all".', entry=name
            )
        unknown = sorted({item for item in value if not 1 <= item <= n_items})
        if unknown:
            raise self.error(
                f"'{name}' names items that the instrument does not have: {listing(unknown)}.",
                f"items are numbered 1 to {n_items} as printed.",
                entry=name,
            )
        twice = sorted({item for item in value if value.count(item) > 1})
        if twice:
            raise self.error(f"'{name}' names items twice: {listing(twice)}.", "list every item once.", entry=name)
        return tuple(value)

    def table(self, name: str, default: Any = _REQUIRED) -> TableReader:
        """Return a reader of the table inside this one."""
        value = self._take(name, default)
        if not isinstance(value, dict):
            raise self.error(f"'{name}' must be a table.", f"begin it with [{name}].", entry=name)
        return TableReader(value, self._file_name, lines=self._lines, place=(*self._place, name))

    def tables(self, name: str) -> Iterator[TableReader]:
        """Return a reader of each table of a list of tables; none when the list is left out."""
        value = self._take(name, [])
        if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
            raise self.error(f"'{name}' must be a list of tables.", f"begin each with [[{name}]].", entry=name)
        for position, entry in enumerate(value, start=1):
            yield TableReader(entry, self._file_name, lines=self._lines, place=(*self._place, name, position))

    def done(self) -> None:
        """Raise if the table holds an entry that was not asked for."""
        left = [name for name in self._table if name not in self._asked]
        if not left:
            return
        known = sorted(self._asked)
        near = get_close_matches(left[0], known, n=1)
        advice = f"did you mean '{near[0]}'?" if near else f"known entries: {', '.join(known)}."
        names = listing([f"'{name}'" for name in left])
        raise self.error(f"unknown {'entry' if len(left) == 1 else 'entries'} {names}.", advice, entry=left[0])

    def _take(self, name: str, default: Any) -> Any:
        """Return the raw entry, or the default."""
        self._asked.add(name)
        if name in self._table:
            return self._table[name]
        if default is _REQUIRED:
            strange = [entry for entry in self._table if entry not in self._asked]
            near = get_close_matches(name, strange, n=1, cutoff=0.8)
            advice = f"is it meant by '{near[0]}'? " if near else ""
            raise self.error(
                f"'{name}' is missing.",
                advice + "every instrument file needs it; see docs/instruments.md.",
                entry=near[0] if near else "",
            )
        return default
