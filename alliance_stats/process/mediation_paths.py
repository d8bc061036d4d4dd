"""The two equations of a mediation model, fitted together, and what is read off them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd

from alliance_stats.errors import ModelError
from alliance_stats.inference.covariance_parameters import covariance_parameters
from alliance_stats.inference.information import observed_information
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.mixed.lmm import lmm
from alliance_stats.mixed.residuals import variance_by
from alliance_stats.mixed.termfactors import grouping_factors, term_factors
from alliance_stats.process.mediation_rows import Design, Stacked
from alliance_stats.process.panel_rows import FloatArray

Slope = Literal["a", "b", "c"]

TERMS: dict[Design, dict[str, str]] = {
    "1-1-1": {"a": "mx", "b": "ym", "c_prime": "yx"},
    "2-1-1": {"a": "mx", "b": "ym_patient", "c_prime": "yx", "b_within": "ym"},
}
"""Column of the stacked data that carries each path."""

SLOPES: dict[Design, dict[str, str]] = {
    "1-1-1": {"a": "mx", "b": "ym", "c": "yx"},
    "2-1-1": {"b": "ym"},
}
"""Column of each slope that may differ between patients."""


@dataclass(frozen=True)
class Paths:
    """Estimates of a mediation model, in the ratings' units.

    Parameters
    ----------
    names : tuple of str
        "a", "b", "c_prime", for 2-1-1 "b_within", and last "cov_ab", the covariance of the patients' a and b.
    estimate : ndarray, shape (k,)
        cov_ab is zero where slopes do not both differ between patients.
    covariance : ndarray, shape (k, k)
        Of the estimates.
    fit : LmmFit
        To stacked ratings in SD units.
    unit : dict of str to float
    """

    names: tuple[str, ...]
    estimate: FloatArray
    covariance: FloatArray = field(repr=False)
    fit: LmmFit = field(repr=False)
    unit: dict[str, float]


def stacked_formula(data: Stacked, design: Design, slopes: Sequence[str]) -> str:
    """Return the formula of the stacked model."""
    chosen = [SLOPES[design][name] for name in SLOPES[design] if name in slopes]
    if design == "1-1-1":
        fixed = ["s_m", "mx", "s_y", "ym", "yx"]
        bars = [f"(0 + {' + '.join(['s_m', 's_y', *chosen])} | patient)"]
    else:
        # With patients' means as predictor a covariance of the two intercepts would compete with path b.
        fixed = ["s_m", "mx", "s_y", "ym", "ym_patient", "yx"]
        bars = ["(0 + s_m | patient)", f"(0 + {' + '.join(['s_y', *chosen])} | patient)"]
    return f"z ~ 0 + {' + '.join([*fixed, *data.covariate_terms, *bars])}"


def fit_stacked(data: Stacked, design: Design, slopes: Sequence[str]) -> Paths:
    """Fit both equations at once, each with its own residual variance.

    Raises
    ------
    ModelError, ConvergenceError
        If the data do not identify the model.
    """
    fit = lmm(stacked_formula(data, design, slopes), data.rows, residual=variance_by("equation"))
    names = (*TERMS[design], "cov_ab")
    terms = list(TERMS[design].values())
    lost = [path for path, term in TERMS[design].items() if term not in fit.fixed_effects.index]
    if lost:
        raise ModelError.build(
            f"Path '{lost[0]}' cannot be told from the others in {len(data.rows) // 2} chains: predictor, mediator and "
            "covariates are perfectly collinear.",
            hint="check that no column is another in other units or of another session, and leave out covariates.",
        )
    size = path_sizes(names, data.unit)
    k = len(names)
    covariance = np.zeros((k, k))
    covariance[: k - 1, : k - 1] = fit.fixed_covariance.loc[terms, terms].to_numpy(dtype=float)
    covariance[-1, -1] = _covariance_variance(fit)
    return Paths(names, read_paths(fit, design) * size, covariance * np.outer(size, size), fit, data.unit)


def path_sizes(names: Sequence[str], unit: dict[str, float]) -> FloatArray:
    """Return what estimates in SD units are multiplied with."""
    through = unit["y"] / unit["m"]
    sizes = {"a": unit["m"] / unit["x"], "b": through, "b_within": through}
    whole = unit["y"] / unit["x"]
    return np.array([sizes.get(name, whole) for name in names])


def read_paths(fit: LmmFit, design: Design) -> FloatArray:
    """Return the paths and the covariance of patients' slopes of a fit, in its units, shape (k,)."""
    effects: pd.Series[float] = fit.fixed_effects
    fixed = [float(effects[term]) for term in TERMS[design].values()]
    return np.array([*fixed, _slope_covariance(fit, fit.optimum.theta, fit.sigma)])


def slopes_covary(fit: LmmFit) -> bool:
    """Return whether patients' a and b both differ, so that they have a covariance."""
    return {"mx", "ym"} <= set(fit.design.terms[0].names)


def residual_ratio(paths: Paths) -> float:
    """Return the residual SD of the outcome over that of the mediator, both in SD units of their ratings."""
    table = paths.fit.variance_components()
    own = table[table["kind"] == "sd_ratio"]
    ratio = float(own["estimate"].iloc[0])
    return ratio if str(own["term"].iloc[0]).endswith("[outcome]") else 1.0 / ratio


def weighted_fit(paths: Paths, data: Stacked) -> LmmFit:
    """Return the model with the ratio of the residual SDs as known weights."""
    ratio = residual_ratio(paths)
    weights = np.where(data.rows["equation"] == "mediator", 1.0, ratio**-2)
    return lmm(paths.fit.formula, data.rows, weights=weights)


def _slope_covariance(fit: LmmFit, theta: FloatArray, sigma: float) -> float:
    """Return the covariance of patients' a and b, zero if they do not both differ between patients."""
    if not slopes_covary(fit):
        return 0.0
    names = list(fit.design.terms[0].names)
    factor = term_factors(fit.design, grouping_factors(fit.cross_products, fit.scaling, theta))[0]
    return float(sigma**2 * factor[names.index("mx")] @ factor[names.index("ym")])


def _covariance_variance(fit: LmmFit) -> float:
    """Return the sampling variance of the covariance of patients' slopes, by the delta method, also at a boundary."""
    if not slopes_covary(fit):
        return 0.0
    parameters = covariance_parameters(fit)
    uncertainty = observed_information(parameters).uncertainty
    sigma = fit.sigma / fit.scaling.y_scale
    centre = np.append(parameters.values, sigma)
    errors = np.append(parameters.errors, sigma)
    gradient = np.zeros(len(centre))
    for position, error in enumerate(errors):
        step = np.zeros(len(centre))
        step[position] = 1e-4 * error
        ends = [
            _slope_covariance(fit, point[: parameters.n_theta], float(point[-1]) * fit.scaling.y_scale)
            for point in (centre + step, centre - step)
        ]
        gradient[position] = (ends[0] - ends[1]) / (2e-4 * error)
    return float(gradient @ uncertainty @ gradient)
