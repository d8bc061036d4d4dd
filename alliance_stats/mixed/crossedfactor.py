"""Eliminating crossed factors: the largest level by level, the others through one dense Cholesky factor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.linalg import lapack

from alliance_stats.mixed.chain import Derivatives, Elimination
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
    uu : sparse array, shape (n_outer, n_outer)
        Outer cross-products under H_1^-1 of the inner factor.
    entries : ndarray, shape (n_entries,), or None
        The same at the entries of the PairMap.
    ux : ndarray, shape (n_outer, p + 1)
    lam : sparse array, shape (n_outer, n_outer)
        Block diagonal Lambda of the outer factors.
    root : ndarray, shape (n_outer, n_outer)
        Lower Cholesky factor of I + Lambda' uu Lambda.
    k_ux : ndarray, shape (n_outer, p + 1)
    log_determinant : float
    removed : ndarray, shape (p + 1, p + 1)
    """

    uu: sp.csr_array
    entries: Floats | None
    ux: Floats
    lam: sp.csr_array
    root: Floats
    k_ux: Floats
    log_determinant: float
    removed: Floats


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
    uu, entries = _schur(crossed, stage.k)
    lam = _block_diagonal(crossed, lambdas)
    root, info = lapack.dpotrf(_penalised(uu, lam, single=crossed.single), lower=1, overwrite_a=1, clean=1)
    if info:
        raise np.linalg.LinAlgError("the outer factor is not positive definite")
    k_ux = _apply(lam, root, ux)
    log_determinant = 2.0 * float(np.log(np.diagonal(root)).sum())
    return OuterFactor(uu, entries, ux, lam, root, k_ux, log_determinant, ux.T @ k_ux)


def _block_diagonal(crossed: Crossed, lambdas: Sequence[Floats]) -> sp.csr_array:
    """Return Lambda of all outer effects, shape (n_outer, n_outer)."""
    if crossed.single:
        diagonal = [np.full(n, lam[0, 0]) for (_, n, _), lam in zip(crossed.spans, lambdas, strict=True)]
        return sp.csr_array(sp.dia_array((np.concatenate(diagonal)[None], [0]), shape=(crossed.n_outer,) * 2))
    parts = [sp.kron(sp.eye_array(n), lam) for (_, n, _), lam in zip(crossed.spans, lambdas, strict=True)]
    return sp.csr_array(sp.block_diag(parts))


def _schur(crossed: Crossed, k: Floats) -> tuple[sp.csr_array, Floats | None]:
    """Return uu - zu' K zu, shape (n_outer, n_outer), and its values at the PairMap's entries."""
    if crossed.pairs is None:
        total = crossed.uu
        for a, left in enumerate(crossed.zu_t):
            for b, right in enumerate(crossed.zu):
                total = total - left @ (sp.dia_array((k[a, b][None], [0]), shape=(k.shape[2],) * 2) @ right)
        return sp.csr_array(total), None
    values = crossed.pairs.base.copy()
    for (a, b), weights in crossed.pairs.weights_t.items():
        values -= weights @ k[a, b]
    return crossed.pairs.symmetric(values), values


def _penalised(uu: sp.csr_array, lam: sp.csr_array, *, single: bool) -> Floats:
    """Return I + Lambda' uu Lambda, shape (n_outer, n_outer), Fortran order; ``single``: Lambda is diagonal."""
    n = uu.shape[0]
    if single:
        diagonal = lam.diagonal()
        scaled = sp.csr_array(
            (uu.data * np.repeat(diagonal, np.diff(uu.indptr)) * diagonal[uu.indices], uu.indices, uu.indptr),
            shape=uu.shape,
        )
    else:
        scaled = sp.csr_array(lam.T @ uu @ lam)
    # A symmetric matrix written row by row is the same written column by column.
    dense: Floats = scaled.toarray().T
    dense.T.ravel()[:: n + 1] += 1.0
    return dense


def _apply(lam: sp.csr_array, root: Floats, right: Floats) -> Floats:
    """Return Lambda (I + Lambda' uu Lambda)^-1 Lambda' times ``right``, shape (n_outer, r)."""
    solved, _ = lapack.dpotrs(root, np.asfortranarray(lam.T @ right), lower=1)
    return np.asarray(lam @ solved)


@dataclass(frozen=True)
class _Projected:
    """Cross-products under H^-1 of all factors.

    Parameters
    ----------
    zz : ndarray, shape (q, q, n_levels)
        Of the inner factor.
    zx : ndarray, shape (q, p + 1, n_levels)
    ux : ndarray, shape (n_outer, p + 1)
    scaled : tuple of ndarray, each of shape (q, q)
        Sum over the levels of each outer factor of U' H^-1 U Lambda.
    covariance : tuple of ndarray, each of shape (q, q, n_levels)
        Lambda (I + Lambda' uu Lambda)^-1 Lambda' of each outer level.
    """

    zz: Floats
    zx: Floats
    ux: Floats
    scaled: tuple[Floats, ...]
    covariance: tuple[Floats, ...]


def _project(crossed: Crossed, elimination: Elimination, factor: OuterFactor) -> _Projected:
    """Return the cross-products under H^-1, from the dense inverse."""
    stage = elimination.stages[0]
    # F = I - zz K turns Z' [.] into Z' H_1^-1 [.].
    f = -multiply(stage.zz, stage.k)
    f[np.diag_indices(f.shape[0])] += 1.0
    through = np.stack([z @ factor.k_ux for z in crossed.zu]).transpose(0, 2, 1)
    zx = multiply(f, stage.zx - through)
    ux = factor.ux - factor.uu @ factor.k_ux
    touched, scaled, covariance = _inverse_parts(crossed, factor)
    zz = multiply(f, stage.zz) - multiply(multiply(f, touched), f.transpose(1, 0, 2))
    return _Projected(zz, zx, ux, scaled, covariance)


def _inverse_parts(crossed: Crossed, factor: OuterFactor) -> _Parts:
    """Return zu K zu' per inner level, U'H^-1U Lambda summed per outer factor, and K of the outer levels."""
    inverse, _ = lapack.dpotri(factor.root.copy(order="K"), lower=1, overwrite_c=1)
    if crossed.single and factor.entries is not None:
        return _from_entries(crossed, factor, inverse)
    return _from_whole(crossed, factor, inverse)


_Parts = tuple[Floats, tuple[Floats, ...], tuple[Floats, ...]]


def _from_entries(crossed: Crossed, factor: OuterFactor, inverse: Floats) -> _Parts:
    """Return zu K zu' per inner level, U'H^-1U Lambda summed, and K of the outer levels, from the lower triangle.

    For one effect per outer level, where only the entries of the PairMap are needed.
    """
    pairs, n = crossed.pairs, crossed.n_outer
    if pairs is None or factor.entries is None:
        raise TypeError("there are no pairs")
    diagonal = factor.lam.diagonal()
    found = inverse.T.ravel()[pairs.column * n + pairs.row]
    off = pairs.row != pairs.column
    k = found * diagonal[pairs.row] * diagonal[pairs.column]
    k[off] *= 2.0
    q = len(crossed.zu)
    touched = np.empty((q, q, crossed.zu[0].shape[0]))
    for (a, b), weights in pairs.weights.items():
        value = weights @ k
        touched[a, b] = touched[b, a] = value if a == b else value / 2.0
    product = factor.entries * found
    sums = np.bincount(pairs.row, product * diagonal[pairs.column], n)
    sums += np.bincount(pairs.column[off], (product * diagonal[pairs.row])[off], n)
    scaled = tuple(np.array([[sums[start : start + m].sum()]]) for start, m, _ in crossed.spans)
    variance = np.diagonal(inverse) * diagonal**2
    return touched, scaled, tuple(variance[None, None, start : start + m] for start, m, _ in crossed.spans)


def _from_whole(crossed: Crossed, factor: OuterFactor, inverse: Floats) -> _Parts:
    """Return the same as _from_entries for any number of effects per outer level."""
    whole = inverse + inverse.T
    whole[np.diag_indices_from(whole)] *= 0.5
    half = np.asarray(factor.lam @ whole)
    k = np.asarray(factor.lam @ half.T)
    q = len(crossed.zu)
    touched = np.empty((q, q, crossed.zu[0].shape[0]))
    for a, left in enumerate(crossed.zu):
        product = left @ k
        for b, right in enumerate(crossed.zu):
            touched[a, b] = np.asarray(right.multiply(product).sum(axis=1)).ravel()
    scaled, covariance = [], []
    for start, n, width in crossed.spans:
        rows = [start + i + width * np.arange(n) for i in range(width)]
        # (uu - uu K uu) Lambda = uu Lambda (I + Lambda' uu Lambda)^-1, of which each level's own block is needed.
        products = [[float(factor.uu[r].multiply(half[:, c].T).sum()) for c in rows] for r in rows]
        scaled.append(np.array(products))
        covariance.append(np.array([[k[r, c] for c in rows] for r in rows]))
    return touched, tuple(scaled), tuple(covariance)


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
    explained = np.matmul(basis.T, projected.zx)
    inner_slope = projected.zz.sum(axis=2) - outer(explained, explained)
    slopes, scaled = [inner_slope], [inner_slope @ lambdas[0]]
    outer_explained = projected.ux @ basis
    for k, ((start, n, q), lam) in enumerate(zip(crossed.spans, lambdas[1:], strict=True)):
        own = outer_explained[start : start + n * q].reshape(n, q, -1)
        scaled.append(projected.scaled[k] - np.einsum("nir,njr->ij", own, own) @ lam)
        slopes.append(_slope(crossed, factor, k, scaled[-1], lam, own))
    weights, moments = _weights(cp, crossed, projected, lambdas, residual)
    qq, xq = _directions(crossed, elimination, factor, weights, cp.patterns)
    return Derivatives(slopes, scaled, qq, xq, moments)


def crossed_modes(
    crossed: Crossed, elimination: Elimination, factor: OuterFactor, residual: Floats
) -> list[tuple[Floats, Floats]]:
    """Return for each factor the modes, shape (q, n_levels), and their covariance, shape (q, q, n_levels).

    The covariance is relative to sigma squared. With b = K z'(y - X beta) - K zu b_outer for the inner factor, it is
    K + K zu Cov(b_outer) zu' K there: sums of positive parts, which lose no digits.
    """
    stage = elimination.stages[0]
    touched, _, covariances = _inverse_parts(crossed, factor)
    outer_modes = factor.k_ux @ residual
    through = np.stack([z @ outer_modes for z in crossed.zu])
    mode = np.tensordot(stage.k_zx, residual, (1, 0)) - multiply(stage.k, through[:, None])[:, 0]
    found = [(mode, stage.k + multiply(multiply(stage.k, touched), stage.k))]
    for (start, n, q), covariance in zip(crossed.spans, covariances, strict=True):
        found.append((outer_modes[start : start + n * q].reshape(n, q).T, covariance))
    return found


def _slope(crossed: Crossed, factor: OuterFactor, k: int, scaled: Floats, lam: Floats, own: Floats) -> Floats:
    """Return the derivative by Lambda Lambda' of the k-th outer factor, shape (q, q).

    It is ``scaled`` times the inverse of Lambda; where Lambda is too flat for that, it is formed from its definition.
    """
    diagonal = np.abs(np.diagonal(lam))
    if diagonal.min() > 1e-4 * max(1.0, diagonal.max()):
        slope = np.linalg.solve(lam.T, scaled.T).T
        return np.asarray((slope + slope.T) / 2.0)
    start, n, q = crossed.spans[k]
    rows = factor.uu[start : start + n * q].toarray()
    solved = _apply(factor.lam, factor.root, rows.T)
    total = -np.einsum("nir,njr->ij", own, own)
    for i in range(q):
        for j in range(q):
            direct = rows[i::q][np.arange(n), start + j + q * np.arange(n)].sum()
            total[i, j] += direct - np.einsum("nr,rn->", rows[i::q], solved[:, j::q])
    return np.asarray(total)


def _weights(
    cp: CrossProducts, crossed: Crossed, projected: _Projected, lambdas: Sequence[Floats], residual: Floats
) -> tuple[list[Floats], Floats]:
    """Return t_a of each factor, each of shape (q, n_own, n_levels), and v't of all, shape (n_theta,)."""
    outer_scores = projected.ux @ residual
    scores = [np.tensordot(projected.zx, residual, (1, 0))]
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
