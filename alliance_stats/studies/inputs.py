"""What a study runs on, checked before anything is started or written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from alliance_stats.errors import FileError, StudyError
from alliance_stats.loaders.column_map import ColumnMap, read_column_map, read_study_data
from alliance_stats.loaders.samples import bundled_folder, sample_card
from alliance_stats.loaders.session_check import check_sessions
from alliance_stats.studies.registry import Study, find_study, study_for_level

NO_STUDY = "none"
"""What a column map says under ``study`` when it describes data for which there is no bundled study."""


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """A study with its data.

    Parameters
    ----------
    study : Study
        The notebook to run; a variant when the data need one.
    data : Path or None
        Absolute path of the user's file or folder; None for the bundled sample.
    columns : Path, str or None
        Absolute path of the column map, or the name of one of the library; None for the study's own.
    files : tuple of Path
        The data files that are read, for names and checksums.
    simulated : bool
        Whether the data are simulated.
    notes : tuple of str
        Which data these are, what they cannot show, and whether a variant was chosen.
    checks : mapping or None
        What `check_sessions` found, as plain values; None for data without sessions.
    """

    study: Study
    data: Path | None = None
    columns: Path | str | None = None
    files: tuple[Path, ...] = ()
    simulated: bool = False
    notes: tuple[str, ...] = ()
    checks: Mapping[str, Any] | None = None


def check_inputs(name: str, *, data: str | Path | None, columns: str | Path | None) -> Inputs:
    """Find the study and read the data once, so that a mistake shows at once.

    Raises
    ------
    StudyError
        If the study is unknown, the map is for another study, or data come without a map.
    FileError
        If a file is missing or cannot be read.
    ColumnError
        If the data lack a column that the map names.
    """
    study = find_study(name)
    if data is None and columns is None:
        return _sample_inputs(study)
    data_path = None if data is None else _existing_data(data)
    map_source = _own_map(study) if columns is None else _map_source(columns)
    column_map = read_column_map(map_source)
    root = find_study(study.variant_of) if study.variant_of else study
    if column_map.study == NO_STUDY:
        raise StudyError.build(
            f"The data of the column map '{Path(map_source).name}' do not fit any bundled study.",
            hint="read them with read_study_data() or fetch_dataset(), and model them with lmm().",
        )
    if column_map.study not in {root.name, study.name}:
        raise StudyError.build(
            f"The column map '{Path(map_source).name}' is for study '{column_map.study}', not for '{root.name}'.",
            hint=f"run '{column_map.study}', or correct the line study = ... in the map.",
        )
    chosen = study_for_level(root, column_map.level)
    frame = read_study_data(column_map, data_path)
    return Inputs(
        study=chosen,
        data=data_path,
        columns=map_source,
        files=_data_files(column_map, data_path),
        simulated=column_map.simulated,
        notes=(*_chosen_note(root, chosen, column_map.level), *_map_notes(column_map)),
        checks=_checks(frame, column_map.level),
    )


def _sample_inputs(study: Study) -> Inputs:
    """Return the inputs of a study on its bundled sample."""
    if study.column_map:
        column_map = read_column_map(study.column_map)
        return Inputs(
            study=study,
            files=_data_files(column_map, None),
            simulated=column_map.simulated,
            notes=_map_notes(column_map),
            checks=_checks(read_study_data(column_map), column_map.level),
        )
    if not study.sample:
        return Inputs(study=study)
    card = sample_card(study.sample)
    notes = (f"Data: {card['title']} (bundled sample).", f"Source: {card['source']}")
    path = bundled_folder("sample") / f"{study.sample}.csv"
    return Inputs(study=study, files=(path,), simulated=bool(card["simulated"]), notes=notes)


def _checks(frame: pd.DataFrame, level: str) -> Mapping[str, Any] | None:
    """Return what is to be known of the table before it is analysed."""
    return check_sessions(frame).to_dict() if level == "session" and "session" in frame.columns else None


def _existing_data(data: str | Path) -> Path:
    """Return the absolute path of a file or folder that exists."""
    found = Path(data).expanduser().absolute()
    if not found.exists():
        raise FileError.build(f"There is no file or folder '{found.name}'.", hint="check the spelling and the folder.")
    return found


def _map_source(columns: str | Path) -> Path | str:
    """Return the absolute path of a map, or the name of one of the library as it is."""
    path = Path(columns).expanduser()
    named = isinstance(columns, str) and not path.suffix and len(path.parts) == 1
    return str(columns) if named else path.absolute()


def _own_map(study: Study) -> str:
    """Return the name of the study's own map, for data of the layout of its sample."""
    if study.column_map:
        return study.column_map
    raise StudyError.build(
        f"Study '{study.name}' needs a column map to read your data.",
        hint="say which column is which in a TOML file and pass it with --columns MAP.toml (columns= in Python).",
    )


def _chosen_note(root: Study, chosen: Study, level: str) -> tuple[str, ...]:
    """Return the sentence that says a variant is run, if one is."""
    if chosen.name == root.name:
        return ()
    return (f"The data have the level '{level}', so the variant '{chosen.name}' is run instead of '{root.name}'.",)


def _map_notes(column_map: ColumnMap) -> tuple[str, ...]:
    """Return title, source and cautions of a column map as sentences."""
    kind = " (simulated)" if column_map.simulated else ""
    return (f"Data: {column_map.title.rstrip('.')}{kind}.", f"Source: {column_map.source}", *column_map.notes)


def _data_files(column_map: ColumnMap, data: Path | None) -> tuple[Path, ...]:
    """Return the data files that exist, in the map's order."""
    compared = column_map.comparison.path if column_map.comparison is not None else None
    if data is not None and data.is_file():
        beside = (data.parent / compared,) if compared is not None else ()
        return (data, *(path for path in beside if path.is_file()))
    folder = bundled_folder("sample") if data is None else data
    paths = [folder / file.path for file in column_map.files if file.path is not None]
    paths += [folder / compared] if compared is not None else []
    return tuple(path for path in paths if path.is_file())
