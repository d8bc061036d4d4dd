"""Adjustments, random parts, several models, and what may be asked of the result of alliance and outcome."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from alliance_stats.errors import DataError, ModelError
from alliance_stats.inference.coefficient_tests import coefficient_tests
from alliance_stats.inference.rowblocks import row_blocks
from alliance_stats.mixed.lmm import lmm
from alliance_stats.mixed.residuals import ar1
from alliance_stats.process.alliance_outcome import AllianceOutcomes, alliance_outcome
from alliance_stats.process.outcome_model import Adjustments, OutcomeModel
from alliance_stats.result import COLUMNS

Study = Callable[..., pd.DataFrame]
ASKED: dict[str, Any] = {"alliance": "wai", "outcome": "distress", "lag": 1, "detrend": None}
PLAIN = OutcomeModel(slopes=())


def formula(frame: pd.DataFrame, **options: Any) -> str:
    return str(alliance_outcome(frame, **{**ASKED, "random": PLAIN, **options}).fit.formula)


# What slopes are adjusted for


@pytest.mark.parametrize(
    ("adjustments", "covariates"),
    [
        (Adjustments(), "distress_session_lag1 + session"),
        (Adjustments(time="none"), "distress_session_lag1"),
        (Adjustments(time="quadratic"), "distress_session_lag1 + session + session_squared"),
        (Adjustments(time="log"), "distress_session_lag1 + session_log"),
        (Adjustments(previous_outcome=False), "session"),
        (Adjustments(intake=True), "distress_session_lag1 + session + distress_intake"),
        (Adjustments(prior_change="since_intake"), "distress_session_lag1 + session + distress_prior_change"),
        (Adjustments(columns=("age",)), "distress_session_lag1 + session + age"),
    ],
)
def test_adjustments_are_the_covariates_of_the_model(adjustments: Adjustments, covariates: str, study: Study) -> None:
    frame = study().assign(age=lambda f: np.arange(len(f)) % 7)
    head = "distress ~ wai_session_lag1 + wai_patient + wai_therapist + "
    assert formula(frame, covariates=adjustments) == f"{head}{covariates} + (1 | patient) + (1 | therapist)"


def test_columns_of_time_hold_what_their_names_say(study: Study) -> None:
    squared = alliance_outcome(study(), **ASKED, covariates=Adjustments(time="quadratic"), random=PLAIN).frame
    np.testing.assert_allclose(squared["session_squared"], (squared["session"] - 3.5) ** 2)
    log = alliance_outcome(study(), **ASKED, covariates=Adjustments(time="log"), random=PLAIN).frame
    np.testing.assert_allclose(log["session_log"], np.log(log["session"]))


def test_intake_is_the_first_rated_outcome_and_does_not_predict_itself(study: Study) -> None:
    frame = study().sample(frac=1, random_state=1)
    frame.loc[(frame["patient"] == "p0") & (frame["session"] == 1), "distress"] = np.nan
    rows = alliance_outcome(
        frame, **{**ASKED, "lag": 0}, covariates=Adjustments(intake=True, previous_outcome=False), random=PLAIN
    ).frame
    rated = frame.dropna(subset="distress").sort_values("session").groupby("patient")["distress"].first()
    np.testing.assert_array_equal(rows["distress_intake"], rows["patient"].map(rated))
    assert sorted(rows.loc[rows["patient"] == "p0", "session"]) == [3, 4, 5, 6]
    assert sorted(rows.loc[rows["patient"] == "p1", "session"]) == [2, 3, 4, 5, 6]


def test_prior_change_is_counted_from_intake_or_from_the_session_before(study: Study) -> None:
    frame = study()
    before = frame.groupby("patient")["distress"]
    since = alliance_outcome(frame, **ASKED, covariates=Adjustments(prior_change="since_intake"), random=PLAIN).frame
    expected = (before.shift(1) - before.transform("first"))[since.index]
    np.testing.assert_allclose(since["distress_prior_change"], expected, atol=1e-12)
    step = alliance_outcome(frame, **ASKED, covariates=Adjustments(prior_change="last_step"), random=PLAIN).frame
    np.testing.assert_allclose(
        step["distress_prior_change"], (before.shift(1) - before.shift(2))[step.index], atol=1e-12
    )
    assert sorted(step["session"].unique()) == [3, 4, 5, 6]


def test_a_session_number_of_zero_has_no_logarithm(study: Study) -> None:
    with pytest.raises(DataError, match=r'40 of 240 session numbers are below 1(?s:.*)time="linear"'):
        formula(study().assign(session=lambda f: f["session"] - 1), covariates=Adjustments(time="log"))


def test_unknown_adjustments_are_refused() -> None:
    with pytest.raises(DataError, match=r"No time option 'linar'(?s:.*)did you mean 'linear'"):
        Adjustments(time="linar")  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"No prior change 'all'(?s:.*)since_intake"):
        Adjustments(prior_change="all")  # type: ignore[arg-type]


# The random part, residuals, tests


@pytest.mark.parametrize(
    ("model", "bars"),
    [
        (OutcomeModel(), "(1 + wai_session_lag1 | patient) + (1 | therapist)"),
        (OutcomeModel(slopes=()), "(1 | patient) + (1 | therapist)"),
        (OutcomeModel(slopes="therapist"), "(1 | patient) + (1 + wai_session_lag1 | therapist)"),
        (
            OutcomeModel(slopes=("patient", "therapist")),
            "(1 + wai_session_lag1 | patient) + (1 + wai_session_lag1 | therapist)",
        ),
        (OutcomeModel(random="patient"), "(1 | patient)"),
    ],
)
def test_slopes_vary_at_the_levels_named(model: OutcomeModel, bars: str, study: Study) -> None:
    assert formula(study(), random=model).endswith(f"+ session + {bars}")


def test_levels_can_be_named_and_reach_to_sites(study: Study) -> None:
    frame = study(n_therapists=16).assign(clinic=lambda f: f["therapist"].str[1:].astype(int) % 4)
    frame = frame.rename(columns={"therapist": "th"})
    model = OutcomeModel(slopes=(), levels={"patient": "patient", "therapist": "th", "site": "clinic"})
    result = alliance_outcome(frame, **ASKED, random=model)
    assert result.by_level()["level"].tolist() == ["session", "patient", "therapist", "site"]
    assert result.fit.formula.endswith("(1 | patient) + (1 | th) + (1 | clinic)")
    assert result.by_level()["n_sites"].tolist() == [4] * 4


def test_residuals_may_follow_an_autoregression(study: Study) -> None:
    structure = ar1("session", by="patient")
    result = alliance_outcome(study(), **ASKED, random=OutcomeModel(slopes=(), residual=structure))
    again = lmm(result.fit.formula, result.frame, residual=structure)
    assert result.fit.residual is not None
    np.testing.assert_allclose(result.fit.fixed_effects, again.fixed_effects, rtol=1e-7)
    assert any("Residuals: ar1(session | patient)" in note for note in result.notes)


@pytest.mark.parametrize("df", ["satterthwaite", "kenward_roger", "between_within", "normal"])
def test_tests_have_the_df_asked_for(df: Any, study: Study) -> None:
    result = alliance_outcome(study(), **ASKED, random=OutcomeModel(slopes=(), df=df))
    expected = coefficient_tests(result.fit, df=df).tidy().set_index("term")
    table = result.tidy().query("level != 'contextual'").set_index("term")
    for name in ("std_error", "df", "p_value", "conf_low"):
        np.testing.assert_allclose(table[name], expected.loc[table.index, name], rtol=1e-9)
    assert any(f"df method: {df}" in note for note in result.notes)


def test_means_may_be_drawn_in_by_their_reliability(study: Study) -> None:
    plain, reliable = (
        alliance_outcome(study(), **ASKED, random=OutcomeModel(slopes=(), weights=weights)).by_level()
        for weights in ("sessions", "reliability")
    )
    assert abs(reliable["difference"][1]) > abs(plain["difference"][1])


def test_unknown_models_are_refused(study: Study) -> None:
    with pytest.raises(ModelError, match=r"No df method 'satterthwait'(?s:.*)did you mean 'satterthwaite'"):
        OutcomeModel(df="satterthwait")  # type: ignore[arg-type]
    with pytest.raises(
        ModelError, match=r"residual= takes a structure of residuals, not a value of type str(?s:.*)ar1"
    ):
        OutcomeModel(residual="ar1")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match=r"No level for slopes 'therapst'(?s:.*)did you mean 'therapist'"):
        formula(study(), random=OutcomeModel(slopes=("therapst",)))


# What may be asked of the result


def test_levels_stand_side_by_side_with_their_differences(study: Study) -> None:
    result = alliance_outcome(study(), **ASKED, random=PLAIN)
    table, rows = result.by_level(), result.tidy().set_index("term")
    assert table["level"].tolist() == ["session", "patient", "therapist"]
    np.testing.assert_array_equal(table["estimate"], result.tidy()["estimate"].iloc[:3])
    assert np.isnan(table["difference"][0])
    assert table["difference"][2] == pytest.approx(table["estimate"][2] - table["estimate"][1])
    assert table["difference_p_value"][1] == rows.loc["wai_patient - wai_session_lag1", "p_value"]


def test_sessions_patients_and_therapists_that_carry_each_estimate_are_counted(study: Study) -> None:
    frame = study()
    # The only patient of a therapist says nothing about patients of one therapist; an alliance that never changes nothing
    # about sessions.
    frame = frame[(frame["therapist"] != "t0") | (frame["patient"] == "p0")]
    frame = frame.assign(wai=frame["wai"].where(frame["patient"] != "p7", 50.0))
    table = alliance_outcome(frame, **ASKED, random=PLAIN).by_level().set_index("level")
    counts = ["n_sessions", "n_patients", "n_therapists"]
    assert table.loc["session", counts].tolist() == [175, 35, 8]
    assert table.loc["patient", counts].tolist() == [175, 35, 7]
    assert table.loc["therapist", counts].tolist() == [180, 36, 8]


def test_n_counts_the_rows_or_units_that_by_level_counts(study: Study) -> None:
    frame = study()
    frame = frame[(frame["therapist"] != "t0") | (frame["patient"] == "p0")]
    result = alliance_outcome(frame, **ASKED, random=PLAIN)
    table, rows = result.by_level().set_index("level"), result.tidy().set_index("term")["n"]
    assert rows["wai_session_lag1"] == table.loc["session", "n_sessions"] == 180
    assert rows["wai_patient"] == rows["wai_patient - wai_session_lag1"] == table.loc["patient", "n_patients"] == 35
    assert rows["wai_therapist"] == table.loc["therapist", "n_therapists"] == 8
    assert rows["session"] == len(result.frame)
    assert any("without those of a patient whose predictor never changes" in note for note in result.notes)


def test_a_patient_with_one_analysed_row_carries_the_session_slope_if_the_alliance_was_off_its_mean(
    study: Study,
) -> None:
    frame = study()
    # p0 has one outcome that follows another, and the alliance of all six sessions.
    frame["distress"] = frame["distress"].where((frame["patient"] != "p0") | (frame["session"] < 3))
    result = alliance_outcome(frame, **ASKED, random=PLAIN)
    assert (result.frame["patient"] == "p0").sum() == 1
    assert result.slope("session")[["n_sessions", "n_patients"]].tolist() == [196, 40]


def test_standardised_slopes_are_in_standard_deviations_of_the_rows_analysed(study: Study) -> None:
    result = alliance_outcome(study(), **{**ASKED, "detrend": "linear"}, random=PLAIN)
    rows, table = result.frame, result.by_level().set_index("level")
    own = rows.groupby("patient")[["wai_session_lag1", "distress"]]
    within = (rows[["wai_session_lag1", "distress"]] - own.transform("mean")).std()
    assert table.loc["session", "std_estimate"] == pytest.approx(
        table.loc["session", "estimate"] * within.iloc[0] / within.iloc[1]
    )
    patients = rows.groupby(["therapist", "patient"])[["wai_patient", "distress"]].mean()
    apart = patients["distress"] - patients.groupby("therapist")["distress"].transform("mean")
    assert table.loc["patient", "std_estimate"] == pytest.approx(
        table.loc["patient", "estimate"] * patients["wai_patient"].std() / apart.std()
    )
    assert any("of the outcome with its trend" in note for note in result.notes)


def test_a_pooled_slope_is_refused_with_what_it_would_mix(study: Study) -> None:
    result = alliance_outcome(study(), **ASKED, random=PLAIN)
    with pytest.raises(
        ModelError, match=r"answers no question(?s:.*)\d+% session, .*\d+% patient(?s:.*)slope\(\"session\"\)"
    ):
        result.slope()
    assert result.slope("patient")["estimate"] == result.by_level()["estimate"][1]
    with pytest.raises(DataError, match=r"No level 'patent'(?s:.*)did you mean 'patient'"):
        result.slope("patent")


def test_a_pooled_slope_is_the_weighted_mix_of_the_slopes_of_the_levels(study: Study) -> None:
    # Generalised least squares on the undivided alliance, with the variances of the model that has the parts.
    result = alliance_outcome(study(), **{**ASKED, "lag": 0}, random=PLAIN)
    mixture = result.mixture()
    left, right = np.zeros((3, 3)), np.zeros(3)
    for block in row_blocks(result.fit):
        rows = result.frame.iloc[block.rows]
        x = np.column_stack([np.ones(len(rows)), rows["wai"], rows["session"]])
        solved = np.linalg.solve(block.covariance, np.column_stack([x, rows["distress"]]))
        left += x.T @ solved[:, :3]
        right += x.T @ solved[:, 3]
    pooled = np.linalg.solve(left, right)[1]
    assert mixture["weight"].sum() == pytest.approx(1.0)
    assert (mixture["weight"] * mixture["estimate"]).sum() == pytest.approx(pooled, rel=1e-7)


# Several models


def test_a_list_of_subscales_gives_one_model_each(study: Study) -> None:
    rng = np.random.default_rng(3)
    frame = study().assign(task=lambda f: f["wai"] + rng.normal(size=len(f)), bond=lambda f: f["wai"] - f["session"])
    result = alliance_outcome(frame, **{**ASKED, "alliance": ["task", "bond"]}, random=PLAIN)
    assert isinstance(result, AllianceOutcomes)
    single = alliance_outcome(frame, **{**ASKED, "alliance": "bond"}, random=PLAIN)
    table = result.by_level().query("predictor == 'bond'")
    np.testing.assert_allclose(table["estimate"], single.by_level()["estimate"], rtol=1e-12)
    assert result.tidy()["model"].nunique() == 2
    assert [name for name in result.tidy() if name not in COLUMNS] == ["std_estimate"]
    assert any("Each subscale stands alone" in note for note in result.notes)
    assert result.glance().loc[0, ["n_models", "n_sessions_min"]].tolist() == [2, 200]


def test_trends_handled_both_ways_stand_side_by_side(study: Study) -> None:
    result = alliance_outcome(study(), **{**ASKED, "detrend": [None, "linear", "quadratic"]}, random=PLAIN)
    assert [one.detrend for one in result.results] == [None, "linear", "quadratic"]
    assert list(dict.fromkeys(result.tidy()["model"])) == [
        "distress, wai lag 1, not detrended",
        "distress, wai lag 1, detrended",
        "distress, wai lag 1, parabola taken out",
    ]


def test_empty_lists_and_names_given_twice_are_refused(study: Study) -> None:
    with pytest.raises(DataError, match=r"alliance= is an empty list"):
        alliance_outcome(study(), **{**ASKED, "alliance": []})
    with pytest.raises(DataError, match=r"detrend= names the same twice"):
        alliance_outcome(study(), **{**ASKED, "detrend": [None, None]})


# Theorems


def lagged(study: Study, slope: float, seed: int = 1) -> pd.DataFrame:
    """Return a study whose outcome depends on the alliance of the session before."""
    frame = study(seed=seed, n_sessions=8)
    deviation = frame["wai"] - frame.groupby("patient")["wai"].transform("mean")
    before = deviation.groupby(frame["patient"]).shift(1).fillna(0.0)
    return frame.assign(distress=frame["distress"] + 0.5 * deviation + slope * before)


def test_shuffling_sessions_within_patients_kills_the_lagged_slope(study: Study) -> None:
    frame = lagged(study, -0.8)
    rng = np.random.default_rng(5)
    real = alliance_outcome(frame, **ASKED, random=PLAIN).slope("session")["estimate"]
    shuffled = []
    for _ in range(9):
        place = frame.assign(key=rng.uniform(size=len(frame))).groupby("patient")["key"].rank().astype(int)
        shuffled.append(
            alliance_outcome(frame.assign(session=place), **ASKED, random=PLAIN).slope("session")["estimate"]
        )
    assert real < -0.6
    assert real < min(shuffled)
    assert abs(np.mean(shuffled)) < 0.15


def test_without_a_lagged_effect_its_interval_holds_zero_as_often_as_it_should(study: Study) -> None:
    held = []
    for seed in range(20):
        frame = study(seed=seed, n_sessions=6, n_therapists=6, per_therapist=6)
        frame["distress"] -= -0.5 * (frame["wai"] - frame.groupby("patient")["wai"].transform("mean"))
        row = alliance_outcome(frame, **ASKED, covariates=Adjustments(previous_outcome=False), random=PLAIN).slope(
            "session"
        )
        held.append(row["conf_low"] < 0 < row["conf_high"])
    # 95 % of 20 is 19; fewer than 17 has a probability of less than two in a hundred.
    assert sum(held) >= 17


def test_a_constant_alliance_has_no_session_effect_and_says_so(study: Study) -> None:
    frame = study().assign(wai=lambda f: f.groupby("patient")["wai"].transform("first"))
    with pytest.raises(DataError, match=r"'wai' does not vary within patients(?s:.*)two or more different ratings"):
        alliance_outcome(frame, **ASKED)


def test_patient_and_session_parts_are_orthogonal_in_the_rows_of_a_complete_table(study: Study) -> None:
    rows = alliance_outcome(study(), **{**ASKED, "lag": 0}, random=PLAIN).frame
    assert abs(rows["wai_session"] @ rows["wai_patient"]) < 1e-8
    assert abs(rows["wai_session"] @ rows["wai_therapist"]) < 1e-8


# What cannot be used


def test_an_alliance_rated_by_two_raters_is_refused_with_counts(study: Study) -> None:
    frame = study().assign(rater=lambda f: np.where(f["session"] < 3, "patient", "observer"))
    with pytest.raises(
        DataError, match=r"ratings of 2 raters \(column 'rater', 160, 80 rows\)(?s:.*)keep the rows of one rater"
    ):
        alliance_outcome(frame, **ASKED)
    assert alliance_outcome(frame.assign(rater="patient"), **ASKED, random=PLAIN).fit.n_obs == 200


def test_rows_out_of_order_are_matched_by_session_number_and_counted(study: Study) -> None:
    frame = study()
    turned = pd.concat([frame[frame["session"] == 6], frame[frame["session"] < 6]])
    result = alliance_outcome(turned, **ASKED, random=PLAIN)
    assert "40 rows stand after a later session of their patient; rows are matched by session number." in result.notes
    expected = alliance_outcome(frame, **ASKED, random=PLAIN)
    np.testing.assert_allclose(result.by_level()["estimate"], expected.by_level()["estimate"], rtol=1e-6)
    assert not any("later session" in note for note in expected.notes)


def test_one_therapist_leaves_no_therapist_part(study: Study) -> None:
    result = alliance_outcome(study(n_therapists=1, per_therapist=12), **ASKED, random=PLAIN)
    assert result.by_level()["level"].tolist() == ["session", "patient"]
    assert any("fewer than two therapists" in note for note in result.notes)
