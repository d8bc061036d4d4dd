"""The predictors of a fit's fixed part: factors with their levels, numbers with their mean and range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from alliance_stats.errors import ModelError
from alliance_stats.mixed.encoder import category_columns
from alliance_stats.mixed.fit import LmmFit

SPREAD_WORDS = ("mean±sd", "mean+-sd")


@dataclass(frozen=True)
class Predictor:
    """One column that the fixed part refers to.

    Parameters
    ----------
    name : str
    levels : tuple or None
        Of a factor, in its order; None for numbers.
    mean, sd, low, high : float
        Of numbers, over the rows used; NaN for a factor.
    dtype : dtype
        Of the column.
    """

    name: str
    levels: tuple[Any, ...] | None = field(repr=False)
    mean: float
    sd: float
    low: float
    high: float
    dtype: Any = field(repr=False)

    def values_at(self, given: Any) -> list[Any]:
        """Return the values that ``at`` names, checked."""
        if self.levels is not None:
            return self._levels_at(given)
        if isinstance(given, str):
            if given == "mean":
                return [self.mean]
            if given in SPREAD_WORDS:
                return [self.mean - self.sd, self.mean, self.mean + self.sd]
        several = [given] if isinstance(given, str) or np.ndim(given) == 0 else list(given)
        self._require_once(several)
        numbers = pd.to_numeric(pd.Series(several, dtype=object), errors="coerce").to_numpy(dtype=float)
        if numbers.size == 0 or not np.isfinite(numbers).all():
            raise ModelError.build(
                f"at= has something for '{self.name}' that is not a number.",
                hint=f'name numbers, as in at={{"{self.name}": [1, 5]}}, or "mean", or "mean±sd".',
            )
        return [float(value) for value in numbers]

    def _levels_at(self, given: Any) -> list[Any]:
        """Return the levels of a factor that ``at`` names."""
        several = [given] if isinstance(given, str) or np.ndim(given) == 0 else list(given)
        self._require_once(several)
        known = list(self.levels or ())
        if not several or any(value not in known for value in several):
            raise ModelError.build(
                f"at= names a level of '{self.name}' that does not occur; {len(known)} levels do.",
                hint=f"write levels as they stand in column '{self.name}' of the data.",
            )
        return several

    def _require_once(self, several: list[Any]) -> None:
        """Raise a ModelError if a value is named twice."""
        if len(set(several)) < len(several):
            raise ModelError.build(f"at= names a value of '{self.name}' twice.", hint="name each value once.")

    def column(self, values: Sequence[Any]) -> Any:
        """Return values as a column of the type the model was fitted with."""
        if self.levels is None:
            return np.asarray(values, dtype=float)
        return pd.Series(list(values), dtype=self.dtype)


def predictors_of(fit: LmmFit) -> dict[str, Predictor]:
    """Return the predictors of the fixed part in the order of the formula's columns, by name."""
    frame = fit.design.predictors
    categories = category_columns(fit.design.formula.fixed)
    found = {}
    for name in frame.columns:
        column = frame[name]
        numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
        if numeric and name not in categories:
            values = column.to_numpy(dtype=float)
            sizes = (float(values.mean()), float(values.std(ddof=1)), float(values.min()), float(values.max()))
            found[str(name)] = Predictor(str(name), None, *sizes, column.dtype)
            continue
        levels = list(column.cat.categories) if isinstance(column.dtype, pd.CategoricalDtype) else _sorted(column)
        found[str(name)] = Predictor(str(name), tuple(levels), np.nan, np.nan, np.nan, np.nan, column.dtype)
    return found


def _sorted(column: pd.Series[Any]) -> list[Any]:
    """Return the values that occur, as plain Python values in sorted order."""
    return sorted(pd.unique(column).tolist())


def shown(value: Any) -> str:
    """Return a value as text, numbers with four digits."""
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    return f"{value:.4g}" if isinstance(value, (int, float, np.number)) else str(value)
