"""The reference distribution of a likelihood-ratio test when variances are tested, which cannot be negative."""

from __future__ import annotations

from dataclasses import dataclass

from scipy.special import chdtrc

NEGLIGIBLE = 1e-6
"""Likelihood-ratio statistics below this are rounding errors of two equal fits."""


@dataclass(frozen=True)
class Reference:
    """What a likelihood-ratio statistic is compared with.

    Parameters
    ----------
    df : int
        Parameters tested.
    n_bounded : int
        Those among them, variances mostly, that the smaller model sets to the edge of their range, zero.

    Notes
    -----
    With one variance at the edge of its range the statistic is, in large samples, half chi-square with ``df - 1`` and half
    with ``df`` degrees of freedom: Self and Liang (1987), Journal of the American Statistical Association 82, 605-610, doi
    10.1080/01621459.1987.10478472; Stram and Lee (1994), Biometrics 50, 1171-1177, doi 10.2307/2533455.
    With several, the weights depend on the data. The covariance matrices allowed lie in the half-space of those whose
    trace does not fall; the largest likelihood over a half-space is at least that over what it contains, and over a
    half-space the statistic has this same mixture. So the mixture gives a p-value that is right or too large.
    """

    df: int
    n_bounded: int

    @property
    def words(self) -> str:
        """Name of the distribution."""
        if not self.n_bounded:
            return f"chi-square({self.df})"
        bound = ", upper bound" if self.n_bounded > 1 else ""
        return f"0.5 chi-square({self.df - 1}) + 0.5 chi-square({self.df}){bound}"

    def p_value(self, statistic: float) -> float:
        """Return the probability of a statistic as large, from the mixture if variances are tested."""
        naive = self.naive_p_value(statistic)
        if not self.n_bounded or statistic < NEGLIGIBLE:
            return naive
        lower = float(chdtrc(self.df - 1, statistic)) if self.df > 1 else 0.0
        return 0.5 * (lower + naive)

    def naive_p_value(self, statistic: float) -> float:
        """Return the probability of a statistic as large, from chi-square with ``df`` degrees of freedom."""
        return 1.0 if statistic < NEGLIGIBLE else float(chdtrc(self.df, statistic))
