"""Workbooks that are bombs, reach too far, or have parts that do not fit."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

from tests.loaders.malformed import CANARY, Case
from tests.loaders.workbook_parts import (
    archive,
    ods_cell,
    ods_parts,
    ods_row,
    ods_table,
    xlsx_cell,
    xlsx_parts,
    xlsx_row,
)

Text = str | Callable[[], str]

HEAD = xlsx_row(1, "a", "b")
ROW = xlsx_row(2, 1, CANARY)
LAUGHS = (
    "<!DOCTYPE lolz [<!ENTITY a0 'lol'>"
    + "".join(f"<!ENTITY a{k} '{f'&a{k - 1};' * 10}'>" for k in range(1, 10))
    + "]>"
)


def xlsx(case: str, rows: Text, outcome: str = "error", *, read: str = "table", **options: str) -> Case:
    """Return a workbook with these rows."""
    return Case(f".xlsx {case}", lambda path: _no(archive(path, xlsx_parts(_made(rows), **options))), read, outcome)


def ods(case: str, tables: Text, outcome: str = "error", **options: str) -> Case:
    """Return an ods workbook with these tables."""
    return Case(f".ods {case}", lambda path: _no(archive(path, ods_parts(_made(tables), **options))), "table", outcome)


def _made(text: Text) -> str:
    """Return a text; long ones are made when they are needed."""
    return text if isinstance(text, str) else text()


def changed(name: str, change: Callable[[dict[str, str | bytes]], object], *, read: str = "table") -> Case:
    """Return a sound workbook after a change of its parts."""

    def write(path: Path) -> None:
        parts = ods_parts(SOUND_ODS) if name.startswith(".ods") else xlsx_parts(HEAD + ROW)
        change(parts)
        archive(path, parts)

    return Case(name, write, read, "error")


def _no(_: object) -> None:
    """Say that the file is written already."""


def lying_size(path: Path) -> None:
    """Write a workbook whose sheet states a small size and unpacks to a large one."""
    archive(path, xlsx_parts(HEAD + " " * 60_000_000))
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as book:
        size = book.getinfo("xl/worksheets/sheet1.xml").file_size.to_bytes(4, "little")
    while size in data:
        place = data.index(size)
        data[place : place + 4] = (1000).to_bytes(4, "little")
    path.write_bytes(data)


def encrypted(path: Path) -> None:
    """Write a workbook whose parts are marked as encrypted."""
    archive(path, xlsx_parts(HEAD + ROW))
    data = bytearray(path.read_bytes())
    start = 0
    while (start := data.find(b"PK\x01\x02", start)) >= 0:
        data[start + 8] |= 1
        start += 4
    path.write_bytes(data)


def drop(part: str) -> Callable[[dict[str, str | bytes]], object]:
    """Return a change that removes a part."""
    return lambda parts: parts.pop(part)


def put(part: str, content: str | bytes) -> Callable[[dict[str, str | bytes]], object]:
    """Return a change that replaces a part."""
    return lambda parts: parts.update({part: content})


SOUND_ODS = ods_table(ods_row(ods_cell("a"), ods_cell("b")), ods_row(ods_cell(1), ods_cell(CANARY)))
BOOK = "xl/workbook.xml"
SHEET = "xl/worksheets/sheet1.xml"
FAR = f'<row r="1048576">{xlsx_cell("XFD1048576", 1)}</row>'
EMPTY = '<row r="1048576"><c r="XFD1048576" s="1"/></row>'

CASES: tuple[Case, ...] = (
    xlsx("bomb", lambda: HEAD + " " * 60_000_000),
    xlsx("bomb of entities", HEAD + '<row r="2"><c r="A2" t="inlineStr"><is><t>&a9;</t></is></c></row>', before=LAUGHS),
    xlsx("with a document type", HEAD + ROW, before=f"<!DOCTYPE x SYSTEM 'file:///{CANARY}'>"),
    Case(".xlsx bomb that states another size", lying_size, outcome="error"),
    Case(".xlsx with a password on its parts", encrypted, outcome="error"),
    xlsx("cell in the last corner", HEAD + ROW + FAR),
    xlsx("empty cell in the last corner", HEAD + ROW + EMPTY, "table"),
    xlsx("cell beyond the last row", HEAD + '<row r="2"><c r="A99999999999999999999"><v>1</v></c></row>'),
    xlsx("row beyond the last row", HEAD + '<row r="99999999999999999999"><c><v>1</v></c></row>'),
    xlsx("cell beyond the last column", HEAD + '<row r="2"><c r="ZZZZZZZZZZ2"><v>1</v></c></row>'),
    xlsx("cell in quotes of the other kind", HEAD + ROW + "<row r='1048576'><c  r='XFD1048576'><v>1</v></c></row>"),
    xlsx("row nought", HEAD + '<row r="0"><c r="A0"><v>1</v></c></row>'),
    xlsx("ten million empty cells", lambda: HEAD + ROW + ("<row>" + "<c/>" * 1000 + "</row>") * 10_000, ""),
    xlsx(
        "a million cells with a format",
        lambda: HEAD + ROW + "".join(f'<row r="{k}"><c r="A{k}" s="1"/></row>' for k in range(3, 1_000_000)),
        "table",
    ),
    xlsx("two cells ten million apart", HEAD + ROW + '<row r="1000000"><c r="J1000000"><v>1</v></c></row>'),
    xlsx("text that is not there", HEAD + '<row r="2"><c r="A2" t="s"><v>999</v></c></row>'),
    xlsx(
        "cells without places", '<row><c t="inlineStr"><is><t>a</t></is></c></row><row><c><v>1</v></c></row>', "table"
    ),
    xlsx("rows out of order", xlsx_row(5, 1) + xlsx_row(2, "a")),
    xlsx("text as number", HEAD + f'<row r="2"><c r="A2"><v>{CANARY}</v></c></row>', ""),
    xlsx("deep nesting", lambda: HEAD + ROW + "<a>" * 500_000, ""),
    xlsx("sheet without end", HEAD + ROW + '<row r="3"><c r="A3"><v>'),
    xlsx("no cells", ""),
    xlsx("header only", HEAD),
    xlsx("wrong sheet", HEAD + ROW, read="sheet"),
    xlsx("name of a sheet with markup", HEAD + ROW, "", name="&lt;&amp;&#x10FFFF;"),
    xlsx("merged without end", HEAD + ROW, "", after='<mergeCells><mergeCell ref="A1:ZZZZ9999999999"/></mergeCells>'),
    xlsx("long cell of ten million letters", lambda: HEAD + xlsx_row(2, "x" * 10_000_000, 1), ""),
    xlsx("only errors", HEAD + '<row r="2"><c r="A2" t="e"><v>#N/A</v></c></row>', "error"),
    xlsx("labels that are none", HEAD + ROW, "error", name="alliance_stats"),
    changed(".xlsx without a workbook", drop(BOOK)),
    changed(".xlsx without its sheet", drop(SHEET)),
    changed(".xlsx without relations", drop("xl/_rels/workbook.xml.rels")),
    changed(".xlsx with a workbook of no XML", put(BOOK, CANARY)),
    changed(".xlsx with a sheet of no XML", put(SHEET, b"\x00\xff" * 99)),
    changed(".xlsx whose sheet is the workbook", put("xl/_rels/workbook.xml.rels", "")),
    changed(".xlsx with a sheet in UTF-16", put(SHEET, "<worksheet/>".encode("utf-16"))),
    changed(".xlsx with a lone surrogate", put(SHEET, b"<worksheet><sheetData>\xed\xa0\x80</sheetData></worksheet>")),
    Case(".xlsx archive without parts", lambda path: _no(archive(path, {})), outcome="error"),
    Case(".xlsx another archive", lambda path: _no(archive(path, {"a.txt": CANARY})), outcome="error"),
    Case(".xlsx old workbook", lambda path: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, outcome="error"),
    Case(".ods which is an xlsx", lambda path: _no(archive(path, xlsx_parts(HEAD + ROW))), outcome="error"),
    Case(".xlsx which is an ods", lambda path: _no(archive(path, ods_parts(SOUND_ODS))), outcome="error"),
    ods("bomb", lambda: SOUND_ODS + " " * 60_000_000),
    ods("bomb of entities", SOUND_ODS.replace("<text:p>a", "<text:p>&a9;"), before=LAUGHS),
    ods("one cell repeated over a sheet", ods_table(ods_row(ods_cell(1, repeat=16_384), repeat=1_048_576))),
    ods("gap of a hundred billion", ods_table(ods_row(ods_cell(None, repeat=10**11), ods_cell("a")))),
    ods("rows beyond the last", ods_table(ods_row(ods_cell("a")), ods_row(ods_cell(1), repeat=10**12))),
    ods("negative repetition", ods_table(ods_row(ods_cell("a", repeat=-3)), ods_row(ods_cell(1)))),
    ods(
        "ten million empty rows",
        ods_table(ods_row(ods_cell("a")), ods_row(ods_cell(), repeat=10**7), ods_row(ods_cell(1))),
    ),
    ods(
        "rest of the sheet repeated",
        ods_table(
            ods_row(ods_cell("a"), ods_cell(None, repeat=16_383)),
            ods_row(ods_cell(1), ods_cell(None, repeat=16_383)),
            ods_row(ods_cell(None, repeat=16_384), repeat=1_048_574),
        ),
        "table",
    ),
    ods("number that is none", ods_table(ods_row(ods_cell("a")), ods_row(ods_cell(CANARY, kind="float")))),
    ods("dates that are none", ods_table(ods_row(ods_cell("a")), ods_row(ods_cell("9999-99-99", kind="date"))), ""),
    ods(
        "durations that are none",
        ods_table(ods_row(ods_cell("a")), ods_row(ods_cell("PT9999999999H", kind="time"))),
        "",
    ),
    ods("sheet without a name", SOUND_ODS.replace(' table:name="one"', ""), ""),
    ods("sheet in a cell", ods_table(ods_row(ods_cell("a")), ods_row(SOUND_ODS)), ""),
    ods("no sheet", ""),
    ods("sheet without rows", ods_table()),
    ods("sheet without end", SOUND_ODS[:-30]),
    changed(".ods without content", drop("content.xml")),
    changed(".ods with content of no XML", put("content.xml", CANARY)),
)
