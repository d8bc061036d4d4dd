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
    return tuple(notes)


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
