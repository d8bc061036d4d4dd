"""Intraclass correlations of ratings: agreement and consistency, of one rater and of the mean of several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from alliance_stats.errors import ConvergenceError, DataError, ModelError
from alliance_stats.mixed.lmm import lmm
from alliance_stats.scales.keying import FloatArray

ROUNDING = 1e-13
"""Share of the sum of squares below which a part of it is rounding."""

FORMS = ("ICC(1)", "ICC(A,1)", "ICC(C,1)", "ICC(1,k)", "ICC(A,k)", "ICC(C,k)")


class Form(NamedTuple):
    """One form with its interval."""

    term: str
    estimate: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class MeanSquares:
    """Mean squares of units, raters, error, and within units; exact for complete tables.

    Parameters
    ----------
    units, raters, error, within : float
        MSR, MSC, MSE and MSW of McGraw and Wong.
    n, k : float
        Units, and ratings per unit.
    """

    units: float
    raters: float
    error: float
    within: float
    n: int
    k: float


def intraclass_forms(values: FloatArray, *, level: float) -> list[Form]:
    """Return all six forms with their intervals.

    Parameters
    ----------
    values : ndarray, shape (n_units, n_raters)
        Ratings; NaN where missing.
    level : float in (0, 1)
        Coverage.

    Returns
    -------
    list of Form
        In the order of `FORMS`.

    Notes
    -----
    Complete tables: analysis of variance and the F intervals of McGraw and Wong (1996), tables 4 and 7; estimates may be
    negative. With missing ratings: variance components of rating ~ (1 | unit) + (1 | rater), and of rating ~ (1 | unit)
    for ICC(1), by REML; the mean of k raters is that of all raters; intervals are the same formulas with the mean squares
    that a complete table with the harmonic mean of ratings per unit would have, an approximation.

    References
    ----------
    McGraw, K. O., & Wong, S. P. (1996). Psychological Methods, 1, 30-46. https://doi.org/10.1037/1082-989X.1.1.30
    """
    rows = values[(~np.isnan(values)).sum(axis=1) >= 1]
    squares = mean_squares(rows) if not np.isnan(rows).any() else components_as_squares(rows)
    return _forms(squares, n_raters=values.shape[1], level=level)


def intraclass_values(values: FloatArray) -> FloatArray:
    """Return the six estimates, shape (6,), NaN where the model cannot be fitted; for resampling."""
    try:
        return np.array([form.estimate for form in intraclass_forms(values, level=0.95)])
    except (ConvergenceError, DataError, ModelError):
        return np.full(len(FORMS), np.nan)


def mean_squares(values: FloatArray) -> MeanSquares:
    """Return the mean squares of a complete table, shape (n_units, n_raters)."""
    n, k = values.shape
    if n < 2:
        raise DataError.build(f"{n} unit has ratings.", hint="intraclass correlations need at least two.")
    grand = values.mean()
    units, raters = values.mean(axis=1), values.mean(axis=0)
    between = float(k * ((units - grand) ** 2).sum())
    columns = float(n * ((raters - grand) ** 2).sum())
    total = float(((values - grand) ** 2).sum())
    if not total > 0:
        raise DataError.build("All ratings are the same.", hint="an intraclass correlation needs ratings that vary.")
    # What is zero but for rounding is zero: raters who agree completely have no error.
    sums = [part if part > ROUNDING * total else 0.0 for part in (between, columns, total - between - columns)]
    return MeanSquares(
        units=sums[0] / (n - 1),
        raters=sums[1] / (k - 1),
        error=sums[2] / ((n - 1) * (k - 1)),
        within=(sums[1] + sums[2]) / (n * (k - 1)),
        n=n,
        k=k,
    )


def components_as_squares(values: FloatArray) -> MeanSquares:
    """Return the mean squares that the variance components of an incomplete table imply."""
    unit, rater = np.nonzero(~np.isnan(values))
    if np.unique(unit).size == unit.size:
        raise DataError.build("No unit has two ratings.", hint="check ratings= and layout=.")
    counts = (~np.isnan(values)).sum(axis=1)
    k, n = float(len(counts) / (1 / counts).sum()), len(values)
    means = np.nanmean(values, axis=1)
    spread = float(np.nanvar(values))
    if not spread > 0:
        raise DataError.build("All ratings are the same.", hint="an intraclass correlation needs ratings that vary.")
    if float(np.nanmean((values - means[:, None]) ** 2)) <= ROUNDING * spread:
        # Complete agreement, which a mixed model cannot be fitted to.
        return MeanSquares(units=k * float(means.var(ddof=1)), raters=0.0, error=0.0, within=0.0, n=n, k=k)
    _require_error(values[unit, rater], unit, rater, spread=spread)
    # In the order of the ratings, so that the order of the units in the frame does not matter to the last digit.
    order = np.lexsort([values[unit, rater], rater])
    long = pd.DataFrame({"rating": values[unit, rater], "unit": unit, "rater": rater}).iloc[order]
    two_way = _variances(lmm("rating ~ 1 + (1 | unit) + (1 | rater)", long))
    one_way = _variances(lmm("rating ~ 1 + (1 | unit)", long))
    # MSW is chosen so that ICC(1) is that of the one-way model.
    share = one_way["unit"] / one_way["Residual"]
    msr = k * two_way["unit"] + two_way["Residual"]
    return MeanSquares(
        units=msr,
        raters=n * two_way["rater"] + two_way["Residual"],
        error=two_way["Residual"],
        within=msr / (1 + k * share),
        n=n,
        k=k,
    )


def _require_error(
    ratings: FloatArray, unit: npt.NDArray[np.intp], rater: npt.NDArray[np.intp], *, spread: float
) -> None:
    """Raise if units and raters explain all ratings, shape (n,): a mixed model then has no residual to estimate."""
    # Units are swept out of the ratings and of one indicator per rater, which leaves few columns however many units.
    sizes = np.bincount(unit)
    columns = np.column_stack([ratings, np.eye(rater.max() + 1)[rater]])
    sums = np.stack([np.bincount(unit, weights=column) for column in columns.T], axis=1)
    swept = columns - (sums / np.maximum(sizes, 1)[:, None])[unit]
    left = swept[:, 0] - swept[:, 1:] @ np.linalg.lstsq(swept[:, 1:], swept[:, 0], rcond=None)[0]
    if float(np.mean(left**2)) <= ROUNDING * spread:
        raise DataError.build(
            "Raters differ by constants only, or too few units have two ratings: no error is left to estimate.",
            hint="pass units rated by all, frame.dropna(subset=[...]), which needs no model.",
        )


def _variances(fit: object) -> dict[str, float]:
    """Return variances by group."""
    table = fit.variance_components()  # type: ignore[attr-defined]
    table = table[table["kind"] == "variance"]
    return dict(zip(table["group"], table["estimate"].astype(float), strict=True))


def _forms(squares: MeanSquares, *, n_raters: int, level: float) -> list[Form]:
    """Return the six forms."""
    tail = (1 + level) / 2
    singles = [_one_way(squares, tail), _absolute(squares, tail), _consistent(squares, tail)]
    averages = [
        Form(term, *(_stepped_up(value, n_raters) for value in single[1:]))
        for term, single in zip(FORMS[3:], singles, strict=True)
    ]
    return [*singles, *averages]


def _stepped_up(value: float, k: float) -> float:
    """Return the reliability of the mean of k ratings (Spearman-Brown)."""
    below = 1 + (k - 1) * value
    return k * value / below if below > 0 else np.nan


def _quantile(tail: float, first: float, second: float) -> float:
    """Return a quantile of F."""
    from scipy.stats import f

    return float(f.ppf(tail, first, second))


def _one_way(squares: MeanSquares, tail: float) -> Form:
    """Return ICC(1)."""
    n, k = squares.n, squares.k
    if not squares.within > 0:
        return Form(FORMS[0], 1.0, np.nan, np.nan)
    ratio = squares.units / squares.within
    low = ratio / _quantile(tail, n - 1, n * (k - 1))
    high = ratio * _quantile(tail, n * (k - 1), n - 1)
    return Form(FORMS[0], *((value - 1) / (value + k - 1) for value in (ratio, low, high)))


def _consistent(squares: MeanSquares, tail: float) -> Form:
    """Return ICC(C,1)."""
    n, k = squares.n, squares.k
    if not squares.error > 0:
        return Form(FORMS[2], 1.0 if squares.units > 0 else np.nan, np.nan, np.nan)
    ratio = squares.units / squares.error
    low = ratio / _quantile(tail, n - 1, (n - 1) * (k - 1))
    high = ratio * _quantile(tail, (n - 1) * (k - 1), n - 1)
    return Form(FORMS[2], *((value - 1) / (value + k - 1) for value in (ratio, low, high)))


def _absolute(squares: MeanSquares, tail: float) -> Form:
    """Return ICC(A,1), with Satterthwaite's degrees of freedom."""
    n, k = squares.n, squares.k
    msr, msc, mse = squares.units, squares.raters, squares.error
    rho = (msr - mse) / (msr + (k - 1) * mse + k * (msc - mse) / n)
    if rho >= 1:
        return Form(FORMS[1], rho, np.nan, np.nan)
    a = k * rho / (n * (1 - rho))
    b = 1 + k * rho * (n - 1) / (n * (1 - rho))
    spread = (a * msc) ** 2 / (k - 1) + (b * mse) ** 2 / ((n - 1) * (k - 1))
    if not spread > 0:
        return Form(FORMS[1], rho, np.nan, np.nan)
    df = (a * msc + b * mse) ** 2 / spread
    other = k * msc + (k * n - k - n) * mse
    below, above = _quantile(tail, n - 1, df), _quantile(tail, df, n - 1)
    low = n * (msr - below * mse) / (below * other + n * msr)
    high = n * (above * msr - mse) / (other + n * above * msr)
    return Form(FORMS[1], rho, low, high)
