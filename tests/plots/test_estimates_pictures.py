"""Pictures of marginal means, slopes, contrasts and Johnson-Neyman regions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes

from alliance_stats import lmm
from alliance_stats.errors import DataError
from alliance_stats.inference.contrasts import Contrasts, contrasts
from alliance_stats.inference.johnson_neyman import JohnsonNeyman, johnson_neyman
from alliance_stats.inference.marginal_means import MarginalMeans, marginal_means
from alliance_stats.inference.slopes import Slopes, slopes
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.plots import plot
from alliance_stats.plots.canvas import INKS


@pytest.fixture(scope="module")
def fit(sessions: pd.DataFrame) -> LmmFit:
    frame = sessions.assign(arm=np.where(np.arange(144) // 6 % 3 == 0, "full", "brief"), late=sessions["session"] > 3)
    return lmm("ors ~ arm * late + wai_sr * share_support + (1 | patient)", frame)


@pytest.fixture(scope="module")
def means(fit: LmmFit) -> MarginalMeans:
    return marginal_means(fit, "arm", at={"late": [False, True]})


@pytest.fixture(scope="module")
def pairs(means: MarginalMeans) -> Contrasts:
    return contrasts(means, adjust="tukey")


@pytest.fixture(scope="module")
def simple(fit: LmmFit) -> Slopes:
    return slopes(fit, "wai_sr", at={"share_support": "mean±sd"})


@pytest.fixture(scope="module")
def regions(fit: LmmFit) -> JohnsonNeyman:
    return johnson_neyman(fit, "wai_sr", moderator="share_support")


def intervals(axes: Axes, *, upright: bool) -> list[tuple[float, float]]:
    """Return the ends of the lines that are intervals."""
    found = []
    for line in axes.lines:
        across, along = (line.get_xdata(), line.get_ydata()) if upright else (line.get_ydata(), line.get_xdata())
        if len(along) == 2 and across[0] == across[1] and along[0] != along[1] and list(along) != [0, 1]:
            found.append((float(along[0]), float(along[1])))
    return found


def test_means_are_drawn_with_their_intervals(means: MarginalMeans) -> None:
    axes = plot(means, level=0.9)
    table = means.tidy(level=0.9)
    np.testing.assert_allclose(intervals(axes, upright=True), table[["conf_low", "conf_high"]])
    series = [line for line in axes.lines if line.get_linestyle() == ":"]
    np.testing.assert_allclose(np.concatenate([line.get_ydata() for line in series]), table["estimate"])
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["late: False", "late: True"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["brief", "full"]
    assert "90% interval" in axes.get_ylabel()


def test_means_of_one_factor_need_no_legend(fit: LmmFit) -> None:
    assert plot(marginal_means(fit, "arm")).get_legend() is None


def test_slopes_are_drawn_with_their_intervals_and_conditions(simple: Slopes) -> None:
    axes = plot(simple, level=0.8)
    np.testing.assert_allclose(intervals(axes, upright=False), simple.tidy(level=0.8)[["conf_low", "conf_high"]])
    assert [label.get_text() for label in axes.get_yticklabels()] == simple.tidy()["group"].tolist()
    assert "80% interval" in axes.get_xlabel()
    assert "wai sr" in axes.get_title()


def test_contrasts_have_adjusted_intervals_and_an_ink_per_condition(pairs: Contrasts) -> None:
    axes = plot(pairs)
    np.testing.assert_allclose(intervals(axes, upright=False), pairs.tidy()[["conf_low", "conf_high"]])
    assert "Tukey-Kramer" in axes.get_xlabel()
    markers = [line.get_marker() for line in axes.lines if line.get_linestyle() == "None"]
    assert markers == [INKS[0].marker, INKS[0].marker]


def test_the_curve_its_band_and_the_regions_are_drawn(regions: JohnsonNeyman) -> None:
    axes = plot(regions, level=0.5)
    curve, table = regions.tidy("curve", level=0.5), regions.tidy(level=0.5)
    slope = next(line for line in axes.lines if len(line.get_xdata()) == len(curve))
    np.testing.assert_allclose(slope.get_ydata(), curve["estimate"])
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert band.min() == pytest.approx(curve["conf_low"].min())
    assert band.max() == pytest.approx(curve["conf_high"].max())
    shaded = [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in axes.patches]
    clear = table[table["kind"] != "unclear"]
    assert len(clear) > 0
    np.testing.assert_allclose(shaded, clear[["low", "high"]])
    assert f"{clear['n'].sum()} in shaded regions" in axes.get_title()


@pytest.mark.parametrize("name", ["means", "pairs", "simple", "regions"])
def test_given_axes_and_style_are_used(name: str, request: pytest.FixtureRequest) -> None:
    axes = pyplot.subplots()[1]
    assert request.getfixturevalue(name).plot(ax=axes, color="#123456") is axes
    assert "#123456" in {line.get_color() for line in axes.lines}


def test_nothing_that_can_be_estimated_is_said(fit: LmmFit, sessions: pd.DataFrame) -> None:
    frame = sessions.assign(twice=2 * sessions["wai_sr"], arm=np.where(np.arange(144) < 72, "full", "brief"))
    other = lmm("ors ~ arm + wai_sr + twice + (1 | patient)", frame)
    for result in (marginal_means(other, "arm", at={"twice": 1}), slopes(other, "twice")):
        with pytest.raises(DataError, match=r"can be estimated(.|\n)*Hint: look at result.tidy"):
            plot(result)
