"""The simulated study of this folder as fixtures."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from nested_studies import TRUTH, nested_study


@pytest.fixture(scope="session")
def study() -> Callable[..., pd.DataFrame]:
    """Return the simulator."""
    return nested_study


@pytest.fixture(scope="session")
def truth() -> dict[str, float]:
    """Return the slopes by level."""
    return dict(TRUTH)
