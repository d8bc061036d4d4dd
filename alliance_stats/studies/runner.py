"""Run a bundled study from data to report."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alliance_stats.report.page import Page, render_page
from alliance_stats.studies.inputs import Inputs, check_inputs
from alliance_stats.studies.kernel import execute_notebook
from alliance_stats.studies.outputs import CHECKS, MANIFEST, check_folder, place, table_files
from alliance_stats.studies.parameters import (
    inject_parameters,
    notebook_seed,
    parameter_source,
    without_machine_paths,
)
from alliance_stats.studies.provenance import provenance


@dataclass(frozen=True, kw_only=True)
class StudyRun:
    """Where a run's results lie.

    Parameters
    ----------
    study : str
        Name of the notebook that was run.
    report : Path
        The HTML report.
    notebook : Path
        The executed notebook.
    tables : tuple of Path
        One CSV file per table, at full precision.
    seconds : float
        How long the run took.
    notes : tuple of str
        Which data were used, what they cannot show, and whether a variant of the study was run.
    """

    study: str
    report: Path
    notebook: Path
    tables: tuple[Path, ...]
    seconds: float
    notes: tuple[str, ...] = field(default=())


def run_study(
    name: str,
    *,
    data: str | Path | None = None,
    columns: str | Path | None = None,
    out: str | Path | None = None,
    progress: bool = True,
) -> StudyRun:
    """Run a bundled study and write its report.

    The study's notebook runs in a fresh Python process, on its bundled sample or on your data. Report, executed
    notebook and tables are put into the folder together at the end: a failure or an interrupt leaves nothing behind.

    Parameters
    ----------
    name : str
        A name from `list_studies`.
    data : str or Path, optional
        Your data: a file, or a folder when the column map names several files. The bundled sample if left out.
    columns : str or Path, optional
        Column map: a TOML file that says which column is which, or the name of one that comes with the library. Left
        out, data must have the layout of the study's sample. A map with ``level = "conversation"`` runs the study's
        variant for such data.
    out : str or Path, optional
        Folder for the report, ``reports/<name>`` if left out. Files of an earlier run are replaced; other files in it
        are never touched.
    progress : bool
        Show a bar on the standard error output, one step per code cell.

    Returns
    -------
    StudyRun

    Raises
    ------
    StudyError
        If the study is unknown, its map is for another study, a cell fails, or the packages of
        ``alliance-stats[notebooks]`` are missing.
    FileError
        If a file cannot be read, or the folder cannot be written.
    ColumnError
        If the data lack a column that the map names.

    See Also
    --------
    list_studies : The studies there are.

    Notes
    -----
    Data and column map are checked before the process is started; what `check_sessions` finds is kept beside the report in
    ``session_check.json``. The process uses one thread and fixed hashing. No
    path of this machine is kept in the report; the data file appears by name and SHA-256.
    """
    started = time.monotonic()
    inputs = check_inputs(name, data=data, columns=columns)
    study = inputs.study
    folder = (Path("reports") / study.name if out is None else Path(out)).expanduser().resolve()
    check_folder(folder, ["report.html", f"{study.name}.ipynb", CHECKS, MANIFEST])
    notebook = json.loads(study.path.read_text(encoding="utf-8"))
    executed = _execute(notebook, inputs, progress=progress)
    facts = provenance(inputs.files, study=study.name, seed=notebook_seed(notebook))
    contents = _contents(executed, inputs, facts)
    place(contents, folder)
    return StudyRun(
        study=study.name,
        report=folder / "report.html",
        notebook=folder / f"{study.name}.ipynb",
        tables=tuple(folder / path for path in contents if path.startswith("tables/")),
        seconds=time.monotonic() - started,
        notes=inputs.notes,
    )


def _execute(notebook: dict[str, Any], inputs: Inputs, *, progress: bool) -> dict[str, Any]:
    """Return the executed notebook without paths of this machine, under the kernel name it came with."""
    given = {"data": inputs.data, "columns": inputs.columns}
    values = {name: None if value is None else str(value) for name, value in given.items()}
    executed = execute_notebook(inject_parameters(notebook, values), progress=progress)
    shown = parameter_source({name: None if value is None else Path(value).name for name, value in given.items()})
    for cell in executed["cells"]:
        if "injected-parameters" in cell["metadata"].get("tags", ()):
            cell["source"] = shown
    executed["metadata"]["kernelspec"] = notebook["metadata"].get(
        "kernelspec", {"display_name": "Python 3", "language": "python", "name": "python3"}
    )
    paths = [value for value in (*given.values(), *inputs.files) if isinstance(value, Path)]
    folders = {path.parent: "" for path in paths if len(path.parts) > 2}
    return without_machine_paths(executed, folders | {path: path.name for path in paths})


def _contents(executed: dict[str, Any], inputs: Inputs, facts: Mapping[str, str]) -> dict[str, str]:
    """Return every file of the report: path inside the folder to text."""
    study = inputs.study
    page = Page(
        title=study.title, question=study.question, simulated=inputs.simulated, notes=inputs.notes, provenance=facts
    )
    contents = {
        "report.html": render_page(executed, page),
        f"{study.name}.ipynb": json.dumps(executed, indent=1, ensure_ascii=False) + "\n",
        **{f"tables/{name}": text for name, text in table_files(executed).items()},
    }
    if inputs.checks is not None:
        contents[CHECKS] = json.dumps(inputs.checks, indent=2, ensure_ascii=False) + "\n"
    manifest = {**facts, "notes": list(inputs.notes), "files": sorted([*contents, MANIFEST])}
    return {**contents, MANIFEST: json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"}
