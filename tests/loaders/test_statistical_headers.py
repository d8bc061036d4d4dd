"""Headers of statistics files that claim what the file cannot hold."""

from __future__ import annotations

import struct
from pathlib import Path

import pandas as pd
import pyreadstat
import pytest

from alliance_stats.errors import FileError
from alliance_stats.loaders.readers import read_table
from alliance_stats.loaders.statistical_headers import require_plausible, require_room

CELLS = pd.DataFrame({"pid": [1.0, 2.0], "wai": [4.0, 5.0], "note": ["x" * 300, "y"]})


def spss(path: Path) -> Path:
    """Write an SPSS file with labels and a long text."""
    pyreadstat.write_sav(
        CELLS, str(path), compress=path.suffix == ".zsav", variable_value_labels={"wai": {4.0: "often", 5.0: "always"}}
    )
    return path


def put(path: Path, place: int, content: bytes) -> Path:
    """Overwrite bytes of a file."""
    data = bytearray(path.read_bytes())
    data[place : place + len(content)] = content
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", ["a.sav", "a.zsav"])
def test_sound_files_pass(tmp_path: Path, name: str) -> None:
    require_plausible(spss(tmp_path / name))


@pytest.mark.parametrize("n_labels", [1, 7, 8, 120])
def test_labels_of_any_length_pass(tmp_path: Path, n_labels: int) -> None:
    labels = {"wai": {float(code): "x" * code for code in range(1, n_labels + 1)}}
    pyreadstat.write_sav(
        CELLS, str(tmp_path / "a.sav"), variable_value_labels=labels, missing_ranges={"wai": [9, {"lo": 1, "hi": 2}]}
    )
    require_plausible(tmp_path / "a.sav")


@pytest.mark.parametrize("name", ["a.sav", "a.zsav"])
@pytest.mark.parametrize("n_cases", [2**31 - 1, 50_000_000])
def test_more_cases_than_the_file_holds_are_refused(tmp_path: Path, name: str, n_cases: int) -> None:
    path = put(spss(tmp_path / name), 80, struct.pack("<i", n_cases))
    with pytest.raises(
        FileError, match=rf"(?s)cannot be read as a \w+ file: its header claims {n_cases} cases.*Hint: .*cut off"
    ):
        read_table(path)


def test_a_file_that_does_not_tell_its_cases_is_read(tmp_path: Path) -> None:
    assert len(read_table(put(spss(tmp_path / "a.sav"), 80, struct.pack("<i", -1)))) == 2


def test_value_labels_of_the_second_part_of_a_text_are_refused(tmp_path: Path) -> None:
    path = spss(tmp_path / "a.sav")
    record = struct.pack("<2i", 4, 1)
    put(path, path.read_bytes().index(record) + len(record), struct.pack("<i", 4))
    with pytest.raises(FileError, match="value labels belong to variables of another kind"):
        read_table(path)


def test_a_text_without_its_second_part_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="impossible widths"):
        read_table(put(spss(tmp_path / "a.sav"), 180, struct.pack("<i", 86)))


@pytest.mark.parametrize("version", [114, 117, 118, 119])
def test_counts_of_every_release_of_stata_are_read(tmp_path: Path, version: int) -> None:
    path = tmp_path / "a.dta"
    frame = CELLS.assign(note="x")
    frame.to_stata(path, write_index=False, version=version)  # type: ignore[call-overload]
    require_plausible(path)
    data = path.read_bytes()
    place = 6 if version == 114 else data.index(b"<N>") + 3
    put(path, place, struct.pack("<i", 2**31 - 1))
    with pytest.raises(FileError, match=r"claims 2147483647 rows and 3 columns"):
        read_table(path)


def test_files_of_the_other_byte_order_are_read(tmp_path: Path) -> None:
    for version in (114, 118):
        frame = CELLS.assign(note="x")
        path = tmp_path / f"a{version}.dta"
        frame.to_stata(path, write_index=False, version=version, byteorder=">")  # type: ignore[call-overload]
        assert list(read_table(path)["wai"]) == [4.0, 5.0]


def test_a_table_may_be_large_or_packed_but_not_both(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"x" * 1000)
    require_room(tmp_path / "a.parquet", n_rows=1000, n_columns=20)
    require_room(tmp_path / "a.parquet", n_rows=2**25, n_columns=1)
    with pytest.raises(
        FileError, match=r"(?s)claims 200000000 rows and 20 columns, more than 1000 times.*Hint: .*in parts"
    ):
        require_room(tmp_path / "a.parquet", n_rows=200_000_000, n_columns=20)
