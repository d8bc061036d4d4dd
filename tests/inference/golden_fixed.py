"""Reading golden tests of fixed effects."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import alliance_stats as al

FOLDER = Path(__file__).resolve().parents[1] / "golden"
CASES: dict[str, dict[str, Any]] = json.loads((FOLDER / "coefficient_tests_cases.json").read_text())
GOLDEN: dict[str, Any] = json.loads((FOLDER / "coefficient_tests.json").read_text())
RTOL: dict[str, float] = GOLDEN["rtol"]


def prepared(case: str) -> pd.DataFrame:
    """Return the data of a case, with the same columns made and rows left out as in the R script."""
    given = CASES[case]
    frame = pd.read_csv(FOLDER / "data" / f"{given['data']}.csv")
    if given["data"] == "alliance_sessions":
        number = frame["patient"].rank(method="dense").astype(int)
        frame["third"] = number.mod(3).map({0: "a", 1: "b", 2: "c"})
        if given.get("holes"):
            frame = frame[~((frame["third"] == "c") & (frame["phase"] == "late"))]
    return frame


@cache
def fitted(case: str, method: str = "REML") -> al.LmmFit:
    """Return the fit of a case."""
    given = CASES[case]
    return al.lmm(given["formula"], prepared(case), method=method, weights=given.get("weights"))


def plain_name(name: str) -> str:
    """Return a term's name whatever the order of its factors and the way levels are written."""
    parts = name.replace("(Intercept)", "Intercept").replace("[T.", "").replace("[", "").replace("]", "").split(":")
    return ":".join(sorted(parts))


def deviation(found: Any, expected: Any) -> float:
    """Return the largest relative deviation."""
    found, expected = np.asarray(found, dtype=float), np.asarray(expected, dtype=float)
    assert found.shape == expected.shape
    return float(np.max(np.abs(found - expected) / np.abs(expected)))
