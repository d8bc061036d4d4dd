from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from openpyxl import Workbook

from alliance_stats.errors import FileError
from alliance_stats.loaders.readers import read_table

WriteFile = Callable[[str, str | bytes], Path]


def workbook(path: Path, **sheets: list[list[object]]) -> Path:
    """Write a workbook whose sheets hold the given rows."""
    book = Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


ROWS: list[list[object]] = [["id", " wai ", "note"], ["007", 3.5, "x"], ["012", None, "#NULL!"], ["3", -99, " "]]


def test_ids_stored_as_text_keep_their_zeros(tmp_path: Path) -> None:
    frame = read_table(workbook(tmp_path / "a.xlsx", one=ROWS), ids=["id"])
    assert list(frame["id"]) == ["007", "012", "3"]


def test_blank_cells_marks_and_codes_are_missing(tmp_path: Path) -> None:
    frame = read_table(workbook(tmp_path / "a.xlsx", one=ROWS), missing=[-99])
    np.testing.assert_array_equal(frame["wai"].to_numpy(), [3.5, np.nan, np.nan])
    assert list(frame["note"].isna()) == [False, True, True]


def test_numbers_stored_as_text_are_numbers(tmp_path: Path) -> None:
    frame = read_table(workbook(tmp_path / "a.xlsx", one=[["a"], ["1"], ["2.5"]]))
    assert list(frame["a"]) == [1.0, 2.5]


def test_truth_values_stay_truth_values(tmp_path: Path) -> None:
    frame = read_table(workbook(tmp_path / "a.xlsx", one=[["a"], [True], [False]]))
    assert list(frame["a"]) == [True, False]


def test_rows_above_the_table_without_cells_are_skipped(tmp_path: Path) -> None:
    frame = read_table(workbook(tmp_path / "a.xlsx", one=[[], [None, None], ["a", "b"], [1, 2], [None, None], [3, 4]]))
    pd.testing.assert_frame_equal(frame, pd.DataFrame({"a": [1, 3], "b": [2, 4]}))


def test_the_first_sheet_is_read_and_noted(tmp_path: Path) -> None:
    frame = read_table(workbook(tmp_path / "a.xlsx", one=[["a"], [1]], two=[["a"], [2]]))
    assert list(frame["a"]) == [1]
    assert "2 sheets; 'one' was read" in frame.attrs["notes"][0]


def test_a_sheet_can_be_chosen(tmp_path: Path) -> None:
    frame = read_table(workbook(tmp_path / "a.xlsx", one=[["a"], [1]], two=[["a"], [2]]), sheet="two")
    assert list(frame["a"]) == [2]


def test_an_unknown_sheet_lists_the_sheets(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", one=[["a"], [1]], two=[["a"], [2]])
    with pytest.raises(FileError, match=r"(?s)no sheet 'three'.*Hint: pass sheet= with one of: one, two"):
        read_table(path, sheet="three")


BAD_SHEETS: dict[str, tuple[list[list[object]], str, str]] = {
    "empty": ([], "Sheet 'one' of a.xlsx is empty", "one of: one"),
    "header only": ([["a", "b"]], "has a header and no rows", "one of: one"),
    "duplicate header": ([["a", "a "], [1, 2]], "more than one column called 'a'", "name of its own"),
    "column without a name": ([["a", None], [1, 2]], r"without a name \(column 2\)", "name the column"),
}


@pytest.mark.parametrize("case", BAD_SHEETS)
def test_a_bad_sheet_is_an_error_with_evidence_and_hint(tmp_path: Path, case: str) -> None:
    rows, problem, hint = BAD_SHEETS[case]
    path = workbook(tmp_path / "a.xlsx", one=rows)
    with pytest.raises(FileError, match=f"(?s){problem}.*Hint: .*{hint}"):
        read_table(path)


def test_a_truncated_workbook_is_an_error(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", one=ROWS)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(FileError, match=r"(?s)a\.xlsx is cut off or damaged.*Hint: .*export the workbook again"):
        read_table(path)


def test_a_damaged_workbook_is_an_error_without_details(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", one=ROWS)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"xl/workbook.xml", b"xl/workbxxx.xml"))
    with pytest.raises(FileError, match=r"(?s)cannot be read as an xlsx workbook.*Hint: .*save it again") as caught:
        read_table(path)
    assert caught.value.__suppress_context__


def test_text_called_xlsx_is_told_apart(write: WriteFile) -> None:
    with pytest.raises(FileError, match=r"(?s)not an xlsx workbook, whatever its name.*Hint: .*ending \.csv"):
        read_table(write("a.xlsx", "a,b\n1,2\n"))


def test_an_old_or_locked_workbook_is_told_apart(write: WriteFile) -> None:
    with pytest.raises(FileError, match=r"(?s)old \.xls workbook or one with a password.*Hint: .*save it as \.xlsx"):
        read_table(write("a.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600))
