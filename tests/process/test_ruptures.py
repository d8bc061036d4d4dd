"""Ruptures and repairs."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from course_frames import course, long_frame, noise, relabelled

import alliance_stats as al
from alliance_stats import DataError


def found(frame: pd.DataFrame, criterion: Any = "points", **options: Any) -> al.Ruptures:
    cutoff = {"cutoff": 2} if criterion == "points" else {}
    return al.ruptures(frame, **({"alliance": "score", "criterion": criterion, "repair": 1.0} | cutoff | options))


def rows(frame: pd.DataFrame, criterion: Any = "points", **options: Any) -> list[tuple[Any, ...]]:
    table = found(frame, criterion, **options).episodes()
    columns = ["before", "onset", "low", "repair", "fall", "outcome"]
    return [tuple(None if value != value else value for value in row) for row in table[columns].to_numpy(object)]


DECLINE = replace(al.load_rupture_criterion("points"), key="decline", fall="decline", threshold=3.0)
LEVEL = replace(al.load_rupture_criterion("points"), key="level", fall="level", threshold=2.0)


@pytest.mark.parametrize(
    ("scores", "criterion", "expected"),
    [
        # the simple V: down and back in the next session
        ((5, 5, 3, 5, 5), "points", [(2, 3, 3, 4, 2, "repaired")]),
        # the low comes later than the onset, and half of the way is not a repair
        ((5, 5, 3, 2, 4, 5), "points", [(2, 3, 4, 6, 3, "repaired")]),
        ((5, 5, 3, 4, 4), "points", [(2, 3, 3, None, 2, "unrepaired")]),
        # nothing follows the fall: not known whether it is repaired
        ((5, 5, 5, 3), "points", [(3, 4, 4, None, 2, "open")]),
        # two falls of one point are no step of two
        ((5, 4, 3, 5), "points", []),
        # two ruptures, the second after the repair of the first
        ((5, 3, 5, 3, 5), "points", [(1, 2, 2, 3, 2, "repaired"), (3, 4, 4, 5, 2, "repaired")]),
        # a missing session ends a step
        ((5, None, 3, 5), "points", []),
        # a decline over sessions counts from the last high; a plateau does not end it, a rise does
        ((5, 4, 3, 2, 5), DECLINE, [(1, 4, 4, 5, 3, "repaired")]),
        ((5, 5, 4, 4, 2, 5), DECLINE, [(2, 5, 5, 6, 3, "repaired")]),
        ((5, 3, 4, 2, 5), DECLINE, []),
        ((5, 4, None, 2, 5), DECLINE, []),
        # mean 5; one session below it by 4; back at the mean in the next
        ((6, 6, 6, 1, 6), LEVEL, [(None, 4, 4, 5, 4, "repaired")]),
    ],
)
def test_episodes_of_small_courses(scores: tuple[float, ...], criterion: Any, expected: list[tuple[Any, ...]]) -> None:
    assert rows(course(*scores), criterion) == expected


def test_a_bridged_gap_lets_a_fall_count() -> None:
    frame = course(5, None, 3, 5)
    assert rows(frame, missing="bridge") == [(1, 3, 3, 4, 2, "repaired")]
    assert any("bridged" in note for note in found(frame, missing="bridge").notes)


@pytest.mark.parametrize(("repair", "session"), [(0.5, 4), (0.75, 5), (1.0, 6)])
def test_a_repair_regains_the_share_asked_for(repair: float, session: int) -> None:
    table = found(course(8, 4, 4, 6, 7, 8), repair=repair).episodes()
    assert table["repair"].tolist() == [session]
    assert table["repair_length"].tolist() == [session - 2]


@pytest.mark.parametrize(
    ("within", "outcome"), [(None, "repaired"), (3, "repaired"), (2, "unrepaired"), (1, "unrepaired")]
)
def test_a_repair_must_come_within_the_sessions_asked_for(within: int | None, outcome: str) -> None:
    assert found(course(8, 4, 4, 4, 8), within=within).episodes()["outcome"].tolist()[0] == outcome


def test_a_course_that_ends_too_early_leaves_the_rupture_open() -> None:
    assert found(course(8, 8, 4, 5), within=2).episodes()["outcome"].tolist() == ["open"]
    assert found(course(8, 8, 4, 5, 5), within=2).episodes()["outcome"].tolist() == ["unrepaired"]


def test_after_an_unrepaired_rupture_the_next_fall_counts_anew() -> None:
    table = found(course(9, 6, 6, 6, 3, 3, 3, 3), within=2).episodes()
    assert table[["onset", "before", "fall"]].to_numpy().tolist() == [[2, 1, 3], [5, 4, 3]]


def test_a_rating_still_below_the_level_is_no_repair_and_no_new_rupture() -> None:
    # mean 6; below 4 counts; 3 regains a fifth of the way from 1 to 6 and is still below
    scores = (8, 8, 8, 1, 3, 8)
    assert found(course(*scores), LEVEL, repair=0.2).episodes()["repair"].tolist() == [6]
    low = found(course(9, 9, 9, 9, 9, 1, 1, 1, 1, 9), LEVEL, within=1).episodes()
    assert low[["onset", "outcome"]].to_numpy().tolist() == [[6, "unrepaired"]]


def test_a_repair_after_a_gap_is_marked() -> None:
    result = found(course(5, 3, None, 5, 5))
    assert result.episodes()["dated_by_gap"].tolist() == [True]
    assert result.episodes()["repair_length"].tolist() == [2]
    assert any(note.startswith("1 repair was first seen after missing sessions") for note in result.notes)


def test_the_stricter_standard_deviation_is_the_larger_one() -> None:
    calm, stormy = [5.0, 5.1, 4.9, 5.0, 5.1, 4.9], [1.0, 9.0, 1.0, 9.0, 1.0, 9.0]
    result = found(long_frame([calm, stormy]), "gumz_1sd")
    own, whole = np.std(stormy, ddof=1), np.std(calm + stormy, ddof=1)
    assert result.thresholds == pytest.approx([whole, own])
    assert found(long_frame([calm, stormy]), "gumz_2sd").thresholds == pytest.approx([2 * whole, 2 * own])
    assert found(long_frame([calm, stormy]), "own_sd_step").thresholds == pytest.approx([np.std(calm, ddof=1), own])


def test_the_control_chart_lies_three_sigma_below_the_mean() -> None:
    scores = [50.0, 51, 50, 49, 50, 51, 50, 49, 50, 51, 50, 49, 50, 42, 50, 51]
    moving = np.abs(np.diff(scores)).mean()
    result = found(course(*scores), "control_chart")
    # d2(2) = 1.128, the expected range of two standard normal values
    assert result.thresholds[0] == pytest.approx(3 * moving / 1.128, rel=1e-3)
    table = result.episodes()
    assert table["onset"].tolist() == [14]
    assert table["fall"].tolist() == pytest.approx([np.mean(scores) - 42])
    assert table["before"].isna().all()


def test_moving_ranges_leave_gaps_out() -> None:
    result = found(course(1, 2, None, 90, 91), "control_chart")
    assert result.thresholds[0] == pytest.approx(3 * 1 * math.sqrt(math.pi) / 2)


def test_patients_with_few_ratings_are_not_judged_and_counted() -> None:
    frame = long_frame([[5, 3, 5, 4], [5, 3, None, None], [5, None, None, None]])
    result = found(frame, "own_sd_step")
    assert result.by_patient()["judged"].tolist() == [True, False, False]
    assert "2 of 3 patients cannot be judged and are in no share: 2 have fewer than 3 ratings." in result.notes
    assert found(frame).by_patient()["judged"].tolist() == [True, True, False]
    assert found(frame).by_patient()[["n_ruptures", "n_repaired", "n_open"]].to_numpy().tolist() == [
        [1, 1, 0],
        [1, 0, 1],
        [0, 0, 0],
    ]


def test_the_tidy_table_counts_what_the_episodes_say() -> None:
    frame = noise(60, 10)
    result = found(frame, "gumz_1sd", repair=0.8)
    table, people = result.episodes(), result.by_patient()
    tidy = result.tidy().set_index("term")
    assert tidy.loc["patients_with_rupture", "estimate"] == pytest.approx((people["n_ruptures"] > 0).mean())
    assert tidy.loc["patients_with_unrepaired", "estimate"] == pytest.approx((people["n_unrepaired"] > 0).mean())
    closed = table[table["outcome"] != "open"]
    assert tidy.loc["repaired", "estimate"] == pytest.approx((closed["outcome"] == "repaired").mean())
    assert tidy.loc["repair_length", "estimate"] == pytest.approx(table["repair_length"].mean())
    assert tidy.loc["decline_length", "n"] == len(table)
    onsets = tidy.loc["onset"].set_index("session")
    assert onsets.index.tolist() == list(range(2, 11))
    assert onsets.loc[4, "estimate"] == pytest.approx((table["onset"] == 4).sum() / 60)
    row = result.glance().iloc[0]
    assert row["n_ruptures"] == len(table) == row[["n_repaired", "n_unrepaired", "n_open"]].sum()


def test_labels_and_the_order_of_rows_change_nothing() -> None:
    frame = noise(40, 9)
    for criterion in ("gumz_1sd", "own_sd_step", "control_chart", "points"):
        pd.testing.assert_frame_equal(found(frame, criterion).tidy(), found(relabelled(frame), criterion).tidy())


def test_a_change_of_scale_changes_no_count() -> None:
    frame = noise(40, 9)
    for criterion in ("gumz_1sd", "own_sd_step", "control_chart"):
        scaled = frame.assign(score=3 * frame["score"] - 100)
        assert rows_without_points(frame, criterion) == rows_without_points(scaled, criterion)


def rows_without_points(frame: pd.DataFrame, criterion: str) -> list[list[Any]]:
    return found(frame, criterion).episodes()[["patient", "onset", "low", "outcome"]].to_numpy().tolist()


def test_a_stricter_threshold_finds_no_patient_that_a_milder_one_does_not() -> None:
    frame = noise(80, 10)
    mild, strict = (set(found(frame, name).table["unit"]) for name in ("gumz_1sd", "gumz_2sd"))
    assert strict < mild


def test_independent_ratings_fall_by_one_own_deviation_at_the_rate_of_chance() -> None:
    # the difference of two independent normal values exceeds one standard deviation with probability P(Z > 1 / sqrt(2))
    frame = noise(400, 60, seed=8)
    result = found(frame, "own_sd_step", repair=1e-9)
    # with a repair by any rise at all, nearly every fall of one deviation is an onset of its own
    steps = frame.sort_values(["patient", "session"]).groupby("patient")["score"].diff().dropna()
    spread = frame.groupby("patient")["score"].std().mean()
    assert (-steps > spread).mean() == pytest.approx(0.2398, abs=0.005)
    share = result.glance()["n_ruptures"].iloc[0] / (400 * 59)
    assert 0.15 < share < 0.2398


def test_published_criteria_whose_constants_could_not_be_read_are_refused_with_the_reason() -> None:
    for key in ("stiles_2004", "strauss_2006", "stevens_2007", "eubanks_carter_2012"):
        with pytest.raises(DataError, match=r"is not offered\.[\s\S]*could not be read[\s\S]*RuptureCriterion"):
            found(noise(3, 6), key)
    table = al.list_rupture_criteria().set_index("key")
    assert (~table["offered"]).sum() == 4
    assert table.loc["gumz_1sd", "source"].endswith("doi:10.1186/1471-2288-12-10")
    assert set(table.loc[table["offered"], "confidence"]) == {"reading", "convention"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"repair": 0}, r"repair = 0 is no share[\s\S]*0.5"),
        ({"repair": 1.2}, r"repair = 1.2 is no share"),
        ({"within": 0}, r"within is a whole number of 1 or more; 0 was given[\s\S]*within=1"),
        ({"missing": "skip"}, r"No rule for missing sessions 'skip'[\s\S]*Hint"),
        ({"cutoff": None}, r"Criterion 'points' needs a cut-off[\s\S]*cutoff="),
        ({"criterion": "gumz_1sd", "cutoff": 2}, r"threshold of its own \(1\)[\s\S]*leave cutoff= out"),
        ({"criterion": "gumz"}, r"No criterion 'gumz'[\s\S]*Hint"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        al.ruptures(noise(3, 6), **({"alliance": "score", "criterion": "points", "repair": 1.0, "cutoff": 2} | options))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fall": "slide"}, "kind of fall"),
        ({"unit": "miles"}, "unit"),
        ({"threshold": -1.0}, "no fall"),
        ({"threshold": None}, "no threshold"),
    ],
)
def test_impossible_criteria_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=rf"{message}[\s\S]*Hint"):
        replace(al.load_rupture_criterion("gumz_1sd"), **change)


def test_one_session_per_patient_cannot_be_judged() -> None:
    with pytest.raises(
        DataError, match=r"'gumz_1sd': of 5 patients 5 have fewer than 3 ratings[\s\S]*several ratings in a row"
    ):
        found(noise(5, 1), "gumz_1sd")


def test_ratings_that_do_not_vary_give_no_rupture_and_a_note() -> None:
    for criterion in ("gumz_1sd", "own_sd_step", "control_chart", "points"):
        result = found(course(*[4] * 8), criterion)
        assert result.glance()["n_ruptures"].iloc[0] == 0
        assert "The ratings do not vary at all: there is nothing to find." in result.notes


def test_a_reliable_change_can_be_the_cutoff() -> None:
    error = al.MeasurementError(reliability=0.9, kind="internal_consistency", sd=4.0)
    result = found(noise(5, 8), cutoff=error)
    assert result.thresholds == pytest.approx(1.959964 * math.sqrt(2) * 4 * math.sqrt(0.1))


def test_two_raters_in_one_column_are_refused() -> None:
    frame = noise(3, 6)
    mixed = pd.concat([frame.assign(rater="patient"), frame.assign(rater="therapist", session=frame["session"] + 6)])
    with pytest.raises(DataError, match=r"2 raters \(column 'rater'\)[\s\S]*keep the rows of one rater"):
        found(mixed)


def test_notes_and_tables_show_no_ids() -> None:
    frame = noise(12, 9).assign(patient=lambda d: "Maria-" + d["patient"].astype(str))
    result = found(frame, "gumz_1sd")
    assert not any("Maria" in text for text in [*result.notes, result.tidy().to_string(), repr(result)])
    assert result.episodes()["patient"].str.startswith("Maria").all()


def apart(n_patients: int = 1) -> pd.DataFrame:
    """Return patients rated in every second session, as many as asked for, and one rated in every session."""
    every = pd.DataFrame({"patient": 0, "session": range(1, 6), "score": [5.0, 1, 5, 1, 5]})
    second = [every.assign(patient=number + 1, session=every["session"] * 2) for number in range(n_patients)]
    return pd.concat([*second, every], ignore_index=True)


@pytest.mark.parametrize("criterion", ["gumz_1sd", "own_sd_step", "control_chart", "points"])
def test_patients_without_neighbouring_ratings_are_not_judged(criterion: str) -> None:
    result = found(apart(3), criterion)
    assert result.by_patient()["judged"].tolist() == [False, False, False, True]
    assert np.isnan(result.thresholds).tolist() == [True, True, True, False]
    # the share of patients with a rupture is that of the patients in whom one could be seen
    shares = result.tidy().query("term == 'patients_with_rupture'").iloc[0]
    assert (shares["n"], result.glance()["n_patients_judged"].iloc[0]) == (1, 1)
    text = "3 of 4 patients cannot be judged and are in no share: 3 have no ratings of two neighbouring sessions."
    assert text in result.notes
    assert found(apart(3), criterion, missing="bridge").judged.all()


def test_every_patient_judged_has_a_rating_to_compare() -> None:
    rng = np.random.default_rng(7)
    frame = noise(60, 9).assign(keep=rng.random(540) < 0.35).query("keep")
    for criterion in ("gumz_1sd", "own_sd_step", "points"):
        for missing in ("break", "bridge"):
            result = found(frame, criterion, missing=missing)
            some = np.bincount(result.series.codes[result.comparable], minlength=result.series.n_units) > 0
            assert result.judged.tolist() == some.tolist()
            assert 0 < result.judged.sum() < 60


def test_without_any_neighbouring_ratings_nothing_is_judged_and_the_hint_helps() -> None:
    frame = apart(3).query("patient > 0")
    message = r"of 3 patients 3 have no ratings of two neighbouring sessions[\s\S]*number the sessions[\s\S]*\"bridge\""
    for criterion in ("own_sd_step", "control_chart", "points"):
        with pytest.raises(DataError, match=message):
            found(frame, criterion)
        found(frame, criterion, missing="bridge")
        renumbered = frame.assign(session=frame.groupby("patient")["session"].rank("dense"))
        assert found(renumbered, criterion).judged.all()
    short = frame[frame["session"] < 5]
    with pytest.raises(DataError, match=r"3 have fewer than 3 ratings[\s\S]*take patients with 3 or more") as error:
        found(short, "own_sd_step", missing="bridge")
    assert "bridge" not in str(error.value)


def test_a_control_chart_without_any_moving_range_judges_nobody() -> None:
    frame = pd.concat([course(5, 5, 5, None, 4, 4, 4), noise(1, 8).assign(patient=2)])
    result = found(frame, "control_chart")
    assert result.by_patient()["judged"].tolist() == [False, True]
    assert any("1 has no change between neighbouring sessions" in note for note in result.notes)
    # over the gap there is a moving range: one point in five steps
    bridged = found(frame, "control_chart", missing="bridge")
    assert bridged.thresholds[0] == pytest.approx(3 * 0.2 * math.sqrt(math.pi) / 2)


def test_a_level_is_compared_with_ratings_after_a_gap_as_well() -> None:
    # mean 5, limit 3: low before and after the gap is one rupture, low after the gap only begins one there
    once = found(course(7, 7, 1, None, 1, 7, 7), LEVEL).episodes()
    assert once["onset"].tolist() == [3]
    assert found(course(7, 7, 7, None, 1, 7, 1), LEVEL).episodes()["onset"].tolist() == [5, 7]
    assert any("a missing session ends nothing" in note for note in found(course(7, 7, 1, 7), LEVEL).notes)


def test_on_a_scale_where_higher_is_worse_a_rise_is_a_rupture() -> None:
    frame = noise(40, 10)
    for criterion in ("gumz_1sd", "own_sd_step", "control_chart", "points", DECLINE, LEVEL):
        worse = found(frame.assign(score=100 - frame["score"]), criterion, direction="higher_is_worse", within=3)
        better = found(frame, criterion, within=3)
        pd.testing.assert_frame_equal(worse.tidy(), better.tidy())
        pd.testing.assert_frame_equal(worse.episodes(), better.episodes())
        assert worse.glance()["direction"].tolist() == ["higher_is_worse"]
        assert any(note.startswith("A higher rating is worse") for note in worse.notes)
    assert rows(course(1, 1, 3, 1, 1), direction="higher_is_worse") == [(2, 3, 3, 4, 2, "repaired")]


def test_rounding_of_means_neither_ends_nor_begins_a_decline() -> None:
    # the middle rating lies above the one before it in the last digit only: a plateau, no rise
    frame = course(5.0, 3.1, np.nextafter(3.1, 4), 1.0)
    assert rows(frame, replace(DECLINE, threshold=4.0)) == [(1, 4, 4, None, 4.0, "open")]
