"""What reciprocal() and mediation() take, refuse, and say of the rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from panel_studies import mediation_study, reciprocal_study

from alliance_stats.errors import AllianceStatsError, ColumnError, DataError, ModelError
from alliance_stats.process.lagged_model import lagged_model
from alliance_stats.process.mediation import Mediation, mediation
from alliance_stats.process.panel_table import PanelTable, panel_table
from alliance_stats.process.reciprocal import Reciprocal, reciprocal

ROLES = ("statements", "alliance", "outcome")


def pairs(**options: Any) -> pd.DataFrame:
    return reciprocal_study(np.random.default_rng(1), **{"n_patients": 120, "n_waves": 4} | options)


def chains(**options: Any) -> pd.DataFrame:
    return mediation_study(np.random.default_rng(1), **{"n_patients": 40, "n_sessions": 7} | options)


def lagged(frame: Any, *columns: str, **options: Any) -> Reciprocal:
    return reciprocal(frame, *(columns or ("alliance", "symptom")), **options)


def mediated(frame: Any, *columns: str, **options: Any) -> Mediation:
    plan: dict[str, Any] = {"design": "1-1-1", "lags": (1, 1), "slopes": ()} | options
    return mediation(frame, *(columns or ROLES), **plan)


BOTH = pytest.mark.parametrize(("call", "frame"), [(lagged, pairs), (mediated, chains)])


@BOTH
def test_rows_without_a_patient_are_left_out_and_counted(call: Any, frame: Any) -> None:
    sessions = frame()
    nameless = sessions["patient"].isin(["p1", "p2", "p3"])
    gone = call(sessions.assign(patient=sessions["patient"].where(~nameless)))
    pd.testing.assert_frame_equal(gone.tidy(), call(sessions[~nameless]).tidy())
    text = next(note for note in gone.notes if note.startswith("Rows:"))
    assert f"Rows: {len(sessions)} given, " in text
    assert f"left out: {int(nameless.sum())} without a patient id" in text
    other = next(note for note in call(sessions).notes if note.startswith("Rows:"))
    assert "without a patient id" not in other


@BOTH
@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_any_missing_id_is_missing(call: Any, frame: Any, missing: object) -> None:
    sessions = frame()
    named = sessions["patient"].astype(object).where(sessions["patient"] != "p1", missing)
    assert "without a patient id" in " ".join(call(sessions.assign(patient=named)).notes)


@BOTH
def test_a_nameless_row_needs_no_session_number(call: Any, frame: Any) -> None:
    sessions = frame().astype({"session": float})
    sessions.loc[:2, "patient"] = None
    sessions.loc[:2, "session"] = np.nan
    assert call(sessions).n_patients > 0


@BOTH
def test_rows_of_no_patient_at_all_are_refused(call: Any, frame: Any) -> None:
    sessions = frame()
    with pytest.raises(
        DataError, match=rf"None of {len(sessions)} rows names a patient\.\nHint: check column 'patient'"
    ):
        call(sessions.assign(patient=np.nan))


@BOTH
def test_a_row_number_in_a_message_is_that_of_the_frame_given(call: Any, frame: Any) -> None:
    sessions = frame().set_index(pd.Index(np.arange(len(frame())) + 500))
    sessions["patient"] = sessions["patient"].where(sessions.index != 500)
    repeated = pd.concat([sessions, sessions.iloc[[9]]])
    with pytest.raises(DataError, match=rf"1 row repeats the patient and session.*data row {len(sessions) + 1}\)"):
        call(repeated)
    broken = sessions.astype({"session": float})
    broken.iloc[5, list(broken).index("session")] = 1.5
    with pytest.raises(DataError, match=r"1 of \d+ are missing or fractional \(the first in data row 6\)"):
        call(broken)


def other_frames(frame: pd.DataFrame) -> dict[str, Any]:
    polars, pyarrow = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    return {
        "polars": polars.from_pandas(frame),
        "pyarrow": pyarrow.Table.from_pandas(frame),
        "index": frame.set_index("patient", drop=False),
        "text": frame.assign(session=frame["session"].astype(str)),
        "category": frame.assign(session=frame["session"].astype(str).astype("category")),
    }


@BOTH
@pytest.mark.parametrize("kind", ["polars", "pyarrow", "index", "text", "category"])
def test_any_frame_gives_the_same_numbers(call: Any, frame: Any, kind: str) -> None:
    sessions = frame()
    given = other_frames(sessions)[kind]
    pd.testing.assert_frame_equal(call(given).tidy(), call(sessions).tidy())


@BOTH
@pytest.mark.parametrize("given", [None, [1, 2], {"patient": [1]}, "sessions.csv", 3])
def test_what_is_no_frame_is_refused(call: Any, frame: Any, given: object) -> None:
    with pytest.raises(DataError, match=r"An analysis needs a table of sessions.*\nHint: pass a pandas"):
        call(given)


def test_the_frame_given_is_left_as_it_was() -> None:
    sessions = chains().assign(session=lambda f: f["session"].astype(str))
    before = sessions.copy(deep=True)
    mediated(sessions)
    pd.testing.assert_frame_equal(sessions, before)


WRONG = [None, 1.5, True, ["a"], {"a": 1}, pd.DataFrame({"a": [1]}), "nothing", -1, float("nan")]
OPTIONS: list[tuple[Callable[..., Any], Callable[..., pd.DataFrame], str, list[Any]]] = [
    (lagged, pairs, "waves", [value for value in WRONG if value is not None]),
    (lagged, pairs, "effects", WRONG),
    (lagged, pairs, "interval", WRONG),
    (lagged, pairs, "seed", [value for value in WRONG if value is not None]),
    (lagged, pairs, "level", WRONG),
    (mediated, chains, "design", WRONG),
    (mediated, chains, "lags", WRONG),
    (mediated, chains, "covariates", [None, 1.5, True, [1], ["alliance", 2]]),
    (mediated, chains, "previous", [*WRONG, ["predictor"], ["mediator", 1]]),
    (mediated, chains, "slopes", [1.5, True, {"a": 1}, pd.DataFrame({"a": [1]}), "nothing", -1, "ab", ["a", 1]]),
    (mediated, chains, "level", WRONG),
]


@pytest.mark.parametrize(
    ("call", "frame", "option", "value"),
    [(call, frame, option, value) for call, frame, option, values in OPTIONS for value in values],
)
def test_an_option_of_a_wrong_kind_is_refused_by_name(call: Any, frame: Any, option: str, value: object) -> None:
    with pytest.raises(AllianceStatsError) as caught:
        call(frame(n_patients=12), **{option: value})
    problem, _, hint = str(caught.value).partition("\nHint: ")
    words = {"previous": "previous", "slopes": "slope", "covariates": "covariates", "lags": "lags"}
    assert words.get(option, option) in problem
    assert len(hint) > 10


@pytest.mark.parametrize("value", [None, 1, ["alliance"], True, pd.Series(["alliance"])])
def test_a_column_is_named_by_a_text(value: Any) -> None:
    for role in ("alliance", "symptom"):
        names = {"alliance": "alliance", "symptom": "symptom"} | {role: value}
        with pytest.raises(DataError, match=rf"{role} names one column; .*\nHint: pass its name"):
            lagged(pairs(), names["alliance"], names["symptom"])
    for place, role in enumerate(("predictor", "mediator", "outcome")):
        columns = [*ROLES[:place], value, *ROLES[place + 1 :]]
        with pytest.raises(DataError, match=rf"{role} names one column; .*\nHint: pass its name"):
            mediated(chains(), *columns)


METHOD_OPTIONS = [
    ("monte_carlo", {"seed": "1"}),
    ("monte_carlo", {"seed": -1}),
    ("monte_carlo", {"seed": None}),
    ("monte_carlo", {"seed": 1.5}),
    ("monte_carlo", {"seed": True}),
    ("monte_carlo", {"n": "many"}),
    ("monte_carlo", {"n": 999}),
    ("bootstrap", {"seed": "1"}),
    ("bootstrap", {"seed": -1}),
    ("bootstrap", {"n": 1}),
    ("bootstrap", {"n": None}),
    ("bootstrap", {"n_jobs": "all"}),
    ("bootstrap", {"progress": "no"}),
]


@pytest.fixture(scope="module")
def result() -> Mediation:
    return mediated(chains())


@pytest.mark.parametrize(("method", "options"), METHOD_OPTIONS)
def test_an_option_of_a_method_is_refused_by_name(result: Mediation, method: str, options: dict[str, Any]) -> None:
    (option,) = options
    with pytest.raises(AllianceStatsError, match=rf"^{option} is .*\nHint: "):
        getattr(result, method)(**({"seed": 1} | options))


@BOTH
@pytest.mark.parametrize("column", ["patient", "session", "therapist"])
def test_ids_and_session_numbers_are_no_ratings(call: Any, frame: Any, column: str) -> None:
    sessions = frame().assign(therapist=1)
    rest = ("symptom",) if call is lagged else ROLES[1:]
    with pytest.raises(ColumnError, match=rf"Column '{column}' .* it is no rating\.\nHint: name the column"):
        call(sessions, column, *rest)


@BOTH
def test_raters_are_mixed_only_where_they_rate(call: Any, frame: Any) -> None:
    sessions = frame().assign(rater="patient")
    silent = sessions.assign(rater="therapist", session=lambda f: f["session"] + 50)
    silent[[name for name in sessions if name in (*ROLES, "symptom")]] = np.nan
    assert call(pd.concat([sessions, silent])).n_patients == sessions["patient"].nunique()
    with pytest.raises(DataError, match=r"has 2 raters.*\nHint: keep the rows of one rater, .*== <one rater>\]"):
        call(pd.concat([sessions, sessions.assign(rater="therapist")]))


@BOTH
def test_hints_name_no_argument_that_does_not_exist(call: Any, frame: Any) -> None:
    sessions = frame()
    with pytest.raises(DataError) as caught:
        call(pd.concat([sessions, sessions]))
    assert not any(word in str(caught.value) for word in ("rater=", "role=", "dyad="))


@BOTH
def test_one_infinite_value_is_counted_as_one(call: Any, frame: Any) -> None:
    sessions = frame()
    sessions.loc[4, "alliance"] = np.inf
    with pytest.raises(DataError, match=r"'alliance' has 1 infinite value\.\nHint: mark"):
        call(sessions)


COLLINEAR = {
    "other units": lambda f: 2 * f["alliance"] + 1,
    "turned": lambda f: 70 - f["alliance"] / 3,
    "own level of each patient": lambda f: 2 * f["alliance"] + f["patient"].str.len() * 7.0,
}


@pytest.mark.parametrize("kind", list(COLLINEAR))
def test_two_ratings_that_are_one_are_refused(kind: str) -> None:
    sessions = pairs().assign(other=COLLINEAR[kind])
    with pytest.raises(
        ModelError, match=r"'alliance' and 'other' are perfectly collinear within patients.*\nHint: pass two"
    ):
        reciprocal(sessions, "alliance", "other", waves=3)


def test_ratings_that_are_one_beside_the_means_of_sessions_are_refused() -> None:
    sessions = pairs().assign(other=lambda f: 2 * f["alliance"] + f["session"] ** 2)
    with pytest.raises(
        ModelError, match=r"the two ratings of the session before are perfectly collinear.*\nHint: pass two"
    ):
        reciprocal(sessions, "alliance", "other", waves=4)


def test_ratings_centred_by_the_user_have_no_patient_part_and_are_taken() -> None:
    sessions = pairs()
    for name in ("alliance", "symptom"):
        sessions[name] -= sessions.groupby("patient")[name].transform("mean")
    panel = panel_table(sessions, "alliance", "symptom", 4)
    assert np.isfinite(lagged_model(panel, first_on_second=True).estimate).all()


def test_two_ratings_that_nearly_are_one_are_not_refused_as_collinear() -> None:
    noise = np.random.default_rng(2).normal(size=480)
    panel = panel_table(pairs().assign(other=lambda f: f["alliance"] + 0.01 * noise), "alliance", "other", 3)
    assert isinstance(panel, PanelTable)


def test_session_numbers_that_are_dates_are_refused() -> None:
    with pytest.raises(DataError, match=r"Session numbers run over \d+ steps\.\nHint: number sessions 1, 2, 3"):
        lagged(pairs().assign(session=lambda f: f["session"] * 10**9))


def test_one_patient_has_and_two_patients_have() -> None:
    sessions = pairs().query("session == 1")
    with pytest.raises(DataError, match=r"^1 patient has one rated session"):
        lagged(sessions.head(1))
    with pytest.raises(DataError, match=r"^All 2 patients have one rated session"):
        lagged(sessions.head(2))


def test_rows_are_given_used_and_left_out_for_a_reason() -> None:
    sessions = pairs(n_waves=6)
    sessions.loc[sessions["session"] == 2, ["alliance", "symptom"]] = sessions.loc[
        sessions["session"] == 2, ["alliance", "symptom"]
    ].where(sessions["patient"] != "p7")
    rows = next(note for note in lagged(sessions, waves=4).notes if note.startswith("Rows:"))
    assert rows == (
        "Rows: 720 given, 479 used; left out: 1 with neither alliance nor symptom, 240 of later sessions than 4."
    )
    course = chains()
    course.loc[(course["session"] == 1) & (course["patient"] == "p3"), "statements"] = np.nan
    rows = next(note for note in mediated(course).notes if note.startswith("Rows:"))
    assert rows == (
        "Rows: 280 given, 199 of them begin a chain with all three ratings; left out: 80 without the later sessions, 1 whose "
        "ratings in these sessions are not all known."
    )


def test_notes_tell_level_centring_lag_and_reference_distribution() -> None:
    for text in (" ".join(lagged(pairs()).notes), " ".join(mediated(chains()).notes)):
        lowered = text.lower()
        for word in (
            "level: session",
            "centring",
            "lag",
            "quantiles of the normal distribution (no degrees of freedom)",
        ):
            assert word in lowered
    multilevel = next(note for note in lagged(pairs()).notes if note.startswith("Multilevel"))
    assert "360 of symptom and 360 of alliance" in multilevel


@BOTH
def test_the_level_of_intervals_is_that_of_the_result(call: Any, frame: Any) -> None:
    wide, narrow = call(frame()), call(frame(), level=0.8)
    table = narrow.tidy()
    assert table["conf_level"].unique().tolist() == [0.8]
    assert narrow.glance()["conf_level"].tolist() == [0.8]
    pd.testing.assert_frame_equal(table, wide.tidy(level=0.8))
    pd.testing.assert_frame_equal(narrow.tidy(level=0.95), wide.tidy())
    path = table["statistic"].notna()
    half = (table["conf_high"] - table["conf_low"])[path] / 2
    # The 90th percentile of the standard normal distribution.
    np.testing.assert_allclose(half, 1.2815515655446004 * table["std_error"][path], rtol=1e-9)
    for level in (0, 1, "a"):
        with pytest.raises(DataError, match=r"level = .* is not between 0 and 1\.\nHint: use 0\.95"):
            wide.tidy(level=level)


def test_results_print_what_was_asked_of_whom(result: Mediation) -> None:
    assert repr(lagged(pairs())) == "Reciprocal(alliance <-> symptom, 4 sessions, 120 patients, 3 models)"
    assert repr(result) == (
        "Mediation(statements -> alliance -> outcome, 1-1-1, lags 1 and 1, 40 patients, 200 chains)"
    )
    arms = chains().assign(arm=lambda f: f["patient"].str[-1].isin(list("02468")).astype(float))
    between = mediated(arms, "arm", "alliance", "outcome", design="2-1-1", lags=(1,))
    assert repr(between) == "Mediation(arm -> alliance -> outcome, 2-1-1, lag 1, 40 patients, 240 chains)"
