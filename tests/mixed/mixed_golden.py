"""Reading golden fits and laying a fit beside them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from alliance_stats.mixed.fit import LmmFit

FOLDER = Path(__file__).resolve().parents[1] / "golden"

RTOL: dict[str, float] = {
    "beta": 1e-6,  # six digits are promised; beta hardly moves with theta
    "std_error": 1e-6,
    "sigma": 1e-6,
    "criterion": 1e-9,  # flat at the optimum: a theta off by 1e-6 costs 1e-12
    "log_likelihood": 1e-9,
    "components": 1e-6,  # a search without derivatives knows theta to the root of the rounding of the criterion, some 1e-7
    "effects": 1e-6,
    "effects_sd": 1e-6,
}
"""One tolerance per quantity.

Relative to the value for beta, SE, sigma and the criterion. Relative to the largest of a model's components, and to the largest
effect or SD of a model, for the others: a covariance near zero or a person near the mean has no six digits of its own.
"""


def golden(case: str) -> dict[str, Any]:
    """Return a golden fit."""
    found: dict[str, Any] = json.loads((FOLDER / f"mixed_{case}.json").read_text())
    return found


def golden_cases() -> dict[str, dict[str, str]]:
    """Return data, formula and weights of every golden case."""
    cases: dict[str, dict[str, str]] = json.loads((FOLDER / "mixed_cases.json").read_text())
    return cases


def golden_data(name: str) -> pd.DataFrame:
    """Return one of the small data sets."""
    return pd.read_csv(FOLDER / "data" / f"{name}.csv")


def plain_term(name: str) -> str:
    """Return a term's name in R's manner: ``(Intercept)`` and ``arm[T.full]`` become ``Intercept`` and ``armfull``."""
    return name.replace("(Intercept)", "Intercept").replace("[T.", "").replace("[", "").replace("]", "")


def plain_group(name: str) -> str:
    """Return a grouping factor's name whatever the order of its parts: lme4 writes b:a for a/b."""
    return ":".join(sorted(name.split(":")))


def components_of(fit: LmmFit) -> dict[tuple[str, frozenset[str]], float]:
    """Return variances and covariances by group and terms."""
    table = fit.variance_components()
    table = table[table["group"] != "Residual"]
    return {
        (plain_group(r.group), frozenset({plain_term(r.term), plain_term(r.term2 or r.term)})): r.estimate
        for r in table.itertuples()
    }


def golden_components(rows: list[dict[str, Any]]) -> dict[tuple[str, frozenset[str]], float]:
    """Return lme4's variances and covariances by group and terms."""
    return {
        (plain_group(r["group"]), frozenset({plain_term(r["term"]), plain_term(r["term2"])})): r["value"] for r in rows
    }


def effects_of(fit: LmmFit) -> pd.DataFrame:
    """Return predicted effects and their SDs, indexed by group, term and level."""
    table = fit.tidy("levels")
    level = [":".join(map(str, value)) if isinstance(value, tuple) else str(value) for value in table["level"]]
    return _indexed(table[["estimate", "std_error"]], table["group"], table["term"], level)


def golden_effects(value: dict[str, Any]) -> pd.DataFrame:
    """Return lme4's predicted effects and their SDs, indexed alike."""
    table = pd.DataFrame({"estimate": value["value"], "std_error": value["sd"]})
    return _indexed(table, value["group"], value["term"], value["level"])


def _indexed(table: pd.DataFrame, group: Iterable[str], term: Iterable[str], level: Iterable[str]) -> pd.DataFrame:
    """Return a table indexed by plain group, term and level; lme4 writes the level b:a for b in a."""
    keys = [[plain_group(g) for g in group], [plain_term(t) for t in term], [plain_group(v) for v in level]]
    return table.set_index(pd.MultiIndex.from_arrays(keys)).sort_index()


def relative(found: Any, expected: Any, *, scale: float | None = None) -> float:
    """Return the largest deviation relative to the expected value, or to one scale for all."""
    found, expected = np.atleast_1d(np.asarray(found, float)), np.atleast_1d(np.asarray(expected, float))
    assert found.shape == expected.shape
    size = np.maximum(np.abs(expected), 1e-300) if scale is None else max(scale, 1e-300)
    return float(np.max(np.abs(found - expected) / size, initial=0.0))
