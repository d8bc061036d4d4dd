"""One table of a TOML file, read key by key, with errors that name file, table and key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from alliance_stats.errors import StudyError, listing

_KINDS: Mapping[type, str] = MappingProxyType(
    {str: "text", bool: "true or false", list: "a list", dict: "a table", int: "a number", float: "a number"}
)


class TomlTable:
    """A table that knows its place in the file.

    Parameters
    ----------
    content : mapping
        Key to value.
    file_name : str
        For messages.
    name : str
        The table's header, such as ``[alliance]``; empty for the top of the file.
    """

    def __init__(self, content: Mapping[str, Any], file_name: str, name: str = "") -> None:
        self._content = content
        self._file_name = file_name
        self._name = name

    def error(self, problem: str, hint: str) -> StudyError:
        """Return an error that begins with the place in the file."""
        where = f"{self._file_name}, {self._name}" if self._name else self._file_name
        return StudyError.build(f"{where}: {problem}", hint=hint)

    def has(self, key: str) -> bool:
        """Tell whether the key is given."""
        return key in self._content

    def all_keys(self) -> list[str]:
        """Return all keys in the order of the file."""
        return list(self._content)

    def allow(self, keys: Sequence[str]) -> None:
        """Raise a StudyError that names the first key which is not among ``keys``, and the nearest that is."""
        unknown = [key for key in self._content if key not in keys]
        if unknown:
            near = get_close_matches(unknown[0].lower(), keys, n=1, cutoff=0.6)
            advice = f"did you mean '{near[0]}'? " if near else ""
            raise self.error(f"unknown key '{unknown[0]}'.", f"{advice}Known here: {listing(keys, 20)}.")

    def text(self, key: str) -> str:
        """Return a text that must be there."""
        value: str = self._value(key, str)
        if not value.strip():
            raise self.error(f"'{key}' is blank.", "fill it in.")
        return value

    def optional_text(self, key: str) -> str | None:
        """Return a text, or None if the key is not given."""
        return self.text(key) if self.has(key) else None

    def blank_or_text(self, key: str) -> str:
        """Return a text that must be there and may be blank."""
        value: str = self._value(key, str)
        return value.strip()

    def optional_whole_number(self, key: str) -> int | None:
        """Return a whole number above 0, or None if the key is not given."""
        if not self.has(key):
            return None
        value = self._value(key, int)
        if isinstance(value, bool) or value < 1:
            raise self.error(f"'{key}' must be a whole number above 0.", f"correct the line of '{key}'.")
        number: int = value
        return number

    def truth(self, key: str) -> bool:
        """Return true or false."""
        value: bool = self._value(key, bool)
        return value

    def choice(self, key: str, options: Sequence[str]) -> str:
        """Return one of the options."""
        value = self.text(key)
        if value not in options:
            raise self.error(f"'{key}' is \"{value}\".", f"write one of: {listing(options, 12)}.")
        return value

    def optional_choice(self, key: str, options: Sequence[str]) -> str | None:
        """Return one of the options, or None if the key is not given."""
        return self.choice(key, options) if self.has(key) else None

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts that must hold at least one."""
        values = self._value(key, list)
        if not values or not all(isinstance(value, str) and value.strip() for value in values):
            raise self.error(f"'{key}' must be a list of texts.", f'for example {key} = ["first", "second"].')
        return tuple(values)

    def optional_texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts, empty if the key is not given."""
        return self.texts(key) if self.has(key) else ()

    def optional_cells(self, key: str) -> tuple[str | float, ...]:
        """Return a list of texts and numbers, empty if the key is not given."""
        values = self._value(key, list) if self.has(key) else []
        if not all(isinstance(value, str | int | float) and not isinstance(value, bool) for value in values):
            raise self.error(f"'{key}' must be a list of texts and numbers.", f'for example {key} = [-99, "refused"].')
        return tuple(values)

    def text_or_texts_or_names(self, key: str) -> str | tuple[str, ...] | Mapping[str, str]:
        """Return a text, a list of texts, or a table of texts."""
        if isinstance(self._content.get(key), dict):
            names = self.table(key)
            return MappingProxyType({name: names.text(name) for name in names.all_keys()})
        if isinstance(self._content.get(key), list):
            return self.texts(key)
        return self.text(key)

    def table(self, key: str) -> TomlTable:
        """Return a table that must be there."""
        return TomlTable(self._value(key, dict), self._file_name, self._header(key))

    def optional_table(self, key: str) -> TomlTable | None:
        """Return a table, or None if it is not given."""
        return self.table(key) if self.has(key) else None

    def tables(self, key: str) -> list[TomlTable]:
        """Return a list of tables that must hold at least one."""
        values = self._value(key, list)
        if not values or not all(isinstance(value, dict) for value in values):
            raise self.error(f"'{key}' must be a list of tables.", f"begin each with the line [[{key}]].")
        return [
            TomlTable(value, self._file_name, f"[[{key}]] number {number}") for number, value in enumerate(values, 1)
        ]

    def _header(self, key: str) -> str:
        """Return the header of a table inside this one."""
        return f"[{self._name.strip('[]')}.{key}]" if self._name else f"[{key}]"

    def _value(self, key: str, kind: type) -> Any:
        """Return a value of the given kind."""
        if key not in self._content:
            raise self.error(f"the key '{key}' is missing.", f"add {key} = ... ({_KINDS[kind]}).")
        value = self._content[key]
        if not isinstance(value, kind):
            found = _KINDS.get(type(value), "something else")
            raise self.error(f"'{key}' must be {_KINDS[kind]}, not {found}.", f"correct the line of '{key}'.")
        return value
