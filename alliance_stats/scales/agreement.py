"""Agreement of coders and raters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from alliance_stats.columns import one_column
from alliance_stats.errors import ColumnError, DataError
from alliance_stats.result import Result
from alliance_stats.scales.agreement_bootstrap import AgreementInterval
from alliance_stats.scales.agreement_rows import OF_COUNTS, Plan, Row, agreement_rows, n_raters
from alliance_stats.scales.agreement_weights import Weights
from alliance_stats.scales.arguments import require_frame
from alliance_stats.scales.rating_table import RatingLayout, RatingTable

Method = Literal["cohen_kappa", "fleiss_kappa", "krippendorff_alpha", "gwet_ac", "icc", "limits_of_agreement"]
METHODS: tuple[str, ...] = (
    "cohen_kappa",
    "fleiss_kappa",
    "krippendorff_alpha",
    "gwet_ac",
    "icc",
    "limits_of_agreement",
)


@dataclass(frozen=True, kw_only=True)
class Agreement(Result):
    """Coefficients of agreement.

    Parameters
    ----------
    estimates : DataFrame
        See `tidy`.
    summary : mapping of str to object
        What `glance` shows.
    """

    estimates: pd.DataFrame
    summary: Mapping[str, Any] = field(repr=False)

    def tidy(self) -> pd.DataFrame:
        """Return the coefficients.

        Returns
        -------
        DataFrame
            One row per coefficient: term (its name; observed_agreement for the share of agreement before correction),
            term2 (pair of raters for cohen_kappa), group and level (the column ``by`` and its value, empty for all
            rows), category (one category against the others, empty for all), estimate, std_error, df, conf_low,
            conf_high, conf_level, n (units), n_raters.
        """
        return self.estimates.copy()

    def glance(self) -> pd.DataFrame:
        """Return one row: method, weights, n (units), n_raters, n_ratings, n_missing (cells of the table), n_categories."""
        return pd.DataFrame([dict(self.summary)])


def agreement(
    frame: pd.DataFrame,
    ratings: str | Sequence[str],
    *,
    method: Method,
    layout: RatingLayout | None = None,
    weights: Weights | None = None,
    by: str | None = None,
    interval: AgreementInterval | None = None,
) -> Agreement:
    """Compute how far coders or raters agree.

    Kappas, alpha and AC are for categories: agreement beyond what the raters' use of the categories would give by chance.
    They differ in that chance, so that a rare category drives kappa down and AC hardly. Intraclass correlations are for
    ratings in points: the share of variance that lies between units. Limits of agreement say, in points, how far two
    measurements lie apart.

    Parameters
    ----------
    frame : DataFrame
        One row per unit rated, or per rating.
    ratings : str or sequence of str
        One column per rater; one column per category with ``layout=RatingLayout(kind="counts")``; or the column of the
        ratings in a long layout.
    method : str
        ``cohen_kappa`` (every pair of raters), ``fleiss_kappa``, ``krippendorff_alpha``, ``gwet_ac`` (AC1; AC2 with
        weights), ``icc`` (all six forms of McGraw and Wong: 1 raters differ by unit, A agreement in level, C consistency
        in order; 1 one rater, k the mean of all) or ``limits_of_agreement`` (first minus second column).
    layout : RatingLayout, optional
        How ratings lie in the frame; one column per rater if left out. With ``unit`` in a wide layout, limits of
        agreement take rows of one unit as repeated sessions.
    weights : str or matrix, optional
        ``"nominal"`` if left out, ``"linear"``, ``"quadratic"`` or a matrix, for kappas and AC. Alpha has to be told its
        metric: ``"nominal"``, ``"ordinal"``, ``"interval"`` or ``"ratio"``.
    by : str, optional
        Column, such as the session, by whose values coefficients are given as well.
    interval : AgreementInterval, optional
        Coverage, and resampling of units in place of the analytic interval.

    Returns
    -------
    Agreement

    Raises
    ------
    ColumnError
        If a column is missing or the layout does not fit.
    DataError
        If weights do not fit, ratings are no numbers where numbers are needed, or nothing can be compared.

    Notes
    -----
    Formulas and sources of each coefficient and of its standard error stand with it: `cohen_kappa` (Fleiss, Cohen &
    Everitt, 1969; normal interval), `fleiss_kappa`, `gwet_ac`, `krippendorff_alpha` (linearised over units; t interval
    with units - 1 degrees of freedom, as in Gwet, 2008, cut at 1), `intraclass_forms` (F intervals), `limits_of_agreement`
    (t intervals). Categories are told apart one by one under nominal weights. All treat units as independent: utterances
    of one session are not, and intervals are then too narrow.

    References
    ----------
    Gwet, K. L. (2008). British Journal of Mathematical and Statistical Psychology, 61, 29-48.
    https://doi.org/10.1348/000711006X126600

    Examples
    --------
    >>> import pandas as pd, alliance_stats as al
    >>> codes = pd.DataFrame({"coder_a": ["q", "r", "r", "g", "q", "r"], "coder_b": ["q", "r", "g", "g", "q", "r"]})
    >>> al.agreement(codes, ["coder_a", "coder_b"], method="cohen_kappa").tidy()["estimate"].round(2).tolist()[:2]
    [0.75, 0.83]
    """
    if method not in METHODS:
        raise DataError.build(f"No method '{method}'.", hint=f"use one of {', '.join(METHODS)}.")
    require_frame(frame, "agreement")
    plan = _plan(method, ratings, layout, weights, interval)
    parts = _parts(frame, by)
    rows: list[Row] = []
    tables = []
    for group, value, part in parts:
        table, found = agreement_rows(part, ratings, plan)
        tables.append(table)
        rows += [{**row, "group": group, "level": value} for row in found]
    return Agreement(
        estimates=pd.DataFrame(rows)[_COLUMNS],
        summary=_summary(plan, tables[0], len(frame)),
        notes=tuple(_notes(plan, tables[0], by)),
    )


_COLUMNS = [
    *("term", "term2", "group", "level", "category", "estimate", "std_error", "df"),
    *("conf_low", "conf_high", "conf_level", "n", "n_raters"),
]


def _plan(
    method: str,
    ratings: object,
    layout: RatingLayout | None,
    weights: Weights | None,
    interval: AgreementInterval | None,
) -> Plan:
    """Return what is to be computed, refusing arguments of another kind."""
    if not isinstance(ratings, Iterable):
        raise ColumnError.build(
            f"ratings= is {type(ratings).__name__}.", hint="name one column per rater: ratings=['coder_a', 'coder_b']."
        )
    if not isinstance(layout, RatingLayout | None):
        raise DataError.build(
            f"layout= is {type(layout).__name__}.", hint="pass al.RatingLayout(kind='long', unit=..., rater=...)."
        )
    if not isinstance(interval, AgreementInterval | None):
        raise DataError.build(f"interval= is {type(interval).__name__}.", hint="pass al.AgreementInterval(level=0.95).")
    return Plan(method, layout or RatingLayout(), _weights(method, weights), interval or AgreementInterval())


def _weights(method: str, weights: Weights | None) -> Weights:
    """Return the weights, refusing those that a method does not use."""
    if method in ("icc", "limits_of_agreement"):
        if weights is not None:
            raise DataError.build(f"method='{method}' has no weights.", hint="leave weights= out.")
        return "none"
    if method == "krippendorff_alpha" and not isinstance(weights, str):
        raise DataError.build(
            "Krippendorff's alpha depends on its metric.",
            hint="pass weights='nominal', 'ordinal', 'interval' or 'ratio'.",
        )
    return "nominal" if weights is None else weights


def _parts(frame: pd.DataFrame, by: str | None) -> list[tuple[str, object, pd.DataFrame]]:
    """Return all rows, and the rows of each value of a column."""
    parts: list[tuple[str, object, pd.DataFrame]] = [("", "", frame)]
    if by is None:
        return parts
    if by in ("patient", "dyad", "rater"):
        raise ColumnError.build(f"by='{by}' would show single people.", hint="use a session, a phase or a site.")
    values = one_column(frame, by)
    levels = sorted(values.dropna().unique().tolist(), key=lambda value: (str(type(value)), value))
    return parts + [(by, value, frame[(values == value).fillna(False).to_numpy(bool)]) for value in levels]


def _summary(plan: Plan, table: RatingTable, n_rows: int) -> dict[str, Any]:
    """Return what glance() shows."""
    n_ratings = int((~np.isnan(table.cells)).sum()) if table.raters else int(table.counts.sum())
    return {
        "method": plan.method,
        "weights": plan.weights if isinstance(plan.weights, str) else "own matrix",
        "n": len(table.cells),
        "n_raters": n_raters(table),
        "n_ratings": n_ratings,
        "n_missing": table.cells.size - n_ratings if table.raters else 0,
        "n_categories": len(table.categories),
        "n_rows": n_rows,
    }


def _notes(plan: Plan, table: RatingTable, by: str | None) -> list[str]:
    """Return what the coefficients rest on, in words."""
    interval = plan.interval
    n_missing = int(np.isnan(table.cells).sum()) if table.raters else 0
    notes = [
        f"{len(table.cells)} units, {n_raters(table)} raters; {n_missing} cells of units by raters have no rating."
    ]
    if table.n_unnamed:
        notes.append(f"{table.n_unnamed} rows name no unit or no rater and are left out.")
    if plan.method in OF_COUNTS or plan.method == "cohen_kappa":
        shown = f"'{plan.weights}'" if isinstance(plan.weights, str) else "given as a matrix"
        notes.append(f"Weights: {shown}; {len(table.categories)} categories count, used or not.")
    if plan.method == "icc" and n_missing:
        notes.append(
            "Ratings are missing: variance components by REML, missing at random assumed; F intervals are approximate, "
            "AgreementInterval(n_resamples=1000, seed=...) gives others."
        )
    if plan.method == "limits_of_agreement":
        notes.append(
            f"Differences are '{table.raters[0]}' minus '{table.raters[1]}'; 95 % of them lie between the limits."
        )
    if interval.n_resamples:
        notes.append(
            f"Intervals: percentiles of {interval.n_resamples} resamples of units, seed {interval.seed}. Units are taken as "
            "independent."
        )
    else:
        notes.append("Intervals are analytic and take units as independent.")
    if by is not None:
        notes.append(f"Given for all rows, and for each value of '{by}' on its own.")
    return notes
