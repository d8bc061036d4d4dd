"""Rows for a mediation model: predictor, mediator and outcome of later sessions, both equations stacked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from alliance_stats.columns import group_codes, numeric_values, session_order
from alliance_stats.errors import DataError
from alliance_stats.process.panel_table import FloatArray, one_rater_each

Design = Literal["1-1-1", "2-1-1"]


@dataclass(frozen=True)
class Chains:
    """Predictor, mediator and outcome in their order in time, one row per chain.

    Parameters
    ----------
    patient : ndarray of int, shape (n,)
    ratings : ndarray, shape (n, 3)
        Predictor, mediator, outcome.
    covariates : ndarray, shape (n, k)
        Of the predictor's session, or of the mediator's for a predictor of the patient.
    n_rows : int
        Rows of the session table.
    """

    patient: npt.NDArray[np.int64]
    ratings: FloatArray
    covariates: FloatArray
    n_rows: int

    @property
    def n_patients(self) -> int:
        """Number of patients with a chain."""
        return len(np.unique(self.patient))


@dataclass(frozen=True)
class Stacked:
    """Both equations as one data set, in SD units.

    Parameters
    ----------
    rows : DataFrame
        Two rows per chain: ``z``, ``equation``, ``patient``, indicators ``s_m`` and ``s_y`` and their products.
    unit : dict of str to float
        SDs of predictor (x), mediator (m) and outcome (y).
    covariate_terms : tuple of str
    """

    rows: pd.DataFrame = field(repr=False)
    unit: dict[str, float]
    covariate_terms: tuple[str, ...]


def chains_of(
    frame: pd.DataFrame, columns: Sequence[str], covariates: Sequence[str], *, lags: tuple[int, ...]
) -> Chains:
    """Return the chains of a session table.

    Parameters
    ----------
    frame : DataFrame
        One row per patient and session.
    columns : sequence of str
        Predictor, mediator, outcome.
    covariates : sequence of str
    lags : tuple of int
        Sessions from predictor to mediator and from mediator to outcome; the last alone if the predictor has no session.

    Raises
    ------
    ColumnError
        If a column is not numeric.
    DataError
        If raters are mixed, a session repeats, or no chain is complete.
    """
    one_rater_each(frame)
    patients, _ = group_codes(frame, "patient")
    sessions = session_order(frame)
    values = np.column_stack([_finite(frame, name) for name in [*columns, *covariates]])
    place = {key: row for row, key in enumerate(zip(patients.tolist(), sessions.tolist(), strict=True)) if key[0] >= 0}
    steps = np.cumsum([0, *lags])
    # With one lag the predictor is taken from the mediator's row: it is the same in all rows of a patient.
    steps = steps if len(lags) == 2 else np.array([0, *steps])
    found = [
        [place.get((patient, session + int(step)), -1) for step in steps]
        for patient, session in zip(patients.tolist(), sessions.tolist(), strict=True)
        if patient >= 0
    ]
    where = np.array(found, dtype=np.int64).reshape(-1, 3)
    where = where[(where >= 0).all(axis=1)]
    triples = np.column_stack([values[where[:, position], position] for position in range(3)])
    given = values[where[:, 0], 3:]
    complete = ~np.isnan(triples).any(axis=1) & ~np.isnan(given).any(axis=1)
    if not complete.any():
        span = int(sessions.max() - sessions.min()) + 1
        raise DataError.build(
            f"No patient has {columns[0]}, {columns[1]} and {columns[2]} at these lags ({', '.join(map(str, lags))}); session "
            f"numbers run over {span} sessions, and {len(where)} rows have the sessions but not all ratings.",
            hint="use smaller lags, and check that session numbers count 1, 2, 3, ... within the patient.",
        )
    return Chains(patients[where[complete, 0]], triples[complete], given[complete], len(frame))


def _finite(frame: pd.DataFrame, name: str) -> FloatArray:
    """Return a numeric column, shape (n_rows,)."""
    values = numeric_values(frame, name)
    if np.isinf(values).any():
        raise DataError.build(
            f"Column '{name}' has {int(np.isinf(values).sum())} infinite values.", hint="mark them as missing first."
        )
    return values


def stacked(chains: Chains, columns: Sequence[str], design: Design) -> Stacked:
    """Return both equations as one data set.

    Parameters
    ----------
    chains : Chains
    columns : sequence of str
        Names of predictor, mediator and outcome, for messages.
    design : {"1-1-1", "2-1-1"}

    Raises
    ------
    DataError
        If a rating does not vary where it must, or a predictor of the patient varies.
    """
    within = _within(chains.ratings, chains.patient)
    _check_variation(chains, within, columns, design)
    unit = dict(zip("xmy", chains.ratings.std(axis=0), strict=True))
    x = (within if design == "1-1-1" else chains.ratings - chains.ratings.mean(axis=0))[:, 0] / unit["x"]
    m_within = within[:, 1] / unit["m"]
    m_patient = (chains.ratings[:, 1] - within[:, 1] - chains.ratings[:, 1].mean()) / unit["m"]
    mediator = (chains.ratings[:, 1] - chains.ratings[:, 1].mean()) / unit["m"]
    outcome = (chains.ratings[:, 2] - chains.ratings[:, 2].mean()) / unit["y"]
    zero, one = np.zeros(len(x)), np.ones(len(x))
    top: dict[str, FloatArray] = {"z": mediator, "s_m": one, "s_y": zero, "mx": x}
    top |= dict.fromkeys(("yx", "ym", "ym_patient"), zero)
    low: dict[str, FloatArray] = {"z": outcome, "s_m": zero, "s_y": one, "mx": zero}
    low |= {"yx": x, "ym": m_within, "ym_patient": m_patient}
    terms = []
    for number, column in enumerate(_covariate_columns(chains)):
        for sign, own, other in (("m", top, low), ("y", low, top)):
            name = f"{sign}_covariate{number}"
            own[name], other[name] = column, zero
            terms.append(name)
    tables = [
        pd.DataFrame({**part, "equation": equation, "patient": chains.patient})
        for part, equation in ((top, "mediator"), (low, "outcome"))
    ]
    return Stacked(pd.concat(tables, ignore_index=True), unit, tuple(terms))


def _within(values: FloatArray, patient: npt.NDArray[np.int64]) -> FloatArray:
    """Return deviations from patients' means, shape of ``values``; exactly zero for a constant."""
    table = pd.DataFrame(values - values[0])
    return np.asarray(table - table.groupby(patient).transform("mean"))


def _covariate_columns(chains: Chains) -> list[FloatArray]:
    """Return covariates in SD units: deviations from the patient's mean if they vary within patients."""
    columns = []
    for raw, deviation in zip(chains.covariates.T, _within(chains.covariates, chains.patient).T, strict=True):
        varies = np.ptp(deviation) > 1e-10 * max(float(np.abs(raw).max()), 1e-300)
        column = deviation if varies else raw - raw.mean()
        columns.append(column / max(float(column.std()), 1e-300))
    return columns


def _check_variation(chains: Chains, within: FloatArray, columns: Sequence[str], design: Design) -> None:
    """Raise a DataError if a rating does not vary where it must, or varies where it must not."""
    varying = np.ptp(within, axis=0) > 1e-10 * np.abs(chains.ratings).max(axis=0)
    sizes = f"{len(within)} chains of {chains.n_patients} patients"
    if design == "2-1-1" and varying[0]:
        raise DataError.build(
            f"'{columns[0]}' differs between sessions of the same patient, in {sizes}.",
            hint='a 2-1-1 design needs a predictor of the patient, such as the treatment; else use design="1-1-1".',
        )
    needed = (0, 1, 2) if design == "1-1-1" else (1, 2)
    flat = [columns[position] for position in needed if not varying[position]]
    if flat:
        raise DataError.build(
            f"'{flat[0]}' does not vary within patients, in {sizes}.",
            hint="each patient needs several sessions with different ratings; check the column and the lags.",
        )
    if design == "2-1-1" and np.ptp(chains.ratings[:, 0]) == 0:
        raise DataError.build(
            f"'{columns[0]}' is the same for all patients.", hint="compare patients who differ in it."
        )
