"""Simulate a study of therapist statements, alliance and outcome whose truth is known."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from alliance_stats.errors import DataError
from alliance_stats.planning.course import Course, Levels, simulate_course
from alliance_stats.planning.draws import (
    N_FACETS,
    N_ORS,
    N_WAI,
    PatientDraws,
    draw_patients,
    draw_therapists,
)
from alliance_stats.planning.truth import StudyTruth


@dataclass(frozen=True, kw_only=True, eq=False)
class SimulatedStudy:
    """A study drawn from a known truth.

    Parameters
    ----------
    frame : DataFrame
        What a researcher would have: one row per patient and session, with the columns patient, therapist, session,
        ``n_<code>`` (therapist statements), ``wai_1`` to ``wai_12`` (1 to 5, after the session), ``ors_1`` to ``ors_4``
        (0 to 10 by 0.1, before the session) and dropout (1 in the last session of a treatment that ended early).
    latent : DataFrame
        What nobody can see, for the same rows: alliance and outcome without error, split into ``_session``,
        ``_patient`` and ``_therapist`` parts, and the same parts of the shares supportive and controlling.
    truth : StudyTruth
        The parameters.
    notes : tuple of str
        N per level, dropout and missing answers.
    """

    frame: pd.DataFrame = field(repr=False)
    latent: pd.DataFrame = field(repr=False)
    truth: StudyTruth
    notes: tuple[str, ...] = ()


def simulate_study(
    *,
    n_therapists: int = 60,
    n_patients: int = 600,
    sessions: tuple[int, int] = (2, 20),
    seed: int,
    truth: StudyTruth | None = None,
) -> SimulatedStudy:
    """Simulate sessions of patients nested in therapists, with coded statements, WAI-SR and ORS answers.

    Use it to see what an analysis recovers: every parameter is known, and so is every latent value.

    Parameters
    ----------
    n_therapists, n_patients : int
        Patients go to therapists at random, in proportion to unequal caseloads; a therapist may get none.
    sessions : tuple of int
        Smallest and largest number of planned sessions; each number in between is as likely. Nobody drops out before
        the smallest.
    seed : int
        Not negative. The same seed gives the same study. A patient's rows depend on the seed, the therapists and the
        largest number of sessions, not on the other patients.
    truth : StudyTruth, optional
        The parameters; ``StudyTruth()`` if left out.

    Returns
    -------
    SimulatedStudy

    Raises
    ------
    DataError
        If a number of people or sessions is impossible, or the seed is negative.

    See Also
    --------
    StudyTruth : the parameters, their units and their sources.

    Notes
    -----
    Session t, patient i, therapist j; w and y are the deviations of alliance and outcome from the patient's course::

        shares      therapist ~ Dirichlet(average), patient ~ Dirichlet(therapist), session ~ Dirichlet(patient),
                    counts ~ multinomial
        alliance    A_tij = mean + trend (t - 1) + therapist_j + patient_ij + w_tij
                    w_tij = carry-over w_(t-1)ij + reverse y_(t-1)ij + shares' session effects + e_tij
        outcome     Y_tij = mean + trend (t - 1) + therapist_j + patient_ij + y_tij
                    y_tij = carry-over y_(t-1)ij + (effect + u_ij) w_(t-1)ij + r_tij
        dropout     cloglog(hazard after session t) = log hazard + b (A_tij - mean)

    The lasting parts of alliance hold the lasting effects of shares, those of outcome the lasting effects of alliance.
    Items are alliance (or a quarter of the outcome) plus facet, item and error parts, rounded to the form's answers and
    cut at its ends: the ceiling of the WAI-SR is in the data. Answers are missing completely at random; dropout is not,
    it depends on alliance. Not simulated: statements that respond to alliance or outcome, random trends, more raters.

    Examples
    --------
    >>> from alliance_stats import simulate_study
    >>> study = simulate_study(n_therapists=5, n_patients=20, sessions=(2, 6), seed=1)
    >>> study.frame["patient"].nunique(), int(study.frame["session"].max())
    (20, 6)
    """
    _check_sizes(n_therapists, n_patients, sessions, seed)
    truth = StudyTruth() if truth is None else truth
    therapist_seed, patient_seed = np.random.SeedSequence(seed).spawn(2)
    therapists = draw_therapists(truth, therapist_seed.spawn(n_therapists))
    patients = draw_patients(truth, therapists, patient_seed.spawn(n_patients), sessions[1])
    course = simulate_course(truth, therapists, patients, sessions)
    seen = np.arange(sessions[1]) < course.attended[:, None]
    frame = _frame(truth, patients, course, seen)
    return SimulatedStudy(frame=frame, latent=_latent(course, seen), truth=truth, notes=_notes(frame))


def _check_sizes(n_therapists: int, n_patients: int, sessions: tuple[int, int], seed: int) -> None:
    """Raise for numbers of people and sessions that make no study."""
    if n_therapists < 1 or n_patients < 1:
        raise DataError.build(
            f"A study of {n_therapists} therapists and {n_patients} patients cannot be simulated.",
            hint="n_therapists and n_patients must be at least 1.",
        )
    least, most = sessions
    if not 1 <= least <= most:
        raise DataError.build(
            f"sessions=({least}, {most}) is not a range of session numbers.",
            hint="pass (smallest, largest), the smallest at least 1.",
        )
    if seed < 0:
        raise DataError.build(f"The seed {seed} is negative.", hint="pass a whole number from 0 up.")


def _frame(truth: StudyTruth, patients: PatientDraws, course: Course, seen: np.ndarray) -> pd.DataFrame:
    """Return the session table."""
    person, time = np.nonzero(seen)
    wai, ors = _wai_answers(truth, patients, course)[seen], _ors_answers(truth, patients, course)[seen]
    last = course.dropped_out[person] & (time + 1 == course.attended[person])
    columns = {"patient": person + 1, "therapist": patients.therapist[person] + 1, "session": time + 1}
    columns |= {f"n_{code}": patients.counts[seen][:, k] for k, code in enumerate(truth.code_shares)}
    columns |= {f"wai_{k + 1}": wai[:, k] for k in range(N_WAI)}
    columns |= {f"ors_{k + 1}": ors[:, k] for k in range(N_ORS)}
    return pd.DataFrame({**columns, "dropout": last.astype(np.int64)})


def _wai_answers(truth: StudyTruth, patients: PatientDraws, course: Course) -> np.ndarray:
    """Return the WAI-SR answers, shape (n_patients, T, 12), NaN where missing."""
    names = ("task", "goal", "bond")
    facet_of_item = np.array([names.index(facet) for facet in truth.wai_facets])
    lasting = truth.facet_sd_patient * _centred(patients.normal[:, 3 : 3 + N_FACETS])
    passing = truth.facet_sd_session * _centred(patients.session_normal[:, :, 2 : 2 + N_FACETS])
    error = truth.wai_item_sd * patients.session_normal[:, :, 2 + N_FACETS : 2 + N_FACETS + N_WAI]
    items = (
        course.alliance[:, :, None]
        + np.array(truth.wai_item_shifts)
        + (lasting[:, None, :] + passing)[:, :, facet_of_item]
        + error
    )
    missing = _missing(truth, patients.session_uniform[:, :, 1], patients.session_uniform[:, :, 3 : 3 + N_WAI])
    return np.where(missing, np.nan, np.clip(np.rint(items), 1, 5))


def _ors_answers(truth: StudyTruth, patients: PatientDraws, course: Course) -> np.ndarray:
    """Return the ORS answers, shape (n_patients, T, 4), NaN where missing."""
    lasting = truth.ors_item_sd_patient * _centred(patients.normal[:, 3 + N_FACETS :])
    error = truth.ors_item_sd_session * patients.session_normal[:, :, 2 + N_FACETS + N_WAI :]
    items = course.outcome[:, :, None] / N_ORS + lasting[:, None, :] + error
    # Adding zero turns the -0.0 of small negative marks into 0.0.
    missing = _missing(truth, patients.session_uniform[:, :, 2], patients.session_uniform[:, :, 3 + N_WAI :])
    return np.where(missing, np.nan, np.clip(np.round(items, 1), 0, 10) + 0.0)


def _centred(values: np.ndarray) -> np.ndarray:
    """Return values minus their mean over the last axis, so that they leave the total alone."""
    centred: np.ndarray = values - values.mean(axis=-1, keepdims=True)
    return centred


def _missing(truth: StudyTruth, form: np.ndarray, item: np.ndarray) -> np.ndarray:
    """Return which answers are missing, shape of ``item``."""
    missing: np.ndarray = (form[:, :, None] < truth.form_missing) | (item < truth.item_missing)
    return missing


def _latent(course: Course, seen: np.ndarray) -> pd.DataFrame:
    """Return the latent values of the rows of the session table."""
    person, time = np.nonzero(seen)
    columns = {"patient": person + 1, "session": time + 1}
    columns |= {"alliance": course.alliance[seen], **_parts("alliance", course.alliance_parts, seen)}
    columns |= {"outcome": course.outcome[seen], **_parts("outcome", course.outcome_parts, seen)}
    columns |= _parts("supportive", course.supportive, seen) | _parts("controlling", course.controlling, seen)
    return pd.DataFrame(columns)


def _parts(name: str, levels: Levels, seen: np.ndarray) -> dict[str, np.ndarray]:
    """Return the three parts of a quantity as columns."""
    person = np.nonzero(seen)[0]
    return {
        f"{name}_session": levels.session[seen],
        f"{name}_patient": levels.patient[person],
        f"{name}_therapist": levels.therapist[person],
    }


def _notes(frame: pd.DataFrame) -> tuple[str, ...]:
    """Return what was drawn, in numbers."""
    wai = frame.filter(like="wai_").to_numpy()
    answered = ~np.isnan(wai)
    n_patients = frame["patient"].nunique()
    n_dropped = int(frame["dropout"].sum())
    return (
        "Simulated data: no statement about people follows from them.",
        f"{len(frame)} sessions of {n_patients} patients with {frame['therapist'].nunique()} therapists.",
        f"{n_dropped} patients ({100 * n_dropped / n_patients:.0f} %) dropped out; dropout depends on alliance.",
        f"{100 * np.mean(~answered):.1f} % of WAI-SR answers are missing completely at random; of the others "
        f"{100 * np.mean(wai[answered] == 5):.0f} % are the highest answer.",
    )
