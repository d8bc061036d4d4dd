from __future__ import annotations

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from alliance_stats.mixed.threads import SMALL, few_threads


def blas_threads() -> set[int]:
    """Return the numbers of threads of the linear algebra libraries."""
    return {int(pool["num_threads"]) for pool in threadpool_info() if pool["user_api"] == "blas"}


@pytest.mark.parametrize(("n_columns", "expected"), [(1, {1}), (SMALL, {1}), (SMALL + 1, {2})])
def test_small_matrices_take_one_thread_and_large_ones_what_is_given(n_columns: int, expected: set[int]) -> None:
    with threadpool_limits(limits=2, user_api="blas"):
        with few_threads(n_columns):
            assert blas_threads() == expected
        assert blas_threads() == {2}


def test_the_number_of_threads_comes_back_after_an_error() -> None:
    with threadpool_limits(limits=2, user_api="blas"):
        with pytest.raises(KeyError), few_threads(1):
            raise KeyError
        assert blas_threads() == {2}
