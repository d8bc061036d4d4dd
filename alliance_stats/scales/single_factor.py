"""One factor behind all items, and the share of the sum's variance that it carries. Arrays in, values out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alliance_stats.errors import ConvergenceError
from alliance_stats.scales.gaussian_blocks import Block, Evaluation, Implied, evaluate, maximise
from alliance_stats.scales.keying import FloatArray
from alliance_stats.scales.measurement_model import simple_model


@dataclass(frozen=True, kw_only=True)
class SingleFactor:
    """A one-factor model by maximum likelihood.

    Parameters
    ----------
    loadings : ndarray, shape (k,)
        In points, for a factor of variance 1; their sum is not negative.
    residuals : ndarray, shape (k,)
        Residual variances; may be negative.
    omega : float
    std_error : float
        Of omega, by the delta method.
    """

    loadings: FloatArray
    residuals: FloatArray
    omega: float
    std_error: float

    @property
    def n_improper(self) -> int:
        """Number of residual variances that are not positive."""
        return int(np.sum(self.residuals <= 0))


def omega_of(loadings: FloatArray, residuals: FloatArray) -> tuple[float, FloatArray]:
    """Return omega of the sum of the items, and its gradient by loadings, then residual variances, shape (2k,).

    Notes
    -----
    omega = (sum of loadings)^2 / ((sum of loadings)^2 + sum of residual variances); McDonald (1999), Test theory.
    """
    shared, own = float(loadings.sum()) ** 2, float(residuals.sum())
    total = shared + own
    by_loading = 2.0 * float(loadings.sum()) * own / total**2
    k = len(loadings)
    return shared / total, np.concatenate([np.full(k, by_loading), np.full(k, -shared / total**2)])


def single_factor(covariance: FloatArray, *, n: int) -> SingleFactor:
    """Fit one factor to a covariance matrix.

    Parameters
    ----------
    covariance : ndarray, shape (k, k)
    n : int
        Number of independent rows behind it; matters for the standard error only.

    Raises
    ------
    ConvergenceError
        If the likelihood has no maximum that can be found.
    """
    k = len(covariance)
    spread = np.sqrt(np.diag(covariance))
    # Omega of the sum depends on the units of the items, the search should not: it runs on correlations.
    correlation = covariance / np.outer(spread, spread)
    model = simple_model([range(k)], k)
    block = Block(n, correlation, None, np.arange(k))

    def likelihood(theta: FloatArray) -> Evaluation | None:
        implied, slopes = model.implied(theta)
        return evaluate([block], Implied((implied,), (slopes,), np.zeros(0)))

    found = maximise(likelihood, model.start(correlation))
    if not found.converged:
        raise ConvergenceError.build(
            f"No one-factor model of the {k} items could be fitted.",
            hint="look at the item correlations: some items may share nothing with the others.",
        )
    theta = found.theta
    loadings, residuals = theta[:k] * spread, theta[k:] * spread**2
    if loadings.sum() < 0:
        loadings = -loadings
    omega, gradient = omega_of(loadings, residuals)
    gradient = gradient * np.concatenate([spread * (1 if theta[:k].sum() >= 0 else -1), spread**2])
    variance = gradient @ np.linalg.lstsq(found.at.information, gradient, rcond=None)[0]
    return SingleFactor(loadings=loadings, residuals=residuals, omega=omega, std_error=float(np.sqrt(variance)))
