"""The schema of column maps: what a TOML file may say, and the values it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from alliance_stats.columns import CANONICAL
from alliance_stats.loaders.toml_table import TomlTable

Level = Literal["session", "conversation"]
How = Literal["inner", "left"]
Better = Literal["higher", "lower"]
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
)
_MEASURE_KEYS = ("label", "column", "instrument", "items", "score", "published_total", "published_key_note")
Items = str | tuple[str, ...] | Mapping[str, str]


@dataclass(frozen=True)
class DataFile:
    """One data file of a study.

    Parameters
    ----------
    path : str or None
        Relative to the folder of the data; None if the file is named when the study is run.
    join_on : tuple of str
        Columns that tie its rows to those of the first file; empty for the first file.
    how : {"inner", "left"}
        Keep rows found in both files, or all rows of the files before.
    sheet : str or None
        Sheet of a workbook.
    """

    path: str | None = None
    join_on: tuple[str, ...] = ()
    how: How = "inner"
    sheet: str | None = None


@dataclass(frozen=True)
class Measure:
    """Where the alliance or the outcome is: items of an instrument, or a finished column.

    Parameters
    ----------
    label : str
        For tables and axes, with the range where known.
    column : str or None
        A column that holds the score; then there is no instrument.
    instrument, score : str or None
        Key of the instrument, and which of its scores.
    items : str, tuple of str, mapping or None
        A pattern such as ``"wai{}"``, the item columns in order, or item number to column.
    better : {"higher", "lower"} or None
        Which direction is improvement; outcomes only.
    initial : str or None
        Column with the value before treatment; outcomes only.
    published_total : str or None
        Column with the total the authors computed.
    published_key_note : str or None
        How their scoring differs.
    """

    label: str
    column: str | None = None
    instrument: str | None = None
    items: Items | None = None
    score: str | None = None
    better: Better | None = None
    initial: str | None = None
    published_total: str | None = None
    published_key_note: str | None = None

    @property
    def named_columns(self) -> tuple[str, ...]:
        """Columns the data must have; items of a pattern are not among them."""
        items: tuple[str, ...] = ()
        if isinstance(self.items, Mapping):
            items = tuple(self.items.values())
        elif isinstance(self.items, tuple):
            items = self.items
        singles = (self.column, self.initial, self.published_total)
        return (*items, *(name for name in singles if name is not None))


@dataclass(frozen=True)
class StatementColumns:
    """Which columns count which statements: by a codebook, or by categories given here.

    Parameters
    ----------
    codebook : str or None
        Key of a codebook that assigns its codes to categories.
    counts_pattern : str or None
        With a codebook: name of the count column of a code, such as ``"n_{}"``.
    counts : mapping of str to tuple of str
        Without a codebook: category to its count columns.
    total : str or None
        Column with the number of all statements; the sum of all counts if None.
    """

    codebook: str | None = None
    counts_pattern: str | None = None
    counts: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    total: str | None = None

    @property
    def named_columns(self) -> tuple[str, ...]:
        """Columns the data must have; those of a pattern are not among them."""
        counted = tuple(name for names in self.counts.values() for name in names)
        return counted if self.total is None else (*counted, self.total)


@dataclass(frozen=True)
class ColumnMap:
    """How the columns of a data set fit a study.

    Parameters
    ----------
    study : str
        The study it is for.
    level : {"session", "conversation"}
        One row per patient and session, or one row per conversation.
    title, source : str
        What the data are; citation with licence.
    simulated : bool
        True if no person took part.
    notes : tuple of str
        Sentences for the report: what these data cannot show.
    files : tuple of DataFile
        The first is the base, the others are joined to it.
    columns : mapping of str to str
        Canonical name to column.
    row_key : tuple of str
        Columns that together name a row, where patient and session do not.
    missing : tuple of str or float
        Cells that mean 'no answer'.
    alliance, outcome : Measure or None
    statements : StatementColumns or None
    random : tuple of str
        Grouping columns with a random intercept.
    """

    study: str
    level: Level
    title: str
    simulated: bool
    source: str
    files: tuple[DataFile, ...]
    columns: Mapping[str, str]
    notes: tuple[str, ...] = ()
    row_key: tuple[str, ...] = ()
    missing: tuple[str | float, ...] = ()
    alliance: Measure | None = None
    outcome: Measure | None = None
    statements: StatementColumns | None = None
    random: tuple[str, ...] = ()


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
    return ColumnMap(
        study=top.text("study"),
        level=level,
        title=top.text("title"),
        simulated=top.truth("simulated"),
        source=top.text("source"),
        files=_files(top),
        columns=columns,
        notes=top.optional_texts("note"),
        row_key=top.optional_texts("row_key"),
        missing=top.optional_cells("missing"),
        alliance=_measure(top.optional_table("alliance"), outcome=False),
        outcome=_measure(top.optional_table("outcome"), outcome=True),
        statements=_statements(top.optional_table("statements")),
        random=_groups(top.optional_table("random"), columns),
    )


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
    path = table.optional_text("path")
    if path is not None and (path.startswith(("/", "\\")) or ":" in path or ".." in path.replace("\\", "/").split("/")):
        raise table.error(f"path '{path}' leaves the folder of the data.", "give a path relative to that folder.")
    join_on = () if first else table.texts("join_on")
    how: How = "left" if table.optional_choice("how", ("inner", "left")) == "left" else "inner"
    sheet = table.optional_text("sheet")
    return DataFile(path=path, join_on=join_on, how=how, sheet=sheet)


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
    )


def _items(table: TomlTable) -> Items:
    """Return the item columns: a pattern, a list, or item number to column."""
    items: Items = table.text_or_texts_or_names("items")
    if isinstance(items, str):
        _require_pattern(table, "items", items)
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
    table.allow(("groups",))
    groups = table.texts("groups")
    unmapped = [name for name in groups if name in CANONICAL and name not in columns]
    if unmapped:
        raise table.error(f"'{unmapped[0]}' is not among the [columns].", "name its column there, or take it out here.")
    return groups


def _require_pattern(table: TomlTable, key: str, pattern: str) -> None:
    """Raise a StudyError unless the pattern has one pair of braces."""
    if pattern.count("{}") != 1 or pattern.replace("{}", "").count("{") or pattern.replace("{}", "").count("}"):
        raise table.error(f"'{key}' must hold {{}} once, where number or code stand.", 'for example "wai{}" or "n_{}".')
