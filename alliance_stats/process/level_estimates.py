"""Slopes by level, their tests, their size in standard deviations, and how many rows and units carry them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from alliance_stats.inference.linear import DfMethod, linear_inference
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.process.parts import CONF_LEVEL, Part


def estimates(
    fit: LmmFit, rows: pd.DataFrame, parts: Sequence[Part], levels: Mapping[str, str], *, df: DfMethod
) -> tuple[pd.DataFrame, str]:
    """Return one row per fixed effect, parts first, then covariates and the intercept; and how they were tested."""
    by_column = {part.column: part for part in parts}
    terms = plain_terms(fit)
    ordered = [*by_column, *(term for term in terms if term not in by_column)]
    tested, note = tested_sums(fit, [{term: 1.0} for term in ordered], df=df)
    records = []
    for term, slope in zip(ordered, tested, strict=True):
        part = by_column.get(term, Part(term, term, "covariate"))
        records.append(
            {"predictor": part.predictor, "term": term, "level": part.level}
            | slope
            | {"n": _units(rows, part, levels)}
            | {"std_estimate": slope["estimate"] * sd_ratio(rows, part, fit.response.strip("`"), levels)}
        )
    return pd.DataFrame(records), note


def plain_terms(fit: LmmFit) -> list[str]:
    """Return the names of the fixed effects without the formula's quotes."""
    return [str(term).strip("`") for term in fit.term_names]


def tested_sums(
    fit: LmmFit, sums: Sequence[Mapping[str, float]], *, df: DfMethod
) -> tuple[list[dict[str, float]], str]:
    """Return estimate, error, df, test and interval of weighted sums of fixed effects, and how they were tested."""
    terms = plain_terms(fit)
    weights = np.array([[own.get(term, 0.0) for term in terms] for own in sums])
    found = linear_inference(fit, weights, df=df)
    half = found.half_width(CONF_LEVEL)
    table = {
        "estimate": found.estimate,
        "std_error": found.std_error,
        "df": found.df,
        "statistic": found.statistic,
        "p_value": found.p_value,
        "conf_low": found.estimate - half,
        "conf_high": found.estimate + half,
        "conf_level": np.full(len(sums), CONF_LEVEL),
    }
    records = [{name: float(values[place]) for name, values in table.items()} for place in range(len(sums))]
    return records, found.method_note


def carriers(rows: pd.DataFrame, part: Part, levels: Mapping[str, str]) -> dict[str, int]:
    """Return how many sessions, and units of each level, carry the estimate of a part.

    For the session part these are the rows of units whose part varies; for a part between units the units whose group
    holds more than one of them, and all that is in these.
    """
    columns = list(levels.values())
    if part.level in levels and (place := columns.index(levels[part.level])) + 1 < len(columns):
        several = rows.groupby(columns[place + 1], observed=True)[columns[place]].transform("nunique") > 1
        rows = rows[several]
    elif part.level == "session":
        own = rows.groupby(columns[0], observed=True)[part.column]
        rows = rows[own.transform("max") > own.transform("min")]
    return {"n_sessions": len(rows)} | {f"n_{level}s": int(rows[column].nunique()) for level, column in levels.items()}


def _units(rows: pd.DataFrame, part: Part, levels: Mapping[str, str]) -> int:
    """Return how many rows or units carry an estimate."""
    if part.level in levels:
        return int(rows[levels[part.level]].nunique())
    if part.level != "session":
        return len(rows)
    within = rows.groupby(next(iter(levels.values())), observed=True)[part.column]
    return int((within.transform("max") > within.transform("min")).sum())


def sd_ratio(rows: pd.DataFrame, part: Part, outcome: str, levels: Mapping[str, str]) -> float:
    """Return SD of the part over SD of the outcome, both at the part's own level; NaN for a covariate."""
    columns = list(levels.values())
    if part.level == "session":
        pair = rows[[part.column, outcome]]
        pair = pair - pair.groupby(rows[columns[0]], observed=True).transform("mean")
    elif part.level in levels:
        position = columns.index(levels[part.level])
        units = rows.groupby(columns[position:], observed=True)[[part.column, outcome]].mean()
        pair = units
        if position + 1 < len(columns):
            means = units[outcome].groupby(level=columns[position + 1], observed=True).transform("mean")
            pair = units.assign(**{outcome: units[outcome] - means})
    else:
        return math.nan
    spread = pair.std()
    return float(spread.iloc[0] / spread.iloc[1]) if spread.iloc[1] > 0 else math.nan
