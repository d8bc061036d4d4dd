"""How well a covariance structure fits: chi-square and the indices made from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alliance_stats.scales.keying import FloatArray

RMSEA_LEVEL = 0.90
"""Coverage of the interval of the RMSEA: Steiger (1990), Multivariate Behavioral Research 25, 173-180, uses 90 percent."""


@dataclass(frozen=True, kw_only=True)
class ModelFit:
    """Chi-square, degrees of freedom, and fit indices; NaN where there are no degrees of freedom."""

    chi2: float
    df: int
    p_value: float
    cfi: float
    tli: float
    rmsea: float
    rmsea_low: float
    rmsea_high: float


def model_fit(*, chi2: float, df: int, baseline_chi2: float, baseline_df: int, n: int) -> ModelFit:
    """Return the fit indices of a model.

    Parameters
    ----------
    chi2, baseline_chi2 : float
        Of the model, and of the model in which the items are independent.
    df, baseline_df : int
    n : int
        Number of independent rows.

    Notes
    -----
    RMSEA = sqrt(max(chi2 - df, 0) / (n df)). CFI = 1 - max(chi2 - df, 0) / max(chi2 - df, chi2_0 - df_0, 0) (Bentler, 1990,
    doi 10.1037/0033-2909.107.2.238). TLI = (chi2_0 / df_0 - chi2 / df) / (chi2_0 / df_0 - 1) (Tucker & Lewis, 1973,
    doi 10.1007/BF02291170).
    """
    from scipy.stats import chi2 as chi2_distribution

    if df <= 0:
        gap = float("nan")
        return ModelFit(chi2=chi2, df=df, p_value=gap, cfi=gap, tli=gap, rmsea=gap, rmsea_low=gap, rmsea_high=gap)
    excess, baseline_excess = max(chi2 - df, 0.0), max(baseline_chi2 - baseline_df, chi2 - df, 0.0)
    ratio, baseline_ratio = chi2 / df, baseline_chi2 / baseline_df
    low, high = _rmsea_interval(chi2, df, n)
    return ModelFit(
        chi2=chi2,
        df=df,
        p_value=float(chi2_distribution.sf(chi2, df)),
        cfi=1.0 - excess / baseline_excess if baseline_excess > 0 else 1.0,
        tli=(baseline_ratio - ratio) / (baseline_ratio - 1.0),
        rmsea=float(np.sqrt(excess / (n * df))),
        rmsea_low=low,
        rmsea_high=high,
    )


def _rmsea_interval(chi2: float, df: int, n: int) -> tuple[float, float]:
    """Return the ends of the RMSEA from those of the noncentrality."""
    tail = (1.0 - RMSEA_LEVEL) / 2.0
    low, high = (np.sqrt(_noncentrality(chi2, df, share) / (n * df)) for share in (1.0 - tail, tail))
    return float(low), float(high)


def _noncentrality(chi2: float, df: int, share: float) -> float:
    """Return the noncentrality at which chi2 has this share of the distribution below it, 0 if there is none."""
    from scipy.optimize import brentq
    from scipy.stats import chi2 as central
    from scipy.stats import ncx2

    if central.cdf(chi2, df) < share:
        return 0.0
    top = max(chi2, 1.0)
    while ncx2.cdf(chi2, df, top) > share:
        top *= 2.0
    return float(brentq(lambda value: ncx2.cdf(chi2, df, value) - share, 1e-12, top, xtol=1e-10, rtol=1e-12))


def standardized_residual(observed: FloatArray, implied: FloatArray, mean_distance: FloatArray | None = None) -> float:
    """Return the SRMR: the root mean square of residuals in units of the observed standard deviations.

    Parameters
    ----------
    observed, implied : ndarray, shape (k, k)
        Covariances.
    mean_distance : ndarray, shape (k,), optional
        Observed minus implied means, where these are not free.
    """
    spread = np.sqrt(np.diag(observed))
    residual = ((observed - implied) / np.outer(spread, spread))[np.tril_indices(len(spread))]
    if mean_distance is not None:
        residual = np.concatenate([residual, mean_distance / spread])
    return float(np.sqrt(np.mean(residual**2)))
