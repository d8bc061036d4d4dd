"""Cluster-robust standard errors and tests of a fitted linear mixed model."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from alliance_stats.errors import DataError, ModelError, listing, unknown_name
from alliance_stats.inference.rowblocks import fixed_columns, nesting_factors, require_nested, row_blocks
from alliance_stats.inference.sandwich import Hotelling, Robust, Sandwich, sandwich
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.mixed.levelsums import Codes, Floats

Clusters: TypeAlias = Any
"""Name of a grouping factor of the fit, one label per row given or used, or None for the coarsest grouping factor."""

TYPES = ("CR0", "CR1", "CR1S", "CR2")


class RobustLinear(NamedTuple):
    """Combinations of coefficients: estimate, std_error and df of shape (k,), covariance of shape (k, k)."""

    estimate: Floats
    std_error: Floats
    df: Floats
    covariance: Floats


class ClusterCodes(NamedTuple):
    """The cluster of each row used, shape (n_rows,), with the words for it in notes and messages."""

    codes: Codes
    name: str

    @property
    def n_clusters(self) -> int:
        """Number of clusters."""
        return int(self.codes.max()) + 1


def robust_linear(fit: LmmFit, combinations: Floats, *, robust: Robust, cluster: Clusters = None) -> RobustLinear:
    """Return combinations of fixed effects with cluster-robust standard errors.

    For effects whose standard errors should hold when the random part is wrong: a slope that varies without having a random
    slope, residuals that depend on the session before, variances that differ. The estimates are those of the fit. The random
    part is the working model: it sets the weights, and it is the model under which CR2 has no bias.

    Parameters
    ----------
    fit : LmmFit
    combinations : ndarray, shape (k, p)
        Of ``fit.term_names``.
    robust : {"CR0", "CR1", "CR1S", "CR2"}
        CR2, bias-reduced linearisation, is the one for few clusters; CR0 has no correction, CR1 the factor m / (m - 1) of m
        clusters, CR1S also (n - 1) / (n - p) of n rows and p coefficients.
    cluster : str, array-like or None
        Grouping factor, or one label per row of the data given or per row used. All rows of a random effect's level must lie
        in one cluster. None takes the coarsest grouping factor.

    Returns
    -------
    RobustLinear
        df are Satterthwaite's under the working model. Standard error and df are NaN where one cluster alone determines the
        combination.

    Raises
    ------
    ModelError
        If there is one cluster, or clusters share random effects.
    DataError
        If labels are missing or their number is wrong.

    Notes
    -----
    With V the fitted covariance of the outcome, M = (X'V^-1 X)^-1 and e the marginal residuals, the covariance is
    M (sum of X_c'V_c^-1 A_c e_c e_c'A_c'V_c^-1 X_c) M, A_c = L_c (L_c'(V_c - X_c M X_c') L_c)^(+1/2) L_c' and V_c = L_c L_c'.
    The variance components are taken as known.

    References
    ----------
    Bell, R. M., & McCaffrey, D. F. (2002). Bias reduction in standard errors for linear regression with multi-stage samples.
    Survey Methodology, 28(2), 169-181.
    Pustejovsky, J. E., & Tipton, E. (2018). Small-sample methods for cluster-robust variance estimation and hypothesis testing
    in fixed effects models. Journal of Business & Economic Statistics, 36(4), 672-683. doi 10.1080/07350015.2016.1247004.
    """
    rows = np.atleast_2d(np.asarray(combinations, dtype=float))
    parts = cluster_parts(fit, robust=robust, cluster=cluster)
    variance, df = parts.variances(rows)
    covariance = rows @ parts.covariance() @ rows.T
    covariance[np.isnan(variance)] = covariance[:, np.isnan(variance)] = np.nan
    return RobustLinear(rows @ _coefficients(fit), np.sqrt(variance), df, covariance)


def robust_joint(fit: LmmFit, combinations: Floats, *, robust: Robust, cluster: Clusters = None) -> Hotelling:
    """Return the cluster-robust test that several combinations of fixed effects are all zero.

    Parameters
    ----------
    fit : LmmFit
    combinations : ndarray, shape (k, p)
        Of ``fit.term_names``; rows that follow from others are left out.
    robust, cluster
        As in `robust_linear`.

    Returns
    -------
    Hotelling
        F, its degrees of freedom, p; NaN where the clusters are too few for the number of combinations.

    Notes
    -----
    HTZ of Pustejovsky and Tipton (2018): the Wald statistic Q of q combinations is taken as Hotelling's T squared with eta
    degrees of freedom, F = (eta - q + 1) / (eta q) Q with q and eta - q + 1 degrees of freedom, and eta makes the total variance
    of the robust covariance that of a Wishart matrix.
    """
    rows = np.atleast_2d(np.asarray(combinations, dtype=float))
    return cluster_parts(fit, robust=robust, cluster=cluster).hotelling(rows, _coefficients(fit))


def robust_notes(fit: LmmFit, *, robust: Robust, cluster: Clusters = None) -> tuple[str, ...]:
    """Return sentences on the clusters: how many, and whether they are few for the coefficients."""
    clusters = cluster_codes(fit, cluster)
    size = np.bincount(clusters.codes)
    notes = [
        f"Standard errors are cluster-robust ({robust}) with {clusters.n_clusters} clusters ({clusters.name}) of {size.min()} to "
        f"{size.max()} rows; the fitted random part is the working model, its variance components taken as known."
    ]
    x = fixed_columns(fit)
    first = np.zeros(clusters.n_clusters, dtype=np.int64)
    first[clusters.codes] = np.arange(len(x))
    n_between = int(np.sum(np.all(x == x[first][clusters.codes], axis=0)))
    if clusters.n_clusters <= x.shape[1]:
        notes.append(
            f"There are {clusters.n_clusters} clusters for {x.shape[1]} coefficients: the robust covariance is not of full "
            f"rank, and no more than {clusters.n_clusters - 1} coefficients can be tested together."
        )
    elif n_between > 1 and clusters.n_clusters < 2 * n_between:
        notes.append(
            f"{n_between} coefficients differ only between clusters, of which there are {clusters.n_clusters}: their robust "
            "standard errors rest on few residual degrees of freedom; look at df."
        )
    return tuple(notes)


def cluster_parts(fit: LmmFit, *, robust: Robust, cluster: Clusters = None) -> Sandwich:
    """Return the parts of the robust covariance of a fit's coefficients.

    Parameters
    ----------
    fit, robust, cluster
        As in `robust_linear`.
    """
    if robust not in TYPES:
        raise unknown_name(ModelError, "robust covariance", str(robust), TYPES)
    clusters = cluster_codes(fit, cluster)
    if clusters.n_clusters < 2:
        raise ModelError.build(
            f"All {fit.n_obs} rows lie in one cluster ({clusters.name}): nothing tells how clusters differ.",
            hint="cluster by a finer unit that holds whole levels of the random effects; ten or more clusters are better.",
        )
    require_nested(fit, clusters.codes, f"the clusters ({clusters.name})")
    return sandwich(row_blocks(fit, clusters.codes), robust)


def cluster_codes(fit: LmmFit, cluster: Clusters) -> ClusterCodes:
    """Return the cluster of each row used.

    Parameters
    ----------
    fit : LmmFit
    cluster : str, array-like or None
        As in `robust_linear`.

    Raises
    ------
    ModelError
        If no grouping factor has the name, or none holds whole levels of all others and none is named.
    DataError
        If labels are missing or their number is wrong.
    """
    by_name = {g.name: g for g in fit.design.groupings}
    names = listing([f"'{name}'" for name in by_name])
    if cluster is None:
        nesting = nesting_factors(fit)
        if not nesting:
            raise ModelError.build(
                f"The grouping factors {names} cross: no one of them holds whole levels of all others.",
                hint="pass the unit that holds them all, such as the site, as cluster=frame['site'].",
            )
        cluster = nesting[0]
    if isinstance(cluster, str):
        if cluster not in by_name:
            raise ModelError.build(
                f"The fit has no grouping factor '{cluster}'; it has {names}.",
                hint=f"for another column pass its values, as in cluster=frame['{cluster}'].",
            )
        return ClusterCodes(by_name[cluster].codes, f"one per level of '{cluster}'")
    return ClusterCodes(_label_codes(fit, cluster), "one per label given")


def _coefficients(fit: LmmFit) -> Floats:
    """Return the fixed effects, shape (p,)."""
    return np.asarray(fit.fixed_effects, dtype=np.float64)


def _label_codes(fit: LmmFit, labels: Any) -> Codes:
    """Return codes of the labels of the rows used, shape (n_rows,)."""
    values = labels if isinstance(labels, pd.Series | pd.Index | pd.Categorical) else np.asarray(labels)
    n_given, n_used = fit.design.n_given, fit.n_obs
    if values.ndim > 1:
        raise DataError.build(
            f"cluster has {values.ndim} dimensions; it is one label per row.",
            hint="pass one column, as in frame['site'].",
        )
    if values.ndim == 0 or len(values) not in (n_given, n_used):
        raise DataError.build(
            f"cluster has {len(values) if values.ndim else 0} labels; the data have {n_given} rows, of which {n_used} are used.",
            hint="pass one label per row of the data that the model was fitted to.",
        )
    own = pd.Series(values).reset_index(drop=True)
    own = own if len(own) == n_used else own.iloc[fit.design.kept]
    codes, _ = pd.factorize(own)
    if np.any(codes < 0):
        raise DataError.build(
            f"cluster has no label in {int(np.sum(codes < 0))} of the {n_used} rows used.",
            hint="fit the model to the rows that have one.",
        )
    return np.asarray(codes, dtype=np.int64)
