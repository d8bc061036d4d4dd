"""Errors that say what is wrong, show the evidence, and say what to do.

Messages may show counts, column names, row numbers and out-of-range ratings. They never show ids, names, dates or free
text of patients or therapists.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Self


def listing(items: Iterable[object], limit: int = 5) -> str:
    """Join the first ``limit`` items and count the rest."""
    texts = [str(item) for item in items]
    shown = ", ".join(texts[:limit])
    rest = len(texts) - limit
    return f"{shown} and {rest} more" if rest > 0 else shown


def _nearest(name: str, available: Sequence[str]) -> str:
    """Return the available name most like ``name``, or an empty string."""
    by_lower = {candidate.lower(): candidate for candidate in available}
    matches = get_close_matches(name.lower(), list(by_lower), n=1, cutoff=0.6)
    return by_lower[matches[0]] if matches else ""


class AllianceStatsError(ValueError):
    """Base of every error this library raises on purpose."""

    @classmethod
    def build(cls, problem: str, *, hint: str = "") -> Self:
        """Compose the message from the problem with its evidence, then the remedy on a line of its own."""
        return cls(f"{problem}\nHint: {hint}" if hint else problem)


class ColumnError(AllianceStatsError):
    """A column is missing or does not hold what is needed."""

    @classmethod
    def missing(cls, names: Sequence[str], available: Iterable[object], *, hint: str = "") -> Self:
        """Name the missing columns, list what the frame has, and suggest the nearest names."""
        have = [str(name) for name in available]
        word = "column" if len(names) == 1 else "columns"
        wanted = listing([f"'{name}'" for name in names])
        near = [f"'{_nearest(name, have)}' for '{name}'" for name in names if _nearest(name, have)]
        advice = f"Did you mean {listing(near)}? " if near else ""
        default = "pass the name your data use, or rename the columns with read_sessions()."
        return cls.build(f"No {word} {wanted}. The frame has: {listing(have, 12)}.", hint=advice + (hint or default))

    @classmethod
    def not_numeric(cls, column: str, n_bad: int, n_rows: int, first_row: int) -> Self:
        """Say how many cells of a rating column are not numbers, and where the first one is."""
        cells = f"{'cell' if n_rows == 1 else 'cells'} {'is' if n_bad == 1 else 'are'}"
        return cls.build(
            f"Column '{column}' should hold numbers; {n_bad} of {n_rows} {cells} text "
            f"(the first in data row {first_row}).",
            hint="correct those cells, or name the text that means 'no answer' with missing=[...] when reading.",
        )


class DataError(AllianceStatsError):
    """The rows cannot carry what was asked of them."""


class FileError(AllianceStatsError):
    """A file cannot be read or written."""


class InstrumentError(AllianceStatsError):
    """An instrument is unknown, may not be scored, or the answers do not fit it."""


class FormulaError(AllianceStatsError):
    """A model formula cannot be read."""

    @classmethod
    def at(cls, problem: str, formula: str, position: int, *, hint: str = "") -> Self:
        """Point at the guilty token with a caret under the formula."""
        return cls.build(f"{problem}\n  {formula}\n  {' ' * position}^", hint=hint)


class ModelError(AllianceStatsError):
    """The data cannot identify the model."""


class ConvergenceError(AllianceStatsError):
    """No optimum was found; the state of the search is in the message."""


class StudyError(AllianceStatsError):
    """A bundled study, its data or its column map cannot be used."""


def unknown_name(error: type[AllianceStatsError], kind: str, name: str, available: Sequence[str]) -> AllianceStatsError:
    """Return an error of the given class for a name that a registry does not hold."""
    near = _nearest(str(name), available)
    hint = f"did you mean '{near}'?" if near else "take one of those that are known."
    return error.build(f"No {kind} '{name}'. Known: {listing(available, 12)}.", hint=hint)


class AllianceStatsWarning(UserWarning):
    """Something on the screen may be wrong; the message says what and how to check."""


def counted(n: int, noun: str, plural: str = "") -> str:
    """Return a count with its noun: "1 patient", "12 patients"; ``plural`` where an s does not make it."""
    return f"{n} {noun}" if n == 1 else f"{n} {plural or noun + 's'}"


def agreeing(n: int, one: str, several: str) -> str:
    """Return the verb that goes with a count."""
    return one if n == 1 else several
