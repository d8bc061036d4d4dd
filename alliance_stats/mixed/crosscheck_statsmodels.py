"""The same model fitted by statsmodels' MixedLM, where it can express it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from alliance_stats.columns import nested_within
from alliance_stats.mixed.crosscheck_quantities import (
    COVARIANCE,
    CRITERION,
    FIXED_EFFECT,
    SIGMA,
    STD_ERROR,
    VARIANCE,
    Key,
    OtherFit,
    fixed_columns,
    one_line,
    random_columns,
)
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.mixed.levelsums import Codes, Floats

MAX_LEVELS_PER_GROUP = 2_000
"""Levels of nested factors within one outermost level that statsmodels can carry as dense columns."""


@dataclass(frozen=True)
class _Layout:
    """How MixedLM holds a model.

    Parameters
    ----------
    groups : ndarray of int, shape (n_rows,)
        The outermost grouping factor.
    correlated : int or None
        The term whose effects covary.
    components : tuple of int
        Terms of one effect each, held as variance components.
    """

    groups: Codes
    correlated: int | None
    components: tuple[int, ...]


def fit_statsmodels(fit: LmmFit) -> OtherFit:
    """Fit a model's columns with MixedLM and its default optimisers.

    Parameters
    ----------
    fit : LmmFit

    Returns
    -------
    OtherFit
        Without values, with the reason, if MixedLM cannot express the model or fails.
    """
    import statsmodels

    label = f"statsmodels {statsmodels.__version__}"
    layout = _layout(fit)
    if isinstance(layout, str):
        return OtherFit(label, {}, (f"cannot express this model: {layout}.",))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            values = _values(fit, layout, _fitted(fit, layout))
        except (np.linalg.LinAlgError, ValueError, FloatingPointError, ZeroDivisionError) as error:
            return OtherFit(label, {}, (f"failed with {type(error).__name__} ({one_line(error)}).",))
    warned = list(dict.fromkeys(f"warned: {one_line(w.message)}" for w in caught))
    return OtherFit(label, values, tuple(warned))


def _layout(fit: LmmFit) -> _Layout | str:
    """Return how MixedLM holds the model, or why it cannot."""
    if fit.design.weights is not None:
        return "MixedLM takes no weights"
    outermost = min(fit.design.groupings, key=lambda g: len(g.labels))
    correlated: int | None = None
    components = []
    for k, term in enumerate(fit.design.terms):
        if not nested_within(term.grouping.codes, outermost.codes):
            return f"{term.grouping.name} is not nested in {outermost.name}"
        own = term.grouping is outermost
        if len(term.names) == 1 and not (own and correlated is None and _is_only_wide(fit, k)):
            components.append(k)
        elif own and correlated is None:
            correlated = k
        else:
            return f"the term of {term.grouping.name} with {len(term.names)} correlated effects is not on the outermost factor"
    crowded = _largest_family(fit, components, outermost.codes)
    if crowded > MAX_LEVELS_PER_GROUP:
        return f"one level of {outermost.name} holds {crowded} nested levels, too many for its dense columns"
    return _Layout(outermost.codes, correlated, tuple(components))


def _is_only_wide(fit: LmmFit, k: int) -> bool:
    """Tell whether term k is the first of its grouping factor and none of the factor's terms has several effects."""
    own = [m for m, term in enumerate(fit.design.terms) if term.grouping is fit.design.terms[k].grouping]
    return k == own[0] and all(len(fit.design.terms[m].names) == 1 for m in own)


def _largest_family(fit: LmmFit, components: list[int], outer: Codes) -> int:
    """Return the largest number of nested levels in one outermost level."""
    largest = 0
    for k in components:
        codes = fit.design.terms[k].grouping.codes
        parent = np.zeros(int(codes.max()) + 1, dtype=np.int64)
        parent[codes] = outer
        largest = max(largest, int(np.bincount(parent).max()))
    return largest


def _fitted(fit: LmmFit, layout: _Layout) -> Any:
    """Return statsmodels' results object."""
    from statsmodels.regression.mixed_linear_model import MixedLM, VCSpec

    exog_vc = None
    if layout.components:
        rows = _rows_by_group(layout.groups)
        names = [f"v{k}" for k in layout.components]
        matrices = [[_indicators(fit, k, own) for own in rows] for k in layout.components]
        labels = [[[str(j) for j in range(m.shape[1])] for m in per_term] for per_term in matrices]
        exog_vc = VCSpec(names, labels, matrices)
    exog_re = None if layout.correlated is None else random_columns(fit, layout.correlated)
    model = MixedLM(fit.design.y, fixed_columns(fit), layout.groups, exog_re=exog_re, exog_vc=exog_vc)
    return model.fit(reml=fit.method == "REML")


def _rows_by_group(groups: Codes) -> list[Codes]:
    """Return the positions of each group's rows, groups in ascending order."""
    order = np.argsort(groups, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)


def _indicators(fit: LmmFit, k: int, rows: Codes) -> Floats:
    """Return one column for each level of a single-effect term among some rows, shape (n_own_rows, n_own_levels)."""
    term = fit.design.terms[k]
    levels, codes = np.unique(term.grouping.codes[rows], return_inverse=True)
    matrix = np.zeros((rows.size, levels.size))
    column = term.columns[0]
    matrix[np.arange(rows.size), codes] = 1.0 if column is None else column[rows]
    return matrix


def _values(fit: LmmFit, layout: _Layout, result: Any) -> dict[Key, float]:
    """Return the quantities of a statsmodels fit."""
    values: dict[Key, float] = {}
    errors = _standard_errors(result)
    for j, effect in enumerate(np.asarray(result.fe_params, dtype=float)):
        values[FIXED_EFFECT, 0, j, 0] = float(effect)
        values[STD_ERROR, 0, j, 0] = float(errors[j])
    if layout.correlated is not None:
        covariance = np.asarray(result.cov_re, dtype=float)
        for i in range(covariance.shape[0]):
            for j in range(i + 1):
                values[VARIANCE if i == j else COVARIANCE, layout.correlated, i, j] = float(covariance[i, j])
    for name, component in zip(result.model.exog_vc.names, np.atleast_1d(result.vcomp), strict=True):
        values[VARIANCE, int(name[1:]), 0, 0] = float(component)
    values[SIGMA, 0, 0, 0] = float(np.sqrt(result.scale))
    values[CRITERION, 0, 0, 0] = -2.0 * float(result.llf)
    return values


def _standard_errors(result: Any) -> Floats:
    """Return standard errors from the information on the fixed effects alone, shape (p,)."""
    # bse_fe inverts the joint observed information, which is another estimator: it differs also at the same optimum.
    p = int(result.k_fe)
    information, _ = result.model.hessian(result.params_object)
    covariance = np.linalg.inv(-np.asarray(information, dtype=float)[:p, :p])
    return np.asarray(np.sqrt(np.diagonal(covariance)))
