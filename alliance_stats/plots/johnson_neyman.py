"""The slope along a moderator, and where it differs from zero."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alliance_stats.errors import counted
from alliance_stats.inference.johnson_neyman import JohnsonNeyman
from alliance_stats.plots.canvas import GREY, INKS, PALE, axes_for, interval_words, words

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_johnson_neyman(result: JohnsonNeyman, *, ax: Axes | None = None, level: float = 0.95, **style: Any) -> Axes:
    """Draw the slope with its band along the moderator; regions where it differs from zero are shaded.

    Ticks at the bottom are the rows used: a region without rows says little.

    Parameters
    ----------
    result : JohnsonNeyman
        What to draw; its ``tidy("curve")`` and ``tidy()``.
    ax : matplotlib Axes, optional
        Where to draw; a new figure if left out.
    level : float in (0, 1)
        Of the band.
    **style
        Passed to ``Axes.plot`` for the line.

    Returns
    -------
    matplotlib Axes
    """
    curve, regions = result.tidy("curve", level=level), result.tidy(level=level)
    axes = axes_for(ax)
    for row in regions.to_dict("records"):
        if row["kind"] != "unclear":
            axes.axvspan(row["low"], row["high"], color=PALE, alpha=0.35, linewidth=0, zorder=0)
    axes.axhline(0.0, color=GREY, linewidth=0.9, zorder=1)
    values = curve["value"].to_numpy(dtype=float)
    low, high = curve["conf_low"].to_numpy(dtype=float), curve["conf_high"].to_numpy(dtype=float)
    axes.fill_between(values, low, high, color=INKS[0].color, alpha=0.25, linewidth=0, zorder=2)
    look: dict[str, Any] = {"color": INKS[0].color, "linewidth": 1.8, "zorder": 3} | style
    axes.plot(values, curve["estimate"], **look)
    edges = regions["low"].to_numpy(dtype=float)[1:]
    for edge in edges:
        axes.axvline(edge, color=INKS[1].color, linestyle="--", linewidth=1.2, zorder=2)
        axes.text(edge, 0.99, f" {edge:.3g}", transform=axes.get_xaxis_transform(), va="top", fontsize="small")
    observed = np.unique(result.fit.design.predictors[result.moderator].to_numpy(dtype=float))
    ticks: dict[str, Any] = {"color": GREY, "marker": "|", "markersize": 7, "linestyle": "", "zorder": 3}
    axes.plot(observed, np.full(observed.size, 0.015), transform=axes.get_xaxis_transform(), **ticks)
    axes.set_xlim(values[0], values[-1])
    outcome, focal, moderator = (
        words(name) for name in (result.fit.response.strip("`"), result.focal, result.moderator)
    )
    axes.set_xlabel(f"{moderator}\n(shaded: the slope differs from zero; ticks: values observed)")
    what = f"per unit of {focal}" if result.pair is None else f"between levels of {focal}"
    axes.set_ylabel(f"Points of {outcome} {what}\n(band: {interval_words(level)})")
    inside = int(regions.loc[regions["kind"] != "unclear", "n"].sum())
    counts = f"N = {counted(result.fit.n_obs, 'row')}, {inside} in shaded regions"
    axes.set_title(f"{outcome}: slope of {focal} by {moderator}\n{counts}", fontsize="medium")
    return axes
