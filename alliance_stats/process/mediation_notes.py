"""What a reader must know of a mediation model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from alliance_stats.process.mediation_paths import Paths
from alliance_stats.process.mediation_rows import Chains, Design


def mediation_notes(
    chains: Chains,
    paths: Paths,
    columns: Sequence[str],
    *,
    design: Design,
    lags: tuple[int, ...],
    covariates: Sequence[str],
) -> list[str]:
    """Return the sentences on estimand, order in time, rows, centring, model and interval; the interval last."""
    predictor, mediator, outcome = columns
    single = int((np.bincount(chains.patient) == 1).sum())
    steps = " + ".join(map(str, lags))
    when = f"{predictor} in a session, {mediator} {lags[0]} later, {outcome} {lags[-1]} after that"
    if design == "2-1-1":
        when = f"{predictor} before the sessions, {mediator} in a session, {outcome} {lags[-1]} later"
    notes = [
        _estimand(columns, design),
        f"Order in time (lags {steps}, in session numbers; gaps are not bridged): {when}.",
        f"Rows: {chains.n_rows}; {len(chains.patient)} of them begin a chain with all three ratings"
        f"{' and covariates' if covariates else ''}; {chains.n_patients} patients, {single} with one chain, who carry no slope.",
        _centring(columns, design),
        f"Model: {paths.fit.formula}; both equations stacked in SD units, a residual variance each; REML.",
        "Not ruled out: causes common to mediator and outcome, and effects of the outcome back on what comes before it. "
        f"Covariates in both equations: {', '.join(covariates) if covariates else 'none'}. Therapists are not in the model: "
        "patients of one therapist count as independent.",
    ]
    if paths.fit.singular:
        notes.append(
            "The fit is singular: a variance between patients is zero or a correlation 1 or -1. The uncertainty of cov_ab is "
            "then understated; use bootstrap(seed=...)."
        )
    return [*notes, interval_note("product", "")]


def _estimand(columns: Sequence[str], design: Design) -> str:
    """Return what the indirect effect is."""
    predictor, mediator, outcome = columns
    if design == "1-1-1":
        return (
            f"Estimand: the mean over patients of (effect of {predictor} on {mediator}) x (effect of {mediator} on {outcome}), "
            "both within the patient: a b + cov(a_j, b_j) (Kenny et al., 2003; Bauer et al., 2006)."
        )
    return (
        f"Estimand: (effect of {predictor} on patients' means of {mediator}) x (effect of these means on {outcome}), between "
        "patients: a b. A patient's mean covers all sessions used, also those after an outcome."
    )


def _centring(columns: Sequence[str], design: Design) -> str:
    """Return what is a deviation from what."""
    predictor, mediator, _ = columns
    if design == "1-1-1":
        return f"Centring: {predictor} and {mediator} as predictors are deviations from the patient's means over the chains used."
    return (
        f"Centring: {mediator} as predictor is split into the patient's mean over the chains used and the deviation from it; "
        "observed means stand for true ones, which draws b towards the effect within patients."
    )


def interval_note(interval: str, how: str) -> str:
    """Return the sentence on the intervals."""
    if interval == "product":
        return (
            "Intervals of indirect and total effect: distribution of the product of normal estimates; of paths: normal."
        )
    if interval == "monte_carlo":
        return f"Intervals of indirect and total effect: Monte Carlo, {how}; of paths: normal."
    return (
        f"Intervals: percentiles of a bootstrap of patients; {how}; the ratio of the residual SDs held at its estimate."
    )
