"""The page of checks: six pictures of what stands in the tables, no label of the data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.colors import to_hex

from alliance_stats.errors import DataError
from alliance_stats.inference.diagnostics import Diagnostics, diagnose
from alliance_stats.mixed.lmm import lmm
from alliance_stats.plots import plot
from alliance_stats.plots.canvas import INKS
from alliance_stats.plots.diagnostics import SHOWN_LEVELS, plot_diagnostics

PANELS = ["residuals", "quantiles", "effects", "spread", "influence", "coefficients"]


@pytest.fixture(scope="module")
def checks(sessions: pd.DataFrame) -> Diagnostics:
    rows = sessions.assign(
        ors=sessions["ors"] + 6 * (sessions["therapist"] == "therapist-3") * (sessions["wai_sr"] - 4)
    )
    return diagnose(lmm("ors ~ wai_sr + session + (1 | patient) + (1 | therapist)", rows), level=0.9)


def drawn(checks: Diagnostics, panel: str) -> pyplot.Axes:
    return plot_diagnostics(checks, panel=panel)  # type: ignore[arg-type]


def test_the_page_has_six_pictures_and_its_first_axes_are_returned(checks: Diagnostics) -> None:
    axes = plot(checks)
    assert axes is axes.figure.axes[0]
    assert len(axes.figure.axes) == 6
    assert all(own.get_title() and own.get_xlabel() for own in axes.figure.axes)
    assert "144 rows, 24 patients, 6 therapists" in axes.figure.get_suptitle()
    axes.figure.canvas.draw()


def test_residuals_are_drawn_against_fitted_values(checks: Diagnostics) -> None:
    points = np.asarray(drawn(checks, "residuals").collections[0].get_offsets())
    np.testing.assert_allclose(points, checks.tidy("residuals")[["fitted", "scaled"]])


def test_ordered_residuals_are_drawn_with_their_band_and_its_level(checks: Diagnostics) -> None:
    axes = drawn(checks, "quantiles")
    table = checks.tidy("quantiles").query("kind == 'residual'")
    np.testing.assert_allclose(axes.lines[-1].get_xydata(), table[["expected", "estimate"]])
    band = axes.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == pytest.approx(table["conf_low"].min())
    assert band[:, 1].max() == pytest.approx(table["conf_high"].max())
    assert "90% interval" in axes.get_xlabel()


def test_effects_of_each_factor_are_drawn_in_inks_of_their_own(checks: Diagnostics) -> None:
    axes = drawn(checks, "effects")
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert texts == ["patient: Intercept", "therapist: Intercept"]
    points = [line for line in axes.lines if line.get_linestyle() == "None"]
    assert [len(line.get_xdata()) for line in points] == [24, 6]
    assert [to_hex(line.get_color()) for line in points] == [ink.color.lower() for ink in INKS[:2]]


def test_effects_without_any_variance_leave_a_sentence(sessions: pd.DataFrame) -> None:
    rows = sessions.assign(batch=np.arange(len(sessions)) % 12)
    rows["ors"] -= rows.groupby("batch")["ors"].transform("mean")
    axes = drawn(diagnose(lmm("ors ~ session + (1 | batch)", rows)), "effects")
    assert [text.get_text() for text in axes.texts] == ["no effect has a variance"]


def test_spread_is_drawn_with_intervals_and_the_line_of_one(checks: Diagnostics) -> None:
    axes = drawn(checks, "spread")
    table = checks.tidy("spread")
    series = [line for line in axes.lines if len(line.get_xdata()) == 5]
    for line, own in zip(series, ["fitted", "session"], strict=True):
        np.testing.assert_allclose(line.get_ydata(), table[table["predictor"] == own]["estimate"])
    segments = np.array([s for c in axes.collections for s in c.get_segments()])
    np.testing.assert_allclose(segments[:, :, 1], table[["conf_low", "conf_high"]])
    assert any(np.allclose(line.get_ydata(), 1.0) for line in axes.lines)


def test_influence_is_that_of_the_coarsest_factor_with_flagged_levels_in_colour(checks: Diagnostics) -> None:
    axes = drawn(checks, "influence")
    table = checks.tidy().query("group == 'therapist'")
    np.testing.assert_allclose([bar.get_height() for bar in axes.patches], table["cooks_distance"])
    coloured = [to_hex(bar.get_facecolor()) == INKS[1].color.lower() for bar in axes.patches]
    assert coloured == table["flagged"].tolist()
    assert any(coloured)
    assert axes.lines[0].get_ydata()[0] == pytest.approx(4 / 6)


def test_influence_of_many_levels_shows_the_first_and_counts_those_without_a_distance(sessions: pd.DataFrame) -> None:
    many = sessions.assign(dyad=np.arange(len(sessions)) // 3, special=(np.arange(len(sessions)) < 3) * 1.0)
    axes = drawn(diagnose(lmm("ors ~ wai_sr + special + (1 | dyad)", many)), "influence")
    assert len(axes.patches) == SHOWN_LEVELS
    assert axes.patches[0].get_x() > 1.5
    assert f"the first {SHOWN_LEVELS}; 1 without a finite distance" in axes.get_xlabel()


def test_changes_of_coefficients_are_drawn_in_standard_errors_with_the_interval_of_the_whole_fit(
    checks: Diagnostics,
) -> None:
    axes = drawn(checks, "coefficients")
    table = checks.tidy("coefficients").query("group == 'therapist'")
    assert [text.get_text() for text in axes.get_yticklabels()] == ["Intercept", "wai sr", "session"]
    for line, (_, own) in zip(axes.lines[1:], table.groupby("term", sort=False), strict=True):
        np.testing.assert_allclose(line.get_xdata(), own["change_whole"])
    band = axes.patches[0].get_x()
    assert band == pytest.approx(-1.6449, abs=1e-4)
    largest = table.query("term == 'wai_sr'").set_index("level")["change_whole"].abs().idxmax()
    assert axes.texts[1].get_text() == str(largest)


def test_no_picture_shows_a_label_of_the_data(checks: Diagnostics) -> None:
    figure = plot(checks).figure
    texts = [text.get_text() for text in figure.findobj(pyplot.Text)]
    assert not any("patient-" in text or "therapist-" in text for text in texts)


@pytest.mark.parametrize("panel", PANELS)
def test_each_panel_draws_on_the_axes_it_is_given_and_takes_a_style(checks: Diagnostics, panel: str) -> None:
    _, axes = pyplot.subplots()
    assert checks.plot(ax=axes, panel=panel, alpha=0.35) is axes
    artists = [*axes.collections, *axes.lines, *axes.patches]
    assert any(artist.get_alpha() == 0.35 for artist in artists)


def test_axes_without_a_panel_and_unknown_panels_are_refused(checks: Diagnostics) -> None:
    _, axes = pyplot.subplots()
    with pytest.raises(DataError, match=r"six pictures(.|\n)*panel=, of residuals, quantiles"):
        plot(checks, ax=axes)
    with pytest.raises(DataError, match=r"No panel 'effect'(.|\n)*did you mean 'effects'"):
        drawn(checks, "effect")
