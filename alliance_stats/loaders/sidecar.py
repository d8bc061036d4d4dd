"""What a plain table cannot hold: labels, reasons of missing cells and types, as one text that goes with the file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from alliance_stats.errors import FileError
from alliance_stats.loaders.cells import MISSING_MARKS
from alliance_stats.loaders.labels import ColumnLabels, labels_of, labels_text, read_labels
from alliance_stats.loaders.missing_reasons import reasons_text, require_reasons
from alliance_stats.loaders.reading import Reading

FORM = "alliance-stats labels 1"
WRITTEN = "written_by_alliance_stats"
"""Key in ``attrs`` of a parquet file that tells that its types are to be trusted."""


@dataclass(frozen=True)
class Sidecar:
    """Labels, reasons and types of a table.

    Parameters
    ----------
    labels : mapping of str to ColumnLabels
    reasons : str
        As `reasons_text` gives them; empty if there are none.
    types : mapping of str to str
        "text", "date" or "truth", for columns that a plain table would take for something else.
    escaped : tuple of str
        Columns in which an apostrophe was put before cells that a spreadsheet would run as formulas.
    """

    labels: Mapping[str, ColumnLabels] = field(default_factory=dict)
    reasons: str = ""
    types: Mapping[str, str] = field(default_factory=dict)
    escaped: tuple[str, ...] = ()

    def to_text(self) -> str:
        """Return the sidecar as JSON."""
        parts = {
            "form": FORM,
            "labels": json.loads(labels_text(self.labels)),
            "reasons": self.reasons,
            "types": dict(self.types),
            "escaped": list(self.escaped),
        }
        return json.dumps(parts, indent=1, ensure_ascii=False)


def sidecar_of(frame: pd.DataFrame, *, escaped: tuple[str, ...] = ()) -> Sidecar:
    """Return what a plain table of the frame would lose."""
    types = {str(name): kind for name in frame.columns if (kind := _kind(frame[name]))}
    return Sidecar(labels_of(frame), reasons_text(frame), types, escaped)


def _kind(column: pd.Series) -> str:
    """Return "text", "date", "truth", or nothing for numbers."""
    if pd.api.types.is_datetime64_any_dtype(column):
        return "date"
    if pd.api.types.is_bool_dtype(column):
        return "truth"
    return "" if pd.api.types.is_numeric_dtype(column) else "text"


def read_sidecar(text: str | bytes, file_name: str) -> Sidecar:
    """Return the sidecar that `Sidecar.to_text` wrote.

    Raises
    ------
    FileError
        If it is none of its.
    """
    try:
        parts = json.loads(text)
        # Half of a surrogate pair can be written in JSON and in no file.
        json.dumps(parts, ensure_ascii=False).encode("utf-8")
        if parts["form"] != FORM:
            raise KeyError("form")
        return Sidecar(
            read_labels(json.dumps(parts["labels"])),
            str(parts["reasons"]),
            {str(name): str(kind) for name, kind in parts["types"].items()},
            tuple(str(name) for name in parts["escaped"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise FileError.build(
            f"The labels that go with {file_name} are not in the form that write_sessions() gives them.",
            hint="write the file again with write_sessions(), or remove the labels.",
        ) from None


def applied(reading: Reading, sidecar: Sidecar) -> Reading:
    """Return a reading with what the sidecar says about its columns.

    Raises
    ------
    FileError
        If a column does not hold what the sidecar says.
    """
    known = {name: own for name, own in sidecar.labels.items() if name in reading.frame.columns}
    require_reasons(sidecar.reasons, len(reading.frame))
    try:
        frame = typed(reading.frame, sidecar)
    # The errors of pandas quote the cell.
    except (ValueError, TypeError, OverflowError):
        raise FileError.build(
            "The types in the labels that go with the file do not fit its cells: dates that are none, or truth values.",
            hint="the table was changed after write_sessions() wrote it: write it again, or remove the labels.",
        ) from None
    return replace(
        reading,
        frame=frame,
        labels=known,
        reasons_text=sidecar.reasons,
        as_read=tuple(text_columns(sidecar)),
    )


def sidecar_path(path: Path) -> Path:
    """Return where the labels of a text file lie: ratings.labels.json beside ratings.csv."""
    return path.with_name(f"{path.stem}.labels.json")


def typed(frame: pd.DataFrame, sidecar: Sidecar) -> pd.DataFrame:
    """Return the columns in the types they had, from the texts of a plain table."""
    columns: dict[str, pd.Series] = {}
    for name in frame.columns:
        column, kind = frame[name], sidecar.types.get(name, "")
        if kind == "text":
            column = column.astype("str")
            if name in sidecar.escaped:
                column = column.str.removeprefix("'")
        elif kind == "date":
            column = pd.to_datetime(column, format="ISO8601")
        elif kind == "truth":
            column = _truth(column)
        columns[name] = column
    return pd.DataFrame(columns, index=frame.index, copy=False)


def _truth(column: pd.Series) -> pd.Series:
    """Return a column of truth values, with missing ones in a type that can hold them."""
    known = column.map({"True": True, "False": False, True: True, False: False})
    if bool((known.isna() & column.notna()).any()):
        raise ValueError("truth")
    return known.astype(bool if bool(known.notna().all()) else "boolean")


def text_columns(sidecar: Sidecar) -> list[str]:
    """Return the columns to be read as text."""
    return [name for name, kind in sidecar.types.items() if kind in ("text", "date", "truth")]


def without_formulas(frame: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Put an apostrophe before text that a spreadsheet would run as a formula, or that reading would take for missing.

    Returns
    -------
    frame : DataFrame
    escaped : tuple of str
        The columns in which that was needed. There, cells that begin with an apostrophe get another one, so that the way
        back is unique.

    Notes
    -----
    Cells that begin with =, +, -, @, tab or carriage return: OWASP, CSV Injection,
    https://owasp.org/www-community/attacks/CSV_Injection.
    """
    columns: dict[str, pd.Series] = {}
    escaped = []
    for name in frame.columns:
        column = frame[name]
        columns[name] = column
        if _kind(column) != "text":
            continue
        cells = column.astype("str")
        texts = cells.fillna("")
        taken_for_missing = texts.str.strip().isin(MISSING_MARKS) & (texts != "")
        risky = texts.str.match(r"[=+\-@\t\r]") | taken_for_missing
        if bool(risky.any()):
            marked = risky | texts.str.startswith("'")
            columns[name] = cells.mask(marked, "'" + texts)
            escaped.append(str(name))
    return pd.DataFrame(columns, index=frame.index, copy=False), tuple(escaped)
