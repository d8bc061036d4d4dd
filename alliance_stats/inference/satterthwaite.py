"""Degrees of freedom after Satterthwaite.

The variance of a combination l'beta is l'C(phi)l with phi the covariance parameters; matching its mean and variance to a
chi-squared gives ``df = 2 (l'Cl)^2 / (g'A g)`` with g its gradient by phi and A the covariance of phi: Giesbrecht and Burns
(1985), Biometrics 41, 477-486, doi 10.2307/2530872. Several combinations: Fai and Cornelius (1996), Journal of Statistical
Computation and Simulation 54, 363-378, doi 10.1080/00949659608811740.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from alliance_stats.inference.combinations import Combinations, whitening
from alliance_stats.inference.information import Information
from alliance_stats.mixed.levelsums import Floats


@dataclass(frozen=True)
class Satterthwaite:
    """Tests of fixed effects with Satterthwaite's degrees of freedom.

    Parameters
    ----------
    information : Information
    """

    information: Information = field(repr=False)

    @property
    def covariance(self) -> Floats:
        """Covariance of the standardised fixed effects, shape (p, p)."""
        return self.information.covariance

    @property
    def remark(self) -> str:
        """What a reader must know of this fit's degrees of freedom; empty as a rule."""
        n_flat = self.information.n_flat
        if not n_flat:
            return ""
        return f"{n_flat} direction{'s' * (n_flat > 1)} of the variance parameters without positive curvature counted as known"

    def degrees_of_freedom(self, combined: Combinations) -> Floats:
        """Return the df of each combination, shape (k,)."""
        return self._degrees(combined.standard)

    def joint(self, combined: Combinations) -> tuple[float, int, float]:
        """Return F, its numerator df and its denominator df.

        The combinations are rotated into uncorrelated ones, whose t tests are averaged.
        """
        spread = combined.spread(self.covariance)
        rank = whitening(spread).shape[0]
        values, vectors = np.linalg.eigh(spread)
        values, rotation = values[-rank:], vectors[:, -rank:].T
        statistic = float(np.mean((rotation @ combined.estimate) ** 2 / values))
        return statistic, rank, denominator_df(self._degrees(rotation @ combined.standard))

    def _degrees(self, rows: Floats) -> Floats:
        """Return the df of each row of weights of standardised fixed effects, shape (k,)."""
        variance = np.einsum("kp,pq,kq->k", rows, self.covariance, rows)
        gradient = np.einsum("kp,mpq,kq->km", rows, self.information.slopes, rows)
        spread = np.einsum("km,mn,kn->k", gradient, self.information.uncertainty, gradient)
        with np.errstate(divide="ignore"):
            return np.asarray(2.0 * variance**2 / spread)


def denominator_df(each: Floats) -> float:
    """Return the denominator df of the mean of squared t statistics with these df.

    The mean of F distributions with (1, df) equals that of F with (q, result): ``2 E / (E - q)``, E the sum of
    ``df / (df - 2)``; 2 if any df is 2 or less.
    """
    # Equal df give themselves: the formula would only add rounding errors, and breaks down for one of infinity.
    if np.allclose(each, each[0], rtol=1e-8, atol=0.0):
        return float(each[0])
    if np.any(each <= 2.0):
        return 2.0
    # E - q is the sum of 2 / (df - 2), without the loss of digits of a difference.
    excess = float(np.sum(2.0 / (each - 2.0)))
    return 2.0 * (excess + each.size) / excess
