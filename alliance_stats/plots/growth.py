"""Courses of patients and the mean curve of each group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

from alliance_stats.errors import counted
from alliance_stats.plots.canvas import GREY, INKS, axes_for, interval_words, leave_headroom, words
from alliance_stats.process.arguments import truth
from alliance_stats.process.growth import Growth

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

MOST_PATIENTS = 200
"""Lines of single patients beyond which they are one grey surface, and slow to draw."""

WIDEST = 28
"""Letters of a line of the legend, which has two columns."""

INSIDE = 4
"""Lines of a legend that find place above the curves; longer ones stand below the axes."""


@dataclass(frozen=True)
class Look:
    """Colour, marker and line of a curve; marker and line tell groups apart in grey print."""

    color: str
    marker: str
    line: str


# Orange and sky blue: Okabe & Ito (2008), https://jfly.uni-koeln.de/color/; wine: Paul Tol's muted scheme,
# https://sronpersonalpages.nl/~pault/.
FURTHER = (Look("#E69F00", "P", "--"), Look("#56B4E9", "X", "--"), Look("#882255", "*", "--"))
LOOKS = (*(Look(ink.color, ink.marker, "-") for ink in INKS), *FURTHER)
"""One look for each group; growth() compares no more groups than there are."""


def plot_growth(
    result: Growth, *, ax: Axes | None = None, level: float | None = None, patients: bool = True, **style: Any
) -> Axes:
    """Draw the mean curve of each group with its band over the ratings of single patients.

    Of many patients 200 are drawn, at equal steps among those sorted by group and ratings, so that neither ids nor the order of
    rows decide who is seen. The title says how many.

    Parameters
    ----------
    result : Growth
        What to draw; its ``tidy("curve")``, ``tidy("observations")`` and ``tidy("break")``.
    ax : matplotlib Axes, optional
        Where to draw; a new figure if left out.
    level : float in (0, 1), optional
        Of the bands, which hold at each time, not for the whole curve; that of the result if left out.
    patients : bool
        Draw the ratings of single patients, of 200 at most.
    **style
        Passed to ``Axes.plot`` for the curves.

    Returns
    -------
    matplotlib Axes
    """
    from matplotlib.ticker import MaxNLocator

    level = result.level if level is None else level
    curves = result.tidy("curve", level=level)
    breaks = result.tidy("break", level=level)
    names = _names(result, curves)
    n_lines = _legend_lines([*names, *breaks["kind"]])
    inside = n_lines <= INSIDE
    axes = axes_for(ax, height=4.4 if inside else 4.4 + 0.17 * n_lines)
    drawn = _draw_patients(axes, result) if truth(patients, "patients") else ""
    for look, name, group in zip(LOOKS, names, result.groups, strict=False):
        own = curves[curves["group"] == group]
        axes.fill_between(own["time"], own["conf_low"], own["conf_high"], color=look.color, alpha=0.25, linewidth=0)
        drawing: dict[str, Any] = {"color": look.color, "linewidth": 2.4, "linestyle": look.line, "label": name}
        drawing |= {"marker": look.marker, "markevery": 12, "markersize": 5.5}
        axes.plot(own["time"], own["estimate"], **(drawing | style))
    _draw_breaks(axes, breaks)
    axes.set_xlabel(words(result.time))
    axes.set_ylabel(f"{words(result.outcome)}, points (band: {interval_words(level)})")
    n_rows = len(result.model.data.rows)
    size = f"N = {counted(n_rows, 'rating')} of {counted(int(result.glance()['n_patients'].iloc[0]), 'patient')}"
    axes.set_title(f"{words(result.outcome)}: {words(result.form)} course\n{size}{drawn}", fontsize="medium")
    place: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.14)}
    if inside:
        leave_headroom(axes, 0.06 + 0.05 * n_lines)
        place = {"loc": "upper left"}
    # lines of breaks run through the legend
    axes.legend(fontsize="small", ncols=2, edgecolor="none", framealpha=0.9, **place)
    if (curves["time"].iloc[[0, -1]] % 1 == 0).all():
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return axes


def _names(result: Growth, curves: pd.DataFrame) -> list[str]:
    """Return the name of each group for the legend, in short lines, no two the same."""
    sizes = [int(curves.loc[curves["group"] == group, "n"].iloc[0]) for group in result.groups]
    if result.by is None:
        return [f"mean (n = {sizes[0]})"]
    whole = [words(result.by) + ": " + group.replace("$", r"\$") for group in result.groups]
    short = ["\n".join(wrap(name, WIDEST, max_lines=3, placeholder=" …")) for name in whole]
    if len(set(short)) < len(short):
        short = [f"{number}. {name}" for number, name in enumerate(short, 1)]
    return [f"{name} (n = {size})" for name, size in zip(short, sizes, strict=True)]


def _legend_lines(names: Sequence[str]) -> int:
    """Return how many lines a legend of two columns has."""
    heights = [name.count("\n") + 1 for name in names]
    half = -(-len(heights) // 2)
    return max(sum(heights[:half]), sum(heights[half:]))


def _draw_patients(axes: Axes, result: Growth) -> str:
    """Draw ratings of patients as faint lines in the colours of the groups; return how many were drawn, if not all."""
    from matplotlib.collections import LineCollection

    rows = result.tidy("observations")
    n_patients = int(rows["level"].max())
    n_drawn = min(n_patients, MOST_PATIENTS)
    chosen = np.linspace(1, n_patients, n_drawn).round().astype(np.int64)
    rows = rows[rows["level"].isin(chosen)]
    fade = float(np.clip(20 / n_drawn, 0.06, 0.5))
    for look, group in zip(LOOKS, result.groups, strict=False):
        own = rows[rows["group"] == group]
        lines = [part[["time", "value"]].to_numpy(dtype=float) for _, part in own.groupby("level")]
        color = look.color if result.by else GREY
        axes.add_collection(LineCollection(lines, colors=color, linewidths=0.6, alpha=fade, zorder=1))
    axes.autoscale_view()
    return "" if n_drawn == n_patients else f", {n_drawn} of them drawn"


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
