"""Arithmetic on many small matrices at once, the levels on the last axis."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from alliance_stats.mixed.levelsums import Codes, Floats


class LevelInverse(NamedTuple):
    """What eliminating a factor needs of each level.

    log_determinant : float, sum over the levels of log|I + Lambda' A Lambda|
    k : ndarray, shape (q, q, n_levels), Lambda (I + Lambda' A Lambda)^-1 Lambda'
    """

    log_determinant: float
    k: Floats


def level_inverse(a: Floats, lam: Floats) -> LevelInverse:
    """Eliminate one factor level by level.

    Parameters
    ----------
    a : ndarray, shape (q, q, n_levels)
        Z'Z of each level, given all factors eliminated before.
    lam : ndarray, shape (q, q)
        Lower triangular relative covariance factor.
    """
    q = a.shape[0]
    if q == 1:
        square = float(lam[0, 0]) ** 2
        m = a[0] * square + 1.0
        return LevelInverse(float(np.log(m).sum()), (square / m)[None])
    if q == 2:
        return _pair_inverse(a, lam)
    small = np.einsum("bi,bcn,cj->nij", lam, a, lam, optimize=True) + np.eye(q)
    root = np.linalg.cholesky(small)
    half = np.linalg.solve(root, np.broadcast_to(lam.T, small.shape))
    k = np.ascontiguousarray(np.moveaxis(np.matmul(np.swapaxes(half, 1, 2), half), 0, 2))
    return LevelInverse(2.0 * float(np.log(np.diagonal(root, axis1=1, axis2=2)).sum()), k)


def _pair_inverse(a: Floats, lam: Floats) -> LevelInverse:
    """Return the inverse for two random effects per level, in closed form.

    With S = Lambda Lambda', |I + Lambda' A Lambda| = 1 + tr(S A) + |S||A| and K = (S + |S| adj(A)) / that.
    """
    s = lam @ lam.T
    det_s = float(lam[0, 0] * lam[1, 1]) ** 2
    a00, a01, a11 = a[0, 0], a[0, 1], a[1, 1]
    det = a00 * a11
    det -= a01 * a01
    det *= det_s
    det += s[0, 0] * a00
    det += (2 * s[0, 1]) * a01
    det += s[1, 1] * a11
    det += 1.0
    k = np.empty_like(a)
    inverse = 1.0 / det
    k[0, 0] = (s[0, 0] + det_s * a11) * inverse
    k[1, 1] = (s[1, 1] + det_s * a00) * inverse
    k[0, 1] = (s[0, 1] - det_s * a01) * inverse
    k[1, 0] = k[0, 1]
    return LevelInverse(float(np.log(det).sum()), k)


def multiply(a: Floats, b: Floats) -> Floats:
    """Return the level-wise product of shape (q, r, n) for a of shape (q, s, n) and b of shape (s, r, n)."""
    out = a[:, 0, None] * b[0]
    for s in range(1, a.shape[1]):
        out += a[:, s, None] * b[s]
    return np.asarray(out)


def inner(a: Floats, b: Floats) -> Floats:
    """Return the sum over levels of a' b, shape (r, t), for a of shape (q, r, n) and b of shape (q, t, n)."""
    total = a[0] @ b[0].T
    for s in range(1, a.shape[0]):
        total += a[s] @ b[s].T
    return np.asarray(total)


def outer(a: Floats, b: Floats) -> Floats:
    """Return the sum over levels of a b', shape (q, t), for a of shape (q, r, n) and b of shape (t, r, n)."""
    return np.asarray(a.reshape(a.shape[0], -1) @ b.reshape(b.shape[0], -1).T)


def transpose(a: Floats) -> Floats:
    """Return each level's transpose, a view of shape (r, q, n)."""
    return a.transpose(1, 0, 2)


def gather(a: Floats, starts: Codes) -> Floats:
    """Return sums over the runs of levels that begin at ``starts``, shape (q, r, n_outer)."""
    return np.add.reduceat(a, starts, axis=2)
