"""The rows of a course over time: outcome, time, patients, and groups to compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from alliance_stats.columns import CANONICAL, ID_COLUMNS, numeric_values, one_column, require_columns
from alliance_stats.errors import ColumnError, DataError, agreeing, counted
from alliance_stats.process.arguments import column_name
from alliance_stats.process.rated_rows import RatedRows, rated_rows, require_change, require_once, require_one_rater
from alliance_stats.process.session_frame import session_frame

MOST_GROUPS = 8
"""Groups that a picture can tell apart."""


@dataclass(frozen=True, kw_only=True, eq=False)
class GrowthRows:
    """The rows of a growth model.

    Parameters
    ----------
    outcome, time : str
    by : str or None
    rows : DataFrame
        Complete in outcome, time, patient and by; one row per patient and time.
    groups : tuple of str
        Values of ``by`` as text, in sorted order; ("all",) without it.
    above : tuple of str
        Columns of units above the patient that get a random intercept.
    n_given : int
        Rows of the caller's frame.
    left_out : mapping of str to int
        Reason to number of rows.
    notes : tuple of str
    """

    outcome: str
    time: str
    by: str | None
    rows: pd.DataFrame = field(repr=False)
    groups: tuple[str, ...]
    above: tuple[str, ...]
    n_given: int
    left_out: Mapping[str, int]
    notes: tuple[str, ...]

    @property
    def times(self) -> np.ndarray:
        """Times of the rows, shape (n_rows,)."""
        return self.rows[self.time].to_numpy(dtype=float)

    @property
    def group_of_rows(self) -> np.ndarray:
        """Number of the group of each row, shape (n_rows,)."""
        if self.by is None:
            return np.zeros(len(self.rows), dtype=np.int64)
        return self.rows[self.by].cat.codes.to_numpy(dtype=np.int64)

    def patients(self, groups: Sequence[int]) -> int:
        """Return the number of patients of some groups."""
        return int(self.rows.loc[np.isin(self.group_of_rows, list(groups)), "patient"].nunique())

    def account(self) -> str:
        """Return a sentence on rows given, analysed and left out."""
        return RatedRows(self.rows, self.n_given, self.left_out).account()


def growth_rows(
    frame: Any, outcome: str, *, time: str, by: str | None, taken: Sequence[str], further: Sequence[str] = ()
) -> GrowthRows:
    """Return the complete rows; raise if no course can be seen in them.

    Parameters
    ----------
    frame : DataFrame
    outcome, time : str
    by : str or None
    taken : sequence of str
        Names that the model uses for columns of its own.
    further : sequence of str
        Further columns of the model; they must exist, but need not be filled.
    """
    table = session_frame(frame)
    _check_roles(column_name(outcome, "outcome"), column_name(time, "time"), by, taken)
    used = ["patient", time, *([by] if by else [])]
    hint = "rename your columns with read_sessions(), or pass the names your data use."
    require_columns(table, [outcome, *used, *further], hint=hint)
    _check_time(table, time)
    found = rated_rows(table, outcome, used, numeric=[time])
    rows = found.rows
    require_one_rater(rows, outcome, named=[*([by] if by else []), *further])
    require_once(rows, ["patient", time])
    n_patients = rows["patient"].nunique()
    if n_patients == len(rows):
        who = "The one patient has" if n_patients == 1 else f"Each of the {n_patients} patients has"
        raise DataError.build(
            f"{who} one rating of '{outcome}': no course can be seen.",
            hint="a course needs two or more sessions of the same patient.",
        )
    require_change(
        rows, outcome, hint="a course needs a rating of each session; a value of the whole treatment has no course."
    )
    groups: tuple[str, ...] = ("all",)
    if by:
        rows, groups = _grouped(rows, by)
    above, notes = units_above(rows, by)
    return GrowthRows(
        outcome=outcome,
        time=time,
        by=by,
        rows=rows,
        groups=groups,
        above=above,
        n_given=found.n_given,
        left_out=found.left_out,
        notes=tuple(notes),
    )


def _check_roles(outcome: str, time: str, by: str | None, taken: Sequence[str]) -> None:
    """Raise a DataError when a column has two roles, or its name is taken."""
    named = [outcome, time, *([column_name(by, "by")] if by is not None else [])]
    if len(set(named)) < len(named):
        raise DataError.build("A column has two roles among outcome, time and by.", hint="name each column once.")
    if by in ID_COLUMNS:
        raise DataError.build(
            f"'{by}' names people or places, not groups to compare.", hint="by= takes an arm, a diagnosis, a role."
        )
    for name, what in ((outcome, "a rating"), (time, "a time")):
        if name in CANONICAL and (name, what) != ("session", "a time"):
            raise DataError.build(
                f"Column '{name}' holds {CANONICAL[name]}; that is not {what}.", hint="name another column."
            )
    require_free(named, taken)


def require_free(named: Sequence[str], taken: Sequence[str]) -> None:
    """Raise a DataError when a column has a name that the model uses for a column of its own."""
    clash = [name for name in named if name in taken]
    if clash:
        raise DataError.build(
            f"The name '{clash[0]}' is used by the model.", hint="rename the column, for example with frame.rename()."
        )


def _check_time(table: pd.DataFrame, time: str) -> None:
    """Raise a ColumnError, with the way from dates to days, if times are not numbers."""
    one_column(table, time)
    try:
        numeric_values(table, time)
    except ColumnError as error:
        raise ColumnError.build(
            str(error).split("\nHint:")[0],
            hint=f"time= takes numbers in one unit. Of dates, days since each patient's first: dates = pd.to_datetime("
            f"frame['{time}']); frame['day'] = (dates - dates.groupby(frame['patient']).transform('min')).dt.days; then "
            "time='day'.",
        ) from None


def _grouped(rows: pd.DataFrame, by: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the rows with ``by`` as a category of texts, and its groups; raise if they cannot be compared."""
    text = rows[by].astype(str)
    kinds = {isinstance(value, str) for value in rows[by].unique()}
    # Numbers beside texts have no order; as texts they do.
    groups = tuple(dict.fromkeys(str(v) for v in pd.unique((text if len(kinds) > 1 else rows[by]).sort_values())))
    if not 2 <= len(groups) <= MOST_GROUPS:
        raise DataError.build(
            f"by='{by}' makes {counted(len(groups), 'group')} in the {len(rows)} rows analysed; 2 to {MOST_GROUPS} can be "
            "compared.",
            hint="name a column of a few groups, or leave by= out.",
        )
    changed = int((text.groupby(rows["patient"], observed=True).nunique() > 1).sum())
    if changed:
        who = f"{counted(changed, 'patient')} {agreeing(changed, 'is', 'are')}"
        raise DataError.build(
            f"{who} in more than one group of '{by}'.",
            hint="by= takes a group that does not change over the course, such as the arm; phases come from break_at=.",
        )
    return rows.assign(**{by: pd.Categorical(text, categories=list(groups))}), groups


def units_above(rows: pd.DataFrame, by: str | None) -> tuple[tuple[str, ...], list[str]]:
    """Return the columns of units above the patient, and notes on those that are left out."""
    found, notes = [], []
    n_patients = rows["patient"].nunique()
    for name in ("therapist", "dyad"):
        if name not in rows or name == by:
            continue
        missing, count = int(rows[name].isna().sum()), rows[name].nunique()
        if missing:
            notes.append(
                f"No random effect for {name}: it is missing in {missing} of {len(rows)} rows. Patients of one {name} count as "
                "independent, which makes intervals too narrow if they are alike."
            )
        elif 2 <= count < n_patients:
            found.append(name)
        else:
            notes.append(f"No random effect for {name}: {count} of them for {n_patients} patients.")
    if "therapist" not in rows and by != "therapist":
        notes.append("There is no therapist column: patients count as independent.")
    return tuple(found), notes
