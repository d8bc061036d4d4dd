"""What analyses by level do with tables and options as callers have them: any frame, any way to store sessions, any slip."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from alliance_stats.errors import AllianceStatsError, ColumnError, DataError, ModelError
from alliance_stats.process.alliance_outcome import alliance_outcome
from alliance_stats.process.centering import within_between
from alliance_stats.process.contextual import contextual_test
from alliance_stats.process.level_effects import level_effects
from alliance_stats.process.multiverse import alliance_multiverse
from alliance_stats.process.outcome_model import Adjustments, OutcomeModel

Study = Callable[..., pd.DataFrame]
ASKED: dict[str, Any] = {"alliance": "wai", "outcome": "distress", "lag": 1}
PLAIN = OutcomeModel(slopes=())

ANALYSES: dict[str, Callable[[Any], pd.DataFrame]] = {
    "alliance_outcome": lambda f: alliance_outcome(f, **ASKED, detrend=None, random=PLAIN).tidy(),
    "quadratic": lambda f: alliance_outcome(
        f, **ASKED, detrend="linear", covariates=Adjustments(time="quadratic"), random=PLAIN
    ).tidy(),
    "session as covariate": lambda f: level_effects(f, "distress", "wai", covariates=["session"]).tidy(),
    "multiverse": lambda f: alliance_multiverse(
        f, question=ASKED, choices={"outliers": ["3sd_within"]}, random=PLAIN, progress=False
    ).tidy(),
    "parts": lambda f: within_between(f, "wai", lag=1, detrend="linear").filter(like="wai_").reset_index(drop=True),
}


# Tables


@pytest.mark.parametrize("kind", ["str", "object", "category", "float", "Int64", "string[pyarrow]"])
@pytest.mark.parametrize("name", list(ANALYSES))
def test_session_numbers_count_however_they_are_stored(name: str, kind: str, study: Study) -> None:
    frame = study()
    table = ANALYSES[name](frame.assign(session=frame["session"].astype(kind)))
    pd.testing.assert_frame_equal(table, ANALYSES[name](frame), rtol=1e-12)


@pytest.mark.parametrize(
    "change",
    [
        lambda f: pl.from_pandas(f),
        lambda f: pa.Table.from_pandas(f),
        lambda f: f.set_index("patient", drop=False),
        lambda f: f.set_index(["patient", "session"], drop=False),
        lambda f: f.set_axis(np.zeros(len(f)), axis=0),
    ],
    ids=["polars", "pyarrow", "index called patient", "two index levels", "index of one value"],
)
@pytest.mark.parametrize("name", list(ANALYSES))
def test_frames_and_indexes_of_any_kind_give_the_same_numbers(
    name: str, change: Callable[[pd.DataFrame], Any], study: Study
) -> None:
    pd.testing.assert_frame_equal(ANALYSES[name](change(study())), ANALYSES[name](study()), rtol=1e-12)


def test_the_split_table_keeps_index_and_columns_as_they_were(study: Study) -> None:
    given = study().assign(session=lambda f: f["session"].astype(str)).set_index("patient", drop=False)
    out = within_between(given, "wai", lag=1)
    pd.testing.assert_frame_equal(out[given.columns.tolist()], given)


@pytest.mark.parametrize("given", [None, [1, 2], {"patient": [1]}, "sessions.csv"])
@pytest.mark.parametrize("name", list(ANALYSES))
def test_what_is_no_frame_is_refused(name: str, given: object) -> None:
    with pytest.raises(DataError, match=r"needs a table of sessions[\s\S]*Hint: pass a pandas"):
        ANALYSES[name](given)


@pytest.mark.parametrize(
    ("sessions", "message"),
    [
        ([dt.datetime(2024, 1, day) for day in range(1, 7)], r"holds dates or times"),
        (["first", "2", "3", "4", "5", "6"], r"'session' should hold numbers; 40 of 240"),
    ],
)
@pytest.mark.parametrize("name", ["alliance_outcome", "session as covariate", "multiverse"])
def test_sessions_that_are_no_numbers_never_become_groups(
    name: str, sessions: list[Any], message: str, study: Study
) -> None:
    with pytest.raises(ColumnError, match=message):
        ANALYSES[name](study().assign(session=sessions * 40))


def test_text_covariates_are_still_groups(study: Study) -> None:
    frame = study().assign(arm=lambda f: np.where(f["session"] % 2, "a", "b"))
    assert "arm[T.b]" in level_effects(frame, "distress", "wai", covariates="arm").tidy()["term"].tolist()


RATED = ["alliance_outcome", "session as covariate", "multiverse"]


@pytest.mark.parametrize("column", ["wai", "distress"])
@pytest.mark.parametrize("name", RATED)
def test_raters_mixed_in_alliance_or_outcome_are_refused(name: str, column: str, study: Study) -> None:
    frame = study().assign(rater=lambda f: np.where(f["session"] < 3, "patient", "observer"))
    other = "distress" if column == "wai" else "wai"
    frame[other] = frame[other].where(frame["rater"] == "observer")
    with pytest.raises(DataError, match=rf"'{column}' mixes the ratings of 2 raters(?s:.*)<one rater>"):
        ANALYSES[name](frame)


def test_pairs_of_patient_and_rater_can_be_analysed_as_units(study: Study) -> None:
    frame = study().drop(columns="therapist")
    both = pd.concat([frame.assign(rater="patient"), frame.assign(rater="observer", wai=lambda f: f["wai"] + 3)])
    both["pair"] = both["patient"] + both["rater"]
    own = alliance_outcome(both, **ASKED, detrend=None, random=OutcomeModel(levels=("pair",), slopes=()))
    assert own.by_level()["n_pairs"].tolist() == [80, 80]
    assert level_effects(both, "distress", "wai", levels=("pair",)).glance().loc[0, "n_pairs"] == 80


@pytest.mark.parametrize("lag", [0, 1])
def test_a_session_that_occurs_twice_is_refused_at_any_lag(lag: int, study: Study) -> None:
    frame = pd.concat([study(), study().iloc[7:8]])
    asked = {**ASKED, "lag": lag}
    for call in (
        lambda: alliance_outcome(frame, **asked, detrend=None),
        lambda: level_effects(frame, "distress", "wai", lag=lag),
        lambda: alliance_multiverse(frame, question=asked, progress=False),
    ):
        with pytest.raises(DataError, match=r"1 row repeats a patient and session(?s:.*)data row 241"):
            call()


def test_a_dyad_may_have_several_series_of_sessions_but_no_lag_over_them(study: Study) -> None:
    frame = study().rename(columns={"patient": "dyad"}).drop(columns="therapist")
    frame["session"] = frame["session"] % 3
    result = level_effects(frame, "distress", "wai", levels=("dyad",))
    assert result.glance().loc[0, "n_sessions"] == 240
    assert any(note.startswith("120 rows repeat a dyad and session number of another row") for note in result.notes)
    with pytest.raises(DataError, match=r"120 rows repeat a dyad and session"):
        level_effects(frame, "distress", "wai", levels=("dyad",), lag=1)


@pytest.mark.parametrize("name", ["alliance_outcome", "session as covariate", "multiverse"])
def test_rows_without_a_patient_are_left_out_and_counted(name: str, study: Study) -> None:
    frame = study()
    nobody = frame.assign(patient=frame["patient"].where(frame.index != 4, None))
    nobody.loc[4, "distress"] = np.nan
    same = ANALYSES[name](frame.drop(index=4))
    pd.testing.assert_frame_equal(ANALYSES[name](nobody), same, rtol=1e-6, atol=1e-9)
    result: Any = (
        level_effects(nobody, "distress", "wai")
        if name.startswith("session")
        else alliance_outcome(nobody, **ASKED, detrend=None, random=PLAIN)
    )
    assert any("1 without patient" in note for note in result.notes)


@pytest.mark.parametrize("column", ["wai", "distress"])
@pytest.mark.parametrize("name", RATED)
def test_infinite_ratings_are_refused_with_a_count(name: str, column: str, study: Study) -> None:
    frame = study()
    frame.loc[3, column] = np.inf
    with pytest.raises(DataError, match=rf"'{column}' has 1 infinite value \(the first in data row 4\)"):
        ANALYSES[name](frame)


@pytest.mark.parametrize("lag", [0, 1])
@pytest.mark.parametrize("weights", ["sessions", "reliability"])
def test_an_outcome_that_never_changes_is_named(lag: int, weights: Any, study: Study) -> None:
    frame = study().assign(distress=lambda f: f.groupby("patient")["distress"].transform("first"))
    with pytest.raises(DataError, match=r"'distress' does not vary within patients(?s:.*)Hint: "):
        alliance_outcome(frame, **{**ASKED, "lag": lag}, detrend=None, random=OutcomeModel(weights=weights))
    with pytest.raises(DataError, match=r"'distress' does not vary within patients \(40 of 40 with(?s:.*)keep one row"):
        level_effects(frame, "distress", "wai", lag=lag)


def test_means_of_a_rating_that_never_changes_are_not_drawn_in(study: Study) -> None:
    frame = study().assign(wai=lambda f: f.groupby("patient")["wai"].transform("first"))
    with pytest.raises(
        DataError, match=r"'wai' does not vary within patients \(40 of 40 with(?s:.*)weights=\"sessions\""
    ):
        within_between(frame, "wai", weights="reliability")
    assert within_between(frame, "wai")["wai_session"].abs().max() == 0


def test_patients_may_stand_in_a_column_of_another_name(study: Study) -> None:
    frame = study().rename(columns={"patient": "pid"}).drop(columns="therapist")
    model = OutcomeModel(slopes=(), levels={"patient": "pid"})
    own = alliance_outcome(frame, **ASKED, detrend=None, random=model).tidy()
    plain = alliance_outcome(study().drop(columns="therapist"), **ASKED, detrend=None, random=PLAIN).tidy()
    pd.testing.assert_frame_equal(own, plain, rtol=1e-9)
    choices = {"outliers": ["3sd_within"]}
    found = alliance_multiverse(frame, question=ASKED, choices=choices, random=model, progress=False)
    assert found.levels == ("session", "patient")


# Options


def outcome_with(frame: pd.DataFrame, **options: Any) -> object:
    return alliance_outcome(frame, **{**ASKED, "detrend": None, "random": PLAIN, **options})


def effects_with(frame: pd.DataFrame, **options: Any) -> object:
    return level_effects(frame, **{"outcome": "distress", "predictors": "wai", **options})


def parts_with(frame: pd.DataFrame, **options: Any) -> object:
    return within_between(frame, **{"column": "wai", **options})


def multiverse_with(frame: pd.DataFrame, **options: Any) -> object:
    return alliance_multiverse(
        frame, **{"question": ASKED, "choices": {"lag": [1]}, "random": PLAIN, "progress": False, **options}
    )


def model_with(frame: pd.DataFrame, **options: Any) -> object:
    return outcome_with(frame, random=OutcomeModel(**options))


def adjusted_with(frame: pd.DataFrame, **options: Any) -> object:
    return outcome_with(frame, covariates=Adjustments(**options))


def compared_with(frame: pd.DataFrame, **options: Any) -> object:
    return contextual_test(alliance_outcome(frame, **ASKED, detrend=None, random=PLAIN), **options)


Call = Callable[..., object]
WRONG: list[tuple[Call, str, list[Any]]] = [
    (outcome_with, "alliance", [None, 3, [3], True]),
    (outcome_with, "outcome", [None, ["distress"], 3]),
    (outcome_with, "lag", ["1", None, 1.0, True, -1]),
    (outcome_with, "detrend", ["none", "None", 3, {}, [None, 3], [["linear"]], True]),
    (outcome_with, "covariates", [None, 3, [1], True]),
    (outcome_with, "random", [True, 5, [5], 0.5]),
    (outcome_with, "level", ["95", None, 0, 1, 95, True]),
    (effects_with, "outcome", [None, ["distress"], 3]),
    (effects_with, "predictors", [None, 3, [3], [None]]),
    (effects_with, "levels", [3, [3], {"patient": 3}, {3: "patient"}, True]),
    (effects_with, "covariates", [None, 3, [1]]),
    (effects_with, "random", [True, 5, [5]]),
    (effects_with, "lag", ["1", None, 0.5, True]),
    (parts_with, "column", [None, ["wai"], 3]),
    (parts_with, "levels", [None, 3, [3], {"patient": None}]),
    (parts_with, "lag", ["1", None, 0.5, True]),
    (parts_with, "detrend", ["none", 3, ["linear"], {}]),
    (parts_with, "session", [None, 3]),
    (parts_with, "weights", [None, 3, ["sessions"], "rows"]),
    (multiverse_with, "question", [None, 3, "wai", [1]]),
    (multiverse_with, "choices", [{}, [], (), 3, "detrend"]),
    (multiverse_with, "random", [True, 5, [5]]),
    (multiverse_with, "level", ["95", 0, 1, True]),
    (multiverse_with, "n_jobs", [0, "2", None, 1.5, -2]),
    (multiverse_with, "progress", ["no", None, 1]),
    (model_with, "slopes", [None, 3, [3], "nobody"]),
    (model_with, "random", [3, [3], True]),
    (model_with, "residual", ["ar1", 3]),
    (model_with, "df", [None, 3, "t"]),
    (model_with, "weights", [None, 3, "rows"]),
    (model_with, "levels", [3, [3], {"patient": 3}]),
    (adjusted_with, "columns", [None, 3, [3]]),
    (adjusted_with, "previous_outcome", ["no", None, 0]),
    (adjusted_with, "intake", [1, "yes", None]),
    (adjusted_with, "time", [None, 3, "cubic"]),
    (adjusted_with, "prior_change", ["none", 3, []]),
    (compared_with, "means", [None, 3, "true"]),
    (compared_with, "terms", [{}, 3, ["a", "b"]]),
    (compared_with, "level", ["95", 0, True]),
]


@pytest.mark.parametrize(
    ("call", "option", "value"),
    [
        pytest.param(call, option, value, id=f"{call.__name__}-{option}-{value!r}")
        for call, option, values in WRONG
        for value in values
    ],
)
def test_an_option_of_the_wrong_kind_is_named_with_a_remedy(call: Call, option: str, value: Any, study: Study) -> None:
    with pytest.raises(AllianceStatsError) as refusal:
        call(study(), **{option: value})
    problem, _, hint = str(refusal.value).partition("\nHint: ")
    words = {"df": "df method", "level": "level", "prior_change": "prior change"}
    assert words.get(option, option).lower() in problem.lower().replace("=", "")
    assert hint


def test_detrending_is_left_out_without_quotes(study: Study) -> None:
    with pytest.raises(DataError, match=r"'none'(?s:.*)detrend=None, without quotes"):
        outcome_with(study(), detrend="none")


@pytest.mark.parametrize("role", ["alliance", "outcome", "covariates"])
def test_a_name_with_a_backtick_is_refused_by_its_name(role: str, study: Study) -> None:
    frame = study().assign(**{"a`b": lambda f: f["wai"] ** 2})
    with pytest.raises(ColumnError, match=r"'a`b' holds a backtick(?s:.*)rename"):
        outcome_with(frame, **{role: "a`b"})
    with pytest.raises(ColumnError, match=r"'a`b' holds a backtick(?s:.*)rename"):
        effects_with(frame, covariates=["a`b"])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"choices": {"alliance": ["wai", "wia"]}}, ColumnError, r"No column 'wia'(?s:.*)Did you mean 'wai'"),
        ({"choices": {"outcome": ["distres"]}}, ColumnError, r"No column 'distres'(?s:.*)'distress'"),
        ({"choices": {"covariates": [[], ["age"]]}}, ColumnError, r"No column 'age'"),
        ({"choices": {"covariates": {"age": Adjustments(columns=["age"])}}}, ColumnError, r"No column 'age'"),
        ({"random": ("ward",)}, ColumnError, r"No column 'ward'"),
        ({"choices": {"slopes": [(), ("therapst",)]}}, ModelError, r"No level for slopes 'therapst'"),
        ({"choices": {"lag": [1, 1.5]}}, DataError, r"lag is a whole number(?s:.*)1.5 was given"),
        ({"choices": {"alliance": [3]}}, DataError, r"alliance names one column"),
        ({"choices": {"covariates": [[3]]}}, DataError, r"covariates is a list of column names"),
        ({"choices": {"slopes": [None]}}, ModelError, r"slopes is None(?s:.*)slopes=\(\)"),
        ({"question": {**ASKED, "lag": "1"}}, DataError, r"lag is a whole number"),
        ({"question": {**ASKED, "alliance": ["wai"]}}, DataError, r"alliance names one column; a list"),
        ({"question": {**ASKED, "detrend": [None, "linear"]}}, DataError, r"detrend option of type list"),
        ({"question": {**ASKED, "covariates": None}}, DataError, r"covariates is a list"),
    ],
)
def test_slips_in_a_multiverse_are_errors_before_the_run(
    options: dict[str, Any], error: type[Exception], message: str, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alliance_stats.process.multiverse.fit_question", lambda *_: pytest.fail("a model was fitted"))
    with pytest.raises(error, match=message):
        multiverse_with(study(), **options)


def test_a_multiverse_without_patients_names_the_column(study: Study) -> None:
    with pytest.raises(ColumnError, match=r"No column 'patient'(?s:.*)read_sessions"):
        multiverse_with(study().drop(columns="patient"), choices={"outliers": ["3sd_within"]})
