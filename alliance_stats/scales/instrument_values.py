"""The smaller things an instrument is made of: sources, storages, forms, skips, benchmarks, examples. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Confidence = Literal["two sources", "one source", "not read", "own"]
BenchmarkKind = Literal["cutoff", "reliable_change", "minimal_change", "norm"]


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a fact was read: what it is called inside the file, where it is found, and what it says."""

    id: str
    ref: str
    fact: str


@dataclass(frozen=True, kw_only=True)
class Storage:
    """One way in which answers to the same form may have been stored.

    Parameters
    ----------
    name, description : str
        What the user asks for, and what it means.
    reversed_items : frozenset of int
        The items to reverse when answers are stored so.
    shift : float
        Added to a stored answer to get the printed one, before anything is reversed: -1 where 1-4 was stored for 0-3.
    """

    name: str
    description: str
    reversed_items: frozenset[int]
    shift: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Form:
    """A version of the instrument in which some items are not asked."""

    name: str
    description: str
    left_out: frozenset[int]
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Skip:
    """Items that the form lets people skip: missing ones count ``counts_as`` where the answers before sum to a number.

    Parameters
    ----------
    when_items : tuple of int
        The items looked at; all must be answered.
    when_sum : float
        Their sum that lets people skip.
    skipped : tuple of int
        The items that may be skipped then.
    counts_as : float
        What a skipped item counts.
    sources : tuple of str
        Ids of the sources.
    """

    when_items: tuple[int, ...]
    when_sum: float
    skipped: tuple[int, ...]
    counts_as: float = 0.0
    sources: tuple[str, ...] = ()

    def describe(self) -> str:
        """Return the rule in words."""
        when = ", ".join(map(str, self.when_items))
        then = ", ".join(map(str, self.skipped))
        verb = "is" if len(self.when_items) == 1 else "sum to"
        return f"when {when} {verb} {self.when_sum:g}, missing answers to {then} count {self.counts_as:g}"


@dataclass(frozen=True, kw_only=True)
class Validity:
    """When a whole form counts as not filled in: too many missing answers, or the same answer everywhere."""

    max_missing: int | None = None
    same_answers: bool = False
    sources: tuple[str, ...] = ()

    def describe(self) -> str:
        """Return the rule in words."""
        reasons = [] if self.max_missing is None else [f"more than {self.max_missing} answers are missing"]
        reasons += ["all answers are the same"] if self.same_answers else []
        return f"a form is invalid when {' or '.join(reasons)}"


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A number to read a score against: a cut-off, a reliable or minimal change, or a norm.

    ``value`` is in points of the named score. ``side`` says on which side of a cut-off its meaning holds. For a norm,
    ``value`` is the mean and ``sd`` the standard deviation. ``sample`` and ``country`` say whom it was found in, as far
    as the source tells.
    """

    kind: BenchmarkKind
    score: str
    value: float
    meaning: str
    side: str = ""
    sd: float | None = None
    n: int | None = None
    sample: str = ""
    country: str = ""
    sources: tuple[str, ...] = ()

    def describe(self) -> str:
        """Return the number with its meaning and whom it was found in."""
        spread = "" if self.sd is None else f" (SD {self.sd:g})"
        side = f"{self.side.replace('_', ' ')} " if self.side else ""
        return ", ".join(filter(None, [f"{side}{self.value:g}{spread}", self.meaning, self.sample, self.country]))


@dataclass(frozen=True, kw_only=True)
class Example:
    """A worked example: raw answers in item order (NaN where missing) and the scores they must give.

    For goals, ``weights`` holds one weight per answer.
    """

    label: str
    answers: tuple[float, ...]
    scores: Mapping[str, float]
    storage: str | None = None
    form: str | None = None
    weights: tuple[float, ...] = field(default=())
