"""Labels that files of statistics programs carry: of columns, of values, and of answers declared missing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

import pandas as pd

from alliance_stats.errors import DataError

Code: TypeAlias = float | str
"""A value as the file stores it: a number, or text."""

Measure: TypeAlias = Literal["nominal", "ordinal", "scale", ""]

_MEASURES: Mapping[str, Measure] = {"nominal": "nominal", "ordinal": "ordinal", "scale": "scale", "": ""}

_KEY = "labels"


@dataclass(frozen=True)
class ColumnLabels:
    """What a file says about one column.

    Parameters
    ----------
    label : str
        Of the column; empty if it has none.
    value_labels : tuple of (code, str)
        Label of each value that has one.
    measure : {"nominal", "ordinal", "scale", ""}
        Level of measurement as the file states it.
    missing : tuple of (code, code)
        Ranges of values declared missing, both ends included; equal ends for a single value. The ends of a range
        without limit are infinite.
    format : str
        How the program of the file stores and shows the column, such as "F8.2" or "DATE11".
    """

    label: str = ""
    value_labels: tuple[tuple[Code, str], ...] = ()
    measure: Measure = ""
    missing: tuple[tuple[Code, Code], ...] = ()
    format: str = ""

    def without_extremes(self) -> dict[str, Any]:
        """Return the parts that are not empty, as plain values."""
        return {name: value for name, value in asdict(self).items() if value}


def labels(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the labels that the file of a frame gave its columns.

    Use it to see what codes mean, and which answers the file declares missing. Labels travel with the frame (in its
    ``attrs``) through filtering, sorting and new columns, and back into files with `write_sessions`.

    Parameters
    ----------
    frame : DataFrame
        As read by `read_sessions`; any rows.

    Returns
    -------
    DataFrame
        One row per column that has any label: column, label, values (a mapping of code to label), measure, missing (ranges
        declared missing, as text) and format.

    See Also
    --------
    codebook : The same for all columns, with counts.

    Examples
    --------
    >>> import alliance_stats as al
    >>> al.labels(al.load_sample("therapist_statements")).empty
    True
    """
    known = labels_of(frame)
    rows = [
        {
            "column": name,
            "label": own.label,
            "values": dict(own.value_labels),
            "measure": own.measure,
            "missing": missing_text(own),
            "format": own.format,
        }
        for name, own in known.items()
    ]
    return pd.DataFrame(rows, columns=["column", "label", "values", "measure", "missing", "format"])


def missing_text(own: ColumnLabels) -> str:
    """Return the ranges declared missing as text, such as "-99, 97 to 99"."""
    return ", ".join(
        plain_code(low) if low == high else f"{plain_code(low)} to {plain_code(high)}" for low, high in own.missing
    )


def plain_code(code: Code) -> str:
    """Return a code as text, whole numbers without a decimal point."""
    return f"{code:.15g}" if isinstance(code, float | int) else code


def labels_of(frame: pd.DataFrame) -> dict[str, ColumnLabels]:
    """Return the labels of the columns that the frame still has."""
    stored = frame.attrs.get(_KEY)
    if stored is None:
        return {}
    known = read_labels(stored)
    return {name: known[name] for name in frame.columns if name in known}


def labels_text(known: Mapping[str, ColumnLabels]) -> str:
    """Return labels as one text: what stands in ``attrs`` is copied and compared with every operation on the frame."""
    return json.dumps({name: own.without_extremes() for name, own in known.items() if own.without_extremes()})


def read_labels(text: str) -> dict[str, ColumnLabels]:
    """Return the labels that `labels_text` wrote.

    Raises
    ------
    DataError
        If the text is none of its.
    """
    try:
        return {
            str(name): ColumnLabels(
                label=str(own.get("label", "")),
                value_labels=tuple((_code(code), str(label)) for code, label in own.get("value_labels", ())),
                measure=_MEASURES[own.get("measure", "")],
                missing=tuple((_code(low), _code(high)) for low, high in own.get("missing", ())),
                format=str(own.get("format", "")),
            )
            for name, own in json.loads(text).items()
        }
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        raise DataError.build(
            "The labels that go with these data are not in the form that write_sessions() gives them.",
            hint="write the file again, or remove the labels beside it.",
        ) from None


def _code(given: Any) -> Code:
    """Return a code, or raise a TypeError if it is neither number nor text."""
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        raise TypeError("code")
    return given


def with_labels(frame: pd.DataFrame, known: Mapping[str, ColumnLabels]) -> pd.DataFrame:
    """Return the frame with labels; those of columns it does not have are left out."""
    present = {name: own for name, own in known.items() if name in frame.columns and own.without_extremes()}
    labelled = frame.copy(deep=False)
    labelled.attrs = {key: value for key, value in frame.attrs.items() if key != _KEY}
    if present:
        labelled.attrs[_KEY] = labels_text(present)
    return labelled


def renamed_labels(frame: pd.DataFrame, names: Mapping[str, str]) -> dict[str, ColumnLabels]:
    """Return the labels under new column names.

    Parameters
    ----------
    frame : DataFrame
        With the old names.
    names : mapping of str to str
        Old name to new name.
    """
    return {names.get(name, name): own for name, own in labels_of(frame).items()}
