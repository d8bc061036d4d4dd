"""Ruptures and repairs, rating by rating: a slow second program in exact fractions, and what the package finds."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pandas as pd
import pytest
from random_courses import Course, random_courses

import alliance_stats as al

POINTS = al.load_rupture_criterion("points")
DECLINE = replace(POINTS, key="decline_points", fall="decline")
CRITERIA = {key: al.load_rupture_criterion(key) for key in ("gumz_1sd", "gumz_2sd", "own_sd_step", "control_chart")}
CRITERIA |= {"points": POINTS, "decline_points": DECLINE}
STANDARD_DEVIATIONS = {"gumz_1sd": 1, "gumz_2sd": 2, "own_sd_step": 1}
SCALES = [1, 10, 3]


@dataclass(frozen=True)
class Setting:
    """What the user asks for."""

    key: str
    cutoff: Fraction
    repair: Fraction
    within: int | None
    missing: str


@dataclass(frozen=True)
class Rupture:
    """Sessions of one rupture; before is missing when the fall is measured from the mean."""

    before: int | None
    onset: int
    low: int
    repair: int | None
    fall: Fraction
    outcome: str


def squared_deviation(ratings: list[Fraction]) -> Fraction:
    """Return the squared standard deviation."""
    centre = sum(ratings, Fraction(0)) / len(ratings)
    return sum(((rating - centre) ** 2 for rating in ratings), Fraction(0)) / (len(ratings) - 1)


def pairs(course: Course, missing: str) -> list[tuple[int, int]]:
    """Return the sessions that are compared with each other: neighbours, or ratings that follow one another."""
    sessions = sorted(course)
    return [(a, b) for a, b in pairwise(sessions) if missing == "bridge" or b == a + 1]


def squared_threshold(course: Course, everyone: list[Fraction], setting: Setting) -> Fraction | None:
    """Return the square of the least fall; None for a patient who cannot be judged."""
    compared = pairs(course, setting.missing)
    if setting.key in ("points", "decline_points"):
        return setting.cutoff**2 if compared else None
    if len(course) < 3 or not compared:
        return None
    ratings = list(course.values())
    if setting.key == "control_chart":
        moving = sum((abs(course[b] - course[a]) for a, b in compared), Fraction(0)) / len(compared)
        constant = Fraction(2 / math.sqrt(math.pi))
        return None if moving == 0 and len(set(ratings)) > 1 else (3 * moving / constant) ** 2
    spread = squared_deviation(ratings)
    if setting.key.startswith("gumz"):
        spread = max(spread, squared_deviation(everyone))
    return STANDARD_DEVIATIONS[setting.key] ** 2 * spread


def reaches(fall: Fraction, squared: Fraction) -> bool:
    return fall > 0 and fall**2 >= squared


def high_before(course: Course, session: int, earliest: int, missing: str) -> int:
    """Return the last session before the alliance began to fall, not before the earliest one."""
    earlier = {b: a for a, b in pairs(course, missing)}
    start = session
    while start > earliest and start in earlier and course[earlier[start]] >= course[start]:
        start = earlier[start]
    # of a plateau at the top, the last session
    later = dict(pairs(course, missing))
    while start < session and course[later[start]] == course[start]:
        start = later[start]
    return start


def next_fall(course: Course, squared: Fraction, setting: Setting, earliest: int) -> tuple[int, int] | None:
    """Return the first session at which a fall reaches the threshold, and the session it is measured from."""
    for before, session in pairs(course, setting.missing):
        if before >= earliest and course[session] < course[before]:
            start = before
            if CRITERIA[setting.key].fall == "decline":
                start = high_before(course, before, earliest, setting.missing)
            if reaches(course[start] - course[session], squared):
                return session, start
    return None


def next_crossing(course: Course, squared: Fraction, earliest: int) -> int | None:
    """Return the first session from the earliest on that lies below the limit, the rating before it not."""
    centre = sum(course.values(), Fraction(0)) / len(course)
    was_below = False
    for session in sorted(course):
        below = reaches(centre - course[session], squared)
        if below and not was_below and session >= earliest:
            return session
        was_below = below
    return None


def follow(
    course: Course, onset: int, reference: Fraction, squared: Fraction, setting: Setting
) -> tuple[int, int, str]:
    """Return the lowest session, the last session of the episode, and how it ended."""
    low = last = onset
    on_level = CRITERIA[setting.key].fall == "level"
    for session in (session for session in sorted(course) if session > onset):
        if setting.within is not None and session > onset + setting.within:
            return low, last, "unrepaired"
        last = session
        if course[session] < course[low]:
            low = session
        enough = course[session] - course[low] >= setting.repair * (reference - course[low])
        if enough and not (on_level and reaches(reference - course[session], squared)):
            return low, session, "repaired"
    seen = last - onset
    open_end = seen == 0 or (setting.within is not None and seen < setting.within)
    return low, last, "open" if open_end else "unrepaired"


def ruptures_of(course: Course, squared: Fraction, setting: Setting) -> list[Rupture]:
    """Return the ruptures of one course, one after the other."""
    found: list[Rupture] = []
    earliest, mean = min(course), sum(course.values(), Fraction(0)) / len(course)
    while True:
        before: int | None
        if CRITERIA[setting.key].fall == "level":
            onset, before, reference = next_crossing(course, squared, earliest), None, mean
            if onset is None:
                return found
        else:
            hit = next_fall(course, squared, setting, earliest)
            if hit is None:
                return found
            onset, before = hit
            reference = course[before]
        low, last, outcome = follow(course, onset, reference, squared, setting)
        repair = last if outcome == "repaired" else None
        found.append(Rupture(before, onset, low, repair, reference - course[low], outcome))
        earliest = max(last, onset + 1) if before is None else last


def expected_ruptures(courses: dict[str, Course], setting: Setting) -> dict[str, list[Rupture] | None]:
    """Return the ruptures of each patient with a rating, None where the patient cannot be judged."""
    everyone = [rating for course in courses.values() for rating in course.values()]
    found: dict[str, list[Rupture] | None] = {}
    for patient, course in courses.items():
        if course:
            squared = squared_threshold(course, everyone, setting)
            found[patient] = None if squared is None else ruptures_of(course, squared, setting)
    return found


def package_ruptures(frame: pd.DataFrame, setting: Setting, **options: Any) -> al.Ruptures:
    if CRITERIA[setting.key].unit == "points":
        options["cutoff"] = float(setting.cutoff)
    options |= {"repair": float(setting.repair), "within": setting.within, "missing": setting.missing}
    return al.ruptures(frame, alliance="score", criterion=CRITERIA[setting.key], **options)


def listed(found: al.Ruptures) -> dict[str, list[Rupture]]:
    """Return the ruptures of the package by patient, falls as they are given."""
    names = ["before", "onset", "low", "repair", "fall", "outcome"]
    table: dict[str, list[Rupture]] = {}
    for _, row in found.episodes().iterrows():
        cells = [None if pd.isna(row[name]) else row[name] for name in names]
        table.setdefault(row["patient"], []).append(Rupture(*cells))
    return table


def compare(found: al.Ruptures, expected: dict[str, list[Rupture] | None]) -> int:
    """Hold the ruptures of the package against those of the second program; return how many there are."""
    table, people = listed(found), found.by_patient().set_index("patient")
    # patients whose rows hold no rating stand in the table as well
    assert set(expected) <= set(people.index)
    assert not people.loc[people.index.difference(list(expected)), "judged"].any()
    n_found = 0
    for patient, own in expected.items():
        assert bool(people.loc[patient, "judged"]) == (own is not None)
        theirs, own = table.get(patient, []), own or []
        assert [replace(one, fall=0) for one in theirs] == [replace(one, fall=0) for one in own]
        assert [one.fall for one in theirs] == pytest.approx([float(one.fall) for one in own])
        kinds = Counter(one.outcome for one in own)
        counts = people.loc[patient, ["n_ruptures", "n_repaired", "n_unrepaired", "n_open"]].tolist()
        assert counts == [len(own), kinds["repaired"], kinds["unrepaired"], kinds["open"]]
        n_found += len(own)
    return n_found


def study(per_point: int) -> tuple[pd.DataFrame, dict[str, Course]]:
    """Return sixty random courses."""
    return random_courses(60, per_point=per_point, seed=10 * per_point + 3)


# bridged gaps longer than the window: see the test of small courses below
WINDOWS: dict[str, tuple[int | None, ...]] = {"break": (None, 1, 3), "bridge": (None, 1, 3)}


@pytest.mark.parametrize("per_point", SCALES)
@pytest.mark.parametrize("missing", ["break", "bridge"])
@pytest.mark.parametrize("key", list(CRITERIA))
def test_ruptures_are_those_found_step_by_step(key: str, missing: str, per_point: int) -> None:
    n_found, (frame, courses) = 0, study(per_point)
    for repair in ("1", "0.8", "0.1"):
        for within in WINDOWS[missing]:
            setting = Setting(key, Fraction(8, per_point), Fraction(repair), within, missing)
            n_found += compare(package_ruptures(frame, setting), expected_ruptures(courses, setting))
    assert n_found >= 10


@pytest.mark.parametrize("key", list(CRITERIA))
def test_rises_of_a_scale_that_is_turned_round_are_found_step_by_step(key: str) -> None:
    frame, courses = study(10)
    setting = Setting(key, Fraction(8, 10), Fraction("0.5"), 3, "break")
    found = package_ruptures(frame.assign(score=7 - frame["score"]), setting, direction="higher_is_worse")
    assert compare(found, expected_ruptures(courses, setting)) >= 1


@pytest.mark.parametrize(
    "course",
    [
        {0: 34, 2: 19, 4: 11, 5: 11},
        {0: 34, 2: 19, 3: 19, 5: 11, 6: 11},
        {0: 34, 2: 19, 4: 19, 6: 11, 7: 11},
    ],
)
def test_a_bridged_fall_after_the_window_begins_a_rupture(course: dict[int, int]) -> None:
    exact = {session: Fraction(rating) for session, rating in course.items()}
    frame = pd.DataFrame(
        {"patient": "p", "session": list(course), "score": [float(value) for value in course.values()]}
    )
    setting = Setting("points", Fraction(8), Fraction(1), 1, "bridge")
    expected = expected_ruptures({"p": exact}, setting)
    assert len(expected["p"] or []) == 2
    assert compare(package_ruptures(frame, setting), expected) == 2
