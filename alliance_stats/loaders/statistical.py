"""Files of statistics programs and columnar files: sav, zsav, dta, parquet."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd

from alliance_stats.errors import FileError
from alliance_stats.loaders.cells import header_names, named_columns

_MAGIC: dict[str, tuple[bytes, ...]] = {
    ".sav": (b"$FL2", b"$FL3"),
    ".zsav": (b"$FL3", b"$FL2"),
    # Stata 13 and later write a tag; earlier versions start with the release number 102 to 115.
    ".dta": (b"<stata_dta>", *(bytes([release]) for release in range(102, 116))),
    ".parquet": (b"PAR1",),
}
_PROGRAM = {".sav": "SPSS", ".zsav": "SPSS", ".dta": "Stata", ".parquet": "parquet"}


def read_statistical(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Read an SPSS, Stata or parquet file.

    Values that the file declares missing (SPSS user-missing values, Stata's .a to .z) are missing; numbers stay
    numbers, their labels are not applied.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    frame : DataFrame
        One row per case.
    notes : list of str

    Raises
    ------
    FileError
        If the file is not what its name says, is damaged, has no rows, or pyarrow is needed and not installed.
    """
    suffix = path.suffix.lower()
    with path.open("rb") as file:
        start = file.read(16)
    if not start.startswith(_MAGIC[suffix]):
        raise FileError.build(
            f"{path.name} does not begin like a {_PROGRAM[suffix]} file, whatever its name says.",
            hint="give the file the ending of its format, or export it again.",
        )
    frame = _open(path, _reader(suffix))
    names = header_names(list(frame.columns), path.name)
    if len(frame) == 0:
        raise FileError.build(
            f"{path.name} has {len(names)} columns and no rows.", hint="check that the export finished."
        )
    notes = [] if suffix == ".parquet" else ["Value labels are not applied: the codes are read as numbers."]
    if suffix in (".sav", ".zsav"):
        notes += _declared_missing(path, frame)
    return named_columns(frame, names, path.name), notes


def _declared_missing(path: Path, frame: pd.DataFrame) -> list[str]:
    """Return a note on answers that the file declares missing, with their number."""
    import pyreadstat

    declared = list(pyreadstat.read_sav(path, metadataonly=True, user_missing=True)[1].missing_ranges)
    if not declared:
        return []
    kept: Any = pyreadstat.read_sav(path, user_missing=True, usecols=declared)[0]
    n_cells = int((kept.notna().to_numpy() & frame[declared].isna().to_numpy()).sum())
    return [f"{n_cells} answers with codes that the file declares missing, in {len(declared)} columns, are missing."]


def _reader(suffix: str) -> Callable[[Path], pd.DataFrame]:
    """Return the function that reads files with this ending."""
    if suffix == ".parquet":
        if find_spec("pyarrow") is None:
            raise FileError.build("Reading parquet needs pyarrow.", hint='pip install "alliance-stats[parquet]".')
        return _parquet
    return _spss if suffix in (".sav", ".zsav") else _stata


def _spss(path: Path) -> pd.DataFrame:
    """Return the cases of an SPSS file."""
    import pyreadstat

    frame: Any = pyreadstat.read_sav(path, user_missing=False)[0]
    return pd.DataFrame(frame)


def _stata(path: Path) -> pd.DataFrame:
    """Return the rows of a Stata file."""
    import pyreadstat

    frame: Any = pyreadstat.read_dta(path, user_missing=False)[0]
    return pd.DataFrame(frame)


def _parquet(path: Path) -> pd.DataFrame:
    """Return the rows of a parquet file; a named index becomes columns."""
    frame = pd.read_parquet(path, engine="pyarrow")
    named = [name for name in frame.index.names if name is not None]
    return frame.reset_index() if named else frame.reset_index(drop=True)


def _open(path: Path, reader: Callable[[Path], pd.DataFrame]) -> pd.DataFrame:
    """Return what the reader returns; whatever it raises becomes a FileError without its text."""
    try:
        return reader(path)
    # The readers raise errors of C libraries whose classes and texts vary; the texts may hold cells.
    except Exception as problem:
        raise FileError.build(
            f"{path.name} cannot be read as a {_PROGRAM[path.suffix.lower()]} file ({type(problem).__name__}).",
            hint="the file may be cut off or damaged: export it again.",
        ) from None
