"""How long importing the package takes beyond the bare interpreter, and what it loads."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

from benchmarks.measure import ONE_THREAD

STATEMENTS = {
    "bare interpreter": "pass",
    "import numpy": "import numpy",
    "import pandas": "import pandas",
    "import alliance_stats": "import alliance_stats",
    "from alliance_stats import lmm": "from alliance_stats import lmm",
}
LATE = ("scipy.stats", "statsmodels", "matplotlib", "seaborn")


def import_table(repeats: int) -> list[dict[str, object]]:
    """Return one row per statement: fastest and median seconds of a new process, and the late modules it loaded."""
    rows: list[dict[str, object]] = []
    for label, statement in STATEMENTS.items():
        seconds = []
        for _ in range(repeats):
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", statement], check=True, env={**os.environ, **ONE_THREAD})
            seconds.append(time.perf_counter() - start)
        probe = f"{statement}\nimport sys\nprint(','.join(m for m in {LATE!r} if m in sys.modules))"
        loaded = subprocess.run(
            [sys.executable, "-c", probe], check=True, capture_output=True, text=True
        ).stdout.strip()
        rows.append(
            {
                "statement": label,
                "min_s": min(seconds),
                "median_s": statistics.median(seconds),
                "beyond_bare_s": min(seconds) - (float(str(rows[0]["min_s"])) if rows else min(seconds)),
                "late_modules": loaded or "none",
            }
        )
    return rows
