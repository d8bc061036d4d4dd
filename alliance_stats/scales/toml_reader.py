"""Read a TOML table strictly: every entry has a type, and an entry nobody asked for is an error."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from alliance_stats.errors import AllianceStatsError, FileError, InstrumentError, listing

_REQUIRED: Any = object()


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    dict

    Raises
    ------
    FileError
        If the file does not exist, is not UTF-8 text, or is not valid TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
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


class TableReader:
    """Takes entries out of one TOML table, checks each, and complains about what is left.

    Parameters
    ----------
    table : mapping of str to object
        The table.
    where : str
        How to name the table in messages, such as ``wai_sr.toml [responses]``.
    """

    def __init__(self, table: Mapping[str, Any], where: str) -> None:
        self._table = table
        self._asked: set[str] = set()
        self.where = where

    def error(self, problem: str, hint: str) -> AllianceStatsError:
        """Return an error that names the table."""
        return InstrumentError.build(f"{self.where}: {problem}", hint=hint)

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
            raise self.error(f"'{name}' must be a text that is not empty.", f'write {name} = "...".')
        return value

    def choice(self, name: str, allowed: tuple[str, ...], default: str = _REQUIRED) -> str:
        """Return a text that is one of those allowed."""
        value = self.text(name, default)
        if value not in allowed and value is not default:
            raise self.error(f"'{name}' is '{value}'.", f"use one of: {', '.join(allowed)}.")
        return value

    def truth(self, name: str, default: bool) -> bool:
        """Return true or false."""
        value = self._take(name, default)
        if not isinstance(value, bool):
            raise self.error(f"'{name}' must be true or false.", f"write {name} = true or {name} = false.")
        return value

    def number(self, name: str, default: Any = _REQUIRED) -> float:
        """Return a number."""
        value = self._take(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error(f"'{name}' must be a number.", f"write {name} = 1, without quotes.")
        return float(value)

    def whole(self, name: str, default: Any = _REQUIRED) -> int:
        """Return a whole number."""
        value = self._take(name, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.error(f"'{name}' must be a whole number.", f"write {name} = 12, without quotes.")
        return value

    def texts(self, name: str, default: Any = _REQUIRED) -> tuple[str, ...]:
        """Return a list of texts."""
        value = self._take(name, default)
        if not isinstance(value, list | tuple) or not all(isinstance(entry, str) and entry for entry in value):
            raise self.error(f"'{name}' must be a list of texts.", f'write {name} = ["...", "..."].')
        return tuple(value)

    def numbers(self, name: str) -> tuple[float, ...]:
        """Return a list of numbers; ``nan`` stands for a missing one."""
        value = self._take(name, _REQUIRED)
        if not isinstance(value, list) or any(isinstance(v, bool) or not isinstance(v, int | float) for v in value):
            raise self.error(f"'{name}' must be a list of numbers.", f"write {name} = [1, 2, nan].")
        return tuple(float(entry) for entry in value)

    def items(self, name: str, n_items: int, default: Any = _REQUIRED) -> tuple[int, ...]:
        """Return a list of item numbers, each between 1 and ``n_items`` and each once; "all" stands for all items."""
        value = self._take(name, default)
        if value == "all":
            return tuple(range(1, n_items + 1))
        if not isinstance(value, list | tuple) or any(isinstance(v, bool) or not isinstance(v, int) for v in value):
            raise self.error(f"'{name}' must be a list of item numbers.", f'write {name} = [1, 2, 3] or "all".')
        unknown = sorted({item for item in value if not 1 <= item <= n_items})
        if unknown:
            raise self.error(
                f"'{name}' names items that the instrument does not have: {listing(unknown)}.",
                f"items are numbered 1 to {n_items} as printed.",
            )
        twice = sorted({item for item in value if value.count(item) > 1})
        if twice:
            raise self.error(f"'{name}' names items twice: {listing(twice)}.", "list every item once.")
        return tuple(value)

    def table(self, name: str, default: Any = _REQUIRED) -> TableReader:
        """Return a reader of the table inside this one."""
        value = self._take(name, default)
        if not isinstance(value, dict):
            raise self.error(f"'{name}' must be a table.", f"begin it with [{name}].")
        return TableReader(value, f"{self.where} [{name}]")

    def tables(self, name: str) -> Iterator[TableReader]:
        """Return a reader of each table of a list of tables; none when the list is left out."""
        value = self._take(name, [])
        if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
            raise self.error(f"'{name}' must be a list of tables.", f"begin each with [[{name}]].")
        for position, entry in enumerate(value, start=1):
            yield TableReader(entry, f"{self.where} [[{name}]] number {position}")

    def done(self) -> None:
        """Raise if the table holds an entry that was not asked for."""
        left = [name for name in self._table if name not in self._asked]
        if not left:
            return
        known = sorted(self._asked)
        near = get_close_matches(left[0], known, n=1)
        advice = f"did you mean '{near[0]}'?" if near else f"known entries: {', '.join(known)}."
        names = listing([f"'{name}'" for name in left])
        raise self.error(f"unknown {'entry' if len(left) == 1 else 'entries'} {names}.", advice)

    def _take(self, name: str, default: Any) -> Any:
        """Return the raw entry, or the default."""
        self._asked.add(name)
        if name in self._table:
            return self._table[name]
        if default is _REQUIRED:
            raise self.error(f"'{name}' is missing.", "every instrument file needs it; see docs/instruments.md.")
        return default
