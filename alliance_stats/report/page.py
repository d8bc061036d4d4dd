"""A study as one HTML page that needs nothing else: no script, no network, pictures and style inside."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import Any

from alliance_stats.report.clean import clean_html, notebooks_extra_missing

_PICTURES = ("image/svg+xml", "image/png", "image/jpeg")
_HIDDEN = {"parameters", "injected-parameters", "remove-cell"}
"""Tags of cells that set the run up and have nothing to read."""

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""What a browser may load for the page: nothing but what is inside it."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """What stands around the cells of an executed notebook.

    Parameters
    ----------
    title : str
        Heading of the page.
    question : str
        The study's question, under the heading.
    simulated : bool
        Whether a banner says that the data are simulated.
    notes : tuple of str
        One sentence each, printed above the study: which data, and what they cannot show.
    provenance : mapping of str to str
        Label to value, printed at the end: versions, data file and checksum, date, seed.
    """

    title: str
    question: str = ""
    simulated: bool = False
    notes: tuple[str, ...] = ()
    provenance: Mapping[str, str] | None = None


def render_page(notebook: Mapping[str, Any], page: Page) -> str:
    """Return an executed notebook as a self-contained HTML page.

    Code is folded away, tables scroll when they are wide, pictures are embedded. Scripts, frames and anything that a
    browser would fetch from elsewhere are left out.

    Parameters
    ----------
    notebook : mapping
        Notebook in format 4, with outputs.
    page : Page
        What stands around the cells.

    Returns
    -------
    str

    Raises
    ------
    StudyError
        If the packages of ``alliance-stats[notebooks]`` are missing.
    """
    figures = iter(range(1, 1_000_000))
    cells = "\n".join(_cell(cell, figures) for cell in _without_heading(notebook["cells"]))
    style = files("alliance_stats.report").joinpath("page.css").read_text(encoding="utf-8")
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(page.title)}</title>\n<style>\n{style}</style>\n</head>\n<body>",
            _header(page),
            f"<main>\n{cells}\n</main>",
            _footer(page.provenance or {}),
            "</body>\n</html>\n",
        ]
    )


def _header(page: Page) -> str:
    """Return heading, question, banner and notes."""
    question = f'\n<p class="question">{escape(page.question)}</p>' if page.question else ""
    banner = '\n<p class="banner" role="note">Simulated data: the numbers below describe no real person.</p>'
    items = "".join(f"<li>{escape(note)}</li>" for note in page.notes)
    about = f'\n<div class="about"><ul>{items}</ul></div>' if items else ""
    return f"<header>\n<h1>{escape(page.title)}</h1>{question}{banner if page.simulated else ''}{about}\n</header>"


def _footer(provenance: Mapping[str, str]) -> str:
    """Return the provenance block."""
    rows = "".join(f"<dt>{escape(label)}</dt><dd>{escape(value)}</dd>" for label, value in provenance.items())
    return f'<footer>\n<h2>How this report was made</h2>\n<dl class="provenance">{rows}</dl>\n</footer>' if rows else ""


def _without_heading(cells: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the cells without a first-level heading that opens the notebook: the page has its own."""
    if not cells or cells[0]["cell_type"] != "markdown":
        return list(cells)
    first, _, rest = str(cells[0]["source"]).lstrip().partition("\n")
    return [{**cells[0], "source": rest}, *cells[1:]] if first.startswith("# ") else list(cells)


def _cell(cell: Mapping[str, Any], figures: Iterable[int]) -> str:
    """Return one cell as HTML."""
    if cell["cell_type"] == "markdown":
        return _markdown(str(cell["source"]))
    tags = set(cell.get("metadata", {}).get("tags", ()))
    if cell["cell_type"] != "code" or not str(cell["source"]).strip() or tags & _HIDDEN:
        return ""
    code = f"<details><summary>Code</summary><pre><code>{escape(str(cell['source']))}</code></pre></details>"
    return "\n".join([code, *(_output(output, figures) for output in cell.get("outputs", ()))])


def _output(output: Mapping[str, Any], figures: Iterable[int]) -> str:
    """Return one output of a code cell as HTML."""
    if output["output_type"] == "stream":
        kind = ' class="warning"' if output.get("name") == "stderr" else ""
        return f"<pre{kind}>{escape(str(output['text']))}</pre>"
    data = output.get("data", {})
    picture = next((mime for mime in _PICTURES if mime in data), None)
    if "text/html" in data:
        return f'<div class="scroll">{clean_html(str(data["text/html"]))}</div>'
    if picture is not None:
        return _figure(picture, str(data[picture]), next(iter(figures)))
    if "text/markdown" in data:
        return _markdown(str(data["text/markdown"]))
    return f"<pre>{escape(str(data['text/plain']))}</pre>" if "text/plain" in data else ""


def _figure(mime: str, content: str, number: int) -> str:
    """Return a picture as a data URI."""
    code = base64.b64encode(content.encode()).decode() if mime == "image/svg+xml" else "".join(content.split())
    return f'<figure><img alt="Figure {number}" src="data:{mime};base64,{code}"></figure>'


def _markdown(text: str) -> str:
    """Return Markdown as clean HTML."""
    try:
        from mistune import create_markdown
    except ModuleNotFoundError as error:
        raise notebooks_extra_missing() from error
    return clean_html(str(create_markdown(escape=False, plugins=["table", "strikethrough", "footnotes"])(text)))
