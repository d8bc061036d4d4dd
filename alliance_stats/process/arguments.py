"""Checks of the options that callers pass, with errors that name the option and say what it takes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from numbers import Integral, Real

from alliance_stats.errors import DataError, listing, unknown_name


def column_name(value: object, option: str) -> str:
    """Return the name of one column.

    Raises
    ------
    DataError
        If the value is not a text.
    """
    if not isinstance(value, str):
        raise DataError.build(
            f"{option} names one column; {type_words(value)} was given.",
            hint=f'pass its name as text, such as {option}="wai".',
        )
    return value


def column_names(value: object, option: str, *, required: bool = False) -> tuple[str, ...]:
    """Return names of columns, each once; one text is one name. A required option cannot be left out.

    Raises
    ------
    DataError
        If the value is neither a text nor a collection of texts.
    """
    entries = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, Iterable) else (value,)
    if not all(isinstance(entry, str) for entry in entries):
        wrong = next(entry for entry in entries if not isinstance(entry, str))
        raise DataError.build(
            f"{option} is a list of column names; {type_words(wrong)} was given.",
            hint=f'pass texts, such as {option}=["first", "second"]{"" if required else f", or leave {option} out"}.',
        )
    return tuple(dict.fromkeys(str(entry) for entry in entries))


def whole_number(value: object, option: str, *, least: int) -> int:
    """Return a whole number.

    Raises
    ------
    DataError
        If the value is no whole number, or smaller than ``least``.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < least:
        shown = shown_value(value)
        raise DataError.build(
            f"{option} is a whole number of {least} or more; {shown} was given.",
            hint=f"pass for example {option}={max(least, 1)}.",
        )
    return int(value)


def number(value: object, option: str, *, above: float = -math.inf, most: float = math.inf) -> float:
    """Return a finite number greater than ``above`` and not greater than ``most``.

    Raises
    ------
    DataError
        If the value is no such number; True, False and texts are none.
    """
    given = math.nan if isinstance(value, bool) or not isinstance(value, Real) else float(value)
    if not (math.isfinite(given) and above < given <= most):
        bounds = [f"above {above:g}"] if above > -math.inf else []
        bounds += [f"up to {most:g}"] if most < math.inf else []
        shown = shown_value(value)
        raise DataError.build(
            f"{option} is a number{' ' + ' and '.join(bounds) if bounds else ''}; {shown} was given.",
            hint=f"pass a number without quotes as {option}.",
        )
    return given


def truth(value: object, option: str) -> bool:
    """Return True or False.

    Raises
    ------
    DataError
        If the value is neither.
    """
    if not isinstance(value, bool):
        raise DataError.build(
            f"{option} is True or False; {type_words(value)} was given.", hint=f"pass {option}=True or {option}=False."
        )
    return value


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
        given = type_words(value)
        raise DataError.build(
            f"{option} is the name of a {kind}; {given} was given.",
            hint=f"pass one of these as text: {listing(known, 12)}.",
        )
    if value not in known:
        raise unknown_name(DataError, kind, value, known)
    return value


def require_known(value: object, option: str, known: Sequence[str], *, kind: str) -> None:
    """Raise a DataError if a value is neither None nor one of the names known.

    Its words keep None apart from the text 'None', and show a value only if it is a text or a number.
    """
    if value is None or (isinstance(value, str) and value in known):
        return
    shown = f"'{value}'" if isinstance(value, str | int | float) else f"of type {type(value).__name__}"
    raise DataError.build(
        f"No {kind} {shown}. Known: {', '.join(known)}, and None without quotes.",
        hint=f'pass for example {option}="{known[0]}", or {option}=None, without quotes, for none of them.',
    )


def shown_value(value: object) -> str:
    """Return a number as it is, anything else as what it is."""
    return type_words(value) if isinstance(value, bool) or not isinstance(value, Real) else f"{value}"


def type_words(value: object) -> str:
    """Return what a value is, in words, never what it holds."""
    if value is None or isinstance(value, bool):
        return str(value)
    return {"str": "a text", "int": "a number", "float": "a number", "list": "a list", "tuple": "a list"}.get(
        type(value).__name__, f"an object of type {type(value).__name__}"
    )
