from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from alliance_stats.columns import duplicated_rows, group_codes

ORDERS: dict[str, Any] = {
    "sorted": [3, 3, 5, 9, 9],
    "unsorted": [9, 3, 9, 5],
    "falling": [9, 5, 3],
    "one": [4],
    "small integers": np.array([1, 1, 2], dtype="int8"),
    "text": ["b", "a", "b"],
    "with gaps": [1.0, np.nan, 1.0, 2.0],
    "nullable": pd.array([1, None, 2], dtype="Int64"),
}


@pytest.mark.parametrize("case", ORDERS)
def test_levels_are_numbered_in_order_of_appearance(case: str) -> None:
    codes, n_levels = group_codes(pd.DataFrame({"g": ORDERS[case]}), "g")
    expected, levels = pd.factorize(pd.Series(ORDERS[case]))
    np.testing.assert_array_equal(codes, expected)
    assert n_levels == len(levels)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([(1, 1), (1, 2), (2, 1)], []),
        ([(1, 1), (1, 1), (2, 1)], [1]),
        ([(2, 1), (1, 1), (2, 1)], [2]),
        ([(1, 2), (1, 1), (1, 2)], [2]),
        ([(1, 1)], []),
    ],
)
def test_repeated_rows_are_found_in_any_order(rows: list[tuple[int, int]], expected: list[int]) -> None:
    frame = pd.DataFrame(rows, columns=["patient", "session"])
    assert duplicated_rows(frame, ["patient", "session"]).tolist() == expected
