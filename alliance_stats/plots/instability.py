"""Size of the moves from session to session beside the spread of each patient."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from alliance_stats.errors import counted
from alliance_stats.plots.canvas import GREY, INKS, axes_for, interval_words, words
from alliance_stats.process.instability import Instability

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# E(mssd) is twice the variance when ratings are independent of each other (von Neumann et al., 1941).
INDEPENDENT = math.sqrt(2.0)


def plot_instability(result: Instability, *, ax: Axes | None = None, **style: Any) -> Axes:
    """Draw how far ratings jump between neighbouring sessions against how far they spread, one dot per patient.

    Ratings that are independent of each other lie around the line. Dots below it belong to courses in which neighbours are
    alike, such as slow trends; dots above it to courses that swing to and fro. Few ratings scatter dots around the line by
    chance. The cross is the mean over patients with its intervals.

    Parameters
    ----------
    result : Instability
        What to draw; the rows of its ``values()`` without ids, and rmssd and sd of its ``tidy()``.
    ax : matplotlib Axes, optional
        Where to draw; a new figure if left out.
    **style
        Passed to ``Axes.scatter`` for the dots.

    Returns
    -------
    matplotlib Axes
    """
    axes = axes_for(ax, width=6.2, height=5.0)
    dots = result.measures[["sd", "rmssd"]].dropna()
    unit = words(str(result.series.units.columns[0]))
    look: dict[str, Any] = {"s": 14, "color": GREY, "alpha": 0.45, "linewidth": 0, "zorder": 2, "label": f"one {unit}"}
    axes.scatter(dots["sd"], dots["rmssd"], **(look | style))
    reach = float(dots["sd"].max())
    ends = [0.0, reach]
    name = "neighbours no more alike than other sessions"
    axes.plot(ends, [INDEPENDENT * end for end in ends], color=INKS[1].color, linestyle="--", label=name, zorder=3)
    table = result.tidy().set_index("term")
    low, high, middle = table["conf_low"], table["conf_high"], table["estimate"]
    ink, level = INKS[0], interval_words(float(table["conf_level"].iloc[0]))
    axes.plot([low["sd"], high["sd"]], [middle["rmssd"]] * 2, color=ink.color, linewidth=2.0, zorder=4)
    axes.plot([middle["sd"]] * 2, [low["rmssd"], high["rmssd"]], color=ink.color, linewidth=2.0, zorder=4)
    name = f"mean over {unit}s (lines: {level})"
    centre: dict[str, Any] = {"color": ink.color, "marker": ink.marker, "markersize": 6.0, "linestyle": "", "zorder": 5}
    axes.plot([middle["sd"]], [middle["rmssd"]], **centre, label=name)
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.set_xlabel(f"Spread: SD of {words(result.outcome)} within the {unit}, points")
    axes.set_ylabel("Jumps: root mean square of differences\nbetween neighbouring sessions, points")
    size = f"N = {counted(len(dots), unit)}, {counted(result.n_pairs, 'pair')} of neighbouring sessions"
    axes.set_title(f"Instability of {words(result.outcome)}\n{size}", fontsize="medium")
    axes.legend(frameon=False, fontsize="small", loc="upper left")
    return axes
