"""A known residual standard deviation: sampling variances of effect sizes, and the criterion without a profiled sigma."""

from __future__ import annotations

import json
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
from mixed_golden import FOLDER, golden_data
from residual_dense import DenseModel, same, study
from scipy.optimize import minimize

from alliance_stats import LmmFit, ModelError, ar1, compound_symmetry, cross_check, lmm
from alliance_stats.mixed.factor import criterion_at, evaluate

EFFECTS: list[dict[str, Any]] = json.loads((FOLDER / "residual_structures.json").read_text())["effects"]
META = "correlation ~ year + (1 | study/effect)"
SESSIONS = "distress ~ session + alliance + (1 + alliance | patient) + (1 | therapist)"
CROSSED = "rating ~ occasion + (1 + occasion | patient) + (1 | rater)"


def effects() -> pd.DataFrame:
    return golden_data("residual_effects")


@pytest.mark.parametrize("case", EFFECTS, ids=lambda case: f"{case['formula']}-{case['method']}")
def test_three_level_meta_analysis_is_that_of_metafor(case: dict[str, Any]) -> None:
    fit = lmm(
        f"{case['formula']} + (1 | study/effect)", effects(), weights="precision", sigma=1.0, method=case["method"]
    )
    assert fit.log_likelihood == pytest.approx(case["log_likelihood"], abs=1e-9)
    assert fit.sigma == 1.0
    std_error = np.sqrt(np.diagonal(fit.fixed_covariance))
    assert np.abs((fit.fixed_effects - case["beta"]) / case["std_error"]).max() < 1e-6
    np.testing.assert_allclose(std_error, case["std_error"], rtol=1e-6)
    table = fit.variance_components()
    # rma.mv searches without derivatives: its variances have about six digits.
    np.testing.assert_allclose(table["estimate"].iloc[:2], case["variances"], rtol=2e-6)


@pytest.mark.parametrize("method", ["REML", "ML"])
def test_criterion_is_that_of_full_matrices(method: Literal["REML", "ML"]) -> None:
    frame = study()
    weights = frame["weight"].to_numpy()
    fit = lmm("distress ~ session + (1 | patient) + (1 | therapist)", frame, method=method, sigma=1.3, weights="weight")
    x = np.column_stack([np.ones(len(frame)), frame["session"]])
    patient, therapist = same(frame["patient"]), same(frame["therapist"])
    noise = np.diag(1.3**2 / weights)
    model = DenseModel(frame["distress"].to_numpy(), x, lambda p: p[0] * patient + p[1] * therapist + noise)
    there = (1.3 * fit.theta) ** 2
    assert fit.criterion == pytest.approx(model.criterion(there, reml=method == "REML"), abs=1e-8)
    best = minimize(
        lambda p: model.criterion(p**2, reml=method == "REML"),
        np.ones(2),
        method="Nelder-Mead",
        options={"fatol": 1e-10},
    )
    assert fit.criterion == pytest.approx(best.fun, abs=1e-7)
    np.testing.assert_allclose(fit.fixed_covariance, model.beta_covariance(there), rtol=1e-8)


@pytest.mark.parametrize("method", ["REML", "ML"])
@pytest.mark.parametrize(("formula", "data"), [(SESSIONS, "study"), (CROSSED, "alliance_raters")])
def test_gradient_is_the_slope_of_the_criterion(formula: str, data: str, method: Literal["REML", "ML"]) -> None:
    frame = study() if data == "study" else golden_data(data)
    fit = lmm(formula, frame, method=method, sigma=0.8)
    cp, reml = fit.cross_products, method == "REML"
    theta = np.random.default_rng(1).uniform(0.3, 1.5, cp.n_theta)
    slopes = [
        (criterion_at(cp, theta + step, reml=reml) - criterion_at(cp, theta - step, reml=reml)) / 2e-5
        for step in 1e-5 * np.eye(cp.n_theta)
    ]
    np.testing.assert_allclose(evaluate(cp, theta, reml=reml).gradient, slopes, rtol=1e-6, atol=1e-5)


def test_steps_use_the_curvature_without_a_profiled_sigma() -> None:
    """In a balanced design expected and average information agree at the optimum of one variance."""
    rng = np.random.default_rng(4)
    group = np.repeat(np.arange(30), 6)
    frame = pd.DataFrame({"g": group, "y": rng.normal(size=30)[group] + rng.normal(size=180)})
    fit = lmm("y ~ 1 + (1 | g)", frame, sigma=1.0)
    cp, theta = fit.cross_products, fit.optimum.theta
    step = 1e-4
    second = (evaluate(cp, theta + step, reml=True).gradient - evaluate(cp, theta - step, reml=True).gradient) / (
        2 * step
    )
    assert evaluate(cp, theta, reml=True).hessian[0, 0] == pytest.approx(second[0], rel=1e-6)
    assert fit.optimum.n_evaluations < 8


def test_the_estimated_sigma_given_back_changes_nothing() -> None:
    frame = study()
    formula = "distress ~ session + (1 | patient)"
    free = lmm(formula, frame, weights="weight")
    given = lmm(formula, frame, weights="weight", sigma=free.sigma)
    assert given.criterion == pytest.approx(free.criterion, abs=1e-9)
    np.testing.assert_allclose(given.theta, free.theta, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(given.fixed_covariance, free.fixed_covariance, rtol=1e-6)
    assert lmm(formula, frame, weights="weight", sigma=0.9 * free.sigma).criterion > free.criterion


@pytest.mark.parametrize("unit", [1e-6, 1e5])
def test_units_of_the_effect_size_do_not_matter(unit: float) -> None:
    frame = effects()
    other = frame.assign(correlation=unit * frame["correlation"], precision=frame["precision"] / unit**2)
    a, b = (lmm(META, f, weights="precision", sigma=1.0) for f in (frame, other))
    np.testing.assert_allclose(b.fixed_effects, unit * a.fixed_effects, rtol=1e-7)
    np.testing.assert_allclose(b.theta, unit * a.theta, rtol=1e-5)
    assert (a.singular, b.singular) == (False, False)
    assert b.criterion == pytest.approx(a.criterion + 2 * (a.n_obs - 2) * np.log(unit), abs=1e-7)


def test_sigma_and_weights_together_say_one_thing() -> None:
    frame = effects()
    a = lmm(META, frame, weights="precision", sigma=1.0)
    b = lmm(META, frame.assign(precision=4 * frame["precision"]), weights="precision", sigma=2.0)
    assert b.criterion == pytest.approx(a.criterion, abs=1e-9)
    np.testing.assert_allclose(b.theta, a.theta / 2, rtol=1e-6)


def test_no_heterogeneity_is_a_singular_fit_with_the_fixed_effect_weights() -> None:
    frame = effects()
    frame["correlation"] = 0.3 + 1e-3 * np.sin(np.arange(len(frame)))
    fit = lmm("correlation ~ 1 + (1 | study/effect)", frame, weights="precision", sigma=1.0)
    assert fit.singular
    np.testing.assert_array_equal(fit.theta, 0.0)
    assert fit.fixed_effects["Intercept"] == pytest.approx(np.average(frame["correlation"], weights=frame["precision"]))
    assert fit.fixed_covariance.iloc[0, 0] == pytest.approx(1 / frame["precision"].sum())


def test_what_a_fit_with_a_given_sigma_reports() -> None:
    fit, free = lmm(META, effects(), weights="precision", sigma=1.0), lmm(SESSIONS, study())
    assert (fit.sigma_fixed, free.sigma_fixed) == (True, False)
    assert fit.n_parameters == 2 + 2
    assert fit.glance()["aic"].iloc[0] == pytest.approx(fit.criterion + 2 * 4)
    assert any("given, not estimated: 1 in units" in note for note in fit.notes)
    assert "Residual SD given" in fit.summary()
    assert "Residual SD given" not in free.summary()


def test_a_fit_with_a_given_sigma_survives_json_and_refits() -> None:
    frame = effects()
    fit = lmm(META, frame, weights="precision", sigma=1.0)
    stored = json.loads(json.dumps(fit.to_dict()))
    again = LmmFit.from_dict(stored, frame, weights="precision")
    assert again.sigma_fixed
    assert again.criterion == pytest.approx(fit.criterion, abs=1e-9)
    np.testing.assert_allclose(again.theta, fit.theta, rtol=1e-9)
    assert fit.deviance_at(fit.theta) == pytest.approx(fit.criterion, abs=1e-9)
    y = frame["correlation"].to_numpy() ** 2
    fresh = lmm(META, frame.assign(correlation=y), weights="precision", sigma=1.0)
    assert fit.refit(y).criterion == pytest.approx(fresh.criterion, abs=1e-10)
    assert fit.refit(y).sigma == pytest.approx(1.0, rel=1e-12)


def test_a_given_sigma_goes_with_a_residual_structure() -> None:
    frame = study()
    fit = lmm("distress ~ session + (1 | patient)", frame, sigma=1.2, residual=ar1("session", by="patient"))
    assert fit.residual is not None
    free = lmm("distress ~ session + (1 | patient)", frame, residual=ar1("session", by="patient"))
    assert free.residual is not None
    assert fit.criterion > free.criterion
    given = lmm("distress ~ session + (1 | patient)", frame, sigma=free.sigma, residual=ar1("session", by="patient"))
    assert given.residual is not None
    np.testing.assert_allclose(given.residual.estimates, free.residual.estimates, rtol=1e-5)


def test_sampling_errors_that_correlate_within_a_study() -> None:
    frame = effects()
    fit = lmm(
        "correlation ~ 1 + (1 | study)", frame, weights="precision", sigma=1.0, residual=compound_symmetry(by="study")
    )
    assert fit.residual is not None
    spread = 1 / np.sqrt(frame["precision"].to_numpy())
    study_same, rho = same(frame["study"]), float(fit.residual.estimates[0])
    v = np.outer(spread, spread) * (rho * study_same + (1 - rho) * np.eye(len(frame))) + fit.theta[0] ** 2 * study_same
    model = DenseModel(frame["correlation"].to_numpy(), np.ones((len(frame), 1)), lambda _: v)
    assert fit.criterion == pytest.approx(model.criterion(np.zeros(0)), abs=1e-8)


@pytest.mark.parametrize("sigma", [0.0, -1.0, np.nan, np.inf, "1"])
def test_a_sigma_that_is_no_positive_number_is_refused(sigma: float) -> None:
    with pytest.raises(
        ModelError, match=r"(?s)sigma is the known residual SD, a positive number.*Hint: leave sigma out"
    ):
        lmm(META, effects(), weights="precision", sigma=sigma)


def test_without_a_given_sigma_one_row_per_effect_is_refused() -> None:
    with pytest.raises(ModelError, match=r"'study:effect' has 73 levels"):
        lmm(META, effects(), weights="precision")
    with pytest.raises(ModelError, match=r"'study:effect' has 73 levels with 2 random effects each"):
        lmm("correlation ~ year + (1 + year | study:effect)", effects(), weights="precision", sigma=1.0)


def test_other_engines_are_not_asked() -> None:
    with pytest.raises(ModelError, match=r"(?s)given sigma.*metafor"):
        cross_check(lmm(META, effects(), weights="precision", sigma=1.0))
