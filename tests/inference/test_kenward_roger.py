"""Kenward-Roger against pbkrtest and against its definition; see tests/golden/coefficient_tests.R."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from dense import DenseKenwardRoger, dense, dense_kenward_roger
from golden_fixed import CASES, GOLDEN, RTOL, deviation, fitted, plain_name, prepared
from hypothesis import given
from hypothesis import strategies as st

import alliance_stats as al
from alliance_stats.errors import ModelError
from alliance_stats.inference.curvature import likelihood_curvature
from alliance_stats.inference.kenward_roger import _matched_f
from alliance_stats.inference.linear import joint_test, linear_inference
from alliance_stats.mixed.residuals import ar1

UNWEIGHTED = [case for case in CASES if "kenward_roger" in GOLDEN["cases"][case]]


@pytest.mark.parametrize("case", UNWEIGHTED)
@pytest.mark.parametrize("quantity", ["estimate", "std_error", "df", "p_value"])
def test_coefficients_agree_with_pbkrtest(case: str, quantity: str) -> None:
    expected = GOLDEN["cases"][case]
    found = al.coefficient_tests(fitted(case), df="kenward_roger").tidy()
    found.index = pd.Index([plain_name(term) for term in found["term"]])
    names = [plain_name(term) for term in np.atleast_1d(expected["terms"])]
    value = np.atleast_1d(expected["kenward_roger"][quantity])
    assert deviation(found.loc[names, quantity], value) < RTOL[quantity]


@pytest.mark.parametrize("case", [case for case in UNWEIGHTED if "all_but_intercept" in GOLDEN["cases"][case]])
def test_a_test_of_all_terms_together_agrees_with_pbkrtest(case: str) -> None:
    expected, fit = GOLDEN["cases"][case]["all_but_intercept"], fitted(case)
    found = joint_test(fit, np.eye(len(fit.term_names))[1:], df="kenward_roger")
    assert found.df_numerator == expected["df_numerator"]
    assert deviation(found.df_denominator, expected["df"]) < RTOL["df"]
    assert deviation(found.statistic, expected["statistic"]) < RTOL["statistic"]
    assert deviation(found.p_value, expected["p_value"]) < RTOL["p_value"]


@pytest.mark.parametrize("case", UNWEIGHTED)
def test_the_adjusted_covariance_agrees_with_pbkrtest(case: str) -> None:
    expected = GOLDEN["cases"][case]
    fit = fitted(case)
    names = [plain_name(term) for term in np.atleast_1d(expected["terms"])]
    order = [[plain_name(term) for term in fit.term_names].index(name) for name in names]
    rows = expected["adjusted_covariance"]
    wanted = np.array([np.atleast_1d(row) for row in np.atleast_1d(rows)], dtype=float)
    found = linear_inference(fit, np.eye(len(names))[order], df="kenward_roger").covariance
    scale = np.sqrt(np.outer(np.diagonal(wanted), np.diagonal(wanted)))
    assert np.max(np.abs(found - wanted) / scale) < 1e-6


@pytest.mark.parametrize("case", ["sessions", "raters_two_slopes", "slopes_at_two_levels", "clinics_slope"])
def test_it_differs_from_satterthwaite_where_pbkrtest_does(case: str) -> None:
    golden = GOLDEN["cases"][case]
    wanted = np.array(golden["kenward_roger"]["df"]) / np.array(golden["satterthwaite"]["df"])
    fit = fitted(case)
    names = [plain_name(term) for term in fit.term_names]
    order = [names.index(plain_name(term)) for term in golden["terms"]]
    kr, sat = (al.coefficient_tests(fit, df=df).tidy() for df in ("kenward_roger", "satterthwaite"))
    ratio = (kr["df"] / sat["df"]).to_numpy()[order]
    assert np.abs(wanted - 1.0).max() > 0.01
    assert np.allclose(ratio, wanted, rtol=2e-4)
    assert (kr["std_error"] > sat["std_error"]).any()


@pytest.mark.parametrize("case", CASES)
def test_covariance_and_df_follow_from_the_definition(case: str) -> None:
    assert_as_defined(fitted(case), dense_kenward_roger(fitted(case)))


def test_three_nested_factors_follow_from_the_definition() -> None:
    fit = al.lmm("y ~ x + (1 | site) + (1 + x | therapist) + (1 + x | patient)", three_levels())
    assert fit.cross_products.crossed is None
    assert_as_defined(fit, dense_kenward_roger(fit))


def three_levels() -> pd.DataFrame:
    """Return unbalanced sessions of patients in therapists in sites, without a singular fit."""
    rng = np.random.default_rng(12)
    patient = np.sort(rng.integers(0, 60, 400))
    therapist, site = patient // 5, patient // 15
    x = rng.normal(size=400)
    y = (
        1.5 * rng.normal(size=4)[site]
        + rng.normal(size=12)[therapist]
        + rng.normal(size=60)[patient]
        + rng.normal(size=400)
    )
    y += (rng.normal(size=12)[therapist] + rng.normal(size=60)[patient]) * x
    return pd.DataFrame({"y": y, "x": x, "patient": patient, "therapist": therapist, "site": site})


def test_a_known_residual_variance_follows_from_the_definition() -> None:
    fit = al.lmm("y ~ x + (1 | therapist)", three_levels(), sigma=1.8)
    assert fit.sigma == pytest.approx(1.8)
    wanted = dense_kenward_roger(fit, sigma_known=True)
    assert_as_defined(fit, wanted)
    whole = dense_kenward_roger(fit)
    assert np.abs(whole.adjusted / wanted.adjusted - 1.0).max() > 1e-6


def assert_as_defined(fit: al.LmmFit, wanted: DenseKenwardRoger) -> None:
    found = linear_inference(fit, np.eye(len(fit.term_names)), df="kenward_roger")
    scale = np.sqrt(np.outer(np.diagonal(wanted.adjusted), np.diagonal(wanted.adjusted)))
    assert np.max(np.abs(found.covariance - wanted.adjusted) / scale) < 1e-8
    moved = np.array([np.diagonal(wanted.phi @ p @ wanted.phi) / np.diagonal(wanted.phi) for p in wanted.p])
    assert np.allclose(found.df, 2.0 / np.einsum("ia,ij,ja->a", moved, wanted.w, moved), rtol=1e-7)


@pytest.mark.parametrize(
    "case", ["sleepstudy", "slopes_at_two_levels", "clinics_slope", "raters_two_slopes", "raters_three"]
)
def test_derivatives_of_the_likelihood_are_exact(case: str) -> None:
    # Along the fitted covariances, where they do not depend on how columns were standardised.
    fit = fitted(case)
    curvature = likelihood_curvature(fit.cross_products, fit.optimum.theta)
    _, v, _ = dense(fit)
    n = fit.n_obs
    h = v / fit.sigma**2
    random = h - np.eye(n)
    inverse = np.linalg.inv(h)
    assert curvature.entries @ curvature.slope == pytest.approx(np.trace(inverse @ random), rel=1e-9)
    along = inverse @ random
    assert curvature.entries @ curvature.log_determinant @ curvature.entries == pytest.approx(
        -np.trace(along @ along), rel=1e-9
    )


def test_a_large_study_split_into_chunks_gives_the_same_as_one() -> None:
    # 13,000 patients make three chunks of levels; the same data twice have half the covariance and twice the df.
    rng = np.random.default_rng(5)
    n = 6_500
    patient = np.repeat(np.arange(n), 3)
    session = np.tile([0.0, 1.0, 2.0], n)
    y = rng.normal(size=n)[patient] + 0.5 * rng.normal(size=n)[patient] * session + rng.normal(size=3 * n)
    once = pd.DataFrame({"y": y, "session": session, "patient": patient})
    twice = pd.concat([once, once.assign(patient=once["patient"] + n)], ignore_index=True)
    formula = "y ~ session + (1 + session | patient)"
    found = [linear_inference(al.lmm(formula, frame), np.eye(2), df="kenward_roger") for frame in (once, twice)]
    assert np.allclose(found[1].covariance, found[0].covariance / 2.0, rtol=2e-3)
    assert np.allclose(found[1].df, 2.0 * found[0].df, rtol=2e-3)


@pytest.mark.parametrize("q", [1, 2, 3, 5])
@pytest.mark.parametrize("m", [3, 12, 40])
def test_hotelling_is_matched_exactly(q: int, m: int) -> None:
    # One of the two cases whose exact F the constants reproduce (Kenward and Roger, 1997, sec. 4): T2 with m df.
    a1, a2 = 2.0 * q / m, q * (q + 1.0) / m
    scale, df = _matched_f(a1, a2, q)
    if m > q + 3:
        assert df == pytest.approx(m - q + 1)
        assert scale == pytest.approx((m - q + 1) / m)


@given(st.floats(0.01, 0.9), st.integers(2, 6))
def test_f_of_a_balanced_design_is_not_scaled(a2: float, q: int) -> None:
    # The other case: A1 = q A2 in balanced designs, where F is exact with 2 q / A2 df.
    scale, df = _matched_f(q * a2, a2, q)
    assert scale == pytest.approx(1.0, rel=1e-6)
    assert df == pytest.approx(2.0 * q / a2, rel=1e-6)


def test_a_fit_by_ml_is_refused() -> None:
    with pytest.raises(ModelError, match=r"by ML\.\nHint: refit with lmm\(\.\.\., method=\"REML\"\)"):
        al.coefficient_tests(fitted("sleepstudy", "ML"), df="kenward_roger")


def test_a_residual_structure_is_refused() -> None:
    frame = prepared("sleepstudy")
    fit = al.lmm("Reaction ~ Days + (1 | Subject)", frame, residual=ar1("Days", by="Subject"))
    with pytest.raises(ModelError, match=r"residual structure\.\nHint: use df=\"satterthwaite\""):
        al.coefficient_tests(fit, df="kenward_roger")


def test_a_known_residual_variance_is_no_parameter() -> None:
    # Ten effects with known variance: the variance between them alone is uncertain, W = 2 / (tr(PP)).
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"effect": rng.normal(0.0, 1.5, 10), "study": range(10)})
    fit = al.lmm("effect ~ 1 + (1 | study)", frame, sigma=1.0)
    found = linear_inference(fit, np.eye(1), df="kenward_roger")
    assert found.df[0] == pytest.approx(9.0, rel=1e-9)
    assert found.covariance[0, 0] == pytest.approx(float(frame["effect"].var() / 10), rel=1e-6)


def test_variances_that_cannot_be_told_apart_count_as_one() -> None:
    frame = prepared("clinics").assign(again=lambda d: d["clinic"])
    one = al.coefficient_tests(al.lmm("outcome ~ alliance + (1 | clinic)", frame), df="kenward_roger")
    two = al.coefficient_tests(al.lmm("outcome ~ alliance + (1 | clinic) + (1 | again)", frame), df="kenward_roger")
    assert np.allclose(two.tidy()["df"], one.tidy()["df"], rtol=1e-5)
    assert np.allclose(two.tidy()["std_error"], one.tidy()["std_error"], rtol=1e-6)
    assert any("1 direction of the variance parameters cannot be told apart" in note for note in two.notes)
    assert not any("told apart" in note for note in one.notes)
