"""Qualtrics exports as session tables."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from alliance_stats.errors import ColumnError, DataError, FileError, listing
from alliance_stats.loaders.cells import tidy_cells
from alliance_stats.loaders.labels import Code, ColumnLabels, labels_of, with_labels
from alliance_stats.loaders.missing_reasons import with_reasons
from alliance_stats.loaders.readers import read_table
from alliance_stats.loaders.reshape import to_long
from alliance_stats.loaders.sessions import canonical_sessions
from alliance_stats.loaders.text_layout import long_cells

IDENTIFYING = (
    "IPAddress",
    "RecipientLastName",
    "RecipientFirstName",
    "RecipientEmail",
    "LocationLatitude",
    "LocationLongitude",
)
"""Columns that Qualtrics adds and that identify persons."""

SEEN = -99.0
"""Code of questions seen and not answered, where the export was made with that option."""

_PREVIEWS = ("Survey Preview", "1", "1.0")
_STATUS, _FINISHED = "Status", "Finished"


def read_qualtrics(
    path: str | Path,
    *,
    patient: str,
    session: str | None = None,
    therapist: str | None = None,
    recode: Mapping[str, Mapping[str, float]] | None = None,
    loops: bool = False,
    keep_identifiers: bool = False,
) -> pd.DataFrame:
    r"""Read a Qualtrics export into a session table: one row per response, or per loop of a response.

    Use it with the csv export (three header rows) or the .sav export, with numeric values or choice text.

    Parameters
    ----------
    path : str or Path
        A csv, tsv or sav file as Qualtrics exports it.
    patient : str
        Column with the id of the patient: embedded data or ExternalReference.
    session : str, optional
        Column with the session number. Left out without ``loops``: the responses of a patient are numbered by StartDate.
    therapist : str, optional
        Column with the id of the therapist.
    recode : mapping, optional
        For choice text: column (or the stem of columns, "Q2" for Q2_1, Q2_2) to text to number:
        ``{"Q2": {"Seldom": 1, "Always": 5}}``.
    loops : bool
        The loops of loop-and-merge are sessions: 1_Q3 and 2_Q3 become Q3 in two rows.
    keep_identifiers : bool
        Keep addresses, names and places that Qualtrics adds; they are left out else.

    Returns
    -------
    DataFrame
        One row per response (and loop): patient, session, therapist, then the columns of the export. Question texts are the
        labels. ``attrs["notes"]`` counts previews left out, unfinished responses, and questions seen but not answered, which are
        missing with that reason.

    Raises
    ------
    FileError
        If the file cannot be read or has not three header rows.
    ColumnError
        If a column is missing, or a text has no number in ``recode``.
    DataError
        If loops are asked for and there are none, or sessions cannot be numbered.

    Notes
    -----
    Layout of exports: Qualtrics support, "Understanding Your Data Set",
    https://www.qualtrics.com/support/survey-platform/data-and-analysis-module/data/download-data/understanding-your-dataset/.
    Loops are told by the import ids of the third header row, in .sav files by the names.

    Examples
    --------
    >>> import alliance_stats as al, pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp(), "q.csv")
    >>> rows = ["pid,Q1", "pid,How was it?", '"{""ImportId"":""pid""}","{""ImportId"":""QID1""}"', "7,3", "8,5"]
    >>> _ = file.write_text("\n".join(rows))
    >>> al.read_qualtrics(file, patient="pid")["Q1"].tolist()
    [3, 5]
    """
    file = Path(path)
    given = {"patient": patient, "session": session, "therapist": therapist}
    named = {canonical: column for canonical, column in given.items() if column is not None}
    table, imports = _export(file, list(named.values()))
    _require(table, named.values(), file.name)
    known = labels_of(table)
    notes = list(table.attrs.get("notes", ()))
    table, said = _real_responses(table)
    notes += said
    dropped = [] if keep_identifiers else [name for name in IDENTIFYING if name in table and name not in named.values()]
    table = table.drop(columns=dropped)
    notes += [f"Columns that identify persons were left out: {listing(dropped, 12)}."] if dropped else []
    table = _recoded(table, recode or {})
    table, reasons = _seen(table)
    notes += (
        [f"{sum(map(len, reasons.values()))} questions were seen and not answered; they are missing."]
        if reasons
        else []
    )
    table = with_labels(table.reset_index(drop=True), _with_seen(known, reasons))
    if not loops:
        if session is None:
            table, said = _numbered(table, patient)
            notes += said
        kept = with_reasons(table, {name: {SEEN: rows} for name, rows in reasons.items()}, named)
        kept.attrs["notes"] = tuple(notes)
        return canonical_sessions(kept, named)
    return _looped(table, imports, named, notes)


def _export(file: Path, ids: Sequence[str]) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return the responses with question texts as labels, and the import id of each column."""
    if file.suffix.lower() not in (".csv", ".tsv"):
        return read_table(file, ids=ids), {}
    whole = read_table(file, ids=ids)
    names = [str(name) for name in whole.columns]
    if len(whole) < 2:
        raise _no_header(file.name)
    texts, imports = _header_rows(file, names)
    # Three header rows make every column text; without them numbers are numbers again.
    cells = whole.iloc[2:].reset_index(drop=True).astype("str")
    cells, changed = tidy_cells(cells, ids=ids)
    cells.attrs = {"notes": (*whole.attrs["notes"], *changed)}
    labelled = {name: ColumnLabels(text) for name, text in texts.items() if text and text != name}
    return with_labels(cells, labelled), imports


def _header_rows(file: Path, names: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return question text and import id of each column, from the second and third header row."""
    text = file.read_bytes().decode("utf-8-sig", errors="replace")
    reader = csv.reader(text.splitlines(keepends=True), delimiter="\t" if "\t" in text.split("\n", 1)[0] else ",")
    with long_cells():
        rows = [row for row, _ in zip((row for row in reader if any(row)), range(3), strict=False)]
    if len(rows) < 3 or not any('"ImportId"' in cell for cell in rows[2]):
        raise _no_header(file.name)
    header = [cell.strip() for cell in rows[0]]
    texts = dict(zip(header, (" ".join(re.sub(r"<[^>]*>", " ", cell).split()) for cell in rows[1]), strict=False))
    imports = {name: _import_id(cell) for name, cell in zip(header, rows[2], strict=False)}
    return {name: texts.get(name, "") for name in names}, {name: imports.get(name, "") for name in names}


def _import_id(cell: str) -> str:
    """Return the import id of a cell of the third header row."""
    try:
        return str(json.loads(cell).get("ImportId", ""))
    except (ValueError, AttributeError, RecursionError):
        return ""


def _no_header(file_name: str) -> FileError:
    """Return the error for a file without the three header rows."""
    return FileError.build(
        f"{file_name} has not the three header rows of a Qualtrics export (names, questions, import ids).",
        hint="export it again as csv without changing it in a spreadsheet; for other tables use read_sessions().",
    )


def _require(table: pd.DataFrame, names: Any, file_name: str) -> None:
    """Raise a ColumnError that names missing columns."""
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise ColumnError.missing(missing, table.columns, hint=f"take the names of the first row of {file_name}.")


def _real_responses(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return the responses that are no previews, and what was found."""
    notes = []
    if _STATUS in table.columns:
        preview = table[_STATUS].astype("str").isin(_PREVIEWS).to_numpy()
        if preview.any():
            notes.append(f"{int(preview.sum())} previews of the survey were left out.")
            attrs = table.attrs
            table = table[~preview].copy()
            table.attrs = attrs
    if len(table) == 0:
        raise DataError.build("All responses are previews of the survey.", hint="export the collected responses.")
    if _FINISHED in table.columns:
        unfinished = int(table[_FINISHED].astype("str").isin(["0", "0.0", "False"]).sum())
        notes += [f"{unfinished} responses were not finished; they are kept."] if unfinished else []
    return table, notes


def _recoded(table: pd.DataFrame, recode: Mapping[str, Mapping[str, float]]) -> pd.DataFrame:
    """Return the table with choice text as numbers."""
    columns = {name: table[name] for name in table.columns}
    for stem, codes in recode.items():
        own = [
            name for name in table.columns if name == stem or re.fullmatch(rf"(\d+_)?{re.escape(stem)}(_\d+)*", name)
        ]
        if not own:
            raise ColumnError.missing(
                [stem], table.columns, hint="recode= names columns, or stems such as Q2 for Q2_1."
            )
        for name in own:
            known = {str(text).strip(): float(number) for text, number in codes.items()}
            cells = table[name].astype("str").str.strip()
            numbers = cells.map(known)
            lost = int((numbers.isna() & table[name].notna()).sum())
            if lost:
                raise ColumnError.build(
                    f"{lost} of {int(table[name].notna().sum())} answers in '{name}' have no number in recode=.",
                    hint="give every choice text a number, spelled as in the survey.",
                )
            columns[name] = numbers
    recoded = pd.DataFrame(columns, index=table.index)
    recoded.attrs = table.attrs
    return recoded


def _seen(table: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Return the table without the code for seen questions, and the rows in which it stood."""
    columns, reasons = {name: table[name] for name in table.columns}, {}
    for name in table.columns:
        if pd.api.types.is_numeric_dtype(table[name]):
            marked = (table[name] == SEEN).to_numpy(dtype=bool, na_value=False)
            if marked.any():
                columns[name] = table[name].mask(marked)
                reasons[name] = np.flatnonzero(marked)
    cleaned = pd.DataFrame(columns, index=table.index)
    cleaned.attrs = table.attrs
    return cleaned, reasons


def _with_seen(known: Mapping[str, ColumnLabels], reasons: Mapping[str, np.ndarray]) -> dict[str, ColumnLabels]:
    """Return labels that give the code for seen questions its meaning."""
    meaning: tuple[tuple[Code, str], ...] = ((SEEN, "seen, not answered"),)
    told = {name: known.get(name, ColumnLabels()) for name in reasons}
    return {**known, **{name: replace(own, value_labels=(*own.value_labels, *meaning)) for name, own in told.items()}}


def _numbered(table: pd.DataFrame, patient: str) -> tuple[pd.DataFrame, list[str]]:
    """Return the table with the order of each patient's responses as session, if a patient has several."""
    if "session" in table.columns or not bool(table[patient].duplicated().any()):
        return table, []
    if "StartDate" not in table.columns:
        raise DataError.build(
            "Patients have several responses, and no column tells their order.",
            hint="name the column with the session number (session=), or export StartDate.",
        )
    unknown = int(table[patient].isna().sum())
    if unknown:
        raise DataError.build(
            f"{unknown} of {len(table)} responses have no patient id.",
            hint="fill in the ids or remove those responses.",
        )
    started = pd.to_datetime(table["StartDate"], errors="coerce")
    if bool(started.isna().any()):
        raise DataError.build(
            f"{int(started.isna().sum())} of {len(table)} responses have no readable StartDate.",
            hint="name the column with the session number (session=).",
        )
    numbered = table.copy()
    numbered.attrs = table.attrs
    numbered["session"] = started.groupby(table[patient]).rank("first").astype("int64")
    return numbered, ["Sessions are each patient's responses in the order of StartDate."]


def _looped(
    table: pd.DataFrame, imports: Mapping[str, str], named: Mapping[str, str], notes: Sequence[str]
) -> pd.DataFrame:
    """Return one row per response and loop."""
    stems: dict[str, None] = {}
    for name in table.columns:
        found = re.fullmatch(r"(\d+)_(.+)", name)
        if found and (not imports or imports.get(name, "").startswith(f"{found[1]}_")):
            stems[found[2]] = None
    if not stems:
        raise DataError.build(
            "The export has no columns of loop-and-merge, such as 1_Q3.", hint="leave out loops=, or export all fields."
        )
    wide = table.rename(columns={column: canonical for canonical, column in named.items()})
    wide = with_labels(wide, {name: own for name, own in labels_of(table).items() if name in wide.columns})
    wide.attrs["notes"] = tuple(notes)
    return canonical_sessions(to_long(wide, [f"{{session}}_{stem}" for stem in stems]), {"patient": "patient"})
