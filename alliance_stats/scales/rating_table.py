"""Ratings as a table of units by raters, whatever their layout in the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from alliance_stats.columns import numeric_values, one_column, require_columns
from alliance_stats.errors import ColumnError, DataError
from alliance_stats.scales.keying import FloatArray

IntArray = npt.NDArray[np.int64]
Kind = Literal["wide", "long", "counts"]


@dataclass(frozen=True, kw_only=True)
class RatingLayout:
    """How ratings lie in a frame.

    Parameters
    ----------
    kind : {"wide", "long", "counts"}
        ``wide``: one row per unit, one column per rater. ``long``: one row per rating. ``counts``: one row per unit, one
        column per category with the number of raters who chose it.
    unit : str or tuple of str, optional
        For ``long``: columns that name the unit rated (an utterance, a session).
    rater : str, optional
        For ``long``: column that names the rater.
    categories : tuple, optional
        All categories, in order, those that nobody chose included.
    """

    kind: Kind = "wide"
    unit: str | tuple[str, ...] = ()
    rater: str = ""
    categories: tuple[object, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RatingTable:
    """Units by raters.

    Parameters
    ----------
    cells : ndarray, shape (n_units, n_raters)
        Ratings as numbers, NaN where missing; category numbers where ratings are categories.
    raters : tuple of str
        Columns, or "rater 1", "rater 2" ... in the order of their values.
    categories : tuple
        In order; empty for numbers.
    counts : ndarray of int, shape (n_units, n_categories)
        How many raters chose each category.
    n_unnamed : int
        Rows of a long layout that name no unit or no rater and are left out.
    """

    cells: FloatArray
    raters: tuple[str, ...]
    categories: tuple[object, ...]
    counts: IntArray
    n_unnamed: int = 0

    @property
    def scores(self) -> FloatArray | None:
        """Values of the categories if all are numbers, shape (n_categories,)."""
        try:
            return np.array([float(category) for category in self.categories])  # type: ignore[arg-type]
        except (TypeError, ValueError):
            return None

    def collapsed(self, place: int) -> RatingTable:
        """Return the table with one category against all others."""
        chosen = self.counts[:, place]
        return replace(self, counts=np.column_stack([chosen, self.counts.sum(axis=1) - chosen]), categories=(1, 0))


def category_table(
    frame: pd.DataFrame, ratings: str | Sequence[str], layout: RatingLayout, *, ordered: bool
) -> RatingTable:
    """Return ratings as categories.

    Parameters
    ----------
    frame : DataFrame
        In the layout given.
    ratings : str or sequence of str
        Columns of the raters or of the categories, or the one column of a long layout.
    layout : RatingLayout
        What they are.
    ordered : bool
        Whether the order of the categories matters; text then needs ``layout.categories`` or an ordered categorical.

    Returns
    -------
    RatingTable

    Raises
    ------
    ColumnError
        If a column is missing.
    DataError
        If a rating is not among the categories, their order is not known, or no unit has two ratings.
    """
    if layout.kind == "counts":
        return _from_counts(frame, ratings, layout)
    cells, raters = _cells(frame, ratings, layout)
    categories = layout.categories or _categories(cells, ordered=ordered)
    codes = _codes(cells, categories)
    counts = np.stack([(codes == place).sum(axis=1) for place in range(len(categories))], axis=1)
    values = np.where(codes >= 0, codes, np.nan).astype(float)
    unnamed = _n_unnamed(frame, layout)
    return _checked(
        RatingTable(cells=values, raters=raters, categories=tuple(categories), counts=counts, n_unnamed=unnamed)
    )


def number_table(frame: pd.DataFrame, ratings: str | Sequence[str], layout: RatingLayout) -> RatingTable:
    """Return ratings as numbers; arguments as for `category_table`."""
    if layout.kind == "counts":
        raise DataError.build(
            "Counts per category hold no ratings by rater.", hint="pass one column per rater, or a long table."
        )
    cells, raters = _cells(frame, ratings, layout)
    values = np.column_stack([numeric_values(cells, name) for name in cells.columns])
    if np.isinf(values).any():
        raise DataError.build(
            f"{int(np.isinf(values).sum())} ratings are infinite.", hint="mark them as missing first."
        )
    none = np.zeros((len(values), 0), dtype=np.int64)
    return RatingTable(cells=values, raters=raters, categories=(), counts=none, n_unnamed=_n_unnamed(frame, layout))


def _cells(
    frame: pd.DataFrame, ratings: str | Sequence[str], layout: RatingLayout
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return one column per rater, and what the raters are called."""
    if layout.kind == "wide":
        names = [ratings] if isinstance(ratings, str) else list(ratings)
        if len(set(names)) < 2 or len(set(names)) < len(names):
            raise ColumnError.build(
                f"ratings= names {len(set(names))} different columns of {len(names)}.",
                hint="name one column per rater, or layout=RatingLayout(kind='long', unit=..., rater=...).",
            )
        require_columns(frame, names)
        return frame[names], tuple(names)
    if layout.kind != "long":
        raise DataError.build(f"No layout '{layout.kind}'.", hint="use 'wide', 'long' or 'counts'.")
    return _from_long(frame, ratings, layout)


def _units(layout: RatingLayout) -> list[str]:
    """Return the columns that name the unit rated."""
    return [layout.unit] if isinstance(layout.unit, str) else list(layout.unit)


def _n_unnamed(frame: pd.DataFrame, layout: RatingLayout) -> int:
    """Return how many rows of a long layout lack unit or rater."""
    if layout.kind != "long":
        return 0
    return int(frame[[*_units(layout), layout.rater]].isna().any(axis=1).sum())


def _from_long(
    frame: pd.DataFrame, ratings: str | Sequence[str], layout: RatingLayout
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return one column per rater from one row per rating."""
    units = _units(layout)
    if not isinstance(ratings, str) or not layout.rater or not units:
        raise ColumnError.build(
            "A long layout needs one column of ratings, the rater and the unit.",
            hint="pass ratings='code', layout=RatingLayout(kind='long', unit=('transcript', 'utterance'), rater='coder').",
        )
    require_columns(frame, [ratings, layout.rater, *units])
    keys = [*units, layout.rater]
    known = frame.dropna(subset=keys)
    n_twice = int(known.duplicated(subset=keys).sum())
    if n_twice:
        raise DataError.build(
            f"{n_twice} rows repeat the {', '.join(keys)} of an earlier row.",
            hint="keep one rating per unit and rater.",
        )
    wide = known.pivot(index=units, columns=layout.rater, values=ratings)  # noqa: PD010 (pivot_table would aggregate)
    raters = tuple(f"rater {place}" for place in range(1, wide.shape[1] + 1))
    if len(raters) < 2:
        raise DataError.build(f"'{layout.rater}' has {len(raters)} rater.", hint="agreement needs at least two.")
    return wide.reset_index(drop=True).set_axis(list(raters), axis=1), raters


def _from_counts(frame: pd.DataFrame, ratings: str | Sequence[str], layout: RatingLayout) -> RatingTable:
    """Return the table of counts per category."""
    names = [ratings] if isinstance(ratings, str) else list(ratings)
    counts = np.column_stack([numeric_values(frame, name) for name in names])
    wrong = ~np.isfinite(counts) | (counts < 0) | (counts != np.rint(counts))
    if wrong.any():
        raise DataError.build(
            f"{int(wrong.sum())} counts are missing, negative or not whole.",
            hint="write 0 where nobody chose a category.",
        )
    if len(names) < 2:
        raise ColumnError.build("One category.", hint="name the columns of all categories.")
    categories = layout.categories or tuple(names)
    if len(categories) != len(names):
        raise DataError.build(
            f"{len(categories)} categories for {len(names)} columns.", hint="name one category per column, in order."
        )
    empty = np.full((len(frame), 0), np.nan)
    return _checked(RatingTable(cells=empty, raters=(), categories=categories, counts=counts.astype(np.int64)))


def _categories(cells: pd.DataFrame, *, ordered: bool) -> tuple[object, ...]:
    """Return the categories that occur, in order."""
    kinds = [cells[name].dtype for name in cells.columns]
    if all(isinstance(kind, pd.CategoricalDtype) and kind.ordered for kind in kinds) and len(set(kinds)) == 1:
        return tuple(cells.iloc[:, 0].cat.categories.tolist())
    seen = pd.unique(pd.concat([cells[name].astype(object) for name in cells.columns]).dropna())
    plain = [isinstance(value, (int, float, np.number)) and not isinstance(value, bool) for value in seen]
    numbers = all(plain)
    if any(plain) and any(isinstance(value, str) for value in seen):
        raise DataError.build(
            "Some ratings are numbers and others text: 1 and '1' would be two categories.",
            hint="make all columns alike, for example pd.to_numeric(frame['coder_b']) or frame.astype(str).",
        )
    if ordered and not numbers:
        raise DataError.build(
            "The order of the categories matters here, and they are text.",
            hint="give it: layout=RatingLayout(..., categories=('low', 'middle', 'high')).",
        )
    return tuple(sorted(seen.tolist(), key=lambda value: value if numbers else str(value)))


def _codes(cells: pd.DataFrame, categories: Sequence[object]) -> IntArray:
    """Return the number of each rating's category, -1 where missing; shape (n_units, n_raters)."""
    places = {category: place for place, category in enumerate(categories)}
    columns = []
    for name in cells.columns:
        values = one_column(cells, str(name)).astype(object)
        missing = values.isna().to_numpy()
        codes = np.array([-1 if gone else places.get(value, -2) for value, gone in zip(values, missing, strict=True)])
        if (codes == -2).any():
            raise DataError.build(
                f"{int((codes == -2).sum())} ratings in '{name}' are not among the categories.",
                hint="list all of them: layout=RatingLayout(..., categories=(...)).",
            )
        columns.append(codes)
    return np.column_stack(columns).astype(np.int64)


def _checked(table: RatingTable) -> RatingTable:
    """Return the table if it can show agreement."""
    if not (table.counts.sum(axis=1) >= 2).any():
        raise DataError.build("No unit has two ratings.", hint="check ratings= and layout=.")
    if (table.counts.sum(axis=0) > 0).sum() < 2:
        raise DataError.build(
            "All ratings are one category: chance-corrected agreement is not defined.",
            hint="report the share of agreement.",
        )
    return table
