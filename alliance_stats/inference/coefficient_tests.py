"""Tests and intervals of fixed effects, with degrees of freedom for few therapists."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from alliance_stats.inference.linear import (
    Cluster,
    DfMethod,
    Robust,
    inference_notes,
    linear_inference,
    require_level,
    require_method,
)
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.result import Result


@dataclass(frozen=True, kw_only=True, eq=False)
class CoefficientTests(Result):
    """Tests and intervals of the fixed effects of a mixed model; made by `coefficient_tests`.

    Parameters
    ----------
    outcome : str
    df_method : str
    robust : str or None
        The cluster-robust covariance; None for the model's.
    level : float in (0, 1)
        Of the intervals.
    n : int
        Rows of the fit.
    table : DataFrame
        One row per fixed effect.
    """

    outcome: str
    df_method: str
    robust: str | None
    level: float
    n: int
    table: pd.DataFrame = field(repr=False)

    def tidy(self) -> pd.DataFrame:
        """Return one row per fixed effect.

        Returns
        -------
        DataFrame
            term, estimate and std_error (outcome points per unit of the term), df (infinite for the normal distribution),
            statistic (t or z), p_value (two-sided), conf_low, conf_high, conf_level.
        """
        return self.table.copy()

    def glance(self) -> pd.DataFrame:
        """Return one row: outcome, conf_level, n, number of terms, df method, covariance."""
        row: dict[str, Any] = {"outcome": self.outcome, "conf_level": self.level, "n": self.n}
        row |= {"n_terms": len(self.table), "df_method": self.df_method, "covariance": self.robust or "model"}
        return pd.DataFrame([row])


def coefficient_tests(
    fit: LmmFit,
    *,
    df: DfMethod = "satterthwaite",
    robust: Robust | None = None,
    cluster: Cluster = None,
    level: float = 0.95,
) -> CoefficientTests:
    """Test the fixed effects of a mixed model one at a time.

    For the table of coefficients in a paper, above all with few therapists, where the normal distribution gives intervals
    that are too narrow. The estimands are those of the fit: the expected difference in the outcome per unit of a term's column,
    the other columns held fixed. For a category with several levels, or an interaction, as a whole see `term_tests`.

    Parameters
    ----------
    fit : LmmFit
        From `lmm`.
    df : {"satterthwaite", "kenward_roger", "between_within", "normal"}
        Degrees of freedom. Satterthwaite's (default) take the uncertainty of the variances into account; Kenward-Roger's do
        and also widen the standard errors, which counts most with fewer than about 20 groups or unbalanced data;
        between-within counts groups or rows at the level where a predictor varies; normal uses none.
    robust : {"CR0", "CR1", "CR1S", "CR2"}, optional
        Cluster-robust standard errors instead of the model's, with Satterthwaite degrees of freedom of their own (CR2 is the
        one for few clusters).
    cluster : str or array-like, optional
        Grouping factor, or one label per row, for ``robust``; the coarsest grouping factor if left out.
    level : float in (0, 1)
        Of the intervals.

    Returns
    -------
    CoefficientTests
        ``tidy()`` has one row per fixed effect.

    Raises
    ------
    ModelError
        If ``fit`` is not the fit of a mixed model, a name is unknown, the level is not between 0 and 1, Kenward-Roger is asked
        of a fit by ML, between-within of crossed factors, or ``robust`` is combined with the df of another method.

    See Also
    --------
    term_tests, confidence_intervals

    Notes
    -----
    Satterthwaite: ``df = 2 (l'Cl)^2 / (g'A g)``, C the covariance of the fixed effects, g the gradient of l'Cl by the relative
    covariance factors and the residual SD, A twice the inverse of the observed Hessian of the criterion by the same; a
    variance estimated at zero counts as known. Kenward-Roger: covariance and df from the expected information, in the
    parametrisation by variances and covariances. Between-within: groups (or rows) at the outermost level within which a
    predictor is constant, less the groups one level further out, less the predictors at that level; the intercept, and with it
    every combination, is tested at the outermost level of the effects in it. It does not know of random slopes: a predictor
    that varies within patients is tested against rows even if its slope varies between patients, which is too liberal then.
    p-values are two-sided and not adjusted for the number of terms.

    References
    ----------
    Giesbrecht, F. G., & Burns, J. C. (1985). Two-stage analysis based on a mixed model. Biometrics, 41, 477-486.
    doi 10.2307/2530872.
    Kenward, M. G., & Roger, J. H. (1997). Small sample inference for fixed effects from restricted maximum likelihood.
    Biometrics, 53, 983-997. doi 10.2307/2533558.
    Schluchter, M. D., & Elashoff, J. T. (1990). Small-sample adjustments to tests with unbalanced repeated measures assuming
    several covariance structures. Journal of Statistical Computation and Simulation, 37, 69-87. doi 10.1080/00949659008811295.

    Examples
    --------
    >>> import alliance_stats as al
    >>> sessions = al.load_sample("therapist_statements")
    >>> fit = al.lmm("wai_1 ~ session + (1 | therapist) + (1 | patient)", sessions)
    >>> al.coefficient_tests(fit).tidy()[["term", "df"]].round(1)
            term      df
    0  Intercept    68.7
    1    session  4881.5
    """
    require_method(fit, df=df, robust=robust, cluster=cluster)
    require_level(level)
    found = linear_inference(fit, np.eye(len(fit.term_names)), df=df, robust=robust, cluster=cluster)
    half = found.half_width(level)
    table = pd.DataFrame(
        {
            "term": fit.term_names,
            "estimate": found.estimate,
            "std_error": found.std_error,
            "df": found.df,
            "statistic": found.statistic,
            "p_value": found.p_value,
            "conf_low": found.estimate - half,
            "conf_high": found.estimate + half,
            "conf_level": level,
        }
    )
    last = "Tests are two-sided, one term at a time; p-values are not adjusted for their number."
    return CoefficientTests(
        outcome=fit.response.strip("`"),
        df_method=df,
        robust=robust,
        level=level,
        n=fit.n_obs,
        table=table,
        notes=(*inference_notes(fit, found.method_note, robust=robust, cluster=cluster), last),
    )
