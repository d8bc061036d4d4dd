"""What courses and therapist effects take: frames of any kind, rows of one rater, options of the right type."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from growth_courses import courses

from alliance_stats.errors import AllianceStatsError, ColumnError, DataError
from alliance_stats.process.early_response import early_response
from alliance_stats.process.growth import growth
from alliance_stats.process.rated_rows import rated_rows
from alliance_stats.process.therapist_effects import therapist_effects

Call = Callable[..., Any]


def table() -> pd.DataFrame:
    """Return 24 patients of six therapists with eleven sessions each."""
    frame = courses(n_patients=24)
    number = frame["patient"].str[1:].astype(int)
    skill = np.array([0.0, 4.0, -3.0, 1.0, 6.0, -5.0])
    return frame.assign(
        session=frame.groupby("patient").cumcount() + 1,
        therapist="t" + (number % 6).astype(str),
        distress=frame["distress"] + skill[number % 6],
    )


def course(frame: Any, outcome: Any = "distress", **options: Any) -> Any:
    return growth(frame, outcome, **({"form": "linear"} | options))


def early(frame: Any, outcome: Any = "distress", **options: Any) -> Any:
    return early_response(frame, outcome, **({"until": 4} | options))


def therapists(frame: Any, outcome: Any = "distress", **options: Any) -> Any:
    return therapist_effects(frame, outcome, **options)


EACH = pytest.mark.parametrize("call", [course, early, therapists], ids=["growth", "early", "therapists"])
COURSES = pytest.mark.parametrize("call", [course, early], ids=["growth", "early"])


# Frames


@EACH
@pytest.mark.parametrize("kind", ["polars", "pyarrow", "index", "shuffled", "category", "text sessions"])
def test_numbers_do_not_hang_on_the_kind_of_frame(call: Call, kind: str) -> None:
    frame = table()
    other: dict[str, Callable[[], Any]] = {
        "polars": lambda: pl.from_pandas(frame),
        "pyarrow": lambda: pa.Table.from_pandas(frame),
        "index": lambda: frame.set_index("patient", drop=False).rename_axis("patient"),
        "shuffled": lambda: frame.sample(frac=1, random_state=1).set_axis(np.arange(len(frame)) // 2),
        "category": lambda: frame.astype({"patient": "category", "therapist": "category"}),
        "text sessions": lambda: frame.assign(session=frame["session"].astype(str)),
    }
    expected = call(frame)
    found = call(other[kind]())
    pd.testing.assert_frame_equal(found.tidy(), expected.tidy(), rtol=1e-5, atol=1e-8)
    assert found.notes == expected.notes


@EACH
@pytest.mark.parametrize("frame", [None, [1, 2], {"patient": [1]}, "frame.csv"])
def test_what_is_no_frame_is_an_error(call: Call, frame: Any) -> None:
    with pytest.raises(DataError, match=r"needs a table of sessions(?s:.*)Hint: pass a pandas"):
        call(frame)


@EACH
def test_rows_without_a_patient_are_counted(call: Call) -> None:
    frame = table()
    frame.loc[[2, 5], "patient"] = None
    assert any("2 without patient" in note for note in call(frame).notes)


@EACH
def test_rows_are_accounted_for_once(call: Call) -> None:
    frame = table()
    frame.loc[:2, "distress"] = np.nan
    accounts = [note for note in call(frame).notes if note.startswith("Rows:")]
    assert len(accounts) == 1
    assert accounts[0].startswith("Rows: 264; ")
    assert "3 without distress" in accounts[0]


# Raters and copies


@EACH
def test_mixed_raters_are_refused_with_counts(call: Call) -> None:
    frame = table()
    stacked = pd.concat([frame.assign(rater="Qx"), frame.iloc[:100].assign(rater="Zy", distress=1.0)])
    with pytest.raises(
        DataError, match=r"'distress' mixes the ratings of 2 raters \(column 'rater'; 264, 100 rows"
    ) as e:
        call(stacked)
    assert "keep the rows of one rater, for example with frame[frame['rater'] == <one rater>]" in str(e.value)
    assert "Qx" not in str(e.value)


@EACH
def test_one_rater_among_rated_rows_is_one_rater(call: Call) -> None:
    frame = table()
    stacked = pd.concat([frame.assign(rater="a"), frame.assign(rater="b", distress=np.nan)])
    pd.testing.assert_frame_equal(call(stacked).tidy(), call(frame).tidy(), rtol=1e-6)


def test_a_rater_that_is_a_covariate_is_not_mixed_up() -> None:
    frame = table().assign(rater=lambda d: np.where(d["session"] % 2, "a", "b"))
    with pytest.raises(DataError, match="mixes the ratings of 2 raters"):
        therapists(frame)
    assert "rater" in therapists(frame, covariates=["rater"]).fits["without caseload"].formula
    assert "rater" in early(frame, covariates=["rater"]).fit.formula


@EACH
def test_copies_are_refused_with_the_row_of_the_frame(call: Call) -> None:
    frame = table()
    frame.loc[:9, "distress"] = np.nan
    twice = pd.concat([frame, frame.iloc[20:23]])
    with pytest.raises(DataError, match=r"3 rows repeat the patient and session of an earlier row .*data row 265"):
        call(twice)


def test_one_row_per_patient_needs_no_session() -> None:
    frame = table().drop_duplicates("patient")
    expected = therapists(frame.drop(columns="session"))
    pd.testing.assert_frame_equal(therapists(frame).tidy(), expected.tidy())
    assert therapists(table().drop(columns="session")).caseload.repeated


# Outcomes


@EACH
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.assign(distress=np.nan), "'distress' is missing in all 264 rows(?s:.*)how it was scored"),
        (lambda d: d.assign(distress=np.inf), "Column 'distress' has 264 infinite values(?s:.*)mark them as missing"),
        (
            lambda d: d.assign(distress=[-np.inf, *d["distress"][1:]]),
            r"has 1 infinite value \(the first in data row 1\)",
        ),
        (lambda d: d.assign(distress=3.0), "'distress' is the same in all 264 rows(?s:.*)check the column"),
        (
            lambda d: d.assign(distress=d.groupby("patient")["distress"].transform("first")),
            r"'distress' does not vary within patients \(24 of 24 with two or more rows have one value\)",
        ),
        (lambda d: d.assign(distress="low"), "'distress' should hold numbers; 264 of 264 cells"),
    ],
    ids=["missing", "infinite", "one infinite", "constant", "constant within", "text"],
)
def test_an_outcome_that_carries_nothing_is_named(call: Call, change: Any, message: str) -> None:
    with pytest.raises(AllianceStatsError, match=message):
        call(change(table()))


def test_an_outcome_of_the_whole_treatment_has_a_way_out() -> None:
    whole = table().assign(distress=lambda d: d.groupby("patient")["distress"].transform("last"))
    with pytest.raises(DataError, match=r"one row per patient, for example frame\.drop_duplicates\('patient'\)"):
        therapists(whole)
    assert therapists(whole.drop_duplicates("patient").drop(columns="session")).caseload.n_patients == 24
    with pytest.raises(DataError, match="a value of the whole treatment has no course"):
        course(whole)


def test_columns_that_are_never_filled_together_are_counted() -> None:
    frame = table().assign(severity=lambda d: np.where(d["session"] < 6, np.nan, 1.0))
    frame.loc[frame["session"] >= 6, "distress"] = np.nan
    message = r"None of the 264 rows has all of distress, patient, therapist, severity \(144 without distress, 120 without sev"
    with pytest.raises(DataError, match=message):
        therapists(frame, caseload=["severity"])


# Times


@COURSES
@pytest.mark.parametrize(
    ("cells", "word"),
    [
        (lambda n: pd.date_range("2024-01-01", periods=n), "holds dates"),
        (lambda n: [f"2024-01-{1 + k % 28:02d}" for k in range(n)], "264 of 264 cells are text"),
        (lambda n: [dt.date(2024, 1, 1 + k % 28) for k in range(n)], "264 of 264 cells are text"),
    ],
    ids=["dates", "texts", "objects"],
)
def test_dates_as_times_have_a_way_to_days(call: Call, cells: Any, word: str) -> None:
    frame = table().assign(datum=lambda d: cells(len(d)))
    with pytest.raises(ColumnError, match=word) as error:
        call(frame, time="datum")
    assert "2024" not in str(error.value)
    hint = str(error.value).split("Hint: ")[1]
    assert "days since each patient's first" in hint
    steps = hint.split("first: ")[1].split("; then")[0]
    space = {"pd": pd, "frame": frame}
    exec(steps, space)
    days = space["frame"]
    assert days.groupby("patient")["day"].min().eq(0).all()


@COURSES
def test_rows_and_totals_are_those_of_the_frame(call: Call) -> None:
    frame = table().assign(week=lambda d: d["week"].astype(object))
    frame.loc[:39, "distress"] = np.nan
    frame.loc[100, "week"] = "late"
    with pytest.raises(ColumnError, match=r"Column 'week' .* 1 of 264 cells is text \(the first in data row 101\)"):
        call(frame, time="week")


@COURSES
def test_infinite_times_are_counted(call: Call) -> None:
    frame = table()
    frame.loc[[7, 9], "week"] = np.inf
    with pytest.raises(DataError, match="Column 'week' has 2 infinite values"):
        call(frame, time="week")


# Options

OPTIONS: list[tuple[Call, dict[str, Any], str]] = [
    *(
        (call, {"outcome": value}, r"outcome names one column")
        for call in (course, early, therapists)
        for value in (["distress"], None)
    ),
    *((call, {"outcome": "nope"}, "No column 'nope'") for call in (course, early, therapists)),
    *((call, {"outcome": "session"}, "Column 'session' holds|two roles") for call in (course, early, therapists)),
    *((call, {"outcome": "patient"}, "Column 'patient' holds who is treated") for call in (course, early, therapists)),
    *((call, {"level": "a"}, "level is a number between 0 and 1") for call in (course, early, therapists)),
    *((call, {"level": 1.0}, "level lies between 0 and 1") for call in (course, early, therapists)),
    *((call, {"time": ["session"]}, "time names one column; a list") for call in (course, early)),
    *(
        (call, {"time": "therapist"}, "Column 'therapist' holds who treats; that is not a time")
        for call in (course, early)
    ),
    *((call, {"progress": 1}, "progress is True or False") for call in (course, therapists)),
    *((call, {"covariates": ["nope"]}, "No column 'nope'") for call in (early, therapists)),
    *((call, {"covariates": [1]}, "covariates is a list of column names") for call in (early, therapists)),
    *((early, {"until": value}, "until is a number; ") for value in ("4", None, True, np.nan)),
    (early, {"covariates": ["therapist"]}, "'therapist' cannot be a covariate"),
    (course, {"by": ["arm"]}, "by names one column; a list"),
    (course, {"by": "nope"}, "No column 'nope'"),
    (course, {"random": 5}, "random is a list of column names"),
    (course, {"form": ["linear"]}, "No form of growth"),
    (course, {"form": "piecewise", "break_at": ["estimate"]}, "break_at is neither a number nor 'estimate'"),
    (course, {"form": "piecewise", "break_at": True}, "break_at is neither a number nor 'estimate'"),
    (course, {"form": "piecewise", "break_at": np.nan}, "break_at=nan leaves 0"),
    (therapists, {"slope": ["session"]}, "slope names one column; a list"),
    (therapists, {"slope": "nope"}, "No column 'nope'"),
    (therapists, {"slope": "distress"}, "'distress' cannot be the slope"),
    (therapists, {"slope": "patient"}, "'patient' cannot be the slope"),
    (therapists, {"caseload": 3}, "caseload is a list of column names"),
    (therapists, {"caseload": ["nope"]}, "No column 'nope'"),
    (therapists, {"direction": ["up"]}, "No direction"),
]


@pytest.mark.parametrize(("call", "options", "message"), OPTIONS)
def test_a_wrong_option_is_named_with_its_remedy(call: Call, options: dict[str, Any], message: str) -> None:
    with pytest.raises(AllianceStatsError, match=message) as error:
        call(table(), **options)
    assert "Hint: " in str(error.value)


def test_breaks_may_be_numbers_of_numpy() -> None:
    asked = {"form": "piecewise", "time": "week"}
    ours = course(table(), break_at=np.int64(8), **asked).tidy()
    pd.testing.assert_frame_equal(ours, course(table(), break_at=8, **asked).tidy())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"times": "ab"}, "times is a number; a text"),
        ({"times": 4}, "times= needs two or more"),
        ({"times": (1, None)}, "times is a number; None"),
        ({"df": ["normal"]}, "No df method"),
        ({"level": "a"}, "level is a number"),
        ({"part": ["break"]}, "No part"),
    ],
)
def test_a_wrong_option_of_the_tables_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(AllianceStatsError, match=message):
        course(table()).tidy(**options)


def test_labels_are_true_or_false() -> None:
    with pytest.raises(DataError, match="labels is True or False"):
        therapists(table()).estimates(labels="yes")


# Names that the models use


@pytest.mark.parametrize(
    ("call", "options", "name"),
    [
        (early, {"outcome": "early_slope"}, "early_slope"),
        (early, {"covariates": ["early_start"]}, "early_start"),
        (early, {"time": "later_time"}, "later_time"),
        (course, {"outcome": "elapsed"}, "elapsed"),
        (therapists, {"outcome": "session_centred", "slope": "session"}, "session_centred"),
        (therapists, {"covariates": ["session_centred"], "slope": "session"}, "session_centred"),
    ],
)
def test_a_name_of_the_model_is_refused(call: Call, options: dict[str, Any], name: str) -> None:
    frame = table().assign(**{name: lambda d: d["distress"]})
    with pytest.raises(DataError, match=f"The name '{name}' is used by the model(?s:.*)rename"):
        call(frame, **options)


@pytest.mark.parametrize(
    "name", ["early_slope", "early_start", "later_time", "later_mean", "elapsed", "session_centred"]
)
@EACH
def test_such_a_name_of_another_column_does_no_harm(call: Call, name: str) -> None:
    frame = table()
    pd.testing.assert_frame_equal(call(frame.assign(**{name: "text"})).tidy(), call(frame).tidy())


def test_a_slope_of_text_that_reads_as_numbers_is_a_slope() -> None:
    frame = table().assign(week=lambda d: d["week"].astype(str))
    pd.testing.assert_frame_equal(therapists(frame, slope="week").tidy(), therapists(table(), slope="week").tidy())


def test_a_slope_needs_change_within_patients() -> None:
    frame = table().assign(severity=lambda d: d["patient"].str[1:].astype(int))
    with pytest.raises(DataError, match=r"'severity' does not vary within patients \(24 of 24(?s:.*)caseload="):
        therapists(frame, slope="severity")


def test_two_groups_of_mixed_ids_have_an_order() -> None:
    frame = table().assign(arm=lambda d: [1 if name == "brief" else "b" for name in d["arm"]])
    assert course(frame, by="arm").groups == ("1", "b")


def test_complete_rows_keep_their_place_in_the_frame() -> None:
    frame = table()
    frame.loc[[0, 4], "distress"] = np.nan
    found = rated_rows(frame, "distress", ["patient"])
    assert found.rows.index[:3].tolist() == [1, 2, 3]
    assert (found.n_given, found.left_out) == (264, {"without distress": 2, "without patient": 0})
