from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from alliance_stats.errors import FileError, StudyError
from alliance_stats.loaders.column_map import list_column_maps, read_column_map
from alliance_stats.loaders.map_schema import DataFile, Measure, StatementColumns

WriteFile = Callable[[str, str | bytes], Path]

FULL = """\
study = "therapist-statements"
level = "session"
title = "A ward"
simulated = false
source = "Ours"
note = ["One.", "Two."]
row_key = ["pid", "week"]
missing = [-99, "refused"]
[[files]]
path = "ward.xlsx"
sheet = "data"
[[files]]
path = "codes.csv"
join_on = ["pid", "week"]
how = "left"
[columns]
patient = "pid"
session = "week"
therapist = "th"
[alliance]
instrument = "wai_36"
items = "wai{}"
score = "sum"
label = "Alliance"
published_total = "wai_total"
published_key_note = "Item 28."
[outcome]
column = "oq"
label = "Distress"
better = "lower"
initial = "oq_intake"
[statements]
total = "all"
[statements.counts]
supportive = ["a", "b"]
controlling = ["c"]
[random]
groups = ["patient", "therapist"]
"""


def test_every_key_arrives(write: WriteFile) -> None:
    parsed = read_column_map(write("ward.toml", FULL))
    assert (parsed.study, parsed.level, parsed.title, parsed.source) == (
        "therapist-statements",
        "session",
        "A ward",
        "Ours",
    )
    assert parsed.simulated is False
    assert parsed.notes == ("One.", "Two.")
    assert parsed.row_key == ("pid", "week")
    assert parsed.missing == (-99, "refused")
    assert parsed.files == (
        DataFile("ward.xlsx", sheet="data"),
        DataFile("codes.csv", join_on=("pid", "week"), how="left"),
    )
    assert dict(parsed.columns) == {"patient": "pid", "session": "week", "therapist": "th"}
    assert parsed.random == ("patient", "therapist")
    assert parsed.slopes is True


def test_slopes_can_be_forbidden(write: WriteFile) -> None:
    text = FULL.replace('groups = ["patient", "therapist"]', 'groups = ["patient", "therapist"]\nslopes = false')
    assert read_column_map(write("ward.toml", text)).slopes is False


def test_measures_arrive(write: WriteFile) -> None:
    parsed = read_column_map(write("ward.toml", FULL))
    assert parsed.alliance == Measure(
        label="Alliance",
        instrument="wai_36",
        items="wai{}",
        score="sum",
        published_total="wai_total",
        published_key_note="Item 28.",
    )
    assert parsed.outcome == Measure(label="Distress", column="oq", better="lower", initial="oq_intake")
    assert parsed.outcome.named_columns == ("oq", "oq_intake")


def test_statement_counts_arrive(write: WriteFile) -> None:
    statements = read_column_map(write("ward.toml", FULL)).statements
    assert statements is not None
    assert dict(statements.counts) == {"supportive": ("a", "b"), "controlling": ("c",)}
    assert statements.named_columns == ("a", "b", "c", "all")


def test_a_codebook_with_its_pattern_arrives(write: WriteFile) -> None:
    head = FULL.partition("[statements]")[0]
    text = head + '[statements]\ncodebook = "helping_skills"\ncounts_pattern = "n_{}"\n'
    statements = read_column_map(write("ward.toml", text)).statements
    assert statements == StatementColumns(codebook="helping_skills", counts_pattern="n_{}")


def test_items_can_be_a_list_or_a_table(write: WriteFile) -> None:
    listed = read_column_map(write("a.toml", FULL.replace('items = "wai{}"', 'items = ["q1", "q2"]'))).alliance
    named = read_column_map(write("b.toml", FULL.replace('items = "wai{}"', 'items = {1 = "q1", 2 = "q7"}'))).alliance
    assert listed is not None
    assert named is not None
    assert listed.items == ("q1", "q2")
    assert named.items == {"1": "q1", "2": "q7"}
    assert named.named_columns == ("q1", "q7", "wai_total")


def test_a_measure_without_a_label_is_called_after_its_column_or_instrument(write: WriteFile) -> None:
    text = FULL.replace('label = "Distress"\n', "").replace('label = "Alliance"\n', "")
    parsed = read_column_map(write("a.toml", text))
    assert parsed.outcome is not None
    assert parsed.alliance is not None
    assert (parsed.outcome.label, parsed.alliance.label) == ("oq", "wai_36 (sum)")


def test_a_conversation_needs_no_session(write: WriteFile) -> None:
    text = FULL.replace('level = "session"', 'level = "conversation"').replace('session = "week"\n', "")
    assert read_column_map(write("a.toml", text)).level == "conversation"


def test_a_single_file_may_leave_its_path_out(write: WriteFile) -> None:
    text = re.sub(r"(?s)\[\[files\]\].*?\[columns\]", "[[files]]\n[columns]", FULL)
    assert read_column_map(write("a.toml", text)).files == (DataFile(),)


def without(line: str) -> str:
    """Return the full map without a line."""
    assert line in FULL
    return FULL.replace(line + "\n", "")


def instead(old: str, new: str) -> str:
    """Return the full map with a text replaced."""
    assert old in FULL
    return FULL.replace(old, new)


BAD_MAPS = {
    "no study": (without('study = "therapist-statements"'), "ward.toml: the key 'study' is missing", "add study = "),
    "no level": (without('level = "session"'), "the key 'level' is missing", "add level"),
    "no title": (without('title = "A ward"'), "the key 'title' is missing", "add title"),
    "no simulated": (without("simulated = false"), "the key 'simulated' is missing", "true or false"),
    "no source": (without('source = "Ours"'), "the key 'source' is missing", "add source"),
    "no patient": (without('patient = "pid"'), r"ward.toml, \[columns\]: the key 'patient' is missing", "add patient"),
    "no session": (without('session = "week"'), r"\[columns\]: the key 'session' is missing", "add session"),
    "no join_on": (without('join_on = ["pid", "week"]'), r"\[\[files\]\] number 2: the key 'join_on'", "add join_on"),
    "no items": (without('items = "wai{}"'), r"\[alliance\]: the key 'items' is missing", "add items"),
    "no score": (without('score = "sum"'), r"\[alliance\]: the key 'score' is missing", "add score"),
    "no better": (without('better = "lower"'), r"\[outcome\]: the key 'better' is missing", "add better"),
    "no path of two files": (without('path = "codes.csv"'), r"entry 2 of \[\[files\]\] has no 'path'", "single file"),
    "unknown key": (instead("title =", "titel ="), "ward.toml: unknown key 'titel'", "did you mean 'title'"),
    "unknown section": (instead("[outcome]", "[outcomes]"), "unknown key 'outcomes'", "did you mean 'outcome'"),
    "unknown column": (instead("therapist = ", "therapits = "), r"\[columns\]: unknown key 'therapits'", "'therapist'"),
    "unknown in files": (instead("how =", "hwo ="), r"\[\[files\]\] number 2: unknown key 'hwo'", "did you mean 'how'"),
    "join_on in the first file": (
        instead('sheet = "data"', 'join_on = ["pid"]'),
        "number 1: unknown key 'join_on'",
        "path",
    ),
    "unknown in a measure": (
        instead("instrument =", "instrumnt ="),
        r"\[alliance\]: unknown key 'instrumnt'",
        "'instrument'",
    ),
    "better for the alliance": (
        instead('label = "Alliance"', 'better = "higher"'),
        "unknown key 'better'",
        "Known here",
    ),
    "unknown in statements": (
        instead('total = "all"', 'totals = "all"'),
        r"\[statements\]: unknown key 'totals'",
        "'total'",
    ),
    "unknown in random": (instead("groups =", "group ="), r"\[random\]: unknown key 'group'", "'groups'"),
    "unknown level": (instead('"session"', '"week"'), "'level' is \"week\"", "session, conversation"),
    "unknown how": (instead('"left"', '"outer"'), "'how' is \"outer\"", "inner, left"),
    "unknown better": (instead('"lower"', '"down"'), "'better' is \"down\"", "higher, lower"),
    "simulated as text": (
        instead("= false", '= "no"'),
        "'simulated' must be true or false, not text",
        "correct the line",
    ),
    "note as text": (instead('["One.", "Two."]', '"One."'), "'note' must be a list, not text", "correct the line"),
    "blank title": (instead('"A ward"', '" "'), "'title' is blank", "fill it in"),
    "missing with a truth value": (
        instead('[-99, "refused"]', "[true]"),
        "'missing' must be a list of texts and",
        "-99",
    ),
    "groups of numbers": (
        instead('["patient", "therapist"]', "[1]"),
        "'groups' must be a list of texts",
        "for example",
    ),
    "files as a table": (
        re.sub(r"(?s)\[\[files\]\].*?\[columns\]", '[files]\npath = "a.csv"\n[columns]', FULL),
        "'files' must be a list, not a table",
        "correct",
    ),
    "column and instrument": (
        instead('column = "oq"', 'column = "oq"\ninstrument = "ors"'),
        "and not both",
        "finished column",
    ),
    "neither column nor instrument": (without('column = "oq"'), "either 'column' or 'instrument'", "finished column"),
    "counts and codebook": (instead('total = "all"', 'codebook = "helping_skills"'), "and not both", "name a codebook"),
    "pattern without codebook": (
        instead('total = "all"', 'counts_pattern = "n_{}"'),
        "goes with a codebook",
        "remove it",
    ),
    "codebook without pattern": (
        FULL.partition("[statements]")[0] + '[statements]\ncodebook = "helping_skills"\n',
        r"\[statements\]: the key 'counts_pattern' is missing",
        "add counts_pattern",
    ),
    "items without braces": (instead('"wai{}"', '"wai"'), r"'items' must hold \{\} once", "for example"),
    "items with other braces": (instead('"wai{}"', '"wai{}{x}"'), r"'items' must hold \{\} once", "for example"),
    "a code counted twice": (
        instead('["c"]', '["a"]'),
        r"\[statements.counts\]: column 'a' is counted twice",
        "one category",
    ),
    "no counts": (FULL.partition("supportive")[0], "there is no category", "one category"),
    "a column with two names": (
        instead('therapist = "th"', 'therapist = "pid"'),
        "'pid' has two canonical names",
        "once",
    ),
    "a group without a column": (
        without('therapist = "th"'),
        r"\[random\]: 'therapist' is not among the \[columns\]",
        "there",
    ),
    "path above the folder": (instead('"codes.csv"', '"../codes.csv"'), "leaves the folder of the data", "relative"),
    "absolute path": (instead('"codes.csv"', '"/codes.csv"'), "leaves the folder of the data", "relative"),
    "drive in the path": (instead('"codes.csv"', '"C:codes.csv"'), "leaves the folder of the data", "relative"),
}


@pytest.mark.parametrize("case", BAD_MAPS)
def test_a_bad_map_is_an_error_that_names_file_table_and_key(write: WriteFile, case: str) -> None:
    text, problem, hint = BAD_MAPS[case]
    path = write("ward.toml", text)
    with pytest.raises(
        StudyError, match=f"(?s)ward.toml.*{problem.removeprefix('ward.toml')}.*Hint: .*{hint}"
    ) as caught:
        read_column_map(path)
    assert str(path.parent) not in str(caught.value)


def test_a_syntax_error_tells_the_line(write: WriteFile) -> None:
    with pytest.raises(FileError, match=r"(?s)ward\.toml is not valid TOML \(at line 2.*Hint: texts need quotes"):
        read_column_map(write("ward.toml", 'study = "x"\nlevel = session\n'))


def test_another_encoding_is_an_error(write: WriteFile) -> None:
    with pytest.raises(FileError, match=r"(?s)ward\.toml is not UTF-8.*Hint: save it as UTF-8"):
        read_column_map(write("ward.toml", 'study = "Ä"\n'.encode("cp1252")))


def test_no_such_map_file(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"(?s)no column map 'ward\.toml'.*Hint: check the spelling"):
        read_column_map(tmp_path / "ward.toml")


def test_an_unknown_map_suggests_the_nearest() -> None:
    with pytest.raises(StudyError, match=r"(?s)No column map 'esconf'.*Hint: did you mean 'esconv'"):
        read_column_map("esconf")


def test_a_map_can_be_read_by_name_or_as_a_path_in_text(write: WriteFile) -> None:
    assert read_column_map("esconv").level == "conversation"
    assert read_column_map(str(write("ward.toml", FULL))).title == "A ward"


def test_shipped_maps_are_listed_with_what_they_are() -> None:
    listed = list_column_maps().set_index("name")
    assert list(listed.columns) == ["study", "title", "level", "simulated"]
    assert set(listed.index[listed["simulated"]]) == {"aipsych_eval", "therapist_statements"}
    assert {"acitelli", "annomi", "esconv", "reframed"} == set(listed.index[~listed["simulated"]])


@pytest.mark.parametrize("name", list(list_column_maps()["name"]))
def test_every_shipped_map_says_what_its_data_cannot_show(name: str) -> None:
    column_map = read_column_map(name)
    assert column_map.notes
    assert all(note.endswith(".") for note in column_map.notes)
    assert column_map.outcome is not None
    assert (column_map.statements is None) == (column_map.study == "none")


def test_a_column_cannot_be_an_id_and_a_score(write: WriteFile) -> None:
    text = FULL.replace("[outcome]\n", "[outcome]\n", 1)
    start = text.index("[outcome]")
    end = text.index("[statements]")
    text = text[:start] + '[outcome]\ncolumn = "week"\nbetter = "lower"\n' + text[end:]
    with pytest.raises(StudyError, match=r"(?s)column 'week' is the session already.*name the column of the score"):
        read_column_map(write("ward.toml", text))


@pytest.mark.parametrize("items", ['"wai{}"', '["wai1", "wai2"]', '{ 1 = "wai1", 2 = "wai2" }'])
def test_an_item_of_the_alliance_is_no_outcome(items: str, write: WriteFile) -> None:
    text = (
        FULL[: FULL.index("[alliance]")]
        + f"""
[alliance]
instrument = "wai_sr"
items = {items}
score = "mean"
[outcome]
column = "wai2"
better = "higher"
"""
    )
    with pytest.raises(
        StudyError, match=r"(?s)column 'wai2' is an item of the alliance.*name the column of the outcome"
    ):
        read_column_map(write("ward.toml", text))
