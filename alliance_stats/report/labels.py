"""How columns of tidy tables are called in print; display labels exist only in this part of the package."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

SYMBOLS: Mapping[str, str] = {
    "std_error": "SE",
    "df": "df",
    "p_value": "p",
    "n": "n",
    "sd": "SD",
    "r_squared": "R²",
}
"""Statistical symbols, set in italics."""

WORDS: Mapping[str, str] = {
    "term2": "Second term",
    "kind": "Quantity",
    "std_error": "SE",
    "statistic": "Statistic",
    "conf_level": "Confidence level",
    "conf_low": "CI lower",
    "conf_high": "CI upper",
}
"""Labels that are not the column's own name with a capital."""

NAMING: tuple[str, ...] = ("term", "predictor", "category", "score", "item", "group")
"""Columns that may name what an estimate belongs to, the most telling first."""


def display_label(column: str) -> str:
    """Return the printed name of a column: its symbol, its word, or its name with spaces and a capital."""
    plain = column.replace("_", " ").strip()
    return SYMBOLS.get(column) or WORDS.get(column) or plain[:1].upper() + plain[1:]


def is_symbol(column: str, frame: pd.DataFrame) -> bool:
    """Tell whether the column's label is a statistical symbol, which APA style sets in italics."""
    if column == "estimate":
        return estimate_label(frame) != "Estimate"
    if column == "statistic":
        return statistic_label(frame) != "Statistic"
    return column in SYMBOLS


def estimate_label(frame: pd.DataFrame) -> str:
    """Return "b" for regression coefficients and "Estimate" for anything else.

    Parameters
    ----------
    frame : DataFrame
        Tidy table. Rows of a regression have a term or a predictor, a standard error and a test, and no column ``kind``,
        ``group`` or ``category`` that says they are something else, such as a correlation, a variance or a mean.
    """
    columns = set(frame.columns)
    coefficients = {"term", "predictor"} & columns and "std_error" in columns and {"statistic", "p_value"} & columns
    return "b" if coefficients and not {"kind", "group", "category"} & columns else "Estimate"


def statistic_label(frame: pd.DataFrame) -> str:
    """Return "t" when every test has finite degrees of freedom, "z" when none has, "Statistic" when they differ."""
    tested = frame["statistic"].notna() if "statistic" in frame else pd.Series(False, index=frame.index)
    if estimate_label(frame) != "b" or not tested.any():
        return "Statistic"
    if "df" not in frame:
        return "z"
    finite = finite_df(frame)[tested.to_numpy()]
    if finite.all():
        return "t"
    return "Statistic" if finite.any() else "z"


def finite_df(frame: pd.DataFrame) -> pd.Series[bool]:
    """Return per row whether the degrees of freedom are known and finite, shape (n_rows,)."""
    df = pd.to_numeric(frame["df"], errors="coerce").astype(float)
    return df.notna() & (df < float("inf"))


def interval_level(frame: pd.DataFrame) -> float | None:
    """Return the level that all intervals share, or None when they differ.

    A tidy table without the column ``conf_level`` holds 95% intervals, the default of every function in the package.
    """
    if "conf_level" not in frame:
        return 0.95
    levels = frame["conf_level"].dropna().unique()
    return float(levels[0]) if len(levels) == 1 else None


def interval_label(level: float | None) -> str:
    """Return "95% CI" for 0.95, and "CI" for intervals of several levels."""
    return "CI" if level is None else f"{level:.4%}".rstrip("%").rstrip("0").rstrip(".") + "% CI"
