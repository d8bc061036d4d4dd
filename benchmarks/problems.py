"""The models that are timed, and the data they are fitted to."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

Columns = dict[str, np.ndarray]

SLOPE = ("(1 + time | patient)", "(1 | therapist)")
INTERCEPT = ("(1 | patient)",)
STUDY_FIXED = "y ~ time + a_w + a_b"


@dataclass(frozen=True)
class Problem:
    """One model on one data set.

    Parameters
    ----------
    name : str
        Family of problems: "slope", "intercept", "moved", "shuffled", "instructors" or "levels".
    size : int
        Levels of the largest grouping factor.
    fixed : str
        Formula without random terms.
    random : tuple of str
        Random terms, in parentheses.
    make : callable
        Returns the columns.
    only : tuple of str
        Engines that run it; empty for all.
    refits : int
        Refits of a simulated outcome to time, in engines that offer it.
    """

    name: str
    size: int
    fixed: str
    random: tuple[str, ...]
    make: Callable[[], Columns]
    only: tuple[str, ...] = ()
    refits: int = 0

    @property
    def formula(self) -> str:
        """The model in lme4's notation."""
        return " + ".join([self.fixed, *self.random])


def alliance_study(n_patients: int, *, sessions: np.ndarray | None = None, moved: float = 0.0) -> Columns:
    """Return an unbalanced study: 1 to 40 sessions (mean 9) per patient, 50 patients per therapist.

    Parameters
    ----------
    n_patients : int
    sessions : ndarray of int, shape (n_patients,), optional
        Sessions of each patient, if not drawn.
    moved : float in [0, 1)
        Share of patients who go on with another therapist from a random session on.
    """
    rng = np.random.default_rng([20240607, n_patients])
    n_therapists = max(n_patients // 50, 2)
    n_sessions = np.minimum(rng.geometric(0.107, n_patients), 40) if sessions is None else sessions
    patient = np.repeat(np.arange(n_patients), n_sessions)
    first = np.repeat(np.cumsum(n_sessions) - n_sessions, n_sessions)
    time = (np.arange(patient.size) - first).astype(float)
    therapist = (np.arange(n_patients) * n_therapists // n_patients)[patient]
    own_effects = rng.standard_normal((n_patients, 2)) @ np.array([[5.0, 0.1], [0.0, 0.4]])
    a_b = rng.normal(0, 6, n_patients)[patient]
    a_w = rng.normal(0, 3, patient.size)
    y = 25 - 0.5 * time - 0.15 * a_w - 0.25 * a_b + own_effects[patient, 0] + own_effects[patient, 1] * time
    y += rng.normal(0, 1.5, n_therapists)[therapist] + rng.normal(0, 4, patient.size)
    if moved:
        movers = rng.random(n_patients) < moved
        change = rng.integers(1, np.maximum(n_sessions, 2))
        other = rng.integers(0, n_therapists, n_patients)
        gone = movers[patient] & (time >= change[patient])
        therapist = np.where(gone, other[patient], therapist)
    return {"y": y, "time": time, "a_w": a_w, "a_b": a_b, "patient": patient, "therapist": therapist}


def shuffled_study(n_patients: int) -> Columns:
    """Return the study with its rows in random order."""
    columns = alliance_study(n_patients)
    order = np.random.default_rng(7).permutation(columns["y"].size)
    return {name: column[order] for name, column in columns.items()}


def study_of_levels(n_patients: int, n_rows: int) -> Columns:
    """Return a study with about ``n_rows`` rows, whatever the number of patients."""
    rng = np.random.default_rng([11, n_patients])
    return alliance_study(n_patients, sessions=1 + rng.poisson(n_rows / n_patients - 1, n_patients))


def instructor_ratings(n_students: int = 3000, n_lecturers: int = 1100, n_rows: int = 73_000) -> Columns:
    """Return ratings of lecturers by students: two large crossed factors, and 14 departments."""
    rng = np.random.default_rng(20240608)
    student, any_lecturer = rng.integers(0, n_students, n_rows), rng.integers(0, n_lecturers, n_rows)
    student[:n_students] = np.arange(n_students)
    # As in InstEval, most ratings stay within the student's own department.
    department_of_student = rng.integers(0, 14, n_students)[student]
    per_department = n_lecturers // 14
    own_lecturer = np.minimum(rng.integers(0, per_department + 1, n_rows) * 14 + department_of_student, n_lecturers - 1)
    lecturer = np.where(rng.random(n_rows) < 0.93, own_lecturer, any_lecturer)
    lecturer[:n_lecturers] = np.arange(n_lecturers)
    department = np.where(rng.random(n_rows) < 0.9, lecturer % 14, rng.integers(0, 14, n_rows))
    service = (rng.random(n_rows) < 0.43).astype(float)
    y = 3.3 - 0.07 * service + rng.normal(0, 0.33, n_students)[student] + rng.normal(0, 0.51, n_lecturers)[lecturer]
    y += rng.normal(0, 0.1, 14)[department] + rng.normal(0, 1.18, n_rows)
    return {"y": y, "service": service, "student": student, "lecturer": lecturer, "department": department}


LEVEL_ROWS = 200_000
LEVEL_SIZES = (1_000, 4_000, 16_000, 64_000)


def problems(sizes: Sequence[int], families: Sequence[str]) -> list[Problem]:
    """Return the problems of the chosen families, smallest first."""
    found: list[Problem] = []
    for size in sorted(sizes):
        found += [
            Problem("slope", size, STUDY_FIXED, SLOPE, partial(alliance_study, size), refits=50 if size < 2000 else 3),
            Problem("intercept", size, STUDY_FIXED, INTERCEPT, partial(alliance_study, size)),
            Problem("moved", size, STUDY_FIXED, SLOPE, partial(alliance_study, size, moved=0.1)),
        ]
    largest = max(sizes)
    one = ("alliance_stats", "lme4")
    found.append(Problem("shuffled", largest, STUDY_FIXED, SLOPE, partial(shuffled_study, largest), only=one))
    crossed = ("(1 | student)", "(1 | lecturer)", "(1 | department)")
    found.append(Problem("instructors", 3000, "y ~ service", crossed, instructor_ratings))
    for size in LEVEL_SIZES:
        found.append(
            Problem("levels", size, STUDY_FIXED, SLOPE, partial(study_of_levels, size, LEVEL_ROWS), ("alliance_stats",))
        )
    return [problem for problem in found if problem.name in families]


FAMILIES = ("slope", "intercept", "moved", "shuffled", "instructors", "levels")


def write_problem(problem: Problem, folder: Path, settings: Mapping[str, float]) -> dict[str, object]:
    """Write the columns as raw numbers (float64 and int32) with a description, which is returned too."""
    columns = problem.make()
    kinds = {}
    for name, column in columns.items():
        kinds[name] = "double" if column.dtype.kind == "f" else "integer"
        column.astype("<f8" if kinds[name] == "double" else "<i4").tofile(folder / f"{name}.bin")
    n_rows = columns["y"].size
    described = {key: value for key, value in asdict(problem).items() if key not in ("make", "only")}
    described |= {"formula": problem.formula, "columns": kinds, "n_rows": n_rows, **settings}
    # Every column as the frame holds it: eight bytes per cell.
    described["model_bytes"] = 8 * n_rows * _n_model_columns(problem, columns)
    (folder / "problem.json").write_text(json.dumps(described), encoding="utf-8")
    lines = [f"formula\t{problem.formula}", f"n_rows\t{n_rows}", f"repeats\t{settings['repeats']}"]
    lines += [f"budget\t{settings['budget']}", *(f"column\t{name}\t{kind}" for name, kind in kinds.items())]
    (folder / "problem.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return described


def _n_model_columns(problem: Problem, columns: Columns) -> int:
    """Return how many columns of the frame the model uses."""
    return sum(
        any(name in part.replace("(", " ").replace(")", " ").split() for part in problem.formula.split("+"))
        for name in columns
    )
