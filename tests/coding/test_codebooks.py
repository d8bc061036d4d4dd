from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from alliance_stats.coding.codebooks import list_codebooks, load_codebook
from alliance_stats.errors import FileError, StudyError

MINIMAL = """
key = "mine"
title = "My codes"
description = "Two codes."
categories = ["warm", "cold"]

[sources.me]
citation = "Me (2024)"
doi = "10.1/x"

[codes.AF]
label = "Affirm"
category = "warm"
source = ["me"]
evidence = "None."
confidence = "convention"

[codes.CO]
label = "Confront"
category = "cold"
source = ["me"]
evidence = "None."
confidence = "disputed"
note = "Depends."
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def to_file(text: str) -> Path:
        path = tmp_path / "mine.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return to_file


def test_the_bundled_codebook_is_listed() -> None:
    row = list_codebooks().set_index("key").loc["helping_skills"]
    assert (row["n_codes"], row["n_disputed"]) == (12, 4)
    assert row["categories"] == "supportive, exploratory, controlling, other"


def test_every_listed_codebook_loads_under_its_key() -> None:
    for key in list_codebooks()["key"]:
        assert load_codebook(key).key == key


def test_every_code_of_the_bundled_codebook_names_a_source_and_what_it_prints() -> None:
    book = load_codebook("helping_skills")
    cited = {source.key for source in book.sources}
    assert all(code.sources and set(code.sources) <= cited and code.evidence for code in book.codes)


def test_every_source_of_the_bundled_codebook_is_used() -> None:
    book = load_codebook("helping_skills")
    assert {key for code in book.codes for key in code.sources} == {source.key for source in book.sources}


def test_codes_without_a_plain_finding_carry_a_note() -> None:
    assert all(code.note for code in load_codebook("helping_skills").codes if code.confidence != "finding")


@pytest.mark.parametrize("code", ["interpretation", "self_disclosure"])
def test_codes_with_opposite_signs_in_cunha_and_hill_are_disputed(code: str) -> None:
    entry = next(entry for entry in load_codebook("helping_skills").codes if entry.name == code)
    assert entry.confidence == "disputed"
    assert {"cunha_2012", "hill_1988"} <= set(entry.sources)


def test_the_codebook_says_that_signs_are_not_portable() -> None:
    assert any("not portable across coding systems" in note for note in load_codebook("helping_skills").notes)


def test_the_table_has_one_row_per_code_with_citations_in_words() -> None:
    table = load_codebook("helping_skills").to_frame().set_index("code")
    assert len(table) == 12
    assert "Hayes & Strauss (1998)" in table.loc["approval_reassurance", "source"]


def test_a_users_own_codebook_is_read(write: Callable[[str], Path]) -> None:
    book = load_codebook(write(MINIMAL))
    assert book.category_of == {"AF": "warm", "CO": "cold"}
    assert book.code_names == ("AF", "CO")
    assert book.sources[0].doi == "10.1/x"
    assert book.notes == ()


def test_a_path_given_as_text_is_read(write: Callable[[str], Path]) -> None:
    assert load_codebook(str(write(MINIMAL))).key == "mine"


def test_an_unknown_key_suggests_the_nearest() -> None:
    with pytest.raises(StudyError, match=r"No codebook 'helping_skils'(.|\n)*did you mean 'helping_skills'"):
        load_codebook("helping_skils")


def test_a_missing_file_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"'none.toml' cannot be read(.|\n)*Hint: check the path"):
        load_codebook(tmp_path / "none.toml")


def test_a_file_that_is_not_toml_is_an_error_with_a_remedy(write: Callable[[str], Path]) -> None:
    with pytest.raises(FileError, match=r"not a TOML file(.|\n)*Hint: start from a copy"):
        load_codebook(write("key = = 1"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('category = "warm"', 'category = "hot"', r"codes.AF\](.|\n)*\"hot\"(.|\n)*Hint: write one of: warm, cold"),
        (
            'confidence = "disputed"',
            'confidence = "sure"',
            r"codes.CO\](.|\n)*\"sure\"(.|\n)*Hint: write one of: finding",
        ),
        ('source = ["me"]', 'source = ["you"]', r"'you' is not described(.|\n)*Hint: add a table \[sources.you\]"),
        ('title = "My codes"', 'titel = "My codes"', r"unknown key 'titel'(.|\n)*did you mean 'title'"),
        ('label = "Affirm"', 'lable = "Affirm"', r"unknown key 'lable'(.|\n)*did you mean 'label'"),
        ('doi = "10.1/x"', 'url = "x"', r"unknown key 'url'(.|\n)*Hint: (.|\n)*citation"),
        ('label = "Affirm"\n', "", r"'label' is missing(.|\n)*Hint: add label"),
        ('["warm", "cold"]', '["warm", "cold", "warm"]', r"named twice(.|\n)*Hint: list every category once"),
        ('["warm", "cold"]', '["warm", "cold", "Not good"]', r"'Not good' cannot become(.|\n)*Hint: use lower-case"),
    ],
)
def test_a_wrong_field_is_named_with_a_remedy(write: Callable[[str], Path], old: str, new: str, message: str) -> None:
    with pytest.raises(StudyError, match=message):
        load_codebook(write(MINIMAL.replace(old, new)))


def test_a_codebook_without_codes_is_an_error(write: Callable[[str], Path]) -> None:
    with pytest.raises(StudyError, match=r"no codes(.|\n)*Hint: add a table \[codes"):
        load_codebook(write(MINIMAL.split("[codes.AF]")[0] + "[codes]\n"))
