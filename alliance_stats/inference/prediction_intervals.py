"""Predictions of a mixed model with intervals."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from alliance_stats.errors import ModelError, unknown_name
from alliance_stats.inference.linear import DfMethod, linear_inference, require_level, require_method, t_quantile
from alliance_stats.inference.prediction_errors import level_predictions, predicted_rows, random_variance
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.mixed.levelsums import Floats

PredictionKind: TypeAlias = Literal["confidence", "prediction"]

CHUNK_ROWS = 500
"""Rows whose covariance with each other is formed at a time."""


def predict_interval(
    fit: LmmFit,
    new: Any = None,
    *,
    kind: PredictionKind = "confidence",
    random: bool = False,
    level: float = 0.95,
    df: DfMethod = "satterthwaite",
) -> pd.DataFrame:
    """Predict the outcome with intervals, for rows of the fit or new ones.

    Use ``kind="confidence"`` for where the expected outcome lies, ``kind="prediction"`` for where one more observation will
    lie. With ``random=False`` the row belongs to a therapist and patient nobody has seen: the estimand is the fixed part, and a
    prediction interval holds the variances of new levels and the residual. With ``random=True`` it belongs to the levels it
    names: the estimand is the fixed part plus their own random effects, predicted from their data.

    Parameters
    ----------
    fit : LmmFit
        From `lmm`.
    new : DataFrame, optional
        New rows; the rows of the fit if left out. Levels that the fit has not seen count as new ones.
    kind : {"confidence", "prediction"}
    random : bool
    level : float in (0, 1)
        Of the intervals.
    df : {"satterthwaite", "kenward_roger", "between_within", "normal"}
        For the t quantile: the df of the fixed part of the row.

    Returns
    -------
    DataFrame
        One row per row: estimate, std_error (of the estimate as a prediction of the estimand, or of a new observation), df,
        conf_low, conf_high, conf_level; missing where a predictor is missing.

    Raises
    ------
    ModelError
        If the fit has a residual structure, or a name or the level is none.
    ColumnError
        If a column is missing.

    See Also
    --------
    marginal_means

    Notes
    -----
    With x and z the row's columns, C the covariance of the fixed effects, S that of the random effects, V that of the outcome and
    k the covariance of the row's random part with the outcomes of the fit, the variance is x'Cx for ``random=False``. For
    ``random=True`` the estimate is x'beta + k'V^-1 (y - X beta) and its variance c'Cc + z'Sz - k'V^-1 k with
    c = x - X'V^-1 k (Harville, 1976). A prediction adds sigma^2, the residual variance of an observation with weight 1, and, for
    ``random=False``, z'Sz. Variances count as known except in the df, which are those of x'beta: with few therapists
    prediction intervals are somewhat short.

    References
    ----------
    Harville, D. (1976). Extension of the Gauss-Markov theorem to include the estimation of random effects. Annals of Statistics,
    4, 384-395. doi 10.1214/aos/1176343414.

    Examples
    --------
    >>> import alliance_stats as al
    >>> sessions = al.load_sample("therapist_statements").query("session <= 3")
    >>> fit = al.lmm("ors_1 ~ session + (1 | patient) + (1 | therapist)", sessions)
    >>> al.predict_interval(fit, sessions.head(1), kind="prediction").round(1).to_dict("records")[0]["estimate"]
    4.5
    """
    require_method(fit, df=df, robust=None, cluster=None)
    require_level(level)
    if kind not in ("confidence", "prediction"):
        raise unknown_name(ModelError, "kind of interval", str(kind), ["confidence", "prediction"])
    if kind == "prediction" and fit.residual is not None:
        raise ModelError.build(
            "The residual variance of a new observation is not known: the fit has a residual structure.",
            hint='use kind="confidence".',
        )
    rows = predicted_rows(fit, new, groups=random)
    estimate = fit.predict(new, random=random).to_numpy()[rows.complete]
    variance, degrees = _fixed_part(fit, rows.x, df)
    if random:
        found = level_predictions(fit, rows)
        variance = _fixed_part(fit, found.rest, df)[0] + found.variance
    if kind == "prediction":
        variance = variance + fit.sigma**2 + (0.0 if random else random_variance(fit, rows))
    std_error = np.sqrt(variance)
    half = t_quantile(0.5 + level / 2.0, degrees) * std_error
    values = np.full((rows.complete.size, 5), np.nan)
    values[rows.complete] = np.column_stack([estimate, std_error, degrees, estimate - half, estimate + half])
    table = pd.DataFrame(values, index=rows.index, columns=["estimate", "std_error", "df", "conf_low", "conf_high"])
    return table.assign(conf_level=level)


def _fixed_part(fit: LmmFit, x: Floats, df: DfMethod) -> tuple[Floats, Floats]:
    """Return variance and df of combinations of fixed effects, each of shape (n_rows,)."""
    variance, degrees = np.zeros(len(x)), np.zeros(len(x))
    for start in range(0, len(x), CHUNK_ROWS):
        rows = slice(start, start + CHUNK_ROWS)
        found = linear_inference(fit, x[rows], df=df)
        variance[rows], degrees[rows] = found.std_error**2, found.df
    return variance, degrees
