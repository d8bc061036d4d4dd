"""Ratings of an earlier session of the same patient."""

from __future__ import annotations

import numpy as np

from alliance_stats.errors import DataError, counted
from alliance_stats.process.centering_groups import RatedGroups
from alliance_stats.process.session_checks import repeated_sessions


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
    repeated = ordered[1:] == ordered[:-1]
    if repeated.any():
        raise repeated_sessions(groups.first, rows[order[1:][repeated]])
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
            f"{counted(int(numbers[-1] - numbers[0] + 1), 'session')} at most.",
            hint="use a smaller lag, and check that session numbers count 1, 2, 3, ... within the patient.",
        )
    return out
