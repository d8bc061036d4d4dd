"""Slopes by level, their tests, their size in standard deviations, and how many rows and units carry them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from alliance_stats.inference.linear import DfMethod, linear_inference
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.process.parts import Part
from alliance_stats.process.session_checks import SAME


def estimates(
    fit: LmmFit, rows: pd.DataFrame, parts: Sequence[Part], levels: Mapping[str, str], *, df: DfMethod, level: float
) -> tuple[pd.DataFrame, str]:
    """Return one row per fixed effect, parts first, then covariates and the intercept; and how they were tested."""
    by_column = {part.column: part for part in parts}
    terms = plain_terms(fit)
    ordered = [*by_column, *(term for term in terms if term not in by_column)]
    tested, note = tested_sums(fit, [{term: 1.0} for term in ordered], df=df, level=level)
    records = []
    for term, slope in zip(ordered, tested, strict=True):
        part = by_column.get(term, Part(term, term, "covariate"))
        records.append(
            {"predictor": part.predictor, "term": term, "level": part.level}
            | slope
            | {"n": carriers(rows, part, levels)[f"n_{part.level if part.level in levels else 'session'}s"]}
            | {"std_estimate": slope["estimate"] * sd_ratio(rows, part, fit.response.strip("`"), levels)}
        )
    return pd.DataFrame(records), note


def plain_terms(fit: LmmFit) -> list[str]:
    """Return the names of the fixed effects without the formula's quotes."""
    return [str(term).strip("`") for term in fit.term_names]


def tested_sums(
    fit: LmmFit, sums: Sequence[Mapping[str, float]], *, df: DfMethod, level: float
) -> tuple[list[dict[str, float]], str]:
    """Return estimate, error, df, test and interval of weighted sums of fixed effects, and how they were tested."""
    terms = plain_terms(fit)
    weights = np.array([[own.get(term, 0.0) for term in terms] for own in sums])
    found = linear_inference(fit, weights, df=df)
    half = found.half_width(level)
    table = {
        "estimate": found.estimate,
        "std_error": found.std_error,
        "df": found.df,
        "statistic": found.statistic,
        "p_value": found.p_value,
        "conf_low": found.estimate - half,
        "conf_high": found.estimate + half,
        "conf_level": np.full(len(sums), level),
    }
    records = [{name: float(values[place]) for name, values in table.items()} for place in range(len(sums))]
    return records, found.method_note


def carriers(rows: pd.DataFrame, part: Part, levels: Mapping[str, str]) -> dict[str, int]:
    """Return how many sessions, and units of each level, carry the estimate of a part.

    These are the units of the next level with a part other than zero, and all that is in these: for the session part the
    patients whose rating ever differs from their mean, for the patient part the therapists with patients who differ. A covariate
    is carried by all rows.
    """
    columns = list(levels.values())
    place = 0 if part.level == "session" else columns.index(levels[part.level]) + 1 if part.level in levels else None
    if place is not None and place < len(columns):
        size = rows[part.column].abs()
        largest = size.groupby(rows[columns[place]], observed=True).transform("max")
        # The zeros are differences of equal ratings and their means, which rounding leaves a little off.
        rows = rows[largest > SAME * rows[part.predictor].abs().max()]
    return {"n_sessions": len(rows)} | {f"n_{level}s": int(rows[column].nunique()) for level, column in levels.items()}


def sd_ratio(rows: pd.DataFrame, part: Part, outcome: str, levels: Mapping[str, str]) -> float:
    """Return SD of the part over SD of the outcome, both at the part's own level; NaN for a covariate.

    Both are of the rows analysed. Within units they are of deviations from the unit's mean over these rows; the outcome is not
    detrended, also where the part is. Between units they are of observed means, each unit counted once.
    """
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
