"""What text columns would be if they had been exported otherwise: numbers of another country, labels, codes with labels."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection

import pandas as pd

from alliance_stats.errors import listing

_SAMPLE = 1_000
_SHARE = 0.95
_MOST_LABELS = 12
_SMALLEST_FAMILY = 3

_NUMBER = r"[+-]?\d+(?:\.\d+)?"
_COMMA = r"[+-]?\d+,\d+"
_GROUPS_COMMA = r"[+-]?\d{1,3}(?:[. '’\u00a0\u202f]\d{3})+(?:,\d+)?"
_GROUPS_POINT = r"[+-]?\d{1,3}(?:[, '’\u00a0\u202f]\d{3})+(?:\.\d+)?"
_PERCENT = r"[+-]?\d+(?:[.,]\d+)?\s?%"
_WITH_LABEL = r"[+-]?\d+\s*[=:.)(–-]\s*[^\W\d].*"

_SEPARATE = "save the file with semicolons between the cells, or with points as decimal signs"
_UNGROUPED = "in the program that wrote the file, give these cells a number format without thousands separators"
_STYLES: tuple[tuple[str, str, str], ...] = (
    (_COMMA, "numbers with a decimal comma (3,5)", _SEPARATE),
    (_GROUPS_COMMA, "numbers with thousands separators and a decimal comma (1.234,5)", _UNGROUPED),
    (_GROUPS_POINT, "numbers with thousands separators (1,234.5)", _UNGROUPED),
    (_PERCENT, "percentages (50 %)", "give these cells a plain number format"),
    (_WITH_LABEL, "numbers followed by their labels (1 = never)", "export the codes without their labels"),
)


def text_notes(frame: pd.DataFrame, spared: Collection[str] = ()) -> list[str]:
    """Return sentences on text columns that probably should be numbers, with what to do.

    Parameters
    ----------
    frame : DataFrame
        As read, numbers turned into numbers.
    spared : collection of str
        Columns of ids, and columns that are known to be text.
    """
    texts = [
        str(name) for name, kind in frame.dtypes.items() if isinstance(kind, pd.StringDtype) and name not in spared
    ]
    styles: dict[tuple[str, str], list[str]] = defaultdict(list)
    plain = []
    for name in texts:
        style = _style(frame[name])
        if style:
            styles[style].append(f"'{name}'")
        else:
            plain.append(name)
    notes = [
        f"{len(names)} text {'column holds' if len(names) == 1 else 'columns hold'} {what}: {listing(names)}. To read them as "
        f"numbers, {remedy}."
        for (what, remedy), names in styles.items()
    ]
    return [*notes, *_label_notes(frame, plain)]


def _style(column: pd.Series) -> tuple[str, str] | None:
    """Return what the cells of a text column are and the remedy, if nearly all of them are numbers in disguise."""
    sample = column.head(_SAMPLE).dropna()
    for pattern, what, remedy in _STYLES:
        either = f"(?:{pattern})|(?:{_NUMBER})"
        if len(sample) and _share(sample, either) < _SHARE:
            continue
        cells = column.dropna()
        if _share(cells, either) >= _SHARE:
            if what == _STYLES[0][1] and bool(cells.str.strip().str.fullmatch(r"[+-]?\d{1,3},\d{3}").all()):
                return "numbers with a comma before three digits (1,234: a decimal sign or thousands?)", _SEPARATE
            return what, remedy
    return None


def _share(cells: pd.Series, pattern: str) -> float:
    """Return the share of cells that match a pattern as a whole."""
    return float(cells.str.strip().str.fullmatch(pattern).mean()) if len(cells) else 0.0


def _label_notes(frame: pd.DataFrame, names: list[str]) -> list[str]:
    """Return sentences on families of numbered columns that share a few texts, which are labels of answers."""
    families: dict[str, list[str]] = defaultdict(list)
    for name in names:
        found = re.fullmatch(r"(.*?\D)_?\d+", name)
        if found:
            families[found[1]].append(name)
    notes = []
    for members in families.values():
        if len(members) < _SMALLEST_FAMILY or any(
            frame[name].head(_SAMPLE).nunique() > _MOST_LABELS for name in members
        ):
            continue
        labels = pd.concat([frame[name].dropna() for name in members]).unique()
        if 1 < len(labels) <= min(_MOST_LABELS, len(frame) * len(members) // 2):
            notes.append(
                f"{len(members)} columns ({members[0]} to {members[-1]}) hold the same {len(labels)} texts: labels of answers "
                "instead of codes. Export the codes (Qualtrics: 'Use numeric values'; REDCap: 'Raw data'; SPSS: the .sav file), "
                "or give each text its number with frame.replace()."
            )
    return notes
