from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from alliance_stats.errors import DataError
from alliance_stats.planning.simulate import SimulatedStudy, simulate_study
from alliance_stats.planning.truth import ByLevel, StudyTruth, implied_values

N_STANDARD_ERRORS = 4.0
LEVELS = ("session", "patient", "therapist")


@pytest.fixture(scope="module")
def large() -> SimulatedStudy:
    return simulate_study(n_therapists=500, n_patients=4000, sessions=(4, 10), seed=11)


def small(**change: object) -> SimulatedStudy:
    truth = replace(StudyTruth(), **change)
    return simulate_study(n_therapists=20, n_patients=300, sessions=(2, 8), seed=3, truth=truth)


def lagged(frame: pd.DataFrame, column: str) -> pd.Series:
    return frame.groupby("patient")[column].shift()


def assert_regression_recovers(y: pd.Series, x: pd.DataFrame, expected: dict[str, float]) -> None:
    known = x.notna().all(axis=1) & y.notna()
    design = np.column_stack([np.ones(known.sum()), x[known]])
    bread = np.linalg.inv(design.T @ design)
    beta = bread @ design.T @ y[known].to_numpy()
    residual = y[known].to_numpy() - design @ beta
    meat = (design * residual[:, None] ** 2).T @ design
    error = np.sqrt(np.diag(bread @ meat @ bread))
    for (name, value), found, std_error in zip(expected.items(), beta[1:], error[1:], strict=True):
        assert abs(found - value) < N_STANDARD_ERRORS * std_error, name


def one_per(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    return frame.drop_duplicates(column)


def test_outcome_follows_alliance_and_outcome_of_the_session_before(large: SimulatedStudy) -> None:
    latent, truth = large.latent, large.truth
    x = pd.DataFrame({name: lagged(latent, f"{name}_session") for name in ("alliance", "outcome")})
    expected = {"alliance": truth.alliance_effect.session, "outcome": truth.outcome_carry_over}
    assert_regression_recovers(latent["outcome_session"], x, expected)


def test_alliance_follows_statements_and_the_session_before(large: SimulatedStudy) -> None:
    latent, truth = large.latent, large.truth
    x = pd.DataFrame({name: lagged(latent, f"{name}_session") for name in ("alliance", "outcome")})
    x[["supportive", "controlling"]] = latent[["supportive_session", "controlling_session"]]
    expected = {
        "alliance": truth.alliance_carry_over,
        "outcome": truth.outcome_to_alliance,
        "supportive": truth.supportive.session,
        "controlling": truth.controlling.session,
    }
    assert_regression_recovers(latent["alliance_session"], x, expected)


@pytest.mark.parametrize("level", ["patient", "therapist"])
def test_lasting_alliance_follows_lasting_shares(large: SimulatedStudy, level: str) -> None:
    unit = pd.concat([large.latent, large.frame["therapist"]], axis=1).pipe(one_per, level)
    x = unit[[f"supportive_{level}", f"controlling_{level}"]]
    expected = {name: getattr(getattr(large.truth, name), level) for name in ("supportive", "controlling")}
    assert_regression_recovers(unit[f"alliance_{level}"], x, expected)


@pytest.mark.parametrize("level", ["patient", "therapist"])
def test_lasting_outcome_follows_lasting_alliance(large: SimulatedStudy, level: str) -> None:
    unit = pd.concat([large.latent, large.frame["therapist"]], axis=1).pipe(one_per, level)
    expected = {"alliance": getattr(large.truth.alliance_effect, level)}
    assert_regression_recovers(unit[f"outcome_{level}"], unit[[f"alliance_{level}"]], expected)


@pytest.mark.parametrize(("name", "unit"), [("alliance", 1.0), ("outcome", 10.0)])
def test_the_first_session_has_the_means_of_the_truth(large: SimulatedStudy, name: str, unit: float) -> None:
    first = large.latent[large.latent["session"] == 1]
    assert first[name].mean() == pytest.approx(getattr(large.truth, f"{name}_mean"), abs=0.06 * unit)


@pytest.mark.parametrize("name", ["alliance", "outcome"])
def test_the_course_rises_by_the_trend(large: SimulatedStudy, name: str) -> None:
    latent = large.latent
    parts = latent[[f"{name}_{level}" for level in LEVELS]].sum(axis=1)
    rise = latent[name] - parts - getattr(large.truth, f"{name}_mean")
    np.testing.assert_allclose(rise, getattr(large.truth, f"{name}_trend") * (latent["session"] - 1), atol=1e-9)


def test_implied_values_come_out_on_the_latent_scale() -> None:
    truth = replace(StudyTruth(), alliance_effect_sd=0.0, dropout_rate=0.0)
    study = simulate_study(n_therapists=1000, n_patients=4000, sessions=(6, 6), seed=4, truth=truth)
    implied = implied_values(truth)
    last = study.latent[study.latent["session"] == 6]
    sd = last.std()
    effect = truth.alliance_effect.session * sd["alliance_session"] / sd["outcome_session"]
    assert effect == pytest.approx(implied["standardized_session_effect"], rel=0.04)
    r = last["alliance_patient"].corr(last["outcome_patient"])
    assert r == pytest.approx(implied["patient_correlation"], abs=0.06)
    for name in ("alliance", "outcome"):
        variance = sd[[f"{name}_{level}" for level in LEVELS]] ** 2
        share = variance[f"{name}_therapist"] / variance.sum()
        assert share == pytest.approx(implied[f"therapist_share_of_{name}"], rel=0.2)


def test_codes_have_the_average_shares_of_the_truth(large: SimulatedStudy) -> None:
    counts = large.frame.filter(regex="^n_")
    shares = counts.div(counts.sum(axis=1), axis=0).groupby(large.frame["therapist"]).mean().mean()
    expected = [large.truth.code_shares[name.removeprefix("n_")] for name in counts.columns]
    np.testing.assert_allclose(shares, expected, atol=0.01)


def test_sessions_differ_in_the_number_of_statements_as_the_truth_says(large: SimulatedStudy) -> None:
    total = large.frame.filter(regex="^n_").sum(axis=1)
    assert total.mean() == pytest.approx(large.truth.statements_mean, rel=0.01)
    mean = large.truth.statements_mean - 1
    assert total.var() == pytest.approx(mean + mean**2 / large.truth.statements_size, rel=0.05)
    assert total.min() >= 1


def test_the_share_parts_rebuild_the_observed_share(large: SimulatedStudy) -> None:
    codes = [f"n_{code}" for code in large.truth.supportive_codes]
    observed = large.frame[codes].sum(axis=1) / large.frame.filter(regex="^n_").sum(axis=1)
    parts = large.latent[[f"supportive_{level}" for level in LEVELS]].sum(axis=1)
    average = sum(large.truth.code_shares[code] for code in large.truth.supportive_codes)
    np.testing.assert_allclose(parts + average, observed, atol=1e-12)


def test_wai_items_follow_the_alliance_when_no_answer_hits_an_end() -> None:
    low = ByLevel(session=0.1, patient=0.1, therapist=0.1)
    study = small(alliance_mean=3.0, alliance_trend=0.0, alliance_sd=low, item_missing=0.0, form_missing=0.0)
    gap = study.frame.filter(regex="^wai_").mean(axis=1) - study.latent["alliance"]
    assert gap.mean() == pytest.approx(0, abs=0.02)


def test_ors_items_sum_to_the_outcome() -> None:
    study = small(item_missing=0.0, form_missing=0.0)
    gap = study.frame.filter(regex="^ors_").sum(axis=1) - study.latent["outcome"]
    assert gap.mean() == pytest.approx(0, abs=0.1)
    assert gap.std() == pytest.approx(2 * study.truth.ors_item_sd_session, rel=0.1)


def test_items_of_one_facet_go_together_more_than_items_of_different_facets(large: SimulatedStudy) -> None:
    r = large.frame.filter(regex="^wai_").corr()
    assert r.loc["wai_3", ["wai_5", "wai_7", "wai_9"]].min() > r.loc["wai_3", ["wai_1", "wai_2", "wai_4"]].max()


def test_answers_stay_on_the_forms(large: SimulatedStudy) -> None:
    wai = large.frame.filter(regex="^wai_").to_numpy()
    ors = large.frame.filter(regex="^ors_").to_numpy()
    assert set(np.unique(wai[~np.isnan(wai)])) == {1, 2, 3, 4, 5}
    assert np.nanmin(ors) >= 0
    assert np.nanmax(ors) <= 10
    np.testing.assert_allclose(ors * 10, np.rint(ors * 10), atol=1e-9)


def test_some_answers_sit_at_the_ceiling_but_not_most(large: SimulatedStudy) -> None:
    wai = large.frame.filter(regex="^wai_").to_numpy()
    assert 0.1 < np.mean(wai[~np.isnan(wai)] == 5) < 0.4


def test_answers_are_missing_as_often_as_the_truth_says() -> None:
    frame = small(item_missing=0.1, form_missing=0.2).frame
    for form in ("wai", "ors"):
        missing = frame.filter(regex=f"^{form}_").isna()
        assert missing.all(axis=1).mean() == pytest.approx(0.2, abs=0.04)
        assert missing[~missing.all(axis=1)].to_numpy().mean() == pytest.approx(0.1, abs=0.02)


def test_nothing_is_missing_when_the_truth_says_so() -> None:
    assert not small(item_missing=0.0, form_missing=0.0).frame.isna().any(axis=None)


def test_those_who_drop_out_had_a_poorer_alliance(large: SimulatedStudy) -> None:
    at_risk = large.latent[(large.latent["session"] == 4)]
    dropped = large.frame.loc[at_risk.index, "dropout"] == 1
    assert at_risk[dropped]["alliance"].mean() < at_risk[~dropped]["alliance"].mean() - 0.2


def test_dropout_is_unrelated_to_alliance_when_the_truth_says_so() -> None:
    truth = replace(StudyTruth(), dropout_alliance=0.0, dropout_rate=0.3)
    study = simulate_study(n_therapists=50, n_patients=2000, sessions=(2, 8), seed=5, truth=truth)
    at_risk = study.latent[study.latent["session"] == 2]
    dropped = study.frame.loc[at_risk.index, "dropout"] == 1
    difference = at_risk[dropped]["alliance"].mean() - at_risk[~dropped]["alliance"].mean()
    assert abs(difference) < N_STANDARD_ERRORS * 0.68 * np.sqrt(1 / dropped.sum() + 1 / (~dropped).sum())


def test_the_dropout_rate_is_the_hazard_after_a_session() -> None:
    truth = replace(StudyTruth(), dropout_alliance=0.0, dropout_rate=0.2)
    study = simulate_study(n_therapists=50, n_patients=4000, sessions=(1, 2), seed=5, truth=truth)
    # Half of the patients have a second session planned, and one in five of them drops out before it.
    assert study.frame["dropout"].sum() / 4000 == pytest.approx(0.1, abs=0.015)


def test_nobody_drops_out_at_rate_zero() -> None:
    frame = small(dropout_rate=0.0).frame
    assert frame["dropout"].sum() == 0
    assert set(frame.groupby("patient")["session"].max()) == set(range(2, 9))


def test_dropout_is_marked_in_the_last_session_only(large: SimulatedStudy) -> None:
    frame = large.frame
    last = frame.groupby("patient")["session"].transform("max")
    assert frame["dropout"].sum() > 100
    assert (frame.loc[frame["dropout"] == 1, "session"] == last[frame["dropout"] == 1]).all()


def test_sessions_count_from_one_without_gaps_within_the_range(large: SimulatedStudy) -> None:
    per_patient = large.frame.groupby("patient")["session"]
    assert (per_patient.min() == 1).all()
    assert (per_patient.max() == per_patient.size()).all()
    assert per_patient.max().between(4, 10).all()


def test_every_patient_has_one_therapist(large: SimulatedStudy) -> None:
    pairs = large.frame[["patient", "therapist"]].drop_duplicates()
    assert not pairs["patient"].duplicated().any()


def test_caseloads_are_less_balanced_with_a_smaller_shape() -> None:
    def spread(shape: float) -> float:
        loads = small(caseload_shape=shape).frame.groupby("therapist")["patient"].nunique()
        return float(loads.std())

    assert spread(0.5) > 1.5 * spread(50.0)


def test_without_a_session_effect_spread_every_patient_has_the_same_slope() -> None:
    still = ByLevel(session=0.0, patient=1.0, therapist=1.0)
    latent = small(alliance_effect_sd=0.0, outcome_sd=still, outcome_carry_over=0.0).latent
    y, x = latent["outcome_session"], lagged(latent, "alliance_session")
    np.testing.assert_allclose(y[x.notna()], 1.5 * x.dropna(), atol=1e-12)


def test_the_session_effect_varies_between_patients_as_the_truth_says() -> None:
    still = ByLevel(session=0.0, patient=1.0, therapist=1.0)
    latent = small(alliance_effect_sd=0.5, outcome_sd=still, outcome_carry_over=0.0).latent
    second = latent["session"] == 2
    slopes = latent["outcome_session"][second] / lagged(latent, "alliance_session")[second]
    assert slopes.mean() == pytest.approx(1.5, abs=0.12)
    assert slopes.std() == pytest.approx(0.5, abs=0.08)


def test_the_same_seed_gives_the_same_study() -> None:
    pd.testing.assert_frame_equal(small().frame, small().frame)


def test_another_seed_gives_another_study() -> None:
    one, two = (simulate_study(n_therapists=3, n_patients=5, seed=seed).frame for seed in (1, 2))
    assert not one.equals(two)


def test_a_patients_rows_do_not_depend_on_the_other_patients() -> None:
    few = simulate_study(n_therapists=10, n_patients=20, seed=8).frame
    many = simulate_study(n_therapists=10, n_patients=60, seed=8).frame
    pd.testing.assert_frame_equal(few, many[many["patient"] <= 20])


def test_one_patient_with_one_session_is_a_study() -> None:
    study = simulate_study(n_therapists=1, n_patients=1, sessions=(1, 1), seed=0)
    assert study.frame[["patient", "therapist", "session"]].to_numpy().tolist() == [[1, 1, 1]]


def test_frame_and_latent_have_the_same_rows(large: SimulatedStudy) -> None:
    keys = ["patient", "session"]
    pd.testing.assert_frame_equal(large.frame[keys], large.latent[keys])


def test_the_notes_count_people_and_say_that_the_data_are_simulated(large: SimulatedStudy) -> None:
    assert large.notes[0].startswith("Simulated data")
    assert "of 4000 patients" in large.notes[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_therapists": 0}, r"0 therapists(.|\n)*Hint: n_therapists and n_patients"),
        ({"n_patients": 0}, r"0 patients(.|\n)*Hint: n_therapists and n_patients"),
        ({"sessions": (5, 2)}, r"sessions=\(5, 2\)(.|\n)*Hint: pass \(smallest, largest\)"),
        ({"sessions": (0, 2)}, r"sessions=\(0, 2\)(.|\n)*Hint: pass \(smallest, largest\)"),
        ({"seed": -1}, r"seed -1 is negative(.|\n)*Hint: pass a whole number"),
    ],
)
def test_impossible_sizes_are_explained(change: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        simulate_study(**{"seed": 1, **change})
