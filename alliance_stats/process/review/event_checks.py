"""Checks of ruptures and sudden gains: how they were found, what missing sessions hide, what noise makes as well."""

from __future__ import annotations

import numpy as np
import pandas as pd

from alliance_stats.process.criteria_overlap import CriteriaOverlap
from alliance_stats.process.gain_criteria import load_gain_criterion
from alliance_stats.process.gain_detection import find_gains
from alliance_stats.process.gain_matching import GainContrast
from alliance_stats.process.review.analysis import Analysis
from alliance_stats.process.review.finding import Finding, graded
from alliance_stats.process.review.rating_checks import SKIPPED
from alliance_stats.process.ruptures import Ruptures
from alliance_stats.process.session_series import FloatArray, SessionSeries, content_order
from alliance_stats.process.sudden_gains import SuddenGains, sign_of_fall

SHUFFLES, SEED = 20, 1
"""Random orders of each course that gains are counted in; fixed, so that a review says the same every time."""

MOSTLY_CHANCE = 0.5
"""Gains in random order per gain found, above which noise explains much; a convention of this library."""

UNJUDGED, UNMATCHED = 0.2, 0.2
"""Shares of patients that may be left out before a reader must know; conventions of this library."""

APART = 0.25
"""Distance before the gain in standard deviations that is too large for a pair; a convention of this library."""

OTHER_FORM = {"mean_difference_in_sd": "tang_derubeis_t_test", "two_sample_t": "tang_derubeis"}
"""The two readings of the third rule of Tang and DeRubeis, each with the criterion of the other."""

COUNTS_DIFFER = 2.0
"""Most over fewest events by criterion above which criteria disagree; a convention of this library."""


def series_analysis(series: SessionSeries, column: str) -> Analysis:
    """Return ratings of single courses as the checks of ratings see them, units as numbers."""
    frame = pd.DataFrame({"patient": series.codes, "session": series.sessions, column: series.ratings})
    return Analysis(frame=frame, outcome=column, levels={"patient": "patient"})


def one_criterion(result: Ruptures | SuddenGains, titles: set[str]) -> Finding:
    """Tell whether events were found by one criterion; ``titles`` of all that are reviewed together."""
    row = result.glance().iloc[0]
    counts = {str(name): int(row[name]) for name in row.index if str(name).startswith("n_") and pd.notna(row[name])}
    shown = ", ".join(f"{name.removeprefix('n_').replace('_', ' ')} {count}" for name, count in counts.items())
    if len(titles) > 1:
        return Finding("post_hoc_events", "fine", f"{len(titles)} criteria are reviewed together; {shown}.")
    other = _other_form(result) if isinstance(result, SuddenGains) else ""
    return Finding("post_hoc_events", "caution", f"One criterion ({result.criterion.title}); {shown}{other}.")


def compared_criteria(result: CriteriaOverlap) -> list[Finding]:
    """Tell how many criteria are compared, and how far they agree."""
    row = result.glance().iloc[0]
    text = f"{len(result.titles)} criteria are compared."
    ratio = row["most"] / row["fewest"] if row["fewest"] else float("inf")
    kappas = "" if pd.isna(row["lowest_kappa"]) else f"; kappa {row['lowest_kappa']:.2f} to {row['highest_kappa']:.2f}"
    found = f"From {row['fewest']} to {row['most']} {result.event}s by criterion{kappas}."
    return [
        Finding("post_hoc_events", "fine", text),
        Finding("criteria_disagree", graded(ratio, caution=COUNTS_DIFFER), found),
    ]


def events_missed(result: Ruptures | SuddenGains) -> Finding:
    """Tell how many patients could not be judged, and how many steps skip a session."""
    judged = result.judged if isinstance(result, Ruptures) else result.found["gain"].judged.any(axis=1)
    missed, size = int((~judged).sum()), result.series.n_units
    gaps, steps = gaps_of(result.series)
    text = f"{missed} of {size} patients could not be judged; {gaps} of {steps} steps between ratings skip a session."
    bad = missed > UNJUDGED * size or gaps > SKIPPED * steps
    other = {"break": "bridge", "bridge": "break", "adjusted": "complete", "complete": "adjusted"}[result.missing]
    return Finding("events_missed", "caution" if bad else "fine", text, {"other_rule": other})


def gains_by_chance(result: SuddenGains) -> Finding | None:
    """Tell how many gains courses in random order hold."""
    found = int(result.found["gain"].found.sum())
    if not found:
        return None
    sign = sign_of_fall(result.direction, "gain")
    rng = np.random.default_rng(SEED)
    table = result.table[content_order(list(result.table))]
    counts = [
        int(
            find_gains(
                _shuffled(table, rng),
                result.criterion,
                cutoff=result.cutoff,
                sign=sign,
                missing=result.missing,
                slack=result.series.slack,
            ).found.sum()
        )
        for _ in range(SHUFFLES)
    ]
    expected = float(np.mean(counts))
    text = (
        f"{found} gains were found; the same courses in random order hold {expected:.1f} (mean of {SHUFFLES} orders)."
    )
    return Finding("events_by_chance", graded(expected / found, caution=MOSTLY_CHANCE), text)


def partners(result: GainContrast) -> Finding:
    """Tell how many gains found no partner, and how alike pairs were."""
    distance = result.pairs["distance"].to_numpy(dtype=float)
    before = result.pairs["before_gain"] - result.pairs["before_control"]
    spread = float(np.sqrt((result.pairs["before_gain"].var() + result.pairs["before_control"].var()) / 2.0))
    shift = float(before.mean()) / spread if spread > 0 else 0.0
    far = int((distance > APART).sum())
    text = (
        f"{result.n_unmatched} of {result.n_gains} patients with a gain found no partner; {far} of {len(distance)} pairs are "
        f"more than {APART:g} standard deviations apart before the gain; {result.column} before it differs by {shift:+.2f}."
    )
    bad = result.n_unmatched > UNMATCHED * result.n_gains or far > UNMATCHED * len(distance) or abs(shift) > APART
    return Finding("gain_partners", "caution" if bad else "fine", text)


def cutoff_of(result: Ruptures) -> float | None:
    """Return the least fall in points, if the criterion leaves it to the user."""
    return float(np.nanmin(result.thresholds)) if result.criterion.threshold is None else None


def gaps_of(series: SessionSeries) -> tuple[int, int]:
    """Return how many steps between a unit's ratings skip a session number, and how many there are."""
    steps = np.diff(series.sessions)[np.diff(series.codes) == 0]
    return int((steps > 1).sum()), int(steps.size)


def _other_form(result: SuddenGains) -> str:
    """Return how many gains the other reading of the third rule finds."""
    key = OTHER_FORM.get(result.criterion.stability)
    if key is None:
        return ""
    sign = sign_of_fall(result.direction, "gain")
    rule = load_gain_criterion(key)
    other = find_gains(
        result.table, rule, cutoff=result.cutoff, sign=sign, missing=result.missing, slack=result.series.slack
    )
    return f"; by the other reading of its third rule ('{key}') gains {int(other.found.sum())}"


def _shuffled(table: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return the ratings of each unit in random order on the sessions it was rated in, shape (n_units, n_sessions)."""
    missing = np.isnan(table)
    keys = np.where(missing, np.inf, rng.random(table.shape))
    ordered = np.take_along_axis(table, np.argsort(keys, axis=1), axis=1)
    out = np.empty_like(table)
    np.put_along_axis(out, np.argsort(missing, axis=1, kind="stable"), ordered, axis=1)
    return out
