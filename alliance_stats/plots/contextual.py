"""Differences between the slopes of neighbouring levels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alliance_stats.errors import counted
from alliance_stats.plots.canvas import INKS, words
from alliance_stats.plots.intervals import draw_intervals, shared_interval
from alliance_stats.process.contextual import ContextualTest

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_contextual_test(result: ContextualTest, *, ax: Axes | None = None, **style: Any) -> Axes:
    """Draw the slope of the outer level minus that of the inner one, for each pair of neighbouring levels.

    An interval that leaves out zero says that one slope for both levels would be wrong; one that holds zero does not say
    that the slopes are equal.

    Parameters
    ----------
    result : ContextualTest
        What to draw; the rows of its ``tidy()``.
    ax : matplotlib Axes, optional
        Where to draw; a new figure if left out.
    **style
        Passed to ``Axes.plot`` for intervals and markers.

    Returns
    -------
    matplotlib Axes
    """
    table = result.tidy()
    predictors = list(dict.fromkeys(table["predictor"]))
    pairs = list(dict.fromkeys(table["level"]))
    labels = [
        f"{words(predictor) + ', ' if len(predictors) > 1 else ''}{level.replace(' - ', ' minus ')}"
        for predictor, level in zip(table["predictor"], table["level"], strict=True)
    ]
    inks = [INKS[pairs.index(level) % len(INKS)] for level in table["level"]]
    first = table["predictor"].drop_duplicates().index[1:]
    axes = draw_intervals(table, labels, inks, starts=[int(row) for row in first], ax=ax, style=style)
    unit = words(predictors[0]) if len(predictors) == 1 else "the predictor"
    axes.set_xlabel(
        f"Difference of slopes: points of {words(result.outcome)} per unit of {unit}\n(line: {shared_interval(table)})"
    )
    size = f"N = {counted(result.n_rows, 'row')}, {result.means} means"
    axes.set_title(f"{words(result.outcome)}: do neighbouring levels have one slope?\n{size}", fontsize="medium")
    return axes
