from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd
import pytest

from alliance_stats.errors import ColumnError, DataError, FileError
from alliance_stats.loaders import samples
from alliance_stats.loaders.readers import read_table

DATA = "patient,session,wai\n007,1,40\n007,2,44\n"
BUNDLED = sorted(path.stem for path in samples.bundled_folder("sample").glob("*.toml"))


def card_text(**changes: str) -> str:
    """Return a card whose entries are as given, or fit the data."""
    entries = {
        "name": '"tiny"',
        "title": '"Two sessions"',
        "description": '"One patient, two sessions."',
        "simulated": "true",
        "source": '"Written by hand."',
        "licence": '"CC0"',
        "sha256": f'"{hashlib.sha256(DATA.encode()).hexdigest()}"',
        "rows": "2",
    } | changes
    columns = '[columns]\npatient = {description = "id"}\nsession = {description = "order", unit = "sessions"}\n'
    columns += 'wai = {description = "alliance", range = [12, 84]}\n'
    return "".join(f"{key} = {value}\n" for key, value in entries.items() if value) + columns


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that stands for the bundled samples and holds one."""
    (tmp_path / "tiny.csv").write_bytes(DATA.encode())
    (tmp_path / "tiny.toml").write_bytes(card_text().encode())
    monkeypatch.setattr(samples, "bundled_folder", lambda kind: tmp_path)
    return tmp_path


def test_a_sample_is_listed(folder: Path) -> None:
    expected = pd.DataFrame(
        {"name": ["tiny"], "title": ["Two sessions"], "rows": [2], "simulated": [True], "licence": ["CC0"]}
    )
    pd.testing.assert_frame_equal(samples.list_samples(), expected)


def test_a_sample_is_loaded_with_its_ids_and_notes(folder: Path) -> None:
    frame = samples.load_sample("tiny")
    assert list(frame["patient"]) == ["007", "007"]
    assert frame.attrs["notes"][0] == "Simulated data, not from patients: Two sessions (CC0)."


def test_published_data_are_called_so(folder: Path) -> None:
    (folder / "tiny.toml").write_text(card_text(simulated="false"))
    assert samples.load_sample("tiny").attrs["notes"][0].startswith("Published data: ")


def test_a_card_can_be_read(folder: Path) -> None:
    assert samples.sample_card("tiny")["columns"]["session"]["unit"] == "sessions"


def test_windows_line_ends_are_no_alteration(folder: Path) -> None:
    (folder / "tiny.csv").write_bytes(DATA.replace("\n", "\r\n").encode())
    assert len(samples.load_sample("tiny")) == 2


def test_altered_data_are_refused(folder: Path) -> None:
    (folder / "tiny.csv").write_bytes(DATA.replace("44", "45").encode())
    with pytest.raises(DataError, match=r"(?s)'tiny' are not those its card describes.*Hint: install .* again"):
        samples.load_sample("tiny")


def test_an_unknown_sample_suggests_the_nearest(folder: Path) -> None:
    with pytest.raises(FileError, match=r"(?s)No sample 'tinny'. Known: tiny.*Hint: did you mean 'tiny'"):
        samples.load_sample("tinny")


def test_a_card_without_data_is_an_error(folder: Path) -> None:
    (folder / "tiny.csv").unlink()
    with pytest.raises(FileError, match=r"(?s)tiny\.csv is missing beside its card.*Hint: install"):
        samples.load_sample("tiny")


BAD_CARDS = {
    "no licence": (card_text(licence=""), FileError, "entry 'licence'", "neighbouring card"),
    "rows as text": (card_text(rows='"2"'), FileError, "entry 'rows'", "neighbouring card"),
    "another name": (card_text(name='"other"'), FileError, "entry 'name'", "neighbouring card"),
    "no TOML": ("name = ", FileError, "not valid TOML", "install"),
    "wrong number of rows": (card_text(rows="3"), DataError, "has 2 rows, its card says 3", "correct the card"),
    "column not in the file": (card_text() + "ors = {}\n", ColumnError, "'ors' is not in both", "into line"),
    "column not in the card": (
        card_text().replace("wai =", "# wai ="),
        ColumnError,
        "'wai' is not in both",
        "into line",
    ),
}


@pytest.mark.parametrize("case", BAD_CARDS)
def test_a_bad_card_is_an_error_with_evidence_and_hint(folder: Path, case: str) -> None:
    content, error, problem, hint = BAD_CARDS[case]
    (folder / "tiny.toml").write_text(content)
    with pytest.raises(error, match=f"(?s){problem}.*Hint: .*{hint}"):
        samples.load_sample("tiny")


def test_the_installed_folder_comes_before_the_source_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "alliance_stats"
    (tmp_path / "data" / "sample").mkdir(parents=True)
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setattr(samples, "_PACKAGE", package)
    assert samples.bundled_folder("sample") == tmp_path / "data" / "sample"
    assert samples.bundled_folder("notebooks") == tmp_path / "notebooks"
    (package / "bundled" / "sample").mkdir(parents=True)
    assert samples.bundled_folder("sample") == package / "bundled" / "sample"


def test_an_installation_without_samples_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "_PACKAGE", tmp_path / "alliance_stats")
    with pytest.raises(FileError, match=r"(?s)lacks the folder of bundled notebooks.*Hint: install"):
        samples.bundled_folder("notebooks")


@pytest.mark.parametrize("name", BUNDLED)
def test_every_bundled_sample_loads_and_matches_its_card(name: str) -> None:
    card = samples.sample_card(name)
    frame = samples.load_sample(name)
    assert list(frame.columns) == list(card["columns"])
    assert len(frame) == card["rows"]


@pytest.mark.parametrize("name", BUNDLED)
def test_every_bundled_sample_names_source_and_licence(name: str) -> None:
    card = samples.sample_card(name)
    assert all(card[entry].strip() for entry in ("title", "description", "source", "licence"))
    assert card["simulated"] == ("truth" in card)


@pytest.mark.parametrize("name", BUNDLED)
def test_every_column_of_a_bundled_sample_is_described(name: str) -> None:
    undescribed = [key for key, entry in samples.sample_card(name)["columns"].items() if not entry.get("description")]
    assert undescribed == []


@pytest.mark.parametrize("name", BUNDLED)
def test_every_bundled_number_lies_in_the_range_of_its_card(name: str) -> None:
    frame = read_table(samples.checked_sample_file(name))
    ranges = {key: entry["range"] for key, entry in samples.sample_card(name)["columns"].items() if "range" in entry}
    outside = [
        key
        for key, limits in ranges.items()
        if len(limits) == 2
        and pd.api.types.is_numeric_dtype(frame[key])
        and not frame[key].dropna().between(*limits).all()
    ]
    assert outside == []
