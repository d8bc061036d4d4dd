"""Johnson-Neyman regions: exact boundaries, shares, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from alliance_stats import lmm
from alliance_stats.errors import ModelError
from alliance_stats.inference.contrasts import contrasts
from alliance_stats.inference.johnson_neyman import johnson_neyman
from alliance_stats.inference.marginal_means import marginal_means
from alliance_stats.inference.slopes import slopes
from alliance_stats.mixed.fit import LmmFit

DATA = Path(__file__).resolve().parents[1] / "golden" / "data"


def sessions() -> pd.DataFrame:
    frame = pd.read_csv(DATA / "alliance_sessions.csv")
    frame["severity"] = frame.groupby("patient")["distress"].transform("first")
    return frame


@pytest.fixture(scope="module")
def fit() -> LmmFit:
    return lmm("distress ~ alliance * severity + session + (1 | patient)", sessions())


def quadratic_boundaries(fit: LmmFit, level: float) -> np.ndarray:
    """Return the roots of (b1 + b3 m)^2 = z^2 var(b1 + b3 m), the textbook formula for known variances."""
    names = list(fit.term_names)
    i, k = names.index("alliance"), names.index("alliance:severity")
    b, c = fit.fixed_effects.to_numpy(), fit.fixed_covariance.to_numpy()
    z2 = stats.norm.ppf(0.5 + level / 2) ** 2
    roots = np.roots([b[k] ** 2 - z2 * c[k, k], 2 * (b[i] * b[k] - z2 * c[i, k]), b[i] ** 2 - z2 * c[i, i]])
    return np.sort(roots.real)


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_boundaries_for_known_variances_solve_the_quadratic(fit: LmmFit, level: float) -> None:
    found = johnson_neyman(fit, "alliance", moderator="severity", df="normal").boundaries(level)
    expected = quadratic_boundaries(fit, level)
    observed = fit.design.predictors["severity"]
    inside = expected[(expected > observed.min()) & (expected < observed.max())]
    assert inside.size
    np.testing.assert_allclose(found, inside, rtol=1e-7)


@pytest.mark.parametrize("df", ["satterthwaite", "kenward_roger"])
def test_at_a_boundary_the_p_value_of_the_slope_is_one_minus_the_level(fit: LmmFit, df: Any) -> None:
    found = johnson_neyman(fit, "alliance", moderator="severity", df=df)
    for edge in found.boundaries(0.95):
        there = slopes(fit, "alliance", at={"severity": edge}, df=df).tidy()
        assert there["p_value"][0] == pytest.approx(0.05, rel=1e-6)
    assert found.boundaries(0.95).size == 2


def test_regions_cover_the_observed_range_and_all_rows(fit: LmmFit) -> None:
    found = johnson_neyman(fit, "alliance", moderator="severity")
    table, observed = found.tidy(), sessions()["severity"]
    assert table["low"].iloc[0] == observed.min()
    assert table["high"].iloc[-1] == observed.max()
    np.testing.assert_array_equal(table["low"][1:], table["high"][:-1])
    assert table["kind"].tolist() == ["unclear", "negative", "unclear"]
    expected = [((observed >= row.low) & (observed <= row.high)).sum() for row in table.itertuples()]
    assert table["n"].tolist() == expected
    np.testing.assert_allclose(table["share"], np.array(expected) / len(observed))
    assert (table["conf_level"] == 0.95).all()


def test_the_curve_is_the_slope_at_each_value(fit: LmmFit) -> None:
    curve = johnson_neyman(fit, "alliance", moderator="severity").tidy("curve", level=0.9)
    some = curve.iloc[[0, 77, 200]]
    expected = slopes(fit, "alliance", at={"severity": list(some["value"])}).tidy(level=0.9)
    for name in ("estimate", "std_error", "df", "conf_low", "conf_high"):
        np.testing.assert_allclose(some[name], expected[name], rtol=1e-6)
    assert (curve["kind"] == np.where(curve["conf_high"] < 0, "negative", "unclear")).all()


def test_a_slope_that_never_reaches_zero_has_one_region() -> None:
    frame = sessions().assign(distress=lambda d: d["distress"] - 8 * d["alliance"])
    fit = lmm("distress ~ alliance * severity + (1 | patient)", frame)
    table = johnson_neyman(fit, "alliance", moderator="severity").tidy()
    assert table["kind"].tolist() == ["negative"]
    assert table["share"].tolist() == [1.0]


def test_turning_the_moderator_round_turns_the_regions_round(fit: LmmFit) -> None:
    turned = lmm(fit.formula, sessions().assign(severity=lambda d: -d["severity"]))
    found = johnson_neyman(turned, "alliance", moderator="severity").boundaries()
    expected = johnson_neyman(fit, "alliance", moderator="severity").boundaries()
    np.testing.assert_allclose(found, -expected[::-1], rtol=1e-6)


def test_a_factor_of_two_levels_gives_the_difference_of_its_means() -> None:
    fit = lmm("distress ~ arm * session + (1 | patient)", sessions())
    found = johnson_neyman(fit, "arm", moderator="session", at={"arm": ["waiting", "full"]})
    curve = found.tidy("curve")
    source = marginal_means(fit, "arm", at={"arm": ["full", "waiting"], "session": float(curve["value"][60])})
    expected = contrasts(source).tidy()
    assert curve["estimate"][60] == pytest.approx(expected["estimate"][0])
    assert curve["std_error"][60] == pytest.approx(expected["std_error"][0])
    assert "second level of arm" in found.notes[0]


def test_a_third_predictor_is_held_where_at_says() -> None:
    fit = lmm("distress ~ alliance * severity * session + (1 | patient)", sessions())
    found = johnson_neyman(fit, "alliance", moderator="severity", at={"session": 6})
    value = float(found.places[50])
    expected = slopes(fit, "alliance", at={"severity": value, "session": 6}).tidy()["estimate"][0]
    assert found.tidy("curve")["estimate"][50] == pytest.approx(expected)
    assert any("session = 6" in note for note in found.notes)


def test_robust_covariance_is_used(fit: LmmFit) -> None:
    found = johnson_neyman(fit, "alliance", moderator="severity", robust="CR2", cluster="patient")
    value = float(found.places[10])
    expected = slopes(fit, "alliance", at={"severity": value}, robust="CR2", cluster="patient").tidy()
    assert found.tidy("curve")["std_error"][10] == pytest.approx(expected["std_error"][0])
    assert found.glance()["covariance"].iloc[0] == "CR2"


BAD: list[tuple[dict[str, Any], str]] = [
    (
        {"focal": "session", "moderator": "severity"},
        r"'session' does not depend on 'severity'(.|\n)*Hint: put.*session\*severity",
    ),
    ({"focal": "aliance", "moderator": "severity"}, r"'aliance'(.|\n)*Hint: did you mean 'alliance'"),
    ({"focal": "alliance", "moderator": "severty"}, r"'severty'(.|\n)*Hint: did you mean 'severity'"),
    (
        {"focal": "alliance", "moderator": "alliance"},
        r"'alliance' is named as focal and as moderator(.|\n)*Hint: name two",
    ),
    (
        {"focal": "alliance", "moderator": "severity", "at": {"severity": 3}},
        r"'severity' runs over(.|\n)*Hint: leave it out",
    ),
    (
        {"focal": "alliance", "moderator": "severity", "at": {"session": [1, 2]}},
        r"several values of session(.|\n)*Hint: name one",
    ),
]


@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_bad_arguments_are_named(fit: LmmFit, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        johnson_neyman(fit, **arguments)


def test_factors_that_do_not_fit_are_named() -> None:
    fit = lmm("distress ~ arm * session + (1 | patient)", sessions())
    with pytest.raises(
        ModelError, match=r"moderator 'arm' is a factor(.|\n)*Hint: use slopes\(fit, \"session\", by=\"arm\"\)"
    ):
        johnson_neyman(fit, "session", moderator="arm")
    with pytest.raises(ModelError, match=r"'arm' is a factor with 3 levels(.|\n)*Hint: name two"):
        johnson_neyman(fit, "arm", moderator="session")


def test_an_unknown_part_and_level_are_refused(fit: LmmFit) -> None:
    found = johnson_neyman(fit, "alliance", moderator="severity")
    with pytest.raises(ModelError, match=r"'curves'(.|\n)*Hint: did you mean 'curve'"):
        found.tidy("curves")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match=r"between 0 and 1(.|\n)*Hint"):
        found.tidy(level=2)
