"""Comparisons against lme4's anova() (tests/golden/comparison.R), and what nesting and the boundary mean."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

import alliance_stats as al
from alliance_stats.errors import DataError, ModelError
from alliance_stats.inference.boundary import Reference
from alliance_stats.inference.nesting import is_nested
from alliance_stats.mixed.fit import LmmFit

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
NESTED: list[dict[str, Any]] = json.loads((GOLDEN / "comparison.json").read_text())["nested"]
CANARY = "ZZ-secret-"


def same_fixed_part(row: dict[str, Any]) -> bool:
    """Tell whether restricted likelihoods can be compared."""
    return bool(row["small"].split(" + (")[0] == row["big"].split(" + (")[0])


REML_PAIRS = [row for row in NESTED if not row["refit"] and same_fixed_part(row)]
FIXED_PAIRS = [row for row in NESTED if row["refit"] and not same_fixed_part(row)]


@cache
def data_of(name: str) -> pd.DataFrame:
    return pd.read_csv(GOLDEN / "data" / f"{name}.csv")


@cache
def fit_of(data: str, formula: str, method: str = "REML", weights: str | None = None) -> LmmFit:
    return al.lmm(formula, data_of(data), method=method, weights=weights)


def pair(row: dict[str, Any], method: str = "REML") -> tuple[LmmFit, LmmFit]:
    small, big = (fit_of(row["data"], row[which], method, row.get("weights")) for which in ("small", "big"))
    return small, big


def sleep(formula: str, method: str = "REML") -> LmmFit:
    return fit_of("sleepstudy", f"Reaction ~ {formula}", method)


INTERCEPT = "Days + (1 | Subject)"
SLOPE = "Days + (1 + Days | Subject)"


# Golden


def agrees(found: pd.DataFrame, row: dict[str, Any]) -> None:
    np.testing.assert_array_equal(found["n_parameters"], row["n_parameters"])
    for name in ("aic", "bic", "log_likelihood"):
        np.testing.assert_allclose(found[name], row[name], rtol=1e-9, err_msg=name)
    assert found["statistic"].iloc[1] == pytest.approx(row["statistic"], rel=1e-6, abs=1e-7)
    assert found["df"].iloc[1] == row["df"]
    assert found["p_value_chi2"].iloc[1] == pytest.approx(row["p_value"], rel=1e-4)


@pytest.mark.parametrize("row", [row for row in NESTED if row["refit"]], ids=lambda row: f"{row['data']}-{row['big']}")
def test_likelihood_ratio_tests_by_ml_are_those_of_anova(row: dict[str, Any]) -> None:
    agrees(al.compare(*pair(row, "ML")).tidy(), row)


@pytest.mark.parametrize("row", REML_PAIRS, ids=lambda row: f"{row['data']}-{row['big']}")
def test_likelihood_ratio_tests_of_random_parts_by_reml_are_those_of_anova(row: dict[str, Any]) -> None:
    result = al.compare(*pair(row))
    agrees(result.tidy(), row)
    assert any("Restricted likelihoods" in note for note in result.notes)


@pytest.mark.parametrize("row", FIXED_PAIRS, ids=lambda row: f"{row['data']}-{row['big']}")
def test_reml_fits_whose_fixed_parts_differ_are_compared_by_ml(row: dict[str, Any]) -> None:
    result = al.compare(*pair(row))
    agrees(result.tidy(), row)
    assert [fit.method for fit in result.fits] == ["ML", "ML"]
    assert any("models 1, 2 by REML were refitted" in note for note in result.notes)


# The boundary


def test_one_variance_has_half_its_probability_on_one_degree_of_freedom_less() -> None:
    table = al.compare(sleep(INTERCEPT), sleep(SLOPE)).tidy()
    statistic = table["statistic"].iloc[1]
    expected = 0.5 * chi2.sf(statistic, 1) + 0.5 * chi2.sf(statistic, 2)
    assert table["p_value"].iloc[1] == pytest.approx(expected, rel=1e-9)
    assert table["reference"].iloc[1] == "0.5 chi-square(1) + 0.5 chi-square(2)"


def test_a_first_variance_has_half_its_probability_at_zero() -> None:
    row = next(r for r in NESTED if r["data"] == "Pastes")
    table = al.compare(*pair(row)).tidy()
    assert table["p_value"].iloc[1] == pytest.approx(table["p_value_chi2"].iloc[1] / 2.0, rel=1e-9)


def test_a_covariance_alone_has_no_boundary() -> None:
    table = al.compare(sleep("Days + (1 + Days || Subject)"), sleep(SLOPE)).tidy()
    assert table["p_value"].iloc[1] == table["p_value_chi2"].iloc[1]
    assert table["reference"].iloc[1] == "chi-square(1)"


def test_fixed_effects_have_no_boundary() -> None:
    table = al.compare(sleep("1 + (1 | Subject)", "ML"), sleep(INTERCEPT, "ML")).tidy()
    assert table["reference"].iloc[1] == "chi-square(1)"


def test_several_variances_at_once_get_an_upper_bound_and_say_so() -> None:
    row = next(r for r in NESTED if r["data"] == "alliance_sessions" and r["df"] == 3)
    result = al.compare(*pair(row))
    assert result.tidy()["reference"].iloc[1] == "0.5 chi-square(2) + 0.5 chi-square(3), upper bound"
    assert any("upper bound" in note for note in result.notes)


def test_the_bound_is_not_below_the_binomial_mixture_of_independent_variances() -> None:
    """Two independent variances: 1/4, 1/2, 1/4 of chi-square with 0, 1, 2 degrees of freedom (Self & Liang, 1987)."""
    reference = Reference(2, 2)
    for statistic in (0.5, 2.0, 4.0, 9.0):
        exact = 0.5 * chi2.sf(statistic, 1) + 0.25 * chi2.sf(statistic, 2)
        assert exact <= reference.p_value(statistic) <= reference.naive_p_value(statistic)


def test_the_mixture_is_what_simulated_statistics_follow() -> None:
    """A normal mean that is not negative, beside a free one: the half-space case with two parameters."""
    rng = np.random.default_rng(2)
    free, bounded = rng.normal(size=(2, 200_000))
    statistic = free**2 + np.maximum(bounded, 0.0) ** 2
    for cutoff in (1.0, 3.0, 6.0):
        assert (statistic > cutoff).mean() == pytest.approx(Reference(2, 1).p_value(cutoff), abs=0.004)


@pytest.mark.parametrize("reference", [Reference(1, 0), Reference(1, 1), Reference(3, 2)])
def test_equal_fits_have_a_p_value_of_one(reference: Reference) -> None:
    assert reference.p_value(0.0) == 1.0
    assert reference.naive_p_value(1e-9) == 1.0


def test_singular_models_are_named() -> None:
    data = "Dyestuff2"
    frame = data_of(data).assign(half=lambda d: np.tile([0, 1], 15))
    fits = [al.lmm(f, frame, method="ML") for f in ("Yield ~ 1 + (1 | Batch)", "Yield ~ half + (1 | Batch)")]
    assert any(note.startswith("Singular: models 1, 2") for note in al.compare(*fits).notes)


# Criteria and weights


def test_models_are_numbered_as_given_and_listed_by_size() -> None:
    table = al.compare(sleep(SLOPE), sleep(INTERCEPT)).tidy()
    assert table["model"].tolist() == [2, 1]
    assert table["formula"].tolist() == [f"Reaction ~ {INTERCEPT}", f"Reaction ~ {SLOPE}"]
    assert np.isnan(table["statistic"].iloc[0])


def test_order_of_the_arguments_does_not_change_the_numbers() -> None:
    one = al.compare(sleep(SLOPE), sleep(INTERCEPT)).tidy().drop(columns="model")
    two = al.compare(sleep(INTERCEPT), sleep(SLOPE)).tidy().drop(columns="model")
    pd.testing.assert_frame_equal(one, two)


def test_aicc_is_aic_with_its_correction() -> None:
    table = al.compare(sleep(INTERCEPT), sleep(SLOPE)).tidy()
    k, n = table["n_parameters"], 180
    np.testing.assert_allclose(table["aicc"], table["aic"] + 2 * k * (k + 1) / (n - k - 1), rtol=1e-12)


@pytest.mark.parametrize("criterion", ["aic", "aicc", "bic"])
def test_weights_are_relative_likelihoods_of_the_criterion_asked_for(criterion: str) -> None:
    fits = [sleep("1 + (1 + Days | Subject)", "ML"), sleep(SLOPE, "ML"), sleep("Days + (1 + Days || Subject)", "ML")]
    result = al.compare(*fits, criterion=criterion)
    table = result.tidy()
    delta = table[criterion] - table[criterion].min()
    np.testing.assert_allclose(table["delta"], delta, atol=1e-12)
    np.testing.assert_allclose(table["weight"], np.exp(-delta / 2) / np.exp(-delta / 2).sum(), rtol=1e-12)
    assert any(criterion.upper() in note for note in result.notes)
    row = result.glance().iloc[0]
    assert (row["best"], row["n_models"], row["criterion"]) == (3, 3, criterion)


# Nesting


NESTING = [
    ("Days + (1 | Subject)", "Days + (1 + Days | Subject)", True),
    ("Days + (1 + Days | Subject)", "Days + (1 | Subject)", False),
    ("Days + (1 + Days || Subject)", "Days + (1 + Days | Subject)", True),
    ("Days + (1 + Days | Subject)", "Days + (1 + Days || Subject)", False),
    ("Days + (1 | Subject)", "Days + (0 + Days | Subject)", False),
    ("Days + (0 + Days | Subject)", "Days + (1 + Days | Subject)", True),
    ("Days + (1 + late | Subject)", "Days + (1 + Days | Subject)", False),
    ("Days + (1 + Days | Subject)", "Days + (1 + shifted | Subject)", True),
    ("Days + (1 + Days || Subject)", "Days + (1 + shifted || Subject)", False),
    ("Days + (1 | Subject)", "shifted + (1 | Subject)", True),
    ("Days + (1 | Subject)", "late + (1 | Subject)", False),
    ("late + (1 | Subject)", "late + Days + (1 | Subject)", True),
    ("1 + (1 | Subject)", "0 + C(late) + (1 | Subject)", True),
    ("Days + (1 | Subject)", "Days + (1 | renamed)", True),
    ("Days + (1 | pair)", "Days + (1 | pair) + (1 | Subject)", True),
    ("Days + (1 | pair)", "Days + (1 | Subject)", False),
]


@pytest.mark.parametrize(("small", "big", "expected"), NESTING)
def test_nesting_is_decided_by_what_terms_span(small: str, big: str, expected: bool) -> None:
    frame = data_of("sleepstudy").assign(
        late=lambda d: (d["Days"] > 5).astype(float),
        shifted=lambda d: 3.0 - 2.0 * d["Days"],
        renamed=lambda d: 1000 - d["Subject"].rank(method="dense"),
        pair=lambda d: d["Subject"].rank(method="dense") // 2,
    )
    fits = [al.lmm(f"Reaction ~ {f}", frame, method="ML") for f in (small, big)]
    assert is_nested(*fits) is expected


def test_models_that_are_not_nested_get_criteria_and_a_note_but_no_test() -> None:
    frame = data_of("sleepstudy").assign(late=lambda d: (d["Days"] > 5).astype(float))
    fits = [al.lmm(f"Reaction ~ {f} + (1 | Subject)", frame) for f in ("Days", "late * np.log(Days + 1)")]
    result = al.compare(*fits)
    table = result.tidy()
    assert table[["df", "statistic", "p_value", "p_value_chi2"]].isna().all(axis=None)
    assert table["reference"].tolist() == ["", ""]
    assert table["aic"].notna().all()
    assert any("Model 1 is not a special case of model 2" in note for note in result.notes)


def test_only_reml_fits_are_refitted() -> None:
    result = al.compare(sleep("1 + (1 | Subject)", "ML"), sleep(INTERCEPT))
    assert [fit.method for fit in result.fits] == ["ML", "ML"]
    assert any("model 2 by REML was refitted" in note for note in result.notes)


def test_the_same_columns_in_another_order_keep_reml() -> None:
    frame = data_of("alliance_sessions")
    fits = [
        al.lmm("distress ~ session + alliance + (1 | patient)", frame),
        al.lmm("distress ~ alliance + session + (1 | patient) + (1 | therapist)", frame),
    ]
    assert al.compare(*fits).fits == tuple(fits)


def test_a_bigger_model_at_a_local_optimum_is_pointed_out() -> None:
    from dataclasses import replace

    big = sleep(SLOPE)
    stuck = replace(big, optimum=replace(big.optimum, criterion=big.optimum.criterion + 60.0))
    result = al.compare(sleep(INTERCEPT), stuck)
    assert result.tidy()["statistic"].iloc[1] == 0.0
    assert result.tidy()["p_value"].iloc[1] == 1.0
    assert any("Model 2 fits worse than model 1" in note for note in result.notes)


# Residual structures and a known sigma


def test_a_serial_correlation_is_one_free_parameter_more() -> None:
    frame = data_of("alliance_sessions")
    formula = "distress ~ session + (1 | patient)"
    plain, serial = al.lmm(formula, frame), al.lmm(formula, frame, residual=al.ar1("session", by="patient"))
    table = al.compare(serial, plain).tidy()
    assert table["model"].tolist() == [2, 1]
    assert (table["df"].iloc[1], table["reference"].iloc[1]) == (1.0, "chi-square(1)")
    assert table["statistic"].iloc[1] == pytest.approx(plain.criterion - serial.criterion, rel=1e-9)
    assert table["formula"].iloc[1].endswith("residual ar1(session | patient)")
    assert not is_nested(serial, plain)


def test_a_correlation_in_continuous_time_is_tested_at_its_boundary() -> None:
    frame = data_of("alliance_sessions")
    formula = "distress ~ session + (1 | patient)"
    fits = [al.lmm(formula, frame), al.lmm(formula, frame, residual=al.car1("days", by="patient"))]
    assert al.compare(*fits).tidy()["reference"].iloc[1] == "0.5 chi-square(0) + 0.5 chi-square(1)"


def test_a_known_sigma_is_a_special_case_of_an_estimated_one() -> None:
    frame = data_of("sleepstudy")
    known = al.lmm(f"Reaction ~ {INTERCEPT}", frame, sigma=30.0)
    free, other = sleep(INTERCEPT), al.lmm(f"Reaction ~ {SLOPE}", frame, sigma=25.0)
    assert is_nested(known, free)
    assert not is_nested(free, known)
    assert not is_nested(known, other)
    assert al.compare(known, free).tidy()["df"].iloc[1] == 1.0


# Errors


def test_one_fit_alone_is_refused() -> None:
    with pytest.raises(ModelError, match=r"two or more fits; it got 1(?s:.*)compare\(fit1, fit2\)"):
        al.compare(sleep(INTERCEPT))


def test_something_else_than_a_fit_is_refused() -> None:
    with pytest.raises(ModelError, match=r"Argument 2 of compare\(\) is a list(?s:.*)compare\(\*fits\)"):
        al.compare(sleep(INTERCEPT), [sleep(SLOPE)])


def test_an_unknown_criterion_is_refused() -> None:
    with pytest.raises(ModelError, match=r"'aicb'(?s:.*)did you mean 'aic"):
        al.compare(sleep(INTERCEPT), sleep(SLOPE), criterion="aicb")


def test_different_rows_are_refused_with_counts_and_no_ids() -> None:
    frame = data_of("sleepstudy").assign(Subject=lambda d: CANARY + d["Subject"])
    frame["gap"] = frame["Days"].where(frame.index % 9 > 0).astype(float)
    fits = [al.lmm(f"Reaction ~ {f} + (1 | Subject)", frame) for f in ("Days", "Days + gap")]
    with pytest.raises(DataError, match=r"180 of 180 rows, model 2 to 160 of 180, 160 of them(?s:.*)dropna") as caught:
        al.compare(*fits)
    assert CANARY not in str(caught.value)


def test_as_many_but_other_rows_are_refused() -> None:
    frame = data_of("sleepstudy").assign(Subject=lambda d: CANARY + d["Subject"])
    for name, hole in (("a", 0), ("b", 1)):
        frame[name] = frame["Days"].where(frame.index != hole).astype(float)
    fits = [al.lmm(f"Reaction ~ {f} + (1 | Subject)", frame) for f in ("a", "b")]
    with pytest.raises(DataError, match=r"179 of 180 rows, model 2 to 179 of 180, 178 of them") as caught:
        al.compare(*fits)
    assert CANARY not in str(caught.value)


def test_rows_left_out_before_and_rows_left_out_by_the_model_are_the_same_rows() -> None:
    frame = data_of("sleepstudy")
    frame = frame.assign(gap=frame["Days"].where(frame.index % 9 > 0).astype(float))
    before = al.lmm(f"Reaction ~ {INTERCEPT}", frame.dropna(subset=["gap"]), method="ML")
    by_model = al.lmm("Reaction ~ Days + gap + (1 | Subject)", frame, method="ML")
    assert al.compare(before, by_model).tidy()["n"].tolist() == [160, 160]


def test_different_outcomes_are_refused() -> None:
    frame = data_of("sleepstudy").assign(log=lambda d: np.log(d["Reaction"]))
    fits = [al.lmm(f"{y} ~ {INTERCEPT}", frame) for y in ("Reaction", "log")]
    with pytest.raises(DataError, match=r"'Reaction' and 'log'\); they differ in 180 of 180 rows(?s:.*)same outcome"):
        al.compare(*fits)


def test_different_weights_are_refused() -> None:
    frame = data_of("alliance_sessions")
    formula = "distress ~ session + (1 | patient)"
    fits = [al.lmm(formula, frame), al.lmm(formula, frame, weights="weight")]
    with pytest.raises(DataError, match=r"Models 1 and 2 have different weights(?s:.*)same weights"):
        al.compare(*fits)
