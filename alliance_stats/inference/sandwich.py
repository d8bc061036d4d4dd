"""Cluster-robust covariance of a generalised least squares estimate, with its small-sample corrections: arrays only.

Everything is computed in the coordinates in which the working covariance of a cluster is V = L L' and its columns are
X = L Q R, R being common to all clusters and the Q together orthonormal. With e the whitened residuals, the error of R beta is
the sum of T'e over clusters, where T = Q without correction, and T = S (S (I - QQ') S)^(+1/2) Q with S = L'L for CR2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, TypeAlias

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import fdtrc

from alliance_stats.errors import ModelError
from alliance_stats.mixed.levelsums import Codes, Floats

Robust: TypeAlias = Literal["CR0", "CR1", "CR1S", "CR2"]
"""No correction; by the number of clusters; by clusters, rows and coefficients as Stata does; bias-reduced linearisation."""

FULL_LEVERAGE = 1.0 - 1e-8
"""A cluster whose leverage in some direction exceeds this determines that direction alone; its residual there is zero."""

NO_INFORMATION = 1e-8
"""Expected robust variance, relative to the model's, below which a coefficient has no robust standard error."""


class Cluster(Protocol):
    """Rows that are independent of all others."""

    @property
    def x(self) -> Floats:
        """Columns, shape (n_c, p)."""
        ...

    @property
    def residual(self) -> Floats:
        """Outcome minus estimate, shape (n_c,)."""
        ...

    @property
    def covariance(self) -> Floats:
        """Working covariance, shape (n_c, n_c)."""
        ...


class Hotelling(NamedTuple):
    """A joint test: F statistic with its degrees of freedom; NaN where the clusters are too few for it."""

    statistic: float
    df_numerator: int
    df_denominator: float
    p_value: float


@dataclass(frozen=True, eq=False)
class Sandwich:
    """What inference needs of each cluster.

    Parameters
    ----------
    root : ndarray, shape (p, p)
        Inverse of R; root @ root.T is the covariance of the estimate under the working model.
    scores : ndarray, shape (n_clusters, p)
        T'e of each cluster.
    spread : ndarray, shape (n_clusters, p, p)
        T'T of each cluster.
    overlap : ndarray, shape (n_clusters, p, p)
        Q'T of each cluster.
    """

    root: Floats
    scores: Floats
    spread: Floats
    overlap: Floats

    def covariance(self) -> Floats:
        """Return the robust covariance of the coefficients, shape (p, p)."""
        half = self.scores @ self.root.T
        return np.asarray(half.T @ half)

    def expected_covariance(self) -> Floats:
        """Return what the robust covariance is on average if the working model is true, shape (p, p)."""
        inner = self.spread.sum(axis=0) - np.einsum("mba,mbc->ac", self.overlap, self.overlap)
        return np.asarray(self.root @ inner @ self.root.T)

    def variances(self, combinations: Floats) -> tuple[Floats, Floats]:
        """Return the robust variance of each combination and its Satterthwaite degrees of freedom, shape (k,) each.

        NaN where one cluster determines the combination, so that no residual tells its variance.
        """
        turned = combinations @ self.root
        own, shared = self._moments(turned)
        expected = np.sum(own - np.sum(shared**2, axis=1), axis=0)
        total = np.sum((own - np.sum(shared**2, axis=1)) ** 2 - np.sum(shared**2, axis=1) ** 2, axis=0)
        products = np.einsum("mak,mbk->kab", shared, shared)
        total = total + np.sum(products**2, axis=(1, 2))
        known = expected > NO_INFORMATION * np.sum(turned**2, axis=1)
        variance = np.where(known, np.sum((self.scores @ turned.T) ** 2, axis=0), np.nan)
        df = np.divide(expected**2, total, out=np.full(expected.size, np.nan), where=known)
        return variance, df

    def hotelling(self, combinations: Floats, estimate: Floats) -> Hotelling:
        """Return the joint test that all combinations are zero.

        Parameters
        ----------
        combinations : ndarray, shape (k, p)
            May repeat each other.
        estimate : ndarray, shape (p,)
        """
        rows = _independent(combinations, self.root)
        turned = rows @ self.root
        q = len(rows)
        expected = turned @ (self.spread.sum(axis=0) - np.einsum("mba,mbc->ac", self.overlap, self.overlap)) @ turned.T
        values, vectors = np.linalg.eigh(expected)
        if values[0] <= NO_INFORMATION:
            return Hotelling(np.nan, q, np.nan, np.nan)
        scale = vectors / np.sqrt(values)
        turned = scale.T @ turned
        eta = q * (q + 1) / self._total_variance(turned)
        half = self.scores @ turned.T
        values, vectors = np.linalg.eigh(half.T @ half)
        df = eta - q + 1
        if df <= 0 or values[0] <= NO_INFORMATION * values[-1]:
            return Hotelling(np.nan, q, np.nan, np.nan)
        distance = float(np.sum((vectors.T @ (scale.T @ (rows @ estimate))) ** 2 / values))
        # HTZ in Pustejovsky & Tipton (2018)
        statistic = df / (eta * q) * distance
        return Hotelling(statistic, q, float(df), float(fdtrc(q, df, statistic)))

    def _moments(self, turned: Floats) -> tuple[Floats, Floats]:
        """Return t't, shape (n_clusters, k), and Q't, shape (n_clusters, p, k), with t = T h for each row h."""
        own = np.einsum("ka,mab,kb->mk", turned, self.spread, turned, optimize=True)
        return own, self.overlap @ turned.T

    def _total_variance(self, turned: Floats) -> float:
        """Return the sum of the variances of the elements of the robust covariance of combinations.

        With P_ij = [i = j] t_i't_i - s_i's_j, s = Q't, it is the sum over pairs of clusters of tr(P_ij)^2 + tr(P_ij P_ij). The
        part without the diagonal is formed from the sum of vec(s)vec(s)', so that no loop goes over pairs.
        """
        shared = self.overlap @ turned.T
        m, p, q = shared.shape
        square = shared.transpose(0, 2, 1) @ shared
        own = turned @ self.spread @ turned.T - square
        flat = shared.reshape(m, p * q)
        products = (flat.T @ flat).reshape(p, q, p, q)
        pairs = float(np.sum(products**2) + np.einsum("asbt,atbs->", products, products))
        return pairs + _trace_squares(own) - _trace_squares(square)


def sandwich(clusters: Sequence[Cluster], robust: Robust) -> Sandwich:
    """Return the parts of a cluster-robust covariance of a generalised least squares estimate.

    The weights are the inverse of the working covariance, which also is the model under which CR2 is unbiased.

    Parameters
    ----------
    clusters : sequence of Cluster
        At least two.
    robust : {"CR0", "CR1", "CR1S", "CR2"}

    Returns
    -------
    Sandwich

    Raises
    ------
    ModelError
        If a working covariance is not positive definite, or the columns depend on each other.

    References
    ----------
    Bell, R. M., & McCaffrey, D. F. (2002). Bias reduction in standard errors for linear regression with multi-stage samples.
    Survey Methodology, 28(2), 169-181.
    Pustejovsky, J. E., & Tipton, E. (2018). Small-sample methods for cluster-robust variance estimation and hypothesis testing
    in fixed effects models. Journal of Business & Economic Statistics, 36(4), 672-683. doi 10.1080/07350015.2016.1247004.
    """
    m, p = len(clusters), clusters[0].x.shape[1]
    n = sum(cluster.residual.size for cluster in clusters)
    groups = list(_by_size(clusters))
    roots = [_cholesky(covariance) for _, _, _, covariance in groups]
    white = [
        np.linalg.solve(root, np.concatenate([x, residual[:, :, None]], axis=2))
        for root, (_, x, residual, _) in zip(roots, groups, strict=True)
    ]
    root = _inverse_root(np.concatenate([w[:, :, :p].reshape(-1, p) for w in white]))
    scores, spread, overlap = np.empty((m, p)), np.empty((m, p, p)), np.empty((m, p, p))
    factor = _small_sample_factor(robust, m, n, p)
    for (places, *_), low, w in zip(groups, roots, white, strict=True):
        basis, error = w[:, :, :p] @ root, w[:, :, p:]
        turned = _bias_reduced(basis, low) if robust == "CR2" else factor * basis
        back = turned.transpose(0, 2, 1)
        scores[places] = (back @ error)[:, :, 0]
        spread[places] = back @ turned
        overlap[places] = basis.transpose(0, 2, 1) @ turned
    return Sandwich(root, scores, spread, overlap)


def _by_size(clusters: Sequence[Cluster]) -> Iterator[tuple[Codes, Floats, Floats, Floats]]:
    """Yield the positions, columns, residuals and covariances of the clusters of each size, stacked."""
    sizes = np.array([cluster.residual.size for cluster in clusters])
    for size in np.unique(sizes):
        places = np.flatnonzero(sizes == size)
        own = [clusters[place] for place in places.tolist()]
        yield (
            places,
            np.stack([cluster.x for cluster in own]),
            np.stack([cluster.residual for cluster in own]),
            np.stack([cluster.covariance for cluster in own]),
        )


def _cholesky(covariance: Floats) -> Floats:
    """Return the lower triangular roots of a stack of matrices."""
    try:
        return np.asarray(np.linalg.cholesky(covariance))
    except np.linalg.LinAlgError:
        raise ModelError.build(
            f"The working covariance of a cluster with {covariance.shape[1]} rows is not positive definite.",
            hint="give every row a positive variance of its own.",
        ) from None


def _inverse_root(white: Floats) -> Floats:
    """Return the inverse of R in white = Q R, shape (p, p)."""
    length = np.sqrt(np.sum(white**2, axis=0))
    upper = np.linalg.qr(white / length, mode="r") if np.all(length > 0) else np.zeros((1, 1))
    distance = np.abs(np.diagonal(upper))
    if len(white) < white.shape[1] or distance.min() < 1e-12:
        raise ModelError.build(
            f"The {white.shape[1]} columns depend on each other in {len(white)} rows.", hint="leave one of them out."
        )
    inverse = solve_triangular(upper, np.eye(len(upper)), check_finite=False)
    return np.asarray(inverse / length[:, None])


def _small_sample_factor(robust: Robust, m: int, n: int, p: int) -> float:
    """Return what residuals are multiplied with."""
    if robust == "CR1":
        return float(np.sqrt(m / (m - 1)))
    if robust == "CR1S":
        return float(np.sqrt(m * (n - 1) / ((m - 1) * (n - p))))
    return 1.0


def _bias_reduced(basis: Floats, low: Floats) -> Floats:
    """Return S (S (I - QQ') S)^(+1/2) Q for a stack of clusters, shape (m, n_c, p).

    How many eigenvalues are zero is read off Q'Q, where it is well determined, not off the product with S.
    """
    square = low.transpose(0, 2, 1) @ low
    inner = square @ basis
    values, vectors = np.linalg.eigh(square @ square - inner @ inner.transpose(0, 2, 1))
    leverage = np.linalg.eigvalsh(basis.transpose(0, 2, 1) @ basis)
    n_zero = np.sum(leverage > FULL_LEVERAGE, axis=1)
    kept = (np.arange(values.shape[1]) >= n_zero[:, None]) & (values > 0)
    inverse = np.where(kept, 1.0 / np.sqrt(np.where(kept, values, 1.0)), 0.0)
    turned = vectors.transpose(0, 2, 1) @ basis
    return np.asarray(square @ (vectors @ (inverse[:, :, None] * turned)))


def _independent(combinations: Floats, root: Floats) -> Floats:
    """Return orthonormal combinations, in the metric of the working model, that span the same hypotheses."""
    turned = combinations @ root
    turned = turned / np.maximum(np.sqrt(np.sum(turned**2, axis=1, keepdims=True)), np.finfo(float).tiny)
    _, values, right = np.linalg.svd(turned, full_matrices=False)
    rank = int(np.sum(values > 1e-10 * values[0]))
    return np.asarray(np.linalg.solve(root.T, right[:rank].T).T)


def _trace_squares(matrices: Floats) -> float:
    """Return the sum of tr(A)^2 + tr(A A) over a stack of matrices."""
    traces = np.trace(matrices, axis1=1, axis2=2)
    return float(np.sum(traces**2) + np.einsum("mab,mba->", matrices, matrices))
