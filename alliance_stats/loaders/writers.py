"""From a session table back to a file, with everything the file it came from said about it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

import pandas as pd
from pandas.api.types import is_datetime64_any_dtype

from alliance_stats.errors import AllianceStatsWarning, DataError, FileError, listing
from alliance_stats.loaders.labels import ColumnLabels, labels_of
from alliance_stats.loaders.progress import waiting
from alliance_stats.loaders.sidecar import WRITTEN, sidecar_of, sidecar_path, without_formulas
from alliance_stats.loaders.statistical_writers import write_spss, write_stata
from alliance_stats.loaders.workbook_writers import write_workbook

WritableSuffix = Literal[".csv", ".tsv", ".xlsx", ".sav", ".zsav", ".dta", ".parquet"]
"""Endings of the files that can be written."""


def write_sessions(frame: pd.DataFrame, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write a session table to a file, with labels and reasons of missing answers.

    Use it to hand data on without losing what the original said about them: reading the file again with `read_sessions`
    gives the same table, labels, value labels, measurement levels, ranges declared missing and reasons.

    Parameters
    ----------
    frame : DataFrame
        One row per patient and session (or rating); any table with unique column names.
    path : str or Path
        Its ending chooses the format: csv, tsv, xlsx, sav, zsav, dta or parquet.
    overwrite : bool
        Replace a file that exists.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    FileError
        If the ending is unknown, the file exists, or the format cannot hold a column.
    DataError
        If the frame has no rows or columns, or two columns of one name.

    Warns
    -----
    AllianceStatsWarning
        If reasons of missing answers cannot be put back, because patient or session ids changed since the file was read, or
        if dates have a time zone, which only parquet files keep, or if answers are codes that their column declares missing.

    Notes
    -----
    SPSS files get labels and codes as they were read; in Stata files the codes declared missing become the letters .a to
    .z, in SPSS files the letters become codes from -901 down. Text formats keep all that in a second file,
    ``<name>.labels.json``; workbooks in two further sheets. In csv, tsv and xlsx files a text that a spreadsheet would run
    as a formula gets an apostrophe in front, which reading takes away again. Numbers in workbooks keep 16 significant digits,
    in all other formats every digit.

    See Also
    --------
    read_sessions, codebook

    Examples
    --------
    >>> import alliance_stats as al, pathlib, tempfile
    >>> frame = al.load_sample("therapist_statements")
    >>> file = al.write_sessions(frame, pathlib.Path(tempfile.mkdtemp(), "ward.csv"))
    >>> al.read_sessions(file, patient="patient").shape == frame.shape
    True
    """
    file = Path(path)
    write = _writer(file)
    _require_table(frame)
    if file.exists() and not overwrite:
        raise FileError.build(f"{file.name} exists already.", hint="choose another name, or pass overwrite=True.")
    if not file.parent.is_dir():
        raise FileError.build(f"There is no folder for {file.name}.", hint="create the folder first.")
    # A file that is half written must not look like a whole one.
    _warn_of_declared(frame)
    draft = file.with_name(f".{file.stem}.{os.getpid()}{file.suffix}")
    try:
        with waiting(f"writing {file.name}"):
            write(_local_times(frame, file.suffix.lower()).reset_index(drop=True), draft)
        if draft.suffix.lower() in (".csv", ".tsv"):
            sidecar_path(draft).replace(sidecar_path(file))
        draft.replace(file)
    except OSError as problem:
        raise FileError.build(
            f"{file.name} cannot be written ({type(problem).__name__}).",
            hint="check the permissions and the space left, and close the program that holds the file.",
        ) from None
    finally:
        draft.unlink(missing_ok=True)
        sidecar_path(draft).unlink(missing_ok=True)
    return file


def _writer(file: Path) -> Callable[[pd.DataFrame, Path], None]:
    """Return the function that writes files of this ending."""
    suffix = file.suffix.lower()
    writers: dict[str, Callable[[pd.DataFrame, Path], None]] = {
        ".csv": _write_delimited,
        ".tsv": _write_delimited,
        ".xlsx": write_workbook,
        ".sav": write_spss,
        ".zsav": write_spss,
        ".dta": write_stata,
        ".parquet": _write_parquet,
    }
    if suffix not in writers:
        raise FileError.build(
            f"Files ending in '{file.suffix}' cannot be written ({file.name}).",
            hint=f"choose one of: {listing(get_args(WritableSuffix), 12)}.",
        )
    return writers[suffix]


def _local_times(frame: pd.DataFrame, suffix: str) -> pd.DataFrame:
    """Return the frame with dates in their local time where the format knows no time zones, and warn of it."""
    zoned = [name for name in frame.columns if isinstance(frame[name].dtype, pd.DatetimeTZDtype)]
    if suffix == ".parquet" or not zoned:
        return frame
    warnings.warn(
        f"{suffix} files keep no time zone: the local times of {listing([f'{name!r}' for name in zoned])} are written. Write "
        "parquet to keep the zone.",
        AllianceStatsWarning,
        stacklevel=3,
    )
    local = frame.assign(**{str(name): frame[name].dt.tz_localize(None) for name in zoned})
    local.attrs = frame.attrs
    return local


def _warn_of_declared(frame: pd.DataFrame) -> None:
    """Warn of answers that reading the file will take for missing."""
    counts = {name: _n_declared(frame[name], own) for name, own in labels_of(frame).items() if own.missing}
    found = [f"'{name}' ({count})" for name, count in counts.items() if count]
    if found:
        warnings.warn(
            "Answers are codes that the labels of their column declare missing, and will be read as missing: "
            f"{listing(found, 12)}. Set them to missing, or take other codes, before writing.",
            AllianceStatsWarning,
            stacklevel=3,
        )


def _n_declared(column: pd.Series, own: ColumnLabels) -> int:
    """Return how many answers lie in a range declared missing."""
    found = pd.Series(False, index=column.index)
    numbers = pd.to_numeric(column, errors="coerce") if not is_datetime64_any_dtype(column) else None
    for low, high in own.missing:
        if isinstance(low, str) or isinstance(high, str):
            found |= (column == low).fillna(False).astype(bool)
        elif numbers is not None:
            found |= numbers.between(low, high).fillna(False).astype(bool)
    return int(found.sum())


def _require_table(frame: pd.DataFrame) -> None:
    """Raise a DataError unless the frame has rows and columns with names of their own."""
    names = [str(name) for name in frame.columns]
    if len(frame) == 0 or not names:
        raise DataError.build(
            f"There is nothing to write: {len(frame)} rows, {len(names)} columns.", hint="check the filters before."
        )
    again = sorted({name for name in names if names.count(name) > 1})
    if again:
        raise DataError.build(
            f"Two or more columns are called {listing([f'{name!r}' for name in again])}.", hint="rename them first."
        )


def _write_delimited(frame: pd.DataFrame, path: Path) -> None:
    """Write a csv or tsv file and its labels."""
    safe, escaped = without_formulas(frame)
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    safe.to_csv(path, sep=delimiter, index=False, encoding="utf-8", date_format="%Y-%m-%dT%H:%M:%S.%f")
    sidecar_path(path).write_text(sidecar_of(frame, escaped=escaped).to_text(), encoding="utf-8")


def _write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Write a parquet file; labels travel in the frame's ``attrs``."""
    from importlib.util import find_spec

    if find_spec("pyarrow") is None:
        raise FileError.build("Writing parquet needs pyarrow.", hint='pip install "alliance-stats[parquet]".')
    try:
        marked = frame.copy(deep=False)
        marked.attrs = {**frame.attrs, WRITTEN: True}
        marked.to_parquet(path, engine="pyarrow", index=False)
    # pyarrow's errors quote the cell that does not fit.
    except (ValueError, TypeError) as problem:
        raise FileError.build(
            f"{path.suffix} files cannot hold one of the columns ({type(problem).__name__}).",
            hint="give every column one type: numbers, text, dates or truth values.",
        ) from None
