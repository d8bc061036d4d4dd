"""A fit as text, in one screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alliance_stats.mixed.fit import LmmFit


def summary(fit: LmmFit) -> str:
    """Return estimator, criterion, variance components, fixed effects and notes as text."""
    estimator = "REML" if fit.method == "REML" else "maximum likelihood"
    name = "REML criterion" if fit.method == "REML" else "-2 log likelihood"
    state = "singular fit" if fit.singular else "converged"
    sizes = ", ".join(f"{group} {count}" for group, count in fit.n_levels.items())
    lines = [
        f"Linear mixed model fit by {estimator}",
        f"Formula: {fit.formula}",
        f"{name}: {fit.criterion:.4f} ({state}); rows: {fit.n_obs}; levels: {sizes}",
        "",
        "Random effects:",
        *_random_lines(fit),
        *_residual_lines(fit),
        "",
        "Fixed effects (Wald, normal distribution):",
        *_fixed_lines(fit),
    ]
    if fit.dropped:
        lines.append(f"Left out, determined by other terms: {', '.join(fit.dropped)}")
    return "\n".join(lines)


def _random_lines(fit: LmmFit) -> list[str]:
    """Return one line per variance component."""
    table = fit.variance_components()
    rows = [("Group", "Effect", "Variance", "SD", "Corr")]
    for record in table[table["kind"] == "variance"].itertuples():
        rows.append((str(record.group), str(record.term or ""), f"{record.estimate:.5g}", f"{record.sd:.5g}", ""))
    for record in table[table["kind"] == "covariance"].itertuples():
        rows.append((str(record.group), f"{record.term}, {record.term2}", "", "", f"{record.correlation:.3f}"))
    return _aligned(rows, 2)


def _residual_lines(fit: LmmFit) -> list[str]:
    """Return the residual structure, one line per parameter, and whether sigma was given."""
    lines = ["Residual SD given, not estimated."] if fit.sigma_fixed else []
    if fit.residual is None:
        return lines
    rows = [("Residual parameter", "Kind", "Estimate")]
    for name, kind, value in zip(fit.residual.names, fit.residual.kinds, fit.residual.estimates, strict=True):
        rows.append((name, kind, f"{value:.5g}"))
    return [*lines, "", f"Residual structure: {fit.residual.structure}", *_aligned(rows, 2)]


def _fixed_lines(fit: LmmFit) -> list[str]:
    """Return one line per fixed effect."""
    rows = [("Term", "Estimate", "SE", "z", "p", "95% interval")]
    for record in fit.tidy().itertuples():
        rows.append(
            (
                str(record.term),
                f"{record.estimate:.5g}",
                f"{record.std_error:.4g}",
                f"{record.statistic:.3f}",
                f"{record.p_value:.3g}",
                f"[{record.conf_low:.4g}, {record.conf_high:.4g}]",
            )
        )
    return _aligned(rows, 1)


def _aligned(rows: Sequence[tuple[str, ...]], n_left: int) -> list[str]:
    """Return rows as lines, the first columns flush left, the others flush right."""
    widths = [max(len(row[j]) for row in rows) for j in range(len(rows[0]))]
    return [
        " "
        + "  ".join(
            cell.ljust(w) if j < n_left else cell.rjust(w) for j, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
