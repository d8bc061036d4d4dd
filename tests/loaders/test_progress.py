from __future__ import annotations

import time

import pytest

from alliance_stats.loaders.progress import waiting


def test_a_long_step_says_that_it_is_at_work(capsys: pytest.CaptureFixture[str]) -> None:
    with waiting("reading ward.sav", after=0.01):
        time.sleep(0.3)
    shown = capsys.readouterr()
    assert "reading ward.sav" in shown.err
    assert shown.out == ""


def test_a_short_step_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with waiting("reading ward.sav", after=60):
        pass
    assert capsys.readouterr().err == ""


def test_an_error_ends_the_line_and_passes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="stop"), waiting("reading ward.sav", after=60):
        raise ValueError("stop")
    assert capsys.readouterr().err == ""
