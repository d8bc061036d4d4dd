"""What each item contributes to a scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alliance_stats.errors import counted
from alliance_stats.plots.canvas import GREY, INKS, axes_for, interval_text
from alliance_stats.scales.reliability import Reliability

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_reliability(result: Reliability, *, ax: Axes | None = None, **style: Any) -> Axes:
    """Draw the correlation of each item with the sum of the others.

    Items stand in the order of the scale. One to the left of zero runs against the others, mostly because it was not
    reversed. Alpha with its interval is in the title.

    Parameters
    ----------
    result : Reliability
        What to draw; its ``item_statistics()``.
    ax : matplotlib Axes, optional
        Where to draw; a new figure if left out.
    **style
        Passed to ``Axes.plot`` for the markers.

    Returns
    -------
    matplotlib Axes
    """
    items = result.item_statistics()
    axes = axes_for(ax, height=1.5 + 0.24 * len(items))
    axes.axvline(0.0, color=GREY, linewidth=0.9, zorder=1)
    values = items["item_rest_correlation"].to_numpy(dtype=float)
    rows = list(range(len(items)))
    axes.hlines(rows, 0.0, values, color=INKS[0].color, linewidth=1.2, alpha=0.6, zorder=2)
    look = {"color": INKS[0].color, "marker": INKS[0].marker, "markersize": 6, "linestyle": "", "zorder": 3}
    axes.plot(values, rows, **{**look, **style})
    axes.set_yticks(rows, [str(name) for name in items["item"]])
    axes.set_ylim(len(items) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(min(0.0, float(values.min()) - 0.05), 1.0)
    axes.set_xlabel("Correlation of the item with the sum of the other items")
    first = result.tidy().iloc[0]
    alpha = interval_text(first["estimate"], first["conf_low"], first["conf_high"], first["conf_level"])
    title = f"Cronbach's alpha {alpha}\nN = {counted(int(first['n']), 'form')}"
    axes.set_title(title, fontsize="medium")
    return axes
