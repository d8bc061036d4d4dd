"""What rows must be before a rating can be split by level."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alliance_stats.errors import ColumnError, DataError, agreeing, counted
from alliance_stats.process.arguments import require_known
from alliance_stats.process.centering import within_between
from alliance_stats.process.parts import complete_rows, quoted
from alliance_stats.process.session_checks import (
    require_finite,
    require_one_rater,
    require_sessions_once,
    units_that_vary,
)

LEVELS = {"patient": "patient"}
FRAME = pd.DataFrame({"patient": ["a", "a", "b", "b"], "session": [1, 2, 1, 2], "wai": [1.0, 2.0, 3.0, 5.0]})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0, np.inf], r"has 1 infinite value \(the first in data row 2\)"),
        ([-np.inf, np.inf], r"has 2 infinite values"),
    ],
)
def test_infinite_ratings_are_refused_with_a_count(values: list[float], message: str) -> None:
    with pytest.raises(DataError, match=rf"'wai' {message}[\s\S]*Hint: mark them as missing"):
        require_finite(np.array(values), "wai")
    require_finite(np.array([1.0, np.nan]), "wai")


def test_raters_are_counted_where_there_are_ratings() -> None:
    mixed = FRAME.assign(rater=["patient", "patient", "patient", "observer"])
    with pytest.raises(
        DataError, match=r"'wai' mixes the ratings of 2 raters \(column 'rater', 3, 1 rows\)[\s\S]*to_wide"
    ):
        require_one_rater(mixed, "wai", LEVELS)
    require_one_rater(mixed.assign(wai=[1.0, 2.0, 3.0, np.nan]), "wai", LEVELS)
    require_one_rater(FRAME, "wai", LEVELS)


def test_raters_of_different_patients_are_mixed_too() -> None:
    frame = FRAME.assign(rater=["patient", "patient", "observer", "observer"])
    with pytest.raises(DataError, match=r"2 raters"):
        require_one_rater(frame, "wai", LEVELS)


def test_a_pair_with_two_raters_does_not_keep_them_apart() -> None:
    frame = FRAME.assign(pair=[1, 1, 2, 2], rater=["patient", "observer"] * 2)
    with pytest.raises(DataError, match=r"2 raters"):
        require_one_rater(frame, "wai", {"pair": "pair"})
    require_one_rater(frame.assign(pair=[1, 2, 3, 4]), "wai", {"pair": "pair"})


def test_repeated_sessions_are_counted_and_placed() -> None:
    with pytest.raises(
        DataError, match=r"1 row repeats a patient and session of another row \(the first in data row 5\)"
    ):
        require_sessions_once(pd.concat([FRAME, FRAME.iloc[2:3]], ignore_index=True), LEVELS)
    with pytest.raises(DataError, match=r"4 rows repeat a patient and session[\s\S]*Hint: keep one row per patient"):
        require_sessions_once(pd.concat([FRAME, FRAME], ignore_index=True), LEVELS)


def test_rows_of_nobody_repeat_nothing() -> None:
    nobody = pd.DataFrame({"patient": [None, None], "session": [1, 1], "wai": [1.0, 1.0]})
    require_sessions_once(pd.concat([FRAME, nobody], ignore_index=True), LEVELS)


def test_units_with_several_values_are_counted() -> None:
    values, codes = np.array([1.0, 1.0, 2.0, 3.0, 9.0]), np.array([0, 0, 1, 1, 2])
    assert units_that_vary(values, codes) == (1, 2)
    assert units_that_vary(np.array([0.1 + 0.2, 0.3]), np.array([0, 0])) == (0, 1)
    assert units_that_vary(np.zeros(0), np.zeros(0, dtype=int)) == (0, 0)


# Raters in a split


@pytest.mark.parametrize("lag", [0, 1])
def test_raters_mixed_in_one_column_are_refused_with_counts(lag: int) -> None:
    frame = FRAME.assign(rater=["patient", "observer"] * 2)
    with pytest.raises(
        DataError, match=r"ratings of 2 raters \(column 'rater', 2, 2 rows\)(?s:.*)keep the rows of one rater"
    ):
        within_between(frame, "wai", levels=("patient",), lag=lag)
    one = frame[frame["rater"] == "observer"]
    np.testing.assert_array_equal(within_between(one, "wai", levels=("patient",))["wai_session"], [0.0, 0.0])
    assert "raters" not in " ".join(
        within_between(FRAME.assign(rater="patient"), "wai", levels=("patient",)).attrs["notes"]
    )


def test_a_second_rater_without_ratings_is_no_second_rater() -> None:
    empty = FRAME.assign(rater="observer", wai=np.nan)
    out = within_between(pd.concat([FRAME.assign(rater="patient"), empty]), "wai", levels=("patient",))
    np.testing.assert_array_equal(out["wai_session"].dropna(), [-0.5, 0.5, -1.0, 1.0])


def test_units_of_one_rater_each_keep_raters_apart() -> None:
    # One row per patient, session and rater: raters differ in level, not in what happens from session to session.
    frame = pd.concat([FRAME.assign(rater="patient"), FRAME.assign(rater="observer", wai=FRAME["wai"] + 10)])
    frame["pair"] = frame["patient"].astype(str) + frame["rater"]
    out = within_between(frame, "wai", levels=("pair",), lag=1)
    np.testing.assert_array_equal(out["wai_session"], [-0.5, 0.5, -1.0, 1.0] * 2)
    assert any("Ratings of wai mix 2 raters (column 'rater')" in note for note in out.attrs["notes"])


def test_a_level_of_raters_keeps_them_apart() -> None:
    frame = pd.concat([FRAME.assign(rater="own"), FRAME.assign(rater="observed", wai=FRAME["wai"] + 10)])
    frame["rater"] = frame["patient"].astype(str) + frame["rater"]
    out = within_between(frame, "wai", levels=("rater", "patient"))
    np.testing.assert_array_equal(out["wai_rater"], [-5.0] * 4 + [5.0] * 4)


# What is shared with other analyses of sessions


def test_a_column_that_is_not_there_is_named() -> None:
    with pytest.raises(ColumnError, match=r"No column 'nope'"):
        complete_rows(FRAME, "wai", ["patient", "nope"])


def test_rows_without_a_patient_are_counted_in_full() -> None:
    frame = FRAME.assign(patient=[None, None, "b", "b"], wai=[np.nan, 1.0, np.nan, 2.0])
    rows, notes = complete_rows(frame, "wai", ["patient"])
    assert notes == ["Rows: 4; analysed: 1; left out: 1 without wai, 2 without patient (each row counted once)."]
    assert rows.index.tolist() == [3]


def test_a_name_with_the_quote_of_formulas_is_refused() -> None:
    assert quoted("a b") == "`a b`"
    with pytest.raises(ColumnError, match=r"'a`b' holds a backtick[\s\S]*Hint: rename"):
        quoted("a`b")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("none", r"No trend 'none'"),
        ("None", r"No trend 'None'"),
        (3, r"No trend '3'"),
        ([None], r"No trend of type list"),
    ],
)
def test_the_text_none_is_told_from_none(value: object, message: str) -> None:
    with pytest.raises(DataError, match=rf"{message}[\s\S]*and None without quotes[\s\S]*detrend=None, without quotes"):
        require_known(value, "detrend", ["linear"], kind="trend")
    require_known(None, "detrend", ["linear"], kind="trend")
    require_known("linear", "detrend", ["linear"], kind="trend")


def test_counts_and_verbs_follow_their_number() -> None:
    assert [counted(n, "patient") for n in (0, 1, 2)] == ["0 patients", "1 patient", "2 patients"]
    assert [agreeing(n, "has", "have") for n in (1, 2)] == ["has", "have"]
