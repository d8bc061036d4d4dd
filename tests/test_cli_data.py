"""The commands for data: check, convert and datasets."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

import alliance_stats as al
from alliance_stats.cli import main

CANARY = "canary-51d9-person"
CLEAN = f"pid,week,th,day,wai\n{CANARY}1,1,{CANARY}t,2026-03-01,3\n{CANARY}1,2,{CANARY}t,2026-03-08,4\np2,1,t2,2026-03-02,5\n"
ARGUMENTS = ["--patient", "pid", "--session", "week", "--therapist", "th", "--date", "day"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the current folder, a new one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALLIANCE_STATS_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_check_prints_findings_and_ends_with_0_when_nothing_is_broken(capsys: pytest.CaptureFixture[str]) -> None:
    Path("ward.csv").write_text(CLEAN, encoding="utf-8")
    assert main(["check", "ward.csv", *ARGUMENTS]) == 0
    shown = capsys.readouterr()
    assert "fact: Patients, with 1.5 (1 to 2) sessions each. 2 of 2 patients.\n" in shown.out
    assert shown.out.splitlines()[-1].startswith("0 errors, ")
    assert CANARY not in shown.out + shown.err


def test_check_ends_with_1_when_something_is_broken(capsys: pytest.CaptureFixture[str]) -> None:
    Path("ward.csv").write_text(CLEAN + f"{CANARY}1,2,{CANARY}t,2026-03-08,4\n", encoding="utf-8")
    assert main(["check", "ward.csv", *ARGUMENTS]) == 1
    shown = capsys.readouterr()
    assert "error: Rows with the patient, session of an earlier row. 1 of 4 rows.\n" in shown.out
    assert "\n1 errors, " in shown.out
    assert CANARY not in shown.out + shown.err


def test_check_looks_at_therapists_and_dates_only_when_named(capsys: pytest.CaptureFixture[str]) -> None:
    text = CLEAN.replace("2026-03-08", "2026-02-08").replace(f"2,{CANARY}t", f"2,{CANARY}u")
    Path("ward.csv").write_text(text, encoding="utf-8")
    main(["check", "ward.csv", "--patient", "pid", "--session", "week"])
    assert "several therapists" not in capsys.readouterr().out
    main(["check", "ward.csv", *ARGUMENTS])
    shown = capsys.readouterr().out.lower()
    assert "therapist" in shown
    assert "date" in shown


def test_check_uses_the_canonical_names_when_none_are_given(capsys: pytest.CaptureFixture[str]) -> None:
    Path("ward.csv").write_text("patient,session,wai\n1,1,2\n1,2,3\n", encoding="utf-8")
    assert main(["check", "ward.csv"]) == 0
    Path("other.csv").write_text("pid,session,wai\n1,1,2\n", encoding="utf-8")
    assert main(["check", "other.csv"]) == 1
    assert "No column 'patient'" in capsys.readouterr().err


def test_check_writes_all_rules_to_json(capsys: pytest.CaptureFixture[str]) -> None:
    Path("ward.csv").write_text(CLEAN, encoding="utf-8")
    assert main(["check", "ward.csv", *ARGUMENTS, "--json", "found.json"]) == 0
    assert capsys.readouterr().out.endswith(": found.json\n")
    text = Path("found.json").read_text("utf-8")
    found = json.loads(text)
    assert found["glance"]["n"] == 3
    assert {"error", "doubt", "fact"} == {finding["level"] for finding in found["findings"]}
    assert CANARY not in text


def test_check_replaces_a_json_file_only_when_forced(capsys: pytest.CaptureFixture[str]) -> None:
    Path("ward.csv").write_text(CLEAN, encoding="utf-8")
    assert main(["check", "ward.csv", *ARGUMENTS, "--json", "ward.csv"]) == 1
    assert (
        capsys.readouterr().err == "Error: 'ward.csv' exists.\nHint: give another --json, or replace it with --force.\n"
    )
    assert Path("ward.csv").read_text("utf-8") == CLEAN
    Path("found.json").write_text("mine")
    assert main(["check", "ward.csv", *ARGUMENTS, "--json", "found.json", "--force"]) == 0
    assert json.loads(Path("found.json").read_text("utf-8"))["glance"]["n"] == 3


@pytest.mark.parametrize("target", ["ward.tsv", "ward.xlsx", "ward.sav", "ward.dta", "ward.parquet"])
def test_convert_loses_nothing(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("ward.csv").write_text(f"pid,share,n\n007{CANARY},0.25,1\n8,0.5,2\n", encoding="utf-8")
    assert main(["convert", "ward.csv", target]) == 0
    shown = capsys.readouterr().out
    assert shown.endswith(f"2 rows, 3 columns: {target}\n")
    assert CANARY not in shown
    frame = al.read_sessions(target, patient="pid")
    assert frame["patient"].tolist() == [f"007{CANARY}", "8"]
    assert frame["share"].tolist() == [0.25, 0.5]
    assert frame["n"].tolist() == [1, 2]


def test_convert_keeps_leading_zeros_in_every_column(capsys: pytest.CaptureFixture[str]) -> None:
    Path("ward.csv").write_text("clinic,share,code\n007,0.5,1\n010,1.50,2\n", encoding="utf-8")
    assert main(["convert", "ward.csv", "ward.parquet"]) == 0
    frame = pd.read_parquet("ward.parquet")
    assert frame["clinic"].tolist() == ["007", "010"]
    assert frame["share"].tolist() == [0.5, 1.5]
    assert frame["code"].tolist() == [1, 2]
    assert "Column 'clinic': ids have leading zeros, so they are kept as text." in capsys.readouterr().out


def test_convert_keeps_labels() -> None:
    import pyreadstat

    labelled = pd.DataFrame({"pid": [1.0, 2.0], "sex": [1.0, 2.0]})
    pyreadstat.write_sav(
        labelled, "a.sav", column_labels=["Person", "Sex"], variable_value_labels={"sex": {1: "f", 2: "m"}}
    )
    assert main(["convert", "a.sav", "a.dta"]) == 0
    known = al.labels(al.read_sessions("a.dta", patient="pid")).set_index("column")
    assert known.loc["sex", "values"] == {1: "f", 2: "m"}
    assert known.loc["patient", "label"] == "Person"


def test_convert_replaces_a_file_only_when_forced(capsys: pytest.CaptureFixture[str]) -> None:
    Path("ward.csv").write_text(CLEAN, encoding="utf-8")
    Path("ward.tsv").write_text("mine")
    assert main(["convert", "ward.csv", "ward.tsv"]) == 1
    assert capsys.readouterr().err == "Error: 'ward.tsv' exists.\nHint: give another OUT, or replace it with --force.\n"
    assert Path("ward.tsv").read_text() == "mine"
    assert main(["convert", "ward.csv", "ward.tsv", "--force"]) == 0
    assert Path("ward.tsv").read_text().startswith("pid\t")


def test_convert_to_an_unknown_format_is_a_clear_error(capsys: pytest.CaptureFixture[str]) -> None:
    Path("ward.csv").write_text(CLEAN, encoding="utf-8")
    assert main(["convert", "ward.csv", "ward.docx"]) == 1
    assert "'.docx' cannot be written" in capsys.readouterr().err


def test_datasets_lists_name_licence_and_citation(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["datasets"]) == 0
    shown = capsys.readouterr().out
    for name, title in al.list_datasets()[["name", "title"]].itertuples(index=False, name=None):
        assert f"{name}\n  {title}\n" in shown
    assert "  2627 rows, one per session\n" in shown
    assert "  277 rows, one per session, simulated\n" in shown
    assert "  Licence: Apache-2.0 (LICENSE of the repository)\n" in shown
    assert "  Cite: Lynch, T. R." in shown
