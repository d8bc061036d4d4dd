from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyreadstat
import pytest

from alliance_stats.errors import FileError
from alliance_stats.loaders import statistical
from alliance_stats.loaders.readers import read_table

WriteFile = Callable[[str, str | bytes], Path]

FRAME = pd.DataFrame({"pid": [1.0, 2.0, 3.0], "wai": [4.0, -99.0, 999.0], "note": ["x", "", "y"]})


def spss(path: Path, **options: Any) -> Path:
    pyreadstat.write_sav(FRAME, str(path), compress=path.suffix == ".zsav", **options)
    return path


@pytest.mark.parametrize("name", ["a.sav", "a.zsav"])
def test_user_missing_values_of_spss_are_missing(tmp_path: Path, name: str) -> None:
    frame = read_table(spss(tmp_path / name, missing_ranges={"wai": [-99, {"lo": 900, "hi": 999}]}))
    np.testing.assert_array_equal(frame["wai"].to_numpy(), [4.0, np.nan, np.nan])


def test_blank_text_of_spss_is_missing(tmp_path: Path) -> None:
    assert list(read_table(spss(tmp_path / "a.sav"))["note"].isna()) == [False, True, False]


def test_value_labels_are_not_applied(tmp_path: Path) -> None:
    frame = read_table(spss(tmp_path / "a.sav", variable_value_labels={"wai": {4.0: "often"}}))
    assert list(frame["wai"]) == [4.0, -99.0, 999.0]
    assert "Value labels are not applied: the codes are read as numbers." in frame.attrs["notes"]


def test_ids_that_spss_stores_as_decimals_are_whole_numbers(tmp_path: Path) -> None:
    frame = read_table(spss(tmp_path / "a.sav"), ids=["pid"])
    assert pd.api.types.is_integer_dtype(frame["pid"])


def test_extended_missing_values_of_stata_are_missing(tmp_path: Path) -> None:
    path = tmp_path / "a.dta"
    marked = pd.DataFrame({"pid": [1, 2, 3], "wai": pd.Series([4, "a", 5], dtype=object)})
    pyreadstat.write_dta(marked, str(path), missing_user_values={"wai": ["a"]})
    np.testing.assert_array_equal(read_table(path)["wai"].to_numpy(), [4.0, np.nan, 5.0])


@pytest.mark.parametrize("version", [114, 117, 118, 119])
def test_every_version_of_stata_is_read(tmp_path: Path, version: int) -> None:
    path = tmp_path / "a.dta"
    FRAME.to_stata(path, write_index=False, version=version)  # type: ignore[call-overload]
    assert list(read_table(path)["wai"]) == [4.0, -99.0, 999.0]


def test_codes_for_missing_apply_to_spss(tmp_path: Path) -> None:
    frame = read_table(spss(tmp_path / "a.sav"), missing=[-99])
    assert list(frame["wai"].isna()) == [False, True, False]


def test_parquet_is_read_with_its_types(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    FRAME.assign(pid=["007", "012", "3"]).to_parquet(path)
    frame = read_table(path, ids=["pid"])
    assert list(frame["pid"]) == ["007", "012", "3"]
    assert list(frame["wai"]) == [4.0, -99.0, 999.0]


def test_a_named_index_in_parquet_is_a_column(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    FRAME.set_index("pid").to_parquet(path)
    assert list(read_table(path).columns) == ["pid", "wai", "note"]


def test_a_filtered_frame_in_parquet_is_numbered_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    FRAME[FRAME["pid"] > 1].to_parquet(path)
    assert list(read_table(path).index) == [0, 1]


def test_parquet_without_pyarrow_tells_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.parquet"
    FRAME.to_parquet(path)
    monkeypatch.setattr(statistical, "find_spec", lambda name: None)
    with pytest.raises(FileError, match=r'(?s)needs pyarrow.*Hint: pip install "alliance-stats\[parquet\]"'):
        read_table(path)


@pytest.mark.parametrize("suffix", [".sav", ".zsav", ".dta", ".parquet"])
def test_text_under_another_name_is_told_apart(write: WriteFile, suffix: str) -> None:
    with pytest.raises(FileError, match=r"(?s)does not begin like a .* file.*Hint: give the file the ending"):
        read_table(write(f"a{suffix}", "Anna Secret,b\n1,2\n"))


@pytest.mark.parametrize("suffix", [".sav", ".dta", ".parquet"])
def test_a_truncated_file_is_an_error_without_details(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    if suffix == ".sav":
        spss(path)
    elif suffix == ".dta":
        FRAME.to_stata(path, write_index=False)
    else:
        FRAME.to_parquet(path)
    path.write_bytes(path.read_bytes()[:150])
    with pytest.raises(FileError, match=r"(?s)cannot be read as a .*Hint: the file may be cut off") as caught:
        read_table(path)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_no_rows_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    FRAME.head(0).to_parquet(path)
    with pytest.raises(FileError, match=r"(?s)3 columns and no rows.*Hint: check that the export finished"):
        read_table(path)


def test_answers_that_spss_declares_missing_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.sav"
    answers = pd.DataFrame({"id": [1.0, 1.0, 2.0], "w": [3.0, 9.0, -99.0], "v": [9.0, 2.0, None]})
    pyreadstat.write_sav(answers, path, missing_ranges={"w": [9, -99], "v": [9]})
    frame = read_table(path)
    assert frame["w"].isna().sum() == 2
    note = "3 answers with codes that the file declares missing, in 2 columns, are missing"
    assert note in " ".join(frame.attrs["notes"])
