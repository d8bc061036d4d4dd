"""Checks of differences between therapists: how many they are, whom they treat, how far ranks can be told apart."""

from __future__ import annotations

from alliance_stats.process.review.analysis import Analysis
from alliance_stats.process.review.finding import Finding
from alliance_stats.process.review.model_checks import ENOUGH_GROUPS
from alliance_stats.process.therapist_effects import TherapistEffects

RELIABLE = 0.70
"""Reliability that therapist_effects() plans for, the lower of its two targets."""


def therapist_analysis(result: TherapistEffects) -> Analysis:
    """Return the rows as the checks of ratings see them."""
    levels = {"patient": "patient", "therapist": "therapist"}
    fit = next(iter(result.fits.values()))
    return Analysis(frame=result.caseload.rows, outcome=result.outcome, levels=levels, fit=fit)


def therapist_variance(result: TherapistEffects) -> Finding:
    """Tell whether therapists are enough for a variance between them."""
    row = result.glance().iloc[0]
    text = (
        f"{row['n_therapists']} therapists; the share of all variance is {row['estimate']:.0%}, with an interval from "
        f"{row['conf_low']:.0%} to {row['conf_high']:.0%}."
    )
    return Finding("therapist_variance", "fine" if row["n_therapists"] > ENOUGH_GROUPS else "caution", text)


def therapist_caseload(result: TherapistEffects) -> Finding:
    """Tell whether what patients bring with them is held fixed."""
    load = result.caseload
    if load.caseload:
        return Finding("therapist_caseload", "fine", f"Held fixed: {', '.join(load.caseload)}.")
    text = f"Nothing that the {load.n_patients} patients brought with them is held fixed."
    words = {"covariates": list(load.covariates), "slope": load.slope}
    return Finding("therapist_caseload", "caution", text, words)


def therapist_ranks(result: TherapistEffects) -> Finding:
    """Tell how far therapists can be told apart."""
    table = result.therapists
    own = table[(table["model"] == table["model"].iloc[-1]) & (table["term"] == "mean")]
    apart = int(((own["conf_low"] > 0) | (own["conf_high"] < 0)).sum())
    middle = float(own["reliability"].median())
    text = (
        f"{apart} of {len(own)} therapists differ from the average by their interval; reliability of their estimates "
        f"{middle:.2f} in the median, of {own['n'].median():g} patients."
    )
    return Finding("therapist_ranks", "caution" if middle < RELIABLE else "fine", text)
