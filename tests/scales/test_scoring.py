"""score(): columns in, scores and notes out, and a clear word when the answers do not fit."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alliance_stats.errors import AllianceStatsWarning, ColumnError, DataError, InstrumentError
from alliance_stats.scales.instrument import load_instrument
from alliance_stats.scales.scoring import score

MIXED = [2, 2, 4, 3, 5, 3, 4, 5, 3, 2, 5, 4]


def wai_sr(rows: int = 1) -> pd.DataFrame:
    return pd.DataFrame([MIXED] * rows, columns=[f"wai{item}" for item in range(1, 13)])


def phq(values: list[list[float]]) -> pd.DataFrame:
    return pd.DataFrame(values, columns=[f"phq{item}" for item in range(1, 10)])


def test_all_scores_become_columns_named_after_key_and_score() -> None:
    scored = score(wai_sr(), "wai_sr", items="wai{}")
    assert list(scored.columns[12:]) == ["wai_sr_sum", "wai_sr_mean", "wai_sr_task", "wai_sr_bond", "wai_sr_goal"]
    assert scored.iloc[0, 12:].tolist() == [42, 3.5, 10, 16, 16]


def test_input_is_not_changed() -> None:
    frame = wai_sr()
    frame.attrs["notes"] = ("read from a file",)
    before = frame.copy()
    score(frame, "wai_sr", items="wai{}")
    pd.testing.assert_frame_equal(frame, before)
    assert frame.attrs["notes"] == ("read from a file",)


def test_index_and_other_columns_are_kept() -> None:
    frame = wai_sr(2).assign(patient=["b", "a"]).set_index(pd.Index([9, 4]))
    scored = score(frame, "wai_sr", items="wai{}")
    assert scored.index.tolist() == [9, 4]
    assert scored["patient"].tolist() == ["b", "a"]


def test_item_columns_may_be_listed_in_printed_order() -> None:
    frame = wai_sr().rename(columns=lambda name: f"q_{chr(96 + int(name[3:]))}")
    assert score(frame, "wai_sr", items=list(frame.columns))["wai_sr_task"].tolist() == [10]


def test_item_columns_may_be_mapped_by_number() -> None:
    frame = wai_sr()[["wai12", "wai1", "wai10", "wai2"]]
    columns = {1: "wai1", 2: "wai2", 10: "wai10", 12: "wai12"}
    assert score(frame, "wai_sr", items=columns, scores=["task"])["wai_sr_task"].tolist() == [10]


def test_pattern_finds_numbers_with_leading_zeros() -> None:
    frame = wai_sr().rename(columns=lambda name: f"wai_{int(name[3:]):02d}_t1")
    assert score(frame, "wai_sr", items="wai_{}_t1")["wai_sr_sum"].tolist() == [42]


def test_only_the_scores_wanted_are_computed_and_only_their_items_needed() -> None:
    scored = score(wai_sr()[["wai3", "wai5", "wai7", "wai9"]], "wai_sr", items="wai{}", scores=["bond"])
    assert list(scored.columns[4:]) == ["wai_sr_bond"]


def test_instrument_may_be_passed_loaded() -> None:
    assert score(wai_sr(), load_instrument("wai_sr"), items="wai{}")["wai_sr_sum"].tolist() == [42]


def test_text_that_reads_as_numbers_is_scored() -> None:
    assert score(wai_sr().astype(str), "wai_sr", items="wai{}")["wai_sr_sum"].tolist() == [42]


@pytest.mark.parametrize("dtype", ["Int64", "Float64", "float32", "int8", "object"])
def test_every_numeric_type_is_scored(dtype: str) -> None:
    assert score(wai_sr().astype(dtype), "wai_sr", items="wai{}")["wai_sr_sum"].tolist() == [42]


def test_missing_answer_makes_a_score_missing_where_no_rule_is_known() -> None:
    frame = wai_sr(2).astype(float)
    frame.loc[0, "wai3"] = np.nan
    scored = score(frame, "wai_sr", items="wai{}")
    assert scored["wai_sr_sum"].isna().tolist() == [True, False]
    assert scored["wai_sr_task"].tolist() == [10, 10]
    assert "1 of 2 scores missing" in scored.attrs["notes"][1]


def test_rule_of_the_instrument_prorates() -> None:
    frame = pd.DataFrame([[4, 1, 0, 1, 0, 4, 3, 0, 3, None]], columns=[f"c{item}" for item in range(1, 11)])
    scored = score(frame, "core_10", items="c{}")
    assert scored["core_10_clinical"].iloc[0] == pytest.approx(10 * 22 / 9)
    assert np.isnan(scored["core_10_sum"].iloc[0])


def test_user_may_ask_for_complete_answers() -> None:
    frame = pd.DataFrame([[4, 1, 0, 1, 0, 4, 3, 0, 3, None]], columns=[f"c{item}" for item in range(1, 11)])
    scored = score(frame, "core_10", items="c{}", missing="complete")
    assert scored["core_10_clinical"].isna().all()
    assert "chosen by the user (the instrument's own rule: person mean" in scored.attrs["notes"][1]


def test_user_may_ask_for_the_person_mean() -> None:
    frame = wai_sr(3).astype(float)
    frame.loc[1, ["wai3"]] = np.nan
    frame.loc[2, ["wai3", "wai4"]] = np.nan
    scored = score(frame, "wai_sr", items="wai{}", missing={"max_missing": 1})
    assert scored["wai_sr_sum"].tolist() == pytest.approx([42, 38 / 11 * 12, np.nan], nan_ok=True)
    assert scored["wai_sr_mean"].tolist() == pytest.approx([3.5, 38 / 11, np.nan], nan_ok=True)
    assert scored["wai_sr_bond"].tolist() == pytest.approx([16, 16, 16])


def test_max_missing_of_none_means_complete() -> None:
    frame = wai_sr().astype(float)
    frame.loc[0, "wai3"] = np.nan
    assert score(frame, "wai_sr", items="wai{}", missing={"max_missing": 0})["wai_sr_sum"].isna().all()


def test_row_without_any_answer_has_no_score() -> None:
    frame = pd.DataFrame(np.nan, index=[0], columns=[f"c{item}" for item in range(1, 11)])
    assert score(frame, "core_10", items="c{}", missing={"max_missing": 9})["core_10_mean"].isna().all()


def test_storage_decides_what_is_reversed() -> None:
    frame = pd.DataFrame([[3] * 14], columns=[f"h{item}" for item in range(1, 15)])
    by_storage = {
        storage: score(frame, "hads", items="h{}", storage=storage)["hads_anxiety"].iloc[0]
        for storage in ("printed_values", "list_positions", "agreement_codes")
    }
    assert by_storage == {"printed_values": 21, "list_positions": 6, "agreement_codes": 18}


def test_storage_must_be_chosen_where_it_matters() -> None:
    frame = pd.DataFrame([[3] * 14], columns=[f"h{item}" for item in range(1, 15)])
    with pytest.raises(
        InstrumentError, match=r"HADS: how the answers are stored(.|\n)*Hint: .*storage='list_positions'"
    ):
        score(frame, "hads", items="h{}")


def test_notes_tell_reversed_items_rule_source_and_missing() -> None:
    frame = wai_sr().astype(float)
    frame.attrs["notes"] = ("read from a file",)
    frame.loc[0, "wai3"] = np.nan
    notes = score(frame, "wai_sr", items="wai{}").attrs["notes"]
    assert notes[0] == "read from a file"
    assert "no item reversed" in notes[1]
    assert "1 of 12 answers missing" in notes[1]
    assert "Hatcher" in notes[1]
    assert notes[4].startswith("wai_sr_task: sum of 4 items, 4-20, higher is better [https://ebchelp.blueprint.ai")
    assert "no rule was found" in notes[4]


def test_notes_name_reversed_items() -> None:
    frame = pd.DataFrame([[4, 5, 1, 5, 2, 5, 6, 6, 6, 6, 6, 6]], columns=[f"w{item}" for item in range(1, 13)])
    assert "items 4, 10 reversed" in score(frame, "wai_s", items="w{}").attrs["notes"][0]


def test_notes_count_answers_finer_than_the_form() -> None:
    frame = pd.DataFrame([[7.4, 8.15, 6.9, 9.0]], columns=["s1", "s2", "s3", "s4"])
    assert "1 answers finer than 0.1" in score(frame, "srs_v3", items="s{}").attrs["notes"][0]


def test_answers_outside_the_range_are_named_with_column_and_count() -> None:
    frame = phq([[0] * 9] * 3)
    frame["phq4"] = [7, 0, 99]
    with pytest.raises(InstrumentError) as caught:
        score(frame, "phq_9", items="phq{}")
    message, hint = str(caught.value).split("\nHint: ")
    assert message == (
        "PHQ-9 is answered 0-3 in whole numbers. Not so: column 'phq4' (item 4): 2 answers outside 0-3 (7, 99)."
    )
    assert "missing=[99]" in hint
    assert "'phq_ads'" in hint


def test_values_that_are_no_ratings_are_not_shown() -> None:
    frame = phq([[0] * 9] * 3)
    frame["phq4"] = [1, 480217, np.inf]
    with pytest.raises(InstrumentError, match="2 of 1000 and more") as caught:
        score(frame, "phq_9", items="phq{}")
    assert "480217" not in str(caught.value)


def test_answers_coded_one_too_high_are_recognised() -> None:
    frame = phq([[1, 2, 3, 4, 1, 2, 3, 4, 1]] * 3)
    with pytest.raises(InstrumentError, match=r"Hint: all answers lie in 1-4: .* subtract 1 from all answers"):
        score(frame, "phq_9", items="phq{}")


def test_answers_coded_one_too_low_are_recognised() -> None:
    with pytest.raises(InstrumentError, match=r"all answers lie in 0-4: .* add 1 to all answers"):
        score(pd.DataFrame([[0, 4] * 6], columns=wai_sr().columns), "wai_sr", items="wai{}")


def test_answers_of_the_longer_range_point_to_the_other_form() -> None:
    with pytest.raises(InstrumentError, match=r"outside 1-5 \(7\)(.|\n)*Hint: (.|\n)*'wai_s': 12 items as well"):
        score(wai_sr().replace(5, 7), "wai_sr", items="wai{}")


def test_answers_that_are_not_whole_are_refused_with_their_count() -> None:
    frame = wai_sr(2).astype(float)
    frame["wai2"] = [2.5, 3.0]
    with pytest.raises(InstrumentError, match=r"column 'wai2' \(item 2\): 1 answer not whole \(2.5\)"):
        score(frame, "wai_sr", items="wai{}")


def test_lines_take_decimals() -> None:
    frame = pd.DataFrame([[3.2, 4.5, 5.1, 4.0]], columns=["o1", "o2", "o3", "o4"])
    assert score(frame, "ors", items="o{}")["ors_sum"].tolist() == pytest.approx([16.8])


def test_answers_without_a_zero_are_suspected_of_another_coding() -> None:
    frame = phq([[1, 2, 3, 1, 1, 2, 3, 1, 1]] * 5)
    with pytest.warns(AllianceStatsWarning, match=r"not one of 45 answers is 0: they may be coded 1-4.*subtract 1"):
        score(frame, "phq_9", items="phq{}")


@pytest.mark.parametrize(
    "rows", [[[1, 2, 3, 1, 1, 2, 3, 1, 1]] * 4, [[1, 2, 3, 0, 1, 2, 3, 1, 1]] * 5, [[2, 3] * 4 + [2]] * 5]
)
def test_few_answers_a_zero_or_no_one_raise_no_suspicion(rows: list[list[float]]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(score(phq(rows), "phq_9", items="phq{}")) == len(rows)


def test_lines_answered_in_whole_numbers_are_suspected_of_ratings() -> None:
    frame = pd.DataFrame([[3, 5, 10, 1]] * 10, columns=["o1", "o2", "o3", "o4"])
    with pytest.warns(AllianceStatsWarning, match=r"all 40 answers are whole numbers.*ratings of 1-10.*cut-offs"):
        score(frame, "ors", items="o{}")


def test_lines_with_one_decimal_answer_raise_no_suspicion() -> None:
    frame = pd.DataFrame([[3, 5, 10, 1]] * 10, columns=["o1", "o2", "o3", "o4"]).astype(float)
    frame.loc[3, "o2"] = 4.7
    assert score(frame, "ors", items="o{}")["ors_sum"].iloc[0] == 19


def test_items_reversed_beforehand_are_suspected() -> None:
    level = np.arange(20) % 7 + 1
    frame = pd.DataFrame({f"w{item}": level for item in range(1, 13)})
    with pytest.warns(AllianceStatsWarning, match=r"WAI-S, score 'sum': after reversal .*r = -1.00.*as printed"):
        score(frame, "wai_s", items="w{}")


def test_columns_of_a_longer_form_are_suspected() -> None:
    frame = pd.DataFrame([[4] * 36], columns=[f"w{item}" for item in range(1, 37)])
    with pytest.warns(AllianceStatsWarning, match=r"WAI-S has 12 items, but columns 'w\{\}' go up to 36.*'wai_36'"):
        score(frame, "wai_s", items="w{}")


def test_one_more_numbered_column_is_no_reason_for_suspicion() -> None:
    frame = phq([[0] * 9]).assign(phq10=2)
    assert score(frame, "phq_9", items="phq{}")["phq_9_sum"].tolist() == [0]


def test_warning_points_at_the_caller() -> None:
    frame = phq([[1, 2, 3, 1, 1, 2, 3, 1, 1]] * 5)
    with pytest.warns(AllianceStatsWarning) as caught:
        score(frame, "phq_9", items="phq{}")
    assert Path(caught[0].filename).name == Path(__file__).name


def test_missing_item_columns_are_named_with_the_nearest() -> None:
    with pytest.raises(
        ColumnError, match=r"No columns 'wia1'(.|\n)*Hint: Did you mean 'wai1' for 'wia1'(.|\n)*pattern"
    ):
        score(wai_sr(), "wai_sr", items="wia{}")


def test_pattern_that_fits_two_columns_is_refused() -> None:
    with pytest.raises(ColumnError, match=r"ambiguous: item 3 could be wai3 or wai03(.|\n)*Hint: drop one"):
        score(wai_sr().assign(wai03=1), "wai_sr", items="wai{}")


def test_pattern_needs_a_place_for_the_number() -> None:
    with pytest.raises(ColumnError, match=r"must hold \{\} once(.|\n)*Hint: write for example items='wai\{\}'"):
        score(wai_sr(), "wai_sr", items="wai")


def test_list_of_wrong_length_is_refused() -> None:
    with pytest.raises(ColumnError, match=r"lists 2 columns; the instrument has 12 items(.|\n)*Hint: list the columns"):
        score(wai_sr(), "wai_sr", items=["wai1", "wai2"])


def test_mapping_with_an_unknown_item_is_refused() -> None:
    with pytest.raises(ColumnError, match=r"do not exist: 13(.|\n)*numbered 1 to 12"):
        score(wai_sr(), "wai_sr", items={13: "wai1"})


def test_mapping_without_a_needed_item_is_refused() -> None:
    with pytest.raises(ColumnError, match=r"no column for item 2, 10, 12(.|\n)*Hint: add"):
        score(wai_sr(), "wai_sr", items={1: "wai1"}, scores=["task"])


def test_one_column_for_two_items_is_refused() -> None:
    with pytest.raises(ColumnError, match=r"wai1: one column for two items(.|\n)*one column per item"):
        score(wai_sr(), "wai_sr", items=["wai1", *[f"wai{item}" for item in range(1, 12)]])


def test_id_column_is_never_taken_for_an_item() -> None:
    frame = wai_sr().assign(patient=17)
    with pytest.raises(
        ColumnError, match=r"'patient' holds who is treated, not answers(.|\n)*correct items="
    ) as caught:
        score(frame, "wai_sr", items=["patient", *[f"wai{item}" for item in range(2, 13)]])
    assert "17" not in str(caught.value)


def test_text_answers_are_counted_not_shown() -> None:
    frame = wai_sr(2).astype(object)
    frame.loc[1, "wai2"] = "very often, said Anna"
    with pytest.raises(ColumnError, match=r"'wai2' should hold numbers; 1 of 2 cells is text") as caught:
        score(frame, "wai_sr", items="wai{}")
    assert "Anna" not in str(caught.value)


def test_two_columns_of_one_name_are_refused() -> None:
    frame = pd.concat([wai_sr(), wai_sr()[["wai1"]]], axis=1)
    with pytest.raises(ColumnError, match=r"Two or more columns are called 'wai1'(.|\n)*rename"):
        score(frame, "wai_sr", items="wai{}")


def test_existing_score_column_is_not_overwritten() -> None:
    frame = score(wai_sr(), "wai_sr", items="wai{}", scores=["sum"])
    with pytest.raises(ColumnError, match=r"has 'wai_sr_sum' already(.|\n)*Hint: drop or rename"):
        score(frame, "wai_sr", items="wai{}")


def test_score_without_a_supported_key_is_refused_before_anything_is_read() -> None:
    with pytest.raises(InstrumentError, match=r"score 'goal' is not computed"):
        score(wai_sr(), "wai_s", items="nothing{}", scores=["goal"])


def test_empty_list_of_scores_is_refused() -> None:
    with pytest.raises(InstrumentError, match=r"scores= is empty(.|\n)*leave it out"):
        score(wai_sr(), "wai_sr", items="wai{}", scores=[])


@pytest.mark.parametrize(
    "choice", ["prorate", {"max": 2}, {"max_missing": -1}, {"max_missing": 1.5}, {"max_missing": True}]
)
def test_unknown_rule_for_missing_answers_is_refused(choice: object) -> None:
    with pytest.raises(InstrumentError, match=r"is not a rule(.|\n)*\{'max_missing': 1\}"):
        score(wai_sr(), "wai_sr", items="wai{}", missing=choice)  # type: ignore[arg-type]


def test_rule_that_allows_all_answers_to_be_missing_is_refused() -> None:
    with pytest.raises(InstrumentError, match=r"max_missing = 4, but score 'task' has 4 items(.|\n)*smaller number"):
        score(wai_sr(), "wai_sr", items="wai{}", missing={"max_missing": 4})


def test_frame_without_rows_is_refused() -> None:
    with pytest.raises(DataError, match=r"no rows(.|\n)*check the file"):
        score(wai_sr().iloc[:0], "wai_sr", items="wai{}")


def test_other_kinds_of_table_are_refused() -> None:
    with pytest.raises(DataError, match=r"pandas DataFrame(.|\n)*to_pandas"):
        score({"wai1": [1]}, "wai_sr", items="wai{}")  # type: ignore[arg-type]


def test_long_key_reproduces_published_totals_of_277_sessions(shared_data: Callable[[str], Path]) -> None:
    frame = pd.read_csv(shared_data("aipsych_eval") / "wai_items_tidy.csv")
    scored = score(frame, "wai_36", items="wai{}")
    assert len(scored) == 277
    for name in ("task", "bond", "goal"):
        assert (scored[f"wai_36_{name}"] == frame[f"wai_{name}_recomputed"]).all()
    assert (scored["wai_36_sum"] == frame["wai_total_recomputed"]).all()
    # Task and goal totals were published as well; the published bond total rests on a wrong key.
    assert (scored["wai_36_task"] == frame["total_wai_task"]).all()
    assert (scored["wai_36_goal"] == frame["total_wai_goal"]).all()


def test_key_that_reverses_item_28_for_29_gives_other_totals(shared_data: Callable[[str], Path]) -> None:
    frame = pd.read_csv(shared_data("aipsych_eval") / "wai_items_tidy.csv")
    right = load_instrument("wai_36")
    storage = right.storages["as_printed"]
    mistaken = replace(storage, reversed_items=storage.reversed_items - {29} | {28})
    wrong = score(frame, replace(right, storages={"as_printed": mistaken}), items="wai{}")["wai_36_sum"]
    assert (wrong == frame["composite_wai"]).all()
    assert (wrong != frame["wai_total_recomputed"]).mean() == pytest.approx(0.62, abs=0.005)
    assert (wrong - frame["wai_total_recomputed"]).abs().max() == 12
