"""Pictures of ruptures, sudden gains, criteria side by side and synchrony."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import alliance_stats as al
from alliance_stats.plots.canvas import words
from alliance_stats.plots.criteria_overlap import plot_criteria_overlap
from alliance_stats.plots.ruptures import plot_ruptures
from alliance_stats.plots.sudden_gains import plot_gain_contrast, plot_sudden_gains
from alliance_stats.plots.synchrony import plot_synchrony


@pytest.fixture(scope="module")
def ratings() -> pd.DataFrame:
    """Return ratings of 40 patients in ten sessions, the second column another one."""
    rng = np.random.default_rng(8)
    patient, session = np.divmod(np.arange(400), 10)
    values = 30 + 5 * rng.standard_normal((400, 2))
    return pd.DataFrame({"patient": patient, "session": session + 1, "score": values[:, 0], "other": values[:, 1]})


def gains(frame: pd.DataFrame, cutoff: float = 3.0, column: str = "score") -> al.SuddenGains:
    return al.sudden_gains(frame, column, cutoff=cutoff, criterion="gaynor", direction="higher_is_worse")


def test_the_line_of_ruptures_breaks_where_no_rating_could_be_judged(ratings: pd.DataFrame) -> None:
    result = al.ruptures(ratings[ratings["session"] != 5], alliance="score", criterion="own_sd_step", repair=1.0)
    axes = plot_ruptures(result, level=0.8)
    line = axes.containers[0].lines[0]
    table = result.tidy(level=0.8).query("term == 'onset'").set_index("session")
    assert line.get_xdata().tolist() == list(range(2, 11))
    drawn = dict(zip(line.get_xdata(), line.get_ydata(), strict=True))
    # neither session 5, which is missing, nor session 6, which has none before it
    assert [session for session, share in drawn.items() if np.isnan(share)] == [5, 6]
    assert [drawn[session] for session in table.index] == pytest.approx(table["estimate"].tolist())
    ends = axes.containers[0].lines[2][0].get_segments()
    assert ends[0][:, 1] == pytest.approx(table.loc[2, ["conf_low", "conf_high"]].to_numpy(float))
    assert "80% interval" in axes.get_ylabel()
    assert "of 40 patients judged" in axes.get_title()


def test_a_picture_without_sudden_gains_says_so(ratings: pd.DataFrame) -> None:
    result = gains(ratings, cutoff=60.0)
    axes = plot_sudden_gains(result)
    judged = result.glance()["n_intervals_judged"].iloc[0]
    assert [text.get_text() for text in axes.texts] == [f"No sudden gain in {judged} intervals judged"]
    assert axes.get_legend() is None
    axes.figure.canvas.draw()
    assert plot_sudden_gains(gains(ratings)).texts[:] == []


def test_intervals_around_gains_have_the_level_asked_for(ratings: pd.DataFrame) -> None:
    result = gains(ratings)
    axes = plot_sudden_gains(result, level=0.5)
    table = result.tidy(level=0.5).query("term == 'score' and kind == 'gain'").set_index("category")
    segment = axes.containers[0].lines[2][0].get_segments()[2]
    assert segment[:, 1] == pytest.approx(table.loc["n", ["conf_low", "conf_high"]].to_numpy(float))
    assert "mean, 50% interval" in [text.get_text() for text in axes.get_legend().get_texts()]
    contrast = al.around_gains(result, ratings, column="other")
    axes = plot_gain_contrast(contrast, level=0.5)
    table = contrast.tidy(level=0.5).query("term == 'score' and group == 'gain'").set_index("category")
    segment = axes.containers[0].lines[2][0].get_segments()[2]
    assert segment[:, 1] == pytest.approx(table.loc["n", ["conf_low", "conf_high"]].to_numpy(float))
    assert axes.get_ylabel() == "other, points (mean, 50% interval)"


def test_kappas_that_cannot_be_estimated_are_said_to_be_so(ratings: pd.DataFrame) -> None:
    criteria = ["own_sd_step", "gumz_1sd", "control_chart"]
    calm = ratings.assign(score=30 + 0.01 * ratings["score"])
    result = al.compare_rupture_criteria(calm, alliance="score", repair=1.0, criteria=criteria)
    rows = result.tidy().query("level == 'session' and kind == 'kappa'")
    missing = int(rows["estimate"].isna().sum())
    assert missing > 0
    shown = [text.get_text() for text in plot_criteria_overlap(result).texts]
    assert shown.count("not\nestimable") == missing
    assert len([text for text in shown if text.replace("\N{MINUS SIGN}", "").replace(".", "").isdigit()]) == 3 - missing


def test_synchrony_calls_units_by_their_column_and_takes_a_level(ratings: pd.DataFrame) -> None:
    result = al.synchrony(
        ratings, ("score", "other"), window=5, lag_max=1, by="patient", surrogates=al.Surrogates(n=19)
    )
    axes = plot_synchrony(result, level=0.5)
    assert "N = 40 patients, windows of 5 steps" in axes.get_title()
    table = result.tidy(level=0.5).query("term == 'z_at_lag'").sort_values("lag")
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == pytest.approx((table["conf_low"].min(), table["conf_high"].max()))
    assert "true windows, 50% interval" in [text.get_text() for text in axes.get_legend().get_texts()]


def test_dollar_signs_in_names_are_no_formulas(ratings: pd.DataFrame) -> None:
    frame = ratings.rename(columns={"score": "cost_$x_1$"})
    axes = gains(frame, column="cost_$x_1$").plot()
    assert axes.get_ylabel().startswith(r"cost \$x 1\$, points")
    assert words("price_$") == r"price \$"
    from matplotlib.cbook import is_math_text

    assert not is_math_text(axes.get_ylabel())
    axes.figure.canvas.draw()
