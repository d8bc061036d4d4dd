from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from alliance_stats.errors import DataError
from alliance_stats.process.arguments import column_name, column_names, number, truth, whole_number

GOOD: list[tuple[Callable[[], Any], Any]] = [
    (lambda: column_name("wai", "alliance"), "wai"),
    (lambda: column_names("wai", "columns"), ("wai",)),
    (lambda: column_names(["b", "a", "b"], "columns"), ("b", "a")),
    (lambda: column_names((), "columns"), ()),
    (lambda: whole_number(np.int64(3), "lag", least=0), 3),
    (lambda: whole_number(0, "lag", least=0), 0),
    (lambda: number(0.5, "repair", above=0, most=1), 0.5),
    (lambda: number(1, "repair", above=0, most=1), 1.0),
    (lambda: number(-3, "cutoff"), -3.0),
    (lambda: truth(False, "progress"), False),
]

BAD: list[tuple[Callable[[], Any], str]] = [
    (lambda: column_name(None, "alliance"), r"alliance names one column; None was given[\s\S]*Hint: .*alliance="),
    (lambda: column_name(["a"], "outcome"), r"outcome names one column; a list was given"),
    (lambda: column_names(None, "covariates"), r"list of column names; None was given[\s\S]*Hint: "),
    (lambda: column_names([1, "a"], "covariates"), r"list of column names; a number was given"),
    (lambda: whole_number(True, "lag", least=0), r"whole number of 0 or more; True was given"),
    (lambda: whole_number(1.5, "lag", least=0), r"whole number of 0 or more; 1.5 was given[\s\S]*Hint: .*lag=1"),
    (lambda: whole_number(-1, "lag", least=0), r"whole number of 0 or more; -1 was given"),
    (lambda: whole_number("2", "lag", least=1), r"whole number of 1 or more; a text was given"),
    (lambda: number("0.5", "repair"), r"repair is a number; a text was given[\s\S]*Hint: "),
    (lambda: number(True, "repair"), r"repair is a number; True was given"),
    (lambda: number(np.nan, "repair"), r"repair is a number; nan was given"),
    (lambda: number(0, "repair", above=0, most=1), r"number above 0 and up to 1; 0 was given"),
    (lambda: number(1.1, "repair", above=0, most=1), r"number above 0 and up to 1; 1.1 was given"),
    (lambda: truth("no", "previous_outcome"), r"previous_outcome is True or False; a text was given[\s\S]*Hint: "),
    (lambda: truth(1, "progress"), r"progress is True or False; a number was given"),
]


def test_a_required_option_is_not_said_to_be_left_out() -> None:
    with pytest.raises(DataError, match=r'columns=\["first", "second"\], or leave columns out\.'):
        column_names([1], "columns")
    with pytest.raises(DataError, match=r'columns=\["first", "second"\]\.$'):
        column_names([1], "columns", required=True)


@pytest.mark.parametrize(("call", "expected"), GOOD)
def test_what_an_option_takes_is_returned(call: Callable[[], Any], expected: object) -> None:
    assert call() == expected


@pytest.mark.parametrize(("call", "message"), BAD)
def test_anything_else_is_an_error_that_names_the_option(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        call()
