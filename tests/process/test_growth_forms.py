"""Forms of courses: exact ones, logarithms and units, what the notes say of a break."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from growth_courses import courses

from alliance_stats.errors import DataError
from alliance_stats.process.growth import growth

EXACT: list[tuple[str, float | str | None]] = [
    ("linear", None),
    ("log", None),
    ("piecewise", 8),
    ("piecewise", "estimate"),
    ("hockey_stick", None),
]


def exact(form: str, noise: float = 0.0) -> pd.DataFrame:
    """Return courses that are of a form, each with parameters of its own, in two arms."""
    frame, rng = courses(n_patients=12), np.random.default_rng(2)
    start, first, second = (rng.normal(size=12)[frame["patient"].str[1:].astype(int)] for _ in range(3))
    week = frame["week"].to_numpy()
    shapes = {"linear": first * week, "log": first * np.log1p(week)}
    bent = first * np.minimum(week, 8) + second * np.maximum(week - 8, 0)
    return frame.assign(distress=20 + start + shapes.get(form, bent) + noise * rng.normal(size=week.size))


@pytest.mark.parametrize(("form", "break_at"), EXACT)
@pytest.mark.parametrize("by", [None, "arm"])
def test_courses_that_are_exactly_of_the_form_are_refused_in_words(form: Any, break_at: Any, by: Any) -> None:
    bend = "" if form in ("linear", "log") else " with a bend at week 8"
    message = (
        f"A course of form='{form}'{bend} passes exactly through all 132 ratings of 12 patients: no residual(?s:.*)"
        "Hint: use ratings as they were given"
    )
    with pytest.raises(DataError, match=message) as error:
        growth(exact(form), "distress", form=form, time="week", by=by, break_at=break_at, progress=False)
    assert "theta" not in str(error.value)


def test_exact_courses_at_a_common_rate_are_refused_with_intercepts_alone() -> None:
    frame = exact("linear").assign(distress=lambda d: d["patient"].str[1:].astype(int) + d["week"] ** 2)
    with pytest.raises(DataError, match="form='quadratic' passes exactly"):
        growth(frame, "distress", form="quadratic", time="week", random=("patient",))
    assert growth(frame, "distress", form="linear", time="week", random=("patient",)).fit.sigma > 1


@pytest.mark.parametrize("bars", ["(1 + elapsed || patient)", "(1 | patient)"])
def test_the_random_part_that_was_asked_for_decides_whether_anything_is_left(bars: str) -> None:
    frame = exact("linear")
    if "||" in bars:
        with pytest.raises(DataError, match="passes exactly"):
            growth(frame, "distress", form="linear", time="week", random=(bars,))
    else:
        assert growth(frame, "distress", form="linear", time="week", random=(bars,)).fit.sigma > 0.1


def test_the_least_residual_that_can_be_fitted_is_fitted() -> None:
    result = growth(exact("linear", noise=1e-4), "distress", form="linear", time="week")
    assert result.fit.sigma == pytest.approx(1e-4, rel=0.15)


def test_the_note_on_a_logarithm_names_its_unit() -> None:
    said = "log(elapsed + 1) in the unit of week: in another unit of time (days for weeks) it is another curve"
    notes = {form: growth(courses(), "distress", form=form, time="week").notes for form in ("log", "linear")}
    assert [any(said in note for note in notes[form]) for form in ("log", "linear")] == [True, False]


def test_a_logarithm_of_days_is_another_curve_than_one_of_weeks() -> None:
    days = courses().assign(day=lambda d: 7 * d["week"])
    sigma = {
        (form, time): growth(days, "distress", form=form, time=time).fit.sigma
        for form in ("log", "linear")
        for time in ("day", "week")
    }
    assert sigma["linear", "day"] == pytest.approx(sigma["linear", "week"], rel=1e-5)
    assert abs(sigma["log", "day"] / sigma["log", "week"] - 1) > 0.01


def test_a_given_break_before_an_estimated_one_is_named() -> None:
    result = growth(courses(), "distress", form="hockey_stick", time="week", break_at=3, progress=False)
    assert "The line bends at week 3, as given, and once more after it." in result.notes
    alone = growth(courses(), "distress", form="hockey_stick", time="week", progress=False)
    assert not any("as given" in note for note in alone.notes)
