"""Files for statistics programs: SPSS and Stata, with labels and codes of missing answers."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from alliance_stats.errors import AllianceStatsWarning, FileError
from alliance_stats.loaders.label_limits import LabelLimits, fitted_labels
from alliance_stats.loaders.labels import Code, ColumnLabels, labels_of, plain_code
from alliance_stats.loaders.missing_reasons import kept_reasons, reason_codes, reason_counts

_SPSS = LabelLimits("SPSS", column_label=256, value_label=120)
_STATA = LabelLimits("Stata", column_label=80, value_label=32_000, in_bytes=False, text_values=False)
_FIRST_CODE = -901
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def write_spss(frame: pd.DataFrame, path: Path) -> None:
    """Write an SPSS file.

    Parameters
    ----------
    frame : DataFrame
        Any rows.
    path : Path
        Ends in .sav or .zsav.
    """
    import pyreadstat

    known = fitted_labels(frame, _SPSS)
    cells = _cells(frame)
    counts = reason_counts(frame)
    for column in [name for name in cells if not _is_text(frame[name]) and (name in known or name in counts)]:
        own = known.get(column, ColumnLabels())
        undeclared = [code for code in counts.get(column, ()) if not _is_declared(code, own)]
        codes = {code: float(number) for code, number in zip(undeclared, _free_codes(frame[column]), strict=False)}
        known[column] = _with_codes(own, codes)
        cells[column] = _filled(frame, column, cells[column], codes)
    for column in [name for name in counts if _is_text(frame[name])]:
        cells[column] = _filled(frame, column, cells[column], {})
    formats = {name: own.format for name, own in known.items() if _is_spss_format(own.format, cells[name])}
    _write(
        pyreadstat.write_sav,
        pd.DataFrame(cells),
        path,
        column_labels={name: own.label for name, own in known.items() if own.label},
        variable_value_labels={name: dict(own.value_labels) for name, own in known.items() if own.value_labels},
        missing_ranges={
            name: [{"lo": low, "hi": high} if low != high else low for low, high in own.missing]
            for name, own in known.items()
            if own.missing
        },
        variable_measure={name: own.measure for name, own in known.items() if own.measure},
        variable_format=formats,
        compress=path.suffix.lower() == ".zsav",
    )


def write_stata(frame: pd.DataFrame, path: Path) -> None:
    """Write a Stata file (release 118).

    Parameters
    ----------
    frame : DataFrame
        Any rows.
    path : Path
        Ends in .dta.
    """
    import pyreadstat

    known = fitted_labels(frame, _STATA)
    cells = _cells(frame)
    letters: dict[str, list[str]] = {}
    for column, counts in reason_counts(frame).items():
        if _is_text(frame[column]):
            continue
        codes = _letters(list(counts))
        own = known.get(column, ColumnLabels())
        # Labels of codes in words are gone from the fitted ones: Stata cannot hold such codes, but their letters.
        named = dict(own.value_labels) | dict(labels_of(frame).get(column, own).value_labels)
        values = {code: label for code, label in own.value_labels if code not in codes}
        values |= {
            letter: named.get(code, plain_code(code))
            for code, letter in codes.items()
            if code != letter or code in named
        }
        known[column] = ColumnLabels(own.label, tuple(values.items()), own.measure, (), own.format)
        cells[column] = _filled(frame, column, cells[column].astype(object), codes)
        letters[column] = sorted(codes.values())
    formats = {name: own.format for name, own in known.items() if own.format.startswith("%")}
    _write(
        pyreadstat.write_dta,
        pd.DataFrame(cells),
        path,
        column_labels={name: own.label for name, own in known.items() if own.label},
        variable_value_labels={
            name: _whole(own.value_labels) for name, own in known.items() if _whole(own.value_labels)
        },
        missing_user_values=letters,
        variable_format={name: given for name, given in formats.items() if not _is_text(frame[name])},
    )


def _cells(frame: pd.DataFrame) -> dict[str, pd.Series]:
    """Return the columns in types that statistics programs have; warn if reasons of missing answers have lost their rows."""
    n_kept = kept_reasons(frame)
    n_found = sum(sum(counts.values()) for counts in reason_counts(frame).values())
    if n_kept and not n_found:
        warnings.warn(
            f"None of the {n_kept} reasons of missing answers meets a row of the table any more, so they are not written; ids "
            "of patients or sessions have changed since the file was read. Write before changing them.",
            AllianceStatsWarning,
            stacklevel=4,
        )
    return {str(name): _plain(frame[name]) for name in frame.columns}


def _plain(column: pd.Series) -> pd.Series:
    """Return a column of floats, text or dates."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.astype("str").where(column.notna(), None).astype(object)
    if pd.api.types.is_bool_dtype(column):
        return column.astype(float if bool(column.notna().all()) else "Float64").astype(float)
    if isinstance(column.dtype, pd.api.extensions.ExtensionDtype) and pd.api.types.is_numeric_dtype(column):
        return pd.Series(column.to_numpy(dtype=float, na_value=np.nan), index=column.index)
    return column


def _is_text(column: pd.Series) -> bool:
    """Tell whether a column holds text."""
    return not pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_datetime64_any_dtype(column)


def _filled(frame: pd.DataFrame, column: str, cells: pd.Series, codes: Mapping[Any, Code]) -> pd.Series:
    """Return the cells with the codes of missing answers put back."""
    filled = cells.to_numpy(copy=True)
    for position, code in enumerate(reason_codes(frame, column)):
        if code is not None:
            filled[position] = codes.get(code, code)
    return pd.Series(filled, index=cells.index)


def _is_declared(code: Code, own: ColumnLabels) -> bool:
    """Tell whether a number lies in a range that the labels declare missing."""
    return not isinstance(code, str) and any(
        low <= code <= high for low, high in own.missing if not isinstance(low, str) and not isinstance(high, str)
    )


def _with_codes(own: ColumnLabels, codes: Mapping[Code, float]) -> ColumnLabels:
    """Return labels of a column of numbers in which undeclared codes for missing have become numbers declared missing."""
    named = dict(own.value_labels)
    values = tuple((code, label) for code, label in named.items() if not isinstance(code, str) and code not in codes)
    moved = tuple((number, named.get(code, _reason_text(code))) for code, number in codes.items())
    ranges = (*own.missing, *(((min(codes.values()), max(codes.values())),) if codes else ()))
    return ColumnLabels(own.label, (*values, *moved), own.measure, ranges, own.format)


def _reason_text(code: Code) -> str:
    """Return a code for missing as a label: letters of Stata with their full stop."""
    return f".{code}" if isinstance(code, str) and len(code) == 1 else plain_code(code)


def _free_codes(column: pd.Series) -> list[int]:
    """Return 26 codes below every answer of the column."""
    numbers = column.to_numpy(dtype=float, na_value=np.nan) if pd.api.types.is_numeric_dtype(column) else np.zeros(1)
    lowest = float(np.nanmin(numbers)) if np.isfinite(numbers).any() else 0.0
    first = _FIRST_CODE if lowest > _FIRST_CODE else int(lowest) - 1
    return [first - k for k in range(len(_LETTERS))]


def _letters(codes: list[Code]) -> dict[Code, str]:
    """Return a letter for each code declared missing; letters stay what they are."""
    given: dict[Code, str] = {code: code for code in codes if isinstance(code, str) and code in _LETTERS}
    free = [letter for letter in _LETTERS if letter not in given.values()]
    numbers: list[Code] = [*sorted((code for code in codes if not isinstance(code, str)), key=float)]
    numbers += [code for code in codes if isinstance(code, str) and code not in given]
    if len(numbers) > len(free):
        raise FileError.build(
            f"A column has {len(numbers)} different codes declared missing; Stata has {len(_LETTERS)} letters for them.",
            hint="write an SPSS file (.sav) instead.",
        )
    return {**given, **dict(zip(numbers, free, strict=False))}


def _whole(values: tuple[tuple[Code, str], ...]) -> dict[Code, str]:
    """Return the labels of whole numbers and letters, the only values that Stata can label."""
    whole: dict[Code, str] = {}
    for code, label in values:
        if isinstance(code, str):
            whole |= {code: label} if code in tuple(_LETTERS) else {}
        elif float(code).is_integer():
            whole[int(code)] = label
    return whole


def _is_spss_format(given: str, cells: pd.Series) -> bool:
    """Tell whether a format belongs to SPSS and to the kind of column."""
    if not re.fullmatch(r"[A-Z]+\d+(\.\d+)?", given):
        return False
    return not _is_text(cells) or given.startswith("A")


def _write(write: Callable[..., None], cells: pd.DataFrame, path: Path, **options: Any) -> None:
    """Call pyreadstat; what it cannot write becomes a FileError without its text, which may hold cells."""
    try:
        write(cells, str(path), **options)
    except OSError:
        raise
    except Exception as problem:
        wrong = [name for name in cells.columns if not re.fullmatch(r"[A-Za-z@][\w.@#$]{0,63}", name)]
        evidence = f"{len(wrong)} column names it cannot hold" if wrong else type(problem).__name__
        raise FileError.build(
            f"A {path.suffix} file cannot hold this table ({evidence}).",
            hint="column names must begin with a letter, have letters, digits and _ only, at most 64 of them (32 in Stata), and "
            "be no word the program reserves (long, if, by); a column must hold numbers, text or dates alone.",
        ) from None
