"""Workbooks: xlsx."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path

import pandas as pd

from alliance_stats.errors import FileError, listing
from alliance_stats.loaders.cells import header_names, named_columns

_OLE_MAGIC = b"\xd0\xcf\x11\xe0"
_ZIP_MAGIC = b"PK"

LABELS_SHEET = "alliance_stats"
"""Hidden sheet of workbooks that write_sessions() made; it holds labels."""


def read_workbook(path: Path, *, sheet: str | None = None) -> tuple[pd.DataFrame, list[str]]:
    """Read one sheet of a workbook; the first row that has a cell holds the column names.

    Parameters
    ----------
    path : Path
        The file.
    sheet : str, optional
        Name of the sheet; the first one if left out.

    Returns
    -------
    frame : DataFrame
        One row per row of the sheet below the names. Text stays text, also if it looks like a number.
    notes : list of str
        Which sheet was read, if there are several.

    Raises
    ------
    FileError
        If the file is no workbook, is cut off, has no such sheet, or the sheet has no rows.
    """
    _require_workbook(path)
    names, cells, chosen = _cells(path, sheet)
    cells = cells.dropna(how="all")
    if len(cells) < 2:
        state = "is empty" if len(cells) == 0 else "has a header and no rows below it"
        raise FileError.build(
            f"Sheet '{chosen}' of {path.name} {state}.", hint=f"pass sheet= with one of: {listing(names, 12)}."
        )
    header = header_names(list(cells.iloc[0]), path.name)
    body = cells.iloc[1:].reset_index(drop=True).infer_objects()
    notes = [f"{path.name} has {len(names)} sheets; '{chosen}' was read."] if len(names) > 1 else []
    return named_columns(body, header, path.name), notes


def _require_workbook(path: Path) -> None:
    """Raise a FileError that tells what the file is instead of a workbook."""
    with path.open("rb") as file:
        magic = file.read(4)
    if magic.startswith(_OLE_MAGIC):
        raise FileError.build(
            f"{path.name} is an old .xls workbook or one with a password.",
            hint="open it in a spreadsheet program and save it as .xlsx without a password.",
        )
    if not magic.startswith(_ZIP_MAGIC):
        raise FileError.build(
            f"{path.name} is not an xlsx workbook, whatever its name says.",
            hint="if it is text with a delimiter, give it the ending .csv.",
        )
    if not zipfile.is_zipfile(path):
        raise FileError.build(f"{path.name} is cut off or damaged.", hint="copy or export the workbook again.")


def _cells(path: Path, sheet: str | None) -> tuple[list[str], pd.DataFrame, str]:
    """Return the names of the sheets, the cells of the chosen one, and its name."""
    try:
        with warnings.catch_warnings():
            # Workbooks from other programs make openpyxl warn about styles and drop-down lists, which hold no data.
            warnings.simplefilter("ignore", UserWarning)
            with pd.ExcelFile(path, engine="calamine") as book:
                names = [str(name) for name in book.sheet_names]
                chosen = names[0] if sheet is None else sheet
                if chosen not in names:
                    raise _no_sheet(path.name, chosen, names)
                cells = pd.read_excel(book, sheet_name=chosen, header=None, dtype=object, na_filter=False)
    except FileError:
        raise
    # A damaged workbook fails in zipfile, zlib, the XML parser or openpyxl, each with errors of its own.
    except Exception as problem:
        raise FileError.build(
            f"{path.name} cannot be read as an xlsx workbook ({type(problem).__name__}).",
            hint="open it in a spreadsheet program and save it again as .xlsx.",
        ) from None
    return names, cells.mask(cells == ""), chosen


def _no_sheet(file_name: str, sheet: str, names: list[str]) -> FileError:
    """Return the error for a sheet that is not in the workbook."""
    return FileError.build(
        f"{file_name} has no sheet '{sheet}'.", hint=f"pass sheet= with one of: {listing(names, 12)}."
    )


def hidden_labels(path: Path) -> str:
    """Return the labels that `write_sessions` keeps in a hidden sheet of a workbook; empty if there are none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        with pd.ExcelFile(path, engine="calamine") as book:
            if LABELS_SHEET not in book.sheet_names:
                return ""
            pieces = pd.read_excel(book, sheet_name=LABELS_SHEET, header=None, dtype=object, na_filter=False)
    return "".join(str(piece).removeprefix("'") for piece in pieces.iloc[:, 0])
