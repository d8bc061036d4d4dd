"""Axes, colours and words that all pictures share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GREY = "#6E6E6E"
PALE = "#B8B8B8"


@dataclass(frozen=True)
class Ink:
    """Colour and marker; the marker tells levels apart in grey print."""

    color: str
    marker: str


INKS = (Ink("#0072B2", "o"), Ink("#D55E00", "s"), Ink("#009E73", "D"), Ink("#CC79A7", "^"), Ink("#000000", "v"))
"""Colours that colour-blind readers tell apart (Okabe & Ito, 2008, https://jfly.uni-koeln.de/color/)."""


def axes_for(ax: Axes | None, *, width: float = 6.4, height: float = 4.4) -> Axes:
    """Return the given axes, or those of a new figure of that size in inches."""
    if ax is None:
        from matplotlib import pyplot

        ax = pyplot.subplots(figsize=(width, height), layout="constrained")[1]
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def words(name: str) -> str:
    """Return a column name as words; dollar signs stay signs, which would else begin a formula."""
    return name.replace("_", " ").replace("$", r"\$").strip()


def interval_words(level: float) -> str:
    """Return the name of an interval: "95% interval" for 0.95."""
    return f"{100 * level:g}% interval"


def interval_text(estimate: float, low: float, high: float, level: float) -> str:
    """Return "1.21, 95% interval 0.91 to 1.52", with as many decimals as the width of the interval carries."""
    width = high - low
    decimals = max(0, 2 - int(math.log10(width))) if width > 0 else 2
    shown = [f"{value:.{decimals}f}".replace("-", "\N{MINUS SIGN}") for value in (estimate, low, high)]
    return f"{shown[0]}, {interval_words(level)} {shown[1]} to {shown[2]}"


def leave_headroom(axes: Axes, share: float = 0.16) -> None:
    """Raise the upper end of the y axis, so that a legend at the top meets no data."""
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + share * (high - low))
