"""Loadings from a correlation matrix: minimum residuals, maximum likelihood, and their rotation. Arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from alliance_stats.errors import ConvergenceError, DataError
from alliance_stats.scales.keying import FloatArray

Extraction: TypeAlias = Literal["minres", "ml"]
Rotation: TypeAlias = Literal["oblimin", "varimax", "none"]

# R's factanal() and psych::fa() keep uniquenesses at or above 0.005 (argument `lower` of factanal, R 4.2.2).
LOWEST_UNIQUENESS = 0.005


@dataclass(frozen=True, kw_only=True)
class Extracted:
    """Unrotated factors.

    Parameters
    ----------
    loadings : ndarray, shape (k, m)
        Columns by decreasing sum of squares, each with a positive sum.
    uniquenesses : ndarray, shape (k,)
    """

    loadings: FloatArray
    uniquenesses: FloatArray

    @property
    def n_improper(self) -> int:
        """Items whose uniqueness lies at its lower bound."""
        return int(np.sum(self.uniquenesses <= LOWEST_UNIQUENESS * (1 + 1e-9)))


@dataclass(frozen=True, kw_only=True)
class Rotated:
    """Rotated factors: loadings (pattern), shape (k, m), and correlations of the factors, shape (m, m)."""

    loadings: FloatArray
    correlations: FloatArray


def degrees_of_freedom(k: int, m: int) -> int:
    """Return what k items leave over for testing m factors."""
    return ((k - m) ** 2 - k - m) // 2


def extract(correlation: FloatArray, n_factors: int, *, method: Extraction) -> Extracted:
    """Return unrotated loadings.

    Parameters
    ----------
    correlation : ndarray, shape (k, k)
    n_factors : int
    method : {"minres", "ml"}

    Notes
    -----
    Both are minimised over the uniquenesses, with the loadings that are best for them (Joreskog, 1967,
    doi 10.1007/BF02289658; Harman & Jones, 1966, doi 10.1007/BF02289468). The sum of squared residuals of "minres" leaves
    out the diagonal; at its minimum over uniquenesses the diagonal is fitted, so the unweighted least squares of the whole
    matrix have the same solution.
    """
    loss = {"minres": _least_squares, "ml": _likelihood}[method]
    uniquenesses = _minimise(lambda psi: loss(correlation, psi, n_factors), correlation, n_factors)
    if method == "minres":
        values, vectors = _largest(correlation - np.diag(uniquenesses), n_factors)
        loadings = vectors * np.sqrt(np.maximum(values, 0.0))
    else:
        root = np.sqrt(uniquenesses)
        values, vectors = _largest(correlation / np.outer(root, root), n_factors)
        loadings = root[:, None] * vectors * np.sqrt(np.maximum(values - 1.0, 0.0))
    order = np.argsort(-np.sum(loadings**2, axis=0), kind="stable")
    loadings = loadings[:, order]
    signs = np.where(loadings.sum(axis=0) < 0, -1.0, 1.0)
    return Extracted(loadings=loadings * signs, uniquenesses=uniquenesses)


def _largest(matrix: FloatArray, m: int) -> tuple[FloatArray, FloatArray]:
    """Return the m largest eigenvalues and their vectors."""
    values, vectors = np.linalg.eigh(matrix)
    return values[::-1][:m], vectors[:, ::-1][:, :m]


def _least_squares(correlation: FloatArray, psi: FloatArray, m: int) -> tuple[float, FloatArray]:
    """Return half the sum of squared residuals and its gradient by the uniquenesses."""
    values, vectors = np.linalg.eigh(correlation - np.diag(psi))
    left, vectors_left = values[:-m].copy(), vectors[:, :-m]
    kept = values[-m:]
    # A negative eigenvalue cannot be carried by a loading and stays in the residual.
    rest = np.concatenate([left, np.minimum(kept, 0.0)])
    spread = np.column_stack([vectors_left, vectors[:, -m:]])
    return 0.5 * float(rest @ rest), -(spread**2) @ rest


def _likelihood(correlation: FloatArray, psi: FloatArray, m: int) -> tuple[float, FloatArray]:
    """Return the maximum-likelihood discrepancy and its gradient by the uniquenesses."""
    root = np.sqrt(psi)
    values, vectors = np.linalg.eigh(correlation / np.outer(root, root))
    values = np.maximum(values, 1e-300)
    rest = np.concatenate([values[:-m], np.minimum(values[-m:], 1.0)])
    discrepancy = float(np.sum(rest - np.log(rest) - 1.0))
    return discrepancy, (vectors**2 @ (1.0 - rest)) / psi


Loss = Callable[[FloatArray], tuple[float, FloatArray]]


def _minimise(loss: Loss, correlation: FloatArray, m: int) -> FloatArray:
    """Return the uniquenesses at the minimum, shape (k,)."""
    from scipy.optimize import minimize

    k = len(correlation)
    inverse_diagonal = np.diag(np.linalg.inv(correlation))
    # Starting values of Joreskog (1967), doi 10.1007/BF02289658.
    start = np.clip((1.0 - 0.5 * m / k) / inverse_diagonal, LOWEST_UNIQUENESS, 1.0)
    found = minimize(
        loss,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(LOWEST_UNIQUENESS, 1.0)] * k,
        options={"maxiter": 10_000, "maxfun": 50_000, "ftol": 1e-15, "gtol": 1e-10},
    )
    return _polish(loss, np.asarray(found.x, dtype=float))


def _polish(loss: Loss, psi: FloatArray) -> FloatArray:
    """Take a few Newton steps in the uniquenesses that are not at a bound."""
    for _ in range(4):
        free = np.flatnonzero((psi > LOWEST_UNIQUENESS * (1 + 1e-9)) & (psi < 1.0))
        value, gradient = loss(psi)
        if free.size == 0 or np.abs(gradient[free]).max() < 1e-13:
            break
        width = 1e-5
        unit = np.eye(len(psi))[free] * width
        hessian = np.array([(loss(psi + up)[1] - loss(psi - up)[1])[free] / (2 * width) for up in unit])
        step = np.zeros(len(psi))
        step[free] = np.linalg.lstsq(hessian, -gradient[free], rcond=1e-10)[0]
        ahead = np.clip(psi + step, LOWEST_UNIQUENESS, 1.0)
        if loss(ahead)[0] > value + 1e-14:
            break
        psi = ahead
    return psi


def rotate(loadings: FloatArray, *, rotation: Rotation) -> Rotated:
    """Return rotated loadings.

    Parameters
    ----------
    loadings : ndarray, shape (k, m)
    rotation : {"oblimin", "varimax", "none"}
        Oblimin with gamma = 0 (quartimin), rows not normalised; varimax with rows normalised (Kaiser).

    Returns
    -------
    Rotated
        Factors by decreasing sum of squares, each with a positive sum of loadings.

    Raises
    ------
    ConvergenceError
        If the rotation found no minimum.
    """
    m = loadings.shape[1]
    if rotation == "none" or m == 1:
        return Rotated(loadings=loadings, correlations=np.eye(m))
    length = np.sqrt(np.sum(loadings**2, axis=1)) if rotation == "varimax" else np.ones(len(loadings))
    if not np.all(length > 0):
        raise DataError.build("An item has no loading at all.", hint="leave it out, or use rotation='oblimin'.")
    turned, correlations = _projected(loadings / length[:, None], oblique=rotation == "oblimin")
    turned = turned * length[:, None]
    order = np.argsort(-np.diag(correlations @ (turned.T @ turned)), kind="stable")
    turned, correlations = turned[:, order], correlations[np.ix_(order, order)]
    signs = np.where(turned.sum(axis=0) < 0, -1.0, 1.0)
    return Rotated(loadings=turned * signs, correlations=correlations * np.outer(signs, signs))


def _criterion(turned: FloatArray, *, oblique: bool) -> tuple[float, FloatArray]:
    """Return quartimin, or varimax with its sign turned, and the gradient by the loadings."""
    squares = turned**2
    others = squares.sum(axis=1, keepdims=True) - squares if oblique else squares.mean(axis=0) - squares
    return 0.25 * float(np.sum(squares * others)), turned * others


def _projected(loadings: FloatArray, *, oblique: bool) -> tuple[FloatArray, FloatArray]:
    """Return loadings and factor correlations by gradient projection.

    Jennrich (2001), doi 10.1007/BF02294840, for orthogonal and Jennrich (2002), doi 10.1007/BF02294706, for oblique rotation.
    """
    turn, step = np.eye(loadings.shape[1]), 1.0
    rotated = _apply(loadings, turn, oblique)
    value, slope = _criterion(rotated, oblique=oblique)
    for _ in range(5_000):
        gradient = -np.linalg.solve(turn.T, slope.T @ rotated) if oblique else loadings.T @ slope
        if oblique:
            projected = gradient - turn * np.sum(turn * gradient, axis=0)
        else:
            inner = turn.T @ gradient
            projected = gradient - turn @ (inner + inner.T) / 2.0
        size = float(np.sum(projected**2))
        if np.sqrt(size) < 1e-8:
            break
        step *= 2.0
        for _ in range(60):
            ahead = _retract(turn - step * projected, oblique)
            moved = _apply(loadings, ahead, oblique)
            value_ahead, slope_ahead = _criterion(moved, oblique=oblique)
            if value - value_ahead >= 0.5 * size * step or size * step < 1e-17:
                break
            step /= 2.0
        turn, rotated, value, slope = ahead, moved, value_ahead, slope_ahead
    else:
        if np.sqrt(size) > 1e-4:
            raise ConvergenceError.build(
                f"The rotation found no minimum: the gradient is still {np.sqrt(size):.2g} long.",
                hint="use fewer factors or rotation='none'.",
            )
    return rotated, turn.T @ turn


def _apply(loadings: FloatArray, turn: FloatArray, oblique: bool) -> FloatArray:
    """Return the loadings on the turned factors, shape (k, m)."""
    return np.asarray(np.linalg.solve(turn, loadings.T).T if oblique else loadings @ turn, dtype=float)


def _retract(turn: FloatArray, oblique: bool) -> FloatArray:
    """Return the nearest allowed turn: columns of length one, or an orthogonal matrix."""
    if oblique:
        return np.asarray(turn / np.sqrt(np.sum(turn**2, axis=0)))
    left, _, right = np.linalg.svd(turn)
    return np.asarray(left @ right)
