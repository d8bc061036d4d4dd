"""Reading a mixed-model formula: the bars are split off here, everything else is left to formulaic.

``distress ~ alliance + session + (1 + session | patient) + (1 | clinic/therapist)`` has the fixed part
``alliance + session`` and the random terms ``1 + session`` by patient, ``1`` by clinic and ``1`` by clinic:therapist.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from functools import lru_cache

from formulaic import Formula
from formulaic.errors import FormulaSyntaxError

from alliance_stats.errors import FormulaError

_OPENING, _CLOSING = "([{", ")]}"
_NAME = re.compile(r"`[^`]+`|[^\W\d]\w*(?:\.\w+)*", re.UNICODE)


@dataclass(frozen=True)
class RandomTerm:
    """One bar of the formula.

    Parameters
    ----------
    effects : str
        Left-hand side, a formulaic formula such as ``"1 + session"``.
    group : tuple of str
        Columns that together name a level: one for ``| patient``, two for ``| clinic:therapist``.
    """

    effects: str
    group: tuple[str, ...]

    @property
    def label(self) -> str:
        """Name of the grouping factor, such as ``"clinic:therapist"``."""
        return ":".join(self.group)


@dataclass(frozen=True)
class MixedFormula:
    """A mixed-model formula in its parts.

    Parameters
    ----------
    text : str
    response : str
    fixed : str
        Right-hand side without the bars.
    random : tuple of RandomTerm
        ``||`` and ``/`` written out.
    """

    text: str
    response: str
    fixed: str
    random: tuple[RandomTerm, ...]


def parse_formula(text: str) -> MixedFormula:
    """Split a formula into response, fixed part and random terms.

    Parameters
    ----------
    text : str
        As in lme4: ``"y ~ x + (1 + x | g)"``; ``||`` for uncorrelated effects, ``a/b`` for b in a, ``a:b`` for combinations.

    Returns
    -------
    MixedFormula

    Raises
    ------
    FormulaError
        If a token is out of place; the message points at it.

    Examples
    --------
    >>> parse_formula("phq ~ session + (1 + session | patient) + (1 | therapist)").random[0]
    RandomTerm(effects='1 + session', group=('patient',))
    """
    if not isinstance(text, str):
        raise FormulaError.build(
            f"A formula is a text; this is a {type(text).__name__}.", hint="write for example 'y ~ x + (1 | patient)'."
        )
    return _parse(text)


@lru_cache(maxsize=256)
def _parse(text: str) -> MixedFormula:
    """Split a text."""
    _check_brackets(text)
    tildes = _top_level(text, "~")
    if len(tildes) != 1 or not text[: tildes[0]].strip():
        position = tildes[1] if len(tildes) > 1 else 0
        raise FormulaError.at(
            "A formula has one '~' with the outcome to its left.",
            text,
            position,
            hint="write for example 'y ~ x + (1 | patient)'.",
        )
    start = tildes[0] + 1
    fixed: list[str] = []
    random: list[RandomTerm] = []
    for sign, low, high in _terms(text, start):
        piece = text[low:high]
        if _is_bar(piece):
            if sign == "-":
                raise FormulaError.at("A random term cannot be subtracted.", text, low, hint="leave it out instead.")
            random += _read_bar(text, low, high)
        else:
            _refuse_hidden_bar(text, low, high)
            fixed.append(f"{sign} {piece.strip()}")
    right = " ".join(fixed).removeprefix("+ ").strip() or "1"
    response = text[: tildes[0]].strip()
    _check_syntax(right, text, start)
    _check_syntax(response, text, 0)
    if len(list(formulaic_terms("0 + " + response))) != 1:
        raise FormulaError.at("A formula has one outcome.", text, 0, hint="fit one model for each outcome.")
    return MixedFormula(text, response, right, tuple(random))


@lru_cache(maxsize=512)
def formulaic_terms(text: str) -> Formula:
    """Return formulaic's reading of a formula without bars."""
    return Formula(text)


def _check_brackets(text: str) -> None:
    """Raise a FormulaError at the first bracket or backtick without a partner."""
    stack: list[int] = []
    quoted = None
    for position, character in enumerate(text):
        if quoted is not None:
            if character == text[quoted]:
                quoted = None
        elif character in "`'\"":
            quoted = position
        elif character in _OPENING:
            stack.append(position)
        elif character in _CLOSING:
            if not stack or _OPENING.index(text[stack[-1]]) != _CLOSING.index(character):
                raise FormulaError.at(f"'{character}' has no partner.", text, position, hint="balance the brackets.")
            stack.pop()
    if quoted is not None or stack:
        position = quoted if quoted is not None else stack[-1]
        raise FormulaError.at(f"'{text[position]}' is never closed.", text, position, hint="balance the brackets.")


def _top_level(text: str, wanted: str, start: int = 0) -> list[int]:
    """Return the positions of characters in ``wanted`` outside brackets and quotes."""
    depth, quoted, found = 0, "", []
    for position in range(start, len(text)):
        character = text[position]
        if quoted:
            quoted = "" if character == quoted else quoted
        elif character in "`'\"":
            quoted = character
        elif character in _OPENING:
            depth += 1
        elif character in _CLOSING:
            depth -= 1
        elif depth == 0 and character in wanted:
            found.append(position)
    return found


def _terms(text: str, start: int) -> list[tuple[str, int, int]]:
    """Return sign, first and last position of each term of the right-hand side."""
    cuts = _top_level(text, "+-", start)
    edges = [start - 1, *cuts, len(text)]
    terms = []
    for low, high in itertools.pairwise(edges):
        sign = text[low] if low >= start else "+"
        if not text[low + 1 : high].strip():
            if low < start and (high == len(text) or cuts):
                if high == len(text):
                    raise FormulaError.at(
                        "Nothing stands to the right of '~'.", text, start - 1, hint="write 'y ~ 1 + (1 | g)'."
                    )
                continue
            raise FormulaError.at(f"A term is missing after '{sign}'.", text, low, hint="complete or remove it.")
        first = low + 1 + len(text[low + 1 : high]) - len(text[low + 1 : high].lstrip())
        terms.append((sign, first, first + len(text[first:high].rstrip())))
    return terms


def _is_bar(piece: str) -> bool:
    """Tell whether a term is one pair of parentheses around a bar."""
    if not (piece.startswith("(") and piece.endswith(")")):
        return False
    return len(_top_level(piece[1:-1], "()")) == 0 and bool(_top_level(piece[1:-1], "|")) and _closes_last(piece)


def _closes_last(piece: str) -> bool:
    """Tell whether the first parenthesis is closed by the last character."""
    depth = 0
    for position, character in enumerate(piece):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return position == len(piece) - 1
    return False


def _refuse_hidden_bar(text: str, low: int, high: int) -> None:
    """Raise a FormulaError if a bar stands where other tools would read it as Python's bitwise or."""
    quoted = ""
    for position in range(low, high):
        character = text[position]
        if quoted:
            quoted = "" if character == quoted else quoted
        elif character in "`'\"":
            quoted = character
        elif character == "|":
            raise FormulaError.at(
                "A random term must stand by itself in parentheses; elsewhere '|' would be read as 'or'.",
                text,
                position,
                hint="write '... + (effects | group)', not multiplied, nested or without parentheses.",
            )


def _read_bar(text: str, low: int, high: int) -> list[RandomTerm]:
    """Return the random terms of one parenthesis."""
    bars = _top_level(text[: high - 1], "|", low + 1)
    doubled = len(bars) == 2 and bars[1] == bars[0] + 1
    if len(bars) != 1 and not doubled:
        raise FormulaError.at(
            "One '|' or '||' separates effects from group.", text, bars[1], hint="write '(1 + x | g)'."
        )
    effects = text[low + 1 : bars[0]].strip()
    if not effects:
        raise FormulaError.at(
            "No effects stand to the left of '|'.", text, bars[0], hint="write '(1 | g)' for an intercept."
        )
    _check_syntax(effects, text, low + 1)
    groups = _read_groups(text, bars[-1] + 1, high - 1)
    parts = _uncorrelated(effects) if doubled else [effects]
    return [RandomTerm(part, group) for group in groups for part in parts]


def _read_groups(text: str, low: int, high: int) -> list[tuple[str, ...]]:
    """Return the grouping factors to the right of a bar, nesting written out."""
    groups: list[tuple[str, ...]] = []
    position = low
    prefix: tuple[str, ...] = ()
    current: list[str] = []
    expect_name = True
    while position < high:
        if text[position].isspace():
            position += 1
            continue
        match = _NAME.match(text, position, high)
        if expect_name and match:
            current.append(match.group().strip("`"))
            position = match.end()
        elif not expect_name and text[position] in ":/":
            if text[position] == "/":
                prefix = (*prefix, *current)
                groups.append(prefix)
                current = []
            position += 1
        else:
            raise FormulaError.at(
                "The right of '|' names grouping columns.",
                text,
                position,
                hint="use a column name, 'a:b' or 'a/b'; make a new column for anything else.",
            )
        expect_name = not expect_name
    if expect_name:
        raise FormulaError.at(
            "A grouping column is missing after '|'.", text, max(high - 1, 0), hint="write '(1 | patient)'."
        )
    return [*groups, (*prefix, *current)]


def _uncorrelated(effects: str) -> list[str]:
    """Return one formula for each term of the left-hand side of ``||``."""
    return ["1" if str(term) == "1" else f"0 + {_quoted(term)}" for term in formulaic_terms(effects)]


def _quoted(term: object) -> str:
    """Return a formulaic term as text, plain column names in backticks."""
    factors = getattr(term, "factors", ())
    return ":".join(f"`{f.expr}`" if f.eval_method.value == "lookup" else f.expr for f in factors)


def _check_syntax(part: str, text: str, position: int) -> None:
    """Raise a FormulaError if formulaic cannot read a part."""
    try:
        read = formulaic_terms(part)
    except (FormulaSyntaxError, SyntaxError, ValueError) as error:
        reason = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).splitlines()[0]
        raise FormulaError.at(
            f"Cannot read '{part}': {reason}.", text, position, hint="see formulaic's grammar."
        ) from None
    if not hasattr(read, "required_variables") or "|" in re.sub(r"`[^`]*`", "", part):
        raise FormulaError.at(f"'{part}' has more than one part.", text, position, hint="write one formula.")
