"""What deleting a level of a grouping factor does to the fixed effects, the variance components held fixed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alliance_stats.errors import ModelError
from alliance_stats.inference.rowblocks import connected_rows, fixed_columns, require_manageable, rows_by_size, stacked
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.mixed.grouping import Grouping
from alliance_stats.mixed.levelsums import Codes, Floats
from alliance_stats.mixed.variances import fixed_part_of

MAX_ELEMENTS = 250_000_000
"""Rows times random effects of one connected part that are kept in full: some 2 GB."""

NOT_ESTIMABLE = 1e-9
"""Share of a coefficient's information below which it counts as resting on the deleted rows alone."""


@dataclass(frozen=True, eq=False)
class Precision:
    """The inverse of the outcome's covariance, applied to the data of a fit.

    In white rows, whose residuals are independent with unit variance, the covariance is V and V^-1 = I - K K'. Rows of different
    levels of a grouping factor are never mixed by whitening.

    Parameters
    ----------
    white : ndarray, shape (n_rows, p)
        X.
    x : ndarray, shape (n_rows, p)
        V^-1 X.
    residual : ndarray, shape (n_rows,)
        V^-1 (y - X beta).
    k : ndarray, shape (n_rows, q)
        Zero between connected parts, whose random effects share the columns.
    covariance : ndarray, shape (p, p)
        (X'V^-1 X)^-1.
    """

    white: Floats
    x: Floats
    residual: Floats
    k: Floats
    covariance: Floats

    def of_rows(self, rows: Codes) -> Floats:
        """Return the parts of V^-1 of sets of rows of equal size, each set within one connected part.

        Parameters
        ----------
        rows : ndarray of int, shape (n_sets, size)

        Returns
        -------
        ndarray, shape (n_sets, size, size)
        """
        k = self.k[rows]
        return np.asarray(np.eye(rows.shape[1]) - k @ k.transpose(0, 2, 1))


@dataclass(frozen=True, eq=False)
class Deletion:
    """The fixed effects without each level of a grouping factor.

    Parameters
    ----------
    group : str
        Name of the grouping factor.
    estimate : ndarray, shape (n_levels, p)
        NaN where the rows left do not determine all coefficients.
    covariance : ndarray, shape (n_levels, p, p)
    failed : ndarray of bool, shape (n_levels,)
        Where the model could not be fitted at all.
    """

    group: str
    estimate: Floats
    covariance: Floats
    failed: NDArray[np.bool_]


def precision(fit: LmmFit) -> Precision:
    """Return the inverse of the outcome's covariance, applied to the data of a fit.

    Raises
    ------
    ModelError
        If crossed factors are too large.
    """
    component = connected_rows(fit)
    k = _orthogonal_effects(fit, component)
    white = whitened(fit, fixed_columns(fit)) / fit.sigma
    error = whitened(fit, (fit.design.y - fixed_part_of(fit))[:, None]) / fit.sigma
    applied = np.concatenate([white, error], axis=1)
    order = np.argsort(component, kind="stable")
    starts = np.searchsorted(component[order], np.arange(component.max() + 1))
    for rows in np.split(order, starts[1:]):
        own = k[rows]
        applied[rows] -= own @ (own.T @ applied[rows])
    return Precision(white, applied[:, :-1], applied[:, -1], k, np.asarray(fit.fixed_covariance, dtype=np.float64))


def whitened(fit: LmmFit, columns: Floats) -> Floats:
    """Return columns with rows scaled and mixed so that residuals are independent with variance sigma squared.

    Parameters
    ----------
    fit : LmmFit
    columns : ndarray, shape (n_rows, m)
    """
    scaled = columns if fit.design.weights is None else columns * np.sqrt(fit.design.weights)[:, None]
    if fit.structured is None:
        return scaled
    whitener = fit.structured.whitener
    return np.column_stack([whitener.whiten(np.ascontiguousarray(column)) for column in scaled.T])


def conditional_residuals(fit: LmmFit, applied: Precision) -> Floats:
    """Return outcome minus fitted value, in units of the outcome, shape (n_rows,)."""
    noise = fit.sigma * applied.residual
    coloured = noise if fit.structured is None else fit.structured.whitener.colour(noise)
    return coloured if fit.design.weights is None else coloured / np.sqrt(fit.design.weights)


def delete_levels(fit: LmmFit, applied: Precision, grouping: Grouping) -> Deletion:
    """Return generalised least squares without each level of a grouping factor, the variance components held fixed.

    Exact also where a level's rows share random effects with others: leaving rows out is the same as giving each a parameter
    of its own.

    Parameters
    ----------
    fit : LmmFit
    applied : Precision
        Of the fit.
    grouping : Grouping
    """
    require_manageable(grouping.codes)
    n_levels, p = len(grouping.labels), applied.x.shape[1]
    beta = np.asarray(fit.fixed_effects, dtype=np.float64)
    root = np.linalg.cholesky(applied.covariance)
    estimate, covariance = np.empty((n_levels, p)), np.empty((n_levels, p, p))
    for levels, rows in rows_by_size(grouping.codes):
        own = applied.x[rows] @ root
        both = np.concatenate([own, applied.residual[rows][:, :, None]], axis=2)
        solved = np.linalg.solve(applied.of_rows(rows), both)
        turned = own.transpose(0, 2, 1) @ solved
        values, vectors = np.linalg.eigh(np.eye(p) - turned[:, :, :p])
        known = values[:, :1] > NOT_ESTIMABLE
        inverse = np.where(known, 1.0 / np.where(known, values, 1.0), np.nan)
        left = root @ vectors
        change = left @ (inverse[:, :, None] * (vectors.transpose(0, 2, 1) @ turned[:, :, p:]))
        estimate[levels] = beta - change[:, :, 0]
        covariance[levels] = (left * inverse[:, None, :]) @ left.transpose(0, 2, 1)
    return Deletion(grouping.name, estimate, covariance, np.zeros(n_levels, dtype=bool))


def cooks_distances(beta: Floats, deletion: Deletion) -> Floats:
    """Return Cook's distance of each level, shape (n_levels,).

    Infinite where the level is needed to estimate all coefficients, NaN where the model could not be fitted without it.

    Notes
    -----
    (beta - beta_c)' Cov_c^-1 (beta - beta_c) / p with beta_c and Cov_c those without the level.

    References
    ----------
    Nieuwenhuis, R., te Grotenhuis, M., & Pelzer, B. (2012). influence.ME: Tools for detecting influential data in mixed effects
    models. The R Journal, 4(2), 38-47. doi 10.32614/RJ-2012-011.
    """
    change = deletion.estimate - beta
    known = np.isfinite(change).all(axis=1)
    found = np.where(deletion.failed, np.nan, np.inf)
    scale = np.sqrt(np.diagonal(deletion.covariance[known], axis1=1, axis2=2))
    correlation = deletion.covariance[known] / (scale[:, :, None] * scale[:, None, :])
    standard = change[known] / scale
    found[known] = np.sum(standard * np.linalg.solve(correlation, standard[:, :, None])[:, :, 0], axis=1) / beta.size
    return found


def leverage_of_rows(applied: Precision) -> Floats:
    """Return the leverage of each white row on the fixed part, shape (n_rows,): the diagonal of X (X'V^-1 X)^-1 X'V^-1."""
    return np.asarray(np.sum((applied.white @ applied.covariance) * applied.x, axis=1))


def hat_values(applied: Precision) -> Floats:
    """Return the leverage of each white row on its own fitted value, random effects included, shape (n_rows,)."""
    fixed = np.sum((applied.x @ applied.covariance) * applied.x, axis=1)
    return np.asarray(np.sum(applied.k**2, axis=1) + fixed)


def effect_variances(fit: LmmFit, applied: Precision, grouping: Grouping) -> Floats:
    """Return the variances that the predicted effects of each level have under the model, shape (n_levels, q).

    With P = V^-1 - V^-1 X (X'V^-1 X)^-1 X'V^-1, the diagonal of G Z'P Z G.
    """
    terms = [(t, f) for t, f in zip(fit.design.terms, fit.term_factors, strict=True) if t.grouping is grouping]
    effects = [stacked(term.columns, fit.n_obs) @ (fit.sigma**2 * f @ f.T) for term, f in terms]
    z = whitened(fit, np.column_stack(effects)) / fit.sigma
    found = np.empty((len(grouping.labels), z.shape[1]))
    root = np.linalg.cholesky(applied.covariance)
    for levels, rows in rows_by_size(grouping.codes):
        own, x = z[rows], applied.x[rows] @ root
        weighted = applied.of_rows(rows) @ own - x @ (x.transpose(0, 2, 1) @ own)
        found[levels] = np.sum(own * weighted, axis=1)
    return np.maximum(found, 0.0)


def _local_codes(grouping: Grouping, component: Codes) -> tuple[Codes, Codes]:
    """Return the number of each row's level within its connected part, and the number of levels of each part."""
    part = np.empty(len(grouping.labels), dtype=np.int64)
    part[grouping.codes] = component
    counts = np.bincount(part, minlength=int(component.max()) + 1)
    order = np.argsort(part, kind="stable")
    local = np.empty_like(part)
    local[order] = np.arange(part.size) - np.repeat(np.cumsum(counts) - counts, counts)
    return local[grouping.codes], counts


def _orthogonal_effects(fit: LmmFit, component: Codes) -> Floats:
    """Return K, shape (n_rows, q), q being the largest number of random effects of a connected part."""
    local = {grouping.name: _local_codes(grouping, component) for grouping in fit.design.groupings}
    pieces = []
    for term, factor in zip(fit.design.terms, fit.term_factors, strict=True):
        columns = whitened(fit, stacked(term.columns, fit.n_obs) @ factor)
        pieces.append((columns, *local[term.grouping.name]))
    q = int(np.max(np.sum([counts * columns.shape[1] for columns, _, counts in pieces], axis=0)))
    if fit.n_obs * q > MAX_ELEMENTS:
        raise ModelError.build(
            f"The {fit.n_obs} rows hang together through up to {q} random effects: too many to tell the influence of each level.",
            hint="diagnose the model on a part of the data, or leave out crossed factors.",
        )
    k = np.zeros((fit.n_obs, q))
    for parts, rows in rows_by_size(component):
        effects = _member_columns(pieces, parts, rows)
        inner = np.eye(effects.shape[2]) + effects.transpose(0, 2, 1) @ effects
        low = np.linalg.cholesky(inner)
        k[rows[:, :, None], np.arange(effects.shape[2])] = np.linalg.solve(low, effects.transpose(0, 2, 1)).transpose(
            0, 2, 1
        )
    return k


def _member_columns(pieces: list[tuple[Floats, Codes, Codes]], parts: Codes, rows: Codes) -> Floats:
    """Return Z Lambda of connected parts of equal size, shape (n_parts, n_c, q)."""
    found = []
    for columns, local, counts in pieces:
        n_levels, width = int(counts[parts].max()), columns.shape[1]
        spread = np.zeros((*rows.shape, n_levels, width))
        place = np.indices(rows.shape)
        spread[place[0], place[1], local[rows]] = columns[rows]
        found.append(spread.reshape(*rows.shape, n_levels * width))
    return np.concatenate(found, axis=2)
