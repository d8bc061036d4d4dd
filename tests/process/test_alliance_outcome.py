"""Alliance and later outcome, apart for each level."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, signature
from typing import Any

import numpy as np
import pandas as pd
import pytest

from alliance_stats.errors import ColumnError, DataError
from alliance_stats.mixed.lmm import lmm
from alliance_stats.process.alliance_outcome import AllianceOutcome, alliance_outcome
from alliance_stats.process.centering import within_between
from alliance_stats.process.level_effects import level_effects
from alliance_stats.result import COLUMNS

Study = Callable[..., pd.DataFrame]
PLAIN: dict[str, Any] = {"alliance": "wai", "outcome": "distress", "lag": 1, "detrend": None}
INTERCEPTS = ("patient", "therapist")


def lagged_study(study: Study, slope: float = -0.6, n_sessions: int = 10) -> pd.DataFrame:
    """Return a study whose outcome also depends on the alliance of the session before."""
    frame = study(n_sessions=n_sessions)
    within = within_between(frame, "wai", lag=1)
    frame["distress"] += 0.5 * within["wai_session"] + slope * within["wai_session_lag1"].fillna(0.0)
    return frame


@pytest.fixture(scope="module")
def result(study: Study) -> AllianceOutcome:
    return alliance_outcome(lagged_study(study), **PLAIN)


def test_known_slopes_are_recovered_at_every_level(result: AllianceOutcome, truth: dict[str, float]) -> None:
    table = result.tidy().set_index("level").iloc[:3]
    for level, slope in {**truth, "session": -0.6}.items():
        assert abs(table.loc[level, "estimate"] - slope) < 3 * table.loc[level, "std_error"]
        assert abs(table.loc[level, "estimate"] - slope) < 0.35


def test_the_model_is_the_documented_one(result: AllianceOutcome) -> None:
    assert result.fit.formula == (
        "distress ~ wai_session_lag1 + wai_patient + wai_therapist + distress_session_lag1 + session"
        " + (1 + wai_session_lag1 | patient) + (1 | therapist)"
    )


def test_the_rows_analysed_hold_the_session_before(study: Study, result: AllianceOutcome) -> None:
    frame = lagged_study(study)
    frame["before"] = frame.groupby("patient")["wai"].shift(1)
    frame["mean"] = frame.groupby("patient")["wai"].transform("mean")
    expected = frame.dropna()
    np.testing.assert_allclose(result.frame["wai_session_lag1"], expected["before"] - expected["mean"], atol=1e-10)


def test_a_gap_is_not_bridged(study: Study) -> None:
    frame = study()
    frame = frame[~((frame["patient"] == "p0") & (frame["session"] == 3))]
    analysed = alliance_outcome(frame, **PLAIN, random=INTERCEPTS).frame
    assert analysed.loc[analysed["patient"] == "p0", "session"].tolist() == [2, 5, 6]


def test_tidy_names_parts_contextual_differences_and_covariates(result: AllianceOutcome) -> None:
    table = result.tidy()
    levels = ["session", "patient", "therapist", "contextual", "contextual", "session", "covariate", "covariate"]
    assert table["level"].tolist() == levels
    assert table["predictor"].tolist() == ["wai"] * 5 + ["distress", "Intercept", "session"]
    assert [name for name in table.columns if name not in COLUMNS] == ["std_estimate"]


def test_a_contextual_difference_is_the_difference_of_the_slopes(result: AllianceOutcome) -> None:
    table = result.tidy().set_index("term")
    row = table.loc["wai_patient - wai_session_lag1"]
    slopes, covariance = result.fit.fixed_effects, result.fit.fixed_covariance
    assert row["estimate"] == pytest.approx(slopes["wai_patient"] - slopes["wai_session_lag1"], rel=1e-12)
    variance = (
        covariance.loc["wai_patient", "wai_patient"]
        + covariance.loc["wai_session_lag1", "wai_session_lag1"]
        - 2 * covariance.loc["wai_patient", "wai_session_lag1"]
    )
    assert row["std_error"] == pytest.approx(np.sqrt(variance), rel=1e-9)


def test_the_contextual_difference_is_the_slope_of_the_mean_beside_the_raw_alliance(study: Study) -> None:
    result = alliance_outcome(study(), **{**PLAIN, "lag": 0}, random=INTERCEPTS)
    model = "distress ~ wai + wai_patient + wai_therapist + session + (1 | patient) + (1 | therapist)"
    contextual = result.tidy().set_index("term").loc["wai_patient - wai_session"]
    mundlak = lmm(model, result.frame)
    assert contextual["estimate"] == pytest.approx(mundlak.fixed_effects["wai_patient"], rel=1e-5)


def test_lag_zero_is_the_same_session_without_the_outcome_before(study: Study) -> None:
    result = alliance_outcome(study(), **{**PLAIN, "lag": 0}, random=INTERCEPTS)
    same = level_effects(study(), "distress", "wai", covariates=("session",))
    assert "distress" not in result.tidy()["predictor"].tolist()
    np.testing.assert_allclose(result.tidy()["estimate"].iloc[:3], same.tidy()["estimate"].iloc[:3], rtol=1e-6)
    assert any("either may lead" in note for note in result.notes)


def test_lag_two_takes_alliance_and_outcome_of_the_same_earlier_session(study: Study) -> None:
    result = alliance_outcome(study(), **{**PLAIN, "lag": 2}, random=INTERCEPTS)
    assert {"wai_session_lag2", "distress_session_lag2"} <= set(result.tidy()["term"])
    assert len(result.frame) == 40 * 4


def test_detrending_takes_patient_lines_out_of_the_session_parts(study: Study) -> None:
    frame = study()
    result = alliance_outcome(frame, **{**PLAIN, "detrend": "linear"}, random=INTERCEPTS)
    expected = within_between(frame, "wai", lag=1, detrend="linear")["wai_session_lag1"].dropna()
    np.testing.assert_allclose(result.frame["wai_session_lag1"], expected, atol=1e-12)
    assert result.glance().loc[0, "detrend"] == "linear"
    assert any("deviations from each patient's own line" in note for note in result.notes)


def test_a_common_trend_leaves_detrended_slopes_alone(study: Study) -> None:
    frame = study()
    options = {**PLAIN, "detrend": "linear"}
    steeper = frame.assign(wai=frame["wai"] + 3 * frame["session"])
    one, other = (alliance_outcome(f, **options, random=INTERCEPTS).tidy() for f in (frame, steeper))
    assert other["estimate"][0] == pytest.approx(one["estimate"][0], rel=1e-5)


def test_covariates_enter_as_they_are(study: Study) -> None:
    frame = study()
    frame["intake"] = frame.groupby("patient")["distress"].transform("first")
    table = alliance_outcome(frame, **PLAIN, covariates=("intake",), random=INTERCEPTS).tidy().set_index("term")
    assert table.loc["intake", "level"] == "covariate"


def test_random_terms_can_be_chosen(study: Study) -> None:
    result = alliance_outcome(study(), **PLAIN, random=INTERCEPTS)
    assert result.fit.formula.endswith("+ session + (1 | patient) + (1 | therapist)")


def test_the_first_note_warns_when_few_rows_have_a_session_before(study: Study) -> None:
    frame = study()
    late = frame["session"] > 3
    thin = frame.assign(session=frame["session"].where(~late, 10 * frame["session"]))
    assert alliance_outcome(thin, **PLAIN, random=INTERCEPTS).notes[0].startswith("Few rows carry these estimates: ")
    assert not alliance_outcome(frame, **PLAIN, random=INTERCEPTS).notes[0].startswith("Few rows")


def test_row_order_and_labels_do_not_matter(study: Study) -> None:
    frame = study()
    changed = frame.assign(patient=frame["patient"].map(lambda p: 1000 - int(p[1:]))).sample(frac=1, random_state=3)
    one, other = (alliance_outcome(f, **PLAIN, random=INTERCEPTS).tidy() for f in (frame, changed))
    np.testing.assert_allclose(one["estimate"], other["estimate"], rtol=1e-4, atol=1e-8)


def test_without_therapists_patients_are_the_highest_level(study: Study) -> None:
    result = alliance_outcome(study().drop(columns="therapist"), **PLAIN)
    assert list(result.levels) == ["patient"]
    assert result.fit.formula.endswith("(1 + wai_session_lag1 | patient)")
    assert any("no therapist column" in note for note in result.notes)


def test_glance_describes_the_analysis(result: AllianceOutcome) -> None:
    row = result.glance()
    assert len(row) == 1
    assert row.loc[0, ["alliance", "outcome", "lag", "detrend"]].tolist() == ["wai", "distress", 1, "none"]
    assert row.loc[0, ["n_sessions", "n_patients", "n_therapists"]].tolist() == [360, 40, 8]


@pytest.mark.parametrize(
    "text",
    [
        "Estimand: expected difference in distress",
        "not an effect",
        "Centring of wai",
        "Centring of distress",
        "session part rated 1 session before the outcome",
        "dynamic panel",
        "Rows: 400; analysed: 360",
        "Patient means are taken over all sessions",
        "report both",
    ],
)
def test_notes_name_what_a_reviewer_asks_for(result: AllianceOutcome, text: str) -> None:
    assert any(text in note for note in result.notes)


def test_lag_and_detrending_have_no_silent_default() -> None:
    parameters = signature(alliance_outcome).parameters
    assert all(parameters[name].default is Parameter.empty for name in ("alliance", "outcome", "lag", "detrend"))


BAD: list[tuple[str, Callable[[pd.DataFrame], pd.DataFrame], dict[str, Any], type[Exception], str]] = [
    ("typo", lambda f: f, {"alliance": "wia"}, ColumnError, r"'wia'(?s:.*)Did you mean 'wai'"),
    ("no patient", lambda f: f.drop(columns="patient"), {}, ColumnError, r"'patient'(?s:.*)read_sessions"),
    ("no session", lambda f: f.drop(columns="session"), {}, ColumnError, r"'session'(?s:.*)read_sessions"),
    ("same column", lambda f: f, {"alliance": "distress"}, DataError, r"'distress' is both outcome and predictor"),
    ("pooled slope", lambda f: f, {"covariates": ("wai",)}, DataError, r"'wai' is a covariate(?s:.*)pool"),
    ("raw lag", lambda f: f, {"covariates": ("distress",)}, DataError, r"'distress' is a covariate"),
    ("names as covariate", lambda f: f, {"covariates": ["therapist"]}, DataError, r"'therapist' groups(?s:.*)random="),
    ("negative", lambda f: f, {"lag": -1}, DataError, r"lag=-1"),
    ("too long", lambda f: f, {"lag": 6}, DataError, r"at a lag of 6(?s:.*)smaller lag"),
    ("detrend", lambda f: f, {"detrend": "loess"}, DataError, r"No detrend option 'loess'"),
    ("fraction", lambda f: f.assign(session=f.session + 0.5), {}, DataError, r"whole numbers"),
    ("two raters", lambda f: pd.concat([f, f]), {}, DataError, r"240 rows repeat(?s:.*)one rater"),
    ("one session", lambda f: f[f.session == 1], {}, DataError, r"at a lag of 1"),
    ("constant", lambda f: f.assign(wai=3.0), {}, DataError, r"'wai' does not vary within patients"),
    (
        "several therapists",
        lambda f: f.assign(therapist=np.where(f.session == 1, "t0", f.therapist)),
        {},
        DataError,
        r"35 patients belong to more than one therapist(?s:.*)drop\(columns=\"therapist\"\)",
    ),
    (
        "few therapists",
        lambda f: f[f.therapist < "t2"],
        {},
        DataError,
        r"2 therapists are too few(?s:.*)without that column",
    ),
]


@pytest.mark.parametrize(("change", "options", "error", "message"), [row[1:] for row in BAD], ids=[r[0] for r in BAD])
def test_bad_input_is_refused_with_a_remedy(
    study: Study,
    change: Callable[[pd.DataFrame], pd.DataFrame],
    options: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        alliance_outcome(change(study()), **{**PLAIN, **options})
