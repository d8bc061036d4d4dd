"""Eliminating crossed factors: the largest level by level, the others through one dense Cholesky factor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.linalg import lapack

from alliance_stats.mixed.chain import Elimination
from alliance_stats.mixed.crossed import Crossed
from alliance_stats.mixed.crossproducts import CrossProducts
from alliance_stats.mixed.levelsums import Floats
from alliance_stats.mixed.parameters import Pattern, direction_weights
from alliance_stats.mixed.smallblocks import inner, multiply, outer


@dataclass(frozen=True)
class OuterFactor:
    """The outer factors, eliminated after the inner one.

    Parameters
    ----------
    uu : ndarray, shape (n_outer, n_outer)
        Outer cross-products under H_1^-1 of the inner factor.
    ux : ndarray, shape (n_outer, p + 1)
    lam : sparse array, shape (n_outer, n_outer)
        Block diagonal Lambda of the outer factors.
    root : ndarray, shape (n_outer, n_outer)
        Lower Cholesky factor of I + Lambda' uu Lambda.
    k_ux : ndarray, shape (n_outer, p + 1)
    log_determinant : float
    removed : ndarray, shape (p + 1, p + 1)
    """

    uu: Floats
    ux: Floats
    lam: sp.csr_array
    root: Floats
    k_ux: Floats
    log_determinant: float
    removed: Floats


@dataclass(frozen=True)
class Derivatives:
    """What the gradient and the Hessian are made of; see factor.evaluate."""

    slopes: list[Floats]
    scaled: list[Floats]
    qq: Floats
    xq: Floats
    moments: Floats


def eliminate_outer(crossed: Crossed, elimination: Elimination, lambdas: Sequence[Floats]) -> OuterFactor:
    """Form the Schur complement of the inner factor and factorise it.

    Parameters
    ----------
    crossed : Crossed
    elimination : Elimination
        Of the inner factor.
    lambdas : sequence of ndarray, each of shape (q, q)
        Of the outer factors.
    """
    stage = elimination.stages[0]
    ux = crossed.ux - sum(z @ k.T for z, k in zip(crossed.zu_t, stage.k_zx, strict=True))
    uu = _schur(crossed, stage.k)
    lam = block_diagonal(crossed, lambdas)
    scaled = _sandwich(uu, lam)
    scaled[np.diag_indices_from(scaled)] += 1.0
    root, info = lapack.dpotrf(scaled, lower=1, overwrite_a=1, clean=1)
    if info:
        raise np.linalg.LinAlgError("the outer factor is not positive definite")
    k_ux = _apply(lam, root, ux)
    log_determinant = 2.0 * float(np.log(np.diagonal(root)).sum())
    return OuterFactor(uu, ux, lam, root, k_ux, log_determinant, ux.T @ k_ux)


def block_diagonal(crossed: Crossed, lambdas: Sequence[Floats]) -> sp.csr_array:
    """Return Lambda of all outer effects, shape (n_outer, n_outer)."""
    parts = [sp.kron(sp.eye_array(n), lam) for (_, n, _), lam in zip(crossed.spans, lambdas, strict=True)]
    return sp.csr_array(sp.block_diag(parts))


def _schur(crossed: Crossed, k: Floats) -> Floats:
    """Return uu - zu' K zu as a full symmetric matrix, shape (n_outer, n_outer), Fortran order."""
    n = crossed.n_outer
    if crossed.pairs is None:
        total = crossed.uu.toarray()
        for a, left in enumerate(crossed.zu_t):
            for b, right in enumerate(crossed.zu):
                total -= (left @ (sp.dia_array((k[a, b][None], [0]), shape=(k.shape[2],) * 2) @ right)).toarray()
        return np.asfortranarray(total)
    values = crossed.pairs.base.copy()
    for (a, b), weights in crossed.pairs.weights_t.items():
        values -= weights @ k[a, b]
    total = np.zeros(n * n)
    total[crossed.pairs.position] = values
    lower = total.reshape(n, n)
    whole = lower + lower.T
    whole[np.diag_indices(n)] *= 0.5
    return np.asfortranarray(whole)


def _sandwich(uu: Floats, lam: sp.csr_array) -> Floats:
    """Return Lambda' uu Lambda, shape (n_outer, n_outer), Fortran order."""
    diagonal = lam.diagonal()
    if lam.nnz <= lam.shape[0]:
        return np.asfortranarray(uu * diagonal[:, None] * diagonal)
    half = lam.T @ uu
    return np.asfortranarray((lam.T @ half.T).T)


def _apply(lam: sp.csr_array, root: Floats, right: Floats) -> Floats:
    """Return Lambda (I + Lambda' uu Lambda)^-1 Lambda' times ``right``, shape (n_outer, r)."""
    solved, _ = lapack.dpotrs(root, np.asfortranarray(lam.T @ right), lower=1)
    return np.asarray(lam @ solved)


def derivatives(
    cp: CrossProducts,
    elimination: Elimination,
    factor: OuterFactor,
    lambdas: Sequence[Floats],
    basis: Floats,
    residual: Floats,
) -> Derivatives:
    """Return the pieces of gradient and Hessian.

    Parameters
    ----------
    basis : ndarray, shape (p + 1, r)
    residual : ndarray, shape (p + 1,)
        Coefficients of y - X beta.
    """
    crossed = cp.crossed
    if crossed is None:
        raise TypeError("the factors form a chain")
    projected = _project(crossed, elimination, factor)
    zx, ux, half = projected.zx, projected.ux, projected.half
    inner_slope = projected.zz.sum(axis=2)
    explained = np.matmul(basis.T, zx)
    inner_slope -= outer(explained, explained)
    slopes, scaled = [inner_slope], [inner_slope @ lambdas[0]]
    for span, lam in zip(crossed.spans, lambdas[1:], strict=True):
        product = _outer_scaled(span, factor.uu, half, ux @ basis, lam)
        scaled.append(product)
        slopes.append(_divide(product, lam))
    weights, moments = _weights(cp, crossed, zx, ux, lambdas, residual)
    qq, xq = _directions(crossed, elimination, factor, weights, cp.patterns)
    return Derivatives(slopes, scaled, qq, xq, moments)


@dataclass(frozen=True)
class _Projected:
    """Cross-products under H^-1 of all factors.

    zz : shape (q, q, n_levels) of the inner factor; zx : shape (q, p + 1, n_levels); ux : shape (n_outer, p + 1);
    half : Lambda (I + Lambda' uu Lambda)^-1 of the outer factors, shape (n_outer, n_outer); k_outer : half Lambda'.
    """

    zz: Floats
    zx: Floats
    ux: Floats
    half: Floats
    k_outer: Floats


def _project(crossed: Crossed, elimination: Elimination, factor: OuterFactor) -> _Projected:
    """Return the cross-products under H^-1, from the dense inverse."""
    stage = elimination.stages[0]
    inverse, _ = lapack.dpotri(factor.root.copy(order="F"), lower=1, overwrite_c=1)
    inverse += np.tril(inverse, -1).T
    # F = I - zz K turns Z' [.] into Z' H_1^-1 [.].
    f = -multiply(stage.zz, stage.k)
    f[np.diag_indices(f.shape[0])] += 1.0
    through = np.stack([z @ factor.k_ux for z in crossed.zu]).transpose(0, 2, 1)
    zx = multiply(f, stage.zx - through)
    ux = factor.ux - factor.uu @ factor.k_ux
    half = np.asarray(factor.lam @ inverse)
    k_outer = np.asarray((factor.lam @ half.T).T)
    return _Projected(_inner_levels(crossed, f, stage.zz, k_outer), zx, ux, half, k_outer)


def crossed_scores(
    crossed: Crossed, elimination: Elimination, factor: OuterFactor, residual: Floats
) -> list[tuple[Floats, Floats]]:
    """Return for each factor Z' H^-1 (y - X beta), shape (q, n_levels), and its conditional covariance.

    The second is relative to sigma squared, shape (q, q, n_levels); for the inner factor it is Z' H^-1 Z instead.
    """
    projected = _project(crossed, elimination, factor)
    found = [(np.tensordot(projected.zx, residual, (1, 0)), projected.zz)]
    scores = projected.ux @ residual
    for start, n, q in crossed.spans:
        rows = start + np.arange(n) * q
        blocks = np.array([[projected.k_outer[rows + i, rows + j] for j in range(q)] for i in range(q)])
        found.append((scores[start : start + n * q].reshape(n, q).T, blocks))
    return found


def _inner_levels(crossed: Crossed, f: Floats, zz: Floats, k_outer: Floats) -> Floats:
    """Return Z' H^-1 Z of each inner level, shape (q, q, n_levels)."""
    touched = np.empty_like(f)
    if crossed.pairs is None:
        for a, left in enumerate(crossed.zu):
            product = left @ k_outer
            for b, right in enumerate(crossed.zu):
                touched[a, b] = np.asarray(right.multiply(product).sum(axis=1)).ravel()
    else:
        values = k_outer.T.ravel()[crossed.pairs.position] * crossed.pairs.twice
        for (a, b), weights in crossed.pairs.weights.items():
            found = weights @ values
            touched[a, b] = touched[b, a] = found if a == b else found / 2.0
    return multiply(f, zz) - multiply(multiply(f, touched), f.transpose(1, 0, 2))


def _outer_scaled(span: tuple[int, int, int], uu: Floats, half: Floats, explained: Floats, lam: Floats) -> Floats:
    """Return the derivative by Lambda Lambda', times Lambda, of one outer factor, shape (q, q)."""
    start, n, q = span
    product = np.empty((q, q))
    # (uu - uu K uu) Lambda = uu Lambda (I + Lambda' uu Lambda)^-1, of which only each level's own block is needed.
    for i in range(q):
        rows = uu[:, start + i : start + n * q : q]
        for j in range(q):
            product[i, j] = np.einsum("cr,cr->", rows, half[:, start + j : start + n * q : q])
    own = explained[start : start + n * q].reshape(n, q, -1)
    return np.asarray(product - np.einsum("nir,njr->ij", own, own) @ lam)


def _divide(scaled: Floats, lam: Floats) -> Floats:
    """Return scaled Lambda^-1, or zeros where Lambda is too flat to divide by."""
    diagonal = np.abs(np.diagonal(lam))
    if diagonal.min() < 1e-9 * max(1.0, diagonal.max()):
        return np.zeros_like(scaled)
    slope = np.linalg.solve(lam.T, scaled.T).T
    return np.asarray((slope + slope.T) / 2.0)


def _weights(
    cp: CrossProducts, crossed: Crossed, zx: Floats, ux: Floats, lambdas: Sequence[Floats], residual: Floats
) -> tuple[list[Floats], Floats]:
    """Return t_a of each factor, each of shape (q, n_own, n_levels), and v't of all, shape (n_theta,)."""
    outer_scores = ux @ residual
    scores = [np.tensordot(zx, residual, (1, 0))]
    scores += [outer_scores[start : start + n * q].reshape(n, q).T for start, n, q in crossed.spans]
    weights = [direction_weights(v, lam, p) for v, lam, p in zip(scores, lambdas, cp.patterns, strict=True)]
    moments = [np.einsum("qn,qan->a", v, t) for v, t in zip(scores, weights, strict=True)]
    return weights, np.concatenate(moments)


def _directions(
    crossed: Crossed,
    elimination: Elimination,
    factor: OuterFactor,
    weights: Sequence[Floats],
    patterns: Sequence[Pattern],
) -> tuple[Floats, Floats]:
    """Return q'H^-1q, shape (n_theta, n_theta), and [X, y]'H^-1q, shape (p + 1, n_theta)."""
    block, stage = elimination.chain[0], elimination.stages[0]
    n_inner = len(patterns[0])
    n_theta = sum(len(p) for p in patterns)
    t_outer = np.zeros((crossed.n_outer, n_theta))
    column = n_inner
    for (start, n, q), weight in zip(crossed.spans, weights[1:], strict=True):
        own = slice(column, column + weight.shape[1])
        t_outer[start : start + n * q, own] = weight.transpose(2, 0, 1).reshape(n * q, -1)
        column = own.stop
    t_inner = np.zeros((block.zz.shape[0], n_theta, block.n_levels))
    t_inner[:, :n_inner] = weights[0]
    zq = multiply(block.zz, t_inner) + np.stack([(z @ t_outer).T for z in crossed.zu])
    uq = crossed.uu @ t_outer + sum(z @ t.T for z, t in zip(crossed.zu_t, t_inner, strict=True))
    qq = inner(t_inner, zq) + t_outer.T @ uq
    xq = inner(block.zx, t_inner) + crossed.ux.T @ t_outer
    k_zq = multiply(stage.k, zq)
    qq -= inner(zq, k_zq)
    xq -= inner(stage.zx, k_zq)
    uq = uq - sum(z @ k.T for z, k in zip(crossed.zu_t, k_zq, strict=True))
    k_uq = _apply(factor.lam, factor.root, uq)
    return qq - uq.T @ k_uq, xq - factor.ux.T @ k_uq
