"""How far the slope of a lagged outcome beside patients' means falls short with few sessions."""

from __future__ import annotations

import numpy as np

from alliance_stats.errors import DataError


def nickell_bias(autoregression: float, n_outcomes: int) -> float:
    r"""Return the bias of an autoregression estimated within patients, for many patients and few sessions.

    Parameters
    ----------
    autoregression : float
        The true one.
    n_outcomes : int
        Outcomes per patient that follow a rated session, 2 or more: the number of sessions less one.

    Raises
    ------
    DataError
        If there are fewer than two outcomes per patient.

    Notes
    -----
    For T outcomes of a stationary process Nickell (1981, doi 10.2307/1911408) gives, with
    :math:`A = (1 - \phi^T) / (T (1 - \phi))`,

    .. math:: -\frac{1 + \phi}{T - 1} (1 - A) \left[1 - \frac{2 \phi (1 - A)}{(1 - \phi) (T - 1)}\right]^{-1}

    With :math:`G_k = 1 + \phi + \dots + \phi^{k - 1}` both :math:`1 - A = (1 - \phi) \sum_k G_k / T` and the bracket,
    :math:`2 (1 - \phi) \sum_k (T - k) G_k / (T (T - 1))`, sums over k = 1, ..., T - 1, hold the factor
    :math:`1 - \phi`; without it the formula loses no digits near :math:`\phi = 1`. It leaves out the other rating.
    """
    if n_outcomes < 2:
        raise DataError.build(
            f"{n_outcomes} outcome per patient leaves no deviation from the patient's mean.",
            hint="use three sessions or more.",
        )
    later = np.arange(1, n_outcomes)
    sums = np.cumsum(autoregression ** (later - 1.0))
    return float(-(1.0 + autoregression) / 2.0 * sums.sum() / ((n_outcomes - later) @ sums))
