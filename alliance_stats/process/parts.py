"""What analyses by level share: the parts of a predictor, the rows that hold them, the formula they make."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from keyword import iskeyword

import numpy as np
import pandas as pd

from alliance_stats.columns import ID_COLUMNS, group_codes, numeric_values, one_column, require_columns
from alliance_stats.errors import ColumnError, DataError, agreeing, counted
from alliance_stats.mixed.formula import parse_formula
from alliance_stats.process.arguments import column_name
from alliance_stats.process.centering import Detrend, Levels, Weights, level_columns, within_between
from alliance_stats.process.session_checks import require_finite
from alliance_stats.result import COLUMNS

CONF_LEVEL = 0.95
GROUPING = ("patient", "therapist", "dyad")
"""Canonical columns that get a random intercept when they are there."""


@dataclass(frozen=True)
class Part:
    """One column of the model that carries a predictor at one level."""

    column: str
    predictor: str
    level: str


def split_columns(
    frame: pd.DataFrame,
    names: Sequence[str],
    levels: Levels,
    *,
    lag: int,
    detrend: Detrend | None = None,
    weights: Weights = "sessions",
) -> tuple[pd.DataFrame, list[str]]:
    """Return the frame with the parts of every named column, and the notes of the decomposition."""
    table = frame.copy(deep=False)
    table.attrs = {}
    for name in names:
        table = within_between(table, name, levels=levels, lag=lag, detrend=detrend, weights=weights)
        # numbers kept as text or objects are numbers to what reads the column itself
        table[name] = numeric_values(table, name)
    return table, list(table.attrs["notes"])


def parts_of(name: str, levels: Mapping[str, str], lag: int) -> list[Part]:
    """Return a predictor's session part, lagged or not, then its parts at every level."""
    session = f"{name}_session_lag{lag}" if lag else f"{name}_session"
    return [Part(session, name, "session"), *(Part(f"{name}_{level}", name, level) for level in levels)]


def choose_levels(frame: pd.DataFrame, levels: Levels | None) -> tuple[dict[str, str], list[str]]:
    """Return level name to column, without outer levels of a single unit, and notes that say so."""
    notes = []
    if levels is None:
        names = {name: name for name in ("patient", "therapist") if name == "patient" or name in frame.columns}
        if "therapist" not in names:
            known = "treating_person" in frame.columns
            why = "Therapists (treating_person) are not among the levels" if known else "There is no therapist column"
            notes.append(f"{why}: the patient part holds differences between therapists as well.")
    else:
        names = level_columns(levels)
    require_columns(frame, names.values())
    first = next(iter(names))
    for level, column in list(names.items()):
        if level != first and group_codes(frame, column)[1] < 2:
            del names[level]
            notes.append(f"There are fewer than two {level}s: there is no {level} part, and no claim about {level}s.")
    return names, notes


def random_bars(
    frame: pd.DataFrame, levels: Mapping[str, str], random: Sequence[str] | None
) -> tuple[list[str], list[str]]:
    """Return bars such as ``(1 | patient)`` and notes on grouping columns that got none."""
    if random is not None:
        entries = (random,) if isinstance(random, str) else tuple(random)
        require_columns(frame, [entry for entry in entries if "|" not in entry])
        return [entry if "|" in entry else f"(1 | {quoted(entry)})" for entry in entries], []
    bars, notes = [], []
    seen: list[np.ndarray] = []
    for column in dict.fromkeys([*levels.values(), *(name for name in GROUPING if name in frame.columns)]):
        codes, size = group_codes(frame, column)
        same = any(np.array_equal(codes, other) for other in seen)
        if size < 2 or size >= len(frame) or same:
            why = (
                "it splits the rows as an earlier grouping does"
                if same
                else f"it has {size} levels in {len(frame)} rows"
            )
            notes.append(f"No random intercept for {column}: {why}.")
            continue
        seen.append(codes)
        bars.append(f"(1 | {quoted(column)})")
    return bars, notes


def one_or_more(names: object, option: str) -> list[str]:
    """Return names of columns, one text or several, as they were given; raise a DataError for what is no text."""
    several = isinstance(names, Iterable) and not isinstance(names, str)
    return [column_name(name, option) for name in (names if isinstance(names, Iterable) and several else [names])]


def quoted(name: str) -> str:
    """Return a column name as a formula takes it; raise a ColumnError if it holds the formula's own quote."""
    if "`" in name:
        raise ColumnError.build(
            f"The column name '{name}' holds a backtick, the quote of formulas.",
            hint="rename the column without it, for example with frame.rename(columns=...).",
        )
    return name if name.isidentifier() and not iskeyword(name) else f"`{name}`"


def write_formula(outcome: str, parts: Sequence[Part], covariates: Sequence[str], bars: Sequence[str]) -> str:
    """Return the model formula."""
    fixed = [quoted(name) for name in [*(part.column for part in parts), *covariates]]
    return f"{quoted(outcome)} ~ {' + '.join([*fixed, *bars])}"


def grouping_columns(formula: str) -> list[str]:
    """Return the columns behind the bars of a formula, each once."""
    groups = [name for term in parse_formula(formula).random for name in term.group]
    return list(dict.fromkeys(name.strip("`") for name in groups))


def check_roles(outcome: str, predictors: Sequence[str], covariates: Sequence[str]) -> None:
    """Raise a DataError when a column has two roles, which would pool what is to be split, or a name formulas cannot hold."""
    for name in (outcome, *predictors, *covariates):
        quoted(name)
    hint = "name each column once; the parts of a predictor replace it in the model."
    if not predictors:
        raise DataError.build(
            "No predictor was named.", hint='pass one or more columns, for example ["share_support"].'
        )
    if outcome in predictors:
        raise DataError.build(f"'{outcome}' is both outcome and predictor.", hint=hint)
    twice = [name for name in covariates if name in predictors or name == outcome]
    if twice:
        raise DataError.build(
            f"'{twice[0]}' is a covariate and is split at the same time: its slope would pool the levels.", hint=hint
        )
    if len(set(predictors)) < len(predictors):
        raise DataError.build("A predictor is named twice.", hint=hint)


def check_covariates(covariates: Sequence[str], levels: Mapping[str, str]) -> None:
    """Raise a DataError when a covariate would turn people or places into terms of the model."""
    grouping = [name for name in covariates if name in (*ID_COLUMNS, *levels.values())]
    if grouping:
        raise DataError.build(
            f"'{grouping[0]}' groups the rows and cannot be a covariate: every one of its values would become a term.",
            hint='leave it out; groups get a random intercept, by default or with random=("patient", "therapist").',
        )


def complete_rows(frame: pd.DataFrame, outcome: str, columns: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows with no missing cell in outcome and columns, and a note that counts the others by reason."""
    require_columns(frame, [outcome, *columns])
    values = numeric_values(frame, outcome)
    require_finite(values, outcome)
    missing = {outcome: np.isnan(values)} | {
        name: one_column(frame, name).isna().to_numpy() for name in dict.fromkeys(columns) if name != outcome
    }
    kept = np.ones(len(frame), dtype=bool)
    without = dict.fromkeys(missing, 0)
    # Rows of nobody come first, so that their number is the whole one.
    for name in sorted(missing, key=lambda name: name not in ID_COLUMNS):
        lost = kept & missing[name]
        without[name] = int(lost.sum())
        kept &= ~lost
    reasons = [f"{count} without {name}" for name, count in without.items() if count]
    if not kept.any():
        raise DataError.build(
            f"No row has all of {outcome} and the parts of its predictors ({'; '.join(reasons)}).",
            hint="check that outcome and predictor are rated in the same sessions, or use a smaller lag.",
        )
    left_out = f"left out: {', '.join(reasons)} (each row counted once)" if reasons else "none left out"
    note = f"Rows: {len(frame)}; analysed: {int(kept.sum())}; {left_out}."
    rows = frame.loc[kept].assign(**{outcome: values[kept]})
    rows.attrs = {}
    return rows, [note]


def check_variation(rows: pd.DataFrame, parts: Sequence[Part], levels: Mapping[str, str]) -> None:
    """Raise a DataError when a part does not vary, or when a level has too few units for its slopes."""
    first = next(iter(levels))
    for part in parts:
        raw = np.asarray(rows[part.predictor], dtype=float)
        largest = float(np.nanmax(np.abs(raw))) if np.isfinite(raw).any() else 0.0
        if float(np.ptp(rows[part.column])) > 1e-10 * largest:
            continue
        if part.level == "session":
            problem = f"'{part.predictor}' does not vary within {first}s in the {len(rows)} rows analysed"
            hint = f"a session-level estimate needs {first}s with two or more different ratings; without them compare "
            raise DataError.build(f"{problem}.", hint=hint + f"{first}s with lmm() and say that the level is between.")
        raise DataError.build(_no_part(rows, part, levels), hint=_remedy(part, levels))
    for inner, outer in pairwise(levels):
        n_units = rows[levels[inner]].nunique()
        if n_units == rows[levels[outer]].nunique():
            raise DataError.build(
                f"In the {len(rows)} rows analysed there {agreeing(n_units, 'is', 'are')} {counted(n_units, inner)} and as many "
                f"{outer}s: the two levels cannot be told apart.",
                hint=f"leave '{outer}' out of the levels (levels=, or units and groups in a column map).",
            )
    for level, column in levels.items():
        slopes = sum(part.level == level for part in parts)
        units = rows[column].nunique()
        if units < slopes + 2:
            raise DataError.build(
                f"{counted(units, level)} {agreeing(units, 'is', 'are')} too few to compare {level}s on {slopes} of the "
                "predictors: slopes, mean and variance between them cannot be told apart.",
                hint=f"leave the level out (levels= without '{level}', or a frame without that column), or name fewer "
                "predictors.",
            )


def ordered_columns(table: pd.DataFrame) -> pd.DataFrame:
    """Return a tidy table with the columns in the order of the vocabulary, its own columns last."""
    known = [name for name in COLUMNS if name in table.columns]
    return table[[*known, *(name for name in table.columns if name not in known)]]


def _remedy(part: Part, levels: Mapping[str, str]) -> str:
    """Return what to do about a part that does not vary."""
    if len(levels) == 1:
        return f"comparing {part.level}s needs three or more of them; describe a single one in words and pictures."
    return f"leave a level out: levels= without '{list(levels)[-1]}', or units and groups in a column map."


def _no_part(rows: pd.DataFrame, part: Part, levels: Mapping[str, str]) -> str:
    """Return why a part of a predictor does not vary between units."""
    names = list(levels)
    place = names.index(part.level)
    units = rows[levels[part.level]].nunique()
    if units < 2:
        return f"There is one {part.level} in the {len(rows)} rows analysed, so nothing varies between {part.level}s."
    if place + 1 < len(names) and rows[levels[names[place + 1]]].nunique() == units:
        outer = names[place + 1]
        return f"Each {outer} has one {part.level}, so nothing varies between {part.level}s of the same {outer}."
    return (
        f"The {part.level} part of '{part.predictor}' is the same for all {units} {part.level}s, as if the ratings had been "
        "centred before."
    )
