"""The printed form of a table as plain texts, before it becomes Markdown, HTML or LaTeX."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import pandas as pd

from alliance_stats.report.labels import (
    display_label,
    estimate_label,
    interval_label,
    interval_level,
    is_symbol,
    statistic_label,
)
from alliance_stats.report.numbers import df_text, fixed, interval_text, p_text
from alliance_stats.result import plain_records

Style = Literal["apa", "plain"]


@dataclass(frozen=True, kw_only=True)
class GridColumn:
    """One printed column.

    Parameters
    ----------
    label : str
        Heading.
    cells : tuple of str, length n_rows
    numeric : bool
        Numbers are aligned to the right.
    symbol : bool
        The heading is a statistical symbol, set in italics.
    """

    label: str
    cells: tuple[str, ...]
    numeric: bool
    symbol: bool = False


def build_grid(frame: pd.DataFrame, *, style: Style, digits: int, labels: Mapping[str, str]) -> tuple[GridColumn, ...]:
    """Return the printed columns of a frame.

    Parameters
    ----------
    frame : DataFrame
        One row per estimate, full precision, texts as column names.
    style : {"apa", "plain"}
        "apa" merges the interval into one column and uses printed labels; "plain" keeps columns and names.
    digits : int
        Decimals of everything but p-values, degrees of freedom and counts.
    labels : mapping of str to str
        Column name to heading, where the usual heading does not fit.
    """
    if style == "plain":
        return tuple(_plain_column(frame, column, digits, labels.get(column, column)) for column in frame.columns)
    return tuple(_apa_column(frame, column, digits, labels) for column in _apa_order(frame))


def _apa_order(frame: pd.DataFrame) -> list[str]:
    """Return the columns to print: model first, the interval once, nothing that another column says already.

    The interval's level stands in its heading unless levels differ, an outcome that all rows share in title and notes, and
    the predictor and the numbers of its part in the term.
    """
    hidden = {"conf_high"} if {"conf_low", "conf_high"} <= set(frame.columns) else set()
    if interval_level(frame) is not None:
        hidden.add("conf_level")
    if {"term", "predictor", "level", "estimate"} <= set(frame.columns):
        hidden.add("predictor")
    if {"outcome", "estimate"} <= set(frame.columns) and frame["outcome"].nunique() == 1:
        hidden.add("outcome")
    if "model" in frame and "term" in frame and frame["model"].nunique() == 1:
        hidden.add("model")
    ordered = [str(column) for column in frame.columns if column not in hidden]
    return [*(["model"] if "model" in ordered else []), *(column for column in ordered if column != "model")]


def _apa_column(frame: pd.DataFrame, column: str, digits: int, labels: Mapping[str, str]) -> GridColumn:
    """Return one column in APA style."""
    symbol = column not in labels and is_symbol(column, frame)
    if column == "model":
        return _first_of_each_run(_plain_column(frame, column, digits, labels.get(column, _apa_label(frame, column))))
    if column == "conf_low" and "conf_high" in frame:
        ends = zip(_floats(frame["conf_low"]), _floats(frame["conf_high"]), strict=True)
        label = labels.get(column, interval_label(interval_level(frame)))
        return GridColumn(label=label, cells=tuple(interval_text(*pair, digits) for pair in ends), numeric=True)
    if column.startswith("p_value") and _is_number(frame[column]):
        cells = tuple(p_text(value) for value in _floats(frame[column]))
        return GridColumn(label=labels.get(column, display_label(column)), cells=cells, numeric=True, symbol=symbol)
    return _plain_column(frame, column, digits, labels.get(column, _apa_label(frame, column)), symbol=symbol)


def _first_of_each_run(column: GridColumn) -> GridColumn:
    """Return a column in which a text that repeats the row above is left blank."""
    above = ("", *column.cells[:-1])
    cells = tuple("" if cell == before else cell for cell, before in zip(column.cells, above, strict=True))
    return replace(column, cells=cells)


def _apa_label(frame: pd.DataFrame, column: str) -> str:
    """Return the heading of a column, which for estimates and tests depends on what the table holds."""
    if column == "estimate":
        return estimate_label(frame)
    return statistic_label(frame) if column == "statistic" else display_label(column)


def _plain_column(frame: pd.DataFrame, column: str, digits: int, label: str, *, symbol: bool = False) -> GridColumn:
    """Return a column whose floats have fixed decimals and whose other values are printed as they are."""
    numeric = _is_number(frame[column])
    if numeric and (column in {"df", "n"} or column.startswith("n_")):
        cells = tuple(df_text(value) for value in _floats(frame[column]))
    else:
        cells = tuple(_cell(record[column], digits) for record in plain_records(frame[[column]]))
    return GridColumn(label=label, cells=cells, numeric=numeric, symbol=symbol)


def _cell(value: Any, digits: int) -> str:
    """Return one value as text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return fixed(value, digits) if isinstance(value, float) else str(value)


def _is_number(values: pd.Series[Any]) -> bool:
    """Tell whether a column is numeric and not boolean."""
    return bool(pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values))


def _floats(values: pd.Series[Any]) -> list[float]:
    """Return a column as floats, NaN where missing, shape (n_rows,)."""
    return [float(value) for value in pd.to_numeric(values).astype(float)]
