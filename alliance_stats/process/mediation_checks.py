"""What a mediation model may be asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import numpy as np

from alliance_stats.columns import ID_COLUMNS
from alliance_stats.errors import DataError, ModelError, unknown_name
from alliance_stats.mixed.formula import parse_formula
from alliance_stats.process.mediation_paths import SLOPES
from alliance_stats.process.mediation_rows import Chains, Design


def check_order(design: Design, lags: tuple[int, ...]) -> None:
    """Raise a ModelError if the design is unknown or its ratings are not ordered in time."""
    if design not in get_args(Design):
        raise unknown_name(ModelError, "design", str(design), get_args(Design))
    steps = lags if isinstance(lags, tuple | list) else (lags,)
    wanted = 2 if design == "1-1-1" else 1
    example = "lags=(1, 1)" if design == "1-1-1" else "lags=(1,)"
    if len(steps) != wanted or any(isinstance(lag, bool) or not isinstance(lag, int | np.integer) for lag in steps):
        raise ModelError.build(
            f"lags={lags!r}: a {design} design has {wanted} lag{'s' if wanted > 1 else ''}, in whole sessions.",
            hint=f"pass for example {example}: sessions from predictor to mediator and from mediator to outcome"
            + ("." if wanted > 1 else "; the predictor of a 2-1-1 design has no session, so give the last alone."),
        )
    if min(steps) < 1:
        raise ModelError.build(
            f"lags={lags!r} would put two of the ratings into the same session or in reverse. Cross-sectional mediation is "
            "refused: ratings of one session fit mediation, its reverse and a common cause equally well.",
            hint=f"the mediator must follow the predictor and precede the outcome: pass for example {example}.",
        )


def chosen_slopes(design: Design, slopes: Sequence[str] | None) -> tuple[str, ...]:
    """Return the slopes that differ between patients."""
    known = SLOPES[design]
    chosen = tuple(known) if slopes is None else tuple(slopes)
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise unknown_name(ModelError, f"slope of a {design} design", str(unknown[0]), list(known))
    return chosen


def check_roles(columns: Sequence[str], covariates: Sequence[str]) -> None:
    """Raise a DataError if a rating has two roles, or a covariate groups the rows."""
    twice = [name for name in columns if list(columns).count(name) > 1]
    if twice:
        raise DataError.build(f"'{twice[0]}' has two roles.", hint="name three different columns.")
    grouping = [name for name in covariates if name in ID_COLUMNS]
    if grouping:
        raise DataError.build(
            f"'{grouping[0]}' groups the rows and cannot be a covariate.",
            hint="leave it out; patients have their own effects.",
        )
    if len(set(covariates)) < len(covariates):
        raise DataError.build("A covariate is named twice.", hint="name each column once.")


def require_patients(chains: Chains, formula: str) -> None:
    """Raise a DataError if patients are too few for the effects that differ between them."""
    several = int((np.bincount(chains.patient) > 1).sum())
    effects = sum(term.effects.count("+") for term in parse_formula(formula).random)
    if several < effects + 2:
        raise DataError.build(
            f"{several} patients have two or more sessions with predictor, mediator and outcome; {effects} effects that differ "
            f"between patients need {effects + 2} at least, and many more for useful intervals.",
            hint="use more patients, smaller lags, or slopes=().",
        )
