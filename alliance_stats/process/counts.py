"""Counts with their nouns, in the grammar of their number."""

from __future__ import annotations


def counted(n: int, noun: str, plural: str = "") -> str:
    """Return a count with its noun: "1 patient", "12 patients"; ``plural`` where an s does not make it."""
    return f"{n} {noun}" if n == 1 else f"{n} {plural or noun + 's'}"


def agreeing(n: int, one: str, several: str) -> str:
    """Return the verb that goes with a count."""
    return one if n == 1 else several
