"""What a reader must know of a mediation model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from alliance_stats.process.mediation_paths import SLOPES, Paths, slopes_covary
from alliance_stats.process.mediation_rows import Chains, Design
from alliance_stats.process.panel_rows import patients_with

SINGULAR = "The fit is singular: a variance between patients is zero or a correlation 1 or -1."

# Measured in 1,400 simulated studies (docs/validation/mediation.py); 930 fits were singular.
SINGULAR_SLOPES = (
    " The standard error of cov_ab is that of the curvature there. In simulated studies of 60 patients with 8 sessions the 95 "
    "percent interval of cov_ab missed the truth in 4 percent of singular fits (6 if slopes covary, nearly always towards "
    "zero) and in 2 percent of the others; that of the indirect effect in 4 and 3 percent. Where both slopes hardly differ in "
    "the estimates, cov_ab and its error are near zero together and rule nothing out. Report a model with one slope or slopes=() "
    "beside it; bootstrap(seed=...) is for the indirect effect and does not mend cov_ab."
)


def mediation_notes(
    chains: Chains, paths: Paths, columns: Sequence[str], *, design: Design, lags: tuple[int, ...]
) -> list[str]:
    """Return the sentences on estimand, order in time, rows, centring, model and interval; the interval last."""
    predictor, mediator, outcome = columns
    steps = " + ".join(map(str, lags))
    when = f"{predictor} in a session, {mediator} {lags[0]} later, {outcome} {lags[-1]} after that"
    if design == "2-1-1":
        when = f"{predictor} before the sessions, {mediator} in a session, {outcome} {lags[-1]} later"
    notes = [
        _estimand(columns, design),
        f"Order in time (lags {steps}, in session numbers; gaps are not bridged): {when}.",
        chains.rows,
        _size(chains, paths),
        _centring(columns, design),
        f"Model: {paths.fit.formula}; both equations stacked in SD units, a residual variance each; REML.",
        "Not ruled out: causes common to mediator and outcome, and effects of the outcome back on what comes before it. "
        f"Covariates in both equations: {', '.join(chains.names) if chains.names else 'none'}. Therapists are not in the "
        "model: patients of one therapist count as independent.",
        *_covariate_notes(chains, paths, columns, design),
    ]
    if paths.fit.singular:
        notes.append(SINGULAR + (SINGULAR_SLOPES if slopes_covary(paths.fit) else ""))
    return [*notes, interval_note("product", "")]


def _size(chains: Chains, paths: Paths) -> str:
    """Return the sentence on chains and patients, and on those whose slopes nothing is known of."""
    single = int((np.bincount(chains.patient) == 1).sum())
    own = any(name in SLOPES["1-1-1"].values() for term in paths.fit.design.terms for name in term.names)
    tail = "chain and no slope of their own." if own else "chain; all patients share their slopes."
    return f"N: {len(chains.patient)} chains of {chains.n_patients} patients; {patients_with(single)} one {tail}"


def _covariate_notes(chains: Chains, paths: Paths, columns: Sequence[str], design: Design) -> list[str]:
    """Return when covariates are taken from, how they are centred, and which the model could not hold."""
    notes = []
    if chains.names:
        session = "predictor" if design == "1-1-1" else "mediator"
        notes.append(
            f"Covariates are those of the {session}'s session; what varies within patients enters as a deviation from the "
            "patient's mean over the chains used."
        )
    before = [name for name in chains.names if name in columns]
    if before:
        notes.append(
            f"Held fixed as it was before: {', '.join(before)}. As deviations from means of few sessions such ratings have "
            "slopes that are too low (Nickell, 1981), so that they are not held fixed in full."
        )
    numbers = dict.fromkeys(int(name.rsplit("covariate", 1)[1]) for name in paths.fit.dropped if "covariate" in name)
    if numbers:
        lost = ", ".join(chains.names[number] for number in numbers)
        notes.append(f"Left out because other terms determine them: {lost}.")
    return notes


def _estimand(columns: Sequence[str], design: Design) -> str:
    """Return what the indirect effect is."""
    predictor, mediator, outcome = columns
    if design == "1-1-1":
        return (
            f"Estimand: the mean over patients of (effect of {predictor} on {mediator}) x (effect of {mediator} on {outcome}), "
            "both within the patient (level: session): a b + cov(a_j, b_j) (Kenny et al., 2003; Bauer et al., 2006)."
        )
    return (
        f"Estimand: (effect of {predictor} on patients' means of {mediator}) x (effect of these means on {outcome}), between "
        "patients (level: patient): a b. A patient's mean covers all sessions used, also those after an outcome."
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
    z = "z, with quantiles of the normal distribution (no degrees of freedom)"
    if interval == "product":
        return (
            f"Intervals of indirect and total effect: distribution of the product of normal estimates; of paths: {z}."
        )
    if interval == "monte_carlo":
        return f"Intervals of indirect and total effect: Monte Carlo, {how}; of paths: {z}."
    return (
        f"Intervals: percentiles of a bootstrap of patients; {how}; the ratio of the residual SDs held at its estimate."
    )
