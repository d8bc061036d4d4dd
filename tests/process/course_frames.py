"""Frames of single courses for tests."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd


def long_frame(table: Any, name: str = "score", first: int = 1) -> pd.DataFrame:
    """Return a table of patients by sessions, None where missing, as a session table without the missing rows."""
    values = np.array(table, dtype=float)
    patient, session = np.nonzero(~np.isnan(values))
    return pd.DataFrame({"patient": patient + 1, "session": session + first, name: values[patient, session]})


def course(*scores: float | None, name: str = "score") -> pd.DataFrame:
    """Return the course of one patient."""
    return long_frame([scores], name)


def noise(n_patients: int, n_sessions: int, seed: int = 5) -> pd.DataFrame:
    """Return independent normal ratings around 30."""
    return long_frame(30 + 5 * np.random.default_rng(seed).standard_normal((n_patients, n_sessions)))


def relabelled(frame: pd.DataFrame, seed: int = 2) -> pd.DataFrame:
    """Return the same courses with text ids and rows in another order."""
    named = frame.assign(patient=[f"x{(int(value) * 7919) % 1009}" for value in frame["patient"]])
    return named.sample(frac=1.0, random_state=seed)
