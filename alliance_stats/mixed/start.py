"""Starting values: each factor's covariance by the method of moments, as if it were the only one."""

from __future__ import annotations

import numpy as np

from alliance_stats.mixed.crossproducts import CrossProducts
from alliance_stats.mixed.levelsums import Floats
from alliance_stats.mixed.parameters import Pattern, pack

SMALLEST, LARGEST = 0.05, 30.0
"""Bounds of a starting standard deviation, relative to the residual's; away from zero, where the criterion is flat."""


def starting_theta(cp: CrossProducts) -> Floats:
    """Return a theta from which Newton steps converge, shape (n_theta,).

    Parameters
    ----------
    cp : CrossProducts
        Of standardised columns.

    Notes
    -----
    With residuals r of least squares and v = Z'r per level, ``E sum v v' = sigma2 sum A + sum A S A`` and
    ``E r'r = sigma2 n + tr(S sum A)`` are solved for S and, unless it is known, sigma2, the loss of rank by X left aside.
    """
    p = cp.n_fixed
    beta = np.linalg.lstsq(cp.xx[:p, :p], cp.xx[:p, p], rcond=None)[0]
    residual = np.append(-beta, 1.0)
    total = max(float(residual @ cp.xx @ residual), np.finfo(float).tiny)
    lambdas = [
        _moment_lambda(zz, np.tensordot(zx, residual, (1, 0)), total, cp, pattern)
        for (zz, zx), pattern in zip(_marginal_sums(cp), cp.patterns, strict=True)
    ]
    return pack(lambdas, cp.patterns)


def _marginal_sums(cp: CrossProducts) -> list[tuple[Floats, Floats]]:
    """Return Z'Z and Z'[X, y] per level of each factor."""
    sums = []
    for k in range(len(cp.chunks[0])):
        zz = np.concatenate([chain[k].zz for chain in cp.chunks], axis=2)
        zx = np.concatenate([chain[k].zx for chain in cp.chunks], axis=2)
        sums.append((zz, zx))
    if cp.crossed is not None:
        for start, n, q in cp.crossed.spans:
            rows = slice(start, start + n * q)
            blocks = cp.crossed.uu[rows, rows].tocoo()
            own = blocks.row // q == blocks.col // q
            zz = np.zeros((q, q, n))
            zz[blocks.row[own] % q, blocks.col[own] % q, blocks.row[own] // q] = blocks.data[own]
            sums.append((zz, cp.crossed.ux[rows].reshape(n, q, -1).transpose(1, 2, 0)))
    return sums


def _moment_lambda(zz: Floats, score: Floats, total: float, cp: CrossProducts, pattern: Pattern) -> Floats:
    """Return a lower triangular Lambda from second moments, shape (q, q)."""
    q, n_rows = zz.shape[0], cp.n_rows
    flat = zz.reshape(q * q, -1)
    weighted = (flat @ flat.T).reshape(q, q, q, q).transpose(0, 2, 1, 3).reshape(q * q, q * q)
    summed = flat.sum(axis=1)
    system = np.zeros((q * q + 1, q * q + 1))
    system[:-1, :-1], system[:-1, -1], system[-1, :-1], system[-1, -1] = weighted, summed, summed, n_rows
    moments = np.append((score @ score.T).ravel(), total)
    if cp.sigma2 is not None:
        system[-1, :-1], system[-1, -1], moments[-1] = 0.0, 1.0, cp.sigma2
    solved = np.linalg.lstsq(system, moments, rcond=None)[0]
    sigma2 = solved[-1] if cp.sigma2 or solved[-1] > 0.05 * total / n_rows else 0.3 * total / n_rows
    relative = solved[:-1].reshape(q, q) / sigma2
    values, vectors = np.linalg.eigh((relative + relative.T) / 2.0)
    values = np.clip(np.nan_to_num(values), SMALLEST**2, LARGEST**2)
    root = np.linalg.cholesky((vectors * values) @ vectors.T)
    free = set(pattern)
    if len(free) < q * (q + 1) // 2:
        root = np.diag(np.sqrt(np.clip(np.diagonal(relative), SMALLEST**2, LARGEST**2)))
    return np.asarray(root)
