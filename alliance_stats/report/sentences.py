"""A result in running text, as a paper prints it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

from alliance_stats.errors import DataError, unknown_name
from alliance_stats.report.labels import NAMING, estimate_label, interval_label
from alliance_stats.report.numbers import decimals, df_text, fixed, p_clause
from alliance_stats.report.quantities import Quantity, naming_of, quantity_of
from alliance_stats.report.subjects import Subject, number_of
from alliance_stats.result import Result, plain_records

_METHODS = {
    "satterthwaite": "Satterthwaite degrees of freedom",
    "kenward": "Kenward-Roger degrees of freedom",
    "residual degrees of freedom": "residual degrees of freedom",
    "bootstrap": "bootstrap",
    "normal approximation": "normal approximation",
    "normal distribution": "normal approximation",
}
"""Words that a note uses for the reference distribution, and how the sentence names it."""

_INTERVALS = {
    "distribution of the product": "interval of the distribution of the product",
    "monte carlo,": "Monte Carlo interval",
    "percentiles of a bootstrap": "bootstrap interval",
}
"""Words that a note uses for an interval, and how the sentence names it."""


def sentence(result: Result, term: str | None = None) -> str:
    """Say a result in words and numbers.

    Each sentence names the term with its group, level, session or contrast, the estimate with interval, standard error and
    test, and how the degrees of freedom were found. Use it for the running text of a paper.

    Parameters
    ----------
    result : Result
        Any result of the package.
    term : str, optional
        Which term, predictor, category or score to report; everything but the intercept when left out.

    Returns
    -------
    str
        One line per estimate.

    Raises
    ------
    DataError
        If this is no result, or the result has no such term, or no estimate at all.

    See Also
    --------
    table : The same numbers as a table.

    Notes
    -----
    A slope is called *b*; means, shares (in percent), kappa and other quantities have their own names, and what they are taken
    over stands as n. The reference distribution is read from the result's notes; a slope's test without degrees of freedom
    and without such a note is a *z* test by normal approximation. Two decimals, more where the standard error is smaller
    than 0.01; p-values with three.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> import pandas as pd
    >>> @dataclass(frozen=True, kw_only=True)
    ... class Slope(Result):
    ...     def tidy(self):
    ...         return pd.DataFrame({"term": ["alliance"], "level": ["session"], "estimate": [-0.312], "n": [120]})
    ...     def glance(self):
    ...         return pd.DataFrame({"n": [120]})
    >>> sentence(Slope())
    'alliance (session level): Estimate = -0.31.'
    """
    if not isinstance(result, Result):
        raise DataError.build(
            f"A sentence is said of a result; this is an object of type {type(result).__name__}.",
            hint="pass what an analysis returned; for a frame use table(frame).",
        )
    frame = result.tidy()
    column = next((name for name in NAMING if name in frame), None)
    if column is None or "estimate" not in frame or frame.empty:
        raise DataError.build(
            f"{type(result).__name__} has no named estimates to put into words.",
            hint="print its table with table(result).",
        )
    naming, symbol = naming_of(result), estimate_label(frame)
    subject = Subject(frame, column, naming.words if naming else {})
    records = plain_records(frame[_chosen(frame, column, term)])
    lines = []
    for record in records:
        quantity = quantity_of(naming, record, symbol)
        lines.append(f"{subject.of(record)}: {_numbers(record, quantity)}{_tail(record, quantity, result.notes)}.")
    return "\n".join(lines)


def _chosen(frame: pd.DataFrame, naming: str, term: str | None) -> pd.Series[bool]:
    """Return which rows to report, shape (n_rows,)."""
    names = frame[naming].astype(str)
    if term is not None:
        if not (names == term).any():
            raise unknown_name(DataError, "term", term, list(dict.fromkeys(names)))
        return names == term
    intercept = names.isin(["Intercept", "(Intercept)", "1"])
    return ~intercept if (~intercept).any() else intercept


def _numbers(record: dict[str, Any], quantity: Quantity) -> str:
    """Return estimate, interval, standard error, test and N."""
    scale, digits = _format(record, quantity)
    sign = "%" if quantity.percent else ""

    def shown(column: str) -> str:
        """Return a number in the sentence's unit."""
        text = fixed(scale * number_of(record, column), digits)
        return f"{text}{sign}" if text else ""

    parts = [f"{quantity.symbol} = {shown('estimate') or 'not estimated'}"]
    if shown("conf_low") or shown("conf_high"):
        level = number_of(record, "conf_level")
        parts.append(f"{interval_label(0.95 if level != level else level)} [{shown('conf_low')}, {shown('conf_high')}]")
    if shown("std_error"):
        parts.append(f"SE = {shown('std_error')}")
    parts += _test(record, quantity)
    if quantity.counted and record.get("n") is not None:
        parts.append(f"n = {df_text(number_of(record, 'n'))}")
    return ", ".join(parts)


def _format(record: dict[str, Any], quantity: Quantity) -> tuple[float, int]:
    """Return the factor and the decimals of the numbers of a row: more where two would leave nothing."""
    scale, least = (100.0, 1) if quantity.percent else (1.0, 2)
    widths = [number_of(record, "std_error"), (number_of(record, "conf_high") - number_of(record, "conf_low")) / 4.0]
    spread = next((scale * width for width in widths if width > 0), abs(scale * number_of(record, "estimate")))
    return scale, decimals(spread, least=least)


def _test(record: dict[str, Any], quantity: Quantity) -> list[str]:
    """Return test statistic, t with its degrees of freedom or z without, and p-value; the df of an interval alone."""
    df, parts = df_text(number_of(record, "df")), []
    if record.get("statistic") is not None:
        name = f"t({df})" if df else "statistic" if quantity.symbol == "Estimate" else "z"
        parts.append(f"{name} = {fixed(number_of(record, 'statistic'), 2)}")
    elif df:
        parts.append(f"df = {df}")
    if record.get("p_value") is not None:
        by = f" ({quantity.tested_by})" if quantity.tested_by else ""
        parts.append(f"{p_clause(number_of(record, 'p_value'))}{by}")
    return parts


def _tail(record: dict[str, Any], quantity: Quantity, notes: tuple[str, ...]) -> str:
    """Return in brackets the reference distribution of a test, or how an interval was made."""
    if record.get("statistic") is not None:
        unknown = record.get("df") is not None or quantity.symbol == "Estimate"
        found = _said(notes, _METHODS) or ("" if unknown else "normal approximation")
    else:
        found = _said(notes, _INTERVALS) if quantity.interval_named else ""
    return f" ({found})" if found else ""


def _said(notes: tuple[str, ...], words: Mapping[str, str]) -> str:
    """Return the meaning of the first of these words that a note holds."""
    for note in notes:
        for word, meaning in words.items():
            # A note may advise a function of the same name, such as bootstrap(seed=1), which was not used.
            if re.search(rf"{re.escape(word)}(?!\()", note.lower()):
                return meaning
    return ""
