"""The command `alliance-stats instrument check`."""

from __future__ import annotations

from pathlib import Path

import pytest

from alliance_stats.cli import main
from alliance_stats.scales.instrument import FOLDER

BUNDLED = (FOLDER / "core_10.toml").read_text(encoding="utf-8")


def written(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_file_in_order_is_described(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["instrument", "check", written(tmp_path, BUNDLED)]) == 0
    shown = capsys.readouterr().out
    assert "reversed: 2, 3" in shown
    assert "worked examples come out." in shown
    assert "would not notice" not in shown


def test_errors_that_the_examples_would_miss_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start = BUNDLED.index("[[examples]]")
    one = '[[examples]]\nlabel = "all 2"\nanswers = [2, 2, 2, 2, 2, 2, 2, 2, 2, 2]\n'
    text = BUNDLED[:start] + one + "scores = { clinical = 20, sum = 20, mean = 2 }\n"
    assert main(["instrument", "check", written(tmp_path, text)]) == 0
    shown = capsys.readouterr().out
    assert "The file is in order: 1 worked example comes out." in shown
    assert "item 1 reversed or not (as_printed)" in shown
    assert "and 10 more" in shown
    assert "Hint: add examples" in shown


def test_mistake_ends_with_an_error_that_names_line_and_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, BUNDLED.replace("reversed = [2, 3]", "reversed = [2, 13]"))
    line = next(n for n, text in enumerate(BUNDLED.splitlines(), start=1) if text.startswith("reversed"))
    assert main(["instrument", "check", path]) == 1
    shown = capsys.readouterr().err
    assert f"Error: mine.toml, line {line} [responses]: 'reversed' names items" in shown
    assert "Hint: items are numbered 1 to 10" in shown


def test_example_that_does_not_come_out_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, BUNDLED.replace("reversed = [2, 3]", "reversed = [3]"))
    assert main(["instrument", "check", path]) == 1
    assert "the key gives" in capsys.readouterr().err


def test_file_that_is_only_listed_is_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["instrument", "check", str(FOLDER / "tes.toml")]) == 0
    assert "listed and not scored" in capsys.readouterr().out
