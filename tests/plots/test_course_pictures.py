"""Pictures of courses and of therapists."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection

from alliance_stats.errors import DataError
from alliance_stats.plots import plot
from alliance_stats.plots.canvas import INKS
from alliance_stats.plots.growth import plot_growth
from alliance_stats.plots.therapist_effects import plot_therapist_effects
from alliance_stats.process.growth import Growth, growth
from alliance_stats.process.therapist_effects import TherapistEffects, therapist_effects


@pytest.fixture(scope="module")
def course(sessions: pd.DataFrame) -> Growth:
    frame = sessions.assign(arm=np.where(np.arange(144) // 6 % 2 == 0, "full", "brief"))
    return growth(frame, "ors", form="piecewise", by="arm", break_at="estimate", random=("patient", "therapist"))


@pytest.fixture(scope="module")
def therapists(sessions: pd.DataFrame) -> TherapistEffects:
    frame = sessions.assign(ors=sessions["ors"] + 1.5 * (np.arange(144) // 24))
    return therapist_effects(frame, "ors", caseload=["wai_sr"], covariates=["session"])


def test_curves_bands_and_break_are_those_of_the_table(course: Growth) -> None:
    axes = plot(course, level=0.8)
    curves = course.tidy("curve", level=0.8)
    for line, group in zip([line for line in axes.lines if len(line.get_xdata()) > 2], course.groups, strict=True):
        own = curves[curves["group"] == group]
        np.testing.assert_allclose(line.get_ydata(), own["estimate"])
    band = axes.collections[2].get_paths()[0].vertices[:, 1]
    own = curves[curves["group"] == course.groups[0]]
    assert (band.min(), band.max()) == pytest.approx((own["conf_low"].min(), own["conf_high"].max()))
    row = course.tidy("break", level=0.8).iloc[0]
    assert row["estimate"] in [line.get_xdata()[0] for line in axes.lines]
    assert "band: 80% interval" in axes.get_ylabel()
    assert "144 ratings of 24 patients" in axes.get_title()


def test_each_patient_is_one_faint_line(course: Growth) -> None:
    faint = [item for item in plot(course).collections if isinstance(item, LineCollection)]
    assert [len(item.get_segments()) for item in faint] == [12, 12]
    table = course.tidy("observations").query("level == 1")
    np.testing.assert_allclose(faint[0].get_segments()[0], table[["time", "value"]])
    without = plot_growth(course, patients=False).collections
    assert not any(isinstance(item, LineCollection) for item in without)


def test_style_reaches_the_curves(course: Growth) -> None:
    assert plot_growth(course, linewidth=5).lines[0].get_linewidth() == 5


def test_therapists_stand_in_the_order_of_their_estimates(therapists: TherapistEffects) -> None:
    axes = plot(therapists)
    table = therapists.estimates().query("model == 'with caseload'").sort_values("estimate")
    points = [line for line in axes.lines if line.get_linestyle() == "None"]
    np.testing.assert_allclose([line.get_ydata()[0] for line in points], table["estimate"])
    bars = [line.get_ydata() for line in axes.lines if len(line.get_xdata()) == 2 and line.get_color() != "#6E6E6E"]
    np.testing.assert_allclose(bars, table[["conf_low", "conf_high"]])
    apart = ((table["conf_low"] > 0) | (table["conf_high"] < 0)).to_numpy()
    assert apart.any()
    assert not apart.all()
    assert [line.get_marker() for line in points] == [INKS[int(value)].marker for value in apart]
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == [str(level) for level in table["level"]]


def test_the_model_may_be_chosen(therapists: TherapistEffects) -> None:
    axes = plot_therapist_effects(therapists, model="without caseload")
    assert "without caseload" in axes.get_title()
    assert axes.get_ylabel().startswith("ors: mean, deviation")


def test_an_unknown_model_is_named(therapists: TherapistEffects) -> None:
    with pytest.raises(DataError, match="No model 'adjusted'"):
        plot_therapist_effects(therapists, model="adjusted")
