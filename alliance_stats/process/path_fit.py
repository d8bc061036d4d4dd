"""Maximum likelihood for a path model of ratings over sessions, missing or not."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from alliance_stats.errors import ConvergenceError, ModelError
from alliance_stats.process.panel_likelihood import (
    Moments,
    Patterns,
    expected_information,
    free_moments,
    independent_deviance,
    moments,
    observed_curvature,
    patterns_of,
)
from alliance_stats.process.panel_rows import FloatArray
from alliance_stats.process.path_model import PathModel
from alliance_stats.scales.gaussian_blocks import Evaluation, Maximum, maximise
from alliance_stats.scales.model_fit import ModelFit, model_fit, standardized_residual

FLAT = 1e-9
"""Smallest eigenvalue of the information, scaled to unit diagonal, of a model whose parameters are identified."""


@dataclass(frozen=True)
class Ratings:
    """A table of ratings in units of one SD per construct, with what does not depend on the model.

    Parameters
    ----------
    patterns : Patterns
        Of the scaled ratings, centred at the mean of each column.
    unit : ndarray, shape (p,)
        What scaled ratings are multiplied with.
    covariance, mean : ndarray, shapes (p, p) and (p,)
        Estimated without a model; a starting point only if ``free_deviance`` is NaN.
    free_deviance, independent_deviance : float
        -2 log likelihood without a model, and of independent ratings.
    why_not : str
        Why there is no ``free_deviance``.
    shift : float
        Added to a deviance of scaled ratings to give that of the ratings.
    """

    patterns: Patterns
    unit: FloatArray
    covariance: FloatArray
    mean: FloatArray
    free_deviance: float
    independent_deviance: float
    why_not: str
    shift: float


@dataclass(frozen=True)
class PathFit:
    """A fitted path model.

    Parameters
    ----------
    model : PathModel
    theta : ndarray, shape (m,)
        In the ratings' units, but for the means, which are deviations in scaled units.
    covariance : ndarray, shape (m, m)
        Of the estimates.
    fit : ModelFit
        NaN throughout if the likelihood without a model is not known.
    srmr, log_likelihood : float
    n : int
        Patients.
    """

    model: PathModel = field(repr=False)
    theta: FloatArray
    covariance: FloatArray = field(repr=False)
    fit: ModelFit
    srmr: float
    log_likelihood: float
    n: int

    @property
    def n_free(self) -> int:
        """Number of parameters, means included."""
        return len(self.theta)

    def position(self, name: str) -> int:
        """Return where a parameter stands in ``theta``."""
        return self.model.names.index(name)


def scaled_ratings(columns: FloatArray, constructs: tuple[int, ...]) -> Ratings:
    """Scale ratings for a fit.

    Parameters
    ----------
    columns : ndarray, shape (n_patients, p)
        NaN where missing.
    constructs : tuple of int, length p
        Columns with the same number share a unit, so that effects that are equal over sessions stay equal.
    """
    groups = np.array(constructs)
    variance = np.nanvar(columns, axis=0)
    unit = np.sqrt(np.array([variance[groups == group].mean() for group in groups]))
    patterns = patterns_of((columns - np.nanmean(columns, axis=0)) / unit)
    free = free_moments(patterns)
    shift = 2.0 * float(np.sum((patterns.n @ patterns.known) * np.log(unit)))
    return Ratings(
        patterns,
        unit,
        free.covariance,
        free.mean,
        free.deviance,
        independent_deviance(patterns),
        free.why_not,
        shift,
    )


def fit_paths(ratings: Ratings, model: PathModel, what: str) -> PathFit:
    """Fit a path model.

    Parameters
    ----------
    ratings : Ratings
    model : PathModel
        Starting values in scaled units.
    what : str
        Name of the model in messages.

    Raises
    ------
    ModelError
        If the data do not identify the model.
    ConvergenceError
        If no maximum was found.
    """
    found = _search(ratings, model)
    if found is None:
        raise ModelError.build(
            f"The {what} could not be started: the ratings' covariances are singular.",
            hint="leave out sessions that few patients reached (waves=), or a rating that repeats another.",
        )
    information = _information(ratings, model, found.theta)
    scale = np.sqrt(np.abs(np.diag(information)))
    flat = np.any(scale == 0) or np.linalg.eigvalsh(information / np.outer(scale, scale))[0] < FLAT
    if not found.converged and not flat:
        raise ConvergenceError.build(
            f"The {what} has no maximum of the likelihood that was found in {ratings.patterns.n_patients} patients.",
            hint='use more patients, fewer sessions (waves=), or effects="constant".',
        )
    if flat:
        raise ModelError.build(
            f"The {what} is not identified by {ratings.patterns.n_patients} patients with {len(ratings.unit)} ratings.",
            hint='use more patients or sessions, or effects="constant".',
        )
    size = _units(model, ratings.unit)
    covariance = np.linalg.inv(information) * np.outer(size, size)
    at = model.implied(found.theta)
    return PathFit(
        model=model,
        theta=found.theta * size,
        covariance=covariance,
        fit=_fit_of(ratings, model, found.at.deviance),
        srmr=standardized_residual(ratings.covariance, at.covariance, ratings.mean - at.mean)
        if np.isfinite(ratings.free_deviance)
        else float("nan"),
        log_likelihood=-0.5 * (found.at.deviance + ratings.shift),
        n=ratings.patterns.n_patients,
    )


def maximum_log_likelihood(ratings: Ratings, model: PathModel) -> float:
    """Return the largest log likelihood of a model, NaN if it was not found."""
    found = _search(ratings, model)
    return -0.5 * (found.at.deviance + ratings.shift) if found and found.converged else float("nan")


def _search(ratings: Ratings, model: PathModel) -> Maximum | None:
    """Return the maximum, or None if the likelihood does not exist at the starting values."""
    patterns = ratings.patterns

    def likelihood(theta: FloatArray) -> Evaluation | None:
        """Return the likelihood of the parameters."""
        implied = model.implied(theta)
        at = moments(patterns, implied.covariance, implied.mean)
        if at is None:
            return None
        gradient = model.pulled_back(implied, at.by_covariance, at.by_mean)
        return Evaluation(at.deviance, gradient, expected_information(patterns, at, *model.slopes(implied)))

    return maximise(likelihood, model.start) if likelihood(model.start) is not None else None


def _information(ratings: Ratings, model: PathModel, theta: FloatArray) -> FloatArray:
    """Return the expected information if ratings are complete, else the observed one, shape (m, m)."""
    implied = model.implied(theta)
    at = moments(ratings.patterns, implied.covariance, implied.mean)
    if at is None:
        raise ConvergenceError.build(
            "The likelihood ends at the solution: an implied covariance is singular.",
            hint="use fewer sessions (waves=).",
        )
    slopes = model.slopes(implied)
    if ratings.patterns.complete:
        return expected_information(ratings.patterns, at, *slopes)
    return observed_curvature(ratings.patterns, at, *slopes) + _bend(model, theta, at)


def _bend(model: PathModel, theta: FloatArray, at: Moments) -> FloatArray:
    """Return what the curvature of the model adds to half the second derivatives of the deviance."""
    width = 1e-5
    rows = []
    for unit in np.eye(len(theta)) * width:
        above, below = (
            model.pulled_back(model.implied(point), at.by_covariance, at.by_mean)
            for point in (theta + unit, theta - unit)
        )
        rows.append((above - below) / (4.0 * width))
    matrix = np.array(rows)
    return np.asarray((matrix + matrix.T) / 2.0)


def _units(model: PathModel, unit: FloatArray) -> FloatArray:
    """Return what scaled parameters are multiplied with, shape (m,); means stay in scaled units."""
    own = _variable_units(model, unit)
    sizes = {}
    for cell in model.cells:
        if cell.matrix == "path":
            sizes[cell.parameter] = own[cell.row] / own[cell.column]
        elif cell.matrix == "covariance":
            sizes[cell.parameter] = own[cell.row] * own[cell.column]
        else:
            sizes[cell.parameter] = 1.0
    return np.array([sizes[name] for name in model.names])


def _variable_units(model: PathModel, unit: FloatArray) -> FloatArray:
    """Return the unit of each variable; a latent one has that of the first rating it leads to by a fixed path."""
    own = np.append(unit, np.ones(model.n_variables - model.n_observed))
    for cell in reversed(model.cells):
        if cell.matrix == "path" and not cell.parameter and cell.column >= model.n_observed:
            own[cell.column] = unit[cell.row]
    return own


def _fit_of(ratings: Ratings, model: PathModel, deviance: float) -> ModelFit:
    """Return chi-square and the indices made from it."""
    p = model.n_observed
    df = p * (p + 3) // 2 - len(model.names)
    if not np.isfinite(ratings.free_deviance):
        gap = float("nan")
        return ModelFit(chi2=gap, df=df, p_value=gap, cfi=gap, tli=gap, rmsea=gap, rmsea_low=gap, rmsea_high=gap)
    return model_fit(
        chi2=max(deviance - ratings.free_deviance, 0.0),
        df=df,
        baseline_chi2=ratings.independent_deviance - ratings.free_deviance,
        baseline_df=p * (p - 1) // 2,
        n=ratings.patterns.n_patients,
    )
