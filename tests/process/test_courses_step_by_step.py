"""Instability, synchrony and agreement of criteria: slow second programs, and what the package gives."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from itertools import combinations, pairwise, permutations
from statistics import mean, median, stdev, variance
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pytest
import test_gains_step_by_step as gains
import test_ruptures_step_by_step as ruptures
from random_courses import Course, random_courses

import alliance_stats as al

Flags: TypeAlias = dict[Any, bool]
Series: TypeAlias = dict[int, float]

MEASURES = ["mssd", "rmssd", "adjusted_mssd", "sd", "von_neumann", "autocorrelation"]


def days(frame: pd.DataFrame, seed: int) -> dict[tuple[str, int], float]:
    """Return a day for each row, ascending with the session."""
    rng, found = np.random.default_rng(seed), {}
    for patient, rows in frame.groupby("patient"):
        day = 0.0
        for session in sorted(rows["session"]):
            day += float(rng.integers(1, 15))
            found[str(patient), session] = day
    return found


def waits(course: Course, times: dict[int, float]) -> list[tuple[float, float]]:
    """Return time between and difference of ratings that follow one another."""
    return [(times[b] - times[a], float(course[b] - course[a])) for a, b in pairwise(sorted(course))]


def likelihood(slope: float, courses: list[list[tuple[float, float]]]) -> float:
    """Return the Poisson log likelihood of squared differences, the factor of each unit at its best value."""
    total = 0.0
    for steps in courses:
        whole = sum(step**2 for _, step in steps)
        weight = sum(wait**slope for wait, _ in steps)
        if whole > 0:
            total += sum(step**2 * (slope * math.log(wait) - math.log(weight)) for wait, step in steps)
    return total


def highest(curve: Callable[[float], float], low: float, high: float) -> float:
    """Return where a curve with one top is highest, by thirds."""
    while high - low > 1e-10:
        left, right = low + (high - low) / 3, high - (high - low) / 3
        low, high = (left, high) if curve(left) < curve(right) else (low, right)
    return (low + high) / 2


def autocorrelation(course: Course, neighbours: list[tuple[int, int]]) -> float:
    centre = mean(course.values())
    products = sum((course[a] - centre) * (course[b] - centre) for a, b in neighbours)
    square = mean((rating - centre) ** 2 for rating in course.values())
    return float(products / (len(neighbours) + 1) / square)


def instability_of(course: Course, times: dict[int, float], middle: float, exponent: float) -> dict[str, float]:
    """Return the measures of one unit; a measure that cannot be formed is left out."""
    neighbours = [(n, n + 1) for n in sorted(course) if n + 1 in course]
    found: dict[str, float] = {"n": len(course), "n_pairs": len(neighbours)}
    if len(course) > 1:
        adjusted = [(step / (wait / middle) ** exponent) ** 2 for wait, step in waits(course, times)]
        found |= {"adjusted_mssd": mean(adjusted), "sd": stdev(course.values())}
    if neighbours:
        mssd = mean((course[b] - course[a]) ** 2 for a, b in neighbours)
        found |= {"mssd": float(mssd), "rmssd": math.sqrt(mssd)}
        if len(course) > 2 and len(set(course.values())) > 1:
            found["von_neumann"] = float(mssd / variance(course.values()))
            found["autocorrelation"] = autocorrelation(course, neighbours)
    return found


@pytest.mark.parametrize("per_point", [1, 10, 3])
@pytest.mark.parametrize("exponent", [None, 0.0, 0.5])
@pytest.mark.parametrize("timed", [True, False])
def test_instability_is_that_of_each_course_step_by_step(timed: bool, exponent: float | None, per_point: int) -> None:
    frame, courses = random_courses(60, per_point=per_point, seed=10 * per_point + 3)
    dates = days(frame, seed=per_point)
    frame["day"] = [dates[row.patient, row.session] for row in frame.itertuples()]
    times = {p: {n: dates[p, n] if timed else float(n) for n in course} for p, course in courses.items()}
    steps = [waits(course, times[p]) for p, course in courses.items()]
    found = al.instability(frame, "score", time="day" if timed else None, exponent=exponent)
    slope = highest(lambda value: likelihood(value, steps), -4, 4)
    own = min(max(slope / 2, 0), 2) if exponent is None else exponent
    assert found.exponent == pytest.approx(own, abs=1e-6)
    middle = median(wait for course in steps for wait, _ in course)
    table = found.values().set_index("patient")
    expected = {p: instability_of(courses[p], times[p], middle, own) for p in table.index}
    for patient, row in expected.items():
        theirs = [float(table.loc[patient, name]) for name in ("n", "n_pairs", *MEASURES)]
        ours = [float(row.get(name, math.nan)) for name in ("n", "n_pairs", *MEASURES)]
        assert theirs == pytest.approx(ours, rel=1e-6, abs=1e-9, nan_ok=True)
    means = found.tidy().set_index("term")
    for name in MEASURES:
        known = [row[name] for row in expected.values() if name in row]
        assert means.loc[name, "n"] == len(known)
        assert means.loc[name, ["estimate", "median", "sd"]].tolist() == pytest.approx(
            [mean(known), median(known), stdev(known)], rel=1e-6
        )


def random_dyads(n: int, seed: int) -> tuple[pd.DataFrame, dict[int, tuple[Series, Series]]]:
    """Return recordings in which the second person follows the first, with gaps, and the same series by moment."""
    rng = np.random.default_rng(seed)
    rows, dyads = [], {}
    for dyad in range(n):
        one: Series = {}
        two: Series = {}
        length = int(rng.integers(8, 45))
        lead = rng.normal(size=length + 2)
        for moment in range(length):
            values = [lead[moment + 2] + rng.normal(), 0.8 * lead[moment] + rng.normal()]
            if dyad % 10 == 3:
                values[0] = 4.4
            if dyad % 10 == 4 and moment < 8:
                values[1] = 0.1
            kept = [value if rng.random() > 0.06 else math.nan for value in values]
            if rng.random() > 0.03:
                rows.append((dyad, moment + 10, *kept))
                for series, value in zip((one, two), kept, strict=True):
                    if not math.isnan(value):
                        series[moment] = float(value)
        dyads[dyad] = (one, two)
    frame = pd.DataFrame(rows, columns=["dyad", "session", "one", "two"])
    return frame.sample(frac=1.0, random_state=seed).reset_index(drop=True), dyads


def fisher_z(pairs: list[tuple[float, float]]) -> float | None:
    """Return Fisher's z of a correlation; None with fewer than three pairs or without variation."""
    if len(pairs) < 3 or any(len(set(side)) == 1 for side in zip(*pairs, strict=True)):
        return None
    x, y = mean(a for a, _ in pairs), mean(b for _, b in pairs)
    product = math.fsum((a - x) * (b - y) for a, b in pairs)
    square = math.fsum((a - x) ** 2 for a, _ in pairs) * math.fsum((b - y) ** 2 for _, b in pairs)
    # a correlation of 1 has no finite z
    return math.atanh(min(max(product / math.sqrt(square), -0.999999), 0.999999))


def z_of_windows(one: Series, two: Series, starts: tuple[int, int], window: int, lag: int) -> float | None:
    """Correlate a window of the first series with one of the second that stands a lag later."""
    a, b = starts
    places = [place for place in range(window) if 0 <= place + lag < window]
    pairs = [(one[a + k], two[b + k + lag]) for k in places if a + k in one and b + k + lag in two]
    return fisher_z(pairs)


def mean_of_known(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return mean(known) if known else None


def average(table: dict[tuple[int, int, int], float | None], order: tuple[int, ...], lags: list[int]) -> float | None:
    """Average over windows and then over lags, the second series' windows put in an order."""
    return mean_of_known([mean_of_known([table[lag, i, j] for i, j in enumerate(order)]) for lag in lags])


def window_table(
    one: Series, two: Series, window: int, lags: list[int]
) -> tuple[int, dict[tuple[int, int, int], float | None]]:
    """Return the number of windows, and z of each window with each at each lag."""
    moments = [*one, *two]
    first, count = min(moments), (max(moments) - min(moments) + 1) // window
    places = [(i, j) for i in range(count) for j in range(count)]
    starts = {(i, j): (first + i * window, first + j * window) for i, j in places}
    return count, {(lag, i, j): z_of_windows(one, two, starts[i, j], window, lag) for lag in lags for i, j in places}


def compare_with_all_orders(row: Any, name: str, table: Any, count: int, lags: list[int], n_shuffles: int) -> None:
    """Hold the p value of shuffles against the share among all orders."""
    value = average(table, tuple(range(count)), lags)
    every = [average(table, order, lags) for order in permutations(range(count))]
    known = [other for other in every if other is not None]
    share = sum(other >= value - 1e-12 for other in known) / len(known)
    room = 5 * math.sqrt(share * (1 - share) / n_shuffles) + 2 / n_shuffles
    assert row[f"{name}_p_value"] == pytest.approx(share, abs=room)


@pytest.mark.parametrize(("window", "lag_max"), [(10, 2), (8, 3), (6, 3), (6, 0), (12, 5)])
def test_synchrony_is_that_of_each_dyad_step_by_step(window: int, lag_max: int) -> None:
    frame, dyads = random_dyads(60, seed=window)
    shuffles = al.Surrogates(n=400, seed=2)
    found = al.synchrony(frame, ("one", "two"), window=window, lag_max=lag_max, surrogates=shuffles)
    rows, lags = found.values().set_index("dyad"), list(range(-lag_max, lag_max + 1))
    used = {}
    for dyad, (one, two) in dyads.items():
        count, table = window_table(one, two, window, lags)
        assert rows.loc[dyad, "n_windows"] == count
        if count < 2 or all(value is None for value in table.values()):
            assert math.isnan(rows.loc[dyad, "mean_z"])
            continue
        used[dyad] = count, table
        true, sizes = tuple(range(count)), {key: z if z is None else abs(z) for key, z in table.items()}
        parts = {"mean_z": (table, lags), "mean_absolute_z": (sizes, lags)}
        if lag_max:
            parts |= {"first_leads_z": (table, lags[lag_max + 1 :]), "second_leads_z": (table, lags[:lag_max])}
        for name, (values, some) in parts.items():
            expected = average(values, true, some)
            assert rows.loc[dyad, name] == pytest.approx(
                math.nan if expected is None else expected, abs=1e-9, nan_ok=True
            )
            if expected is not None and count <= 4 and name.startswith("mean"):
                compare_with_all_orders(rows.loc[dyad], name, values, count, some, shuffles.n)
    compare_lags(found.tidy().query("term == 'z_at_lag'").set_index("lag"), used, lags)


def compare_lags(rows: pd.DataFrame, used: dict[int, Any], lags: list[int]) -> None:
    """Hold the means over dyads at each lag, of windows that belong together and of those that do not."""
    for lag in lags:
        together, apart = [], []
        for count, table in used.values():
            together.append(mean_of_known([table[lag, i, i] for i in range(count)]))
            apart.append(mean_of_known([table[lag, i, j] for i in range(count) for j in range(count) if i != j]))
        assert rows.loc[lag, "estimate"] == pytest.approx(mean_of_known(together), abs=1e-9)
        assert rows.loc[lag, "surrogate"] == pytest.approx(mean_of_known(apart), abs=1e-9)
        assert rows.loc[lag, "n"] == len([value for value in together if value is not None])


def kappa(one: list[bool], two: list[bool]) -> tuple[float, float]:
    """Return Cohen's kappa and its standard error, both NaN without variation."""
    if len(set(one)) < 2 or len(set(two)) < 2:
        return math.nan, math.nan
    n = len(one)
    cells = {
        (a, b): sum(pair == (a, b) for pair in zip(one, two, strict=True)) / n
        for a in (True, False)
        for b in (True, False)
    }
    row = {a: cells[a, True] + cells[a, False] for a in (True, False)}
    column = {b: cells[True, b] + cells[False, b] for b in (True, False)}
    agreed, chance = cells[True, True] + cells[False, False], sum(row[a] * column[a] for a in (True, False))
    value = (agreed - chance) / (1 - chance)
    same = sum(cells[a, a] * (1 - (row[a] + column[a]) * (1 - value)) ** 2 for a in (True, False))
    other = (1 - value) ** 2 * sum(cells[a, b] * (column[a] + row[b]) ** 2 for a, b in cells if a != b)
    return value, math.sqrt((same + other - (value - chance * (1 - value)) ** 2) / n) / (1 - chance)


def compare_overlap(rows: pd.DataFrame, flags: dict[str, Flags]) -> None:
    """Hold shares and kappas of one level against those of the flags."""
    shares = rows[rows["kind"] == "share"].set_index("term")
    kappas = rows[rows["kind"] == "kappa"].set_index(["term", "term2"])
    assert len(kappas) == math.comb(len(flags), 2)
    for key, own in flags.items():
        assert shares.loc[key, ["n", "n_found"]].tolist() == [len(own), sum(own.values())]
        assert shares.loc[key, "estimate"] == pytest.approx(sum(own.values()) / len(own))
    for first, second in combinations(flags, 2):
        places = [place for place in flags[first] if place in flags[second]]
        one, two = [flags[first][place] for place in places], [flags[second][place] for place in places]
        row = kappas.loc[(first, second)]
        both, either = sum(map(min, one, two)), sum(map(max, one, two))
        assert row[["n", "n_both", "n_either"]].tolist() == [len(places), both, either]
        assert row[["estimate", "std_error"]].tolist() == pytest.approx(kappa(one, two), abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("per_point", [1, 10, 3])
@pytest.mark.parametrize("missing", ["adjusted", "complete"])
@pytest.mark.parametrize("n", [60, 9])
def test_agreement_of_gain_criteria_is_that_of_flags_step_by_step(n: int, missing: Any, per_point: int) -> None:
    frame, courses = random_courses(n, per_point=per_point, seed=10 * per_point + 8)
    sessions: dict[str, Flags] = {}
    people: dict[str, Flags] = {}
    for key in gains.KEYS:
        setting = gains.Setting(key, Fraction(4, per_point), "higher_is_worse", missing)
        met = {p: gains.changes_of(course, setting, "gain") for p, course in courses.items()}
        places = {p: gains.judged_intervals(course, setting) for p, course in courses.items()}
        sessions[key] = {(p, n): n in met[p] for p in courses for n in places[p]}
        people[key] = {p: bool(met[p]) for p in courses if places[p]}
    table = al.compare_gain_criteria(
        frame, "score", cutoff=4 / per_point, direction="higher_is_worse", missing=missing
    ).tidy()
    compare_overlap(table[table["level"] == "session"], sessions)
    compare_overlap(table[table["level"] == "patient"], people)


@pytest.mark.parametrize("per_point", [1, 10, 3])
@pytest.mark.parametrize("missing", ["break", "bridge"])
def test_agreement_of_rupture_criteria_is_that_of_flags_step_by_step(missing: Any, per_point: int) -> None:
    frame, courses = random_courses(60, per_point=per_point, seed=10 * per_point + 9)
    sessions: dict[str, Flags] = {}
    people: dict[str, Flags] = {}
    for key in ("gumz_1sd", "gumz_2sd", "own_sd_step", "control_chart"):
        setting = ruptures.Setting(key, Fraction(8, per_point), Fraction("0.5"), 3, missing)
        found = {p: own for p, own in ruptures.expected_ruptures(courses, setting).items() if own is not None}
        onsets = {(p, rupture.onset) for p, own in found.items() for rupture in own}
        compared = {p: [b for _, b in ruptures.pairs(courses[p], missing)] for p in found}
        places = {p: list(courses[p]) if key == "control_chart" else compared[p] for p in found}
        sessions[key] = {(p, n): (p, n) in onsets for p in found for n in places[p]}
        people[key] = {p: bool(own) for p, own in found.items()}
    table = al.compare_rupture_criteria(frame, alliance="score", repair=0.5, within=3, missing=missing).tidy()
    compare_overlap(table[table["level"] == "session"], sessions)
    compare_overlap(table[table["level"] == "patient"], people)
