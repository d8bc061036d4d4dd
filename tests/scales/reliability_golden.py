"""Data and golden values shared by the tests of reliability, factor analysis and confirmatory models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

GOLDEN = Path(__file__).parents[1] / "golden"
NINE = [f"i{item}" for item in range(1, 10)]
FOUR = ["i1", "i2", "i4", "i7"]
THREE_FACTORS = {"a": NINE[:3], "b": NINE[3:6], "c": NINE[6:]}


def golden(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_text("utf-8"))
    return found


def all_sessions() -> pd.DataFrame:
    return pd.read_csv(GOLDEN / "data" / "alliance_items.csv")


def first_sessions() -> pd.DataFrame:
    return all_sessions().query("session == 1").reset_index(drop=True)


def balanced_sessions() -> pd.DataFrame:
    return pd.read_csv(GOLDEN / "data" / "alliance_items_balanced.csv")


def shuffled(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the same rows in another order with other ids."""
    names = {patient: f"p{(patient * 7919) % 100_003}" for patient in frame["patient"].unique()}
    return frame.assign(patient=frame["patient"].map(names)).sample(frac=1, random_state=4).reset_index(drop=True)


def heywood_items() -> pd.DataFrame:
    """Return three items of which the first correlates too highly with the others for one factor."""
    rng = np.random.default_rng(2)
    f = rng.normal(size=60)
    frame = pd.DataFrame({"i1": f, "i2": f + 0.9 * rng.normal(size=60), "i3": f + 0.9 * rng.normal(size=60)})
    frame["i1"] += 0.45 * (frame["i2"] - f) + 0.45 * (frame["i3"] - f)
    return frame


def parallel_items(n_rows: int, k: int, *, loading: float = 0.8, residual: float = 0.6) -> pd.DataFrame:
    """Return items whose sample covariances are exactly those of parallel items."""
    rng = np.random.default_rng(3)
    raw = rng.normal(size=(n_rows, k))
    raw -= raw.mean(axis=0)
    white = raw @ np.linalg.inv(np.linalg.cholesky(raw.T @ raw / (n_rows - 1))).T
    covariance = np.full((k, k), loading**2) + residual * np.eye(k)
    return pd.DataFrame(white @ np.linalg.cholesky(covariance).T, columns=[f"i{item}" for item in range(1, k + 1)])
