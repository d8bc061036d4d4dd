from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from openpyxl import Workbook

from alliance_stats.errors import FileError
from alliance_stats.loaders import archives, workbooks
from alliance_stats.loaders.readers import read_table
from tests.loaders.workbook_parts import archive, xlsx_parts, xlsx_row

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
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_text_called_xlsx_is_told_apart(write: WriteFile) -> None:
    with pytest.raises(FileError, match=r"(?s)not an xlsx workbook, whatever its name.*Hint: .*ending \.csv"):
        read_table(write("a.xlsx", "a,b\n1,2\n"))


def test_an_old_or_locked_workbook_is_told_apart(write: WriteFile) -> None:
    with pytest.raises(FileError, match=r"(?s)old \.xls workbook or one with a password.*Hint: .*save it as \.xlsx"):
        read_table(write("a.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600))


def test_errors_and_formulas_without_values_are_missing_and_counted(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", one=[["a", "b"], [1, "=1+1"], ["#N/A", 2], ["#DIV/0!", 3]])
    frame = read_table(path)
    assert list(frame["a"].isna()) == [False, True, True]
    assert list(frame["b"].isna()) == [True, False, False]
    notes = " ".join(frame.attrs["notes"])
    assert "a.xlsx: 2 cells hold an error such as #N/A or #DIV/0!; they are missing." in notes
    assert "a.xlsx: 1 formulas have no stored value and are missing; open the file" in notes


def test_only_cells_of_the_sheet_that_is_read_are_counted(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", one=[["a"], [1]], two=[["a"], ["#N/A"], [2]])
    assert read_table(path).attrs["notes"] == ("a.xlsx has 2 sheets; 'one' was read.",)
    assert "1 cells hold an error" in read_table(path, sheet="two").attrs["notes"][1]


def test_merged_cells_have_a_value_in_the_first_and_a_note(tmp_path: Path) -> None:
    book = Workbook()
    sheet = book.active
    for row in [["a", "b"], ["x", 1], [None, 2]]:
        sheet.append(row)
    sheet.merge_cells("A2:A3")
    book.save(tmp_path / "a.xlsx")
    frame = read_table(tmp_path / "a.xlsx")
    assert list(frame["a"].isna()) == [False, True]
    assert "a.xlsx has 1 merged ranges; only the first cell of each has a value." in frame.attrs["notes"]


def test_blank_rows_within_the_table_are_counted_and_those_below_are_not(tmp_path: Path) -> None:
    frame = read_table(workbook(tmp_path / "a.xlsx", one=[["a"], [1], [None], [None], [2], [None], [None]]))
    assert frame.attrs["notes"] == ("2 rows without any cell were left out.",)


COLUMNS: dict[str, tuple[list[object], list[object], str]] = {
    "whole numbers": ([1, 2.0], [1, 2], "int64"),
    "decimals": ([1, 2.5], [1.0, 2.5], "float64"),
    "whole numbers with a gap": ([1, None, 3], [1.0, np.nan, 3.0], "float64"),
    "text": (["x", None], ["x", np.nan], "str"),
    "text with leading zeros": (["01", "2"], ["01", "2"], "str"),
    "truth values": ([True, False], [True, False], "bool"),
    "dates": ([pd.Timestamp("2020-01-02"), None], [pd.Timestamp("2020-01-02"), pd.NaT], "datetime64[us]"),
}


@pytest.mark.parametrize("case", COLUMNS)
def test_columns_have_the_type_of_their_cells(tmp_path: Path, case: str) -> None:
    cells, expected, kind = COLUMNS[case]
    frame = read_table(
        workbook(tmp_path / "a.xlsx", one=[["n", "a"], *([row, cell] for row, cell in enumerate(cells))])
    )
    pd.testing.assert_series_equal(frame["a"], pd.Series(expected, name="a", dtype=kind))


def test_a_panic_of_the_reader_is_a_file_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class PanicError(BaseException):
        """As pyo3 raises it."""

    def panic(path: Path) -> None:
        raise PanicError("cell 7")

    path = workbook(tmp_path / "a.xlsx", one=ROWS)
    monkeypatch.setattr(workbooks, "_opened", panic)
    with pytest.raises(FileError, match=r"(?s)cannot be read as an xlsx workbook \(PanicError\).*Hint") as caught:
        read_table(path)
    assert "cell 7" not in str(caught.value)


TOO_FAR: dict[str, tuple[str, str, str]] = {
    "last corner": (
        '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>',
        "reaches over 1048576 rows and 16384 columns; 4 cells hold something",
        "delete the cells far away",
    ),
    "beyond the last row": (
        '<row r="1048577"><c r="A1048577"><v>1</v></c></row>',
        "beyond row 1048576",
        "save it again",
    ),
    "upwards": (xlsx_row(1, 5), "not in the order of their numbers", "save it again"),
}


@pytest.mark.parametrize("case", TOO_FAR)
def test_cells_where_no_table_is_are_refused(tmp_path: Path, case: str) -> None:
    rows, problem, hint = TOO_FAR[case]
    path = archive(tmp_path / "a.xlsx", xlsx_parts(xlsx_row(1, "a") + xlsx_row(2, 1, 2) + rows))
    with pytest.raises(FileError, match=f"(?s){problem}.*Hint: .*{hint}"):
        read_table(path)


def test_a_bomb_is_refused_by_its_ratio(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.xlsx", xlsx_parts(xlsx_row(1, "a") + " " * 20_000_000))
    with pytest.raises(FileError, match=r"(?s)unpacks to more than 200 times its size.*Hint: .*\.csv"):
        read_table(path)


def test_a_bomb_is_refused_by_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_MOST_BYTES", 1 << 12)
    path = archive(tmp_path / "a.xlsx", xlsx_parts("".join(xlsx_row(row, row, "x") for row in range(1, 200))))
    with pytest.raises(FileError, match=r"(?s)unpacks to more than 0 MB.*Hint"):
        read_table(path)


def test_entities_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.xlsx", xlsx_parts(xlsx_row(1, "a"), before="<!DOCTYPE a [<!ENTITY b 'c'>]>"))
    with pytest.raises(FileError, match=r"(?s)declares entities.*Hint: .*save it again"):
        read_table(path)
