"""Eliminating nested factors, one after the other, level by level.

After factor k is eliminated the remaining cross-products are those of H_k^-1, where
``H_k = I + sum_{j <= k} Z_j Lambda_j Lambda_j' Z_j'``:
``Z_j' H_k^-1 Z_m = Z_j' H_{k-1}^-1 Z_m - Z_j' H_{k-1}^-1 Z_k  K_k  Z_k' H_{k-1}^-1 Z_m``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from alliance_stats.mixed.crossproducts import Chain
from alliance_stats.mixed.levelsums import Floats
from alliance_stats.mixed.parameters import Pattern, direction_weights
from alliance_stats.mixed.smallblocks import gather, inner, level_inverse, multiply, outer, transpose


@dataclass(frozen=True)
class Stage:
    """A factor at the moment it is eliminated.

    Parameters
    ----------
    zz, zx, zu
        As in Block, under H^-1 of the factors eliminated before.
    k : ndarray, shape (q, q, n_levels)
        Lambda (I + Lambda' zz Lambda)^-1 Lambda'.
    k_zx, k_zu
        k times zx and each of zu.
    """

    zz: Floats
    zx: Floats
    zu: tuple[Floats, ...]
    k: Floats
    k_zx: Floats
    k_zu: tuple[Floats, ...]


@dataclass(frozen=True)
class Elimination:
    """A chain with all its factors eliminated.

    Parameters
    ----------
    chain : chain
        What was eliminated.
    stages : tuple of Stage
    log_determinant : float
    removed : ndarray, shape (p + 1, p + 1)
        What [X, y]'[X, y] loses.
    """

    chain: Chain
    stages: tuple[Stage, ...]
    log_determinant: float
    removed: Floats


def eliminate(chain: Chain, lambdas: Sequence[Floats]) -> Elimination:
    """Eliminate every factor of a chain.

    Parameters
    ----------
    chain : tuple of Block
    lambdas : sequence of ndarray, each of shape (q, q)
    """
    zz = [block.zz for block in chain]
    zx = [block.zx for block in chain]
    zu = [list(block.zu) for block in chain]
    stages: list[Stage] = []
    log_determinant, removed = 0.0, np.zeros((zx[0].shape[1],) * 2)
    for k, (block, lam) in enumerate(zip(chain, lambdas, strict=True)):
        log_det, inverse = level_inverse(zz[k], lam)
        k_zx = multiply(inverse, zx[k])
        k_zu = tuple(multiply(inverse, z) for z in zu[k])
        log_determinant += log_det
        removed += inner(zx[k], k_zx)
        for d, starts in enumerate(block.starts):
            j, to_outer = k + 1 + d, transpose(zu[k][d])
            zz[j] = zz[j] - gather(multiply(to_outer, k_zu[d]), starts)
            zx[j] = zx[j] - gather(multiply(to_outer, k_zx), starts)
            for e in range(d + 1, len(k_zu)):
                zu[j][e - d - 1] = zu[j][e - d - 1] - gather(multiply(to_outer, k_zu[e]), starts)
        stages.append(Stage(zz[k], zx[k], tuple(zu[k]), inverse, k_zx, k_zu))
    return Elimination(chain, tuple(stages), log_determinant, removed)


@dataclass(frozen=True)
class Projected:
    """Cross-products under H^-1 of all factors of a chain.

    Parameters
    ----------
    zz : tuple of ndarray, each of shape (q, q, n_levels)
        Z' H^-1 Z of each level: the diagonal blocks.
    zx : tuple of ndarray, each of shape (q, p + 1, n_levels)
        Z' H^-1 [X, y].
    """

    zz: tuple[Floats, ...]
    zx: tuple[Floats, ...]


def project(elimination: Elimination) -> Projected:
    """Return Z' H^-1 Z, level by level, and Z' H^-1 [X, y] of every factor."""
    chain, stages = elimination.chain, elimination.stages
    zz: list[Floats] = []
    zx: list[Floats] = []
    zu: list[list[Floats]] = []
    for k, stage in enumerate(stages):
        for j in range(k):
            parent, cross = chain[j].parent[k - j - 1], zu[j].pop(0)
            zz[j] = zz[j] - multiply(multiply(cross, stage.k[:, :, parent]), transpose(cross))
            zx[j] = zx[j] - multiply(cross, stage.k_zx[:, :, parent])
            zu[j] = [z - multiply(cross, w[:, :, parent]) for z, w in zip(zu[j], stage.k_zu, strict=True)]
        zz.append(stage.zz - multiply(multiply(stage.zz, stage.k), stage.zz))
        zx.append(stage.zx - multiply(stage.zz, stage.k_zx))
        zu.append([z - multiply(stage.zz, w) for z, w in zip(stage.zu, stage.k_zu, strict=True)])
    return Projected(tuple(zz), tuple(zx))


@dataclass(frozen=True)
class Directions:
    """Working variates: one column q_a = (dH / dtheta_a) P y per variance parameter, as products.

    Parameters
    ----------
    qq : ndarray, shape (n_theta, n_theta)
        q' H^-1 q.
    xq : ndarray, shape (p + 1, n_theta)
        [X, y]' H^-1 q.
    """

    qq: Floats
    xq: Floats


def directions(elimination: Elimination, weights: Sequence[Floats]) -> Directions:
    """Project the working variates ``q_a = Z_k t_a`` of average-information steps.

    Parameters
    ----------
    elimination : Elimination
    weights : sequence of ndarray, each of shape (q, n_own, n_levels)
        t_a for the parameters of each factor; together n_theta columns, factor after factor.
    """
    chain = elimination.chain
    owned = [w.shape[1] for w in weights]
    edges = np.concatenate(([0], np.cumsum(owned)))
    n_theta, m = int(edges[-1]), chain[0].zx.shape[1]
    qq, xq = np.empty((n_theta, n_theta)), np.empty((m, n_theta))
    zq = [_products_with(chain, weights, k) for k in range(len(chain))]
    for k, block in enumerate(chain):
        own = slice(edges[k], edges[k + 1])
        qq[own] = inner(weights[k], zq[k])
        xq[:, own] = inner(block.zx, weights[k])
    for k, (block, stage) in enumerate(zip(chain, elimination.stages, strict=True)):
        k_zq = multiply(stage.k, zq[k])
        qq -= inner(zq[k], k_zq)
        xq -= inner(stage.zx, k_zq)
        for d, starts in enumerate(block.starts):
            zq[k + 1 + d] = zq[k + 1 + d] - gather(multiply(transpose(stage.zu[d]), k_zq), starts)
    return Directions(qq, xq)


def _products_with(chain: Chain, weights: Sequence[Floats], k: int) -> Floats:
    """Return Z_k' q for all working variates, shape (q_k, n_theta, n_levels of factor k)."""
    columns = []
    for j, weight in enumerate(weights):
        if j < k:
            to_outer = transpose(chain[j].zu[k - j - 1])
            columns.append(gather(multiply(to_outer, weight), chain[j].starts[k - j - 1]))
        elif j == k:
            columns.append(multiply(chain[k].zz, weight))
        else:
            columns.append(multiply(chain[k].zu[j - k - 1], weight[:, :, chain[k].parent[j - k - 1]]))
    return np.concatenate(columns, axis=1)


@dataclass(frozen=True)
class Derivatives:
    """What gradient and Hessian of the criterion are made of.

    Parameters
    ----------
    slopes : list of ndarray, each of shape (q, q)
        Derivative of the criterion by each factor's Lambda Lambda'.
    scaled : list of ndarray, each of shape (q, q)
        The same times Lambda: half the derivative by Lambda.
    qq : ndarray, shape (n_theta, n_theta)
        q' H^-1 q of the working variates.
    xq : ndarray, shape (p + 1, n_theta)
        [X, y]' H^-1 q.
    moments : ndarray, shape (n_theta,)
        q' P y.
    """

    slopes: list[Floats]
    scaled: list[Floats]
    qq: Floats
    xq: Floats
    moments: Floats


def derivatives(
    eliminations: Sequence[Elimination],
    lambdas: Sequence[Floats],
    patterns: Sequence[Pattern],
    basis: Floats,
    residual: Floats,
) -> Derivatives:
    """Return the pieces of gradient and Hessian, summed over independent parts of a chain.

    Parameters
    ----------
    eliminations : sequence of Elimination
    lambdas : sequence of ndarray, each of shape (q, q)
    patterns : sequence of patterns
    basis : ndarray, shape (p + 1, r)
        Columns that turn Z' H^-1 [X, y] into what the criterion's derivative takes off.
    residual : ndarray, shape (p + 1,)
        Coefficients of y - X beta.
    """
    n_theta = sum(len(pattern) for pattern in patterns)
    slopes = [np.zeros_like(lam) for lam in lambdas]
    qq, xq, moments = np.zeros((n_theta, n_theta)), np.zeros((residual.size, n_theta)), np.zeros(n_theta)
    for elimination in eliminations:
        projected = project(elimination)
        for total, zz, zx in zip(slopes, projected.zz, projected.zx, strict=True):
            explained = np.matmul(basis.T, zx)
            total += zz.sum(axis=2) - outer(explained, explained)
        scores = [np.tensordot(zx, residual, (1, 0)) for zx in projected.zx]
        weights = [direction_weights(v, lam, p) for v, lam, p in zip(scores, lambdas, patterns, strict=True)]
        moments += np.concatenate([np.einsum("qn,qan->a", v, t) for v, t in zip(scores, weights, strict=True)])
        found = directions(elimination, weights)
        qq += found.qq
        xq += found.xq
    return Derivatives(slopes, [slope @ lam for slope, lam in zip(slopes, lambdas, strict=True)], qq, xq, moments)
