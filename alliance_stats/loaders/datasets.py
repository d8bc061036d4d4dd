"""Public data sets: which there are, and how each is fetched and turned into a session table."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from alliance_stats.errors import DataError, FileError, StudyError, unknown_name
from alliance_stats.loaders.column_map import ColumnMap, read_column_map, read_study_data
from alliance_stats.loaders.dataset_tables import TABLES_OF, Tables
from alliance_stats.loaders.remote import RemoteFile, cache_folder, cached_file, file_by_hand
from alliance_stats.loaders.toml_table import TomlTable

BASE_ADDRESS = "https://raw.githubusercontent.com"
"""Where files of GitHub repositories are, by repository, commit and path."""

_CARDS = Path(__file__).resolve().parent / "datasets"
_TOP_KEYS = ("title", "level", "rows", "licence", "citation", "column_map", "files")
_FILE_KEYS = ("path", "repository", "commit", "sha256")
_LEVELS = ("session", "conversation", "person")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_REPOSITORY = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")
_PATH = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*")


@dataclass(frozen=True, kw_only=True)
class DatasetFile:
    """One file of a public data set, at one commit of its repository.

    Parameters
    ----------
    path : str
        In the repository.
    repository : str
        Owner and name.
    commit : str
        40 hexadecimal digits: what is at this address never changes.
    sha256 : str
        Checksum in hexadecimal digits; empty if it is not known before the first download.
    """

    path: str
    repository: str
    commit: str
    sha256: str = ""

    def remote(self, base: str) -> RemoteFile:
        """Return name and address of the file."""
        address = f"{base}/{self.repository}/{self.commit}/{self.path}"
        return RemoteFile(Path(self.path).name, address, self.sha256)


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A public data set.

    Parameters
    ----------
    name : str
        As passed to `fetch_dataset`.
    title : str
    level : {"session", "conversation", "person"}
        What one row of the table is.
    rows : int or None
        Of the table; None if not known.
    licence : str
        And where it stands.
    citation : str
    column_map : str
        Name of the column map for its tables.
    files : tuple of DatasetFile
    """

    name: str
    title: str
    level: str
    rows: int | None
    licence: str
    citation: str
    column_map: str
    files: tuple[DatasetFile, ...]


def list_datasets() -> pd.DataFrame:
    """List the public data sets that can be fetched.

    Use it to see what each one is, under which licence, and where its tables lie once it was fetched. Nothing is downloaded.

    Returns
    -------
    DataFrame
        One row per data set: name, title, level (what a row is: session, conversation or person), rows (missing if not known
        before), simulated, licence, citation, where (the folder of its tables; pass it to `run_study` as data).

    See Also
    --------
    fetch_dataset : Get one of them.
    list_samples : Data that come with the library.

    Examples
    --------
    >>> import alliance_stats as al
    >>> list(al.list_datasets()["name"])
    ['acitelli', 'aipsych_eval', 'annomi', 'esconv', 'reframed']
    """
    columns = ["name", "title", "level", "rows", "simulated", "licence", "citation", "where"]
    rows = [
        [
            one.name,
            one.title,
            one.level,
            one.rows,
            _map(one).simulated,
            one.licence,
            one.citation,
            str(_tables_folder(one)),
        ]
        for one in (find_dataset(name) for name in _names())
    ]
    return pd.DataFrame(rows, columns=columns).astype({"rows": "Int64"})


def fetch_dataset(name: str, *, folder: str | Path | None = None, progress: bool = True) -> pd.DataFrame:
    """Fetch a public data set and return it as a session table.

    The files are downloaded once into a cache and compared with their checksums. Read the licence before you use the data: it
    is the first of the notes. The text of conversations is not kept, only counts of what was said.

    Parameters
    ----------
    name : str
        As listed by `list_datasets`.
    folder : str or Path, optional
        Folder with files that you saved by hand, for work without a network. Left out: the cache.
    progress : bool
        Show a progress bar on stderr while files are downloaded.

    Returns
    -------
    DataFrame
        One row per session, conversation or person, with canonical column names. ``attrs["notes"]`` is a tuple of sentences:
        title and licence, citation, what the data cannot show, what was changed, and how the table was read.

    Raises
    ------
    FileError
        If the name is unknown, or a file cannot be downloaded, found or read; the message names address and folder.
    DataError
        If a file is not the one that was expected.
    ColumnError
        If a file lacks a column.

    See Also
    --------
    read_comparison : The failed conversations of ESConv, from the folder that `list_datasets` names under "where".

    Notes
    -----
    The cache is the user's cache folder of the operating system, or the folder named by the environment variable
    ALLIANCE_STATS_CACHE. Addresses hold a commit, so what is downloaded is the same every time. A file whose checksum is not
    known beforehand is recorded at its first use and compared ever after. Tables in the layout of the column map of the same
    name are written beside the files, without text of conversations.

    Examples
    --------
    >>> import alliance_stats as al
    >>> sorted(al.list_datasets().query("simulated")["name"])
    ['aipsych_eval']
    """
    return fetched_table(find_dataset(name), folder=folder, progress=progress)


def fetched_table(
    dataset: Dataset, *, folder: str | Path | None = None, progress: bool = True, base: str = BASE_ADDRESS
) -> pd.DataFrame:
    """Return a data set as a session table; ``base`` is where the repositories are."""
    files = _files(dataset, folder, progress=progress, base=base)
    tables = TABLES_OF[dataset.column_map](files)
    column_map = _map(dataset)
    where = _tables_folder(dataset)
    _write(tables, where)
    frame = read_study_data(column_map, where)
    if dataset.rows is not None and len(frame) != dataset.rows:
        raise DataError.build(
            f"The files of '{dataset.name}' make {len(frame)} rows instead of {dataset.rows}.",
            hint="save the files again from their addresses; see the hint of fetch_dataset() without folder=.",
        )
    changed = (*column_map.notes, *tables.notes)
    about = (f"{dataset.title}. Licence: {dataset.licence}.", f"Please cite: {dataset.citation}")
    frame.attrs = {**frame.attrs, "notes": (*about, *changed, *frame.attrs["notes"])}
    return frame


def find_dataset(name: str) -> Dataset:
    """Return a data set by its name.

    Raises
    ------
    FileError
        If there is none of this name.
    StudyError
        If its file does not follow the schema.
    """
    if name not in _names():
        raise unknown_name(FileError, "data set", name, _names())
    return read_dataset(_CARDS / f"{name}.toml")


def read_dataset(path: Path) -> Dataset:
    """Read the file that describes a data set.

    Raises
    ------
    StudyError
        If it is no valid TOML, or a key is unknown, missing or wrong.
    """
    try:
        content: Mapping[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise StudyError.build(f"{path.name} is no valid TOML.", hint='texts need quotes: key = "text".') from None
    top = TomlTable(content, path.name)
    top.allow(_TOP_KEYS)
    dataset = Dataset(
        name=path.stem,
        title=top.text("title"),
        level=top.choice("level", _LEVELS),
        rows=top.optional_whole_number("rows"),
        licence=top.text("licence"),
        citation=top.text("citation"),
        column_map=top.choice("column_map", tuple(TABLES_OF)),
        files=tuple(_file(table) for table in top.tables("files")),
    )
    names = [Path(file.path).name for file in dataset.files]
    again = sorted({name for name in names if names.count(name) > 1})
    if again:
        raise top.error(f"two files are called '{again[0]}'.", "files of one data set need names of their own.")
    return dataset


def _file(table: TomlTable) -> DatasetFile:
    """Return one file of a data set."""
    table.allow(_FILE_KEYS)
    return DatasetFile(
        path=_matching(table, "path", _PATH, "give the path in the repository, such as data/ratings.csv."),
        repository=_matching(table, "repository", _REPOSITORY, "give owner and name, such as owner/data."),
        commit=_matching(table, "commit", _COMMIT, "give all 40 digits; names of branches change what they mean."),
        sha256=_checksum(table),
    )


def _matching(table: TomlTable, key: str, pattern: re.Pattern[str], hint: str) -> str:
    """Return a text that has a given form."""
    value = table.text(key)
    if pattern.fullmatch(value) is None:
        raise table.error(f"'{key}' is \"{value}\".", hint)
    return value


def _checksum(table: TomlTable) -> str:
    """Return the checksum, empty if it is not known."""
    value = table.blank_or_text("sha256")
    if value and _SHA256.fullmatch(value) is None:
        raise table.error("'sha256' has not 64 hexadecimal digits.", 'write sha256 = "" if it is not known.')
    return value


def _names() -> list[str]:
    """Return the names of all data sets in order."""
    return sorted(card.stem for card in _CARDS.glob("*.toml"))


def _map(dataset: Dataset) -> ColumnMap:
    """Return the column map of a data set."""
    return read_column_map(dataset.column_map)


def _tables_folder(dataset: Dataset) -> Path:
    """Return the folder in which the tables of a data set are written."""
    return cache_folder() / dataset.name / "tables"


def _files(dataset: Dataset, folder: str | Path | None, *, progress: bool, base: str) -> dict[str, Path]:
    """Return name and path of the files of a data set, downloaded where needed."""
    remotes = [file.remote(base) for file in dataset.files]
    if folder is not None:
        given = Path(folder).expanduser()
        if not given.is_dir():
            raise FileError.build(f"There is no folder '{given.name}'.", hint="check the spelling of folder=.")
        return {remote.name: file_by_hand(remote, given) for remote in remotes}
    kept = cache_folder() / dataset.name
    again = f'fetch_dataset("{dataset.name}")'
    return {remote.name: cached_file(remote, kept, again=again, progress=progress) for remote in remotes}


def _write(tables: Tables, folder: Path) -> None:
    """Write tables as csv files, each entirely or not at all."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, frame in tables.frames.items():
            draft = folder / f".{name}.{os.getpid()}.part"
            try:
                frame.to_csv(draft, index=False, lineterminator="\n", encoding="utf-8")
                draft.replace(folder / name)
            finally:
                draft.unlink(missing_ok=True)
    except OSError as problem:
        raise FileError.build(
            f"The tables cannot be written into {folder} ({type(problem).__name__}).",
            hint="make the folder writable, or name another one in the environment variable ALLIANCE_STATS_CACHE.",
        ) from None
