"""Tests of whether the slope between units is the slope within them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal, get_args

import numpy as np
import pandas as pd
from scipy.special import chdtrc

from alliance_stats.errors import ColumnError, ModelError, counted, unknown_name
from alliance_stats.inference.linear import (
    Cluster,
    DfMethod,
    Robust,
    inference_notes,
    joint_test,
    linear_inference,
    require_level,
    require_method,
    t_quantile,
    two_sided_p,
)
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.mixed.levelsums import Floats
from alliance_stats.process.latent_means import LatentSlopes, latent_slopes
from alliance_stats.process.level_effects import LevelEffects
from alliance_stats.process.level_estimates import plain_terms
from alliance_stats.process.outcome_result import AllianceOutcome
from alliance_stats.process.parts import Part, parts_of
from alliance_stats.result import Result

Means = Literal["observed", "latent"]

MEANS_NOTES: Mapping[str, str] = {
    "observed": "on observed means; errors of means draw it to zero.",
    "predicted": "on predicted means (weights='reliability'), taken as known: the interval is somewhat too short.",
}
"""What the estimand is a difference on, by the means of the model."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ContextualTest(Result):
    """Differences between the slopes of neighbouring levels, with their tests.

    Parameters
    ----------
    outcome : str
    means : {"observed", "predicted", "latent"}
        "predicted" for a model with ``weights="reliability"``.
    n_rows : int
    joint : mapping of str to float
        Test that the slopes of all levels are equal, all predictors together: statistic (F, or chi-squared with
        ``df_denominator`` infinite divided by its df), df_numerator, df_denominator, p_value.
    estimates : DataFrame
        What ``tidy()`` returns.
    """

    outcome: str
    means: Means | Literal["predicted"]
    n_rows: int
    joint: Mapping[str, float]
    estimates: pd.DataFrame = field(repr=False)

    def tidy(self) -> pd.DataFrame:
        """Return one row per pair of levels.

        Returns
        -------
        DataFrame
            outcome, predictor, term, level ("patient - session"), estimate (slope of the outer minus slope of the inner level,
            outcome points per predictor point), std_error, df, statistic, p_value, conf_low, conf_high, conf_level,
            slope_inner, slope_outer.
        """
        return self.estimates.copy()

    def glance(self) -> pd.DataFrame:
        """Return one row: outcome, means, n, and the test that all levels have one slope."""
        return pd.DataFrame([{"outcome": self.outcome, "means": self.means, "n": self.n_rows, **self.joint}])


@dataclass(frozen=True)
class _Subject:
    """What is tested: the fit, the parts of each predictor from the inside out, and the result if there is one."""

    fit: LmmFit
    chains: tuple[tuple[Part, ...], ...]
    result: AllianceOutcome | LevelEffects | None


def contextual_test(
    result: AllianceOutcome | LevelEffects | LmmFit,
    *,
    terms: Mapping[str, str] | None = None,
    means: Means = "observed",
    df: DfMethod = "satterthwaite",
    robust: Robust | None = None,
    cluster: Cluster = None,
    level: float = 0.95,
) -> ContextualTest:
    """Test whether the slopes of neighbouring levels are equal.

    Use it before anyone reads a between-patient slope as what happens within a patient, or pools the two. The estimand is the
    contextual effect: slope between units minus slope within them, for each pair of neighbouring levels.

    Parameters
    ----------
    result : AllianceOutcome, LevelEffects or LmmFit
        A model in which the parts of a predictor stand side by side.
    terms : mapping of str to str, optional
        For an LmmFit: level to fixed effect, from the inside out, ``{"session": "wai_session", "patient": "wai_patient"}``.
    means : {"observed", "latent"}
        "observed" compares the slopes of the model: on observed means, which err when they are of few sessions, so that the
        difference is drawn towards zero; on predicted ones where the model has ``weights="reliability"``. "latent" compares
        slopes on true means, by the multilevel latent covariate model.
    df : {"satterthwaite", "kenward_roger", "between_within", "normal"}
        For observed means; latent ones are tested with the normal distribution.
    robust : {"CR0", "CR1", "CR1S", "CR2"}, optional
        For observed means.
    cluster : str or array-like, optional
        For ``robust``.
    level : float in (0, 1)
        Of the intervals.

    Returns
    -------
    ContextualTest

    Raises
    ------
    ModelError
        If the result has no parts, ``terms`` is missing or does not fit, an option is unknown, or latent means are asked of a
        plain fit, of detrended parts, or of a predictor without variance at a level.
    ColumnError
        If latent means meet a term that is not a numeric column.

    See Also
    --------
    within_between, alliance_outcome, coefficient_tests

    Notes
    -----
    Observed means: ``b_outer - b_inner`` with the covariance of the fixed effects. Without other predictors, and with the
    reliability ``lambda = tau^2 / (tau^2 + sigma^2 / n)`` of means of n sessions, its expectation is lambda times the
    difference on true means (Lüdtke et al., 2008).

    Latent means: predictor and outcome are stacked as two outcomes of one mixed model, with effects of each level, and
    residuals, that correlate between the two; the slope of a level is its covariance over the predictor's variance.
    Maximum likelihood, standard errors by the delta method from the observed information. Predictor and outcome both depend
    on the model's covariates. Random slopes, residual correlation over time and groups that are not levels are left out, so
    slopes differ a little from those of the result for that reason too. All sessions count as a sample of the patient's: where
    the sessions rated are all there were, observed means are the true ones.

    References
    ----------
    Lüdtke, O., Marsh, H. W., Robitzsch, A., Trautwein, U., Asparouhov, T., & Muthén, B. (2008). The multilevel latent
    covariate model. Psychological Methods, 13, 203-229. doi:10.1037/a0012869

    Examples
    --------
    >>> import alliance_stats as al
    >>> sessions = al.score(al.load_sample("therapist_statements"), "wai_sr", items="wai_{}")
    >>> sessions = al.score(sessions, "ors", items="ors_{}").drop(columns="therapist")
    >>> plain = al.alliance_outcome(sessions, alliance="wai_sr_mean", outcome="ors_sum", lag=1, detrend=None)
    >>> contextual_test(plain).tidy()[["level", "estimate", "p_value"]].round(2).values.tolist()
    [['patient - session', 0.69, 0.08]]
    """
    if not isinstance(means, str) or means not in get_args(Means):
        shown = means if isinstance(means, str) else type(means).__name__
        raise unknown_name(ModelError, "kind of means", shown, get_args(Means))
    subject = _subject(result, terms)
    require_method(subject.fit, df=df, robust=robust, cluster=cluster)
    require_level(level)
    if means == "latent":
        if df != "satterthwaite" or robust is not None:
            raise ModelError.build(
                "df= and robust= are for observed means; latent ones are tested with the normal distribution.",
                hint='leave them out, or use means="observed".',
            )
        return _latent_test(subject, level)
    return _observed_test(subject, level, df=df, robust=robust, cluster=cluster)


def _subject(result: object, terms: Mapping[str, str] | None) -> _Subject:
    """Return the fit and the parts that are compared."""
    if isinstance(result, AllianceOutcome | LevelEffects):
        if terms is not None:
            raise ModelError.build(
                f"terms= is for a plain fit; this {type(result).__name__} knows its parts.", hint="leave terms= out."
            )
        chains = tuple(tuple(parts_of(name, result.levels, result.lag)) for name in result.predictors)
        return _Subject(result.fit, chains, result)
    if not isinstance(result, LmmFit):
        raise ModelError.build(
            f"An object of type {type(result).__name__} holds no slopes by level.",
            hint="pass the result of alliance_outcome(), level_effects() or lmm().",
        )
    if not isinstance(terms, Mapping) or len(terms) < 2:
        raise ModelError.build(
            "A plain fit does not say which terms are the parts of one predictor.",
            hint='pass two or more, from the inside out: terms={"session": "wai_session", "patient": "wai_patient"}.',
        )
    known = plain_terms(result)
    missing = [term for term in terms.values() if term not in known]
    if missing:
        raise unknown_name(ModelError, "term", str(missing[0]), known)
    return _Subject(result, (tuple(Part(term, "", name) for name, term in terms.items()),), None)


def _observed_test(
    subject: _Subject, level: float, *, df: DfMethod, robust: Robust | None, cluster: Cluster
) -> ContextualTest:
    """Return the test on the means of the model."""
    fit, known = subject.fit, plain_terms(subject.fit)
    pairs = [pair for chain in subject.chains for pair in pairwise(chain)]
    weights = np.zeros((len(pairs), len(known)))
    for row, (inner, outer) in enumerate(pairs):
        weights[row, known.index(outer.column)], weights[row, known.index(inner.column)] = 1.0, -1.0
    found = linear_inference(fit, weights, df=df, robust=robust, cluster=cluster)
    joint = joint_test(fit, weights, df=df, robust=robust, cluster=cluster)
    slopes = {term: float(slope) for term, slope in zip(known, fit.fixed_effects, strict=True)}
    model = subject.result.model if isinstance(subject.result, AllianceOutcome) else None
    means: Literal["observed", "predicted"] = "predicted" if model and model.weights == "reliability" else "observed"
    return ContextualTest(
        outcome=fit.response.strip("`"),
        means=means,
        n_rows=fit.n_obs,
        joint={
            "statistic": joint.statistic,
            "df_numerator": joint.df_numerator,
            "df_denominator": joint.df_denominator,
            "p_value": joint.p_value,
        },
        estimates=_table(fit, pairs, slopes, (found.estimate, found.std_error, found.df), level),
        notes=(
            f"Estimand: slope of the outer minus slope of the inner level, {MEANS_NOTES[means]}",
            *inference_notes(fit, found.method_note, robust=robust, cluster=cluster),
        ),
    )


def _latent_test(subject: _Subject, level: float) -> ContextualTest:
    """Return the test on latent means."""
    result = subject.result
    if result is None or len(subject.chains) != 1:
        what = "a plain fit" if result is None else f"{len(subject.chains)} predictors"
        raise ModelError.build(
            f"Latent means need the ratings of one predictor before they were split; this is {what}.",
            hint="pass the result of alliance_outcome(), or of level_effects() with one predictor.",
        )
    if getattr(result, "detrend", None):
        raise ModelError.build(
            "The session parts are detrended, and the latent model splits ratings as they are.",
            hint="fit with detrend=None, or use means='observed'.",
        )
    chain = subject.chains[0]
    raw = f"{chain[0].predictor}_lag{result.lag}" if result.lag else chain[0].predictor
    covariates = _covariates(result, chain)
    found = latent_slopes(result.frame, raw, result.outcome, result.levels, covariates)
    contrast = np.diff(np.eye(len(found.levels)), axis=0)
    estimate, covariance = contrast @ found.slopes, contrast @ found.covariance @ contrast.T
    total = float(estimate @ np.linalg.solve(covariance, estimate))
    slopes = {part.column: float(slope) for part, slope in zip(chain, found.slopes, strict=True)}
    tests = (estimate, np.sqrt(np.diagonal(covariance)), np.full(estimate.size, np.inf))
    return ContextualTest(
        outcome=result.outcome,
        means="latent",
        n_rows=len(result.frame),
        joint={
            "statistic": total / estimate.size,
            "df_numerator": float(estimate.size),
            "df_denominator": np.inf,
            "p_value": float(chdtrc(estimate.size, total)),
        },
        estimates=_table(subject.fit, list(pairwise(chain)), slopes, tests, level),
        notes=_latent_notes(found, covariates),
    )


def _covariates(result: AllianceOutcome | LevelEffects, chain: Sequence[Part]) -> list[str]:
    """Return the columns of the model that are not parts of the predictor."""
    own = {part.column for part in chain}
    names = [term for term in plain_terms(result.fit) if term not in own and term != "Intercept"]
    absent = [name for name in names if name not in result.frame.columns]
    if absent:
        raise ColumnError.build(
            f"The term '{absent[0]}' is not a numeric column, which the latent model needs.",
            hint="make columns of 0 and 1 for categories, and of transformed values, before the analysis.",
        )
    return names


def _table(
    fit: LmmFit,
    pairs: Sequence[tuple[Part, Part]],
    slopes: Mapping[str, float],
    tests: tuple[Floats, Floats, Floats],
    level: float,
) -> pd.DataFrame:
    """Return the tidy table."""
    estimate, error, df = tests
    half = t_quantile(0.5 + level / 2.0, df) * error
    return pd.DataFrame(
        {
            "outcome": fit.response.strip("`"),
            "predictor": [outer.predictor for _, outer in pairs],
            "term": [f"{outer.column} - {inner.column}" for inner, outer in pairs],
            "level": [f"{outer.level} - {inner.level}" for inner, outer in pairs],
            "estimate": estimate,
            "std_error": error,
            "df": df,
            "statistic": estimate / error,
            "p_value": two_sided_p(estimate / error, df),
            "conf_low": estimate - half,
            "conf_high": estimate + half,
            "conf_level": level,
            "slope_inner": [slopes[inner.column] for inner, _ in pairs],
            "slope_outer": [slopes[outer.column] for _, outer in pairs],
        }
    )


def _latent_notes(found: LatentSlopes, covariates: Sequence[str]) -> tuple[str, ...]:
    """Return what a reader must know of the latent model."""
    fit = found.fit
    levels = ", ".join(
        counted(len(term.grouping.labels), name) for term, name in zip(fit.design.terms, found.levels[1:], strict=True)
    )
    notes = [
        "Estimand: slope of the outer minus slope of the inner level, on true (latent) means of an endless series of sessions.",
        "Multilevel latent covariate model by maximum likelihood, predictor and outcome stacked as two outcomes; standard errors "
        "by the delta method; tests with the normal distribution, too narrow with few units.",
        f"N: {counted(fit.n_obs // 2, 'session')}, {levels}. Random slopes and residual correlation over time are not part of "
        "this model.",
    ]
    if covariates:
        notes.append(f"Predictor and outcome both depend on: {', '.join(covariates)}.")
    if fit.singular:
        notes.append(
            "Singular fit: at some level predictor and outcome are perfectly correlated, or one has no variance."
        )
    return tuple(notes)
