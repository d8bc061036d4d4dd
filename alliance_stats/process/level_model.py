"""One mixed model for the parts of predictors: rows, formula, fit, estimates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from alliance_stats.columns import require_columns
from alliance_stats.errors import DataError, listing
from alliance_stats.inference.linear import DfMethod
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.mixed.lmm import lmm
from alliance_stats.mixed.residuals import ResidualStructure
from alliance_stats.process.level_estimates import estimates
from alliance_stats.process.level_notes import model_notes
from alliance_stats.process.parts import (
    Part,
    check_covariates,
    check_variation,
    complete_rows,
    grouping_columns,
    random_bars,
    write_formula,
)


@dataclass(frozen=True)
class LevelTerms:
    """What a model by level consists of.

    Parameters
    ----------
    outcome : str
    parts : sequence of Part
        Parts of predictors, by level.
    covariates : sequence of str
        Columns that enter as they are.
    random : sequence of str or None
        Grouping columns or bars; None for a random intercept of each level.
    residual : ResidualStructure or None
    df : str
        Degrees of freedom of the tests.
    """

    outcome: str
    parts: Sequence[Part]
    covariates: Sequence[str] = ()
    random: Sequence[str] | None = None
    residual: ResidualStructure | None = None
    df: DfMethod = "satterthwaite"


@dataclass(frozen=True)
class LevelModel:
    """A fitted model with its rows, one row of ``estimates`` per fixed effect, and notes."""

    fit: LmmFit
    rows: pd.DataFrame
    estimates: pd.DataFrame
    notes: tuple[str, ...]


def fit_levels(table: pd.DataFrame, terms: LevelTerms, levels: Mapping[str, str]) -> LevelModel:
    """Fit the parts and covariates on the complete rows."""
    check_covariates(terms.covariates, levels)
    bars, skipped = random_bars(table, levels, terms.random)
    formula = write_formula(terms.outcome, terms.parts, terms.covariates, bars)
    groups = grouping_columns(formula)
    structure = terms.residual.columns if terms.residual is not None else ()
    require_columns(table, [*groups, *structure])
    needed = [*(part.column for part in terms.parts), *terms.covariates, *levels.values(), *groups, *structure]
    rows, dropped = complete_rows(table, terms.outcome, needed)
    check_variation(rows, terms.parts, levels)
    fit = lmm(formula, rows, residual=terms.residual)
    _check_kept(fit, terms.parts)
    found, tested = estimates(fit, rows, terms.parts, levels, df=terms.df)
    units = {column: column for column in groups if column not in levels.values()}
    notes = (*dropped, *skipped, *model_notes(fit, rows, {**levels, **units}, tested))
    return LevelModel(fit, rows, found, notes)


def _check_kept(fit: LmmFit, parts: Sequence[Part]) -> None:
    """Raise a DataError when the model left a part out because other columns determine it."""
    kept = {str(term).strip("`") for term in fit.fixed_effects.index}
    lost = [part for part in parts if part.column not in kept]
    if lost:
        raise DataError.build(
            f"The other columns determine {listing(part.column for part in lost)}, so that its slope is not defined.",
            hint="leave one predictor or covariate out; shares of all categories of statements add up to one.",
        )
