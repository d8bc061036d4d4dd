"""Join the files of a study row by row, checked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from alliance_stats.columns import duplicated_rows, require_columns
from alliance_stats.errors import ColumnError, DataError, listing
from alliance_stats.loaders.map_schema import How

_SHADOW = "\0second"


def join_one_to_one(
    base: pd.DataFrame, other: pd.DataFrame, *, join_on: Sequence[str], how: How, name: str
) -> tuple[pd.DataFrame, list[str]]:
    """Join a second table to the first; each row meets at most one row of the other.

    A column found in both tables is kept once if its cells agree in all joined rows.

    Parameters
    ----------
    base : DataFrame
        One row per value of ``join_on``.
    other : DataFrame
        One row per value of ``join_on``.
    join_on : sequence of str
        Columns that name a row in both.
    how : {"inner", "left"}
        Keep rows found in both, or all rows of ``base``.
    name : str
        Of the second table, for messages.

    Returns
    -------
    frame : DataFrame
        One row per value of ``join_on``, in the order of ``base``.
    notes : list of str
        Numbers of rows with and without a partner; columns found in both.

    Raises
    ------
    ColumnError
        If a column to join on is missing, or text in one table and numbers in the other.
    DataError
        If rows repeat or lack their key, no rows meet, or a column found in both tables differs.
    """
    for table, which in ((base, "the files before"), (other, name)):
        _require_keys(table, join_on, which)
    for key in join_on:
        _require_same_kind(base[key], other[key], key, name)
    shared = [column for column in other.columns if column in base.columns and column not in join_on]
    shadow = {column: column + _SHADOW for column in shared}
    joined = base.merge(other.rename(columns=shadow), on=list(join_on), how="left", indicator=_SHADOW)
    met = (joined[_SHADOW] == "both").to_numpy()
    if not met.any():
        raise DataError.build(
            f"{name}: no row has the {listing(join_on)} of a row of the files before.",
            hint="check that join_on names the same thing in both files.",
        )
    _require_agreement(joined[met], shadow, name)
    kept = joined.drop(columns=[_SHADOW, *shadow.values()])
    frame = kept if how == "left" else kept[met].reset_index(drop=True)
    frame.attrs = {}
    return frame, _notes(met, len(other), how=how, name=name, join_on=join_on, shared=shared)


def _require_keys(table: pd.DataFrame, join_on: Sequence[str], which: str) -> None:
    """Raise an error if key columns are absent, blank or repeated."""
    require_columns(table, join_on, hint=f"join_on must name columns of every file; look at {which}.")
    n_blank = int(table[list(join_on)].isna().any(axis=1).sum())
    if n_blank:
        raise DataError.build(
            f"{which}: {n_blank} of {len(table)} rows lack their {listing(join_on)}.",
            hint="fill them in, or remove the rows.",
        )
    again = duplicated_rows(table, join_on)
    if again.size:
        raise DataError.build(
            f"{which}: {again.size} rows repeat the {listing(join_on)} of an earlier row "
            f"(the first in data row {again[0] + 1}).",
            hint="add the column to join_on that tells the rows apart, or remove the copies.",
        )


def _require_same_kind(first: pd.Series, second: pd.Series, key: str, name: str) -> None:
    """Raise a ColumnError if one is numeric and the other is not."""
    kinds = ["numbers" if pd.api.types.is_numeric_dtype(column) else "text" for column in (first, second)]
    if kinds[0] != kinds[1]:
        raise ColumnError.build(
            f"Column '{key}' holds {kinds[1]} in {name} and {kinds[0]} in the files before.",
            hint="write it the same way in both files, leading zeros included.",
        )


def _require_agreement(joined: pd.DataFrame, shadow: dict[str, str], name: str) -> None:
    """Raise a DataError if a column found in both tables differs between them."""
    for column, second in shadow.items():
        left, right = joined[column].astype(object), joined[second].astype(object)
        differs = (left.to_numpy() != right.to_numpy()) & ~(left.isna() & right.isna()).to_numpy()
        if differs.any():
            count = f"{int(np.sum(differs))} of {len(joined)} rows"
            raise DataError.build(
                f"{name}: column '{column}' is in two files and differs in {count}.",
                hint="rename it in one of the files, or join on it.",
            )


def _notes(
    met: np.ndarray, n_other: int, *, how: How, name: str, join_on: Sequence[str], shared: Sequence[str]
) -> list[str]:
    """Return sentences on the rows that met and those that did not."""
    n_met = int(met.sum())
    fate = "kept with blank cells" if how == "left" else "left out"
    notes = [
        f"{name} was joined by {listing(join_on)}: {n_met} rows meet; {len(met) - n_met} rows without a partner in it "
        f"are {fate}, and {n_other - n_met} of its rows have no partner."
    ]
    return [*notes, f"In both files and equal, kept once: {listing(shared)}."] if shared else notes
