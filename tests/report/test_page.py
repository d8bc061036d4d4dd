"""The HTML page of a study."""

from __future__ import annotations

import base64
import re
import sys
from typing import Any

import pytest

from alliance_stats.errors import StudyError
from alliance_stats.report.clean import clean_html
from alliance_stats.report.page import Page, render_page

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="


def markdown(source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def code(source: str, *outputs: dict[str, Any], tags: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"cell_type": "code", "metadata": {"tags": [*tags]}, "source": source, "outputs": [*outputs]}


def display(**data: str) -> dict[str, Any]:
    return {"output_type": "display_data", "data": {key.replace("__", "/"): text for key, text in data.items()}}


def page(*cells: dict[str, Any], **around: Any) -> str:
    return render_page({"cells": [*cells]}, Page(**{"title": "Study", **around}))


def test_nothing_is_loaded_from_elsewhere() -> None:
    hostile = (
        '<script src="https://x.org/a.js"></script><link href="https://x.org/a.css"><img src="http://x.org/a.png">'
    )
    html = page(
        markdown(f"{hostile}\n\n![curve](https://x.org/b.png) <iframe src='//x.org'></iframe>"),
        code("x", display(text__html=hostile + '<svg><image href="https://x.org/c.png"/></svg>')),
        code("x", display(image__png=PIXEL)),
    )
    assert not re.search(r"<(script|link|iframe|object|embed)\b", html)
    assert not re.search(r'(src|srcset|data|poster)\s*=\s*"(?!data:)', html)
    assert not re.search(r"url\(|@import", html)
    assert "x.org" not in html


def test_the_browser_is_told_to_load_nothing() -> None:
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in page()


def test_links_to_click_stay() -> None:
    assert '<a href="https://doi.org/10.1002/cpp.2416">' in page(markdown("[Kadur](https://doi.org/10.1002/cpp.2416)"))


def test_code_is_folded_away_and_escaped() -> None:
    assert "<details><summary>Code</summary><pre><code>a &lt; b</code></pre></details>" in page(code("a < b"))


@pytest.mark.parametrize("tag", ["parameters", "injected-parameters", "remove-cell"])
def test_cells_that_set_up_the_run_are_hidden(tag: str) -> None:
    assert "data = None" not in page(code("data = None", tags=(tag,)))


def test_pictures_are_embedded_with_a_number() -> None:
    svg = "<svg xmlns='http://www.w3.org/2000/svg'/>"
    html = page(code("x", display(image__png=PIXEL), display(**{"image__svg+xml": svg})))
    assert f'<img alt="Figure 1" src="data:image/png;base64,{PIXEL}">' in html
    assert f'alt="Figure 2" src="data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"' in html


def test_html_is_preferred_over_text() -> None:
    html = page(code("x", display(text__plain="plain", text__html="<b>rich</b>")))
    assert '<div class="scroll"><b>rich</b></div>' in html
    assert "plain" not in html.split("<main>")[1]


def test_markdown_and_text_outputs_are_shown() -> None:
    html = page(code("x", display(text__markdown="**bold**"), display(text__plain="1 < 2")))
    assert "<strong>bold</strong>" in html
    assert "<pre>1 &lt; 2</pre>" in html


def test_warnings_are_marked() -> None:
    html = page(code("x", {"output_type": "stream", "name": "stderr", "text": "careful"}))
    assert '<pre class="warning">careful</pre>' in html


def test_the_notebooks_own_title_is_not_repeated() -> None:
    html = page(markdown("# The study\n\nText."), markdown("# Later"))
    assert "<h1>The study</h1>" not in html
    assert "<p>Text.</p>" in html
    assert "<h1>Later</h1>" in html


def test_simulated_data_get_a_banner() -> None:
    assert "Simulated data: the numbers below describe no real person." in page(simulated=True)


def test_real_data_get_no_banner() -> None:
    assert "describe no real person" not in page()


def test_title_question_notes_and_provenance_are_escaped() -> None:
    html = page(title="<T>", question="<Q>", notes=("<N>",), provenance={"<L>": "<V>"})
    for letter in "TQNLV":
        assert f"<{letter}>" not in html
        assert f"&lt;{letter}&gt;" in html


def test_event_handlers_and_script_links_are_removed() -> None:
    assert clean_html('<a href="javascript:x()" onclick="x()">a</a>') == "<a>a</a>"


def test_styles_that_fetch_are_removed_and_others_stay() -> None:
    html = clean_html('<style>@import "x"</style><style>td {color: red}</style><p style="background: url(x)">a</p>')
    assert html == "<style>td {color: red}</style><p>a</p>"


def test_a_text_like_an_address_does_not_warn() -> None:
    assert clean_html("https://example.org") == "https://example.org"


@pytest.mark.parametrize(("module", "cell"), [("mistune", markdown("a")), ("bs4", code("x", display(text__html="a")))])
def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch, module: str, cell: dict[str, Any]) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(StudyError, match=r'not installed.\nHint: run: pip install "alliance-stats\[notebooks\]"'):
        page(cell)
