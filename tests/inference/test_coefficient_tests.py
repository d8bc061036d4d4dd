"""Tests of fixed effects against lmerTest, classical analysis of variance, and each other."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from golden_fixed import CASES, GOLDEN, RTOL, deviation, fitted, plain_name, prepared
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import alliance_stats as al
from alliance_stats.errors import ModelError
from alliance_stats.inference.linear import DF_METHODS, joint_test, linear_inference
from alliance_stats.inference.robust import robust_joint, robust_linear, robust_notes
from alliance_stats.inference.satterthwaite import denominator_df


def indexed(tests: al.CoefficientTests, names: list[str]) -> pd.DataFrame:
    table = tests.tidy()
    table.index = pd.Index([plain_name(term) for term in table["term"]])
    return table.loc[[plain_name(name) for name in names]]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("method", ["REML", "ML"])
@pytest.mark.parametrize("quantity", ["estimate", "std_error", "df", "p_value"])
def test_satterthwaite_agrees_with_lmertest(case: str, method: str, quantity: str) -> None:
    golden = GOLDEN["cases"][case]
    found = indexed(al.coefficient_tests(fitted(case, method)), list(np.atleast_1d(golden["terms"])))
    expected = golden["satterthwaite" if method == "REML" else "satterthwaite_ml"]
    assert deviation(found[quantity], np.atleast_1d(expected[quantity])) < RTOL[quantity]


@pytest.mark.parametrize("df", DF_METHODS)
def test_intervals_and_p_values_follow_from_t_with_the_df_shown(df: str) -> None:
    table = al.coefficient_tests(fitted("orthodont"), df=df, level=0.9).tidy()
    half = stats.t.ppf(0.95, table["df"]) * table["std_error"]
    assert np.allclose(table["conf_low"], table["estimate"] - half, rtol=1e-9)
    assert np.allclose(table["conf_high"], table["estimate"] + half, rtol=1e-9)
    assert np.allclose(table["p_value"], 2 * stats.t.sf(np.abs(table["statistic"]), table["df"]), rtol=1e-9)
    assert np.allclose(table["statistic"], table["estimate"] / table["std_error"], rtol=1e-12)
    assert (table["conf_level"] == 0.9).all()


def test_the_normal_distribution_gives_what_the_fit_shows() -> None:
    fit = fitted("sessions")
    own, tests = fit.tidy(), al.coefficient_tests(fit, df="normal").tidy()
    assert np.isinf(tests["df"]).all()
    for column in ("estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high"):
        assert np.allclose(tests[column], own[column], rtol=1e-9)


@pytest.mark.parametrize("df", ["satterthwaite", "kenward_roger", "between_within"])
def test_a_group_effect_in_a_balanced_design_is_the_t_test_of_group_means(df: str) -> None:
    frame = balanced()
    means = frame.groupby(["patient", "arm"], as_index=False)["y"].mean()
    classical = stats.ttest_ind(means.loc[means["arm"] == "b", "y"], means.loc[means["arm"] == "a", "y"])
    row = al.coefficient_tests(al.lmm("y ~ arm + (1 | patient)", frame), df=df).tidy().iloc[1]
    assert row["df"] == pytest.approx(classical.df, rel=1e-6)
    assert row["statistic"] == pytest.approx(classical.statistic, rel=1e-6)
    assert row["p_value"] == pytest.approx(classical.pvalue, rel=1e-5)


def balanced(n_patients: int = 12, n_sessions: int = 4, seed: int = 8) -> pd.DataFrame:
    """Return patients of two arms with the same sessions."""
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(n_patients), n_sessions)
    arm = np.where(patient % 2 == 0, "a", "b")
    y = rng.normal(0, 2, n_patients)[patient] + (arm == "b") * 1.5 + rng.normal(size=patient.size)
    return pd.DataFrame({"y": y, "patient": patient, "arm": arm, "session": np.tile(np.arange(n_sessions), n_patients)})


@pytest.mark.parametrize("df", DF_METHODS)
@pytest.mark.parametrize("case", ["orthodont", "clinics_slope"])
def test_units_scale_estimates_and_leave_df_and_p_values_alone(df: str, case: str) -> None:
    frame, formula = prepared(case), CASES[case]["formula"]
    outcome = formula.split(" ~")[0]
    predictor = "agec" if case == "orthodont" else "alliance"
    scaled = frame.assign(**{outcome: 1e4 * frame[outcome], predictor: 1e-3 * frame[predictor]})
    one = al.coefficient_tests(al.lmm(formula, frame), df=df).tidy()
    other = al.coefficient_tests(al.lmm(formula, scaled), df=df).tidy()
    factor = np.where(one["term"].str.contains(predictor), 1e7, 1e4)
    assert np.allclose(other["std_error"], factor * one["std_error"], rtol=1e-7)
    assert np.allclose(other["df"], one["df"], rtol=1e-6)
    assert np.allclose(other["p_value"], one["p_value"], rtol=1e-5)


@settings(max_examples=5)
@given(st.integers(0, 10_000))
def test_row_order_does_not_matter(seed: int) -> None:
    frame, formula = prepared("raters"), CASES["raters"]["formula"]
    shuffled = frame.sample(frac=1.0, random_state=np.random.default_rng(seed))
    for df in ("satterthwaite", "kenward_roger"):
        one, other = (al.coefficient_tests(al.lmm(formula, f), df=df).tidy() for f in (frame, shuffled))
        assert np.allclose(other["df"], one["df"], rtol=1e-6)
        assert np.allclose(other["std_error"], one["std_error"], rtol=1e-8)


def test_robust_tests_are_those_of_the_robust_module() -> None:
    fit = fitted("sessions")
    table = al.coefficient_tests(fit, robust="CR2", cluster="therapist").tidy()
    expected = robust_linear(fit, np.eye(3), robust="CR2", cluster="therapist")
    assert np.array_equal(table["std_error"], expected.std_error)
    assert np.array_equal(table["df"], expected.df)
    assert np.allclose(table["p_value"], 2 * stats.t.sf(np.abs(table["statistic"]), expected.df), rtol=1e-9)


def test_robust_tests_with_the_normal_distribution_have_no_df() -> None:
    fit = fitted("sessions")
    table = al.coefficient_tests(fit, robust="CR0", df="normal").tidy()
    assert np.isinf(table["df"]).all()
    assert np.allclose(table["p_value"], 2 * stats.norm.sf(np.abs(table["statistic"])), rtol=1e-9)
    joint = joint_test(fit, np.eye(3)[1:], robust="CR0", df="normal")
    found = robust_linear(fit, np.eye(3)[1:], robust="CR0")
    wald = found.estimate @ np.linalg.solve(found.covariance, found.estimate)
    assert joint.statistic == pytest.approx(wald / 2, rel=1e-9)
    assert joint.p_value == pytest.approx(stats.chi2.sf(wald, 2), rel=1e-9)


def test_a_robust_joint_test_is_that_of_the_robust_module() -> None:
    fit = fitted("sessions")
    joint = joint_test(fit, np.eye(3)[1:], robust="CR2")
    expected = robust_joint(fit, np.eye(3)[1:], robust="CR2")
    assert (joint.statistic, joint.df_denominator, joint.p_value) == pytest.approx(
        (expected.statistic, expected.df_denominator, expected.p_value)
    )


def test_combinations_that_depend_on_others_count_once() -> None:
    fit = fitted("orthodont")
    rows = np.eye(4)[1:]
    more = np.vstack([rows, 1e3 * (rows[0] - rows[2])])
    for df in ("kenward_roger", "normal", "between_within"):
        one, other = joint_test(fit, rows, df=df), joint_test(fit, more, df=df)
        assert other.n_rank == one.n_rank == 3
        assert other.statistic == pytest.approx(one.statistic, rel=1e-8)
    assert joint_test(fit, more).df_numerator == 3


@pytest.mark.parametrize("df", ["satterthwaite", "kenward_roger", "normal"])
def test_all_pairwise_differences_have_the_rank_of_those_to_one(df: str) -> None:
    fit = fitted("cake")
    first = np.zeros((5, 8))
    first[np.arange(5), np.arange(3, 8)] = 1.0
    pairs = np.array([first[i] - first[j] for i in range(5) for j in range(i)])
    one, other = joint_test(fit, first[1:] - first[0], df=df), joint_test(fit, pairs, df=df)
    assert other.n_rank == one.n_rank == 4
    assert other.statistic == pytest.approx(one.statistic, rel=1e-7)
    assert other.p_value == pytest.approx(one.p_value, rel=1e-5)


def test_a_joint_test_of_one_combination_is_the_square_of_its_t_test() -> None:
    fit, row = fitted("clinics_slope"), np.array([[1.0, 4.0]])
    for df in DF_METHODS:
        if df == "between_within":
            continue
        one, joint = linear_inference(fit, row, df=df), joint_test(fit, row, df=df)
        assert joint.statistic == pytest.approx(one.statistic[0] ** 2, rel=1e-9)
        assert joint.df_denominator == pytest.approx(one.df[0], rel=1e-9)
        assert joint.p_value == pytest.approx(one.p_value[0], rel=1e-7)


@given(st.lists(st.floats(2.5, 500.0), min_size=2, max_size=5))
def test_the_denominator_gives_f_the_mean_of_the_squared_t(each: list[float]) -> None:
    df = denominator_df(np.array(each))
    # The mean of F(q, df) is df / (df - 2); of t2 with v df it is v / (v - 2).
    assert df / (df - 2) == pytest.approx(np.mean([v / (v - 2) for v in each]), rel=1e-6)


def test_a_squared_t_without_a_mean_leaves_two_df() -> None:
    assert denominator_df(np.array([1.5, 40.0])) == 2.0


def test_a_coefficient_with_infinite_df_does_not_lower_the_denominator() -> None:
    assert denominator_df(np.array([np.inf, np.inf])) == np.inf
    assert denominator_df(np.array([np.inf, 10.0])) > 10.0


def test_notes_say_what_was_used() -> None:
    fit = fitted("slopes_at_two_levels", "ML")
    notes = " ".join(al.coefficient_tests(fit).notes)
    assert "df method: satterthwaite" in notes
    assert "The fit is by ML" in notes
    assert 'refit with method="REML"' in notes
    assert "not adjusted for their number" in notes
    reml = fitted("slopes_at_two_levels")
    notes = " ".join(al.coefficient_tests(reml, df="kenward_roger").notes)
    assert "adjusted for small samples (Kenward-Roger)" in notes
    assert "Singular fit" in notes
    assert "by ML" not in notes
    robust = al.coefficient_tests(reml, robust="CR2").notes
    assert robust_notes(reml, robust="CR2")[0] in robust


def test_notes_name_effects_that_were_left_out() -> None:
    frame = prepared("clinics").assign(twice=lambda d: 2 * d["alliance"])
    tests = al.coefficient_tests(al.lmm("outcome ~ alliance + twice + (1 | clinic)", frame))
    assert any("left out because others determine them: twice" in note for note in tests.notes)


def test_glance_describes_the_table() -> None:
    row = al.coefficient_tests(fitted("orthodont"), df="kenward_roger", level=0.8).glance().iloc[0]
    assert row["outcome"] == "distance"
    assert row["df_method"] == "kenward_roger"
    assert row["covariance"] == "model"
    assert row["conf_level"] == 0.8
    assert (row["n"], row["n_terms"]) == (108, 4)


def test_no_label_of_a_person_is_shown() -> None:
    frame = prepared("sessions_arms").assign(patient=lambda d: "ZZ-secret-" + d["patient"].astype(str))
    fit = al.lmm("distress ~ arm + (1 | patient)", frame)
    for tests in (al.coefficient_tests(fit), al.term_tests(fit), al.coefficient_tests(fit, robust="CR2")):
        assert "ZZ-secret-" not in f"{tests!r}{tests.to_markdown()}{tests.to_dict()}"


@pytest.mark.parametrize(
    ("options", "problem", "hint"),
    [
        ({"df": "satterthwait"}, "No df method 'satterthwait'", "did you mean 'satterthwaite'"),
        ({"robust": "CR9"}, "No robust covariance 'CR9'", "did you mean 'CR"),
        ({"robust": "CR2", "df": "kenward_roger"}, 'robust="CR2" does not go with df="kenward_roger"', "leave df= out"),
        ({"robust": "CR2", "df": "between_within"}, "degrees of freedom of its own", "leave df= out"),
        ({"cluster": "patient"}, "cluster= was given without robust=", 'robust="CR2"'),
        ({"level": 1.0}, "An interval's level lies between 0 and 1, not at 1.0", "level=0.95"),
        ({"level": 0.0}, "not at 0.0", "level=0.95"),
    ],
)
def test_bad_options_are_refused(options: dict[str, object], problem: str, hint: str) -> None:
    with pytest.raises(ModelError, match=f"{re.escape(problem)}(.|\n)*Hint: .*{re.escape(hint)}"):
        al.coefficient_tests(fitted("sleepstudy"), **options)


@pytest.mark.parametrize("function", [al.coefficient_tests, al.term_tests])
def test_something_else_than_a_fit_is_refused(function: object) -> None:
    with pytest.raises(ModelError, match=r"this is a DataFrame\.\nHint: pass the result of lmm\(\)"):
        function(prepared("sleepstudy"))


@pytest.mark.parametrize("rows", [np.eye(3), np.ones(2), np.zeros((0, 2))])
def test_combinations_of_another_shape_are_refused(rows: np.ndarray) -> None:
    with pytest.raises(ModelError, match=r"the fit has 2 fixed effects\.\nHint: pass one row per combination with 2"):
        linear_inference(fitted("sleepstudy"), rows)


@pytest.mark.parametrize("row", [[0.0, 0.0], [1.0, np.nan]])
def test_combinations_without_a_weight_are_refused(row: list[float]) -> None:
    with pytest.raises(ModelError, match=r"missing, infinite, or all zero\.\nHint: give every combination finite"):
        joint_test(fitted("sleepstudy"), np.array([row]))


def test_tests_of_a_refit_are_its_own() -> None:
    frame = pd.DataFrame({"g": np.repeat(np.arange(12), 5), "x": np.tile(np.arange(5.0), 12)})
    rng = np.random.default_rng(3)
    fit = al.lmm("y ~ x + (1 | g)", frame.assign(y=rng.standard_normal(60)))
    al.coefficient_tests(fit)
    other = fit.refit(5.0 * rng.standard_normal(60))
    expected = np.sqrt(np.diagonal(other.fixed_covariance))
    np.testing.assert_allclose(al.coefficient_tests(other).tidy()["std_error"], expected, rtol=1e-9)
