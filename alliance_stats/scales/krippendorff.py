"""Krippendorff's alpha for any number of raters, with missing ratings."""

from __future__ import annotations

import numpy as np

from alliance_stats.scales.keying import FloatArray
from alliance_stats.scales.linearised import ComplexArray, Linearised, chance_corrected
from alliance_stats.scales.rating_table import IntArray


def krippendorff_alpha(counts: IntArray, weights: FloatArray) -> Linearised:
    """Return alpha.

    Parameters
    ----------
    counts : ndarray of int, shape (n_units, q)
        Raters per category; units with fewer than two ratings are left out.
    weights : ndarray, shape (q, q)
        The metric, as 1 - delta^2 / max delta^2.

    Returns
    -------
    Linearised

    Notes
    -----
    alpha = 1 - D_o / D_e with the coincidences of Krippendorff (2011), written as (p_a - p_e) / (1 - p_e): with N ratings in
    n units, rbar = N / n, pi_k the share of category k among the N ratings, p_e = pi' W pi and
    p_a = (1 - 1/N) mean_i sum_k r_ik (r*_ik - 1) / (rbar (r_i - 1)) + 1/N. The standard error is the linearised one, over
    units, with ordinal distances taken as given; the bootstrap takes nothing as given.

    References
    ----------
    Krippendorff, K. (2011). Computing Krippendorff's alpha-reliability. University of Pennsylvania.
    """
    pairable = counts[counts.sum(axis=1) >= 2].astype(float)
    n_units, per_unit = len(pairable), pairable.sum(axis=1)
    agreed = (pairable * (pairable @ weights - 1)).sum(axis=1) / (per_unit - 1)

    def observed(means: ComplexArray) -> complex:
        n_ratings = n_units * means[1]
        return complex((1 - 1 / n_ratings) * means[0] / means[1] + 1 / n_ratings)

    def expected(means: ComplexArray) -> complex:
        shares = means[2:] / means[1]
        return complex(shares @ weights @ shares)

    units = np.column_stack([agreed, per_unit, pairable])
    means = units.mean(axis=0).astype(complex)
    return Linearised(
        units=units,
        coefficient=lambda moved: chance_corrected(observed(moved), expected(moved)),
        observed=observed(means).real,
        expected=expected(means).real,
    )
