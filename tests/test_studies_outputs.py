"""Where a study's files go, and what they say about their making."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from alliance_stats.errors import FileError, StudyError
from alliance_stats.studies.outputs import MANIFEST, place, safe_name, table_files
from alliance_stats.studies.parameters import inject_parameters, without_machine_paths
from alliance_stats.studies.provenance import provenance


def test_a_second_run_replaces_its_own_files_only(tmp_path: Path) -> None:
    out = tmp_path / "out"
    place(
        {"report.html": "old", "tables/a.csv": "old", MANIFEST: json.dumps({"files": ["report.html", "tables/a.csv"]})},
        out,
    )
    (out / "tables" / "mine.csv").write_text("mine")
    (out / "notes.txt").write_text("mine")
    manifest = json.dumps({"files": ["report.html", MANIFEST]})
    (out / MANIFEST).write_text(json.dumps({"files": ["report.html", "tables/a.csv", MANIFEST]}))
    place({"report.html": "new", MANIFEST: manifest}, out)
    found = {str(p.relative_to(out)): p.read_text() for p in out.rglob("*") if p.is_file()}
    assert found == {"report.html": "new", "tables/mine.csv": "mine", "notes.txt": "mine", MANIFEST: manifest}


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_a_failure_between_two_moves_restores_the_old_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    out = tmp_path / "out"
    files = {"report.html": "old", "tables/a.csv": "old", MANIFEST: ""}
    files[MANIFEST] = json.dumps({"files": [*files]})
    place(files, out)
    before = {str(p.relative_to(out)): p.read_text() for p in out.rglob("*") if p.is_file()}
    rename, moves = Path.rename, []

    def failing(self: Path, target: Path) -> Path:
        moves.append(target)
        if len(moves) == 5:
            raise error
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    expected = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else FileError
    with pytest.raises(expected):
        place({"report.html": "new", "tables/b.csv": "new", MANIFEST: "{}"}, out)
    assert len(moves) > 5
    assert {str(p.relative_to(out)): p.read_text() for p in out.rglob("*") if p.is_file()} == before
    assert {path.name for path in tmp_path.iterdir()} == {"out"}


def test_old_files_that_cannot_be_moved_back_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    place({"report.html": "old", MANIFEST: json.dumps({"files": ["report.html", MANIFEST]})}, out)
    rename, moves = Path.rename, []

    def failing(self: Path, target: Path) -> Path:
        moves.append(target)
        if len(moves) > 2:
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(FileError, match="Input/output error"):
        place({"report.html": "new", MANIFEST: "{}"}, out)
    assert [path.read_text() for path in out.glob(".alliance-stats-*/old/report.html")] == ["old"]


def test_a_folder_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("mine")
    with pytest.raises(FileError, match=r"The folder for 'out' may not be written to\.\nHint: give another folder"):
        place({"x": ""}, tmp_path / "a" / "out")


def test_a_manifest_cannot_reach_outside_the_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "victim.txt").write_text("mine")
    (out / MANIFEST).write_text(json.dumps({"files": ["../victim.txt", str(tmp_path / "victim.txt"), MANIFEST]}))
    place({MANIFEST: "{}"}, out)
    assert (tmp_path / "victim.txt").read_text() == "mine"


def shown_table(text: str, name: object = None) -> dict[str, Any]:
    described = {"text/csv": {"name": name}} if name else {}
    return {"outputs": [{"output_type": "display_data", "data": {"text/csv": text}, "metadata": described}]}


def test_tables_get_unique_names_that_are_file_names() -> None:
    cells = [shown_table("1", "a b"), shown_table("2", "A B"), shown_table("3"), shown_table("4", "../../x"), {}]
    assert table_files({"cells": cells}) == {"a-b.csv": "1", "A-B-2.csv": "2", "table-03.csv": "3", "x.csv": "4"}


@pytest.mark.parametrize(
    ("name", "safe"), [("nul", "nul-table"), ("..", ""), ("a/b\\c:d", "a-b-c-d"), ("x" * 200, "x" * 80)]
)
def test_names_are_made_safe(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_a_notebook_without_parameters_cell_is_refused() -> None:
    with pytest.raises(StudyError, match=r"no cell tagged 'parameters'\.\nHint: tag the cell"):
        inject_parameters({"cells": []}, {"data": None})


def test_provenance_names_versions_and_data(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a")
    facts = provenance([tmp_path / "a.csv", tmp_path / "a.csv"], study="tiny", seed="")
    assert facts["Data"] == facts["Data 2"]
    assert facts["Data"] == "a.csv (SHA-256 ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb)"
    assert facts["Seed"] == "none set"
    assert {"alliance_stats", "Python", "numpy", "pandas", "scipy", "statsmodels", "Date"} <= set(facts)


def test_paths_in_pictures_are_left_alone(tmp_path: Path) -> None:
    cell = {"outputs": [{"data": {"image/png": str(tmp_path), "text/plain": f"{tmp_path}/x"}}]}
    cleaned = without_machine_paths({"cells": [cell]}, {tmp_path: ""})
    assert cleaned["cells"][0]["outputs"][0]["data"] == {"image/png": str(tmp_path), "text/plain": "x"}
