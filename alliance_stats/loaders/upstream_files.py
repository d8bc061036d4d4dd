"""Files as public data sets publish them: read whole, with errors that name the file and show none of its cells."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from alliance_stats.errors import FileError
from alliance_stats.loaders.readers import read_table
from alliance_stats.loaders.sessions import require_named_columns

LARGEST_JSON = 64 * 2**20
"""Bytes; JSON takes about ten times as many in memory."""

_HINT = "save the file again from its address; see list_datasets() and the notes of the data set."


def read_columns(path: Path, columns: Sequence[str], *, ids: Sequence[str] = ()) -> pd.DataFrame:
    """Return some columns of a csv file; cells with n/a are missing.

    Raises
    ------
    FileError
        If the file cannot be read.
    ColumnError
        If a column is missing.
    """
    frame = read_table(path, ids=ids, missing=["n/a"])
    require_named_columns(frame, columns, hint=f"{path.name} is not the file of this data set; {_HINT}")
    kept = frame[list(columns)].copy()
    kept.attrs = {}
    return kept


def read_json_list(path: Path) -> list[dict[str, Any]]:
    """Return the entries of a JSON file that holds a list of objects.

    Raises
    ------
    FileError
        If it is too large, no JSON, nested beyond reason, or holds something else.
    """
    if path.stat().st_size > LARGEST_JSON:
        raise FileError.build(f"{path.name} is larger than {LARGEST_JSON // 2**20} MiB.", hint=_HINT)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as problem:
        raise FileError.build(f"{path.name} is no valid JSON ({type(problem).__name__}).", hint=_HINT) from None
    if not isinstance(content, list) or not content or not all(isinstance(entry, dict) for entry in content):
        raise FileError.build(f"{path.name} does not hold a list of objects.", hint=_HINT)
    return content


def read_r_table(path: Path, name: str) -> pd.DataFrame:
    """Return one data frame of an R data file (.rda, .RData).

    Raises
    ------
    FileError
        If rdata is not installed, the file is no R data, or has no such data frame.
    """
    from importlib.util import find_spec

    if find_spec("rdata") is None:
        raise FileError.build(f"Reading {path.name} needs rdata.", hint='pip install "alliance-stats[rdata]".')
    import rdata

    try:
        with warnings.catch_warnings():
            # Classes that rdata does not know are read as the vectors they are made of, which is what is wanted.
            warnings.simplefilter("ignore", UserWarning)
            content = rdata.read_rda(path, default_encoding="utf-8")
    # Its parser raises whatever a broken byte leads to.
    except Exception as problem:
        raise FileError.build(f"{path.name} is no R data file ({type(problem).__name__}).", hint=_HINT) from None
    frame = content.get(name) if isinstance(content, dict) else None
    if not isinstance(frame, pd.DataFrame) or frame.empty:
        raise FileError.build(f"{path.name} holds no data frame '{name}'.", hint=_HINT)
    return frame.reset_index(drop=True)
