from __future__ import annotations

import tomllib
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from alliance_stats.loaders.samples import bundled_folder, load_sample, sample_card
from alliance_stats.planning.sample import NAME, SEED, write_sample
from alliance_stats.planning.simulate import simulate_study
from alliance_stats.planning.truth import ByLevel, StudyTruth


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_sample(tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="module")
def card(rebuilt: tuple[Path, Path]) -> dict[str, Any]:
    return tomllib.loads(rebuilt[1].read_text(encoding="utf-8"))


def test_rebuilding_gives_the_bundled_table(rebuilt: tuple[Path, Path]) -> None:
    assert rebuilt[0].read_bytes() == (bundled_folder("sample") / f"{NAME}.csv").read_bytes()


def test_rebuilding_gives_the_bundled_card(rebuilt: tuple[Path, Path]) -> None:
    assert rebuilt[1].read_bytes() == (bundled_folder("sample") / f"{NAME}.toml").read_bytes()


def test_the_bundled_table_loads_and_equals_the_simulation() -> None:
    study = simulate_study(n_therapists=60, n_patients=600, sessions=(2, 20), seed=SEED)
    pd.testing.assert_frame_equal(load_sample(NAME), study.frame, check_dtype=False)


def test_the_checksum_is_that_of_the_table(rebuilt: tuple[Path, Path], card: dict[str, Any]) -> None:
    assert card["sha256"] == sha256(rebuilt[0].read_bytes()).hexdigest()


def test_the_table_stays_below_a_megabyte(rebuilt: tuple[Path, Path]) -> None:
    assert rebuilt[0].stat().st_size < 1_000_000


def test_the_card_holds_every_true_parameter(card: dict[str, Any]) -> None:
    expected = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(StudyTruth()).items()}
    assert card["truth"] == expected


def test_the_truth_can_be_rebuilt_from_the_card() -> None:
    known = sample_card(NAME)["truth"]
    levels = {key: ByLevel(**value) for key, value in known.items() if isinstance(value, dict) and "session" in value}
    lists = {key: tuple(value) for key, value in known.items() if isinstance(value, list)}
    assert StudyTruth(**{**known, **levels, **lists}) == StudyTruth()


def test_the_card_describes_every_column_in_order(rebuilt: tuple[Path, Path], card: dict[str, Any]) -> None:
    table = pd.read_csv(rebuilt[0])
    assert list(card["columns"]) == list(table.columns)
    assert card["rows"] == len(table)


def test_every_value_lies_in_the_range_on_the_card(rebuilt: tuple[Path, Path], card: dict[str, Any]) -> None:
    table = pd.read_csv(rebuilt[0])
    ranges = {name: column["range"] for name, column in card["columns"].items() if "range" in column}
    assert {"patient", "session", "wai_12", "ors_4"} <= set(ranges)
    for name, (low, high) in ranges.items():
        assert table[name].dropna().between(low, high).all(), name


def test_every_column_has_a_description_and_a_unit_or_range(card: dict[str, Any]) -> None:
    for name, column in card["columns"].items():
        assert column["description"], name
        assert "unit" in column or "range" in column, name


def test_the_card_names_the_call_that_made_the_table(card: dict[str, Any]) -> None:
    assert card["generator"]["seed"] == SEED
    assert card["generator"]["call"].endswith(f"seed={SEED})")


def test_the_card_says_that_the_data_are_simulated_and_free(card: dict[str, Any]) -> None:
    assert card["simulated"] is True
    assert card["licence"] == "CC0-1.0"


def test_whole_numbers_are_written_without_decimals(rebuilt: tuple[Path, Path]) -> None:
    table = pd.read_csv(rebuilt[0], dtype=str)
    assert set(table["wai_1"].dropna()) <= {"1", "2", "3", "4", "5"}
    assert table["ors_1"].dropna().str.fullmatch(r"\d+\.\d").all()
