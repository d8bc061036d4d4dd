"""Files of statistics programs whose headers lie, and paths that are no files."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path

from tests.loaders.malformed import CANARY, Case, good

LARGEST = struct.pack("<i", 2**31 - 1)


def patched(name: str, find: bytes, put: bytes, *, skip: int = 0) -> Case:
    """Return a sound file in which bytes some places after a mark are replaced."""
    suffix = name.split(" ")[0]

    def write(path: Path) -> bytes:
        data = bytearray(good(suffix, path.parent))
        place = data.index(find) + skip
        data[place : place + len(put)] = put
        return bytes(data)

    return Case(name, write, outcome="error")


def at(name: str, place: int, put: bytes) -> Case:
    """Return a sound file in which bytes at a place, counted from the end if negative, are replaced."""
    suffix = name.split(" ")[0]

    def write(path: Path) -> bytes:
        data = bytearray(good(suffix, path.parent))
        start = place if place >= 0 else len(data) + place
        data[start : start + len(put)] = put
        return bytes(data)

    return Case(name, write)


def labels_on_long_text(path: Path) -> bytes:
    """Return an SPSS file whose value labels belong to the second part of a long text."""
    data = good(".sav", path.parent)
    record = struct.pack("<2i", 4, 1)
    place = data.index(record) + len(record)
    n_before = data[:place].count(b"\x02\x00\x00\x00\xff\xff\xff\xff")
    return data[:place] + struct.pack("<i", 2 if n_before else 1) + data[place + 4 :]


def constant_parquet(path: Path) -> None:
    """Write a parquet file of a few kilobytes with two hundred million cells."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {f"c{k}": pa.repeat(1.5, 100_000) for k in range(20)}
    with pq.ParquetWriter(path, pa.table(columns).schema, compression="zstd") as writer:
        for _ in range(100):
            writer.write_table(pa.table(columns))


def text_of_bytes(path: Path) -> None:
    """Write a parquet file whose text is no UTF-8."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    broken = pa.array([CANARY.encode() + b"\xff\xfe", b"b"]).cast(pa.binary())
    pq.write_table(pa.table({"a": pa.StringArray.from_buffers(2, broken.buffers()[1], broken.buffers()[2])}), path)


def labels_in_parquet(labels: object) -> Callable[[Path], None]:
    """Return a writer of a parquet file with labels that are none."""

    def write(path: Path) -> None:
        import pandas as pd

        frame = pd.DataFrame({"a": [1, 2]})
        frame.attrs = {"labels": labels, "missing_reasons": labels, "written_by_alliance_stats": True}
        frame.to_parquet(path)

    return write


def unreadable(path: Path) -> None:
    """Write a file that its reader may not open."""
    path.write_text(CANARY)
    path.chmod(0)
    if os.geteuid() == 0:
        os.seteuid(65534)


def loop(path: Path) -> None:
    """Make a link that leads to itself."""
    path.symlink_to(path.name)


HEADERS = (
    at(".sav that claims 2^31 cases", 80, LARGEST),
    at(".zsav that claims 2^31 cases", 80, LARGEST),
    at(".sav with a negative number of cases", 80, struct.pack("<i", -7)),
    at(".sav of a layout that is none", 64, LARGEST),
    at(".sav of a compression that is none", 72, LARGEST),
    at(".sav whose first text has no second part", 180, struct.pack("<i", 86)),
    at(".sav whose first variable is a second part", 180, struct.pack("<i", -1)),
    at(".sav whose first variable has a record of no kind", 176, LARGEST),
    at(".sav with a label longer than the file", 208, LARGEST),
    at(".zsav whose end is overwritten", -24, b"\xff" * 24),
    Case(".sav with labels on the second part of a text", labels_on_long_text, outcome="error"),
    patched(".sav with value labels without number", struct.pack("<2i", 3, 2), LARGEST, skip=4),
    patched(".sav with value labels of no variable", struct.pack("<2i", 4, 1), LARGEST, skip=8),
    patched(".sav with an extension longer than the file", struct.pack("<3i", 7, 3, 4), LARGEST, skip=12),
    patched(".dta that claims 2^63 rows", b"<N>", struct.pack("<q", 2**63 - 1), skip=3),
    patched(".dta that claims 2^31 rows", b"<N>", struct.pack("<q", 2**31), skip=3),
    patched(".dta that claims 32767 columns", b"<K>", struct.pack("<h", 32767), skip=3),
    patched(".dta of no release", b"<release>", b"999", skip=9),
    patched(".dta of no byte order", b"<byteorder>LSF", b"<byteorder>XYZ"),
    Case(
        ".dta of an old release that claims 2^31 rows", lambda path: b"\x72\x02\x01\x00\x05\x00" + LARGEST + b"\0" * 99
    ),
    at(".parquet whose description is longer than the file", -8, LARGEST),
    at(".parquet that ends otherwise", -4, b"PAR2"),
    at(".sas7bdat of no page size", 200, LARGEST),
    at(".sas7bdat that claims 2^31 pages", 204, LARGEST),
    at(".xpt of no variables", 80 * 7, b"9" * 80),
    Case(".xpt header only", lambda path: good(".xpt", path.parent)[:240], outcome="error"),
    Case(".por of one line without end", lambda path: b"A" * 5_000_000),
    Case(".por of zeros", lambda path: b"\0" * 5000),
    Case(".parquet of one value repeated", constant_parquet, outcome="error"),
    Case(".parquet with text that is no UTF-8", text_of_bytes, outcome="error"),
    Case(".parquet with labels of no JSON", labels_in_parquet(CANARY), outcome="error"),
    Case(".parquet with labels of deep nesting", labels_in_parquet("[" * 50_000), outcome="error"),
    Case(".parquet with labels that are a number", labels_in_parquet(7), outcome="error"),
)

PATHS = (
    Case(".csv folder", lambda path: path.mkdir(), outcome="error"),
    Case(".sav folder", lambda path: path.mkdir(), outcome="error"),
    Case(".csv pipe", lambda path: os.mkfifo(path), outcome="error"),
    Case(".sav pipe", lambda path: os.mkfifo(path), outcome="error"),
    Case(".csv link to itself", loop, outcome="error"),
    Case(".csv link to nothing", lambda path: path.symlink_to("nothing"), outcome="error"),
    Case(".csv link to zeros without end", lambda path: path.symlink_to("/dev/zero"), outcome="error"),
    Case(".csv that may not be read", unreadable, outcome="error"),
    Case(f".csv{'x' * 300} name that is too long", lambda path: None, outcome="error"),
    Case(".csv of REDCap that is a folder", lambda path: path.mkdir(), "dictionary", "error"),
    Case(".csv of Qualtrics that is a folder", lambda path: path.mkdir(), "qualtrics", "error"),
    Case(".csv of REDCap that may not be read", unreadable, "dictionary", "error"),
    Case(".csv of Qualtrics that may not be read", unreadable, "qualtrics", "error"),
)

CASES: tuple[Case, ...] = (*HEADERS, *PATHS)
