"""The specification curve of a multiverse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from alliance_stats.errors import DataError, counted, unknown_name
from alliance_stats.plots.canvas import GREY, INKS, PALE, axes_for, interval_words, words
from alliance_stats.process.multiverse import Multiverse

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW = 0.07
"""Height of an option's row, as a share of the span of the curve."""


def plot_multiverse(result: Multiverse, *, level: str = "session", ax: Axes | None = None, **style: Any) -> Axes:
    """Draw the slopes of one level under all specifications, sorted, and below each the choices it is made of.

    Above: estimate and interval of every specification from the smallest to the largest, dark where the interval leaves out
    zero, and the median as a dashed line. Below: a mark for each option the specification has, in the same order, so that
    marks that crowd at one end show a choice that matters. Where alliance or outcome differ, slopes are standardised.

    Parameters
    ----------
    result : Multiverse
        What to draw; the rows of its ``tidy()``.
    level : str
        "session" or a further level of the result.
    ax : matplotlib Axes, optional
        Where to draw; a new figure if left out.
    **style
        Passed to ``Axes.scatter`` for the estimates, for example ``s`` or ``marker``.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    DataError
        If the result has no such level.
    """
    if level not in result.levels:
        raise unknown_name(DataError, "level", level, result.levels)
    table = result.tidy()
    names = [f"{'std_' if result.standardised else ''}{name}" for name in ("estimate", "conf_low", "conf_high")]
    table = table[table["level"] == level].sort_values([names[0], "model"], kind="stable").reset_index(drop=True)
    options = _options(result, table)
    axes = axes_for(ax, width=8.0, height=4.0 + 0.24 * len(options))
    curve = table[names].to_numpy(dtype=float)
    _draw_curve(axes, curve, style)
    middle = float(result.summary()["median"].to_numpy()[list(result.levels).index(level)])
    axes.axhline(middle, color=INKS[1].color, linewidth=1.2, linestyle="--", zorder=1.5)
    label = f"median {middle:.2g}".replace("-", "\N{MINUS SIGN}")
    axes.annotate(
        label,
        (0.005, middle),
        xycoords=("axes fraction", "data"),
        xytext=(0, 3),
        textcoords="offset points",
        color=INKS[1].color,
        fontsize="small",
    )
    _draw_choices(axes, options, (min(0.0, float(curve.min())), max(0.0, float(curve.max()))))
    kind = "Standardised slope" if result.standardised else f"Slope, points of {words(str(table['outcome'].iloc[0]))}"
    axes.set_ylabel(f"{kind}\n(line: {interval_words(float(table['conf_level'].to_numpy(dtype=float)[0]))})", loc="top")
    axes.set_xlim(-0.8, len(table) - 0.2)
    axes.set_xticks([])
    unclear = ((curve[:, 1] <= 0) & (curve[:, 2] >= 0)).any()
    axes.set_xlabel(
        "Specifications, from the smallest to the largest slope"
        + ("; grey: the interval holds zero" if unclear else "")
    )
    sizes = _sizes(table)
    axes.set_title(
        f"Slope at the {level} level under {counted(len(table), 'specification')}\n{sizes}", fontsize="medium"
    )
    return axes


def _draw_curve(axes: Axes, curve: np.ndarray, style: dict[str, Any]) -> None:
    """Draw estimates and intervals, shape (n, 3), dark where the interval leaves out zero."""
    places = np.arange(len(curve))
    clear = (curve[:, 1] > 0) | (curve[:, 2] < 0)
    for shown, color in ((~clear, GREY), (clear, INKS[0].color)):
        axes.vlines(places[shown], curve[shown, 1], curve[shown, 2], color=color, linewidth=1.0, alpha=0.55, zorder=2)
        look: dict[str, Any] = {"s": 14, "color": color, "linewidth": 0, "zorder": 3} | style
        axes.scatter(places[shown], curve[shown, 0], **look)
    axes.axhline(0.0, color=GREY, linewidth=0.9, zorder=1)


def _options(result: Multiverse, table: pd.DataFrame) -> list[tuple[str, str, np.ndarray]]:
    """Return choice, option, and the places of specifications with it, in the order of the picture."""
    found = []
    for name in result.dimensions:
        for option in dict.fromkeys(table.sort_values("model")[name].astype(str)):
            found.append((name, option, np.flatnonzero(table[name].astype(str) == option)))
    return found


def _draw_choices(axes: Axes, options: list[tuple[str, str, np.ndarray]], span: tuple[float, float]) -> None:
    """Draw the options below the curve, one row each, and name them beside the ticks of the slope."""
    from matplotlib.ticker import MaxNLocator

    low, high = span
    ticks = [float(tick) for tick in MaxNLocator(5).tick_values(low, high) if low <= tick <= high]
    step = ROW * (high - low)
    rows = [low - step * (place + 1.8) for place in range(len(options))]
    shown: list[str] = []
    labels = []
    for (name, option, where), row in zip(options, rows, strict=True):
        if name not in shown:
            shown.append(name)
            axes.axhline(row + step / 2, color=PALE, linewidth=0.6, zorder=0)
            labels.append(f"{words(name)}: {option}")
        else:
            labels.append(option)
        ink = INKS[(len(shown) - 1) % len(INKS)]
        axes.scatter(where, np.full(len(where), row), marker="|", s=22, color=ink.color, linewidth=1.2)
    numbers = [f"{tick:g}".replace("-", "\N{MINUS SIGN}") for tick in ticks]
    axes.set_yticks([*ticks, *rows], [*numbers, *labels], fontsize="small")
    axes.set_ylim((rows[-1] if rows else low) - step, high + step)


def _sizes(table: pd.DataFrame) -> str:
    """Return the smallest and the largest number of sessions."""
    low, high = int(table["n_sessions"].min()), int(table["n_sessions"].max())
    return f"N = {counted(low, 'session')}" if low == high else f"N = {low} to {high} sessions"
