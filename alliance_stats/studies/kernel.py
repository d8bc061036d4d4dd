"""Run a notebook in a fresh kernel of this Python, and turn its failures into clear errors."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from alliance_stats.errors import AllianceStatsError, StudyError
from alliance_stats.report.clean import notebooks_extra_missing

_KERNEL = "alliance_stats"
_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


def execute_notebook(notebook: dict[str, Any], *, progress: bool) -> dict[str, Any]:
    """Return the notebook with the outputs of a run in a fresh kernel.

    The kernel runs in a thread of its own, so that this works inside a notebook too and an interrupt stops it cleanly.

    Parameters
    ----------
    notebook : dict
        Notebook in format 4; not changed.
    progress : bool
        Show a bar on the standard error output, one step per code cell.

    Raises
    ------
    StudyError
        If a cell fails, the kernel dies, or the packages of ``alliance-stats[notebooks]`` are missing.
    KeyboardInterrupt
        If the user interrupts; the kernel is stopped first.
    """
    with tempfile.TemporaryDirectory(prefix="alliance-stats-", ignore_cleanup_errors=True) as scratch:
        run = _Run(notebook, Path(scratch), progress)
        return run.wait()


class _Run:
    """One execution in a thread, which can be cancelled from outside."""

    def __init__(self, notebook: dict[str, Any], scratch: Path, progress: bool) -> None:
        self._client = _client(notebook, scratch)
        self._scratch = scratch
        self._progress = progress
        self._outcome: Future[None] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._cell = 0
        self._cancelled = False

    def wait(self) -> dict[str, Any]:
        """Run to the end and return the executed notebook."""
        thread = threading.Thread(target=self._work, name="alliance-stats-study")
        thread.start()
        try:
            self._outcome.result()
        except BaseException:
            self._cancel()
            raise
        finally:
            thread.join()
        executed: dict[str, Any] = json.loads(json.dumps(self._client.nb))
        return executed

    def _cancel(self) -> None:
        """Ask the thread to stop its kernel."""
        self._cancelled = True
        if self._loop is not None and self._task is not None:
            with suppress(RuntimeError):  # the loop may have closed by itself meanwhile
                self._loop.call_soon_threadsafe(self._task.cancel)

    def _work(self) -> None:
        """Run the event loop; the body of the thread."""
        try:
            asyncio.run(self._execute())
            self._outcome.set_result(None)
        except asyncio.CancelledError:
            self._outcome.set_exception(KeyboardInterrupt())
        except BaseException as error:
            self._outcome.set_exception(self._clear(error))

    async def _execute(self) -> None:
        """Execute the cells one by one."""
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        if self._cancelled:
            raise asyncio.CancelledError
        manager = self._client.km
        start = {"cwd": str(self._scratch), "env": _environment(self._scratch)}
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        try:
            async with self._client.async_setup_kernel(**start, **silent):
                await self._execute_cells()
        finally:
            if manager.has_kernel:  # cancelled while it started
                await manager.shutdown_kernel(now=True)

    async def _execute_cells(self) -> None:
        """Execute all code cells in order."""
        with self._bar() as bar:
            for index, cell in enumerate(self._client.nb.cells):
                if cell.cell_type == "code":
                    own = "injected-parameters" not in cell.metadata.get("tags", ())
                    self._cell += own
                    await self._client.async_execute_cell(cell, index)
                    bar.update(own)

    @contextmanager
    def _bar(self) -> Iterator[Any]:
        """Give a progress bar over the code cells."""
        from tqdm import tqdm

        cells = [cell for cell in self._client.nb.cells if cell.cell_type == "code"]
        total = sum("injected-parameters" not in cell.metadata.get("tags", ()) for cell in cells)
        with tqdm(total=total, desc="Running", unit="cell", disable=not self._progress, file=sys.stderr) as bar:
            yield bar

    def _clear(self, error: BaseException) -> BaseException:
        """Return the error to show: a cell's own message, else where it failed, without content of the data."""
        from nbclient.exceptions import CellExecutionError, DeadKernelError

        where = f"code cell {self._cell} of the notebook"
        if isinstance(error, CellExecutionError):
            if error.ename in _own_errors():
                return StudyError(error.evalue)
            return StudyError.build(
                f"The study stopped in {where} with a {error.ename}.",
                hint="open the notebook and run it cell by cell on your data to see what happens there.",
            )
        if isinstance(error, DeadKernelError):
            return StudyError.build(
                f"The Python process of the study ended in {where}.",
                hint="it may have run out of memory; try on fewer rows, or close other programs.",
            )
        return StudyError.build(
            f"The study could not be run: {type(error).__name__} in {where}.",
            hint='check the installation with: pip install "alliance-stats[notebooks]"',
        )


def _client(notebook: dict[str, Any], scratch: Path) -> Any:
    """Return an nbclient whose kernel is this very Python, whatever kernels are installed."""
    try:
        import ipykernel  # noqa: F401
        from jupyter_client.kernelspec import KernelSpecManager
        from nbclient import NotebookClient
        from nbformat import reads
    except ModuleNotFoundError as error:
        raise notebooks_extra_missing() from error
    folder = scratch / "kernels" / _KERNEL
    folder.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "Python", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    specs = KernelSpecManager()
    specs.kernel_dirs = [str(folder.parent)]
    settings = {"timeout": None, "record_timing": False, "startup_timeout": 120, "shutdown_kernel": "immediate"}
    # Sources saved as lists of lines, as Jupyter writes them, become one text.
    joined = reads(json.dumps(notebook), as_version=4)
    client = NotebookClient(joined, kernel_name=_KERNEL, **settings)
    manager = client.create_kernel_manager()
    manager.kernel_spec_manager = specs
    manager.connection_file = str(scratch / "connection.json")
    return client


def _environment(scratch: Path) -> dict[str, str]:
    """Return the kernel's environment: one thread, fixed hashing, no start-up files of the user."""
    keep = {name: value for name, value in os.environ.items() if name != "PYTHONSTARTUP"}
    return {
        **keep,
        **dict.fromkeys(_THREADS, "1"),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join(filter(None, [_own_folder(), os.environ.get("PYTHONPATH", "")])),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "IPYTHONDIR": str(scratch / "ipython"),
    }


def _own_folder() -> str:
    """Return the folder that holds this package when it is a checkout, so that the kernel imports the same one."""
    folder = Path(__file__).resolve().parents[2]
    return "" if folder.name in {"site-packages", "dist-packages"} else str(folder)


def _own_errors() -> set[str]:
    """Return the names of the errors whose messages are written for the user."""
    names, waiting = set(), [AllianceStatsError]
    while waiting:
        error = waiting.pop()
        names.add(error.__name__)
        waiting.extend(error.__subclasses__())
    return names
