"""agreement(): kappas, alpha, AC, intraclass correlations and limits against R, published examples and definitions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.inter_rater import fleiss_kappa as statsmodels_fleiss_kappa

from alliance_stats.errors import ColumnError, DataError
from alliance_stats.result import COLUMNS
from alliance_stats.scales.agreement import METHODS, Agreement, agreement
from alliance_stats.scales.agreement_bootstrap import AgreementInterval
from alliance_stats.scales.rating_table import RatingLayout

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[1] / "golden" / "agreement.json").read_text())
COUNTS = RatingLayout(kind="counts")
CODERS = ["a", "b"]
RATERS = ["a", "b", "c", "d"]
MISSING = np.nan

# Krippendorff, K. (2011). Computing Krippendorff's alpha-reliability, section C: four observers, twelve units, as printed
# with R package irrCAC 1.0 (data cac.raw4raters).
OBSERVERS = pd.DataFrame(
    {
        "a": [1, 2, 3, 3, 2, 1, 4, 1, 2, MISSING, MISSING, MISSING],
        "b": [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, MISSING, MISSING],
        "c": [MISSING, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 3],
        "d": [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, MISSING],
    }
)
# Fleiss (1971) psychiatric diagnoses as in R package irrCAC 1.0, data distrib.6raters: six raters, fifteen patients.
SIX = pd.DataFrame(
    [
        *([0, 0, 0, 6, 0], [0, 3, 0, 0, 3], [0, 1, 4, 0, 1], [0, 0, 0, 0, 6], [0, 3, 0, 3, 0], [2, 0, 4, 0, 0]),
        *([0, 0, 4, 0, 2], [2, 0, 3, 1, 0], [2, 0, 0, 4, 0], [0, 0, 0, 0, 6], [1, 0, 0, 5, 0], [1, 1, 0, 4, 0]),
        *([0, 3, 3, 0, 0], [1, 0, 0, 5, 0], [0, 2, 0, 3, 1]),
    ],
    columns=["v", "w", "x", "y", "z"],
)
# R package irrCAC 1.0, data cont3x3abstractors: 100 pregnancies, two abstractors.
ABSTRACTORS = np.array([[13, 0, 0], [0, 20, 7], [0, 4, 56]])


def pairs(table: np.ndarray) -> pd.DataFrame:
    first, second = np.indices(table.shape)
    return pd.DataFrame({"a": np.repeat(first.ravel(), table.ravel()), "b": np.repeat(second.ravel(), table.ravel())})


def codes() -> pd.DataFrame:
    return pd.DataFrame(GOLDEN["codes"], columns=CODERS)


def points(name: str = "points") -> pd.DataFrame:
    return pd.DataFrame(GOLDEN[name], columns=RATERS, dtype=float)


def first(result: Agreement, column: str = "estimate") -> float:
    return float(result.tidy()[column].iloc[0])


@pytest.mark.parametrize(
    ("weights", "name"), [("nominal", "kappa"), ("linear", "kappa_linear"), ("quadratic", "kappa_quadratic")]
)
def test_cohen_kappa_agrees_with_psych(weights: str, name: str) -> None:
    layout = RatingLayout(categories=(1, 2, 3, 4))
    result = agreement(codes(), CODERS, method="cohen_kappa", weights=weights, layout=layout)
    assert first(result) == pytest.approx(GOLDEN[name][0], rel=GOLDEN["rtol"])
    # The standard error of weighted kappa in psych 2.2.9 is neither that of statsmodels, nor that of irrCAC, nor near the
    # jackknife, all of which agree with each other: see the tests below.
    if weights == "nominal":
        assert first(result, "std_error") == pytest.approx(GOLDEN[name][1], rel=GOLDEN["rtol"])


def test_the_interval_of_cohen_kappa_agrees_with_psych() -> None:
    result = agreement(codes(), CODERS, method="cohen_kappa")
    ends = [first(result, "conf_low"), first(result, "conf_high")]
    np.testing.assert_allclose(ends, GOLDEN["kappa_interval"], rtol=GOLDEN["rtol"])


@pytest.mark.parametrize(("weights", "wt"), [("nominal", None), ("linear", "linear"), ("quadratic", "quadratic")])
def test_cohen_kappa_agrees_with_statsmodels(weights: str, wt: str | None) -> None:
    result = agreement(pairs(ABSTRACTORS), CODERS, method="cohen_kappa", weights=weights)
    expected = cohens_kappa(ABSTRACTORS, wt=wt)
    assert first(result) == pytest.approx(expected.kappa, rel=1e-12)
    assert first(result, "std_error") == pytest.approx(expected.std_kappa, rel=1e-10)


def test_a_matrix_of_weights_gives_what_its_name_gives() -> None:
    matrix = 1 - np.abs(np.subtract.outer(range(3), range(3))) / 2
    for method in ("cohen_kappa", "fleiss_kappa", "gwet_ac"):
        own = agreement(pairs(ABSTRACTORS), CODERS, method=method, weights=matrix)
        named = agreement(pairs(ABSTRACTORS), CODERS, method=method, weights="linear")
        assert first(own) == pytest.approx(first(named), rel=1e-12)


def test_every_pair_of_raters_has_a_kappa() -> None:
    table = agreement(OBSERVERS, RATERS, method="cohen_kappa").tidy()
    kappas = table[(table["term"] == "cohen_kappa") & (table["category"] == "")].set_index("term2")["estimate"]
    assert list(kappas.index) == ["a & b", "a & c", "a & d", "b & c", "b & d", "c & d"]
    both = OBSERVERS[["c", "d"]].dropna().astype(int)
    assert kappas["c & d"] == pytest.approx(cohens_kappa(pd.crosstab(both["c"], both["d"]).to_numpy()).kappa)


@pytest.mark.parametrize(
    ("method", "weights", "value", "std_error"),
    [
        # R package irrCAC 1.0, vignettes overview and weighting.
        ("fleiss_kappa", None, 0.4139265, 0.08119291),
        ("gwet_ac", None, 0.4448007, 0.08418757),
        ("krippendorff_alpha", "nominal", 0.4204384, None),
        ("gwet_ac", "quadratic", 0.4837438, 0.1058227),
        ("fleiss_kappa", "quadratic", 0.2511909, 0.1457381),
        ("krippendorff_alpha", "interval", 0.259511, None),
    ],
)
def test_published_counts_by_six_raters(method: Any, weights: Any, value: float, std_error: float | None) -> None:
    layout = RatingLayout(kind="counts", categories=(1, 2, 3, 4, 5))
    result = agreement(SIX, list(SIX.columns), method=method, layout=layout, weights=weights)
    assert first(result) == pytest.approx(value, abs=5e-7)
    if std_error is not None:
        assert first(result, "std_error") == pytest.approx(std_error, abs=5e-8)


def test_the_interval_of_a_published_ac1_comes_out() -> None:
    # R package irrCAC 1.0, vignette overview: AC1 .4448, interval (.264, .625), t with 14 degrees of freedom.
    result = agreement(SIX, list(SIX.columns), method="gwet_ac", layout=COUNTS)
    assert first(result, "df") == 14
    assert first(result, "conf_low") == pytest.approx(0.264, abs=5e-4)
    assert first(result, "conf_high") == pytest.approx(0.625, abs=5e-4)


@pytest.mark.parametrize(
    ("weights", "value"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849), ("ratio", 0.797)]
)
def test_krippendorffs_own_example(weights: str, value: float) -> None:
    result = agreement(OBSERVERS, RATERS, method="krippendorff_alpha", weights=weights)
    assert first(result) == pytest.approx(value, abs=5e-4)
    assert first(result, "n") == 11


@pytest.mark.parametrize(
    ("method", "weights", "value", "observed"),
    [
        # R package irrCAC 1.0, vignettes overview and weighting, data cac.raw4raters.
        ("gwet_ac", None, 0.77544, 0.8181818),
        ("fleiss_kappa", None, 0.76117, 0.8181818),
        ("krippendorff_alpha", "nominal", 0.74342, 0.805),
        ("gwet_ac", "quadratic", 0.914, 0.9753788),
        ("fleiss_kappa", "quadratic", 0.86494, 0.9753788),
        ("krippendorff_alpha", "interval", 0.84911, 0.9735938),
    ],
)
def test_published_coefficients_with_missing_ratings(method: Any, weights: Any, value: float, observed: float) -> None:
    result = agreement(OBSERVERS, RATERS, method=method, weights=weights)
    assert first(result) == pytest.approx(value, abs=5e-6)
    share = result.tidy().query("term == 'observed_agreement'")["estimate"].iloc[0]
    assert share == pytest.approx(observed, abs=5e-7)


@pytest.mark.parametrize(
    ("method", "weights", "value", "std_error"),
    [
        # R package irrCAC 1.0, vignettes overview and weighting, data cont3x3abstractors; the large-sample standard errors
        # there divide by n, those here by n - 1, except for kappa.
        ("cohen_kappa", None, 0.7964094, 0.05891072),
        ("cohen_kappa", "quadratic", 0.8921569, 0.03535151),
        ("gwet_ac", None, 0.8493305, 0.04321747 * np.sqrt(100 / 99)),
        ("gwet_ac", "quadratic", 0.9402369, 0.01792019 * np.sqrt(100 / 99)),
        ("krippendorff_alpha", "nominal", 0.7972585, None),
        ("krippendorff_alpha", "interval", 0.8926487, None),
    ],
)
def test_published_table_of_two_raters(method: Any, weights: Any, value: float, std_error: float | None) -> None:
    result = agreement(pairs(ABSTRACTORS), CODERS, method=method, weights=weights)
    assert first(result) == pytest.approx(value, abs=5e-8)
    if std_error is not None:
        assert first(result, "std_error") == pytest.approx(std_error, rel=2e-6)


@pytest.mark.parametrize(
    ("method", "weights"),
    [("fleiss_kappa", "nominal"), ("gwet_ac", "linear"), ("krippendorff_alpha", "interval"), ("cohen_kappa", "linear")],
)
@pytest.mark.parametrize("copies", [1, 8])
def test_standard_errors_are_near_those_of_leaving_one_unit_out(method: Any, weights: str, copies: int) -> None:
    layout = RatingLayout(categories=(1, 2, 3, 4, 5))
    data = OBSERVERS if method != "cohen_kappa" else OBSERVERS[["c", "d"]].dropna()
    data = pd.concat([data] * copies, ignore_index=True)
    names = list(data.columns)
    result = agreement(data, names, method=method, weights=weights, layout=layout)
    left_out = [
        first(agreement(data.drop(index=row), names, method=method, weights=weights, layout=layout))
        for row in data.index[: len(data) // copies]
    ]
    n = len(data)
    jackknife = np.sqrt((n - 1) / n * copies * ((left_out - np.mean(left_out)) ** 2).sum())
    assert first(result, "std_error") == pytest.approx(jackknife, rel=0.25 if copies == 1 else 0.03)


@pytest.mark.parametrize(("who", "n", "value"), [("therapist", 216, 0.737), ("client", 212, 0.467)])
def test_annotators_of_counselling_conversations(who: str, n: int, value: float) -> None:
    # AnnoMI: ten annotators of counselling conversations; the source stands in the file.
    stored = json.loads((Path(__file__).parents[1] / "golden" / "annomi_splits.json").read_text())[who]
    splits = pd.DataFrame(stored["rows"], columns=stored["columns"])
    frame = splits.loc[splits.index.repeat(splits["n_utterances"])].drop(columns="n_utterances")
    result = agreement(frame, list(frame.columns), method="fleiss_kappa", layout=COUNTS)
    assert first(result, "n") == n
    assert first(result) == pytest.approx(value, abs=5e-4)
    assert first(result) == pytest.approx(statsmodels_fleiss_kappa(frame.to_numpy()), rel=1e-10)


def test_kappa_of_each_category_is_that_of_the_category_against_the_others() -> None:
    table = agreement(SIX, list(SIX.columns), method="fleiss_kappa", layout=COUNTS).tidy().set_index("category")
    for name in SIX.columns:
        rest = pd.DataFrame({"yes": SIX[name], "no": 6 - SIX[name]})
        assert table.loc[name, "estimate"] == pytest.approx(statsmodels_fleiss_kappa(rest.to_numpy()), rel=1e-10)
    coded = pairs(ABSTRACTORS)
    by_category = agreement(coded, CODERS, method="cohen_kappa").tidy().set_index("category")
    two = pd.crosstab(coded["a"] == 1, coded["b"] == 1).to_numpy()
    assert by_category.loc["1", "estimate"] == pytest.approx(cohens_kappa(two).kappa)


def test_weighted_coefficients_have_no_rows_by_category() -> None:
    assert (agreement(OBSERVERS, RATERS, method="gwet_ac", weights="linear").tidy()["category"] == "").all()


@pytest.mark.parametrize("method", ["fleiss_kappa", "gwet_ac", "krippendorff_alpha"])
def test_wide_long_and_counts_give_the_same(method: Any) -> None:
    weights = "nominal" if method == "krippendorff_alpha" else None
    wide = OBSERVERS
    long = wide.assign(unit=range(12), part="x").melt(["unit", "part"], var_name="coder", value_name="code").dropna()
    counts = pd.DataFrame({f"c{code}": (wide == code).sum(axis=1) for code in range(1, 6)})
    layout = RatingLayout(kind="long", unit=("part", "unit"), rater="coder")
    results = [
        agreement(wide, RATERS, method=method, weights=weights),
        agreement(long, "code", method=method, weights=weights, layout=layout),
        agreement(counts, list(counts.columns), method=method, weights=weights, layout=COUNTS),
    ]
    for result in results[1:]:
        np.testing.assert_allclose(
            result.tidy()[["estimate", "std_error", "conf_low"]],
            results[0].tidy()[["estimate", "std_error", "conf_low"]],
        )


def test_raters_of_a_long_table_are_not_named() -> None:
    long = codes().assign(unit=range(40)).melt("unit", var_name="who", value_name="code")
    long["who"] = long["who"].map({"a": "Dr Jones", "b": "Dr Smith"})
    layout = RatingLayout(kind="long", unit="unit", rater="who")
    result = agreement(long, "code", method="cohen_kappa", layout=layout)
    assert result.tidy()["term2"].iloc[0] == "rater 1 & rater 2"
    assert "Jones" not in result.to_markdown()
    assert first(result) == pytest.approx(GOLDEN["kappa"][0])


def test_categories_nobody_used_count_for_ac1() -> None:
    few = agreement(pairs(ABSTRACTORS), CODERS, method="gwet_ac")
    more = agreement(pairs(ABSTRACTORS), CODERS, method="gwet_ac", layout=RatingLayout(categories=(0, 1, 2, 3)))
    assert first(more) > first(few)
    assert "4 categories count" in more.notes[1]


def test_ordered_categories_and_given_ones_have_an_order() -> None:
    words = {0: "low", 1: "middle", 2: "high"}
    numbers = pairs(ABSTRACTORS)
    named = numbers.apply(lambda column: column.map(words))
    expected = first(agreement(numbers, CODERS, method="cohen_kappa", weights="quadratic"))
    layout = RatingLayout(categories=("low", "middle", "high"))
    assert first(agreement(named, CODERS, method="cohen_kappa", weights="quadratic", layout=layout)) == pytest.approx(
        expected
    )
    ordered = named.astype(pd.CategoricalDtype(["low", "middle", "high"], ordered=True))
    assert first(agreement(ordered, CODERS, method="cohen_kappa", weights="quadratic")) == pytest.approx(expected)
    with pytest.raises(DataError, match=r"order of the categories matters(.|\n)*categories="):
        agreement(named, CODERS, method="cohen_kappa", weights="quadratic")


def test_coefficients_by_session() -> None:
    frame = codes().assign(session=[1] * 25 + [2] * 15)
    table = agreement(frame, CODERS, method="cohen_kappa", by="session").tidy()
    table = table[(table["term"] == "cohen_kappa") & (table["category"] == "")].set_index("level")
    alone = agreement(frame.iloc[:25], CODERS, method="cohen_kappa")
    assert table.loc[1, "estimate"] == pytest.approx(first(alone))
    assert table["n"].to_dict() == {"": 40, 1: 25, 2: 15}
    assert table["group"].tolist() == ["", "session", "session"]


def test_intraclass_correlations_agree_with_psych() -> None:
    table = agreement(points(), RATERS, method="icc").tidy()
    assert table["term"].tolist() == ["ICC(1)", "ICC(A,1)", "ICC(C,1)", "ICC(1,k)", "ICC(A,k)", "ICC(C,k)"]
    np.testing.assert_allclose(table["estimate"], GOLDEN["icc"], rtol=GOLDEN["rtol"])
    np.testing.assert_allclose(table["conf_low"], GOLDEN["icc_low"], rtol=GOLDEN["rtol"])
    np.testing.assert_allclose(table["conf_high"], GOLDEN["icc_high"], rtol=GOLDEN["rtol"])


def test_level_of_intraclass_intervals_is_used() -> None:
    table = agreement(points(), RATERS, method="icc", interval=AgreementInterval(level=0.8)).tidy()
    np.testing.assert_allclose(table["conf_low"], GOLDEN["icc_low_80"], rtol=GOLDEN["rtol"])
    np.testing.assert_allclose(table["conf_high"], GOLDEN["icc_high_80"], rtol=GOLDEN["rtol"])
    assert (table["conf_level"] == 0.8).all()


def test_shrout_and_fleiss() -> None:
    # Shrout & Fleiss (1979) Psychological Bulletin 86, p. 424, Table 4: .17, .29, .71, .44, .62, .91.
    table = agreement(points("shrout"), RATERS, method="icc").tidy()
    assert table["estimate"].round(2).tolist() == [0.17, 0.29, 0.71, 0.44, 0.62, 0.91]
    np.testing.assert_allclose(table["estimate"], GOLDEN["shrout_icc"], rtol=GOLDEN["rtol"])


def test_intraclass_correlations_with_missing_ratings_agree_with_lme4() -> None:
    result = agreement(points("gaps"), RATERS, method="icc")
    table = result.tidy()
    np.testing.assert_allclose(table["estimate"], GOLDEN["gaps_icc"], rtol=GOLDEN["rtol_components"])
    assert (table["conf_low"] < table["estimate"]).all()
    assert (table["estimate"] < table["conf_high"]).all()
    assert any("missing at random" in note for note in result.notes)


def test_incomplete_tables_count_as_many_ratings_per_unit_as_the_harmonic_mean() -> None:
    from alliance_stats.scales.intraclass import components_as_squares

    values = points("gaps").to_numpy(copy=True)
    values[:10, 1:3] = np.nan
    counts = (~np.isnan(values)).sum(axis=1)
    values, counts = values[counts > 0], counts[counts > 0]
    assert components_as_squares(values).k == pytest.approx(len(counts) / (1 / counts).sum())


def test_components_of_a_complete_table_give_what_mean_squares_give() -> None:
    from alliance_stats.scales.intraclass import components_as_squares, mean_squares

    values = points().to_numpy()
    exact, fitted = mean_squares(values), components_as_squares(values)
    for name in ("units", "raters", "error", "within", "n", "k"):
        assert getattr(fitted, name) == pytest.approx(getattr(exact, name), rel=1e-5)


def test_limits_of_agreement_and_their_standard_errors() -> None:
    table = agreement(points(), ["a", "b"], method="limits_of_agreement").tidy()
    assert table["term"].tolist() == ["mean_difference", "sd_difference", "lower_limit", "upper_limit"]
    np.testing.assert_allclose(table["estimate"], GOLDEN["limits"], rtol=GOLDEN["rtol"])
    np.testing.assert_allclose(table["std_error"].iloc[[0, 2, 3]], np.take(GOLDEN["limits_se"], [0, 1, 1]), rtol=1e-8)
    low = GOLDEN["limits"][0] - 2.0226909200367595 * GOLDEN["limits_se"][0]  # t(39) at .975
    assert table["conf_low"].iloc[0] == pytest.approx(low, rel=1e-6)


def test_limits_of_agreement_with_repeated_sessions() -> None:
    frame = pd.DataFrame({"a": GOLDEN["repeated_difference"], "b": 0.0, "patient": [i % 11 for i in range(40)]})
    layout = RatingLayout(unit="patient")
    table = agreement(frame, CODERS, method="limits_of_agreement", layout=layout).tidy()
    np.testing.assert_allclose(table["estimate"], GOLDEN["repeated_limits"], rtol=GOLDEN["rtol"])
    assert table["n"].tolist() == [11] * 4
    frame["site"] = "one"
    named = RatingLayout(unit=("site", "patient"))
    again = agreement(frame, CODERS, method="limits_of_agreement", layout=named).tidy()
    pd.testing.assert_frame_equal(again, table)


def test_the_standard_error_of_the_spread_with_repeated_sessions() -> None:
    # Ten patients, four sessions: MSB and MSW by hand, variances of mean squares 2 MS^2 / df.
    patient = np.repeat(np.arange(10), 4)
    difference = 3 * np.sin(patient * 2.1) + np.sin(np.arange(40) * 1.7)
    means = difference.reshape(10, 4).mean(axis=1)
    msb = 4 * means.var(ddof=1)
    msw = ((difference - means[patient]) ** 2).sum() / 30
    spread2 = (msb - msw) / 4 + msw
    variance = 2 * (msb / 4) ** 2 / 9 + 2 * (0.75 * msw) ** 2 / 30
    frame = pd.DataFrame({"a": difference, "b": 0.0, "patient": patient})
    layout = RatingLayout(unit="patient")
    table = agreement(frame, CODERS, method="limits_of_agreement", layout=layout).tidy()
    assert table["estimate"].iloc[1] == pytest.approx(np.sqrt(spread2))
    assert table["std_error"].iloc[1] == pytest.approx(np.sqrt(variance / (4 * spread2)))
    assert table["std_error"].iloc[0] == pytest.approx(np.sqrt(msb / 40))


def test_patients_who_differ_less_than_chance_add_no_variance() -> None:
    frame = pd.DataFrame({"a": [1.0, -1, 1.2, -1.2, 0.9, -1, 1, -1.1], "b": 0.0, "patient": [1, 1, 2, 2, 3, 3, 4, 4]})
    layout = RatingLayout(unit="patient")
    table = agreement(frame, CODERS, method="limits_of_agreement", layout=layout).tidy()
    assert table["estimate"].iloc[1] == pytest.approx(frame["a"].std())


def test_standard_errors_with_repeated_sessions_match_simulated_spread() -> None:
    rng = np.random.default_rng(11)
    patient = np.repeat(np.arange(25), 3)
    found = []
    for _ in range(300):
        difference = rng.normal(0, 2, size=25)[patient] + rng.normal(0, 1.5, size=75)
        frame = pd.DataFrame({"a": difference, "b": 0.0, "patient": patient})
        layout = RatingLayout(unit="patient")
        found.append(agreement(frame, CODERS, method="limits_of_agreement", layout=layout).tidy())
    estimates = np.array([table["estimate"] for table in found])
    errors = np.array([table["std_error"] for table in found]).mean(axis=0)
    # Four standard errors of a standard deviation from 300 samples.
    np.testing.assert_allclose(errors, estimates.std(axis=0, ddof=1), rtol=4 / np.sqrt(600))


@pytest.mark.parametrize(
    ("method", "weights"),
    [
        ("cohen_kappa", None),
        ("fleiss_kappa", None),
        ("gwet_ac", None),
        ("krippendorff_alpha", "ordinal"),
        ("icc", None),
    ],
)
def test_resampled_intervals_are_near_the_analytic_ones(method: Any, weights: Any) -> None:
    frame = codes() if method != "icc" else points()
    names = list(frame.columns)
    interval = AgreementInterval(n_resamples=400, seed=6)
    drawn = agreement(frame, names, method=method, weights=weights, interval=interval).tidy().iloc[0]
    exact = agreement(frame, names, method=method, weights=weights).tidy().iloc[0]
    width = exact["conf_high"] - exact["conf_low"]
    assert drawn["estimate"] == exact["estimate"]
    assert drawn["conf_high"] - drawn["conf_low"] == pytest.approx(width, rel=0.3)
    assert drawn["std_error"] > 0


def test_resampling_depends_on_the_seed_and_not_on_the_order_of_rows() -> None:
    def ends(frame: pd.DataFrame, seed: int, method: Any) -> list[float]:
        interval = AgreementInterval(n_resamples=200, seed=seed, progress=False)
        table = agreement(frame, CODERS, method=method, interval=interval).tidy()
        return [float(value) for value in table.iloc[0][["conf_low", "conf_high", "std_error"]]]

    shuffled = codes().sample(frac=1, random_state=9)
    for method in ("cohen_kappa", "fleiss_kappa", "icc", "limits_of_agreement"):
        assert ends(codes(), 1, method) == pytest.approx(ends(shuffled, 1, method), rel=1e-9)
        assert ends(codes(), 1, method) != ends(codes(), 2, method)


def test_few_resamples_with_missing_ratings_go_through_the_model() -> None:
    frame = points("gaps").iloc[:15]
    interval = AgreementInterval(n_resamples=100, seed=3, progress=False)
    table = agreement(frame, RATERS, method="icc", interval=interval).tidy()
    assert (table["conf_low"] < table["conf_high"]).all()


@pytest.mark.parametrize("method", METHODS)
def test_order_of_rows_and_names_of_raters_do_not_matter(method: Any) -> None:
    weights = "interval" if method == "krippendorff_alpha" else None
    frame = codes()
    one = agreement(frame, CODERS, method=method, weights=weights).tidy()
    two = agreement(
        frame.sample(frac=1, random_state=4).rename(columns={"a": "x", "b": "y"}),
        ["x", "y"],
        method=method,
        weights=weights,
    ).tidy()
    np.testing.assert_allclose(one["estimate"], two["estimate"], rtol=1e-10)


@pytest.mark.parametrize("method", ["cohen_kappa", "fleiss_kappa", "krippendorff_alpha", "gwet_ac"])
def test_perfect_agreement_is_one(method: Any) -> None:
    frame = pd.DataFrame({"a": [1, 2, 3, 1, 2], "b": [1, 2, 3, 1, 2]})
    weights = "nominal" if method == "krippendorff_alpha" else None
    assert first(agreement(frame, CODERS, method=method, weights=weights)) == 1


def test_tidy_uses_the_vocabulary_first() -> None:
    columns = list(agreement(codes(), CODERS, method="fleiss_kappa").tidy().columns)
    known = [name for name in columns if name in COLUMNS]
    assert columns[: len(known)] == known == sorted(known, key=COLUMNS.index)


def test_glance_counts_cells() -> None:
    glance = agreement(OBSERVERS, RATERS, method="gwet_ac").glance().iloc[0]
    assert glance[["n", "n_raters", "n_ratings", "n_missing", "n_categories"]].tolist() == [12, 4, 41, 7, 5]
    assert glance["weights"] == "nominal"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "kappa"}, "No method 'kappa'(.|\n)*use one of cohen_kappa"),
        ({"method": "krippendorff_alpha"}, "depends on its metric(.|\n)*'ordinal'"),
        ({"method": "krippendorff_alpha", "weights": "linear"}, "No metric 'linear'(.|\n)*interval"),
        ({"method": "cohen_kappa", "weights": "ordinal"}, "No weights 'ordinal'(.|\n)*quadratic or a matrix"),
        ({"method": "cohen_kappa", "weights": np.eye(2)}, "symmetric 4 x 4(.|\n)*1 - d / max"),
        ({"method": "icc", "weights": "linear"}, "'icc' has no weights(.|\n)*leave weights= out"),
        ({"layout": RatingLayout(kind="tall")}, "No layout 'tall'(.|\n)*'wide', 'long' or 'counts'"),  # type: ignore[arg-type]
        ({"layout": RatingLayout(categories=(1, 2))}, "not among the categories(.|\n)*list all of them"),
        ({"method": "icc", "layout": COUNTS}, "no ratings by rater(.|\n)*one column per rater"),
        ({"method": "cohen_kappa", "layout": COUNTS}, "do not tell raters apart(.|\n)*fleiss_kappa"),
        ({"interval": lambda: AgreementInterval(n_resamples=200)}, "needs a seed(.|\n)*seed=1"),
        ({"interval": lambda: AgreementInterval(n_resamples=20, seed=1)}, "n_resamples = 20(.|\n)*1000"),
        ({"interval": lambda: AgreementInterval(level=95)}, "level = 95(.|\n)*0.95"),
    ],
)
def test_what_cannot_be_computed_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        computed(change)


def computed(change: dict[str, Any]) -> Agreement:
    given = {name: value() if callable(value) else value for name, value in change.items()}
    return agreement(codes(), CODERS, **{"method": "fleiss_kappa", **given})


@pytest.mark.parametrize(
    ("frame", "change", "message"),
    [
        (pd.DataFrame({"a": [1, 1], "b": [1, 1]}), {}, "All ratings are one category(.|\n)*share of agreement"),
        (pd.DataFrame({"a": [1, MISSING], "b": [MISSING, 2]}), {}, "No unit has two ratings(.|\n)*ratings="),
        (
            pd.DataFrame({"a": [0.5, 1], "b": [1, 2]}),
            {"layout": COUNTS},
            "1 counts are missing, negative(.|\n)*write 0",
        ),
        (pd.DataFrame({"a": ["x", "y"], "b": ["x", "x"]}), {"method": "icc"}, "(.|\n)*should hold numbers"),
        (pd.DataFrame({"a": [3, 3], "b": [3, 3]}), {"method": "icc"}, "All ratings are the same(.|\n)*vary"),
        (pd.DataFrame({"a": [3, np.inf], "b": [3, 3]}), {"method": "icc"}, "1 ratings are infinite(.|\n)*missing"),
        (
            pd.DataFrame({"a": [1, 2], "b": [3, 5]}),
            {"method": "limits_of_agreement"},
            "2 subjects(.|\n)*at least three",
        ),
        (
            pd.DataFrame({"a": ["x", "y"], "b": ["x", "x"]}),
            {"method": "krippendorff_alpha", "weights": "interval", "layout": RatingLayout(categories=("x", "y"))},
            "interval metric needs numbers(.|\n)*'ordinal'",
        ),
        (
            pd.DataFrame({"a": [-1, 2], "b": [1, 2]}),
            {"method": "krippendorff_alpha", "weights": "ratio"},
            "ratio metric needs numbers from 0(.|\n)*'interval'",
        ),
        (
            pd.DataFrame({"a": [1, 2, MISSING, MISSING], "b": [MISSING, MISSING, 1, 2], "c": [1, 2, 1, 2]}),
            {"method": "cohen_kappa", "ratings": ["a", "b", "c"]},
            "rated no unit in common(.|\n)*krippendorff_alpha",
        ),
        (
            pd.DataFrame({"unit": [1, 1, 2], "who": [1, 1, 2], "a": [1, 2, 1]}),
            {"ratings": "a", "layout": RatingLayout(kind="long", unit="unit", rater="who")},
            "1 rows repeat the unit, who(.|\n)*one rating per unit",
        ),
        (
            pd.DataFrame({"unit": [1, 2], "who": [1, 1], "a": [1, 2]}),
            {"ratings": "a", "layout": RatingLayout(kind="long", unit="unit", rater="who")},
            "'who' has 1 rater(.|\n)*at least two",
        ),
        (
            pd.DataFrame({"a": [1, 2], "b": [0, 1]}),
            {"layout": RatingLayout(kind="counts", categories=(1, 2, 3))},
            "3 categories for 2 columns(.|\n)*one category per column",
        ),
    ],
)
def test_ratings_that_cannot_be_compared_are_refused(frame: pd.DataFrame, change: dict[str, Any], message: str) -> None:
    given = {"ratings": CODERS, "method": "fleiss_kappa", **change}
    with pytest.raises((DataError, ColumnError), match=message):
        agreement(frame, **given)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ratings": ["a", "nobody"]}, "No column 'nobody'(.|\n)*Hint"),
        ({"ratings": ["a", "a"]}, "1 different columns of 2(.|\n)*one column per rater"),
        ({"ratings": ["a"], "layout": COUNTS}, "One category(.|\n)*all categories"),
        ({"layout": RatingLayout(kind="long")}, "one column of ratings, the rater and the unit(.|\n)*transcript"),
        ({"by": "patient"}, "show single people(.|\n)*session"),
    ],
)
def test_wrong_columns_are_refused(change: dict[str, Any], message: str) -> None:
    given = {"ratings": CODERS, "method": "fleiss_kappa", **change}
    with pytest.raises(ColumnError, match=message):
        agreement(codes().assign(patient=1), **given)
