"""Ratings around sudden gains, with matched controls."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from course_frames import long_frame, noise, relabelled

import alliance_stats as al
from alliance_stats import ColumnError, DataError

GAIN = [30.0, 30.0, 30.0, 15.0, 15.0, 15.0, 15.0]


def study(n: int = 12, jump: float = 4.0, seed: int = 3) -> pd.DataFrame:
    """Return patients of whom the first half have a gain after session 3, their alliance a jump in the session after it."""
    rng = np.random.default_rng(seed)
    level = rng.normal(scale=3, size=n)
    shape = np.where(np.arange(n)[:, None] < n // 2, np.array(GAIN), 30.0)
    symptoms = shape + level[:, None] + 0.1 * rng.normal(size=(n, 7))
    alliance = 50 + rng.normal(size=(n, 7)) + np.where((np.arange(n)[:, None] < n // 2) & (np.arange(7) > 2), jump, 0)
    return long_frame(symptoms).assign(wai=alliance.ravel())


def contrast(frame: pd.DataFrame, **options: Any) -> al.GainContrast:
    gains = al.sudden_gains(frame, "score", cutoff=7, criterion="tang_derubeis", direction="higher_is_worse")
    return al.around_gains(gains, frame, column="wai", **options)


def difference(result: al.GainContrast, term: str = "change") -> pd.Series:
    return result.tidy().query("term == @term and group == 'difference'").iloc[0]


def test_the_difference_in_change_is_that_of_the_paired_means() -> None:
    from scipy.stats import ttest_1samp

    result = contrast(study())
    pairs = result.pairs
    own = (pairs["after_gain"] - pairs["before_gain"]) - (pairs["after_control"] - pairs["before_control"])
    row = difference(result)
    test = ttest_1samp(own, 0)
    interval = test.confidence_interval(0.95)
    assert len(own) == 6
    assert (row["estimate"], row["statistic"], row["p_value"]) == pytest.approx(
        (own.mean(), test.statistic, test.pvalue)
    )
    assert (row["conf_low"], row["conf_high"]) == pytest.approx((interval.low, interval.high))


def test_the_jump_of_the_alliance_is_recovered() -> None:
    estimates = [difference(contrast(study(24, jump=4.0, seed=seed)))["estimate"] for seed in range(12)]
    assert np.mean(estimates) == pytest.approx(4.0, abs=4 * np.std(estimates, ddof=1) / np.sqrt(12))
    assert np.std(estimates, ddof=1) < 1


def test_before_is_the_mean_of_the_three_sessions_up_to_n() -> None:
    frame = study()
    result = contrast(frame)
    own = frame[(frame["patient"] <= 6) & (frame["session"] <= 3)].groupby("patient")["wai"].mean()
    rows = result.tidy().query("term == 'before' and group == 'gain'")
    assert rows["estimate"].iloc[0] == pytest.approx(own.mean())
    later = frame[(frame["patient"] <= 6) & frame["session"].between(4, 6)].groupby("patient")["wai"].mean()
    assert result.tidy().query("term == 'after' and group == 'gain'")["estimate"].iloc[0] == pytest.approx(later.mean())


def test_pairs_have_the_smallest_sum_of_distances() -> None:
    frame = study(10)
    result = contrast(frame)
    score = frame[frame["session"] == 3].set_index("patient")["score"]
    spread = frame["score"].std()
    best = min(
        sum(abs(score[case] - score[control]) for case, control in zip(range(1, 6), order, strict=True))
        for order in permutations(range(6, 11))
    )
    assert result.pairs["distance"].sum() == pytest.approx(best / spread)
    assert result.glance()["mean_distance"].iloc[0] == pytest.approx(best / spread / 5)


def test_controls_are_patients_without_any_gain() -> None:
    frame = study()
    everyone = frame.assign(score=frame["score"].where(frame["patient"] != 12, np.nan))
    assert contrast(everyone).glance()[["n_pairs", "n_unmatched"]].to_numpy().tolist() == [[5, 1]]


def test_controls_are_rated_on_both_sides_of_the_interval() -> None:
    frame = study()
    gap = (frame["patient"] == 12) & (frame["session"] == 4)
    gains_left = contrast(frame.assign(score=frame["score"].mask(gap)))
    assert gains_left.glance()[["n_pairs", "n_unmatched"]].to_numpy().tolist() == [[5, 1]]


def test_a_caliper_leaves_far_pairs_out() -> None:
    frame = study()
    whole = contrast(frame).pairs["distance"]
    limit = float(whole.sort_values().iloc[-1]) * 0.999
    near = contrast(frame, caliper=limit)
    assert near.pairs["distance"].max() <= limit
    assert any(f"caliper of {limit:g}" in note for note in near.notes)
    with pytest.raises(DataError, match=r"pairs of a patient with a gain[\s\S]*wider caliper"):
        contrast(frame, caliper=1e-9)
    with pytest.raises(DataError, match=r"caliper = -1 is no distance[\s\S]*0.5"):
        contrast(frame, caliper=-1)


def test_labels_and_the_order_of_rows_change_nothing() -> None:
    frame = study()
    pd.testing.assert_frame_equal(contrast(frame).tidy(), contrast(relabelled(frame)).tidy())


def test_another_gain_of_the_patient_can_stand_for_it() -> None:
    frame = study()
    again = frame.assign(session=frame["session"] + 7, score=frame["score"] - 20 * (frame["patient"] <= 6))
    more = pd.concat([frame, again])
    gains = al.sudden_gains(more, "score", cutoff=7, criterion="gaynor", direction="higher_is_worse")
    assert set(al.around_gains(gains, more, column="wai", which="first").pairs["session"]) == {3}
    assert set(al.around_gains(gains, more, column="wai", which="last").pairs["session"]) != {3}
    with pytest.raises(DataError, match=r"No choice of gain 'all'[\s\S]*Hint"):
        al.around_gains(gains, more, column="wai", which="all")  # type: ignore[arg-type]


def test_sessions_without_the_rating_are_left_out_by_pair() -> None:
    frame = study()
    frame.loc[(frame["patient"] == 1) & (frame["session"] == 5), "wai"] = np.nan
    rows = contrast(frame).tidy().query("term == 'score' and group == 'difference'").set_index("category")["n"]
    assert rows.to_dict() == {"n-2": 6, "n-1": 6, "n": 6, "n+1": 6, "n+2": 5, "n+3": 6}


def test_another_frame_or_column_is_refused() -> None:
    frame = study()
    gains = al.sudden_gains(frame, "score", cutoff=7, criterion="tang_derubeis", direction="higher_is_worse")
    with pytest.raises(DataError, match=r"does not hold the ratings of 'score'[\s\S]*pass the frame"):
        al.around_gains(gains, frame.assign(score=frame["score"] + 1), column="wai")
    with pytest.raises(ColumnError, match="wei"):
        al.around_gains(gains, frame, column="wei")


def test_without_gains_there_is_no_contrast() -> None:
    frame = noise(6, 7).assign(score=20.0, wai=1.0)
    with pytest.raises(DataError, match=r"0 patients with a gain, 6 without[\s\S]*Hint"):
        contrast(frame)


def alike() -> pd.DataFrame:
    """Return three patients with the same gain and six controls with the same course, their alliance all different."""
    rows: list[tuple[str, int, float, float]] = [
        (f"g{p}", s, y, 5 + 0.1 * p + (0.5 + 0.2 * p) * (s > 3))
        for p in range(3)
        for s, y in enumerate([20.0, 20, 20, 8, 8, 8], 1)
    ]
    rows += [(f"c{p}", s, 20.0, 4 + 0.2 * p + 0.1 * p * (s > 3)) for p in range(6) for s in range(1, 7)]
    return pd.DataFrame(rows, columns=["patient", "session", "score", "wai"])


def test_among_equally_near_controls_the_order_of_rows_decides_nothing() -> None:
    frame = alike()
    first = contrast(frame)
    for seed in range(6):
        pd.testing.assert_frame_equal(contrast(frame.sample(frac=1.0, random_state=seed)).tidy(), first.tidy())
    assert any(note.startswith("Other controls are equally near") for note in first.notes)
    assert not any(note.startswith("Other controls") for note in contrast(study()).notes)


@pytest.mark.parametrize("change", ["rows", "index", "float ids", "text ids", "new ids"])
def test_the_frame_may_come_in_another_order_or_with_other_ids(change: str) -> None:
    frame = study()
    gains = al.sudden_gains(frame, "score", cutoff=7, criterion="tang_derubeis", direction="higher_is_worse")
    other = {
        "rows": frame.sample(frac=1.0, random_state=1),
        "index": frame.set_axis(frame.index[::-1], axis=0),
        "float ids": frame.astype({"patient": float}).iloc[::-1],
        "text ids": frame.astype({"patient": str}).sample(frac=1.0, random_state=2),
        "new ids": frame.assign(patient=frame["patient"].map(lambda value: f"x{97 * value % 31}")),
    }[change]
    pd.testing.assert_frame_equal(
        al.around_gains(gains, other, column="wai").tidy(), al.around_gains(gains, frame, column="wai").tidy()
    )


def test_ids_that_changed_places_are_refused() -> None:
    frame = study()
    gains = al.sudden_gains(frame, "score", cutoff=7, criterion="tang_derubeis", direction="higher_is_worse")
    with pytest.raises(DataError, match=r"does not hold the ratings of 'score'[\s\S]*pass the frame"):
        al.around_gains(gains, frame.assign(patient=13 - frame["patient"]), column="wai")


def test_the_rating_counts_in_sessions_without_an_outcome() -> None:
    frame = study()
    # the outcome ends one session after the gain, the rating goes on
    short = frame.assign(score=frame["score"].where(frame["session"] <= 5))
    expected = frame[(frame["patient"] <= 6) & frame["session"].between(4, 6)].groupby("patient")["wai"].mean().mean()
    for frame_ in (short, frame.assign(score=frame["score"].mask(frame["session"].eq(6)))):
        rows = contrast(frame_).tidy().query("term == 'after' and group == 'gain'")
        assert rows["estimate"].iloc[0] == pytest.approx(expected)


def test_the_notes_name_level_degrees_of_freedom_and_rows() -> None:
    frame = study()
    frame.loc[3, "wai"] = np.nan
    notes = contrast(frame).notes
    assert any("t with pairs - 1 degrees of freedom" in note for note in notes)
    assert "Rows: 84; used: 84, of 12 patients; none left out." in notes
    assert any(note.startswith("Rows: 84; used: 83, of 12 patients; left out: 1 without 'wai'") for note in notes)
