"""Printed columns as Markdown, HTML and LaTeX, and frames as CSV that a spreadsheet opens safely."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

import pandas as pd

from alliance_stats.report.grid import GridColumn

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "[": "{[}",
    "]": "{]}",
    "²": r"\textsuperscript{2}",
}
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def markdown_grid(columns: Sequence[GridColumn], *, title: str, notes: Sequence[str]) -> str:
    """Return a pipe table with its title above and its notes below."""
    head = [
        f"*{escape_markdown(column.label)}*" if column.symbol else escape_markdown(column.label) for column in columns
    ]
    rule = ["---:" if column.numeric else ":---" for column in columns]
    rows = [
        [cell if c.numeric else escape_markdown(cell) for c, cell in zip(columns, row, strict=True)]
        for row in _rows(columns)
    ]
    lines = ["| " + " | ".join(row) + " |" for row in [head, rule, *rows]]
    above = [f"**{escape_markdown(title)}**", ""] if title else []
    below = ["", "*Note.* " + " ".join(escape_markdown(note) for note in notes)] if notes else []
    return "\n".join([*above, *lines, *below])


def html_grid(columns: Sequence[GridColumn], *, title: str, notes: Sequence[str]) -> str:
    """Return an HTML table, every text escaped, minus signs typeset as such."""
    head = "".join(
        f'<th scope="col"{_number_class(column)}>{_italic(escape(column.label), column.symbol)}</th>'
        for column in columns
    )
    body = "".join(
        "<tr>"
        + "".join(f"<td{_number_class(c)}>{_html_cell(cell, c)}</td>" for c, cell in zip(columns, row, strict=True))
        + "</tr>"
        for row in _rows(columns)
    )
    caption = f"<caption>{escape(title)}</caption>" if title else ""
    note = _html_notes(notes)
    return (
        f'<div class="alliance-stats"><table>{caption}<thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>{note}</div>"
    )


def _html_notes(notes: Sequence[str]) -> str:
    """Return up to two notes as a paragraph, more as a list that can be scanned."""
    if len(notes) <= 2:
        return f'<p class="note"><i>Note.</i> {escape(" ".join(notes))}</p>' if notes else ""
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f'<div class="note"><i>Note.</i><ul>{items}</ul></div>'


def latex_grid(columns: Sequence[GridColumn], *, title: str, notes: Sequence[str]) -> str:
    r"""Return a ``table`` environment with booktabs rules; the document needs ``\usepackage{booktabs}``."""
    head = [_latex_italic(escape_latex(column.label), column.symbol) for column in columns]
    rows = [
        [_latex_number(cell) if c.numeric else escape_latex(cell) for c, cell in zip(columns, row, strict=True)]
        for row in _rows(columns)
    ]
    align = "".join("r" if column.numeric else "l" for column in columns)
    lines = [
        r"\begin{table}",
        *([rf"\caption{{{escape_latex(title)}}}"] if title else []),
        rf"\begin{{tabular}}{{{align}}}",
        r"\toprule",
        " & ".join(head) + r" \\",
        r"\midrule",
        *(" & ".join(row) + r" \\" for row in rows),
        r"\bottomrule",
        r"\end{tabular}",
        *([rf"\par\smallskip\footnotesize \textit{{Note.}} {escape_latex(' '.join(notes))}"] if notes else []),
        r"\end{table}",
    ]
    return "\n".join(lines)


def csv_text(frame: pd.DataFrame) -> str:
    """Return a frame as CSV at full precision.

    A text that a spreadsheet would run as a formula (it starts with = + - @, a tab or a carriage return and is no
    number) gets an apostrophe in front. Missing values are empty cells.
    """
    safe = frame.astype(object).where(frame.notna(), None).map(_neutral)
    safe.columns = pd.Index([_neutral(str(column)) for column in frame.columns])
    return str(safe.to_csv(index=False, lineterminator="\n"))


def escape_latex(text: str) -> str:
    r"""Return a text that LaTeX prints as it stands.

    Examples
    --------
    >>> escape_latex("alliance_session & 5%")
    'alliance\\_session \\& 5\\%'
    """
    return "".join(_LATEX.get(character, character) for character in _one_line(text))


def escape_markdown(text: str) -> str:
    r"""Return a text that Markdown prints as it stands inside a table cell.

    Examples
    --------
    >>> print(escape_markdown("alliance_session * a|b"))
    alliance_session \* a\|b
    """
    return re.sub(r"([\\|*`]|<(?=[A-Za-z/!?])|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))", r"\\\1", _one_line(text))


def _rows(columns: Sequence[GridColumn]) -> Iterable[tuple[str, ...]]:
    """Return the cells by row."""
    return zip(*(column.cells for column in columns), strict=True)


def _one_line(text: str) -> str:
    """Return the text with every run of white space made one space."""
    return " ".join(text.split())


def _number_class(column: GridColumn) -> str:
    """Return the attribute that aligns a column of numbers."""
    return ' class="number"' if column.numeric else ""


def _italic(text: str, symbol: bool) -> str:
    """Return a heading, in italics when it is a symbol."""
    return f"<i>{text}</i>" if symbol else text


def _latex_italic(text: str, symbol: bool) -> str:
    """Return a LaTeX heading, in italics when it is a symbol."""
    return rf"\textit{{{text}}}" if symbol else text


def _html_cell(cell: str, column: GridColumn) -> str:
    """Return an escaped cell; a number's hyphen becomes a minus sign."""
    return escape(cell).replace("-", "−") if column.numeric else escape(cell)


def _latex_number(cell: str) -> str:
    """Return a number, an interval or a p-value for LaTeX."""
    return escape_latex(cell).replace("-", "$-$")


def _neutral(value: Any) -> Any:
    """Return the value, or the text with an apostrophe in front if a spreadsheet would run it."""
    if not isinstance(value, str) or not value.startswith(_FORMULA_STARTS):
        return value
    return value if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", value) else f"'{value}"
