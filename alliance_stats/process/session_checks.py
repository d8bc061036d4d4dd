"""What rows must be before a rating can be split by level: finite, of one rater, each unit and session once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from alliance_stats.columns import duplicated_rows, group_codes, nested_within, one_column
from alliance_stats.errors import DataError, agreeing, counted, listing

SAME = 1e-10
"""Range of a unit's ratings, relative to the largest rating, up to which they are one value."""


def require_finite(values: np.ndarray, column: str) -> None:
    """Raise a DataError with a count if values are infinite."""
    endless = np.isinf(values)
    if endless.any():
        raise DataError.build(
            f"Column '{column}' has {counted(int(endless.sum()), 'infinite value')} (the first in data row "
            f"{int(np.flatnonzero(endless)[0]) + 1}).",
            hint="mark them as missing first.",
        )


def require_one_rater(frame: pd.DataFrame, column: str, levels: Mapping[str, str]) -> None:
    """Raise a DataError if a column mixes raters, unless the levels tell them apart.

    They do where ``rater`` is a level, or where the first level is a unit of the caller's own, such as a pair of patient and
    rater, each with one rater.
    """
    if "rater" not in frame.columns or "rater" in levels.values():
        return
    rated = frame[one_column(frame, column).notna().to_numpy()]
    sizes = one_column(rated, "rater").value_counts().to_numpy()
    n_raters = int((sizes > 0).sum())
    if n_raters < 2:
        return
    first, unit = next(iter(levels.items()))
    if first != "patient" and nested_within(group_codes(rated, unit)[0], group_codes(rated, "rater")[0]):
        return
    raise DataError.build(
        f"'{column}' mixes the ratings of {n_raters} raters (column 'rater', {listing(sorted(sizes, reverse=True))} rows): a "
        "difference between sessions would be one between raters.",
        hint="keep the rows of one rater, for example with frame[frame['rater'] == <one rater>], give each rater a column with "
        "to_wide(), or make a column that numbers each patient with each rater, for example pair, and use "
        'levels=("pair",).',
    )


def require_sessions_once(frame: pd.DataFrame, levels: Mapping[str, str]) -> None:
    """Raise a DataError if two rows are of the same unit and session; rows without either do not count."""
    first, unit = next(iter(levels.items()))
    again = repeated_rows(frame, unit)
    if again.size:
        raise repeated_sessions(first, again)


def repeated_rows(frame: pd.DataFrame, unit: str) -> np.ndarray:
    """Return the positions of rows that repeat the unit and session of an earlier one, shape (n_repeated,)."""
    again = duplicated_rows(frame, [unit, "session"])
    known = frame[[unit, "session"]].notna().all(axis=1).to_numpy()
    return np.asarray(again[known[again]])


def repeated_sessions(unit: str, rows: np.ndarray) -> DataError:
    """Return the error for rows, by position, that repeat a unit and session of an earlier one."""
    return DataError.build(
        f"{counted(rows.size, 'row')} {agreeing(rows.size, 'repeats', 'repeat')} a {unit} and session of another row (the first "
        f"in data row {int(rows.min()) + 1}), so that a session has no single value.",
        hint=f"keep one row per {unit} and session first: choose one rater, or average the raters.",
    )


def units_that_vary(values: np.ndarray, codes: np.ndarray) -> tuple[int, int]:
    """Return how many units with two or more values have different ones, and how many such units there are.

    Parameters
    ----------
    values : ndarray, shape (n,)
        None missing.
    codes : ndarray of int, shape (n,)
        Units, 0 or more.
    """
    size = int(codes.max()) + 1 if codes.size else 0
    low, high = np.full(size, np.inf), np.full(size, -np.inf)
    np.minimum.at(low, codes, values)
    np.maximum.at(high, codes, values)
    several = np.bincount(codes, minlength=size) > 1
    scale = float(np.abs(values).max()) if values.size else 0.0
    return int(np.sum(several & (high - low > SAME * scale))), int(several.sum())
