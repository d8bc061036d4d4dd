"""What stands above the header, between the lines and around the numbers of text files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from alliance_stats.errors import ColumnError, FileError
from alliance_stats.loaders.readers import read_table
from alliance_stats.loaders.sessions import read_sessions

WriteFile = Callable[[str, str | bytes], Path]

EXPECTED = pd.DataFrame({"patient": ["a", "b"], "wai": [3.5, 4.25]})

SAME_TABLE: dict[str, str | bytes] = {
    "bars": "patient|wai\na|3.5\nb|4.25\n",
    "remarks above the header": "# made by hand\n# in two lines, with a comma\npatient,wai\na,3.5\nb,4.25\n",
    "remarks above a byte order mark's header": "# made by hand\npatient,wai\na,3.5\nb,4.25\n".encode("utf-8-sig"),
    "remarks in UTF-16": "# made by händ\npatient\twai\na\t3.5\nb\t4.25\n".encode("utf-16"),
    "remarks with accents": "# händ\npatient,wai\na,3.5\nb,4.25\n",
    "declared delimiter": "sep=;\npatient;wai\na;3,5\nb;4,25\n",
    "declared delimiter that another outnumbers": "sep=|\npatient|wai\na|3.5\nb|4.25\n",
    "declared delimiter and remarks": "sep=;\r\n# made by hand\r\npatient;wai\r\na;3,5\r\nb;4,25\r\n",
    "line ends of old computers": "patient,wai\ra,3.5\rb,4.25\r",
    "blank rows": "\n\npatient,wai\n\na,3.5\n\n\nb,4.25\n\n",
    "mark inside a cell": "patient,wai\na\ufeff,3.5\nb,4.25\n",
}


@pytest.mark.parametrize("case", SAME_TABLE)
def test_the_same_table_comes_from_every_layout(write: WriteFile, case: str) -> None:
    pd.testing.assert_frame_equal(read_table(write("a.csv", SAME_TABLE[case])), EXPECTED)


def test_a_header_may_begin_with_a_hash(write: WriteFile) -> None:
    assert list(read_table(write("a.csv", "#id,wai\n1,2\n")).columns) == ["#id", "wai"]
    assert list(read_table(write("a.csv", "# remark\n#id,wai\n1,2\n")).columns) == ["#id", "wai"]


def test_lines_of_messages_count_the_remarks(write: WriteFile) -> None:
    with pytest.raises(FileError, match="line 5 has 3"):
        read_table(write("a.csv", "# one\n# two\na,b\n1,2\n1,2,3\n"))
    with pytest.raises(FileError, match="the first ends in line 4"):
        read_table(write("a.csv", "# one\na,b\n1,2\n3\n"))


NOTES = {
    "remarks": ("# one\n# two\na,b\n1,2\n", "Lines above the header of a.csv that were left out: 2."),
    "a declared delimiter": ("sep=,\na,b\n1,2\n", "Lines above the header of a.csv that were left out: 1."),
    "invisible marks": ("a,b\nx\ufeff,2\ny\ufeff,3\n", "2 invisible characters inside cells of a.csv were removed."),
}


@pytest.mark.parametrize("case", NOTES)
def test_what_was_left_out_is_noted(write: WriteFile, case: str) -> None:
    content, note = NOTES[case]
    assert note in read_table(write("a.csv", content)).attrs["notes"]


def test_long_cells_and_line_ends_in_quotes_are_kept(write: WriteFile) -> None:
    story = 'He said: "' + "word " * 60_000 + '"\nand left.'
    quoted = story.replace('"', '""')
    frame = read_table(write("a.csv", f'patient,story\na,"{quoted}"\nb,"two\nlines"\n'))
    assert frame["story"].tolist() == [story, "two\nlines"]


def test_headers_longer_than_the_part_that_is_looked_at_are_read_whole(write: WriteFile) -> None:
    names = [f"a_rather_long_name_of_a_column_{k}" for k in range(30_000)]
    frame = read_table(write("a.csv", ",".join(names) + "\n" + ",".join(map(str, range(30_000))) + "\n"))
    assert list(frame.columns) == names
    assert frame.iloc[0, -1] == 29_999


BAD: dict[str, tuple[str | bytes, str, str]] = {
    "two files in one": (
        b"a,b\n1,2\n\xef\xbb\xbfa,b\n3,4\n",
        r"second byte order mark in line 3",
        r"one by one.*pandas\.concat",
    ),
    "header again": (
        "a,b\nx,y\na,b\nz,w\n",
        r"1 rows of a\.csv repeat the header \(the first is data row 2\)",
        "one by one",
    ),
    "broken UTF-8": (
        "ä,ö\nü,1\n".encode() + b"\xff,2\n",
        r"UTF-8 except in 1 places \(the first in line 3\)",
        "CSV UTF-8",
    ),
    "no names": (",,,\n1,2,3,4\n", "first row of a.csv holds no names", "must hold the column names"),
    "name of a page": ("a," + "b" * 10_001 + "\n1,2\n", "column name of 10001 characters", "quotation mark"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_layout_is_an_error_with_evidence_and_hint(write: WriteFile, case: str) -> None:
    content, problem, hint = BAD[case]
    with pytest.raises(FileError, match=f"(?s){problem}.*Hint: .*{hint}"):
        read_table(write("a.csv", content))


DISGUISED: dict[str, tuple[str, list[str], str]] = {
    "decimal comma": ("\t", ["3,5", "4,25"], r"1 text column holds numbers with a decimal comma.*: 'x'\. .*semicolons"),
    "decimal comma and whole numbers": ("\t", ["3,5", "4", "1,5"], "numbers with a decimal comma"),
    "decimal comma or thousands": ("\t", ["1,234", "4,250"], r"a comma before three digits"),
    "thousands and a decimal comma": (
        ";",
        ["1.234,5", "2.000,25"],
        r"thousands separators and a decimal comma.*without",
    ),
    "thousands of Switzerland": ("\t", ["1'234,5", "2'000,25"], "thousands separators and a decimal comma"),
    "thousands": ("\t", ["1,234.5", "2,000.25"], r"thousands separators \(1,234\.5\).*without thousands separators"),
    "percentages": ("\t", ["50 %", "12.5%"], "percentages.*plain number format"),
    "codes with labels": ("\t", ["2 = rarely", "7 = always"], "numbers followed by their labels.*without their labels"),
}


@pytest.mark.parametrize("case", DISGUISED)
def test_numbers_in_disguise_are_told_with_the_remedy(write: WriteFile, case: str) -> None:
    delimiter, cells, message = DISGUISED[case]
    rows = "".join(f"{row}{delimiter}{cell}\n" for row, cell in enumerate(cells))
    frame = read_table(write("a.csv", f"n{delimiter}x\n{rows}"))
    assert list(frame["x"]) == cells
    notes = " ".join(frame.attrs["notes"])
    assert pd.Series([notes]).str.contains(message).all(), notes
    assert not any(cell in notes for cell in cells if "=" in cell)


@pytest.mark.parametrize(
    "cells", [["a, b", "3,5 points"], ["yes", "no"], ["3.5.2020", "4.5.2020"], ["A1", "B2"], ["1-2", "3-4"]]
)
def test_other_text_is_no_number_in_disguise(write: WriteFile, cells: list[str]) -> None:
    frame = read_table(write("a.tsv", "n\tx\n" + "".join(f"1\t{cell}\n" for cell in cells)))
    assert frame.attrs["notes"] == ()


def test_labels_instead_of_codes_are_told(write: WriteFile) -> None:
    rows = "".join(f"{row},Never,Often,Always\n{row},Often,Never,Never\n" for row in range(5))
    frame = read_table(write("a.csv", f"patient,wai_1,wai_2,wai_3\n{rows}"), ids=["patient"])
    note = " ".join(frame.attrs["notes"])
    assert "3 columns (wai_1 to wai_3) hold the same 3 texts: labels of answers instead of codes" in note
    assert "Qualtrics: 'Use numeric values'; REDCap: 'Raw data'; SPSS: the .sav file" in note
    assert "Never" not in note


def test_few_columns_or_many_texts_are_no_labels(write: WriteFile) -> None:
    few = "a_1,a_2\n" + "yes,no\n" * 5
    many = "a_1,a_2,a_3\n" + "".join(f"t{row},u{row},v{row}\n" for row in range(20))
    assert read_table(write("a.csv", few)).attrs["notes"] == ()
    assert read_table(write("b.csv", many)).attrs["notes"] == ()


SESSIONS: dict[str, tuple[list[str], str, str]] = {
    "ISO dates": (["2020-01-02", "2020-02-03"], "2 of 2 cells are dates as text", r"rank\('dense'\)"),
    "ISO dates with times": (["2020-01-02T10:00", "2020-02-03 11:00"], "dates as text", r"rank\('dense'\)"),
    "dates of other countries": (
        ["2.1.2020", "3.2.2020"],
        "dates as text",
        r"pd\.to_datetime\(\.\.\., dayfirst=\.\.\.\)",
    ),
    "numbered names": (["session 1", "session 2"], "text that ends in a number", r"str\.extract"),
    "names": (["intake", "exit"], "2 of 2 cells are text", "export the codes of the sessions"),
}


@pytest.mark.parametrize("case", SESSIONS)
def test_sessions_that_are_no_numbers_get_the_hint_that_fits(write: WriteFile, case: str) -> None:
    cells, problem, hint = SESSIONS[case]
    path = write("a.csv", "p,s\n" + "".join(f"1,{cell}\n" for cell in cells))
    with pytest.raises(ColumnError, match=f"(?s)'session' should hold numbers; .*{problem}.*Hint: .*{hint}") as caught:
        read_sessions(path, patient="p", session="s")
    assert not any(cell in str(caught.value) for cell in cells)


def test_ids_that_differ_in_capitals_only_are_counted(write: WriteFile) -> None:
    path = write("a.csv", "p,s,t\nAnna,1,x\nanna,1,X\nANNA,1,x\nBen,1,y\n")
    notes = read_sessions(path, patient="p", session="s", therapist="t").attrs["notes"]
    assert "Ids of patients that differ from another in capitals only: 2; they count as different." in notes
    assert "Ids of therapists that differ from another in capitals only: 1; they count as different." in notes
