"""A path model: which variables point at which, what its parameters imply for means and covariances.

With paths A, covariances S of what is not explained, intercepts m, and F that picks the observed variables, B = (I - A)^-1:
Sigma = F B S B'F' and mu = F B m (McArdle & McDonald, 1984, doi 10.1111/j.2044-8317.1984.tb00802.x).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from alliance_stats.process.panel_rows import FloatArray

Matrix = Literal["path", "covariance", "mean"]


@dataclass(frozen=True)
class Cell:
    """An entry of a matrix that is not zero.

    Parameters
    ----------
    matrix : {"path", "covariance", "mean"}
    row, column : int
        A path leads from the variable ``column`` to ``row``; a covariance is given once; a mean has column 0.
    value : float
        Fixed value, or starting value.
    parameter : str
        Cells with the same name are equal; empty for a fixed value.
    """

    matrix: Matrix
    row: int
    column: int
    value: float
    parameter: str = ""


@dataclass(frozen=True)
class Implied:
    """What parameters imply for the observed variables, with the pieces that derivatives need.

    Parameters
    ----------
    covariance : ndarray, shape (p, p)
    mean : ndarray, shape (p,)
    reach : ndarray, shape (p, q)
        F B: total effects on the observed variables.
    spread : ndarray, shape (q, p)
        B S B'F'.
    level : ndarray, shape (q,)
        B m.
    """

    covariance: FloatArray
    mean: FloatArray
    reach: FloatArray
    spread: FloatArray
    level: FloatArray


@dataclass(frozen=True)
class PathModel:
    """Cells of the matrices.

    Parameters
    ----------
    cells : tuple of Cell
    n_observed, n_variables : int
        The observed variables come first.
    """

    cells: tuple[Cell, ...]
    n_observed: int
    n_variables: int

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters, in the order of the cells."""
        return tuple(dict.fromkeys(cell.parameter for cell in self.cells if cell.parameter))

    @cached_property
    def start(self) -> FloatArray:
        """Starting values, shape (m,)."""
        values = {cell.parameter: cell.value for cell in reversed(self.cells)}
        return np.array([values[name] for name in self.names])

    def implied(self, theta: FloatArray) -> Implied:
        """Return what the parameters imply."""
        q, p = self.n_variables, self.n_observed
        paths, covariance, mean = np.zeros((q, q)), np.zeros((q, q)), np.zeros((q, 1))
        for kind, matrix in (("path", paths), ("covariance", covariance), ("mean", mean)):
            cells = self._kinds[kind]
            values = np.where(cells.free, theta[cells.parameter], cells.value)
            matrix[cells.row, cells.column] = values
            if kind == "covariance":
                matrix[cells.column, cells.row] = values
        total = np.linalg.inv(np.eye(q) - paths)
        reach: FloatArray = np.asarray(total[:p], dtype=np.float64)
        spread = total @ covariance @ reach.T
        level = (total @ mean)[:, 0]
        return Implied(spread[:p], level[:p], reach, spread, level)

    def slopes(self, at: Implied) -> tuple[FloatArray, FloatArray]:
        """Return the derivatives of covariance and mean by the parameters, shapes (m, p, p) and (m, p)."""
        m, p = len(self.names), self.n_observed
        by_covariance, by_mean = np.zeros((m, p, p)), np.zeros((m, p))
        paths, covariances, means = (self._kinds[kind].only_free() for kind in ("path", "covariance", "mean"))
        columns = at.reach.T
        turned = columns[paths.row][:, :, None] * at.spread[paths.column][:, None, :]
        np.add.at(by_covariance, paths.parameter, turned + turned.swapaxes(1, 2))
        turned = columns[covariances.row][:, :, None] * columns[covariances.column][:, None, :]
        once = (covariances.row == covariances.column)[:, None, None]
        np.add.at(by_covariance, covariances.parameter, np.where(once, turned, turned + turned.swapaxes(1, 2)))
        np.add.at(by_mean, paths.parameter, columns[paths.row] * at.level[paths.column][:, None])
        np.add.at(by_mean, means.parameter, columns[means.row])
        return by_covariance, by_mean

    def pulled_back(self, at: Implied, by_covariance: FloatArray, by_mean: FloatArray) -> FloatArray:
        """Return the derivative by the parameters of a function with these derivatives by covariance and mean, shape (m,)."""
        out = np.zeros(len(self.names))
        paths, covariances, means = (self._kinds[kind].only_free() for kind in ("path", "covariance", "mean"))
        half = at.reach.T @ by_covariance
        mean_part = at.reach.T @ by_mean
        by_path = 2.0 * half @ at.spread.T + np.outer(mean_part, at.level)
        by_residual = half @ at.reach
        once = np.where(covariances.row == covariances.column, 1.0, 2.0)
        np.add.at(out, paths.parameter, by_path[paths.row, paths.column])
        np.add.at(out, covariances.parameter, once * by_residual[covariances.row, covariances.column])
        np.add.at(out, means.parameter, mean_part[means.row])
        return out

    def matrix(self, kind: Matrix, theta: FloatArray, rows: Sequence[int]) -> FloatArray:
        """Return the square part of a matrix that belongs to some variables."""
        cells = self._kinds[kind]
        full = np.zeros((self.n_variables, self.n_variables))
        values = np.where(cells.free, theta[cells.parameter], cells.value)
        full[cells.row, cells.column] = values
        if kind == "covariance":
            full[cells.column, cells.row] = values
        return full[np.ix_(rows, rows)]

    @cached_property
    def _kinds(self) -> dict[str, _Cells]:
        """Cells as arrays, by matrix."""
        number = {name: position for position, name in enumerate(self.names)}
        kinds: dict[str, list[Cell]] = {"path": [], "covariance": [], "mean": []}
        for cell in self.cells:
            kinds[cell.matrix].append(cell)
        return {
            kind: _Cells(
                row=np.array([cell.row for cell in cells], dtype=np.int64),
                column=np.array([cell.column for cell in cells], dtype=np.int64),
                parameter=np.array([number.get(cell.parameter, 0) for cell in cells], dtype=np.int64),
                free=np.array([bool(cell.parameter) for cell in cells], dtype=bool),
                value=np.array([cell.value for cell in cells], dtype=float),
            )
            for kind, cells in kinds.items()
        }


@dataclass(frozen=True)
class _Cells:
    """Cells of one matrix as arrays, shape (n_cells,) each; ``parameter`` means nothing where a cell is not free."""

    row: npt.NDArray[np.int64]
    column: npt.NDArray[np.int64]
    parameter: npt.NDArray[np.int64]
    free: npt.NDArray[np.bool_]
    value: FloatArray

    def only_free(self) -> _Cells:
        """Return the cells that are estimated."""
        keep = self.free
        return _Cells(self.row[keep], self.column[keep], self.parameter[keep], keep[keep], self.value[keep])
