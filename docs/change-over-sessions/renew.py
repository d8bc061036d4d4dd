"""Run the code of docs/change-over-sessions.md, print below each block what it prints, and draw the pictures of the page.

``python docs/change-over-sessions/renew.py`` (half a minute). A test runs the page and compares.
"""

from __future__ import annotations

import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PAGE = HERE.with_suffix(".md")
BLOCK = re.compile(r"```python\n(?P<code>.*?)```\n(?:\n```text\n(?P<shown>.*?)```\n)?", flags=re.DOTALL)


def run(text: str) -> tuple[list[tuple[re.Match[str], str]], dict[str, Any]]:
    """Return each block of code with what it prints, and the names it all leaves behind."""
    names: dict[str, Any] = {}
    blocks = []
    for block in BLOCK.finditer(text):
        printed = StringIO()
        with redirect_stdout(printed):
            exec(compile(block["code"], str(PAGE), "exec"), names)
        blocks.append((block, f"{printed.getvalue().rstrip()}\n" if printed.getvalue() else ""))
    return blocks, names


def renew(text: str, blocks: list[tuple[re.Match[str], str]]) -> str:
    """Return the page with what its code prints now."""
    for block, printed in reversed(blocks):
        if block["shown"] is not None:
            text = text[: block.start("shown")] + printed + text[block.end("shown") :]
    return text


def draw(names: dict[str, Any]) -> None:
    """Draw the pictures of the page beside this file."""
    import matplotlib as mpl

    mpl.use("Agg")
    from alliance_stats.plots import plot_within_between
    from alliance_stats.plots.reciprocal import plot_reciprocal

    pictures = {
        "levels": plot_within_between(names["result"]),
        "carry-over": plot_reciprocal(names["lagged"], kind="autoregression"),
        "courses": names["path"].plot(),
        "instability": names["moves"].plot(),
    }
    for name, axes in pictures.items():
        axes.figure.savefig(HERE / f"{name}.png", dpi=90, metadata={"Software": None})


if __name__ == "__main__":
    page = PAGE.read_text(encoding="utf-8")
    found, left = run(page)
    PAGE.write_text(renew(page, found), encoding="utf-8")
    draw(left)
