"""A small simulated study with known slopes at each level."""

from __future__ import annotations

import numpy as np
import pandas as pd

TRUTH = {"session": -0.5, "patient": 0.8, "therapist": -1.2}


def nested_study(seed: int = 11, n_therapists: int = 8, per_therapist: int = 5, n_sessions: int = 6) -> pd.DataFrame:
    """Return sessions of patients nested in therapists; ``distress`` depends on ``wai`` as in `TRUTH`."""
    rng = np.random.default_rng(seed)
    n_patients = n_therapists * per_therapist
    patient = np.repeat(np.arange(n_patients), n_sessions)
    therapist = patient // per_therapist
    trait = rng.normal(size=n_patients)
    trait -= np.repeat(trait.reshape(n_therapists, -1).mean(axis=1), per_therapist)
    style = rng.normal(size=n_therapists)
    state = rng.normal(size=len(patient))
    state -= np.repeat(state.reshape(n_patients, -1).mean(axis=1), n_sessions)
    errors = rng.normal(scale=0.5, size=n_patients)[patient] + rng.normal(scale=0.3, size=n_therapists)[therapist]
    slopes = TRUTH["session"] * state + TRUTH["patient"] * trait[patient] + TRUTH["therapist"] * style[therapist]
    return pd.DataFrame(
        {
            "patient": [f"p{i}" for i in patient],
            "therapist": [f"t{j}" for j in therapist],
            "session": np.tile(np.arange(1, n_sessions + 1), n_patients),
            "wai": 50 + state + trait[patient] + style[therapist],
            "distress": 20 + slopes + errors + rng.normal(scale=0.7, size=len(patient)),
        }
    )
