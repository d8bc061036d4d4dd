"""Early change as a predictor of later ratings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from growth_courses import courses

from alliance_stats.errors import DataError
from alliance_stats.mixed.lmm import lmm
from alliance_stats.process.early_response import EarlyResponse, early_response


@pytest.fixture(scope="module")
def result() -> EarlyResponse:
    return early_response(courses(), "distress", until=4, time="week")


def test_the_early_lines_are_least_squares_lines(result: EarlyResponse) -> None:
    frame = courses()
    early = frame[frame["week"] <= 4]
    lines = [np.polyfit(own["week"], own["distress"], 1) for _, own in early.groupby("patient")]
    np.testing.assert_allclose(result.patients[["early_slope", "early_start"]], lines, rtol=1e-9)


def test_the_model_is_the_documented_one_on_later_rows_only(result: EarlyResponse) -> None:
    frame = courses()
    lines = {
        name: np.polyfit(own["week"], own["distress"], 1) for name, own in frame[frame["week"] <= 4].groupby("patient")
    }
    later = frame[frame["week"] > 4].assign(
        early_slope=lambda d: d["patient"].map({k: v[0] for k, v in lines.items()}),
        early_start=lambda d: d["patient"].map({k: v[1] for k, v in lines.items()}),
        later_time=lambda d: d["week"] - 4,
    )
    fit = lmm("distress ~ early_slope + early_start + later_time + (1 | patient)", later)
    np.testing.assert_allclose(result.fit.fixed_effects, fit.fixed_effects, rtol=1e-9)
    assert result.fit.n_obs == len(later)


def test_early_change_that_lasts_is_found() -> None:
    # Own slopes until week 8: a later rating moves by eight points per point of true slope, less by its error.
    table = early_response(courses(n_patients=150), "distress", until=6, time="week").tidy().set_index("term")
    assert 3 < table.loc["early_slope", "estimate"] < 8.5
    assert table.loc["early_slope", "conf_low"] > 0


def test_standardised_estimates_are_per_sd_between_patients(result: EarlyResponse) -> None:
    row = result.tidy().set_index("term").loc["early_slope"]
    assert row["std_estimate"] == pytest.approx(row["estimate"] * result.patients["early_slope"].std())
    assert row["n"] == 60


def test_covariates_therapists_and_left_out_patients_are_named() -> None:
    frame = courses(n_patients=40).assign(
        therapist=lambda d: d["patient"].str[-1], severity=lambda d: d["patient"].str[1:].astype(int) % 7
    )
    frame = frame[(frame["patient"] != "p003") | (frame["week"] == 0)]
    found = early_response(frame, "distress", until=4, time="week", covariates=["severity"])
    assert found.fit.formula == (
        "distress ~ early_slope + early_start + later_time + severity + (1 | patient) + (1 | therapist)"
    )
    assert any("1 of 40 patients are left out" in note for note in found.notes)


def test_level_and_df_are_passed_on(result: EarlyResponse) -> None:
    narrow = result.tidy(level=0.5, df="normal").iloc[1]
    assert narrow["conf_level"] == 0.5
    assert np.isinf(narrow["df"])


def test_order_of_rows_changes_nothing(result: EarlyResponse) -> None:
    again = early_response(courses().sample(frac=1, random_state=2), "distress", until=4, time="week")
    pd.testing.assert_frame_equal(again.tidy(), result.tidy(), rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"until": 18}, "0 patients have two ratings up to 18(?s:.*)from 0 to 18"),
        ({"until": -1}, "No rating lies at or before -1"),
        ({"until": 0}, "0 patients have two ratings"),
        ({"until": 4, "covariates": "distress"}, "'distress' cannot be a covariate(?s:.*)once"),
        ({"until": 15}, "one later rating(?s:.*)several later sessions"),
    ],
)
def test_bad_input_is_named_with_its_remedy(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        early_response(courses(n_patients=12), "distress", time="week", **options)
