"""The rules by which answers become scores, each worked by hand; storages, forms, skips and impossible answers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alliance_stats.errors import AllianceStatsWarning, ColumnError, InstrumentError
from alliance_stats.scales.instrument import load_instrument
from alliance_stats.scales.scoring import score

FILE = """
format = 1
key = "own"
name = "Own"
abbreviation = "OWN"
construct = "x"
raters = ["patient"]
citation = "Unpublished."
licence = "ours"
confidence = "own"
[responses]
n_items = 4
minimum = 0
maximum = 4
reversed = [2]
[missing]
rule = "complete"
note = "none"
[scores.one]
direction = "higher_is_better"
label = "x"
sources = ["a"]
SCORE
[[sources]]
id = "a"
ref = "b"
fact = "c"
[[examples]]
label = "one"
answers = [1, 4, 3, 2]
scores = { one = EXAMPLE }
"""

# After reversal of item 2 the answers 1, 4, 3, 2 are 1, 0, 3, 2.
RULES = [
    ('items = "all"\nrule = "sum"\nrange = [0, 16]', 6),
    ('items = [1, 3]\nrule = "mean"\nfactor = 10\nrange = [0, 40]', 20),
    ('items = [1, 3]\nrule = "weighted_sum"\nweights = [2, -1]\nrange = [-4, 8]', -1),
    ('items = [1, 3]\nrule = "weighted_sum"\nweights = [4, 1]\noffset = -4\nrange = [-4, 16]', 3),
    ('items = "all"\nrule = "percent"\nrange = [0, 100]', 37.5),
    ('items = [1, 2]\nrule = "lookup"\ntable = [5, 6.5, 9, 12, 13, 14, 15, 16, 20]\nrange = [5, 20]', 6.5),
    ('items = [2, 4]\nrule = "maximum"\nrange = [0, 4]', 2),
    ('items = "all"\nrule = "count_above"\nabove = 1\nrange = [0, 4]', 2),
    ('items = "all"\nrule = "mean_above"\nabove = 0\nrange = [1, 4]', 2),
    ('items = [3]\nrule = "ratio"\nover = [3, 4]\nrange = [0, 1]', 0.6),
    ('items = [3]\nrule = "ratio"\nover = [1]\nrange = [0, inf]', 3),
]


def own(folder: Path, rule: str, expected: float) -> Path:
    path = folder / "own.toml"
    path.write_text(FILE.replace("SCORE", rule).replace("EXAMPLE", str(expected)), encoding="utf-8")
    return path


def forms(*rows: list[float], prefix: str = "q") -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=[f"{prefix}{item}" for item in range(1, len(rows[0]) + 1)], dtype=float)


@pytest.mark.parametrize(("rule", "expected"), RULES)
def test_rule_gives_the_score_worked_by_hand(tmp_path: Path, rule: str, expected: float) -> None:
    instrument = load_instrument(own(tmp_path, rule, expected))
    scored = score(forms([1, 4, 3, 2], [1, np.nan, np.nan, 2]), instrument, items="q{}")["own_one"]
    assert scored[0] == pytest.approx(expected)
    assert np.isnan(scored[1]) == bool(set(instrument.scores["one"].all_items) & {2, 3})


@pytest.mark.parametrize(("rule", "expected"), RULES)
def test_wrong_worked_example_of_every_rule_is_refused(tmp_path: Path, rule: str, expected: float) -> None:
    with pytest.raises(InstrumentError, match=r"the key gives"):
        load_instrument(own(tmp_path, rule, expected + 0.25))


def test_percent_of_the_maximum_is_prorated_like_a_mean(tmp_path: Path) -> None:
    path = own(tmp_path, 'items = "all"\nrule = "percent"\nrange = [0, 100]', 37.5)
    scored = score(forms([1, 4, 3, np.nan]), path, items="q{}", missing={"max_missing": 1})
    assert scored["own_one"].iloc[0] == pytest.approx(100 * (1 + 0 + 3) / 12)


def test_percent_counts_from_the_lowest_possible_sum(tmp_path: Path) -> None:
    text = FILE.replace("SCORE", 'items = "all"\nrule = "percent"\nrange = [0, 100]').replace(
        "minimum = 0", "minimum = 1"
    )
    # After reversal of item 2 the answers are 1, 1, 3, 2: three of twelve steps above the lowest.
    (tmp_path / "own.toml").write_text(text.replace("EXAMPLE", "25"), encoding="utf-8")
    assert load_instrument(tmp_path / "own.toml").scores["one"].describe().startswith("percent of the highest")


def test_rule_with_unequal_items_cannot_be_prorated(tmp_path: Path) -> None:
    path = own(tmp_path, 'items = [2, 4]\nrule = "maximum"\nrange = [0, 4]', 2)
    with pytest.raises(InstrumentError, match=r"'one' \(maximum\) cannot be prorated(.|\n)*missing='complete'"):
        score(forms([1, 4, 3, 2]), path, items="q{}", missing={"max_missing": 1})


def test_ratio_and_mean_of_nothing_have_no_value(tmp_path: Path) -> None:
    ratio = own(tmp_path, RULES[9][0], 0.6)
    assert np.isnan(score(forms([1, 4, 0, 0]), ratio, items="q{}")["own_one"].iloc[0])
    mean = own(tmp_path, RULES[8][0], 2)
    assert np.isnan(score(forms([0, 4, 0, 0]), mean, items="q{}")["own_one"].iloc[0])


@pytest.mark.parametrize(
    ("key", "storage", "stored", "name", "expected"),
    [
        ("k10", None, [2] * 10, "sum", 20),
        ("k10", "codes_0_4", [1] * 10, "sum", 20),
        ("k10", "all_of_the_time_first", [4] * 10, "sum", 20),
        ("k6", "codes_1_5", [1, 1, 1, 1, 1, 5], "sum", 4),
        ("who_5", "list_positions", [1, 1, 1, 1, 6], "percentage", 80),
        ("sai", "codes_1_6", [6, 6, 6, 6, 6, 1], "mean", 31 / 6),
        ("sai", "codes_0_5", [5, 5, 5, 5, 5, 0], "mean", 31 / 6),
        ("rdas_14", "printed_values", [0] * 10 + [4, 5, 5, 5], "sum", 19),
        ("rdas_14", "frequency_codes", [0] * 10 + [4, 5, 5, 5], "sum", 39),
    ],
)
def test_storage_turns_and_shifts_answers(
    key: str, storage: str | None, stored: list[float], name: str, expected: float
) -> None:
    scored = score(forms(stored), key, items="q{}", storage=storage)
    assert scored[f"{key}_{name}"].iloc[0] == pytest.approx(expected)


def test_coding_that_was_not_read_has_to_be_named() -> None:
    with pytest.raises(InstrumentError, match=r"SAI: how the answers are stored(.|\n)*codes_0_5"):
        score(forms([1, 2, 3, 4, 5, 5]), "sai", items="q{}")


def test_range_is_that_of_the_answers_as_stored() -> None:
    with pytest.raises(
        InstrumentError, match=r"SAI is answered 0-5 in whole numbers.*outside 0-5 \(6\)(.|\n)*codes_1_6"
    ):
        score(forms([1, 2, 3, 4, 5, 6]), "sai", items="q{}", storage="codes_0_5")


def test_notes_tell_storage_and_shift() -> None:
    notes = score(forms([1] * 10), "k10", items="q{}", storage="codes_0_4").attrs["notes"]
    assert "stored as codes_0_4: 0 for none of the time to 4 for all of the time; +1 to each answer" in notes[0]


def test_form_without_an_item_needs_no_column_for_it() -> None:
    version = load_instrument("wsas", form="not_working")
    scored = score(forms([0, 8, 8, 8, 7]).drop(columns="q1"), version, items="q{}")
    assert scored["wsas_sum"].tolist() == [31]
    assert "form 'not_working'" in scored.attrs["notes"][0]
    assert "sum of 4 items, 0-32" in scored.attrs["notes"][1]
    assert version.benchmarks == ()


def test_complete_form_says_that_there_are_others() -> None:
    notes = score(forms([0, 8, 8, 8, 7]), "wsas", items="q{}").attrs["notes"]
    assert "complete form (others: not_working)" in notes[0]


def test_items_that_may_be_skipped_count_nothing_and_are_counted() -> None:
    nan = np.nan
    frame = forms([0] + [nan] * 7 + [2, 0], [1, 0, 0] + [nan] * 5 + [0, 4], [1, 1, 0] + [nan] * 5 + [0, 4])
    scored = score(frame, "audit", items="q{}")
    assert scored["audit_sum"].tolist() == pytest.approx([2, 5, nan], nan_ok=True)
    assert "when 1 is 0, missing answers to 2, 3, 4, 5, 6, 7, 8 count 0" in scored.attrs["notes"][-1]
    assert "12 answers filled in so" in scored.attrs["notes"][-1]


def test_skip_rule_reaches_a_score_whose_items_do_not_include_the_condition() -> None:
    frame = forms([0] + [np.nan] * 7 + [2, 0])
    assert score(frame, "audit", items="q{}", scores=["dependence"])["audit_dependence"].tolist() == [0]


def test_answer_that_an_item_does_not_have_is_refused() -> None:
    with pytest.raises(InstrumentError, match=r"'q9' \(item 9\): 1 answer other than 0, 2, 4 \(3\)"):
        score(forms([1, 1, 1, 1, 1, 1, 1, 1, 3, 2]), "audit", items="q{}")


def test_missing_answers_count_as_the_rounded_mean_of_the_form() -> None:
    answers = [1, 3, 0, 4, np.nan, 1, 1, 1, 3, 2, 4, 0, 3, 3, 2, 4, 2, 3]
    scored = score(forms(answers), "bsi_18", items="q{}")
    assert scored["bsi_18_depression"].tolist() == [15]
    # All items are needed for the mean of the form, even when one scale is wanted.
    with pytest.raises(ColumnError, match="No column 'q1'"):
        score(forms(answers).drop(columns="q1"), "bsi_18", items="q{}", scores=["depression"])


def test_mean_of_the_form_is_rounded_half_up() -> None:
    answers = [np.nan, *[2.0] * 9, *[3.0] * 7, 3.0]
    answers[9] = 3.0
    scored = score(forms([*answers[:9], np.nan, *answers[10:]]), "bsi_18", items="q{}")
    # Sixteen answers of 2 and 3 with the mean 2.5: both missing ones count 3.
    assert scored["bsi_18_sum"].tolist() == [8 * 2 + 8 * 3 + 2 * 3]


def test_form_with_as_many_missing_answers_as_allowed_is_valid() -> None:
    answers = np.tile([0.0, 1, 2], 30)
    answers[5:90:5] = np.nan
    answers[3] = np.nan
    assert int(np.isnan(answers).sum()) == 18
    scored = score(forms(list(answers), [*answers[:2], np.nan, *answers[3:]]), "scl_90_r", items="q{}")
    assert scored["scl_90_r_gsi"].isna().tolist() == [False, True]
    assert scored["scl_90_r_gsi"].iloc[0] == pytest.approx(np.nanmean(answers))
    alone = score(forms([*answers[:2], np.nan, *answers[3:]]), "scl_90_r", items="q{}", scores=["hostility"])
    assert alone["scl_90_r_hostility"].isna().all()


def test_form_with_a_scale_that_misses_too_much_is_invalid_and_counted() -> None:
    answers: list[float] = [2.0] * 18
    answers[0] = answers[3] = answers[6] = np.nan
    scored = score(forms(answers, [1.0] * 17 + [0.0]), "bsi_18", items="q{}")
    assert scored.filter(like="bsi_18_").isna().all(axis=1).tolist() == [True, False]
    assert "1 forms are invalid" in scored.attrs["notes"][-1]


def test_own_rule_takes_the_place_of_the_mean_of_the_form() -> None:
    answers = [1, 3, 0, 4, np.nan, 1, 1, 1, 3, 2, 4, 0, 3, 3, 2, 4, 2, 3]
    scored = score(forms(answers), "bsi_18", items="q{}", missing="complete")
    assert scored[["bsi_18_depression", "bsi_18_anxiety"]].iloc[0].tolist() == pytest.approx([np.nan, 9], nan_ok=True)


def test_form_with_the_same_answer_everywhere_is_invalid() -> None:
    scored = score(forms([2] * 90, [2] * 89 + [3]), "scl_90_r", items="q{}")
    assert scored["scl_90_r_gsi"].tolist() == pytest.approx([np.nan, 181 / 90], nan_ok=True)
    assert "all answers are the same" in scored.attrs["notes"][-1]
    assert scored.attrs["notes"][-1].endswith("; 1 are.")


def test_impossible_answers_count_as_missing_when_asked() -> None:
    frame = forms([0, 1, 2, 3, 0, 1, 2, 3, 99], [0, 1, 2, 3, 0, 1, 2, 3, 1], [0, 1.5, 2, 3, 0, 1, 2, 3, 1])
    scored = score(frame, "phq_9", items="q{}", out_of_range="missing")
    assert scored["phq_9_sum"].tolist() == pytest.approx([np.nan, 13, np.nan], nan_ok=True)
    assert "2 impossible answers count as missing, as asked" in scored.attrs["notes"][0]
    assert scored["q9"].iloc[0] == 99


def test_unknown_policy_is_refused() -> None:
    with pytest.raises(InstrumentError, match=r"out_of_range='clip' is no policy(.|\n)*'error' or 'missing'"):
        score(forms([0] * 9), "phq_9", items="q{}", out_of_range="clip")  # type: ignore[arg-type]


def test_code_of_a_rating_that_was_not_made_can_be_missing() -> None:
    frame = pd.DataFrame({"sev": [4.0, 5], "imp": [3.0, 2], "eff": [2.0, 0], "side": [3.0, 1]})
    items = {"severity": "sev", "improvement": "imp", "therapeutic_effect": "eff", "side_effects": "side"}
    scored = score(frame, "cgi", items=items, out_of_range="missing")
    assert scored["cgi_efficacy_index"].tolist() == pytest.approx([7, np.nan], nan_ok=True)


def test_ratings_without_numbers_are_mapped_by_name() -> None:
    with pytest.raises(ColumnError, match=r"do not exist: warmth(.|\n)*called severity, improvement"):
        score(pd.DataFrame({"a": [1]}), "cgi", items={"warmth": "a"})
    with pytest.raises(ColumnError, match=r"names no column for item side_effects"):
        score(pd.DataFrame({"a": [1], "b": [1]}), "cgi", items={"therapeutic_effect": "a"}, scores=["efficacy_index"])


def test_scores_on_fewer_answers_are_counted() -> None:
    frame = forms([4, 1, 0, 1, 0, 4, 3, 0, 3, np.nan], [4, 1, 0, 1, 0, 4, 3, 0, 3, 1])
    notes = score(frame, "core_10", items="q{}").attrs["notes"]
    assert "1 of 2 scores rest on fewer answers" in notes[1]


def test_answers_within_the_range_of_a_shorter_form_are_suspected() -> None:
    frame = forms(*[[1, 5, 3, 1, 5, 2, 4, 5, 1, 2, 3, 4]] * 17)
    with pytest.warns(AllianceStatsWarning, match=r"WAI-S is answered up to 7, but none of 204 .* 5, .*'wai_sr'"):
        score(frame, "wai_s", items="q{}")


def test_answers_above_the_range_of_a_shorter_form_are_not_suspected() -> None:
    frame = forms(*[[1, 6, 3, 1, 5, 2, 4, 5, 1, 2, 3, 4]] * 17)
    assert len(score(frame, "wai_s", items="q{}")) == 17


def goals() -> pd.DataFrame:
    return pd.DataFrame(
        {"g1": [0, 1.0], "w1": [1, 3.0], "g2": [1, 0.0], "w2": [1, 2.0], "g3": [np.nan, -1], "w3": [1, 1.0]}
    )


def test_goal_attainment_follows_kiresuk_and_sherman() -> None:
    scored = score(goals(), "gas", items={"level": "g{}", "weight": "w{}"})
    assert scored["gas_t"].tolist() == pytest.approx([56.2017, 54.4065], abs=5e-5)
    assert "2-3 rated goals per row, with the weights given" in scored.attrs["notes"][0]


def test_goals_without_weights_count_alike_and_the_notes_say_so() -> None:
    scored = score(goals(), "gas", items="g{}")
    assert scored["gas_t"].tolist() == pytest.approx([56.2017, 50], abs=5e-5)
    assert "all with the same weight" in scored.attrs["notes"][0]
    assert score(goals(), "gas", items=["g1", "g2", "g3"])["gas_t"].tolist() == scored["gas_t"].tolist()


@pytest.mark.parametrize(
    ("frame", "items", "problem"),
    [
        (goals().drop(columns="w2"), {"level": "g{}", "weight": "w{}"}, r"Goal 2 has a level or a weight"),
        (goals(), {"level": "g{}"}, r"patterns for their levels and weights(.|\n)*\"weight\": \"weight\{\}\""),
        (goals(), "goal{}", r"No column 'goal1'"),
        (goals().assign(g01=0), "g{}", r"One goal could be g1 or g01"),
    ],
)
def test_goals_that_cannot_be_found_are_refused(frame: pd.DataFrame, items: object, problem: str) -> None:
    with pytest.raises(ColumnError, match=problem):
        score(frame, "gas", items=items)  # type: ignore[arg-type]


def test_impossible_levels_and_weights_of_goals_are_refused() -> None:
    with pytest.raises(InstrumentError, match=r"GAS is answered -2-2(.|\n)*outside -2-2 \(3\)"):
        score(goals().assign(g1=3), "gas", items="g{}")
    with pytest.raises(InstrumentError, match=r"2 weights of goals are negative"):
        score(goals().assign(w1=-1), "gas", items={"level": "g{}", "weight": "w{}"})
    lenient = score(goals().assign(g1=3), "gas", items="g{}", out_of_range="missing")
    assert lenient["gas_t"].tolist() == pytest.approx([60, 50 - 10 / np.sqrt(2.6)])


def test_result_and_notes_can_be_written_as_json() -> None:
    scored = score(goals(), "gas", items="g{}")
    assert json.loads(json.dumps(scored.attrs["notes"])) == list(scored.attrs["notes"])
