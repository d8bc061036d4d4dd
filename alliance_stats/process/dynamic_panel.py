"""The dynamic panel model by maximum likelihood (Moral-Benito, 2013; Allison, Williams & Moral-Benito, 2017)."""

from __future__ import annotations

import numpy as np

from alliance_stats.process.panel_rows import FloatArray
from alliance_stats.process.path_model import Cell, PathModel


def dynamic_panel_columns(outcome: FloatArray, predictor: FloatArray) -> FloatArray:
    """Return the ratings the model describes: predictor without the last session, then outcome.

    Parameters
    ----------
    outcome, predictor : ndarray, shape (n_patients, n_waves)

    Returns
    -------
    ndarray, shape (n_patients, 2 n_waves - 1)
    """
    return np.hstack([predictor[:, :-1], outcome])


def dynamic_panel_model(n_waves: int, covariance: FloatArray, *, constant: bool) -> PathModel:
    """Write down the model of one outcome by its own and the predictor's value one session before.

    Parameters
    ----------
    n_waves : int
    covariance : ndarray, shape (2 n_waves - 1, 2 n_waves - 1)
        Roughly that of the columns, where the search starts.
    constant : bool
        Whether lagged effects are equal over sessions.

    Returns
    -------
    PathModel
        Lagged effects are named ``"y~y"`` and ``"y~x"``, with ``constant=False`` ``"y~x@w"`` for the effect on session w;
        the variance of the patient's effect ``"effect"``, errors ``"e@w"``.

    Notes
    -----
    ``y_t = m_t + phi y_{t-1} + beta x_{t-1} + effect + e_t``. The patient's effect covaries with every x and the first y.
    x is predetermined: e_t covaries with x of the same and later sessions. All x and the first y covary freely, so that
    nothing is said about how x comes about.
    """
    n_before = n_waves - 1
    y = [n_before + wave for wave in range(n_waves)]
    given = [*range(n_before), y[0]]
    effect = n_before + n_waves
    cells = [Cell("covariance", effect, effect, 0.2, "effect")]
    start = _positive(covariance[np.ix_(given, given)])
    for i, one in enumerate(given):
        cells.append(Cell("mean", one, 0, 0.0, f"m@{one}"))
        cells.append(Cell("covariance", effect, one, 0.0, f"effect~~{one}"))
        cells += [Cell("covariance", one, given[j], start[i, j], f"{one}~~{given[j]}") for j in range(i + 1)]
    for wave in range(1, n_waves):
        at = "" if constant else f"@{wave + 1}"
        cells += [
            Cell("path", y[wave], effect, 1.0),
            Cell("path", y[wave], y[wave - 1], 0.3, f"y~y{at}"),
            Cell("path", y[wave], wave - 1, 0.0, f"y~x{at}"),
            Cell("mean", y[wave], 0, 0.0, f"m@{y[wave]}"),
            Cell("covariance", y[wave], y[wave], 0.5, f"e@{wave + 1}"),
        ]
        cells += [Cell("covariance", y[wave], later, 0.0, f"e@{wave + 1}~~{later}") for later in range(wave, n_before)]
    return PathModel(tuple(cells), n_before + n_waves, n_before + n_waves + 1)


def _positive(covariance: FloatArray) -> FloatArray:
    """Return the matrix with smaller covariances, safely positive definite."""
    variances = np.diag(np.diag(covariance))
    return np.asarray(0.8 * covariance + 0.2 * variances)
