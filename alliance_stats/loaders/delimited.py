"""Text files with a delimiter: csv and tsv."""

from __future__ import annotations

import codecs
import csv
import re
import warnings
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO, StringIO
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from alliance_stats.errors import FileError
from alliance_stats.loaders.cells import MISSING_MARKS, header_names, named_columns

_DELIMITERS = (",", ";", "\t")
_CONTROL = bytes(code for code in range(32) if code not in b"\t\n\r") + b"\x7f"
_NOT_IN_CP1252 = b"\x81\x8d\x8f\x90\x9d"
_HEAD_CHARACTERS = 200_000
_PIECE = 1 << 18


@dataclass(frozen=True)
class _Layout:
    """How the text is laid out."""

    encoding: str
    delimiter: str
    names: list[str]


def read_delimited(path: Path, *, text_columns: Collection[str] = ()) -> tuple[pd.DataFrame, list[str]]:
    """Read a csv or tsv file.

    The delimiter (comma, semicolon or tab) is taken from the header row. With semicolons the decimal sign is a comma,
    as European spreadsheets write it. UTF-8 is expected, with or without byte order mark; UTF-16 is read if it has a
    byte order mark, and Windows-1252 if every byte stands for a printable character of it.

    Parameters
    ----------
    path : Path
        The file.
    text_columns : collection of str
        Columns to read as text, so that leading zeros survive.

    Returns
    -------
    frame : DataFrame
        One row per line after the header.
    notes : list of str
        Encoding and delimiter, when they are not UTF-8 and comma.

    Raises
    ------
    FileError
        If the file is empty, not text in a known encoding, or its rows do not fit the header.
    """
    data = path.read_bytes()
    encoding = _encoding(data, path.name)
    layout = _layout(data, encoding, path)
    frame = _parse(path, data, layout, text_columns)
    _require_full_rows(data, layout, frame, path.name)
    return named_columns(frame, layout.names, path.name), _layout_notes(layout, path.name)


def _layout_notes(layout: _Layout, file_name: str) -> list[str]:
    """Return a sentence on the encoding and one on the delimiter where they are not the usual ones."""
    notes = []
    if layout.encoding == "cp1252":
        notes.append(f"{file_name} is not UTF-8; it was read as Windows-1252. Check accented letters.")
    if layout.encoding == "utf-16":
        notes.append(f"{file_name} was read as UTF-16.")
    if layout.delimiter == ";":
        notes.append(f"{file_name} is separated by semicolons; a comma in a number is its decimal sign.")
    return notes


def _encoding(data: bytes, file_name: str) -> str:
    """Return the encoding of the bytes."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and _decodes(data, "utf-16"):
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
    return "cp1252"


def _decodes(data: bytes, encoding: str) -> bool:
    """Tell whether the bytes are text in the encoding."""
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _layout(data: bytes, encoding: str, path: Path) -> _Layout:
    """Return encoding, delimiter and column names, taken from the first row that is not blank."""
    # Four bytes hold any character; a cut one at the end of the head is of no interest.
    head = data[: 4 * _HEAD_CHARACTERS].decode(encoding, errors="ignore")
    preferred = sorted(_DELIMITERS, key=lambda delimiter: path.suffix.lower() == ".tsv" and delimiter != "\t")
    rows = {delimiter: _first_row(head, delimiter) for delimiter in preferred}
    delimiter = max(preferred, key=lambda candidate: len(rows[candidate]))
    if not rows[delimiter]:
        raise FileError.build(
            f"{path.name} has no rows.", hint="check that the export finished, and choose another file."
        )
    return _Layout(encoding, delimiter, header_names(rows[delimiter], path.name))


def _first_row(text: str, delimiter: str) -> list[str]:
    """Return the cells of the first row that is not blank, or nothing."""
    try:
        for row in csv.reader(StringIO(text, newline=""), delimiter=delimiter):
            if len(row) > 1 or any(cell.strip() for cell in row):
                return row
    except csv.Error:
        return []
    return []


def _parse(path: Path, data: bytes, layout: _Layout, text_columns: Collection[str]) -> pd.DataFrame:
    """Return the rows below the header, columns in the order of the file."""
    as_text = [position for position, name in enumerate(layout.names) if name in text_columns]
    if as_text and not _has_padded_numbers(data, layout.delimiter):
        # Whole numbers without leading zeros, signs or spaces lose nothing by being read as numbers, which is faster.
        frame = _parse_columns(path, data, layout, [])
        kept = (np.dtype("int64"), pd.StringDtype(na_value=np.nan))
        if all(frame.dtypes.iloc[position] in kept for position in as_text):
            return frame
    return _parse_columns(path, data, layout, as_text)


def _has_padded_numbers(data: bytes, delimiter: str) -> bool:
    """Tell whether a cell may be a number with leading zeros, a plus sign or spaces around it."""
    edge = delimiter.encode()
    spaced = (b" " + edge, edge + b" ", b"\n ", b" \n", b" \r", b'" ', b' "')
    # Single letters are looked for first: that takes a twentieth of the time.
    if b"+" in data or (b" " in data and any(mark in data for mark in spaced)):
        return True
    return any(map(_opens_with_zero, _pieces(data)))


def _opens_with_zero(letters: NDArray[np.uint8]) -> bool:
    """Tell whether a cell begins with a zero and another digit."""
    # Comma, tab, line ends, quotation mark and minus sign come before the full stop, which makes a decimal.
    opens = (letters[:-2] < ord(".")) | (letters[:-2] == ord(";"))
    opened = np.flatnonzero((letters[1:-1] == ord("0")) & opens)
    after = letters[opened + 2]
    return bool(np.any((after >= ord("0")) & (after <= ord("9"))))


def _pieces(data: bytes) -> Iterator[NDArray[np.uint8]]:
    """Yield the bytes in pieces that fit the processor's cache, each with the last two of the piece before."""
    letters = np.frombuffer(data, dtype=np.uint8)
    for start in range(0, letters.size, _PIECE):
        yield letters[max(start - 2, 0) : start + _PIECE]


def _parse_columns(path: Path, data: bytes, layout: _Layout, as_text: Sequence[int]) -> pd.DataFrame:
    """Return the rows below the header, columns at some positions as text."""
    try:
        # Reading in pieces is faster; a column that is text in some pieces only needs another reading.
        return _parse_once(path, data, layout, as_text, in_pieces=True)
    except pd.errors.DtypeWarning:
        return _parse_once(path, data, layout, as_text, in_pieces=False)


def _parse_once(path: Path, data: bytes, layout: _Layout, as_text: Sequence[int], *, in_pieces: bool) -> pd.DataFrame:
    """Return the rows below the header; mixed pieces raise a DtypeWarning."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            warnings.simplefilter("error", pd.errors.DtypeWarning)
            return pd.read_csv(
                path if layout.encoding == "utf-8-sig" else BytesIO(data),
                sep=layout.delimiter,
                decimal="," if layout.delimiter == ";" else ".",
                encoding=layout.encoding.removesuffix("-sig"),
                names=range(len(layout.names)),
                header=0,
                index_col=False,
                dtype=dict.fromkeys(as_text, object),
                keep_default_na=False,
                na_values=list(MISSING_MARKS),
                low_memory=in_pieces,
                compression=None,
            )
    except pd.errors.ParserError as problem:
        raise _ragged(str(problem), len(layout.names), path.name) from None
    except pd.errors.ParserWarning:
        raise _ragged("", len(layout.names), path.name) from None
    except pd.errors.EmptyDataError:
        raise FileError.build(f"{path.name} has no rows.", hint="check that the export finished.") from None


def _ragged(report: str, n_columns: int, file_name: str) -> FileError:
    """Return the error for rows that have more cells than the header has names, or a quotation mark left open."""
    if "EOF inside string" in report:
        return FileError.build(
            f"{file_name} has a quotation mark that is opened and never closed.",
            hint="the file may be cut off: export it again.",
        )
    found = re.search(r"in line (\d+), saw (\d+)", report)
    where = f"line {found[1]} has {found[2]}" if found else "other lines have more"
    return FileError.build(
        f"{file_name}: the header names {n_columns} columns, {where}.",
        hint="put text that holds the delimiter into quotation marks, or remove the extra cells.",
    )


def _require_full_rows(data: bytes, layout: _Layout, frame: pd.DataFrame, file_name: str) -> None:
    """Raise a FileError if rows have fewer cells than the header."""
    if len(frame) == 0:
        raise FileError.build(
            f"{file_name} has a header with {len(layout.names)} columns and no rows below it.",
            hint="check that the export finished.",
        )
    if layout.encoding == "utf-16" or len(layout.names) == 1:
        return
    expected = (len(layout.names) - 1) * (len(frame) + 1)
    if b'"' not in data and _count(data, layout.delimiter) >= expected:
        return
    text = data.decode(layout.encoding)
    rows = csv.reader(StringIO(text, newline=""), delimiter=layout.delimiter)
    width = len(layout.names)
    short = [rows.line_num for row in rows if len(row) < width and any(cell.strip() for cell in row)]
    if short:
        raise FileError.build(
            f"{file_name}: the header names {len(layout.names)} columns, {len(short)} rows have fewer "
            f"(the first ends in line {short[0]}).",
            hint="the file may be cut off: export it again, or write the empty cells with their delimiters.",
        )


def _count(data: bytes, letter: str) -> int:
    """Return how often a letter occurs."""
    letters = np.frombuffer(data, dtype=np.uint8)
    return sum(int(np.count_nonzero(letters[i : i + _PIECE] == ord(letter))) for i in range(0, letters.size, _PIECE))
