"""How much two categories agree: weights between 0 and 1, and Krippendorff's metrics."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from alliance_stats.errors import DataError
from alliance_stats.scales.keying import FloatArray
from alliance_stats.scales.rating_table import RatingTable

Weights = str | npt.ArrayLike
"""``"nominal"``, ``"linear"``, ``"quadratic"``, one of Krippendorff's metrics, or a matrix of agreement."""

KAPPA_WEIGHTS = ("nominal", "linear", "quadratic")
METRICS = ("nominal", "ordinal", "interval", "ratio")


def agreement_weights(weights: Weights, table: RatingTable) -> FloatArray:
    """Return the weights of a kappa or AC coefficient.

    Parameters
    ----------
    weights : str or array_like, shape (q, q)
        ``nominal``: 1 for the same category, 0 otherwise. ``linear``, ``quadratic``: 1 minus the (squared) distance over
        the largest one, with the values of the categories if they are numbers, their places otherwise. A matrix is
        taken as it is: symmetric, 1 on the diagonal, at most 1 elsewhere.
    table : RatingTable
        Holds the categories.

    Returns
    -------
    ndarray, shape (q, q)
    """
    q = len(table.categories)
    if not isinstance(weights, str):
        return _own(np.asarray(weights, dtype=float), q)
    if weights not in KAPPA_WEIGHTS:
        raise DataError.build(
            f"No weights '{weights}' for this coefficient.", hint=f"use {', '.join(KAPPA_WEIGHTS)} or a matrix."
        )
    if weights == "nominal":
        return np.eye(q)
    scores = table.scores
    places = np.arange(q, dtype=float) if scores is None else scores
    distance = np.abs(places[:, None] - places[None, :]) / np.ptp(places)
    result: FloatArray = 1 - (distance if weights == "linear" else distance**2)
    return result


def _own(matrix: FloatArray, q: int) -> FloatArray:
    """Return a user's weights, checked."""
    fits = matrix.shape == (q, q) and np.isfinite(matrix).all()
    if (
        not fits
        or not np.allclose(matrix, matrix.T)
        or not np.allclose(np.diag(matrix), 1)
        or (matrix > 1 + 1e-12).any()
    ):
        raise DataError.build(
            f"weights= must be a symmetric {q} x {q} matrix with ones on its diagonal and nothing above 1.",
            hint="rows and columns follow the order of the categories; disagreement d becomes 1 - d / max(d).",
        )
    return matrix


def metric_weights(metric: str, table: RatingTable) -> FloatArray:
    """Return Krippendorff's metric as weights, 1 - delta^2 / max delta^2.

    Alpha is a ratio of disagreements, so that dividing by the largest one changes nothing.

    Parameters
    ----------
    metric : {"nominal", "ordinal", "interval", "ratio"}
    table : RatingTable
        Ordinal distances depend on how often each category was chosen in units with two ratings or more.

    Returns
    -------
    ndarray, shape (q, q)

    References
    ----------
    Krippendorff, K. (2011). Computing Krippendorff's alpha-reliability. University of Pennsylvania.
    """
    if metric not in METRICS:
        raise DataError.build(f"No metric '{metric}'.", hint=f"weights= is one of {', '.join(METRICS)} for alpha.")
    q = len(table.categories)
    if metric == "nominal":
        return np.eye(q)
    if metric == "ordinal":
        pairable = table.counts[table.counts.sum(axis=1) >= 2].sum(axis=0).astype(float)
        middle = np.cumsum(pairable) - pairable / 2
        distance = (middle[:, None] - middle[None, :]) ** 2
    else:
        scores = table.scores
        if scores is None:
            raise DataError.build(
                f"The {metric} metric needs numbers, and the categories are text.",
                hint="use weights='ordinal' or 'nominal'.",
            )
        distance = (scores[:, None] - scores[None, :]) ** 2
        if metric == "ratio":
            distance = _ratio(distance, scores)
    result: FloatArray = 1 - distance / distance.max()
    return result


def _ratio(distance: FloatArray, scores: FloatArray) -> FloatArray:
    """Return squared distances relative to the squared sums, shape (q, q)."""
    if (scores < 0).any():
        raise DataError.build("The ratio metric needs numbers from 0 upwards.", hint="use weights='interval'.")
    sums = (scores[:, None] + scores[None, :]) ** 2
    relative: FloatArray = np.divide(distance, sums, out=np.zeros_like(distance), where=sums > 0)
    return relative
