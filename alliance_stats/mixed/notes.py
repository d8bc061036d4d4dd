"""What a reader must know of a fit, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alliance_stats.mixed.fit import LmmFit


def fit_notes(fit: LmmFit) -> tuple[str, ...]:
    """Return what a reader must know of the fit, one sentence each."""
    design = fit.design
    levels = ", ".join(f"{count} levels of {name}" for name, count in fit.n_levels.items())
    estimator = "restricted maximum likelihood" if fit.method == "REML" else "maximum likelihood"
    notes = [
        f"Linear mixed model by {estimator}: {fit.formula}.",
        f"{design.n_rows} rows used; {levels}.",
        "Tests and intervals of fixed effects are Wald with the normal distribution (df method: normal); with few levels "
        "they are too narrow.",
    ]
    if len(fit.n_levels) > 1:
        notes.append(_structure(fit))
    if design.n_rows < design.n_given:
        counts = ", ".join(f"{name} {count}" for name, count in design.missing.items())
        notes.append(
            f"{design.n_given - design.n_rows} of {design.n_given} rows left out for missing values (cells: {counts})."
        )
    if fit.dropped:
        notes.append(f"Fixed effects left out because others determine them: {', '.join(fit.dropped)}.")
    if fit.singular:
        notes.append(
            "Singular fit: a variance is estimated at zero, or random effects are perfectly correlated; the random part "
            "is richer than the data can tell."
        )
    if design.weights is not None:
        notes.append("Residual variance of a row: sigma squared divided by its weight.")
    if design.sigma is not None:
        notes.append(
            f"The residual standard deviation was given, not estimated: {design.sigma:g} in units of the outcome."
        )
    return (*notes, *_residual_notes(fit))


def _residual_notes(fit: LmmFit) -> list[str]:
    """Return what the residual structure is, means and came to; no labels of levels."""
    residual = fit.residual
    if residual is None:
        return []
    notes, structure = [], residual.structure
    if structure.variance_by:
        ratios = residual.estimates[[kind == "sd_ratio" for kind in residual.kinds]]
        notes.append(
            f"Residual standard deviations differ by {':'.join(structure.variance_by)} ({ratios.size + 1} levels): sigma is that "
            f"of the first in sorted order, ratios of the others to it lie between {ratios.min():.3g} and {ratios.max():.3g}."
        )
    own = structure.correlation
    if own is not None:
        blocks, rho = ":".join(own.by), float(residual.estimates[-1])
        notes.append(f"Residuals within {blocks} correlate, {_MEANING[own.kind].format(rho=rho, time=own.time)}.")
        notes.append("Predictions for new rows use fixed and random effects only, not the residuals of other rows.")
    if residual.at_limit:
        notes.append(
            "The residual correlation is estimated at its limit of zero: neighbouring residuals are not alike."
        )
    return notes


_MEANING = {
    "ar1": "rho^d for rows whose {time} differs by d (first-order autoregression; missing numbers count): rho = {rho:.4g}",
    "car1": "rho^d for rows d units of {time} apart (continuous-time autoregression): rho = {rho:.4g} across one unit",
    "compound_symmetry": "all alike (compound symmetry): rho = {rho:.4g}",
}
"""What each kind of correlation says."""


def _structure(fit: LmmFit) -> str:
    """Return how the grouping factors lie to each other, as found in the data."""
    order = [list(fit.n_levels)[k] for k in fit.cross_products.order]
    sizes = sorted(fit.n_levels.values())
    if fit.cross_products.crossed is None and len(set(sizes)) < len(sizes):
        return (
            "Two grouping factors have the same levels: only the sum of their variances is known, the shares are arbitrary "
            f"({', '.join(order)})."
        )
    if fit.cross_products.crossed is None:
        return f"Grouping factors are nested in these data: {' in '.join(order)}."
    return f"Grouping factors cross in these data, in whole or in part: {', '.join(order)}."
