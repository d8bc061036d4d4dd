"""Effects of alliance and symptoms on each other."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import alliance_stats as al
from alliance_stats.errors import ColumnError, DataError, ModelError
from alliance_stats.process.cross_lagged import cross_lagged_model
from alliance_stats.process.dynamic_panel import dynamic_panel_columns, dynamic_panel_model
from alliance_stats.process.lagged_model import lagged_model
from alliance_stats.process.long_run import LaggedEffects, long_run_row
from alliance_stats.process.panel_likelihood import free_moments, moments, patterns_of
from alliance_stats.process.panel_table import PanelTable, panel_table
from alliance_stats.process.path_fit import fit_paths, scaled_ratings
from alliance_stats.process.path_model import PathModel
from alliance_stats.process.reciprocal import Reciprocal, reciprocal
from alliance_stats.result import COLUMNS

_spec = importlib.util.spec_from_file_location("panel_studies", Path(__file__).with_name("panel_studies.py"))
assert _spec is not None
assert _spec.loader is not None
studies = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(studies)

MODELS = ["multilevel", "ri_clpm", "dynamic_panel"]


def study(seed: int = 1, **options: Any) -> pd.DataFrame:
    frame: pd.DataFrame = studies.reciprocal_study(np.random.default_rng(seed), **options)
    return frame


def with_gaps(frame: pd.DataFrame, seed: int = 2) -> pd.DataFrame:
    """Return the frame with missing ratings and missing rows."""
    rng = np.random.default_rng(seed)
    gaps = frame.copy()
    gaps.loc[rng.random(len(gaps)) < 0.1, "alliance"] = np.nan
    gaps.loc[rng.random(len(gaps)) < 0.1, "symptom"] = np.nan
    return gaps.loc[rng.random(len(gaps)) > 0.1]


@pytest.fixture(scope="module")
def result() -> Reciprocal:
    return reciprocal(with_gaps(study()), "alliance", "symptom")


def estimates(result: Reciprocal, kind: str = "cross") -> pd.DataFrame:
    table = result.tidy()
    return table[table["kind"] == kind].set_index(["model", "outcome"])


def structural(panel: PanelTable) -> list[tuple[Any, Any]]:
    """Return autoregression and cross effect on the symptoms, with their covariance: RI-CLPM, then dynamic panel."""
    n = panel.n_waves
    both = scaled_ratings(np.hstack([panel.first, panel.second]), (0,) * n + (1,) * n)
    columns = scaled_ratings(dynamic_panel_columns(panel.second, panel.first), (0,) * (n - 1) + (1,) * n)
    found = []
    for ratings, model, names in (
        (both, cross_lagged_model(n, constant=True), ("2~2", "2~1")),
        (columns, dynamic_panel_model(n, columns.covariance, constant=True), ("y~y", "y~x")),
    ):
        fit = fit_paths(ratings, model, "model")
        places = [fit.position(name) for name in names]
        found.append((fit.theta[places], fit.covariance[np.ix_(places, places)]))
    return found


OWN, CROSS = studies.EFFECTS["own_symptom"], studies.EFFECTS["alliance_on_symptom"] * 6 / 2


def test_structural_models_recover_the_truth_where_the_multilevel_model_is_biased() -> None:
    draws = []
    for seed in range(40):
        panel = panel_table(study(seed, n_patients=300), "alliance", "symptom", 5)
        draws.append([lagged_model(panel, first_on_second=True).estimate, *(e for e, _ in structural(panel))])
    bias = np.mean(draws, axis=0) - [OWN, CROSS]
    error = np.std(draws, axis=0, ddof=1) / np.sqrt(len(draws))
    assert np.all(np.abs(bias[1:]) < 2.0 * error[1:])
    assert bias[0, 0] == pytest.approx(-(1 + OWN) / (5 - 2), abs=0.12)
    assert bias[0, 0] < -10 * error[0, 0]
    assert bias[0, 1] > 3 * error[0, 1]


def test_intervals_of_structural_models_cover_the_truth() -> None:
    inside = []
    for seed in range(100, 150):
        panel = panel_table(with_gaps(study(seed, n_patients=200), seed), "alliance", "symptom", 4)
        for estimate, covariance in structural(panel):
            inside.append(np.abs(estimate - [OWN, CROSS]) < 1.96 * np.sqrt(np.diag(covariance)))
    # 95 percent, give or take three Monte Carlo errors of 50 independent studies.
    assert 0.86 < np.mean(inside) < 1.0


@pytest.mark.parametrize("model", MODELS)
def test_the_long_run_effect_is_cross_over_one_minus_autoregression(result: Reciprocal, model: str) -> None:
    cross, own, long = (estimates(result, kind).loc[model] for kind in ("cross", "autoregression", "long_run"))
    np.testing.assert_allclose(long["estimate"], cross["estimate"] / (1 - own["estimate"]), rtol=1e-12)


def test_the_delta_error_of_a_long_run_effect_is_the_spread_of_its_draws() -> None:
    effects = LaggedEffects("ri_clpm", True, None, np.array([0.3, 0.5]), np.array([[1e-4, 4e-5], [4e-5, 4e-4]]), 100)
    draws = np.random.default_rng(1).multivariate_normal(effects.estimate, effects.covariance, 200_000)
    row = long_run_row(effects, 0.95, interval="delta", seed=None)
    assert row["std_error"] == pytest.approx(np.std(draws[:, 1] / (1 - draws[:, 0])), rel=0.01)
    simulated = long_run_row(effects, 0.95, interval="monte_carlo", seed=3)
    assert simulated["conf_low"] == pytest.approx(row["conf_low"], abs=0.003)
    assert simulated["conf_high"] == pytest.approx(row["conf_high"], abs=0.003)
    assert (simulated["conf_low"], simulated["conf_high"]) != (row["conf_low"], row["conf_high"])


def test_there_is_no_long_run_effect_without_a_return() -> None:
    effects = LaggedEffects("ri_clpm", True, None, np.array([1.1, 0.5]), np.eye(2), 100)
    assert np.isnan(long_run_row(effects, 0.95, interval="delta", seed=None)["estimate"])


def test_monte_carlo_intervals_repeat_with_their_seed_and_leave_estimates_alone(result: Reciprocal) -> None:
    frame = with_gaps(study())
    simulated = reciprocal(frame, "alliance", "symptom", interval="monte_carlo", seed=7)
    assert simulated.tidy().equals(simulated.tidy())
    pd.testing.assert_series_equal(simulated.tidy()["estimate"], result.tidy()["estimate"])
    long = simulated.tidy()["kind"] == "long_run"
    assert not np.allclose(simulated.tidy()["conf_low"][long], result.tidy()["conf_low"][long], rtol=1e-4)
    assert "20000 draws" in simulated.notes[-1]


def test_row_order_and_names_of_patients_change_nothing(result: Reciprocal) -> None:
    frame = with_gaps(study()).sample(frac=1, random_state=4)
    frame["patient"] = frame["patient"].map({name: 9000 - i for i, name in enumerate(frame["patient"].unique())})
    other = reciprocal(frame, "alliance", "symptom")
    columns = ["estimate", "std_error", "conf_low", "conf_high", "n", "std_estimate"]
    np.testing.assert_allclose(other.tidy()[columns], result.tidy()[columns], rtol=1e-6)


def test_units_scale_effects_and_leave_fit_and_standardised_effects_alone(result: Reciprocal) -> None:
    frame = with_gaps(study()).assign(
        alliance=lambda f: 10 * f["alliance"] - 3, symptom=lambda f: 100 - f["symptom"] / 7
    )
    other = reciprocal(frame, "alliance", "symptom")
    on_symptom, before = (estimates(r).xs("symptom", level="outcome") for r in (other, result))
    np.testing.assert_allclose(on_symptom["estimate"], -before["estimate"] / 70, rtol=1e-5)
    np.testing.assert_allclose(on_symptom["std_estimate"], -before["std_estimate"], rtol=1e-5)
    np.testing.assert_allclose(other.fit_indices()["chi2"], result.fit_indices()["chi2"], rtol=1e-6)
    lost = result.fit_indices()["log_likelihood"] - other.fit_indices()["log_likelihood"]
    kept = with_gaps(study())
    assert lost[0] == pytest.approx(
        kept["alliance"].count() * np.log(10) - kept["symptom"].count() * np.log(7), abs=1e-5
    )


def test_shuffled_sessions_have_no_lagged_effect_more_often_than_by_chance() -> None:
    rng = np.random.default_rng(8)
    frame, hits = study(3, n_patients=100, n_waves=6), []
    for _ in range(60):
        order = np.argsort(np.repeat(np.arange(100), 6) + rng.random(600))
        shuffled = frame.assign(
            alliance=frame["alliance"].to_numpy()[order], symptom=frame["symptom"].to_numpy()[order]
        )
        panel = panel_table(shuffled, "alliance", "symptom", 6)
        for estimate, covariance in structural(panel)[:1]:
            hits.append(abs(estimate[1]) > 1.96 * np.sqrt(covariance[1, 1]))
    # 60 tests at the 5 percent level: 10 or more would happen by chance less than once in a thousand.
    assert sum(hits) < 10
    estimate, covariance = structural(panel_table(frame, "alliance", "symptom", 6))[0]
    assert abs(estimate[1]) > 3 * np.sqrt(covariance[1, 1])


def test_a_missing_session_number_is_a_missing_wave_and_not_bridged() -> None:
    frame = study(n_waves=6)
    gap = frame[~((frame["session"] == 3) & (frame["patient"].str.endswith("1")))]
    panel = panel_table(gap, "alliance", "symptom", 6)
    assert panel.sessions == (1, 2, 3, 4, 5, 6)
    assert np.isnan(panel.first[1, 2])
    fourth = frame.loc[(frame["patient"] == "p1") & (frame["session"] == 4), "alliance"].iloc[0]
    assert panel.first[1, 3] == fourth
    # Rows of the multilevel model: of 5 per patient those of sessions 3 and 4 are lost to the gap.
    lost = int(frame["patient"].drop_duplicates().str.endswith("1").sum())
    assert lagged_model(panel, first_on_second=True).n == 5 * 250 - 2 * lost


def test_waves_choose_the_sessions_from_the_first_on() -> None:
    frame = study(n_waves=6).assign(session=lambda f: f["session"] + 2)
    result = reciprocal(frame, "alliance", "symptom", waves=4)
    assert result.sessions == (3, 4, 5, 6)
    assert result.tidy()["n"].unique().tolist() == [750, 250]
    early = reciprocal(frame[frame["session"] <= 6], "alliance", "symptom")
    pd.testing.assert_frame_equal(early.tidy(), result.tidy())


def test_the_default_uses_the_sessions_that_half_of_the_patients_reached() -> None:
    frame = study(n_waves=6)
    few = frame["patient"].str.len() == 2
    assert reciprocal(frame[(frame["session"] <= 4) | few], "alliance", "symptom").sessions == (1, 2, 3, 4)


def test_effects_of_each_session_have_a_row_each_and_no_long_run() -> None:
    result = reciprocal(study(), "alliance", "symptom", waves=4, effects="by_session")
    cross = estimates(result)
    assert cross.loc[("ri_clpm", "symptom"), "session"].tolist() == [2, 3, 4]
    assert estimates(result, "long_run").index.get_level_values("model").unique().tolist() == ["multilevel"]
    assert result.glance()["effects"].iloc[0] == "by_session"
    equal = reciprocal(study(), "alliance", "symptom", waves=4)
    gain = result.fit_indices()["log_likelihood"] - equal.fit_indices()["log_likelihood"]
    np.testing.assert_allclose(2 * gain, equal.fit_indices()["equal_chi2"], atol=1e-6)
    np.testing.assert_allclose(result.fit_indices()["equal_chi2"], equal.fit_indices()["equal_chi2"], atol=1e-6)


def test_three_sessions_fit_the_dynamic_panel_exactly_and_leave_its_test_out() -> None:
    result = reciprocal(study(n_patients=3000, n_waves=3), "alliance", "symptom")
    fits = result.fit_indices()
    assert fits["df"].tolist() == [5, 0, 0]
    assert fits["chi2"][1:].max() < 1e-6
    assert fits["equal_p_value"].isna().tolist() == [False, True, True]
    assert any("No test of equal effects" in note for note in result.notes)
    with pytest.raises(ModelError, match=r"parameters for 20 moments[^\n]*\nHint: use four or more sessions"):
        reciprocal(study(n_patients=3000, n_waves=3), "alliance", "symptom", effects="by_session")


def test_too_few_patients_in_late_sessions_leave_chi_square_out_and_say_so() -> None:
    frame = study(n_patients=400, n_waves=6)
    late = frame["patient"].isin([f"p{i}" for i in range(9)])
    result = reciprocal(frame[(frame["session"] <= 5) | late], "alliance", "symptom", waves=6)
    assert np.isnan(result.fit_indices()["chi2"]).all()
    assert np.isfinite(result.fit_indices()["log_likelihood"]).all()
    assert any("only 9 patients have both of some two ratings, of 12 in all" in note for note in result.notes)


def test_an_impossible_solution_is_announced() -> None:
    rng = np.random.default_rng(5)
    frame = study(n_patients=60, n_waves=4)
    # Ratings that alternate around zero leave less than nothing for stable differences.
    for name in ("alliance", "symptom"):
        wave = rng.normal(size=(60, 1)) * np.array([1.0, -1.0, 1.0, -1.0]) + rng.normal(size=(60, 4))
        frame[name] = (wave - wave.mean(axis=1, keepdims=True) * 0.9).ravel()
    with pytest.warns(al.AllianceStatsWarning, match="Impossible solution: .*random-intercept"):
        result = reciprocal(frame, "alliance", "symptom")
    assert any(note.startswith("Impossible solution") for note in result.notes)


def test_the_table_keeps_to_the_vocabulary(result: Reciprocal) -> None:
    table = result.tidy()
    known = [name for name in COLUMNS if name in table]
    assert list(table.columns) == [*known, "std_estimate", "session"]
    assert len(table) == 3 * 2 * 3
    row = table.iloc[0]
    assert (row["outcome"], row["predictor"], row["term"]) == ("symptom", "alliance", "alliance_lag1")
    assert table["conf_level"].unique().tolist() == [0.95]
    narrow = result.tidy(level=0.5)
    half = (narrow["conf_high"] - narrow["conf_low"]) / 2
    np.testing.assert_allclose(half, 0.6744897501960817 * narrow["std_error"], rtol=1e-9)
    with pytest.raises(DataError, match=r"level = 95.*\nHint: use 0\.95"):
        result.tidy(level=95)


def test_notes_tell_counts_and_the_bias(result: Reciprocal) -> None:
    text = " ".join(result.notes)
    assert "250 patients, sessions 1 to 5" in text
    gaps = with_gaps(study())
    missing = 2 * 250 * 5 - int(gaps["alliance"].count() + gaps["symptom"].count())
    assert f"{missing} of 2500 ratings are missing" in text
    assert "Nickell bias" in text
    assert "observed information" in text
    assert "p1" not in text.split()


@pytest.mark.parametrize(
    "model",
    [
        cross_lagged_model(4, constant=True),
        cross_lagged_model(3, constant=False),
        dynamic_panel_model(4, np.eye(7), constant=True),
    ],
)
def test_derivatives_of_a_path_model_are_those_of_differences(model: PathModel) -> None:
    rng = np.random.default_rng(3)
    theta = model.start + 0.05 * rng.normal(size=len(model.start))
    by_covariance, by_mean = model.slopes(model.implied(theta))
    weight = rng.normal(size=(model.n_observed, model.n_observed))
    weight, pull = weight + weight.T, rng.normal(size=model.n_observed)
    gradient = model.pulled_back(model.implied(theta), weight, pull)
    for position, unit in enumerate(np.eye(len(theta)) * 1e-6):
        above, below = model.implied(theta + unit), model.implied(theta - unit)
        np.testing.assert_allclose(by_covariance[position], (above.covariance - below.covariance) / 2e-6, atol=1e-8)
        np.testing.assert_allclose(by_mean[position], (above.mean - below.mean) / 2e-6, atol=1e-8)
        expected = np.sum(weight * by_covariance[position]) + pull @ by_mean[position]
        assert gradient[position] == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_the_likelihood_of_patterns_is_the_sum_over_patients() -> None:
    from scipy.stats import multivariate_normal

    rng = np.random.default_rng(6)
    ratings = rng.multivariate_normal(np.zeros(4), 0.5 + 0.5 * np.eye(4), 40)
    ratings[rng.random(ratings.shape) < 0.3] = np.nan
    covariance, mean = 0.4 + np.diag([0.8, 0.9, 1.0, 1.1]), np.array([0.1, 0.0, -0.2, 0.3])
    total = 0.0
    for row in ratings:
        seen = ~np.isnan(row)
        if seen.any():
            total += multivariate_normal.logpdf(row[seen], mean[seen], covariance[np.ix_(seen, seen)])
    at = moments(patterns_of(ratings), covariance, mean)
    assert at is not None
    assert at.deviance == pytest.approx(-2 * total, rel=1e-12)
    assert moments(patterns_of(ratings), covariance - 2 * np.eye(4), mean) is None


def test_free_moments_have_no_slope_left() -> None:
    rng = np.random.default_rng(7)
    ratings = rng.multivariate_normal(np.zeros(3), 0.5 + 0.5 * np.eye(3), 200)
    ratings[rng.random(ratings.shape) < 0.3] = np.nan
    patterns = patterns_of(ratings)
    free = free_moments(patterns)
    at = moments(patterns, free.covariance, free.mean)
    assert at is not None
    assert np.abs(at.by_covariance).max() < 1e-4
    assert np.abs(at.by_mean).max() < 1e-4


def one_session(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["session"] == 1]


def two_raters(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([frame.assign(rater="patient"), frame.assign(rater="therapist")])


BAD = [
    (one_session, {}, DataError, r"All 250 patients have one rated session.*\nHint: .*three or more sessions"),
    (
        lambda f: f[f["session"] <= 2],
        {},
        DataError,
        r"Too few sessions: half of the patients reached 2.*\nHint: use fewer",
    ),
    (lambda f: f, {"waves": 2}, ModelError, r"waves=2: the models need 3 or more.*\nHint: pass for example waves=5"),
    (lambda f: f, {"waves": 9}, DataError, r"run from 1 to 5, 5 in all; 9 are needed\.\nHint: use fewer sessions"),
    (
        two_raters,
        {},
        DataError,
        r"Column 'rater' has 2 raters.*\nHint: keep the rows of one rater, .*frame\['rater'\] == <one rater>",
    ),
    (
        lambda f: pd.concat([f, f]),
        {},
        DataError,
        r"1250 rows repeat the patient and session.*\nHint: remove the copies",
    ),
    (
        lambda f: f.assign(alliance=5.0),
        {},
        DataError,
        r"'alliance' is the same for all patients in 5 of 5 sessions.*\nHint: a rating",
    ),
    (
        lambda f: f.assign(alliance=f.groupby("patient")["alliance"].transform("first")),
        {},
        DataError,
        r"'alliance' does not vary within patients \(250 patients.*\nHint: .*lmm\(\)",
    ),
    (
        lambda f: f.assign(symptom=f["symptom"].where(f["session"] != 3)),
        {},
        DataError,
        r"Nobody has a rating of 'symptom' in session 3 .*\nHint: use fewer",
    ),
    (
        lambda f: f.assign(symptom=np.nan, alliance=np.nan),
        {},
        DataError,
        r"No row has a patient and a rating.*\nHint: check",
    ),
    (lambda f: f.assign(alliance=np.inf), {}, DataError, r"'alliance' has 1250 infinite values.*\nHint: mark"),
    (lambda f: f, {"effects": "equal"}, ModelError, r"No effects option 'equal'.*\nHint: "),
    (lambda f: f, {"interval": "boot"}, ModelError, r"No interval option 'boot'.*\nHint: "),
    (lambda f: f, {"interval": "monte_carlo"}, ModelError, r"need a seed.*\nHint: .*seed=1"),
    (lambda f: f.drop(columns="session"), {}, ColumnError, r"'session'.*\nHint: rename"),
]


@pytest.mark.parametrize(("change", "options", "error", "message"), BAD)
def test_what_cannot_be_answered_is_refused_with_the_way_out(
    change: Any, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        reciprocal(change(study()), "alliance", "symptom", **options)
    assert "p1" not in str(caught.value)


def test_one_column_cannot_be_both() -> None:
    with pytest.raises(ColumnError, match=r"'alliance' is named twice\.\nHint: pass two"):
        reciprocal(study(), "alliance", "alliance")
