"""Contrasts of marginal means, slopes and coefficients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from alliance_stats.errors import ModelError, unknown_name
from alliance_stats.inference.adjustment import ADJUSTMENTS, Adjust, adjusted_p, adjustment_note, half_widths
from alliance_stats.inference.cell_estimates import (
    Estimates,
    InferenceMethod,
    cell_labels,
    condition_labels,
    estimates_of,
    unknown_note,
)
from alliance_stats.inference.contrast_weights import (
    Kind,
    Weighted,
    contrasts_against,
    custom_contrasts,
    pairwise_contrasts,
    reference_cell,
)
from alliance_stats.inference.linear import (
    Cluster,
    DfMethod,
    Robust,
    inference_notes,
    joint_test,
    require_level,
    require_method,
    two_sided_p,
)
from alliance_stats.inference.marginal_means import MarginalMeans
from alliance_stats.inference.slopes import Slopes
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.mixed.levelsums import Floats
from alliance_stats.result import Result

Source: TypeAlias = "MarginalMeans | Slopes | LmmFit"
What: TypeAlias = Literal["means", "slopes", "coefficients"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Contrasts(Result):
    """Contrasts with adjusted tests; made by `contrasts`.

    Parameters
    ----------
    fit : LmmFit
    what : {"means", "slopes", "coefficients"}
        What is contrasted.
    names : tuple of str
        Of the contrasts.
    conditions : tuple of str
        Condition of each contrast, empty where there are none; contrasts of one condition form a family.
    adjust : {"none", "tukey", "holm", "bonferroni", "bh"}
    n_means : int
        Means of a family, for Tukey's test.
    method : InferenceMethod
    found : Estimates
        One per contrast.
    """

    fit: LmmFit = field(repr=False)
    what: What
    names: tuple[str, ...] = field(repr=False)
    conditions: tuple[str, ...] = field(repr=False)
    adjust: Adjust
    n_means: int
    method: InferenceMethod
    found: Estimates = field(repr=False)

    def tidy(self, *, level: float = 0.95) -> pd.DataFrame:
        """Return one row per contrast.

        Parameters
        ----------
        level : float in (0, 1)
            Of the intervals: of all together where they are adjusted, see ``notes``.

        Returns
        -------
        DataFrame
            term (the contrast), group (the condition, if there are some), estimate, std_error, df, statistic, p_value
            (adjusted), conf_low, conf_high, conf_level and p_unadjusted.
        """
        require_level(level)
        found = self.found
        half, p_value = np.full(found.df.size, np.nan), np.full(found.df.size, np.nan)
        for rows in self._families().values():
            df = found.df[rows]
            shared: dict[str, Any] = {"adjust": self.adjust, "n_means": self.n_means}
            half[rows] = half_widths(df, **shared, level=level) * found.std_error[rows]
            p_value[rows] = adjusted_p(found.statistic[rows], df, **shared)
        table: dict[str, Any] = {"term": self.names}
        if any(self.conditions):
            table["group"] = self.conditions
        table |= {
            "estimate": found.estimate,
            "std_error": found.std_error,
            "df": found.df,
            "statistic": found.statistic,
            "p_value": p_value,
            "conf_low": found.estimate - half,
            "conf_high": found.estimate + half,
            "conf_level": level,
            "p_unadjusted": two_sided_p(found.statistic, found.df),
        }
        return pd.DataFrame(table)

    def joint(self) -> pd.DataFrame:
        """Return the test that all contrasts of a condition are zero together.

        Returns
        -------
        DataFrame
            One row per condition: group (if there are conditions), statistic (F), df_numerator, df_denominator, p_value.

        Notes
        -----
        The test of `term_tests`: Fai and Cornelius (1996) for Satterthwaite's df, as in lmerTest's contestMD, and Kenward and
        Roger's scaled F, as in pbkrtest. The joint tests of R's emmeans have the smallest df of single contrasts that a QR
        decomposition takes from the set, so a smaller df that depends on the order of the contrasts, and do not scale F.
        """
        rows = []
        for condition, own in self._families().items():
            known = own[self.found.known[own]]
            row: dict[str, Any] = {"group": condition} if condition else {}
            if known.size:
                method = self.method
                test = joint_test(
                    self.fit, self.found.combinations[known], df=method.df, robust=method.robust, cluster=method.cluster
                )
                row |= {"statistic": test.statistic, "df_numerator": test.df_numerator}
                row |= {"df_denominator": test.df_denominator, "p_value": test.p_value}
            rows.append(row)
        return pd.DataFrame(rows)

    def glance(self) -> pd.DataFrame:
        """Return one row: outcome, rows of the fit, number of contrasts, adjustment, df method, covariance."""
        row = {
            "outcome": self.fit.response,
            "n": self.fit.n_obs,
            "n_contrasts": len(self.names),
            "adjust": self.adjust,
            "df_method": self.method.df,
            "covariance": self.method.robust or "model",
        }
        return pd.DataFrame([row])

    def _families(self) -> dict[str, np.ndarray]:
        """Return the positions of the contrasts of each condition."""
        conditions = np.array(self.conditions)
        return {condition: np.flatnonzero(conditions == condition) for condition in dict.fromkeys(self.conditions)}


def contrasts(
    source: Source,
    *,
    kind: Kind = "pairwise",
    reference: Any = None,
    adjust: Adjust = "none",
    df: DfMethod | None = None,
    robust: Robust | None = None,
    cluster: Cluster = None,
) -> Contrasts:
    """Compare marginal means or slopes with each other, or combine coefficients.

    Use it for differences between arms, phases or roles, and for differences between simple slopes. The estimand of a contrast
    is the weighted sum of the means, slopes or coefficients it names, within each condition of the source.

    Parameters
    ----------
    source : MarginalMeans, Slopes or LmmFit
        Means, slopes, or a fit whose coefficients are combined.
    kind : {"pairwise", "reference"}, mapping or array-like
        All pairs (the earlier minus the later cell), each cell minus the reference, or weights of your own: a mapping from the
        contrast's name to weights, which are one number per cell (coefficient) or a mapping from its name to a number; or an
        array with one row per contrast.
    reference : str, number or tuple, optional
        The level that others are compared with, for ``kind="reference"``; the first if left out, a tuple of levels if the source
        has several predictors in ``by``.
    adjust : {"none", "tukey", "holm", "bonferroni", "bh"}
        How p-values are adjusted for the number of contrasts in a condition. Tukey is for all pairs.
    df, robust, cluster
        As in `coefficient_tests` (``df="satterthwaite"`` if left out), for a fit; means and slopes bring theirs.

    Returns
    -------
    Contrasts
        ``tidy(level=0.95)`` has one row per contrast; ``joint()`` tests them all together.

    Raises
    ------
    ModelError
        If a contrast names a cell or coefficient that is not there, its weights do not fit, Tukey's test is wanted for
        something else than all pairs, or cells do not differ in the model.

    See Also
    --------
    marginal_means, slopes

    Notes
    -----
    Tukey-Kramer: p from the studentized range of sqrt(2) |t| with as many means as cells in a condition and each contrast's own
    df; intervals from its quantile. Holm has Bonferroni's intervals; with Benjamini-Hochberg, which bounds the share of false
    discoveries, intervals are not adjusted. Families are the conditions; nothing is adjusted across them.

    References
    ----------
    Kramer, C. Y. (1956). Extension of multiple range tests to group means with unequal numbers of replications. Biometrics,
    12, 307-310. doi 10.2307/3001469.
    Holm, S. (1979). A simple sequentially rejective multiple test procedure. Scandinavian Journal of Statistics, 6, 65-70.
    Benjamini, Y., & Hochberg, Y. (1995). Controlling the false discovery rate. Journal of the Royal Statistical Society B, 57,
    289-300. doi 10.1111/j.2517-6161.1995.tb02031.x.

    Examples
    --------
    >>> import alliance_stats as al
    >>> sessions = al.load_sample("therapist_statements").query("session <= 3")
    >>> fit = al.lmm("ors_1 ~ C(session) + (1 | patient) + (1 | therapist)", sessions)
    >>> al.contrasts(al.marginal_means(fit, "session"), adjust="tukey").tidy()["term"].tolist()
    ['1 - 2', '1 - 3', '2 - 3']
    """
    if adjust not in ADJUSTMENTS:
        raise unknown_name(ModelError, "adjustment", str(adjust), ADJUSTMENTS)
    if isinstance(source, LmmFit):
        return _of_coefficients(source, kind, adjust, InferenceMethod(df or "satterthwaite", robust, cluster))
    if not isinstance(source, (MarginalMeans, Slopes)):
        raise ModelError.build(
            f"There is nothing to contrast in a {type(source).__name__}.",
            hint="pass what marginal_means(), slopes() or lmm() returned.",
        )
    if df is not None or robust is not None or cluster is not None:
        raise ModelError.build(
            "df=, robust= and cluster= of contrasts are for a fit; means and slopes bring theirs.",
            hint="pass them to marginal_means() or slopes().",
        )
    return _of_cells(source, kind, reference, adjust)


@dataclass(frozen=True)
class _Plan:
    """What is contrasted, how, and how the tests are adjusted."""

    what: What
    kind: str
    adjust: Adjust
    n_means: int


def _of_coefficients(fit: LmmFit, kind: Kind, adjust: Adjust, method: InferenceMethod) -> Contrasts:
    """Return contrasts of a fit's coefficients."""
    require_method(fit, df=method.df, robust=method.robust, cluster=method.cluster)
    if isinstance(kind, str):
        raise ModelError.build(
            f'kind="{kind}" compares cells; a fit has coefficients.',
            hint='pass marginal_means(fit, by) instead, or weights: kind={"difference": {"term_a": 1, "term_b": -1}}.',
        )
    weighted = custom_contrasts(kind, list(fit.term_names), "coefficient")
    plan = _Plan("coefficients", "custom", adjust, len(fit.term_names))
    return _result(fit, plan, weighted, ("",) * len(weighted.names), method)


def _of_cells(source: MarginalMeans | Slopes, kind: Kind, reference: Any, adjust: Adjust) -> Contrasts:
    """Return contrasts of the cells within each condition."""
    grid = source.grid
    labels = cell_labels(grid.cells, grid.by)
    groups = condition_labels(grid.cells, grid.conditions)
    if not grid.by:
        raise ModelError.build("The source has one cell per condition.", hint="name what is compared with by=.")
    n_cells = len(labels) // len(dict.fromkeys(grid.cells[list(grid.conditions)].itertuples(index=False, name=None)))
    own = labels[:n_cells]
    weighted = _weights(kind, own, grid.cells[:n_cells][list(grid.by)], reference)
    starts = range(0, len(labels), n_cells)
    combinations = np.concatenate(
        [_combined(weighted.rows, source.found.combinations[start : start + n_cells]) for start in starts]
    )
    every = Weighted(tuple(weighted.names) * len(starts), combinations)
    conditions = tuple(groups[start] for start in starts for _ in weighted.names)
    what: What = "means" if isinstance(source, MarginalMeans) else "slopes"
    _require_difference(every, what, grid.by)
    plan = _Plan(what, kind if isinstance(kind, str) else "custom", adjust, n_cells)
    return _result(source.fit, plan, every, conditions, source.method, grid.notes())


def _weights(kind: Kind, labels: list[str], cells: pd.DataFrame, reference: Any) -> Weighted:
    """Return the weights of the cells of one condition."""
    if reference is not None and not (isinstance(kind, str) and kind == "reference"):
        raise ModelError.build("reference= is for one kind of contrast.", hint='use kind="reference" with it.')
    if not isinstance(kind, str):
        return custom_contrasts(kind, labels, "cell")
    if kind == "pairwise":
        return pairwise_contrasts(labels)
    if kind == "reference":
        return contrasts_against(labels, reference_cell(cells, list(cells.columns), reference))
    raise unknown_name(ModelError, "kind of contrast", str(kind), ["pairwise", "reference"])


def _combined(rows: Floats, cells: Floats) -> Floats:
    """Return weights of the fixed effects, NaN where a contrast needs a cell that is missing, shape (m, p)."""
    missing = np.asarray(np.isnan(cells).sum(axis=1) > 0)
    lost = (rows[:, missing] != 0.0).sum(axis=1) > 0
    combined = rows @ np.where(missing[:, None], 0.0, cells)
    combined[lost] = np.nan
    return np.asarray(combined)


def _require_difference(weighted: Weighted, what: What, by: Sequence[str]) -> None:
    """Raise a ModelError if a contrast is zero whatever the coefficients."""
    size = float(np.nanmax(np.abs(weighted.rows), initial=0.0))
    none = np.asarray(np.abs(weighted.rows).max(axis=1) <= 1e-12 * max(size, 1e-300))
    if none.any():
        raise ModelError.build(
            f"{int(none.sum())} of {none.size} contrasts are zero by construction: the {what} do not depend on "
            f"{', '.join(by)} in this model.",
            hint="put the interaction into the formula, or leave the contrast out.",
        )


def _result(
    fit: LmmFit,
    plan: _Plan,
    weighted: Weighted,
    conditions: tuple[str, ...],
    method: InferenceMethod,
    grid_notes: Sequence[str] = (),
) -> Contrasts:
    """Return tested contrasts with their notes."""
    if plan.adjust == "tukey" and plan.kind != "pairwise":
        raise ModelError.build(
            'adjust="tukey" is for all pairs of means or slopes.', hint='use kind="pairwise", or adjust="holm".'
        )
    found = estimates_of(fit, weighted.rows, method)
    words = {"pairwise": "all pairs", "reference": "each cell minus the reference", "custom": "weights as given"}
    notes = (
        f"Contrasts of {plan.what}: {words[plan.kind]}.",
        adjustment_note(plan.adjust, len(set(conditions))),
        *grid_notes,
        *unknown_note(found),
        *inference_notes(fit, found.method_note, robust=method.robust, cluster=method.cluster),
    )
    return Contrasts(
        fit=fit,
        what=plan.what,
        names=weighted.names,
        conditions=conditions,
        adjust=plan.adjust,
        n_means=plan.n_means,
        method=method,
        found=found,
        notes=notes,
    )
