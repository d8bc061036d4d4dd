"""Tables for papers: full precision inside, rounded only where they are printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import pandas as pd

from alliance_stats.errors import DataError, FileError
from alliance_stats.report.grid import GridColumn, Style, build_grid
from alliance_stats.report.render import csv_text, html_grid, latex_grid, markdown_grid
from alliance_stats.result import COLUMNS, Result


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Table:
    """A table that prints itself.

    Parameters
    ----------
    frame : DataFrame
        One row per estimate, at full precision, columns named as in `alliance_stats.result.COLUMNS`.
    name : str or None
        Names the CSV file when a study is run.
    title : str
        Printed above the table.
    notes : tuple of str
        Printed below the table.
    style : {"apa", "plain"}
        How it is printed.
    digits : int
        Decimals of estimates, standard errors, intervals and statistics.
    labels : mapping of str to str
        Column name to heading, where the usual heading does not fit.
    """

    frame: pd.DataFrame
    name: str | None = None
    title: str = ""
    notes: tuple[str, ...] = ()
    style: Style = "apa"
    digits: int = 2
    labels: Mapping[str, str] = field(default_factory=dict)

    def to_markdown(self) -> str:
        """Return a Markdown pipe table with title and notes."""
        return markdown_grid(self._grid(), title=self.title, notes=self.notes)

    def to_html(self) -> str:
        """Return an HTML table with title and notes; every text is escaped."""
        return html_grid(self._grid(), title=self.title, notes=self.notes)

    def to_latex(self) -> str:
        r"""Return a LaTeX table with title and notes; the document needs ``\usepackage{booktabs}``."""
        return latex_grid(self._grid(), title=self.title, notes=self.notes)

    def to_csv(self, path: str | Path) -> Path:
        """Write the table at full precision.

        Texts that a spreadsheet would run as a formula get an apostrophe in front.

        Parameters
        ----------
        path : str or Path
            File to write; an existing file is replaced.

        Returns
        -------
        Path

        Raises
        ------
        FileError
            If the file cannot be written.
        """
        target = Path(path)
        try:
            target.write_text(csv_text(self.frame), encoding="utf-8", newline="")
        except OSError as error:
            raise FileError.build(
                f"Cannot write '{target.name}': {error.strerror}.",
                hint="give a folder that exists and may be written to.",
            ) from error
        return target

    def __repr__(self) -> str:
        return self.to_markdown()

    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        bundle = {
            "text/plain": self.to_markdown(),
            "text/markdown": self.to_markdown(),
            "text/html": self.to_html(),
            "text/csv": csv_text(self.frame),
        }
        return bundle, ({"text/csv": {"name": self.name}} if self.name else {})

    def _grid(self) -> tuple[GridColumn, ...]:
        """Return the printed columns."""
        return build_grid(self.frame, style=self.style, digits=self.digits, labels=self.labels)


def table(
    *results: Result | pd.DataFrame,
    name: str | None = None,
    title: str = "",
    models: Sequence[str] | None = None,
    labels: Mapping[str, str] | None = None,
    style: Style = "apa",
    digits: int = 2,
) -> Table:
    """Set one or more results as a table for a paper.

    Several results are stacked, with a column ``model`` that says which rows belong to which. Use it with any result of
    this package or with a frame of your own.

    Parameters
    ----------
    *results : Result or DataFrame
        A result gives its ``tidy()`` table, one row per estimate, and its notes; a frame is taken as it is, and its
        index becomes columns when it is more than a row number.
    name : str, optional
        Short name; `run_study` writes the table to ``tables/<name>.csv``.
    title : str, optional
        Printed above the table.
    models : sequence of str, optional
        One name per result; "Model 1", "Model 2", ... when there are several results and none is given.
    labels : mapping of str to str, optional
        Column name to heading where the usual heading does not fit, for example ``{"estimate": "r"}``.
    style : {"apa", "plain"}
        "apa": headings such as *b*, *SE*, 95% CI and *p*, the interval in one column, p-values without a leading zero
        and "< .001" below that. "plain": all columns under their own names.
    digits : int
        Decimals of estimates, standard errors, intervals and statistics.

    Returns
    -------
    Table
        Frozen; ``frame`` keeps full precision.

    Raises
    ------
    DataError
        If there is no result, ``models`` has another length, the style is unknown, or the digits are negative.

    See Also
    --------
    sentence : The same numbers in running text.

    Notes
    -----
    The estimate is called *b* when the table has terms or predictors with standard errors and no column ``kind``. The
    statistic is *t* when all degrees of freedom are finite and *z* when none is. A table without the column
    ``conf_level`` is taken to hold 95% intervals, the default of every function of the package.

    Examples
    --------
    >>> import pandas as pd
    >>> slopes = pd.DataFrame({"term": ["alliance"], "estimate": [-0.3149], "std_error": [0.105], "p_value": [0.0027]})
    >>> print(table(slopes).to_markdown())
    | Term | *b* | *SE* | *p* |
    | :--- | ---: | ---: | ---: |
    | alliance | -0.31 | 0.10 | .003 |
    """
    _check(results, models, style, digits)
    names = _model_names(results, models)
    frames = [_frame(result, model) for result, model in zip(results, names, strict=True)]
    frame = frames[0] if len(frames) == 1 else _stack(frames)
    notes = _notes(results, names)
    return Table(
        frame=_in_order(frame),
        name=name,
        title=title,
        notes=notes,
        style=style,
        digits=digits,
        labels=dict(labels or {}),
    )


def _check(results: Sequence[Result | pd.DataFrame], models: Sequence[str] | None, style: str, digits: int) -> None:
    """Raise a DataError for arguments that cannot make a table."""
    if not results:
        raise DataError.build("There is no result to set.", hint="pass one or more results, as in table(fit).")
    if models is not None and len(models) != len(results):
        raise DataError.build(
            f"models names {len(models)} models, but there are {len(results)} results.",
            hint="give one name per result.",
        )
    if style not in get_args(Style):
        raise DataError.build(f"No table style '{style}'.", hint=f"use {' or '.join(map(repr, get_args(Style)))}.")
    if digits < 0:
        raise DataError.build(f"digits is {digits}.", hint="give the number of decimals, 0 or more.")


def _model_names(results: Sequence[Result | pd.DataFrame], models: Sequence[str] | None) -> list[str]:
    """Return one name per result; empty when a single result needs none."""
    if models is not None:
        return list(models)
    return [""] if len(results) == 1 else [f"Model {number}" for number in range(1, len(results) + 1)]


def _frame(result: Result | pd.DataFrame, model: str) -> pd.DataFrame:
    """Return a copy of the tidy table with text column names, an index as columns, and the model's name."""
    frame = result.tidy() if isinstance(result, Result) else result
    row_numbers = frame.index.names == [None] and pd.api.types.is_integer_dtype(frame.index.dtype)
    frame = frame.reset_index(drop=row_numbers)
    frame = frame.set_axis([_column_name(column) for column in frame.columns], axis=1)
    if not model:
        return frame
    several = "model" in frame and frame["model"].nunique() > 1
    return frame.assign(model=f"{model}: " + frame["model"].astype(str) if several else model)


def _column_name(column: object) -> str:
    """Return a column's name as text; the parts of a column of several levels are joined by spaces."""
    return " ".join(str(part) for part in column if str(part)) if isinstance(column, tuple) else str(column)


def _stack(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the frames below each other; a column that a frame lacks is missing there."""
    if any("conf_level" in frame for frame in frames):
        frames = [frame if "conf_level" in frame else frame.assign(conf_level=0.95) for frame in frames]
    columns = list(dict.fromkeys(column for frame in frames for column in frame.columns))
    filled = [frame.reindex(columns=columns).astype(object) for frame in frames]
    return pd.concat(filled, ignore_index=True).infer_objects()


def _in_order(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with the columns of the vocabulary first, in their order."""
    known = [column for column in COLUMNS if column in frame.columns]
    return frame[[*known, *(column for column in frame.columns if column not in COLUMNS)]]


def _notes(results: Sequence[Result | pd.DataFrame], names: Sequence[str]) -> tuple[str, ...]:
    """Return each note once; a note that not all results share says whose it is."""
    kept = [result.notes if isinstance(result, Result) else () for result in results]
    shared = [note for note in dict.fromkeys(kept[0]) if all(note in notes for notes in kept)]
    own = [
        f"{model}: {note}"
        for model, notes in zip(names, kept, strict=True)
        for note in dict.fromkeys(notes)
        if note not in shared
    ]
    return (*shared, *own)
