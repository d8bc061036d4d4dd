from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from alliance_stats.errors import ColumnError, DataError
from alliance_stats.loaders.column_map import read_column_map, read_study_data
from alliance_stats.loaders.courses import course_table
from alliance_stats.loaders.map_schema import ColumnMap, DataFile

SharedData = Callable[[str], Path]
CANARY = "Zsuzsanna-Quibble-19710203"

MAP = ColumnMap(
    study="any",
    level="session",
    title="A ward",
    simulated=False,
    source="Ours",
    files=(DataFile("ward.csv"),),
    columns={"patient": "pid", "session": "week", "therapist": "th", "dyad": "pair"},
    units=("dyad",),
    course="run",
)


@pytest.fixture
def visits() -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "patient": ["p", "p", "p", "q", "q"],
            "session": [1, 2, 1, 1, 2],
            "therapist": ["t", "t", "u", "t", "t"],
            "dyad": ["pt", "pt", "pu", "qt", "qt"],
            "run": [11, 11, 12, 13, 13],
            "wai": [4.0, 5.0, 3.0, 6.0, 7.0],
        }
    )
    frame.attrs["notes"] = ("Read.",)
    return frame


def test_without_a_course_the_table_comes_back_as_a_copy(visits: pd.DataFrame) -> None:
    table = course_table(replace(MAP, course=None, units=("patient", "therapist")), visits)
    pd.testing.assert_frame_equal(table, visits)
    assert table.attrs == visits.attrs
    assert table is not visits


def test_without_a_course_therapists_who_are_no_unit_are_set_aside(visits: pd.DataFrame) -> None:
    table = course_table(replace(MAP, course=None, units=("patient",)), visits)
    assert list(table["treating_person"]) == list(visits["therapist"])
    assert "therapist" not in table
    assert "no therapist part" in table.attrs["notes"][-1]


def test_the_course_becomes_the_patient_and_the_person_is_kept(visits: pd.DataFrame) -> None:
    table = course_table(MAP, visits)
    assert list(table["patient"]) == [11, 11, 12, 13, 13]
    assert list(table["treated_person"]) == ["p", "p", "p", "q", "q"]


def test_a_therapist_that_is_no_unit_is_put_aside(visits: pd.DataFrame) -> None:
    table = course_table(MAP, visits)
    assert "therapist" not in table
    assert list(table["treating_person"]) == ["t", "t", "u", "t", "t"]


def test_a_therapist_among_the_units_stays(visits: pd.DataFrame) -> None:
    table = course_table(replace(MAP, units=("patient", "therapist")), visits)
    assert list(table["therapist"]) == list(visits["therapist"])
    assert "treating_person" not in table


def test_dyads_rows_and_other_columns_stay(visits: pd.DataFrame) -> None:
    table = course_table(MAP, visits)
    pd.testing.assert_frame_equal(table[["session", "dyad", "run", "wai"]], visits[["session", "dyad", "run", "wai"]])


def test_the_input_is_not_changed(visits: pd.DataFrame) -> None:
    before = visits.copy()
    course_table(MAP, visits)
    pd.testing.assert_frame_equal(visits, before)
    assert visits.attrs == {"notes": ("Read.",)}


def test_a_note_counts_courses_persons_and_therapists(visits: pd.DataFrame) -> None:
    notes = course_table(MAP, visits).attrs["notes"]
    assert notes[0] == "Read."
    assert "('run')" in notes[1]
    assert (
        "3 courses, 2 persons (treated_person), 2 therapists (treating_person). There is no therapist part" in notes[1]
    )


def test_the_note_does_not_deny_a_therapist_part_that_is_there(visits: pd.DataFrame) -> None:
    note = course_table(replace(MAP, units=("patient", "therapist")), visits).attrs["notes"][1]
    assert note.endswith("3 courses, 2 persons (treated_person), 2 therapists.")


def test_a_table_without_therapists_has_no_word_about_them(visits: pd.DataFrame) -> None:
    note = course_table(replace(MAP, units=("patient",)), visits.drop(columns="therapist")).attrs["notes"][1]
    assert note.endswith("3 courses, 2 persons (treated_person).")


def test_the_dyad_can_be_the_course(visits: pd.DataFrame) -> None:
    table = course_table(replace(MAP, course="pair"), visits)
    assert list(table["patient"]) == list(table["dyad"]) == list(visits["dyad"])


def test_a_missing_column_of_courses_is_an_error(visits: pd.DataFrame) -> None:
    with pytest.raises(ColumnError, match=r"(?s)No column 'run'.*Hint: .*'course' under \[levels\]"):
        course_table(MAP, visits.drop(columns="run"))


def test_a_row_without_a_course_is_an_error(visits: pd.DataFrame) -> None:
    with pytest.raises(DataError, match=r"(?s)1 of 5 rows have no 'run'.*Hint: fill in"):
        course_table(MAP, visits.assign(run=[11, 11, None, 13, 13]))


def test_courses_numbered_anew_for_each_person_are_an_error(visits: pd.DataFrame) -> None:
    with pytest.raises(DataError, match=r"(?s)'run' has values that belong to several persons.*numbered anew"):
        course_table(MAP, visits.assign(run=[1, 1, 2, 1, 1]))


def test_a_session_that_a_course_has_twice_is_an_error(visits: pd.DataFrame) -> None:
    with pytest.raises(DataError, match=r"(?s)1 row repeats the patient, session.*Hint:"):
        course_table(MAP, visits.assign(run=[11, 11, 11, 13, 13]))


def test_a_table_of_courses_is_not_taken_twice(visits: pd.DataFrame) -> None:
    table = course_table(MAP, visits)
    with pytest.raises(ColumnError, match=r"(?s)a column 'treated_person' already.*Hint: .*read_study_data\(\)"):
        course_table(MAP, table)


def test_no_note_and_no_error_shows_an_id(visits: pd.DataFrame) -> None:
    named = visits.assign(patient=CANARY, run=[CANARY, CANARY, "b", "c", "c"])
    assert CANARY not in " ".join(course_table(MAP, named).attrs["notes"])
    with pytest.raises(DataError) as caught:
        course_table(MAP, named.assign(patient=["p", CANARY, "p", "q", "q"]))
    assert CANARY not in str(caught.value)


def test_courses_of_the_simulated_counselling_study(shared_data: SharedData) -> None:
    column_map = read_column_map("aipsych_eval")
    table = course_table(column_map, read_study_data(column_map, shared_data("aipsych_eval")))
    assert column_map.units == ("dyad",)
    assert (len(table), table["patient"].nunique(), table["dyad"].nunique()) == (277, 150, 75)
    assert "150 courses, 15 persons (treated_person), 5 therapists (treating_person)" in table.attrs["notes"][-1]
