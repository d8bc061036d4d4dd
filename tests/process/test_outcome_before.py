"""The outcome before, change before and intake as covariates: what they hold, and what they leave of the slopes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from alliance_stats.process.alliance_outcome import alliance_outcome
from alliance_stats.process.multiverse import alliance_multiverse
from alliance_stats.process.outcome_model import Adjustments, OutcomeModel

Study = Callable[..., pd.DataFrame]
ASKED: dict[str, Any] = {"alliance": "wai", "outcome": "distress", "lag": 1, "detrend": None}
PLAIN = OutcomeModel(slopes=())


def carried_over(seed: int = 5, n_patients: int = 150, n_sessions: int = 8) -> pd.DataFrame:
    """Return patients with a slope of 0.3 on the alliance before and a carry-over of 0.3, within and not between."""
    rng = np.random.default_rng(seed)
    trait, lasting = rng.normal(size=n_patients), rng.normal(0, 0.7, n_patients)
    state = rng.normal(size=(n_patients, n_sessions + 1))
    deviation = np.zeros((n_patients, n_sessions + 1))
    for t in range(1, n_sessions + 1):
        deviation[:, t] = 0.3 * deviation[:, t - 1] + 0.3 * state[:, t - 1] + rng.normal(size=n_patients)
    return pd.DataFrame(
        {
            "patient": np.repeat(np.arange(n_patients), n_sessions),
            "session": np.tile(np.arange(1, n_sessions + 1), n_patients),
            "wai": (trait[:, None] + state[:, 1:]).ravel(),
            "distress": (0.7 * trait[:, None] + lasting[:, None] + deviation[:, 1:]).ravel(),
        }
    )


def same_session(seed: int = 3) -> pd.DataFrame:
    """Return patients with a slope of 0.5 on the alliance of the same session."""
    rng = np.random.default_rng(seed)
    trait, lasting = np.repeat(rng.normal(0, 2, (2, 120)), 6, axis=1)
    state = rng.normal(0, 3, trait.size)
    distress = 25 + 0.5 * state + 0.7 * trait + lasting + rng.normal(0, 3, trait.size)
    patient, session = np.repeat(np.arange(120), 6), np.tile(np.arange(1, 7), 120)
    return pd.DataFrame({"patient": patient, "session": session, "wai": 50 + trait + state, "distress": distress})


# The outcome before


@pytest.mark.parametrize("detrend", [None, "linear", "quadratic"])
@pytest.mark.parametrize("weights", ["sessions", "patients", "reliability"])
def test_the_outcome_before_is_a_deviation_from_the_observed_mean_whatever_is_done_to_the_alliance(
    detrend: Any, weights: Any, study: Study
) -> None:
    frame = study()
    model = OutcomeModel(slopes=(), weights=weights)
    rows = alliance_outcome(frame, **{**ASKED, "detrend": detrend}, random=model).frame
    before = frame.groupby("patient")["distress"]
    expected = (before.shift(1) - before.transform("mean"))[rows.index]
    np.testing.assert_allclose(rows["distress_session_lag1"], expected, atol=1e-12)


@pytest.mark.parametrize(
    ("detrend", "weights", "words"),
    [
        (None, "sessions", "observed mean; session number"),
        ("linear", "patients", "observed mean (detrend applies to the alliance only); session number"),
        (None, "reliability", "observed mean (weights='reliability' applies to the alliance only); session number"),
        ("linear", "reliability", "observed mean (detrend and weights='reliability' apply to the alliance only)"),
    ],
)
def test_the_note_on_the_outcome_before_says_what_does_not_apply_to_it(
    detrend: Any, weights: Any, words: str, study: Study
) -> None:
    model = OutcomeModel(slopes=(), weights=weights)
    notes = alliance_outcome(study(), **{**ASKED, "detrend": detrend}, random=model).notes
    assert any(
        note.startswith("The outcome of the session the alliance is taken from") and words in note for note in notes
    )
    own = [note for note in notes if note.startswith("Centring of distress")]
    assert len(own) == 1
    assert "the patient's own mean" in own[0]
    assert "reliability" not in own[0]


@pytest.mark.parametrize("detrend", ["linear", "quadratic"])
def test_taking_trends_out_of_the_alliance_does_not_bias_the_carry_over_further(detrend: Any) -> None:
    frame = carried_over()
    kept, taken = (
        alliance_outcome(frame, **{**ASKED, "detrend": trend}, random=PLAIN).tidy().set_index("term")["estimate"]
        for trend in (None, detrend)
    )
    # A line through the outcomes would cost another 0.2, a parabola 0.35, and the slope of the alliance up to 0.05.
    assert taken["distress_session_lag1"] == pytest.approx(kept["distress_session_lag1"], abs=0.03)
    assert taken["wai_session_lag1"] == pytest.approx(0.3, abs=0.04)


def test_the_outcome_before_leaves_the_slope_between_patients_on_drawn_in_means_alone() -> None:
    frame = carried_over(n_patients=300, n_sessions=4)
    model = OutcomeModel(slopes=(), weights="reliability")
    with_before, without = (
        alliance_outcome(frame, **ASKED, covariates=Adjustments(previous_outcome=held), random=model).slope("patient")
        for held in (True, False)
    )
    assert with_before["estimate"] == pytest.approx(without["estimate"], abs=0.02)


# Change before


@pytest.mark.parametrize("change", ["last_step", "since_intake"])
def test_change_before_the_same_session_does_not_hold_the_outcome(change: Any) -> None:
    frame = same_session()
    result = alliance_outcome(frame, **{**ASKED, "lag": 0}, covariates=Adjustments(prior_change=change), random=PLAIN)
    row = result.slope("session")
    assert row["estimate"] == pytest.approx(0.5, abs=3 * row["std_error"])
    before = frame.groupby("patient")["distress"]
    start = before.shift(2) if change == "last_step" else before.transform("first")
    np.testing.assert_allclose(
        result.frame["distress_prior_change"], (before.shift(1) - start)[result.frame.index], atol=1e-12
    )
    words = {"last_step": "minus that of the one before that", "since_intake": "minus the patient's first rated one"}
    assert any(f"is the distress of the session before {words[change]}" in note for note in result.notes)


def test_change_before_an_earlier_session_ends_with_the_session_of_the_alliance(study: Study) -> None:
    result = alliance_outcome(study(), **ASKED, covariates=Adjustments(prior_change="last_step"), random=PLAIN)
    words = "is the distress of the session the alliance is taken from minus that of the session before"
    assert any(words in note for note in result.notes)


def test_a_multiverse_may_cross_lags_with_change_before() -> None:
    choices = {"lag": [0, 1], "covariates": {"change": Adjustments(prior_change="since_intake")}}
    asked = {"alliance": "wai", "outcome": "distress", "lag": 0}
    found = alliance_multiverse(same_session(), question=asked, choices=choices, random=PLAIN, progress=False)
    slopes = found.tidy().query("level == 'session'").set_index("lag")["estimate"]
    assert found.failures.empty
    assert slopes["0"] == pytest.approx(0.5, abs=0.12)
    assert slopes["1"] == pytest.approx(0.0, abs=0.12)


# Intake


@pytest.mark.parametrize("adjustments", [Adjustments(intake=True), Adjustments(prior_change="since_intake")])
def test_intake_is_the_first_rating_also_where_it_is_an_outlier(adjustments: Adjustments, study: Study) -> None:
    frame = study()
    frame.loc[0, "distress"] = 300.0
    found = alliance_multiverse(
        frame,
        question={"alliance": "wai", "outcome": "distress", "lag": 1},
        choices={"outliers": ["3sd"], "covariates": {"intake": adjustments}},
        random=PLAIN,
        progress=False,
    )
    far = {name: (frame[name] - frame[name].mean()).abs() > 3 * frame[name].std() for name in ("wai", "distress")}
    assert far["distress"][0]
    cleaned = frame.assign(**{name: frame[name].mask(own) for name, own in far.items()})
    first = frame.groupby("patient")["distress"].transform("first")
    change = cleaned.groupby("patient")["distress"].shift(1) - first
    held = first.where(frame["session"] > 1) if adjustments.intake else change
    covariates = Adjustments(columns=["held"])
    alone = alliance_outcome(cleaned.assign(held=held), **ASKED, covariates=covariates, random=PLAIN).by_level()
    assert found.tidy()["n_sessions"].tolist() == alone["n_sessions"].tolist()
    np.testing.assert_allclose(found.tidy()["estimate"], alone["estimate"], rtol=1e-6)
    assert any(note.startswith("Intake is the first outcome as rated") for note in found.notes)
