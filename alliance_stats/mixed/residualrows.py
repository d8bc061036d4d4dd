"""What a residual structure needs of the rows used: blocks, times and variance groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from alliance_stats.columns import numeric_values
from alliance_stats.errors import DataError, ModelError
from alliance_stats.mixed.grouping import Grouping, make_grouping
from alliance_stats.mixed.levelsums import Codes, Floats
from alliance_stats.mixed.residuals import ResidualCorrelation, ResidualStructure

MAX_VARIANCES = 12
"""Most levels of variance_by: each one is a parameter that is searched numerically."""

SECONDS_PER_DAY = 86_400.0


@dataclass(frozen=True)
class ResidualRows:
    """A residual structure with the arrays it needs, one entry per row used.

    To take some of a design's rows, take the same rows of each array.

    Parameters
    ----------
    structure : ResidualStructure
    blocks : ndarray of int, shape (n_rows,), or None
        Block of each row within which residuals correlate.
    times : ndarray, shape (n_rows,), or None
        Order or time of each row, in the units of its column; days for dates.
    groups : ndarray of int, shape (n_rows,), or None
        Variance group of each row.
    group_labels : tuple of str
        Label of each variance group, sorted; the first is the reference.
    """

    structure: ResidualStructure
    blocks: Codes | None = field(default=None, repr=False)
    times: Floats | None = field(default=None, repr=False)
    groups: Codes | None = field(default=None, repr=False)
    group_labels: tuple[str, ...] = field(default=(), repr=False)

    def take(self, rows: Codes) -> ResidualRows:
        """Return the structure for some of the rows, in the order given."""
        return ResidualRows(
            self.structure,
            None if self.blocks is None else self.blocks[rows],
            None if self.times is None else self.times[rows],
            None if self.groups is None else self.groups[rows],
            self.group_labels,
        )


def residual_rows(structure: ResidualStructure, rows: pd.DataFrame) -> ResidualRows:
    """Return the arrays of a residual structure, checked.

    Parameters
    ----------
    structure : ResidualStructure
    rows : DataFrame
        Complete rows.

    Raises
    ------
    DataError
        If a session is not a whole number, or a time occurs twice within a block.
    ModelError
        If a variance group is the only one or has one row, there are too many, or no block has two rows.
    """
    blocks = times = groups = None
    labels: tuple[str, ...] = ()
    own = structure.correlation
    if own is not None:
        blocks = make_grouping(rows, own.by).codes
        _require_pairs(own, blocks)
        if own.time:
            times = _whole_numbers(rows, own.time) if own.kind == "ar1" else _times(rows, own.time)
            _require_distinct(own, blocks, times)
    if structure.variance_by:
        grouping = make_grouping(rows, structure.variance_by)
        groups, labels = grouping.codes, _labels(grouping)
        _require_comparable(grouping)
    return ResidualRows(structure, blocks, times, groups, labels)


def require_inside(rows: ResidualRows, groupings: Sequence[Grouping]) -> None:
    """Raise a ModelError if a block spreads over levels of a grouping factor, or equals those of one it cannot be told from."""
    own = rows.structure.correlation
    if own is None or rows.blocks is None:
        return
    for grouping in groupings:
        home = np.zeros(int(rows.blocks.max()) + 1, dtype=np.int64)
        home[rows.blocks] = grouping.codes
        crossing = home[rows.blocks] != grouping.codes
        if crossing.any():
            n_blocks = np.unique(rows.blocks[crossing]).size
            raise ModelError.build(
                f"Residuals that correlate within '{':'.join(own.by)}' must lie within one level of every grouping factor; "
                f"{n_blocks} of {home.size} blocks spread over several levels of '{grouping.name}', which cuts across them.",
                hint=f"leave out the random term of '{grouping.name}', name smaller blocks with by=, or, for members of a dyad, "
                "write effects by role within the dyad: (0 + C(role) | dyad).",
            )


def _require_pairs(own: ResidualCorrelation, blocks: Codes) -> None:
    """Raise a ModelError if no block has two rows."""
    if np.bincount(blocks).max() < 2:
        raise ModelError.build(
            f"None of the {int(blocks.max()) + 1} blocks of '{':'.join(own.by)}' has two rows: the residual correlation of "
            f"{own} cannot be estimated.",
            hint="name larger blocks with by=, such as the patient instead of the session.",
        )


def _whole_numbers(rows: pd.DataFrame, column: str) -> Floats:
    """Return session numbers, shape (n_rows,)."""
    if pd.api.types.is_datetime64_any_dtype(rows[column]):
        raise DataError.build(
            f"ar1() needs whole numbers, the order of sessions; column '{column}' holds dates.",
            hint=f'use car1("{column}", by=...) for real times.',
        )
    numbers = numeric_values(rows, column)
    broken = ~np.isfinite(numbers) | (numbers != np.round(numbers))
    if broken.any():
        raise DataError.build(
            f"ar1() needs whole numbers, the order of sessions; {int(broken.sum())} of {numbers.size} values of column "
            f"'{column}' are not whole.",
            hint=f'use car1("{column}", by=...) for real times, or turn them into an order first.',
        )
    return numbers


def _times(rows: pd.DataFrame, column: str) -> Floats:
    """Return times in the column's unit, days for dates, shape (n_rows,)."""
    if pd.api.types.is_datetime64_any_dtype(rows[column]):
        since = rows[column] - rows[column].min()
        return np.asarray(since.dt.total_seconds().to_numpy(dtype=float) / SECONDS_PER_DAY)
    numbers = numeric_values(rows, column)
    if not np.isfinite(numbers).all():
        raise DataError.build(
            f"{int((~np.isfinite(numbers)).sum())} of {numbers.size} values of column '{column}' are infinite.",
            hint="correct them; car1() needs the time of each row.",
        )
    return numbers


def _require_distinct(own: ResidualCorrelation, blocks: Codes, times: Floats) -> None:
    """Raise a DataError if a time occurs twice within a block."""
    order = np.lexsort((times, blocks))
    again = (np.diff(blocks[order]) == 0) & (np.diff(times[order]) == 0)
    if again.any():
        count = int(again.sum())
        raise DataError.build(
            f"{count} of {blocks.size} rows {'repeats' if count == 1 else 'repeat'} the '{own.time}' of another row of the same "
            f"'{':'.join(own.by)}': {own.kind}() needs one row per time within a block.",
            hint=f'remove the copies, or name what tells the rows apart, such as by="{":".join(own.by)}:rater".',
        )


def _labels(grouping: Grouping) -> tuple[str, ...]:
    """Return the label of each level as text."""
    labels = grouping.labels
    if labels.nlevels > 1:
        return tuple(":".join(str(part) for part in label) for label in labels)
    return tuple(str(label) for label in labels)


def _require_comparable(grouping: Grouping) -> None:
    """Raise a ModelError if variances by the levels of a grouping cannot be compared."""
    counts = np.bincount(grouping.codes)
    if counts.size < 2:
        raise ModelError.build(
            f"'{grouping.name}' has one level in the rows used: there is no second residual variance to compare.",
            hint="leave out variance_by(), or check the filter applied before this call.",
        )
    if counts.size > MAX_VARIANCES:
        raise ModelError.build(
            f"'{grouping.name}' has {counts.size} levels; variance_by() takes up to {MAX_VARIANCES}.",
            hint="name a column with few levels, such as role or phase.",
        )
    if counts.min() < 2:
        raise ModelError.build(
            f"{int((counts < 2).sum())} of {counts.size} levels of '{grouping.name}' have one row: their residual variance "
            "cannot be estimated.",
            hint="join levels, or leave those rows out.",
        )
