"""Residuals of a fitted mixed model by level: scaled, ordered against the normal distribution, spread over the range."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import betaincinv, chdtrc, chdtri, ndtri

from alliance_stats.inference.influence import (
    Precision,
    conditional_residuals,
    effect_variances,
    hat_values,
    leverage_of_rows,
)
from alliance_stats.inference.rowblocks import fixed_columns, rows_by_size, stacked
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.mixed.grouping import Grouping
from alliance_stats.mixed.levelsums import Codes, Floats
from alliance_stats.mixed.variances import fixed_part_of

N_PARTS = 5
"""Parts of about equal size that the range of a variable is cut into."""

SESSION = "session"
"""Column over which the residual spread is shown when the model has it."""


def residual_table(fit: LmmFit, applied: Precision) -> pd.DataFrame:
    """Return residuals and leverages, one row per row used.

    Returns
    -------
    DataFrame
        row (position in the data given, from 1), fitted, fixed (fixed part), residual (conditional: outcome minus fitted),
        marginal (outcome minus fixed part), scaled and scaled_marginal (divided by their standard deviations under the model),
        hat (leverage on the own fitted value), leverage (on the fixed part). With a residual structure scaled, hat and leverage
        are those of rows made independent within their block.
    """
    conditional = conditional_residuals(fit, applied)
    marginal = fit.design.y - fixed_part_of(fit)
    hat = hat_values(applied)
    return pd.DataFrame(
        {
            "row": fit.design.kept + 1,
            "fitted": fit.design.y - conditional,
            "fixed": fixed_part_of(fit),
            "residual": conditional,
            "marginal": marginal,
            "scaled": _ratio(applied.residual, np.sqrt(np.maximum(1.0 - hat, 0.0))),
            "scaled_marginal": _ratio(marginal, np.sqrt(_marginal_variances(fit))),
            "hat": hat,
            "leverage": leverage_of_rows(applied),
        }
    )


def scaled_effects(fit: LmmFit, applied: Precision) -> dict[tuple[str, str], Floats]:
    """Return the predicted effects of each factor and term in standard deviations under the model, shape (n_levels,) each.

    Effects without variance are left out.
    """
    found = {}
    for k, grouping in enumerate(fit.design.groupings):
        effects, _ = fit.level_effects(k)
        variances = effect_variances(fit, applied, grouping).T
        names = [name for term in fit.design.terms if term.grouping is grouping for name in term.names]
        size = _model_variances(fit, grouping)
        for name, effect, variance, whole in zip(names, effects, variances, size, strict=True):
            if np.all(variance > 1e-10 * whole) and whole > 0:
                found[grouping.name, name] = effect / np.sqrt(variance)
    return found


def quantile_table(values: Floats, level: float, **labels: str) -> pd.DataFrame:
    """Return values in order against the standard normal distribution.

    Parameters
    ----------
    values : ndarray, shape (n,)
        In standard deviations.
    level : float in (0, 1)
        Of the pointwise intervals for the ordered values of n independent normal ones.
    **labels
        Columns that say what the values are.

    Returns
    -------
    DataFrame
        The labels, estimate (ordered value), conf_low, conf_high, conf_level, n, expected (normal quantile).
    """
    ordered = np.sort(values[np.isfinite(values)])
    n = ordered.size
    rank = np.arange(1, n + 1)
    tail = (1 - level) / 2
    # the share below the i-th of n ordered values has the beta distribution with parameters i and n + 1 - i
    low, high = (ndtri(betaincinv(rank, n + 1 - rank, share)) for share in (tail, 1 - tail))
    columns: dict[str, Any] = {"estimate": ordered, "conf_low": low, "conf_high": high, "conf_level": level, "n": n}
    return pd.DataFrame({**labels, **columns, "expected": ndtri((rank - 0.5) / n)})


def spread_table(scaled: Floats, over: dict[str, Floats], level: float) -> pd.DataFrame:
    """Return the spread of scaled residuals in parts of the range of each variable.

    Parameters
    ----------
    scaled : ndarray, shape (n_rows,)
    over : dict of ndarray, each of shape (n_rows,)
    level : float in (0, 1)
        Of the intervals, by the chi-squared distribution.

    Returns
    -------
    DataFrame
        predictor, level (part, from the lowest), estimate (root mean square; 1 if the model holds), conf_low, conf_high,
        conf_level, n, mean (of the variable).
    """
    rows = []
    for name, values in over.items():
        part = equal_parts(values)
        for k in range(part.max() + 1):
            own = scaled[(part == k) & np.isfinite(scaled)]
            square, n = float(own @ own), own.size
            low, high = (np.sqrt(square / chdtri(n, share)) for share in ((1 - level) / 2, (1 + level) / 2))
            row = {
                "predictor": name,
                "level": k + 1,
                "estimate": np.sqrt(square / n),
                "conf_low": low,
                "conf_high": high,
            }
            rows.append({**row, "conf_level": level, "n": n, "mean": float(values[part == k].mean())})
    return pd.DataFrame(rows)


def spread_tests(fit: LmmFit, scaled: Floats, over: dict[str, Floats]) -> pd.DataFrame:
    """Return tests of equal residual variance.

    Returns
    -------
    DataFrame
        kind ("breusch_pagan" or "brown_forsythe"), predictor or group, statistic (chi-squared, F), df, df_denominator,
        p_value, n.
    """
    known = np.isfinite(scaled)
    rows = [_breusch_pagan(scaled[known], values[known], name) for name, values in over.items() if np.ptp(values) > 0]
    rows += [_brown_forsythe(scaled[known], g.codes[known], g.name) for g in fit.design.groupings]
    return pd.DataFrame(rows)


def session_column(fit: LmmFit) -> Floats | None:
    """Return the model's column of session numbers, shape (n_rows,), if it has one."""
    encoded = [(fit.design.x.names, fit.design.x.columns), *((t.names, t.columns) for t in fit.design.terms)]
    for names, columns in encoded:
        for name, column in zip(names, columns, strict=True):
            if name == SESSION and column is not None:
                return column
    return None


def equal_parts(values: Floats) -> Codes:
    """Return the part of the range that each value lies in, from 0; equal values share a part, shape (n,)."""
    edges = np.quantile(values, np.arange(1, N_PARTS) / N_PARTS)
    return np.unique(np.searchsorted(edges, values, side="left"), return_inverse=True)[1].astype(np.int64)


def _breusch_pagan(scaled: Floats, values: Floats, name: str) -> dict[str, Any]:
    """Return Koenker's form of the test of Breusch and Pagan: n times R squared of the squares on a variable."""
    squares = scaled**2 - np.mean(scaled**2)
    centred = values - values.mean()
    statistic = float(scaled.size * (squares @ centred) ** 2 / ((squares @ squares) * (centred @ centred)))
    found = {"predictor": name, "group": "", "kind": "breusch_pagan", "df": 1.0, "statistic": statistic}
    return {**found, "p_value": float(chdtrc(1, statistic)), "n": scaled.size, "df_denominator": np.nan}


def _brown_forsythe(scaled: Floats, codes: Codes, name: str) -> dict[str, Any]:
    """Return the test of Brown and Forsythe: analysis of variance of distances from the medians of the levels."""
    from scipy.stats import f as f_distribution

    distance = np.empty(scaled.size)
    codes = np.unique(codes, return_inverse=True)[1].astype(np.int64)
    for _, rows in rows_by_size(codes):
        distance[rows] = np.abs(scaled[rows] - np.median(scaled[rows], axis=1, keepdims=True))
    counts = np.bincount(codes)
    means = np.bincount(codes, distance) / counts
    df, df_denominator = counts.size - 1, scaled.size - counts.size
    between = float(counts @ (means - distance.mean()) ** 2) / df
    within = float(np.sum((distance - means[codes]) ** 2)) / df_denominator
    found = {"predictor": "", "group": name, "kind": "brown_forsythe", "df": float(df), "statistic": between / within}
    p_value = float(f_distribution.sf(between / within, df, df_denominator))
    return {**found, "p_value": p_value, "n": scaled.size, "df_denominator": float(df_denominator)}


def _marginal_variances(fit: LmmFit) -> Floats:
    """Return the variances of outcome minus estimated fixed part under the model, shape (n_rows,)."""
    total = np.ones(fit.n_obs) if fit.design.weights is None else 1.0 / fit.design.weights
    if fit.structured is not None and fit.structured.whitener.scale is not None:
        total = total * fit.structured.whitener.scale**2
    for term, factor in zip(fit.design.terms, fit.term_factors, strict=True):
        total = total + np.sum((stacked(term.columns, fit.n_obs) @ factor) ** 2, axis=1)
    x = fixed_columns(fit)
    covariance = np.asarray(fit.fixed_covariance, dtype=np.float64)
    return np.asarray(np.maximum(fit.sigma**2 * total - np.sum((x @ covariance) * x, axis=1), 0.0))


def _model_variances(fit: LmmFit, grouping: Grouping) -> Floats:
    """Return the variances of the random effects of a grouping factor, shape (q,)."""
    pairs = zip(fit.design.terms, fit.term_factors, strict=True)
    found: Floats = np.concatenate([fit.sigma**2 * np.sum(f**2, axis=1) for t, f in pairs if t.grouping is grouping])
    return found


def _ratio(values: Floats, scale: Floats) -> Floats:
    """Return values over their scale, NaN where the scale is zero."""
    known = scale > 1e-8 * np.max(scale, initial=0.0)
    return np.where(known, values / np.where(known, scale, 1.0), np.nan)
