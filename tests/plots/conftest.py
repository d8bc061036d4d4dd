"""Results to draw, on a canvas without a screen."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from alliance_stats.process.alliance_outcome import AllianceOutcome, alliance_outcome
from alliance_stats.process.level_effects import LevelEffects, level_effects

mpl.use("Agg")


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    from matplotlib import pyplot

    yield
    pyplot.close("all")


@pytest.fixture(scope="session")
def sessions() -> pd.DataFrame:
    """Return 24 patients of 6 therapists with 6 sessions each."""
    rng = np.random.default_rng(8)
    patient = np.repeat(np.arange(24), 6)
    frame = pd.DataFrame(
        {
            "patient": [f"patient-{i}" for i in patient],
            "therapist": [f"therapist-{i // 4}" for i in patient],
            "session": np.tile(np.arange(1, 7), 24),
            "wai_sr": 4 + rng.normal(size=24)[patient] + 0.5 * rng.normal(size=144),
            "share_support": rng.uniform(0.2, 0.5, size=144) + 0.02 * (patient // 4),
            "share_control": rng.uniform(0.1, 0.3, size=144),
        }
    )
    noise = rng.normal(size=144) + rng.normal(size=24)[patient]
    frame["ors"] = 20 + 2 * frame["wai_sr"] + 0.3 * frame["session"] + noise
    frame["share_other"] = 1 - frame["share_support"] - frame["share_control"]
    return frame


@pytest.fixture(scope="session")
def effects(sessions: pd.DataFrame) -> LevelEffects:
    """Return the parts of two predictors on one outcome."""
    return level_effects(sessions, "wai_sr", ["share_support", "share_control"], covariates=("session",))


@pytest.fixture(scope="session")
def outcome(sessions: pd.DataFrame) -> AllianceOutcome:
    """Return the alliance on the next session's outcome."""
    return alliance_outcome(
        sessions, alliance="wai_sr", outcome="ors", lag=1, detrend=None, random=("patient", "therapist")
    )
