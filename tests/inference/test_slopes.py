"""Slopes: derivatives of the fixed part, in cells and at values of moderators."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from alliance_stats import lmm
from alliance_stats.errors import ModelError
from alliance_stats.inference.linear import linear_inference
from alliance_stats.inference.slopes import slopes
from alliance_stats.mixed.fit import LmmFit

DATA = Path(__file__).resolve().parents[1] / "golden" / "data"


def sessions() -> pd.DataFrame:
    return pd.read_csv(DATA / "alliance_sessions.csv")


@pytest.fixture(scope="module")
def fit() -> LmmFit:
    return lmm("distress ~ session * arm + alliance * session + (1 | patient)", sessions())


def test_the_slope_of_a_plain_predictor_is_its_coefficient() -> None:
    plain = lmm("distress ~ session + alliance + (1 | patient)", sessions())
    row = slopes(plain, "alliance").tidy().iloc[0]
    combination = (np.array(plain.term_names) == "alliance").astype(float)[None, :]
    expected = linear_inference(plain, combination)
    found = row[["estimate", "std_error", "df", "statistic", "p_value"]].to_numpy(dtype=float)
    theirs = [expected.estimate, expected.std_error, expected.df, expected.statistic, expected.p_value]
    np.testing.assert_allclose(found, np.ravel(theirs), rtol=1e-7)


def test_simple_slopes_are_combinations_of_coefficients(fit: LmmFit) -> None:
    table = slopes(fit, "session", by="arm", at={"alliance": [2, 4]}).tidy()
    beta = fit.fixed_effects
    own = {"brief": 0.0, "full": beta["session:arm[T.full]"], "waiting": beta["session:arm[T.waiting]"]}
    interaction = beta[next(name for name in beta.index if "alliance" in name and ":" in name)]
    expected = [beta["session"] + own[row.arm] + row.alliance * interaction for row in table.itertuples()]
    np.testing.assert_allclose(table["estimate"], expected, rtol=1e-9)
    assert table["group"].tolist() == ["alliance = 2"] * 3 + ["alliance = 4"] * 3


def test_factors_that_are_not_compared_are_averaged_over(fit: LmmFit) -> None:
    by_arm = slopes(fit, "session", by="arm").tidy()["estimate"]
    assert slopes(fit, "session").tidy()["estimate"][0] == pytest.approx(by_arm.mean())


def test_moderators_at_mean_and_sd(fit: LmmFit) -> None:
    alliance = sessions()["alliance"]
    found = slopes(fit, "session", at={"alliance": "mean±sd"}).tidy()
    np.testing.assert_allclose(found["alliance"], alliance.mean() + alliance.std() * np.array([-1, 0, 1]))
    steps = np.diff(found["estimate"])
    assert steps[0] == pytest.approx(steps[1])


def test_the_slope_of_a_polynomial_is_its_derivative() -> None:
    fit = lmm("distress ~ session + I(session**2) + I(session**4) + (1 | patient)", sessions())
    table = slopes(fit, "session", at={"session": [1.0, 2.5, 6.0]}).tidy()
    b = fit.fixed_effects.to_numpy()
    s = np.array([1.0, 2.5, 6.0])
    np.testing.assert_allclose(table["estimate"], b[1] + 2 * b[2] * s + 4 * b[3] * s**3, rtol=1e-7)


def test_the_slope_of_a_logarithm_is_its_derivative() -> None:
    fit = lmm("distress ~ np.log(session) + (1 | patient)", sessions())
    table = slopes(fit, "session", at={"session": [1, 5]}).tidy()
    np.testing.assert_allclose(table["estimate"], fit.fixed_effects.iloc[1] / np.array([1, 5]), rtol=1e-7)


def test_units_of_the_predictor_carry_over(fit: LmmFit) -> None:
    frame = sessions().assign(session=lambda d: d["session"] * 1e6)
    other = lmm(fit.formula, frame)
    found, expected = slopes(other, "session", by="arm").tidy(), slopes(fit, "session", by="arm").tidy()
    np.testing.assert_allclose(found["estimate"] * 1e6, expected["estimate"], rtol=1e-6)
    np.testing.assert_allclose(found["p_value"], expected["p_value"], rtol=1e-4)


def test_df_method_robust_covariance_and_level_are_used(fit: LmmFit) -> None:
    found = slopes(fit, "session", by="arm", robust="CR2", cluster="patient")
    expected = linear_inference(fit, found.found.combinations, robust="CR2", cluster="patient")
    table = found.tidy(level=0.8)
    np.testing.assert_allclose(table["std_error"], expected.std_error)
    np.testing.assert_allclose(table["conf_high"] - table["estimate"], expected.half_width(0.8))
    assert np.isinf(slopes(fit, "session", df="normal").tidy()["df"]).all()
    assert found.glance()["covariance"].iloc[0] == "CR2"


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("sesion", {}, r"'sesion'(.|\n)*Hint: did you mean 'session'"),
    ("arm", {}, r"'arm' is a factor(.|\n)*Hint: compare its levels: contrasts\(marginal_means\(fit, \"arm\"\)\)"),
    ("session", {"by": "session"}, r"'session' stands in by=(.|\n)*Hint"),
    ("session", {"by": "alliance"}, r"'alliance' holds numbers(.|\n)*Hint"),
    ("session", {"at": {"arm": "other"}}, r"level of 'arm'(.|\n)*Hint"),
]


@pytest.mark.parametrize(("variable", "arguments", "message"), BAD)
def test_bad_arguments_are_named(fit: LmmFit, variable: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        slopes(fit, variable, **arguments)
