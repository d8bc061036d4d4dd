"""A methods review of any analysis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from alliance_stats.coding.associations import share_associations
from alliance_stats.errors import ModelError, StudyError
from alliance_stats.loaders.toml_table import TomlTable
from alliance_stats.mixed.lmm import lmm
from alliance_stats.process.alliance_outcome import alliance_outcome
from alliance_stats.process.centering import within_between
from alliance_stats.process.criteria_overlap import compare_gain_criteria
from alliance_stats.process.level_effects import level_effects
from alliance_stats.process.outcome_model import Adjustments, OutcomeModel
from alliance_stats.process.review import mistakes as table_of_mistakes
from alliance_stats.process.review.analysis import Analysis
from alliance_stats.process.review.methods_review import MethodsReview, review
from alliance_stats.process.review.mistakes import known_mistakes
from alliance_stats.process.review.rating_checks import single_session
from alliance_stats.process.ruptures import ruptures
from alliance_stats.process.sudden_gains import sudden_gains
from alliance_stats.result import COLUMNS

Study = Callable[..., pd.DataFrame]
ASKED: dict[str, Any] = {"alliance": "wai", "outcome": "distress", "lag": 1, "detrend": None}
PLAIN = OutcomeModel(slopes=())
TITLES = {key: mistake.title for key, mistake in known_mistakes().items()}


def found(result: Any) -> dict[str, tuple[str, str]]:
    """Return level and evidence by mistake."""
    keys = {title: key for key, title in TITLES.items()}
    table = review(result).tidy()
    return {
        keys[item]: (level, text)
        for item, level, text in zip(table["item"], table["level"], table["evidence"], strict=True)
    }


def asked(frame: pd.DataFrame, **options: Any) -> Any:
    return alliance_outcome(frame, **{**ASKED, "random": PLAIN, **options})


# The table


@pytest.mark.parametrize("mistake", known_mistakes().values(), ids=list(known_mistakes()))
def test_every_mistake_says_why_what_to_call_and_who_says_so(mistake: Any) -> None:
    assert mistake.why.endswith(".")
    assert all(call.startswith(("al.", "result.", "sessions[")) for call in (mistake.call, *mistake.calls.values()))
    assert mistake.source.count("doi:10.") == mistake.source.count("; ") + 1


def test_a_source_that_is_not_described_is_refused() -> None:
    row = TomlTable({"title": "A", "why": "B.", "call": "c()", "source": ["nobody"]}, "mistakes.toml", "[mistakes.a]")
    with pytest.raises(
        StudyError, match=r"\[mistakes.a\]: the source 'nobody' is not described(?s:.*)\[sources.nobody\]"
    ):
        table_of_mistakes._mistake("a", row, {})


# Alliance and outcome


def test_a_review_of_alliance_and_outcome_has_a_row_per_check(study: Study) -> None:
    result = review(asked(study()))
    assert isinstance(result, MethodsReview)
    table = result.tidy()
    assert list(table) == ["level", "item", "evidence", "why", "source", "call"]
    assert [name for name in table if name in COLUMNS] == ["level", "item"]
    assert set(table["level"]) <= {"mistake", "caution", "fine"}
    assert (table["call"] == "").eq(table["level"] == "fine").all()
    row = result.glance().iloc[0]
    assert row["n_mistakes"] + row["n_cautions"] + row["n_fine"] == len(table)
    assert result.notes[0].startswith(f"Methods review: {row['n_mistakes']} mistake")


def test_parts_at_each_level_are_no_pooled_slope(study: Study) -> None:
    assert found(asked(study()))["pooled_slope"] == ("fine", "Slopes stand apart for: session, patient, therapist.")


def test_the_contextual_difference_is_the_evidence_on_levels(study: Study) -> None:
    result = asked(study())
    row = result.by_level().set_index("level").loc["patient"]
    text = found(result)["between_as_within"][1]
    assert f"patient: {row['difference']:+.2f}, p = {row['difference_p_value']:.3f}" in text


@pytest.mark.parametrize(
    ("options", "level", "text"),
    [
        ({}, "caution", "slopes between are not adjusted for intake severity"),
        ({"covariates": Adjustments(intake=True)}, "fine", "intake"),
        ({"covariates": Adjustments(prior_change="since_intake")}, "fine", "change since intake"),
        ({"covariates": Adjustments(previous_outcome=False)}, "mistake", "the outcome before is not among them"),
        ({"lag": 0}, "caution", "240 same sessions"),
    ],
)
def test_control_for_the_outcome_before_is_judged(options: dict[str, Any], level: str, text: str, study: Study) -> None:
    verdict, evidence = found(asked(study(), **options))["prior_outcome"]
    assert verdict == level
    assert text in evidence


def test_the_bias_of_a_dynamic_panel_is_that_of_nickell(study: Study) -> None:
    result = asked(study())
    slope = result.fit.fixed_effects["distress_session_lag1"]
    level, text = found(result)["lagged_outcome"]
    assert level == "caution"
    # Five analysed sessions and the one before: T = 6.
    assert text.endswith(f"its bias about {-(1 + slope) / (6 - 1):.2f}.")
    assert found(asked(study(), covariates=Adjustments(previous_outcome=False)))["lagged_outcome"][0] == "fine"
    long = study(n_therapists=3, per_therapist=4, n_sessions=40)
    assert found(asked(long))["lagged_outcome"][0] == "fine"


@pytest.mark.parametrize(
    ("df", "n_therapists", "level"),
    [("normal", 8, "mistake"), ("satterthwaite", 8, "caution"), ("satterthwaite", 12, "fine"), ("normal", 55, "fine")],
)
def test_few_therapists_are_a_mistake_with_the_normal_distribution(
    df: Any, n_therapists: int, level: str, study: Study
) -> None:
    frame = study(n_therapists=n_therapists, per_therapist=3)
    verdict, text = found(asked(frame, random=OutcomeModel(slopes=(), df=df)))["few_therapists"]
    assert verdict == level
    assert text.startswith(f"{n_therapists} therapists; degrees of freedom: {df}")


def test_therapists_that_are_known_and_left_out_are_a_mistake(study: Study) -> None:
    frame = study()
    assert found(asked(frame))["therapists"] == ("fine", "8 therapists have random effects.")
    out = asked(frame, random=OutcomeModel(slopes=(), levels=("patient",)))
    assert found(out)["therapists"] == ("mistake", "8 therapists are in the rows and not in the model.")
    assert found(asked(frame.drop(columns="therapist")))["therapists"][0] == "caution"


def test_a_therapist_mean_of_few_patients_is_counted(study: Study) -> None:
    level, text = found(asked(study()))["patients_per_therapist"]
    assert (level, text) == ("caution", "8 of 8 therapists have fewer than 60 patients (median 5).")
    many = study(n_therapists=4, per_therapist=61, n_sessions=3)
    assert found(level_effects(many, "distress", "wai"))["patients_per_therapist"][0] == "fine"


def test_patients_with_few_sessions_are_counted_with_the_reliability_of_their_means(study: Study) -> None:
    frame = study()
    short = frame[(frame["patient"] > "p2") | (frame["session"] <= 3)]
    n_short = int((short.groupby("patient").size() < 4).sum())
    level, text = found(asked(short, lag=0))["few_sessions"]
    assert level == "caution"
    assert text.startswith(f"{n_short} of 40 patients have fewer than 4 ratings")
    groups = short.groupby("patient")["wai"]
    within = ((short["wai"] - groups.transform("mean")) ** 2).sum() / (len(short) - 40)
    counts, means = groups.size(), groups.mean()
    between = (counts * (means - short["wai"].mean()) ** 2).sum() / 39
    tau2 = (between - within) / ((len(short) - (counts**2).sum() / len(short)) / 39)
    assert f"is {(tau2 / (tau2 + within / counts)).median():.2f} in the median" in text
    assert found(asked(frame[frame["session"] < 4], lag=0))["few_sessions"][0] == "mistake"
    assert found(asked(frame, lag=0))["few_sessions"][0] == "fine"
    reliable = OutcomeModel(slopes=(), weights="reliability")
    assert found(asked(frame[frame["session"] < 4], lag=0, random=reliable))["few_sessions"][0] == "fine"


def test_trends_handled_both_ways_are_fine_when_reviewed_together(study: Study) -> None:
    plain, detrended = asked(study()), asked(study(), detrend="linear")
    assert found(plain)["detrending"] == ("caution", "Reviewed together: as rated.")
    table = review([plain, detrended]).tidy()
    own = table[table["item"] == TITLES["detrending"]]
    assert own["level"].tolist() == ["fine", "fine"]
    assert own["evidence"].iloc[0] == "Reviewed together: as rated, line taken out."
    both = review(asked(study(), detrend=[None, "linear"]))
    pd.testing.assert_frame_equal(both.tidy().drop(columns="call"), table.drop(columns="call"))
    assert both.glance().loc[0, "n_analyses"] == 2
    assert table["model"].nunique() == 2


@pytest.mark.parametrize(("top", "level"), [(51.0, "caution"), (60.0, "fine")])
def test_ratings_at_the_end_of_the_scale_are_a_ceiling(top: float, level: str, study: Study) -> None:
    frame = study().assign(wai=lambda f: f["wai"].clip(upper=top))
    share = float((frame["wai"] == frame["wai"].max()).mean())
    verdict, text = found(asked(frame, lag=0))["ceiling"]
    assert verdict == level
    assert (share > 0.15) == (level == "caution")
    if level == "caution":
        assert f"{share:.0%} of wai at the highest value" in text


def test_a_difference_of_two_columns_is_a_difference_score(study: Study) -> None:
    rng = np.random.default_rng(2)
    frame = study().assign(theirs=lambda f: f["wai"] + rng.normal(size=len(f)))
    frame = frame.assign(gap=frame["wai"] - frame["theirs"], size=(frame["wai"] - frame["theirs"]).abs())
    for name in ("gap", "size"):
        other = frame.drop(columns={"gap": "size", "size": "gap"}[name])
        level, text = found(level_effects(other, "distress", name))["difference_score"]
        assert level == "mistake"
        assert "'wai'" in text
        assert "'theirs'" in text
    assert found(asked(frame.drop(columns=["gap", "size"])))["difference_score"][0] == "fine"


def test_mixed_raters_are_a_mistake(study: Study) -> None:
    frame = study().assign(rater=lambda f: np.where(f["session"] < 3, "patient", "observer"))
    level, text = found(lmm("distress ~ wai + rater + (1 | patient)", frame))["mixed_raters"]
    assert (level, text) == ("mistake", "The column 'rater' has 2 values in 240 rows.")
    assert found(level_effects(frame.assign(rater="patient"), "distress", "wai"))["mixed_raters"][0] == "fine"
    assert "mixed_raters" not in found(asked(study()))


def test_raters_kept_apart_by_their_units_are_a_caution(study: Study) -> None:
    frame = (
        study().drop(columns="therapist").assign(rater=lambda f: np.where(f["patient"] < "p2", "patient", "observer"))
    )
    pairs = frame.rename(columns={"patient": "pair"})
    level, text = found(level_effects(pairs, "distress", "wai", levels=("pair",)))["mixed_raters"]
    assert level == "caution"
    assert text.endswith("each pair has one, so that differences between pairs hold those between raters.")


def test_gaps_and_dates_say_whether_sessions_are_equally_far_apart(study: Study) -> None:
    frame = study()
    assert found(asked(frame))["spacing"][0] == "fine"
    gaps = frame[~frame["session"].isin([3, 5])]
    level, text = found(level_effects(gaps, "distress", "wai"))["spacing"]
    assert level == "caution"
    assert text.startswith("80 of 120 steps")
    even = frame.assign(date=pd.Timestamp("2020-01-06") + pd.to_timedelta(7 * frame["session"], unit="D"))
    assert found(asked(even))["spacing"] == (
        "fine",
        "0 of 160 steps between a patient's analysed sessions skip a session number; from one to the next lie 7 to 7 days "
        "(middle 80 %, column 'date').",
    )
    uneven = frame.assign(date=pd.Timestamp("2020-01-06") + pd.to_timedelta(frame["session"] ** 2, unit="D"))
    assert found(asked(uneven))["spacing"][0] == "caution"


# Other analyses


def test_a_raw_alliance_in_a_mixed_model_is_a_pooled_slope(study: Study) -> None:
    frame = study()
    level, text = found(lmm("distress ~ wai + session + (1 | patient)", frame))["pooled_slope"]
    within = ((frame["wai"] - frame.groupby("patient")["wai"].transform("mean")) ** 2).sum()
    share = within / ((frame["wai"] - frame["wai"].mean()) ** 2).sum()
    assert level == "mistake"
    assert f"'wai' varies within patients ({share:.0%} of its variance) and between them, and has one slope." == text


def test_parts_in_a_mixed_model_are_no_pooled_slope(study: Study) -> None:
    frame = within_between(study(), "wai")
    fit = lmm("distress ~ wai_session + wai_patient + wai_therapist + (1 | patient) + (1 | therapist)", frame)
    assert found(fit)["pooled_slope"] == ("fine", "Each of 3 predictors varies at one level.")


def test_a_model_of_means_alone_says_nothing_within_patients(study: Study) -> None:
    frame = within_between(study(), "wai")
    level, text = found(lmm("distress ~ wai_patient + (1 | patient)", frame))["between_as_within"]
    assert (level, text) == ("caution", "None of 1 predictors varies within patients: all slopes are between them.")


def test_one_rating_per_patient_is_a_single_session(study: Study) -> None:
    frame = study()
    fit = lmm("distress ~ wai + (1 | therapist)", frame[frame["session"] == 1])
    assert "single_session" in found(fit)
    finding = single_session(Analysis(frame=frame[frame["session"] == 1], levels={"patient": "patient"}))
    assert finding is not None
    assert finding.level == "mistake"
    assert "40 ratings of 40 patients" in finding.evidence


def test_single_conversations_are_between_persons() -> None:
    talks = pd.DataFrame(
        {"share_support": np.linspace(0.1, 0.8, 12), "end": np.arange(12) % 5, "start": np.arange(12) % 4}
    )
    verdicts = found(share_associations(talks, "share_support", "end"))
    assert verdicts["single_session"] == ("caution", "12 conversations, one of each person.")
    assert verdicts["between_as_within"][0] == "caution"
    assert verdicts["prior_outcome"][0] == "mistake"
    assert found(share_associations(talks, "share_support", "end", initial="start"))["prior_outcome"][0] == "fine"


def test_one_criterion_for_ruptures_or_gains_is_a_caution(study: Study) -> None:
    frame = study()
    found_ruptures = ruptures(frame, alliance="wai", criterion="gumz_1sd", repair=0.5)
    level, text = found(found_ruptures)["post_hoc_events"]
    assert level == "caution"
    assert "Gumz et al. (2012)" in text
    assert f"ruptures {found_ruptures.glance().loc[0, 'n_ruptures']}" in text
    gains = sudden_gains(frame, "distress", cutoff=1.0, direction="higher_is_worse", criterion="tang_derubeis")
    assert found(gains)["post_hoc_events"][0] == "caution"
    criteria = ["tang_derubeis", "gaynor"]
    overlap = compare_gain_criteria(frame, "distress", cutoff=1.0, direction="higher_is_worse", criteria=criteria)
    assert found(overlap)["post_hoc_events"] == ("fine", "2 criteria are compared.")


def test_an_unknown_result_is_refused(study: Study) -> None:
    with pytest.raises(ModelError, match=r"no review for a DataFrame(?s:.*)alliance_outcome"):
        review(study())  # type: ignore[arg-type]
    with pytest.raises(ModelError, match=r"no analysis to review"):
        review([])


def test_no_identifier_is_shown(study: Study) -> None:
    frame = study().assign(patient=lambda f: "Anna-" + f["patient"], therapist=lambda f: "Dr-" + f["therapist"])
    text = review(asked(frame)).to_markdown()
    assert "Anna" not in text
    assert "Dr-" not in text
