"""Which patients have which sessions, and how many are left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alliance_stats.errors import counted
from alliance_stats.loaders.session_check import SessionCheck
from alliance_stats.plots.canvas import INKS, PALE, axes_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_session_check(result: SessionCheck, *, ax: Axes | None = None, **style: Any) -> Axes:
    """Draw the map of sessions by patients, with the share of patients left at each session as a line.

    Parameters
    ----------
    result : SessionCheck
        Made by `check_sessions`.
    ax : matplotlib Axes, optional
        Where to draw; a new figure if left out.
    **style
        Passed on to the line of patients left.

    Returns
    -------
    matplotlib Axes
        Patients are rows, those with the longest course on top; no id is shown.
    """
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch
    from matplotlib.ticker import MaxNLocator

    axes = axes_for(ax, width=7.0, height=5.0)
    cells = result.availability
    n_patients, n_sessions = cells.shape
    first = result.first_session
    colours = ["white", PALE, INKS[0].color]
    axes.imshow(
        cells,
        aspect="auto",
        interpolation="nearest",
        cmap=ListedColormap(colours),
        vmin=0,
        vmax=2,
        extent=(first - 0.5, first + n_sessions - 0.5, n_patients + 0.5, 0.5),
    )
    left = result.attrition.iloc[:n_sessions]
    # On this axis a patient is a row, so the number of patients left is a height.
    axes.step(
        np.append(left["session"] - 0.5, left["session"].iloc[-1] + 0.5),
        np.append(left["n_remaining"], left["n_remaining"].iloc[-1]) + 0.5,
        where="post",
        **{"color": INKS[1].color, "linewidth": 2.0, **style},
    )
    axes.set_xlim(first - 0.5, first + n_sessions - 0.5)
    axes.set_ylim(n_patients + 0.5, 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("session")
    axes.set_ylabel("patients, longest course first")
    last = left["share_remaining"].iloc[-1]
    axes.set_title(
        f"{counted(n_patients, 'patient')}, {result.n_rows} rows; {last:.0%} left at session {left['session'].iloc[-1]}"
    )
    handles = [Patch(facecolor=colours[2], label="rated"), Patch(facecolor=PALE, label="row without a rating")]
    handles.append(Patch(facecolor=INKS[1].color, label="patients left"))
    axes.legend(handles=handles, loc="lower right", frameon=True)
    return axes
