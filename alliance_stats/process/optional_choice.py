"""Options that take one of a few names, or None."""

from __future__ import annotations

from collections.abc import Sequence

from alliance_stats.errors import DataError


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
