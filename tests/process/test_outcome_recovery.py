"""A fast part of docs/validation/alliance_outcome.py: slopes of known size come out where theory puts them."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

SCRIPT = Path(__file__).parents[2] / "docs" / "validation" / "alliance_outcome.py"
N_STUDIES = 10


@pytest.fixture(scope="module")
def script() -> Any:
    spec = spec_from_file_location("validate_alliance_outcome", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def table(script: Any) -> pd.DataFrame:
    seeds = np.random.SeedSequence(11).spawn(N_STUDIES)
    studies = [script.intervals(script.simulate(seed)) for seed in seeds]
    found: pd.DataFrame = script.summarise(studies).set_index(["method", "level"])
    return found


@pytest.mark.parametrize(
    ("method", "level"),
    [
        ("observed", "session"),
        ("latent", "patient - session"),
        ("latent", "therapist - patient"),
        ("reliability", "session"),
        ("reliability", "patient"),
        ("reliability", "therapist"),
    ],
)
def test_slopes_on_true_parts_are_recovered(method: str, level: str, table: pd.DataFrame) -> None:
    row = table.loc[(method, level)]
    # Ten studies: Student's t for 1 in 1000 with 9 degrees of freedom is 4.8.
    assert abs(row["bias"]) < 4.8 * row["mc_error"]
    assert row["coverage"] >= 0.7


@pytest.mark.parametrize("level", ["patient", "therapist"])
def test_slopes_on_observed_means_are_drawn_to_the_level_below(level: str, table: pd.DataFrame) -> None:
    row = table.loc[("observed", level)]
    assert abs(row["mean"]) < 0.9 * abs(row["truth"])
    assert abs(row["bias"]) > 5 * row["mc_error"]
