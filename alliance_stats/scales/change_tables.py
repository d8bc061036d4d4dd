"""How many people fall into each class of change, all together and by group."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from alliance_stats.columns import one_column
from alliance_stats.errors import ColumnError, DataError
from alliance_stats.scales.arguments import is_number

BoolArray = npt.NDArray[np.bool_]

SMALL_GROUP = 20
"""People below which a share is more noise than news: its 95 % interval is wider than 40 points at a share of one half."""

SMALL_CELL = 5
"""People in a cell below which a table may point at persons."""


def share_table(
    classes: npt.NDArray[np.object_], order: Sequence[str], *, level: float, groups: pd.Series | None = None
) -> pd.DataFrame:
    """Count people by class, with Wilson intervals of the shares.

    Parameters
    ----------
    classes : ndarray of str or None, shape (n,)
        One entry per person; None where not classified.
    order : sequence of str
        All classes, so that empty ones are shown.
    level : float in (0, 1)
        Coverage of the intervals.
    groups : Series, optional
        Group of each person, of length n.

    Returns
    -------
    DataFrame
        One row per group and class: group (name of the grouping column, empty for all), level (its value), category,
        estimate (share, 0 to 1), conf_low, conf_high, conf_level, n (people of the group), n_people (of the class).

    References
    ----------
    Wilson, E. B. (1927). Journal of the American Statistical Association, 22, 209-212.
    https://doi.org/10.1080/01621459.1927.10502953
    """
    known = np.array([entry is not None for entry in classes], dtype=bool)
    parts = [("", "", known)]
    if groups is not None:
        values = groups.reset_index(drop=True)
        ordered = sorted(values.dropna().unique().tolist(), key=lambda value: (str(type(value)), value))
        parts += [
            (str(groups.name), value, known & (values == value).fillna(False).to_numpy(bool)) for value in ordered
        ]
    rows = [row for part in parts for row in _shares(*part, classes=classes, order=order, level=level)]
    return pd.DataFrame(rows)


def _shares(
    group: str,
    value: object,
    inside: BoolArray,
    *,
    classes: npt.NDArray[np.object_],
    order: Sequence[str],
    level: float,
) -> list[dict[str, object]]:
    """Return one row per class of one group."""
    from statsmodels.stats.proportion import proportion_confint

    n = int(inside.sum())
    rows: list[dict[str, object]] = []
    for name in order:
        count = int(np.count_nonzero(classes[inside] == name))
        low, high = proportion_confint(count, n, alpha=1 - level, method="wilson") if n else (np.nan, np.nan)
        entry = {"group": group, "level": value, "category": name, "estimate": count / n if n else np.nan}
        interval = {"conf_low": float(low), "conf_high": float(high), "conf_level": level}
        rows.append({**entry, **interval, "n": n, "n_people": count})
    return rows


def small_cells_note(table: pd.DataFrame) -> list[str]:
    """Return remarks about small groups and cells of a table of shares."""
    sizes = table.drop_duplicates([name for name in ("model", "group", "level") if name in table])["n"]
    notes = []
    if (sizes < SMALL_GROUP).any():
        notes.append(
            f"{int((sizes < SMALL_GROUP).sum())} of {len(sizes)} groups have fewer than {SMALL_GROUP} people: read the "
            "intervals, not the shares."
        )
    cells = table["n_people"].between(1, SMALL_CELL - 1)
    if cells.any():
        notes.append(
            f"{int(cells.sum())} cells count fewer than {SMALL_CELL} people; check the rules of your site before "
            "publishing them."
        )
    return notes


def group_column(frame: pd.DataFrame, by: str | None) -> pd.Series | None:
    """Return the grouping column, refusing one that names single people."""
    if by is None:
        return None
    if by in ("patient", "dyad"):
        raise ColumnError.build(
            f"by='{by}' would make a table of single cases.", hint="group by a treatment, site or other set of people."
        )
    return one_column(frame, by).rename(by)


def require_level(level: float) -> None:
    """Raise if a coverage is not between 0 and 1."""
    if not is_number(level) or not 0 < level < 1:
        raise DataError.build(f"level = {level} is not between 0 and 1.", hint="use 0.95 for a 95 percent interval.")
