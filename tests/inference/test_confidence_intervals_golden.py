"""Profile limits against lme4's deviance, minimised with one parameter held (tests/golden/profile.R)."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import alliance_stats as al
from alliance_stats.inference.confidence_intervals import ConfidenceIntervals
from alliance_stats.mixed.fit import LmmFit

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
CASES: dict[str, dict[str, Any]] = json.loads((GOLDEN / "mixed_cases.json").read_text())
PROFILES: dict[str, dict[str, Any]] = json.loads((GOLDEN / "profile.json").read_text())
RTOL = 1e-6
"""Of an interval's width: the searches in R end when the deviance is known to 1e-10 or so, and zeta with it to 1e-8."""

LME4 = {"sleepstudy", "dyestuff", "penicillin", "pastes_implicit", "orthodont", "slopes_uncorrelated", "clinics_slope"}
"""Where lme4's own interpolated limits can be trusted to 3e-4 of the width; with weights its fixed effects cannot."""

Key = tuple[str, str, str, str]


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


def plain(name: str) -> str:
    """Return a term or group in one spelling: R writes (Intercept), agec:SexMale and b:a."""
    name = name.replace("(Intercept)", "Intercept").replace("[T.", "").replace("]", "")
    return ":".join(sorted(name.split(":")))


def key_of(name: str) -> Key:
    """Return group, term, term2 and kind for lme4's name of a parameter."""
    if name == "sigma":
        return "Residual", "", "", "residual_sd"
    found = re.fullmatch(r"(sd|cor)_(.*)\|(.*)", name)
    if found is None:
        return "", plain(name), "", "fixed"
    kind, terms, group = found.groups()
    group = plain(re.sub(r"\.\d+$", "", group))
    if kind == "sd":
        return group, plain(terms), "", "sd"
    later, earlier = terms.split(".", 1)
    return group, plain(earlier), plain(later), "correlation"


def limits_of(result: ConfidenceIntervals) -> dict[Key, tuple[float, float]]:
    return {
        (plain(r.group), plain(r.term), plain(r.term2), r.kind): (r.conf_low, r.conf_high)
        for r in result.tidy().itertuples()
    }


@pytest.mark.parametrize("case", PROFILES)
def test_profile_limits_are_those_of_the_constrained_deviance(case: str) -> None:
    found = limits_of(profiles_of(case))
    assert len(found) == len(PROFILES[case]["limits"])
    for row in PROFILES[case]["limits"]:
        np.testing.assert_allclose(
            found[key_of(row["name"])],
            (row["low"], row["high"]),
            rtol=0,
            atol=RTOL * (row["high"] - row["low"]),
            err_msg=row["name"],
        )


@pytest.mark.parametrize("case", sorted(LME4))
def test_profile_limits_are_those_that_lme4_prints(case: str) -> None:
    found = limits_of(profiles_of(case))
    for row in PROFILES[case]["limits"]:
        low, high = found[key_of(row["name"])]
        width = high - low
        assert abs(low - row["lme4_low"]) < 3e-4 * width
        assert abs(high - row["lme4_high"]) < 3e-4 * width


@pytest.mark.parametrize("case", ["sleepstudy", "dyestuff2", "raters_slope"])
def test_a_fit_by_reml_has_the_intervals_of_its_likelihood_and_its_own_estimates(case: str) -> None:
    fit = fit_of(case, "REML")
    result = al.confidence_intervals(fit, progress=False)
    expected = profiles_of(case).tidy()
    np.testing.assert_allclose(result.tidy()["conf_low"], expected["conf_low"], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(result.tidy()["conf_high"], expected["conf_high"], rtol=1e-6)
    assert result.tidy()["estimate"].iloc[-1] == pytest.approx(fit.sigma, rel=1e-12)
    assert any("by REML; the profiles are of the likelihood" in note for note in result.notes)
    assert not any("by REML" in note for note in profiles_of(case).notes)
