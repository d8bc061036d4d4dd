"""Eigenvalues of items against those of random answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alliance_stats.errors import counted
from alliance_stats.plots.canvas import GREY, INKS, axes_for
from alliance_stats.scales.factor_number import ParallelAnalysis

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_parallel_analysis(result: ParallelAnalysis, *, ax: Axes | None = None, **style: Any) -> Axes:
    """Draw the observed eigenvalues and those that random answers give.

    Parameters
    ----------
    result : ParallelAnalysis
        What to draw; its ``tidy()``.
    ax : matplotlib Axes, optional
        Where to draw; a new figure if left out.
    **style
        Passed to ``Axes.plot`` for the observed eigenvalues.

    Returns
    -------
    matplotlib Axes
    """
    axes = axes_for(ax)
    table = result.tidy()
    numbers = table["term"].astype(int)
    kind = str(table["kind"].iloc[0])
    look = {"color": INKS[0].color, "marker": INKS[0].marker, "linestyle": "-", "zorder": 3, "label": "answers"}
    axes.plot(numbers, table["estimate"], **{**look, **style})
    share = f"{100 * result.quantile:g}% of random answers lie below"
    axes.plot(numbers, table["random_quantile"], color=INKS[1].color, linestyle="--", zorder=2, label=share)
    axes.plot(numbers, table["random_mean"], color=GREY, linestyle=":", zorder=2, label="mean of random answers")
    axes.set_xticks(list(numbers))
    axes.set_xlabel("Number of the eigenvalue")
    axes.set_ylabel("Eigenvalue" if kind == "components" else "Eigenvalue (communalities in the diagonal)")
    axes.set_title(f"{counted(result.suggested, kind[:-1])} above the line, N = {result.n}", fontsize="medium")
    axes.legend(frameon=False, fontsize="small")
    return axes
