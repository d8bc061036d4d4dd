"""Ratings of an earlier session of the same patient."""

from __future__ import annotations

import numpy as np

from alliance_stats.errors import DataError
from alliance_stats.process.centering_groups import RatedGroups


def lagged_values(
    column: str, session_part: np.ndarray, groups: RatedGroups, times: np.ndarray, lag: int
) -> dict[str, np.ndarray]:
    """Return rating and session part of ``lag`` sessions earlier, shape (n_rows,) each."""
    codes = groups.levels[groups.first]
    rows = np.flatnonzero(codes >= 0)
    numbers, rank = np.unique(times[rows], return_inverse=True)
    key = codes[rows] * len(numbers) + rank
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    repeated = int((ordered[1:] == ordered[:-1]).sum())
    if repeated:
        raise DataError.build(
            f"{repeated} rows repeat a {groups.first} and session of another row, so that 'the session before' has no "
            "single value.",
            hint="keep one row per patient and session first: choose one rater, or average the raters.",
        )
    earlier = np.searchsorted(numbers, numbers - lag)
    exists = numbers[earlier] == numbers - lag
    wanted = codes[rows] * len(numbers) + earlier[rank]
    place = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
    found = exists[rank] & (ordered[place] == wanted)
    source = rows[order[place[found]]]
    out = {f"{column}_lag{lag}": groups.ratings, f"{column}_session_lag{lag}": session_part}
    for name, values in out.items():
        shifted = np.full(len(codes), np.nan)
        shifted[rows[found]] = values[source]
        out[name] = shifted
    if np.isnan(out[f"{column}_lag{lag}"]).all():
        raise DataError.build(
            f"No {groups.first} has ratings of '{column}' at a lag of {lag}; session numbers run over "
            f"{numbers[-1] - numbers[0] + 1} sessions at most.",
            hint="use a smaller lag, and check that session numbers count 1, 2, 3, ... within the patient.",
        )
    return out
