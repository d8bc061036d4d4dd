"""One mixed model for the parts of predictors: rows, formula, fit, estimates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from alliance_stats.columns import group_codes, numeric_values, require_columns
from alliance_stats.errors import DataError, agreeing, listing
from alliance_stats.inference.linear import DfMethod
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.mixed.lmm import lmm
from alliance_stats.mixed.residuals import ResidualStructure
from alliance_stats.process.level_estimates import estimates
from alliance_stats.process.level_notes import model_notes
from alliance_stats.process.parts import (
    CONF_LEVEL,
    Part,
    check_covariates,
    check_variation,
    complete_rows,
    grouping_columns,
    random_bars,
    write_formula,
)
from alliance_stats.process.session_checks import units_that_vary


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
    level : float in (0, 1)
        Of the intervals.
    """

    outcome: str
    parts: Sequence[Part]
    covariates: Sequence[str] = ()
    random: Sequence[str] | None = None
    residual: ResidualStructure | None = None
    df: DfMethod = "satterthwaite"
    level: float = CONF_LEVEL


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
    if "session" in terms.covariates:
        numeric_values(table, "session")
    bars, skipped = random_bars(table, levels, terms.random)
    formula = write_formula(terms.outcome, terms.parts, terms.covariates, bars)
    groups = grouping_columns(formula)
    structure = terms.residual.columns if terms.residual is not None else ()
    require_columns(table, [*groups, *structure])
    needed = [*(part.column for part in terms.parts), *terms.covariates, *levels.values(), *groups, *structure]
    rows, dropped = complete_rows(table, terms.outcome, needed)
    check_variation(rows, terms.parts, levels)
    _check_outcome(rows, terms.outcome, levels)
    fit = lmm(formula, rows, residual=terms.residual)
    _check_kept(fit, terms.parts)
    found, tested = estimates(fit, rows, terms.parts, levels, df=terms.df, level=terms.level)
    units = {column: column for column in groups if column not in levels.values()}
    notes = (*dropped, *skipped, *model_notes(fit, rows, {**levels, **units}, tested, level=terms.level))
    return LevelModel(fit, rows, found, notes)


def _check_outcome(rows: pd.DataFrame, outcome: str, levels: Mapping[str, str]) -> None:
    """Raise a DataError when units with several rows have one outcome each, so that nothing is left to explain."""
    first, unit = next(iter(levels.items()))
    varying, several = units_that_vary(rows[outcome].to_numpy(dtype=float), group_codes(rows, unit)[0])
    if several and not varying:
        raise DataError.build(
            f"'{outcome}' does not vary within {first}s ({several} of {several} with two or more rows "
            f"{agreeing(several, 'has', 'have')} one value).",
            hint=f"a session-level estimate needs an outcome rated in every session; with one outcome per {first} keep one row "
            f"of each and compare {first}s with lmm().",
        )


def _check_kept(fit: LmmFit, parts: Sequence[Part]) -> None:
    """Raise a DataError when the model left a part out because other columns determine it."""
    kept = {str(term).strip("`") for term in fit.fixed_effects.index}
    lost = [part for part in parts if part.column not in kept]
    if lost:
        raise DataError.build(
            f"The other columns determine {listing(part.column for part in lost)}, so that its slope is not defined.",
            hint="leave one predictor or covariate out; shares of all categories of statements add up to one.",
        )
