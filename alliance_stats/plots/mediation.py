"""Indirect effect and paths of a mediation model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from alliance_stats.errors import DataError, counted, unknown_name
from alliance_stats.plots.canvas import INKS, words
from alliance_stats.plots.intervals import LETTER, SHORT, draw_intervals, shared_interval
from alliance_stats.process.mediation import Mediation

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

Shown = Literal["effects", "a", "b"]

PANELS: dict[Shown, tuple[str, ...]] = {
    "effects": ("indirect", "c_prime", "total", "cov_ab"),
    "a": ("a",),
    "b": ("b", "b_within"),
}
"""Rows that share a unit, in the order of the picture."""

INK_OF = {"effect": 0, "path": 1, "covariance": 2}
ROW, FRAME = 0.4, 0.95
"""Inches that an estimate takes, and the axis with its label."""


def plot_mediation(result: Mediation, *, part: Shown | None = None, ax: Axes | None = None, **style: Any) -> Axes:
    """Draw indirect, direct and total effect, and the two paths, each unit in a panel of its own.

    Parameters
    ----------
    result : Mediation
        What to draw; the rows of its ``tidy()``.
    part : {"effects", "a", "b"}, optional
        One panel: the effects and the covariance that is part of the indirect one (outcome points per predictor point), path
        "a" (mediator points per predictor point), or path "b" (outcome points per mediator point). All three below each
        other if left out.
    ax : matplotlib Axes, optional
        Where to draw one panel, the effects if no part is named; a new figure if left out.
    **style
        Passed to ``Axes.plot`` for intervals and markers.

    Returns
    -------
    matplotlib Axes
        That of the effects if there are three; the others stand in its figure.

    Raises
    ------
    DataError
        If the part is unknown.
    """
    if part is not None and (not isinstance(part, str) or part not in PANELS):
        raise unknown_name(DataError, "part", str(part), list(PANELS))
    table = result.tidy()
    if part is not None or ax is not None:
        axes = _panel(result, table, part or "effects", ax, style)
        axes.set_title(_heading(result), fontsize="medium")
        return axes
    return _panels(result, table, style)


def _panels(result: Mediation, table: pd.DataFrame, style: dict[str, Any]) -> Axes:
    """Draw all panels below each other and return that of the effects."""
    from matplotlib import pyplot

    sizes = [FRAME + ROW * int(table["term"].isin(terms).sum()) for terms in PANELS.values()]
    longest = max(len(line) for label in _labels(result).values() for line in label.split("\n"))
    grid = pyplot.subplots(
        len(PANELS),
        1,
        figsize=(6.4 + LETTER * max(0, longest - SHORT), sum(sizes) + 0.6),
        layout="constrained",
        height_ratios=sizes,
    )[1]
    for part, panel in zip(PANELS, grid, strict=True):
        _panel(result, table, part, panel, style)
    first: Axes = grid[0]
    first.set_title(_heading(result), fontsize="medium")
    return first


def _panel(result: Mediation, table: pd.DataFrame, part: Shown, ax: Axes | None, style: dict[str, Any]) -> Axes:
    """Draw the rows of one unit."""
    from matplotlib.ticker import MaxNLocator

    rows = table.set_index("term", drop=False).reindex([term for term in PANELS[part] if term in set(table["term"])])
    inks = [INKS[INK_OF[kind]] for kind in rows["kind"]]
    starts = [list(rows["kind"]).index("covariance")] if "covariance" in set(rows["kind"]) else []
    labels = _labels(result)
    axes = draw_intervals(rows, [labels[term] for term in rows["term"]], inks, starts=starts, ax=ax, style=style)
    x, m, y = (words(name) for name in (result.predictor, result.mediator, result.outcome))
    unit = {
        "effects": f"{y} points per point of {x}",
        "a": f"{m} points per point of {x}",
        "b": f"{y} points per point of {m}",
    }
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlabel(f"{unit[part]}\n(line: {shared_interval(rows)})")
    return axes


def _labels(result: Mediation) -> dict[str, str]:
    """Return what each row is called."""
    x, m, y = (words(name) for name in (result.predictor, result.mediator, result.outcome))
    return {
        "indirect": f"indirect, by {m}",
        "c_prime": f"direct (c'), {m} held fixed",
        "total": "total",
        "cov_ab": "covariance of a and b,\nwhich is part of indirect",
        "a": f"a: {x} to {m}",
        "b": f"b: {m} to {y}",
        "b_within": f"b within patients: {m} to {y}",
    }


def _heading(result: Mediation) -> str:
    """Return level, design and N."""
    level = "within" if result.design == "1-1-1" else "between"
    size = f"N = {counted(result.n_patients, 'patient')}, {counted(result.n_chains, 'chain')} of sessions"
    return f"Mediation {level} patients ({result.design})\n{size}"
