"""Every picture draws on the axes it is given, carries the result's numbers, and shows no identifier."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.text import Text

from alliance_stats.coding.associations import ShareAssociations, share_associations
from alliance_stats.errors import AllianceStatsError, ColumnError, DataError
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.mixed.lmm import lmm
from alliance_stats.plots import (
    plot,
    plot_associations,
    plot_coefficients,
    plot_reliability,
    plot_shares,
    plot_trajectories,
    plot_within_between,
)
from alliance_stats.plots.canvas import interval_text
from alliance_stats.plots.shares import spread_apart
from alliance_stats.process.alliance_outcome import AllianceOutcome
from alliance_stats.process.level_effects import LevelEffects, level_effects
from alliance_stats.scales.reliability import Reliability, reliability


@pytest.fixture(scope="module")
def fit(sessions: pd.DataFrame) -> LmmFit:
    return lmm("ors ~ wai_sr + session + (1 | patient)", sessions)


@pytest.fixture(scope="module")
def items(sessions: pd.DataFrame) -> Reliability:
    rng = np.random.default_rng(5)
    answers = pd.DataFrame({f"item{i}": sessions["wai_sr"] + rng.normal(size=144) for i in range(1, 5)})
    return reliability(answers, list(answers.columns))


@pytest.fixture(scope="module")
def associations(sessions: pd.DataFrame) -> ShareAssociations:
    return share_associations(
        sessions.drop(columns="patient"), ["share_support", "share_control"], "ors", initial="wai_sr"
    )


@pytest.fixture
def drawings(request: pytest.FixtureRequest) -> dict[str, tuple[Callable[..., Axes], Any]]:
    value = request.getfixturevalue
    return {
        "coefficients": (plot_coefficients, value("outcome")),
        "coefficients of several": (plot_coefficients, value("effects")),
        "coefficients of a model": (plot_coefficients, value("fit")),
        "within and between": (plot_within_between, value("outcome")),
        "trajectories": (plot_trajectories, value("outcome")),
        "reliability": (plot_reliability, value("items")),
        "associations": (plot_associations, value("associations")),
        "shares": (plot_shares, value("sessions")),
    }


NAMES = [
    "coefficients",
    "coefficients of several",
    "coefficients of a model",
    "within and between",
    "trajectories",
    "reliability",
    "associations",
    "shares",
]
Drawings = dict[str, tuple[Callable[..., Axes], Any]]


def texts(axes: Axes) -> str:
    return "\n".join(found.get_text() for found in axes.figure.findobj(Text))


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_drawn_on_the_given_axes_and_returns_them(drawings: Drawings, name: str) -> None:
    draw, result = drawings[name]
    axes = pyplot.subplots(1, 2)[1]
    before = pyplot.get_fignums()
    assert draw(result, ax=axes[1]) is axes[1]
    assert pyplot.get_fignums() == before
    assert not axes[0].has_data()


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_without_axes_gets_one_new_figure(drawings: Drawings, name: str) -> None:
    draw, result = drawings[name]
    axes = draw(result)
    assert pyplot.get_fignums() == [axes.figure.number]
    axes.figure.canvas.draw()


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_names_its_axes_and_says_n(drawings: Drawings, name: str) -> None:
    draw, result = drawings[name]
    axes = draw(result)
    assert axes.get_xlabel()
    assert "N = " in axes.get_title()


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_shows_no_identifier(drawings: Drawings, name: str) -> None:
    draw, result = drawings[name]
    axes = draw(result)
    axes.figure.canvas.draw()
    assert "patient-" not in texts(axes)
    assert "therapist-" not in texts(axes)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("trajectories", "shares")])
def test_a_zero_line_or_centre_is_shown(drawings: Drawings, name: str) -> None:
    draw, result = drawings[name]
    axes = draw(result)
    low, high = sorted(axes.get_xlim())
    assert low <= 0 <= high


# Slopes


def points(axes: Axes) -> np.ndarray:
    """Return x of every single marker, shape (n,)."""
    return np.array([line.get_xdata()[0] for line in axes.lines if len(line.get_xdata()) == 1])


def intervals(axes: Axes) -> np.ndarray:
    """Return the ends of every horizontal line, shape (n, 2)."""
    ends = [np.asarray(line.get_xdata()) for line in axes.lines if len(line.get_xdata()) == 2]
    return np.array([end for end in ends if end[0] != end[1]])


def test_slopes_and_intervals_are_those_of_the_result(outcome: AllianceOutcome) -> None:
    table = outcome.tidy().iloc[:3]
    axes = plot_coefficients(outcome)
    np.testing.assert_allclose(points(axes), table["estimate"])
    np.testing.assert_allclose(intervals(axes), table[["conf_low", "conf_high"]])


def test_slope_labels_name_level_and_n(outcome: AllianceOutcome) -> None:
    labels = [label.get_text() for label in plot_coefficients(outcome).get_yticklabels()]
    assert labels == ["session (n = 120)", "patient (n = 24)", "therapist (n = 6)"]


def test_slope_labels_name_the_predictor_when_there_are_several(effects: LevelEffects) -> None:
    labels = [label.get_text() for label in plot_coefficients(effects).get_yticklabels()]
    assert labels[0] == "share support, session (n = 144)"
    assert labels[3].startswith("share control, session")
    assert len(labels) == 6


def test_predictors_stand_apart(effects: LevelEffects) -> None:
    rows = plot_coefficients(effects).get_yticks()
    np.testing.assert_allclose(np.diff(rows), [1.0, 1.0, 1.5, 1.0, 1.0])


def test_levels_differ_in_colour_and_marker(outcome: AllianceOutcome) -> None:
    marks = [line for line in plot_coefficients(outcome).lines if len(line.get_xdata()) == 1]
    assert len({line.get_marker() for line in marks}) == 3
    assert len({to_hex(line.get_color()) for line in marks}) == 3


def test_the_interval_level_is_in_the_label(outcome: AllianceOutcome, fit: LmmFit) -> None:
    assert "95% interval" in plot_coefficients(outcome).get_xlabel()
    assert "95% interval" in plot_coefficients(fit).get_xlabel()


def test_a_mixed_model_is_drawn_without_its_intercept(fit: LmmFit) -> None:
    axes = plot_coefficients(fit)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["wai sr", "session"]
    np.testing.assert_allclose(points(axes), fit.fixed_effects.iloc[1:])


def test_a_model_with_an_intercept_alone_cannot_be_drawn(sessions: pd.DataFrame) -> None:
    with pytest.raises(DataError, match=r"no estimate(?s:.*)tidy"):
        plot_coefficients(lmm("ors ~ 1 + (1 | patient)", sessions))


def test_style_reaches_matplotlib(outcome: AllianceOutcome, sessions: pd.DataFrame, items: Reliability) -> None:
    assert {to_hex(line.get_color()) for line in plot_coefficients(outcome, color="#123456").lines[1:]} == {"#123456"}
    assert plot_within_between(outcome, s=50.0).collections[1].get_sizes().tolist() == [50.0]
    assert plot_trajectories(outcome, linewidth=5.0).lines[-1].get_linewidth() == 5.0
    assert plot_shares(sessions, height=0.5).patches[0].get_height() == 0.5
    assert plot_reliability(items, markersize=11.0).lines[-1].get_markersize() == 11.0


# Within and between


def test_long_lines_have_the_two_slopes_of_the_model(outcome: AllianceOutcome) -> None:
    slopes = [np.ptp(line.get_ydata()) / np.ptp(line.get_xdata()) for line in plot_within_between(outcome).lines]
    np.testing.assert_allclose(slopes, outcome.tidy()["estimate"].iloc[:2].abs(), rtol=1e-9)


def test_short_lines_have_the_session_slope(outcome: AllianceOutcome) -> None:
    axes = plot_within_between(outcome)
    lines = next(c for c in axes.collections if isinstance(c, LineCollection)).get_segments()
    slopes = [(end[1] - start[1]) / (end[0] - start[0]) for start, end in lines]
    assert len(lines) == 24
    np.testing.assert_allclose(slopes, outcome.tidy()["estimate"].iloc[0], rtol=1e-7)


def test_dots_are_patient_means_from_the_therapists_mean(outcome: AllianceOutcome) -> None:
    rows = outcome.frame
    mean = rows.groupby("patient")["ors"].mean()
    therapist = rows.groupby("patient")["therapist"].first().map(rows.groupby("therapist")["ors"].mean())
    axes = plot_within_between(outcome)
    dots = axes.collections[1].get_offsets()
    np.testing.assert_allclose(np.sort(dots[:, 1]), np.sort(mean - therapist), atol=1e-9)
    assert "therapist's mean" in axes.get_xlabel()


def test_without_therapists_dots_are_deviations_from_the_overall_mean(sessions: pd.DataFrame) -> None:
    result = level_effects(sessions.drop(columns="therapist"), "ors", "wai_sr")
    axes = plot_within_between(result)
    assert "overall mean" in axes.get_ylabel()
    means = sessions.groupby("patient")["ors"].mean() - sessions["ors"].mean()
    np.testing.assert_allclose(np.sort(axes.collections[1].get_offsets()[:, 1]), np.sort(means), atol=1e-9)


def test_slopes_and_intervals_are_written_out(outcome: AllianceOutcome) -> None:
    legend = [text.get_text() for text in plot_within_between(outcome).get_legend().get_texts()]
    assert legend[0].startswith("Within patients: ")
    assert legend[1].startswith("Between patients: ")
    assert all("95% interval" in text for text in legend)


def test_the_predictor_can_be_chosen(effects: LevelEffects) -> None:
    assert "share control" in plot_within_between(effects, predictor="share_control").get_xlabel()
    assert "share support" in plot_within_between(effects).get_xlabel()


def test_an_unknown_predictor_is_refused(effects: LevelEffects) -> None:
    with pytest.raises(DataError, match=r"No predictor 'share_contrl'(?s:.*)did you mean 'share_control'"):
        plot_within_between(effects, predictor="share_contrl")


# Trajectories


def test_thin_lines_are_the_fitted_values_of_each_patient(outcome: AllianceOutcome) -> None:
    axes = plot_trajectories(outcome)
    lines = next(c for c in axes.collections if isinstance(c, LineCollection)).get_segments()
    assert len(lines) == 24
    drawn = np.sort(np.concatenate([line[:, 1] for line in lines]))
    np.testing.assert_allclose(drawn, np.sort(outcome.fit.fitted()), rtol=1e-9)


def test_the_thick_line_is_the_mean_of_the_fixed_part(outcome: AllianceOutcome) -> None:
    line = plot_trajectories(outcome).lines[-1]
    fixed = pd.Series(np.asarray(outcome.fit.predict(random=False)), outcome.frame["session"].to_numpy())
    np.testing.assert_allclose(line.get_xdata(), [2, 3, 4, 5, 6])
    np.testing.assert_allclose(line.get_ydata(), fixed.groupby(level=0).mean(), rtol=1e-9)


def test_the_band_is_the_wald_interval_of_the_mean_fixed_part(outcome: AllianceOutcome) -> None:
    axes = plot_trajectories(outcome)
    band = axes.collections[1].get_paths()[0].vertices
    rows = outcome.frame[outcome.frame["session"] == 3].assign(Intercept=1.0)
    x = rows[list(outcome.fit.fixed_effects.index)].mean().to_numpy()
    width = 2 * 1.959963984540054 * np.sqrt(x @ outcome.fit.fixed_covariance.to_numpy() @ x)
    assert np.ptp(band[band[:, 0] == 3][:, 1]) == pytest.approx(width, rel=1e-9)
    assert "mean of the fixed part, 95% interval" in texts(axes)


def test_with_a_category_among_the_covariates_no_interval_is_claimed(sessions: pd.DataFrame) -> None:
    frame = sessions.assign(arm=np.where(sessions["patient"].str[-1].astype(int) % 2, "a", "b"))
    axes = plot_trajectories(level_effects(frame, "ors", "wai_sr", covariates=("session", "arm")))
    assert "95% interval" not in texts(axes)
    assert len(axes.collections) == 1


def test_trajectories_need_session_numbers(sessions: pd.DataFrame) -> None:
    result = level_effects(sessions.drop(columns="session"), "ors", "wai_sr")
    with pytest.raises(ColumnError, match=r"'session'(?s:.*)trajectories run over session numbers"):
        plot_trajectories(result)


# Shares


def test_bars_are_therapist_means_in_order_of_the_first_share(sessions: pd.DataFrame) -> None:
    axes = plot_shares(sessions)
    columns = ["share_support", "share_control", "share_other"]
    means = sessions.groupby("therapist")[columns].mean().sort_values("share_support", ascending=False)
    widths = np.array([bar.get_width() for bar in axes.patches]).reshape(3, 6).T
    np.testing.assert_allclose(widths, means, rtol=1e-12)
    np.testing.assert_allclose([bar.get_x() + bar.get_width() for bar in axes.patches[-6:]], 1.0)


def test_therapists_are_numbered_and_categories_named(sessions: pd.DataFrame) -> None:
    axes = plot_shares(sessions)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["1", "2", "3", "4", "5", "6"]
    assert {"support", "control", "other"} <= {text.get_text() for text in axes.texts}


def test_parts_of_shares_are_not_drawn(effects: LevelEffects) -> None:
    assert len(plot_shares(effects.frame).patches) == 3 * 6


def test_categories_differ_in_lightness(sessions: pd.DataFrame) -> None:
    colors = [plot_shares(sessions).patches[6 * i].get_facecolor() for i in range(3)]
    light = [0.299 * r + 0.587 * g + 0.114 * b for r, g, b, _ in colors]
    assert np.diff(light).min() > 0.15


def test_rows_without_shares_or_therapist_are_left_out(sessions: pd.DataFrame) -> None:
    frame = sessions.copy()
    frame.loc[0, "share_support"] = np.nan
    frame.loc[1, "therapist"] = None
    assert "N = 142 sessions of 6 therapists" in plot_shares(frame).get_title()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda f: f.drop(columns="therapist"), ColumnError, r"'therapist'(?s:.*)rename"),
        (lambda f: f[["therapist", "ors"]], ColumnError, r"share_<category>(?s:.*)statement_shares\(\)"),
        (lambda f: f.assign(share_other=50), DataError, r"144 rows have a share outside(?s:.*)divide"),
        (lambda f: f.assign(therapist=None), DataError, r"No row has shares and a therapist(?s:.*)missing"),
    ],
)
def test_frames_without_shares_are_refused(
    sessions: pd.DataFrame, change: Callable[[pd.DataFrame], pd.DataFrame], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        plot_shares(change(sessions))


@pytest.mark.parametrize("centres", [[0.1, 0.12, 0.13], [0.9, 0.95, 0.99], [0.2, 0.5, 0.8]])
def test_labels_are_moved_apart_and_stay_inside(centres: list[float]) -> None:
    widths = np.array([0.2, 0.15, 0.1])
    places = spread_apart(np.array(centres), widths)
    assert places[0] - widths[0] / 2 >= -1e-12
    assert places[-1] + widths[-1] / 2 <= 1 + 1e-12
    assert (np.diff(places) - (widths[1:] + widths[:-1]) / 2 > 0).all()


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((1.2119, 0.9067, 1.5172), "1.21, 95% interval 0.91 to 1.52"),
        ((-107.9, -154.6, -61.2), "\N{MINUS SIGN}107.9, 95% interval \N{MINUS SIGN}154.6 to \N{MINUS SIGN}61.2"),
        ((0.9254, 0.9221, 0.9283), "0.9254, 95% interval 0.9221 to 0.9283"),
    ],
)
def test_decimals_follow_the_width_of_the_interval(numbers: tuple[float, float, float], text: str) -> None:
    assert interval_text(*numbers, 0.95) == text


# Scale and conversations


def test_item_correlations_are_those_of_the_result(items: Reliability) -> None:
    axes = plot_reliability(items)
    np.testing.assert_allclose(axes.lines[-1].get_xdata(), items.item_statistics()["item_rest_correlation"])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["item1", "item2", "item3", "item4"]
    assert "alpha" in axes.get_title()


def test_correlations_are_those_of_the_result(associations: ShareAssociations) -> None:
    table = associations.tidy()
    table = table[table["kind"] == "spearman_change"]
    axes = plot_associations(associations)
    np.testing.assert_allclose(points(axes), table["estimate"])
    assert axes.get_xlabel().startswith("Spearman's r with wai sr minus ors")


# Dispatch


@pytest.mark.parametrize("name", ["outcome", "effects", "fit", "items", "associations"])
def test_every_result_draws_itself(request: pytest.FixtureRequest, name: str) -> None:
    result = request.getfixturevalue(name)
    assert plot(result).get_title() == result.plot().get_title()


def test_a_thing_without_a_picture_is_refused(sessions: pd.DataFrame) -> None:
    with pytest.raises(AllianceStatsError, match=r"no picture for a DataFrame(?s:.*)plot_shares"):
        plot(sessions)
