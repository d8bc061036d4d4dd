"""Sudden gains."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from course_frames import course, long_frame, noise, relabelled

import alliance_stats as al
from alliance_stats import DataError

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[1] / "golden" / "courses.json").read_text())
WORSE: Any = {"direction": "higher_is_worse"}


def gains(frame: pd.DataFrame, column: str = "score", **options: Any) -> al.SuddenGains:
    return al.sudden_gains(frame, column, **({"cutoff": 7, "criterion": "tang_derubeis"} | WORSE | options))


@pytest.fixture(scope="session")
def sgdata(shared_data: Callable[[str], Path]) -> pd.DataFrame:
    wide = pd.read_csv(shared_data("sgdata") / "sgdata.csv").rename(columns={"id": "patient"})
    frames = []
    for measure in ("bdi", "rq"):
        columns = ["patient", *(f"{measure}_s{session}" for session in range(1, 13))]
        frames.append(al.to_long(wide[columns], f"{measure}_s{{session}}"))
    return frames[0].merge(frames[1], on=["patient", "session"], how="outer")


# R package suddengains 0.7.2, vignette: describe_sg() of bysg and byperson_first, count_intervals() of the selected cases
def test_sgdata_gives_the_counts_that_r_package_suddengains_documents(sgdata: pd.DataFrame) -> None:
    found = gains(sgdata, "bdi")
    row = found.glance().iloc[0]
    assert (row["n_patients"], row["n_patients_judged"], row["n_intervals_judged"]) == (43, 39, 298)
    assert (row["n_gains"], row["n_patients_with_gain"], row["n_patients_with_several"]) == (24, 15, 8)
    changes = found.changes()
    assert int(changes["reversed"].sum()) == row["n_reversed"] == 4
    assert changes["magnitude"].mean() == pytest.approx(11)
    assert changes["magnitude"].std() == pytest.approx(3.43, abs=0.005)
    several = changes.groupby("patient")["order"].transform("max") > 1
    assert several.mean() == pytest.approx(0.7083, abs=5e-5)


def test_sgdata_first_and_largest_gain_are_those_of_the_vignette(sgdata: pd.DataFrame) -> None:
    found = gains(sgdata, "bdi")
    first = found.by_patient("first")
    assert len(first) == 43
    assert first["reversed"].sum() == 3
    assert first["magnitude"].mean() == pytest.approx(11.4)
    assert first["magnitude"].std() == pytest.approx(3.98, abs=0.005)
    # "The first gain experienced by ID 5 is from session 3 to 4, whereas the largest gain was from session 8 to 9."
    assert first.set_index("patient").loc[5, "session"] == 3
    assert found.by_patient("largest").set_index("patient").loc[5, "session"] == 8


# tests/testthat/test-create_bysg.R of the package: id, pre-gain session, value beyond which the gain is reversed, reversed
@pytest.mark.parametrize(
    ("patient", "session", "limit", "reversed_later"),
    [
        (1, 3, 28.5, True),
        (1, 7, 23, False),
        (3, 8, 30.5, False),
        (4, 3, 27, True),
        (5, 8, 12.5, False),
        (12, 3, 27, True),
    ],
)
def test_sgdata_reversals_are_those_of_the_package(
    sgdata: pd.DataFrame, patient: int, session: int, limit: float, reversed_later: bool
) -> None:
    row = gains(sgdata, "bdi").changes().set_index(["patient", "session"]).loc[(patient, session)]
    assert (row["reversal_value"], row["reversed"]) == (limit, reversed_later)


@pytest.mark.parametrize("criterion", list(GOLDEN["gains"]))
def test_gains_are_those_of_criteria_written_out_in_r(criterion: str) -> None:
    found = gains(long_frame(GOLDEN["table"]), criterion=criterion).changes()
    assert found[["patient", "session"]].to_numpy().tolist() == GOLDEN["gains"][criterion]


def test_each_criterion_of_the_table_has_a_source_and_evidence() -> None:
    table = al.list_gain_criteria()
    assert (table["source"].str.len() > 20).all()
    assert (table["evidence"].str.len() > 20).all()


# R package suddengains, check_interval() in the vignette: n, mean difference, critical value
@pytest.mark.parametrize(
    ("before", "after", "alpha", "edge"),
    [
        ((32, 31, 33), (5, 6, 7), 0.05, 2.776),
        ((32, 31, 33), (5, 6, 7), 0.01, 4.604),
        ((None, 31, 33), (5, None, 7), 0.01, 9.925),
    ],
)
def test_the_critical_value_follows_the_number_of_scores(
    before: tuple[float, ...], after: tuple[float, ...], alpha: float, edge: float
) -> None:
    rule = replace(al.load_gain_criterion("tang_derubeis"), alpha=alpha)
    known = [np.array([v for v in side if v is not None], dtype=float) for side in (before, after)]
    pooled = math.sqrt(sum(((v - v.mean()) ** 2).sum() for v in known) / (sum(v.size for v in known) - 2))
    for factor, expected in ((0.999, 0), (1.001, 1)):
        shift = known[0].mean() - known[1].mean() - edge * pooled * factor
        moved = [v if v is None else v + shift for v in after]
        frame = course(*before, *moved)
        found = gains(frame, cutoff=1e-6, criterion=replace(rule, share=0.0))
        row = found.changes()
        # a factor below 1 makes the difference smaller than the critical one
        assert (row["session"] == 3).sum() == expected


def test_the_form_with_the_root_is_milder_by_the_root() -> None:
    base = [20.0, 22.0, 21.0]
    sd = 1.0
    for form, ratio in (("tang_derubeis", 1.0), ("tang_derubeis_t_test", math.sqrt(2 / 3))):
        limit = 2.7764451051977987 * sd * ratio
        hits = [
            gains(
                course(*base, *(v - limit * k for v in (21.0, 20.0, 22.0))),
                cutoff=0.5,
                criterion=replace(al.load_gain_criterion(form), share=0.0),
            )
            .changes("gain")["session"]
            .eq(3)
            .any()
            for k in (0.99, 1.01)
        ]
        assert hits == [False, True]


def test_complete_asks_for_all_six_scores() -> None:
    frame = course(30, None, 30, 20, 20, 20)
    assert gains(frame).glance()["n_gains"].iloc[0] == 1
    with pytest.raises(DataError, match=r"No interval can be judged[\s\S]*missing=\"adjusted\""):
        gains(frame, missing="complete")
    assert gains(course(30, 31, 30, 20, 20, 20), missing="complete").glance()["n_gains"].iloc[0] == 1


def test_an_interval_across_a_missing_session_is_no_gain() -> None:
    assert gains(course(30, 30, 30, None, 20, 20, 20, 20)).glance()["n_gains"].iloc[0] == 0


def test_gains_on_a_scale_where_higher_is_better_are_rises() -> None:
    table = np.array([[10, 11, 10, 20, 21, 20, 20]], dtype=float)
    up = gains(long_frame(table), direction="higher_is_better")
    assert up.glance()[["n_gains", "n_losses"]].to_numpy().tolist() == [[1, 0]]
    down = gains(long_frame(table))
    assert down.glance()[["n_gains", "n_losses"]].to_numpy().tolist() == [[0, 1]]
    assert down.changes("loss")["magnitude"].tolist() == [-10]
    assert up.changes()["magnitude"].tolist() == [10]


def test_the_cutoff_and_the_share_count_when_just_reached() -> None:
    assert gains(course(28, 28, 28, 21, 21, 21)).glance()["n_gains"].iloc[0] == 1
    assert gains(course(28, 28, 28, 21.1, 21, 21)).glance()["n_gains"].iloc[0] == 0
    assert gains(course(29, 29, 29, 22, 22, 22)).glance()["n_gains"].iloc[0] == 0
    assert gains(course(3.3, 3.3, 3.3, 2.3, 2.3, 2.3), cutoff=1).glance()["n_gains"].iloc[0] == 1


@pytest.mark.parametrize(("later", "expected"), [((20, 20, 25.0), False), ((20, 20, 25.1), True)])
def test_a_gain_is_reversed_when_more_than_half_is_lost(later: tuple[float, ...], expected: bool) -> None:
    assert gains(course(30, 30, 30, 20, *later)).changes()["reversed"].tolist() == [expected]


def test_a_reversal_may_come_in_the_second_session_after_the_gain() -> None:
    assert gains(course(30, 30, 30, 20, 25.5, 18)).changes()["reversed"].tolist() == [True]


def test_a_reliable_change_gives_the_cutoff() -> None:
    error = al.MeasurementError(reliability=0.931, kind="retest", sd=10.5)
    found = gains(noise(5, 8), cutoff=error)
    assert found.cutoff == pytest.approx(1.959964 * math.sqrt(2) * 10.5 * math.sqrt(1 - 0.931), rel=1e-6)
    frame = noise(30, 8)
    sample = gains(frame, cutoff=al.MeasurementError(reliability=0.5, kind="retest", sd="sample"))
    first = frame[frame["session"] == 1]["score"].std()
    assert sample.cutoff == pytest.approx(1.959964 * first, rel=1e-6)
    assert any("standard deviation" in note and "first ratings" in note for note in sample.notes)


def test_labels_and_the_order_of_rows_change_nothing() -> None:
    frame = long_frame(GOLDEN["table"])
    one, two = gains(frame), gains(relabelled(frame))
    pd.testing.assert_frame_equal(one.tidy(), two.tidy())
    pd.testing.assert_frame_equal(one.glance(), two.glance())


def test_a_shift_of_session_numbers_changes_nothing_but_the_sessions() -> None:
    frame = long_frame(GOLDEN["table"])
    moved = gains(frame.assign(session=frame["session"] + 100))
    pd.testing.assert_frame_equal(moved.tidy(), gains(frame).tidy())
    assert (moved.changes()["session"] - gains(frame).changes()["session"] == 100).all()


def test_shuffled_sessions_bring_gains_to_chance() -> None:
    # without an order a fall is as likely as a rise, so that there are as many losses as gains
    rng = np.random.default_rng(4)
    rule = replace(al.load_gain_criterion("tang_derubeis"), share=0.0)
    falling = np.where(np.arange(12) > 5, 15.0, 30.0) + rng.normal(size=(300, 12))
    real = gains(long_frame(falling), criterion=rule).glance().iloc[0]
    assert (real["n_gains"] >= 290, real["n_losses"]) == (True, 0)
    shuffled = [gains(long_frame(rng.permuted(falling, axis=1)), criterion=rule).glance().iloc[0] for _ in range(8)]
    ups, downs = (sum(row[name] for row in shuffled) for name in ("n_gains", "n_losses"))
    assert abs(ups - downs) < 4 * math.sqrt(ups + downs)
    assert ups < 0.3 * 8 * real["n_gains"]


def test_the_tidy_table_holds_shares_with_wilson_intervals() -> None:
    found = gains(long_frame(GOLDEN["table"]))
    row = found.tidy().query("term == 'patients_with_change' and kind == 'gain'").iloc[0]
    people = found.by_patient()
    judged = people["judged"].sum()
    share = (people["n_changes"] > 0).sum() / judged
    assert (row["estimate"], row["n"]) == (share, judged)
    # the limits solve |share - p| = z sqrt(p (1 - p) / n)
    for limit in (row["conf_low"], row["conf_high"]):
        assert abs(share - limit) == pytest.approx(1.959964 * math.sqrt(limit * (1 - limit) / judged), rel=1e-5)


def test_aligned_means_are_those_of_the_scores_around_the_gains() -> None:
    found = gains(long_frame(GOLDEN["table"]))
    rows = found.tidy().query("term == 'score' and kind == 'gain'").set_index("category")
    changes = found.changes()
    for place in ("n-2", "n", "n+3"):
        assert rows.loc[place, "estimate"] == pytest.approx(changes[f"score_{place}"].mean())
        assert rows.loc[place, "n"] == changes[f"score_{place}"].notna().sum()


@pytest.mark.parametrize("which", ["first", "last", "largest", "smallest"])
def test_one_gain_stands_for_each_patient(which: Any) -> None:
    found = gains(long_frame(GOLDEN["table"]), criterion="gaynor")
    rows = found.changes()
    chosen = found.by_patient(which).dropna(subset=["session"]).set_index("patient")
    pick = {
        "first": ("session", "min"),
        "last": ("session", "max"),
        "largest": ("magnitude", "max"),
        "smallest": ("magnitude", "min"),
    }
    column, how = pick[which]
    pd.testing.assert_series_equal(
        chosen[column].astype(float), rows.groupby("patient")[column].agg(how).astype(float), check_names=False
    )
    assert (rows.groupby("patient").size() > 1).any()


def test_two_raters_in_one_column_are_refused() -> None:
    frame = noise(4, 8)
    both = pd.concat([frame.assign(rater="patient"), frame.assign(rater="therapist", session=frame["session"] + 8)])
    with pytest.raises(
        DataError, match=r"mixes the ratings of 2 raters \(column 'rater'\)[\s\S]*frame\['rater'\] == <one rater>"
    ):
        gains(both)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (noise(6, 1), r"6 of 6 patients have fewer than two ratings[\s\S]*several ratings in a row"),
        (pd.concat([noise(2, 6), noise(2, 6).iloc[:2]]), r"2 rows repeat the patient, session[\s\S]*remove the copies"),
        (noise(2, 6).assign(score=np.nan), r"No row has both patient and a value of 'score'[\s\S]*check the file"),
        (noise(2, 6).assign(score=np.inf), r"12 infinite values[\s\S]*mark them as missing"),
        (noise(2, 6).assign(session=20200101 + 90 * noise(2, 6)["session"] ** 6), r"run over \d+ steps[\s\S]*rank"),
    ],
)
def test_bad_frames_are_refused_with_a_way_out(frame: pd.DataFrame, message: str) -> None:
    with pytest.raises(DataError, match=message):
        gains(frame)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"criterion": "tang"}, r"No criterion 'tang'[\s\S]*Hint"),
        ({"missing": "drop"}, r"No rule for missing sessions 'drop'[\s\S]*Hint"),
        ({"cutoff": -1}, r"cut-off is -1 points[\s\S]*MeasurementError"),
        ({"direction": "up"}, r"up[\s\S]*Hint"),
    ],
)
def test_unknown_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        gains(noise(3, 8), **options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stability": "calm"}, "stability rule"),
        ({"share": 1.5}, "no share"),
        ({"alpha": 0.0}, "alpha"),
        ({"stability": "part_kept"}, "constant"),
    ],
)
def test_impossible_criteria_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=rf"{message}[\s\S]*Hint"):
        replace(al.load_gain_criterion("tang_derubeis"), **change)


def test_sessions_out_of_order_are_sorted_with_a_note() -> None:
    frame = noise(1, 8)
    found = gains(frame.iloc[::-1])
    assert any("rows were sorted by 'session'" in note and note.startswith("7 rows") for note in found.notes)


def test_notes_show_no_ids() -> None:
    frame = noise(12, 9).assign(patient=lambda d: "Maria-" + d["patient"].astype(str))
    found = gains(frame, criterion="gaynor")
    texts = [*found.notes, found.tidy().to_string(), found.glance().to_string(), repr(found)]
    assert not any("Maria" in text for text in texts)
    assert found.changes()["patient"].str.startswith("Maria").all()


def test_a_constant_course_has_no_gain() -> None:
    assert gains(course(*[20] * 10), cutoff=1e-6).glance()[["n_gains", "n_losses"]].to_numpy().tolist() == [[0, 0]]


def test_a_choice_of_change_must_be_known() -> None:
    found = gains(noise(3, 8))
    with pytest.raises(DataError, match=r"No choice of change 'best'[\s\S]*Hint"):
        found.by_patient("best")  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"No kind of change 'up'[\s\S]*Hint"):
        found.changes("up")  # type: ignore[arg-type]


@pytest.mark.parametrize("scale", [1.0, 0.1, 0.7, 10.0, 1 / 3, 1 / 12])
def test_exact_ties_count_whatever_the_unit(scale: float) -> None:
    def found(*scores: float, criterion: Any = "gaynor") -> al.SuddenGains:
        return gains(course(*(scale * score for score in scores)), cutoff=3 * scale, criterion=criterion)

    # half of the gain is kept, no more: 26 to 18, back to 22
    assert found(26, 26, 26, 18, 22, 18).glance()["n_gains"].iloc[0] == 1
    assert found(26, 26, 26, 18, 22.1, 18).glance()["n_gains"].iloc[0] == 0
    # half of the gain is given back, no more: 1.5 to 0.3, back to 0.9
    kept = gains(course(*(scale * score for score in (1.5, 1.5, 1.5, 0.3, 0.9, 0.3))), cutoff=scale, criterion="gaynor")
    assert kept.changes()["reversed"].tolist() == [False]
    # one value apart from eight equal ones is three standard deviations of the nine from them
    three = replace(al.load_gain_criterion("kelly"), share=0.0, constant=3.0)
    assert found(6.1, *[1.3] * 8, criterion=three).glance()["n_gains"].iloc[0] == 1
    # means that are exactly five standard deviations apart do not exceed five
    five = replace(al.load_gain_criterion("tang_derubeis"), share=0.0, critical=5.0)
    assert found(20, 22, 21, 16, 15, 17, criterion=five).glance()["n_gains"].iloc[0] == 0


def test_complete_asks_of_kelly_for_a_course_without_gaps() -> None:
    frame = pd.concat([course(30, 30, 10, None, 10, 10), course(30, 30, 10, 10, 10).assign(patient=2)])
    for missing, judged in (("adjusted", [True, True]), ("complete", [False, True])):
        assert gains(frame, criterion="kelly", missing=missing).by_patient()["judged"].tolist() == judged


@pytest.mark.parametrize(
    ("frame", "options", "message"),
    [
        (
            course(30, 20),
            {},
            r"most of one patient: 2\), 1 pair of neighbouring sessions is rated[\s\S]*2 rated sessions on",
        ),
        (
            course(30, 20),
            {"criterion": "kelly"},
            r"Hint: sudden gains need several ratings in a row \(3 ratings of the",
        ),
        (course(30, 20), {"criterion": "gaynor"}, r"Hint: [\s\S]*\(a rated session after the interval\)"),
        (
            course(30, None, 30, None, 20, None, 20),
            {},
            r"0 pairs of neighbouring sessions are rated[\s\S]*rank\('dense'\)",
        ),
        (
            course(30, None, 30, 20, 20, 20),
            {"missing": "complete"},
            r"Hint: not every score[\s\S]*missing=\"adjusted\"",
        ),
    ],
)
def test_the_hint_says_why_nothing_can_be_judged(frame: pd.DataFrame, options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        gains(frame, **options)
    assert ("adjusted" in str(error.value)) == ("missing" in options)


def test_gains_at_the_end_and_negative_scores_are_counted_in_notes() -> None:
    rule = replace(al.load_gain_criterion("gaynor"), key="no_third", stability="none", constant=math.nan)
    found = gains(course(30, 30, 30, 20), criterion=rule)
    assert "1 gain has no later score and counts as not reversed." in found.notes
    below = gains(course(5, 5, 5, -5, -5, -5), criterion="gaynor")
    assert any(note.startswith("3 ratings are below 0") for note in below.notes)
    free = gains(course(5, 5, 5, -5, -5, -5), criterion=replace(al.load_gain_criterion("gaynor"), share=0.0))
    assert not any("below 0" in note for note in free.notes)
