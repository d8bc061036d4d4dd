"""Pictures of courses and of therapists."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from alliance_stats.errors import DataError
from alliance_stats.plots import plot
from alliance_stats.plots.canvas import INKS
from alliance_stats.plots.growth import LOOKS, MOST_PATIENTS, plot_growth
from alliance_stats.plots.therapist_effects import plot_therapist_effects
from alliance_stats.process.growth import Growth, growth
from alliance_stats.process.growth_rows import MOST_GROUPS
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


def many(n: int, names: list[str] | None = None) -> Growth:
    """Return the courses of n patients with three ratings each, in groups by name."""
    rng = np.random.default_rng(3)
    patient = np.repeat(np.arange(n), 3)
    frame = pd.DataFrame({"patient": patient, "session": np.tile([1, 2, 3], n), "ors": rng.normal(20, 5, 3 * n)})
    asked = {"form": "linear", "random": ("patient",)}
    if names is None:
        return growth(frame, "ors", **asked)
    return growth(frame.assign(arm=[names[k % len(names)] for k in patient]), "ors", by="arm", **asked)


def legend_texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_every_group_that_can_be_compared_has_a_look_of_its_own() -> None:
    assert len(LOOKS) >= MOST_GROUPS
    for part in (lambda look: look.color, lambda look: look.marker):
        assert len({part(look) for look in LOOKS}) == len(LOOKS)
    axes = many(80, [f"g{k}" for k in range(8)]).plot()
    curves = [line for line in axes.lines if len(line.get_xdata()) > 2]
    drawn = [(line.get_color(), line.get_marker(), line.get_linestyle()) for line in curves]
    assert drawn == [(look.color, look.marker, look.line) for look in LOOKS[:8]]


@pytest.mark.parametrize("n_groups", [2, 8])
def test_a_legend_of_long_names_is_no_wider_than_the_axes(n_groups: int) -> None:
    axes = many(
        80, [f"group {k} of a trial with long names for its {100 * 'very '} long arms" for k in range(n_groups)]
    ).plot()
    axes.figure.canvas.draw()
    assert axes.get_legend().get_window_extent().width <= axes.get_window_extent().width
    texts = legend_texts(axes)
    assert all(len(line) <= 40 for text in texts for line in text.split("\n"))
    assert texts[0].endswith("… (n = 10)" if n_groups == 8 else "… (n = 40)")


def test_names_that_look_the_same_when_short_are_numbered() -> None:
    texts = legend_texts(many(40, [f"{100 * 'very '} long {k}" for k in range(2)]).plot())
    assert [text.split(".")[0] for text in texts] == ["1", "2"]
    assert legend_texts(many(40, ["a_1$", "b$x$"]).plot()) == [r"arm: a_1\$ (n = 20)", r"arm: b\$x\$ (n = 20)"]


def test_a_high_legend_stands_below_the_axes() -> None:
    for n_groups, below in ((2, False), (8, True)):
        axes = many(80, [f"{k} with a name that takes two lines" for k in range(n_groups)]).plot()
        axes.figure.canvas.draw()
        legend, frame = axes.get_legend().get_window_extent(), axes.get_window_extent()
        assert bool(legend.y1 < frame.y0) is below


def test_of_many_patients_a_part_is_drawn_that_ids_do_not_decide() -> None:
    result = many(700, ["a", "b"])
    axes = result.plot()
    assert axes.get_title().endswith(f"N = 2100 ratings of 700 patients, {MOST_PATIENTS} of them drawn")
    faint = [item for item in axes.collections if isinstance(item, LineCollection)]
    sizes = [len(item.get_segments()) for item in faint]
    assert sum(sizes) == MOST_PATIENTS
    assert abs(sizes[0] - sizes[1]) <= 2
    rows = result.model.data.rows
    other = (
        rows.assign(patient="x" + rows["patient"].astype(str))
        .sample(frac=1, random_state=2)
        .drop(columns="elapsed", errors="ignore")
    )
    again = growth(
        other.assign(arm=other["arm"].astype(str)), "ors", form="linear", by="arm", random=("patient",)
    ).plot()
    pair = zip(faint, [item for item in again.collections if isinstance(item, LineCollection)], strict=True)
    for ours, theirs in pair:
        np.testing.assert_array_equal(ours.get_segments(), theirs.get_segments())


def test_all_of_few_patients_are_drawn() -> None:
    axes = many(MOST_PATIENTS).plot()
    assert "drawn" not in axes.get_title()
    faint = [item for item in axes.collections if isinstance(item, LineCollection)]
    assert len(faint[0].get_segments()) == MOST_PATIENTS


def test_the_band_has_the_level_of_the_result(sessions: pd.DataFrame) -> None:
    result = growth(sessions, "ors", form="linear", level=0.5)
    assert "band: 50% interval" in result.plot().get_ylabel()
    assert "band: 90% interval" in plot_growth(result, level=0.9).get_ylabel()


def test_patients_is_true_or_false(course: Growth) -> None:
    with pytest.raises(DataError, match="patients is True or False"):
        plot_growth(course, patients="some")  # type: ignore[arg-type]


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


def test_a_variance_of_zero_is_no_certainty() -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"patient": range(40), "therapist": np.arange(40) % 2, "ors": rng.normal(size=40)})
    frame["ors"] -= frame.groupby("therapist")["ors"].transform("mean")
    axes = therapist_effects(frame, "ors").plot()
    assert "variance estimated at zero: therapists cannot be told apart" in axes.get_title()
    assert legend_texts(axes) == ["no interval"]
    marks = [line for line in axes.lines if line.get_linestyle() == "None"]
    assert [line.get_markerfacecolor() for line in marks] == ["none", "none"]
    assert not [
        line for line in axes.lines if len(line.get_xdata()) == 2 and line.get_xdata()[0] == line.get_xdata()[1]
    ]
    assert axes.get_xlabel() == "Therapist, numbered by plain mean (1: lowest values)"


def test_an_unknown_model_is_named(therapists: TherapistEffects) -> None:
    with pytest.raises(DataError, match="No model 'adjusted'"):
        plot_therapist_effects(therapists, model="adjusted")
    with pytest.raises(DataError, match="No term"):
        plot_therapist_effects(therapists, term=["mean"])  # type: ignore[arg-type]
