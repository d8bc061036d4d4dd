from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alliance_stats.errors import DataError, FileError
from alliance_stats.loaders.readers import read_table

WriteFile = Callable[[str, str | bytes], Path]

SAME_TABLE = {
    "commas": ("a.csv", "patient,wai\nä1,3.5\nb2,4.25\n".encode()),
    "semicolons with decimal comma": ("a.csv", "patient;wai\nä1;3,5\nb2;4,25\n".encode()),
    "semicolons with decimal point": ("a.csv", "patient;wai\nä1;3.5\nb2;4.25\n".encode()),
    "tabs": ("a.tsv", "patient\twai\nä1\t3.5\nb2\t4.25\n".encode()),
    "tabs in a csv": ("a.csv", "patient\twai\nä1\t3.5\nb2\t4.25\n".encode()),
    "capital suffix": ("A.CSV", "patient,wai\nä1,3.5\nb2,4.25\n".encode()),
    "byte order mark": ("a.csv", "patient,wai\nä1,3.5\nb2,4.25\n".encode("utf-8-sig")),
    "quoted header after a byte order mark": ("a.csv", '"patient","wai"\n"ä1",3.5\n"b2",4.25\n'.encode("utf-8-sig")),
    "UTF-16 with byte order mark": ("a.csv", "patient\twai\nä1\t3.5\nb2\t4.25\n".encode("utf-16")),
    "Windows-1252": ("a.csv", "patient,wai\nä1,3.5\nb2,4.25\n".encode("cp1252")),
    "Windows line ends": ("a.csv", "patient,wai\r\nä1,3.5\r\nb2,4.25\r\n".encode()),
    "no line end at the end": ("a.csv", "patient,wai\nä1,3.5\nb2,4.25".encode()),
    "padded header": ("a.csv", " patient , wai\nä1,3.5\nb2,4.25\n".encode()),
    "padded cells": ("a.csv", "patient,wai\n ä1 , 3.5\nb2,4.25  \n".encode()),
    "blank lines": ("a.csv", "\n\npatient,wai\nä1,3.5\n\nb2,4.25\n\n".encode()),
    "rows without cells": ("a.csv", "patient,wai\nä1,3.5\nb2,4.25\n,\n,\n".encode()),
    "trailing delimiter in every line": ("a.csv", "patient,wai,\nä1,3.5,\nb2,4.25,\n".encode()),
    "semicolons in a header with a comma in a name": ("a.csv", 'patient;wai\nä1;"3,5"\nb2;4,25\n'.encode()),
}


@pytest.mark.parametrize("case", SAME_TABLE)
def test_the_same_table_comes_from_every_layout(write: WriteFile, case: str) -> None:
    name, content = SAME_TABLE[case]
    frame = read_table(write(name, content))
    pd.testing.assert_frame_equal(frame, pd.DataFrame({"patient": ["ä1", "b2"], "wai": [3.5, 4.25]}))


BAD_FILES: dict[str, tuple[str, bytes, str, str]] = {
    "no bytes": ("a.csv", b"", r"a\.csv is empty \(0 bytes\)", "download finished"),
    "blank lines only": ("a.csv", b"\n\n \n", r"a\.csv has no rows", "export finished"),
    "header only": ("a.csv", b"patient,wai\n", "header with 2 columns and no rows", "export finished"),
    "rows without cells only": ("a.csv", b"patient,wai\n,\n", "no rows with cells", "export finished"),
    "UTF-16 without byte order mark": ("a.csv", "a,b\n1,2\n".encode("utf-16-le"), "control characters", "CSV UTF-8"),
    "binary": ("a.csv", bytes(range(256)), "not a text file in UTF-8", "CSV UTF-8"),
    "undefined in Windows-1252": ("a.csv", b"a,b\n\x81\xff,2\n", "neither UTF-8 nor Windows-1252", "CSV UTF-8"),
    "duplicate header": ("a.csv", b"wai,x,wai\n1,2,3\n", "more than one column called 'wai'", "name of its own"),
    "duplicate header after stripping": ("a.csv", b"wai, wai\n1,2\n", "called 'wai'", "name of its own"),
    "duplicates in a first row of data": (
        "a.csv",
        b"7,1,1\n8,1,2\n",
        r"\(columns 2, 3\)",
        "must hold the column names",
    ),
    "column without a name": ("a.csv", b"a,,b\n1,2,3\n", r"without a name \(column 2\)", "name the column"),
    "one long row": ("a.csv", b"a,b\n1,2\n1,2,3\n", "2 columns, line 3 has 3", "quotation marks"),
    "all rows long": ("a.csv", b"a,b\n1,2,3\n4,5,6\n", "2 columns, (line|other lines)", "quotation marks"),
    "one short row": ("a.csv", b"a,b\n1,2\n3\n", r"1 rows have fewer \(the first ends in line 3\)", "cut off"),
    "short row among quoted commas": ("a.csv", b'a,b,c\n"1,1,1",2,3\n4,5\n', "1 rows have fewer", "cut off"),
    "open quotation mark": ("a.csv", b'a,b\n1,"x\n2,y\n3,z\n', "never closed", "export it again"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_is_an_error_with_evidence_and_hint(write: WriteFile, case: str) -> None:
    name, content, problem, hint = BAD_FILES[case]
    with pytest.raises(FileError, match=f"(?s){problem}.*Hint: .*{hint}") as caught:
        read_table(write(name, content))
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"(?s)no file 'nothing\.csv'.*Hint: check the spelling"):
        read_table(tmp_path / "nothing.csv")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "ward.csv").mkdir()
    with pytest.raises(FileError, match=r"(?s)'ward\.csv' is a folder.*Hint: pass the path of a file"):
        read_table(tmp_path / "ward.csv")


@pytest.mark.parametrize("suffix", [".txt", ".xls", ".docx", ""])
def test_an_unknown_ending_lists_the_known_ones(write: WriteFile, suffix: str) -> None:
    with pytest.raises(FileError, match=r"(?s)cannot be read.*Hint: export the data to one of: \.csv, .*\.parquet"):
        read_table(write(f"a{suffix}", "a,b\n1,2\n"))


def test_an_unreadable_file_is_a_file_error(write: WriteFile, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> bytes:
        raise PermissionError("secret")

    path = write("a.csv", "a,b\n1,2\n")
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(
        FileError, match=r"(?s)a\.csv cannot be opened \(PermissionError\).*Hint: check the permissions"
    ):
        read_table(path)


def test_only_workbooks_have_sheets(write: WriteFile) -> None:
    with pytest.raises(FileError, match=r"(?s)a\.csv has no sheets.*Hint: leave out sheet="):
        read_table(write("a.csv", "a,b\n1,2\n"), sheet="one")


def test_missing_must_be_a_list(write: WriteFile) -> None:
    with pytest.raises(DataError, match=r"(?s)takes a list.*Hint: pass missing=\[-99\]"):
        read_table(write("a.csv", "a,b\n1,2\n"), missing=-99)  # type: ignore[arg-type]


@pytest.mark.parametrize("mark", ["", " ", "NA", "N/A", "#N/A", "#NULL!", "NaN", "nan", " NA "])
def test_marks_for_missing_leave_a_number_column(write: WriteFile, mark: str) -> None:
    frame = read_table(write("a.csv", f"a,b\n1,x\n{mark},y\n"))
    np.testing.assert_array_equal(frame["a"].to_numpy(), [1.0, np.nan])


def test_other_words_are_not_missing(write: WriteFile) -> None:
    frame = read_table(write("a.csv", "a\nnone\nnull\n-\n"))
    assert list(frame["a"]) == ["none", "null", "-"]


def test_codes_for_missing_are_exact_cells(write: WriteFile) -> None:
    frame = read_table(write("a.csv", "a,b,c\n-99,n/a,-990\n-9,no,-99\n2,n/a,-99.0\n"), missing=[-99, "n/a"])
    np.testing.assert_array_equal(frame["a"].to_numpy(), [np.nan, -9, 2])
    assert list(frame["b"].isna()) == [True, False, True]
    np.testing.assert_array_equal(frame["c"].to_numpy(), [-990, np.nan, np.nan])


def test_codes_for_missing_are_counted_in_the_notes(write: WriteFile) -> None:
    frame = read_table(write("a.csv", "a,b\n-99,no\n2,n/a\n"), missing=[-99, "n/a"])
    assert "2 cells hold one of the 2 given codes for missing" in " ".join(frame.attrs["notes"])


def test_a_text_code_turns_a_column_into_numbers(write: WriteFile) -> None:
    frame = read_table(write("a.csv", "a\n1\nrefused\n3\n"), missing=["refused"])
    np.testing.assert_array_equal(frame["a"].to_numpy(), [1, np.nan, 3])


def test_a_code_given_as_text_also_meets_numbers(write: WriteFile) -> None:
    frame = read_table(write("a.csv", "a\n1\n-99\n"), missing=["-99"])
    assert list(frame["a"].isna()) == [False, True]


def test_exempt_columns_keep_cells_that_look_like_codes(write: WriteFile) -> None:
    frame = read_table(write("a.csv", "session,a\n9,9\n1,2\n"), missing=[9], exempt=["session"])
    assert list(frame["session"]) == [9, 1]
    assert list(frame["a"].isna()) == [True, False]


ID_COLUMNS: dict[str, tuple[list[str], list[object]]] = {
    "leading zeros stay text": (["007", "7", "12"], ["007", "7", "12"]),
    "whole numbers are numbers": (["7", "12", "0"], [7, 12, 0]),
    "decimals stay text": (["1.10", "1.1", "2"], ["1.10", "1.1", "2"]),
    "very long numbers stay text": (["12345678901234567890", "1", "2"], ["12345678901234567890", "1", "2"]),
    "spaces around ids are removed": (["A ", "A", " B"], ["A", "A", "B"]),
    "numbers with a blank are numbers": (["7", "12", ""], [7.0, 12.0, None]),
    "long numbers with a blank stay text": (["9007199254740993", "1", ""], ["9007199254740993", "1", None]),
}


@pytest.mark.parametrize("case", ID_COLUMNS)
def test_ids_lose_nothing(write: WriteFile, case: str) -> None:
    cells, expected = ID_COLUMNS[case]
    frame = read_table(write("a.csv", "id,x\n" + "".join(f"{cell},1\n" for cell in cells)), ids=["id"])
    assert [None if pd.isna(value) else value for value in frame["id"]] == expected


def test_kept_leading_zeros_are_noted(write: WriteFile) -> None:
    frame = read_table(write("a.csv", "id,x\n007,1\n"), ids=["id"])
    assert "Column 'id': ids have leading zeros, so they are kept as text." in frame.attrs["notes"]


def test_text_and_number_columns_have_plain_types(write: WriteFile) -> None:
    frame = read_table(write("a.csv", "id,n,x,t\n007,1,1.5,a\n008,2,,b\n"), ids=["id"])
    assert pd.api.types.is_integer_dtype(frame["n"])
    assert pd.api.types.is_float_dtype(frame["x"])
    assert pd.api.types.is_string_dtype(frame["t"])
    assert pd.api.types.is_string_dtype(frame["id"])


def test_a_column_that_turns_to_text_late_in_a_long_file_is_text_throughout(write: WriteFile) -> None:
    cells = ["7"] * 400_000 + ["x"]
    frame = read_table(write("a.csv", "a,b\n" + "".join(f"{cell},1\n" for cell in cells)))
    assert set(frame["a"]) == {"7", "x"}


NOTES = {
    "Windows-1252": ("a,b\nä,2\n".encode("cp1252"), "read as Windows-1252. Check accented letters"),
    "UTF-16": ("a,b\nä,2\n".encode("utf-16"), "read as UTF-16"),
    "semicolons": (b"a;b\n1;2\n", "comma in a number is its decimal sign"),
    "empty rows": (b"a,b\n1,2\n,\n", "1 rows without any cell were left out"),
}


@pytest.mark.parametrize("case", NOTES)
def test_what_is_unusual_is_noted(write: WriteFile, case: str) -> None:
    content, note = NOTES[case]
    assert note in " ".join(read_table(write("a.csv", content)).attrs["notes"])


def test_an_ordinary_file_needs_no_notes(write: WriteFile) -> None:
    assert read_table(write("a.csv", "a,b\n1,2\n")).attrs["notes"] == ()


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["7", "12"], [7, 12]),
        (["0", "10"], [0, 10]),
        (["007", "12"], ["007", "12"]),
        (['"007"', "12"], ["007", "12"]),
        (["-07", "12"], ["-07", "12"]),
        (["+7", "12"], ["+7", "12"]),
        ([" 7", "12 "], [7, 12]),
        ([" 07", "12"], ["07", "12"]),
        (["1.0", "2"], ["1.0", "2"]),
        (["1e3", "2"], ["1e3", "2"]),
        (["True", "False"], ["True", "False"]),
        (["1234567890123456789012", "2"], ["1234567890123456789012", "2"]),
        (["a1", "2"], ["a1", "2"]),
    ],
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_ids_are_kept_as_written(write: WriteFile, cells: list[str], expected: list[object], delimiter: str) -> None:
    rows = ["x" + delimiter + "p" + delimiter + "y", *(f"0.5{delimiter}{cell}{delimiter}3" for cell in cells)]
    frame = read_table(write("a.csv", "\n".join(rows) + "\n"), ids=["p"])
    assert frame["p"].tolist() == expected


def test_a_padded_id_in_a_late_row_is_found(write: WriteFile) -> None:
    rows = [f"{row},1" for row in range(1, 60_000)]
    frame = read_table(write("a.csv", "p,x\n" + "\n".join(rows) + "\n0060000,1\n"), ids=["p"])
    assert frame["p"].iloc[-1] == "0060000"
