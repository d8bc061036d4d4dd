"""The picture of tests of fixed effects."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot

import alliance_stats as al


def test_intervals_drawn_are_those_of_the_table() -> None:
    rng = np.random.default_rng(1)
    therapist = np.repeat(np.arange(8), 5)
    frame = pd.DataFrame(
        {"therapist": therapist, "alliance": rng.normal(size=40), "session": np.tile(np.arange(5.0), 8)}
    )
    frame["distress"] = rng.normal(size=8)[therapist] - frame["alliance"] + rng.normal(size=40)
    fit = al.lmm("distress ~ alliance + session + (1 | therapist)", frame)
    tests = al.coefficient_tests(fit, df="kenward_roger", level=0.9)
    axes = tests.plot()
    table = tests.tidy().iloc[1:]
    drawn = [line.get_xdata() for line in axes.lines if len(line.get_xdata()) == 2 and line.get_linewidth() > 1]
    assert np.allclose(drawn, table[["conf_low", "conf_high"]])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["alliance", "session"]
    assert axes.get_xlabel().endswith("(line: 90% interval)")
    assert axes.get_title() == "distress: fixed effects\nN = 40 rows"
    pyplot.close(axes.figure)


def test_an_intercept_alone_is_not_drawn() -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"therapist": np.repeat(np.arange(8), 5), "distress": rng.normal(size=40)})
    tests = al.coefficient_tests(al.lmm("distress ~ 1 + (1 | therapist)", frame))
    with pytest.raises(al.DataError, match=r"no estimate to draw\.\nHint: look at result\.tidy"):
        tests.plot()
