"""Agreement of criteria as a table of colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alliance_stats.plots.canvas import GREY, axes_for, words
from alliance_stats.process.criteria_overlap import CriteriaOverlap

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_criteria_overlap(result: CriteriaOverlap, *, ax: Axes | None = None, **style: Any) -> Axes:
    """Draw kappa of each pair of criteria between sessions, and on the diagonal how often each is met.

    A kappa cannot be estimated where one of the two criteria is never or always met; the cell says so.

    Parameters
    ----------
    result : CriteriaOverlap
        What to draw.
    ax : matplotlib Axes, optional
        Where to draw; a new figure if left out.
    **style
        Passed to ``Axes.imshow``.

    Returns
    -------
    matplotlib Axes
    """
    keys = list(result.titles)
    place = {key: index for index, key in enumerate(keys)}
    rows = result.tidy().query("level == 'session'")
    kappas = rows[rows["kind"] == "kappa"]
    table = np.full((len(keys), len(keys)), np.nan)
    for first, second, value in zip(kappas["term"], kappas["term2"], kappas["estimate"], strict=True):
        table[place[second], place[first]] = value
    axes = axes_for(ax, width=1.6 + 1.1 * len(keys), height=1.4 + 0.8 * len(keys))
    look: dict[str, Any] = {"cmap": "Blues", "vmin": 0.0, "vmax": 1.0, "aspect": "auto"}
    axes.imshow(table, **(look | style))
    for (row, column), value in np.ndenumerate(table):
        if np.isnan(value) and row > column:
            axes.text(column, row, "not\nestimable", ha="center", va="center", color=GREY, fontsize="small")
        elif not np.isnan(value):
            ink = "white" if value > 0.6 else "black"
            # adding zero takes the sign off a negative zero
            text = f"{round(value, 2) + 0.0:.2f}".replace("-", "\N{MINUS SIGN}")
            axes.text(column, row, text, ha="center", va="center", color=ink)
    shares = rows[rows["kind"] == "share"]
    for key, count, judged in zip(shares["term"], shares["n_found"], shares["n"], strict=True):
        where = (place[key], place[key])
        axes.annotate(
            f"n = {count:.0f}",
            where,
            xytext=(0, 5),
            textcoords="offset points",
            ha="center",
            va="center",
            fontweight="bold",
        )
        axes.annotate(
            f"of {judged}",
            where,
            xytext=(0, -8),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize="small",
        )
    names = [words(key).replace(" ", "\n", 1) for key in keys]
    axes.set_xticks(range(len(keys)), names, fontsize="small")
    axes.set_yticks(range(len(keys)), names, fontsize="small")
    axes.tick_params(length=0)
    axes.spines[["left", "bottom"]].set_visible(False)
    found = f"bold: {result.event}s found, of so many sessions judged"
    axes.set_title(
        f"Agreement of criteria on {words(result.outcome)}, sessions\nCohen's kappa; {found}", fontsize="medium"
    )
    return axes
