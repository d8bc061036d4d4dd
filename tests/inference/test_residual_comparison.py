"""A model with and without a residual structure, side by side, and degrees of freedom that know of the structure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2, norm

from alliance_stats import (
    ColumnError,
    LmmFit,
    ModelError,
    ResidualComparison,
    ar1,
    autocorrelation_check,
    car1,
    coefficient_tests,
    lmm,
    variance_by,
)
from alliance_stats.inference.residual_comparison import residual_intervals

FORMULA = "distress ~ alliance + session + (1 | therapist)"
AR1 = ar1("session", by="patient")


def drifting(seed: int = 3, *, rho: float = 0.8) -> pd.DataFrame:
    """Return sessions whose residuals drift; alliance drifts along with them."""
    rng = np.random.default_rng(seed)
    n_patients, n_sessions = 24, 8
    lag = np.abs(np.subtract.outer(np.arange(n_sessions), np.arange(n_sessions)))
    root = np.linalg.cholesky(rho**lag)
    drift = (root @ rng.normal(size=(n_sessions, n_patients))).T.ravel()
    alliance = (root @ rng.normal(size=(n_sessions, n_patients))).T.ravel()
    patient = np.repeat(np.arange(n_patients), n_sessions)
    return pd.DataFrame(
        {
            "patient": patient,
            "therapist": patient % 6,
            "session": np.tile(np.arange(n_sessions), n_patients),
            "phase": np.where(np.tile(np.arange(n_sessions), n_patients) < 4, "early", "late"),
            "alliance": alliance,
            "weight": rng.uniform(0.5, 2, patient.size),
            "distress": 20 - 0.1 * alliance + 0.5 * rng.normal(size=6)[patient % 6] + 2 * drift,
        }
    )


def independent_frame() -> pd.DataFrame:
    return drifting(rho=1e-9)


@pytest.fixture(scope="module")
def check() -> ResidualComparison:
    return autocorrelation_check(FORMULA, drifting(), residual=AR1)


def test_both_halves_are_the_tests_of_the_two_fits(check: ResidualComparison) -> None:
    frame, table = drifting(), check.tidy()
    pieces: list[tuple[LmmFit, str]] = [(lmm(FORMULA, frame, residual=AR1), ""), (lmm(FORMULA, frame), "_independent")]
    for fit, suffix in pieces:
        tests = coefficient_tests(fit).tidy()
        for column in ("estimate", "std_error", "df", "p_value"):
            np.testing.assert_allclose(table[column + suffix], tests[column], rtol=1e-9)
    own = coefficient_tests(pieces[0][0]).tidy()
    np.testing.assert_allclose(table[["conf_low", "conf_high"]], own[["conf_low", "conf_high"]], rtol=1e-9)
    assert list(table["term"]) == list(pieces[0][0].term_names)
    assert (table["conf_level"] == 0.95).all()


def test_changes_are_counted_against_the_fit_without_the_structure(check: ResidualComparison) -> None:
    table = check.tidy()
    change = 100 * (table["estimate"] - table["estimate_independent"]) / table["estimate_independent"].abs()
    np.testing.assert_allclose(table["change_percent"], change, rtol=1e-12)
    np.testing.assert_allclose(
        table["std_error_ratio"], table["std_error"] / table["std_error_independent"], rtol=1e-12
    )
    signs = np.sign(table["estimate"]) != np.sign(table["estimate_independent"])
    assert list(table["sign_changes"]) == list(signs)
    verdicts = (table["p_value"] < 0.05) != (table["p_value_independent"] < 0.05)
    assert list(table["significance_changes"]) == list(verdicts)
    row = check.glance().iloc[0]
    assert (row["n_sign_changes"], row["n_significance_changes"]) == (signs.sum(), verdicts.sum())


def test_a_sign_that_changes_is_flagged() -> None:
    flagged = []
    for seed in range(3):
        found = autocorrelation_check(FORMULA, drifting(seed), residual=AR1).tidy().set_index("term").loc["alliance"]
        assert found["sign_changes"] == (found["estimate"] * found["estimate_independent"] < 0)
        flagged.append(bool(found["sign_changes"]))
    assert any(flagged)
    assert not all(flagged)


def test_likelihood_ratio_test_and_information_criteria(check: ResidualComparison) -> None:
    statistic = 2 * (check.structured.log_likelihood - check.independent.log_likelihood)
    row = check.glance().iloc[0]
    assert (row["statistic"], row["df"]) == (pytest.approx(statistic), 1)
    assert row["p_value"] == pytest.approx(chi2.sf(statistic, 1), rel=1e-9)
    assert row["aic"] == pytest.approx(-2 * check.structured.log_likelihood + 2 * (3 + 1 + 1 + 1))
    assert row["aic_independent"] == pytest.approx(-2 * check.independent.log_likelihood + 2 * (3 + 1 + 1))
    assert row["model"] == "ar1(session | patient)"


@pytest.mark.parametrize(("with_phase", "df"), [(False, 1), (True, 2)])
def test_a_correlation_that_cannot_be_negative_is_tested_with_the_mixture(with_phase: bool, df: int) -> None:
    serial = car1("session", by="patient")
    structure = variance_by("phase") + serial if with_phase else serial
    found = autocorrelation_check(FORMULA, drifting(5, rho=0.15), residual=structure)
    assert found.df == df
    fewer = chi2.sf(found.statistic, df - 1) if df > 1 else 0.0
    assert found.p_value == pytest.approx((chi2.sf(found.statistic, df) + fewer) / 2, rel=1e-9)
    assert any("mixture of chi-squared" in note for note in found.notes)


def test_no_gain_at_the_limit_has_p_one() -> None:
    frame = drifting(2)
    rng = np.random.default_rng(1)
    frame["distress"] = rng.normal(size=len(frame)) + 3 * (-1.0) ** frame["session"]
    found = autocorrelation_check(FORMULA, frame, residual=car1("session", by="patient"))
    assert (found.statistic, found.p_value) == (pytest.approx(0.0, abs=1e-6), pytest.approx(1.0))
    assert np.isnan(found.parameters["conf_low"].iloc[0])


def test_options_reach_both_fits() -> None:
    frame = drifting()
    options: dict[str, Any] = {"method": "ML", "weights": "weight", "df": "normal", "level": 0.9}
    found = autocorrelation_check(FORMULA, frame, residual=AR1, **options)
    table = found.tidy()
    assert np.isinf(table[["df", "df_independent"]].to_numpy()).all()
    for fit in (found.structured, found.independent):
        assert (fit.method, fit.design.weights is not None) == ("ML", True)
    half = norm.ppf(0.95) * table["std_error"]
    np.testing.assert_allclose(table["conf_high"] - table["estimate"], half, rtol=1e-9)
    assert (table["conf_level"] == 0.9).all()
    assert any("df method: normal" in note for note in found.notes)


def test_both_fits_use_the_rows_that_the_structure_allows() -> None:
    frame = drifting()
    frame["order"] = frame["session"].astype(float).where(frame.index % 9 > 0)
    found = autocorrelation_check("distress ~ alliance + (1 | therapist)", frame, residual=ar1("order", by="patient"))
    assert found.independent.n_obs == found.structured.n_obs == frame["order"].notna().sum()
    assert any(f"{found.structured.n_obs} rows in both" in note for note in found.notes)


def test_intervals_of_residual_parameters_stay_within_what_is_possible() -> None:
    fit = lmm(FORMULA, drifting(rho=0.95), residual=variance_by("phase") + AR1)
    table = residual_intervals(fit, 0.99)
    assert list(table["kind"]) == ["sd_ratio", "correlation"]
    assert table["conf_low"].iloc[0] > 0
    assert table["conf_high"].iloc[1] < 1
    assert ((table["conf_low"] < table["estimate"]) & (table["estimate"] < table["conf_high"])).all()


def test_the_interval_of_rho_is_that_of_the_curvature_of_the_criterion() -> None:
    """Full matrices, all variances searched anew at each rho: Wald on the scale of the inverse hyperbolic tangent."""
    fit = lmm(FORMULA, drifting(), residual=AR1)
    assert fit.residual is not None
    phi = float(fit.residual.parameters[0])

    def lowest(value: float) -> float:
        sizes = np.linspace(0.0, 2.0, 2001)
        return min(fit.fixed_part_at(np.array([size, value])).criterion for size in near + (sizes - 1.0) * 0.05)

    near = float(fit.optimum.theta[0])
    step = 0.05
    curvature = (lowest(phi + step) - 2 * lowest(phi) + lowest(phi - step)) / step**2
    table = residual_intervals(fit, 0.95)
    half = norm.ppf(0.975) * np.sqrt(2 / curvature)
    assert table["conf_low"].iloc[0] == pytest.approx(np.tanh(phi - half), abs=2e-3)
    assert table["conf_high"].iloc[0] == pytest.approx(np.tanh(phi + half), abs=2e-3)


def test_satterthwaite_df_take_the_uncertainty_of_the_structure_into_account() -> None:
    """Full matrices in variances and rho: df from numerical derivatives that share nothing with the engine."""
    frame = drifting()
    fit = lmm(FORMULA, frame, residual=AR1)
    assert fit.residual is not None
    x = np.column_stack([np.ones(len(frame)), frame["alliance"], frame["session"]])
    y = frame["distress"].to_numpy()
    therapist = np.equal.outer(frame["therapist"].to_numpy(), frame["therapist"].to_numpy()).astype(float)
    lag = np.abs(np.subtract.outer(frame["session"].to_numpy(), frame["session"].to_numpy()))
    same = np.equal.outer(frame["patient"].to_numpy(), frame["patient"].to_numpy())

    def inverse(p: np.ndarray) -> np.ndarray:
        return np.linalg.inv(p[0] * therapist + p[1] * np.where(same, p[2] ** lag, 0.0))

    def criterion(p: np.ndarray) -> float:
        v = inverse(p)
        information = x.T @ v @ x
        residual = y - x @ np.linalg.solve(information, x.T @ v @ y)
        return float(-np.linalg.slogdet(v)[1] + np.linalg.slogdet(information)[1] + residual @ v @ residual)

    def spread(p: np.ndarray) -> np.ndarray:
        return np.diagonal(np.linalg.inv(x.T @ inverse(p) @ x))

    variances = fit.variance_components().set_index("kind").loc["variance", "estimate"].to_numpy()
    there = np.append(variances, fit.residual.estimates)
    steps = 1e-3 * np.diag(there)
    hessian = np.array(
        [
            [
                (
                    criterion(there + a + b)
                    - criterion(there + a - b)
                    - criterion(there - a + b)
                    + criterion(there - a - b)
                )
                / (4 * a.sum() * b.sum())
                for a in steps
            ]
            for b in steps
        ]
    )
    gradient = np.array([(spread(there + a) - spread(there - a)) / (2 * a.sum()) for a in steps])
    uncertainty = 2 * np.linalg.inv(hessian)
    expected = 2 * spread(there) ** 2 / np.einsum("ak,ab,bk->k", gradient, uncertainty, gradient)
    found = coefficient_tests(fit, df="satterthwaite").tidy()["df"].to_numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-3)


def test_notes_say_what_was_compared_and_found(check: ResidualComparison) -> None:
    text = " ".join(check.notes)
    assert "with ar1(session | patient), beside the same model with independent residuals" in text
    assert "change their sign" in text
    assert "Likelihood-ratio test" in text
    assert "rho = " in text
    assert "Satterthwaite" in text


@pytest.mark.parametrize(
    ("arguments", "error", "pattern"),
    [
        ({"residual": None}, ModelError, r"(?s)needs the residual structure to check.*Hint: give one"),
        ({"residual": ar1("visit", by="patient")}, ColumnError, r"No column 'visit'"),
        ({"residual": AR1, "level": 1.5}, ModelError, r"(?s)between 0 and 1, not at 1.5.*Hint: use level=0.95"),
        ({"residual": AR1, "df": "kenward_roger"}, ModelError, r"(?s)Kenward-Roger.*Hint: use df=\"satterthwaite\""),
    ],
)
def test_bad_input(arguments: dict[str, Any], error: type[Exception], pattern: str) -> None:
    with pytest.raises(error, match=pattern):
        autocorrelation_check(FORMULA, drifting(), **arguments)


def test_intervals_need_a_structure() -> None:
    with pytest.raises(ModelError, match=r"(?s)no residual structure.*Hint: give one to lmm"):
        residual_intervals(lmm(FORMULA, independent_frame()), 0.95)
