"""Courses of patients and the mean curve of each group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alliance_stats.plots.canvas import GREY, INKS, axes_for, counted, interval_words, leave_headroom, words
from alliance_stats.process.growth import Growth

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def plot_growth(
    result: Growth, *, ax: Axes | None = None, level: float = 0.95, patients: bool = True, **style: Any
) -> Axes:
    """Draw the mean curve of each group with its band over the ratings of single patients.

    Parameters
    ----------
    result : Growth
        What to draw; its ``tidy("curve")``, ``tidy("observations")`` and ``tidy("break")``.
    ax : matplotlib Axes, optional
        Where to draw; a new figure if left out.
    level : float in (0, 1)
        Of the bands, which hold at each time, not for the whole curve.
    patients : bool
        Draw the ratings of single patients.
    **style
        Passed to ``Axes.plot`` for the curves.

    Returns
    -------
    matplotlib Axes
    """
    from matplotlib.ticker import MaxNLocator

    axes = axes_for(ax)
    curves = result.tidy("curve", level=level)
    breaks = result.tidy("break", level=level)
    if patients:
        _draw_patients(axes, result)
    for number, group in enumerate(result.groups):
        own, ink = curves[curves["group"] == group], INKS[number % len(INKS)]
        axes.fill_between(own["time"], own["conf_low"], own["conf_high"], color=ink.color, alpha=0.25, linewidth=0)
        name = "mean" if result.by is None else f"{words(result.by)}: {group}"
        look: dict[str, Any] = {"color": ink.color, "linewidth": 2.4, "label": f"{name} (n = {own['n'].iloc[0]})"}
        look |= {"marker": ink.marker, "markevery": 12, "markersize": 5.5}
        axes.plot(own["time"], own["estimate"], **(look | style))
    _draw_breaks(axes, breaks)
    axes.set_xlabel(words(result.time))
    axes.set_ylabel(f"{words(result.outcome)}, points (band: {interval_words(level)})")
    n_rows = len(result.model.data.rows)
    size = f"N = {counted(n_rows, 'rating')} of {counted(int(result.glance()['n_patients'].iloc[0]), 'patient')}"
    axes.set_title(f"{words(result.outcome)}: {words(result.form)} course\n{size}", fontsize="medium")
    leave_headroom(axes)
    # lines of breaks run through the legend
    axes.legend(fontsize="small", loc="upper left", ncols=2, edgecolor="none", framealpha=0.9)
    if (curves["time"].iloc[[0, -1]] % 1 == 0).all():
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return axes


def _draw_patients(axes: Axes, result: Growth) -> None:
    """Draw each patient's ratings as a faint line, in the colour of the group."""
    from matplotlib.collections import LineCollection

    rows = result.tidy("observations")
    n_patients = int(rows["level"].max())
    fade = float(np.clip(20 / n_patients, 0.06, 0.5))
    for number, group in enumerate(result.groups):
        own = rows[rows["group"] == group]
        lines = [part[["time", "value"]].to_numpy(dtype=float) for _, part in own.groupby("level")]
        color = INKS[number % len(INKS)].color if result.by else GREY
        axes.add_collection(LineCollection(lines, colors=color, linewidths=0.6, alpha=fade, zorder=1))
    axes.autoscale_view()


def _draw_breaks(axes: Axes, breaks: pd.DataFrame) -> None:
    """Draw breaks as lines, an estimated one with its interval."""
    for row in breaks.to_dict("records"):
        known = row["kind"] == "given"
        name = "break as given" if known else f"break ({interval_words(row['conf_level'])})"
        axes.axvline(
            row["estimate"], color=GREY, linewidth=1.1, linestyle="--" if known else "-.", label=name, zorder=1
        )
        if not known:
            axes.axvspan(row["conf_low"], row["conf_high"], color=GREY, alpha=0.15, linewidth=0, zorder=0)
