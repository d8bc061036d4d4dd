from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alliance_stats as al
from alliance_stats.errors import AllianceStatsError
from alliance_stats.loaders.labels import ColumnLabels, labels_of, with_labels


def wide() -> pd.DataFrame:
    """Return one row per patient."""
    return pd.DataFrame(
        {
            "patient": ["b", "a"],
            "age": [31, 44],
            "wai1_t1": [4.0, 5.0],
            "wai2_t1": [1.0, 2.0],
            "wai1_t10": [6.0, np.nan],
            "wai2_t10": [3.0, np.nan],
            "ors_t1": [20.0, 21.0],
        }
    )


def test_each_cell_goes_to_its_session_and_item() -> None:
    long = al.to_long(wide(), ["wai{item}_t{session}", "ors_t{session}"])
    assert long.columns.tolist() == ["patient", "session", "age", "wai1", "wai2", "ors"]
    assert long[["patient", "session", "wai1", "wai2"]].to_numpy().tolist() == [
        ["b", 1, 4.0, 1.0],
        ["b", 10, 6.0, 3.0],
        ["a", 1, 5.0, 2.0],
    ]
    assert long["ors"].isna().tolist() == [False, True, False]


def test_sessions_without_answers_are_counted_and_may_be_kept() -> None:
    dropped = al.to_long(wide(), ["wai{item}_t{session}"])
    assert (len(dropped), "1 rows in which nothing was answered were left out." in dropped.attrs["notes"]) == (3, True)
    kept = al.to_long(wide(), ["wai{item}_t{session}"], drop_empty=False)
    assert (len(kept), "1 rows in which nothing was answered were kept." in kept.attrs["notes"]) == (4, True)


def test_columns_without_a_pattern_are_repeated_and_named() -> None:
    long = al.to_long(wide(), "wai{item}_t{session}")
    assert long["age"].tolist() == [31, 31, 44]
    assert any("repeated in every row of their patient: age, ors_t1" in note for note in long.attrs["notes"])


def test_raters_get_rows_of_their_own() -> None:
    frame = pd.DataFrame({"patient": [1], "wai_p_t1": [4.0], "wai_t_t1": [5.0], "wai_p_t2": [6.0], "wai_t_t2": [7.0]})
    long = al.to_long(frame, "wai_{rater}_t{session}", raters={"p": "patient", "t": "therapist"})
    assert long[["session", "rater", "wai"]].to_numpy().tolist() == [
        [1, "patient", 4.0],
        [1, "therapist", 5.0],
        [2, "patient", 6.0],
        [2, "therapist", 7.0],
    ]


def test_raters_alone_can_be_spread() -> None:
    frame = pd.DataFrame({"patient": [1], "warm_ann": [4.0], "warm_bob": [5.0]})
    long = al.to_long(frame, "warm_{rater}")
    assert long.to_dict("list") == {"patient": [1, 1], "rater": ["ann", "bob"], "warm": [4.0, 5.0]}


def test_sessions_may_have_names() -> None:
    frame = pd.DataFrame({"patient": [1], "ors_pre": [10.0], "ors_post": [30.0], "ors_fu1": [28.0]})
    long = al.to_long(frame, "ors_{session}", sessions={"pre": 0, "post": 1, "fu1": 2})
    assert dict(zip(long["session"], long["ors"], strict=True)) == {0: 10.0, 1: 30.0, 2: 28.0}


def test_the_preview_lists_every_column() -> None:
    table = al.preview_long(wide(), "wai{item}_t{session}").set_index("column")
    assert table.index.tolist() == wide().columns.tolist()
    assert table.loc["wai2_t10", ["becomes", "session", "item"]].tolist() == ["wai2", 10, "2"]
    assert table.loc["ors_t1", "pattern"] == ""


def test_labels_go_along() -> None:
    frame = with_labels(wide(), {"wai1_t1": ColumnLabels("Goals"), "age": ColumnLabels("Age in years")})
    known = labels_of(al.to_long(frame, "wai{item}_t{session}"))
    assert (known["wai1"].label, known["age"].label) == ("Goals", "Age in years")
    back = labels_of(al.to_wide(with_labels(al.to_long(wide(), "wai{item}_t{session}"), known), ["wai1"]))
    assert back["wai1_t10"].label == "Goals"


def test_wide_names_columns_that_vary_within_patients() -> None:
    long = pd.DataFrame({"patient": [1, 1], "session": [1, 2], "ors": [1.0, 2.0], "mood": [3, 4], "arm": ["x", "x"]})
    found = al.to_wide(long, ["ors"])
    assert found.to_dict("list") == {"patient": [1], "arm": ["x"], "ors_t1": [1.0], "ors_t2": [2.0]}
    assert any("vary within patients: mood" in note for note in found.attrs["notes"])


def test_wide_with_raters() -> None:
    long = pd.DataFrame({"patient": [1, 1], "session": [1, 1], "rater": ["p", "t"], "ors": [1.0, 2.0]})
    found = al.to_wide(long, ["ors"], pattern="{column}.{rater}.{session}")
    assert found.to_dict("list") == {"patient": [1], "ors.p.1": [1.0], "ors.t.1": [2.0]}


cells = st.floats(-100, 100, allow_nan=False) | st.just(np.nan)


@settings(max_examples=50, deadline=None)
@given(
    answers=st.lists(st.lists(cells, min_size=6, max_size=6), min_size=1, max_size=5),
    order=st.permutations(range(6)),
)
def test_there_and_back_is_the_same_table(answers: list[list[float]], order: list[int]) -> None:
    names = [f"wai{item}_t{session}" for session in (1, 2, 11) for item in (1, 2)]
    frame = pd.DataFrame(answers, columns=names).assign(patient=range(len(answers)))
    long = al.to_long(frame[["patient", *(names[k] for k in order)]], "wai{item}_t{session}", drop_empty=False)
    back = al.to_wide(long, ["wai1", "wai2"])
    np.testing.assert_array_equal(back[names].to_numpy(), frame[names].to_numpy())


TWICE = pd.DataFrame({"patient": [1, 1], "ors_t1": [1, 2]})
BAD: dict[str, tuple[Any, str]] = {
    "no patient": (
        lambda: al.to_long(wide().drop(columns="patient"), "ors_t{session}"),
        r"(?s)No column 'patient'.*rename",
    ),
    "several rows": (
        lambda: al.to_long(TWICE, "ors_t{session}"),
        r"(?s)1 rows repeat the patient.*Hint: .*long already",
    ),
    "no match": (
        lambda: al.to_long(wide(), "xyz_t{session}"),
        r"(?s)No column matches the pattern 'xyz_t.*Hint: compare",
    ),
    "no placeholder": (
        lambda: al.to_long(wide(), "ors_t1"),
        r"(?s)neither \{session\} nor \{rater\}.*Hint: write it like",
    ),
    "unknown placeholder": (lambda: al.to_long(wide(), "ors_t{week}"), r"(?s)unknown placeholder '\{week\}'.*Hint"),
    "placeholder twice": (lambda: al.to_long(wide(), "o{session}_t{session}"), r"(?s)a placeholder twice.*Hint"),
    "no pattern": (lambda: al.to_long(wide(), []), r"(?s)No pattern was given.*Hint"),
    "not a text": (lambda: al.to_long(wide(), [1]), r"(?s)A pattern is a text; this is a int.*Hint"),  # type: ignore[list-item]
    "no fixed part": (
        lambda: al.to_long(wide(), "{item}_t{session}"),
        r"(?s)leaves no name.*Hint: give it a fixed part",
    ),
    "two patterns for a column": (
        lambda: al.to_long(wide(), ["wai{item}_t{session}", "wai1_t{session}"]),
        r"(?s)'wai1_t1' matches 2 patterns.*Hint: make the patterns more definite",
    ),
    "two columns for a place": (
        lambda: al.to_long(pd.DataFrame({"patient": [1], "o_t1": [1], "o_t01": [2]}), "o_t{session}"),
        r"(?s)'o_t1' and 'o_t01' both become 'o'.*Hint: names such as t1 and t01",
    ),
    "name taken": (
        lambda: al.to_long(wide().assign(ors=1), "ors_t{session}"),
        r"(?s)two columns called 'ors'.*Hint: rename",
    ),
    "session taken": (
        lambda: al.to_long(wide().assign(session=1), "ors_t{session}"),
        r"(?s)two columns called 'session'.*Hint: rename",
    ),
    "patterns of two kinds": (
        lambda: al.to_long(wide().assign(w_ann=1), ["ors_t{session}", "w_{rater}"]),
        r"(?s)do not share rows.*Hint: reshape them in two calls",
    ),
    "wide without the measure": (
        lambda: al.to_wide(pd.DataFrame({"patient": [1], "session": [1]}), ["ors"]),
        r"(?s)No column 'ors'.*Hint",
    ),
    "wide with a bad pattern": (
        lambda: al.to_wide(pd.DataFrame({"patient": [1], "session": [1], "o": [1]}), ["o"], pattern="{column}"),
        r"(?s)needs \{column\} and \{session\}.*Hint: write it like",
    ),
    "wide with repeated sessions": (
        lambda: al.to_wide(pd.DataFrame({"patient": [1, 1], "session": [1, 1], "o": [1, 2]}), ["o"]),
        r"(?s)1 rows repeat the patient, session.*Hint: add \{rater\}",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_reshaped_is_an_error_with_evidence_and_hint(case: str) -> None:
    call, message = BAD[case]
    with pytest.raises(AllianceStatsError, match=message):
        call()
