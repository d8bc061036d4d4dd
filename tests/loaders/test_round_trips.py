from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyreadstat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import alliance_stats as al
from alliance_stats.errors import AllianceStatsWarning, DataError, FileError
from alliance_stats.loaders.labels import ColumnLabels, labels_of, with_labels
from alliance_stats.loaders.missing_reasons import reason_counts, with_reasons

SUFFIXES = [".csv", ".tsv", ".xlsx", ".sav", ".zsav", ".dta", ".parquet"]

LABELS = {
    "wai": ColumnLabels(
        "Alliance, today",
        ((1.0, "never"), (7.0, "always"), (-99.0, "refused")),
        "ordinal",
        ((-99.0, -99.0), (90.0, 98.0)),
        "F4.0",
    ),
    "mood": ColumnLabels("Mood; from 0 to 10", ((0.0, "worst"),), "scale", (), "F8.2"),
}


def ward() -> pd.DataFrame:
    """Return a session table with labels and reasons."""
    frame = pd.DataFrame(
        {
            "patient": [1, 1, 2, 2],
            "session": [1, 2, 1, 2],
            "wai": [4.0, np.nan, np.nan, 7.0],
            "mood": [0.1, 0.30000000000000004, np.nan, 1e-7],
            "note": ["plain", "12", '=SUM(A1)\n"x"', None],
            "seen": pd.to_datetime(["2020-01-02", "2020-02-03", None, "2021-12-31"]),
        }
    )
    frame = with_labels(frame, LABELS)
    return with_reasons(frame, {"wai": {-99.0: np.array([1]), 93.0: np.array([2])}}, {})


def cells_of(column: pd.Series) -> list[Any]:
    """Return the cells, None for missing ones."""
    return [None if pd.isna(cell) else cell for cell in column]


def again(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Write a frame and read it back."""
    al.write_sessions(frame, path)
    return al.read_sessions(path, patient="patient")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_cells_survive_every_format(tmp_path: Path, suffix: str) -> None:
    frame = ward()
    found = again(frame, tmp_path / f"a{suffix}")
    rounding = 1e-15 if suffix == ".xlsx" else 0.0
    for name in ("patient", "session", "wai", "mood"):
        np.testing.assert_allclose(
            found[name].to_numpy(dtype=float), frame[name].to_numpy(dtype=float), rtol=rounding, atol=0
        )
    assert cells_of(found["note"]) == cells_of(frame["note"])
    assert pd.to_datetime(found["seen"]).tolist()[0] == pd.Timestamp("2020-01-02")
    assert pd.isna(found["seen"].iloc[2])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_reasons_of_missing_answers_survive_every_format(tmp_path: Path, suffix: str) -> None:
    found = al.missing_reasons(again(ward(), tmp_path / f"a{suffix}"), "wai")
    assert cells_of(found) == [None, "refused", "93", None]


@pytest.mark.parametrize("suffix", [suffix for suffix in SUFFIXES if suffix != ".dta"])
def test_labels_survive_every_format_but_that_of_stata(tmp_path: Path, suffix: str) -> None:
    found = labels_of(again(ward(), tmp_path / f"a{suffix}"))
    for name, own in LABELS.items():
        assert (found[name].label, dict(found[name].value_labels)) == (own.label, dict(own.value_labels))
        assert set(found[name].missing) == set(own.missing)
        assert (found[name].measure, found[name].format) == (own.measure, own.format)


def test_stata_has_letters_for_codes_declared_missing(tmp_path: Path) -> None:
    al.write_sessions(ward(), tmp_path / "a.dta")
    cells, meta = pyreadstat.read_dta(str(tmp_path / "a.dta"), user_missing=True)
    assert cells["wai"].tolist() == [4.0, "a", "b", 7.0]
    assert meta.variable_value_labels["wai"] == {1: "never", 7: "always", "a": "refused", "b": "93"}
    assert meta.column_names_to_labels["wai"] == "Alliance, today"


def test_letters_of_stata_become_codes_below_every_answer_in_spss(tmp_path: Path) -> None:
    marked = pd.DataFrame({"patient": [1, 2, 3], "wai": pd.Series([-950.0, "a", "z"], dtype=object)})
    pyreadstat.write_dta(
        marked,
        str(tmp_path / "a.dta"),
        missing_user_values={"wai": ["a", "z"]},
        variable_value_labels={"wai": {"a": "ill"}},
    )
    al.write_sessions(al.read_sessions(tmp_path / "a.dta", patient="patient"), tmp_path / "b.sav")
    cells = pyreadstat.read_sav(str(tmp_path / "b.sav"), user_missing=True)[0]
    assert cells["wai"].tolist() == [-950.0, -951.0, -952.0]
    found = al.missing_reasons(al.read_sessions(tmp_path / "b.sav", patient="patient"), "wai")
    assert found.tolist()[1:] == ["ill", ".z"]


def test_codes_stand_in_the_cells_of_the_spss_file(tmp_path: Path) -> None:
    al.write_sessions(ward(), tmp_path / "a.sav")
    cells = pyreadstat.read_sav(str(tmp_path / "a.sav"), user_missing=True)[0]
    assert cells["wai"].tolist() == [4.0, -99.0, 93.0, 7.0]


def test_reasons_follow_their_rows_through_sorting_and_filtering(tmp_path: Path) -> None:
    frame = ward().sort_values("wai", na_position="first").query("patient == 2").reset_index(drop=True)
    found = al.missing_reasons(frame, "wai")
    assert cells_of(found) == ["93", None]


def test_a_reason_is_gone_once_the_cell_is_filled() -> None:
    frame = ward()
    frame.loc[1, "wai"] = 3.0
    assert reason_counts(frame) == {"wai": {93.0: 1}}


def test_labels_follow_renamed_canonical_columns(tmp_path: Path) -> None:
    pyreadstat.write_sav(
        pd.DataFrame({"pid": [1.0, 2.0], "wai": [4.0, 5.0]}), str(tmp_path / "a.sav"), column_labels={"pid": "Person"}
    )
    frame = al.read_sessions(tmp_path / "a.sav", patient="pid")
    assert al.labels(frame)[["column", "label"]].to_numpy().tolist()[0] == ["patient", "Person"]


def test_changed_ids_lose_their_reasons_with_a_warning(tmp_path: Path) -> None:
    frame = ward()
    frame["patient"] += 100
    with pytest.warns(AllianceStatsWarning, match=r"None of the 2 reasons.*Write before changing"):
        al.write_sessions(frame, tmp_path / "a.sav")


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".xlsx"])
@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x", "\t=1", "'=1", "'a", "NA", "nan", " NA "])
def test_text_that_a_spreadsheet_would_run_is_defused_and_comes_back(tmp_path: Path, suffix: str, cell: str) -> None:
    frame = pd.DataFrame({"patient": [1, 2], "note": [cell, "=x"]})
    found = again(frame, tmp_path / f"a{suffix}")
    assert found["note"].tolist() == [cell, "=x"]
    if suffix != ".xlsx":
        written = pd.read_csv(tmp_path / f"a{suffix}", sep="\t" if suffix == ".tsv" else ",", keep_default_na=False)
        assert all(text.startswith("'") for text in written["note"].astype(str))


def test_no_cell_of_a_workbook_is_a_formula(tmp_path: Path) -> None:
    from openpyxl import load_workbook

    frame = with_labels(pd.DataFrame({"patient": [1], "note": ["=1+1"]}), {"note": ColumnLabels("=2+2")})
    al.write_sessions(frame, tmp_path / "a.xlsx")
    kinds = {cell.data_type for sheet in load_workbook(tmp_path / "a.xlsx") for row in sheet for cell in row}
    assert "f" not in kinds


def test_a_workbook_has_a_readable_codebook(tmp_path: Path) -> None:
    al.write_sessions(ward(), tmp_path / "a.xlsx")
    book = pd.read_excel(tmp_path / "a.xlsx", sheet_name="codebook", engine="calamine").set_index("column")
    assert book.loc["wai", "label"] == "Alliance, today"
    assert book.loc["wai", "missing_by_reason"] == "refused = 1; 93 = 1"


def test_text_that_looks_like_numbers_stays_text_with_its_labels(tmp_path: Path) -> None:
    found = again(pd.DataFrame({"patient": ["007", "012"], "plz": ["01234", "5"]}), tmp_path / "a.csv")
    assert found["plz"].tolist() == ["01234", "5"]
    assert any("a.labels.json" in note for note in found.attrs["notes"])


def test_a_damaged_file_of_labels_is_an_error(tmp_path: Path) -> None:
    al.write_sessions(ward(), tmp_path / "a.csv")
    (tmp_path / "a.labels.json").write_text("{}")
    with pytest.raises(FileError, match=r"(?s)labels that go with a\.csv.*Hint: .*write_sessions"):
        al.read_sessions(tmp_path / "a.csv", patient="patient")


def test_an_existing_file_is_kept_unless_told(tmp_path: Path) -> None:
    al.write_sessions(ward(), tmp_path / "a.csv")
    with pytest.raises(FileError, match=r"(?s)exists already.*Hint: .*overwrite=True"):
        al.write_sessions(ward(), tmp_path / "a.csv")
    al.write_sessions(ward().head(1), tmp_path / "a.csv", overwrite=True)
    assert len(al.read_sessions(tmp_path / "a.csv", patient="patient")) == 1


BAD: dict[str, tuple[Any, str, type[Exception], str]] = {
    "unknown ending": (ward(), "a.docx", FileError, r"(?s)'\.docx' cannot be written.*Hint: choose one of: \.csv"),
    "no folder": (ward(), "x/a.csv", FileError, r"(?s)no folder for a\.csv.*Hint: create"),
    "no rows": (ward().head(0), "a.csv", DataError, r"(?s)nothing to write: 0 rows.*Hint: check the filters"),
    "two columns of a name": (
        ward().rename(columns={"mood": "wai"}),
        "a.csv",
        DataError,
        r"(?s)called 'wai'.*Hint: rename",
    ),
    "name that SPSS refuses": (
        ward().rename(columns={"mood": "my mood"}),
        "a.sav",
        FileError,
        r"(?s)1 column names it cannot hold.*Hint: column names",
    ),
    "name that Stata refuses": (ward().rename(columns={"mood": "1mood"}), "a.dta", FileError, r"(?s)cannot hold.*Hint"),
    "mixed column": (
        pd.DataFrame({"patient": [1, 2], "x": pd.Series(["secret", 1], dtype=object)}),
        "a.parquet",
        FileError,
        r"(?s)cannot hold one of the columns.*Hint: give every column one type",
    ),
    "control character": (
        pd.DataFrame({"patient": [1], "x": ["a\x01"]}),
        "a.xlsx",
        FileError,
        r"(?s)cannot hold a cell.*Hint",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_written_is_an_error_and_leaves_no_file(tmp_path: Path, case: str) -> None:
    frame, name, error, message = BAD[case]
    with pytest.raises(error, match=message):
        al.write_sessions(frame, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_codebook_counts_reasons_and_shows_no_text_or_id() -> None:
    book = al.codebook(ward()).set_index("column")
    assert book.loc["wai", "missing_by_reason"] == {"refused": 1, "93": 1}
    assert book.loc["mood", "missing_by_reason"] == {"no answer": 1}
    assert book.loc["wai", "missing"] == "-99, 90 to 98"
    assert book.loc["patient", "type"] == "id"
    assert pd.isna(book.loc["patient", "minimum"])
    assert "plain" not in book.to_string()


texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12)
numbers = st.floats(-1e6, 1e6, allow_nan=False).map(lambda value: round(value, 3)) | st.none()


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    cells=st.lists(st.tuples(numbers, texts), min_size=1, max_size=6),
    label=texts,
    values=st.dictionaries(st.integers(-9, 9), texts.filter(str.strip), max_size=4),
    measure=st.sampled_from(["nominal", "ordinal", "scale", ""]),
)
@pytest.mark.parametrize("suffix", [".csv", ".xlsx", ".sav", ".parquet"])
def test_any_table_comes_back_with_its_labels(
    tmp_path: Path, suffix: str, cells: list[Any], label: str, values: dict[int, str], measure: Any
) -> None:
    frame = pd.DataFrame(
        {
            "patient": np.arange(1, len(cells) + 1),
            "x": pd.array([cell[0] for cell in cells], dtype="Float64").to_numpy(dtype=float, na_value=np.nan),
            "t": pd.Series([cell[1].strip() or None for cell in cells], dtype="str"),
        }
    )
    own = ColumnLabels(label.strip(), tuple((float(code), text.strip()) for code, text in values.items()), measure)
    path = tmp_path / f"a{suffix}"
    al.write_sessions(with_labels(frame, {"x": own}), path, overwrite=True)
    found = al.read_sessions(path, patient="patient")
    np.testing.assert_array_equal(found["x"].to_numpy(dtype=float), frame["x"].to_numpy())
    assert cells_of(found["t"]) == cells_of(frame["t"])
    back = labels_of(found).get("x", ColumnLabels())
    assert (back.label, dict(back.value_labels), back.measure) == (own.label, dict(own.value_labels), own.measure)


def zoned() -> pd.DataFrame:
    """Return two sessions whose dates have a time zone, on either side of the change to summer time."""
    dates = pd.to_datetime(["2024-03-30 10:00", "2024-04-06 10:00"]).tz_localize("Europe/Berlin")
    return pd.DataFrame({"patient": [1, 1], "session": [1, 2], "held": dates, "wai": [3.5, 4.0]})


@pytest.mark.parametrize("suffix", [suffix for suffix in SUFFIXES if suffix != ".parquet"])
def test_dates_with_a_time_zone_are_written_as_local_time_with_a_warning(suffix: str, tmp_path: Path) -> None:
    frame = zoned()
    with pytest.warns(AllianceStatsWarning, match="keep no time zone: the local times of 'held'"):
        file = al.write_sessions(frame, tmp_path / f"ward{suffix}")
    again = al.read_sessions(file, patient="patient", session="session")
    assert again["held"].tolist() == list(pd.to_datetime(["2024-03-30 10:00", "2024-04-06 10:00"]))
    assert frame["held"].dt.tz is not None


def test_parquet_keeps_the_time_zone(tmp_path: Path) -> None:
    file = al.write_sessions(zoned(), tmp_path / "ward.parquet")
    again = al.read_sessions(file, patient="patient", session="session")
    assert str(again["held"].dt.tz) == "Europe/Berlin"
    assert again["held"].tolist() == zoned()["held"].tolist()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_answers_that_their_column_declares_missing_are_written_with_a_warning(suffix: str, tmp_path: Path) -> None:
    frame = ward()
    frame.loc[0, "wai"] = -99.0
    frame.loc[3, "wai"] = 90.0
    with pytest.warns(AllianceStatsWarning, match=r"will be read as missing: 'wai' \(2\)"):
        al.write_sessions(frame, tmp_path / f"ward{suffix}")
