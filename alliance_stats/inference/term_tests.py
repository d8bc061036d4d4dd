"""F tests of whole terms of the fixed part."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from alliance_stats.errors import ModelError, unknown_name
from alliance_stats.inference.hypotheses import HypothesisKind, term_hypotheses
from alliance_stats.inference.linear import (
    Cluster,
    DfMethod,
    JointTest,
    Robust,
    inference_notes,
    joint_test,
    require_method,
)
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.result import Result

_MEANING = {
    "III": "Type III: each term given all others; a term with an interaction of categories is averaged over their levels, "
    "every level counting the same.",
    "II": "Type II: each term given all others but those that contain it; it assumes that interactions with the term are "
    "absent, and averages over the levels in proportion to the rows.",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class TermTests(Result):
    """F tests of the terms of the fixed part of a mixed model; made by `term_tests`.

    Parameters
    ----------
    outcome : str
    kind : {"III", "II"}
    df_method : str
    robust : str or None
        The cluster-robust covariance; None for the model's.
    n : int
        Rows of the fit.
    table : DataFrame
        One row per term.
    """

    outcome: str
    kind: str
    df_method: str
    robust: str | None
    n: int
    table: pd.DataFrame = field(repr=False)

    def tidy(self) -> pd.DataFrame:
        """Return one row per term.

        Returns
        -------
        DataFrame
            term, kind ("III" or "II"), df (of the denominator; infinite for the normal distribution), statistic (F; for the
            normal distribution chi-squared divided by its df), p_value, df_numerator.
        """
        return self.table.copy()

    def glance(self) -> pd.DataFrame:
        """Return one row: outcome, kind, n, number of terms, df method, covariance."""
        row: dict[str, Any] = {"outcome": self.outcome, "kind": self.kind, "n": self.n, "n_terms": len(self.table)}
        return pd.DataFrame([row | {"df_method": self.df_method, "covariance": self.robust or "model"}])


def term_tests(
    fit: LmmFit,
    *,
    kind: HypothesisKind = "III",
    df: DfMethod = "satterthwaite",
    robust: Robust | None = None,
    cluster: Cluster = None,
) -> TermTests:
    """Test each term of the fixed part as a whole.

    For a category with several levels, or an interaction, of which a single coefficient says little. Type III asks whether
    a term matters at all given every other term, with means over the levels of other categories unweighted; type II asks the
    same under the assumption that the interactions it takes part in are absent, which is more powerful when they are. The two
    agree for terms that no other term contains. How categories are coded does not matter, only where zero of a numeric column
    lies: with ``x * arm`` the arms are compared at x = 0, so centre x first.

    Parameters
    ----------
    fit : LmmFit
        From `lmm`.
    kind : {"III", "II"}
    df : {"satterthwaite", "kenward_roger", "between_within", "normal"}
        Degrees of freedom of the denominator, as in `coefficient_tests`.
    robust : {"CR0", "CR1", "CR1S", "CR2"}, optional
        Cluster-robust covariance with the HTZ test.
    cluster : str or array-like, optional
        For ``robust``.

    Returns
    -------
    TermTests
        ``tidy()`` has one row per term, without the intercept.

    Raises
    ------
    ModelError
        As in `coefficient_tests`; also if ``kind`` is unknown or the fixed part is an intercept.

    See Also
    --------
    coefficient_tests

    Notes
    -----
    Hypotheses are those of SAS and of lmerTest's ``anova``, also where combinations of levels are empty: a term contains another
    if it has the same numeric part and further categories; type III takes combinations of a term's cells orthogonal to those
    about terms that contain it; type II adjusts by least squares on the rows used. (The type II of R's car adjusts with the
    covariance of the fixed effects instead; the two differ in unbalanced data where a term is contained.) Satterthwaite's F with
    several df rotates the contrasts, differences to the first level, into uncorrelated ones and averages their squared t
    statistics; its df depend a little on which level is first, F does not.

    References
    ----------
    Goodnight, J. H. (1980). Tests of hypotheses in fixed effects linear models. Communications in Statistics A, 9, 167-180.
    doi 10.1080/03610928008827869.
    Fai, A. H.-T., & Cornelius, P. L. (1996). Approximate F-tests of multiple degree of freedom hypotheses in generalized least
    squares analyses of unbalanced split-plot experiments. Journal of Statistical Computation and Simulation, 54, 363-378.
    doi 10.1080/00949659608811740.

    Examples
    --------
    >>> import alliance_stats as al
    >>> sessions = al.load_sample("therapist_statements")
    >>> fit = al.lmm("wai_1 ~ session + C(dropout) + (1 | therapist) + (1 | patient)", sessions)
    >>> al.term_tests(fit).tidy()[["term", "df_numerator", "df"]].round(1)
             term  df_numerator      df
    0     session           1.0  4921.2
    1  C(dropout)           1.0  4856.2
    """
    require_method(fit, df=df, robust=robust, cluster=cluster)
    if kind not in ("III", "II"):
        raise unknown_name(ModelError, "type of tests", str(kind), ["III", "II"])
    hypotheses = term_hypotheses(fit, kind)
    tested = {name: rows for name, rows in hypotheses.items() if rows.shape[0]}
    if not tested:
        raise ModelError.build(
            f"The fixed part of '{fit.formula}' has no term to test.", hint="use coefficient_tests() for the intercept."
        )
    found = {name: joint_test(fit, rows, df=df, robust=robust, cluster=cluster) for name, rows in tested.items()}
    note = next(iter(found.values())).method_note
    notes = [*inference_notes(fit, note, robust=robust, cluster=cluster), _MEANING[kind]]
    untested = [name for name in hypotheses if name not in tested]
    if untested:
        notes.append(f"Terms with nothing left to test, because others explain them: {', '.join(untested)}.")
    return TermTests(
        outcome=fit.response.strip("`"),
        kind=kind,
        df_method=df,
        robust=robust,
        n=fit.n_obs,
        table=_table(found, kind),
        notes=tuple(notes),
    )


def _table(found: dict[str, JointTest], kind: str) -> pd.DataFrame:
    """Return one row per term."""
    return pd.DataFrame(
        {
            "term": list(found),
            "kind": kind,
            "df": [test.df_denominator for test in found.values()],
            "statistic": [test.statistic for test in found.values()],
            "p_value": [test.p_value for test in found.values()],
            "df_numerator": [test.df_numerator for test in found.values()],
        }
    )
