"""Slopes of predictors on one outcome, apart for each level."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from alliance_stats.errors import ColumnError, DataError
from alliance_stats.inference.coefficient_tests import coefficient_tests
from alliance_stats.mixed.lmm import lmm
from alliance_stats.process.level_effects import LevelEffects, level_effects
from alliance_stats.result import COLUMNS

Study = Callable[..., pd.DataFrame]
ESTIMATES = ["estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high", "std_estimate"]


@pytest.fixture(scope="module")
def result(study: Study) -> LevelEffects:
    return level_effects(study(), "distress", "wai")


def by_level(result: LevelEffects, column: str = "estimate") -> dict[str, float]:
    table = result.tidy()
    return dict(zip(table["level"], table[column], strict=True))


def test_known_slopes_are_recovered_at_every_level(result: LevelEffects, truth: dict[str, float]) -> None:
    table = result.tidy().set_index("level")
    for level, slope in truth.items():
        assert table.loc[level, "conf_low"] < slope < table.loc[level, "conf_high"]
        assert abs(table.loc[level, "estimate"] - slope) < 0.3


def test_session_slope_is_the_within_patient_least_squares_slope(study: Study) -> None:
    frame = study().drop(index=[0, 1, 7, 20, 21, 22])
    x = frame["wai"] - frame.groupby("patient")["wai"].transform("mean")
    expected = (x * frame["distress"]).sum() / (x**2).sum()
    assert by_level(level_effects(frame, "distress", "wai"))["session"] == pytest.approx(expected, rel=1e-9)


def test_patient_slope_of_a_balanced_table_is_the_slope_between_patient_means(study: Study) -> None:
    frame = study().drop(columns="therapist")
    means = frame.groupby("patient")[["wai", "distress"]].mean()
    expected = np.polyfit(means["wai"], means["distress"], 1)[0]
    assert by_level(level_effects(frame, "distress", "wai"))["patient"] == pytest.approx(expected, rel=1e-7)


def test_estimates_are_those_of_the_fit(result: LevelEffects) -> None:
    table = result.tidy().set_index("term")
    np.testing.assert_allclose(table["estimate"], result.fit.fixed_effects[table.index], rtol=1e-12)
    errors = pd.Series(np.sqrt(np.diag(result.fit.fixed_covariance)), result.fit.fixed_effects.index)
    np.testing.assert_allclose(table["std_error"], errors[table.index], rtol=1e-12)
    np.testing.assert_allclose(table["statistic"], table["estimate"] / table["std_error"], rtol=1e-12)
    reach = stats.t.ppf(0.975, table["df"]) * table["std_error"]
    np.testing.assert_allclose(table["conf_high"] - table["estimate"], reach, rtol=1e-9)
    satterthwaite = coefficient_tests(result.fit).tidy().set_index("term")["df"]
    np.testing.assert_allclose(table["df"], satterthwaite[table.index], rtol=1e-9)


def test_the_formula_in_the_notes_gives_the_same_fit_again(result: LevelEffects) -> None:
    again = lmm(result.fit.formula, result.frame)
    np.testing.assert_allclose(again.fixed_effects, result.fit.fixed_effects, rtol=1e-8)
    assert any(result.fit.formula in note for note in result.notes)


def test_tidy_speaks_the_vocabulary_and_names_levels(result: LevelEffects) -> None:
    table = result.tidy()
    assert [name for name in table.columns if name not in COLUMNS] == ["std_estimate"]
    assert table["level"].tolist() == ["session", "patient", "therapist", "covariate"]
    assert table["term"].tolist()[:3] == ["wai_session", "wai_patient", "wai_therapist"]
    assert (table["outcome"] == "distress").all()


def test_n_counts_what_carries_each_estimate(study: Study) -> None:
    frame = study().drop(index=range(1, 6))
    assert by_level(level_effects(frame, "distress", "wai"), "n") == {
        "session": 39 * 6,
        "patient": 40,
        "therapist": 8,
        "covariate": 39 * 6 + 1,
    }


def test_glance_has_one_row_with_n_per_level_and_the_state_of_the_fit(result: LevelEffects) -> None:
    row = result.glance()
    assert len(row) == 1
    assert row.loc[0, ["n_sessions", "n_patients", "n_therapists"]].tolist() == [240, 40, 8]
    assert row.loc[0, "formula"] == result.fit.formula
    assert bool(row.loc[0, "singular"]) == result.fit.singular


def test_row_order_does_not_matter(study: Study, result: LevelEffects) -> None:
    again = level_effects(study().sample(frac=1, random_state=2), "distress", "wai")
    np.testing.assert_allclose(again.tidy()[ESTIMATES], result.tidy()[ESTIMATES], rtol=1e-5)


def test_relabelling_patients_changes_nothing(study: Study, result: LevelEffects) -> None:
    frame = study()
    again = level_effects(frame.assign(patient=frame["patient"].map(lambda p: 1000 - int(p[1:]))), "distress", "wai")
    np.testing.assert_allclose(again.tidy()[ESTIMATES], result.tidy()[ESTIMATES], rtol=1e-5)


def test_the_unit_of_the_predictor_leaves_the_standardised_estimates_alone(study: Study, result: LevelEffects) -> None:
    frame = study()
    again = level_effects(frame.assign(wai=10 * frame["wai"]), "distress", "wai").tidy().iloc[:3]
    table = result.tidy().iloc[:3]
    np.testing.assert_allclose(again["estimate"] * 10, table["estimate"], rtol=1e-5)
    np.testing.assert_allclose(again["std_estimate"], table["std_estimate"], rtol=1e-5)


def test_standardised_session_slope_is_the_within_patient_correlation_for_one_predictor(study: Study) -> None:
    frame = study()
    within = frame[["wai", "distress"]] - frame.groupby("patient")[["wai", "distress"]].transform("mean")
    slope = by_level(level_effects(frame, "distress", "wai"), "std_estimate")["session"]
    assert slope == pytest.approx(within.corr().iloc[0, 1], rel=1e-9)


def test_standardised_patient_slope_is_the_correlation_of_means_without_therapists(study: Study) -> None:
    frame = study().drop(columns="therapist")
    means = frame.groupby("patient")[["wai", "distress"]].mean()
    slope = by_level(level_effects(frame, "distress", "wai"), "std_estimate")["patient"]
    assert slope == pytest.approx(means.corr().iloc[0, 1], rel=1e-6)


def test_several_predictors_enter_together(study: Study) -> None:
    rng = np.random.default_rng(1)
    frame = study().assign(share=rng.uniform(size=240))
    table = level_effects(frame, "distress", ["wai", "share"], covariates=["session"]).tidy()
    assert table["predictor"].tolist()[:7] == ["wai"] * 3 + ["share"] * 3 + ["Intercept"]
    assert table.loc[table["term"] == "session", "level"].tolist() == ["covariate"]


def test_a_lag_takes_the_session_part_of_an_earlier_session(study: Study) -> None:
    frame = study()
    frame["later"] = frame.groupby("patient")["wai"].shift(1) * 2.0
    frame["later"] += np.random.default_rng(4).normal(scale=0.1, size=len(frame))
    lagged = level_effects(frame, "later", "wai", lag=1)
    assert by_level(lagged)["session"] == pytest.approx(2.0, abs=0.05)
    assert lagged.tidy()["term"][0] == "wai_session_lag1"
    assert len(lagged.frame) == 200
    assert any("session part rated 1 session before the outcome" in note for note in lagged.notes)


# Levels


def test_without_a_therapist_column_the_patient_level_is_used_and_said(study: Study) -> None:
    result = level_effects(study().drop(columns="therapist"), "distress", "wai")
    assert list(result.levels) == ["patient"]
    assert any("no therapist column" in note for note in result.notes)


def test_one_therapist_gives_no_therapist_part_and_says_so(study: Study) -> None:
    result = level_effects(study(n_therapists=1, per_therapist=12), "distress", "wai", levels=("patient", "therapist"))
    assert "therapist" not in result.tidy()["level"].tolist()
    assert any("fewer than two therapists" in note for note in result.notes)


def test_a_mapping_names_the_grouping_columns(study: Study, result: LevelEffects) -> None:
    frame = study().rename(columns={"patient": "pid", "therapist": "th id"})
    again = level_effects(frame, "distress", "wai", levels={"patient": "pid", "therapist": "th id"})
    np.testing.assert_allclose(again.tidy()["estimate"], result.tidy()["estimate"], rtol=1e-5)


def test_columns_with_spaces_can_be_used(study: Study, result: LevelEffects) -> None:
    frame = study().rename(columns={"wai": "wai total", "distress": "symptom distress"})
    again = level_effects(frame, "symptom distress", "wai total")
    np.testing.assert_allclose(again.tidy()["estimate"], result.tidy()["estimate"], rtol=1e-6)
    assert again.tidy()["term"][0] == "wai total_session"


def test_crossed_patients_and_therapists_are_analysed_by_dyad(study: Study) -> None:
    frame = study()
    frame["therapist"] = np.where(frame["session"] <= 3, frame["therapist"], "t0")
    frame["dyad"] = frame["patient"] + "-" + frame["therapist"]
    result = level_effects(frame, "distress", "wai", levels=("dyad",))
    assert result.tidy()["level"].tolist() == ["session", "dyad", "covariate"]
    assert all(f"(1 | {group})" in result.fit.formula for group in ("dyad", "patient", "therapist"))


# Random terms


def test_default_random_terms_are_intercepts_for_every_grouping(result: LevelEffects) -> None:
    assert result.fit.formula.endswith("+ (1 | patient) + (1 | therapist)")


def test_a_grouping_that_repeats_another_gets_no_intercept_and_is_named(study: Study) -> None:
    frame = study().assign(dyad=lambda f: "d" + f["patient"])
    result = level_effects(frame, "distress", "wai")
    assert "dyad" not in result.fit.formula
    assert "No random intercept for dyad: it splits the rows as an earlier grouping does." in result.notes


def test_random_takes_grouping_columns_and_bars(study: Study) -> None:
    result = level_effects(study(), "distress", "wai", random=("(1 + wai_session | patient)", "therapist"))
    assert result.fit.formula.endswith("(1 + wai_session | patient) + (1 | therapist)")


def test_a_singular_fit_is_kept_and_said(study: Study) -> None:
    frame = study()
    frame["distress"] -= frame.groupby("patient")["distress"].transform("mean")
    result = level_effects(frame, "distress", "wai", levels=("patient",), random=("patient",))
    assert result.fit.singular
    assert any("The fit is singular" in note and "no simpler one" in note for note in result.notes)


def test_a_covariate_that_others_determine_is_left_out_and_named(study: Study) -> None:
    frame = study().assign(again=lambda f: 2.0 * f["session"])
    result = level_effects(frame, "distress", "wai", covariates=("session", "again"))
    assert any("Left out because other terms determine them: again." in note for note in result.notes)
    assert "again" not in result.tidy()["term"].tolist()


# Rows


def test_rows_left_out_are_counted_by_reason(study: Study) -> None:
    frame = study()
    frame.loc[[0, 5], "distress"] = np.nan
    frame.loc[[5, 9, 30], "wai"] = np.nan
    frame["age"] = np.where(frame["patient"] == "p3", np.nan, 30.0 + frame["session"])
    result = level_effects(frame, "distress", "wai", covariates=("age",))
    expected = "Rows: 240; analysed: 230; left out: 2 without distress, 2 without wai_session, 6 without age"
    assert any(expected in note for note in result.notes)
    assert len(result.frame) == 230


def test_means_use_ratings_of_rows_without_an_outcome(study: Study) -> None:
    frame = study()
    frame.loc[frame["session"] == 1, "distress"] = np.nan
    result = level_effects(frame, "distress", "wai")
    expected = frame["wai"] - frame.groupby("patient")["wai"].transform("mean")
    np.testing.assert_allclose(result.frame["wai_session"], expected[result.frame.index], atol=1e-10)


def test_the_given_frame_is_not_changed(study: Study) -> None:
    frame = study()
    before = frame.copy()
    level_effects(frame, "distress", "wai")
    pd.testing.assert_frame_equal(frame, before)
    assert frame.attrs == {}


@pytest.mark.parametrize(
    "text",
    [
        "Estimand: expected difference in distress",
        "not an effect",
        "Centring of wai",
        "REML",
        "Wald",
        "N: 240 sessions",
    ],
)
def test_notes_name_what_a_reviewer_asks_for(result: LevelEffects, text: str) -> None:
    assert any(text in note for note in result.notes)


def test_neither_notes_nor_repr_show_identifiers(result: LevelEffects) -> None:
    shown = " ".join([*result.notes, repr(result)])
    assert not any(name in shown.replace(",", " ").split() for name in [*result.frame["patient"], "t0", "t1"])


def test_the_table_handed_out_is_a_copy(result: LevelEffects) -> None:
    table = result.tidy()
    table.loc[0, "estimate"] = 99.0
    assert result.tidy().loc[0, "estimate"] != 99.0


# What cannot be used

BAD: list[tuple[str, Callable[[pd.DataFrame], pd.DataFrame], dict[str, Any], type[Exception], str]] = [
    ("no predictor", lambda f: f, {"predictors": []}, DataError, r"No predictor(?s:.*)Hint: pass one or more"),
    ("typo", lambda f: f, {"predictors": "wia"}, ColumnError, r"'wia'(?s:.*)Did you mean 'wai'"),
    ("twice", lambda f: f, {"predictors": ["wai", "wai"]}, DataError, r"named twice"),
    ("own outcome", lambda f: f, {"predictors": "distress"}, DataError, r"'distress' is both(?s:.*)name each column"),
    ("pooled", lambda f: f, {"covariates": ["wai"]}, DataError, r"'wai' is a covariate(?s:.*)pool the levels"),
    ("no covariate", lambda f: f, {"covariates": ["age"]}, ColumnError, r"No column 'age'"),
    ("no level", lambda f: f, {"levels": ("patient", "site")}, ColumnError, r"No column 'site'"),
    ("no group", lambda f: f, {"random": ("ward",)}, ColumnError, r"No column 'ward'"),
    ("no patient", lambda f: f.drop(columns="patient"), {}, ColumnError, r"No column 'patient'(?s:.*)read_sessions"),
    ("one session", lambda f: f[f.session == 1], {}, DataError, r"'wai' does not vary within patients(?s:.*)lmm\(\)"),
    ("constant", lambda f: f.assign(wai=0.1), {}, DataError, r"'wai' does not vary within patients in the 240 rows"),
    (
        "centred before",
        lambda f: f.assign(wai=f.wai - f.groupby("patient")["wai"].transform("mean")),
        {},
        DataError,
        r"patient part of 'wai' is the same for all \d+ patients(?s:.*)centred before(?s:.*)leave a level out",
    ),
    (
        "one patient each in the rows analysed",
        lambda f: f.assign(distress=f.distress.where(f.groupby("therapist")["patient"].transform("min") == f.patient)),
        {},
        DataError,
        r"as many therapists: the two levels cannot be told apart(?s:.*)leave 'therapist' out",
    ),
    (
        "one patient each",
        lambda f: f.assign(therapist=f.patient),
        {},
        DataError,
        r"Each therapist has one patient(?s:.*)units and groups in a column map",
    ),
    (
        "two therapists",
        lambda f: f[f.therapist.isin(["t0", "t1"])],
        {},
        DataError,
        r"2 therapists are too few(?s:.*)leave the level out",
    ),
    ("one patient", lambda f: f[f.patient == "p0"], {"levels": ("patient",)}, DataError, r"There is one patient in"),
    (
        "several therapists",
        lambda f: f.assign(therapist=np.where(f.session == 1, "t0", f.therapist)),
        {},
        DataError,
        r"belong to more than one therapist(?s:.*)levels=\('patient',\)",
    ),
    (
        "shares of everything",
        lambda f: f.assign(share_a=f.wai / 100, share_b=1 - f.wai / 100),
        {"predictors": ["share_a", "share_b"]},
        DataError,
        r"determine share_b(?s:.*)add up to one",
    ),
    ("text outcome", lambda f: f.assign(distress="bad"), {}, ColumnError, r"'distress' should hold numbers"),
    ("infinite", lambda f: f.assign(distress=np.inf), {}, DataError, r"240 infinite values"),
    (
        "no outcome",
        lambda f: f.assign(distress=np.nan),
        {},
        DataError,
        r"No row has all of distress(?s:.*)same sessions",
    ),
    ("long lag", lambda f: f, {"lag": 6}, DataError, r"at a lag of 6(?s:.*)smaller lag"),
    ("names as covariate", lambda f: f, {"covariates": ["therapist"]}, DataError, r"'therapist' groups(?s:.*)random="),
    ("negative lag", lambda f: f, {"lag": -1}, DataError, r"lag=-1"),
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
        level_effects(change(study()), "distress", **{"predictors": "wai", **options})


# A public data set


def counselling(folder: Path) -> pd.DataFrame:
    sessions = pd.read_csv(folder / "sessions_tidy.csv")
    items = pd.read_csv(folder / "wai_items_tidy.csv")[["pairing_id", "session_id", "wai_total_recomputed"]]
    frame = sessions.merge(items, on=["pairing_id", "session_id"])
    frame["support"] = frame[["AF", "Seek", "Emphasize", "SR", "CR"]].sum(axis=1) / frame["total"]
    frame["control"] = frame[["Persuade", "Confront"]].sum(axis=1) / frame["total"]
    return frame.rename(columns={"patient_id": "patient", "therapist_id": "therapist", "dyad_id": "dyad"})


# lme4 1.1-31 in R 4.2.2 on the same rows, with the raw dyad means as between parts: estimate, standard error
LME4 = {
    "support_session": (49.683795, 26.068512),
    "control_session": (-107.933949, 23.833951),
    "support_dyad": (119.688564, 66.102742),
    "control_dyad": (17.745798, 50.820993),
    "session_id": (6.507368, 2.668377),
}
LME4_INTERCEPT = 26.885649


def test_counselling_sessions_agree_with_lme4(shared_data: Callable[[str], Path]) -> None:
    frame = counselling(shared_data("aipsych_eval"))
    result = level_effects(
        frame, "wai_total_recomputed", ["support", "control"], levels=("dyad",), covariates=("session_id",)
    )
    table = result.tidy().set_index("term")
    assert len(result.frame) == 277
    for term, (estimate, error) in LME4.items():
        assert table.loc[term, "estimate"] == pytest.approx(estimate, rel=2e-6)
        assert table.loc[term, "std_error"] == pytest.approx(error, rel=2e-6)
    shift = sum(LME4[f"{name}_dyad"][0] * frame[name].mean() for name in ("support", "control"))
    assert result.fit.fixed_effects.iloc[0] == pytest.approx(LME4_INTERCEPT + shift, rel=2e-6)
