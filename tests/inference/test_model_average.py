"""Fixed effects averaged over models: the formula term by term."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import alliance_stats as al
from alliance_stats.errors import ModelError
from alliance_stats.mixed.fit import LmmFit

DATA = Path(__file__).resolve().parents[1] / "golden" / "data"


@cache
def data_of(name: str) -> pd.DataFrame:
    return pd.read_csv(DATA / f"{name}.csv")


def two_models() -> tuple[LmmFit, LmmFit]:
    frame = data_of("Orthodont")
    return (
        al.lmm("distance ~ agec + (1 | Subject)", frame, method="ML"),
        al.lmm("distance ~ agec * Sex + (1 | Subject)", frame, method="ML"),
    )


def test_averaging_over_all_models_counts_a_missing_effect_as_zero() -> None:
    small, big = two_models()
    result = al.compare(small, big)
    w = result.tidy().set_index("model")["weight"]
    row = result.average(over="all").tidy().set_index("term").loc["Sex[T.Male]"]
    b, v = big.fixed_effects["Sex[T.Male]"], big.fixed_covariance.loc["Sex[T.Male]", "Sex[T.Male]"]
    average = w[2] * b
    error = w[1] * abs(average) + w[2] * np.sqrt(v + (b - average) ** 2)
    assert (row["estimate"], row["std_error"]) == pytest.approx((average, error), rel=1e-12)
    assert (row["n_models"], row["weight"]) == (1, pytest.approx(w[2]))
    half = norm.ppf(0.975) * error
    assert (row["conf_low"], row["conf_high"]) == pytest.approx((average - half, average + half), rel=1e-9)


def test_averaging_over_the_models_that_contain_an_effect_leaves_a_single_estimate_alone() -> None:
    small, big = two_models()
    table = al.compare(big, small).average(over="containing", level=0.9).tidy().set_index("term")
    row = table.loc["agec:Sex[T.Male]"]
    assert row["estimate"] == pytest.approx(big.fixed_effects["agec:Sex[T.Male]"], rel=1e-12)
    error = np.sqrt(big.fixed_covariance.loc["agec:Sex[T.Male]", "agec:Sex[T.Male]"])
    assert row["std_error"] == pytest.approx(error, rel=1e-12)
    assert row["conf_high"] - row["conf_low"] == pytest.approx(2 * norm.ppf(0.95) * error, rel=1e-9)
    assert row["conf_level"] == 0.9


def test_an_average_of_an_effect_in_all_models_lies_between_its_estimates() -> None:
    small, big = two_models()
    for over in ("all", "containing"):
        result = al.compare(small, big).average(over=over)
        row = result.tidy().set_index("term").loc["agec"]
        ends = sorted([small.fixed_effects["agec"], big.fixed_effects["agec"]])
        assert ends[0] <= row["estimate"] <= ends[1]
        assert row["weight"] == pytest.approx(1.0)
        assert result.glance().iloc[0][["n_models", "over"]].tolist() == [2, over]
    assert any("zero where left out" in note for note in al.compare(small, big).average(over="all").notes)


def test_an_effect_of_a_hopeless_model_still_has_an_average() -> None:
    frame = data_of("sleepstudy").assign(noise=lambda d: np.sin(np.arange(len(d))))
    good = al.lmm("Reaction ~ Days + (1 + Days | Subject)", frame, method="ML")
    worse = al.lmm("Reaction ~ noise + (1 | Subject)", frame, method="ML")
    row = al.compare(good, worse).average(over="containing").tidy().set_index("term").loc["noise"]
    assert row["estimate"] == pytest.approx(worse.fixed_effects["noise"], rel=1e-9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"over": "contain"}, r"'contain'(?s:.*)did you mean 'containing'"),
        ({"over": "all", "level": 95.0}, r"not at 95.0(?s:.*)level=0.95"),
    ],
)
def test_a_wrong_option_of_averaging_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        al.compare(*two_models()).average(**options)
