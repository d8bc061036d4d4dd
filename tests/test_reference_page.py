"""Every public name stands in the reference."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import alliance_stats

PAGE = Path(__file__).parents[1] / "docs" / "reference.md"
DOCUMENTED = set(re.findall(r"^::: (alliance_stats[\w.]*)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE))
PUBLIC = sorted(set(alliance_stats.__all__) - {"__version__"})


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_stands_in_the_reference(name: str) -> None:
    assert any(path.rsplit(".", 1)[1] == name for path in DOCUMENTED)


def test_the_reference_names_nothing_that_is_not_public() -> None:
    assert {path.rsplit(".", 1)[1] for path in DOCUMENTED} <= set(PUBLIC)
