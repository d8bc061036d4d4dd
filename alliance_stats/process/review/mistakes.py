"""The common mistakes, read from their table."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from alliance_stats.loaders.toml_table import TomlTable


@dataclass(frozen=True)
class Mistake:
    """One common mistake: what it is, why it is one, the calls that mend it, and who says so."""

    key: str
    title: str
    why: str
    call: str
    source: str
    calls: Mapping[str, str] = field(default_factory=dict)

    def mend(self, made_by: str, words: Mapping[str, str]) -> str:
        """Return the call that mends it for a result of a function, its words filled in."""
        return self.calls.get(made_by, self.call).format(**words)


@cache
def known_mistakes() -> Mapping[str, Mistake]:
    """Return all mistakes by key, in the order of the file.

    Raises
    ------
    StudyError
        If the file lacks something, or a source is not described.
    """
    path = Path(__file__).parent / "mistakes.toml"
    top = TomlTable(tomllib.loads(path.read_text(encoding="utf-8")), path.name)
    top.allow(("sources", "mistakes"))
    sources, rows = top.table("sources"), top.table("mistakes")
    citations = {key: _citation(sources.table(key)) for key in sources.all_keys()}
    return {key: _mistake(key, rows.table(key), citations) for key in rows.all_keys()}


def _mistake(key: str, row: TomlTable, citations: Mapping[str, str]) -> Mistake:
    """Return one row of the file."""
    row.allow(("title", "why", "call", "calls", "source"))
    unknown = [name for name in row.texts("source") if name not in citations]
    if unknown:
        raise row.error(f"the source '{unknown[0]}' is not described.", f"add a table [sources.{unknown[0]}].")
    cited = "; ".join(citations[name] for name in row.texts("source"))
    others = row.optional_table("calls")
    calls = {name: others.text(name) for name in others.all_keys()} if others else {}
    return Mistake(key, row.text("title"), row.text("why"), row.text("call"), cited, calls)


def _citation(entry: TomlTable) -> str:
    """Return one source with its DOI."""
    entry.allow(("citation", "doi"))
    doi = entry.optional_text("doi")
    return f"{entry.text('citation')}. doi:{doi}" if doi else f"{entry.text('citation')}."
