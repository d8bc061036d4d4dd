"""Scores around sudden gains, aligned on the session before the gain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alliance_stats.errors import counted
from alliance_stats.plots.canvas import GREY, INKS, axes_for, interval_words, leave_headroom, words
from alliance_stats.process.gain_matching import GainContrast
from alliance_stats.process.sudden_gains import PLACES, SuddenGains

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LABELS = tuple(place.replace("-", "\N{MINUS SIGN}") for place in PLACES)


def plot_sudden_gains(result: SuddenGains, *, ax: Axes | None = None, level: float = 0.95, **style: Any) -> Axes:
    """Draw the scores around every sudden gain, thin, and their means with intervals, thick.

    Parameters
    ----------
    result : SuddenGains
        What to draw; n is the session before the gain. Without any gain the picture says so.
    ax : matplotlib Axes, optional
        Where to draw; a new figure if left out.
    level : float in (0, 1)
        Of the intervals.
    **style
        Passed to ``Axes.errorbar`` for the means.

    Returns
    -------
    matplotlib Axes
    """
    from matplotlib.collections import LineCollection

    axes = axes_for(ax)
    changes = result.changes("gain")
    courses = changes[[f"{result.outcome}_{place}" for place in PLACES]].to_numpy(dtype=float)
    steps = np.arange(len(PLACES))
    lines = [np.column_stack([steps, course])[~np.isnan(course)] for course in courses]
    if lines:
        fade = float(np.clip(30 / len(lines), 0.2, 0.7))
        axes.add_collection(LineCollection(lines, colors=GREY, linewidths=0.6, alpha=fade, zorder=1, label="one gain"))
    rows = result.tidy(level=level).query("term == 'score' and kind == 'gain'").set_index("category").loc[list(PLACES)]
    mean = rows["estimate"].to_numpy(float)
    reach = np.nan_to_num(rows["conf_high"].to_numpy(float) - mean)
    look: dict[str, Any] = {
        "color": INKS[0].color,
        "marker": INKS[0].marker,
        "linewidth": 2.2,
        "capsize": 3,
        "zorder": 3,
    }
    axes.axvspan(2, 3, color=INKS[1].color, alpha=0.10, linewidth=0, zorder=0)
    if lines:
        label = f"mean, {interval_words(level)}"
        axes.errorbar(steps, mean, yerr=reach, **({**look, "label": label} | style))
        axes.autoscale_view()
    else:
        _say_none(axes, int(result.glance()["n_intervals_judged"].iloc[0]))
    axes.set_xticks(steps, LABELS)
    axes.set_xlabel("Session; the gain lies between n and n+1")
    axes.set_ylabel(f"{words(result.outcome)}, points ({words(result.direction)})")
    people = changes[result.series.units.columns[0]].nunique()
    size = f"N = {counted(len(changes), 'gain')} of {counted(people, 'patient')}"
    axes.set_title(f"Sudden gains, {words(result.criterion.key)}\n{size}", fontsize="medium")
    if lines:
        leave_headroom(axes)
        axes.legend(frameon=False, fontsize="small", loc="upper right")
    return axes


def _say_none(axes: Axes, judged: int) -> None:
    """Write that there is no gain where the courses would be."""
    axes.set_xlim(-0.25, len(PLACES) - 0.75)
    axes.set_yticks([])
    text = f"No sudden gain in {counted(judged, 'interval')} judged"
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=GREY)


def plot_gain_contrast(result: GainContrast, *, ax: Axes | None = None, level: float = 0.95, **style: Any) -> Axes:
    """Draw a rating around sudden gains and around the same sessions of matched patients.

    Parameters
    ----------
    result : GainContrast
        What to draw.
    ax : matplotlib Axes, optional
        Where to draw; a new figure if left out.
    level : float in (0, 1)
        Of the intervals.
    **style
        Passed to ``Axes.errorbar``.

    Returns
    -------
    matplotlib Axes
    """
    axes = axes_for(ax)
    table = result.tidy(level=level)
    steps = np.arange(len(PLACES))
    for shift, (group, ink) in zip((-0.06, 0.06), (("gain", INKS[0]), ("control", INKS[1])), strict=True):
        rows = table[(table["term"] == "score") & (table["group"] == group)].set_index("category").loc[list(PLACES)]
        mean = rows["estimate"].to_numpy(float)
        reach = np.nan_to_num(rows["conf_high"].to_numpy(float) - mean)
        look: dict[str, Any] = {
            "color": ink.color,
            "marker": ink.marker,
            "linewidth": 1.8,
            "capsize": 3,
            "label": group,
        }
        axes.errorbar(steps + shift, mean, yerr=reach, **(look | style))
    axes.set_xticks(steps, LABELS)
    axes.set_xlabel("Session; the gain lies between n and n+1")
    axes.set_ylabel(f"{words(result.column)}, points (mean, {interval_words(level)})")
    pairs = f"N = {counted(len(result.pairs), 'pair')}; at each session the pairs rated there"
    axes.set_title(f"{words(result.column)} around sudden gains\n{pairs}", fontsize="medium")
    leave_headroom(axes)
    axes.legend(frameon=False, fontsize="small", loc="upper left", ncols=2)
    return axes
