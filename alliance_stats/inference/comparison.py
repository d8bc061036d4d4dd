"""Comparing fitted models: information criteria and likelihood-ratio tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from alliance_stats.errors import ModelError, unknown_name
from alliance_stats.inference.boundary import NEGLIGIBLE, Reference
from alliance_stats.inference.linear import left_out_note
from alliance_stats.inference.model_average import ModelAverage, Over, average_models
from alliance_stats.inference.nesting import (
    is_nested,
    n_bounded,
    require_same_data,
    same_fixed_columns,
)
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.mixed.lmm import fit_design
from alliance_stats.result import Result

Criterion: TypeAlias = Literal["aic", "aicc", "bic"]

CRITERIA = ("aic", "aicc", "bic")


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison(Result):
    """Models side by side; made by `compare`.

    Parameters
    ----------
    fits : tuple of LmmFit
        As compared, in the order given: by ML where they were refitted.
    criterion : {"aic", "aicc", "bic"}
        What delta and weight come from.
    table : DataFrame
        One row per model, by increasing number of parameters.
    """

    fits: tuple[LmmFit, ...] = field(repr=False)
    criterion: Criterion
    table: pd.DataFrame = field(repr=False)

    def tidy(self) -> pd.DataFrame:
        """Return the models, by increasing number of parameters, each tested against the one before.

        Returns
        -------
        DataFrame
            One row per model: model (number in the call), df, statistic and p_value of the likelihood-ratio test against
            the model in the row before (missing if that is not nested in it), n (rows), formula, n_parameters,
            log_likelihood, aic, aicc, bic, delta (difference to the smallest criterion), weight (Akaike weight), reference
            (distribution of the statistic) and p_value_chi2 (with the boundary ignored).
        """
        return self.table.copy()

    def glance(self) -> pd.DataFrame:
        """Return one row: outcome, likelihood compared, number of models, rows, criterion, best model."""
        best = self.table["model"].iloc[int(np.argmin(self.table["delta"]))]
        row: dict[str, Any] = {"outcome": self.fits[0].response, "method": self.fits[0].method, "n": self.fits[0].n_obs}
        return pd.DataFrame([row | {"n_models": len(self.fits), "criterion": self.criterion, "best": best}])

    def average(self, *, over: Over, level: float = 0.95) -> ModelAverage:
        """Average the fixed effects over the models by their weights.

        Parameters
        ----------
        over : {"all", "containing"}
            "all": over all models, a fixed effect being zero where it is left out; shrinks what the data hardly support.
            "containing": over the models that contain the fixed effect, the weights made to add up to one; the effect
            given that it is in the model. The two answer different questions, so there is no default.
        level : float in (0, 1)

        Returns
        -------
        ModelAverage

        Raises
        ------
        ModelError
            If ``over`` or the level is none of these.

        Notes
        -----
        With weights w_m, estimates b_m and variances v_m: average sum w_m b_m, standard error
        sum w_m sqrt(v_m + (b_m - average)^2): Buckland, Burnham and Augustin (1997), Biometrics 53, 603-618, doi
        10.2307/2533961; Burnham and Anderson (2002), Model selection and multimodel inference, doi
        10.1007/b97636. A coefficient must mean the same in all models: that of a main effect does not with and without its
        interaction, unless columns are centred.
        """
        delta = self.table.sort_values("model")["delta"].to_numpy()
        return average_models(self.fits, delta, criterion=self.criterion, over=over, level=level)


def compare(*fits: LmmFit, criterion: Criterion = "aic") -> Comparison:
    """Compare mixed models of the same data by information criteria and, where nested, by likelihood-ratio tests.

    Use it to ask whether a predictor, a random slope or a level improves the model. Fits whose fixed parts differ are
    compared by ML, refitted if need be; fits by REML with the same fixed part stay as they are. ``notes`` says which.

    Parameters
    ----------
    *fits : LmmFit
        Two or more, on the same rows, with the same outcome and weights.
    criterion : {"aic", "aicc", "bic"}
        For delta and weights.

    Returns
    -------
    Comparison

    Raises
    ------
    ModelError
        If there are fewer than two fits, something is not a fit of lmm(), or the criterion is unknown.
    DataError
        If the fits use different rows, outcomes or weights.

    See Also
    --------
    random_effect_tests, coefficient_tests

    Notes
    -----
    A variance cannot be negative, so a test of variances has half its probability on fewer degrees of freedom: adding one
    random effect to q correlated ones gives half chi-square with q and half with q + 1 degrees of freedom (Stram & Lee,
    1994). When several variances are tested at once the same mixture of df - 1 and df is an upper bound of the p-value.
    ``p_value_chi2`` is what lme4's anova() shows. Not corrected for few levels: likelihood-ratio tests of fixed effects
    reject too often with few therapists (see coefficient_tests). AIC = criterion + 2 k and BIC = criterion + log(n) k with
    k parameters and n rows; AICc = AIC + 2 k (k + 1) / (n - k - 1). Weights exp(-delta / 2), made to add up to one, are
    those of Burnham and Anderson (2002).

    References
    ----------
    Burnham, K. P., & Anderson, D. R. (2002). Model selection and multimodel inference (2nd ed.). Springer. doi
    10.1007/b97636.
    Self, S. G., & Liang, K.-Y. (1987). Asymptotic properties of maximum likelihood estimators and likelihood ratio tests
    under nonstandard conditions. Journal of the American Statistical Association, 82, 605-610. doi
    10.1080/01621459.1987.10478472.
    Stram, D. O., & Lee, J. W. (1994). Variance components testing in the longitudinal mixed effects model. Biometrics, 50,
    1171-1177. doi 10.2307/2533455.

    Examples
    --------
    >>> import alliance_stats as al
    >>> sessions = al.load_sample("therapist_statements")
    >>> patients = al.lmm("ors_1 ~ session + (1 | patient)", sessions)
    >>> therapists = al.lmm("ors_1 ~ session + (1 | patient) + (1 | therapist)", sessions)
    >>> print(al.compare(patients, therapists).tidy()[["model", "df", "statistic", "p_value"]].round(4).to_string(index=False))
     model  df  statistic  p_value
         1 NaN        NaN      NaN
         2 1.0    14.1439   0.0001
    """
    _require(fits, criterion)
    require_same_data(fits)
    compared = _comparable(fits)
    numbers = sorted(range(len(compared)), key=lambda k: compared[k].n_parameters)
    table = _with_criteria(compared, numbers, criterion)
    tests = [_Test.none()] + [_test(compared[a], compared[b]) for a, b in pairwise(numbers)]
    table["df"] = [float(t.reference.df) if t.reference else np.nan for t in tests]
    table["statistic"] = [t.statistic for t in tests]
    table["p_value"] = [t.reference.p_value(t.statistic) if t.reference else np.nan for t in tests]
    table["reference"] = [t.reference.words if t.reference else "" for t in tests]
    table["p_value_chi2"] = [t.reference.naive_p_value(t.statistic) if t.reference else np.nan for t in tests]
    first = ["model", "df", "statistic", "p_value", "n", "formula", "n_parameters", "log_likelihood", *CRITERIA]
    table = table[[*first, "delta", "weight", "reference", "p_value_chi2"]]
    notes = _notes(fits, compared, numbers, tests, criterion)
    return Comparison(fits=tuple(compared), criterion=criterion, table=table, notes=notes)


def _require(fits: Sequence[LmmFit], criterion: str) -> None:
    """Raise a ModelError if there is nothing to compare."""
    if len(fits) < 2:
        raise ModelError.build(
            f"compare() needs two or more fits; it got {len(fits)}.",
            hint="pass them side by side: compare(fit1, fit2).",
        )
    for number, fit in enumerate(fits, start=1):
        if not isinstance(fit, LmmFit):
            raise ModelError.build(
                f"Argument {number} of compare() is a {type(fit).__name__}, not a fit of lmm().",
                hint="fit each model with lmm(formula, data); of a list of fits, compare(*fits).",
            )
    if criterion not in CRITERIA:
        raise unknown_name(ModelError, "criterion", str(criterion), list(CRITERIA))


def _comparable(fits: Sequence[LmmFit]) -> list[LmmFit]:
    """Return the fits with likelihoods that can be compared: all by REML with one fixed part, or all by ML."""
    if all(fit.method == "REML" for fit in fits) and all(same_fixed_columns(fits[0], fit) for fit in fits[1:]):
        return list(fits)
    return [fit if fit.method == "ML" else fit_design(fit.design, method="ML") for fit in fits]


def _with_criteria(fits: Sequence[LmmFit], numbers: Sequence[int], criterion: Criterion) -> pd.DataFrame:
    """Return one row per model with likelihood, criteria and weights."""
    ordered = [fits[k] for k in numbers]
    k = np.array([fit.n_parameters for fit in ordered])
    n = ordered[0].n_obs
    deviance = np.array([fit.criterion for fit in ordered])
    aic, spare = deviance + 2.0 * k, n - k - 1.0
    correction = np.divide(2.0 * k * (k + 1.0), spare, out=np.full(k.size, np.inf), where=spare > 0)
    criteria = {"aic": aic, "aicc": aic + correction, "bic": deviance + np.log(n) * k}
    delta = criteria[criterion] - criteria[criterion].min()
    weight = np.exp(-0.5 * delta)
    table = {"model": [number + 1 for number in numbers], "n": n, "formula": [_words_of(fit) for fit in ordered]}
    table |= {"n_parameters": k, "log_likelihood": -0.5 * deviance, **criteria}
    return pd.DataFrame(table | {"delta": delta, "weight": weight / weight.sum()})


def _words_of(fit: LmmFit) -> str:
    """Return a model's formula, with its residual structure if it has one."""
    residual = fit.design.residual
    return fit.formula if residual is None else f"{fit.formula}, residual {residual.structure}"


@dataclass(frozen=True)
class _Test:
    """A likelihood-ratio test, or none if the models are not nested."""

    statistic: float
    reference: Reference | None
    worse: bool = False

    @classmethod
    def none(cls) -> _Test:
        """Return the row of a model that is not tested."""
        return cls(np.nan, None)


def _test(small: LmmFit, big: LmmFit) -> _Test:
    """Return the test of a model against a bigger one."""
    df = big.n_parameters - small.n_parameters
    if df == 0 or not is_nested(small, big):
        return _Test.none()
    difference = small.criterion - big.criterion
    added = max(n_bounded(big.design) - n_bounded(small.design), 0)
    statistic = difference if difference > NEGLIGIBLE else 0.0
    return _Test(statistic, Reference(df, added), worse=difference < -1e-4)


def _notes(
    given: Sequence[LmmFit],
    compared: Sequence[LmmFit],
    numbers: Sequence[int],
    tests: Sequence[_Test],
    criterion: Criterion,
) -> tuple[str, ...]:
    """Return how the models were compared."""
    refitted = [k + 1 for k, (old, new) in enumerate(zip(given, compared, strict=True)) if old is not new]
    if refitted:
        likelihood = (
            f"Likelihoods by ML: {_models(refitted)} by REML {'was' if len(refitted) == 1 else 'were'} refitted, since fixed "
            "parts or methods differ."
        )
    elif compared[0].method == "ML":
        likelihood = "Likelihoods by ML."
    else:
        likelihood = "Restricted likelihoods (REML): the fixed parts are the same."
    notes = [f"{compared[0].n_obs} rows in each of {len(compared)} models.", *left_out_note(compared[0]), likelihood]
    notes += _test_notes(compared, numbers, tests)
    notes.append(
        f"delta and weight are of {criterion.upper()}; n in the criteria is the number of rows, k counts fixed effects, "
        "variances, covariances and residual parameters."
    )
    return tuple(notes)


def _test_notes(fits: Sequence[LmmFit], numbers: Sequence[int], tests: Sequence[_Test]) -> list[str]:
    """Return what the tests rest on."""
    notes = []
    for (a, b), test in zip(pairwise(numbers), tests[1:], strict=True):
        if test.reference is None:
            notes.append(
                f"Model {a + 1} is not a special case of model {b + 1} as far as their terms tell: information criteria only."
            )
        elif test.worse:
            notes.append(f"Model {b + 1} fits worse than model {a + 1}, its special case: it is at a local optimum.")
    references = [test.reference for test in tests if test.reference is not None]
    if any(reference.n_bounded == 1 for reference in references):
        notes.append(
            "Where one variance is tested the p-value is from a mixture of chi-squares: a variance is not negative."
        )
    if any(reference.n_bounded > 1 for reference in references):
        notes.append(
            "Where several variances are tested at once the weights of the mixture depend on the data; the p-value is an "
            "upper bound (conservative)."
        )
    singular = [k + 1 for k, fit in enumerate(fits) if fit.singular]
    if singular:
        notes.append(f"Singular: {_models(singular)}; p-values of tests with them are approximate.")
    return notes


def _models(numbers: Sequence[int]) -> str:
    """Return "model 2" or "models 1, 3"."""
    return f"model{'s' if len(numbers) > 1 else ''} {', '.join(str(number) for number in numbers)}"
