"""reliability(): alpha, its interval and the items, against R and against definitions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from alliance_stats.errors import AllianceStatsWarning, ColumnError, DataError, InstrumentError
from alliance_stats.result import COLUMNS
from alliance_stats.scales.consistency import cronbach_alpha, feldt_interval
from alliance_stats.scales.instrument import load_instrument
from alliance_stats.scales.keying import keyed_answers
from alliance_stats.scales.reliability import Reliability, reliability

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[1] / "golden" / "reliability.json").read_text())
ITEMS = ["item1", "item2", "item3", "item4"]


def ratings() -> pd.DataFrame:
    return pd.DataFrame({name: GOLDEN[name] for name in ["patient", *ITEMS]})


def matches(value: object, name: str) -> None:
    np.testing.assert_allclose(np.atleast_1d(np.asarray(value, dtype=float)), GOLDEN[name], rtol=GOLDEN["rtol"])


def interval(result: Reliability, kind: str) -> list[float]:
    table = result.tidy().query("term == 'alpha'").set_index("kind")
    return table.loc[kind, ["conf_low", "conf_high"]].astype(float).tolist()


def test_alpha_and_its_interval_agree_with_r() -> None:
    result = reliability(ratings(), ITEMS)
    matches(result.alpha, "alpha")
    matches(interval(result, "rows"), "alpha_interval")


def test_level_of_the_interval_is_used() -> None:
    result = reliability(ratings(), ITEMS, level=0.90)
    matches(interval(result, "rows"), "alpha_interval_90")
    assert result.tidy()["conf_level"].iloc[0] == 0.90


def test_standardized_alpha_and_mean_correlation_agree_with_r() -> None:
    result = reliability(ratings(), ITEMS)
    matches(result.tidy().set_index("term").loc["standardized_alpha", "estimate"], "standardized_alpha")
    matches(result.glance()["mean_item_correlation"], "mean_item_correlation")


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("mean", "item_mean"),
        ("sd", "item_sd"),
        ("item_rest_correlation", "item_rest_correlation"),
        ("alpha_if_dropped", "alpha_if_dropped"),
    ],
)
def test_item_statistics_agree_with_r(column: str, name: str) -> None:
    matches(reliability(ratings(), ITEMS).item_statistics()[column], name)


@pytest.mark.parametrize(("kind", "name"), [("cluster_means", "means"), ("cluster_deviations", "deviations")])
def test_alpha_of_patient_means_and_of_deviations_agrees_with_r(kind: str, name: str) -> None:
    result = reliability(ratings(), ITEMS, cluster="patient")
    table = result.tidy().set_index("kind")
    matches(table.loc[kind, "estimate"], f"{name}_alpha")
    matches(interval(result, kind), f"{name}_interval")
    assert table.loc[kind, "group"] == "patient"
    assert table.loc[kind, "n"] == {"cluster_means": 12, "cluster_deviations": 60}[kind]


def test_feldt_interval_is_close_to_a_published_example() -> None:
    # R package statpsych 1.6.0, help page of ci.cronbach: rel = .85, 7 items, n = 89. It has n (k - 1) = 534 instead of
    # (n - 1)(k - 1) = 528 second degrees of freedom, which moves the ends by less than 1e-4.
    assert feldt_interval(0.85, k=7, df=88, level=0.95) == pytest.approx((0.7971254, 0.8931436), abs=1e-4)


def test_alpha_agrees_with_a_published_example() -> None:
    # Julia package StatsBase 0.34, documentation of cronbachalpha, four decimals.
    covariance = np.full((4, 4), 6.0) + np.diag([4.0, 5.0, 6.0, 7.0])
    dropped = [cronbach_alpha(np.delete(np.delete(covariance, item, 0), item, 1)) for item in range(4)]
    assert cronbach_alpha(covariance) == pytest.approx(0.8136, abs=5e-5)
    assert dropped == pytest.approx([0.7500, 0.7606, 0.7714, 0.7826], abs=5e-5)


def test_feldt_interval_covers_at_its_level() -> None:
    rng = np.random.default_rng(20240501)
    truth = 4 / 3 * (1 - 4 * 2 / (4 * 2 + 12))
    hits = 0
    for _ in range(1000):
        rows = rng.normal(size=(25, 1)) + rng.normal(size=(25, 4))
        low, high = feldt_interval(cronbach_alpha(np.cov(rows, rowvar=False)), k=4, df=24, level=0.90)
        hits += low <= truth <= high
    # Three standard errors of a share of .90 in 1000 samples.
    assert hits / 1000 == pytest.approx(0.90, abs=3 * np.sqrt(0.09 / 1000))


def test_alpha_of_parallel_items_is_spearman_brown() -> None:
    correlation, k = 0.3, 5
    covariance = np.full((k, k), correlation) + (1 - correlation) * np.eye(k)
    assert cronbach_alpha(covariance) == pytest.approx(k * correlation / (1 + (k - 1) * correlation))


def test_one_item_has_no_alpha() -> None:
    assert np.isnan(cronbach_alpha(np.eye(1)))


def test_units_and_shifts_of_all_items_do_not_matter() -> None:
    frame = ratings()
    moved = frame.assign(**{name: 10 * frame[name] - 3 for name in ITEMS})
    assert reliability(moved, ITEMS).alpha == pytest.approx(reliability(frame, ITEMS).alpha)


def test_order_of_rows_does_not_matter() -> None:
    frame = ratings()
    shuffled = frame.sample(frac=1, random_state=3)
    one = reliability(frame, ITEMS, cluster="patient").tidy()
    pd.testing.assert_frame_equal(one, reliability(shuffled, ITEMS, cluster="patient").tidy())


def test_tidy_uses_the_vocabulary_of_columns() -> None:
    assert set(reliability(ratings(), ITEMS).tidy().columns) <= set(COLUMNS)


def test_incomplete_rows_are_left_out_and_counted() -> None:
    frame = ratings().astype(float)
    frame.loc[[3, 7], "item2"] = np.nan
    result = reliability(frame, ITEMS)
    assert result.alpha == pytest.approx(reliability(frame.drop(index=[3, 7]), ITEMS).alpha)
    assert result.glance()[["n", "n_incomplete"]].iloc[0].tolist() == [58, 2]
    assert "58 rows with answers to all 4 items; 2 incomplete rows are left out" in result.notes[0]


def test_items_may_be_given_as_pattern_or_mapping() -> None:
    frame = ratings()
    expected = reliability(frame, ITEMS).alpha
    assert reliability(frame, "item{}").alpha == pytest.approx(expected)
    assert reliability(frame, dict(enumerate(ITEMS, start=1))).alpha == pytest.approx(expected)


def test_repeated_patients_are_pointed_out() -> None:
    assert "cluster='patient' gives both parts" in reliability(ratings(), ITEMS).notes[-1]


def test_single_rows_per_patient_need_no_remark() -> None:
    frame = ratings().drop_duplicates("patient")
    assert not any("Rows repeat" in note for note in reliability(frame, ITEMS).notes)


def test_rows_without_cluster_are_left_out_of_its_parts() -> None:
    frame = ratings()
    frame["patient"] = frame["patient"].astype("Int64")
    frame.loc[:4, "patient"] = pd.NA
    result = reliability(frame, ITEMS, cluster="patient")
    assert result.tidy()["n"].tolist() == [60, 60, 11, 55]
    assert result.notes[-1].startswith("5 rows without 'patient'")


def test_too_few_clusters_give_no_estimate() -> None:
    frame = ratings().query("patient <= 2")
    table = reliability(frame, ITEMS, cluster="patient").tidy().set_index("kind")
    assert table.loc["cluster_means", ["estimate", "conf_low"]].isna().all()
    assert table.loc["cluster_deviations", "n"] == 10


def wai_s_answers() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    level = rng.integers(2, 7, size=40)
    frame = pd.DataFrame({f"w{item}": np.clip(level + rng.integers(-1, 2, 40), 1, 7) for item in range(1, 13)})
    return frame.assign(w4=8 - frame["w4"], w10=8 - frame["w10"])


def test_instrument_reverses_the_items() -> None:
    frame = wai_s_answers()
    wai_s = load_instrument("wai_s")
    storage = wai_s.storages["as_printed"]
    turned = frame.apply(
        lambda column: keyed_answers(column.to_numpy(float), int(column.name[1:]), instrument=wai_s, storage=storage)
    )
    result = reliability(frame, "w{}", instrument="wai_s")
    assert result.alpha == pytest.approx(reliability(turned, "w{}").alpha)
    assert result.alpha > 0.9


def test_items_that_run_against_the_others_raise_a_warning() -> None:
    with pytest.warns(AllianceStatsWarning, match=r"Column w4, w10: negative correlation.*instrument="):
        reliability(wai_s_answers(), "w{}")


def test_score_of_the_instrument_chooses_the_items() -> None:
    frame = ratings().rename(columns=dict(zip(ITEMS, ["w3", "w5", "w7", "w9"], strict=True))).clip(upper=5)
    result = reliability(frame, "w{}", instrument="wai_sr", score="bond")
    assert result.item_statistics()["item"].tolist() == ["w3", "w5", "w7", "w9"]


def test_storage_is_passed_on() -> None:
    rng = np.random.default_rng(8)
    level = rng.integers(0, 3, size=30)
    frame = pd.DataFrame({f"h{item}": np.clip(level + rng.integers(0, 2, 30), 0, 3) for item in range(1, 15)})
    result = reliability(frame, "h{}", instrument="hads", score="anxiety", storage="printed_values")
    assert result.glance()["n_items"].iloc[0] == 7


def test_floor_and_ceiling_refer_to_the_form() -> None:
    frame = pd.DataFrame([[1] * 12, [1] * 12, [5] * 12, [2] * 12], columns=[f"w{item}" for item in range(1, 13)])
    result = reliability(frame, "w{}", instrument="wai_sr")
    assert result.glance()[["floor", "ceiling"]].iloc[0].tolist() == [0.5, 0.25]
    assert result.item_statistics()[["floor", "ceiling"]].iloc[0].tolist() == [0.5, 0.25]


def test_answers_that_do_not_fit_the_instrument_are_refused() -> None:
    with pytest.raises(InstrumentError, match=r"WAI-SR is answered 1-5(.|\n)*Hint"):
        reliability(wai_s_answers(), "w{}", instrument="wai_sr")


def test_item_without_variation_is_named_in_the_notes() -> None:
    result = reliability(ratings().assign(item2=3), ITEMS)
    assert "No variation in item2: standardized alpha is not defined." in result.notes
    assert np.isnan(result.tidy()["estimate"].iloc[1])
    assert np.isnan(result.item_statistics()["item_rest_correlation"].iloc[1])


def test_markdown_and_html_hold_alpha_and_notes() -> None:
    result = reliability(ratings(), ITEMS)
    assert "0.9055" in result.to_markdown()
    assert "incomplete rows" in result._repr_html_()


@pytest.mark.parametrize("level", [0, 1, 95])
def test_level_outside_0_to_1_is_refused(level: float) -> None:
    with pytest.raises(DataError, match=r"not between 0 and 1(.|\n)*use 0.95"):
        reliability(ratings(), ITEMS, level=level)


@pytest.mark.parametrize("items", [["item1"], {1: "item1"}])
def test_one_item_is_refused(items: Any) -> None:
    with pytest.raises(DataError, match=r"1 item(.|\n)*at least two"):
        reliability(ratings(), items)


def test_one_item_by_pattern_is_refused() -> None:
    with pytest.raises(DataError, match=r"Only one item(.|\n)*at least two"):
        reliability(ratings()[["item1"]], "item{}")


def test_two_complete_rows_are_refused() -> None:
    with pytest.raises(DataError, match=r"2 rows have answers to all 4 items; at least 3(.|\n)*not asked of everyone"):
        reliability(ratings().head(2), ITEMS)


def test_sum_without_variation_is_refused() -> None:
    with pytest.raises(DataError, match=r"same in all rows(.|\n)*check the columns"):
        reliability(ratings().assign(**dict.fromkeys(ITEMS, 2)), ITEMS)


def test_infinite_answers_are_refused() -> None:
    with pytest.raises(DataError, match=r"1 answers are infinite(.|\n)*correct them"):
        reliability(ratings().assign(item1=[np.inf] + [1.0] * 59), ITEMS)


def test_unknown_columns_are_named() -> None:
    with pytest.raises(ColumnError, match=r"'question1'(.|\n)*The frame has"):
        reliability(ratings(), "question{}")
    with pytest.raises(ColumnError, match=r"'item9'(.|\n)*Did you mean"):
        reliability(ratings(), ["item1", "item9"])


def test_unknown_cluster_is_named() -> None:
    with pytest.raises(ColumnError, match=r"'patients'(.|\n)*'patient' for 'patients'"):
        reliability(ratings(), ITEMS, cluster="patients")


@pytest.mark.parametrize("extra", [{"score": "sum"}, {"storage": "printed_values"}])
def test_score_and_storage_need_an_instrument(extra: dict[str, str]) -> None:
    with pytest.raises(DataError, match=r"need instrument=(.|\n)*name the instrument"):
        reliability(ratings(), ITEMS, **extra)  # type: ignore[arg-type]


def test_answers_stored_from_zero_give_the_same_alpha() -> None:
    rng = np.random.default_rng(4)
    level = rng.standard_normal(80)
    answers = {f"k{i}": np.clip(np.round(3 + level + rng.standard_normal(80)), 1, 5) for i in range(1, 11)}
    printed = pd.DataFrame(answers)
    from_one = reliability(printed, "k{}", instrument="k10", storage="as_printed")
    from_zero = reliability(printed - 1, "k{}", instrument="k10", storage="codes_0_4")
    assert from_zero.tidy()["estimate"].tolist() == pytest.approx(from_one.tidy()["estimate"].tolist())
