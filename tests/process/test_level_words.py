"""How results by level print, and the level of their intervals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from alliance_stats.process.alliance_outcome import AllianceOutcome, AllianceOutcomes, alliance_outcome
from alliance_stats.process.level_effects import level_effects
from alliance_stats.process.multiverse import alliance_multiverse
from alliance_stats.process.outcome_model import Adjustments, OutcomeModel

Study = Callable[..., pd.DataFrame]
ASKED: dict[str, Any] = {"alliance": "wai", "outcome": "distress", "lag": 1}
PLAIN = OutcomeModel(slopes=())


@pytest.fixture(scope="module")
def result(study: Study) -> AllianceOutcome:
    return alliance_outcome(study(), **ASKED, detrend=None, random=PLAIN, level=0.8)


# Words


def test_a_result_prints_its_question_sizes_and_slopes(result: AllianceOutcome) -> None:
    lines = repr(result).splitlines()
    assert lines[0] == "AllianceOutcome: distress on wai, lag 1, not detrended"
    assert lines[1] == "200 sessions, 40 patients, 8 therapists"
    for line, row in zip(lines[2:], result.by_level().to_dict("records"), strict=True):
        assert line.split()[:4] == [row["level"], f"{row['estimate']:.3g}", "80%", "interval"]
        assert f"{row['conf_low']:.3g} to {row['conf_high']:.3g}" in line
        assert line.endswith("p < 0.001" if row["p_value"] < 0.001 else f"p = {row['p_value']:.3f}")
    assert str(result) == repr(result)


def test_several_models_print_one_below_the_other(study: Study) -> None:
    many = alliance_outcome(study(), **ASKED, detrend=[None, "linear"], random=PLAIN)
    assert isinstance(many, AllianceOutcomes)
    lines = repr(many).splitlines()
    assert lines[0] == "AllianceOutcomes: 2 models"
    assert lines[1] == "(1) distress on wai, lag 1, not detrended: 200 sessions, 40 patients, 8 therapists"
    assert lines[5] == "(2) distress on wai, lag 1, detrended: 200 sessions, 40 patients, 8 therapists"
    assert lines[2:5] == repr(many.results[0]).splitlines()[2:]
    assert alliance_outcome(study(), **ASKED, detrend=[None]).notes[0].startswith("1 model, one for each")


def test_predictors_are_named_where_there_are_several(study: Study) -> None:
    frame = study().assign(share=np.random.default_rng(2).uniform(size=240))
    lines = repr(level_effects(frame, "distress", ["wai", "share"], lag=1)).splitlines()
    assert lines[0] == "LevelEffects: distress on wai, share, lag 1"
    assert [line.split("  ")[1].strip() for line in lines[2:]] == [
        f"{predictor}, {level}" for predictor in ("wai", "share") for level in ("session", "patient", "therapist")
    ]


def test_printed_results_show_no_identifier(study: Study) -> None:
    named = study().assign(patient=lambda f: "anna" + f["patient"], therapist=lambda f: "doctor" + f["therapist"])
    for shown in (
        alliance_outcome(named, **ASKED, detrend=None, random=PLAIN),
        alliance_outcome(named, **ASKED, detrend=[None], random=PLAIN),
        level_effects(named, "distress", "wai"),
    ):
        assert not any(word in repr(shown) for word in ("anna", "doctor"))


# Intervals


def test_intervals_have_the_level_asked_for(result: AllianceOutcome) -> None:
    for table in (result.tidy(), result.by_level(), result.slope("session").to_frame().T):
        assert (table["conf_level"] == 0.8).all()
        reach = stats.t.ppf(0.9, table["df"].astype(float)) * table["std_error"]
        np.testing.assert_allclose(
            (table["conf_high"] - table["estimate"]).astype(float), reach.astype(float), rtol=1e-9
        )
    assert result.level == 0.8
    assert any("Intervals (80%)" in note for note in result.notes)


def test_the_level_changes_intervals_alone(result: AllianceOutcome, study: Study) -> None:
    usual = alliance_outcome(study(), **ASKED, detrend=None, random=PLAIN)
    ends = ["conf_low", "conf_high", "conf_level"]
    assert (usual.tidy()["conf_level"] == 0.95).all()
    pd.testing.assert_frame_equal(usual.tidy().drop(columns=ends), result.tidy().drop(columns=ends))
    assert (usual.tidy()["conf_low"] < result.tidy()["conf_low"]).all()


def test_specifications_have_the_level_asked_for(result: AllianceOutcome, study: Study) -> None:
    found = alliance_multiverse(
        study(), question=ASKED, choices={"detrend": [None]}, random=PLAIN, level=0.8, progress=False
    ).tidy()
    for name in ("conf_low", "conf_high", "conf_level"):
        np.testing.assert_allclose(found[name], result.by_level()[name], rtol=1e-12)


# Notes of a set of models


def test_a_multiverse_says_what_its_specifications_estimate_and_on_which_rows(study: Study) -> None:
    frame = study()
    frame.loc[[0, 1], "patient"] = None
    choices: dict[str, Any] = {
        "lag": [1, 2],
        "detrend": [None, "linear"],
        "covariates": {"plain": Adjustments(), "intake": Adjustments(intake=True)},
    }
    random = OutcomeModel(slopes=("patient", "therapist"), df="between_within")
    found = alliance_multiverse(frame, question=ASKED, choices=choices, random=random, progress=False)
    text = "\n".join(found.notes)
    fits = [
        alliance_outcome(frame, **{**ASKED, "lag": lag}, detrend=trend, covariates=own, random=random)  # type: ignore[call-overload]
        for lag in choices["lag"]
        for trend in choices["detrend"]
        for own in choices["covariates"].values()
    ]
    low, high = min(len(own.frame) for own in fits), max(len(own.frame) for own in fits)
    assert low < high
    assert (
        "Estimand: expected difference in the outcome (distress) per point of the alliance, apart for session, patient, "
        "therapist; session part rated that many sessions before: 1, 2."
    ) in text
    assert "Centring: patients' own means" in text
    assert (
        "Random part: intercepts for patient, therapist; slopes of the alliance's session part by patient, therapist; REML."
    ) in text
    assert "df method: between_within" in text
    assert f"Rows: 240; analysed, by specification: {low} to {high};" in text
    assert "2 rows without patient or therapist are left out of all of them." in text


def test_what_specifications_share_is_said_as_for_one_model(study: Study) -> None:
    found = alliance_multiverse(
        study(), question=ASKED, choices={"slopes": {"by patient": ["patient"], "none": []}}, progress=False
    )
    alone = alliance_outcome(study(), **ASKED, detrend=None, random=PLAIN)
    topics = ("Estimand:", "Centring of wai:", "Rows:", "Intervals")
    for topic in topics:
        own = next(note for note in alone.notes if note.startswith(topic))
        assert [note for note in found.notes if note.startswith(topic)] == [own]
    assert any("session part as the choice 'slopes' says; REML" in note for note in found.notes)
    assert not any(note.startswith("Model:") for note in found.notes)


def test_random_terms_that_were_given_are_said(study: Study) -> None:
    choices = {"covariates": {"a": Adjustments(), "b": Adjustments(previous_outcome=False)}}
    found = alliance_multiverse(
        study(), question=ASKED, choices=choices, random=("patient", "therapist"), progress=False
    )
    assert any(note.startswith("Random part: as given (patient, therapist); REML.") for note in found.notes)
