"""The findings on one result, and what is reviewed together with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from alliance_stats.process.centering import Detrend
from alliance_stats.process.early_response import EarlyResponse
from alliance_stats.process.outcome_result import AllianceOutcome
from alliance_stats.process.review.finding import Finding
from alliance_stats.process.ruptures import Ruptures
from alliance_stats.process.sudden_gains import SuddenGains


@dataclass(frozen=True)
class Together:
    """What is reviewed together with a result.

    Parameters
    ----------
    results : tuple of Result
    """

    results: tuple[Any, ...] = ()

    def trends(self, result: AllianceOutcome) -> set[Detrend | None]:
        """Return how trends are handled in results of the same alliance and outcome."""
        asked = (result.alliance, result.outcome)
        same = [
            own for own in self.results if isinstance(own, AllianceOutcome) and (own.alliance, own.outcome) == asked
        ]
        return {own.detrend for own in [result, *same]}

    def limits(self, result: EarlyResponse) -> list[float]:
        """Return the limits of early change in results of the same outcome."""
        same = [own for own in self.results if isinstance(own, EarlyResponse) and own.outcome == result.outcome]
        return [own.until for own in [result, *same]]

    def criteria(self, result: Ruptures | SuddenGains) -> set[str]:
        """Return the criteria of results of the same kind and column."""
        same = [own for own in self.results if type(own) is type(result) and _column(own) == _column(result)]
        return {own.criterion.key for own in [result, *same]}


@dataclass(frozen=True)
class Panel:
    """The findings on one result.

    Parameters
    ----------
    label : str
        Name of the analysis in a table of several.
    made_by : str
        The function that made the result.
    findings : tuple of Finding
    words : mapping of str to object
        What the calls that mend mistakes may name.
    name : str
        What the result is called in calls: "result", or its place in what is reviewed.
    """

    label: str
    made_by: str
    findings: tuple[Finding, ...] = field(repr=False)
    words: Mapping[str, object] = field(default_factory=dict, repr=False)
    name: str = "result"


def _column(result: Ruptures | SuddenGains) -> str:
    """Return the column that events were found in."""
    return result.alliance if isinstance(result, Ruptures) else result.outcome
