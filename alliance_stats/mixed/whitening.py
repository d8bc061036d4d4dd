"""Transforming rows so that correlated residuals become independent, and back.

With e ~ N(0, sigma^2 S R S) the rows of R^(-1/2) S^(-1) [X, Z, y] follow the model with independent residuals; the criterion
gains log|S R S|. R^(-1/2) stays within a block.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from alliance_stats.mixed.correlations import Correlation, ExchangeableCorrelation, SerialCorrelation
from alliance_stats.mixed.levelsums import Codes, Column, Floats
from alliance_stats.mixed.residualrows import ResidualRows
from alliance_stats.mixed.scaling import Standardised

LOG_RATIO_BOUND = 12.0
"""Largest logarithm of a ratio of SDs that is searched."""


@dataclass(frozen=True)
class Whitener:
    """The transformation at one set of residual parameters.

    Parameters
    ----------
    scale : ndarray, shape (n_rows,), or None
        Residual SD of each row relative to sigma, weights aside; None for ones.
    correlation : Correlation or None
    rho : float
    log_determinant : float
        log|S R S|.
    """

    scale: Floats | None
    correlation: Correlation | None
    rho: float
    log_determinant: float

    def whiten(self, column: Floats) -> Floats:
        """Return R^(-1/2) S^(-1) times a column, shape (n_rows,)."""
        scaled = column if self.scale is None else column / self.scale
        return scaled if self.correlation is None else self.correlation.whiten(scaled, self.rho)

    def colour(self, noise: Floats) -> Floats:
        """Return S R^(1/2) times a column, shape (n_rows,)."""
        made = noise if self.correlation is None else self.correlation.colour(noise, self.rho)
        return made if self.scale is None else made * self.scale

    def matrix(self, rows: Codes) -> Floats:
        """Return S R S of some rows, shape (n, n)."""
        found = np.eye(rows.size) if self.correlation is None else self.correlation.matrix(self.rho, rows)
        return found if self.scale is None else found * np.multiply.outer(self.scale[rows], self.scale[rows])


@dataclass(frozen=True)
class ResidualModel:
    """Residual parameters and what they do to rows: logarithms of ratios of SDs first, then that of the correlation.

    Parameters
    ----------
    rows : ResidualRows
    """

    rows: ResidualRows

    @cached_property
    def correlation(self) -> Correlation | None:
        """The correlation, if there is one."""
        own, blocks = self.rows.structure.correlation, self.rows.blocks
        if own is None or blocks is None:
            return None
        if self.rows.times is None:
            return ExchangeableCorrelation(blocks)
        return SerialCorrelation(blocks, self.rows.times, own.kind == "car1")

    @property
    def n_ratios(self) -> int:
        """Number of ratios of SDs."""
        return max(len(self.rows.group_labels) - 1, 0)

    @property
    def n_parameters(self) -> int:
        """Number of residual parameters."""
        return self.n_ratios + (self.correlation is not None)

    @property
    def starts(self) -> list[Floats]:
        """Parameters to start from, each of shape (n_parameters,)."""
        ratios = np.zeros(self.n_ratios)
        return [ratios] if self.correlation is None else [np.append(ratios, phi) for phi in self.correlation.starts]

    @property
    def bounds(self) -> Floats:
        """Limits of the search, shape (n_parameters, 2)."""
        found = [(-LOG_RATIO_BOUND, LOG_RATIO_BOUND)] * self.n_ratios
        return np.array(found if self.correlation is None else [*found, self.correlation.bounds])

    def natural(self, phi: Floats) -> Floats:
        """Return ratios of SDs and the correlation, shape (n_parameters,)."""
        ratios = np.exp(phi[: self.n_ratios])
        return ratios if self.correlation is None else np.append(ratios, self.correlation.natural(float(phi[-1])))

    def unbounded(self, natural: Floats) -> Floats:
        """Return the parameters without bounds, shape (n_parameters,)."""
        ratios = np.log(natural[: self.n_ratios])
        return ratios if self.correlation is None else np.append(ratios, self.correlation.unbounded(float(natural[-1])))

    def slopes(self, phi: Floats) -> Floats:
        """Return what a unit of each parameter means: in logarithms of ratios, and in correlation, shape (n_parameters,)."""
        ones = np.ones(self.n_ratios)
        return ones if self.correlation is None else np.append(ones, self.correlation.slope(float(phi[-1])))

    def whitener(self, phi: Floats) -> Whitener:
        """Return the transformation at phi."""
        scale, rho, log_determinant = None, 0.0, 0.0
        if self.rows.groups is not None:
            logs = np.append(0.0, phi[: self.n_ratios])
            scale = np.exp(logs)[self.rows.groups]
            log_determinant = 2.0 * float(np.bincount(self.rows.groups, minlength=logs.size) @ logs)
        if self.correlation is not None:
            rho = self.correlation.natural(float(phi[-1]))
            log_determinant += self.correlation.log_determinant(rho)
        return Whitener(scale, self.correlation, rho, log_determinant)


def whiten(standardised: Standardised, whitener: Whitener, n_rows: int) -> Standardised:
    """Return the columns with correlated residuals made independent, and the criterion's shift to go with them.

    Equal columns stay one object.
    """
    done: dict[int, Floats] = {}

    def transformed(column: Column) -> Floats:
        key = 0 if column is None else id(column)
        if key not in done:
            done[key] = whitener.whiten(np.ones(n_rows) if column is None else column)
        return done[key]

    factors = tuple(replace(f, columns=tuple(transformed(c) for c in f.columns)) for f in standardised.factors)
    scaling = replace(
        standardised.scaling,
        criterion_shift_ml=standardised.scaling.criterion_shift_ml + whitener.log_determinant,
        criterion_shift_reml=standardised.scaling.criterion_shift_reml + whitener.log_determinant,
    )
    return replace(
        standardised, factors=factors, fixed=tuple(transformed(c) for c in standardised.fixed), scaling=scaling
    )
