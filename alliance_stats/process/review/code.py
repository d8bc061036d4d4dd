"""What a result was asked, written as code, so that the call that mends a mistake repeats the rest of the question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from alliance_stats.mixed.residuals import ResidualStructure
from alliance_stats.process.outcome_model import Adjustments, OutcomeModel


class Code(str):
    """Text that stands in a call as it is, without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def in_code(words: Mapping[str, object]) -> dict[str, str]:
    """Return each word as it is written in a call."""
    return {name: _text(value) for name, value in words.items()}


def settings(value: Adjustments | OutcomeModel, **changed: object) -> Code:
    """Return the call that makes the settings again, with some of them changed."""
    default = type(value)()
    given = {part.name: changed.get(part.name, getattr(value, part.name)) for part in fields(value)}
    told = [f"{name}={_text(own)}" for name, own in given.items() if own != getattr(default, name)]
    return Code(f"al.{type(value).__name__}({', '.join(told)})")


def _text(value: Any) -> str:
    """Return a value as code."""
    if isinstance(value, ResidualStructure):
        return _residual(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name!r}: {_text(own)}" for name, own in value.items()) + "}"
    if isinstance(value, tuple | list):
        inner = ", ".join(_text(own) for own in value)
        if isinstance(value, list):
            return f"[{inner}]"
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    return repr(float(value)) if isinstance(value, float) else repr(value)


def _residual(structure: ResidualStructure) -> str:
    """Return a residual structure as code."""
    parts = []
    if structure.variance_by:
        parts.append(f"al.variance_by({':'.join(structure.variance_by)!r})")
    own = structure.correlation
    if own is not None:
        by = own.by[0] if len(own.by) == 1 else list(own.by)
        parts.append(f"al.{own.kind}({f'{own.time!r}, ' if own.time else ''}by={by!r})")
    return " + ".join(parts)
