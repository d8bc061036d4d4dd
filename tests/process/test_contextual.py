"""Tests of whether the slopes of levels differ."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from alliance_stats.errors import ColumnError, ModelError
from alliance_stats.inference.coefficient_tests import coefficient_tests
from alliance_stats.mixed.lmm import lmm
from alliance_stats.process.alliance_outcome import AllianceOutcome, alliance_outcome
from alliance_stats.process.centering import within_between
from alliance_stats.process.contextual import ContextualTest, contextual_test
from alliance_stats.process.level_effects import level_effects
from alliance_stats.process.outcome_model import OutcomeModel
from alliance_stats.result import COLUMNS

Study = Callable[..., pd.DataFrame]
GOLDEN = Path(__file__).parents[1] / "golden"
LEVELS: dict[str, Any] = json.loads((GOLDEN / "levels.json").read_text(encoding="utf-8"))
SAME: dict[str, Any] = {"alliance": "wai", "outcome": "distress", "lag": 0, "detrend": None}


@pytest.fixture(scope="module")
def lagged() -> AllianceOutcome:
    """Return the model of the golden file: slopes at two levels."""
    frame = pd.read_csv(GOLDEN / "data" / "alliance_sessions.csv")
    model = OutcomeModel(slopes=("patient", "therapist"))
    return alliance_outcome(frame, alliance="alliance", outcome="distress", lag=1, detrend=None, random=model)


@pytest.fixture(scope="module")
def few() -> pd.DataFrame:
    """Return patients with one to six sessions, the data of the golden latent model."""
    return pd.read_csv(GOLDEN / "data" / "alliance_latent.csv")


def test_slopes_at_two_levels_equal_those_of_lme4(lagged: AllianceOutcome) -> None:
    expected = LEVELS["lagged"]
    assert len(lagged.frame) == expected["n"]
    assert lagged.fit.criterion == pytest.approx(expected["criterion"], rel=1e-8)
    own = {"(Intercept)": "Intercept", "a_before": "alliance_session_lag1", "a_patient": "alliance_patient"}
    own |= {"a_therapist": "alliance_therapist", "y_before": "distress_session_lag1", "session": "session"}
    table = lagged.tidy().set_index("term").loc[[own[term] for term in expected["terms"]]]
    np.testing.assert_allclose(table["estimate"], expected["estimate"], rtol=2e-5)
    np.testing.assert_allclose(table["std_error"], expected["std_error"], rtol=2e-5)


def test_contextual_differences_equal_those_of_lmertest(lagged: AllianceOutcome) -> None:
    table = contextual_test(lagged).tidy().set_index("level")
    for level, name in (
        ("patient - session", "patient_minus_session"),
        ("therapist - patient", "therapist_minus_patient"),
    ):
        estimate, error, df, statistic, p_value = LEVELS["lagged"][name]
        row = table.loc[level]
        np.testing.assert_allclose(
            row[["estimate", "std_error", "statistic"]].astype(float), [estimate, error, statistic], rtol=5e-6
        )
        # lmerTest differentiates numerically: its degrees of freedom carry about four digits.
        assert row["df"] == pytest.approx(df, rel=1e-3)
        assert row["p_value"] == pytest.approx(p_value, rel=1e-3)


def test_the_joint_test_says_that_all_levels_have_one_slope(lagged: AllianceOutcome) -> None:
    row = contextual_test(lagged).glance().iloc[0]
    statistic, numerator, denominator, p_value = LEVELS["lagged"]["joint"]
    assert row["statistic"] == pytest.approx(statistic, rel=1e-5)
    assert row["df_numerator"] == numerator
    assert row["df_denominator"] == pytest.approx(denominator, rel=1e-3)
    assert row["p_value"] == pytest.approx(p_value, rel=1e-3)


@pytest.mark.parametrize(("name", "covariates"), [("latent", ()), ("latent_with_time", ("session",))])
def test_latent_slopes_equal_those_of_the_two_level_model_of_lavaan(
    name: str, covariates: tuple[str, ...], few: pd.DataFrame
) -> None:
    result = level_effects(few, "distress", "wai", levels=("patient",), covariates=covariates, random=("patient",))
    row = contextual_test(result, means="latent").tidy().iloc[0]
    found = [row["slope_inner"], row["slope_outer"], row["estimate"]]
    np.testing.assert_allclose(found, LEVELS[name]["estimate"], rtol=1e-5)
    assert row["std_error"] == pytest.approx(LEVELS[name]["std_error"][2], rel=1e-5)
    assert np.isinf(row["df"])


def test_observed_means_of_few_sessions_draw_the_difference_to_zero_and_latent_means_do_not(study: Study) -> None:
    frame = study(seed=5, n_therapists=60, n_sessions=3).drop(columns="therapist")
    result = alliance_outcome(frame, **SAME, random=("patient",))
    observed, latent = (contextual_test(result, means=means).tidy().iloc[0] for means in ("observed", "latent"))
    assert abs(latent["estimate"]) > 1.1 * abs(observed["estimate"])
    assert latent["std_error"] > observed["std_error"]


def test_the_observed_difference_is_the_latent_one_times_the_reliability_of_means(study: Study) -> None:
    # Lüdtke et al. (2008): exact in a balanced two-level table for the estimates by maximum likelihood.
    frame = study(n_therapists=20).drop(columns="therapist")
    result = level_effects(frame, "distress", "wai", random=("patient",))
    means = frame.groupby("patient")["wai"].mean()
    within = ((frame["wai"] - frame.groupby("patient")["wai"].transform("mean")) ** 2).sum() / (len(frame) - len(means))
    reliability = 1 - within / (6 * means.var(ddof=0))
    observed, latent = (contextual_test(result, means=kind).tidy()["estimate"][0] for kind in ("observed", "latent"))
    assert observed == pytest.approx(reliability * latent, rel=1e-4)


def test_latent_slopes_of_three_levels_recover_the_truth(study: Study, truth: dict[str, float]) -> None:
    frame = study(seed=2, n_therapists=80)
    result = level_effects(frame, "distress", "wai")
    table = contextual_test(result, means="latent").tidy()
    assert table["slope_inner"][0] == pytest.approx(truth["session"], abs=0.1)
    assert table["slope_outer"][0] == pytest.approx(truth["patient"], abs=0.35)
    assert table["slope_outer"][1] == pytest.approx(truth["therapist"], abs=0.35)


def test_a_plain_fit_is_tested_when_its_terms_are_named(study: Study) -> None:
    frame = within_between(study(), "wai")
    fit = lmm("distress ~ wai_session + wai_patient + (1 | patient) + (1 | therapist)", frame)
    named = {"session": "wai_session", "patient": "wai_patient"}
    row = contextual_test(fit, terms=named).tidy().iloc[0]
    assert row["estimate"] == pytest.approx(fit.fixed_effects["wai_patient"] - fit.fixed_effects["wai_session"])
    assert row["level"] == "patient - session"


def test_the_difference_is_the_slope_of_the_mean_beside_the_raw_rating_with_its_test(study: Study) -> None:
    frame = within_between(study().drop(columns="therapist"), "wai", levels=("patient",))
    fit = lmm("distress ~ wai_session + wai_patient + (1 | patient)", frame)
    row = contextual_test(fit, terms={"session": "wai_session", "patient": "wai_patient"}).tidy().iloc[0]
    mundlak = coefficient_tests(lmm("distress ~ wai + wai_patient + (1 | patient)", frame)).tidy().set_index("term")
    for name in ("estimate", "std_error", "df", "p_value"):
        assert row[name] == pytest.approx(mundlak.loc["wai_patient", name], rel=1e-3)


@pytest.mark.parametrize(
    "options", [{"df": "kenward_roger"}, {"df": "normal"}, {"robust": "CR2", "cluster": "therapist"}]
)
def test_df_methods_and_robust_errors_are_those_of_linear_inference(options: dict[str, Any], study: Study) -> None:
    result = level_effects(study(), "distress", "wai")
    row = contextual_test(result, **options, level=0.9).tidy().iloc[0]
    assert row["conf_level"] == 0.9
    plain = contextual_test(result).tidy().iloc[0]
    assert row["estimate"] == pytest.approx(plain["estimate"])
    assert (row["std_error"], row["df"]) != (plain["std_error"], plain["df"])


def test_a_test_on_predicted_means_says_so_and_that_they_count_as_known(few: pd.DataFrame) -> None:
    model = OutcomeModel(slopes=(), weights="reliability")
    reliable = contextual_test(alliance_outcome(few, **SAME, random=model))
    assert reliable.glance().loc[0, "means"] == "predicted"
    assert any("on predicted means (weights='reliability'), taken as known" in note for note in reliable.notes)
    assert not any("observed means" in note for note in reliable.notes)
    plain = contextual_test(alliance_outcome(few, **SAME, random=OutcomeModel(slopes=())))
    assert plain.glance().loc[0, "means"] == "observed"
    assert any("on observed means" in note for note in plain.notes)


def test_tidy_speaks_the_vocabulary(lagged: AllianceOutcome) -> None:
    result = contextual_test(lagged)
    assert isinstance(result, ContextualTest)
    assert [name for name in result.tidy() if name not in COLUMNS] == ["slope_inner", "slope_outer"]
    assert any("errors of means draw it to zero" in note for note in result.notes)


def test_notes_of_the_latent_model_name_estimand_estimator_and_what_is_left_out(few: pd.DataFrame) -> None:
    result = level_effects(few, "distress", "wai", levels=("patient",), covariates=("session",), random=("patient",))
    text = " ".join(contextual_test(result, means="latent").notes)
    for part in (
        "true (latent) means",
        "maximum likelihood",
        "Random slopes",
        "both depend on: session",
        "70 patients",
    ):
        assert part in text


BAD: list[tuple[dict[str, Any], str]] = [
    ({"means": "ltent"}, r"No kind of means 'ltent'(?s:.*)did you mean 'latent'"),
    ({"means": "latent", "df": "normal"}, r"df= and robust= are for observed means(?s:.*)leave them out"),
    ({"means": "latent", "robust": "CR2"}, r"df= and robust= are for observed means"),
    ({"df": "student"}, r"No df method 'student'"),
    ({"level": 1.5}, r"between 0 and 1"),
    ({"terms": {"session": "wai_session"}}, r"terms= is for a plain fit(?s:.*)leave terms= out"),
]


@pytest.mark.parametrize(("options", "message"), BAD)
def test_bad_options_are_refused(options: dict[str, Any], message: str, study: Study) -> None:
    result = level_effects(study(), "distress", "wai")
    with pytest.raises(ModelError, match=message):
        contextual_test(result, **options)


def test_a_fit_without_named_terms_is_refused(study: Study) -> None:
    fit = lmm("distress ~ wai + (1 | patient)", study())
    with pytest.raises(ModelError, match=r"does not say which terms(?s:.*)terms=\{"):
        contextual_test(fit)
    with pytest.raises(ModelError, match=r"No term 'wia'(?s:.*)did you mean 'wai'"):
        contextual_test(fit, terms={"session": "wia", "patient": "Intercept"})
    with pytest.raises(ModelError, match=r"Latent means need the ratings(?s:.*)alliance_outcome"):
        contextual_test(fit, terms={"session": "wai", "patient": "Intercept"}, means="latent")
    with pytest.raises(ModelError, match=r"DataFrame holds no slopes(?s:.*)alliance_outcome"):
        contextual_test(study())  # type: ignore[arg-type]


def test_latent_means_of_detrended_parts_are_refused(study: Study) -> None:
    result = alliance_outcome(study(), **{**SAME, "detrend": "linear"}, random=("patient", "therapist"))
    with pytest.raises(ModelError, match=r"detrended(?s:.*)detrend=None"):
        contextual_test(result, means="latent")


def test_a_level_without_variance_has_no_latent_slope() -> None:
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"patient": np.repeat(np.arange(30), 4), "session": np.tile([1, 2, 3, 4], 30)})
    wai = rng.normal(size=120)
    # Patients are more alike than chance: the variance between them is estimated at zero.
    wai -= 0.98 * pd.Series(wai).groupby(frame["patient"]).transform("mean").to_numpy()
    frame = frame.assign(wai=wai, distress=wai + rng.normal(size=120))
    result = level_effects(frame, "distress", "wai", levels=("patient",), random=("patient",))
    with pytest.raises(ModelError, match=r"variance of 'wai' between patients is estimated at zero(?s:.*)observed"):
        contextual_test(result, means="latent")


def test_latent_means_need_numeric_columns(study: Study) -> None:
    frame = study().assign(arm=lambda f: np.where(f["patient"] < "p2", "a", "b"))
    result = level_effects(frame, "distress", "wai", covariates=("arm",))
    with pytest.raises(ColumnError, match=r"'arm\[T.b\]' is not a numeric column(?s:.*)0 and 1"):
        contextual_test(result, means="latent")
