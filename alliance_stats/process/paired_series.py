"""Two series of each dyad, checked and side by side: what synchrony starts from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from alliance_stats.columns import require_columns
from alliance_stats.errors import ColumnError, DataError, counted
from alliance_stats.process.arguments import column_names, whole_number
from alliance_stats.process.cross_correlation import LEAST_POINTS
from alliance_stats.process.session_series import (
    FloatArray,
    SessionSeries,
    arrange_series,
    read_ratings,
    require_rating,
)


def checked_columns(columns: object, by: object, time: str) -> tuple[tuple[str, str], tuple[str, ...]]:
    """Return the two series and the columns that name a pair of them, raising for what is none."""
    series = column_names(columns, "columns", required=True)
    if len(series) != 2:
        raise ColumnError.build(
            f"columns= must name two series; {counted(len(series), 'different name')} {'was' if len(series) == 1 else 'were'} "
            "given.",
            hint='pass ("movement_therapist", "movement_patient").',
        )
    units = column_names(by, "by")
    if not units:
        raise DataError.build("by names no column.", hint='pass by="dyad", or by=["dyad", "session"].')
    for name in series:
        require_rating(name)
        if name in (*units, time):
            raise ColumnError.build(
                f"Column '{name}' is one of the series and names the dyad or the time.",
                hint="give each column one part.",
            )
    return (series[0], series[1]), units


def check_lengths(window: int, lag_max: int) -> None:
    """Raise for windows and lags that are no lengths, or do not fit each other."""
    whole_number(window, "window", least=1)
    whole_number(lag_max, "lag_max", least=0)
    least = max(2 * lag_max, lag_max + LEAST_POINTS)
    if window < least:
        raise DataError.build(
            f"A window of {counted(window, 'step')} is too short for lags up to {lag_max}.",
            hint=f"use window={least} or more, or a smaller lag_max.",
        )


def nothing_to_correlate(
    columns: tuple[str, str], courses: tuple[list[FloatArray], list[FloatArray]], noun: str, window: int
) -> DataError:
    """Return the error for series that are too short, or that do not vary."""
    longest = max(course.size for course in courses[0])
    enough = [place for place, course in enumerate(courses[0]) if course.size >= 2 * window]
    if not enough:
        return DataError.build(
            f"No {noun} has two windows of {counted(window, 'step')} (the longest series has {longest}).",
            hint="use a shorter window and a smaller lag_max; sessions of one treatment are usually too few for windows.",
        )
    known = [[course[place][~np.isnan(course[place])] for place in enough] for course in courses]
    flat = [sum(not (own.size and np.ptp(own) > 0) for own in course) for course in known]
    return DataError.build(
        f"There is no window in which both series vary: of {counted(len(enough), noun)} with two windows or more, "
        f"'{columns[0]}' does not vary at all in {flat[0]} and '{columns[1]}' in {flat[1]}.",
        hint="a correlation needs values that change within the window, and three pairs of them: check the two columns, or "
        "use longer windows where many values are missing.",
    )


def paired_series(
    frame: pd.DataFrame, columns: tuple[str, str], names: Sequence[str], time: str
) -> tuple[list[FloatArray], list[FloatArray], SessionSeries]:
    """Return both series of each dyad on all its moments, NaN where missing, and the rows they come from."""
    require_columns(frame, [*names, time, *columns], hint="rename your columns with read_sessions().")
    values = [read_ratings(frame, name) for name in columns]
    either = np.where(np.isnan(values[0]) & np.isnan(values[1]), np.nan, 0.0)
    label = f"'{columns[0]}' or '{columns[1]}'"
    series = arrange_series(frame, either, label=label, unit=names, order=time, slack=0.0)
    first: list[FloatArray] = []
    second: list[FloatArray] = []
    ends = np.cumsum(series.counts)
    for end, count in zip(ends, series.counts, strict=True):
        rows, moments = series.rows[end - count : end], series.sessions[end - count : end]
        size = int(moments[-1] - moments[0]) + 1 if count else 0
        for target, column in ((first, values[0]), (second, values[1])):
            course = np.full(size, np.nan)
            course[moments - moments[0] if count else []] = column[rows]
            target.append(course)
    return first, second, series
