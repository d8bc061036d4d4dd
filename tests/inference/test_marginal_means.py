"""What marginal means average over, hold, refuse and say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from alliance_stats import lmm
from alliance_stats.errors import ModelError
from alliance_stats.inference import reference_grid
from alliance_stats.inference.linear import linear_inference
from alliance_stats.inference.marginal_means import marginal_means
from alliance_stats.mixed.fit import LmmFit

DATA = Path(__file__).resolve().parents[1] / "golden" / "data"
SECRET = "ZZ-secret-"


def sessions() -> pd.DataFrame:
    return pd.read_csv(DATA / "alliance_sessions.csv")


@pytest.fixture(scope="module")
def fit() -> LmmFit:
    return lmm("distress ~ arm * phase + alliance + (1 | patient) + (1 | therapist)", sessions())


def test_means_are_predictions_of_the_fixed_part(fit: LmmFit) -> None:
    table = marginal_means(fit, ["arm", "phase"], at={"alliance": 3.5}).tidy()
    expected = fit.predict(table[["arm", "phase"]].assign(alliance=3.5), random=False)
    np.testing.assert_allclose(table["estimate"], expected)


def test_numbers_are_held_at_their_mean_over_the_rows_used(fit: LmmFit) -> None:
    mean = sessions()["alliance"].mean()
    held = marginal_means(fit, "arm", at={"alliance": mean, "phase": "late"}).tidy()
    np.testing.assert_allclose(marginal_means(fit, "arm", at={"phase": "late"}).tidy()["estimate"], held["estimate"])
    word = marginal_means(fit, "arm", at={"alliance": "mean", "phase": "late"}).tidy()
    np.testing.assert_allclose(word["estimate"], held["estimate"])


@pytest.mark.parametrize("word", ["mean±sd", "mean+-sd"])
def test_mean_and_sd_are_those_of_the_rows(fit: LmmFit, word: str) -> None:
    alliance = sessions()["alliance"]
    cells = marginal_means(fit, "arm", at={"alliance": word}).tidy()
    expected = alliance.mean() + alliance.std() * np.array([-1, 0, 1])
    np.testing.assert_allclose(cells["alliance"].unique(), expected)


def test_equal_weights_average_the_cells_and_proportional_ones_the_rows(fit: LmmFit) -> None:
    cells = marginal_means(fit, ["arm", "phase"]).tidy().set_index(["arm", "phase"])["estimate"].unstack()  # noqa: PD010
    equal = marginal_means(fit, "arm").tidy().set_index("arm")["estimate"]
    by_rows = marginal_means(fit, "arm", weights="proportional").tidy().set_index("arm")["estimate"]
    shares = sessions()["phase"].value_counts(normalize=True)
    np.testing.assert_allclose(equal, cells.mean(axis=1))
    np.testing.assert_allclose(by_rows, cells["early"] * shares["early"] + cells["late"] * shares["late"])


def test_two_factors_averaged_over_are_weighted_by_their_combinations() -> None:
    frame = sessions()
    frame["even"] = np.where(frame["session"] % 2 == 0, "even", "odd")
    fit = lmm("distress ~ arm + phase * even + (1 | patient)", frame)
    shares = frame.value_counts(["phase", "even"], normalize=True).reset_index()
    cells = marginal_means(fit, ["arm", "phase", "even"]).tidy().merge(shares, on=["phase", "even"])
    expected = (cells["estimate"] * cells["proportion"]).groupby(cells["arm"]).sum()
    np.testing.assert_allclose(marginal_means(fit, "arm", weights="proportional").tidy()["estimate"], expected)


def test_several_values_of_a_predictor_that_is_not_compared_are_conditions(fit: LmmFit) -> None:
    table = marginal_means(fit, "arm", at={"phase": ["late", "early"]}).tidy()
    assert table["group"].tolist() == ["phase = late"] * 3 + ["phase = early"] * 3
    assert table["level"].tolist() == ["brief", "full", "waiting"] * 2


def test_at_chooses_and_orders_the_levels_compared(fit: LmmFit) -> None:
    table = marginal_means(fit, "arm", at={"arm": ["waiting", "full"], "phase": "late"}).tidy()
    assert table["arm"].tolist() == ["waiting", "full"]


def test_numbers_can_be_compared_where_at_names_values(fit: LmmFit) -> None:
    table = marginal_means(fit, "alliance", at={"alliance": [2, 5]}).tidy()
    slope = fit.fixed_effects["alliance"]
    assert table["estimate"][1] - table["estimate"][0] == pytest.approx(3 * slope)


def test_the_coding_of_a_factor_does_not_matter(fit: LmmFit) -> None:
    frame = sessions()
    frame["arm"] = pd.Categorical(frame["arm"], categories=["waiting", "full", "brief"])
    frame["phase"] = (frame["phase"] == "late").to_numpy()
    other = lmm("distress ~ C(arm) * phase + alliance + (1 | patient) + (1 | therapist)", frame)
    expected = marginal_means(fit, "arm").tidy().set_index("level").sort_index()
    found = marginal_means(other, "arm").tidy().set_index("level")
    assert list(found.index) == ["waiting", "full", "brief"]
    for name in ("estimate", "std_error", "df"):
        np.testing.assert_allclose(found[name].sort_index(), expected[name], rtol=1e-5)


def test_a_truth_value_is_a_factor() -> None:
    frame = sessions().assign(late=lambda d: d["phase"] == "late")
    fit = lmm("distress ~ late + (1 | patient)", frame)
    assert marginal_means(fit, "late").tidy()["level"].tolist() == ["False", "True"]


def test_numbers_in_c_are_a_factor() -> None:
    fit = lmm("distress ~ C(session) + (1 | patient)", sessions())
    table = marginal_means(fit, "session").tidy()
    assert table["session"].tolist() == list(range(1, 8))
    expected = fit.predict(pd.DataFrame({"session": range(1, 8)}), random=False)
    np.testing.assert_allclose(table["estimate"], expected)


def test_stateful_transforms_keep_their_state() -> None:
    fit = lmm("distress ~ arm + poly(session, 2) + center(alliance) + (1 | patient)", sessions())
    table = marginal_means(fit, "arm", at={"session": 4, "alliance": 3}).tidy()
    expected = fit.predict(table[["arm"]].assign(session=4.0, alliance=3.0), random=False)
    np.testing.assert_allclose(table["estimate"], expected)


def test_a_cell_without_rows_is_missing_and_the_others_are_not() -> None:
    frame = sessions().query("not (arm == 'full' and phase == 'late')")
    fit = lmm("distress ~ arm * phase + (1 | patient)", frame)
    found = marginal_means(fit, ["arm", "phase"])
    table = found.tidy().set_index(["arm", "phase"])["estimate"]
    assert table.isna().sum() == 1
    assert np.isnan(table["full", "late"])
    additive = marginal_means(fit, "arm").tidy().set_index("arm")["estimate"]
    assert np.isnan(additive["full"]) == additive.isna().any()
    assert any(note.startswith("1 of 6 estimates are missing") for note in found.notes)


def test_a_dropped_duplicate_leaves_every_mean_known() -> None:
    frame = sessions().assign(twice=lambda d: 2 * d["alliance"])
    fit = lmm("distress ~ arm + alliance + twice + (1 | patient)", frame)
    plain = lmm("distress ~ arm + alliance + (1 | patient)", frame)
    assert fit.dropped == ("twice",)
    found, expected = (marginal_means(own, "arm").tidy()["estimate"] for own in (fit, plain))
    np.testing.assert_allclose(found, expected)
    apart = marginal_means(fit, "arm", at={"twice": 1.0}).tidy()["estimate"]
    assert apart.isna().all()


@pytest.mark.parametrize(("df", "robust", "cluster"), [("normal", None, None), ("satterthwaite", "CR2", "therapist")])
def test_df_method_and_robust_covariance_reach_the_tests(fit: LmmFit, df: Any, robust: Any, cluster: Any) -> None:
    found = marginal_means(fit, "arm", df=df, robust=robust, cluster=cluster)
    combinations = found.found.combinations
    expected = linear_inference(fit, combinations, df=df, robust=robust, cluster=cluster)
    np.testing.assert_allclose(found.tidy()["std_error"], expected.std_error)
    np.testing.assert_allclose(found.tidy()["df"], expected.df)
    assert expected.method_note in found.notes


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_intervals_have_the_level_asked_for(fit: LmmFit, level: float) -> None:
    from scipy.stats import t

    table = marginal_means(fit, "arm").tidy(level=level)
    half = t.ppf((1 + level) / 2, table["df"]) * table["std_error"]
    np.testing.assert_allclose(table["conf_high"] - table["estimate"], half)
    np.testing.assert_allclose(table["estimate"] - table["conf_low"], half)
    assert (table["conf_level"] == level).all()


def test_a_predictor_named_like_a_column_of_the_table_keeps_its_values() -> None:
    fit = lmm("distress ~ level + (1 | patient)", sessions().rename(columns={"arm": "level"}))
    table = marginal_means(fit, "level").tidy()
    assert table.columns.is_unique
    assert table["by_level"].tolist() == ["brief", "full", "waiting"]


def test_notes_say_what_was_held_averaged_and_extrapolated(fit: LmmFit) -> None:
    notes = " ".join(marginal_means(fit, "arm", at={"alliance": 99}).notes)
    assert "alliance = 99" in notes
    assert "Averaged over the levels of phase, weighted equally" in notes
    assert "Extrapolated: values of alliance" in notes
    assert "(mean over rows)" in " ".join(marginal_means(fit, "arm").notes)
    assert "Satterthwaite" in notes


def test_glance_describes_the_analysis(fit: LmmFit) -> None:
    row = marginal_means(fit, "arm", robust="CR2", cluster="therapist").glance().iloc[0]
    assert row[["outcome", "term", "n", "n_cells", "df_method", "covariance", "weights"]].tolist() == [
        "distress", "arm", 357, 3, "satterthwaite", "CR2", "equal",
    ]  # fmt: skip


BAD: list[tuple[dict[str, Any], str]] = [
    ({"by": "arms"}, r"No predictor in the fixed part 'arms'(.|\n)*Hint: did you mean 'arm'"),
    ({"by": []}, r"by= names no predictor(.|\n)*Hint: name one"),
    ({"by": ["arm", "arm"]}, r"named twice(.|\n)*Hint"),
    ({"by": "alliance"}, r"'alliance' holds numbers(.|\n)*Hint: name values.*alliance.*C\(alliance\)"),
    ({"by": "arm", "at": {"therapy": 1}}, r"'therapy'(.|\n)*Hint"),
    (
        {"by": "arm", "at": {"phase": "middle"}},
        r"level of 'phase' that does not occur; 2 levels do(.|\n)*Hint: write levels",
    ),
    ({"by": "arm", "at": {"phase": []}}, r"level of 'phase'"),
    ({"by": "arm", "at": {"phase": ["late", "late"]}}, r"value of 'phase' twice(.|\n)*Hint"),
    ({"by": "arm", "at": {"alliance": [1, 1]}}, r"value of 'alliance' twice(.|\n)*Hint"),
    ({"by": "arm", "at": {"alliance": "high"}}, r"'alliance' that is not a number(.|\n)*Hint: name numbers"),
    ({"by": "arm", "at": {"alliance": np.nan}}, r"'alliance' that is not a number"),
    ({"by": "arm", "weights": "cells"}, r"No weighting 'cells'(.|\n)*equal, proportional(.|\n)*Hint"),
    ({"by": "arm", "df": "welch"}, r"'welch'(.|\n)*Hint"),
    ({"by": "arm", "cluster": "therapist"}, r"without robust=(.|\n)*Hint"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_bad_arguments_are_named(fit: LmmFit, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        marginal_means(fit, **arguments)


def test_a_level_outside_zero_and_one_is_refused(fit: LmmFit) -> None:
    with pytest.raises(ModelError, match=r"between 0 and 1(.|\n)*Hint"):
        marginal_means(fit, "arm").tidy(level=95)


def test_something_that_is_no_fit_is_refused() -> None:
    with pytest.raises(ModelError, match=r"DataFrame(.|\n)*Hint: pass the result of lmm"):
        marginal_means(pd.DataFrame(), "arm")  # type: ignore[arg-type]


def test_a_grid_that_is_too_large_is_refused(fit: LmmFit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference_grid, "MAX_ROWS", 5)
    with pytest.raises(ModelError, match=r"grid has 6 rows: 3 cells and 2 combinations of phase(.|\n)*Hint: hold some"):
        marginal_means(fit, "arm")


def test_levels_are_not_seen_in_messages_and_notes() -> None:
    frame = sessions()
    frame["role"] = SECRET + frame["therapist"]
    fit = lmm("distress ~ role + alliance + (1 | patient)", frame)
    with pytest.raises(ModelError) as error:
        marginal_means(fit, "alliance", at={"alliance": [1, 2], "role": SECRET + "other"})
    assert SECRET not in str(error.value)
    found = marginal_means(fit, "alliance", at={"alliance": [1, 2], "role": frame["role"].iloc[0]})
    assert SECRET not in repr(found) + " ".join(found.notes)
