"""REDCap's data dictionary: what each field is, how its answers are coded, and when it is asked.

The columns are those of the dictionary that REDCap downloads as csv (REDCap Help & FAQ, "Data Dictionary").
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from alliance_stats.errors import DataError, FileError, listing
from alliance_stats.loaders.labels import Code, ColumnLabels, Measure
from alliance_stats.loaders.readers import read_table

_COLUMNS = {
    "name": "Variable / Field Name",
    "form": "Form Name",
    "kind": "Field Type",
    "label": "Field Label",
    "choices": "Choices, Calculations, OR Slider Labels",
    "identifier": "Identifier?",
    "branching": "Branching Logic (Show field only if...)",
}
_LISTS = ("radio", "dropdown", "checkbox")
_YES_NO = ((1.0, "Yes"), (0.0, "No"))
_TRUE_FALSE = ((1.0, "True"), (0.0, "False"))
COMPLETE = ((0.0, "Incomplete"), (1.0, "Unverified"), (2.0, "Complete"))
"""Codes of the column <form>_complete."""


@dataclass(frozen=True)
class Field:
    """One field of a REDCap project.

    Parameters
    ----------
    name, form, kind, label : str
        As in the dictionary, the label without markup.
    choices : tuple of (code, str)
        Code and label of each answer.
    identifier : bool
        Whether the project marks it as identifying persons.
    branching : str
        When the field is asked; empty for always.
    """

    name: str
    form: str
    kind: str
    label: str
    choices: tuple[tuple[Code, str], ...]
    identifier: bool
    branching: str

    def columns(self) -> dict[str, ColumnLabels]:
        """Return the columns of the export that hold the field, with their labels."""
        if self.kind != "checkbox":
            measure: Measure = "scale" if self.kind == "slider" else ""
            return {self.name: ColumnLabels(self.label, self.choices, measure)}
        ticked = ((1.0, "Checked"), (0.0, "Unchecked"))
        return {
            checkbox_column(self.name, code): ColumnLabels(f"{self.label}: {text}", ticked)
            for code, text in self.choices
        }


def checkbox_column(name: str, code: Code) -> str:
    """Return the column of one choice of a checkbox field: mood___1, and mood____1 for the code -1."""
    text = f"{code:g}" if isinstance(code, float) else str(code)
    return f"{name}___{re.sub(r'[^a-z0-9]', '_', text.lower())}"


def read_dictionary(path: str | Path) -> Mapping[str, Field]:
    """Read a data dictionary.

    Parameters
    ----------
    path : str or Path
        The csv file that REDCap downloads as data dictionary.

    Returns
    -------
    mapping of str to Field

    Raises
    ------
    FileError
        If the file is no data dictionary.
    """
    table = read_table(path).astype("str")
    absent = [text for text in _COLUMNS.values() if text not in table.columns]
    if absent:
        raise FileError.build(
            f"{Path(path).name} is no REDCap data dictionary: it has no column {listing([f'{name!r}' for name in absent])}.",
            hint="download it in REDCap under Project Setup, Data Dictionary; keep its header in English.",
        )
    rows = table[list(_COLUMNS.values())].fillna("").set_axis(list(_COLUMNS), axis=1)
    fields = [
        Field(
            name=str(row["name"]).strip(),
            form=str(row["form"]).strip(),
            kind=str(row["kind"]).strip(),
            label=_plain(str(row["label"])),
            choices=_choices(str(row["kind"]).strip(), str(row["choices"])),
            identifier=str(row["identifier"]).strip().lower() == "y",
            branching=str(row["branching"]).strip(),
        )
        for row in rows.to_dict("records")
    ]
    return {field.name: field for field in fields}


def _plain(text: str) -> str:
    """Return text without HTML tags and line ends."""
    return " ".join(re.sub(r"<[^>]*>", " ", text).split())


def _choices(kind: str, text: str) -> tuple[tuple[Code, str], ...]:
    """Return the codes and labels of "1, Never | 2, Rarely"."""
    if kind == "yesno":
        return _YES_NO
    if kind == "truefalse":
        return _TRUE_FALSE
    if kind not in _LISTS:
        return ()
    pairs = [part.split(",", 1) for part in text.split("|") if "," in part]
    return tuple((_code(code.strip()), _plain(label)) for code, label in pairs)


def _code(text: str) -> Code:
    """Return a code as a number where it is one without leading zeros."""
    return float(text) if re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?", text) else text


def labels_of_fields(fields: Mapping[str, Field], frame: pd.DataFrame) -> dict[str, ColumnLabels]:
    """Return the labels of the columns of an export."""
    known = {column: own for field in fields.values() for column, own in field.columns().items()}
    forms = {field.form for field in fields.values()}
    known |= {f"{form}_complete": ColumnLabels("", COMPLETE) for form in forms}
    return {name: own for name, own in known.items() if name in frame.columns}


def require_codes(fields: Mapping[str, Field], table: pd.DataFrame) -> None:
    """Raise a DataError if fields hold the labels of their choices instead of the codes.

    Parameters
    ----------
    fields : mapping of str to Field
    table : DataFrame
        The export, every cell a text.
    """
    labelled: dict[str, int] = {}
    for name in table.columns:
        field = fields.get(str(name))
        if field is None or not field.choices:
            continue
        codes = {f"{code:g}" if isinstance(code, float) else str(code) for code, _ in field.choices}
        labels = {label.casefold() for _, label in field.choices} - codes
        found = table[name].dropna().str.strip()
        count = int((found.str.casefold().isin(labels) & ~found.isin(codes)).sum())
        if count:
            labelled[str(name)] = count
    if labelled:
        columns = listing([f"'{name}' ({count} rows)" for name, count in labelled.items()])
        raise DataError.build(
            f"Labels of answers stand where their codes should: {columns}.",
            hint="export 'raw data' from REDCap, not 'labels'; the dictionary gives the codes their labels.",
        )
