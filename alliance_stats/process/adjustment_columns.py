"""Columns that a model of alliance and outcome is adjusted for: time, intake, change before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from alliance_stats.columns import numeric_values, session_order
from alliance_stats.errors import DataError, agreeing, counted
from alliance_stats.process.outcome_model import Adjustments

FloatArray = np.ndarray


@dataclass(frozen=True)
class AdjustedTable:
    """The frame with the columns added, their names in the order of the model, and what they hold."""

    table: pd.DataFrame
    columns: tuple[str, ...]
    notes: tuple[str, ...]


def add_adjustments(
    table: pd.DataFrame, outcome: str, unit: str, *, lag: int, adjustments: Adjustments, given: pd.DataFrame
) -> AdjustedTable:
    """Return the table with time, intake and prior change as columns.

    Parameters
    ----------
    table : DataFrame
        One row per unit and session, with ``session``; holds ``<outcome>_lag<k>`` when lagged.
    outcome : str
    unit : str
        Column of patients.
    lag : int
        In sessions.
    adjustments : Adjustments
    given : DataFrame
        The same rows before outliers were taken out: the first rated outcome is the first one given.
    """
    added, notes = _time_columns(table, adjustments.time)
    if adjustments.intake or adjustments.prior_change == "since_intake":
        first, sessions = _first_rated(given, outcome, unit)
    if adjustments.intake:
        known = session_order(table) > sessions
        added[f"{outcome}_intake"] = np.where(known, first, np.nan)
        early = int((~known & ~np.isnan(first)).sum())
        notes.append(
            f"{outcome}_intake is the patient's first rated {outcome}; {counted(early, 'session')} up to that one "
            f"{agreeing(early, 'has none and is', 'have none and are')} left out."
        )
    if adjustments.prior_change is not None:
        # At lag 0 the session of the alliance is that of the outcome, which must not stand on both sides.
        reach = max(lag, 1)
        before = _earlier(table, outcome, unit, reach)
        start = first if adjustments.prior_change == "since_intake" else _earlier(table, outcome, unit, reach + 1)
        added[f"{outcome}_prior_change"] = before - start
        notes.append(_prior_change_note(outcome, lag, adjustments))
    return AdjustedTable(table.assign(**added), (*_time_names(adjustments.time), *_others(added)), tuple(notes))


def _prior_change_note(outcome: str, lag: int, adjustments: Adjustments) -> str:
    """Return what the change before is."""
    until = "the session the alliance is taken from" if lag else "the session before"
    earlier = "the session before" if lag else "the one before that"
    start = "the patient's first rated one" if adjustments.prior_change == "since_intake" else f"that of {earlier}"
    return (
        f"{outcome}_prior_change is the {outcome} of {until} minus {start}; it enters as it is, so it holds differences within "
        "and between patients."
    )


def _time_names(time: str) -> tuple[str, ...]:
    """Return the columns of time in the model."""
    names = {"linear": ("session",), "quadratic": ("session", "session_squared"), "log": ("session_log",), "none": ()}
    return names[time]


def _others(added: dict[str, FloatArray]) -> list[str]:
    """Return the names of added columns that are not time."""
    return [name for name in added if name not in ("session_squared", "session_log")]


def _time_columns(table: pd.DataFrame, time: str) -> tuple[dict[str, FloatArray], list[str]]:
    """Return columns of time that the frame does not have yet, and notes."""
    if time == "none":
        return {}, [
            "No change over sessions is modelled: a trend that alliance and outcome share counts as association."
        ]
    numbers = session_order(table).astype(float)
    if time == "quadratic":
        return {"session_squared": (numbers - numbers.mean()) ** 2}, ["session_squared is (session - mean)^2."]
    if time == "linear":
        return {}, []
    low = int((numbers < 1).sum())
    if low:
        raise DataError.build(
            f"{low} of {counted(len(numbers), 'session number')} {agreeing(low, 'is', 'are')} below 1 and without a logarithm.",
            hint='number sessions 1, 2, 3, ..., or use time="linear".',
        )
    return {"session_log": np.log(numbers)}, ["session_log is the natural logarithm of the session number."]


def _first_rated(table: pd.DataFrame, outcome: str, unit: str) -> tuple[FloatArray, FloatArray]:
    """Return each row's unit's first rated outcome and its session number, shape (n_rows,) each."""
    rated = pd.DataFrame(
        {"unit": pd.factorize(table[unit])[0], "session": session_order(table), "value": numeric_values(table, outcome)}
    )
    known = rated[rated["value"].notna() & (rated["unit"] >= 0)].sort_values("session", kind="stable")
    first = known.drop_duplicates("unit").set_index("unit")
    rows = first.reindex(rated["unit"])
    return rows["value"].to_numpy(dtype=float), rows["session"].to_numpy(dtype=float)


def _earlier(table: pd.DataFrame, outcome: str, unit: str, lag: int) -> FloatArray:
    """Return the outcome that many session numbers earlier, NaN where there is none, shape (n_rows,)."""
    rated = pd.DataFrame(
        {"unit": pd.factorize(table[unit])[0], "session": session_order(table), "value": numeric_values(table, outcome)}
    )
    known = rated[rated["unit"] >= 0].drop_duplicates(["unit", "session"]).set_index(["unit", "session"])["value"]
    wanted = pd.MultiIndex.from_arrays([rated["unit"], rated["session"] - lag])
    return known.reindex(wanted).to_numpy(dtype=float)
