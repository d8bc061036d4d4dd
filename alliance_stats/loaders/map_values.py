"""The values a column map becomes: files, columns, measures, statements and what they are compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

Level = Literal["session", "conversation"]
How = Literal["inner", "left"]
Better = Literal["higher", "lower"]
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
    storage : str or None
        How the answers were stored, for the few instruments where that decides what is reversed.
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
    storage: str | None = None

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
class Comparison:
    """A second table of conversations that the study's own are compared with.

    Parameters
    ----------
    path : str
        Relative to the folder of the data.
    label : str
        What these conversations are, for tables and axes.
    counts : mapping of str to tuple of str
        Category to its count columns; the categories are those of the study's own statements.
    total : str or None
        Column with the number of all statements; the sum of all counts if None.
    sheet : str or None
        Sheet of a workbook.
    """

    path: str
    label: str
    counts: Mapping[str, tuple[str, ...]]
    total: str | None = None
    sheet: str | None = None

    @property
    def named_columns(self) -> tuple[str, ...]:
        """Columns the table must have."""
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
    slopes : bool
        Whether the slope of the alliance on the next outcome may vary between patients; False for courses with few
        sessions, which cannot tell such a variance from the residual.
    units : tuple of str
        Canonical grouping columns by which predictors are split, from the inside out.
    course : str or None
        Column, by its name in the files, that names one course of treatment; the patient if None.
    comparison : Comparison or None
        Conversations to compare with.
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
    slopes: bool = True
    units: tuple[str, ...] = ()
    course: str | None = None
    comparison: Comparison | None = None
