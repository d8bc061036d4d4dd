"""Instability."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from course_frames import course, long_frame, noise, relabelled

import alliance_stats as al
from alliance_stats import AllianceStatsError, DataError
from alliance_stats.process.instability import MEASURES

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[1] / "golden" / "courses.json").read_text())
TABLE = GOLDEN["table"][:12]


@pytest.mark.parametrize(
    ("name", "column"),
    [("mssd", "mssd"), ("sd", "sd"), ("adjusted", "adjusted_mssd"), ("autocorrelation", "autocorrelation")],
)
def test_measures_with_gaps_are_those_of_r(name: str, column: str) -> None:
    ours = al.instability(long_frame(TABLE), "score", exponent=0.4).values()[column]
    assert ours.tolist() == pytest.approx([row[name] for row in GOLDEN["instability"]["measures"]], rel=1e-10)


def test_without_gaps_mssd_is_that_of_r_package_psych() -> None:
    row = al.instability(course(*GOLDEN["instability"]["whole"]), "score").values().iloc[0]
    assert row["mssd"] == pytest.approx(GOLDEN["instability"]["whole_mssd"], rel=1e-12)
    assert row["rmssd"] == pytest.approx(GOLDEN["instability"]["whole_rmssd"], rel=1e-12)


def test_the_exponent_is_that_of_a_poisson_regression_in_r() -> None:
    result = al.instability(long_frame(TABLE), "score")
    assert result.exponent == pytest.approx(GOLDEN["instability"]["power"], rel=1e-6)
    assert any(f"estimated exponent {result.exponent:.3f}" in note for note in result.notes)


def test_shuffled_sessions_bring_mssd_to_twice_the_variance() -> None:
    rng = np.random.default_rng(1)
    walk = np.cumsum(rng.normal(size=(200, 40)), axis=1)
    walking = al.instability(long_frame(walk), "score").values()["von_neumann"]
    shuffled = al.instability(long_frame(rng.permuted(walk, axis=1)), "score").values()["von_neumann"]
    assert walking.mean() < 0.5
    # over all orders of n values the mean of mssd is exactly twice the variance
    assert shuffled.mean() == pytest.approx(2, abs=4 * shuffled.std() / np.sqrt(200))


def test_known_instability_is_recovered() -> None:
    # AR(1) with unit innovations: variance 1 / (1 - phi^2), mssd 2 / (1 + phi)
    rng = np.random.default_rng(2)
    phi, n = 0.6, 400
    course_ = np.zeros((60, n))
    course_[:, 0] = rng.normal(size=60) / np.sqrt(1 - phi**2)
    for step in range(1, n):
        course_[:, step] = phi * course_[:, step - 1] + rng.normal(size=60)
    rows = al.instability(long_frame(course_), "score").tidy().set_index("term")
    for term, truth in (("mssd", 2 / (1 + phi)), ("autocorrelation", phi - (1 + 4 * phi) / n)):
        assert abs(rows.loc[term, "estimate"] - truth) < 3 * rows.loc[term, "std_error"]
    assert rows.loc["sd", "estimate"] == pytest.approx(1 / np.sqrt(1 - phi**2), rel=0.02)


def test_a_random_walk_at_unequal_times_has_the_exponent_one_half() -> None:
    rng = np.random.default_rng(3)
    gaps = rng.integers(1, 15, size=(300, 20))
    days = np.cumsum(gaps, axis=1)
    walk = np.cumsum(rng.normal(size=gaps.shape) * np.sqrt(gaps), axis=1)
    frame = long_frame(walk).assign(day=days.ravel())
    assert al.instability(frame, "score", time="day").exponent == pytest.approx(0.5, abs=0.05)
    still = long_frame(rng.normal(size=gaps.shape)).assign(day=days.ravel())
    assert al.instability(still, "score", time="day").exponent == pytest.approx(0, abs=0.05)


def test_at_equal_times_the_adjusted_measure_is_the_plain_one() -> None:
    frame = noise(20, 9).assign(day=lambda d: 7.0 * d["session"])
    result = al.instability(frame, "score", time="day")
    values = result.values()
    assert values["adjusted_mssd"].tolist() == pytest.approx(values["mssd"].tolist())
    assert any("same time apart" in note for note in result.notes)


def test_the_unit_of_time_does_not_matter() -> None:
    frame = noise(20, 9).assign(day=lambda d: d["session"] ** 1.5)
    one = al.instability(frame, "score", time="day").tidy()
    two = al.instability(frame.assign(day=frame["day"] * 24), "score", time="day").tidy()
    pd.testing.assert_frame_equal(one, two)


def test_gaps_are_never_bridged_in_mssd() -> None:
    result = al.instability(course(1, 2, None, 90, 91), "score", exponent=0)
    assert result.values()["mssd"].tolist() == [1.0]
    assert result.values()["adjusted_mssd"].tolist() == pytest.approx([(1 + 88**2 + 1) / 3])
    assert any("1 pair across a gap counts" in note for note in result.notes)


def test_labels_and_the_order_of_rows_change_nothing() -> None:
    frame = long_frame(GOLDEN["table"])
    one, two = al.instability(frame, "score").tidy(), al.instability(relabelled(frame), "score").tidy()
    pd.testing.assert_frame_equal(one, two)


def test_a_shift_changes_nothing_and_a_stretch_squares() -> None:
    frame = long_frame(GOLDEN["table"])
    base, moved = (al.instability(f, "score").values() for f in (frame, frame.assign(score=1e4 + 3 * frame["score"])))
    assert moved["mssd"].tolist() == pytest.approx((9 * base["mssd"]).tolist())
    assert moved["autocorrelation"].tolist() == pytest.approx(base["autocorrelation"].tolist(), nan_ok=True)


def test_the_tidy_table_is_the_mean_over_patients() -> None:
    result = al.instability(long_frame(GOLDEN["table"]), "score")
    tidy = result.tidy().set_index("term")
    assert tidy.index.tolist() == list(MEASURES)
    assert tidy.loc["rmssd", "estimate"] == pytest.approx(result.values()["rmssd"].mean())
    assert tidy.loc["rmssd", "median"] == pytest.approx(result.values()["rmssd"].median())
    assert tidy.loc["rmssd", "n"] == result.glance()["n_units_measured"].iloc[0]


def test_units_can_be_dyads() -> None:
    frame = noise(6, 8).rename(columns={"patient": "dyad"})
    assert al.instability(frame, "score", by="dyad").values().columns[0] == "dyad"


def test_patients_who_do_not_vary_or_have_one_rating_are_noted() -> None:
    frame = long_frame([[0.1 + 0.2] * 5, [1, 2, 1, 2, 1], [3, None, None, None, None]])
    result = al.instability(frame, "score")
    values = result.values()
    assert values["mssd"].tolist()[:2] == [0.0, 1.0]
    assert np.isnan(values["autocorrelation"].iloc[0])
    assert np.isnan(values["mssd"].iloc[2])
    assert any(note.startswith("1 patient does not vary") for note in result.notes)
    assert any(note.startswith("1 patient has no neighbouring") for note in result.notes)


@pytest.mark.parametrize(
    ("frame", "options", "message"),
    [
        (
            noise(4, 1),
            {},
            r"No patient has two neighbouring ratings of 'score' \(4 of 4 patients have fewer[\s\S]*two or more rated sessions",
        ),
        (noise(4, 5).assign(day=1.0), {"time": "day"}, r"16 ratings are not later[\s\S]*check the times"),
        (noise(4, 5).assign(day=np.nan), {"time": "day"}, r"20 rated rows have no 'day'[\s\S]*session numbers"),
        (noise(4, 5), {"exponent": -1}, r"exponent = -1[\s\S]*0.5"),
        (
            noise(4, 5).assign(rater=["a", "b"] * 10),
            {},
            r"2 raters \(column 'rater'\)[\s\S]*keep the rows of one rater",
        ),
    ],
)
def test_bad_input_is_refused(frame: pd.DataFrame, options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        al.instability(frame, "score", **options)


@pytest.mark.parametrize("kind", ["dates", "texts"])
def test_times_given_as_dates_are_refused_with_a_way_to_days(kind: str) -> None:
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(noise(4, 5)["session"], unit="D")
    frame = noise(4, 5).assign(datum=days if kind == "dates" else days.dt.strftime("%Y-%m-%d"))
    with pytest.raises(AllianceStatsError, match=r"'datum' holds dates[\s\S]*Hint: [\s\S]*\.dt\.days"):
        al.instability(frame, "score", time="datum")
    numbers = frame.assign(datum=(days - days.min()).dt.days)
    assert al.instability(numbers, "score", time="datum").time == "datum"


def test_sessions_further_apart_than_one_are_no_neighbours_and_the_hint_says_so() -> None:
    frame = noise(4, 5).assign(session=lambda d: 7 * d["session"])
    with pytest.raises(DataError, match=r"\(0 of 4 patients have fewer than two ratings\)[\s\S]*counts days or weeks"):
        al.instability(frame, "score")
    assert al.instability(noise(4, 5), "score").time is None


def test_notes_tell_level_estimand_and_degrees_of_freedom() -> None:
    notes = " ".join(al.instability(noise(4, 5), "score").notes)
    assert "Level: session to session within the patient. Estimand: mean over patients" in notes
    assert "t intervals with patients - 1 degrees of freedom" in notes
    assert "Rows: 20; used: 20, of 4 patients; none left out." in notes
