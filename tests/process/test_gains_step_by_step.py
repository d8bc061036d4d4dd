"""Sudden gains, interval by interval: a slow second program in exact fractions, and what the package finds."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import pandas as pd
import pytest
from random_courses import Course, random_courses
from scipy.stats import t

import alliance_stats as al

QUARTER, HALF = Fraction(1, 4), Fraction(1, 2)
KEYS = ["tang_derubeis", "tang_derubeis_fixed", "tang_derubeis_t_test", "gaynor", "kelly"]
SCALES = [1, 10, 3]

# criteria of our own whose third rule is met exactly far more often than in the bundled ones
TWO_SD = replace(al.load_gain_criterion("tang_derubeis"), key="two_sd", critical=2.0)
ONE_SD = replace(al.load_gain_criterion("kelly"), key="one_sd", constant=1.0)
MOST_KEPT = replace(al.load_gain_criterion("gaynor"), key="most_kept", constant=0.75)
OWN = {rule.key: rule for rule in (TWO_SD, ONE_SD, MOST_KEPT)}


@dataclass(frozen=True)
class Setting:
    """What the user asks for."""

    key: str
    cutoff: Fraction
    direction: str
    missing: str


@dataclass(frozen=True)
class Change:
    """A gain or a loss, from one session to the next."""

    improvement: Fraction
    reversal_value: Fraction
    undone: bool


def mean(scores: list[Fraction]) -> Fraction:
    return sum(scores, Fraction(0)) / len(scores)


def squares(scores: list[Fraction]) -> Fraction:
    """Return the sum of squared deviations from the mean."""
    return sum(((score - mean(scores)) ** 2 for score in scores), Fraction(0))


def rated(course: Course, *sessions: int) -> list[Fraction]:
    """Return the scores of those sessions that are rated."""
    return [course[session] for session in sessions if session in course]


def sides(course: Course, n: int) -> tuple[list[Fraction], list[Fraction]]:
    """Return up to three scores before and up to three after the interval from session n to n+1."""
    return rated(course, n - 2, n - 1, n), rated(course, n + 1, n + 2, n + 3)


def whole(course: Course) -> bool:
    """Tell whether every session from the first rating to the last is rated."""
    return len(course) == max(course) - min(course) + 1


def can_be_judged(course: Course, n: int, setting: Setting) -> bool:
    """Tell whether the third rule has the scores it needs."""
    complete = setting.missing == "complete"
    if setting.key in ("gaynor", "most_kept"):
        return len(rated(course, n + 2, n + 3)) >= (2 if complete else 1)
    if setting.key in ("kelly", "one_sd"):
        return len(course) >= 3 and (whole(course) or not complete)
    return all(len(side) >= (3 if complete else 2) for side in sides(course, n))


def critical_value(key: str, degrees: int) -> Fraction:
    if key == "two_sd":
        return Fraction(2)
    return Fraction("2.776") if key == "tang_derubeis_fixed" else Fraction(float(t.ppf(0.975, degrees)))


def means_are_apart(course: Course, n: int, key: str, sign: int) -> bool:
    """Tell whether mean(before) - mean(after) > t * s, for the t test t * s * sqrt(1/n1 + 1/n2)."""
    before, after = sides(course, n)
    degrees = len(before) + len(after) - 2
    variance = (squares(before) + squares(after)) / degrees
    if key == "tang_derubeis_t_test":
        variance *= Fraction(1, len(before)) + Fraction(1, len(after))
    apart = sign * (mean(before) - mean(after))
    return apart > 0 and apart**2 > critical_value(key, degrees) ** 2 * variance


def is_stable(course: Course, n: int, key: str, sign: int) -> bool:
    """Tell whether the third rule is met."""
    size = sign * (course[n] - course[n + 1])
    if key in ("gaynor", "most_kept"):
        part = HALF if key == "gaynor" else 3 * QUARTER
        return all(sign * (course[n] - later) >= part * size for later in rated(course, n + 2, n + 3))
    if key in ("kelly", "one_sd"):
        times = Fraction(3, 2) if key == "kelly" else Fraction(1)
        return size**2 >= times**2 * squares(list(course.values())) / (len(course) - 1)
    return means_are_apart(course, n, key, sign)


def fall_or_rise(setting: Setting, kind: str) -> int:
    """Return 1 when falls of the score are looked for, -1 when rises are."""
    return 1 if (setting.direction == "higher_is_worse") == (kind == "gain") else -1


def intervals(course: Course) -> list[int]:
    """Return the sessions n that are rated together with n+1."""
    return [session for session in course if session + 1 in course]


def judged_intervals(course: Course, setting: Setting) -> list[int]:
    return [n for n in intervals(course) if can_be_judged(course, n, setting)]


def changes_of(course: Course, setting: Setting, kind: str) -> dict[int, Change]:
    """Return the gains or the losses of one course by the session before them."""
    sign, found = fall_or_rise(setting, kind), {}
    for n in judged_intervals(course, setting):
        size = sign * (course[n] - course[n + 1])
        large = size > 0 and size >= setting.cutoff and size >= QUARTER * course[n]
        if large and is_stable(course, n, setting.key, sign):
            half = (course[n] + course[n + 1]) / 2
            undone = any(sign * (score - half) > 0 for session, score in course.items() if session >= n + 2)
            found[n] = Change(size if kind == "gain" else -size, half, undone)
    return found


def studies(per_point: int) -> list[tuple[pd.DataFrame, dict[str, Course]]]:
    """Return two studies of sixty random courses each."""
    return [random_courses(60, per_point=per_point, seed=10 * per_point + number) for number in (5, 6)]


def package_gains(frame: pd.DataFrame, setting: Setting) -> al.SuddenGains:
    options: dict[str, Any] = {"direction": setting.direction, "missing": setting.missing}
    criterion = OWN.get(setting.key, setting.key)
    return al.sudden_gains(frame, "score", cutoff=float(setting.cutoff), criterion=criterion, **options)


def compare_changes(found: al.SuddenGains, courses: dict[str, Course], setting: Setting, kind: Any) -> int:
    """Hold the changes of the package against those of the second program; return how many there are."""
    expected = {
        (p, n): change for p, course in courses.items() for n, change in changes_of(course, setting, kind).items()
    }
    table = found.changes(kind).set_index(["patient", "session"])
    assert set(table.index) == set(expected)
    for place, change in expected.items():
        row = table.loc[place]
        assert row["magnitude"] == pytest.approx(float(change.improvement))
        assert row["reversal_value"] == pytest.approx(float(change.reversal_value))
        assert bool(row["reversed"]) == change.undone
        scores = [courses[place[0]].get(place[1] + step, math.nan) for step in range(-2, 4)]
        columns = [f"score_{name}" for name in ("n-2", "n-1", "n", "n+1", "n+2", "n+3")]
        assert [float(value) for value in row[columns]] == pytest.approx(
            [float(score) for score in scores], nan_ok=True
        )
    return len(expected)


def compare_counts(found: al.SuddenGains, courses: dict[str, Course], setting: Setting) -> None:
    """Hold the counts of intervals and of patients against those of the second program."""
    judged = {patient: len(judged_intervals(course, setting)) for patient, course in courses.items()}
    row = found.glance().iloc[0]
    assert row["n_intervals"] == sum(len(intervals(course)) for course in courses.values())
    assert row["n_intervals_judged"] == sum(judged.values())
    assert row["n_patients_judged"] == sum(count > 0 for count in judged.values())
    people = found.by_patient().set_index("patient")
    for patient in people.index:
        assert bool(people.loc[patient, "judged"]) == (judged[patient] > 0)
        assert people.loc[patient, "n_changes"] == len(changes_of(courses[patient], setting, "gain"))


@pytest.mark.parametrize("per_point", SCALES)
@pytest.mark.parametrize("missing", ["adjusted", "complete"])
@pytest.mark.parametrize("direction", ["higher_is_better", "higher_is_worse"])
@pytest.mark.parametrize("key", [*KEYS, *OWN])
def test_gains_and_losses_are_those_found_step_by_step(key: str, direction: str, missing: str, per_point: int) -> None:
    setting = Setting(key, Fraction(4, per_point), direction, missing)
    n_changes = 0
    for frame, courses in studies(per_point):
        found = package_gains(frame, setting)
        compare_counts(found, courses, setting)
        n_changes += sum(compare_changes(found, courses, setting, kind) for kind in ("gain", "loss"))
    assert n_changes >= 10


def ties_of(course: Course, setting: Setting, kind: str) -> list[str]:
    """Return the rules that are just reached, for each interval at which the change is large enough."""
    sign, found = fall_or_rise(setting, kind), []
    for n in judged_intervals(course, setting):
        size = sign * (course[n] - course[n + 1])
        if size <= 0 or size < setting.cutoff or size < QUARTER * course[n]:
            continue
        before, after = sides(course, n)
        later = rated(course, n + 2, n + 3)
        variance = squares(list(course.values())) / max(len(course) - 1, 1)
        apart = sign * (mean(before) - mean(after))
        met = {
            "cutoff": size == setting.cutoff,
            "share": size == QUARTER * course[n],
            "half kept": any(sign * (course[n] - score) == HALF * size for score in later),
            "most kept": any(sign * (course[n] - score) == 3 * QUARTER * size for score in later),
            "two sd": 0 < apart**2 * (len(before + after) - 2) == 4 * (squares(before) + squares(after)),
            "one sd": size**2 == variance,
        }
        found += [rule for rule, tie in met.items() if tie]
    return found


def test_the_random_courses_meet_rules_exactly() -> None:
    for per_point in SCALES:
        setting = Setting("kelly", Fraction(4, per_point), "higher_is_worse", "adjusted")
        seen: Counter[str] = Counter()
        for _, courses in studies(per_point):
            for course in courses.values():
                seen.update([*ties_of(course, setting, "gain"), *ties_of(course, setting, "loss")])
        assert min(seen[rule] for rule in ("cutoff", "share", "half kept", "most kept", "two sd")) >= 1


# from 11 to 5 is one and a half standard deviations of the five ratings: 6^2 = (3/2)^2 * 64/4
@pytest.mark.parametrize("per_point", [1, 10, 3, 7])
def test_a_fall_of_exactly_one_and_a_half_standard_deviations_counts(per_point: int) -> None:
    course = {session: Fraction(tick, per_point) for session, tick in enumerate([1, 11, 5, 4, 9], 1)}
    setting = Setting("kelly", Fraction(4, per_point), "higher_is_worse", "complete")
    assert list(changes_of(course, setting, "gain")) == [2]
    frame = pd.DataFrame([(1, n, float(v)) for n, v in course.items()], columns=["patient", "session", "score"])
    assert package_gains(frame, setting).changes()["session"].tolist() == [2]
