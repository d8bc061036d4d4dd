from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alliance_stats.errors import ModelError
from alliance_stats.mixed.crosscheck import ENGINES, CrossCheck, cross_check
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.mixed.lmm import lmm
from alliance_stats.result import COLUMNS

KINDS = ["fixed_effect", "std_error", "variance", "covariance", "sigma", "criterion"]


def off(check: CrossCheck) -> set[str]:
    table = check.tidy()
    return set(table.loc[~table["agrees"].astype(bool), "quantity"])


def moved_optimum(fit: LmmFit) -> LmmFit:
    theta = fit.optimum.theta * 1.5
    shift = fit.criterion - fit.optimum.criterion
    own = fit.deviance_at(fit.theta * 1.5) - shift
    return replace(fit, optimum=replace(fit.optimum, theta=theta, criterion=own))


STATSMODELS_MODELS = [
    "distress ~ session + (1 | patient)",
    "distress ~ session * rater + (session | patient)",
    "distress ~ session + (1 + session || patient)",
    "distress ~ session + (0 + session | patient)",
    "distress ~ session + (1 | therapist/patient)",
    "distress ~ session + (session | therapist) + (1 | patient)",
    "distress ~ session + (1 | therapist) + (0 + session | patient)",
]


@pytest.mark.parametrize("formula", STATSMODELS_MODELS)
@pytest.mark.parametrize("method", ["REML", "ML"])
def test_statsmodels_agrees_where_it_can_express_the_model(study: pd.DataFrame, formula: str, method: str) -> None:
    check = cross_check(lmm(formula, study, method=method), engines=["statsmodels"], tolerance=5e-3)
    assert not check.skipped, check.notes
    assert check.agrees, check.tidy().to_string()


LME4_MODELS = [
    "distress ~ session + (session | patient) + (1 | therapist)",
    "distress ~ session + (1 + session || patient)",
    "distress ~ session + (session | therapist/patient)",
    "distress ~ session + (1 | patient) + (1 | rater:session)",
]


@pytest.mark.usefixtures("needs_lme4")
@pytest.mark.parametrize("formula", LME4_MODELS)
@pytest.mark.parametrize("weights", [None, "certainty"])
def test_lme4_agrees_closely(study: pd.DataFrame, formula: str, weights: str | None) -> None:
    check = cross_check(lmm(formula, study, weights=weights), engines=["lme4"], tolerance=2e-5)
    assert not check.skipped, check.notes
    assert check.agrees, check.tidy().to_string()


@pytest.mark.usefixtures("needs_lme4")
def test_lme4_agrees_for_maximum_likelihood(study: pd.DataFrame) -> None:
    check = cross_check(lmm("distress ~ session + (1 | patient)", study, method="ML"), engines=["lme4"], tolerance=2e-5)
    assert check.agrees, check.tidy().to_string()


@pytest.mark.usefixtures("needs_lme4")
def test_both_engines_are_asked_by_default(study: pd.DataFrame) -> None:
    check = cross_check(lmm("distress ~ session + (1 | patient)", study))
    assert list(dict.fromkeys(check.tidy()["engine"])) == list(ENGINES)
    assert check.agrees


def test_another_optimum_is_detected(study: pd.DataFrame) -> None:
    fit = moved_optimum(lmm("distress ~ session + (session | patient)", study))
    check = cross_check(fit, engines=["statsmodels"])
    assert not check.agrees
    assert {"criterion", "variance", "sigma"} <= off(check)
    assert any("lower, so the fit that was checked is not at the optimum" in note for note in check.notes)


def test_a_wrong_scale_of_the_outcome_is_detected(study: pd.DataFrame) -> None:
    fit = lmm("distress ~ session + (session | patient)", study)
    check = cross_check(
        replace(fit, scaling=replace(fit.scaling, y_scale=1.1 * fit.scaling.y_scale)), engines=["statsmodels"]
    )
    assert {"fixed_effect", "std_error", "variance", "covariance", "sigma"} <= off(check)
    assert any("although the criterion agrees" in note for note in check.notes)


def test_a_shifted_intercept_alone_is_detected(study: pd.DataFrame) -> None:
    fit = lmm("distress ~ session + (session | patient)", study)
    shifted = replace(fit, scaling=replace(fit.scaling, y_centre=fit.scaling.y_centre + 0.1))
    table = cross_check(shifted, engines=["statsmodels"]).tidy()
    wrong = table[~table["agrees"].astype(bool)]
    assert wrong[["term", "quantity"]].to_numpy().tolist() == [["Intercept", "fixed_effect"]]


def test_every_kind_of_quantity_is_compared(study: pd.DataFrame) -> None:
    table = cross_check(lmm("distress ~ session + (session | patient)", study), engines=["statsmodels"]).tidy()
    assert list(dict.fromkeys(table["quantity"])) == [
        "fixed_effect",
        "std_error",
        "variance",
        "covariance",
        "sigma",
        "criterion",
    ]
    assert table["quantity"].value_counts().to_dict() == dict(zip(KINDS, [2, 2, 2, 1, 1, 1], strict=True))
    assert np.allclose(table["estimate"] - table["other"], table["difference"])
    assert ((table["difference"].abs() <= table["tolerance"]) == table["agrees"]).all()


def test_columns_are_the_vocabulary_first_then_own_ones(study: pd.DataFrame) -> None:
    columns = list(cross_check(lmm("distress ~ 1 + (1 | patient)", study), engines=["statsmodels"]).tidy())
    shared = [name for name in columns if name in COLUMNS]
    assert columns == [*shared, "engine", "quantity", "other", "difference", "tolerance", "agrees"]
    assert shared == sorted(shared, key=COLUMNS.index)


def test_glance_counts_what_agrees(study: pd.DataFrame) -> None:
    row = cross_check(lmm("distress ~ session + (1 | patient)", study), engines=["statsmodels"]).glance().iloc[0]
    assert (row["outcome"], row["method"], row["n"], row["engines"]) == ("distress", "REML", len(study), "statsmodels")
    assert row["n_quantities"] == row["n_agree"] == 7
    assert row["agrees"]
    assert 0 < row["largest_ratio"] <= 1


def test_a_smaller_tolerance_is_stricter(study: pd.DataFrame) -> None:
    fit = lmm("distress ~ session + (session | patient)", study)
    loose, strict = (cross_check(fit, engines=["statsmodels"], tolerance=t) for t in (1e-2, 1e-14))
    assert loose.agrees
    assert not strict.agrees
    assert np.allclose(loose.tidy()["tolerance"], 1e12 * strict.tidy()["tolerance"])


def test_the_verdict_does_not_depend_on_the_units_of_the_outcome(study: pd.DataFrame) -> None:
    formula = "distress ~ session + (session | patient)"
    thousands = study.assign(distress=1000 * study["distress"])
    ratios = [
        cross_check(lmm(formula, frame), engines=["statsmodels"]).tidy().eval("tolerance / estimate").iloc[:7]
        for frame in (study, thousands)
    ]
    assert np.allclose(*ratios)


@pytest.mark.parametrize(
    ("formula", "weights", "reason"),
    [
        ("distress ~ session + (1 | patient)", "certainty", "takes no weights"),
        ("distress ~ session + (1 | patient) + (1 | rater:session)", None, "patient is not nested in rater:session"),
        ("distress ~ session + (session | patient) + (1 | therapist)", None, "patient with 2 correlated effects"),
    ],
)
def test_what_statsmodels_cannot_express_is_a_note(
    study: pd.DataFrame, formula: str, weights: str | None, reason: str
) -> None:
    check = cross_check(lmm(formula, study, weights=weights), engines=["statsmodels"])
    assert check.skipped == ("statsmodels",)
    assert not check.agrees
    assert any("cannot express this model" in note and reason in note for note in check.notes), check.notes
    assert check.notes[-1] == "Nothing was compared."
    assert check.tidy().empty
    assert np.isnan(check.glance().iloc[0]["largest_ratio"])


def test_too_many_nested_levels_for_statsmodels_are_a_note(
    study: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alliance_stats.mixed.crosscheck_statsmodels.MAX_LEVELS_PER_GROUP", 4)
    check = cross_check(lmm("distress ~ session + (1 | therapist/patient)", study), engines=["statsmodels"])
    assert any("one level of therapist holds 5 nested levels" in note for note in check.notes)


def test_statsmodels_failing_is_a_note(study: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise np.linalg.LinAlgError("Singular matrix at 3.14159")

    monkeypatch.setattr("alliance_stats.mixed.crosscheck_statsmodels._fitted", fail)
    check = cross_check(lmm("distress ~ session + (1 | patient)", study), engines=["statsmodels"])
    assert any("failed with LinAlgError (Singular matrix at ...)" in note for note in check.notes), check.notes


def test_statsmodels_warnings_become_notes() -> None:
    frame = pd.DataFrame({"batch": np.repeat(np.arange(6), 3), "yield": np.tile([1.0, 2.0, 4.0], 6)})
    check = cross_check(lmm("`yield` ~ 1 + (1 | batch)", frame), engines=["statsmodels"])
    assert any("statsmodels" in note and "warned:" in note for note in check.notes), check.notes


def test_dropped_fixed_effects_are_left_out_of_the_check(study: pd.DataFrame) -> None:
    doubled = study.assign(twice=2.0 * study["session"])
    check = cross_check(lmm("distress ~ session + twice + (1 | patient)", doubled), engines=["statsmodels"])
    assert check.agrees
    assert "twice" not in set(check.tidy()["term"])


def test_an_unknown_engine_is_named_with_the_known_ones(study: pd.DataFrame) -> None:
    fit = lmm("distress ~ session + (1 | patient)", study)
    with pytest.raises(
        ModelError, match=r"No engine 'statmodels'. Known: statsmodels, lme4.(\n.*)did you mean 'statsmodels'"
    ):
        cross_check(fit, engines=["statmodels"])  # type: ignore[list-item]


def test_a_single_name_counts_as_one_engine(study: pd.DataFrame) -> None:
    check = cross_check(lmm("distress ~ session + (1 | patient)", study), engines="statsmodels")  # type: ignore[arg-type]
    assert set(check.tidy()["engine"]) == {"statsmodels"}


def test_no_engine_at_all_is_an_error(study: pd.DataFrame) -> None:
    with pytest.raises(ModelError, match=r"No engine was named.(\n.*)choose from statsmodels, lme4"):
        cross_check(lmm("distress ~ session + (1 | patient)", study), engines=[])


@pytest.mark.parametrize("option", [{"tolerance": 0.0}, {"tolerance": float("nan")}, {"timeout": -1.0}])
def test_tolerance_and_timeout_must_be_positive(study: pd.DataFrame, option: dict[str, float]) -> None:
    with pytest.raises(ModelError, match=r"must be positive.(\n.*)leave them out"):
        cross_check(lmm("distress ~ session + (1 | patient)", study), **option)


def test_statsmodels_stopping_early_on_the_reframed_trial_is_said(shared_data) -> None:
    folder: Path = shared_data("reframed_rodbt")
    trial = pd.read_csv(folder / "reframed_tidy.csv").query("month <= 12")
    check = cross_check(lmm("phq9 ~ month*arm + (month | patient)", trial), engines=["statsmodels"])
    slope = check.tidy().query("term == 'month' and quantity == 'variance'").iloc[0]
    assert slope["estimate"] == pytest.approx(0.1866, abs=5e-4)
    # statsmodels may one day find the optimum; until then the note must say that it did not.
    if slope["other"] > 1:
        assert not check.agrees
        assert any("stopped early" in note for note in check.notes), check.notes
