"""Profile and Wald intervals: closed forms, invariances, boundaries."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq
from scipy.stats import chi2, norm

import alliance_stats as al
from alliance_stats.errors import ConvergenceError, ModelError
from alliance_stats.inference.confidence_intervals import ConfidenceIntervals
from alliance_stats.mixed.fit import LmmFit

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
CASES: dict[str, dict[str, Any]] = json.loads((GOLDEN / "mixed_cases.json").read_text())


@cache
def data_of(name: str) -> pd.DataFrame:
    return pd.read_csv(GOLDEN / "data" / f"{name}.csv")


@cache
def fit_of(case: str, method: str = "ML") -> LmmFit:
    spec = CASES[case]
    return al.lmm(spec["formula"], data_of(spec["data"]), method=method, weights=spec.get("weights"))


@cache
def profiles_of(case: str) -> ConfidenceIntervals:
    return al.confidence_intervals(fit_of(case), progress=False)


# Closed forms


def test_the_mean_of_balanced_groups_has_the_interval_of_its_group_means() -> None:
    """With balanced groups the deviance by the mean is n_groups log(S_between + n (mean - m)^2) where variances are inside."""
    data = data_of("Dyestuff")
    low, high = profiles_of("dyestuff").tidy().loc[0, ["conf_low", "conf_high"]]
    means = data.groupby("Batch")["Yield"].mean()
    spread = float(((means - means.mean()) ** 2).mean())
    half = np.sqrt(spread * (np.exp(chi2.ppf(0.95, 1) / len(means)) - 1.0))
    np.testing.assert_allclose([low, high], [means.mean() - half, means.mean() + half], rtol=1e-8)


def test_the_residual_sd_of_balanced_groups_has_the_interval_of_its_chi_square_likelihood() -> None:
    """Within-group deviations give n_within log s2 + S / s2 as long as the between part can follow."""
    data = data_of("Dyestuff")
    row = profiles_of("dyestuff").tidy().iloc[-1]
    within = data["Yield"] - data.groupby("Batch")["Yield"].transform("mean")
    n, sum_of_squares = 24, float((within**2).sum())
    best = sum_of_squares / n

    def excess(s2: float) -> float:
        return n * np.log(s2 / best) + sum_of_squares / s2 - n - float(chi2.ppf(0.95, 1))

    # Upper limit: the between part would need a negative variance only beyond it.
    expected = [brentq(excess, 0.2 * best, best), brentq(excess, best, 5.0 * best)]
    between = 5.0 * float(data.groupby("Batch")["Yield"].mean().var(ddof=0))
    assert between > expected[1]
    np.testing.assert_allclose([row["conf_low"], row["conf_high"]], np.sqrt(expected), rtol=1e-8)


def test_the_interval_of_a_known_sigma_model_is_the_normal_one_where_no_variance_is_found() -> None:
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"g": np.repeat(np.arange(8), 5), "y": np.tile([-1.5, -0.7, 0.1, 0.8, 1.3], 8)})
    data["y"] += 0.001 * rng.normal(size=40)
    fit = al.lmm("y ~ 1 + (1 | g)", data, sigma=1.0, method="ML")
    result = al.confidence_intervals(fit, progress=False)
    table = result.tidy()
    assert table["kind"].tolist() == ["fixed", "sd"]
    # At the ends of the interval the group means spread by 3.84 around it, less than the 8 that their error makes.
    half = norm.ppf(0.975) / np.sqrt(40)
    mean = data["y"].mean()
    np.testing.assert_allclose(
        table.loc[0, ["conf_low", "conf_high"]].astype(float), [mean - half, mean + half], rtol=1e-6
    )
    assert any("was given" in note for note in result.notes)


def test_the_sd_of_a_known_sigma_model_solves_its_likelihood_equation() -> None:
    rng = np.random.default_rng(5)
    group = np.repeat(np.arange(12), 4)
    data = pd.DataFrame({"g": group, "y": 1.4 * rng.normal(size=12)[group] + rng.normal(size=48)})
    fit = al.lmm("y ~ 1 + (1 | g)", data, sigma=1.0, method="ML")
    row = al.confidence_intervals(fit, progress=False).tidy().iloc[1]
    means = data.groupby("g")["y"].mean().to_numpy()
    spread = float(((means - means.mean()) ** 2).sum())

    def deviance(sd: float) -> float:
        variance = sd**2 + 0.25
        return 12 * np.log(variance) + spread / variance

    best = deviance(row["estimate"])
    for limit in (row["conf_low"], row["conf_high"]):
        assert deviance(limit) - best == pytest.approx(chi2.ppf(0.95, 1), rel=1e-6)


# Theorems and invariances


@pytest.mark.parametrize("case", ["sleepstudy", "sessions_weighted", "raters_slope", "dyestuff2"])
def test_every_interval_contains_its_estimate(case: str) -> None:
    table = profiles_of(case).tidy()
    assert (table["conf_low"] <= table["estimate"]).all()
    assert (table["estimate"] <= table["conf_high"]).all()


def test_a_profile_interval_is_invariant_to_the_unit_of_the_outcome() -> None:
    data = data_of("sleepstudy")
    other = al.lmm(CASES["sleepstudy"]["formula"], data.assign(Reaction=data["Reaction"] / 1000.0 - 7.0), method="ML")
    found, base = al.confidence_intervals(other, progress=False).tidy(), profiles_of("sleepstudy").tidy()
    scale = np.where(base["kind"] == "correlation", 1.0, 1000.0)
    shift = np.where(base["term"].eq("Intercept") & base["kind"].eq("fixed"), 7.0, 0.0)
    for limit in ("conf_low", "conf_high"):
        np.testing.assert_allclose(scale * (found[limit] + shift), base[limit], rtol=1e-6)


def test_a_profile_interval_is_invariant_to_the_unit_of_a_predictor() -> None:
    data = data_of("sleepstudy")
    other = al.lmm(CASES["sleepstudy"]["formula"], data.assign(Days=24.0 * data["Days"]), method="ML")
    found, base = al.confidence_intervals(other, progress=False).tidy(), profiles_of("sleepstudy").tidy()
    scale = np.where(base["term"].eq("Days"), 24.0, 1.0)
    for limit in ("conf_low", "conf_high"):
        np.testing.assert_allclose(scale * found[limit], base[limit], rtol=1e-6)


def test_moving_the_zero_of_a_predictor_changes_the_intercept_parts_only() -> None:
    data = data_of("sleepstudy")
    other = al.lmm(CASES["sleepstudy"]["formula"], data.assign(Days=data["Days"] - 4.5), method="ML")
    found, base = al.confidence_intervals(other, progress=False).tidy(), profiles_of("sleepstudy").tidy()
    same = base["term"].eq("Days") | base["kind"].eq("residual_sd")
    np.testing.assert_allclose(found.loc[same, "conf_low"], base.loc[same, "conf_low"], rtol=1e-6)
    np.testing.assert_allclose(found.loc[same, "conf_high"], base.loc[same, "conf_high"], rtol=1e-6)
    assert abs(found.loc[0, "conf_low"] - base.loc[0, "conf_low"]) > 1.0


def test_row_order_and_type_of_ids_do_not_matter() -> None:
    spec, data = CASES["sessions"], data_of("alliance_sessions")
    shuffled = data.sample(frac=1.0, random_state=4).reset_index(drop=True)
    shuffled["therapist"] = shuffled["therapist"].str.removeprefix("T").astype(int)
    base = al.confidence_intervals(al.lmm(spec["formula"], data), progress=False).tidy()
    found = al.confidence_intervals(al.lmm(spec["formula"], shuffled), progress=False).tidy()
    np.testing.assert_allclose(found["conf_low"], base["conf_low"], rtol=1e-6)
    np.testing.assert_allclose(found["conf_high"], base["conf_high"], rtol=1e-6)


def test_the_order_of_effects_in_a_term_does_not_matter() -> None:
    data = data_of("sleepstudy").assign(late=lambda d: (d["Days"] > 5).astype(float))
    both = ["Reaction ~ Days + (1 + Days + late | Subject)", "Reaction ~ Days + (1 + late + Days | Subject)"]
    first, second = (al.confidence_intervals(al.lmm(f, data, method="ML"), progress=False).tidy() for f in both)
    assert len(first) == len(second) == 9

    def by_parameter(table: pd.DataFrame) -> dict[frozenset[str], tuple[float, float]]:
        names = table[["kind", "term", "term2"]].agg(frozenset, axis=1)
        return dict(zip(names, zip(table["conf_low"], table["conf_high"], strict=True), strict=True))

    a, b = by_parameter(first), by_parameter(second)
    assert a.keys() == b.keys()
    for key, limits in a.items():
        np.testing.assert_allclose(limits, b[key], rtol=1e-5, atol=1e-6, err_msg=str(key))


def test_wald_and_profile_agree_for_many_rows() -> None:
    rng = np.random.default_rng(1)
    group = np.repeat(np.arange(800), 5)
    x = rng.normal(size=4000)
    data = pd.DataFrame({"g": group, "x": x, "y": 0.3 * x + rng.normal(size=800)[group] + rng.normal(size=4000)})
    fit = al.lmm("y ~ x + (1 | g)", data, method="ML")
    profile = al.confidence_intervals(fit, progress=False).tidy().iloc[:2]
    wald = al.confidence_intervals(fit, method="wald").tidy().iloc[:2]
    width = profile["conf_high"] - profile["conf_low"]
    assert (abs(profile["conf_low"] - wald["conf_low"]) < 0.01 * width).all()
    assert (abs(profile["conf_high"] - wald["conf_high"]) < 0.01 * width).all()


def test_a_higher_level_gives_a_wider_interval_that_ends_at_its_own_quantile() -> None:
    fit = fit_of("sleepstudy")
    wide = al.confidence_intervals(fit, level=0.99, progress=False)
    narrow = profiles_of("sleepstudy")
    assert (wide.tidy()["conf_low"] < narrow.tidy()["conf_low"]).all()
    assert (wide.tidy()["conf_high"] > narrow.tidy()["conf_high"]).all()
    assert (wide.tidy()["conf_level"] == 0.99).all()
    zeta = wide.tidy("curve").set_index("value")["zeta"]
    np.testing.assert_allclose(zeta.loc[wide.tidy()["conf_high"]], norm.ppf(0.995), rtol=1e-6)


# Boundaries


def test_a_variance_estimated_at_zero_has_an_interval_from_zero() -> None:
    result = profiles_of("dyestuff2")
    row = result.tidy().iloc[1]
    assert (row["estimate"], row["conf_low"]) == (0.0, 0.0)
    assert row["conf_high"] > 1.0
    assert any("begins at 0" in note for note in result.notes)
    assert any(note.startswith("Singular fit") for note in result.notes)


def test_without_a_variance_the_correlation_can_be_anything() -> None:
    rng = np.random.default_rng(8)
    group, x = np.repeat(np.arange(20), 6), np.tile(np.arange(6.0), 20)
    data = pd.DataFrame({"g": group, "x": x, "y": rng.normal(size=20)[group] + rng.normal(size=120)})
    result = al.confidence_intervals(al.lmm("y ~ x + (1 + x | g)", data), progress=False)
    table = result.tidy().set_index("kind")
    assert table.loc["sd", "conf_low"].iloc[1] == 0.0
    assert tuple(table.loc["correlation", ["conf_low", "conf_high"]]) == (-1.0, 1.0)
    assert any("all of -1 to 1" in note for note in result.notes)
    assert "correlation" not in set(result.tidy("curve")["kind"])


def test_a_correlation_that_may_be_perfect_ends_at_one() -> None:
    row = profiles_of("raters_slope").tidy().query("kind == 'correlation'").iloc[0]
    assert row["conf_high"] == 1.0
    curve = profiles_of("raters_slope").tidy("curve").query("kind == 'correlation'")
    assert curve["value"].iloc[-1] == 1.0
    assert curve["zeta"].iloc[-1] < norm.ppf(0.975)


# What comes back


def test_there_is_one_row_per_parameter_in_the_order_of_the_model() -> None:
    table = profiles_of("sleepstudy").tidy()
    assert table["kind"].tolist() == ["fixed", "fixed", "sd", "sd", "correlation", "residual_sd"]
    assert table["group"].tolist() == ["", "", "Subject", "Subject", "Subject", "Residual"]
    assert table.loc[4, ["term", "term2"]].tolist() == ["Intercept", "Days"]
    names = ["group", "term", "term2", "kind", "estimate", "conf_low", "conf_high", "conf_level"]
    assert table.columns.tolist() == names


def test_the_curve_passes_through_the_estimate_and_the_limits() -> None:
    result = profiles_of("sessions_weighted")
    for _, row in result.tidy().iterrows():
        keys = ["group", "term", "term2", "kind"]
        curve = result.tidy("curve")
        own = curve[(curve[keys] == row[keys]).all(axis=1)]
        assert own["value"].is_monotonic_increasing
        assert own["zeta"].is_monotonic_increasing
        at = own.set_index("value")["zeta"]
        assert at.loc[row["conf_low"]] == pytest.approx(norm.ppf(0.025), abs=1e-6)
        assert at.loc[row["conf_high"]] == pytest.approx(norm.ppf(0.975), abs=1e-6)
        assert np.interp(row["estimate"], own["value"], own["zeta"]) == pytest.approx(0.0, abs=1e-6)


def test_glance_says_what_was_done() -> None:
    row = profiles_of("sleepstudy").glance().iloc[0]
    assert (row["outcome"], row["kind"], row["n"], row["n_parameters"]) == ("Reaction", "profile", 180, 6)


def test_wald_intervals_are_those_of_the_fit_and_there_are_none_of_variances() -> None:
    fit = fit_of("sleepstudy", "REML")
    result = al.confidence_intervals(fit, method="wald", level=0.9)
    table, expected = result.tidy(), fit.tidy(level=0.9)
    np.testing.assert_allclose(table["conf_low"].iloc[:2], expected["conf_low"], rtol=1e-12)
    np.testing.assert_allclose(table["conf_high"].iloc[:2], expected["conf_high"], rtol=1e-12)
    assert table[["conf_low", "conf_high"]].iloc[2:].isna().all(axis=None)
    assert table["estimate"].notna().all()
    assert result.tidy("curve").empty
    assert any("normal distribution" in note for note in result.notes)


def test_bootstrap_intervals_are_those_of_the_parametric_bootstrap() -> None:
    fit = fit_of("dyestuff", "REML")
    result = al.confidence_intervals(fit, method="bootstrap", level=0.8, n=40, seed=3, n_jobs=1, progress=False)
    draws = al.parametric_bootstrap(fit, 40, seed=3, progress=False)
    pd.testing.assert_frame_equal(result.tidy(), draws.intervals(level=0.8))
    assert any("parametric bootstrap" in note for note in result.notes)
    other = al.confidence_intervals(fit, method="bootstrap", level=0.8, n=41, seed=4, progress=False)
    assert not result.tidy()["conf_low"].equals(other.tidy()["conf_low"])


def test_a_progress_bar_is_shown_only_when_it_takes_long(capfd: pytest.CaptureFixture[str]) -> None:
    al.confidence_intervals(fit_of("dyestuff"), progress=True)
    assert capfd.readouterr() == ("", "")


# Errors


def test_something_else_than_a_fit_is_refused() -> None:
    with pytest.raises(ModelError, match=r"this is a DataFrame(?s:.*)lmm\(formula, data\)"):
        al.confidence_intervals(data_of("Dyestuff"))


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(ModelError, match=r"'profiel'(?s:.*)did you mean 'profile'"):
        al.confidence_intervals(fit_of("dyestuff"), method="profiel")


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0])
def test_a_level_outside_zero_to_one_is_refused(level: float) -> None:
    with pytest.raises(ModelError, match=rf"not at {level}(?s:.*)level=0.95"):
        al.confidence_intervals(fit_of("dyestuff"), level=level)


def test_a_bootstrap_without_a_seed_is_refused() -> None:
    with pytest.raises(ModelError, match=r"needs a seed(?s:.*)seed=1"):
        al.confidence_intervals(fit_of("dyestuff"), method="bootstrap")


def test_an_unknown_part_is_refused() -> None:
    with pytest.raises(ModelError, match=r"'curves'(?s:.*)did you mean 'curve'"):
        profiles_of("dyestuff").tidy("curves")


def test_a_fit_that_did_not_converge_is_refused() -> None:
    from dataclasses import replace

    fit = fit_of("dyestuff")
    broken = replace(fit, optimum=replace(fit.optimum, converged=False))
    with pytest.raises(ModelError, match=r"did not converge(?s:.*)simplify"):
        al.confidence_intervals(broken)


def test_a_fit_that_is_not_the_optimum_is_found_out() -> None:
    from dataclasses import replace

    fit = fit_of("dyestuff")
    broken = replace(fit, optimum=replace(fit.optimum, theta=3.0 * fit.optimum.theta))
    with pytest.raises(ConvergenceError, match=r"local optimum(?s:.*)simplify"):
        al.confidence_intervals(broken, progress=False)


def test_a_residual_structure_is_refused_with_the_way_out() -> None:
    data = data_of("alliance_sessions")
    fit = al.lmm("distress ~ session + (1 | patient)", data, residual=al.ar1("session", by="patient"))
    with pytest.raises(ModelError, match=r"residual structure(?s:.*)bootstrap"):
        al.confidence_intervals(fit)
