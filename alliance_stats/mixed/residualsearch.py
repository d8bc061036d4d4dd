"""The search over residual parameters, theta minimised out at each.

The derivative of the minimum over theta by a residual parameter is the partial derivative at the theta found, taken by central
differences.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alliance_stats.mixed.crossproducts import CrossProducts, cross_products
from alliance_stats.mixed.factor import criterion_at
from alliance_stats.mixed.levelsums import Floats
from alliance_stats.mixed.optimise import descend
from alliance_stats.mixed.scaling import Standardised
from alliance_stats.mixed.start import starting_theta
from alliance_stats.mixed.whitening import ResidualModel, whiten

SLOPE_STEP, CURVATURE_STEP = 1e-4, 1e-3
"""Steps of the differences in phi, whose natural scale is 1."""

POLISHED = 1e-11
"""The polish ends when a step promises to lower the criterion by less."""

MAX_STEPS, MAX_HALVINGS, MAX_POLISH = 60, 10, 12
LONGEST_STEP = 1.0
COARSE = 1e-5
"""A search from one start ends when a step promises to lower the criterion by less."""


@dataclass(frozen=True)
class Point:
    """The minimum over theta at one phi."""

    phi: Floats
    theta: Floats
    criterion: float


class Profile:
    """The criterion with theta minimised out, as a function of the free residual parameters."""

    def __init__(
        self, base: Standardised, model: ResidualModel, *, n_rows: int, sigma2: float | None, reml: bool
    ) -> None:
        self.base, self.model, self.reml = base, model, reml
        self._n_rows, self._sigma2 = n_rows, sigma2
        self.n_searches = 0

    def prepare(self, phi: Floats) -> tuple[CrossProducts, float]:
        """Return whitened cross-products and log|S R S|."""
        whitener = self.model.whitener(phi)
        whitened = whiten(self.base, whitener, self._n_rows)
        cp = cross_products(whitened.factors, whitened.fixed, self._n_rows, sigma2=self._sigma2)
        return cp, whitener.log_determinant

    def solve(self, phi: Floats, theta: Floats | None) -> Point:
        """Return the minimum over theta, searched from ``theta``."""
        cp, shift = self.prepare(phi)
        found = descend(cp, starting_theta(cp) if theta is None else theta, reml=self.reml)
        self.n_searches += 1
        return Point(phi, found.theta, found.criterion + shift)

    def moved(self, point: Point, step: Floats, free: np.ndarray) -> Point:
        """Return the minimum over theta one step in the free parameters away, within the limits."""
        phi = point.phi.copy()
        phi[free] = np.clip(phi[free] + step, *self.model.bounds[free].T)
        return self.solve(phi, point.theta)

    def slope(self, point: Point, free: np.ndarray) -> tuple[Floats, Floats]:
        """Return first and second derivative by each free parameter at fixed theta, each of shape (n_free,).

        The first is that of the minimum over theta too; the second is an upper bound of the minimum's.
        """
        found = np.array([self._differences(point, int(j)) for j in np.flatnonzero(free)]).reshape(-1, 2)
        return found[:, 0], found[:, 1]

    def _differences(self, point: Point, j: int) -> tuple[float, float]:
        """Return first and second partial derivative by one residual parameter."""
        values = []
        for sign in (1.0, -1.0):
            phi = point.phi.copy()
            phi[j] += sign * SLOPE_STEP
            cp, shift = self.prepare(phi)
            values.append(criterion_at(cp, point.theta, reml=self.reml) + shift)
        second = (values[0] + values[1] - 2.0 * point.criterion) / SLOPE_STEP**2
        return (values[0] - values[1]) / (2.0 * SLOPE_STEP), second

    def curvature(self, point: Point, free: np.ndarray) -> Floats:
        """Return the second derivatives of the minimum by the free parameters, shape (n_free, n_free)."""
        rows = []
        for j in np.flatnonzero(free):
            slopes = []
            for sign in (1.0, -1.0):
                phi = point.phi.copy()
                phi[j] += sign * CURVATURE_STEP
                slopes.append(self.slope(self.solve(phi, point.theta), free)[0])
            rows.append((slopes[0] - slopes[1]) / (2.0 * CURVATURE_STEP))
        found = np.array(rows).reshape(len(rows), len(rows))
        return (found + found.T) / 2.0


def descend_outside(profile: Profile, start: Point, free: np.ndarray) -> Point:
    """Return a minimum over the free residual parameters, to a few digits, by quasi-Newton steps."""
    if not free.any() or not np.isfinite(start.criterion):
        return start
    point = start
    slope, second = profile.slope(point, free)
    curvature = np.diag(np.maximum(np.abs(second), 1e-3))
    for _ in range(MAX_STEPS):
        step = _step(slope, curvature)
        if -float(slope @ step) / 2.0 < COARSE:
            break
        for halving in range(MAX_HALVINGS):
            moved = profile.moved(point, step * 0.25**halving, free)
            if moved.criterion < point.criterion:
                break
        else:
            break
        last, move, point = slope, moved.phi[free] - point.phi[free], moved
        slope, _ = profile.slope(point, free)
        curvature = _secant(curvature, move, slope - last)
    return point


def _step(slope: Floats, curvature: Floats) -> Floats:
    """Return a descent step of limited length, shape (n_free,)."""
    values, vectors = np.linalg.eigh(curvature)
    step = -vectors @ ((vectors.T @ slope) / np.maximum(np.abs(values), 1e-8))
    return np.asarray(step * min(1.0, LONGEST_STEP / max(float(np.abs(step).max()), 1e-300)))


def _secant(curvature: Floats, move: Floats, change: Floats) -> Floats:
    """Return the curvature, corrected so that it explains the last change of the slope, shape (n_free, n_free)."""
    along = curvature @ move
    expected, found = float(move @ along), float(move @ change)
    if found <= 0.05 * expected:
        return curvature
    return np.asarray(curvature - np.outer(along, along) / expected + np.outer(change, change) / found)


def polish(profile: Profile, point: Point, free: np.ndarray) -> tuple[Point, Floats]:
    """Return the minimum to all digits, by Newton steps, and the curvature there."""
    if not free.any():
        return point, np.zeros((0, 0))
    curvature = profile.curvature(point, free)
    for _ in range(MAX_POLISH):
        slope, _ = profile.slope(point, free)
        step = _step(slope, curvature)
        if -float(slope @ step) / 2.0 < POLISHED:
            break
        moved = profile.moved(point, step, free)
        if not moved.criterion < point.criterion + 1e-12 * abs(point.criterion):
            break
        if float(np.abs(step).max()) > 0.01:
            curvature = profile.curvature(moved, free)
        point = moved
    return point, curvature
