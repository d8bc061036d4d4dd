"""Omega within and between patients, from a two-level factor model."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd

from alliance_stats.columns import group_codes
from alliance_stats.errors import AllianceStatsWarning, ConvergenceError, DataError, ModelError
from alliance_stats.result import Result
from alliance_stats.scales.answers import Items
from alliance_stats.scales.consistency import cronbach_alpha
from alliance_stats.scales.gaussian_blocks import (
    Block,
    Evaluation,
    Implied,
    Maximum,
    evaluate,
    maximise,
    observed_information,
    saturated,
    two_level_blocks,
)
from alliance_stats.scales.item_sample import IntArray, item_sample
from alliance_stats.scales.keying import FloatArray
from alliance_stats.scales.measurement_model import MeasurementModel, simple_model
from alliance_stats.scales.single_factor import omega_of

LEVELS = ("within", "between")


@dataclass(frozen=True, kw_only=True)
class MultilevelOmega(Result):
    """Reliability within and between clusters; made by `multilevel_omega`.

    Parameters
    ----------
    estimates : DataFrame
        One row per coefficient, without intervals.
    item_loadings : DataFrame
        One row per level and item.
    summary : DataFrame
        What `glance` shows.
    """

    estimates: pd.DataFrame
    item_loadings: pd.DataFrame
    summary: pd.DataFrame

    def tidy(self, *, level: float = 0.95) -> pd.DataFrame:
        """Return the coefficients.

        Parameters
        ----------
        level : float in (0, 1)
            Coverage of the normal intervals.

        Returns
        -------
        DataFrame
            One row per coefficient and level: term (omega or alpha), group (the cluster column), level (within or between),
            estimate, std_error, conf_low, conf_high, conf_level, n (rows or clusters). Alpha has no interval.
        """
        from scipy.stats import norm

        if not 0 < level < 1:
            raise DataError.build(
                f"level = {level} is not between 0 and 1.", hint="use 0.95 for a 95 percent interval."
            )
        table = self.estimates.drop(columns="n")
        half = norm.ppf(0.5 + level / 2) * table["std_error"]
        ends = {"conf_low": table["estimate"] - half, "conf_high": np.minimum(table["estimate"] + half, 1.0)}
        ends["conf_high"] = ends["conf_high"].where(half.notna())
        return table.assign(**ends, conf_level=level, n=self.estimates["n"])

    def loadings(self) -> pd.DataFrame:
        """Return one row per level and item: level, item, loading and residual_variance (in points and squared points)."""
        return self.item_loadings.copy()

    def glance(self) -> pd.DataFrame:
        """Return one row: n, n_clusters, n_items, chi2, df, p_value, log_likelihood."""
        return self.summary.copy()


def multilevel_omega(frame: pd.DataFrame, items: Items, *, cluster: str = "patient") -> MultilevelOmega:
    """Compute omega within and between patients.

    The within omega tells how reliably the sum of the items follows changes from session to session, the between omega how
    reliably patients' true means differ, session noise taken out. Neither is the omega of pooled sessions, and the between
    omega is not that of observed means, whose reliability also depends on the number of sessions (`multilevel_reliability`).

    Parameters
    ----------
    frame : DataFrame
        One row per patient and session.
    items : str, sequence of str, or mapping of int to str
        Item columns, as in `score`; reverse-keyed items already reversed.
    cluster : str
        Column of the patients (or couples, or therapists).

    Returns
    -------
    MultilevelOmega

    Raises
    ------
    ColumnError
        If a column is missing or holds text.
    DataError
        If there are fewer than 3 items, too few complete rows or clusters, or no cluster with several rows.
    ModelError
        If items vary within clusters only in a fixed combination.
    ConvergenceError
        If the likelihood has no maximum that can be found.

    Warns
    -----
    AllianceStatsWarning
        If a residual variance is not positive at some level.

    See Also
    --------
    omega, multilevel_reliability

    Notes
    -----
    One factor at each level, fitted by full maximum likelihood for clusters of any size. omega = (sum of loadings)^2 /
    ((sum of loadings)^2 + sum of residual variances) at its level; standard errors by the delta method from the observed
    information. Alpha comes from the free covariances of each level. Rows with a missing answer are left out; clusters with
    one row inform the between level only.

    References
    ----------
    Geldhof, G. J., Preacher, K. J., & Zyphur, M. J. (2014). Psychological Methods, 19, 72-91.
    https://doi.org/10.1037/a0032138

    Examples
    --------
    >>> import alliance_stats as al
    >>> found = al.multilevel_omega(al.load_sample("therapist_statements"), "wai_{}").tidy()
    >>> found.query("term == 'omega'")[["level", "estimate"]].round(2).to_dict("list")
    {'level': ['within', 'between'], 'estimate': [0.81, 0.99]}
    """
    sample = item_sample(frame, items)
    codes = group_codes(frame, cluster)[0][sample.used]
    rows, codes = sample.answers[codes >= 0], codes[codes >= 0]
    _, positions = np.unique(codes, return_inverse=True)
    sizes = np.bincount(positions)
    _require_levels(sizes, len(sample.items), cluster)
    unit = rows.std(axis=0)
    blocks = two_level_blocks(rows / unit, positions)
    model = simple_model([range(len(unit))], len(unit))
    found, covariance, starts = _fit(blocks, model, rows / unit)
    free, deviance, settled = saturated(blocks, starts, (rows / unit).mean(axis=0))
    summary = _summary(found, deviance if settled else float("nan"), unit, sizes)
    estimates, loadings, n_improper = _tables(found.theta, covariance, free, unit, cluster=cluster, sizes=sizes)
    loadings.insert(1, "item", list(sample.items) * 2)
    if n_improper:
        warnings.warn(
            f"{n_improper} residual variances are not positive: omega of that level is too high. Use more {cluster}s or "
            "fewer items.",
            AllianceStatsWarning,
            stacklevel=2,
        )
    notes = [
        *sample.notes,
        f"{len(rows)} rows of {len(sizes)} levels of '{cluster}', {int(np.sum(sizes == 1))} of them with one row; "
        f"{len(sample.used) - len(rows)} rows without '{cluster}' are left out.",
        "Two-level model with one factor at each level, full maximum likelihood; delta-method intervals.",
    ]
    if n_improper:
        notes.append(f"Improper solution: {n_improper} residual variances are not positive.")
    return MultilevelOmega(estimates=estimates, item_loadings=loadings, summary=summary, notes=tuple(notes))


def _require_levels(sizes: IntArray, k: int, cluster: str) -> None:
    """Raise if one of the levels cannot be estimated."""
    within = int(sizes.sum()) - len(sizes)
    if within <= k:
        raise DataError.build(
            f"{int(sizes.sum())} rows of {len(sizes)} levels of '{cluster}' leave {within} changes within them for {k} items.",
            hint="with one session per patient use omega().",
        )
    if len(sizes) <= k + 1:
        raise DataError.build(
            f"{len(sizes)} levels of '{cluster}' for {k} items.",
            hint="the between level needs more patients than items.",
        )


def _fit(
    blocks: list[Block], model: MeasurementModel, rows: FloatArray
) -> tuple[Maximum, FloatArray, tuple[FloatArray, FloatArray]]:
    """Return parameters (within, between, means), their covariance, and covariances to start free ones from."""
    width = len(model.free)
    within = blocks[0].scatter
    if np.linalg.eigvalsh(within)[0] < 1e-10:
        raise ModelError.build(
            "Within clusters one item is a combination of others.", hint="leave out totals and repeated columns."
        )
    total = np.cov(rows, rowvar=False, ddof=0)
    between = np.diag(np.maximum(np.diag(total - within), 0.05 * np.diag(total)))

    def likelihood(theta: FloatArray) -> Evaluation | None:
        """Return the likelihood of both levels' parameters, means last."""
        one, two = model.implied(theta[:width]), model.implied(theta[width : 2 * width])
        return evaluate(blocks, Implied((one[0], two[0]), (one[1], two[1]), theta[2 * width :]))

    start = np.concatenate([model.start(within), model.start(between), rows.mean(axis=0)])
    found = maximise(likelihood, start)
    if not found.converged:
        raise ConvergenceError.build(
            "The two-level factor model has no maximum that could be found.",
            hint="an item may not vary between patients: compare reliability(..., cluster=...).item_statistics().",
        )
    covariance = np.asarray(np.linalg.pinv(observed_information(likelihood, found.theta)), dtype=float)
    return found, covariance, (within, between)


def _tables(
    theta: FloatArray, covariance: FloatArray, free: Implied, unit: FloatArray, *, cluster: str, sizes: IntArray
) -> tuple[pd.DataFrame, pd.DataFrame, int]:
    """Return coefficients, loadings, and the number of residual variances that are not positive."""
    k = len(unit)
    rows, tables, n_improper = [], [], 0
    counts = (int(sizes.sum()), len(sizes))
    for number, (level, free_covariance) in enumerate(zip(LEVELS, free.covariances, strict=True)):
        at = slice(2 * k * number, 2 * k * (number + 1))
        loadings, residuals = theta[at][:k] * unit, theta[at][k:] * unit**2
        sign = -1.0 if loadings.sum() < 0 else 1.0
        value, gradient = omega_of(sign * loadings, residuals)
        gradient = gradient * np.concatenate([sign * unit, unit**2])
        error = float(np.sqrt(gradient @ covariance[at, at] @ gradient))
        n_improper += int(np.sum(residuals <= 0))
        head = {"group": cluster, "level": level}
        alpha = cronbach_alpha(free_covariance * np.outer(unit, unit))
        rows.append({"term": "omega", **head, "estimate": value, "std_error": error, "n": counts[number]})
        rows.append({"term": "alpha", **head, "estimate": alpha, "std_error": float("nan"), "n": counts[number]})
        tables.append(pd.DataFrame({"level": level, "loading": sign * loadings, "residual_variance": residuals}))
    return pd.DataFrame(rows), pd.concat(tables, ignore_index=True), n_improper


def _summary(found: Maximum, deviance: float, unit: FloatArray, sizes: IntArray) -> pd.DataFrame:
    """Return what glance() shows."""
    from scipy.stats import chi2 as chi2_distribution

    k = len(unit)
    df = k * (k + 1) - 4 * k
    chi2 = found.at.deviance - deviance
    n = int(sizes.sum())
    return pd.DataFrame(
        [
            {
                "n": n,
                "n_clusters": len(sizes),
                "n_items": k,
                "chi2": chi2,
                "df": df,
                "p_value": float(chi2_distribution.sf(chi2, df)) if df else float("nan"),
                "log_likelihood": -0.5 * found.at.deviance - n * float(np.log(unit).sum()),
            }
        ]
    )
