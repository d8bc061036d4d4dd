"""How well persons hide in a table, and tables that do not show small groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from alliance_stats.columns import as_names, require_columns
from alliance_stats.errors import DataError, listing
from alliance_stats.result import Result

DEFAULT_SMALLEST = 10
"""Smallest count shown if nothing else is agreed; the holder of the data may demand more."""


@dataclass(frozen=True, kw_only=True)
class KAnonymity(Result):
    """How many patients share each combination of characteristics; made by `k_anonymity`.

    Parameters
    ----------
    frame : DataFrame
        One row per set of columns; see ``tidy()``.
    k : int
        Size of a group that was asked for.
    smallest : int
        Size of the smallest group, all columns taken together.
    """

    frame: pd.DataFrame = field(repr=False)
    k: int
    smallest: int

    def tidy(self) -> pd.DataFrame:
        """Return one row per set of columns: kind, term, n, n_groups, smallest, n_below, share_below."""
        return self.frame.copy()

    def glance(self) -> pd.DataFrame:
        """Return one row: k asked for, smallest group, patients in smaller groups."""
        whole = self.frame.iloc[0]
        row = {"k": self.k, "smallest": self.smallest, "n": whole["n"], "n_below": whole["n_below"]}
        return pd.DataFrame([row])


def k_anonymity(frame: pd.DataFrame, columns: Sequence[str], *, k: int = DEFAULT_SMALLEST) -> KAnonymity:
    """Tell how many patients share their combination of characteristics.

    Use it before data are handed on: whoever knows a patient's age, sex and site finds the patient if nobody else shares
    them. The unit is the patient, whatever the number of sessions. Values are counted, never shown.

    Parameters
    ----------
    frame : DataFrame
        One row per patient and session, with a column 'patient'.
    columns : sequence of str
        Characteristics that an outsider may know. Missing counts as a value of its own.
    k : int
        Smallest group that is large enough.

    Returns
    -------
    KAnonymity
        ``tidy()`` has a row for all columns together, one for each alone, and one for all but each: kind ("together", "alone",
        "without"), term, n (patients), n_groups, smallest (patients in the smallest group), n_below (patients in groups
        smaller than k) and share_below.

    Raises
    ------
    ColumnError
        If a column is missing.
    DataError
        If no column is named, or k is below 2.

    Notes
    -----
    Sweeney (2002), International Journal of Uncertainty, Fuzziness and Knowledge-Based Systems 10, 557-570,
    doi 10.1142/S0218488502001648. A characteristic that changes from session to session counts with all its values. Sharing
    a group does not help where all its members have the same diagnosis: k-anonymity does not measure that.

    Examples
    --------
    >>> import alliance_stats as al
    >>> frame = al.load_sample("therapist_statements")
    >>> al.k_anonymity(frame, ["therapist"], k=5).glance()["n"].item()
    600
    """
    columns = as_names(columns)
    if k < 2 or not columns:
        raise DataError.build(
            f"{len(columns)} columns and k = {k} were given.", hint="name at least one column, and a k of 2 or more."
        )
    require_columns(frame, ["patient", *columns])
    codes = pd.DataFrame({name: _patient_codes(frame, name) for name in columns})
    sets = [("together", listing(list(columns), 12), list(columns))]
    sets += [("alone", name, [name]) for name in columns if len(columns) > 1]
    sets += [("without", name, [other for other in columns if other != name]) for name in columns if len(columns) > 1]
    rows = [_row(kind, term, codes[used], k) for kind, term, used in sets]
    table = pd.DataFrame(rows)
    varying = [name for name in columns if bool((frame.groupby("patient")[name].nunique(dropna=False) > 1).any())]
    notes = [f"Unit: the patient ({len(codes)}); groups share {listing(list(columns), 12)}; asked for: k = {k}."]
    if varying:
        notes.append(f"Columns that vary within patients count with all their values: {listing(varying, 12)}.")
    return KAnonymity(frame=table, k=k, smallest=int(table["smallest"].iloc[0]), notes=tuple(notes))


def _patient_codes(frame: pd.DataFrame, name: str) -> pd.Series:
    """Return a number for each patient that is the same for patients with the same values."""
    values = pd.Series(pd.factorize(frame[name], use_na_sentinel=False)[0], index=frame.index)
    sets = {patient: str(sorted(set(own))) for patient, own in values.groupby(frame["patient"])}
    return pd.Series(pd.factorize(np.array(list(sets.values()), dtype=object))[0], index=pd.Index(list(sets)))


def _row(kind: str, term: str, codes: pd.DataFrame, k: int) -> dict[str, object]:
    """Return the sizes of the groups that share all codes."""
    sizes = codes.groupby(list(codes.columns)).size().to_numpy()
    below = int(sizes[sizes < k].sum())
    return {
        "kind": kind,
        "term": term,
        "n": int(sizes.sum()),
        "n_groups": int(sizes.size),
        "smallest": int(sizes.min()),
        "n_below": below,
        "share_below": below / int(sizes.sum()),
    }


def suppress_small_cells(counts: pd.DataFrame, *, smallest: int = DEFAULT_SMALLEST) -> pd.DataFrame:
    """Return a table of counts in which no small count is shown or can be computed from the others.

    Use it for every table of counts that leaves the house: rows are groups (therapists, sites), columns are categories.
    Totals of rows and columns must not be in the table, but are taken to be known to the reader.

    Parameters
    ----------
    counts : DataFrame
        Whole numbers of persons, without totals.
    smallest : int
        Smallest count that may be shown; zeros are shown.

    Returns
    -------
    DataFrame
        Whole numbers, missing where suppressed. ``attrs["notes"]`` says how many cells are small and how many more had to go.

    Raises
    ------
    DataError
        If a cell is no whole number from zero up.

    Notes
    -----
    Primary suppression: counts from 1 to ``smallest - 1``. Secondary suppression: with the totals known, a suppressed cell can
    be computed exactly if and only if it is a bridge in the graph that joins rows and columns by suppressed cells; further
    cells, the smallest first, are suppressed until none is, and until the suppressed cells of each row and column add up to
    ``smallest``. In a table of one column (or row) at least two cells are suppressed. See Hundepool et al. (2012), Statistical
    Disclosure Control, Wiley, chapter 4, doi 10.1002/9781118348239.

    Examples
    --------
    >>> import pandas as pd, alliance_stats as al
    >>> counts = pd.DataFrame({"women": [40, 3], "men": [25, 30]}, index=["site A", "site B"])
    >>> al.suppress_small_cells(counts).isna().sum().sum().item()
    4
    """
    if not isinstance(counts, pd.DataFrame) or smallest < 1:
        raise DataError.build(
            f"A table of counts is a DataFrame and smallest= a whole number from 1 on; these are a {type(counts).__name__} and "
            f"{smallest}.",
            hint='turn a series into a table first: counts.to_frame("n").',
        )
    cells = _whole_numbers(counts)
    hidden = (cells > 0) & (cells < smallest)
    n_small = int(hidden.sum())
    while hidden.any():
        line = _open_line(cells, hidden, smallest)
        if line is None:
            break
        hidden[_next_cell(cells, hidden, line)] = True
    shown = pd.DataFrame(cells, index=counts.index, columns=counts.columns).astype("Int64").mask(hidden)
    n_more = int(hidden.sum()) - n_small
    shown.attrs["notes"] = (
        *counts.attrs.get("notes", ()),
        f"Suppressed: {n_small} counts of 1 to {smallest - 1}, and {n_more} further ones from which they could be computed.",
    )
    return shown


def _whole_numbers(counts: pd.DataFrame) -> np.ndarray:
    """Return the counts, shape (n_rows, n_columns)."""
    try:
        cells = counts.to_numpy(dtype=float)
    except (TypeError, ValueError):
        raise DataError.build(
            "The table holds text.", hint="make the groups the index, and keep counts only."
        ) from None
    if cells.size == 0 or not (np.isfinite(cells) & (cells >= 0) & (cells == np.round(cells))).all():
        raise DataError.build(
            "The table must hold whole numbers from zero up, in every cell.",
            hint="pass counts, not shares; fill gaps with 0.",
        )
    return cells.astype(np.int64)


def _open_line(cells: np.ndarray, hidden: np.ndarray, smallest: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Return a row or column that gives a suppressed cell away and has another to suppress, as positions of its cells."""
    n_rows, n_columns = cells.shape
    lines = [(np.full(n_columns, i), np.arange(n_columns)) for i in range(n_rows) if n_columns > 1]
    lines += [(np.arange(n_rows), np.full(n_rows, j)) for j in range(n_columns) if n_rows > 1]
    bridges = _bridges(hidden) if min(cells.shape) > 1 else np.zeros_like(hidden)
    for line in lines:
        own = hidden[line]
        weak = own.sum() == 1 or (own.any() and cells[line][own].sum() < smallest) or bridges[line].any()
        if weak and not own.all():
            return line
    return None


def _next_cell(cells: np.ndarray, hidden: np.ndarray, line: tuple[np.ndarray, np.ndarray]) -> tuple[int, int]:
    """Return the smallest shown cell of a line, a filled one if there is any."""
    rows, columns = line
    candidates = [(cells[i, j] == 0, cells[i, j], i, j) for i, j in zip(rows, columns, strict=True) if not hidden[i, j]]
    _, _, i, j = min(candidates)
    return int(i), int(j)


def _bridges(hidden: np.ndarray) -> np.ndarray:
    """Tell which suppressed cells can be computed from row and column totals, shape (n_rows, n_columns)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n_rows, n_columns = hidden.shape
    rows, columns = np.nonzero(hidden)
    found = np.zeros_like(hidden)

    def n_parts(kept: np.ndarray) -> int:
        edges = (np.ones(kept.sum()), (rows[kept], n_rows + columns[kept]))
        graph = coo_array(edges, shape=(n_rows + n_columns, n_rows + n_columns))
        return int(connected_components(graph, directed=False)[0])

    whole = n_parts(np.ones(rows.size, dtype=bool))
    for k in range(rows.size):
        kept = np.arange(rows.size) != k
        found[rows[k], columns[k]] = n_parts(kept) > whole
    return found
