"""Theta, the free entries of each factor's lower triangular Lambda, and what depends on its form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from alliance_stats.mixed.levelsums import Floats

Pattern: TypeAlias = tuple[tuple[int, int], ...]
"""Free entries (row, column) of a lower triangular Lambda, in the order of theta."""


def size_of(pattern: Pattern) -> int:
    """Return the number of random effects per level."""
    return 1 + max(i for i, _ in pattern)


def components(pattern: Pattern) -> list[list[int]]:
    """Return the groups of random effects that may correlate, each an ascending list of positions."""
    groups: list[list[int]] = []
    for i in range(size_of(pattern)):
        linked = {j for row, j in pattern if row == i} - {i}
        home = next((group for group in groups if linked & set(group)), None)
        if home is None:
            groups.append([i])
        else:
            home.append(i)
    return groups


def identity_theta(patterns: Sequence[Pattern]) -> Floats:
    """Return the theta of Lambda = I, shape (n_theta,)."""
    return np.array([1.0 if i == j else 0.0 for pattern in patterns for i, j in pattern])


def lower_root(root: Floats) -> Floats:
    """Return the lower triangular matrix with non-negative diagonal and the same product with its transpose."""
    lower = np.asarray(np.linalg.qr(root.T, mode="r"), dtype=float).T
    signs = np.where(np.diagonal(lower) < 0, -1.0, 1.0)
    return np.asarray(lower * signs)


def pack(lambdas: Sequence[Floats], patterns: Sequence[Pattern]) -> Floats:
    """Return theta from the Lambda of each factor, shape (n_theta,)."""
    return np.array([lam[p] for lam, pattern in zip(lambdas, patterns, strict=True) for p in pattern])


def unpack(theta: Floats, patterns: Sequence[Pattern]) -> list[Floats]:
    """Return the lower triangular Lambda of each factor, each of shape (q, q)."""
    lambdas, start = [], 0
    for pattern in patterns:
        q = size_of(pattern)
        lam = np.zeros((q, q))
        for value, position in zip(theta[start : start + len(pattern)], pattern, strict=True):
            lam[position] = value
        lambdas.append(lam)
        start += len(pattern)
    return lambdas


def direction_weights(score: Floats, lam: Floats, pattern: Pattern) -> Floats:
    """Return (E Lambda' + Lambda E') v for each free entry of Lambda, shape (q, n_own, n_levels).

    Parameters
    ----------
    score : ndarray, shape (q, n_levels)
        v = Z' P y.
    """
    weights = np.zeros((lam.shape[0], len(pattern), score.shape[1]))
    rotated = lam.T @ score
    for a, (i, j) in enumerate(pattern):
        weights[i, a] += rotated[j]
        weights[:, a] += np.multiply.outer(lam[:, j], score[i])
    return weights
