"""Arrays with their first and second derivatives by covariance parameters, and the arithmetic of these.

Level-wise matrices stand with the levels on the last axis, as in the engine's small blocks. A derivative that is not there
is zero.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from alliance_stats.mixed.levelsums import Floats
from alliance_stats.mixed.smallblocks import multiply, transpose

Pair = tuple[int, int]


@dataclass(frozen=True)
class Jet:
    """An array as a function of parameters, to the second order.

    Parameters
    ----------
    value : ndarray
    first : dict
        Derivative by each parameter, by its number.
    second : dict
        Second derivatives by (i, j), i <= j.
    """

    value: Floats
    first: dict[int, Floats] = field(default_factory=dict)
    second: dict[Pair, Floats] = field(default_factory=dict)

    def __sub__(self, other: Jet) -> Jet:
        return Jet(
            self.value - other.value,
            {i: _difference(self.first.get(i), other.first.get(i)) for i in {**self.first, **other.first}},
            {p: _difference(self.second.get(p), other.second.get(p)) for p in {**self.second, **other.second}},
        )

    def through(self, function: Callable[[Floats], Floats]) -> Jet:
        """Return the image under a linear function."""
        return Jet(
            function(self.value),
            {i: function(a) for i, a in self.first.items()},
            {p: function(a) for p, a in self.second.items()},
        )


def _difference(a: Floats | None, b: Floats | None) -> Floats:
    """Return a - b, None counting zero."""
    if a is None:
        return np.negative(b) if b is not None else np.zeros(())
    return a if b is None else a - b


def _add(total: dict[Pair, Floats], key: Pair, term: Floats) -> None:
    """Add a term to a sum of second derivatives."""
    total[key] = total[key] + term if key in total else term


def times(a: Jet, b: Jet, product: Callable[[Floats, Floats], Floats]) -> Jet:
    """Return a bilinear product with its derivatives."""
    first = {i: product(a_i, b.value) for i, a_i in a.first.items()}
    for i, b_i in b.first.items():
        term = product(a.value, b_i)
        first[i] = first[i] + term if i in first else term
    second = {p: product(a_p, b.value) for p, a_p in a.second.items()}
    for p, b_p in b.second.items():
        _add(second, p, product(a.value, b_p))
    for i, a_i in a.first.items():
        for j, b_j in b.first.items():
            term = product(a_i, b_j)
            _add(second, (min(i, j), max(i, j)), 2.0 * term if i == j else term)
    return Jet(product(a.value, b.value), first, second)


def transposed(a: Jet) -> Jet:
    """Return the transpose of each level's matrix."""
    return a.through(transpose)


@dataclass(frozen=True)
class Removal:
    """A factor eliminated level by level.

    Parameters
    ----------
    k : Jet of shape (q, q, n_levels)
        K = S (I + A S)^-1.
    curvature : dict
        Second derivatives of the sum over levels of log|I + A S| by (i, j), i <= j.
    slope : dict
        Its first derivatives.
    """

    k: Jet
    slope: dict[int, float]
    curvature: dict[Pair, float]


def remove(a: Jet, k: Floats, directions: dict[int, Floats]) -> Removal:
    """Eliminate a factor with relative covariance S, also where S is singular.

    Parameters
    ----------
    a : Jet of shape (q, q, n_levels)
        A = Z'Z under the inverse covariance of the factors eliminated before.
    k : ndarray, shape (q, q, n_levels)
        S (I + A S)^-1.
    directions : dict
        Derivative of S by each of its own parameters, each of shape (q, q).

    Notes
    -----
    With F = I - K A and dS, dA the derivatives by one parameter: ``dK = F dS F' - K dA K``, ``dF = -dK A - K dA`` and
    ``d log|I + A S| = tr(K dA) + tr(A F dS)``.
    """
    f = -multiply(k, a.value)
    f[np.diag_indices(f.shape[0])] += 1.0
    f_t, g = transpose(f), multiply(a.value, f)
    s = {i: direction[:, :, None] for i, direction in directions.items()}
    everyone = sorted({*a.first, *s})
    k_first: dict[int, Floats] = {}
    for i in everyone:
        k_first[i] = multiply(multiply(f, s[i]), f_t) if i in s else -multiply(multiply(k, a.first[i]), k)
    f_first, slope = {}, {}
    for i in everyone:
        moved = -multiply(k_first[i], a.value)
        f_first[i] = moved - multiply(k, a.first[i]) if i in a.first else moved
        slope[i] = _trace(g, s[i]) if i in s else _trace(k, a.first[i])
    k_second: dict[Pair, Floats] = {}
    curvature: dict[Pair, float] = {}
    for i in everyone:
        for j in everyone:
            if i > j:
                continue
            k_second[i, j], curvature[i, j] = _second(a, k, s, (k_first, f_first, f), (i, j))
    return Removal(Jet(k, k_first, k_second), slope, curvature)


def _second(
    a: Jet, k: Floats, s: dict[int, Floats], known: tuple[dict[int, Floats], dict[int, Floats], Floats], pair: Pair
) -> tuple[Floats, float]:
    """Return second derivatives of K, shape (q, q, n_levels), and of the sum of log determinants."""
    # A parameter of this factor does not move A, one of a factor further in does not move S; take one of this factor first.
    i, j = pair if pair[0] in s else pair[::-1]
    k_first, f_first, f = known
    if i in s:
        half = multiply(multiply(f_first[j], s[i]), transpose(f))
        g_j = multiply(a.value, f_first[j])
        if j in a.first:
            g_j = g_j + multiply(a.first[j], f)
        return half + transpose(half), _trace(g_j, s[i])
    half = multiply(multiply(k_first[j], a.first[i]), k)
    middle = multiply(multiply(k, a.second[pair]), k)
    return -(half + transpose(half)) - middle, _trace(k_first[j], a.first[i]) + _trace(k, a.second[pair])


def _trace(a: Floats, b: Floats) -> float:
    """Return the sum over levels of tr(a b)."""
    return float(np.sum(a * transpose(b)))
