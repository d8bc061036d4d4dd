"""What a fit with a residual structure says and does: tables, notes, residuals, draws, storage, refits, predictions."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import polars as pl
import pytest
from residual_dense import DenseModel, same, serial, study, variances

from alliance_stats import (
    LmmFit,
    ModelError,
    ResidualStructure,
    ar1,
    car1,
    compound_symmetry,
    cross_check,
    lmm,
    variance_by,
)

FORMULA = "distress ~ session + alliance + (1 | patient) + (1 | therapist)"
PLAIN = "distress ~ session + alliance + (1 | therapist)"
AR1 = ar1("session", by="patient")
CAR1 = car1("day", by="patient")
PHASE = variance_by("phase")


def test_what_a_fit_reports_of_its_residual_structure() -> None:
    fit, plain = lmm(FORMULA, study(), residual=PHASE + AR1), lmm(FORMULA, study())
    assert fit.residual is not None
    ratio, rho = fit.residual.estimates
    rows = fit.variance_components().iloc[-3:].reset_index(drop=True)
    assert list(rows["group"]) == ["Residual"] * 3
    assert list(rows["kind"]) == ["variance", "sd_ratio", "correlation"]
    assert list(rows["term"]) == ["", "phase[late]", "ar1(session | patient)"]
    assert list(rows["term2"]) == ["", "phase[early]", ""]
    np.testing.assert_allclose(rows["estimate"], [fit.sigma**2, ratio, rho], rtol=1e-12)
    np.testing.assert_allclose(rows["sd"].iloc[:2], [fit.sigma, fit.sigma * ratio], rtol=1e-12)
    assert rows["correlation"].iloc[2] == rho
    assert (fit.n_residual_parameters, plain.n_residual_parameters, plain.residual) == (2, 0, None)
    assert fit.n_parameters == plain.n_parameters + 2 == 3 + 2 + 1 + 2
    row = fit.glance().iloc[0]
    assert row["aic"] == pytest.approx(fit.criterion + 2 * 8)
    assert row["bic"] == pytest.approx(fit.criterion + np.log(fit.n_obs) * 8)
    text = fit.summary()
    assert "Residual structure: variance_by(phase) + ar1(session | patient)" in text
    assert f"{rho:.5g}" in text
    notes = " ".join(fit.notes)
    assert f"rho = {rho:.4g}" in notes
    assert "differ by phase (2 levels)" in notes
    assert "new rows use fixed and random effects only" in notes
    assert "Residual structure" not in plain.summary()


def test_shares_of_variance_use_the_mean_residual_variance() -> None:
    frame = study()
    fit = lmm(FORMULA, frame, residual=PHASE, weights="weight")
    assert fit.residual is not None
    scale = np.where(frame["phase"] == "late", fit.residual.estimates[0], 1.0)
    residual = np.mean(fit.sigma**2 * scale**2 / frame["weight"])
    patient, therapist, _ = variances(fit)
    row = fit.glance().iloc[0]
    assert row["icc_patient"] == pytest.approx(patient / (patient + therapist + residual), rel=1e-9)


def test_normalised_residuals_are_whitened_by_the_fitted_covariance() -> None:
    frame = study()
    fit = lmm(FORMULA, frame, residual=PHASE + AR1, weights="weight")
    raw, normalised = fit.residuals(), fit.residuals("normalised")
    np.testing.assert_allclose(raw, frame["distress"] - fit.fitted(), rtol=1e-12)
    whole = fit.residual_covariance(np.arange(fit.n_obs))
    assert normalised @ normalised == pytest.approx(raw @ np.linalg.solve(whole, raw), rel=1e-9)
    plain = lmm(FORMULA, frame, weights="weight")
    expected = plain.residuals() * np.sqrt(frame["weight"]) / plain.sigma
    np.testing.assert_allclose(plain.residuals(kind="normalised"), expected, rtol=1e-12)
    with pytest.raises(ModelError, match=r"(?s)No kind of residuals 'raws'.*Hint: did you mean 'raw'"):
        fit.residuals("raws")  # type: ignore[arg-type]


def test_draws_have_the_fitted_covariance() -> None:
    fit = lmm(PLAIN, study(), residual=PHASE + AR1)
    rng = np.random.default_rng(5)
    draws = np.array([fit.simulate(rng) for _ in range(4000)]) - fit.predict(random=False).to_numpy()
    tau, _ = variances(fit)
    whole = fit.residual_covariance(np.arange(fit.n_obs)) + tau * same(study()["therapist"])
    scale = np.sqrt(np.outer(np.diag(whole), np.diag(whole)))
    # The standard error of a correlation of 4,000 draws is at most 0.016, of a variance 0.022; 4,000 entries are compared.
    assert np.abs((np.cov(draws.T) - whole) / scale).max() < 0.12


def test_random_effects_are_those_of_the_full_model() -> None:
    frame = study()
    fit = lmm(FORMULA, frame, residual=AR1)
    assert fit.residual is not None
    tau, kappa, sigma2 = variances(fit)
    v = tau * same(frame["patient"]) + kappa * same(frame["therapist"])
    v += sigma2 * serial(frame, "session", ["patient"], fit.residual.estimates[0])
    score = np.linalg.solve(v, frame["distress"] - fit.predict(random=False))
    table = fit.random_effects("patient").set_index("level")["estimate"]
    for level in table.index:
        assert table[level] == pytest.approx(
            tau * score[(frame["patient"] == level).to_numpy()].sum(), rel=1e-6, abs=1e-9
        )


def test_a_fit_with_a_structure_survives_json() -> None:
    frame = study()
    for structure in (PHASE + AR1, CAR1, compound_symmetry(by="patient:phase"), PHASE):
        fit = lmm(FORMULA, frame, residual=structure, weights="weight")
        again = LmmFit.from_dict(json.loads(json.dumps(fit.to_dict())), frame, weights="weight")
        pd.testing.assert_frame_equal(again.tidy(), fit.tidy(), rtol=1e-8)
        pd.testing.assert_frame_equal(again.variance_components(), fit.variance_components(), rtol=1e-7)
        assert again.residual is not None
        assert again.residual.structure == structure
        assert again.notes == fit.notes
    at_limit = lmm(PLAIN, study(rho=-0.6, n_patients=30), residual=CAR1)
    stored = json.loads(json.dumps(at_limit.to_dict(), allow_nan=False))
    assert LmmFit.from_dict(stored, study(rho=-0.6, n_patients=30)).criterion == pytest.approx(at_limit.criterion)


def test_a_stored_structure_of_an_unknown_kind_is_refused() -> None:
    stored = AR1.to_dict()
    assert ResidualStructure.from_dict(stored) == AR1
    stored["correlation"]["kind"] = "ar2"
    with pytest.raises(ModelError, match=r"(?s)No residual correlation 'ar2'.*Known: ar1.*did you mean 'ar1'"):
        ResidualStructure.from_dict(stored)


def test_refit_estimates_the_structure_again() -> None:
    frame = study()
    fit = lmm(FORMULA, frame, residual=PHASE + AR1)
    y = fit.simulate(np.random.default_rng(8))
    again, fresh = fit.refit(y), lmm(FORMULA, frame.assign(distress=y), residual=PHASE + AR1)
    assert again.residual is not None
    assert fresh.residual is not None
    np.testing.assert_array_equal(again.residual.estimates, fresh.residual.estimates)
    assert again.criterion == fresh.criterion


def test_deviance_at_another_theta_keeps_the_residual_parameters() -> None:
    frame = study()
    fit = lmm(FORMULA, frame, residual=AR1)
    assert fit.residual is not None
    assert fit.deviance_at(fit.theta) == pytest.approx(fit.criterion, abs=1e-9)
    theta = np.array([0.9, 0.4])
    v = 0.81 * same(frame["patient"]) + 0.16 * same(frame["therapist"])
    v += serial(frame, "session", ["patient"], fit.residual.estimates[0])
    x = np.column_stack([np.ones(len(frame)), frame["session"], frame["alliance"]])
    model = DenseModel(frame["distress"].to_numpy(), x, lambda p: p[0] * v)
    residual = model.y - x @ model.beta(np.ones(1))
    sigma2 = residual @ np.linalg.solve(v, residual) / (len(frame) - 3)
    assert fit.deviance_at(theta) == pytest.approx(model.criterion(np.array([sigma2])), abs=1e-8)


def test_rows_without_a_session_are_left_out_and_counted() -> None:
    frame = study().assign(session=lambda f: f["session"].astype(float))
    frame["order"] = frame["session"].where(frame.index % 11 > 0)
    fit = lmm(FORMULA, frame, residual=ar1("order", by="patient"))
    assert fit.n_obs == frame["order"].notna().sum()
    assert any("order" in note and "left out" in note for note in fit.notes)


def test_frames_of_other_libraries() -> None:
    frame = study()
    a, b = lmm(FORMULA, frame, residual=PHASE + AR1), lmm(FORMULA, pl.from_pandas(frame), residual=PHASE + AR1)
    assert b.criterion == pytest.approx(a.criterion, abs=1e-9)


def test_predictions_for_new_rows_are_fixed_and_random_part() -> None:
    frame = study()
    fit = lmm(FORMULA, frame, residual=AR1)
    np.testing.assert_allclose(fit.predict(frame.drop(columns="phase")), fit.fitted(), rtol=1e-10)


def test_other_engines_are_not_asked() -> None:
    with pytest.raises(ModelError, match=r"(?s)residual structure.*nlme"):
        cross_check(lmm(FORMULA, study(), residual=AR1))
