"""Slopes of several alliance scales, or as rated and detrended, level by level."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alliance_stats.errors import counted
from alliance_stats.plots.canvas import INKS, words
from alliance_stats.plots.intervals import draw_intervals, shared_interval
from alliance_stats.process.alliance_outcome import AllianceOutcomes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

TRENDS = {None: "as rated", "linear": "linear trend out", "quadratic": "parabola out"}


def plot_alliance_outcomes(result: AllianceOutcomes, *, ax: Axes | None = None, **style: Any) -> Axes:
    """Draw the slopes of all models side by side, level by level.

    Where the models differ in the alliance scale, slopes are standardised (standard deviations of outcome and scale at the
    estimate's own level), with interval ends scaled as ``std_estimate`` is; where they differ in the trend alone, slopes are
    in scale points. Models share their data, so that overlapping intervals are no test of a difference between them.

    Parameters
    ----------
    result : AllianceOutcomes
        What to draw; the rows of its ``by_level()``, which are those of its ``tidy()``.
    ax : matplotlib Axes, optional
        Where to draw; a new figure if left out.
    **style
        Passed to ``Axes.plot`` for intervals and markers.

    Returns
    -------
    matplotlib Axes
    """
    first = result.results[0]
    scales = list(dict.fromkeys(own.alliance for own in result.results))
    names = {str(own.estimates["model"].iloc[0]): _name(result, place) for place, own in enumerate(result.results)}
    levels = ["session", *first.levels]
    table = result.by_level()
    table = table.sort_values("level", key=lambda column: column.map(levels.index), kind="stable").reset_index(
        drop=True
    )
    shown = _standardised(table) if len(scales) > 1 else table
    labels = [f"{level}: {names[model]}" for level, model in zip(shown["level"], shown["model"], strict=True)]
    inks = [INKS[levels.index(level) % len(INKS)] for level in shown["level"]]
    starts = range(len(names), len(shown), len(names))
    axes = draw_intervals(shown, labels, inks, starts=starts, ax=ax, style=style)
    unit = f"points of {words(first.outcome)} per unit of {words(scales[0])}"
    if len(scales) > 1:
        unit = f"SDs of {words(first.outcome)} per SD of the scale, at the level"
    axes.set_xlabel(f"Slope: {unit}\n(line: {shared_interval(shown)})")
    lag = f", {counted(first.lag, 'session')} later" if first.lag else ""
    axes.set_title(f"{words(first.outcome)}{lag}: slope at each level\n{_sizes(result)}", fontsize="medium")
    return axes


def _name(result: AllianceOutcomes, place: int) -> str:
    """Return what tells the n-th model apart: the scale, the trend, or both."""
    own = result.results[place]
    parts = [words(own.alliance)] if len({other.alliance for other in result.results}) > 1 else []
    parts += [TRENDS[own.detrend]] if len({other.detrend for other in result.results}) > 1 else []
    return ", ".join(parts) or words(own.alliance)


def _standardised(table: pd.DataFrame) -> pd.DataFrame:
    """Return the slopes and the ends of their intervals in standard deviations."""
    scale = table["std_estimate"] / table["estimate"]
    low, high = table["conf_low"] * scale, table["conf_high"] * scale
    return table.assign(estimate=table["std_estimate"], conf_low=low, conf_high=high)


def _sizes(result: AllianceOutcomes) -> str:
    """Return the number of sessions of the models, and of units in all of them together."""
    sizes = [len(own.frame) for own in result.results]
    low, high = min(sizes), max(sizes)
    sessions = counted(low, "session") if low == high else f"{low} to {high} sessions"
    units = [
        counted(max(int(own.frame[column].nunique()) for own in result.results), level)
        for level, column in result.results[0].levels.items()
    ]
    return f"N = {', '.join([sessions, *units])}"
