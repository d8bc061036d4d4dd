"""The cell that tells a notebook which data to read, and the notebook without any trace of this machine."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from alliance_stats.errors import StudyError

_TEMPORARY_CELL = re.compile(r"[^\s'\"]*ipykernel_\d+[/\\]\d+\.py")


def inject_parameters(notebook: dict[str, Any], values: Mapping[str, str | None]) -> dict[str, Any]:
    """Return a copy of the notebook with a cell that sets the values, after the cell tagged "parameters".

    Parameters
    ----------
    notebook : dict
        Notebook in format 4.
    values : mapping of str to str or None
        Variable to value.

    Raises
    ------
    StudyError
        If no code cell is tagged "parameters".
    """
    position = _parameters_position(notebook)
    if position is None:
        raise StudyError.build(
            "The notebook has no cell tagged 'parameters'.",
            hint="tag the cell that sets data = None and columns = None.",
        )
    cell: dict[str, Any] = {
        "cell_type": "code",
        "id": "injected-parameters",
        "metadata": {"tags": ["injected-parameters"]},
        "execution_count": None,
        "outputs": [],
        "source": parameter_source(values),
    }
    copy = deepcopy(notebook)
    copy["cells"].insert(position + 1, cell)
    return copy


def parameter_source(values: Mapping[str, str | None]) -> str:
    """Return the lines that set the values.

    Examples
    --------
    >>> print(parameter_source({"data": "ratings.csv", "columns": None}))
    data = 'ratings.csv'
    columns = None
    """
    return "\n".join(f"{name} = {value!r}" for name, value in values.items())


def notebook_seed(notebook: Mapping[str, Any]) -> str:
    """Return the seed that the parameters cell sets, or an empty text."""
    position = _parameters_position(notebook)
    source = "" if position is None else cell_source(notebook["cells"][position])
    found = re.search(r"^seed *= *(\d+)", source, flags=re.MULTILINE)
    return found[1] if found else ""


def cell_source(cell: Mapping[str, Any]) -> str:
    """Return a cell's source as one text."""
    source = cell["source"]
    return source if isinstance(source, str) else "".join(source)


def without_machine_paths(notebook: dict[str, Any], names: Mapping[Path, str]) -> dict[str, Any]:
    """Return a copy of an executed notebook in which no path tells where it ran.

    Parameters
    ----------
    notebook : dict
        Executed notebook.
    names : mapping of Path to str
        Path to what stands in its place, such as the file's name.
    """
    own = {
        Path(__file__).resolve().parents[2]: "",
        Path(sys.prefix): "",
        Path(sys.base_prefix): "",
        Path(tempfile.gettempdir()): "",
        Path.cwd(): "",
        Path.home(): "~",
    }
    found = {str(path): name for path, name in {**own, **names}.items() if len(path.parts) > 1}
    longest_first = sorted(found, key=len, reverse=True)
    copy: dict[str, Any] = _replaced(notebook, {path: found[path] for path in longest_first})
    return copy


def _replaced(value: Any, names: Mapping[str, str]) -> Any:
    """Return a value of JSON kind with the paths in its texts replaced."""
    if isinstance(value, str):
        return _replaced_text(value, names)
    if isinstance(value, Mapping):
        return {key: item if str(key).startswith("image/") else _replaced(item, names) for key, item in value.items()}
    return [_replaced(item, names) for item in value] if isinstance(value, list) else value


def _replaced_text(text: str, names: Mapping[str, str]) -> str:
    """Return a text with the paths replaced; an empty name takes the following separator along."""
    text = _TEMPORARY_CELL.sub("cell", text)
    for path, name in names.items():
        for spelling in {path, path.replace("\\", "\\\\")}:
            text = text.replace(spelling, name) if name else re.sub(re.escape(spelling) + r"[/\\]*", "", text)
    return text


def _parameters_position(notebook: Mapping[str, Any]) -> int | None:
    """Return the index of the cell tagged "parameters", None when there is none."""
    for position, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] == "code" and "parameters" in cell.get("metadata", {}).get("tags", ()):
            return position
    return None
