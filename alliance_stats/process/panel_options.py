"""Checks of options that models of several sessions share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real

from alliance_stats.errors import DataError, ModelError, listing, unknown_name
from alliance_stats.process.arguments import shown_value, type_words


def known_option(value: object, option: str, known: Sequence[str]) -> str:
    """Return an option that is one of several texts.

    Raises
    ------
    ModelError
        If it is no text, or not one of them.
    """
    if not isinstance(value, str):
        raise ModelError.build(
            f"{option} is one of {listing([repr(name) for name in known])}; {type_words(value)} was given.",
            hint=f"pass for example {option}={known[0]!r}.",
        )
    if value not in known:
        raise unknown_name(ModelError, f"{option} option", value, known)
    return value


def option_names(value: object, option: str, known: Sequence[str], what: str) -> tuple[str, ...]:
    """Return a collection of texts, each one of several; one text is one entry.

    Raises
    ------
    ModelError
        If it is neither a text nor a list of texts, or an entry is unknown.
    """
    entries = (value,) if isinstance(value, str) else value
    if not isinstance(entries, (list, tuple, set, frozenset)) or not all(isinstance(name, str) for name in entries):
        raise ModelError.build(
            f"{option} is a list of {listing([repr(name) for name in known])}; {type_words(value)} was given.",
            hint=f"pass for example {option}=({known[0]!r},), or leave {option} out.",
        )
    unknown = [name for name in entries if name not in known]
    if unknown:
        raise unknown_name(ModelError, what, unknown[0], known)
    return tuple(name for name in known if name in entries)


def seed_number(seed: object) -> int:
    """Return a seed.

    Raises
    ------
    ModelError
        If it is no whole number of 0 or more.
    """
    if isinstance(seed, bool) or not isinstance(seed, Integral) or int(seed) < 0:
        raise ModelError.build(
            f"seed is a whole number of 0 or more; {shown_value(seed)} was given.", hint="pass for example seed=1."
        )
    return int(seed)


def interval_level(level: object) -> float:
    """Return the level of intervals.

    Raises
    ------
    DataError
        If it is no number between 0 and 1.
    """
    number = math.nan if isinstance(level, bool) or not isinstance(level, Real) else float(level)
    if not 0 < number < 1:
        raise DataError.build(
            f"level = {shown_value(level)} is not between 0 and 1.", hint="use 0.95 for a 95 percent interval."
        )
    return number
