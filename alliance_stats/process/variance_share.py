"""How much of the variance lies between the levels of a factor, with intervals from the likelihood."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq, minimize
from scipy.special import ndtri

from alliance_stats.mixed.factor import evaluate
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.mixed.threads import few_threads

Floats: TypeAlias = npt.NDArray[np.float64]

NUDGE = 0.05
"""Size to which the diagonal of a factor is set before a search: at zero itself the likelihood may have a saddle."""

STEP = 1e-6
"""Step of the finite differences; the factors are about 0.1 to 10."""

HALVINGS = 30
"""How often the distance to the end of the range is halved in looking for a limit."""

XTOL = 1e-8
"""Of the limits, which are shares."""

STEEP = 1e-3
"""Gradient at which a search has not arrived and is tried again from the estimates."""


@dataclass(frozen=True)
class ShareKind:
    """Which share of a variance is meant.

    Parameters
    ----------
    name : str
        For tables.
    effect : str
        Name of the random effect, "Intercept" or a column.
    residual : float
        Part of the residual variance in the denominator: 1 for single rows, 1 / m for means of m rows, 0 for none.
    """

    name: str
    effect: str
    residual: float


@dataclass(frozen=True)
class ShareLimits:
    """Limits of a share; ``*_reached`` tells whether the likelihood, not the end of the range, set them."""

    low: float
    high: float
    low_reached: bool
    high_reached: bool


def variance_share(fit: LmmFit, kind: ShareKind, *, group: str, within: str | None) -> float:
    """Return a share of variance as estimated; NaN if there is no variance at all.

    Parameters
    ----------
    fit : LmmFit
    kind : ShareKind
    group : str
        The factor whose share it is.
    within : str, optional
        The factor nested in it, or crossed with it, whose variance is in the denominator.
    """
    own = _effect_variance(fit, group, kind.effect)
    rest = kind.residual * fit.sigma**2 + (_effect_variance(fit, within, kind.effect) if within else 0.0)
    return own / (own + rest) if own + rest > 0 else float("nan")


def _effect_variance(fit: LmmFit, group: str, effect: str) -> float:
    """Return the variance of a random effect, in squared units of the outcome."""
    place = [t.grouping.name for t in fit.design.terms].index(group)
    row = fit.design.terms[place].names.index(effect)
    return float(fit.sigma**2 * np.sum(fit.term_factors[place][row] ** 2))


def share_limits(fit: LmmFit, kind: ShareKind, *, group: str, within: str | None, level: float) -> ShareLimits:
    """Return the limits that the fit's likelihood gives a share.

    Parameters
    ----------
    fit : LmmFit
        One random term per grouping factor. The criterion profiled is its own, restricted for REML.
    kind : ShareKind
    group : str
    within : str, optional
    level : float in (0, 1)

    Returns
    -------
    ShareLimits
        NaN if there is no variance at all.

    Notes
    -----
    The share rho is held, everything else is chosen to minimise the criterion, and the interval holds the values whose
    criterion exceeds the minimum by less than the chi-squared quantile with one df: the likelihood-ratio test turned round.
    """
    estimate = variance_share(fit, kind, group=group, within=within)
    if np.isnan(estimate):
        return ShareLimits(estimate, estimate, False, False)
    path = _Path(fit, kind, group, within)
    cutoff = float(ndtri(0.5 + level / 2.0))
    cp = fit.cross_products
    with few_threads(cp.n_fixed if cp.crossed is None else max(cp.n_fixed, cp.crossed.n_outer)):
        low, low_reached = _limit(path, estimate, 0.0, cutoff)
        high, high_reached = _limit(path, estimate, 1.0, cutoff)
    return ShareLimits(low, high, low_reached, high_reached)


def _limit(path: _Path, estimate: float, end: float, cutoff: float) -> tuple[float, bool]:
    """Return where the excess reaches the cutoff between the estimate and an end of the range, and whether it does."""
    if estimate == end:
        return end, False
    path.restart()
    inner = estimate
    halves = end + (estimate - end) * 0.5 ** np.arange(1, HALVINGS + 1)
    last = [end] if path.allows(end) else []
    for outer in [*halves.tolist(), *last]:
        if path.zeta(outer) > cutoff:
            between = sorted((inner, outer))
            return float(brentq(lambda rho: path.zeta(rho) - cutoff, *between, xtol=XTOL, rtol=XTOL)), True
        inner = outer
    return end, False


@dataclass
class _Path:
    """The criterion minimised at held shares, each search starting where the one before ended."""

    fit: LmmFit
    kind: ShareKind
    group: str
    within: str | None
    _free: Floats = field(init=False)
    _inverse: Floats = field(init=False)
    _scales: list[Floats] = field(init=False)
    _first: list[int] = field(init=False)
    _maps: list[Floats] = field(init=False)

    def __post_init__(self) -> None:
        terms = self.fit.design.terms
        self._first = [t.names.index(self.kind.effect) if self.kind.effect in t.names else 0 for t in terms]
        roots = [
            np.array([1.0 if c is None else float(np.sqrt(np.mean(c**2))) for c in term.columns]) for term in terms
        ]
        self._scales = [scale[self._order(k)] for k, scale in enumerate(roots)]
        self._maps = [self._map(k) for k in range(len(terms))]
        self.restart()

    def _order(self, k: int) -> list[int]:
        """Return the effects of a term, the one whose share is held first."""
        first = self._first[k]
        return [first, *(i for i in range(len(self.fit.design.terms[k].names)) if i != first)]

    def _places(self) -> tuple[int, int | None]:
        """Return the positions of the two terms."""
        names = [t.grouping.name for t in self.fit.design.terms]
        return names.index(self.group), names.index(self.within) if self.within else None

    def restart(self) -> None:
        """Go back to the estimates."""
        pieces = []
        own, other = self._places()
        for k, factor in enumerate(self.fit.term_factors):
            turned = _lower(factor[self._order(k)]) * self._scales[k][:, None]
            turned[np.diag_indices_from(turned)] = np.maximum(turned.diagonal(), NUDGE)
            if k == own:
                pieces.append(_lower_part(turned)[1:])
            else:
                pieces.append(_lower_part(turned))
        if self.kind.residual == 0.0 and other is not None:
            # The other term's leading entry becomes the root of the sum of both variances.
            size = float(np.linalg.norm(self.fit.term_factors[own][self._first[own]])) * self._scales[own][0]
            pieces[other][0] = max(float(np.hypot(pieces[other][0], size)), NUDGE)
        self._free = np.concatenate(pieces)
        self._inverse = np.eye(self._free.size)

    def zeta(self, rho: float) -> float:
        """Return the root of what the criterion at a share exceeds its minimum by; nearly linear in the share."""
        return float(np.sqrt(max(self._excess(rho), 0.0)))

    def _excess(self, rho: float) -> float:
        """Return by how much the criterion exceeds its minimum at a share."""
        if self._free.size == 0:
            return self._criterion_and_gradient(rho, self._free)[0] - self.fit.optimum.criterion
        value, slope = self._search(rho)
        if slope > STEEP:
            self.restart()
            value = min(value, self._search(rho)[0])
        return value - self.fit.optimum.criterion

    def allows(self, rho: float) -> bool:
        """Tell whether a share is possible: with a residual in the denominator it is less than 1."""
        return rho < 1.0 or self.kind.residual == 0.0

    def _search(self, rho: float) -> tuple[float, float]:
        """Return the criterion minimised over the free entries, and the largest slope there; keep the place."""
        found = minimize(
            lambda free: self._criterion_and_gradient(rho, free),
            self._free,
            jac=True,
            method="BFGS",
            options={"gtol": 1e-5, "hess_inv0": self._inverse},
        )
        self._free = np.asarray(found.x)
        inverse = (found.hess_inv + found.hess_inv.T) / 2.0
        if np.linalg.eigvalsh(inverse)[0] > 0:
            self._inverse = inverse
        return float(found.fun), float(np.max(np.abs(found.jac)))

    def _criterion_and_gradient(self, rho: float, free: Floats) -> tuple[float, Floats]:
        """Return the criterion and its gradient by the free entries, shape (n_free,).

        The likelihood's own derivatives, by theta, times those of theta, which are cheap, by central differences.
        """
        steps = STEP * np.eye(free.size)
        thetas = self._thetas(rho, np.vstack([free[None, :], free + steps, free - steps]))
        here = evaluate(self.fit.cross_products, thetas[0], reml=self.fit.method == "REML")
        moved = thetas[1 : 1 + free.size] - thetas[1 + free.size :]
        return here.criterion, moved @ here.gradient / (2.0 * STEP)

    def _thetas(self, rho: float, free: Floats) -> Floats:
        """Return theta of standardised columns at a share and several sets of free entries, shape (n_sets, n_theta)."""
        own, other = self._places()
        blocks, start = [], 0
        for k, scale in enumerate(self._scales):
            n = scale.size * (scale.size + 1) // 2
            held = np.zeros((free.shape[0], int(k == own)))
            blocks.append(np.hstack([held, free[:, start : start + n - held.shape[1]]]))
            start += n - held.shape[1]
        lead = 0.0 if other is None else blocks[other][:, 0].copy()
        if self.kind.residual == 0.0 and other is not None:
            blocks[own][:, 0], blocks[other][:, 0] = np.sqrt(rho) * lead, np.sqrt(1.0 - rho) * lead
        else:
            relative = lead / self._scales[other][0] if other is not None else 0.0
            rest = relative**2 + self.kind.residual
            blocks[own][:, 0] = np.sqrt(rho / (1.0 - rho) * rest) * self._scales[own][0]
        names = [term.grouping.name for term in self.fit.design.terms]
        cp, theta = self.fit.cross_products, []
        for g, pattern in zip(cp.order, cp.patterns, strict=True):
            k = names.index(self.fit.design.groupings[g].name)
            root = _lower_stack(self._maps[k] @ _triangles(blocks[k], self._scales[k].size))
            theta += [root[:, row, column] for row, column in pattern]
        return np.stack(theta, axis=1)

    def _map(self, k: int) -> Floats:
        """Return what leads from a term's factor here to that of standardised columns, up to a rotation, shape (q, q)."""
        design, scale = self.fit.design, self._scales[k]
        in_order = np.diag(1.0 / scale)[np.argsort(self._order(k))]
        g = [grouping.name for grouping in design.groupings].index(design.terms[k].grouping.name)
        return np.asarray(np.linalg.solve(self.fit.scaling.z_transforms[g], in_order), dtype=float)


def _lower(factor: Floats) -> Floats:
    """Return the lower triangular L with L L' = F F' and a diagonal that is not negative."""
    return np.asarray(_lower_stack(factor[None, :, :])[0])


def _lower_stack(factors: Floats) -> Floats:
    """Return the same for several factors, shape (n, q, q)."""
    roots = np.asarray(np.linalg.qr(factors.transpose(0, 2, 1), mode="r"), dtype=float).transpose(0, 2, 1)
    signs = np.where(np.diagonal(roots, axis1=1, axis2=2) < 0, -1.0, 1.0)
    return np.asarray(roots * signs[:, None, :])


def _triangles(entries: Floats, size: int) -> Floats:
    """Return lower triangles from their entries row by row, shape (n, size, size)."""
    whole = np.zeros((entries.shape[0], size, size))
    rows, columns = np.tril_indices(size)
    whole[:, rows, columns] = entries
    return whole


def _lower_part(matrix: Floats) -> Floats:
    """Return the lower triangle row by row."""
    return matrix[np.tril_indices(matrix.shape[0])]
