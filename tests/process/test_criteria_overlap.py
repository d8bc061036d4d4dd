"""Agreement of criteria."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from course_frames import course, noise, relabelled

import alliance_stats as al
from alliance_stats import DataError

GAINS: dict[str, Any] = {"cutoff": 3, "direction": "higher_is_worse"}


def test_kappa_between_sessions_is_that_of_the_flags() -> None:
    frame = noise(60, 10)
    overlap = al.compare_gain_criteria(frame, "score", criteria=["tang_derubeis", "kelly"], **GAINS)
    flags = {}
    for key in ("tang_derubeis", "kelly"):
        found = al.sudden_gains(frame, "score", criterion=key, **GAINS).found["gain"]
        flags[key] = np.where(found.judged, found.found, np.nan).ravel()
    a, b = flags.values()
    both = ~np.isnan(a) & ~np.isnan(b)
    a, b = a[both], b[both]
    chance = a.mean() * b.mean() + (1 - a.mean()) * (1 - b.mean())
    row = overlap.tidy().query("level == 'session' and kind == 'kappa'").iloc[0]
    assert row["estimate"] == pytest.approx(((a == b).mean() - chance) / (1 - chance))
    assert (row["n"], row["n_both"], row["n_either"]) == (both.sum(), (a * b).sum(), (a + b > 0).sum())
    assert row["conf_low"] < row["estimate"] < row["conf_high"]


def test_shares_are_those_of_the_single_analyses() -> None:
    frame = noise(60, 10)
    overlap = al.compare_gain_criteria(frame, "score", **GAINS)
    table = overlap.tidy().query("kind == 'share'")
    for key in al.list_gain_criteria()["key"]:
        row = al.sudden_gains(frame, "score", criterion=key, **GAINS).glance().iloc[0]
        counts = table[table["term"] == key].set_index("level")
        assert counts.loc["session", "n_found"] == row["n_gains"]
        assert counts.loc["session", "n"] == row["n_intervals_judged"]
        assert counts.loc["patient", "n_found"] == row["n_patients_with_gain"]


def test_criteria_that_are_the_same_agree_wholly() -> None:
    rule = al.load_gain_criterion("gaynor")
    overlap = al.compare_gain_criteria(noise(60, 10), "score", criteria=[rule, replace(rule, key="copy")], **GAINS)
    assert overlap.tidy().query("kind == 'kappa'")["estimate"].tolist() == [1.0, 1.0]


def test_rupture_criteria_are_compared_where_both_can_judge() -> None:
    frame = noise(50, 10)
    overlap = al.compare_rupture_criteria(
        frame, alliance="score", repair=1.0, criteria=["gumz_1sd", "points"], cutoff=6, missing="bridge"
    )
    table = overlap.tidy().query("kind == 'share' and level == 'session'").set_index("term")
    for key, options in (("gumz_1sd", {}), ("points", {"cutoff": 6})):
        single = al.ruptures(frame, alliance="score", criterion=key, repair=1.0, missing="bridge", **options)
        assert table.loc[key, "n_found"] == single.glance()["n_ruptures"].iloc[0]
        assert table.loc[key, "n"] == 50 * 9
    assert overlap.glance()["n_criteria"].iloc[0] == 2


def test_a_kappa_without_variation_is_missing_and_noted() -> None:
    overlap = al.compare_gain_criteria(
        course(30, 30, 30, 20, 20, 20, 20),
        "score",
        criteria=["tang_derubeis", "kelly"],
        cutoff=7,
        direction="higher_is_worse",
    )
    rows = overlap.tidy().query("kind == 'kappa'").set_index("level")
    assert np.isnan(rows.loc["patient", "estimate"])
    assert any("is not defined" in note or "are not defined" in note for note in overlap.notes)


def test_labels_and_the_order_of_rows_change_nothing() -> None:
    frame = noise(40, 9)
    one, two = (al.compare_rupture_criteria(f, alliance="score", repair=1.0).tidy() for f in (frame, relabelled(frame)))
    pd.testing.assert_frame_equal(one, two)


def test_there_must_be_two_different_criteria() -> None:
    with pytest.raises(DataError, match=r"fewer than two criteria[\s\S]*list of two"):
        al.compare_gain_criteria(noise(5, 8), "score", criteria=["kelly"], **GAINS)
    with pytest.raises(DataError, match=r"Two criteria are called 'gumz_1sd'[\s\S]*key="):
        al.compare_rupture_criteria(noise(5, 8), alliance="score", repair=1.0, criteria=["gumz_1sd", "gumz_1sd"])


def test_patients_whom_no_criterion_can_judge_are_in_no_share() -> None:
    frame = pd.concat(
        [noise(20, 8), noise(5, 5).assign(patient=lambda d: d["patient"] + 50, session=lambda d: 2 * d["session"])]
    )
    table = al.compare_rupture_criteria(frame, alliance="score", repair=1.0).tidy().query("level == 'patient'")
    assert set(table["n"]) == {20}
    bridged = al.compare_rupture_criteria(frame, alliance="score", repair=1.0, missing="bridge").tidy()
    assert set(bridged.query("level == 'patient'")["n"]) == {25}


def test_within_and_direction_are_those_of_the_single_analyses() -> None:
    frame = noise(60, 10)
    options: dict[str, Any] = {"alliance": "score", "repair": 1.0, "within": 2, "direction": "higher_is_worse"}
    table = al.compare_rupture_criteria(frame, **options).tidy().query("kind == 'share' and level == 'session'")
    for key, count in zip(table["term"], table["n_found"], strict=True):
        assert count == al.ruptures(frame, criterion=key, **options).glance()["n_ruptures"].iloc[0]
    other = al.compare_rupture_criteria(frame, alliance="score", repair=1.0).tidy()
    assert other.query("kind == 'share' and level == 'session'")["n_found"].tolist() != table["n_found"].tolist()


def test_notes_count_rows_and_what_each_criterion_judges() -> None:
    frame = pd.concat([noise(10, 8), noise(1, 8).assign(patient=np.nan)])
    notes = al.compare_rupture_criteria(
        frame, alliance="score", repair=1.0, criteria=["gumz_1sd", "control_chart"]
    ).notes
    assert "Rows: 88; used: 80, of 10 patients; left out: 8 without patient (each row counted once)." in notes
    assert "'gumz_1sd' judges 70 sessions of 10 patients." in notes
    assert "'control_chart' judges 80 sessions of 10 patients." in notes


def test_intervals_of_kappa_are_normal_at_any_level_and_end_at_one() -> None:
    rule = al.load_gain_criterion("gaynor")
    nearly = [rule, replace(rule, key="nearly", share=0.255)]
    overlap = al.compare_gain_criteria(noise(60, 10), "score", criteria=nearly, **GAINS)
    assert overlap.tidy().query("kind == 'kappa'")["conf_high"].eq(1.0).any()
    for level, z in ((0.95, 1.959964), (0.8, 1.281552)):
        rows = overlap.tidy(level=level).query("kind == 'kappa'").dropna(subset=["std_error"])
        assert (rows["conf_low"] - (rows["estimate"] - z * rows["std_error"])).abs().max() < 1e-5
        assert (rows["conf_high"] - np.minimum(1, rows["estimate"] + z * rows["std_error"])).abs().max() < 1e-5
