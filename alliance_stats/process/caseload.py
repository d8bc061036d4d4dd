"""Whom each therapist treats: the rows of an analysis of therapists, and the formulas of its models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from alliance_stats.columns import CANONICAL, ID_COLUMNS, require_columns
from alliance_stats.errors import DataError, agreeing, counted
from alliance_stats.process.arguments import column_name, column_names
from alliance_stats.process.parts import quoted
from alliance_stats.process.rated_rows import rated_rows, require_change, require_once, require_one_rater
from alliance_stats.process.session_frame import session_frame

WITHOUT, WITH = "without caseload", "with caseload"
"""The two models: before and after what patients bring with them is held fixed."""


@dataclass(frozen=True, kw_only=True)
class Caseload:
    """The rows of an analysis of therapists.

    Parameters
    ----------
    outcome : str
    rows : DataFrame
        One row per rating, complete in all columns of the models.
    covariates, caseload : tuple of str
        Columns of both models, and of the second alone.
    slope : str or None
        Column whose slope differs between therapists.
    n_therapists, n_patients : int
    sessions : float
        Harmonic mean of ratings per patient; 1 with one row per patient.
    notes : tuple of str
    """

    outcome: str
    rows: pd.DataFrame = field(repr=False)
    covariates: tuple[str, ...]
    caseload: tuple[str, ...]
    slope: str | None
    n_therapists: int
    n_patients: int
    sessions: float
    notes: tuple[str, ...]

    @property
    def repeated(self) -> bool:
        """Whether patients have several rows, so that they are a level of their own."""
        return len(self.rows) > self.n_patients

    @property
    def centred(self) -> str:
        """Name of the slope's column minus its mean."""
        return f"{self.slope}_centred"

    def formula(self, model: str) -> str:
        """Return the formula of one of the two models."""
        extra = self.caseload if model == WITH else ()
        slope = (self.slope,) if self.slope else ()
        names = tuple(dict.fromkeys([*slope, *self.covariates, *extra]))
        effects = f"1 + {quoted(self.centred)}" if self.slope else "1"
        groups = ("patient", "therapist") if self.repeated else ("therapist",)
        terms = [*(quoted(name) for name in names), *(f"({effects} | {group})" for group in groups)]
        return f"{quoted(self.outcome)} ~ {' + '.join(terms)}"

    def patients_per_therapist(self, labels: pd.Index[Any]) -> np.ndarray:
        """Return the number of patients of each therapist, shape (n_therapists,)."""
        pairs = self.rows[["therapist", "patient"]].drop_duplicates()
        return pairs["therapist"].value_counts().reindex(labels).to_numpy(dtype=np.int64)


def caseload_rows(
    frame: Any,
    outcome: str,
    *,
    covariates: Sequence[str],
    caseload: Sequence[str],
    slope: str | None,
) -> Caseload:
    """Return the complete rows with their counts; raise if therapists cannot be compared."""
    table = session_frame(frame)
    covariates, caseload = column_names(covariates, "covariates"), column_names(caseload, "caseload")
    own = [] if slope is None else [column_name(slope, "slope")]
    others = [*covariates, *caseload, *own]
    _check_roles(column_name(outcome, "outcome"), covariates, caseload, slope)
    require_columns(table, ["patient", "therapist"], hint="rename your columns with read_sessions().")
    found = rated_rows(table, outcome, ["patient", "therapist", *others], numeric=own)
    rows = found.rows
    require_one_rater(rows, outcome, named=others)
    if "session" in rows:
        require_once(rows, ["patient", "session"])
    require_change(
        rows,
        outcome,
        hint="an outcome of the whole treatment needs one row per patient, for example "
        "frame.drop_duplicates('patient').drop(columns='session').",
    )
    n_therapists, n_patients = int(rows["therapist"].nunique()), int(rows["patient"].nunique())
    _check_counts(rows, n_therapists, n_patients, slope)
    if slope is not None:
        rows = rows.assign(**{f"{slope}_centred": rows[slope] - rows[slope].mean()})
        _check_slope(rows, slope)
    counts = rows["patient"].value_counts().to_numpy(dtype=float)
    per_patient = counts[counts > 0]
    return Caseload(
        outcome=outcome,
        rows=rows,
        covariates=covariates,
        caseload=caseload,
        slope=slope,
        n_therapists=n_therapists,
        n_patients=n_patients,
        sessions=float(per_patient.size / np.sum(1.0 / per_patient)),
        notes=(found.account(), *_transfers(rows)),
    )


def _check_roles(outcome: str, covariates: Sequence[str], caseload: Sequence[str], slope: str | None) -> None:
    """Raise a DataError when a column has two roles, a name of the model, or would turn people into terms of it."""
    named = [*covariates, *caseload]
    if outcome in CANONICAL:
        raise DataError.build(
            f"Column '{outcome}' holds {CANONICAL[outcome]}; that is not a rating.", hint="name another column."
        )
    if slope is not None and (slope == outcome or slope in ID_COLUMNS):
        raise DataError.build(f"'{slope}' cannot be the slope: it has another role in the model.", hint="name a time.")
    if slope is not None and f"{slope}_centred" in (*named, outcome):
        raise DataError.build(f"The name '{slope}_centred' is used by the model.", hint="rename the column.")
    twice = [name for name in named if name == outcome or named.count(name) > 1]
    if twice:
        raise DataError.build(f"'{twice[0]}' has two roles in the model.", hint="name each column once.")
    grouping = [name for name in named if name in ID_COLUMNS]
    if grouping:
        raise DataError.build(
            f"'{grouping[0]}' groups the rows and cannot be a covariate: every one of its values would become a term.",
            hint="leave it out; patients and therapists have random effects already.",
        )


def _check_slope(rows: pd.DataFrame, slope: str) -> None:
    """Raise a DataError if the column of the slope does not vary within patients."""
    own = rows.groupby("patient", observed=True)[slope]
    if not (own.max() > own.min()).any():
        raise DataError.build(
            f"'{slope}' does not vary within patients ({rows['patient'].nunique()} of {rows['patient'].nunique()} have one "
            "value), so that no slope of it can be seen.",
            hint="slope= takes a column that changes over sessions, such as 'session'; others go into caseload=.",
        )


def _check_counts(rows: pd.DataFrame, n_therapists: int, n_patients: int, slope: str | None) -> None:
    """Raise a DataError if there are too few units to tell therapists from patients."""
    if n_therapists < 2:
        raise DataError.build(
            f"There is one therapist in the {len(rows)} rows analysed, so nothing varies between therapists.",
            hint="therapist effects need two or more therapists, and many more to be known at all well.",
        )
    pairs = rows[["therapist", "patient"]].drop_duplicates()
    if len(pairs) == n_therapists:
        raise DataError.build(
            f"Each of the {n_therapists} therapists has one patient: therapists and patients cannot be told apart.",
            hint="therapist effects need therapists with two or more patients.",
        )
    if slope and len(rows) == n_patients:
        raise DataError.build(
            f"The slope of '{slope}' cannot differ between therapists: each of the {n_patients} patients has one row.",
            hint="leave slope= out, or pass the table with one row per session.",
        )


def _transfers(rows: pd.DataFrame) -> list[str]:
    """Return a note on patients who met several therapists."""
    pairs = rows[["patient", "therapist"]].drop_duplicates()
    several = int((pairs["patient"].value_counts() > 1).sum())
    if not several:
        return []
    return [
        f"{counted(several, 'patient')} {agreeing(several, 'belongs', 'belong')} to more than one therapist: patients and "
        f"therapists cross in the model; each therapist counts {agreeing(several, 'that patient', 'them')}."
    ]
