"""Omega: how much of a score's variance its factors carry."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from alliance_stats.errors import AllianceStatsError, AllianceStatsWarning, DataError
from alliance_stats.result import Result
from alliance_stats.scales.answers import Items
from alliance_stats.scales.consistency import correlations
from alliance_stats.scales.item_sample import PARTS, ItemSample, Part, PartOfSample, item_sample, part_of_sample
from alliance_stats.scales.keying import FloatArray
from alliance_stats.scales.schmid_leiman import schmid_leiman
from alliance_stats.scales.single_factor import single_factor


@dataclass(frozen=True, kw_only=True)
class Omega(Result):
    """Omega coefficients of a set of items; made by `omega`.

    Parameters
    ----------
    estimates : DataFrame
        One row per coefficient and part of the data.
    draws : ndarray, shape (n_bootstrap, n_estimates)
        Bootstrap values; NaN where a sample could not be analysed.
    item_loadings : DataFrame
        One row per item and part; see `loadings`.
    n_factors : int
        Factors of the model.
    """

    estimates: pd.DataFrame
    draws: FloatArray
    item_loadings: pd.DataFrame
    n_factors: int

    def tidy(self, *, level: float = 0.95) -> pd.DataFrame:
        """Return the coefficients.

        Parameters
        ----------
        level : float in (0, 1)
            Coverage of the interval.

        Returns
        -------
        DataFrame
            One row per coefficient: term (omega_total or omega_hierarchical), group (the cluster column), kind (rows,
            cluster_means or cluster_deviations), estimate, std_error, conf_low, conf_high, conf_level, n.
        """
        from scipy.stats import norm

        if not 0 < level < 1:
            raise DataError.build(
                f"level = {level} is not between 0 and 1.", hint="use 0.95 for a 95 percent interval."
            )
        table = self.estimates.copy()
        if len(self.draws):
            tail = (1 - level) / 2
            low, high = np.nanquantile(self.draws, [tail, 1 - tail], axis=0)
        else:
            half = norm.ppf(0.5 + level / 2) * table["std_error"]
            low, high = table["estimate"] - half, np.minimum(table["estimate"] + half, 1.0)
        table = table.drop(columns="n")
        return table.assign(conf_low=low, conf_high=high, conf_level=level, n=self.estimates["n"])

    def loadings(self) -> pd.DataFrame:
        """Return one row per item and part: kind, item, general, the group factors, and communality (share of variance)."""
        return self.item_loadings.copy()

    def glance(self) -> pd.DataFrame:
        """Return one row: n (rows used), n_items, n_factors, n_bootstrap."""
        rows = self.estimates["n"].iloc[0]
        n_items = self.item_loadings["item"].nunique()
        return pd.DataFrame(
            [{"n": rows, "n_items": n_items, "n_factors": self.n_factors, "n_bootstrap": len(self.draws)}]
        )


def omega(
    frame: pd.DataFrame,
    items: Items,
    *,
    n_factors: int = 1,
    cluster: str | None = None,
    n_bootstrap: int = 0,
    seed: int | None = None,
    progress: bool = True,
) -> Omega:
    """Compute omega total, and with several factors omega hierarchical.

    Use it in place of alpha when items load differently on what they share. With one factor, omega total is the reliability
    of the sum of the items if that factor is all they share. With several, omega total counts general and group factors,
    and omega hierarchical the general factor only: how far the sum measures one thing. The level of the data matters as it
    does for alpha: over sessions of several patients the coefficient mixes differences between patients with changes within
    them; name the patients with ``cluster`` to get the parts.

    Parameters
    ----------
    frame : DataFrame
        One row per filled-in form; for one session, pass the rows of that session.
    items : str, sequence of str, or mapping of int to str
        Item columns, as in `score`; reverse-keyed items already reversed.
    n_factors : int
        1, or the number of group factors below a general factor (at least 3 to identify it; 2 takes them as equally general).
    cluster : str, optional
        Column of the patients (or couples) that rows repeat; adds cluster_means and cluster_deviations. These means still
        hold session noise; see `multilevel_omega` for the part without it.
    n_bootstrap : int
        Samples of clusters (of rows without ``cluster``) for percentile intervals; 0 for the delta method, which exists with
        one factor only.
    seed : int, optional
        Needed with ``n_bootstrap``.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Omega

    Raises
    ------
    ColumnError
        If a column is missing or holds text.
    DataError
        If there are fewer than 3 items (or 3 per group factor), too few complete rows, or an item that does not vary.
    ConvergenceError
        If the factor model cannot be fitted.

    Warns
    -----
    AllianceStatsWarning
        If an item has a negative loading, or a residual variance is not positive.

    See Also
    --------
    reliability : alpha and item statistics.
    multilevel_omega : within and between patients.

    Notes
    -----
    Rows with a missing answer are left out. One factor: maximum likelihood on covariances, in points; omega = (sum of
    loadings)^2 / ((sum of loadings)^2 + sum of residual variances). Its interval by the delta method takes rows as
    independent. Several: minimum residuals, oblimin and the Schmid-Leiman transformation of correlations, so the
    coefficients belong to the sum of standardised items.

    References
    ----------
    McDonald, R. P. (1999). Test theory: A unified treatment. Erlbaum.

    Raykov, T. (2002). Multivariate Behavioral Research, 37, 89-103. https://doi.org/10.1207/S15327906MBR3701_04

    Zinbarg, R. E., Revelle, W., Yovel, I., & Li, W. (2005). Psychometrika, 70, 123-133.
    https://doi.org/10.1007/s11336-003-0974-7

    Examples
    --------
    >>> import alliance_stats as al
    >>> first = al.load_sample("therapist_statements").query("session == 1")
    >>> found = al.omega(first, "wai_{}").tidy()
    >>> print(found[["term", "estimate", "conf_low", "conf_high", "n"]].round(2).to_string(index=False))
           term  estimate  conf_low  conf_high   n
    omega_total      0.93      0.92       0.94 543
    """
    _require_sensible(n_factors, n_bootstrap, seed)
    sample = item_sample(frame, items, at_least=3 if n_factors == 1 else 3 * n_factors)
    kinds: Sequence[Part] = PARTS if cluster is not None else PARTS[:1]
    parts = [part_of_sample(frame, sample, cluster=cluster, part=kind) for kind in kinds]
    fits = [_coefficients(part.covariance, n_factors, n=_n_independent(part)) for part in parts]
    estimates = pd.DataFrame(
        [
            {
                "term": term,
                "group": "" if part.kind == "rows" or cluster is None else cluster,
                "kind": part.kind,
                "estimate": value,
                "std_error": error,
                "n": len(part.answers),
            }
            for part, fit in zip(parts, fits, strict=True)
            for term, value, error in zip(fit.terms, fit.omegas, fit.errors, strict=True)
        ]
    )
    draws, n_failed = _bootstrap(parts, n_factors, n_bootstrap=n_bootstrap, seed=seed, progress=progress)
    if n_bootstrap:
        estimates["std_error"] = np.nanstd(draws, axis=0, ddof=1)
    _warn(fits, sample)
    return Omega(
        estimates=estimates,
        draws=draws,
        item_loadings=_loading_table(sample, parts, fits),
        n_factors=n_factors,
        notes=tuple(_notes(sample, n_factors, cluster, n_bootstrap, n_failed, fits)),
    )


@dataclass(frozen=True, kw_only=True)
class _Fit:
    """Coefficients of one part; loadings shape (k, 1 or 1 + m), communalities shape (k,)."""

    terms: tuple[str, ...]
    omegas: tuple[float, ...]
    errors: tuple[float, ...]
    loadings: FloatArray
    communalities: FloatArray
    n_improper: int


def _require_sensible(n_factors: int, n_bootstrap: int, seed: int | None) -> None:
    """Raise if the options do not go together."""
    if n_factors < 1:
        raise DataError.build(f"n_factors = {n_factors}.", hint="use 1, or the number of group factors.")
    if n_bootstrap < 0 or (n_bootstrap and seed is None):
        raise DataError.build(
            f"n_bootstrap = {n_bootstrap} with seed = {seed}.", hint="give a positive number of samples and a seed."
        )


def _n_independent(part: PartOfSample) -> int:
    """Return the number of rows that carry information."""
    return part.df if part.kind == "cluster_deviations" else len(part.answers)


def _coefficients(covariance: FloatArray, n_factors: int, *, n: int) -> _Fit:
    """Return the coefficients of one covariance matrix."""
    variances = np.diag(covariance)
    if n_factors == 1:
        single = single_factor(covariance, n=n)
        return _Fit(
            terms=("omega_total",),
            omegas=(single.omega,),
            errors=(single.std_error,),
            loadings=single.loadings[:, None],
            communalities=single.loadings**2 / (single.loadings**2 + single.residuals),
            n_improper=single.n_improper,
        )
    found = schmid_leiman(correlations(covariance), n_factors)
    return _Fit(
        terms=("omega_total", "omega_hierarchical"),
        omegas=(found.omega_total, found.omega_hierarchical),
        errors=(float("nan"), float("nan")),
        loadings=np.column_stack([found.general, found.groups]) * np.sqrt(variances)[:, None],
        communalities=1.0 - found.uniquenesses,
        n_improper=found.n_improper,
    )


def _bootstrap(
    parts: Sequence[PartOfSample], n_factors: int, *, n_bootstrap: int, seed: int | None, progress: bool
) -> tuple[FloatArray, int]:
    """Return bootstrap values, shape (n_bootstrap, n_estimates), and how many could not be computed."""
    if not n_bootstrap:
        return np.empty((0, 0)), 0
    from tqdm import tqdm

    streams = [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(len(parts))]
    positions = [_canonical_clusters(part) for part in parts]
    width = 1 if n_factors == 1 else 2
    draws = np.full((n_bootstrap, width * len(parts)), np.nan)
    for number in tqdm(range(n_bootstrap), desc="bootstrap", disable=not progress):
        for at, (part, rng, position) in enumerate(zip(parts, streams, positions, strict=True)):
            n_clusters = int(position.max()) + 1
            weights = rng.multinomial(n_clusters, np.full(n_clusters, 1.0 / n_clusters))
            covariance = _weighted_covariance(part, weights[position])
            try:
                fit = _coefficients(covariance, n_factors, n=_n_independent(part))
            except (AllianceStatsError, np.linalg.LinAlgError):
                # Counted in the notes: a sample in which an item is constant, or items coincide, has no factor model.
                continue
            draws[number, width * at : width * (at + 1)] = fit.omegas
    return draws, int(np.isnan(draws).any(axis=1).sum())


def _canonical_clusters(part: PartOfSample) -> np.ndarray:
    """Return a cluster number per row that depends on the answers, not on the order of rows or on the ids."""
    _, position = np.unique(part.clusters, return_inverse=True)
    sizes = np.bincount(position)
    # Squares tell clusters of deviations apart, whose sums are all zero.
    keys = [np.bincount(position, weights=column**power) for column in part.answers.T for power in (1, 2)]
    order = np.lexsort([*(np.round(key, 9) for key in keys), sizes])
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank[position]


def _weighted_covariance(part: PartOfSample, weights: np.ndarray) -> FloatArray:
    """Return the covariance of rows that stand for several, shape (k, k); its divisor does not matter to omega."""
    total = float(weights.sum())
    deviations = part.kind == "cluster_deviations"
    centre = np.zeros(part.answers.shape[1]) if deviations else weights @ part.answers / total
    centred = part.answers - centre
    result: FloatArray = (centred * weights[:, None]).T @ centred / total
    return result


def _loading_table(sample: ItemSample, parts: Sequence[PartOfSample], fits: Sequence[_Fit]) -> pd.DataFrame:
    """Return one row per part and item."""
    tables = []
    for part, fit in zip(parts, fits, strict=True):
        names = ["general", *(f"group_{number}" for number in range(1, fit.loadings.shape[1]))]
        table = pd.DataFrame(fit.loadings, columns=names)
        table.insert(0, "kind", part.kind)
        table.insert(1, "item", list(sample.items))
        tables.append(table.assign(communality=fit.communalities))
    return pd.concat(tables, ignore_index=True)


def _warn(fits: Sequence[_Fit], sample: ItemSample) -> None:
    """Warn about items that load negatively and about improper solutions."""
    against = [name for name, value in zip(sample.items, fits[0].loadings[:, 0], strict=True) if value < 0]
    if against:
        warnings.warn(
            f"Column {', '.join(against[:5])}: negative loading, so omega is too low. Reverse such items first.",
            AllianceStatsWarning,
            stacklevel=3,
        )
    if any(fit.n_improper for fit in fits):
        warnings.warn(
            "The factor model leaves an item no error variance: omega is too high. Use fewer factors, or leave the item out.",
            AllianceStatsWarning,
            stacklevel=3,
        )


def _notes(
    sample: ItemSample, n_factors: int, cluster: str | None, n_bootstrap: int, n_failed: int, fits: Sequence[_Fit]
) -> list[str]:
    """Return what a reader must know about the numbers."""
    notes = sample.notes
    if n_factors == 1:
        notes.append("Omega of the sum of the items in points: one factor by maximum likelihood.")
    else:
        notes.append(
            f"Omega of the sum of standardised items: {n_factors} factors by minimum residuals, oblimin, Schmid-Leiman."
        )
    if n_factors == 2:
        notes.append("Two group factors do not identify a general factor: its loadings on them are taken as equal.")
    if cluster is not None:
        notes.append(
            f"cluster_means are the averages of the levels of '{cluster}' over their rows, session noise included."
        )
    elif sample.repeats_patients:
        notes.append(
            "Rows repeat patients: omega mixes differences between patients with changes within them; cluster='patient' "
            "gives both parts."
        )
    unit = f"levels of '{cluster}'" if cluster is not None else "rows"
    if n_bootstrap:
        notes.append(
            f"Percentile intervals from {n_bootstrap} bootstrap samples of {unit}; {n_failed} could not be used."
        )
    elif n_factors == 1:
        notes.append("Intervals by the delta method, as if rows were independent.")
    else:
        notes.append("No interval without n_bootstrap.")
    if any(fit.n_improper for fit in fits):
        notes.append("Improper solution: an item without error variance.")
    return notes
