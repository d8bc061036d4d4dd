"""Criteria of sudden gains: one row per published rule."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd

from alliance_stats.errors import DataError
from alliance_stats.process.arguments import choice, number
from alliance_stats.process.criterion_file import read_criteria
from alliance_stats.process.session_series import FloatArray
from alliance_stats.scales.change_index import MeasurementError

Stability = Literal["mean_difference_in_sd", "two_sample_t", "part_kept", "series_sd", "none"]


@dataclass(frozen=True, kw_only=True)
class GainCriterion:
    """A rule for sudden gains; change a bundled one with `dataclasses.replace`.

    Parameters
    ----------
    key, title : str
        Short and long name.
    share : float in [0, 1)
        Least change, as a share of the score before it; 0 leaves this rule out.
    stability : str
        Third rule. ``mean_difference_in_sd``: mean of up to three scores before minus mean of up to three after exceeds
        the critical value times their pooled standard deviation. ``two_sample_t``: the same times sqrt(1/n1 + 1/n2).
        ``part_kept``: the next two sessions keep ``constant`` of the change. ``series_sd``: the change is at least
        ``constant`` standard deviations of the patient's whole series. ``none``: no third rule.
    constant : float
        See ``stability``.
    alpha : float in (0, 1)
        Two-sided level of the critical value of Student's t.
    critical : float or None
        One critical value for all intervals, in place of Student's t.
    source, evidence, note : str
        Where the rule was read, what stands there, and what to know before relying on it.
    """

    key: str
    title: str
    share: float
    stability: Stability
    constant: float = math.nan
    alpha: float = 0.05
    critical: float | None = None
    source: str = ""
    evidence: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        choice(self.stability, "stability", get_args(Stability), kind="stability rule")
        if not 0 <= number(self.share, "share") < 1:
            raise DataError.build(f"share = {self.share} is no share.", hint="pass 0.25 for 25 %, or 0 for none.")
        if not 0 < number(self.alpha, "alpha") < 1:
            raise DataError.build(f"alpha = {self.alpha} is not between 0 and 1.", hint="0.05 is usual.")
        if self.critical is not None:
            number(self.critical, "critical", above=0)
        if self.stability in ("part_kept", "series_sd") and not number(self.constant, "constant") > 0:
            raise DataError.build(
                f"constant = {self.constant} with stability='{self.stability}'.", hint="give a positive number."
            )


def list_gain_criteria() -> pd.DataFrame:
    """List the bundled criteria of sudden gains with their sources.

    Returns
    -------
    DataFrame
        One row per criterion: key, title, share, stability, constant, alpha, critical, source, evidence, note.

    See Also
    --------
    sudden_gains, load_gain_criterion

    Examples
    --------
    >>> import alliance_stats as al
    >>> al.list_gain_criteria()["key"].tolist()
    ['tang_derubeis', 'tang_derubeis_fixed', 'tang_derubeis_t_test', 'gaynor', 'kelly']
    """
    rows = [asdict(load_gain_criterion(key)) for key in read_criteria("sudden_gains").rows]
    return pd.DataFrame(rows).astype({"critical": float})


def load_gain_criterion(key: str) -> GainCriterion:
    """Return a bundled criterion of sudden gains, for example to change a number in it.

    Parameters
    ----------
    key : str
        See `list_gain_criteria`.

    Returns
    -------
    GainCriterion

    Raises
    ------
    DataError
        If there is no criterion of that name.

    Examples
    --------
    >>> from dataclasses import replace
    >>> import alliance_stats as al
    >>> stricter = replace(al.load_gain_criterion("tang_derubeis"), key="stricter", alpha=0.01)
    >>> stricter.share, stricter.stability
    (0.25, 'mean_difference_in_sd')
    """
    rows = read_criteria("sudden_gains").rows
    return GainCriterion(key=key, **rows[choice(key, "criterion", list(rows), kind="criterion")])


def as_gain_criterion(criterion: str | GainCriterion) -> GainCriterion:
    """Return a criterion by its key, or itself."""
    return criterion if isinstance(criterion, GainCriterion) else load_gain_criterion(criterion)


def cutoff_points(cutoff: float | MeasurementError, first_scores: FloatArray) -> tuple[float, str]:
    """Return a cut-off in points and a sentence on where it comes from.

    Parameters
    ----------
    cutoff : float or MeasurementError
        Points, or what a reliable change is computed from.
    first_scores : ndarray, shape (n_units,)
        First rating of each unit, for a standard deviation that is the sample's.

    Notes
    -----
    1.96 sqrt(2) s sqrt(1 - r), Jacobson & Truax (1991), https://doi.org/10.1037/0022-006X.59.1.12
    """
    if isinstance(cutoff, MeasurementError):
        sample = float(np.std(first_scores, ddof=1)) if first_scores.size > 1 else 0.0
        sd = sample if isinstance(cutoff.sd, str) else float(cutoff.sd)
        # 0.975 quantile of the normal distribution, written 1.96 in Jacobson & Truax (1991)
        points = 1.959963984540054 * math.sqrt(2) * sd * math.sqrt(1 - cutoff.reliability)
        whose = "of the first ratings" if isinstance(cutoff.sd, str) else "given"
        kind = cutoff.kind.replace("_", " ")
        text = (
            f"The cut-off of {points:.4g} points is the reliable change of Jacobson and Truax with reliability "
            f"{cutoff.reliability:g} ({kind}) and standard deviation {sd:.4g} ({whose})."
        )
    else:
        points = number(cutoff, "cutoff")
        text = f"The cut-off of {points:g} points was given."
    if not points > 0:
        why = ": the first ratings do not differ" if isinstance(cutoff, MeasurementError) else ""
        raise DataError.build(
            f"The cut-off is {points:g} points{why}.",
            hint="pass more than 0 points of the scale (7 for the BDI in Tang & DeRubeis), or a MeasurementError with sd= in "
            "points.",
        )
    return points, text
