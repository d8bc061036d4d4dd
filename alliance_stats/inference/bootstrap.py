"""Parametric and case bootstrap of a mixed model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd

from alliance_stats.errors import ConvergenceError, ModelError, unknown_name
from alliance_stats.inference.bootstrap_intervals import bca_limits, percentile_limits
from alliance_stats.inference.bootstrap_notes import bootstrap_notes
from alliance_stats.inference.bootstrap_tasks import CaseTask, ParametricTask, Statistic, what_to_draw, without_one
from alliance_stats.inference.case_resampling import level_tree, resampled_factors
from alliance_stats.inference.linear import require_level
from alliance_stats.inference.new_outcome import prepare_fit
from alliance_stats.inference.replicates import Replicates, Seed, run_replicates
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.mixed.levelsums import Floats
from alliance_stats.result import Result

IntervalKind: TypeAlias = Literal["percentile", "bca"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Bootstrap(Result):
    """Bootstrap draws of a fit's parameters; made by `parametric_bootstrap` or `case_bootstrap`.

    Parameters
    ----------
    kind : {"parametric", "case"}
    fit : LmmFit
    parameters : DataFrame
        One row per parameter: group, term, term2, kind.
    estimate : ndarray, shape (k,)
        Of the fit.
    draws : ndarray, shape (n, k)
        One row per replicate, NaN where the refit failed or the parameter is undefined.
    n_failed, n_singular : int
        Refits that failed, refits with a variance of zero or a perfect correlation.
    """

    kind: Literal["parametric", "case"]
    fit: LmmFit = field(repr=False)
    parameters: pd.DataFrame = field(repr=False)
    estimate: Floats = field(repr=False)
    draws: Floats = field(repr=False)
    n_failed: int
    n_singular: int

    def tidy(self, *, level: float = 0.95) -> pd.DataFrame:
        """Return estimates with bootstrap standard errors and percentile intervals.

        Parameters
        ----------
        level : float in (0, 1)

        Returns
        -------
        DataFrame
            One row per parameter: group, term, term2, kind, estimate, std_error (SD of the draws), conf_low, conf_high,
            conf_level, n (draws in which the parameter is defined) and bias (mean of the draws minus estimate).
        """
        known = ~np.isnan(self.draws)
        n = known.sum(axis=0)
        mean = np.where(known, self.draws, 0.0).sum(axis=0) / np.maximum(n, 1)
        squares = np.where(known, (self.draws - mean) ** 2, 0.0).sum(axis=0)
        table = self.intervals(level=level)
        table["std_error"] = np.where(n > 1, np.sqrt(squares / np.maximum(n - 1, 1)), np.nan)
        table["n"] = n
        table["bias"] = np.where(n > 0, mean - self.estimate, np.nan)
        limits = ["conf_low", "conf_high", "conf_level"]
        return table[[*self.parameters.columns, "estimate", "std_error", *limits, "n", "bias"]]

    def intervals(self, kind: IntervalKind = "percentile", *, level: float = 0.95) -> pd.DataFrame:
        """Return intervals.

        Parameters
        ----------
        kind : {"percentile", "bca"}
            Quantiles of the draws, or bias-corrected and accelerated (Efron, 1987). The acceleration comes from estimates
            that leave out one level of the coarsest grouping factor at a time, of a parametric bootstrap too: these are the
            independent units, and draws from one parameter value do not tell how the spread changes with it.
        level : float in (0, 1)

        Returns
        -------
        DataFrame
            One row per parameter: group, term, term2, kind, estimate, conf_low, conf_high, conf_level.

        Raises
        ------
        ModelError
            If BCa intervals are wanted of crossed grouping factors or of a statistic, or leaving out a level leaves a
            fixed effect unidentified.
        """
        require_level(level)
        if kind == "percentile":
            low, high = percentile_limits(self.draws, level)
        elif kind == "bca":
            low, high = bca_limits(self.draws, self.estimate, self._left_out, level)
        else:
            raise unknown_name(ModelError, "kind of interval", kind, ["percentile", "bca"])
        return self.parameters.assign(estimate=self.estimate, conf_low=low, conf_high=high, conf_level=level)

    def glance(self) -> pd.DataFrame:
        """Return one row: outcome, kind, number of replicates, failed and singular ones, rows of the fit."""
        row = {
            "outcome": self.fit.response,
            "kind": self.kind,
            "n": len(self.draws),
            "n_failed": self.n_failed,
            "n_singular": self.n_singular,
            "n_rows": self.fit.n_obs,
        }
        return pd.DataFrame([row])

    @cached_property
    def _left_out(self) -> Floats:
        """Parameters without each level of the coarsest factor, shape (n_levels, k)."""
        if "statistic" in set(self.parameters["kind"]):
            raise ModelError.build(
                "BCa intervals need the estimate with each level left out, which is known for the model's own parameters only.",
                hint='use intervals("percentile") for a statistic.',
            )
        tree = level_tree(self.fit)
        return np.stack([without_one(tree, j) for j in range(tree.n_coarsest)])


def parametric_bootstrap(
    fit: LmmFit,
    n: int = 1000,
    *,
    seed: Seed,
    n_jobs: int = 1,
    progress: bool = True,
    statistic: Statistic | None = None,
) -> Bootstrap:
    """Refit a mixed model to outcomes drawn from it.

    Use it for intervals of variances and correlations, and for any quantity computed from a fit, when the model is
    believed: residuals and random effects are drawn anew from normal distributions with the estimated variances. The
    estimand is that of the fit; predictors and the levels of the grouping factors stay as they are.

    Parameters
    ----------
    fit : LmmFit
    n : int
        Number of replicates.
    seed : int or SeedSequence
        The same seed gives the same draws, whatever the number of workers, the order of rows or the type of ids.
    n_jobs : int
        Processes; -1 for as many as there are cores.
    progress : bool
        Show a bar on stderr when it takes longer than a second.
    statistic : callable, optional
        From a fit to named numbers (dict or Series), in place of the model's parameters. With ``n_jobs`` other than 1 it
        runs in other processes.

    Returns
    -------
    Bootstrap

    Raises
    ------
    ModelError
        If ``fit`` is no mixed model, or a count is not a whole number.
    ConvergenceError
        If the fit did not converge, or more than a fifth of the refits fail.

    See Also
    --------
    case_bootstrap

    Notes
    -----
    Each replicate is fitted by the fit's own criterion on its own cross-products, of which only those with the outcome
    change. Singular refits are kept: a variance of zero is an estimate. Draws of a correlation with a variance of zero
    are undefined and left out of its interval.

    References
    ----------
    Efron, B. (1987). Better bootstrap confidence intervals. Journal of the American Statistical Association, 82,
    171-185. doi 10.2307/2289144.

    Examples
    --------
    >>> import alliance_stats as al
    >>> sessions = al.load_sample("therapist_statements").query("session <= 3")
    >>> fit = al.lmm("ors_1 ~ session + (1 | patient) + (1 | therapist)", sessions)
    >>> draws = al.parametric_bootstrap(fit, 200, seed=1, progress=False)
    >>> draws.tidy().query("group == 'therapist'")["kind"].tolist()
    ['sd']
    """
    require_fit(fit, "parametric_bootstrap")
    table, estimate = what_to_draw(fit, statistic)
    names = None if statistic is None else tuple(table["term"])
    runs = run_replicates(ParametricTask(prepare_fit(fit), statistic, names), n, seed, n_jobs=n_jobs, progress=progress)
    return _result("parametric", fit, table, estimate, runs)


def case_bootstrap(
    fit: LmmFit,
    n: int = 1000,
    *,
    seed: Seed,
    by: Sequence[str] | None = None,
    n_jobs: int = 1,
    progress: bool = True,
) -> Bootstrap:
    """Refit a mixed model to resampled therapists and patients.

    Use it when normality or equal variances are in doubt and there are many independent units. Levels of the grouping
    factors are drawn with replacement, from the coarsest down; the rows of a finest level stay together, and a level drawn
    twice becomes two levels. The estimand is that of the fit, with predictors as random as in the sample.

    Parameters
    ----------
    fit : LmmFit
        Its grouping factors must be nested.
    n : int
        Number of replicates.
    seed : int or SeedSequence
        The same seed gives the same draws, whatever the number of workers, the order of rows or the type of ids.
    by : sequence of str, optional
        Grouping factors to resample, from the coarsest to the finest, for example ``("therapist", "patient")``; all if left
        out. Of a factor that is not named all levels within a level above are kept.
    n_jobs : int
        Processes; -1 for as many as there are cores.
    progress : bool
        Show a bar on stderr when it takes longer than a second.

    Returns
    -------
    Bootstrap

    Raises
    ------
    ModelError
        If grouping factors cross, ``by`` names something else, or a count is not a whole number.
    ConvergenceError
        If the fit did not converge, or more than a fifth of the refits fail.

    See Also
    --------
    parametric_bootstrap

    Notes
    -----
    The likelihood of resampled data needs the same sums per level, put together anew, so no replicate reads rows. A
    replicate in which the levels drawn do not identify a fixed effect counts as failed. Patients drawn anew within a
    therapist move the therapist's mean, so the draws of the therapists' variance are too large by about the patients'
    variance over the patients per therapist (column ``bias``); ``by=("therapist",)`` draws whole therapists.

    References
    ----------
    Van der Leeden, R., Meijer, E., & Busing, F. M. T. A. (2008). Resampling multilevel models. In J. de Leeuw & E. Meijer
    (Eds.), Handbook of multilevel analysis (pp. 401-433). Springer. doi 10.1007/978-0-387-73186-5_11.

    Examples
    --------
    >>> import alliance_stats as al
    >>> sessions = al.load_sample("therapist_statements").query("session <= 3")
    >>> fit = al.lmm("ors_1 ~ session + (1 | patient) + (1 | therapist)", sessions)
    >>> al.case_bootstrap(fit, 100, seed=1, progress=False).draws.shape
    (100, 5)
    """
    require_fit(fit, "case_bootstrap")
    tree = level_tree(fit)
    resampled = resampled_factors(tree.names, by)
    table, estimate = what_to_draw(fit, None)
    runs = run_replicates(CaseTask(tree, resampled), n, seed, n_jobs=n_jobs, progress=progress)
    steps = tuple((tree.names[k], k in resampled) for k in reversed(range(len(tree.names))))
    return _result("case", fit, table, estimate, runs, steps)


def require_fit(fit: object, caller: str) -> None:
    """Raise an error if this is no fit, or one that did not converge.

    Parameters
    ----------
    fit : object
    caller : str
        Name of the public function.
    """
    if not isinstance(fit, LmmFit):
        raise ModelError.build(
            f"{caller}() needs a fitted mixed model; it got a {type(fit).__name__}.", hint="pass what lmm() returned."
        )
    if not fit.converged:
        raise ConvergenceError.build(
            f"{caller}() needs a fit that converged; of this one another step still promises {fit.optimum.promise:.3g}.",
            hint="simplify the random part and fit again.",
        )


def _result(
    kind: Literal["parametric", "case"],
    fit: LmmFit,
    table: pd.DataFrame,
    estimate: Floats,
    runs: Replicates,
    steps: tuple[tuple[str, bool], ...] = (),
) -> Bootstrap:
    """Bundle the draws with their notes."""
    notes = bootstrap_notes(fit, runs, table, steps)
    return Bootstrap(
        kind=kind,
        fit=fit,
        parameters=table,
        estimate=estimate,
        draws=runs.draws,
        n_failed=runs.n_failed,
        n_singular=runs.n_singular,
        notes=notes,
    )
