from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyreadstat
import pytest

import alliance_stats as al
from alliance_stats.errors import AllianceStatsError
from alliance_stats.loaders.labels import labels_of

COLUMNS: dict[str, tuple[str, str, list[str]]] = {
    "StartDate": ("Start Date", "startDate", [f"2024-03-{day} 10:00:00" for day in ("02", "01", "05", "01")]),
    "Status": ("Response Type", "status", ["0", "0", "0", "1"]),
    "Finished": ("Finished", "finished", ["1", "0", "1", "1"]),
    "RecipientEmail": ("Recipient Email", "recipientEmail", ["q@x.org", "q@x.org", "s@x.org", "me@x.org"]),
    "pid": ("pid", "pid", ["007", "007", "012", "test"]),
    "Q1": ("How <b>safe</b> did\nyou feel?", "QID1", ["4", "-99", "5", "1"]),
    "Q2_1": ("Goals, first", "QID2_1", ["Seldom", "Always", "Always", "Seldom"]),
    "1_Q3": ("Loop 1", "1_QID3", ["1", "2", "3", "9"]),
    "2_Q3": ("Loop 2", "2_QID3", ["4", "", "6", "9"]),
}
RECODE = {"Q2": {"Seldom": 1, "Always": 5}}


def export(path: Path, drop: tuple[str, ...] = ()) -> Path:
    """Write an export with three header rows."""
    kept = {name: parts for name, parts in COLUMNS.items() if name not in drop}
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
        writer.writerow(kept)
        writer.writerow([text for text, _, _ in kept.values()])
        writer.writerow([f'{{"ImportId":"{name}"}}' for _, name, _ in kept.values()])
        writer.writerows(zip(*(cells for _, _, cells in kept.values()), strict=True))
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_responses_are_numbered_by_date_within_patients(tmp_path: Path, suffix: str) -> None:
    frame = al.read_qualtrics(export(tmp_path / f"q{suffix}"), patient="pid", recode=RECODE)
    assert frame[["patient", "session", "Q2_1"]].to_numpy().tolist() == [["007", 2, 1], ["007", 1, 5], ["012", 1, 5]]
    assert "Sessions are each patient's responses in the order of StartDate." in frame.attrs["notes"]


def test_previews_are_left_out_and_unfinished_responses_counted(tmp_path: Path) -> None:
    notes = al.read_qualtrics(export(tmp_path / "q.csv"), patient="pid").attrs["notes"]
    assert "1 previews of the survey were left out." in notes
    assert "1 responses were not finished; they are kept." in notes


def test_questions_are_labels_without_markup(tmp_path: Path) -> None:
    known = labels_of(al.read_qualtrics(export(tmp_path / "q.csv"), patient="pid"))
    assert known["Q1"].label == "How safe did you feel?"
    assert known["Q2_1"].label == "Goals, first"


def test_questions_seen_and_not_answered_are_missing_with_that_reason(tmp_path: Path) -> None:
    frame = al.read_qualtrics(export(tmp_path / "q.csv"), patient="pid")
    np.testing.assert_array_equal(frame["Q1"].to_numpy(), [4, np.nan, 5])
    assert al.missing_reasons(frame, "Q1").tolist()[1] == "seen, not answered"
    assert "1 questions were seen and not answered; they are missing." in frame.attrs["notes"]


def test_addresses_are_left_out_unless_wanted(tmp_path: Path) -> None:
    frame = al.read_qualtrics(export(tmp_path / "q.csv"), patient="pid")
    assert "RecipientEmail" not in frame
    assert any("identify persons were left out: RecipientEmail" in note for note in frame.attrs["notes"])
    assert "RecipientEmail" in al.read_qualtrics(export(tmp_path / "q.csv"), patient="pid", keep_identifiers=True)


def test_loops_become_sessions(tmp_path: Path) -> None:
    path = export(tmp_path / "q.csv", drop=("StartDate", "Q1"))
    rows = path.read_text(encoding="utf-8-sig").splitlines()
    path.write_text("\n".join([*rows[:3], rows[3], rows[5]]), encoding="utf-8")
    frame = al.read_qualtrics(path, patient="pid", loops=True)
    assert frame[["patient", "session", "Q3"]].to_numpy().tolist() == [
        ["007", 1, 1],
        ["007", 2, 4],
        ["012", 1, 3],
        ["012", 2, 6],
    ]


def test_a_column_may_number_sessions_and_name_therapists(tmp_path: Path) -> None:
    path = export(tmp_path / "q.csv")
    frame = al.read_qualtrics(path, patient="pid", session="1_Q3", therapist="Q2_1")
    assert frame["session"].tolist() == [1, 2, 3]
    assert frame["therapist"].tolist() == ["Seldom", "Always", "Always"]


def test_sav_exports_are_read(tmp_path: Path) -> None:
    cells = pd.DataFrame({"pid": ["a", "b"], "Status": [0.0, 1.0], "Q1": [-99.0, 4.0]})
    pyreadstat.write_sav(cells, str(tmp_path / "q.sav"), column_labels={"Q1": "How was it?"})
    frame = al.read_qualtrics(tmp_path / "q.sav", patient="pid")
    assert frame["Q1"].isna().tolist() == [True]
    assert labels_of(frame)["Q1"].label == "How was it?"


def one(tmp_path: Path, **options: Any) -> pd.DataFrame:
    """Read the export."""
    drop = options.pop("drop", ())
    return al.read_qualtrics(export(tmp_path / "q.csv", drop=drop), **{"patient": "pid", **options})


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "unknown column": ({"patient": "PID"}, r"(?s)No column 'PID'.*Hint: .*'pid'"),
    "text without a number": (
        {"recode": {"Q2": {"Seldom": 1}}},
        r"(?s)2 of 3 answers in 'Q2_1' have no number.*Hint: give every",
    ),
    "unknown question": ({"recode": {"Q9": {"Seldom": 1}}}, r"(?s)No column 'Q9'.*Hint: .*stems"),
    "no order": ({"drop": ("StartDate",)}, r"(?s)no column tells their order.*Hint: .*session="),
    "no loops": (
        {"loops": True, "drop": ("1_Q3", "2_Q3", "StartDate")},
        r"(?s)no columns of loop-and-merge.*Hint: leave out",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_an_export_that_does_not_fit_is_an_error_with_evidence_and_hint(tmp_path: Path, case: str) -> None:
    options, message = BAD[case]
    with pytest.raises(AllianceStatsError, match=message) as caught:
        one(tmp_path, **options)
    assert "x.org" not in str(caught.value)


@pytest.mark.parametrize("content", ["pid,Q1\n1,2\n", "pid,Q1\n1,2\n3,4\n5,6\n", 'pid,Q1\na,b\n"{""x"":1}",c\n1,2\n'])
def test_a_table_without_three_header_rows_is_told_apart(tmp_path: Path, content: str) -> None:
    (tmp_path / "q.csv").write_text(content)
    with pytest.raises(AllianceStatsError, match=r"(?s)not the three header rows.*Hint: .*read_sessions"):
        al.read_qualtrics(tmp_path / "q.csv", patient="pid")


def test_an_export_of_previews_alone_is_an_error(tmp_path: Path) -> None:
    path = export(tmp_path / "q.csv", drop=("StartDate", "Q1"))
    path.write_text("\n".join([*path.read_text(encoding="utf-8-sig").splitlines()[:3], "1,1,a@b,x,Seldom,1,2"]))
    with pytest.raises(AllianceStatsError, match=r"(?s)All responses are previews.*Hint"):
        al.read_qualtrics(path, patient="pid")


def test_responses_without_an_id_are_counted(tmp_path: Path) -> None:
    path = export(tmp_path / "q.csv")
    path.write_text(path.read_text(encoding="utf-8-sig").replace(",012,", ",,"), encoding="utf-8")
    with pytest.raises(AllianceStatsError, match=r"(?s)1 of 3 responses have no patient id.*Hint: fill in"):
        al.read_qualtrics(path, patient="pid")
