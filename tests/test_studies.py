"""Listing and running studies."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import alliance_stats as al
from alliance_stats.errors import ColumnError, FileError, StudyError
from alliance_stats.studies import inputs, kernel, outputs, registry
from alliance_stats.studies.outputs import MANIFEST
from alliance_stats.studies.parameters import inject_parameters, notebook_seed
from alliance_stats.studies.provenance import checksum

AddStudy = Callable[..., Path]
SHOW_TABLE = """
import pandas as pd
import alliance_stats as al
al.table(pd.DataFrame({"term": ["alliance"], "estimate": [1 / 3]}), name="slopes")
"""
MAP = """
study = "tiny"
level = "{level}"
title = "Clinic data"
simulated = true
source = "made for a test"
note = ["Too few patients for anything."]
[[files]]
path = "ratings.csv"
[columns]
patient = "pid"
{session}
[alliance]
column = "wai"
label = "WAI"
"""


def notebook(cells: Sequence[str], **described: str) -> dict[str, Any]:
    first = {"cell_type": "markdown", "id": "title", "metadata": {}, "source": "# Tiny"}
    parameters = "data = None\ncolumns = None\nseed = 11"
    sources = [(parameters, ["parameters"]), *((cell, []) for cell in cells)]
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "alliance_stats": {"title": "Tiny study", "question": "Does it run?", **described},
        },
        "cells": [
            first,
            *(
                {
                    "cell_type": "code",
                    "id": f"cell-{number}",
                    "metadata": {"tags": tags},
                    "execution_count": None,
                    "outputs": [],
                    "source": source,
                }
                for number, (source, tags) in enumerate(sources)
            ),
        ],
    }


@pytest.fixture
def add_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AddStudy:
    """Return a function that adds a study of the given cells to an otherwise empty library."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    monkeypatch.setattr(registry, "bundled_folder", lambda kind: folder)
    monkeypatch.chdir(tmp_path)

    def add(*cells: str, name: str = "tiny", **described: str) -> Path:
        path = folder / f"{name}.ipynb"
        path.write_text(json.dumps(notebook(cells, **described)), encoding="utf-8")
        return path

    return add


@pytest.fixture
def clinic(tmp_path: Path) -> Path:
    """Return a folder with data and column maps of two levels."""
    folder = tmp_path / "clinic"
    folder.mkdir()
    (folder / "ratings.csv").write_text("pid,no,wai\np1,1,3\np1,2,4\np2,1,5\n", encoding="utf-8")
    (folder / "talks.csv").write_text("pid,wai\np1,3\np2,5\n", encoding="utf-8")
    (folder / "map.toml").write_text(MAP.format(level="session", session='session = "no"'), encoding="utf-8")
    (folder / "talk.toml").write_text(MAP.format(level="conversation", session=""), encoding="utf-8")
    return folder


def left_over(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"notebooks", "clinic"}


def test_studies_are_listed_without_variants(add_study: AddStudy) -> None:
    add_study(sample="therapist_statements")
    add_study(name="tiny-talk", variant_of="tiny", level="conversation")
    listed = al.list_studies()
    assert listed.to_dict("records") == [
        {"name": "tiny", "title": "Tiny study", "question": "Does it run?", "data": "therapist_statements"}
    ]


def test_notebooks_without_metadata_are_no_studies(add_study: AddStudy) -> None:
    path = add_study(name="tutorial")
    path.write_text(json.dumps({"metadata": {}, "cells": []}), encoding="utf-8")
    assert al.list_studies().empty


def test_a_study_without_question_is_refused(add_study: AddStudy) -> None:
    add_study(question="")
    with pytest.raises(StudyError, match=r"'tiny\.ipynb' lacks question.*\nHint: add them under"):
        al.list_studies()


def test_a_broken_notebook_is_named(add_study: AddStudy) -> None:
    add_study().write_text("{", encoding="utf-8")
    with pytest.raises(StudyError, match=r"'tiny\.ipynb' cannot be read.*\nHint: restore it"):
        al.list_studies()


def test_an_unknown_study_gets_the_nearest_name(add_study: AddStudy) -> None:
    add_study()
    with pytest.raises(StudyError, match=r"No study 'tinny'\. Known: tiny\.\nHint: did you mean 'tiny'\?"):
        al.run_study("tinny")


def test_a_strange_study_name_points_to_the_list(add_study: AddStudy) -> None:
    add_study()
    with pytest.raises(StudyError, match="Hint: see what each is about with: alliance-stats list"):
        al.run_study("xxxxxx")


def test_no_studies_at_all_is_said(add_study: AddStudy) -> None:
    with pytest.raises(StudyError, match=r"No studies are installed\.\nHint: install the package again"):
        al.run_study("tiny")


def test_a_run_writes_report_notebook_and_tables(add_study: AddStudy, tmp_path: Path) -> None:
    add_study(SHOW_TABLE, "print('done')")
    run = al.run_study("tiny", out=tmp_path / "out", progress=False)
    assert run.report == tmp_path / "out" / "report.html"
    assert run.notebook == tmp_path / "out" / "tiny.ipynb"
    assert [path.name for path in run.tables] == ["slopes.csv"]
    assert f"alliance,{1 / 3!r}" in run.tables[0].read_text(encoding="utf-8")
    assert "<pre>done\n</pre>" in run.report.read_text(encoding="utf-8")
    assert "<dt>Seed</dt><dd>11</dd>" in run.report.read_text(encoding="utf-8")
    assert run.seconds > 0
    assert left_over(tmp_path) == {"out"}


def test_the_default_folder_is_reports_and_the_name(add_study: AddStudy, tmp_path: Path) -> None:
    add_study("1")
    assert al.run_study("tiny", progress=False).report == tmp_path / "reports" / "tiny" / "report.html"


def test_the_kernel_is_this_python_with_one_thread(add_study: AddStudy, tmp_path: Path) -> None:
    add_study("import os, sys\nprint(sys.executable, os.environ['OMP_NUM_THREADS'], os.environ['PYTHONHASHSEED'])")
    executed = kernel.execute_notebook(json.loads((tmp_path / "notebooks/tiny.ipynb").read_text()), progress=False)
    assert executed["cells"][2]["outputs"][0]["text"] == f"{sys.executable} 1 0\n"


def test_pictures_are_drawn_inline(add_study: AddStudy) -> None:
    add_study("import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()")
    report = al.run_study("tiny", progress=False).report.read_text(encoding="utf-8")
    assert 'src="data:image/png;base64,' in report


def test_the_saved_notebook_opens_with_the_usual_kernel(add_study: AddStudy) -> None:
    add_study("1")
    saved = json.loads(al.run_study("tiny", progress=False).notebook.read_text(encoding="utf-8"))
    assert saved["metadata"]["kernelspec"]["name"] == "python3"


def test_no_path_of_this_machine_is_kept(add_study: AddStudy, clinic: Path, tmp_path: Path) -> None:
    add_study("import os, warnings\nwarnings.warn('careful')\nprint(data, columns, os.getcwd(), os.__file__)\ndata")
    run = al.run_study("tiny", data=clinic / "ratings.csv", columns=clinic / "map.toml", progress=False)
    for path in (run.report, run.notebook, run.report.parent / MANIFEST):
        text = path.read_text(encoding="utf-8")
        assert not [str(p) for p in (tmp_path, Path(sys.prefix), Path.home() / "x") if str(p) in text]
    assert "data = 'ratings.csv'\\ncolumns = 'map.toml'" in run.notebook.read_text(encoding="utf-8")


def test_the_notebook_receives_data_and_map(add_study: AddStudy, clinic: Path) -> None:
    add_study("import alliance_stats as al\nprint(len(al.read_study_data(columns, data)), 'rows')")
    run = al.run_study("tiny", data=clinic, columns=str(clinic / "map.toml"), progress=False)
    report = run.report.read_text(encoding="utf-8")
    assert "3 rows" in report
    assert f"ratings.csv (SHA-256 {checksum(clinic / 'ratings.csv')})" in report


def test_what_the_map_says_is_in_report_and_notes(add_study: AddStudy, clinic: Path) -> None:
    add_study("1")
    run = al.run_study("tiny", data=clinic, columns=clinic / "map.toml", progress=False)
    expected = ("Data: Clinic data (simulated).", "Source: made for a test", "Too few patients for anything.")
    assert run.notes == expected
    report = run.report.read_text(encoding="utf-8")
    assert all(note in report for note in expected)
    assert "describe no real person" in report


def test_conversation_data_run_the_variant(add_study: AddStudy, clinic: Path) -> None:
    add_study("1")
    add_study("print('one row per conversation')", name="tiny-talk", variant_of="tiny", level="conversation")
    run = al.run_study("tiny", data=clinic / "talks.csv", columns=clinic / "talk.toml", progress=False)
    assert run.study == "tiny-talk"
    assert run.notes[0].endswith("so the variant 'tiny-talk' is run instead of 'tiny'.")
    assert "one row per conversation" in run.report.read_text(encoding="utf-8")


def test_conversation_data_without_a_variant_are_refused(add_study: AddStudy, clinic: Path) -> None:
    add_study("1")
    with pytest.raises(StudyError, match=r"no analysis for data of level 'conversation'.*\nHint: set level"):
        al.run_study("tiny", data=clinic / "talks.csv", columns=clinic / "talk.toml")


@pytest.fixture
def no_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the start of a kernel a failure of the test."""

    def start(*_: object) -> None:
        pytest.fail("a kernel was started")

    monkeypatch.setattr(kernel, "_client", start)


@pytest.mark.usefixtures("no_kernel")
def test_missing_data_are_refused_before_the_run(add_study: AddStudy, clinic: Path, tmp_path: Path) -> None:
    add_study("1")
    with pytest.raises(FileError, match=r"no file or folder 'absent\.csv'\.\nHint: check the spelling"):
        al.run_study("tiny", data="absent.csv", columns=clinic / "map.toml")
    assert left_over(tmp_path) == set()


@pytest.mark.usefixtures("no_kernel")
def test_a_missing_column_is_named_before_the_run(add_study: AddStudy, clinic: Path, tmp_path: Path) -> None:
    add_study("1")
    (clinic / "ratings.csv").write_text("pid,no,bond\np1,1,3\n", encoding="utf-8")
    with pytest.raises(ColumnError, match=r"No column 'wai'"):
        al.run_study("tiny", data=clinic, columns=clinic / "map.toml")
    assert left_over(tmp_path) == set()


@pytest.mark.usefixtures("no_kernel")
def test_data_without_a_map_are_refused(add_study: AddStudy, clinic: Path) -> None:
    add_study("1")
    with pytest.raises(StudyError, match=r"'tiny' needs a column map.*\nHint: .*--columns MAP\.toml"):
        al.run_study("tiny", data=clinic)


@pytest.mark.usefixtures("no_kernel")
def test_a_map_for_another_study_is_refused(add_study: AddStudy, clinic: Path) -> None:
    add_study("1", name="other")
    with pytest.raises(StudyError, match=r"'map\.toml' is for study 'tiny', not for 'other'\.\nHint: run 'tiny'"):
        al.run_study("other", data=clinic, columns=clinic / "map.toml")


@pytest.mark.usefixtures("no_kernel")
def test_missing_packages_are_named(add_study: AddStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    add_study("1")
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "nbclient", None)
    with pytest.raises(StudyError, match=r'Hint: run: pip install "alliance-stats\[notebooks\]"'):
        kernel.execute_notebook(notebook(["1"]), progress=False)


def test_the_librarys_own_error_is_shown_as_it_is(add_study: AddStudy, tmp_path: Path) -> None:
    add_study(
        "from alliance_stats.errors import ModelError\nraise ModelError.build('Too few patients.', hint='add some.')"
    )
    with pytest.raises(StudyError) as caught:
        al.run_study("tiny", progress=False)
    assert str(caught.value) == "Too few patients.\nHint: add some."
    assert left_over(tmp_path) == set()


def test_any_other_error_is_named_without_its_text(add_study: AddStudy, tmp_path: Path) -> None:
    add_study("1", "float('canary-4711')")
    with pytest.raises(StudyError, match="stopped in code cell 3 of the notebook with a ValueError") as caught:
        al.run_study("tiny", progress=False)
    assert "canary" not in str(caught.value)
    assert left_over(tmp_path) == set()


def test_the_death_of_the_kernel_is_told(add_study: AddStudy, tmp_path: Path) -> None:
    add_study("import os\nos._exit(1)")
    with pytest.raises(
        StudyError, match=r"ended in code cell 2 of the notebook\.\nHint: it may have run out of memory"
    ):
        al.run_study("tiny", progress=False)
    assert left_over(tmp_path) == set()


def test_an_interrupt_leaves_nothing(add_study: AddStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_study("1")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(outputs, "_swap", interrupt)
    with pytest.raises(KeyboardInterrupt):
        al.run_study("tiny", out=tmp_path / "a" / "b", progress=False)
    assert left_over(tmp_path) == set()


def test_progress_counts_cells_on_standard_error(add_study: AddStudy, capfd: pytest.CaptureFixture[str]) -> None:
    add_study("1", "2")
    al.run_study("tiny", progress=True)
    shown = capfd.readouterr()
    assert "3/3" in shown.err
    assert shown.out == ""


def test_no_progress_is_silent(add_study: AddStudy, capfd: pytest.CaptureFixture[str]) -> None:
    add_study("1")
    al.run_study("tiny", progress=False)
    assert capfd.readouterr().err == ""


@pytest.mark.usefixtures("no_kernel")
def test_a_foreign_report_is_not_overwritten(add_study: AddStudy, tmp_path: Path) -> None:
    add_study("1")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "report.html").write_text("mine")
    with pytest.raises(StudyError, match=r"'out' holds report\.html, which no earlier run.*\nHint: move it away"):
        al.run_study("tiny", out="out")
    assert (tmp_path / "out" / "report.html").read_text() == "mine"


@pytest.mark.usefixtures("no_kernel")
def test_a_file_in_place_of_the_folder_is_refused(add_study: AddStudy, tmp_path: Path) -> None:
    add_study("1")
    (tmp_path / "out").write_text("mine")
    with pytest.raises(FileError, match=r"'out' is a file, not a folder\.\nHint: give another folder"):
        al.run_study("tiny", out="out")


def test_parameters_follow_the_tagged_cell_in_a_copy() -> None:
    before = notebook(["1"])
    after = inject_parameters(before, {"data": "C:\\a'b.csv"})
    assert after["cells"][2]["source"] == 'data = "C:\\\\a\'b.csv"'
    assert len(before["cells"]) == 3


def test_a_seed_is_found_in_the_parameters_cell() -> None:
    assert notebook_seed(notebook([])) == "11"
    assert notebook_seed({"cells": []}) == ""


def test_the_sample_of_a_study_is_described(
    add_study: AddStudy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    add_study("1", sample="made_up")
    (tmp_path / "made_up.csv").write_text("a\n1\n")
    monkeypatch.setattr(inputs, "bundled_folder", lambda kind: tmp_path)
    monkeypatch.setattr(inputs, "sample_card", lambda name: {"title": "Made up", "source": "dice", "simulated": True})
    checked = inputs.check_inputs("tiny", data=None, columns=None)
    assert checked.simulated
    assert checked.notes == ("Data: Made up (bundled sample).", "Source: dice")
    assert [path.name for path in checked.files] == ["made_up.csv"]


def test_the_map_of_a_study_describes_its_sample(add_study: AddStudy) -> None:
    add_study("1", column_map="therapist_statements")
    checked = inputs.check_inputs("tiny", data=None, columns=None)
    assert checked.simulated
    assert checked.notes[0].startswith("Data: ")


def test_running_inside_an_event_loop_works(add_study: AddStudy) -> None:
    add_study("1")
    import asyncio

    async def inside() -> Path:
        return al.run_study("tiny", progress=False).report

    assert asyncio.run(inside()).is_file()


def test_importing_studies_loads_no_notebook_packages() -> None:
    code = "import alliance_stats.studies, sys; print({'nbclient', 'nbformat', 'IPython', 'bs4'} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "set()\n"
