"""What a reader must know of a split: centring, counts, missing values, trend and lag."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from alliance_stats.errors import counted
from alliance_stats.process.centering_groups import RatedGroups
from alliance_stats.process.trends import CURVES, RATINGS_NEEDED

_NO_PART = "who carry no session part"
NUMBERS = {3: "three", 4: "four"}


def split_notes(
    column: str, groups: RatedGroups, parts: Mapping[str, np.ndarray], lag: int, options: tuple[str | None, str]
) -> list[str]:
    """Return the sentences on centring, counts, missing values, trend and lag."""
    detrend, weights = options
    rated = np.bincount(groups.levels[groups.first][groups.used], minlength=groups.sizes[groups.first])
    counts = [counted(len(np.unique(code[groups.used])), level) for level, code in groups.levels.items()]
    notes = [
        f"Centring of {column}: {_centring(list(groups.levels), detrend)}; {_weighting(groups, weights)}.",
        f"Ratings of {column}: {int(groups.used.sum())} from {', '.join(counts)}; "
        f"{int(np.isnan(groups.ratings).sum())} of {len(groups.ratings)} rows have none.",
    ]
    unplaced = int((~groups.used & ~np.isnan(groups.ratings)).sum())
    if unplaced:
        notes.append(f"Ratings of {column} left out for want of {' or '.join(groups.levels)}: {unplaced}.")
    single = int((rated == 1).sum())
    if single and not detrend:
        # A mean that is drawn in leaves something of a single rating in the session part.
        held = "whose session part is what their mean is drawn in by" if weights == "reliability" else _NO_PART
        notes.append(f"{groups.first.capitalize()}s with one rating of {column}, {held}: {single}.")
    if detrend:
        few = int(((rated > 0) & (rated < RATINGS_NEEDED[detrend])).sum())
        whose = f"{groups.first.capitalize()}s with fewer than {NUMBERS[RATINGS_NEEDED[detrend]]} ratings of {column}"
        notes.append(f"{whose}, whose session part is missing: {few}.")
    for level, code in groups.levels.items():
        if len(np.unique(code[groups.used])) == 1:
            notes.append(f"There is one {level} only: {column}_{level} is the same in all rows.")
    if lag:
        n_lagged = int((~np.isnan(parts[f"{column}_lag{lag}"])).sum())
        notes.append(
            f"Lag of {column}: {lag} in session numbers of the same {groups.first}; {n_lagged} of "
            f"{len(groups.ratings)} rows have such a rating, the others follow a gap or are too early."
        )
    return notes


def _centring(levels: Sequence[str], detrend: str | None) -> str:
    """Return what each part is a deviation from."""
    line = f"least-squares {CURVES[detrend]} over session numbers" if detrend else "mean"
    above = [f"{level} mean" for level in levels[1:]] + ["grand mean"]
    between = ", ".join(f"{inner} mean from {outer}" for inner, outer in zip(levels, above, strict=True))
    return f"session as deviation from the {levels[0]}'s own {line}, {between}"


def _weighting(groups: RatedGroups, weights: str) -> str:
    """Return how the means above the first level count."""
    if weights == "reliability":
        return "every mean is predicted by a model of the levels, drawn towards the mean above (weights='reliability')"
    unit = "rating" if weights == "sessions" else groups.first
    return f"above the {groups.first} every {unit} counts once (weights='{weights}')"
