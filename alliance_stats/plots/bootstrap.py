"""Bootstrap draws as histograms, one row per parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from alliance_stats.errors import DataError
from alliance_stats.inference.bootstrap import Bootstrap
from alliance_stats.plots.canvas import GREY, INKS, axes_for, interval_text, words
from alliance_stats.plots.intervals import shared_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

N_BINS = 40
TALLEST = 0.72
"""Height of the tallest bar of a row; rows are one apart."""


def plot_bootstrap(result: Bootstrap, *, ax: Axes | None = None, **style: Any) -> Axes:
    """Draw the distribution of the draws of each parameter, with its percentile interval.

    Each row has its own unit, the standard deviation of its draws, and its estimate at zero: a skewed row tells that an
    interval of plus or minus two standard errors would mislead, a row whose middle is off zero tells of bias. A bar on
    the left edge of a standard deviation's row are replicates with a variance of zero.

    Parameters
    ----------
    result : Bootstrap
        What to draw; its ``draws`` and ``tidy()``.
    ax : matplotlib Axes, optional
        Where to draw; a new figure if left out.
    **style
        Passed to ``Axes.stairs`` for the histograms.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    DataError
        If no parameter varies over the draws.
    """
    table = result.tidy()
    varies = (table["std_error"] > 0).to_numpy()
    if not varies.any():
        raise DataError.build("No parameter varies over the draws.", hint="look at result.tidy().")
    table, draws = table[varies], result.draws[:, varies]
    axes = axes_for(ax, width=8.0, height=1.5 + 0.62 * len(table))
    axes.axvline(0.0, color=GREY, linewidth=0.9, zorder=1)
    look: dict[str, Any] = {"color": INKS[0].color, "fill": True, "alpha": 0.55, "zorder": 2} | style
    centre, spread = (table[name].to_numpy(dtype=float) for name in ("estimate", "std_error"))
    limits = (table[["conf_low", "conf_high"]].to_numpy(dtype=float) - centre[:, None]) / spread[:, None]
    for row, scaled in enumerate(((draws - centre) / spread).T):
        counts, edges = np.histogram(scaled[~np.isnan(scaled)], bins=N_BINS)
        axes.stairs(row - TALLEST * counts / counts.max(), edges, baseline=row, **look)
        axes.plot(limits[row], [row + 0.09] * 2, color=INKS[4].color, linewidth=1.8, solid_capstyle="butt", zorder=3)
    axes.set_yticks(range(len(table)), [_label(row) for _, row in table.iterrows()])
    axes.set_ylim(len(table) - 0.6, -TALLEST - 0.15)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(f"Draw minus estimate, in SDs of the draws\n(line: percentile {shared_interval(table)})")
    title = f"{words(result.fit.response.strip('`'))}: {result.kind} bootstrap"
    axes.set_title(f"{title}\nN = {len(draws)} replicates, {result.n_failed} failed", fontsize="medium")
    return axes


def _label(row: pd.Series[Any]) -> str:
    """Return a parameter's name with its estimate and interval."""
    kind, term, term2, group = (words(str(row[name])) for name in ("kind", "term", "term2", "group"))
    name = {
        "fixed": term,
        "statistic": term,
        "sd": f"SD of {term} by {group}",
        "correlation": f"correlation of {term}, {term2} by {group}",
        "residual sd": "residual SD",
    }[kind]
    numbers = interval_text(row["estimate"], row["conf_low"], row["conf_high"], row["conf_level"])
    return f"{name}\n{numbers}"
