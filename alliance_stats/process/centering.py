"""Split a rating into what differs between sessions, between patients and between therapists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

import numpy as np
import pandas as pd

from alliance_stats.columns import (
    CANONICAL,
    group_codes,
    nested_within,
    numeric_values,
    require_columns,
    session_order,
)
from alliance_stats.errors import ColumnError, DataError, unknown_name

Detrend = Literal["linear"]
Weights = Literal["sessions", "patients"]
Levels = Sequence[str] | Mapping[str, str]

RESERVED = ("session", "trend")
"""Suffixes that `within_between` gives to other columns, so that no level may be called so."""


def within_between(
    frame: pd.DataFrame,
    column: str,
    *,
    levels: Levels = ("patient", "therapist"),
    lag: int = 0,
    detrend: Detrend | None = None,
    session: str = "session",
    weights: Weights = "sessions",
) -> pd.DataFrame:
    r"""Split a rating into session, patient and therapist parts.

    Use it before a mixed model whose predictor changes from session to session: a slope on the undivided rating mixes
    what happens within a patient with the differences between patients and between therapists. The parts add up to the
    rating minus its grand mean.

    Parameters
    ----------
    frame : DataFrame
        Session table, one row per patient and session. It is not changed.
    column : str
        Numeric column to split, in scale points.
    levels : sequence of str, or mapping of str to str
        Grouping columns from the inside out, each nested in the next: ``("patient", "therapist")``, ``("patient",)``,
        ``("dyad",)``, ``("patient", "therapist", "site")``. A mapping names columns that are called otherwise:
        ``{"patient": "pid", "therapist": "th_id"}``; its keys become the suffixes of the new columns.
    lag : int
        In sessions, 0 or more. With ``lag=k`` the value of session ``session - k`` of the same patient is added.
        It is missing when that session number is not there: gaps are respected, never bridged.
    detrend : {"linear"} or None
        ``"linear"`` takes the patient's own least-squares line over session numbers out of the session part.
        Detrending changes which question is asked, so report the results with and without it.
    session : str
        Column of session numbers; needed for ``lag`` and ``detrend`` only.
    weights : {"sessions", "patients"}
        How the means above the first level count: every rating once, or every patient (unit of the first level) once.

    Returns
    -------
    DataFrame
        Copy of ``frame``, same rows in the same order, with new columns in scale points:

        - ``<column>_session``: rating minus the patient's mean (with ``detrend``: minus the patient's line);
        - ``<column>_trend``: the patient's line minus the patient's mean; with ``detrend`` only;
        - ``<column>_patient``: the patient's mean minus the therapist's mean;
        - ``<column>_therapist``: the therapist's mean minus the grand mean;
        - ``<column>_lag<k>`` and ``<column>_session_lag<k>``: rating and session part ``k`` sessions earlier.

        With ``levels=("patient",)`` the patient part is the patient's mean minus the grand mean. What was done is
        appended to ``.attrs["notes"]``, a tuple of sentences with counts.

    Raises
    ------
    ColumnError
        If a column is missing or the rating is not numeric.
    DataError
        If a unit belongs to several units of the next level (patients who met several therapists), if no row holds a
        rating, if an option is unknown, if session numbers are missing, fractional or repeated where they are needed,
        or if no patient has two sessions ``lag`` apart.

    See Also
    --------
    level_effects : The parts of several predictors on one outcome.
    alliance_outcome : The parts of the alliance on the outcome of a later session.

    Notes
    -----
    With rating :math:`x_{tij}` in session t of patient i of therapist j, the parts are
    :math:`x_{tij} - \bar x_{ij}`, :math:`\bar x_{ij} - \bar x_j` and :math:`\bar x_j - \bar x`.

    The literature differs on :math:`\bar x_j`. With ``weights="sessions"`` it is the mean of all the therapist's
    ratings, which makes the three parts uncorrelated over the rows; patients with many sessions count more. With
    ``weights="patients"`` it is the mean of the patients' means, as in studies with one alliance score per patient.
    Session parts are the same either way, and with equal numbers of sessions so is everything else.

    Missing ratings are left out of the means; the other parts are still given in their rows, because a lagged
    analysis needs them there. A patient with a single rating has a session part of zero. With ``detrend`` the session
    part of patients with fewer than three ratings is missing: a line through two points leaves no deviation to see.
    Observed means stand for true ones, so a part between units is measured with error when units have few ratings.

    References
    ----------
    Curran, P. J., & Bauer, D. J. (2011). The disaggregation of within-person and between-person effects in
    longitudinal models of change. Annual Review of Psychology, 62, 583-619. doi:10.1146/annurev.psych.093008.100356

    Wang, L., & Maxwell, S. E. (2015). On disaggregating between-person and within-person effects with longitudinal
    data using multilevel models. Psychological Methods, 20, 63-83. doi:10.1037/met0000030

    Examples
    --------
    >>> import pandas as pd
    >>> ratings = pd.DataFrame({"patient": [1, 1, 2, 2], "session": [1, 2, 1, 2], "wai": [50.0, 54.0, 60.0, 60.0]})
    >>> within_between(ratings, "wai", levels=("patient",))[["wai_session", "wai_patient"]]
       wai_session  wai_patient
    0         -2.0         -4.0
    1          2.0         -4.0
    2          0.0          4.0
    3          0.0          4.0
    """
    names = level_columns(levels)
    if column in CANONICAL:
        raise ColumnError.build(
            f"Column '{column}' holds {CANONICAL[column]}, not a rating.", hint="name the column of a score."
        )
    _check_options(lag, detrend, weights)
    require_columns(frame, [column, *names.values()], hint=_levels_hint(frame, names))
    groups = _group(frame, column, names)
    times = None
    if lag or detrend:
        require_columns(frame, [session], hint='lag and detrend need session numbers: pass session="their column".')
        times = session_order(frame, session)
    parts = _split(column, groups, None if detrend is None else times, weights)
    if lag and times is not None:
        parts |= _lagged(column, parts[f"{column}_session"], groups, times, lag)
    notes = _notes(column, groups, parts, lag, (detrend, weights))
    replaced = [name for name in parts if name in frame.columns]
    if replaced:
        notes.append(f"Columns that were there before and were computed anew: {', '.join(replaced)}.")
    out = frame.assign(**parts)
    out.attrs = {**frame.attrs, "notes": tuple(dict.fromkeys([*frame.attrs.get("notes", ()), *notes]))}
    return out


def level_columns(levels: Levels) -> dict[str, str]:
    """Return level name to column, from the inside out; raise a DataError if the levels cannot be used."""
    if isinstance(levels, str):
        levels = (levels,)
    names = dict(levels) if isinstance(levels, Mapping) else {name: name for name in levels}
    hint = 'name grouping columns from the inside out, for example levels=("patient", "therapist").'
    if not names:
        raise DataError.build("No level was named.", hint=hint)
    if len(names) < len(levels) or len(set(names.values())) < len(names):
        raise DataError.build("A level is named twice.", hint=hint)
    reserved = [name for name in names if name in RESERVED]
    if reserved:
        raise DataError.build(f"'{reserved[0]}' is not a grouping level; the session part is always given.", hint=hint)
    return names


@dataclass(frozen=True)
class _Groups:
    """Ratings and group codes, shape (n_rows,) each; ``used`` marks the rows that enter the means."""

    ratings: np.ndarray
    used: np.ndarray
    levels: dict[str, np.ndarray]
    sizes: dict[str, int]

    @property
    def first(self) -> str:
        """Name of the innermost level."""
        return next(iter(self.levels))


def _check_options(lag: int, detrend: str | None, weights: str) -> None:
    """Raise a DataError for an option that is not known."""
    if isinstance(lag, bool) or not isinstance(lag, int | np.integer) or lag < 0:
        raise DataError.build(
            f"lag={lag!r} is not a number of sessions.", hint="pass 0 for the same session or 1 for the session before."
        )
    if detrend is not None and detrend not in get_args(Detrend):
        raise unknown_name(DataError, "detrend option", str(detrend), [*get_args(Detrend), "None"])
    if weights not in get_args(Weights):
        raise unknown_name(DataError, "weights option", str(weights), get_args(Weights))


def _levels_hint(frame: pd.DataFrame, names: Mapping[str, str]) -> str:
    """Return the way out when a grouping column is missing, or an empty string."""
    missing = [level for level, column in names.items() if column not in frame.columns]
    if not missing:
        return ""
    present = tuple(level for level in names if level not in missing)
    leave = f", or leave the level out with levels={present}" if present else ""
    return f'say which column it is with levels={{"{missing[0]}": "its column", ...}}{leave}.'


def _group(frame: pd.DataFrame, column: str, names: Mapping[str, str]) -> _Groups:
    """Return checked ratings and codes."""
    values = numeric_values(frame, column)
    if np.isinf(values).any():
        raise DataError.build(
            f"Column '{column}' has {int(np.isinf(values).sum())} infinite values.", hint="mark them as missing first."
        )
    coded = {level: group_codes(frame, name) for level, name in names.items()}
    codes = {level: code for level, (code, _) in coded.items()}
    grouped = np.logical_and.reduce([code >= 0 for code in codes.values()])
    used = grouped & ~np.isnan(values)
    if not used.any():
        raise DataError.build(
            f"No row has both a value in '{column}' and its {' and '.join(names)}.",
            hint="check the columns and how missing values are marked.",
        )
    _check_nesting(codes)
    return _Groups(values, used, codes, {level: size for level, (_, size) in coded.items()})


def _check_nesting(codes: Mapping[str, np.ndarray]) -> None:
    """Raise a DataError when a unit belongs to several units of the next level."""
    levels = list(codes)
    for inner, outer in pairwise(levels):
        if nested_within(codes[inner], codes[outer]):
            continue
        known = (codes[inner] >= 0) & (codes[outer] >= 0)
        pairs = pd.DataFrame({"inner": codes[inner][known], "outer": codes[outer][known]}).drop_duplicates()
        several = int((pairs["inner"].value_counts() > 1).sum())
        kept = tuple(levels[: levels.index(outer)])
        raise DataError.build(
            f"{several} of {pairs['inner'].nunique()} {inner}s belong to more than one {outer}, so that "
            f"'{inner} mean minus {outer} mean' has no single value.",
            hint=f"use levels={kept}, or split pairs instead: make a column that numbers each {inner} with each "
            f'{outer}, for example dyad, and use levels=("dyad",). In a column map these are the units under [levels].',
        )


def _means(values: np.ndarray, weights: np.ndarray, codes: np.ndarray, size: int) -> np.ndarray:
    """Return weighted group means, shape (size,); exact for a constant group, NaN for an empty one."""
    low = np.full(size, np.inf)
    np.minimum.at(low, codes, values)
    total = np.bincount(codes, weights, minlength=size)
    above = np.bincount(codes, weights * (values - low[codes]), minlength=size)
    means = np.full(size, np.nan)
    np.divide(above, total, out=means, where=total > 0)
    means += low
    return means


def _split(column: str, groups: _Groups, times: np.ndarray | None, weights: str) -> dict[str, np.ndarray]:
    """Return the parts by column name, each of shape (n_rows,); with ``times`` the session part is detrended."""
    codes, size = groups.levels[groups.first], groups.sizes[groups.first]
    values, inner = groups.ratings[groups.used], codes[groups.used]
    unit_means = _means(values, np.ones(len(values)), inner, size)
    counts = np.bincount(inner, minlength=size)
    unit_weights = counts.astype(float) if weights == "sessions" else (counts > 0).astype(float)

    deviation = np.full(len(codes), np.nan)
    deviation[groups.used] = values - unit_means[inner]
    parts = {f"{column}_session": deviation}
    if times is not None:
        trend = _trend(deviation, times, groups)
        parts = {f"{column}_session": deviation - trend, f"{column}_trend": trend}

    means = [unit_means, *_outer_means(groups, unit_means, unit_weights)]
    spread = [np.append(mean, np.nan) for mean in means[:-1]]
    known = np.logical_and.reduce([code >= 0 for code in groups.levels.values()])
    row_means = [mean[np.where(known, code, -1)] for mean, code in zip(spread, groups.levels.values(), strict=True)]
    row_means.append(np.full(len(codes), means[-1][0]))
    for position, level in enumerate(groups.levels):
        parts[f"{column}_{level}"] = row_means[position] - row_means[position + 1]
    return parts


def _outer_means(groups: _Groups, unit_means: np.ndarray, unit_weights: np.ndarray) -> list[np.ndarray]:
    """Return the means of every level above the first, then the grand mean as shape (1,)."""
    inner = groups.levels[groups.first][groups.used]
    rated = np.flatnonzero(unit_weights > 0)
    means = []
    for level in list(groups.levels)[1:]:
        parent = np.full(len(unit_means), -1)
        parent[inner] = groups.levels[level][groups.used]
        means.append(_means(unit_means[rated], unit_weights[rated], parent[rated], groups.sizes[level]))
    means.append(_means(unit_means[rated], unit_weights[rated], np.zeros(len(rated), dtype=np.int64), 1))
    return means


def _trend(deviation: np.ndarray, times: np.ndarray, groups: _Groups) -> np.ndarray:
    """Return each unit's least-squares line around its mean, shape (n_rows,); NaN below three ratings."""
    codes, size = groups.levels[groups.first][groups.used], groups.sizes[groups.first]
    time = times[groups.used].astype(float)
    time = time - _means(time, np.ones(len(time)), codes, size)[codes]
    spread = np.bincount(codes, time**2, minlength=size)
    enough = (np.bincount(codes, minlength=size) >= 3) & (spread > 0)
    slope = np.full(size, np.nan)
    np.divide(np.bincount(codes, time * deviation[groups.used], minlength=size), spread, out=slope, where=enough)
    trend = np.full(len(deviation), np.nan)
    trend[groups.used] = slope[codes] * time
    return trend


def _lagged(
    column: str, session_part: np.ndarray, groups: _Groups, times: np.ndarray, lag: int
) -> dict[str, np.ndarray]:
    """Return rating and session part of ``lag`` sessions earlier, shape (n_rows,) each."""
    codes = groups.levels[groups.first]
    rows = np.flatnonzero(codes >= 0)
    numbers, rank = np.unique(times[rows], return_inverse=True)
    key = codes[rows] * len(numbers) + rank
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    repeated = int((ordered[1:] == ordered[:-1]).sum())
    if repeated:
        raise DataError.build(
            f"{repeated} rows repeat a {groups.first} and session of another row, so that 'the session before' has no "
            "single value.",
            hint="keep one row per patient and session first: choose one rater, or average the raters.",
        )
    earlier = np.searchsorted(numbers, numbers - lag)
    exists = numbers[earlier] == numbers - lag
    wanted = codes[rows] * len(numbers) + earlier[rank]
    place = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
    found = exists[rank] & (ordered[place] == wanted)
    source = rows[order[place[found]]]
    out = {f"{column}_lag{lag}": groups.ratings, f"{column}_session_lag{lag}": session_part}
    for name, values in out.items():
        shifted = np.full(len(codes), np.nan)
        shifted[rows[found]] = values[source]
        out[name] = shifted
    if np.isnan(out[f"{column}_lag{lag}"]).all():
        raise DataError.build(
            f"No {groups.first} has ratings of '{column}' at a lag of {lag}; session numbers run over "
            f"{numbers[-1] - numbers[0] + 1} sessions at most.",
            hint="use a smaller lag, and check that session numbers count 1, 2, 3, ... within the patient.",
        )
    return out


def _notes(
    column: str, groups: _Groups, parts: Mapping[str, np.ndarray], lag: int, options: tuple[str | None, str]
) -> list[str]:
    """Return the sentences on centring, counts, missing values, trend and lag."""
    detrend, weights = options
    rated = np.bincount(groups.levels[groups.first][groups.used], minlength=groups.sizes[groups.first])
    counts = [f"{len(np.unique(code[groups.used]))} {level}s" for level, code in groups.levels.items()]
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
        notes.append(f"{groups.first.capitalize()}s with one rating of {column}, who carry no session part: {single}.")
    if detrend:
        few = int(((rated > 0) & (rated < 3)).sum())
        whose = f"{groups.first.capitalize()}s with fewer than three ratings of {column}"
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
    line = "least-squares line over session numbers" if detrend else "mean"
    above = [f"{level} mean" for level in levels[1:]] + ["grand mean"]
    between = ", ".join(f"{inner} mean from {outer}" for inner, outer in zip(levels, above, strict=True))
    return f"session as deviation from the {levels[0]}'s own {line}, {between}"


def _weighting(groups: _Groups, weights: str) -> str:
    """Return how the means above the first level count."""
    unit = "rating" if weights == "sessions" else groups.first
    return f"above the {groups.first} every {unit} counts once (weights='{weights}')"
