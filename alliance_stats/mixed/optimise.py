"""Finding the optimum: guarded Newton steps first, then slower routes, and a check of what was found."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize as scipy_minimize

from alliance_stats.mixed.crossproducts import CrossProducts
from alliance_stats.mixed.factor import Evaluation, criterion_at, evaluate
from alliance_stats.mixed.levelsums import Floats
from alliance_stats.mixed.parameters import lower_bounds, unpack
from alliance_stats.mixed.start import starting_theta

TOLERANCE = 1e-12
"""A search ends when a Newton step promises to lower the criterion by less; the step is taken all the same."""

MAX_STEPS = 60
NEAR_ZERO = 1e-5
"""A diagonal entry of Lambda below this (columns standardised, residual SD 1) is tried at exactly zero."""

ACCEPTED_GRADIENT = 1e-4
"""Largest decrease in the criterion that a further Newton step may promise at a solution called converged."""


@dataclass(frozen=True)
class Optimum:
    """Everything the optimiser did.

    Parameters
    ----------
    theta : ndarray, shape (n_theta,)
        Relative covariance factors, in the units of the standardised columns.
    criterion : float
    gradient : ndarray, shape (n_theta,)
    promise : float
        Decrease of the criterion that one more Newton step promises: the scale-free measure of convergence.
    n_evaluations : int
    method : str
        "newton", "l-bfgs-b" or "nelder-mead": the route that reached the solution.
    converged : bool
    singular : bool
        Whether some combination of random effects has no variance.
    restarts : int
        Searches started again from other points to check a boundary solution or after a failure.
    """

    theta: Floats
    criterion: float
    gradient: Floats
    promise: float
    n_evaluations: int
    method: str
    converged: bool
    singular: bool
    restarts: int


@dataclass(frozen=True)
class _Search:
    """A finished search from one start."""

    best: Evaluation
    promise: float
    n_evaluations: int
    method: str


def minimise(cp: CrossProducts, *, reml: bool, start: Floats | None = None) -> Optimum:
    """Minimise the profiled criterion over theta.

    Parameters
    ----------
    cp : CrossProducts
    reml : bool
    start : ndarray, shape (n_theta,), optional
        Where to begin; from moments if left out.

    Returns
    -------
    Optimum
        ``converged`` is False if no route reached a point where the gradient vanishes.
    """
    search = _newton(cp, starting_theta(cp) if start is None else start, reml=reml)
    restarts = 0
    if not search.promise < ACCEPTED_GRADIENT:
        search, restarts = _slower_routes(cp, search, reml=reml), 1
    search = _settle(cp, search, reml=reml)
    singular = is_singular(cp, search.best.theta)
    if singular:
        again = _settle(cp, _newton(cp, _default_start(cp), reml=reml), reml=reml)
        restarts += 1
        n_evaluations = search.n_evaluations + again.n_evaluations
        if again.promise < ACCEPTED_GRADIENT and again.best.criterion < search.best.criterion - 1e-9:
            search = again
            singular = is_singular(cp, search.best.theta)
        search = replace(search, n_evaluations=n_evaluations)
    best = search.best
    return Optimum(
        theta=best.theta,
        criterion=best.criterion,
        gradient=best.gradient,
        promise=search.promise,
        n_evaluations=search.n_evaluations,
        method=search.method,
        converged=bool(search.promise < ACCEPTED_GRADIENT),
        singular=singular,
        restarts=restarts,
    )


def optimum_at(cp: CrossProducts, theta: Floats, *, reml: bool) -> Optimum:
    """Return the record of a theta that is known to be the optimum, without a search.

    Parameters
    ----------
    cp : CrossProducts
    theta : ndarray, shape (n_theta,)
    reml : bool
    """
    found = evaluate(cp, theta, reml=reml)
    _, promise = _step(found, found.hessian, lower_bounds(cp.patterns), 0.0)
    return Optimum(
        theta=theta,
        criterion=found.criterion,
        gradient=found.gradient,
        promise=promise,
        n_evaluations=1,
        method="newton",
        converged=bool(promise < ACCEPTED_GRADIENT),
        singular=is_singular(cp, theta),
        restarts=0,
    )


def is_singular(cp: CrossProducts, theta: Floats) -> bool:
    """Tell whether a relative covariance matrix is not of full rank, whatever the units."""
    for lam in unpack(theta, cp.patterns):
        diagonal = np.abs(np.diagonal(lam))
        lengths = np.sqrt((lam**2).sum(axis=1))
        if np.any(diagonal <= 1e-4 * np.maximum(lengths, 1e-3)):
            return True
    return False


def _default_start(cp: CrossProducts) -> Floats:
    """Return Lambda = I, shape (n_theta,)."""
    return np.where(lower_bounds(cp.patterns) == 0.0, 1.0, 0.0)


def _try(cp: CrossProducts, theta: Floats, *, reml: bool) -> Evaluation | None:
    """Return the evaluation at theta, or None where it cannot be computed."""
    try:
        found = evaluate(cp, theta, reml=reml)
    except np.linalg.LinAlgError:
        return None
    return found if np.isfinite(found.criterion) and np.isfinite(found.gradient).all() else None


def _newton(cp: CrossProducts, start: Floats, *, reml: bool) -> _Search:
    """Take average-information steps with a secant correction, damped until the criterion falls."""
    bounds = lower_bounds(cp.patterns)
    theta = np.maximum(start, np.where(bounds == 0.0, NEAR_ZERO, bounds))
    current = _try(cp, theta, reml=reml)
    if current is None:
        current = _try(cp, _default_start(cp), reml=reml)
    if current is None:
        nothing = np.zeros(theta.size)
        broken = Evaluation(theta, np.inf, nothing, np.eye(theta.size), ())
        return _Search(broken, np.inf, 2, "newton")
    hessian, damping, promise = current.hessian, 0.0, np.inf
    n_evaluations = 1
    for _ in range(MAX_STEPS):
        step, promise = _step(current, hessian, bounds, damping)
        proposal = _guard(current.theta, step, bounds)
        n_evaluations += 1
        found = _try(cp, proposal, reml=reml)
        slack = 1e-13 * abs(current.criterion) + 1e-12
        if found is not None and found.criterion <= current.criterion + slack:
            last, current = current, found
            hessian = _secant(found, last)
            damping = damping / 10.0 if damping > 1e-3 else 0.0
            if promise < TOLERANCE:
                break
        elif promise < 1e-9:
            break
        else:
            damping = max(4.0 * damping, 0.1)
            if damping > 1e10:
                break
    _, promise = _step(current, current.hessian, bounds, 0.0)
    return _Search(current, promise, n_evaluations, "newton")


def _step(current: Evaluation, hessian: Floats, bounds: Floats, damping: float) -> tuple[Floats, float]:
    """Return a descent step, shape (n_theta,), and the decrease of the criterion it promises."""
    free = ~((current.theta <= bounds) & (current.gradient >= 0))
    step = np.zeros_like(current.theta)
    if not free.any():
        return step, 0.0
    gradient = current.gradient[free]
    own = hessian[np.ix_(free, free)]
    scale = np.sqrt(np.maximum(np.abs(np.diagonal(own)), 1e-12))
    values, vectors = np.linalg.eigh(own / np.outer(scale, scale))
    values = np.maximum(np.abs(values), 1e-8) + damping
    direction = -(vectors @ ((vectors.T @ (gradient / scale)) / values)) / scale
    step[free] = direction
    return step, float(-gradient @ direction) / 2.0


def _guard(theta: Floats, step: Floats, bounds: Floats) -> Floats:
    """Return theta + step, no diagonal entry shrunk to less than a tenth unless it is near zero already."""
    proposal = np.maximum(theta + step, bounds)
    diagonal = np.isfinite(bounds)
    shrunk = diagonal & (theta > NEAR_ZERO) & (proposal < 0.1 * theta)
    return np.where(shrunk, 0.1 * theta, proposal)


def _secant(found: Evaluation, last: Evaluation) -> Floats:
    """Return the Hessian, corrected so that it explains the last change of the gradient, shape (n_theta, n_theta)."""
    move, change = found.theta - last.theta, found.gradient - last.gradient
    along = found.hessian @ move
    curvature, expected = float(move @ change), float(move @ along)
    if curvature <= 0.1 * expected or expected <= 0:
        return found.hessian
    return np.asarray(found.hessian - np.outer(along, along) / expected + np.outer(change, change) / curvature)


def _settle(cp: CrossProducts, search: _Search, *, reml: bool) -> _Search:
    """Move columns of Lambda that are nearly zero to exactly zero if that does not raise the criterion."""
    theta = search.best.theta.copy()
    small = np.isfinite(lower_bounds(cp.patterns)) & (theta < 1e-3)
    if not small.any():
        return search
    for index in np.flatnonzero(small):
        theta[index] = 0.0
    found = _try(cp, theta, reml=reml)
    if found is None or found.criterion > search.best.criterion + 1e-9:
        return search
    bounds = lower_bounds(cp.patterns)
    _, promise = _step(found, found.hessian, bounds, 0.0)
    return replace(search, best=found, promise=promise, n_evaluations=search.n_evaluations + 1)


def _slower_routes(cp: CrossProducts, failed: _Search, *, reml: bool) -> _Search:
    """Try L-BFGS-B with the analytic gradient, then Nelder and Mead; each is finished by Newton steps."""
    bounds = lower_bounds(cp.patterns)
    best, spent = failed, failed.n_evaluations

    def value_and_gradient(theta: NDArray[np.float64]) -> tuple[float, Floats]:
        found = _try(cp, theta, reml=reml)
        return (1e300, np.zeros_like(theta)) if found is None else (found.criterion, found.gradient)

    pairs = [(low if np.isfinite(low) else None, None) for low in bounds]
    for start in (_default_start(cp), 0.1 * _default_start(cp)):
        route = scipy_minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", bounds=pairs)
        spent += int(route.nfev)
        best = _better(best, replace(_newton(cp, route.x, reml=reml), method="l-bfgs-b"))
    if not best.promise < ACCEPTED_GRADIENT:
        route = scipy_minimize(
            lambda theta: criterion_at(cp, np.maximum(theta, bounds), reml=reml),
            best.best.theta,
            method="Nelder-Mead",
            options={"maxfev": 200 * bounds.size, "xatol": 1e-8, "fatol": 1e-10},
        )
        spent += int(route.nfev)
        best = _better(best, replace(_newton(cp, route.x, reml=reml), method="nelder-mead"))
    return replace(best, n_evaluations=spent)


def _better(a: _Search, b: _Search) -> _Search:
    """Return the search with the lower criterion."""
    return b if b.best.criterion < a.best.criterion else a
