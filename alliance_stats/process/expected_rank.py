"""Ranks of levels that are known with error."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

Floats = npt.NDArray[np.float64]


def expected_ranks(estimate: Floats, std_error: Floats) -> Floats:
    """Return the expected rank of each level, 1 for the lowest value.

    Parameters
    ----------
    estimate : ndarray, shape (n_levels,)
        Predicted effects.
    std_error : ndarray, shape (n_levels,)
        Their conditional standard deviations.

    Returns
    -------
    ndarray, shape (n_levels,)
        They add up to n (n + 1) / 2 and lie the nearer to the middle rank the less is known.

    Notes
    -----
    The posterior mean of the rank of level i, with independent normal posteriors:
    ``1 + sum over k != i of Phi((b_i - b_k) / sqrt(s_i^2 + s_k^2))`` (Laird & Louis, 1989; in this form Lingsma et al., 2010).

    References
    ----------
    Laird, N. M., & Louis, T. A. (1989). Empirical Bayes ranking methods. Journal of Educational Statistics, 14, 29-46.
    doi 10.3102/10769986014001029.
    Lingsma, H. F., et al. (2010). Comparing and ranking hospitals based on outcome: results from The Netherlands Stroke
    Survey. QJM, 103, 99-108. doi 10.1093/qjmed/hcp169.
    """
    difference = estimate[:, None] - estimate[None, :]
    spread = np.sqrt(std_error[:, None] ** 2 + std_error[None, :] ** 2)
    # Without error and at the same value a pair shares its two ranks.
    certain = 0.5 * (1.0 + np.sign(difference))
    below = np.where(spread > 0, ndtr(difference / np.where(spread > 0, spread, 1.0)), certain)
    np.fill_diagonal(below, 0.0)
    ranks: Floats = 1.0 + below.sum(axis=1)
    return ranks
