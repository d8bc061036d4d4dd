"""Synchrony."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import alliance_stats as al
from alliance_stats import ColumnError, DataError

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[1] / "golden" / "courses.json").read_text())["synchrony"]
QUICK = al.Surrogates(n=99, seed=4)


def pairs(n_dyads: int = 4, n: int = 120, lag: int = 2, weight: float = 0.7, seed: int = 1) -> pd.DataFrame:
    """Return dyads whose second series follows the first by a lag."""
    rng = np.random.default_rng(seed)
    frames = []
    for dyad in range(n_dyads):
        lead = rng.standard_normal(n + 20)
        own = weight * lead[10 - lag : 10 - lag + n] + rng.standard_normal(n)
        frames.append(pd.DataFrame({"dyad": dyad, "moment": range(n), "one": lead[10 : 10 + n], "two": own}))
    return pd.concat(frames, ignore_index=True)


def measure(frame: pd.DataFrame, **options: Any) -> al.Synchrony:
    return al.synchrony(
        frame, ("one", "two"), **({"window": 20, "lag_max": 3, "time": "moment", "surrogates": QUICK} | options)
    )


def golden_frame() -> pd.DataFrame:
    two = [np.nan if value is None else value for value in GOLDEN["two"]]
    return pd.DataFrame({"dyad": 1, "moment": range(1, 131), "one": GOLDEN["one"], "two": two})


def test_correlations_at_each_lag_are_those_of_r() -> None:
    rows = measure(golden_frame()).tidy().set_index("term")
    assert rows.loc["z_at_lag", "estimate"].tolist() == pytest.approx(GOLDEN["lag_means"], rel=1e-10)
    assert rows.loc["mean_z", "estimate"] == pytest.approx(GOLDEN["mean_z"], rel=1e-10)
    assert rows.loc["mean_absolute_z", "estimate"] == pytest.approx(GOLDEN["mean_absolute_z"], rel=1e-10)


def test_a_missing_row_is_a_missing_moment() -> None:
    frame = golden_frame()
    whole = measure(
        frame.assign(one=frame["one"].where(frame["moment"] != 60), two=frame["two"].where(frame["moment"] != 60))
    )
    pd.testing.assert_frame_equal(measure(frame[frame["moment"] != 60]).tidy(), whole.tidy())


@pytest.mark.parametrize(
    ("lag", "leader", "follower"), [(2, "first_leads_z", "second_leads_z"), (-2, "second_leads_z", "first_leads_z")]
)
def test_the_lag_says_who_leads(lag: int, leader: str, follower: str) -> None:
    rows = measure(pairs(lag=lag)).tidy()
    peak = rows[rows["term"] == "z_at_lag"].set_index("lag")["estimate"].idxmax()
    assert peak == lag
    by_term = rows.set_index("term")["estimate"]
    assert by_term[leader] > by_term[follower] + 0.1


def test_who_leads_is_the_mean_over_the_lags_of_one_side() -> None:
    rows = measure(pairs()).tidy()
    by_lag = rows[rows["term"] == "z_at_lag"].set_index("lag")["estimate"]
    by_term = rows.set_index("term")["estimate"]
    assert by_term["first_leads_z"] == pytest.approx(by_lag[by_lag.index > 0].mean())
    assert by_term["second_leads_z"] == pytest.approx(by_lag[by_lag.index < 0].mean())


def test_the_chance_level_at_a_lag_is_that_of_windows_of_different_moments() -> None:
    frame = pairs(1, 40)
    half = frame["moment"] < 20
    early, late = frame[half].reset_index(drop=True), frame[~half].reset_index(drop=True)
    crossed = np.arctanh([np.corrcoef(early["one"], late["two"])[0, 1], np.corrcoef(late["one"], early["two"])[0, 1]])
    row = measure(frame).tidy().query("term == 'z_at_lag' and lag == 0").iloc[0]
    assert row["surrogate"] == pytest.approx(crossed.mean())


def test_exchanging_the_two_mirrors_the_lags() -> None:
    frame = pairs()
    one = measure(frame).tidy().query("term == 'z_at_lag'").set_index("lag")["estimate"]
    other = al.synchrony(frame, ("two", "one"), window=20, lag_max=3, time="moment", surrogates=QUICK)
    two = other.tidy().query("term == 'z_at_lag'").set_index("lag")["estimate"]
    assert one.to_numpy() == pytest.approx(two.to_numpy()[::-1])


def test_known_synchrony_is_recovered_and_told_from_chance() -> None:
    rows = measure(pairs(n_dyads=20, n=400, weight=1.0), window=40).tidy()
    at_lag = rows[(rows["term"] == "z_at_lag") & (rows["lag"] == 2)].iloc[0]
    # the true correlation is 1 / sqrt(2); r is biased by about -r (1 - r^2) / 2n, and z by +r / 2(n - 1)
    assert at_lag["estimate"] == pytest.approx(
        np.arctanh(1 / np.sqrt(2)) + np.sqrt(0.5) / (2 * 37), abs=3 * at_lag["std_error"]
    )
    pooled = rows.set_index("term").loc["mean_z"]
    assert pooled["p_value"] == pytest.approx(1 / 100)
    assert pooled["effect_size"] > 3


def test_the_surrogate_test_keeps_its_level_without_synchrony() -> None:
    p_values = np.array(
        [
            measure(pairs(2, 120, weight=0.0, seed=seed)).tidy().set_index("term").loc["mean_z", "p_value"]
            for seed in range(200)
        ]
    )
    for level in (0.1, 0.3, 0.5):
        assert (p_values <= level).mean() == pytest.approx(level, abs=3 * np.sqrt(level * (1 - level) / 200))


def test_an_exact_copy_of_few_windows_cannot_beat_its_own_orders() -> None:
    frame = pairs(1, 40)
    result = measure(frame.assign(two=frame["one"]))
    # two windows have two orders, and half of the shuffles are the true one
    assert result.values()["mean_z_p_value"].iloc[0] == pytest.approx(0.5, abs=0.15)
    assert any("2 windows has 2 orders" in note for note in result.notes)


def test_moving_against_each_other_counts_in_absolute_values_only() -> None:
    frame = pairs()
    turned = measure(frame.assign(two=-frame["two"])).tidy().set_index("term")["estimate"]
    plain = measure(frame).tidy().set_index("term")["estimate"]
    assert turned["mean_z"] == pytest.approx(-plain["mean_z"])
    assert turned["mean_absolute_z"] == pytest.approx(plain["mean_absolute_z"])


def test_level_and_scale_of_the_series_do_not_matter() -> None:
    frame = pairs()
    other = frame.assign(one=1e6 + 3 * frame["one"], two=0.01 * frame["two"] - 5)
    assert measure(other).tidy()["estimate"].tolist() == pytest.approx(
        measure(frame).tidy()["estimate"].tolist(), rel=1e-6
    )


def test_labels_and_the_order_of_rows_change_nothing() -> None:
    frame = pairs()
    other = frame.assign(dyad=frame["dyad"].map({0: "d", 1: "b", 2: "z", 3: "a"})).sample(frac=1, random_state=3)
    one, two = measure(frame), measure(other)
    pd.testing.assert_frame_equal(one.tidy(), two.tidy())


def test_the_seed_decides_and_nothing_else() -> None:
    frame = pairs(weight=0.1)
    first, again = (measure(frame).tidy()["effect_size"] for _ in range(2))
    other = measure(frame, surrogates=al.Surrogates(n=99, seed=5)).tidy()["effect_size"]
    assert first.equals(again)
    assert not first.equals(other)
    assert "1000 shuffles" in " ".join(measure(frame, surrogates=None).notes)


def test_a_dyad_may_have_several_sessions() -> None:
    frame = pairs(2).assign(session=lambda d: 1 + (d["moment"] >= 60))
    values = measure(frame, by=["dyad", "session"]).values()
    assert values.columns[:2].tolist() == ["dyad", "session"]
    assert len(values) == 4
    assert (values["n_windows"] == 3).all()


def test_the_pooled_estimate_is_the_mean_over_dyads() -> None:
    result = measure(pairs())
    assert result.tidy().set_index("term").loc["mean_z", "estimate"] == pytest.approx(result.values()["mean_z"].mean())


def test_short_dyads_are_left_out_and_counted() -> None:
    frame = pd.concat([pairs(2), pairs(1, 30).assign(dyad=9)])
    result = measure(frame)
    assert result.glance()[["n_dyads", "n_dyads_used"]].to_numpy().tolist() == [[3, 2]]
    assert result.values().set_index("dyad")["mean_z"].isna().to_dict() == {0: False, 1: False, 9: True}
    assert any(note.startswith("2 of 3 dyads have two windows") for note in result.notes)


def test_windows_without_variation_are_missing_and_counted() -> None:
    frame = pairs(1)
    result = measure(frame.assign(one=frame["one"].where(frame["moment"] >= 20, 0.3)))
    assert any(note.startswith("7 correlations are missing") for note in result.notes)
    assert np.isfinite(result.tidy().set_index("term").loc["mean_z", "estimate"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 6, "lag_max": 4}, r"A window of 6 steps is too short for lags up to 4[\s\S]*window=8"),
        ({"window": 3, "lag_max": 1}, r"too short[\s\S]*window=4"),
        ({"lag_max": -1}, r"lag_max is a whole number of 0 or more; -1[\s\S]*Hint"),
        (
            {"window": 100, "lag_max": 40},
            r"No dyad has two windows of 100 steps \(the longest series has 120\)[\s\S]*shorter window",
        ),
    ],
)
def test_windows_and_lags_longer_than_the_series_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        measure(pairs(), **options)


def test_other_bad_input_is_refused() -> None:
    frame = pairs()
    with pytest.raises(ColumnError, match=r"must name two series[\s\S]*movement"):
        al.synchrony(frame, ("one", "one"), window=20, lag_max=3, time="moment")
    with pytest.raises(ColumnError, match="three"):
        al.synchrony(frame, ("one", "three"), window=20, lag_max=3, time="moment")
    with pytest.raises(DataError, match=r"repeat the dyad, moment[\s\S]*remove the copies"):
        measure(pd.concat([frame, frame.iloc[:3]]))
    with pytest.raises(DataError, match=r"must hold whole numbers[\s\S]*Hint"):
        measure(frame.assign(moment=frame["moment"] / 2))
    with pytest.raises(DataError, match=r"n is a whole number of 1 or more; 0 was given[\s\S]*Hint"):
        al.Surrogates(n=0)


def test_a_dyad_without_any_true_correlation_is_left_out_and_counted() -> None:
    frame = pairs(6, 40)
    last = frame["dyad"] == 5
    # windows of different moments can be correlated, those that belong together cannot
    frame.loc[last & (frame["moment"] < 20), "one"] = 3.0
    frame.loc[last & (frame["moment"] >= 20), "two"] = 2.0
    result, others = measure(frame), measure(frame[~last])
    for term in ("mean_z", "mean_absolute_z"):
        rows = [own.tidy().set_index("term").loc[term] for own in (result, others)]
        assert rows[0]["estimate"] == pytest.approx(rows[1]["estimate"])
        assert rows[0]["n"] == 5
    assert result.glance()["n_dyads_used"].tolist() == [5]
    assert any(
        note.startswith("5 of 6 dyads have two windows or more, and one in which both series vary")
        for note in result.notes
    )


@pytest.mark.parametrize("constant", ["one", "two"])
def test_series_that_do_not_vary_are_said_to_be_so(constant: str) -> None:
    frame = pairs(3).rename(columns={"dyad": "patient"}).assign(**{constant: 4.0})
    counts = ("3", "0") if constant == "one" else ("0", "3")
    message = (
        rf"of 3 patients with two windows or more, 'one' does not vary at all in {counts[0]} and 'two' in {counts[1]}"
    )
    with pytest.raises(DataError, match=message + r"[\s\S]*Hint: a correlation needs values that change") as error:
        measure(frame, by="patient")
    assert "dyad" not in str(error.value)


def test_units_are_called_by_their_column() -> None:
    frame = pairs(2, 40).rename(columns={"dyad": "couple"}).assign(session=1)
    assert any(note.startswith("2 of 2 couples have") for note in measure(frame, by="couple").notes)
    assert any(note.startswith("2 of 2 couple-sessions") for note in measure(frame, by=["couple", "session"]).notes)
    with pytest.raises(DataError, match=r"No couple has two windows of 30 steps"):
        measure(frame, by="couple", window=30)


def test_the_unit_of_measurement_does_not_change_the_shuffles() -> None:
    frame = pairs(5, 60, weight=0.2)
    other = frame.assign(one=100 - 0.37 * frame["one"], two=5 - 11 * frame["two"])
    first, second = (measure(own).tidy()["p_value"].dropna().tolist() for own in (frame, other))
    assert first == second


def test_the_result_keeps_time_and_surrogates() -> None:
    result = measure(pairs(2, 40))
    assert (result.time, result.surrogates) == ("moment", QUICK)
