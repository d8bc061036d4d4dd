"""What a bootstrap does with each replicate: draw, refit, take the numbers out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from alliance_stats.errors import ConvergenceError, ModelError
from alliance_stats.inference.case_resampling import LevelTree, refit_selection, resample, without_level
from alliance_stats.inference.new_outcome import PreparedFit, draw_outcome, refit_outcome
from alliance_stats.inference.parameter_table import parameter_table, parameter_values
from alliance_stats.inference.replicates import Replicate
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.mixed.levelsums import Floats

Statistic: TypeAlias = Callable[[LmmFit], "Mapping[str, float] | pd.Series[float]"]
"""From a fit to named numbers."""


@dataclass(frozen=True)
class ParametricTask:
    """One draw from the model, refitted.

    Parameters
    ----------
    prepared : PreparedFit
    statistic : callable or None
    names : tuple of str or None
        Of the statistic's numbers.
    """

    prepared: PreparedFit
    statistic: Statistic | None
    names: tuple[str, ...] | None

    def __call__(self, rng: np.random.Generator) -> Replicate:
        """Return one replicate."""
        try:
            fit = refit_outcome(self.prepared, draw_outcome(self.prepared, rng))
        except (np.linalg.LinAlgError, ConvergenceError):
            return Replicate(None, singular=False)
        if not fit.converged:
            return Replicate(None, singular=False)
        values = parameter_values(fit) if self.statistic is None else _numbers(self.statistic(fit), self.names)
        return Replicate(values, singular=fit.singular)


@dataclass(frozen=True)
class CaseTask:
    """One resampled data set, refitted.

    Parameters
    ----------
    tree : LevelTree
    resampled : set of int
        Positions of the factors whose levels are drawn.
    """

    tree: LevelTree
    resampled: frozenset[int]

    def __call__(self, rng: np.random.Generator) -> Replicate:
        """Return one replicate."""
        try:
            fit = refit_selection(self.tree, resample(self.tree, self.resampled, rng))
        except np.linalg.LinAlgError:
            return Replicate(None, singular=False)
        return Replicate(parameter_values(fit) if fit.converged else None, singular=fit.converged and fit.singular)


def what_to_draw(fit: LmmFit, statistic: Statistic | None) -> tuple[pd.DataFrame, Floats]:
    """Return which numbers a replicate gives, and those of the fit, shape (k,)."""
    if statistic is None:
        return parameter_table(fit), parameter_values(fit)
    if not callable(statistic):
        raise ModelError.build(
            f"statistic= is a {type(statistic).__name__}.", hint="pass a function from a fit to a dict of numbers."
        )
    found = statistic(fit)
    estimate = _numbers(found, None)
    rows = [("", str(name), "", "statistic") for name in found.keys()]  # noqa: SIM118 - a Series iterates over its values
    return pd.DataFrame(rows, columns=["group", "term", "term2", "kind"]), estimate


def _numbers(found: Any, names: tuple[str, ...] | None) -> Floats:
    """Return the values of a statistic, checked, shape (k,)."""
    if not isinstance(found, (Mapping, pd.Series)) or len(found) == 0:
        raise ModelError.build(
            f"statistic() returned a {type(found).__name__}; it must return named numbers.",
            hint='return a dict such as {"difference": 1.5} or a Series.',
        )
    if names is not None and tuple(str(name) for name in found.keys()) != names:  # noqa: SIM118
        raise ModelError.build(
            "statistic() returned other names for a replicate than for the fit.",
            hint="return the same names each time.",
        )
    try:
        return np.array([float(value) for _, value in found.items()])
    except (TypeError, ValueError):
        raise ModelError.build(
            "statistic() returned something that is not a number.", hint="return a dict of single numbers."
        ) from None


def without_one(tree: LevelTree, j: int) -> Floats:
    """Return the parameters without the j-th level of the coarsest factor, shape (k,)."""
    problem = f"The model cannot be fitted with one of the {tree.n_coarsest} levels of '{tree.names[-1]}' left out"
    hint = 'use intervals("percentile"), or drop predictors that a single level carries.'
    try:
        fit = refit_selection(tree, without_level(tree, j))
    except np.linalg.LinAlgError as error:
        raise ModelError.build(f"{problem}: {error}.", hint=hint) from None
    if not fit.converged:
        raise ModelError.build(f"{problem}: no optimum was found.", hint=hint)
    return parameter_values(fit)
