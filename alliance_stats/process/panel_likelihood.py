"""The normal likelihood of patients with missing sessions, with its derivatives by means and covariances.

Patients with the same pattern of missing ratings are one block. All blocks are evaluated at once; derivatives are summed over
blocks in the space of means and covariances, so that their cost does not depend on the number of parameters of a model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alliance_stats.process.panel_rows import FloatArray
from alliance_stats.scales.gaussian_blocks import Evaluation, Maximum, maximise, symmetric_basis


@dataclass(frozen=True)
class Patterns:
    """Ratings summed over patients with the same pattern of missing ratings.

    Parameters
    ----------
    n : ndarray, shape (k,)
        Patients of each pattern.
    known : ndarray of bool, shape (k, p)
    mean : ndarray, shape (k, p)
        Zero where missing.
    scatter : ndarray, shape (k, p, p)
        Covariance around the mean, divisor n; zero where missing.
    """

    n: FloatArray
    known: npt.NDArray[np.bool_]
    mean: FloatArray
    scatter: FloatArray

    @property
    def n_patients(self) -> int:
        """Number of patients."""
        return int(self.n.sum())

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return bool(self.known.all())


@dataclass(frozen=True)
class Moments:
    """-2 log likelihood at given means and covariances.

    Parameters
    ----------
    deviance : float
    by_covariance : ndarray, shape (p, p)
        Derivatives, as if the matrix were not symmetric.
    by_mean : ndarray, shape (p,)
    inverse : ndarray, shape (k, p, p)
        Inverse covariances of the patterns, zero where missing.
    distance : ndarray, shape (k, p)
        Observed minus implied means.
    """

    deviance: float
    by_covariance: FloatArray
    by_mean: FloatArray
    inverse: FloatArray
    distance: FloatArray


def patterns_of(ratings: FloatArray) -> Patterns:
    """Return the patterns of a table.

    Parameters
    ----------
    ratings : ndarray, shape (n_patients, p)
        NaN where missing; patients without any rating are left out.
    """
    used = ratings[~np.isnan(ratings).all(axis=1)]
    known, which = np.unique(~np.isnan(used), axis=0, return_inverse=True)
    which, k, p = which.ravel(), len(known), used.shape[1]
    n = np.bincount(which, minlength=k).astype(float)
    filled = np.where(np.isnan(used), 0.0, used)
    mean = np.zeros((k, p))
    np.add.at(mean, which, filled)
    mean /= n[:, None]
    centred = np.where(np.isnan(used), 0.0, filled - mean[which])
    order = np.argsort(which, kind="stable")
    edges = np.cumsum(n).astype(np.int64)[:-1]
    scatter = np.stack([rows.T @ rows / len(rows) for rows in np.split(centred[order], edges)])
    return Patterns(n, known, mean, scatter)


def moments(patterns: Patterns, covariance: FloatArray, mean: FloatArray) -> Moments | None:
    """Return the likelihood, or None where the covariance is not positive definite."""
    known, n = patterns.known, patterns.n
    both = known[:, :, None] & known[:, None, :]
    p = len(mean)
    # A missing rating counts as one with variance one that is independent of the others: it adds nothing.
    full = np.where(both, covariance, np.eye(p))
    try:
        root = np.linalg.cholesky(full)
    except np.linalg.LinAlgError:
        return None
    pivots = np.diagonal(root, axis1=1, axis2=2)
    # A pivot is a residual SD, so its square is judged against the rating's own variance.
    if not np.isfinite(pivots).all() or np.any(pivots**2 < 1e-12 * np.diagonal(full, axis1=1, axis2=2)):
        return None
    inverse = np.where(both, np.linalg.inv(full), 0.0)
    distance = np.where(known, patterns.mean - mean, 0.0)
    cross = patterns.scatter + distance[:, :, None] * distance[:, None, :]
    shares = (
        2.0 * np.log(pivots).sum(axis=1)
        + known.sum(axis=1) * np.log(2.0 * np.pi)
        + np.sum(inverse * cross, axis=(1, 2))
    )
    by_covariance = np.einsum("k,kab->ab", n, inverse - inverse @ cross @ inverse)
    by_mean = -2.0 * np.einsum("k,kab,kb->a", n, inverse, distance)
    return Moments(float(n @ shares), by_covariance, by_mean, inverse, distance)


def expected_information(
    patterns: Patterns, at: Moments, covariance_slopes: FloatArray, mean_slopes: FloatArray
) -> FloatArray:
    """Return the expected information of parameters.

    Parameters
    ----------
    patterns : Patterns
    at : Moments
    covariance_slopes : ndarray, shape (m, p, p)
        Derivatives of the covariance.
    mean_slopes : ndarray, shape (m, p)
    """
    flat = covariance_slopes.reshape(len(covariance_slopes), -1)
    weights = _pairs(patterns.n, at.inverse, at.inverse)
    means = mean_slopes @ np.einsum("k,kab->ab", patterns.n, at.inverse) @ mean_slopes.T
    return np.asarray(0.5 * flat @ weights @ flat.T + means)


def observed_curvature(
    patterns: Patterns, at: Moments, covariance_slopes: FloatArray, mean_slopes: FloatArray
) -> FloatArray:
    """Return half the second derivatives of the deviance along the slopes, as if the model were linear in its parameters."""
    n, inverse = patterns.n, at.inverse
    flat = covariance_slopes.reshape(len(covariance_slopes), -1)
    cross = patterns.scatter + at.distance[:, :, None] * at.distance[:, None, :]
    tilted = 2.0 * inverse @ cross @ inverse - inverse
    covariances = 0.5 * flat @ _pairs(n, inverse, tilted) @ flat.T
    pull = np.einsum("kab,kb->ka", inverse, at.distance)
    both = np.einsum("k,kab,kc->abc", n, inverse, pull, optimize=True)
    mixed = np.einsum("ia,abc,jbc->ij", mean_slopes, both, covariance_slopes, optimize=True)
    means = mean_slopes @ np.einsum("k,kab->ab", n, inverse) @ mean_slopes.T
    return np.asarray((covariances + covariances.T) / 2.0 + mixed + mixed.T + means)


def _pairs(n: FloatArray, left: FloatArray, right: FloatArray) -> FloatArray:
    """Return the matrix M, shape (p p, p p), with vec(D)'M vec(E) = sum over patterns of n tr(left D right E)."""
    p = left.shape[1]
    products = (n[:, None] * left.reshape(len(n), -1)).T @ right.reshape(len(n), -1)
    return np.ascontiguousarray(products.reshape(p, p, p, p).transpose(1, 2, 3, 0)).reshape(p * p, p * p)


@dataclass(frozen=True)
class FreeMoments:
    """Means and covariances without a model; ``deviance`` is NaN, and ``why_not`` says why, if they cannot be estimated."""

    covariance: FloatArray
    mean: FloatArray
    deviance: float
    why_not: str = ""


def free_moments(patterns: Patterns) -> FreeMoments:
    """Return the maximum likelihood estimates of all means, variances and covariances."""
    p = patterns.known.shape[1]
    counts = patterns.n @ patterns.known
    mean = patterns.n @ patterns.mean / counts
    spread = patterns.scatter + np.where(patterns.known, patterns.mean - mean, 0.0)[:, :, None] ** 2 * np.eye(p)
    variance = np.einsum("k,kaa->a", patterns.n, spread) / counts
    start = FreeMoments(np.diag(variance), mean, float("nan"))
    if patterns.complete:
        start = FreeMoments(patterns.scatter[0], patterns.mean[0], float("nan"))
        at = moments(patterns, start.covariance, start.mean)
        if at is None:
            return FreeMoments(start.covariance, mean, float("nan"), "the ratings' covariances are singular")
        return FreeMoments(start.covariance, start.mean, at.deviance)
    joint = (patterns.n[:, None] * patterns.known).T @ patterns.known
    if joint.min() <= p:
        why = f"only {int(joint.min())} patients have both of some two ratings, of {p} in all"
        return FreeMoments(start.covariance, mean, float("nan"), why)
    found, covariance, mean = _search_free(patterns, start)
    if not found.converged:
        return FreeMoments(covariance, mean, float("nan"), "their likelihood has no maximum that was found")
    return FreeMoments(covariance, mean, found.at.deviance)


def _search_free(patterns: Patterns, start: FreeMoments) -> tuple[Maximum, FloatArray, FloatArray]:
    """Return the maximum over all means and covariances."""
    p = len(start.mean)
    lower, basis = np.tril_indices(p), symmetric_basis(p)
    n_cells = len(basis)
    covariance_slopes = np.concatenate([basis, np.zeros((p, p, p))])
    mean_slopes = np.vstack([np.zeros((n_cells, p)), np.eye(p)])

    def unpack(theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return covariance and mean."""
        matrix = np.zeros((p, p))
        matrix[lower] = theta[:n_cells]
        return matrix + np.tril(matrix, -1).T, theta[n_cells:]

    def likelihood(theta: FloatArray) -> Evaluation | None:
        """Return the likelihood of covariance and mean."""
        at = moments(patterns, *unpack(theta))
        if at is None:
            return None
        gradient = np.concatenate([np.einsum("mab,ab->m", basis, at.by_covariance), at.by_mean])
        return Evaluation(at.deviance, gradient, expected_information(patterns, at, covariance_slopes, mean_slopes))

    found = maximise(likelihood, np.concatenate([start.covariance[lower], start.mean]))
    return found, *unpack(found.theta)


def independent_deviance(patterns: Patterns) -> float:
    """Return -2 log likelihood of independent ratings with free means and variances."""
    counts = patterns.n @ patterns.known
    mean = patterns.n @ patterns.mean / counts
    away = np.where(patterns.known, patterns.mean - mean, 0.0)
    variance = patterns.n @ (np.diagonal(patterns.scatter, axis1=1, axis2=2) + away**2) / counts
    return float(np.sum(counts * (np.log(2.0 * np.pi * variance) + 1.0)))
