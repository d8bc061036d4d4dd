"""Simple slopes, and contrasts, with their intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from alliance_stats.errors import DataError, counted
from alliance_stats.inference.contrasts import Contrasts
from alliance_stats.inference.slopes import Slopes
from alliance_stats.plots.canvas import INKS, words
from alliance_stats.plots.intervals import draw_intervals, shared_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WHAT = {
    "means": "difference of means",
    "slopes": "difference of slopes",
    "coefficients": "combination of coefficients",
}


def plot_slopes(result: Slopes, *, ax: Axes | None = None, level: float = 0.95, **style: Any) -> Axes:
    """Draw the slope in each cell with its interval.

    Parameters
    ----------
    result : Slopes
        What to draw; its ``tidy()``.
    ax : matplotlib Axes, optional
        Where to draw; a new figure if left out.
    level : float in (0, 1)
        Of the intervals.
    **style
        Passed to ``Axes.plot`` for intervals and markers.

    Returns
    -------
    matplotlib Axes
    """
    table = result.tidy(level=level)
    axes = _draw(table, "level", ax, style)
    outcome, predictor = words(result.fit.response.strip("`")), words(result.variable)
    axes.set_xlabel(f"Slope: points of {outcome} per unit of {predictor}\n(line: {shared_interval(table)})")
    axes.set_title(f"{outcome}: slope of {predictor}\nN = {counted(result.fit.n_obs, 'row')}", fontsize="medium")
    return axes


def plot_contrasts(result: Contrasts, *, ax: Axes | None = None, level: float = 0.95, **style: Any) -> Axes:
    """Draw each contrast with its interval, adjusted if the contrasts are.

    Parameters
    ----------
    result : Contrasts
        What to draw; its ``tidy()``.
    ax : matplotlib Axes, optional
        Where to draw; a new figure if left out.
    level : float in (0, 1)
        Of the intervals.
    **style
        Passed to ``Axes.plot`` for intervals and markers.

    Returns
    -------
    matplotlib Axes
    """
    table = result.tidy(level=level)
    axes = _draw(table, "term", ax, style)
    adjusted = {"tukey": ", Tukey-Kramer", "holm": ", Bonferroni", "bonferroni": ", Bonferroni"}.get(result.adjust, "")
    outcome = words(result.fit.response.strip("`"))
    axes.set_xlabel(f"{outcome}: {_WHAT[result.what]}\n(line: {shared_interval(table)}{adjusted})")
    axes.set_title(f"{outcome}: contrasts\nN = {counted(result.fit.n_obs, 'row')}", fontsize="medium")
    return axes


def _draw(table: pd.DataFrame, column: str, ax: Axes | None, style: dict[str, Any]) -> Axes:
    """Draw the rows that can be estimated, with a gap between conditions and an ink for each."""
    table = table[table["estimate"].notna()]
    if table.empty:
        raise DataError.build("There is nothing that can be estimated.", hint="look at result.tidy().")
    names = [str(name) for name in table[column]] if column in table else [""] * len(table)
    groups = [str(group) for group in table["group"]] if "group" in table else [""] * len(table)
    labels = [", ".join(part for part in pair if part) or "all" for pair in zip(names, groups, strict=True)]
    order = list(dict.fromkeys(groups))
    several = len(order) < len(groups)
    inks = [INKS[order.index(group) % len(INKS) if several else 0] for group in groups]
    starts = [row for row in range(1, len(groups)) if several and groups[row] != groups[row - 1]]
    return draw_intervals(table, labels, inks, starts=starts, ax=ax, style=style)
