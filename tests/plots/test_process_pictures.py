"""Pictures of several models, of contextual differences, of instability and of early response."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

import alliance_stats as al
from alliance_stats.plots.canvas import INKS
from alliance_stats.plots.instability import plot_instability
from alliance_stats.process.alliance_outcome import AllianceOutcome, AllianceOutcomes, alliance_outcome
from alliance_stats.process.contextual import ContextualTest, contextual_test
from alliance_stats.process.criteria_overlap import compare_rupture_criteria
from alliance_stats.process.early_response import EarlyResponse, early_response
from alliance_stats.process.instability import Instability, instability
from alliance_stats.process.level_effects import LevelEffects
from alliance_stats.process.sudden_gains import sudden_gains
from alliance_stats.process.therapist_effects import therapist_effects

RANDOM = ("patient", "therapist")


@pytest.fixture(scope="module")
def scales(sessions: pd.DataFrame) -> AllianceOutcomes:
    frame = sessions.assign(bond=10 * sessions["wai_sr"] + sessions["share_support"])
    return alliance_outcome(frame, alliance=["wai_sr", "bond"], outcome="ors", lag=1, detrend=None, random=RANDOM)


@pytest.fixture(scope="module")
def trends(sessions: pd.DataFrame) -> AllianceOutcomes:
    return alliance_outcome(sessions, alliance="wai_sr", outcome="ors", lag=1, detrend=[None, "linear"], random=RANDOM)


@pytest.fixture(scope="module")
def unstable(sessions: pd.DataFrame) -> Instability:
    return instability(sessions.drop(index=[3, 30]), "wai_sr")


@pytest.fixture(scope="module")
def early(sessions: pd.DataFrame) -> EarlyResponse:
    return early_response(sessions, "ors", until=3)


@pytest.fixture(scope="module")
def contextual(effects: LevelEffects) -> ContextualTest:
    return contextual_test(effects)


def intervals(axes: Axes) -> np.ndarray:
    """Return the ends of the horizontal lines, shape (n, 2)."""
    ends = [np.asarray(line.get_xdata(), dtype=float) for line in axes.lines if len(line.get_xdata()) == 2]
    return np.array([own for own in ends if own[0] != own[1]])


def points(axes: Axes) -> list[float]:
    """Return x of the single markers."""
    return [float(line.get_xdata()[0]) for line in axes.lines if len(line.get_xdata()) == 1]


def labels(axes: Axes) -> list[str]:
    """Return the labels of the rows, from the top."""
    return [text.get_text() for text in axes.get_yticklabels()]


# Several models of alliance and outcome


def test_models_that_differ_in_the_trend_are_drawn_in_points_level_by_level(trends: AllianceOutcomes) -> None:
    axes = trends.plot()
    table = trends.tidy().query("predictor == 'wai_sr' and level in ['session', 'patient', 'therapist']")
    table = pd.concat([table[table["level"] == level] for level in ("session", "patient", "therapist")])
    np.testing.assert_allclose(points(axes), table["estimate"])
    np.testing.assert_allclose(intervals(axes), table[["conf_low", "conf_high"]])
    assert labels(axes) == [
        f"{level}: {trend}"
        for level in ("session", "patient", "therapist")
        for trend in ("as rated", "linear trend out")
    ]
    assert axes.get_xlabel() == "Slope: points of ors per unit of wai sr\n(line: 95% interval)"


def test_models_of_several_scales_are_drawn_in_standard_deviations(scales: AllianceOutcomes) -> None:
    axes = scales.plot()
    table = scales.by_level()
    table = pd.concat([table[table["level"] == level] for level in ("session", "patient", "therapist")])
    np.testing.assert_allclose(points(axes), table["std_estimate"])
    ratio = (table["std_estimate"] / table["estimate"]).to_numpy()
    np.testing.assert_allclose(intervals(axes), table[["conf_low", "conf_high"]].to_numpy() * ratio[:, None])
    assert labels(axes)[:2] == ["session: wai sr", "session: bond"]
    assert axes.get_xlabel().startswith("Slope: SDs of ors per SD of the scale")


def test_levels_of_several_models_stand_apart_in_place_colour_and_marker(scales: AllianceOutcomes) -> None:
    axes = scales.plot()
    np.testing.assert_allclose(np.diff(axes.get_yticks()), [1.0, 1.5, 1.0, 1.5, 1.0])
    marks = [line for line in axes.lines if len(line.get_xdata()) == 1]
    assert [line.get_marker() for line in marks] == [INKS[place].marker for place in (0, 0, 1, 1, 2, 2)]


def test_several_models_say_the_lag_and_the_sessions_of_the_smallest_and_largest(sessions: pd.DataFrame) -> None:
    frame = sessions.assign(bond=sessions["wai_sr"].where(sessions["session"] != 2))
    result = alliance_outcome(
        frame, alliance=["wai_sr", "bond"], outcome="ors", lag=1, detrend=[None, "linear"], random=RANDOM
    )
    axes = result.plot()
    low, high = (int(result.glance()[f"n_sessions_{end}"].iloc[0]) for end in ("min", "max"))
    assert low < high
    assert axes.get_title() == (
        f"ors, 1 session later: slope at each level\nN = {low} to {high} sessions, 24 patients, 6 therapists"
    )
    assert labels(axes)[:2] == ["session: wai sr, as rated", "session: wai sr, linear trend out"]


# Contextual differences


def test_contextual_differences_are_drawn_from_the_table(contextual: ContextualTest) -> None:
    axes = contextual.plot()
    table = contextual.tidy()
    np.testing.assert_allclose(points(axes), table["estimate"])
    np.testing.assert_allclose(intervals(axes), table[["conf_low", "conf_high"]])
    assert labels(axes) == [
        f"share {name}, {pair}"
        for name in ("support", "control")
        for pair in ("patient minus session", "therapist minus patient")
    ]
    np.testing.assert_allclose(np.diff(axes.get_yticks()), [1.0, 1.5, 1.0])
    assert axes.get_title().endswith("N = 144 rows, observed means")


def test_a_contextual_difference_of_one_predictor_names_it_in_the_unit(outcome: AllianceOutcome) -> None:
    axes = contextual_test(outcome).plot()
    assert labels(axes) == ["patient minus session", "therapist minus patient"]
    assert "points of ors per unit of wai sr\n(line: 95% interval)" in axes.get_xlabel()


# Instability


def test_each_patient_is_a_dot_at_spread_and_jump(unstable: Instability) -> None:
    axes = unstable.plot()
    values = unstable.values()
    np.testing.assert_allclose(axes.collections[0].get_offsets(), values[["sd", "rmssd"]])
    assert axes.get_title() == "Instability of wai sr\nN = 24 patients, 117 pairs of neighbouring sessions"


def test_patients_without_neighbouring_sessions_have_no_dot(sessions: pd.DataFrame) -> None:
    gone = (sessions["patient"] == "patient-3") & (sessions["session"] % 2 == 0)
    axes = instability(sessions[~gone], "wai_sr").plot()
    assert len(axes.collections[0].get_offsets()) == 23
    assert "N = 23 patients" in axes.get_title()


def test_the_line_is_where_a_patient_lies_whose_ratings_are_independent(unstable: Instability) -> None:
    line = next(line for line in unstable.plot().lines if line.get_linestyle() == "--")
    spread, jump = np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)
    ratings = np.random.default_rng(3).normal(size=40_000)
    many = pd.DataFrame(
        {"patient": np.repeat(np.arange(800), 50), "session": np.tile(np.arange(50), 800), "wai": ratings}
    )
    squares = (instability(many, "wai").values()[["sd", "rmssd"]] ** 2).mean()
    assert jump[1] / spread[1] == pytest.approx(np.sqrt(squares["rmssd"] / squares["sd"]), rel=0.02)
    assert spread[0] == jump[0] == 0


def test_the_cross_is_the_mean_with_its_intervals(unstable: Instability) -> None:
    axes = unstable.plot()
    table = unstable.tidy().set_index("term")
    across, upright = [line for line in axes.lines if line.get_linestyle() == "-"]
    np.testing.assert_allclose(across.get_xdata(), table.loc["sd", ["conf_low", "conf_high"]].to_numpy(float))
    np.testing.assert_allclose(upright.get_ydata(), table.loc["rmssd", ["conf_low", "conf_high"]].to_numpy(float))
    middle = next(line for line in axes.lines if line.get_marker() == INKS[0].marker)
    assert middle.get_xydata()[0].tolist() == table.loc[["sd", "rmssd"], "estimate"].tolist()
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert texts[0] == "one patient"
    assert texts[-1] == "mean over patients (lines: 95% interval)"


# Early response


def test_early_change_and_start_are_drawn_in_the_same_unit(early: EarlyResponse) -> None:
    axes = early.plot()
    table = early.tidy().set_index("term").loc[["early_slope", "early_start"]]
    spread = early.patients[["early_slope", "early_start"]].std().to_numpy() / early.patients["later_mean"].std()
    np.testing.assert_allclose(points(axes), table["estimate"] * spread)
    np.testing.assert_allclose(intervals(axes), table[["conf_low", "conf_high"]].to_numpy() * spread[:, None])
    assert labels(axes) == ["early change, up to 3", "level at the start"]
    assert "N = 72 later ratings of 24 patients" in axes.get_title()
    assert "SDs of mean later ors per SD, both between patients\n(line: 95% interval)" in axes.get_xlabel()


# All of them


@pytest.mark.parametrize("name", ["scales", "contextual", "unstable", "early"])
def test_given_axes_and_style_are_used_and_no_id_is_shown(name: str, request: pytest.FixtureRequest) -> None:
    axes = pyplot.subplots()[1]
    assert request.getfixturevalue(name).plot(ax=axes, color="#123456") is axes
    drawn = {to_hex(line.get_color()) for line in axes.lines}
    drawn |= {to_hex(color) for own in axes.collections for color in own.get_facecolor()[:, :3]}
    assert "#123456" in drawn
    axes.figure.canvas.draw()
    shown = "\n".join(text.get_text() for text in axes.figure.findobj(pyplot.Text))
    assert "patient-" not in shown
    assert "therapist-" not in shown


def test_the_dots_take_the_style(unstable: Instability) -> None:
    assert plot_instability(unstable, s=50.0).collections[0].get_sizes().tolist() == [50.0]


def test_a_review_has_no_picture_and_says_where_to_read_it(outcome: AllianceOutcome) -> None:
    with pytest.raises(
        al.AllianceStatsError, match=r"no picture for a MethodsReview(?s:.*)read its tidy\(\) and notes"
    ):
        al.review(outcome).plot()


def test_long_labels_widen_a_new_figure(effects: LevelEffects, outcome: AllianceOutcome) -> None:
    narrow, wide = (result.plot().figure.get_size_inches()[0] for result in (outcome, effects))
    assert narrow == pytest.approx(6.4)
    assert wide == pytest.approx(6.4 + 4 * 0.065)


# Words on pictures that stand elsewhere


def test_the_scatter_of_a_lagged_result_says_the_lag(outcome: AllianceOutcome, effects: LevelEffects) -> None:
    assert al.plot_within_between(outcome).get_title().startswith("wai sr and ors 1 session later, within")
    assert "later" not in al.plot_within_between(effects).get_title()


@pytest.mark.parametrize(
    ("direction", "first"),
    [(None, "lowest values"), ("higher_is_better", "best values"), ("higher_is_worse", "best values")],
)
def test_the_caterpillar_says_what_rank_one_is(sessions: pd.DataFrame, direction: str | None, first: str) -> None:
    axes = therapist_effects(sessions, "ors", direction=direction).plot()  # type: ignore[arg-type]
    assert axes.get_xlabel() == f"Therapist, numbered by rank (1: {first})"


def test_the_caterpillar_names_its_two_kinds_of_therapists(sessions: pd.DataFrame) -> None:
    result = therapist_effects(
        sessions.assign(ors=sessions["ors"] + 3 * (sessions["therapist"] == "therapist-2")), "ors"
    )
    table = result.estimates()
    apart = (table["conf_low"] > 0) | (table["conf_high"] < 0)
    legend = result.plot().get_legend()
    names = {
        text.get_text(): line.get_marker() for text, line in zip(legend.get_texts(), legend.get_lines(), strict=True)
    }
    expected = {"interval leaves out the average": INKS[1].marker} if apart.any() else {}
    assert names == expected | ({"interval holds the average": INKS[0].marker} if not apart.all() else {})


def test_sudden_gains_say_which_way_is_better(sessions: pd.DataFrame) -> None:
    frame = sessions.assign(symptoms=30 - 5 * (sessions["session"] > 3) + 0.2 * sessions["wai_sr"])
    result = sudden_gains(frame, "symptoms", cutoff=3, criterion="gaynor", direction="higher_is_worse")
    assert result.plot().get_ylabel() == "symptoms, points (higher is worse)"


def test_kappas_have_no_negative_zero_and_counts_say_of_how_many(sessions: pd.DataFrame) -> None:
    result = compare_rupture_criteria(sessions, alliance="wai_sr", repair=1.0)
    shown = [text.get_text() for text in result.plot().texts]
    shares = result.tidy().query("level == 'session' and kind == 'share'")
    assert "-0.00" not in shown
    assert "\N{MINUS SIGN}0.00" not in shown
    counts = [f"n = {found:.0f} of {judged}" for found, judged in zip(shares["n_found"], shares["n"], strict=True)]
    drawn = [f"{text} {below}" for text, below in pairwise(shown) if below.startswith("of ")]
    assert drawn == counts
