"""REFRAMED (RO-DBT trial): reference fits of R 4.2.2, lme4 1.1-31 with bobyqa and rhoend 1e-9; printed to nine digits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from alliance_stats import lmm
from alliance_stats.mixed.fit import LmmFit

RTOL = 1e-6  # six significant digits


@pytest.fixture(scope="module")
def trial(shared_data: Callable[[str], Path]) -> pd.DataFrame:
    return pd.read_csv(shared_data("reframed_rodbt") / "reframed_tidy.csv")


@pytest.fixture(scope="module")
def growth(trial: pd.DataFrame) -> LmmFit:
    year = trial[trial["month"] <= 12]
    return lmm("phq9 ~ month * arm + (month | patient)", year)


def test_growth_model_uses_the_rows_of_months_0_to_12(growth: LmmFit) -> None:
    assert growth.n_obs == 2291


@pytest.mark.parametrize(
    ("term", "estimate", "std_error"),
    [
        ("Intercept", 17.3950593, 0.39996831),
        ("month", -0.4322942, 0.04552347),
        ("arm[T.TAU]", 1.1904733, 0.68082126),
        ("month:arm[T.TAU]", 0.1449133, 0.07815067),
    ],
)
def test_growth_model_fixed_effects(growth: LmmFit, term: str, estimate: float, std_error: float) -> None:
    row = growth.tidy().set_index("term").loc[term]
    assert row["estimate"] == pytest.approx(estimate, rel=RTOL)
    assert row["std_error"] == pytest.approx(std_error, rel=RTOL)


def test_growth_model_variances(growth: LmmFit) -> None:
    table = growth.variance_components().set_index(["group", "term", "term2"])
    assert table.loc[("patient", "Intercept", ""), "estimate"] == pytest.approx(21.0919890, rel=RTOL)
    assert table.loc[("patient", "month", ""), "estimate"] == pytest.approx(0.1866414, rel=RTOL)
    assert table.loc[("patient", "Intercept", "month"), "correlation"] == pytest.approx(0.1125829, rel=RTOL)
    assert table.loc[("Residual", "", ""), "estimate"] == pytest.approx(11.8315970, rel=RTOL)
    assert growth.criterion == pytest.approx(13080.84, abs=0.005)


MONTHS = "phq9 ~ month + (1 | therapist) + (1 | patient)"


@pytest.fixture(scope="module")
def therapists(trial: pd.DataFrame) -> pd.DataFrame:
    """Return months 1 to 12 of the RO-DBT arm, of the patients whose PHQ-9 of month 0 is known."""
    arm = trial[trial["arm"] == "RO-DBT"]
    baseline = arm[arm["month"] == 0].set_index("patient")["phq9"]
    arm = arm.assign(baseline=arm["patient"].map(baseline))
    return arm[arm["month"].between(1, 12) & arm["baseline"].notna()]


def test_therapist_variance_without_the_baseline_score(therapists: pd.DataFrame) -> None:
    table = lmm(MONTHS, therapists).variance_components().set_index("group")["estimate"]
    assert table["therapist"] == pytest.approx(1.83, abs=0.005)
    assert table.sum() == pytest.approx(49.3, abs=0.05)


def test_therapist_variance_is_zero_once_the_baseline_score_is_known(therapists: pd.DataFrame) -> None:
    fit = lmm(MONTHS.replace("month", "month + baseline"), therapists)
    table = fit.variance_components().set_index("group")["estimate"]
    assert table["therapist"] == 0.0
    assert fit.singular
    assert (fit.random_effects("therapist")["estimate"] == 0).all()
