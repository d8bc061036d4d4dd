"""What the header of a file of a statistics program claims, compared with the length of the file.

The readers of such files trust the header: a wrong one makes them wait, fill the memory, or break off the whole program.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from alliance_stats.errors import FileError

_LARGE = 1 << 28
_LARGEST_RATIO = 1000
_SAV_HEADER = 176
_MISSING_COUNTS = (-3, -2, 0, 1, 2, 3)
_WIDEST = 255
_SHORT = 8
_VARIABLE, _VALUE_LABELS, _LABELLED, _DOCUMENT, _EXTENSION, _END = 2, 3, 4, 6, 7, 999
_COMPRESSED, _ZLIB = 1, 2


def require_plausible(path: Path) -> None:
    """Raise a FileError if the header of a file claims what its length cannot hold.

    Parameters
    ----------
    path : Path
        Its ending tells the format; files without a header that can be checked pass.

    Raises
    ------
    FileError
        If the header does not fit the file.

    Notes
    -----
    Layout of SPSS files: PSPP developers guide, "System File Format",
    https://www.gnu.org/software/pspp/pspp-dev/html_node/System-File-Format.html. Layout of Stata files: Stata manual,
    "File formats .dta", https://www.stata.com/help.cgi?dta.
    """
    checks: dict[str, Callable[[BinaryIO, int], str]] = {
        ".sav": _sav_flaw,
        ".zsav": _sav_flaw,
        ".dta": _dta_flaw,
        ".parquet": _parquet_flaw,
    }
    check = checks.get(path.suffix.lower())
    if check is None:
        return
    size = path.stat().st_size
    with path.open("rb") as file:
        try:
            flaw = check(file, size)
        except struct.error:
            flaw = "it ends within its header"
    if flaw:
        kind = path.suffix.lower()[1:]
        raise FileError.build(
            f"{path.name} cannot be read as a {kind} file: {flaw}.",
            hint="the file may be cut off or damaged: export it again.",
        )


def require_room(path: Path, *, n_rows: int, n_columns: int) -> None:
    """Raise a FileError if a table is large and its file so small that only repeated cells could fill it.

    Parameters
    ----------
    path : Path
        The file.
    n_rows, n_columns : int
        As the file states them.
    """
    n_bytes = 8 * n_rows * n_columns
    if n_bytes > max(_LARGE, _LARGEST_RATIO * path.stat().st_size):
        raise FileError.build(
            f"{path.name} claims {n_rows} rows and {n_columns} columns, more than {_LARGEST_RATIO} times what it holds.",
            hint="check that the export finished; if the table is right, write it in parts.",
        )


@dataclass
class _Dictionary:
    """The dictionary of an SPSS file while it is read."""

    file: BinaryIO
    size: int
    order: str
    widths: list[int] = field(default_factory=list)
    owed: int = 0

    def integers(self, count: int) -> tuple[int, ...]:
        """Return the next whole numbers of four bytes."""
        return struct.unpack(f"{self.order}{count}i", self.file.read(4 * count))

    def skip(self, n_bytes: int) -> bool:
        """Move on, and tell whether the file is long enough for it."""
        place = self.file.tell() + n_bytes
        if n_bytes < 0 or place > self.size:
            return False
        self.file.seek(place)
        return True


def _sav_flaw(file: BinaryIO, size: int) -> str:
    """Return what is wrong with the dictionary of an SPSS file; empty if nothing is."""
    start = file.read(_SAV_HEADER)
    order = "<" if struct.unpack_from("<i", start, 64)[0] in (2, 3) else ">"
    layout, _, compression, _, n_cases = struct.unpack_from(f"{order}5i", start, 64)
    if layout not in (2, 3) or compression not in (0, _COMPRESSED, _ZLIB) or n_cases < -1:
        return "its header holds numbers that no SPSS file has"
    book = _Dictionary(file, size, order)
    flaw = _sav_records(book)
    if flaw:
        return flaw
    left, values = size - file.tell(), max(n_cases, 0) * len(book.widths)
    if not book.widths:
        return "it has no variables"
    most = {0: left // 8, _COMPRESSED: left, _ZLIB: max(_LARGE, left * _LARGEST_RATIO) // 8}[compression]
    return f"its header claims {n_cases} cases, more than the file can hold" if values > most else ""


def _sav_records(book: _Dictionary) -> str:
    """Read the records up to the data; return what is wrong with them."""
    readers = {
        _VARIABLE: _sav_variable,
        _VALUE_LABELS: _sav_value_labels,
        _LABELLED: _sav_labelled,
        _DOCUMENT: _sav_document,
        _EXTENSION: _sav_extension,
    }
    while True:
        (kind,) = book.integers(1)
        if kind == _END:
            book.integers(1)
            return "a text variable is cut off" if book.owed else ""
        if kind not in readers:
            return "its dictionary holds a record of an unknown kind"
        flaw = readers[kind](book)
        if flaw:
            return flaw


def _sav_variable(book: _Dictionary) -> str:
    """Read a variable, or the next eight bytes of a long text variable."""
    width, has_label, n_missing, *_ = book.integers(5)
    book.file.read(8)
    if (width == -1) != (book.owed > 0) or not -1 <= width <= _WIDEST:
        return "its variables have impossible widths"
    book.owed = book.owed - 1 if width == -1 else max(0, (width + 7) // 8 - 1)
    book.widths.append(width)
    if has_label not in (0, 1) or n_missing not in _MISSING_COUNTS:
        return "its variables have impossible properties"
    if has_label and not book.skip((book.integers(1)[0] + 3) // 4 * 4):
        return "a label is longer than the file"
    return "" if book.skip(8 * abs(n_missing)) else "it ends within its dictionary"


def _sav_value_labels(book: _Dictionary) -> str:
    """Read a set of value labels."""
    (count,) = book.integers(1)
    if not 0 <= count <= book.size // 16:
        return "it claims more value labels than the file can hold"
    for _ in range(count):
        value = book.file.read(9)
        if len(value) < 9 or not book.skip((value[8] + 8) // 8 * 8 - 1):
            return "it ends within its dictionary"
    return ""


def _sav_labelled(book: _Dictionary) -> str:
    """Read which variables have the value labels before."""
    (count,) = book.integers(1)
    if not 0 <= count <= len(book.widths):
        return "value labels belong to more variables than there are"
    places = book.integers(count)
    if not all(1 <= place <= len(book.widths) for place in places):
        return "value labels belong to no variable"
    # Labels in this record have eight bytes for the value; those of longer text stand in an extension.
    widths = [book.widths[place - 1] for place in places]
    fits = all(width == 0 for width in widths) or all(1 <= width <= _SHORT for width in widths)
    return "" if fits else "value labels belong to variables of another kind"


def _sav_document(book: _Dictionary) -> str:
    """Read the lines of a document."""
    (n_lines,) = book.integers(1)
    return "" if n_lines >= 0 and book.skip(80 * n_lines) else "it ends within its dictionary"


def _sav_extension(book: _Dictionary) -> str:
    """Read a record of a later version."""
    _, width, count = book.integers(3)
    fits = width >= 0 and count >= 0 and book.skip(width * count)
    return "" if fits else "it ends within its dictionary"


def _dta_flaw(file: BinaryIO, size: int) -> str:
    """Return what is wrong with the counts of a Stata file; empty if nothing is."""
    start = file.read(200)
    if not start.startswith(b"<"):
        order = ">" if start[1] == 1 else "<"
        n_columns, n_rows = struct.unpack_from(f"{order}hi", start, 4)
    else:
        found = re.search(rb"<release>(\d+)</release><byteorder>(LSF|MSF)</byteorder><K>", start)
        if not found:
            return "its header has no counts"
        order, release = ("<" if found[2] == b"LSF" else ">"), int(found[1])
        wide_k, wide_n = ("i" if release > 118 else "h"), ("q" if release > 117 else "i")
        n_columns = struct.unpack_from(order + wide_k.upper(), start, found.end())[0]
        place = found.end() + struct.calcsize(f"={wide_k}") + len(b"</K><N>")
        n_rows = struct.unpack_from(order + wide_n.upper(), start, place)[0]
    # Every column takes a byte of a row at least, and more than a byte in the list of names.
    if n_columns < 0 or n_rows < 0 or n_columns > size or n_columns * n_rows > size:
        return f"its header claims {n_rows} rows and {n_columns} columns, more than the file can hold"
    return ""


def _parquet_flaw(file: BinaryIO, size: int) -> str:
    """Return what is wrong with the place of the description in a parquet file; empty if nothing is."""
    file.seek(max(size - 8, 0))
    end = file.read(8)
    if end[4:] != b"PAR1":
        return "it does not end like a parquet file"
    (length,) = struct.unpack("<I", end[:4])
    return "" if length <= size - 12 else "its description is longer than the file"
