"""Following the profile of one parameter from the optimum to where its signed root deviance reaches a cutoff.

zeta = sign(value - estimate) sqrt(deviance(value) - deviance(estimate)), with the deviance minimised over everything else:
Bates, Maechler, Bolker and Walker (2015), Journal of Statistical Software 67(1), section 5.1, doi 10.18637/jss.v067.i01.
Each minimum starts from the one before. The derivative of zeta comes from the derivative of the deviance by the held
parameter, so the limit is found by Newton steps inside a bracket, not on an interpolated curve.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alliance_stats.errors import ConvergenceError
from alliance_stats.inference.profile_coordinates import Coordinates, Height
from alliance_stats.mixed.levelsums import Floats

TOLERANCE = 1e-8
"""A minimum is reached when a further step promises to lower the deviance by less: 3e-9 standard errors of a limit."""

FLAT_TOLERANCE = 1e-13
SMALL = 0.15
"""While a diagonal entry is below this the deviance may be flat in it, much flatter than the curvature that the search knows."""

MAX_IDLE = 20
"""Steps that hardly lower the deviance, after which a flat direction is taken for one that does not matter."""

ROOT_TOLERANCE = 1e-7
"""A limit is found when zeta is so near to the cutoff."""

ROUNDING = 1e-13
"""Part of the deviance that rounding may change; added to the tolerance of limits, it matters from a million rows on."""

MAX_STEPS = 200

RENEWAL = 15
"""Steps after which a search that has not arrived looks at the curvature anew: updates from far away can mislead it."""

MAX_POINTS = 80
LARGEST_PROMISE = 4.0
"""Decrease of the deviance that a single step may promise; longer ones are shortened."""

NUDGE = 0.02
"""Size to which a diagonal entry near zero is set before a search: at zero itself the deviance may have a saddle."""

TARGETS = (0.25, 0.5, 0.75, 1.0)
"""Points of the curve, as shares of the cutoff."""

LOWER_OPTIMUM = 1e-5
"""A deviance lower than that of the fit by more than this tells that the fit is not the optimum."""

FLATTEST = 1e-6
"""Curvature, relative to the largest, that a search takes a flatter direction to have: a smaller one promises too much."""

CONFIRMING = (0.05, 0.5)
"""Sizes of the diagonal entries of the starts that confirm a limit."""

MAX_IMPROVED = 5
"""How often a walk may go on from a lower minimum."""

INTERVAL = 1e-5
"""Step of the finite differences of the gradient; standardised coordinates are about 0.01 to 10."""


@dataclass(frozen=True, eq=False)
class Side:
    """One side of a profile.

    Parameters
    ----------
    values, zetas : ndarray, each of shape (n_points,)
        From the optimum outwards.
    limit : float
        Where zeta reaches the cutoff, or the end of the parameter's range.
    reached : bool
        Whether zeta reaches the cutoff within the range.
    """

    values: Floats
    zetas: Floats
    limit: float
    reached: bool


@dataclass(frozen=True, eq=False)
class _Bottom:
    """The lowest point for a held value, with the inverse curvature that the search ended with."""

    value: float
    free: Floats
    height: Height
    inverse: Floats


def profile_sides(
    coordinates: Coordinates, deviance: float, cutoff: float, *, confirm: bool = False
) -> tuple[Side, Side]:
    """Return the lower and the upper side of a parameter's profile.

    Parameters
    ----------
    coordinates : Coordinates
    deviance : float
        At the optimum.
    cutoff : float
        Of zeta, positive.
    confirm : bool
        Whether a limit is confirmed by searches from other starts: worth it where the deviance may have several minima.

    Raises
    ------
    ConvergenceError
        If a search gets stuck, or finds a deviance lower than that of the optimum.
    """
    inverse, slope, drift = _curvature(coordinates)
    estimate, start = coordinates.estimate, coordinates.start
    top = _Bottom(estimate, start, Height(deviance, 0.0, np.zeros_like(start)), inverse)
    low, high = (_Walk(coordinates, top, slope, drift, sign).side(cutoff, confirm=confirm) for sign in (-1.0, 1.0))
    return low, high


def _curvature(coordinates: Coordinates) -> tuple[Floats, float, Floats]:
    """Return the inverse Hessian of the free coordinates, zeta's derivative, and how the free coordinates move with it."""
    estimate, start = coordinates.estimate, coordinates.start
    base = _joint(coordinates.at(estimate, start))
    n = start.size
    hessian = np.empty((n + 1, n + 1))
    hessian[0] = (_joint(coordinates.at(estimate + INTERVAL, start)) - base) / INTERVAL
    for k in range(n):
        moved = start.copy()
        moved[k] += INTERVAL
        hessian[k + 1] = (_joint(coordinates.at(estimate, moved)) - base) / INTERVAL
    hessian = (hessian + hessian.T) / 2.0
    inverse = _inverse_size(hessian[1:, 1:])
    drift = -inverse @ hessian[1:, 0]
    own = float(hessian[0, 0] + hessian[0, 1:] @ drift)
    if own < 1e-3 * abs(hessian[0, 0]):
        own, drift = abs(float(hessian[0, 0])), np.zeros(n)
    return inverse, float(np.sqrt(max(own, 1e-8) / 2.0)), drift


def _inverse_size(hessian: Floats) -> Floats:
    """Return the inverse of a symmetric matrix with the sizes of its eigenvalues, shape (n_free, n_free)."""
    values, vectors = np.linalg.eigh(hessian)
    floor = FLATTEST * max(float(np.abs(values).max(initial=0.0)), 1e-300)
    return np.asarray((vectors / np.maximum(np.abs(values), floor)) @ vectors.T)


def _inverse_at(coordinates: Coordinates, value: float, free: Floats, height: Height) -> Floats | None:
    """Return the inverse curvature of the free coordinates at a point, or None where it cannot be computed."""
    rows = []
    for k in range(free.size):
        moved = free.copy()
        moved[k] += INTERVAL
        found = _height(coordinates, value, moved)
        if found is None:
            return None
        rows.append((found.by_free - height.by_free) / INTERVAL)
    hessian = np.stack(rows)
    return _inverse_size((hessian + hessian.T) / 2.0)


def _joint(height: Height) -> Floats:
    """Return the derivative by the parameter, then by the free coordinates, shape (n_free + 1,)."""
    return np.append(height.by_value, height.by_free)


class _Walk:
    """A walk from the optimum to one side."""

    def __init__(self, coordinates: Coordinates, top: _Bottom, slope: float, drift: Floats, sign: float) -> None:
        self._coordinates = coordinates
        self._top = top
        self._sign = sign
        self._end = coordinates.high if sign > 0 else coordinates.low
        self._bottoms = [top]
        self._zetas = [0.0]
        self._slope = slope
        self._drift = drift
        # Points from here on lie in one valley, and tell its trend.
        self._branch = 1
        self._n_improved = 0

    def side(self, cutoff: float, *, confirm: bool) -> Side:
        """Walk until the cutoff is met or the range ends."""
        beyond: float | None = None
        while True:
            zeta, here = self._zetas[-1], self._bottoms[-1]
            if abs(zeta - cutoff) < ROOT_TOLERANCE + ROUNDING * abs(here.height.deviance):
                if not confirm or not self._improve():
                    return self._finish(here.value, reached=True)
                beyond = None
                continue
            if here.value == self._end and zeta < cutoff:
                return self._finish(self._end, reached=False)
            if len(self._zetas) > MAX_POINTS:
                raise ConvergenceError.build(
                    f"A profile did not reach its limit in {MAX_POINTS} points.", hint=_BOOTSTRAP_HINT
                )
            beyond = here.value if zeta > cutoff else beyond
            self._step(self._next_value(cutoff, beyond))

    def _next_value(self, cutoff: float, beyond: float | None) -> float:
        """Return where to look next: a Newton step to the next target, kept inside bracket and range."""
        here, zeta = self._bottoms[-1].value, self._zetas[-1]
        if beyond is not None:
            inside = self._furthest_below(cutoff)
            value = here + self._sign * (cutoff - zeta) / self._slope
            return value if min(inside, beyond) < value < max(inside, beyond) else (inside + beyond) / 2.0
        target = next(share * cutoff for share in TARGETS if share * cutoff > zeta + 0.05 * cutoff or share == 1.0)
        step = (target - zeta) / self._slope
        if len(self._bottoms) > 1:
            # zeta may be flat at first and steep later; a step is no longer than three times the way so far.
            step = min(step, 3.0 * abs(here - self._top.value))
        value = here + self._sign * step
        return self._end if self._sign * (value - self._end) > 0 else value

    def _furthest_below(self, cutoff: float) -> float:
        """Return the outermost value whose zeta does not exceed the cutoff."""
        below = [b.value for b, zeta in zip(self._bottoms, self._zetas, strict=True) if zeta <= cutoff]
        return max(below) if self._sign > 0 else min(below)

    def _step(self, value: float) -> None:
        """Minimise the deviance at a value and note zeta."""
        self._note(_descend(self._coordinates, value, self._start_at(value), self._bottoms[-1].inverse))

    def _improve(self) -> bool:
        """Search from other starts where the walk stands; note what is lower and forget what is further out."""
        here, start, diagonal = self._bottoms[-1], self._coordinates.start, self._coordinates.diagonal
        others = (np.where(diagonal, size, start) for size in CONFIRMING)
        found = min(
            (_descend(self._coordinates, here.value, other, self._top.inverse) for other in others),
            key=lambda bottom: bottom.height.deviance,
        )
        if found.height.deviance > here.height.deviance - LOWER_OPTIMUM or self._n_improved == MAX_IMPROVED:
            return False
        self._n_improved += 1
        inner = [k for k, b in enumerate(self._bottoms) if self._sign * (b.value - here.value) < 0]
        self._bottoms, self._zetas = [self._bottoms[k] for k in inner], [self._zetas[k] for k in inner]
        self._note(found)
        self._branch, self._drift = len(self._bottoms), np.zeros_like(start)
        return True

    def _note(self, found: _Bottom) -> None:
        """Note a lowest point with its zeta and the derivative of zeta."""
        excess = found.height.deviance - self._top.height.deviance
        if excess < -LOWER_OPTIMUM:
            raise ConvergenceError.build(
                f"The profile met a deviance lower than that of the fit by {-excess:.3g}: the fit is a local optimum.",
                hint="simplify the random part; the deviance has several minima.",
            )
        zeta = float(np.sqrt(max(excess, 0.0)))
        slope = self._sign * found.height.by_value / (2.0 * zeta) if zeta > 0 else self._slope
        self._slope = slope if slope > 0 else self._slope
        self._bottoms.append(found)
        self._zetas.append(zeta)

    def _start_at(self, value: float) -> Floats:
        """Return the free coordinates from which to search: the nearest points' trend, off any saddle."""
        here = self._bottoms[-1]
        trend = self._drift
        if len(self._bottoms) > self._branch and here.value != self._bottoms[-2].value:
            before = self._bottoms[-2]
            trend = (here.free - before.free) / (here.value - before.value)
        start = here.free + trend * (value - here.value)
        near_zero = self._coordinates.diagonal & (np.abs(start) < NUDGE)
        return np.where(near_zero, NUDGE, start)

    def _finish(self, limit: float, *, reached: bool) -> Side:
        """Return the side, its points from the optimum outwards."""
        values = np.array([bottom.value for bottom in self._bottoms])
        order = np.argsort(self._sign * values, kind="stable")
        return Side(values[order], self._sign * np.array(self._zetas)[order], limit, reached)


_BOOTSTRAP_HINT = 'use method="bootstrap", or simplify the random part.'


def _descend(coordinates: Coordinates, value: float, start: Floats, inverse: Floats) -> _Bottom:
    """Minimise the deviance over the free coordinates by BFGS steps from a known curvature, looked at anew now and then."""
    free, height = start, _height(coordinates, value, start)
    if height is None:
        free = coordinates.start
        height = _height(coordinates, value, free)
    if height is None:
        raise ConvergenceError.build("The deviance of a profile cannot be computed.", hint=_BOOTSTRAP_HINT)
    fresh, n_idle = inverse, 0
    for n_steps in range(MAX_STEPS):
        renewed = _inverse_at(coordinates, value, free, height) if n_steps % RENEWAL == RENEWAL - 1 else None
        if renewed is not None:
            fresh = inverse = renewed
        step = -inverse @ height.by_free
        promise = -0.5 * float(height.by_free @ step)
        flat = bool(np.any(np.abs(free[coordinates.diagonal]) < SMALL)) and n_idle < MAX_IDLE
        if promise < (FLAT_TOLERANCE if flat else TOLERANCE):
            return _Bottom(value, free, height, inverse)
        found = _search(coordinates, value, free, height, step * min(1.0, np.sqrt(LARGEST_PROMISE / promise)))
        if found is not None:
            n_idle += height.deviance - found[1].deviance < TOLERANCE
            inverse = _updated(inverse, found[0] - free, found[1].by_free - height.by_free)
            free, height = found
        elif inverse is not fresh:
            inverse = fresh
        elif promise < 100.0 * TOLERANCE:
            return _Bottom(value, free, height, inverse)
        else:
            break
    raise ConvergenceError.build("A search along a profile got stuck.", hint=_BOOTSTRAP_HINT)


def _height(coordinates: Coordinates, value: float, free: Floats) -> Height | None:
    """Return the deviance, or None where it cannot be computed."""
    try:
        found = coordinates.at(value, free)
    except np.linalg.LinAlgError:
        return None
    return found if np.isfinite(found.deviance) and np.isfinite(found.by_free).all() else None


def _search(
    coordinates: Coordinates, value: float, free: Floats, height: Height, step: Floats
) -> tuple[Floats, Height] | None:
    """Return the first point along a step that lowers the deviance enough, or None."""
    length, expected = 1.0, float(height.by_free @ step)
    slack = ROUNDING * abs(height.deviance)
    for _ in range(25):
        moved = free + length * step
        found = _height(coordinates, value, moved)
        if found is not None and found.deviance <= height.deviance + 1e-4 * length * expected + slack:
            return moved, found
        length *= 0.3
    return None


def _updated(inverse: Floats, step: Floats, change: Floats) -> Floats:
    """Return the inverse curvature after a BFGS update, shape (n_free, n_free)."""
    product = float(step @ change)
    if product <= 1e-10 * float(np.linalg.norm(step) * np.linalg.norm(change)):
        return inverse
    left = np.eye(step.size) - np.outer(step, change) / product
    return np.asarray(left @ inverse @ left.T + np.outer(step, step) / product)
