"""Courses that a model reproduces without any residual."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from alliance_stats.errors import DataError, counted
from alliance_stats.inference.rowblocks import stacked
from alliance_stats.mixed.design import Design, build_design, require_identified
from alliance_stats.mixed.formula import parse_formula

Floats: TypeAlias = npt.NDArray[np.float64]
Codes: TypeAlias = npt.NDArray[np.int64]

NOTHING = 5e-7
"""Residual SD relative to that of the outcome below which variances, relative to the residual's, run away in the search."""

ROUNDING = 1e-10
"""Length of a column, relative to its length before other columns were taken out, that is rounding."""


def design_with_residual(formula: str, rows: pd.DataFrame, what: str) -> Design:
    """Return the arrays of a model; raise if it is not identified, or passes through every rating."""
    design = build_design(parse_formula(formula), rows)
    require_identified(design)
    require_residual(design, what)
    return design


def require_residual(design: Design, what: str) -> None:
    """Raise a DataError if the model passes through every rating, so that no residual variance is left.

    Parameters
    ----------
    design : Design
    what : str
        The model in words, such as "a course of form='linear'".

    Notes
    -----
    Taken out of outcome and fixed columns are the effects of the finest grouping factor, level by level; what is left of the
    outcome is regressed on what is left of the columns. Effects of coarser factors are not taken out, so that a model that
    needs them to pass through every rating is not found here.
    """
    finest = max(design.groupings, key=lambda grouping: len(grouping.labels))
    own = [term for term in design.terms if term.grouping.name == finest.name]
    effects = np.hstack([stacked(term.columns, design.n_rows) for term in own])
    centred = design.y - design.y.mean()
    columns = stacked(design.x.columns, design.n_rows)
    basis = _basis(effects, finest.codes)
    left = _without(centred, basis, finest.codes)
    swept = np.column_stack([_without(column, basis, finest.codes) for column in columns.T])
    told = np.linalg.norm(swept, axis=0) > ROUNDING * np.linalg.norm(columns, axis=0)
    if told.any():
        left = left - swept[:, told] @ np.linalg.lstsq(swept[:, told], left)[0]
    if np.linalg.norm(left) > NOTHING * np.linalg.norm(centred):
        return
    raise DataError.build(
        f"{what} passes exactly through all {design.n_rows} ratings of {counted(len(finest.labels), finest.name)}: no "
        "residual variance is left, and without it there are no standard errors.",
        hint="use ratings as they were given, not values that were filled in, smoothed or computed from the time; random "
        "effects must be fewer than the ratings of a patient.",
    )


def _basis(effects: Floats, codes: Codes) -> list[Floats]:
    """Return columns that span the effects within each level, orthogonal to each other there."""
    found: list[Floats] = []
    for column in effects.T:
        own = _without(column, found, codes)
        length, before = _sums(own * own, codes), _sums(column * column, codes)
        found.append(np.where((length > ROUNDING**2 * before)[codes], own, 0.0))
    return found


def _without(values: Floats, basis: Sequence[Floats], codes: Codes) -> Floats:
    """Return what is left of values when orthogonal columns are taken out within each level."""
    # The second round takes out what rounding left of the first.
    for column in (*basis, *basis):
        length, shared = _sums(column * column, codes), _sums(column * values, codes)
        slope = np.divide(shared, length, out=np.zeros_like(shared), where=length > 0)
        values = values - column * slope[codes]
    return values


def _sums(values: Floats, codes: Codes) -> Floats:
    """Return the sum in each level."""
    return np.bincount(codes, weights=values).astype(np.float64)
