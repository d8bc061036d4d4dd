"""Lagged effects of alliance and symptoms, both directions and three models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from alliance_stats.errors import DataError, counted, unknown_name
from alliance_stats.plots.canvas import INKS, words
from alliance_stats.plots.intervals import draw_intervals, shared_interval
from alliance_stats.process.reciprocal import Reciprocal

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

Shown = Literal["cross", "long_run", "autoregression"]

TITLES: dict[str, str] = {
    "cross": "Effects one session later",
    "long_run": "Long-run effects",
    "autoregression": "Carry-over to the next session",
}
MODELS = {"multilevel": "multilevel", "ri_clpm": "RI-CLPM", "dynamic_panel": "dynamic panel"}


def plot_reciprocal(result: Reciprocal, *, kind: Shown = "cross", ax: Axes | None = None, **style: Any) -> Axes:
    """Draw the effects of both directions by model.

    Effects are drawn in SDs within patients, so that the two directions can be compared; the same SDs for all models. Where
    the multilevel model differs from the others, think of the bias its notes explain.

    Parameters
    ----------
    result : Reciprocal
        What to draw; the rows of its ``tidy()``, interval ends scaled as ``std_estimate`` is.
    kind : {"cross", "long_run", "autoregression"}
        Which effects.
    ax : matplotlib Axes, optional
        Where to draw; a new figure if left out.
    **style
        Passed to ``Axes.plot`` for intervals and markers.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    DataError
        If the kind is unknown.
    """
    if not isinstance(kind, str) or kind not in TITLES:
        raise unknown_name(DataError, "kind of effect", str(kind), list(TITLES))
    table = result.tidy()
    table = table[table["kind"] == kind].sort_values("outcome", key=lambda name: name != result.symptom, kind="stable")
    scale = table["std_estimate"] / table["estimate"]
    low, high = table["conf_low"] * scale, table["conf_high"] * scale
    shown = table.assign(estimate=table["std_estimate"], conf_low=low, conf_high=high)
    inks = [INKS[list(MODELS).index(model)] for model in shown["model"]]
    first = int((shown["outcome"] == result.symptom).sum())
    axes = draw_intervals(shown, _labels(shown), inks, starts=[first], ax=ax, style=style)
    axes.set_xlabel(f"SDs within patients per SD within patients\n(line: {shared_interval(shown)})")
    size = f"N = {counted(result.n_patients, 'patient')}, sessions {result.sessions[0]} to {result.sessions[-1]}"
    axes.set_title(f"{TITLES[kind]}, both directions\n{size}", fontsize="medium")
    return axes


def _labels(table: pd.DataFrame) -> list[str]:
    """Return "alliance to symptom, RI-CLPM" per row, with the session where effects vary."""
    return [
        f"{words(predictor)} to {words(outcome)}, {MODELS[model]}" + ("" if missing else f", session {session}")
        for predictor, outcome, model, session, missing in zip(
            table["predictor"], table["outcome"], table["model"], table["session"], table["session"].isna(), strict=True
        )
    ]
