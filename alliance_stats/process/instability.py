"""How much ratings move from session to session: squared successive differences, spread and autocorrelation."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from alliance_stats.columns import require_columns
from alliance_stats.errors import DataError, counted
from alliance_stats.process.arguments import column_name, number
from alliance_stats.process.parts import CONF_LEVEL, ordered_columns
from alliance_stats.process.session_frame import session_frame
from alliance_stats.process.session_series import (
    BoolArray,
    FloatArray,
    IntArray,
    SessionSeries,
    order_values,
    read_series,
)
from alliance_stats.process.shares import mean_row
from alliance_stats.result import Result
from alliance_stats.scales.change_tables import require_level

STEEPEST = 2.0
"""Largest exponent of time taken: differences that grow with the square of time. A random walk has 0.5, a line has 1."""

MEASURES = ("mssd", "rmssd", "adjusted_mssd", "sd", "von_neumann", "autocorrelation")


@dataclass(frozen=True, kw_only=True, eq=False)
class Instability(Result):
    """Instability of a rating.

    Parameters
    ----------
    outcome : str
        Column, in scale points.
    exponent : float
        Of the time between ratings, in the adjusted differences.
    time : str or None
        Column that says when a rating was made; None for session numbers.
    n_pairs : int
        Neighbouring ratings of all units.
    series : SessionSeries
        The ratings.
    measures : DataFrame
        One row per unit, in the order of ``series.units``.
    """

    outcome: str
    exponent: float
    time: str | None
    n_pairs: int
    series: SessionSeries = field(repr=False)
    measures: pd.DataFrame = field(repr=False)

    def values(self) -> pd.DataFrame:
        """Return one row per unit, with the ids of the user's frame: for your own analyses, not for a report.

        Returns
        -------
        DataFrame
            The columns that name the unit, n (ratings), n_pairs (neighbouring ones), mssd and adjusted_mssd (points
            squared), rmssd and sd (points), von_neumann (mssd over variance), autocorrelation; missing where a unit has too
            few ratings.
        """
        return pd.concat([self.series.units, self.measures], axis=1)

    def tidy(self, *, level: float = CONF_LEVEL) -> pd.DataFrame:
        """Return the mean of each measure over units.

        Parameters
        ----------
        level : float in (0, 1)
            Of the intervals.

        Returns
        -------
        DataFrame
            One row per measure: outcome, term, estimate (mean over units), std_error, df, conf_low, conf_high (t),
            conf_level, n (units), sd, median.

        Raises
        ------
        DataError
            If ``level`` is not between 0 and 1.
        """
        require_level(level)
        rows = []
        for name in MEASURES:
            known = self.measures[name].dropna().to_numpy(float)
            middle = float(np.median(known)) if known.size else math.nan
            rows.append(
                {"outcome": self.outcome, "term": name, "conf_level": level, **mean_row(known, level=level)}
                | {"median": middle}
            )
        return ordered_columns(pd.DataFrame(rows))

    def glance(self) -> pd.DataFrame:
        """Return one row: outcome, units, ratings, units with neighbouring ratings, their pairs, exponent of time."""
        return pd.DataFrame(
            [
                {"outcome": self.outcome, "n_units": self.series.n_units, "n_ratings": self.series.ratings.size}
                | {"n_units_measured": int(self.measures["mssd"].notna().sum()), "n_pairs": self.n_pairs}
                | {"exponent": self.exponent}
            ]
        )


def instability(
    frame: pd.DataFrame,
    column: str,
    *,
    by: str = "patient",
    time: str | None = None,
    exponent: float | None = None,
) -> Instability:
    """Measure how much ratings move from one session to the next, for each patient.

    Use it when ups and downs are the question and not the level: the standard deviation counts a slow trend as much as
    jumps, squared successive differences count jumps only. All of them hold error of measurement as well: a rating with
    error variance e has an mssd of at least 2 e. A mean near the end of the scale leaves less room to move.

    Parameters
    ----------
    frame : DataFrame
        One row per unit and ``session``, of pandas, polars or pyarrow. Rows without unit or rating are left out and counted
        in the notes.
    column : str
        Rating, in scale points.
    by : str
        Column of the units: patient, or dyad.
    time : str, optional
        When the rating was made, as a number in any unit (days), ascending with ``session``. Session numbers if left out.
    exponent : float in [0, 2], optional
        Of the time between two ratings in the adjusted differences: 0 for none, 0.5 when ratings drift apart like a random
        walk. Estimated from the data, as 0 or more, if left out.

    Returns
    -------
    Instability

    Raises
    ------
    ColumnError
        If a column is missing, not numeric, or no rating.
    DataError
        If raters are mixed, a session occurs twice, a rating is infinite, times do not ascend, an option is of the wrong
        type, or no unit has two neighbouring ratings.

    Notes
    -----
    - mssd: mean of (x(t+1) - x(t))^2 over neighbouring sessions; a gap is never bridged. rmssd: its square root.
    - adjusted_mssd (Jahng, Wood & Trull, 2008): mean of ((x(k+1) - x(k)) / (d(k) / m)^exponent)^2 over ratings that follow
      one another with or without a gap, d the time between them, m the median of all these times.
      With d the same everywhere it is the mssd.
    - The exponent is estimated by Poisson pseudo-likelihood of the squared differences, with a factor of its own for each
      unit: E (x(k+1) - x(k))^2 = c_i d(k)^(2 exponent).
    - sd: standard deviation within the unit. von_neumann: mssd over variance, 2 for independent ratings, less when
      neighbours are alike.
    - autocorrelation at lag 1: sum over neighbouring pairs of products of deviations, over (pairs + 1), divided by the mean
      square; with few ratings biased by about -1/n.

    References
    ----------
    Jahng, S., Wood, P. K., & Trull, T. J. (2008). Analysis of affective instability in ecological momentary assessment.
    Psychological Methods, 13, 354-375. doi:10.1037/a0014173

    von Neumann, J., Kent, R. H., Bellinson, H. R., & Hart, B. I. (1941). The mean square successive difference. Annals of
    Mathematical Statistics, 12, 153-162.

    Examples
    --------
    >>> import alliance_stats as al
    >>> sessions = al.score(al.load_sample("therapist_statements"), "wai_sr", items="wai_{}")
    >>> result = al.instability(sessions, "wai_sr_mean")
    >>> result.tidy().set_index("term").loc[["rmssd", "sd"], "estimate"].round(2).tolist()
    [0.47, 0.36]
    """
    power = None if exponent is None else _given_exponent(exponent)
    table, by = session_frame(frame), column_name(by, "by")
    series = read_series(table, column_name(column, "column"), unit=by)
    clock = series.sessions.astype(float) if time is None else _clock(table, series, column_name(time, "time"))
    follows = np.diff(series.codes) == 0
    apart = np.where(follows, np.diff(clock), np.nan)
    _check_times(apart[follows], time)
    neighbours = follows & (np.diff(series.sessions) == 1)
    if not neighbours.any():
        raise _no_neighbours(series, column)
    moves = np.diff(series.ratings)
    power, origin = _exponent(moves[follows], apart[follows], series.codes[1:][follows], power)
    middle = float(np.median(apart[follows]))
    adjusted = moves / (np.where(follows, apart, 1.0) / middle) ** power
    measures = _measures(series, neighbours=neighbours, follows=follows, adjusted=adjusted)
    return Instability(
        outcome=column,
        exponent=power,
        time=time,
        n_pairs=int(neighbours.sum()),
        series=series,
        measures=measures,
        notes=(*_notes(series, measures, by, int(follows.sum() - neighbours.sum())), origin, *series.notes),
    )


def _given_exponent(exponent: float) -> float:
    """Return the exponent of time that was passed, raising when it is none."""
    if number(exponent, "exponent", most=STEEPEST) < 0:
        raise DataError.build(f"exponent = {exponent} is no power of time.", hint="pass 0 for none, or 0.5.")
    return float(exponent)


def _no_neighbours(series: SessionSeries, column: str) -> DataError:
    """Return the error for ratings of which no two are neighbours."""
    few = int((series.counts < 2).sum())
    hint = f"instability needs several ratings in a row: take {series.noun}s with two or more rated sessions."
    if few < series.n_units:
        hint = (
            "if 'session' counts days or weeks, number the sessions 1, 2, 3, ..., for example with "
            f"frame.groupby('{series.noun}')['session'].rank('dense')."
        )
    return DataError.build(
        f"No {series.noun} has two neighbouring ratings of '{column}' ({few} of {counted(series.n_units, series.noun)} "
        f"{'has' if few == 1 else 'have'} fewer than two ratings).",
        hint=hint,
    )


def _clock(frame: pd.DataFrame, series: SessionSeries, time: str) -> FloatArray:
    """Return the time of each rating, shape (n_rated,)."""
    require_columns(frame, [time])
    clock: FloatArray = order_values(frame, time)[series.rows]
    if not np.isfinite(clock).all():
        lost = int((~np.isfinite(clock)).sum())
        raise DataError.build(
            f"{counted(lost, 'rated row')} {'has' if lost == 1 else 'have'} no '{time}'.",
            hint="fill them in, or leave time= out to go by session numbers.",
        )
    return clock


def _check_times(apart: FloatArray, time: str | None) -> None:
    """Raise when time stands still or runs backwards."""
    bad = int((apart <= 0).sum())
    if bad:
        raise DataError.build(
            f"{counted(bad, 'rating')} {'is' if bad == 1 else 'are'} not later than the session before, by '{time}'.",
            hint="check the times or session numbers.",
        )


def _exponent(moves: FloatArray, apart: FloatArray, codes: IntArray, given: float | None) -> tuple[float, str]:
    """Return the exponent of time and a sentence on it."""
    if given is not None:
        return given, f"Differences were adjusted for time with the exponent {given:g}, as given."
    if not np.ptp(apart) > 0:
        return 0.0, "All ratings are the same time apart, so that there is nothing to adjust."
    slope, logs, squares = 0.0, np.log(apart), moves**2
    total = np.bincount(codes, weights=squares)
    for _ in range(100):
        weight = np.exp(slope * logs)
        share = weight / np.bincount(codes, weights=weight)[codes]
        centre = np.bincount(codes, weights=share * logs)
        score = float((squares * logs).sum() - (total * centre).sum())
        information = float((total * (np.bincount(codes, weights=share * logs**2) - centre**2)).sum())
        if not information > 1e-12 * max(float(total.sum()), 1e-300):
            return (
                0.0,
                "No unit has differences over unequal times, so that no exponent could be estimated: none was used.",
            )
        step = float(np.clip(score / information, -1.0, 1.0))
        slope += step
        if abs(step) < 1e-10:
            break
    power = max(0.0, slope / 2)
    cut = " (cut at 0: differences do not grow with time)" if slope < 0 else ""
    return power, f"Differences were adjusted for time with the estimated exponent {power:.3f}{cut}."


def _measures(
    series: SessionSeries, *, neighbours: BoolArray, follows: BoolArray, adjusted: FloatArray
) -> pd.DataFrame:
    """Return one row of measures per unit."""
    codes, size = series.codes, series.n_units

    def sums(values: FloatArray, where: BoolArray | None = None) -> FloatArray:
        of = codes if where is None else codes[1:][where]
        taken = values if where is None else values[where]
        return np.bincount(of, weights=taken, minlength=size).astype(np.float64)

    counts, pairs = series.counts, np.bincount(codes[1:][neighbours], minlength=size)
    all_pairs = np.bincount(codes[1:][follows], minlength=size)
    means = sums(series.ratings) / np.maximum(counts, 1)
    deviations = series.ratings - means[codes]
    squares = sums(deviations**2)
    # rounding leaves a constant series with a spread of the order of its last digits
    flat = squares <= 1e-20 * sums(series.ratings**2)
    squares = np.where(flat, 0.0, squares)
    with np.errstate(invalid="ignore", divide="ignore"):
        mssd = np.where(pairs > 0, sums(np.diff(series.ratings) ** 2, neighbours) / pairs, np.nan)
        variance = np.where(counts > 1, squares / (counts - 1), np.nan)
        products = sums(deviations[1:] * deviations[:-1], neighbours)
        correlation = (products / (pairs + 1)) / (squares / counts)
        ratio = mssd / variance
        spread = np.where(all_pairs > 0, sums(adjusted**2, follows) / all_pairs, np.nan)
    defined = (pairs > 0) & (counts > 2) & ~flat
    return pd.DataFrame(
        {"n": counts, "n_pairs": pairs, "mssd": mssd, "rmssd": np.sqrt(mssd), "adjusted_mssd": spread}
        | {"sd": np.sqrt(variance), "von_neumann": np.where(defined, ratio, np.nan)}
        | {"autocorrelation": np.where(defined, correlation, np.nan)}
    )


def _notes(series: SessionSeries, measures: pd.DataFrame, by: str, gaps: int) -> list[str]:
    """Return what the measures rest on."""
    flat = int((measures["sd"] == 0).sum())
    without = int(measures["mssd"].isna().sum())
    notes = [
        f"N: {counted(series.n_units, by)}, {counted(series.ratings.size, 'rating')}, "
        f"{counted(int(measures['n_pairs'].sum()), 'pair')} of neighbouring sessions; {counted(gaps, 'pair')} across a gap "
        f"{'counts' if gaps == 1 else 'count'} in adjusted_mssd only.",
        f"Level: session to session within the {by}. Estimand: mean over {by}s, each counting once however many ratings there "
        f"are; t intervals with {by}s - 1 degrees of freedom. Error of measurement is part of it.",
    ]
    if without:
        notes.append(f"{counted(without, by)} {'has' if without == 1 else 'have'} no neighbouring ratings and no mssd.")
    if flat:
        notes.append(
            f"{counted(flat, by)} {'does' if flat == 1 else 'do'} not vary: mssd and sd are 0, and there is no "
            "autocorrelation."
        )
    return notes
