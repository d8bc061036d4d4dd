"""The alliance or the outcome of a study as one column."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from alliance_stats.columns import CANONICAL, numeric_values, require_columns
from alliance_stats.errors import ColumnError, InstrumentError
from alliance_stats.loaders.map_values import Items as MapItems
from alliance_stats.loaders.map_values import Measure
from alliance_stats.scales.answers import Items
from alliance_stats.scales.instrument import load_instrument
from alliance_stats.scales.scoring import score


def add_measure(frame: pd.DataFrame, measure: Measure, *, name: str) -> pd.DataFrame:
    """Add the alliance or the outcome of a column map under a name of its own.

    Use it where the same analysis runs on data that hold items and on data that hold finished scores.

    Parameters
    ----------
    frame : DataFrame
        Session table, one row per filled-in form; it is not changed.
    measure : Measure
        ``column_map.alliance`` or ``column_map.outcome``: a finished column, or an instrument with items and score.
    name : str
        The column to add, such as ``"alliance"``.

    Returns
    -------
    DataFrame
        A copy with the column ``name``, in scale points, NaN where there is no score. ``attrs["notes"]`` gains the
        sentences of `score`, and one that says what the column is.

    Raises
    ------
    InstrumentError
        If the instrument is unknown, does not offer the score, or the answers do not fit it.
    ColumnError
        If a column is missing or not numeric, or if the frame has a column ``name`` with other content.

    See Also
    --------
    score : all scores of an instrument.
    read_column_map : where measures come from.

    Examples
    --------
    >>> import alliance_stats as al
    >>> column_map = al.read_column_map("therapist_statements")
    >>> sessions = al.add_measure(al.read_study_data(column_map), column_map.alliance, name="alliance")
    >>> bool(sessions["alliance"].dropna().between(1, 5).all())
    True
    """
    if name in CANONICAL:
        raise ColumnError.build(
            f"'{name}' is the column of {CANONICAL[name]} and cannot hold a measure.",
            hint='choose another name=, for example name="alliance".',
        )
    values, notes = _finished(frame, measure.column) if measure.column is not None else _scored(frame, measure)
    _require_room(frame, name, values)
    out = frame.assign(**{name: values})
    source = measure.column or f"{measure.instrument}, score '{measure.score}'"
    said = f"'{name}' is {source}: {measure.label}."
    out.attrs = {**frame.attrs, "notes": tuple(dict.fromkeys([*frame.attrs.get("notes", ()), *notes, said]))}
    return out


def _finished(frame: pd.DataFrame, column: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return a finished score, shape (n_rows,), and no notes."""
    require_columns(frame, [column], hint="correct the name in the column map.")
    return numeric_values(frame, column), ()


def _scored(frame: pd.DataFrame, measure: Measure) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the score of an instrument, shape (n_rows,), and the notes of scoring."""
    if measure.instrument is None or measure.items is None or measure.score is None:
        raise InstrumentError.build(
            f"The measure '{measure.label}' has neither a column nor an instrument with items and score.",
            hint="name column=, or instrument=, items= and score=.",
        )
    instrument = load_instrument(measure.instrument)
    column = f"{instrument.key}_{instrument.score_named(measure.score).name}"
    answers = frame.drop(columns=column, errors="ignore")
    answers.attrs = {}
    scored = score(answers, instrument, items=_items(measure.items), scores=[measure.score], storage=measure.storage)
    return numeric_values(scored, column), tuple(scored.attrs["notes"])


def _items(items: MapItems) -> Items:
    """Return the item columns as `score` takes them, item numbers as integers."""
    if isinstance(items, Mapping):
        return {int(number): column for number, column in items.items()}
    return items


def _require_room(frame: pd.DataFrame, name: str, values: np.ndarray) -> None:
    """Raise a ColumnError if the frame has the column already with other content."""
    if name not in frame.columns:
        return
    try:
        same = np.array_equal(numeric_values(frame, name), values, equal_nan=True)
    except ColumnError:
        same = False
    if not same:
        raise ColumnError.build(
            f"The frame has a column '{name}' already, with other content.",
            hint="choose another name=, or rename that column with frame.rename(columns={...}).",
        )
