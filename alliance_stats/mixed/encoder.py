"""From a formula's right-hand side and a frame to named columns, and again for new data."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd
from formulaic.errors import DataMismatchWarning, FactorEncodingError, FactorEvaluationError, FormulaicError

from alliance_stats.columns import numeric_values
from alliance_stats.errors import ColumnError, DataError, FormulaError, listing
from alliance_stats.mixed.formula import formulaic_terms
from alliance_stats.mixed.levelsums import Column

INTERCEPT = "Intercept"


class Encoded(NamedTuple):
    """Named columns of a model matrix; None stands for a column of ones."""

    names: tuple[str, ...]
    columns: tuple[Column, ...]


class Encoder(Protocol):
    """Turns a frame into the columns of a formula, the same way each time."""

    def __call__(self, frame: pd.DataFrame) -> Encoded:
        """Return the columns for the rows of ``frame``."""
        ...


@dataclass(frozen=True)
class NumericEncoder:
    """Plain numeric columns and their products, without a detour.

    Parameters
    ----------
    terms : tuple of tuple of str
        Columns that are multiplied; an empty tuple is the intercept.
    names : tuple of str
    """

    terms: tuple[tuple[str, ...], ...]
    names: tuple[str, ...]

    def __call__(self, frame: pd.DataFrame) -> Encoded:
        """Return the columns for the rows of ``frame``."""
        known: dict[str, np.ndarray] = {}
        for name in {name for term in self.terms for name in term}:
            known[name] = np.ascontiguousarray(numeric_values(frame, name))
        columns: list[Column] = []
        for term in self.terms:
            column: Column = known[term[0]] if term else None
            for name in term[1:]:
                column = known[name] if column is None else column * known[name]
            columns.append(column)
        return Encoded(self.names, tuple(columns))


@dataclass(frozen=True)
class FormulaicEncoder:
    """Everything else: categories, splines, functions.

    Parameters
    ----------
    spec : formulaic.ModelSpec
        Remembers categories and the state of transforms.
    """

    spec: Any

    def __call__(self, frame: pd.DataFrame) -> Encoded:
        """Return the columns for the rows of ``frame``."""
        return _from_matrix(_materialise(self.spec, frame))


def make_encoder(formula: str, frame: pd.DataFrame) -> tuple[Encoder, Encoded]:
    """Return an encoder for a formula without bars, and the columns for the rows it learns from.

    Parameters
    ----------
    formula : str
    frame : DataFrame
        Complete rows.
    """
    terms = list(formulaic_terms(formula))
    if any(f.expr == INTERCEPT for term in terms for f in term.factors):
        raise FormulaError.build(
            f"A column of the formula is called '{INTERCEPT}', the name of the constant term.",
            hint="rename the column.",
        )
    if all(_is_plain(term, frame) for term in terms):
        names = tuple(INTERCEPT if str(term) == "1" else ":".join(f.expr for f in term.factors) for term in terms)
        products = tuple(() if str(term) == "1" else tuple(f.expr for f in term.factors) for term in terms)
        encoder: Encoder = NumericEncoder(products, names)
        return encoder, encoder(frame)
    matrix = _materialise(formulaic_terms(formula), frame)
    return FormulaicEncoder(matrix.model_spec), _from_matrix(matrix)


def required_columns(formulas: Sequence[str]) -> list[str]:
    """Return the columns that formulas without bars refer to, in alphabetical order."""
    factors = {f for formula in formulas for term in formulaic_terms(formula) for f in term.factors}
    return sorted({name for factor in factors for name in _names_in(factor)})


def category_columns(formula: str) -> set[str]:
    """Return the columns that a formula without bars takes as categories by ``C()``, whatever they hold."""
    factors = {f for term in formulaic_terms(formula) for f in term.factors}
    return {name for f in factors if str(f.expr).startswith("C(") for name in _names_in(f)}


def _names_in(factor: Any) -> set[str]:
    """Return the columns a factor of a term refers to; also those inside calls, which formulaic's own list omits."""
    kind, text = factor.eval_method.value, str(factor.expr)
    if kind != "python":
        return {text} if kind == "lookup" else set()
    quoted = set(re.findall(r"`([^`]+)`", text))
    tree = ast.parse(re.sub(r"`[^`]+`", "0", text), mode="eval")
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    # The module of contrasts, as in C(arm, contr.sum); a column of that name is never followed by a dot.
    called |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute) and _is_contr(node.value)}
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in called}
    return quoted | (names - {"np"})


def _is_contr(node: ast.expr) -> bool:
    """Tell whether a part of a call is the name of formulaic's module of contrasts."""
    return isinstance(node, ast.Name) and node.id == "contr"


def _is_plain(term: Any, frame: pd.DataFrame) -> bool:
    """Tell whether a term is the intercept or a product of numeric columns."""
    if str(term) == "1":
        return True
    return all(
        f.eval_method.value == "lookup"
        and pd.api.types.is_numeric_dtype(frame[f.expr])
        and not pd.api.types.is_bool_dtype(frame[f.expr])
        for f in term.factors
    )


def _materialise(formula: Any, frame: pd.DataFrame) -> Any:
    """Return formulaic's model matrix, with its errors in our words."""
    try:
        with warnings.catch_warnings():
            # formulaic would go on with zeros, as if the row were in the reference category, and print the categories.
            warnings.simplefilter("error", DataMismatchWarning)
            return formula.get_model_matrix(frame, context={"np": np}, output="numpy", na_action="ignore")
    except DataMismatchWarning:
        raise DataError.build(
            f"The data hold categories that were not there when the model was fitted{_unknown_categories(formula, frame)}.",
            hint="leave those rows out, or fit the model to data with all categories.",
        ) from None
    except (FactorEvaluationError, FactorEncodingError, FormulaicError) as error:
        name = str(error).split("`")[1] if "`" in str(error) else "a term"
        raise FormulaError.build(
            f"The term '{name}' of the formula cannot be computed from the data.",
            hint="check its spelling and that its columns hold numbers; NumPy functions are called as np.log(x).",
        ) from None


def _unknown_categories(spec: Any, frame: pd.DataFrame) -> str:
    """Return which columns have categories that a fitted formula does not know, and in how many rows."""
    found = []
    for name, (_, state) in getattr(spec, "encoder_state", {}).items():
        known = state.get("categories") if isinstance(state, dict) else None
        if known is not None and name in frame.columns:
            n = int((~frame[name].isin(list(known)) & frame[name].notna()).sum())
            found += [f"'{name}' in {n} of {len(frame)} rows"] if n else []
    return f" ({listing(found)})" if found else ""


def _from_matrix(matrix: Any) -> Encoded:
    """Return the named columns of a formulaic matrix."""
    names = tuple(str(name) for name in matrix.model_spec.column_names)
    values = np.asarray(matrix, dtype=float)
    columns = tuple(None if name == INTERCEPT else np.ascontiguousarray(values[:, j]) for j, name in enumerate(names))
    return Encoded(names, columns)


def require_finite(encoded: Encoded) -> None:
    """Raise a ColumnError that names the columns with infinite or undefined values."""
    for name, column in zip(encoded.names, encoded.columns, strict=True):
        if column is not None and not np.isfinite(column.sum()) and not np.isfinite(column).all():
            bad = ~np.isfinite(column)
            raise ColumnError.build(
                f"Column '{name}' of the model has {int(bad.sum())} infinite or undefined values in {column.size} rows.",
                hint="look for logarithms of zero, divisions by zero or codes for missing answers.",
            )
