"""omega(): against lavaan and psych, and against what holds for parallel items."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alliance_stats.errors import AllianceStatsWarning, ColumnError, DataError
from alliance_stats.scales.consistency import cronbach_alpha
from alliance_stats.scales.omega import omega
from alliance_stats.scales.reliability import reliability
from alliance_stats.scales.single_factor import omega_of
from tests.scales.reliability_golden import (
    FOUR,
    NINE,
    all_sessions,
    first_sessions,
    golden,
    heywood_items,
    parallel_items,
    shuffled,
)

MORE = golden("reliability_more")


@pytest.mark.parametrize("kind", ["rows", "cluster_means", "cluster_deviations"])
def test_omega_of_each_part_and_its_error_agree_with_lavaan(kind: str) -> None:
    result = omega(all_sessions(), FOUR, cluster="patient")
    row = result.tidy().set_index("kind").loc[kind]
    # lavaan stops at about 1e-6 in the loadings.
    assert row["estimate"] == pytest.approx(MORE[kind]["estimate"], abs=2e-6)
    assert row["std_error"] == pytest.approx(MORE[kind]["se"], rel=1e-5)
    loadings = result.loadings().query("kind == @kind")["general"]
    np.testing.assert_allclose(loadings, MORE[kind]["loadings"], atol=5e-6)


def test_delta_interval_is_wald() -> None:
    result = omega(first_sessions(), FOUR)
    row = result.tidy(level=0.90).iloc[0]
    assert row["conf_low"] == pytest.approx(row["estimate"] - 1.6448536269514722 * row["std_error"])
    assert row["conf_high"] == pytest.approx(row["estimate"] + 1.6448536269514722 * row["std_error"])
    assert row["conf_level"] == 0.90


def test_omega_of_one_session_agrees_with_lavaan() -> None:
    expected = golden("cfa")["omega"]
    row = omega(first_sessions(), ["i1", "i2", "i3", "i4"]).tidy().iloc[0]
    assert row["estimate"] == pytest.approx(expected["estimate"], abs=1e-6)
    assert row["std_error"] == pytest.approx(expected["se"], rel=1e-5)


def test_omega_hierarchical_agrees_with_schmid_leiman_of_converged_factors() -> None:
    expected = golden("factor_analysis")["schmid_leiman"]
    result = omega(first_sessions(), NINE, n_factors=3)
    table = result.tidy().set_index("term")["estimate"]
    assert table["omega_hierarchical"] == pytest.approx(expected["omega_h"], abs=1e-6)
    assert table["omega_total"] == pytest.approx(expected["omega_total"], abs=1e-6)
    spread = first_sessions()[NINE].std()
    np.testing.assert_allclose(result.loadings()["general"] / spread.to_numpy(), expected["general"], atol=1e-6)


@pytest.mark.parametrize(("n_factors", "name"), [(2, "psych_2"), (3, "psych_3")])
def test_omega_hierarchical_agrees_with_psych_to_its_digits(n_factors: int, name: str) -> None:
    table = omega(first_sessions(), NINE, n_factors=n_factors).tidy().set_index("term")["estimate"]
    assert table["omega_hierarchical"] == pytest.approx(MORE[name]["omega_h"], abs=2e-5)
    assert table["omega_total"] == pytest.approx(MORE[name]["omega_total"], abs=2e-5)


def test_general_and_group_factors_share_out_the_communality() -> None:
    table = omega(first_sessions(), NINE, n_factors=3).loadings()
    squares = table[["general", "group_1", "group_2", "group_3"]].pow(2).sum(axis=1)
    np.testing.assert_allclose(squares / first_sessions()[NINE].var().to_numpy(), table["communality"], rtol=1e-6)


@given(st.floats(0.3, 1.5), st.floats(0.2, 2.0), st.integers(3, 8))
def test_omega_of_parallel_items_is_alpha(loading: float, residual: float, k: int) -> None:
    frame = parallel_items(40, k, loading=loading, residual=residual)
    covariance = frame.cov().to_numpy()
    estimate = omega(frame, list(frame.columns)).tidy()["estimate"].iloc[0]
    assert estimate == pytest.approx(cronbach_alpha(covariance), abs=1e-7)


@given(st.lists(st.floats(0.2, 2.0), min_size=3, max_size=7), st.data())
def test_alpha_of_a_one_factor_model_is_at_most_omega(loadings: list[float], data: st.DataObject) -> None:
    weights = np.array(loadings)
    residuals = np.array(data.draw(st.lists(st.floats(0.1, 2.0), min_size=len(weights), max_size=len(weights))))
    covariance = np.outer(weights, weights) + np.diag(residuals)
    assert cronbach_alpha(covariance) <= omega_of(weights, residuals)[0] + 1e-12


def test_alpha_equals_omega_under_tau_equivalence_with_unequal_errors() -> None:
    weights, residuals = np.full(4, 0.7), np.array([0.2, 0.5, 0.9, 1.4])
    covariance = np.outer(weights, weights) + np.diag(residuals)
    assert cronbach_alpha(covariance) == pytest.approx(omega_of(weights, residuals)[0])


@given(st.floats(0.01, 100.0), st.floats(-50.0, 50.0))
def test_units_of_all_items_do_not_matter(factor: float, shift: float) -> None:
    frame = first_sessions()
    moved = frame.assign(**{item: factor * frame[item] + shift for item in FOUR})
    one, two = omega(frame, FOUR).tidy(), omega(moved, FOUR).tidy()
    np.testing.assert_allclose(one[["estimate", "std_error"]], two[["estimate", "std_error"]], rtol=1e-6)


@pytest.mark.parametrize("n_factors", [1, 3])
def test_order_of_rows_and_ids_do_not_matter_even_to_the_bootstrap(n_factors: int) -> None:
    frame = all_sessions()
    options: dict[str, Any] = {
        "n_factors": n_factors,
        "cluster": "patient",
        "n_bootstrap": 4,
        "seed": 7,
        "progress": False,
    }
    one, two = omega(frame, NINE, **options), omega(shuffled(frame), NINE, **options)
    pd.testing.assert_frame_equal(one.tidy(), two.tidy(), rtol=1e-6)


def test_bootstrap_of_clusters_is_wider_than_of_rows() -> None:
    frame = all_sessions()
    by_patient = omega(frame, FOUR, cluster="patient", n_bootstrap=60, seed=1, progress=False)
    by_row = omega(frame, FOUR, n_bootstrap=60, seed=1, progress=False)
    assert by_patient.tidy()["std_error"].iloc[0] > 1.15 * by_row.tidy()["std_error"].iloc[0]
    assert by_row.tidy()["std_error"].iloc[0] == pytest.approx(MORE["rows"]["se"], rel=0.3)
    assert "60 bootstrap samples of levels of 'patient'; 0 could not be used" in by_patient.notes[-1]


def test_bootstrap_interval_holds_the_quantiles_of_its_draws() -> None:
    result = omega(first_sessions(), FOUR, n_bootstrap=30, seed=1, progress=False)
    row = result.tidy(level=0.8).iloc[0]
    assert [row["conf_low"], row["conf_high"]] == pytest.approx(np.quantile(result.draws[:, 0], [0.1, 0.9]).tolist())


def test_bootstrap_depends_on_the_seed_only() -> None:
    draws = [omega(first_sessions(), FOUR, n_bootstrap=3, seed=seed, progress=False).draws for seed in (1, 1, 2)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert not np.allclose(draws[0], draws[2])


def test_progress_bar_is_shown_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    omega(first_sessions(), FOUR, n_bootstrap=2, seed=1)
    assert "bootstrap" in capsys.readouterr().err


def test_incomplete_rows_are_left_out_and_counted() -> None:
    frame = first_sessions().astype(float)
    frame.loc[[2, 5, 9], "i4"] = np.nan
    result = omega(frame, FOUR)
    expected = omega(frame.drop(index=[2, 5, 9]), FOUR)
    assert result.tidy()["estimate"].iloc[0] == pytest.approx(expected.tidy()["estimate"].iloc[0])
    assert result.notes[0] == "237 rows with answers to all 4 items; 3 other rows are left out."
    assert result.glance().iloc[0].tolist() == [237, 4, 1, 0]


def test_repeated_patients_are_pointed_out() -> None:
    assert any("cluster='patient' gives both parts" in note for note in omega(all_sessions(), FOUR).notes)
    assert not any("gives both parts" in note for note in omega(first_sessions(), FOUR).notes)


def test_reversed_item_raises_a_warning() -> None:
    frame = first_sessions()
    with pytest.warns(AllianceStatsWarning, match=r"Column i4: negative loading(.|\n)*Reverse"):
        omega(frame.assign(i4=-frame["i4"]), FOUR)


def test_item_without_error_variance_raises_a_warning() -> None:
    with pytest.warns(AllianceStatsWarning, match=r"no error variance(.|\n)*fewer factors"):
        assert any("Improper" in note for note in omega(heywood_items(), "i{}").notes)


@pytest.mark.parametrize(
    ("change", "items", "match"),
    [
        ({}, ["i1", "i2"], r"2 items(.|\n)*at least 3(.|\n)*check items="),
        ({"i1": 3.0}, FOUR, r"No variation in i1(.|\n)*leave such items out"),
        ({"i1": np.nan}, FOUR, r"0 of 240 rows have answers to all(.|\n)*not asked of everyone"),
        ({"i1": np.inf}, FOUR, r"240 answers are infinite(.|\n)*correct them"),
    ],
)
def test_items_that_cannot_be_analysed_are_refused(change: dict[str, float], items: list[str], match: str) -> None:
    with pytest.raises(DataError, match=match):
        omega(first_sessions().assign(**change), items)


def test_text_answers_are_refused_without_showing_them() -> None:
    frame = first_sessions()
    frame["i1"] = frame["i1"].astype(object)
    frame.loc[4, "i1"] = "Miller"
    with pytest.raises(ColumnError, match=r"'i1'(.|\n)*1 of 240(.|\n)*missing=") as caught:
        omega(frame, FOUR)
    assert "Miller" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"n_factors": 0}, r"n_factors = 0(.|\n)*number of group factors"),
        ({"n_factors": 2}, r"4 items(.|\n)*at least 6"),
        ({"n_bootstrap": 5}, r"n_bootstrap = 5 with seed = None(.|\n)*a seed"),
        ({"n_bootstrap": -1, "seed": 1}, r"n_bootstrap = -1(.|\n)*positive"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], match: str) -> None:
    with pytest.raises(DataError, match=match):
        omega(first_sessions(), FOUR, **options)


def test_too_few_clusters_are_refused() -> None:
    frame = all_sessions().query("patient <= 4")
    with pytest.raises(DataError, match=r"degrees of freedom in the cluster means of 'patient'(.|\n)*more patients"):
        omega(frame, FOUR, cluster="patient")


def test_level_outside_0_to_1_is_refused() -> None:
    with pytest.raises(DataError, match=r"not between 0 and 1(.|\n)*0.95"):
        omega(first_sessions(), FOUR).tidy(level=95)


def test_alpha_of_reliability_and_omega_rest_on_the_same_rows() -> None:
    frame = first_sessions().astype(float)
    frame.loc[3, "i1"] = np.nan
    assert reliability(frame, FOUR).glance()["n"].iloc[0] == omega(frame, FOUR).glance()["n"].iloc[0]
