"""Indirect effect and paths of a mediation model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alliance_stats.plots.canvas import INKS, counted, words
from alliance_stats.plots.intervals import draw_intervals, shared_interval
from alliance_stats.process.mediation import Mediation

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK_OF = {"effect": 0, "path": 1, "covariance": 2}


def plot_mediation(result: Mediation, *, ax: Axes | None = None, **style: Any) -> Axes:
    """Draw indirect and total effect, then the paths they are made of.

    Parameters
    ----------
    result : Mediation
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
    names = {"x": words(result.predictor), "m": words(result.mediator), "y": words(result.outcome)}
    labels = {
        "indirect": f"indirect: {names['x']} to {names['y']} by {names['m']}",
        "total": f"total: {names['x']} to {names['y']}",
        "a": f"a: {names['x']} to {names['m']}",
        "b": f"b: {names['m']} to {names['y']}",
        "c_prime": f"c': {names['x']} to {names['y']}, {names['m']} held fixed",
        "cov_ab": "covariance of the patients' a and b",
        "b_within": f"b within patients: {names['m']} to {names['y']}",
    }
    inks = [INKS[INK_OF[kind]] for kind in table["kind"]]
    starts = [int((table["kind"] == "effect").sum())]
    axes = draw_intervals(table, [labels[term] for term in table["term"]], inks, starts=starts, ax=ax, style=style)
    axes.set_xlabel(f"Points of the second rating per point of the first\n(line: {shared_interval(table)})")
    size = f"N = {counted(result.n_patients, 'patient')}, {counted(result.n_chains, 'chain')} of sessions"
    level = "within" if result.design == "1-1-1" else "between"
    axes.set_title(f"Mediation {level} patients ({result.design})\n{size}", fontsize="medium")
    return axes
