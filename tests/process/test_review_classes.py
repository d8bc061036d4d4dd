"""A review knows every result of process/, by its class and not by its name, and says the same whoever the rows belong to."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from course_frames import noise, relabelled
from growth_courses import courses
from nested_studies import nested_study
from review_cases import (
    Case,
    around,
    early,
    falls,
    gains,
    growth,
    mediated,
    moving,
    outcome,
    pair,
    panel,
    specifications,
    steps,
)
from review_cases import therapists as of_therapists

import alliance_stats as al
from alliance_stats import ModelError
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.process.outcome_result import AllianceOutcomes
from alliance_stats.process.review.code import Code, in_code, settings
from alliance_stats.process.review.dispatch import NOT_REVIEWED, Conversations, panel_of
from alliance_stats.process.review.finding import graded
from alliance_stats.process.review.methods_review import MethodsReview, review
from alliance_stats.result import Result

pytestmark = pytest.mark.filterwarnings("ignore:Impossible solution")

PROCESS = Path(al.__file__).parent / "process"
HOLDS_OTHERS: dict[type[Result], str] = {
    AllianceOutcomes: "its models are reviewed one by one",
    MethodsReview: "it is the review",
}

REAL: dict[str, Any] = {
    "AllianceOutcome": outcome,
    "CriteriaOverlap": lambda: Case(
        al.compare_rupture_criteria(noise(20, 8), alliance="score", repair=1.0), noise(20, 8)
    ),
    "EarlyResponse": lambda: early(0.5),
    "GainContrast": lambda: around(comparable=True),
    "Growth": lambda: growth(courses(), by="arm"),
    "Instability": lambda: moving(0.5),
    "LevelEffects": lambda: Case(al.level_effects(nested_study(), "distress", "wai"), nested_study()),
    "LmmFit": lambda: Case(al.lmm("distress ~ session + (1 | patient)", nested_study()), nested_study()),
    "Mediation": mediated,
    "Multiverse": specifications,
    "Reciprocal": lambda: panel("good"),
    "Ruptures": lambda: falls(noise(20, 8)),
    "SuddenGains": lambda: gains(steps()),
    "Synchrony": pair,
    "TherapistEffects": lambda: of_therapists(20, 6),
}


def result_classes() -> set[type[Result]]:
    """Return every result defined in process/."""
    found = set()
    for path in PROCESS.rglob("*.py"):
        name = ".".join(["alliance_stats", *path.relative_to(PROCESS.parent).with_suffix("").parts])
        for _, own in inspect.getmembers(import_module(name), inspect.isclass):
            if issubclass(own, Result) and own.__module__ == name:
                found.add(own)
    return found


# Every class


def test_every_result_of_process_has_checks_or_a_reason_why_not() -> None:
    classes = result_classes()
    assert len(classes) > 15
    reviewed = {own for own in classes if own in panel_of.registry}
    excused = set(NOT_REVIEWED) | set(HOLDS_OTHERS)
    assert reviewed | excused == classes
    assert not reviewed & excused
    assert all(len(reason) > 10 for reason in [*NOT_REVIEWED.values(), *HOLDS_OTHERS.values()])


def test_every_registered_class_is_reviewed_here_on_a_real_result() -> None:
    registered = {own.__name__ for own in panel_of.registry if own is not object}
    assert registered == set(REAL)


@pytest.mark.parametrize("name", REAL)
def test_a_real_result_of_each_class_has_findings_with_evidence(name: str) -> None:
    result = REAL[name]().result
    assert type(result).__name__ == name
    table = review(result).tidy()
    assert len(table) > 0
    assert table["evidence"].str.contains(r"\d").any()
    assert table["evidence"].str.endswith((".", ")")).all()
    assert not table["evidence"].str.contains("nan").any()


def test_a_renamed_class_keeps_its_checks() -> None:
    renamed = type("Anything", (LmmFit,), {})
    fit = al.lmm("distress ~ wai + (1 | patient)", nested_study())
    other = object.__new__(renamed)
    for name, value in vars(fit).items():
        object.__setattr__(other, name, value)
    assert review(other).tidy()["level"].tolist() == review(fit).tidy()["level"].tolist()


def test_a_class_without_checks_is_refused_with_the_reason() -> None:
    test = al.contextual_test(outcome().result)
    with pytest.raises(ModelError, match=r"no review for a ContextualTest(?s:.*)review the result of alliance_outcome"):
        review(test)


def test_only_associations_count_as_single_conversations() -> None:
    talks = pd.DataFrame({"share_a": np.linspace(0.1, 0.8, 12), "end": np.arange(12) % 5})
    assert isinstance(al.share_associations(talks, "share_a", "end"), Conversations)
    contrast = al.share_contrasts(talks, talks.assign(share_a=talks["share_a"] ** 2), ["share_a"])
    with pytest.raises(ModelError, match="no review for a ShareContrasts"):
        review(contrast)


# Well-made analyses


@pytest.mark.parametrize(
    ("name", "build", "cautions"),
    [
        ("growth", lambda: growth(courses().assign(therapist=lambda f: f["patient"].str[-1]), by="arm"), 0),
        ("instability", lambda: moving(0.5, n_sessions=60, spread=True), 0),
        ("synchrony", pair, 0),
        ("gains", lambda: gains(steps()), 1),
        ("around gains", lambda: around(comparable=True), 0),
        ("therapists", lambda: of_therapists(60, 30, between=2.0, caseload=True), 0),
        ("specifications", specifications, 0),
        ("mediation", lambda: mediated(200, before=True), 1),
        ("reciprocal", lambda: panel("few"), 1),
    ],
)
def test_a_well_made_analysis_has_no_mistake_and_hardly_a_caution(name: str, build: Any, cautions: int) -> None:
    row = review(build().result).glance().iloc[0]
    assert (row["n_mistakes"], row["n_cautions"]) == (0, cautions), name


# Whoever the rows belong to


@pytest.mark.parametrize(
    "make",
    [
        lambda f: al.ruptures(f, alliance="score", criterion="gumz_1sd", repair=1.0),
        lambda f: al.sudden_gains(f, "score", cutoff=5.0, criterion="gaynor", direction="higher_is_worse"),
        lambda f: al.instability(f, "score"),
        lambda f: al.growth(f, "score", form="linear", random=("patient",)),
        lambda f: al.early_response(f, "score", until=3),
    ],
    ids=["ruptures", "sudden_gains", "instability", "growth", "early_response"],
)
def test_order_and_names_of_rows_do_not_matter_and_are_not_shown(make: Any) -> None:
    frame = noise(30, 8)
    named = relabelled(frame).assign(patient=lambda f: "Anna-" + f["patient"])
    plain, other = review(make(frame)), review(make(named))
    pd.testing.assert_frame_equal(other.tidy(), plain.tidy())
    for text in (repr(other), other.to_markdown(), other._repr_html_(), str(other.to_dict())):
        assert "Anna" not in text


# How it reads


def test_a_printed_review_begins_with_the_counts_and_shows_the_worst_first() -> None:
    result = review(al.lmm("distress ~ wai + (1 | patient)", nested_study()))
    lines = repr(result).split("\n")
    row = result.glance().iloc[0]
    assert lines[0] == (
        f"Methods review of 1 analysis: {row['n_mistakes']} mistakes, {row['n_cautions']} caution, {row['n_fine']} checks "
        "without a finding."
    )
    heads = [line.split(":")[0] for line in lines if line.startswith(("MISTAKE", "CAUTION"))]
    assert heads == ["MISTAKE", "MISTAKE", "CAUTION"]
    assert "  Call:   al.level_effects(sessions, 'distress', ['wai'])" in lines
    assert all(len(line) <= 110 for line in lines if not line.startswith("  Call:"))
    assert result._repr_html_().index("mistake") < result._repr_html_().index("fine")


def test_a_review_of_several_names_the_analysis() -> None:
    text = repr(review([outcome().result, growth(courses()).result]))
    assert text.startswith("Methods review of 2 analyses: ")
    assert "[distress, wai lag 1, not detrended]" in text


# The code of calls


def test_settings_are_written_as_the_call_that_makes_them_again() -> None:
    model = al.OutcomeModel(slopes=(), df="normal", residual=al.ar1("session", by="patient") + al.variance_by("site"))
    code = settings(model, df="kenward_roger")
    again = eval(code, {"al": al})
    assert again == al.OutcomeModel(slopes=(), df="kenward_roger", residual=model.residual)
    assert "weights" not in code
    assert eval(settings(al.Adjustments(intake=True, time="log")), {"al": al}) == al.Adjustments(
        intake=True, time="log"
    )


@pytest.mark.parametrize("value", [None, "it's", 0.1, 3, ("a",), ["a", 1.5], {"a": None}, np.float64(0.123456789)])
def test_words_of_a_call_read_back_as_they_were(value: Any) -> None:
    assert eval(in_code({"word": value})["word"]) == value


def test_code_stands_as_it_is() -> None:
    assert in_code({"frame": Code("sessions.head()")}) == {"frame": "sessions.head()"}


@pytest.mark.parametrize(("worst", "level"), [(0.1, "fine"), (0.2, "fine"), (0.3, "caution"), (0.6, "mistake")])
def test_a_number_is_graded_by_its_limits(worst: float, level: str) -> None:
    assert graded(worst, caution=0.2, mistake=0.5) == level
