"""audit_scores(): planted errors are found, a right key is left alone, and doubt is reported as doubt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alliance_stats.errors import ColumnError, DataError, InstrumentError
from alliance_stats.result import COLUMNS
from alliance_stats.scales.audit import ScoreAudit, audit_scores
from alliance_stats.scales.instrument import load_instrument
from alliance_stats.scales.scoring import score

from .planted_errors import Plan, answers, found_plans, planted_case, wrong_totals

SharedData = Callable[[str], Path]
N_ROWS = 120


def form(key: str, *, seed: int = 1, n_rows: int = N_ROWS, incomplete: float = 0.0) -> pd.DataFrame:
    return answers(load_instrument(key), np.random.default_rng(seed), n_rows, incomplete=incomplete)


def audited(frame: pd.DataFrame, total: np.ndarray, key: str, name: str) -> ScoreAudit:
    return audit_scores(frame.assign(total=total), key, items="i{}", published={name: "total"})


def with_plan(key: str, name: str, plan: Plan, *, incomplete: float = 0.0) -> ScoreAudit:
    frame = form(key, incomplete=incomplete)
    return audited(frame, wrong_totals(frame, load_instrument(key), name, plan), key, name)


def errors(result: ScoreAudit) -> list[str]:
    return sorted(set(result.errors["error"]))


def test_a_wrong_reversal_in_published_data_is_found_unaided(shared_data: SharedData) -> None:
    # Steenstra et al. (2026), doi 10.48550/arXiv.2602.19948: the repository's totals reverse bond item 28 in place of 29.
    frame = pd.read_csv(shared_data("aipsych_eval") / "wai_items_tidy.csv")
    columns = {"sum": "composite_wai", "task": "total_wai_task", "bond": "total_wai_bond", "goal": "total_wai_goal"}
    result = audit_scores(frame, "wai_36", items="wai{}", published=columns)
    best = result.tidy().query("best").set_index("score")
    assert best["errors"].to_dict() == {
        "sum": "item 28 reversed in place of item 29",
        "task": "none",
        "bond": "item 28 reversed in place of item 29",
        "goal": "none",
    }
    assert (best["estimate"] == 1).all()
    assert result.glance().iloc[0].to_dict() == {
        "n_scores": 4,
        "n_explained_by_key": 2,
        "n_errors": 2,
        "n_ambiguous": 0,
    }


@pytest.mark.parametrize("seed", range(30))
def test_up_to_three_planted_errors_are_found_among_typing_errors(seed: int) -> None:
    frame, key, name, plan = planted_case(seed)
    result = audit_scores(frame, key, items="i{}", published={name: "total"})
    assert plan in found_plans(result.errors)


@pytest.mark.parametrize("key", ["wai_36", "core_om", "phq_9", "haq_ii", "who_5", "core_10", "ors"])
def test_totals_by_the_key_need_no_error(key: str) -> None:
    frame = form(key)
    name = next(iter(load_instrument(key).scores))
    result = audited(frame, score(frame, key, items="i{}", scores=[name])[f"{key}_{name}"].to_numpy(), key, name)
    assert result.key_explains
    assert result.errors.empty
    assert result.tidy().query("best")["estimate"].tolist() == [1.0]


@pytest.mark.parametrize(
    ("plan", "text"),
    [
        (Plan(lost={4}), "item 4 not reversed"),
        (Plan(gained={5}), "item 5 reversed in error"),
        (Plan(lost={8}, gained={7}), "item 7 reversed in place of item 8"),
        (Plan(out={6}), "item 6 left out"),
        (Plan(other={"scale"}), "mean in place of sum"),
        (Plan(other={"one more"}), "reversed answers subtracted from 8"),
        (Plan(other={"lower"}), "answers coded one lower than here"),
        (Plan(other={"higher"}), "answers coded one higher than here"),
    ],
)
def test_each_kind_of_error_is_named(plan: Plan, text: str) -> None:
    # HAq-II: 19 items answered 1-6; 4, 8, 11, 16 and 19 are reversed, subtracted from 7.
    assert errors(with_plan("haq_ii", "sum", plan)) == [text]


@pytest.mark.parametrize(
    ("plan", "text"),
    [
        (Plan(added={(2, 1)}), "item 2 added"),
        (Plan(added={(3, -1)}), "item 3 (reversed) added"),
        (Plan(out={5}, added={(2, 1)}), "item 2 counted in place of item 5"),
    ],
)
def test_items_of_other_subscales_are_named(plan: Plan, text: str) -> None:
    assert errors(with_plan("wai_36", "bond", plan)) == [text]


def test_an_item_counted_twice_is_named() -> None:
    frame = form("phq_9")
    total = frame.sum(axis=1) + frame["i3"]
    assert errors(audited(frame, total.to_numpy(), "phq_9", "sum")) == ["item 3 counted +2 times"]


def test_a_factor_left_out_is_named() -> None:
    frame = form("who_5")
    assert errors(audited(frame, frame.sum(axis=1).to_numpy(), "who_5", "percentage")) == ["not multiplied by 4"]


@pytest.mark.parametrize(
    ("divide", "text"), [(1, "sum in place of percent"), (5, "mean in place of percent"), (0.25, "")]
)
def test_percentages_are_followed(divide: float, text: str) -> None:
    # WHO-5: five items answered 0-5, here with the rule percent, and an offset of 10 in the last case.
    key = load_instrument("who_5")
    entry = replace(
        key.scores["sum"], rule="percent", sum_low=0.0, sum_high=25.0, offset=0.0 if text else 10.0, name="percent"
    )
    frame = form("who_5")
    total = frame.sum(axis=1) / divide + (0 if text else 10)
    result = audit_scores(
        frame.assign(total=total), replace(key, scores={"percent": entry}), items="i{}", published="total"
    )
    assert errors(result) == ([text] if text else [])


def test_a_mean_divided_by_the_number_of_all_items_is_named() -> None:
    frame = form("core_om")
    name = "mean" if "mean" in load_instrument("core_om").scores else "total"
    plan = Plan(out={2})
    wrong = wrong_totals(frame, load_instrument("core_om"), name, plan)
    result = audited(frame, wrong * 33 / 34, "core_om", name)
    assert errors(result) == ["divided by 34 in place of 33", "item 2 left out"]


def test_more_errors_than_are_combined_are_read_off_the_totals() -> None:
    plan = Plan(lost={4, 8}, gained={1, 2}, out={6, 7, 9})
    assert found_plans(with_plan("haq_ii", "sum", plan).errors) == [plan]


@pytest.mark.parametrize(
    ("rule", "fill"),
    [
        ("sum of the answered items", 0.0),
        ("counted as the middle answer", 1.5),
    ],
)
def test_rules_for_missing_answers_are_told_apart(rule: str, fill: float) -> None:
    frame = form("phq_9", incomplete=0.3)
    result = audited(frame, frame.fillna(fill).sum(axis=1).to_numpy(), "phq_9", "sum")
    assert f"missing answers: {rule}" in errors(result)
    assert result.tidy().query("best")["estimate"].iloc[0] == 1


def test_person_means_where_the_key_wants_complete_answers_are_found() -> None:
    frame = form("haq_ii", incomplete=0.3)
    reverse = [4, 8, 11, 16, 19]
    keyed = frame.assign(**{f"i{item}": 7 - frame[f"i{item}"] for item in reverse})
    result = audited(frame, keyed.mean(axis=1).to_numpy() * 19, "haq_ii", "sum")
    assert errors(result) == ["missing answers: person mean"]


def test_rounded_means_are_met_within_their_rounding() -> None:
    frame = form("wai_36", n_rows=200)
    plan = Plan(lost={29}, gained={28})
    total = np.round(wrong_totals(frame, load_instrument("wai_36"), "mean", plan), 1)
    assert found_plans(audited(frame, total, "wai_36", "mean").errors) == [plan]


def test_a_third_of_the_rows_may_be_wrong() -> None:
    frame = form("haq_ii")
    plan = Plan(lost={4}, out={6})
    total = wrong_totals(frame, load_instrument("haq_ii"), "sum", plan)
    total[::3] += np.random.default_rng(4).integers(1, 30, size=total[::3].size)
    result = audited(frame, total, "haq_ii", "sum")
    assert found_plans(result.errors) == [plan]
    assert result.tidy()["estimate"].iloc[0] == pytest.approx(2 / 3)
    assert result.unexplained_rows["sum"] == tuple(range(0, N_ROWS, 3))


def test_one_typing_error_is_not_explained_away() -> None:
    frame = form("phq_9")
    total = frame.sum(axis=1).to_numpy(copy=True)
    total[7] += 2
    result = audited(frame, total, "phq_9", "sum")
    assert result.key_explains
    assert result.unexplained_rows["sum"] == (7,)


def test_one_row_is_no_reason_for_an_error() -> None:
    # Item 5 is answered 4 of 1-7 but for one row: reversing it changes that row only.
    frame = form("wai_36")
    frame["i5"] = 4.0
    frame.loc[11, "i5"] = 6.0
    total = wrong_totals(frame, load_instrument("wai_36"), "bond", Plan())
    total[11] += 8 - 2 * 6
    result = audited(frame, total, "wai_36", "bond")
    assert result.key_explains
    assert result.unexplained_rows["bond"] == (11,)
    frame.loc[12, "i5"] = 2.0
    total = wrong_totals(frame, load_instrument("wai_36"), "bond", Plan(gained={5}))
    assert errors(audited(frame, total, "wai_36", "bond")) == ["item 5 reversed in error"]


def test_many_errors_in_rounded_means_are_read_off_the_totals() -> None:
    frame = form("wai_36", n_rows=300)
    plan = Plan(lost={1, 3}, gained={2, 4, 5}, out={6, 8})
    total = np.round(wrong_totals(frame, load_instrument("wai_36"), "mean", plan), 1)
    assert found_plans(audited(frame, total, "wai_36", "mean").errors) == [plan]


def test_errors_that_the_rows_cannot_tell_apart_are_all_given() -> None:
    frame = form("phq_9")
    frame["i5"] = frame["i2"]
    result = audited(frame, frame.sum(axis=1).to_numpy() - frame["i2"].to_numpy(), "phq_9", "sum")
    assert errors(result) == ["item 2 left out", "item 5 left out"]
    assert result.glance()["n_ambiguous"].iloc[0] == 1
    assert any("2 explanations are equally good" in note for note in result.notes)


def test_totals_of_something_else_are_not_explained() -> None:
    frame = form("haq_ii")
    total = np.random.default_rng(3).integers(19, 114, size=N_ROWS).astype(float)
    result = audited(frame, total, "haq_ii", "sum")
    assert any("no small set of errors explains the totals" in note for note in result.notes)
    assert not result.key_explains or result.tidy()["estimate"].max() < 0.5


def test_an_item_that_moves_between_scores_is_said_to_move() -> None:
    frame = form("wai_36")
    key = load_instrument("wai_36")
    frame["task"] = wrong_totals(frame, key, "task", Plan(out={2}))
    frame["bond"] = wrong_totals(frame, key, "bond", Plan(added={(2, 1)}))
    result = audit_scores(frame, "wai_36", items="i{}", published={"task": "task", "bond": "bond"})
    assert "Item 2 changes between task and bond." in result.notes


def test_order_of_rows_does_not_matter() -> None:
    frame, key, name, _ = planted_case(3)
    shuffled = frame.sample(frac=1, random_state=2)
    first = audit_scores(frame, key, items="i{}", published={name: "total"}).tidy()
    second = audit_scores(shuffled, key, items="i{}", published={name: "total"}).tidy()
    pd.testing.assert_frame_equal(first, second)


def test_items_can_be_listed_or_mapped_and_one_column_is_taken_for_the_first_score() -> None:
    frame = form("phq_9")
    frame["total"] = frame.sum(axis=1)
    columns = [f"i{item}" for item in range(1, 10)]
    listed = audit_scores(frame, "phq_9", items=columns, published="total")
    mapped = audit_scores(
        frame, load_instrument("phq_9"), items=dict(enumerate(columns, start=1)), published={"sum": "total"}
    )
    pd.testing.assert_frame_equal(listed.tidy(), mapped.tidy())
    assert listed.notes[0].startswith("'total' was taken for score 'sum' of PHQ-9")


def test_storage_decides_what_is_reversed() -> None:
    frame = form("hads")
    reverse = sorted(load_instrument("hads").storages["list_positions"].reversed_items & {1, 3, 5, 7, 9, 11, 13})
    keyed = frame.assign(**{f"i{item}": 3 - frame[f"i{item}"] for item in reverse})
    data = frame.assign(total=keyed[[f"i{item}" for item in range(1, 14, 2)]].sum(axis=1))
    named = {"items": "i{}", "published": {"anxiety": "total"}}
    assert audit_scores(data, "hads", storage="list_positions", **named).key_explains  # type: ignore[arg-type]
    assert not audit_scores(data, "hads", storage="printed_values", **named).key_explains  # type: ignore[arg-type]


def test_rows_without_totals_are_counted() -> None:
    frame = form("phq_9")
    total = frame.sum(axis=1).to_numpy(copy=True)
    total[:5] = np.nan
    result = audited(frame, total, "phq_9", "sum")
    assert result.tidy()["n"].iloc[0] == N_ROWS - 5
    assert any(f"5 of {N_ROWS} rows have no total" in note for note in result.notes)


def test_tidy_uses_the_vocabulary_first() -> None:
    frame = form("phq_9")
    columns = audited(frame, frame.sum(axis=1).to_numpy(), "phq_9", "sum").tidy().columns.tolist()
    known = [name for name in columns if name in COLUMNS]
    assert columns[: len(known)] == known == sorted(known, key=COLUMNS.index)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"published": "nothing"}, ColumnError, "No column 'nothing'(.|\n)*Hint"),
        ({"published": {}}, InstrumentError, "published= is empty(.|\n)*name a column"),
        ({"published": "same"}, DataError, "'same' are the same in all rows(.|\n)*constant tells nothing"),
        ({"published": "few"}, DataError, "4 rows have a total in 'few'(.|\n)*check items="),
        ({"published": "infinite"}, DataError, "1 totals in 'infinite' are infinite(.|\n)*mark them as missing"),
        ({"published": {"nothing": "same"}}, InstrumentError, "nothing"),
    ],
)
def test_what_cannot_be_audited_is_refused(change: dict[str, object], error: type[Exception], message: str) -> None:
    frame = form("phq_9").assign(same=3.0, few=[1.0, 2.0, 3.0, 4.0] + [np.nan] * (N_ROWS - 4), infinite=np.inf)
    frame.loc[1:, "infinite"] = 4.0
    with pytest.raises(error, match=message):
        audit_scores(frame, "phq_9", items="i{}", **change)  # type: ignore[arg-type]


def test_a_score_that_is_no_sum_is_refused() -> None:
    key = load_instrument("phq_9")
    count = replace(key.scores["sum"], rule="count_above")
    with pytest.raises(InstrumentError, match=r"is a count above; only sums, means(.|\n)*compare_totals"):
        audit_scores(
            form("phq_9").assign(total=1.0), replace(key, scores={"sum": count}), items="i{}", published="total"
        )
