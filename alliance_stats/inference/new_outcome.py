"""Drawing a new outcome from a fit, and fitting it on the fit's own cross-products."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from alliance_stats.inference.draw_order import DrawOrder, draw_order
from alliance_stats.mixed.crossproducts import Chain, CrossProducts, Factor
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.mixed.levelsums import Column, Floats
from alliance_stats.mixed.optimise import minimise
from alliance_stats.mixed.scaling import standardise
from alliance_stats.mixed.variances import fixed_part_of


@dataclass(frozen=True)
class PreparedFit:
    """A fit with all that a new outcome needs and does not change.

    Parameters
    ----------
    fit : LmmFit
    factors : tuple of Factor
        Standardised columns of Z, in the order of the cross-products.
    fixed : tuple of columns
        Standardised columns of X.
    mean : ndarray, shape (n_rows,)
        X beta, in units of the outcome.
    order : DrawOrder
    """

    fit: LmmFit
    factors: tuple[Factor, ...]
    fixed: tuple[Column, ...]
    mean: Floats
    order: DrawOrder


def prepare_fit(fit: LmmFit) -> PreparedFit:
    """Form once what all new outcomes share."""
    standardised = standardise(fit.design)
    factors = tuple(standardised.factors[k] for k in fit.cross_products.order)
    return PreparedFit(fit, factors, standardised.fixed[:-1], fixed_part_of(fit), draw_order(fit.design))


def draw_outcome(prepared: PreparedFit, rng: np.random.Generator) -> Floats:
    """Return one draw of the outcome from the fitted model, new random effects included, shape (n_rows,)."""
    fit, design = prepared.fit, prepared.fit.design
    y = prepared.mean.copy()
    for term, factor in zip(design.terms, fit.term_factors, strict=True):
        n_levels = len(term.grouping.labels)
        effects = np.empty((len(term.names), n_levels))
        effects[:, prepared.order.levels[term.grouping.name]] = rng.standard_normal((n_levels, len(term.names))).T
        for effect, column in zip(fit.sigma * factor @ effects, term.columns, strict=True):
            own = effect[term.grouping.codes]
            y += own if column is None else own * column
    noise = np.empty(y.size)
    noise[prepared.order.rows] = fit.sigma * rng.standard_normal(y.size)
    if fit.structured is not None:
        noise = fit.structured.whitener.colour(noise)
    y += noise if design.weights is None else noise / np.sqrt(design.weights)
    return y


def refit_outcome(prepared: PreparedFit, y: Floats) -> LmmFit:
    """Return the fit to another outcome; of the cross-products only those with y are formed anew.

    Parameters
    ----------
    prepared : PreparedFit
    y : ndarray, shape (n_rows,)

    Returns
    -------
    LmmFit
        Not converged if ``converged`` is False: the caller decides what to do then.

    Raises
    ------
    ConvergenceError
        If the fit has a residual structure and no optimum is found.
    """
    fit = prepared.fit
    if fit.structured is not None:  # its parameters change the columns, so there is nothing to keep
        return fit.refit(y)
    outcome = (y - fit.scaling.y_centre) / fit.scaling.y_scale
    if fit.design.weights is not None:
        outcome *= np.sqrt(fit.design.weights)
    cp = _with_outcome(fit.cross_products, prepared, outcome)
    optimum = minimise(cp, reml=fit.method == "REML", confirm=False)
    return replace(fit, design=replace(fit.design, y=y), cross_products=cp, optimum=optimum)


def _with_outcome(cp: CrossProducts, prepared: PreparedFit, y: Floats) -> CrossProducts:
    """Return cross-products with [Z'y, X'y, y'y] of another standardised outcome."""
    p, depth = cp.n_fixed, len(cp.chunks[0])
    xx = cp.xx.copy()
    xx[:p, p] = xx[p, :p] = [y.sum() if column is None else column @ y for column in prepared.fixed]
    xx[p, p] = y @ y
    sums = [_level_sums(factor, y) for factor in prepared.factors]
    ordered = [zy[:, order] for zy, order in zip(sums[:depth], cp.level_order[:depth], strict=True)]
    crossed = cp.crossed
    if crossed is not None:
        ux = crossed.ux.copy()
        ux[:, p] = np.concatenate([zy.T.ravel() for zy in sums[1:]])
        crossed = replace(crossed, ux=ux)
    return replace(cp, chunks=_with_sums(cp.chunks, ordered, p), crossed=crossed, xx=xx)


def _level_sums(factor: Factor, y: Floats) -> Floats:
    """Return Z'y of each level of a factor, shape (q, n_levels)."""
    products = [y if column is None else column * y for column in factor.columns]
    return np.stack([np.bincount(factor.codes, product, factor.n_levels) for product in products])


def _with_sums(chunks: tuple[Chain, ...], sums: Sequence[Floats], p: int) -> tuple[Chain, ...]:
    """Return the chains with new Z'y, which stand level by level in the order of the chains."""
    starts = [0] * len(sums)
    out = []
    for chain in chunks:
        blocks = []
        for k, block in enumerate(chain):
            zx = block.zx.copy()
            zx[:, p] = sums[k][:, starts[k] : starts[k] + block.n_levels]
            blocks.append(replace(block, zx=zx))
            starts[k] += block.n_levels
        out.append(tuple(blocks))
    return tuple(out)
