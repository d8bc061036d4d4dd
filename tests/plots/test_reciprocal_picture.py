"""Pictures of lagged effects and of mediation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes

import alliance_stats as al
from alliance_stats.plots.mediation import plot_mediation
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


@pytest.mark.parametrize(
    ("part", "terms"),
    [("effects", ["indirect", "c_prime", "total", "cov_ab"]), ("a", ["a"]), ("b", ["b"])],
)
def test_rows_of_one_unit_share_a_panel(mediated: Mediation, part: str, terms: list[str]) -> None:
    axes = plot_mediation(mediated, part=part)  # type: ignore[arg-type]
    rows = mediated.tidy().set_index("term").loc[terms]
    np.testing.assert_allclose(drawn_intervals(axes), rows[["conf_low", "conf_high"]])
    points = [line.get_xdata()[0] for line in axes.lines if len(np.asarray(line.get_xdata())) == 1]  # type: ignore[index]
    np.testing.assert_allclose(points, rows["estimate"])
    assert axes.get_title() == "Mediation within patients (1-1-1)\nN = 150 patients, 848 chains of sessions"


def test_all_panels_stand_below_each_other_with_units_of_their_own(mediated: Mediation) -> None:
    axes = mediated.plot()
    panels = axes.get_figure(root=True).axes  # type: ignore[union-attr]
    assert panels[0] is axes
    assert [panel.get_xlabel() for panel in panels] == [
        f"{unit}\n(line: 95% interval)"
        for unit in ("y points per point of x", "m points per point of x", "y points per point of m")
    ]
    drawn = [ends for panel in panels for ends in drawn_intervals(panel)]
    rows = mediated.tidy().set_index("term").loc[["indirect", "c_prime", "total", "cov_ab", "a", "b"]]
    np.testing.assert_allclose(drawn, rows[["conf_low", "conf_high"]])
    assert [text.get_text() for text in axes.get_yticklabels()][:3] == [
        "indirect, by m",
        "direct (c'), m held fixed",
        "total",
    ]


def test_no_label_is_cut_off(mediated: Mediation) -> None:
    axes = mediated.plot()
    figure = axes.get_figure(root=True)
    figure.canvas.draw()  # type: ignore[union-attr]
    width = figure.bbox.width  # type: ignore[union-attr]
    for panel in figure.axes:  # type: ignore[union-attr]
        box = panel.get_tightbbox()
        assert box is not None
        assert box.x0 >= -1
        assert box.x1 <= width + 1


def test_axes_that_are_given_hold_the_effects(mediated: Mediation) -> None:
    given = pyplot.subplots()[1]
    assert mediated.plot(ax=given) is given
    assert len(drawn_intervals(given)) == 4
    assert len(given.get_figure(root=True).axes) == 1  # type: ignore[union-attr]


def test_the_between_design_draws_both_slopes_of_the_mediator() -> None:
    frame = pd.read_csv(DATA / "mediation.csv")
    result = mediation(frame, "treated", "m", "y", design="2-1-1", lags=(1,), level=0.8)
    axes = plot_mediation(result, part="b")
    rows = result.tidy().set_index("term").loc[["b", "b_within"]]
    np.testing.assert_allclose(drawn_intervals(axes), rows[["conf_low", "conf_high"]])
    assert axes.get_xlabel().endswith("(line: 80% interval)")
    assert "Mediation between patients (2-1-1)" in axes.get_title()


@pytest.mark.parametrize("part", ["path", ["a"], 1])
def test_an_unknown_part_is_refused(mediated: Mediation, part: Any) -> None:
    with pytest.raises(al.DataError, match=r"No part .*Known: effects, a, b\.\nHint: "):
        plot_mediation(mediated, part=part)
