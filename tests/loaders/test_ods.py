"""OpenDocument spreadsheets, written by hand as LibreOffice writes them."""

from __future__ import annotations

import datetime
from pathlib import Path

import pandas as pd
import pytest

from alliance_stats.errors import FileError
from alliance_stats.loaders.readers import read_table
from tests.loaders.workbook_parts import archive, ods_cell, ods_parts, ods_row, ods_table, xlsx_parts, xlsx_row

CELL = ods_cell
HEADER = ods_row(CELL("a"), CELL("b"))
ERROR = (
    '<table:table-cell table:formula="of:=1/0" office:value-type="string" office:string-value="" '
    'calcext:value-type="error"><text:p>#DIV/0!</text:p></table:table-cell>'
)


def ods(path: Path, *tables: str) -> Path:
    """Write a workbook of these sheets."""
    return archive(path, ods_parts("".join(tables)))


VALUES: dict[str, tuple[str, object]] = {
    "whole number": (CELL(7), 7),
    "decimal": (CELL(1.5), 1.5),
    "text that looks like a number": (CELL("007"), "007"),
    "truth": (CELL(True), True),
    "percentage": (CELL(0.25, kind="percentage"), 0.25),
    "currency": (CELL(3.5, kind="currency"), 3.5),
    "date": (CELL("2020-01-31", kind="date"), pd.Timestamp("2020-01-31")),
    "date with a time": (CELL("2020-01-31T10:30:00", kind="date"), pd.Timestamp("2020-01-31 10:30")),
    "time": (CELL("PT10H30M00S", kind="time"), datetime.time(10, 30)),
}


@pytest.mark.parametrize("case", VALUES)
def test_cells_of_every_kind_are_read(tmp_path: Path, case: str) -> None:
    cell, expected = VALUES[case]
    frame = read_table(
        ods(tmp_path / "a.ods", ods_table(HEADER, ods_row(cell, CELL("x")))),
        ids=["a"] if isinstance(expected, str) else [],
    )
    found = frame["a"].iloc[0]
    assert found == expected
    assert isinstance(found, bool) == isinstance(expected, bool) or found.dtype == bool


def test_repeated_cells_and_rows_are_repeated(tmp_path: Path) -> None:
    rows = [HEADER, ods_row(CELL(1, repeat=2), repeat=3), ods_row(CELL(5), CELL(6))]
    frame = read_table(ods(tmp_path / "a.ods", ods_table(*rows)))
    assert frame.to_dict("list") == {"a": [1, 1, 1, 5], "b": [1, 1, 1, 6]}


def test_the_rest_of_the_sheet_is_no_row_or_column(tmp_path: Path) -> None:
    rest = CELL(None, repeat=16_382)
    rows = [ods_row(CELL("a"), CELL("b"), rest), ods_row(CELL(1), CELL(2), rest)]
    rows.append(ods_row(CELL(None, repeat=16_384), repeat=1_048_574))
    frame = read_table(ods(tmp_path / "a.ods", ods_table(*rows)))
    assert (frame.shape, frame.attrs["notes"]) == ((1, 2), ())


def test_repeated_empty_rows_are_left_out_and_counted(tmp_path: Path) -> None:
    gap = ods_row(CELL(None, repeat=2), repeat=40)
    frame = read_table(
        ods(tmp_path / "a.ods", ods_table(gap, HEADER, ods_row(CELL(1), CELL(2)), gap, ods_row(CELL(3))))
    )
    assert list(frame["a"]) == [1, 3]
    assert frame.attrs["notes"] == ("40 rows without any cell were left out.",)


def test_repeated_empty_cells_keep_the_place_of_the_next(tmp_path: Path) -> None:
    rows = [ods_row(CELL("a"), CELL("b"), CELL("c"), CELL("d")), ods_row(CELL(1), CELL(None, repeat=2), CELL(4))]
    frame = read_table(ods(tmp_path / "a.ods", ods_table(*rows)))
    assert frame["d"].tolist() == [4]
    assert frame[["b", "c"]].isna().all(axis=None)


def test_errors_of_formulas_are_missing_and_counted(tmp_path: Path) -> None:
    frame = read_table(ods(tmp_path / "a.ods", ods_table(HEADER, ods_row(ERROR, CELL(1)), ods_row(CELL(2), CELL(3)))))
    assert list(frame["a"].isna()) == [True, False]
    assert "a.ods: 1 cells hold an error" in frame.attrs["notes"][0]


def test_an_error_stored_as_a_number_is_refused(tmp_path: Path) -> None:
    wrong = ERROR.replace(
        'office:value-type="string" office:string-value=""', 'office:value-type="float" office:value="0"'
    )
    path = ods(tmp_path / "a.ods", ods_table(HEADER, ods_row(wrong, CELL(1))))
    with pytest.raises(
        FileError, match=r"(?s)a\.ods stores 1 errors of formulas as numbers.*Hint: .*correct the formulas"
    ):
        read_table(path)


def test_a_comment_is_no_part_of_its_cell(tmp_path: Path) -> None:
    cell = CELL("x").replace("<text:p>", "<office:annotation><text:p>remark</text:p></office:annotation><text:p>")
    frame = read_table(ods(tmp_path / "a.ods", ods_table(HEADER, ods_row(cell, CELL(1)))))
    assert frame["a"].tolist() == ["x"]


def test_a_sheet_can_be_chosen(tmp_path: Path) -> None:
    sheets = [ods_table(HEADER, ods_row(CELL(k), CELL(0)), name=name) for k, name in ((1, "one"), (2, "two"))]
    path = ods(tmp_path / "a.ods", *sheets)
    assert read_table(path, sheet="two")["a"].tolist() == [2]
    frame = read_table(path)
    assert (frame["a"].tolist(), frame.attrs["notes"][0]) == ([1], "a.ods has 2 sheets; 'one' was read.")


def test_an_unknown_sheet_lists_the_sheets(tmp_path: Path) -> None:
    path = ods(tmp_path / "a.ods", ods_table(HEADER, ods_row(CELL(1), CELL(2))))
    with pytest.raises(FileError, match=r"(?s)a\.ods has no sheet 'two'.*Hint: pass sheet= with one of: one"):
        read_table(path, sheet="two")


def test_messages_speak_of_ods(tmp_path: Path) -> None:
    (tmp_path / "a.ods").write_text("a,b\n1,2\n")
    with pytest.raises(FileError, match=r"(?s)a\.ods is not an ods workbook.*Hint: .*ending \.csv"):
        read_table(tmp_path / "a.ods")
    archive(tmp_path / "b.ods", {"content.xml": "<no xml"})
    with pytest.raises(FileError, match=r"(?s)b\.ods cannot be read as an ods workbook.*Hint: .*again as \.ods"):
        read_table(tmp_path / "b.ods")


@pytest.mark.parametrize(("suffix", "other"), [(".ods", ".xlsx"), (".xlsx", ".ods")])
def test_the_one_workbook_under_the_name_of_the_other_is_told_apart(tmp_path: Path, suffix: str, other: str) -> None:
    rows = ods_parts(ods_table(HEADER)) if other == ".ods" else xlsx_parts(xlsx_row(1, "a"))
    path = archive(tmp_path / f"a{suffix}", rows)
    with pytest.raises(
        FileError, match=rf"(?s)not an {suffix[1:]} workbook but an {other[1:]} one.*Hint: .*ending \{other}"
    ):
        read_table(path)
