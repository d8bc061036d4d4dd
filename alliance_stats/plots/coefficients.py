"""Slopes with their intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from alliance_stats.errors import counted
from alliance_stats.inference.coefficient_tests import CoefficientTests
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.plots.canvas import INKS, Ink, words
from alliance_stats.plots.intervals import draw_intervals, shared_interval
from alliance_stats.process.alliance_outcome import AllianceOutcome
from alliance_stats.process.level_effects import LevelEffects

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_coefficients(
    result: LevelEffects | AllianceOutcome | LmmFit | CoefficientTests, *, ax: Axes | None = None, **style: Any
) -> Axes:
    """Draw slopes with their intervals.

    Of a result by level: the slopes of its predictors at each level, without covariates. Of a mixed model or its
    tests: all fixed effects except the intercept. Slopes have the unit outcome points per predictor point, so compare
    lengths only between predictors in the same unit.

    Parameters
    ----------
    result : LevelEffects, AllianceOutcome, LmmFit or CoefficientTests
        What to draw; the rows of its ``tidy()``.
    ax : matplotlib Axes, optional
        Where to draw; a new figure if left out.
    **style
        Passed to ``Axes.plot`` for intervals and markers, for example ``color`` or ``markersize``.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    DataError
        If there is nothing but an intercept.
    """
    if isinstance(result, LmmFit):
        return _fixed_effects(result.tidy(), result.response.strip("`"), result.n_obs, ax=ax, style=style)
    if isinstance(result, CoefficientTests):
        return _fixed_effects(result.tidy(), result.outcome, result.n, ax=ax, style=style)
    table = result.tidy()
    places = ["session", *result.levels]
    table = table[table["predictor"].isin(result.predictors) & table["level"].isin(places)]
    inks = [_ink(places.index(level)) for level in table["level"]]
    starts = range(len(places), len(table), len(places))
    axes = draw_intervals(table, _labels(table, len(result.predictors)), inks, starts=starts, ax=ax, style=style)
    predictor = words(result.predictors[0]) if len(result.predictors) == 1 else "the predictor"
    axes.set_xlabel(_slope_label(result.outcome, predictor, table))
    sizes = [counted(len(result.frame), "session")]
    sizes += [counted(int(result.frame[column].nunique()), level) for level, column in result.levels.items()]
    lag = f", {counted(result.lag, 'session')} later" if result.lag else ""
    axes.set_title(f"{words(result.outcome)}{lag}: slope at each level\nN = {', '.join(sizes)}", fontsize="medium")
    return axes


def _fixed_effects(table: pd.DataFrame, outcome: str, n: int, *, ax: Axes | None, style: dict[str, Any]) -> Axes:
    """Draw all fixed effects of a mixed model but the intercept."""
    if "group" in table:
        table = table[table["group"].isna() | (table["group"] == "")]
    table = table[~table["term"].isin(["Intercept", "(Intercept)"])]
    labels = [words(str(term)) for term in table["term"]]
    axes = draw_intervals(table, labels, [_ink(0)] * len(table), ax=ax, style=style)
    axes.set_xlabel(_slope_label(words(outcome), "the predictor", table))
    axes.set_title(f"{words(outcome)}: fixed effects\nN = {counted(n, 'row')}", fontsize="medium")
    return axes


def _slope_label(outcome: str, predictor: str, table: pd.DataFrame) -> str:
    """Return the label of an axis of slopes: the unit, and what the lines are."""
    return f"Slope: points of {words(outcome)} per unit of {predictor}\n(line: {shared_interval(table)})"


def _ink(place: int) -> Ink:
    """Return the look of the n-th level."""
    return INKS[place % len(INKS)]


def _labels(table: pd.DataFrame, n_predictors: int) -> list[str]:
    """Return "support, session (n = 240)" per row, the predictor only where there are several."""
    return [
        f"{words(predictor) + ', ' if n_predictors > 1 else ''}{level} (n = {n})"
        for predictor, level, n in zip(table["predictor"], table["level"], table["n"], strict=True)
    ]
