"""How far published totals agree with the scale's own key."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from alliance_stats.columns import numeric_values, require_columns
from alliance_stats.errors import DataError
from alliance_stats.result import Result

TOLERANCE = 1e-9
"""Totals that differ by less, absolutely or relative to their size, count as equal."""


@dataclass(frozen=True, kw_only=True)
class PublishedTotals(Result):
    """Differences between totals computed here and totals that came with the data.

    Parameters
    ----------
    estimates : DataFrame
        One row per quantity; columns as returned by `tidy`.
    ours, published : str
        The two columns.
    n_rows : int
        Rows of the frame.
    n : int
        Rows in which both totals are known.
    n_different : int
        Of those, how many differ.
    """

    estimates: pd.DataFrame = field(repr=False)
    ours: str
    published: str
    n_rows: int
    n: int
    n_different: int

    def tidy(self) -> pd.DataFrame:
        """Return the quantities.

        Returns
        -------
        DataFrame
            One row per quantity: term, estimate, n (rows compared). ``share_different`` lies in 0 to 1;
            ``mean_difference``, ``lowest_difference`` and ``highest_difference`` are ours minus published, in points,
            over all rows compared; ``correlation`` is Pearson's, NaN where one column does not vary.
        """
        return self.estimates.copy()

    def glance(self) -> pd.DataFrame:
        """Return one row: ours, published, n_rows, n, n_different."""
        names = ("ours", "published", "n_rows", "n", "n_different")
        return pd.DataFrame([{name: getattr(self, name) for name in names}])


def compare_totals(frame: pd.DataFrame, ours: str, published: str) -> PublishedTotals:
    """Compare totals computed from items with the totals that came with the data.

    Use it before a published total enters an analysis: a reversed item too many or too few shows here, row by row,
    while the correlation of the two totals stays near one.

    Parameters
    ----------
    frame : DataFrame
        One row per filled-in form.
    ours, published : str
        Columns with the total by the scale's key and with the published one, in the same points.

    Returns
    -------
    PublishedTotals

    Raises
    ------
    ColumnError
        If a column is missing or not numeric.
    DataError
        If both names are the same column, a total is infinite, or no row has both totals.

    See Also
    --------
    score : the totals by the scale's key.

    Examples
    --------
    >>> import pandas as pd
    >>> import alliance_stats as al
    >>> totals = pd.DataFrame({"srs_v3_sum": [31.4, 28.0, 36.2], "total": [31.4, 29.0, 36.2]})
    >>> al.compare_totals(totals, "srs_v3_sum", "total").notes[0]
    "1 of 3 published totals (33 %) differs from the scale's key, by up to 1 point."
    """
    require_columns(frame, [ours, published])
    if ours == published:
        raise DataError.build(f"'{ours}' is named twice.", hint="name the computed and the published total.")
    pair = np.column_stack([numeric_values(frame, ours), numeric_values(frame, published)])
    if np.isinf(pair).any():
        raise DataError.build(f"{int(np.isinf(pair).sum())} totals are infinite.", hint="mark them as missing first.")
    known = pair[~np.isnan(pair).any(axis=1)]
    if not len(known):
        raise DataError.build(
            f"No row has both '{ours}' and '{published}'.", hint="check that both are totals of the same forms."
        )
    first, second = known.T
    difference = np.where(np.isclose(first, second, rtol=TOLERANCE, atol=TOLERANCE), 0.0, first - second)
    return PublishedTotals(
        estimates=_estimates(first, second, difference),
        ours=ours,
        published=published,
        n_rows=len(frame),
        n=len(known),
        n_different=int(np.count_nonzero(difference)),
        notes=_notes(difference, n_rows=len(frame)),
    )


def _estimates(ours: np.ndarray, published: np.ndarray, difference: np.ndarray) -> pd.DataFrame:
    """Return one row per quantity; all inputs have shape (n,)."""
    varies = len(ours) > 1 and np.ptp(ours) > 0 and np.ptp(published) > 0
    quantities = {
        "share_different": float(np.mean(difference != 0)),
        "mean_difference": float(difference.mean()),
        "lowest_difference": float(difference.min()),
        "highest_difference": float(difference.max()),
        "correlation": float(np.corrcoef(ours, published)[0, 1]) if varies else np.nan,
    }
    return pd.DataFrame({"term": list(quantities), "estimate": list(quantities.values()), "n": len(ours)})


def _notes(difference: np.ndarray, *, n_rows: int) -> tuple[str, ...]:
    """Return the agreement in words; differences have shape (n,)."""
    n, n_different = len(difference), int(np.count_nonzero(difference))
    if n_different:
        largest = float(np.abs(difference).max())
        verb, points = "differs" if n_different == 1 else "differ", "point" if largest == 1 else "points"
        notes = [
            f"{n_different} of {n} published totals ({100 * n_different / n:.0f} %) {verb} from the scale's key, "
            f"by up to {largest:.4g} {points}."
        ]
    else:
        notes = [f"All {n} published totals agree with the scale's key."]
    if n < n_rows:
        notes.append(f"{n_rows - n} of {n_rows} rows lack one of the totals and are not compared.")
    notes.append("Differences are the total by the scale's key minus the published total, in points.")
    return tuple(notes)
