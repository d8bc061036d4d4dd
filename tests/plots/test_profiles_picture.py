"""Pictures of profiles carry the curve and the interval of the result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.colors import to_hex

import alliance_stats as al
from alliance_stats.errors import DataError
from alliance_stats.inference.confidence_intervals import ConfidenceIntervals
from alliance_stats.plots.profiles import plot_profiles

SD = "SD of Intercept by patient"


@pytest.fixture(scope="module")
def result(sessions: pd.DataFrame) -> ConfidenceIntervals:
    fit = al.lmm("ors ~ wai_sr + (1 | patient) + (1 | therapist)", sessions)
    return al.confidence_intervals(fit, progress=False)


def test_one_parameter_is_drawn_on_the_given_axes(result: ConfidenceIntervals) -> None:
    axes = pyplot.subplots(1, 2)[1]
    before = pyplot.get_fignums()
    assert plot_profiles(result, parameter="wai_sr", ax=axes[1]) is axes[1]
    assert pyplot.get_fignums() == before
    assert not axes[0].has_data()


def test_the_curve_is_that_of_the_result(result: ConfidenceIntervals) -> None:
    axes = plot_profiles(result, parameter=SD)
    curve = result.tidy("curve").query("kind == 'sd' and group == 'patient'")
    drawn = next(line for line in axes.lines if len(line.get_xdata()) == len(curve))
    np.testing.assert_array_equal(drawn.get_xdata(), curve["value"])
    np.testing.assert_array_equal(drawn.get_ydata(), curve["zeta"])


def test_interval_and_estimate_lie_on_the_zero_line(result: ConfidenceIntervals) -> None:
    axes = plot_profiles(result, parameter=SD)
    row = result.tidy().query("kind == 'sd' and group == 'patient'").iloc[0]
    flat = [line for line in axes.lines if np.all(np.asarray(line.get_ydata()) == 0.0)]
    assert [row["conf_low"], row["conf_high"]] in [list(line.get_xdata()) for line in flat]
    assert [row["estimate"]] in [list(line.get_xdata()) for line in flat]


def test_every_parameter_gets_a_panel_when_none_is_named(result: ConfidenceIntervals) -> None:
    axes = al.plot(result)
    panels = [panel for panel in axes.figure.axes if panel.get_visible()]
    assert panels[0] is axes
    assert len(panels) == len(result.tidy())
    assert panels[2].get_title().startswith(SD)
    assert "95% interval" in panels[2].get_title()
    assert "N = 144 rows" in axes.figure.get_suptitle()
    assert axes.get_ylabel().startswith("zeta")


def test_labels_name_the_unit(result: ConfidenceIntervals) -> None:
    assert plot_profiles(result, parameter="wai_sr").get_xlabel() == "points of ors per unit of wai sr"
    assert plot_profiles(result, parameter="residual SD").get_xlabel() == "points of ors"
    assert "N = 144 rows" in plot_profiles(result, parameter=SD).get_title()


def test_a_correlation_is_drawn_and_named(sessions: pd.DataFrame) -> None:
    frame = sessions.assign(ors=sessions["ors"] + 2.0 * sessions["session"] * (sessions["patient"].str[-1] == "1"))
    fit = al.lmm("ors ~ session + (1 + session | patient)", frame)
    result = al.confidence_intervals(fit, progress=False)
    axes = plot_profiles(result, parameter="correlation of Intercept, session by patient")
    assert axes.get_xlabel() == "correlation"


def test_no_identifier_is_shown(result: ConfidenceIntervals) -> None:
    figure = al.plot(result).figure
    figure.canvas.draw()
    words = "\n".join(text.get_text() for panel in figure.axes for text in panel.findobj(pyplot.Text))
    assert "patient-" not in words
    assert "therapist-" not in words


def test_style_reaches_the_curve(result: ConfidenceIntervals) -> None:
    axes = result.plot(parameter=SD, color="#123456")
    assert "#123456" in {to_hex(line.get_color()) for line in axes.lines}


def test_a_picture_can_be_saved(result: ConfidenceIntervals, tmp_path: Path) -> None:
    al.plot(result).figure.savefig(tmp_path / "profiles.png")
    assert (tmp_path / "profiles.png").stat().st_size > 5_000


def test_an_unknown_parameter_is_refused(result: ConfidenceIntervals) -> None:
    with pytest.raises(DataError, match=r"'wai'(?s:.*)did you mean 'wai_sr'"):
        plot_profiles(result, parameter="wai")


def test_one_pair_of_axes_for_all_parameters_is_refused(result: ConfidenceIntervals) -> None:
    with pytest.raises(DataError, match=r"cannot hold 5 profiles(?s:.*)parameter='Intercept'"):
        plot_profiles(result, ax=pyplot.subplots()[1])


def test_intervals_without_profiles_are_refused(sessions: pd.DataFrame) -> None:
    fit = al.lmm("ors ~ wai_sr + (1 | patient)", sessions)
    with pytest.raises(DataError, match=r"'wald' have no profiles(?s:.*)method=\"profile\""):
        al.plot(al.confidence_intervals(fit, method="wald"))
