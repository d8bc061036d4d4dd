"""Synchrony of two people: windowed cross-correlation against shuffled windows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from alliance_stats.columns import numeric_values
from alliance_stats.errors import ColumnError, DataError
from alliance_stats.process.cross_correlation import LEAST_POINTS, cut_windows, mean_over_windows, window_correlations
from alliance_stats.process.parts import CONF_LEVEL, ordered_columns
from alliance_stats.process.session_series import FloatArray, IntArray, SessionSeries, content_order, read_series
from alliance_stats.process.shares import mean_row
from alliance_stats.result import Result

MEASURES = ("mean_z", "mean_absolute_z")


@dataclass(frozen=True, kw_only=True)
class Surrogates:
    """Shuffled series that a synchrony is compared with.

    Parameters
    ----------
    n : int
        Shuffles.
    seed : int
        Of the random numbers.
    """

    n: int = 1000
    seed: int = 1

    def __post_init__(self) -> None:
        if self.n < 1:
            raise DataError.build(f"n = {self.n} surrogates cannot be compared with.", hint="use 1000 or more.")


@dataclass(frozen=True, kw_only=True, eq=False)
class Synchrony(Result):
    """Synchrony of pairs of series.

    Parameters
    ----------
    columns : tuple of str
        The two series.
    window, lag_max : int
        In steps of ``time``.
    units : DataFrame
        Columns that name each pair of series, as in the user's frame.
    table : DataFrame
        One row per pair, in the order of ``units``.
    estimates : DataFrame
        What ``tidy()`` returns.
    """

    columns: tuple[str, str]
    window: int
    lag_max: int
    units: pd.DataFrame = field(repr=False)
    table: pd.DataFrame = field(repr=False)
    estimates: pd.DataFrame = field(repr=False)

    def values(self) -> pd.DataFrame:
        """Return one row per dyad, with the ids of the user's frame: for your own analyses, not for a report.

        Returns
        -------
        DataFrame
            The columns that name the dyad, n_windows, and for mean_z and mean_absolute_z: the value, ``_surrogate`` (mean
            of the shuffled series), ``_effect_size`` (in standard deviations of the shuffled series), ``_p_value``; then
            first_leads_z and second_leads_z (means over positive and negative lags). Missing where a series is too short.
        """
        return pd.concat([self.units, self.table], axis=1)

    def tidy(self) -> pd.DataFrame:
        """Return synchrony over all dyads, and at each lag.

        Returns
        -------
        DataFrame
            One row per measure and one per lag: outcome, predictor (the two columns), term (mean_z, mean_absolute_z,
            first_leads_z, second_leads_z, z_at_lag), estimate (mean over dyads of Fisher's z), std_error, df, p_value (of
            the surrogate test), conf_low, conf_high (t, over dyads), conf_level, n (dyads), sd, lag, surrogate (mean of the
            shuffled series; at a lag, of all windows that do not belong together), effect_size.
        """
        return ordered_columns(self.estimates)

    def glance(self) -> pd.DataFrame:
        """Return one row: columns, window, largest lag, dyads, dyads used, windows."""
        used = self.table["mean_z"].notna()
        return pd.DataFrame(
            [
                {"first": self.columns[0], "second": self.columns[1], "window": self.window, "lag_max": self.lag_max}
                | {"n_dyads": len(self.table), "n_dyads_used": int(used.sum())}
                | {"n_windows": int(self.table.loc[used, "n_windows"].sum())}
            ]
        )


def synchrony(
    frame: pd.DataFrame,
    columns: tuple[str, str],
    *,
    window: int,
    lag_max: int,
    by: str | Sequence[str] = "dyad",
    time: str = "session",
    surrogates: Surrogates | None = None,
) -> Synchrony:
    """Measure how far two series of each dyad move together, beyond what shuffled series would.

    Use it for movement, arousal or ratings of two people that were recorded side by side. Each series is cut into windows;
    within a window the two are correlated at every lag. Windows of the second person are then shuffled: what is left is
    the similarity of two people who were not together at that moment (pseudo-synchrony).

    Parameters
    ----------
    frame : DataFrame
        One row per dyad and moment.
    columns : tuple of str
        The series of the first and of the second person.
    window : int
        Length of a window, in steps of ``time``; at least twice ``lag_max``, and three more than it.
    lag_max : int
        Largest lag, in steps of ``time``, to either side.
    by : str or sequence of str
        Columns that name a pair of series: ``"dyad"``, or ``["dyad", "session"]`` for recordings of several sessions.
    time : str
        Moment, whole numbers one step apart; a missing number is a missing moment.
    surrogates : Surrogates, optional
        Number of shuffles and seed; 1000 if left out.

    Returns
    -------
    Synchrony

    Raises
    ------
    ColumnError
        If a column is missing, not numeric, or named twice.
    DataError
        If the window does not fit the lag, a moment occurs twice, or no dyad has two windows.

    Notes
    -----
    Fisher's z of the Pearson correlation of the pairs of values inside a window, for lags -lag_max to lag_max (a positive
    lag: the first person leads), averaged over windows and then over lags; ``mean_absolute_z`` takes absolute values first,
    so that moving against each other counts as synchrony. Windows do not overlap and a rest at the end is left out.

    The test shuffles the windows of the second series: p = (1 + number of shuffles at least as large) / (1 + shuffles).
    It is exact when windows are exchangeable, that is without a trend that runs through both series: take trends out first.
    With n windows there are n! shuffles, so that few windows cannot give a small p. For all dyads together, each dyad is
    shuffled on its own and the means over dyads are compared; the interval is a t interval over dyads.

    References
    ----------
    Moulder, R. G., et al. (2018). Psychological
    Methods, 23, 757-773. doi:10.1037/met0000172

    Windows, lags, Fisher's z, shuffling and effect size are those of R package SUSY, which follows Boker et al. (2002) and
    Ramseyer and Tschacher (2011), as documented at https://wtschacher.github.io/SUSY/reference/susy.html

    Examples
    --------
    >>> import numpy as np, pandas as pd, alliance_stats as al
    >>> rng = np.random.default_rng(3)
    >>> lead = rng.standard_normal(602)
    >>> data = pd.DataFrame({"dyad": 1, "moment": range(600), "his": lead[2:], "hers": lead[:-2]})
    >>> result = al.synchrony(data, ("his", "hers"), window=60, lag_max=5, time="moment")
    >>> result.tidy().query("term == 'z_at_lag'").set_index("lag")["estimate"].idxmax().item()
    2.0
    """
    plan = surrogates or Surrogates()
    _check_plan(columns, window, lag_max)
    first, second, series = _pair_series(frame, columns, by, time)
    pairs = [_window_tables(one, two, window, lag_max) for one, two in zip(first, second, strict=True)]
    used = [place for place in _order(first, second) if pairs[place].shape[1] > 1 and not np.isnan(pairs[place]).all()]
    if not used:
        longest = max(one.size for one in first)
        raise DataError.build(
            f"No dyad has two windows of {window} steps (the longest series has {longest}).",
            hint="use a shorter window and a smaller lag_max; sessions of one treatment are usually too few for windows.",
        )
    seeds = np.random.SeedSequence(plan.seed).spawn(len(used))
    found = {place: _shuffled(pairs[place], plan.n, seed) for place, seed in zip(used, seeds, strict=True)}
    rows = [_dyad_row(pairs[place], found.get(place)) for place in range(len(pairs))]
    return Synchrony(
        columns=(columns[0], columns[1]),
        window=window,
        lag_max=lag_max,
        units=series.units,
        table=pd.DataFrame(rows),
        estimates=_estimates(pairs, found, rows, used=used, lag_max=lag_max).assign(
            outcome=columns[1], predictor=columns[0], conf_level=CONF_LEVEL
        ),
        notes=(*_notes(plan, pairs, used, window, lag_max), *series.notes),
    )


def _check_plan(columns: tuple[str, str], window: int, lag_max: int) -> None:
    """Raise for columns or windows that do not fit."""
    if isinstance(columns, str) or len(columns) != 2 or columns[0] == columns[1]:
        raise ColumnError.build(
            "columns= must name two series.", hint='pass ("movement_therapist", "movement_patient").'
        )
    if lag_max < 0 or window < 1:
        raise DataError.build(f"window={window} and lag_max={lag_max} are no lengths.", hint="pass numbers of steps.")
    least = max(2 * lag_max, lag_max + LEAST_POINTS)
    if window < least:
        raise DataError.build(
            f"A window of {window} steps is too short for lags up to {lag_max}.",
            hint=f"use window={least} or more, or a smaller lag_max.",
        )


def _pair_series(
    frame: pd.DataFrame, columns: tuple[str, str], by: str | Sequence[str], time: str
) -> tuple[list[FloatArray], list[FloatArray], SessionSeries]:
    """Return both series of each dyad on all its moments, NaN where missing, and the rows they come from."""
    values = [numeric_values(frame, name) for name in columns]
    marked = frame.assign(**{columns[0]: np.where(np.isnan(values[0]) & np.isnan(values[1]), np.nan, 0.0)})
    series = read_series(marked, columns[0], unit=by, order=time)
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


def _order(first: list[FloatArray], second: list[FloatArray]) -> list[int]:
    """Return dyads in an order that depends on their values only, so that shuffles do not depend on labels or rows."""
    return content_order([np.concatenate([one, two]) for one, two in zip(first, second, strict=True)])


def _window_tables(first: FloatArray, second: FloatArray, window: int, lag_max: int) -> FloatArray:
    """Return Fisher's z of all windows with all windows at all lags, shape (n_lags, n_windows, n_windows)."""
    return window_correlations(cut_windows(first, window), cut_windows(second, window), lag_max)


def _shuffled(table: FloatArray, n: int, seed: np.random.SeedSequence) -> dict[str, FloatArray]:
    """Return the two measures of n shuffles, shape (n,) each."""
    rng = np.random.default_rng(seed)
    orders = rng.permuted(np.tile(np.arange(table.shape[1]), (n, 1)), axis=1)
    return {name: _over_lags(_signed(table, name), orders) for name in MEASURES}


def _signed(table: FloatArray, measure: str) -> FloatArray:
    """Return values or absolute values."""
    return np.abs(table) if measure == "mean_absolute_z" else table


def _over_lags(table: FloatArray, orders: IntArray) -> FloatArray:
    """Return means over windows and then over lags, lags without a value left out, shape (n_orders,)."""
    means = mean_over_windows(table, orders)
    known = ~np.isnan(means)
    with np.errstate(invalid="ignore", divide="ignore"):
        result: FloatArray = np.where(known, means, 0.0).sum(axis=1) / known.sum(axis=1)
    return result


def _true(table: FloatArray) -> IntArray:
    """Return the true order of windows."""
    return np.arange(table.shape[1])[None, :]


def _dyad_row(table: FloatArray, shuffled: dict[str, FloatArray] | None) -> dict[str, Any]:
    """Return the measures of one dyad."""
    row: dict[str, Any] = {"n_windows": table.shape[1]}
    for name in MEASURES:
        value = math.nan if shuffled is None else float(_over_lags(_signed(table, name), _true(table))[0])
        chance = np.full(1, math.nan) if shuffled is None else shuffled[name]
        row |= {name: value, **_against(value, chance, name)}
    middle = table.shape[0] // 2
    for name, part in (("first_leads_z", table[middle + 1 :]), ("second_leads_z", table[:middle])):
        row[name] = math.nan if shuffled is None or not len(part) else float(_over_lags(part, _true(table))[0])
    return row


def _against(value: float, chance: FloatArray, name: str) -> dict[str, float]:
    """Return mean of the shuffles, effect size and p value."""
    spread = float(np.nanstd(chance, ddof=1)) if np.isfinite(chance).sum() > 1 else math.nan
    known = chance[np.isfinite(chance)]
    middle = float(known.mean()) if known.size else math.nan
    # sums in another order differ in the last digits; an order that repeats the true one must count as a tie
    reached = int((known >= value - 1e-12 * max(abs(value), 1.0)).sum())
    p_value = (1 + reached) / (1 + known.size) if known.size and not math.isnan(value) else math.nan
    size = (value - middle) / spread if spread > 0 else math.nan
    return {f"{name}_surrogate": middle, f"{name}_effect_size": size, f"{name}_p_value": p_value}


def _estimates(
    pairs: list[FloatArray],
    found: dict[int, dict[str, FloatArray]],
    rows: list[dict[str, Any]],
    *,
    used: list[int],
    lag_max: int,
) -> pd.DataFrame:
    """Return pooled measures, and means at each lag with those of all shuffles."""
    out: list[dict[str, object]] = []
    for name in MEASURES:
        values = np.array([rows[place][name] for place in used])
        chance = np.mean([found[place][name] for place in used], axis=0)
        against = _against(float(values.mean()), chance, name)
        out.append(
            {"term": name, **mean_row(values), **{key.removeprefix(f"{name}_"): v for key, v in against.items()}}
        )
    for name in ("first_leads_z", "second_leads_z"):
        values = np.array([rows[place][name] for place in used])
        out.append({"term": name, **mean_row(values[~np.isnan(values)])})
    real = np.array([mean_over_windows(pairs[place], _true(pairs[place]))[0] for place in used])
    chance = np.array([_apart(pairs[place]) for place in used])
    for index, lag in enumerate(range(-lag_max, lag_max + 1)):
        values, others = real[:, index], chance[:, index]
        middle = float(others[~np.isnan(others)].mean()) if (~np.isnan(others)).any() else math.nan
        out.append({"term": "z_at_lag", "lag": lag, **mean_row(values[~np.isnan(values)]), "surrogate": middle})
    return pd.DataFrame(out)


def _apart(table: FloatArray) -> FloatArray:
    """Return means over all pairs of windows of different moments, shape (n_lags,)."""
    others = np.where(np.eye(table.shape[1], dtype=bool), np.nan, table)
    known = ~np.isnan(others)
    with np.errstate(invalid="ignore"):
        means: FloatArray = np.where(known, others, 0.0).sum(axis=(1, 2)) / known.sum(axis=(1, 2))
    return means


def _notes(plan: Surrogates, pairs: list[FloatArray], used: list[int], window: int, lag_max: int) -> list[str]:
    """Return how synchrony was measured and for how many."""
    counts = [pairs[place].shape[1] for place in used]
    notes = [
        f"Windows of {window} steps that do not overlap, lags -{lag_max} to {lag_max}, Pearson correlations, Fisher's z; a "
        "positive lag pairs the first series with later values of the second.",
        f"{len(used)} of {len(pairs)} dyads have two windows or more ({min(counts)} to {max(counts)} each); every dyad "
        "counts once.",
        f"Surrogates: {plan.n} shuffles of the second series' windows in each dyad, seed {plan.seed}; p is one-sided.",
        "A trend that runs through both series makes windows unlike and is not synchrony: take trends out first.",
    ]
    if min(counts) < 5:
        notes.append(
            f"A dyad with {min(counts)} windows has {math.factorial(min(counts))} orders: its own p cannot be small."
        )
    missing = sum(int(np.isnan(np.diagonal(pairs[place], axis1=1, axis2=2)).sum()) for place in used)
    if missing:
        notes.append(
            f"{missing} correlations are missing: fewer than three pairs of values, or no variation in a window."
        )
    return notes
