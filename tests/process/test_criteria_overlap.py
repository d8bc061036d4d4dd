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
    assert any("kappas are not defined" in note for note in overlap.notes)


def test_labels_and_the_order_of_rows_change_nothing() -> None:
    frame = noise(40, 9)
    one, two = (al.compare_rupture_criteria(f, alliance="score", repair=1.0).tidy() for f in (frame, relabelled(frame)))
    pd.testing.assert_frame_equal(one, two)


def test_there_must_be_two_different_criteria() -> None:
    with pytest.raises(DataError, match=r"fewer than two criteria[\s\S]*list of two"):
        al.compare_gain_criteria(noise(5, 8), "score", criteria=["kelly"], **GAINS)
    with pytest.raises(DataError, match=r"Two criteria are called 'gumz_1sd'[\s\S]*key="):
        al.compare_rupture_criteria(noise(5, 8), alliance="score", repair=1.0, criteria=["gumz_1sd", "gumz_1sd"])
