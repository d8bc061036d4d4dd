"""REFRAMED (RO-DBT trial): therapists and growth through the public functions, with the reference fits of lme4."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from alliance_stats.process.growth import growth
from alliance_stats.process.therapist_effects import TherapistEffects, therapist_effects

RTOL = 1e-6  # six significant digits


@pytest.fixture(scope="module")
def trial(shared_data: Callable[[str], Path]) -> pd.DataFrame:
    return pd.read_csv(shared_data("reframed_rodbt") / "reframed_tidy.csv")


@pytest.fixture(scope="module")
def therapists(trial: pd.DataFrame) -> TherapistEffects:
    arm = trial[trial["arm"] == "RO-DBT"]
    baseline = arm[arm["month"] == 0].set_index("patient")["phq9"]
    arm = arm.assign(baseline=arm["patient"].map(baseline))
    rows = arm[arm["month"].between(1, 12) & arm["baseline"].notna()]
    return therapist_effects(rows, "phq9", covariates=["month"], caseload=["baseline"], direction="higher_is_worse")


def test_therapist_variance_vanishes_once_the_baseline_is_held_fixed(therapists: TherapistEffects) -> None:
    table = therapists.tidy()
    variances = table[table["term"] == "variance between therapists"].set_index("model")["estimate"]
    assert variances["without caseload"] == pytest.approx(1.83, abs=0.005)
    assert variances["with caseload"] == 0.0
    shares = table[(table["term"] == "share of all variance")].set_index("model")
    # Reference sum of variances 49.3, as in test_reframed_reference.py.
    assert shares.loc["without caseload", "estimate"] == pytest.approx(1.83 / 49.3, abs=2e-4)
    assert (shares["conf_low"] == 0).all()


def test_linear_growth_has_the_reference_fixed_effects(trial: pd.DataFrame) -> None:
    result = growth(trial[trial["month"] <= 12], "phq9", form="linear", time="month", by="arm")
    table = result.tidy("coefficients").set_index("term")
    expected = {
        "Intercept": (17.3950593, 0.39996831),
        "elapsed": (-0.4322942, 0.04552347),
        "arm[T.TAU]": (1.1904733, 0.68082126),
        "elapsed:arm[T.TAU]": (0.1449133, 0.07815067),
    }
    for term, (estimate, error) in expected.items():
        assert table.loc[term, "estimate"] == pytest.approx(estimate, rel=RTOL)
        assert table.loc[term, "std_error"] == pytest.approx(error, rel=RTOL)
    change = result.tidy().query("kind == 'between groups'").iloc[0]
    assert change["estimate"] == pytest.approx(12 * 0.1449133, rel=RTOL)
    assert any("777 of 2291 rows" in note for note in result.notes)
