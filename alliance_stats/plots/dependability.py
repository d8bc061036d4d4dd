"""Reliability against the number of sessions, items, raters or patients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alliance_stats.plots.canvas import GREY, INKS, axes_for, words
from alliance_stats.scales.dependability import Dependability

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STYLES = ("-", "--", ":", "-.")


def plot_dependability(result: Dependability, *, ax: Axes | None = None, **style: Any) -> Axes:
    """Draw reliability against the number of conditions, with the wished value.

    The facet with most planned numbers is on the x axis. Colours are designs of the second facet (at most five), drawn for the
    first planned number of any other. Solid lines are relative coefficients, dashed ones absolute.

    Parameters
    ----------
    result : Dependability
        What to draw; its ``tidy()``.
    ax : matplotlib Axes, optional
        Where to draw; a new figure if left out.
    **style
        Passed to ``Axes.plot`` for the curves.

    Returns
    -------
    matplotlib Axes
    """
    axes = axes_for(ax)
    table = result.tidy()
    first, *others = (f"n_{name}" for name in result.facets)
    for column in others[1:]:
        table = table[table[column] == table[column].iloc[0]]
    axes.axhline(result.wished, color=GREY, linewidth=1.0, zorder=1)
    across = axes.get_yaxis_transform()
    axes.text(
        0.01, result.wished, f"wished {result.wished:g}", transform=across, color=GREY, fontsize="small", va="bottom"
    )
    designs = list(dict.fromkeys(table[others[0]])) if others else [None]
    for ink, number in zip(INKS, designs, strict=False):
        for line, kind in zip(STYLES, ("relative", "absolute"), strict=False):
            chosen = table[(table["kind"] == kind) & ((table[others[0]] == number) if number is not None else True)]
            label = kind if number is None else f"{number:.4g} {_plural(others[0])}, {kind}"
            look = {"color": ink.color, "marker": ink.marker, "markersize": 4, "linestyle": line, "zorder": 3}
            axes.plot(chosen[first], chosen["estimate"], label=label, **{**look, **style})
    axes.set_ylim(0.0, 1.0)
    axes.set_xlabel(f"Number of {_plural(first)}")
    axes.set_ylabel(f"Reliability of the means of {words(result.objects)}s")
    axes.legend(frameon=False, fontsize="small", loc="lower right")
    return axes


def _plural(column: str) -> str:
    """Return "sessions" for "n_session"."""
    return f"{words(column.removeprefix('n_'))}s"
