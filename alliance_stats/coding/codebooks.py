"""Codebooks: which kind of statement each code is, and on whose evidence."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

import pandas as pd

from alliance_stats.errors import FileError, StudyError, unknown_name
from alliance_stats.loaders.toml_table import TomlTable

Confidence = Literal["finding", "convention", "disputed"]

_TOP_KEYS = ("key", "title", "description", "categories", "notes", "sources", "codes")
_CODE_KEYS = ("label", "category", "source", "evidence", "confidence", "note")
_CATEGORY = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, kw_only=True)
class Source:
    """A study that a mapping rests on.

    Parameters
    ----------
    key : str
        Short name used by the codes.
    citation : str
        Authors, year, and what was read.
    doi : str
        Empty when the source has none.
    """

    key: str
    citation: str
    doi: str = ""


@dataclass(frozen=True, kw_only=True)
class Code:
    """One code and the category it counts towards.

    Parameters
    ----------
    name : str
        As written in the data.
    label : str
        For tables and pictures.
    category : str
        One of the codebook's categories.
    sources : tuple of str
        Keys of the sources the mapping rests on.
    evidence : str
        What the sources print.
    confidence : {"finding", "convention", "disputed"}
        Whether the mapping is a finding, a choice of the codebook's author, or one over which the sources disagree.
    note : str
        What a reader must know before relying on it.
    """

    name: str
    label: str
    category: str
    sources: tuple[str, ...]
    evidence: str
    confidence: Confidence
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Codebook:
    """A set of codes, each mapped to a category of statements.

    Parameters
    ----------
    key : str
        Short name.
    title, description : str
        For people.
    categories : tuple of str
        In the order of tables; each becomes columns ``n_<category>`` and ``share_<category>``.
    codes : tuple of Code
    sources : tuple of Source
    notes : tuple of str
        What the codebook cannot promise.
    """

    key: str
    title: str
    description: str
    categories: tuple[str, ...]
    codes: tuple[Code, ...]
    sources: tuple[Source, ...]
    notes: tuple[str, ...] = ()

    @property
    def code_names(self) -> tuple[str, ...]:
        """The codes as written in the data."""
        return tuple(code.name for code in self.codes)

    @property
    def category_of(self) -> dict[str, str]:
        """The category of each code."""
        return {code.name: code.category for code in self.codes}

    def to_frame(self) -> pd.DataFrame:
        """Return one row per code with its category, confidence, evidence, sources and note."""
        cited = {source.key: source.citation for source in self.sources}
        rows = [
            {
                "code": code.name,
                "label": code.label,
                "category": code.category,
                "confidence": code.confidence,
                "evidence": code.evidence,
                "source": "; ".join(cited[key] for key in code.sources),
                "note": code.note,
            }
            for code in self.codes
        ]
        return pd.DataFrame(rows)


def list_codebooks() -> pd.DataFrame:
    """List the bundled codebooks.

    Returns
    -------
    DataFrame
        One row per codebook: key, title, n_codes, categories, n_disputed (codes whose sources disagree).

    Examples
    --------
    >>> from alliance_stats import list_codebooks
    >>> list_codebooks()["key"].tolist()
    ['helping_skills']
    """
    books = [_read(path) for _, path in sorted(_bundled().items())]
    rows = [
        {
            "key": book.key,
            "title": book.title,
            "n_codes": len(book.codes),
            "categories": ", ".join(book.categories),
            "n_disputed": sum(code.confidence == "disputed" for code in book.codes),
        }
        for book in books
    ]
    return pd.DataFrame(rows)


def load_codebook(name: str | Path) -> Codebook:
    """Load a bundled codebook, or one of your own.

    Parameters
    ----------
    name : str or Path
        Key of a bundled codebook (see `list_codebooks`), or the path of a TOML file with the same fields. The bundled
        files are meant to be copied and changed: which code is supportive is a matter of theory.

    Returns
    -------
    Codebook

    Raises
    ------
    StudyError
        If there is no bundled codebook of that name, or a field of the file is missing, unknown or of the wrong kind.
    FileError
        If the file does not exist or is not TOML.

    See Also
    --------
    statement_shares : count statements by category.

    Notes
    -----
    The sign of a category is not portable across coding systems: interpretation is negative in one study that Kadur
    et al. summarise, positive in another, and among the most helpful responses in Hill et al. (1988). Every code
    therefore carries its sources, what they print, and a `confidence`.

    References
    ----------
    Kadur, J., Lüdemann, J., & Andreas, S. (2020). Clinical Psychology & Psychotherapy. doi:10.1002/cpp.2416, Tables 2
    and 3.

    Examples
    --------
    >>> from alliance_stats import load_codebook
    >>> codebook = load_codebook("helping_skills")
    >>> codebook.category_of["approval_reassurance"]
    'supportive'
    """
    if isinstance(name, str) and not name.endswith(".toml"):
        bundled = _bundled()
        if name not in bundled:
            raise unknown_name(StudyError, "codebook", name, sorted(bundled))
        return _read(bundled[name])
    return _read(Path(name))


def _bundled() -> dict[str, Path]:
    """Return the path of each bundled codebook by key."""
    return {path.stem: path for path in (Path(__file__).parent / "codebooks").glob("*.toml")}


def _read(path: Path) -> Codebook:
    """Return the checked codebook in a TOML file."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise FileError.build(
            f"The codebook '{path.name}' cannot be read: {problem.strerror}.",
            hint="check the path, or pass the key of a bundled codebook (see list_codebooks()).",
        ) from problem
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise FileError.build(
            f"The codebook '{path.name}' is not a TOML file: {problem}.",
            hint="start from a copy of a bundled codebook.",
        ) from problem
    return _codebook(TomlTable(content, path.name))


def _codebook(top: TomlTable) -> Codebook:
    """Return the codebook in a parsed file."""
    top.allow(_TOP_KEYS)
    categories = _categories(top)
    entries = top.table("sources")
    cited = entries.all_keys()
    sources = tuple(_source(key, entries.table(key)) for key in cited)
    entries = top.table("codes")
    codes = tuple(_code(name, entries.table(name), categories, cited) for name in entries.all_keys())
    if not codes:
        raise top.error("there are no codes.", "add a table [codes.<name>] for every code.")
    return Codebook(
        key=top.text("key"),
        title=top.text("title"),
        description=top.text("description"),
        categories=categories,
        codes=codes,
        sources=sources,
        notes=top.optional_texts("notes"),
    )


def _categories(top: TomlTable) -> tuple[str, ...]:
    """Return the categories, which must be fit to become columns."""
    categories = top.texts("categories")
    bad = [name for name in categories if not _CATEGORY.fullmatch(name)]
    if bad:
        raise top.error(
            f"category '{bad[0]}' cannot become part of a column name.",
            "use lower-case letters, digits and underscores, starting with a letter.",
        )
    if len(set(categories)) < len(categories):
        raise top.error("a category is named twice.", "list every category once.")
    return categories


def _source(key: str, entry: TomlTable) -> Source:
    """Return one source."""
    entry.allow(("citation", "doi"))
    return Source(key=key, citation=entry.text("citation"), doi=entry.optional_text("doi") or "")


def _code(name: str, entry: TomlTable, categories: Sequence[str], sources: Sequence[str]) -> Code:
    """Return one code, its category and sources checked against the known ones."""
    entry.allow(_CODE_KEYS)
    cited = entry.texts("source")
    unknown = [source for source in cited if source not in sources]
    if unknown:
        raise entry.error(f"the source '{unknown[0]}' is not described.", f"add a table [sources.{unknown[0]}].")
    return Code(
        name=name,
        label=entry.text("label"),
        category=entry.choice("category", categories),
        sources=cited,
        evidence=entry.text("evidence"),
        confidence=cast(Confidence, entry.choice("confidence", get_args(Confidence))),
        note=entry.optional_text("note") or "",
    )
