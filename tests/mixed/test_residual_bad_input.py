"""Residual structures that the data or the model cannot carry: the message names the offender and shows no id."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from residual_dense import couples, study

from alliance_stats import (
    AllianceStatsError,
    ColumnError,
    ConvergenceError,
    DataError,
    ModelError,
    ar1,
    car1,
    compound_symmetry,
    lmm,
    variance_by,
)

FORMULA = "distress ~ session + alliance + (1 | patient)"
AR1 = ar1("session", by="patient")


def changed(**columns: Any) -> pd.DataFrame:
    return study().assign(**columns)


def moved_patient() -> pd.DataFrame:
    """Return sessions of which two patients saw two therapists."""
    frame = study()
    for patient in ("P01", "P02"):
        frame.loc[frame.index[frame["patient"] == patient][0], "therapist"] = "T9"
    return frame


def repeated() -> pd.DataFrame:
    frame = study()
    return pd.concat([frame, frame.iloc[[0, 5]]], ignore_index=True)


def two_each() -> pd.DataFrame:
    frame = study().sort_values(["patient", "session"]).groupby("patient").head(2)
    return frame.assign(session=frame.groupby("patient").cumcount())


CASES: dict[str, tuple[Callable[[], Any], type[AllianceStatsError], str]] = {
    "column that is not there": (
        lambda: lmm(FORMULA, study(), residual=ar1("sesion", by="patient")),
        ColumnError,
        r"(?s)No column 'sesion'.*Hint: .*'session' for 'sesion'",
    ),
    "block column that is not there": (
        lambda: lmm(FORMULA, study(), residual=ar1("session", by="client")),
        ColumnError,
        r"No column 'client'",
    ),
    "variance column that is not there": (
        lambda: lmm(FORMULA, study(), residual=variance_by("role")),
        ColumnError,
        r"No column 'role'",
    ),
    "sessions that are no whole numbers": (
        lambda: lmm(FORMULA, changed(session=lambda f: f["session"] + 0.5 * (f.index < 3)), residual=AR1),
        DataError,
        r"(?s)3 of \d+ values of column 'session' are not whole.*Hint: use car1\(\"session\"",
    ),
    "dates as sessions": (
        lambda: lmm(FORMULA, changed(date=pd.Timestamp("2021-03-01")), residual=ar1("date", by="patient")),
        DataError,
        r"(?s)column 'date' holds dates.*Hint: use car1\(\"date\"",
    ),
    "sessions that are words": (
        lambda: lmm(FORMULA, study(), residual=ar1("phase", by="patient")),
        ColumnError,
        r"Column 'phase' should hold numbers",
    ),
    "infinite times": (
        lambda: lmm(FORMULA, changed(day=np.inf), residual=car1("day", by="patient")),
        DataError,
        r"(?s)values of column 'day' are infinite.*Hint: correct them",
    ),
    "a session twice": (
        lambda: lmm(FORMULA, repeated(), residual=AR1),
        DataError,
        r"(?s)2 of \d+ rows repeat the 'session' of another row of the same 'patient'.*Hint: .*by=\"patient:rater\"",
    ),
    "a time twice": (
        lambda: lmm(FORMULA, changed(day=1.0), residual=car1("day", by="patient")),
        DataError,
        r"repeat the 'day' of another row of the same 'patient': car1\(\)",
    ),
    "a grouping factor that cuts across": (
        lambda: lmm(FORMULA + " + (1 | therapist)", moved_patient(), residual=AR1),
        ModelError,
        r"(?s)2 of 14 blocks spread over several levels of 'therapist', which cuts across.*Hint: leave out the random term",
    ),
    "a dyad with persons": (
        lambda: lmm(
            "satisfaction ~ closeness + (1 | dyad/role)", couples(), residual=compound_symmetry(by="dyad:session")
        ),
        ModelError,
        r"(?s)levels of 'dyad:role'.*Hint: .*\(0 \+ C\(role\) \| dyad\)",
    ),
    "no block with two rows": (
        lambda: lmm(FORMULA, study(), residual=compound_symmetry(by="patient:session")),
        ModelError,
        r"(?s)None of the \d+ blocks of 'patient:session' has two rows.*Hint: name larger blocks",
    ),
    "one variance group": (
        lambda: lmm(FORMULA, changed(phase="late"), residual=variance_by("phase")),
        ModelError,
        r"(?s)'phase' has one level in the rows used.*Hint: leave out variance_by",
    ),
    "too many variance groups": (
        lambda: lmm(FORMULA, study(), residual=variance_by("patient")),
        ModelError,
        r"(?s)'patient' has 14 levels; variance_by\(\) takes up to 12.*Hint: name a column with few levels",
    ),
    "a variance group with one row": (
        lambda: lmm(
            FORMULA, changed(phase=lambda f: np.where(f.index == 2, "x", f["phase"])), residual=variance_by("phase")
        ),
        ModelError,
        r"(?s)1 of 3 levels of 'phase' have one row.*Hint: join levels",
    ),
    "two correlations": (
        lambda: AR1 + compound_symmetry(by="patient"),
        ModelError,
        r"(?s)Two residual correlations cannot be joined: ar1\(session \| patient\) \+ compound.*Hint: join one of variance_by",
    ),
    "two variances": (
        lambda: variance_by("role") + variance_by("phase"),
        ModelError,
        r"(?s)Two residual variance structures.*Hint: .*\"role:phase\"",
    ),
    "no structure": (
        lambda: lmm(FORMULA, study(), residual="ar1"),  # type: ignore[arg-type]
        ModelError,
        r"(?s)residual= takes a residual structure; this is a str.*Hint: make one with ar1",
    ),
    "no column named": (
        lambda: variance_by([]),
        ModelError,
        r"(?s)by= needs the name of a column.*Hint: write for example by=",
    ),
    "no time named": (
        lambda: ar1(" ", by="patient"),
        ModelError,
        r"(?s)time= needs the name of a column.*Hint: write for example time=\"session\"",
    ),
    "two sessions per patient beside a random intercept": (
        lambda: lmm(FORMULA, two_each(), residual=AR1),
        ModelError,
        r"(?s)do not tell the residual parameter ar1.* from the random part.*Hint: leave out the random intercept",
    ),
    "compound symmetry beside a random intercept of the same blocks": (
        lambda: lmm(FORMULA, study(), residual=compound_symmetry(by="patient")),
        ModelError,
        r"(?s)do not tell the residual parameter compound_symmetry.*Hint: leave out the random intercept",
    ),
}


@pytest.mark.parametrize("name", list(CASES))
def test_message_names_the_offender_and_the_remedy(name: str) -> None:
    call, error, pattern = CASES[name]
    with pytest.raises(error, match=pattern) as caught:
        call()
    text = str(caught.value)
    assert not any(label in text for label in ("P01", "P02", "T9", "D0", "2021"))


def test_residuals_that_wander_run_to_the_limit() -> None:
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(
        {"patient": np.repeat(range(12), 12), "session": np.tile(range(12), 12), "g": np.arange(144) // 36}
    )
    steps = rng.normal(size=(12, 12))
    steps[:, 0] *= 1e4
    frame["y"] = steps.cumsum(axis=1).ravel()
    with pytest.raises(
        ConvergenceError, match=r"(?s)ar1\(session \| patient\) ran to its limit.*Hint: where outcomes drift"
    ):
        lmm("y ~ 1 + (1 | g)", frame, residual=AR1)


def test_only_structures_can_be_joined() -> None:
    with pytest.raises(TypeError):
        AR1 + "phase"  # type: ignore[operator]
