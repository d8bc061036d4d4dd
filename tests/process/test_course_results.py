"""What results of courses and therapists say of themselves: breaks, levels, notes, short names, variances of zero."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from growth_courses import courses

from alliance_stats.process.early_response import EarlyResponse, early_response
from alliance_stats.process.growth import Growth, growth
from alliance_stats.process.therapist_effects import TherapistEffects, therapist_effects
from alliance_stats.process.therapist_tables import ALL


@pytest.fixture(scope="module")
def broken() -> Growth:
    asked: dict[str, Any] = {"form": "piecewise", "time": "week", "break_at": "estimate", "random": ("patient",)}
    return growth(courses(n_patients=30), "distress", level=0.8, progress=False, **asked)


@pytest.fixture(scope="module")
def zero() -> TherapistEffects:
    """Return two therapists whose patients have the same mean."""
    frame = pd.DataFrame({"patient": range(40), "therapist": np.arange(40) % 2})
    frame["ors"] = np.random.default_rng(1).normal(size=40) + 0.01 * (frame["therapist"] == 0)
    frame["ors"] -= 0.999 * frame.groupby("therapist")["ors"].transform("mean")
    return therapist_effects(frame, "ors")


# Breaks


def test_the_break_and_its_interval_are_numbers_in_the_glance(broken: Growth) -> None:
    glance, row = broken.glance().iloc[0], broken.tidy("break").iloc[0]
    assert row["conf_level"] == glance["conf_level"] == 0.8
    expected = row[["estimate", "conf_low", "conf_high"]].tolist()
    assert glance[["break", "break_conf_low", "break_conf_high"]].tolist() == expected
    assert expected[1] < expected[0] < expected[2]
    wide = broken.tidy("break", level=0.99).iloc[0]
    assert wide["conf_low"] < row["conf_low"]


def test_the_notes_name_the_break_and_where_it_stands(broken: Growth) -> None:
    row = broken.tidy("break").iloc[0]
    shown = f"The break, {row['estimate']:.4g} (80% interval {row['conf_low']:.4g} to {row['conf_high']:.4g}; tidy('break'))"
    assert any(note.startswith(shown) for note in broken.notes)


@pytest.mark.parametrize(("form", "break_at", "shown"), [("piecewise", 8, 8.0), ("linear", None, np.nan)])
def test_a_break_that_was_not_estimated_has_no_interval(form: Any, break_at: Any, shown: float) -> None:
    glance = growth(courses(n_patients=30), "distress", form=form, time="week", break_at=break_at).glance().iloc[0]
    np.testing.assert_equal(glance["break"], shown)
    assert glance[["break_conf_low", "break_conf_high"]].isna().all()


@pytest.mark.parametrize("progress", [True, False])
def test_the_bar_of_the_search_can_be_hidden(
    progress: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import tqdm

    plain = tqdm.tqdm

    def at_once(*args: Any, **options: Any) -> Any:
        return plain(*args, **{**options, "delay": 0.0, "mininterval": 0.0})

    monkeypatch.setattr(tqdm, "tqdm", at_once)
    frame = courses(n_patients=12)
    asked: dict[str, Any] = {"form": "piecewise", "time": "week", "break_at": "estimate", "random": ("patient",)}
    result = growth(frame, "distress", progress=progress, **asked)
    assert ("break" in capsys.readouterr().err) is progress
    result.tidy("break", level=0.5)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("progress", [True, False])
def test_the_bar_of_the_profiles_can_be_hidden(
    progress: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import tqdm

    plain = tqdm.tqdm
    monkeypatch.setattr(tqdm, "tqdm", lambda **options: plain(**{**options, "delay": 0.0, "mininterval": 0.0}))
    frame = courses(n_patients=30).assign(therapist=lambda d: d["patient"].str[-1]).drop_duplicates("patient")
    therapist_effects(frame, "distress", progress=progress)
    assert ("profiles" in capsys.readouterr().err) is progress


# Levels, notes, names


def test_the_level_of_the_result_is_that_of_its_tables(broken: Growth) -> None:
    assert broken.tidy()["conf_level"].eq(0.8).all()
    assert broken.tidy("coefficients")["conf_level"].eq(0.8).all()
    pd.testing.assert_frame_equal(broken.tidy(level=0.8), broken.tidy())
    early = early_response(courses(n_patients=30), "distress", until=4, time="week", level=0.6)
    assert early.tidy()["conf_level"].eq(0.6).all()
    half = early.tidy(level=0.5)
    assert (half["conf_low"] > early.tidy()["conf_low"]).all()


def test_the_notes_name_level_and_df_method(broken: Growth) -> None:
    text = "Intervals (80%) and p values: Wald tests with Satterthwaite's degrees of freedom (df method: satterthwaite)"
    assert any(note.startswith(text) for note in broken.notes)
    early = early_response(courses(n_patients=30), "distress", until=4, time="week")
    assert any(note.startswith(text.replace("80", "95")) for note in early.notes)


def test_results_are_short_when_printed(broken: Growth, zero: TherapistEffects) -> None:
    frame = courses(n_patients=30).assign(session=lambda d: d.groupby("patient").cumcount() + 1)
    frame["therapist"] = frame["patient"].str[-1]
    early: EarlyResponse = early_response(frame, "distress", until=4)
    shown = [repr(result) for result in (broken, early, zero, therapist_effects(frame, "distress"))]
    assert shown == [
        "Growth(distress, piecewise, 30 patients, 330 ratings)",
        "EarlyResponse(distress, early up to 4, 30 patients, 210 later ratings)",
        "TherapistEffects(ors, 2 therapists, 40 patients, 40 ratings)",
        "TherapistEffects(distress, 10 therapists, 30 patients, 330 sessions)",
    ]
    assert repr(growth(frame, "distress", form="linear")).endswith("30 patients, 330 sessions)")


# Variances of zero


def test_therapists_that_cannot_be_told_apart_have_no_intervals(zero: TherapistEffects) -> None:
    table = zero.estimates()
    assert table["estimate"].eq(0).all()
    assert table[["std_error", "conf_low", "conf_high"]].isna().all(axis=None)
    assert table["expected_rank"].tolist() == [1.5, 1.5]
    assert table["reliability"].eq(0).all()
    share = zero.tidy().set_index("term").loc[ALL]
    assert share["conf_low"] == 0 < share["conf_high"]


def test_the_notes_say_that_no_interval_is_no_certainty(zero: TherapistEffects) -> None:
    text = " ".join(zero.notes)
    assert "These data do not tell therapists apart, so their estimates have no intervals" in text
    assert "Therapists are numbered by their plain means, because the model without caseload does not rank them" in text
    assert "leave out the average" not in text


def test_slopes_that_cannot_be_told_apart_have_no_intervals() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"patient": np.repeat(np.arange(60), 6), "session": np.tile(np.arange(1.0, 7.0), 60)})
    frame["therapist"] = frame["patient"] % 10
    frame["ors"] = rng.normal(size=60)[frame["patient"]] * frame["session"] + rng.normal(size=len(frame))
    frame["ors"] -= frame.groupby(["therapist", "session"])["ors"].transform("mean")
    result = therapist_effects(frame, "ors", slope="session")
    assert result.tidy().set_index("term").loc["variance of therapists' slopes", "estimate"] == 0
    table = result.estimates().set_index("term").loc["slope of session"]
    assert table[["std_error", "conf_low", "conf_high"]].isna().all(axis=None)


def test_shares_with_a_slope_are_those_at_the_mean_of_its_column() -> None:
    frame = courses(n_patients=60).assign(therapist=lambda d: d["patient"].str[-1])
    frame["distress"] += 4 * frame["therapist"].astype(int)
    ours = therapist_effects(frame, "distress", slope="week").tidy()
    later = therapist_effects(frame.assign(week=frame["week"] + 100), "distress", slope="week").tidy()
    pd.testing.assert_frame_equal(ours, later, rtol=1e-5)


# Rows


def test_ties_of_first_and_total_do_not_leave_the_order_to_ids() -> None:
    ratings = np.array([[5.0, 7, 3, 9], [5, 3, 7, 9], [5, 7, 9, 3], [2, 8, 6, 1], [4, 4, 6, 3]])
    frame = pd.DataFrame({"patient": np.repeat(np.arange(5), 4), "session": np.tile([1, 2, 3, 4], 5)})
    frame["ors"] = ratings.ravel()
    other = frame.assign(patient=4 - frame["patient"]).sort_values("patient")
    first, second = (growth(d, "ors", form="linear", random=("patient",)).tidy("observations") for d in (frame, other))
    pd.testing.assert_frame_equal(first, second)
    assert first.query("level == 3")["value"].tolist() == [5, 3, 7, 9]


def test_therapists_of_later_rows_count_for_early_response() -> None:
    frame = courses(n_patients=40).assign(therapist=lambda d: d["patient"].str[-1])
    frame.loc[frame["week"] < 2, "therapist"] = None
    assert "(1 | therapist)" in early_response(frame, "distress", until=4, time="week").fit.formula
    frame.loc[frame["week"] > 17, "therapist"] = None
    result = early_response(frame, "distress", until=4, time="week")
    assert "therapist" not in result.fit.formula
    assert any("No random effect for therapist: it is missing in 40 of 240 rows" in note for note in result.notes)
