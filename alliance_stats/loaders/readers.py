"""One function that reads a table from any supported file."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Literal, get_args

import pandas as pd

from alliance_stats.errors import DataError, FileError, listing
from alliance_stats.loaders.cells import MissingCodes, tidy_cells, without_empty_rows
from alliance_stats.loaders.delimited import read_delimited
from alliance_stats.loaders.statistical import read_statistical
from alliance_stats.loaders.workbooks import read_workbook

Suffix = Literal[".csv", ".tsv", ".xlsx", ".sav", ".zsav", ".dta", ".parquet"]
"""Endings of the files that can be read."""


def read_table(
    path: str | Path,
    *,
    ids: Collection[str] = (),
    missing: MissingCodes | None = None,
    exempt: Collection[str] = (),
    sheet: str | None = None,
) -> pd.DataFrame:
    """Read a table from a csv, tsv, xlsx, sav, zsav, dta or parquet file.

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
        Sheet of an xlsx workbook; the first one if left out.

    Returns
    -------
    DataFrame
        One row per row of the file. ``attrs["notes"]`` is a tuple of sentences on how the file was read.

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
    file = _existing_file(Path(path))
    codes = _codes(missing)
    suffix = file.suffix.lower()
    if sheet is not None and suffix != ".xlsx":
        raise FileError.build(f"{file.name} has no sheets.", hint="leave out sheet=, or pass an .xlsx workbook.")
    try:
        if suffix in (".csv", ".tsv"):
            frame, notes = read_delimited(file, text_columns=ids)
        elif suffix == ".xlsx":
            frame, notes = read_workbook(file, sheet=sheet)
        else:
            frame, notes = read_statistical(file)
    except OSError as problem:
        raise FileError.build(
            f"{file.name} cannot be opened ({type(problem).__name__}).",
            hint="check the permissions, and close the program that holds the file.",
        ) from None
    frame, dropped = without_empty_rows(frame)
    if len(frame) == 0:
        raise FileError.build(f"{file.name} has no rows with cells.", hint="check that the export finished.")
    frame, changed = tidy_cells(frame, ids=ids, missing=codes, exempt=exempt)
    frame.attrs = {"notes": (*notes, *dropped, *changed)}
    return frame


def _existing_file(path: Path) -> Path:
    """Return the path, or raise a FileError that tells why it cannot be read."""
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
