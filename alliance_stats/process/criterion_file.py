"""Rows of published criteria, read from a bundled table with their sources."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class CriterionTable:
    """A parsed table of criteria.

    Parameters
    ----------
    rows : mapping of str to mapping
        Fields of each criterion by key, the sources replaced by their citations.
    left_out : mapping of str to mapping
        Title and reason of each criterion that is known and not offered.
    """

    rows: Mapping[str, Mapping[str, Any]]
    left_out: Mapping[str, Mapping[str, str]]


def read_criteria(name: str) -> CriterionTable:
    """Return the bundled table of criteria of that name."""
    path = Path(__file__).parent / "criteria" / f"{name}.toml"
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    citations = {key: _citation(entry) for key, entry in content["sources"].items()}
    rows = {
        key: {**fields, "source": "; ".join(citations[source] for source in fields.get("source", ()))}
        for key, fields in content["criteria"].items()
    }
    return CriterionTable(rows, content.get("left_out", {}))


def _citation(entry: Mapping[str, str]) -> str:
    """Return one source with its DOI."""
    return f"{entry['citation']}. doi:{entry['doi']}" if "doi" in entry else entry["citation"]
