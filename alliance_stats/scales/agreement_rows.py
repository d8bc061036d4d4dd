"""The rows of a table of agreement, method by method."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from alliance_stats.columns import require_columns
from alliance_stats.errors import DataError
from alliance_stats.scales.agreement_bootstrap import AgreementInterval, percentile_interval, resampled
from alliance_stats.scales.agreement_weights import Weights, agreement_weights, metric_weights
from alliance_stats.scales.gwet import gwet_ac
from alliance_stats.scales.intraclass import FORMS, intraclass_forms, intraclass_values
from alliance_stats.scales.kappa import cohen_kappa, fleiss_kappa
from alliance_stats.scales.keying import FloatArray
from alliance_stats.scales.krippendorff import krippendorff_alpha
from alliance_stats.scales.limits_of_agreement import TERMS, limits_of_agreement
from alliance_stats.scales.linearised import Linearised
from alliance_stats.scales.rating_table import IntArray, RatingLayout, RatingTable, category_table, number_table

Row = dict[str, object]

OF_COUNTS: Mapping[str, Callable[[IntArray, FloatArray], Linearised]] = {
    "fleiss_kappa": fleiss_kappa,
    "krippendorff_alpha": krippendorff_alpha,
    "gwet_ac": gwet_ac,
}


@dataclass(frozen=True)
class Plan:
    """What is computed: method, layout, weights, interval."""

    method: str
    layout: RatingLayout
    weights: Weights
    interval: AgreementInterval


@dataclass(frozen=True, kw_only=True)
class Found:
    """A coefficient and how to compute it anew.

    Parameters
    ----------
    coefficient : Linearised
        For the units at hand.
    again : callable
        Gives it, shape (1,), for positions of units.
    key : ndarray of int, shape (n_units, m)
        Content of each unit.
    category, pair : str
        What it is for; empty for all categories and for several raters.
    """

    coefficient: Linearised
    again: Callable[[IntArray], FloatArray]
    key: IntArray
    category: str = ""
    pair: str = ""


def agreement_rows(frame: pd.DataFrame, ratings: str | Sequence[str], plan: Plan) -> tuple[RatingTable, list[Row]]:
    """Return the table of ratings and the coefficients of one set of rows.

    Parameters
    ----------
    frame : DataFrame
        In the layout of the plan.
    ratings : str or sequence of str
        Columns of the ratings.
    plan : Plan
        What to compute.

    Returns
    -------
    table : RatingTable
    rows : list of dict
        Rows of the tidy table, without group and level.
    """
    if plan.method == "icc":
        table = number_table(frame, ratings, plan.layout)
        return table, _intraclass(table, plan.interval)
    if plan.method == "limits_of_agreement":
        return _limits(frame, ratings, plan)
    ordered = not _nominal(plan)
    table = category_table(frame, ratings, plan.layout, ordered=ordered)
    if plan.method == "cohen_kappa":
        return table, _cohen(table, plan)
    return table, _of_counts(table, plan)


def _of_counts(table: RatingTable, plan: Plan) -> list[Row]:
    """Return a coefficient of counts, for all categories and for each."""
    compute = OF_COUNTS[plan.method]

    def weights_of(one: RatingTable) -> FloatArray:
        if plan.method == "krippendorff_alpha":
            return metric_weights(str(plan.weights), one)
        return agreement_weights(plan.weights, one)

    rows = []
    for category, one in _with_categories(table, plan):
        least = 2 if plan.method == "krippendorff_alpha" else 1
        counts = one.counts[one.counts.sum(axis=1) >= least]
        matrix = weights_of(one)

        def value(places: IntArray, counts: IntArray = counts, one: RatingTable = one) -> FloatArray:
            drawn = RatingTable(cells=one.cells, raters=(), categories=one.categories, counts=counts[places])
            if not (drawn.counts.sum(axis=1) >= 2).any() or (drawn.counts.sum(axis=0) > 0).sum() < 2:
                return np.array([np.nan])
            return np.array([compute(drawn.counts, weights_of(drawn)).value])

        found = Found(coefficient=compute(counts, matrix), again=value, key=counts, category=category)
        rows += _rows(found, table, plan)
    return rows


def _cohen(table: RatingTable, plan: Plan) -> list[Row]:
    """Return kappa of every pair of raters, for all categories and for each."""
    if not table.raters:
        raise DataError.build("Counts do not tell raters apart.", hint="use method='fleiss_kappa' or 'gwet_ac'.")
    rows = []
    codes = np.where(np.isnan(table.cells), -1, table.cells).astype(np.int64)
    for one, two in combinations(range(len(table.raters)), 2):
        both = (codes[:, one] >= 0) & (codes[:, two] >= 0)
        pair = codes[both][:, [one, two]]
        if not len(pair):
            raise DataError.build(
                f"Raters '{table.raters[one]}' and '{table.raters[two]}' rated no unit in common.",
                hint="use method='krippendorff_alpha' or 'gwet_ac', which need no common units.",
            )
        name = f"{table.raters[one]} & {table.raters[two]}"
        for category, coded, weights in _pair_categories(pair, table, plan):

            def value(places: IntArray, coded: IntArray = coded, weights: FloatArray = weights) -> FloatArray:
                return np.array([cohen_kappa(coded[places, 0], coded[places, 1], weights).value])

            kappa = cohen_kappa(coded[:, 0], coded[:, 1], weights)
            found = Found(coefficient=kappa, again=value, key=coded, category=category, pair=name)
            rows += _rows(found, table, plan)
    return rows


def _pair_categories(pair: IntArray, table: RatingTable, plan: Plan) -> list[tuple[str, IntArray, FloatArray]]:
    """Return the codes of a pair of raters for all categories, and for each against the others."""
    parts = [("", pair, agreement_weights(plan.weights, table))]
    if _nominal(plan) and len(table.categories) > 2:
        parts += [
            (str(category), (pair != place).astype(np.int64), np.eye(2))
            for place, category in enumerate(table.categories)
        ]
    return parts


def _with_categories(table: RatingTable, plan: Plan) -> list[tuple[str, RatingTable]]:
    """Return the table, and for nominal weights each category against the others."""
    parts = [("", table)]
    if _nominal(plan) and len(table.categories) > 2:
        parts += [(str(category), table.collapsed(place)) for place, category in enumerate(table.categories)]
    return parts


def _rows(found: Found, table: RatingTable, plan: Plan) -> list[Row]:
    """Return the tidy row of a coefficient, and of the agreement observed when it is for all categories."""
    coefficient, level = found.coefficient, plan.interval.level
    se, low, high, df = _ends(found, plan)
    shared = {"term2": found.pair, "category": found.category, "n": len(found.key), "n_raters": n_raters(table)}
    ends = {"std_error": se, "df": df, "conf_low": low, "conf_high": high, "conf_level": level}
    rows: list[Row] = [{"term": _name(plan), "estimate": coefficient.value, **ends, **shared}]
    if not found.category:
        rows.append(
            {"term": "observed_agreement", "estimate": coefficient.observed, **dict.fromkeys(ends, np.nan), **shared}
        )
    return rows


def _ends(found: Found, plan: Plan) -> tuple[float, float, float, float]:
    """Return standard error, interval and degrees of freedom (NaN for none)."""
    from scipy.stats import norm, t

    level, value, se = plan.interval.level, found.coefficient.value, found.coefficient.std_error
    if plan.interval.n_resamples:
        draws = resampled(found.again, np.lexsort(found.key.T), plan.interval, slow=False)
        se, low, high, _ = percentile_interval(draws[:, 0], level)
        return se, low, high, np.nan
    if plan.method == "cohen_kappa":
        width = float(norm.ppf((1 + level) / 2)) * se
        return se, value - width, min(value + width, 1.0), np.nan
    df = float(len(found.key) - 1)
    width = float(t.ppf((1 + level) / 2, df)) * se if df > 0 else np.nan
    return se, value - width, min(value + width, 1.0), df


def _name(plan: Plan) -> str:
    """Return the name of the coefficient."""
    if plan.method != "gwet_ac":
        return plan.method
    return "gwet_ac1" if _nominal(plan) else "gwet_ac2"


def _nominal(plan: Plan) -> bool:
    """Tell whether categories are the same or different and nothing else."""
    return isinstance(plan.weights, str) and plan.weights == "nominal"


def n_raters(table: RatingTable) -> int:
    """Return the number of raters, or the largest number of ratings of a unit where only counts are known."""
    return len(table.raters) or int(table.counts.sum(axis=1).max())


def _intraclass(table: RatingTable, interval: AgreementInterval) -> list[Row]:
    """Return the six intraclass correlations."""
    values = table.cells[(~np.isnan(table.cells)).any(axis=1)]
    forms = intraclass_forms(values, level=interval.level)
    spread = [(np.nan, form.low, form.high) for form in forms]
    if interval.n_resamples:
        slow = bool(np.isnan(values).any())
        draws = resampled(lambda places: intraclass_values(values[places]), np.lexsort(values.T), interval, slow=slow)
        spread = [percentile_interval(draws[:, place], interval.level)[:3] for place in range(len(FORMS))]
    shared = {"term2": "", "category": "", "conf_level": interval.level, "n": len(values), "n_raters": values.shape[1]}
    return [
        {
            "term": form.term,
            "estimate": form.estimate,
            "std_error": se,
            "df": np.nan,
            "conf_low": low,
            "conf_high": high,
        }
        | shared
        for form, (se, low, high) in zip(forms, spread, strict=True)
    ]


def _limits(frame: pd.DataFrame, ratings: str | Sequence[str], plan: Plan) -> tuple[RatingTable, list[Row]]:
    """Return mean, spread and limits of the differences of two columns."""
    from scipy.stats import t

    table = number_table(frame, ratings, plan.layout)
    if len(table.raters) != 2:
        raise DataError.build(
            f"{len(table.raters)} columns.", hint="limits of agreement compare two; name two columns."
        )
    difference, subject = _differences(frame, table, plan.layout)
    interval = plan.interval
    found = limits_of_agreement(difference, subject, level=0.95)
    width = float(t.ppf((1 + interval.level) / 2, found.df)) * found.std_errors
    ends = np.column_stack([found.std_errors, found.estimates - width, found.estimates + width])
    df = float(found.df)
    if interval.n_resamples:
        draws = _resampled_limits(difference, subject, interval)
        ends = np.array([percentile_interval(draws[:, place], interval.level)[:3] for place in range(len(TERMS))])
        df = np.nan
    shared = {"term2": "", "category": "", "conf_level": interval.level, "n": found.df + 1, "n_raters": 2, "df": df}
    return table, [
        {"term": term, "estimate": value, "std_error": se, "conf_low": low, "conf_high": high} | shared
        for term, value, (se, low, high) in zip(TERMS, found.estimates, ends, strict=True)
    ]


def _differences(frame: pd.DataFrame, table: RatingTable, layout: RatingLayout) -> tuple[FloatArray, IntArray]:
    """Return the differences of complete pairs, and whose they are."""
    subject: IntArray = np.arange(len(table.cells), dtype=np.int64)
    if layout.kind == "wide" and layout.unit:
        units = [layout.unit] if isinstance(layout.unit, str) else list(layout.unit)
        require_columns(frame, units)
        subject = np.asarray(frame.groupby(units, sort=False).ngroup().fillna(-1), dtype=np.int64)
    known = ~np.isnan(table.cells).any(axis=1) & (subject >= 0)
    return (table.cells[:, 0] - table.cells[:, 1])[known], subject[known].astype(np.int64)


def _resampled_limits(difference: FloatArray, subject: IntArray, interval: AgreementInterval) -> FloatArray:
    """Return mean, spread and limits of resampled subjects, shape (n_resamples, 4)."""
    codes = np.unique(subject, return_inverse=True)[1]
    members = [np.sort(difference[codes == place]) for place in range(int(codes.max()) + 1)]
    order = np.array(sorted(range(len(members)), key=lambda place: tuple(members[place])))

    def values(places: IntArray) -> FloatArray:
        drawn = [members[place] for place in places]
        whose = np.repeat(np.arange(len(drawn)), [part.size for part in drawn])
        return limits_of_agreement(np.concatenate(drawn), whose, level=0.95).estimates

    return resampled(values, order, interval, slow=False)
