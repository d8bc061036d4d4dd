"""The course of alliance and outcome on the latent scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alliance_stats.planning.draws import PatientDraws, TherapistDraws
from alliance_stats.planning.truth import ByLevel, StudyTruth


@dataclass(frozen=True, kw_only=True, eq=False)
class Levels:
    """One quantity split into levels.

    Parameters
    ----------
    session : ndarray, shape (n_patients, T)
        Deviation of a session from the patient's expectation.
    patient : ndarray, shape (n_patients,)
        Deviation of the patient from the therapist's expectation.
    therapist : ndarray, shape (n_patients,)
        Deviation of the patient's therapist from the average.
    """

    session: np.ndarray
    patient: np.ndarray
    therapist: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class Course:
    """Latent alliance and outcome, the shares that moved them, and who was still there.

    Parameters
    ----------
    alliance, outcome : ndarray, shape (n_patients, T)
        In WAI-SR points (item mean) and ORS points (sum).
    alliance_parts, outcome_parts, supportive, controlling : Levels
    attended : ndarray of int, shape (n_patients,)
        Number of sessions.
    dropped_out : ndarray of bool, shape (n_patients,)
        Whether treatment ended before the planned number of sessions.
    """

    alliance: np.ndarray
    outcome: np.ndarray
    alliance_parts: Levels
    outcome_parts: Levels
    supportive: Levels
    controlling: Levels
    attended: np.ndarray
    dropped_out: np.ndarray


def simulate_course(
    truth: StudyTruth, therapists: TherapistDraws, patients: PatientDraws, sessions: tuple[int, int]
) -> Course:
    """Turn random numbers into the course of every patient."""
    supportive = _share_levels(truth, truth.supportive_codes, therapists, patients)
    controlling = _share_levels(truth, truth.controlling_codes, therapists, patients)
    lasting_alliance, lasting_outcome = _lasting(truth, therapists, patients, (supportive, controlling))
    pushed = truth.supportive.session * supportive.session + truth.controlling.session * controlling.session
    slope = truth.alliance_effect.session + truth.alliance_effect_sd * patients.normal[:, 2]
    alliance_dev, outcome_dev = _deviations(truth, patients.session_normal[:, :, :2], pushed, slope)
    time = np.arange(pushed.shape[1])
    alliance_base = lasting_alliance.patient + lasting_alliance.therapist
    outcome_base = lasting_outcome.patient + lasting_outcome.therapist
    alliance = truth.alliance_mean + truth.alliance_trend * time + alliance_base[:, None] + alliance_dev
    attended, dropped_out = _attendance(truth, patients, alliance, sessions)
    return Course(
        alliance=alliance,
        outcome=truth.outcome_mean + truth.outcome_trend * time + outcome_base[:, None] + outcome_dev,
        alliance_parts=Levels(
            session=alliance_dev, patient=lasting_alliance.patient, therapist=lasting_alliance.therapist
        ),
        outcome_parts=Levels(session=outcome_dev, patient=lasting_outcome.patient, therapist=lasting_outcome.therapist),
        supportive=supportive,
        controlling=controlling,
        attended=attended,
        dropped_out=dropped_out,
    )


def _share_levels(
    truth: StudyTruth, codes: tuple[str, ...], therapists: TherapistDraws, patients: PatientDraws
) -> Levels:
    """Return the share of some codes, split into deviations from what each level leads one to expect."""
    chosen = np.isin(list(truth.code_shares), codes)
    average = float(np.array(list(truth.code_shares.values()))[chosen].sum())
    of_therapist = therapists.shares[:, chosen].sum(axis=1)[patients.therapist]
    of_patient = patients.shares[:, chosen].sum(axis=1)
    of_session = patients.counts[:, :, chosen].sum(axis=2) / patients.counts.sum(axis=2)
    return Levels(
        session=of_session - of_patient[:, None], patient=of_patient - of_therapist, therapist=of_therapist - average
    )


def _lasting(
    truth: StudyTruth, therapists: TherapistDraws, patients: PatientDraws, shares: tuple[Levels, Levels]
) -> tuple[ByPerson, ByPerson]:
    """Return the lasting parts of alliance and outcome of patients and of their therapists."""
    supportive, controlling = shares
    of_therapist = therapists.normal[patients.therapist]
    alliance = ByPerson(
        patient=truth.alliance_sd.patient * patients.normal[:, 0]
        + truth.supportive.patient * supportive.patient
        + truth.controlling.patient * controlling.patient,
        therapist=truth.alliance_sd.therapist * of_therapist[:, 0]
        + truth.supportive.therapist * supportive.therapist
        + truth.controlling.therapist * controlling.therapist,
    )
    effect: ByLevel = truth.alliance_effect
    outcome = ByPerson(
        patient=truth.outcome_sd.patient * patients.normal[:, 1] + effect.patient * alliance.patient,
        therapist=truth.outcome_sd.therapist * of_therapist[:, 1] + effect.therapist * alliance.therapist,
    )
    return alliance, outcome


@dataclass(frozen=True, kw_only=True, eq=False)
class ByPerson:
    """Lasting deviations of patients and of their therapists, shape (n_patients,) each."""

    patient: np.ndarray
    therapist: np.ndarray


def _deviations(
    truth: StudyTruth, normal: np.ndarray, pushed: np.ndarray, slope: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the session deviations of alliance and outcome, shape (n_patients, T) each."""
    alliance, outcome = np.empty_like(pushed), np.empty_like(pushed)
    fresh_alliance = truth.alliance_sd.session * normal[:, :, 0]
    fresh_outcome = truth.outcome_sd.session * normal[:, :, 1]
    # The first session has no past: its new part is scaled up to the spread of an autoregression that has run for long.
    alliance[:, 0] = pushed[:, 0] + fresh_alliance[:, 0] / np.sqrt(1 - truth.alliance_carry_over**2)
    outcome[:, 0] = fresh_outcome[:, 0] / np.sqrt(1 - truth.outcome_carry_over**2)
    for t in range(1, pushed.shape[1]):
        before, outcome_before = alliance[:, t - 1], outcome[:, t - 1]
        alliance[:, t] = (
            truth.alliance_carry_over * before
            + truth.outcome_to_alliance * outcome_before
            + pushed[:, t]
            + fresh_alliance[:, t]
        )
        outcome[:, t] = truth.outcome_carry_over * outcome_before + slope * before + fresh_outcome[:, t]
    return alliance, outcome


def _attendance(
    truth: StudyTruth, patients: PatientDraws, alliance: np.ndarray, sessions: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return sessions attended and whether treatment ended early, shape (n_patients,) each."""
    least, most = sessions
    planned = least + np.floor(patients.length * (most - least + 1)).astype(np.int64)
    baseline = -np.log1p(-truth.dropout_rate)
    hazard = -np.expm1(-baseline * np.exp(truth.dropout_alliance * (alliance - truth.alliance_mean)))
    number = np.arange(1, most + 1)
    ends = (patients.session_uniform[:, :, 0] < hazard) & (number >= least) & (number < planned[:, None])
    dropped_out = ends.any(axis=1)
    return np.where(dropped_out, ends.argmax(axis=1) + 1, planned), dropped_out
