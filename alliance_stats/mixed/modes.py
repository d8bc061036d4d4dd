"""Predicted random effects (conditional modes) and how surely they are known."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from alliance_stats.mixed import chain as nested
from alliance_stats.mixed.crossedfactor import crossed_scores, eliminate_outer
from alliance_stats.mixed.crossproducts import CrossProducts
from alliance_stats.mixed.levelsums import Floats
from alliance_stats.mixed.parameters import unpack


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

    Notes
    -----
    With S = Lambda Lambda' and v = Z'H^-1(y - X beta): mode = S v, covariance = S - S Z'H^-1Z S.
    """
    lambdas = unpack(theta, cp.patterns)
    residual = np.append(-beta, 1.0)
    depth = len(cp.chunks[0])
    eliminations = [nested.eliminate(chain, lambdas[:depth]) for chain in cp.chunks]
    if cp.crossed is None:
        projected = [nested.project(elimination) for elimination in eliminations]
        scores = [
            (
                np.concatenate([np.tensordot(part.zx[k], residual, (1, 0)) for part in projected], axis=1),
                np.concatenate([part.zz[k] for part in projected], axis=2),
            )
            for k in range(depth)
        ]
    else:
        outer = eliminate_outer(cp.crossed, eliminations[0], lambdas[1:])
        scores = crossed_scores(cp.crossed, eliminations[0], outer, residual)
    found: list[Modes] = [Modes(np.zeros(0), np.zeros(0))] * len(lambdas)
    for k, ((score, zz), lam) in enumerate(zip(scores, lambdas, strict=True)):
        s = lam @ lam.T
        is_covariance = cp.crossed is not None and k > 0
        covariance = zz if is_covariance else s[:, :, None] - np.einsum("ab,bcn,cd->adn", s, zz, s, optimize=True)
        given = np.empty_like(cp.level_order[k])
        given[cp.level_order[k]] = np.arange(given.size)
        found[cp.order[k]] = Modes((s @ score)[:, given], covariance[:, :, given])
    return found
