"""A fit as JSON and back, and fits that were interrupted."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from mixed_sessions import sessions

from alliance_stats import DataError, LmmFit, lmm
from alliance_stats.mixed import optimise

FORMULA = "distress ~ alliance + session + (1 + session | patient) + (1 | therapist)"


def test_a_fit_survives_json() -> None:
    fit = lmm(FORMULA, sessions())
    again = LmmFit.from_dict(json.loads(json.dumps(fit.to_dict())), sessions())
    pd.testing.assert_frame_equal(again.tidy(), fit.tidy(), rtol=1e-9)
    np.testing.assert_allclose(again.theta, fit.theta, rtol=1e-9, atol=1e-12)
    assert again.criterion == pytest.approx(fit.criterion, abs=1e-9)
    assert (again.converged, again.singular, again.notes) == (fit.converged, fit.singular, fit.notes)


def test_a_weighted_fit_survives_json_with_its_weights_only() -> None:
    frame = sessions().assign(w=np.linspace(0.5, 2.0, len(sessions())))
    stored = lmm(FORMULA, frame, weights="w").to_dict()
    assert LmmFit.from_dict(stored, frame, weights="w").criterion == pytest.approx(stored["criterion"], abs=1e-9)
    with pytest.raises(DataError, match=r"(?s)not those of the stored fit.*data and weights"):
        LmmFit.from_dict(stored, frame)


def test_other_data_are_not_taken_for_those_of_the_fit() -> None:
    stored = lmm(FORMULA, sessions()).to_dict()
    # Adding a fixed effect's column leaves criterion and theta as they are; only the fixed effects tell.
    other = sessions().assign(distress=lambda f: f["distress"] + f["session"])
    with pytest.raises(DataError, match="fixed effects differ"):
        LmmFit.from_dict(stored, other)


def test_what_is_stored_holds_no_data() -> None:
    text = json.dumps(lmm(FORMULA, sessions()).to_dict())
    assert not any(str(value) in text for value in sessions()["patient"].unique())


def test_an_interrupted_fit_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = lmm(FORMULA, sessions())
    real, calls = optimise.evaluate, []

    def interrupted(*args: object, **kwargs: object) -> object:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(optimise, "evaluate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        lmm(FORMULA, sessions())
    monkeypatch.undo()
    pd.testing.assert_frame_equal(lmm(FORMULA, sessions()).tidy(), expected.tidy())
