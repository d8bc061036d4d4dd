"""Workbooks with a sheet of data, a readable codebook, and the labels for the way back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from alliance_stats.errors import FileError
from alliance_stats.loaders.codebook import codebook
from alliance_stats.loaders.sidecar import Sidecar, sidecar_of, without_formulas
from alliance_stats.loaders.workbooks import LABELS_SHEET

_CELL_LIMIT = 30_000
_FIRST_DAY = pd.Timestamp("1900-03-01")
_MOST_ROWS, _MOST_COLUMNS = 1_048_576, 16_384


def write_workbook(frame: pd.DataFrame, path: Path) -> None:
    """Write an xlsx workbook.

    Parameters
    ----------
    frame : DataFrame
        Any rows.
    path : Path
        Ends in .xlsx.
    """
    if len(frame) + 1 > _MOST_ROWS or frame.shape[1] > _MOST_COLUMNS:
        raise FileError.build(
            f"A sheet holds {_MOST_ROWS} rows and {_MOST_COLUMNS} columns at most; the table has {len(frame)} and "
            f"{frame.shape[1]}.",
            hint="write a parquet or csv file instead.",
        )
    from openpyxl import Workbook
    from openpyxl.utils.exceptions import IllegalCharacterError

    safe, escaped = without_formulas(frame)
    book = Workbook(write_only=True)
    try:
        _sheet(book, "data", safe)
        _sheet(book, "codebook", _readable(frame))
        _hidden(book, sidecar_of(frame, escaped=escaped))
    except (IllegalCharacterError, ValueError) as problem:
        raise FileError.build(
            f"An xlsx workbook cannot hold a cell of the table ({type(problem).__name__}).",
            hint="remove control characters from text and time zones from dates, or write a parquet file.",
        ) from None
    book.save(path)


def _sheet(book: Any, name: str, table: pd.DataFrame) -> None:
    """Add a sheet with the cells of a table, missing ones empty."""
    sheet = book.create_sheet(name)
    sheet.append([str(column) for column in table.columns])
    dates = [column for column in table.columns if pd.api.types.is_datetime64_any_dtype(table[column])]
    # Spreadsheets count days from 1900 and round moments; such columns are text, which reading turns into dates again.
    as_text = {
        column: table[column].map(pd.Timestamp.isoformat, na_action="ignore")
        for column in dates
        if _inexact(table[column])
    }
    plain = table.assign(**as_text).astype(object).where(table.notna(), None)
    for row in plain.itertuples(index=False, name=None):
        sheet.append([cell.item() if hasattr(cell, "item") else cell for cell in row])


def _inexact(dates: pd.Series) -> bool:
    """Tell whether dates lie before the first day that a spreadsheet counts right, or are finer than milliseconds."""
    known = dates.dropna()
    return bool((known < _FIRST_DAY).any()) or bool((known.dt.floor("ms") != known).any())


def _readable(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the codebook with its mappings as text, safe for a spreadsheet."""
    table = codebook(frame)
    for name in ("values", "missing_by_reason"):
        table[name] = ["; ".join(f"{key} = {value}" for key, value in cell.items()) for cell in table[name]]
    return without_formulas(table)[0]


def _hidden(book: Any, sidecar: Sidecar) -> None:
    """Add the labels as text in a hidden sheet, in pieces that a cell can hold."""
    sheet = book.create_sheet(LABELS_SHEET)
    sheet.sheet_state = "hidden"
    text = sidecar.to_text()
    for start in range(0, len(text), _CELL_LIMIT):
        sheet.append(["'" + text[start : start + _CELL_LIMIT]])
