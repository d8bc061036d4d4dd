from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from alliance_stats.errors import ColumnError, DataError, FileError
from alliance_stats.loaders import samples
from alliance_stats.loaders.column_map import read_column_map, read_study_data
from alliance_stats.loaders.map_schema import ColumnMap, DataFile, Measure, StatementColumns

WriteFile = Callable[[str, str | bytes], Path]
SharedData = Callable[[str], Path]

ONE = ColumnMap(
    study="any",
    level="session",
    title="A ward",
    simulated=True,
    source="Ours",
    files=(DataFile("ward.csv"),),
    columns={"patient": "pid", "session": "week"},
)
TWO = replace(ONE, files=(DataFile("ward.csv"), DataFile("codes.csv", join_on=("pid", "week"))))
WARD = "pid,week,wai\n007,1,40\n007,2,-99\n012,1,44\n"
CODES = "pid,week,n_question\n012,1,5\n007,1,3\n007,2,4\n"


def test_a_single_file_is_read_from_its_folder(write: WriteFile) -> None:
    frame = read_study_data(ONE, write("ward.csv", WARD).parent)
    assert list(frame["patient"]) == ["007", "007", "012"]
    assert list(frame.columns) == ["patient", "session", "wai"]


def test_a_single_file_may_be_named_itself_and_called_otherwise(write: WriteFile) -> None:
    assert len(read_study_data(ONE, write("mine.csv", WARD))) == 3


def test_a_map_without_a_path_takes_the_given_file(write: WriteFile) -> None:
    assert len(read_study_data(replace(ONE, files=(DataFile(),)), write("mine.csv", WARD))) == 3


def test_a_map_without_a_path_does_not_take_a_folder(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"(?s)names no file, and .* is a folder.*Hint: pass the data file itself"):
        read_study_data(replace(ONE, files=(DataFile(),)), tmp_path)


def test_two_files_are_joined_before_columns_are_renamed(write: WriteFile) -> None:
    write("ward.csv", WARD)
    frame = read_study_data(TWO, write("codes.csv", CODES).parent)
    assert list(frame["n_question"]) == [3, 4, 5]
    assert list(frame.columns) == ["patient", "session", "wai", "n_question"]


def test_two_files_need_a_folder(write: WriteFile) -> None:
    path = write("ward.csv", WARD)
    with pytest.raises(FileError, match=r"(?s)joins 2 files.*Hint: pass the folder that holds ward\.csv, codes\.csv"):
        read_study_data(TWO, path)


def test_notes_of_files_joins_and_checks_come_together(write: WriteFile) -> None:
    write("ward.csv", WARD)
    notes = read_study_data(TWO, write("codes.csv", CODES).parent).attrs["notes"]
    assert "Column 'pid': ids have leading zeros, so they are kept as text." in notes
    assert any(note.startswith("codes.csv was joined by pid, week: 3 rows meet") for note in notes)
    assert notes[-1] == "3 rows: 2 patients, sessions 1 to 2."


@pytest.mark.parametrize("simulated", [True, False])
def test_notes_say_whether_the_data_are_simulated(write: WriteFile, simulated: bool) -> None:
    notes = read_study_data(replace(ONE, simulated=simulated), write("ward.csv", WARD).parent).attrs["notes"]
    assert ("These data are simulated: no patient took part." in notes) is simulated


def test_codes_for_missing_come_from_the_map(write: WriteFile) -> None:
    frame = read_study_data(replace(ONE, missing=(-99,)), write("ward.csv", WARD).parent)
    assert list(frame["wai"].isna()) == [False, True, False]


def test_a_sheet_comes_from_the_map(tmp_path: Path) -> None:
    with pd.ExcelWriter(tmp_path / "ward.xlsx") as book:
        pd.DataFrame({"a": [1]}).to_excel(book, sheet_name="cover", index=False)
        pd.DataFrame({"pid": ["007"], "week": [1]}).to_excel(book, sheet_name="data", index=False)
    frame = read_study_data(replace(ONE, files=(DataFile("ward.xlsx", sheet="data"),)), tmp_path)
    assert list(frame["patient"]) == ["007"]


NAMED = {
    "alliance": replace(ONE, alliance=Measure(label="A", column="waj")),
    "items": replace(ONE, alliance=Measure(label="A", instrument="wai_sr", items=("wai", "waj"), score="mean")),
    "initial": replace(ONE, outcome=Measure(label="O", column="wai", better="higher", initial="waj")),
    "counts": replace(ONE, statements=StatementColumns(counts={"supportive": ("waj",)})),
    "total": replace(ONE, statements=StatementColumns(codebook="helping_skills", counts_pattern="n_{}", total="waj")),
    "row_key": replace(ONE, row_key=("pid", "waj")),
    "random": replace(ONE, random=("waj",)),
    "patient": replace(ONE, columns={"patient": "waj", "session": "week"}),
}


@pytest.mark.parametrize("case", NAMED)
def test_a_column_named_by_the_map_must_exist(write: WriteFile, case: str) -> None:
    path = write("ward.csv", WARD)
    with pytest.raises(ColumnError, match=r"(?s)No column 'waj'.*Hint: Did you mean 'wai' .* in the column map"):
        read_study_data(NAMED[case], path.parent)


def test_rows_are_checked_by_the_key_of_the_map(write: WriteFile) -> None:
    folder = write("ward.csv", "pid,week,run\n1,1,1\n1,1,2\n").parent
    with pytest.raises(DataError, match=r"repeats? the patient, session"):
        read_study_data(ONE, folder)
    assert len(read_study_data(replace(ONE, row_key=("run", "week")), folder)) == 2
    with pytest.raises(DataError, match=r"repeats? the patient, session"):
        read_study_data(replace(ONE, row_key=("pid", "week")), folder)


def test_conversations_must_not_repeat(write: WriteFile) -> None:
    conversations = replace(ONE, level="conversation", columns={"patient": "pid"})
    with pytest.raises(DataError, match="repeat the patient"):
        read_study_data(conversations, write("ward.csv", WARD).parent)


def test_the_map_can_be_a_path(write: WriteFile) -> None:
    write("ward.csv", WARD)
    text = 'study="s"\nlevel="session"\ntitle="t"\nsimulated=true\nsource="x"\n[[files]]\npath="ward.csv"\n'
    path = write("ward.toml", text + '[columns]\npatient="pid"\nsession="week"\n')
    assert len(read_study_data(path, path.parent)) == 3


def test_data_that_are_not_bundled_must_be_passed() -> None:
    with pytest.raises(FileError, match=r"(?s)wai_items_tidy\.csv does not come with the library.*Hint: pass data="):
        read_study_data("aipsych_eval")


def test_a_map_without_a_path_has_no_bundled_data() -> None:
    with pytest.raises(FileError, match=r"(?s)do not come with the library.*Hint: pass data="):
        read_study_data(replace(ONE, files=(DataFile(),)))


def test_altered_bundled_data_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ward.csv").write_text(WARD)
    entries = 'name="ward"\ntitle="t"\ndescription="d"\nsimulated=true\nsource="s"\nlicence="l"\nsha256="0"\nrows=3\n'
    (tmp_path / "ward.toml").write_text(entries + "[columns]\n")
    monkeypatch.setattr(samples, "bundled_folder", lambda kind: tmp_path)
    with pytest.raises(DataError, match="'ward' are not those its card describes"):
        read_study_data(ONE)


def test_sessions_of_the_simulated_counselling_study_join_one_to_one(shared_data: SharedData) -> None:
    frame = read_study_data("aipsych_eval", shared_data("aipsych_eval"))
    assert len(frame) == 277
    assert (frame["patient"].nunique(), frame["therapist"].nunique(), frame["dyad"].nunique()) == (15, 5, 75)
    assert "In both files and equal, kept once: composite_wai." in frame.attrs["notes"]


def test_statement_counts_of_the_simulated_counselling_study_add_up(shared_data: SharedData) -> None:
    statements = read_column_map("aipsych_eval").statements
    assert statements is not None
    frame = read_study_data("aipsych_eval", shared_data("aipsych_eval"))
    counted = [name for names in statements.counts.values() for name in names]
    pd.testing.assert_series_equal(frame[counted].sum(axis=1), frame["total"], check_names=False)


def test_shares_of_the_simulated_counselling_study_are_the_published_ones(shared_data: SharedData) -> None:
    statements = read_column_map("aipsych_eval").statements
    assert statements is not None
    frame = read_study_data("aipsych_eval", shared_data("aipsych_eval"))
    for category, published in {"supportive": "support", "controlling": "control"}.items():
        share = frame[list(statements.counts[category])].sum(axis=1) / frame["total"]
        pd.testing.assert_series_equal(share, frame[published], check_names=False)


def test_support_conversations_are_read_by_conversation(shared_data: SharedData) -> None:
    frame = read_study_data("esconv", shared_data("esconv"))
    assert len(frame) == 1300
    assert frame["patient"].is_unique
    assert "session" not in frame.columns


def test_statement_counts_of_support_conversations_add_up(shared_data: SharedData) -> None:
    statements = read_column_map("esconv").statements
    assert statements is not None
    frame = read_study_data("esconv", shared_data("esconv") / "esconv_conversations.csv")
    counted = [name for names in statements.counts.values() for name in names]
    pd.testing.assert_series_equal(frame[counted].sum(axis=1), frame["n_supporter"], check_names=False)


@pytest.mark.skipif(
    not (samples.bundled_folder("sample") / "therapist_statements.toml").is_file(), reason="the sample is not bundled"
)
def test_the_bundled_sample_fits_its_column_map() -> None:
    column_map = read_column_map("therapist_statements")
    frame = read_study_data(column_map)
    assert {"patient", "session", "therapist"} <= set(frame.columns)
    patterns = [column_map.alliance, column_map.outcome]
    for measure, n_items in zip(patterns, (12, 4), strict=True):
        assert measure is not None
        assert {str(measure.items).format(number) for number in range(1, n_items + 1)} <= set(frame.columns)


def test_unrelated_columns_with_a_name_that_is_needed_are_renamed(write: WriteFile) -> None:
    content = "pid,week,wai,patient,outcome\n1,1,40,ward,x\n1,2,41,ward,y\n"
    frame = read_study_data(ONE, write("ward.csv", content).parent)
    assert list(frame.columns) == ["patient", "session", "wai", "patient_in_file", "outcome_in_file"]
    assert "Renamed, because the study needs the name for another column: patient, outcome" in frame.attrs["notes"][-2]


def test_a_named_column_keeps_its_name_although_the_study_uses_it(write: WriteFile) -> None:
    column_map = replace(ONE, outcome=Measure("Score", column="outcome", better="higher"))
    frame = read_study_data(column_map, write("ward.csv", "pid,week,outcome\n1,1,40\n1,2,41\n").parent)
    assert list(frame["outcome"]) == [40, 41]
