"""Workbooks: xlsx and ods."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from alliance_stats.errors import FileError, listing
from alliance_stats.loaders.archives import opened_archive
from alliance_stats.loaders.cells import header_names, named_columns
from alliance_stats.loaders.sheet_scan import SheetScan, scan_ods, scan_xlsx

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook

_OLE_MAGIC = b"\xd0\xcf\x11\xe0"
_ZIP_MAGIC = b"PK"
_ODS_TYPE = "application/vnd.oasis.opendocument.spreadsheet"
_BLOCK = 20_000
_LARGEST_EXACT = 2.0**53

LABELS_SHEET = "alliance_stats"
"""Hidden sheet of workbooks that write_sessions() made; it holds labels."""


@dataclass(frozen=True)
class _Sheet:
    """The cells of a sheet."""

    header: list[Any]
    body: pd.DataFrame
    names: list[str]
    chosen: str
    notes: list[str]


def read_workbook(path: Path, *, sheet: str | None = None) -> tuple[pd.DataFrame, list[str]]:
    """Read one sheet of a workbook; the first row that has a cell holds the column names.

    Parameters
    ----------
    path : Path
        The file, .xlsx or .ods.
    sheet : str, optional
        Name of the sheet; the first one if left out.

    Returns
    -------
    frame : DataFrame
        One row per row of the sheet below the names. Text stays text, also if it looks like a number.
    notes : list of str
        Which sheet was read, if there are several; cells that hold an error, formulas without a value, merged cells.

    Raises
    ------
    FileError
        If the file is no workbook, is cut off, unpacks to far more than a workbook holds, has no such sheet, or the sheet
        has no rows or cells far away from the table.
    """
    _require_workbook(path)
    found = _cells(path, sheet)
    if len(found.body) == 0:
        state = "has a header and no rows below it" if found.header else "is empty"
        raise FileError.build(
            f"Sheet '{found.chosen}' of {path.name} {state}.",
            hint=f"pass sheet= with one of: {listing(found.names, 12)}.",
        )
    header = header_names(found.header, path.name)
    n_sheets = len(found.names)
    notes = [f"{path.name} has {n_sheets} sheets; '{found.chosen}' was read."] if n_sheets > 1 else []
    return named_columns(found.body, header, path.name), [*notes, *found.notes]


def hidden_labels(path: Path) -> str:
    """Return the labels that `write_sessions` keeps in a hidden sheet of a workbook; empty if there are none."""
    with _reader_errors(path), _opened(path) as book:
        if LABELS_SHEET not in book.sheet_names:
            return ""
        with opened_archive(path) as archive:
            scan_xlsx(archive, LABELS_SHEET).require_room(path)
        rows = book.get_sheet_by_name(LABELS_SHEET).to_python()
    return "".join(str(row[0]).removeprefix("'") for row in rows)


def _require_workbook(path: Path) -> None:
    """Raise a FileError that tells what the file is instead of a workbook."""
    kind = path.suffix.lower()
    with path.open("rb") as file:
        magic = file.read(4)
    if magic.startswith(_OLE_MAGIC):
        raise FileError.build(
            f"{path.name} is an old .xls workbook or one with a password.",
            hint=f"open it in a spreadsheet program and save it as {kind} without a password.",
        )
    if not magic.startswith(_ZIP_MAGIC):
        raise FileError.build(
            f"{path.name} is not an {kind[1:]} workbook, whatever its name says.",
            hint="if it is text with a delimiter, give it the ending .csv.",
        )
    with opened_archive(path) as archive:
        parts = set(archive.namelist())
        is_ods = "mimetype" in parts and archive.read("mimetype").decode("latin-1").strip().startswith(_ODS_TYPE)
        is_ods = is_ods or ("content.xml" in parts and "xl/workbook.xml" not in parts)
    if is_ods != (kind == ".ods"):
        actual = ".ods" if is_ods else ".xlsx"
        if is_ods or "xl/workbook.xml" in parts:
            raise FileError.build(
                f"{path.name} is not an {kind[1:]} workbook but an {actual[1:]} one.",
                hint=f"give it the ending {actual}.",
            )
    if kind == ".ods" and "content.xml" not in parts:
        raise _unreadable(path, "no content.xml")


def _unreadable(path: Path, evidence: str) -> FileError:
    """Return the error for a workbook that its reader refuses."""
    kind = path.suffix.lower()
    return FileError.build(
        f"{path.name} cannot be read as an {kind[1:]} workbook ({evidence}).",
        hint=f"open it in a spreadsheet program and save it again as {kind}.",
    )


def _opened(path: Path) -> CalamineWorkbook:
    """Return the workbook."""
    from python_calamine import load_workbook

    return load_workbook(str(path))


def _cells(path: Path, sheet: str | None) -> _Sheet:
    """Return the cells of the chosen sheet."""
    is_ods = path.suffix.lower() == ".ods"
    with _reader_errors(path), opened_archive(path) as archive:
        scan = scan_ods(archive) if is_ods else SheetScan()
        scan.require_room(path)
        with _opened(path) as book:
            names = _sheet_names(book)
            chosen = sheet if sheet is not None else next(iter(names), "")
            if not names:
                raise _unreadable(path, "no sheets")
            if chosen not in names:
                raise _no_sheet(path.name, chosen, names)
            if not is_ods:
                scan = scan_xlsx(archive, chosen)
                scan.require_room(path)
            found = book.get_sheet_by_name(chosen)
            header, body, n_blank = _table(found)
            said = [*scan.notes(path.name), *_shape_notes(found, n_blank, path.name)]
    return _Sheet(header, body, names, chosen, said)


def _sheet_names(book: CalamineWorkbook) -> list[str]:
    """Return the names of the sheets that hold cells, not pictures or macros."""
    from python_calamine import SheetTypeEnum

    return [own.name for own in book.sheets_metadata if own.typ == SheetTypeEnum.WorkSheet]


@contextmanager
def _reader_errors(path: Path) -> Iterator[None]:
    """Turn whatever the reader raises into a FileError without its text, which may hold cells."""
    try:
        yield
    except (FileError, OSError, MemoryError, KeyboardInterrupt, SystemExit):
        raise
    # A damaged workbook fails in the reader with errors of many classes; a panic of the reader derives from BaseException.
    except BaseException as problem:
        raise _unreadable(path, type(problem).__name__) from None


def _no_sheet(file_name: str, sheet: str, names: list[str]) -> FileError:
    """Return the error for a sheet that is not in the workbook."""
    return FileError.build(
        f"{file_name} has no sheet '{sheet}'.", hint=f"pass sheet= with one of: {listing(names, 12)}."
    )


def _shape_notes(sheet: CalamineSheet, n_blank: int, file_name: str) -> list[str]:
    """Return sentences on rows without cells and on merged cells."""
    notes = [f"{n_blank} rows without any cell were left out."] if n_blank else []
    merged = len(sheet.merged_cell_ranges or ())
    if merged:
        notes.append(f"{file_name} has {merged} merged ranges; only the first cell of each has a value.")
    return notes


def _table(sheet: CalamineSheet) -> tuple[list[Any], pd.DataFrame, int]:
    """Return the first row with a cell, the rows below, and how many rows between them have no cell."""
    rows = sheet.iter_rows()
    header = next((row for row in rows if any(cell != "" for cell in row)), [])
    blocks: list[list[np.ndarray]] = []
    n_blank = n_pending = 0
    for block in _blocks(rows):
        kept = []
        for row in block:
            if any(cell != "" for cell in row):
                kept.append(row)
                n_blank, n_pending = n_blank + n_pending, 0
            else:
                n_pending += 1
        if kept:
            blocks.append([_compact(cells) for cells in zip(*kept, strict=True)])
    columns = {place: _column(parts) for place, parts in enumerate(zip(*blocks, strict=True))}
    return [_plain(cell) for cell in header], pd.DataFrame(columns, copy=False), n_blank


def _blocks(rows: Iterator[list[Any]]) -> Iterable[list[list[Any]]]:
    """Yield rows some thousands at a time: Python's cells take several times the room of an array."""
    while block := list(islice(rows, _BLOCK)):
        yield block


def _compact(cells: tuple[Any, ...]) -> np.ndarray:
    """Return the cells of a column as numbers if they are that, else as objects with None for empty ones."""
    if all(type(cell) is float for cell in cells):
        return np.array(cells, dtype=float)
    objects = np.empty(len(cells), dtype=object)
    objects[:] = [None if cell == "" else _moment(cell) for cell in cells]
    return objects


def _moment(cell: Any) -> Any:
    """Return a date as a moment, so that a column of dates with and without times has one type."""
    if isinstance(cell, datetime.date) and not isinstance(cell, datetime.datetime):
        return datetime.datetime(cell.year, cell.month, cell.day)
    return cell


def _column(parts: tuple[np.ndarray, ...]) -> pd.Series:
    """Return a column of whole numbers, decimals, dates, truth values or text; as it is if cells are of several kinds."""
    whole = np.concatenate(parts)
    if whole.dtype != object:
        return _whole_numbers(whole)
    known = [cell for cell in whole if cell is not None]
    if all(type(cell) is float for cell in known):
        return _whole_numbers(whole.astype(float)) if known else pd.Series(whole, dtype=object)
    mixed = np.empty(whole.size, dtype=object)
    mixed[:] = [_plain(cell) for cell in whole]
    return pd.Series(mixed, dtype=object).infer_objects()


def _whole_numbers(numbers: np.ndarray) -> pd.Series:
    """Return numbers as integers if all of them are, as a sheet shows them."""
    whole = bool(np.all(np.isfinite(numbers) & (np.abs(numbers) < _LARGEST_EXACT) & (numbers == np.round(numbers))))
    return pd.Series(numbers.astype(np.int64) if whole else numbers)


def _plain(cell: Any) -> Any:
    """Return a whole number without the decimal point that a workbook does not show."""
    if type(cell) is float and math.isfinite(cell) and cell.is_integer():
        return int(cell)
    return cell
