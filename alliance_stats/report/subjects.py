"""What an estimate belongs to, in words: model, term, group, level, session, contrast."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from alliance_stats.report.numbers import df_text
from alliance_stats.result import COLUMNS

_LEVELS = {"contextual": "difference between levels", "covariate": "covariate"}
_PLACES = ("session", "lag")
"""Columns outside the vocabulary that say where an estimate stands."""


@dataclass(frozen=True, eq=False)
class Subject:
    """Puts into words what the estimates of a table belong to.

    Parameters
    ----------
    frame : DataFrame
        Tidy table.
    column : str
        Names the estimates.
    words : mapping of str to str
        What a column or a kind is called, where its name does not fit.
    """

    frame: pd.DataFrame = field(repr=False)
    column: str
    words: Mapping[str, str]

    def of(self, record: Mapping[str, Any]) -> str:
        """Return the subject of one row."""
        name = str(record[self.column])
        if record.get("term2"):
            name = f"{name} with {record['term2']}"
        about = [part for part in (*self._kind(record), *self._places(record), *self._columns(record, name)) if part]
        return f"{self._model(record)}{name}" + (f" ({', '.join(about)})" if about else "")

    def _model(self, record: Mapping[str, Any]) -> str:
        """Return the model, when there are several."""
        if not record.get("model") or self.frame["model"].nunique() < 2:
            return ""
        word = self.words.get("model", "" if isinstance(record["model"], str) else "model")
        return f"{word} {record['model']}, ".lstrip()

    def _kind(self, record: Mapping[str, Any]) -> list[str]:
        """Return kind and level."""
        kind, level = (str(record[name]) if record.get(name) else "" for name in ("kind", "level"))
        shown = self.words.get(kind, kind.replace("_", " "))
        return ["" if kind == "estimate" else shown, self._level(level)]

    def _level(self, level: str) -> str:
        """Return the level in words; a contextual row compares two."""
        if not level:
            return ""
        return _LEVELS.get(level, f"{level.replace(' - ', ' minus ')} level")

    def _places(self, record: Mapping[str, Any]) -> list[str]:
        """Return group, category, session, lag, and choices that differ between rows."""
        parts = []
        for name in ("group", "category", "item", "score"):
            if name != self.column and record.get(name) and self._differs(name):
                parts.append(f"{self._word(name)} {str(record[name]).replace(' - ', ' minus ')}".strip())
        for name in _PLACES:
            if name in record and record[name] is not None:
                parts.append(f"{name} {df_text(number_of(record, name))}")
        for name in self._choices():
            if record[name]:
                parts.append(f"{self._word(name)} {record[name]}")
        return parts

    def _columns(self, record: Mapping[str, Any], name: str) -> list[str]:
        """Return predictor and outcome, where the term does not hold them."""
        predictor, outcome = record.get("predictor"), record.get("outcome")
        named = self.column != "predictor" and predictor and not _holds(name, str(predictor))
        return [
            f"predictor {predictor}" if named else "",
            f"outcome {outcome}" if outcome and outcome != "outcome" else "",
        ]

    def _choices(self) -> list[str]:
        """Return text columns outside the vocabulary that differ between rows."""
        own = [str(name) for name in self.frame.columns if name not in (*COLUMNS, *_PLACES)]
        texts = [name for name in own if isinstance(self.frame[name].dtype, pd.StringDtype) or self._is_text(name)]
        return [name for name in texts if self._differs(name)]

    def _is_text(self, name: str) -> bool:
        """Tell whether a column of objects holds texts."""
        return bool(pd.api.types.infer_dtype(self.frame[name], skipna=True) == "string")

    def _differs(self, name: str) -> bool:
        """Tell whether a column differs between rows."""
        return bool(self.frame[name].nunique() > 1)

    def _word(self, name: str) -> str:
        """Return what a column is called."""
        return self.words.get(name, name.replace("_", " "))


def _holds(name: str, predictor: str) -> bool:
    """Tell whether a term names a predictor, such as "wai_session" does "wai"."""
    return bool(re.search(rf"(?<!\w){re.escape(predictor)}(?![^\W_])", name))


def number_of(record: Mapping[str, Any], column: str) -> float:
    """Return a cell as a float, NaN when it is missing."""
    value = record.get(column)
    return float("nan") if value is None else float(value)
