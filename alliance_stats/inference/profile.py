"""Profiles of all parameters of a fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from alliance_stats.errors import ConvergenceError, ModelError
from alliance_stats.inference.deviance import deviance_at
from alliance_stats.inference.parameter_table import ParameterKind
from alliance_stats.inference.profile_coordinates import (
    Coordinates,
    Correlation,
    FixedEffect,
    RandomSd,
    ResidualSd,
)
from alliance_stats.inference.profile_paths import Side, profile_sides
from alliance_stats.inference.profile_terms import Optimum, Rest, TermPlace, TurnedTerm, term_places
from alliance_stats.mixed.factor import fixed_part
from alliance_stats.mixed.levelsums import Floats
from alliance_stats.mixed.optimise import minimise
from alliance_stats.mixed.parameters import unpack

if TYPE_CHECKING:
    from alliance_stats.mixed.fit import LmmFit


@dataclass(frozen=True, eq=False)
class Profile:
    """The profile of one parameter.

    Parameters
    ----------
    kind : str
        "fixed", "sd", "correlation" or "residual_sd".
    low, high : float
        Limits of the interval, in the user's units.
    low_reached, high_reached : bool
        Whether zeta reaches the cutoff; if not, the limit is the end of the parameter's range.
    at, zetas : ndarray, each of shape (n_points,)
        The curve: values of the parameter, ascending, in the user's units; empty if the interval is the whole range.
    """

    kind: ParameterKind
    low: float
    high: float
    low_reached: bool
    high_reached: bool
    at: Floats
    zetas: Floats


def profile_parameters(fit: LmmFit, *, level: float, progress: bool = True) -> list[Profile]:
    """Profile the likelihood of every parameter of a fit.

    Parameters
    ----------
    fit : LmmFit
        The likelihood is profiled even if the fit is by REML.
    level : float in (0, 1)
        Of the intervals; the curves end there.
    progress : bool
        Show a progress bar when it takes more than two seconds.

    Returns
    -------
    list of Profile
        In the order of `parameter_table`; a known sigma has none.

    Raises
    ------
    ModelError
        If the fit has a residual structure.
    ConvergenceError
        If no maximum of the likelihood was found, or a search along a profile got stuck.
    """
    from tqdm import tqdm

    if fit.residual is not None:
        raise ModelError.build(
            "Profiles are not available for a fit with a residual structure.",
            hint='use confidence_intervals(fit, method="bootstrap", seed=1).',
        )
    optimum = likelihood_optimum(fit)
    cutoff = float(ndtri(0.5 + level / 2.0))
    found: list[Profile] = []
    total = len(fit.term_names) + fit.theta.size + 1
    with tqdm(total=total, desc="profiles", unit="parameter", disable=not progress, delay=2.0) as bar:
        for j in range(len(fit.term_names)):
            found.append(_profiled("fixed", _fixed_effect(fit, optimum, j), optimum, cutoff))
            bar.update()
        for place in term_places(fit):
            for profile in _term_profiles(fit, optimum, place, cutoff):
                found.append(profile)
                bar.update()
        if not fit.sigma_fixed:
            residual = ResidualSd(Rest.outside(optimum, None), fit.scaling.y_scale)
            found.append(_profiled("residual_sd", residual, optimum, cutoff))
        bar.update()
    return found


def likelihood_optimum(fit: LmmFit) -> Optimum:
    """Return the maximum likelihood solution of a fit, searched for if the fit is by REML."""
    cp = fit.cross_products
    solution = fit.optimum if fit.method == "ML" else minimise(cp, reml=False)
    if not solution.converged:
        raise ConvergenceError.build(
            "No maximum of the likelihood was found for the profiles.",
            hint='use method="bootstrap" or simplify the model.',
        )
    lambdas = tuple(unpack(solution.theta, cp.patterns))
    fixed = fixed_part(cp, solution.theta, reml=False)
    deviance = deviance_at(cp, lambdas).deviance
    return Optimum(cp, lambdas, fixed.beta, 0.5 * float(np.log(fixed.sigma2)), deviance, solution.singular)


def _fixed_effect(fit: LmmFit, optimum: Optimum, j: int) -> FixedEffect:
    """Return the coordinates of the j-th fixed effect: y_scale a'beta + y_centre if it is the intercept."""
    row = fit.scaling.x_transform[j]
    length = float(np.linalg.norm(row))
    shift = fit.scaling.y_centre if j == fit.scaling.intercept else 0.0
    return FixedEffect(Rest.outside(optimum, None), row / length, fit.scaling.y_scale * length, shift)


def _term_profiles(fit: LmmFit, optimum: Optimum, place: TermPlace, cutoff: float) -> Iterator[Profile]:
    """Yield the profiles of a term's SDs, then of its correlations row by row."""
    rest = Rest.outside(optimum, place)
    may_vanish = []
    for i, unit in enumerate(place.units):
        turned = TurnedTerm.putting_first(place, [i])
        profile = _profiled("sd", RandomSd(rest, turned, fit.scaling.y_scale * float(unit)), optimum, cutoff)
        may_vanish.append(not profile.low_reached)
        yield profile
    for i in range(place.units.size):
        for j in range(i):
            if may_vanish[i] or may_vanish[j]:
                # Without one of the two variances the correlation can be anything at a deviance below the cutoff.
                yield Profile("correlation", -1.0, 1.0, False, False, np.zeros(0), np.zeros(0))
            else:
                turned = TurnedTerm.putting_first(place, [j, i])
                yield _profiled("correlation", Correlation(rest, turned), optimum, cutoff)


def _profiled(kind: ParameterKind, coordinates: Coordinates, optimum: Optimum, cutoff: float) -> Profile:
    """Return a profile in the user's units, its values ascending."""
    low, high = profile_sides(coordinates, optimum.deviance, cutoff, confirm=optimum.many_minima)
    values, zetas = _curve(low, high)
    return Profile(
        kind=kind,
        low=coordinates.to_user(low.limit),
        high=coordinates.to_user(high.limit),
        low_reached=low.reached,
        high_reached=high.reached,
        at=np.array([coordinates.to_user(value) for value in values]),
        zetas=zetas,
    )


def _curve(low: Side, high: Side) -> tuple[Floats, Floats]:
    """Return both sides as one curve, the optimum once."""
    values = np.concatenate([low.values[:0:-1], high.values])
    return values, np.concatenate([low.zetas[:0:-1], high.zetas])
