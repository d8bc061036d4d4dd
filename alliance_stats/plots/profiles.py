"""Profiles of a mixed model's parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from alliance_stats.errors import DataError, counted, unknown_name
from alliance_stats.inference.confidence_intervals import ConfidenceIntervals
from alliance_stats.plots.canvas import GREY, INKS, axes_for, interval_text, words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

N_ACROSS = 3
"""Panels side by side."""


def plot_profiles(
    result: ConfidenceIntervals, *, parameter: str | None = None, ax: Axes | None = None, **style: Any
) -> Axes:
    """Draw how fast the likelihood falls on both sides of an estimate, with the interval that this gives.

    The curve is zeta, the signed root of the deviance's rise. A straight line means that estimate plus or minus standard
    errors would do as well; a bent one that the interval is not symmetric, as those of small variances are. Where a curve
    ends before the interval's level is reached, the parameter's range ends there.

    Parameters
    ----------
    result : ConfidenceIntervals
        Of method "profile"; its ``tidy()`` and ``tidy("curve")``.
    parameter : str, optional
        Which parameter: a fixed effect's term, "SD of session by patient", "correlation of Intercept, session by patient"
        or "residual SD". All of them, each in its panel, if left out.
    ax : matplotlib Axes, optional
        Where to draw one parameter; a new figure if left out.
    **style
        Passed to ``Axes.plot`` for the curve.

    Returns
    -------
    matplotlib Axes
        The first panel if there are several.

    Raises
    ------
    DataError
        If the intervals are not from profiles, there is no such parameter, or axes are given for several parameters.
    """
    if result.method != "profile":
        raise DataError.build(
            f"Intervals of method '{result.method}' have no profiles.",
            hint='use confidence_intervals(fit, method="profile"), or plot the fit or the bootstrap itself.',
        )
    table = result.tidy()
    names = [_name(row) for _, row in table.iterrows()]
    if parameter is not None and parameter not in names:
        raise unknown_name(DataError, "parameter", parameter, names)
    if parameter is not None or len(names) == 1:
        position = 0 if parameter is None else names.index(parameter)
        axes = axes_for(ax)
        _panel(axes, result, table.iloc[position], style)
        axes.set_title(f"{_heading(result)}\n{axes.get_title()}", fontsize="medium")
        return axes
    if ax is not None:
        raise DataError.build(
            f"One pair of axes cannot hold {len(names)} profiles.", hint=f"name one with parameter={names[0]!r}, say."
        )
    return _panels(result, table, style)


def _panels(result: ConfidenceIntervals, table: pd.DataFrame, style: dict[str, Any]) -> Axes:
    """Draw every parameter in a panel of its own and return the first."""
    from matplotlib import pyplot

    across = min(N_ACROSS, len(table))
    down = -(-len(table) // across)
    figure, grid = pyplot.subplots(
        down, across, figsize=(3.3 * across, 2.7 * down + 0.5), layout="constrained", squeeze=False, sharey=True
    )
    panels = list(grid.ravel())
    for panel, (_, row) in zip(panels, table.iterrows(), strict=False):
        _panel(axes_for(panel), result, row, style)
    for panel in panels[len(table) :]:
        panel.set_visible(False)
    for panel in (panel for row in grid for panel in row[1:]):
        panel.set_ylabel("")
    figure.suptitle(_heading(result), fontsize="medium")
    first: Axes = panels[0]
    return first


def _panel(axes: Axes, result: ConfidenceIntervals, row: pd.Series[Any], style: dict[str, Any]) -> None:
    """Draw the curve of one parameter, and its interval on the line of zeta = 0."""
    curve = result.tidy("curve")
    keys = ["group", "term", "term2", "kind"]
    own = curve[(curve[keys] == row[keys]).all(axis=1)]
    axes.axhline(0.0, color=GREY, linewidth=0.9, zorder=1)
    for limit in (row["conf_low"], row["conf_high"]):
        axes.axvline(limit, color=GREY, linewidth=0.9, linestyle=":", zorder=1)
    look: dict[str, Any] = {"color": INKS[0].color, "linewidth": 1.8, "zorder": 3} | style
    axes.plot(own["value"], own["zeta"], **look)
    ink = INKS[4]
    axes.plot([row["conf_low"], row["conf_high"]], [0.0, 0.0], color=ink.color, linewidth=2.2, zorder=2)
    axes.plot([row["estimate"]], [0.0], color=ink.color, marker="o", markersize=5.0, linestyle="", zorder=4)
    numbers = interval_text(row["estimate"], row["conf_low"], row["conf_high"], row["conf_level"])
    axes.set_title(f"{_label(row)}\n{numbers}", fontsize="small")
    axes.set_xlabel(_unit(row, result), fontsize="small")
    axes.set_ylabel("zeta (signed root of deviance)", fontsize="small")


def _heading(result: ConfidenceIntervals) -> str:
    """Return outcome and N."""
    return f"{words(result.outcome.strip('`'))}: profile likelihood\nN = {counted(result.n, 'row')}"


def _name(row: pd.Series[Any]) -> str:
    """Return the name by which a parameter is chosen."""
    kind, term, term2, group = (str(row[key]) for key in ("kind", "term", "term2", "group"))
    return {
        "fixed": term,
        "sd": f"SD of {term} by {group}",
        "correlation": f"correlation of {term}, {term2} by {group}",
        "residual_sd": "residual SD",
    }[kind]


def _label(row: pd.Series[Any]) -> str:
    """Return a parameter's name as words."""
    return words(_name(row))


def _unit(row: pd.Series[Any], result: ConfidenceIntervals) -> str:
    """Return what the parameter is measured in."""
    outcome = words(result.outcome.strip("`"))
    if row["kind"] == "correlation":
        return "correlation"
    if row["kind"] == "residual_sd" or row["term"] == "Intercept":
        return f"points of {outcome}"
    return f"points of {outcome} per unit of {words(str(row['term']))}"
