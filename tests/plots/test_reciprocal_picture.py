"""Pictures of lagged effects and of mediation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

import alliance_stats as al
from alliance_stats.plots.reciprocal import plot_reciprocal
from alliance_stats.process.mediation import Mediation, mediation
from alliance_stats.process.reciprocal import Reciprocal, reciprocal

DATA = Path(__file__).parents[1] / "golden" / "data"


@pytest.fixture(scope="module")
def lagged() -> Reciprocal:
    return reciprocal(pd.read_csv(DATA / "reciprocal.csv"), "alliance", "symptom", waves=5)


@pytest.fixture(scope="module")
def mediated() -> Mediation:
    return mediation(pd.read_csv(DATA / "mediation.csv"), "x", "m", "y", design="1-1-1", lags=(1, 1), slopes=("a", "b"))


def drawn_intervals(axes: Axes) -> list[list[float]]:
    """Return the ends of the lines that are intervals."""
    lines = [np.asarray(line.get_xdata(), dtype=float) for line in axes.lines if line.get_linewidth() > 1]
    return [list(ends) for ends in lines if len(ends) == 2]


@pytest.mark.parametrize("kind", ["cross", "long_run", "autoregression"])
def test_lagged_effects_are_drawn_in_standard_units_from_the_table(lagged: Reciprocal, kind: str) -> None:
    axes = plot_reciprocal(lagged, kind=kind)  # type: ignore[arg-type]
    table = lagged.tidy()
    table = table[table["kind"] == kind]
    table = pd.concat([table[table["outcome"] == "symptom"], table[table["outcome"] == "alliance"]])
    scale = table["std_estimate"] / table["estimate"]
    ends = np.column_stack([table["conf_low"] * scale, table["conf_high"] * scale])
    np.testing.assert_allclose(drawn_intervals(axes), ends)
    assert axes.get_title().endswith("N = 260 patients, sessions 1 to 5")
    assert axes.get_xlabel().endswith("(line: 95% interval)")


def test_each_effect_says_its_direction_and_model(lagged: Reciprocal) -> None:
    labels = [text.get_text() for text in lagged.plot().get_yticklabels()]
    assert labels == [
        f"{one} to {other}, {model}"
        for one, other in (("alliance", "symptom"), ("symptom", "alliance"))
        for model in ("multilevel", "RI-CLPM", "dynamic panel")
    ]


def test_an_unknown_kind_is_refused(lagged: Reciprocal) -> None:
    with pytest.raises(al.DataError, match=r"No kind of effect 'crossed'.*\nHint: did you mean 'cross'"):
        plot_reciprocal(lagged, kind="crossed")  # type: ignore[arg-type]


def test_effects_and_paths_are_drawn_from_the_table(mediated: Mediation) -> None:
    axes = mediated.plot()
    np.testing.assert_allclose(drawn_intervals(axes), mediated.tidy()[["conf_low", "conf_high"]])
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert labels[0] == "indirect: x to y by m"
    assert labels[-1] == "covariance of the patients' a and b"
    assert axes.get_title() == "Mediation within patients (1-1-1)\nN = 150 patients, 848 chains of sessions"
