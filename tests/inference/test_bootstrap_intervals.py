"""Percentile and BCa intervals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alliance_stats import lmm
from alliance_stats.errors import ModelError
from alliance_stats.inference.bootstrap import Bootstrap, case_bootstrap, parametric_bootstrap
from alliance_stats.inference.bootstrap_intervals import acceleration, bca_limits, percentile_limits
from alliance_stats.mixed.fit import LmmFit

DATA = Path(__file__).resolve().parents[1] / "golden" / "data"


@pytest.fixture(scope="module")
def draws() -> Bootstrap:
    fit = lmm("Reaction ~ Days + (1 + Days | Subject)", pd.read_csv(DATA / "sleepstudy.csv"))
    return parametric_bootstrap(fit, 200, seed=1, progress=False)


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_bca_limits_are_those_of_scipy_for_a_mean(level: float) -> None:
    from scipy import stats

    sample = np.random.default_rng(4).lognormal(size=30)
    reference = stats.bootstrap(
        (sample,), np.mean, n_resamples=999, method="BCa", confidence_level=level, random_state=np.random.default_rng(1)
    )
    left_out = (sample.sum() - sample[:, None]) / (sample.size - 1)
    low, high = bca_limits(reference.bootstrap_distribution[:, None], np.array([sample.mean()]), left_out, level)
    assert low[0] == pytest.approx(reference.confidence_interval.low, rel=1e-10)
    assert high[0] == pytest.approx(reference.confidence_interval.high, rel=1e-10)


def test_bca_is_the_percentile_interval_without_bias_and_acceleration() -> None:
    values = np.linspace(-1, 1, 501)[:, None] ** 3
    symmetric = np.array([[-1.0], [1.0]])
    low, high = bca_limits(values, np.zeros(1), symmetric, 0.9)
    assert (low[0], high[0]) == pytest.approx([v[0] for v in percentile_limits(values, 0.9)])


def test_the_acceleration_of_a_mean_is_its_skewness_over_six_root_n() -> None:
    sample = np.random.default_rng(4).lognormal(size=40)
    left_out = (sample.sum() - sample[:, None]) / (sample.size - 1)
    skewness = np.mean((sample - sample.mean()) ** 3) / np.std(sample) ** 3
    assert acceleration(left_out)[0] == pytest.approx(skewness / (6 * np.sqrt(40)))


def test_a_parameter_that_no_level_moves_is_not_accelerated() -> None:
    assert acceleration(np.full((5, 1), 0.3))[0] == 0.0


def test_missing_draws_are_left_out() -> None:
    values = np.random.default_rng(1).normal(size=(50, 1))
    gaps = np.vstack([values, np.full((7, 1), np.nan)])
    left_out = values[:10]
    assert percentile_limits(gaps, 0.9) == percentile_limits(values, 0.9)
    assert bca_limits(gaps, np.zeros(1), left_out, 0.9) == bca_limits(values, np.zeros(1), left_out, 0.9)


def test_bca_is_undefined_when_all_draws_lie_on_one_side() -> None:
    low, high = bca_limits(np.ones((20, 1)), np.zeros(1), np.zeros((3, 1)), 0.95)
    assert np.isnan([low[0], high[0]]).all()


def test_draws_equal_to_the_estimate_count_half() -> None:
    values = np.r_[np.zeros(50), np.linspace(0.1, 1, 50)][:, None]
    low, high = bca_limits(values, np.zeros(1), np.zeros((3, 1)), 0.5)
    z0, z = -0.6744897501960817, 0.6744897501960817
    from scipy.stats import norm

    assert high[0] == pytest.approx(np.quantile(values, norm.cdf(2 * z0 + z)))
    assert low[0] == pytest.approx(np.quantile(values, norm.cdf(2 * z0 - z)))


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_percentile_intervals_leave_out_equal_tails(draws: Bootstrap, level: float) -> None:
    table = draws.intervals(level=level)
    tails = [(1 - level) / 2, (1 + level) / 2]
    np.testing.assert_allclose(table[["conf_low", "conf_high"]].T, np.quantile(draws.draws, tails, axis=0))
    assert (table["conf_level"] == level).all()
    own = draws.tidy(level=level)
    np.testing.assert_array_equal(own[["conf_low", "conf_high"]], table[["conf_low", "conf_high"]])


def test_bca_intervals_accelerate_by_leaving_out_the_coarsest_levels() -> None:
    frame = pd.read_csv(DATA / "alliance_sessions.csv")
    fit = lmm("distress ~ session + (1 | patient) + (1 | therapist)", frame)
    found = case_bootstrap(fit, 60, seed=3, progress=False)
    left_out = []
    for therapist in sorted(set(frame["therapist"])):
        part = lmm(fit.formula, frame[frame["therapist"] != therapist])
        left_out.append([*part.fixed_effects, *part.variance_components()["sd"]])
    low, high = bca_limits(found.draws, found.estimate, np.array(left_out), 0.9)
    table = found.intervals("bca", level=0.9)
    np.testing.assert_allclose(table["conf_low"], low, rtol=1e-4)
    np.testing.assert_allclose(table["conf_high"], high, rtol=1e-4)
    assert not np.allclose(table["conf_low"], found.intervals(level=0.9)["conf_low"], rtol=1e-3)


def test_interval_tables_have_the_agreed_columns(draws: Bootstrap) -> None:
    columns = ["group", "term", "term2", "kind", "estimate", "conf_low", "conf_high", "conf_level"]
    assert list(draws.intervals("bca").columns) == columns
    assert (draws.intervals("bca")["conf_low"] < draws.intervals("bca")["conf_high"]).all()


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0])
def test_a_level_outside_zero_and_one_is_refused(draws: Bootstrap, level: float) -> None:
    with pytest.raises(ModelError, match=r"between 0 and 1(.|\n)*Hint: use level=0.95"):
        draws.tidy(level=level)


def test_an_unknown_kind_is_refused(draws: Bootstrap) -> None:
    with pytest.raises(ModelError, match=r"'bac'(.|\n)*Hint: did you mean 'bca'"):
        draws.intervals("bac")  # type: ignore[arg-type]


def test_bca_of_a_statistic_is_refused(draws: Bootstrap) -> None:
    def sigma(fit: LmmFit) -> dict[str, float]:
        return {"sigma": fit.sigma}

    found = parametric_bootstrap(draws.fit, 5, seed=1, statistic=sigma, progress=False)
    with pytest.raises(ModelError, match=r'model\'s own parameters(.|\n)*Hint: use intervals\("percentile"\)'):
        found.intervals("bca")


def test_bca_of_crossed_factors_is_refused() -> None:
    fit = lmm("rating ~ occasion + (1 | patient) + (1 | rater)", pd.read_csv(DATA / "alliance_raters.csv"))
    found = parametric_bootstrap(fit, 5, seed=1, progress=False)
    with pytest.raises(ModelError, match=r"'?patient'?, '?rater'? cross(.|\n)*Hint: .*percentile"):
        found.intervals("bca")


def test_bca_says_when_a_single_level_carries_a_predictor() -> None:
    frame = pd.read_csv(DATA / "alliance_sessions.csv")
    frame["trained"] = (frame["therapist"] == sorted(set(frame["therapist"]))[0]).astype(float)
    fit = lmm("distress ~ trained + (1 | patient) + (1 | therapist)", frame)
    found = parametric_bootstrap(fit, 5, seed=1, progress=False)
    with pytest.raises(ModelError, match=r"levels of 'therapist' left out(.|\n)*Hint: use intervals"):
        found.intervals("bca")
