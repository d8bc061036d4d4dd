"""The shapes of a course over time, as columns of a model."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from alliance_stats.errors import DataError, unknown_name

Form: TypeAlias = Literal["linear", "log", "quadratic", "piecewise", "hockey_stick"]
Floats: TypeAlias = npt.NDArray[np.float64]

BROKEN: tuple[Form, ...] = ("piecewise", "hockey_stick")
FEWEST: dict[str, int] = {"linear": 2, "log": 2, "quadratic": 3, "piecewise": 3, "hockey_stick": 4}
"""Different times that each form needs; one more for an estimated break."""


@dataclass(frozen=True)
class TimeTerms:
    """A shape with its origin and breaks.

    Parameters
    ----------
    form : str
    origin : float
        Earliest time, from which elapsed time counts, in the unit of the time column.
    breaks : tuple of float
        Times at which the line bends, ascending; empty for smooth shapes.
    """

    form: Form
    origin: float
    breaks: tuple[float, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        if self.form == "quadratic":
            return ("elapsed", "elapsed_squared")
        if self.form in BROKEN:
            return tuple(f"phase_{k + 1}" for k in range(len(self.breaks) + 1))
        return ("elapsed",) if self.form == "linear" else ("log_elapsed",)

    def columns(self, times: Floats) -> dict[str, Floats]:
        """Return the columns at some times, each of shape (n,).

        Linear: t; log: log(t + 1); quadratic: t and t squared; broken lines: the time spent in each phase, so that a
        coefficient is the slope in its phase; t is the time since the origin.
        """
        elapsed = np.asarray(times, dtype=float) - self.origin
        if self.form == "log":
            return {"log_elapsed": np.log1p(elapsed)}
        if self.form in ("linear", "quadratic"):
            return {"elapsed": elapsed} | ({"elapsed_squared": elapsed**2} if self.form == "quadratic" else {})
        ends = [0.0, *(value - self.origin for value in self.breaks), np.inf]
        spent = [np.clip(elapsed - low, 0.0, high - low) for low, high in pairwise(ends)]
        return dict(zip(self.names, spent, strict=True))

    def phases(self, last: float) -> list[tuple[float, float, str]]:
        """Return start, end and name of each phase, then of the whole time if there are several."""
        ends = [self.origin, *self.breaks, last]
        if not self.breaks:
            return [(self.origin, last, "whole time")]
        names = ["before the break", "after the break"] if len(self.breaks) == 1 else ["first", "second", "third"]
        phases = [(low, high, name) for (low, high), name in zip(pairwise(ends), names, strict=True)]
        return [*phases, (self.origin, last, "whole time")]


def require_form(form: str) -> None:
    """Raise a DataError if a form is unknown."""
    if form not in get_args(Form):
        raise unknown_name(DataError, "form of growth", str(form), get_args(Form))


def require_times(form: Form, times: Floats, *, estimated: bool, time: str) -> None:
    """Raise a DataError if there are too few different times for a form."""
    n_times = np.unique(times).size
    needed = FEWEST[form] + (estimated and form == "piecewise")
    if n_times < needed:
        what = f"form='{form}'" + (" with an estimated break" if estimated else "")
        raise DataError.build(
            f"{what} needs {needed} or more different values of '{time}'; these rows have {n_times}.",
            hint="use a simpler form, such as 'linear', or rows of more sessions.",
        )


def given_breaks(form: Form, break_at: float | str | None) -> tuple[tuple[float, ...], bool]:
    """Return the given breaks, and whether one is to be estimated after them."""
    at: tuple[float, ...] = ()
    if isinstance(break_at, int | float | np.integer) and not isinstance(break_at, bool):
        at = (float(break_at),)
    if form not in BROKEN:
        if break_at is not None:
            raise DataError.build(
                f"form='{form}' has no break, but break_at= was given.",
                hint="use form='piecewise', or leave break_at out.",
            )
        return (), False
    if break_at is not None and not at and not (isinstance(break_at, str) and break_at == "estimate"):
        raise DataError.build("break_at is neither a number nor 'estimate'.", hint="write break_at=12, say.")
    if form == "hockey_stick":
        return at, True
    if break_at is None:
        raise DataError.build(
            "form='piecewise' needs to know where the line bends.",
            hint="pass break_at= the time of termination, or break_at='estimate'.",
        )
    return at, not at


def require_inside(breaks: tuple[float, ...], times: Floats, *, time: str, estimated: bool) -> None:
    """Raise a DataError if a given break leaves too few times on one of its sides."""
    different = np.unique(times)
    for value in breaks:
        before, after = int((different < value).sum()), int((different > value).sum())
        needed = 3 if estimated else 1
        if before < 1 or after < needed or different.size < 3:
            raise DataError.build(
                f"break_at={value:g} leaves {before} values of '{time}' before it and {after} after it, of "
                f"{different.size} from {different[0]:g} to {different[-1]:g}; 1 before and {needed} after are needed.",
                hint=f"give the break in the unit of '{time}', inside its range.",
            )
