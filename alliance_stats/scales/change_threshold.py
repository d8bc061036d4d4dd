"""Change judged by a threshold: percent of the first score, or a minimal important difference."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from alliance_stats.errors import DataError
from alliance_stats.scales.arguments import is_number
from alliance_stats.scales.cutoffs import require_direction, sign_of
from alliance_stats.scales.instrument_parts import Direction
from alliance_stats.scales.keying import FloatArray
from alliance_stats.scales.reliable_change import Meaning, ReliableChange, changed, classify
from alliance_stats.scales.score_pair import score_pair

Unit = Literal["percent", "points"]


def threshold_change(
    frame: pd.DataFrame,
    columns: tuple[str, str],
    *,
    direction: Direction,
    unit: Unit,
    improvement: float,
    deterioration: float | None = None,
    by: str | None = None,
) -> ReliableChange:
    """Judge change by percent of the first score, or by an anchored difference in points.

    Percent is common for response in symptom scales; the anchor method takes a minimal important difference that people
    themselves noticed. Neither says whether a change is larger than measurement error: see `reliable_change`.

    Parameters
    ----------
    frame : DataFrame
        One row per person.
    columns : tuple of str
        First and last score.
    direction : {"higher_is_better", "higher_is_worse"}
        What a higher score means.
    unit : {"percent", "points"}
        Of the thresholds. Percent needs a score with a true zero; first scores of zero are not classified.
    improvement : float
        Least change for the better, above 0.
    deterioration : float, optional
        Least change for the worse, above 0; as ``improvement`` if left out.
    by : str, optional
        Column of groups for the table of shares.

    Returns
    -------
    ReliableChange
        Its ``change_index`` is the change in the unit of the thresholds.

    Raises
    ------
    ColumnError
        If a column is missing or not numeric.
    DataError
        If a threshold is not positive; with ``unit="percent"``, if it is below 1 or a fall of more than 100, or a first
        score is negative.

    See Also
    --------
    reliable_change, clinical_significance

    Notes
    -----
    A change that reaches the threshold counts. Intervals of shares are Wilson's at 95 %.

    Examples
    --------
    >>> import pandas as pd, alliance_stats as al
    >>> phq = pd.DataFrame({"first": [20, 16, 12], "last": [9, 10, 13]})
    >>> half = al.threshold_change(phq, ("first", "last"), direction="higher_is_worse", unit="percent", improvement=50)
    >>> half.frame["change_class"].tolist()
    ['improved', 'unchanged', 'unchanged']
    """
    require_direction(direction)
    worse = improvement if deterioration is None else deterioration
    _require_thresholds(unit, improvement, worse, direction=direction)
    pre, post = score_pair(frame, columns, function="threshold_change")
    if unit == "percent" and np.nanmin(pre) < 0:
        raise DataError.build(
            f"'{columns[0]}' has negative scores; a percentage of them means nothing.", hint="use unit='points'."
        )
    values = post - pre if unit == "points" else _percent(pre, post)
    sign = sign_of(direction)
    # In units of the threshold: reaching it counts, also where rounding in the computer leaves it short.
    scaled = np.where(sign * values > 0, values / improvement, values / worse)
    classes = classify(scaled, 1.0 - 1e-12, direction)
    known = ~(np.isnan(pre) | np.isnan(post))
    ends = np.array([pre[known].min(), pre[known].max()])
    return changed(
        frame,
        pre=pre,
        post=post,
        classes=classes,
        values=values,
        bands=_bands(ends, improvement, worse, unit=unit, sign=sign),
        meaning=Meaning(
            outcome=columns[0],
            method=unit,
            direction=direction,
            by=by,
            level=0.95,
            numbers={"improvement": improvement, "deterioration": worse},
            notes=tuple(_notes(columns, unit, improvement, worse, n_zero=int((pre == 0).sum()))),
        ),
    )


def _require_thresholds(unit: str, improvement: float, worse: float, *, direction: Direction) -> None:
    """Raise if the thresholds cannot be used."""
    if unit not in ("percent", "points"):
        raise DataError.build(f"No unit '{unit}'.", hint="use 'percent' or 'points'.")
    for name, value in (("improvement", improvement), ("deterioration", worse)):
        if not (is_number(value) and value > 0):
            raise DataError.build(f"{name} = {value!r} is not above 0.", hint="direction= says which way is better.")
    if unit == "percent":
        _require_percent(improvement, worse, direction)


def _require_percent(improvement: float, worse: float, direction: Direction) -> None:
    """Raise if a threshold is a share in place of a percentage, or a fall that no score can have."""
    for name, value in (("improvement", improvement), ("deterioration", worse)):
        if value < 1:
            raise DataError.build(
                f"{name} = {value:g} percent is less than 1 percent of the first score.",
                hint=f"percentages run to 100: {100 * value:g} in place of the share {value:g}.",
            )
    name, falling = ("improvement", improvement) if sign_of(direction) < 0 else ("deterioration", worse)
    if falling > 100:
        raise DataError.build(
            f"{name} = {falling:g} percent: no score falls by more than 100 percent.",
            hint="give a smaller percentage, or deterioration= of its own, or unit='points'.",
        )


def _percent(pre: FloatArray, post: FloatArray) -> FloatArray:
    """Return the change in percent of the first score, NaN where that is zero; shape (n,)."""
    result: FloatArray = np.full(pre.shape, np.nan)
    np.divide(100 * (post - pre), pre, out=result, where=pre != 0)
    return result


def _bands(ends: FloatArray, improvement: float, worse: float, *, unit: str, sign: int) -> pd.DataFrame:
    """Return the lines of the thresholds at the ends of the first scores."""
    scale = ends / 100 if unit == "percent" else np.ones(2)
    up, down = (improvement, worse) if sign > 0 else (worse, improvement)
    return pd.DataFrame({"pre": ends, "post_low": ends - down * scale, "post_high": ends + up * scale})


def _notes(columns: tuple[str, str], unit: str, improvement: float, worse: float, *, n_zero: int) -> list[str]:
    """Return what the judgement rests on, in words."""
    name = "% of the first score" if unit == "percent" else "points"
    notes = [
        f"Change from '{columns[0]}' to '{columns[1]}': improved by at least {improvement:g} {name}, deteriorated by at "
        f"least {worse:g} {name}. Measurement error is not considered."
    ]
    if unit == "percent" and n_zero:
        notes.append(f"{n_zero} first scores are zero; a percentage of them is not defined.")
    return notes
