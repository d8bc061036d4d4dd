"""Tests of linear combinations of fixed effects: the one place where a df method or a robust covariance is chosen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, get_args
from weakref import WeakKeyDictionary

import numpy as np
from scipy.special import chdtrc, fdtrc, ndtr, ndtri, stdtr, stdtrit

from alliance_stats.errors import ModelError, unknown_name
from alliance_stats.inference.between_within import between_within
from alliance_stats.inference.combinations import Combinations, make_combinations, wald_sum
from alliance_stats.inference.covariance_parameters import covariance_parameters
from alliance_stats.inference.information import observed_information
from alliance_stats.inference.kenward_roger import kenward_roger
from alliance_stats.inference.robust import Clusters, robust_joint, robust_linear, robust_notes
from alliance_stats.inference.sandwich import Robust as Robust
from alliance_stats.inference.satterthwaite import Satterthwaite
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.mixed.levelsums import Floats

DfMethod: TypeAlias = Literal["satterthwaite", "kenward_roger", "between_within", "normal"]
Cluster: TypeAlias = Clusters

DF_METHODS: tuple[str, ...] = get_args(DfMethod)
ROBUST_KINDS: tuple[str, ...] = get_args(Robust)


@dataclass(frozen=True)
class LinearInference:
    """Linear combinations of fixed effects with their standard errors and degrees of freedom.

    Parameters
    ----------
    estimate, std_error, df : ndarray, each of shape (k,)
        df is infinite for the normal distribution.
    covariance : ndarray, shape (k, k)
    method_note : str
        One sentence: df method and covariance used.
    """

    estimate: Floats
    std_error: Floats
    df: Floats
    covariance: Floats
    method_note: str

    @property
    def statistic(self) -> Floats:
        """Estimate divided by its standard error, shape (k,)."""
        return self.estimate / self.std_error

    @property
    def p_value(self) -> Floats:
        """Two-sided, shape (k,)."""
        return two_sided_p(self.statistic, self.df)

    def half_width(self, level: float) -> Floats:
        """Return half the width of each interval, shape (k,)."""
        return t_quantile(0.5 + level / 2.0, self.df) * self.std_error


@dataclass(frozen=True)
class JointTest:
    """A test that several combinations of fixed effects are zero together.

    Parameters
    ----------
    statistic : float
        F; for the normal distribution chi-squared divided by its df.
    df_numerator, df_denominator : float
        The second is infinite for the normal distribution.
    p_value : float
    n_rank : int
        Independent combinations.
    method_note : str
    """

    statistic: float
    df_numerator: float
    df_denominator: float
    p_value: float
    n_rank: int
    method_note: str


class _Method(Protocol):
    """A way to test fixed effects."""

    @property
    def covariance(self) -> Floats:
        """Covariance of the standardised fixed effects, shape (p, p)."""
        ...

    @property
    def remark(self) -> str:
        """What a reader must know of this fit beyond the name of the method."""
        ...

    def degrees_of_freedom(self, combined: Combinations) -> Floats:
        """Return the df of each combination, shape (k,)."""
        ...

    def joint(self, combined: Combinations) -> tuple[float, int, float]:
        """Return F, its numerator df and its denominator df."""
        ...


@dataclass(frozen=True)
class _Normal:
    """Tests with the normal distribution."""

    covariance: Floats
    remark: str = ""

    def degrees_of_freedom(self, combined: Combinations) -> Floats:
        """Return infinity for each combination, shape (k,)."""
        return np.full(combined.estimate.size, np.inf)

    def joint(self, combined: Combinations) -> tuple[float, int, float]:
        """Return chi-squared divided by its df, its df, and infinity."""
        total, rank = wald_sum(combined.estimate, combined.spread(self.covariance))
        return total / rank, rank, np.inf


def _satterthwaite(fit: LmmFit) -> _Method:
    """Return tests with Satterthwaite's df."""
    return Satterthwaite(observed_information(covariance_parameters(fit)))


def _between_within(fit: LmmFit) -> _Method:
    """Return tests with between-within df."""
    return between_within(fit, standard_covariance(fit))


def _normal(fit: LmmFit) -> _Method:
    """Return tests with the normal distribution."""
    return _Normal(standard_covariance(fit))


_MAKERS: dict[str, Callable[[LmmFit], _Method]] = {
    "satterthwaite": _satterthwaite,
    "kenward_roger": kenward_roger,
    "between_within": _between_within,
    "normal": _normal,
}
_WORDS = {
    "satterthwaite": "Satterthwaite, from the observed information of the variance parameters",
    "kenward_roger": "Kenward-Roger",
    "between_within": "between-within, counted at the level where a predictor varies, the intercept at the outermost",
    "normal": "none: the normal distribution, which gives intervals that are too narrow with few levels",
}
_KNOWN: WeakKeyDictionary[LmmFit, dict[str, _Method]] = WeakKeyDictionary()
"""What was computed for a fit, kept as long as the fit: several tables ask for the same degrees of freedom."""


def standard_covariance(fit: LmmFit) -> Floats:
    """Return the model-based covariance of the standardised fixed effects, shape (p, p)."""
    solution = fit.fixed_part_at(fit.criterion_parameters)
    half = np.linalg.solve(solution.root, np.eye(solution.root.shape[0]))
    return np.asarray(solution.sigma2 * half.T @ half)


def linear_inference(
    fit: LmmFit,
    combinations: Floats,
    *,
    df: DfMethod = "satterthwaite",
    robust: Robust | None = None,
    cluster: Cluster = None,
) -> LinearInference:
    """Return estimates, standard errors and degrees of freedom of linear combinations of fixed effects.

    Parameters
    ----------
    fit : LmmFit
    combinations : ndarray, shape (k, p)
        Weights over ``fit.term_names``, one row per combination.
    df : {"satterthwaite", "kenward_roger", "between_within", "normal"}
    robust : {"CR0", "CR1", "CR1S", "CR2"}, optional
        A cluster-robust covariance, with degrees of freedom of its own unless ``df="normal"``.
    cluster : str or array-like, optional
        For ``robust``.

    Raises
    ------
    ModelError
        If a name is unknown, the combinations do not fit, or the fit does not allow the method.
    """
    require_method(fit, df=df, robust=robust, cluster=cluster)
    combined = make_combinations(fit, combinations)
    if robust is not None:
        found = robust_linear(fit, combined.weights, robust=robust, cluster=cluster)
        degrees = np.full(found.df.size, np.inf) if df == "normal" else found.df
        return LinearInference(found.estimate, found.std_error, degrees, found.covariance, _robust_note(robust, df))
    method = _method(fit, df)
    covariance = combined.spread(method.covariance)
    return LinearInference(
        estimate=combined.estimate,
        std_error=np.sqrt(np.diagonal(covariance)),
        df=method.degrees_of_freedom(combined),
        covariance=covariance,
        method_note=_note(fit, df, method),
    )


def joint_test(
    fit: LmmFit,
    combinations: Floats,
    *,
    df: DfMethod = "satterthwaite",
    robust: Robust | None = None,
    cluster: Cluster = None,
) -> JointTest:
    """Test that linear combinations of fixed effects are zero together.

    Parameters
    ----------
    fit : LmmFit
    combinations : ndarray, shape (k, p)
        Weights over ``fit.term_names``; rows that depend on others count once.
    df : {"satterthwaite", "kenward_roger", "between_within", "normal"}
    robust : {"CR0", "CR1", "CR1S", "CR2"}, optional
        A cluster-robust covariance with the HTZ test, or with ``df="normal"`` a chi-squared test.
    cluster : str or array-like, optional
        For ``robust``.

    Raises
    ------
    ModelError
        If a name is unknown, the combinations do not fit, or the fit does not allow the method.
    """
    require_method(fit, df=df, robust=robust, cluster=cluster)
    combined = make_combinations(fit, combinations)
    if robust is not None:
        return _robust_joint(fit, combined, df=df, robust=robust, cluster=cluster)
    method = _method(fit, df)
    statistic, rank, denominator = method.joint(combined)
    return JointTest(
        statistic, float(rank), denominator, f_p_value(statistic, rank, denominator), rank, _note(fit, df, method)
    )


def _robust_joint(fit: LmmFit, combined: Combinations, *, df: DfMethod, robust: Robust, cluster: Cluster) -> JointTest:
    """Return the HTZ test, or the chi-squared test, with a cluster-robust covariance."""
    note = _robust_note(robust, df)
    if df == "normal":
        found = robust_linear(fit, combined.weights, robust=robust, cluster=cluster)
        total, rank = wald_sum(found.estimate, found.covariance)
        return JointTest(total / rank, float(rank), np.inf, f_p_value(total / rank, rank, np.inf), rank, note)
    test = robust_joint(fit, combined.weights, robust=robust, cluster=cluster)
    rank = test.df_numerator
    return JointTest(test.statistic, float(rank), test.df_denominator, test.p_value, rank, note)


def require_method(fit: object, *, df: str, robust: str | None, cluster: object) -> None:
    """Raise a ModelError if what is asked for is unknown or does not go together."""
    if not isinstance(fit, LmmFit):
        raise ModelError.build(
            f"Tests of fixed effects need the fit of a mixed model; this is a {type(fit).__name__}.",
            hint="pass the result of lmm().",
        )
    if df not in DF_METHODS:
        raise unknown_name(ModelError, "df method", str(df), DF_METHODS)
    if robust is None:
        if cluster is not None:
            raise ModelError.build(
                "cluster= was given without robust=.", hint='name the robust covariance, for example robust="CR2".'
            )
        return
    if robust not in ROBUST_KINDS:
        raise unknown_name(ModelError, "robust covariance", str(robust), ROBUST_KINDS)
    if df not in ("satterthwaite", "normal"):
        raise ModelError.build(
            f'robust="{robust}" does not go with df="{df}": a robust covariance has Satterthwaite degrees of freedom of its own.',
            hint='leave df= out, or use df="normal".',
        )


def require_level(level: object) -> None:
    """Raise a ModelError if the level of intervals is not between 0 and 1."""
    if not isinstance(level, (int, float, np.integer, np.floating)):
        raise ModelError.build(
            f"An interval's level is a number between 0 and 1; this is a {type(level).__name__}.",
            hint="use level=0.95.",
        )
    if not 0 < level < 1:
        raise ModelError.build(f"An interval's level lies between 0 and 1, not at {level}.", hint="use level=0.95.")


def _method(fit: LmmFit, df: str) -> _Method:
    """Return a df method prepared for a fit."""
    known = _KNOWN.setdefault(fit, {})
    if df not in known:
        known[df] = _MAKERS[df](fit)
    return known[df]


def _note(fit: LmmFit, df: str, method: _Method) -> str:
    """Return the sentence that says which test was used."""
    covariance = "adjusted for small samples (Kenward-Roger)" if df == "kenward_roger" else "model-based"
    text = f"Degrees of freedom: {_WORDS[df]} (df method: {df})"
    text += f"; covariance of the fixed effects: {covariance}, from the {fit.method} fit"
    return f"{text}; {method.remark}." if method.remark else f"{text}."


def _robust_note(robust: str, df: str) -> str:
    """Return the sentence that says which robust covariance was used."""
    own = "none: the normal distribution" if df == "normal" else "Satterthwaite's for the robust covariance"
    return f"Degrees of freedom: {own}; covariance of the fixed effects: cluster-robust {robust}."


def inference_notes(fit: LmmFit, method_note: str, *, robust: Robust | None, cluster: Cluster) -> tuple[str, ...]:
    """Return what a reader must know of tests of a fit's fixed effects, one sentence each."""
    levels = ", ".join(f"{count} levels of {name}" for name, count in fit.n_levels.items())
    notes = [f"Linear mixed model by {fit.method}: {fit.formula}; {fit.n_obs} rows, {levels}."]
    notes += [*left_out_note(fit), method_note]
    if robust is not None:
        notes += robust_notes(fit, robust=robust, cluster=cluster)
    if fit.method == "ML":
        notes.append(
            "The fit is by ML: with few levels its variances, and so the standard errors, are too small; for tests of fixed "
            'effects refit with method="REML".'
        )
    if fit.singular:
        notes.append("Singular fit: a variance is estimated at zero, or random effects are perfectly correlated.")
    if fit.dropped:
        notes.append(f"Fixed effects left out because others determine them: {', '.join(fit.dropped)}.")
    return tuple(notes)


def left_out_note(fit: LmmFit) -> tuple[str, ...]:
    """Return a sentence if the fit left rows out for missing values."""
    n_given = fit.design.n_given
    if fit.n_obs == n_given:
        return ()
    return (f"{n_given - fit.n_obs} of {n_given} rows were left out for missing values.",)


def two_sided_p(statistic: Floats, df: Floats) -> Floats:
    """Return two-sided p-values of t statistics, shape (k,); df may be infinite."""
    size = -np.abs(statistic)
    finite = np.where(np.isfinite(df), df, 1.0)
    return np.asarray(2.0 * np.where(np.isfinite(df), stdtr(finite, size), ndtr(size)))


def t_quantile(probability: float, df: Floats) -> Floats:
    """Return quantiles of the t distribution, shape (k,); df may be infinite."""
    finite = np.where(np.isfinite(df), df, 1.0)
    return np.asarray(np.where(np.isfinite(df), stdtrit(finite, probability), ndtri(probability)))


def f_p_value(statistic: float, numerator: float, denominator: float) -> float:
    """Return the p-value of an F statistic; the denominator's df may be infinite."""
    if np.isinf(denominator):
        return float(chdtrc(numerator, numerator * statistic))
    return float(fdtrc(numerator, denominator, statistic))
