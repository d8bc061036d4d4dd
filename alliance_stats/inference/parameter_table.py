"""The parameters of a fit as one list: fixed effects, standard deviations, correlations, residual standard deviation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import pandas as pd

from alliance_stats.mixed.levelsums import Floats
from alliance_stats.mixed.variances import RESIDUAL

if TYPE_CHECKING:
    from alliance_stats.mixed.fit import LmmFit

ParameterKind: TypeAlias = Literal["fixed", "sd", "correlation", "residual_sd"]


def parameter_table(fit: LmmFit) -> pd.DataFrame:
    """Return which parameters a fit has.

    Parameters
    ----------
    fit : LmmFit

    Returns
    -------
    DataFrame
        One row per parameter: group (empty for fixed effects), term, term2 (of a correlation, else empty), kind.
    """
    rows = [("", name, "", "fixed") for name in fit.term_names]
    for term in fit.design.terms:
        group, names = term.grouping.name, term.names
        rows += [(group, name, "", "sd") for name in names]
        rows += [(group, names[j], names[i], "correlation") for i in range(len(names)) for j in range(i)]
    rows.append((RESIDUAL, "", "", "residual_sd"))
    return pd.DataFrame(rows, columns=["group", "term", "term2", "kind"])


def parameter_values(fit: LmmFit) -> Floats:
    """Return the parameters in the order of `parameter_table`.

    Parameters
    ----------
    fit : LmmFit

    Returns
    -------
    ndarray, shape (k,)
        In units of the outcome (per unit of the effect's column); a correlation with a standard deviation of zero is NaN.
    """
    pieces = [np.asarray(fit.fixed_effects, dtype=float)]
    for factor in fit.term_factors:
        covariance = fit.sigma**2 * factor @ factor.T
        sd = np.sqrt(np.diagonal(covariance))
        row, column = np.tril_indices(sd.size, -1)
        product = sd[row] * sd[column]
        undefined = np.full(product.size, np.nan)
        pieces += [sd, np.divide(covariance[row, column], product, out=undefined, where=product > 0)]
    return np.concatenate([*pieces, [fit.sigma]])
