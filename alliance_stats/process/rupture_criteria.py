"""Criteria of alliance ruptures: one row per rule."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd

from alliance_stats.errors import DataError
from alliance_stats.process.arguments import choice, number
from alliance_stats.process.criterion_file import read_criteria

Fall = Literal["decline", "step", "level"]
Unit = Literal["stricter_sd", "own_sd", "moving_range", "points"]
Confidence = Literal["reading", "convention"]


@dataclass(frozen=True, kw_only=True)
class RuptureCriterion:
    """A rule for ruptures; change a bundled one with `dataclasses.replace`.

    Parameters
    ----------
    key, title : str
        Short and long name.
    fall : {"decline", "step", "level"}
        From the last high before the alliance began to fall; from one session to the next; below the patient's mean.
    unit : {"stricter_sd", "own_sd", "moving_range", "points"}
        What the threshold counts: the larger of the patient's standard deviation and that of all ratings; the patient's;
        the patient's mean moving range over 1.128; scale points.
    threshold : float or None
        Least fall, in units; None when it is the argument ``cutoff`` of `ruptures`.
    confidence : {"reading", "convention"}
        A published proposal of which a part was filled in, or a rule of this library.
    source, evidence, note : str
        Where the rule was read, what stands there, and what to know before relying on it.
    """

    key: str
    title: str
    fall: Fall
    unit: Unit
    threshold: float | None = None
    confidence: Confidence = "convention"
    source: str = ""
    evidence: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        choice(self.fall, "fall", get_args(Fall), kind="kind of fall")
        choice(self.unit, "unit", get_args(Unit), kind="unit")
        if self.threshold is not None and not number(self.threshold, "threshold") > 0:
            raise DataError.build(f"threshold = {self.threshold} is no fall.", hint="give a positive number of units.")
        if self.threshold is None and self.unit != "points":
            raise DataError.build(f"'{self.key}' has no threshold.", hint=f"give threshold=, a number of {self.unit}.")


def list_rupture_criteria() -> pd.DataFrame:
    """List the bundled criteria of ruptures with their sources, and the published ones that are left out.

    Returns
    -------
    DataFrame
        One row per criterion: key, title, offered, fall, unit, threshold, confidence, source, evidence, note (for those not
        offered: why).

    See Also
    --------
    ruptures, load_rupture_criterion

    Examples
    --------
    >>> import alliance_stats as al
    >>> table = al.list_rupture_criteria()
    >>> table.loc[table["offered"], "key"].tolist()
    ['gumz_1sd', 'gumz_2sd', 'own_sd_step', 'control_chart', 'points']
    """
    table = read_criteria("ruptures")
    rows = [{**asdict(load_rupture_criterion(key)), "offered": True} for key in table.rows]
    rows += [
        {"key": key, "title": entry["title"], "offered": False, "note": entry["reason"], "threshold": np.nan}
        for key, entry in table.left_out.items()
    ]
    names = ["key", "title", "offered", "fall", "unit", "threshold", "confidence", "source", "evidence", "note"]
    return pd.DataFrame(rows)[names].astype({"threshold": float})


def load_rupture_criterion(key: str) -> RuptureCriterion:
    """Return a bundled criterion of ruptures, for example to change a number in it.

    Parameters
    ----------
    key : str
        See `list_rupture_criteria`.

    Returns
    -------
    RuptureCriterion

    Raises
    ------
    DataError
        If there is no criterion of that name, or it is known and left out.

    Examples
    --------
    >>> import alliance_stats as al
    >>> al.load_rupture_criterion("gumz_2sd").threshold
    2.0
    """
    table = read_criteria("ruptures")
    if isinstance(key, str) and key in table.left_out:
        entry = table.left_out[key]
        raise DataError.build(
            f"'{key}' ({entry['title']}) is not offered. {entry['reason']}",
            hint=f"use one of {', '.join(table.rows)}, or pass a RuptureCriterion with the constants of the paper.",
        )
    return RuptureCriterion(key=key, **table.rows[choice(key, "criterion", list(table.rows), kind="criterion")])


def as_rupture_criterion(criterion: str | RuptureCriterion) -> RuptureCriterion:
    """Return a criterion by its key, or itself."""
    return criterion if isinstance(criterion, RuptureCriterion) else load_rupture_criterion(criterion)
