"""Text files with a delimiter: csv and tsv."""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Collection, Iterator, Sequence
from io import BytesIO, StringIO
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from alliance_stats.errors import FileError
from alliance_stats.loaders.cells import MISSING_MARKS, named_columns
from alliance_stats.loaders.text_layout import Layout, layout_of, long_cells, too_wide

_PIECE = 1 << 18


def read_delimited(path: Path, *, text_columns: Collection[str] = ()) -> tuple[pd.DataFrame, list[str]]:
    """Read a csv or tsv file.

    The delimiter (comma, semicolon, tab or bar) is taken from the header row, or from a line ``sep=;`` above it. With
    semicolons the decimal sign is a comma, as European spreadsheets write it. UTF-8 is expected, with or without byte order
    mark; UTF-16 is read if it has a byte order mark, and Windows-1252 if every byte stands for a printable character of it.
    Lines above the header that begin with # are left out.

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
        Encoding and delimiter, when they are not UTF-8 and comma; lines left out.

    Raises
    ------
    FileError
        If the file is empty, not text in a known encoding, its rows do not fit the header, or it is two files in one.
    """
    layout = layout_of(path)
    frame = _parse(path, layout, text_columns)
    _require_full_rows(layout, frame, path.name)
    _require_one_header(layout, frame, path.name)
    return named_columns(frame, layout.names, path.name), list(layout.notes)


def _parse(path: Path, layout: Layout, text_columns: Collection[str]) -> pd.DataFrame:
    """Return the rows below the header, columns in the order of the file."""
    as_text = [position for position, name in enumerate(layout.names) if name in text_columns]
    if as_text and not _has_padded_numbers(layout.body, layout.delimiter):
        # Whole numbers without leading zeros, signs or spaces lose nothing by being read as numbers, which is faster.
        frame = _parse_columns(path, layout, [])
        kept = (np.dtype("int64"), pd.StringDtype(na_value=np.nan))
        if all(frame.dtypes.iloc[position] in kept for position in as_text):
            return frame
    return _parse_columns(path, layout, as_text)


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


def _parse_columns(path: Path, layout: Layout, as_text: Sequence[int]) -> pd.DataFrame:
    """Return the rows below the header, columns at some positions as text."""
    try:
        # Reading in pieces is faster; a column that is text in some pieces only needs another reading.
        return _parse_once(path, layout, as_text, in_pieces=True)
    except pd.errors.DtypeWarning:
        return _parse_once(path, layout, as_text, in_pieces=False)


def _parse_once(path: Path, layout: Layout, as_text: Sequence[int], *, in_pieces: bool) -> pd.DataFrame:
    """Return the rows below the header; mixed pieces raise a DtypeWarning."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            warnings.simplefilter("error", pd.errors.DtypeWarning)
            return pd.read_csv(
                path if layout.encoding == "utf-8-sig" and not layout.notes else BytesIO(layout.body),
                sep=layout.delimiter,
                decimal="," if layout.delimiter == ";" else ".",
                encoding=layout.encoding.removesuffix("-sig"),
                names=range(len(layout.names)),
                header=0,
                index_col=False,
                # An empty mapping makes pandas look at every column once more.
                dtype=dict.fromkeys(as_text, object) or None,
                keep_default_na=False,
                na_values=list(MISSING_MARKS),
                low_memory=in_pieces,
                compression=None,
            )
    except pd.errors.ParserError as problem:
        raise _ragged(str(problem), layout, path.name) from None
    except pd.errors.ParserWarning:
        raise _ragged("", layout, path.name) from None
    except pd.errors.EmptyDataError:
        raise FileError.build(f"{path.name} has no rows.", hint="check that the export finished.") from None


def _ragged(report: str, layout: Layout, file_name: str) -> FileError:
    """Return the error for rows that have more cells than the header has names, or a quotation mark left open."""
    if "EOF inside string" in report:
        return FileError.build(
            f"{file_name} has a quotation mark that is opened and never closed.",
            hint="the file may be cut off: export it again.",
        )
    found = re.search(r"in line (\d+), saw (\d+)", report)
    where = f"line {int(found[1]) + layout.n_above} has {found[2]}" if found else "other lines have more"
    return too_wide(layout, where, file_name=file_name)


def _require_full_rows(layout: Layout, frame: pd.DataFrame, file_name: str) -> None:
    """Raise a FileError if rows have fewer cells than the header."""
    if len(frame) == 0:
        raise FileError.build(
            f"{file_name} has a header with {len(layout.names)} columns and no rows below it.",
            hint="check that the export finished.",
        )
    if layout.encoding == "utf-16" or len(layout.names) == 1:
        return
    expected = (len(layout.names) - 1) * (len(frame) + 1)
    if b'"' not in layout.body and _count(layout.body, layout.delimiter) >= expected:
        return
    text = layout.body.decode(layout.encoding)
    rows = csv.reader(StringIO(text, newline=""), delimiter=layout.delimiter)
    width = len(layout.names)
    with long_cells():
        short = [rows.line_num for row in rows if len(row) < width and any(cell.strip() for cell in row)]
    if short:
        raise FileError.build(
            f"{file_name}: the header names {len(layout.names)} columns, {len(short)} rows have fewer "
            f"(the first ends in line {short[0] + layout.n_above}).",
            hint="the file may be cut off: export it again, or write the empty cells with their delimiters.",
        )


def _require_one_header(layout: Layout, frame: pd.DataFrame, file_name: str) -> None:
    """Raise a FileError if rows repeat the header, as in files written one after the other."""
    again = np.ones(len(frame), dtype=bool)
    for place, name in enumerate(layout.names):
        if not pd.api.types.is_string_dtype(frame.iloc[:, place]) or len(layout.names) == 1:
            return
        again &= (frame.iloc[:, place] == name).to_numpy(dtype=bool, na_value=False)
        if not again.any():
            return
    raise FileError.build(
        f"{int(again.sum())} rows of {file_name} repeat the header (the first is data row {int(again.argmax()) + 1}): it "
        "looks like several files written one after the other.",
        hint="read the files one by one, and join their tables with pandas.concat().",
    )


def _count(data: bytes, letter: str) -> int:
    """Return how often a letter occurs."""
    letters = np.frombuffer(data, dtype=np.uint8)
    return sum(int(np.count_nonzero(letters[i : i + _PIECE] == ord(letter))) for i in range(0, letters.size, _PIECE))
