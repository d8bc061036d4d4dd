"""Exploratory factor analysis of items."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np
import pandas as pd

from alliance_stats.errors import DataError, ModelError
from alliance_stats.result import Result
from alliance_stats.scales.answers import Items
from alliance_stats.scales.consistency import correlations
from alliance_stats.scales.factor_extraction import (
    Extracted,
    Extraction,
    Rotated,
    Rotation,
    degrees_of_freedom,
    extract,
    rotate,
)
from alliance_stats.scales.item_sample import Part, item_sample, part_notes, part_of_sample
from alliance_stats.scales.keying import FloatArray
from alliance_stats.scales.model_fit import ModelFit, model_fit


@dataclass(frozen=True, kw_only=True)
class FactorAnalysis(Result):
    """Loadings of items on factors; made by `factor_analysis`.

    Parameters
    ----------
    items : tuple of str
    pattern : ndarray, shape (k, m)
        Rotated loadings of standardised items.
    correlations : ndarray, shape (m, m)
        Of the factors.
    uniquenesses : ndarray, shape (k,)
    fit : ModelFit
    residual : float
        Root mean square of the off-diagonal residual correlations.
    n : int
        Rows or clusters analysed.
    method, rotation : str
    """

    items: tuple[str, ...]
    pattern: FloatArray
    correlations: FloatArray
    uniquenesses: FloatArray
    fit: ModelFit
    residual: float
    n: int
    method: str
    rotation: str

    @property
    def _factors(self) -> list[str]:
        return [f"factor_{number}" for number in range(1, self.pattern.shape[1] + 1)]

    def tidy(self) -> pd.DataFrame:
        """Return one row per loading, then one per correlation of two factors.

        Returns
        -------
        DataFrame
            term (factor), term2 (second factor of a correlation), item, kind (loading or factor_correlation), estimate.
        """
        rows: list[dict[str, object]] = [
            {"term": factor, "term2": "", "item": item, "kind": "loading", "estimate": self.pattern[i, f]}
            for f, factor in enumerate(self._factors)
            for i, item in enumerate(self.items)
        ]
        if self.rotation == "oblimin":
            rows += [
                {
                    "term": one,
                    "term2": two,
                    "item": "",
                    "kind": "factor_correlation",
                    "estimate": self.correlations[f, g],
                }
                for f, one in enumerate(self._factors)
                for g, two in enumerate(self._factors)
                if f < g
            ]
        return pd.DataFrame(rows)

    def loadings(self) -> pd.DataFrame:
        """Return one row per item: item, one column per factor, communality and uniqueness (shares of variance)."""
        table = pd.DataFrame(self.pattern, columns=self._factors)
        table.insert(0, "item", list(self.items))
        reach = np.sum((self.pattern @ self.correlations) * self.pattern, axis=1)
        return table.assign(communality=reach, uniqueness=self.uniquenesses)

    def glance(self) -> pd.DataFrame:
        """Return one row: n, n_items, n_factors, method, rotation, chi2, df, p_value, tli, rmsea with its ends, rms_residual."""
        fit = {name: value for name, value in asdict(self.fit).items() if name != "cfi"}
        head = {"n": self.n, "n_items": len(self.items), "n_factors": self.pattern.shape[1]}
        words = {"method": self.method, "rotation": self.rotation}
        return pd.DataFrame([{**head, **words, **fit, "rms_residual": self.residual}])


def factor_analysis(
    frame: pd.DataFrame,
    items: Items,
    n_factors: int,
    *,
    method: Extraction = "minres",
    rotation: Rotation = "oblimin",
    cluster: str | None = None,
    part: Part = "rows",
) -> FactorAnalysis:
    """Describe the correlations of items by fewer factors.

    Use it when it is not known which items belong together; when it is, test that with `confirmatory`. The loadings are
    weights of standardised items on standardised factors.

    Parameters
    ----------
    frame : DataFrame
        One row per filled-in form; for one session, pass the rows of that session.
    items : str, sequence of str, or mapping of int to str
        Item columns, as in `score`.
    n_factors : int
        See `parallel_analysis`.
    method : {"minres", "ml"}
        Minimum residuals, which works when items are far from normal, or maximum likelihood.
    rotation : {"oblimin", "varimax", "none"}
        Correlated factors (quartimin), uncorrelated ones (rows normalised), or as extracted.
    cluster : str, optional
        Column of the patients that rows repeat.
    part : {"rows", "cluster_means", "cluster_deviations"}
        Level: the rows themselves, means of clusters, or deviations from them.

    Returns
    -------
    FactorAnalysis
        Factors by decreasing share of variance, signs so that loadings are mostly positive.

    Raises
    ------
    ColumnError
        If a column is missing or holds text.
    DataError
        If there are too few items or rows, an item does not vary, or an option is unknown.
    ModelError
        If so many factors cannot be told apart with so few items, or one item is a combination of others.
    ConvergenceError
        If the rotation finds no minimum.

    See Also
    --------
    parallel_analysis, confirmatory, omega

    Notes
    -----
    Rows with a missing answer are left out. chi2 = (n - 1 - (2k + 5) / 6 - 2m / 3) F with F = log|Sigma| - log|R| +
    tr(R Sigma^-1) - k (Bartlett, 1950); with "minres" it is an approximation. TLI follows Tucker and Lewis (1973),
    RMSEA = sqrt(max(chi2 - df, 0) / (n df)) with a 90 percent interval. psych::fa prints another RMSEA, with
    sqrt(chi2 / (n df) - 1 / (n - 1)). Uniquenesses are at least 0.005.

    References
    ----------
    Harman, H. H., & Jones, W. H. (1966). Psychometrika, 31, 351-368. https://doi.org/10.1007/BF02289468

    Jennrich, R. I. (2002). Psychometrika, 67, 7-19. https://doi.org/10.1007/BF02294706

    Tucker, L. R., & Lewis, C. (1973). Psychometrika, 38, 1-10. https://doi.org/10.1007/BF02291170

    Examples
    --------
    >>> import alliance_stats as al
    >>> first = al.load_sample("therapist_statements").query("session == 1")
    >>> al.factor_analysis(first, "wai_{}", 3).glance()[["n", "df"]].iloc[0].tolist()
    [543, 33]
    """
    if method not in ("minres", "ml"):
        raise DataError.build(f"No method '{method}'.", hint="use 'minres' or 'ml'.")
    if rotation not in ("oblimin", "varimax", "none"):
        raise DataError.build(f"No rotation '{rotation}'.", hint="use 'oblimin', 'varimax' or 'none'.")
    sample = item_sample(frame, items)
    chosen = part_of_sample(frame, sample, cluster=cluster, part=part)
    correlation = correlations(chosen.covariance)
    _require_identified(correlation, n_factors)
    extracted = extract(correlation, n_factors, method=method)
    rotated = rotate(extracted.loadings, rotation=rotation)
    fit, residual = _fit(correlation, extracted, n=chosen.df + 1)
    notes = [*part_notes(sample, chosen, cluster), _method_note(method, rotation)]
    if extracted.n_improper:
        notes.append(f"Improper: {extracted.n_improper} uniquenesses at their lower bound; use fewer factors.")
    return FactorAnalysis(
        items=sample.items,
        pattern=rotated.loadings,
        correlations=_correlations_of(rotated),
        uniquenesses=extracted.uniquenesses,
        fit=fit,
        residual=residual,
        n=chosen.df + 1,
        method=method,
        rotation=rotation,
        notes=tuple(notes),
    )


def _correlations_of(rotated: Rotated) -> FloatArray:
    """Return factor correlations with a diagonal of exactly one, shape (m, m)."""
    result = rotated.correlations.copy()
    np.fill_diagonal(result, 1.0)
    return result


def _method_note(method: str, rotation: str) -> str:
    """Return how loadings were found."""
    how = "minimum residuals" if method == "minres" else "maximum likelihood"
    turned = {"oblimin": "oblimin (gamma 0)", "varimax": "varimax (Kaiser normalisation)", "none": "no rotation"}
    return f"Correlations of the items; {how}; {turned[rotation]}."


def _require_identified(correlation: FloatArray, n_factors: int) -> None:
    """Raise if the factors cannot be told apart, or the correlations have no inverse."""
    k = len(correlation)
    if n_factors < 1 or degrees_of_freedom(k, n_factors) < 0:
        most = max(m for m in range(k) if degrees_of_freedom(k, m) >= 0)
        raise ModelError.build(
            f"{n_factors} factors of {k} items cannot be told apart.", hint=f"ask for 1 to {most} factors."
        )
    if np.linalg.eigvalsh(correlation)[0] < 1e-10:
        raise ModelError.build(
            "One item is a combination of others: their correlations have no inverse.",
            hint="leave out totals and repeated columns, or use more rows.",
        )


def _fit(correlation: FloatArray, extracted: Extracted, *, n: int) -> tuple[ModelFit, float]:
    """Return fit indices and the root mean square residual."""
    k, m = extracted.loadings.shape
    implied = extracted.loadings @ extracted.loadings.T + np.diag(extracted.uniquenesses)
    log_observed = float(np.linalg.slogdet(correlation)[1])
    discrepancy = float(np.linalg.slogdet(implied)[1]) - log_observed
    discrepancy += float(np.trace(np.linalg.solve(implied, correlation))) - k
    # Bartlett (1950), British Journal of Psychology, Statistical Section 3, 77-85.
    factor = n - 1 - (2 * k + 5) / 6
    multiplier = factor - 2 * m / 3
    df, baseline_df = degrees_of_freedom(k, m), k * (k - 1) // 2
    fit = model_fit(
        chi2=max(multiplier * discrepancy, 0.0),
        df=df,
        baseline_chi2=-factor * log_observed,
        baseline_df=baseline_df,
        n=n,
    )
    if df > 0:
        baseline = -log_observed / baseline_df
        fit = replace(fit, tli=(baseline - discrepancy / df) / (baseline - 1 / multiplier))
    rest = (correlation - implied)[np.tril_indices(k, -1)]
    return fit, float(np.sqrt(np.mean(rest**2)))
