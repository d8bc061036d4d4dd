"""Random numbers of a simulated study, person by person, so that nobody's rows depend on who else is in the study."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alliance_stats.planning.truth import StudyTruth

N_WAI = 12
N_ORS = 4
N_FACETS = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class TherapistDraws:
    """Random numbers of all therapists.

    Parameters
    ----------
    caseload : ndarray, shape (n_therapists,)
        Probability that a patient goes to each therapist.
    normal : ndarray, shape (n_therapists, 2)
        Standard normal: alliance, outcome.
    shares : ndarray, shape (n_therapists, n_codes)
        Expected share of each code.
    """

    caseload: np.ndarray
    normal: np.ndarray
    shares: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class PatientDraws:
    """Random numbers of all patients; T is the largest number of sessions.

    Parameters
    ----------
    therapist : ndarray of int, shape (n_patients,)
    length : ndarray, shape (n_patients,)
        Uniform: place in the range of planned sessions.
    normal : ndarray, shape (n_patients, 10)
        Standard normal: alliance, outcome, session effect, 3 facets, 4 ORS items.
    shares : ndarray, shape (n_patients, n_codes)
        Expected share of each code.
    session_normal : ndarray, shape (n_patients, T, 21)
        Standard normal: alliance, outcome, 3 facets, 12 WAI-SR items, 4 ORS items.
    session_uniform : ndarray, shape (n_patients, T, 19)
        Uniform: dropout, WAI-SR form, ORS form, 12 and 4 items.
    counts : ndarray of int, shape (n_patients, T, n_codes)
        Statements of each code.
    """

    therapist: np.ndarray
    length: np.ndarray
    normal: np.ndarray
    shares: np.ndarray
    session_normal: np.ndarray
    session_uniform: np.ndarray
    counts: np.ndarray


def draw_therapists(truth: StudyTruth, seeds: list[np.random.SeedSequence]) -> TherapistDraws:
    """Draw the therapists, one seed each."""
    average = np.array(list(truth.code_shares.values()))
    weights = np.empty(len(seeds))
    normal = np.empty((len(seeds), 2))
    shares = np.empty((len(seeds), average.size))
    for i, seed in enumerate(seeds):
        rng = np.random.default_rng(seed)
        weights[i] = rng.standard_gamma(truth.caseload_shape)
        normal[i] = rng.standard_normal(2)
        shares[i] = _dirichlet(rng, truth.share_concentration.therapist * average)
    return TherapistDraws(caseload=weights / weights.sum(), normal=normal, shares=shares)


def draw_patients(
    truth: StudyTruth, therapists: TherapistDraws, seeds: list[np.random.SeedSequence], n_sessions: int
) -> PatientDraws:
    """Draw the patients, one seed each, with ``n_sessions`` sessions each."""
    n, n_codes = len(seeds), therapists.shares.shape[1]
    bounds = np.cumsum(therapists.caseload)
    therapist = np.empty(n, dtype=np.int64)
    length = np.empty(n)
    normal = np.empty((n, 3 + N_FACETS + N_ORS))
    shares = np.empty((n, n_codes))
    session_normal = np.empty((n, n_sessions, 2 + N_FACETS + N_WAI + N_ORS))
    session_uniform = np.empty((n, n_sessions, 3 + N_WAI + N_ORS))
    counts = np.empty((n, n_sessions, n_codes), dtype=np.int64)
    for i, seed in enumerate(seeds):
        rng = np.random.default_rng(seed)
        place, length[i] = rng.random(2)
        therapist[i] = min(int(np.searchsorted(bounds, place, side="right")), len(bounds) - 1)
        normal[i] = rng.standard_normal(normal.shape[1])
        session_normal[i] = rng.standard_normal(session_normal.shape[1:])
        session_uniform[i] = rng.random(session_uniform.shape[1:])
        shares[i] = _dirichlet(rng, truth.share_concentration.patient * therapists.shares[therapist[i]])
        counts[i] = _statements(rng, truth, shares[i], n_sessions)
    return PatientDraws(
        therapist=therapist,
        length=length,
        normal=normal,
        shares=shares,
        session_normal=session_normal,
        session_uniform=session_uniform,
        counts=counts,
    )


def _statements(rng: np.random.Generator, truth: StudyTruth, shares: np.ndarray, n_sessions: int) -> np.ndarray:
    """Return the number of statements of each code, shape (n_sessions, n_codes)."""
    concentration = truth.share_concentration.session * shares
    of_session = _dirichlet(rng, np.broadcast_to(concentration, (n_sessions, shares.size)))
    size = truth.statements_size
    total = 1 + rng.negative_binomial(size, size / (size + truth.statements_mean - 1), size=n_sessions)
    return rng.multinomial(total, of_session)


def _dirichlet(rng: np.random.Generator, concentration: np.ndarray) -> np.ndarray:
    """Return one draw of shares per row of concentrations, same shape."""
    drawn = rng.standard_gamma(concentration)
    shares: np.ndarray = drawn / drawn.sum(axis=-1, keepdims=True)
    return shares
