"""A factor model as matrices with free and fixed cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from alliance_stats.scales.keying import FloatArray


@dataclass(frozen=True)
class Parameter:
    """A free or fixed cell: which matrix, which row, which column."""

    kind: str
    row: int
    column: int


@dataclass(frozen=True, eq=False)
class MeasurementModel:
    """Sigma = Lambda Phi Lambda' + Theta.

    Parameters
    ----------
    loadings : ndarray, shape (k, m)
        Fixed values, NaN where free.
    factor_covariance : ndarray, shape (m, m)
        Likewise, symmetric.
    residual_covariance : ndarray, shape (k, k)
        Likewise, symmetric.
    """

    loadings: FloatArray
    factor_covariance: FloatArray
    residual_covariance: FloatArray

    @cached_property
    def free(self) -> tuple[Parameter, ...]:
        """Free cells in the order of the parameters; of symmetric matrices the lower triangle."""
        cells = [Parameter("loading", int(i), int(f)) for f, i in np.argwhere(np.isnan(self.loadings.T))]
        cells += [
            Parameter("factor", int(f), int(g)) for f, g in np.argwhere(np.isnan(np.tril(self.factor_covariance)))
        ]
        residual = np.tril(self.residual_covariance)
        return (*cells, *(Parameter("residual", int(i), int(j)) for i, j in np.argwhere(np.isnan(residual))))

    def matrices(self, theta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return Lambda (k, m), Phi (m, m) and Theta (k, k)."""
        found = {
            "loading": self.loadings.copy(),
            "factor": self.factor_covariance.copy(),
            "residual": self.residual_covariance.copy(),
        }
        for cell, value in zip(self.free, theta, strict=True):
            found[cell.kind][cell.row, cell.column] = value
            if cell.kind != "loading":
                found[cell.kind][cell.column, cell.row] = value
        return found["loading"], found["factor"], found["residual"]

    def implied(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the covariance (k, k) and its derivatives (n_parameters, k, k)."""
        loadings, factor, residual = self.matrices(theta)
        reach = loadings @ factor
        k = len(loadings)
        slopes = np.zeros((len(self.free), k, k))
        for slope, cell in zip(slopes, self.free, strict=True):
            i, j = cell.row, cell.column
            if cell.kind == "loading":
                slope[i] += reach[:, j]
                slope[:, i] += reach[:, j]
            elif cell.kind == "factor":
                slope += np.outer(loadings[:, i], loadings[:, j])
                if i != j:
                    slope += np.outer(loadings[:, j], loadings[:, i])
            else:
                slope[i, j] = slope[j, i] = 1.0
        return reach @ loadings.T + residual, slopes

    def start(self, covariance: FloatArray) -> FloatArray:
        """Return starting values for a covariance matrix, shape (n_parameters,)."""
        spread = np.sqrt(np.diag(covariance))
        values = []
        for cell in self.free:
            i, j = cell.row, cell.column
            if cell.kind == "loading":
                values.append(self._start_of_loading(covariance, i, j))
            elif cell.kind == "factor":
                anchor = self._anchor(i)
                values.append((0.5 * spread[anchor] ** 2 if np.isnan(self.loadings[:, i]).sum() else 1.0) * (i == j))
            else:
                values.append(0.5 * covariance[i, i] * (i == j))
        return np.array(values)

    def _anchor(self, factor: int) -> int:
        """Return the first item of a factor, or the one that carries its unit."""
        column = self.loadings[:, factor]
        fixed = np.flatnonzero(~np.isnan(column) & (column != 0))
        return int(fixed[0]) if fixed.size else int(np.flatnonzero(np.isnan(column))[0])

    def _start_of_loading(self, covariance: FloatArray, item: int, factor: int) -> float:
        """Return a starting loading with the sign of the item's covariance with the factor's first item."""
        anchor = self._anchor(factor)
        sign = -1.0 if covariance[item, anchor] < 0 else 1.0
        unit = self.loadings[anchor, factor]
        size = np.sqrt(0.5 * covariance[item, item])
        return float(sign * size / (1.0 if np.isnan(unit) else np.sqrt(0.5 * covariance[anchor, anchor])))


def simple_model(
    memberships: Sequence[Sequence[int]],
    n_items: int,
    *,
    correlated: bool = True,
    marker: bool = False,
    residual_pairs: Sequence[tuple[int, int]] = (),
) -> MeasurementModel:
    """Return a confirmatory factor model.

    Parameters
    ----------
    memberships : sequence of sequence of int
        Items of each factor.
    n_items : int
    correlated : bool
        Whether factors covary.
    marker : bool
        Fix the first loading of each factor at 1 instead of its variance.
    residual_pairs : sequence of pairs of int
        Items whose residuals covary.
    """
    m = len(memberships)
    loadings = np.zeros((n_items, m))
    factor = np.full((m, m), np.nan if correlated else 0.0)
    np.fill_diagonal(factor, np.nan if marker else 1.0)
    for number, items in enumerate(memberships):
        loadings[list(items), number] = np.nan
        if marker:
            loadings[items[0], number] = 1.0
    residual = np.zeros((n_items, n_items))
    np.fill_diagonal(residual, np.nan)
    for one, two in residual_pairs:
        residual[one, two] = residual[two, one] = np.nan
    return MeasurementModel(loadings, factor, residual)
