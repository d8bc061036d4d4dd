"""The specification curve."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.colors import to_hex

from alliance_stats.errors import DataError
from alliance_stats.plots.canvas import GREY, INKS
from alliance_stats.plots.multiverse import plot_multiverse
from alliance_stats.process.multiverse import Multiverse, alliance_multiverse
from alliance_stats.process.outcome_model import OutcomeModel


@pytest.fixture(scope="module")
def result(sessions: pd.DataFrame) -> Multiverse:
    return alliance_multiverse(
        sessions,
        question={"alliance": "wai_sr", "outcome": "ors", "lag": 1},
        choices={"detrend": [None, "linear"], "centring": ["sessions", "patients"]},
        random=OutcomeModel(slopes=()),
        progress=False,
    )


def drawn(axes: pyplot.Axes) -> np.ndarray:
    """Return places and slopes of all specifications, sorted by place."""
    points = np.concatenate(
        [own.get_offsets() for own in axes.collections[:4] if hasattr(own, "get_sizes") and len(own.get_offsets())]
    )
    return points[np.argsort(points[:, 0])]


def test_slopes_are_drawn_from_the_smallest_to_the_largest(result: Multiverse) -> None:
    own = np.sort(result.tidy().query("level == 'session'")["estimate"])
    np.testing.assert_allclose(drawn(plot_multiverse(result))[:, 1], own)


def test_intervals_that_leave_out_zero_are_dark(result: Multiverse) -> None:
    table = result.tidy().query("level == 'patient'")
    clear = int(((table["conf_low"] > 0) | (table["conf_high"] < 0)).sum())
    axes = plot_multiverse(result, level="patient")
    lines = {
        to_hex(own.get_color()[0]): len(own.get_segments())
        for own in axes.collections
        if hasattr(own, "get_segments") and len(own.get_segments())
    }
    assert lines.get(INKS[0].color.lower(), 0) == clear
    assert lines.get(GREY.lower(), 0) == len(table) - clear


def test_each_option_has_a_mark_below_each_specification_that_has_it(result: Multiverse) -> None:
    axes = plot_multiverse(result)
    table = result.tidy().query("level == 'session'").sort_values(["estimate", "model"]).reset_index(drop=True)
    labels = [text.get_text() for text in axes.get_yticklabels()]
    options = [("detrend", "none"), ("detrend", "linear"), ("centring", "sessions"), ("centring", "patients")]
    assert labels[-4:] == ["detrend: none", "linear", "centring: sessions", "patients"]
    for (name, option), marks in zip(options, axes.collections[-4:], strict=True):
        np.testing.assert_array_equal(marks.get_offsets()[:, 0], np.flatnonzero(table[name] == option))


def test_the_median_is_a_dashed_line(result: Multiverse) -> None:
    axes = plot_multiverse(result)
    dashed = next(line for line in axes.lines if line.get_linestyle() == "--")
    assert dashed.get_ydata()[0] == pytest.approx(result.summary()["median"][0])
    assert any("median" in text.get_text() for text in axes.texts)


def test_it_is_drawn_on_the_given_axes_with_the_given_style(result: Multiverse) -> None:
    axes = pyplot.subplots()[1]
    assert result.plot(ax=axes, s=50.0) is axes
    assert 50.0 in [own.get_sizes()[0] for own in axes.collections if hasattr(own, "get_sizes")]


def test_title_and_axis_name_level_specifications_sessions_and_interval(result: Multiverse) -> None:
    axes = plot_multiverse(result)
    assert axes.get_title() == "Slope at the session level under 4 specifications\nN = 120 sessions"
    assert axes.get_ylabel() == "Slope, points of ors\n(line: 95% interval)"


def test_an_unknown_level_is_refused(result: Multiverse) -> None:
    with pytest.raises(DataError, match=r"No level 'sesion'(?s:.*)did you mean 'session'"):
        plot_multiverse(result, level="sesion")


def test_slopes_of_several_outcomes_are_standardised(sessions: pd.DataFrame) -> None:
    found = alliance_multiverse(
        sessions.assign(calm=-sessions["ors"]),
        question={"alliance": "wai_sr", "outcome": "ors", "lag": 1},
        choices={"outcome": ["ors", "calm"]},
        random=OutcomeModel(slopes=()),
        progress=False,
    )
    axes = plot_multiverse(found)
    assert axes.get_ylabel().startswith("Standardised slope")
    np.testing.assert_allclose(drawn(axes)[:, 1], np.sort(found.tidy().query("level == 'session'")["std_estimate"]))
