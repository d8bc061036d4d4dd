"""Column maps: a TOML file that tells a study which columns of a data set it needs."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pandas as pd

from alliance_stats.columns import numeric_values
from alliance_stats.errors import FileError, StudyError, listing, unknown_name
from alliance_stats.loaders.joins import join_one_to_one
from alliance_stats.loaders.map_schema import parse_column_map
from alliance_stats.loaders.map_values import ColumnMap, Comparison, DataFile, Measure, StatementColumns
from alliance_stats.loaders.readers import read_table
from alliance_stats.loaders.samples import checked_sample_file
from alliance_stats.loaders.sessions import canonical_sessions, id_columns, require_named_columns

__all__ = [
    "ColumnMap",
    "Comparison",
    "DataFile",
    "Measure",
    "StatementColumns",
    "list_column_maps",
    "read_column_map",
    "read_comparison",
    "read_study_data",
]

_SHIPPED = Path(__file__).resolve().parents[1] / "column_maps"


def list_column_maps() -> pd.DataFrame:
    """List the column maps that come with the library.

    Returns
    -------
    DataFrame
        One row per column map: name, study, title, level, simulated.

    Examples
    --------
    >>> from alliance_stats.loaders.column_map import list_column_maps
    >>> list(list_column_maps()["name"])
    ['acitelli', 'aipsych_eval', 'annomi', 'esconv', 'reframed', 'therapist_statements']
    """
    fields = ["study", "title", "level", "simulated"]
    names = _shipped_names()
    maps = [read_column_map(name) for name in names]
    rows = [
        [name, *(getattr(column_map, field) for field in fields)] for name, column_map in zip(names, maps, strict=True)
    ]
    return pd.DataFrame(rows, columns=["name", *fields])


def read_column_map(path: str | Path) -> ColumnMap:
    """Read a column map.

    Parameters
    ----------
    path : str or Path
        A TOML file, or the name of a map that comes with the library (see `list_column_maps`).

    Returns
    -------
    ColumnMap

    Raises
    ------
    FileError
        If there is no such file, or it is not valid TOML.
    StudyError
        If the name is unknown, or the file does not follow the schema; the message names table and key.

    Examples
    --------
    >>> import alliance_stats as al
    >>> column_map = al.read_column_map("esconv")
    >>> column_map.level, column_map.outcome.better
    ('conversation', 'lower')
    """
    file = Path(path)
    if isinstance(path, str) and not file.suffix and len(file.parts) == 1:
        if path not in _shipped_names():
            raise unknown_name(StudyError, "column map", path, _shipped_names())
        file = _SHIPPED / f"{path}.toml"
    if not file.is_file():
        raise FileError.build(f"There is no column map '{file.name}'.", hint="check the spelling and the folder.")
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise FileError.build(f"{file.name} is not UTF-8.", hint="save it as UTF-8 text.") from None
    except tomllib.TOMLDecodeError as problem:
        place = str(problem).rpartition("(at ")[2].rstrip(")")
        raise FileError.build(
            f"{file.name} is not valid TOML (at {place}).", hint='texts need quotes: key = "text".'
        ) from None
    return parse_column_map(content, file.name)


def read_study_data(column_map: ColumnMap | str | Path, data: str | Path | None = None) -> pd.DataFrame:
    """Read the data of a study as a session table.

    The files of the map are joined row by row, the columns get their canonical names, and the table is checked. Scores
    and shares are not computed here.

    Parameters
    ----------
    column_map : ColumnMap, str or Path
        The map, its file, or the name of one that comes with the library.
    data : str or Path, optional
        The folder of the data or, when the map has a single file, that file. Left out: the bundled samples.

    Returns
    -------
    DataFrame
        One row per patient and session, or per conversation. ``attrs["notes"]`` tells how files were read and joined.

    Raises
    ------
    FileError
        If a file cannot be read.
    ColumnError
        If a column that the map names is missing.
    DataError
        If the rows do not join one to one, or are no session table.

    See Also
    --------
    read_sessions : The same without a column map.

    Examples
    --------
    >>> import alliance_stats as al
    >>> frame = al.read_study_data("therapist_statements")
    >>> {"patient", "session", "therapist"} <= set(frame.columns)
    True
    """
    if not isinstance(column_map, ColumnMap):
        column_map = read_column_map(column_map)
    paths = _paths(column_map, data)
    tables = [_read(column_map, file, path) for file, path in zip(column_map.files, paths, strict=True)]
    frame = tables[0]
    notes = ["These data are simulated: no patient took part."] if column_map.simulated else []
    notes += frame.attrs["notes"]
    for file, path, table in zip(column_map.files[1:], paths[1:], tables[1:], strict=True):
        frame, said = join_one_to_one(frame, table, join_on=file.join_on, how=file.how, name=path.name)
        notes += [*table.attrs["notes"], *said]
    require_named_columns(frame, _named_columns(column_map), hint="correct the name in the column map.")
    frame, renamed = _reserved_aside(frame, column_map)
    frame.attrs = {"notes": (*notes, *renamed)}
    row_key = [_canonical(name, column_map) for name in column_map.row_key]
    return canonical_sessions(
        frame, column_map.columns, row_key=row_key, per_patient=column_map.level == "conversation"
    )


def read_comparison(column_map: ColumnMap | str | Path, data: str | Path | None = None) -> pd.DataFrame:
    """Read the conversations that those of a study are compared with.

    Use it for a column map with a table ``[comparison]``, such as conversations that were left out of a data set
    because they failed. Shares are not computed here: pass ``column_map.comparison.counts`` and ``.total`` to
    `statement_shares`.

    Parameters
    ----------
    column_map : ColumnMap, str or Path
        The map, its file, or the name of one that comes with the library.
    data : str or Path, optional
        The folder of the data, or one of the files in it. Left out: the bundled samples.

    Returns
    -------
    DataFrame
        One row per conversation, columns as in the file. ``attrs["notes"]`` tells how the file was read, and the number
        of conversations.

    Raises
    ------
    StudyError
        If the map has no table ``[comparison]``.
    FileError
        If the file is not there or cannot be read.
    ColumnError
        If a column that the map names is missing or not numeric.

    See Also
    --------
    read_study_data : The study's own conversations.
    share_contrasts : How far the shares of the two differ.

    Examples
    --------
    >>> import alliance_stats as al
    >>> comparison = al.read_column_map("esconv").comparison
    >>> comparison.label, comparison.counts["exploratory"]
    ('failed conversations', ('Questions', 'Question'))
    """
    if not isinstance(column_map, ColumnMap):
        column_map = read_column_map(column_map)
    comparison = column_map.comparison
    if comparison is None:
        raise StudyError.build(
            "The column map names no conversations to compare with.", hint="add a table [comparison] to it."
        )
    path = _comparison_path(comparison, data)
    frame = read_table(path, missing=column_map.missing, sheet=comparison.sheet)
    require_named_columns(frame, comparison.named_columns, hint="correct [comparison] in the column map.")
    for name in comparison.named_columns:
        numeric_values(frame, name)
    simulated = ["These data are simulated: no patient took part."] if column_map.simulated else []
    said = f"{comparison.label} ({path.name}): {len(frame)} rows."
    frame.attrs = {"notes": (*simulated, *frame.attrs["notes"], said)}
    return frame


def _comparison_path(comparison: Comparison, data: str | Path | None) -> Path:
    """Return the path of the conversations to compare with: in the folder of the data, or beside the data file."""
    if data is None:
        return _bundled(DataFile(path=comparison.path, sheet=comparison.sheet))
    given = Path(data)
    folder = given if given.is_dir() else given.parent
    if not (folder / comparison.path).is_file():
        raise FileError.build(
            f"There is no file '{comparison.path}' with the {comparison.label}.",
            hint="put it into the folder of the data, or remove [comparison] from the column map.",
        )
    return folder / comparison.path


def _shipped_names() -> list[str]:
    """Return the names of the maps that come with the library."""
    return sorted(file.stem for file in _SHIPPED.glob("*.toml"))


def _paths(column_map: ColumnMap, data: str | Path | None) -> list[Path]:
    """Return the paths of the data files."""
    if data is None:
        return [_bundled(file) for file in column_map.files]
    given = Path(data)
    if not given.is_dir():
        if len(column_map.files) > 1:
            names = [str(file.path) for file in column_map.files]
            raise FileError.build(
                f"The column map joins {len(names)} files, and '{given.name}' is no folder.",
                hint=f"pass the folder that holds {listing(names)}.",
            )
        return [given]
    if column_map.files[0].path is None:
        raise FileError.build(
            f"The column map names no file, and '{given.name}' is a folder.",
            hint="pass the data file itself, or add path = ... under [[files]].",
        )
    return [given / str(file.path) for file in column_map.files]


def _bundled(file: DataFile) -> Path:
    """Return the path of a bundled sample."""
    if file.path is None or Path(file.path).suffix != ".csv" or len(Path(file.path).parts) != 1:
        raise FileError.build(
            "The column map is for data that do not come with the library.",
            hint="pass data= with their file or folder.",
        )
    try:
        return checked_sample_file(Path(file.path).stem)
    except FileError:
        raise FileError.build(
            f"{file.path} does not come with the library.", hint="pass data= with the folder that holds it."
        ) from None


def _read(column_map: ColumnMap, file: DataFile, path: Path) -> pd.DataFrame:
    """Return one data file, its ids kept as they are written."""
    joins = {name for entry in column_map.files for name in entry.join_on}
    course = {column_map.course} if column_map.course else set()
    ids = {*id_columns(column_map.columns), *joins, *column_map.row_key, *course} - {
        column_map.columns.get("session", "")
    }
    exempt = {column_map.columns["patient"], column_map.columns.get("session", ""), *joins, *course}
    return read_table(path, ids=ids, missing=column_map.missing, exempt=exempt, sheet=file.sheet)


def _named_columns(column_map: ColumnMap) -> list[str]:
    """Return all columns of the files that the map names."""
    parts = (column_map.alliance, column_map.outcome, column_map.statements)
    named = [name for part in parts if part is not None for name in part.named_columns]
    own = set(column_map.columns)
    course = () if column_map.course is None else (column_map.course,)
    keys = [name for name in (*column_map.row_key, *column_map.random, *course) if name not in own]
    return list(dict.fromkeys([*column_map.columns.values(), *named, *keys]))


def _reserved_aside(frame: pd.DataFrame, column_map: ColumnMap) -> tuple[pd.DataFrame, list[str]]:
    """Return the frame with unrelated columns that bear a name the study needs renamed, and a note on them."""
    course = [column_map.course] if column_map.course is not None else []
    named = {*_named_columns(column_map), *course}
    needed = {*column_map.columns, "alliance", "outcome"}
    clashes = [name for name in frame.columns if name in needed and name not in named]
    if not clashes:
        return frame, []
    note = f"Renamed, because the study needs the name for another column: {', '.join(clashes)} (now *_in_file)."
    return frame.rename(columns={name: f"{name}_in_file" for name in clashes}), [note]


def _canonical(name: str, column_map: ColumnMap) -> str:
    """Return the canonical name of a column, or its own."""
    return {column: canonical for canonical, column in column_map.columns.items()}.get(name, name)
