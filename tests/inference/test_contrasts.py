"""Contrasts: weights, adjustments, joint tests, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from alliance_stats import lmm
from alliance_stats.errors import ModelError
from alliance_stats.inference import adjustment
from alliance_stats.inference.adjustment import adjusted_p, half_widths
from alliance_stats.inference.contrasts import contrasts
from alliance_stats.inference.linear import joint_test, linear_inference
from alliance_stats.inference.marginal_means import MarginalMeans, marginal_means
from alliance_stats.inference.slopes import slopes
from alliance_stats.mixed.fit import LmmFit

DATA = Path(__file__).resolve().parents[1] / "golden" / "data"
SECRET = "ZZ-secret-"


def sessions() -> pd.DataFrame:
    return pd.read_csv(DATA / "alliance_sessions.csv")


@pytest.fixture(scope="module")
def fit() -> LmmFit:
    return lmm("distress ~ arm * phase + alliance + (1 | patient) + (1 | therapist)", sessions())


@pytest.fixture(scope="module")
def means(fit: LmmFit) -> MarginalMeans:
    return marginal_means(fit, "arm", at={"phase": ["early", "late"]})


def test_pairs_are_the_earlier_minus_the_later(means: MarginalMeans) -> None:
    table = contrasts(means).tidy()
    cells = means.tidy().set_index(["group", "level"])["estimate"]
    expected = [
        cells[row.group, row.term.split(" - ")[0]] - cells[row.group, row.term.split(" - ")[1]]
        for row in table.itertuples()
    ]
    np.testing.assert_allclose(table["estimate"], expected, rtol=1e-9)


def test_the_reference_can_be_any_level(means: MarginalMeans) -> None:
    table = contrasts(means, kind="reference", reference="waiting").tidy()
    assert table["term"].tolist() == ["brief - waiting", "full - waiting"] * 2


def test_a_reference_of_two_predictors_is_a_tuple(fit: LmmFit) -> None:
    cells = marginal_means(fit, ["arm", "phase"])
    table = contrasts(cells, kind="reference", reference=("waiting", "late")).tidy()
    assert len(table) == 5
    assert all(term.endswith(" - waiting, late") for term in table["term"])


def test_own_weights_by_name_and_by_place_agree(means: MarginalMeans) -> None:
    named = contrasts(means, kind={"treated": {"brief": 0.5, "full": 0.5, "waiting": -1}}).tidy()
    placed = contrasts(means, kind={"treated": [0.5, 0.5, -1]}).tidy()
    array = contrasts(means, kind=np.array([[0.5, 0.5, -1]])).tidy()
    pd.testing.assert_frame_equal(named, placed)
    assert array["term"].tolist() == ["contrast 1"] * 2
    np.testing.assert_array_equal(array["estimate"], named["estimate"])
    cells = means.tidy()["estimate"].to_numpy().reshape(2, 3)
    np.testing.assert_allclose(named["estimate"], cells @ [0.5, 0.5, -1], rtol=1e-9)


def test_coefficients_of_a_fit_can_be_combined(fit: LmmFit) -> None:
    table = contrasts(fit, kind={"both": {"alliance": 2, "arm[T.full]": -1}}, df="normal").tidy()
    beta = fit.fixed_effects
    assert table["estimate"][0] == pytest.approx(2 * beta["alliance"] - beta["arm[T.full]"])
    assert np.isinf(table["df"][0])


def test_robust_tests_of_coefficients(fit: LmmFit) -> None:
    row = np.eye(len(fit.term_names))[[1]]
    table = contrasts(fit, kind=row, robust="CR2", cluster="therapist").tidy()
    expected = linear_inference(fit, row, robust="CR2", cluster="therapist")
    assert table["std_error"][0] == pytest.approx(expected.std_error[0])
    assert table["df"][0] == pytest.approx(expected.df[0])


def test_contrasts_of_robust_means_are_robust(fit: LmmFit) -> None:
    source = marginal_means(fit, "arm", robust="CR2", cluster="therapist")
    found = contrasts(source)
    expected = linear_inference(fit, found.found.combinations, robust="CR2", cluster="therapist")
    np.testing.assert_allclose(found.tidy()["std_error"], expected.std_error)
    assert any("cluster-robust" in note for note in found.notes)


def test_slopes_are_contrasted_within_conditions() -> None:
    fit = lmm("distress ~ session * arm + poly(session, 2) + (1 | patient)", sessions())
    source = slopes(fit, "session", by="arm", at={"session": [2, 5]})
    table = contrasts(source, adjust="holm").tidy()
    assert table["group"].tolist() == ["session = 2"] * 3 + ["session = 5"] * 3
    np.testing.assert_allclose(table["estimate"][:3], table["estimate"][3:], rtol=1e-7)


@pytest.mark.parametrize("adjust", ["tukey", "holm", "bonferroni", "bh"])
def test_adjustment_is_within_conditions_and_never_lowers_p(means: MarginalMeans, adjust: Any) -> None:
    table = contrasts(means, adjust=adjust).tidy()
    assert (table["p_value"] >= table["p_unadjusted"] - 1e-12).all()
    alone = contrasts(marginal_means(means.fit, "arm", at={"phase": "late"}), adjust=adjust).tidy()
    np.testing.assert_allclose(table["p_value"][3:], alone["p_value"], rtol=1e-9)
    assert table["p_value"].max() <= 1.0


def test_tukey_for_two_means_is_the_t_test() -> None:
    t, df = np.array([2.1, -0.7]), np.array([7.5, 30.0])
    np.testing.assert_allclose(adjusted_p(t, df, adjust="tukey", n_means=2), 2 * stats.t.sf(np.abs(t), df), rtol=1e-8)
    widths = half_widths(df, adjust="tukey", n_means=2, level=0.9)
    np.testing.assert_allclose(widths, stats.t.ppf(0.95, df), rtol=1e-8)


def test_tukey_intervals_agree_with_tukey_tests(means: MarginalMeans) -> None:
    found = contrasts(means, adjust="tukey")
    p = found.tidy()["p_value"][5]
    row = found.tidy(level=1 - p).iloc[5]
    assert min(abs(row["conf_low"]), abs(row["conf_high"])) < 1e-6 * row["std_error"]


def test_many_df_are_interpolated_to_the_quantiles_themselves() -> None:
    df = np.r_[np.linspace(3.5, 80, adjustment.MAX_SEARCHES + 3), np.inf]
    expected = stats.studentized_range.ppf(0.95, 4, np.minimum(df, adjustment.LARGE_DF)) / np.sqrt(2)
    np.testing.assert_allclose(half_widths(df, adjust="tukey", n_means=4, level=0.95), expected, rtol=1e-7)


def test_holm_and_bonferroni_intervals_are_bonferronis_and_bh_ones_unadjusted() -> None:
    df = np.array([5.0, 12.0, np.inf])
    for adjust in ("holm", "bonferroni"):
        widths = half_widths(df, adjust=adjust, n_means=3, level=0.94)  # type: ignore[arg-type]
        np.testing.assert_allclose(widths, stats.t.ppf(0.99, df))
    np.testing.assert_allclose(half_widths(df, adjust="bh", n_means=3, level=0.94), stats.t.ppf(0.97, df))


def test_missing_contrasts_do_not_count_in_the_family() -> None:
    t, df = np.array([2.5, np.nan, 1.0]), np.array([9.0, np.nan, 9.0])
    for adjust in ("holm", "bonferroni", "bh"):
        found = adjusted_p(t, df, adjust=adjust, n_means=3)  # type: ignore[arg-type]
        assert np.isnan(found[1])
        np.testing.assert_allclose(
            found[[0, 2]],
            adjusted_p(t[[0, 2]], df[[0, 2]], adjust=adjust, n_means=3),  # type: ignore[arg-type]
        )


def test_the_joint_test_is_that_of_the_combinations(means: MarginalMeans) -> None:
    found = contrasts(means)
    table = found.joint()
    assert table["group"].tolist() == ["phase = early", "phase = late"]
    expected = joint_test(means.fit, found.found.combinations[3:])
    assert table["statistic"][1] == pytest.approx(expected.statistic)
    assert table["df_numerator"][1] == 2
    assert table["p_value"][1] == pytest.approx(expected.p_value)


def test_a_missing_cell_makes_only_its_contrasts_missing() -> None:
    frame = sessions().query("not (arm == 'full' and phase == 'late')")
    fit = lmm("distress ~ arm * phase + (1 | patient)", frame)
    source = marginal_means(fit, "arm", at={"phase": ["early", "late"]})
    found = contrasts(source, adjust="holm")
    missing = found.tidy().set_index(["group", "term"])["estimate"].isna()
    assert missing[missing].index.tolist() == [("phase = late", "brief - full"), ("phase = late", "full - waiting")]
    assert found.joint()["df_numerator"].tolist() == [2, 1]


@pytest.mark.parametrize(
    ("adjust", "words"),
    [("none", "not adjusted"), ("tukey", "Kramer"), ("holm", "intervals after Bonferroni"), ("bh", "are not adjusted")],
)
def test_notes_say_what_was_adjusted(means: MarginalMeans, adjust: Any, words: str) -> None:
    assert words in contrasts(means, adjust=adjust).notes[1]


def test_glance_describes_the_analysis(means: MarginalMeans) -> None:
    row = contrasts(means, adjust="holm").glance().iloc[0]
    assert row[["n_contrasts", "adjust", "df_method", "covariance"]].tolist() == [6, "holm", "satterthwaite", "model"]


BAD: list[tuple[dict[str, Any], str]] = [
    ({"kind": "pairs"}, r"No kind of contrast 'pairs'(.|\n)*Hint"),
    (
        {"kind": {"x": {"fast": 1, "full": -1}}},
        r"'x' names a cell that is not there; there are 3(.|\n)*Hint: write cells",
    ),
    ({"kind": {"x": [1, -1]}}, r"'x' has 2 weights for 3 cells(.|\n)*Hint: give one number"),
    ({"kind": {"x": [0, 0, 0]}}, r"'x' are missing, infinite, or all zero(.|\n)*Hint"),
    ({"kind": {}}, r"no contrast(.|\n)*Hint"),
    ({"kind": 3 * [["a"]]}, r"holds no weights(.|\n)*Hint: use \"pairwise\""),
    ({"reference": "waiting"}, r"reference= is for one kind(.|\n)*Hint: use kind=\"reference\""),
    ({"kind": "reference", "reference": "fast"}, r"levels of arm; there are 3(.|\n)*Hint: write levels"),
    ({"adjust": "tukeys"}, r"'tukeys'(.|\n)*Hint: did you mean 'tukey'"),
    ({"adjust": "tukey", "kind": "reference"}, r"is for all pairs(.|\n)*Hint: use kind=\"pairwise\""),
    ({"df": "normal"}, r"bring theirs(.|\n)*Hint: pass them to marginal_means"),
    ({"robust": "CR2"}, r"bring theirs"),
    ({"cluster": "patient"}, r"bring theirs"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_bad_arguments_are_named(means: MarginalMeans, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        contrasts(means, **arguments)


def test_a_coefficient_that_is_not_there_is_named(fit: LmmFit) -> None:
    with pytest.raises(
        ModelError,
        match=r"contrast 'x' names something that is not there. No coefficient 'aliance'(.|\n)*Hint: did you mean 'alliance'",
    ):
        contrasts(fit, kind={"x": {"aliance": 1}})


def test_a_fit_has_no_pairs(fit: LmmFit) -> None:
    with pytest.raises(ModelError, match=r"a fit has coefficients(.|\n)*Hint: pass marginal_means"):
        contrasts(fit)


def test_something_else_is_refused() -> None:
    with pytest.raises(ModelError, match=r"DataFrame(.|\n)*Hint: pass what marginal_means"):
        contrasts(pd.DataFrame())  # type: ignore[arg-type]


def test_slopes_that_do_not_differ_in_the_model_are_refused(fit: LmmFit) -> None:
    with pytest.raises(
        ModelError, match=r"3 of 3 contrasts are zero(.|\n)*slopes do not depend on arm(.|\n)*Hint: put the interaction"
    ):
        contrasts(slopes(fit, "alliance", by="arm"))


def test_one_cell_cannot_be_compared(fit: LmmFit) -> None:
    with pytest.raises(ModelError, match=r"one cell to compare(.|\n)*Hint"):
        contrasts(marginal_means(fit, "arm", at={"arm": "full"}))
    with pytest.raises(ModelError, match=r"one cell per condition(.|\n)*Hint: name what is compared"):
        contrasts(slopes(fit, "alliance"))


def test_levels_are_not_seen_in_messages() -> None:
    frame = sessions()
    frame["role"] = SECRET + frame["therapist"]
    means = marginal_means(lmm("distress ~ role + (1 | patient)", frame), "role")
    for arguments in ({"kind": {"x": {"other": 1}}}, {"kind": "reference", "reference": "other"}):
        with pytest.raises(ModelError) as error:
            contrasts(means, **arguments)  # type: ignore[arg-type]
        assert SECRET not in str(error.value)
