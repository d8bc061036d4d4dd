"""One finding of a review."""

from __future__ import annotations

from dataclasses import dataclass
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
    """

    key: str
    level: Verdict
    evidence: str
