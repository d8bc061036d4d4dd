"""plot_reliable_change(): first against last scores, with bands and cut-offs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

from alliance_stats.plots.reliable_change import LOOKS, plot_reliable_change
from alliance_stats.scales.change_index import MeasurementError
from alliance_stats.scales.change_slopes import multilevel_change
from alliance_stats.scales.clinical_significance import ClinicalSignificance, clinical_significance
from alliance_stats.scales.cutoffs import clinical_cutoff
from alliance_stats.scales.reliable_change import ReliableChange, reliable_change


@pytest.fixture
def change() -> ReliableChange:
    rng = np.random.default_rng(4)
    pre = rng.normal(20, 5, size=40)
    names = [f"Jones {k}" for k in range(40)]
    frame = pd.DataFrame({"phq_first": pre, "phq_last": pre - 5 + rng.normal(0, 6, size=40), "patient": names})
    frame.loc[3, "phq_last"] = np.nan
    return reliable_change(
        frame,
        ("phq_first", "phq_last"),
        method="edwards_nunnally",
        direction="higher_is_worse",
        error=MeasurementError(reliability=0.85, kind="retest", sd="sample", mean="sample"),
    )


@pytest.fixture
def classes(change: ReliableChange) -> ClinicalSignificance:
    cutoffs = {
        name: clinical_cutoff("given", direction="higher_is_worse", value=value)
        for name, value in (("US", 9.5), ("NL", 11.0))
    }
    return clinical_significance(change, cutoffs)


def drawn(axes: Axes) -> dict[str, np.ndarray]:
    lines = [line for line in axes.lines if str(line.get_label()).split(" (")[0] in LOOKS]
    return {str(line.get_label()).split(" (")[0]: np.asarray(line.get_xydata()) for line in lines}


def test_every_person_stands_in_the_class_it_has(classes: ClinicalSignificance) -> None:
    found = drawn(plot_reliable_change(classes))
    frame = classes.frame
    for name, points in found.items():
        chosen = frame[frame["clinical_class_US"] == name]
        np.testing.assert_array_equal(points, chosen[["phq_first", "phq_last"]].to_numpy())
    assert sum(len(points) for points in found.values()) == 39


def test_the_band_is_that_of_the_change(change: ReliableChange) -> None:
    axes = change.plot()
    corners = np.asarray(axes.collections[0].get_paths()[0].vertices)
    for column in ("post_low", "post_high"):
        for _, row in change.bands.iterrows():
            assert np.isclose(corners, [row["pre"], row[column]]).all(axis=1).any()


def test_cutoffs_are_drawn_both_ways(classes: ClinicalSignificance) -> None:
    axes = classes.plot()
    upright = [
        line.get_xdata()[0] for line in axes.lines if len(set(line.get_xdata())) == 1 and line.get_linestyle() != "None"
    ]
    flat = [
        line.get_ydata()[0] for line in axes.lines if len(set(line.get_ydata())) == 1 and line.get_linestyle() != "None"
    ]
    assert upright == flat == [9.5, 11.0]


def test_classes_differ_in_colour_and_marker() -> None:
    assert len({look.color for look in LOOKS.values()}) == len({look.marker for look in LOOKS.values()}) == 5


def test_axes_are_named_and_n_and_direction_are_said(change: ReliableChange) -> None:
    axes = plot_reliable_change(change)
    assert "phq first" in axes.get_xlabel()
    assert axes.get_ylabel() == "Last score, points"
    assert "better is below" in axes.get_title()
    assert "N = 39 people" in axes.get_title()
    assert "Jones" not in str([text.get_text() for text in axes.texts])


def test_it_is_drawn_on_the_given_axes_with_the_given_style(change: ReliableChange) -> None:
    axes = pyplot.subplots(1, 2)[1]
    assert plot_reliable_change(change, ax=axes[1], color="#123456") is axes[1]
    assert not axes[0].has_data()
    assert any(to_hex(line.get_color()) == "#123456" for line in axes[1].lines)


def test_slopes_have_no_band(sessions: pd.DataFrame) -> None:
    frame = sessions.assign(
        score=sessions["wai_sr"] + sessions["session"] * sessions.groupby("patient")["wai_sr"].transform("mean")
    )
    change = multilevel_change(frame, "score", direction="higher_is_better", compare_with="average_change")
    axes = change.plot()
    assert not axes.collections
    assert sum(len(points) for points in drawn(axes).values()) == 24
