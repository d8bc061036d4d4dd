"""From a formula and a frame to arrays: the only file of the engine that sees the user's data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from alliance_stats.columns import numeric_values, require_columns
from alliance_stats.errors import ColumnError, DataError, ModelError, listing
from alliance_stats.mixed.encoder import Encoded, Encoder, make_encoder, require_finite, required_columns
from alliance_stats.mixed.formula import MixedFormula
from alliance_stats.mixed.grouping import Grouping, make_grouping
from alliance_stats.mixed.intake import Weights, complete_rows, plain_columns, to_pandas, weight_values
from alliance_stats.mixed.levelsums import Codes, Column, Floats
from alliance_stats.mixed.residualrows import ResidualRows, residual_rows
from alliance_stats.mixed.residuals import ResidualStructure


@dataclass(frozen=True)
class DesignTerm:
    """One bar of the formula, encoded.

    Parameters
    ----------
    grouping : Grouping
    names : tuple of str
        Names of the effects.
    columns : tuple of columns, each of shape (n_rows,) or None for ones
    encoder : Encoder
    """

    grouping: Grouping
    names: tuple[str, ...]
    columns: tuple[Column, ...] = field(repr=False)
    encoder: Encoder = field(repr=False)


@dataclass(frozen=True)
class Design:
    """A model's arrays.

    Parameters
    ----------
    formula : MixedFormula
    y : ndarray, shape (n_rows,)
    x : Encoded
        Fixed effects' columns and names.
    terms : tuple of DesignTerm
    weights : ndarray, shape (n_rows,), or None
    kept : ndarray of int, shape (n_rows,)
        Positions in the user's frame of the rows used.
    n_given : int
        Rows in the user's frame.
    missing : dict
        Number of missing cells in each column that has some.
    x_encoder : Encoder
    index : Index
        The user's row labels of the rows used.
    predictors : DataFrame
        The columns that the fixed part refers to, one row per row used.
    residual : ResidualRows or None
        Residual structure with its arrays.
    sigma : float or None
        Residual SD if it is known, in units of the outcome.
    """

    formula: MixedFormula
    y: Floats = field(repr=False)
    x: Encoded = field(repr=False)
    terms: tuple[DesignTerm, ...]
    weights: Floats | None = field(repr=False)
    kept: Codes = field(repr=False)
    n_given: int
    missing: dict[str, int]
    x_encoder: Encoder = field(repr=False)
    index: pd.Index[Any] = field(repr=False)
    predictors: pd.DataFrame = field(repr=False)
    residual: ResidualRows | None = None
    sigma: float | None = None

    @property
    def n_rows(self) -> int:
        """Number of rows used."""
        return self.y.size

    @property
    def groupings(self) -> tuple[Grouping, ...]:
        """The grouping factors, each once, in the order of the formula."""
        return tuple({term.grouping.name: term.grouping for term in self.terms}.values())


def build_design(
    formula: MixedFormula,
    frame: Any,
    weights: Weights = None,
    *,
    residual: ResidualStructure | None = None,
    sigma: float | None = None,
) -> Design:
    """Encode a formula's parts from the complete rows of a frame.

    Parameters
    ----------
    formula : MixedFormula
    frame : DataFrame
        pandas, polars, pyarrow or any other eager frame that narwhals reads.
    weights : str or array-like, shape (n_given,), optional
        Column, or one positive number per row: the residual variance is sigma squared divided by it.
    residual : ResidualStructure, optional
    sigma : float, in units of the outcome, optional
        Residual SD if it is known.

    Raises
    ------
    ColumnError, DataError, ModelError
    """
    groups = list(dict.fromkeys(name for term in formula.random for name in term.group))
    parts = ["0 + " + formula.response, formula.fixed, *(term.effects for term in formula.random)]
    others = [*([weights] if isinstance(weights, str) else []), *(residual.columns if residual else ())]
    used = list(dict.fromkeys([*required_columns(parts), *groups, *others]))
    data = to_pandas(frame, used)
    require_columns(data, used, hint="the formula names columns as they are called in the data.")
    given_weights = weight_values(weights, data)
    complete, missing = complete_rows(data, used, given_weights)
    kept = np.flatnonzero(complete)
    rows = data if kept.size == len(data) else data.iloc[kept]
    _require_rows(rows, len(data), missing)
    columns = plain_columns(rows, required_columns(parts))
    y = _outcome(formula, columns)
    x_encoder, x = make_encoder(formula.fixed, columns)
    require_finite(x)
    known: dict[tuple[str, ...], Grouping] = {}
    encoded: dict[str, tuple[Encoder, Encoded]] = {}
    terms = []
    for term in formula.random:
        if term.group not in known:
            known[term.group] = make_grouping(rows, term.group)
        if term.effects not in encoded:
            encoded[term.effects] = _share(make_encoder(term.effects, columns), x)
            require_finite(encoded[term.effects][1])
        encoder, effects = encoded[term.effects]
        terms.append(DesignTerm(known[term.group], effects.names, effects.columns, encoder))
    kept_weights = None if given_weights is None else given_weights[kept]
    structure = None if residual is None else residual_rows(residual, rows)
    predictors = columns[required_columns([formula.fixed])]
    return Design(
        formula=formula,
        y=y,
        x=x,
        terms=tuple(terms),
        weights=kept_weights,
        kept=kept,
        n_given=len(data),
        missing=missing,
        x_encoder=x_encoder,
        index=rows.index,
        predictors=predictors,
        residual=structure,
        sigma=sigma,
    )


def _require_rows(rows: pd.DataFrame, n_given: int, missing: dict[str, int]) -> None:
    """Raise a DataError if no complete row is left."""
    if len(rows) == 0:
        counts = listing([f"{name} {count}" for name, count in missing.items()])
        raise DataError.build(
            f"None of the {n_given} rows is complete; missing cells per column: {counts}.",
            hint="leave out the column that is always missing, or check how missing answers were coded.",
        )


def _outcome(formula: MixedFormula, rows: pd.DataFrame) -> Floats:
    """Return the outcome, shape (n_rows,)."""
    name = formula.response.strip("`")
    if name in rows.columns:
        column: Column = np.ascontiguousarray(numeric_values(rows, name))
        encoded = Encoded((name,), (column,))
    else:
        _, encoded = make_encoder("0 + " + formula.response, rows)
    if len(encoded.columns) != 1 or encoded.columns[0] is None:
        raise ColumnError.build(
            f"The outcome '{formula.response}' is not one column of numbers.", hint="code it as one numeric column."
        )
    require_finite(encoded)
    require_varying(encoded.columns[0], formula.response)
    return encoded.columns[0]


def require_varying(y: Floats, response: str) -> None:
    """Raise a DataError if the outcome is constant."""
    if np.ptp(y) == 0:
        raise DataError.build(
            f"The outcome '{response}' is the same in all {y.size} rows.",
            hint="a constant cannot be modelled; check filters and scoring.",
        )


def _share(made: tuple[Encoder, Encoded], x: Encoded) -> tuple[Encoder, Encoded]:
    """Return the encoding with columns that also are fixed effects replaced by these very objects."""
    encoder, encoded = made
    by_name = dict(zip(x.names, x.columns, strict=True))
    columns: list[Column] = []
    for name, column in zip(encoded.names, encoded.columns, strict=True):
        twin = by_name.get(name)
        same = column is not None and twin is not None and np.array_equal(twin, column)
        columns.append(twin if same else column)
    return encoder, Encoded(encoded.names, tuple(columns))


def require_identified(design: Design) -> None:
    """Raise a ModelError if the grouping factors cannot be estimated from so few rows or levels."""
    if not design.terms:
        raise ModelError.build(
            f"The formula '{design.formula.text}' has no random term.",
            hint="add one such as (1 | patient), or fit least squares with statsmodels.",
        )
    if design.sigma is not None and not _is_positive(design.sigma):
        raise ModelError.build(
            f"sigma is the known residual SD, a positive number; it is {design.sigma}.",
            hint="leave sigma out to estimate it; sigma=1 with weights 1 / v for known sampling variances v.",
        )
    n = design.n_rows
    # With a known residual variance the variance of effects that have one row each is identified.
    allowed = n - 1 if design.sigma is None else n
    sizes = {g.name: sum(len(t.names) for t in design.terms if t.grouping is g) for g in design.groupings}
    for grouping in design.groupings:
        levels = len(grouping.labels)
        if levels < 2:
            raise ModelError.build(
                f"The grouping factor '{grouping.name}' has one level in the {n} rows used.",
                hint="leave out its random term (groups in a column map); a variance between levels needs two or more, "
                "better ten.",
            )
        if levels * sizes[grouping.name] > allowed:
            raise ModelError.build(
                f"'{grouping.name}' has {levels} levels with {sizes[grouping.name]} random effects each, "
                f"{levels * sizes[grouping.name]} in all, for {n} rows: they cannot be told from the residual.",
                hint="leave out a random slope (slopes = false in a column map) or the term; a level needs more rows than "
                "random effects.",
            )


def _is_positive(value: object) -> bool:
    """Tell whether a value is a positive, finite number."""
    return isinstance(value, int | float | np.number) and bool(0 < value < np.inf)
