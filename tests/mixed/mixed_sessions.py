"""A small study whose ids must never be seen in a message."""

from __future__ import annotations

import numpy as np
import pandas as pd

CANARY = "ZZ-secret-"


def sessions(*, n_patients: int = 24, seed: int = 3) -> pd.DataFrame:
    """Return one row per session of patients nested in therapists; ids are canaries."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(3, 7, n_patients)
    patient = np.repeat(np.arange(n_patients), counts)
    therapist = patient % 6
    session = np.concatenate([np.arange(1, c + 1) for c in counts]).astype(float)
    alliance = rng.normal(4, 1, patient.size)
    arm = np.array(["brief", "full", "waiting"])[rng.integers(0, 3, n_patients)][patient]
    distress = (
        20
        - session
        - 1.5 * alliance
        + (rng.normal(size=n_patients) * 3)[patient]
        + (rng.normal(size=n_patients) * 0.5)[patient] * session
        + rng.normal(size=6)[therapist] * 2
        + rng.normal(size=patient.size)
    )
    return pd.DataFrame(
        {
            "patient": [f"{CANARY}{i:02d}" for i in patient],
            "therapist": [f"{CANARY}T{i}" for i in therapist],
            "session": session,
            "alliance": alliance,
            "arm": arm,
            "weight": rng.uniform(0.5, 2, patient.size),
            "distress": distress,
        }
    )
