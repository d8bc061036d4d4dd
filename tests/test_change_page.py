"""The page on change over sessions prints what it says, and names what exists."""

from __future__ import annotations

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

import alliance_stats as al
from alliance_stats.process.review.mistakes import known_mistakes

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "change-over-sessions.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def script() -> Any:
    spec = spec_from_file_location("renew_change_page", DOCS / "change-over-sessions" / "renew.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def blocks(script: Any) -> list[tuple[str | None, str]]:
    """Return what each block of code prints on the page and now."""
    return [(block["shown"], printed) for block, printed in script.run(PAGE)[0]]


def same(shown: str, printed: str) -> bool:
    """Tell whether two outputs are the same but for the last digit."""
    pairs = [(one.split(), other.split()) for one, other in zip(shown.splitlines(), printed.splitlines(), strict=False)]
    if len(shown.splitlines()) != len(printed.splitlines()) or any(len(one) != len(other) for one, other in pairs):
        return False
    return all(close(one, other) for line in pairs for one, other in zip(*line, strict=True))


def close(one: str, other: str) -> bool:
    """Tell whether two words are the same, or two numbers differ in the last of two decimals at most."""
    try:
        return abs(float(one) - float(other)) < 0.0151 or one == other
    except ValueError:
        return one == other


def test_every_block_that_prints_has_its_output_below_it(blocks: list[tuple[str | None, str]]) -> None:
    assert len(blocks) > 10
    assert [bool(shown) for shown, _ in blocks] == [bool(printed) for _, printed in blocks]


def test_the_outputs_are_what_the_code_prints(blocks: list[tuple[str | None, str]]) -> None:
    apart = [(shown, printed) for shown, printed in blocks if shown is not None and not same(shown, printed)]
    assert not apart, "run docs/change-over-sessions/renew.py"


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("a 1.21\n", "a  1.22\n", True),
        ("a 1.21\n", "a 1.23\n", False),
        ("a 1\n", "b 1\n", False),
        ("a\n", "a\nb\n", False),
    ],
)
def test_outputs_are_the_same_but_for_the_last_digit(one: str, other: str, expected: bool) -> None:
    assert same(one, other) is expected


def test_pictures_of_the_page_are_those_of_the_script() -> None:
    shown = set(re.findall(r"!\[[^\]]+\]\(change-over-sessions/([\w-]+\.png)\)", PAGE))
    assert shown == {path.name for path in (DOCS / "change-over-sessions").glob("*.png")}


def test_mistakes_named_on_the_page_are_those_that_review_knows() -> None:
    named = [
        title.strip().rstrip(".")
        for text in re.findall(r"\*\*`review` asks\*\* about: (.*?)\n\n", PAGE, flags=re.DOTALL)
        for title in text.replace("\n", " ").split(";")
    ]
    known = {mistake.title for mistake in known_mistakes().values()}
    assert len(named) > 20
    assert set(named) <= known


def test_functions_of_the_closing_table_are_public() -> None:
    rows = re.findall(
        r"^\| [^|]+ \| (`[^|]+`) \|", PAGE.split("## Which function for which question")[1], flags=re.MULTILINE
    )
    names = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert len(names) > 12
    assert names <= set(al.__all__)
