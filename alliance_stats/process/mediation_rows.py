"""Rows for a mediation model: predictor, mediator and outcome of later sessions, both equations stacked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from alliance_stats.errors import DataError
from alliance_stats.process.panel_rows import FloatArray, PanelRows, panel_rows, rows_note

Design = Literal["1-1-1", "2-1-1"]

COPY = 1e-10
"""Largest share of a column's variance that is not a rating's, of columns that repeat it."""


MIN_DEVIATIONS = 3
"""With fewer deviations from patients' means any two columns may seem to be one."""


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
    names : tuple of str, length k
        Of the covariates.
    rows : str
        The sentence on rows given, used and left out.
    """

    patient: npt.NDArray[np.int64]
    ratings: FloatArray
    covariates: FloatArray
    names: tuple[str, ...]
    rows: str

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
        Among them mediator and outcome, if those of the first row of a chain are held fixed.
    lags : tuple of int
        Sessions from predictor to mediator and from mediator to outcome; the last alone if the predictor has no session.

    Raises
    ------
    ColumnError
        If a column is not numeric.
    DataError
        If raters are mixed, a session repeats, or no chain is complete.
    """
    others = [name for name in covariates if name not in columns]
    rows = panel_rows(frame, columns, others)
    places = [[*columns, *others].index(name) for name in covariates]
    steps = np.cumsum([0, *lags])
    # With one lag the predictor is taken from the mediator's row: it is the same in all rows of a patient.
    steps = steps if len(lags) == 2 else np.array([0, *steps])
    where = _later_rows(rows, steps)
    triples = np.column_stack([rows.cells[where[:, position], position] for position in range(3)])
    given = rows.cells[where[:, 0]][:, places]
    complete = ~np.isnan(triples).any(axis=1) & ~np.isnan(given).any(axis=1)
    if not complete.any():
        span = int(np.ptp(rows.session)) + 1 if rows.session.size else 0
        raise DataError.build(
            f"No patient has {columns[0]}, {columns[1]} and {columns[2]} at these lags ({', '.join(map(str, lags))}); session "
            f"numbers run over {span} {'session' if span == 1 else 'sessions'}, and {len(where)} rows have the sessions but "
            "not all ratings.",
            hint="use smaller lags, and check that session numbers count 1, 2, 3, ... within the patient.",
        )
    used = (
        f"{int(complete.sum())} of them begin a chain with all three ratings{' and covariates' if covariates else ''}"
    )
    lost = int((~complete).sum())
    reasons = [
        (len(rows.patient) - len(where), "without the later sessions"),
        (lost, "whose ratings in these sessions are not all known"),
    ]
    return Chains(
        patient=rows.patient[where[complete, 0]],
        ratings=triples[complete],
        covariates=given[complete],
        names=tuple(covariates),
        rows=rows_note(rows, used, reasons),
    )


def _later_rows(rows: PanelRows, steps: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return rows that begin a chain and those of its later sessions, shape (n, 3)."""
    pairs = list(zip(rows.patient.tolist(), rows.session.tolist(), strict=True))
    place = {pair: row for row, pair in enumerate(pairs)}
    found = [[place.get((patient, session + int(step)), -1) for step in steps] for patient, session in pairs]
    where = np.array(found, dtype=np.int64).reshape(-1, 3)
    return where[(where >= 0).all(axis=1)]


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
        If a rating does not vary where it must, a predictor of the patient varies, or a covariate repeats a rating.
    """
    within = _within(chains.ratings, chains.patient)
    _check_variation(chains, within, columns, design)
    _check_copies(chains, within, columns)
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
    n_patients = chains.n_patients
    sizes = f"{len(within)} chains of {n_patients} {'patient' if n_patients == 1 else 'patients'}"
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


def _check_copies(chains: Chains, within: FloatArray, columns: Sequence[str]) -> None:
    """Raise a DataError if a rating or a covariate is another rating in other units, within patients or altogether."""
    if len(within) - chains.n_patients < MIN_DEVIATIONS:
        return
    names = [*columns, *chains.names]
    inside = np.column_stack([within, _within(chains.covariates, chains.patient)])
    together = np.column_stack([chains.ratings, chains.covariates])
    for table, where in ((inside, "within patients"), (together - together.mean(axis=0), "altogether")):
        squares = table.T @ table
        for first, second in combinations(range(len(names)), 2):
            size = squares[first, first] * squares[second, second]
            if first < len(columns) and size > 0 and size - squares[first, second] ** 2 <= COPY * size:
                what = "a covariate" if second >= len(columns) else "a rating of another session"
                raise DataError.build(
                    f"'{names[second]}', {what}, is '{names[first]}' in other units, {where} in all {len(within)} chains.",
                    hint="leave the covariate out." if second >= len(columns) else "name three different ratings.",
                )
