"""How ratings and dates are stored must not change a number, or must be said."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

import alliance_stats as al
from alliance_stats.errors import ColumnError

QUESTION = {"alliance": "wai", "outcome": "ors", "lag": 1, "detrend": None}


@pytest.fixture(scope="module")
def sessions() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    patient = np.repeat(np.arange(60), 10)
    wai = (4 + rng.normal(0, 0.6, 60)[patient] + rng.normal(0, 0.5, 600)).round(2)
    step = 8 * (np.tile(np.arange(10), 60) >= 5) * (patient % 3 == 0)
    ors = (20 + 2 * wai + step + rng.normal(0, 2, 60)[patient] + rng.normal(0, 1.5, 600)).round(1)
    frame = pd.DataFrame({"patient": patient, "therapist": patient // 5, "session": np.tile(np.arange(1, 11), 60)})
    frame = frame.assign(wai=wai, ors=ors)
    frame.loc[frame.index % 17 == 0, "wai"] = np.nan
    return frame


@pytest.mark.parametrize("kind", ["text", "object", "decimal"])
def test_ratings_kept_as_text_or_objects_give_the_same_slopes(sessions: pd.DataFrame, kind: str) -> None:
    known = sessions["wai"].notna()
    stored: dict[str, Any] = {
        "text": sessions["wai"].astype(str).where(known, None),
        "object": sessions["wai"].astype(object).where(known, None),
        "decimal": sessions["wai"].map(lambda value: Decimal(str(value)), na_action="ignore").astype(object),
    }
    plain = al.alliance_outcome(sessions, **QUESTION).tidy()
    pd.testing.assert_frame_equal(al.alliance_outcome(sessions.assign(wai=stored[kind]), **QUESTION).tidy(), plain)


def test_controls_and_shuffles_do_not_depend_on_the_bytes_of_a_rating(sessions: pd.DataFrame) -> None:
    short = sessions.astype({"wai": "float32", "ors": "float32"})
    found = []
    for frame in (sessions, short):
        gains = al.sudden_gains(frame, "ors", cutoff=5, criterion="tang_derubeis", direction="higher_is_better")
        around = al.around_gains(gains, frame, column="wai").tidy()
        plan = al.Surrogates(n=50, seed=1)
        moved = al.synchrony(frame, ("wai", "ors"), window=4, lag_max=0, by="patient", surrogates=plan).tidy()
        found.append((around.select_dtypes("number"), moved.select_dtypes("number")))
    for plain, other in zip(*found, strict=True):
        pd.testing.assert_frame_equal(plain, other, rtol=1e-4)


@pytest.mark.parametrize("function", ["alliance_outcome", "therapist_effects", "early_response"])
def test_dates_as_covariates_are_an_error_that_says_so(sessions: pd.DataFrame, function: str) -> None:
    frame = sessions.assign(held=pd.Timestamp("2024-01-01") + pd.to_timedelta(sessions["session"], unit="D"))
    calls = {
        "alliance_outcome": lambda: al.alliance_outcome(frame, **QUESTION, covariates=["held"]),
        "therapist_effects": lambda: al.therapist_effects(frame, "ors", covariates=["held"]),
        "early_response": lambda: al.early_response(frame, "ors", until=4, covariates=["held"]),
    }
    with pytest.raises(ColumnError, match=r"'held' holds dates or times, not numbers[\s\S]*Hint: "):
        calls[function]()


def test_calls_of_a_review_of_several_models_name_each_of_them(sessions: pd.DataFrame) -> None:
    result = al.alliance_outcome(sessions, **{**QUESTION, "detrend": [None, "linear"]})
    calls = al.review(result).tidy()["call"]
    named = calls[calls.str.contains("result")]
    assert len(named)
    assert named.str.contains(r"result\.results\[[01]\]").all()
    both = [al.alliance_outcome(sessions, **QUESTION), result]
    calls = al.review(both).tidy()["call"]
    assert calls.str.contains(r"result\[0\]").any()
    assert calls.str.contains(r"result\[1\]\.results\[1\]").any()
    plain = calls[calls.str.startswith("al.contextual_test(result[0]")]
    assert len(plain)
    for call in plain:
        assert isinstance(eval(call, {"al": al, "result": both}), al.ContextualTest)


def test_dates_in_a_formula_are_an_error_that_says_so(sessions: pd.DataFrame) -> None:
    frame = sessions.assign(held=pd.Timestamp("2024-01-01") + pd.to_timedelta(sessions["session"], unit="D"))
    with pytest.raises(ColumnError, match=r"'held' holds dates or times, not numbers"):
        al.lmm("ors ~ held + (1 | patient)", frame)
