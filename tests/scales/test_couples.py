"""couple_change(): both partners and the couple."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from alliance_stats.errors import DataError
from alliance_stats.scales.change_index import MeasurementError
from alliance_stats.scales.change_slopes import multilevel_change
from alliance_stats.scales.clinical_significance import ClinicalSignificance, clinical_significance
from alliance_stats.scales.couples import COUPLE_CLASSES, CoupleChange, couple_change
from alliance_stats.scales.cutoffs import clinical_cutoff
from alliance_stats.scales.reliable_change import reliable_change

# First and last score that give each class with sd 5, reliability .80 (6.2 points) and cut-off 60, higher is better.
MOVES = {
    "recovered": (50, 70),
    "improved": (40, 50),
    "unchanged": (50, 51),
    "deteriorated": (50, 40),
    "harmed": (70, 50),
}
ERROR = MeasurementError(reliability=0.8, kind="retest", sd=5.0)


def partners(*couples: tuple[str, str]) -> pd.DataFrame:
    rows = [
        {"dyad": f"couple {place}", "role": role, "pre": MOVES[state][0], "post": MOVES[state][1]}
        for place, couple in enumerate(couples)
        for role, state in zip(("wife", "husband"), couple, strict=True)
    ]
    return pd.DataFrame(rows).astype({"pre": float, "post": float})


def judged(frame: pd.DataFrame) -> ClinicalSignificance:
    change = reliable_change(frame, ("pre", "post"), method="jacobson_truax", direction="higher_is_better", error=ERROR)
    return clinical_significance(change, clinical_cutoff("given", direction="higher_is_better", value=60))


def tally(result: CoupleChange) -> dict[str, int]:
    table = result.tidy()
    return {str(name): int(n) for name, n in zip(table["category"], table["n_people"], strict=True) if n}


@pytest.mark.parametrize(
    ("first", "second", "couple"),
    [
        ("recovered", "recovered", "recovered"),
        ("recovered", "improved", "improved"),
        ("recovered", "unchanged", "improved"),
        ("improved", "unchanged", "improved"),
        ("improved", "deteriorated", "mixed"),
        ("recovered", "harmed", "mixed"),
        ("unchanged", "unchanged", "unchanged"),
        ("unchanged", "harmed", "deteriorated"),
        ("deteriorated", "deteriorated", "deteriorated"),
    ],
)
def test_the_rule_for_couples(first: str, second: str, couple: str) -> None:
    for pair in ((first, second), (second, first)):
        assert tally(couple_change(judged(partners(pair)))) == {couple: 1}


def test_all_classes_are_listed_with_intervals() -> None:
    table = couple_change(judged(partners(("recovered", "recovered"), ("improved", "harmed")))).tidy()
    assert table["category"].tolist() == list(COUPLE_CLASSES)
    assert table["estimate"].sum() == 1
    assert (table["conf_low"] <= table["estimate"]).all()
    assert (table["conf_level"] == 0.95).all()


def test_partners_are_crossed_by_role() -> None:
    result = couple_change(judged(partners(("recovered", "improved"), ("recovered", "improved"))), role="role")
    # Roles in alphabetical order: husband first.
    assert result.partners().iloc[0].to_dict() == {
        "model": "cutoff",
        "first": "improved",
        "second": "recovered",
        "n": 2,
    }


def test_without_roles_the_better_class_comes_first() -> None:
    result = couple_change(judged(partners(("improved", "recovered"), ("recovered", "improved"))))
    assert result.partners()[["first", "second", "n"]].to_numpy().tolist() == [["recovered", "improved", 2]]


def test_without_cutoffs_nobody_recovers() -> None:
    assert tally(couple_change(judged(partners(("recovered", "recovered"))).change)) == {"improved": 1}


def test_couples_without_a_partner_or_score_are_counted() -> None:
    frame = partners(("recovered", "recovered"), ("improved", "improved"), ("improved", "improved"))
    frame.loc[3, "post"] = float("nan")
    result = couple_change(judged(frame.drop(index=5)))
    assert result.glance().iloc[0].to_dict() == {"n_couples": 1, "n_incomplete": 2}
    assert any("2 of 3 couples lack a partner or a score" in note for note in result.notes)


def test_order_of_rows_does_not_matter() -> None:
    frame = partners(("recovered", "improved"), ("improved", "harmed"), ("unchanged", "unchanged"))
    first = couple_change(judged(frame), role="role")
    second = couple_change(judged(frame.sample(frac=1, random_state=5)), role="role")
    pd.testing.assert_frame_equal(first.tidy(), second.tidy())
    pd.testing.assert_frame_equal(first.partners(), second.partners())


def test_another_column_may_hold_the_couple() -> None:
    frame = partners(("recovered", "recovered")).rename(columns={"dyad": "pair"})
    assert tally(couple_change(judged(frame), dyad="pair")) == {"recovered": 1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.assign(dyad=1), "1 levels of 'dyad' have more than two rows(.|\n)*one row per partner"),
        (lambda data: data.assign(role="wife"), "2 couples have two partners of one 'role'(.|\n)*leave role= out"),
        (lambda data: data.assign(role=["wife", None] * 2), "2 rows lack a 'role'(.|\n)*fill it in"),
        (lambda data: data.assign(dyad=range(4)), "No couple has both partners(.|\n)*check 'dyad'"),
    ],
)
def test_rows_that_are_no_couples_are_refused(change: Any, message: str) -> None:
    frame = change(partners(("recovered", "recovered"), ("improved", "improved")))
    with pytest.raises(DataError, match=message):
        couple_change(judged(frame), role="role")


def test_slopes_of_several_rows_per_person_are_refused() -> None:
    frame = pd.DataFrame({"patient": [1, 1, 1, 2, 2, 2, 3, 3, 3], "session": [1, 2, 3] * 3, "dyad": 1})
    frame["score"] = [5.0, 7, 9.5, 8, 8.5, 8, 3, 7, 12]
    change = multilevel_change(frame, "score", direction="higher_is_better", compare_with="no_change")
    with pytest.raises(DataError, match=r"one row per partner(.|\n)*reliable_change"):
        couple_change(change)
