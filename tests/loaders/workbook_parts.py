"""Workbooks written part by part, as no spreadsheet program would write some of them."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

_CONTENT = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
ODS_TYPE = "application/vnd.oasis.opendocument.spreadsheet"
_ODF = "urn:oasis:names:tc:opendocument:xmlns"
_SPACES = " ".join(f'xmlns:{name}="{_ODF}:{name}:1.0"' for name in ("office", "table", "text"))
CALCEXT = 'xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0"'


def archive(path: Path, parts: Mapping[str, str | bytes]) -> Path:
    """Write a zip archive of these parts."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
        for name, text in parts.items():
            book.writestr(name, text)
    return path


def xlsx_parts(rows: str, *, before: str = "", name: str = "one", after: str = "") -> dict[str, str | bytes]:
    """Return the parts of an xlsx workbook of one sheet whose data are these row elements."""
    sheet = f"{_CONTENT}.worksheet+xml"
    return {
        "[Content_Types].xml": f'{_HEAD}<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" ContentType='
        '"application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_CONTENT}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{sheet}"/></Types>',
        "_rels/.rels": f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1" '
        f'Type="{_RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'{_HEAD}<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONS}"><sheets><sheet name="{name}" '
        'sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1" '
        f'Type="{_RELATIONS}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'{_HEAD}{before}<worksheet xmlns="{_MAIN}"><sheetData>{rows}</sheetData>{after}'
        "</worksheet>",
    }


def xlsx_cell(place: str, value: object) -> str:
    """Return a cell with a number or text."""
    if isinstance(value, str):
        return f'<c r="{place}" t="inlineStr"><is><t>{value}</t></is></c>'
    return f'<c r="{place}"><v>{value}</v></c>'


def xlsx_row(number: int, *values: object) -> str:
    """Return a row whose cells begin in column A."""
    cells = "".join(xlsx_cell(f"{chr(65 + place)}{number}", value) for place, value in enumerate(values))
    return f'<row r="{number}">{cells}</row>'


def ods_parts(tables: str, *, before: str = "") -> dict[str, str | bytes]:
    """Return the parts of an ods workbook with these table elements."""
    return {
        "mimetype": ODS_TYPE,
        "META-INF/manifest.xml": f'{_HEAD}<manifest:manifest xmlns:manifest="{_ODF}:manifest:1.0"><manifest:file-entry '
        f'manifest:full-path="/" manifest:media-type="{ODS_TYPE}"/></manifest:manifest>',
        "content.xml": f"{_HEAD}{before}<office:document-content {_SPACES} {CALCEXT}><office:body><office:spreadsheet>"
        f"{tables}</office:spreadsheet></office:body></office:document-content>",
    }


def ods_cell(value: object = None, *, kind: str = "", repeat: int | str = 1) -> str:
    """Return a cell; ``kind`` is the value type of a value that is given as text: date, time, percentage, currency."""
    often = f' table:number-columns-repeated="{repeat}"' if repeat != 1 else ""
    if value is None:
        return f"<table:table-cell{often}/>"
    kind = kind or {bool: "boolean", int: "float", float: "float", str: "string"}[type(value)]
    text = str(value).lower() if isinstance(value, bool) else str(value)
    stated = {"string": "", "date": f' office:date-value="{text}"', "time": f' office:time-value="{text}"'}
    own = stated.get(kind, f' office:{"boolean-value" if kind == "boolean" else "value"}="{text}"')
    return f'<table:table-cell office:value-type="{kind}"{own}{often}><text:p>{text}</text:p></table:table-cell>'


def ods_row(*cells: str, repeat: int | str = 1) -> str:
    """Return a row of cells."""
    often = f' table:number-rows-repeated="{repeat}"' if repeat != 1 else ""
    return f"<table:table-row{often}>{''.join(cells)}</table:table-row>"


def ods_table(*rows: str, name: str = "one") -> str:
    """Return a sheet."""
    return f'<table:table table:name="{name}">{"".join(rows)}</table:table>'
