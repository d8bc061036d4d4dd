"""Cluster-robust inference against clubSandwich; see tests/golden/robust.R."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student

from alliance_stats import ar1, lmm, variance_by
from alliance_stats.errors import DataError, ModelError
from alliance_stats.inference.robust import cluster_codes, robust_joint, robust_linear, robust_notes
from alliance_stats.mixed.fit import LmmFit

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
CASES: dict[str, dict[str, Any]] = json.loads((GOLDEN / "robust_cases.json").read_text())
TYPES = ("CR0", "CR1", "CR1S", "CR2")
RTOL = {"std_error": 1e-6, "df": 1e-4, "p": 1e-3, "f": 1e-4}
"""Six digits of standard errors, four of degrees of freedom, three of p-values; F moves twice as much as a standard error."""
CANARY = "ZZ-secret-"


@cache
def golden(case: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((GOLDEN / f"robust_{case}.json").read_text())
    return found


@cache
def data_of(case: str) -> pd.DataFrame:
    return pd.read_csv(GOLDEN / "data" / f"{CASES[case]['data']}.csv")


@cache
def fit_of(case: str) -> LmmFit:
    residual = variance_by("phase") + ar1("session", by="patient") if "residual" in CASES[case] else None
    assert residual is None or str(residual) == CASES[case]["residual"]
    return lmm(CASES[case]["formula"], data_of(case), weights=CASES[case].get("weights"), residual=residual)


def cluster_of(case: str) -> Any:
    """Return the name of the cluster's grouping factor, or its column where the model has no such factor."""
    name = CASES[case]["cluster"]
    return name if name in fit_of(case).n_levels else data_of(case)[name]


def unit_rows(case: str, terms: list[str]) -> np.ndarray:
    """Return the combinations that pick terms by their names in R, shape (n_terms, p)."""
    own = [name.replace("[T.", "").replace("]", "") for name in fit_of(case).term_names]
    return np.eye(len(own))[[own.index(term) for term in terms]]


@pytest.mark.parametrize("robust", TYPES)
@pytest.mark.parametrize("case", CASES)
def test_standard_errors_and_degrees_of_freedom_are_those_of_clubsandwich(case: str, robust: Any) -> None:
    expected = golden(case)["value"][robust]
    rows = unit_rows(case, golden(case)["terms"])
    found = robust_linear(fit_of(case), rows, robust=robust, cluster=cluster_of(case))
    # one model is singular: lme4's search without derivatives leaves 4e-7 standard errors there
    np.testing.assert_allclose(
        (found.estimate - golden(case)["estimate"]) / found.std_error, 0.0, atol=RTOL["std_error"]
    )
    np.testing.assert_allclose(found.std_error, expected["std_error"], rtol=RTOL["std_error"])
    np.testing.assert_allclose(found.df, expected["df"], rtol=RTOL["df"])
    p = 2 * student.sf(np.abs(found.estimate / found.std_error), found.df)
    np.testing.assert_allclose(p, expected["p"], rtol=RTOL["p"])
    size = np.sqrt(np.outer(np.diagonal(found.covariance), np.diagonal(found.covariance)))
    np.testing.assert_allclose(found.covariance / size, np.array(expected["covariance"]) / size, atol=1e-6)


@pytest.mark.parametrize("robust", TYPES)
@pytest.mark.parametrize("case", CASES)
def test_joint_tests_are_the_htz_tests_of_clubsandwich(case: str, robust: Any) -> None:
    for expected in golden(case)["value"][robust]["joint"]:
        rows = unit_rows(case, expected["terms"])
        found = robust_joint(fit_of(case), rows, robust=robust, cluster=cluster_of(case))
        assert found.df_numerator == expected["df_num"]
        assert found.statistic == pytest.approx(expected["f"], rel=RTOL["f"])
        assert found.df_denominator == pytest.approx(expected["df_denom"], rel=RTOL["df"])
        assert found.p_value == pytest.approx(expected["p"], rel=RTOL["p"])


@pytest.fixture(scope="module")
def sessions() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    patient = np.repeat(np.arange(32), 4)
    rows = pd.DataFrame({"patient": [f"{CANARY}{i}" for i in patient], "session": np.tile(np.arange(4.0), 32)})
    rows["therapist"] = [f"{CANARY}T{i % 8}" for i in patient]
    rows["site"] = [f"{CANARY}S{i % 4}" for i in patient]
    rows["rater"] = [f"{CANARY}R{i % 4}{r}" for i, r in zip(patient, rng.integers(0, 3, patient.size), strict=True)]
    rows["y"] = rows["session"] + rng.normal(size=32)[patient] + rng.normal(size=8)[patient % 8] + rng.normal(size=128)
    rows.loc[[3, 50], "y"] = np.nan
    return rows


@pytest.fixture(scope="module")
def nested(sessions: pd.DataFrame) -> LmmFit:
    return lmm("y ~ session + (1 | patient) + (1 | therapist)", sessions)


@pytest.fixture(scope="module")
def crossed(sessions: pd.DataFrame) -> LmmFit:
    return lmm("y ~ session + (1 | patient) + (1 | rater)", sessions)


def std_error(fit: LmmFit, cluster: Any) -> np.ndarray:
    return robust_linear(fit, np.eye(2), robust="CR2", cluster=cluster).std_error


def test_without_a_name_the_coarsest_grouping_factor_is_the_cluster(nested: LmmFit) -> None:
    np.testing.assert_array_equal(std_error(nested, None), std_error(nested, "therapist"))


@pytest.mark.parametrize("form", ["given", "used", "category", "list", "number"])
def test_labels_of_every_form_name_the_same_clusters(nested: LmmFit, sessions: pd.DataFrame, form: str) -> None:
    column = sessions["therapist"]
    forms: dict[str, Any] = {
        "given": column,
        "used": column[sessions["y"].notna()],
        "category": column.astype("category"),
        "list": column.tolist(),
        "number": pd.factorize(column)[0] * 10 - 7,
    }
    np.testing.assert_allclose(std_error(nested, forms[form]), std_error(nested, "therapist"), rtol=1e-12)


def test_a_coarser_unit_than_the_random_effects_may_be_the_cluster(nested: LmmFit, sessions: pd.DataFrame) -> None:
    assert cluster_codes(nested, sessions["site"]).n_clusters == 4
    assert not np.allclose(std_error(nested, sessions["site"]), std_error(nested, "therapist"), rtol=1e-3)


def test_crossed_random_effects_have_robust_errors_by_the_unit_that_holds_them(
    crossed: LmmFit, sessions: pd.DataFrame
) -> None:
    assert np.all(std_error(crossed, sessions["site"]) > 0)
    with pytest.raises(ModelError, match=r"'patient', 'rater' cross(.|\n)*cluster=frame\['site'\]"):
        std_error(crossed, None)


def test_combinations_are_those_of_the_covariance_of_the_coefficients(nested: LmmFit) -> None:
    whole = robust_linear(nested, np.eye(2), robust="CR2").covariance
    row = np.array([1.0, 2.5])
    found = robust_linear(nested, row, robust="CR2")
    assert found.std_error[0] ** 2 == pytest.approx(row @ whole @ row, rel=1e-12)
    assert found.estimate[0] == pytest.approx(row @ nested.fixed_effects.to_numpy(), rel=1e-12)


def test_joint_test_of_one_combination_is_the_square_of_its_t_test(nested: LmmFit) -> None:
    single = robust_linear(nested, np.array([0.0, 1.0]), robust="CR2")
    joint = robust_joint(nested, np.array([0.0, 1.0]), robust="CR2")
    assert joint.statistic == pytest.approx((single.estimate[0] / single.std_error[0]) ** 2, rel=1e-10)
    assert joint.df_denominator == pytest.approx(single.df[0], rel=1e-10)


def test_joint_test_depends_on_the_hypothesis_only_not_on_how_it_is_written(nested: LmmFit) -> None:
    plain = robust_joint(nested, np.eye(2), robust="CR2")
    rows = np.array([[1.0, 1.0], [0.0, 1e-4], [3.0, 0.0]])
    np.testing.assert_allclose(robust_joint(nested, rows, robust="CR2"), plain, rtol=1e-8)


def test_a_joint_test_of_more_coefficients_than_the_clusters_carry_is_not_a_number(sessions: pd.DataFrame) -> None:
    fit = lmm("y ~ C(session) + (1 | patient)", sessions)
    found = robust_joint(fit, np.eye(4), robust="CR2", cluster=sessions["site"])
    assert found.df_numerator == 4
    assert np.isnan([found.statistic, found.df_denominator, found.p_value]).all()
    notes = robust_notes(fit, robust="CR2", cluster=sessions["site"])
    assert "4 clusters for 4 coefficients" in notes[1]
    assert "no more than 3" in notes[1]


def test_a_coefficient_that_one_cluster_determines_has_no_robust_standard_error(sessions: pd.DataFrame) -> None:
    rows = sessions.assign(slope_here=sessions["session"] * (sessions["therapist"] == f"{CANARY}T3"))
    fit = lmm("y ~ session + C(therapist) + slope_here + (1 | patient)", rows)
    p = len(fit.term_names)
    here = np.eye(p)[[fit.term_names.index("slope_here"), fit.term_names.index("session")]]
    found = robust_linear(fit, here, robust="CR2", cluster=rows["therapist"])
    own = robust_linear(fit, here[:1] + here[1:], robust="CR2", cluster=rows["therapist"])
    assert np.isfinite(found.std_error).all()
    assert np.isnan([own.std_error[0], own.df[0], own.covariance[0, 0]]).all()
    both = robust_joint(fit, here, robust="CR2", cluster=rows["therapist"])
    assert np.isnan(both.statistic)


def test_notes_name_the_covariance_and_count_the_clusters(nested: LmmFit) -> None:
    notes = robust_notes(nested, robust="CR1S")
    assert len(notes) == 1
    assert "(CR1S) with 8 clusters (one per level of 'therapist')" in notes[0]
    assert "working model" in notes[0]


def test_notes_say_when_clusters_are_few_for_the_coefficients_between_them(sessions: pd.DataFrame) -> None:
    number = sessions["therapist"].str[-1].astype(int)
    rows = sessions.assign(a=number % 2, b=(number > 3) * 1.0, c=number**2, d=(number == 2) * 1.0)
    fit = lmm("y ~ a + b + c + d + (1 | patient)", rows)
    assert (
        "5 coefficients differ only between clusters, of which there are 8"
        in robust_notes(fit, robust="CR2", cluster=rows["therapist"])[1]
    )


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda rows: "site",
            ModelError,
            r"no grouping factor 'site'; it has 'patient', 'therapist'.*\n.*frame\['site'\]",
        ),
        (lambda rows: "patient", ModelError, r"8 of 8 levels of 'therapist'(.|\n)*cluster='therapist'"),
        (lambda rows: ["one"] * len(rows), ModelError, r"All 126 rows lie in one cluster(.|\n)*finer unit"),
        (
            lambda rows: rows["site"][:9],
            DataError,
            r"9 labels; the data have 128 rows, of which 126(.|\n)*one label per row",
        ),
        (lambda rows: 3, DataError, r"0 labels(.|\n)*one label per row"),
        (
            lambda rows: rows["site"].mask(rows.index < 5),
            DataError,
            r"no label in 4 of the 126 rows(.|\n)*that have one",
        ),
    ],
    ids=["no such factor", "too fine", "one cluster", "wrong length", "a number", "missing"],
)
def test_clusters_that_cannot_be_used_are_refused_with_counts_and_without_ids(
    nested: LmmFit, sessions: pd.DataFrame, make: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        robust_linear(nested, np.eye(2), robust="CR2", cluster=make(sessions))
    assert CANARY not in str(caught.value)


def test_an_unknown_covariance_is_refused_with_the_known_ones(nested: LmmFit) -> None:
    with pytest.raises(ModelError, match=r"'CR9'. Known: CR0, CR1, CR1S, CR2(.|\n)*did you mean"):
        robust_linear(nested, np.eye(2), robust="CR9")  # type: ignore[arg-type]
