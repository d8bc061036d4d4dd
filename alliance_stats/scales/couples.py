"""Change of couples from the change of both partners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from alliance_stats.columns import group_codes, one_column
from alliance_stats.errors import DataError
from alliance_stats.result import Result
from alliance_stats.scales.change_tables import share_table, small_cells_note
from alliance_stats.scales.clinical_significance import ClinicalSignificance
from alliance_stats.scales.reliable_change import Labels, ReliableChange

COUPLE_CLASSES = ("recovered", "improved", "mixed", "unchanged", "deteriorated")

RULE = (
    "recovered: both partners recovered; improved: at least one partner improved or recovered and none is worse; mixed: "
    "one partner better, the other worse; deteriorated: at least one partner worse and none better; unchanged: neither."
)


@dataclass(frozen=True, kw_only=True)
class CoupleChange(Result):
    """Change of couples.

    Parameters
    ----------
    shares : DataFrame
        See `tidy`.
    pairs : DataFrame
        See `partners`.
    n_couples, n_incomplete : int
        Couples classified, and couples of which a partner is missing or not classified.
    """

    shares: pd.DataFrame
    pairs: pd.DataFrame = field(repr=False)
    n_couples: int
    n_incomplete: int

    def tidy(self) -> pd.DataFrame:
        """Return the share of couples in each class.

        Returns
        -------
        DataFrame
            One row per norm set and class: model (norm set), category, estimate (share, 0 to 1), conf_low, conf_high
            (Wilson), conf_level, n (couples), n_people (couples in the class).
        """
        return self.shares.copy()

    def partners(self) -> pd.DataFrame:
        """Return how often which classes met in a couple.

        Returns
        -------
        DataFrame
            One row per norm set and pair of classes that occurs: model, first, second, n. With roles, first and second
            are the classes of the first and second role in alphabetical order; without, the better class is first.
        """
        return self.pairs.copy()

    def glance(self) -> pd.DataFrame:
        """Return one row: n_couples, n_incomplete."""
        return pd.DataFrame([{"n_couples": self.n_couples, "n_incomplete": self.n_incomplete}])


def couple_change(
    result: ClinicalSignificance | ReliableChange, *, dyad: str = "dyad", role: str | None = None
) -> CoupleChange:
    """Judge couples by the classes of both partners.

    Partners are judged on their own first, so that a couple in which one partner gains and the other loses is seen; a
    couple's mean score would hide it.

    Parameters
    ----------
    result : ClinicalSignificance or ReliableChange
        One row per partner.
    dyad : str
        Column of the couple.
    role : str, optional
        Column that tells the partners apart, for `CoupleChange.partners`.

    Returns
    -------
    CoupleChange

    Raises
    ------
    ColumnError
        If a column is missing.
    DataError
        If a couple has more than two rows, two partners have one role, or no couple is complete.

    Notes
    -----
    Recovered: both partners recovered. Improved: at least one partner improved or recovered, none deteriorated or harmed.
    Mixed: one of each. Deteriorated: at least one partner deteriorated or harmed, none better. Unchanged: neither changed.
    The rule is the library's own, written out because published rules differ; `partners` has what is needed for another.
    Without cut-offs nobody recovers. The interval is Wilson's, with couples as independent.

    Examples
    --------
    >>> import pandas as pd, alliance_stats as al
    >>> pairs = pd.DataFrame({"dyad": [1, 1, 2, 2], "pre": [80, 90, 85, 70], "post": [110, 112, 104, 71]})
    >>> error = al.MeasurementError(reliability=0.88, kind="retest", sd=11.8)
    >>> change = al.reliable_change(pairs, ("pre", "post"), method="jacobson_truax", direction="higher_is_better", error=error)
    >>> al.couple_change(change).tidy().set_index("category")["n_people"].to_dict()
    {'recovered': 0, 'improved': 2, 'mixed': 0, 'unchanged': 0, 'deteriorated': 0}
    """
    if not isinstance(result, (ClinicalSignificance, ReliableChange)):
        raise DataError.build(
            f"couple_change() judges a change of persons, not {type(result).__name__}.",
            hint="call reliable_change() and clinical_significance() first.",
        )
    change = result.change if isinstance(result, ClinicalSignificance) else result
    labels = result.labels if isinstance(result, ClinicalSignificance) else {"": result.classes}
    if not change.people.all():
        raise DataError.build(
            "Couples need one row per partner.", hint="use reliable_change() on first and last scores."
        )
    first, second, n_all = _pairs(change.frame, dyad, role)
    tables, pairs, n_known = [], [], 0
    for name, values in labels.items():
        one, two = values[first], values[second]
        classes = np.array([_couple(a, b) for a, b in zip(one, two, strict=True)], dtype=object)
        n_known = int(sum(entry is not None for entry in classes))
        table = share_table(classes, COUPLE_CLASSES, level=change.level).drop(columns=["group", "level"])
        table.insert(0, "model", name)
        tables.append(table)
        pairs.append(_crossed(name, one, two, ordered=role is not None))
    if not n_known:
        raise DataError.build("No couple has both partners classified.", hint=f"check '{dyad}' and missing scores.")
    shares = pd.concat(tables, ignore_index=True)
    return CoupleChange(
        shares=shares,
        pairs=pd.concat(pairs, ignore_index=True),
        n_couples=n_known,
        n_incomplete=n_all - n_known,
        notes=(
            # The remarks on small cells are made anew for the table of couples.
            *(note for note in result.notes if note not in small_cells_note(result.shares)),
            f"Couples: {RULE}",
            *_missing(n_all - n_known, n_all, n_without=int(one_column(change.frame, dyad).isna().sum())),
            *small_cells_note(shares),
        ),
    )


def _missing(n_incomplete: int, n_all: int, *, n_without: int) -> list[str]:
    """Return how many couples are not classified, and how many rows belong to none."""
    notes = []
    if n_incomplete:
        notes.append(f"{n_incomplete} of {n_all} couples lack a partner or a score and are not classified.")
    if n_without:
        notes.append(f"{n_without} rows name no couple and are left out.")
    return notes


def _pairs(frame: pd.DataFrame, dyad: str, role: str | None) -> tuple[np.ndarray, np.ndarray, int]:
    """Return row positions of the two partners of each complete couple, and the number of couples."""
    codes, n_couples = group_codes(frame, dyad)
    counts = np.bincount(codes[codes >= 0], minlength=n_couples)
    if (counts > 2).any():
        raise DataError.build(
            f"{int((counts > 2).sum())} levels of '{dyad}' have more than two rows.", hint="keep one row per partner."
        )
    roles = np.zeros(len(frame), dtype=np.int64) if role is None else _role_codes(frame, role)
    order = np.lexsort([roles, codes])
    order = order[codes[order] >= 0]
    both = order[counts[codes[order]] == 2]
    first, second = both[0::2], both[1::2]
    if role is not None and (roles[first] == roles[second]).any():
        raise DataError.build(
            f"{int((roles[first] == roles[second]).sum())} couples have two partners of one '{role}'.",
            hint="leave role= out for partners that are not told apart.",
        )
    return first, second, n_couples


def _role_codes(frame: pd.DataFrame, role: str) -> np.ndarray:
    """Return alphabetical numbers of the roles, shape (n_rows,)."""
    codes, _ = group_codes(frame, role)
    if (codes < 0).any():
        raise DataError.build(f"{int((codes < 0).sum())} rows lack a '{role}'.", hint="fill it in, or leave role= out.")
    return pd.factorize(frame[role], sort=True)[0]


def _couple(one: str | None, two: str | None) -> str | None:
    """Return the class of a couple."""
    if one is None or two is None:
        return None
    states: Sequence[str] = (one, two)
    better = any(state in ("recovered", "improved") for state in states)
    worse = any(state in ("deteriorated", "harmed") for state in states)
    if better and worse:
        return "mixed"
    if worse:
        return "deteriorated"
    if not better:
        return "unchanged"
    return "recovered" if one == two == "recovered" else "improved"


def _crossed(name: str, one: Labels, two: Labels, *, ordered: bool) -> pd.DataFrame:
    """Return how often which classes met."""
    order = {
        label: place for place, label in enumerate(("recovered", "improved", "unchanged", "deteriorated", "harmed"))
    }
    met = [(a, b) for a, b in zip(one, two, strict=True) if a is not None and b is not None]
    if not ordered:
        met = [(a, b) if order[a] <= order[b] else (b, a) for a, b in met]
    counted: dict[tuple[str, str], int] = {}
    for pair in sorted(met, key=lambda pair: (order[pair[0]], order[pair[1]])):
        counted[pair] = counted.get(pair, 0) + 1
    rows = [{"model": name, "first": a, "second": b, "n": n} for (a, b), n in counted.items()]
    return pd.DataFrame(rows, columns=["model", "first", "second", "n"])
