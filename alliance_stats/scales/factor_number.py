"""How many factors items have: eigenvalues against those of random answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd

from alliance_stats.errors import DataError
from alliance_stats.result import Result
from alliance_stats.scales.answers import Items
from alliance_stats.scales.consistency import correlations
from alliance_stats.scales.item_sample import Part, item_sample, part_notes, part_of_sample
from alliance_stats.scales.keying import FloatArray

Kind: TypeAlias = Literal["components", "factors"]


@dataclass(frozen=True, kw_only=True)
class ParallelAnalysis(Result):
    """Observed and random eigenvalues; made by `parallel_analysis`.

    Parameters
    ----------
    table : DataFrame
        See `tidy`.
    n : int
        Rows, clusters, or rows minus clusters: what the random answers are as many of.
    n_draws : int
        Random samples.
    quantile : float
        Share of random eigenvalues below the line.
    """

    table: pd.DataFrame
    n: int
    n_draws: int
    quantile: float

    @property
    def suggested(self) -> int:
        """Number of leading eigenvalues above the line."""
        return int(self.table["retained"].sum())

    def tidy(self) -> pd.DataFrame:
        """Return one row per eigenvalue.

        Returns
        -------
        DataFrame
            term (its number), kind (components or factors), estimate (observed eigenvalue), random_mean, random_quantile, and
            retained (whether it and all before it lie above random_quantile).
        """
        return self.table.copy()

    def glance(self) -> pd.DataFrame:
        """Return one row: n, n_items, n_draws, quantile, suggested (number of components or factors)."""
        return pd.DataFrame(
            [
                {
                    "n": self.n,
                    "n_items": len(self.table),
                    "n_draws": self.n_draws,
                    "quantile": self.quantile,
                    "suggested": self.suggested,
                }
            ]
        )


def parallel_analysis(
    frame: pd.DataFrame,
    items: Items,
    *,
    seed: int,
    kind: Kind = "components",
    quantile: float = 0.95,
    cluster: str | None = None,
    part: Part = "rows",
) -> ParallelAnalysis:
    """Compare the eigenvalues of the items' correlations with those of unrelated normal answers.

    Use it to decide how many factors to extract. An eigenvalue counts if it and all before it are larger than most of those
    that as many rows of unrelated answers give.

    Parameters
    ----------
    frame : DataFrame
        One row per filled-in form.
    items : str, sequence of str, or mapping of int to str
        Item columns, as in `score`.
    seed : int
        Of the random answers.
    kind : {"components", "factors"}
        Eigenvalues of the correlations, or with squared multiple correlations in the diagonal.
    quantile : float in (0, 1)
        Share of the random eigenvalues that an observed one must exceed.
    cluster : str, optional
        Column of the patients that rows repeat.
    part : {"rows", "cluster_means", "cluster_deviations"}
        Level: the rows themselves, means of clusters, or deviations from them.

    Returns
    -------
    ParallelAnalysis

    Raises
    ------
    ColumnError
        If a column is missing or holds text.
    DataError
        If there are fewer than 3 items, too few complete rows, an item that does not vary, or a quantile outside (0, 1).

    See Also
    --------
    factor_analysis

    Notes
    -----
    1000 random covariance matrices are drawn from the Wishart distribution (Bartlett, 1933), which is that of normal
    answers of as many rows; for deviations from cluster means with rows minus clusters as degrees of freedom. Horn (1965)
    compares with the mean; the quantile, .95 unless told, is that of Glorfeld (1995). Rows that repeat patients are no
    independent rows, so too many factors may be suggested.

    References
    ----------
    Horn, J. L. (1965). Psychometrika, 30, 179-185. https://doi.org/10.1007/BF02289447

    Glorfeld, L. W. (1995). Educational and Psychological Measurement, 55, 377-393.
    https://doi.org/10.1177/0013164495055003002

    Humphreys, L. G., & Ilgen, D. R. (1969). Educational and Psychological Measurement, 29, 571-578.
    https://doi.org/10.1177/001316446902900303

    Examples
    --------
    >>> import alliance_stats as al
    >>> first = al.load_sample("therapist_statements").query("session == 1")
    >>> al.parallel_analysis(first, "wai_{}", seed=1, kind="factors").suggested
    2
    """
    if kind not in ("components", "factors"):
        raise DataError.build(f"No kind '{kind}'.", hint="use 'components' or 'factors'.")
    if not 0 < quantile < 1:
        raise DataError.build(f"quantile = {quantile} is not between 0 and 1.", hint="use 0.95.")
    sample = item_sample(frame, items)
    chosen = part_of_sample(frame, sample, cluster=cluster, part=part)
    observed = _eigenvalues(correlations(chosen.covariance)[None], kind)[0]
    random = _eigenvalues(_random_correlations(len(sample.items), chosen.df, np.random.default_rng(seed)), kind)
    line = np.quantile(random, quantile, axis=0)
    table = pd.DataFrame(
        {
            "term": [str(number) for number in range(1, len(observed) + 1)],
            "kind": kind,
            "estimate": observed,
            "random_mean": random.mean(axis=0),
            "random_quantile": line,
            "retained": np.logical_and.accumulate(observed > line),
        }
    )
    notes = [
        *part_notes(sample, chosen, cluster),
        f"Line: quantile {quantile:g} of {N_DRAWS} random samples with {chosen.df} degrees of freedom; seed {seed}.",
        "Diagonal: squared multiple correlations." if kind == "factors" else "Diagonal: ones.",
    ]
    return ParallelAnalysis(table=table, n=chosen.df + 1, n_draws=N_DRAWS, quantile=quantile, notes=tuple(notes))


N_DRAWS = 1000


def _random_correlations(k: int, df: int, rng: np.random.Generator) -> FloatArray:
    """Return correlations of unrelated normal answers, shape (N_DRAWS, k, k)."""
    lower = np.tril(rng.normal(size=(N_DRAWS, k, k)), -1)
    at = np.arange(k)
    lower[:, at, at] = np.sqrt(rng.chisquare(df - at, size=(N_DRAWS, k)))
    covariance = lower @ np.swapaxes(lower, 1, 2)
    spread = np.sqrt(covariance[:, at, at])
    result: FloatArray = covariance / (spread[:, :, None] * spread[:, None, :])
    return result


def _eigenvalues(matrices: FloatArray, kind: Kind) -> FloatArray:
    """Return decreasing eigenvalues, shape (n_matrices, k)."""
    if kind == "factors":
        at = np.arange(matrices.shape[1])
        matrices = matrices.copy()
        # Squared multiple correlation of each item with the others.
        matrices[:, at, at] = 1.0 - 1.0 / np.linalg.inv(matrices)[:, at, at]
    return np.asarray(np.linalg.eigvalsh(matrices)[:, ::-1], dtype=float)
