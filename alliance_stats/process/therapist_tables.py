"""The tables of an analysis of therapists: shares, shrunken estimates, reliability by caseload."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri

from alliance_stats.mixed.fit import LmmFit
from alliance_stats.process.caseload import WITH, WITHOUT, Caseload
from alliance_stats.process.expected_rank import expected_ranks
from alliance_stats.process.variance_share import ShareKind, share_limits, variance_share
from alliance_stats.scales.instrument_parts import Direction

ALL = "share of all variance"
MEANS = "share of the variance of patients' means"
PATIENTS = "share of the variance between patients"
SLOPES = "share of the variance of patients' slopes"

TARGETS = (0.70, 0.80)
SIZES = (1, 2, 5, 10, 15, 20, 30, 40, 60, 80, 100, 150, 200)
"""Caseloads for which the reliability of a therapist's mean is tabulated."""


def share_kinds(load: Caseload) -> tuple[ShareKind, ...]:
    """Return the shares that these rows can tell."""
    if not load.repeated:
        return (ShareKind(ALL, "Intercept", 1.0),)
    kinds = [
        ShareKind(ALL, "Intercept", 1.0),
        ShareKind(MEANS, "Intercept", 1.0 / load.sessions),
        ShareKind(PATIENTS, "Intercept", 0.0),
    ]
    if load.slope:
        kinds.append(ShareKind(SLOPES, load.centred, 0.0))
    return tuple(kinds)


def within(load: Caseload) -> str | None:
    """Return the factor whose variance stands beside the therapists'."""
    return "patient" if load.repeated else None


def share_table(load: Caseload, fits: Mapping[str, LmmFit], level: float, *, progress: bool) -> pd.DataFrame:
    """Return shares with profile intervals, variances, and what the caseload explains; one row each."""
    from tqdm import tqdm

    rows: list[dict[str, Any]] = []
    base = {"outcome": load.outcome, "group": "therapist", "n": load.n_therapists}
    total = len(fits) * len(share_kinds(load))
    with tqdm(total=total, desc="profiles", unit="share", delay=2.0, disable=not progress) as bar:
        for model, fit in fits.items():
            own = base | {"model": model}
            for kind in share_kinds(load):
                estimate = variance_share(fit, kind, group="therapist", within=within(load))
                limits = share_limits(fit, kind, group="therapist", within=within(load), level=level)
                interval = {"conf_low": limits.low, "conf_high": limits.high, "conf_level": level}
                rows.append(own | {"term": kind.name, "kind": "profile", "estimate": estimate} | interval)
                bar.update()
            for name, value in therapist_variances(fit, load).items():
                rows.append(own | {"term": name, "kind": "estimate", "estimate": value})
    if len(fits) == 2:
        rows.append(base | {"model": f"{WITH} against {WITHOUT}", **_explained(load, fits), "kind": "estimate"})
    table = pd.DataFrame(rows)
    columns = ["model", "outcome", "term", "group", "kind", "estimate", "conf_low", "conf_high", "conf_level", "n"]
    return table[columns]


def therapist_variances(fit: LmmFit, load: Caseload) -> dict[str, float]:
    """Return the variances between therapists, in squared units of the outcome (per unit of the slope's column)."""
    found = {"variance between therapists": _variance(fit, "Intercept")}
    if load.slope:
        found["variance of therapists' slopes"] = _variance(fit, load.centred)
    return found


def _explained(load: Caseload, fits: Mapping[str, LmmFit]) -> dict[str, Any]:
    """Return by which part the caseload lowers the variance between therapists."""
    name = "variance between therapists"
    before, after = (therapist_variances(fits[model], load)[name] for model in (WITHOUT, WITH))
    return {"term": "variance explained by caseload", "estimate": 1.0 - after / before if before > 0 else math.nan}


@dataclass(frozen=True)
class ShareStatistic:
    """The shares and variances of a fit by name, for the bootstrap."""

    load: Caseload

    def __call__(self, fit: LmmFit) -> dict[str, float]:
        """Return the numbers of one replicate."""
        beside = within(self.load)
        shares = {k.name: variance_share(fit, k, group="therapist", within=beside) for k in share_kinds(self.load)}
        return shares | therapist_variances(fit, self.load)


def estimate_table(
    load: Caseload, fits: Mapping[str, LmmFit], *, level: float, direction: Direction | None
) -> tuple[pd.DataFrame, pd.Index[Any]]:
    """Return one row per model, effect and therapist, therapists numbered by rank, and the labels in that order.

    Rank 1 has the lowest values, or with a direction the best ones.
    """
    sign = -1 if direction == "higher_is_better" else 1
    main = fits[WITH] if WITH in fits else fits[WITHOUT]
    k = [g.name for g in main.design.groupings].index("therapist")
    labels = main.design.groupings[k].labels.get_level_values(0)
    means = load.rows.groupby("therapist", observed=True)[load.outcome].mean().reindex(labels).to_numpy(dtype=float)
    first = main.level_effects(k)[0][0]
    # Therapists that the model does not tell apart are put in the order of their plain means, which ids cannot change.
    order = np.lexsort((sign * means, sign * np.where(np.abs(first) > 0, first, 0.0)))
    number = np.empty(order.size, dtype=np.int64)
    number[order] = np.arange(1, order.size + 1)
    tables = []
    for model, fit in fits.items():
        effects, errors = fit.level_effects([g.name for g in fit.design.groupings].index("therapist"))
        names = next(term.names for term in fit.design.terms if term.grouping.name == "therapist")
        for name, effect, error in zip(names, effects, errors, strict=True):
            own = _one_effect(effect, error, _variance(fit, name), level=level, direction=direction)
            shown = "mean" if name == "Intercept" else f"slope of {load.slope}"
            tables.append(own.assign(model=model, term=shown, level=number, n=load.patients_per_therapist(labels)))
    table = pd.concat(tables, ignore_index=True).assign(outcome=load.outcome, group="therapist")
    table["place"] = table.groupby(["model", "term"], sort=False).ngroup()
    table = table.sort_values(["place", "level"], ignore_index=True)
    columns = ["model", "outcome", "term", "group", "level", "estimate", "std_error", "conf_low", "conf_high"]
    return table[[*columns, "conf_level", "n", "expected_rank", "percentile", "reliability"]], labels[order]


def _variance(fit: LmmFit, effect: str) -> float:
    """Return the variance of an effect between therapists."""
    table = fit.variance_components()
    here = (table["group"] == "therapist") & (table["kind"] == "variance") & (table["term"] == effect)
    return float(table.loc[here, "estimate"].iloc[0])


def _one_effect(
    effect: np.ndarray, error: np.ndarray, variance: float, *, level: float, direction: Direction | None
) -> pd.DataFrame:
    """Return estimates, intervals, ranks and reliability of one effect, one row per therapist.

    Where the variance is estimated at zero the conditional spread is zero too; shown as an interval it would pass for
    certainty, so there is none. A percentile counts upwards, to the highest or best values, whatever has rank 1.
    """
    rank = expected_ranks(-effect if direction == "higher_is_better" else effect, error)
    below = rank.size + 1.0 - rank if direction else rank
    known = 1.0 - error**2 / variance if variance > 0 else np.zeros(effect.size)
    error = error if variance > 0 else np.full(effect.size, np.nan)
    half = float(ndtri(0.5 + level / 2.0)) * error
    return pd.DataFrame(
        {
            "estimate": effect,
            "std_error": error,
            "conf_low": effect - half,
            "conf_high": effect + half,
            "conf_level": level,
            "expected_rank": rank,
            "percentile": 100.0 * (below - 0.5) / rank.size,
            "reliability": np.clip(known, 0.0, 1.0),
        }
    )


def reliability_table(shares: pd.DataFrame, sizes: Sequence[int] = SIZES) -> pd.DataFrame:
    """Return the reliability of a therapist's mean by number of patients, and the patients needed for .70 and .80.

    With rho the share of therapists in the variance of patients' means, the mean of n patients has the reliability
    n rho / (1 + (n - 1) rho), which rises with rho, so that the limits of rho lead to its limits.
    """
    profiles = shares[shares["kind"] == "profile"]
    name = MEANS if (profiles["term"] == MEANS).any() else ALL
    rows: list[dict[str, Any]] = []
    for record in profiles[profiles["term"] == name].to_dict("records"):
        base = {key: record[key] for key in ("model", "outcome", "group", "conf_level", "n")}
        rho = [record["estimate"], record["conf_low"], record["conf_high"]]
        for size in sizes:
            value, low, high = (size * r / (1.0 + (size - 1.0) * r) for r in rho)
            limits = {"estimate": value, "conf_low": low, "conf_high": high}
            rows.append(base | {"kind": "reliability", "n_patients": size} | limits)
        for target in TARGETS:
            value, high, low = (patients_needed(r, target) for r in rho)
            limits = {"estimate": value, "conf_low": low, "conf_high": high}
            rows.append(base | {"kind": "patients needed", "target": target} | limits)
    columns = ["model", "outcome", "group", "kind", "estimate", "conf_low", "conf_high", "conf_level", "n"]
    return pd.DataFrame(rows)[[*columns, "n_patients", "target"]]


def patients_needed(share: float, target: float) -> float:
    """Return how many patients of a therapist give the mean a reliability, infinity if therapists do not differ."""
    if not share > 0:
        return math.inf
    exact = target / (1.0 - target) * (1.0 - share) / share
    return float(max(1.0, math.ceil(exact - 1e-9)))
