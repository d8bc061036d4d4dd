"""Public data sets: cards, and from files as published to session tables. Nothing here needs a network."""

from __future__ import annotations

import json
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import alliance_stats as al
from alliance_stats.errors import AllianceStatsError, ColumnError, DataError, FileError, StudyError
from alliance_stats.loaders import datasets
from alliance_stats.loaders.conversation_sets import failed_conversations, support_conversations
from alliance_stats.loaders.datasets import Dataset, fetched_table, find_dataset, read_dataset
from alliance_stats.loaders.trial_sets import COUPLE_COLUMNS, WAI_ANSWERS, couples
from alliance_stats.loaders.upstream_files import read_json_list, read_r_table
from tests.loaders.dataset_files import (
    ANNOMI,
    FAILED,
    FILES,
    REFRAMED,
    SECRET,
    WAI_LOGS,
    annomi_csv,
    conversation,
    turn,
)

NAMES = list(al.list_datasets()["name"])


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a cache of the test's own."""
    monkeypatch.setenv("ALLIANCE_STATS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def small(name: str) -> Dataset:
    """Return a data set without a number of rows, for excerpts."""
    card = find_dataset(name)
    fields = {key: getattr(card, key) for key in ("title", "level", "licence", "citation", "column_map", "files")}
    return Dataset(name=name, rows=None, **fields)


def fetched(name: str, folder: Path, **changed: str) -> pd.DataFrame:
    """Return the table made of the excerpt, with some files replaced."""
    for file, text in {**FILES[name], **changed}.items():
        (folder / file).write_text(text, encoding="utf-8")
    return fetched_table(small(name), folder=folder)


def test_the_list_says_what_where_and_under_which_licence(cache: Path) -> None:
    listed = al.list_datasets().set_index("name")
    assert list(listed.columns) == ["title", "level", "rows", "simulated", "licence", "citation", "where"]
    assert listed.loc["esconv", "level"] == "conversation"
    assert "CC BY-NC 4.0" in listed.loc["esconv", "licence"]
    assert listed.loc["reframed", "rows"] == 2627
    assert listed.loc["acitelli", "level"] == "person"
    assert listed.loc["acitelli", "where"] == str(cache / "acitelli" / "tables")
    assert not cache.exists()


def test_a_number_of_rows_may_be_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (datasets._CARDS / "esconv.toml").read_text("utf-8").replace("rows = 1300\n", "")
    (tmp_path / "esconv.toml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(datasets, "_CARDS", tmp_path)
    assert al.list_datasets()["rows"].isna().all()


@pytest.mark.parametrize("name", NAMES)
def test_every_data_set_is_pinned_to_a_commit_and_has_a_column_map(name: str) -> None:
    card = find_dataset(name)
    for file in card.files:
        address = file.remote(datasets.BASE_ADDRESS).address
        assert address == f"https://raw.githubusercontent.com/{file.repository}/{file.commit}/{file.path}"
    column_map = al.read_column_map(card.column_map)
    assert (column_map.level == "session") == (card.level == "session")


def test_importing_needs_no_network_library() -> None:
    code = (
        "import alliance_stats.loaders.datasets, sys; print({'pooch', 'requests', 'rdata', 'tqdm'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


@pytest.mark.parametrize("name", list(FILES))
def test_notes_begin_with_licence_citation_and_cautions(name: str, tmp_path: Path) -> None:
    frame = fetched(name, tmp_path)
    card = find_dataset(name)
    title, citation, *rest = frame.attrs["notes"]
    assert title == f"{card.title}. Licence: {card.licence}."
    assert citation == f"Please cite: {card.citation}"
    cautions = al.read_column_map(card.column_map).notes
    assert tuple(rest[: len(cautions)]) == cautions
    assert any(note.startswith("Changed: ") for note in rest)


@pytest.mark.parametrize("name", list(FILES))
def test_no_free_text_is_kept(name: str, tmp_path: Path, cache: Path) -> None:
    frame = fetched(name, tmp_path)
    assert SECRET not in frame.to_csv() + str(frame.attrs)
    written = [path.read_text("utf-8") for path in (cache / name / "tables").iterdir()]
    assert written
    assert SECRET not in "".join(written)


def test_trial_rows_have_new_ids_and_months(tmp_path: Path) -> None:
    frame = fetched("reframed", tmp_path)
    assert frame["patient"].tolist() == [1, 1, 2, 2, 3]
    assert frame["session"].tolist() == [0, 1, 0, 18, 0]
    assert frame["therapist"].tolist()[:2] + frame["therapist"].tolist()[4:] == ["T01", "T01", "T02"]
    assert frame["therapist"].isna().tolist() == [False, False, True, True, False]
    assert frame["arm"].tolist() == ["RO-DBT", "RO-DBT", "TAU", "TAU", "RO-DBT"]
    assert frame["age_decade"].tolist() == [40, 40, 30, 30, 70]
    np.testing.assert_array_equal(frame["phq9"], [20, 11.5, np.nan, 7, 3])
    np.testing.assert_array_equal(frame["hamd"], [19, np.nan, 22, 5, np.nan])
    assert frame["hamd_baseline"].tolist() == [19, 19, 22, 22, 15]
    assert not {"income", "pd", "age_years"} & set(frame.columns)
    notes = " ".join(frame.attrs["notes"])
    assert "Rows without a month ('Post-Rx') that were left out: 1, of them with a rating: 0." in notes
    assert "PHQ-9 values that are no whole number from 0 to 27, kept as published: 1." in notes


def test_ratings_of_rows_without_a_month_are_counted(tmp_path: Path) -> None:
    text = REFRAMED.replace("90,Post-Rx,RO-DBT,1,Q9ZZ,48,1,NaN,NaN", "90,Post-Rx,RO-DBT,1,Q9ZZ,48,1,NaN,17")
    notes = " ".join(fetched("reframed", tmp_path, **{"reframed.csv": text}).attrs["notes"])
    assert "left out: 1, of them with a rating: 1." in notes


def test_a_month_that_is_no_number_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"(?s)1 of 6 rows have a month that is no whole number.*Hint"):
        fetched("reframed", tmp_path, **{"reframed.csv": REFRAMED.replace("70,18,", "70,later,")})


def test_interviews_become_counts(tmp_path: Path) -> None:
    frame = fetched("annomi", tmp_path).set_index("patient")
    counts = ["n_reflection", "n_question", "n_therapist_input", "n_other", "n_therapist"]
    assert frame.loc[4, counts].tolist() == [1, 1, 0, 0, 2]
    assert frame.loc[2, counts].tolist() == [0, 0, 1, 1, 2]
    assert frame.loc[4, ["n_change", "n_neutral", "n_sustain", "n_client", "n_turns"]].tolist() == [2, 1, 0, 3, 5]
    assert frame.loc[4, "change_talk_share"] == pytest.approx(2 / 3, rel=1e-15)
    assert np.isnan(frame.loc[2, "change_talk_share"])
    assert frame["mi_quality"].to_dict() == {4: "high", 2: "low"}


def test_interviews_with_a_row_per_annotator_are_refused(tmp_path: Path) -> None:
    lines = ANNOMI.splitlines(keepends=True)
    with pytest.raises(DataError, match=r"(?s)1 rows repeat an utterance.*Hint: use the version with one row"):
        fetched("annomi", tmp_path, **{"dataset.csv": "".join([*lines, lines[1]])})


def test_an_unknown_label_is_refused(tmp_path: Path) -> None:
    text = annomi_csv([(1, "high", "therapist", "advice", "n/a"), (1, "high", "client", "n/a", "change")])
    with pytest.raises(DataError, match="1 of 2 utterances have no known label"):
        fetched("annomi", tmp_path, **{"dataset.csv": text})


def test_support_conversations_become_counts(tmp_path: Path) -> None:
    frame = fetched("esconv", tmp_path).set_index("patient")
    assert frame["n_question"].tolist() == [2, 0]
    assert frame["n_others"].tolist() == [1, 0]
    assert frame["n_self_disclosure"].tolist() == [0, 1]
    assert frame["n_supporter"].tolist() == [3, 1]
    assert frame["n_turns"].tolist() == [4, 2]
    np.testing.assert_array_equal(frame["final_intensity"], [2, np.nan])
    np.testing.assert_array_equal(frame["change"], [3, np.nan])
    assert frame["supporter_relevance"].tolist() == [5, 5]


def test_failed_conversations_are_there_to_compare_with(tmp_path: Path) -> None:
    fetched("esconv", tmp_path)
    others = al.read_comparison("esconv", al.list_datasets().set_index("name").loc["esconv", "where"])
    assert others.loc[0, ["Direct Guidance", "Questions", "Question", "n_supporter"]].tolist() == [1, 1, 0, 2]
    assert others.loc[0, ["initial_emotion_intensity", "final_emotion_intensity"]].tolist() == [5, 5]


def test_both_spellings_of_a_strategy_count_as_one() -> None:
    frame = support_conversations([conversation(turn("supporter", "Questions"), turn("supporter", "Other"))])
    assert frame.loc[0, ["n_question", "n_others"]].tolist() == [1, 1]


@pytest.mark.parametrize("make", [support_conversations, failed_conversations])
@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"dialog": []}, "Conversation 1 of the file has no turns"),
        ({"dialog": ["x"]}, "Conversation 1 of the file has no turns"),
        (conversation(turn("moderator")), "1 turns of an unknown speaker"),
        (conversation(turn("supporter", SECRET)), "1 turns have a strategy that is not among"),
        (conversation(turn("seeker"), final=SECRET), "1 of 1 are no numbers"),
    ],
)
def test_broken_conversations_are_refused_without_their_text(
    make: Callable[[list[dict[str, object]]], pd.DataFrame], entry: dict[str, object], problem: str
) -> None:
    with pytest.raises(DataError, match=rf"(?s){problem}.*Hint") as caught:
        make([entry])
    assert SECRET not in str(caught.value)


def test_simulated_sessions_are_joined_to_codes_and_answers(tmp_path: Path) -> None:
    frame = fetched("aipsych_eval", tmp_path)
    assert frame[["patient", "therapist", "dyad", "session"]].iloc[0].tolist() == [7, "bot", "bot_7", 1]
    assert len(frame) == 1
    assert [frame.loc[0, f"wai{number}"] for number in range(1, 9)] == [1, 2, 3, 4, 5, 6, 7, 5]
    assert frame.loc[0, "total"] == 55
    assert frame.loc[0, "support"] == pytest.approx((5 + 6 + 7 + 8 + 9) / 55, rel=1e-15)
    assert frame.loc[0, "control"] == pytest.approx((2 + 10) / 55, rel=1e-15)


def test_sessions_without_codes_have_no_shares(tmp_path: Path, cache: Path) -> None:
    fetched("aipsych_eval", tmp_path)
    sessions = pd.read_csv(cache / "aipsych_eval" / "tables" / "sessions_tidy.csv")
    assert sessions["total"].tolist() == [55, 0, 0]
    assert sessions["support"].isna().tolist() == [False, True, True]
    assert sessions["GI"].isna().tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("file", "before", "after", "problem"),
    [
        ("survey_wai_logs.csv", "1,1,Never", f"1,1,{SECRET}", "1 of 36 answers are none of the seven labels"),
        (
            "survey_wai_logs.csv",
            WAI_LOGS,
            WAI_LOGS + WAI_LOGS.splitlines()[1] + "\n",
            "1 rows of the rated sessions repeat",
        ),
        ("mi_batch_behavior_eval_logs.csv", "\n1,2,", "\n1,1,", "1 rows of the coded sessions repeat"),
    ],
)
def test_broken_session_files_are_refused(tmp_path: Path, file: str, before: str, after: str, problem: str) -> None:
    text = FILES["aipsych_eval"][file]
    assert before in text
    with pytest.raises(DataError, match=rf"(?s){problem}.*Hint") as caught:
        fetched("aipsych_eval", tmp_path, **{file: text.replace(before, after)})
    assert SECRET not in str(caught.value)


def partners() -> pd.DataFrame:
    """Return two couples with the columns of the R package."""
    rows = pd.DataFrame({column: [4.0, 3.5, 2.0, 5.0] for column in COUPLE_COLUMNS})
    extra = {"CoupleID": [3.0, 3.0, 8.0, 8.0], "Partnum": [1.0, 2.0, 1.0, 2.0]}
    roles = pd.Categorical(["Wife", "Husband", "Wife    ", "Husband"])
    return rows.assign(**extra, Gender_A=roles, CTension_A=0.1)


def test_couples_have_a_row_for_each_partner() -> None:
    frame = couples(partners())
    assert frame["person"].tolist() == ["3-1", "3-2", "8-1", "8-2"]
    assert frame["role"].tolist() == ["Wife", "Husband", "Wife", "Husband"]
    assert frame["couple"].tolist() == [3, 3, 8, 8]
    assert frame["satisfaction_a"].tolist() == [4.0, 3.5, 2.0, 5.0]
    assert "CTension_A" not in frame


@pytest.mark.parametrize("roles", [["Wife", "Wife", "Wife", "Husband"], ["Wife", "Friend", "Wife", "Husband"]])
def test_couples_of_other_roles_are_refused(roles: list[str]) -> None:
    with pytest.raises(DataError, match=r"(?s)Not every couple has one wife and one husband.*Hint"):
        couples(partners().assign(Gender_A=roles))


def test_couples_are_read_from_an_r_file(tmp_path: Path) -> None:
    rdata = pytest.importorskip("rdata")
    rows = partners()
    rdata.write_rda(tmp_path / "acipair.Rda", {"acipair": rows.set_axis(pd.RangeIndex(1, 5))})
    frame = fetched_table(small("acitelli"), folder=tmp_path)
    assert list(frame.columns[:4]) == ["patient", "dyad", "member", "role"]
    assert frame["dyad"].tolist() == [3, 3, 8, 8]


def test_a_broken_r_file_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("rdata")
    (tmp_path / "acipair.Rda").write_bytes(b"RDX3\nX\n" + b"\x00" * 40)
    with pytest.raises(FileError, match=r"(?s)acipair.Rda is no R data file.*Hint: save the file again"):
        fetched_table(small("acitelli"), folder=tmp_path)


def test_an_r_file_without_the_table_is_refused(tmp_path: Path) -> None:
    rdata = pytest.importorskip("rdata")
    rdata.write_rda(tmp_path / "x.rda", {"other": partners().set_axis(pd.RangeIndex(1, 5))})
    with pytest.raises(FileError, match="holds no data frame 'acipair'"):
        read_r_table(tmp_path / "x.rda", "acipair")


def test_without_rdata_the_message_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (tmp_path / "x.rda").write_bytes(b"x")
    with pytest.raises(FileError, match=r"(?s)Reading x.rda needs rdata.*Hint: pip install .*rdata"):
        read_r_table(tmp_path / "x.rda", "acipair")


JSON_BOMBS = {
    "no json": ("{", "no valid JSON"),
    "nested": ("[" * 200_000, "no valid JSON"),
    "huge number": ("[" + "9" * 100_000 + "]", "no valid JSON"),
    "an object": ("{}", "does not hold a list of objects"),
    "nothing": ("[]", "does not hold a list of objects"),
    "numbers": ("[1, 2]", "does not hold a list of objects"),
}


@pytest.mark.parametrize("case", JSON_BOMBS)
def test_broken_json_is_refused(case: str, tmp_path: Path) -> None:
    text, problem = JSON_BOMBS[case]
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(FileError, match=rf"(?s)a.json .*{problem}.*Hint"):
        read_json_list(tmp_path / "a.json")


def test_json_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'[{"a": "\xff"}]')
    with pytest.raises(FileError, match="no valid JSON"):
        read_json_list(tmp_path / "a.json")


def test_a_huge_json_file_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alliance_stats.loaders.upstream_files.LARGEST_JSON", 4)
    (tmp_path / "a.json").write_text("[{}]     ")
    with pytest.raises(FileError, match=r"a\.json is larger than"):
        read_json_list(tmp_path / "a.json")


@pytest.mark.parametrize("name", list(FILES))
def test_files_of_another_data_set_are_refused(name: str, tmp_path: Path) -> None:
    swapped = dict.fromkeys(FILES[name], "a,b\n1,2\n")
    with pytest.raises((ColumnError, FileError), match="Hint"):
        fetched(name, tmp_path, **swapped)


def test_a_wrong_number_of_rows_is_refused(tmp_path: Path) -> None:
    (tmp_path / "reframed.csv").write_text(REFRAMED, encoding="utf-8")
    with pytest.raises(DataError, match=r"(?s)make 5 rows instead of 2627.*Hint"):
        al.fetch_dataset("reframed", folder=tmp_path)


def test_a_folder_without_the_file_names_its_address(tmp_path: Path) -> None:
    with pytest.raises(
        FileError, match=r"(?s)no file 'ESConv.json'.*Hint: save https://raw.githubusercontent.com/thu-coai"
    ):
        al.fetch_dataset("esconv", folder=tmp_path, progress=False)


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"(?s)no folder 'absent'.*Hint: check the spelling of folder="):
        al.fetch_dataset("esconv", folder=tmp_path / "absent")


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(FileError, match=r"(?s)No data set 'esconf'.*did you mean 'esconv'"):
        al.fetch_dataset("esconf")


def test_files_in_the_cache_are_used_without_a_network(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (cache / "esconv").mkdir(parents=True)
    for file, text in FILES["esconv"].items():
        (cache / "esconv" / file).write_text(text, encoding="utf-8")
    frame = fetched_table(small("esconv"), base="http://127.0.0.1:9", progress=False)
    assert len(frame) == 2


def test_offline_the_message_names_the_call_to_repeat() -> None:
    with pytest.raises(FileError, match=r'(?s)ESConv.json could not be downloaded.*fetch_dataset\("esconv"\) again'):
        fetched_table(small("esconv"), base="http://127.0.0.1:9", progress=False)


def test_tables_that_cannot_be_written_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "taken").write_text("a file")
    monkeypatch.setenv("ALLIANCE_STATS_CACHE", str(tmp_path / "taken"))
    with pytest.raises(FileError, match=r"(?s)tables cannot be written.*ALLIANCE_STATS_CACHE"):
        fetched("reframed", tmp_path)


CARD = """
title = "Tiny"
level = "session"
licence = "CC0"
citation = "Nobody (2026)."
column_map = "reframed"
[[files]]
repository = "owner/data"
commit = "0123456789012345678901234567890123456789"
path = "data/reframed.csv"
sha256 = ""
"""


def test_a_card_can_pin_the_checksum(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(CARD.replace('sha256 = ""', f'sha256 = "{"ab" * 32}"'))
    remote = read_dataset(tmp_path / "tiny.toml").files[0].remote("http://x")
    assert (remote.name, remote.sha256) == ("reframed.csv", "ab" * 32)
    assert remote.address == f"http://x/owner/data/{'0123456789' * 4}/data/reframed.csv"


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ('title = "Tiny"', "", "'title' is missing"),
        ('level = "session"', 'level = "week"', "'level' is \"week\""),
        ('level = "session"', 'levels = "session"', "unknown key 'levels'"),
        ('level = "session"', 'level = "session"\nrows = 0', "'rows' must be a whole number above 0"),
        ('level = "session"', 'level = "session"\nrows = true', "'rows' must be a whole number above 0"),
        ('column_map = "reframed"', 'column_map = "none"', "'column_map' is"),
        ('"owner/data"', '"owner"', "'repository' is"),
        ("0123456789012345678901234567890123456789", "main", "'commit' is \"main\""),
        ("data/reframed.csv", "../reframed.csv", "'path' is"),
        ("data/reframed.csv", "/reframed.csv", "'path' is"),
        ('sha256 = ""', 'sha256 = "ab"', "'sha256' has not 64"),
        ('sha256 = ""', "", "'sha256' is missing"),
        ('sha256 = ""', 'sha256 = ""\nmirror = "x"', "unknown key 'mirror'"),
        (CARD, "[[", "is no valid TOML"),
        (CARD, CARD + CARD[CARD.index("[[files]]") :], "two files are called 'reframed.csv'"),
    ],
)
def test_a_card_that_breaks_the_schema_is_refused(tmp_path: Path, before: str, after: str, problem: str) -> None:
    (tmp_path / "tiny.toml").write_text(CARD.replace(before, after))
    with pytest.raises(StudyError, match=rf"(?s)tiny.toml.*{problem}.*Hint"):
        read_dataset(tmp_path / "tiny.toml")


def test_a_map_without_a_study_says_what_to_do_instead() -> None:
    with pytest.raises(StudyError, match=r"(?s)'reframed' do not fit any bundled study.*fetch_dataset"):
        al.run_study("therapist-statements", columns="reframed")


BREAKS: dict[str, Callable[[str], str]] = {
    "cut in a quotation": lambda text: text[: len(text) // 2] + '"',
    "header joined to a row": lambda text: text.replace("\n", ";", 1),
    "NUL bytes": lambda text: "\0" * 50,
    "three letters": lambda text: text[:3],
    "two headers": lambda text: text.splitlines()[0] + "\n" + text,
}


@pytest.mark.parametrize("how", BREAKS)
@pytest.mark.parametrize(("name", "file"), [(name, file) for name, files in FILES.items() for file in files])
def test_a_broken_file_is_an_error_of_this_library_or_a_clean_table(
    name: str, file: str, how: str, tmp_path: Path
) -> None:
    shown = ""
    try:
        shown = fetched(name, tmp_path, **{file: BREAKS[how](FILES[name][file])}).to_csv()
    except AllianceStatsError as problem:
        shown = "".join(traceback.format_exception(problem))
    assert SECRET not in shown


def test_the_shared_trial_is_what_the_loader_makes(shared_data: Callable[[str], Path], tmp_path: Path) -> None:
    known = pd.read_csv(shared_data("reframed_rodbt") / "reframed_tidy.csv")
    upstream = pd.DataFrame(
        {
            "patient": known["patient"] + 10_000,
            "month": known["month"].astype(str),
            "grp": known["arm"],
            "site": known["site"],
            "therapist": known["therapist"],
            "age_years": known["age_decade"] + 9,
            "female": known["female"],
            "phq9": known["phq9"],
            "hamd": known["hamd"],
            "hamd.b": known["hamd_baseline"],
        }
    )
    upstream.to_csv(tmp_path / "reframed.csv", index=False, na_rep="NaN")
    frame = al.fetch_dataset("reframed", folder=tmp_path)
    same = ["arm", "phq9", "hamd", "hamd_baseline", "female", "age_decade", "site"]
    pd.testing.assert_frame_equal(frame[same], known[same], check_dtype=False)
    assert frame["session"].tolist() == known["month"].tolist()
    assert pd.crosstab(frame["therapist"], known["therapist"]).gt(0).sum(axis=1).eq(1).all()


def test_the_shared_conversations_are_what_the_loader_makes(shared_data: Callable[[str], Path], tmp_path: Path) -> None:
    folder = shared_data("esconv")
    known = pd.read_csv(folder / "esconv_conversations.csv")
    turns = pd.read_csv(folder / "esconv_utterances_notext.csv")
    said = {
        number: [
            turn(who, strategy if who == "supporter" else None)
            for who, strategy in zip(own.speaker, own.strategy, strict=True)
        ]
        for number, own in turns.groupby("conversation_id")
    }
    entries = []
    for row in known.to_dict("records"):
        names = {"initial_intensity": "initial_emotion_intensity", "final_intensity": "final_emotion_intensity"}
        seeker = {
            names.get(name, name): str(int(row[name]))
            for name in ("initial_intensity", "final_intensity", "empathy", "relevance")
            if row[name] == row[name]
        }
        rated = row["supporter_relevance"] == row["supporter_relevance"]
        supporter = {"relevance": str(int(row["supporter_relevance"]))} if rated else {}
        labels = {name: row[name] for name in ("experience_type", "emotion_type", "problem_type")}
        score = {"seeker": seeker, "supporter": supporter}
        entries.append({**labels, "survey_score": score, "dialog": said[row["conversation_id"]]})
    (tmp_path / "ESConv.json").write_text(json.dumps(entries), encoding="utf-8")
    (tmp_path / "FailedESConv.json").write_text(FAILED, encoding="utf-8")
    frame = al.fetch_dataset("esconv", folder=tmp_path)
    expected = al.read_study_data("esconv", folder).drop(columns="split")
    pd.testing.assert_frame_equal(frame, expected, check_dtype=False)


def test_the_shared_sessions_are_what_the_loader_makes(shared_data: Callable[[str], Path], tmp_path: Path) -> None:
    folder = shared_data("aipsych_eval")
    sessions, answers = pd.read_csv(folder / "sessions_tidy.csv"), pd.read_csv(folder / "wai_items_tidy.csv")
    labels = {number: label for label, number in WAI_ANSWERS.items()}
    items = {f"question{n}": answers[f"wai{n}"].map(labels) for n in range(1, 37)}
    sessions.to_csv(tmp_path / "master_session_data_focused.csv", index=False)
    sessions.dropna(subset="GI").to_csv(tmp_path / "mi_batch_behavior_eval_logs.csv", index=False)
    answers.assign(**items).to_csv(tmp_path / "survey_wai_logs.csv", index=False)
    frame = al.fetch_dataset("aipsych_eval", folder=tmp_path)
    expected = al.read_study_data("aipsych_eval", folder)
    left_out = [name for name in expected.columns if name.endswith("_recomputed")]
    pd.testing.assert_frame_equal(frame[expected.columns.drop(left_out)], expected.drop(columns=left_out))


def test_the_shared_couples_are_what_the_loader_makes(shared_data: Callable[[str], Path]) -> None:
    known = pd.read_csv(shared_data("acitelli_couples") / "acitelli_tidy.csv")
    upstream = known.rename(columns={new: old for old, new in COUPLE_COLUMNS.items()}).astype(
        {"CoupleID": float, "Partnum": float}
    )
    frame = couples(upstream)
    pd.testing.assert_frame_equal(frame[known.columns], known)


def test_the_study_runs_on_a_fetched_data_set(tmp_path: Path) -> None:
    fetched("esconv", tmp_path)
    where = al.list_datasets().set_index("name").loc["esconv", "where"]
    frame = al.statement_shares(
        al.read_study_data("esconv", where),
        None,
        counts=dict(al.read_column_map("esconv").statements.counts),
        total="n_supporter",
    )
    assert frame["share_exploratory"].tolist() == [pytest.approx(2 / 3), 0]
