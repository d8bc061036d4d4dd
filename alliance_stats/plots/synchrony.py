"""Synchrony at each lag, beside that of shuffled series."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alliance_stats.errors import counted
from alliance_stats.plots.canvas import GREY, INKS, axes_for, interval_words, leave_headroom, words
from alliance_stats.process.session_series import unit_noun
from alliance_stats.process.synchrony import Synchrony

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_synchrony(result: Synchrony, *, ax: Axes | None = None, level: float = 0.95, **style: Any) -> Axes:
    """Draw mean cross-correlation by lag, with its interval over dyads, and the mean of the shuffled series.

    Parameters
    ----------
    result : Synchrony
        What to draw.
    ax : matplotlib Axes, optional
        Where to draw; a new figure if left out.
    level : float in (0, 1)
        Of the interval.
    **style
        Passed to ``Axes.plot`` for the line of the true series.

    Returns
    -------
    matplotlib Axes
    """
    from matplotlib.ticker import MaxNLocator

    axes = axes_for(ax)
    table = result.tidy(level=level)
    rows = table[table["term"] == "z_at_lag"].sort_values("lag")
    lags, mean = rows["lag"].to_numpy(float), rows["estimate"].to_numpy(float)
    text = "true windows"
    if np.isfinite(rows["conf_low"]).any():
        text += f", {interval_words(level)}"
        axes.fill_between(lags, rows["conf_low"], rows["conf_high"], color=INKS[0].color, alpha=0.25, linewidth=0)
    look: dict[str, Any] = {"color": INKS[0].color, "marker": INKS[0].marker, "linewidth": 2.0, "label": text}
    axes.plot(lags, mean, **(look | style))
    axes.plot(
        lags, rows["surrogate"], color=INKS[1].color, marker=INKS[1].marker, linestyle="--", label="shuffled windows"
    )
    axes.axhline(0, color=GREY, linewidth=0.8, zorder=0)
    axes.axvline(0, color=GREY, linewidth=0.8, linestyle=":", zorder=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    first, second = (words(name) for name in result.columns)
    axes.set_xlabel(f"Lag, steps: left {second} leads, right {first} leads")
    axes.set_ylabel("Mean cross-correlation, Fisher's z")
    n_units = int(result.glance()["n_dyads_used"].iloc[0])
    noun = words(unit_noun([str(name) for name in result.units.columns]))
    size = f"N = {counted(n_units, noun)}, windows of {result.window} steps"
    axes.set_title(f"{first} and {second}\n{size}", fontsize="medium")
    leave_headroom(axes)
    axes.legend(frameon=False, fontsize="small", loc="upper left")
    return axes
