"""Simulated ratings of two kinds that act on each other, with known effects."""

from __future__ import annotations

import numpy as np
import pandas as pd

EFFECTS = {"own_alliance": 0.3, "own_symptom": 0.35, "alliance_on_symptom": -0.25, "symptom_on_alliance": -0.1}
"""In units of the simulated deviations; alliance has the unit 2, symptoms 6."""


def reciprocal_study(
    rng: np.random.Generator, n_patients: int = 250, n_waves: int = 5, *, cross: float = 1.0, stable: float = 1.0
) -> pd.DataFrame:
    """Return sessions of a stationary process; ``cross`` scales both cross effects, ``stable`` the patients' intercepts."""
    lagged = np.array(
        [
            [EFFECTS["own_alliance"], cross * EFFECTS["symptom_on_alliance"]],
            [cross * EFFECTS["alliance_on_symptom"], EFFECTS["own_symptom"]],
        ]
    )
    state = np.zeros((n_patients, 2))
    trait = stable * rng.multivariate_normal([0, 0], [[1, -0.4], [-0.4, 1]], n_patients)
    waves = []
    for step in range(30 + n_waves):
        state = state @ lagged.T + rng.multivariate_normal([0, 0], [[1, -0.3], [-0.3, 1]], n_patients)
        if step >= 30:
            waves.append(trait + state)
    ratings = np.stack(waves, axis=1)
    return pd.DataFrame(
        {
            "patient": [f"p{i}" for i in np.repeat(np.arange(n_patients), n_waves)],
            "session": np.tile(np.arange(1, n_waves + 1), n_patients),
            "alliance": 50 + 2 * ratings[:, :, 0].ravel(),
            "symptom": 20 + 6 * ratings[:, :, 1].ravel(),
        }
    )


MEDIATED = {"a": 0.4, "b": 0.5, "c_prime": 0.2, "cov_ab": 0.06}


def mediation_study(
    rng: np.random.Generator, n_patients: int = 120, n_sessions: int = 9, *, scale: float = 1.0
) -> pd.DataFrame:
    """Return statements, alliance one session later and outcome two sessions later; ``scale`` scales all effects."""
    spread = scale * np.linalg.cholesky(np.array([[0.1, MEDIATED["cov_ab"]], [MEDIATED["cov_ab"], 0.1]]))
    own = rng.standard_normal((n_patients, 2)) @ spread.T
    x = rng.standard_normal((n_patients, n_sessions)) + rng.standard_normal((n_patients, 1))
    level = rng.standard_normal((n_patients, 2))
    m = level[:, :1] + rng.standard_normal((n_patients, n_sessions))
    m[:, 1:] += (scale * MEDIATED["a"] + own[:, :1]) * x[:, :-1]
    y = level[:, 1:] + rng.standard_normal((n_patients, n_sessions))
    y[:, 2:] += (scale * MEDIATED["b"] + own[:, 1:]) * m[:, 1:-1] + scale * MEDIATED["c_prime"] * x[:, :-2]
    return pd.DataFrame(
        {
            "patient": [f"p{i}" for i in np.repeat(np.arange(n_patients), n_sessions)],
            "session": np.tile(np.arange(1, n_sessions + 1), n_patients),
            "statements": x.ravel(),
            "alliance": m.ravel(),
            "outcome": y.ravel(),
        }
    )
