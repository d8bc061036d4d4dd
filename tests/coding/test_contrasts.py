from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from alliance_stats.coding.contrasts import ShareContrasts, probability_higher, share_contrasts
from alliance_stats.coding.shares import statement_shares
from alliance_stats.errors import ColumnError, DataError
from alliance_stats.loaders.column_map import read_column_map, read_comparison, read_study_data
from alliance_stats.result import COLUMNS

SharedData = Callable[[str], Path]
Samples = tuple[pd.DataFrame, pd.DataFrame]


@pytest.fixture
def talks() -> Samples:
    rng = np.random.default_rng(3)
    rated = pd.DataFrame({"warm": rng.beta(3, 4, 90).round(2), "cold": rng.beta(2, 5, 90).round(2)})
    failed = pd.DataFrame({"warm": rng.beta(2, 4, 40).round(2), "cold": rng.beta(2, 5, 40).round(2)})
    return rated, failed


def by_pairs(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return psi for every pair, shape (m, n)."""
    return (first[:, None] > second[None, :]) + 0.5 * (first[:, None] == second[None, :])


def test_the_estimate_and_error_of_a_hand_example() -> None:
    # first 1, 3, 3 against second 2, 3: psi = [[0, 0], [1, .5], [1, .5]]; row means 0, .75, .75 and column means 2/3,
    # 1/3; variances .1875 and 1/18, so var = .1875/3 + (1/18)/2.
    estimate, error = probability_higher(np.array([1.0, 3, 3]), np.array([2.0, 3]))
    assert estimate == pytest.approx(0.5)
    assert error == pytest.approx(np.sqrt(0.1875 / 3 + 1 / 36))


samples = st.lists(st.integers(0, 6).map(lambda k: k / 6), min_size=2, max_size=12).map(np.array)


@settings(max_examples=60, deadline=None)
@given(first=samples, second=samples)
def test_estimate_and_error_are_those_over_all_pairs(first: np.ndarray, second: np.ndarray) -> None:
    psi = by_pairs(first, second)
    error = np.sqrt(psi.mean(axis=1).var(ddof=1) / len(first) + psi.mean(axis=0).var(ddof=1) / len(second))
    found = probability_higher(first, second)
    assert found == pytest.approx((psi.mean(), error), abs=1e-12)


def test_the_estimate_is_mann_whitneys_u_per_pair(talks: Samples) -> None:
    row = share_contrasts(*talks, "warm").tidy().iloc[0]
    assert row["estimate"] == pytest.approx(stats.mannwhitneyu(talks[0]["warm"], talks[1]["warm"]).statistic / 3600)


def test_the_statistic_is_brunner_and_munzels(talks: Samples) -> None:
    # Brunner & Munzel (2000) divide by the same error, reached by ranks of another form; their sign is the other way.
    row = share_contrasts(*talks, "warm").tidy().iloc[0]
    expected = stats.brunnermunzel(talks[0]["warm"], talks[1]["warm"], distribution="normal")
    assert row["statistic"] == pytest.approx(-expected.statistic, rel=1e-10)
    assert row["p_value"] == pytest.approx(expected.pvalue, rel=1e-9)


def test_the_standard_error_is_near_that_of_the_bootstrap(talks: Samples) -> None:
    rng = np.random.default_rng(8)
    first, second = (table["warm"].to_numpy() for table in talks)
    draws = [by_pairs(rng.choice(first, first.size), rng.choice(second, second.size)).mean() for _ in range(2000)]
    # The bootstrap's own error is 1/sqrt(2 * 2000) = 1.6 %, and its variance lacks the factors m/(m-1), n/(n-1).
    assert np.std(draws) == pytest.approx(share_contrasts(*talks, "warm").tidy()["std_error"].iloc[0], rel=0.06)


def test_the_interval_is_z_times_the_error(talks: Samples) -> None:
    row = share_contrasts(*talks, "warm").tidy().iloc[0]
    half = stats.norm.ppf(0.975) * row["std_error"]
    assert (row["conf_low"], row["conf_high"]) == pytest.approx((row["estimate"] - half, row["estimate"] + half))


def test_a_higher_level_widens_the_interval(talks: Samples) -> None:
    narrow, wide = (share_contrasts(*talks, "warm", level=level).tidy().iloc[0] for level in (0.8, 0.99))
    assert wide["conf_low"] < narrow["conf_low"] < narrow["conf_high"] < wide["conf_high"]
    assert (narrow["conf_level"], wide["conf_level"]) == (0.8, 0.99)


def test_intervals_stay_between_zero_and_one() -> None:
    high, low = pd.DataFrame({"x": [0.3, 0.8, 0.9]}), pd.DataFrame({"x": [0.1, 0.2, 0.4]})
    up, down = share_contrasts(high, low, "x").tidy(), share_contrasts(low, high, "x").tidy()
    assert (up["conf_high"].iloc[0], down["conf_low"].iloc[0]) == (1, 0)


def test_exchanging_the_sets_turns_the_estimate_round(talks: Samples) -> None:
    here, there = share_contrasts(*talks, "warm").tidy(), share_contrasts(*talks[::-1], "warm").tidy()
    assert there["estimate"].iloc[0] == pytest.approx(1 - here["estimate"].iloc[0])
    assert there["std_error"].iloc[0] == pytest.approx(here["std_error"].iloc[0])
    assert there["conf_low"].iloc[0] == pytest.approx(1 - here["conf_high"].iloc[0])


def test_row_order_does_not_matter(talks: Samples) -> None:
    turned = share_contrasts(talks[0].iloc[::-1], talks[1].sample(frac=1, random_state=1), ["warm", "cold"])
    pd.testing.assert_frame_equal(turned.tidy(), share_contrasts(*talks, ["warm", "cold"]).tidy())


def test_every_share_has_a_row_with_means_and_sizes(talks: Samples) -> None:
    table = share_contrasts(*talks, ["warm", "cold"], labels=("kept", "lost")).tidy()
    assert list(table["predictor"]) == ["warm", "cold"]
    assert set(table["group"]) == {"kept vs lost"}
    assert list(table["mean_first"]) == pytest.approx(talks[0].mean().tolist())
    assert list(table["mean_second"]) == pytest.approx(talks[1].mean().tolist())
    assert table[["n", "n_first", "n_second"]].iloc[0].tolist() == [130, 90, 40]


def test_tidy_speaks_the_common_vocabulary_first(talks: Samples) -> None:
    columns = list(share_contrasts(*talks, "warm").tidy().columns)
    own = ["mean_first", "mean_second", "n_first", "n_second"]
    assert columns == [*(name for name in COLUMNS if name in columns), *own]


def test_glance_counts_sets_shares_and_those_that_separate(talks: Samples) -> None:
    apart = share_contrasts(
        talks[0].assign(sure=talks[0]["warm"] / 2 + 0.5),
        talks[1].assign(sure=talks[1]["warm"]),
        [
            "sure",
            "cold",
        ],
    )
    assert apart.glance().iloc[0].to_dict() == {
        "first": "rated",
        "second": "failed",
        "n_first": 90,
        "n_second": 40,
        "n_shares": 2,
        "n_separating": 1,
    }
    assert "The interval leaves out 0.5 for 1 of 2 shares: sure." in apart.notes


def test_notes_say_what_it_is_not_and_that_nothing_is_corrected(talks: Samples) -> None:
    notes = " ".join(share_contrasts(*talks, ["warm", "cold"], labels=("kept", "lost")).notes)
    assert "probability that a kept conversation has a higher share than a lost one" in notes
    assert "is not an effect" in notes
    assert "2 shares are compared and no correction is made" in notes
    assert "compositional" in notes
    assert "no correction" not in " ".join(share_contrasts(*talks, "warm").notes)


def test_missing_shares_are_left_out_and_counted(talks: Samples) -> None:
    rated, failed = talks
    with_gap = share_contrasts(rated, pd.concat([failed, pd.DataFrame({"warm": [np.nan]})]), "warm")
    pd.testing.assert_frame_equal(with_gap.tidy(), share_contrasts(rated, failed, "warm").tidy())
    assert "40 of 41 failed conversations have the share and are used." in with_gap.notes


def test_sets_without_overlap_have_an_estimate_and_no_error() -> None:
    result = share_contrasts(pd.DataFrame({"x": [0.7, 0.9, 1.0]}), pd.DataFrame({"x": [0.1, 0.2]}), "x")
    row = result.tidy().iloc[0]
    assert row["estimate"] == 1
    assert row[["std_error", "statistic", "p_value", "conf_low", "conf_high"]].isna().all()
    assert "The sets do not overlap in x: no standard error, interval or p value." in result.notes


def fails(frame: pd.DataFrame, other: pd.DataFrame, **options: object) -> ShareContrasts:
    arguments: dict[str, object] = {"shares": "warm", **options}
    return share_contrasts(frame, other, **arguments)  # type: ignore[arg-type]


BAD: dict[str, tuple[dict[str, object], dict[str, object], type[Exception], str]] = {
    "no share": ({"shares": []}, {}, DataError, "(?s)No share is named.*Hint: pass shares="),
    "share twice": ({"shares": ["warm", "warm"]}, {}, DataError, "(?s)warm is named more than once.*Hint: name each"),
    "unknown share": ({"shares": "wram"}, {}, ColumnError, "(?s)No column 'wram'.*'warm'.*rated conversations"),
    "same labels": ({"labels": ("a", "a")}, {}, DataError, "(?s)labels= must be two different.*Hint: for example"),
    "three labels": ({"labels": ("a", "b", "c")}, {}, DataError, "(?s)labels= must be two different.*Hint"),
    "level": ({"level": 95}, {}, DataError, "(?s)level 95 is not between 0 and 1.*Hint: for example level=0.95"),
    "counts": ({}, {"warm": 3.0}, DataError, "(?s)'warm' lies outside 0 to 1 in 40 of 40 failed.*Hint: pass shares"),
    "infinite": ({}, {"warm": np.inf}, DataError, "'warm' lies outside 0 to 1 in 40 of 40 failed"),
    "no values": ({}, {"warm": np.nan}, DataError, "(?s)'warm' is known in 0 of 40 failed.*Hint: at least 2"),
    "text": ({}, {"warm": "x"}, ColumnError, "'warm' should hold numbers"),
    "repeated patients": ({}, {"patient": 1}, DataError, "(?s)39 rows of the failed .* repeat a patient.*Hint: keep"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_compared_is_an_error(talks: Samples, case: str) -> None:
    options, changes, error, message = BAD[case]
    with pytest.raises(error, match=message):
        fails(talks[0], talks[1].assign(**changes), **options)


def test_a_share_that_is_the_same_everywhere_is_an_error(talks: Samples) -> None:
    with pytest.raises(DataError, match=r"(?s)'none' is the same in all 130 conversations.*Hint: leave the share out"):
        share_contrasts(talks[0].assign(none=0.0), talks[1].assign(none=0.0), "none")


def test_shares_of_rated_and_failed_support_conversations(shared_data: SharedData) -> None:
    column_map = read_column_map("esconv")
    statements, comparison = column_map.statements, column_map.comparison
    assert statements is not None
    assert comparison is not None
    folder = shared_data("esconv")
    rated = statement_shares(read_study_data(column_map, folder), counts=statements.counts, total=statements.total)
    failed = statement_shares(read_comparison(column_map, folder), counts=comparison.counts, total=comparison.total)
    shares = [f"share_{category}" for category in statements.counts]
    table = share_contrasts(rated, failed, shares).tidy().set_index("predictor")
    found = table["estimate"].round(3).to_dict()
    assert found == {
        "share_supportive": 0.528,
        "share_controlling": 0.534,
        "share_exploratory": 0.485,
        "share_other": 0.578,
    }
    # Rated conversations have 16 turns or more; among failed ones of that length nothing separates the sets.
    long = share_contrasts(rated, failed[failed["n_turns"] >= 16], shares)
    assert share_contrasts(rated, failed, shares).n_separating == 1
    assert long.n_separating == 0
