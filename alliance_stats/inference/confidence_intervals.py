"""Confidence intervals of all parameters of a mixed model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from scipy.special import ndtri

from alliance_stats.errors import ModelError, unknown_name
from alliance_stats.inference.bootstrap import parametric_bootstrap
from alliance_stats.inference.linear import left_out_note, require_level
from alliance_stats.inference.parameter_table import parameter_table, parameter_values
from alliance_stats.inference.profile import Profile, profile_parameters
from alliance_stats.inference.replicates import Seed
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.result import Result

IntervalMethod: TypeAlias = Literal["profile", "wald", "bootstrap"]
Part: TypeAlias = Literal["intervals", "curve"]


@dataclass(frozen=True, kw_only=True, eq=False)
class ConfidenceIntervals(Result):
    """Confidence intervals of the parameters of a mixed model; made by `confidence_intervals`.

    Parameters
    ----------
    method : {"profile", "wald", "bootstrap"}
    level : float in (0, 1)
    outcome : str
    n : int
        Rows of the fit.
    intervals : DataFrame
        One row per parameter.
    curve : DataFrame
        One row per point of a profile; empty for other methods.
    """

    method: IntervalMethod
    level: float
    outcome: str
    n: int
    intervals: pd.DataFrame = field(repr=False)
    curve: pd.DataFrame = field(repr=False)

    def tidy(self, part: Part = "intervals") -> pd.DataFrame:
        """Return the intervals, or the curves they were read from.

        Parameters
        ----------
        part : {"intervals", "curve"}

        Returns
        -------
        DataFrame
            Intervals: one row per parameter with group (empty for fixed effects), term, term2 (of a correlation), kind
            ("fixed", "sd", "correlation" or "residual_sd"), estimate, conf_low, conf_high and conf_level. Curve: one row
            per point of a profile with group, term, term2, kind, value (in the parameter's unit) and zeta, the signed
            root of what the deviance exceeds its minimum by.
        """
        if part not in ("intervals", "curve"):
            raise unknown_name(ModelError, "part", part, ["intervals", "curve"])
        return (self.intervals if part == "intervals" else self.curve).copy()

    def glance(self) -> pd.DataFrame:
        """Return one row: outcome, method, level, number of parameters, rows of the fit."""
        row: dict[str, Any] = {"outcome": self.outcome, "kind": self.method, "conf_level": self.level, "n": self.n}
        return pd.DataFrame([row | {"n_parameters": len(self.intervals)}])


def confidence_intervals(
    fit: LmmFit,
    *,
    method: IntervalMethod = "profile",
    level: float = 0.95,
    n: int = 1000,
    seed: Seed | None = None,
    n_jobs: int = 1,
    progress: bool = True,
) -> ConfidenceIntervals:
    """Return confidence intervals of fixed effects, standard deviations, correlations and the residual standard deviation.

    Use it to report how well a variance between therapists or patients is known: profile intervals are skewed as the
    likelihood is, and end at zero where the data cannot exclude it. The estimands are those of the fit.

    Parameters
    ----------
    fit : LmmFit
    method : {"profile", "wald", "bootstrap"}
        Profile likelihood (default); estimate plus and minus normal quantile times standard error, for fixed effects only;
        or percentiles of a parametric bootstrap. For BCa intervals or resampled therapists see the intervals() of
        parametric_bootstrap and case_bootstrap.
    level : float in (0, 1)
    n : int
        Replicates of the bootstrap.
    seed : int or SeedSequence, optional
        Of the bootstrap, which needs one.
    n_jobs : int
        Processes of the bootstrap.
    progress : bool
        Show a progress bar when it takes more than two seconds.

    Returns
    -------
    ConfidenceIntervals

    Raises
    ------
    ModelError
        If the method is unknown, the level is not between 0 and 1, the bootstrap has no seed, the fit is not one of
        lmm(), or profiles are wanted of a fit with a residual structure.
    ConvergenceError
        If a profile cannot be followed to its limit.

    See Also
    --------
    parametric_bootstrap, case_bootstrap, coefficient_tests

    Notes
    -----
    A profile holds one parameter at a value and maximises the likelihood over all others. The interval holds the values
    with ``zeta = sign(value - estimate) sqrt(deviance(value) - min deviance)`` within the normal quantiles, which is the
    likelihood-ratio test with one degree of freedom turned round. Standard deviations and correlations are profiled as
    such, as lme4 does; limits are found as roots, not on an interpolated curve. The likelihood is used for REML fits too,
    because REML criteria with and without a fixed effect cannot be compared; its maximum is not the REML estimate, which
    is what the table shows. Not corrected for the few levels of a factor: with a dozen therapists or less, fixed effects
    that vary between therapists are better served by coefficient_tests with df="kenward_roger".

    References
    ----------
    Bates, D., Maechler, M., Bolker, B., & Walker, S. (2015). Fitting linear mixed-effects models using lme4. Journal of
    Statistical Software, 67(1), section 5.1. doi 10.18637/jss.v067.i01.

    Examples
    --------
    >>> import alliance_stats as al
    >>> sessions = al.load_sample("therapist_statements")
    >>> fit = al.lmm("ors_1 ~ session + (1 | patient) + (1 | therapist)", sessions)
    >>> table = al.confidence_intervals(fit).tidy()
    >>> print(table[["group", "term", "kind", "conf_low", "conf_high"]].tail(3).round(2).to_string(index=False))
        group      term        kind  conf_low  conf_high
      patient Intercept          sd      1.17       1.33
    therapist Intercept          sd      0.21       0.53
     Residual           residual_sd      0.91       0.95
    """
    _require(fit, method, level)
    if method == "bootstrap":
        return _bootstrap(fit, level, n, seed, n_jobs, progress)
    table = parameter_table(fit).assign(estimate=parameter_values(fit))
    if fit.sigma_fixed:
        table = table[table["kind"] != "residual_sd"]
    if method == "wald":
        low, high = _wald_limits(fit, level, table["estimate"].to_numpy())
        return _result(fit, method, level, table.assign(conf_low=low, conf_high=high, conf_level=level))
    profiles = profile_parameters(fit, level=level, progress=progress)
    low, high = np.array([p.low for p in profiles]), np.array([p.high for p in profiles])
    table = table.assign(conf_low=low, conf_high=high, conf_level=level)
    return _result(fit, method, level, table, profiles=profiles)


def _require(fit: LmmFit, method: str, level: float) -> None:
    """Raise a ModelError if intervals cannot be asked for like this."""
    if not isinstance(fit, LmmFit):
        raise ModelError.build(
            f"confidence_intervals() needs a fit of lmm(); this is a {type(fit).__name__}.",
            hint="fit the model first: confidence_intervals(lmm(formula, data)).",
        )
    if method not in ("profile", "wald", "bootstrap"):
        raise unknown_name(ModelError, "method", str(method), ["profile", "wald", "bootstrap"])
    require_level(level)
    if not fit.converged:
        raise ModelError.build(
            "The fit did not converge; intervals around it would mean nothing.",
            hint="simplify the random part and fit again.",
        )


def _bootstrap(
    fit: LmmFit, level: float, n: int, seed: Seed | None, n_jobs: int, progress: bool
) -> ConfidenceIntervals:
    """Return percentile intervals of a parametric bootstrap."""
    if seed is None:
        raise ModelError.build("A bootstrap needs a seed, so that it can be repeated.", hint="pass seed=1, say.")
    draws = parametric_bootstrap(fit, n, seed=seed, n_jobs=n_jobs, progress=progress)
    return _result(fit, "bootstrap", level, draws.intervals(level=level), notes=draws.notes)


def _wald_limits(fit: LmmFit, level: float, estimates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return limits of the fixed effects and NaN for the other parameters, each of shape (k,)."""
    half = np.full(estimates.size, np.nan)
    errors = np.sqrt(np.diagonal(fit.fixed_covariance.to_numpy()))
    half[: errors.size] = ndtri(0.5 + level / 2.0) * errors
    return estimates - half, estimates + half


def _result(
    fit: LmmFit,
    method: IntervalMethod,
    level: float,
    table: pd.DataFrame,
    *,
    profiles: Sequence[Profile] = (),
    notes: tuple[str, ...] = (),
) -> ConfidenceIntervals:
    """Bundle intervals with their curve and notes."""
    return ConfidenceIntervals(
        method=method,
        level=level,
        outcome=fit.response,
        n=fit.n_obs,
        intervals=table,
        curve=_curve(table, profiles),
        notes=(*_model_notes(fit, method), *_notes(fit, method, level, profiles), *notes),
    )


def _curve(table: pd.DataFrame, profiles: Sequence[Profile]) -> pd.DataFrame:
    """Return the points of all profiles, one row per point."""
    keys = table[["group", "term", "term2", "kind"]]
    if not profiles:
        return keys.iloc[:0].assign(value=np.zeros(0), zeta=np.zeros(0))
    curve = keys.loc[keys.index.repeat([p.zetas.size for p in profiles])].reset_index(drop=True)
    value, zeta = [np.concatenate(parts) for parts in zip(*((p.at, p.zetas) for p in profiles), strict=True)]
    return curve.assign(value=value, zeta=zeta)


def _model_notes(fit: LmmFit, method: str) -> tuple[str, ...]:
    """Return the model and its rows; a bootstrap says the rest in notes of its own."""
    left_out = () if method == "bootstrap" else left_out_note(fit)
    return (f"Model: {fit.formula}; {fit.n_obs} rows.", *left_out)


def _notes(fit: LmmFit, method: str, level: float, profiles: Sequence[Profile]) -> list[str]:
    """Return how the intervals were made."""
    share = f"{100 * level:g}%"
    if method == "bootstrap":
        return [f"{share} percentile intervals of a parametric bootstrap."]
    if method == "wald":
        return [
            f"{share} Wald intervals of the fixed effects with the normal distribution (df method: normal); none for standard "
            "deviations and correlations, whose estimates are not nearly normal."
        ]
    notes = [f"{share} profile likelihood intervals: the deviance against chi-square with 1 df, sdcor scale."]
    if fit.method == "REML":
        notes.append(
            "The fit is by REML; the profiles are of the likelihood (ML), whose maximum is another one. The estimates shown "
            "are those of the fit."
        )
    at_zero = sum(p.kind == "sd" and not p.low_reached for p in profiles)
    if at_zero:
        intervals = "1 interval of a standard deviation begins" if at_zero == 1 else f"{at_zero} intervals of SDs begin"
        notes.append(f"{intervals} at 0: the likelihood does not exclude a variance of zero.")
    whole = sum(p.kind == "correlation" and not p.low_reached and not p.high_reached for p in profiles)
    if whole:
        intervals = "1 interval of a correlation is" if whole == 1 else f"{whole} intervals of correlations are"
        notes.append(f"{intervals} all of -1 to 1: the data do not tell, or one of the variances may be zero.")
    if fit.sigma_fixed:
        notes.append("The residual standard deviation was given; it has no interval.")
    if fit.singular:
        notes.append("Singular fit: a variance is estimated at zero, or random effects are perfectly correlated.")
    return notes
