"""Correlations of statement shares with an outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alliance_stats.coding.associations import ShareAssociations
from alliance_stats.errors import counted
from alliance_stats.plots.canvas import INKS, words
from alliance_stats.plots.intervals import draw_intervals, shared_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_associations(result: ShareAssociations, *, ax: Axes | None = None, **style: Any) -> Axes:
    """Draw the rank correlation of each statement share with the outcome, with its interval.

    Parameters
    ----------
    result : ShareAssociations
        What to draw; the rows of its ``tidy()`` that are Spearman correlations.
    ax : matplotlib Axes, optional
        Where to draw; a new figure if left out.
    **style
        Passed to ``Axes.plot`` for intervals and markers.

    Returns
    -------
    matplotlib Axes
    """
    table = result.tidy()
    table = table[table["kind"].str.startswith("spearman")]
    labels = [f"{words(name)} (n = {n})" for name, n in zip(table["predictor"], table["n"], strict=True)]
    axes = draw_intervals(table, labels, [INKS[0]] * len(table), ax=ax, style=style)
    target = words(result.outcome)
    if result.initial is not None:
        target = f"{words(result.initial)} minus {target}"
    axes.set_xlabel(f"Spearman's r with {target}\n(line: {shared_interval(table)})")
    axes.set_title(f"Statement shares and {target}\nN = {counted(result.n, 'conversation')}", fontsize="medium")
    return axes
