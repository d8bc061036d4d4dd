"""How much therapists differ in the outcomes of their patients."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from alliance_stats.errors import DataError, counted, unknown_name
from alliance_stats.inference.bootstrap import parametric_bootstrap
from alliance_stats.inference.linear import require_level
from alliance_stats.inference.replicates import Seed
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.mixed.lmm import lmm
from alliance_stats.process.arguments import truth
from alliance_stats.process.caseload import WITH, WITHOUT, Caseload, caseload_rows
from alliance_stats.process.therapist_tables import (
    ShareStatistic,
    estimate_table,
    reliability_table,
    share_table,
)
from alliance_stats.result import Result
from alliance_stats.scales.cutoffs import require_direction
from alliance_stats.scales.instrument_parts import Direction

Part: TypeAlias = Literal["shares", "estimates", "reliability"]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TherapistEffects(Result):
    """Differences between therapists; made by `therapist_effects`.

    Parameters
    ----------
    outcome : str
    level : float in (0, 1)
        Of the intervals.
    direction : {"higher_is_better", "higher_is_worse"} or None
        What the ranks count from.
    caseload : Caseload
        The rows, with their columns and counts.
    fits : mapping of str to LmmFit
        The models, "without caseload" and, if columns were named, "with caseload".
    shares, therapists, reliability : DataFrame
        What ``tidy()`` returns; therapists by number.
    labels : Index
        The users' ids in the order of the numbers.
    """

    outcome: str
    level: float
    direction: Direction | None
    caseload: Caseload = field(repr=False)
    fits: Mapping[str, LmmFit] = field(repr=False)
    shares: pd.DataFrame = field(repr=False)
    therapists: pd.DataFrame = field(repr=False)
    reliability: pd.DataFrame = field(repr=False)
    labels: pd.Index[Any] = field(repr=False)

    def __repr__(self) -> str:
        load = self.caseload
        counted = "sessions" if load.repeated and "session" in load.rows else "ratings"
        return (
            f"TherapistEffects({self.outcome}, {load.n_therapists} therapists, {load.n_patients} patients, {len(load.rows)} "
            f"{counted})"
        )

    def tidy(self, part: Part = "shares") -> pd.DataFrame:
        """Return one of three tables.

        Parameters
        ----------
        part : {"shares", "estimates", "reliability"}

        Returns
        -------
        DataFrame
            Shares: one row per model, quantity (term) and kind of interval ("profile", "bootstrap", or "estimate" for
            a quantity without interval); n counts therapists. Estimates: one row per model, effect and therapist, see
            `estimates`. Reliability: one row per model and number of patients (kind "reliability"), and the patients
            needed for a reliability of .70 and .80 (kind "patients needed", target).
        """
        if part not in get_args(Part):
            raise unknown_name(DataError, "part", str(part), get_args(Part))
        return {"shares": self.shares, "estimates": self.therapists, "reliability": self.reliability}[part].copy()

    def estimates(self, *, labels: bool = False) -> pd.DataFrame:
        """Return the shrunken estimate of each therapist.

        Parameters
        ----------
        labels : bool
            Add a column ``therapist`` with the ids of the data. Without it therapists are numbers, by rank in the last
            model. Ranks of named persons are personal data.

        Returns
        -------
        DataFrame
            One row per model, effect (term) and therapist: level (the number), estimate (deviation from the average
            therapist, in points), std_error, conf_low, conf_high, conf_level, n (patients), expected_rank, percentile
            (how many per cent of therapists are expected to do less well, half of oneself included: the best one is near 100
            though of rank 1; without a direction, how many have lower values), reliability. Where the variance between
            therapists is estimated at zero, all estimates are zero and std_error and interval are missing: the data do not tell
            therapists apart, which is not the same as knowing that they are alike.
        """
        table = self.therapists.copy()
        if truth(labels, "labels"):
            table["therapist"] = self.labels.to_numpy()[table["level"].to_numpy() - 1]
        return table

    def bootstrap(self, n: int = 1000, *, seed: Seed, n_jobs: int = 1, progress: bool = True) -> TherapistEffects:
        """Return the result with intervals from a parametric bootstrap beside those of the profiles.

        Parameters
        ----------
        n : int
            Replicates per model.
        seed : int or SeedSequence
        n_jobs : int
            Processes; -1 for as many as there are cores.
        progress : bool
            Show a bar on stderr when it takes longer than a second.

        Returns
        -------
        TherapistEffects
            ``shares`` has one more row per share and variance, of the kind "bootstrap": percentile limits.
        """
        tables, failed = [self.shares[self.shares["kind"] != "bootstrap"]], 0
        for model, fit in self.fits.items():
            draws = parametric_bootstrap(
                fit, n, seed=seed, n_jobs=n_jobs, progress=progress, statistic=ShareStatistic(self.caseload)
            )
            own = draws.tidy(level=self.level)[["term", "estimate", "conf_low", "conf_high", "conf_level"]]
            tables.append(
                own.assign(
                    model=model,
                    outcome=self.outcome,
                    group="therapist",
                    kind="bootstrap",
                    n=self.caseload.n_therapists,
                )
            )
            failed += draws.n_failed
        note = (
            f"Bootstrap: percentile limits of {n} parametric replicates per model, {failed} refits failed; where the "
            "variance is estimated at zero, replicates are drawn from zero as well."
        )
        kept = tuple(text for text in self.notes if not text.startswith("Bootstrap:"))
        shares = pd.concat(tables, ignore_index=True)[list(self.shares.columns)]
        return replace(self, shares=shares, notes=(*kept, note))

    def glance(self) -> pd.DataFrame:
        """Return one row: outcome, counts, share of all variance in the last model, state of the fits."""
        load = self.caseload
        model = list(self.fits)[-1]
        first = self.shares[(self.shares["model"] == model) & (self.shares["kind"] == "profile")].iloc[0]
        row = {"outcome": self.outcome, "model": model, "estimate": first["estimate"]}
        row |= {name: first[name] for name in ("conf_low", "conf_high", "conf_level")}
        row |= {"n": len(load.rows), "n_patients": load.n_patients, "n_therapists": load.n_therapists}
        row |= {"converged": all(fit.converged for fit in self.fits.values())}
        return pd.DataFrame([row | {"singular": any(fit.singular for fit in self.fits.values())}])


def therapist_effects(
    frame: pd.DataFrame,
    outcome: str,
    *,
    covariates: Sequence[str] = (),
    caseload: Sequence[str] = (),
    slope: str | None = None,
    direction: Direction | None = None,
    level: float = 0.95,
    progress: bool = True,
) -> TherapistEffects:
    """Estimate how much therapists differ in their patients' outcomes, before and after caseload is held fixed.

    Use it for the therapist effect: the share of the outcome's variance that lies between therapists (an intraclass
    correlation), shrunken estimates of single therapists, and how many patients a therapist's mean needs. The estimand is
    a variance between therapists as patients came to them; unless patients were allotted at random it holds whatever
    their patients differ in beyond ``covariates`` and ``caseload``.

    Parameters
    ----------
    frame : DataFrame
        Session table with ``patient`` and ``therapist``, of one rater: one row per patient, or one per patient and session.
    outcome : str
        Numeric column, in scale points.
    covariates : sequence of str
        Columns of both models, such as the session number.
    caseload : sequence of str
        What patients bring with them, such as severity at intake. With it there are two models on the same rows, without
        and with these columns.
    slope : str, optional
        Column, such as ``"session"``, whose slope differs between therapists and between patients. Variances of the mean
        are then those at the mean of the column.
    direction : {"higher_is_better", "higher_is_worse"}, optional
        Rank 1 is then the best therapist, with the highest percentile; if left out, rank 1 and the lowest percentile are of
        the lowest values.
    level : float in (0, 1)
        Of the intervals.
    progress : bool
        Show a bar on stderr when the profiles take longer than two seconds.

    Returns
    -------
    TherapistEffects
        ``bootstrap(n, seed=...)`` adds bootstrap intervals.

    Raises
    ------
    ColumnError
        If a column is missing or the outcome is not numeric.
    DataError
        If there is one therapist, each therapist has one patient, the outcome does not vary, or not within patients who have
        several rows, several raters are mixed, a patient and session occur twice, a value is infinite, a column has two roles,
        no row is complete, or there is a slope of a column that does not vary within patients.
    ModelError, ConvergenceError
        If the data cannot identify the model, no optimum was found, or ``level`` is no level.

    See Also
    --------
    confidence_intervals, random_effect_tests, dependability

    Notes
    -----
    Models by REML: ``outcome ~ covariates + (1 | patient) + (1 | therapist)``; without the patients' term if there is one
    row per patient. With variances tau2 of therapists, sigma_p2 of patients, sigma2 of residuals and m ratings per patient
    (harmonic mean), the shares are tau2 over tau2 + sigma_p2 + sigma2 (a single rating), tau2 + sigma_p2 + sigma2 / m (means
    of patients), and tau2 + sigma_p2 (patients as they lastingly are). They answer different questions and are all shown.

    Profile intervals come from the restricted likelihood with the share held fixed; Wald intervals are not offered. A
    therapist's estimate is the conditional mode, shrunken by its reliability 1 - s^2 / tau2, with s its conditional
    standard deviation; for n patients with one rating that is tau2 / (tau2 + sigma2 / n). Intervals of therapists and
    expected ranks take the variances as known, and ranks use P(i above k) = Phi((b_i - b_k) / sqrt(s_i^2 + s_k^2)). A variance
    estimated at zero taken as known would give every therapist an interval of width zero; then there is no interval.
    Of K therapists, one of expected rank r has the percentile 100 (K - r + .5) / K, without a direction 100 (r - .5) / K.

    A caseload column enters as it is: one slope for patients of the same and of different therapists.

    References
    ----------
    Laird, N. M., & Louis, T. A. (1989). Empirical Bayes ranking methods. Journal of Educational Statistics, 14, 29-46.
    doi 10.3102/10769986014001029.
    Lingsma, H. F., et al. (2010). Comparing and ranking hospitals based on outcome: results from The Netherlands Stroke
    Survey. QJM, 103, 99-108. doi 10.1093/qjmed/hcp169.

    Examples
    --------
    >>> import alliance_stats as al
    >>> sessions = al.score(al.load_sample("therapist_statements"), "ors", items="ors_{}")
    >>> result = al.therapist_effects(sessions, "ors_sum", covariates=["session"])
    >>> shares = result.tidy()[["term", "estimate", "conf_low", "conf_high"]].head(3)
    >>> print(shares.round(2).to_string(index=False))
                                        term  estimate  conf_low  conf_high
                       share of all variance      0.07      0.03       0.13
    share of the variance of patients' means      0.10      0.04       0.18
      share of the variance between patients      0.10      0.05       0.19
    """
    require_level(level)
    if direction is not None:
        require_direction(direction)
    truth(progress, "progress")
    load = caseload_rows(frame, outcome, covariates=covariates, caseload=caseload, slope=slope)
    models = (WITHOUT, WITH) if load.caseload else (WITHOUT,)
    fits = {model: lmm(load.formula(model), load.rows) for model in models}
    shares = share_table(load, fits, level, progress=progress)
    therapists, labels = estimate_table(load, fits, level=level, direction=direction)
    return TherapistEffects(
        outcome=outcome,
        level=level,
        direction=direction,
        caseload=load,
        fits=fits,
        shares=shares,
        therapists=therapists,
        reliability=reliability_table(shares),
        labels=labels,
        notes=tuple(_notes(load, fits, therapists, direction)),
    )


def _notes(
    load: Caseload, fits: Mapping[str, LmmFit], therapists: pd.DataFrame, direction: Direction | None
) -> list[str]:
    """Return estimand, models, counts, what few therapists mean, ranks."""
    counts = load.patients_per_therapist(pd.Index(load.rows["therapist"].unique()))
    notes = [
        "Estimand: variance between therapists as patients came to them; it is an effect of therapists only as far as "
        "patients were allotted at random or differ in nothing but the columns held fixed.",
        *(f"Model {model}: {fit.formula}; REML." for model, fit in fits.items()),
        *load.notes,
        f"N: {len(load.rows)} rows of {load.n_patients} patients with {load.n_therapists} therapists; patients per "
        f"therapist {counts.min()} to {counts.max()}, median {np.median(counts):g}.",
        *_few(load.n_therapists),
        "Profile intervals: restricted likelihood with the share held fixed, chi-square with 1 df.",
    ]
    if load.repeated:
        notes.append(
            f"Patients' means: of {load.sessions:.3g} ratings per patient (harmonic mean). The reliability of a "
            "therapist's mean by number of patients is for such patients."
        )
    if load.slope:
        notes.append(
            f"Shares and estimates of the mean are those at the mean of {load.slope}; elsewhere they differ, because "
            "slopes do."
        )
    if load.caseload:
        notes.append(f"Caseload columns have one slope within and between therapists: {', '.join(load.caseload)}.")
    notes += [
        f"Model {model}: the variance between therapists is estimated at zero. These data do not tell therapists apart, so their "
        "estimates have no intervals; how far they may differ is said by the interval of the share."
        for model in _zero(fits)
    ]
    return [*notes, *_rank_notes(therapists, direction)]


def _few(n_therapists: int) -> list[str]:
    """Return how well a variance can be known from so many therapists."""
    relative = 100.0 * math.sqrt(2.0 / (n_therapists - 1))
    return [
        f"The variance between therapists rests on {counted(n_therapists - 1, 'degree')} of freedom: with {n_therapists} "
        f"therapists its relative standard error would be {relative:.0f}% even if their means were known without error."
    ]


def _zero(fits: Mapping[str, LmmFit]) -> list[str]:
    """Return the models in which therapists have no variance."""
    found = []
    for model, fit in fits.items():
        table = fit.variance_components()
        here = (table["group"] == "therapist") & (table["term"] == "Intercept") & (table["kind"] == "variance")
        if float(table.loc[here, "estimate"].iloc[0]) == 0.0:
            found.append(model)
    return found


def _rank_notes(therapists: pd.DataFrame, direction: Direction | None) -> list[str]:
    """Return how therapists are numbered, and how many differ from the average."""
    model = therapists["model"].iloc[-1]
    own = therapists[(therapists["model"] == model) & (therapists["term"] == "mean")]
    apart = int(((own["conf_low"] > 0) | (own["conf_high"] < 0)).sum())
    first = "the lowest values" if direction is None else "the best values"
    meaning = "" if direction is None else f" ({direction.replace('_', ' ')})"
    if own["conf_low"].isna().all():
        return [
            f"Therapists are numbered by their plain means, because the model {model} does not rank them; number 1 has {first}"
            f"{meaning}. Their ids are given by estimates(labels=True) only."
        ]
    share = "have lower values" if direction is None else "do less well"
    return [
        f"Therapists are numbered by rank in the model {model}; rank 1 has {first}{meaning}. A percentile is the per cent of "
        f"therapists expected to {share}. Their ids are given by estimates(labels=True) only.",
        f"Intervals of {apart} of {len(own)} therapists leave out the average; they take the variances as known and are not "
        "adjusted for their number.",
    ]
