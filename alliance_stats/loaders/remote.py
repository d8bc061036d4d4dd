"""Files of public data sets: downloaded once into a cache, or put there by hand, and compared with their checksums."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alliance_stats.errors import DataError, FileError

CACHE_VARIABLE = "ALLIANCE_STATS_CACHE"
"""Environment variable that names another folder for downloaded files."""

LARGEST_FILE = 64 * 2**20
"""Bytes after which a download is stopped; the largest file of a known set has 4 MB."""

_MANIFEST = "manifest.json"
_PATIENCE = 30  # seconds without an answer
_CHUNK = 64 * 2**10


@dataclass(frozen=True)
class RemoteFile:
    """One file of a public data set.

    Parameters
    ----------
    name : str
        What it is called on disk.
    address : str
        Where it is downloaded from; its content never changes.
    sha256 : str
        In hexadecimal digits; empty if it is not known before the first download.
    """

    name: str
    address: str
    sha256: str = ""


def cache_folder() -> Path:
    """Return the folder for downloaded files; it need not exist."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named).expanduser()
    import pooch

    return Path(pooch.os_cache("alliance_stats"))


def file_by_hand(file: RemoteFile, folder: Path) -> Path:
    """Return the path of a file that the user put into a folder.

    Raises
    ------
    FileError
        If it is not there.
    DataError
        If it is not the file whose checksum is known.
    """
    path = folder / file.name
    if not path.is_file():
        raise FileError.build(
            f"There is no file '{file.name}' in the folder that was given.",
            hint=f"save {file.address} there under this name, or leave folder= out to download it.",
        )
    if file.sha256:
        _require_same(path, file.sha256, "the one this library was made for", "save it again from its address.")
    return path


def cached_file(file: RemoteFile, folder: Path, *, again: str, progress: bool = True) -> Path:
    """Return the path of a file in the cache, downloaded if it is not there.

    A file whose checksum is not known is recorded when it is first used, and compared with the record ever after.

    Parameters
    ----------
    file : RemoteFile
    folder : Path
        Of the data set, in the cache; made if it does not exist.
    again : str
        The call to repeat once a file was put there by hand, for messages.
    progress : bool
        Show a progress bar on stderr.

    Raises
    ------
    FileError
        If the file cannot be downloaded or stored; nothing is left of a download that was cut off.
    DataError
        If the file is not the one that was expected.
    """
    path = folder / file.name
    records = _records(folder)
    known = records.get(file.name, {})
    expected = file.sha256 or (known.get("sha256", "") if known.get("address") == file.address else "")
    # A record of another address belongs to another version of the data.
    stale = bool(known) and known.get("address") != file.address
    if stale or not path.is_file():
        _download(file, path, again=again, progress=progress)
        expected = file.sha256
    if expected:
        hint = f"delete the file {path} and call {again} again; if that does not help, the data were replaced upstream."
        _require_same(path, expected, "the one that was expected", hint)
    if known.get("sha256") != _digest(path) or stale:
        _record(folder, {**records, file.name: {"address": file.address, "sha256": _digest(path)}})
    return path


def _download(file: RemoteFile, path: Path, *, again: str, progress: bool) -> None:
    """Download a file so that it is there entirely or not at all."""
    import pooch
    from requests.exceptions import RequestException

    by_hand = f"save {file.address} as {path} by hand, and call {again} again."
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    # pooch leaves the connection of a download that failed open.
    answers: list[Any] = []
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _bar(file.name, shown=progress) as bar:
            hooks = {"response": lambda answer, *args, **given: answers.append(answer)}
            fetch = pooch.HTTPDownloader(progressbar=bar, chunk_size=_CHUNK, timeout=_PATIENCE, hooks=hooks)
            fetch(file.address, str(draft), None)
        if file.sha256:
            _require_same(draft, file.sha256, "the one this library was made for", by_hand)
        draft.replace(path)
    # RequestException is an OSError of its own kind, so it comes first.
    except RequestException as problem:
        raise FileError.build(
            f"{file.name} could not be downloaded from {file.address} ({_reason(problem)}).", hint=by_hand
        ) from None
    except OSError as problem:
        raise FileError.build(
            f"{file.name} cannot be stored in {path.parent} ({type(problem).__name__}).",
            hint=f"make the folder writable, or name another one in the environment variable {CACHE_VARIABLE}.",
        ) from None
    finally:
        for answer in answers:
            answer.close()
        if draft.exists():
            draft.unlink()


def _reason(problem: Exception) -> str:
    """Return why a download failed, in a few words."""
    status = getattr(getattr(problem, "response", None), "status_code", None)
    return f"HTTP {status}" if status is not None else type(problem).__name__


class _Bar:
    """A progress bar in the form that pooch fills, which also stops downloads that are too large."""

    def __init__(self, name: str, bar: Any) -> None:
        self._name = name
        self._bar = bar
        self._received = 0
        self.total = 0

    def update(self, n: int) -> None:
        """Count bytes received."""
        self._received += n
        if self._received > LARGEST_FILE + _CHUNK:
            raise FileError.build(
                f"{self._name} is larger than {LARGEST_FILE // 2**20} MiB, so the download was stopped.",
                hint="this is not the file of the data set; check the network for a proxy that answers in its place.",
            )
        if self._bar is not None:
            self._bar.total = max(self.total, self._received)
            self._bar.update(n)

    def reset(self) -> None:
        """Begin again, as pooch does when all is received."""
        self._received = 0
        if self._bar is not None:
            self._bar.reset(total=self.total)

    def close(self) -> None:
        """Leave the bar as it is; it is closed where it was opened."""


@contextmanager
def _bar(name: str, *, shown: bool) -> Iterator[_Bar]:
    """Show a bar on stderr while a file is downloaded."""
    from tqdm import tqdm

    with tqdm(desc=name, unit="B", unit_scale=True, leave=False, disable=not shown, delay=0.5) as bar:
        yield _Bar(name, bar if shown else None)


def _require_same(path: Path, expected: str, what: str, hint: str) -> None:
    """Raise a DataError unless the file has the checksum."""
    found = _digest(path)
    if found != expected:
        name = path.name.removeprefix(".").removesuffix(f".{os.getpid()}.part")
        raise DataError.build(
            f"{name} is not {what}: its SHA-256 begins with {found[:8]}, not with {expected[:8]}.", hint=hint
        )


def _digest(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits."""
    import pooch

    return str(pooch.file_hash(str(path), alg="sha256"))


def _records(folder: Path) -> dict[str, dict[str, str]]:
    """Return address and checksum of the files that were used before."""
    path = folder / _MANIFEST
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): {str(key): str(text) for key, text in entry.items()} for name, entry in content.items()}
    except (ValueError, AttributeError, RecursionError):
        raise FileError.build(
            f"The list of checksums {path} cannot be read.", hint=f"delete the folder {folder} to download again."
        ) from None


def _record(folder: Path, records: dict[str, dict[str, str]]) -> None:
    """Write the list of checksums, entirely or not at all."""
    draft = folder / f".{_MANIFEST}.{os.getpid()}.part"
    try:
        draft.write_text(json.dumps(records, indent=1, sort_keys=True), encoding="utf-8")
        draft.replace(folder / _MANIFEST)
    except OSError as problem:
        raise FileError.build(
            f"The list of checksums cannot be written into {folder} ({type(problem).__name__}).",
            hint=f"make the folder writable, or name another one in the environment variable {CACHE_VARIABLE}.",
        ) from None
    finally:
        draft.unlink(missing_ok=True)
