"""Files of statistics programs and columnar files: sav, zsav, por, dta, sas7bdat, xpt, parquet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from alliance_stats.errors import AllianceStatsError, FileError
from alliance_stats.loaders.cells import header_names, named_columns
from alliance_stats.loaders.labels import Code, ColumnLabels, labels_of
from alliance_stats.loaders.missing_reasons import declared_missing, reasons_text, require_reasons
from alliance_stats.loaders.progress import waiting
from alliance_stats.loaders.reading import Reading
from alliance_stats.loaders.sidecar import WRITTEN
from alliance_stats.loaders.statistical_headers import require_plausible, require_room

_MAGIC: dict[str, tuple[bytes, ...]] = {
    ".sav": (b"$FL2", b"$FL3"),
    ".zsav": (b"$FL3", b"$FL2"),
    # A portable file begins with 200 bytes of pictures and tables for its character set, which vary.
    ".por": (b"",),
    # Stata 13 and later write a tag; earlier versions start with the release number 102 to 115.
    ".dta": (b"<stata_dta>", *(bytes([release]) for release in range(102, 116))),
    ".sas7bdat": (b"\0" * 12 + b"\xc2\xea\x81\x60",),
    ".xpt": (b"HEADER RECORD*******LIB",),
    ".parquet": (b"PAR1",),
}
_PROGRAM = {
    ".sav": "SPSS",
    ".zsav": "SPSS",
    ".por": "portable SPSS",
    ".dta": "Stata",
    ".sas7bdat": "SAS",
    ".xpt": "SAS transport",
    ".parquet": "parquet",
}


def read_statistical(path: Path) -> Reading:
    """Read an SPSS, Stata, SAS or parquet file.

    Values that the file declares missing (SPSS user-missing values, the letters .a to .z of Stata and SAS) are missing and
    counted; numbers stay numbers, their labels are kept beside them.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    Reading

    Raises
    ------
    FileError
        If the file is not what its name says, is damaged, has no rows, or pyarrow is needed and not installed.
    """
    suffix = path.suffix.lower()
    with path.open("rb") as file:
        start = file.read(32)
    if not start.startswith(_MAGIC[suffix]):
        raise FileError.build(
            f"{path.name} does not begin like a {_PROGRAM[suffix]} file, whatever its name says.",
            hint="give the file the ending of its format, or export it again.",
        )
    require_plausible(path)
    with waiting(f"reading {path.name}"):
        reading = _open(path, _parquet if suffix == ".parquet" else _labelled)
    names = header_names(list(reading.frame.columns), path.name)
    if len(reading.frame) == 0:
        raise FileError.build(
            f"{path.name} has {len(names)} columns and no rows.", hint="check that the export finished."
        )
    return replace(reading, frame=named_columns(reading.frame, names, path.name))


def _labelled(path: Path) -> Reading:
    """Return the cases and labels of a file of a statistics program."""
    frame, meta = _cases(path)
    known = _labels(meta)
    declared = {name: own for name, own in known.items() if own.missing}
    columns: dict[str, pd.Series] = {}
    reasons: dict[str, dict[Code, np.ndarray]] = {}
    for name in frame.columns:
        column = frame[name]
        if name in meta.missing_user_values:
            columns[name], reasons[name] = _without_letters(column)
        elif name in declared:
            columns[name], reasons[name] = _without_declared(column, declared[name])
        else:
            columns[name] = _dates(column)
    marked = pd.DataFrame(columns, index=frame.index, copy=False)
    n_cells = sum(rows.size for by_code in reasons.values() for rows in by_code.values())
    notes = ["Value labels are not applied: the codes are read as numbers."]
    if reasons:
        notes.append(
            f"{n_cells} answers with codes that the file declares missing, in {len(reasons)} columns, are missing; "
            "missing_reasons() gives the codes."
        )
    return Reading(marked, tuple(notes), known, reasons)


def _cases(path: Path) -> tuple[pd.DataFrame, Any]:
    """Return the cases with the codes declared missing in place, and the file's own description."""
    import pyreadstat

    suffix = path.suffix.lower()
    if suffix in (".sav", ".zsav"):
        found = pyreadstat.read_sav(path, user_missing=True)
    elif suffix == ".dta":
        found = pyreadstat.read_dta(path, user_missing=True)
    elif suffix == ".por":
        found = pyreadstat.read_por(path)
    elif suffix == ".xpt":
        found = pyreadstat.read_xport(path)
    else:
        catalog = path.with_suffix(".sas7bcat")
        found = pyreadstat.read_sas7bdat(
            path, user_missing=True, catalog_file=str(catalog) if catalog.is_file() else None
        )
    frame: Any = found[0]
    return pd.DataFrame(frame), found[1]


def _labels(meta: Any) -> dict[str, ColumnLabels]:
    """Return the labels of each column from pyreadstat's description of a file."""
    return {
        name: ColumnLabels(
            label=meta.column_names_to_labels.get(name) or "",
            value_labels=tuple((code, str(label)) for code, label in meta.variable_value_labels.get(name, {}).items()),
            measure=_measure(meta.variable_measure.get(name, "")),
            missing=tuple((part["lo"], part["hi"]) for part in meta.missing_ranges.get(name, ())),
            format=meta.original_variable_types.get(name) or "",
        )
        for name in meta.column_names
    }


def _measure(given: str) -> Any:
    """Return the level of measurement, empty if the file does not state it."""
    return given if given in ("nominal", "ordinal", "scale") else ""


def _without_declared(column: pd.Series, own: ColumnLabels) -> tuple[pd.Series, dict[Code, np.ndarray]]:
    """Return the column with values declared missing taken out, and the rows of each of them."""
    marked = declared_missing(column, own.missing)
    if not marked.any():
        return column, {}
    rows = np.flatnonzero(marked)
    codes = column.to_numpy()[rows]
    return column.mask(marked), {_plain(code): rows[codes == code] for code in pd.unique(codes)}


def _dates(column: pd.Series) -> pd.Series:
    """Return days that the file stores as dates without a time as dates; any other column as it is."""
    if column.dtype != object or pd.api.types.infer_dtype(column, skipna=True) != "date":
        return column
    return pd.to_datetime(column).dt.as_unit("us")


def _without_letters(column: pd.Series) -> tuple[pd.Series, dict[Code, np.ndarray]]:
    """Return a column of numbers with the letters that mean missing taken out, and the rows of each letter."""
    cells = column.to_numpy(dtype=object)
    is_letter = np.array([isinstance(cell, str) for cell in cells], dtype=bool)
    rows = np.flatnonzero(is_letter)
    found: dict[Code, np.ndarray] = {str(letter): rows[cells[rows] == letter] for letter in dict.fromkeys(cells[rows])}
    return pd.to_numeric(column.where(~is_letter)), found


def _plain(code: Any) -> Code:
    """Return a code as a Python number or text."""
    return code if isinstance(code, str) else float(code)


def _parquet(path: Path) -> Reading:
    """Return the rows of a parquet file; a named index becomes columns."""
    if find_spec("pyarrow") is None:
        raise FileError.build("Reading parquet needs pyarrow.", hint='pip install "alliance-stats[parquet]".')
    from pyarrow import array
    from pyarrow.parquet import read_metadata

    stated = read_metadata(path)
    require_room(path, n_rows=stated.num_rows, n_columns=stated.num_columns)
    frame = pd.read_parquet(path, engine="pyarrow")
    for name in frame.columns:
        if pd.api.types.is_string_dtype(frame[name]):
            # Text that is no UTF-8 would break off later, in a message that quotes it.
            array(frame[name]).validate(full=True)
    named = [name for name in frame.index.names if name is not None]
    attrs, labelled = dict(frame.attrs), WRITTEN in frame.attrs
    frame = frame.reset_index() if named else frame.reset_index(drop=True)
    frame.attrs = attrs
    texts = tuple(str(name) for name in frame.columns if pd.api.types.is_string_dtype(frame[name]))
    require_reasons(reasons_text(frame), len(frame))
    return Reading(frame, (), labels_of(frame), reasons_text=reasons_text(frame), as_read=texts if labelled else ())


def _open(path: Path, reader: Callable[[Path], Reading]) -> Reading:
    """Return what the reader returns; whatever it raises becomes a FileError without its text."""
    try:
        return reader(path)
    except (AllianceStatsError, MemoryError):
        raise
    # The readers raise errors of C libraries whose classes and texts vary; the texts may hold cells.
    except Exception as problem:
        raise FileError.build(
            f"{path.name} cannot be read as a {_PROGRAM[path.suffix.lower()]} file ({type(problem).__name__}).",
            hint="the file may be cut off or damaged: export it again.",
        ) from None
