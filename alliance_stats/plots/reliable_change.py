"""First against last scores, with the lines between which change is not reliable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alliance_stats.plots.canvas import GREY, INKS, PALE, Ink, axes_for, words
from alliance_stats.scales.clinical_significance import ClinicalSignificance
from alliance_stats.scales.reliable_change import ReliableChange

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOOKS = {
    "recovered": INKS[0],
    "improved": INKS[2],
    "unchanged": Ink(GREY, "x"),
    "deteriorated": INKS[1],
    "harmed": INKS[3],
}
"""Colour and marker of each class; the markers tell them apart in grey print."""


def plot_reliable_change(
    result: ReliableChange | ClinicalSignificance, *, ax: Axes | None = None, **style: Any
) -> Axes:
    """Draw each person's last score over the first one.

    People on the thin diagonal did not change; those in the grey band changed by less than is reliable. Dashed lines
    are cut-offs: a person who recovered crossed from one side of the vertical to the other side of the horizontal one.

    Parameters
    ----------
    result : ReliableChange or ClinicalSignificance
        What to draw; its ``frame``, and the bands of the change.
    ax : matplotlib Axes, optional
        Where to draw; a new figure if left out.
    **style
        Passed to ``Axes.plot`` for the markers.

    Returns
    -------
    matplotlib Axes
    """
    change = result.change if isinstance(result, ClinicalSignificance) else result
    axes = axes_for(ax, width=5.8, height=5.4)
    _draw_bands(axes, change)
    classes = next(iter(result.labels.values())) if isinstance(result, ClinicalSignificance) else change.classes
    n_drawn = 0
    for name, look in LOOKS.items():
        chosen = (classes == name) & change.people
        if chosen.any():
            n_drawn += int(chosen.sum())
            form: dict[str, Any] = {"color": look.color, "marker": look.marker, "markersize": 5.5, "linestyle": ""}
            label = f"{name} ({int(chosen.sum())})"
            axes.plot(change.pre[chosen], change.post[chosen], label=label, **{**form, **style})
    if isinstance(result, ClinicalSignificance):
        for place, (name, cutoff) in enumerate(result.cutoffs.items()):
            line = ("--", ":", "-.")[place % 3]
            axes.axvline(cutoff.value, color=GREY, linestyle=line, linewidth=1.0, zorder=1)
            axes.axhline(cutoff.value, color=GREY, linestyle=line, linewidth=1.0, zorder=1, label=f"{words(name)}")
    axes.set_xlabel(f"First score, points of {words(str(change.summary['outcome']))}")
    axes.set_ylabel("Last score, points")
    better = "above" if change.direction == "higher_is_better" else "below"
    people = "1 person" if n_drawn == 1 else f"{n_drawn} people"
    axes.set_title(f"{words(change.method)}: better is {better} the diagonal\nN = {people}", fontsize="medium")
    axes.legend(frameon=False, fontsize="small", loc="best")
    return axes


def _draw_bands(axes: Axes, change: ReliableChange) -> None:
    """Draw the diagonal and the band of unreliable change."""
    known = np.concatenate([change.pre[change.people], change.post[change.people]])
    ends = [float(np.nanmin(known)), float(np.nanmax(known))]
    axes.plot(ends, ends, color=GREY, linewidth=0.9, zorder=1)
    if len(change.bands):
        first = change.bands["pre"].to_numpy()
        low, high = change.bands["post_low"].to_numpy(), change.bands["post_high"].to_numpy()
        axes.fill_between(first, low, high, color=PALE, alpha=0.45, linewidth=0, zorder=0, label="not reliable")
