"""First and last scores side by side, one row per person."""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt
import pandas as pd

from alliance_stats.columns import numeric_values
from alliance_stats.errors import AllianceStatsWarning, ColumnError, DataError
from alliance_stats.scales.arguments import require_frame
from alliance_stats.scales.keying import FloatArray

BoolArray = npt.NDArray[np.bool_]


def score_pair(frame: pd.DataFrame, columns: tuple[str, str], *, function: str) -> tuple[FloatArray, FloatArray]:
    """Return first and last scores, each of shape (n_rows,), checked; called by public functions directly, named in errors."""
    require_frame(frame, function)
    if isinstance(columns, str) or len(columns) != 2 or columns[0] == columns[1]:
        raise ColumnError.build(
            "columns= must name two columns, the first and the last score.", hint="pass ('score_pre', 'score_post')."
        )
    pre, post = numeric_values(frame, columns[0]), numeric_values(frame, columns[1])
    for name, values in zip(columns, (pre, post), strict=True):
        if np.isinf(values).any():
            raise DataError.build(
                f"{int(np.isinf(values).sum())} scores in '{name}' are infinite.", hint="mark them as missing first."
            )
    n_both = int((~np.isnan(pre) & ~np.isnan(post)).sum())
    if n_both < 2:
        raise DataError.build(
            f"{n_both} rows have both '{columns[0]}' and '{columns[1]}'.", hint="check that scores are side by side."
        )
    _warn_about_repeated_people(frame, ~np.isnan(pre) & ~np.isnan(post))
    return pre, post


def _warn_about_repeated_people(frame: pd.DataFrame, known: BoolArray) -> None:
    """Warn if rows that are judged repeat a patient, as they do in a table of sessions."""
    keys = [name for name in ("patient", "dyad", "role", "rater", "study", "site") if name in frame.columns]
    if "patient" not in keys:
        return
    judged = frame.loc[known & frame["patient"].notna().to_numpy(bool), keys]
    n_repeated = int(judged.duplicated().sum())
    if n_repeated:
        warnings.warn(
            f"{n_repeated} of {len(judged)} rows repeat the patient of an earlier row; each row counts as a person.\n"
            "Hint: keep one row per person, first and last score side by side; for all measurements of a person use "
            "multilevel_change().",
            AllianceStatsWarning,
            stacklevel=4,
        )
