"""How consistently the items of a scale measure the same thing: Cronbach's alpha and what it rests on."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from alliance_stats.columns import group_codes
from alliance_stats.errors import AllianceStatsWarning, DataError, listing
from alliance_stats.result import Result
from alliance_stats.scales.answers import AnswerCheck, Items, item_columns, raw_answers
from alliance_stats.scales.consistency import correlations, cronbach_alpha, feldt_interval, item_table
from alliance_stats.scales.instrument import Instrument, load_instrument
from alliance_stats.scales.instrument_parts import Score
from alliance_stats.scales.item_sample import (
    BoolArray,
    IntArray,
    cluster_values,
    columns_as_they_are,
    refuse_infinite,
)
from alliance_stats.scales.keying import FloatArray, keyed_answers

MIN_ROWS = 3
"""Complete rows below which no alpha is computed."""


@dataclass(frozen=True, kw_only=True)
class Reliability(Result):
    """Internal consistency of a set of items.

    Parameters
    ----------
    estimates : DataFrame
        One row per coefficient; see `tidy`.
    items : DataFrame
        One row per item; see `item_statistics`.
    summary : mapping of str to object
        What `glance` shows.
    """

    estimates: pd.DataFrame
    items: pd.DataFrame
    summary: Mapping[str, float | int]

    @property
    def alpha(self) -> float:
        """Cronbach's alpha over all rows."""
        return float(self.estimates["estimate"].iloc[0])

    def tidy(self) -> pd.DataFrame:
        """Return the coefficients.

        Returns
        -------
        DataFrame
            One row per coefficient: term (alpha or standardized_alpha), group (the cluster column, empty for all rows),
            kind (rows, cluster_means or cluster_deviations), estimate, conf_low, conf_high, conf_level, n (rows, or
            clusters for cluster_means).
        """
        return self.estimates.copy()

    def item_statistics(self) -> pd.DataFrame:
        """Return what each item contributes.

        Returns
        -------
        DataFrame
            One row per item: item (column), mean and sd in points after reversal, item_rest_correlation (with the sum
            of the other items), alpha_if_dropped, floor and ceiling (share of lowest and highest answers, 0 to 1), n.
        """
        return self.items.copy()

    def glance(self) -> pd.DataFrame:
        """Return one row: n (complete rows), n_items, n_incomplete, mean_item_correlation, floor, ceiling."""
        return pd.DataFrame([dict(self.summary)])


def reliability(
    frame: pd.DataFrame,
    items: Items,
    *,
    instrument: str | Path | Instrument | None = None,
    score: str | None = None,
    storage: str | None = None,
    cluster: str | None = None,
    level: float = 0.95,
) -> Reliability:
    """Compute Cronbach's alpha with its interval, and what each item contributes.

    Alpha is the reliability of the sum of the items if all measure the same thing equally well, and a lower bound of
    it if errors are uncorrelated. It belongs to the sample and to the level of the data: over sessions of several
    patients it mixes differences between patients with changes within them. Name the patients with ``cluster`` to get
    both parts.

    Parameters
    ----------
    frame : DataFrame
        One row per filled-in form.
    items : str, sequence of str, or mapping of int to str
        Item columns, as in `score`: a pattern with ``{}``, columns in printed order, or item number to column.
    instrument : str, Path or Instrument, optional
        Reverses the items by its key and checks the answers. Without it the columns are taken as they are.
    score : str, optional
        The score of the instrument whose items are used; its first score if left out. Needs ``instrument``.
    storage : str, optional
        As in `score`. Needs ``instrument``.
    cluster : str, optional
        Column of the patients (or couples) that rows repeat.
    level : float in (0, 1)
        Coverage of the interval.

    Returns
    -------
    Reliability
        `tidy` gives the coefficients, `item_statistics` the items. ``notes`` says how many rows were incomplete.

    Raises
    ------
    ColumnError
        If an item column is missing or not numeric.
    InstrumentError
        If the answers do not fit the instrument.
    DataError
        If there are fewer than two items or three complete rows, if the sum of the items does not vary, or if ``level``
        is not between 0 and 1.

    Warns
    -----
    AllianceStatsWarning
        If an item runs against the others, which mostly means that it was not reversed.

    See Also
    --------
    score : the scores themselves.
    omega : when items load differently on what they share.
    multilevel_reliability : sessions, items and therapists told apart.

    Notes
    -----
    Rows with a missing answer are left out. The interval of alpha is that of Feldt: (1 - alpha) / (1 - estimate)
    follows F with n - 1 and (n - 1)(k - 1) degrees of freedom for k items in n independent rows and parallel normal
    items. For ``cluster_means`` n is the number of clusters; the means still hold session noise, the more the fewer
    sessions. For ``cluster_deviations`` n - 1 is replaced by rows minus clusters. No interval is given for standardized
    alpha.

    References
    ----------
    Cronbach, L. J. (1951). Psychometrika, 16, 297-334. https://doi.org/10.1007/BF02310555

    Feldt, L. S. (1965). Psychometrika, 30, 357-370. https://doi.org/10.1007/BF02289499

    Feldt, L. S., Woodruff, D. J., & Salih, F. A. (1987). Applied Psychological Measurement, 11, 93-103 (p. 95,
    formulas 6 and 7).

    Examples
    --------
    >>> import alliance_stats as al
    >>> import pandas as pd
    >>> answers = pd.DataFrame({"i1": [1, 2, 3, 4, 5], "i2": [2, 2, 3, 5, 5], "i3": [1, 3, 3, 4, 4]})
    >>> result = al.reliability(answers, ["i1", "i2", "i3"])
    >>> print(result.tidy()[["term", "estimate", "conf_low", "conf_high", "n"]].round(2).to_string(index=False))
                  term  estimate  conf_low  conf_high  n
                 alpha      0.95      0.77       0.99  5
    standardized_alpha      0.96       NaN        NaN  5
    """
    if not 0 < level < 1:
        raise DataError.build(f"level = {level} is not between 0 and 1.", hint="use 0.95 for a 95 percent interval.")
    columns, answers, limits = _answers(frame, items, _key(instrument, score, storage), storage)
    refuse_infinite(answers)
    complete: BoolArray = np.logical_not(np.isnan(answers).any(axis=1))
    rows = answers[complete]
    _require_enough(rows)
    parts = [("rows", rows, len(rows) - 1, len(rows))]
    codes = np.empty(0, dtype=np.int64)
    if cluster is not None:
        codes = group_codes(frame, cluster)[0][complete]
        parts += _cluster_parts(rows, codes)
    estimates = pd.DataFrame([entry for part in parts for entry in _coefficients(*part, cluster=cluster, level=level)])
    table = item_table(list(columns.values()), rows, limits)
    _warn_about_direction(table)
    return Reliability(
        estimates=estimates,
        items=table,
        summary=_summary(rows, limits, n_incomplete=int((~complete).sum())),
        notes=tuple(_notes(frame, complete, cluster, codes, table)),
    )


Key = tuple[Instrument, Score]


def _key(instrument: str | Path | Instrument | None, score: str | None, storage: str | None) -> Key | None:
    """Return the instrument and the score whose items are used."""
    if instrument is None:
        if score is not None or storage is not None:
            raise DataError.build("score= and storage= need instrument=.", hint="name the instrument as well.")
        return None
    loaded = instrument if isinstance(instrument, Instrument) else load_instrument(instrument)
    return loaded, loaded.score_named(score or next(iter(loaded.scores)))


def _answers(
    frame: pd.DataFrame, items: Items, key: Key | None, storage: str | None
) -> tuple[dict[int, str], FloatArray, FloatArray]:
    """Return item columns, keyed answers, shape (n_rows, k), and lowest and highest answer per item, shape (2, k)."""
    if key is None:
        columns = columns_as_they_are(frame, items)
        answers = np.column_stack([raw_answers(frame, column) for column in columns.values()])
        known = answers[~np.isnan(answers)]
        ends = (known.min(), known.max()) if known.size else (np.nan, np.nan)
        return columns, answers, np.repeat(np.array(ends)[:, None], len(columns), axis=1)
    instrument, score = key
    way = instrument.storage_named(storage)
    columns = item_columns(frame, items, wanted=score.items, n_items=instrument.n_items or 0)
    check = AnswerCheck(instrument, shift=way.shift)
    keyed = []
    for item, column in columns.items():
        raw = raw_answers(frame, column)
        check.look(raw, item, column)
        keyed.append(keyed_answers(raw, item, instrument=instrument, storage=way))
    check.raise_if_broken()
    chosen = [item - 1 for item in columns]
    limits = np.array([np.array(instrument.minimum)[chosen], np.array(instrument.maximum)[chosen]])
    return columns, np.column_stack(keyed), limits


def _require_enough(rows: FloatArray) -> None:
    """Raise if no alpha can be computed."""
    if rows.shape[1] < 2:
        raise DataError.build("Only one item.", hint="reliability needs at least two items.")
    if len(rows) < MIN_ROWS:
        raise DataError.build(
            f"{len(rows)} rows have answers to all {rows.shape[1]} items; at least {MIN_ROWS} are needed.",
            hint="check for items that were not asked of everyone.",
        )
    if not np.ptp(rows.sum(axis=1)) > 0:
        raise DataError.build("The sum of the items is the same in all rows.", hint="check the columns.")


Part = tuple[str, FloatArray, int, int]


def _cluster_parts(rows: FloatArray, codes: IntArray) -> list[Part]:
    """Return kind, values, degrees of freedom and n of the means of clusters and of the deviations from them."""
    parts = (cluster_values(rows, codes, "cluster_means"), cluster_values(rows, codes, "cluster_deviations"))
    return [(part.kind, part.answers, part.df, len(part.answers)) for part in parts]


def _coefficients(
    kind: str, values: FloatArray, df: int, n: int, *, cluster: str | None, level: float
) -> list[dict[str, object]]:
    """Return the tidy rows of alpha, and for all rows of standardized alpha."""
    enough = df >= MIN_ROWS - 1
    covariance = np.cov(values, rowvar=False) if enough else np.full((values.shape[1],) * 2, np.nan)
    alpha = cronbach_alpha(covariance)
    low, high = feldt_interval(alpha, k=values.shape[1], df=df, level=level) if np.isfinite(alpha) else (np.nan, np.nan)
    group = "" if kind == "rows" or cluster is None else cluster
    entry = {"term": "alpha", "group": group, "kind": kind, "estimate": alpha, "conf_low": low, "conf_high": high}
    entries: list[dict[str, object]] = [{**entry, "conf_level": level, "n": n}]
    if kind == "rows":
        standardized = cronbach_alpha(correlations(covariance))
        blank = {"estimate": standardized, "conf_low": np.nan, "conf_high": np.nan, "conf_level": np.nan}
        entries.append({**entries[0], "term": "standardized_alpha", **blank})
    return entries


def _summary(rows: FloatArray, limits: FloatArray, *, n_incomplete: int) -> dict[str, float | int]:
    """Return what glance() shows."""
    k = rows.shape[1]
    between_items = correlations(np.cov(rows, rowvar=False))
    total = rows.sum(axis=1)
    return {
        "n": len(rows),
        "n_items": k,
        "n_incomplete": n_incomplete,
        "mean_item_correlation": float(between_items[~np.eye(k, dtype=bool)].mean()),
        "floor": float(np.isclose(total, limits[0].sum()).mean()),
        "ceiling": float(np.isclose(total, limits[1].sum()).mean()),
    }


def _warn_about_direction(table: pd.DataFrame) -> None:
    """Warn about items that run against the sum of the others."""
    against = table.loc[table["item_rest_correlation"] < 0, "item"].tolist()
    if against:
        warnings.warn(
            f"Column {listing(against)}: negative correlation with the sum of the other items, so alpha is too low. "
            "Reverse such items first, or pass instrument= to have it done by the key.",
            AllianceStatsWarning,
            stacklevel=3,
        )


def _notes(
    frame: pd.DataFrame, complete: BoolArray, cluster: str | None, codes: IntArray, table: pd.DataFrame
) -> list[str]:
    """Return what a reader must know about the numbers."""
    n_complete = int(complete.sum())
    left_out = len(complete) - n_complete
    notes = [
        f"Alpha rests on {n_complete} rows with answers to all {len(table)} items; {left_out} incomplete rows are left "
        "out.",
        "Interval after Feldt (1965), for independent rows and parallel normal items; none for standardized alpha.",
    ]
    constant = table.loc[table["sd"] == 0, "item"].tolist()
    if constant:
        notes.append(f"No variation in {listing(constant)}: standardized alpha is not defined.")
    if cluster is None:
        if "patient" in frame.columns and frame.loc[complete, "patient"].duplicated().any():
            notes.append(
                "Rows repeat patients: alpha mixes differences between patients with changes within them, and its "
                "interval is too narrow; cluster='patient' gives both parts."
            )
        return notes
    unknown = int((codes < 0).sum())
    n_levels = np.unique(codes[codes >= 0]).size
    notes.append(
        f"Rows repeat the levels of '{cluster}': the interval over all rows is too narrow. cluster_means describes "
        f"the averages of {n_levels} levels over their rows, cluster_deviations the rows around them."
    )
    if unknown:
        notes.append(f"{unknown} rows without '{cluster}' are left out of cluster_means and cluster_deviations.")
    return notes
