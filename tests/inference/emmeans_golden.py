"""emmeans' tables beside ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from alliance_stats import lmm
from alliance_stats.mixed.fit import LmmFit

GOLDEN = Path(__file__).resolve().parents[1] / "golden"

RTOL = {
    "estimate": 1e-6,
    "std_error": 1e-6,
    "df": 1e-4,  # lmerTest takes derivatives numerically
    "statistic": 2e-6,
    "p_value": 1e-3,
    "conf_low": 1e-5,
    "conf_high": 1e-5,
}
"""One tolerance per column, relative to the value, of an estimate at least to its standard error; intervals to their width.

emtrends takes a one-sided difference quotient, which for a curve is exact to some seven digits of the larger slopes.
"""


def golden_cases() -> dict[str, Any]:
    """Return emmeans' results by case."""
    cases: dict[str, Any] = json.loads((GOLDEN / "emmeans.json").read_text())
    return cases


def case_frame(case: str) -> pd.DataFrame:
    """Return the data of a case, with the columns that the R script adds."""
    names = {"cake": "cake", "orthodont": "Orthodont", "sleep": "sleepstudy", "raters": "alliance_raters"}
    stem = case.split("_")[0]
    name = "alliance_clinics" if stem == "clinics" else names.get(stem, "alliance_sessions")
    frame = pd.read_csv(GOLDEN / "data" / f"{name}.csv")
    if name == "cake":
        frame["recipe"] = np.select([frame["rB"] == 1, frame["rC"] == 1], ["B", "C"], "A")
        steps = sum(k * frame[f"t{175 + 10 * k}"] for k in range(1, 6))
        frame["temperature"] = (175 + 10 * steps).astype(int).astype(str)
    elif name == "sleepstudy":
        frame["long"] = np.where(frame["Days"] > 4, "late", "early")
    elif name == "alliance_raters":
        frame["half"] = np.where(frame["occasion"] > 0, "second", "first")
    elif name == "alliance_clinics":
        north, south = frame["clinic"].isin(["A", "B", "C"]), frame["clinic"].isin(["D", "E"])
        frame["site"] = np.select([north, south], ["north", "south"], "west")
    elif name == "alliance_sessions":
        frame["severity"] = frame.groupby("patient")["distress"].transform("first")
    return frame


def case_fit(case: str, cases: dict[str, Any]) -> LmmFit:
    """Return our fit of a case."""
    return lmm(cases[case]["formula"], case_frame(case), weights=cases[case].get("weights"))


def as_lists(value: dict[str, Any]) -> dict[str, list[Any]]:
    """Return columns as lists; R unboxes those of length one."""
    return {name: own if isinstance(own, list) else [own] for name, own in value.items()}


def compare(ours: pd.DataFrame, theirs: dict[str, Any], order: list[int]) -> None:
    """Assert that a table of ours, in some order of its rows, is emmeans' within the tolerances."""
    expected = as_lists(theirs)
    found = ours.iloc[order]
    for name, rtol in RTOL.items():
        if name not in expected:
            continue
        want = np.array(expected[name], dtype=float)
        if name == "df":
            want = np.where(want < 0, np.inf, want)
        have = found[name].to_numpy(dtype=float)
        assert have.shape == want.shape
        if np.isinf(want).any():
            assert np.array_equal(have, want)
            continue
        if name in ("conf_low", "conf_high"):
            width = np.array(expected["conf_high"], float) - np.array(expected["conf_low"], float)
            assert np.max(np.abs(have - want) / width) < rtol, name
        elif name == "p_value":
            np.testing.assert_allclose(have, want, rtol=rtol, atol=1e-10, err_msg=name)
        else:
            floor = {"estimate": np.array(expected["std_error"], float), "statistic": 1.0}.get(name, 0.0)
            size = np.maximum(np.abs(want), floor)
            np.testing.assert_allclose(have / size, want / size, rtol=0, atol=rtol, err_msg=name)
