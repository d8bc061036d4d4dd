"""Tests and intervals from the normal distribution."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from alliance_stats.errors import ModelError
from alliance_stats.mixed.levelsums import Floats


def wald_table(estimates: pd.Series[float], std_errors: Floats, level: float) -> pd.DataFrame:
    """Return estimates with normal tests and intervals, one row per term.

    Parameters
    ----------
    estimates : Series
    std_errors : ndarray, shape (n_terms,)
    level : float in (0, 1)
    """
    if not 0 < level < 1:
        raise ModelError.build(f"An interval's level lies between 0 and 1, not at {level}.", hint="use level=0.95.")
    values = estimates.to_numpy()
    half = ndtri(0.5 + level / 2.0) * std_errors
    statistic = values / std_errors
    return pd.DataFrame(
        {
            "term": estimates.index,
            "estimate": values,
            "std_error": std_errors,
            "statistic": statistic,
            "p_value": 2.0 * ndtr(-np.abs(statistic)),
            "conf_low": values - half,
            "conf_high": values + half,
            "conf_level": level,
        }
    )
