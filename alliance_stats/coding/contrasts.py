"""How far statement shares tell two sets of conversations apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import NormalDist

import numpy as np
import pandas as pd

from alliance_stats.coding.shares import COMPOSITION_NOTE
from alliance_stats.columns import duplicated_rows, numeric_values, require_columns
from alliance_stats.errors import DataError, listing
from alliance_stats.result import Result

MIN_ROWS = 2
"""Conversations per set below which there is no variance."""


@dataclass(frozen=True, kw_only=True)
class ShareContrasts(Result):
    """Contrasts of statement shares between two sets of conversations.

    Parameters
    ----------
    estimates : DataFrame
        One row per share; columns as returned by `tidy`.
    labels : tuple of str
        What the first and the second set are called.
    n_first, n_second : int
        Conversations in each set.
    n_separating : int
        Shares whose interval leaves out 0.5.
    """

    estimates: pd.DataFrame = field(repr=False)
    labels: tuple[str, str]
    n_first: int
    n_second: int
    n_separating: int

    def tidy(self) -> pd.DataFrame:
        """Return the contrasts.

        Returns
        -------
        DataFrame
            One row per share: predictor (the share), group (which sets), kind ("probability_higher"), estimate (0 to 1,
            0.5 where the sets do not differ), std_error, statistic (z of the difference from 0.5), p_value, conf_low,
            conf_high, conf_level, n (conversations in both sets), mean_first, mean_second (mean share, 0 to 1),
            n_first, n_second.
        """
        return self.estimates.copy()

    def glance(self) -> pd.DataFrame:
        """Return one row: first, second, n_first, n_second, n_shares, n_separating."""
        return pd.DataFrame(
            [
                {
                    "first": self.labels[0],
                    "second": self.labels[1],
                    "n_first": self.n_first,
                    "n_second": self.n_second,
                    "n_shares": len(self.estimates),
                    "n_separating": self.n_separating,
                }
            ]
        )


def share_contrasts(
    frame: pd.DataFrame,
    other: pd.DataFrame,
    shares: str | Sequence[str],
    *,
    labels: tuple[str, str] = ("rated", "failed"),
    level: float = 0.95,
) -> ShareContrasts:
    """Estimate how probably a conversation of one set has a higher share than one of the other.

    Use it to see whether statements tell two sets of conversations apart, such as rated and failed ones. The estimand
    is the probability that a conversation drawn from the first set has a higher share than one drawn from the second,
    ties counted as half (the area under the ROC curve): 0.5 where the share says nothing about the set.

    Parameters
    ----------
    frame, other : DataFrame
        The two sets, one row per conversation each.
    shares : str or sequence of str
        Columns with shares, 0 to 1, in both; each is analysed on its own.
    labels : tuple of str
        What the first and the second set are called.
    level : float in (0, 1)
        Confidence level.

    Returns
    -------
    ShareContrasts

    Raises
    ------
    ColumnError
        If a column is missing or not numeric.
    DataError
        If a patient has several rows, a share lies outside 0 to 1, is known in fewer than two rows of a set or is the
        same in all rows, or the labels or the level cannot be used.

    See Also
    --------
    read_comparison : the conversations to compare with.
    share_associations : shares and the outcome within one set.

    Notes
    -----
    With shares x_i of the first set and y_j of the second, the estimate is the mean of psi(x_i, y_j), where psi is 1 if
    x_i > y_j, 1/2 if they are equal and 0 else: the Mann-Whitney statistic divided by the number of pairs. Its variance
    is that of DeLong et al. (1988), S10/m + S01/n, with the sample variances of the m means over the second set and the
    n means over the first. Neither equal variances nor a normal share is assumed. The interval is estimate ± z times
    the standard error, cut at 0 and 1; statistic and p value belong to 0.5 with the same standard error, so that test
    and interval agree. In small sets, or near 0 and 1, such intervals are too narrow (Newcombe, 2006). Where the sets
    do not overlap at all the standard error would be zero: it is missing, with interval and p value. No correction for
    the number of shares is made.

    References
    ----------
    DeLong, E. R., DeLong, D. M., & Clarke-Pearson, D. L. (1988). Comparing the areas under two or more correlated
    receiver operating characteristic curves: a nonparametric approach. Biometrics, 44, 837-845. doi:10.2307/2531595

    Newcombe, R. G. (2006). Confidence intervals for an effect size measure based on the Mann-Whitney statistic. Part 2:
    asymptotic methods and evaluation. Statistics in Medicine, 25, 559-573. doi:10.1002/sim.2324

    Examples
    --------
    >>> import pandas as pd
    >>> from alliance_stats import share_contrasts
    >>> rated = pd.DataFrame({"share_supportive": [0.2, 0.4, 0.5, 0.6]})
    >>> failed = pd.DataFrame({"share_supportive": [0.1, 0.3, 0.4]})
    >>> result = share_contrasts(rated, failed, "share_supportive")
    >>> result.tidy()[["estimate", "std_error", "conf_low", "conf_high"]].round(2).values.tolist()
    [[0.79, 0.19, 0.41, 1.0]]
    """
    names = [shares] if isinstance(shares, str) else list(shares)
    _check_arguments(names, labels, level)
    sets = [_values(table, names, label) for table, label in zip((frame, other), labels, strict=True)]
    reach = NormalDist().inv_cdf((1 + level) / 2)
    rows = []
    for name in names:
        first, second = (values[name] for values in sets)
        _require_variation(name, first, second)
        rows.append(
            {"predictor": name, "group": f"{labels[0]} vs {labels[1]}", "kind": "probability_higher"}
            | _contrast(first, second, reach)
            | {"conf_level": level, "n": len(first) + len(second)}
            | {"mean_first": float(first.mean()), "mean_second": float(second.mean())}
            | {"n_first": len(first), "n_second": len(second)}
        )
    table = pd.DataFrame(rows)
    apart = table.loc[(table["conf_low"] > 0.5) | (table["conf_high"] < 0.5), "predictor"].tolist()
    return ShareContrasts(
        estimates=table,
        labels=labels,
        n_first=len(frame),
        n_second=len(other),
        n_separating=len(apart),
        notes=_notes(table, labels, (len(frame), len(other)), apart),
    )


def probability_higher(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Return the probability that a value of the first sample is higher, and its standard error by DeLong et al.

    Parameters
    ----------
    first, second : ndarray, shapes (m,) and (n,)
        Samples without missing values, at least two values each.

    Returns
    -------
    estimate, std_error : float
        Ties count as half. The standard error is 0 where the samples do not overlap.
    """
    from scipy.stats import rankdata

    m, n = len(first), len(second)
    ranks = rankdata(np.concatenate([first, second]))
    # A midrank among all values minus the midrank within the own sample counts the other sample's lower values.
    over_second = (ranks[:m] - rankdata(first)) / n
    over_first = 1 - (ranks[m:] - rankdata(second)) / m
    variance = over_second.var(ddof=1) / m + over_first.var(ddof=1) / n
    return float(over_second.mean()), float(np.sqrt(variance))


def _contrast(first: np.ndarray, second: np.ndarray, reach: float) -> dict[str, float]:
    """Return estimate, error, z, p and interval; samples have shapes (m,) and (n,)."""
    estimate, error = probability_higher(first, second)
    # Without overlap the placements are all equal, and what is left of their variance is rounding.
    error = error if error > 1e-12 else np.nan
    statistic = (estimate - 0.5) / error
    return {
        "estimate": estimate,
        "std_error": error,
        "statistic": statistic,
        "p_value": 2 * NormalDist().cdf(-abs(statistic)),
        "conf_low": float(np.maximum(estimate - reach * error, 0)),
        "conf_high": float(np.minimum(estimate + reach * error, 1)),
    }


def _check_arguments(shares: list[str], labels: tuple[str, str], level: float) -> None:
    """Raise a DataError for missing or repeated shares, labels and a level that cannot be used."""
    if not shares:
        raise DataError.build("No share is named.", hint="pass shares=['share_supportive', ...].")
    twice = sorted({name for name in shares if shares.count(name) > 1})
    if twice:
        raise DataError.build(f"{listing(twice)} is named more than once.", hint="name each share once.")
    if isinstance(labels, str) or len(labels) != 2 or labels[0] == labels[1]:
        raise DataError.build("labels= must be two different texts.", hint="for example labels=('rated', 'failed').")
    if not 0 < level < 1:
        raise DataError.build(f"The confidence level {level} is not between 0 and 1.", hint="for example level=0.95.")


def _values(frame: pd.DataFrame, shares: Sequence[str], label: str) -> dict[str, np.ndarray]:
    """Return the known values of each share, shape (n_known,), after checking that they are shares."""
    require_columns(frame, shares, hint=f"compute shares of the {label} conversations with statement_shares().")
    if "patient" in frame.columns and duplicated_rows(frame, ["patient"]).size:
        raise DataError.build(
            f"{duplicated_rows(frame, ['patient']).size} rows of the {label} conversations repeat a patient, so the "
            "rows are not independent.",
            hint="keep one row per patient or conversation.",
        )
    found = {}
    for name in shares:
        values = numeric_values(frame, name)
        known = values[~np.isnan(values)]
        outside = int(((known < 0) | (known > 1)).sum())
        if outside:
            raise DataError.build(
                f"Share '{name}' lies outside 0 to 1 in {outside} of {len(values)} {label} conversations.",
                hint="pass shares (see statement_shares()), not counts or percentages.",
            )
        if len(known) < MIN_ROWS:
            raise DataError.build(
                f"Share '{name}' is known in {len(known)} of {len(values)} {label} conversations.",
                hint=f"at least {MIN_ROWS} of each set are needed; shares are missing where nothing was said.",
            )
        found[name] = known
    return found


def _require_variation(name: str, first: np.ndarray, second: np.ndarray) -> None:
    """Raise a DataError if a share is the same in all conversations of both sets."""
    if np.ptp(np.concatenate([first, second])) == 0:
        raise DataError.build(
            f"'{name}' is the same in all {len(first) + len(second)} conversations, so nothing can be compared.",
            hint="leave the share out.",
        )


def _notes(
    table: pd.DataFrame, labels: tuple[str, str], sizes: tuple[int, int], apart: Sequence[str]
) -> tuple[str, ...]:
    """Return what a reader must know."""
    first, second = labels
    k = len(table)
    notes = [
        f"Estimates are the probability that a {first} conversation has a higher share than a {second} one, ties "
        "counted as half: 0.5 where the share does not tell the sets apart.",
        f"The interval leaves out 0.5 for {len(apart)} of {k} shares{': ' + listing(apart, 12) if apart else ''}.",
        "Standard errors of DeLong et al. (1988); intervals and p values by the normal distribution, for independent "
        "conversations.",
        "A difference between the sets is not an effect of the statements: what made a conversation belong to a set, "
        "its length among other things, may change the shares as well.",
    ]
    if k > 1:
        notes.append(f"{k} shares are compared and no correction is made for their number.")
    notes.append(COMPOSITION_NOTE)
    for label, size, column in zip(labels, sizes, ("n_first", "n_second"), strict=True):
        used = sorted(set(table[column]))
        if used != [size]:
            notes.append(f"{listing(used)} of {size} {label} conversations have the share and are used.")
    no_overlap = table.loc[table["std_error"].isna(), "predictor"].tolist()
    if no_overlap:
        notes.append(f"The sets do not overlap in {listing(no_overlap)}: no standard error, interval or p value.")
    return tuple(notes)
