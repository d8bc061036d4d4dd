"""The answers an analysis of items rests on: which rows are complete, and which part of them is analysed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from alliance_stats.columns import group_codes
from alliance_stats.errors import ColumnError, DataError, listing
from alliance_stats.scales.answers import Items, item_columns, numbered_columns, raw_answers
from alliance_stats.scales.keying import FloatArray

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
Part: TypeAlias = Literal["rows", "cluster_means", "cluster_deviations"]
PARTS: tuple[Part, ...] = ("rows", "cluster_means", "cluster_deviations")


@dataclass(frozen=True, kw_only=True)
class ItemSample:
    """Answers to a set of items.

    Parameters
    ----------
    items : tuple of str
        Columns.
    answers : ndarray, shape (n_rows, k)
        Of the rows that are used; NaN only where the analysis takes incomplete rows.
    used : ndarray of int, shape (n_rows,)
        Positions of these rows in the frame.
    n_given : int
        Rows of the frame.
    repeats_patients : bool
        Whether the rows used repeat the levels of a column 'patient'.
    """

    items: tuple[str, ...]
    answers: FloatArray
    used: IntArray
    n_given: int
    repeats_patients: bool

    @property
    def notes(self) -> list[str]:
        """Which rows are used."""
        left_out = self.n_given - len(self.used)
        return [
            f"{len(self.used)} rows with answers to all {len(self.items)} items; {left_out} other rows are left out."
        ]


@dataclass(frozen=True, kw_only=True)
class PartOfSample:
    """Rows, cluster means or deviations from them.

    Parameters
    ----------
    answers : ndarray, shape (n, k)
    clusters : ndarray of int, shape (n,)
        Cluster of each row of ``answers``; the row number when there are no clusters.
    df : int
        Divisor of the covariances.
    kind : str
        Which part.
    """

    answers: FloatArray
    clusters: IntArray
    df: int
    kind: Part

    @property
    def covariance(self) -> FloatArray:
        """Covariances of the items, shape (k, k)."""
        centred = self.answers - self.answers.mean(axis=0)
        result: FloatArray = centred.T @ centred / self.df
        return result


def columns_as_they_are(frame: pd.DataFrame, items: Items) -> dict[int, str]:
    """Return item number to column when no instrument says how many items there are."""
    if isinstance(items, str):
        numbers = sorted(numbered_columns(frame, items))
        if not numbers:
            raise ColumnError.missing([items.replace("{}", "1")], frame.columns)
        return item_columns(frame, items, wanted=numbers, n_items=max(numbers))
    named: Sequence[str] = list(items.values()) if isinstance(items, Mapping) else list(items)
    if len(named) < 2:
        raise DataError.build(f"{len(named)} item.", hint="reliability needs at least two items.")
    return item_columns(frame, named, wanted=range(1, len(named) + 1), n_items=len(named))


def refuse_infinite(answers: FloatArray) -> None:
    """Raise a DataError if an answer is infinite."""
    if np.isinf(answers).any():
        raise DataError.build(
            f"{int(np.isinf(answers).sum())} answers are infinite.", hint="correct them, or make them missing."
        )


def item_sample(frame: pd.DataFrame, items: Items, *, at_least: int = 3, incomplete: bool = False) -> ItemSample:
    """Return the answers to the items, rows without them left out.

    Parameters
    ----------
    frame : DataFrame
        One row per filled-in form.
    items : str, sequence of str, or mapping of int to str
        Item columns, already reversed where needed.
    at_least : int
        Smallest number of items.
    incomplete : bool
        Keep rows with an answer to at least one item instead of those with answers to all.

    Returns
    -------
    ItemSample

    Raises
    ------
    ColumnError
        If a column is missing or holds text.
    DataError
        If there are too few items or rows, an answer is infinite, or an item does not vary.
    """
    columns = tuple(columns_as_they_are(frame, items).values())
    if len(columns) < at_least:
        raise DataError.build(
            f"{len(columns)} items; this analysis needs at least {at_least}.", hint="check items= for a missing column."
        )
    answers = np.column_stack([raw_answers(frame, column) for column in columns])
    refuse_infinite(answers)
    known = np.logical_not(np.isnan(answers))
    used = np.flatnonzero(known.any(axis=1) if incomplete else known.all(axis=1))
    if len(used) <= len(columns):
        raise DataError.build(
            f"{len(used)} of {len(frame)} rows have answers to {'any' if incomplete else 'all'} of the {len(columns)} "
            f"items; more than {len(columns)} are needed.",
            hint="check for items that were not asked of everyone.",
        )
    rows = answers[used]
    still = [name for name, spread in zip(columns, np.nanmax(rows, 0) - np.nanmin(rows, 0), strict=True) if spread == 0]
    if still:
        raise DataError.build(
            f"No variation in {listing(still)} over the {len(used)} rows used.", hint="leave such items out of items=."
        )
    repeats = "patient" in frame.columns and bool(frame["patient"].iloc[used].duplicated().any())
    return ItemSample(items=columns, answers=rows, used=used, n_given=len(frame), repeats_patients=repeats)


def cluster_values(rows: FloatArray, codes: IntArray, part: Part) -> PartOfSample:
    """Return the rows themselves, the means of clusters, or the deviations from these means.

    Parameters
    ----------
    rows : ndarray, shape (n_rows, k)
    codes : ndarray of int, shape (n_rows,)
        Cluster of each row; rows with a negative code are left out of means and deviations.
    part : {"rows", "cluster_means", "cluster_deviations"}

    Returns
    -------
    PartOfSample
    """
    if part == "rows":
        return PartOfSample(answers=rows, clusters=codes, df=len(rows) - 1, kind=part)
    known = codes >= 0
    levels, position = np.unique(codes[known], return_inverse=True)
    counts = np.bincount(position).astype(float)
    means = np.column_stack([np.bincount(position, weights=column) for column in rows[known].T]) / counts[:, None]
    if part == "cluster_means":
        return PartOfSample(answers=means, clusters=np.arange(levels.size), df=levels.size - 1, kind=part)
    deviations = rows[known] - means[position]
    return PartOfSample(answers=deviations, clusters=position, df=int(known.sum()) - levels.size, kind=part)


def part_of_sample(frame: pd.DataFrame, sample: ItemSample, *, cluster: str | None, part: Part) -> PartOfSample:
    """Return the part of a sample that is analysed.

    Parameters
    ----------
    frame : DataFrame
        What the sample was taken from.
    sample : ItemSample
        Complete rows.
    cluster : str or None
        Column of the patients (or couples) that rows repeat.
    part : {"rows", "cluster_means", "cluster_deviations"}

    Returns
    -------
    PartOfSample

    Raises
    ------
    DataError
        If the part is unknown or needs ``cluster``, or if too few clusters or repeated rows remain.
    """
    if part not in PARTS:
        raise DataError.build(f"No part '{part}'.", hint=f"use one of {listing(PARTS)}.")
    if cluster is None:
        if part != "rows":
            raise DataError.build(f"part='{part}' needs cluster=.", hint="name the column of the patients.")
        return cluster_values(sample.answers, np.arange(len(sample.used)), part)
    codes = group_codes(frame, cluster)[0][sample.used]
    chosen = cluster_values(sample.answers, codes, part)
    k = len(sample.items)
    if chosen.df < k:
        raise DataError.build(
            f"{chosen.df} degrees of freedom in the {part.replace('_', ' ')} of '{cluster}'; {k} items need at least {k}.",
            hint="use more patients, more sessions per patient, or fewer items.",
        )
    spread = np.ptp(chosen.answers, axis=0)
    if not np.all(spread > 0):
        still = [name for name, width in zip(sample.items, spread, strict=True) if width == 0]
        raise DataError.build(
            f"No variation in {listing(still)} in the {part.replace('_', ' ')} of '{cluster}'.",
            hint="leave such items out of items=.",
        )
    return chosen


def part_notes(sample: ItemSample, chosen: PartOfSample, cluster: str | None) -> list[str]:
    """Return which rows and which level the numbers belong to, one sentence each."""
    notes = sample.notes
    if chosen.kind == "cluster_means":
        notes.append(f"Level: means of {len(chosen.answers)} levels of '{cluster}' over their rows.")
    elif chosen.kind == "cluster_deviations":
        notes.append(f"Level: deviations of {len(chosen.answers)} rows from the means of '{cluster}'.")
    elif sample.repeats_patients:
        notes.append(
            "Level: all rows, which repeat patients: differences between patients and changes within them are mixed."
        )
    else:
        notes.append("Level: all rows.")
    return notes
