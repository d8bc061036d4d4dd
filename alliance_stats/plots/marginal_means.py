"""Marginal means with their intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from alliance_stats.errors import DataError, counted
from alliance_stats.inference.marginal_means import MarginalMeans
from alliance_stats.inference.predictors import shown
from alliance_stats.plots.canvas import INKS, axes_for, interval_words, leave_headroom, words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 0.36
"""Width over which the means at one place are spread, places being one apart."""


def plot_marginal_means(result: MarginalMeans, *, ax: Axes | None = None, level: float = 0.95, **style: Any) -> Axes:
    """Draw the means of the first predictor in ``by``, one series for each combination of the others.

    Parameters
    ----------
    result : MarginalMeans
        What to draw; its ``tidy()``.
    ax : matplotlib Axes, optional
        Where to draw; a new figure if left out.
    level : float in (0, 1)
        Of the intervals.
    **style
        Passed to ``Axes.plot`` for intervals and markers.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    DataError
        If no mean can be estimated.
    """
    table = result.tidy(level=level).assign(place=_places(result), series=_series(result))
    table = table[table["estimate"].notna()]
    if table.empty:
        raise DataError.build("No mean can be estimated.", hint="look at result.tidy().")
    axes = axes_for(ax)
    names = list(dict.fromkeys(table["series"]))
    offsets = np.linspace(-WIDTH / 2, WIDTH / 2, len(names)) if len(names) > 1 else np.zeros(1)
    for number, (name, offset) in enumerate(zip(names, offsets, strict=True)):
        own, ink = table[table["series"] == name], INKS[number % len(INKS)]
        look: dict[str, Any] = {"color": ink.color, "marker": ink.marker, "markersize": 6.5, "linewidth": 1.8} | style
        places = own["place"].to_numpy(dtype=float) + offset
        axes.plot(places, own["estimate"], **{**look, "linewidth": 0.8, "linestyle": ":", "label": name})
        for place, low, high in zip(places, own["conf_low"], own["conf_high"], strict=True):
            axes.plot([place, place], [low, high], **{**look, "marker": ""})
    _finish(axes, result, table, level)
    return axes


def _places(result: MarginalMeans) -> list[int]:
    """Return the number of each cell's value of the first predictor."""
    values = list(result.grid.cells[result.grid.by[0]])
    order = list(dict.fromkeys(values))
    return [order.index(value) for value in values]


def _series(result: MarginalMeans) -> list[str]:
    """Return the values of all predictors but the first."""
    grid = result.grid
    others = [*grid.by[1:], *grid.conditions]
    return [", ".join(f"{words(name)}: {shown(row[name])}" for name in others) for _, row in grid.cells.iterrows()]


def _finish(axes: Axes, result: MarginalMeans, table: pd.DataFrame, level: float) -> None:
    """Write labels, legend and title."""
    first = result.grid.by[0]
    values = list(dict.fromkeys(result.grid.cells[first]))
    axes.set_xticks(range(len(values)), [shown(value) for value in values])
    axes.set_xlim(-0.6, len(values) - 0.4)
    axes.set_xlabel(words(first))
    outcome = words(result.fit.response.strip("`"))
    axes.set_ylabel(f"Mean of {outcome} (line: {interval_words(level)})")
    if table["series"].nunique() > 1:
        leave_headroom(axes)
        axes.legend(frameon=False, loc="upper center", ncols=2, fontsize="small")
    axes.set_title(f"{outcome}: marginal means\nN = {counted(result.fit.n_obs, 'row')}", fontsize="medium")
