"""How a result by level prints: how much there is of each level, and the slopes."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from alliance_stats.errors import counted

SMALL_P = 0.001
"""A p value below this is printed as smaller than it."""


def sizes_text(rows: pd.DataFrame, levels: Mapping[str, str]) -> str:
    """Return "942 sessions, 146 patients, 52 therapists"."""
    units = [counted(int(rows[column].nunique()), level) for level, column in levels.items()]
    return ", ".join([counted(len(rows), "session"), *units])


def slopes_text(table: pd.DataFrame, *, named: bool = False) -> list[str]:
    """Return one line per slope with interval and p value, with the predictor's name where there are several."""
    labels = [
        f"{predictor}, {level}" if named else str(level)
        for predictor, level in zip(table["predictor"], table["level"], strict=True)
    ]
    width = max((len(label) for label in labels), default=0)
    return [
        f"  {label:<{width}}  {row['estimate']:8.3g}  {100 * row['conf_level']:g}% interval {row['conf_low']:.3g} to "
        f"{row['conf_high']:.3g}, {_p_text(row['p_value'])}"
        for label, row in zip(labels, table.to_dict("records"), strict=True)
    ]


def _p_text(p: float) -> str:
    """Return a p value in words."""
    return f"p < {SMALL_P:g}" if p < SMALL_P else f"p = {p:.3f}"
