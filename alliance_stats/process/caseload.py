"""Whom each therapist treats: the rows of an analysis of therapists, and the formulas of its models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from alliance_stats.columns import ID_COLUMNS, numeric_values, require_columns
from alliance_stats.errors import DataError
from alliance_stats.process.parts import complete_rows, quoted

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
    frame: pd.DataFrame,
    outcome: str,
    *,
    covariates: Sequence[str],
    caseload: Sequence[str],
    slope: str | None,
) -> Caseload:
    """Return the complete rows with their counts; raise if therapists cannot be compared."""
    covariates, caseload = _names(covariates), _names(caseload)
    others = [*covariates, *caseload, *([slope] if slope else [])]
    _check_roles(outcome, covariates, caseload)
    require_columns(frame, ["patient", "therapist"], hint="rename your columns with read_sessions().")
    rows, notes = complete_rows(frame, outcome, ["patient", "therapist", *others])
    _check_varying(rows, outcome)
    n_therapists, n_patients = int(rows["therapist"].nunique()), int(rows["patient"].nunique())
    _check_counts(rows, n_therapists, n_patients, slope)
    if slope:
        values = numeric_values(rows, slope)
        rows = rows.assign(**{f"{slope}_centred": values - values.mean()})
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
        notes=(*notes, *_transfers(rows)),
    )


def _names(columns: Sequence[str]) -> tuple[str, ...]:
    """Return column names as a tuple; one name may stand alone."""
    return (columns,) if isinstance(columns, str) else tuple(columns)


def _check_roles(outcome: str, covariates: Sequence[str], caseload: Sequence[str]) -> None:
    """Raise a DataError when a column has two roles, or would turn people into terms of the model."""
    named = [*covariates, *caseload]
    twice = [name for name in named if name == outcome or named.count(name) > 1]
    if twice:
        raise DataError.build(f"'{twice[0]}' has two roles in the model.", hint="name each column once.")
    grouping = [name for name in named if name in ID_COLUMNS]
    if grouping:
        raise DataError.build(
            f"'{grouping[0]}' groups the rows and cannot be a covariate: every one of its values would become a term.",
            hint="leave it out; patients and therapists have random effects already.",
        )


def _check_varying(rows: pd.DataFrame, outcome: str) -> None:
    """Raise a DataError if the outcome is the same in all rows."""
    if rows[outcome].nunique() < 2:
        raise DataError.build(
            f"The outcome '{outcome}' is the same in all {len(rows)} rows analysed.",
            hint="check the column and any filter applied before this call.",
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
    who = "1 patient belongs" if several == 1 else f"{several} patients belong"
    return [
        f"{who} to more than one therapist: patients and therapists cross in the model; each therapist counts them."
    ]
