"""What a mediation model may be asked for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from alliance_stats.columns import ID_COLUMNS
from alliance_stats.errors import DataError, ModelError
from alliance_stats.mixed.formula import parse_formula
from alliance_stats.process.mediation_paths import SLOPES
from alliance_stats.process.mediation_rows import Chains, Design
from alliance_stats.process.panel_options import option_names
from alliance_stats.process.panel_rows import patients_with


def ordered_lags(design: Design, lags: object) -> tuple[int, ...]:
    """Return the lags, or raise a ModelError if they do not put the ratings in order."""
    wanted = 2 if design == "1-1-1" else 1
    example = "lags=(1, 1)" if design == "1-1-1" else "lags=(1,)"
    steps = tuple(lags) if isinstance(lags, (tuple, list)) else (lags,)
    whole = [step for step in steps if isinstance(step, (int, np.integer)) and not isinstance(step, bool)]
    shown = f"lags=({', '.join(map(str, whole))}{',' if len(whole) == 1 else ''})"
    if len(whole) < len(steps) or len(steps) != wanted:
        given = shown if len(whole) == len(steps) else "lags with something else than whole numbers"
        raise ModelError.build(
            f"{given}: a {design} design has {wanted} lag{'s' if wanted > 1 else ''}, in whole sessions.",
            hint=f"pass for example {example}: sessions from predictor to mediator and from mediator to outcome"
            + ("." if wanted > 1 else "; the predictor of a 2-1-1 design has no session, so give the last alone."),
        )
    if min(whole) < 1:
        raise ModelError.build(
            f"{shown} would put two of the ratings into the same session or in reverse. Cross-sectional mediation is "
            "refused: ratings of one session fit mediation, its reverse and a common cause equally well.",
            hint=f"the mediator must follow the predictor and precede the outcome: pass for example {example}.",
        )
    return tuple(int(step) for step in whole)


def chosen_slopes(design: Design, slopes: object) -> tuple[str, ...]:
    """Return the slopes that differ between patients."""
    known = tuple(SLOPES[design])
    return known if slopes is None else option_names(slopes, "slopes", known, f"slope of a {design} design")


def chosen_previous(design: Design, previous: object) -> tuple[str, ...]:
    """Return which of mediator and outcome are held fixed as they were before."""
    known = ("mediator", "outcome") if design == "1-1-1" else ("outcome",)
    return option_names(previous, "previous", known, f"previous rating of a {design} design")


def check_roles(columns: Sequence[str], covariates: Sequence[str]) -> None:
    """Raise a DataError if a rating has two roles, or a covariate groups the rows."""
    twice = [name for name in columns if list(columns).count(name) > 1]
    if twice:
        raise DataError.build(f"'{twice[0]}' has two roles.", hint="name three different columns.")
    roles = dict(zip(columns, ("predictor", "mediator", "outcome"), strict=True))
    rated = [name for name in covariates if name in roles]
    if rated:
        role = roles[rated[0]]
        raise DataError.build(
            f"'{rated[0]}' has two roles: it is the {role} and a covariate.",
            hint="leave it out of the covariates"
            + (f'; to hold fixed what it was before, pass previous=("{role}",).' if role != "predictor" else "."),
        )
    grouping = [name for name in covariates if name in ID_COLUMNS]
    if grouping:
        raise DataError.build(
            f"'{grouping[0]}' groups the rows and cannot be a covariate.",
            hint="leave it out; patients have their own effects.",
        )


def require_patients(chains: Chains, formula: str) -> None:
    """Raise a DataError if patients are too few for the effects that differ between them."""
    several = int((np.bincount(chains.patient) > 1).sum())
    effects = sum(term.effects.count("+") for term in parse_formula(formula).random)
    if several < effects + 2:
        raise DataError.build(
            f"{patients_with(several)} two or more sessions with predictor, mediator and outcome; {effects} effects that differ "
            f"between patients need {effects + 2} at least, and many more for useful intervals.",
            hint="use more patients, smaller lags, or slopes=().",
        )
