"""New data that do not fit the model are refused, and none of their cells is shown."""

from __future__ import annotations

import traceback

import numpy as np
import pytest
from mixed_sessions import sessions

from alliance_stats import AllianceStatsError, ColumnError, DataError, lmm

SECRET = "Xanthippe Quibble"


def shown(problem: BaseException) -> str:
    return "".join(traceback.format_exception(problem))


def test_a_category_the_model_does_not_know_is_refused() -> None:
    frame = sessions()
    fit = lmm("distress ~ session * arm + (1 | patient)", frame)
    new = frame.head(4).assign(arm=[SECRET, *frame["arm"].head(3)])
    with pytest.raises(DataError, match=r"(?s)'arm' in 1 of 4 rows.*Hint: leave those rows out") as caught:
        fit.predict(new)
    assert SECRET not in shown(caught.value)
    assert np.isfinite(fit.predict(frame.head(4))).all()


def test_text_in_place_of_numbers_is_refused() -> None:
    frame = sessions()
    fit = lmm("distress ~ session + (1 | patient)", frame)
    with pytest.raises(ColumnError, match=r"(?s)Column 'session' should hold numbers; 1 of 4.*Hint") as caught:
        fit.predict(frame.head(4).astype({"session": object}).assign(session=[1, 2, SECRET, 4]))
    assert SECRET not in shown(caught.value)


def test_a_new_outcome_of_text_is_refused() -> None:
    frame = sessions()
    fit = lmm("distress ~ session + (1 | patient)", frame)
    with pytest.raises(
        AllianceStatsError, match=r"(?s)refit\(\) needs \d+ finite numbers.*Hint: pass an outcome"
    ) as caught:
        fit.refit([SECRET] * fit.n_obs)
    assert SECRET not in shown(caught.value)
