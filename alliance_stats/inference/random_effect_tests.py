"""Testing random effects by dropping them one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from alliance_stats.errors import ModelError
from alliance_stats.inference.boundary import NEGLIGIBLE, Reference
from alliance_stats.inference.linear import left_out_note
from alliance_stats.inference.nesting import spans
from alliance_stats.mixed.design import DesignTerm
from alliance_stats.mixed.encoder import INTERCEPT, FormulaicEncoder
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.mixed.lmm import fit_design
from alliance_stats.result import Result


@dataclass(frozen=True, kw_only=True, eq=False)
class RandomEffectTests(Result):
    """Tests of random effects, one dropped at a time; made by `random_effect_tests`.

    Parameters
    ----------
    outcome, method : str
    n, n_parameters : int
        Rows and parameters of the whole model.
    log_likelihood : float
        Of the whole model.
    table : DataFrame
        One row per test.
    """

    outcome: str
    method: str
    n: int
    n_parameters: int
    log_likelihood: float
    table: pd.DataFrame = field(repr=False)

    def tidy(self) -> pd.DataFrame:
        """Return the tests.

        Returns
        -------
        DataFrame
            One row per random effect dropped: term, group, estimate (its standard deviation in the whole model, in units of
            the outcome per unit of its column; missing if several columns are dropped together), df, statistic, p_value
            (from the mixture), n_parameters, log_likelihood and aic of the model without it, reference (distribution of the
            statistic) and p_value_chi2 (with the boundary ignored, as lmerTest's ranova() gives it).
        """
        return self.table.copy()

    def glance(self) -> pd.DataFrame:
        """Return one row: outcome, method, rows, and parameters, likelihood and AIC of the whole model."""
        row: dict[str, Any] = {"outcome": self.outcome, "method": self.method, "n": self.n}
        row |= {"n_parameters": self.n_parameters, "log_likelihood": self.log_likelihood}
        return pd.DataFrame([row | {"aic": 2.0 * (self.n_parameters - self.log_likelihood)}])


@dataclass(frozen=True, eq=False)
class _Drop:
    """One random effect to leave out.

    Parameters
    ----------
    position : int
        Of its term in the design.
    name : str
        As in the formula.
    columns : tuple of int
        Columns of the term that go.
    remaining : DesignTerm or None
        What is left of the term.
    """

    position: int
    name: str
    columns: tuple[int, ...]
    remaining: DesignTerm | None


def random_effect_tests(fit: LmmFit, *, progress: bool = True) -> RandomEffectTests:
    """Test each random effect by the likelihood ratio against the model without it.

    Use it to ask whether a slope varies between patients, or whether therapists differ at all. A slope goes with its
    correlations; an intercept is tested where it is all that its term has, because without it the variance of a slope
    would depend on where its predictor has its zero.

    Parameters
    ----------
    fit : LmmFit
        By REML or ML; the smaller models are fitted in the same way.
    progress : bool
        Show a progress bar when it takes more than two seconds.

    Returns
    -------
    RandomEffectTests

    Raises
    ------
    ModelError
        If this is not a fit of lmm(), or has a residual structure beside one random term only.

    See Also
    --------
    compare : to test several random effects at once; confidence_intervals, parametric_bootstrap

    Notes
    -----
    One variance dropped, with its q covariances: half chi-square with q and half with q + 1 degrees of freedom (Stram & Lee,
    1994), since a variance is not negative; the chi-square with q + 1, which ranova() in lmerTest uses, gives a p-value that
    is too large. Several variances dropped together (a slope on a factor with three or more levels): the mixture of df - 1
    and df is an upper bound. A term without an intercept that spans the constant, ``(0 + f | g)``, is reduced to
    ``(1 | g)``. An effect that is part of an interaction in the same term stays. The distributions hold for many levels; for
    few therapists draw the statistic's own distribution with parametric_bootstrap.

    References
    ----------
    Stram, D. O., & Lee, J. W. (1994). Variance components testing in the longitudinal mixed effects model. Biometrics, 50,
    1171-1177. doi 10.2307/2533455.

    Examples
    --------
    >>> import alliance_stats as al
    >>> sessions = al.load_sample("therapist_statements").query("session <= 6")
    >>> fit = al.lmm("ors_1 ~ session + (1 + session | patient) + (1 | therapist)", sessions)
    >>> print(al.random_effect_tests(fit).tidy()[["term", "group", "df", "statistic"]].round(2).to_string(index=False))
         term     group  df  statistic
      session   patient 2.0      13.93
    Intercept therapist 1.0      16.07
    """
    from tqdm import tqdm

    _require(fit)
    drops = [drop for position, term in enumerate(fit.design.terms) for drop in _drops(position, term, fit.n_obs)]
    steps = tqdm(drops, desc="random effects", unit="fit", disable=not progress, delay=2.0)
    tests = [_test(fit, drop) for drop in steps]
    table = pd.DataFrame([row for row, _ in tests])
    return RandomEffectTests(
        outcome=fit.response,
        method=fit.method,
        n=fit.n_obs,
        n_parameters=fit.n_parameters,
        log_likelihood=fit.log_likelihood,
        table=table,
        notes=_notes(fit, table, sum(worse for _, worse in tests)),
    )


def _require(fit: LmmFit) -> None:
    """Raise a ModelError if the fit's random effects cannot be tested."""
    if not isinstance(fit, LmmFit):
        raise ModelError.build(
            f"random_effect_tests() needs a fit of lmm(); this is a {type(fit).__name__}.",
            hint="fit the model first: random_effect_tests(lmm(formula, data)).",
        )
    if fit.residual is not None and len(fit.design.terms) == 1:
        raise ModelError.build(
            "The model has a residual structure and one random term: a model without any random term is not fitted here.",
            hint="keep the term, or compare it with another random part by compare(small, big).",
        )


def _drops(position: int, term: DesignTerm, n_rows: int) -> list[_Drop]:
    """Return what can be left out of a random term."""
    groups = _columns_by_effect(term)
    slopes = [name for name in groups if name != INTERCEPT]
    if INTERCEPT in groups and slopes:
        outer = [name for name in slopes if not any(set(name.split(":")) < set(o.split(":")) for o in slopes)]
        return [_Drop(position, name, groups[name], _without(term, groups[name])) for name in outer]
    everything = tuple(range(len(term.names)))
    if INTERCEPT not in groups and len(groups) > 1:
        return [_Drop(position, name, columns, _without(term, columns)) for name, columns in groups.items()]
    if len(term.names) > 1 and spans(term.columns, [None], n_rows):
        constant = replace(term, names=(INTERCEPT,), columns=(None,))
        return [_Drop(position, next(iter(groups)), everything, constant)]
    return [_Drop(position, next(iter(groups)), everything, None)]


def _columns_by_effect(term: DesignTerm) -> dict[str, tuple[int, ...]]:
    """Return the columns of each effect of a term's formula; a factor has several."""
    if isinstance(term.encoder, FormulaicEncoder):
        found = {str(t): tuple(columns) for t, columns in term.encoder.spec.term_indices.items() if len(columns)}
        return {INTERCEPT if name == "1" else name: columns for name, columns in found.items()}
    return {name: (i,) for i, name in enumerate(term.names)}


def _without(term: DesignTerm, columns: Sequence[int]) -> DesignTerm:
    """Return a term without some columns."""
    kept = [i for i in range(len(term.names)) if i not in columns]
    return replace(term, names=tuple(term.names[i] for i in kept), columns=tuple(term.columns[i] for i in kept))


def _test(fit: LmmFit, drop: _Drop) -> tuple[dict[str, Any], bool]:
    """Return the row of one test, and whether the whole model fits worse."""
    term = fit.design.terms[drop.position]
    width, left = len(term.names), 0 if drop.remaining is None else len(drop.remaining.names)
    df = (width * (width + 1) - left * (left + 1)) // 2
    reference = Reference(df, width - left)
    criterion = _criterion_without(fit, drop)
    difference = criterion - fit.criterion
    statistic = difference if difference > NEGLIGIBLE else 0.0
    k = fit.n_parameters - df
    row = {
        "term": drop.name,
        "group": term.grouping.name,
        "estimate": _sd(fit, drop),
        "df": float(df),
        "statistic": statistic,
        "p_value": reference.p_value(statistic),
        "n_parameters": k,
        "log_likelihood": -0.5 * criterion,
        "aic": criterion + 2.0 * k,
        "reference": reference.words,
        "p_value_chi2": reference.naive_p_value(statistic),
    }
    return row, difference < -1e-4


def _criterion_without(fit: LmmFit, drop: _Drop) -> float:
    """Return the criterion of the model without a random effect; that of least squares if none is left."""
    terms = list(fit.design.terms)
    terms[drop.position : drop.position + 1] = [] if drop.remaining is None else [drop.remaining]
    if not terms:
        return fit.deviance_at(np.zeros(fit.theta.size))
    method: Literal["REML", "ML"] = "REML" if fit.method == "REML" else "ML"
    return fit_design(replace(fit.design, terms=tuple(terms)), method=method).criterion


def _sd(fit: LmmFit, drop: _Drop) -> float:
    """Return the standard deviation of the effect dropped, NaN if it has several columns."""
    if len(drop.columns) > 1:
        return np.nan
    factor = fit.term_factors[drop.position][drop.columns[0]]
    return float(fit.sigma * np.sqrt(factor @ factor))


def _notes(fit: LmmFit, table: pd.DataFrame, n_worse: int) -> tuple[str, ...]:
    """Return how the tests were made."""
    likelihood = "restricted likelihoods (REML)" if fit.method == "REML" else "likelihoods (ML)"
    notes = [
        f"Model: {fit.formula}; {fit.n_obs} rows.",
        *left_out_note(fit),
        f"Likelihood-ratio tests of {likelihood}, one random effect dropped at a time, slopes with their correlations.",
        "p-values are from mixtures of chi-squares, since a variance is not negative.",
    ]
    if table["reference"].str.contains("bound").any():
        notes.append("Where several variances are dropped together the p-value is an upper bound (conservative).")
    if fit.singular:
        notes.append("Singular fit: other variances are at their boundary too, p-values are approximate.")
    if n_worse:
        notes.append(f"{n_worse} smaller models fit better than the whole one: it is at a local optimum.")
    return tuple(notes)
