"""Ratings with their grouping levels, checked; what every split starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from alliance_stats.columns import group_codes, nested_within, numeric_values
from alliance_stats.errors import DataError, agreeing, counted
from alliance_stats.process.session_checks import require_finite


@dataclass(frozen=True)
class RatedGroups:
    """Ratings and group codes, shape (n_rows,) each; ``used`` marks the rows that enter the means."""

    ratings: np.ndarray
    used: np.ndarray
    levels: dict[str, np.ndarray]
    sizes: dict[str, int]

    @property
    def first(self) -> str:
        """Name of the innermost level."""
        return next(iter(self.levels))


def rated_groups(frame: pd.DataFrame, column: str, names: Mapping[str, str]) -> RatedGroups:
    """Return checked ratings and codes."""
    values = numeric_values(frame, column)
    require_finite(values, column)
    coded = {level: group_codes(frame, name) for level, name in names.items()}
    codes = {level: code for level, (code, _) in coded.items()}
    grouped = np.logical_and.reduce([code >= 0 for code in codes.values()])
    used = grouped & ~np.isnan(values)
    if not used.any():
        raise DataError.build(
            f"No row has both a value in '{column}' and its {' and '.join(names)}.",
            hint="check the columns and how missing values are marked.",
        )
    _check_nesting(codes)
    return RatedGroups(values, used, codes, {level: size for level, (_, size) in coded.items()})


def _check_nesting(codes: Mapping[str, np.ndarray]) -> None:
    """Raise a DataError when a unit belongs to several units of the next level."""
    levels = list(codes)
    for inner, outer in pairwise(levels):
        if nested_within(codes[inner], codes[outer]):
            continue
        known = (codes[inner] >= 0) & (codes[outer] >= 0)
        pairs = pd.DataFrame({"inner": codes[inner][known], "outer": codes[outer][known]}).drop_duplicates()
        several = int((pairs["inner"].value_counts() > 1).sum())
        kept = tuple(levels[: levels.index(outer)])
        raise DataError.build(
            f"{several} of {counted(pairs['inner'].nunique(), inner)} {agreeing(several, 'belongs', 'belong')} to more than one "
            f"{outer}, so that "
            f"'{inner} mean minus {outer} mean' has no single value.",
            hint=f"use levels={kept}, or split pairs instead: make a column that numbers each {inner} with each "
            f'{outer}, for example dyad, and use levels=("dyad",). In a column map these are the units under [levels].',
        )


def group_means(values: np.ndarray, weights: np.ndarray, codes: np.ndarray, size: int) -> np.ndarray:
    """Return weighted group means, shape (size,); exact for a constant group, NaN for an empty one."""
    low = np.full(size, np.inf)
    np.minimum.at(low, codes, values)
    total = np.bincount(codes, weights, minlength=size)
    above = np.bincount(codes, weights * (values - low[codes]), minlength=size)
    means = np.full(size, np.nan)
    np.divide(above, total, out=means, where=total > 0)
    means += low
    return means
