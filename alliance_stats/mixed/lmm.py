"""Fitting a linear mixed model."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any, Literal, TypeAlias

import numpy as np

from alliance_stats.columns import nested_within
from alliance_stats.errors import ConvergenceError, DataError, ModelError, listing
from alliance_stats.mixed.crossproducts import CrossProducts, cross_products
from alliance_stats.mixed.design import Design, build_design, require_identified, require_varying
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.mixed.formula import parse_formula
from alliance_stats.mixed.intake import Weights
from alliance_stats.mixed.optimise import Optimum, minimise
from alliance_stats.mixed.residualrows import require_inside
from alliance_stats.mixed.residuals import ResidualStructure, require_structure
from alliance_stats.mixed.scaling import Standardised, is_determined, standardise
from alliance_stats.mixed.structured import minimise_structured
from alliance_stats.mixed.whitening import ResidualModel

Method: TypeAlias = Literal["REML", "ML"]

MAX_OUTER_EFFECTS = 5_000
"""Random effects of crossed factors, other than the largest, that one dense factorisation can carry."""


def lmm(
    formula: str,
    data: Any,
    *,
    method: Method = "REML",
    weights: Weights = None,
    sigma: float | None = None,
    residual: ResidualStructure | None = None,
) -> LmmFit:
    """Fit a linear mixed model.

    Estimates how an outcome goes with predictors when rows are nested (sessions in patients in therapists) or crossed
    (patients and raters). Which of the two holds is read off the data. The estimand of a fixed effect is the expected
    difference in the outcome per unit of its column, other columns and the level's own random effects held fixed; an alliance
    column that is not split by level mixes the levels (see within_between).

    Parameters
    ----------
    formula : str
        As in lme4: ``"y ~ x + (1 + x | patient) + (1 | therapist)"``. ``||`` keeps the effects of a term uncorrelated, ``a/b``
        stands for levels of b in a, ``a:b`` for combinations. Fixed part and left-hand sides are formulaic's: ``C(x)``,
        ``poly(x, 2)``, ``np.log(x)``, interactions.
    data : DataFrame
        One row per observation; pandas, polars, pyarrow or another eager frame. Rows with a missing value in any column of
        the model are left out and counted in ``notes``.
    method : {"REML", "ML"}
        Restricted likelihood (default, for estimates) or likelihood (for comparing fixed parts).
    weights : str or array-like, optional
        Column, or one positive number per row; the residual variance of a row is sigma squared divided by its weight.
    sigma : float, in units of the outcome, optional
        Residual standard deviation if it is known; estimated if left out. ``sigma=1`` with weights 1 / v says that the sampling
        variances v are known, as in a meta-analysis: ``(1 | study/effect)`` with one row per effect.
    residual : ResidualStructure, optional
        How residuals correlate and vary: `ar1`, `car1`, `compound_symmetry`, `variance_by`, or two of them joined by ``+``;
        independent with one variance if left out. The parameters are estimated.

    Returns
    -------
    LmmFit

    Raises
    ------
    FormulaError
        If the formula cannot be read; the message points at the token.
    ColumnError
        If a column is missing, or the outcome holds text.
    DataError
        If no row is complete, the outcome is constant, a weight is not positive, or a time occurs twice in a residual block.
    ModelError
        If a grouping factor has one level, or as many random effects as there are rows, or crossed factors are too large; if
        sigma is not positive, residual blocks cut across a grouping factor, or the data do not tell a residual parameter.
    ConvergenceError
        If no route found an optimum, or a residual parameter runs to its limit; the message gives the state of the search.

    See Also
    --------
    within_between, alliance_outcome, ar1, car1, compound_symmetry, variance_by

    Notes
    -----
    The profiled deviance is minimised by average-information Newton steps on standardised columns, from cross-products that
    are formed once. Tests and intervals of the fit are Wald with the normal distribution: with few therapists they are too
    narrow. Outcomes other than continuous ones are not modelled here. With a residual structure the covariance of residuals is
    sigma squared S R S / w (SD ratios S, correlations R, weights w); its parameters are searched outside, from several starts,
    on rows whitened by R and S (Pinheiro & Bates, 2000, chapter 5).

    References
    ----------
    Bates, D., Maechler, M., Bolker, B., & Walker, S. (2015). Fitting linear mixed-effects models using lme4. Journal of
    Statistical Software, 67(1). doi 10.18637/jss.v067.i01.
    Gilmour, A. R., Thompson, R., & Cullis, B. R. (1995). Average information REML. Biometrics, 51, 1440-1450.
    doi 10.2307/2533274.
    Pinheiro, J. C., & Bates, D. M. (2000). Mixed-effects models in S and S-PLUS. Springer. doi 10.1007/b98882.

    Examples
    --------
    >>> import pandas as pd
    >>> from alliance_stats import lmm
    >>> sessions = pd.DataFrame({"patient": [1, 1, 1, 2, 2, 2, 3, 3, 3], "session": [1, 2, 3] * 3,
    ...                          "distress": [20, 17, 16, 25, 24, 20, 14, 13, 9]})
    >>> lmm("distress ~ session + (1 | patient)", sessions).fixed_effects.round(2).to_dict()
    {'Intercept': 22.22, 'session': -2.33}
    """
    if method not in ("REML", "ML"):
        raise ModelError.build(f"No method '{method}'.", hint='use method="REML" or method="ML".')
    require_structure(residual)
    design = build_design(parse_formula(formula), data, weights, residual=residual, sigma=sigma)
    require_identified(design)
    return fit_design(design, method=method)


def fit_design(design: Design, *, method: Method) -> LmmFit:
    """Fit a model to a design.

    Parameters
    ----------
    design : Design
        With its residual structure and known sigma, if it has them.
    method : {"REML", "ML"}

    Returns
    -------
    LmmFit
    """
    standardised, reml, n = prepare(design), method == "REML", design.n_rows
    sigma2, structured = known_variance(design, standardised), None
    if design.residual is None:
        cp = cross_products(standardised.factors, standardised.fixed, n, sigma2=sigma2)
        optimum = minimise(cp, reml=reml)
    else:
        require_inside(design.residual, design.groupings)
        model = ResidualModel(design.residual)
        found = minimise_structured(standardised, model, n_rows=n, sigma2=sigma2, reml=reml)
        structured, standardised, cp, optimum = found
    _require_converged(optimum, standardised, cp)
    return LmmFit.from_optimum(design, standardised, cp, optimum, method=method, structured=structured)


def refit(fit: LmmFit, y: Any) -> LmmFit:
    """Return the fit of the same model to another outcome; see LmmFit.refit."""
    try:
        outcome = np.ascontiguousarray(y, dtype=float)
    except (TypeError, ValueError):
        # NumPy's message quotes the value.
        raise DataError.build(
            f"refit() needs {fit.n_obs} finite numbers, one for each row used; it got something that holds no numbers.",
            hint="pass an outcome of numbers, without the rows that the fit left out.",
        ) from None
    if outcome.shape != (fit.n_obs,) or not np.isfinite(outcome).all():
        raise DataError.build(
            f"refit() needs {fit.n_obs} finite numbers, one for each row used; it got {outcome.size}.",
            hint="leave out the rows that the fit left out.",
        )
    require_varying(outcome, fit.response)
    return fit_design(replace(fit.design, y=outcome), method="REML" if fit.method == "REML" else "ML")


def known_variance(design: Design, standardised: Standardised) -> float | None:
    """Return the residual variance of the standardised outcome if sigma was given."""
    return None if design.sigma is None else (design.sigma / standardised.scaling.y_scale) ** 2


def prepare(design: Design) -> Standardised:
    """Return standardised columns, once the design is known to be manageable."""
    _require_manageable(design)
    standardised = standardise(design)
    n, p = design.n_rows, len(standardised.scaling.x_kept)
    if n <= p:
        raise ModelError.build(
            f"{p} fixed effects cannot be estimated from {n} rows.", hint="leave out predictors or add observations."
        )
    if is_determined(standardised.fixed, n):
        raise ModelError.build(
            f"The outcome '{design.formula.response}' is a combination of the fixed effects: nothing is left to explain.",
            hint="take out the predictor that the outcome was computed from.",
        )
    return standardised


def _require_manageable(design: Design) -> None:
    """Raise a ModelError if crossed factors are too large to factorise."""
    groupings = sorted(design.groupings, key=lambda g: -len(g.labels))
    sizes = {g.name: len(g.labels) * sum(len(t.names) for t in design.terms if t.grouping is g) for g in groupings}
    outer = sum(sizes[g.name] for g in groupings[1:])
    if outer > MAX_OUTER_EFFECTS and not _is_chain(groupings):
        counts = listing([f"{g.name} {len(g.labels)} levels" for g in groupings])
        raise ModelError.build(
            f"The grouping factors cross and are large: {counts}. All but the largest have {outer} random effects together; "
            f"up to {MAX_OUTER_EFFECTS} are possible.",
            hint="leave out random slopes of the smaller factors, analyse parts of the data, or, if the factors should be "
            "nested, look for levels that occur in two places (patients who changed therapist, ids used twice).",
        )


def _is_chain(groupings: Any) -> bool:
    """Tell whether each factor is nested in the next larger one."""
    return all(nested_within(a.codes, b.codes) for a, b in pairwise(groupings))


def _require_converged(optimum: Optimum, standardised: Standardised, cp: CrossProducts) -> None:
    """Raise a ConvergenceError with the state of the search if no optimum was found."""
    if optimum.converged:
        return
    theta = ", ".join(f"{value:.4g}" for value in optimum.theta)
    raise ConvergenceError.build(
        f"No optimum was found: after {optimum.n_evaluations} evaluations (Newton, L-BFGS-B, Nelder-Mead) the criterion of the "
        f"standardised data is {optimum.criterion:.6f} at theta = [{theta}] and another step still promises "
        f"{optimum.promise:.3g}. The data have {cp.n_rows} rows and {len(standardised.factors)} grouping factors.",
        hint="simplify the random part: drop correlations with ||, then slopes; look for predictors that are nearly collinear.",
    )
