"""What every analysis returns: a frozen value that tidies, summarises, plots and prints itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from html import escape
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

COLUMNS: tuple[str, ...] = (
    "model",
    "outcome",
    "predictor",
    "term",
    "term2",
    "group",
    "level",
    "score",
    "item",
    "category",
    "kind",
    "estimate",
    "std_error",
    "df",
    "statistic",
    "p_value",
    "conf_low",
    "conf_high",
    "conf_level",
    "n",
)
"""The vocabulary of tidy tables, in printing order. A tidy table uses these names first, then its own."""

SHOWN_CELLS, SHORT_CELL = 8, 40
"""Cells of ``glance()`` that a printed result shows, and letters of the longest one."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Result(ABC):
    """A finished analysis.

    Two results are the same only if they are one object: results with equal notes may hold different numbers.

    Parameters
    ----------
    notes : tuple of str
        One sentence each: estimand, level, centring, lag, estimator, df method, rows dropped and why, N per level.
    """

    notes: tuple[str, ...] = field(default=(), repr=False)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        # A dataclass writes the representation of its fields over an inherited one, not over its own.
        if "__repr__" not in cls.__dict__:
            cls.__repr__ = cls.__repr__  # type: ignore[method-assign]

    def __repr__(self) -> str:
        row = plain_records(self.glance())[0]
        cells = {name: format_cell(value) for name, value in row.items() if value is not None}
        short = [f"{name}={cell}" for name, cell in cells.items() if cell and len(cell) <= SHORT_CELL]
        rest = ", ..." if len(short) > SHOWN_CELLS else ""
        return f"{type(self).__name__}({', '.join(short[:SHOWN_CELLS])}{rest})"

    @abstractmethod
    def tidy(self) -> pd.DataFrame:
        """Return one row per estimate, with the column names of `COLUMNS`."""

    @abstractmethod
    def glance(self) -> pd.DataFrame:
        """Return one row that describes the whole analysis."""

    def plot(self, ax: Axes | None = None, **style: Any) -> Axes:
        """Draw the result.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure if left out.
        **style
            Passed on to matplotlib.

        Returns
        -------
        matplotlib Axes
        """
        plots: Any = import_module("alliance_stats.plots")
        axes: Axes = plots.plot(self, ax=ax, **style)
        return axes

    def to_markdown(self) -> str:
        """Return the tidy table and the notes as Markdown."""
        return "\n".join([markdown_table(self.tidy()), "", *(f"- {note}" for note in self.notes)])

    def to_dict(self) -> dict[str, Any]:
        """Return tidy table, glance and notes as plain Python values, ready for JSON."""
        return {
            "tidy": plain_records(self.tidy()),
            "glance": plain_records(self.glance())[0],
            "notes": list(self.notes),
        }

    def _repr_html_(self) -> str:
        notes = "".join(f"<li>{escape(note)}</li>" for note in self.notes)
        return f"{html_table(self.tidy())}<ul>{notes}</ul>"


def plain_records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows as dictionaries of Python scalars, missing values as None."""
    columns = [str(column) for column in frame.columns]
    known = ~frame.isna().to_numpy()
    rows = frame.astype(object).to_numpy()
    return [
        {column: _plain(value) if present else None for column, value, present in zip(columns, row, mask, strict=True)}
        for row, mask in zip(rows, known, strict=True)
    ]


def _plain(value: Any) -> Any:
    """Return a Python scalar for a NumPy scalar."""
    return value.item() if hasattr(value, "item") else value


def format_cell(value: Any) -> str:
    """Return a table cell: four significant digits for floats, plain text else, nothing for missing."""
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


def _cells(frame: pd.DataFrame) -> list[list[str]]:
    """Return the rows of a frame as texts."""
    return [[format_cell(record[str(column)]) for column in frame.columns] for record in plain_records(frame)]


def markdown_table(frame: pd.DataFrame) -> str:
    """Return a frame as a Markdown pipe table."""
    header = [str(column) for column in frame.columns]
    lines = [header, ["---"] * len(header), *_cells(frame)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def html_table(frame: pd.DataFrame) -> str:
    """Return a frame as an HTML table, every cell escaped."""
    head = "".join(f"<th>{escape(str(column))}</th>" for column in frame.columns)
    rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in _cells(frame))
    return f'<table class="alliance-stats"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
