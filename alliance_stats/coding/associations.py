"""Statement shares and outcome when every conversation is one row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd

from alliance_stats.coding.shares import COMPOSITION_NOTE
from alliance_stats.columns import as_names, duplicated_rows, numeric_values, require_columns
from alliance_stats.errors import DataError, ModelError, listing
from alliance_stats.result import Result

Robust = Literal["HC3"]

_FILTERED = 0.95


@dataclass(frozen=True, kw_only=True)
class ShareAssociations(Result):
    """Associations of statement shares with the outcome of a conversation.

    Parameters
    ----------
    estimates : DataFrame
        One row per share and kind of estimate; columns as returned by `tidy`.
    outcome : str
        Name of the outcome.
    initial : str or None
        Name of the initial value, if it was adjusted for.
    n_rows : int
        Conversations in the frame.
    n : int
        Conversations with outcome (and initial value, and covariates).
    share_decreased, share_unchanged, share_increased : float
        Of those conversations, the share (0 to 1) that ended below, at or above the initial value; NaN without one.
    """

    estimates: pd.DataFrame = field(repr=False)
    outcome: str
    initial: str | None
    n_rows: int
    n: int
    share_decreased: float
    share_unchanged: float
    share_increased: float

    def tidy(self) -> pd.DataFrame:
        """Return one row per share and kind: ``spearman`` (or ``spearman_change``) and ``least_squares``."""
        return self.estimates.copy()

    def glance(self) -> pd.DataFrame:
        """Return one row: outcome, initial, n, n_rows, and how many conversations went down, stayed or went up."""
        return pd.DataFrame(
            {
                "outcome": [self.outcome],
                "initial": [self.initial],
                "n": [self.n],
                "n_rows": [self.n_rows],
                "share_decreased": [self.share_decreased],
                "share_unchanged": [self.share_unchanged],
                "share_increased": [self.share_increased],
            }
        )


@dataclass(frozen=True, kw_only=True)
class _Rows:
    """Complete values of one share: share, outcome, initial (n,) each, covariates (n, k)."""

    share: np.ndarray
    outcome: np.ndarray
    initial: np.ndarray | None
    covariates: np.ndarray


def share_associations(
    frame: pd.DataFrame,
    shares: str | Sequence[str],
    outcome: str,
    *,
    initial: str | None = None,
    covariates: Sequence[str] = (),
    robust: Robust | None = None,
    level: float = 0.95,
) -> ShareAssociations:
    """Relate statement shares to the outcome, one row per conversation.

    The estimand is the difference between conversations with more and with less of a kind of statement. Nothing within
    a person can be seen: use `level_effects` when patients have several sessions.

    Parameters
    ----------
    frame : DataFrame
        One row per conversation (or per patient).
    shares : str or sequence of str
        Columns with shares, 0 to 1; each is analysed on its own.
    outcome : str
        Column with the final value, in the scale's points.
    initial : str, optional
        Column with the value before the conversation, in the same points. The correlation is then with the change
        initial minus outcome (positive when the value goes down), and least squares adjusts for the initial value.
    covariates : sequence of str
        Further numeric columns that least squares adjusts for, such as other shares. The correlation does not.
    robust : {"HC3"}, optional
        Standard errors of least squares that allow for unequal variances; conventional ones if left out.
    level : float in (0, 1)
        Confidence level.

    Returns
    -------
    ShareAssociations

    Raises
    ------
    ColumnError
        If a column is missing or not numeric.
    DataError
        If a patient has several rows, a share lies outside 0 to 1, or too few rows are complete or differ.
    ModelError
        If shares, initial value and covariates are linearly dependent.

    See Also
    --------
    statement_shares : from codes to shares.

    Notes
    -----
    Spearman's r has the interval tanh(atanh(r) ± z √((1 + r²/2)/(n − 3))) of Bonett & Wright (2000); its `std_error`
    is (1 − r²) times that root, on the scale of r. The p value is the t approximation. Least squares is
    outcome = b0 + b1·share + b2·initial + covariates, with t intervals; b1 is in outcome points per share of 1, that
    is, from no such statement to only such statements. No correction for the number of shares is made.

    References
    ----------
    Bonett, D. G., & Wright, T. A. (2000). Sample size requirements for estimating Pearson, Kendall and Spearman
    correlations. Psychometrika, 65, 23-28. doi:10.1007/BF02294183
    MacKinnon, J. G., & White, H. (1985). Journal of Econometrics, 29, 305-325 (HC3).

    Examples
    --------
    >>> import pandas as pd
    >>> from alliance_stats import share_associations
    >>> talks = pd.DataFrame({"share_supportive": [0.1, 0.2, 0.3, 0.5, 0.6, 0.8], "distress": [4, 5, 3, 3, 2, 2]})
    >>> share_associations(talks, "share_supportive", "distress").tidy()[["kind", "estimate"]].round(2).values.tolist()
    [['spearman', -0.91], ['least_squares', -3.78]]
    """
    names = [shares] if isinstance(shares, str) else list(shares)
    covariates = as_names(covariates)
    _check_arguments(frame, names, [outcome, *([initial] if initial else []), *covariates], (robust, level))
    parts = {name: _complete(frame, name, (outcome, initial), covariates) for name in names}
    rows = []
    for name, part in parts.items():
        head = {"outcome": outcome, "predictor": name, "conf_level": level, "n": len(part.share)}
        rows.append({**head, "model": "", **_spearman(part, level)})
        formula = " + ".join([f"{outcome} ~ {name}", *([initial] if initial else []), *covariates])
        rows.append({**head, "model": formula, **_least_squares(part, name, robust, level)})
    moved = _movement(frame, outcome, initial, covariates)
    return ShareAssociations(
        estimates=_in_order(pd.DataFrame(rows)),
        outcome=outcome,
        initial=initial,
        n_rows=len(frame),
        n=int(moved[0]),
        share_decreased=moved[1],
        share_unchanged=moved[2],
        share_increased=moved[3],
        notes=_notes(len(frame), parts, moved, (outcome, initial, robust)),
    )


def spearman_std_error_z(r: float, n: int) -> float:
    """Return the standard error of Spearman's r on the Fisher z scale (Bonett & Wright, 2000)."""
    return float(np.sqrt((1 + r**2 / 2) / (n - 3)))


def spearman_std_error(r: float, n: int) -> float:
    """Return the standard error of Spearman's r on its own scale."""
    return (1 - r**2) * spearman_std_error_z(r, n)


def _check_arguments(
    frame: pd.DataFrame, shares: list[str], others: list[str], options: tuple[Robust | None, float]
) -> None:
    """Raise for missing columns, repeated patients, impossible shares and unknown options."""
    robust, level = options
    if not shares:
        raise DataError.build("No share is named.", hint="pass shares=['share_supportive', ...].")
    require_columns(frame, [*shares, *others])
    if robust not in (None, "HC3"):
        raise DataError.build(f"Unknown standard errors '{robust}'.", hint="robust= takes 'HC3' or None.")
    if not 0 < level < 1:
        raise DataError.build(f"The confidence level {level} is not between 0 and 1.", hint="for example level=0.95.")
    if "patient" in frame.columns and duplicated_rows(frame, ["patient"]).size:
        raise DataError.build(
            f"{duplicated_rows(frame, ['patient']).size} rows repeat a patient, so the rows are not independent.",
            hint="use level_effects() for several sessions per patient, or keep one row per patient.",
        )
    twice = sorted({name for name in [*shares, *others] if [*shares, *others].count(name) > 1})
    if twice:
        raise DataError.build(f"{listing(twice)} is named more than once.", hint="give every column one part to play.")
    for name in shares:
        values = numeric_values(frame, name)
        outside = (values < 0) | (values > 1)
        if outside.any():
            raise DataError.build(
                f"Share '{name}' lies outside 0 to 1 in {int(outside.sum())} of {len(values)} rows.",
                hint="pass shares (see statement_shares()), not counts or percentages.",
            )


def _complete(frame: pd.DataFrame, share: str, values: tuple[str, str | None], covariates: Sequence[str]) -> _Rows:
    """Return the rows in which share, outcome, initial value and covariates are known."""
    outcome, initial = values
    columns = [share, outcome, *([initial] if initial else []), *covariates]
    data = np.column_stack([numeric_values(frame, column) for column in columns])
    data = data[np.isfinite(data).all(axis=1)]
    first = 3 if initial else 2
    n_needed = max(data.shape[1] + 2, 5)
    if len(data) < n_needed:
        raise DataError.build(
            f"Only {len(data)} of {len(frame)} rows hold all of {listing(columns, 12)}.",
            hint=f"at least {n_needed} complete rows are needed.",
        )
    constant = [name for name, spread in zip(columns[:2], np.ptp(data[:, :2], axis=0), strict=True) if spread == 0]
    if constant:
        raise DataError.build(
            f"{listing(constant)} is the same in all {len(data)} complete rows, so nothing can be associated with it.",
            hint="check the column and any filter applied before this call.",
        )
    return _Rows(
        share=data[:, 0], outcome=data[:, 1], initial=data[:, 2] if initial else None, covariates=data[:, first:]
    )


def _spearman(part: _Rows, level: float) -> dict[str, object]:
    """Return Spearman's r of a share with outcome or change, with the interval of Bonett & Wright (2000)."""
    from scipy import stats

    target = part.outcome if part.initial is None else part.initial - part.outcome
    if np.ptp(target) == 0:
        raise DataError.build("The change is the same in every row.", hint="leave initial= out, or check the columns.")
    found = stats.spearmanr(part.share, target)
    r = float(found.statistic)
    std_error = spearman_std_error(r, len(target))
    half = float(stats.norm.ppf((1 + level) / 2)) * spearman_std_error_z(r, len(target))
    middle = np.arctanh(np.clip(r, -1 + 1e-15, 1 - 1e-15))
    return {
        "kind": "spearman" if part.initial is None else "spearman_change",
        "estimate": r,
        "std_error": std_error,
        "df": np.nan,
        "statistic": np.nan,
        "p_value": float(found.pvalue),
        "conf_low": float(np.tanh(middle - half)),
        "conf_high": float(np.tanh(middle + half)),
    }


def _least_squares(part: _Rows, name: str, robust: Robust | None, level: float) -> dict[str, object]:
    """Return the coefficient of a share in least squares of the outcome."""
    from statsmodels.api import OLS

    initial = [] if part.initial is None else [part.initial]
    design = np.column_stack([np.ones_like(part.share), part.share, *initial, part.covariates])
    if np.linalg.matrix_rank(design) < design.shape[1]:
        raise ModelError.build(
            f"'{name}', initial value and covariates are linearly dependent.",
            hint="shares of all categories sum to one: leave one category out of covariates=.",
        )
    fit = OLS(part.outcome, design).fit(cov_type=robust or "nonrobust", use_t=True)
    low, high = fit.conf_int(alpha=1 - level)[1]
    return {
        "kind": "least_squares",
        "estimate": float(fit.params[1]),
        "std_error": float(fit.bse[1]),
        "df": float(fit.df_resid),
        "statistic": float(fit.tvalues[1]),
        "p_value": float(fit.pvalues[1]),
        "conf_low": float(low),
        "conf_high": float(high),
    }


def _in_order(table: pd.DataFrame) -> pd.DataFrame:
    """Return the estimates with the columns of the vocabulary in printing order."""
    statistics = ["estimate", "std_error", "df", "statistic", "p_value", "conf_low", "conf_high", "conf_level", "n"]
    return table[["model", "outcome", "predictor", "kind", *statistics]]


def _movement(
    frame: pd.DataFrame, outcome: str, initial: str | None, covariates: Sequence[str]
) -> tuple[int, float, float, float]:
    """Return the number of usable rows, and the shares of them that went down, stayed and went up."""
    columns = [outcome, *([initial] if initial else []), *covariates]
    data = np.column_stack([numeric_values(frame, column) for column in columns])
    data = data[np.isfinite(data).all(axis=1)]
    if initial is None:
        return len(data), np.nan, np.nan, np.nan
    difference = data[:, 0] - data[:, 1]
    return len(data), float(np.mean(difference < 0)), float(np.mean(difference == 0)), float(np.mean(difference > 0))


def _notes(
    n_rows: int,
    parts: dict[str, _Rows],
    moved: tuple[int, float, float, float],
    names: tuple[str, str | None, Robust | None],
) -> tuple[str, ...]:
    """Return what a reader must know."""
    outcome, initial, robust = names
    used = sorted({len(part.share) for part in parts.values()})
    notes = [
        "One row per conversation and no repeated sessions: these are differences between conversations, and nothing "
        "within a person can be seen.",
        f"{listing(used)} of {n_rows} rows are complete and used.",
        "Spearman's r: interval of Bonett & Wright (2000), p by the t approximation.",
        f"Least squares: {robust or 'conventional'} standard errors, t intervals, in outcome points per share of 1.",
        COMPOSITION_NOTE,
    ]
    if initial is not None:
        notes.append(f"Change is {initial} minus {outcome}: positive where the value goes down.")
        for share, way in ((moved[1], "below"), (moved[3], "above")):
            if share >= _FILTERED:
                notes.append(
                    f"{100 * share:.0f} % of the conversations end {way} their initial value: the set looks filtered "
                    "on its outcome, so associations with success are cut short."
                )
    return tuple(notes)
