"""Residual structures: against full matrices, theorems and invariances, and everything a fit with one can do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import pandas as pd
import pytest
from residual_dense import DenseModel, couples, exchangeable, same, serial, study, variances

from alliance_stats import (
    ConvergenceError,
    ResidualStructure,
    ar1,
    car1,
    compound_symmetry,
    lmm,
    variance_by,
)
from alliance_stats.mixed.residualrows import residual_rows
from alliance_stats.mixed.whitening import ResidualModel

FORMULA = "distress ~ session + alliance + (1 | patient) + (1 | therapist)"
PLAIN = "distress ~ session + alliance + (1 | therapist)"
AR1 = ar1("session", by="patient")
CAR1 = car1("day", by="patient")
PHASE = variance_by("phase")
DYAD = "satisfaction ~ role + closeness + (1 | dyad)"
PAIRS = compound_symmetry(by="dyad:session")


def dense_study(frame: pd.DataFrame, root: Callable[[np.ndarray], np.ndarray], *, weighted: bool = False) -> DenseModel:
    """Return the full model of FORMULA; parameters: variances of patient, therapist and residual, then those of ``root``."""
    x = np.column_stack([np.ones(len(frame)), frame["session"], frame["alliance"]])
    patient, therapist = same(frame["patient"]), same(frame["therapist"])
    spread = 1.0 / np.sqrt(frame["weight"].to_numpy()) if weighted else np.ones(len(frame))

    def covariance(p: np.ndarray) -> np.ndarray:
        return np.asarray(p[0] * patient + p[1] * therapist + p[2] * root(p[3:]) * np.outer(spread, spread))

    return DenseModel(frame["distress"].to_numpy(), x, covariance)


def late_scale(frame: pd.DataFrame, ratio: float) -> np.ndarray:
    """Return S 11' S for a ratio of SDs of the late phase to the early one."""
    scale = np.where(frame["phase"] == "late", ratio, 1.0)
    return np.outer(scale, scale)


STRUCTURES: dict[str, tuple[ResidualStructure, Callable[[pd.DataFrame, np.ndarray], np.ndarray]]] = {
    "ar1": (AR1, lambda f, p: serial(f, "session", ["patient"], p[0])),
    "car1": (CAR1, lambda f, p: serial(f, "day", ["patient"], p[0])),
    "variance_by": (PHASE, lambda f, p: np.eye(len(f)) * late_scale(f, p[0])),
    "both": (PHASE + AR1, lambda f, p: late_scale(f, p[0]) * serial(f, "session", ["patient"], p[1])),
    "symmetry": (
        compound_symmetry(by=["patient", "phase"]) + PHASE,
        lambda f, p: late_scale(f, p[0]) * exchangeable(f, ["patient", "phase"], p[1]),
    ),
}


@pytest.mark.parametrize("method", ["REML", "ML"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", list(STRUCTURES))
def test_everything_is_that_of_the_model_with_full_matrices(
    name: str, weighted: bool, method: Literal["REML", "ML"]
) -> None:
    frame = study()
    structure, root = STRUCTURES[name]
    fit = lmm(FORMULA, frame, method=method, residual=structure, weights="weight" if weighted else None)
    model = dense_study(frame, lambda p: root(frame, p), weighted=weighted)
    assert fit.residual is not None
    there = np.append(variances(fit), fit.residual.estimates)
    assert fit.criterion == pytest.approx(model.criterion(there, reml=method == "REML"), abs=1e-8)
    np.testing.assert_allclose(fit.fixed_effects, model.beta(there), rtol=1e-8)
    np.testing.assert_allclose(fit.fixed_covariance, model.beta_covariance(there), rtol=1e-7)
    # At the optimum no parameter away from zero lowers the criterion.
    slopes = model.slopes(there, reml=method == "REML")
    np.testing.assert_allclose(slopes[there > 1e-8], 0.0, atol=1e-4)


def test_the_covariance_of_residuals_is_the_matrix_that_the_structure_says() -> None:
    frame = study()
    fit = lmm(FORMULA, frame, residual=PHASE + AR1, weights="weight")
    assert fit.residual is not None
    ratio, rho = fit.residual.estimates
    spread = 1.0 / np.sqrt(frame["weight"].to_numpy())
    whole = fit.sigma**2 * late_scale(frame, ratio) * serial(frame, "session", ["patient"], rho)
    whole *= np.outer(spread, spread)
    rows = np.array([40, 3, 17, 8, 21, 22])
    np.testing.assert_allclose(fit.residual_covariance(rows), whole[np.ix_(rows, rows)], rtol=1e-10)
    plain = lmm(FORMULA, frame, weights="weight")
    np.testing.assert_allclose(
        plain.residual_covariance(rows), np.diag(plain.sigma**2 / frame["weight"].to_numpy()[rows]), rtol=1e-12
    )


@pytest.mark.parametrize("name", list(STRUCTURES))
def test_roots_of_the_residual_covariance(name: str) -> None:
    frame = study()
    structure, root = STRUCTURES[name]
    model = ResidualModel(residual_rows(structure, frame))
    phi = np.array([0.4, 0.7])[: model.n_parameters]
    whitener = model.whitener(phi)
    expected = root(frame, model.natural(phi))
    columns = [whitener.colour(column) for column in np.eye(len(frame))]
    coloured = np.column_stack(columns)
    np.testing.assert_allclose(coloured @ coloured.T, expected, atol=1e-12)
    noise = np.random.default_rng(1).normal(size=len(frame))
    np.testing.assert_allclose(whitener.whiten(whitener.colour(noise)), noise, atol=1e-12)
    assert whitener.log_determinant == pytest.approx(np.linalg.slogdet(expected)[1], abs=1e-10)
    np.testing.assert_allclose(model.unbounded(model.natural(phi)), phi, rtol=1e-10)


def test_a_negative_autocorrelation_changes_sign_with_every_odd_gap() -> None:
    frame = study()
    model = ResidualModel(residual_rows(AR1, frame))
    whitener = model.whitener(np.arctanh([-0.7]))
    coloured = np.column_stack([whitener.colour(column) for column in np.eye(len(frame))])
    signed = serial(frame, "session", ["patient"], 0.7)
    odd = np.abs(np.subtract.outer(frame["session"].to_numpy(), frame["session"].to_numpy())) % 2 == 1
    np.testing.assert_allclose(coloured @ coloured.T, np.where(odd, -signed, signed), atol=1e-12)


def test_alternating_residuals_give_a_negative_autocorrelation() -> None:
    fit = lmm(FORMULA, study(rho=-0.6, n_patients=40), residual=AR1)
    assert fit.residual is not None
    assert fit.residual.estimates[0] == pytest.approx(-0.6, abs=0.15)


def test_without_correlation_the_criterion_is_that_of_the_ordinary_fit() -> None:
    frame = study()
    fit, plain = lmm(FORMULA, frame, residual=PHASE + AR1), lmm(FORMULA, frame)
    none = np.append(plain.optimum.theta, [0.0, 0.0])
    shift = fit.scaling.criterion_shift_reml
    assert fit.fixed_part_at(none).criterion + shift == pytest.approx(plain.criterion, abs=1e-9)
    assert fit.criterion < plain.criterion
    at_solution = fit.fixed_part_at(fit.criterion_parameters)
    assert at_solution.criterion + shift == pytest.approx(fit.criterion, abs=1e-10)
    assert at_solution.log_determinant == pytest.approx(fit.fixed_part_at(fit.criterion_parameters).log_determinant)
    np.testing.assert_array_equal(plain.criterion_parameters, plain.optimum.theta)
    assert plain.fixed_part_at(plain.optimum.theta).criterion == plain.optimum.criterion


def test_log_determinants_elsewhere_hold_that_of_the_residuals() -> None:
    frame = study()
    fit = lmm(FORMULA, frame, residual=AR1)
    assert fit.residual is not None
    theta = fit.optimum.theta
    moved = fit.fixed_part_at(np.append(0.0 * theta, np.arctanh(0.2)))
    here = fit.fixed_part_at(np.append(0.0 * theta, fit.residual.parameters))
    expected = [
        np.linalg.slogdet(serial(frame, "session", ["patient"], r))[1] for r in (0.2, fit.residual.estimates[0])
    ]
    assert moved.log_determinant - here.log_determinant == pytest.approx(expected[0] - expected[1], abs=1e-9)


def test_session_numbers_and_times_agree_where_correlation_is_positive() -> None:
    frame = study()
    discrete, continuous = (
        lmm(FORMULA, frame, residual=AR1),
        lmm(FORMULA, frame, residual=car1("session", by="patient")),
    )
    assert discrete.residual is not None
    assert continuous.residual is not None
    np.testing.assert_allclose(continuous.residual.estimates, discrete.residual.estimates, rtol=1e-6)
    assert continuous.criterion == pytest.approx(discrete.criterion, abs=1e-8)
    np.testing.assert_allclose(continuous.fixed_covariance, discrete.fixed_covariance, rtol=1e-6)


def test_the_unit_of_time_changes_the_correlation_only() -> None:
    frame = study()
    days, weeks = lmm(FORMULA, frame, residual=CAR1), lmm(FORMULA, frame.assign(day=frame["day"] / 7), residual=CAR1)
    assert days.residual is not None
    assert weeks.residual is not None
    assert weeks.residual.estimates[0] == pytest.approx(days.residual.estimates[0] ** 7, rel=1e-6)
    np.testing.assert_allclose(weeks.fixed_effects, days.fixed_effects, rtol=1e-7)


def test_dates_count_in_days() -> None:
    frame = study()
    dated = frame.assign(day=pd.Timestamp("2021-03-01 12:00") + pd.to_timedelta(frame["day"], unit="D"))
    a, b = lmm(FORMULA, frame, residual=CAR1), lmm(FORMULA, dated, residual=CAR1)
    assert a.residual is not None
    assert b.residual is not None
    np.testing.assert_allclose(b.residual.estimates, a.residual.estimates, rtol=1e-8)


def test_compound_symmetry_is_a_random_intercept_where_correlation_is_positive() -> None:
    frame = study()
    intercept = lmm(FORMULA, frame)
    symmetry = lmm(PLAIN, frame, residual=compound_symmetry(by="patient"))
    assert symmetry.residual is not None
    tau, _, sigma2 = variances(intercept)
    assert symmetry.residual.estimates[0] == pytest.approx(tau / (tau + sigma2), rel=1e-6)
    assert symmetry.criterion == pytest.approx(intercept.criterion, abs=1e-8)
    assert symmetry.sigma == pytest.approx(np.sqrt(tau + sigma2), rel=1e-6)
    np.testing.assert_allclose(symmetry.fixed_covariance, intercept.fixed_covariance, rtol=1e-6)


def test_partners_may_correlate_negatively() -> None:
    frame = couples()
    fit = lmm(DYAD, frame, residual=variance_by("role") + PAIRS)
    assert fit.residual is not None
    ratio, rho = fit.residual.estimates
    assert ratio == pytest.approx(1.8, rel=0.25)
    assert rho == pytest.approx(-0.5, abs=0.2)
    x = np.column_stack([np.ones(len(frame)), frame["role"] == "partner", frame["closeness"]])
    scale = np.where(frame["role"] == "partner", ratio, 1.0)
    root = np.outer(scale, scale) * exchangeable(frame, ["dyad", "session"], rho)
    tau, sigma2 = variances(fit)
    dense = DenseModel(frame["satisfaction"].to_numpy(), x, lambda _: tau * same(frame["dyad"]) + sigma2 * root)
    assert fit.criterion == pytest.approx(dense.criterion(np.zeros(0)), abs=1e-8)


def test_units_of_the_outcome_and_predictors_do_not_matter() -> None:
    frame = study()
    fit = lmm(FORMULA, frame, residual=PHASE + AR1)
    other = lmm(
        FORMULA,
        frame.assign(distress=1e4 * frame["distress"] + 3e5, alliance=1e-3 * frame["alliance"] - 9),
        residual=PHASE + AR1,
    )
    assert fit.residual is not None
    assert other.residual is not None
    np.testing.assert_allclose(other.residual.estimates, fit.residual.estimates, rtol=1e-6)
    np.testing.assert_allclose(other.fixed_effects.iloc[1:], fit.fixed_effects.iloc[1:] * [1e4, 1e7], rtol=1e-6)
    assert other.sigma == pytest.approx(1e4 * fit.sigma, rel=1e-6)


def test_row_order_and_labels_do_not_matter() -> None:
    frame = study()
    order = np.random.default_rng(3).permutation(len(frame))
    moved = frame.iloc[order].assign(patient=lambda f: "z" + f["patient"].str[::-1])
    a, b = lmm(FORMULA, frame, residual=PHASE + CAR1), lmm(FORMULA, moved, residual=PHASE + CAR1)
    assert b.criterion == pytest.approx(a.criterion, abs=1e-9)
    np.testing.assert_allclose(b.fixed_effects, a.fixed_effects, rtol=1e-7)
    np.testing.assert_allclose(
        b.residuals("normalised").sort_index(), a.residuals("normalised").sort_index(), atol=1e-6
    )


def test_the_reference_group_is_the_first_in_order_and_its_choice_changes_no_fit() -> None:
    frame = study()
    a = lmm(FORMULA, frame, residual=PHASE)
    b = lmm(FORMULA, frame.assign(phase=frame["phase"].map({"early": "z", "late": "a"})), residual=PHASE)
    assert a.residual is not None
    assert b.residual is not None
    assert (a.residual.reference, a.residual.names) == ("phase[early]", ("phase[late]",))
    assert b.residual.estimates[0] == pytest.approx(1 / a.residual.estimates[0], rel=1e-6)
    assert b.sigma == pytest.approx(a.sigma * a.residual.estimates[0], rel=1e-6)
    assert b.criterion == pytest.approx(a.criterion, abs=1e-9)


def test_variances_by_combinations_of_columns() -> None:
    fit = lmm(FORMULA, study(), residual=variance_by(["phase", "therapist"]))
    assert fit.residual is not None
    assert len(fit.residual.names) == 7
    assert fit.residual.reference == "phase:therapist[early:T0]"


def test_even_gaps_leave_the_sign_open_and_the_positive_one_is_taken() -> None:
    frame = study()
    doubled = lmm(FORMULA, frame.assign(session=2 * frame["session"]), residual=AR1)
    plain = lmm(FORMULA, frame, residual=AR1)
    assert doubled.residual is not None
    assert plain.residual is not None
    assert doubled.residual.estimates[0] == pytest.approx(np.sqrt(plain.residual.estimates[0]), rel=1e-6)


def test_the_first_guess_does_not_decide_where_two_optima_compete() -> None:
    """Strong autocorrelation beside a random intercept: the two can stand in for each other."""
    for seed in range(6):
        frame = study(seed, n_patients=10, rho=0.9)
        try:
            fit = lmm(FORMULA, frame, residual=AR1)
        except ConvergenceError:
            continue
        assert fit.structured is not None
        model, grid = fit.structured, np.arctanh([-0.5, -0.2, 0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95])
        for phi in grid:
            found = min(
                fit.fixed_part_at(np.append(size * np.ones(2), phi)).criterion for size in (0.0, 0.1, 0.5, 1.0, 2.0)
            )
            assert found + fit.scaling.criterion_shift_reml > fit.criterion - 1e-6
        assert model.n_searches > 4


def test_correlation_in_continuous_time_stops_at_zero() -> None:
    frame = study(rho=-0.6, n_patients=30)
    fit, plain = lmm(PLAIN, frame, residual=CAR1), lmm(PLAIN, frame)
    assert fit.residual is not None
    assert fit.residual.at_limit
    assert fit.residual.estimates[0] == 0.0
    assert fit.criterion == pytest.approx(plain.criterion, abs=1e-9)
    assert any("limit of zero" in note for note in fit.notes)
    np.testing.assert_array_equal(fit.criterion_parameters, fit.optimum.theta)
    both = lmm(PLAIN, frame, residual=PHASE + CAR1)
    assert both.residual is not None
    assert both.criterion == pytest.approx(lmm(PLAIN, frame, residual=PHASE).criterion, abs=1e-7)
    assert both.criterion_parameters.size == both.optimum.theta.size + 1
