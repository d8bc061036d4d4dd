"""Standardised columns, and the way back: results do not depend on anybody's units or origins.

Columns of X are centred (when the model has an intercept) and scaled to unit spread, the outcome too. Columns of Z are
scaled, and centred where the term has an intercept correlated with them: ``(1 + x | g)`` and ``(1 + (x - c) | g)`` are the same
model with other parameters. The optimiser only ever sees standardised columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import block_diag

from alliance_stats.errors import ModelError
from alliance_stats.mixed.crossproducts import CrossProducts, Factor
from alliance_stats.mixed.design import Design, DesignTerm
from alliance_stats.mixed.encoder import INTERCEPT
from alliance_stats.mixed.grouping import Grouping
from alliance_stats.mixed.levelsums import Column, Floats
from alliance_stats.mixed.parameters import Pattern, lower_root, pack, unpack

DROP_TOLERANCE = 1e-7
"""A fixed effect is dropped if its column's distance to the columns before it, relative to its length, is below this."""


@dataclass(frozen=True)
class Scaling:
    """How standardised parameters become those of the user's columns.

    Parameters
    ----------
    y_centre, y_scale : float
    x_kept : tuple of int
        Columns of X that are not combinations of earlier ones.
    x_transform : ndarray, shape (p, p)
        Standardised X times this inverse is X: beta = y_scale * x_transform @ beta_standardised + y_centre * intercept.
    intercept : int or None
        Position of the intercept among the kept columns.
    z_transforms : tuple of ndarray, each of shape (q, q)
        Standardised Z = Z @ z_transform, for each factor.
    criterion_shift_ml, criterion_shift_reml : float
        What the criterion in the user's units has more.
    """

    y_centre: float
    y_scale: float
    x_kept: tuple[int, ...]
    x_transform: Floats
    intercept: int | None
    z_transforms: tuple[Floats, ...]
    criterion_shift_ml: float
    criterion_shift_reml: float

    def criterion_shift(self, method: str) -> float:
        """Return what the criterion in the user's units has more, for "REML" or "ML"."""
        return self.criterion_shift_reml if method == "REML" else self.criterion_shift_ml

    def beta(self, standardised: Floats) -> Floats:
        """Return fixed effects in the user's units, shape (p,)."""
        beta = self.y_scale * (self.x_transform @ standardised)
        if self.intercept is not None:
            beta[self.intercept] += self.y_centre
        return np.asarray(beta)

    def beta_covariance(self, standardised: Floats) -> Floats:
        """Return the covariance of the fixed effects in the user's units, shape (p, p)."""
        return np.asarray(self.y_scale**2 * self.x_transform @ standardised @ self.x_transform.T)


@dataclass(frozen=True)
class Standardised:
    """A design in standardised columns, ready for cross-products.

    Parameters
    ----------
    factors : tuple of Factor
        One per grouping factor.
    fixed : tuple of columns
        X, then y.
    scaling : Scaling
    dropped : tuple of str
        Fixed effects that are combinations of earlier ones.
    """

    factors: tuple[Factor, ...]
    fixed: tuple[Column, ...]
    scaling: Scaling
    dropped: tuple[str, ...]


class _Columns:
    """Standardised columns, each formed once, so that equal ones stay one object."""

    def __init__(self, weights: Floats | None) -> None:
        self._root = None if weights is None else np.sqrt(weights)
        self._done: dict[tuple[int, bool], tuple[Column, float, float]] = {}
        self._kept: list[Column] = []

    def standard(self, column: Column, *, centred: bool) -> tuple[Column, float, float]:
        """Return the column, what was subtracted from it and what it was divided by (infinity for a constant)."""
        if column is None:
            return self._root, 0.0, 1.0
        key = (id(column), centred)
        if key not in self._done:
            centre, scale = _centre_and_scale(column, centred=centred)
            values = column - centre
            values *= 1.0 / scale
            if self._root is not None:
                values *= self._root
            self._done[key] = (values, centre, scale)
            self._kept.append(column)
        return self._done[key]


def _centre_and_scale(column: Floats, *, centred: bool) -> tuple[float, float]:
    """Return the mean (or zero) and the root mean square around it (or infinity for a constant)."""
    mean = float(column.mean())
    square = float(column @ column) / column.size
    spread = square - mean * mean
    if spread < 1e-6 * square:
        deviations = column - mean
        mean += float(deviations.mean())
        spread = float(deviations @ deviations) / column.size
    if not centred:
        return 0.0, float(np.sqrt(square)) if square > 0 else np.inf
    constant = spread <= (1e-14 * abs(mean)) ** 2
    return mean, np.inf if constant else float(np.sqrt(spread))


def standardise(design: Design) -> Standardised:
    """Standardise a design and drop fixed effects that others explain."""
    columns = _Columns(design.weights)
    has_intercept = INTERCEPT in design.x.names
    y, y_centre, y_scale = columns.standard(design.y, centred=has_intercept)
    made = [columns.standard(column, centred=has_intercept) for column in design.x.columns]
    kept = independent_columns([column for column, _, _ in made], design.n_rows)
    centres = np.array([made[j][1] for j in kept])
    scales = np.array([made[j][2] for j in kept])
    transform = np.diag(1.0 / scales) if kept else np.zeros((0, 0))
    intercept = None
    if has_intercept:
        intercept = [design.x.names[j] for j in kept].index(INTERCEPT)
        transform[intercept] -= centres / scales
    factors, z_transforms = [], []
    unit = _effect_unit(design)
    for grouping in design.groupings:
        factor, z_transform = _factor(grouping, [t for t in design.terms if t.grouping is grouping], columns)
        factors.append(factor if unit == 1.0 else _stretched(factor, unit))
        z_transforms.append(z_transform if unit == 1.0 else unit * z_transform)
    n, p = design.n_rows, len(kept)
    shift = -float(np.log(design.weights).sum()) if design.weights is not None else 0.0
    scaling = Scaling(
        y_centre=y_centre,
        y_scale=y_scale,
        x_kept=tuple(kept),
        x_transform=transform,
        intercept=intercept,
        z_transforms=tuple(z_transforms),
        criterion_shift_ml=shift + 2.0 * n * float(np.log(y_scale)),
        criterion_shift_reml=shift + 2.0 * (n - p) * float(np.log(y_scale)) + 2.0 * float(np.log(scales).sum()),
    )
    dropped = tuple(name for j, name in enumerate(design.x.names) if j not in kept)
    return Standardised(tuple(factors), (*(made[j][0] for j in kept), y), scaling, dropped)


def _factor(grouping: Grouping, terms: Sequence[DesignTerm], columns: _Columns) -> tuple[Factor, Floats]:
    """Return one factor of all terms that share a grouping, and its transform, shape (q, q)."""
    q = sum(len(term.names) for term in terms)
    transform, pattern, made = np.zeros((q, q)), [], []
    start = 0
    for term in terms:
        ones = [i for i, column in enumerate(term.columns) if column is None]
        for i, column in enumerate(term.columns):
            values, centre, scale = columns.standard(column, centred=bool(ones))
            if np.isinf(scale):
                raise ModelError.build(
                    f"The random effect '{term.names[i]}' by '{grouping.name}' is constant in the rows used.",
                    hint="leave it out of the random term.",
                )
            made.append(values)
            transform[start + i, start + i] = 1.0 / scale
            if ones and column is not None:
                transform[start + ones[0], start + i] = -centre / scale
        width = len(term.names)
        pattern += [(start + i, start + j) for j in range(width) for i in range(j, width)]
        start += width
    return Factor(grouping.codes, len(grouping.labels), tuple(made), tuple(pattern)), transform


def _effect_unit(design: Design) -> float:
    """Return what random effects are measured in: with a known sigma, weights are in units of their own."""
    if design.sigma is None or design.weights is None:
        return 1.0
    return float(1.0 / np.sqrt(design.weights.mean()))


def _stretched(factor: Factor, unit: float) -> Factor:
    """Return a factor with its columns multiplied by ``unit``; equal columns stay one object."""
    made = {id(column): unit * column for column in factor.columns if column is not None}
    return replace(factor, columns=tuple(None if column is None else made[id(column)] for column in factor.columns))


def independent_columns(columns: Sequence[Column], n_rows: int) -> list[int]:
    """Return the positions of columns that are not linear combinations of the columns before them.

    Parameters
    ----------
    columns : sequence of columns, each of shape (n_rows,) or None for ones
    n_rows : int

    Returns
    -------
    list of int
    """
    arrays = [np.ones(n_rows) if column is None else column for column in columns]
    products = np.array([[a @ b for b in arrays] for a in arrays]).reshape(len(arrays), len(arrays))
    kept: list[int] = []
    for j, array in enumerate(arrays):
        length = products[j, j]
        if length == 0:
            continue
        rest = length
        if kept:
            weights = np.linalg.lstsq(products[np.ix_(kept, kept)], products[kept, j], rcond=None)[0]
            rest = length - products[kept, j] @ weights
        if rest < 1e-8 * length and kept:
            rest = _exact_rest(array, [arrays[k] for k in kept])
        if rest > DROP_TOLERANCE**2 * length:
            kept.append(j)
    return kept


def is_determined(fixed: Sequence[Column], n_rows: int) -> bool:
    """Tell whether the last of the columns, the outcome, is a linear combination of the others."""
    return len(fixed) > 1 and len(fixed) - 1 not in independent_columns(fixed, n_rows)


def _exact_rest(array: Floats, others: Sequence[Floats]) -> float:
    """Return the squared distance of a column to the span of others, without squaring the data."""
    basis = np.column_stack(list(others))
    weights = np.linalg.lstsq(basis, array, rcond=None)[0]
    residual = array - basis @ weights
    return float(residual @ residual)


def theta_to_user(theta: Floats, patterns: Sequence[Pattern], transforms: Sequence[Floats]) -> list[Floats]:
    """Return each factor's lower triangular Lambda for the user's columns, each of shape (q, q)."""
    return [lower_root(t @ lam) for t, lam in zip(transforms, unpack(theta, patterns), strict=True)]


def standard_theta(design: Design, cp: CrossProducts, scaling: Scaling, theta: Sequence[float] | Floats) -> Floats:
    """Return the theta of standardised columns for a theta of the user's columns, shape (n_theta,).

    Parameters
    ----------
    design : Design
    cp : CrossProducts
    scaling : Scaling
    theta : array-like, shape (n_theta,)
        In lme4's order: terms by decreasing number of levels, each lower triangle column by column.
    """
    terms, groupings = design.terms, design.groupings
    n_theta = sum(len(t.names) * (len(t.names) + 1) // 2 for t in terms)
    if np.shape(theta) != (n_theta,):
        raise ModelError.build(
            f"theta has {np.size(theta)} values; this model has {n_theta}.", hint="see fit.theta for the order."
        )
    blocks: dict[int, Floats] = {}
    start = 0
    for k in sorted(range(len(terms)), key=lambda k: -len(terms[k].grouping.labels)):
        q = len(terms[k].names)
        upper = np.zeros((q, q))
        upper[np.triu_indices(q)] = theta[start : start + q * (q + 1) // 2]
        blocks[k] = upper.T
        start += q * (q + 1) // 2
    roots = []
    for g in cp.order:
        lam = block_diag(*(blocks[k] for k in range(len(terms)) if terms[k].grouping is groupings[g]))
        roots.append(lower_root(np.asarray(np.linalg.solve(scaling.z_transforms[g], lam), dtype=float)))
    return pack(roots, cp.patterns)
