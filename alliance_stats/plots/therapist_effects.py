"""Therapists in the order of their shrunken estimates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alliance_stats.errors import DataError, counted, unknown_name
from alliance_stats.plots.canvas import GREY, INKS, axes_for, interval_words, leave_headroom, words
from alliance_stats.process.therapist_effects import TherapistEffects

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D


def plot_therapist_effects(
    result: TherapistEffects, *, ax: Axes | None = None, model: str | None = None, term: str = "mean", **style: Any
) -> Axes:
    """Draw a caterpillar plot: each therapist's estimate with its interval, from the lowest to the highest.

    Therapists are shown by number. Those whose interval leaves out the average have another colour and marker. Where the
    variance between therapists is estimated at zero there are no intervals, and the title says so.

    Parameters
    ----------
    result : TherapistEffects
        What to draw; its ``estimates()``.
    ax : matplotlib Axes, optional
        Where to draw; a new figure if left out.
    model : str, optional
        "without caseload" or "with caseload"; the last one if left out.
    term : str
        The effect: "mean", or the slope's name.
    **style
        Passed to ``Axes.plot`` for intervals and markers.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    DataError
        If there is no such model or effect.
    """
    table = result.estimates()
    model = list(result.fits)[-1] if model is None else model
    for name, value in (("model", model), ("term", term)):
        if value not in list(table[name]):
            raise unknown_name(DataError, name, str(value), list(dict.fromkeys(table[name])))
    own = table[(table["model"] == model) & (table["term"] == term)].sort_values(["estimate", "level"])
    axes = axes_for(ax, width=7.0)
    axes.axhline(0.0, color=GREY, linewidth=0.9, zorder=1)
    kinds = _draw_therapists(axes, own, style)
    step = -(-len(own) // 20)
    axes.set_xticks(range(0, len(own), step), [str(level) for level in own["level"]][::step])
    first = "lowest values" if result.direction is None else "best values"
    last = table[(table["model"] == list(result.fits)[-1]) & (table["term"] == "mean")]
    axes.set_xlabel(f"Therapist, numbered by {'plain mean' if _zero(last) else 'rank'} (1: {first})")
    level = float(own["conf_level"].iloc[0])
    axes.set_ylabel(f"{words(result.outcome)}: {term}, deviation from\nthe average therapist ({interval_words(level)})")
    size = f"N = {counted(result.caseload.n_patients, 'patient')} of {counted(len(own), 'therapist')}"
    title = f"{words(result.outcome)}: therapists, {model}, shrunken\n{size}"
    if _zero(own):
        title += "\nvariance estimated at zero: therapists cannot be told apart"
        axes.set_yticks([0.0])
    axes.set_title(title, fontsize="medium")
    leave_headroom(axes)
    axes.legend(list(kinds.values()), list(kinds), frameon=False, fontsize="small", loc="upper left")
    return axes


def _zero(own: pd.DataFrame) -> bool:
    """Tell whether an effect's variance is estimated at zero, so that its therapists have no intervals."""
    return bool(own["conf_low"].isna().all())


def _draw_therapists(axes: Axes, own: pd.DataFrame, style: dict[str, Any]) -> dict[str, Line2D]:
    """Draw one marker and interval per row; return a marker of each kind for the legend."""
    kinds: dict[str, Line2D] = {}
    ends = zip(own["estimate"], own["conf_low"], own["conf_high"], strict=True)
    for place, (estimate, low, high) in enumerate(ends):
        apart = low > 0 or high < 0
        ink = INKS[1] if apart else INKS[0]
        look: dict[str, Any] = {"color": ink.color, "marker": ink.marker, "markersize": 4.5, "linewidth": 1.3} | style
        name = f"interval {'leaves out' if apart else 'holds'} the average"
        if _zero(own):
            look, name = {"markerfacecolor": "none"} | look, "no interval"
        else:
            axes.plot([place, place], [low, high], **{**look, "marker": ""})
        kinds[name] = axes.plot([place], [estimate], **{**look, "linestyle": ""})[0]
    return kinds
