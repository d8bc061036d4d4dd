"""Header names, ids and marks for missing cells: the same rules for every kind of file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from alliance_stats.errors import FileError, listing

MISSING_MARKS: tuple[str, ...] = ("", "NA", "N/A", "#N/A", "#NULL!", "NaN", "nan")
"""Cells that always count as missing, after spaces around them are removed."""

MissingCodes = Sequence[str | float]
"""Further cells that count as missing, for example ``[-99, "refused"]``."""

_WHOLE_NUMBER = r"-?(?:0|[1-9]\d{0,17})"
_DIGITS_THAT_COUNT = r"[+-]?(?:\d{16,}|0\d+)"
_LARGEST_EXACT_FLOAT = 2.0**53


def header_names(cells: Sequence[object], file_name: str) -> list[str]:
    """Return the column names of a header row without the spaces around them.

    Parameters
    ----------
    cells : sequence
        The header row; a cell without a name is returned as an empty string.
    file_name : str
        For the message.

    Returns
    -------
    list of str

    Raises
    ------
    FileError
        If two columns have the same name.
    """
    names = ["" if cell is None or cell != cell else str(cell).strip() for cell in cells]
    again = [name for name, count in Counter(names).items() if count > 1 and name]
    if again and count_numbers(names):
        positions = [position for position, name in enumerate(names, 1) if name in again]
        raise FileError.build(
            f"{file_name} has columns of the same name (columns {listing(positions)}), and names that are numbers.",
            hint="the first row must hold the column names, each once: add it if it is not there.",
        )
    if again:
        quoted = [f"'{name}'" for name in again]
        raise FileError.build(
            f"{file_name} has more than one column called {listing(quoted)}.",
            hint="give every column a name of its own in the file.",
        )
    return names


def count_numbers(names: Iterable[object]) -> int:
    """Count the names that are numbers, a sign that the first row holds data and must not be shown."""
    return int(pd.to_numeric(pd.Series([str(name) for name in names]), errors="coerce").notna().sum())


def named_columns(frame: pd.DataFrame, names: Sequence[str], file_name: str) -> pd.DataFrame:
    """Give the frame its column names; leave out columns that have neither a name nor a cell.

    Raises
    ------
    FileError
        If a column without a name holds cells.
    """
    nameless = [position for position, name in enumerate(names) if not name]
    filled = [position + 1 for position in nameless if bool(frame.iloc[:, position].notna().any())]
    if filled:
        raise FileError.build(
            f"{file_name} has cells in a column without a name (column {listing(filled)}).",
            hint="name the column in the first row of the file, or remove it.",
        )
    kept = frame.iloc[:, [position for position, name in enumerate(names) if name]] if nameless else frame
    return kept.set_axis([name for name in names if name], axis=1)


def tidy_cells(
    frame: pd.DataFrame,
    *,
    ids: Iterable[str] = (),
    missing: MissingCodes = (),
    exempt: Iterable[str] = (),
    as_read: Iterable[str] = (),
) -> tuple[pd.DataFrame, list[str]]:
    """Mark missing cells, turn text that is all numbers into numbers, and keep ids as they were written.

    Parameters
    ----------
    frame : DataFrame
        As read from a file.
    ids : iterable of str
        Columns of ids. Their text becomes whole numbers only if nothing is lost: leading zeros, decimals and very long
        numbers stay text.
    missing : sequence of str or float
        Further cells that count as missing, compared with the whole cell.
    exempt : iterable of str
        Columns to which ``missing`` does not apply.
    as_read : iterable of str
        Columns whose type is known: text stays text.

    Returns
    -------
    frame : DataFrame
    notes : list of str
        What was changed.
    """
    id_columns, spared, settled = set(ids), set(exempt), set(as_read)
    notes: list[str] = []
    changed: dict[str, pd.Series] = {}
    n_marked = 0
    for name, kind in frame.dtypes.items():
        codes = () if name in spared else missing
        text = isinstance(kind, pd.StringDtype) or kind == np.dtype(object)
        # Most columns of most files hold plain numbers, and some files have very many.
        if name in settled or not (text or codes or name in id_columns):
            continue
        column = frame[name]
        if name in id_columns and text:
            column, marked, said = _id_column(column, codes)
            notes += [f"Column '{name}': {sentence}" for sentence in said]
        elif text:
            column, marked = _text_column(column, codes)
        else:
            column, marked = _number_column(column, codes)
            column = _whole_ids(column) if name in id_columns else column
        changed[str(name)] = column
        n_marked += marked
    if missing:
        notes.append(f"{n_marked} cells hold one of the {len(missing)} given codes for missing and count as missing.")
    if not changed:
        return frame, notes
    columns = {name: changed[name] if name in changed else frame[name] for name in frame.columns}
    return pd.DataFrame(columns, index=frame.index, copy=False), notes


def _numeric_codes(codes: MissingCodes) -> list[float]:
    """Return the codes that are numbers, whether given as number or as text."""
    if not codes:
        return []
    numbers = pd.to_numeric(pd.Series(list(codes), dtype=object), errors="coerce").to_numpy(dtype=float)
    return [float(number) for number in numbers if np.isfinite(number)]


def _number_column(column: pd.Series, codes: MissingCodes) -> tuple[pd.Series, int]:
    """Return the column with its codes for missing removed, and how many there were."""
    numbers = _numeric_codes(codes)
    if not numbers or not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        return column, 0
    marked = column.isin(numbers)
    count = int(marked.sum())
    return (column.mask(marked), count) if count else (column, 0)


def _whole_ids(column: pd.Series) -> pd.Series:
    """Return ids that a statistics program stored as decimals as whole numbers."""
    if not pd.api.types.is_float_dtype(column) or bool(column.isna().any()):
        return column
    whole = bool((column == column.round()).all()) and float(column.abs().max()) < _LARGEST_EXACT_FLOAT
    return column.astype("int64") if whole else column


def _levels(column: pd.Series) -> tuple[np.ndarray, pd.Series, bool]:
    """Return level codes, shape (n_rows,), the levels without outer spaces, and whether there were any."""
    codes, found = pd.factorize(column)
    levels = list(pd.Series(found).astype(object))
    stripped = [level.strip() if isinstance(level, str) else level for level in levels]
    padded = any(isinstance(new, str) and new and new != old for new, old in zip(stripped, levels, strict=True))
    return codes, pd.Series(stripped, dtype=object), padded


def _without_codes(levels: pd.Series, codes: MissingCodes) -> tuple[pd.Series, np.ndarray]:
    """Return the levels with missing ones as None, and which were given codes for missing, shape (n_levels,)."""
    texts = {code.strip() for code in codes if isinstance(code, str)}
    numbers = set(_numeric_codes(codes))
    values = pd.to_numeric(levels, errors="coerce") if numbers else None
    coded = np.array([isinstance(level, str) and level in texts for level in levels], dtype=bool)
    if values is not None:
        coded |= values.isin(list(numbers)).to_numpy()
    gone = coded | np.array([isinstance(level, str) and level in MISSING_MARKS for level in levels], dtype=bool)
    return levels.mask(gone, None), coded


def _spread(levels: pd.Series, codes: np.ndarray, index: pd.Index) -> pd.Series:
    """Return the column whose rows have the given levels; a code of -1 is a missing cell."""
    spread = levels.reindex(codes) if bool((codes < 0).any()) else levels.take(codes)
    spread.index = index
    return spread


def _text_column(column: pd.Series, codes: MissingCodes) -> tuple[pd.Series, int]:
    """Return the column with missing cells marked, as numbers if every cell is one, and the count of coded cells."""
    level_codes, found, padded = _levels(column)
    levels, coded = _without_codes(found, codes)
    known = levels.notna()
    numbers = pd.to_numeric(levels, errors="coerce")
    plain = bool(known.any()) and bool(numbers[known].notna().all()) and not _holds_truth_values(levels[known])
    if plain and not _loses_digits(levels[known]):
        levels = numbers
    elif isinstance(column.dtype, pd.StringDtype) and not padded and bool(known.all()):
        return column, 0
    else:
        levels = levels.infer_objects()
    counted = int(coded[level_codes[level_codes >= 0]].sum())
    return _spread(levels, level_codes, column.index), counted


def _loses_digits(levels: pd.Series) -> bool:
    """Tell whether a level is text that a number would change: leading zeros, or more digits than a number holds."""
    texts = levels[[isinstance(level, str) for level in levels]].astype("str")
    return bool(texts.str.fullmatch(_DIGITS_THAT_COUNT).any())


def _holds_truth_values(levels: pd.Series) -> bool:
    """Tell whether a level is True or False rather than a number."""
    return any(isinstance(level, bool | np.bool_) for level in levels)


def _id_column(column: pd.Series, codes: MissingCodes) -> tuple[pd.Series, int, list[str]]:
    """Return the ids as whole numbers if that loses nothing, else as text; the count of coded cells; and notes."""
    level_codes, levels, padded = _levels(column)
    levels, coded = _without_codes(levels, codes)
    counted = int(coded[level_codes[level_codes >= 0]].sum())
    notes = ["spaces around ids were removed."] if padded else []
    known = levels.dropna()
    texts = known.map(lambda level: str(int(level)) if isinstance(level, float) and level.is_integer() else str(level))
    zeros = texts.str.fullmatch(r"-?0\d+")
    with_blanks = bool((level_codes < 0).any()) or len(known) < len(levels)
    whole = bool(len(texts)) and bool(texts.str.fullmatch(_WHOLE_NUMBER).all())
    if whole:
        numbers = texts.astype("int64")
        if not with_blanks:
            return _spread(numbers.reindex(levels.index, fill_value=0), level_codes, column.index), counted, notes
        if float(numbers.abs().max()) < _LARGEST_EXACT_FLOAT:
            return _spread(numbers.reindex(levels.index), level_codes, column.index), counted, notes
    if bool(zeros.any()):
        notes.append("ids have leading zeros, so they are kept as text.")
    return _spread(texts.reindex(levels.index).infer_objects(), level_codes, column.index), counted, notes
