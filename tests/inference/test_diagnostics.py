"""Checks of a fitted mixed model: what they must satisfy, and what they must not show."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2, norm

from alliance_stats import ar1, diagnose, lmm, variance_by
from alliance_stats.errors import ModelError
from alliance_stats.inference import influence
from alliance_stats.inference.diagnostics import PARTS, Diagnostics
from alliance_stats.inference.influence import conditional_residuals, precision
from alliance_stats.inference.residuals import equal_parts, quantile_table, scaled_effects, spread_table
from alliance_stats.inference.rowblocks import fixed_columns, row_blocks, stacked
from alliance_stats.mixed.fit import LmmFit

CANARY = "ZZ-secret-"
FORMULA = "distress ~ session + alliance + (1 + session | patient) + (1 | therapist)"


@pytest.fixture(scope="module")
def sessions() -> pd.DataFrame:
    rng = np.random.default_rng(21)
    patient = np.repeat(np.arange(40), rng.integers(3, 8, 40))
    n = patient.size
    rows = pd.DataFrame(
        {"patient": [f"{CANARY}{i}" for i in patient], "therapist": [f"{CANARY}T{i % 8}" for i in patient]}
    )
    rows["session"] = np.concatenate([np.arange(1.0, c + 1) for c in np.bincount(patient)])
    rows["alliance"] = rng.normal(4, 1, n)
    rows["role"] = rng.choice(["client", "partner"], n)
    rows["weight"] = rng.uniform(0.5, 2, n)
    noise = 2 * rng.normal(size=40)[patient] + 0.4 * rng.normal(size=40)[patient] * rows["session"]
    rows["distress"] = (
        20 - rows["session"] - rows["alliance"] + noise + rng.normal(size=8)[patient % 8] + rng.normal(size=n)
    )
    return rows


@pytest.fixture(scope="module")
def fit(sessions: pd.DataFrame) -> LmmFit:
    return lmm(FORMULA, sessions)


@pytest.fixture(scope="module")
def checks(fit: LmmFit) -> Diagnostics:
    return diagnose(fit)


@pytest.fixture(scope="module")
def structured(sessions: pd.DataFrame) -> LmmFit:
    structure = variance_by("role") + ar1("session", by="patient")
    return lmm(
        "distress ~ session + alliance + (1 | patient) + (1 | therapist)",
        sessions,
        weights="weight",
        residual=structure,
    )


def dense(fit: LmmFit) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return X, V and P = V^-1 - V^-1 X (X'V^-1 X)^-1 X'V^-1 of all rows."""
    v = np.zeros((fit.n_obs, fit.n_obs))
    for block in row_blocks(fit):
        v[np.ix_(block.rows, block.rows)] = block.covariance
    x, inverse = fixed_columns(fit), np.linalg.inv(v)
    return x, v, inverse - inverse @ x @ np.linalg.solve(x.T @ inverse @ x, x.T @ inverse)


@pytest.mark.parametrize("group", ["patient", "therapist"])
def test_with_a_residual_structure_levels_are_left_out_exactly(structured: LmmFit, group: str) -> None:
    checks = diagnose(structured)
    x, v, _ = dense(structured)
    grouping = next(g for g in structured.design.groupings if g.name == group)
    table = checks.tidy("coefficients").query("group == @group").set_index("level")
    by_label = checks.influence(group).set_index("label")
    for code, label in enumerate(grouping.labels):
        keep = grouping.codes != code
        inverse = np.linalg.inv(v[np.ix_(keep, keep)])
        covariance = np.linalg.inv(x[keep].T @ inverse @ x[keep])
        beta = covariance @ x[keep].T @ inverse @ structured.design.y[keep]
        own = table.loc[by_label.loc[label, "level"]]
        np.testing.assert_allclose(own["estimate"], beta, rtol=1e-8)
        np.testing.assert_allclose(own["std_error"], np.sqrt(np.diagonal(covariance)), rtol=1e-8)


def test_with_a_residual_structure_residuals_are_scaled_by_the_model(structured: LmmFit) -> None:
    table = diagnose(structured).tidy("residuals")
    x, v, p = dense(structured)
    marginal = structured.design.y - x @ structured.fixed_effects.to_numpy()
    inverse = np.linalg.inv(v)
    hat = x @ np.linalg.solve(x.T @ inverse @ x, x.T)
    np.testing.assert_allclose(table["residual"], structured.residuals(), atol=1e-9)
    np.testing.assert_allclose(table["marginal"], marginal, atol=1e-9)
    np.testing.assert_allclose(table["scaled_marginal"], marginal / np.sqrt(np.diagonal(v - hat)), rtol=1e-8)
    assert table["leverage"].sum() == pytest.approx(3, rel=1e-9)
    # the trace of the hat matrix I - R P does not depend on the rows being made independent
    r = np.zeros_like(v)
    for code in np.unique(structured.design.groupings[0].codes):
        rows = np.flatnonzero(structured.design.groupings[0].codes == code)
        r[np.ix_(rows, rows)] = structured.residual_covariance(rows)
    assert table["hat"].sum() == pytest.approx(structured.n_obs - np.trace(r @ p), rel=1e-9)


@pytest.mark.parametrize("kind", ["plain", "weighted", "structured"])
def test_scaled_effects_are_predicted_effects_over_their_model_standard_deviation(
    sessions: pd.DataFrame, structured: LmmFit, kind: str
) -> None:
    fit = (
        structured if kind == "structured" else lmm(FORMULA, sessions, weights="weight" if kind == "weighted" else None)
    )
    _, _, p = dense(fit)
    found = scaled_effects(fit, precision(fit))
    for term, factor in zip(fit.design.terms, fit.term_factors, strict=True):
        g = fit.sigma**2 * factor @ factor.T
        z = stacked(term.columns, fit.n_obs)
        for code in range(len(term.grouping.labels)):
            own = (z * (term.grouping.codes == code)[:, None]) @ g
            mode, spread = own.T @ p @ fit.design.y, np.sqrt(np.diagonal(own.T @ p @ own))
            for j, name in enumerate(term.names):
                assert found[term.grouping.name, name][code] == pytest.approx(mode[j] / spread[j], rel=1e-6, abs=1e-8)


def test_leverages_of_levels_add_up_to_the_number_of_coefficients(checks: Diagnostics) -> None:
    sums = checks.tidy().groupby("group")["leverage"].sum()
    np.testing.assert_allclose(sums, 3.0, rtol=1e-9)


def test_conditional_residuals_are_those_of_the_fit(fit: LmmFit) -> None:
    np.testing.assert_allclose(conditional_residuals(fit, precision(fit)), fit.residuals(), atol=1e-9)


def test_levels_are_numbered_by_cooks_distance_within_each_factor(checks: Diagnostics) -> None:
    for _, own in checks.tidy().groupby("group"):
        assert own["level"].tolist() == list(range(1, len(own) + 1))
        assert own["cooks_distance"].is_monotonic_decreasing
        np.testing.assert_allclose(own["flag_above"], 4 / len(own))
        assert own["flagged"].tolist() == (own["cooks_distance"] > 4 / len(own)).tolist()
    pd.testing.assert_frame_equal(checks.tidy("flagged"), checks.tidy().query("flagged").reset_index(drop=True))


def test_the_level_that_was_made_odd_is_the_first_and_is_flagged(sessions: pd.DataFrame) -> None:
    odd = sessions["therapist"] == f"{CANARY}T5"
    rows = sessions.assign(distress=sessions["distress"] + 12 * odd * (sessions["alliance"] - 4))
    table = diagnose(lmm("distress ~ session + alliance + (1 | patient) + (1 | therapist)", rows)).influence(
        "therapist"
    )
    assert table["label"].iloc[0] == f"{CANARY}T5"
    assert table["flagged"].tolist()[:2] == [True, False]
    assert table["term"].iloc[0] == "alliance"
    assert table["dfbetas"].iloc[0] < -1


def test_the_largest_change_is_the_one_of_the_coefficients_table(checks: Diagnostics) -> None:
    table = checks.tidy("coefficients").set_index(["group", "level"])
    for row in checks.tidy().itertuples():
        own = table.loc[(row.group, row.level)].set_index("term")["dfbetas"]
        assert own.abs().idxmax() == row.term
        assert own[row.term] == row.dfbetas


def test_changes_and_intervals_of_coefficients_follow_from_the_estimates(fit: LmmFit) -> None:
    table = diagnose(fit, level=0.8).tidy("coefficients")
    whole = table["term"].map(fit.fixed_effects)
    spread = table["term"].map(pd.Series(np.sqrt(np.diagonal(fit.fixed_covariance)), index=fit.fixed_effects.index))
    np.testing.assert_allclose(table["change"], table["estimate"] - whole, atol=1e-12)
    np.testing.assert_allclose(table["change_whole"], table["change"] / spread, atol=1e-12)
    np.testing.assert_allclose(table["dfbetas"], table["change"] / table["std_error"], atol=1e-12)
    np.testing.assert_allclose(
        table["conf_high"] - table["conf_low"], 2 * norm.ppf(0.9) * table["std_error"], rtol=1e-12
    )
    assert set(table["conf_level"]) == {0.8}


def test_the_order_of_rows_does_not_matter(sessions: pd.DataFrame, checks: Diagnostics) -> None:
    other = diagnose(lmm(FORMULA, sessions.sample(frac=1, random_state=1)))
    for part in ("levels", "coefficients", "spread", "quantiles", "tests"):
        pd.testing.assert_frame_equal(other.tidy(part), checks.tidy(part), rtol=1e-5, atol=1e-7)


def test_the_unit_of_the_outcome_does_not_matter(sessions: pd.DataFrame, checks: Diagnostics) -> None:
    other = diagnose(lmm(FORMULA, sessions.assign(distress=1e4 * sessions["distress"] - 7)))
    pd.testing.assert_frame_equal(other.tidy(), checks.tidy(), rtol=1e-5)
    np.testing.assert_allclose(other.tidy("residuals")["scaled"], checks.tidy("residuals")["scaled"], atol=1e-6)


def test_crossed_factors_are_left_out_exactly_too(sessions: pd.DataFrame) -> None:
    rows = sessions.assign(rater=np.arange(len(sessions)) % 5)
    fit = lmm("distress ~ session + alliance + (1 | patient) + (1 | rater)", rows)
    x, v, _ = dense(fit)
    checks = diagnose(fit, groups=["rater"])
    label = checks.influence("rater")["label"].iloc[0]
    keep = rows["rater"].to_numpy() != label
    inverse = np.linalg.inv(v[np.ix_(keep, keep)])
    beta = np.linalg.solve(x[keep].T @ inverse @ x[keep], x[keep].T @ inverse @ fit.design.y[keep])
    np.testing.assert_allclose(checks.tidy("coefficients")["estimate"].iloc[:3], beta, rtol=1e-9)


@pytest.mark.parametrize("refit", [False, True])
def test_a_level_that_a_coefficient_rests_on_has_an_infinite_distance(sessions: pd.DataFrame, refit: bool) -> None:
    rows = sessions.assign(special=(sessions["therapist"] == f"{CANARY}T2") * 1.0)
    fit = lmm("distress ~ session + special + (1 | patient) + (1 | therapist)", rows)
    checks = diagnose(fit, groups=["therapist"], refit=refit, progress=False)
    table = checks.influence("therapist")
    assert table["label"].iloc[0] == f"{CANARY}T2"
    assert np.isinf(table["cooks_distance"].iloc[0])
    assert np.isfinite(table["cooks_distance"].iloc[1:]).all()
    assert table["term"].iloc[0] == ""
    assert checks.tidy("coefficients").query("level == 1")["estimate"].isna().all()
    assert any("without 1 of the levels some coefficient cannot be estimated" in note for note in checks.notes)


def test_levels_without_which_the_model_cannot_be_fitted_stand_last_and_are_counted(sessions: pd.DataFrame) -> None:
    rows = sessions.assign(site=(sessions["patient"] == f"{CANARY}7") * 1)
    fit = lmm("distress ~ session + (1 | patient) + (1 | site)", rows)
    checks = diagnose(fit, refit=True, progress=False)
    sites = checks.tidy().query("group == 'site'")
    assert sites["cooks_distance"].isna().all()
    assert not sites["flagged"].any()
    patients = checks.influence("patient")
    assert patients["cooks_distance"].isna().tolist() == [False] * 39 + [True]
    assert patients["label"].iloc[-1] == f"{CANARY}7"
    assert any(note.startswith("site: the model could not be fitted without 2 of the levels") for note in checks.notes)


def test_refits_estimate_the_variance_components_anew_and_say_so(sessions: pd.DataFrame, fit: LmmFit) -> None:
    anew = diagnose(fit, groups=["therapist"], refit=True, progress=False)
    held = diagnose(fit, groups=["therapist"])
    label = anew.influence("therapist")["label"].iloc[0]
    alone = lmm(FORMULA, sessions[sessions["therapist"] != label])
    own = anew.tidy("coefficients").query("level == 1")
    np.testing.assert_allclose(own["estimate"], alone.fixed_effects, rtol=1e-6)
    np.testing.assert_allclose(own["std_error"], np.sqrt(np.diagonal(alone.fixed_covariance)), rtol=1e-6)
    assert not np.allclose(held.tidy("coefficients")["std_error"].iloc[:3], own["std_error"], rtol=1e-4)
    assert any("estimated anew without each level" in note for note in anew.notes)
    assert any("held at those of the whole fit" in note for note in held.notes)
    assert anew.glance()["refitted"].tolist() == [True]


def test_refits_keep_the_residual_structure(sessions: pd.DataFrame, structured: LmmFit) -> None:
    anew = diagnose(structured, groups=["therapist"], refit=True, progress=False)
    label = anew.influence("therapist")["label"].iloc[0]
    alone = lmm(
        structured.formula,
        sessions[sessions["therapist"] != label],
        weights="weight",
        residual=variance_by("role") + ar1("session", by="patient"),
    )
    np.testing.assert_allclose(anew.tidy("coefficients")["estimate"].iloc[:3], alone.fixed_effects, rtol=1e-4)


@pytest.mark.parametrize("progress", [True, False])
def test_a_progress_bar_is_shown_while_refitting_if_wanted(
    fit: LmmFit, capsys: pytest.CaptureFixture[str], progress: bool
) -> None:
    diagnose(fit, groups=["therapist"], refit=True, progress=progress)
    captured = capsys.readouterr()
    assert ("without each therapist" in captured.err) == progress
    assert captured.out == ""


def test_no_label_of_the_data_is_shown_anywhere_but_in_influence(checks: Diagnostics) -> None:
    shown = [checks.tidy(part).to_string(max_rows=None) for part in PARTS]
    shown += [repr(checks), checks._repr_html_(), checks.to_markdown(), str(checks.to_dict()), str(checks.notes)]
    shown += [checks.glance().to_string()]
    assert not any(CANARY in text for text in shown)
    assert CANARY in checks.influence("patient").to_string()


def test_influence_gives_each_level_its_own_label(sessions: pd.DataFrame, checks: Diagnostics) -> None:
    counts = sessions["patient"].value_counts()
    table = checks.influence("patient")
    assert table["n"].tolist() == counts.loc[table["label"]].tolist()
    assert len(table) == 40


def test_labels_of_combined_factors_are_pairs(sessions: pd.DataFrame) -> None:
    rows = sessions.assign(number=sessions.groupby("therapist")["patient"].transform(lambda own: pd.factorize(own)[0]))
    checks = diagnose(lmm("distress ~ session + (1 | therapist / number)", rows), groups=["therapist:number"])
    assert set(checks.tidy()["group"]) == {"therapist:number"}
    assert all(isinstance(label, tuple) and len(label) == 2 for label in checks.influence("therapist:number")["label"])


def test_rows_left_out_of_the_fit_keep_the_numbers_of_the_others(sessions: pd.DataFrame) -> None:
    rows = sessions.assign(distress=sessions["distress"].mask(np.arange(len(sessions)) == 2))
    table = diagnose(lmm(FORMULA, rows), groups=["therapist"]).tidy("residuals")
    assert table["row"].tolist()[:3] == [1, 2, 4]
    assert len(table) == len(sessions) - 1


def test_quantiles_lie_at_the_middles_of_equal_shares_with_exact_order_statistic_intervals() -> None:
    table = quantile_table(np.array([2.0, -1.0, np.nan, 0.5]), 0.9, kind="residual")
    assert table["estimate"].tolist() == [-1.0, 0.5, 2.0]
    np.testing.assert_allclose(norm.cdf(table["expected"]), [1 / 6, 1 / 2, 5 / 6])
    # the smallest of three lies above c with probability (1 - Phi(c))^3
    np.testing.assert_allclose((1 - norm.cdf(table["conf_low"].iloc[0])) ** 3, 0.95)
    np.testing.assert_allclose((1 - norm.cdf(table["conf_high"].iloc[0])) ** 3, 0.05)
    assert set(table["conf_level"]) == {0.9}


def test_effects_and_residuals_have_quantiles_and_effects_without_variance_have_none(sessions: pd.DataFrame) -> None:
    rows = sessions.assign(batch=np.arange(len(sessions)) % 9)
    checks = diagnose(lmm("distress ~ session + alliance + (1 + session | patient) + (1 | batch)", rows))
    found = checks.tidy("quantiles").groupby(["kind", "group", "term"]).size().to_dict()
    assert found[("effect", "patient", "Intercept")] == found[("effect", "patient", "session")] == 40
    assert found[("residual", "", "")] == len(sessions)
    assert ("effect", "batch", "Intercept") not in found
    assert "No quantiles for effects without variance: batch Intercept." in checks.notes


def test_spread_is_the_root_mean_square_in_fifths_with_its_chi_squared_interval() -> None:
    rng = np.random.default_rng(2)
    scaled, values = rng.normal(size=50), np.arange(50.0)
    table = spread_table(scaled * (1 + values), {"fitted": values}, 0.9)
    assert table["n"].tolist() == [10] * 5
    own = (scaled * (1 + values))[:10]
    assert table["estimate"].iloc[0] == pytest.approx(np.sqrt(np.mean(own**2)))
    assert table["conf_low"].iloc[0] == pytest.approx(np.sqrt(own @ own / chi2.ppf(0.95, 10)))
    assert table["conf_high"].iloc[0] == pytest.approx(np.sqrt(own @ own / chi2.ppf(0.05, 10)))
    assert table["mean"].tolist() == [4.5, 14.5, 24.5, 34.5, 44.5]


def test_equal_values_share_a_part_of_the_range() -> None:
    values = np.array([1.0, 1, 1, 1, 1, 1, 2, 2, 3, 3])
    parts = equal_parts(values)
    assert all(np.unique(parts[values == value]).size == 1 for value in (1, 2, 3))
    assert parts.max() == 2
    assert equal_parts(np.ones(4)).tolist() == [0, 0, 0, 0]
    assert equal_parts(np.arange(6.0)).tolist() == [0, 0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("formula", "expected"), [(FORMULA, ["fitted", "session"]), ("distress ~ alliance + (1 | patient)", ["fitted"])]
)
def test_spread_over_sessions_is_shown_when_the_model_knows_them(
    sessions: pd.DataFrame, formula: str, expected: list[str]
) -> None:
    checks = diagnose(lmm(formula, sessions))
    assert list(dict.fromkeys(checks.tidy("spread")["predictor"])) == expected
    tests = checks.tidy("tests")
    assert tests[tests["kind"] == "breusch_pagan"]["predictor"].tolist() == expected


def test_uneven_spread_is_found_and_even_spread_is_not(sessions: pd.DataFrame) -> None:
    rng = np.random.default_rng(9)
    level = np.repeat(np.arange(60), 6)
    x = np.tile(np.arange(6.0), 60)
    rows = pd.DataFrame({"patient": level, "x": x})
    for factor, small in ((0.0, False), (0.5, True)):
        noise = rng.normal(size=360) * (1 + factor * x)
        fit = lmm("y ~ x + (1 | patient)", rows.assign(y=5 * x + rng.normal(size=60)[level] + noise))
        found = diagnose(fit).glance()["p_breusch_pagan_fitted"].iloc[0]
        assert (found < 1e-4) == small
        assert small or found > 0.05


def test_glance_counts_flagged_levels_of_each_factor(checks: Diagnostics) -> None:
    row = checks.glance().iloc[0]
    levels = checks.tidy()
    assert row["n_patient"] == 40
    assert row["flagged_patient"] == levels.query("group == 'patient'")["flagged"].sum()
    assert row["cooks_distance_therapist"] == levels.query("group == 'therapist'")["cooks_distance"].max()
    assert 0 <= row["p_brown_forsythe_patient"] <= 1


def test_groups_choose_whose_levels_are_left_out(fit: LmmFit) -> None:
    assert set(diagnose(fit, groups=["therapist"]).tidy()["group"]) == {"therapist"}
    assert set(diagnose(fit, groups="therapist").tidy()["group"]) == {"therapist"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"groups": ["therapists"]},
            r"No grouping factor 'therapists'. Known: patient, therapist.*\n.*did you mean 'therapist'",
        ),
        ({"groups": []}, r"names no grouping factor(.|\n)*patient, therapist"),
        ({"level": 95}, r"level lies between 0 and 1, not at 95(.|\n)*level=0.95"),
    ],
)
def test_options_that_make_no_sense_are_refused(fit: LmmFit, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        diagnose(fit, **options)


def test_parts_and_factors_that_are_not_there_are_refused(checks: Diagnostics) -> None:
    with pytest.raises(ModelError, match=r"No part 'level'(.|\n)*did you mean 'levels'"):
        checks.tidy("level")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match=r"No grouping factor 'site'. Known: patient, therapist"):
        checks.influence("site")


def test_too_many_crossed_effects_are_refused_with_their_number(
    sessions: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = lmm("distress ~ session + (1 | patient) + (1 | rater)", sessions.assign(rater=np.arange(len(sessions)) % 5))
    monkeypatch.setattr(influence, "MAX_ELEMENTS", 1000)
    with pytest.raises(
        ModelError, match=rf"{len(sessions)} rows hang together through up to 45(.|\n)*part of the data"
    ):
        diagnose(fit)
