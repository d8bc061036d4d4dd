"""Indices of reliable change: each is a linear function of the first and the last score."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from alliance_stats.errors import DataError
from alliance_stats.scales.arguments import is_number
from alliance_stats.scales.keying import FloatArray

Method = Literal[
    "jacobson_truax",
    "gulliksen_lord_novick",
    "hsu_linn_lord",
    "edwards_nunnally",
    "nunnally_kotsch",
    "hageman_arrindell",
]
ReliabilityKind = Literal["retest", "internal_consistency"]

METHODS: tuple[str, ...] = (
    "jacobson_truax",
    "gulliksen_lord_novick",
    "hsu_linn_lord",
    "edwards_nunnally",
    "nunnally_kotsch",
    "hageman_arrindell",
)


@dataclass(frozen=True, kw_only=True)
class MeasurementError:
    """What is known about the error of a score.

    Parameters
    ----------
    reliability : float in (0, 1)
        Of the score at the first measurement.
    kind : {"retest", "internal_consistency"}
        Where the reliability comes from. Retest reliability counts real ups and downs between occasions as error,
        internal consistency does not: it gives narrower limits.
    sd : float or "sample"
        Standard deviation that the reliability belongs to, in points; ``"sample"`` for that of the first scores of
        people who have both scores.
    mean : float or "sample", optional
        Mean of the population that scores regress to, for the methods that need it.
    reliability_post : float in (0, 1), optional
        At the last measurement, for ``nunnally_kotsch``.
    source : str
        Where the numbers were read, for the notes.
    """

    reliability: float
    kind: ReliabilityKind
    sd: float | Literal["sample"]
    mean: float | Literal["sample"] | None = None
    reliability_post: float | None = None
    source: str = ""

    def __post_init__(self) -> None:
        self._require_share("reliability", self.reliability)
        if self.reliability_post is not None:
            self._require_share("reliability_post", self.reliability_post)
        if self.kind not in ("retest", "internal_consistency"):
            raise DataError.build(
                f"No kind of reliability '{self.kind}'.", hint="say 'retest' or 'internal_consistency'."
            )
        if self.sd != "sample" and not (is_number(self.sd) and self.sd > 0):
            raise DataError.build(f"sd = {self.sd!r} is no spread.", hint="give a positive number or 'sample'.")
        if self.mean is not None and self.mean != "sample" and not is_number(self.mean):
            raise DataError.build(f"mean = {self.mean!r} is no mean.", hint="give a number or 'sample'.")

    @staticmethod
    def _require_share(name: str, value: object) -> None:
        """Raise unless a reliability lies between 0 and 1."""
        if not is_number(value) or not 0 < value < 1:
            raise DataError.build(
                f"{name} = {value!r} is not between 0 and 1.", hint="give it as a share, such as 0.88."
            )


@dataclass(frozen=True, kw_only=True)
class Moments:
    """Means, standard deviations and correlation of the first and last scores of a sample."""

    mean_pre: float
    mean_post: float
    sd_pre: float
    sd_post: float
    correlation: float


@dataclass(frozen=True, kw_only=True)
class ChangeIndex:
    """The index a + b first + c last, and the value beyond which change counts as reliable.

    Parameters
    ----------
    constant, of_pre, of_post : float
        a, b and c.
    critical : float
        Compared with the size of the index.
    standard_error : float
        Standard error of measurement, in points.
    sd, mean : float
        Those used; NaN where none is.
    """

    constant: float
    of_pre: float
    of_post: float
    critical: float
    standard_error: float
    sd: float
    mean: float = math.nan

    def values(self, pre: FloatArray, post: FloatArray) -> FloatArray:
        """Return the index of each person, shape (n,)."""
        result: FloatArray = self.constant + self.of_pre * pre + self.of_post * post
        return result

    def limits(self, pre: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the lowest and highest last score that is no reliable change, each of shape (n,)."""
        low: FloatArray = (-self.critical - self.constant - self.of_pre * pre) / self.of_post
        high: FloatArray = (self.critical - self.constant - self.of_pre * pre) / self.of_post
        return low, high


def sample_moments(pre: FloatArray, post: FloatArray) -> Moments:
    """Return the moments of complete pairs; both arrays have shape (n,)."""
    varies = np.ptp(pre) > 0 and np.ptp(post) > 0
    return Moments(
        mean_pre=float(pre.mean()),
        mean_post=float(post.mean()),
        sd_pre=float(pre.std(ddof=1)),
        sd_post=float(post.std(ddof=1)),
        correlation=float(np.corrcoef(pre, post)[0, 1]) if varies else math.nan,
    )


def change_index(method: str, error: MeasurementError, moments: Moments, *, level: float) -> ChangeIndex:
    """Return the index of a method.

    Parameters
    ----------
    method : str
        One of `METHODS`.
    error : MeasurementError
        Reliability, and the sd and mean it belongs to.
    moments : Moments
        Of the sample.
    level : float in (0, 1)
        Two-sided, except for ``hageman_arrindell``, where 1 - level is the largest risk of misclassification.

    Returns
    -------
    ChangeIndex
    """
    from scipy.stats import norm

    sd = moments.sd_pre if isinstance(error.sd, str) else float(error.sd)
    if not sd > 0:
        raise DataError.build("The first scores do not vary.", hint="pass the sd of a norm sample: sd=...")
    r = error.reliability
    sem = sd * math.sqrt(1 - r)
    z = float(norm.ppf((1 + level) / 2))
    if method == "jacobson_truax":
        # Jacobson & Truax (1991), p. 14: S_diff = sqrt(2 S_E^2), S_E = s1 sqrt(1 - r_xx).
        width = math.sqrt(2) * sem
        return ChangeIndex(constant=0.0, of_pre=-1 / width, of_post=1 / width, critical=z, standard_error=sem, sd=sd)
    if method == "hageman_arrindell":
        return _hageman_arrindell(sem, sd, moments, critical=float(norm.ppf(level)))
    mean = _population_mean(method, error, moments)
    width = _regression_width(method, error, sd)
    # The last score is compared with the first one regressed to the mean: r (first - mean) + mean.
    expected = (moments.mean_post - r * mean) if method == "hsu_linn_lord" else (1 - r) * mean
    return ChangeIndex(
        constant=-expected / width,
        of_pre=-r / width,
        of_post=1 / width,
        critical=z,
        standard_error=sem,
        sd=sd,
        mean=mean,
    )


def _population_mean(method: str, error: MeasurementError, moments: Moments) -> float:
    """Return the mean that scores regress to."""
    if error.mean is None:
        raise DataError.build(
            f"method='{method}' lets scores regress to a mean.",
            hint="pass MeasurementError(mean=...): that of the population the person comes from, or 'sample'.",
        )
    return moments.mean_pre if isinstance(error.mean, str) else float(error.mean)


def _regression_width(method: str, error: MeasurementError, sd: float) -> float:
    """Return the standard error that a method divides by, in points."""
    r = error.reliability
    if method == "edwards_nunnally":
        # Standard error of measurement around the estimated true score (Speer, 1992).
        return sd * math.sqrt(1 - r)
    if method == "nunnally_kotsch":
        if error.reliability_post is None:
            raise DataError.build(
                "method='nunnally_kotsch' needs the reliability at the last measurement.",
                hint="pass MeasurementError(reliability_post=...); the same number if none better is known.",
            )
        # Errors of the regressed first score and of the last one (Nunnally & Kotsch, 1983).
        return sd * math.sqrt(r**2 * (1 - r) + (1 - error.reliability_post))
    # Standard error of prediction, Gulliksen-Lord-Novick and Hsu-Linn-Lord (Hsu, 1989).
    return sd * math.sqrt(1 - r**2)


def _hageman_arrindell(sem: float, sd: float, moments: Moments, *, critical: float) -> ChangeIndex:
    """Return the individual index of Hageman and Arrindell (1999)."""
    total = moments.sd_pre**2 + moments.sd_post**2 - 2 * moments.sd_pre * moments.sd_post * moments.correlation
    # Reliability of the difference; the error variance is the same at both measurements.
    r_dd = (total - 2 * sem**2) / total if total > 0 else math.nan
    if not r_dd > 0:
        raise DataError.build(
            f"The reliability of the difference scores is {r_dd:.3g}: they vary no more than errors would.",
            hint="method='hageman_arrindell' cannot be used; take 'jacobson_truax'.",
        )
    width = math.sqrt(r_dd) * math.sqrt(2) * sem
    mean_change = moments.mean_post - moments.mean_pre
    return ChangeIndex(
        constant=mean_change * (1 - r_dd) / width,
        of_pre=-r_dd / width,
        of_post=r_dd / width,
        critical=critical,
        standard_error=sem,
        sd=sd,
    )
