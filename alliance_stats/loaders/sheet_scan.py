"""How far the cells of a sheet reach, found by a quick look at its XML before a reader makes room for them."""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter, le
from pathlib import Path
from xml.etree import ElementTree

from alliance_stats.errors import FileError
from alliance_stats.loaders.archives import chunks

MOST_ROWS, MOST_COLUMNS = 1_048_576, 16_384
"""Largest sheet of an xlsx workbook."""

_MOST_CELLS = 1 << 24
_FEW_CELLS = 1 << 22
_SPARSE = 50
_LONGEST_TAG = 1 << 22
_LONGEST_NUMBER = 12

_FILLED = re.compile(rb"<(?:\w+:)?c\s[^>]*?r=[\"']([A-Za-z]+)(\d+)[\"'][^>]*(?<!/)>\s*<[^/]")
_ROW = re.compile(rb"<(?:\w+:)?row\s[^>]*?r=[\"'](\d+)")
_ERROR = re.compile(rb"<(?:\w+:)?c\s[^>]*?t=[\"']e[\"']")
_NO_VALUE = re.compile(rb"(?:</f>|<f[^>]*/>)\s*(?:<v\s*/>|<v>\s*</v>)?\s*</c>")
_ODS_ROWS = re.compile(rb'^[^>]*?number-rows-repeated="(\d+)"')
_ODS_CELL = re.compile(rb"<table:(?:covered-)?table-cell\b([^>]*)>")
_ODS_ERROR = b'calcext:value-type="error"'
_ODS_COLUMNS = re.compile(rb'number-columns-repeated="(\d+)"')


@dataclass(frozen=True)
class SheetScan:
    """What a look at the XML of a sheet has shown.

    Parameters
    ----------
    rows, columns : int
        How far cells with content reach.
    filled : int
        Number of cells with content.
    errors : int
        Cells that hold an error such as #N/A or #DIV/0!.
    wrong : int
        Those of them that have a number beside the error, which a reader would take for their value.
    unvalued : int
        Formulas without a stored value.
    ordered : bool
        Whether each row stands below the one before; readers misplace the cells of others.
    """

    rows: int = 0
    columns: int = 0
    filled: int = 0
    errors: int = 0
    unvalued: int = 0
    ordered: bool = True
    wrong: int = 0

    def require_room(self, path: Path) -> None:
        """Raise a FileError if the sheet is larger than a sheet can be, or too large to be held."""
        if self.rows > MOST_ROWS or self.columns > MOST_COLUMNS:
            raise FileError.build(
                f"{path.name} has cells beyond row {MOST_ROWS} or column {MOST_COLUMNS}, where no sheet reaches.",
                hint="open it in a spreadsheet program and save it again.",
            )
        if not self.ordered:
            raise FileError.build(
                f"The rows of the sheet of {path.name} are not in the order of their numbers.",
                hint="open it in a spreadsheet program and save it again.",
            )
        if self.wrong:
            raise FileError.build(
                f"{path.name} stores {self.wrong} errors of formulas as numbers.",
                hint="correct the formulas, or empty those cells, and save the file again.",
            )
        room = self.rows * self.columns
        if room > _MOST_CELLS or (room > _FEW_CELLS and room > _SPARSE * self.filled):
            raise FileError.build(
                f"The sheet of {path.name} reaches over {self.rows} rows and {self.columns} columns; {self.filled} cells "
                "hold something.",
                hint="delete the cells far away from the table, or save the sheet as .csv.",
            )

    def notes(self, file_name: str) -> list[str]:
        """Return sentences on cells that hold an error or a formula without a value."""
        notes = []
        if self.errors:
            notes.append(f"{file_name}: {self.errors} cells hold an error such as #N/A or #DIV/0!; they are missing.")
        if self.unvalued:
            notes.append(
                f"{file_name}: {self.unvalued} formulas have no stored value and are missing; open the file in a "
                "spreadsheet program and save it, so that they are calculated."
            )
        return notes


def sheet_parts(archive: zipfile.ZipFile) -> dict[str, str]:
    """Return the part of the archive that holds each sheet of an xlsx workbook; empty if the workbook does not say."""
    try:
        book = ElementTree.fromstring(archive.read("xl/workbook.xml"))
        targets = ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))
    except (KeyError, ElementTree.ParseError):
        return {}
    paths = {own.get("Id"): own.get("Target", "") for own in targets}
    known = set(archive.namelist())
    found = {}
    for sheet in book.iter():
        if sheet.tag.rpartition("}")[2] == "sheet":
            target = next((paths.get(value, "") for name, value in sheet.items() if name.endswith("}id")), "")
            part = posixpath.normpath(posixpath.join("/xl", target)).lstrip("/")
            if part in known:
                found[sheet.get("name", "")] = part
    return found


def scan_xlsx(archive: zipfile.ZipFile, sheet: str) -> SheetScan:
    """Return how far the cells of a sheet reach; of all sheets if the workbook does not say which part is the sheet."""
    part = sheet_parts(archive).get(sheet)
    parts = [part] if part else [name for name in archive.namelist() if name.lower().endswith(".xml")]
    rows = columns = filled = errors = unvalued = last = 0
    ordered = True
    for piece in (piece for name in parts for piece in _pieces(chunks(archive, name))):
        places = _FILLED.findall(piece)
        numbers = [last, *(int(number[:_LONGEST_NUMBER]) for number, _ in groupby(map(itemgetter(1), places)))]
        ordered, last = ordered and all(map(le, numbers, numbers[1:])), numbers[-1]
        filled += len(places)
        columns = max(columns, max((_column_number(letters) for letters in {place[0] for place in places}), default=0))
        rows = max(rows, max(numbers))
        # Rows with a format and no cells may be many; only a number that no sheet has counts.
        stated = _largest(_ROW.findall(piece))
        rows = max(rows, stated) if stated > MOST_ROWS else rows
        errors += len(_ERROR.findall(piece)) if b't="e"' in piece or b"t='e'" in piece else 0
        unvalued += len(_NO_VALUE.findall(piece)) if b"<f" in piece else 0
    return SheetScan(rows, columns, filled, errors, unvalued, ordered)


def _pieces(stream: Iterable[bytes]) -> Iterator[bytes]:
    """Yield XML in pieces that end between two cells, or at least between two tags."""
    rest = b""
    for chunk in stream:
        rest += chunk
        cut = max(rest.rfind(b"<c "), rest.rfind(b"<table:table-row")) if len(rest) < _LONGEST_TAG else -1
        cut = cut if cut > 0 else rest.rfind(b"<")
        if cut > 0:
            yield rest[:cut]
            rest = rest[cut:]
        elif len(rest) > _LONGEST_TAG:
            rest = b""
    yield rest


def _largest(numbers: Iterable[bytes]) -> int:
    """Return the largest of numbers in text; more than nine digits count as a billion."""
    return max((int(number) if len(number) < 10 else 10**9 for number in set(numbers)), default=0)


def _column_number(letters: bytes) -> int:
    """Return the position of a column from its letters: 1 for A, 27 for AA."""
    number = 0
    for letter in letters.upper()[:8]:
        number = 26 * number + letter - ord("A") + 1
    return number


def scan_ods(archive: zipfile.ZipFile) -> SheetScan:
    """Return how far the cells of the largest sheet of an ods workbook reach; cells of all sheets are counted."""
    largest = SheetScan()
    filled = errors = wrong = rows = columns = pending = 0
    for piece in _ods_rows(archive):
        found = _ODS_ROWS.match(piece)
        repeats = _largest([found[1]]) if found else 1
        width, n_filled = _ods_width(piece)
        found_errors = [cell for cell in _ODS_CELL.findall(piece) if _ODS_ERROR in cell] if _ODS_ERROR in piece else []
        errors += len(found_errors)
        wrong += sum(b'office:value-type="float"' in cell for cell in found_errors)
        if n_filled:
            rows, columns, pending = rows + pending + repeats, max(columns, width), 0
            filled += repeats * n_filled
        else:
            pending += repeats
        if b"</table:table>" in piece:
            largest = max(largest, SheetScan(rows, columns), key=lambda own: own.rows * own.columns)
            rows = columns = pending = 0
    largest = max(largest, SheetScan(rows, columns), key=lambda own: own.rows * own.columns)
    return SheetScan(largest.rows, largest.columns, filled, errors, wrong=wrong)


def _ods_rows(archive: zipfile.ZipFile) -> Iterator[bytes]:
    """Yield the text of each row of an ods workbook, from after the name of its tag to the next row."""
    for piece in _pieces(chunks(archive, "content.xml")):
        yield from piece.split(b"<table:table-row")[0 if not piece.startswith(b"<table:table-row") else 1 :]


def _ods_width(row: bytes) -> tuple[int, int]:
    """Return how many columns the cells of a row reach over, and how many of them hold something."""
    if b"number-columns-repeated" not in row:
        n_ends = row.count(b"</table:table-cell") + row.count(b"</table:covered-table-cell")
        return row.count(b"table-cell") - n_ends, row.count(b"office:value-type=")
    width = filled = gap = 0
    for cell in _ODS_CELL.findall(row):
        found = _ODS_COLUMNS.search(cell)
        repeats = _largest([found[1]]) if found else 1
        if b"office:value-type" in cell:
            width, gap = width + gap + repeats, 0
            filled += repeats
        else:
            gap += repeats
    return width, filled
