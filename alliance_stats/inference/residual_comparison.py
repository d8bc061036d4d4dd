"""The same model with and without a residual structure, side by side."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from scipy.special import chdtrc, ndtri

from alliance_stats.errors import ModelError
from alliance_stats.inference.linear import DfMethod, linear_inference, require_level
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.mixed.lmm import Method, fit_design, lmm
from alliance_stats.result import Result

if TYPE_CHECKING:
    from alliance_stats.mixed.intake import Weights
    from alliance_stats.mixed.residuals import ResidualStructure

MIXED_BOUNDARY: tuple[Literal["car1"], ...] = ("car1",)
"""Correlations whose value under independence, zero, is the limit of what is possible."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ResidualComparison(Result):
    """Fixed effects with and without a residual structure; made by `autocorrelation_check`.

    Parameters
    ----------
    structured, independent : LmmFit
        The two fits, on the same rows.
    table : DataFrame
        One row per fixed effect.
    parameters : DataFrame
        One row per residual parameter: term, kind, estimate, conf_low, conf_high, conf_level (Wald, on the scale without bounds).
    statistic : float
        Likelihood-ratio statistic of the residual parameters.
    df : int
        Residual parameters tested.
    p_value : float
    """

    structured: LmmFit = field(repr=False)
    independent: LmmFit = field(repr=False)
    table: pd.DataFrame = field(repr=False)
    parameters: pd.DataFrame = field(repr=False)
    statistic: float
    df: int
    p_value: float

    def tidy(self) -> pd.DataFrame:
        """Return one row per fixed effect.

        Returns
        -------
        DataFrame
            term; estimate, std_error, df, statistic, p_value, conf_low, conf_high and conf_level with the residual structure;
            estimate_independent, std_error_independent, df_independent and p_value_independent without it; change_percent (of
            the estimate, relative to that without the structure), std_error_ratio (with by without), sign_changes, and
            significance_changes (an interval holds zero, the other does not).
        """
        return self.table.copy()

    def glance(self) -> pd.DataFrame:
        """Return one row: the likelihood-ratio test of the structure, AIC of both fits, and how many effects change."""
        row: dict[str, Any] = {"model": str(_structure(self.structured)), "outcome": self.structured.response}
        row |= {"df": self.df, "statistic": self.statistic, "p_value": self.p_value, "n": self.structured.n_obs}
        for name, fit in (("", self.structured), ("_independent", self.independent)):
            row[f"aic{name}"] = fit.criterion + 2 * fit.n_parameters
        row |= {f"n_{name}": int(self.table[name].sum()) for name in ("sign_changes", "significance_changes")}
        return pd.DataFrame([row])


def autocorrelation_check(
    formula: str,
    data: Any,
    *,
    residual: ResidualStructure,
    method: Method = "REML",
    weights: Weights = None,
    df: DfMethod = "satterthwaite",
    level: float = 0.95,
) -> ResidualComparison:
    """Fit a model with and without a residual structure and lay the fixed effects side by side.

    Use it before a claim about direction (does alliance precede change, or change alliance?): sessions that follow each other
    are alike, and a model that ignores this can give effects that are too sure, or that change their sign when it is heeded.
    The estimands are the same in both fits: those of `lmm`.

    Parameters
    ----------
    formula : str
        As in `lmm`.
    data : DataFrame
        One row per observation. Both fits use the rows that are complete in the formula's columns and the structure's.
    residual : ResidualStructure
        Such as ``ar1("session", by="patient")``; any other structure may be checked alike.
    method : {"REML", "ML"}
    weights : str or array-like, optional
        As in `lmm`.
    df : {"satterthwaite", "between_within", "normal"}
        Degrees of freedom of both fits, see `coefficient_tests`; Kenward-Roger's are not available with a residual structure.
    level : float in (0, 1)
        Of the intervals.

    Returns
    -------
    ResidualComparison
        ``tidy()`` has one row per fixed effect.

    Raises
    ------
    ModelError
        If no residual structure is given, or the data do not tell its parameters; see `lmm` for others.
    DataError, ColumnError, ConvergenceError
        As in `lmm`.

    See Also
    --------
    ar1, car1, coefficient_tests

    Notes
    -----
    The likelihood-ratio statistic has a chi-squared distribution with as many df as the structure has parameters; with `car1`,
    whose correlation cannot be negative, the equal mixture of that and the one with a df less (Self & Liang, 1987). Restricted
    likelihoods may be compared here because the fixed effects are the same. A large change is no proof that the fit with the
    structure is right; a trend that the model leaves out looks like serial correlation too.

    References
    ----------
    Pinheiro, J. C., & Bates, D. M. (2000). Mixed-effects models in S and S-PLUS, chapter 5. Springer. doi 10.1007/b98882.
    Self, S. G., & Liang, K.-Y. (1987). Asymptotic properties of maximum likelihood estimators and likelihood ratio tests under
    nonstandard conditions. Journal of the American Statistical Association, 82, 605-610. doi 10.2307/2289471.

    Examples
    --------
    >>> import alliance_stats as al
    >>> sessions = al.load_sample("therapist_statements")
    >>> check = al.autocorrelation_check(
    ...     "wai_1 ~ session + (1 | therapist)", sessions, residual=al.ar1("session", by="patient"))
    >>> check.tidy().set_index("term")["std_error_ratio"].round(2).to_dict()
    {'Intercept': 1.03, 'session': 1.32}
    """
    if residual is None:
        raise ModelError.build(
            "autocorrelation_check() needs the residual structure to check; residual is None.",
            hint='give one, such as residual=ar1("session", by="patient").',
        )
    require_level(level)
    structured = lmm(formula, data, method=method, weights=weights, residual=residual)
    independent = fit_design(replace(structured.design, residual=None), method=method)
    table = _side_by_side(structured, independent, df, level)
    n_parameters = structured.n_residual_parameters
    statistic = max(independent.criterion - structured.criterion, 0.0)
    p_value = _p_value(statistic, n_parameters, residual)
    found = ResidualComparison(
        structured=structured,
        independent=independent,
        table=table,
        parameters=residual_intervals(structured, level),
        statistic=statistic,
        df=n_parameters,
        p_value=p_value,
    )
    return replace(found, notes=_notes(found, df))


def residual_intervals(fit: LmmFit, level: float) -> pd.DataFrame:
    """Return the residual parameters of a fit with Wald intervals, formed on the scale without bounds.

    Parameters
    ----------
    fit : LmmFit
        With a residual structure.
    level : float in (0, 1)

    Returns
    -------
    DataFrame
        One row per parameter: term, kind, estimate, conf_low, conf_high (missing for a correlation at its limit), conf_level.
    """
    if fit.structured is None or fit.residual is None:
        raise ModelError.build(
            "The fit has no residual structure.",
            hint='give one to lmm(), such as residual=ar1("session", by="patient").',
        )
    estimate, model, free = fit.residual, fit.structured.model, fit.structured.free
    half = ndtri(0.5 + level / 2.0) * np.sqrt(np.diagonal(estimate.covariance))
    low, high = model.natural(estimate.parameters - half), model.natural(estimate.parameters + half)
    return pd.DataFrame(
        {
            "term": estimate.names,
            "kind": estimate.kinds,
            "estimate": estimate.estimates,
            "conf_low": np.where(free, low, np.nan),
            "conf_high": np.where(free, high, np.nan),
            "conf_level": level,
        }
    )


def _side_by_side(structured: LmmFit, independent: LmmFit, df: DfMethod, level: float) -> pd.DataFrame:
    """Return one row per fixed effect with both fits' numbers."""
    every = np.eye(len(structured.term_names))
    a, b = linear_inference(structured, every, df=df), linear_inference(independent, every, df=df)
    low, high = a.estimate - a.half_width(level), a.estimate + a.half_width(level)
    without = np.stack([b.estimate - b.half_width(level), b.estimate + b.half_width(level)])
    return pd.DataFrame(
        {
            "term": structured.term_names,
            "estimate": a.estimate,
            "std_error": a.std_error,
            "df": a.df,
            "statistic": a.statistic,
            "p_value": a.p_value,
            "conf_low": low,
            "conf_high": high,
            "conf_level": level,
            "estimate_independent": b.estimate,
            "std_error_independent": b.std_error,
            "df_independent": b.df,
            "p_value_independent": b.p_value,
            "change_percent": 100.0 * (a.estimate - b.estimate) / np.abs(b.estimate),
            "std_error_ratio": a.std_error / b.std_error,
            "sign_changes": a.estimate * b.estimate < 0,
            "significance_changes": (low * high > 0) != (without[0] * without[1] > 0),
        }
    )


def _p_value(statistic: float, n_parameters: int, residual: ResidualStructure) -> float:
    """Return the p-value of the likelihood-ratio test against independent residuals of one variance."""
    whole = float(chdtrc(n_parameters, statistic))
    if residual.correlation is None or residual.correlation.kind not in MIXED_BOUNDARY:
        return whole
    fewer = float(chdtrc(n_parameters - 1, statistic)) if n_parameters > 1 else float(statistic <= 0)
    return (whole + fewer) / 2.0


def _structure(fit: LmmFit) -> ResidualStructure | None:
    """Return the residual structure of a fit."""
    return None if fit.residual is None else fit.residual.structure


def _notes(found: ResidualComparison, df: DfMethod) -> tuple[str, ...]:
    """Return what a reader must know of the comparison, one sentence each."""
    fit, table = found.structured, found.table
    every = np.eye(len(fit.term_names))
    signs, changes = int(table["sign_changes"].sum()), int(table["significance_changes"].sum())
    notes = [
        f"{fit.formula} by {fit.method} with {_structure(fit)}, beside the same model with independent residuals; "
        f"{fit.n_obs} rows in both.",
        linear_inference(fit, every, df=df).method_note,
        f"{signs} of {len(table)} fixed effects change their sign; {changes} change whether the interval holds zero.",
        f"Likelihood-ratio test of the residual structure: {found.statistic:.4g} on {found.df} df, p = {found.p_value:.3g}"
        + (
            " (mixture of chi-squared distributions: the correlation cannot be negative)."
            if found.p_value < chdtrc(found.df, found.statistic)
            else "."
        ),
    ]
    own = [note for note in fit.notes if note.startswith("Residual") or "limit of zero" in note]
    return (*notes, *own)
