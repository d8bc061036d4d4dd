"""Goals in a table: columns of levels and weights, and the T score of each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from alliance_stats.errors import ColumnError, InstrumentError
from alliance_stats.scales.answer_check import AnswerCheck, OutOfRange
from alliance_stats.scales.answers import Items, numbered_columns, raw_answers, refuse_wrong_columns
from alliance_stats.scales.goals import goal_attainment_t
from alliance_stats.scales.instrument_parts import Instrument, Score
from alliance_stats.scales.keying import FloatArray

LEVEL, WEIGHT = "level", "weight"


def goal_scores(
    frame: pd.DataFrame,
    items: Items,
    *,
    instrument: Instrument,
    scores: Mapping[str, Score],
    out_of_range: OutOfRange,
) -> tuple[dict[str, FloatArray], list[str]]:
    """Score goals, as many per row as were set.

    Parameters
    ----------
    frame : DataFrame
        One row per person or form.
    items : str, sequence of str, or mapping
        A pattern such as ``"goal{}"`` or the columns of the levels, all goals with the same weight; or
        ``{"level": "goal{}", "weight": "weight{}"}``.
    instrument : Instrument
        Gives the levels that are possible.
    scores : mapping of str to Score
        The scores wanted.
    out_of_range : {"error", "missing"}
        What to do about impossible levels.

    Returns
    -------
    tuple
        Score columns by name, each of shape (n_rows,), and sentences about them.

    Raises
    ------
    ColumnError
        If a column is missing, or levels and weights do not belong together.
    InstrumentError
        If a level or weight is impossible.
    """
    levels, weights = _columns(frame, items)
    check = AnswerCheck(instrument, out_of_range=out_of_range)
    level = np.column_stack([check.look(raw_answers(frame, name), 1, name) for name in levels])
    check.raise_if_broken()
    weight = np.ones_like(level)
    if weights:
        weight = np.column_stack([raw_answers(frame, name) for name in weights])
    n_negative = int(np.count_nonzero((weight < 0) | np.isinf(weight)))
    if n_negative:
        raise InstrumentError.build(
            f"{n_negative} weights of goals are negative or infinite.", hint="a weight is 0 or more."
        )
    values, notes = {}, []
    n_rated = (~np.isnan(level)).sum(axis=1)
    kind = "with the weights given" if weights else "all with the same weight"
    for name, score in scores.items():
        column = f"{instrument.key}_{name}"
        values[column] = goal_attainment_t(level, weight, rho=score.rho)
        notes.append(
            f"{column}: {score.describe()}, {score.direction.replace('_', ' ')} [{instrument.refs(score.sources)}]; "
            f"{n_rated.min()}-{n_rated.max()} rated goals per row, {kind}; goals without rating or weight are left out; "
            f"{int(np.isnan(values[column]).sum())} of {len(frame)} scores missing. Key: {instrument.cite()}"
        )
    return values, notes


def _columns(frame: pd.DataFrame, items: Items) -> tuple[list[str], list[str]]:
    """Return the columns of the levels and of the weights, which are empty when not given."""
    if not isinstance(items, Mapping):
        levels = _numbered(frame, items) if isinstance(items, str) else dict(enumerate(items, start=1))
        refuse_wrong_columns(frame, list(levels.values()))
        return list(levels.values()), []
    given = {str(name): str(pattern) for name, pattern in items.items()}
    if set(given) != {LEVEL, WEIGHT}:
        raise ColumnError.build(
            "Goals need patterns for their levels and weights.",
            hint='write items={"level": "goal{}", "weight": "weight{}"}.',
        )
    by_level, by_weight = _numbered(frame, given[LEVEL]), _numbered(frame, given[WEIGHT])
    alone = sorted(set(by_level) ^ set(by_weight))
    if alone:
        raise ColumnError.build(
            f"Goal {alone[0]} has a level or a weight, but not both.", hint="name the columns with the same numbers."
        )
    columns: Sequence[str] = [*by_level.values(), *by_weight.values()]
    refuse_wrong_columns(frame, list(columns))
    return [by_level[goal] for goal in sorted(by_level)], [by_weight[goal] for goal in sorted(by_level)]


def _numbered(frame: pd.DataFrame, pattern: str) -> dict[int, str]:
    """Return goal number to column for a pattern, at least one and each once."""
    found = numbered_columns(frame, pattern)
    if not found:
        raise ColumnError.missing([pattern.replace("{}", "1")], frame.columns)
    double = [names for names in found.values() if len(names) > 1]
    if double:
        raise ColumnError.build(f"One goal could be {' or '.join(double[0])}.", hint="drop one of the columns.")
    return {goal: found[goal][0] for goal in sorted(found)}
