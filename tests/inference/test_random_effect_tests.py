"""Random effects dropped one at a time, against lmerTest's ranova() (tests/golden/comparison.R)."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

import alliance_stats as al
from alliance_stats.errors import ModelError
from alliance_stats.mixed.fit import LmmFit

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
CASES: dict[str, dict[str, Any]] = json.loads((GOLDEN / "mixed_cases.json").read_text())
DROPPED: list[dict[str, Any]] = json.loads((GOLDEN / "comparison.json").read_text())["dropped"]


@cache
def data_of(name: str) -> pd.DataFrame:
    return pd.read_csv(GOLDEN / "data" / f"{name}.csv")


@cache
def fit_of(case: str, method: str = "REML") -> LmmFit:
    spec = CASES[case]
    return al.lmm(spec["formula"], data_of(spec["data"]), method=method, weights=spec.get("weights"))


def key_of(row: str) -> tuple[str, str]:
    """Return effect and group for ranova's name of a row."""
    found = re.fullmatch(r"(?:(\S+) in )?\((.*) \| (.*)\)", row)
    assert found
    effect, _, group = found.groups()
    return effect or "Intercept", ":".join(sorted(group.split(":")))


@pytest.mark.parametrize("expected", DROPPED, ids=lambda row: f"{row['case']}-{row['method']}")
def test_tests_are_those_of_ranova(expected: dict[str, Any]) -> None:
    table = al.random_effect_tests(fit_of(expected["case"], expected["method"]), progress=False).tidy()
    keys = [(r.term, ":".join(sorted(r.group.split(":")))) for r in table.itertuples()]
    wanted = {name: np.atleast_1d(expected[name]) for name in expected if name not in ("case", "method")}
    assert sorted(keys) == sorted(key_of(str(row)) for row in wanted["row"])
    for i, row in enumerate(wanted["row"]):
        found = table.iloc[keys.index(key_of(str(row)))]
        assert found["n_parameters"] == wanted["n_parameters"][i]
        assert found["df"] == wanted["df"][i]
        assert found["log_likelihood"] == pytest.approx(wanted["log_likelihood"][i], rel=1e-9)
        assert found["aic"] == pytest.approx(wanted["aic"][i], rel=1e-9)
        assert found["statistic"] == pytest.approx(wanted["statistic"][i], rel=1e-6)
        assert found["p_value_chi2"] == pytest.approx(wanted["p_value"][i], rel=1e-4)


def test_p_values_are_from_the_mixture() -> None:
    table = al.random_effect_tests(fit_of("sessions"), progress=False).tidy().set_index("term")
    slope, intercept = table.loc["session"], table.loc["Intercept"]
    t = slope["statistic"]
    assert slope["p_value"] == pytest.approx(0.5 * (chi2.sf(t, 1) + chi2.sf(t, 2)), rel=1e-9)
    assert intercept["p_value"] == pytest.approx(0.5 * chi2.sf(intercept["statistic"], 1), rel=1e-9)


def test_a_slope_goes_before_the_intercept_which_stays() -> None:
    table = al.random_effect_tests(fit_of("slopes_at_two_levels"), progress=False).tidy()
    assert list(zip(table["term"], table["group"], strict=True)) == [("session", "patient"), ("session", "therapist")]


def test_uncorrelated_effects_are_dropped_by_themselves() -> None:
    table = al.random_effect_tests(fit_of("slopes_uncorrelated"), progress=False).tidy()
    assert table["df"].tolist() == [1.0, 1.0, 1.0]
    formula = "distress ~ session + alliance + (1 | patient) + (1 | therapist)"
    without = al.lmm(formula, data_of("alliance_sessions"))
    row = table[table["term"].eq("session")].iloc[0]
    assert row["log_likelihood"] == pytest.approx(without.log_likelihood, rel=1e-10)


def test_a_factor_goes_with_all_its_columns() -> None:
    frame = data_of("alliance_sessions")
    third = np.array(["a", "b", "c"])[frame["session"].to_numpy() % 3]
    fit = al.lmm("distress ~ session + (1 + third | patient)", frame.assign(third=third))
    result = al.random_effect_tests(fit, progress=False)
    row = result.tidy().iloc[0]
    assert (row["term"], row["df"]) == ("third", 5.0)
    assert np.isnan(row["estimate"])
    assert row["reference"].endswith("upper bound")
    assert any("upper bound" in note for note in result.notes)


def test_an_effect_of_an_interaction_in_the_term_stays() -> None:
    frame = data_of("sleepstudy").assign(late=lambda d: (d["Days"] > 5).astype(float))
    fit = al.lmm("Reaction ~ Days + (1 + Days * late || Subject)", frame)
    assert len(al.random_effect_tests(fit, progress=False).tidy()) == 4
    fit = al.lmm("Reaction ~ Days + (1 + Days + late + Days:late | Subject)", frame)
    assert al.random_effect_tests(fit, progress=False).tidy()["term"].tolist() == ["Days:late"]


def test_slopes_without_an_intercept_are_dropped_one_at_a_time() -> None:
    frame = data_of("sleepstudy").assign(late=lambda d: (d["Days"] > 5).astype(float))
    fit = al.lmm("Reaction ~ Days + (1 | Subject) + (0 + Days + late | Subject)", frame)
    table = al.random_effect_tests(fit, progress=False).tidy()
    assert list(zip(table["term"], table["df"], strict=True)) == [("Intercept", 1.0), ("Days", 2.0), ("late", 2.0)]


def test_the_estimate_is_the_standard_deviation_of_the_effect() -> None:
    fit = fit_of("sleepstudy")
    row = al.random_effect_tests(fit, progress=False).tidy().iloc[0]
    assert row["estimate"] == pytest.approx(fit.variance_components().loc[1, "sd"], rel=1e-12)


def test_glance_describes_the_whole_model() -> None:
    fit = fit_of("sleepstudy", "ML")
    row = al.random_effect_tests(fit, progress=False).glance().iloc[0]
    assert (row["outcome"], row["method"], row["n"], row["n_parameters"]) == ("Reaction", "ML", 180, 6)
    assert row["aic"] == pytest.approx(fit.glance()["aic"].iloc[0], rel=1e-12)
    assert row["log_likelihood"] == fit.log_likelihood


@pytest.mark.parametrize(("method", "words"), [("REML", "restricted likelihoods"), ("ML", "of likelihoods (ML)")])
def test_notes_say_which_likelihood(method: str, words: str) -> None:
    notes = al.random_effect_tests(fit_of("dyestuff", method), progress=False).notes
    assert any(words in note for note in notes)


def test_a_variance_at_zero_has_a_p_value_of_one_and_a_note() -> None:
    result = al.random_effect_tests(fit_of("dyestuff2"), progress=False)
    row = result.tidy().iloc[0]
    assert (row["statistic"], row["p_value"], row["p_value_chi2"]) == (0.0, 1.0, 1.0)
    assert any(note.startswith("Singular fit") for note in result.notes)


def test_a_fit_worse_than_its_special_case_is_pointed_out() -> None:
    from dataclasses import replace

    fit = fit_of("sleepstudy")
    stuck = replace(fit, optimum=replace(fit.optimum, criterion=fit.optimum.criterion + 60.0))
    result = al.random_effect_tests(stuck, progress=False)
    assert result.tidy()["statistic"].iloc[0] == 0.0
    assert any("local optimum" in note for note in result.notes)


def test_a_residual_structure_stays_in_the_smaller_model() -> None:
    frame = data_of("alliance_sessions")
    structure = al.ar1("session", by="patient")
    fit = al.lmm("distress ~ session + (1 + session | patient) + (1 | therapist)", frame, residual=structure)
    without = al.lmm("distress ~ session + (1 + session | patient)", frame, residual=structure)
    row = al.random_effect_tests(fit, progress=False).tidy().set_index("group").loc["therapist"]
    assert row["log_likelihood"] == pytest.approx(without.log_likelihood, rel=1e-8)


def test_no_bar_is_shown_for_quick_tests(capfd: pytest.CaptureFixture[str]) -> None:
    al.random_effect_tests(fit_of("dyestuff"), progress=True)
    assert capfd.readouterr() == ("", "")


def test_something_else_than_a_fit_is_refused() -> None:
    with pytest.raises(ModelError, match=r"this is a str(?s:.*)lmm\(formula, data\)"):
        al.random_effect_tests("distress ~ 1 + (1 | patient)")


def test_the_only_random_term_of_a_structured_fit_is_refused() -> None:
    frame = data_of("alliance_sessions")
    fit = al.lmm("distress ~ session + (1 | patient)", frame, residual=al.ar1("session", by="patient"))
    with pytest.raises(ModelError, match=r"residual structure and one random term(?s:.*)compare\(small, big\)"):
        al.random_effect_tests(fit)
