"""Gwet's AC1 and AC2: chance agreement that does not explode when one category is common."""

from __future__ import annotations

import numpy as np

from alliance_stats.scales.kappa import unit_parts
from alliance_stats.scales.keying import FloatArray
from alliance_stats.scales.linearised import ComplexArray, Linearised, chance_corrected
from alliance_stats.scales.rating_table import IntArray


def gwet_ac(counts: IntArray, weights: FloatArray) -> Linearised:
    """Return AC1 (nominal weights) or AC2.

    Parameters
    ----------
    counts : ndarray of int, shape (n_units, q)
        Raters per category; units without ratings are left out.
    weights : ndarray, shape (q, q)
        Agreement of categories.

    Returns
    -------
    Linearised

    Notes
    -----
    Observed agreement and pi_k as for Fleiss' kappa; expected agreement is T / (q (q - 1)) sum_k pi_k (1 - pi_k) with T the
    sum of all weights. q counts all categories, so that those nobody chose matter: name them. The standard error is the
    linearised one, over units; without missing ratings that of Gwet (2008).

    References
    ----------
    Gwet, K. L. (2008). British Journal of Mathematical and Statistical Psychology, 61, 29-48.
    https://doi.org/10.1348/000711006X126600

    Gwet, K. L. (2014). Handbook of inter-rater reliability (4th ed.). Advanced Analytics.
    """
    q = len(weights)
    agreed, shares = unit_parts(counts, weights)
    some = (agreed >= 0).astype(float)
    parts = agreed * some
    factor = float(weights.sum()) / (q * (q - 1))

    def coefficient(means: ComplexArray) -> complex:
        return chance_corrected(complex(means[0] / means[1]), complex(factor * (means[2:] * (1 - means[2:])).sum()))

    mean_shares = shares.mean(axis=0)
    return Linearised(
        units=np.column_stack([parts, some, shares]),
        coefficient=coefficient,
        observed=float(parts.mean() / some.mean()),
        expected=float(factor * (mean_shares * (1 - mean_shares)).sum()),
    )
