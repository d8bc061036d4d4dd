"""REDCap exports as session tables."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from alliance_stats.errors import ColumnError, DataError, listing, unknown_name
from alliance_stats.loaders.branching import shown
from alliance_stats.loaders.cells import tidy_cells
from alliance_stats.loaders.delimited import read_delimited
from alliance_stats.loaders.labels import Code, ColumnLabels, with_labels
from alliance_stats.loaders.missing_reasons import with_reasons
from alliance_stats.loaders.readers import existing_file, file_errors
from alliance_stats.loaders.redcap_dictionary import Field, labels_of_fields, read_dictionary, require_codes
from alliance_stats.loaders.sessions import canonical_sessions

EVENT, INSTRUMENT, INSTANCE = "redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance"
_SYSTEM = (EVENT, INSTRUMENT, INSTANCE, "redcap_data_access_group", "redcap_survey_identifier")
NOT_SHOWN = "not shown"
"""Reason of a missing answer to a field that branching logic hid."""


def read_redcap(
    path: str | Path,
    *,
    dictionary: str | Path,
    form: str,
    events: Mapping[str, int] | None = None,
    missing: Mapping[str, str] | None = None,
    therapist: str | None = None,
    keep_identifiers: bool = False,
) -> pd.DataFrame:
    r"""Read a REDCap export into a session table: one row per record and repetition of a form.

    Use it with the raw data (codes, not labels) of a project in which a form is filled in again and again: as a repeating
    instrument, a repeating event, or in several events. What stands once per record in other forms (intake, diagnosis) is
    repeated in every row.

    Parameters
    ----------
    path : str or Path
        The csv export "all data (raw)".
    dictionary : str or Path
        The project's data dictionary, csv.
    form : str
        Form (instrument) of the sessions, as the dictionary names it.
    events : mapping of str to int, optional
        Session number of each event; needed if the event names hold no number of their own.
    missing : mapping of str to str, optional
        The project's missing data codes with their meaning: ``{"-999": "not asked", "UNK": "unknown"}``.
    therapist : str, optional
        Field with the id of the therapist.
    keep_identifiers : bool
        Keep fields that the project marks as identifying persons; they are left out else.

    Returns
    -------
    DataFrame
        One row per record and session: patient, session, therapist, the fields of the form, then the fields that stand once per
        record. Labels and reasons of missing answers go with it: the project's codes, and "not shown" where branching logic
        hid the field. ``attrs["notes"]`` says how sessions were numbered and what was left out.

    Raises
    ------
    FileError
        If a file cannot be read, or the dictionary is none.
    ColumnError
        If the export lacks a column, or has labels for names.
    DataError
        If answers are labels instead of codes, there is no such form, it has no rows, or sessions cannot be numbered.

    Notes
    -----
    Checkbox fields have a column per choice, 0 or 1; where nothing of the form was answered they count as missing, because
    REDCap exports 0 for forms nobody opened. Branching logic is evaluated where it compares fields of the same row.

    Examples
    --------
    >>> import alliance_stats as al, pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> head = ["Variable / Field Name", "Form Name", "Field Type", "Field Label", "Choices, Calculations, OR Slider Labels"]
    >>> head += ["Identifier?", "Branching Logic (Show field only if...)"]
    >>> _ = (folder / "d.csv").write_text(",".join(f'"{h}"' for h in head) + "\nid,intake,text,Id,,,\nors,visit,text,Score,,,\n")
    >>> rows = ["id,redcap_repeat_instrument,redcap_repeat_instance,ors", "7,,,", "7,visit,1,20", "7,visit,2,24"]
    >>> _ = (folder / "x.csv").write_text("\n".join(rows))
    >>> al.read_redcap(folder / "x.csv", dictionary=folder / "d.csv", form="visit").to_dict("list")
    {'patient': [7, 7], 'session': [1, 2], 'ors': [20, 24]}
    """
    fields = read_dictionary(dictionary)
    forms = list(dict.fromkeys(field.form for field in fields.values()))
    if form not in forms:
        raise unknown_name(DataError, "form", form, forms)
    table = _export(Path(path))
    record = next(iter(fields))
    own = _columns_of(fields, table, form, inside=True)
    _require_columns(table, record, own, form, Path(path).name)
    require_codes(fields, table)
    own = [name for name in own if name != record]
    rows, session, numbered = _sessions(table, own, form, events)
    once = [name for name in _columns_of(fields, table, form, inside=False) if name != record]
    cells, left_out = _with_record_fields(table, rows, record, own, once)
    cells.insert(1, "session", session)
    identifying = [] if keep_identifiers else _identifying(fields, cells, {record, therapist})
    cells = cells.drop(columns=identifying)
    cells, reasons = _missing(cells, fields, missing or {}, form)
    named = {"patient": record, **({"therapist": therapist} if therapist else {})}
    frame, changed = tidy_cells(cells, ids=list(named.values()))
    frame = with_labels(frame, _labels(fields, frame, missing or {}))
    frame.attrs["notes"] = (*_notes(numbered, left_out, identifying, reasons), *changed)
    return canonical_sessions(with_reasons(frame, reasons, named), named)


def _export(path: Path) -> pd.DataFrame:
    """Return the export with every cell as text, missing where it is empty."""
    with file_errors(path):
        file = existing_file(path)
        names = list(read_delimited(file)[0].columns)
        table = read_delimited(file, text_columns=names)[0].astype("str")
    return table.mask(table.apply(lambda column: column.str.strip()) == "")


def _columns_of(fields: Mapping[str, Field], table: pd.DataFrame, form: str, *, inside: bool) -> list[str]:
    """Return the columns of the export that hold the fields of a form, or those of all others."""
    chosen = [field for field in fields.values() if (field.form == form) == inside]
    return [column for field in chosen for column in field.columns() if column in table.columns]


def _require_columns(table: pd.DataFrame, record: str, own: Sequence[str], form: str, file_name: str) -> None:
    """Raise a ColumnError if the export does not go with the dictionary."""
    if record in table.columns and [name for name in own if name != record]:
        return
    wrong = "no column of its record id" if record not in table.columns else f"no field of the form '{form}'"
    raise ColumnError.build(
        f"{file_name} has {wrong} ('{record}' is the first field of the dictionary).",
        hint="export 'raw data', not labels, and take the dictionary of the same project.",
    )


def _sessions(
    table: pd.DataFrame, own: Sequence[str], form: str, events: Mapping[str, int] | None
) -> tuple[np.ndarray, np.ndarray, str]:
    """Return the rows of the form, their session numbers, and how they were numbered."""
    filled = table[list(own)].notna().any(axis=1).to_numpy()
    if INSTRUMENT in table.columns or INSTANCE in table.columns:
        named = (
            table[INSTRUMENT].eq(form).to_numpy() if INSTRUMENT in table.columns else np.zeros(len(table), dtype=bool)
        )
        rows = np.flatnonzero(named)
        if not rows.size and INSTANCE in table.columns:
            rows = np.flatnonzero(filled & table[INSTANCE].notna().to_numpy())
        if rows.size and INSTANCE not in table.columns:
            raise ColumnError.missing(
                [INSTANCE], table.columns, hint="export the data again; that column is made by REDCap."
            )
        if rows.size:
            return rows, _whole(table[INSTANCE], rows, INSTANCE), f"Sessions are the repetitions of the form '{form}'."
    if EVENT in table.columns:
        rows = np.flatnonzero(filled)
        if rows.size:
            return rows, _event_numbers(table[EVENT].iloc[rows], events), "Sessions are the numbers of the events."
    raise DataError.build(
        f"No row of the export holds a repetition of the form '{form}': it has no repeating form or event with answers.",
        hint="name the form that is filled in at every session; check that the export holds all events.",
    )


def _whole(column: pd.Series, rows: np.ndarray, name: str) -> np.ndarray:
    """Return whole numbers from text, shape (n_rows,)."""
    numbers = pd.to_numeric(column.iloc[rows], errors="coerce").to_numpy(dtype=float)
    broken = ~np.isfinite(numbers) | (numbers != np.round(numbers))
    if broken.any():
        raise DataError.build(
            f"{int(broken.sum())} of {rows.size} rows of the form have no whole number in '{name}'.",
            hint="export the data again; that column is made by REDCap.",
        )
    return numbers.astype(np.int64)


def _event_numbers(names: pd.Series, events: Mapping[str, int] | None) -> np.ndarray:
    """Return the session number of each row from its event."""
    levels = list(names.dropna().unique())
    if events is None:
        numbers = {level: re.search(r"(\d+)(?=_arm_\d+$|$)", level) for level in levels}
        events = {level: int(found[1]) for level, found in numbers.items() if found}
        events = events if len(set(events.values())) == len(levels) else {}
    unknown = [level for level in levels if level not in events]
    if unknown or bool(names.isna().any()):
        raise DataError.build(
            f"{len(unknown)} of {len(levels)} events have no session number of their own: {listing(unknown)}.",
            hint='say which session each event is: events={"intake_arm_1": 0, "session_1_arm_1": 1}.',
        )
    return names.map(dict(events)).to_numpy(dtype=np.int64)


def _with_record_fields(
    table: pd.DataFrame, rows: np.ndarray, record: str, own: Sequence[str], once: Sequence[str]
) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows of the form with the fields that stand once per record, and the fields left out."""
    values = table.groupby(record)[list(once)].agg(["nunique", "first"]) if once else pd.DataFrame()
    steady = [name for name in once if int(values[(name, "nunique")].max()) == 1]
    varying = [name for name in once if int(values[(name, "nunique")].max()) > 1]
    extra = [name for name in own if name not in _SYSTEM]
    cells = table.iloc[rows][[record, *extra]].reset_index(drop=True)
    added = {name: cells[record].map(values[(name, "first")]) for name in steady}
    return pd.concat([cells, pd.DataFrame(added, index=cells.index)], axis=1), varying


def _identifying(fields: Mapping[str, Field], cells: pd.DataFrame, kept: set[str | None]) -> list[str]:
    """Return the columns of fields marked as identifiers."""
    marked = [column for field in fields.values() if field.identifier for column in field.columns()]
    return [name for name in marked if name in cells.columns and name not in kept]


def _missing(
    cells: pd.DataFrame, fields: Mapping[str, Field], codes: Mapping[str, str], form: str
) -> tuple[pd.DataFrame, dict[str, dict[Code, np.ndarray]]]:
    """Return the cells without codes for missing, and why each is missing."""
    texts = cells.copy()
    reasons: dict[str, dict[Code, np.ndarray]] = {}
    plain = [name for field in fields.values() if field.kind != "checkbox" for name in field.columns() if name in cells]
    opened = cells[[name for name in plain if fields[name].form == form]].notna().any(axis=1)
    for field in fields.values():
        columns = [name for name in field.columns() if name in cells.columns]
        hidden = None if not field.branching or field.form != form else shown(field.branching, texts)
        for name in columns:
            column = cells[name]
            found: dict[Code, np.ndarray] = {code: np.flatnonzero((texts[name] == code).to_numpy()) for code in codes}
            cells[name] = column.mask(texts[name].isin(list(codes)))
            if field.kind == "checkbox" and field.form == form:
                cells[name] = cells[name].where(opened)
            if hidden is not None:
                unticked = texts[name].eq("0").to_numpy() & (field.kind == "checkbox")
                blank = ~hidden & (texts[name].isna().to_numpy() | unticked)
                cells[name] = cells[name].mask(blank)
                found[NOT_SHOWN] = np.flatnonzero(blank)
            if any(rows.size for rows in found.values()):
                reasons[name] = {code: rows for code, rows in found.items() if rows.size}
    return cells, reasons


def _labels(fields: Mapping[str, Field], frame: pd.DataFrame, codes: Mapping[str, str]) -> dict[str, ColumnLabels]:
    """Return labels of columns, the codes for missing among them."""
    meanings: tuple[tuple[Code, str], ...] = tuple(codes.items())
    return {
        name: ColumnLabels(own.label, (*own.value_labels, *meanings), own.measure)
        for name, own in labels_of_fields(fields, frame).items()
    }


def _notes(
    numbered: str,
    left_out: Sequence[str],
    identifying: Sequence[str],
    reasons: Mapping[str, Mapping[Code, np.ndarray]],
) -> list[str]:
    """Return how the export was read."""
    notes = [f"REDCap export. {numbered}"]
    if left_out:
        notes.append(f"Fields of other forms that vary within records were left out: {listing(list(left_out), 12)}.")
    if identifying:
        notes.append(f"Fields marked as identifiers were left out: {listing(list(identifying), 12)}.")
    n_hidden = sum(by_code[NOT_SHOWN].size for by_code in reasons.values() if NOT_SHOWN in by_code)
    n_coded = sum(rows.size for by_code in reasons.values() for code, rows in by_code.items() if code != NOT_SHOWN)
    if reasons:
        notes.append(f"Missing: {n_coded} answers with a missing data code, {n_hidden} to fields that were not shown.")
    return notes
