"""Two studies with uneven groups against R: df, adjusted errors, joint tests, Johnson-Neyman limits, and profiles."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import solve_triangular
from scipy.optimize import minimize

import alliance_stats as al
from alliance_stats.mixed.fit import LmmFit

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
GOLD: dict[str, Any] = json.loads((GOLDEN / "uneven.json").read_text())
SLOPES = "y ~ session * arm + sev * wai + exper + (1 + session | patient) + (1 | therapist)"
INTERCEPTS = "y ~ session + exper + (1 | therapist) + (1 | patient)"


@cache
def data_of(name: str) -> pd.DataFrame:
    return pd.read_csv(GOLDEN / "data" / f"uneven_{name}.csv")


@cache
def slopes_fit() -> LmmFit:
    return al.lmm(SLOPES, data_of("sessions"))


@cache
def phases_fit() -> LmmFit:
    return al.lmm("y ~ phase * arm + age + (1 | clinic) + (1 | patient)", data_of("phases"))


def as_in_r(term: str) -> str:
    """Return a term's name as R writes it, parts of an interaction in alphabetical order."""
    plain = "(Intercept)" if term == "Intercept" else re.sub(r"\[T\.(\w+)\]", r"\1", term)
    return ":".join(sorted(plain.split(":")))


def compare_with(gold: dict[str, list[Any]], tests: al.CoefficientTests, names: list[str]) -> None:
    ours = tests.tidy()
    order = [names.index(as_in_r(term)) for term in ours["term"]]
    errors = np.array(gold["std_error"])[order]
    np.testing.assert_allclose(ours["estimate"], np.array(gold["estimate"])[order], rtol=1e-6, atol=1e-6 * errors.min())
    np.testing.assert_allclose(ours["std_error"], errors, rtol=1e-6)
    np.testing.assert_allclose(ours["df"], np.array(gold["df"])[order], rtol=1e-5)
    np.testing.assert_allclose(ours["p_value"], np.array(gold["p_value"])[order], rtol=5e-4)


@pytest.mark.parametrize("df", ["satterthwaite", "kenward_roger"])
def test_tests_of_coefficients_are_those_of_lmertest_and_pbkrtest(df: Any) -> None:
    names = [":".join(sorted(name.split(":"))) for name in GOLD[df]["term"]]
    compare_with(GOLD[df], al.coefficient_tests(slopes_fit(), df=df), names)


def test_robust_tests_of_coefficients_are_those_of_clubsandwich() -> None:
    names = [":".join(sorted(name.split(":"))) for name in GOLD["CR2"]["term"]]
    compare_with(GOLD["CR2"], al.coefficient_tests(slopes_fit(), robust="CR2", cluster="therapist"), names)


def test_kenward_roger_heeds_weights_which_pbkrtest_leaves_out() -> None:
    fit = al.lmm(INTERCEPTS, data_of("sessions"), weights="w")
    compare_with(GOLD["weighted"], al.coefficient_tests(fit, df="kenward_roger"), ["(Intercept)", "session", "exper"])


def test_johnson_neyman_limits_are_where_lmertest_finds_the_slope_at_its_limit() -> None:
    found = al.johnson_neyman(slopes_fit(), "wai", moderator="sev").tidy()
    assert found["kind"].tolist() == ["unclear", "negative", "unclear"]
    np.testing.assert_allclose(found["low"][1:], GOLD["johnson_neyman"], rtol=1e-6)


@pytest.mark.parametrize("df", ["satterthwaite", "kenward_roger"])
def test_joint_tests_of_pairs_are_those_of_lmertest_and_pbkrtest(df: Any) -> None:
    found = al.contrasts(al.marginal_means(phases_fit(), "phase", df=df)).joint().iloc[0]
    gold = GOLD["joint"][df]
    for name in ("statistic", "df_numerator", "df_denominator"):
        assert found[name] == pytest.approx(gold[name], rel=1e-5)
    assert found["p_value"] == pytest.approx(gold["p_value"], rel=5e-4)


def deviance_of_variances(fit: LmmFit, sds: np.ndarray) -> float:
    """Return -2 log likelihood at the SDs of therapists, patients and residuals, by the outcome's whole covariance."""
    v = sds[2] ** 2 * np.eye(fit.n_obs)
    for grouping, sd in zip(fit.design.groupings, sds[:2], strict=True):
        v += sd**2 * (grouping.codes[:, None] == grouping.codes[None, :])
    root = np.linalg.cholesky(v)
    x = np.column_stack([np.ones(fit.n_obs) if c is None else c for c in fit.design.x.columns])
    solved = solve_triangular(root, np.column_stack([x, fit.design.y]), lower=True)
    residual = solved[:, -1] - solved[:, :-1] @ np.linalg.lstsq(solved[:, :-1], solved[:, -1], rcond=None)[0]
    log_two_pi = float(np.log(2 * np.pi))
    return float(2 * np.log(np.diag(root)).sum() + residual @ residual + fit.n_obs * log_two_pi)


def test_profiles_of_a_fit_with_a_vanishing_variance_reach_their_limits() -> None:
    """A search that starts far from the minimum must arrive, and the limit is where the likelihood has dropped enough."""
    fit = al.lmm(INTERCEPTS, data_of("sessions"), method="ML")
    assert fit.singular
    found = al.confidence_intervals(fit, progress=False).tidy()
    assert np.isfinite(found[["conf_low", "conf_high"]].to_numpy()).all()
    low = float(found.loc[(found["group"] == "patient"), "conf_low"].iloc[0])
    lowest = minimize(
        lambda log_sd: deviance_of_variances(fit, np.exp([log_sd[0], np.log(low), log_sd[1]])),
        np.log([1.0, 1.6]),
        method="Nelder-Mead",
        options={"xatol": 1e-3, "fatol": 1e-6},
    )
    assert np.sqrt(lowest.fun - fit.criterion) == pytest.approx(1.959964, abs=1e-4)
