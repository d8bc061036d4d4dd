"""From coded statements to the share of each category per session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from alliance_stats.coding.codebooks import Codebook, load_codebook
from alliance_stats.columns import as_names, numeric_values, require_columns
from alliance_stats.errors import ColumnError, DataError, listing

CountColumns = str | Mapping[str, str] | Mapping[str, Sequence[str]]

_SHOWN_LENGTH = 30
COMPOSITION_NOTE = (
    "Shares are compositional: they sum to one over all categories, so a larger share of one category is a smaller "
    "share of the others."
)


@dataclass(frozen=True, kw_only=True)
class _Counted:
    """Counts per category, shape (n_rows, n_categories), and the number of statements, shape (n_rows,)."""

    categories: tuple[str, ...]
    counts: np.ndarray
    total: np.ndarray
    notes: tuple[str, ...]


def statement_shares(
    frame: pd.DataFrame,
    codebook: Codebook | str | Path | None = None,
    *,
    code: str | None = None,
    counts: CountColumns | None = None,
    total: str | None = None,
    by: Sequence[str] = ("patient", "session"),
) -> pd.DataFrame:
    """Compute the share of each category of therapist statements.

    Give either `code`, for one row per therapist statement, or `counts`, for one row per session that already holds the
    number of statements per code.

    Parameters
    ----------
    frame : DataFrame
        With `code`: one row per therapist statement (leave patients' statements out first). With `counts`: one row per
        session or conversation.
    codebook : Codebook, str or Path, optional
        Which category each code belongs to; a key or file for `load_codebook`. May be left out when `counts` names the
        columns of each category.
    code : str, optional
        Column with the code of the statement.
    counts : str or mapping, optional
        A pattern such as ``"n_{}"`` that turns every code of the codebook into a column; or a mapping from code to
        column, for some of the codes; or, without a codebook, a mapping from category to a list of columns.
    total : str, optional
        With `counts`: column with the number of all statements, coded or not. Without it shares are out of the coded
        statements.
    by : sequence of str
        With `code`: the columns that tell sessions apart.

    Returns
    -------
    DataFrame
        With `code`: one row per session, sorted by `by`, with the columns `by`. With `counts`: a copy of `frame`.
        Added are ``n_statements`` (count), ``n_<category>`` (count) and ``share_<category>`` (0 to 1; missing where a
        session has no statements). ``attrs["notes"]`` is a tuple of sentences: rules, and how many rows they touched.

    Raises
    ------
    ColumnError
        If a column is missing, or a column to be added exists with other values.
    DataError
        If codes are unknown, counts are missing, negative or fractional, the coded statements outnumber `total`, or the
        arguments do not fit together.

    See Also
    --------
    load_codebook : which code belongs to which category, and on whose evidence.
    share_associations : one row per conversation.

    Notes
    -----
    The share is the number of statements of a category divided by the number of statements. Statements without a code
    are counted in the notes and left out of the shares. Shares sum to one over the categories (below one when `total`
    counts uncoded statements), so their effects cannot be read as if the others stood still.

    Examples
    --------
    >>> from alliance_stats import load_sample, statement_shares
    >>> sessions = statement_shares(load_sample("therapist_statements"), "helping_skills", counts="n_{}")
    >>> shares = sessions[["share_supportive", "share_exploratory", "share_controlling", "share_other"]]
    >>> bool((shares.sum(axis=1).round(9) == 1).all())
    True
    """
    by = as_names(by)
    book = load_codebook(codebook) if isinstance(codebook, str | Path) else codebook
    if (code is None) == (counts is None):
        raise DataError.build(
            "Pass exactly one of code= and counts=.",
            hint="code= is for rows that are statements, counts= for rows that are sessions.",
        )
    if code is not None:
        if book is None or total is not None:
            raise DataError.build(
                "Coded statements need a codebook, and no total=.",
                hint="pass codebook='helping_skills' or your own, and leave total= to tables of counts.",
            )
        base, counted = _count_statements(frame, book, code, list(by))
    elif counts is not None:
        base, counted = frame.copy(), _read_counts(frame, _columns_by_category(book, counts), total)
    return _with_shares(base, counted)


def _count_statements(frame: pd.DataFrame, book: Codebook, code: str, by: list[str]) -> tuple[pd.DataFrame, _Counted]:
    """Return the sessions, one row each, and their counts."""
    require_columns(frame, [*by, code])
    lost = int(frame[by].isna().any(axis=1).sum())
    if lost:
        raise DataError.build(
            f"{lost} of {len(frame)} statements lack {' or '.join(by)}.",
            hint="drop those rows, or complete the columns.",
        )
    known = frame[code].notna().to_numpy()
    category = frame[code].map(book.category_of)
    _check_codes(frame[code][known & category.isna().to_numpy()], book)
    sessions = frame[by].drop_duplicates().sort_values(by, ignore_index=True)
    row = pd.MultiIndex.from_frame(sessions).get_indexer(pd.MultiIndex.from_frame(frame[by]))
    column = pd.Categorical(category, categories=list(book.categories)).codes
    counts = np.zeros((len(sessions), len(book.categories)))
    np.add.at(counts, (row[known], column[known]), 1.0)
    uncoded = int((~known).sum())
    notes = (f"{uncoded} of {len(frame)} statements have no code and are left out of the shares.",) if uncoded else ()
    return sessions, _Counted(categories=book.categories, counts=counts, total=counts.sum(axis=1), notes=notes)


def _check_codes(unknown: pd.Series, book: Codebook) -> None:
    """Raise if there are codes outside the codebook; a cell that may be free text is not shown."""
    if unknown.empty:
        return
    names = [str(name) for name in unknown.unique()]
    shown = [f"'{name}'" for name in names if len(name) <= _SHOWN_LENGTH and not any(map(str.isspace, name))]
    hidden = len(names) - len(shown)
    listed = f": {listing(shown)}" if shown else ""
    withheld = f" ({hidden} not shown, they are long or hold spaces)" if hidden else ""
    raise DataError.build(
        f"{len(unknown)} statements have one of {len(names)} codes that are not in codebook '{book.key}'"
        f"{listed}{withheld}.",
        hint=f"recode them with frame['column'].replace({{...}}), or add them to a copy of the codebook. "
        f"It knows: {listing(book.code_names, 20)}.",
    )


def _columns_by_category(book: Codebook | None, counts: CountColumns) -> dict[str, list[str]]:
    """Return the count columns of each category."""
    if book is None:
        if isinstance(counts, str) or not all(_is_list(columns) for columns in counts.values()):
            raise DataError.build(
                "Without a codebook, counts= must map each category to a list of columns.",
                hint="for example counts={'supportive': ['n_approval'], 'other': ['n_rest']}, or pass a codebook.",
            )
        columns_of = {category: list(columns) for category, columns in counts.items()}
    else:
        columns_of = {category: [] for category in book.categories}
        for code, column in _column_of_code(book, counts).items():
            columns_of[book.category_of[code]].append(column)
    _check_columns_once(columns_of)
    return columns_of


def _is_list(columns: str | Sequence[str]) -> bool:
    """Tell a list of columns from a single name."""
    return not isinstance(columns, str)


def _column_of_code(book: Codebook, counts: CountColumns) -> dict[str, str]:
    """Return the count column of each code."""
    if isinstance(counts, str):
        if counts.count("{}") != 1:
            raise DataError.build(
                "The pattern in counts= needs exactly one {}, the place of the code.", hint="for example counts='n_{}'."
            )
        return {code: counts.replace("{}", code) for code in book.code_names}
    unknown = [code for code in counts if code not in book.category_of]
    if unknown:
        raise DataError.build(
            f"counts= names {len(unknown)} codes that are not in codebook '{book.key}': {listing(unknown)}.",
            hint=f"it knows: {listing(book.code_names, 20)}. Without a codebook, counts= maps categories to lists.",
        )
    columns = {code: column for code, column in counts.items() if isinstance(column, str)}
    if len(columns) < len(counts):
        raise DataError.build(
            "With a codebook, counts= must map each code to one column.",
            hint="leave the codebook out to map categories to lists of columns.",
        )
    return columns


def _check_columns_once(columns_of: Mapping[str, Sequence[str]]) -> None:
    """Raise if no column is named, or one is named twice."""
    columns = [column for group in columns_of.values() for column in group]
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice or not columns:
        raise DataError.build(
            f"counts= names {f'columns more than once: {listing(twice)}' if twice else 'no columns'}.",
            hint="every count column belongs to one category.",
        )


def _read_counts(frame: pd.DataFrame, columns_of: Mapping[str, Sequence[str]], total: str | None) -> _Counted:
    """Return the counts of a table with one row per session."""
    columns = [column for group in columns_of.values() for column in group]
    require_columns(frame, [*columns, *([total] if total else [])])
    by_column = {column: _checked_counts(frame, column) for column in columns}
    counts = np.column_stack(
        [
            np.sum([by_column[column] for column in group], axis=0) if group else np.zeros(len(frame))
            for group in columns_of.values()
        ]
    )
    coded = counts.sum(axis=1)
    notes: tuple[str, ...] = ()
    statements = coded
    if total is not None:
        statements = _checked_counts(frame, total)
        _check_total(coded, statements, total)
        rest = int((statements - coded).sum())
        notes = (f"Shares are out of '{total}', which counts {rest} statements that belong to no category.",)
    return _Counted(categories=tuple(columns_of), counts=counts, total=statements, notes=notes)


def _checked_counts(frame: pd.DataFrame, column: str) -> np.ndarray:
    """Return a column of counts, shape (n_rows,), after checking that it holds counts."""
    values = numeric_values(frame, column)
    bad = ~np.isfinite(values) | (values < 0) | (values != np.round(values))
    if bad.any():
        raise DataError.build(
            f"Column '{column}' should hold counts; {int(bad.sum())} of {len(values)} cells are missing, negative or "
            f"fractional (the first in data row {int(np.flatnonzero(bad)[0]) + 1}).",
            hint="write 0 for 'none', and drop sessions that were not coded.",
        )
    return values


def _check_total(coded: np.ndarray, statements: np.ndarray, total: str) -> None:
    """Raise if more statements are coded than there are."""
    over = coded > statements
    if over.any():
        raise DataError.build(
            f"In {int(over.sum())} of {len(coded)} rows the counts add up to more than '{total}' "
            f"(the first in data row {int(np.flatnonzero(over)[0]) + 1}).",
            hint="check that every statement carries one code, and that the total counts therapist statements.",
        )


def _with_shares(base: pd.DataFrame, counted: _Counted) -> pd.DataFrame:
    """Return the rows of ``base`` with counts and shares added."""
    silent = counted.total == 0
    denominator = np.where(silent, np.nan, counted.total)
    added = {"n_statements": counted.total.astype(np.int64)}
    added |= {f"n_{name}": counted.counts[:, i].astype(np.int64) for i, name in enumerate(counted.categories)}
    shares = {f"share_{name}": counted.counts[:, i] / denominator for i, name in enumerate(counted.categories)}
    _check_room(base, {**added, **shares})
    notes = [*counted.notes, COMPOSITION_NOTE]
    if silent.any():
        notes.insert(0, f"{int(silent.sum())} of {len(base)} rows have no coded statements: their shares are missing.")
    out = base.assign(**added, **shares)
    out.attrs["notes"] = (*base.attrs.get("notes", ()), *notes)
    return out


def _check_room(base: pd.DataFrame, added: Mapping[str, np.ndarray]) -> None:
    """Raise if a column to be added exists with other values."""
    taken = [
        name
        for name, values in added.items()
        if name in base.columns and not np.array_equal(numeric_values(base, name), values, equal_nan=True)
    ]
    if taken:
        raise ColumnError.build(
            f"The frame has {listing(taken)} already, with other values.",
            hint="rename those columns (frame.rename(columns={...})), or drop them if they come from an earlier call.",
        )
