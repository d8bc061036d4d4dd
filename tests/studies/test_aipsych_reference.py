"""Counselling sessions between language models: reference fits of R 4.2.2, lme4 1.1-31 with bobyqa and rhoend 1e-9."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from alliance_stats import lmm
from alliance_stats.mixed.fit import LmmFit

RTOL = 1e-6  # six significant digits
MODEL = (
    "wai_total_recomputed ~ support_w + control_w + support_b + control_b + session_id"
    " + (1|patient_id) + (1|therapist_id) + (1|dyad_id)"
)


@pytest.fixture(scope="module")
def rows(shared_data: Callable[[str], Path]) -> pd.DataFrame:
    folder = shared_data("aipsych_eval")
    keys = ["pairing_id", "session_id"]
    scores = pd.read_csv(folder / "wai_items_tidy.csv")[[*keys, "wai_total_recomputed"]]
    joined = pd.read_csv(folder / "sessions_tidy.csv").drop(columns=["support", "control"]).merge(scores, on=keys)
    joined["support"] = joined[["AF", "Seek", "Emphasize", "SR", "CR"]].sum(axis=1) / joined["total"]
    joined["control"] = joined[["Persuade", "Confront"]].sum(axis=1) / joined["total"]
    joined = joined.dropna(subset=["support", "control", "wai_total_recomputed"])
    for name in ("support", "control"):
        joined[f"{name}_b"] = joined.groupby("dyad_id")[name].transform("mean")
        joined[f"{name}_w"] = joined[name] - joined[f"{name}_b"]
    return joined


@pytest.fixture(scope="module")
def fit(rows: pd.DataFrame) -> LmmFit:
    return lmm(MODEL, rows)


def test_rows(fit: LmmFit) -> None:
    assert fit.n_obs == 277


@pytest.mark.parametrize(
    ("term", "estimate", "std_error"),
    [
        ("Intercept", 26.885649, 44.502888),
        ("support_w", 49.683795, 26.068512),
        ("control_w", -107.933949, 23.833951),
        ("support_b", 119.688564, 66.102742),
        ("control_b", 17.745798, 50.820993),
        ("session_id", 6.507368, 2.668377),
    ],
)
def test_fixed_effects(fit: LmmFit, term: str, estimate: float, std_error: float) -> None:
    row = fit.tidy().set_index("term").loc[term]
    assert row["estimate"] == pytest.approx(estimate, rel=RTOL)
    assert row["std_error"] == pytest.approx(std_error, rel=RTOL)


def test_variances_and_criterion(fit: LmmFit) -> None:
    table = fit.variance_components().set_index("group")["estimate"]
    assert table["dyad_id"] == pytest.approx(1041.5336, rel=RTOL)
    assert table["patient_id"] == pytest.approx(837.1587, rel=RTOL)
    assert table["therapist_id"] == pytest.approx(395.6610, rel=RTOL)
    assert table["Residual"] == pytest.approx(1229.5475, rel=RTOL)
    assert fit.criterion == pytest.approx(2832.254, abs=0.0005)


def test_order_of_the_bars_does_not_matter(fit: LmmFit, rows: pd.DataFrame) -> None:
    turned = MODEL.replace(
        "(1|patient_id) + (1|therapist_id) + (1|dyad_id)", "(1|dyad_id) + (1|therapist_id) + (1|patient_id)"
    )
    assert lmm(turned, rows).criterion == pytest.approx(fit.criterion, abs=1e-8)
