from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from alliance_stats.coding.shares import statement_shares
from alliance_stats.errors import ColumnError, FileError, StudyError
from alliance_stats.loaders.column_map import read_column_map, read_comparison, read_study_data
from alliance_stats.loaders.map_schema import Comparison

WriteFile = Callable[[str, str | bytes], Path]
SharedData = Callable[[str], Path]

DOCUMENTATION = Path(__file__).resolve().parents[2] / "docs" / "column-maps.md"
HEAD = 'study = "s"\ntitle = "t"\nsimulated = false\nsource = "x"\n'
SESSIONS = HEAD + (
    'level = "session"\n[[files]]\npath = "a.csv"\n[columns]\npatient = "pid"\nsession = "week"\n'
    'therapist = "th"\ndyad = "pair"\n[levels]\nunits = ["dyad", "therapist"]\ncourse = "course"\n'
)
TALKS = HEAD + (
    'level = "conversation"\nmissing = [-9]\n[[files]]\npath = "a.csv"\n[columns]\npatient = "id"\n[statements]\n'
    'total = "n"\n[statements.counts]\nwarm = ["n_warm"]\ncold = ["n_cold"]\n[comparison]\npath = "b.csv"\n'
    'label = "failed talks"\ntotal = "all"\n[comparison.counts]\nwarm = ["Warm", "Warmth"]\ncold = ["Cold"]\n'
)
FAILED = "Warm,Warmth,Cold,all\n1,0,2,3\n0,2,0,4\n"


def instead(text: str, old: str, new: str) -> str:
    """Return a map with a text replaced."""
    assert old in text
    return text.replace(old, new)


def test_units_and_course_arrive(write: WriteFile) -> None:
    parsed = read_column_map(write("m.toml", SESSIONS))
    assert (parsed.units, parsed.course) == (("dyad", "therapist"), "course")


@pytest.mark.parametrize("table", ["", '[levels]\ncourse = "course"\n'])
def test_units_are_patient_and_therapist_unless_given(write: WriteFile, table: str) -> None:
    text = SESSIONS.partition("[levels]")[0] + table
    assert read_column_map(write("m.toml", text)).units == ("patient", "therapist")


def test_units_are_patients_alone_without_a_therapist_column(write: WriteFile) -> None:
    text = instead(SESSIONS.partition("[levels]")[0], 'therapist = "th"\n', "")
    assert read_column_map(write("m.toml", text)).units == ("patient",)


def test_the_patient_is_the_course_unless_given(write: WriteFile) -> None:
    text = instead(SESSIONS, 'course = "course"\n', "")
    assert read_column_map(write("m.toml", text)).course is None


def test_the_column_of_the_dyad_can_be_the_course(write: WriteFile) -> None:
    assert read_column_map(write("m.toml", instead(SESSIONS, '"course"', '"pair"'))).course == "pair"


def test_a_comparison_arrives(write: WriteFile) -> None:
    text = instead(TALKS, 'total = "all"', 'total = "all"\nsheet = "two"')
    comparison = read_column_map(write("m.toml", text)).comparison
    assert comparison == Comparison(
        path="b.csv",
        label="failed talks",
        counts={"warm": ("Warm", "Warmth"), "cold": ("Cold",)},
        total="all",
        sheet="two",
    )
    assert comparison.named_columns == ("Warm", "Warmth", "Cold", "all")


def test_a_comparison_may_lack_a_total(write: WriteFile) -> None:
    comparison = read_column_map(write("m.toml", instead(TALKS, 'total = "all"\n', ""))).comparison
    assert comparison is not None
    assert (comparison.total, comparison.named_columns) == (None, ("Warm", "Warmth", "Cold"))


def test_storage_of_answers_arrives(write: WriteFile) -> None:
    measure = '[alliance]\ninstrument = "wai_sr"\nitems = "w{}"\nscore = "mean"\nstorage = "printed_values"\n'
    alliance = read_column_map(write("m.toml", SESSIONS + measure)).alliance
    assert alliance is not None
    assert alliance.storage == "printed_values"


def test_the_maps_of_the_documentation_can_be_read(write: WriteFile) -> None:
    blocks = re.findall(r"(?s)```toml\n(.*?)```", DOCUMENTATION.read_text(encoding="utf-8"))
    whole, comparison = blocks
    assert read_column_map(write("whole.toml", whole)).course == "course_no"
    counts = "\n".join(f'{name} = ["n_{name}"]' for name in ("supportive", "exploratory", "controlling", "other"))
    talks = TALKS.partition("[statements]")[0] + f"[statements.counts]\n{counts}\n{comparison}"
    parsed = read_column_map(write("talks.toml", talks)).comparison
    assert parsed is not None
    assert parsed.total == "n_supporter"


UNIT = 'units = ["dyad", "therapist"]'
BAD_MAPS = {
    "unknown in levels": (instead(SESSIONS, "units =", "unit ="), r"\[levels\]: unknown key 'unit'", "'units'"),
    "unit that groups nothing": (instead(SESSIONS, UNIT, 'units = ["session"]'), "names 'session'", "patient, "),
    "unit without a column": (
        instead(SESSIONS, UNIT, 'units = ["site"]'),
        r"'site' is not among the \[columns\]",
        "there",
    ),
    "unit named twice": (instead(SESSIONS, UNIT, 'units = ["dyad", "dyad"]'), "'dyad' more than once", "inside out"),
    "patient as course": (instead(SESSIONS, '"course"', '"pid"'), "the column of 'patient'", "leave it out"),
    "session as course": (instead(SESSIONS, '"course"', '"session"'), "the column of 'session'", "tells courses"),
    "course of a conversation": (TALKS + '[levels]\ncourse = "x"\n', r"\[levels\]: 'course' is for sessions", "remove"),
    "comparison of sessions": (
        SESSIONS + TALKS[TALKS.index("[statements]") :],
        r"\[comparison\]: needs level",
        "remove it for sessions",
    ),
    "comparison without statements": (
        TALKS[: TALKS.index("[statements]")] + TALKS[TALKS.index("[comparison]") :],
        r"\[comparison\]: needs level",
        "shares of statements",
    ),
    "comparison without path": (instead(TALKS, 'path = "b.csv"\n', ""), "the key 'path' is missing", "add path"),
    "comparison without label": (instead(TALKS, 'label = "failed talks"\n', ""), "the key 'label' is missing", "add"),
    "comparison outside": (
        instead(TALKS, '"b.csv"', '"../b.csv"'),
        r"path '\.\./b\.csv' leaves the folder",
        "relative",
    ),
    "comparison with itself": (instead(TALKS, '"b.csv"', '"a.csv"'), r"'a\.csv' is among \[\[files\]\]", "other conv"),
    "other categories": (instead(TALKS, 'cold = ["Cold"]', 'col = ["Cold"]'), "category 'col' is in one", "the same"),
    "count in two categories": (
        instead(TALKS, '["Cold"]', '["Warm"]'),
        r"\[comparison\.counts\]: column 'Warm' is counted twice",
        "one category",
    ),
    "unknown in comparison": (instead(TALKS, "label =", "lable ="), "unknown key 'lable'", "did you mean 'label'"),
    "storage of a column": (
        SESSIONS + '[alliance]\ncolumn = "wai"\nstorage = "x"\n',
        "'storage' goes with an instrument",
        "remove it",
    ),
    "item that is no number": (
        SESSIONS + '[alliance]\ninstrument = "wai_sr"\nscore = "mean"\nitems = {one = "q1"}\n',
        "'items' names item 'one'",
        "for example",
    ),
}


@pytest.mark.parametrize("case", BAD_MAPS)
def test_a_bad_table_is_an_error_with_a_remedy(write: WriteFile, case: str) -> None:
    text, problem, hint = BAD_MAPS[case]
    with pytest.raises(StudyError, match=f"(?s)m.toml.*{problem}.*Hint: .*{hint}"):
        read_column_map(write("m.toml", text))


def test_the_column_of_the_course_must_exist(write: WriteFile) -> None:
    write("a.csv", "pid,week,th,pair,corse\n1,1,1,1,a\n")
    path = write("m.toml", SESSIONS)
    with pytest.raises(ColumnError, match=r"(?s)No column 'course'.*Did you mean 'corse'"):
        read_study_data(path, path.parent)


def test_ids_of_courses_keep_leading_zeros_and_are_no_missing_codes(write: WriteFile) -> None:
    write("a.csv", "pid,week,th,pair,course\n1,1,1,1,007\n1,2,1,1,99\n")
    path = write("m.toml", instead(SESSIONS, "[[files]]", "missing = [99]\n[[files]]"))
    assert list(read_study_data(path, path.parent)["course"]) == ["007", "99"]


def test_a_comparison_is_read_from_the_folder_or_beside_the_file(write: WriteFile) -> None:
    map_path, data = write("m.toml", TALKS), write("a.csv", "id,n,n_warm,n_cold\n1,3,1,2\n")
    write("b.csv", FAILED)
    for given in (data.parent, data, str(data)):
        frame = read_comparison(read_column_map(map_path), given)
        assert list(frame.columns) == ["Warm", "Warmth", "Cold", "all"]
        assert frame.attrs["notes"][-1] == "failed talks (b.csv): 2 rows."


def test_a_comparison_gives_shares_of_the_same_categories(write: WriteFile) -> None:
    column_map = read_column_map(write("m.toml", TALKS))
    frame = read_comparison(column_map, write("b.csv", FAILED).parent)
    assert column_map.comparison is not None
    shares = statement_shares(frame, counts=column_map.comparison.counts, total=column_map.comparison.total)
    assert list(shares["share_warm"]) == pytest.approx([1 / 3, 0.5])


def test_missing_codes_of_the_map_hold_for_the_comparison(write: WriteFile) -> None:
    path = write("b.csv", FAILED + "-9,0,0,1\n")
    frame = read_comparison(write("m.toml", TALKS), path.parent)
    assert list(frame["Warm"].isna()) == [False, False, True]


def test_a_comparison_can_be_a_sheet(tmp_path: Path, write: WriteFile) -> None:
    with pd.ExcelWriter(tmp_path / "b.xlsx") as book:
        pd.DataFrame({"x": [1]}).to_excel(book, sheet_name="one", index=False)
        pd.DataFrame({"Warm": [1], "Warmth": [0], "Cold": [2], "all": [3]}).to_excel(
            book, sheet_name="two", index=False
        )
    text = instead(TALKS, 'path = "b.csv"', 'path = "b.xlsx"\nsheet = "two"')
    assert list(read_comparison(write("m.toml", text), tmp_path)["all"]) == [3]


@pytest.mark.parametrize("simulated", [True, False])
def test_notes_say_whether_the_comparison_is_simulated(write: WriteFile, simulated: bool) -> None:
    text = instead(TALKS, "simulated = false", f"simulated = {str(simulated).lower()}")
    notes = read_comparison(write("m.toml", text), write("b.csv", FAILED).parent).attrs["notes"]
    assert ("These data are simulated: no patient took part." in notes) is simulated


def test_a_map_without_comparison_has_none_to_read() -> None:
    with pytest.raises(StudyError, match=r"(?s)no conversations to compare with.*Hint: add a table \[comparison\]"):
        read_comparison("therapist_statements")


def test_a_comparison_file_that_is_not_there(write: WriteFile) -> None:
    path = write("m.toml", TALKS)
    with pytest.raises(FileError, match=r"(?s)no file 'b\.csv' with the failed talks.*Hint: put it into the folder"):
        read_comparison(path, path.parent)


def test_a_comparison_that_is_not_bundled() -> None:
    with pytest.raises(FileError, match=r"(?s)failed_esconv_conversations\.csv does not come.*Hint: pass data="):
        read_comparison("esconv")


def test_a_column_of_the_comparison_must_exist(write: WriteFile) -> None:
    folder = write("b.csv", instead(FAILED, "Cold", "Coold")).parent
    with pytest.raises(ColumnError, match=r"(?s)No column 'Cold'.*Did you mean 'Coold'.*correct \[comparison\]"):
        read_comparison(write("m.toml", TALKS), folder)


def test_counts_of_the_comparison_must_be_numbers(write: WriteFile) -> None:
    folder = write("b.csv", FAILED + "many,0,0,1\n").parent
    with pytest.raises(ColumnError, match=r"(?s)'Warm' should hold numbers; 1 of 3.*Hint: correct"):
        read_comparison(write("m.toml", TALKS), folder)


def test_counts_of_failed_support_conversations_add_up(shared_data: SharedData) -> None:
    comparison = read_column_map("esconv").comparison
    assert comparison is not None
    frame = read_comparison("esconv", shared_data("esconv"))
    assert len(frame) == 196
    counted = [name for names in comparison.counts.values() for name in names]
    pd.testing.assert_series_equal(frame[counted].sum(axis=1), frame["n_supporter"], check_names=False)


def test_failed_support_conversations_use_one_of_two_names_of_a_strategy(shared_data: SharedData) -> None:
    frame = read_comparison("esconv", shared_data("esconv"))
    usual = frame[["Questions", "Affirmation and Reassurance", "Providing Suggestions", "Restatement or Paraphrasing"]]
    unusual = frame[["Question", "Approval and Reassurance", "Direct Guidance", "Restatement"]]
    with_unusual = unusual.sum(axis=1) > 0
    assert with_unusual.sum() == 5
    assert not (with_unusual & (usual.sum(axis=1) > 0)).any()


def test_what_the_map_says_about_failed_support_conversations_is_so(shared_data: SharedData) -> None:
    frame = read_comparison("esconv", shared_data("esconv"))
    rated = read_study_data("esconv", shared_data("esconv"))
    change = frame["final_emotion_intensity"] - frame["initial_emotion_intensity"]
    assert (change.notna().sum(), (change < 0).sum()) == (142, 31)
    assert (rated["n_turns"].min(), frame["n_turns"].min(), (frame["n_turns"] < 16).sum()) == (16, 2, 40)
