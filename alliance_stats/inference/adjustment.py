"""P-values and intervals of several tests at once."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import numpy as np

from alliance_stats.inference.linear import t_quantile, two_sided_p
from alliance_stats.mixed.levelsums import Floats

Adjust: TypeAlias = Literal["none", "tukey", "holm", "bonferroni", "bh"]
ADJUSTMENTS: tuple[str, ...] = get_args(Adjust)

_STATSMODELS = {"holm": "holm", "bonferroni": "bonferroni", "bh": "fdr_bh"}
_WORDS = {
    "none": "P-values and intervals are not adjusted for the number of contrasts",
    "tukey": "P-values and intervals adjusted for all pairs (Tukey-Kramer, studentized range)",
    "holm": "P-values adjusted after Holm; intervals after Bonferroni",
    "bonferroni": "P-values and intervals adjusted after Bonferroni",
    "bh": "P-values adjusted after Benjamini and Hochberg (false discovery rate); intervals are not adjusted",
}

LARGE_DF = 1e5
"""From so many degrees of freedom SciPy's studentized range takes its limit for infinite ones."""

MAX_SEARCHES = 9
"""Searches for a quantile of the studentized range per family; with more different df it is interpolated."""


def adjusted_p(statistic: Floats, df: Floats, *, adjust: Adjust, n_means: int) -> Floats:
    """Return p-values of a family of t tests, NaN for those that are missing, shape (k,).

    Parameters
    ----------
    statistic, df : ndarray, each of shape (k,)
    adjust : {"none", "tukey", "holm", "bonferroni", "bh"}
    n_means : int
        Means that all pairs are formed of, for "tukey".

    References
    ----------
    Kramer, C. Y. (1956). Extension of multiple range tests to group means with unequal numbers of replications. Biometrics,
    12, 307-310. doi 10.2307/3001469.
    """
    raw = two_sided_p(statistic, df)
    known = np.isfinite(statistic)
    if adjust == "none" or not known.any():
        return raw
    if adjust == "tukey":
        from scipy.stats import studentized_range

        spread = np.sqrt(2.0) * np.abs(statistic[known])
        raw[known] = np.clip(studentized_range.sf(spread, n_means, np.minimum(df[known], LARGE_DF)), 0.0, 1.0)
        return raw
    from statsmodels.stats.multitest import multipletests

    raw[known] = multipletests(raw[known], method=_STATSMODELS[adjust])[1]
    return raw


def half_widths(df: Floats, *, adjust: Adjust, n_means: int, level: float) -> Floats:
    """Return half the width of each interval of a family in standard errors, shape (k,).

    Parameters
    ----------
    df : ndarray, shape (k,)
    adjust : {"none", "tukey", "holm", "bonferroni", "bh"}
        "holm" gives Bonferroni's intervals, "bh" unadjusted ones.
    n_means : int
        Means that all pairs are formed of, for "tukey".
    level : float in (0, 1)
        Of all intervals together, or of each where they are not adjusted.
    """
    known = np.isfinite(df) | np.isinf(df)
    if adjust == "tukey" and known.any():
        found = np.full(df.size, np.nan)
        found[known] = _tukey_quantiles(np.minimum(df[known], LARGE_DF), n_means, level) / np.sqrt(2.0)
        return found
    tests = int(known.sum()) if adjust in ("holm", "bonferroni") else 1
    return t_quantile(1.0 - (1.0 - level) / (2.0 * max(tests, 1)), df)


def _tukey_quantiles(df: Floats, n_means: int, level: float) -> Floats:
    """Return quantiles of the studentized range, shape (k,); one search takes a tenth of a second, so few are made."""
    from numpy.polynomial import Chebyshev
    from scipy.stats import studentized_range

    unique, place = np.unique(df, return_inverse=True)
    finite = unique < LARGE_DF
    if finite.sum() <= MAX_SEARCHES:
        return np.asarray(studentized_range.ppf(level, n_means, unique)[place])
    # As a function of 1 / df the quantile is so smooth that a polynomial through a few points has eight digits.
    ends = 1.0 / unique[finite][-1], 1.0 / unique[0]
    curve = Chebyshev.interpolate(
        lambda x: studentized_range.ppf(level, n_means, 1.0 / x), MAX_SEARCHES - 1, domain=ends
    )
    found = curve(1.0 / unique)
    found[~finite] = studentized_range.ppf(level, n_means, unique[~finite])
    return np.asarray(found[place])


def adjustment_note(adjust: Adjust, n_families: int) -> str:
    """Return what was adjusted."""
    where = ", within each condition" if n_families > 1 and adjust != "none" else ""
    return f"{_WORDS[adjust]}{where}."
