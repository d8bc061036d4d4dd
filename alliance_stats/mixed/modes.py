"""Predicted random effects (conditional modes) and how surely they are known."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from alliance_stats.mixed.chain import Elimination, eliminate
from alliance_stats.mixed.crossedfactor import crossed_modes, eliminate_outer
from alliance_stats.mixed.crossproducts import CrossProducts
from alliance_stats.mixed.levelsums import Floats
from alliance_stats.mixed.parameters import unpack
from alliance_stats.mixed.smallblocks import multiply, transpose


class Modes(NamedTuple):
    """Random effects of one factor, in standardised columns.

    mode : ndarray, shape (q, n_levels)
    covariance : ndarray, shape (q, q, n_levels)
        Conditional covariance given the data, theta and beta, relative to sigma squared.
    """

    mode: Floats
    covariance: Floats


def conditional_modes(cp: CrossProducts, theta: Floats, beta: Floats) -> list[Modes]:
    """Return the random effects of every factor, factors and levels in the order they were given.

    Parameters
    ----------
    cp : CrossProducts
    theta : ndarray, shape (n_theta,)
    beta : ndarray, shape (p,)
        Fixed effects at theta.
    """
    lambdas = unpack(theta, cp.patterns)
    residual = np.append(-beta, 1.0)
    depth = len(cp.chunks[0])
    eliminations = [eliminate(chain, lambdas[:depth]) for chain in cp.chunks]
    if cp.crossed is None:
        chunks = [_back_substitute(elimination, residual) for elimination in eliminations]
        solved = [
            (np.concatenate([c[k][0] for c in chunks], axis=1), np.concatenate([c[k][1] for c in chunks], axis=2))
            for k in range(depth)
        ]
    else:
        outer = eliminate_outer(cp.crossed, eliminations[0], lambdas[1:])
        solved = crossed_modes(cp.crossed, eliminations[0], outer, residual)
    found: list[Modes] = [Modes(np.zeros(0), np.zeros(0))] * len(lambdas)
    for k, (mode, covariance) in enumerate(solved):
        given = np.empty_like(cp.level_order[k])
        given[cp.level_order[k]] = np.arange(given.size)
        found[cp.order[k]] = Modes(mode[:, given], covariance[:, :, given])
    return found


def _back_substitute(elimination: Elimination, residual: Floats) -> list[tuple[Floats, Floats]]:
    """Return modes and covariances of the factors of a chain, from the outermost inwards.

    With r = y - X beta, a factor's effects given those further out are K Z'r - sum_a K Z'Z_a b_a with covariance K, so that
    Cov(b, b_m) = -sum_a K Z'Z_a Cov(b_a, b_m) and Cov(b) = K - sum_m Cov(b, b_m) (K Z'Z_m)'. Nothing large is subtracted.
    """
    chain, stages = elimination.chain, elimination.stages
    depth = len(stages)
    modes: dict[int, Floats] = {}
    covariances: dict[tuple[int, int], Floats] = {}
    for k in reversed(range(depth)):
        stage, parents = stages[k], chain[k].parent
        outer = range(k + 1, depth)
        mode = np.tensordot(stage.k_zx, residual, (1, 0))
        for a in outer:
            mode = mode - multiply(stage.k_zu[a - k - 1], modes[a][:, None, parents[a - k - 1]])[:, 0]
        modes[k] = mode
        total = stage.k
        for m in outer:
            joint = np.zeros_like(stage.k_zu[m - k - 1])
            for a in outer:
                low = covariances[a, m] if a <= m else transpose(covariances[m, a])
                joint -= multiply(stage.k_zu[a - k - 1], low[:, :, parents[min(a, m) - k - 1]])
            covariances[k, m] = joint
            total = total - multiply(joint, transpose(stage.k_zu[m - k - 1]))
        covariances[k, k] = total
    return [(modes[k], covariances[k, k]) for k in range(depth)]
