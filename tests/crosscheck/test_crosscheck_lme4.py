from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from alliance_stats.mixed.crosscheck import cross_check
from alliance_stats.mixed.crosscheck_lme4 import neutral_formula, neutral_frame
from alliance_stats.mixed.crosscheck_quantities import one_line
from alliance_stats.mixed.lmm import lmm

FORMULA = "distress ~ session + (session | patient) + (1 | therapist)"


def only_note(check) -> str:
    assert check.skipped == ("lme4",)
    assert check.notes[-1] == "Nothing was compared."
    return check.notes[1]


def test_without_rscript_there_is_a_note(study: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    note = only_note(cross_check(lmm(FORMULA, study), engines=["lme4"]))
    assert note == "lme4: not compared, Rscript is not installed."


def test_without_the_package_there_is_a_note(study: pd.DataFrame, fake_rscript: Callable[[str], Path]) -> None:
    fake_rscript("exit 3")
    assert "R's package lme4 is not installed" in only_note(cross_check(lmm(FORMULA, study), engines=["lme4"]))


def test_a_failing_rscript_gives_its_status_and_none_of_its_output(
    study: pd.DataFrame, fake_rscript: Callable[[str], Path]
) -> None:
    fake_rscript("echo 'Error: Surname01 12.5' >&2; exit 7")
    note = only_note(cross_check(lmm(FORMULA, study), engines=["lme4"]))
    assert note == "lme4: not compared, Rscript ended with status 7 and no result."


def test_a_failing_fit_gives_the_reason_without_data(study: pd.DataFrame, fake_rscript: Callable[[str], Path]) -> None:
    fake_rscript("printf 'error\\tDowndated VtV is not positive definite at 12.345 in /tmp/x\\n' > \"$4\"; exit 4")
    note = only_note(cross_check(lmm(FORMULA, study), engines=["lme4"]))
    assert note == "lme4: failed: Downdated VtV is not positive definite at ... in ...."


def test_warnings_of_lme4_become_notes(study: pd.DataFrame, fake_rscript: Callable[[str], Path]) -> None:
    fake_rscript("printf 'version\\t9.9\\ncriterion\\t1\\nsaid\\tModel failed to converge\\n' > \"$4\"")
    check = cross_check(lmm(FORMULA, study), engines=["lme4"])
    assert "lme4 9.9: said: Model failed to converge" in check.notes


@pytest.mark.usefixtures("needs_lme4")
def test_r_itself_passes_on_what_lme4_says(study: pd.DataFrame) -> None:
    far = study.assign(later=study["session"] + 1e8)
    fit = lmm("distress ~ later + (1 | patient)", far)
    notes = cross_check(fit, engines=["lme4"]).notes
    assert any("lme4" in note and ("said:" in note or "failed:" in note) for note in notes), notes


def test_an_rscript_that_cannot_be_started_gives_a_note(
    study: pd.DataFrame, fake_rscript: Callable[[str], Path]
) -> None:
    folder = fake_rscript("exit 0")
    (folder / "bin" / "Rscript").write_bytes(b"#!/no/such/interpreter\n")
    assert "could not be started" in only_note(cross_check(lmm(FORMULA, study), engines=["lme4"]))


def test_r_is_stopped_after_the_timeout(study: pd.DataFrame, fake_rscript: Callable[[str], Path]) -> None:
    fake_rscript("exec /bin/sleep 60")
    check = cross_check(lmm(FORMULA, study), engines=["lme4"], timeout=0.2)
    assert "stopped after 0.2 seconds" in only_note(check)


def test_neither_ids_nor_names_of_columns_reach_the_disk(
    study: pd.DataFrame, fake_rscript: Callable[[str], Path]
) -> None:
    folder = fake_rscript(f'/bin/cp "$2" "$3" "{"$0"}.d/"; echo "$@" > "$0.d/arguments"; exit 1')
    seen = folder / "bin" / "Rscript.d"
    seen.mkdir()
    cross_check(lmm(FORMULA, study, weights="certainty"), engines=["lme4"])
    texts = {path.name: path.read_text(encoding="utf-8") for path in seen.iterdir()}
    assert set(texts) == {"fit.R", "data.csv", "arguments"}
    for text in texts.values():
        assert not any(word in text for word in ("Surname", "Doctor", "distress", "patient", "therapist", "certainty"))
    assert texts["data.csv"].splitlines()[0] == "y,x0,x1,z0_0,z0_1,z1_0,g0,g1,w"


def test_the_temporary_folder_is_private_and_removed(
    study: pd.DataFrame, fake_rscript: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = fake_rscript('/bin/ls -ld "${2%/*}" > "$0.listing"; exit 1')
    work = folder / "work"
    work.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(work))
    cross_check(lmm(FORMULA, study), engines=["lme4"])
    assert (folder / "bin" / "Rscript.listing").read_text(encoding="utf-8").startswith(stat.filemode(0o40700))
    assert list(work.iterdir()) == []


def test_levels_are_integers_under_neutral_names(study: pd.DataFrame) -> None:
    fit = lmm("distress ~ session + (1 + session || patient) + (1 | therapist)", study)
    frame = neutral_frame(fit)
    assert neutral_formula(fit) == "y ~ 0 + x0 + x1 + (0 + z0_0 | g0) + (0 + z1_0 | g0) + (0 + z2_0 | g1)"
    assert frame["g0"].nunique() == 40
    assert frame[["g0", "g1"]].dtypes.map(lambda t: t.kind).tolist() == ["i", "i"]


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("two\nlines", "two lines"),
        ("value 12.5 here", "value ... here"),
        ("see /home/who/data.csv now", "see ... now"),
        ("9 levels", "9 levels"),
    ],
)
def test_messages_of_other_engines_lose_numbers_with_decimals_and_paths(said: str, kept: str) -> None:
    assert one_line(said) == kept
