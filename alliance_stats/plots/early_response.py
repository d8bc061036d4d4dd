"""What early change and the level at the start say about later ratings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alliance_stats.errors import counted
from alliance_stats.plots.canvas import INKS, words
from alliance_stats.plots.intervals import draw_intervals, shared_interval
from alliance_stats.process.early_response import EarlyResponse

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_early_response(result: EarlyResponse, *, ax: Axes | None = None, **style: Any) -> Axes:
    """Draw what one standard deviation of early change, and of the level at the start, is worth later.

    Both are in standard deviations between patients, so that their lengths can be compared. The difference later is a
    forecast, not the effect of early change.

    Parameters
    ----------
    result : EarlyResponse
        What to draw; ``std_estimate``, ``std_conf_low`` and ``std_conf_high`` of its ``tidy()``.
    ax : matplotlib Axes, optional
        Where to draw; a new figure if left out.
    **style
        Passed to ``Axes.plot`` for intervals and markers.

    Returns
    -------
    matplotlib Axes
    """
    table = result.tidy().dropna(subset="std_estimate").reset_index(drop=True)
    shown = table.assign(**{name: table[f"std_{name}"] for name in ("estimate", "conf_low", "conf_high")})
    names = {"early_slope": f"early change, up to {result.until:g}", "early_start": "level at the start"}
    labels = [names[term] for term in shown["term"]]
    axes = draw_intervals(shown, labels, INKS[: len(shown)], ax=ax, style=style)
    axes.set_xlabel(
        f"SDs of mean later {words(result.outcome)} per SD, both between patients\n(line: {shared_interval(shown)})"
    )
    size = f"N = {counted(result.fit.n_obs, 'later rating')} of {counted(len(result.patients), 'patient')}"
    axes.set_title(f"Early change and later {words(result.outcome)}\n{size}", fontsize="medium")
    return axes
