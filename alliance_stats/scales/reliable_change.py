"""Reliable change of single people: whether the score moved by more than its error."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from alliance_stats.errors import ColumnError, DataError
from alliance_stats.result import Result
from alliance_stats.scales.change_index import (
    METHODS,
    ChangeIndex,
    MeasurementError,
    Method,
    change_index,
    sample_moments,
)
from alliance_stats.scales.change_tables import group_column, require_level, share_table, small_cells_note
from alliance_stats.scales.cutoffs import require_direction, sign_of
from alliance_stats.scales.instrument_parts import Direction
from alliance_stats.scales.keying import FloatArray
from alliance_stats.scales.score_pair import score_pair

Labels = npt.NDArray[np.object_]
BoolArray = npt.NDArray[np.bool_]

CLASSES = ("improved", "unchanged", "deteriorated")
NEW_COLUMNS = ("change", "change_index", "change_class")

SOURCES: Mapping[str, str] = {
    "jacobson_truax": "Jacobson & Truax (1991)",
    "gulliksen_lord_novick": "Gulliksen, Lord and Novick, in Hsu (1989, 1995)",
    "hsu_linn_lord": "Hsu, Linn and Lord, in Hsu (1989)",
    "edwards_nunnally": "Edwards and Nunnally, in Speer (1992)",
    "nunnally_kotsch": "Nunnally & Kotsch (1983)",
    "hageman_arrindell": "Hageman & Arrindell (1999)",
}


@dataclass(frozen=True, kw_only=True)
class ReliableChange(Result):
    """Who changed, by one method.

    Parameters
    ----------
    frame : DataFrame
        The user's rows in their order, with three columns more: change (last minus first score, in points, or slope),
        change_index (NaN for thresholds), change_class (improved, unchanged, deteriorated, or missing).
    shares : DataFrame
        See `tidy`.
    method : str
        How change was judged.
    direction : {"higher_is_better", "higher_is_worse"}
        What a higher score means.
    pre, post : ndarray, shape (n_rows,)
        First and last score of each row's person, in points.
    people : ndarray of bool, shape (n_rows,)
        One row per person; all rows, unless people have several.
    index : ChangeIndex or None
        The index of a pre-post method.
    bands : DataFrame
        Straight lines between which change is not reliable: pre, post_low, post_high, in points; empty for slopes.
    summary : mapping of str to object
        What `glance` shows.
    """

    frame: pd.DataFrame = field(repr=False)
    shares: pd.DataFrame
    method: str
    direction: Direction
    pre: FloatArray = field(repr=False)
    post: FloatArray = field(repr=False)
    people: BoolArray = field(repr=False)
    index: ChangeIndex | None = field(repr=False)
    bands: pd.DataFrame = field(repr=False)
    by: str | None
    level: float
    summary: Mapping[str, Any] = field(repr=False)

    @property
    def classes(self) -> Labels:
        """Class of each row, shape (n_rows,); None where a score is missing."""
        column = self.frame["change_class"].astype(object)
        return column.where(column.notna(), None).to_numpy(dtype=object)

    def tidy(self) -> pd.DataFrame:
        """Return the share of people in each class.

        Returns
        -------
        DataFrame
            One row per class, for all and for each group: outcome, group (column, empty for all), level (its value),
            category, estimate (share, 0 to 1), conf_low, conf_high (Wilson), conf_level, n, n_people (in the class).
        """
        return self.shares.copy()

    def glance(self) -> pd.DataFrame:
        """Return one row: outcome, method, direction, n, n_missing, and the numbers the method rests on."""
        return pd.DataFrame([dict(self.summary)])


def reliable_change(
    frame: pd.DataFrame,
    columns: tuple[str, str],
    *,
    method: Method,
    direction: Direction,
    error: MeasurementError,
    by: str | None = None,
    level: float = 0.95,
) -> ReliableChange:
    """Judge whether each person changed by more than measurement error.

    Says of one person that the change is unlikely to be error; it does not say that it matters (`clinical_significance`)
    or that the treatment caused it. The methods differ in whether scores are expected to regress to the mean, and to
    which one.

    Parameters
    ----------
    frame : DataFrame
        One row per person (or couple member).
    columns : tuple of str
        First and last score.
    method : str
        ``jacobson_truax``: plain difference. ``gulliksen_lord_novick``, ``edwards_nunnally``, ``nunnally_kotsch``: the
        last score against the first one regressed to the population mean. ``hsu_linn_lord``: the same, relative to the
        mean change of the sample, so it tells who changed more or less than the others. ``hageman_arrindell``: the
        estimated true change. For more than two measurements see `multilevel_change`.
    direction : {"higher_is_better", "higher_is_worse"}
        What a higher score means; ``Score.direction`` of an instrument says so.
    error : MeasurementError
        Reliability, its kind, and the standard deviation it belongs to. No number is assumed.
    by : str, optional
        Column of groups for the table of shares.
    level : float in (0, 1)
        0.95 calls a change reliable that error alone reaches in 5 % of people (both directions together). For
        ``hageman_arrindell`` 1 - level is the risk of misclassification, one-sided.

    Returns
    -------
    ReliableChange

    Raises
    ------
    ColumnError
        If a column is missing, not numeric, or named twice, or the frame has a column of the result already.
    DataError
        If the method is unknown, lacks a number, or fewer than two people have both scores.

    See Also
    --------
    clinical_significance : adds cut-offs. threshold_change : percent and minimal important difference.

    Notes
    -----
    x1, x2: scores; r: reliability; s, M: standard deviation and mean; SE = s sqrt(1 - r).

    - Jacobson-Truax: (x2 - x1) / (sqrt(2) SE)
    - Gulliksen-Lord-Novick: (x2 - M - r (x1 - M)) / (s sqrt(1 - r^2))
    - Hsu-Linn-Lord: (x2 - M2 - r (x1 - M)) / (s sqrt(1 - r^2)), M2 the mean of the last scores
    - Edwards-Nunnally: (x2 - M - r (x1 - M)) / SE; Speer (1992) has 2 in place of the normal quantile
    - Nunnally-Kotsch: (x2 - M - r (x1 - M)) / (s sqrt(r^2 (1 - r) + 1 - r_post))
    - Hageman-Arrindell: (R (x2 - x1) + (1 - R) (M2 - M1)) / (sqrt(R) sqrt(2) SE), R the reliability of x2 - x1 in the
      sample with the same error variance at both measurements; one-sided quantile

    The forms are those compared in R package clinicalsignificance 3.0.0; tests reproduce its documented counts.

    References
    ----------
    Jacobson, N. S., & Truax, P. (1991). Journal of Consulting and Clinical Psychology, 59, 12-19.
    https://doi.org/10.1037/0022-006X.59.1.12

    Hsu, L. M. (1989). Behavioral Assessment, 11, 459-467.

    Hsu, L. M. (1995). Journal of Consulting and Clinical Psychology, 63, 141-144.
    https://doi.org/10.1037/0022-006X.63.1.141

    Speer, D. C. (1992). Journal of Consulting and Clinical Psychology, 60, 402-408.
    https://doi.org/10.1037/0022-006X.60.3.402

    Nunnally, J. C., & Kotsch, W. E. (1983). British Journal of Clinical Psychology, 22, 83-93.
    https://doi.org/10.1111/j.2044-8260.1983.tb00582.x

    Hageman, W. J., & Arrindell, W. A. (1999). Behaviour Research and Therapy, 37, 1169-1193.
    https://doi.org/10.1016/S0005-7967(99)00032-7

    Examples
    --------
    >>> import pandas as pd, alliance_stats as al
    >>> phq = pd.DataFrame({"first": [19, 15, 12, 17], "last": [7, 13, 18, 6]})
    >>> error = al.MeasurementError(reliability=0.84, kind="retest", sd=5.5)
    >>> change = al.reliable_change(phq, ("first", "last"), method="jacobson_truax", direction="higher_is_worse", error=error)
    >>> change.frame["change_class"].tolist()
    ['improved', 'unchanged', 'unchanged', 'improved']
    """
    require_level(level)
    require_direction(direction)
    if method not in METHODS:
        raise DataError.build(
            f"No method '{method}'.", hint=f"use one of {', '.join(METHODS)}; for slopes multilevel_change()."
        )
    pre, post = score_pair(frame, columns, function="reliable_change")
    if not isinstance(error, MeasurementError):
        raise DataError.build(
            f"error= is {type(error).__name__}; a reliability means nothing without its kind and its sd.",
            hint="pass error=al.MeasurementError(reliability=0.88, kind='retest', sd=...).",
        )
    known = ~(np.isnan(pre) | np.isnan(post))
    moments = sample_moments(pre[known], post[known])
    index = change_index(method, error, moments, level=level)
    values = index.values(pre, post)
    ends = np.array([pre[known].min(), pre[known].max()])
    low, high = index.limits(ends)
    return changed(
        frame,
        pre=pre,
        post=post,
        classes=classify(values, index.critical, direction),
        values=values,
        bands=pd.DataFrame({"pre": ends, "post_low": low, "post_high": high}),
        meaning=Meaning(
            outcome=columns[0],
            method=method,
            direction=direction,
            by=by,
            level=level,
            index=index,
            numbers=_numbers(method, error, index),
            notes=tuple(_notes(method, error, index, columns)),
        ),
    )


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What a judgement of change rests on, for the result."""

    outcome: str
    method: str
    direction: Direction
    by: str | None
    level: float
    notes: tuple[str, ...]
    index: ChangeIndex | None = None
    numbers: Mapping[str, Any] = field(default_factory=dict)
    people: BoolArray | None = None
    change: FloatArray | None = None


def classify(values: FloatArray, critical: float, direction: Direction) -> Labels:
    """Return improved, unchanged, deteriorated or None (where NaN), shape (n,)."""
    better = sign_of(direction) * values
    labels = np.select([better > critical, better < -critical], ["improved", "deteriorated"], "unchanged").astype(
        object
    )
    labels[np.isnan(values)] = None
    return labels


def changed(
    frame: pd.DataFrame,
    *,
    pre: FloatArray,
    post: FloatArray,
    classes: Labels,
    values: FloatArray,
    bands: pd.DataFrame,
    meaning: Meaning,
) -> ReliableChange:
    """Bundle a judgement of change; arrays have shape (n_rows,)."""
    taken = [name for name in NEW_COLUMNS if name in frame.columns]
    if taken:
        raise ColumnError.build(f"The frame has a column '{taken[0]}' already.", hint="drop or rename it first.")
    people = np.ones(len(frame), dtype=bool) if meaning.people is None else meaning.people
    change = post - pre if meaning.change is None else meaning.change
    filled = frame.assign(change=change, change_index=values, change_class=pd.array(classes, dtype="str"))
    groups = group_column(frame, meaning.by)
    table = share_table(
        classes[people], CLASSES, level=meaning.level, groups=None if groups is None else groups[people]
    )
    table.insert(0, "outcome", meaning.outcome)
    n_missing = int(sum(entry is None for entry in classes[people]))
    notes = [*meaning.notes, *_missing_note(n_missing, int(people.sum())), *small_cells_note(table)]
    return ReliableChange(
        frame=filled,
        shares=table,
        method=meaning.method,
        direction=meaning.direction,
        pre=pre,
        post=post,
        people=people,
        index=meaning.index,
        bands=bands,
        by=meaning.by,
        level=meaning.level,
        summary={
            "outcome": meaning.outcome,
            "method": meaning.method,
            "direction": meaning.direction,
            "n": int(people.sum()) - n_missing,
            "n_missing": n_missing,
            **meaning.numbers,
        },
        notes=tuple(notes),
    )


def _numbers(method: str, error: MeasurementError, index: ChangeIndex) -> dict[str, Any]:
    """Return what glance() shows of the method."""
    least = math.sqrt(2) * index.standard_error * index.critical if method == "jacobson_truax" else math.nan
    return {
        "reliability": error.reliability,
        "reliability_kind": error.kind,
        "sd": index.sd,
        "mean": index.mean,
        "standard_error": index.standard_error,
        "critical": index.critical,
        "least_change": least,
    }


def _missing_note(n_missing: int, n: int) -> list[str]:
    """Return how many people are not classified."""
    if not n_missing:
        return []
    return [
        f"{n_missing} of {n} people lack a score and are not classified; shares are of the others. If the missing ones "
        "fared worse, improvement is overstated."
    ]


def _notes(method: str, error: MeasurementError, index: ChangeIndex, columns: tuple[str, str]) -> list[str]:
    """Return what the judgement rests on, in words."""
    spread = (
        f"the first scores of people with both ({index.sd:.4g})"
        if isinstance(error.sd, str)
        else f"{index.sd:.4g} points"
    )
    kind = error.kind.replace("_", " ")
    source = f" ({error.source})" if error.source else ""
    notes = [
        f"Change from '{columns[0]}' to '{columns[1]}' judged by {SOURCES[method]}: reliable beyond {index.critical:.3f}.",
        f"Reliability {error.reliability:g} ({kind}){source}, standard deviation: {spread}; standard error of "
        f"measurement {index.standard_error:.4g} points.",
    ]
    if method == "jacobson_truax":
        least = math.sqrt(2) * index.standard_error * index.critical
        notes.append(f"A difference of more than {least:.4g} points is reliable. No regression to the mean is assumed.")
    elif method == "hsu_linn_lord":
        notes.append("Change is judged relative to the mean change of the sample, not to no change.")
    elif method != "hageman_arrindell":
        where = "of the first scores of people with both" if isinstance(error.mean, str) else "given"
        notes.append(f"First scores are taken to regress to a mean of {index.mean:.4g} points ({where}).")
    else:
        notes.append("Judges the estimated true change; the risk of misclassification is one-sided.")
    return notes


__all__ = ["MeasurementError", "ReliableChange", "reliable_change"]
