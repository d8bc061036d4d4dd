"""A growth model: its formula, its fit, and the search for its break."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from alliance_stats.errors import DataError
from alliance_stats.mixed.crossproducts import cross_products
from alliance_stats.mixed.design import Design
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.mixed.lmm import fit_design, lmm, prepare
from alliance_stats.mixed.optimise import minimise
from alliance_stats.process.breakpoint import BreakProfile, profile_break
from alliance_stats.process.exact_courses import design_with_residual
from alliance_stats.process.growth_rows import GrowthRows
from alliance_stats.process.growth_terms import TimeTerms
from alliance_stats.process.parts import quoted, random_bars

LATER = "after_given_break"
SHIFT = "break_shift"
OWN = ("elapsed", "elapsed_squared", "log_elapsed", "phase_1", "phase_2", "phase_3", LATER, SHIFT)
"""Columns that the model makes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class GrowthModel:
    """A fitted growth model.

    Parameters
    ----------
    data : GrowthRows
        ``data.rows`` are the rows analysed, one per patient and time, ``data.times`` their times.
    terms : TimeTerms
        ``terms.origin`` is the earliest time, ``terms.breaks`` all breaks, given and estimated.
    bars : tuple of str
        The random part, one bar per grouping factor.
    given : tuple of float
        Breaks that were given.
    fit : LmmFit
        By REML.
    shifted : LmmFit or None
        With an estimated break: the same model with one more column, how the mean moves with the break, so that the
        covariance of the fixed effects holds the uncertainty of the break.
    profile : BreakProfile or None
        With an estimated break: the deviance by its place; ``profile.limits(level)`` gives its interval.
    """

    data: GrowthRows
    terms: TimeTerms
    bars: tuple[str, ...]
    given: tuple[float, ...]
    fit: LmmFit = field(repr=False)
    shifted: LmmFit | None = field(repr=False, default=None)
    profile: BreakProfile | None = field(repr=False, default=None)

    @property
    def last(self) -> float:
        """Latest time."""
        return float(self.data.times.max())

    @property
    def estimated_break(self) -> float | None:
        """The estimated break; None without one."""
        return None if self.profile is None else self.profile.estimate


@dataclass(frozen=True)
class BreakSearch:
    """How a break is estimated.

    Parameters
    ----------
    level : float in (0, 1)
        Of its interval.
    progress : bool
        Show a bar on stderr when it takes longer than two seconds.
    """

    level: float
    progress: bool


def fit_growth(
    data: GrowthRows, terms: TimeTerms, *, search: BreakSearch | None, random: Sequence[str] | None
) -> GrowthModel:
    """Fit a growth model; with a search, its break first."""
    given = terms.breaks
    profile = None
    bars, notes = _bars(data, terms, search is not None, random)
    _require_rows(data, terms, bars, random)
    if search is not None:
        profile = _profile(data, terms, bars, search)
        terms = replace(terms, breaks=(*given, profile.estimate))
    fit = _fit(data, terms, given, bars)
    data = replace(data, notes=(*data.notes, *notes))
    model = GrowthModel(data=data, terms=terms, bars=bars, given=given, fit=fit, profile=profile)
    if profile is None:
        return model
    rows = model_rows(model, data.times, data.group_of_rows)
    shift = rows.assign(**{name: data.rows[name].to_numpy() for name in _needed(data)})
    formula = f"{_formula(data, terms, ())} + {SHIFT} + {' + '.join(bars)}"
    return replace(model, shifted=lmm(formula, shift))


def _needed(data: GrowthRows) -> list[str]:
    """Return the columns beside those of time that a formula may name."""
    return [str(name) for name in data.rows.columns if name not in (*OWN, data.by)]


def _bars(
    data: GrowthRows, terms: TimeTerms, estimate: bool, random: Sequence[str] | None
) -> tuple[tuple[str, ...], list[str]]:
    """Return the random part, and notes on it."""
    if random is not None:
        entries, notes = random_bars(data.rows, {"patient": "patient"}, random)
        return tuple(entries), notes
    shape = replace(terms, breaks=(*terms.breaks, terms.origin)) if estimate else terms
    slopes = ("elapsed",) if terms.form == "quadratic" else shape.names
    if len(shape.breaks) == 2:
        slopes = ("phase_1", LATER)
    return (f"(1 + {' + '.join(slopes)} | patient)", *(f"(1 | {name})" for name in data.above)), []


def _require_rows(data: GrowthRows, terms: TimeTerms, bars: tuple[str, ...], random: Sequence[str] | None) -> None:
    """Raise a DataError if patients have too few ratings for their random effects."""
    if random is not None:
        return
    effects = bars[0].split("|")[0].count("+") + 1
    n_patients = data.rows["patient"].nunique()
    if len(data.rows) <= effects * n_patients:
        raise DataError.build(
            f"{len(data.rows)} ratings of {n_patients} patients cannot carry {effects} random effects per patient for "
            f"form='{terms.form}'.",
            hint="use a simpler form, or random=('patient',) for intercepts alone.",
        )


def _profile(data: GrowthRows, terms: TimeTerms, bars: tuple[str, ...], search: BreakSearch) -> BreakProfile:
    """Return the profile of the likelihood over the break, its limits known at the level asked for."""
    from tqdm import tqdm

    different = np.unique(data.times)
    candidates = different[1:-1] if not terms.breaks else different[different > terms.breaks[-1]][:-1]
    known: dict[float, float] = {}

    with tqdm(desc="break", unit="fit", delay=2.0, disable=not search.progress) as bar:

        def deviance(value: float) -> float:
            if value not in known:
                there = replace(terms, breaks=(*terms.breaks, value))
                known[value] = _deviance(data, there, terms.breaks, bars)
                bar.update()
            return known[value]

        profile = profile_break(deviance, candidates)
        # Limits of this level are known from here on; those of another one are sought after the bar has gone.
        profile.limits(search.level)
    return profile


def _fit(data: GrowthRows, terms: TimeTerms, given: tuple[float, ...], bars: tuple[str, ...]) -> LmmFit:
    """Fit the model with its breaks known, by REML."""
    return fit_design(_design(data, terms, given, bars), method="REML")


def _deviance(data: GrowthRows, terms: TimeTerms, given: tuple[float, ...], bars: tuple[str, ...]) -> float:
    """Return -2 log likelihood with the breaks known; a singular solution is not confirmed, there are too many of them."""
    design = _design(data, terms, given, bars)
    standardised = prepare(design)
    cp = cross_products(standardised.factors, standardised.fixed, design.n_rows)
    optimum = minimise(cp, reml=False, confirm=False)
    if not optimum.converged:
        return fit_design(design, method="ML").criterion
    return optimum.criterion + standardised.scaling.criterion_shift("ML")


def _design(data: GrowthRows, terms: TimeTerms, given: tuple[float, ...], bars: tuple[str, ...]) -> Design:
    """Return the arrays of the model with its breaks known; raise if it leaves no residual."""
    rows = data.rows.assign(**time_columns(terms, given, data.times))
    bends = f" with a bend at {data.time} {terms.breaks[-1]:.4g}" if terms.breaks else ""
    return design_with_residual(_formula(data, terms, bars), rows, f"A course of form='{terms.form}'{bends}")


def time_columns(terms: TimeTerms, given: tuple[float, ...], times: np.ndarray) -> dict[str, Any]:
    """Return the columns of time and elapsed time; if a break follows a given one, also the time after the given one."""
    columns: dict[str, Any] = {"elapsed": np.asarray(times, dtype=float) - terms.origin} | terms.columns(times)
    if len(given) == 1 and terms.form == "hockey_stick":
        columns[LATER] = np.maximum(np.asarray(times, dtype=float) - given[0], 0.0)
    return columns


def _formula(data: GrowthRows, terms: TimeTerms, bars: Sequence[str]) -> str:
    """Return the formula, each group with a course of its own."""
    shape = " + ".join(terms.names)
    shape = f"({shape})" if data.by and len(terms.names) > 1 else shape
    fixed = f"{shape} * {quoted(data.by)}" if data.by else shape
    return " + ".join([f"{quoted(data.outcome)} ~ {fixed}", *bars])


def model_rows(model: GrowthModel, times: np.ndarray, groups: np.ndarray, *, moving: bool = False) -> pd.DataFrame:
    """Return rows with the model's columns at some times of some groups.

    Parameters
    ----------
    model : GrowthModel
    times : ndarray, shape (n,)
    groups : ndarray of int, shape (n,)
    moving : bool
        Whether rows at the estimated break stay at the break when it moves, or at their time.

    Notes
    -----
    The mean at a fixed time t after the break psi changes with psi by minus the change in slope; the mean at the break
    itself by the slope before it.
    """
    data, terms = model.data, model.terms
    columns = time_columns(terms, model.given, times)
    if data.by:
        columns[data.by] = _categories(data, groups)
    rows = pd.DataFrame(columns)
    psi = model.estimated_break
    if psi is None:
        return rows
    before, after = _slopes(model)
    shift = np.where(times > psi, before[groups] - after[groups], 0.0)
    return rows.assign(**{SHIFT: np.where(times == psi, before[groups], shift) if moving else shift})


def _categories(data: GrowthRows, codes: np.ndarray) -> pd.Categorical:
    """Return groups by number as the category that the model knows."""
    return pd.Categorical([data.groups[code] for code in codes], categories=list(data.groups))


def _slopes(model: GrowthModel) -> tuple[np.ndarray, np.ndarray]:
    """Return the slopes before and after the estimated break, each of shape (n_groups,)."""
    ends = [model.terms.origin, *model.terms.breaks, model.last]
    codes = np.arange(len(model.data.groups))
    means = []
    for value in ends[-3:]:
        columns = time_columns(model.terms, model.given, np.full(codes.size, value))
        if model.data.by:
            columns[model.data.by] = _categories(model.data, codes)
        means.append(model.fit.predict(pd.DataFrame(columns), random=False).to_numpy(dtype=float))
    first, second = np.diff(ends[-3:])
    return (means[1] - means[0]) / first, (means[2] - means[1]) / second
