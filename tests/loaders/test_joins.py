from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alliance_stats.errors import AllianceStatsError, ColumnError, DataError
from alliance_stats.loaders.joins import join_one_to_one

BASE = pd.DataFrame({"k": [3, 1, 2], "j": ["a", "a", "a"], "x": [30, 10, 20]})
OTHER = pd.DataFrame({"k": [1, 3, 4], "j": ["a", "a", "a"], "y": [11, 33, 44]})


def test_an_inner_join_keeps_rows_of_both_in_the_order_of_the_base() -> None:
    frame, _ = join_one_to_one(BASE, OTHER, join_on=["k", "j"], how="inner", name="other.csv")
    pd.testing.assert_frame_equal(
        frame, pd.DataFrame({"k": [3, 1], "j": ["a", "a"], "x": [30, 10], "y": [33, 11]}), check_dtype=False
    )


def test_a_left_join_keeps_all_rows_of_the_base() -> None:
    frame, _ = join_one_to_one(BASE, OTHER, join_on=["k", "j"], how="left", name="other.csv")
    np.testing.assert_array_equal(frame["y"].to_numpy(), [33, 11, np.nan])


@pytest.mark.parametrize(("how", "fate"), [("inner", "left out"), ("left", "kept with blank cells")])
def test_notes_count_rows_with_and_without_a_partner(how: str, fate: str) -> None:
    _, notes = join_one_to_one(BASE, OTHER, join_on=["k"], how=how, name="other.csv")  # type: ignore[arg-type]
    assert notes[0] == (
        f"other.csv was joined by k: 2 rows meet; 1 rows without a partner in it are {fate}, "
        "and 1 of its rows have no partner."
    )


def test_an_equal_column_in_both_is_kept_once() -> None:
    first = BASE.assign(total=[3.0, np.nan, 9.0])
    second = OTHER.assign(total=[np.nan, 3.0, 5.0])
    frame, notes = join_one_to_one(first, second, join_on=["k", "j"], how="inner", name="other.csv")
    assert list(frame.columns) == ["k", "j", "x", "total", "y"]
    assert notes[1] == "In both files and equal, kept once: total."


def test_the_joined_tables_stay_as_they_were() -> None:
    first, second = BASE.copy(), OTHER.copy()
    join_one_to_one(first, second, join_on=["k"], how="inner", name="other.csv")
    pd.testing.assert_frame_equal(first, BASE)
    pd.testing.assert_frame_equal(second, OTHER)


BAD_JOINS: dict[str, tuple[pd.DataFrame, pd.DataFrame, type[AllianceStatsError], str, str]] = {
    "key not in the second": (BASE, OTHER.drop(columns="k"), ColumnError, "No column 'k'", "look at other.csv"),
    "key not in the base": (BASE.drop(columns="k"), OTHER, ColumnError, "No column 'k'", "look at the files before"),
    "repeated in the second": (
        BASE,
        OTHER.assign(k=[1, 1, 4]),
        DataError,
        r"other\.csv: 1 rows repeat the k .*data row 2",
        "join_on",
    ),
    "repeated in the base": (
        BASE.assign(k=[1, 2, 2]),
        OTHER,
        DataError,
        "the files before: 1 rows repeat the k",
        "join_on",
    ),
    "blank key": (BASE, OTHER.assign(k=[1, None, 4]), DataError, "other.csv: 1 of 3 rows lack their k", "fill them in"),
    "text and numbers": (
        BASE,
        OTHER.assign(k=["1", "3", "4"]),
        ColumnError,
        "'k' holds text in other.csv and numbers in the files before",
        "leading zeros",
    ),
    "no common rows": (BASE, OTHER.assign(k=[7, 8, 9]), DataError, "other.csv: no row has the k", "check that join_on"),
    "a shared column differs": (
        BASE,
        OTHER.assign(x=[10, 31, 0]),
        DataError,
        "column 'x' is in two files and differs in 1 of 2 rows",
        "rename it",
    ),
}


@pytest.mark.parametrize("case", BAD_JOINS)
def test_a_bad_join_is_an_error_with_evidence_and_hint(case: str) -> None:
    first, second, error, problem, hint = BAD_JOINS[case]
    with pytest.raises(error, match=f"(?s){problem}.*Hint: .*{hint}"):
        join_one_to_one(first.drop(columns="j"), second.drop(columns="j"), join_on=["k"], how="inner", name="other.csv")
