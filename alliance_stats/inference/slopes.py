"""Slopes of a predictor in groups and at values of moderators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from alliance_stats.errors import ModelError
from alliance_stats.inference.cell_estimates import (
    Estimates,
    InferenceMethod,
    cell_labels,
    condition_labels,
    estimates_of,
    own_columns,
    unknown_note,
)
from alliance_stats.inference.linear import (
    Cluster,
    DfMethod,
    Robust,
    inference_notes,
    require_level,
    require_method,
    two_sided_p,
)
from alliance_stats.inference.marginal_means import estimable_rows
from alliance_stats.inference.predictors import predictors_of
from alliance_stats.inference.reference_grid import (
    At,
    ReferenceGrid,
    mean_rows,
    predictor_names,
    reference_grid,
    require_predictor,
)
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.mixed.levelsums import Floats
from alliance_stats.result import Result

STEP = 1e-3
"""Step of the difference quotient as a part of the predictor's range; its error is of the order of the fourth power."""

QUOTIENT = ((1.0, 8.0), (-1.0, -8.0), (2.0, -1.0), (-2.0, 1.0))
"""Places, in steps, and weights, over 12 steps, of the five-point central difference."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Slopes(Result):
    """Slopes of a predictor in the cells of a grid; made by `slopes`.

    Parameters
    ----------
    variable : str
    grid : ReferenceGrid
    method : InferenceMethod
    found : Estimates
        One per cell.
    """

    variable: str
    grid: ReferenceGrid = field(repr=False)
    method: InferenceMethod
    found: Estimates = field(repr=False)

    @property
    def fit(self) -> LmmFit:
        """The fit."""
        return self.grid.fit

    def tidy(self, *, level: float = 0.95) -> pd.DataFrame:
        """Return one row per cell.

        Parameters
        ----------
        level : float in (0, 1)
            Of the intervals.

        Returns
        -------
        DataFrame
            predictor, group (the condition, if there are some), level (the values of ``by``, if there are some), estimate and
            std_error (outcome points per unit of the predictor), df, statistic, p_value (two-sided, of no slope), conf_low,
            conf_high, conf_level, then one column per predictor of the grid.
        """
        require_level(level)
        grid, found = self.grid, self.found
        half = found.half_width(level)
        labels = {"group": condition_labels(grid.cells, grid.conditions), "level": cell_labels(grid.cells, grid.by)}
        used = {"group": grid.conditions, "level": grid.by}
        table = {"predictor": [self.variable] * len(grid.cells)}
        table |= {name: texts for name, texts in labels.items() if used[name]}
        numbers = {
            "estimate": found.estimate,
            "std_error": found.std_error,
            "df": found.df,
            "statistic": found.statistic,
            "p_value": two_sided_p(found.statistic, found.df),
            "conf_low": found.estimate - half,
            "conf_high": found.estimate + half,
            "conf_level": level,
        }
        return pd.DataFrame(table | numbers | own_columns(grid.cells))

    def glance(self) -> pd.DataFrame:
        """Return one row: outcome, predictor, number of rows of the fit and of cells, df method, covariance."""
        row = {
            "outcome": self.fit.response,
            "predictor": self.variable,
            "n": self.fit.n_obs,
            "n_cells": len(self.grid.cells),
            "df_method": self.method.df,
            "covariance": self.method.robust or "model",
        }
        return pd.DataFrame([row])


def slopes(
    fit: LmmFit,
    variable: str,
    *,
    by: str | Sequence[str] = (),
    at: At = None,
    df: DfMethod = "satterthwaite",
    robust: Robust | None = None,
    cluster: Cluster = None,
) -> Slopes:
    """Return the slope of a predictor in each group, or at chosen values of a moderator (simple slopes).

    Use it to read an interaction: how the outcome goes with alliance for each therapist role, in each arm, or for patients of
    low, mean and high severity. The estimand is the derivative of the fixed part by the predictor, other numbers at their mean
    over rows, other factors averaged over with equal weights.

    Parameters
    ----------
    fit : LmmFit
        From `lmm`.
    variable : str
        A predictor that holds numbers.
    by : str or sequence of str
        Factors whose levels are compared; numbers too if ``at`` names values.
    at : mapping, optional
        Where predictors are held: a value, several values, for numbers also "mean" or "mean±sd" (the SD over rows). Several
        values of a predictor that is not in ``by`` are conditions.
    df, robust, cluster
        As in `marginal_means`.

    Returns
    -------
    Slopes
        ``tidy(level=0.95)`` has one row per cell.

    Raises
    ------
    ModelError
        If a name is no predictor of the fixed part, the variable is a factor, a level does not occur, or a number in ``by`` has
        no values in ``at``.

    See Also
    --------
    johnson_neyman, contrasts, marginal_means

    Notes
    -----
    The derivative is a five-point central difference of the model's rows with steps of a thousandth of the predictor's range:
    exact for slopes, products and powers up to the fourth. For a predictor that also stands in powers or splines the slope
    depends on its own value: hold it with ``at``. A predictor that is not split by level mixes slopes within and between
    patients and therapists (see within_between).

    References
    ----------
    Bauer, D. J., & Curran, P. J. (2005). Probing interactions in fixed and multilevel regression: inferential and graphical
    techniques. Multivariate Behavioral Research, 40, 373-400. doi 10.1207/s15327906mbr4003_5.

    Examples
    --------
    >>> import alliance_stats as al
    >>> sessions = al.load_sample("therapist_statements").query("session <= 3")
    >>> fit = al.lmm("ors_1 ~ session * wai_1 + (1 | patient) + (1 | therapist)", sessions)
    >>> al.slopes(fit, "wai_1", at={"session": [1, 3]}).tidy()["group"].tolist()
    ['session = 1', 'session = 3']
    """
    method = InferenceMethod(df, robust, cluster)
    require_method(fit, df=df, robust=robust, cluster=cluster)
    names = predictor_names(by)
    require_number(fit, variable)
    if variable in names:
        raise ModelError.build(
            f"'{variable}' stands in by= and is the predictor whose slope is wanted.",
            hint=f'for a curve name its values as conditions: at={{"{variable}": [1, 5]}}.',
        )
    grid = reference_grid(fit, names, at=at, weights="equal")
    found = estimates_of(fit, slope_rows(grid, variable), method)
    notes = (
        f"Estimand: change of the fixed part per unit of {variable}.",
        *grid.notes(),
        *unknown_note(found),
        *inference_notes(fit, found.method_note, robust=robust, cluster=cluster),
    )
    return Slopes(variable=variable, grid=grid, method=method, found=found, notes=notes)


def require_number(fit: LmmFit, variable: str) -> None:
    """Raise a ModelError if a name is no predictor of the fixed part, or a factor."""
    predictors = predictors_of(fit)
    require_predictor(predictors, variable)
    if predictors[variable].levels is not None:
        raise ModelError.build(
            f"'{variable}' is a factor and has no slope.",
            hint=f'compare its levels: contrasts(marginal_means(fit, "{variable}")).',
        )


def slope_rows(grid: ReferenceGrid, variable: str) -> Floats:
    """Return the weights of the fixed effects for the slope in each cell, NaN where the data do not tell, shape (k, p).

    Parameters
    ----------
    grid : ReferenceGrid
    variable : str
        A predictor that holds numbers.
    """
    predictor = grid.predictors[variable]
    step = STEP * (predictor.high - predictor.low)
    held = (
        grid.cells[variable].to_numpy(dtype=float)
        if variable in grid.cells
        else np.full(len(grid.cells), grid.held[variable])
    )
    rows = sum(weight * mean_rows(grid, {variable: held + place * step}) for place, weight in QUOTIENT) / (12.0 * step)
    # Columns without the predictor leave the rounding error of the difference behind, which is not a weight.
    size = np.abs(mean_rows(grid)).max(axis=0) / step
    rows = np.where(np.abs(rows) < 1e-12 * size, 0.0, rows)
    return estimable_rows(grid.fit, np.asarray(rows))


def at_values(grid: ReferenceGrid, name: str, values: Floats) -> ReferenceGrid:
    """Return a grid with one cell for each value of one predictor, all else as in the first cell."""
    return replace(grid, conditions=(name,), by=(), cells=pd.DataFrame({name: values}))
