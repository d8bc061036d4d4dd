"""A result in running text, as a paper prints it."""

from __future__ import annotations

from typing import Any

import pandas as pd

from alliance_stats.errors import DataError, unknown_name
from alliance_stats.report.labels import NAMING, estimate_label, interval_label
from alliance_stats.report.numbers import df_text, fixed, interval_text, p_clause
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


def sentence(result: Result, term: str | None = None) -> str:
    """Say a result in words and numbers.

    Each sentence names the term, its level, the estimate with interval, standard error and test, and how the degrees of
    freedom were found. Use it for the running text of a paper.

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
        If the result has no such term, or no estimate at all.

    See Also
    --------
    table : The same numbers as a table.

    Notes
    -----
    The reference distribution is read from the result's notes; a test without degrees of freedom and without such a
    note is a *z* test by normal approximation. Two decimals, p-values with three.

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
    frame = result.tidy()
    naming = next((column for column in NAMING if column in frame), None)
    if naming is None or "estimate" not in frame or frame.empty:
        raise DataError.build(
            f"{type(result).__name__} has no named estimates to put into words.",
            hint="print its table with table(result).",
        )
    chosen = _chosen(frame, naming, term)
    if "model" in frame and len(frame["model"].unique()) == 1:
        frame = frame.drop(columns="model")
    records = plain_records(frame[chosen])
    method = _method(result.notes)
    return "\n".join(_say(record, naming, estimate_label(frame), method) for record in records)


def _chosen(frame: pd.DataFrame, naming: str, term: str | None) -> pd.Series[bool]:
    """Return which rows to report, shape (n_rows,)."""
    names = frame[naming].astype(str)
    if term is not None:
        if not (names == term).any():
            raise unknown_name(DataError, "term", term, list(dict.fromkeys(names)))
        return names == term
    intercept = names.isin(["Intercept", "(Intercept)", "1"])
    return ~intercept if (~intercept).any() else intercept


def _say(record: dict[str, Any], naming: str, symbol: str, method: str) -> str:
    """Return the sentence of one estimate."""
    parts = [f"{symbol} = {fixed(_number(record, 'estimate'), 2) or 'not estimated'}"]
    interval = interval_text(_number(record, "conf_low"), _number(record, "conf_high"), 2)
    if interval:
        level = _number(record, "conf_level")
        parts.append(f"{interval_label(0.95 if level != level else level)} {interval}")
    if record.get("std_error") is not None:
        parts.append(f"SE = {fixed(_number(record, 'std_error'), 2)}")
    if record.get("statistic") is not None:
        parts.append(_test(record, symbol))
    if record.get("p_value") is not None:
        parts.append(p_clause(_number(record, "p_value")))
    tail = _reference(record, symbol, method)
    return f"{_subject(record, naming)}: {', '.join(parts)}{tail}."


def _subject(record: dict[str, Any], naming: str) -> str:
    """Return what the estimate belongs to: model, term, outcome and level."""
    model = f"{record['model']}, " if record.get("model") else ""
    about = [str(record["kind"])] if record.get("kind") else []
    about += [_level(str(record["level"]))] if record.get("level") else []
    outcome = record.get("outcome")
    about += [f"outcome {outcome}"] if outcome and outcome != "outcome" else []
    return f"{model}{record[naming]}" + (f" ({', '.join(about)})" if about else "")


def _level(level: str) -> str:
    """Return the level in words; a contextual row compares two."""
    return {"contextual": "difference between levels", "covariate": "covariate"}.get(level, f"{level} level")


def _test(record: dict[str, Any], symbol: str) -> str:
    """Return the test statistic: t with its degrees of freedom, z without."""
    value = fixed(_number(record, "statistic"), 2)
    df = df_text(_number(record, "df"))
    if df:
        return f"t({df}) = {value}"
    return f"z = {value}" if symbol == "b" else f"statistic = {value}"


def _reference(record: dict[str, Any], symbol: str, method: str) -> str:
    """Return the reference distribution in brackets, when the estimate was tested."""
    if record.get("statistic") is None:
        return ""
    df = df_text(_number(record, "df"))
    found = method or ("" if df or symbol != "b" else "normal approximation")
    return f" ({found})" if found else ""


def _method(notes: tuple[str, ...]) -> str:
    """Return how the first note that says so found the reference distribution."""
    for note in notes:
        for word, method in _METHODS.items():
            if word in note.lower():
                return method
    return ""


def _number(record: dict[str, Any], column: str) -> float:
    """Return a cell as a float, NaN when it is missing."""
    value = record.get(column)
    return float("nan") if value is None else float(value)
