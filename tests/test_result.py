"""What all results share."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from alliance_stats.result import Result


@dataclass(frozen=True, kw_only=True, eq=False)
class Plain(Result):
    """A result that leaves its printed form to the base."""

    row: dict[str, object]
    table: pd.DataFrame = field(default_factory=pd.DataFrame)

    def tidy(self) -> pd.DataFrame:
        return self.table

    def glance(self) -> pd.DataFrame:
        return pd.DataFrame([self.row])


@dataclass(frozen=True, kw_only=True, eq=False)
class Spoken(Plain):
    """A result with a printed form of its own."""

    def __repr__(self) -> str:
        return "Spoken(own words)"


@dataclass(frozen=True, kw_only=True, eq=False)
class Further(Spoken):
    """A result that inherits one."""

    more: int = 1


def test_a_result_prints_its_type_and_what_describes_the_analysis() -> None:
    made = Plain(row={"outcome": "ors", "n": 120, "sigma": 3.14159265, "missing": None}, notes=("A note.",))
    assert repr(made) == "Plain(outcome=ors, n=120, sigma=3.142)"


def test_long_cells_and_many_cells_are_left_out() -> None:
    made = Plain(row={"formula": "y ~ " + "x + " * 20, **{f"n_{place}": place for place in range(1, 11)}})
    assert repr(made) == f"Plain({', '.join(f'n_{place}={place}' for place in range(1, 9))}, ...)"


def test_a_type_may_print_itself_in_its_own_words() -> None:
    row = {"n": 1}
    assert repr(Spoken(row=row)) == "Spoken(own words)"
    assert repr(Further(row=row)) == "Spoken(own words)"
