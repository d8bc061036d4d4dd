"""Intervals of agreement by drawing units with replacement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from alliance_stats.errors import DataError
from alliance_stats.scales.arguments import is_number
from alliance_stats.scales.keying import FloatArray
from alliance_stats.scales.rating_table import IntArray

LONG = 200
"""Resamples of a slow coefficient beyond which a progress bar is shown."""


@dataclass(frozen=True, kw_only=True)
class AgreementInterval:
    """How intervals are made.

    Parameters
    ----------
    level : float in (0, 1)
        Coverage.
    n_resamples : int
        0 for the analytic interval of each method; otherwise units are drawn with replacement that many times.
    seed : int, optional
        Of the draws; needed for them.
    progress : bool
        Whether long work shows a progress bar.
    """

    level: float = 0.95
    n_resamples: int = 0
    seed: int | None = None
    progress: bool = True

    def __post_init__(self) -> None:
        if not is_number(self.level) or not 0 < self.level < 1:
            raise DataError.build(
                f"level = {self.level} is not between 0 and 1.", hint="use 0.95 for a 95 percent interval."
            )
        if self.n_resamples < 0 or 0 < self.n_resamples < 100:
            raise DataError.build(f"n_resamples = {self.n_resamples}.", hint="use 0, or 1000 or more.")
        if self.n_resamples and self.seed is None:
            raise DataError.build("Resampling needs a seed.", hint="pass AgreementInterval(n_resamples=..., seed=1).")


def resampled(
    values_of: Callable[[IntArray], FloatArray], order: IntArray, interval: AgreementInterval, *, slow: bool
) -> FloatArray:
    """Return coefficients of resampled units.

    Parameters
    ----------
    values_of : callable
        Gives coefficients, shape (m,), for positions of units.
    order : ndarray of int, shape (n_units,)
        Units in the order of their content, so that the order of rows does not matter.
    interval : AgreementInterval
        Number of draws and seed.
    slow : bool
        Whether a coefficient takes long.

    Returns
    -------
    ndarray, shape (n_resamples, m)
    """
    from tqdm import tqdm

    rng = np.random.default_rng(interval.seed)
    hide = not (interval.progress and slow and interval.n_resamples > LONG)
    rounds = tqdm(range(interval.n_resamples), desc="resampling units", disable=hide)
    return np.array([values_of(order[rng.integers(0, order.size, size=order.size)]) for _ in rounds])


def percentile_interval(draws: FloatArray, level: float) -> tuple[float, float, float, int]:
    """Return standard error, percentile interval, and the number of draws in which a coefficient is defined."""
    known = draws[np.isfinite(draws)]
    if known.size < 2:
        return np.nan, np.nan, np.nan, int(known.size)
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(known.std(ddof=1)), float(low), float(high), int(known.size)
