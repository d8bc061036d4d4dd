"""Courses with a known shape."""

from __future__ import annotations

import numpy as np
import pandas as pd

TIMES = np.array([0.0, 1, 2, 3, 4, 6, 8, 10, 12, 15, 18])


def courses(
    seed: int = 1,
    *,
    n_patients: int = 60,
    bend: float = 8.0,
    slopes: tuple[float, float] = (-1.5, 0.4),
    difference: tuple[float, float] = (0.6, -0.3),
) -> pd.DataFrame:
    """Return two arms whose mean bends; the second arm's slopes differ by ``difference``."""
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(n_patients), TIMES.size)
    week = np.tile(TIMES, n_patients)
    second = patient % 2 == 1
    before = slopes[0] + difference[0] * second + 0.3 * rng.normal(size=n_patients)[patient]
    after = slopes[1] + difference[1] * second
    mean = 30 + 3 * rng.normal(size=n_patients)[patient] + before * np.minimum(week, bend)
    return pd.DataFrame(
        {
            "patient": [f"p{i:03d}" for i in patient],
            "week": week,
            "arm": np.where(second, "waiting", "brief"),
            "distress": mean + after * np.maximum(week - bend, 0) + 1.5 * rng.normal(size=week.size),
        }
    )
