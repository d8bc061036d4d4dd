"""Synchrony of two people: windowed cross-correlation against shuffled windows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from alliance_stats.errors import DataError, counted
from alliance_stats.process.arguments import column_name, whole_number
from alliance_stats.process.cross_correlation import cut_windows, mean_over_windows, window_correlations
from alliance_stats.process.paired_series import check_lengths, checked_columns, nothing_to_correlate, paired_series
from alliance_stats.process.parts import CONF_LEVEL, ordered_columns
from alliance_stats.process.session_frame import session_frame
from alliance_stats.process.session_series import BoolArray, FloatArray, IntArray, content_order
from alliance_stats.process.shares import at_level, mean_row
from alliance_stats.result import Result
from alliance_stats.scales.change_tables import require_level

MEASURES = ("mean_z", "mean_absolute_z")


@dataclass(frozen=True, kw_only=True)
class Surrogates:
    """Shuffled series that a synchrony is compared with.

    Parameters
    ----------
    n : int
        Shuffles.
    seed : int
        Of the random numbers, 0 or more.
    """

    n: int = 1000
    seed: int = 1

    def __post_init__(self) -> None:
        whole_number(self.n, "n", least=1)
        whole_number(self.seed, "seed", least=0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Synchrony(Result):
    """Synchrony of pairs of series.

    Parameters
    ----------
    columns : tuple of str
        The two series.
    window, lag_max : int
        In steps of ``time``.
    time : str
        Column of the moments.
    surrogates : Surrogates
        How often windows were shuffled, and the seed.
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
    time: str
    surrogates: Surrogates
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
            first_leads_z and second_leads_z (means over positive and negative lags). Missing where a series is too short, or does
            not vary.
        """
        return pd.concat([self.units, self.table], axis=1)

    def tidy(self, *, level: float = CONF_LEVEL) -> pd.DataFrame:
        """Return synchrony over all dyads, and at each lag.

        Parameters
        ----------
        level : float in (0, 1)
            Of the intervals.

        Returns
        -------
        DataFrame
            One row per measure and one per lag: outcome, predictor (the two columns), term (mean_z, mean_absolute_z,
            first_leads_z, second_leads_z, z_at_lag), estimate (mean over dyads of Fisher's z), std_error, df, p_value (of
            the surrogate test), conf_low, conf_high (t, over dyads), conf_level, n (dyads), sd, lag, surrogate (mean of the
            shuffled series; at a lag, of all windows that do not belong together), effect_size.

        Raises
        ------
        DataError
            If ``level`` is not between 0 and 1.
        """
        require_level(level)
        return ordered_columns(at_level(self.estimates, level))

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
        One row per dyad and moment, of pandas, polars or pyarrow. Rows without dyad or without both values are left out
        and counted in the notes.
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
        If a column is missing, not numeric, no series, or named twice.
    DataError
        If the window does not fit the lag, a moment occurs twice, a value is infinite, an option is of the wrong type, no
        dyad has two windows, or there is no window in which both series vary.

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
    plan = Surrogates() if surrogates is None else surrogates
    columns, names = checked_columns(columns, by, column_name(time, "time"))
    if not isinstance(plan, Surrogates):
        raise DataError.build(
            f"surrogates says how to shuffle; an object of type {type(plan).__name__} was given.",
            hint="pass surrogates=al.Surrogates(n=1000, seed=1).",
        )
    check_lengths(window, lag_max)
    first, second, series = paired_series(session_frame(frame), columns, names, time)
    pairs = [_window_tables(one, two, window, lag_max) for one, two in zip(first, second, strict=True)]
    used = [place for place in _order(first, second) if pairs[place].shape[1] > 1 and _true_ones(pairs[place]).any()]
    if not used:
        raise nothing_to_correlate(columns, (first, second), series.noun, window)
    seeds = np.random.SeedSequence(plan.seed).spawn(len(used))
    found = {place: _shuffled(pairs[place], plan.n, seed) for place, seed in zip(used, seeds, strict=True)}
    rows = [_dyad_row(pairs[place], found.get(place)) for place in range(len(pairs))]
    return Synchrony(
        columns=columns,
        window=window,
        lag_max=lag_max,
        time=time,
        surrogates=plan,
        units=series.units,
        table=pd.DataFrame(rows),
        estimates=_estimates(pairs, found, rows, used=used, lag_max=lag_max).assign(
            outcome=columns[1], predictor=columns[0], conf_level=CONF_LEVEL
        ),
        notes=(*_notes(plan, pairs, used, (window, lag_max), series.noun), *series.notes),
    )


def _true_ones(table: FloatArray) -> BoolArray:
    """Tell which windows of the two series that belong together have a correlation, shape (n_lags, n_windows)."""
    return ~np.isnan(np.diagonal(table, axis1=1, axis2=2))


def _order(first: list[FloatArray], second: list[FloatArray]) -> list[int]:
    """Return dyads in an order that depends on their values only, so that shuffles do not depend on labels, rows or units."""
    return content_order(
        [np.concatenate([_standardised(one), _standardised(two)]) for one, two in zip(first, second, strict=True)]
    )


def _standardised(series: FloatArray) -> FloatArray:
    """Return a series in standard deviations from its mean, rounded, so that its unit leaves no trace."""
    known = series[~np.isnan(series)]
    spread = float(known.std()) if known.size else 0.0
    # adding zero takes the sign off a negative zero, which has other bytes
    scaled: FloatArray = np.round((series - (known.mean() if known.size else 0.0)) / (spread or 1.0), 4) + 0.0
    return scaled


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


def _notes(
    plan: Surrogates, pairs: list[FloatArray], used: list[int], lengths: tuple[int, int], noun: str
) -> list[str]:
    """Return how synchrony was measured and for how many."""
    window, lag_max = lengths
    counts = [pairs[place].shape[1] for place in used]
    notes = [
        f"Windows of {window} steps that do not overlap, lags -{lag_max} to {lag_max}, Pearson correlations, Fisher's z; a "
        "positive lag pairs the first series with later values of the second.",
        f"{len(used)} of {counted(len(pairs), noun)} {'has' if len(used) == 1 else 'have'} two windows or more, and one in "
        f"which both series vary ({min(counts)} to {max(counts)} each); every {noun} counts once, and intervals are t "
        f"intervals over {noun}s with their number - 1 degrees of freedom.",
        f"Surrogates: {plan.n} shuffles of the second series' windows in each {noun}, seed {plan.seed}; p is one-sided.",
        "A trend that runs through both series makes windows unlike and is not synchrony: take trends out first.",
    ]
    if min(counts) < 5:
        notes.append(
            f"A {noun} with {min(counts)} windows has {math.factorial(min(counts))} orders: its own p cannot be small."
        )
    missing = sum(int((~_true_ones(pairs[place])).sum()) for place in used)
    if missing:
        notes.append(
            f"{counted(missing, 'correlation')} {'is' if missing == 1 else 'are'} missing: fewer than three pairs of values, or "
            "no variation in a window."
        )
    return notes
