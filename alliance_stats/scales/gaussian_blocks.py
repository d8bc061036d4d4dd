"""The likelihood of normal vectors in independent blocks, with gradient and expected information.

One block is a set of vectors with the same mean and covariance: rows with the same pattern of missing answers, or, in
two-level data, the scaled means of clusters of one size. A model gives one covariance matrix per level and one vector of means.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from alliance_stats.errors import ModelError
from alliance_stats.scales.item_sample import IntArray
from alliance_stats.scales.keying import FloatArray


@dataclass(frozen=True)
class Block:
    """Vectors with the same distribution.

    Parameters
    ----------
    n : int
        Number of vectors.
    scatter : ndarray, shape (p, p)
        Their covariance around their mean, divisor n.
    mean : ndarray, shape (p,), or None
        Their mean; None if it is zero under every model.
    columns : ndarray of int, shape (p,)
        Variables they hold.
    shares : tuple of float
        How often the covariance of each level goes into theirs.
    mean_scale : float
        What the model's means are multiplied with.
    """

    n: int
    scatter: FloatArray
    mean: FloatArray | None
    columns: IntArray
    shares: tuple[float, ...] = (1.0,)
    mean_scale: float = 1.0


@dataclass(frozen=True)
class Implied:
    """What parameters imply.

    Parameters
    ----------
    covariances : tuple of ndarray, each of shape (k, k)
        One per level.
    slopes : tuple of ndarray, each of shape (n_parameters of the level, k, k)
        Derivatives of the covariance of each level.
    mean : ndarray, shape (k,)
        The last k parameters.
    """

    covariances: tuple[FloatArray, ...]
    slopes: tuple[FloatArray, ...]
    mean: FloatArray


@dataclass(frozen=True)
class Evaluation:
    """-2 log likelihood, its gradient, and the expected information of the parameters."""

    deviance: float
    gradient: FloatArray
    information: FloatArray


def evaluate(blocks: list[Block], implied: Implied) -> Evaluation | None:
    """Return the likelihood of the blocks, or None where a covariance is not positive definite."""
    sizes = [len(slope) for slope in implied.slopes]
    n_slopes, k = sum(sizes), len(implied.mean)
    # Free covariances have the same derivatives at each level: their products are formed once.
    same = all(slope is implied.slopes[0] for slope in implied.slopes)
    distinct = implied.slopes[0] if same else np.concatenate(implied.slopes)
    source = np.tile(np.arange(sizes[0]), len(sizes)) if same else np.arange(n_slopes)
    gradient, information = np.zeros(n_slopes + k), np.zeros((n_slopes + k, n_slopes + k))
    deviance = 0.0
    for block in blocks:
        chosen = np.ix_(block.columns, block.columns)
        covariance = sum(share * level[chosen] for share, level in zip(block.shares, implied.covariances, strict=True))
        inverse, log_determinant = _inverse(np.asarray(covariance))
        if inverse is None:
            return None
        distance = _distance(block, implied.mean)
        cross = block.scatter + np.outer(distance, distance)
        log_constant = len(block.columns) * np.log(2 * np.pi)
        deviance += block.n * (log_constant + log_determinant + float(np.sum(inverse * cross)))
        slope, curvature = _by_covariance(inverse, cross, distinct[:, chosen[0], chosen[1]])
        share = np.repeat(block.shares, sizes)
        gradient[:n_slopes] += block.n * share * slope[source]
        information[:n_slopes, :n_slopes] += block.n * np.outer(share, share) * curvature[np.ix_(source, source)]
        if block.mean is not None:
            at = n_slopes + block.columns
            gradient[at] -= 2 * block.n * block.mean_scale * inverse @ distance
            information[np.ix_(at, at)] += block.n * block.mean_scale**2 * inverse
    return Evaluation(float(deviance), gradient, information)


def _by_covariance(inverse: FloatArray, cross: FloatArray, slopes: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return gradient (m,) and expected information (m, m) of one vector by parameters with these derivatives (m, p, p)."""
    m, cells = len(slopes), inverse.size
    weighted = inverse @ slopes
    turned = np.swapaxes(weighted, 1, 2).reshape(m, cells)
    misfit = inverse - inverse @ cross @ inverse
    return slopes.reshape(m, cells) @ misfit.ravel(), 0.5 * weighted.reshape(m, cells) @ turned.T


def _distance(block: Block, mean: FloatArray) -> FloatArray:
    """Return observed minus implied mean, shape (p,)."""
    if block.mean is None:
        return np.zeros(len(block.columns))
    result: FloatArray = block.mean - block.mean_scale * mean[block.columns]
    return result


def _inverse(covariance: FloatArray) -> tuple[FloatArray | None, float]:
    """Return inverse and log determinant, or None if the matrix is not positive definite."""
    values, vectors = np.linalg.eigh(covariance)
    if not np.isfinite(values).all() or values[0] <= 1e-12 * values[-1]:
        return None, np.inf
    return (vectors / values) @ vectors.T, float(np.log(values).sum())


@dataclass(frozen=True)
class Maximum:
    """The parameters at the largest likelihood, shape (n_parameters,), and whether the search ended there."""

    theta: FloatArray
    at: Evaluation
    converged: bool


def maximise(likelihood: Callable[[FloatArray], Evaluation | None], start: FloatArray) -> Maximum:
    """Maximise a likelihood by Fisher scoring with damped steps.

    Parameters
    ----------
    likelihood : callable
        From parameters, shape (n,), to an Evaluation, or None outside the model.
    start : ndarray, shape (n,)
        Must lie inside the model.

    Returns
    -------
    Maximum

    Notes
    -----
    Steps solve (I + damping diag(I)) step = score, and are halved where that gains more; the search ends when the expected gain
    of a step is below 1e-16 times the number of parameters or no step gains anything.
    """
    theta, damping = start, 1e-3
    now = likelihood(theta)
    if now is None:
        raise ValueError("the starting values lie outside the model")
    for _ in range(2000):
        score = -0.5 * now.gradient
        step = _solve(now.information + damping * np.diag(np.diag(now.information)), score)
        gain = float(score @ step)
        if gain < 1e-16 * len(theta):
            return Maximum(theta, now, converged=True)
        ahead, halved = likelihood(theta + step), False
        if ahead is None or now.deviance - ahead.deviance < gain / 2:
            # Where the expected information is smaller than the observed one a step leads too far, and half of it far enough.
            half = likelihood(theta + step / 2)
            if half is not None and (ahead is None or half.deviance < ahead.deviance):
                step, ahead, halved = step / 2, half, True
        if ahead is not None and ahead.deviance < now.deviance:
            # A step that had to be halved was damped too little: with less, the search would zigzag along a curved ridge.
            theta, now = theta + step, ahead
            damping = max(10 * damping, 1e-6) if halved else max(damping / 10, 1e-12)
        elif damping > 1e8:
            # Rounding hides gains this small.
            return Maximum(theta, now, converged=gain < 1e-7 or _flat(now))
        else:
            damping = max(10 * damping, 1e-6)
    return Maximum(theta, now, converged=_flat(now))


def _flat(at: Evaluation) -> bool:
    """Tell whether the undamped step would gain next to nothing."""
    score = -0.5 * at.gradient
    return float(score @ _solve(at.information, score)) < 1e-8


def _solve(matrix: FloatArray, vector: FloatArray) -> FloatArray:
    """Return the solution, the shortest one if the matrix is singular."""
    try:
        return np.asarray(np.linalg.solve(matrix, vector), dtype=float)
    except np.linalg.LinAlgError:
        return np.asarray(np.linalg.lstsq(matrix, vector, rcond=None)[0])


def observed_information(likelihood: Callable[[FloatArray], Evaluation | None], theta: FloatArray) -> FloatArray:
    """Return half the second derivatives of -2 log likelihood, by central differences of the gradient.

    Raises
    ------
    ModelError
        If the likelihood ends at the parameters.
    """
    width = 1e-5
    rows = []
    for unit in np.eye(len(theta)) * width:
        above, below = likelihood(theta + unit), likelihood(theta - unit)
        if above is None or below is None:
            raise ModelError.build(
                "The likelihood ends at the solution: an implied covariance is singular.",
                hint="leave out items that repeat others.",
            )
        rows.append((above.gradient - below.gradient) / (4 * width))
    matrix = np.array(rows)
    return (matrix + matrix.T) / 2.0


def symmetric_basis(k: int) -> FloatArray:
    """Return the derivatives of a symmetric matrix by its lower triangle, shape (k (k + 1) / 2, k, k)."""
    rows, columns = np.tril_indices(k)
    basis = np.zeros((len(rows), k, k))
    at = np.arange(len(rows))
    basis[at, rows, columns] = 1.0
    basis[at, columns, rows] = 1.0
    return basis


def pattern_blocks(answers: FloatArray) -> list[Block]:
    """Return one block per pattern of missing answers.

    Parameters
    ----------
    answers : ndarray, shape (n_rows, k)
        At least one answer in each row.
    """
    known = np.logical_not(np.isnan(answers))
    patterns, which = np.unique(known, axis=0, return_inverse=True)
    blocks = []
    for number, pattern in enumerate(patterns):
        rows = answers[which.ravel() == number][:, pattern]
        mean = rows.mean(axis=0)
        centred = rows - mean
        blocks.append(Block(len(rows), centred.T @ centred / len(rows), mean, np.flatnonzero(pattern)))
    return blocks


def two_level_blocks(answers: FloatArray, codes: IntArray) -> list[Block]:
    """Return the deviations from cluster means as one block, then the scaled means of clusters of each size.

    Parameters
    ----------
    answers : ndarray, shape (n_rows, k)
        Complete.
    codes : ndarray of int, shape (n_rows,)
        Cluster of each row, 0 to n_clusters - 1.

    Notes
    -----
    With within covariance W, between covariance B and s rows in a cluster, the s - 1 orthonormal contrasts of a cluster
    have covariance W and mean 0, and sqrt(s) times its mean has covariance W + s B (McDonald & Goldstein, 1989,
    doi 10.1111/j.2044-8317.1989.tb00911.x).
    """
    k = answers.shape[1]
    sizes = np.bincount(codes)
    means = np.column_stack([np.bincount(codes, weights=column) for column in answers.T]) / sizes[:, None]
    deviations = answers - means[codes]
    n_within = len(answers) - len(sizes)
    everything = np.arange(k)
    blocks = [Block(n_within, deviations.T @ deviations / n_within, None, everything, (1.0, 0.0))]
    for size in np.unique(sizes):
        chosen = np.sqrt(size) * means[sizes == size]
        mean = chosen.mean(axis=0)
        centred = chosen - mean
        scatter = centred.T @ centred / len(chosen)
        blocks.append(Block(len(chosen), scatter, mean, everything, (1.0, float(size)), float(np.sqrt(size))))
    return blocks


def saturated(blocks: list[Block], start: tuple[FloatArray, ...], mean: FloatArray) -> tuple[Implied, float, bool]:
    """Fit covariances without structure.

    Parameters
    ----------
    blocks : list of Block
    start : tuple of ndarray, each of shape (k, k)
        Positive definite starting values, one per level.
    mean : ndarray, shape (k,)
        Starting values of the means.

    Returns
    -------
    implied : Implied
    deviance : float
    converged : bool
    """
    k = len(mean)
    basis = symmetric_basis(k)
    lower = np.tril_indices(k)
    width = len(basis)

    def unpack(theta: FloatArray) -> Implied:
        """Return what the parameters imply."""
        levels = []
        for number in range(len(start)):
            matrix = np.zeros((k, k))
            matrix[lower] = theta[number * width : (number + 1) * width]
            levels.append(matrix + np.tril(matrix, -1).T)
        return Implied(tuple(levels), (basis,) * len(start), theta[len(start) * width :])

    first = np.concatenate([*(matrix[lower] for matrix in start), mean])
    found = maximise(lambda theta: evaluate(blocks, unpack(theta)), first)
    return unpack(found.theta), found.at.deviance, found.converged
