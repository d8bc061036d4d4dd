"""Slopes between true means: predictor and outcome as two outcomes of one model, their slopes from its covariances.

With x and y stacked, ``x_tij = mu_x + T^x_j + P^x_ij + e^x_tij`` and likewise y, all pairs (T^x, T^y), (P^x, P^y), (e^x, e^y)
correlated, the slope of level k is ``cov_k(x, y) / var_k(x)``: for two levels the multilevel latent covariate model of Lüdtke et
al. (2008, doi 10.1037/a0012869), by maximum likelihood. Standard errors are by the delta method from the observed information.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from alliance_stats.errors import ModelError
from alliance_stats.inference.covariance_parameters import covariance_parameters
from alliance_stats.inference.information import observed_information
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.mixed.levelsums import Floats
from alliance_stats.mixed.lmm import lmm
from alliance_stats.mixed.residuals import compound_symmetry, variance_by
from alliance_stats.mixed.termfactors import grouping_factors, term_factors

STEP = 1e-4
"""Step of central differences of a slope, in standard errors of the parameter."""

ZERO = 1e-8
"""A variance relative to that of sessions that counts as none."""


@dataclass(frozen=True)
class LatentSlopes:
    """Slopes of every level, the session first.

    Parameters
    ----------
    levels : tuple of str
    slopes : ndarray, shape (k,)
        In points of the outcome per point of the predictor.
    covariance : ndarray, shape (k, k)
    fit : LmmFit
        The stacked model, by maximum likelihood, in standard deviations of predictor and outcome.
    """

    levels: tuple[str, ...]
    slopes: Floats
    covariance: Floats
    fit: LmmFit


def latent_slopes(
    rows: pd.DataFrame, predictor: str, outcome: str, levels: Mapping[str, str], covariates: Sequence[str]
) -> LatentSlopes:
    """Return the slopes between true means.

    Parameters
    ----------
    rows : DataFrame
        Complete rows.
    predictor, outcome : str
        Columns, not split.
    levels : mapping of str to str
        Level name to grouping column, from the inside out.
    covariates : sequence of str
        Numeric columns; predictor and outcome both depend on them.

    Raises
    ------
    ModelError
        If the predictor has no variance at a level.
    """
    table, scale = _stacked(rows, predictor, outcome, levels, covariates)
    bars = [f"(0 + of_x + of_y | level_{place})" for place in range(len(levels))]
    fixed = [name for name in table.columns if name.startswith(("of_", "by_"))]
    fit = lmm(
        f"value ~ 0 + {' + '.join([*fixed, *bars])}",
        table,
        method="ML",
        residual=variance_by("variable") + compound_symmetry(by="pair"),
    )
    slopes = _slopes_at(fit, len(levels))
    estimate = slopes(fit.criterion_parameters)
    if not np.isfinite(estimate).all():
        level = [*levels][int(np.flatnonzero(~np.isfinite(estimate))[0]) - 1]
        raise ModelError.build(
            f"The variance of '{predictor}' between {level}s is estimated at zero, so that it has no latent slope.",
            hint='use means="observed", or leave the level out.',
        )
    parameters, centre = covariance_parameters(fit), fit.criterion_parameters
    # The residual SD comes last; slopes do not depend on it.
    uncertainty = observed_information(parameters).uncertainty[: centre.size, : centre.size]
    gradient = _gradient(slopes, centre, parameters.errors)
    covariance = scale**2 * gradient @ uncertainty @ gradient.T
    return LatentSlopes(("session", *levels), scale * estimate, covariance, fit)


def _stacked(
    rows: pd.DataFrame, predictor: str, outcome: str, levels: Mapping[str, str], covariates: Sequence[str]
) -> tuple[pd.DataFrame, float]:
    """Return predictor above outcome in standard deviations, and the way back for a slope."""
    values = {name: rows[name].to_numpy(dtype=float) for name in (predictor, outcome)}
    sizes = {name: float(np.std(column)) for name, column in values.items()}
    shared = {f"level_{place}": pd.factorize(rows[column])[0] for place, column in enumerate(levels.values())}
    shared["pair"] = np.arange(len(rows))
    halves = []
    for name, variable in ((predictor, "x"), (outcome, "y")):
        standard = (values[name] - values[name].mean()) / sizes[name]
        own = {"value": standard, "variable": np.full(len(rows), variable)}
        for other in ("x", "y"):
            on = float(variable == other)
            own[f"of_{other}"] = np.full(len(rows), on)
            for place, column in enumerate(covariates):
                z = rows[column].to_numpy(dtype=float)
                own[f"by_{other}_{place}"] = on * (z - z.mean())
        halves.append(pd.DataFrame({**shared, **own}))
    return pd.concat(halves, ignore_index=True), sizes[outcome] / sizes[predictor]


def _slopes_at(fit: LmmFit, n_levels: int) -> Callable[[Floats], Floats]:
    """Return the function from covariance parameters to the slopes of all levels, the session first."""
    structured = fit.structured
    if structured is None:
        raise ModelError.build("The stacked model has no residual structure.", hint="report this as a defect.")
    n_theta = fit.cross_products.n_theta
    by_name = {str(term.grouping.name): place for place, term in enumerate(fit.design.terms)}

    def slopes(parameters: Floats) -> Floats:
        natural = dict(zip(structured.estimate.kinds, structured.model.natural(parameters[n_theta:]), strict=True))
        # The reference group of the SD ratio is x, the first label.
        found = [natural["correlation"] * natural["sd_ratio"]]
        factors = term_factors(fit.design, grouping_factors(fit.cross_products, fit.scaling, parameters[:n_theta]))
        for place in range(n_levels):
            factor = factors[by_name[f"level_{place}"]]
            covariance = factor @ factor.T
            found.append(covariance[0, 1] / covariance[0, 0] if covariance[0, 0] > ZERO else np.nan)
        return np.array(found)

    return slopes


def _gradient(function: Callable[[Floats], Floats], centre: Floats, errors: Floats) -> Floats:
    """Return derivatives by central differences, shape (k, m)."""
    columns = []
    for place in range(centre.size):
        step = np.zeros(centre.size)
        step[place] = STEP * errors[place]
        columns.append((function(centre + step) - function(centre - step)) / (2.0 * step[place]))
    return np.stack(columns, axis=1)
