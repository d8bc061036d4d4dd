"""First and second derivatives of log|H| and X'H^-1X by the relative covariances, exactly and also at singular fits.

H = I + sum_k Z_k S_k Z_k' is linear in the free entries of every S_k. Nested factors are eliminated level by level with their
derivatives; crossed ones by one dense matrix. Nothing depends on the number of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from alliance_stats.inference.jets import Jet, Pair, remove, times, transposed
from alliance_stats.inference.outer_curvature import eliminate_outer, outer_factor
from alliance_stats.mixed.crossproducts import Chain, CrossProducts
from alliance_stats.mixed.levelsums import Codes, Floats
from alliance_stats.mixed.parameters import Pattern, size_of, unpack
from alliance_stats.mixed.smallblocks import gather, inner, level_inverse, multiply


@dataclass(frozen=True)
class Curvature:
    """Derivatives by the entries (i, j), i >= j, of every relative covariance, in the order of the patterns.

    Parameters
    ----------
    entries : ndarray, shape (m,)
        Their values.
    slope : ndarray, shape (m,)
        Of log|H|.
    log_determinant : ndarray, shape (m, m)
        Second derivatives of log|H|.
    x : ndarray, shape (p, p)
        X'H^-1X.
    x_first : ndarray, shape (m, p, p)
    x_second : ndarray, shape (m, m, p, p)
    """

    entries: Floats
    slope: Floats = field(repr=False)
    log_determinant: Floats = field(repr=False)
    x: Floats = field(repr=False)
    x_first: Floats = field(repr=False)
    x_second: Floats = field(repr=False)


class _Total:
    """Sums over independent parts of the design."""

    def __init__(self, xx: Floats, m: int) -> None:
        p = xx.shape[0]
        self.x, self.slope, self.log_determinant = xx, np.zeros(m), np.zeros((m, m))
        self.x_first, self.x_second = np.zeros((m, p, p)), np.zeros((m, m, p, p))

    def take(self, slope: dict[int, float], curvature: dict[Pair, float], removed: Jet) -> None:
        """Add a factor's log determinant and take off what X'X loses by it."""
        self.x -= removed.value
        for i, value in slope.items():
            self.slope[i] += value
        for i, lost in removed.first.items():
            self.x_first[i] -= lost
        for (i, j), value in curvature.items():
            self.log_determinant[i, j] += value
            self.log_determinant[j, i] = self.log_determinant[i, j]
        for (i, j), lost in removed.second.items():
            self.x_second[i, j] -= lost
            self.x_second[j, i] = self.x_second[i, j]


def likelihood_curvature(cp: CrossProducts, theta: Floats) -> Curvature:
    """Return the derivatives at theta."""
    lambdas = unpack(theta, cp.patterns)
    directions = entry_directions(cp.patterns)
    p = cp.n_fixed
    total = _Total(cp.xx[:p, :p].copy(), cp.n_theta)
    for chain in cp.chunks:
        inner_k = _eliminate_chain(chain, lambdas, directions, total)
        if cp.crossed is not None:
            factor = outer_factor(cp.crossed, chain, lambdas, p)
            found = eliminate_outer(cp.crossed, chain[0], inner_k, factor, directions[1:])
            total.take(found.slope, found.curvature, found.removed)
    covariances = [lam @ lam.T for lam in lambdas]
    entries = np.array([s[entry] for s, pattern in zip(covariances, cp.patterns, strict=True) for entry in pattern])
    return Curvature(entries, total.slope, total.log_determinant, total.x, total.x_first, total.x_second)


def entry_directions(patterns: Sequence[Pattern]) -> list[dict[int, Floats]]:
    """Return for each factor the derivative of its covariance by each of its entries, numbered over all factors."""
    found, number = [], 0
    for pattern in patterns:
        q, own = size_of(pattern), {}
        for i, j in pattern:
            own[number] = np.zeros((q, q))
            own[number][i, j] = own[number][j, i] = 1.0
            number += 1
        found.append(own)
    return found


def _eliminate_chain(
    chain: Chain, lambdas: Sequence[Floats], directions: Sequence[dict[int, Floats]], total: _Total
) -> Jet:
    """Eliminate the factors of a chain one after the other; return K of the last."""
    p = total.x.shape[0]
    zz = [Jet(block.zz) for block in chain]
    zx = [Jet(block.zx[:, :p]) for block in chain]
    zu = [[Jet(z) for z in block.zu] for block in chain]
    k = zz[0]
    for f, block in enumerate(chain):
        removal = remove(zz[f], level_inverse(zz[f].value, lambdas[f]).k, directions[f])
        k = removal.k
        k_zx = times(k, zx[f], multiply)
        total.take(removal.slope, removal.curvature, times(zx[f], k_zx, inner))
        k_zu = [times(k, z, multiply) for z in zu[f]]
        for d, starts in enumerate(block.starts):
            j, to_outer = f + 1 + d, transposed(zu[f][d])
            zz[j] = zz[j] - _gathered(to_outer, k_zu[d], starts)
            zx[j] = zx[j] - _gathered(to_outer, k_zx, starts)
            for e in range(d + 1, len(k_zu)):
                zu[j][e - d - 1] = zu[j][e - d - 1] - _gathered(to_outer, k_zu[e], starts)
    return k


def _gathered(a: Jet, b: Jet, starts: Codes) -> Jet:
    """Return the level-wise product summed over the runs of levels that begin at ``starts``."""
    return times(a, b, multiply).through(lambda product: gather(product, starts))
