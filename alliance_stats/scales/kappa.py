"""Cohen's kappa for two raters, Fleiss' kappa for several."""

from __future__ import annotations

import numpy as np

from alliance_stats.scales.keying import FloatArray
from alliance_stats.scales.linearised import ComplexArray, Linearised, chance_corrected
from alliance_stats.scales.rating_table import IntArray


def cohen_kappa(first: IntArray, second: IntArray, weights: FloatArray) -> Linearised:
    """Return (weighted) kappa of two raters.

    Parameters
    ----------
    first, second : ndarray of int, shape (n_units,)
        Category numbers, none missing.
    weights : ndarray, shape (q, q)
        Agreement of categories, 1 on the diagonal.

    Returns
    -------
    Linearised
        Its standard error is the large-sample one of Fleiss, Cohen and Everitt (1969).

    Notes
    -----
    kappa = (p_o - p_e) / (1 - p_e), p_o = mean w(a, b), p_e = sum_jk w_jk p_j. p_.k.

    References
    ----------
    Cohen, J. (1960). Educational and Psychological Measurement, 20, 37-46. https://doi.org/10.1177/001316446002000104

    Cohen, J. (1968). Psychological Bulletin, 70, 213-220. https://doi.org/10.1037/h0026256

    Fleiss, J. L., Cohen, J., & Everitt, B. S. (1969). Psychological Bulletin, 72, 323-327.
    https://doi.org/10.1037/h0028106
    """
    q = len(weights)
    one, two = np.eye(q)[first], np.eye(q)[second]

    def coefficient(means: ComplexArray) -> complex:
        return chance_corrected(complex(means[0]), complex(means[1 : q + 1] @ weights @ means[q + 1 :]))

    return Linearised(
        units=np.column_stack([weights[first, second], one, two]),
        coefficient=coefficient,
        observed=float(weights[first, second].mean()),
        expected=float(one.mean(axis=0) @ weights @ two.mean(axis=0)),
        unbiased=False,
    )


def fleiss_kappa(counts: IntArray, weights: FloatArray) -> Linearised:
    """Return (weighted) Fleiss' kappa, raters interchangeable and possibly different by unit.

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
    With r_ik raters of unit i in category k and r*_ik = sum_l w_kl r_il: observed agreement is the mean over units with
    two ratings of sum_k r_ik (r*_ik - 1) / (r_i (r_i - 1)); pi_k is the mean over units of r_ik / r_i; expected agreement
    is pi' W pi. Without missing ratings this is Fleiss (1971). The standard error is the linearised one, over units; without
    missing ratings that of Gwet (2008), with them smaller than that of R package irrCAC, which counts them otherwise.

    References
    ----------
    Fleiss, J. L. (1971). Psychological Bulletin, 76, 378-382. https://doi.org/10.1037/h0031619

    Gwet, K. L. (2008). British Journal of Mathematical and Statistical Psychology, 61, 29-48.
    https://doi.org/10.1348/000711006X126600
    """
    agreed, shares = unit_parts(counts, weights)
    some = (agreed >= 0).astype(float)
    parts = agreed * some

    def coefficient(means: ComplexArray) -> complex:
        return chance_corrected(complex(means[0] / means[1]), complex(means[2:] @ weights @ means[2:]))

    mean_shares = shares.mean(axis=0)
    return Linearised(
        units=np.column_stack([parts, some, shares]),
        coefficient=coefficient,
        observed=float(parts.mean() / some.mean()),
        expected=float(mean_shares @ weights @ mean_shares),
    )


def unit_parts(counts: IntArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the agreement within each unit that has ratings, -1 where it has one only, and its shares of categories.

    Parameters
    ----------
    counts : ndarray of int, shape (n_units, q)
    weights : ndarray, shape (q, q)

    Returns
    -------
    agreed : ndarray, shape (n_rated,)
    shares : ndarray, shape (n_rated, q)
    """
    rated = counts[counts.sum(axis=1) > 0].astype(float)
    n = rated.sum(axis=1)
    pairs = (rated * (rated @ weights - 1)).sum(axis=1)
    agreed: FloatArray = np.where(n >= 2, pairs / np.maximum(n * (n - 1), 1), -1.0)
    return agreed, rated / n[:, None]
