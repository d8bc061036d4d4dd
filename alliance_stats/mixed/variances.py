"""Variance components, and how much of the outcome's variance each part carries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from alliance_stats.mixed.design import DesignTerm
from alliance_stats.mixed.levelsums import Floats, column_products

if TYPE_CHECKING:
    from alliance_stats.mixed.fit import LmmFit
    from alliance_stats.mixed.residualestimate import ResidualEstimate

RESIDUAL = "Residual"


def variance_table(terms: Sequence[DesignTerm], factors: Sequence[Floats], sigma: float) -> pd.DataFrame:
    """Return variances and covariances of random effects, then the residual variance.

    Parameters
    ----------
    terms : sequence of DesignTerm
    factors : sequence of ndarray, each of shape (q, q)
        Relative covariance factor of each term.
    sigma : float
        Residual standard deviation.

    Returns
    -------
    DataFrame
        group, term, term2, kind ("variance" or "covariance"), estimate, sd, correlation; one row per component.
    """
    rows: list[dict[str, Any]] = []
    for term, factor in zip(terms, factors, strict=True):
        covariance = sigma**2 * factor @ factor.T
        sd = np.sqrt(np.diagonal(covariance))
        for i, name in enumerate(term.names):
            row = {"group": term.grouping.name, "term": name, "term2": "", "kind": "variance"}
            rows.append({**row, "estimate": covariance[i, i], "sd": sd[i], "correlation": np.nan})
        for i in range(len(term.names)):
            for j in range(i):
                product = sd[i] * sd[j]
                rows.append(
                    {
                        "group": term.grouping.name,
                        "term": term.names[j],
                        "term2": term.names[i],
                        "kind": "covariance",
                        "estimate": covariance[i, j],
                        "sd": np.nan,
                        "correlation": covariance[i, j] / product if product > 0 else np.nan,
                    }
                )
    rows.append(
        {
            "group": RESIDUAL,
            "term": "",
            "term2": "",
            "kind": "variance",
            "estimate": sigma**2,
            "sd": sigma,
            "correlation": np.nan,
        }
    )
    return pd.DataFrame(rows)


def with_residual_rows(table: pd.DataFrame, residual: ResidualEstimate, sigma: float) -> pd.DataFrame:
    """Return the table of variances with one more row for each parameter of a residual structure."""
    rows: list[dict[str, Any]] = []
    for name, kind, value in zip(residual.names, residual.kinds, residual.estimates, strict=True):
        row = {"group": RESIDUAL, "term": name, "term2": "", "kind": kind, "estimate": value, "sd": np.nan}
        if kind == "sd_ratio":
            rows.append({**row, "term2": residual.reference, "sd": sigma * value, "correlation": np.nan})
        else:
            rows.append({**row, "correlation": value})
    return pd.concat([table, pd.DataFrame(rows)], ignore_index=True)


def fixed_variance(fit: LmmFit) -> float:
    """Return the variance of the fixed part over the rows used, in squared units of the outcome."""
    return float(np.var(fixed_part_of(fit), ddof=1))


def fixed_part_of(fit: LmmFit) -> Floats:
    """Return X beta for the rows used, shape (n_rows,)."""
    total = np.zeros(fit.n_obs)
    for j, beta in zip(fit.scaling.x_kept, fit.fixed_effects.to_numpy(), strict=True):
        column = fit.design.x.columns[j]
        total += beta if column is None else beta * column
    return total


def random_variances(fit: LmmFit) -> dict[str, float]:
    """Return the mean variance that each grouping factor adds to a row, in squared units of the outcome.

    Notes
    -----
    With random slopes the variance depends on the row; this is its mean over the rows, tr(Sigma Z'Z) / n: Johnson (2014),
    Methods in Ecology and Evolution 5, 944-946, eq. 10, doi 10.1111/2041-210X.12225.
    """
    found = dict.fromkeys((g.name for g in fit.design.groupings), 0.0)
    for term, factor in zip(fit.design.terms, fit.term_factors, strict=True):
        products = column_products(term.columns, fit.n_obs) / fit.n_obs
        found[term.grouping.name] += float(np.sum(fit.sigma**2 * (factor @ factor.T) * products))
    return found
