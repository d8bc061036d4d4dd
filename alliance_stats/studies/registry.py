"""Which studies there are: every bundled notebook whose metadata say that it is one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import pandas as pd

from alliance_stats.errors import StudyError, listing
from alliance_stats.loaders.samples import bundled_folder

_KEYS = ("title", "question", "sample", "column_map", "variant_of", "level")


@dataclass(frozen=True, kw_only=True)
class Study:
    """A bundled study.

    Parameters
    ----------
    name : str
        File name of the notebook without its ending.
    path : Path
        The notebook.
    title, question : str
        Shown in lists and on the report.
    sample : str
        Name of the bundled sample that it runs on, empty when it makes its own data.
    column_map : str
        Name of the column map of that sample among those of the library, used for data of the same layout too; may be
        empty.
    variant_of : str
        Name of the study that this one replaces for data of another level; empty for a study of its own.
    level : str
        Level of the data this variant is for, for example "conversation".
    """

    name: str
    path: Path
    title: str
    question: str
    sample: str = ""
    column_map: str = ""
    variant_of: str = ""
    level: str = ""


def list_studies() -> pd.DataFrame:
    """List the bundled studies.

    Returns
    -------
    DataFrame
        One row per study: name, title, question, and data, the bundled sample it runs on. Variants for data of another
        level are not listed; `run_study` chooses them from the column map.

    Raises
    ------
    StudyError
        If a bundled notebook cannot be read.

    See Also
    --------
    run_study : Run one of them.

    Examples
    --------
    >>> import alliance_stats as al
    >>> list(al.list_studies().columns)
    ['name', 'title', 'question', 'data']
    """
    rows = [(s.name, s.title, s.question, s.sample) for s in known_studies().values() if not s.variant_of]
    return pd.DataFrame(rows, columns=["name", "title", "question", "data"])


def known_studies() -> dict[str, Study]:
    """Return every study by name, variants included, in order of name."""
    paths = sorted(bundled_folder("notebooks").glob("*.ipynb"))
    studies = (_read_study(path) for path in paths)
    return {study.name: study for study in studies if study is not None}


def find_study(name: str) -> Study:
    """Return the study of that name.

    Raises
    ------
    StudyError
        If there is none; the message suggests the nearest name.
    """
    studies = known_studies()
    if name in studies:
        return studies[name]
    if not studies:
        raise StudyError.build(
            "No studies are installed.", hint="install the package again: its notebooks are missing."
        )
    own = [study.name for study in studies.values() if not study.variant_of]
    near = get_close_matches(name.lower(), own, n=1)
    hint = f"did you mean '{near[0]}'?" if near else "see what each is about with: alliance-stats list"
    raise StudyError.build(f"No study '{name}'. Known: {listing(own, 12)}.", hint=hint)


def study_for_level(study: Study, level: str) -> Study:
    """Return the study, or its variant for data of that level.

    Raises
    ------
    StudyError
        If the data are of one row per conversation and the study has no variant for them.
    """
    if level == study.level:
        return study
    variants = [other for other in known_studies().values() if other.variant_of == study.name and other.level == level]
    if variants:
        return variants[0]
    if level in {"", "session"} and not study.level:
        return study
    raise StudyError.build(
        f"Study '{study.name}' has no analysis for data of level '{level}'.",
        hint='set level = "session" in the column map if patients come with repeated sessions.',
    )


def _read_study(path: Path) -> Study | None:
    """Return the study a notebook describes, None for a notebook that is no study."""
    try:
        described = json.loads(path.read_text(encoding="utf-8"))["metadata"].get("alliance_stats")
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise StudyError.build(
            f"Notebook '{path.name}' cannot be read.", hint="restore it: it is no notebook in format 4."
        ) from error
    if described is None:
        return None
    return Study(name=path.stem, path=path, **_checked(path, described))


def _checked(path: Path, described: dict[str, Any]) -> dict[str, str]:
    """Return the texts of a study's metadata; raise a StudyError when title or question is missing."""
    missing = [key for key in ("title", "question") if not described.get(key)]
    if missing:
        raise StudyError.build(
            f"Notebook '{path.name}' lacks {' and '.join(missing)} in its metadata.",
            hint="add them under metadata.alliance_stats.",
        )
    return {key: str(described.get(key) or "") for key in _KEYS}
