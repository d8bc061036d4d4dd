"""Derivatives of log|H| and X'H^-1X for crossed factors: the largest level by level, the others through dense matrices.

After the inner factor is eliminated the outer columns U have cross-products A = U'H_1^-1U and B = U'H_1^-1X, which depend on
the inner covariance only. With S the outer covariance, K = S (I + A S)^-1, F = I - K A, U'H^-1X = N = F'B and
U'H^-1U = G = A F, log|I + A S| and the loss B'KB of X'H_1^-1X are differentiated twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.linalg import lapack

from alliance_stats.inference.jets import Jet, Pair
from alliance_stats.mixed.chain import eliminate
from alliance_stats.mixed.crossed import Crossed
from alliance_stats.mixed.crossedfactor import eliminate_outer as factorise
from alliance_stats.mixed.crossproducts import Block, Chain
from alliance_stats.mixed.levelsums import Floats
from alliance_stats.mixed.smallblocks import multiply


@dataclass(frozen=True)
class Outer:
    """The outer factors at one theta.

    Parameters
    ----------
    a : sparse array, shape (n_outer, n_outer)
    b : ndarray, shape (n_outer, p)
    k : ndarray, shape (n_outer, n_outer)
    """

    a: sp.csr_array
    b: Floats
    k: Floats


@dataclass(frozen=True)
class OuterRemoval:
    """What the outer factors add to the log determinant and take off X'H_1^-1X.

    Parameters
    ----------
    slope, curvature : dict
        First and second derivatives of log|I + A S|.
    removed : Jet of shape (p, p)
        B'KB.
    """

    slope: dict[int, float]
    curvature: dict[Pair, float]
    removed: Jet


@dataclass(frozen=True)
class _Moves:
    """Derivatives by the inner factor's parameters.

    Parameters
    ----------
    a, b : dict
        First derivatives of A (sparse) and B.
    aa, bb : dict
        Second derivatives by (i, j), i <= j.
    """

    a: dict[int, sp.csr_array]
    b: dict[int, Floats]
    aa: dict[Pair, sp.csr_array]
    bb: dict[Pair, Floats]


def outer_factor(crossed: Crossed, chain: Chain, lambdas: Sequence[Floats], n_fixed: int) -> Outer:
    """Return A, B and K of the outer factors."""
    factor = factorise(crossed, eliminate(chain, lambdas[:1]), lambdas[1:])
    lower, _ = lapack.dpotri(factor.root.copy(order="K"), lower=1, overwrite_c=1)
    whole = np.tril(lower) + np.tril(lower, -1).T
    half = np.asarray(factor.lam @ whole)
    return Outer(factor.uu, factor.ux[:, :n_fixed], np.asarray(factor.lam @ half.T))


def eliminate_outer(
    crossed: Crossed, block: Block, inner_k: Jet, outer: Outer, directions: Sequence[dict[int, Floats]]
) -> OuterRemoval:
    """Eliminate the outer factors with their derivatives.

    Parameters
    ----------
    crossed : Crossed
    block : Block
        Of the inner factor.
    inner_k : Jet of shape (q, q, n_levels)
        K of the inner factor.
    outer : Outer
    directions : sequence of dict
        For each outer factor the derivative of its covariance by each of its parameters, each of shape (q, q).
    """
    moves = _moves(crossed, block, inner_k, outer.b.shape[1])
    spreads = _spreads(crossed, directions)
    slope, curvature = _log_determinant(outer, moves, spreads)
    return OuterRemoval(slope, curvature, _removed(outer, moves, spreads))


def _moves(crossed: Crossed, block: Block, k: Jet, n_fixed: int) -> _Moves:
    """Return how A and B move with the inner factor's parameters: both are linear in its K."""
    zx = block.zx[:, :n_fixed]

    def move_a(change: Floats) -> sp.csr_array:
        n = change.shape[2]
        parts = [
            left @ (sp.dia_array((change[a, b][None], [0]), shape=(n, n)) @ right)
            for a, left in enumerate(crossed.zu_t)
            for b, right in enumerate(crossed.zu)
        ]
        return sp.csr_array(-sum(parts[1:], parts[0]))

    def move_b(change: Floats) -> Floats:
        parts = [z @ moved.T for z, moved in zip(crossed.zu_t, multiply(change, zx), strict=True)]
        return np.asarray(-sum(parts[1:], parts[0]))

    return _Moves(
        {i: move_a(c) for i, c in k.first.items()},
        {i: move_b(c) for i, c in k.first.items()},
        {p: move_a(c) for p, c in k.second.items()},
        {p: move_b(c) for p, c in k.second.items()},
    )


def _spreads(crossed: Crossed, directions: Sequence[dict[int, Floats]]) -> dict[int, sp.csr_array]:
    """Return the derivative of the outer covariance by each parameter, each of shape (n_outer, n_outer)."""
    spreads = {}
    for (start, n, _), own in zip(crossed.spans, directions, strict=True):
        for number, direction in own.items():
            block = sp.coo_array(sp.kron(sp.eye_array(n), direction))
            rows, columns = block.row + start, block.col + start
            spreads[number] = sp.csr_array((block.data, (rows, columns)), shape=(crossed.n_outer,) * 2)
            spreads[number].eliminate_zeros()
    return spreads


def _log_determinant(
    outer: Outer, moves: _Moves, spreads: dict[int, sp.csr_array]
) -> tuple[dict[int, float], dict[Pair, float]]:
    """Return first and second derivatives of log|I + A S|."""
    a, k = outer.a, outer.k
    a_k = np.asarray(a @ k)
    g = a.toarray() - np.asarray(a @ a_k.T).T
    slope = {j: float(s.multiply(g).sum()) for j, s in spreads.items()}
    slope |= {i: float(moved.multiply(k).sum()) for i, moved in moves.a.items()}
    curvature: dict[Pair, float] = {}
    s_g = {j: np.asarray(s @ g) for j, s in spreads.items()}
    for i in spreads:
        for j in spreads:
            if i <= j:
                curvature[i, j] = -float(np.sum(s_g[i] * s_g[j].T))
    del s_g, g
    moved_k = {i: np.asarray(moved @ k) for i, moved in moves.a.items()}
    for (i, j), moved in moves.aa.items():
        curvature[i, j] = float(moved.multiply(k).sum()) - float(np.sum(moved_k[i] * moved_k[j].T))
    # F = I - K A; tr(S_j F'A_i F) with A_i F = A_i - (A_i K) A.
    f = np.eye(k.shape[0]) - a_k.T
    for i, moved in moves.a.items():
        through = moved.toarray() - np.asarray(a @ moved_k[i].T).T
        for j, s in spreads.items():
            curvature[min(i, j), max(i, j)] = float(np.sum(np.asarray(s @ f.T).T * through))
    return slope, curvature


def _removed(outer: Outer, moves: _Moves, spreads: dict[int, sp.csr_array]) -> Jet:
    """Return B'KB with its derivatives.

    With U = K B and Y_i = B_i - A_i U for an inner parameter i: dU = K Y_i, dN = F'Y_i.
    """
    a, b, k = outer.a, outer.b, outer.k
    u = k @ b

    def after(right: Floats) -> Floats:
        return np.asarray(right - a @ (k @ right))

    n = after(b)
    y = {i: moves.b[i] - moved @ u for i, moved in moves.a.items()}
    s_n = {j: s @ n for j, s in spreads.items()}
    first = {j: n.T @ own for j, own in s_n.items()}
    second: dict[Pair, Floats] = {}
    for i, moved in moves.a.items():
        first[i] = _both(moves.b[i].T @ u) - u.T @ (moved @ u)
    for (i, j), moved in moves.aa.items():
        second[i, j] = _both(moves.bb[i, j].T @ u + y[i].T @ (k @ y[j])) - u.T @ (moved @ u)
    for i, own in y.items():
        n_i = after(own)
        for j, s in s_n.items():
            second[min(i, j), max(i, j)] = _both(n_i.T @ s)
    for j, s in s_n.items():
        through = after(a @ s)
        for i, t in s_n.items():
            if i <= j:
                second[i, j] = -_both(t.T @ through)
    return Jet(b.T @ u, first, second)


def _both(half: Floats) -> Floats:
    """Return a matrix plus its transpose."""
    return np.asarray(half + half.T)
