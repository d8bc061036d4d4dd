"""Labels within the limits of a program's files; what does not fit is said."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import pandas as pd

from alliance_stats.errors import AllianceStatsWarning
from alliance_stats.loaders.labels import Code, ColumnLabels, labels_of


@dataclass(frozen=True)
class LabelLimits:
    """What labels the files of a program hold.

    Parameters
    ----------
    program : str
    column_label, value_label : int
        Longest labels.
    in_bytes : bool
        Whether lengths are counted in bytes of UTF-8 rather than in characters.
    text_values : bool
        Whether values that are text can have labels.

    Notes
    -----
    SPSS: 256 bytes for labels of variables, 120 for labels of values (IBM SPSS Statistics Command Syntax Reference, VARIABLE
    LABELS and VALUE LABELS). Stata: 80 characters and 32,000 (Stata manual, "Limits").
    """

    program: str
    column_label: int
    value_label: int
    in_bytes: bool = True
    text_values: bool = True


def fitted_labels(frame: pd.DataFrame, limits: LabelLimits) -> dict[str, ColumnLabels]:
    """Return the labels of a table as the program's files hold them.

    Parameters
    ----------
    frame : DataFrame
        Any rows.
    limits : LabelLimits

    Warns
    -----
    AllianceStatsWarning
        If labels are cut or left out.
    """
    n_cut = n_left_out = 0
    found = {}
    for name, own in labels_of(frame).items():
        kept = [pair for pair in own.value_labels if limits.text_values or _has_label(pair[0], frame[name])]
        values = tuple((code, _cut(label, limits.value_label, limits)) for code, label in kept)
        label = _cut(own.label, limits.column_label, limits)
        n_left_out += len(own.value_labels) - len(kept)
        n_cut += (label != own.label) + sum(new != old for (_, new), (_, old) in zip(values, kept, strict=True))
        found[name] = replace(own, label=label, value_labels=values)
    if n_cut or n_left_out:
        warnings.warn(
            f"{n_cut} labels are longer than {limits.program} files hold ({limits.column_label} for columns, "
            f"{limits.value_label} for values) and were cut, {n_left_out} labels of values that it cannot label were left out. "
            "Write .parquet to keep them.",
            AllianceStatsWarning,
            stacklevel=5,
        )
    return found


def _has_label(code: Code, column: pd.Series) -> bool:
    """Tell whether a program that labels whole numbers and letters for missing can label the code."""
    numeric = pd.api.types.is_numeric_dtype(column)
    return numeric and (isinstance(code, str) or float(code).is_integer())


def _cut(label: str, most: int, limits: LabelLimits) -> str:
    """Return the label, cut to the length that is held."""
    if not limits.in_bytes:
        return label[:most]
    return label.encode("utf-8")[:most].decode("utf-8", errors="ignore")
