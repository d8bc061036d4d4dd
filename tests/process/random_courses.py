"""Random courses of ratings for tests, once as a table and once as exact fractions."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import TypeAlias

import numpy as np
import pandas as pd

Course: TypeAlias = dict[int, Fraction]
"""Ratings by session, ascending; missing sessions are left out."""

Ticks: TypeAlias = list[int]
"""Ratings in units of the scale, one per session."""


def flat(length: int, rng: np.random.Generator) -> Ticks:
    """Return the same rating in all sessions."""
    return [int(rng.integers(5, 40))] * length


def scattered(length: int, rng: np.random.Generator) -> Ticks:
    """Return ratings without any order."""
    return [int(rating) for rating in rng.integers(0, 40, length)]


def calm(length: int, rng: np.random.Generator) -> Ticks:
    """Return ratings near one level."""
    return [int(rng.integers(10, 40)) + int(step) for step in rng.integers(-2, 3, length)]


def dropping(length: int, rng: np.random.Generator) -> Ticks:
    """Return a high level and, from the middle on, a low one."""
    level = int(rng.integers(14, 40))
    return [level - 12 * (place >= length // 2) + int(rng.integers(-1, 2)) for place in range(length)]


def rising(length: int, rng: np.random.Generator) -> Ticks:
    """Return a low level and, from the middle on, a high one."""
    return dropping(length, rng)[::-1]


def stepping(length: int, rng: np.random.Generator) -> Ticks:
    """Return plateaus with steps of four and eight between them, so that differences are often equal or halves."""
    return [int(rating) for rating in 20 + 4 * rng.integers(-2, 3, length).cumsum()]


def random_courses(n: int, *, per_point: int, seed: int, gaps: float = 0.16) -> tuple[pd.DataFrame, dict[str, Course]]:
    """Return a session table with shuffled rows, and the same courses by patient.

    Parameters
    ----------
    n : int
        Patients.
    per_point : int
        Units of the scale in one point: 10 for ratings in tenths.
    seed : int
    gaps : float
        Share of sessions without a rating: one half of them without a row, the other half with a missing value.
    """
    rng = np.random.default_rng(seed)
    kinds: list[Callable[[int, np.random.Generator], Ticks]] = [flat, scattered, calm, dropping, rising, stepping]
    rows: list[tuple[str, int, float]] = []
    courses: dict[str, Course] = {}
    for number in range(n):
        patient, first = f"p{number}", int(rng.integers(0, 3))
        ticks = kinds[number % len(kinds)](int(rng.integers(1, 16)), rng)
        courses[patient] = {}
        for session, tick in enumerate(ticks, first):
            fate = rng.random()
            if fate >= gaps:
                courses[patient][session] = Fraction(max(tick, 0), per_point)
                rows.append((patient, session, max(tick, 0) / per_point))
            elif fate >= gaps / 2:
                rows.append((patient, session, np.nan))
    frame = pd.DataFrame(rows, columns=["patient", "session", "score"])
    return frame.sample(frac=1.0, random_state=seed).reset_index(drop=True), courses
