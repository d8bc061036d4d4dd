"""Estimates in the cells of a grid, some of which the data may not tell."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from alliance_stats.inference.linear import Cluster, DfMethod, Robust, linear_inference, t_quantile
from alliance_stats.inference.predictors import shown
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.mixed.levelsums import Floats
from alliance_stats.result import COLUMNS


@dataclass(frozen=True)
class InferenceMethod:
    """How fixed effects are tested.

    Parameters
    ----------
    df : str
    robust : str or None
    cluster : str or array-like or None
    """

    df: DfMethod = "satterthwaite"
    robust: Robust | None = None
    cluster: Cluster = field(default=None, repr=False)


@dataclass(frozen=True)
class Estimates:
    """Combinations of fixed effects with their standard errors.

    Parameters
    ----------
    combinations : ndarray, shape (k, p)
        NaN where the data do not tell.
    estimate, std_error, df : ndarray, each of shape (k,)
    method_note : str
    """

    combinations: Floats = field(repr=False)
    estimate: Floats
    std_error: Floats
    df: Floats
    method_note: str

    @property
    def statistic(self) -> Floats:
        """Estimate divided by its standard error, shape (k,)."""
        return self.estimate / self.std_error

    @property
    def known(self) -> np.ndarray:
        """Which are estimable, shape (k,)."""
        return ~np.isnan(self.estimate)

    def half_width(self, level: float) -> Floats:
        """Return half the width of each interval, shape (k,)."""
        return t_quantile(0.5 + level / 2.0, self.df) * self.std_error


def estimates_of(fit: LmmFit, combinations: Floats, method: InferenceMethod) -> Estimates:
    """Return estimates of combinations; NaN for rows of NaN.

    Parameters
    ----------
    fit : LmmFit
    combinations : ndarray, shape (k, p)
    method : InferenceMethod
    """
    known = ~np.isnan(combinations).any(axis=1)
    values = np.full((3, len(combinations)), np.nan)
    note = ""
    if known.any():
        found = linear_inference(fit, combinations[known], df=method.df, robust=method.robust, cluster=method.cluster)
        values[:, known] = found.estimate, found.std_error, found.df
        note = found.method_note
    return Estimates(combinations, values[0], values[1], values[2], note)


def unknown_note(found: Estimates) -> tuple[str, ...]:
    """Return a sentence if the data do not tell all estimates."""
    n = int(np.sum(~found.known))
    if not n:
        return ()
    return (
        f"{n} of {found.known.size} estimates are missing: the rows used do not hold every combination of predictors.",
    )


def cell_labels(cells: pd.DataFrame, names: tuple[str, ...]) -> list[str]:
    """Return the values of some columns as one text per cell, "full, early"."""
    return [", ".join(shown(row[name]) for name in names) for _, row in cells.iterrows()]


def condition_labels(cells: pd.DataFrame, names: tuple[str, ...]) -> list[str]:
    """Return the values of some columns with their names as one text per cell, "phase = early"."""
    return [", ".join(f"{name} = {shown(row[name])}" for name in names) for _, row in cells.iterrows()]


def own_columns(cells: pd.DataFrame) -> dict[str, Any]:
    """Return the columns of the cells for the end of a tidy table, renamed where the vocabulary has the name."""
    return {f"by_{name}" if name in COLUMNS else name: cells[name].to_numpy() for name in cells.columns}
