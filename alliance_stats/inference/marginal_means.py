"""Marginal means of a mixed model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

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
)
from alliance_stats.inference.reference_grid import (
    At,
    GridWeights,
    ReferenceGrid,
    kept_weights,
    mean_rows,
    predictor_names,
    reference_grid,
)
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.mixed.levelsums import Floats
from alliance_stats.result import Result


@dataclass(frozen=True, kw_only=True, eq=False)
class MarginalMeans(Result):
    """Means of a mixed model in the cells of a grid; made by `marginal_means`.

    Parameters
    ----------
    grid : ReferenceGrid
    method : InferenceMethod
    found : Estimates
        One per cell.
    """

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
            term (the predictors), group (the condition, if there are some), level (the values), estimate, std_error (in
            units of the outcome), df, conf_low, conf_high, conf_level, then one column per predictor.
        """
        require_level(level)
        grid, found = self.grid, self.found
        half = found.half_width(level)
        table: dict[str, Any] = {"term": [":".join(grid.by)] * len(grid.cells)}
        if grid.conditions:
            table["group"] = condition_labels(grid.cells, grid.conditions)
        table["level"] = cell_labels(grid.cells, grid.by)
        table |= {
            "estimate": found.estimate,
            "std_error": found.std_error,
            "df": found.df,
            "conf_low": found.estimate - half,
            "conf_high": found.estimate + half,
            "conf_level": level,
        }
        return pd.DataFrame(table | own_columns(grid.cells))

    def glance(self) -> pd.DataFrame:
        """Return one row: outcome, term, number of rows of the fit and of cells, df method, covariance, weights."""
        row = {
            "outcome": self.fit.response,
            "term": ":".join(self.grid.by),
            "n": self.fit.n_obs,
            "n_cells": len(self.grid.cells),
            "df_method": self.method.df,
            "covariance": self.method.robust or "model",
            "weights": self.grid.weights,
        }
        return pd.DataFrame([row])


def marginal_means(
    fit: LmmFit,
    by: str | Sequence[str],
    *,
    at: At = None,
    weights: GridWeights = "equal",
    df: DfMethod = "satterthwaite",
    robust: Robust | None = None,
    cluster: Cluster = None,
) -> MarginalMeans:
    """Return the expected outcome of each level of a factor, other predictors held equal.

    Use it to report arms, phases or roles as means in outcome points instead of dummy codes. The estimand is the fixed part at
    the given values, for an average therapist and patient (random effects of zero): predictors that are numbers at their mean
    over rows, other factors averaged over. Its differences come from `contrasts`.

    Parameters
    ----------
    fit : LmmFit
        From `lmm`.
    by : str or sequence of str
        Factors whose levels are compared; numbers too if ``at`` names values. A column is a factor if it holds text,
        categories or truth values, or stands in ``C()`` in the formula.
    at : mapping, optional
        Where predictors are held: a value, several values, for numbers also "mean" or "mean±sd" (the SD over rows). Several
        values of a predictor that is not in ``by`` are conditions: all are shown, and contrasts stay within each.
    weights : {"equal", "proportional"}
        Average over other factors as in a balanced study (equal, default), or by the rows of each of their combinations in
        these data.
    df : {"satterthwaite", "kenward_roger", "between_within", "normal"}
        As in `coefficient_tests`.
    robust : {"CR0", "CR1", "CR1S", "CR2"}, optional
        Cluster-robust standard errors.
    cluster : str or array-like, optional
        For ``robust``; the coarsest grouping factor if left out.

    Returns
    -------
    MarginalMeans
        ``tidy(level=0.95)`` has one row per cell.

    Raises
    ------
    ModelError
        If a name is no predictor of the fixed part, a level does not occur, a number in ``by`` has no values in ``at``, or the
        fit does not allow the df method.

    See Also
    --------
    contrasts, slopes

    Notes
    -----
    Each mean is a combination of the fixed effects, l'beta, with the model's row of X at the given values as l, averaged over
    factors. A mean is missing where the rows used do not tell it (a combination of levels without rows and with an
    interaction). A random effect of zero is the mean of the random effects, so in a linear model these means also are means
    over therapists and patients.

    References
    ----------
    Searle, S. R., Speed, F. M., & Milliken, G. A. (1980). Population marginal means in the linear model: an alternative to least
    squares means. The American Statistician, 34, 216-221. doi 10.1080/00031305.1980.10483031.

    Examples
    --------
    >>> import alliance_stats as al
    >>> sessions = al.load_sample("therapist_statements").query("session <= 3")
    >>> fit = al.lmm("ors_1 ~ C(session) + (1 | patient) + (1 | therapist)", sessions)
    >>> al.marginal_means(fit, "session").tidy()[["level", "estimate"]].round(1).to_dict("list")
    {'level': ['1', '2', '3'], 'estimate': [4.5, 4.5, 4.6]}
    """
    method = InferenceMethod(df, robust, cluster)
    require_method(fit, df=df, robust=robust, cluster=cluster)
    names = predictor_names(by)
    if not names:
        raise ModelError.build("by= names no predictor.", hint='name one or more, as in by="arm".')
    grid = reference_grid(fit, names, at=at, weights=weights)
    found = estimates_of(fit, estimable_rows(fit, mean_rows(grid)), method)
    notes = (
        "Estimand: the fixed part (random effects zero), in units of the outcome.",
        *grid.notes(),
        *unknown_note(found),
        *inference_notes(fit, found.method_note, robust=robust, cluster=cluster),
    )
    return MarginalMeans(grid=grid, method=method, found=found, notes=notes)


def estimable_rows(fit: LmmFit, rows: Floats) -> Floats:
    """Return weights of the fixed effects that were estimated, NaN where the data do not tell, shape (k, p).

    Parameters
    ----------
    fit : LmmFit
    rows : ndarray, shape (k, n_columns)
        Weights of all columns of X.
    """
    combinations, estimable = kept_weights(fit, rows)
    return np.where(estimable[:, None], combinations, np.nan)
