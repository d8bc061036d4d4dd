"""What the numbers were measured on."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

from benchmarks.measure import environment


def description() -> list[tuple[str, str]]:
    """Return labelled facts about the machine and its software."""
    import numpy as np
    import pandas as pd
    import scipy

    return [
        ("processor", _processor()),
        ("cores", str(os.cpu_count())),
        ("memory", _memory()),
        ("system", f"{platform.system()} {platform.machine()}"),
        ("Python", platform.python_version()),
        ("NumPy, SciPy, pandas", f"{np.__version__}, {scipy.__version__}, {pd.__version__}"),
        ("R", _r("cat(paste(R.version$major, R.version$minor, sep = '.'))")),
        ("linear algebra of R", _r("cat(paste(tail(strsplit(sessionInfo()$BLAS, '/')[[1]], 2), collapse = '/'))")),
    ]


def load() -> float:
    """Return the average number of running processes over the last minute."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")


def _processor() -> str:
    """Return the processor's name."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def _memory() -> str:
    """Return the size of the memory."""
    try:
        return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
    except (ValueError, OSError):
        return "unknown"


def _r(expression: str) -> str:
    """Return what an expression of R prints."""
    try:
        command = ["Rscript", "--vanilla", "-e", expression]
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment(r=True))
    except OSError:
        return "not installed"
    return done.stdout.strip()
