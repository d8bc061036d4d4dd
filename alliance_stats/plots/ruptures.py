"""When ruptures begin, over sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alliance_stats.errors import counted
from alliance_stats.plots.canvas import INKS, axes_for, interval_words, words
from alliance_stats.process.ruptures import Ruptures

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_ruptures(result: Ruptures, *, ax: Axes | None = None, level: float = 0.95, **style: Any) -> Axes:
    """Draw the share of ratings at which a rupture began, session by session.

    Parameters
    ----------
    result : Ruptures
        What to draw. The line breaks at sessions in which no rating could be judged.
    ax : matplotlib Axes, optional
        Where to draw; a new figure if left out.
    level : float in (0, 1)
        Of the intervals.
    **style
        Passed to ``Axes.errorbar``.

    Returns
    -------
    matplotlib Axes
    """
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    axes = axes_for(ax)
    rows = result.tidy(level=level).query("term == 'onset'").set_index("session")
    first, last = int(rows.index.min()), int(rows.index.max())
    rows = rows.reindex(range(first, last + 1))
    share = rows["estimate"].to_numpy(float)
    below = (rows["estimate"] - rows["conf_low"]).clip(lower=0).to_numpy(float)
    above = (rows["conf_high"] - rows["estimate"]).clip(lower=0).to_numpy(float)
    look: dict[str, Any] = {"color": INKS[0].color, "marker": INKS[0].marker, "linewidth": 1.4, "capsize": 3}
    axes.errorbar(np.arange(first, last + 1.0), share, yerr=[below, above], **(look | style))
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("Session number")
    axes.set_ylabel(f"Share in which a rupture began ({interval_words(level)})")
    counts = result.glance().iloc[0]
    ends = ", ".join(f"{counts[f'n_{name}']} {name}" for name in ("repaired", "unrepaired", "open"))
    size = f"N = {counted(int(counts['n_ruptures']), 'rupture')} of {counted(int(counts['n_patients_judged']), 'patient')} judged"
    axes.set_title(
        f"Ruptures of {words(result.alliance)}, {words(result.criterion.key)}\n{size}: {ends}", fontsize="medium"
    )
    return axes
