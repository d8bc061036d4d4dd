"""The values of predictors at which a model is looked at, and the fixed effects' weights there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from alliance_stats.errors import ModelError, unknown_name
from alliance_stats.inference.predictors import Predictor, predictors_of, shown
from alliance_stats.inference.rowblocks import stacked
from alliance_stats.mixed.encoder import require_finite
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.mixed.levelsums import Floats

At: TypeAlias = "Mapping[str, Any] | None"
"""For each predictor a value, several values, or for numbers "mean" or "mean±sd" (also written "mean+-sd")."""

GridWeights: TypeAlias = Literal["equal", "proportional"]

MAX_ROWS = 200_000
"""Rows of a grid: cells times combinations of the factors averaged over."""

ESTIMABLE = 1e-8
"""A weight of a dropped fixed effect that differs more than this, relative to the largest, from what the others imply."""


@dataclass(frozen=True)
class ReferenceGrid:
    """Cells to look at.

    Parameters
    ----------
    fit : LmmFit
    predictors : dict
        Of the fixed part, by name.
    by : tuple of str
        Predictors whose values are compared.
    conditions : tuple of str
        Predictors with several values in ``at`` that are not in ``by``: contrasts stay within one of their combinations.
    cells : DataFrame
        One row per cell: the columns of ``conditions`` and ``by``.
    held : dict
        The one value of each other predictor that is not averaged over.
    averaged : tuple of str
        Factors averaged over.
    weights : {"equal", "proportional"}
    """

    fit: LmmFit
    predictors: dict[str, Predictor] = field(repr=False)
    by: tuple[str, ...]
    conditions: tuple[str, ...]
    cells: pd.DataFrame = field(repr=False)
    held: dict[str, Any]
    averaged: tuple[str, ...]
    weights: GridWeights

    def notes(self, without: Sequence[str] = ()) -> tuple[str, ...]:
        """Return where predictors are held, what is averaged over, and what lies outside the data."""
        notes = []
        held = [self._place(name, value) for name, value in self.held.items() if name not in without]
        if held:
            notes.append(f"Predictors held at: {', '.join(held)}.")
        if self.averaged:
            how = "equally" if self.weights == "equal" else "by the number of rows of each combination"
            notes.append(f"Averaged over the levels of {', '.join(self.averaged)}, weighted {how}.")
        outside = [name for name in (*self.by, *self.conditions, *self.held) if self._outside(name)]
        if outside:
            notes.append(f"Extrapolated: values of {', '.join(outside)} lie outside the range of the rows used.")
        return tuple(notes)

    def _place(self, name: str, value: Any) -> str:
        """Return where a predictor is held; levels may be people, so they are not named."""
        predictor = self.predictors[name]
        if predictor.levels is not None:
            return f"{name} = the level given"
        return f"{name} = {shown(value)}{' (mean over rows)' if value == predictor.mean else ''}"

    def _outside(self, name: str) -> bool:
        """Tell whether a number lies outside what was observed."""
        predictor = self.predictors[name]
        if predictor.levels is not None:
            return False
        values = self.cells[name].to_numpy(dtype=float) if name in self.cells else np.array([self.held[name]])
        return bool(np.any((values < predictor.low) | (values > predictor.high)))


def reference_grid(fit: LmmFit, by: Sequence[str], *, at: At, weights: GridWeights) -> ReferenceGrid:
    """Lay out the cells.

    Parameters
    ----------
    fit : LmmFit
    by : sequence of str
        Predictors whose values are compared: factors, or numbers with values in ``at``.
    at : mapping, optional
        Values of predictors; others are held at their mean (numbers) or averaged over (factors).
    weights : {"equal", "proportional"}
        How to average over factors.

    Raises
    ------
    ModelError
        If a name is no predictor of the fixed part, a value does not occur, or a number in ``by`` has no values in ``at``.
    """
    if weights not in get_args(GridWeights):
        raise unknown_name(ModelError, "weighting", str(weights), get_args(GridWeights))
    predictors = predictors_of(fit)
    if at is not None and not isinstance(at, Mapping):
        raise ModelError.build(
            f"at= is a {type(at).__name__}, not a mapping from predictors to values.",
            hint='write it as at={"name": [1, 5]}.',
        )
    given = {} if at is None else dict(at)
    for name in (*by, *given):
        require_predictor(predictors, name)
    if len(set(by)) < len(by):
        raise ModelError.build("A predictor is named twice in by=.", hint="name each predictor once.")
    values = {name: predictors[name].values_at(value) for name, value in given.items()}
    for name in by:
        if name in values:
            continue
        levels = predictors[name].levels
        if levels is None:
            raise ModelError.build(
                f"'{name}' holds numbers, so by= needs to know where to look.",
                hint=f'name values, for example at={{"{name}": [1, 5]}}, or fit it as a factor with C({name}).',
            )
        values[name] = list(levels)
    conditions = tuple(name for name in given if name not in by and len(values[name]) > 1)
    columns = [*conditions, *by]
    rows = list(product(*(values[name] for name in columns)))
    cells = pd.DataFrame({name: [row[j] for row in rows] for j, name in enumerate(columns)}, index=range(len(rows)))
    held = {name: own[0] for name, own in values.items() if name not in columns}
    averaged = []
    for name, predictor in predictors.items():
        if name in values:
            continue
        if predictor.levels is None:
            held[name] = predictor.mean
        else:
            averaged.append(name)
    return ReferenceGrid(fit, predictors, tuple(by), conditions, cells, held, tuple(averaged), weights)


def predictor_names(by: object) -> list[str]:
    """Return the names in ``by`` as a list; a single name stands for itself."""
    if isinstance(by, str):
        return [by]
    names: list[Any] = list(by) if isinstance(by, Iterable) else [by]
    if not all(isinstance(name, str) for name in names):
        raise ModelError.build(
            f"by= takes names of predictors; something in this {type(by).__name__} is not text.",
            hint='name one or more, as in by="arm" or by=["arm", "phase"].',
        )
    return names


def require_predictor(predictors: Mapping[str, Predictor], name: str) -> None:
    """Raise a ModelError if a name is no predictor of the fixed part."""
    if name not in predictors:
        raise unknown_name(ModelError, "predictor in the fixed part", str(name), list(predictors))


def mean_rows(grid: ReferenceGrid, changes: Mapping[str, Floats] | None = None) -> Floats:
    """Return the weights of all columns of X for the mean in each cell, shape (n_cells, n_columns).

    Parameters
    ----------
    grid : ReferenceGrid
    changes : mapping, optional
        Numbers of a predictor in each cell, each of shape (n_cells,), in place of the grid's.
    """
    fit, predictors = grid.fit, grid.predictors
    combinations, shares = _averaged(grid)
    n_cells, n_averaged = len(grid.cells), len(shares)
    if n_cells * n_averaged > MAX_ROWS:
        raise ModelError.build(
            f"The grid has {n_cells * n_averaged} rows: {n_cells} cells and {n_averaged} combinations of "
            f"{', '.join(grid.averaged)}; up to {MAX_ROWS} are possible.",
            hint="hold some of the factors at one level with at=.",
        )
    columns = {}
    for name, predictor in predictors.items():
        if changes is not None and name in changes:
            own = list(np.repeat(changes[name], n_averaged))
        elif name in grid.cells:
            own = [value for value in grid.cells[name] for _ in range(n_averaged)]
        elif name in grid.averaged:
            own = list(combinations[name]) * n_cells
        else:
            own = [grid.held[name]] * (n_cells * n_averaged)
        columns[name] = predictor.column(own)
    frame = pd.DataFrame(columns, index=range(n_cells * n_averaged))
    rows = model_rows(fit, frame)
    return np.asarray(np.einsum("cap,a->cp", rows.reshape(n_cells, n_averaged, -1), shares))


def _averaged(grid: ReferenceGrid) -> tuple[dict[str, list[Any]], Floats]:
    """Return the combinations of the factors averaged over, by factor, and their weights."""
    names = grid.averaged
    rows = list(product(*(grid.predictors[name].levels or () for name in names)))
    combinations = {name: [row[j] for row in rows] for j, name in enumerate(names)}
    shares = np.full(len(rows), 1.0 / len(rows))
    if names and grid.weights == "proportional":
        codes = np.zeros(grid.fit.n_obs, dtype=np.int64)
        for name in names:
            levels = grid.predictors[name].levels or ()
            codes = codes * len(levels) + pd.Index(levels).get_indexer(pd.Index(grid.fit.design.predictors[name]))
        shares = np.bincount(codes, minlength=len(rows)) / codes.size
    return combinations, shares


def model_rows(fit: LmmFit, frame: pd.DataFrame) -> Floats:
    """Return the columns of X, dropped ones too, for a frame of predictors, shape (n_rows, n_columns)."""
    encoded = fit.design.x_encoder(frame)
    require_finite(encoded)
    return stacked(encoded.columns, len(frame))


def kept_weights(fit: LmmFit, rows: Floats) -> tuple[Floats, np.ndarray]:
    """Return weights of the fixed effects that were estimated, shape (k, p), and which rows are estimable, shape (k,).

    Parameters
    ----------
    fit : LmmFit
    rows : ndarray, shape (k, n_columns)
        Weights of all columns of X.

    Notes
    -----
    A dropped column is a combination A of the columns kept; the data tell about a row l only if its dropped part is l A too.
    """
    kept = list(fit.scaling.x_kept)
    dropped = [j for j in range(rows.shape[1]) if j not in kept]
    if not dropped:
        return rows, np.ones(len(rows), dtype=bool)
    columns = stacked(fit.design.x.columns, fit.n_obs)
    scale = np.sqrt((columns[:, kept] ** 2).mean(axis=0))
    relation = np.linalg.lstsq(columns[:, kept] / scale, columns[:, dropped], rcond=None)[0] / scale[:, None]
    rest = np.abs(rows[:, dropped] - rows[:, kept] @ relation)
    size = np.maximum(np.abs(rows[:, dropped]), np.abs(rows[:, kept]) @ np.abs(relation))
    return rows[:, kept], np.all(rest <= ESTIMABLE * np.maximum(size, 1.0), axis=1)
