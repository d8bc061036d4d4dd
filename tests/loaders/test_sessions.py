from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from alliance_stats.errors import AllianceStatsError, ColumnError, DataError
from alliance_stats.loaders.sessions import check_session_table, read_sessions

WriteFile = Callable[[str, str | bytes], Path]

WARD = """\
pid,week,th,who,pair,part,clinic,wai
1,1,a,patient,p,wife,x,40
1,2,a,patient,p,wife,x,44
2,1,b,patient,p,man,x,30
"""


def test_columns_get_their_canonical_names_and_others_keep_theirs(write: WriteFile) -> None:
    frame = read_sessions(
        write("ward.csv", WARD),
        patient="pid",
        session="week",
        therapist="th",
        rater="who",
        dyad="pair",
        role="part",
        site="clinic",
    )
    assert list(frame.columns) == ["patient", "session", "therapist", "rater", "dyad", "role", "site", "wai"]


def test_columns_with_canonical_names_need_not_be_named(write: WriteFile) -> None:
    path = write("ward.csv", "patient,session,therapist\n1,1,007\n1,2,007\n")
    frame = read_sessions(path, patient="patient")
    assert list(frame["therapist"]) == ["007", "007"]
    assert "sessions 1 to 2" in frame.attrs["notes"][-1]


def test_two_canonical_names_can_be_exchanged(write: WriteFile) -> None:
    path = write("ward.csv", "patient,therapist,session\n5,1,1\n5,2,1\n")
    frame = read_sessions(path, patient="therapist", therapist="patient")
    assert list(frame["patient"]) == [1, 2]
    assert list(frame["therapist"]) == [5, 5]


def test_rows_keep_their_order_and_number(write: WriteFile) -> None:
    frame = read_sessions(write("a.csv", "p,s,x\n2,3,10\n1,1,20\n2,1,30\n"), patient="p", session="s")
    assert list(frame["x"]) == [10, 20, 30]


def test_notes_count_rows_patients_sessions_and_therapists(write: WriteFile) -> None:
    frame = read_sessions(write("ward.csv", WARD), patient="pid", session="week", therapist="th")
    assert frame.attrs["notes"] == ("3 rows: 2 patients, sessions 1 to 2, 2 therapists.",)


def test_notes_count_rows_without_a_therapist_and_patients_with_two(write: WriteFile) -> None:
    path = write("a.csv", "p,s,t\n1,1,a\n1,2,b\n2,1,\n2,2,a\n")
    frame = read_sessions(path, patient="p", session="s", therapist="t")
    assert frame.attrs["notes"][-2:] == ("1 row without a therapist.", "1 patient with more than one therapist.")


@pytest.mark.parametrize("cells", ["1,2", "1.0,2.0", '"1","2"', "01,02"])
def test_session_numbers_are_integers(write: WriteFile, cells: str) -> None:
    first, second = cells.split(",")
    frame = read_sessions(write("a.csv", f"p,s\n1,{first}\n1,{second}\n"), patient="p", session="s")
    assert frame["session"].dtype == "int64"
    assert list(frame["session"]) == [1, 2]


def test_ids_stay_text_when_one_has_a_leading_zero(write: WriteFile) -> None:
    frame = read_sessions(write("a.csv", "p,s\n007,1\n7,1\n"), patient="p", session="s")
    assert list(frame["patient"]) == ["007", "7"]
    assert "Column 'p': ids have leading zeros, so they are kept as text." in frame.attrs["notes"]


def test_codes_for_missing_spare_patient_and_session(write: WriteFile) -> None:
    path = write("a.csv", "p,s,t,x\n9,9,9,9\n1,9,2,3\n")
    frame = read_sessions(path, patient="p", session="s", therapist="t", missing=[9])
    assert list(frame["patient"]) == [9, 1]
    assert list(frame["session"]) == [9, 9]
    assert list(frame["therapist"].isna()) == [True, False]
    assert list(frame["x"].isna()) == [True, False]


def test_a_sheet_can_be_chosen(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    with pd.ExcelWriter(path) as book:
        pd.DataFrame({"a": [1]}).to_excel(book, sheet_name="cover", index=False)
        pd.DataFrame({"p": ["007"], "s": [1]}).to_excel(book, sheet_name="data", index=False)
    assert list(read_sessions(path, patient="p", session="s", sheet="data")["patient"]) == ["007"]


@pytest.mark.parametrize("key", ["rater", "dyad", "role"])
def test_several_rows_for_a_session_need_a_column_that_tells_them_apart(write: WriteFile, key: str) -> None:
    path = write("a.csv", "p,s,k\n1,1,a\n1,1,b\n")
    options: dict[str, Any] = {key: "k"}
    assert len(read_sessions(path, patient="p", session="s", **options)) == 2
    with pytest.raises(DataError, match=r"(?s)1 row repeats the patient, session.*Hint: .*rater=, role= or dyad="):
        read_sessions(path, patient="p", session="s")


BAD_TABLES: dict[str, tuple[str, dict[str, str], type[AllianceStatsError], str, str]] = {
    "unknown column": (
        "patient_no,week\n1,1\n",
        {"patient": "patient_nr", "session": "week"},
        ColumnError,
        "No column 'patient_nr'",
        "Did you mean 'patient_no'",
    ),
    "no header row": (
        "17,1\n18,1\n",
        {"patient": "pid", "session": "week"},
        ColumnError,
        "No column 'pid', 'week'; 2 of the 2 names in the first row are numbers",
        "add a first row with the column names",
    ),
    "two unknown columns": (
        "a,b\n1,1\n",
        {"patient": "pid", "session": "week"},
        ColumnError,
        "None of the 2 columns that are needed is in the first row",
        "add a first row with the column names",
    ),
    "one of two columns unknown": (
        "pid,b\n1,1\n",
        {"patient": "pid", "session": "week"},
        ColumnError,
        "No column 'week'. The frame has: pid, b",
        "as the file spells it",
    ),
    "canonical name is taken": (
        "patient,pid,session\n1,1,1\n",
        {"patient": "pid"},
        ColumnError,
        "'pid' should become 'patient', but the data already have a column 'patient'",
        'pass patient="patient"',
    ),
    "one column for two parts": (
        "id,session\n1,1\n",
        {"patient": "id", "dyad": "id"},
        ColumnError,
        "'id' is named for patient= and dyad=",
        "name each column once",
    ),
    "duplicate sessions": (
        "p,s\n1,1\n1,2\n1,2\n",
        {"patient": "p", "session": "s"},
        DataError,
        r"1 row repeats the patient, session of an earlier row \(the first in data row 3\)",
        "remove the copies",
    ),
    "no session column": (
        "p,wai\n1,1\n1,2\n",
        {"patient": "p"},
        DataError,
        "1 rows repeat the patient .* no column tells the sessions apart",
        "session=",
    ),
    "missing patients": (
        "p,s\n,1\n1,1\nNA,2\n",
        {"patient": "p", "session": "s"},
        DataError,
        r"2 of 3 rows have no patient id \(the first in data row 1\)",
        "fill in the ids",
    ),
    "fractional session": (
        "p,s\n1,1\n1,1.5\n",
        {"patient": "p", "session": "s"},
        DataError,
        r"must hold whole numbers.*1 of 2 .*\(the first in data row 2\)",
        "rank",
    ),
    "missing session": (
        "p,s\n1,1\n1,\n",
        {"patient": "p", "session": "s"},
        DataError,
        "must hold whole numbers.*1 of 2 are missing",
        "rank",
    ),
    "sessions as text": (
        "p,s\n1,first\n1,second\n",
        {"patient": "p", "session": "s"},
        ColumnError,
        "'session' should hold numbers; 2 of 2 cells are text",
        "correct those cells",
    ),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_a_bad_table_is_an_error_with_evidence_and_hint(write: WriteFile, case: str) -> None:
    content, names, error, problem, hint = BAD_TABLES[case]
    with pytest.raises(error, match=f"(?s){problem}.*Hint: .*{hint}"):
        read_sessions(write("a.csv", content), **names)  # type: ignore[arg-type]


def test_dates_as_sessions_are_an_error_that_tells_how_to_rank_them() -> None:
    frame = pd.DataFrame({"patient": [1, 1], "session": pd.to_datetime(["2024-01-01", "2024-01-08"])})
    with pytest.raises(DataError, match=r"(?s)'session' holds dates.*Hint: .*rank\('dense'\)"):
        check_session_table(frame)


def test_one_row_per_patient_needs_no_session(write: WriteFile) -> None:
    frame = read_sessions(write("a.csv", "p,x\n1,1\n2,2\n"), patient="p")
    assert frame.attrs["notes"] == ("2 rows: 2 patients.",)


def test_check_session_table_changes_nothing() -> None:
    frame = pd.DataFrame({"patient": ["a", "a"], "session": [2.0, 1.0], "site": ["x", "x"]})
    before = frame.copy()
    assert check_session_table(frame) == ("2 rows: 1 patient, sessions 1 to 2, 1 site.",)
    pd.testing.assert_frame_equal(frame, before)


def test_check_session_table_takes_the_columns_that_name_a_row() -> None:
    frame = pd.DataFrame({"patient": [1, 1], "session": [1, 1], "pairing": [1, 2]})
    assert check_session_table(frame, row_key=["pairing", "session"])
    with pytest.raises(DataError, match=r"repeats? the patient, session"):
        check_session_table(frame)
    with pytest.raises(ColumnError, match="No column 'pair'"):
        check_session_table(frame, row_key=["pair", "session"])


def test_check_per_patient_does_not_look_at_sessions() -> None:
    frame = pd.DataFrame({"patient": [1, 2], "session": ["x", "y"]})
    assert check_session_table(frame, per_patient=True) == ("2 rows: 2 patients.",)
    with pytest.raises(DataError, match="repeat the patient"):
        check_session_table(pd.DataFrame({"patient": [1, 1], "session": [1, 2]}), per_patient=True)


def test_an_empty_frame_is_an_error() -> None:
    with pytest.raises(DataError, match=r"(?s)no rows.*Hint:"):
        check_session_table(pd.DataFrame({"patient": [], "session": []}))


def test_the_first_row_of_a_file_without_header_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "ids.csv"
    path.write_text("P-001,Frau Quibble\nP-002,Herr Quibble\n", encoding="utf-8")
    with pytest.raises(ColumnError, match="may have no header") as caught:
        read_sessions(path, patient="pid", therapist="th")
    assert "Quibble" not in str(caught.value)
    assert "P-001" not in str(caught.value)
