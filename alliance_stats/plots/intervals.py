"""Estimates with their intervals, one row each; the common ground of several pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from alliance_stats.errors import DataError
from alliance_stats.plots.canvas import GREY, Ink, axes_for, interval_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHORT, LETTER = 28, 0.065
"""Letters of a label that the usual width has room for; inches that each further one needs."""


def draw_intervals(
    table: pd.DataFrame,
    labels: Sequence[str],
    inks: Sequence[Ink],
    *,
    starts: Sequence[int] = (),
    ax: Axes | None,
    style: dict[str, Any],
) -> Axes:
    """Draw estimate, conf_low and conf_high of each row from top to bottom; ``starts`` are rows with a gap above."""
    if table.empty:
        raise DataError.build("There is no estimate to draw.", hint="look at result.tidy().")
    longest = max(len(line) for label in labels for line in label.split("\n"))
    width = 6.4 + LETTER * max(0, longest - SHORT)
    axes = axes_for(ax, width=width, height=1.6 + 0.4 * (len(table) + 0.5 * len(starts)))
    rows = [row + 0.5 * sum(start <= row for start in starts) for row in range(len(table))]
    axes.axvline(0.0, color=GREY, linewidth=0.9, zorder=1)
    points = zip(rows, table["estimate"], table["conf_low"], table["conf_high"], inks, strict=True)
    for row, estimate, low, high, ink in points:
        look: dict[str, Any] = {"color": ink.color, "marker": ink.marker, "markersize": 6.5, "linewidth": 1.8} | style
        axes.plot([low, high], [row, row], **{**look, "marker": ""})
        axes.plot([estimate], [row], **{**look, "linestyle": ""})
    axes.set_yticks(rows, list(labels))
    axes.set_ylim(rows[-1] + 0.6, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.margins(x=0.08)
    return axes


def shared_interval(table: pd.DataFrame) -> str:
    """Return the name of the intervals of a tidy table."""
    levels = table["conf_level"].dropna().unique() if "conf_level" in table else [0.95]
    return interval_words(float(levels[0])) if len(levels) == 1 else "interval"
