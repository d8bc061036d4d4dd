"""Roles, covariates and ratings of the session before in a mediation model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from panel_studies import mediation_study

from alliance_stats.errors import DataError, ModelError
from alliance_stats.process.mediation import Mediation, mediation

GOLDEN = Path(__file__).parents[1] / "golden"
REFERENCE: dict[str, Any] = json.loads((GOLDEN / "mediation.json").read_text())
ROLES = ("statements", "alliance", "outcome")
WITHIN: dict[str, Any] = {"design": "1-1-1", "lags": (1, 1), "slopes": ("a", "b")}
BETWEEN: dict[str, Any] = {"design": "2-1-1", "lags": (1,)}


def study(seed: int = 1, **options: Any) -> pd.DataFrame:
    return mediation_study(np.random.default_rng(seed), **options)


def terms(result: Mediation) -> dict[str, float]:
    return dict(result.tidy().set_index("term")["estimate"])


@pytest.fixture(scope="module")
def golden_frame() -> pd.DataFrame:
    return pd.read_csv(GOLDEN / "data" / "mediation.csv")


def test_one_column_cannot_have_two_roles() -> None:
    with pytest.raises(DataError, match=r"'alliance' has two roles\.\nHint: name three"):
        mediation(study(n_patients=20), "alliance", "alliance", "outcome", **WITHIN)


@pytest.mark.parametrize(
    ("column", "hint"),
    [
        ("statements", r"predictor and a covariate\.\nHint: leave it out of the covariates\.$"),
        ("alliance", r"mediator and a covariate\.\nHint: .*pass previous=\(.mediator.,\)\.$"),
        ("outcome", r"outcome and a covariate\.\nHint: .*pass previous=\(.outcome.,\)\.$"),
    ],
)
def test_a_rating_cannot_be_a_covariate_as_well(column: str, hint: str) -> None:
    with pytest.raises(DataError, match=rf"'{column}' has two roles: it is the {hint}"):
        mediation(study(n_patients=20), *ROLES, **WITHIN, covariates=[column])


def test_previous_ratings_are_those_of_the_predictors_session() -> None:
    frame = study(n_patients=60)
    held = mediation(frame, *ROLES, **WITHIN, previous=("mediator", "outcome"), covariates="session")
    # The same as columns of other names, which covariates take from the predictor's session.
    copies = frame.assign(m0=frame["alliance"], y0=frame["outcome"])
    same = mediation(copies, *ROLES, **WITHIN, covariates=["session", "m0", "y0"])
    pd.testing.assert_frame_equal(held.tidy(), same.tidy())
    assert held.covariates == ("session", "alliance", "outcome")
    assert any("Covariates in both equations: session, alliance, outcome." in note for note in held.notes)
    assert any(note.startswith("Held fixed as it was before: alliance, outcome.") for note in held.notes)
    alone = mediation(frame, *ROLES, **WITHIN, previous="mediator")  # type: ignore[arg-type]
    assert alone.covariates == ("alliance",)
    assert terms(alone)["a"] != pytest.approx(terms(held)["a"], rel=1e-6)


def test_a_carried_over_mediator_no_longer_passes_for_an_effect_of_the_predictor() -> None:
    rng, n, sessions = np.random.default_rng(4), 300, 12
    m = np.zeros((n, sessions))
    for t in range(1, sessions):
        m[:, t] = 0.6 * m[:, t - 1] + rng.normal(size=n)
    x = 0.8 * m + rng.normal(size=(n, sessions))
    frame = pd.DataFrame(
        {
            "patient": np.repeat(np.arange(n), sessions),
            "session": np.tile(np.arange(sessions), n),
            "x": x.ravel(),
            "m": m.ravel(),
            "y": rng.normal(size=n * sessions),
        }
    )
    plan: dict[str, Any] = {"design": "1-1-1", "lags": (1, 1), "slopes": ()}
    free, held = (terms(mediation(frame, "x", "m", "y", **plan, previous=p))["a"] for p in ((), ("mediator",)))
    assert free > 0.15
    # Nickell's bias of few sessions leaves a small rest.
    assert abs(held) < 0.2 * free


def test_a_between_design_holds_the_outcome_before_alone(golden_frame: pd.DataFrame) -> None:
    result = mediation(golden_frame, "treated", "m", "y", **BETWEEN, previous=("outcome",))
    assert result.covariates == ("y",)
    copies = golden_frame.assign(y0=golden_frame["y"])
    same = mediation(copies, "treated", "m", "y", **BETWEEN, covariates=["y0"])
    pd.testing.assert_frame_equal(result.tidy(), same.tidy())
    assert terms(result)["b_within"] != pytest.approx(REFERENCE["between"]["b_within"], rel=1e-3)
    with pytest.raises(ModelError, match=r"No previous rating of a 2-1-1 design 'mediator'\. Known: outcome\.\nHint: "):
        mediation(golden_frame, "treated", "m", "y", **BETWEEN, previous=("mediator",))


COPIES = [
    (
        {"z": lambda f: 3 * f["statements"] - 1},
        WITHIN,
        "statements",
        "'z', a covariate, is 'statements' in other units",
    ),
    ({"z": lambda f: -f["alliance"]}, BETWEEN, "arm", "'z', a covariate, is 'alliance' in other units"),
    ({"z": lambda f: 5 - 2 * f["arm"]}, BETWEEN, "arm", "'z', a covariate, is 'arm' in other units, altogether"),
]


@pytest.mark.parametrize(("column", "plan", "predictor", "message"), COPIES)
def test_a_covariate_that_repeats_a_rating_is_refused(
    column: dict[str, Any], plan: dict[str, Any], predictor: str, message: str
) -> None:
    frame = study(n_patients=40, n_sessions=7).assign(arm=lambda f: f["patient"].str[-1].isin(list("02468")) * 1.0)
    with pytest.raises(DataError, match=rf"{message}.*\nHint: leave the covariate out\."):
        mediation(frame.assign(**column), predictor, *ROLES[1:], **plan, covariates=["z"])


def test_a_mediator_that_is_the_predictor_of_the_session_before_is_refused() -> None:
    frame = study(n_patients=40, n_sessions=7)
    later = frame.assign(copy=frame.groupby("patient")["statements"].shift(1) * 2)
    with pytest.raises(DataError, match=r"'copy', a rating of another session, is 'statements'.*\nHint: name three"):
        mediation(later, "statements", "copy", "outcome", **WITHIN)


def test_a_covariate_that_does_not_vary_is_left_out_and_named() -> None:
    frame = study(n_patients=40, n_sessions=7)
    result = mediation(frame.assign(site_size=3.0), *ROLES, **WITHIN, covariates=["site_size", "site_size"])
    assert any(note == "Left out because other terms determine them: site_size." for note in result.notes)
    assert terms(result) == pytest.approx(terms(mediation(frame, *ROLES, **WITHIN)))


def test_one_lag_of_a_between_design_may_be_a_number(golden_frame: pd.DataFrame) -> None:
    result = mediation(golden_frame, "treated", "m", "y", design="2-1-1", lags=1)  # type: ignore[arg-type]
    assert result.lags == (1,)
    pd.testing.assert_frame_equal(result.tidy(), mediation(golden_frame, "treated", "m", "y", **BETWEEN).tidy())


def test_one_slope_may_be_a_text() -> None:
    frame = study(n_patients=40, n_sessions=7)
    plan: dict[str, Any] = {"design": "1-1-1", "lags": (1, 1)}
    one = mediation(frame, *ROLES, **plan, slopes="b")  # type: ignore[arg-type]
    assert one.glance()["formula"].iloc[0].endswith("(0 + s_m + s_y + ym | patient)")
    with pytest.raises(ModelError, match=r"No slope of a 1-1-1 design 'ab'\. Known: a, b, c\.\nHint: "):
        mediation(frame, *ROLES, **plan, slopes="ab")  # type: ignore[arg-type]


def sizes(result: Mediation) -> str:
    return next(note for note in result.notes if note.startswith("N:"))


def test_patients_with_one_chain_lack_slopes_only_where_slopes_differ() -> None:
    frame = study(n_patients=40, n_sessions=7)
    frame = frame[(frame["patient"] != "p1") | (frame["session"] <= 3)]
    plan: dict[str, Any] = {"design": "1-1-1", "lags": (1, 1)}
    own = sizes(mediation(frame, *ROLES, **plan, slopes=("b",)))
    assert own == "N: 196 chains of 40 patients; 1 patient has one chain and no slope of their own."
    shared = sizes(mediation(frame, *ROLES, **plan, slopes=()))
    assert shared == "N: 196 chains of 40 patients; 1 patient has one chain; all patients share their slopes."
    arms = frame.assign(arm=frame["patient"].str[-1].isin(list("02468")) * 1.0)
    for slopes, tail in ((None, "no slope of their own."), ((), "all patients share their slopes.")):
        assert sizes(mediation(arms, "arm", *ROLES[1:], **BETWEEN, slopes=slopes)).endswith(tail)


def singular_note(result: Mediation) -> str:
    return next((note for note in result.notes if note.startswith("The fit is singular")), "")


def test_a_singular_fit_says_what_the_error_of_the_covariance_is_worth() -> None:
    frame = study(5, n_patients=30, n_sessions=7, scale=0.0)
    both = mediation(frame, *ROLES, **WITHIN)
    assert both.glance()["singular"].iloc[0]
    assert "interval of cov_ab missed the truth in 4 percent of singular fits" in singular_note(both)
    assert "bootstrap(seed=...)" in singular_note(both)
    assert np.isfinite(both.tidy()["std_error"]).all()
    one = mediation(frame, *ROLES, **{**WITHIN, "slopes": ("a",)})
    assert one.glance()["singular"].iloc[0]
    assert "cov_ab" not in singular_note(one)
    regular = mediation(study(1), *ROLES, **WITHIN)
    assert not regular.glance()["singular"].iloc[0]
    assert singular_note(regular) == ""
