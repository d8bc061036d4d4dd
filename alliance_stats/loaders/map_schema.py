"""The schema of column maps: what a TOML file may say, and how it becomes a column map."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from alliance_stats.columns import CANONICAL, ID_COLUMNS
from alliance_stats.loaders.map_values import (
    Better,
    ColumnMap,
    Comparison,
    DataFile,
    How,
    Items,
    Level,
    Measure,
    StatementColumns,
)
from alliance_stats.loaders.toml_table import TomlTable

__all__ = ["ColumnMap", "Comparison", "DataFile", "How", "Measure", "StatementColumns", "parse_column_map"]

_TOP_KEYS = (
    "study",
    "level",
    "title",
    "simulated",
    "source",
    "note",
    "files",
    "columns",
    "row_key",
    "missing",
    "alliance",
    "outcome",
    "statements",
    "random",
    "levels",
    "comparison",
)
_MEASURE_KEYS = ("label", "column", "instrument", "items", "score", "published_total", "published_key_note", "storage")


def parse_column_map(content: Mapping[str, Any], file_name: str) -> ColumnMap:
    """Turn the content of a TOML file into a column map.

    Parameters
    ----------
    content : mapping
        As read by tomllib.
    file_name : str
        For messages.

    Returns
    -------
    ColumnMap

    Raises
    ------
    StudyError
        If a key is unknown, missing, of the wrong kind, or contradicts another.
    """
    top = TomlTable(content, file_name)
    top.allow(_TOP_KEYS)
    level: Level = "session" if top.choice("level", ("session", "conversation")) == "session" else "conversation"
    columns = _columns(top.table("columns"), level)
    _check_single_use(top, columns)
    files = _files(top)
    levels = top.optional_table("levels")
    statements = _statements(top.optional_table("statements"))
    return ColumnMap(
        study=top.text("study"),
        level=level,
        title=top.text("title"),
        simulated=top.truth("simulated"),
        source=top.text("source"),
        files=files,
        columns=columns,
        notes=top.optional_texts("note"),
        row_key=top.optional_texts("row_key"),
        units=_units(levels, columns),
        course=_course(levels, columns, level),
        missing=top.optional_cells("missing"),
        alliance=_measure(top.optional_table("alliance"), outcome=False),
        outcome=_measure(top.optional_table("outcome"), outcome=True),
        statements=statements,
        random=_groups(top.optional_table("random"), columns),
        slopes=_slopes(top.optional_table("random")),
        comparison=_comparison(top.optional_table("comparison"), level, statements, files),
    )


def _check_single_use(top: TomlTable, columns: Mapping[str, str]) -> None:
    """Raise a StudyError if a measure names a column that has a canonical name already."""
    taken = {column: name for name, column in columns.items()}
    for header in ("alliance", "outcome"):
        table = top.optional_table(header)
        if table is None or not table.has("column"):
            continue
        column = table.text("column")
        if header == "outcome" and _is_item(top.optional_table("alliance"), column):
            raise table.error(f"column '{column}' is an item of the alliance.", "name the column of the outcome.")
        if column in taken:
            raise table.error(f"column '{column}' is the {taken[column]} already.", "name the column of the score.")


def _is_item(alliance: TomlTable | None, column: str) -> bool:
    """Tell whether a column is one of the alliance's items, by pattern or by name."""
    if alliance is None or not alliance.has("items"):
        return False
    items = alliance.text_or_texts_or_names("items")
    if isinstance(items, str):
        before, _, after = items.partition("{}")
        number = column.removeprefix(before).removesuffix(after)
        return number.isdigit() and column == f"{before}{number}{after}"
    return column in (items.values() if isinstance(items, Mapping) else items)


def _files(top: TomlTable) -> tuple[DataFile, ...]:
    """Return the data files."""
    files = tuple(_file(table, first=number == 0) for number, table in enumerate(top.tables("files")))
    nameless = [number + 1 for number, file in enumerate(files) if file.path is None]
    if nameless and len(files) > 1:
        raise top.error(
            f"entry {nameless[0]} of [[files]] has no 'path'.", "only a single file may leave its path out."
        )
    return files


def _file(table: TomlTable, *, first: bool) -> DataFile:
    """Return one data file."""
    table.allow(("path", "how", "sheet") if first else ("path", "join_on", "how", "sheet"))
    path = _path(table) if table.has("path") else None
    join_on = () if first else table.texts("join_on")
    how: How = "left" if table.optional_choice("how", ("inner", "left")) == "left" else "inner"
    sheet = table.optional_text("sheet")
    return DataFile(path=path, join_on=join_on, how=how, sheet=sheet)


def _path(table: TomlTable) -> str:
    """Return a path that stays in the folder of the data."""
    path = table.text("path")
    if path.startswith(("/", "\\")) or ":" in path or ".." in path.replace("\\", "/").split("/"):
        raise table.error(f"path '{path}' leaves the folder of the data.", "give a path relative to that folder.")
    return path


def _columns(table: TomlTable, level: Level) -> Mapping[str, str]:
    """Return canonical name to column."""
    table.allow(tuple(CANONICAL))
    needed = ("patient", "session") if level == "session" else ("patient",)
    columns = {name: table.text(name) for name in needed}
    others = [name for name in CANONICAL if name not in needed and table.has(name)]
    columns |= {name: table.text(name) for name in others}
    again = [column for column in columns.values() if list(columns.values()).count(column) > 1]
    if again:
        raise table.error(f"column '{again[0]}' has two canonical names.", "name each column once.")
    return MappingProxyType(columns)


def _measure(table: TomlTable | None, *, outcome: bool) -> Measure | None:
    """Return the alliance or the outcome, given by items or by a column."""
    if table is None:
        return None
    table.allow((*_MEASURE_KEYS, "better", "initial") if outcome else _MEASURE_KEYS)
    if table.has("column") == table.has("instrument"):
        raise table.error(
            "needs either 'column' or 'instrument', and not both.",
            "name a finished column, or an instrument with its items and score.",
        )
    by_items = table.has("instrument")
    column = None if by_items else table.text("column")
    instrument = table.text("instrument") if by_items else None
    score = table.text("score") if by_items else None
    if table.has("storage") and not by_items:
        raise table.error("'storage' goes with an instrument.", "remove it; a finished column is taken as it is.")
    better: Better | None = None
    if outcome:
        better = "higher" if table.choice("better", ("higher", "lower")) == "higher" else "lower"
    return Measure(
        label=table.optional_text("label") or column or f"{instrument} ({score})",
        column=column,
        instrument=instrument,
        items=_items(table) if by_items else None,
        score=score,
        better=better,
        initial=table.optional_text("initial") if outcome else None,
        published_total=table.optional_text("published_total"),
        published_key_note=table.optional_text("published_key_note"),
        storage=table.optional_text("storage"),
    )


def _items(table: TomlTable) -> Items:
    """Return the item columns: a pattern, a list, or item number to column."""
    items: Items = table.text_or_texts_or_names("items")
    if isinstance(items, str):
        _require_pattern(table, "items", items)
    elif isinstance(items, Mapping):
        wrong = [number for number in items if not number.isdecimal()]
        if wrong:
            raise table.error(
                f"'items' names item '{wrong[0]}', which is no item number.",
                'for example items = {1 = "q1", 2 = "q7"}.',
            )
    return items


def _statements(table: TomlTable | None) -> StatementColumns | None:
    """Return which columns count which statements."""
    if table is None:
        return None
    table.allow(("codebook", "counts_pattern", "counts", "total"))
    if table.has("codebook") == table.has("counts"):
        raise table.error(
            "needs either 'codebook' or 'counts', and not both.",
            "name a codebook with its counts_pattern, or list the count columns of each category.",
        )
    total = table.optional_text("total")
    if table.has("codebook"):
        pattern = table.text("counts_pattern")
        _require_pattern(table, "counts_pattern", pattern)
        return StatementColumns(codebook=table.text("codebook"), counts_pattern=pattern, total=total)
    if table.has("counts_pattern"):
        raise table.error("'counts_pattern' goes with a codebook.", "remove it; the counts are listed by category.")
    return StatementColumns(counts=_counts(table.table("counts")), total=total)


def _counts(table: TomlTable) -> Mapping[str, tuple[str, ...]]:
    """Return category to count columns, each column in one category."""
    counts = {category: table.texts(category) for category in table.all_keys()}
    names = [name for columns in counts.values() for name in columns]
    again = sorted({name for name in names if names.count(name) > 1})
    if again or not names:
        problem = f"column '{again[0]}' is counted twice." if again else "there is no category."
        raise table.error(problem, "give each count column one category.")
    return MappingProxyType(counts)


def _groups(table: TomlTable | None, columns: Mapping[str, str]) -> tuple[str, ...]:
    """Return the grouping columns with a random intercept."""
    if table is None:
        return ()
    table.allow(("groups", "slopes"))
    groups = table.texts("groups")
    unmapped = [name for name in groups if name in CANONICAL and name not in columns]
    if unmapped:
        raise table.error(f"'{unmapped[0]}' is not among the [columns].", "name its column there, or take it out here.")
    return groups


def _slopes(table: TomlTable | None) -> bool:
    """Return whether slopes may vary between patients; they may if nothing is said."""
    return table is None or not table.has("slopes") or table.truth("slopes")


def _units(table: TomlTable | None, columns: Mapping[str, str]) -> tuple[str, ...]:
    """Return the grouping columns by which predictors are split; patient and therapist, if mapped, unless given."""
    if table is not None:
        table.allow(("units", "course"))
    if table is None or not table.has("units"):
        return tuple(name for name in ("patient", "therapist") if name in columns)
    units = table.texts("units")
    for name in units:
        if name not in ID_COLUMNS:
            raise table.error(
                f"'units' names '{name}', which is no grouping column.", f"write some of: {', '.join(ID_COLUMNS)}."
            )
        if name not in columns:
            raise table.error(f"'{name}' is not among the [columns].", "name its column there, or take it out here.")
        if units.count(name) > 1:
            raise table.error(f"'units' names '{name}' more than once.", "name each level once, from the inside out.")
    return units


def _course(table: TomlTable | None, columns: Mapping[str, str], level: Level) -> str | None:
    """Return the column that names one course of treatment, None if the patient does."""
    if table is None or not table.has("course"):
        return None
    course = table.text("course")
    if level == "conversation":
        raise table.error("'course' is for sessions; a conversation has no session before.", "remove it.")
    taken = [name for name, column in columns.items() if course in (name, column) and name != "dyad"]
    if taken:
        raise table.error(
            f"'course' names the column of '{taken[0]}'.",
            "name the column that tells courses of treatment apart; leave it out if each patient has one course.",
        )
    return course


def _comparison(
    table: TomlTable | None, level: Level, statements: StatementColumns | None, files: tuple[DataFile, ...]
) -> Comparison | None:
    """Return the conversations to compare with."""
    if table is None:
        return None
    table.allow(("path", "label", "total", "counts", "sheet"))
    if level != "conversation" or statements is None:
        raise table.error(
            'needs level = "conversation" and [statements].',
            "the shares of statements of two sets of conversations are compared; remove it for sessions.",
        )
    path = _path(table)
    if path in [file.path for file in files]:
        raise table.error(f"path '{path}' is among [[files]] already.", "name the file of the other conversations.")
    counts = _counts(table.table("counts"))
    differ = sorted(set(counts) ^ set(statements.counts))
    if statements.codebook is None and differ:
        raise table.error(
            f"category '{differ[0]}' is in one of [statements.counts] and [comparison.counts] only.",
            "give both the same categories.",
        )
    return Comparison(
        path=path,
        label=table.text("label"),
        counts=counts,
        total=table.optional_text("total"),
        sheet=table.optional_text("sheet"),
    )


def _require_pattern(table: TomlTable, key: str, pattern: str) -> None:
    """Raise a StudyError unless the pattern has one pair of braces."""
    if pattern.count("{}") != 1 or pattern.replace("{}", "").count("{") or pattern.replace("{}", "").count("}"):
        raise table.error(f"'{key}' must hold {{}} once, where number or code stand.", 'for example "wai{}" or "n_{}".')
