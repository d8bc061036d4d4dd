"""InstEval, three crossed factors and 73,421 rows; the data stay outside the project."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pytest
from mixed_golden import golden, relative

from alliance_stats import lmm

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def evaluations() -> pd.DataFrame:
    outside = Path(__file__).resolve().parents[3] / "shared" / "reference"
    path = Path(os.environ.get("ALLIANCE_STATS_REFERENCE_DATA", outside)) / "data" / "acc_InstEval.csv.gz"
    if not path.is_file():
        pytest.skip("InstEval is not on this machine; name its folder in ALLIANCE_STATS_REFERENCE_DATA")
    return pd.read_csv(path)


@pytest.mark.parametrize("method", ["REML", "ML"])
def test_lecture_evaluations(evaluations: pd.DataFrame, method: Literal["REML", "ML"]) -> None:
    whole = golden("insteval")
    gold, rtol = whole[method], whole["rtol"]
    fit = lmm(whole["formula"], evaluations, method=method)
    assert fit.log_likelihood >= gold["log_likelihood"] - 5e-7
    assert relative(fit.log_likelihood, gold["log_likelihood"]) < rtol["log_likelihood"]
    assert relative(fit.fixed_effects, gold["beta"]) < rtol["beta"]
    assert relative(np.sqrt(np.diagonal(fit.fixed_covariance)), gold["std_error"]) < rtol["std_error"]
    assert relative(fit.sigma, gold["sigma"]) < rtol["sigma"]
    table = fit.variance_components().set_index("group")["estimate"]
    expected = gold["components"]
    assert relative(table[list(expected)], list(expected.values())) < rtol["components"]
    ours = fit.tidy("levels").assign(level=lambda f: f["level"].astype(str)).set_index(["group", "level"])["estimate"]
    found = [ours[group, level] for group, level, _ in gold["effects"]]
    values = [value for *_, value in gold["effects"]]
    assert relative(found, values, scale=max(map(abs, values))) < rtol["effects"]
