"""Lagged effects of one direction, and what they come to in the long run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from alliance_stats.process.panel_rows import FloatArray

Interval = Literal["delta", "monte_carlo"]
Model = Literal["multilevel", "ri_clpm", "dynamic_panel"]

N_DRAWS = 20_000


@dataclass(frozen=True)
class LaggedEffects:
    """Effects on one rating from one session to the next.

    Parameters
    ----------
    model : {"multilevel", "ri_clpm", "dynamic_panel"}
    first_on_second : bool
        Whether the first rating predicts the second.
    session : int or None
        Session of the outcome; None if effects are equal over sessions.
    estimate : ndarray, shape (2,)
        Of the outcome's own value before, and of the other rating before.
    covariance : ndarray, shape (2, 2)
        Of the estimates.
    n : int
        Rows (multilevel) or patients.
    """

    model: Model
    first_on_second: bool
    session: int | None
    estimate: FloatArray
    covariance: FloatArray = field(repr=False)
    n: int


def wald_row(estimate: float, std_error: float, level: float) -> dict[str, float]:
    """Return estimate, error, z, p and normal interval."""
    from scipy.stats import norm

    reach = float(norm.ppf(0.5 + level / 2.0)) * std_error
    statistic = estimate / std_error
    return {
        "estimate": estimate,
        "std_error": std_error,
        "statistic": statistic,
        "p_value": float(2.0 * norm.sf(abs(statistic))),
        "conf_low": estimate - reach,
        "conf_high": estimate + reach,
        "conf_level": level,
    }


def long_run_row(effects: LaggedEffects, level: float, *, interval: Interval, seed: int | None) -> dict[str, float]:
    """Return the long-run effect, cross effect / (1 - autoregression); NaN where the autoregression is 1 or more.

    Parameters
    ----------
    effects : LaggedEffects
    level : float in (0, 1)
    interval : {"delta", "monte_carlo"}
    seed : int or None
        For "monte_carlo".
    """
    own, cross = effects.estimate
    if own >= 1.0:
        return {**wald_row(float("nan"), float("nan"), level)}
    value = float(cross / (1.0 - own))
    gradient = np.array([cross / (1.0 - own) ** 2, 1.0 / (1.0 - own)])
    row = wald_row(value, float(np.sqrt(gradient @ effects.covariance @ gradient)), level)
    if interval == "delta":
        return row
    draws = np.random.default_rng(seed).multivariate_normal(
        effects.estimate, effects.covariance, N_DRAWS, method="cholesky"
    )
    # A draw without a long run has no finite effect; it lies beyond every limit on the side of its cross effect.
    stable = draws[:, 0] < 1.0
    ratio = np.where(stable, draws[:, 1] / np.where(stable, 1.0 - draws[:, 0], 1.0), np.copysign(np.inf, draws[:, 1]))
    tail = (1.0 - level) / 2.0
    ends: Any = np.quantile(ratio, [tail, 1.0 - tail], method="inverted_cdf")
    return row | {"conf_low": float(ends[0]), "conf_high": float(ends[1])}
