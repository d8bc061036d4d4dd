"""A general factor and group factors from correlated factors. Arrays in, values out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alliance_stats.scales.factor_extraction import extract, rotate
from alliance_stats.scales.keying import FloatArray


@dataclass(frozen=True, kw_only=True)
class SchmidLeiman:
    """Loadings of standardised items on a general factor and on group factors that are uncorrelated with it.

    Parameters
    ----------
    general : ndarray, shape (k,)
    groups : ndarray, shape (k, m)
    uniquenesses : ndarray, shape (k,)
    omega_total : float
        Share of the variance of the sum that all factors carry.
    omega_hierarchical : float
        Share that the general factor carries.
    n_improper : int
        Uniquenesses at their lower bound.
    """

    general: FloatArray
    groups: FloatArray
    uniquenesses: FloatArray
    omega_total: float
    omega_hierarchical: float
    n_improper: int


def schmid_leiman(correlation: FloatArray, n_factors: int) -> SchmidLeiman:
    """Return omega total and omega hierarchical of the sum of standardised items.

    Parameters
    ----------
    correlation : ndarray, shape (k, k)
    n_factors : int
        Group factors, at least 2. With 2, the general factor's loadings on them are taken as equal.

    Notes
    -----
    Minimum residuals, oblimin, then one factor behind the factors (Schmid & Leiman, 1957, doi 10.1007/BF02289209).
    omega_h = (sum of general loadings)^2 / sum of correlations; omega_t = 1 - sum of uniquenesses / sum of correlations
    (Zinbarg et al., 2005, doi 10.1007/s11336-003-0974-7).
    """
    extracted = extract(correlation, n_factors, method="minres")
    rotated = rotate(extracted.loadings, rotation="oblimin")
    second = _second_order(rotated.correlations)
    general = rotated.loadings @ second
    groups = rotated.loadings * np.sqrt(np.maximum(1.0 - second**2, 0.0))
    total = float(correlation.sum())
    return SchmidLeiman(
        general=general,
        groups=groups,
        uniquenesses=extracted.uniquenesses,
        omega_total=1.0 - float(extracted.uniquenesses.sum()) / total,
        omega_hierarchical=float(general.sum()) ** 2 / total,
        n_improper=extracted.n_improper,
    )


def _second_order(correlations: FloatArray) -> FloatArray:
    """Return the loadings of the factors on the general factor, shape (m,)."""
    if len(correlations) == 2:
        shared = np.sqrt(max(float(correlations[0, 1]), 0.0))
        return np.full(2, shared)
    return extract(correlations, 1, method="minres").loadings[:, 0]
