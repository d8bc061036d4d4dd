"""Histograms of bootstrap draws."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.patches import StepPatch

from alliance_stats import lmm
from alliance_stats.inference.bootstrap import Bootstrap, parametric_bootstrap
from alliance_stats.plots import plot
from alliance_stats.plots.bootstrap import N_BINS


@pytest.fixture(scope="module")
def draws(sessions: pd.DataFrame) -> Bootstrap:
    fit = lmm("ors ~ wai_sr + session + (1 | patient)", sessions)
    return parametric_bootstrap(fit, 60, seed=1, progress=False)


def test_one_histogram_per_parameter_in_sds_around_the_estimate(draws: Bootstrap) -> None:
    axes = plot(draws)
    table = draws.tidy()
    steps = [patch for patch in axes.patches if isinstance(patch, StepPatch)]
    assert len(steps) == len(table)
    for row, patch in enumerate(steps):
        values, edges, _ = patch.get_data()
        scaled = (draws.draws[:, row] - table["estimate"][row]) / table["std_error"][row]
        counts, expected = np.histogram(scaled, bins=N_BINS)
        np.testing.assert_allclose(edges, expected)
        np.testing.assert_allclose((row - values) / (row - values).max(), counts / counts.max())


def test_the_lines_are_the_intervals(draws: Bootstrap) -> None:
    table = draws.tidy()
    lines = [line.get_xdata() for line in plot(draws).lines[1:]]
    expected = [(table[side] - table["estimate"]) / table["std_error"] for side in ("conf_low", "conf_high")]
    np.testing.assert_allclose(lines, np.transpose(expected))


def test_labels_carry_estimate_and_interval_and_the_title_the_counts(draws: Bootstrap) -> None:
    axes = plot(draws)
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert [label.split("\n")[0] for label in labels] == [
        "Intercept", "wai sr", "session", "SD of Intercept by patient", "residual SD",
    ]  # fmt: skip
    assert all("95% interval" in label for label in labels)
    assert "N = 60 replicates, 0 failed" in axes.get_title()


def test_given_axes_and_style_are_used(draws: Bootstrap) -> None:
    axes = pyplot.subplots()[1]
    assert draws.plot(ax=axes, alpha=0.2) is axes
    assert {patch.get_alpha() for patch in axes.patches} == {0.2}
