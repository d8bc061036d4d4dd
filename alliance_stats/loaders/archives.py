"""Workbooks are zip archives of XML: what such an archive holds is measured before anything opens it."""

from __future__ import annotations

import copy
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alliance_stats.errors import FileError

_MOST_BYTES = 1 << 30
_LARGEST_RATIO = 200
_SMALL = 1 << 24
_CHUNK = 1 << 20
_BEYOND = 1 << 62
_ENCRYPTED = 1

_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, RuntimeError, KeyError)


@contextmanager
def opened_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip archive whose parts have been found to be of a size that can be read.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    FileError
        If the archive is damaged or has a password, or its parts unpack to far more than a workbook holds.
    """
    try:
        archive = zipfile.ZipFile(path)
    except _DAMAGE:
        raise _damaged(path) from None
    with archive:
        _require_plain_parts(archive, path)
        try:
            yield archive
        except FileError:
            raise
        except _DAMAGE:
            raise _damaged(path) from None


def chunks(archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    """Yield a part of the archive piece by piece."""
    with archive.open(name) as part:
        while chunk := part.read(_CHUNK):
            yield chunk


def _require_plain_parts(archive: zipfile.ZipFile, path: Path) -> None:
    """Raise a FileError if a part is locked, declares entities, or unpacks to too much."""
    total = 0
    for part in archive.infolist():
        if part.flag_bits & _ENCRYPTED:
            raise FileError.build(f"{path.name} has a password.", hint="save it without a password.")
        if not part.filename.lower().endswith((".xml", ".rels")):
            continue
        try:
            total += _unpacked_size(archive, part, path, room=_MOST_BYTES - total)
        except FileError:
            raise
        except _DAMAGE:
            raise _damaged(path) from None


def _unpacked_size(archive: zipfile.ZipFile, part: zipfile.ZipInfo, path: Path, *, room: int) -> int:
    """Return the size of a part by unpacking it, because the size it states may be wrong."""
    unbound = copy.copy(part)
    unbound.file_size = _BEYOND
    size = 0
    most = max(_SMALL, _LARGEST_RATIO * part.compress_size)
    with archive.open(unbound) as stream:
        while chunk := stream.read(_CHUNK):
            # XML of workbooks declares no entities; a declaration stands before the first element.
            if size == 0 and (b"<!DOCTYPE" in chunk or b"<!ENTITY" in chunk):
                raise FileError.build(
                    f"{path.name} declares entities in its XML, which no spreadsheet program does.",
                    hint="open it in a spreadsheet program and save it again.",
                )
            size += len(chunk)
            if size > room:
                raise _too_large(path, f"more than {_MOST_BYTES >> 20} MB")
            if size > most:
                raise _too_large(path, f"more than {_LARGEST_RATIO} times its size")
    return size


def _damaged(path: Path) -> FileError:
    """Return the error for an archive that cannot be unpacked."""
    return FileError.build(f"{path.name} is cut off or damaged.", hint="copy or export the workbook again.")


def _too_large(path: Path, what: str) -> FileError:
    """Return the error for an archive that would fill the memory."""
    return FileError.build(
        f"{path.name} unpacks to {what}, so it was not opened.",
        hint="if it is a workbook of your own, save the sheet as .csv and read that.",
    )
