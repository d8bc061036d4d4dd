"""The command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import alliance_stats
from alliance_stats.cli import main
from alliance_stats.errors import InstrumentError
from alliance_stats.studies import registry

CANARY = "canary-7f3a-patient"
MAP = """
study = "tiny"
level = "session"
title = "Clinic data"
simulated = true
source = "made for a test"
[[files]]
[columns]
patient = "pid"
session = "no"
[alliance]
column = "wai"
"""
LAUNCH = """
import sys
from pathlib import Path
import alliance_stats.studies.registry as registry
registry.bundled_folder = lambda kind: Path(sys.argv[1])
from alliance_stats.cli import main
sys.exit(main(sys.argv[2:]))
"""


def notebook(*sources: str) -> dict[str, Any]:
    cells = [("data = None\ncolumns = None", ["parameters"]), *((source, []) for source in sources)]
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"alliance_stats": {"title": "Tiny study", "question": "Does it run?", "sample": ""}},
        "cells": [
            {
                "cell_type": "code",
                "id": f"cell-{number}",
                "metadata": {"tags": tags},
                "execution_count": None,
                "outputs": [],
                "source": source,
            }
            for number, (source, tags) in enumerate(cells)
        ],
    }


AddStudy = Callable[..., Path]


@pytest.fixture
def add_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AddStudy:
    """Return a function that makes a library of one study and returns its folder."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    monkeypatch.setattr(registry, "bundled_folder", lambda kind: folder)
    monkeypatch.chdir(tmp_path)

    def add(*sources: str) -> Path:
        (folder / "tiny.ipynb").write_text(json.dumps(notebook(*sources)), encoding="utf-8")
        return folder

    return add


@pytest.fixture
def clinic(tmp_path: Path) -> Path:
    """Return a folder with data in which a patient's id is a text found nowhere else, and a column map."""
    folder = tmp_path / "clinic"
    folder.mkdir()
    (folder / "ratings.csv").write_text(f"pid,no,wai\n{CANARY},1,3\n{CANARY},2,4\np2,1,5\n", encoding="utf-8")
    (folder / "map.toml").write_text(MAP, encoding="utf-8")
    return folder


def test_list_shows_names_titles_and_questions(add_study: AddStudy, capsys: pytest.CaptureFixture[str]) -> None:
    add_study()
    assert main(["list"]) == 0
    assert capsys.readouterr().out == "tiny\n  Tiny study\n  Does it run?\n"


def test_an_empty_list_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(registry, "bundled_folder", lambda kind: tmp_path)
    assert main(["list"]) == 0
    assert "No studies are installed." in capsys.readouterr().out


def test_run_tells_where_the_report_lies(add_study: AddStudy, clinic: Path, capfd: pytest.CaptureFixture[str]) -> None:
    add_study("import alliance_stats as al\nal.table(al.read_study_data(columns, data), name='ratings')")
    code = main(["run", "tiny", "--data", "clinic/ratings.csv", "--columns", "clinic/map.toml", "--out", "out"])
    shown = capfd.readouterr()
    assert code == 0
    assert "Data: Clinic data (simulated)." in shown.out
    assert f"Report: {Path('out', 'report.html')}\n1 table in {Path('out', 'tables')}; " in shown.out
    assert "2/2" in shown.err


def test_quiet_prints_the_path_only(add_study: AddStudy, capfd: pytest.CaptureFixture[str]) -> None:
    add_study("1")
    assert main(["run", "tiny", "--quiet"]) == 0
    shown = capfd.readouterr()
    assert shown.out == f"{Path('reports', 'tiny', 'report.html')}\n"
    assert shown.err == ""


def test_a_report_outside_the_folder_is_shown_by_its_full_path(
    add_study: AddStudy, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(add_study("1"))
    assert main(["run", "tiny", "--quiet", "--out", "../out"]) == 0
    assert capfd.readouterr().out == f"{tmp_path.resolve() / 'out' / 'report.html'}\n"


def test_an_unknown_study_is_a_clear_error(add_study: AddStudy, capsys: pytest.CaptureFixture[str]) -> None:
    add_study()
    assert main(["run", "tinny"]) == 1
    assert capsys.readouterr().err == "Error: No study 'tinny'. Known: tiny.\nHint: did you mean 'tiny'?\n"


@pytest.mark.parametrize("arguments", [["run"], ["walk"], ["run", "tiny", "--fast"], ["score", "x.csv"]])
def test_wrong_commands_end_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "Usage: alliance-stats" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["score", "-h"], []])
def test_help_is_shown(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code = main(arguments)
    shown = capsys.readouterr()
    assert code == (0 if arguments else 2)
    assert "Usage: alliance-stats" in shown.out + shown.err


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"alliance-stats, version {alliance_stats.__version__}\n"


def test_an_interrupt_ends_with_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("alliance_stats.studies.list_studies", interrupt)
    assert main(["list"]) == 130
    assert "Interrupted; nothing was written." in capsys.readouterr().err


def test_an_unforeseen_error_hides_its_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise KeyError(CANARY)

    monkeypatch.setattr("alliance_stats.studies.list_studies", fail)
    assert main(["list"]) == 1
    shown = capsys.readouterr().err
    assert "Error: Unexpected KeyError in test_cli.py, line" in shown
    assert "Hint: set ALLIANCE_STATS_DEBUG=1" in shown
    assert CANARY not in shown


def test_debugging_shows_the_unforeseen_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise KeyError("x")

    monkeypatch.setenv("ALLIANCE_STATS_DEBUG", "1")
    monkeypatch.setattr("alliance_stats.studies.list_studies", fail)
    with pytest.raises(KeyError):
        main(["list"])


@pytest.mark.parametrize(
    "source",
    [
        "import alliance_stats as al\nframe = al.read_study_data(columns, data)\nfloat(frame['patient'].iloc[0])",
        "import alliance_stats as al\nprint(al.read_study_data(columns, data))\nraise KeyError(open(data).read())",
    ],
)
def test_ids_of_patients_never_reach_the_screen(
    add_study: AddStudy, clinic: Path, capfd: pytest.CaptureFixture[str], source: str
) -> None:
    add_study(source)
    code = main(["run", "tiny", "--data", str(clinic / "ratings.csv"), "--columns", str(clinic / "map.toml")])
    shown = capfd.readouterr()
    assert code == 1
    assert "stopped in code cell 2 of the notebook with a" in shown.err
    assert "Traceback" not in shown.err
    assert CANARY not in shown.out + shown.err


def test_unreadable_data_never_reach_the_screen(
    add_study: AddStudy, clinic: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    add_study("1")
    (clinic / "ratings.csv").write_text(f"pid,no,wai\n{CANARY},1,3\n{CANARY},1,{CANARY}\n", encoding="utf-8")
    assert main(["run", "tiny", "--data", "clinic/ratings.csv", "--columns", "clinic/map.toml"]) == 1
    shown = capfd.readouterr()
    assert shown.err.startswith("Error: ")
    assert CANARY not in shown.out + shown.err


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_during_a_run_leaves_nothing(
    add_study: AddStudy, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    library = add_study("from pathlib import Path\nPath(MARK).touch()\nimport time\ntime.sleep(120)")
    mark = tmp_path / "notebooks" / "started"
    text = (library / "tiny.ipynb").read_text().replace("MARK", repr(str(mark)))
    (library / "tiny.ipynb").write_text(text)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", LAUNCH, str(library), "run", "tiny", "--out", "a/out"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(scratch)},
        text=True,
    )
    deadline = time.monotonic() + 60
    while not mark.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(number)
    _, shown = process.communicate(timeout=30)
    assert process.returncode == code
    assert "Traceback" not in shown
    assert {path.name for path in tmp_path.iterdir()} == {"notebooks", "scratch"}
    assert list(scratch.iterdir()) == []


def test_importing_the_command_line_is_cheap() -> None:
    code = "import alliance_stats.cli, sys; print({'pandas', 'numpy', 'nbclient', 'matplotlib'} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "set()\n"


@pytest.fixture
def answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file of answers to the ORS, in the current folder."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "answers.csv"
    path.write_text("pid,ors1,ors2,ors3,ors4,ors_note\n007,1,2,3,4,a\n008,5,5,5,5,b\n", encoding="utf-8")
    return path


def test_score_adds_columns_and_keeps_the_others(answers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", "answers.csv", "--instrument", "ors", "--items", "ors{}", "--out", "scored.csv"]) == 0
    scored = pd.read_csv("scored.csv", dtype={"pid": str})
    assert scored["pid"].tolist() == ["007", "008"]
    assert scored["ors_note"].tolist() == ["a", "b"]
    assert scored["ors_sum"].tolist() == [10, 20]
    shown = capsys.readouterr().out
    assert "ORS: 4 items, no item reversed" in shown
    assert shown.endswith("2 rows scored (ors_sum): scored.csv\n")


def test_score_allows_missing_answers_when_told(answers: Path) -> None:
    answers.write_text("ors1,ors2,ors3,ors4\n1,2,,3\n", encoding="utf-8")
    arguments = ["score", "answers.csv", "--instrument", "ors", "--items", "ors{}", "--out", "scored.csv"]
    assert main([*arguments, "--max-missing", "1"]) == 0
    assert pd.read_csv("scored.csv").iloc[0, -1] == 8


def test_score_passes_the_storage_on(answers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["score", "answers.csv", "--instrument", "ors", "--items", "ors{}", "--out", "scored.csv"]
    assert main([*arguments, "--storage", "shuffled"]) == 1
    assert "shuffled" in capsys.readouterr().err


def test_warnings_of_the_package_are_plain_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def careful() -> pd.DataFrame:
        warnings.warn("The answers look odd.", alliance_stats.AllianceStatsWarning, stacklevel=2)
        return pd.DataFrame(columns=["name", "title", "question", "data"])

    monkeypatch.setattr("alliance_stats.studies.list_studies", careful)
    assert main(["list"]) == 0
    assert capsys.readouterr().err == "Warning: The answers look odd.\n"


def test_score_does_not_overwrite(answers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("scored.csv").write_text("mine")
    arguments = ["score", "answers.csv", "--instrument", "ors", "--items", "ors{}", "--out", "scored.csv"]
    assert main(arguments) == 1
    assert capsys.readouterr().err == (
        "Error: 'scored.csv' exists.\nHint: give another --out, or replace it with --force.\n"
    )
    assert Path("scored.csv").read_text() == "mine"


def test_score_overwrites_when_forced(answers: Path) -> None:
    Path("scored.csv").write_text("mine")
    arguments = ["score", "answers.csv", "--instrument", "ors", "--items", "ors{}", "--out", "scored.csv", "--force"]
    assert main(arguments) == 0
    assert Path("scored.csv").read_text().startswith("pid,")


def test_score_into_a_missing_folder_is_refused(answers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["score", "answers.csv", "--instrument", "ors", "--items", "ors{}", "--out", "absent/scored.csv"]
    assert main(arguments) == 1
    assert "Cannot write 'scored.csv'" in capsys.readouterr().err


def test_an_unknown_instrument_is_a_clear_error(answers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", "answers.csv", "--instrument", "orz", "--items", "ors{}", "--out", "scored.csv"]) == 1
    assert "'orz'" in capsys.readouterr().err
    assert not Path("scored.csv").exists()
    assert issubclass(InstrumentError, alliance_stats.AllianceStatsError)
