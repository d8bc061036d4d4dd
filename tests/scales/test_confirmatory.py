"""confirmatory() and multilevel_omega(): against lavaan, brute force, and invariances."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal

from alliance_stats.errors import AllianceStatsWarning, ColumnError, DataError, ModelError
from alliance_stats.result import COLUMNS
from alliance_stats.scales.confirmatory import Confirmatory, confirmatory
from alliance_stats.scales.consistency import cronbach_alpha
from alliance_stats.scales.gaussian_blocks import Implied, evaluate, pattern_blocks, symmetric_basis, two_level_blocks
from alliance_stats.scales.measurement_model import simple_model
from alliance_stats.scales.within_omega import multilevel_omega
from tests.scales.reliability_golden import (
    FOUR,
    NINE,
    THREE_FACTORS,
    all_sessions,
    first_sessions,
    golden,
    heywood_items,
    shuffled,
)

GOLDEN = golden("cfa")
CASES: dict[str, dict[str, Any]] = {
    "marker": {"scale": "marker"},
    "unit_variance": {"scale": "unit_variance"},
    "residual": {"residual_covariances": [("i1", "i4")]},
    "orthogonal": {"correlated": False},
    "fiml": {"missing": "fiml"},
}


def with_gaps() -> pd.DataFrame:
    """Return the data of the R script's FIML case."""
    frame = first_sessions().astype(float)
    for j, item in enumerate(NINE, start=1):
        frame.loc[(frame["patient"] * 7 + j * 5) % 11 == 0, item] = np.nan
    frame.loc[frame["patient"].isin([17, 90]), NINE] = np.nan
    return frame


def fitted(case: str) -> Confirmatory:
    return confirmatory(with_gaps() if case == "fiml" else first_sessions(), THREE_FACTORS, **CASES[case])


def lavaan_name(row: Any) -> str:
    if row.kind == "loading":
        return f"{row.term}=~{row.item}"
    return f"{row.item}~1" if row.kind == "mean" else f"{row.term}~~{row.term2}"


@pytest.mark.parametrize("case", CASES)
def test_estimates_errors_and_standardised_values_agree_with_lavaan(case: str) -> None:
    expected = GOLDEN[case]
    table = fitted(case).parameters
    names = [lavaan_name(row) for row in table.itertuples()]
    found = table.assign(std_error=table["std_error"].fillna(0.0)).set_index(pd.Index(names))
    reference = pd.DataFrame({key: expected[key] for key in ("est", "se", "std")}, index=expected["names"])
    # lavaan lists parameters that are fixed at zero, and leaves out means when answers are complete.
    assert (reference.loc[~reference.index.isin(names), "est"] == 0).all()
    expected = reference[reference.index.isin(names)]
    found = found.loc[expected.index]
    # lavaan's own optimiser leaves about 2e-6; its deviance is the larger one.
    np.testing.assert_allclose(found["estimate"], expected["est"], atol=4e-6)
    np.testing.assert_allclose(found["std_error"], expected["se"], atol=1e-6)
    np.testing.assert_allclose(found["standardized"], expected["std"], atol=4e-6)


@pytest.mark.parametrize("case", CASES)
def test_fit_indices_agree_with_lavaan(case: str) -> None:
    row, expected = fitted(case).glance().iloc[0], GOLDEN[case]["fit"]
    names = {
        "chi2": "chisq",
        "df": "df",
        "p_value": "pvalue",
        "cfi": "cfi",
        "tli": "tli",
        "rmsea": "rmsea",
        "rmsea_low": "rmsea.ci.lower",
        "rmsea_high": "rmsea.ci.upper",
        "srmr": "srmr",
        "log_likelihood": "logl",
    }
    for ours, theirs in names.items():
        assert row[ours] == pytest.approx(expected[theirs], abs=1e-6), ours


def test_intervals_and_tests_follow_from_estimates_and_errors() -> None:
    table = fitted("residual").tidy(level=0.90)
    first = table.iloc[0]
    assert first["conf_high"] - first["estimate"] == pytest.approx(1.6448536269514722 * first["std_error"])
    assert first["estimate"] - first["conf_low"] == pytest.approx(1.6448536269514722 * first["std_error"])
    assert first["statistic"] == pytest.approx(first["estimate"] / first["std_error"])
    weak = table[table["p_value"] > 0.001].iloc[0]
    assert weak["p_value"] == pytest.approx(2 * (1 - 0.5 * (1 + _erf(abs(weak["statistic"]) / np.sqrt(2)))))
    assert [name for name in table.columns if name in COLUMNS] == table.columns[:-1].tolist()


def _erf(value: float) -> float:
    from math import erf

    return erf(value)


def test_fixed_parameters_have_no_error() -> None:
    table = fitted("marker").tidy().query("kind == 'loading'")
    assert table["std_error"].isna().sum() == 3
    assert (table.loc[table["std_error"].isna(), "estimate"] == 1).all()


def test_marker_and_unit_variance_fit_the_same() -> None:
    one, two = fitted("marker"), fitted("unit_variance")
    np.testing.assert_allclose(one.covariance, two.covariance, rtol=1e-6)
    assert one.fit.chi2 == pytest.approx(two.fit.chi2, abs=1e-8)


def test_full_information_equals_listwise_when_nothing_is_missing() -> None:
    one, two = (confirmatory(first_sessions(), THREE_FACTORS, missing=how) for how in ("listwise", "fiml"))  # type: ignore[arg-type]
    np.testing.assert_allclose(one.parameters["estimate"], two.parameters["estimate"], rtol=1e-6)
    assert one.fit.chi2 == pytest.approx(two.fit.chi2, abs=1e-7)


def test_listwise_leaves_out_incomplete_rows_and_counts_them() -> None:
    frame = with_gaps()
    result = confirmatory(frame, THREE_FACTORS)
    n = int(frame[NINE].notna().all(axis=1).sum())
    assert result.glance()["n"].iloc[0] == n
    assert result.notes[0] == f"{n} rows with answers to all 9 items; {240 - n} other rows are left out."


def test_full_information_counts_rows_and_gaps() -> None:
    result = fitted("fiml")
    gaps = int(with_gaps()[NINE].isna().sum().sum()) - 18
    assert result.glance()["n"].iloc[0] == 238
    assert result.notes[0] == "238 rows with at least one answer; 2 without any are left out."
    assert f"{gaps} answers are missing" in result.notes[1]


def test_likelihood_with_gaps_is_that_of_the_answers_given() -> None:
    answers = with_gaps()[FOUR].dropna(how="all").to_numpy()[:40]
    rng = np.random.default_rng(1)
    root = rng.normal(size=(4, 4))
    covariance, mean = root @ root.T + np.eye(4), rng.normal(size=4)
    expected = 0.0
    for row in answers:
        known = ~np.isnan(row)
        expected += multivariate_normal(mean[known], covariance[np.ix_(known, known)]).logpdf(row[known])
    at = evaluate(pattern_blocks(answers), Implied((covariance,), (np.zeros((0, 4, 4)),), mean))
    assert at is not None
    assert at.deviance == pytest.approx(-2 * expected)


def test_likelihood_of_two_levels_is_that_of_stacked_clusters() -> None:
    rng = np.random.default_rng(2)
    codes = np.repeat([0, 1, 2, 3], [1, 2, 2, 4])
    answers = rng.normal(size=(9, 3))
    within, between = (root @ root.T + np.eye(3) for root in rng.normal(size=(2, 3, 3)))
    mean = rng.normal(size=3)
    expected = 0.0
    for cluster in range(4):
        rows = answers[codes == cluster]
        stacked = np.kron(np.eye(len(rows)), within) + np.kron(np.ones((len(rows), len(rows))), between)
        expected += multivariate_normal(np.tile(mean, len(rows)), stacked).logpdf(rows.ravel())
    nothing = np.zeros((0, 3, 3))
    at = evaluate(two_level_blocks(answers, codes), Implied((within, between), (nothing, nothing), mean))
    assert at is not None
    assert at.deviance == pytest.approx(-2 * expected)


@pytest.mark.parametrize("shared", [True, False])
def test_gradient_of_two_levels_agrees_with_differences(shared: bool) -> None:
    rng = np.random.default_rng(2)
    blocks = two_level_blocks(rng.normal(size=(9, 3)), np.repeat([0, 1, 2, 3], [1, 2, 2, 4]))
    basis = symmetric_basis(3)
    other = basis if shared else basis.copy()
    theta = np.concatenate([np.array([2, 0.3, 2, 0.1, 0.2, 2]), np.array([1, 0.2, 1, 0.3, 0.1, 1]), rng.normal(size=3)])

    def at(values: np.ndarray) -> Any:
        levels = tuple(np.tensordot(values[6 * level : 6 * level + 6], basis, axes=1) for level in range(2))
        return evaluate(blocks, Implied(levels, (basis, other), values[12:]))

    step = 1e-6 * np.eye(15)
    numeric = [(at(theta + unit).deviance - at(theta - unit).deviance) / 2e-6 for unit in step]
    np.testing.assert_allclose(at(theta).gradient, numeric, rtol=1e-5, atol=1e-6)


def test_derivatives_of_a_measurement_model_agree_with_differences() -> None:
    model = simple_model([[0, 1, 2], [2, 3, 4]], 5, marker=True, residual_pairs=[(0, 4)])
    theta = np.random.default_rng(1).uniform(0.3, 0.9, len(model.free))
    slopes = model.implied(theta)[1]
    for at, unit in enumerate(1e-6 * np.eye(len(theta))):
        numeric = (model.implied(theta + unit)[0] - model.implied(theta - unit)[0]) / 2e-6
        np.testing.assert_allclose(slopes[at], numeric, atol=1e-8)


def test_units_and_row_order_do_not_matter_to_the_standardised_solution() -> None:
    frame = first_sessions()
    other = shuffled(frame).assign(i1=lambda rows: 100 * rows["i1"] + 7, i9=lambda rows: rows["i9"] / 50)
    one, two = confirmatory(frame, THREE_FACTORS), confirmatory(other, THREE_FACTORS)
    kinds = one.parameters["kind"] != "mean"
    np.testing.assert_allclose(one.parameters["standardized"][kinds], two.parameters["standardized"][kinds], rtol=1e-5)
    assert one.fit.chi2 == pytest.approx(two.fit.chi2, abs=1e-6)


def test_an_item_may_belong_to_two_factors() -> None:
    model = {**THREE_FACTORS, "b": ["i3", *THREE_FACTORS["b"]]}
    result = confirmatory(first_sessions(), model)
    assert result.glance()["df"].iloc[0] == 23
    assert result.fit.chi2 <= fitted("unit_variance").fit.chi2


def test_a_just_identified_model_has_no_indices() -> None:
    row = confirmatory(first_sessions(), {"a": NINE[:3]}).glance().iloc[0]
    assert row["df"] == 0
    assert row["chi2"] == pytest.approx(0.0, abs=1e-8)
    assert np.isnan(row["cfi"])


def test_repeated_patients_are_pointed_out() -> None:
    assert "Rows repeat patients" in confirmatory(all_sessions(), THREE_FACTORS).notes[-1]


def test_impossible_solution_raises_a_warning() -> None:
    with pytest.warns(AllianceStatsWarning, match=r"Improper solution: 1 residual variances(.|\n)*wrong keys or twins"):
        result = confirmatory(heywood_items(), {"a": ["i1", "i2", "i3"]})
    assert "Improper" in result.notes[-1]


def test_factor_correlation_beyond_one_raises_a_warning() -> None:
    rng = np.random.default_rng(3)
    f = rng.normal(size=(80, 1))
    frame = pd.DataFrame(f + rng.normal(size=(80, 4)), columns=["i1", "i2", "i3", "i4"])
    frame["i3"] += 0.6 * (frame["i1"] - f[:, 0])
    frame["i4"] += 0.6 * (frame["i2"] - f[:, 0])
    with pytest.warns(AllianceStatsWarning, match=r"1 factor correlations lie beyond 1"):
        confirmatory(frame, {"a": ["i1", "i2"], "b": ["i3", "i4"]})


@pytest.mark.parametrize(
    ("model", "options", "error", "match"),
    [
        ({"a": NINE[:3]}, {"scale": "z"}, DataError, r"No scale 'z'(.|\n)*marker"),
        ({"a": NINE[:3]}, {"missing": "mean"}, DataError, r"No rule missing='mean'(.|\n)*fiml"),
        ({"a": "i1"}, {}, DataError, r"'a' has no list of items(.|\n)*write"),
        ({}, {}, DataError, r"no factors(.|\n)*write"),
        (
            {"a": NINE[:4]},
            {"residual_covariances": [("i1", "i9")]},
            DataError,
            r"'i9', which is no item(.|\n)*pair two",
        ),
        ({"a": NINE[:4]}, {"residual_covariances": [("i1", "i1")]}, DataError, r"itself(.|\n)*pair two"),
        ({"a": ["i1", "i2", "x"]}, {}, ColumnError, r"'x'(.|\n)*Hint"),
        ({"a": NINE[:3]}, {"residual_covariances": [("i1", "i2")]}, ModelError, r"7 parameters for 6(.|\n)*fewer"),
        (
            {"a": NINE[:3], "b": NINE[3:5]},
            {"correlated": False},
            ModelError,
            r"not identified(.|\n)*at least three items",
        ),
        ({"a": NINE[:2]}, {}, DataError, r"2 items(.|\n)*at least 3"),
    ],
)
def test_models_that_cannot_be_fitted_are_refused(
    model: dict[str, list[str]], options: dict[str, Any], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        confirmatory(first_sessions(), model, **options)


def test_level_outside_0_to_1_is_refused() -> None:
    with pytest.raises(DataError, match=r"not between 0 and 1(.|\n)*0.95"):
        fitted("marker").tidy(level=1.0)
    with pytest.raises(DataError, match=r"not between 0 and 1(.|\n)*0.95"):
        multilevel_omega(all_sessions(), FOUR).tidy(level=0.0)


@pytest.mark.parametrize("level", ["within", "between"])
def test_omega_of_each_level_agrees_with_lavaan(level: str) -> None:
    expected = GOLDEN["two_level"]
    result = multilevel_omega(all_sessions(), FOUR)
    row = result.tidy().query("term == 'omega'").set_index("level").loc[level]
    # lavaan's solution has a smaller likelihood, by 1e-7; the parameters agree to 5 digits.
    assert row["estimate"] == pytest.approx(expected[f"omega_{level}"], abs=5e-6)
    assert row["std_error"] == pytest.approx(expected[f"se_{level}"], rel=1e-4)
    loadings = result.loadings().query("level == @level")["loading"]
    np.testing.assert_allclose(loadings, expected[f"loadings_{level}"], atol=2e-5)


def test_likelihood_and_chi_square_of_two_levels_agree_with_lavaan() -> None:
    row = multilevel_omega(all_sessions(), FOUR).glance().iloc[0]
    assert row["log_likelihood"] >= GOLDEN["two_level"]["logl"] - 1e-9
    assert row["log_likelihood"] == pytest.approx(GOLDEN["two_level"]["logl"], abs=1e-6)
    assert row["chi2"] == pytest.approx(GOLDEN["two_level"]["chisq"], abs=1e-6)
    assert row["df"] == GOLDEN["two_level"]["df"]


@pytest.mark.parametrize("level", ["within", "between"])
def test_alpha_of_each_level_comes_from_its_free_covariances(level: str) -> None:
    covariance = np.array(GOLDEN["two_level"][f"h1_{level}"]).reshape(4, 4)
    table = multilevel_omega(all_sessions(), FOUR).tidy().query("term == 'alpha'").set_index("level")
    assert table.loc[level, "estimate"] == pytest.approx(cronbach_alpha(covariance), abs=1e-5)
    assert np.isnan(table.loc[level, "conf_high"])


def test_multilevel_omega_does_not_depend_on_rows_ids_or_units() -> None:
    frame = all_sessions()
    other = shuffled(frame).assign(**{item: lambda rows, item=item: 10 * rows[item] - 4 for item in FOUR})
    one, two = (multilevel_omega(data, FOUR).tidy() for data in (frame, other))
    pd.testing.assert_frame_equal(one, two, rtol=1e-6)


def test_multilevel_omega_takes_another_cluster() -> None:
    result = multilevel_omega(all_sessions(), ["i1", "i4", "i8"], cluster="therapist")
    assert result.glance()["n_clusters"].iloc[0] == 24
    assert set(result.tidy()["group"]) == {"therapist"}


def test_multilevel_omega_finds_what_was_simulated() -> None:
    rng = np.random.default_rng(11)
    patient = np.repeat(np.arange(500), 6)
    between = 1.0 * rng.normal(size=(500, 1)) + 0.5 * rng.normal(size=(500, 4))
    within = 0.6 * rng.normal(size=(3000, 1)) + 0.8 * rng.normal(size=(3000, 4))
    frame = pd.DataFrame(between[patient] + within, columns=FOUR).assign(patient=patient)
    table = multilevel_omega(frame, FOUR).tidy(level=0.99).query("term == 'omega'").set_index("level")
    for level, truth in {"within": 16 * 0.36 / (16 * 0.36 + 4 * 0.64), "between": 16 / 17}.items():
        assert table.loc[level, "conf_low"] < truth < table.loc[level, "conf_high"]


def test_rows_of_multilevel_omega_are_counted() -> None:
    frame = all_sessions().astype(float)
    frame.loc[[3, 8], "i1"] = np.nan
    frame.loc[20, "patient"] = np.nan
    result = multilevel_omega(frame, FOUR)
    assert result.notes[0] == "855 rows with answers to all 4 items; 2 other rows are left out."
    assert result.notes[1].startswith("854 rows of ")
    assert result.notes[1].endswith("1 rows without 'patient' are left out.")


@pytest.mark.parametrize(
    ("frame", "error", "match"),
    [
        (first_sessions(), DataError, r"leave 0 changes within them(.|\n)*use omega"),
        (all_sessions().query("patient <= 5"), DataError, r"5 levels of 'patient' for 4 items(.|\n)*more patients"),
        (all_sessions().drop(columns="patient"), ColumnError, r"'patient'(.|\n)*Hint"),
        (
            all_sessions().assign(i1=lambda rows: rows["i2"] + rows["i4"]),
            ModelError,
            r"combination of others(.|\n)*totals",
        ),
    ],
)
def test_data_without_two_levels_are_refused(frame: pd.DataFrame, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        multilevel_omega(frame, FOUR)


def test_a_level_without_error_variance_raises_a_warning() -> None:
    rng = np.random.default_rng(1)
    patient = np.repeat(np.arange(60), 5)
    answers = rng.normal(size=(60, 1))[patient] + 0.7 * rng.normal(size=(300, 1)) + rng.normal(size=(300, 4))
    frame = pd.DataFrame(answers, columns=FOUR).assign(patient=patient)
    with pytest.warns(AllianceStatsWarning, match=r"residual variances are not positive(.|\n)*fewer items"):
        assert "Improper" in multilevel_omega(frame, FOUR).notes[-1]
