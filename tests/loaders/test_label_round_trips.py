"""What labels, codes declared missing and unusual cells are after a way through a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import alliance_stats as al
from alliance_stats.errors import AllianceStatsWarning
from alliance_stats.loaders.cells import MISSING_MARKS
from alliance_stats.loaders.labels import ColumnLabels, labels_of, with_labels
from alliance_stats.loaders.missing_reasons import reason_counts, with_reasons
from tests.loaders.test_round_trips import again, cells_of, texts, ward

codes = st.integers(-99, 99).map(float)
ends = st.tuples(codes, codes).map(lambda pair: (min(pair), max(pair)))
dates = st.datetimes(pd.Timestamp("1800-01-01"), pd.Timestamp("2200-12-31")).map(lambda day: day.replace(microsecond=0))
words = texts.map(str.strip).filter(lambda text: text not in MISSING_MARKS)
# Text that is all numbers is read as numbers.
speech = words.filter(lambda text: pd.isna(pd.to_numeric(text, errors="coerce")))


@st.composite
def rich_tables(draw: st.DrawFn) -> tuple[pd.DataFrame, dict[str, ColumnLabels]]:
    """Return a table with every kind of column and label, and codes that stood where answers are missing."""
    n_rows = draw(st.integers(1, 5))
    missing = draw(
        st.lists(ends, max_size=1)
        | st.just([(-np.inf, -1.0)])
        | st.just([(50.0, np.inf)])
        | st.lists(codes.map(lambda code: (code, code)), min_size=1, max_size=3, unique=True)
    )

    def column(cells: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(cells, min_size=n_rows, max_size=n_rows))

    def inside(code: float) -> bool:
        return any(low <= code <= high for low, high in missing)

    answers = column(codes | st.none())
    gone = {row: code for row, code in enumerate(answers) if code is not None and inside(code)}
    frame = pd.DataFrame(
        {
            "patient": [f"{9007199254740993 + row}" for row in range(n_rows)],
            "wai": np.array(
                [np.nan if row in gone or cell is None else cell for row, cell in enumerate(answers)], dtype=float
            ),
            "mood": pd.Series(column(speech | st.none()), dtype="str"),
            "story": pd.Series(column(st.integers(0, 900).map(lambda n: "ä" * n or None)), dtype="str"),
            "day": pd.to_datetime(pd.Series(column(dates.map(lambda day: day.replace(hour=0, minute=0, second=0))))),
            "moment": pd.to_datetime(pd.Series(column(dates | st.none()))).astype("datetime64[us]"),
            "asked": column(st.booleans()),
        }
    )
    known = {
        "wai": ColumnLabels(
            draw(words),
            tuple(draw(st.dictionaries(codes, words, max_size=4)).items()),
            draw(st.sampled_from(["nominal", "ordinal", "scale"])),
            tuple(missing),
            draw(st.sampled_from(["F8.2", "F4.0", "F12.5"])),
        ),
        "mood": ColumnLabels(draw(words), (("a", draw(words)),), "nominal"),
        "day": ColumnLabels(draw(words), (), "scale", (), "DATE11"),
        "moment": ColumnLabels("", (), "scale", (), "DATETIME20"),
    }
    by_code = {code: np.array([row for row in gone if gone[row] == code]) for code in set(gone.values())}
    labelled = with_labels(frame, known)
    return (with_reasons(labelled, {"wai": by_code}, {}) if by_code else labelled), known


def same_moment(found: pd.Series, expected: pd.Series) -> bool:
    """Tell whether dates are the same."""
    return cells_of(pd.to_datetime(found)) == cells_of(expected)


@settings(max_examples=15, suppress_health_check=list(HealthCheck), deadline=None)
@given(table=rich_tables())
@pytest.mark.parametrize("suffix", [".csv", ".xlsx", ".sav", ".zsav", ".parquet"])
def test_every_feature_of_labels_comes_back(tmp_path: Path, suffix: str, table: Any) -> None:
    frame, known = table
    path = tmp_path / f"a{suffix}"
    al.write_sessions(frame, path, overwrite=True)
    found = al.read_sessions(path, patient="patient")
    assert [str(cell) for cell in found["patient"]] == list(frame["patient"])
    for name in ("mood", "story"):
        assert cells_of(found[name]) == cells_of(frame[name])
    assert cells_of(found["wai"]) == cells_of(frame["wai"])
    assert same_moment(found["day"], frame["day"])
    assert same_moment(found["moment"], frame["moment"])
    # SPSS has no truth values: they come back as 0 and 1.
    assert [bool(cell) for cell in found["asked"]] == list(frame["asked"])
    assert cells_of(al.missing_reasons(found, "wai")) == cells_of(al.missing_reasons(frame, "wai"))
    back = labels_of(found)
    for name, own in known.items():
        assert (back[name].label, dict(back[name].value_labels)) == (own.label, dict(own.value_labels))
        assert (set(back[name].missing), back[name].measure) == (set(own.missing), own.measure)
        assert back[name].format == own.format or name == "mood"


@settings(max_examples=15, suppress_health_check=list(HealthCheck), deadline=None)
@given(table=rich_tables())
def test_stata_files_keep_cells_labels_of_whole_numbers_and_reasons(tmp_path: Path, table: Any) -> None:
    frame, known = table
    frame = with_labels(frame, {name: own for name, own in known.items() if name != "mood"})
    reasons = al.missing_reasons(frame, "wai")
    al.write_sessions(frame, tmp_path / "a.dta", overwrite=True)
    found = al.read_sessions(tmp_path / "a.dta", patient="patient")
    assert [str(cell) for cell in found["patient"]] == list(frame["patient"])
    for name in ("wai", "mood", "story"):
        assert cells_of(found[name]) == cells_of(frame[name])
    assert same_moment(found["day"], frame["day"])
    assert same_moment(found["moment"], frame["moment"])
    assert cells_of(al.missing_reasons(found, "wai")) == cells_of(reasons)
    gone = set(reason_counts(frame).get("wai", {}))
    own = labels_of(found)["wai"]
    assert own.label == known["wai"].label
    kept = {code: label for code, label in own.value_labels if not isinstance(code, str)}
    assert kept == {code: label for code, label in known["wai"].value_labels if code not in gone}


@pytest.mark.parametrize("suffix", [".csv", ".xlsx", ".sav", ".parquet"])
def test_text_declared_missing_comes_back_with_its_reason(tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame({"patient": [1, 2, 3], "mood": pd.Series(["good", None, None], dtype="str")})
    own = ColumnLabels("Mood", (("zz", "refused"),), "nominal", (("zz", "zz"), ("yy", "yy")))
    frame = with_reasons(with_labels(frame, {"mood": own}), {"mood": {"zz": np.array([1]), "yy": np.array([2])}}, {})
    found = again(frame, tmp_path / f"a{suffix}")
    assert cells_of(found["mood"]) == ["good", None, None]
    assert cells_of(al.missing_reasons(found, "mood")) == [None, "refused", "yy"]
    assert set(labels_of(found)["mood"].missing) == set(own.missing)


@pytest.mark.parametrize("suffix", [".csv", ".xlsx", ".sav", ".dta", ".parquet"])
def test_text_of_very_many_digits_stays_text(tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame({"patient": [1, 2], "register": ["9007199254740993", "1"]})
    assert again(frame, tmp_path / f"a{suffix}")["register"].tolist() == ["9007199254740993", "1"]


@pytest.mark.parametrize("moment", ["1899-12-31", "1700-02-28T23:59:59", "2020-01-02T03:04:05.000006"])
def test_moments_that_a_workbook_cannot_count_come_back(tmp_path: Path, moment: str) -> None:
    frame = pd.DataFrame({"patient": [1, 2], "seen": pd.to_datetime([moment, None])})
    assert same_moment(again(frame, tmp_path / "a.xlsx")["seen"], frame["seen"])


LIMITS: dict[str, tuple[str, ColumnLabels, str, str]] = {
    "column of SPSS": ("a.sav", ColumnLabels("ä" * 200), "ä" * 128, r"1 labels are longer than SPSS.*256.*\.parquet"),
    "value of SPSS": ("a.sav", ColumnLabels("", ((1.0, "x" * 121),)), "x" * 120, "1 labels are longer than SPSS.*120"),
    "column of Stata": ("a.dta", ColumnLabels("ä" * 81), "ä" * 80, "1 labels are longer than Stata.*80"),
    "fraction in Stata": (
        "a.dta",
        ColumnLabels("", ((1.5, "half"), (1.0, "one"))),
        "one",
        "0 labels .* 1 labels of values",
    ),
}


@pytest.mark.parametrize("case", LIMITS)
def test_labels_that_do_not_fit_are_cut_with_a_warning(tmp_path: Path, case: str) -> None:
    name, own, expected, message = LIMITS[case]
    frame = with_labels(pd.DataFrame({"patient": [1, 2], "wai": [1.0, 1.5]}), {"wai": own})
    with pytest.warns(AllianceStatsWarning, match=message):
        al.write_sessions(frame, tmp_path / name)
    back = labels_of(al.read_sessions(tmp_path / name, patient="patient"))["wai"]
    assert expected in (back.label, *dict(back.value_labels).values())


def test_reasons_of_columns_that_were_dropped_are_not_missed(tmp_path: Path) -> None:
    al.write_sessions(ward().drop(columns="wai"), tmp_path / "a.sav")
    assert "wai" not in al.read_sessions(tmp_path / "a.sav", patient="patient").columns
