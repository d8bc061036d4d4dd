"""Finding the optimum: guarded Newton steps first, then slower routes, and checks of what was found.

Theta is searched without bounds: the criterion depends on Lambda only through Lambda Lambda', so the sign of a column does not
matter, and a zero variance is an ordinary minimum at zero instead of a corner.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize as scipy_minimize

from alliance_stats.mixed.crossproducts import CrossProducts
from alliance_stats.mixed.factor import Evaluation, criterion_at, evaluate
from alliance_stats.mixed.levelsums import Floats
from alliance_stats.mixed.parameters import components, identity_theta, lower_root, pack, unpack
from alliance_stats.mixed.start import starting_theta
from alliance_stats.mixed.threads import few_threads

TOLERANCE = 1e-12
"""A search ends when a Newton step promises to lower the criterion by less."""

MAX_STEPS = 200
ACCEPTED_PROMISE = 1e-6
"""Largest decrease of the criterion that a further Newton step may promise at a solution called converged."""

FLAT = 1e-8
"""Relative covariances whose eigenvalue is below this (columns standardised, residual variance 1) are tried at zero."""

RESTART_SIZES = (1.0, 0.1, 5.0)
"""Lambda = size I: where the search begins again when a solution is singular, because other optima are likely then."""

SMALL = 2_000
"""Up to so many levels a singular solution is also checked by the slower routes: several optima are likely there."""

N_SCATTERED = 8
"""Starts of random sizes that are tried as well then."""


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
        Searches begun again from other points, after a failure or to check a singular solution.
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
    """A finished search."""

    best: Evaluation
    promise: float
    n_evaluations: int
    method: str = "newton"
    restarts: int = 0

    @property
    def converged(self) -> bool:
        """Whether the gradient vanishes, measured without units."""
        return bool(self.promise < ACCEPTED_PROMISE)


def minimise(cp: CrossProducts, *, reml: bool, confirm: bool = True) -> Optimum:
    """Minimise the profiled criterion over theta.

    Parameters
    ----------
    cp : CrossProducts
    reml : bool
    confirm : bool
        Whether a singular solution is confirmed from other starts. Replicates by the thousand leave it out: it takes some
        thirty times as long and found nothing lower in 400 draws from ten models.

    Returns
    -------
    Optimum
        ``converged`` is False if no route reached a point where the gradient vanishes.
    """
    with few_threads(_widest(cp)):
        return _minimise(cp, reml=reml, confirm=confirm)


def _widest(cp: CrossProducts) -> int:
    """Return the columns of the largest matrix that is factorised."""
    return cp.n_fixed if cp.crossed is None else max(cp.n_fixed, cp.crossed.n_outer)


def _minimise(cp: CrossProducts, *, reml: bool, confirm: bool) -> Optimum:
    """Return the optimum; see `minimise`."""
    search = _descend(cp, starting_theta(cp), reml=reml)
    if not search.converged or (confirm and is_singular(cp, search.best.theta)):
        for size in RESTART_SIZES:
            search = _better(search, _descend(cp, size * identity_theta(cp.patterns), reml=reml))
        if not search.converged or _n_levels(cp) <= SMALL:
            search = _slower_routes(cp, search, reml=reml)
            for other in (*_neighbours(cp, search.best.theta), *_scattered(cp)):
                search = _better(search, _descend(cp, other, reml=reml))
    best = search.best
    return Optimum(
        theta=best.theta,
        criterion=best.criterion,
        gradient=best.gradient,
        promise=search.promise,
        n_evaluations=search.n_evaluations,
        method=search.method,
        converged=search.converged,
        singular=is_singular(cp, best.theta),
        restarts=search.restarts,
    )


def descend(cp: CrossProducts, start: Floats, *, reml: bool) -> Evaluation:
    """Return the minimum reached from one start, without the checks of `minimise`: for models that change little by little.

    Parameters
    ----------
    cp : CrossProducts
    start : ndarray, shape (n_theta,)
    reml : bool
    """
    with few_threads(_widest(cp)):
        return _descend(cp, start, reml=reml).best


def _neighbours(cp: CrossProducts, theta: Floats) -> list[Floats]:
    """Return thetas in which random effects without variance have some, beside those of their factor or in their stead."""
    starts = []
    for k, pattern in enumerate(cp.patterns):
        for group in components(pattern):
            own = np.ix_(group, group)
            lambdas = unpack(theta, cp.patterns)
            if np.linalg.matrix_rank(lambdas[k][own], tol=1e-6) < len(group):
                size = max(1.0, float(np.abs(lambdas[k]).max()))
                lambdas[k][own] = np.eye(len(group))
                starts.append(pack(lambdas, cp.patterns))
                lambdas[k][:] = 0.0
                lambdas[k][own] = size * np.eye(len(group))
                starts.append(pack(lambdas, cp.patterns))
    return starts


def _scattered(cp: CrossProducts) -> list[Floats]:
    """Return thetas of very different sizes from a fixed seed, so that the same data always give the same fit."""
    rng = np.random.default_rng(20_150_701)
    whole = identity_theta(cp.patterns)
    return [
        np.where(whole > 0, 10.0 ** rng.uniform(-1.5, 2.0, whole.size), 0.5 * rng.standard_normal(whole.size))
        for _ in range(N_SCATTERED)
    ]


def _n_levels(cp: CrossProducts) -> int:
    """Return the number of levels of all factors."""
    return sum(order.size for order in cp.level_order)


def optimum_at(cp: CrossProducts, theta: Floats, *, reml: bool) -> Optimum:
    """Return the record of a theta that is known to be the optimum, without a search.

    Parameters
    ----------
    cp : CrossProducts
    theta : ndarray, shape (n_theta,)
    reml : bool
    """
    found = evaluate(cp, theta, reml=reml)
    _, promise = _step(found, found.hessian, 0.0)
    return Optimum(
        theta=theta,
        criterion=found.criterion,
        gradient=found.gradient,
        promise=promise,
        n_evaluations=1,
        method="newton",
        converged=bool(promise < ACCEPTED_PROMISE),
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


def _descend(cp: CrossProducts, start: Floats, *, reml: bool) -> _Search:
    """Search from one start, settle flat directions at zero, and leave saddle points."""
    search = _settle(cp, _newton(cp, start, reml=reml), reml=reml)
    for _ in range(2 * len(cp.patterns)):
        away = _away_from_saddle(cp, search.best)
        if away is None:
            break
        further = _settle(cp, _newton(cp, away, reml=reml), reml=reml)
        if not further.best.criterion < search.best.criterion - 1e-10:
            break
        search = replace(further, n_evaluations=search.n_evaluations + further.n_evaluations)
    return search


def _try(cp: CrossProducts, theta: Floats, *, reml: bool) -> Evaluation | None:
    """Return the evaluation at theta, or None where it cannot be computed."""
    try:
        found = evaluate(cp, theta, reml=reml)
    except np.linalg.LinAlgError:
        return None
    whole = np.isfinite(found.criterion) and np.isfinite(found.gradient).all() and np.isfinite(found.hessian).all()
    return found if whole else None


def _newton(cp: CrossProducts, start: Floats, *, reml: bool) -> _Search:
    """Take average-information steps with a secant correction, damped until the criterion falls."""
    current = _try(cp, start, reml=reml)
    if current is None:
        nothing = np.zeros(start.size)
        return _Search(Evaluation(start, np.inf, nothing, np.eye(start.size), ()), np.inf, 1)
    hessian, damping = current.hessian, 0.0
    n_evaluations = 1
    for _ in range(MAX_STEPS):
        step, promise = _step(current, hessian, damping)
        if promise < TOLERANCE:
            break
        n_evaluations += 1
        found = _try(cp, current.theta + step, reml=reml)
        slack = 1e-13 * abs(current.criterion) + 1e-12
        if found is not None and found.criterion <= current.criterion + slack:
            hessian = _secant(found, current)
            current = found
            damping = damping / 10.0 if damping > 1e-3 else 0.0
        elif promise < 1e-9:
            break
        else:
            hessian = current.hessian
            damping = max(4.0 * damping, 0.1)
            if damping > 1e12:
                break
    _, promise = _step(current, current.hessian, 0.0)
    return _Search(current, promise, n_evaluations)


def _step(current: Evaluation, hessian: Floats, damping: float) -> tuple[Floats, float]:
    """Return a descent step, shape (n_theta,), and the decrease of the criterion it promises."""
    scale = np.sqrt(np.maximum(np.abs(np.diagonal(hessian)), 1e-12))
    values, vectors = np.linalg.eigh(hessian / np.outer(scale, scale))
    values = np.maximum(np.abs(values), 1e-8) + damping
    step = -(vectors @ ((vectors.T @ (current.gradient / scale)) / values)) / scale
    return step, float(-current.gradient @ step) / 2.0


def _secant(found: Evaluation, last: Evaluation) -> Floats:
    """Return the Hessian, corrected so that it explains the last change of the gradient, shape (n_theta, n_theta)."""
    move, change = found.theta - last.theta, found.gradient - last.gradient
    if float(move @ move) > 0.01 * float(found.theta @ found.theta):
        return found.hessian  # after a long move the change of the gradient says little about the curvature here
    along = found.hessian @ move
    curvature, expected = float(move @ change), float(move @ along)
    if curvature <= 0.1 * expected or expected <= 0:
        return found.hessian
    return np.asarray(found.hessian - np.outer(along, along) / expected + np.outer(change, change) / curvature)


def _settle(cp: CrossProducts, search: _Search, *, reml: bool) -> _Search:
    """Move flat directions of the covariances to exactly zero if that does not raise the criterion; fix the signs."""
    theta = search.best.theta
    canonical = _canonical(cp, theta, flat=FLAT)
    if np.array_equal(canonical, theta):
        return search
    found = _try(cp, canonical, reml=reml)
    if found is None or found.criterion > search.best.criterion + 1e-9:
        found = _try(cp, _canonical(cp, theta, flat=0.0), reml=reml)
    if found is None or found.criterion > search.best.criterion + 1e-9:
        return search
    _, promise = _step(found, found.hessian, 0.0)
    return replace(search, best=found, promise=promise, n_evaluations=search.n_evaluations + 1)


def _canonical(cp: CrossProducts, theta: Floats, *, flat: float) -> Floats:
    """Return theta with non-negative diagonals and eigenvalues of the covariances below ``flat`` at zero."""
    lambdas = unpack(theta, cp.patterns)
    for lam, pattern in zip(lambdas, cp.patterns, strict=True):
        for group in components(pattern):
            own = np.ix_(group, group)
            left, values, _ = np.linalg.svd(lam[own])
            kept = np.where(values**2 < flat * max(1.0, float(values[0]) ** 2), 0.0, values)
            lam[own] = lower_root(lam[own]) if np.all(kept > 0) else _clean(lower_root(left * kept))
    return pack(lambdas, cp.patterns)


def _clean(lower: Floats) -> Floats:
    """Return a rank-deficient lower triangular root with rounding errors set to zero."""
    return np.where(np.abs(lower) < 1e-12 * max(float(np.abs(lower).max()), 1e-300), 0.0, lower)


def _away_from_saddle(cp: CrossProducts, best: Evaluation) -> Floats | None:
    """Return a theta on the way down from a saddle point, or None if the solution is none.

    A column of Lambda at zero has gradient zero whatever the data; whether variance should be there is told by the
    derivative with respect to Lambda Lambda' in the directions that the covariance does not use.
    """
    if not best.slopes:
        return None
    lambdas = unpack(best.theta, cp.patterns)
    moved = False
    for lam, slope, pattern in zip(lambdas, best.slopes, cp.patterns, strict=True):
        for group in components(pattern):
            own = np.ix_(group, group)
            values, vectors = np.linalg.eigh((slope[own] + slope[own].T) / 2.0)
            rank = int(np.linalg.matrix_rank(lam[own], tol=1e-6)) if np.any(lam[own]) else 0
            if rank == len(group) or values[0] > -1e-7 * max(1.0, float(np.abs(values).max())):
                continue
            root = np.column_stack([lam[own], 0.03 * vectors[:, 0]])
            lam[own] = lower_root(root)
            moved = True
    return pack(lambdas, cp.patterns) if moved else None


def _slower_routes(cp: CrossProducts, failed: _Search, *, reml: bool) -> _Search:
    """Try L-BFGS-B with the analytic gradient, then Nelder and Mead; each is finished by Newton steps."""
    best = failed

    def value_and_gradient(theta: NDArray[np.float64]) -> tuple[float, Floats]:
        found = _try(cp, theta, reml=reml)
        return (1e300, np.zeros_like(theta)) if found is None else (found.criterion, found.gradient)

    for size in RESTART_SIZES if not failed.converged else RESTART_SIZES[:1]:
        start = size * identity_theta(cp.patterns)
        route = scipy_minimize(value_and_gradient, start, jac=True, method="L-BFGS-B")
        best = _finished(cp, best, route.x, int(route.nfev), "l-bfgs-b", reml=reml)
    if not best.converged:
        options = {"maxfev": 200 * cp.n_theta, "xatol": 1e-8, "fatol": 1e-10}
        start = best.best.theta
        route = scipy_minimize(
            lambda theta: criterion_at(cp, theta, reml=reml), start, method="Nelder-Mead", options=options
        )
        best = _finished(cp, best, route.x, int(route.nfev), "nelder-mead", reml=reml)
    return best


def _finished(
    cp: CrossProducts, best: _Search, theta: Sequence[float] | Floats, spent: int, method: str, *, reml: bool
) -> _Search:
    """Return the better of a search and of what a slower route gives after Newton steps."""
    further = _descend(cp, np.asarray(theta, dtype=float), reml=reml)
    return _better(best, replace(further, method=method, n_evaluations=further.n_evaluations + spent))


def _better(a: _Search, b: _Search) -> _Search:
    """Return the converged search with the lower criterion, with the work of both."""
    rank_a = (not a.converged, a.best.criterion)
    rank_b = (not b.converged, b.best.criterion + 1e-9)
    winner = b if rank_b < rank_a else a
    return replace(winner, n_evaluations=a.n_evaluations + b.n_evaluations, restarts=a.restarts + b.restarts + 1)
