"""Early change as a predictor of later ratings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from growth_courses import courses

import alliance_stats as al
from alliance_stats.errors import DataError
from alliance_stats.mixed.lmm import lmm
from alliance_stats.process.early_response import EarlyResponse, early_response
from alliance_stats.process.review.methods_review import review


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


def test_standardised_estimates_are_sds_between_patients_per_sd_between_patients(result: EarlyResponse) -> None:
    frame = courses()
    sd = frame[frame["week"] > 4].groupby("patient")["distress"].mean().std()
    table = result.tidy().set_index("term")
    for term in ("early_slope", "early_start"):
        row, ratio = table.loc[term], result.patients[term].std() / sd
        for name in ("estimate", "conf_low", "conf_high"):
            assert row[f"std_{name}"] == pytest.approx(row[name] * ratio)
    assert table.loc["later_time", ["std_estimate", "std_conf_low"]].isna().all()
    assert table.loc["early_slope", "n"] == 60
    assert any("SDs between patients: of the early term, and of patients' mean later" in note for note in result.notes)


def test_standardised_estimates_do_not_depend_on_units(result: EarlyResponse) -> None:
    other = courses().assign(week=lambda d: 7 * d["week"], distress=lambda d: 10 * d["distress"] - 5)
    again = early_response(other, "distress", until=28, time="week").tidy().iloc[1:3]
    np.testing.assert_allclose(again["std_estimate"], result.tidy()["std_estimate"].iloc[1:3], rtol=1e-5)


def test_covariates_therapists_and_left_out_patients_are_named() -> None:
    frame = courses(n_patients=40).assign(
        therapist=lambda d: d["patient"].str[-1], severity=lambda d: d["patient"].str[1:].astype(int) % 7
    )
    frame = frame[(frame["patient"] != "p003") | (frame["week"] == 0)]
    found = early_response(frame, "distress", until=4, time="week", covariates=["severity"])
    assert found.fit.formula == (
        "distress ~ early_slope + early_start + later_time + severity + (1 | patient) + (1 | therapist)"
    )
    assert any("of 40 patients with a rating 1 patient is left out" in note for note in found.notes)


def test_one_note_accounts_for_every_row() -> None:
    # 40 patients of 11 weeks: 3 rows without a rating, p003 has one early rating, p004 none later, 6 later rows no severity.
    frame = courses(n_patients=40).assign(severity=lambda d: d["patient"].str[-1].astype(float))
    frame.loc[[0, 13, 25], "distress"] = np.nan
    frame = frame[(frame["patient"] != "p003") | (frame["week"] == 0) | (frame["week"] > 12)]
    frame = frame[(frame["patient"] != "p004") | (frame["week"] <= 4)]
    frame.loc[(frame["patient"] == "p007") & (frame["week"] > 4), "severity"] = np.nan
    found = early_response(frame, "distress", until=4, time="week", covariates="severity")
    accounts = [note for note in found.notes if note.startswith("Rows:")]
    assert accounts == [
        "Rows: 426; 182 up to 4 give the early slopes and 222 after it are analysed; left out: 3 without distress, 3 of "
        "patients without two early times, 6 without severity, 10 of patients without a later row to analyse (each row "
        "counted once)."
    ]
    assert 182 + 222 + 3 + 3 + 6 + 10 == 426
    assert (found.fit.n_obs, len(found.patients)) == (222, 37)


def test_the_question_stands_in_the_result(result: EarlyResponse) -> None:
    frame = courses().assign(severity=lambda d: d["patient"].str[-1].astype(float))
    found = early_response(frame, "distress", until=4, time="week", covariates=["severity"])
    assert (found.time, found.until, found.covariates) == ("week", 4.0, ("severity",))
    assert (result.time, result.covariates) == ("week", ())
    assert early_response(frame, "distress", until=4, time="week", covariates="severity").covariates == ("severity",)


def test_calls_of_a_review_repeat_time_and_covariates() -> None:
    frame = courses().assign(severity=lambda d: d["patient"].str[-1].astype(float))
    # Noise in the early ratings alone: slope and start then share error.
    noise = 20 * np.random.default_rng(3).normal(size=len(frame))
    frame["distress"] += np.where(frame["week"] <= 4, noise, 0.0)
    asked = {"until": 4, "time": "week", "covariates": ["severity"]}
    therapists = frame[["patient"]].drop_duplicates().assign(therapist=lambda d: d["patient"].str[-2])
    calls = [
        call
        for call in review(early_response(frame, "distress", **asked)).tidy()["call"]  # type: ignore[arg-type]
        if "early_response" in str(call)
    ]
    assert len(calls) == 3  # one limit, error in common, therapists left out
    for call in calls:
        assert "time='week', covariates=('severity',))" in call
        given = {"sessions": frame, "al": al, "therapists": therapists}
        found = eval(call.removeprefix("al.review([result, ").removesuffix("])"), given)
        assert (found.time, found.covariates) == ("week", ("severity",))


def test_later_ratings_without_residual_are_refused_in_words() -> None:
    frame = courses().assign(distress=lambda d: d["distress"].where(d["week"] <= 4, d["week"] + d["arm"].str.len()))
    with pytest.raises(
        DataError, match=r"model of later ratings passes exactly through all 360(?s:.*)as they were given"
    ):
        early_response(frame, "distress", until=4, time="week")


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
