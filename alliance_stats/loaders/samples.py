"""Bundled samples: data with a card that tells what they are, checked against the card when loaded."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import pandas as pd

from alliance_stats.columns import CANONICAL
from alliance_stats.errors import ColumnError, DataError, FileError, unknown_name
from alliance_stats.loaders.readers import read_table

Kind = Literal["sample", "notebooks"]

_REQUIRED: Mapping[str, type] = {
    "name": str,
    "title": str,
    "description": str,
    "simulated": bool,
    "source": str,
    "licence": str,
    "sha256": str,
    "rows": int,
    "columns": dict,
}
_PACKAGE = Path(__file__).resolve().parents[1]


def bundled_folder(kind: Kind) -> Path:
    """Return the folder of the bundled samples or notebooks.

    Parameters
    ----------
    kind : {"sample", "notebooks"}

    Returns
    -------
    Path
        Inside the package when it is installed, else in the source tree.

    Raises
    ------
    FileError
        If the installation lacks the folder.
    """
    source_tree = {"sample": _PACKAGE.parent / "data" / "sample", "notebooks": _PACKAGE.parent / "notebooks"}
    for folder in (_PACKAGE / "bundled" / kind, source_tree[kind]):
        if folder.is_dir():
            return folder
    raise FileError.build(
        f"This installation lacks the folder of bundled {kind}.", hint="install alliance-stats again."
    )


def list_samples() -> pd.DataFrame:
    """List the bundled samples.

    Returns
    -------
    DataFrame
        One row per sample: name, title, rows, simulated (True or False), licence.

    Examples
    --------
    >>> import alliance_stats as al
    >>> list(al.list_samples().columns)
    ['name', 'title', 'rows', 'simulated', 'licence']
    """
    fields = ["name", "title", "rows", "simulated", "licence"]
    cards = [sample_card(name) for name in _sample_names()]
    return pd.DataFrame([[card[field] for field in fields] for card in cards], columns=fields)


def sample_card(name: str) -> Mapping[str, Any]:
    """Return the card of a bundled sample.

    Parameters
    ----------
    name : str
        As listed by `list_samples`.

    Returns
    -------
    mapping
        name, title, description, simulated, source, licence, sha256, rows, columns (name to description with unit or
        range) and, for simulated data, truth (the parameters they were drawn with).

    Raises
    ------
    FileError
        If there is no such sample, or its card lacks an entry.
    """
    known = _sample_names()
    if name not in known:
        raise unknown_name(FileError, "sample", name, known)
    try:
        card = tomllib.loads((bundled_folder("sample") / f"{name}.toml").read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise FileError.build(f"{name}.toml is not valid TOML.", hint="install alliance-stats again.") from None
    wrong = [key for key, kind in _REQUIRED.items() if not isinstance(card.get(key), kind)]
    if wrong or card["name"] != name:
        entry = wrong[0] if wrong else "name"
        raise FileError.build(f"{name}.toml: entry '{entry}' is missing or wrong.", hint="copy a neighbouring card.")
    return MappingProxyType(card)


def load_sample(name: str) -> pd.DataFrame:
    """Load a bundled sample.

    Parameters
    ----------
    name : str
        As listed by `list_samples`.

    Returns
    -------
    DataFrame
        One row per row of the file, as its card describes. ``attrs["notes"]`` says what the data are.

    Raises
    ------
    FileError
        If there is no such sample or its file is missing.
    DataError
        If the file is not the one its card describes.

    See Also
    --------
    sample_card : Description, licence, and the true parameters of simulated data.

    Examples
    --------
    >>> import alliance_stats as al
    >>> frame = al.load_sample("therapist_statements")
    >>> frame.attrs["notes"][0].startswith("Simulated data")
    True
    """
    card = sample_card(name)
    frame = read_table(checked_sample_file(name), ids=tuple(CANONICAL))
    described = list(card["columns"])
    if set(described) != set(frame.columns):
        odd = sorted(set(described) ^ set(frame.columns))
        raise ColumnError.build(
            f"{name}: column '{odd[0]}' is not in both card and file.", hint="bring them into line."
        )
    if len(frame) != card["rows"]:
        raise DataError.build(f"{name} has {len(frame)} rows, its card says {card['rows']}.", hint="correct the card.")
    kind = "Simulated data, not from patients" if card["simulated"] else "Published data"
    frame.attrs = {"notes": (f"{kind}: {card['title']} ({card['licence']}).", *frame.attrs["notes"])}
    return frame


def checked_sample_file(name: str) -> Path:
    """Return the path of a sample's data after comparing them with the checksum of the card.

    Raises
    ------
    FileError
        If there is no such sample or its file is missing.
    DataError
        If the data were altered.
    """
    card = sample_card(name)
    path = bundled_folder("sample") / f"{name}.csv"
    if not path.is_file():
        raise FileError.build(f"{name}.csv is missing beside its card.", hint="install alliance-stats again.")
    if checksum(path) != card["sha256"]:
        raise DataError.build(
            f"The data of sample '{name}' are not those its card describes (checksum differs).",
            hint="install alliance-stats again; read your own data with read_sessions() from another folder.",
        )
    return path


def checksum(path: Path) -> str:
    """Return the SHA-256 of a text file in hexadecimal digits, with line ends counted as a single line feed."""
    return hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()


def _sample_names() -> list[str]:
    """Return the names of all samples in order."""
    return sorted(card.stem for card in bundled_folder("sample").glob("*.toml"))
