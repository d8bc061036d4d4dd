"""The slope within patients against the slope between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from alliance_stats.errors import DataError, counted, unknown_name
from alliance_stats.plots.canvas import GREY, INKS, PALE, Ink, axes_for, interval_text, leave_headroom, words
from alliance_stats.process.alliance_outcome import AllianceOutcome
from alliance_stats.process.level_effects import LevelEffects

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_within_between(
    result: LevelEffects | AllianceOutcome, *, predictor: str | None = None, ax: Axes | None = None, **style: Any
) -> Axes:
    """Draw the slope within patients and the slope between patients in one picture.

    Each dot is a patient: the mean predictor and the mean outcome of the analysed sessions, both as deviations from the
    therapist's (or the overall) mean. The short line through a dot is the session slope over the patient's own range.
    The long lines are the two slopes of the model with their intervals. Where they differ, one pooled slope is wrong.

    Parameters
    ----------
    result : LevelEffects or AllianceOutcome
        What to draw; slopes and intervals are those of its ``tidy()``.
    predictor : str, optional
        Which predictor; the first if left out.
    ax : matplotlib Axes, optional
        Where to draw; a new figure if left out.
    **style
        Passed to ``Axes.scatter`` for the patients.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    DataError
        If the result has no such predictor.
    """
    name = result.predictors[0] if predictor is None else predictor
    if name not in result.predictors:
        raise unknown_name(DataError, "predictor", name, result.predictors)
    unit = next(iter(result.levels))
    table = result.tidy()
    table = table[table["predictor"] == name]
    within, between = (table[table["level"] == level].iloc[0] for level in ("session", unit))
    patients = _patients(result, str(within["term"]), str(between["term"]))
    axes = axes_for(ax, width=6.8, height=5.0)
    _draw_patients(axes, patients, float(within["estimate"]), style)
    reach = float(patients[["low", "high"]].abs().to_numpy().max())
    _draw_slope(axes, within, reach, ink=INKS[0], dashed=True, label=f"Within {unit}s")
    _draw_slope(axes, between, reach, ink=INKS[1], dashed=False, label=f"Between {unit}s")
    above = "overall mean" if len(result.levels) == 1 else f"{list(result.levels)[1]}'s mean"
    axes.set_xlabel(f"{words(name)} (difference from the {above})")
    axes.set_ylabel(f"{words(result.outcome)} (difference from the {above})")
    size = f"N = {counted(len(result.frame), 'session')} of {counted(len(patients), unit)}"
    lag = f" {counted(result.lag, 'session')} later" if result.lag else ""
    axes.set_title(
        f"{words(name)} and {words(result.outcome)}{lag}, within and between {unit}s\n{size}", fontsize="medium"
    )
    leave_headroom(axes)
    axes.legend(frameon=False, loc="upper left", fontsize="small")
    return axes


def _patients(result: LevelEffects | AllianceOutcome, session_term: str, unit_term: str) -> pd.DataFrame:
    """Return x, y, low and high (reach of the session part around x), one row per patient."""
    columns = list(result.levels.values())
    rows = result.frame
    spread = rows.groupby(columns[0], observed=True).agg(
        x=(unit_term, "first"), y=(result.outcome, "mean"), low=(session_term, "min"), high=(session_term, "max")
    )
    if len(columns) > 1:
        above = rows.groupby(columns[1], observed=True)[result.outcome].mean()
        spread["y"] -= above.loc[rows.groupby(columns[0], observed=True)[columns[1]].first()].to_numpy()
    else:
        spread["y"] -= rows[result.outcome].mean()
    return spread.assign(low=spread["x"] + spread["low"], high=spread["x"] + spread["high"]).reset_index(drop=True)


def _draw_patients(axes: Axes, patients: pd.DataFrame, slope: float, style: dict[str, Any]) -> None:
    """Draw a dot per patient and the session slope through it."""
    from matplotlib.collections import LineCollection

    x, y = patients["x"].to_numpy(), patients["y"].to_numpy()
    fade = float(np.clip(100 / len(patients), 0.35, 1.0))
    ends = [patients["low"].to_numpy(), patients["high"].to_numpy()]
    segments = np.stack([np.column_stack([end, y + slope * (end - x)]) for end in ends], axis=1)
    axes.add_collection(LineCollection(list(segments), colors=PALE, linewidths=0.7, alpha=fade, zorder=1))
    look: dict[str, Any] = {"s": 12, "alpha": 0.5 + fade / 2, "color": GREY, "linewidth": 0, "zorder": 2}
    axes.scatter(x, y, **(look | style))


def _draw_slope(axes: Axes, row: pd.Series, reach: float, *, ink: Ink, dashed: bool, label: str) -> None:
    """Draw a slope through the centre with the wedge of its interval."""
    x = np.linspace(-reach, reach, 51)
    edges = [row["conf_low"] * x, row["conf_high"] * x]
    axes.fill_between(x, np.minimum(*edges), np.maximum(*edges), color=ink.color, alpha=0.18, linewidth=0, zorder=3)
    text = f"{label}: {interval_text(row['estimate'], row['conf_low'], row['conf_high'], row['conf_level'])}"
    line = "--" if dashed else "-"
    axes.plot(x, row["estimate"] * x, color=ink.color, linewidth=2.2, linestyle=line, zorder=4, label=text)
