"""Numbers as APA style prints them. Nothing is rounded before this."""

from __future__ import annotations

import math

MOST_DECIMALS = 8


def fixed(value: float, digits: int) -> str:
    """Return a number with a fixed count of decimals; never "-0.00".

    Parameters
    ----------
    value : float
        NaN gives an empty text, an infinite value "Inf" or "-Inf".
    digits : int
        Decimals to print.

    Examples
    --------
    >>> fixed(-0.001, 2), fixed(1 / 3, 3)
    ('0.00', '0.333')
    """
    if math.isnan(value):
        return ""
    if math.isinf(value):
        return "Inf" if value > 0 else "-Inf"
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def decimals(spread: float, *, least: int) -> int:
    """Return how many decimals to print: ``least``, or as many as show two digits of a spread that they would hide.

    Examples
    --------
    >>> decimals(0.3, least=2), decimals(0.0047, least=2), decimals(math.nan, least=2)
    (2, 4, 2)
    """
    if not math.isfinite(spread) or spread <= 0 or spread >= 10.0**-least:
        return least
    return min(MOST_DECIMALS, 1 - math.floor(math.log10(spread)))


def p_text(value: float) -> str:
    """Return a p-value with three decimals and no leading zero, "< .001" below that.

    Examples
    --------
    >>> p_text(0.0312), p_text(0.00004), p_text(0.9999)
    ('.031', '< .001', '> .999')
    """
    if math.isnan(value):
        return ""
    if value < 0.001:
        return "< .001"
    if value > 0.9995:
        return "> .999"
    return f"{value:.3f}".removeprefix("0")


def p_clause(value: float) -> str:
    """Return "p = .031", "p < .001" or "p > .999"."""
    text = p_text(value)
    return f"p {text}" if text[:1] in "<>" else f"p = {text}"


def interval_text(low: float, high: float, digits: int) -> str:
    """Return "[-0.52, -0.10]", or an empty text when both ends are missing."""
    if math.isnan(low) and math.isnan(high):
        return ""
    return f"[{fixed(low, digits)}, {fixed(high, digits)}]"


def df_text(value: float) -> str:
    """Return whole degrees of freedom without decimals, others with one; nothing when missing or infinite."""
    if not math.isfinite(value):
        return ""
    return str(round(value)) if value == round(value) else f"{value:.1f}"
