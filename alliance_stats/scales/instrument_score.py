"""How answers become one score: the items, the arithmetic, the rule for missing answers. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Rule = Literal[
    "sum",
    "mean",
    "weighted_sum",
    "percent",
    "lookup",
    "maximum",
    "count_above",
    "mean_above",
    "ratio",
    "goal_attainment",
]
Direction = Literal["higher_is_better", "higher_is_worse"]
MissingRuleName = Literal["complete", "person_mean", "answered", "form_mean"]
PartKind = Literal["sum", "weighted_sum", "maximum", "count_above", "sum_above"]

PRORATED: tuple[Rule, ...] = ("sum", "mean", "percent")
"""Rules whose missing answers may count as the mean of the others: every item has the same weight."""

BOUNDED_WEIGHT = 2.0
"""Farthest distance of a goal from the expected level."""


@dataclass(frozen=True, kw_only=True)
class MissingRule:
    """What happens to a score when answers are missing.

    Parameters
    ----------
    rule : {"complete", "person_mean", "answered", "form_mean"}
        ``complete``: one missing answer makes the score missing. ``person_mean``: missing answers count as the mean of
        the row's other answers to the items of the same score, after reversal. ``answered``: the rule is applied to the
        items answered. ``form_mean``: missing answers count as the mean of the row's other answers to the whole form,
        rounded; a form with more missing answers than ``max_missing`` in any of its scales is invalid.
    max_missing : int
        How many items of the score may be missing, 0 for ``complete``.
    sources : tuple of str
        Ids of the sources; empty when no rule was found.
    note : str
        One sentence about the rule.
    """

    rule: MissingRuleName = "complete"
    max_missing: int = 0
    sources: tuple[str, ...] = ()
    note: str = ""

    def describe(self) -> str:
        """Return the rule in words."""
        if self.rule == "complete":
            return "complete answers only"
        how = {
            "person_mean": "person mean of the answered items",
            "answered": "computed from the answered items",
            "form_mean": "rounded mean of the answered items of the form",
        }[self.rule]
        items = "item" if self.max_missing == 1 else "items"
        return f"{how}, at most {self.max_missing} {items} missing"


@dataclass(frozen=True, kw_only=True)
class Part:
    """A running total that a score is made of: which items, and what each adds.

    Parameters
    ----------
    items : tuple of int
        Printed item numbers.
    kind : {"sum", "weighted_sum", "maximum", "count_above", "sum_above"}
        What is gathered: the keyed answers, the weighted ones, the highest one, how many lie above ``above``, or
        the sum of those that do.
    weights : tuple of float
        One per item, for ``weighted_sum``.
    above : float
        For ``count_above`` and ``sum_above``.
    """

    items: tuple[int, ...]
    kind: PartKind = "sum"
    weights: tuple[float, ...] = ()
    above: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Score:
    """One score of an instrument: which items, how they are combined, what the number means.

    Parameters
    ----------
    name : str
        Ends the column name, ``<key>_<name>``.
    items : tuple of int
        Printed item numbers; empty for goals, whose number differs by person.
    rule : str
        How the keyed answers are combined: ``sum``, ``mean``, ``weighted_sum``, ``percent`` (of the way from the lowest
        to the highest possible sum, 0-100), ``lookup`` (a table turns the sum into the score), ``maximum``,
        ``count_above`` (how many answers lie above ``above``), ``mean_above`` (their mean), ``ratio`` (sum of ``items``
        by sum of ``over``) or ``goal_attainment``.
    factor : float
        Multiplies the result, 1 unless the instrument reports another metric.
    low, high : float
        Lowest and highest possible score.
    direction : {"higher_is_better", "higher_is_worse"}
        What a higher score says about the person or the relationship.
    label : str
        A reader's name for the score.
    missing : MissingRule
        What happens when answers are missing.
    sources : tuple of str
        Ids of the sources.
    offset : float
        Added after the factor.
    weights : tuple of float
        One per item, for ``weighted_sum``.
    above : float
        For ``count_above`` and ``mean_above``.
    over : tuple of int
        Items of the denominator, for ``ratio``.
    table : mapping of float to float
        Sum to score, for ``lookup``.
    rho : float
        Expected correlation among goals, for ``goal_attainment``.
    sum_low, sum_high : float
        Lowest and highest possible sum of the keyed answers, for ``percent``.
    """

    name: str
    items: tuple[int, ...]
    rule: Rule
    factor: float
    low: float
    high: float
    direction: Direction
    label: str
    missing: MissingRule
    sources: tuple[str, ...]
    offset: float = 0.0
    weights: tuple[float, ...] = ()
    above: float = 0.0
    over: tuple[int, ...] = ()
    table: Mapping[float, float] = field(default_factory=dict)
    rho: float = 0.0
    sum_low: float = 0.0
    sum_high: float = 0.0

    @property
    def parts(self) -> tuple[Part, ...]:
        """The running totals that the score needs."""
        if self.rule == "weighted_sum":
            return (Part(items=self.items, kind="weighted_sum", weights=self.weights),)
        if self.rule == "maximum":
            return (Part(items=self.items, kind="maximum"),)
        if self.rule == "count_above":
            return (Part(items=self.items, kind="count_above", above=self.above),)
        if self.rule == "mean_above":
            count = Part(items=self.items, kind="count_above", above=self.above)
            return (Part(items=self.items, kind="sum_above", above=self.above), count)
        if self.rule == "ratio":
            return (Part(items=self.items), Part(items=self.over))
        return (Part(items=self.items),)

    @property
    def all_items(self) -> tuple[int, ...]:
        """Every item that enters the score, those of a denominator included."""
        return tuple(dict.fromkeys((*self.items, *self.over)))

    def describe(self) -> str:
        """Return the rule and range in words, such as ``sum of 4 items, 4-20``."""
        times = "" if self.factor == 1 else f" x {self.factor:g}"
        more = "" if self.offset == 0 else f" {'+' if self.offset > 0 else '-'} {abs(self.offset):g}"
        return f"{self._words()}{times}{more}, {self.low:g}-{self.high:g}"

    def _words(self) -> str:
        """Return the arithmetic in words."""
        items = f"{len(self.items)} item{'s' if len(self.items) != 1 else ''}"
        words: dict[Rule, str] = {
            "weighted_sum": f"weighted sum of {items}",
            "percent": f"percent of the highest possible sum of {items}",
            "lookup": f"sum of {items} turned into another metric by a table",
            "maximum": f"highest of {items}",
            "count_above": f"number of {items} above {self.above:g}",
            "mean_above": f"mean of those of {items} above {self.above:g}",
            "ratio": f"sum of {items} by sum of {len(self.over)}",
            "goal_attainment": f"T score of the goals, correlation among goals {self.rho:g}",
        }
        return words.get(self.rule, f"{self.rule} of {items}")
