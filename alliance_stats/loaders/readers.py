"""One function that reads a table from any supported file."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, get_args

import pandas as pd

from alliance_stats.errors import DataError, FileError, listing
from alliance_stats.loaders.cells import MissingCodes, tidy_cells
from alliance_stats.loaders.delimited import read_delimited
from alliance_stats.loaders.labels import with_labels
from alliance_stats.loaders.missing_reasons import with_reasons, with_reasons_text
from alliance_stats.loaders.reading import Reading
from alliance_stats.loaders.sidecar import applied, read_sidecar, sidecar_path, text_columns
from alliance_stats.loaders.statistical import read_statistical
from alliance_stats.loaders.text_hints import text_notes
from alliance_stats.loaders.workbooks import hidden_labels, read_workbook

Suffix = Literal[".csv", ".tsv", ".xlsx", ".ods", ".sav", ".zsav", ".por", ".dta", ".sas7bdat", ".xpt", ".parquet"]
"""Endings of the files that can be read."""

_WORKBOOKS = (".xlsx", ".ods")
_LONGEST_NAME = 80


def read_table(
    path: str | Path,
    *,
    ids: Collection[str] = (),
    missing: MissingCodes | None = None,
    exempt: Collection[str] = (),
    sheet: str | None = None,
    row_names: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Read a table from a csv, tsv, xlsx, ods, sav, zsav, por, dta, sas7bdat, xpt or parquet file.

    Use `read_sessions` for data of a study; this function reads any table, with no demands on its columns.

    Parameters
    ----------
    path : str or Path
        The file; its ending tells the format.
    ids : collection of str
        Columns of ids, which keep leading zeros.
    missing : sequence of str or float, optional
        Cells that mean 'no answer', compared with the whole cell. Blank cells and the marks NA, N/A, #N/A, #NULL! and
        NaN always do, and so do values that an SPSS or Stata file declares missing.
    exempt : collection of str
        Columns to which ``missing`` does not apply.
    sheet : str, optional
        Sheet of an xlsx or ods workbook; the first one if left out.
    row_names : mapping of str to str, optional
        Canonical name to column, for columns that name a row and will be renamed: by them the frame remembers why cells
        are missing.

    Returns
    -------
    DataFrame
        One row per row of the file. ``attrs["notes"]`` is a tuple of sentences on how the file was read; labels and the
        reasons of missing cells go with it (`labels`, `missing_reasons`).

    Raises
    ------
    FileError
        If there is no such file, the format is unknown, or the content does not fit the format.
    DataError
        If ``missing`` is a single cell rather than a list.

    Examples
    --------
    >>> from alliance_stats.loaders.readers import read_table
    >>> read_table("ratings.docx")
    Traceback (most recent call last):
        ...
    alliance_stats.errors.FileError: There is no file 'ratings.docx'.
    Hint: check the spelling and the folder.
    """
    codes = _codes(missing)
    with file_errors(Path(path)):
        file = existing_file(Path(path))
        if sheet is not None and file.suffix.lower() not in _WORKBOOKS:
            raise FileError.build(f"{file.name} has no sheets.", hint="leave out sheet=, or pass an .xlsx workbook.")
        reading = _read(file, ids, sheet).without_empty_rows()
    if len(reading.frame) == 0:
        raise FileError.build(f"{file.name} has no rows with cells.", hint="check that the export finished.")
    frame, changed = tidy_cells(reading.frame, ids=ids, missing=codes, exempt=exempt, as_read=reading.as_read)
    hints = text_notes(frame, {*ids, *reading.as_read})
    frame.attrs = {"notes": (*reading.notes, *changed, *hints)}
    frame = with_reasons_text(with_labels(frame, reading.labels), reading.reasons_text)
    return with_reasons(frame, reading.reasons, row_names or {}) if reading.reasons else frame


def _read(file: Path, ids: Collection[str], sheet: str | None) -> Reading:
    """Return what the file holds."""
    suffix = file.suffix.lower()
    if suffix in (".csv", ".tsv"):
        return _delimited(file, ids)
    if suffix in _WORKBOOKS:
        frame, notes = read_workbook(file, sheet=sheet)
        text = hidden_labels(file) if suffix == ".xlsx" and sheet is None else ""
        plain = Reading(frame, tuple(notes))
        return applied(plain, read_sidecar(text, file.name)) if text else plain
    return read_statistical(file)


def _delimited(file: Path, ids: Collection[str]) -> Reading:
    """Return what a text file holds, with the labels that lie beside it."""
    beside = sidecar_path(file)
    if not beside.is_file():
        frame, notes = read_delimited(file, text_columns=ids)
        return Reading(frame, tuple(notes))
    sidecar = read_sidecar(beside.read_bytes(), file.name)
    frame, notes = read_delimited(file, text_columns={*ids, *text_columns(sidecar)})
    plain = Reading(frame, (*notes, f"Labels and types of columns were taken from {beside.name}."))
    return applied(plain, sidecar)


@contextmanager
def file_errors(path: Path) -> Iterator[None]:
    """Turn refusals of the system into FileErrors.

    Parameters
    ----------
    path : Path
        The file that is read.
    """
    try:
        yield
    except OSError as problem:
        raise FileError.build(
            f"{path.name[:_LONGEST_NAME]} cannot be opened ({type(problem).__name__}).",
            hint="check the permissions, and close the program that holds the file.",
        ) from None
    except MemoryError:
        raise FileError.build(
            f"{path.name} does not fit into the memory, or says that it holds far more than it does.",
            hint="check that the export finished; a large file fits better as .parquet.",
        ) from None


def existing_file(path: Path) -> Path:
    """Return the path of a file that can be read.

    Parameters
    ----------
    path : Path
        Its ending tells the format.

    Raises
    ------
    FileError
        If it is a folder or missing, has an unknown ending, or no bytes.
    """
    if path.is_dir():
        raise FileError.build(f"'{path.name}' is a folder.", hint="pass the path of a file in it.")
    if not path.is_file():
        raise FileError.build(f"There is no file '{path.name}'.", hint="check the spelling and the folder.")
    known = get_args(Suffix)
    if path.suffix.lower() not in known:
        raise FileError.build(
            f"Files ending in '{path.suffix}' cannot be read ({path.name}).",
            hint=f"export the data to one of: {listing(known, 12)}.",
        )
    if path.stat().st_size == 0:
        raise FileError.build(f"{path.name} is empty (0 bytes).", hint="check that the export or download finished.")
    return path


def _codes(missing: MissingCodes | None) -> MissingCodes:
    """Return the codes for missing cells."""
    if isinstance(missing, str | int | float):
        raise DataError.build("missing= takes a list of cells, not a single one.", hint=f"pass missing=[{missing!r}].")
    return () if missing is None else missing
