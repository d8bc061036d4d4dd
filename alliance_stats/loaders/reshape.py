"""From one row per patient to one row per session, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from alliance_stats.columns import as_names, require_columns
from alliance_stats.errors import ColumnError, DataError, listing
from alliance_stats.loaders.labels import ColumnLabels, labels_of, with_labels
from alliance_stats.loaders.name_patterns import Place, places, read_pattern


def preview_long(
    frame: pd.DataFrame,
    patterns: str | Sequence[str],
    *,
    sessions: Mapping[str, int] | None = None,
    raters: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Show how `to_long` would read each column, before it does.

    Parameters
    ----------
    frame, patterns, sessions, raters
        As for `to_long`.

    Returns
    -------
    DataFrame
        One row per column of the frame: column, pattern (empty if none matches), becomes (column of the long table), session,
        rater, item. Columns that match no pattern are repeated in every row of their patient.

    Raises
    ------
    ColumnError, DataError
        As `to_long`.

    Examples
    --------
    >>> import pandas as pd, alliance_stats as al
    >>> wide = pd.DataFrame({"patient": [1, 2], "age": [31, 44], "wai1_t1": [4, 5], "wai1_t2": [5, 6]})
    >>> al.preview_long(wide, "wai{item}_t{session}")[["column", "becomes", "session"]].iloc[2:].to_dict("list")
    {'column': ['wai1_t1', 'wai1_t2'], 'becomes': ['wai1', 'wai1'], 'session': [1, 2]}
    """
    matched = {place.column: place for place in _places(frame, patterns, sessions, raters)}
    rows = []
    for column in frame.columns:
        place = matched.get(column, Place(str(column), "", str(column), None, None, ""))
        rows.append([place.column, place.pattern, place.becomes, place.session, place.rater or "", place.item])
    table = pd.DataFrame(rows, columns=["column", "pattern", "becomes", "session", "rater", "item"])
    return table.astype({"session": "Int64"})


def to_long(
    frame: pd.DataFrame,
    patterns: str | Sequence[str],
    *,
    sessions: Mapping[str, int] | None = None,
    raters: Mapping[str, str] | None = None,
    drop_empty: bool = True,
) -> pd.DataFrame:
    """Turn a wide table, one row per patient, into a session table, one row per patient and session (and rater).

    Parameters
    ----------
    frame : DataFrame
        One row per patient, with a column 'patient'. A column per measure and session, such as wai1_t1, wai1_t2.
    patterns : str or sequence of str
        Names of the repeated columns with {session}, {rater} or {item} where they differ: "wai{item}_t{session}",
        "ors_{rater}_s{session}". {session} and {item} stand for numbers, {rater} for letters.
    sessions : mapping of str to int, optional
        What stands in the names for each session, where it is no number: ``{"pre": 0, "post": 1}``.
    raters : mapping of str to str, optional
        What stands in the names for each rater: ``{"p": "patient", "t": "therapist"}``.
    drop_empty : bool
        Leave out sessions in which nothing was answered; the notes count them.

    Returns
    -------
    DataFrame
        One row per patient and session (and rater), in that order: patient, session, rater (where patterns have it), then the
        columns that match no pattern, repeated in every row of their patient, then the measures (wai1, ors). Labels go
        along. ``attrs["notes"]`` counts matched and other columns, rows, and sessions left out.

    Raises
    ------
    ColumnError
        If there is no column 'patient', a pattern matches no column, a column matches two, or the long table would have
        two columns of one name.
    DataError
        If a patient has several rows, or a pattern cannot be read.

    See Also
    --------
    preview_long : How each column would be read.
    to_wide : The way back.

    Examples
    --------
    >>> import pandas as pd, alliance_stats as al
    >>> wide = pd.DataFrame({"patient": [1, 2], "age": [31, 44], "wai1_t1": [4, 5], "wai1_t2": [5, None]})
    >>> al.to_long(wide, "wai{item}_t{session}").to_dict("list")
    {'patient': [1, 1, 2], 'session': [1, 2, 1], 'age': [31, 31, 44], 'wai1': [4.0, 5.0, 5.0]}
    """
    found = _places(frame, patterns, sessions, raters)
    _require_one_row(frame)
    fixed = [column for column in frame.columns if column not in {place.column for place in found}]
    _require_free_names(found, fixed)
    occasions = sorted({(place.session, place.rater) for place in found}, key=_occasion_order)
    measures = list(dict.fromkeys(place.becomes for place in found))
    where = {(place.session, place.rater, place.becomes): place.column for place in found}
    parts = [_occasion(frame, fixed, measures, where, occasion) for occasion in occasions]
    long = pd.concat(parts, ignore_index=True)
    order = np.lexsort((np.repeat(np.arange(len(parts)), len(frame)), np.tile(np.arange(len(frame)), len(parts))))
    long = long.iloc[order]
    empty = long[measures].isna().all(axis=1).to_numpy()
    long = long[~empty] if drop_empty else long
    long = long.reset_index(drop=True)
    long.attrs = {"notes": (*frame.attrs.get("notes", ()), *_notes(found, fixed, long, int(empty.sum()), drop_empty))}
    return with_labels(long, _labels(frame, found, fixed))


def to_wide(frame: pd.DataFrame, columns: Sequence[str], *, pattern: str = "{column}_t{session}") -> pd.DataFrame:
    """Turn a session table into a wide one, one row per patient.

    Parameters
    ----------
    frame : DataFrame
        One row per patient and session (and rater, if the pattern has {rater}).
    columns : sequence of str
        Measures to spread over sessions. Other columns are kept if they are constant within every patient.
    pattern : str
        Name of a new column, with {column}, {session} and, for several raters, {rater}.

    Returns
    -------
    DataFrame
        One row per patient, in the order of first appearance. ``attrs["notes"]`` names the columns left out because they vary
        within patients.

    Raises
    ------
    ColumnError
        If a column is missing.
    DataError
        If the pattern lacks a part, or a patient has several rows for a session.

    Examples
    --------
    >>> import pandas as pd, alliance_stats as al
    >>> long = pd.DataFrame({"patient": [1, 1, 2], "session": [1, 2, 1], "ors": [20.0, 25.5, 18.0]})
    >>> al.to_wide(long, ["ors"]).to_dict("list")
    {'patient': [1, 2], 'ors_t1': [20.0, 18.0], 'ors_t2': [25.5, nan]}
    """
    columns = as_names(columns)
    keys = [name for name in ("session", "rater") if "{" + name + "}" in pattern]
    if "{column}" not in pattern or not keys:
        raise DataError.build(
            f"The pattern '{pattern}' needs {{column}} and {{session}} or {{rater}}.",
            hint='write it like "{column}_t{session}" or "{column}_{rater}_t{session}".',
        )
    require_columns(frame, ["patient", *keys, *columns])
    if bool(frame.duplicated(["patient", *keys]).any()):
        again = int(frame.duplicated(["patient", *keys]).sum())
        raise DataError.build(
            f"{again} rows repeat the {', '.join(['patient', *keys])} of an earlier row.",
            hint="add {rater} to the pattern, or choose one rater first.",
        )
    others = [name for name in frame.columns if name not in {"patient", "session", "rater", *columns}]
    steady = [name for name in others if bool((frame.groupby("patient")[name].nunique(dropna=False) <= 1).all())]
    wide = frame.drop_duplicates("patient")[["patient", *steady]].reset_index(drop=True)
    known, labels = labels_of(frame), {}
    new: dict[str, np.ndarray] = {}
    for occasion, rows in frame.groupby(keys, sort=True):
        parts = dict(zip(keys, occasion, strict=True))
        for column in columns:
            name = pattern.format(column=column, **parts)
            new[name] = wide["patient"].map(rows.set_index("patient")[column]).to_numpy()
            labels[name] = known.get(column, ColumnLabels())
    wide = pd.concat([wide, pd.DataFrame(new, index=wide.index)], axis=1)
    varying = [name for name in others if name not in steady]
    notes = [f"Columns left out because they vary within patients: {listing(varying, 12)}."] if varying else []
    wide.attrs = {"notes": (*frame.attrs.get("notes", ()), *notes)}
    return with_labels(wide, {**{name: known[name] for name in steady if name in known}, **labels})


def _places(
    frame: pd.DataFrame,
    patterns: str | Sequence[str],
    sessions: Mapping[str, int] | None,
    raters: Mapping[str, str] | None,
) -> list[Place]:
    """Return where each repeated column goes."""
    require_columns(
        frame, ["patient"], hint='rename the column with the id first: frame.rename(columns={"pid": "patient"}).'
    )
    texts = [patterns] if isinstance(patterns, str) else list(patterns)
    if not texts:
        raise DataError.build("No pattern was given.", hint='pass one such as "wai{item}_t{session}".')
    read = [read_pattern(text, sessions, raters) for text in texts]
    if len({"{session}" in text for text in texts}) > 1 or len({"{rater}" in text for text in texts}) > 1:
        raise DataError.build(
            "Some patterns have {session} or {rater}, others not, so their columns do not share rows.",
            hint="reshape them in two calls and merge the tables.",
        )
    return places([str(column) for column in frame.columns], read, sessions, raters)


def _require_one_row(frame: pd.DataFrame) -> None:
    """Raise a DataError unless each patient has one row."""
    n_again = int(frame["patient"].duplicated().sum())
    if n_again:
        raise DataError.build(
            f"{n_again} rows repeat the patient of an earlier row; a wide table has one row per patient.",
            hint="the table may be long already; or remove the copies.",
        )


def _require_free_names(found: Sequence[Place], fixed: Sequence[str]) -> None:
    """Raise a ColumnError if a measure's name is taken."""
    made = {place.becomes for place in found}
    made |= {"session"} if found[0].session is not None else set()
    made |= {"rater"} if found[0].rater is not None else set()
    taken = sorted(made & set(fixed))
    if taken:
        raise ColumnError.build(
            f"The long table would have two columns called {listing([f'{name!r}' for name in taken])}.",
            hint="rename the column that is there, or change the pattern.",
        )


def _occasion_order(occasion: tuple[int | None, str | None]) -> tuple[int, str]:
    """Return what occasions are sorted by."""
    return (0 if occasion[0] is None else occasion[0], occasion[1] or "")


def _occasion(
    frame: pd.DataFrame,
    fixed: Sequence[str],
    measures: Sequence[str],
    where: Mapping[tuple[int | None, str | None, str], str],
    occasion: tuple[int | None, str | None],
) -> pd.DataFrame:
    """Return the rows of one session and rater, one per patient."""
    session, rater = occasion
    columns: dict[str, object] = {"patient": frame["patient"].to_numpy()}
    if session is not None:
        columns["session"] = session
    if rater is not None:
        columns["rater"] = rater
    columns |= {name: frame[name].array for name in fixed if name != "patient"}
    for measure in measures:
        column = where.get((session, rater, measure))
        columns[measure] = np.full(len(frame), np.nan) if column is None else frame[column].array
    return pd.DataFrame(columns)


def _labels(frame: pd.DataFrame, found: Sequence[Place], fixed: Sequence[str]) -> dict[str, ColumnLabels]:
    """Return the labels of the long table; a measure gets those of its first column."""
    known = labels_of(frame)
    labels = {name: known[name] for name in fixed if name in known}
    for place in reversed(found):
        if place.column in known:
            labels[place.becomes] = known[place.column]
    return labels


def _notes(
    found: Sequence[Place], fixed: Sequence[str], long: pd.DataFrame, n_empty: int, drop_empty: bool
) -> list[str]:
    """Return what was done, in sentences."""
    others = [name for name in fixed if name != "patient"]
    notes = [f"{len(found)} columns became {len({place.becomes for place in found})} measures in {len(long)} rows."]
    if others:
        notes.append(
            f"Columns that match no pattern are repeated in every row of their patient: {listing(others, 12)}."
        )
    if n_empty:
        done = "were left out" if drop_empty else "were kept"
        notes.append(f"{n_empty} rows in which nothing was answered {done}.")
    return notes
