"""Look at the answers before they are scored: range, steps, and signs of another version or coding."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from alliance_stats.errors import AllianceStatsWarning, InstrumentError, listing
from alliance_stats.scales.instrument_parts import Instrument
from alliance_stats.scales.keying import FloatArray

OutOfRange = Literal["error", "missing"]
"""What to do about answers the form cannot have: refuse the data, or count such answers as missing."""

ENOUGH_ANSWERS = 40
"""Answers needed before their pattern is taken as a sign of another version; below that it may be chance."""

_SHOWN_LIMIT = 1000
"""Values at or beyond it are no ratings and no usual codes for a missing answer, and are never shown."""


@dataclass
class AnswerCheck:
    """Look at each item's answers once and remember what does not fit.

    Parameters
    ----------
    instrument : Instrument
        Gives range and step of the answers.
    shift : float
        What has to be added to a stored answer to get the printed one.
    out_of_range : {"error", "missing"}
        Whether answers that the form cannot have are refused, or count as missing.
    """

    instrument: Instrument
    shift: float = 0.0
    out_of_range: OutOfRange = "error"
    problems: list[str] = field(default_factory=list)
    lowest: float = np.inf
    highest: float = -np.inf
    n_answers: int = 0
    n_missing: int = 0
    n_between_steps: int = 0
    n_made_missing: int = 0
    all_whole: bool = True

    def look(self, answers: FloatArray, item: int, column: str) -> FloatArray:
        """Add the stored answers to one item, shape (n_rows,), and return those that may be scored."""
        n_missing = int(np.count_nonzero(np.isnan(answers)))
        self.n_missing += n_missing
        self.n_answers += answers.size - n_missing
        if n_missing == answers.size:
            return answers
        low = self.instrument.minimum[item - 1] - self.shift
        high = self.instrument.maximum[item - 1] - self.shift
        lowest, highest = float(np.fmin.reduce(answers)), float(np.fmax.reduce(answers))
        self.lowest, self.highest = min(self.lowest, lowest), max(self.highest, highest)
        if lowest < low or highest > high or np.isinf(highest):
            outside = (answers < low) | (answers > high) | np.isinf(answers)
            answers = self._refuse(answers, outside, _place(column, item), f"outside {low:g}-{high:g}")
        return self._look_between_steps(answers, item, column)

    def _refuse(self, answers: FloatArray, wrong: np.ndarray, place: str, what: str) -> FloatArray:
        """Remember answers that the form cannot have, and return the others."""
        if self.out_of_range == "error":
            self.problems.append(_problem(place, what, answers[wrong]))
        else:
            self.n_made_missing += int(np.count_nonzero(wrong))
        return np.where(wrong, np.nan, answers)

    def _look_between_steps(self, answers: FloatArray, item: int, column: str) -> FloatArray:
        """Return the answers that lie on the steps of the scale, shape (n_rows,)."""
        # NaN compares as different from itself, so every missing answer is counted here as well.
        n_missing = int(np.count_nonzero(np.isnan(answers)))
        whole = np.count_nonzero(answers != np.rint(answers)) == n_missing
        allowed = self.instrument.allowed.get(item)
        if whole and allowed is None:
            return answers
        known = ~np.isnan(answers)
        self.all_whole = self.all_whole and whole
        if self.instrument.step == 1 and not whole:
            answers = self._refuse(answers, known & (answers != np.rint(answers)), _place(column, item), "not whole")
        elif not whole:
            broken = answers[known & (answers != np.rint(answers))]
            steps = (broken - self.instrument.minimum[item - 1] + self.shift) / self.instrument.step
            self.n_between_steps += int(np.count_nonzero(np.abs(steps - np.rint(steps)) > 1e-6))
        if allowed is not None:
            wrong = ~np.isnan(answers) & ~np.isin(answers + self.shift, allowed)
            if wrong.any():
                values = ", ".join(f"{value - self.shift:g}" for value in allowed)
                answers = self._refuse(answers, wrong, _place(column, item), f"other than {values}")
        return answers

    def raise_if_broken(self) -> None:
        """Raise an InstrumentError that names every column with answers the instrument cannot have."""
        if not self.problems:
            return
        raise InstrumentError.build(
            f"{self.instrument.abbreviation} is answered {self._span()}. Not so: {listing(self.problems)}.",
            hint=self._remedy(),
        )

    def warn_about_version(self, stacklevel: int) -> None:
        """Warn if answers that fit look as if they came from another coding or version."""
        instrument = self.instrument
        if self.shift or self.n_answers < ENOUGH_ANSWERS or instrument.maximum[0] == np.inf:
            return
        text = ""
        if instrument.step != 1:
            whole = self.all_whole and self.lowest >= 1
            text = self._ratings() if min(instrument.minimum) == 0 and whole else ""
        elif min(instrument.minimum) == 0 and self.lowest == 1:
            text = self._no_zero()
        if text:
            warnings.warn(text, AllianceStatsWarning, stacklevel=stacklevel)

    def _no_zero(self) -> str:
        """Return what to say when not one answer is the lowest of the form."""
        instrument = self.instrument
        return (
            f"{instrument.abbreviation} is answered {self._span()}, but not one of {self.n_answers} answers is 0: they "
            f"may be coded 1-{max(instrument.maximum) + 1:g}. Compare one answer with the form, and subtract 1 from all "
            "if so."
        )

    def _ratings(self) -> str:
        """Return what to say when lines are answered in whole numbers without a zero."""
        instrument = self.instrument
        return (
            f"{instrument.abbreviation} is marked on lines from 0 to {max(instrument.maximum):g}, but all "
            f"{self.n_answers} answers are whole numbers from 1 upwards: they may be ratings of 1-10, which give "
            "other totals. Compare with the form that was used, and do not apply published cut-offs if so."
        )

    def _span(self) -> str:
        """Return range and kind of the answers in words, as stored."""
        low, high = min(self.instrument.minimum) - self.shift, max(self.instrument.maximum) - self.shift
        kind = "in whole numbers" if self.instrument.step == 1 else "with decimals"
        return f"{low:g}-{high:g} {kind}" if high != np.inf else f"{low:g} and more {kind}"

    def _remedy(self) -> str:
        """Return what to do about answers that do not fit."""
        low, high = min(self.instrument.minimum) - self.shift, max(self.instrument.maximum) - self.shift
        shift = self.lowest - low
        if abs(shift) == 1 and self.highest - high == shift:
            todo = "subtract 1 from all answers" if shift > 0 else "add 1 to all answers"
            fitting = [way.name for way in self.instrument.storages.values() if way.shift == self.shift - shift]
            ways = "".join(f", or pass storage='{name}'" for name in fitting if name != "as_printed")
            first = f"all answers lie in {self.lowest:g}-{self.highest:g}: if the form says so too, {todo}{ways}."
        else:
            first = (
                "name codes for 'no answer' when reading, read_sessions(..., missing=[99]), and correct the rest; or "
                "count such answers as missing, out_of_range='missing'."
            )
        return f"{first} {others_in_words(self.instrument)}"


def others_in_words(instrument: Instrument) -> str:
    """Return what an instrument is confused with, as a remedy.

    Parameters
    ----------
    instrument : Instrument
        With ``confused_with``.

    Returns
    -------
    str
    """
    if not instrument.confused_with:
        return "Compare the item numbers with the printed form."
    return "Compare with " + "; ".join(f"'{key}': {how}" for key, how in instrument.confused_with.items()) + "."


def _place(column: str, item: int) -> str:
    """Return where answers stand."""
    return f"column '{column}' (item {item})"


def _problem(place: str, what: str, values: FloatArray) -> str:
    """Return one column's trouble in words: how many answers, and which ratings."""
    distinct = np.unique(values)
    shown = [f"{value + 0.0:g}" for value in distinct if abs(value) < _SHOWN_LIMIT]
    hidden = distinct.size - len(shown)
    if hidden:
        shown.append(f"{hidden} of {_SHOWN_LIMIT} and more, or below -{_SHOWN_LIMIT}")
    answers = "answer" if values.size == 1 else "answers"
    return f"{place}: {values.size} {answers} {what} ({listing(shown)})"
