"""Running engines in processes of their own, with one thread and a limit on the time of each call."""

from __future__ import annotations

import json
import os
import queue
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import venv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent

ONE_THREAD = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "BLIS_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
        "RAYON_NUM_THREADS",
        "POLARS_MAX_THREADS",
    ),
    "1",
)
"""One thread for linear algebra and for the engines written in Rust."""

R_BLAS = "BENCHMARK_R_BLAS"
"""Environment variable with the path of the linear algebra library that R is to use."""

OTHER_PACKAGES: Mapping[str, str] = {
    "glmm": "glmm",
    "mixedlm": "mixedlm",
    "mixedlm_rs": "mixedlm-rs",
    "lme_python": "lme-python",
    "kamino": "kamino-lme",
    "interlace": "interlace-lme",
}
"""Engines on PyPI that are compared but are no dependencies; by name of the engine."""

OWN = ("alliance_stats", "floor", "statsmodels")
ENGINES = ("alliance_stats", "floor", "lme4", "statsmodels", *OTHER_PACKAGES)

LOAD_LIMIT = 180.0
"""Seconds that an engine may take to start and to read the data."""


@dataclass(frozen=True)
class Measurement:
    """What one engine did with one problem; seconds and bytes."""

    problem: str
    size: int
    n_rows: int
    model: str
    engine: str
    version: str
    status: str
    import_s: float | None
    cold_s: float | None
    warm_min_s: float | None
    warm_median_s: float | None
    n_warm: int
    refit_s: float | None
    peak_bytes: float | None
    model_bytes: int
    criterion: float | None

    @property
    def seconds(self) -> float | None:
        """Return the fastest warm call, or the cold call where there was no other."""
        return self.cold_s if self.warm_min_s is None else self.warm_min_s


def default_venv() -> Path:
    """Return the folder of the environment that holds the other engines."""
    return Path(tempfile.gettempdir()) / "alliance-stats-benchmark-engines"


def install_others(folder: Path, engines: Sequence[str]) -> None:
    """Install the other engines into an environment of their own, one by one, so that one that fails stops none."""
    if not (folder / "bin" / "python").exists():
        venv.create(folder, with_pip=True)
    for name in engines:
        if name in OTHER_PACKAGES:
            command = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", OTHER_PACKAGES[name]]
            if subprocess.run(command, check=False, capture_output=True).returncode:
                print(f"{name}: not installable here, left out")


def command_of(engine: str, others: Path, folder: Path) -> list[str] | None:
    """Return the command that runs an engine, or None where it is not installed."""
    if engine == "lme4":
        program = shutil.which("Rscript")
        return None if program is None else [program, "--vanilla", str(HERE / "lmer.R"), str(folder)]
    python = Path(sys.executable) if engine in OWN else others / "bin" / "python"
    return [str(python), str(HERE / "worker.py"), engine, str(folder)] if python.exists() else None


def environment(*, r: bool = False) -> dict[str, str]:
    """Return the environment of a process: one thread and, for R, the linear algebra library that was chosen."""
    chosen = os.environ.get(R_BLAS)
    return {**os.environ, **ONE_THREAD, **({"LD_PRELOAD": chosen} if r and chosen else {})}


def run(engine: str, described: Mapping[str, object], folder: Path, others: Path, timeout: float) -> Measurement:
    """Return what an engine did with the problem in a folder."""
    command = command_of(engine, others, folder)
    if command is None:
        return _measurement(engine, described, [], "not installed")
    events = []
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(r=engine == "lme4")
    )
    status = "failed"
    for event in _events(process, timeout):
        events.append(event)
        if event["event"] in ("done", "cannot", "failed", "timeout"):
            status = {"done": "ok", "cannot": "cannot express the model"}.get(str(event["event"]), str(event["event"]))
            if event["event"] == "failed":
                status = f"failed: {event['reason']}"
    if process.poll() is None:
        process.kill()
    errors = process.communicate()[1]
    if status == "failed" and errors:
        status = f"failed: {errors.strip().splitlines()[-1][:160]}"
    return _measurement(engine, described, events, status)


def _events(process: subprocess.Popen[str], timeout: float) -> Iterator[dict[str, object]]:
    """Yield the process's events; a call beyond the timeout ends the process and the list."""
    lines: queue.Queue[str | None] = queue.Queue()
    errors = threading.Thread(target=_pump, args=(process.stdout, lines), daemon=True)
    errors.start()
    limit = LOAD_LIMIT
    while True:
        try:
            line = lines.get(timeout=limit)
        except queue.Empty:
            process.kill()
            yield {"event": "timeout"}
            return
        if line is None:
            return
        if line.startswith("{"):
            yield json.loads(line)
            limit = timeout


def _pump(stream: object, lines: queue.Queue[str | None]) -> None:
    """Put the lines of a stream into a queue, None at its end."""
    for line in stream or ():  # type: ignore[attr-defined]
        lines.put(line)
    lines.put(None)


def _measurement(
    engine: str, described: Mapping[str, object], events: Sequence[Mapping[str, object]], status: str
) -> Measurement:
    """Return the events of one process as one record."""
    first = {str(event["event"]): event for event in reversed(events)}
    warm = [float(str(event["seconds"])) for event in events if event["event"] == "warm"]
    ready, cold, refit = first.get("ready", {}), first.get("cold", {}), first.get("refit", {})
    return Measurement(
        problem=str(described["name"]),
        size=int(str(described["size"])),
        n_rows=int(str(described["n_rows"])),
        model=str(described["formula"]),
        engine=engine,
        version=str(ready.get("version", "")),
        status=status,
        import_s=_number(ready.get("import_s")),
        cold_s=_number(cold.get("seconds")),
        warm_min_s=min(warm) if warm else None,
        warm_median_s=statistics.median(warm) if warm else None,
        n_warm=len(warm),
        refit_s=_number(refit.get("seconds")),
        peak_bytes=_number(cold.get("peak_bytes")),
        model_bytes=int(str(described["model_bytes"])),
        criterion=_number(cold.get("criterion")),
    )


def _number(value: object) -> float | None:
    """Return a finite number or None."""
    number = float("nan") if value is None else float(str(value))
    return number if number == number else None
