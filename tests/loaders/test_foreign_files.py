"""Files written by other programs: R's haven 2.5.1 (tests/golden/statistical_files.R), pyreadstat, LibreOffice's format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyreadstat
import pytest

import alliance_stats as al
from alliance_stats.errors import FileError
from alliance_stats.loaders.labels import labels_of

FILES = Path(__file__).parents[1] / "golden" / "files"


@pytest.mark.parametrize("name", ["haven.sav", "haven.zsav"])
def test_spss_files_of_haven_keep_labels_and_reasons(name: str) -> None:
    frame = al.read_sessions(FILES / name, patient="pid")
    own = labels_of(frame)["wai"]
    assert (own.label, dict(own.value_labels)) == ("Alliance, today", {1.0: "never", 7.0: "always", -99.0: "refused"})
    assert set(own.missing) == {(-99.0, -99.0), (90.0, 98.0)}
    np.testing.assert_array_equal(frame["wai"].to_numpy(), [4.0, np.nan, np.nan])
    assert al.missing_reasons(frame, "wai").tolist()[1:] == ["refused", "93"]
    assert frame["note"].tolist() == ["a", "äß", "long text with a comma, and more"]
    assert frame["seen"].iloc[2] == pd.Timestamp("2021-12-31")


def test_stata_files_of_haven_keep_letters() -> None:
    frame = al.read_sessions(FILES / "haven.dta", patient="pid")
    np.testing.assert_array_equal(frame["wai"].to_numpy(), [4.0, np.nan, np.nan])
    assert al.missing_reasons(frame, "wai").tolist()[1:] == ["refused", "z"]
    assert labels_of(frame)["mood"].label == "Mood"


@pytest.mark.parametrize("name", ["haven.sas7bdat", "haven.xpt", "haven5.xpt"])
def test_sas_files_of_haven_are_read(name: str) -> None:
    frame = al.read_sessions(FILES / name, patient="pid")
    np.testing.assert_array_equal(frame["wai"].to_numpy(), [4.0, np.nan, 7.0])
    assert frame["note"].tolist() == ["a", "b", "c"]


def test_portable_spss_files_are_read(tmp_path: Path) -> None:
    cells = pd.DataFrame({"PID": [1.0, 2.0], "WAI": [4.5, None], "NOTE": ["x", "y"]})
    pyreadstat.write_por(cells, str(tmp_path / "a.por"), column_labels={"WAI": "Alliance"})
    frame = al.read_sessions(tmp_path / "a.por", patient="PID")
    np.testing.assert_array_equal(frame["WAI"].to_numpy(), [4.5, np.nan])
    assert labels_of(frame)["WAI"].label == "Alliance"


@pytest.mark.parametrize("suffix", [".por", ".sas7bdat", ".xpt", ".sav", ".dta"])
def test_a_file_of_another_kind_is_told_apart(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_text("pid,wai\n1,2\n" * 50)
    with pytest.raises(FileError, match=r"(?s)a\.\w+ (does not begin like|cannot be read as).*Hint: "):
        al.read_sessions(path, patient="pid")
