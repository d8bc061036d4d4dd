"""Checks of options that take one of a few names."""

from __future__ import annotations

from collections.abc import Sequence

from alliance_stats.errors import DataError, listing, unknown_name


def choice(value: object, option: str, known: Sequence[str], *, kind: str) -> str:
    """Return a name if it is one of those known.

    Parameters
    ----------
    value : object
        What was passed.
    option : str
        Name of the option.
    known : sequence of str
        Names it takes.
    kind : str
        What the names stand for, in words.

    Raises
    ------
    DataError
        If the value is no text, or another name. What is no text is not shown: it may hold data.
    """
    if not isinstance(value, str):
        given = str(value) if value is None or isinstance(value, bool) else f"an object of type {type(value).__name__}"
        raise DataError.build(
            f"{option} is the name of a {kind}; {given} was given.",
            hint=f"pass one of these as text: {listing(known, 12)}.",
        )
    if value not in known:
        raise unknown_name(DataError, kind, value, known)
    return value
