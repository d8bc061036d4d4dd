"""One finding of a review."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Verdict = Literal["mistake", "caution", "fine"]


@dataclass(frozen=True)
class Finding:
    """Whether a mistake was made, and what in the data says so.

    Parameters
    ----------
    key : str
        Of the mistake.
    level : {"mistake", "caution", "fine"}
    evidence : str
        One sentence with counts; no ids.
    words : mapping of str to object
        What the call that mends it needs beyond what the result knows.
    """

    key: str
    level: Verdict
    evidence: str
    words: Mapping[str, object] = field(default_factory=dict)


def graded(worst: float, *, caution: float, mistake: float = float("inf")) -> Verdict:
    """Return the verdict on a number that is the worse the larger it is."""
    if worst > mistake:
        return "mistake"
    return "caution" if worst > caution else "fine"
