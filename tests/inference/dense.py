"""The covariance of the outcome written out as one matrix, for comparison on small data."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from alliance_stats.mixed.fit import LmmFit


class Dense(NamedTuple):
    """A fit in the user's units: X, V, and the derivative of V by each variance, covariance and the residual variance."""

    x: np.ndarray
    v: np.ndarray
    parts: list[np.ndarray]


def dense(fit: LmmFit) -> Dense:
    """Return the matrices of a fit."""
    design, n = fit.design, fit.n_obs
    columns = [np.ones(n) if c is None else c for c in design.x.columns]
    x = np.column_stack([columns[j] for j in fit.scaling.x_kept])
    noise = np.diag(np.ones(n) if design.weights is None else 1.0 / design.weights)
    v, parts = fit.sigma**2 * noise, []
    for term, factor in zip(design.terms, fit.term_factors, strict=True):
        member = np.zeros((n, len(term.grouping.labels)))
        member[np.arange(n), term.grouping.codes] = 1.0
        z = [member if c is None else c[:, None] * member for c in term.columns]
        covariance = fit.sigma**2 * factor @ factor.T
        for i in range(len(z)):
            for j in range(i + 1):
                part = z[i] @ z[j].T if i == j else z[i] @ z[j].T + z[j] @ z[i].T
                parts.append(part)
                v = v + covariance[i, j] * part
    return Dense(x, v, [*parts, noise])


class DenseKenwardRoger(NamedTuple):
    """Kenward and Roger's quantities by their definitions."""

    phi: np.ndarray
    adjusted: np.ndarray
    p: list[np.ndarray]
    w: np.ndarray


def dense_kenward_roger(fit: LmmFit, *, sigma_known: bool = False) -> DenseKenwardRoger:
    """Return Kenward and Roger (1997), eq. 3 to 6, term by term as they are written."""
    x, v, parts = dense(fit)
    parts = parts[:-1] if sigma_known else parts
    v_inverse = np.linalg.inv(v)
    phi = np.linalg.inv(x.T @ v_inverse @ x)
    moved = [v_inverse @ part @ v_inverse for part in parts]
    p = [-x.T @ m @ x for m in moved]
    k = range(len(parts))
    q = [[x.T @ moved[i] @ parts[j] @ v_inverse @ x for j in k] for i in k]
    information = np.array(
        [
            [
                np.trace(v_inverse @ parts[i] @ v_inverse @ parts[j])
                - 2.0 * np.trace(phi @ q[i][j])
                + np.trace(phi @ p[i] @ phi @ p[j])
                for j in k
            ]
            for i in k
        ]
    )
    w = 2.0 * np.linalg.inv(information)
    middle = sum(w[i, j] * (q[i][j] - p[i] @ phi @ p[j]) for i in k for j in k)
    return DenseKenwardRoger(phi, phi + 2.0 * phi @ middle @ phi, p, w)
