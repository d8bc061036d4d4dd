"""Checks of what callers pass, before anything is computed from it."""

from __future__ import annotations

import math
from numbers import Real
from typing import TypeGuard

import pandas as pd

from alliance_stats.errors import DataError


def require_frame(frame: object, function: str) -> None:
    """Raise unless the data are a pandas DataFrame."""
    if not isinstance(frame, pd.DataFrame):
        raise DataError.build(
            f"{function}() needs a pandas DataFrame, not {type(frame).__name__}.",
            hint="convert it first, for example .to_pandas() or pd.DataFrame(...).",
        )


def is_number(value: object) -> TypeGuard[float]:
    """Tell whether a value is a finite number; text and True are none."""
    return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)
