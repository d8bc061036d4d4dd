"""What every inference on a mixed model refuses, with evidence and a remedy, and what its notes say of rows left out."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import alliance_stats as al
from alliance_stats.errors import DataError, ModelError
from alliance_stats.mixed.fit import LmmFit

DATA = Path(__file__).resolve().parents[1] / "golden" / "data"
FORMULA = "distress ~ session * alliance + arm + (1 | patient) + (1 | therapist)"


def sessions() -> pd.DataFrame:
    return pd.read_csv(DATA / "alliance_sessions.csv")


@cache
def fit() -> LmmFit:
    return al.lmm(FORMULA, sessions())


@cache
def fit_with_gaps() -> LmmFit:
    frame = sessions()
    frame.loc[frame.index[::10], "alliance"] = np.nan
    return al.lmm(FORMULA, frame)


WITH_LEVEL: list[Callable[[Any], object]] = [
    lambda level: al.coefficient_tests(fit(), level=level),
    lambda level: al.confidence_intervals(fit(), method="wald", level=level),
    lambda level: al.diagnose(fit(), level=level),
    lambda level: al.predict_interval(fit(), level=level),
    lambda level: al.parametric_bootstrap(fit(), 2, seed=1, progress=False).intervals(level=level),
    lambda level: al.marginal_means(fit(), "arm").tidy(level=level),
    lambda level: al.compare(fit(), fit()).average(over="all", level=level),
    lambda level: al.autocorrelation_check(FORMULA, sessions(), residual=al.ar1("session", by="patient"), level=level),
]


@pytest.mark.parametrize(
    ("level", "problem"),
    [
        (95, "between 0 and 1, not at 95"),
        ("0.95", "a number between 0 and 1; this is a str"),
        (None, "this is a NoneType"),
        (True, "not at True"),
        (np.nan, "not at nan"),
    ],
)
@pytest.mark.parametrize("call", WITH_LEVEL)
def test_a_level_that_is_none_is_refused(call: Callable[[Any], object], level: Any, problem: str) -> None:
    with pytest.raises(ModelError, match=rf"{problem}(.|\n)*Hint: use level=0\.95"):
        call(level)


REFUSED: list[tuple[Callable[[], object], str]] = [
    (lambda: al.marginal_means(fit(), "arm", at="late"), r"at= is a str, not a mapping(.|\n)*Hint: write it as at="),
    (lambda: al.slopes(fit(), "session", at=[1]), r"at= is a list(.|\n)*Hint"),
    (lambda: al.marginal_means(fit(), None), r"by= takes names(.|\n)*NoneType(.|\n)*Hint: name one or more"),
    (lambda: al.slopes(fit(), "session", by=[3]), r"by= takes names(.|\n)*Hint"),
    (
        lambda: al.contrasts(al.marginal_means(fit(), "arm"), kind={"d": ["a", "b", "c"]}),
        r"contrast 'd' has a weight that is not a number(.|\n)*Hint: give numbers",
    ),
    (lambda: al.contrasts(fit(), kind={"d": {"session": "one"}}), r"'d' has a weight that is not(.|\n)*Hint"),
    (
        lambda: al.contrasts(fit(), kind={"d": {"sesion": 1}}),
        r"'d' names something that is not there. No coefficient 'sesion'(.|\n)*Hint: did you mean 'session'",
    ),
    (
        lambda: al.case_bootstrap(fit(), 2, seed=1, by=[1], progress=False),
        r"No grouping factor '1'(.|\n)*Hint: take one",
    ),
]


@pytest.mark.parametrize(("call", "message"), REFUSED)
def test_arguments_of_another_kind_are_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        call()


def test_names_may_come_in_any_collection() -> None:
    expected = al.marginal_means(fit(), ["arm"]).tidy()
    for names in (("arm",), pd.Index(["arm"]), np.array(["arm"])):
        pd.testing.assert_frame_equal(al.marginal_means(fit(), names).tidy(), expected)


def test_a_frame_of_clusters_is_told_from_a_column() -> None:
    with pytest.raises(DataError, match=r"cluster has 2 dimensions(.|\n)*Hint: pass one column"):
        al.coefficient_tests(fit(), robust="CR2", cluster=sessions()[["therapist"]])


def test_the_same_rows_in_another_order_are_told_from_another_outcome() -> None:
    other = al.lmm("distress ~ session + (1 | patient)", sessions().iloc[::-1].reset_index(drop=True))
    with pytest.raises(
        DataError, match=r"same outcome 'distress', but its values differ(.|\n)*Hint: fit both.*same order"
    ):
        al.compare(fit(), other)


WITH_NOTES: dict[str, Callable[[], Any]] = {
    "coefficient_tests": lambda: al.coefficient_tests(fit_with_gaps()),
    "term_tests": lambda: al.term_tests(fit_with_gaps()),
    "wald": lambda: al.confidence_intervals(fit_with_gaps(), method="wald"),
    "bootstrap intervals": lambda: al.confidence_intervals(
        fit_with_gaps(), method="bootstrap", n=2, seed=1, progress=False
    ),
    "parametric_bootstrap": lambda: al.parametric_bootstrap(fit_with_gaps(), 2, seed=1, progress=False),
    "case_bootstrap": lambda: al.case_bootstrap(fit_with_gaps(), 2, seed=1, progress=False),
    "compare": lambda: al.compare(fit_with_gaps(), fit_with_gaps()),
    "random_effect_tests": lambda: al.random_effect_tests(fit_with_gaps(), progress=False),
    "marginal_means": lambda: al.marginal_means(fit_with_gaps(), "arm"),
    "slopes": lambda: al.slopes(fit_with_gaps(), "session"),
    "contrasts": lambda: al.contrasts(al.marginal_means(fit_with_gaps(), "arm")),
    "johnson_neyman": lambda: al.johnson_neyman(fit_with_gaps(), "alliance", moderator="session"),
    "diagnose": lambda: al.diagnose(fit_with_gaps()),
}


@pytest.mark.parametrize("name", WITH_NOTES)
def test_notes_say_once_how_many_rows_were_left_out(name: str) -> None:
    given = len(sessions())
    expected = f"{given - fit_with_gaps().n_obs} of {given} rows were left out for missing values."
    assert WITH_NOTES[name]().notes.count(expected) == 1


def test_notes_do_not_speak_of_rows_left_out_where_all_are_used() -> None:
    assert not any("left out" in note for note in al.coefficient_tests(fit()).notes)


@pytest.mark.parametrize(("n", "said"), [(39, True), (40, False)])
def test_notes_say_when_replicates_are_too_few_for_an_interval(n: int, said: bool) -> None:
    notes = al.parametric_bootstrap(fit(), n, seed=1, progress=False).notes
    assert any(f"{n} replicates are too few for intervals" in note for note in notes) == said
