"""Tables of the influence of each level of a grouping factor, levels numbered by rank."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from alliance_stats.inference.influence import Deletion, cooks_distances
from alliance_stats.mixed.fit import LmmFit
from alliance_stats.mixed.grouping import Grouping
from alliance_stats.mixed.levelsums import Floats

# 4 / n levels: the documentation of influence.ME draws its line at .17 for 23 schools (example of ME.cook)
FLAG_ABOVE = 4.0
"""Cook's distance times the number of levels above which a level is flagged for a look."""


class LevelInfluence(NamedTuple):
    """The influence of the levels of one grouping factor.

    levels : DataFrame
        One row per level, the most influential first.
    coefficients : DataFrame
        One row per level and fixed effect.
    labels : Index
        The data's own labels in the order of ``levels``.
    """

    levels: pd.DataFrame
    coefficients: pd.DataFrame
    labels: pd.Index[Any]


def level_influence(
    fit: LmmFit, deletion: Deletion, grouping: Grouping, leverage: Floats, *, level: float
) -> LevelInfluence:
    """Return tables of what leaving out each level does.

    Parameters
    ----------
    fit : LmmFit
    deletion : Deletion
        Fixed effects without each level.
    grouping : Grouping
    leverage : ndarray, shape (n_rows,)
        Of each row on the fixed part.
    level : float in (0, 1)
        Of the intervals.
    """
    beta = np.asarray(fit.fixed_effects, dtype=np.float64)
    whole = np.sqrt(np.diagonal(np.asarray(fit.fixed_covariance, dtype=np.float64)))
    cook = cooks_distances(beta, deletion)
    # failed refits have no distance: they stand last
    order = np.argsort(np.where(np.isnan(cook), np.inf, -cook), kind="stable")
    change = (deletion.estimate - beta)[order]
    spread = np.sqrt(np.diagonal(deletion.covariance, axis1=1, axis2=2))[order]
    shares = np.asarray(np.bincount(grouping.codes, leverage), dtype=np.float64)
    levels = _levels(grouping, order, cook, shares, change / spread)
    levels["term"] = [fit.term_names[j] if known else "" for j, known in _largest(change / spread)]
    tables = (deletion.estimate[order], spread, change, change / spread, change / whole)
    coefficients = _coefficients(grouping.name, fit.term_names, tables, level)
    return LevelInfluence(levels, coefficients, grouping.labels[order])


def influence_notes(levels: pd.DataFrame, group: str) -> list[str]:
    """Return sentences on the flagged levels of one grouping factor, and on those without a distance."""
    own = levels[levels["group"] == group]
    n = len(own)
    share = own["cooks_distance"].iloc[0] if n else np.nan
    needed = int(np.isinf(own["cooks_distance"]).sum())
    failed = int(own["cooks_distance"].isna().sum())
    notes = [
        f"{group}: {int(own['flagged'].sum())} of {n} levels have a Cook's distance above {FLAG_ABOVE:g} / {n} = "
        f"{FLAG_ABOVE / n:.3g} (the largest: {share:.3g}); a mark for a look, not a test."
    ]
    if needed:
        notes.append(
            f"{group}: without {needed} of the levels some coefficient cannot be estimated; their distance is infinite."
        )
    if failed:
        notes.append(f"{group}: the model could not be fitted without {failed} of the levels; they have no distance.")
    return notes


def _levels(
    grouping: Grouping, order: NDArray[np.intp], cook: Floats, leverage: Floats, dfbetas: Floats
) -> pd.DataFrame:
    """Return one row per level in the given order, without the term of the largest change."""
    rank = np.arange(1, order.size + 1)
    largest = [own[j] if known else np.nan for own, (j, known) in zip(dfbetas, _largest(dfbetas), strict=True)]
    return pd.DataFrame(
        {
            "group": grouping.name,
            "level": rank,
            "term": "",
            "n": np.bincount(grouping.codes)[order],
            "cooks_distance": cook[order],
            "leverage": leverage[order],
            "dfbetas": largest,
            "flag_above": FLAG_ABOVE / order.size,
            "flagged": cook[order] > FLAG_ABOVE / order.size,
        }
    )


def _largest(dfbetas: Floats) -> list[tuple[int, bool]]:
    """Return, for each level, the position of the largest change, and whether the changes are known."""
    known = np.asarray(np.isfinite(dfbetas).all(axis=1))
    places = np.argmax(np.where(known[:, None], np.abs(dfbetas), 0.0), axis=1)
    return list(zip(places.tolist(), known.tolist(), strict=True))


def _coefficients(group: str, terms: tuple[str, ...], tables: tuple[Floats, ...], level: float) -> pd.DataFrame:
    """Return one row per level and fixed effect."""
    estimate, spread, change, dfbetas, change_whole = (table.ravel() for table in tables)
    z = NormalDist().inv_cdf((1 + level) / 2)
    n_levels = len(tables[0])
    return pd.DataFrame(
        {
            "term": list(terms) * n_levels,
            "group": group,
            "level": np.repeat(np.arange(1, n_levels + 1), len(terms)),
            "estimate": estimate,
            "std_error": spread,
            "conf_low": estimate - z * spread,
            "conf_high": estimate + z * spread,
            "conf_level": level,
            "change": change,
            "dfbetas": dfbetas,
            "change_whole": change_whole,
        }
    )
