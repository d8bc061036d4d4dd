"""What the checks of ratings and models look at: the rows, levels and columns of an analysis, whatever its type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from alliance_stats.columns import CANONICAL
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.process.level_effects import LevelEffects
from alliance_stats.process.level_estimates import plain_terms
from alliance_stats.process.outcome_result import AllianceOutcome

INNER = ("patient", "dyad")
"""Grouping columns that name who is rated in every session."""


@dataclass(frozen=True)
class Analysis:
    """The rows of an analysis and what their columns are.

    Parameters
    ----------
    frame : DataFrame
        The rows analysed.
    outcome : str
    predictors : tuple of str
        Columns, before they were split.
    levels : mapping of str to str
        Level name to grouping column in ``frame``, from the inside out; empty if nothing is grouped.
    lag : int
        In sessions, from predictors to outcome.
    fit : LmmFit or None
    """

    frame: pd.DataFrame = field(repr=False)
    outcome: str = ""
    predictors: tuple[str, ...] = ()
    levels: Mapping[str, str] = field(default_factory=dict)
    lag: int = 0
    fit: LmmFit | None = field(default=None, repr=False)

    @property
    def unit(self) -> str | None:
        """Grouping column of the innermost level."""
        return next(iter(self.levels.values()), None)

    @property
    def unit_name(self) -> str:
        """Name of the innermost level."""
        return next(iter(self.levels), "patient")

    def raw(self, name: str) -> np.ndarray | None:
        """Return a column's values in the rows analysed, taken from the session they were rated in; None if it is absent."""
        wanted = f"{name}_lag{self.lag}" if self.lag and name != self.outcome else name
        if wanted not in self.frame:
            wanted = name
        if wanted not in self.frame or not pd.api.types.is_numeric_dtype(self.frame[wanted]):
            return None
        return self.frame[wanted].to_numpy(dtype=float)


def of_levels(result: AllianceOutcome | LevelEffects) -> Analysis:
    """Return the analysis of slopes that stand apart for each level."""
    return Analysis(
        frame=result.frame,
        outcome=result.outcome,
        predictors=tuple(result.predictors),
        levels=result.levels,
        lag=result.lag,
        fit=result.fit,
    )


def of_fit(fit: LmmFit) -> Analysis:
    """Return the analysis of a plain mixed model, groups coded by numbers."""
    design = fit.design
    columns = {str(name): design.predictors[name] for name in design.predictors.columns}
    frame = pd.DataFrame(columns).reset_index(drop=True).assign(**{fit.response.strip("`"): design.y})
    groups = {str(grouping.name): grouping for grouping in design.groupings}
    frame = frame.assign(**{name: grouping.codes for name, grouping in groups.items()})
    inside_out = sorted(groups, key=lambda name: (name not in INNER, -len(groups[name].labels)))
    terms = plain_terms(fit)
    predictors = [name for name in columns if name in terms and name not in CANONICAL and name not in groups]
    numeric = [name for name in predictors if pd.api.types.is_numeric_dtype(frame[name]) and frame[name].nunique() > 2]
    return Analysis(
        frame=frame,
        outcome=fit.response.strip("`"),
        predictors=tuple(numeric),
        levels={name: name for name in inside_out},
        fit=fit,
    )
