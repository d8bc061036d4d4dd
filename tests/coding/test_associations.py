from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from alliance_stats.coding.associations import share_associations, spearman_std_error
from alliance_stats.coding.shares import statement_shares
from alliance_stats.errors import ColumnError, DataError, ModelError
from alliance_stats.result import COLUMNS


@pytest.fixture
def talks() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    share = rng.beta(2, 4, 55)
    before = rng.normal(5, 1, 55)
    after = 0.6 * before - 2 * share + rng.normal(0, 1 + share, 55)
    return pd.DataFrame(
        {
            "warm": share,
            "cold": (1 - share) * rng.random(55),
            "before": before,
            "after": after,
            "length": rng.random(55),
        }
    )


def row(result_table: pd.DataFrame, kind: str, predictor: str = "warm") -> pd.Series:
    chosen = result_table[(result_table["kind"] == kind) & (result_table["predictor"] == predictor)]
    assert len(chosen) == 1
    return chosen.iloc[0]


def test_every_share_gets_a_correlation_and_a_slope(talks: pd.DataFrame) -> None:
    table = share_associations(talks, ["warm", "cold"], "after").tidy()
    assert table[["predictor", "kind"]].to_numpy().tolist() == [
        ["warm", "spearman"],
        ["warm", "least_squares"],
        ["cold", "spearman"],
        ["cold", "least_squares"],
    ]


def test_tidy_speaks_the_common_vocabulary_in_order(talks: pd.DataFrame) -> None:
    columns = list(share_associations(talks, "warm", "after").tidy().columns)
    assert columns == [name for name in COLUMNS if name in columns]


def test_the_correlation_is_spearmans(talks: pd.DataFrame) -> None:
    found = row(share_associations(talks, "warm", "after").tidy(), "spearman")
    expected = stats.spearmanr(talks["warm"], talks["after"])
    assert found["estimate"] == pytest.approx(expected.statistic, rel=1e-12)
    assert found["p_value"] == pytest.approx(expected.pvalue, rel=1e-12)


def test_with_an_initial_value_the_correlation_is_with_initial_minus_final(talks: pd.DataFrame) -> None:
    found = row(share_associations(talks, "warm", "after", initial="before").tidy(), "spearman_change")
    expected = stats.spearmanr(talks["warm"], talks["before"] - talks["after"]).statistic
    assert found["estimate"] == pytest.approx(expected, rel=1e-12)


def test_the_standard_error_of_r_is_that_of_vcmeta() -> None:
    # R package vcmeta 1.4.0, help page of se.spear: se.spear(.40, 55) gives 0.1210569.
    assert spearman_std_error(0.40, 55) == pytest.approx(0.1210569, abs=5e-8)


def test_the_standard_error_of_r_stands_in_the_table(talks: pd.DataFrame) -> None:
    found = row(share_associations(talks, "warm", "after").tidy(), "spearman")
    assert found["std_error"] == spearman_std_error(found["estimate"], 55)


def test_the_interval_of_r_is_that_of_bonett_and_wright(talks: pd.DataFrame) -> None:
    found = row(share_associations(talks, "warm", "after").tidy(), "spearman")
    r = found["estimate"]
    half = 1.959963984540054 * np.sqrt((1 + r**2 / 2) / (55 - 3))
    assert found["conf_low"] == pytest.approx(np.tanh(np.arctanh(r) - half), rel=1e-10)
    assert found["conf_high"] == pytest.approx(np.tanh(np.arctanh(r) + half), rel=1e-10)


def test_a_perfect_rank_order_has_a_finite_interval() -> None:
    frame = pd.DataFrame({"warm": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], "after": [1.0, 2, 3, 4, 5, 7]})
    found = row(share_associations(frame, "warm", "after").tidy(), "spearman")
    assert found["estimate"] == pytest.approx(1)
    assert np.isfinite([found["conf_low"], found["conf_high"]]).all()


def test_the_slope_is_least_squares_by_the_normal_equations(talks: pd.DataFrame) -> None:
    found = row(share_associations(talks, "warm", "after", initial="before").tidy(), "least_squares")
    x = np.column_stack([np.ones(55), talks["warm"], talks["before"]])
    beta = np.linalg.solve(x.T @ x, x.T @ talks["after"])
    residual = talks["after"] - x @ beta
    error = np.sqrt(residual @ residual / 52 * np.linalg.inv(x.T @ x)[1, 1])
    assert found["estimate"] == pytest.approx(beta[1], rel=1e-10)
    assert found["std_error"] == pytest.approx(error, rel=1e-10)
    assert found["df"] == 52
    assert found["p_value"] == pytest.approx(2 * stats.t.sf(abs(beta[1] / error), 52), rel=1e-9)
    assert found["conf_high"] == pytest.approx(beta[1] + stats.t.ppf(0.975, 52) * error, rel=1e-9)


def test_robust_standard_errors_are_hc3_and_leave_the_slope_alone(talks: pd.DataFrame) -> None:
    plain = row(share_associations(talks, "warm", "after").tidy(), "least_squares")
    result = share_associations(talks, "warm", "after", robust="HC3")
    robust = row(result.tidy(), "least_squares")
    x = np.column_stack([np.ones(55), talks["warm"]])
    bread = np.linalg.inv(x.T @ x)
    residual = talks["after"].to_numpy() - x @ (bread @ x.T @ talks["after"].to_numpy())
    leverage = np.einsum("ij,jk,ik->i", x, bread, x)
    meat = (x * (residual / (1 - leverage))[:, None] ** 2).T @ x
    assert robust["estimate"] == plain["estimate"]
    assert robust["std_error"] == pytest.approx(np.sqrt((bread @ meat @ bread)[1, 1]), rel=1e-9)
    assert robust["conf_high"] == pytest.approx(
        robust["estimate"] + stats.t.ppf(0.975, 53) * robust["std_error"], rel=1e-9
    )
    assert any("HC3 standard errors" in note for note in result.notes)


def test_covariates_change_the_slope_and_stand_in_the_model(talks: pd.DataFrame) -> None:
    found = row(share_associations(talks, "warm", "after", covariates=["length", "cold"]).tidy(), "least_squares")
    x = np.column_stack([np.ones(55), talks[["warm", "length", "cold"]]])
    assert found["estimate"] == pytest.approx(np.linalg.lstsq(x, talks["after"], rcond=None)[0][1], rel=1e-9)
    assert found["model"] == "after ~ warm + length + cold"


def test_a_higher_level_widens_both_intervals(talks: pd.DataFrame) -> None:
    narrow = share_associations(talks, "warm", "after", level=0.8).tidy()
    wide = share_associations(talks, "warm", "after", level=0.99).tidy()
    assert (wide["conf_low"] < narrow["conf_low"]).all()
    assert (wide["conf_high"] > narrow["conf_high"]).all()
    assert (wide["conf_level"] == 0.99).all()


def test_row_order_does_not_matter(talks: pd.DataFrame) -> None:
    turned = share_associations(talks.iloc[::-1], "warm", "after", initial="before").tidy()
    pd.testing.assert_frame_equal(turned, share_associations(talks, "warm", "after", initial="before").tidy())


def test_rows_with_missing_values_are_left_out_and_counted(talks: pd.DataFrame) -> None:
    talks.loc[3, "after"] = np.nan
    talks.loc[4, "warm"] = np.nan
    result = share_associations(talks, "warm", "after")
    assert (result.tidy()["n"] == 53).all()
    assert (result.n, result.n_rows) == (54, 55)
    assert "53 of 55 rows are complete and used." in result.notes


def test_glance_tells_how_many_went_down_stayed_and_went_up(talks: pd.DataFrame) -> None:
    talks.loc[:, "before"] = talks["after"] + np.where(np.arange(55) < 11, 0, np.where(np.arange(55) < 22, -1, 1))
    glance = share_associations(talks, "warm", "after", initial="before").glance().iloc[0]
    assert (glance["share_unchanged"], glance["share_increased"]) == (0.2, 0.2)
    assert glance["share_decreased"] == pytest.approx(0.6)


def test_a_set_in_which_everybody_goes_the_same_way_is_called_filtered(talks: pd.DataFrame) -> None:
    notes = share_associations(
        talks.assign(before=talks["after"] - 1 - talks["length"]), "warm", "after", initial="before"
    ).notes
    assert any("100 % of the conversations end above" in note and "filtered on its outcome" in note for note in notes)


def test_an_unfiltered_set_is_not_called_filtered(talks: pd.DataFrame) -> None:
    notes = share_associations(talks, "warm", "after").notes
    assert not any("filtered" in note for note in notes)


def test_the_notes_say_that_nothing_within_a_person_is_seen(talks: pd.DataFrame) -> None:
    assert "nothing within a person can be seen" in share_associations(talks, "warm", "after").notes[0]


@pytest.mark.parametrize(
    ("change", "arguments", "error", "message"),
    [
        ({}, {"shares": "wram"}, ColumnError, r"'wram'(.|\n)*Did you mean 'warm'"),
        ({}, {"shares": []}, DataError, r"No share(.|\n)*Hint: pass shares="),
        ({}, {"robust": "HC9"}, DataError, r"'HC9'(.|\n)*Hint: robust= takes 'HC3'"),
        ({}, {"level": 95}, DataError, r"level 95(.|\n)*Hint: for example level=0.95"),
        ({}, {"covariates": ["warm"]}, DataError, r"warm is named more than once(.|\n)*Hint: give every column"),
        ({"patient": 1}, {}, DataError, r"54 rows repeat a patient(.|\n)*Hint: use level_effects"),
        ({"warm": 40}, {}, DataError, r"'warm' lies outside 0 to 1 in 55 of 55(.|\n)*Hint: pass shares"),
        ({"warm": 0.4}, {}, DataError, r"warm is the same in all 55(.|\n)*Hint: check the column"),
        ({"after": 2.0}, {}, DataError, r"after is the same in all 55(.|\n)*Hint: check the column"),
        ({"after": np.nan}, {}, DataError, r"Only 0 of 55 rows hold all of warm, after(.|\n)*Hint: at least 5"),
    ],
)
def test_what_cannot_be_analysed_is_explained(
    talks: pd.DataFrame,
    change: dict[str, object],
    arguments: dict[str, object],
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        share_associations(talks.assign(**change), **{"shares": "warm", "outcome": "after", **arguments})


def test_a_change_that_is_the_same_everywhere_is_refused(talks: pd.DataFrame) -> None:
    same = talks.assign(after=np.arange(55.0), before=np.arange(55.0) + 2)
    with pytest.raises(DataError, match=r"change is the same(.|\n)*Hint: leave initial= out"):
        share_associations(same, "warm", "after", initial="before")


def test_all_shares_together_are_linearly_dependent(talks: pd.DataFrame) -> None:
    closed = talks.assign(rest=1 - talks["warm"] - talks["cold"])
    with pytest.raises(ModelError, match=r"'warm'(.|\n)*linearly dependent(.|\n)*Hint: shares of all categories"):
        share_associations(closed, "warm", "after", covariates=["cold", "rest"])


@pytest.fixture
def esconv(shared_data: Callable[[str], Path]) -> pd.DataFrame:
    frame = pd.read_csv(shared_data("esconv") / "esconv_conversations.csv")
    categories = {
        "supportive": ["n_affirmation_and_reassurance", "n_reflection_of_feelings", "n_restatement_or_paraphrasing"],
        "directive": ["n_providing_suggestions", "n_information"],
        "question": ["n_question"],
        "self_disclosure": ["n_self_disclosure"],
        "other": ["n_others"],
    }
    return statement_shares(frame, counts=categories, total="n_supporter")


def test_esconv_correlations_with_change_come_out(esconv: pd.DataFrame) -> None:
    # Shares of all 1,300 conversations out of n_supporter; 1,150 have a final rating. Printed to three decimals.
    result = share_associations(
        esconv, ["share_supportive", "share_directive"], "final_intensity", initial="initial_intensity"
    )
    table = result.tidy()
    assert row(table, "spearman_change", "share_supportive")["estimate"] == pytest.approx(0.086, abs=0.0005)
    assert row(table, "spearman_change", "share_directive")["estimate"] == pytest.approx(-0.025, abs=0.0005)
    assert (table["n"] == 1150).all()


def test_esconv_is_filtered_on_its_outcome(esconv: pd.DataFrame) -> None:
    result = share_associations(esconv, "share_supportive", "final_intensity", initial="initial_intensity")
    assert result.glance()["share_decreased"].item() == 1
    assert any("100 % of the conversations end below" in note for note in result.notes)


def test_esconv_slope_with_only_the_initial_value(esconv: pd.DataFrame) -> None:
    # Recalculated: the described model does not give the printed -0.50 (0.23); see the next test.
    table = share_associations(esconv, "share_supportive", "final_intensity", initial="initial_intensity").tidy()
    slope = row(table, "least_squares", "share_supportive")
    assert slope["estimate"] == pytest.approx(-0.3380, abs=5e-5)
    assert slope["std_error"] == pytest.approx(0.1661, abs=5e-5)


def test_esconv_printed_slope_needs_the_other_shares_and_the_number_of_turns(esconv: pd.DataFrame) -> None:
    # Printed -0.50 (SE .23), to two decimals: comes out with directive, question and self-disclosure shares and turns.
    table = share_associations(
        esconv,
        "share_supportive",
        "final_intensity",
        initial="initial_intensity",
        covariates=["share_directive", "share_question", "share_self_disclosure", "n_turns"],
    ).tidy()
    slope = row(table, "least_squares", "share_supportive")
    assert slope["estimate"] == pytest.approx(-0.50, abs=0.005)
    assert slope["std_error"] == pytest.approx(0.23, abs=0.005)
