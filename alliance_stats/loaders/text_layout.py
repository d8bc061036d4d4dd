"""How a text file is laid out: encoding, lines above the header, delimiter, column names."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from alliance_stats.errors import FileError
from alliance_stats.loaders.cells import header_names

DELIMITERS = (",", ";", "\t", "|")
_CONTROL = bytes(code for code in range(32) if code not in b"\t\n\r") + b"\x7f"
_NOT_IN_CP1252 = b"\x81\x8d\x8f\x90\x9d"
_HEAD_BYTES = 1 << 19
_LONGEST_NAME = 10_000
_MOST_COLUMNS = 1 << 17
_LONGEST_CELL = 1 << 30
_MARK = codecs.BOM_UTF8
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_DECLARED = re.compile(r'"?sep=(.)"?\s*')


@dataclass(frozen=True)
class Layout:
    """How a text file is laid out.

    Parameters
    ----------
    encoding : str
    delimiter : str
    names : list of str
        Column names; empty where a column has none.
    body : bytes
        The file from its header on.
    n_above : int
        Lines above the header that are no part of the table.
    notes : tuple of str
    """

    encoding: str
    delimiter: str
    names: list[str]
    body: bytes
    n_above: int = 0
    notes: tuple[str, ...] = ()


def layout_of(path: Path) -> Layout:
    """Return encoding, delimiter and column names, taken from the first row that is not blank.

    Parameters
    ----------
    path : Path
        A csv or tsv file.

    Raises
    ------
    FileError
        If the file is not text in a known encoding, has no rows, or a name occurs twice.
    """
    data, notes = _without_inner_marks(path.read_bytes(), path.name)
    encoding = _encoding(data, path.name)
    if encoding == "cp1252":
        notes.append(f"{path.name} is not UTF-8; it was read as Windows-1252. Check accented letters.")
    if encoding == "utf-16":
        notes.append(f"{path.name} was read as UTF-16.")
    body, n_above, declared = _below_remarks(data, encoding, path.suffix.lower() == ".tsv")
    if n_above:
        notes.append(f"Lines above the header of {path.name} that were left out: {n_above}.")
    cells, delimiter = _header(body, encoding, declared, path)
    if delimiter == ";":
        notes.append(f"{path.name} is separated by semicolons; a comma in a number is its decimal sign.")
    if not any(cell.strip() for cell in cells) or len(cells) > _MOST_COLUMNS:
        what = "no names" if len(cells) <= _MOST_COLUMNS else f"{len(cells)} names"
        raise FileError.build(
            f"The first row of {path.name} holds {what}.", hint="the first row must hold the column names, each once."
        )
    longest = max(map(len, cells))
    if longest > _LONGEST_NAME:
        raise FileError.build(
            f"{path.name} has a column name of {longest} characters.",
            hint="check for a quotation mark in the first row that is never closed.",
        )
    names = header_names(cells, path.name)
    layout = Layout(encoding, delimiter, names, body, n_above, tuple(notes))
    _require_narrow_row(layout, path.name)
    return layout


@contextmanager
def long_cells() -> Iterator[None]:
    """Let the csv module read cells of any length, such as transcripts."""
    before = csv.field_size_limit(_LONGEST_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _without_inner_marks(data: bytes, file_name: str) -> tuple[bytes, list[str]]:
    """Return the bytes without byte order marks inside the text, which show as nothing, and a note on them."""
    if data.isascii() or data.startswith(_UTF_16) or data.find(_MARK, 1) < 0:
        return data, []
    start, rest = data[: len(_MARK)], data[len(_MARK) :]
    joined = re.search(rb"[\r\n]\xef\xbb\xbf", rest)
    if joined:
        line = data.count(b"\n", 0, joined.end()) + 1
        raise FileError.build(
            f"{file_name} has a second byte order mark in line {line}: it looks like two files written one after the other.",
            hint="read the files one by one, and join their tables with pandas.concat().",
        )
    count = rest.count(_MARK)
    return start + rest.replace(_MARK, b""), [f"{count} invisible characters inside cells of {file_name} were removed."]


def _encoding(data: bytes, file_name: str) -> str:
    """Return the encoding of the bytes."""
    if data.startswith(_UTF_16) and _decodes(data, "utf-16") and "\0" not in data.decode("utf-16"):
        return "utf-16"
    if b"\0" not in data and (data.isascii() or _decodes(data, "utf-8")):
        return "utf-8-sig"
    n_control = len(data) - len(data.translate(None, _CONTROL))
    if n_control:
        raise FileError.build(
            f"{file_name} is not a text file in UTF-8: {n_control} of its {len(data)} bytes are control characters.",
            hint="save it as 'CSV UTF-8' in the program that wrote it; UTF-16 is read only with a byte order mark.",
        )
    unprintable = len(data) - len(data.translate(None, _NOT_IN_CP1252))
    if unprintable:
        raise FileError.build(
            f"{file_name} is neither UTF-8 nor Windows-1252: {unprintable} bytes belong to no character.",
            hint="in the program that wrote it, save it as 'CSV UTF-8'.",
        )
    _require_one_encoding(data, file_name)
    return "cp1252"


def _require_one_encoding(data: bytes, file_name: str) -> None:
    """Raise a FileError if most letters beyond ASCII are UTF-8 and some are not."""
    text = data.decode("utf-8", errors="replace")
    n_broken = text.count("\ufffd")
    n_letters = sum(1 for letter in text if ord(letter) > 127) - n_broken
    if n_letters > n_broken:
        line = text.count("\n", 0, text.index("\ufffd")) + 1
        raise FileError.build(
            f"{file_name} is UTF-8 except in {n_broken} places (the first in line {line}).",
            hint="correct those places, or export the file again as 'CSV UTF-8'.",
        )


def _decodes(data: bytes, encoding: str) -> bool:
    """Tell whether the bytes are text in the encoding."""
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _below_remarks(data: bytes, encoding: str, tabs: bool) -> tuple[bytes, int, str]:
    """Return the bytes from the header on, the number of lines left out, and a delimiter that the file declares."""
    head = data[:_HEAD_BYTES].decode(encoding, errors="ignore")
    lines = re.split(r"\r\n|\n|\r", head)
    declared = _DECLARED.fullmatch(lines[0])
    n_above = 1 if declared and len(lines) > 1 else 0
    mark = declared[1] if declared and n_above else ""
    remarks = n_above
    while remarks < len(lines) - 1 and lines[remarks].startswith("#"):
        remarks += 1
    if remarks > n_above:
        known = [mark] if mark else ["\t"] if tabs else list(DELIMITERS)
        n_above = remarks - _is_header(lines[remarks - 1], lines[remarks], known)
    if n_above == 0:
        return data, 0, ""
    found = re.match(rf"(?:[^\r\n]*(?:\r\n|\n|\r)){{{n_above}}}", head)
    above = found[0] if found else ""
    if encoding == "utf-16":
        return data.decode(encoding)[len(above) :].encode(encoding), n_above, mark
    start = len(_MARK) if data.startswith(_MARK) and encoding == "utf-8-sig" else 0
    return data[start + len(above.encode(encoding.removesuffix("-sig"))) :], n_above, mark


def _is_header(first: str, second: str, delimiters: list[str]) -> bool:
    """Tell whether a line that begins with # names the cells of the line below it."""
    return not first.startswith("# ") and any(first.count(mark) == second.count(mark) > 0 for mark in delimiters)


def _header(body: bytes, encoding: str, declared: str, path: Path) -> tuple[list[str], str]:
    """Return the cells of the first row that is not blank, and the delimiter that splits it into most cells."""
    tabs_first = path.suffix.lower() == ".tsv"
    preferred = sorted(DELIMITERS, key=lambda delimiter: tabs_first and delimiter != "\t")
    rows = {mark: _first_row(body, encoding, mark) for mark in ([declared] if declared else preferred)}
    delimiter = max(rows, key=lambda candidate: len(rows[candidate]))
    if not rows[delimiter]:
        raise FileError.build(
            f"{path.name} has no rows.", hint="check that the export finished, and choose another file."
        )
    return rows[delimiter], delimiter


def _first_row(body: bytes, encoding: str, delimiter: str) -> list[str]:
    """Return the cells of the first row that is not blank, or nothing."""
    n_bytes = _HEAD_BYTES
    while True:
        # Cut letters at the end of the head are of no interest.
        lines = list(StringIO(body[:n_bytes].decode(encoding, errors="ignore"), newline=""))
        whole = n_bytes >= len(body)
        rows = csv.reader(lines, delimiter=delimiter)
        with long_cells():
            try:
                row = next((row for row in rows if len(row) > 1 or any(cell.strip() for cell in row)), [])
            except csv.Error:
                return []
        if whole or rows.line_num < len(lines):
            return row
        n_bytes *= 8


def _require_narrow_row(layout: Layout, file_name: str) -> None:
    """Raise a FileError if the first row below the header has more cells, which the parser finds out slowly."""
    head = layout.body[:_HEAD_BYTES].decode(layout.encoding, errors="ignore")
    rows = csv.reader(StringIO(head, newline=""), delimiter=layout.delimiter)
    with long_cells():
        try:
            filled = (row for row in rows if len(row) > 1 or any(cell.strip() for cell in row))
            next(filled, None)
            below = next(filled, [])
        except csv.Error:
            return
    if len(below) > len(layout.names):
        raise too_wide(layout, f"line {rows.line_num + layout.n_above} has {len(below)}", file_name=file_name)


def too_wide(layout: Layout, where: str, *, file_name: str) -> FileError:
    """Return the error for a row that has more cells than the header has names.

    Parameters
    ----------
    layout : Layout
    where : str
        Which line has how many.
    file_name : str
    """
    return FileError.build(
        f"{file_name}: the header names {len(layout.names)} columns, {where}.",
        hint="put text that holds the delimiter into quotation marks, or remove the extra cells.",
    )
