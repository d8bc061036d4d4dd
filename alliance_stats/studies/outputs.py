"""Put a finished study into its folder: all of it or nothing, and never over somebody else's file."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from alliance_stats.errors import FileError, StudyError, listing

MANIFEST = "run.json"
"""Lists what a run wrote, with its provenance; says which files the next run may replace."""

CHECKS = "session_check.json"
"""What was found in the session table, for programs."""

_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}


def table_files(notebook: Mapping[str, Any]) -> dict[str, str]:
    """Return the tables that a notebook shows: file name to CSV text, in order of appearance.

    Parameters
    ----------
    notebook : mapping
        Executed notebook; an output with ``text/csv`` is a table, and its metadata may name it.
    """
    tables: dict[str, str] = {}
    taken: set[str] = set()
    for number, (name, text) in enumerate(_csv_outputs(notebook), start=1):
        stem = safe_name(name) or f"table-{number:02d}"
        unique = next(s for s in (stem, *(f"{stem}-{i}" for i in range(2, number + 2))) if s.lower() not in taken)
        taken.add(unique.lower())
        tables[f"{unique}.csv"] = text
    return tables


def safe_name(name: str) -> str:
    """Return a name that is a file name on every system, possibly empty.

    Examples
    --------
    >>> safe_name("../Fixed effects (Überblick)")
    'Fixed-effects-Uberblick'
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", plain).strip("-")[:80].rstrip("-")
    return f"{stem}-table" if stem.lower() in _RESERVED else stem


def check_folder(out: Path, names: Iterable[str]) -> None:
    """Raise before a run when its report could not be put into the folder.

    Raises
    ------
    FileError
        If ``out`` is a file or its folder may not be written to.
    StudyError
        If a file of that name is there which no earlier run wrote.
    """
    if out.exists() and not out.is_dir():
        raise FileError.build(f"'{out.name}' is a file, not a folder.", hint="give another folder with --out (out=).")
    anchor = _anchor(out)
    if not anchor.is_dir() or not os.access(anchor, os.W_OK):
        raise FileError.build(
            f"The folder for '{out.name}' may not be written to.", hint="give another folder with --out (out=)."
        )
    foreign = sorted(name for name in names if (out / name).exists() and name not in _own_files(out))
    if foreign:
        raise StudyError.build(
            f"The folder '{out.name}' holds {listing(foreign)}, which no earlier run of a study wrote.",
            hint="move it away, or give another folder with --out (out=).",
        )


def place(contents: Mapping[str, str], out: Path) -> None:
    """Write files to a hidden folder on the same disk and move them in together.

    Files of the previous run that this one does not write are removed; other files stay. On any failure or interrupt
    the folder is as it was.

    Parameters
    ----------
    contents : mapping of str to str
        Path inside the folder, with forward slashes, to text.
    out : Path
        The report's folder; made when it is not there.

    Raises
    ------
    StudyError
        If a file is in the way which no earlier run wrote.
    FileError
        If the disk refuses.
    """
    check_folder(out, contents)
    made: list[Path] = []
    done = False
    stage: Path | None = None
    try:
        stage = Path(tempfile.mkdtemp(prefix=".alliance-stats-", dir=_anchor(out)))
        _write(contents, stage / "new")
        _make_folders(out.parent, made)
        _swap(stage, out, [*contents])
        done = True
    except BaseException as error:
        for folder in reversed(made):
            folder.rmdir()
        if isinstance(error, OSError):
            raise FileError.build(
                f"The report could not be written into '{out.name}': {error.strerror}.", hint="check space and rights."
            ) from error
        raise
    finally:
        # A file still in "old" after a failure could not be moved back: then the folder is kept.
        if stage is not None and (done or not any(path.is_file() for path in stage.glob("old/**/*"))):
            shutil.rmtree(stage, ignore_errors=True)


def _csv_outputs(notebook: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Return name, possibly empty, and text of every table shown."""
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            text = output.get("data", {}).get("text/csv")
            if text is not None:
                described = output.get("metadata", {}).get("text/csv", {})
                name = described.get("name") if isinstance(described, Mapping) else None
                yield str(name or ""), text if isinstance(text, str) else "".join(text)


def _anchor(out: Path) -> Path:
    """Return the folder itself or, when it is not there, the nearest thing above it that is."""
    return next(folder for folder in (out, *out.parents) if folder.exists())


def _own_files(out: Path) -> set[str]:
    """Return the files that the previous run wrote into the folder, as its manifest lists them."""
    try:
        listed = json.loads((out / MANIFEST).read_text(encoding="utf-8"))["files"]
        names = {str(name) for name in listed}
    except (OSError, ValueError, KeyError, TypeError):
        return set()
    return {name for name in names if not Path(name).is_absolute() and ".." not in Path(name).parts}


def _write(contents: Mapping[str, str], folder: Path) -> None:
    """Write all files into a new folder."""
    folder.mkdir()
    for name, text in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")


def _make_folders(folder: Path, made: list[Path]) -> None:
    """Make a folder with its parents and note each that was made, outermost first."""
    for parent in reversed([folder, *folder.parents]):
        if not parent.exists():
            parent.mkdir()
            made.append(parent)


def _swap(stage: Path, out: Path, names: list[str]) -> None:
    """Move the new files in and the previous run's out; undo every move when one fails."""
    if not out.exists():
        (stage / "new").rename(out)
        return
    old = [(out / name, stage / "old" / name) for name in sorted(_own_files(out)) if (out / name).is_file()]
    new = [(stage / "new" / name, out / name) for name in names]
    done: list[tuple[Path, Path]] = []
    try:
        for source, target in [*old, *new]:
            target.parent.mkdir(parents=True, exist_ok=True)
            done.append((source, target))
            source.rename(target)
    except BaseException:
        for source, target in reversed(done):
            if target.exists() and not source.exists():
                target.rename(source)
        raise
    tables = out / "tables"
    if tables.is_dir() and not any(tables.iterdir()):
        tables.rmdir()
