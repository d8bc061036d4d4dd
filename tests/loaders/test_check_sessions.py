from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

import alliance_stats as al
from alliance_stats.errors import AllianceStatsError


def table(rows: dict[Any, list[int]], **columns: Any) -> pd.DataFrame:
    """Return a session table from the sessions of each patient."""
    pairs = [(patient, session) for patient, sessions in rows.items() for session in sessions]
    return pd.DataFrame(pairs, columns=["patient", "session"]).assign(**columns)


FINE = {"a": [1, 2, 3], "b": [1, 2, 3], "c": [1, 2, 3]}
CASES: dict[str, tuple[pd.DataFrame, dict[str, Any], str, str, int, int]] = {
    "repeated rows": (table({"a": [1, 1, 2]}), {}, "repeated rows", "error", 1, 3),
    "rows of several raters do not repeat": (
        table({"a": [1, 1]}, rater=["p", "t"]),
        {},
        "repeated rows",
        "error",
        0,
        2,
    ),
    "no patient": (table({"a": [1], None: [1]}), {}, "patient missing", "error", 1, 2),
    "no session": (table({"a": [1, np.nan]}), {}, "session missing", "error", 1, 2),  # type: ignore[list-item]
    "no whole number": (table({"a": [1, 1.5]}), {}, "no whole number", "error", 1, 2),  # type: ignore[list-item]
    "gaps": (table({"a": [1, 2, 5], "b": [1, 2]}), {}, "gaps", "doubt", 1, 2),
    "late start": (table({"a": [1, 2], "b": [1], "c": [3, 4]}), {}, "late start", "doubt", 1, 3),
    "reversed order": (table({"a": [2, 1, 3], "b": [1, 2]}), {}, "reversed order", "doubt", 1, 2),
    "single session": (table({"a": [1], "b": [1, 2]}), {}, "single session", "doubt", 1, 2),
    "therapist missing": (table({"a": [1, 2]}, therapist=["x", None]), {}, "therapist missing", "doubt", 1, 2),
    "switched": (table({"a": [1, 2, 3]}, therapist=["x", "x", "y"]), {}, "switched therapist", "doubt", 1, 1),
    "crossed": (table({"a": [1, 2, 3]}, therapist=["x", "y", "x"]), {}, "crossed therapists", "doubt", 1, 1),
    "crossed is no switch": (
        table({"a": [1, 2, 3]}, therapist=["x", "y", "x"]),
        {},
        "switched therapist",
        "doubt",
        0,
        1,
    ),
    "one patient": (table({"a": [1], "b": [1], "c": [1]}, therapist=["x", "x", "y"]), {}, "one patient", "doubt", 1, 2),
    "similar ids": (table({"P-01": [1], "p1": [1], "P 2": [1]}), {}, "similar ids", "doubt", 2, 3),
    "ids of two parts are not similar": (table({"T1-P11": [1], "T11-P1": [1]}), {}, "similar ids", "doubt", 0, 2),
    "out of range": (
        table(FINE, wai=[1, 2, 3, 4, 5, 6, 8, 0, 7]),
        {"ranges": {"wai": (1, 7)}},
        "out of range",
        "error",
        2,
        9,
    ),
    "text in a column with a range": (
        table({"a": [1, 2, 3]}, wai=["9", "many", "3"]),
        {"ranges": {"wai": (1, 7)}},
        "no number",
        "error",
        1,
        3,
    ),
    "numbers written as text": (
        table({"a": [1, 2, 3]}, wai=["9", "99", "3"]),
        {"ranges": {"wai": (1, 7)}},
        "out of range",
        "error",
        2,
        3,
    ),
    "sessions written as text": (
        table({"a": [str(k) for k in range(1, 12)]}, therapist=["x", *["y"] * 9, "z"]),  # type: ignore[list-item]
        {},
        "crossed therapists",
        "doubt",
        0,
        1,
    ),
    "sessions of which one is text": (
        table({"a": [1, "x", 2]}, therapist=["x", "y", "x"]),  # type: ignore[list-item]
        {},
        "crossed therapists",
        "doubt",
        0,
        1,
    ),
    "ceiling": (table(FINE, wai=[7, 7, 3, 4, 5, 6, 2, 1, 7]), {"ranges": {"wai": (1, 7)}}, "ceiling", "doubt", 3, 9),
    "constant": (table(FINE, wai=[4, 4, 4, 1, 2, 3, 0, 0, 0]), {}, "constant", "doubt", 1, 3),
    "straight-lining": (
        table({"a": [1, 2]}, **{f"i{k}": [3, k] for k in range(5)}),
        {},
        "straight-lining",
        "doubt",
        1,
        2,
    ),
    "missing": (table(FINE, wai=[1, None, 3, 4, None, 6, 2, 1, 7]), {}, "missing", "fact", 2, 9),
    "missing by rater": (
        table({"a": [1, 2], "b": [1, 2]}, rater=["p", "t", "p", "t"], wai=[1, None, 3, None]),
        {},
        "missing by rater",
        "doubt",
        2,
        2,
    ),
    "no date": (table({"a": [1, 2]}, day=["2020-01-01", "soon"]), {"date": "day"}, "no date", "error", 1, 2),
    "dates out of order": (
        table({"a": [1, 2, 3]}, day=["2020-01-08", "2020-01-01", "2020-01-15"]),
        {"date": "day"},
        "dates out of order",
        "error",
        1,
        2,
    ),
    "same day": (table({"a": [1, 2]}, day=["2020-01-01", "2020-01-01"]), {"date": "day"}, "same day", "doubt", 1, 1),
    "long interval": (
        table({"a": [1, 2]}, day=["2020-01-01", "2021-01-02"]),
        {"date": "day"},
        "long interval",
        "doubt",
        1,
        1,
    ),
    "in the future": (
        table({"a": [1, 2]}, day=["2020-01-01", "2199-01-01"]),
        {"date": "day"},
        "in the future",
        "error",
        1,
        2,
    ),
    "free text": (table({"a": [1, 2]}, diary=["x" * 60, "y"]), {}, "identifying", "doubt", 1, 1),
    "patients": (table(FINE), {}, "patients", "fact", 3, 3),
}


@pytest.mark.parametrize("case", CASES)
def test_each_rule_counts_what_it_says(case: str) -> None:
    frame, options, rule, level, n, n_of = CASES[case]
    found = al.check_sessions(frame, **options).tidy(everything=True)
    row = found[found["rule"] == rule].iloc[0]
    assert (row["level"], row["n"], row["n_of"]) == (level, n, n_of)


@pytest.mark.parametrize("rule", sorted({case[2] for case in CASES.values() if case[3] != "fact"} - {"late start"}))
def test_a_sound_table_raises_no_finding(rule: str) -> None:
    frame = table(FINE, therapist=list("xxxyyyxxx"), rater="p", wai=[1, 2, 3, 4, 5, 6, 2, 1, 7])
    frame["day"] = pd.to_datetime("2020-01-01") + pd.to_timedelta(7 * frame["session"], unit="D")
    extra = pd.DataFrame({f"i{k}": (np.arange(9) * (k + 1)) % 7 for k in range(6)})
    frame = pd.concat([frame, table({"d": [1, 2]}, therapist="y", rater="p", wai=[3, 2])], ignore_index=True)
    found = al.check_sessions(
        pd.concat([frame, extra], axis=1), ratings=["wai"], ranges={"wai": (1, 7)}, date="day"
    ).tidy()
    assert rule not in set(found["rule"])


def test_findings_that_count_nothing_are_shown_on_request_only() -> None:
    found = al.check_sessions(table(FINE))
    assert set(found.tidy()["n"]) == {3}
    assert len(found.tidy(everything=True)) > len(found.tidy())


def test_errors_come_first_and_are_counted() -> None:
    found = al.check_sessions(table({"a": [1, 1, 2], "b": [1]}))
    assert found.tidy()["level"].tolist() == sorted(found.tidy()["level"], key=["error", "doubt", "fact"].index)
    assert (found.n_errors, found.n_doubts) == (1, 1)
    assert found.glance()[["n", "n_patients", "n_sessions", "n_errors"]].iloc[0].tolist() == [4, 2, 2, 1]


def test_attrition_counts_patients_whose_course_is_not_over() -> None:
    left = al.check_sessions(table({"a": [1, 2, 4], "b": [1, 2], "c": [2]})).attrition
    assert left["session"].tolist() == [1, 2, 3, 4]
    assert left["n_seen"].tolist() == [2, 3, 0, 1]
    assert left["n_remaining"].tolist() == [3, 3, 1, 1]
    assert left["share_remaining"].tolist() == pytest.approx([1, 1, 1 / 3, 1 / 3])


def test_missing_answers_are_shown_by_session() -> None:
    frame = table({"a": [1, 2, 4], "b": [1, 2]}, wai=[1, None, 3, 4, 5], mood=[None, None, 1, 1, 1])
    shares = al.check_sessions(frame).attrition["share_missing"]
    np.testing.assert_allclose(shares, [0.25, 0.5, np.nan, 0.0])


def test_the_map_tells_rated_from_unrated_rows() -> None:
    frame = table({"a": [1, 2], "b": [1, 3]}, wai=[1, None, 3, 4])
    np.testing.assert_array_equal(al.check_sessions(frame).availability, [[2, 0, 2], [2, 1, 0]])


def test_row_order_changes_nothing_but_the_order_of_sessions() -> None:
    frame = table({"a": [1, 2, 4], "b": [1, 2], "c": [2]}, wai=[1, 2, 3, 4, 5, 6])
    turned = frame.iloc[::-1]
    one, two = (al.check_sessions(rows).tidy(everything=True).set_index("rule")["n"] for rows in (frame, turned))
    assert one.drop("reversed order").to_dict() == two.drop("reversed order").to_dict()


def test_the_dictionary_is_ready_for_json() -> None:
    stored = json.loads(json.dumps(al.check_sessions(table(FINE)).to_dict()))
    assert {"glance", "findings", "attrition", "notes"} == set(stored)


def test_no_id_date_or_text_is_shown() -> None:
    secrets = ["Quibble", "Boole", "1984-05-06", "Humphrey"]
    frame = table(
        {"Quibble": [1, 1], "quibble": [2]}, therapist="Boole", day="1984-05-06", diary="Humphrey called " * 9
    )
    found = al.check_sessions(frame, date="day")
    text = (
        found.tidy(everything=True).to_csv()
        + repr(found)
        + found.to_markdown()
        + found._repr_html_()
        + json.dumps(found.to_dict())
    )
    assert not [secret for secret in secrets if secret in text]


def test_the_picture_shows_map_and_attrition() -> None:
    frame = table({"a": [1, 2], "b": [1, 3]}, wai=[1, None, 3, 4])
    axes = al.check_sessions(frame).plot()
    np.testing.assert_array_equal(axes.images[0].get_array(), [[2, 0, 2], [2, 1, 0]])
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [2.5, 2.5, 1.5, 1.5])
    assert axes.get_title() == "2 patients, 4 rows; 50% left at session 3"


BAD: dict[str, tuple[Any, dict[str, Any], str]] = {
    "no session": (pd.DataFrame({"patient": [1]}), {}, r"(?s)No column 'session'.*Hint"),
    "no rows": (table(FINE).head(0), {}, r"(?s)no rows.*Hint"),
    "dates as sessions": (table({"a": ["x", "y"]}), {}, r"(?s)None of the 2 rows.*Hint: .*rank"),  # type: ignore[list-item]
    "unknown rating": (table(FINE), {"ratings": ["wai"]}, r"(?s)No column 'wai'.*Hint"),
    "range that is no pair": (
        table(FINE, wai=1),
        {"ranges": {"wai": "1-7"}},
        r"(?s)range of 'wai' is no pair.*Hint: give",
    ),
    "empty range": (table(FINE, wai=1), {"ranges": {"wai": (7, 1)}}, r"(?s)range of 'wai' is empty.*Hint: give"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_checked_is_an_error_with_evidence_and_hint(case: str) -> None:
    frame, options, message = BAD[case]
    with pytest.raises(AllianceStatsError, match=message):
        al.check_sessions(frame, **options)
