"""Fits against lme4 at its tightened optimum; see tests/golden/mixed_models.R."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mixed_golden import (
    RTOL,
    components_of,
    effects_of,
    golden,
    golden_cases,
    golden_components,
    golden_data,
    golden_effects,
    plain_group,
    plain_term,
    relative,
)

from alliance_stats import lmm
from alliance_stats.mixed.fit import LmmFit

CASES = [(case, method) for case in golden_cases() for method in ("REML", "ML")]
SINGULAR = {"dyestuff2", "slopes_at_two_levels", "phases_by_patient", "raters_two_slopes"}


def as_list(value: Any) -> list[Any]:
    """Return a value that R may have unboxed as a list."""
    return value if isinstance(value, list) else [value]


@pytest.fixture(scope="module")
def fits() -> dict[tuple[str, str], LmmFit]:
    return {}


@pytest.fixture
def pair(request: pytest.FixtureRequest, fits: dict[tuple[str, str], LmmFit]) -> tuple[LmmFit, dict[str, Any], str]:
    """Return our fit, lme4's, and the name of the case; each model is fitted once."""
    case, method = request.param
    spec = golden_cases()[case]
    if (case, method) not in fits:
        fits[case, method] = lmm(spec["formula"], golden_data(spec["data"]), method=method, weights=spec.get("weights"))
    return fits[case, method], golden(case)[method], case


def in_order(fit: LmmFit, gold: dict[str, Any]) -> list[int]:
    """Return the positions of lme4's terms among ours."""
    ours = [plain_term(name) for name in fit.term_names]
    return [ours.index(plain_term(name)) for name in as_list(gold["terms"])]


every_case = pytest.mark.parametrize("pair", CASES, indirect=True, ids=["-".join(c) for c in CASES])


@every_case
def test_same_fixed_effects_are_kept(pair: tuple[LmmFit, dict[str, Any], str]) -> None:
    fit, gold, _ = pair
    assert {plain_term(name) for name in fit.term_names} == {plain_term(name) for name in as_list(gold["terms"])}
    assert list(fit.dropped) == as_list(gold["dropped"])


@every_case
def test_fixed_effects(pair: tuple[LmmFit, dict[str, Any], str]) -> None:
    fit, gold, _ = pair
    found = fit.fixed_effects.to_numpy()[in_order(fit, gold)]
    assert relative(found, as_list(gold["value"]["beta"])) < RTOL["beta"]


@every_case
def test_standard_errors(pair: tuple[LmmFit, dict[str, Any], str]) -> None:
    fit, gold, _ = pair
    found = np.sqrt(np.diagonal(fit.fixed_covariance))[in_order(fit, gold)]
    assert relative(found, as_list(gold["value"]["std_error"])) < RTOL["std_error"]


@every_case
def test_criterion_and_log_likelihood(pair: tuple[LmmFit, dict[str, Any], str]) -> None:
    fit, gold, _ = pair
    assert relative(fit.criterion, gold["value"]["criterion"]) < RTOL["criterion"]
    assert relative(fit.log_likelihood, gold["value"]["log_likelihood"]) < RTOL["log_likelihood"]


@every_case
def test_criterion_is_never_above_lme4s(pair: tuple[LmmFit, dict[str, Any], str]) -> None:
    fit, gold, _ = pair
    assert fit.criterion < gold["value"]["criterion"] + 1e-8


@every_case
def test_criterion_at_lme4s_theta_is_lme4s_criterion(pair: tuple[LmmFit, dict[str, Any], str]) -> None:
    fit, gold, _ = pair
    found = fit.deviance_at(np.array(as_list(gold["theta"]), float))
    assert relative(found, gold["value"]["criterion"]) < RTOL["criterion"]


@every_case
def test_variance_components(pair: tuple[LmmFit, dict[str, Any], str]) -> None:
    fit, gold, _ = pair
    ours, theirs = components_of(fit), golden_components(gold["value"]["components"])
    assert ours.keys() == theirs.keys()
    largest = max(abs(value) for value in [*theirs.values(), 1e-3 * gold["value"]["sigma"] ** 2])
    assert relative([ours[k] for k in theirs], list(theirs.values()), scale=largest) < RTOL["components"]
    assert relative(fit.sigma, gold["value"]["sigma"]) < RTOL["sigma"]


@every_case
def test_predicted_effects_and_their_sds(pair: tuple[LmmFit, dict[str, Any], str]) -> None:
    fit, gold, _ = pair
    ours, theirs = effects_of(fit), golden_effects(gold["value"]["effects"])
    assert ours.index.equals(theirs.index)
    for column, quantity in (("estimate", "effects"), ("std_error", "effects_sd")):
        largest = max(float(theirs[column].abs().max()), 1e-2 * gold["value"]["sigma"])
        assert relative(ours[column], theirs[column], scale=largest) < RTOL[quantity], quantity


@every_case
def test_sizes_and_flags(pair: tuple[LmmFit, dict[str, Any], str]) -> None:
    fit, gold, case = pair
    assert fit.n_obs == gold["n_obs"]
    assert {plain_group(k): v for k, v in fit.n_levels.items()} == {
        plain_group(k): v for k, v in gold["n_levels"].items()
    }
    assert fit.converged
    assert fit.singular == (case in SINGULAR)


def test_tolerances_in_the_golden_files_are_those_of_the_table() -> None:
    assert all(golden(case)["rtol"] == RTOL for case in golden_cases())


def test_dropped_term_and_missing_rows_are_in_the_notes() -> None:
    data = golden_data("alliance_sessions")
    dropped = lmm("distress ~ session + days + alliance + (1 | patient)", data)
    assert any("days" in note for note in dropped.notes)
    gaps = lmm("distress_gaps ~ alliance_gaps + (1 | patient)", data)
    n_missing = int(data[["distress_gaps", "alliance_gaps"]].isna().any(axis=1).sum())
    counts = f"distress_gaps {data.distress_gaps.isna().sum()}", f"alliance_gaps {data.alliance_gaps.isna().sum()}"
    assert any(f"{n_missing} of {len(data)} rows" in note and all(c in note for c in counts) for note in gaps.notes)


def test_singular_fit_is_in_the_notes() -> None:
    assert any("Singular" in note for note in lmm("Yield ~ 1 + (1 | Batch)", golden_data("Dyestuff2")).notes)
