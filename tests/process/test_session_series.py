"""Ratings of single courses, read and sorted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from course_frames import course, long_frame, noise

import alliance_stats as al
from alliance_stats import ColumnError, DataError
from alliance_stats.process.session_series import read_series

# means of twelve and of three items, and points with one decimal: differences that just reach thresholds are frequent
TABLES = {
    "twelfths": np.random.default_rng(1).integers(12, 61, size=(80, 10)) / 12,
    "thirds": 20 + np.random.default_rng(2).integers(0, 30, size=(80, 10)) / 3,
    "tenths": np.random.default_rng(3).integers(100, 300, size=(80, 10)) / 10,
}
CUTOFFS = {"twelfths": 0.25, "thirds": 4 / 3, "tenths": 2.1}


@pytest.fixture(params=list(TABLES))
def stored(request: pytest.FixtureRequest) -> tuple[pd.DataFrame, list[pd.DataFrame], float]:
    """Return a frame of eight-byte ratings, the same in four bytes, and a cut-off that differences often just reach."""
    frame = long_frame(TABLES[request.param])
    short = [frame.assign(score=frame["score"].astype(kind)) for kind in ("float32", "Float32", "float[pyarrow]")]
    return frame, short, CUTOFFS[request.param]


@pytest.mark.parametrize("criterion", al.list_gain_criteria()["key"].tolist())
def test_gains_do_not_depend_on_how_numbers_are_stored(criterion: str, stored: Any) -> None:
    frame, short, cutoff = stored
    options: Any = {"cutoff": cutoff, "criterion": criterion, "direction": "higher_is_worse"}
    expected = al.sudden_gains(frame, "score", **options).glance()
    assert expected["n_gains"].iloc[0] > 0
    for other in short:
        pd.testing.assert_frame_equal(al.sudden_gains(other, "score", **options).glance(), expected)


@pytest.mark.parametrize("criterion", ["gumz_1sd", "gumz_2sd", "own_sd_step", "control_chart", "points"])
def test_ruptures_do_not_depend_on_how_numbers_are_stored(criterion: str, stored: Any) -> None:
    frame, short, cutoff = stored
    options: Any = {"cutoff": cutoff} if criterion == "points" else {}
    expected = al.ruptures(frame, alliance="score", criterion=criterion, repair=0.5, **options).episodes()
    for other in short:
        found = al.ruptures(other, alliance="score", criterion=criterion, repair=0.5, **options).episodes()
        pd.testing.assert_frame_equal(found, expected, atol=1e-5)


def test_ratings_of_four_bytes_stand_for_their_shortest_decimal_number() -> None:
    values = np.array([0.1, 3.3, 123456.7, 1e-5, np.nan, 4.0])
    frame = pd.DataFrame({"patient": 1, "session": range(6), "score": values.astype("float32")})
    series = read_series(frame, "score")
    assert series.ratings.tolist() == values[~np.isnan(values)].tolist()
    assert series.slack == pytest.approx(123456.7 * 4 * np.finfo("float32").eps)
    assert read_series(frame.assign(score=values), "score").slack == pytest.approx(123456.7e-9)


def test_row_numbers_in_messages_are_those_of_the_frame_passed_in() -> None:
    nobody = pd.DataFrame({"patient": [None] * 3, "session": [1.0, 1.0, np.nan], "score": 1.0})
    frame = pd.concat([nobody, noise(2, 4)], ignore_index=True)
    frame.loc[8, "session"] = 1.5
    with pytest.raises(DataError, match=r"1 of 8 are missing or fractional \(the first in data row 9\)[\s\S]*Hint"):
        read_series(frame, "score")
    frame.loc[8, "session"] = 1
    with pytest.raises(DataError, match=r"1 row repeats the patient, session .*first in data row 9\)[\s\S]*remove"):
        read_series(frame, "score")


def test_rows_are_counted_by_reason() -> None:
    frame = long_frame([[1, 2, 3], [4, 5, 6]]).astype({"score": float})
    frame.loc[[3, 4, 5], "score"] = np.nan
    more = pd.concat([frame, frame.iloc[:1].assign(patient=np.nan)], ignore_index=True)
    assert read_series(more, "score").notes == (
        "Rows: 7; used: 3, of 1 patient; left out: 1 without patient, 3 without 'score' (each row counted once); sessions "
        "without a rating count as missing; 1 patient has no rating at all.",
    )
    assert read_series(frame.iloc[:3], "score").notes == ("Rows: 3; used: 3, of 1 patient; none left out.",)


def test_every_row_that_stood_after_a_later_session_is_counted() -> None:
    frame = course(1, 2, 3, 4, 5)
    for order, n in (([4, 0, 1, 2, 3], 4), ([0, 2, 1, 3, 4], 1)):
        note = read_series(frame.iloc[order], "score").notes[1]
        assert note.startswith(f"{n} row{'s' if n > 1 else ''} stood after a later session of the same unit")
    mixed = pd.concat([frame.iloc[[4]], frame.assign(patient=2), frame.iloc[:4]])
    assert read_series(mixed, "score").notes[1].startswith("4 rows stood")


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinite_values_are_refused_with_their_count(value: float) -> None:
    frame = noise(3, 12).assign(other=lambda d: d["score"].where(d.index != 5, value))
    gains = al.sudden_gains(frame, "score", cutoff=3, criterion="gaynor", direction="higher_is_worse")
    message = r"Column 'other' has 1 infinite value\.[\s\S]*mark them as missing"
    with pytest.raises(DataError, match=message):
        al.around_gains(gains, frame, column="other")
    for columns in (("score", "other"), ("other", "score")):
        with pytest.raises(DataError, match=message):
            al.synchrony(frame, columns, window=4, lag_max=1, by="patient")
    with pytest.raises(DataError, match=message):
        al.ruptures(frame, alliance="other", criterion="gumz_1sd", repair=1.0)


def test_raters_may_be_part_of_the_unit() -> None:
    frame = pd.concat([noise(3, 5).assign(rater=who) for who in ("a", "b")])
    assert read_series(frame, "score", unit=["patient", "rater"]).n_units == 6
    with pytest.raises(DataError, match=r"2 raters \(column 'rater'\)[\s\S]*keep the rows of one rater"):
        read_series(
            frame.drop_duplicates(["patient", "session"], keep="last").assign(rater=["a", "b", "a"] * 5), "score"
        )


def test_columns_that_hold_no_rating_are_refused() -> None:
    frame = noise(3, 5)
    with pytest.raises(ColumnError, match=r"'session' holds order[\s\S]*score"):
        read_series(frame, "session")
    with pytest.raises(ColumnError, match=r"Two or more columns are called 'patient'[\s\S]*rename"):
        read_series(pd.concat([frame, frame[["patient"]]], axis=1), "score")
