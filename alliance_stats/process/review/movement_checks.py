"""Checks of instability and synchrony: how much they rest on, and what passes for them."""

from __future__ import annotations

import math

import numpy as np

from alliance_stats.process.instability import Instability
from alliance_stats.process.review.event_checks import gaps_of
from alliance_stats.process.review.finding import Finding, Verdict, graded
from alliance_stats.process.review.rating_checks import SKIPPED
from alliance_stats.process.review.reliability import mean_reliability
from alliance_stats.process.synchrony import Synchrony

RELIABLE = 0.70
"""Reliability below which differences between patients are mostly error; a convention of this library."""

STEADY = 0.1
"""Share of squared differences that steady change may make; a convention of this library."""

INDEPENDENT = 2.0
"""Mean square successive difference over variance of independent ratings, as in instability()."""

ENOUGH_WINDOWS = 5
"""With five windows there are 120 orders, so that p can be below .01."""

ENOUGH_SHUFFLES = 199
"""Shuffles with which the smallest p is .005; a convention of this library."""

LIKE_THE_TRUE = 0.5
"""Share of the synchrony that shuffled windows, or the farthest lags, may have; a convention of this library."""

SOME_SYNCHRONY = 0.1
"""Fisher's z that is worth a warning; a convention of this library."""


def few_differences(result: Instability) -> Finding:
    """Tell how reliably patients differ in their instability."""
    series = result.series
    neighbours = (np.diff(series.codes) == 0) & (np.diff(series.sessions) == 1)
    squares = np.diff(series.ratings)[neighbours] ** 2
    known = mean_reliability(squares, series.codes[1:][neighbours])
    pairs = result.measures["n_pairs"].to_numpy(dtype=float)
    text = f"Median of {np.median(pairs):g} neighbouring pairs of ratings in {pairs.size} units"
    if known is None:
        return Finding("few_differences", "caution", f"{text}; how reliably they differ cannot be told.", {"wanted": 0})
    text += f"; the reliability of their mssd is about {known:.2f}"
    if known >= RELIABLE:
        return Finding("few_differences", "fine", f"{text}.")
    # Spearman-Brown: pairs that the median unit would need.
    wanted = math.ceil(np.median(pairs) * RELIABLE / (1 - RELIABLE) * (1 - known) / known) if known > 0 else 0
    how = f"about {wanted} pairs would make it {RELIABLE:.2f}" if wanted else "no number of pairs would raise it"
    return Finding("few_differences", "caution", f"{text}; {how}.", {"wanted": wanted})


def steady_change(result: Instability) -> Finding:
    """Tell what share of the squared differences steady change makes."""
    series, measures = result.series, result.measures
    total, steady = 0.0, 0.0
    for (sessions, values), pairs, mssd in zip(series.courses(), measures["n_pairs"], measures["mssd"], strict=True):
        if values.size < 3 or not pairs:
            continue
        times = sessions - sessions.mean()
        spread = float(times @ times)
        slope = float(times @ values) / spread
        noise = float(((values - values.mean() - slope * times) ** 2).sum()) / (values.size - 2) / spread
        # The square of an estimated slope holds the variance of its error, which is taken off; it may fall below zero.
        steady += float(pairs) * (slope**2 - noise)
        total += float(pairs * mssd)
    share = max(steady / total, 0.0) if total > 0 else 0.0
    text = f"Lines through each unit's ratings make {share:.0%} of the squared differences between sessions."
    words = {"session_part": f"{result.outcome}_session"}
    return Finding("instability_trend", graded(share, caution=STEADY), text, words)


def spread_alone(result: Instability) -> Finding:
    """Tell whether neighbouring ratings are more alike than others."""
    table = result.tidy()
    row = table[table["term"] == "von_neumann"].iloc[0]
    text = (
        f"Squared successive differences over variance: {row['estimate']:.2f} in the mean of {row['n']} units "
        f"({row['conf_low']:.2f} to {row['conf_high']:.2f}; {INDEPENDENT:g} if the order of ratings does not matter)."
    )
    same = not (row["conf_high"] < INDEPENDENT or row["conf_low"] > INDEPENDENT)
    return Finding("instability_spread", "caution" if same else "fine", text)


def instability_gaps(result: Instability) -> Finding:
    """Tell how many steps skip a session."""
    gaps, steps = gaps_of(result.series)
    text = f"{gaps} of {steps} steps between ratings skip a session; the exponent of time is {result.exponent:.2g}."
    return Finding("spacing", graded(gaps / max(steps, 1), caution=SKIPPED), text)


def few_windows(result: Synchrony) -> Finding:
    """Tell how many windows pairs have."""
    counts = result.table.loc[result.table["mean_z"].notna(), "n_windows"].to_numpy()
    few = int((counts < ENOUGH_WINDOWS).sum())
    text = f"{few} of {counts.size} pairs have fewer than {ENOUGH_WINDOWS} windows (median {np.median(counts):g})."
    fewer = min(result.lag_max, max(result.window // 4, 0))
    shorter = max(result.window // 2, 2 * fewer, fewer + 3)
    return Finding("few_windows", graded(few / counts.size, caution=0.0), text, {"shorter": shorter, "fewer": fewer})


def few_shuffles(result: Synchrony) -> Finding:
    """Tell how many shuffles the test has."""
    count = result.surrogates.n
    level: Verdict = "fine" if count >= ENOUGH_SHUFFLES else "mistake" if count < 19 else "caution"
    return Finding("few_surrogates", level, f"{count} shuffles: no p value below {1 / (count + 1):.3f}.")


def shared_trend(result: Synchrony) -> Finding:
    """Tell whether windows that do not belong together are alike."""
    row = result.estimates[result.estimates["term"] == "mean_z"].iloc[0]
    by_chance, found = float(row["surrogate"]), float(row["estimate"])
    text = f"Fisher's z is {found:.2f} in true and {by_chance:.2f} in shuffled windows."
    bad = abs(by_chance) > SOME_SYNCHRONY and abs(by_chance) > LIKE_THE_TRUE * abs(found)
    return Finding("shared_trend", "caution" if bad else "fine", text)


def smooth_series(result: Synchrony) -> Finding | None:
    """Tell whether synchrony hardly depends on the lag."""
    rows = result.estimates[result.estimates["term"] == "z_at_lag"].set_index("lag")
    if result.lag_max < 2:
        return None
    apart = (rows["estimate"] - rows["surrogate"]).abs()
    peak, ends = float(apart.max()), float(apart.loc[[-result.lag_max, result.lag_max]].mean())
    text = f"Fisher's z is at most {peak:.2f} from that of shuffled windows, and {ends:.2f} at the farthest lags."
    bad = peak > SOME_SYNCHRONY and ends > LIKE_THE_TRUE * peak
    return Finding("smooth_series", "caution" if bad else "fine", text)
