"""Predictions, residuals, draws and refits of a fit agree with each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from mixed_sessions import sessions

from alliance_stats import AllianceStatsWarning, lmm
from alliance_stats.mixed.fit import LmmFit

FORMULAS = {
    "slope": "distress ~ session + alliance + (1 + session | patient) + (1 | therapist)",
    "categories": "distress ~ session * arm + (1 + session || patient)",
    "transforms": "distress ~ poly(session, 2) + np.log(alliance + 9) + (1 + center(session) | patient)",
    "implicit": "distress ~ session + (1 | therapist/patient)",
    "crossed": "distress ~ alliance + (1 | patient) + (1 + alliance | slot)",
    "dropped": "distress ~ session + days + alliance + (1 | patient)",
}


def data() -> pd.DataFrame:
    """Return sessions with a slot that crosses patients and a column that session determines."""
    frame = sessions()
    return frame.assign(days=7 * frame["session"], slot=(np.arange(len(frame)) * 7) % 5)


@pytest.fixture(scope="module")
def fits() -> dict[str, LmmFit]:
    return {name: lmm(formula, data()) for name, formula in FORMULAS.items()}


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("random", [True, False])
def test_prediction_for_the_same_rows_as_new_data_is_the_same(name: str, random: bool, fits: dict[str, LmmFit]) -> None:
    pd.testing.assert_series_equal(
        fits[name].predict(data(), random=random), fits[name].predict(random=random), rtol=1e-9
    )


@pytest.mark.parametrize("name", FORMULAS)
def test_prediction_of_some_rows_does_not_depend_on_the_others(name: str, fits: dict[str, LmmFit]) -> None:
    rows = data().iloc[[40, 3, 17]]
    pd.testing.assert_series_equal(fits[name].predict(rows), fits[name].predict().iloc[[40, 3, 17]], rtol=1e-9)


@pytest.mark.parametrize("name", FORMULAS)
def test_outcome_is_fitted_value_and_residual(name: str, fits: dict[str, LmmFit]) -> None:
    fit = fits[name]
    table = fit.augment()
    assert list(table.columns) == ["distress", "fitted", "fixed", "residual"]
    np.testing.assert_allclose(table["fitted"] + table["residual"], data()["distress"], rtol=1e-12)
    np.testing.assert_array_equal(table["fitted"], fit.fitted())
    np.testing.assert_array_equal(table["residual"], fit.residuals())
    np.testing.assert_array_equal(table["fixed"], fit.predict(random=False))


def test_rows_left_out_keep_the_labels_of_the_others() -> None:
    frame = data().set_index(np.arange(1000, 1000 + len(data())))
    frame.loc[1003, "alliance"] = np.nan
    fit = lmm(FORMULAS["slope"], frame)
    assert 1003 not in fit.augment().index
    assert fit.residuals().index.equals(frame.index.drop(1003))


def test_missing_cells_in_new_data_give_missing_predictions(fits: dict[str, LmmFit]) -> None:
    new = data()
    new.loc[[2, 5], "alliance"] = np.nan
    found = fits["slope"].predict(new)
    assert list(np.flatnonzero(found.isna())) == [2, 5]
    pd.testing.assert_series_equal(found.drop([2, 5]), fits["slope"].predict().drop([2, 5]))


def test_level_not_seen_gets_the_fixed_part_alone(fits: dict[str, LmmFit]) -> None:
    new = data().assign(patient="someone new", therapist="someone else")
    fixed = fits["slope"].predict(data(), random=False)
    pd.testing.assert_series_equal(fits["slope"].predict(new), fixed)


def test_level_not_seen_keeps_the_effects_of_levels_further_out(fits: dict[str, LmmFit]) -> None:
    fit = fits["slope"]
    new = data().assign(patient="someone new")
    table = fit.random_effects("therapist").set_index("level")["estimate"]
    expected = fit.predict(data(), random=False) + data()["therapist"].map(table).to_numpy(float)
    np.testing.assert_allclose(fit.predict(new), expected, rtol=1e-10)


def test_new_data_may_lack_outcome_and_groups_when_the_fixed_part_is_wanted(fits: dict[str, LmmFit]) -> None:
    new = data()[["session", "alliance"]]
    pd.testing.assert_series_equal(fits["slope"].predict(new, random=False), fits["slope"].predict(random=False))


def test_new_data_in_another_frame_library(fits: dict[str, LmmFit]) -> None:
    found = fits["categories"].predict(pl.from_pandas(data()))
    np.testing.assert_allclose(found, fits["categories"].predict(), rtol=1e-10)


def test_one_new_row_of_one_category(fits: dict[str, LmmFit]) -> None:
    rows = data()
    full = rows[rows["arm"] == "full"].iloc[[0]]
    expected = fits["categories"].predict().loc[full.index]
    pd.testing.assert_series_equal(fits["categories"].predict(full), expected, rtol=1e-10)


def test_residuals_are_orthogonal_to_the_fixed_effects_under_the_model_covariance(fits: dict[str, LmmFit]) -> None:
    """X'V^-1(y - X beta) = 0 and, as e = sigma^2 V^-1 (y - X beta), X'e = 0 without weights."""
    fit = fits["slope"]
    residual = fit.residuals().to_numpy()
    for column in (np.ones(len(data())), data()["session"], data()["alliance"]):
        assert abs(residual @ np.asarray(column)) < 1e-6 * np.linalg.norm(residual) * np.linalg.norm(column)


def test_draws_are_reproducible(fits: dict[str, LmmFit]) -> None:
    first = fits["slope"].simulate(np.random.default_rng(4))
    again = fits["slope"].simulate(np.random.default_rng(4))
    other = fits["slope"].simulate(np.random.default_rng(5))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1


@pytest.mark.parametrize("weights", [None, "weight"])
def test_draws_have_the_mean_and_covariance_of_the_model(weights: str | None) -> None:
    frame = data().iloc[:14]
    fit = lmm("distress ~ session + (1 + session | patient)", data(), weights=weights)
    rng = np.random.default_rng(0)
    draws = np.stack([fit.simulate(rng)[:14] for _ in range(20_000)])
    factor = fit.sigma * fit.term_factors[0]
    z = np.column_stack([np.ones(14), frame["session"]])
    same = frame["patient"].to_numpy()[:, None] == frame["patient"].to_numpy()
    noise = fit.sigma**2 / (np.ones(14) if weights is None else frame["weight"].to_numpy())
    expected = (z @ factor @ factor.T @ z.T) * same + np.diag(noise)
    size = np.sqrt(np.outer(np.diagonal(expected), np.diagonal(expected)))
    # The sampling SD of a correlation-scaled covariance is at most sqrt(2 / 20000) = 0.01; five of them.
    assert np.abs((np.cov(draws.T) - expected) / size).max() < 0.05
    assert np.abs((draws.mean(0) - fit.predict(random=False)[:14]) / np.sqrt(np.diagonal(expected))).max() < 0.04


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("method", ["REML", "ML"])
def test_refit_is_a_fresh_fit(name: str, method: Any) -> None:
    fit = lmm(FORMULAS[name], data(), method=method)
    y = fit.simulate(np.random.default_rng(1))
    again, fresh = fit.refit(y), lmm(FORMULAS[name], data().assign(distress=y), method=method)
    assert again.method == method
    assert again.criterion == pytest.approx(fresh.criterion, abs=1e-9)
    np.testing.assert_allclose(again.fixed_effects, fresh.fixed_effects, rtol=1e-9)
    np.testing.assert_allclose(again.theta, fresh.theta, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(again.fitted(), fresh.fitted(), rtol=1e-8)
    assert again.dropped == fresh.dropped


def test_refit_keeps_weights_and_leaves_the_first_fit_alone() -> None:
    fit = lmm(FORMULAS["slope"], data(), weights="weight")
    before = fit.criterion
    y = data()["distress"].to_numpy()[::-1].copy()
    again = fit.refit(y)
    assert again.criterion == pytest.approx(
        lmm(FORMULAS["slope"], data().assign(distress=y), weights="weight").criterion
    )
    assert fit.criterion == before
    np.testing.assert_array_equal(fit.augment()["distress"], data()["distress"])


def test_fit_does_not_change_the_frame() -> None:
    frame = data()
    lmm(FORMULAS["categories"], frame, weights="weight")
    pd.testing.assert_frame_equal(frame, data())


def test_glance_is_consistent(fits: dict[str, LmmFit]) -> None:
    fit = fits["slope"]
    row = fit.glance().iloc[0]
    n_parameters = 3 + 4 + 1
    assert row["log_likelihood"] == -row["criterion"] / 2
    assert row["aic"] == pytest.approx(row["criterion"] + 2 * n_parameters)
    assert row["bic"] == pytest.approx(row["criterion"] + np.log(len(data())) * n_parameters)
    assert (row["n"], row["n_patient"], row["n_therapist"]) == (len(data()), 24, 6)
    assert 0 < row["r2_marginal"] < row["r2_conditional"] < 1


def test_shares_of_variance_of_a_random_intercept_model() -> None:
    fit = lmm("distress ~ 1 + (1 | patient) + (1 | therapist)", data())
    table = fit.variance_components().set_index("group")["estimate"]
    row = fit.glance().iloc[0]
    assert row["icc_patient"] == pytest.approx(table["patient"] / table.sum())
    assert row["icc_therapist"] == pytest.approx(table["therapist"] / table.sum())
    assert row["r2_marginal"] == pytest.approx(0.0, abs=1e-12)


def test_wald_table_is_normal(fits: dict[str, LmmFit]) -> None:
    table = fits["slope"].tidy(level=0.9)
    np.testing.assert_allclose(table["statistic"], table["estimate"] / table["std_error"])
    np.testing.assert_allclose(table["conf_high"] - table["conf_low"], 2 * 1.6448536269514722 * table["std_error"])
    assert list(table["term"]) == ["Intercept", "session", "alliance"]


def test_random_table_has_sd_and_correlation(fits: dict[str, LmmFit]) -> None:
    table = fits["slope"].tidy("random")
    patient = table[table["group"] == "patient"].set_index(["term", "term2"])
    v0, v1 = patient.loc[("Intercept", ""), "estimate"], patient.loc[("session", ""), "estimate"]
    assert patient.loc[("session", ""), "sd"] == pytest.approx(np.sqrt(v1))
    expected = patient.loc[("Intercept", "session"), "estimate"] / np.sqrt(v0 * v1)
    assert patient.loc[("Intercept", "session"), "correlation"] == pytest.approx(expected)
    assert table["group"].iloc[-1] == "Residual"
    assert table["sd"].iloc[-1] == pytest.approx(fits["slope"].sigma)


def test_new_rows_without_any_known_level_warn_and_count_zero() -> None:
    frame = sessions()
    fit = lmm("distress ~ alliance + (1 | patient)", frame)
    strangers = frame.assign(patient=range(len(frame)))
    with pytest.warns(AllianceStatsWarning, match=r"None of the \d+ new rows.*'patient'.*same type"):
        found = fit.predict(strangers)
    np.testing.assert_allclose(found, fit.predict(strangers, random=False))


def test_fits_of_different_outcomes_are_different_values() -> None:
    frame = pd.DataFrame({"g": np.repeat(np.arange(12), 5), "x": np.tile(np.arange(5.0), 12)})
    rng = np.random.default_rng(3)
    fit = lmm("y ~ x + (1 | g)", frame.assign(y=rng.standard_normal(60)))
    other = fit.refit(rng.standard_normal(60))
    assert fit.notes == other.notes
    assert fit != other
    assert len({fit, other}) == 2
