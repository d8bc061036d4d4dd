"""Cut-offs between a dysfunctional and a functional population."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from alliance_stats.errors import DataError
from alliance_stats.scales.arguments import is_number
from alliance_stats.scales.instrument_parts import Direction

CutoffKind = Literal["a", "b", "c", "given"]


@dataclass(frozen=True, kw_only=True)
class Norm:
    """Mean and standard deviation of a population, in points of the score.

    Parameters
    ----------
    mean, sd : float
        In points.
    n : int, optional
        People the norm rests on.
    source : str
        Where it was read, for the notes.
    """

    mean: float
    sd: float
    n: int | None = None
    source: str = ""

    def __post_init__(self) -> None:
        if not (is_number(self.mean) and is_number(self.sd) and self.sd > 0):
            raise DataError.build(
                f"A norm of mean {self.mean!r} and sd {self.sd!r} is none.",
                hint="give a finite mean and a positive sd.",
            )
        if self.n is not None and not self.n >= 1:
            raise DataError.build(f"A norm of n = {self.n} people is none.", hint="leave n= out if it is not known.")


@dataclass(frozen=True, kw_only=True)
class Cutoff:
    """A cut-off with what it rests on; made by `clinical_cutoff`.

    Parameters
    ----------
    value : float
        In points of the score.
    kind : {"a", "b", "c", "given"}
        How it was found.
    direction : {"higher_is_better", "higher_is_worse"}
        Which side is functional.
    dysfunctional, functional : Norm or None
        The populations.
    source : str
        For the notes.
    """

    value: float
    kind: CutoffKind
    direction: Direction
    dysfunctional: Norm | None = None
    functional: Norm | None = None
    source: str = ""

    def describe(self) -> str:
        """Return the cut-off in words."""
        sources = [norm.source for norm in (self.dysfunctional, self.functional) if norm is not None and norm.source]
        where = "; ".join([self.source] * bool(self.source) + sources) or "no source given"
        return f"cut-off {self.kind} at {self.value:.4g} points ({where})"

    def true_score_value(self, error: float) -> float:
        """Return the cut-off between distributions of true scores.

        Parameters
        ----------
        error : float
            Standard error of measurement, in points.

        Returns
        -------
        float
            In points; the plain value for a cut-off that was given.

        Notes
        -----
        Standard deviations are replaced by sqrt(sd^2 - error^2), those of true scores (Hageman & Arrindell, 1999,
        doi 10.1016/S0005-7967(99)00032-7).
        """
        if self.kind == "given":
            return self.value
        norms = [norm and _true_norm(norm, error) for norm in (self.dysfunctional, self.functional)]
        return _value(self.kind, self.direction, norms[0], norms[1])


def clinical_cutoff(
    kind: CutoffKind,
    *,
    direction: Direction,
    dysfunctional: Norm | None = None,
    functional: Norm | None = None,
    value: float | None = None,
    source: str = "",
) -> Cutoff:
    """Find the score that separates a functional from a dysfunctional population.

    Which of the three to use depends on the norms there are: c needs both populations and is preferred when they
    overlap; b needs norms of a functional one; a rests on the patients alone and is the strictest in most samples.

    Parameters
    ----------
    kind : {"a", "b", "c", "given"}
        ``a``: two standard deviations beyond the mean of the dysfunctional population. ``b``: within two standard
        deviations of the mean of the functional one. ``c``: the point between the two means that is equally many
        standard deviations from both. ``given``: ``value``.
    direction : {"higher_is_better", "higher_is_worse"}
        What a higher score means.
    dysfunctional, functional : Norm, optional
        The populations; a needs the first, b the second, c both.
    value : float, optional
        A published cut-off, in points, with ``kind="given"``.
    source : str
        Where the cut-off or the norms come from; shown in notes.

    Returns
    -------
    Cutoff

    Raises
    ------
    DataError
        If a population or the value that the kind needs is missing, or the means lie the wrong way round.

    See Also
    --------
    clinical_significance

    Notes
    -----
    With s = 1 if higher is better and -1 otherwise: a = M_d + 2 s SD_d; b = M_f - 2 s SD_f;
    c = (SD_f M_d + SD_d M_f) / (SD_f + SD_d).

    References
    ----------
    Jacobson, N. S., & Truax, P. (1991). Clinical significance. Journal of Consulting and Clinical Psychology, 59(1),
    12-19. https://doi.org/10.1037/0022-006X.59.1.12

    Examples
    --------
    >>> import alliance_stats as al
    >>> patients, others = al.Norm(mean=19.7, sd=7.7), al.Norm(mean=4.7, sd=4.8)
    >>> al.clinical_cutoff("c", direction="higher_is_worse", dysfunctional=patients, functional=others).describe()
    'cut-off c at 10.46 points (no source given)'
    """
    require_direction(direction)
    if kind == "given":
        if not is_number(value):
            raise DataError.build("kind='given' needs the cut-off.", hint="pass value=, in points of the score.")
        return Cutoff(value=float(value), kind=kind, direction=direction, source=source)
    if kind not in ("a", "b", "c"):
        raise DataError.build(f"No cut-off '{kind}'.", hint="use 'a', 'b', 'c' or 'given'.")
    if value is not None:
        raise DataError.build(f"kind='{kind}' computes the cut-off; value= is not used.", hint="use kind='given'.")
    found = _value(kind, direction, dysfunctional, functional)
    return Cutoff(
        value=found, kind=kind, direction=direction, dysfunctional=dysfunctional, functional=functional, source=source
    )


def require_direction(direction: str) -> None:
    """Raise if a direction is not one of the two."""
    if direction not in ("higher_is_better", "higher_is_worse"):
        raise DataError.build(
            f"No direction '{direction}'.",
            hint="say what a higher score means: 'higher_is_better' or 'higher_is_worse'.",
        )


def sign_of(direction: Direction) -> int:
    """Return 1 if higher is better, -1 otherwise."""
    return 1 if direction == "higher_is_better" else -1


def _true_norm(norm: Norm, error: float) -> Norm:
    """Return the norm of true scores."""
    if norm.sd <= error:
        raise DataError.build(
            f"A standard deviation of {norm.sd:g} is not larger than the error of measurement, {error:.4g}.",
            hint="check the reliability and the sd it belongs to.",
        )
    return Norm(mean=norm.mean, sd=math.sqrt(norm.sd**2 - error**2), source=norm.source)


def _value(kind: str, direction: Direction, low: Norm | None, high: Norm | None) -> float:
    """Return cut-off a, b or c; ``low`` is the dysfunctional population, ``high`` the functional one."""
    sign = sign_of(direction)
    if kind == "a" and low is not None:
        return low.mean + 2 * sign * low.sd
    if kind == "b" and high is not None:
        return high.mean - 2 * sign * high.sd
    if kind == "c" and low is not None and high is not None:
        if sign * (high.mean - low.mean) <= 0:
            raise DataError.build(
                f"The functional mean {high.mean:g} is not better than the dysfunctional one, {low.mean:g}.",
                hint=f"check the norms and direction='{direction}'.",
            )
        return (high.sd * low.mean + low.sd * high.mean) / (high.sd + low.sd)
    needs = {"a": "dysfunctional=", "b": "functional=", "c": "dysfunctional= and functional="}[kind]
    raise DataError.build(f"Cut-off {kind} needs {needs}.", hint="pass al.Norm(mean=..., sd=..., source=...).")
