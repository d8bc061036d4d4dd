"""Rows of ratings that courses and therapists are estimated from: complete, of one rater, each patient and time once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from alliance_stats.columns import duplicated_rows, numeric_values, require_columns
from alliance_stats.errors import DataError, agreeing, counted, listing
from alliance_stats.process.session_checks import SAME, require_finite


@dataclass(frozen=True, eq=False)
class RatedRows:
    """Complete rows, and an account of the others.

    Parameters
    ----------
    rows : DataFrame
        Complete rows; their index holds the positions in the caller's frame.
    n_given : int
        Rows of the frame.
    left_out : mapping of str to int
        Reason to number of rows; each row counts once.
    """

    rows: pd.DataFrame = field(repr=False)
    n_given: int
    left_out: Mapping[str, int]

    def account(self) -> str:
        """Return a sentence on rows given, analysed and left out."""
        return f"Rows: {self.n_given}; analysed: {len(self.rows)}; {left_out_words(self.left_out)}."


def left_out_words(reasons: Mapping[str, int]) -> str:
    """Return how many rows were left out for each reason, in words."""
    counts = [f"{count} {reason}" for reason, count in reasons.items() if count]
    return f"left out: {', '.join(counts)} (each row counted once)" if counts else "none left out"


def rated_rows(
    frame: pd.DataFrame, outcome: str, columns: Sequence[str], *, numeric: Sequence[str] = (), hint: str = ""
) -> RatedRows:
    """Return the rows with no missing cell in outcome and columns; the outcome and ``numeric`` as floats.

    Parameters
    ----------
    frame : DataFrame
        As `session_frame` returns it.
    outcome : str
    columns : sequence of str
        Columns that must be filled.
    numeric : sequence of str
        Those of ``columns`` that hold numbers.
    hint : str
        What to do about a missing column.

    Raises
    ------
    ColumnError
        If a column is missing or does not hold numbers.
    DataError
        If values are infinite, or no row is complete.
    """
    columns = tuple(dict.fromkeys(columns))
    require_columns(frame, [outcome, *columns], hint=hint)
    numbers = {name: _finite(frame, name) for name in (outcome, *numeric)}
    table = frame.assign(**numbers)
    table.attrs = {}
    kept, reasons = np.ones(len(frame), dtype=bool), {}
    for name in (outcome, *columns):
        lost = kept & table[name].isna().to_numpy()
        reasons[f"without {name}"] = int(lost.sum())
        kept &= ~lost
    if not kept.any():
        raise _nothing(len(frame), [outcome, *columns], reasons)
    return RatedRows(table.loc[kept], len(frame), reasons)


def _finite(frame: pd.DataFrame, column: str) -> np.ndarray:
    """Return a column as floats, NaN where missing, shape (n_rows,)."""
    values = numeric_values(frame, column)
    require_finite(values, column)
    return values


def _nothing(n_rows: int, names: Sequence[str], reasons: Mapping[str, int]) -> DataError:
    """Return the error for a table without a complete row."""
    if reasons[f"without {names[0]}"] == n_rows:
        return DataError.build(
            f"'{names[0]}' is missing in all {n_rows} rows.",
            hint="check the column, how it was scored, and any filter applied before this call.",
        )
    counts = ", ".join(f"{count} {reason}" for reason, count in reasons.items() if count)
    return DataError.build(
        f"None of the {n_rows} rows has all of {listing(names, 8)} ({counts}).",
        hint="check that these columns are filled in the same rows, or leave one of them out.",
    )


def require_one_rater(rows: pd.DataFrame, outcome: str, *, named: Sequence[str] = ()) -> None:
    """Raise a DataError if the outcome is rated by several raters in one column that no term of the model names."""
    if "rater" not in rows or "rater" in named or rows["rater"].nunique() < 2:
        return
    sizes = sorted((int(size) for size in rows["rater"].value_counts() if size), reverse=True)
    raise DataError.build(
        f"'{outcome}' mixes the ratings of {len(sizes)} raters (column 'rater'; {listing(sizes)} rows): differences between "
        "raters would pass for those between times or people.",
        hint="keep the rows of one rater, for example with frame[frame['rater'] == <one rater>], and analyse raters one by "
        "one.",
    )


def require_once(rows: pd.DataFrame, keys: Sequence[str]) -> None:
    """Raise a DataError if two rows have the same keys; rows without a key do not count."""
    known = rows[rows[list(keys)].notna().all(axis=1)]
    again = duplicated_rows(known, keys)
    if again.size:
        what = " and ".join(keys)
        raise DataError.build(
            f"{counted(again.size, 'row')} {agreeing(again.size, 'repeats', 'repeat')} the {what} of an earlier row (the first "
            f"in data row {known.index[again[0]] + 1}).",
            hint=f"keep one row per {what}; where ids repeat between sites, studies or dyads, make them unique first.",
        )


def require_change(rows: pd.DataFrame, outcome: str, *, hint: str) -> None:
    """Raise a DataError if the outcome is the same in all rows, or in all rows of each patient with several."""
    own = rows.groupby("patient", observed=True)[outcome]
    most, least, n_rows = own.max(), own.min(), own.size()
    scale = SAME * float(np.abs(rows[outcome]).max())
    if float(most.max() - least.min()) <= scale:
        raise DataError.build(
            f"The outcome '{outcome}' is the same in all {len(rows)} rows analysed.",
            hint="check the column and any filter applied before this call.",
        )
    several = (n_rows > 1).to_numpy()
    constant = ((most - least).to_numpy() <= scale) & several
    if several.any() and constant.sum() == several.sum():
        raise DataError.build(
            f"'{outcome}' does not vary within patients ({constant.sum()} of {several.sum()} with two or more rows have one "
            "value).",
            hint=hint,
        )
