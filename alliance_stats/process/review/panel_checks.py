"""Checks of lagged effects in both directions and of mediation: order in time, fit, what is held fixed, intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd

from alliance_stats.process.mediation import Mediation
from alliance_stats.process.reciprocal import Reciprocal
from alliance_stats.process.review.finding import Finding, Verdict, graded
from alliance_stats.process.review.model_checks import ENOUGH_GROUPS, WITH_THERAPISTS

LEVEL = 0.05
"""Of the tests of equal effects and of fit."""

# Hu & Bentler (1999, doi 10.1080/10705519909540118), abstract: values close to .95, .06 and .08.
FIT = {"cfi": 0.95, "rmsea": 0.06, "srmr": 0.08}

BAD_FITS = 2
"""Indices beyond their values that make a mistake of a caution: the source asks for two together."""


def bias_by_models(result: Reciprocal) -> Finding:
    """Tell that models without the bias of a dynamic panel stand beside the multilevel one."""
    text = f"The multilevel model of {len(result.sessions)} sessions stands beside structural equation models."
    return Finding("lagged_outcome", "fine", text)


def equal_effects(result: Reciprocal) -> Finding | None:
    """Tell whether effects that were set equal over sessions differ."""
    if result.effects == "by_session":
        return Finding("equal_effects", "fine", f"Each of {len(result.sessions)} sessions has effects of its own.")
    known = result.fits["equal_p_value"].dropna().to_numpy(dtype=float)
    if not known.size:
        return None
    n_sessions, lowest = len(result.sessions), float(known.min())
    text = f"Smallest of {known.size} p values of equal effects over {n_sessions} sessions: {lowest:.3f}."
    # Each model has a test of its own; the smallest is held against the level shared among them.
    level: Verdict = "caution" if lowest < LEVEL / known.size else "fine"
    return Finding("equal_effects", level, text, {"waves": n_sessions})


def panel_fit(result: Reciprocal) -> Finding | None:
    """Tell how well the cross-lagged panel model fits."""
    row = result.fits.iloc[0]
    known = {name: float(row[name]) for name in FIT if pd.notna(row[name])}
    if not known:
        return None
    beyond = [name for name, value in known.items() if (value < FIT[name]) == (name == "cfi") and value != FIT[name]]
    shown = ", ".join(f"{name.upper()} {value:.3f}" for name, value in known.items())
    text = f"RI-CLPM: {shown}; chi-squared test of the model p = {float(row['p_value']):.3f}."
    # The source warns that RMSEA turns down true models of few patients; a model that passes its test is not called wrong.
    passed = float(row["p_value"]) >= LEVEL
    return Finding("panel_fit", "fine" if passed else graded(len(beyond), caution=0, mistake=BAD_FITS - 1), text)


def models_disagree(result: Reciprocal) -> Finding:
    """Tell whether cross effects of the models lie outside each other's intervals, or are told from zero with opposite signs."""
    rows = result.tidy()
    rows = rows[rows["kind"] == "cross"]
    apart = against = 0
    same = rows.groupby(["outcome", rows["session"].fillna(-1)], sort=False)
    for _, own in same:
        value, low, high = (own[name].to_numpy(dtype=float) for name in ("estimate", "conf_low", "conf_high"))
        outside = (value[:, None] < low) | (value[:, None] > high)
        apart += bool((outside & outside.T).any())
        told = np.sign(value) * ((low > 0) | (high < 0))
        against += bool({-1.0, 1.0} <= set(told))
    text = (
        f"In {apart} of {same.ngroups} directions two models lie outside each other's interval, in {against} two are told from "
        "zero with opposite signs."
    )
    return Finding("models_disagree", "mistake" if against else "caution" if apart else "fine", text)


def no_therapists(result: Reciprocal | Mediation) -> Finding:
    """Tell that patients count as independent."""
    text = f"Therapists are not in the model: {result.n_patients} patients count as independent."
    return Finding("therapists", "caution", text, {"frame": WITH_THERAPISTS})


def order_in_time(result: Mediation) -> Finding:
    """Tell whether predictor, mediator and outcome are rated one after the other."""
    later = {"later_lags": (1, 1) if result.design == "1-1-1" else (1,)}
    if min(result.lags) > 0:
        return Finding(
            "mediation_order", "fine", f"The ratings lie {' and '.join(map(str, result.lags))} session(s) apart."
        )
    return Finding("mediation_order", "mistake", "Ratings of the same session stand in for an order in time.", later)


def held_before(result: Mediation) -> Finding | None:
    """Tell whether mediator and outcome before are held fixed."""
    if result.design != "1-1-1":
        return None
    ratings = {"mediator": result.mediator, "outcome": result.outcome}
    free = [name for name in ratings.values() if name not in result.covariates]
    others = [name for name in result.covariates if name not in ratings.values()]
    if not free:
        held = ", ".join(result.covariates)
        return Finding("mediation_before", "fine", f"Held fixed in {result.n_chains} chains: {held}.")
    text = f"Not held fixed in {result.n_chains} chains: {' and '.join(free)} of the predictor's session."
    return Finding("mediation_before", "caution", text, {"covariates": others, "previous": tuple(ratings)})


def observed_means(result: Mediation) -> Finding | None:
    """Tell whether means between patients are of few sessions."""
    if result.design != "2-1-1":
        return None
    each = result.n_chains / result.n_patients
    within, between = (float(result.paths.estimate[result.paths.names.index(name)]) for name in ("b_within", "b"))
    text = f"Means of {each:.1f} sessions each; slope {between:.2f} between patients and {within:.2f} within them."
    return Finding("mediation_means", "caution", text)


def indirect_interval(result: Mediation) -> Finding:
    """Tell whether the interval of the indirect effect can be relied on."""
    singular, few = result.paths.fit.singular, result.n_patients <= ENOUGH_GROUPS
    text = (
        f"{result.n_patients} patients; the fit is {'singular' if singular else 'not singular'}; interval by "
        f"{result.interval.replace('_', ' ')}."
    )
    bad = (singular or few) and result.interval != "bootstrap"
    return Finding("mediation_interval", "caution" if bad else "fine", text)
