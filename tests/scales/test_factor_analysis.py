"""factor_analysis() and parallel_analysis(): against factanal, psych, GPArotation and theory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alliance_stats.errors import DataError, ModelError
from alliance_stats.scales.factor_analysis import FactorAnalysis, factor_analysis
from alliance_stats.scales.factor_extraction import LOWEST_UNIQUENESS, degrees_of_freedom, extract, rotate
from alliance_stats.scales.factor_number import parallel_analysis
from tests.scales.reliability_golden import NINE, all_sessions, first_sessions, golden, parallel_items, shuffled

GOLDEN = golden("factor_analysis")


def wide(result: FactorAnalysis) -> np.ndarray:
    return result.loadings()[["factor_1", "factor_2", "factor_3"]].to_numpy()


def aligned(found: np.ndarray, expected: Any) -> np.ndarray:
    """Return the expected columns in the order and with the signs of those found."""
    wanted = np.asarray(expected, dtype=float)
    match = np.abs(found.T @ wanted).argmax(axis=1)
    assert sorted(match) == list(range(found.shape[1]))
    wanted = wanted[:, match]
    return np.asarray(wanted * np.sign(np.sum(wanted * found, axis=0)))


def test_maximum_likelihood_agrees_with_factanal() -> None:
    result = factor_analysis(first_sessions(), NINE, 3, method="ml", rotation="none")
    np.testing.assert_allclose(wide(result), aligned(wide(result), GOLDEN["ml"]["loadings"]), atol=1e-6)
    np.testing.assert_allclose(result.loadings()["uniqueness"], GOLDEN["ml"]["uniquenesses"], atol=1e-6)
    row = result.glance().iloc[0]
    assert row["chi2"] == pytest.approx(GOLDEN["ml"]["chisq"], rel=1e-6)
    assert row["df"] == GOLDEN["ml"]["dof"]


def test_tucker_lewis_index_agrees_with_psych() -> None:
    row = factor_analysis(first_sessions(), NINE, 3, method="ml").glance().iloc[0]
    assert row["tli"] == pytest.approx(GOLDEN["psych_ml"]["tli"], abs=1e-6)


def test_rmsea_follows_its_formula() -> None:
    row = factor_analysis(first_sessions(), NINE, 1, method="ml").glance().iloc[0]
    expected = np.sqrt((row["chi2"] - row["df"]) / (row["n"] * row["df"]))
    assert row["rmsea"] == pytest.approx(expected)
    assert row["rmsea_low"] < row["rmsea"] < row["rmsea_high"]


def test_minimum_residuals_agree_with_the_converged_minimum() -> None:
    result = factor_analysis(first_sessions(), NINE, 3, rotation="none")
    np.testing.assert_allclose(wide(result), aligned(wide(result), GOLDEN["minres"]["loadings"]), atol=1e-6)
    np.testing.assert_allclose(result.loadings()["communality"], GOLDEN["minres"]["h2"], atol=1e-6)


def test_minimum_residuals_agree_with_psych_to_its_digits() -> None:
    result = factor_analysis(first_sessions(), NINE, 3, rotation="none")
    np.testing.assert_allclose(wide(result), aligned(wide(result), GOLDEN["minres"]["psych"]), atol=1e-4)
    row = result.glance().iloc[0]
    assert row["chi2"] == pytest.approx(GOLDEN["psych_minres"]["chisq"], rel=1e-5)
    assert row["rms_residual"] == pytest.approx(GOLDEN["psych_minres"]["rms"], rel=1e-5)
    assert row["tli"] == pytest.approx(GOLDEN["psych_minres"]["tli"], abs=1e-5)


@pytest.mark.parametrize("rotation", ["oblimin", "varimax"])
def test_rotations_agree_with_r(rotation: Any) -> None:
    result = factor_analysis(first_sessions(), NINE, 3, rotation=rotation)
    np.testing.assert_allclose(wide(result), aligned(wide(result), GOLDEN[rotation]["loadings"]), atol=1e-6)


def test_factor_correlations_agree_with_r() -> None:
    table = factor_analysis(first_sessions(), NINE, 3).tidy().query("kind == 'factor_correlation'")
    expected = np.abs(np.array(GOLDEN["oblimin"]["phi"]))[np.tril_indices(3, -1)]
    np.testing.assert_allclose(sorted(table["estimate"]), sorted(expected), atol=1e-6)


def test_oblimin_agrees_with_psych_to_its_digits() -> None:
    found = wide(factor_analysis(first_sessions(), NINE, 3))
    np.testing.assert_allclose(found, aligned(found, GOLDEN["psych_oblimin"]["loadings"]), atol=2e-4)


def test_rotation_keeps_communalities_and_residuals() -> None:
    results = [factor_analysis(first_sessions(), NINE, 3, rotation=how) for how in ("none", "varimax", "oblimin")]
    for other in results[1:]:
        np.testing.assert_allclose(results[0].loadings()["communality"], other.loadings()["communality"], rtol=1e-9)
        assert other.residual == pytest.approx(results[0].residual)


def test_factors_come_by_size_with_positive_sums() -> None:
    found = wide(factor_analysis(first_sessions(), NINE, 3, rotation="varimax"))
    assert np.all(np.diff(np.sum(found**2, axis=0)) <= 0)
    assert np.all(found.sum(axis=0) > 0)


@given(st.integers(0, 10_000))
def test_a_perfect_structure_is_found_by_both_methods(seed: int) -> None:
    rng = np.random.default_rng(seed)
    loadings = np.zeros((8, 2))
    loadings[:4, 0], loadings[4:, 1] = rng.uniform(0.5, 0.8, 4), rng.uniform(0.5, 0.8, 4)
    implied = loadings @ np.array([[1.0, 0.3], [0.3, 1.0]]) @ loadings.T
    np.fill_diagonal(implied, 1.0)
    for method in ("minres", "ml"):
        turned = rotate(extract(implied, 2, method=method).loadings, rotation="oblimin")  # type: ignore[arg-type]
        np.testing.assert_allclose(turned.loadings, aligned(turned.loadings, loadings), atol=1e-4)
        assert turned.correlations[0, 1] == pytest.approx(0.3, abs=1e-4)


def test_uniquenesses_stop_at_their_bound_and_this_is_said() -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(40, 6)), columns=[f"i{j}" for j in range(1, 7)])
    frame["i2"] = frame["i1"] + 0.03 * rng.normal(size=40)
    result = factor_analysis(frame, "i{}", 2)
    assert result.loadings()["uniqueness"].min() == pytest.approx(LOWEST_UNIQUENESS)
    assert any("at their lower bound" in note for note in result.notes)


def test_units_and_row_order_do_not_matter() -> None:
    frame = first_sessions()
    other = shuffled(frame).assign(i1=lambda rows: 10 * rows["i1"] - 3)
    one, two = factor_analysis(frame, NINE, 3), factor_analysis(other, NINE, 3)
    np.testing.assert_allclose(wide(one), wide(two), atol=1e-6)


def test_levels_are_analysed_and_named() -> None:
    frame = all_sessions()
    options: dict[str, Any] = {"cluster": "patient", "rotation": "none"}
    means = factor_analysis(frame, NINE, 1, part="cluster_means", **options)
    by_hand = factor_analysis(frame.groupby("patient")[NINE].mean(), NINE, 1, rotation="none")
    np.testing.assert_allclose(means.pattern, by_hand.pattern, rtol=1e-8)
    deviations = factor_analysis(frame, NINE, 1, part="cluster_deviations", **options)
    assert deviations.glance()["n"].iloc[0] == 857 - 240 + 1
    assert any("deviations of 857 rows from the means of 'patient'" in note for note in deviations.notes)
    assert any("mixed" in note for note in factor_analysis(frame, NINE, 1).notes)


def test_degrees_of_freedom_follow_lawley_and_maxwell() -> None:
    assert [degrees_of_freedom(9, m) for m in (1, 2, 3)] == [27, 19, 12]


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"method": "pa"}, DataError, r"No method 'pa'(.|\n)*minres"),
        ({"rotation": "promax"}, DataError, r"No rotation 'promax'(.|\n)*oblimin"),
        ({"part": "cluster_means"}, DataError, r"needs cluster=(.|\n)*column of the patients"),
        ({"part": "within", "cluster": "patient"}, DataError, r"No part 'within'(.|\n)*cluster_means"),
        ({"n_factors": 6}, ModelError, r"6 factors of 9 items(.|\n)*1 to 5"),
        ({"n_factors": 0}, ModelError, r"0 factors(.|\n)*1 to 5"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        factor_analysis(first_sessions(), NINE, options.pop("n_factors", 2), **options)


def test_an_item_made_from_others_is_refused() -> None:
    frame = first_sessions()
    with pytest.raises(ModelError, match=r"combination of others(.|\n)*leave out totals"):
        factor_analysis(frame.assign(i9=frame["i1"] + frame["i2"]), NINE, 2)


def test_one_session_per_patient_has_no_deviations() -> None:
    with pytest.raises(
        DataError, match=r"0 degrees of freedom in the cluster deviations(.|\n)*more sessions per patient"
    ):
        factor_analysis(first_sessions(), NINE, 2, cluster="patient", part="cluster_deviations")


def test_a_cluster_column_alone_analyses_rows() -> None:
    result = factor_analysis(all_sessions(), NINE, 3, cluster="patient", part="rows")
    np.testing.assert_allclose(result.pattern, factor_analysis(all_sessions(), NINE, 3).pattern)


@pytest.mark.parametrize(("kind", "offset"), [("components", 0), ("factors", 9)])
def test_parallel_analysis_agrees_with_r(kind: Any, offset: int) -> None:
    table = parallel_analysis(first_sessions(), NINE, seed=5, kind=kind).tidy()
    np.testing.assert_allclose(table["estimate"], GOLDEN["parallel"][kind], rtol=1e-10)
    at = slice(offset, offset + 9)
    spread = np.array(GOLDEN["parallel"]["sd"])[at]
    # Monte Carlo errors of 1000 draws here and 5000 there: sd / sqrt(1000) of a mean, about 2.1 times that of a 95% quantile.
    np.testing.assert_array_less(np.abs(table["random_mean"] - np.array(GOLDEN["parallel"]["mean"])[at]), 0.16 * spread)
    np.testing.assert_array_less(
        np.abs(table["random_quantile"] - np.array(GOLDEN["parallel"]["q95"])[at]), 0.35 * spread
    )


def test_random_eigenvalues_are_those_of_as_many_normal_rows() -> None:
    rng = np.random.default_rng(9)
    few = pd.DataFrame(rng.normal(size=(12, 6)), columns=[f"i{j}" for j in range(1, 7)])
    draws = [np.linalg.eigvalsh(np.corrcoef(rng.normal(size=(12, 6)), rowvar=False))[::-1] for _ in range(2000)]
    table = parallel_analysis(few, "i{}", seed=1).tidy()
    # About five Monte Carlo errors of a mean of 1000 draws.
    np.testing.assert_array_less(np.abs(table["random_mean"] - np.mean(draws, axis=0)), 0.19 * np.std(draws, axis=0))


def test_parallel_analysis_finds_the_factors_that_were_simulated() -> None:
    rng = np.random.default_rng(8)
    answers = np.repeat(rng.normal(size=(300, 3)), 4, axis=1) + rng.normal(size=(300, 12))
    frame = pd.DataFrame(answers, columns=[f"i{j}" for j in range(1, 13)])
    for kind in ("components", "factors"):
        assert parallel_analysis(frame, "i{}", seed=1, kind=kind).suggested == 3  # type: ignore[arg-type]


def test_retained_eigenvalues_are_the_leading_ones() -> None:
    table = parallel_analysis(first_sessions(), NINE, seed=5, kind="factors").tidy()
    first_below = int(np.argmax((table["estimate"] <= table["random_quantile"]).to_numpy()))
    assert table["retained"].tolist() == [number < first_below for number in range(9)]


def test_a_higher_quantile_raises_the_line() -> None:
    low, high = (parallel_analysis(first_sessions(), NINE, seed=5, quantile=q).tidy() for q in (0.5, 0.99))
    assert (high["random_quantile"] > low["random_quantile"]).all()


def test_seed_decides_the_random_answers_and_row_order_does_not() -> None:
    one, two, three = (
        parallel_analysis(frame, NINE, seed=seed).tidy()
        for frame, seed in [(all_sessions(), 1), (shuffled(all_sessions()), 1), (all_sessions(), 2)]
    )
    pd.testing.assert_frame_equal(one, two)
    assert not np.allclose(one["random_mean"], three["random_mean"])


def test_parallel_analysis_of_deviations_uses_their_degrees_of_freedom() -> None:
    result = parallel_analysis(all_sessions(), NINE, seed=1, cluster="patient", part="cluster_deviations")
    assert result.glance()[["n", "n_draws", "quantile"]].iloc[0].tolist() == [857 - 240 + 1, 1000, 0.95]
    assert any("617 degrees of freedom" in note for note in result.notes)


@pytest.mark.parametrize(
    ("options", "match"),
    [({"kind": "axes"}, r"No kind 'axes'(.|\n)*components"), ({"quantile": 95}, r"quantile = 95(.|\n)*0.95")],
)
def test_parallel_analysis_refuses_other_options(options: dict[str, Any], match: str) -> None:
    with pytest.raises(DataError, match=match):
        parallel_analysis(first_sessions(), NINE, seed=1, **options)


def test_parallel_items_have_one_factor_with_equal_loadings() -> None:
    result = factor_analysis(parallel_items(80, 5), "i{}", 1)
    np.testing.assert_allclose(result.pattern[:, 0], np.sqrt(0.64 / 1.24), rtol=1e-6)
