"""One page of checks of a mixed model."""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from alliance_stats.errors import DataError, counted, unknown_name
from alliance_stats.inference.diagnostics import Diagnostics
from alliance_stats.plots.canvas import GREY, INKS, PALE, axes_for, interval_words, leave_headroom, words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Panel: TypeAlias = Literal["residuals", "quantiles", "effects", "spread", "influence", "coefficients"]

SHOWN_LEVELS = 40
"""Bars of the most influential levels."""


def plot_diagnostics(result: Diagnostics, *, panel: Panel | None = None, ax: Axes | None = None, **style: Any) -> Axes:
    """Draw the checks of a mixed model on one page, or one of them.

    Top row: scaled residuals against fitted values; ordered residuals, and ordered predicted effects, against the normal
    distribution with pointwise intervals. Bottom row: size of the scaled residuals in fifths of the fitted values and of the
    sessions with intervals (1 where the model holds); Cook's distance of the most influential levels of the coarsest factor;
    change of each fixed effect without each of those levels, in standard errors of the whole fit. Levels are numbered by
    influence; no label of the data is shown.

    Parameters
    ----------
    result : Diagnostics
        What to draw; everything stands in its ``tidy`` tables.
    panel : {"residuals", "quantiles", "effects", "spread", "influence", "coefficients"}, optional
        One picture instead of the page.
    ax : matplotlib Axes, optional
        Where to draw the panel; a new figure if left out.
    **style
        Passed to the points of every picture drawn, for example ``color`` or ``alpha``.

    Returns
    -------
    matplotlib Axes
        Of the panel, or of the first picture of the page.

    Raises
    ------
    DataError
        If axes are given without a panel, or there is no such panel.
    """
    if panel is not None:
        if panel not in _PANELS:
            raise unknown_name(DataError, "panel", str(panel), list(_PANELS))
        axes = axes_for(ax)
        _PANELS[panel](result, axes, style)
        return axes
    if ax is not None:
        raise DataError.build(
            "The page of checks has six pictures; it does not fit one ax.",
            hint=f"name one with panel=, of {', '.join(_PANELS)}, or leave ax out.",
        )
    from matplotlib import pyplot

    figure, grid = pyplot.subplots(2, 3, figsize=(13.5, 8.2), layout="constrained")
    for axes, draw in zip(grid.ravel(), _PANELS.values(), strict=True):
        draw(result, axes_for(axes), style)
    sizes = [counted(len(result.residuals), "row")]
    sizes += [counted(len(own), words(str(group))) for group, own in result.levels.groupby("group", sort=False)]
    figure.suptitle(f"{words(result.outcome)}: checks of the model, N = {', '.join(sizes)}", fontsize="medium")
    first: Axes = grid[0, 0]
    return first


def _residuals(result: Diagnostics, axes: Axes, style: dict[str, Any]) -> None:
    """Draw scaled residuals against fitted values."""
    rows = result.residuals
    fade = float(np.clip(300 / len(rows), 0.15, 0.8))
    look: dict[str, Any] = {"s": 9, "alpha": fade, "color": INKS[0].color, "linewidth": 0}
    axes.scatter(rows["fitted"], rows["scaled"], **(look | style))
    axes.axhline(0.0, color=GREY, linewidth=0.9)
    axes.set_xlabel(f"Fitted {words(result.outcome)}")
    axes.set_ylabel("Residual, in its standard deviations")
    axes.set_title("Residuals and fitted values", fontsize="medium")


def _quantiles(result: Diagnostics, axes: Axes, style: dict[str, Any]) -> None:
    """Draw ordered residuals against normal quantiles."""
    table = result.quantiles[result.quantiles["kind"] == "residual"]
    _ordered(axes, table, 0, "", style)
    axes.set_ylabel("Residual, in its standard deviations")
    axes.set_title("Residuals in order", fontsize="medium")


def _effects(result: Diagnostics, axes: Axes, style: dict[str, Any]) -> None:
    """Draw ordered predicted effects of each factor and term against normal quantiles."""
    table = result.quantiles[result.quantiles["kind"] == "effect"]
    for place, ((group, term), own) in enumerate(table.groupby(["group", "term"], sort=False)):
        _ordered(axes, own, place, f"{words(str(group))}: {words(str(term))}", style)
    axes.set_ylabel("Predicted effect, in its standard deviations")
    axes.set_title("Predicted effects in order", fontsize="medium")
    if table.empty:
        axes.text(0.5, 0.5, "no effect has a variance", transform=axes.transAxes, ha="center", color=GREY)
    else:
        axes.legend(frameon=False, loc="upper left", fontsize="small")


def _ordered(axes: Axes, table: pd.DataFrame, place: int, label: str, style: dict[str, Any]) -> None:
    """Draw ordered values with their pointwise interval and the line they should lie on."""
    if table.empty:
        return
    ink = INKS[place % len(INKS)]
    axes.fill_between(
        table["expected"], table["conf_low"], table["conf_high"], color=ink.color, alpha=0.13, linewidth=0
    )
    ends = [table["expected"].min(), table["expected"].max()]
    axes.plot(ends, ends, color=GREY, linewidth=0.9)
    look: dict[str, Any] = {"color": ink.color, "marker": ink.marker, "markersize": 3.2, "linestyle": "", "alpha": 0.8}
    axes.plot(table["expected"], table["estimate"], **(look | style), label=label)
    axes.set_xlabel(f"Normal quantile (band: pointwise {interval_words(float(table['conf_level'].iloc[0]))})")


def _spread(result: Diagnostics, axes: Axes, style: dict[str, Any]) -> None:
    """Draw the size of scaled residuals in fifths of each variable."""
    table = result.spread
    groups = list(table.groupby("predictor", sort=False))
    for place, (name, own) in enumerate(groups):
        ink = INKS[place % len(INKS)]
        x = own["level"].to_numpy() + 0.12 * (place - (len(groups) - 1) / 2)
        axes.vlines(x, own["conf_low"], own["conf_high"], color=ink.color, linewidth=1.6)
        look: dict[str, Any] = {"color": ink.color, "marker": ink.marker, "markersize": 6, "linewidth": 0.8}
        axes.plot(x, own["estimate"], **(look | style), label="fitted value" if name == "fitted" else words(str(name)))
    axes.axhline(1.0, color=GREY, linewidth=0.9)
    axes.set_xticks(range(1, int(table["level"].max()) + 1))
    axes.set_xlabel("Fifth of the rows, from the lowest to the highest values")
    leave_headroom(axes)
    axes.set_ylabel(f"Size of scaled residuals ({interval_words(float(table['conf_level'].iloc[0]))})")
    axes.set_title("Spread of the residuals (1: as the model says)", fontsize="medium")
    axes.legend(frameon=False, fontsize="small")


def _influence(result: Diagnostics, axes: Axes, style: dict[str, Any]) -> None:
    """Draw Cook's distance of the most influential levels of the coarsest factor."""
    group = _coarsest(result)
    whole = result.levels[result.levels["group"] == group]
    table = whole[np.isfinite(whole["cooks_distance"])].head(SHOWN_LEVELS)
    colours = [INKS[1].color if flagged else PALE for flagged in table["flagged"]]
    look: dict[str, Any] = {"color": colours, "width": 0.75}
    axes.bar(table["level"], table["cooks_distance"], **(look | style))
    axes.axhline(float(whole["flag_above"].iloc[0]), color=GREY, linewidth=0.9, linestyle="--")
    without = len(whole) - int(np.isfinite(whole["cooks_distance"]).sum())
    left = f"; {without} without a finite distance" if without else ""
    shown = f", the first {len(table)}" if len(table) < len(whole) - without else ""
    axes.set_xlabel(f"{words(group)}, numbered by influence{shown}{left}")
    axes.set_ylabel("Cook's distance (dashed: flagged above)")
    axes.set_title(f"Influence of each {words(group)} on the fixed effects", fontsize="medium")


def _coefficients(result: Diagnostics, axes: Axes, style: dict[str, Any]) -> None:
    """Draw the change of each fixed effect without each level of the coarsest factor."""
    group = _coarsest(result)
    table = result.coefficients[result.coefficients["group"] == group]
    level = float(table["conf_level"].iloc[0])
    z = NormalDist().inv_cdf((1 + level) / 2)
    axes.axvspan(-z, z, color=PALE, alpha=0.3, linewidth=0)
    axes.axvline(0.0, color=GREY, linewidth=0.9)
    terms = list(dict.fromkeys(table["term"]))
    for row, term in enumerate(terms):
        own = table[(table["term"] == term) & np.isfinite(table["change_whole"])]
        look: dict[str, Any] = {"color": INKS[0].color, "marker": "o", "markersize": 4, "linestyle": "", "alpha": 0.6}
        axes.plot(own["change_whole"], np.full(len(own), row), **(look | style))
        if own.empty:
            continue
        outer = own.loc[own["change_whole"].abs().idxmax()]
        place = (float(outer["change_whole"]), row)
        axes.annotate(
            str(outer["level"]), place, xytext=(0, 6), textcoords="offset points", ha="center", fontsize=8, color=GREY
        )
    axes.set_yticks(range(len(terms)), [words(term) for term in terms], fontsize="small")
    axes.set_ylim(len(terms) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(
        f"Change in standard errors, the largest numbered\n(band: {interval_words(level)} of the whole fit)"
    )
    axes.set_title(f"Fixed effects without each {words(group)}", fontsize="medium")


def _coarsest(result: Diagnostics) -> str:
    """Return the diagnosed grouping factor with the fewest levels."""
    return str(result.levels.groupby("group", sort=False).size().idxmin())


_PANELS: dict[str, Callable[[Diagnostics, Axes, dict[str, Any]], None]] = {
    "residuals": _residuals,
    "quantiles": _quantiles,
    "effects": _effects,
    "spread": _spread,
    "influence": _influence,
    "coefficients": _coefficients,
}
"""Pictures of the page, in reading order."""
