"""Reading the weights of items off published totals by least absolute deviations, with weights drawn towards the key."""

from __future__ import annotations

import numpy as np

from alliance_stats.scales.audit_errors import IntArray
from alliance_stats.scales.keying import FloatArray

PULL = 0.02
"""Cost of moving a weight by one, in points of misfit of one row: far less than any misfit, so that it only decides
between weights that the rows cannot tell apart."""

NEARLY_WHOLE = 0.25
"""How far a weight may be from a whole number before it is read as that of the key."""

FIT_ROWS = 400
"""Rows the weights are read off; the others serve to check them."""


def fitted_weights(answers: FloatArray, sums: FloatArray, key: IntArray) -> IntArray | None:
    """Return whole-number weights that explain most rows exactly, or None if the programme has no solution.

    Parameters
    ----------
    answers : ndarray, shape (n_rows, p)
        Raw answers, none missing.
    sums : ndarray, shape (n_rows,)
        Published totals on the scale of a plain sum.
    key : ndarray of int, shape (p,)
        Weights by the key.

    Returns
    -------
    ndarray of int, shape (p,), or None

    Notes
    -----
    Minimises sum |sums - constant - answers w| + PULL sum |w - key|, a linear programme. The sum of absolute
    deviations is zero in most rows at the true weights, so that a minority of other rows (typing errors, other rules
    for missing answers) has no influence, unlike in least squares.
    """
    from scipy.optimize import linprog
    from scipy.sparse import csr_array, eye_array, hstack, vstack

    n, p = answers.shape
    misfit, moved = eye_array(n), eye_array(p)
    none = csr_array((p, 1))
    fit = hstack([csr_array(answers), csr_array(np.ones((n, 1))), misfit, -misfit, csr_array((n, 2 * p))])
    tie = hstack([moved, none, csr_array((p, 2 * n)), -moved, moved])
    cost = np.concatenate([np.zeros(p + 1), np.ones(2 * n), np.full(2 * p, PULL)])
    bounds = [(None, None)] * (p + 1) + [(0, None)] * (2 * n + 2 * p)
    right = np.concatenate([sums, key.astype(float)])
    answer = linprog(cost, A_eq=vstack([fit, tie]).tocsr(), b_eq=right, bounds=bounds, method="highs")
    if not answer.success:
        return None
    fitted = np.asarray(answer.x[:p])
    whole = np.rint(fitted)
    weights: IntArray = np.where(np.abs(fitted - whole) <= NEARLY_WHOLE, whole, key).astype(np.int64)
    return weights


def rows_for_fit(answers: FloatArray, sums: FloatArray) -> IntArray:
    """Return positions of at most `FIT_ROWS` rows, the same whatever the order of the rows."""
    order = np.lexsort([*answers.T, sums])
    if order.size <= FIT_ROWS:
        return order
    places = np.linspace(0, order.size - 1, FIT_ROWS).round().astype(np.int64)
    return order[places]
