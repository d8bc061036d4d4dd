from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from alliance_stats.errors import DataError
from alliance_stats.process.session_frame import session_frame

PLAIN = pd.DataFrame({"patient": ["a", "a", "b"], "session": [1, 2, 1], "wai": [3.0, np.nan, 4.5]})


@pytest.mark.parametrize("kind", ["str", "object", "category", "float", "Int64", "string[pyarrow]"])
def test_session_numbers_are_numbers_however_they_are_stored(kind: str) -> None:
    table = session_frame(PLAIN.assign(session=PLAIN["session"].astype(kind)))
    assert table["session"].to_numpy(dtype=float).tolist() == [1, 2, 1]
    assert pd.api.types.is_numeric_dtype(table["session"])


def test_missing_session_numbers_stay_missing() -> None:
    table = session_frame(PLAIN.assign(session=["1", None, "3"]))
    np.testing.assert_array_equal(table["session"].to_numpy(dtype=float), [1.0, np.nan, 3.0])


@pytest.mark.parametrize("values", [["1", "second", "3"], [dt.datetime(2024, 1, day) for day in (1, 2, 3)]])
def test_what_is_no_number_is_left_to_the_checks(values: list[Any]) -> None:
    given = PLAIN.assign(session=values)
    pd.testing.assert_series_equal(session_frame(given)["session"], given["session"])


def test_an_index_with_the_name_of_a_column_is_left_out() -> None:
    given = PLAIN.set_index("patient", drop=False)
    table = session_frame(given)
    assert list(table.index) == [0, 1, 2]
    assert table.index.name is None
    assert given.index.name == "patient"


def test_patient_and_session_in_the_index_are_columns() -> None:
    table = session_frame(PLAIN.set_index(["patient", "session"]))
    pd.testing.assert_frame_equal(table, PLAIN)
    assert list(session_frame(PLAIN.rename_axis("row")).columns) == list(PLAIN.columns)


def test_attributes_are_kept() -> None:
    given = PLAIN.copy()
    given.attrs["notes"] = ("read from a file",)
    assert session_frame(given).attrs == {"notes": ("read from a file",)}


def test_frames_of_other_libraries_hold_the_same_values() -> None:
    for other in (pl.from_pandas(PLAIN), pa.Table.from_pandas(PLAIN)):
        table = session_frame(other)
        assert table["patient"].tolist() == ["a", "a", "b"]
        np.testing.assert_array_equal(table["wai"].to_numpy(dtype=float), PLAIN["wai"])


@pytest.mark.parametrize("given", [None, [1, 2], {"patient": [1]}, "frame.csv"])
def test_what_is_no_frame_is_an_error(given: object) -> None:
    with pytest.raises(DataError, match=r"needs a table of sessions, not an object of type [\s\S]*Hint: pass a pandas"):
        session_frame(given)


def test_a_lazy_frame_is_an_error() -> None:
    with pytest.raises(DataError, match=r"LazyFrame[\s\S]*collect"):
        session_frame(pl.from_pandas(PLAIN).lazy())
