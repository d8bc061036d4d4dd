"""What a review looks at: the rows, levels and choices of an analysis, whatever its type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from alliance_stats.columns import CANONICAL
from alliance_stats.errors import ModelError
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.process.level_effects import LevelEffects
from alliance_stats.process.level_estimates import plain_terms
from alliance_stats.process.outcome_result import AllianceOutcome, AllianceOutcomes
from alliance_stats.result import Result

INNER = ("patient", "dyad")
"""Grouping columns that name who is rated in every session."""


@dataclass(frozen=True)
class Analysis:
    """An analysis as its review sees it.

    Parameters
    ----------
    kind : str
        Name of the result's type.
    label : str
        Name of the analysis in a table of several.
    result : Result
    outcome : str
    predictors : tuple of str
        Columns, before they were split.
    levels : mapping of str to str
        Level name to grouping column in ``frame``, from the inside out; empty if nothing is grouped.
    frame : DataFrame or None
        The rows analysed.
    fit : LmmFit or None
    trends : frozenset
        How the trends of patients were handled, in all analyses of the same alliance and outcome that are reviewed together.
    """

    kind: str
    label: str
    result: Result = field(repr=False)
    outcome: str = ""
    predictors: tuple[str, ...] = ()
    levels: Mapping[str, str] = field(default_factory=dict)
    frame: pd.DataFrame | None = field(default=None, repr=False)
    fit: LmmFit | None = field(default=None, repr=False)
    trends: frozenset[str | None] = frozenset()

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
        lag = int(getattr(self.result, "lag", 0))
        wanted = f"{name}_lag{lag}" if lag and name != self.outcome else name
        if self.frame is None:
            return None
        if wanted not in self.frame:
            wanted = name
        if wanted not in self.frame or not pd.api.types.is_numeric_dtype(self.frame[wanted]):
            return None
        return self.frame[wanted].to_numpy(dtype=float)


def analyses_of(results: Sequence[Any]) -> list[Analysis]:
    """Return the analyses behind results, several for one that holds several.

    Raises
    ------
    ModelError
        If there is no review for a type.
    """
    flat = [one for result in results for one in (result.results if isinstance(result, AllianceOutcomes) else [result])]
    if not flat:
        raise ModelError.build("There is no analysis to review.", hint="pass a result, or a list of results.")
    shown: dict[tuple[str, str], set[str | None]] = {}
    for result in flat:
        if isinstance(result, AllianceOutcome):
            shown.setdefault((result.alliance, result.outcome), set()).add(result.detrend)
    return [_analysis(result, shown) for result in flat]


def _analysis(result: Any, shown: Mapping[tuple[str, str], set[str | None]]) -> Analysis:
    """Return one analysis."""
    kind = type(result).__name__
    if isinstance(result, AllianceOutcome | LevelEffects):
        trends = shown[(result.alliance, result.outcome)] if isinstance(result, AllianceOutcome) else set()
        label = str(result.estimates["model"].iloc[0])
        return Analysis(
            kind=kind,
            label=label,
            result=result,
            outcome=result.outcome,
            predictors=tuple(result.predictors),
            levels=result.levels,
            frame=result.frame,
            fit=result.fit,
            trends=frozenset(trends),
        )
    if isinstance(result, LmmFit):
        return _of_fit(result)
    if kind not in REVIEWED:
        raise ModelError.build(
            f"There is no review for a {kind}.",
            hint="pass the result of alliance_outcome(), level_effects(), lmm(), share_associations(), ruptures(), "
            "sudden_gains() or mediation().",
        )
    names = (getattr(result, name, "") for name in ("outcome", "alliance"))
    return Analysis(kind=kind, label=next((name for name in names if name), kind), result=result)


REVIEWED = ("ShareAssociations", "Ruptures", "SuddenGains", "CriteriaOverlap", "Mediation", "Reciprocal")
"""Types whose own fields are enough; they are known by name, as some are made in parts of the package beside this one."""


def _of_fit(fit: LmmFit) -> Analysis:
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
        kind="LmmFit",
        label=fit.response.strip("`"),
        result=fit,
        outcome=fit.response.strip("`"),
        predictors=tuple(numeric),
        levels={name: name for name in inside_out},
        frame=frame,
        fit=fit,
    )
