"""Reading mixed-model formulas."""

from __future__ import annotations

import pytest

from alliance_stats.errors import FormulaError
from alliance_stats.mixed.formula import RandomTerm, parse_formula

Bars = list[tuple[str, tuple[str, ...]]]

CASES: dict[str, tuple[str, str, Bars]] = {
    "y ~ x + (1|g)": ("y", "x", [("1", ("g",))]),
    "y~x+(1|g)": ("y", "x", [("1", ("g",))]),
    "  y  ~  x  +  ( 1 | g )  ": ("y", "x", [("1", ("g",))]),
    "y ~ (1 | g) + x": ("y", "x", [("1", ("g",))]),
    "y ~ (1 | g)": ("y", "1", [("1", ("g",))]),
    "y ~ 1 + (1 | g)": ("y", "1", [("1", ("g",))]),
    "y ~ 0 + x + (1 | g)": ("y", "0 + x", [("1", ("g",))]),
    "y ~ -1 + x + (1 | g)": ("y", "- 1 + x", [("1", ("g",))]),
    "y ~ x - 1 + (1 | g)": ("y", "x - 1", [("1", ("g",))]),
    "y ~ x + z + x:z + (1 | g)": ("y", "x + z + x:z", [("1", ("g",))]),
    "y ~ x * z + (1 | g)": ("y", "x * z", [("1", ("g",))]),
    "y ~ (x + z)**2 + (1 | g)": ("y", "(x + z)**2", [("1", ("g",))]),
    "y ~ x + (x | g)": ("y", "x", [("x", ("g",))]),
    "y ~ x + (1 + x | g)": ("y", "x", [("1 + x", ("g",))]),
    "y ~ x + (0 + x | g)": ("y", "x", [("0 + x", ("g",))]),
    "y ~ x + (1 + x || g)": ("y", "x", [("1", ("g",)), ("0 + `x`", ("g",))]),
    "y ~ x + (x || g)": ("y", "x", [("1", ("g",)), ("0 + `x`", ("g",))]),
    "y ~ x + (0 + x || g)": ("y", "x", [("0 + `x`", ("g",))]),
    "y ~ x + (1 | a/b)": ("y", "x", [("1", ("a",)), ("1", ("a", "b"))]),
    "y ~ x + (1 | a/b/c)": ("y", "x", [("1", ("a",)), ("1", ("a", "b")), ("1", ("a", "b", "c"))]),
    "y ~ x + (x | a/b)": ("y", "x", [("x", ("a",)), ("x", ("a", "b"))]),
    "y ~ x + (1 | a:b)": ("y", "x", [("1", ("a", "b"))]),
    "y ~ x + (1 | a:b/c)": ("y", "x", [("1", ("a", "b")), ("1", ("a", "b", "c"))]),
    "y ~ x + (1 | g) + (1 | h)": ("y", "x", [("1", ("g",)), ("1", ("h",))]),
    "y ~ C(arm) + (1 | g)": ("y", "C(arm)", [("1", ("g",))]),
    "y ~ poly(x, 2) + (poly(x, 2) | g)": ("y", "poly(x, 2)", [("poly(x, 2)", ("g",))]),
    "np.log(y) ~ np.log(x + 1) + (1 | g)": ("np.log(y)", "np.log(x + 1)", [("1", ("g",))]),
    "y ~ I(x - 3) + (I(x - 3) | g)": ("y", "I(x - 3)", [("I(x - 3)", ("g",))]),
    "`my y` ~ `a b` + (1 + `a b` | `a group`)": ("`my y`", "`a b`", [("1 + `a b`", ("a group",))]),
    "y ~ `a|b` + (1 | g)": ("y", "`a|b`", [("1", ("g",))]),
    "y ~ `a~b` + (1 | g)": ("y", "`a~b`", [("1", ("g",))]),
    "y ~ x + (1 | data.group)": ("y", "x", [("1", ("data.group",))]),
    "y ~ größe + (1 | gruppe_ä)": ("y", "größe", [("1", ("gruppe_ä",))]),
    "y ~ x": ("y", "x", []),
}


@pytest.mark.parametrize("text", CASES)
def test_parts_of_a_formula(text: str) -> None:
    response, fixed, bars = CASES[text]
    found = parse_formula(text)
    assert (found.text, found.response, found.fixed) == (text, response, fixed)
    assert found.random == tuple(RandomTerm(*bar) for bar in bars)


def test_label_of_a_combination() -> None:
    assert parse_formula("y ~ x + (1 | a/b)").random[1].label == "a:b"


ERRORS: dict[str, tuple[str, str, str]] = {
    # formula: (what is wrong, remedy, the text that the caret must point at)
    "y + x + (1 | g)": ("A formula has one '~'", "write for example 'y ~ x", "y + x"),
    "y ~ x ~ z": ("A formula has one '~'", "write for example 'y ~ x", "~ z"),
    "~ x + (1 | g)": ("A formula has one '~'", "write for example 'y ~ x", "~ x"),
    "": ("A formula has one '~'", "write for example 'y ~ x", ""),
    "y ~": ("Nothing stands to the right of '~'", r"write 'y ~ 1 \+ \(1 \| g\)'", "~"),
    "y ~ x +": (r"A term is missing after '\+'", "complete or remove it", "+"),
    "y ~ x + + (1 | g)": (r"A term is missing after '\+'", "complete or remove it", "+ + ("),
    "y ~ x - (1 | g)": ("A random term cannot be subtracted", "leave it out instead", "(1 | g)"),
    "y ~ x * (1 | g)": ("must stand by itself in parentheses", "not multiplied, nested", "| g)"),
    "y ~ (1 | g):x": ("must stand by itself in parentheses", "not multiplied, nested", "| g)"),
    "y ~ x + 1 | g": ("must stand by itself in parentheses", "without parentheses", "| g"),
    "y ~ x + (z + (1 | g))": ("must stand by itself in parentheses", "not multiplied, nested", "| g))"),
    "y ~ I(x | z) + (1 | g)": ("must stand by itself in parentheses", "not multiplied, nested", "| z)"),
    "y ~ x + (1 | g | h)": (r"One '\|' or '\|\|' separates", r"write '\(1 \+ x \| g\)'", "| h)"),
    "y ~ x + (1 ||| g)": (r"One '\|' or '\|\|' separates", r"write '\(1 \+ x \| g\)'", "|| g)"),
    "y ~ x + ( | g)": ("No effects stand to the left", r"write '\(1 \| g\)' for an intercept", "| g)"),
    "y ~ x + (1 | )": ("A grouping column is missing", r"write '\(1 \| patient\)'", " )"),
    "y ~ x + (1 | a/)": ("A grouping column is missing", r"write '\(1 \| patient\)'", "/)"),
    "y ~ x + (1 | a:)": ("A grouping column is missing", r"write '\(1 \| patient\)'", ":)"),
    "y ~ x + (1 | a + b)": ("The right of '|' names grouping columns".replace("|", r"\|"), "make a new column", "+ b)"),
    "y ~ x + (1 | a b)": (r"The right of '\|' names grouping columns", "use a column name", "b)"),
    "y ~ x + (1 | C(g))": (r"The right of '\|' names grouping columns", "use a column name", "(g))"),
    "y ~ x + (1 | 3)": (r"The right of '\|' names grouping columns", "use a column name", "3)"),
    "y ~ x + (1 | g": (r"'\(' is never closed", "balance the brackets", "(1"),
    "y ~ x + 1 | g)": (r"'\)' has no partner", "balance the brackets", ")"),
    "y ~ np.log(x] + (1 | g)": (r"'\]' has no partner", "balance the brackets", "]"),
    "y ~ `x + (1 | g)": ("'`' is never closed", "balance the brackets", "`x"),
    "y + z ~ x + (1 | g)": ("A formula has one outcome", "fit one model for each outcome", "y + z"),
    "y ~ x % z + (1 | g)": ("Cannot read 'x % z'", "grammar", " x % z"),
    "y ~ x + (1 + % | g)": ("Cannot read '1 [+] %'", "grammar", "1 + %"),
}


@pytest.mark.parametrize("text", ERRORS)
def test_error_says_what_is_wrong_and_what_to_do(text: str) -> None:
    problem, hint, _ = ERRORS[text]
    with pytest.raises(FormulaError, match=rf"(?s){problem}.*\nHint: .*{hint}"):
        parse_formula(text)


@pytest.mark.parametrize("text", ERRORS)
def test_caret_stands_under_the_guilty_token(text: str) -> None:
    with pytest.raises(FormulaError) as caught:
        parse_formula(text)
    _, shown, caret, _ = str(caught.value).rsplit("\n", 3)
    assert shown == f"  {text}"
    assert caret.strip() == "^"
    assert text[caret.index("^") - 2 :].startswith(ERRORS[text][2])


@pytest.mark.parametrize("text", [None, 5, ["y ~ x"]])
def test_a_formula_that_is_no_text_is_a_formula_error(text: object) -> None:
    with pytest.raises(FormulaError, match=r"(?s)text.*Hint"):
        parse_formula(text)  # type: ignore[arg-type]
