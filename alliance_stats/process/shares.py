"""Rows of shares and means for tables that count events of patients, and their intervals at any level."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from alliance_stats.process.parts import CONF_LEVEL
from alliance_stats.process.session_series import FloatArray


def share_row(count: int, n: int, *, level: float = CONF_LEVEL) -> dict[str, float | int]:
    """Return a share of independent units with its Wilson interval.

    References
    ----------
    Wilson, E. B. (1927). Journal of the American Statistical Association, 22, 209-212.
    https://doi.org/10.1080/01621459.1927.10502953
    """
    from scipy.stats import norm

    if n == 0:
        return {"estimate": math.nan, "conf_low": math.nan, "conf_high": math.nan, "n": 0}
    z = float(norm.ppf(0.5 + level / 2))
    share = count / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return {
        "estimate": share,
        "conf_low": max(0.0, centre - reach),
        "conf_high": min(1.0, centre + reach),
        "n": n,
    }


def mean_row(values: FloatArray, *, level: float = CONF_LEVEL) -> dict[str, float | int]:
    """Return mean, standard error, t interval and standard deviation of values, none missing."""
    from scipy.stats import t

    n = values.size
    if n == 0:
        return {"estimate": math.nan, "std_error": math.nan, "conf_low": math.nan, "conf_high": math.nan, "n": 0}
    mean = float(values.mean())
    if n == 1:
        return {"estimate": mean, "std_error": math.nan, "conf_low": math.nan, "conf_high": math.nan, "n": 1}
    spread = float(np.std(values, ddof=1))
    error = spread / math.sqrt(n)
    reach = float(t.ppf(0.5 + level / 2, n - 1)) * error
    return {
        "estimate": mean,
        "std_error": error,
        "df": n - 1,
        "conf_low": mean - reach,
        "conf_high": mean + reach,
        "n": n,
        "sd": spread,
    }


def at_level(table: pd.DataFrame, level: float) -> pd.DataFrame:
    """Return estimates with intervals of another level: t where ``df`` is given, normal where only ``std_error`` is."""
    from scipy.stats import norm, t

    share = 0.5 + level / 2
    df = table["df"].to_numpy(float) if "df" in table else np.full(len(table), np.nan)
    times = np.where(np.isnan(df), norm.ppf(share), t.ppf(share, np.where(np.isnan(df), 1.0, df)))
    reach = times * table["std_error"].to_numpy(float)
    return table.assign(conf_low=table["estimate"] - reach, conf_high=table["estimate"] + reach, conf_level=level)
