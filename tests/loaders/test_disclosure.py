from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alliance_stats as al
from alliance_stats.errors import DataError


def patients() -> pd.DataFrame:
    """Return two sessions of eight patients."""
    frame = pd.DataFrame({"patient": range(8), "sex": list("ffffmmmm"), "site": list("aabbabbb")})
    return pd.concat([frame.assign(session=1), frame.assign(session=2)])


def test_groups_are_counted_in_patients() -> None:
    found = al.k_anonymity(patients(), ["sex", "site"], k=3).tidy().set_index(["kind", "term"])
    whole = found.loc[("together", "sex, site")]
    assert whole[["n", "n_groups", "smallest", "n_below"]].tolist() == [8, 4, 1, 5]
    assert whole["share_below"] == pytest.approx(5 / 8)


def test_each_column_is_looked_at_alone_and_left_out() -> None:
    found = al.k_anonymity(patients(), ["sex", "site"], k=4).tidy().set_index(["kind", "term"])
    assert found.loc[("alone", "sex"), ["smallest", "n_below"]].tolist() == [4, 0]
    assert found.loc[("alone", "site"), ["smallest", "n_below"]].tolist() == [3, 3]
    assert found.loc[("without", "sex"), "smallest"] == 3


def test_missing_values_are_a_group_and_varying_values_are_said() -> None:
    frame = patients().reset_index(drop=True)
    frame.loc[0, "site"] = None
    found = al.k_anonymity(frame, ["site"], k=2)
    assert found.smallest == 1
    assert any("vary within patients count with all their values: site" in note for note in found.notes)
    assert found.glance()["n_below"].item() == 1


@pytest.mark.parametrize(("columns", "k"), [([], 5), (["sex"], 1)])
def test_k_anonymity_needs_columns_and_a_group(columns: list[str], k: int) -> None:
    with pytest.raises(DataError, match=r"(?s)columns and k = .*Hint: name at least one column"):
        al.k_anonymity(patients(), columns, k=k)


def test_small_counts_are_hidden_and_zeros_shown() -> None:
    counts = pd.DataFrame({"a": [0, 9, 4, 20], "b": [30, 9, 2, 10]})
    shown = al.suppress_small_cells(counts)
    assert shown["a"].isna().tolist() == [False, True, True, False]
    assert shown.loc[0, "a"] == 0
    assert "Suppressed: 4 counts of 1 to 9, and 0 further ones" in shown.attrs["notes"][0]


def test_the_threshold_can_be_chosen() -> None:
    counts = pd.DataFrame({"a": [4, 4], "b": [4, 4]})
    assert al.suppress_small_cells(counts, smallest=4).notna().all(axis=None)


def test_one_small_count_in_a_column_takes_the_smallest_other_with_it() -> None:
    shown = al.suppress_small_cells(pd.DataFrame({"n": [50, 3, 20, 30]}))
    assert shown["n"].isna().tolist() == [False, True, True, False]


def exactly_known(cells: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Tell which hidden cells row and column totals determine, by linear algebra."""
    n_rows, n_columns = cells.shape
    where = np.argwhere(hidden)
    system = np.zeros((n_rows + n_columns, len(where)))
    for k, (i, j) in enumerate(where):
        system[i, k] = system[n_rows + j, k] = 1.0
    _, sizes, vectors = np.linalg.svd(system)
    rank = int((sizes > 1e-9).sum())
    free = vectors[rank:]
    return np.array([not np.any(np.abs(free[:, k]) > 1e-9) for k in range(len(where))], dtype=bool)


@settings(max_examples=150, deadline=None)
@given(st.integers(2, 5), st.integers(2, 5), st.data())
def test_no_hidden_count_can_be_computed_from_the_totals(n_rows: int, n_columns: int, data: st.DataObject) -> None:
    small = st.integers(0, 9) | st.integers(10, 60)
    cells = np.array(data.draw(st.lists(small, min_size=n_rows * n_columns, max_size=n_rows * n_columns)))
    counts = pd.DataFrame(cells.reshape(n_rows, n_columns))
    hidden = al.suppress_small_cells(counts).isna().to_numpy()
    assert not ((counts.to_numpy() > 0) & (counts.to_numpy() < 10) & ~hidden).any()
    if hidden.any():
        assert not exactly_known(counts.to_numpy(), hidden).any()


@pytest.mark.parametrize("table", [{"n": [1.5]}, {"n": [-1]}, {"n": [np.nan]}, {"n": ["x"]}, {"n": []}])
def test_only_counts_can_be_suppressed(table: dict[str, list[object]]) -> None:
    with pytest.raises(DataError, match=r"(?s)table (must hold whole numbers|holds text).*Hint: "):
        al.suppress_small_cells(pd.DataFrame(table))


def test_a_series_or_no_threshold_is_refused() -> None:
    with pytest.raises(DataError, match=r"(?s)these are a Series and 10.*Hint: .*to_frame"):
        al.suppress_small_cells(pd.Series([1, 2]))  # type: ignore[arg-type]
    with pytest.raises(DataError, match="a DataFrame and 0"):
        al.suppress_small_cells(pd.DataFrame({"n": [1]}), smallest=0)
