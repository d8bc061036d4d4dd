"""Pictures of parallel analysis and of planned designs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot

from alliance_stats.plots.dependability import plot_dependability
from alliance_stats.plots.parallel_analysis import plot_parallel_analysis
from alliance_stats.scales.dependability import Dependability, dependability
from alliance_stats.scales.factor_number import parallel_analysis
from alliance_stats.scales.generalizability import generalizability
from tests.scales.reliability_golden import NINE, balanced_sessions, first_sessions

ITEMS = ["i1", "i2", "i3", "i4"]


@pytest.fixture(scope="module")
def plan() -> Dependability:
    study = generalizability(balanced_sessions(), ITEMS)
    return dependability(study, wished=0.75, counts={"session": range(1, 11), "item": [2, 4]})


def test_each_curve_holds_the_reliabilities_of_its_design(plan: Dependability) -> None:
    axes = plot_dependability(plan)
    lines = {str(line.get_label()): line for line in axes.get_lines()}
    for kind in ("relative", "absolute"):
        for items in (2, 4):
            expected: pd.DataFrame = plan.tidy().query("kind == @kind and n_item == @items")
            line = lines[f"{items} items, {kind}"]
            np.testing.assert_allclose(np.asarray(line.get_ydata(), dtype=float), expected["estimate"])
            np.testing.assert_allclose(np.asarray(line.get_xdata(), dtype=float), np.arange(1, 11))


def test_the_wish_is_drawn_and_named(plan: Dependability) -> None:
    axes = plan.plot()
    assert any(np.allclose(np.asarray(line.get_ydata(), dtype=float), 0.75) for line in axes.get_lines())
    assert [text.get_text() for text in axes.texts] == ["wished 0.75"]
    assert axes.get_xlabel() == "Number of sessions"
    assert axes.get_ylabel() == "Reliability of the means of patients"


def test_one_facet_needs_no_numbers_in_the_legend() -> None:
    study = generalizability(balanced_sessions(), ["i1"], nested={"session": "patient"})
    legend = plot_dependability(dependability(study)).get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["relative", "absolute"]


def test_parallel_analysis_shows_answers_and_random_lines() -> None:
    result = parallel_analysis(first_sessions(), NINE, seed=1)
    axes = result.plot()
    drawn = [np.asarray(line.get_ydata(), dtype=float) for line in axes.get_lines()]
    for values, column in zip(drawn, ["estimate", "random_quantile", "random_mean"], strict=True):
        np.testing.assert_allclose(values, result.tidy()[column])
    assert axes.get_title() == "1 component above the line, N = 240"


def test_pictures_use_the_axes_and_style_given(plan: Dependability) -> None:
    _, axes = pyplot.subplots()
    assert plot_dependability(plan, ax=axes, linewidth=3.0) is axes
    assert axes.get_lines()[-1].get_linewidth() == 3.0
    _, other = pyplot.subplots()
    assert (
        plot_parallel_analysis(parallel_analysis(first_sessions(), NINE, seed=1, kind="factors"), ax=other, marker="x")
        is other
    )
    assert other.get_lines()[0].get_marker() == "x"
