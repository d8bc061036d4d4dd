"""The outcome over sessions as the model sees it."""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from alliance_stats.errors import ColumnError, counted
from alliance_stats.plots.canvas import GREY, INKS, axes_for, interval_words, leave_headroom, words
from alliance_stats.process.alliance_outcome import AllianceOutcome
from alliance_stats.process.level_effects import LevelEffects
from alliance_stats.process.parts import CONF_LEVEL

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_trajectories(result: LevelEffects | AllianceOutcome, *, ax: Axes | None = None, **style: Any) -> Axes:
    """Draw the model's trajectory of each patient, thin, and the mean of its fixed part, thick.

    A thin line holds the fixed and the random part for one patient's own sessions. The thick line is the fixed part,
    averaged over the patients present in a session, with its Wald interval. When patients leave, it changes with them.

    Parameters
    ----------
    result : LevelEffects or AllianceOutcome
        What to draw; its ``frame`` needs the column ``session``.
    ax : matplotlib Axes, optional
        Where to draw; a new figure if left out.
    **style
        Passed to ``Axes.plot`` for the thick line.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ColumnError
        If the rows analysed have no column ``session``.
    """
    from matplotlib.collections import LineCollection
    from matplotlib.ticker import MaxNLocator

    if "session" not in result.frame:
        raise ColumnError.missing(["session"], result.frame.columns, hint="trajectories run over session numbers.")
    unit, column = next(iter(result.levels.items()))
    rows = result.frame[[column, "session"]].assign(
        whole=np.asarray(result.fit.fitted(), dtype=float),
        fixed=np.asarray(result.fit.predict(random=False), dtype=float),
    )
    axes = axes_for(ax)
    ordered = rows.sort_values("session")
    lines = [own[["session", "whole"]].to_numpy(dtype=float) for _, own in ordered.groupby(column, observed=True)]
    fade = float(np.clip(60 / len(lines), 0.25, 0.9))
    thin = LineCollection(lines, colors=GREY, linewidths=0.6, alpha=fade, zorder=1, label=f"one {unit}")
    axes.add_collection(thin)
    mean = rows.groupby("session")["fixed"].mean()
    reach = _reach(result)
    text = "mean of the fixed part"
    if reach is not None:
        text += f", {interval_words(CONF_LEVEL)}"
        low, high = (mean + sign * reach for sign in (-1, 1))
        axes.fill_between(mean.index, low, high, color=INKS[0].color, alpha=0.35, linewidth=0, zorder=2)
    look: dict[str, Any] = {"color": INKS[0].color, "linewidth": 2.4, "zorder": 3, "label": text}
    axes.plot(mean.index, mean.to_numpy(), **(look | style))
    axes.autoscale_view()
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("Session number")
    axes.set_ylabel(f"{words(result.outcome)}, points (model)")
    size = f"N = {counted(len(rows), 'session')} of {counted(len(lines), unit)}"
    axes.set_title(f"{words(result.outcome)} over sessions, as modelled\n{size}", fontsize="medium")
    leave_headroom(axes)
    axes.legend(frameon=False, fontsize="small", loc="upper left")
    return axes


def _reach(result: LevelEffects | AllianceOutcome) -> pd.Series[float] | None:
    """Return half the interval of the mean fixed part per session; None when a term is not a column (a category)."""
    terms = [str(term).strip("`") for term in result.fit.fixed_effects.index]
    columns = result.frame.assign(Intercept=1.0)
    if any(term not in columns or not is_numeric_dtype(columns[term]) for term in terms):
        return None
    means = columns.astype(dict.fromkeys(terms, float)).groupby(columns["session"])[terms].mean()
    x = means.to_numpy()
    variance = np.einsum("ij,jk,ik->i", x, result.fit.fixed_covariance.to_numpy(), x)
    return pd.Series(NormalDist().inv_cdf(0.5 + CONF_LEVEL / 2) * np.sqrt(variance), index=means.index)
