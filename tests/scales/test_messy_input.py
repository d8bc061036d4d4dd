"""What people pass by mistake: refused in words, or said in the notes, and never a number that is silently wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from alliance_stats.errors import AllianceStatsWarning, ColumnError, DataError, FileError, InstrumentError
from alliance_stats.mixed.lmm import lmm
from alliance_stats.scales.agreement import agreement
from alliance_stats.scales.agreement_bootstrap import AgreementInterval
from alliance_stats.scales.answer_check import AnswerCheck
from alliance_stats.scales.audit import audit_scores
from alliance_stats.scales.change_index import MeasurementError
from alliance_stats.scales.change_slopes import multilevel_change
from alliance_stats.scales.change_threshold import threshold_change
from alliance_stats.scales.clinical_significance import clinical_significance
from alliance_stats.scales.couples import couple_change
from alliance_stats.scales.cutoffs import Norm, clinical_cutoff
from alliance_stats.scales.instrument import load_instrument, read_instrument
from alliance_stats.scales.rating_table import RatingLayout
from alliance_stats.scales.reliable_change import ReliableChange, reliable_change
from alliance_stats.scales.scoring import score

ERROR = MeasurementError(reliability=0.84, kind="retest", sd=5.5)
BDI = pd.DataFrame({"first": [19.0, 15, 12, 17, 9], "last": [7.0, 13, 18, 6, np.nan]})
CODES = pd.DataFrame({"a": [1, 2, 3, 1, 2, 3], "b": [1, 2, 3, 1, 3, 3]})
LONG = RatingLayout(kind="long", unit="unit", rater="coder")
CUTOFF = clinical_cutoff("given", direction="higher_is_worse", value=9.5)


def change(frame: Any = BDI, **more: Any) -> ReliableChange:
    given: dict[str, Any] = {"method": "jacobson_truax", "direction": "higher_is_worse", "error": ERROR}
    return reliable_change(frame, ("first", "last"), **{**given, **more})


def percent(improvement: Any, **more: Any) -> ReliableChange:
    given: dict[str, Any] = {"direction": "higher_is_worse", "unit": "percent"}
    return threshold_change(BDI, ("first", "last"), improvement=improvement, **{**given, **more})


def courses(**more: Any) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    slopes = rng.normal(-0.6, 0.7, size=20)
    starts = rng.normal(20, 3, size=20)
    rows = [(p, s, starts[p] + slopes[p] * s + rng.normal()) for p in range(20) for s in range(5)]
    return pd.DataFrame(rows, columns=["patient", "session", "y"]).assign(**more)


def slopes(frame: pd.DataFrame, **more: Any) -> ReliableChange:
    given: dict[str, Any] = {"direction": "higher_is_worse", "compare_with": "no_change"}
    return multilevel_change(frame, "y", **{**given, **more})


def forms(n_rows: int = 60) -> pd.DataFrame:
    answers = np.random.default_rng(2).integers(0, 5, size=(n_rows, 10))
    return pd.DataFrame(answers, columns=[f"c{i}" for i in range(1, 11)])


@pytest.mark.parametrize(
    "call",
    [
        lambda data: agreement(data, ["a", "b"], method="icc"),
        lambda data: audit_scores(data, "core_10", items="c{}", published="total"),
        lambda data: change(data),
        lambda data: threshold_change(
            data, ("first", "last"), direction="higher_is_worse", unit="points", improvement=5
        ),
        lambda data: multilevel_change(data, "y", direction="higher_is_worse", compare_with="no_change"),
        lambda data: score(data, "core_10", items="c{}"),
    ],
)
def test_data_that_are_no_frame_are_refused(call: Callable[[Any], object]) -> None:
    with pytest.raises(DataError, match=r"\(\) needs a pandas DataFrame, not dict(.|\n)*to_pandas"):
        call({"a": [1, 2], "b": [1, 2]})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: MeasurementError(reliability="0.8", kind="retest", sd=5), "reliability = '0.8'(.|\n)*share"),  # type: ignore[arg-type]
        (lambda: MeasurementError(reliability=None, kind="retest", sd=5), "reliability = None(.|\n)*share"),  # type: ignore[arg-type]
        (lambda: MeasurementError(reliability=0.8, kind="retest", sd=None), "sd = None is no spread(.|\n)*'sample'"),  # type: ignore[arg-type]
        (lambda: MeasurementError(reliability=0.8, kind="retest", sd=np.inf), "sd = inf is no spread(.|\n)*positive"),
        (lambda: MeasurementError(reliability=0.8, kind="retest", sd=5, mean=np.nan), "mean = nan(.|\n)*give a number"),
        (lambda: change(error=0.84), "error= is float(.|\n)*MeasurementError"),
        (lambda: change(error=None), "error= is NoneType(.|\n)*MeasurementError"),
        (lambda: change(level="95%"), "level = 95%(.|\n)*use 0.95"),
        (lambda: AgreementInterval(level="95%"), "level = 95%(.|\n)*use 0.95"),  # type: ignore[arg-type]
        (lambda: percent("50"), "improvement = '50' is not above 0(.|\n)*direction="),
        (lambda: percent(True), "improvement = True is not above 0(.|\n)*direction="),
        (lambda: percent(0.5), "0.5 percent is less than 1 percent(.|\n)*50 in place of the share 0.5"),
        (lambda: percent(50, deterioration=0.5), "deterioration = 0.5 percent(.|\n)*share"),
        (lambda: percent(150), "improvement = 150 percent: no score falls(.|\n)*smaller"),
        (lambda: percent(150, direction="higher_is_better"), "deterioration = 150 percent(.|\n)*of its own"),
        (lambda: clinical_cutoff("given", direction="higher_is_worse", value="10"), "needs the cut-off(.|\n)*value="),  # type: ignore[arg-type]
        (lambda: Norm(mean="5", sd=1), "mean '5'(.|\n)*finite"),  # type: ignore[arg-type]
        (lambda: Norm(mean=5, sd=1, n=0), "n = 0 people(.|\n)*leave n= out"),
        (lambda: clinical_significance(change(), 9.5), "cutoffs= holds something else(.|\n)*clinical_cutoff"),  # type: ignore[arg-type]
        (lambda: clinical_significance(change(), {"a": 9.5}), "cutoffs= holds something else(.|\n)*clinical_cutoff"),  # type: ignore[dict-item]
        (lambda: clinical_significance(BDI, CUTOFF), "not DataFrame(.|\n)*reliable_change"),  # type: ignore[arg-type]
        (lambda: couple_change(BDI), "not DataFrame(.|\n)*reliable_change"),  # type: ignore[arg-type]
        (lambda: agreement(CODES, ["a", "b"], method="icc", layout="wide"), "layout= is str(.|\n)*RatingLayout"),  # type: ignore[arg-type]
        (
            lambda: agreement(CODES, ["a", "b"], method="icc", interval=0.9),  # type: ignore[arg-type]
            "interval= is float(.|\n)*AgreementInterval",
        ),
        (lambda: slopes(courses(half=lambda d: d["session"] % 2), by="half"), "changes within 20 patients(.|\n)*keeps"),
    ],
)
def test_arguments_of_another_kind_are_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        call()


def test_columns_that_were_not_named_are_asked_for() -> None:
    with pytest.raises(ColumnError, match=r"ratings= is NoneType(.|\n)*one column per rater"):
        agreement(CODES, None, method="icc")  # type: ignore[arg-type]
    with pytest.raises(ColumnError, match=r"items= is NoneType(.|\n)*where the answers are"):
        score(forms(), "core_10", items=None)  # type: ignore[arg-type]


@pytest.mark.parametrize("key", [None, 7])
def test_an_instrument_is_named_by_text_or_path(key: Any) -> None:
    with pytest.raises(InstrumentError, match=r"named by its key or its file(.|\n)*list_instruments"):
        load_instrument(key)


def test_totals_of_goals_cannot_be_audited() -> None:
    with pytest.raises(InstrumentError, match=r"is a goal attainment(.|\n)*compare_totals"):
        audit_scores(pd.DataFrame({"g1": [1, 2], "total": [50, 60]}), "gas", items="g{}", published="total")


def test_a_rise_may_exceed_one_hundred_percent() -> None:
    assert percent(150, direction="higher_is_better", deterioration=50).glance()["improvement"].iloc[0] == 150


def test_numbers_and_text_are_not_two_sets_of_categories() -> None:
    with pytest.raises(DataError, match=r"numbers and others text(.|\n)*to_numeric"):
        agreement(CODES.assign(b=CODES["b"].astype(str)), ["a", "b"], method="cohen_kappa")


def test_complete_agreement_in_points_is_one() -> None:
    frame = pd.DataFrame({"a": [1.1, 2.3, 3.7, 4.9], "b": [1.1, 2.3, 3.7, 4.9], "c": [1.1, 2.3, 3.7, 4.9]})
    assert agreement(frame, ["a", "b", "c"], method="icc").tidy()["estimate"].tolist() == [1.0] * 6
    frame.loc[1, "c"] = np.nan
    assert agreement(frame, ["a", "b", "c"], method="icc").tidy()["estimate"].tolist() == [1.0] * 6


def test_raters_apart_by_a_constant_are_consistent_and_not_agreed() -> None:
    # MSE = 0, MSR = 2 * 5/3, MSC = 2: ICC(A,1) = MSR / (MSR + 2 MSC / 4), McGraw & Wong (1996), table 4.
    frame = pd.DataFrame({"a": [1.0, 2, 3, 4], "b": [2.0, 3, 4, 5]})
    found = agreement(frame, ["a", "b"], method="icc").tidy().set_index("term")["estimate"]
    assert found["ICC(C,1)"] == 1
    assert found["ICC(A,1)"] == pytest.approx((10 / 3) / (10 / 3 + 1))
    with pytest.raises(DataError, match=r"differ by constants only(.|\n)*dropna"):
        agreement(frame.assign(c=[4.0, np.nan, 6, 7]), ["a", "b", "c"], method="icc")


def test_units_that_do_not_differ_have_no_consistency() -> None:
    frame = pd.DataFrame({"a": [1.1, 1.1, 1.1], "b": [2.3, 2.3, 2.3]})
    found = agreement(frame, ["a", "b"], method="icc").tidy().set_index("term")["estimate"]
    assert np.isnan(found["ICC(C,1)"])
    assert found["ICC(1)"] == -1
    assert found["ICC(A,1)"] == pytest.approx(0, abs=1e-9)


def test_ratings_without_rater_are_counted() -> None:
    long = CODES.assign(unit=range(6)).melt("unit", var_name="coder", value_name="code")
    whole = agreement(long, "code", method="gwet_ac", layout=LONG)
    assert not any("left out" in note for note in whole.notes)
    result = agreement(long.assign(coder=long["coder"].mask(long.index < 2)), "code", method="gwet_ac", layout=LONG)
    assert "2 rows name no unit or no rater and are left out." in result.notes


def test_a_table_of_sessions_is_not_a_table_of_people() -> None:
    sessions = pd.concat([BDI.assign(patient=list("abcde"))] * 3)
    for call in (change, lambda data: threshold_change(data, ("first", "last"), **POINTS)):
        with pytest.warns(
            AllianceStatsWarning, match=r"8 of 12 rows repeat the patient(.|\n)*one row per person"
        ) as told:
            call(sessions)
        assert told[0].filename == __file__


POINTS: dict[str, Any] = {"direction": "higher_is_worse", "unit": "points", "improvement": 5}


def test_partners_and_people_without_number_do_not_repeat() -> None:
    change(pd.concat([BDI.assign(patient=list("abcde"), role=role) for role in ("wife", "husband")]))
    change(BDI.assign(patient=None))


def test_slopes_tell_how_reliable_they_are() -> None:
    frame = courses()
    result = slopes(frame)
    # Conditional variance by hand: all patients have the same sessions, so one does for all.
    parts = lmm("y ~ session + (session | patient)", frame).variance_components()
    table = parts[parts["group"] == "patient"]
    between = np.array([[table["estimate"].iloc[0], table["estimate"].iloc[2]], table["estimate"].iloc[2:0:-1]])
    design = np.column_stack([np.ones(5), np.arange(5)])
    left = np.linalg.inv(np.linalg.inv(between) + design.T @ design / parts["estimate"].iloc[3])
    expected = 1 - left[1, 1] / between[1, 1]
    assert result.glance()["slope_reliability"].iloc[0] == pytest.approx(expected, rel=1e-6)
    assert any(note.startswith(f"Reliability of the slopes {expected:.2f}") for note in result.notes)


def test_measurements_that_stand_twice_are_counted() -> None:
    frame = courses()
    assert not any("repeat" in note for note in slopes(frame).notes)
    notes = slopes(pd.concat([frame, frame.iloc[:3]])).notes
    assert any(note.startswith("3 rows repeat the patient and time") for note in notes)


def test_couples_keep_the_cutoff_in_their_notes_and_count_rows_without_couple() -> None:
    pairs = pd.DataFrame({"dyad": [1, 1, 2, 2, None], "first": [19.0, 15, 12, 17, 9], "last": [7.0, 5, 18, 6, 4]})
    notes = couple_change(clinical_significance(change(pairs), CUTOFF)).notes
    assert "cutoff: cut-off given at 9.5 points (no source given)." in notes
    assert "1 rows name no couple and are left out." in notes
    assert sum("fewer than 20 people" in note for note in notes) == 1


def test_hageman_and_arrindell_say_that_the_start_plays_no_part() -> None:
    result = clinical_significance(change(method="hageman_arrindell"), CUTOFF)
    assert any("start= plays no part" in note for note in result.notes)


@pytest.mark.parametrize("seed", range(5))
def test_totals_of_something_else_are_not_laid_at_the_keys_door(seed: int) -> None:
    frame = forms().assign(total=np.random.default_rng(seed).integers(0, 41, size=60))
    result = audit_scores(frame, "core_10", items="c{}", published="total")
    assert result.errors.empty
    assert not result.tidy()["best"].any()
    assert not result.key_explains
    assert result.glance().iloc[0].to_dict() == {
        "n_scores": 1,
        "n_explained_by_key": 0,
        "n_errors": 0,
        "n_ambiguous": 0,
    }
    assert result.unexplained_rows["clinical"] == tuple(range(60))
    assert any("no small set of errors" in note for note in result.notes)


def test_rows_that_nothing_explains_are_pointed_at() -> None:
    frame = forms()
    frame["total"] = score(frame, "core_10", items="c{}")["core_10_sum"]
    frame.loc[[3, 7], "total"] += 2
    result = audit_scores(frame, "core_10", items="c{}", published="total")
    assert result.unexplained_rows["clinical"] == (3, 7)
    assert "clinical: 2 rows are not explained; unexplained_rows has their positions." in result.notes


def test_a_zero_has_no_sign_in_a_message() -> None:
    check = AnswerCheck(load_instrument("wai_sr"))
    check.look(np.array([-0.0, 3.0]), 1, "w1")
    assert "(0)" in check.problems[0]


def test_a_file_saved_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    text = (Path(load_instrument.__code__.co_filename).parent / "instruments" / "phq_2.toml").read_text("utf-8")
    (tmp_path / "phq_2.toml").write_text(text, encoding="utf-8-sig")
    assert read_instrument(tmp_path / "phq_2.toml").key == "phq_2"


def test_a_misspelt_entry_is_named_where_the_right_one_is_missing(tmp_path: Path) -> None:
    text = (Path(load_instrument.__code__.co_filename).parent / "instruments" / "phq_2.toml").read_text("utf-8")
    (tmp_path / "own.toml").write_text(text.replace("n_items", "nitems"), encoding="utf-8")
    with pytest.raises((FileError, InstrumentError), match=r"'n_items' is missing(.|\n)*meant by 'nitems'"):
        read_instrument(tmp_path / "own.toml")


def test_a_rule_without_source_shows_its_reason() -> None:
    frame = pd.DataFrame([[0] * 45, [2] * 45], columns=[f"o{i}" for i in range(1, 46)])
    notes = " ".join(score(frame, "oq_45", items="o{}").attrs["notes"])
    assert "complete answers only, the scoring sheet's replacement by subscale means is not applied" in notes
