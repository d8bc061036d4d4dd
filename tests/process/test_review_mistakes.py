"""Each mistake of a review: planted it is found, absent it is not, and the call that mends it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from course_frames import noise
from growth_courses import courses
from nested_studies import nested_study
from review_cases import (
    KEYS,
    Case,
    around,
    dated,
    early,
    falls,
    gains,
    growth,
    in_time,
    lengths,
    levels,
    mediated,
    moving,
    no_therapists,
    outcome,
    pair,
    panel,
    specifications,
    steps,
    talks,
    therapists,
)

import alliance_stats as al
from alliance_stats.process.review.methods_review import review
from alliance_stats.process.review.mistakes import known_mistakes

pytestmark = pytest.mark.filterwarnings("ignore:Impossible solution")

Build = Callable[[], Case]


def gap() -> pd.DataFrame:
    frame = nested_study().assign(theirs=lambda f: f["wai"] + np.random.default_rng(2).normal(size=len(f)))
    return frame.assign(gap=frame["wai"] - frame["theirs"])


def raters() -> pd.DataFrame:
    return nested_study().assign(rater=lambda f: np.where(f["session"] < 4, "self", "observer"))


def beside_raters() -> Case:
    """Return a plain model of rows of two raters."""
    return Case(al.lmm("distress ~ wai + rater + (1 | patient)", raters()), raters())


def skipped(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[~frame["session"].isin([3, 5])]


def clipped() -> pd.DataFrame:
    return nested_study().assign(distress=lambda f: f["distress"].clip(upper=20.0))


def carried() -> Case:
    frame = panel("good").sessions
    return outcome(frame, alliance="alliance", outcome="symptom")


def two(builds: list[Build]) -> Case:
    """Return several results that are reviewed together."""
    cases = [build() for build in builds]
    return Case([case.result for case in cases], cases[0].sessions, cases[0].names)


def overlap(**options: Any) -> Case:
    frame = options.pop("frame", noise(60, 12))
    return Case(al.compare_gain_criteria(frame, "score", cutoff=5, direction="higher_is_worse", **options), frame)


def trended(step: float) -> Case:
    return moving(0.0, trend=step)


def lmm(formula: str) -> Case:
    frame = nested_study()
    return Case(al.lmm(formula, frame), frame, {"therapists": frame[["patient", "therapist"]].drop_duplicates()})


def lmm_of(n_therapists: int) -> Case:
    frame = nested_study(n_therapists=n_therapists, per_therapist=2)
    return Case(al.lmm("distress ~ session + (1 | patient)", frame), frame)


def intake() -> Case:
    return outcome(covariates=al.Adjustments(intake=True))


def topped() -> pd.DataFrame:
    return noise(30, 8).assign(score=lambda f: f["score"].clip(upper=32.0))


def instability(frame: pd.DataFrame) -> Case:
    return Case(al.instability(frame, "score"), frame)


def whole() -> Case:
    return growth(courses())


def falls_a() -> Case:
    return falls(noise(30, 8))


def falls_b() -> Case:
    return falls(noise(30, 8), criterion="gumz_2sd")


def gains_a() -> Case:
    return gains(steps())


def gains_b() -> Case:
    return gains(steps(), criterion="gaynor")


def early_later() -> Case:
    case = early(0.5)
    return Case(al.early_response(case.sessions, "distress", until=4), case.sessions)


ONE = ("patient",)
NORMAL, RELIABLE = al.OutcomeModel(slopes=(), df="normal"), al.OutcomeModel(slopes=(), weights="reliability")
SHORT = {"lag": 0, "frame": nested_study(n_sessions=3)}

# mistake, analysis with it, the same without it, whether the mended analysis is free of it
CASES: list[tuple[str, Build, Build, bool]] = [
    ("single_session", talks, outcome, True),
    ("pooled_slope", lambda: lmm("distress ~ wai + (1 | patient)"), outcome, True),
    ("between_as_within", talks, outcome, False),
    ("prior_outcome", lambda: outcome(covariates=al.Adjustments(previous_outcome=False)), intake, True),
    ("prior_outcome", lambda: outcome(lag=0), intake, True),
    ("prior_outcome", lambda: levels(nested_study()), intake, False),
    ("prior_outcome", lambda: talks(alone=True), lambda: talks(initial="before"), True),
    (
        "few_therapists",
        lambda: outcome(random=NORMAL),
        lambda: outcome(nested_study(n_therapists=55, per_therapist=3)),
        False,
    ),
    ("few_therapists", lambda: lmm("distress ~ session + (1 | patient)"), lambda: lmm_of(70), False),
    (
        "patients_per_therapist",
        outcome,
        lambda: levels(nested_study(n_therapists=3, per_therapist=61, n_sessions=3)),
        False,
    ),
    ("few_sessions", lambda: outcome(**SHORT), lambda: outcome(**SHORT, random=RELIABLE), True),
    ("few_sessions", lambda: levels(nested_study(n_sessions=3)), lambda: levels(nested_study()), False),
    ("lagged_outcome", carried, lambda: outcome(covariates=al.Adjustments(previous_outcome=False)), True),
    ("detrending", outcome, lambda: outcome(detrend=[None, "linear"]), True),
    ("detrending", lambda: specifications(lags=(1, 2), trends=(None,)), specifications, True),
    ("ceiling", lambda: levels(clipped()), lambda: levels(nested_study()), False),
    ("ceiling", lambda: growth(clipped()), lambda: growth(nested_study()), False),
    ("ceiling", lambda: falls(topped()), lambda: falls(noise(30, 8)), False),
    ("difference_score", lambda: levels(gap(), "gap"), lambda: levels(gap(), ["wai", "theirs"]), True),
    ("difference_score", lambda: levels(gap(), "distress", "gap"), lambda: levels(gap(), ["wai", "theirs"]), True),
    ("mixed_raters", beside_raters, lambda: levels(raters().assign(rater="patient")), False),
    ("spacing", lambda: levels(skipped(nested_study())), lambda: levels(nested_study()), False),
    ("spacing", lambda: outcome(dated(2)), lambda: outcome(dated(1)), False),
    ("spacing", lambda: growth(dated(2)), lambda: growth(dated(1)), True),
    ("spacing", lambda: instability(skipped(noise(30, 9))), lambda: instability(noise(30, 9)), False),
    ("post_hoc_events", lambda: falls(noise(30, 8)), lambda: two([falls_a, falls_b]), True),
    ("post_hoc_events", lambda: gains(steps()), lambda: two([gains_a, gains_b]), True),
    ("criteria_disagree", overlap, lambda: overlap(frame=steps(), criteria=["tang_derubeis", "gaynor"]), False),
    ("events_by_chance", lambda: gains(noise(60, 12), criterion="gaynor"), lambda: gains(steps()), False),
    ("events_missed", lambda: gains(skipped(steps())), lambda: gains(steps()), False),
    ("events_missed", lambda: falls(skipped(noise(30, 8))), lambda: falls(noise(30, 8)), False),
    ("gain_partners", lambda: around(comparable=False), lambda: around(comparable=True), False),
    ("mediation_order", lambda: in_time(mediated(), (1, 0)), mediated, True),
    ("mediation_before", mediated, lambda: mediated(before=True), True),
    ("mediation_means", lambda: mediated(design="2-1-1"), mediated, False),
    ("mediation_interval", lambda: mediated(40), lambda: mediated(200), True),
    ("equal_effects", lambda: panel("changing"), lambda: panel("good"), True),
    ("panel_fit", lambda: panel("slopes"), lambda: panel("good"), False),
    ("models_disagree", lambda: panel("many"), lambda: panel("few"), False),
    (
        "growth_few_ratings",
        lambda: growth(courses()[lambda f: f["week"] < 3], form="quadratic", random=ONE),
        whole,
        True,
    ),
    (
        "growth_break",
        lambda: growth(courses(bend=16.5), form="hockey_stick"),
        lambda: growth(courses(), form="hockey_stick"),
        True,
    ),
    ("growth_ends", lambda: growth(lengths(fast_leave=True)), lambda: growth(lengths(fast_leave=False)), False),
    ("growth_no_comparison", lambda: growth(courses()), lambda: growth(courses(), by="arm"), True),
    ("early_limit", lambda: early(0.5), lambda: two([lambda: early(0.5), early_later]), True),
    ("early_error", lambda: early(6.0), lambda: early(0.2), False),
    ("therapist_variance", lambda: therapists(20, 6), lambda: therapists(55, 6), False),
    ("therapist_caseload", lambda: therapists(20, 6), lambda: therapists(20, 6, caseload=True), True),
    ("therapist_ranks", lambda: therapists(20, 3), lambda: therapists(20, 30, between=2.0), False),
    ("multiverse_questions", lambda: specifications(lags=(1, 2)), specifications, True),
    ("multiverse_failures", lambda: specifications(lags=(1, 7)), specifications, True),
    ("few_differences", lambda: moving(0.0), lambda: moving(0.0, n_sessions=60, spread=True), False),
    ("instability_trend", lambda: trended(1.5), lambda: trended(0.0), True),
    ("instability_spread", lambda: moving(0.0), lambda: moving(0.6), False),
    ("few_windows", lambda: pair(70), pair, True),
    ("few_surrogates", lambda: pair(surrogates=al.Surrogates(n=99, seed=1)), pair, True),
    ("shared_trend", lambda: pair(shared=0.3), pair, True),
    ("smooth_series", lambda: pair(carry=0.97, blur=3.0, window=60), pair, True),
]
NEED_THERAPISTS = (
    "alliance_outcome",
    "level_effects",
    "lmm",
    "growth",
    "early_response",
    "alliance_multiverse",
    "mediation",
)


def test_every_mistake_is_planted() -> None:
    assert {key for key, *_ in CASES} | {"therapists"} == set(known_mistakes())


@pytest.mark.parametrize(("key", "planted", "absent", "cures"), CASES, ids=[case[0] for case in CASES])
def test_a_planted_mistake_is_found_and_mended_and_an_absent_one_is_not(
    key: str, planted: Build, absent: Build, cures: bool
) -> None:
    case = planted()
    row = case.row(key)
    assert row is not None
    assert row["level"] in ("mistake", "caution")
    without = absent().row(key)
    assert without is None or without["level"] == "fine", without
    mended = case.mended(key)
    if cures:
        assert left(mended, key) in (None, "fine")


def left(mended: Any, key: str) -> str | None:
    """Return the level of a mistake in what its call made."""
    table = (mended if isinstance(mended, al.MethodsReview) else review(mended)).tidy()
    own = table.loc[table["item"].map(KEYS) == key, "level"]
    return None if own.empty else max(own, key=["fine", "caution", "mistake"].index)


@pytest.mark.parametrize("made_by", NEED_THERAPISTS)
def test_therapists_left_out_are_found_and_mended_wherever_they_belong(made_by: str) -> None:
    case = no_therapists(made_by)
    row = case.row("therapists")
    assert row is not None
    assert row["level"] == "caution"
    assert left(case.mended("therapists"), "therapists") == "fine"


def test_panel_models_ask_for_therapists() -> None:
    case = panel("good")
    assert left(case.mended("therapists"), "therapists") == "fine"


def test_raters_are_mended_by_keeping_one() -> None:
    case = beside_raters()
    assert left(al.level_effects(case.mended("mixed_raters"), "distress", "wai"), "mixed_raters") == "fine"


def test_every_call_is_named_after_a_public_function() -> None:
    named = {name for mistake in known_mistakes().values() for name in mistake.calls}
    assert named <= set(al.__all__)
