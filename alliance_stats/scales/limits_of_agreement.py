"""Limits of agreement: how far two measurements of the same thing lie apart."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from alliance_stats.errors import DataError
from alliance_stats.scales.keying import FloatArray

IntArray = npt.NDArray[np.int64]

TERMS = ("mean_difference", "sd_difference", "lower_limit", "upper_limit")


class Limits(NamedTuple):
    """Estimates and standard errors in the order of `TERMS`, each of shape (4,), and degrees of freedom."""

    estimates: FloatArray
    std_errors: FloatArray
    df: int


def limits_of_agreement(difference: FloatArray, subject: IntArray, *, level: float) -> Limits:
    """Return mean, spread and limits of the differences between two measurements.

    Parameters
    ----------
    difference : ndarray, shape (n,)
        First minus second measurement, none missing.
    subject : ndarray of int, shape (n,)
        Whose they are; several per subject when sessions repeat, during which the true value may change.
    level : float in (0, 1)
        Share of differences between the limits, 0.95 as a rule.

    Returns
    -------
    Limits

    Notes
    -----
    One pair per subject: mean +- z s, with variances s^2 / n of the mean and s^2 (1 / n + z^2 / (2 (n - 1))) of a limit
    (Bland & Altman, 1999, section 2). Several: the variance of a difference is the sum of the variance between subjects,
    (MSB - MSW) / m0, not below zero, and within, MSW, of a one-way analysis of variance; m0 = (N - sum m_i^2 / N) / (n - 1)
    (section 5.3). Its standard error follows from the variances of mean squares, 2 MS^2 / df, and the mean and the spread
    are taken as independent, so that with one pair per subject both formulas agree.

    References
    ----------
    Bland, J. M., & Altman, D. G. (1999). Measuring agreement in method comparison studies. Statistical Methods in Medical
    Research, 8, 135-160. https://doi.org/10.1177/096228029900800204
    """
    from scipy.stats import norm

    counts = np.bincount(subject)
    counts = counts[counts > 0].astype(float)
    n, n_all = counts.size, float(difference.size)
    if n < 3:
        raise DataError.build(f"{n} subjects have both measurements.", hint="limits of agreement need at least three.")
    z = float(norm.ppf((1 + level) / 2))
    mean = float(difference.mean())
    between, within = _components(difference, subject, n)
    spread2 = between + within[0]
    mean_variance = (between * float((counts**2).sum()) / n_all + within[0]) / n_all
    spread = float(np.sqrt(spread2))
    spread_variance = within[1] / (4 * spread2) if spread2 > 0 else 0.0
    estimates = np.array([mean, spread, mean - z * spread, mean + z * spread])
    limit = np.sqrt(mean_variance + z**2 * spread_variance)
    return Limits(estimates, np.array([np.sqrt(mean_variance), np.sqrt(spread_variance), limit, limit]), n - 1)


def _components(difference: FloatArray, subject: IntArray, n: int) -> tuple[float, tuple[float, float]]:
    """Return the variance between subjects, that within, and the variance of the estimate of their sum."""
    _, place = np.unique(subject, return_inverse=True)
    counts = np.bincount(place).astype(float)
    n_all = difference.size
    means = np.bincount(place, weights=difference) / counts
    msb = float((counts * (means - difference.mean()) ** 2).sum()) / (n - 1)
    m0 = (n_all - float((counts**2).sum()) / n_all) / (n - 1)
    df_within = n_all - n
    if df_within == 0:
        # One pair per subject: between and within cannot be told apart, and need not be.
        return 0.0, (msb, 2 * msb**2 / (n - 1))
    msw = float(((difference - means[place]) ** 2).sum()) / df_within
    if msb <= msw:
        pooled = (msb * (n - 1) + msw * df_within) / (n_all - 1)
        return 0.0, (pooled, 2 * pooled**2 / (n_all - 1))
    variance = 2 * (msb / m0) ** 2 / (n - 1) + 2 * ((1 - 1 / m0) * msw) ** 2 / df_within
    return (msb - msw) / m0, (msw, variance)
