from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alliance_stats.errors import ColumnError, DataError
from alliance_stats.loaders.column_map import read_column_map, read_study_data
from alliance_stats.result import COLUMNS
from alliance_stats.scales.measures import add_measure
from alliance_stats.scales.published import PublishedTotals, compare_totals

SharedData = Callable[[str], Path]


@pytest.fixture
def totals() -> pd.DataFrame:
    return pd.DataFrame({"ours": [10.0, 20, 30, 40, 50], "theirs": [10.0, 17, 31, 40, None]})


def quantities(result: PublishedTotals) -> dict[str, float]:
    return dict(result.tidy().set_index("term")["estimate"])


def test_differences_are_ours_minus_published(totals: pd.DataFrame) -> None:
    found = quantities(compare_totals(totals, "ours", "theirs"))
    assert found["share_different"] == 0.5
    assert found["mean_difference"] == pytest.approx((3 - 1) / 4)
    assert (found["lowest_difference"], found["highest_difference"]) == (-1, 3)


def test_the_correlation_is_pearsons_over_the_rows_compared(totals: pd.DataFrame) -> None:
    expected = totals.dropna().corr().iloc[0, 1]
    assert quantities(compare_totals(totals, "ours", "theirs"))["correlation"] == pytest.approx(expected, rel=1e-12)


def test_tidy_speaks_the_common_vocabulary(totals: pd.DataFrame) -> None:
    table = compare_totals(totals, "ours", "theirs").tidy()
    assert list(table.columns) == [name for name in COLUMNS if name in ("term", "estimate", "n")]
    assert (table["n"] == 4).all()


def test_glance_counts_rows(totals: pd.DataFrame) -> None:
    row = compare_totals(totals, "ours", "theirs").glance().iloc[0].to_dict()
    assert row == {"ours": "ours", "published": "theirs", "n_rows": 5, "n": 4, "n_different": 2}


def test_notes_count_differences_and_rows_left_out(totals: pd.DataFrame) -> None:
    notes = compare_totals(totals, "ours", "theirs").notes
    assert notes[0] == "2 of 4 published totals (50 %) differ from the scale's key, by up to 3 points."
    assert notes[1] == "1 of 5 rows lack one of the totals and are not compared."


def test_equal_totals_agree() -> None:
    result = compare_totals(pd.DataFrame({"a": [1.5, 2.5], "b": [1.5, 2.5]}), "a", "b")
    assert result.n_different == 0
    assert result.notes[0] == "All 2 published totals agree with the scale's key."


def test_rounding_of_the_machine_is_no_difference_and_a_thousandth_is() -> None:
    frame = pd.DataFrame({"a": [0.1 + 0.2, 36.0], "b": [0.3, 36.0], "c": [0.3, 36.001]})
    assert compare_totals(frame, "a", "b").n_different == 0
    assert compare_totals(frame, "a", "c").n_different == 1


def test_totals_that_do_not_vary_have_no_correlation() -> None:
    found = quantities(compare_totals(pd.DataFrame({"a": [5.0, 5], "b": [4.0, 6]}), "a", "b"))
    assert np.isnan(found["correlation"])


BAD = {
    "no column": ("ours", "thers", ColumnError, "(?s)No column 'thers'.*Did you mean 'theirs'"),
    "one column": ("ours", "ours", DataError, "(?s)'ours' is named twice.*Hint: name the computed"),
    "text": ("ours", "word", ColumnError, "'word' should hold numbers"),
    "empty": ("ours", "empty", DataError, "(?s)No row has both 'ours' and 'empty'.*Hint: check that both"),
    "infinite": ("ours", "endless", DataError, "(?s)5 totals are infinite.*Hint: mark them"),
}


@pytest.mark.parametrize("case", BAD)
def test_columns_that_cannot_be_compared_are_errors(totals: pd.DataFrame, case: str) -> None:
    ours, published, error, message = BAD[case]
    frame = totals.assign(word="x", empty=np.nan, endless=np.inf)
    with pytest.raises(error, match=message):
        compare_totals(frame, ours, published)


def test_published_totals_of_the_simulated_counselling_study(shared_data: SharedData) -> None:
    column_map = read_column_map("aipsych_eval")
    assert column_map.alliance is not None
    frame = read_study_data(column_map, shared_data("aipsych_eval"))
    frame = add_measure(frame, column_map.alliance, name="alliance")
    result = compare_totals(frame, "alliance", str(column_map.alliance.published_total))
    assert (result.n_different, result.n) == (172, 277)
    assert quantities(result)["highest_difference"] == 12
    assert result.notes[0] == "172 of 277 published totals (62 %) differ from the scale's key, by up to 12 points."
