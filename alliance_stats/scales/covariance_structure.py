"""Maximum likelihood for a measurement model at one level, answers missing or not. Arrays in, values out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alliance_stats.errors import ConvergenceError, ModelError
from alliance_stats.scales.gaussian_blocks import (
    Block,
    Evaluation,
    Implied,
    evaluate,
    maximise,
    observed_information,
    pattern_blocks,
)
from alliance_stats.scales.keying import FloatArray
from alliance_stats.scales.measurement_model import MeasurementModel
from alliance_stats.scales.model_fit import ModelFit, model_fit, standardized_residual


@dataclass(frozen=True, kw_only=True)
class StructureFit:
    """A fitted measurement model.

    Parameters
    ----------
    theta : ndarray, shape (n_parameters,)
        Without the means.
    std_errors : ndarray, shape (n_parameters + k,)
        Means last.
    loadings, factor, residual : ndarray
        Lambda (k, m), Phi (m, m), Theta (k, k).
    covariance : ndarray, shape (k, k)
        Implied.
    mean : ndarray, shape (k,)
    fit : ModelFit
    srmr, log_likelihood : float
    """

    theta: FloatArray
    std_errors: FloatArray
    loadings: FloatArray
    factor: FloatArray
    residual: FloatArray
    covariance: FloatArray
    mean: FloatArray
    fit: ModelFit
    srmr: float
    log_likelihood: float


def fit_structure(answers: FloatArray, model: MeasurementModel, *, fiml: bool) -> StructureFit:
    """Fit a measurement model.

    Parameters
    ----------
    answers : ndarray, shape (n, k)
        NaN where missing; at least one answer per row.
    model : MeasurementModel
    fiml : bool
        Take standard errors from the observed instead of the expected information.

    Raises
    ------
    ModelError
        If there are more parameters than moments, or the information is singular.
    ConvergenceError
        If no maximum was found.
    """
    k = answers.shape[1]
    n_free = len(model.free)
    df = _degrees_of_freedom(k, n_free)
    unit = np.nanstd(answers, axis=0)
    scaled = answers / unit
    blocks = pattern_blocks(scaled)
    observed, mean, deviance = _free_moments(scaled, blocks)

    def likelihood(theta: FloatArray) -> Evaluation | None:
        """Return the likelihood of the parameters, means last."""
        covariance, slopes = model.implied(theta[:n_free])
        return evaluate(blocks, Implied((covariance,), (slopes,), theta[n_free:]))

    found = maximise(likelihood, np.concatenate([model.start(observed), mean]))
    _require_solution(found.at, found.converged)
    information = observed_information(likelihood, found.theta) if fiml else found.at.information
    size = _units(model, unit)
    theta, means = (found.theta * size)[:n_free], (found.theta * size)[n_free:]
    loadings, factor, residual = model.matrices(theta)
    implied = model.implied(theta)[0]
    fit = model_fit(
        chi2=max(found.at.deviance - deviance, 0.0),
        df=df,
        baseline_chi2=_independent_deviance(scaled) - deviance,
        baseline_df=k * (k - 1) // 2,
        n=len(answers),
    )
    distance = mean * unit - means if fiml else None
    return StructureFit(
        theta=theta,
        std_errors=np.sqrt(np.diag(np.linalg.inv(information))) * size,
        loadings=loadings,
        factor=factor,
        residual=residual,
        covariance=implied,
        mean=means,
        fit=fit,
        srmr=standardized_residual(observed * np.outer(unit, unit), implied, distance),
        log_likelihood=-0.5 * found.at.deviance - float(np.sum(np.isfinite(answers) * np.log(unit))),
    )


def _degrees_of_freedom(k: int, n_free: int) -> int:
    """Return the moments that are left over, or raise if there are not enough."""
    df = k * (k + 1) // 2 - n_free
    if df < 0:
        raise ModelError.build(
            f"{n_free} parameters for {k * (k + 1) // 2} variances and covariances.",
            hint="fit fewer factors, or fewer residual covariances.",
        )
    return df


def _units(model: MeasurementModel, unit: FloatArray) -> FloatArray:
    """Return what parameters of standardised items are multiplied with, shape (n_parameters + k,).

    Factors keep variance one, or carry the unit of the item whose loading is fixed.
    """
    own = np.ones(model.loadings.shape[1])
    for f in range(len(own)):
        column = model.loadings[:, f]
        fixed = np.flatnonzero(~np.isnan(column) & (column != 0))
        if fixed.size:
            own[f] = unit[fixed[0]]
    sizes = []
    for cell in model.free:
        if cell.kind == "loading":
            sizes.append(unit[cell.row] / own[cell.column])
        elif cell.kind == "factor":
            sizes.append(own[cell.row] * own[cell.column])
        else:
            sizes.append(unit[cell.row] * unit[cell.column])
    return np.array([*sizes, *unit])


def _require_solution(at: Evaluation, converged: bool) -> None:
    """Raise if the parameters are not identified, or no maximum was found."""
    scale = np.sqrt(np.diag(at.information))
    if np.any(scale == 0) or np.linalg.eigvalsh(at.information / np.outer(scale, scale))[0] < 1e-9:
        raise ModelError.build(
            "The model is not identified: several values of the parameters fit equally well.",
            hint="give each factor at least three items (two if it covaries with others), and drop residual covariances.",
        )
    if not converged:
        raise ConvergenceError.build(
            "No maximum of the likelihood was found.", hint="check the items' keys, and try fewer factors."
        )


def _free_moments(answers: FloatArray, blocks: list[Block]) -> tuple[FloatArray, FloatArray, float]:
    """Return covariance, means and deviance without a model, by EM where answers are missing."""
    k = answers.shape[1]
    mean, covariance = np.nanmean(answers, axis=0), np.diag(np.nanvar(answers, axis=0))
    for _ in range(10_000):
        first, second = np.zeros(k), np.zeros((k, k))
        for block in blocks:
            weights = np.zeros((k, len(block.columns)))
            chosen = np.ix_(block.columns, block.columns)
            weights[:] = np.linalg.solve(covariance[chosen], covariance[block.columns]).T
            centre = np.zeros(len(block.columns)) if block.mean is None else block.mean
            filled = mean + weights @ (centre - mean[block.columns])
            unknown = covariance - weights @ covariance[block.columns]
            first += block.n * filled
            second += block.n * (weights @ block.scatter @ weights.T + np.outer(filled, filled) + unknown)
        new_mean = first / len(answers)
        new = second / len(answers) - np.outer(new_mean, new_mean)
        moved = max(float(np.abs(new - covariance).max()), float(np.abs(new_mean - mean).max()))
        mean, covariance = new_mean, new
        if moved < 1e-12:
            break
    nothing = np.zeros((0, k, k))
    at = evaluate(blocks, Implied((covariance,), (nothing,), mean))
    if at is None:
        raise ModelError.build(
            "The items' covariances are singular: one item is a combination of others.",
            hint="leave out totals and repeated columns, or use more rows.",
        )
    return covariance, mean, at.deviance


def _independent_deviance(answers: FloatArray) -> float:
    """Return -2 log likelihood of independent items."""
    counts = np.sum(np.isfinite(answers), axis=0)
    return float(np.sum(counts * (np.log(2 * np.pi * np.nanvar(answers, axis=0)) + 1.0)))
