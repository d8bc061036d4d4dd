"""Marginal means, slopes and their contrasts against emmeans, with lmerTest's and pbkrtest's degrees of freedom."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from emmeans_golden import as_lists, case_fit, compare, golden_cases

from alliance_stats.inference.contrasts import contrasts
from alliance_stats.inference.marginal_means import MarginalMeans, marginal_means
from alliance_stats.inference.slopes import Slopes, slopes
from alliance_stats.mixed.fit import LmmFit

GOLD = golden_cases()
METHODS = ("satterthwaite", "kenward_roger", "normal")
IGNORES_WEIGHTS = {("arms_weighted", "kenward_roger")}  # pbkrtest leaves out the weights of a fit
ADJUST = ("none", "tukey", "holm", "bh", "bonferroni")
MEANS = [case for case in GOLD if "means" in GOLD[case]["spec"]]
ONE_FACTOR = [case for case in MEANS if isinstance(GOLD[case]["spec"]["means"], str)]
SLOPES = [case for case in GOLD if "slope" in GOLD[case]["spec"]]
WITH_METHOD = {
    name: [(case, df) for case in own for df in METHODS if (case, df) not in IGNORES_WEIGHTS]
    for name, own in {
        "means": MEANS,
        "one factor": ONE_FACTOR,
        "slopes": SLOPES,
        "slopes by": [case for case in SLOPES if "slope_by" in GOLD[case]["spec"]],
    }.items()
}


@pytest.fixture(scope="module")
def fits() -> dict[str, LmmFit]:
    return {case: case_fit(case, GOLD) for case in GOLD}


def means_of(fit: LmmFit, case: str, df: Any) -> MarginalMeans:
    spec = GOLD[case]["spec"]
    at = dict(spec.get("at") or {})
    if "conditions" in spec:
        at[spec["conditions"]] = ["early", "late"]
    return marginal_means(fit, spec["means"], at=at, weights=spec.get("weights", "equal"), df=df)


def slopes_of(fit: LmmFit, case: str, df: Any) -> Slopes:
    spec = GOLD[case]["spec"]
    return slopes(fit, spec["slope"], by=spec.get("slope_by", ()), at=spec.get("slope_at"), df=df)


@pytest.mark.parametrize(("case", "df"), WITH_METHOD["means"])
def test_marginal_means_are_those_of_emmeans(case: str, df: str, fits: dict[str, LmmFit]) -> None:
    gold = as_lists(GOLD[case]["results"][df]["means"])
    ours = means_of(fits[case], case, df).tidy()
    names = [name for name in gold if name in ours.columns and name not in ("estimate", "std_error", "df")]
    names = [name for name in names if not name.startswith("conf")]
    keys = list(zip(*(map(str, gold[name]) for name in names), strict=True))
    own = list(
        zip(*(ours[name].map(lambda v: f"{v:g}" if isinstance(v, float) else str(v)) for name in names), strict=True)
    )
    order = [own.index(key) for key in keys]
    assert sorted(order) == list(range(len(own)))
    compare(ours, gold, order)


@pytest.mark.parametrize("adjust", ADJUST)
@pytest.mark.parametrize(("case", "df"), WITH_METHOD["one factor"])
def test_pairs_of_means_are_those_of_emmeans(case: str, adjust: Any, df: str, fits: dict[str, LmmFit]) -> None:
    gold = as_lists(GOLD[case]["results"][df][f"pairs_{adjust}"])
    ours = contrasts(means_of(fits[case], case, df), adjust=adjust).tidy()
    assert ours["term"].tolist() == gold["contrast"]
    if adjust == "bh":  # emmeans gives Bonferroni's intervals with it, we unadjusted ones
        gold = {name: own for name, own in gold.items() if not name.startswith("conf")}
    compare(ours, gold, list(range(len(ours))))


@pytest.mark.parametrize(("case", "df"), WITH_METHOD["one factor"])
def test_contrasts_with_the_first_level_are_those_of_emmeans(case: str, df: str, fits: dict[str, LmmFit]) -> None:
    gold = as_lists(GOLD[case]["results"][df]["reference"])
    ours = contrasts(means_of(fits[case], case, df), kind="reference").tidy()
    assert ours["term"].tolist() == gold["contrast"]
    compare(ours, gold, list(range(len(ours))))


@pytest.mark.parametrize("case", ONE_FACTOR)
def test_joint_tests_are_those_of_emmeans_for_known_variances(case: str, fits: dict[str, LmmFit]) -> None:
    gold = as_lists(GOLD[case]["results"]["normal"]["joint"])
    ours = contrasts(means_of(fits[case], case, "normal")).joint()
    # emmeans prints F with three decimals.
    np.testing.assert_allclose(ours["statistic"], gold["statistic"], atol=5.1e-4)
    np.testing.assert_allclose(ours["df_numerator"], gold["df1"])
    np.testing.assert_allclose(ours["p_value"], gold["p_value"], rtol=1e-3, atol=1e-12)


@pytest.mark.parametrize(("case", "df"), WITH_METHOD["slopes"])
def test_slopes_are_those_of_emtrends(case: str, df: str, fits: dict[str, LmmFit]) -> None:
    ours = slopes_of(fits[case], case, df).tidy()
    compare(ours, GOLD[case]["results"][df]["slopes"], list(range(len(ours))))


@pytest.mark.parametrize(("case", "df"), WITH_METHOD["slopes by"])
def test_pairs_of_slopes_are_those_of_emmeans(case: str, df: str, fits: dict[str, LmmFit]) -> None:
    gold = as_lists(GOLD[case]["results"][df]["slope_pairs"])
    ours = contrasts(slopes_of(fits[case], case, df), adjust="tukey").tidy()
    assert ours["term"].tolist() == gold["contrast"]
    compare(ours, gold, list(range(len(ours))))


def test_kenward_roger_differs_from_satterthwaite_where_pbkrtest_does(fits: dict[str, LmmFit]) -> None:
    for case in (case for case, df in WITH_METHOD["means"] if df == "kenward_roger"):
        theirs = [as_lists(GOLD[case]["results"][df]["means"])["df"] for df in METHODS[:2]]
        ours = [means_of(fits[case], case, df).tidy()["df"] for df in METHODS[:2]]
        assert np.allclose(*theirs, rtol=1e-3) == np.allclose(*ours, rtol=1e-3)
