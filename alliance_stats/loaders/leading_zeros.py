"""Reading a table for another program: numbers as numbers, but no leading zero lost."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from alliance_stats.loaders.readers import read_table

_UNTYPED = (".csv", ".tsv", ".xlsx", ".ods")


def read_keeping_zeros(path: str | Path) -> pd.DataFrame:
    """Read a table so that columns in which a number begins with a zero stay text.

    Use it where nobody says which columns are ids: '007' must not become 7.

    Parameters
    ----------
    path : str or Path
        Any file that `read_table` reads.

    Returns
    -------
    DataFrame
        One row per row of the file; ``attrs["notes"]`` names the columns that were kept as text.

    Raises
    ------
    FileError
        If the file cannot be read.
    """
    frame = read_table(path)
    if Path(path).suffix.lower() not in _UNTYPED:
        return frame
    numbers = [str(name) for name in frame.columns if pd.api.types.is_numeric_dtype(frame[name])]
    as_ids = read_table(path, ids=numbers)
    led = [name for name in numbers if _zero_led(as_ids[name])]
    return read_table(path, ids=led) if led else frame


def _zero_led(column: pd.Series) -> bool:
    """Tell whether a cell is a number that begins with a zero."""
    if not isinstance(column.dtype, pd.StringDtype) and column.dtype != object:
        return False
    return bool(column.dropna().astype(str).str.fullmatch(r"-?0\d+").any())
