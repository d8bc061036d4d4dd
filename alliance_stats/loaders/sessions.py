"""From a file to a session table: canonical names, checked rows, and notes on what was read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from alliance_stats.columns import (
    ID_COLUMNS,
    duplicated_rows,
    group_codes,
    require_columns,
    require_unique_sessions,
    session_order,
)
from alliance_stats.errors import ColumnError, DataError, counted, listing
from alliance_stats.loaders.cells import MissingCodes, count_numbers
from alliance_stats.loaders.labels import renamed_labels, with_labels
from alliance_stats.loaders.readers import read_table

_RANK = "groupby('patient')['date'].rank('dense')"
_TEXT_SESSIONS = (
    (
        r"\d{4}-\d{2}-\d{2}(?:[T ].*)?",
        "dates as text",
        f"read the file with pandas, add a column with the order, frame.{_RANK}, and name that column.",
    ),
    (
        r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}(?: .*)?",
        "dates as text",
        f"read the file with pandas, make them dates with pd.to_datetime(..., dayfirst=...), add their order, frame.{_RANK}, "
        "and name that column.",
    ),
    (
        r"\D+\d+",
        "text that ends in a number",
        r"keep the number only: frame['session'].str.extract(r'(\d+)$'), or export codes instead of labels.",
    ),
    (
        r"\D+",
        "text",
        "correct those cells: export the codes of the sessions instead of their labels, or number them in the file.",
    ),
)
_ROW_KEYS = ("patient", "session", "rater", "dyad", "role")


def read_sessions(
    path: str | Path,
    *,
    patient: str,
    session: str | None = None,
    therapist: str | None = None,
    rater: str | None = None,
    dyad: str | None = None,
    role: str | None = None,
    site: str | None = None,
    missing: MissingCodes | None = None,
    sheet: str | None = None,
) -> pd.DataFrame:
    r"""Read a file of ratings into a checked session table.

    Use this for your own data: one row per patient and session, or per rating when several persons rate. The named
    columns get their canonical names, all others keep theirs. Nothing is imputed and no row with a cell is dropped;
    what does not fit is an error that counts the rows and never shows an id.

    Parameters
    ----------
    path : str or Path
        A csv, tsv, xlsx, ods, sav, zsav, por, dta, sas7bdat, xpt or parquet file.
    patient : str
        Column with the id of the patient.
    session : str, optional
        Column with the order of the session within the patient, whole numbers. Without it (and without a column
        'session') the table must have one row per patient.
    therapist, rater, dyad, role, site : str, optional
        Columns with these parts of the design. A column that already has the canonical name is used as it is.
    missing : sequence of str or float, optional
        Cells that mean 'no answer', such as ``[-99, "refused"]``. Blank cells, NA, N/A, #N/A, #NULL! and NaN always do.
        The columns of patient and session are spared.
    sheet : str, optional
        Sheet of an xlsx workbook; the first one if left out.

    Returns
    -------
    DataFrame
        One row per patient and session (and rater, dyad or role, where given). ``attrs["notes"]`` is a tuple of
        sentences: how the file was read, and the number of rows, patients, sessions and therapists.

    Raises
    ------
    FileError
        If the file cannot be read.
    ColumnError
        If a named column is missing, is named twice, or a column already has the canonical name of another one.
    DataError
        If patient ids are missing, sessions are no whole numbers, or rows repeat a patient's session.

    See Also
    --------
    read_study_data : The same for a bundled study, from a column map.

    Notes
    -----
    Ids with leading zeros stay text ('007' and '7' are two patients). In a csv file separated by semicolons, a comma
    in a number is its decimal sign.

    Examples
    --------
    >>> import alliance_stats as al, pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp(), "ward.csv")
    >>> _ = file.write_text("pid,week,wai\n007,1,44\n007,2,51\n012,1,39\n")
    >>> frame = al.read_sessions(file, patient="pid", session="week")
    >>> list(frame.columns), frame.attrs["notes"][-1]
    (['patient', 'session', 'wai'], '3 rows: 2 patients, sessions 1 to 2.')
    """
    given = {
        "patient": patient,
        "session": session,
        "therapist": therapist,
        "rater": rater,
        "dyad": dyad,
        "role": role,
        "site": site,
    }
    names = {canonical: column for canonical, column in given.items() if column is not None}
    frame = read_table(
        path,
        ids=id_columns(names),
        missing=missing,
        exempt=(patient, session or "session"),
        sheet=sheet,
        row_names=names,
    )
    return canonical_sessions(frame, names)


def require_named_columns(frame: pd.DataFrame, names: Iterable[str], *, hint: str) -> None:
    """Raise a ColumnError that names missing columns, and lists those of the file unless they look like data.

    Parameters
    ----------
    frame : DataFrame
        As read.
    names : iterable of str
        Columns that must exist.
    hint : str
        What to do.
    """
    names = list(names)
    wanted = [name for name in dict.fromkeys(names) if name not in frame.columns]
    n_numbers = count_numbers(frame.columns)
    if wanted and n_numbers:
        quoted = [f"'{name}'" for name in wanted]
        raise ColumnError.build(
            f"No column {listing(quoted)}; {n_numbers} of the {len(frame.columns)} names in the first row are numbers, "
            "so the file may have no header.",
            hint=f"add a first row with the column names, or {hint}",
        )
    if wanted and len(wanted) == len(set(names)) and len(wanted) > 1:
        raise ColumnError.build(
            f"None of the {len(wanted)} columns that are needed is in the first row ({listing([f'{w!r}' for w in wanted])}), so "
            f"the file may have no header. Its {len(frame.columns)} entries there are not shown: they may be data.",
            hint=f"add a first row with the column names, or {hint}",
        )
    require_columns(frame, wanted, hint=hint)


def id_columns(names: Mapping[str, str]) -> set[str]:
    """Return the columns to be read as ids: those named for it, and those that have a canonical name.

    Parameters
    ----------
    names : mapping of str to str
        Canonical name to column.
    """
    kinds = {*ID_COLUMNS, "rater", "role"}
    return {names.get(kind, kind) for kind in kinds}


def canonical_sessions(
    frame: pd.DataFrame, names: Mapping[str, str], *, row_key: Sequence[str] = (), per_patient: bool = False
) -> pd.DataFrame:
    """Rename columns to the canonical names, check the table, and add the notes of the check.

    Parameters
    ----------
    frame : DataFrame
        As read.
    names : mapping of str to str
        Canonical name to column.
    row_key : sequence of str
        Columns that together name a row, where patient, session, rater, dyad and role do not.
    per_patient : bool
        The table has one row per patient and no sessions.

    Returns
    -------
    DataFrame
        A session table.
    """
    renamed = with_canonical_names(frame, names)
    notes = check_session_table(renamed, row_key=row_key, per_patient=per_patient)
    if "session" in renamed.columns and not per_patient:
        # The check has found whole numbers, also where they are stored as decimals or text.
        renamed = renamed.assign(session=pd.to_numeric(renamed["session"]).astype("int64"))
    renamed.attrs = {**frame.attrs, "notes": (*frame.attrs.get("notes", ()), *notes)}
    return with_labels(renamed, renamed_labels(frame, {column: name for name, column in names.items()}))


def check_session_table(
    frame: pd.DataFrame, *, row_key: Sequence[str] = (), per_patient: bool = False
) -> tuple[str, ...]:
    """Check that a frame is a session table.

    Parameters
    ----------
    frame : DataFrame
        Columns with canonical names; ``patient`` must be among them.
    row_key : sequence of str
        Columns that together name a row. Left out: patient, session, rater, dyad and role, as far as they exist.
    per_patient : bool
        The table has one row per patient (or conversation): a column 'session' is not looked at.

    Returns
    -------
    tuple of str
        Sentences for the notes: rows, patients, sessions, therapists.

    Raises
    ------
    ColumnError
        If there is no column 'patient', or one of ``row_key`` is missing.
    DataError
        If patient ids are missing, sessions are no whole numbers, or rows repeat the key of another.

    Examples
    --------
    >>> import pandas as pd
    >>> from alliance_stats.loaders.sessions import check_session_table
    >>> check_session_table(pd.DataFrame({"patient": ["a", "a", "b"], "session": [1, 2, 1]}))
    ('3 rows: 2 patients, sessions 1 to 2.',)
    """
    require_columns(frame, ["patient", *row_key])
    _require_patients(frame)
    with_sessions = "session" in frame.columns and not per_patient
    if with_sessions:
        _require_no_dates(frame)
    order = session_order(frame) if with_sessions else None
    present = [name for name in _ROW_KEYS if name in frame.columns and (with_sessions or name != "session")]
    if with_sessions or row_key:
        require_unique_sessions(frame, list(row_key) or present)
    else:
        _require_one_row_each(frame, present)
    return _notes(frame, order)


def with_canonical_names(frame: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """Return the frame with canonical names.

    Parameters
    ----------
    frame : DataFrame
        As read.
    names : mapping of str to str
        Canonical name to column.

    Raises
    ------
    ColumnError
        If a column is missing, is named twice, or has to take a name that another column has.
    """
    require_named_columns(frame, names.values(), hint="pass the name as the file spells it.")
    again = [column for column in names.values() if list(names.values()).count(column) > 1]
    if again:
        takers = [f"{canonical}=" for canonical, column in names.items() if column == again[0]]
        raise ColumnError.build(
            f"Column '{again[0]}' is named for {' and '.join(takers)}.",
            hint="name each column once; copy the column in the file if it has two meanings.",
        )
    moved = set(names.values())
    clash = [canonical for canonical in names if canonical in frame.columns and canonical not in moved]
    if clash:
        column = names[clash[0]]
        raise ColumnError.build(
            f"Column '{column}' should become '{clash[0]}', but the data already have a column '{clash[0]}'.",
            hint=f'pass {clash[0]}="{clash[0]}" to use that one, or rename it in the file.',
        )
    return frame.rename(columns={column: canonical for canonical, column in names.items()})


def _require_patients(frame: pd.DataFrame) -> None:
    """Raise a DataError if a row has no patient id."""
    unknown = frame["patient"].isna().to_numpy()
    if unknown.any():
        first = int(unknown.argmax()) + 1
        raise DataError.build(
            f"{int(unknown.sum())} of {len(frame)} rows have no patient id (the first in data row {first}).",
            hint="fill in the ids or remove those rows; blank cells and NA count as missing.",
        )


def _require_no_dates(frame: pd.DataFrame) -> None:
    """Raise a DataError if sessions are dates or text, with the way to an order of sessions."""
    column = frame["session"]
    if pd.api.types.is_datetime64_any_dtype(column):
        raise DataError.build(
            "Column 'session' holds dates; it must hold whole numbers, the order of sessions.",
            hint="turn dates into an order first, for example frame.groupby('patient')['date'].rank('dense').",
        )
    if pd.api.types.is_numeric_dtype(column):
        return
    cells = column.dropna().astype("str").str.strip()
    n_text = int(pd.to_numeric(cells, errors="coerce").isna().sum())
    for pattern, what, hint in _TEXT_SESSIONS:
        if n_text and int(cells.str.fullmatch(pattern).sum()) == n_text:
            raise ColumnError.build(
                f"Column 'session' should hold numbers; {n_text} of {len(frame)} cells are {what}. It must hold whole numbers, "
                "the order of sessions.",
                hint=hint,
            )


def _require_one_row_each(frame: pd.DataFrame, keys: list[str]) -> None:
    """Raise a DataError if a table without sessions has several rows for one patient."""
    again = duplicated_rows(frame, keys)
    if again.size:
        raise DataError.build(
            f"{again.size} rows repeat the {', '.join(keys)} of an earlier row (the first in data row {again[0] + 1}), "
            "and no column tells the sessions apart.",
            hint="name the column with the order of sessions (session=), or remove the copies.",
        )


def _notes(frame: pd.DataFrame, order: np.ndarray | None) -> tuple[str, ...]:
    """Return sentences with the numbers of rows, patients, sessions and therapists."""
    patients, n_patients = group_codes(frame, "patient")
    parts = [counted(n_patients, "patient")]
    if order is not None:
        parts.append(f"sessions {order.min()} to {order.max()}")
    groups = [name for name in ("therapist", "dyad", "site", "rater") if name in frame.columns]
    codes = {name: group_codes(frame, name) for name in groups}
    parts += [counted(n_levels, name) for name, (_, n_levels) in codes.items()]
    notes = [f"{counted(len(frame), 'row')}: {listing(parts, 8)}."]
    notes += [
        said for name in ("patient", "therapist") if name in frame.columns and (said := _case_note(frame[name], name))
    ]
    if "therapist" in frame.columns:
        therapists = codes["therapist"][0]
        n_unknown = int((therapists < 0).sum())
        n_several = _with_several(patients[therapists >= 0], therapists[therapists >= 0])
        notes += [f"{counted(n_unknown, 'row')} without a therapist."] if n_unknown else []
        notes += [f"{counted(n_several, 'patient')} with more than one therapist."] if n_several else []
    return tuple(notes)


def _case_note(column: pd.Series, name: str) -> str:
    """Return a sentence on ids that differ from others in capitals only, empty if there are none."""
    if pd.api.types.is_numeric_dtype(column):
        return ""
    ids = pd.Series(column.dropna().astype("str").unique(), dtype="str")
    n_same = len(ids) - ids.str.casefold().nunique()
    return (
        f"Ids of {name}s that differ from another in capitals only: {n_same}; they count as different."
        if n_same
        else ""
    )


def _with_several(patients: np.ndarray, therapists: np.ndarray) -> int:
    """Return how many patients meet more than one therapist; level codes, shape (n_rows,)."""
    last = np.full(patients.max(initial=-1) + 1, -1)
    last[patients] = therapists
    return len(np.unique(patients[last[patients] != therapists]))
