"""What the columns of a table hold."""

from __future__ import annotations

from typing import Any

import pandas as pd

from alliance_stats.columns import CANONICAL, ID_COLUMNS, one_column
from alliance_stats.loaders.labels import ColumnLabels, labels_of, missing_text, plain_code
from alliance_stats.loaders.missing_reasons import reason_counts

_COLUMNS = (
    "column",
    "label",
    "type",
    "measure",
    "n",
    "n_missing",
    "missing_by_reason",
    "n_values",
    "minimum",
    "maximum",
    "values",
    "missing",
)


def codebook(frame: pd.DataFrame) -> pd.DataFrame:
    """Describe every column of a table: labels, type, range, and how many cells are missing for which reason.

    Use it as the first look at a file, and as the page that goes with data handed on. Ids, texts and dates are counted,
    never shown.

    Parameters
    ----------
    frame : DataFrame
        One row per patient and session (or rating), as read by `read_sessions`; any other table too.

    Returns
    -------
    DataFrame
        One row per column: column, label, type ("id", "number", "text", "date" or "truth"), measure, n (cells that hold
        something), n_missing, missing_by_reason (mapping of reason to count), n_values (different ones), minimum and maximum
        (numbers only), values (mapping of code to label), missing (ranges declared missing).

    Raises
    ------
    ColumnError
        If two columns have the same name.

    See Also
    --------
    labels, missing_reasons, check_sessions

    Examples
    --------
    >>> import alliance_stats as al
    >>> book = al.codebook(al.load_sample("therapist_statements"))
    >>> book.loc[book["column"] == "wai_1", ["type", "n", "minimum", "maximum"]].to_dict("records")
    [{'type': 'number', 'n': 5012, 'minimum': 1.0, 'maximum': 5.0}]
    """
    known, reasons = labels_of(frame), reason_counts(frame)
    rows = [_row(frame, str(name), known.get(name, ColumnLabels()), reasons.get(name, {})) for name in frame.columns]
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def _row(frame: pd.DataFrame, name: str, own: ColumnLabels, reasons: dict[Any, int]) -> dict[str, Any]:
    """Return the line of one column."""
    column = one_column(frame, name)
    kind = _kind(column, name)
    n_missing = int(column.isna().sum())
    labels = dict(own.value_labels)
    shown = kind == "number" and n_missing < len(column)
    by_reason = {labels.get(code, plain_code(code)): count for code, count in reasons.items()}
    unexplained = n_missing - sum(by_reason.values())
    return {
        "column": name,
        "label": own.label,
        "type": kind,
        "measure": own.measure,
        "n": len(column) - n_missing,
        "n_missing": n_missing,
        "missing_by_reason": by_reason | ({"no answer": unexplained} if unexplained else {}),
        "n_values": int(column.nunique()),
        "minimum": float(column.min()) if shown else None,
        "maximum": float(column.max()) if shown else None,
        "values": {plain_code(code): label for code, label in own.value_labels},
        "missing": missing_text(own),
    }


def _kind(column: pd.Series, name: str) -> str:
    """Return what the column holds, in a word."""
    if name in ID_COLUMNS or (name in CANONICAL and name not in ("session", "role")):
        return "id"
    if pd.api.types.is_datetime64_any_dtype(column):
        return "date"
    if pd.api.types.is_bool_dtype(column):
        return "truth"
    return "number" if pd.api.types.is_numeric_dtype(column) else "text"
