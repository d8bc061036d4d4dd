"""A fit as plain values, and the fit again from them and the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from alliance_stats.errors import DataError
from alliance_stats.mixed.crossproducts import cross_products
from alliance_stats.mixed.design import build_design, require_identified
from alliance_stats.mixed.formula import parse_formula
from alliance_stats.mixed.intake import Weights
from alliance_stats.mixed.lmm import known_variance, prepare
from alliance_stats.mixed.optimise import optimum_at
from alliance_stats.mixed.residualestimate import stored_estimate
from alliance_stats.mixed.residuals import ResidualStructure
from alliance_stats.mixed.scaling import standard_theta
from alliance_stats.mixed.structured import structured_at
from alliance_stats.mixed.whitening import ResidualModel, whiten

if TYPE_CHECKING:
    from alliance_stats.mixed.fit import LmmFit


def stored_fit(fit: LmmFit) -> dict[str, Any]:
    """Return what is needed to rebuild a fit from its data, as plain values."""
    residual = None
    if fit.residual is not None:
        residual = {
            "structure": fit.residual.structure.to_dict(),
            "estimates": [float(value) for value in fit.residual.estimates],
            "covariance": [float(value) for value in fit.residual.covariance.ravel()],
        }
    return {
        "formula": fit.formula,
        "method": fit.method,
        "theta": [float(value) for value in fit.theta],
        "criterion": fit.criterion,
        "weighted": fit.design.weights is not None,
        "sigma": fit.design.sigma,
        "residual": residual,
    }


def rebuild_fit(stored: dict[str, Any], data: Any, weights: Weights) -> LmmFit:
    """Return the fit that was stored, on the same data; see LmmFit.from_dict."""
    from alliance_stats.mixed.fit import LmmFit

    kept = stored.get("residual")
    structure = ResidualStructure.from_dict(kept["structure"]) if kept else None
    design = build_design(
        parse_formula(str(stored["formula"])), data, weights, residual=structure, sigma=stored.get("sigma")
    )
    require_identified(design)
    standardised, structured = prepare(design), None
    sigma2, n = known_variance(design, standardised), design.n_rows
    if kept and design.residual is not None:
        model = ResidualModel(design.residual)
        structured = structured_at(standardised, model, stored_estimate(model, kept))
        standardised = whiten(standardised, structured.whitener, n)
    cp = cross_products(standardised.factors, standardised.fixed, n, sigma2=sigma2)
    method: Literal["REML", "ML"] = "REML" if stored["method"] == "REML" else "ML"
    theta = standard_theta(design, cp, standardised.scaling, np.asarray(stored["theta"], dtype=float))
    optimum = optimum_at(cp, theta, reml=method == "REML")
    fit = LmmFit.from_optimum(design, standardised, cp, optimum, method=method, structured=structured)
    _require_same(fit, stored)
    return fit


def _require_same(fit: LmmFit, stored: dict[str, Any]) -> None:
    """Raise a DataError if a rebuilt fit is not the one that was stored."""
    kept = np.array([record["estimate"] for record in stored["tidy"]])
    same_effects = np.allclose(fit.fixed_effects, kept, rtol=1e-6, atol=1e-8 * float(np.abs(kept).max(initial=0.0)))
    if abs(fit.criterion - stored["criterion"]) > 1e-8 * max(1.0, abs(stored["criterion"])) or not same_effects:
        raise DataError.build(
            f"These data are not those of the stored fit: its criterion is {stored['criterion']:.6f}, theirs "
            f"{fit.criterion:.6f}; the fixed effects {'agree' if same_effects else 'differ'}.",
            hint="pass the data and weights that the fit was made with.",
        )
