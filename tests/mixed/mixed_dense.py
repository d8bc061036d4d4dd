"""The mixed model written out with full matrices: an oracle that shares no code with the engine."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.linalg import block_diag, cho_factor, cho_solve

Array = np.ndarray


@dataclass(frozen=True)
class Term:
    """One bar: codes of the levels, the columns whose effects vary, and the text of the bar."""

    codes: Array
    columns: tuple[Array, ...]
    text: str
    group: str
    names: tuple[str, ...]

    @property
    def n_levels(self) -> int:
        return int(self.codes.max()) + 1

    @property
    def q(self) -> int:
        return len(self.columns)

    @property
    def n_theta(self) -> int:
        return self.q * (self.q + 1) // 2

    def dense(self) -> Array:
        """Return Z, effects of a level adjacent, shape (n_rows, n_levels * q)."""
        z = np.zeros((self.codes.size, self.n_levels * self.q))
        for i, column in enumerate(self.columns):
            z[np.arange(self.codes.size), self.codes * self.q + i] = column
        return z


@dataclass(frozen=True)
class Problem:
    """A data set with its model, and what the engine is given: the same in other units."""

    y: Array
    x: Array
    terms: tuple[Term, ...]
    frame: pd.DataFrame
    fixed: str
    weights: Array | None = None
    unit: float = 1.0
    origin: float = 0.0
    traits: tuple[str, ...] = ()
    _z: list[Array] = field(default_factory=list, repr=False)

    @property
    def formula(self) -> str:
        return " + ".join([f"y ~ {self.fixed}", *(term.text for term in self.terms)])

    @property
    def n_theta(self) -> int:
        return sum(term.n_theta for term in self.terms)

    def z(self, k: int) -> Array:
        if not self._z:
            self._z.extend(term.dense() for term in self.terms)
        return self._z[k]

    def lambdas(self, theta: Array) -> list[Array]:
        """Return the lower triangular factor of each term for theta in the order of the formula, column by column."""
        out, start = [], 0
        for term in self.terms:
            upper = np.zeros((term.q, term.q))
            upper[np.triu_indices(term.q)] = theta[start : start + term.n_theta]
            out.append(upper.T)
            start += term.n_theta
        return out

    def in_lme4_order(self, theta: Array) -> Array:
        """Return theta with the terms by decreasing number of levels, as lme4 and the engine order it."""
        edges = np.cumsum([0, *(term.n_theta for term in self.terms)])
        order = sorted(range(len(self.terms)), key=lambda k: -self.terms[k].n_levels)
        return np.concatenate([theta[edges[k] : edges[k + 1]] for k in order])

    def from_lme4_order(self, theta: Array) -> Array:
        """Return theta in the order of the formula."""
        position = self.in_lme4_order(np.arange(theta.size, dtype=float)).astype(int)
        out = np.empty_like(theta)
        out[position] = theta
        return out

    def from_fit(self, theta: Array) -> Array:
        """Return the theta of an engine's fit, which saw x in other units, for the columns here, in the formula's order."""
        pieces = []
        for term, lam in zip(self.terms, self.lambdas(self.from_lme4_order(theta)), strict=True):
            change = np.eye(term.q)
            if "x" in term.names:
                k = term.names.index("x")
                change[k, k] = self.unit
                if "1" in term.names:
                    change[term.names.index("1"), k] = self.origin
            root = np.linalg.qr((change @ lam).T, mode="r").T
            root = root * np.where(np.diagonal(root) < 0, -1.0, 1.0)
            pieces.append(root.T[np.triu_indices(term.q)])
        return np.concatenate(pieces)

    def shift(self, *, reml: bool) -> float:
        """Return what the engine's criterion has more because of its units."""
        return 2.0 * float(np.log(self.unit)) if reml else 0.0

    def bounds(self) -> Array:
        """Return 0 for diagonal entries of Lambda, minus infinity elsewhere."""
        low = []
        for term in self.terms:
            i, j = np.triu_indices(term.q)
            low += list(np.where(i == j, 0.0, -np.inf))
        return np.array(low)


@dataclass(frozen=True)
class Dense:
    """Everything at one theta."""

    criterion: float
    gradient: Array
    beta: Array
    covariance: Array
    sigma: float
    modes: tuple[Array, ...]
    sds: tuple[Array, ...]


def dense(problem: Problem, theta: Array, *, reml: bool, full: bool = True) -> Dense:
    """Return criterion, gradient, fixed effects, their covariance, sigma, predicted effects and conditional SDs."""
    y, x = problem.y, problem.x
    n, p = x.shape
    lambdas = problem.lambdas(theta)
    v = np.diag(np.ones(n) if problem.weights is None else 1.0 / problem.weights)
    for k, lam in enumerate(lambdas):
        z = problem.z(k)
        half = (z.reshape(n, -1, lam.shape[0]) @ lam).reshape(n, -1)
        v += half @ half.T
    factor = cho_factor(v, lower=True)
    v_x, v_y = cho_solve(factor, x), cho_solve(factor, y)
    xvx = x.T @ v_x
    beta = np.linalg.solve(xvx, x.T @ v_y) if p else np.zeros(0)
    residual = y - x @ beta
    score = v_y - v_x @ beta
    nu = n - p if reml else n
    sigma2 = float(residual @ score) / nu
    criterion = 2 * np.log(np.diagonal(factor[0])).sum() + nu * (1 + np.log(2 * np.pi * sigma2))
    if reml and p:
        criterion += np.linalg.slogdet(xvx)[1]
    middle = cho_solve(factor, np.eye(n))
    if reml and p:
        middle = middle - v_x @ np.linalg.solve(xvx, v_x.T)
    inner = middle - np.outer(score, score) / sigma2
    gradient = np.concatenate([_gradient(problem.z(k), inner, lam) for k, lam in enumerate(lambdas)])
    if not full:
        return Dense(float(criterion), gradient, beta, xvx, np.sqrt(sigma2), (), ())
    modes = tuple(
        np.kron(np.eye(problem.terms[k].n_levels), lam @ lam.T) @ (problem.z(k).T @ score)
        for k, lam in enumerate(lambdas)
    )
    sds = conditional_sds(problem, lambdas, float(np.sqrt(sigma2)))
    covariance = sigma2 * np.linalg.inv(xvx) if p else np.zeros((0, 0))
    return Dense(float(criterion), gradient, beta, covariance, float(np.sqrt(sigma2)), modes, sds)


def conditional_sds(problem: Problem, lambdas: list[Array], sigma: float) -> tuple[Array, ...]:
    """Return the roots of the diagonal of sigma^2 Lambda (I + Lambda' Z'WZ Lambda)^-1 Lambda', without cancellation."""
    weights = np.ones(problem.y.size) if problem.weights is None else problem.weights
    z = np.hstack([problem.z(k) for k in range(len(lambdas))])
    big = block_diag(*[np.kron(np.eye(t.n_levels), lam) for t, lam in zip(problem.terms, lambdas, strict=True)])
    inner = np.eye(big.shape[0]) + big.T @ (z.T * weights) @ z @ big
    variances = sigma**2 * np.diagonal(big @ np.linalg.solve(inner, big.T))
    edges = np.cumsum([t.n_levels * t.q for t in problem.terms])[:-1]
    return tuple(np.sqrt(np.maximum(part, 0.0)) for part in np.split(variances, edges))


def _gradient(z: Array, inner: Array, lam: Array) -> Array:
    """Return the derivative of the criterion by the free entries of one term's Lambda, column by column."""
    q = lam.shape[0]
    blocks = np.einsum("nai,nm,maj->ij", z.reshape(len(z), -1, q), inner, z.reshape(len(z), -1, q), optimize=True)
    by_lambda = 2.0 * blocks @ lam
    return by_lambda.T[np.triu_indices(q)]
